"""AttentionExplorer in Python: its weights and answers are torch's, and its network is what the manifest says."""

import hashlib
import json

import make_vit_live
import numpy as np
import pytest
import torch
import traitlets

from cnncourse import data, models, recipe
from cnncourse.widgets import AttentionExplorer, page_modules, stylesheet
from cnncourse.widgets.attention import PICTURES, SAMPLED, SHIPPED, sample_pictures
from cnncourse.widgets.lenet import encode


@pytest.fixture(scope="module")
def clothes():
    return data.load("fashion_mnist_mini", "test")


@pytest.fixture(scope="module")
def manifest():
    return json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def vit():
    """The course's torch model, float32, with the weights as they are after rounding to 8 bits."""
    model = models.build("vit_tiny", in_channels=1, image_size=28)
    with np.load(SHIPPED / "weights.npz") as arrays:
        model.load_state_dict(make_vit_live.unpacked(arrays))
    return model.eval()


def drawings():
    rng = np.random.default_rng(5)
    bar = np.zeros((28, 28), np.uint8)
    bar[3:20, 20:23] = 255
    return {
        "noise": rng.integers(0, 256, (28, 28), dtype=np.uint8),
        "bar": bar,
        "empty": np.zeros((28, 28), np.uint8),
    }


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["noise", "bar", "empty", *PICTURES[::5]])
def test_weights_rollout_and_answer_are_those_of_torch(vit, manifest, name):
    drawn = drawings()
    values = dict(picture="drawing", drawing=drawn[name]) if name in drawn else dict(picture=name)
    explorer = AttentionExplorer(**values)
    x = (torch.from_numpy(explorer.pixels().astype(np.float32)) / 255 - manifest["mean"]) / manifest["std"]
    with torch.no_grad():
        maps = torch.stack(vit.attention(x[None, None]))[:, 0]
        probabilities = vit(x[None, None]).softmax(1)[0]
    assert explorer.maps().shape == (6, 3, 50, 50)
    np.testing.assert_allclose(explorer.maps(), maps, rtol=0, atol=1e-5)
    np.testing.assert_allclose(explorer.probabilities(), probabilities, rtol=0, atol=1e-5)
    mixed = (maps.mean(1) + torch.eye(50)) / 2
    first, *later = mixed
    for layer in later:
        first = layer @ first
    np.testing.assert_allclose(explorer.rollout(), first, rtol=0, atol=1e-5)
    np.testing.assert_allclose(explorer.rollout().sum(axis=1), 1, rtol=1e-12)


def test_the_attention_is_a_row_of_the_maps():
    explorer = AttentionExplorer(layer=3, head=2, patch=[4, 6])
    np.testing.assert_array_equal(explorer.attention(), explorer.maps()[2, 1, 1 + 3 * 7 + 5])
    explorer.patch = "class token"
    np.testing.assert_array_equal(explorer.attention(), explorer.maps()[2, 1, 0])
    explorer.head = "mean"
    np.testing.assert_allclose(explorer.attention(), explorer.maps()[2, :, 0].mean(axis=0), rtol=1e-12)


def test_rollout_by_hand(monkeypatch):
    """In two layers the class token takes from the first patch, and nobody else from anyone."""
    maps = np.tile(np.eye(50), (2, 3, 1, 1))
    maps[0, :, 0, :2], maps[1, :, 0, :2] = (0.5, 0.5), (0.2, 0.8)
    monkeypatch.setattr(AttentionExplorer, "maps", lambda self: maps)
    rolled = AttentionExplorer().rollout()
    # ½ (A + 1): first 0.75 and 0.25, then 0.6 and 0.4
    np.testing.assert_allclose(rolled[0, :2], [0.6 * 0.75, 0.6 * 0.25 + 0.4], rtol=1e-12)
    assert rolled[0, 2:].max() == 0 and rolled[3, 3] == 1


def test_the_network_can_be_taken_out():
    explorer = AttentionExplorer()
    net = explorer.model()
    with torch.no_grad():
        net.output.weight.zero_()  # it is the caller's own
    assert explorer.model().output.weight.abs().max() > 0
    assert explorer.model().output.weight.dtype == torch.float32


def test_random_numbers_stay_as_they_are():
    """A cell that shows the explorer changes nothing in the cells below it."""
    before = torch.get_rng_state()
    AttentionExplorer().probabilities()
    assert torch.equal(torch.get_rng_state(), before)


