"""Weights carried over from torchvision, and fetched from a server on this machine."""

import hashlib
import http.server
import io
import threading
from types import SimpleNamespace

import pytest
import torch
import torchvision

from cnncourse import models
from cnncourse.models.weights import renamed


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).state_dict()


def without(state, key):
    return {name: tensor for name, tensor in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: without(s, "layer1.0.bn2.bias"), "got none for stage1.0.residual.unit2.norm.bias"),
        (lambda s: s | {"extra.weight": torch.zeros(3)}, "got extra.weight, which has no place in it"),
        (lambda s: s | {"output.weight": s["fc.weight"]}, "two for output.weight"),
        (
            lambda s: s | {"fc.weight": torch.zeros(10, 512)},
            r"fc.weight must have shape \(1000, 512\), that of output.weight in resnet18, got \(10, 512\)",
        ),
        (
            lambda s: s | {"conv1.weight": s["conv1.weight"].mT.flatten(0, 1)},
            "conv1.weight must have shape",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_copied(theirs, change, words):
    model = models.build("resnet18")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        models.transplant(change(theirs), model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (lambda s: (s, models.build("lenet5")), TypeError, "model must be a network of .*, got lenet5"),
        (lambda s: (s, torch.nn.Linear(2, 2)), TypeError, "model must be a network of .*, got Linear"),
        (lambda s: (list(s), models.build("resnet18")), TypeError, "state_dict must be a dict of tensors"),
        (
            lambda s: (s, models.build("resnet34")),
            ValueError,
            "got none for stage1.2.residual.unit1.conv.weight",
        ),
    ],
)
def test_a_wrong_call_is_one_sentence(theirs, arguments, error, words):
    with pytest.raises(error, match=words):
        models.transplant(*arguments(theirs))


def test_each_layer_is_looked_up_by_all_of_its_name():
    rules = {r"conv(\d)": r"unit\1.conv"}
    assert renamed("conv3.weight", rules) == "unit3.conv.weight"
    assert renamed("deconv3.weight", rules) == "deconv3.weight"


@pytest.fixture
def served(theirs, monkeypatch, tmp_path):
    """The weights under the name that has their hash, on a server; `served.content` is what it sends."""
    file = io.BytesIO()
    torch.save(theirs, file)
    place = SimpleNamespace(content=file.getvalue(), asked=0, folder=tmp_path / "hub/checkpoints")
    name = f"resnet18-{hashlib.sha256(place.content).hexdigest()[:8]}.pth"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            place.asked += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(place.content)))
            self.end_headers()
            self.wfile.write(place.content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        place.url = f"http://127.0.0.1:{server.server_port}/{name}"
        weights = SimpleNamespace(DEFAULT=place)
        monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: weights)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        yield place
        server.shutdown()
        thread.join()


def test_weights_are_fetched_once_and_give_torchvisions_logits(served, theirs):
    reference = torchvision.models.resnet18(weights=None).eval()
    reference.load_state_dict(theirs)
    x = torch.randn(2, 3, 64, 64)
    for _ in range(2):
        model = models.pretrained("resnet18")
        assert not model.training
        torch.testing.assert_close(model(x), reference(x), rtol=1e-4, atol=1e-4)
    assert served.asked == 1


def test_an_altered_file_is_one_sentence_and_leaves_nothing(served):
    served.content = served.content[:-1] + b"x"
    with pytest.raises(
        RuntimeError, match=r"the weights of resnet18 could not be downloaded \(http.*hash"
    ) as caught:
        models.pretrained("resnet18")
    assert "\n" not in str(caught.value) and list(served.folder.iterdir()) == []


def test_a_file_that_was_altered_later_is_fetched_again(served):
    models.pretrained("resnet18")
    (file,) = served.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    models.pretrained("resnet18")
    assert served.asked == 2 and file.read_bytes() == served.content


def test_without_a_network_it_says_so_in_one_sentence(served):
    served.url = "http://127.0.0.1:9/resnet18-0123abcd.pth"
    with pytest.raises(
        RuntimeError, match=r"could not be downloaded \(.*refused.*\): check the network"
    ) as caught:
        models.pretrained("resnet18")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lenet5", "preact_resnet50", "resnet5"])
def test_networks_that_torchvision_lacks_are_refused(name):
    with pytest.raises(ValueError, match=f"name must be one of .*resnet18, .* got '{name}'"):
        models.pretrained(name)
