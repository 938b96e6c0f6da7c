"""KernelExplorer in a page: its arithmetic is scratch's and everyone can use it."""

import itertools
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from explorer_pages import COLUMN, PHONE, settle

from cnncourse import scratch
from cnncourse.widgets import KernelExplorer

MIXED = np.resize([0.545, -0.545, 0.5, -0.25, 1, 0.001, -0.375, 0.125, -0.0625], (7, 7))


@pytest.fixture(scope="module")
def address(publish):
    """Pages with one explorer, two, one whose picture is not square, and some that cannot start."""
    edge = KernelExplorer(kernel="vertical edge").page_html()
    blur = KernelExplorer(kernel="box blur", photograph="drawing", stride=2, mode="reflect").page_html()
    oblong = np.random.default_rng(0).integers(0, 256, (11, 29), dtype=np.uint8)
    pair = np.zeros((9, 9), np.uint8)
    pair[4, 4:6] = 43, 255
    return publish(
        one=edge,
        two=edge + blur,
        oblong=KernelExplorer(kernel="sharpen", photographs={"noise": oblong}).page_html(),
        pair=KernelExplorer(kernel=np.zeros((3, 3)), photographs={"pair": pair}, point=[4, 5]).page_html(),
        **{f"mixed{k}": KernelExplorer(kernel=MIXED[:k, :k]).page_html() for k in (3, 5, 7)},
        missing=edge.replace('data-module="kernel"', 'data-module="absent"'),
        wrong=edge.replace('data-module="kernel"', 'data-module="../kernel"'),
        failing=edge.replace('data-module="kernel"', 'data-module="failing"'),
        garbled=edge.replace('application/json">', 'application/json">{'),
    )


def state(page, which=0):
    return json.loads(page.locator("[data-explorer=kernel]").nth(which).get_attribute("data-state"))


def control(page, name, which=0):
    explorer = page.locator("[data-explorer=kernel]").nth(which)
    selects = ["Picture", "Kernel", "Padding with", "Show the output"]
    return explorer.get_by_role("combobox" if name in selects else "slider", name=name, exact=True)


def stage(page, panel):
    return page.locator(f".x-{panel} .x-stage").first


def press(page, name):
    page.get_by_role("button", name=name).first.click()


# --- arithmetic -----------------------------------------------------------------------------------------------------


