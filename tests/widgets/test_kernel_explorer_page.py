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
        layers=KernelExplorer(kernel="sobel vertical", layers=True, padding=0).page_html(),
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


# --- the window walks -----------------------------------------------------------------------------------------------


WALK = """async ([unit, geometry, place]) => {
  const { walkOn } = await import("./explorers/kernel.js");
  const seen = [];
  for (let at = place; at.step !== null || !seen.length; seen.push([...at.point, at.step])) {
    at = walkOn(at, unit, geometry);
  }
  return seen;
}"""


def test_a_walk_meets_every_product_of_every_pixel_in_order(modules):
    geometry = {"rows": 2, "columns": 3, "k": 3}
    begin = {"point": [0, 0], "step": None}
    pixels = [(i, j) for i in range(2) for j in range(3)]
    over = [1, 2, None]
    seen = modules.evaluate(WALK, ["product", geometry, begin])
    assert seen == [*([i, j, step] for i, j in pixels for step in range(9)), over]
    assert modules.evaluate(WALK, ["pixel", geometry, begin]) == [*([i, j, 8] for i, j in pixels), over]
    assert modules.evaluate(WALK, ["row", geometry, begin]) == [[0, 2, 8], [1, 2, 8], over]
    within = {"point": [0, 1], "step": 4}
    assert modules.evaluate(WALK, ["pixel", geometry, within])[:2] == [[0, 1, 8], [0, 2, 8]]
    assert modules.evaluate(WALK, ["row", geometry, within]) == [[0, 2, 8], [1, 2, 8], over]


def walked(page):
    seen = state(page)
    return [*seen["point"], seen["step"]]


def test_products_are_added_one_after_another_until_the_value_lands(visit):
    page = visit()
    press(page, "Next product")
    i, j = state(page)["point"]
    before = i * 128 + j
    window, weights = np.ravel(state(page)["window"]), np.ravel(state(page)["kernel"])
    sums = np.cumsum(window * weights)
    for step in range(9):
        settle(page)
        seen = state(page)
        assert (walked(page), seen["sum"]) == ([i, j, step], sums[step])
        assert seen["reached"] == before + (step == 8)
        cells = page.get_by_role("table", name="Products").get_by_role("cell").all_inner_texts()
        shown = [float(text.replace("−", "-")) for text in cells if text]
        assert shown == (window * weights)[: step + 1].tolist() and cells[step + 1 :] == [""] * (8 - step)
        for table in ("Window", "Weights", "Products"):
            marks = (
                page.get_by_role("table", name=table)
                .locator(".x-cell")
                .evaluate_all("cells => cells.map((cell) => cell.classList.contains('x-now'))")
            )
            assert np.flatnonzero(marks).tolist() == [step]
        line = page.locator(".x-sum").inner_text().replace("−", "-")
        if step < 8:
            product = re.fullmatch(
                rf"Row {i}, column {j}, product {step + 1} of 9: (-?\d+ \+ )?(.*) = (-?\d+)", line
            )
            pixel, weight = product[2].replace("(", "").replace(")", "").split(" × ")
            assert (float(pixel), float(weight), float(product[3])) == (
                window[step],
                weights[step],
                sums[step],
            )
        press(page, "Next product")
    assert seen["value"] == sums[8] and line.endswith(f"= {sums[8]:.0f}")
    assert walked(page) == [i, j + 1, 0]


def test_pixels_that_the_window_has_not_reached_are_blank(visit):
    page = visit(expected="willReadFrequently")
    control(page, "Stride").fill("4")
    settle(page)

    output = KernelExplorer(kernel="vertical edge", stride=4).output()
    strong = [tuple(place) for place in np.argwhere(abs(output) > 0.2 * abs(output).max())]

    def painted():
        return [color_at(page, "output", (i + 0.5) / 32, (j + 0.5) / 32) for i, j in strong]

    whole = painted()
    control(page, "Output row").fill("5")
    control(page, "Output column").fill("3")
    press(page, "Next pixel")
    settle(page)
    assert walked(page) == [5, 3, 8] and state(page)["reached"] == 5 * 32 + 4
    same = [before == now for before, now in zip(whole, painted(), strict=True)]
    assert same == [place <= (5, 3) for place in strong] and 5 < sum(same) < len(same) - 5
    assert page.locator(".x-walk .x-note").inner_text() == "164 of 1,024 values"
    press(page, "Whole output")
    settle(page)
    assert walked(page) == [5, 3, None] and painted() == whole


