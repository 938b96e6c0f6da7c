"""ArchitectureExplorer in a page: what a reader chooses, points at, opens and compares; labels that never touch."""

import itertools
import json
import re

import pytest
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, settle

from cnncourse import measure, models
from cnncourse.widgets import ArchitectureExplorer
from cnncourse.widgets.architecture import measured_table, published


@pytest.fixture(scope="module")
def address(publish):
    return publish(
        one=ArchitectureExplorer(model="resnet18").page_html(),
        lenet=ArchitectureExplorer(model="lenet5").page_html(),
        fixed=ArchitectureExplorer(model="lenet5_1998").page_html(),
        two=ArchitectureExplorer(model="resnet20", second="lenet5").page_html(),
    )


def state(page):
    return json.loads(page.locator("[data-explorer=architecture]").get_attribute("data-state"))


def control(page, label):
    return page.get_by_label(label, exact=True)


def stage(page, which=0):
    return page.locator(".x-drawing .x-stage").nth(which)


def spoken(page, words):
    page.wait_for_function(
        "words => document.querySelector('.x-spoken').textContent.includes(words)", arg=words
    )


def shown_rows(page):
    """The rows of the part that is pointed at, as lists of texts."""
    rows = page.locator(".x-part > .x-rows [role=row]")
    return [
        [" ".join(cell.split()) for cell in row.locator("> span").all_inner_texts()] for row in rows.all()
    ]


def table_of(seen):
    return measured_table(*(seen[name] for name in ("model", "input_size", "width", "classes")))


def below(page, path):
    """How many layers of the network lie below a path."""
    return sum(row.layer.startswith(f"{path}.") for row in table_of(state(page)))


def assert_equal(seen):
    """The layers and sums of a page's state are those of `measure.table`."""
    table = table_of(seen)
    assert [layer["name"] for layer in seen["layers"]] == [row.layer for row in table]
    assert [layer["output"] for layer in seen["layers"]] == [list(row.output_shape[1:]) for row in table]
    for what in ("parameters", "multiply_adds", "activation_bytes", "receptive_field"):
        assert [layer[what] for layer in seen["layers"]] == [getattr(row, what) for row in table]
    for what in ("parameters", "multiply_adds", "activation_bytes"):
        assert seen[what] == getattr(table, what)


def place_of(page, path, which=0):
    """The middle of a part in the picture, in pixels of its stage."""
    return page.evaluate(
        """async ([path, which]) => {
          const { sceneOf, placesOf, GROUND } = await import("./explorers/architecture.js");
          const state = JSON.parse(document.querySelector("script[type='application/json']").textContent);
          const width = document.querySelectorAll(".x-drawing .x-stage")[which].clientWidth;
          const drawing = sceneOf(state, width).drawings[which];
          const index = drawing.parts.findIndex((part) => part.path === path);
          const { x, width: wide } = placesOf(drawing, width).places[index];
          return { x: x + wide / 2, y: GROUND - 4 };
        }""",
        [path, which],
    )


# --- choosing -------------------------------------------------------------------------------------------------------


def test_every_control_changes_the_numbers_as_measure_has_them(visit):
    page = visit()
    assert_equal(state(page))
    for label, value in (("Input size", "131"), ("Classes", "7")):
        control(page, label).fill(value)
        assert_equal(state(page))
    control(page, "Width").select_option("0.5")
    seen = state(page)
    assert [seen[name] for name in ("model", "input_size", "width", "classes")] == ["resnet18", 131, 0.5, 7]
    assert_equal(seen)
    control(page, "Network").select_option("eca_resnet20")
    seen = state(page)
    assert [seen[name] for name in ("model", "input_size", "width", "classes")] == [
        "eca_resnet20",
        131,
        0.5,
        7,
    ]
    assert_equal(seen)
    control(page, "Input size by dragging").fill("31")
    assert state(page)["input_size"] == 32  # sizes begin with 1, places with 0
    assert_equal(state(page))


