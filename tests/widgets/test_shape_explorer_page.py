"""ShapeExplorer in a page: its arithmetic is scratch's and torch's, its sliders stay legal, everyone can use it."""

import contextlib
import itertools
import json
import random
import re

import numpy as np
import pytest
import torch
from explorer_pages import FAKE_MODEL, PHONE, settle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from cnncourse import scratch
from cnncourse.widgets import KernelExplorer, ShapeExplorer
from cnncourse.widgets.shape import GEOMETRY, RANGES, grid_sides

LETTERS = dict(zip(GEOMETRY, ["H", "k", "s", "p", "d", "p′"], strict=True))
SLIDERS = {name: f"{name.replace('_', ' ').capitalize()} {letter}" for name, letter in LETTERS.items()}
PLAIN = GEOMETRY[:5]  # what a convolution has; output padding is of the transposed one


@pytest.fixture(scope="module")
def address(publish):
    """Pages with one explorer, a transposed one, one whose floor leaves pixels out, and two on one page."""
    same = ShapeExplorer(input=7, kernel=3, stride=1, padding=1).page_html()
    back = ShapeExplorer(input=4, kernel=3, stride=2, padding=1, view="transposed").page_html()
    return publish(
        one=same,
        back=back,
        floor=ShapeExplorer(input=8, kernel=3, stride=2, padding=0, step=0).page_html(),
        apart=ShapeExplorer(
            input=(9, 12), kernel=(3, 5), stride=(2, 1), padding=(1, 0), dilation=(1, 2)
        ).page_html(),
        added=ShapeExplorer(
            view="transposed", input=(4, 5), kernel=(3, 2), stride=(2, 3), padding=0, output_padding=(1, 2)
        ).page_html(),
        grouped=ShapeExplorer(in_channels=8, out_channels=16, groups=4).page_html(),
        large=ShapeExplorer(input=16, kernel=7, stride=1, padding=6, show_counts=True).page_html(),
        two=KernelExplorer(photographs={"dark": np.zeros((8, 8), np.uint8)}).page_html() + same + back,
    )


def state(page, which=0):
    return json.loads(page.locator("[data-explorer=shape]").nth(which).get_attribute("data-state"))


def control(page, name, which=0):
    label = SLIDERS.get(name, name)
    role = "combobox" if name == "Example" else "slider"
    explorer = page.locator("[data-explorer=shape]").nth(which)
    return explorer.get_by_role(role, name=label, exact=True)


def panel(page, name):
    return page.locator(f".x-{name} .x-stage")


def geometry(seen):
    return {name: seen[name] for name in GEOMETRY}


def choose(page, **values):
    """Set sliders one after the other; what was asked for must have fitted."""
    for name, value in values.items():
        control(page, name).fill(str(value))
    settle(page)
    assert values.items() <= state(page).items()


def cell(page, name, row, column, border=0):
    """Where a cell lies on the screen. Both grids are drawn to one scale: the larger one fills its square."""
    seen = state(page)
    *_, grid = grid_sides(seen["view"], **geometry(seen))
    side = seen[name] + 2 * border
    assert side in (grid, seen[name])
    box = panel(page, name).bounding_box()
    size = box["width"] / grid
    left, top = (box[axis] + (box["width"] - side * size) / 2 for axis in "xy")
    return left + (column + border + 0.5) * size, top + (row + border + 0.5) * size


def spoken(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('.x-spoken').textContent.includes(words)", arg=words
    )
    return page.locator(".x-spoken").first.inner_text()


# --- arithmetic -----------------------------------------------------------------------------------------------------


MODULE = 'const shape = await import("./explorers/shape.js");'


def drawn_settings(count, seed=0):
    draw = random.Random(seed)
    return [
        {"view": draw.choice(["forward", "transposed"])}
        | {name: draw.randint(*RANGES[name]) for name in GEOMETRY}
        for _ in range(count)
    ]


def torch_answer(view, input, kernel, output_padding, **options):
    """Ones through a kernel of ones in torch → (output, gradient at the input). Numbers or pairs."""
    x = torch.ones(1, 1, *np.broadcast_to(input, 2), requires_grad=True)
    operation = functional.conv2d if view == "forward" else functional.conv_transpose2d
    if view == "transposed":
        options["output_padding"] = output_padding
    y = operation(x, torch.ones(1, 1, *np.broadcast_to(kernel, 2)), **options)
    y.sum().backward()
    return y[0, 0].detach().numpy(), x.grad[0, 0].numpy()


def test_sizes_and_counts_equal_scratch_and_torch(modules):
    drawn = drawn_settings(250)
    answers = modules.evaluate(
        f"""async (drawn) => {{ {MODULE}
          return drawn.map((drawn) => (!shape.fitsTogether(drawn) ? null
            : {{ ...shape.sides(drawn), counts: shape.countsAlong(drawn), unread: shape.unreadOf(drawn) }}));
        }}""",
        drawn,
    )
    fitting = 0
    for values, answer in zip(drawn, answers, strict=True):
        try:
            windows, pixels, grid = grid_sides(**values)
        except ValueError:
            assert answer is None, values
            continue
        fitting += 1
        assert (answer["windows"], answer["pixels"], answer["grid"]) == (windows, pixels, grid), values
        output, gradient = torch_answer(**values)
        assert output.shape == (answer["output"],) * 2
        if values["view"] == "forward":
            numbers = [values[name] for name in PLAIN]
            assert answer["output"] == scratch.conv_output_size(*numbers)
        expected = gradient if values["view"] == "forward" else output
        counts = np.array(answer["counts"])[values["padding"] : values["padding"] + pixels]
        np.testing.assert_array_equal(np.outer(counts, counts), expected, err_msg=str(values))
        assert answer["unread"] == np.flatnonzero(expected.sum(axis=1) == 0).tolist()
    assert fitting > 100


def drawn_pairs(count, seed):
    """Numbers and pairs, legal or not."""
    draw = random.Random(seed)
    one = {name: lambda name=name: draw.randint(*RANGES[name]) for name in GEOMETRY}
    return [
        {"view": draw.choice(["forward", "transposed"])}
        | {name: [one[name](), one[name]()] for name in GEOMETRY}
        for _ in range(count)
    ]