def test_arithmetic_equals_scratch_in_every_pixel(modules):
    """The module's own functions, on pictures of odd shapes with every mode, kernel size and stride."""
    rng = np.random.default_rng(1)
    compute = """async ([picture, kernel, stride, padding, mode]) => {
      const { pad, crossCorrelate } = await import("./explorers/kernel.js");
      const [height, width] = [picture.length, picture[0].length];
      const output = crossCorrelate(pad({ values: picture.flat(), height, width }, padding, mode), kernel, stride);
      return [output.height, output.width, [...output.values]];
    }"""
    for mode, k in itertools.product(["zeros", "reflect", "replicate", "circular"], [1, 3, 5, 7]):
        for stride, padding, shape in [(1, 0, (7, 7)), (2, 3, (13, 8)), (3, 6, (7, 31)), (4, 1, (40, 9))]:
            picture, kernel = rng.integers(0, 256, shape), rng.normal(size=(k, k))
            height, width, values = modules.evaluate(
                compute, [picture.tolist(), kernel.tolist(), stride, padding, mode]
            )
            padded = scratch.pad(picture.astype(float), padding, mode=mode)
            expected = scratch.cross_correlate(padded, kernel, stride=stride)
            assert (height, width) == expected.shape
            np.testing.assert_allclose(np.reshape(values, expected.shape), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kernel", ["vertical edge", "sharpen", "gaussian blur"])
def test_window_and_value_equal_scratch_wherever_one_points(visit, kernel):
    page = visit()
    explorer = KernelExplorer()
    names = list(explorer.photographs)
    control(page, "Kernel").select_option(kernel)
    for photograph, stride, padding, mode in [
        (names[0], 1, 1, "zeros"),
        (names[-1], 2, 0, "zeros"),
        (names[3], 3, 6, "reflect"),
        ("drawing", 4, 5, "replicate"),
        ("drawing", 1, 2, "circular"),
    ]:
        explorer.photograph = photograph
        control(page, "Picture").select_option(photograph)
        control(page, "Stride").fill(str(stride))
        control(page, "Padding").fill(str(padding))
        control(page, "Padding with").select_option(mode)
        padded = scratch.pad(explorer.picture().astype(float), padding, mode=mode)
        expected = scratch.cross_correlate(padded, scratch.KERNELS[kernel], stride=stride)
        rows, columns = expected.shape
        page.evaluate("new Promise(requestAnimationFrame)")  # the sliders' ends follow with the next frame
        for share in (0, 0.31, 0.77, 1):
            i, j = int(share * (rows - 1)), int((1 - share) * (columns - 1))
            control(page, "Output row").fill(str(i))
            control(page, "Output column").fill(str(j))
            seen = state(page)
            assert (seen["stride"], seen["padding"], seen["mode"]) == (stride, padding, mode)
            assert seen["kernel"] == scratch.KERNELS[kernel].tolist()
            assert tuple(seen["input_shape"]) == explorer.picture().shape
            assert seen["output_shape"] == [rows, columns]
            assert seen["point"] == [i, j]
            window = padded[i * stride : i * stride + 3, j * stride : j * stride + 3]
            np.testing.assert_allclose(seen["window"], window, rtol=0, atol=1e-9)
            assert seen["value"] == pytest.approx(expected[i, j], abs=1e-9)


def test_a_picture_need_not_be_square(visit):
    page = visit("oblong")
    assert state(page)["input_shape"] == state(page)["output_shape"] == [11, 29]
    control(page, "Stride").fill("4")
    settle(page)
    assert state(page)["output_shape"] == [3, 8]
    assert page.locator(".x-formula").inner_text().count("⌊") == 2
    box = stage(page, "output").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(8 / 3, rel=0.02)


def test_numbers_on_the_screen_are_those_of_the_state(visit):
    page = visit()
    seen = state(page)

    def numbers(table):
        cells = page.get_by_role("table", name=table).get_by_role("cell").all_inner_texts()
        return np.reshape([float(cell.replace("−", "-")) for cell in cells], (3, 3))

    np.testing.assert_array_equal(numbers("Window"), seen["window"])
    np.testing.assert_array_equal(numbers("Weights"), seen["kernel"])
    np.testing.assert_array_equal(numbers("Products"), np.array(seen["window"]) * seen["kernel"])
    i, j = seen["point"]
    line = page.locator(".x-sum").inner_text().replace("−", "-")
    place, terms, value = re.fullmatch(r"(Row \d+, column \d+): (.*) = (-?\d+)", line).groups()
    assert place == f"Row {i}, column {j}"
    assert (
        sum(float(term) for term in re.sub(r"([+-]) ", r"\1", terms).split()) == float(value) == seen["value"]
    )


@pytest.mark.parametrize(
    "weight, products, ending",
    [
        ("1/16", ["2.6875", "15.9375"], "= 18.625"),
        ("1/7", ["6.143", "36.429"], "= 42.5714 (rounded for display)"),
    ],
)
def test_rounding_is_said(visit, weight, products, ending):
    """Two pixels, 43 and 255, times one weight: 43/16 and 255/16 are shown whole, 43/7 and 255/7 cannot be."""
    page = visit("pair")
    page.get_by_label("Weight, row 2, column 1").fill(weight)
    page.get_by_label("Weight, row 2, column 2").fill(weight)
    settle(page)
    shown = page.get_by_role("table", name="Products").get_by_role("cell").all_inner_texts()
    assert shown == ["0", "0", "0", *products, "0", "0", "0", "0"]
    assert page.locator(".x-sum").inner_text().endswith(ending)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_all_numbers_of_a_table_have_their_zero_or_none_has(visit, size):
    """Where one of them is more exact without the 0 before the point, all are written without."""
    page = visit(f"mixed{size}")
    kernel = np.array(state(page)["kernel"])
    grids = [page.locator(".x-weight").evaluate_all("(cells) => cells.map((cell) => cell.value)")]
    for name in ("Weights", "Products"):
        grids.append(page.get_by_role("table", name=name).get_by_role("cell").all_inner_texts())
    for texts in grids:
        texts = [text.lstrip("−") for text in texts]
        assert {text[:2] == "0." for text in texts if text.startswith((".", "0."))} in ({True}, {False}), (
            texts
        )
    for text, weight in zip(grids[0], kernel.ravel(), strict=True):
        assert float(Fraction(text.replace("−", "-"))) == pytest.approx(weight, abs=0.05)


def color_at(page, panel, y, x):
    """The color of a panel's picture at a place given as shares of its size: [r, g, b]."""
    return page.locator(f".x-{panel} .x-picture").first.evaluate(
        """(canvas, [y, x]) => [...canvas.getContext("2d")
          .getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data.slice(0, 3)]""",
        [y, x],
    )


def test_painted_pixels_have_the_colors_of_their_values(visit):
    """Stride 4 makes the output's pixels large: negative ones are vermillion, positive ones blue."""
    page = visit(expected="willReadFrequently")
    control(page, "Stride").fill("4")
    settle(page)
    explorer = KernelExplorer(kernel="vertical edge", stride=4)
    output, (rows, columns) = explorer.output(), explorer.output_shape()
    strong = np.argwhere(abs(output) > 0.02 * abs(output).max())[::5]
    assert {bool(output[i, j] > 0) for i, j in strong} == {True, False}
    for i, j in strong:
        red, _, blue = color_at(page, "output", (i + 0.5) / rows, (j + 0.5) / columns)
        assert (blue > red) == (output[i, j] > 0), (i, j, output[i, j])


def test_painted_input_has_the_grays_of_the_picture(visit):
    page = visit("oblong", expected="willReadFrequently")
    control(page, "Padding").fill("0")
    settle(page)
    picture = np.random.default_rng(0).integers(0, 256, (11, 29), dtype=np.uint8)
    for i, j in [(0, 0), (5, 14), (10, 28), (3, 20)]:
        assert color_at(page, "input", (i + 0.5) / 11, (j + 0.5) / 29) == [picture[i, j]] * 3


@pytest.mark.parametrize(
    "view, kernel, ticks",
    [
        ("signed", "identity", ["−{high}", "0", "{high}"]),
        ("magnitude", "vertical edge", ["0", "", "{size}"]),
        ("picture", "vertical edge", ["0", "", "255"]),
        ("automatic", "vertical edge", ["−{size}", "0", "{size}"]),
        ("automatic", "box blur", ["0", "", "255"]),
    ],
)
def test_the_scale_has_numbers(visit, view, kernel, ticks):
    page = visit()
    control(page, "Kernel").select_option(kernel)
    control(page, "Show the output").select_option(view)
    settle(page)
    output = KernelExplorer(kernel=kernel).output()
    numbers = {"high": f"{output.max():.0f}", "size": f"{abs(output).max():.0f}"}
    assert page.locator(".x-ticks span").all_inner_texts() == [tick.format(**numbers) for tick in ticks]
    note = page.locator(".x-output > .x-note").inner_text()
    assert ("clipped" in note) == (view == "picture")


# --- by mouse -------------------------------------------------------------------------------------------------------


def test_mouse_previews_and_a_click_holds(visit):
    page = visit()
    box = stage(page, "output").bounding_box()
    held = state(page)["point"]

    def at(i, j):
        return box["x"] + (j + 0.5) * box["width"] / 128, box["y"] + (i + 0.5) * box["height"] / 128

    page.mouse.move(*at(10, 20))
    assert state(page)["point"] == [10, 20]
    page.mouse.move(5, 5)
    assert state(page)["point"] == held
    page.mouse.move(*at(99, 3))
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["point"] == [99, 3]
    assert control(page, "Output row").input_value() == "99"


def test_pointing_at_the_input_finds_the_window_around_it(visit):
    page = visit()
    control(page, "Padding").fill("2")
    box = stage(page, "input").bounding_box()
    side = box["width"] / (128 + 2 * 2)
    page.mouse.move(box["x"] + (2 + 40.5) * side, box["y"] + (2 + 30.5) * side)  # input pixel (30, 40)
    i, j = state(page)["point"]
    assert (i - 2 + 1, j - 2 + 1) == (30, 40)  # the middle of its window


def test_changing_the_geometry_keeps_the_place(visit):
    page = visit()
    control(page, "Output row").fill("80")
    control(page, "Output column").fill("40")
    control(page, "Stride").fill("4")
    assert state(page)["point"] == [20, 10]
    control(page, "Stride").fill("1")
    control(page, "Padding").fill("3")
    assert state(page)["point"] == [82, 42]
    page.get_by_role("radio", name="7").check()
    assert state(page)["point"] == [80, 40]
    control(page, "Picture").select_option("drawing")
    assert state(page)["point"] == [20, 10]


def test_dragging_on_a_cell_changes_its_weight(visit):
    page = visit()
    box = page.get_by_label("Weight, row 2, column 2").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 24, steps=6)
    page.mouse.up()
    assert state(page)["kernel"][1] == [-1, 3, 1]
    page.mouse.move(x, y - 60)
    assert state(page)["kernel"][1] == [-1, 3, 1]