def test_the_select_has_every_network_by_family(visit):
    page = visit()
    groups = page.locator("select").first.locator("optgroup")
    assert [
        name for group in groups.all() for name in group.locator("option").all_inner_texts()
    ] == models.names()
    assert "ResNet" in groups.evaluate_all("groups => groups.map((group) => group.label)")


@pytest.mark.parametrize(
    ("typed", "taken", "sentence"),
    [
        ("30", 28, "lenet5 takes inputs of 28 or from 32 to 640 pixels a side, not 30: 28 is taken."),
        ("1", 28, "not 1: 28 is taken."),
        ("99999", 640, "not 99999: 640 is taken."),
        ("32.4", 32, "not 32.4: 32 is taken."),
    ],
)
def test_an_illegal_size_is_said_and_the_nearest_legal_one_taken(visit, typed, taken, sentence):
    page = visit("lenet")
    field = control(page, "Input size")
    field.fill(typed)
    assert field.get_attribute("aria-invalid") == "true" and state(page)["input_size"] == 32
    page.keyboard.press("Tab")
    assert state(page)["input_size"] == taken and field.input_value() == str(taken)
    assert field.get_attribute("aria-invalid") is None
    fault = page.locator(".x-fault").first
    assert fault.get_attribute("role") == "alert"
    assert fault.inner_text().endswith(sentence)
    assert_equal(state(page))
    field.fill("64")
    assert fault.inner_text() == "" and state(page)["input_size"] == 64


def test_a_slider_goes_from_legal_size_to_legal_size(visit):
    page = visit("lenet")
    slider = control(page, "Input size by dragging")
    slider.focus()
    for key, size in (("ArrowLeft", 28), ("ArrowRight", 32), ("ArrowRight", 33), ("Home", 28), ("End", 640)):
        page.keyboard.press(key)
        settle(page)
        assert state(page)["input_size"] == size, key
        assert control(page, "Input size").input_value() == str(size)
        assert slider.get_attribute("aria-valuetext") == f"{size} pixels"


@pytest.mark.parametrize(("typed", "taken"), [("0", 1), ("2000000", 100_000), ("12.6", 13)])
def test_an_illegal_number_of_classes_is_replaced_too(visit, typed, taken):
    page = visit()
    control(page, "Classes").fill(typed)
    page.keyboard.press("Tab")
    assert state(page)["classes"] == taken
    assert "whole number from 1 to 100,000" in page.locator(".x-fault").first.inner_text()
    assert_equal(state(page))


def test_what_a_network_does_not_have_cannot_be_changed(visit):
    page = visit("fixed")
    for label in ("Input size", "Input size by dragging", "Width", "Classes"):
        assert control(page, label).is_disabled(), label
    control(page, "Network").select_option("resnet18")
    settle(page)
    for label in ("Input size", "Input size by dragging", "Width", "Classes"):
        assert control(page, label).is_enabled(), label


def test_reset_brings_everything_back(visit):
    page = visit("two")
    first = state(page)
    control(page, "Network").select_option("resnet50")
    control(page, "Compare with").select_option("")
    control(page, "Parameters").check()
    control(page, "Input size").fill("0")
    page.keyboard.press("Tab")
    settle(page)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert state(page) == first
    assert page.locator(".x-fault").all_inner_texts() == ["", ""]
    assert control(page, "Multiply-adds").is_checked()


# --- pointing -------------------------------------------------------------------------------------------------------


def test_at_first_the_costliest_layer_is_shown(visit):
    page = visit()
    table = table_of(state(page))
    costliest = max(table, key=lambda row: row.multiply_adds)
    assert costliest.layer == "stem.conv"
    heads, total, first, *_ = shown_rows(page)
    assert heads == ["Layer", "Output", "Parameters", "Multiply-adds", "Memory", "Receptive field"]
    assert total[:2] == ["Sum 3 layers", "64 × 112 × 112"] and total[5] == "7 × 7"
    assert first == [
        "conv Conv2d 7×7, stride 2",
        "64 × 112 × 112",
        "9,408",
        "118,013,952",
        "3.1 MiB",
        "7 × 7",
    ]


