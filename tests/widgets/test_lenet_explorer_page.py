"""LeNetLive in a page: its answers are torch's, and one draws by mouse, finger and keys."""

import json

import make_lenet_live
import numpy as np
import pytest
import torch
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, settle

from cnncourse import models
from cnncourse.widgets import KernelExplorer, LeNetLive
from cnncourse.widgets.lenet import DIGITS, SHIPPED, SIZES, center_digit, decode_digit, sample_digits

SAMPLES = [decode_digit(sample) for sample in sample_digits()]


def network(folder=SHIPPED):
    """probabilities(pictures) of the course's torch model with the weights of a folder."""
    manifest = json.loads((folder / "manifest.json").read_text())
    model = models.build("lenet5", activation=manifest["activation"], pooling=manifest["pooling"])
    with np.load(folder / "weights.npz") as arrays:
        model.load_state_dict(make_lenet_live.dequantize(arrays))

    @torch.no_grad()
    def probabilities(pictures):
        x = torch.from_numpy(np.asarray(pictures, np.float32))[:, None]
        x = (x / 255 - manifest["mean"]) / manifest["std"]
        x = torch.nn.functional.pad(x, (2, 2, 2, 2), value=manifest["border"])
        return model.eval()(x).softmax(1).numpy()

    return probabilities


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A network of the other kind: tanh, average pooling, weights at random."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("other")
    state = models.build("lenet5", activation="tanh", pooling="average").state_dict()
    options = dict(activation="tanh", pooling="average", border="mean")
    make_lenet_live.make(state, folder, dataset="mnist_mini", recipe="", **options)
    return folder


@pytest.fixture(scope="module")
def address(publish, other):
    live = LeNetLive().page_html()
    dark = np.zeros((8, 8), np.uint8)
    return publish(
        one=live,
        first=LeNetLive(layer="c1", unit=[0, 0, 0]).page_html(),
        other=LeNetLive(folder=other).page_html(),
        two=KernelExplorer(photographs={"dark": dark}).page_html() + live + live,
    )


def state(page, which=0):
    return json.loads(page.locator("[data-explorer=lenet]").nth(which).get_attribute("data-state"))


def pad(page):
    return page.locator(".x-live .x-stage").first


def stage(page, layer):
    return page.locator(".x-layers .x-stage").nth(list(SIZES).index(layer))


def control(page, name):
    return page.get_by_role("combobox" if name == "Layer" else "slider", name=name, exact=True).first


def press(page, name, which=0):
    page.get_by_role("button", name=name, exact=True).nth(which).click()


def take(page, digit, which=0):
    press(page, f"Take the {DIGITS[digit]}", which)


def pixels(page, panel, side):
    """The gray value in the middle of each cell of a panel's picture."""
    return np.array(
        page.locator(".x-live .x-picture").nth(panel).evaluate(
            """(canvas, side) => {
              const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              const at = (cell, size) => Math.floor(((cell + 0.5) / side) * size);
              const cells = [...Array(side).keys()];
              const gray = (r, c) => data[4 * (at(r, canvas.height) * canvas.width + at(c, canvas.width))];
              return cells.map((r) => cells.map((c) => gray(r, c)));
            }""",
            side,
        )
    )  # fmt: skip


def drawn(page):
    return pixels(page, 0, 28)


def received(page):
    """What the network gets, as it is painted, without its border, which is black."""
    field = pixels(page, 1, 32)
    inner = field[2:30, 2:30].copy()
    field[2:30, 2:30] = 0
    assert field.max() == 0
    return inner


# --- answers --------------------------------------------------------------------------------------------------------


def test_the_ten_digits_are_answered_as_torch_answers_them(visit):
    page = visit()
    expected = network()(SAMPLES)
    for digit, probabilities in enumerate(expected):
        take(page, digit)
        seen = state(page)
        np.testing.assert_allclose(seen["probabilities"], probabilities, rtol=0, atol=1e-3)
        assert (seen["ink"], seen["empty"]) == (SAMPLES[digit].sum(), False)


MODULE = """const { center, decodeNetwork, forward } = await import("./explorers/lenet.js");
  const state = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const network = decodeNetwork(state.network);"""