def test_the_explorer_refuses_what_torch_refuses_and_says_why(modules):
    """Legal in the explorer and in torch; beyond that the explorer has its largest grid, and at least one pixel."""
    drawn = drawn_pairs(400, seed=7)
    answers = modules.evaluate(
        f"""async (drawn) => {{ {MODULE}
          return drawn.map((settings) => {{
            const axes = shape.axesOf(settings);
            const reasons = axes.filter((axis) => !shape.fitsTogether(axis)).map(shape.misfit);
            const fits = shape.bothFit(settings);
            const output = shape.outputOf(settings);
            return {{ fits, reasons, output, cost: fits && shape.costOf(settings, 12, 8, 4) }};
          }});
        }}""",
        drawn,
    )
    seen = {True: 0, False: 0}
    for values, answer in zip(drawn, answers, strict=True):
        try:
            output = torch_answer(**values)[0].shape
        except RuntimeError:
            output = None
        seen[answer["fits"]] += 1
        if answer["fits"]:
            assert output == tuple(answer["output"]), values
            explorer = ShapeExplorer(in_channels=12, out_channels=8, groups=4, **values)
            assert answer["cost"]["multiplyAdds"] == explorer.multiply_adds()
            assert answer["cost"]["weights"] == explorer.weights()
            real = 8 * 3 * int(explorer.counts().sum())
            assert answer["cost"]["border"] == explorer.multiply_adds() - real
        else:
            assert answer["reasons"] and all(answer["reasons"])
            beyond = "are shown at most" in " ".join(answer["reasons"])
            empty = output is not None and 0 in output
            assert output is None or beyond or empty, (values, answer)
    assert min(seen.values()) > 50


def test_taps_and_readers_are_those_of_torch(modules):
    """Which inputs an output reads: where the gradient of that one output is not zero; and the other way round."""
    drawn = [values for values in drawn_settings(60, seed=1) if values["view"] == "forward"]
    drawn = [values for values in drawn if values["kernel"] * values["dilation"] <= values["input"]]
    answers = modules.evaluate(
        f"""async (drawn) => {{ {MODULE}
          const axis = (n) => [...Array(n).keys()];
          return drawn.map((settings) => ({{
            taps: axis(shape.sides(settings).windows).map((a) => shape.tapsOf(settings, a)),
            readers: axis(settings.input).map((b) => shape.readersOf(settings, b)),
          }}));
        }}""",
        drawn,
    )
    assert len(drawn) > 10
    for values, answer in zip(drawn, answers, strict=True):
        options = {name: values[name] for name in ("stride", "padding", "dilation")}
        for a, taps in enumerate(answer["taps"]):
            x = torch.zeros(1, 1, values["input"], requires_grad=True)
            weight = torch.arange(1.0, values["kernel"] + 1).reshape(1, 1, -1)
            functional.conv1d(x, weight, **options)[0, 0, a].backward()
            expected = {b: int(w) - 1 for b, w in enumerate(x.grad[0, 0].tolist()) if w}
            assert {b: u for u, b in enumerate(taps) if 0 <= b < values["input"]} == expected
            for b, u in expected.items():
                assert [a, u] in answer["readers"][b]
        assert sum(map(len, answer["readers"])) == sum(
            0 <= b < values["input"] for taps in answer["taps"] for b in taps
        )


def test_cost_is_exact(modules):
    drawn = [values for values in drawn_settings(200, seed=2) if fits(values)]
    answers = modules.evaluate(
        f"async (drawn) => {{ {MODULE} return drawn.map((settings) => shape.costOf(settings, 4096, 4095)); }}",
        drawn,
    )
    for values, answer in zip(drawn, answers, strict=True):
        explorer = ShapeExplorer(in_channels=4096, out_channels=4095, **values)
        assert answer["weights"] == 4095 * 4096 * values["kernel"] ** 2 == explorer.weights()
        assert answer["multiplyAdds"] == explorer.multiply_adds()
        assert answer["values"] == 4095 * explorer.output**2
        inside = int(explorer.counts().sum())  # products with a real pixel, of one pair of channels
        assert answer["border"] == explorer.multiply_adds() - 4095 * 4096 * inside


def fits(values):
    try:
        grid_sides(**values)
    except ValueError:
        return False
    return True


# --- sliders stay legal ---------------------------------------------------------------------------------------------


WISHES = st.one_of(
    *[st.tuples(st.just(name), st.integers(*RANGES[name])) for name in GEOMETRY],
    st.tuples(st.just("view"), st.sampled_from(["forward", "transposed"])),
)


def check_change(name, wish, before, after, reason):
    """The wish, or the nearest that fits with a reason; everything else as it was."""
    assert fits({key: after[key] for key in ("view", *GEOMETRY)})
    others = {key: before[key] for key in ("view", *GEOMETRY) if key != name}
    if name == "view":
        assert after["view"] == wish
        if fits({**others, "view": wish}):
            assert others.items() <= after.items() and reason == ""
        else:
            changed = [key for key in ("output_padding", "input", "dilation") if after[key] != before[key]]
            assert changed == sorted(changed, key=["output_padding", "input", "dilation"].index) != []
            for key in changed:
                label = key.replace("_", " ").capitalize()
                assert f"{label} is {after[key]} now: at {before[key]}, " in reason
        return
    assert others.items() <= after.items()
    legal = [value for value in range(RANGES[name][0], RANGES[name][1] + 1) if fits({**others, name: value})]
    nearest = min(legal, key=lambda value: abs(value - wish))
    assert after[name] == nearest
    if nearest == wish:
        assert reason == ""
    else:
        limit = "at most" if wish > nearest else "at least"
        assert reason.startswith(
            f"{name.replace('_', ' ').capitalize()} is {limit} {nearest} here: at {wish}, "
        )


def test_any_sequence_of_changes_stays_legal(modules):
    start = {
        "view": "forward",
        "input": 7,
        "kernel": 3,
        "stride": 1,
        "padding": 1,
        "dilation": 1,
        "output_padding": 0,
    }
    apply = f"""async ([start, wishes]) => {{ {MODULE}
      let settings = start;
      return wishes.map(([name, wish]) => {{
        const changed = shape.change(settings, name, wish);
        settings = changed.settings;
        return changed;
      }});
    }}"""
    clamped = 0

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(WISHES, min_size=20, max_size=60))
    def check(wishes):
        nonlocal clamped
        before = start
        for (name, wish), answer in zip(wishes, modules.evaluate(apply, [start, wishes]), strict=True):
            check_change(name, wish, before, answer["settings"], answer["reason"])
            before = answer["settings"]
            clamped += answer["reason"] != ""

    check()
    assert clamped > 20


def test_one_axis_changes_and_the_other_stays(modules):
    """Any sequence of changes of single axes stays legal in both; a reason names its axis."""
    draw = random.Random(3)
    wishes = [
        (name, draw.randint(0, 1), draw.randint(*RANGES[name])) for name in draw.choices(GEOMETRY, k=200)
    ]
    wishes.insert(100, ("view", 0, "transposed"))
    start = {"view": "forward"} | {
        name: [value] * 2 for name, value in zip(GEOMETRY, (7, 3, 1, 1, 1, 0), strict=True)
    }
    answers = modules.evaluate(
        f"""async ([start, wishes]) => {{ {MODULE}
          let settings = start;
          return wishes.map(([name, axis, wish]) => {{
            const value = name === "view" ? wish : settings[name].map((old, at) => (at === axis ? wish : old));
            const changed = shape.change(settings, name, value);
            settings = changed.settings;
            return changed;
          }});
        }}""",
        [start, wishes],
    )
    before, reasons = start, 0
    for (name, axis, wish), answer in zip(wishes, answers, strict=True):
        after = answer["settings"]
        for each in (0, 1):
            assert fits({key: value if key == "view" else value[each] for key, value in after.items()})
        if name != "view":
            assert all(after[key][1 - axis] == before[key][1 - axis] for key in GEOMETRY)
            assert all(after[key] == before[key] for key in GEOMETRY if key != name)
            label = f"{name.replace('_', ' ').capitalize()} {['height', 'width'][axis]} is at "
            assert answer["reason"] == "" if after[name][axis] == wish else answer["reason"].startswith(label)
            reasons += answer["reason"] != ""
        before = after
    assert reasons > 20


