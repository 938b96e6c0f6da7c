"""What an explorer leaves in a notebook's output: its state, a still picture drawn by its own painters, and words."""

import base64
import gzip
import html
import importlib.util
import io
import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from cnncourse import scratch
from cnncourse.widgets import (
    EXPLORERS,
    ArchitectureExplorer,
    AttentionExplorer,
    KernelExplorer,
    LeNetLive,
    OptimizerExplorer,
    ShapeExplorer,
    TrainLive,
    page_modules,
    stylesheet,
)
from cnncourse.widgets.architecture import load_networks
from cnncourse.widgets.explorer import DECLARED, script
from cnncourse.widgets.lenet import center_digit, decode_digit, sample_digits

HOST = Path(__file__).resolve().parents[2] / "book/_static/explorer-host.js"
ORANGE, BLUE = "rgb(240, 195, 97)", "rgb(148, 196, 223)"

# What is made, and what is said of it.
STATES = [
    (KernelExplorer, dict(kernel="vertical edge", view="magnitude"), "Kernel, vertical edge: -1 0 1; "),
    (KernelExplorer, dict(kernel=np.zeros((7, 7)), photograph="drawing"), "Input: a drawing."),
    (KernelExplorer, dict(kernel="sharpen", layers=True, trace=["second", 9, 9]), "; after a second kernel 64 × 64"),
    (KernelExplorer, dict(step=4, padding=0, photograph="drawing"), "where 5 of 9 products are added"),
    (ShapeExplorer, dict(), "Input: 7 × 7 pixels with 1 of padding around it. Kernel 3 × 3, stride 2, "),
    (ShapeExplorer, dict(input=8, padding=0), "Output: 3 × 3. Never read: row and column 7."),
    (ShapeExplorer, dict(input=16, kernel=7, padding=6, dilation=4, step=0), "Never read: rows and columns 1, 3"),
    (ShapeExplorer, dict(view="transposed"), "13 × 13, with 1 cropped on every side. Every pixel is written to."),
    (ShapeExplorer, dict(view="transposed", input=3, kernel=1, padding=0), "Never written to: rows and columns"),
    (ShapeExplorer, dict(input=1, kernel=1, padding=0), "16 channels: 48 weights, 48 multiply-adds."),
    (OptimizerExplorer, dict(), "contours of the rosenbrock surface and their loss curves, from (0, 0), 500 steps."),
    (OptimizerExplorer, dict(), "SGD at 0.001 ends 0.891 away from a minimum and 0.242 above it."),
    (OptimizerExplorer, dict(surface="beale", schedule="step_decay", steps=20), "20 steps, schedule step decay."),
    (OptimizerExplorer, dict(surface="bowl", runs=[dict(optimizer="momentum", lr=10)]), "diverged at step 7;"),
    (LeNetLive, dict(), "A drawn digit of 28 × 28 pixels and the answers of LeNet-5, layer by layer"),
    (LeNetLive, dict(image=np.zeros((28, 28), int), layer="output"), "An empty drawing"),
    (ArchitectureExplorer, dict(), "The 12 layers of lenet5 as blocks, for images of 32 × 32 pixels and 10 classes:"),
    (ArchitectureExplorer, dict(model="resnet20", width=2), "resnet20, its width times 2 as blocks"),
    (ArchitectureExplorer, dict(second="lenet5_1998", opened=["c1", ""]), "The 14 layers of lenet5_1998"),
    (AttentionExplorer, dict(), "A picture of Fashion-MNIST, ankle boot 1, in 7 × 7 patches, and the attention of "),
    (AttentionExplorer, dict(picture="drawing", patch=[2, 3], head="mean", numbers=True), "patch (2, 3) in the mean"),
    (TrainLive, dict(), "500 others are held out. Settings: lr 0.01, batch size 32, optimizer momentum"),
    (TrainLive, dict(schedule="warmup_cosine", what_if=dict(lr=3)), "differs in one setting: lr 3. It has not been"),
]  # fmt: skip


def parsed(explorer):
    """The still picture as elements, without their namespace."""
    tree = ElementTree.fromstring(explorer.still())
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    return tree


