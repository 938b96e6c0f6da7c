"""LeNetLive in Python: its answers are torch's, its centering is MNIST's, and its network is what the manifest says."""

import base64
import hashlib
import json

import make_lenet_live
import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from cnncourse import data, models
from cnncourse.widgets import LeNetLive, stylesheet
from cnncourse.widgets.lenet import SHIPPED, SIZES, center_digit, decode_digit, sample_digits


@pytest.fixture(scope="module")
def digits():
    return data.load("mnist_mini", "test")


def lenet(folder=SHIPPED):
    """The course's torch model with the weights of a folder, as they are after rounding to 8 bits."""
    manifest = json.loads((folder / "manifest.json").read_text())
    model = models.build(
        "lenet5", in_channels=1, activation=manifest["activation"], pooling=manifest["pooling"]
    )
    with np.load(folder / "weights.npz") as arrays:
        model.load_state_dict(make_lenet_live.dequantize(arrays))
    return model.eval(), manifest


def torch_answers(picture, folder=SHIPPED):
    """Pixels (28, 28) → layer → its numbers in torch, with the probabilities."""
    model, manifest = lenet(folder)
    answers = {}
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _, x, y, name=name: answers.__setitem__(name, y[0].numpy()))
    x = (torch.from_numpy(np.asarray(picture, np.float32)) / 255 - manifest["mean"]) / manifest["std"]
    x = torch.nn.functional.pad(x, (2, 2, 2, 2), value=manifest["border"])
    with torch.no_grad():
        probabilities = model(x[None, None]).softmax(1)[0].numpy()
    for layer in ("c1", "c3", "c5", "f6"):
        answers[layer] = answers[f"{layer}_activation"]
    return answers, probabilities


def drawings():
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (28, 28), dtype=np.uint8)
    bar = np.zeros((28, 28), np.uint8)
    bar[3:20, 20:23] = 255
    return {"noise": noise, "bar": bar, "empty": np.zeros((28, 28), np.uint8)}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The folder of another network: tanh, average pooling, a border of the mean, weights at random."""
    torch.manual_seed(3)
    state = models.build("lenet5", activation="tanh", pooling="average").state_dict()
    folder = tmp_path_factory.mktemp("other")
    make_lenet_live.make(
        {"model": state, "epoch": 1}, folder, dataset="mnist_mini", recipe="none", activation="tanh",
        pooling="average", border="mean",
    )  # fmt: skip
    return folder


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("name", ["noise", "bar", "empty", "digit"])
def test_every_layer_answers_as_torch_does(name, centered):
    image = {**drawings(), "digit": decode_digit(sample_digits()[7])}[name]
    explorer = LeNetLive(image=image, centered=centered)
    expected, probabilities = torch_answers(explorer.received())
    for layer, answer in explorer.activations().items():
        assert answer.shape == SIZES[layer]
        np.testing.assert_allclose(answer, expected[layer].reshape(answer.shape), rtol=0, atol=1e-3)
    np.testing.assert_allclose(explorer.probabilities(), probabilities, rtol=0, atol=1e-5)
    assert explorer.probabilities().sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["noise", "bar"])
def test_another_network_answers_as_torch_does(other, name):
    explorer = LeNetLive(folder=other, image=drawings()[name], centered=False)
    expected, probabilities = torch_answers(drawings()[name], other)
    np.testing.assert_allclose(explorer.activations()["c5"], expected["c5"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(explorer.probabilities(), probabilities, rtol=0, atol=1e-6)


def test_the_network_can_be_taken_out():
    explorer = LeNetLive()
    net = explorer.model()
    with torch.no_grad():
        net.c1.weight.zero_()  # it is the caller's own
    assert explorer.model().c1.weight.abs().max() > 0 and explorer.model().c1.weight.dtype == torch.float32


def test_random_numbers_stay_as_they_are(other):
    """A cell that shows the explorer changes nothing in the cells below it."""
    before = torch.get_rng_state()
    LeNetLive(folder=other).probabilities()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_unit_starts_where_the_answer_is_strongest_and_stays_inside():
    explorer = LeNetLive(layer="c1")
    answers = explorer.activations()["c1"]
    assert answers[tuple(explorer.unit)] == answers.max()
    explorer.unit = [5, 27, 27]
    explorer.layer = "s4"
    assert explorer.unit == [5, 4, 4]
    explorer.layer = "output"
    assert explorer.unit == [5, 0, 0]
    with explorer.hold_trait_notifications():
        explorer.layer, explorer.unit = "c1", [1, 20, 20]
    assert (explorer.layer, explorer.unit) == ("c1", [1, 20, 20])


# --- centering ------------------------------------------------------------------------------------------------------


def test_digits_of_mnist_stay_as_they_are(digits):
    """MNIST's own rule, applied to what already follows it, changes nothing in any of the 1,000 test digits."""
    for image in digits.images[:, 0].numpy():
        np.testing.assert_array_equal(center_digit(image), image)