def test_pointing_at_a_block_shows_its_row_and_a_click_holds_it(visit):
    page = visit("lenet")
    rows = table_of(state(page))
    for path in ("c1", "s2", "f6"):
        stage(page).hover(position=place_of(page, path))
        settle(page)
        assert page.locator(".x-part .x-title").inner_text() == path
        row = next(row for row in shown_rows(page) if row[0].startswith(f"{path} "))
        expected = rows[path]
        assert row[1] == " × ".join(f"{side:,}" for side in expected.output_shape[1:])
        assert row[2].startswith(f"{expected.parameters:,}")
        assert row[3].startswith(f"{expected.multiply_adds:,}")
        field = expected.receptive_field
        assert row[5] == ("–" if field is None else f"{field} × {field}")
    page.mouse.move(5, 5)
    settle(page)
    assert page.locator(".x-part .x-title").inner_text() == "c3"  # the costliest
    stage(page).click(position=place_of(page, "s4"))
    page.mouse.move(5, 5)
    settle(page)
    assert page.locator(".x-part .x-title").inner_text() == "s4"
    spoken(page, "s4: AvgPool2d 2×2, stride 2, output 16 × 5 × 5, 0 parameters")


def test_the_name_of_a_stage_is_pointed_at_too(visit):
    page = visit()
    place = place_of(page, "stage3.1.residual.unit1")
    stage(page).click(position={"x": place["x"], "y": 235})
    settle(page)
    assert page.locator(".x-part .x-title").inner_text() == "stage3"
    total = shown_rows(page)[1]
    rows = [row for row in table_of(state(page)) if row.layer.startswith("stage3.")]
    assert total[0] == f"Sum {len(rows)} layers"
    assert total[2].startswith(f"{sum(row.parameters for row in rows):,} ")
    assert total[3].startswith(f"{sum(row.multiply_adds for row in rows):,} ")


def test_keys_go_from_block_to_block_open_and_go_back(visit):
    page = visit()
    title = page.locator(".x-part .x-title")
    stage(page).focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown", "End", "Home", "ArrowLeft"):
        page.keyboard.press(key)
        settle(page)
        seen.append(title.inner_text())
    assert seen == [
        *("stem_pool", "stage1.0.residual.unit1", "stage1", "stage2", "stage2.0.residual.unit1"),
        *("output", "stem", "stem"),
    ]
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    settle(page)
    count = below(page, "stage1")
    assert page.locator(".x-drawing .x-size").first.inner_text() == f"stage1, {count} layers"
    assert title.inner_text() == "stage1.0.residual.unit1.conv"
    page.keyboard.press("Backspace")
    settle(page)
    assert "58 layers" in page.locator(".x-drawing .x-size").first.inner_text()
    assert title.inner_text() == "stage1"


def test_a_stage_opens_by_button_and_double_click_down_to_its_layers(visit):
    page = visit()
    stage(page).click(position={"x": place_of(page, "stage3.1.residual.unit1")["x"], "y": 235})
    count = below(page, "stage3")
    page.get_by_role("button", name=f"Open these {count} layers").click()
    settle(page)
    size, back = page.locator(".x-drawing .x-size").first, page.get_by_role("button", name="Back")
    assert size.inner_text() == f"stage3, {count} layers" and back.is_visible()
    back.click()
    settle(page)
    assert "58 layers" in size.inner_text() and not back.is_visible()
    stage(page).dblclick(position=place_of(page, "stage4.1.residual.unit2"))
    settle(page)
    assert size.inner_text() == "stage4.1.residual.unit2, 2 layers"
    back.click()
    settle(page)
    assert size.inner_text() == "stage4.1.residual, 5 layers"


def test_the_list_has_every_layer_of_the_network_that_is_held(visit):
    page = visit("two")
    summary = page.locator("summary")
    assert summary.inner_text() == "All 60 layers of resnet20"
    summary.click()
    settle(page)
    rows = page.get_by_role("table", name="All layers").get_by_role("row")
    table = table_of(state(page))
    assert rows.count() == 1 + len(table)
    cells = rows.nth(1 + 10).locator("> span").all_inner_texts()
    assert (
        " ".join(cells[0].split()).startswith(table[10].layer) and cells[3] == f"{table[10].multiply_adds:,}"
    )
    stage(page, 1).click(position=place_of(page, "f6", 1))
    settle(page)
    assert summary.inner_text() == "All 12 layers of lenet5" and rows.count() == 13