def test_sliders_pushed_at_random_stay_legal(visit):
    """The same at the controls themselves: what the sliders and the words show is what the state holds."""
    page = visit()
    draw = random.Random(5)
    wishes = [(name, draw.randint(*RANGES[name])) for name in draw.choices(PLAIN, k=70)]
    wishes += [
        ("view", "transposed"),
        ("padding", 6),
        ("kernel", 1),
        ("input", 1),
        ("stride", 1),
        ("input", 16),
    ]
    wishes += [("stride", 4), ("output_padding", 3), ("dilation", 4), ("stride", 1), ("dilation", 1)]
    wishes += [
        ("output_padding", 1),
        ("stride", 2),
        ("stride", 1),
        ("output_padding", 0),
        ("kernel", 7),
        ("dilation", 4),
    ]
    wishes += [("view", "forward"), ("padding", 0), ("input", 1)]
    seen = page.evaluate(
        """async (wishes) => {
          const root = document.querySelector("[data-explorer=shape]");
          const all = () => [...root.querySelectorAll(".x-sliders input, .x-added input")];
          const names = ["input", "kernel", "stride", "padding", "dilation", "output_padding"];
          const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const seen = [];
          for (const [name, wish] of [["", 0], ...wishes]) {
            const slider = all()[names.indexOf(name)];
            if (name === "view") root.querySelector(`input[value=${wish}]`).click();
            else if (slider) {
              slider.value = wish;
              slider.dispatchEvent(new Event("input"));
            }
            await frames();
            seen.push([JSON.parse(root.dataset.state), all().map((slider) => Number(slider.value)),
              root.querySelector(".x-remark .x-fault").textContent]);
          }
          return seen;
        }""",
        wishes,
    )
    reasons = set()
    for (name, wish), (before, _, _), (after, shown, reason) in zip(wishes, seen, seen[1:], strict=False):
        check_change(name, wish, before, after, reason)
        assert shown == [after[key] for key in (GEOMETRY if after["view"] == "transposed" else PLAIN)]
        assert 0 <= after["step"] < after["windows"] == grid_sides(after["view"], **geometry(after))[0] ** 2
        reasons.add(re.sub(r"-?\d+", "#", reason.partition(": ")[2]))
    assert reasons == {
        "",
        "at #, the kernel would span # pixels, and the padded input has #.",
        "at #, cropping # on every side would leave nothing of # pixels.",
        "at #, the output would be # pixels wide before it is cropped, and # are shown at most.",
        "at #, output padding # would be smaller than neither stride # nor dilation #.",
    }


def test_a_slider_stops_at_the_last_value_that_fits_and_says_why(visit):
    page = visit()
    fault = page.locator(".x-remark .x-fault")
    reason = "the kernel would span {} pixels, and the padded input has {}."
    for name, wish, words in [
        ("kernel", 7, "Kernel is at most 6 here: at 7, " + reason.format(7, 6)),
        ("dilation", 4, "Dilation is at most 2 here: at 4, " + reason.format(9, 6)),
        ("input", 1, "Input is at least 3 here: at 1, " + reason.format(3, 1)),
    ]:
        page.get_by_role("button", name="Reset").click()
        choose(page, padding=0, input=6)
        for _ in range(2):  # pushed again, it goes back again
            control(page, name).fill(str(wish))
            settle(page)
            assert fault.inner_text() == words
            assert control(page, name).input_value() == str(state(page)[name])
    spoken(page, words)
    control(page, "padding").fill("1")
    settle(page)
    assert fault.inner_text() == ""


def test_the_slider_shows_where_it_cannot_go(visit):
    page = visit()
    choose(page, padding=0, input=5)
    shares = {
        name: control(page, name).evaluate(
            """(range) => ["--before", "--after"].map((name) =>
                 Number(range.parentElement.querySelector(".x-legal").style.getPropertyValue(name)))"""
        )
        for name in PLAIN
    }
    assert shares == {
        "input": [pytest.approx((3 - 1) / 15), 0],
        "kernel": [0, pytest.approx((7 - 5) / 6)],
        "stride": [0, 0],
        "padding": [0, 0],
        "dilation": [0, pytest.approx((4 - 2) / 3)],
    }


# --- what is shown --------------------------------------------------------------------------------------------------


def test_the_formula_has_the_numbers_and_the_remark_says_what_they_mean(visit):
    page = visit()
    padding_only = "The floor drops a remainder of 1: only padding is lost. "
    for input, kernel, stride, padding, dilation, size, result, remark in [
        (7, 3, 1, 1, 1, "7 + 2·1 − 1·(3 − 1) − 1 / 1", "⌊6 / 1⌋ + 1 = 7",
         "Every pixel is read: a corner 4 times, others up to 9 times."),
        (8, 3, 2, 0, 1, "8 + 2·0 − 1·(3 − 1) − 1 / 2", "⌊5 / 2⌋ + 1 = 3",
         "The floor drops a remainder of 1: the last row and column are never read, 15 of 64 pixels."),
        (8, 3, 2, 1, 1, "8 + 2·1 − 1·(3 − 1) − 1 / 2", "⌊7 / 2⌋ + 1 = 4",
         padding_only + "Every pixel is read: a corner once, others up to 4 times."),
        (10, 3, 4, 1, 1, "10 + 2·1 − 1·(3 − 1) − 1 / 4", "⌊9 / 4⌋ + 1 = 3",
         padding_only + "Rows and columns 2 and 6 are never read, 36 of 100 pixels."),
        (8, 2, 2, 0, 1, "8 + 2·0 − 1·(2 − 1) − 1 / 2", "⌊6 / 2⌋ + 1 = 4", "Every pixel is read exactly once."),
        (5, 3, 3, 1, 1, "5 + 2·1 − 1·(3 − 1) − 1 / 3", "⌊4 / 3⌋ + 1 = 2",
         padding_only + "Every pixel is read exactly once."),
        (9, 3, 2, 0, 2, "9 + 2·0 − 2·(3 − 1) − 1 / 2", "⌊4 / 2⌋ + 1 = 3",
         "Rows and columns 1, 3, 5 and 7 are never read, 56 of 81 pixels."),
    ]:  # fmt: skip
        values = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        control(page, "input").fill("16")  # so that every setting can be chosen on the way
        choose(page, **values, input=input)
        text = page.locator(".x-equation").evaluate(
            """(formula) => [...formula.querySelectorAll(".x-line")].map((line) => {
                 for (const top of line.querySelectorAll(".x-fraction > :first-child")) top.after(" / ");
                 return line.textContent;
               }).join("")"""
        )
        assert text == f"H′ = ⌊H + 2·p − d·(k − 1) − 1 / s⌋ + 1 = ⌊{size}⌋ + 1 = {result}"
        assert page.locator(".x-remark").inner_text() == remark
        output = ShapeExplorer(input=input, **values).output
        assert page.locator(".x-equation").get_attribute("aria-label").endswith(f"plus 1 = {output}")
        assert page.locator(".x-output .x-size").first.inner_text() == f"{output} × {output}"