def test_rotate_flip_normalize_size_and_reset(visit):
    page = visit()
    first = state(page)
    assert page.get_by_role("button", name="Normalize").is_disabled()  # the weights sum to 0
    page.get_by_label("Weight, row 1, column 2").fill("7")
    kernel = np.array(state(page)["kernel"])
    press(page, "Rotate")
    assert state(page)["kernel"] == np.rot90(kernel, -1).tolist()
    press(page, "Flip")
    assert state(page)["kernel"] == np.rot90(kernel).tolist()
    page.get_by_role("radio", name="5").check()
    assert state(page)["kernel"] == np.pad(np.rot90(kernel), 1).tolist()
    page.get_by_role("radio", name="1", exact=True).check()
    assert state(page)["kernel"] == [[0]]

    control(page, "Kernel").select_option("gaussian blur")
    page.get_by_label("Weight, row 2, column 2").fill("3/4")
    settle(page)
    press(page, "Normalize")
    edited = np.array(scratch.KERNELS["gaussian blur"])
    edited[1, 1] = 3 / 4
    np.testing.assert_allclose(state(page)["kernel"], edited / edited.sum(), rtol=1e-12)

    press(page, "Reset")
    assert state(page) == first


def test_a_kernel_is_called_by_its_name_wherever_it_comes_from(visit):
    page = visit()
    press(page, "Rotate")
    settle(page)
    assert control(page, "Kernel").input_value() == "horizontal edge"
    page.get_by_label("Weight, row 1, column 1").fill("5")
    settle(page)
    assert control(page, "Kernel").input_value() == "your own"
    page.get_by_label("Weight, row 1, column 1").fill("-1")
    settle(page)
    assert control(page, "Kernel").input_value() == "horizontal edge"