def test_bars_show_what_is_chosen(visit):
    page = visit("lenet")
    bars = """() => {
      const canvas = document.querySelector(".x-drawing .x-picture");
      return canvas.toDataURL();
    }"""
    seen = {page.evaluate(bars)}
    for label in ("Parameters", "Memory"):
        control(page, label).check()
        settle(page)
        seen.add(page.evaluate(bars))
    assert len(seen) == 3


# --- two networks, and the map of all -------------------------------------------------------------------------------


def test_two_networks_are_compared(visit):
    page = visit()
    assert not stage(page, 1).is_visible()
    control(page, "Compare with").select_option("resnet50")
    control(page, "Input size, second").fill("160")
    control(page, "Width, second").select_option("2")
    settle(page)
    assert stage(page, 1).is_visible()
    seen = state(page)
    second = seen["second"]
    assert [second[name] for name in ("model", "input_size", "width", "classes")] == [
        "resnet50",
        160,
        2,
        1000,
    ]
    table = table_of(second)
    for what in ("parameters", "multiply_adds", "activation_bytes"):
        assert second[what] == getattr(table, what)
    assert_equal(seen)
    more, fewer = table.multiply_adds / seen["multiply_adds"], table.parameters / seen["parameters"]
    verdict = page.locator(".x-totals .x-sentence").inner_text()
    assert verdict.startswith(
        f"resnet50, × 2, 160 pixels has {more:.1f} times the multiply-adds, {fewer:.1f} times the parameters"
    )
    spoken(page, "of resnet18.")
    control(page, "Compare with").select_option("")
    assert state(page)["second"] is None and not stage(page, 1).is_visible()


def test_each_network_is_pointed_at_and_opened_by_itself(visit):
    page = visit("two")
    stage(page, 1).click(position=place_of(page, "c5", 1))
    settle(page)
    assert page.locator(".x-part .x-title").inner_text() == "lenet5: c5"
    stage(page, 0).focus()
    for key in ("End", "Home", "Enter"):
        page.keyboard.press(key)
    settle(page)
    sizes = page.locator(".x-drawing .x-size").all_inner_texts()
    assert sizes == ["stem, 3 layers", "12 layers, input 32 × 32"]


def dot_of(page, name):
    """Where the map has a network, in pixels of its stage."""
    return page.evaluate(
        """async (name) => {
          const { allNetworks, mapScale } = await import("./explorers/architecture.js");
          const { clientWidth, clientHeight } = document.querySelector(".x-map .x-stage");
          const dots = allNetworks();
          const [x, y] = mapScale(dots, clientWidth, clientHeight).at(dots.find(({ model }) => model === name));
          return { x, y };
        }""",
        name,
    )


def test_a_network_is_picked_on_the_map(visit):
    page = visit()
    chart, words = page.locator(".x-map .x-stage"), page.locator(".x-dot")
    chart.hover(position=dot_of(page, "resnet8"))
    settle(page)
    assert words.inner_text().startswith("resnet8: 75.3 k parameters, 12.2 M multiply-adds at 32 × 32.")
    assert state(page)["model"] == "resnet18"
    chart.click(position=dot_of(page, "resnet8"))
    assert state(page)["model"] == "resnet8"
    assert_equal(state(page))
    control(page, "Compare with").select_option("resnet18")
    control(page, "the second").check()
    chart.click(position=dot_of(page, "resnet56"))
    seen = state(page)
    assert (seen["model"], seen["second"]["model"]) == ("resnet8", "resnet56")


def test_on_the_map_multiply_adds_go_right_and_parameters_up(visit):
    """AlexNet has more parameters than ResNet-50, 62 against 26 million, and a quarter of its multiply-adds."""
    page = visit()
    box = page.locator(".x-map .x-stage").bounding_box()
    alexnet, resnet = dot_of(page, "alexnet"), dot_of(page, "resnet50")
    assert 0 < alexnet["x"] < resnet["x"] < box["width"]
    assert 0 < alexnet["y"] < resnet["y"] < box["height"]