def test_transposed_has_its_own_formula_and_remark(visit):
    page = visit("back")
    seen = state(page)
    assert (seen["view"], seen["output"]) == ("transposed", (4 - 1) * 2 - 2 * 1 + 1 * (3 - 1) + 1)
    formula = page.locator(".x-equation").inner_text().replace("\n", "")
    assert "(4 − 1)·2 − 2·1 + 1·(3 − 1) + 0 + 1 = 7" in formula
    assert page.locator(".x-remark").inner_text() == (
        "A convolution with these settings turns 7 and 8 alike into 4; the transposed one turns 4 into 7. "
        "Every output pixel sums 1 to 4 products."
    )
    for size in (7, 8):
        assert scratch.conv_output_size(size, 3, 2, 1) == 4
    choose(page, stride=3, kernel=1, padding=0)
    assert "Rows and columns 1, 2, 4, 5, 7 and 8 get nothing" in page.locator(".x-remark").inner_text()
    assert page.locator(".x-output .x-note").inner_text() == "Hatched: never written to."
    page.get_by_role("radio", name="forward").check()
    settle(page)
    assert page.locator(".x-remark").inner_text().startswith("Rows and columns 1 and 2 are never read")


def test_height_and_width_are_apart_and_together_again(visit):
    page = visit()
    together = state(page)
    box = page.get_by_role("checkbox", name="Height and width apart")
    box.check()
    settle(page)
    apart = state(page)
    assert geometry(apart) == {name: [together[name]] * 2 for name in GEOMETRY}
    assert apart["output"] == [7, 7] and apart["step"] == together["step"]
    page.get_by_role("slider", name="Kernel width kw").fill("7")
    page.get_by_role("slider", name="Padding width pw").fill("0")
    page.get_by_role("slider", name="Stride height sh").fill("3")
    settle(page)
    seen = state(page)
    assert (seen["kernel"], seen["padding"], seen["stride"]) == ([3, 7], [1, 0], [3, 1])
    assert seen["output"] == [3, 1] and seen["windows"] == 3
    explorer = ShapeExplorer(**geometry(seen))
    assert (seen["weights"], seen["multiply_adds"]) == (explorer.weights(), explorer.multiply_adds())
    assert page.locator(".x-output .x-size").first.inner_text() == "3 × 1"
    page.get_by_role("slider", name="Dilation width dw").fill("2")
    settle(page)
    assert page.locator(".x-remark .x-fault").inner_text() == (
        "Dilation width is at most 1 here: at 2, the kernel would span 13 pixels, and the padded input has 7."
    )
    box.uncheck()
    settle(page)
    assert geometry(state(page)) == geometry(together) | {"stride": 3}
    assert page.locator(".x-remark .x-fault").inner_text() == (
        "The width is as the height again: kernel, stride and padding."
    )
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert state(page) == together


def test_apart_each_axis_has_its_formula_its_marks_and_its_words(visit):
    page = visit("apart")
    seen = state(page)
    assert (seen["input"], seen["output"]) == ([9, 12], [5, 4])
    assert page.get_by_role("checkbox", name="Height and width apart").is_checked()
    label = page.locator(".x-equation").get_attribute("aria-label")
    assert label == (
        "Output height: floor of (9 + 2·1 − 1·(3 − 1) − 1) / 2, plus 1 = 5; "
        "Output width: floor of (12 + 2·0 − 2·(5 − 1) − 1) / 1, plus 1 = 4"
    )
    page.mouse.click(*place_of(page, "output", (2, 3), seen["output"]))
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["step"] == 2 * 4 + 3
    assert page.locator(".x-sentence").inner_text() == (
        "Step 12 of 20: output (2, 3) reads rows 3 to 5, columns 3, 5, 7, 9 and 11 of the input."
    )
    inside = {tuple(index) for index in state(page)["lit"]}
    assert inside == lit_in_torch(state(page))
    panel(page, "output").focus()
    for key, at in [("End", [2, 3]), ("PageDown", [4, 3]), ("Home", [4, 0]), ("ArrowDown", [4, 0])]:
        page.keyboard.press(key)
        assert state(page)["at"] == at
    for values, words in [
        (dict(kernel=(2, 3), stride=(3, 1), input=(8, 5), padding=0, dilation=1),
         "Rows 2 and 5 are never read, 10 of 40 pixels."),
        (dict(kernel=(3, 3), stride=(1, 2), input=(5, 6), padding=0, dilation=1),
         "Width: The floor drops a remainder of 1: no window reaches the last column of the input. "
         "Column 5 is never read, 5 of 30 pixels."),
        (dict(kernel=(1, 3), stride=1, input=(5, 6), padding=(0, 1), dilation=1),
         "Every pixel is read at least twice, at most 3 times."),
    ]:  # fmt: skip
        explorer = ShapeExplorer(step=0, **values)
        remark = page.evaluate(
            f"""async (given) => {{ {MODULE}
              return shape.remarkOn(shape.setApart({{ view: "forward", ...given }}, true)); }}""",
            {name: getattr(explorer, name) for name in GEOMETRY},
        )
        assert remark == words
        assert (explorer.counts() == 0).sum() == (
            int(words.split(" of ")[-2].split()[-1]) if "never" in words else 0
        )


def place_of(page, name, spot, sides):
    """Where a cell of a grid without a border lies on the screen."""
    seen = state(page)
    axes = [{key: seen[key][axis] for key in GEOMETRY} for axis in (0, 1)]
    most = max(grid_sides(seen["view"], **axis)[2] for axis in axes)
    box = panel(page, name).bounding_box()
    size = box["width"] / most
    return [
        box[axis] + (box["width"] - sides[index] * size) / 2 + (spot[index] + 0.5) * size
        for index, axis in ((1, "x"), (0, "y"))
    ]