# --- by keyboard ----------------------------------------------------------------------------------------------------


def test_keys_change_what_they_should(visit):
    page = visit()
    control(page, "Kernel").press("ArrowDown")
    assert state(page)["kernel"] != scratch.KERNELS["vertical edge"].tolist()
    control(page, "Stride").press("ArrowRight")
    assert state(page)["stride"] == 2
    control(page, "Padding").press("End")
    assert state(page)["padding"] == 6
    control(page, "Padding with").press("ArrowDown")
    assert state(page)["mode"] == "reflect"
    page.get_by_role("radio", name="3").press("ArrowRight")
    assert len(state(page)["kernel"]) == 5
    control(page, "Output row").press("Home")
    control(page, "Output column").press("End")
    last = state(page)["output_shape"][1] - 1
    assert state(page)["point"] == [0, last]

    stage(page, "output").focus()
    for key, point in [
        ("ArrowDown", [1, last]),
        ("ArrowRight", [1, last]),
        ("ArrowLeft", [1, last - 1]),
        ("PageDown", [11, last - 1]),
        ("ArrowUp", [10, last - 1]),
        ("PageUp", [0, last - 1]),
        ("Home", [0, 0]),
        ("End", [0, last]),
    ]:
        page.keyboard.press(key)
        assert state(page)["point"] == point, key
    said = f"Row 0, column {last}: {state(page)['value']:g}.".replace("-", "−")
    page.wait_for_function("(words) => document.querySelector('.x-spoken').textContent === words", arg=said)