@pytest.mark.parametrize("which", ["one", "other"])
def test_any_drawing_is_answered_as_torch_answers_it(visit, other, which):
    page = visit(which)
    rng = np.random.default_rng(2)
    pictures = rng.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    pictures[6:] *= rng.random((6, 28, 28)) < 0.1
    pictures[11] = 0
    answers = page.evaluate(
        f"""async (pictures) => {{ {MODULE}
          return pictures.map((pixels) => forward(network, pixels).probabilities); }}""",
        pictures.reshape(12, -1).tolist(),
    )
    expected = network(SHIPPED if which == "one" else other)(pictures)
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-3)
    assert which == "other" or expected.max(axis=1).std() > 0.05  # not all alike


def test_every_layer_is_that_of_torch(modules):
    explorer = LeNetLive(image=SAMPLES[5])
    layers = modules.evaluate(
        f"""async (pixels) => {{ {MODULE}
          const {{ values }} = forward(network, pixels);
          return Object.fromEntries(Object.entries(values).map(([name, numbers]) => [name, [...numbers]])); }}""",
        SAMPLES[5].ravel().tolist(),
    )
    for name, answer in explorer.activations().items():
        np.testing.assert_allclose(layers[name], answer.ravel(), rtol=0, atol=1e-9)


def test_centering_equals_the_reference(modules):
    rng = np.random.default_rng(3)
    pictures = [np.zeros((28, 28), np.uint8), *SAMPLES[:3]]
    for _ in range(200):
        (height, width), picture = rng.integers(1, 29, 2), np.zeros((28, 28), np.uint8)
        top, left = rng.integers(0, 29 - height), rng.integers(0, 29 - width)
        inside = rng.integers(0, 256, (height, width)) * (rng.random((height, width)) < rng.random())
        picture[top : top + height, left : left + width] = inside
        pictures.append(picture)
    answers = modules.evaluate(
        f"async (pictures) => {{ {MODULE} return pictures.map((pixels) => [...center(pixels)]); }}",
        [picture.ravel().tolist() for picture in pictures],
    )
    for answer, picture in zip(answers, pictures, strict=True):
        np.testing.assert_array_equal(np.reshape(answer, (28, 28)), center_digit(picture))


def test_the_answer_stands_in_words_and_bars(visit):
    page = visit()
    take(page, 7)
    settle(page)
    said = page.locator(".x-said").inner_text()
    probabilities = state(page)["probabilities"]
    assert said == f"{DIGITS[int(np.argmax(probabilities))].capitalize()}."
    bars = page.locator(".x-bar-row").all()
    assert len(bars) == 10
    for bar, probability in zip(bars, probabilities, strict=True):
        width = bar.locator(".x-fill").evaluate(
            "e => e.getBoundingClientRect().width / e.parentElement.clientWidth"
        )
        assert width == pytest.approx(probability, abs=0.01)
        shown = bar.locator(".x-percent").inner_text().strip("<> %")
        assert float(shown) == pytest.approx(100 * probability, abs=0.1001)


def test_an_empty_drawing_is_said_to_be_empty(visit):
    page = visit(expected="willReadFrequently")
    press(page, "Clear")
    settle(page)
    seen = state(page)
    assert seen["empty"] and seen["ink"] == 0 and drawn(page).max() == 0
    np.testing.assert_allclose(seen["probabilities"], network()(np.zeros((1, 28, 28)))[0], rtol=0, atol=1e-3)
    assert page.locator(".x-said").inner_text() == "Nothing drawn yet."
    first = DIGITS[int(np.argmax(seen["probabilities"]))]
    assert page.locator(".x-doubt").inner_text().startswith(f"The network still says {first} ")


# --- drawing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def blank(visit):
    def blank(name="one", **options):
        page = visit(name, expected="willReadFrequently", **options)
        press(page, "Clear")
        settle(page)
        return page

    return blank


def draw(page, *points):
    box = pad(page).bounding_box()
    cell = box["width"] / 28
    for index, (row, column) in enumerate(points):
        page.mouse.move(box["x"] + (column + 0.5) * cell, box["y"] + (row + 0.5) * cell, steps=4)
        if index == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def test_drawing_by_mouse_and_erasing(blank):
    page = blank()
    draw(page, (5, 14), (22, 14))
    picture = drawn(page)
    assert (picture[5:23, 14] == 255).all()
    assert ((picture[6:22, [13, 15]] > 60) & (picture[6:22, [13, 15]] < 255)).all()  # a soft edge
    assert picture[:, :11].max() == picture[:, 18:].max() == picture[:2].max() == 0
    seen = state(page)
    assert np.argmax(seen["probabilities"]) == 1
    assert seen["ink"] == picture.sum()
    page.get_by_role("checkbox", name="Erase").check()
    draw(page, (12, 5), (12, 22))
    assert drawn(page)[12, 14] == 0 and drawn(page)[20, 14] == 255