def pillow_center(picture):
    """The same rule with Pillow's resampling: the triangle is its BILINEAR filter."""
    left, top, right, bottom = Image.fromarray(picture).getbbox()
    longer = max(right - left, bottom - top)
    size = [max(1, int(20 * side / longer + 0.5)) for side in (right - left, bottom - top)]
    box = Image.fromarray(picture[top:bottom, left:right].astype(np.float32))
    digit = np.asarray(box.resize(size, Image.Resampling.BILINEAR), np.float64)
    field = np.zeros((28, 28))
    corner = []
    for axis, length in ((1, size[1]), (0, size[0])):
        middle = (digit.sum(axis=axis) * np.arange(length)).sum() / digit.sum()
        corner.append(min(max(round(14 - 1e-9 - middle), 0), 28 - length))
    field[corner[0] : corner[0] + size[1], corner[1] : corner[1] + size[0]] = digit
    return field


@pytest.mark.parametrize("seed", range(8))
def test_centering_is_what_pillow_makes_of_the_rule(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 29, 2)
    top, left = rng.integers(0, 29 - height), rng.integers(0, 29 - width)
    picture = np.zeros((28, 28), np.uint8)
    picture[top : top + height, left : left + width] = rng.integers(1, 256, (height, width))
    np.testing.assert_allclose(center_digit(picture), pillow_center(picture), rtol=0, atol=0.51)


def test_centering_a_small_bar_by_hand():
    """One pixel wide and ten high becomes two by twenty, around the middle."""
    picture = np.zeros((28, 28), np.uint8)
    picture[0:10, 27] = 255
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 13:15] = 255
    np.testing.assert_array_equal(center_digit(picture), expected)


def test_nothing_and_almost_nothing_can_be_centered():
    assert center_digit(np.zeros((28, 28), np.uint8)).max() == 0
    faint = np.zeros((28, 28), np.uint8)
    faint[0, 0] = faint[27, 27] = 1  # less than half a gray value each, once made smaller
    assert center_digit(faint).max() <= 1
    dot = np.zeros((28, 28), np.uint8)
    dot[2, 3] = 200
    assert (center_digit(dot) > 0).sum() == 20 * 20