def test_networks_at_one_place_of_the_map_are_named_and_taken_in_turn(visit):
    page = visit("lenet")
    chart, place = page.locator(".x-map .x-stage"), dot_of(page, "lenet5")
    chart.hover(position=place)
    settle(page)
    assert page.locator(".x-dot").inner_text().endswith("Here too: lenet5_1998.")
    chart.click(position=place)
    assert state(page)["model"] == "lenet5_1998"
    chart.click(position=place)
    assert state(page)["model"] == "lenet5"


def test_keys_reach_every_network_of_the_map(visit):
    page = visit("lenet")
    page.locator(".x-map .x-stage").focus()
    for forth, back in (("ArrowRight", "Home"), ("ArrowUp", "ArrowDown")):
        page.keyboard.press("Home")
        if back == "ArrowDown":
            for _ in models.names():
                page.keyboard.press("ArrowDown")
        settle(page)
        seen = {page.locator(".x-dot").inner_text().partition(":")[0]}
        for _ in models.names():
            page.keyboard.press(forth)
            settle(page)
            seen.add(page.locator(".x-dot").inner_text().partition(":")[0])
        assert seen == set(models.names())
    page.keyboard.press("Home")
    page.keyboard.press("End")
    settle(page)
    last = page.locator(".x-dot").inner_text().partition(":")[0]
    spoken(page, f"{last}: ")
    page.keyboard.press("Enter")
    assert state(page)["model"] == last


def test_the_map_has_what_measure_says_of_each_network(modules):
    dots = modules.evaluate("async () => (await import('./explorers/architecture.js')).allNetworks()")
    assert [dot["model"] for dot in dots] == models.names()
    for name in ("lenet5", "resnet18"):
        dot = next(dot for dot in dots if dot["model"] == name)
        table = table_of(published(name))
        assert (dot["parameters"], dot["multiply_adds"]) == (table.parameters, table.multiply_adds)


# --- a picture that can be read -------------------------------------------------------------------------------------

WRITTEN = """async ([state, width, what]) => {
  const architecture = await import("./explorers/architecture.js");
  const { PAPER_COLORS } = await import("./explorers/common.js");
  const canvas = document.createElement("canvas");
  const { networks, drawings } = architecture.sceneOf(state, width);
  const totals = architecture.totalsHeight(networks.length, width);
  const height = { map: 330, blocks: architecture.BLOCKS_HEIGHT, totals }[what];
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const boxes = [];
  const fill = context.fillText.bind(context);
  context.fillText = (text, x, y) => {
    const box = context.measureText(text);
    boxes.push([
      text, x - box.actualBoundingBoxLeft, y - box.actualBoundingBoxAscent,
      x + box.actualBoundingBoxRight, y + box.actualBoundingBoxDescent,
    ]);
    fill(text, x, y);
  };
  const sheet = { context, width, height, ratio: 1, density: 1, palette: PAPER_COLORS, font: "sans-serif" };
  if (what === "map") {
    architecture.paintMap(sheet, { dots: architecture.allNetworks(), chosen: [state.model], pointed: null });
  } else if (what === "totals") architecture.paintTotals(sheet, networks);
  else architecture.paintBlocks(sheet, drawings[0]);
  return [height, boxes];
}"""


def written(modules, name, width, what, second=None):
    other = published(second) if second else None
    state = {**published(name), "second": other, "opened": ["", ""], "layer": None, "bars": "multiply_adds"}
    return modules.evaluate(WRITTEN, [state, width, what])


@pytest.mark.parametrize("width", [736, 592, 358])  # the book's column, with its menu beside it, on a phone
def test_labels_neither_touch_nor_stick_out(modules, width):
    for name in models.names():
        for what, second in (
            ("blocks", None),
            ("map", None),
            ("totals", None),
            ("totals", "efficientnet_b7"),
        ):
            height, boxes = written(modules, name, width, what, second)
            for text, left, top, right, bottom in boxes:
                assert left >= -1 and top >= 0 and right <= width + 1 and bottom <= height, (name, text)
            for one, other in itertools.combinations(boxes, 2):
                apart = one[1] >= other[3] or other[1] >= one[3] or one[2] >= other[4] or other[2] >= one[4]
                assert apart, (name, one[0], other[0])
            assert len(boxes) >= (10 if what == "map" else 6), (name, what, boxes)


