"""KernelExplorer in Python: its output, its traits, its place in a page, and a real kernel that links it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from scipy.signal import correlate2d

from cnncourse import scratch
from cnncourse.widgets import KernelExplorer, stylesheet

HOST = Path(__file__).resolve().parents[2] / "book/_static/explorer-host.js"


# --- the Python side ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride, padding", [(1, 0), (1, 1), (2, 3), (3, 2)])
def test_output_is_what_scipy_correlates(stride, padding):
    explorer = KernelExplorer(kernel="gaussian blur", stride=stride, padding=padding)
    padded = np.pad(explorer.picture().astype(float), padding)
    expected = correlate2d(padded, np.array(explorer.kernel), mode="valid")[::stride, ::stride]
    np.testing.assert_allclose(explorer.output(), expected, atol=1e-9)
    assert explorer.output_shape() == expected.shape


def test_output_of_a_step_by_hand():
    step = np.zeros((7, 7), np.uint8)
    step[:, 4:] = 10
    explorer = KernelExplorer(photographs={"step": step}, kernel=[[-1, 0, 1]] * 3, padding=0)
    assert explorer.output().tolist() == [[0, 0, 3 * 10, 3 * 10, 0]] * 5


def test_names_and_kernels_follow_one_another():
    explorer = KernelExplorer(kernel="sharpen")
    assert explorer.kernel == scratch.KERNELS["sharpen"].tolist()
    explorer.kernel_name = "box blur"
    assert explorer.kernel == scratch.KERNELS["box blur"].tolist()
    explorer.kernel = np.eye(3)
    assert explorer.kernel_name == "your own"
    explorer.kernel = scratch.KERNELS["sharpen"]
    assert explorer.kernel_name == "sharpen"


def test_the_point_stays_inside_and_starts_where_the_answer_is_strong():
    explorer = KernelExplorer(kernel="vertical edge", padding=0)
    i, j = explorer.point
    assert abs(explorer.output()[i, j]) > 3 * abs(explorer.output()).mean()
    explorer.point = [125, 125]
    explorer.stride = 4
    assert explorer.point == [31, 31]
    explorer.photograph = "drawing"
    assert explorer.point == [7, 7]


@pytest.mark.parametrize("second", ["sharpen", np.arange(25.0).reshape(5, 5) - 7, [[-2.0]]])
def test_further_layers_are_what_torch_makes_of_the_output(second):
    explorer = KernelExplorer(kernel="sobel vertical", second_kernel=second, photograph="tower", padding=0)
    outputs = explorer.layer_outputs()
    assert list(outputs) == ["kernel", "relu", "pool", "second"]
    pooled = F.max_pool2d(F.relu(torch.tensor(explorer.output())[None, None]), 2)
    weight = torch.tensor(explorer.second_kernel, dtype=torch.float64)[None, None]
    expected = F.conv2d(pooled, weight, padding=weight.shape[-1] // 2)
    np.testing.assert_array_equal(outputs["pool"], pooled[0, 0])
    np.testing.assert_array_equal(outputs["second"], expected[0, 0])  # whole numbers: exact in any order
    assert {name: picture.shape for name, picture in outputs.items()} == {
        name: explorer.layer_shape(name) for name in outputs
    }


def test_the_walk_and_the_traced_pixel_stay_inside():
    explorer = KernelExplorer(kernel=np.eye(7), step=48, layers=True, trace=["second", 61, 60], padding=3)
    explorer.kernel = "sobel vertical"
    assert explorer.step == 8
    explorer.stride = 4
    assert explorer.trace == ["second", 15, 15]
    explorer.photographs = {"small": np.zeros((7, 7), np.uint8)}
    explorer.padding = 0
    explorer.stride, explorer.kernel = 4, np.eye(5)
    assert explorer.output_shape() == (1, 1)
    assert explorer.trace is None and list(explorer.layer_outputs()) == ["kernel", "relu"]
    with pytest.raises(traitlets.TraitError, match="within the 0 × 0 pixels of pool"):
        explorer.trace = ["pool", 0, 0]


def test_words_tell_of_the_walk_and_of_the_layers():
    explorer = KernelExplorer(kernel="sobel vertical", step=4, point=[10, 20], layers=True)
    words = explorer.description()
    assert "The window has come to row 10, column 20, where 5 of 9 products are added" in words
    high = explorer.output().max()
    assert f"after ReLU 128 × 128 values from 0 to {high:.4g}; after max pooling 64 × 64 values" in words


def test_other_pictures_replace_the_embedded_ones():
    explorer = KernelExplorer(point=[100, 100])
    explorer.photographs = {"noise": np.arange(20 * 9, dtype=np.uint8).reshape(20, 9)}
    assert explorer.photograph == "noise"
    assert explorer.picture().tolist() == np.arange(180).reshape(20, 9).tolist()
    assert explorer.point == [19, 8]


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("kernel", [[1, 2], [3, 4]], r"square with side 1, 3, 5 or 7, got shape \(2, 2\)"),
        ("kernel", [[1, 2, 3]], r"got shape \(1, 3\)"),
        ("kernel", np.ones((9, 9)), r"got shape \(9, 9\)"),
        ("kernel", [[1, 2], [3]], "numbers in equal rows"),
        ("kernel", [["a"]], "numbers in equal rows"),
        ("kernel", [[float("nan")]], "finite weights from -1000 to 1000"),
        ("kernel", [[1001.0]], "finite weights from -1000 to 1000"),
        ("kernel", "sobel sideways", "the kernel's name must be one of identity"),
        ("kernel_name", "blur", "kernel_name must be one of identity.*got 'blur'"),
        ("photograph", "dog", "photograph must be one of .*drawing, got 'dog'"),
        ("photographs", {}, "at least one picture"),
        ("photographs", {"x": np.zeros((8, 8))}, r"gray, uint8 \(H, W\), got float64"),
        ("photographs", {"x": np.zeros((8, 8, 3), np.uint8)}, r"got uint8 of shape \(8, 8, 3\)"),
        ("photographs", {"x": np.zeros((6, 8), np.uint8)}, r"sides from 7 to 256 pixels, got shape \(6, 8\)"),
        ("photographs", {"x": {"pixels": "AA=="}}, "dict with pixels, shape, title, credit and alt"),
        (
            "drawing",
            np.zeros((28, 28), int),
            r"32 rows of 32 whole numbers from 0 to 255, got shape \(28, 28\)",
        ),
        ("drawing", np.full((32, 32), 256), "got values from 256 to 256"),
        ("drawing", np.zeros((32, 32)), "got float64"),
        ("stride", 0, "stride must be a whole number from 1 to 4, got 0"),
        ("stride", 5, "stride must be a whole number from 1 to 4, got 5"),
        ("padding", -1, "padding must be a whole number from 0 to 6, got -1"),
        ("padding", 7, "padding must be a whole number from 0 to 6, got 7"),
        ("mode", "mirror", "mode must be one of zeros, reflect, replicate, circular, got 'mirror'"),
        ("view", "colors", "view must be one of automatic, signed, magnitude, picture, got 'colors'"),
        ("point", [0, 128], r"within the 128 × 128 output, got \[0, 128\]"),
        ("point", [-1, 0], r"within the 128 × 128 output, got \[-1, 0\]"),
        ("point", [1, 2, 3], r"\[row, column\]"),
        ("step", 9, "step must be a whole number from 0 to 8, got 9"),
        ("step", -1, "step must be a whole number from 0 to 8, got -1"),
        ("step", 1.5, "step must be a whole number from 0 to 8, got 1.5"),
        ("layers", 2, "expected a boolean, not the int 2"),
        ("second_kernel", "blur", "the kernel's name must be one of identity.*got 'blur'"),
        (
            "second_kernel",
            [[1, 2]],
            r"second_kernel must be square with side 1, 3, 5 or 7, got shape \(1, 2\)",
        ),
        ("trace", ["pool", 64, 0], r"within the 64 × 64 pixels of pool, got \[64, 0\]"),
        ("trace", ["softmax", 0, 0], "with a layer of kernel, relu, pool, second, got"),
        ("trace", 7, "trace must be None or .*, got 7"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name, value, words):
    explorer = KernelExplorer()
    before = explorer.state()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(traitlets.TraitError, match=words):
        KernelExplorer(**{name: value})


def test_wrong_arguments_are_refused_with_a_sentence():
    with pytest.raises(TypeError, match="does not know strides; it knows drawing, kernel,"):
        KernelExplorer(strides=2)
    with pytest.raises(TypeError, match="give kernel or kernel_name, not both"):
        KernelExplorer(kernel="sharpen", kernel_name="sharpen")
    with pytest.raises(traitlets.TraitError, match="read-only"):
        KernelExplorer().kernels = {}


def test_arguments_are_not_written_into():
    kernel, picture = np.eye(3), np.zeros((9, 9), np.uint8)
    pictures = {"x": picture}
    explorer = KernelExplorer(kernel=kernel, photographs=pictures)
    explorer.kernel[0][0] = 5.0
    assert kernel.tolist() == np.eye(3).tolist()
    assert pictures["x"] is picture


# --- the page's representation ------------------------------------------------------------------------------------


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_traits_link_to_plain_controls_in_a_real_kernel(kernel):
    _, messages = kernel.run(
        "import ipywidgets\n"
        "from cnncourse.widgets import KernelExplorer\n"
        "explorer = KernelExplorer(kernel='sharpen')\n"
        "slider = ipywidgets.IntSlider(value=1, min=1, max=4)\n"
        "ipywidgets.link((slider, 'value'), (explorer, 'stride'))\n"
        "explorer"
    )
    opened = {
        message["comm_id"]: message["data"]["state"] for message in messages if "target_name" in message
    }
    model = next(comm for comm, state in opened.items() if state.get("_model_module") == "anywidget")
    text, _ = kernel.run("print(explorer.model_id)")
    assert text == model
    assert opened[model]["kernel"] == scratch.KERNELS["sharpen"].tolist()
    assert opened[model]["_esm"] == KernelExplorer.module_source()
    assert opened[model]["_css"] == stylesheet()

    # from the slider to the explorer, and on to its front end
    text, messages = kernel.run("slider.value = 3; print(explorer.stride, explorer.output().shape)")
    assert text == "3 (43, 43)"
    sent = [message["data"]["state"] for message in messages if message["comm_id"] == model]
    assert {"stride": 3} in sent

    # from the explorer's front end to the slider, and to what observes the explorer
    kernel.run("seen = []; explorer.observe(lambda change: seen.append(change['new']), 'kernel_name')")
    edited = [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 2.0]]
    kernel.send(model, {"stride": 2, "kernel": edited, "kernel_name": "your own", "point": [63, 1]})
    text, _ = kernel.run("print(slider.value, explorer.kernel, explorer.kernel_name, explorer.point, seen)")
    assert text == f"2 {edited} your own [63, 1] ['your own']"

    # what does not fit is refused, and nothing has changed
    text, _ = kernel.run(
        "try:\n    explorer.stride = 9\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
        "print(slider.value, explorer.stride)"
    )
    assert text == "TraitError stride must be a whole number from 1 to 4, got 9\n2 2"