TYPED = {"2": 2, "-0.5": -0.5, "−3": -3, "1/9": 1 / 9, "-1/16": -1 / 16, "0,25": 0.25, ".5": 0.5}


@pytest.mark.parametrize("text, weight", TYPED.items())
def test_a_weight_is_typed(visit, text, weight):
    page = visit()
    page.get_by_label("Weight, row 1, column 3").focus()  # which selects what was there
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    settle(page)
    assert state(page)["kernel"][0] == [-1, 0, weight]
    assert control(page, "Kernel").input_value() == "your own"
    assert page.locator(".x-fault").inner_text() == ""


WEIGHT_RULE = "A weight must be a number from −1000 to 1000. This one stays −1."


@pytest.mark.parametrize(
    "text, words",
    [
        ("abc", f"“abc” is not a number. {WEIGHT_RULE}"),
        ("", f"“” is not a number. {WEIGHT_RULE}"),
        ("1/0", f"“1/0” is not a number. {WEIGHT_RULE}"),
        ("2000", WEIGHT_RULE),
    ],
)
def test_what_is_no_weight_is_refused_in_words(visit, text, words):
    page = visit()
    before = state(page)
    cell = page.get_by_label("Weight, row 1, column 1")
    cell.fill(text)
    page.keyboard.press("Tab")
    settle(page)
    assert state(page) == before
    assert page.get_by_role("alert").inner_text() == words
    assert cell.input_value() == "−1"
    cell.fill("-1")
    assert page.locator(".x-fault").inner_text() == ""


def test_arrow_keys_step_a_weight(visit):
    page = visit()
    cell = page.get_by_label("Weight, row 1, column 1")
    cell.press("ArrowUp")
    assert state(page)["kernel"][0][0] == 0
    cell.press("ArrowDown")
    cell.press("ArrowDown")
    assert state(page)["kernel"][0][0] == -2
    cell.fill("0.5")
    cell.press("ArrowUp")
    assert state(page)["kernel"][0][0] == 0.55
    cell.fill("1000")
    assert page.locator(".x-fault").inner_text() == ""
    cell.press("ArrowUp")
    assert state(page)["kernel"][0][0] == 1000
    assert page.locator(".x-fault").inner_text() == WEIGHT_RULE.replace("−1.", "1000.")
    cell.press("ArrowDown")
    assert page.locator(".x-fault").inner_text() == ""


# --- drawing --------------------------------------------------------------------------------------------------------


def drawn(page):
    """The drawing as it is painted: the gray value in the middle of each cell."""
    return np.array(
        page.locator(".x-input .x-picture").evaluate(
            """(canvas) => {
              const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              const at = (cell, size) => Math.floor(((cell + 0.5) / 32) * size);
              const cells = [...Array(32).keys()];
              const gray = (r, c) => data[4 * (at(r, canvas.height) * canvas.width + at(c, canvas.width))];
              return cells.map((r) => cells.map((c) => gray(r, c)));
            }"""
        )
    )


@pytest.fixture
def blank(visit):
    """blank(…) → a page with an empty drawing and no padding."""

    def blank(**options):
        page = visit(expected="willReadFrequently", **options)
        control(page, "Picture").select_option("drawing")
        control(page, "Padding").fill("0")
        settle(page)
        assert drawn(page).max() > 0
        press(page, "Clear")
        settle(page)
        assert drawn(page).max() == 0
        return page

    return blank