def test_the_brush_has_a_width(blank):
    page = blank()
    widths = []
    for width, row in (("1", 4), ("5", 20)):
        control(page, "Brush").fill(width)
        draw(page, (row, 6), (row, 20))
        widths.append((drawn(page)[row - 4 : row + 5, 13] > 127).sum())
    assert widths == [1, 5]
    assert control(page, "Brush").get_attribute("aria-valuetext") == "5 pixels"


def test_a_drawing_in_a_corner_is_centered_unless_one_says_not_to(blank):
    page = blank()
    draw(page, (2, 3), (2, 8), (8, 5))
    picture = drawn(page).astype(np.uint8)
    np.testing.assert_array_equal(received(page), center_digit(picture))
    with_centering = state(page)["probabilities"]
    np.testing.assert_allclose(with_centering, network()([center_digit(picture)])[0], rtol=0, atol=1e-3)
    page.get_by_role("checkbox", name="Center as MNIST does").uncheck()
    settle(page)
    np.testing.assert_array_equal(received(page), picture)
    seen = state(page)
    assert seen["centered"] is False and seen["ink"] == seen["received"] == picture.sum()
    np.testing.assert_allclose(seen["probabilities"], network()([picture])[0], rtol=0, atol=1e-3)


def test_drawing_by_keyboard(blank):
    page = blank()
    pad(page).focus()
    page.keyboard.press("Space")
    settle(page)
    assert drawn(page)[14, 14] == 255
    for _ in range(5):
        page.keyboard.press("Shift+ArrowUp")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    settle(page)
    picture = drawn(page)
    assert (picture[9:15, 14] == 255).all() and picture[9, 17] == 255
    page.wait_for_function(
        "document.querySelector('.x-spoken').textContent.startsWith('Row 9, column 17: 255.')"
    )
    assert len(page.locator(".x-spoken").inner_text()) > 30  # and what the network makes of it
    page.keyboard.press("Delete")
    settle(page)
    assert drawn(page)[9, 17] == 0 and drawn(page)[14, 14] == 255


def test_drawing_by_finger(blank):
    page = blank(viewport=PHONE, touch=True)
    box = pad(page).bounding_box()
    cell = box["width"] / 28
    page.touchscreen.tap(box["x"] + 8.5 * cell, box["y"] + 12.5 * cell)
    settle(page)
    assert drawn(page)[12, 8] > 200
    assert pad(page).evaluate("e => getComputedStyle(e).touchAction") == "none"
    assert stage(page, "c1").evaluate("e => getComputedStyle(e).touchAction") == "pan-y"


# --- pointing -------------------------------------------------------------------------------------------------------


# Layer → how far apart and how large the fields of its units are on the 32 × 32 pixels that the network reads.
FIELDS = {
    "c1": (1, 5),
    "s2": (2, 6),
    "c3": (2, 14),
    "s4": (4, 16),
    "c5": (0, 32),
    "f6": (0, 32),
    "output": (0, 32),
}


OUTLINED = """async (name) => {
  const { layoutOf, LAYERS } = await import("./explorers/lenet.js");
  const layer = LAYERS.find((each) => each.name === name);
  const canvas = [...document.querySelectorAll(".x-layer")].find((each) => each.querySelector(".x-title").textContent
    .toLowerCase() === name).querySelector(".x-marks");
  const { cell, corner } = layoutOf(layer, canvas.width, devicePixelRatio);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const marked = (x, y) => data[4 * (Math.round(y) * canvas.width + Math.round(x)) + 3] > 0;
  const units = Array.from({ length: layer.maps }, (_, map) => corner(map));
  const seen = new Set();
  for (let at = 0; at < data.length / 4; at += 1) {
    if (!data[4 * at + 3]) continue;
    const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
    const unit = units.findIndex(([left, top]) =>
      x >= left - 2 && x <= left + cell + 2 && y >= top - 2 && y <= top + cell + 2);
    seen.add(unit);
  }
  const [first, last] = [units[0], units.at(-1)];
  return { stray: seen.has(-1), edges: [marked(first[0] + 5, first[1]), marked(first[0], first[1] + 5),
    marked(last[0] + 5, last[1] + cell), marked(last[0] + cell, last[1] + 5)],
    inside: marked(first[0] + 5, first[1] + 5) };
}"""