def pixels(image):
    """The picture inside an <image>, as Pillow reads it."""
    data = base64.b64decode(image.get("href").removeprefix("data:image/png;base64,"), validate=True)
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    "kind, values, words", STATES, ids=lambda value: getattr(value, "module", None) or str(value)[:40]
)
def test_the_output_holds_the_widget_its_state_a_picture_and_words(kind, values, words):
    explorer = kind(**values)
    data, _ = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    page = data["text/html"]
    assert page.startswith(f'<div class="course-explorer" data-module="{kind.module}">')
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])
    assert state == json.loads(json.dumps(explorer.state()))
    assert set(state) == set(explorer.trait_names(explorer=True))
    assert words in explorer.description()
    width, height, alt, still = re.search(
        r'<img class="course-still" width="(\d+)" height="(\d+)" alt="([^"]+)" '
        r'src="data:image/svg\+xml;base64,([^"]+)">',
        page,
    ).groups()
    assert alt == html.escape(explorer.description())
    still = base64.b64decode(still)
    assert len(still) <= 130_000
    picture = ElementTree.fromstring(still)
    assert (picture.get("width"), picture.get("height")) == (width, height)
    assert "NaN" not in still.decode() and "undefined" not in still.decode()


def test_a_name_cannot_end_the_script_element():
    explorer = KernelExplorer(photographs={"</script>": np.zeros((8, 8), np.uint8)})
    assert explorer.page_html().count("</script>") == 1


def test_without_v8_the_words_remain(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "py_mini_racer" else find(name)
    )
    explorer = ShapeExplorer()
    assert explorer.still() is None
    assert explorer.page_html().endswith(
        f'<p class="course-still">{html.escape(explorer.description())}</p></div>'
    )


# --- what the pictures show -----------------------------------------------------------------------------------------