# --- traits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, words",
    [
        (
            "image",
            np.zeros((32, 32), int),
            r"28 rows of 28 whole numbers from 0 to 255, got shape \(32, 32\)",
        ),
        ("image", np.zeros((28, 28)), "image must be .* got float64"),
        ("image", np.full((28, 28), 256), "got values from 256 to 256"),
        ("image", np.full((28, 28), -1), "got values from -1 to -1"),
        ("image", [[1, 2], [3]], "image must be 28 rows"),
        ("brush", 0.5, "brush must be a number from 1 to 5, got 0.5"),
        ("brush", 6, "brush must be a number from 1 to 5, got 6"),
        ("layer", "c2", "layer must be one of c1, s2, c3, s4, c5, f6, output, got 'c2'"),
        (
            "unit",
            [16, 0, 0],
            r"\[map, row, column\] within the 16 × 10 × 10 units of c3, got \[16, 0, 0\]",
        ),
        ("unit", [0, -1, 0], r"got \[0, -1, 0\]"),
        ("unit", [3], r"got \[3\]"),
        ("centered", "yes", "centered"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name, value, words):
    explorer = LeNetLive()
    before = explorer.state()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(traitlets.TraitError, match=words):
        LeNetLive(**{name: value})


def test_wrong_arguments_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(
        TypeError, match="does not know picture; it knows brush, centered, folder, image, layer"
    ):
        LeNetLive(picture=1)
    with pytest.raises(ValueError, match=r"folder must hold manifest\.json and weights\.npz.*nowhere"):
        LeNetLive(folder=tmp_path / "nowhere")
    for file in ("manifest.json", "weights.npz"):
        (tmp_path / file).write_bytes((SHIPPED / file).read_bytes())
    with open(tmp_path / "weights.npz", "ab") as weights:
        weights.write(b"x")
    with pytest.raises(ValueError, match=r"weights\.npz is not the file that manifest\.json describes"):
        LeNetLive(folder=tmp_path)
    with pytest.raises(traitlets.TraitError, match="read-only"):
        LeNetLive().network = {}


def test_arguments_are_not_written_into():
    image = drawings()["bar"]
    explorer = LeNetLive(image=image)
    explorer.image[0][0] = 9
    assert image[0, 0] == 0


# --- the network ----------------------------------------------------------------------------------------------------


def test_the_shipped_network_is_what_its_manifest_says(digits):
    model, manifest = lenet()
    assert manifest["parameters"] == sum(p.numel() for p in model.parameters()) == 61_706
    weights = (SHIPPED / "weights.npz").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == manifest["sha256"]["weights.npz"]
    assert len(weights) < 66_000
    assert "CC BY-SA 3.0" in manifest["license"] and (SHIPPED / "NOTICE.md").exists()
    test = manifest["test"]
    assert test["accuracy"] >= 0.98
    assert abs(test["accuracy"] - test["accuracy_quantized"]) < 0.003
    assert test["same_answers"] >= 0.998 * test["images"]

    x = (digits.images.float() / 255 - manifest["mean"]) / manifest["std"]
    with torch.no_grad():
        logits = model(torch.nn.functional.pad(x, (2, 2, 2, 2), value=manifest["border"]))
    right = (logits.argmax(1) == digits.labels).float().mean().item()
    assert right >= 0.98
    if test["set"] == "mnist_mini":
        assert right == pytest.approx(test["accuracy_quantized"], abs=1e-6)


def test_the_page_holds_the_network_once_and_small():
    state = LeNetLive().state()
    network = state["network"]
    assert len(base64.b64decode(network["weights"])) == 61_706 - 236
    assert len(base64.b64decode(network["biases"])) == len(base64.b64decode(network["scales"])) == 4 * 236
    assert len(json.dumps(state)) < 105_000


def test_rounding_to_8_bits_is_within_half_a_step():
    rng = np.random.default_rng(0)
    weight = torch.from_numpy(
        rng.normal(size=(5, 3, 2, 2)) * np.array([1, 10, 0.01, 0, 3]).reshape(5, 1, 1, 1)
    )
    whole, scale = make_lenet_live.quantize(weight.float())
    assert whole.dtype == np.int8 and scale.dtype == np.float32
    error = abs(whole * scale.astype(float).reshape(5, 1, 1, 1) - weight.numpy())
    assert (error <= 0.5001 * scale.reshape(5, 1, 1, 1)).all()
    assert abs(whole[[0, 1, 2, 4]]).reshape(4, -1).max(axis=1).tolist() == [127] * 4
    assert whole[3].max() == 0


def test_the_network_is_made_from_a_checkpoint_by_command(tmp_path, capsys):
    torch.manual_seed(0)
    state = models.build("lenet5", activation="relu", pooling="max").state_dict()
    flat = {**state, "c5.weight": state["c5.weight"].reshape(120, 400)}  # as a fully connected layer
    torch.save({"epoch": 3, "model": state}, tmp_path / "checkpoint.pt")
    torch.save(flat, tmp_path / "flat.pt")
    (tmp_path / "recipe.json").write_text('{"epochs": 3}')
    for name, recipe in (("checkpoint", str(tmp_path / "recipe.json")), ("flat", "three epochs")):
        make_lenet_live.main(
            [str(tmp_path / f"{name}.pt"), "--data", "mnist_mini", "--recipe", recipe,
             "--out", str(tmp_path / name)]
        )  # fmt: skip
    assert '"images": 1000' in capsys.readouterr().out
    first, second = ((tmp_path / name / "weights.npz").read_bytes() for name in ("checkpoint", "flat"))
    assert first == second
    manifests = [
        json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("checkpoint", "flat")
    ]
    assert [manifest.pop("recipe") for manifest in manifests] == [{"epochs": 3}, "three epochs"]
    assert manifests[0] == manifests[1]
    assert manifests[0]["border"] == pytest.approx(-manifests[0]["mean"] / manifests[0]["std"])
    LeNetLive(folder=tmp_path / "flat")


@pytest.mark.parametrize(
    "change, options, words",
    [
        ({"c3.weight": None}, {}, r"the weights must hold c1\.weight.*no part of the file does"),
        (
            {"c1.weight": torch.zeros(6, 3, 5, 5)},
            {},
            r"c1 must have weights \(6, 1, 5, 5\).*got \(6, 3, 5, 5\)",
        ),
        ({"f6.bias": torch.zeros(85)}, {}, r"f6 must have .*got \(84, 120\) and \(85,\)"),
        ({}, {"activation": "elu"}, "activation is 'elu', expected one of relu, tanh"),
        ({}, {"pooling": "min"}, "pooling is 'min', expected one of max, average"),
        ({}, {"border": "white"}, "border is 'white', expected one of black, mean"),
    ],
)
def test_what_is_no_lenet_is_refused_with_a_sentence(tmp_path, change, options, words):
    state = models.build("lenet5").state_dict() | change
    state = {name: value for name, value in state.items() if value is not None}
    with pytest.raises(ValueError, match=words):
        make_lenet_live.make(state, tmp_path, dataset="mnist_mini", recipe="", **options)
    assert not list(tmp_path.iterdir())


# --- the page's representation ------------------------------------------------------------------------------------


def test_the_ten_samples_are_test_digits_in_order(digits):
    known = {
        image.tobytes(): int(label) for image, label in zip(digits.images.numpy(), digits.labels, strict=True)
    }
    assert [known[base64.b64decode(sample)] for sample in sample_digits()] == list(range(10))


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_traits_link_to_plain_controls_in_a_real_kernel(kernel):
    _, messages = kernel.run(
        "import ipywidgets, numpy as np\n"
        "from cnncourse.widgets import LeNetLive\n"
        "explorer = LeNetLive(layer='c1')\n"
        "box = ipywidgets.Checkbox(value=True)\n"
        "ipywidgets.link((box, 'value'), (explorer, 'centered'))\n"
        "explorer"
    )
    opened = {
        message["comm_id"]: message["data"]["state"] for message in messages if "target_name" in message
    }
    model = next(comm for comm, state in opened.items() if state.get("_model_module") == "anywidget")
    assert opened[model]["_esm"] == LeNetLive.module_source()
    assert opened[model]["_css"] == stylesheet()

    # from Python to the front end
    text, messages = kernel.run(
        "image = np.zeros((28, 28), np.uint8); image[4:24, 13:15] = 255\n"
        "explorer.image = image; box.value = False; print(explorer.probabilities().argmax())"
    )
    assert text == "1"
    sent = [message["data"]["state"] for message in messages if message["comm_id"] == model]
    assert {"centered": False} in sent
    (image,) = (state["image"] for state in sent if "image" in state)
    assert np.array_equal(np.array(image) > 0, np.pad(np.ones((20, 2)), ((4, 4), (13, 13))) > 0)

    # from the front end to Python, layer and unit together
    drawn = np.zeros((28, 28), int).tolist()
    drawn[3][5] = 255
    kernel.send(model, {"image": drawn, "centered": True, "layer": "s4", "unit": [15, 4, 4], "brush": 3})
    text, _ = kernel.run(
        "print(box.value, explorer.layer, explorer.unit, explorer.brush, np.argwhere(explorer.image).tolist())"
    )
    assert text == "True s4 [15, 4, 4] 3.0 [[3, 5]]"

    text, _ = kernel.run(
        "try:\n    explorer.brush = 9\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    assert text == "TraitError brush must be a number from 1 to 5, got 9"