@pytest.mark.parametrize("viewport", [COLUMN, PHONE], ids=["column", "phone"])
@pytest.mark.parametrize("layer, read", [("output", ["c5", "f6"]), ("f6", ["c5"])])
def test_a_strip_that_is_read_whole_is_outlined_at_its_units_alone(visit, viewport, layer, read):
    page = visit(viewport=viewport, expected="willReadFrequently")
    control(page, "Layer").select_option(layer)
    settle(page)
    for name in read:
        assert page.evaluate(OUTLINED, name) == {"stray": False, "edges": [True] * 4, "inside": False}


@pytest.mark.parametrize("layer", SIZES)
def test_a_unit_has_the_value_and_the_field_that_torch_gives_it(visit, layer):
    """The field is where the gradient of a unit can be other than zero: a network of ones with average pooling."""
    page = visit()
    maps, rows, columns = SIZES[layer]
    answers = LeNetLive().activations()[layer]
    ones = models.build("lenet5", activation="relu", pooling="average")
    for parameter in ones.parameters():
        torch.nn.init.ones_(parameter)
    units = [[maps - 1, rows - 1, columns - 1], [maps // 2, rows // 2, columns // 3], [0, 0, 0]]
    control(page, "Layer").select_option(layer)
    for unit in units:
        for name, index in zip(("Unit" if rows == 1 else "Map", "Row", "Column"), unit, strict=True):
            if rows > 1 or name == "Unit":
                settle(page)
                control(page, name).fill(str(index))
        settle(page)
        seen = state(page)
        assert (seen["layer"], seen["unit"]) == (layer, unit)
        assert seen["value"] == pytest.approx(answers[tuple(unit)], abs=1e-9)

        x, kept = torch.ones(1, 1, 32, 32, requires_grad=True), []
        named = dict(ones.named_children())
        hook = named[layer].register_forward_hook(lambda _, x, y, kept=kept: kept.append(y))
        ones(x)
        hook.remove()
        kept[0].reshape(SIZES[layer])[tuple(unit)].backward()
        ys, xs = np.nonzero(x.grad[0, 0].numpy())
        assert seen["field"] == [ys.min(), xs.min(), ys.max() - ys.min() + 1] == [
            FIELDS[layer][0] * unit[1], FIELDS[layer][0] * unit[2], FIELDS[layer][1],
        ]  # fmt: skip


def place(page, layer, unit):
    """Where a unit of the first map lies on the screen, found by pointing: a cell is at least a pixel."""
    box = stage(page, layer).bounding_box()
    cell = {"c1": 4, "s4": 8}[layer]
    return box["x"] + 2 + (unit[1] + 0.5) * cell, box["y"] + 2 + (unit[0] + 0.5) * cell


def test_mouse_previews_and_a_click_holds(visit):
    page = visit("first")
    assert (state(page)["layer"], state(page)["unit"]) == ("c1", [0, 0, 0])
    page.mouse.move(*place(page, "c1", (10, 20)))
    assert (state(page)["layer"], state(page)["unit"]) == ("c1", [0, 10, 20])
    settle(page)
    assert state(page)["field"] == [10, 20, 5]
    page.mouse.move(5, 5)
    assert state(page)["unit"] == [0, 0, 0]
    stage(page, "s4").scroll_into_view_if_needed()
    page.mouse.move(*place(page, "s4", (3, 1)))
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(5, 5)
    settle(page)
    assert (state(page)["layer"], state(page)["unit"]) == ("s4", [0, 3, 1])
    assert control(page, "Layer").input_value() == "s4"
    assert control(page, "Row").input_value() == "3"


def test_bars_are_units_too(visit):
    page = visit()
    page.locator(".x-bar-row").nth(8).click()
    page.mouse.move(5, 5)
    settle(page)
    seen = state(page)
    assert (seen["layer"], seen["unit"]) == ("output", [8, 0, 0])
    logits = LeNetLive().activations()["output"].ravel()
    assert seen["value"] == pytest.approx(logits[8], abs=1e-9)
    assert page.locator(".x-sum").inner_text().startswith("Output, unit 8: ")
    assert "softmax" in page.locator(".x-reason").inner_text()


def test_the_sum_of_the_products_and_the_bias_are_the_value(visit):
    page = visit("first")
    for layer in ("c1", "c3", "c5", "f6"):
        control(page, "Layer").select_option(layer)
        settle(page)
        words = page.locator(".x-reason").inner_text().replace("−", "-")
        total, bias, before = (
            float(part.split()[-1].rstrip(";,."))
            for part in (words.split(", and")[0], words.split(" makes it")[0], words.split(";")[0])
        )
        count = {"c1": 25, "c3": 150, "c5": 400, "f6": 120}[layer]
        assert words.startswith(f"{count} products sum to ")
        assert total + bias == pytest.approx(before, abs=0.002)
        assert before == pytest.approx(state(page)["before"], abs=0.001)
        tiles = page.locator(".x-tiles:visible")
        assert tiles.locator(".x-caption").all_inner_texts() == ["It reads", "Its weights", "Products"]
    control(page, "Layer").select_option("s2")
    settle(page)
    assert page.locator(".x-tiles:visible .x-caption").all_inner_texts() == ["It reads"]
    assert page.locator(".x-reason").inner_text().startswith("The largest of ")


def test_arrow_keys_move_the_unit(visit):
    page = visit("first")
    stage(page, "c1").focus()
    for key, unit in [
        ("ArrowDown", [0, 1, 0]),
        ("ArrowRight", [0, 1, 1]),
        ("PageDown", [1, 1, 1]),
        ("End", [5, 1, 1]),
        ("PageDown", [5, 1, 1]),
        ("ArrowUp", [5, 0, 1]),
        ("Home", [0, 0, 1]),
        ("ArrowLeft", [0, 0, 0]),
    ]:
        page.keyboard.press(key)
        assert (state(page)["layer"], state(page)["unit"]) == ("c1", unit), key
    stage(page, "f6").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert (state(page)["layer"], state(page)["unit"]) == ("f6", [1, 0, 0])
    page.wait_for_function("document.querySelector('.x-spoken').textContent.startsWith('F6, unit 1: ')")


def test_painted_maps_have_the_colors_of_their_values(visit):
    """Blue where the answer is strong, plain where ReLU has set it to zero."""
    page = visit("first", expected="willReadFrequently")
    answers = LeNetLive().activations()["c1"][0]
    data = page.locator(".x-layers .x-picture").first.evaluate(
        """(canvas) => { const { data } = canvas.getContext("2d").getImageData(0, 0, 2 + 28 * 4, 2 + 28 * 4);
          return [...data]; }"""
    )
    picture = np.reshape(data, (114, 114, 4))[4::4, 4::4, :3]
    strong = answers > 0.5 * answers.max()
    assert (picture[strong][:, 2].astype(int) - picture[strong][:, 0] > 80).all()
    assert strong.sum() > 5 and (picture[answers == 0] == 255).all() and (answers == 0).sum() > 50


# --- for everyone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [COLUMN, PHONE], ids=["column", "phone"])
def test_nothing_moves_while_one_draws_and_points(visit, viewport):
    page = visit(viewport=viewport)
    heights = set()
    for act in (
        lambda: take(page, 8),
        lambda: press(page, "Clear"),
        *[lambda layer=layer: control(page, "Layer").select_option(layer) for layer in SIZES],
    ):
        act()
        settle(page)
        heights.add(page.locator(".explorer").bounding_box()["height"])
    assert max(heights) - min(heights) < 1, heights


def test_what_a_kernel_sends_is_shown(visit):
    seen = visit().evaluate(
        f"""async (image) => {{ {FAKE_MODEL % "lenet"}
          const arrive = async (values) => {{
            await send(values);
            return JSON.parse(el.firstChild.dataset.state);
          }};
          return [await arrive({{ image }}), await arrive({{ layer: "s4" }})];
        }}""",
        SAMPLES[2].tolist(),
    )
    np.testing.assert_allclose(seen[0]["probabilities"], network()([SAMPLES[2]])[0], rtol=0, atol=1e-3)
    unit = LeNetLive().unit  # of C3; a layer that arrives before its unit is answered inside itself
    assert seen[1]["unit"] == [unit[0], min(unit[1], 4), min(unit[2], 4)]