def test_output_padding_adds_rows_and_columns_at_the_end(visit):
    page = visit("added")
    seen = state(page)
    output = torch.nn.ConvTranspose2d(1, 1, (3, 2), stride=(2, 3), output_padding=(1, 2))(
        torch.zeros(1, 1, 4, 5)
    )
    assert seen["output"] == [*output.shape[2:]] == [10, 16]
    assert seen["unread"] == [[9], [2, 5, 8, 11, 14, 15]]
    assert "added by output padding" in page.locator(".x-output .x-note").inner_text()
    assert "Row 9 and columns 2, 5, 8, 11, 14 and 15 get nothing" in page.locator(".x-remark").inner_text()
    page.mouse.move(*place_of(page, "output", (9, 3), seen["output"]))
    settle(page)
    words = "Output (9, 3), added by output padding, gets nothing from the input, only the bias."
    assert page.locator(".x-sentence").inner_text() == words
    label = page.locator(".x-equation").get_attribute("aria-label")
    assert label.startswith("Output height: (4 − 1)·2 − 2·0 + 1·(3 − 1) + 1 + 1 = 10; ")
    page.get_by_role("slider", name="Stride height").fill("1")
    settle(page)
    assert page.locator(".x-remark .x-fault").inner_text() == (
        "Stride height is at least 2 here: "
        "at 1, output padding 1 would be smaller than neither stride 1 nor dilation 1."
    )
    page.get_by_role("radio", name="forward").check()
    settle(page)
    assert page.get_by_role("slider", name="Output padding").count() == 0


def test_output_padding_of_both_axes_is_drawn_with_a_line(visit):
    page = visit("back", expected="willReadFrequently")
    dark = """(canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 200 && data[at] + data[at + 1] + data[at + 2] < 200) count += 1;
      }
      return count / width;
    }"""
    picture = panel(page, "output").locator(".x-picture")
    assert picture.evaluate(dark) < 0.1
    choose(page, output_padding=1)
    assert state(page)["output"] == 8
    assert picture.evaluate(dark) > 2  # 2.5 pixels wide, along two sides
    remark = page.locator(".x-remark").inner_text()
    assert (
        "turns 7 and 8 alike into 4; the transposed one turns 4 into 8, chosen by its output padding."
        in remark
    )


# --- groups ---------------------------------------------------------------------------------------------------------


def test_groups_are_folded_until_they_are_wanted(visit):
    page = visit()
    assert not control(page, "Output channel").is_visible()
    page.get_by_text("Groups: which input channels feed").click()
    settle(page)
    assert control(page, "Output channel").is_visible()
    assert control(visit("grouped"), "Output channel").is_visible()


def test_groups_feed_and_weigh_as_in_torch(visit):
    page = visit("grouped")
    layer = torch.nn.Conv2d(8, 16, 3, groups=4, bias=False)
    torch.nn.init.ones_(layer.weight)
    for channel in (0, 5, 15):
        control(page, "Output channel").fill(str(channel))
        settle(page)
        x = torch.ones(1, 8, 3, 3, requires_grad=True)
        layer(x)[0, channel].sum().backward()
        first, last = x.grad[0, :, 1, 1].nonzero().flatten()[[0, -1]].tolist()
        assert page.locator(".x-feeding").inner_text() == (
            f"Output channel {channel} is in group {channel // 4} of 4 "
            f"and reads input channels {first} to {last} alone."
        )
    assert spoken(page, "reads input channels 6 to 7 alone.")
    assert page.locator(".x-weighing").inner_text() == (
        f"Weight {tuple(layer.weight.shape)}: 288 parameters, 4,608 multiply-adds; in one group (16, 8, 3, 3): "
        "1,152 parameters, 18,432 multiply-adds, 4 times as many."
    )
    assert state(page)["weights"] == layer.weight.numel() and state(page)["groups"] == 4
    page.get_by_role("radio", name="transposed").check()
    settle(page)
    back = torch.nn.ConvTranspose2d(8, 16, 3, groups=4)
    assert (
        page.locator(".x-weighing")
        .inner_text()
        .startswith(f"Weight {tuple(back.weight.shape)}: 288 parameters")
    )


def test_only_legal_groups_are_offered_and_others_are_refused_in_words(visit):
    page = visit("grouped")
    options = page.get_by_label("Groups g").locator("option").all_inner_texts()
    assert options == ["1", "2", "4", "8, depthwise"]
    rule = "Groups must divide channels in and channels out, 8 and 16: 1, 2, 4 and 8. "
    assert page.locator(".x-groups > .x-note").inner_text() == (
        rule + "3 cannot be: 8 channels in do not make 3 equal groups."
    )
    field = page.get_by_label("Channels out")
    field.fill("18")
    assert field.get_attribute("aria-invalid") == "true"
    field.press("Enter")
    assert (
        page.get_by_role("alert").first.inner_text()
        == "Channels out must be a multiple of groups, 4. It stays 16."
    )
    field.fill("12")
    settle(page)
    assert state(page)["weights"] == 12 * 2 * 9
    page.get_by_role("button", name="Depthwise").click()
    settle(page)
    seen = state(page)
    assert (seen["groups"], seen["weights"]) == (8, 16 * 9)
    assert field.input_value() == "16"
    assert page.locator(".x-groups .x-fault").inner_text() == (
        "Channels out is 16 now: 12 channels do not make 8 equal groups."
    )
    assert "Depthwise: no two input channels meet." in page.locator(".x-feeding").inner_text()