def test_playing_goes_product_by_product_then_pixel_by_pixel_then_row_by_row_to_the_end(visit):
    page = visit()
    control(page, "Picture").select_option("drawing")
    press(page, "First pixel")
    assert walked(page) == [0, 0, 0]
    page.locator("[data-explorer]").evaluate(
        """e => { window.seen = [];
          const record = () => seen.push(JSON.parse(e.dataset.state));
          new MutationObserver(record).observe(e, { attributeFilter: ["data-state"] }); }"""
    )
    page.clock.install()
    press(page, "Play")
    for _ in range(140):
        page.clock.run_for(500)
    seen = [[*at["point"], at["step"], at["reached"]] for at in page.evaluate("seen")]
    places = [place for place, _ in itertools.groupby(seen)]
    products, others = places[:17], places[17:]
    assert [place[:3] for place in products] == [[0, (n + 1) // 9, (n + 1) % 9] for n in range(17)]
    assert others[-1] == [31, 31, None, 1024]
    reached = [place[3] for place in others[:-1]]
    assert reached == sorted(reached) and [place[2] for place in others[:-1]] == [8] * len(reached)
    steps = np.diff([2, *reached])
    assert set(steps[:60]) == {1} and set(steps[-20:]) == {32} and len(steps) < 110
    assert page.get_by_role("button", name="Play").is_visible()


def test_in_a_walk_a_mouse_does_not_look_elsewhere_and_a_click_moves_the_window(visit):
    page = visit()
    press(page, "Next product")
    held = walked(page)
    box = stage(page, "output").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    assert walked(page) == held
    page.mouse.click(box["x"] + 60.5 * box["width"] / 128, box["y"] + 30.5 * box["height"] / 128)
    assert walked(page) == [30, 60, 8]
    press(page, "Next product")
    assert walked(page) == [30, 61, 0]
    page.get_by_label("Weight, row 1, column 1").fill("5")
    assert walked(page) == [30, 61, 0] and state(page)["sum"] == 5 * state(page)["window"][0][0]
    page.get_by_role("radio", name="1", exact=True).check()
    assert walked(page)[2] == 0
    press(page, "Reset")
    assert walked(page)[2] is None


def test_the_walk_needs_neither_motion_nor_mouse_and_is_announced(visit):
    page = visit(reduced_motion="reduce")
    assert not page.locator(".x-play").is_visible()
    button = page.get_by_role("button", name="Next product")
    button.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
    i, j, step = walked(page)
    assert step == 1
    said = "(words) => document.querySelector('.x-spoken').textContent.startsWith(words)"
    page.wait_for_function(said, arg=f"Row {i}, column {j}, product 2 of 9: ")
    cells = page.get_by_role("table", name="Products").get_by_role("cell")
    assert [cells.nth(index).get_attribute("aria-label") for index in (2, 8)] == ["not added yet"] * 2
    assert cells.nth(1).get_attribute("aria-label").endswith(", now")
    page.get_by_role("button", name="Whole output").focus()
    page.keyboard.press("Enter")
    assert walked(page) == [i, j, None]


def test_the_walk_by_finger_on_a_phone(visit):
    page = visit(viewport=PHONE, touch=True)
    page.get_by_role("button", name="Next pixel").tap()
    page.get_by_role("button", name="Next pixel").tap()
    assert walked(page)[2] == 8
    stage(page, "output").scroll_into_view_if_needed()
    box = stage(page, "output").bounding_box()
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert walked(page) == [64, 64, 8]


# --- further layers -------------------------------------------------------------------------------------------------


CHAIN = """async ([picture, kernel, stride, second]) => {
  const { crossCorrelate, layersOf } = await import("./explorers/kernel.js");
  const [height, width] = [picture.length, picture[0].length];
  const layers = layersOf(crossCorrelate({ values: picture.flat(), height, width }, kernel, stride), second);
  const listed = ({ height, width, values }) => [height, width, [...values]];
  return ["relu", "pool", "second"].map((name) => listed(layers[name]));
}"""


def chain(picture, kernel, stride, second):
    """ReLU, pooling and the second kernel on a picture, by scratch."""
    relu = scratch.relu(scratch.cross_correlate(picture, kernel, stride=stride))
    pool = scratch.max_pool2d(relu[None, None], 2)[0, 0]
    return relu, pool, scratch.cross_correlate(pool, second, padding=len(second) // 2)


@pytest.mark.parametrize("whole", [True, False], ids=["whole numbers", "any numbers"])
def test_further_layers_equal_scratch(modules, whole):
    """To the last bit where sums are exact in any order."""
    rng = np.random.default_rng(2)
    for shape, k, stride, other in [
        ((7, 7), 1, 1, 3),
        ((13, 8), 3, 2, 1),
        ((31, 40), 5, 1, 7),
        ((40, 33), 3, 4, 5),
    ]:
        picture = rng.integers(0, 256, shape).astype(float)
        kernel, second = rng.integers(-9, 10, (k, k)), rng.integers(-9, 10, (other, other))
        if not whole:
            kernel, second = kernel / 7, second / 11
        found = modules.evaluate(CHAIN, [picture.tolist(), kernel.tolist(), stride, second.tolist()])
        for (height, width, values), expected in zip(
            found, chain(picture, kernel, stride, second), strict=True
        ):
            assert (height, width) == expected.shape
            tolerance = 0 if whole else 1e-9
            np.testing.assert_allclose(np.reshape(values, expected.shape), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "shape, k, stride, other",
    [((10, 11), 3, 1, 3), ((15, 14), 3, 2, 5), ((17, 16), 1, 2, 3), ((9, 9), 5, 1, 1)],
)
def test_a_traced_pixel_depends_on_the_pixels_in_its_frame_and_on_no_other(modules, shape, k, stride, other):
    """One pixel of a black picture is lit at a time: with positive weights the value changes if it is seen at all."""
    kernel, second = np.full((k, k), 1.0), np.full((other, other), 2.0)
    dark = chain(np.zeros(shape), kernel, stride, second)
    affects = [np.zeros((*layer.shape, *shape), bool) for layer in dark]
    for y, x in np.ndindex(shape):
        lit = np.zeros(shape)
        lit[y, x] = 255
        for seen, layer in zip(affects, chain(lit, kernel, stride, second), strict=True):
            seen[:, :, y, x] = layer != 0
    fields = """async ([layer, rows, columns, kernel, stride, second, output]) => {
      const { fieldsOf } = await import("./explorers/kernel.js");
      const at = (index) => [layer, Math.floor(index / columns), index % columns];
      const state = { kernel, stride, second_kernel: second };
      return Array.from({ length: rows * columns }, (_, index) => fieldsOf(at(index), state, output).input);
    }"""
    output = {"rows": dark[0].shape[0], "columns": dark[0].shape[1], "k": k}
    for layer, seen in zip(["relu", "pool", "second"], affects, strict=True):
        rows, columns = seen.shape[:2]
        given = [layer, rows, columns, kernel.tolist(), stride, second.tolist(), output]
        for index, (top, left, bottom, right) in enumerate(modules.evaluate(fields, given)):
            lit = seen[index // columns, index % columns]
            inside = np.zeros(shape, bool)
            inside[top : bottom + 1, left : right + 1] = True
            assert not (lit & ~inside).any()
            ys, xs = np.nonzero(lit)
            assert (ys.min(), xs.min(), ys.max(), xs.max()) == (
                top,
                left,
                bottom,
                right,
            )  # no frame is smaller
            if stride <= k:
                assert (lit == inside).all()


def traced(page):
    return state(page)["layers"]


def test_every_layer_is_shown_with_its_size_and_its_range_and_traced_to_the_input(visit):
    page = visit("layers")
    explorer = KernelExplorer(kernel="sobel vertical", layers=True, padding=0)
    outputs = explorer.layer_outputs()
    padded = np.pad(outputs["pool"], 1)
    panels = page.locator(".x-layer-panels .x-panel")
    for index, (layer, values) in enumerate(outputs.items()):
        rows, columns = values.shape
        seen = traced(page)
        assert seen["shapes"][layer] == [rows, columns]
        assert seen["ranges"][layer] == [values.min(), values.max()]
        note = panels.nth(index).locator(".x-note").inner_text()
        assert note == f"{rows} × {columns}, {values.min():.0f} to {values.max():.0f}".replace("-", "−")
        box = panels.nth(index).locator(".x-stage").bounding_box()
        for i, j in [(0, 0), (20, 37), (rows - 1, columns - 1)]:
            page.mouse.move(
                box["x"] + (j + 0.5) * box["width"] / columns, box["y"] + (i + 0.5) * box["height"] / rows
            )
            settle(page)
            seen = traced(page)
            assert (seen["layer"], seen["point"], seen["value"]) == (layer, [i, j], values[i, j])
            window = {
                "kernel": explorer.picture()[i : i + 3, j : j + 3],
                "relu": outputs["kernel"][i : i + 1, j : j + 1],
                "pool": outputs["relu"][2 * i : 2 * i + 2, 2 * j : 2 * j + 2],
                "second": padded[i : i + 3, j : j + 3],
            }[layer]
            np.testing.assert_array_equal(seen["window"], window)
            line = page.locator(".x-sum").inner_text().replace("−", "-")
            assert line.endswith(f"= {values[i, j]:.0f}")
            if layer == "relu":
                assert f"max(0, {window[0, 0]:.0f}) =" in line
            elif layer == "pool":
                assert f"max({', '.join(f'{cell:.0f}' for cell in window.ravel())}) =" in line
            top, left, bottom, right = seen["fields"]["input"]
            assert top <= bottom and left <= right
            if layer != "kernel":
                words = f"{bottom - top + 1} × {right - left + 1} pixels of the input: rows {top} to {bottom}"
                assert words in page.locator(".x-sum + .x-note").inner_text()
    assert state(page)["point"] == explorer.point  # only looked at: the pixel of the output is held


def test_layers_are_added_and_reached_by_keyboard(visit):
    page = visit()
    held = state(page)["point"]
    page.get_by_role("checkbox", name="Add layers: ReLU, pooling, a second kernel").press("Space")
    settle(page)
    assert (traced(page)["layer"], traced(page)["point"]) == ("second", [held[0] // 2, held[1] // 2])
    second = page.get_by_role("combobox", name="Second kernel")
    assert second.input_value() == "horizontal edge"
    second.select_option("sharpen")
    assert traced(page)["second_kernel"] == scratch.KERNELS["sharpen"].tolist()
    pool = page.get_by_role("application", name="Max pooling 2 × 2, 64 by 64")
    pool.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert (traced(page)["layer"], traced(page)["point"]) == ("pool", [held[0] // 2, 1])
    value = f"{traced(page)['value']:g}".replace("-", "−")
    said = "(words) => document.querySelector('.x-spoken').textContent.startsWith(words)"
    page.wait_for_function(
        said, arg=f"Max pooling 2 × 2, row {held[0] // 2}, column 1: {value}. It depends on 4 × 4 pixels"
    )
    control(page, "Output column").press("End")
    assert traced(page)["point"] == [held[0] // 2, 63]
    control(page, "Stride").fill("4")
    settle(page)
    assert traced(page)["shapes"]["pool"] == [16, 16] and traced(page)["point"][1] == 15
    press(page, "Next pixel")
    assert walked(page)[2] == 8 and traced(page)["layer"] == "kernel"
    press(page, "Reset")
    assert state(page)["layers"] is None


def test_layers_by_finger_on_a_phone(visit):
    page = visit("layers", viewport=PHONE, touch=True)
    panel = page.locator(".x-layer-panels .x-stage").nth(3)
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.touchscreen.tap(box["x"] + 0.5 * box["width"], box["y"] + 0.25 * box["height"])
    assert (traced(page)["layer"], traced(page)["point"]) == ("second", [15, 31])


def test_what_the_window_has_reached_goes_on_through_the_layers(modules):
    """A pixel of a layer is there once all that it depends on is."""
    count = """async ([reached, side, output]) => {
      const { reachedLayers } = await import("./explorers/kernel.js");
      return reachedLayers(reached, Array(side).fill(Array(side).fill(1)), output);
    }"""
    rows, columns = 9, 11
    for reached in range(rows * columns + 1):
        there = np.arange(rows * columns).reshape(rows, columns) < reached
        pool = there[:8, :10].reshape(4, 2, 5, 2).all(axis=(1, 3))
        second = np.array(
            [
                [np.pad(pool, 1, constant_values=True)[i : i + 3, j : j + 3].all() for j in range(5)]
                for i in range(4)
            ]
        )
        found = modules.evaluate(count, [reached, 3, {"rows": rows, "columns": columns}])
        leading = [int(np.argmin([*layer.ravel(), False])) for layer in (there, there, pool, second)]
        assert list(found.values()) == leading, reached


def test_an_output_too_small_for_pooling_is_said_so(visit):
    """9 pixels, a 7 × 7 kernel and stride 4: one window fits."""
    page = visit("pair")
    sentence = page.get_by_text(
        "The output is too small for 2 × 2 pooling: take a smaller stride, or more padding."
    )
    page.get_by_role("checkbox", name="Add layers: ReLU, pooling, a second kernel").check()
    page.get_by_role("radio", name="7").check()
    control(page, "Stride").fill("4")
    settle(page)
    assert not sentence.is_visible() and traced(page)["layer"] == "second"
    control(page, "Padding").fill("0")
    settle(page)
    assert state(page)["output_shape"] == [1, 1]
    assert sentence.is_visible() and page.locator(".x-layer-panels .x-stage:visible").count() == 2
    assert (list(traced(page)["shapes"]), traced(page)["layer"]) == (["kernel", "relu"], "kernel")


# --- numbers in one way ---------------------------------------------------------------------------------------------


def test_numbers_of_one_grid_are_written_in_one_way(visit):
    """Where 0.545 has no room for its zero, no cell of that grid has one."""
    page = visit(viewport=PHONE)
    mixed = set()
    for kernel in (
        np.full((5, 5), 6 / 11),
        np.linspace(-0.5, 0.5, 49).reshape(7, 7),
        np.full((3, 3), 0.0123),
    ):
        side = len(kernel)
        page.get_by_role("radio", name=str(side)).check()
        for (u, v), weight in np.ndenumerate(kernel):
            page.get_by_label(f"Weight, row {u + 1}, column {v + 1}", exact=True).fill(f"{weight:.6f}")
        page.get_by_label("Weight, row 1, column 1").fill("0.5")
        control(page, "Stride").focus()
        settle(page)
        grids = [
            page.get_by_role("table", name=name).get_by_role("cell").all_inner_texts()
            for name in ("Weights", "Products")
        ]
        grids.append(page.locator(".x-weight").evaluate_all("cells => cells.map((cell) => cell.value)"))
        for texts in grids:
            bare, full = (any(re.match(start, text) for text in texts) for start in (r"−?\.", r"−?0\."))
            assert not (bare and full), texts
            mixed.add(bare)
    assert mixed == {True, False}


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
    hint = page.locator(".x-magnifier .x-by-mouse:visible")
    assert "a click holds the pixel" in hint.inner_text()
    page.mouse.click(*at(99, 3))
    page.mouse.move(*at(50, 60))
    settle(page)
    assert state(page)["point"] == [99, 3]
    assert control(page, "Output row").input_value() == "99"
    assert hint.inner_text() == "Held. Click it again, or press Escape, to let go."
    box_in = stage(page, "input").bounding_box()
    page.mouse.move(box_in["x"] + 20, box_in["y"] + 20)
    assert state(page)["point"] == [99, 3]

    page.mouse.click(*at(50, 60))  # elsewhere: moves
    page.mouse.move(*at(10, 20))
    assert state(page)["point"] == [50, 60]
    page.mouse.click(*at(50, 60))  # again: lets go
    page.mouse.move(*at(10, 20))
    assert state(page)["point"] == [10, 20]
    page.mouse.click(*at(10, 20))
    page.keyboard.press("Escape")
    page.mouse.move(*at(11, 21))
    assert state(page)["point"] == [11, 21]
    page.mouse.move(5, 5)
    assert state(page)["point"] == [10, 20]
    assert "a click holds the pixel" in hint.inner_text()


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