# --- traits ---------------------------------------------------------------------------------------------------------

PATCH = r"patch must be 'class token' or \[row, column\], whole numbers from 1 to 7, got "


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("picture", "cat", r"picture must be one of trouser 1, trouser 2, .*, drawing, got 'cat'"),
        ("drawing", np.zeros((32, 32), int), r"drawing must be 28 rows of 28 .*, got shape \(32, 32\)"),
        ("drawing", np.full((28, 28), 256), "got values from 256 to 256"),
        ("brush", 0.5, "brush must be a number from 1 to 9, got 0.5"),
        ("layer", 0, "layer must be a whole number from 1 to 6, got 0"),
        ("layer", 7, "layer must be a whole number from 1 to 6, got 7"),
        ("head", 4, "head must be 1, 2, 3 or 'mean', got 4"),
        ("head", "all", "head must be 1, 2, 3 or 'mean', got 'all'"),
        ("head", True, "head must be 1, 2, 3 or 'mean', got True"),
        ("patch", [0, 1], PATCH + r"\[0, 1\]"),
        ("patch", [1, 8], PATCH + r"\[1, 8\]"),
        ("patch", [1], PATCH + r"\[1\]"),
        ("patch", [1.5, 2], PATCH + r"\[1.5, 2\]"),
        ("patch", "first", PATCH + "'first'"),
        ("patch", None, PATCH + "None"),
        ("numbers", "yes", "numbers"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name, value, words):
    explorer = AttentionExplorer()
    before = explorer.state()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(traitlets.TraitError, match=words):
        AttentionExplorer(**{name: value})


def test_wrong_arguments_are_refused_with_a_sentence():
    with pytest.raises(TypeError, match="does not know image; it knows brush, drawing, head, layer, numbers"):
        AttentionExplorer(image=1)
    with pytest.raises(traitlets.TraitError, match="read-only"):
        AttentionExplorer().samples = {}


def test_patches_and_drawings_may_be_arrays_and_are_not_written_into():
    drawing = drawings()["bar"]
    explorer = AttentionExplorer(picture="drawing", drawing=drawing, patch=np.array([2, 3]))
    assert explorer.patch == [2, 3] and isinstance(explorer.patch[0], int)
    explorer.drawing[0][0] = 9
    assert drawing[0, 0] == 0
    json.dumps(explorer.state())


# --- the network ----------------------------------------------------------------------------------------------------


def test_the_shipped_network_is_what_its_manifest_says(vit, manifest, clothes):
    assert manifest["parameters"] == sum(p.numel() for p in vit.parameters())
    weights = (SHIPPED / "weights.npz").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == manifest["sha256"]["weights.npz"]
    assert len(weights) <= 250_000
    assert "MIT License" in manifest["license"] and (SHIPPED / "NOTICE.md").exists()
    with np.load(SHIPPED / "weights.npz") as arrays:
        whole = {name for name in arrays.files if arrays[name].dtype == np.int8}
    assert whole == {name for name, p in vit.named_parameters() if p.ndim > 1 and "embedding" not in name}
    test = manifest["test"]
    assert abs(test["accuracy"] - test["accuracy_quantized"]) < 0.005
    assert test["same_answers"] >= 0.98 * test["images"]

    x = (clothes.images.float() / 255 - manifest["mean"]) / manifest["std"]
    with torch.no_grad():
        right = (vit(x).argmax(1) == clothes.labels).float().mean().item()
    # 2,000 of the 10,000 test images: within three standard errors of the accuracy on all
    assert right == pytest.approx(test["accuracy_quantized"], abs=3 * (0.12 / 2000) ** 0.5)


def test_rounding_changes_each_weight_by_half_a_step_at_most(vit):
    state = {name: tensor.clone() for name, tensor in vit.state_dict().items()}
    torch.manual_seed(0)
    for tensor in state.values():
        tensor += 0.01 * torch.randn(tensor.shape)
    arrays = make_vit_live.packed(state)
    for name, back in make_vit_live.unpacked(arrays).items():
        error = (back - state[name]).abs()
        if name in arrays and arrays[name].dtype == np.int8:
            scale = torch.from_numpy(arrays[f"{name}_scale"]).reshape(-1, *[1] * (error.ndim - 1))
            assert (error <= 0.5001 * scale).all()
        else:
            assert error.max() == 0