def test_drawing_by_mouse(blank):
    page = blank()
    box = stage(page, "input").bounding_box()
    cell = box["width"] / 32

    def draw(start, end):
        for (row, column), act in ((start, page.mouse.down), (end, page.mouse.up)):
            page.mouse.move(box["x"] + (column + 0.5) * cell, box["y"] + (row + 0.5) * cell, steps=3)
            act()
        settle(page)

    draw((10, 4), (10, 20))
    picture = drawn(page)
    assert (picture[10, 4:21] == 255).all()
    assert (picture[9, 4:21] > 0).all() and (picture[9, 4:21] < 255).all()
    assert picture[14:].max() == 0
    assert picture[10, 25:].max() == 0
    page.get_by_role("checkbox", name="Erase").check()
    draw((6, 12), (14, 12))
    assert drawn(page)[10, 12] == 0
    assert drawn(page)[10, 6] == 255


def test_drawing_by_keyboard(blank):
    page = blank()
    stage(page, "input").focus()
    page.keyboard.press("Space")  # the brush starts in the middle
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    settle(page)
    assert drawn(page)[16, 16] == 255
    assert drawn(page)[13, 15] == 255
    control(page, "Kernel").select_option("identity")
    control(page, "Output row").fill("15")
    control(page, "Output column").fill("15")
    corner, side = round(255 * (1.6 - 2**0.5)), round(255 * 0.6)
    np.testing.assert_array_equal(
        state(page)["window"], [[corner, side, corner], [side, 255, side], [corner, side, corner]]
    )
    stage(page, "input").focus()
    for key in ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "Delete"]:
        page.keyboard.press(key)
    assert state(page)["value"] == 0


def test_drawing_by_finger(blank):
    page = blank(viewport=PHONE, touch=True)
    box = stage(page, "input").bounding_box()
    cell = box["width"] / 32
    page.touchscreen.tap(box["x"] + 8.5 * cell, box["y"] + 8.5 * cell)
    settle(page)
    assert drawn(page)[8, 8] > 200
    assert stage(page, "input").evaluate("e => getComputedStyle(e).touchAction") == "none"


# --- by finger, on a phone ------------------------------------------------------------------------------------------


def test_touch_points_and_chooses(visit):
    page = visit(viewport=PHONE, touch=True)
    box = stage(page, "output").bounding_box()
    page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    i, j = state(page)["point"]
    assert abs(i - 96) <= 1 and abs(j - 32) <= 1
    page.get_by_role("button", name="Rotate").tap()
    assert state(page)["kernel"] == scratch.KERNELS["horizontal edge"].tolist()
    page.get_by_role("radio", name="5").tap()
    assert len(state(page)["kernel"]) == 5
    control(page, "Stride").tap()  # in the middle of 1 … 4
    assert state(page)["stride"] in (2, 3)
    # a vertical swipe over the picture still scrolls the page
    assert stage(page, "output").evaluate("e => getComputedStyle(e).touchAction") == "pan-y"


@pytest.mark.parametrize("viewport", [COLUMN, PHONE], ids=["column", "phone"])
def test_pictures_stand_side_by_side(visit, viewport):
    page = visit(viewport=viewport)
    first, second = stage(page, "input").bounding_box(), stage(page, "output").bounding_box()
    assert first["y"] == pytest.approx(second["y"], abs=0.5)
    assert first["x"] + first["width"] < second["x"]
    assert first["width"] == pytest.approx(second["width"], abs=1)


# --- for everyone ---------------------------------------------------------------------------------------------------


def test_pictures_and_padding_are_said_in_words(visit):
    page = visit()
    explorer = KernelExplorer()
    assert stage(page, "input").get_attribute("role") == "img"
    assert (
        stage(page, "input").get_attribute("aria-label") == explorer.photographs[explorer.photograph]["alt"]
    )
    control(page, "Output row").fill("0")
    control(page, "Output column").fill("0")
    settle(page)
    cells = page.get_by_role("table", name="Window").get_by_role("cell").all()
    padding = [cell.get_attribute("aria-label") == "0, padding" for cell in cells]
    assert padding == [True, True, True, True, False, False, True, False, False]
    dashed = [cell.evaluate("e => getComputedStyle(e).outlineStyle") == "dashed" for cell in cells]
    assert dashed == padding  # not by color alone