def test_the_kernels_pictures_are_the_input_and_the_output():
    oblong = np.random.default_rng(0).integers(0, 256, (11, 29), dtype=np.uint8)
    explorer = KernelExplorer(photographs={"noise": oblong}, kernel="identity", padding=0)
    given, answer = parsed(explorer).iter("image")
    np.testing.assert_array_equal(pixels(given), np.repeat(oblong[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels(answer), pixels(given)[1:-1, 1:-1])
    assert float(given.get("width")) / float(given.get("height")) == pytest.approx(29 / 11, rel=0.01)
    explorer.kernel, explorer.view = "vertical edge", "signed"
    _, answer = parsed(explorer).iter("image")
    red, _, blue = np.moveaxis(pixels(answer).astype(int), 2, 0)
    strong = abs(explorer.output()) > 0.02 * abs(explorer.output()).max()
    assert ((blue > red) == (explorer.output() > 0))[strong].all()
    words = [text.text for text in parsed(explorer).iter("text")]
    i, j = explorer.point
    assert any(text.startswith(f"Row {i}, column {j}: ") for text in words)


def test_the_kernels_picture_shows_its_layers_and_how_far_the_window_is():
    explorer = KernelExplorer(kernel="sobel vertical", layers=True, trace=["pool", 20, 30], view="magnitude")
    tree = parsed(explorer)
    pictures = list(tree.iter("image"))
    assert [pixels(picture).shape[0] for picture in pictures] == [130, 128, 128, 128, 64, 64]
    words = [text.text for text in tree.iter("text")]
    outputs = explorer.layer_outputs()
    cells = ", ".join(f"{value:.0f}" for value in outputs["relu"][40:42, 60:62].ravel())
    assert f"Max pooling 2 × 2, row 20, column 30: max({cells}) = {outputs['pool'][20, 30]:.0f}" in words
    np.testing.assert_array_equal(pixels(pictures[3])[outputs["relu"] == 0], 0)

    explorer.trace, explorer.point, explorer.step = None, [64, 10], 3
    tree = parsed(explorer)
    window = explorer.output()  # the 4th product is that of the window's second row, first column
    patch = np.pad(explorer.picture().astype(int), 1)[64:67, 10:13]
    products = (patch * scratch.KERNELS["sobel vertical"]).ravel()
    assert window[64, 10] == products.sum()
    words = [text.text or "" for text in tree.iter("text")]
    (text,) = [line for line in words if line.startswith("Row ")]
    text = text.replace("−", "-")
    assert text.startswith("Row 64, column 10, product 4 of 9: ") and text.endswith(
        f" = {products[:4].sum():.0f}"
    )
    hatched = [path for path in tree.iter("path") if len(path.get("d")) > 300 and path.get("fill") == "none"]
    assert len(hatched) >= 5  # the output, and each layer's picture


@pytest.mark.parametrize("step", [0, 5, 24])
def test_the_shapes_picture_has_the_pixels_of_the_window_and_the_outputs_so_far(step):
    """9 of the kernel's pixels are orange, as many outputs blue as there were steps."""
    tree = parsed(ShapeExplorer(input=9, kernel=3, stride=2, padding=1, step=step))
    cells = {}
    for path in tree.iter("path"):
        cells[path.get("fill")] = cells.get(path.get("fill"), 0) + path.get("d").count("M")
    assert (cells[ORANGE], cells[BLUE]) == (9, step + 1)


def test_the_optimizers_picture_has_the_colors_of_its_runs_up_to_the_step():
    def strokes(count, **values):
        runs = ["SGD", "momentum"][:count]
        tree = parsed(OptimizerExplorer(surface="saddle", runs=runs, steps=100, **values))
        return [path.get("d") for path in tree.iter("path") if path.get("stroke") == "rgb(192, 79, 0)"]

    assert strokes(1) == []
    assert max(map(len, strokes(2))) > 200
    assert max(map(len, strokes(2, shown=50))) < 0.8 * max(map(len, strokes(2)))
    assert len(strokes(2, show_sweep=True)) > len(strokes(2))


def test_lenets_picture_has_what_the_network_gets_and_its_maps():
    image = np.roll(decode_digit(sample_digits()[4]), 3, axis=1)
    tree = parsed(LeNetLive(image=image))
    received, *maps = [pixels(image) for image in tree.iter("image")]
    np.testing.assert_array_equal(received[2:30, 2:30, 0], center_digit(image))
    assert [picture.shape[0] for picture in maps] == [28] * 6 + [14] * 6 + [
        10
    ] * 16  # what is smaller is rectangles
    assert "Four." in [text.text for text in tree.iter("text")]


def test_the_architectures_picture_has_the_bars_of_its_blocks_and_the_colors_of_their_kinds():
    """Four convolutions or poolings, two full layers: colors by kind, and a dot for each network on the map."""
    tree = parsed(ArchitectureExplorer())
    words = [text.text for text in tree.iter("text")]
    for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output", "416,520", "61,706"):
        assert name in words, name
    bars = parsed(ArchitectureExplorer(bars="parameters"))
    assert "Bars below the blocks: parameters" in [text.text for text in bars.iter("text")]
    assert [path.get("d") for path in bars.iter("path")] != [path.get("d") for path in tree.iter("path")]
    dots = [path for path in tree.iter("path") if path.get("fill") == "none" and "a" in path.get("d")]
    assert len(dots) >= len(load_networks()["networks"])


def test_the_trainings_picture_has_the_first_kernels_the_settings_and_the_curves_that_were_kept():
    explorer = TrainLive(seed=4)
    before = [text.text or "" for text in parsed(explorer).iter("text")]
    assert any("seed 4" in text for text in before) and "Not trained yet" in " ".join(before)
    assert len(list(parsed(explorer).iter("path"))) > 200  # the cells of 8 kernels
    columns = {"step": [0, 31], "train_loss": [None, 1.2], "train_accuracy": [None, 0.6]}
    columns |= {"test_loss": [3, 0.7], "test_accuracy": [0.1, 0.81], "rates": [[0, 0.01], [31, 0.01]]}
    explorer.set_trait("record", [columns | {"diverged": None, "dead": [0, 0, 0.25]}])
    after = " ".join(text.text or "" for text in parsed(explorer).iter("text"))
    assert "81.0 % of the held-out digits right after 31 steps" in after
    assert (
        "After step 31 its loss on the held-out digits is 0.7, its accuracy 81.0%." in explorer.description()
    )


# --- how heavy a page is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda explorer: explorer.module)
def test_no_name_is_declared_twice_in_what_an_explorer_sees(explorer):
    names = DECLARED.findall(script("common")) + DECLARED.findall(script(explorer.module))
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_code_of_a_page_is_light_and_what_is_common_comes_once():
    assert [name for name, text in page_modules().items() if "class View " in text] == ["common.js"]
    modules = {name: len(gzip.compress(text.encode())) for name, text in page_modules().items()}
    assert json.loads(
        page_modules()["networks.js"].removeprefix("export const NETWORKS = ").removesuffix(";\n")
    )
    assert modules.pop("networks.js") <= 100_000  # data, a file of its own
    assert modules.pop("vit.js") <= 250_000  # weights, a file of their own
    assert modules.pop("digits.js") <= 190_000  # data, a file of its own
    assert set(modules) == {"common.js", *(f"{explorer.module}.js" for explorer in EXPLORERS)}
    shared = [stylesheet(), HOST.read_text(encoding="utf-8")]
    everywhere = modules.pop("common.js") + sum(len(gzip.compress(part.encode())) for part in shared)
    assert everywhere + sum(sorted(modules.values())[-2:]) <= 60_000
    assert max(modules.values()) <= 25_000