@pytest.mark.parametrize("viewport", [COLUMN, PHONE])
def test_blocks_are_as_high_and_wide_as_roots_of_sides_and_channels(modules, viewport):
    places = modules.evaluate(
        """async ([state, width]) => {
          const { sceneOf, placesOf } = await import("./explorers/architecture.js");
          const drawing = sceneOf(state, width).drawings[0];
          const { places } = placesOf(drawing, width);
          return drawing.parts.map(({ side, channels }, index) => [side, channels, places[index]]);
        }""",
        [
            {
                **published("resnet18"),
                "second": None,
                "opened": ["", ""],
                "layer": None,
                "bars": "parameters",
            },
            viewport["width"] - 32,
        ],
    )
    height = {side: place["height"] for side, _, place in places}
    assert height[56] / height[14] == pytest.approx(2) and height[112] / height[28] == pytest.approx(2)
    width = {channels: place["width"] for _, channels, place in places}
    assert width[512] / width[128] == pytest.approx(2) and width[256] > width[128] > width[64]
    for (_, _, one), (_, _, other) in itertools.pairwise(places):
        assert one["x"] + one["width"] <= other["x"]
    last = places[-1][2]
    assert 0.95 * (viewport["width"] - 32) <= last["x"] + last["width"] <= viewport["width"] - 32


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_a_page_follows_what_a_kernel_sends(visit):
    page = visit()
    shown = page.evaluate(
        f"""async () => {{ {FAKE_MODEL % "architecture"}
          const seen = [];
          const look = () => seen.push(JSON.parse(el.firstChild.dataset.state));
          await send({{ input_size: 64 }});
          look();
          const small = {{ input_size: 32, width: 1, classes: 10 }};
          await send({{ model: "lenet5", ...small, second: {{ model: "resnet8", ...small }} }});
          look();
          await send({{ model: "resnet20" }});  // before the rest of its settings arrives
          look();
          remove();
          return seen.map(({{ model, input_size, classes, parameters, second }}) =>
            [model, input_size, classes, parameters, second?.model ?? null]);
        }}"""
    )
    assert shown == [
        ["resnet18", 64, 1000, 11_689_512, None],
        ["lenet5", 32, 10, 61_706, "resnet8"],
        ["resnet20", 32, 10, 269_722, "resnet8"],
    ]


def test_controls_of_a_notebook_can_be_linked_to_its_traits(kernel):
    text, _ = kernel.run(
        """
        import ipywidgets
        from cnncourse.widgets import ArchitectureExplorer
        explorer = ArchitectureExplorer(model="resnet20")
        size = ipywidgets.IntSlider(min=8, max=64)
        link = ipywidgets.link((explorer, "input_size"), (size, "value"))
        size.value = 48
        print(explorer.input_size, explorer.table().multiply_adds, explorer.model_id)
        """.replace("\n        ", "\n")
    )
    side, adds, comm = re.fullmatch(r"(\d+) (\d+) (\w+)", text).groups()
    assert (int(side), int(adds)) == (48, measured_table("resnet20", 48, 1.0, 10).multiply_adds)
    # What a front end sends when a network was chosen arrives as it was sent.
    kernel.send(
        comm,
        {"model": "lenet5", "input_size": 40, "width": 1.0, "classes": 12, "opened": ["", ""], "layer": None},
    )
    text, _ = kernel.run("print(explorer.model, explorer.input_size, explorer.classes, size.value)")
    assert text == "lenet5 40 12 40"


def test_measures_module_is_the_reference():
    """The helper above measures what the course's own function measures."""
    assert (
        measured_table("lenet5", 32, 1.0, 10).multiply_adds
        == measure.table(models.build("lenet5"), (1, 1, 32, 32)).multiply_adds
    )