def test_pointing_at_the_groups_chooses_a_channel(visit):
    page = visit("grouped")
    stage = page.locator(".x-wiring .x-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 10.5 / 16, box["y"] + box["height"] - 6)
    settle(page)
    assert control(page, "Output channel").input_value() == "10"
    assert "group 2 of 4 and reads input channels 4 to 5" in page.locator(".x-feeding").inner_text()


def test_legal_groups_are_those_of_torch(modules):
    answers = modules.evaluate(
        f"""async () => {{ {MODULE}
          const axis = Array.from({{ length: 24 }}, (_, index) => index + 1);
          return axis.flatMap((row) => axis.map((column) => shape.legalGroups(row, column))); }}"""
    )
    for at, legal in enumerate(answers):
        channels_in, channels_out = 1 + at // 24, 1 + at % 24
        accepted = []
        for groups in range(1, 25):
            with contextlib.suppress(ValueError):
                torch.nn.Conv2d(channels_in, channels_out, 1, groups=groups)
                accepted.append(groups)
        assert legal == accepted


def test_examples_are_what_they_are_called(visit):
    page = visit()
    names = control(page, "Example").locator("option").all_inner_texts()
    sizes = {}
    for name in names[:-1]:
        control(page, "Example").select_option(name)
        settle(page)
        seen = state(page)
        sizes[name] = (seen["input"], seen["output"])
        assert control(page, "Example").input_value() == name
    assert sizes == {
        "valid: no padding": (7, 5),
        "same: the size stays": (7, 7),
        "strided: half the size": (7, 4),
        "the floor bites": (8, 3),
        "dilated: a wide window": (9, 9),
        "dilated and strided: holes": (10, 5),
        "patches side by side": (16, 4),
        "1 × 1": (7, 7),
        "like AlexNet's first layer": (16, 4),
        "transposed: twice the size": (4, 8),
        "transposed: a checkerboard": (5, 11),
    }
    before = state(page)
    control(page, "Example").select_option("your own")
    settle(page)
    assert state(page) == before
    control(page, "stride").fill("3")
    settle(page)
    assert control(page, "Example").input_value() == "your own"


def test_the_cost_line_multiplies_out(visit):
    page = visit()

    def costs():
        return {
            line.locator(".x-label").inner_text(): (
                line.locator(".x-product").inner_text(),
                line.locator(".x-amount").inner_text(),
            )
            for line in page.locator(".x-cost").all()
        }

    page.get_by_label("Channels in").fill("64")
    page.get_by_label("Channels out").fill("128")
    settle(page)
    assert costs() == {
        "Output values": ("128 · 7²", f"{128 * 49:,}"),
        "Weights": ("128 · 64 · 3²", f"{128 * 64 * 9:,}"),
        "Multiply-adds": ("128 · 64 · 3² · 7²", f"{128 * 64 * 9 * 49:,}"),
    }
    assert (state(page)["weights"], state(page)["multiply_adds"]) == (73_728, 3_612_672)
    products = ShapeExplorer(input=7, kernel=3, stride=1, padding=1).counts().sum()
    zeros = 128 * 64 * (9 * 49 - products)
    assert page.locator(".x-magnifier > .x-note").inner_text() == (
        f"{zeros:,} of the multiply-adds meet a zero of the padding."
    )
    choose(page, padding=0)
    assert page.locator(".x-magnifier > .x-note").inner_text() == ""
    page.get_by_role("radio", name="transposed").check()
    settle(page)
    assert costs()["Multiply-adds"] == ("128 · 64 · 3² · 7²", f"{128 * 64 * 9 * 49:,}")
    assert costs()["Output values"] == ("128 · 9²", f"{128 * 81:,}")


def test_what_is_no_number_of_channels_is_refused_in_words(visit):
    page = visit()
    before = state(page)
    field = page.get_by_label("Channels in")
    for text in ["0", "", "4097", "2.5", "-3", "1e9"]:
        field.fill(text)
        assert field.get_attribute("aria-invalid") == "true"
        page.keyboard.press("Tab")
        settle(page)
        assert state(page) == before
        assert page.get_by_role("alert").inner_text() == (
            "Channels in must be a whole number from 1 to 4096. It stays 3."
        )
        assert field.input_value() == "3" and field.get_attribute("aria-invalid") is None
    field.fill("5")
    settle(page)
    assert page.locator(".x-magnifier .x-fault").inner_text() == ""


def colors(page, name, cells, border=0):
    """The painted colors of cells, near their corners, where no number is written, as (cells, 3)."""
    box = panel(page, name).bounding_box()
    points = [cell(page, name, *spot, border) for spot in cells]
    shares = [
        [(x - box["x"]) / box["width"] - 0.01, (y - box["y"]) / box["height"] - 0.01] for x, y in points
    ]
    painted = panel(page, name).locator(".x-picture")
    return np.array(
        painted.evaluate(
            """(canvas, shares) => shares.map(([x, y]) => [...canvas.getContext("2d").getImageData(
                 Math.round(x * canvas.width), Math.round(y * canvas.height), 1, 1).data.slice(0, 3)])""",
            shares,
        )
    )


def is_blue(painted):
    return painted[:, 2] > painted[:, 0] + 40


def test_the_output_fills_in_up_to_the_step(visit):
    page = visit("floor", expected="willReadFrequently")
    cells = list(itertools.product(range(3), range(3)))
    for step in (0, 4, 8):
        control(page, "Step").fill(str(step + 1))
        settle(page)
        assert is_blue(colors(page, "output", cells)).tolist() == [index <= step for index in range(9)]
    assert page.locator(".x-steps .x-amount").inner_text() == "9 of 9"
    assert control(page, "Step").get_attribute("aria-valuetext") == "9 of 9"


def test_transposed_output_fills_in_where_the_windows_were(visit):
    page = visit("back", expected="willReadFrequently")
    control(page, "Step").fill("6")  # input (1, 1)
    settle(page)
    x = torch.zeros(1, 1, 4, 4)
    x.reshape(-1)[:6] = 1
    written = functional.conv_transpose2d(x, torch.ones(1, 1, 3, 3), stride=2, padding=1)[0, 0] > 0
    painted = colors(page, "output", itertools.product(range(7), range(7)), border=1)
    assert is_blue(painted).reshape(7, 7).tolist() == written.tolist()


def test_counts_darken_what_is_read_often(visit):
    page = visit(expected="willReadFrequently")
    page.get_by_role("checkbox", name="Count the reads").check()
    settle(page)
    counts = ShapeExplorer(input=7, kernel=3, stride=1, padding=1).counts()
    cells = [(0, 0), (0, 6), (0, 3), (6, 2), (1, 1), (3, 3), (5, 5)]
    by_count = {}
    for spot, color in zip(cells, colors(page, "input", cells, border=1), strict=True):
        by_count.setdefault(int(counts[spot]), []).append(color.sum())
    assert sorted(by_count) == [4, 6, 9]
    assert max(by_count[9]) < min(by_count[6]) and max(by_count[6]) < min(by_count[4])


def test_never_read_pixels_are_hatched(visit):
    page = visit("floor", expected="willReadFrequently")
    shades = page.locator(".x-input .x-picture").evaluate(
        """(canvas) => {
          const side = canvas.width / 8;
          const shades = ([row, column]) => new Set(new Uint32Array(canvas.getContext("2d").getImageData(
            (column + 0.25) * side, (row + 0.25) * side, side / 2, side / 2).data.buffer)).size;
          return [[0, 0], [6, 6], [7, 0], [3, 7]].map(shades);
        }"""
    )
    assert shades[:2] == [1, 1]
    assert min(shades[2:]) > 1
    assert page.locator(".x-input .x-note").inner_text() == "Hatched: never read."


# --- by mouse -------------------------------------------------------------------------------------------------------


def lit_in_torch(seen):
    """The cells that belong to the one that is pointed at, padding left out, by gradients of a convolution of ones."""
    size = dict(stride=seen["stride"], padding=seen["padding"], dilation=seen["dilation"])
    ones = torch.ones(1, 1, *np.broadcast_to(seen["kernel"], 2))
    row, column = seen["at"]
    x = torch.ones(1, 1, *np.broadcast_to(seen["input"], 2), requires_grad=True)
    operation = functional.conv2d if seen["view"] == "forward" else functional.conv_transpose2d
    if seen["pointed"] == "output":
        operation(x, ones, **size)[0, 0, row, column].backward()
        return {tuple(index) for index in x.grad[0, 0].nonzero().tolist()}
    x = torch.zeros_like(x)
    x[0, 0, row, column] = 1
    return {tuple(index) for index in operation(x, ones, **size)[0, 0].nonzero().tolist()}


@pytest.mark.parametrize("name", ["one", "floor", "back"])
def test_pointing_lights_what_belongs_to_a_cell_in_both_directions(visit, name):
    page = visit(name)
    first = state(page)
    other = {"input": "output", "output": "input"}
    border = {"input": first["padding"], "output": 0}
    if first["view"] == "transposed":
        border = {"input": 0, "output": first["padding"]}
    for grid, share in itertools.product(
        ("input", "output"), ((0, 0), (0.3, 0.7), (0.99, 0.99), (0.5, 0.99))
    ):
        spot = [int(value * first[grid]) for value in share]
        page.mouse.move(*cell(page, grid, *spot, border[grid]))
        seen = state(page)
        assert (seen["pointed"], seen["at"]) == (grid, spot)
        inside = {tuple(index) for index in seen["lit"] if all(0 <= i < seen[other[grid]] for i in index)}
        assert inside == lit_in_torch(seen)
        assert seen["step"] == first["step"]
    page.mouse.move(5, 5)
    assert state(page) == first


def test_what_is_pointed_at_is_said_in_words(visit):
    page = visit()
    sentence = page.locator(".x-sentence")
    for grid, spot, words in [
        ("output", (2, 3), "Step 18 of 49: output (2, 3) reads rows 1 to 3, columns 2 to 4 of the input."),
        ("output", (0, 0), "Step 1 of 49: output (0, 0) reads rows and columns −1 to 1 of the input. "
                           "5 of its 9 pixels are padding."),
        ("input", (0, 0), "Input (0, 0) is read by 4 outputs: rows and columns 0 and 1."),
        ("input", (3, 6), "Input (3, 6) is read by 6 outputs: rows 2 to 4, columns 5 and 6."),
        ("input", (-1, 3), "Padding at (−1, 3), always 0, is read by 3 outputs: row 0, columns 2 to 4."),
    ]:  # fmt: skip
        page.mouse.move(*cell(page, grid, *spot, border=grid == "input"))
        settle(page)
        assert sentence.inner_text() == words
    page = visit("floor")
    page.mouse.move(*cell(page, "input", 7, 2))
    settle(page)
    assert page.locator(".x-sentence").inner_text() == "Input (7, 2) is never read."
    page = visit("back")
    for grid, spot, words in [
        ("input", (0, 1), "Step 2 of 16: input (0, 1) times the kernel goes to rows −1 to 1, columns 1 to 3 of the "
                          "output. 3 of the 9 products are cropped."),
        ("output", (1, 1), "Output (1, 1) sums 4 products, from rows and columns 0 and 1 of the input."),
        ("output", (2, 2), "Output (2, 2) sums 1 product, from row 1, column 1 of the input."),
        ("output", (-1, 0), "Output (−1, 0), which is cropped, sums 1 product, from row 0, column 0 of the input."),
    ]:  # fmt: skip
        page.mouse.move(*cell(page, grid, *spot, border=grid == "output"))
        settle(page)
        assert page.locator(".x-sentence").inner_text() == words


def test_a_click_holds_a_window_or_a_pixel(visit):
    page = visit()
    page.mouse.click(*cell(page, "output", 5, 2))
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["step"] == 5 * 7 + 2
    assert control(page, "Step").input_value() == str(5 * 7 + 2 + 1)
    page.mouse.click(*cell(page, "input", 6, 6, border=1))
    page.mouse.move(5, 5)
    seen = state(page)
    assert (seen["pointed"], seen["at"], seen["step"]) == ("input", [6, 6], 37)
    choose(page, stride=2)  # the pixel stays, and is read by others now
    assert state(page)["at"] == [6, 6] and len(state(page)["lit"]) == 1
    page.mouse.click(*cell(page, "output", 0, 0))
    page.mouse.move(5, 5)
    assert state(page)["pointed"] == "output" and state(page)["step"] == 0
    page.mouse.click(*cell(page, "input", 0, 0, border=1))
    choose(page, padding=0, input=3)
    assert state(page)["pointed"] == "input"
    page.mouse.click(*cell(page, "input", 2, 2))
    page.mouse.move(5, 5)
    choose(page, kernel=1, input=2)  # the pixel is gone
    assert state(page)["pointed"] == "output"


def test_dragging_moves_the_window(visit):
    page = visit()
    page.mouse.move(*cell(page, "output", 0, 0))
    page.mouse.down()
    page.mouse.move(*cell(page, "output", 3, 6), steps=8)
    page.mouse.up()
    page.mouse.move(5, 5)
    assert state(page)["step"] == 3 * 7 + 6


def test_the_window_keeps_its_place_when_a_slider_moves(visit):
    page = visit()
    for index, (row, column) in enumerate([(0, 0), (3, 3), (6, 6), (0, 6)]):
        choose(page, stride=1, padding=1)
        control(page, "Step").fill(str(row * 7 + column + 1))
        choose(page, stride=2)
        assert divmod(state(page)["step"], 4) == [(0, 0), (2, 2), (3, 3), (0, 3)][index]


# --- playing --------------------------------------------------------------------------------------------------------


def test_buttons_step_and_stop_at_the_ends(visit):
    page = visit("floor")
    back = page.get_by_role("button", name="Back one window")
    onward = page.get_by_role("button", name="Next window")
    assert back.get_attribute("aria-disabled") == "true"
    back.click(force=True)
    assert state(page)["step"] == 0
    onward.click()
    onward.click()
    back.click()
    settle(page)
    assert state(page)["step"] == 1
    assert back.get_attribute("aria-disabled") == "false"
    control(page, "Step").press("End")
    onward.focus()
    onward.press("Enter")
    settle(page)
    assert state(page)["step"] == 8
    assert onward.get_attribute("aria-disabled") == "true"
    assert onward.evaluate("e => e === document.activeElement")  # the focus is not lost


def test_playing_goes_to_the_end_and_any_control_stops_it(visit):
    page = visit("floor")
    page.clock.install()
    assert state(page)["step"] == 0  # nothing plays by itself
    page.clock.run_for(5000)
    assert state(page)["step"] == 0
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(1000)
    assert 1 <= state(page)["step"] < 8
    page.get_by_role("button", name="Pause").click()
    paused = state(page)["step"]
    page.clock.run_for(2000)
    assert state(page)["step"] == paused
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(10_000)
    assert state(page)["step"] == 8
    page.get_by_role("button", name="Play").click()  # from the beginning
    assert state(page)["step"] == 0
    page.clock.run_for(500)
    control(page, "kernel").fill("2")
    assert page.get_by_role("button", name="Play").count() == 1
    held = state(page)["step"]
    page.clock.run_for(3000)
    assert state(page)["step"] == held


def test_reduced_motion_leaves_out_playing_and_keeps_stepping(visit):
    page = visit(reduced_motion="reduce")
    page.clock.install()
    assert not page.locator(".x-play").is_visible()
    step = state(page)["step"]
    page.get_by_role("button", name="Next window").click()
    assert state(page)["step"] == step + 1
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_selector(".x-play:visible")
    page.get_by_role("button", name="Play").click()
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_selector(".x-play", state="hidden")
    held = state(page)["step"]
    page.clock.run_for(3000)
    assert state(page)["step"] == held


# --- by keyboard ----------------------------------------------------------------------------------------------------


def test_keys_change_what_they_should(visit):
    page = visit()
    control(page, "input").press("ArrowRight")
    control(page, "kernel").press("End")
    control(page, "padding").press("PageDown")
    control(page, "dilation").press("Home")
    expected = {"input": 8, "kernel": 7, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    assert geometry(state(page)) == expected
    control(page, "Example").press("ArrowDown")
    page.get_by_role("radio", name="forward").press("ArrowRight")
    assert state(page)["view"] == "transposed"
    counts = page.get_by_role("checkbox", name="Count the")
    counts.press("Space")
    assert counts.is_checked()
    page.get_by_label("Channels in").press("ArrowUp")
    settle(page)
    assert state(page)["weights"] == 4 * 16 * state(page)["kernel"] ** 2
    page.get_by_role("button", name="Reset").press("Enter")
    settle(page)
    assert geometry(state(page)) == expected | {"input": 7, "kernel": 3, "padding": 1}
    assert state(page)["weights"] == 3 * 16 * 9 and state(page)["view"] == "forward"
    assert not counts.is_checked()
    assert page.get_by_label("Channels in").input_value() == "3"


def test_arrow_keys_move_the_window_and_the_pixel(visit):
    page = visit()
    panel(page, "output").focus()
    for key, at in [
        ("ArrowUp", [2, 3]), ("ArrowRight", [2, 4]), ("Home", [2, 0]), ("ArrowLeft", [2, 0]),
        ("End", [2, 6]), ("ArrowDown", [3, 6]), ("PageDown", [6, 6]), ("ArrowDown", [6, 6]), ("PageUp", [0, 6]),
    ]:  # fmt: skip
        page.keyboard.press(key)
        seen = state(page)
        assert (seen["pointed"], seen["at"]) == ("output", at), key
        assert seen["step"] == at[0] * 7 + at[1]
    panel(page, "input").focus()
    for key, at in [
        ("ArrowDown", [1, 6]), ("ArrowLeft", [1, 5]), ("End", [1, 7]), ("ArrowRight", [1, 7]), ("PageUp", [-1, 7]),
    ]:  # fmt: skip
        page.keyboard.press(key)
        seen = state(page)
        assert (seen["pointed"], seen["at"]) == ("input", at), key
    assert spoken(page, "Padding at (−1, 7), always 0, is read by 1 output: row 0, column 6.")
    page.keyboard.press("Escape")
    assert state(page)["pointed"] == "output"


def test_the_number_of_a_slider_lights_up_in_the_formula(visit):
    page = visit()
    control(page, "kernel").focus()
    assert page.locator(".x-of.is-lit").get_attribute("data-of") == "kernel"
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.locator(".x-of.is-lit").inner_text() == "4"
    page.keyboard.press("Tab")
    assert page.locator(".x-of.is-lit").get_attribute("data-of") == "stride"


# --- by finger ------------------------------------------------------------------------------------------------------


def test_touch_points_steps_and_chooses(visit):
    page = visit(viewport=PHONE, touch=True)
    page.touchscreen.tap(*cell(page, "output", 1, 5))
    assert state(page)["step"] == 1 * 7 + 5
    page.touchscreen.tap(*cell(page, "input", 0, 6, border=1))
    assert (state(page)["pointed"], state(page)["at"]) == ("input", [0, 6])
    page.get_by_role("button", name="Next window").tap()
    assert (state(page)["pointed"], state(page)["step"]) == ("output", 13)
    page.get_by_role("radio", name="transposed").tap()
    assert state(page)["view"] == "transposed"
    control(page, "stride").tap()  # in the middle of 1 … 4
    assert state(page)["stride"] in (2, 3)
    page.get_by_role("checkbox", name="Count the").tap()
    assert page.get_by_role("checkbox", name="Count the").is_checked()
    page.get_by_role("button", name="Play").tap()
    page.wait_for_function(
        "JSON.parse(document.querySelector('[data-explorer=shape]').dataset.state).step !== 13"
    )
    assert panel(page, "output").evaluate("e => getComputedStyle(e).touchAction") == "pan-y"


def test_nothing_moves_while_one_slides_and_points(visit):
    page = visit()
    seen = set()

    def look():
        settle(page)
        seen.add((panel(page, "input").bounding_box()["height"], control(page, "input").bounding_box()["y"]))
        return page.locator(".x-sentence").evaluate("e => e.textContent.length")

    for name, value in [
        ("padding", 0),
        ("stride", 4),
        ("kernel", 7),
        ("dilation", 4),
        ("input", 16),
        ("dilation", 2),
    ]:
        control(page, name).fill(str(value))
        look()
    choose(page, stride=1, padding=2)
    lengths = []
    for spot in [(0, 1), (3, 4)]:
        page.mouse.move(*cell(page, "output", *spot))
        lengths.append(look())
    page.mouse.move(*cell(page, "input", 0, 0, border=2))
    lengths.append(look())
    assert max(lengths) > 130 and min(lengths) < 80  # two lines, and one
    assert len(seen) == 1


# --- the host and other front ends ----------------------------------------------------------------------------------


ARRIVE = """
  const arrive = async (values) => {
    await send(values);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const seen = JSON.parse(el.firstChild.dataset.state);
    return [seen.input, seen.kernel, seen.dilation, seen.output, el.querySelector(".x-remark .x-fault").textContent];
  };
"""


def test_settings_that_arrive_one_by_one_end_up_as_they_were_sent(visit):
    """A kernel sends traits singly: what does not fit yet is not answered, and fits when the others have come."""
    page = visit()
    seen = page.evaluate(
        f"""async () => {{ {FAKE_MODEL % "shape"} {ARRIVE}
          const seen = [await arrive({{ dilation: 4 }}), await arrive({{ kernel: 5 }}), await arrive({{ input: 16 }})];
          const sent = [state.input, state.kernel, state.dilation];
          return [...seen, sent, await arrive({{ input: 3, kernel: 2, dilation: 1 }})];
        }}"""
    )
    assert seen[0] == [7, 3, 4, 1, ""]
    assert seen[1][:4] == [7, 3, 4, 1]
    assert seen[1][4] == (
        "Kernel is at most 3 here: at 5, the kernel would span 17 pixels, and the padded input has 9."
    )
    assert seen[2:] == [[16, 5, 4, 2, ""], [16, 5, 4], [3, 2, 1, 4, ""]]