def checkpoint(vit):
    rows = [{"epoch": 1, "validation_accuracy": 0.5}, {"epoch": 2, "validation_accuracy": 0.4}]
    return {"model": vit.state_dict(), "mean": [0.2], "std": [0.3], "rows": rows}


def test_the_network_is_made_from_a_run_by_command(vit, tmp_path, capsys):
    torch.save(checkpoint(vit), tmp_path / "best.pt")
    (tmp_path / "short.yaml").write_text(
        "model: vit_tiny\ndata: fashion_mnist_mini\nimage_size: 28\nvalidation: 500\nepochs: 2\n"
    )
    for name in ("one", "two"):
        arguments = [
            str(tmp_path / "best.pt"),
            "--recipe",
            str(tmp_path / "short.yaml"),
            "--out",
            str(tmp_path / name),
        ]
        make_vit_live.main(arguments)
    assert '"images": 2000' in capsys.readouterr().out
    for file in ("weights.npz", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    made = json.loads((tmp_path / "one/manifest.json").read_text())
    assert made["training"] == {
        "epochs": 2, "epoch_kept": 1, "validation_images": 500, "validation_accuracy": 0.5,
    }  # fmt: skip
    assert made["recipe"].startswith("recipes/vit_live.yaml: 2 epochs on ")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"model": {}}, r"the checkpoint must hold, under model, the weights of vit_tiny for 1×28×28 pixels"),
        ({"model": None}, r"the checkpoint must hold, under model"),
        ("output.bias", r"output\.bias must be \(10,\), got \(9,\)"),
    ],
)
def test_what_is_no_vit_is_refused_with_a_sentence(vit, tmp_path, change, words):
    content = checkpoint(vit)
    content |= change if isinstance(change, dict) else {"model": {**content["model"], change: torch.zeros(9)}}
    short = recipe.Recipe(model="vit_tiny", data="fashion_mnist_mini")
    with pytest.raises(ValueError, match=words):
        make_vit_live.make(content, tmp_path, recipe=short)
    assert not list(tmp_path.iterdir())


# --- the page's representation ------------------------------------------------------------------------------------


def test_the_twelve_samples_are_test_images_of_their_classes(clothes):
    known = {
        image.tobytes(): clothes.classes[label]
        for image, label in zip(clothes.images.numpy(), clothes.labels, strict=True)
    }
    assert [known[picture.tobytes()] for picture in sample_pictures().values()] == [
        name for name in SAMPLED for _ in (1, 2)
    ]


def test_the_weights_are_a_file_of_their_own():
    page = AttentionExplorer().page_html()
    weights = json.loads(page_modules()["vit.js"].removeprefix("export const VIT = ").removesuffix(";\n"))
    with np.load(SHIPPED / "weights.npz") as arrays:
        first = arrays["patches.projection.weight"]
    start = encode(first.ravel()[:300])  # a multiple of three bytes
    assert weights["weights"].startswith(start)
    assert start not in page and start not in page_modules()["attention.js"]
    assert len(json.dumps(AttentionExplorer().state())) < 20_000
    assert 'from "./vit.js"' in page_modules()["attention.js"]


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_traits_link_to_plain_controls_in_a_real_kernel(kernel):
    _, messages = kernel.run(
        "import ipywidgets, numpy as np\n"
        "from cnncourse.widgets import AttentionExplorer\n"
        "explorer = AttentionExplorer(layer=2)\n"
        "slider = ipywidgets.IntSlider(value=2, min=1, max=6)\n"
        "ipywidgets.link((slider, 'value'), (explorer, 'layer'))\n"
        "explorer"
    )
    opened = {
        message["comm_id"]: message["data"]["state"] for message in messages if "target_name" in message
    }
    model = next(comm for comm, state in opened.items() if state.get("_model_module") == "anywidget")
    assert opened[model]["_esm"] == AttentionExplorer.module_source()
    assert opened[model]["_css"] == stylesheet()
    text, messages = kernel.run("slider.value = 5; print(explorer.layer)")
    assert text == "5"
    assert {"layer": 5} in [m["data"]["state"] for m in messages if m["comm_id"] == model]
    kernel.send(model, {"layer": 3, "head": "mean", "patch": [7, 1], "picture": "bag 2"})
    text, _ = kernel.run("print(slider.value, explorer.head, explorer.patch, explorer.picture)")
    assert text == "3 mean [7, 1] bag 2"
    text, _ = kernel.run(
        "try:\n    explorer.layer = 9\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    assert text == "TraitError layer must be a whole number from 1 to 6, got 9"
