"""OptimizerExplorer in a page: its paths are scratch's, its controls do what they say, everyone can use it."""

import itertools
import json

import numpy as np
import pytest
from explorer_pages import PHONE, settle

from cnncourse import scratch
from cnncourse.widgets import OptimizerExplorer
from cnncourse.widgets.optimizer import (
    OPTIMIZERS,
    SCHEDULES,
    SWEEP,
    drawn_window,
    make_optimizer,
    make_schedule,
)

# A rate at which every optimizer is stable on every surface from its own start.
STABLE = {
    "SGD": 0.0005, "momentum": 0.0005, "Nesterov": 0.0005, "Adagrad": 0.1, "RMSprop": 0.001, "Adam": 0.01,
    "AdamW": 0.01,
}  # fmt: skip
UNSTABLE = {
    "bowl": {"SGD": 2.5, "momentum": 5, "Nesterov": 2},
    "ravine": {"SGD": 0.05, "momentum": 0.1, "Nesterov": 0.1},
    "saddle": {"SGD": 1.2, "momentum": 2, "Nesterov": 1},
    "rosenbrock": {"SGD": 0.02, "momentum": 0.01, "Nesterov": 0.02},
    "beale": {"SGD": 0.1, "momentum": 0.05, "Nesterov": 0.05},
    "himmelblau": {"SGD": 0.05, "momentum": 0.03, "Nesterov": 0.04},
}
MODULE = 'const race = await import("./explorers/optimizer.js");'
FULL = [{"optimizer": name, "lr": OPTIMIZERS[name][0]} for name in ("SGD", "momentum", "Adagrad", "AdamW")]


@pytest.fixture(scope="module")
def address(publish):
    """Pages with the explorer of the chapter, one that diverges, one with a sweep, and two on one page."""
    first = OptimizerExplorer().page_html()
    wild = [{"optimizer": "SGD", "lr": 0.02}, {"optimizer": "Adam", "lr": 0.1}]
    wild = OptimizerExplorer(runs=wild, start=(-1, 1.5)).page_html()
    return publish(
        one=first,
        wild=wild,
        sweep=OptimizerExplorer(surface="bowl", runs=FULL, steps=50, show_sweep=True).page_html(),
        two=OptimizerExplorer(runs=FULL, show_sweep=True).page_html() + wild,
    )


def explorer(page, which=0):
    return page.locator("[data-explorer=optimizer]").nth(which)


def state(page, which=0):
    return json.loads(explorer(page, which).get_attribute("data-state"))


def control(page, name, which=None, role="slider"):
    """A control of the explorer, or of the card of one optimizer."""
    place = explorer(page) if which is None else explorer(page).locator(".x-racer").nth(which)
    return place.get_by_role(role, name=name, exact=True)


def choose(page, name, value, which=None):
    control(page, name, which, "combobox").select_option(value)
    settle(page)


def slide(page, name, index, which=None):
    control(page, name, which).fill(str(index))
    settle(page)


def reference(seen):
    """The same settings by `cnncourse.scratch`."""
    known = ("optimizer", "lr", "momentum", "alpha", "betas", "weight_decay")
    runs = [{name: run[name] for name in known if name in run} for run in seen["runs"]]
    settings = {name: seen[name] for name in ("surface", "start", "steps", "schedule")}
    return OptimizerExplorer(runs=runs, **settings).descents()


def check_state(page):
    """What the state holds is what scratch computes from its settings."""
    seen = state(page)
    for run, descent in zip(seen["runs"], reference(seen), strict=True):
        assert (run["diverged"], run["step"]) == (descent.diverged, descent.step)
        if not descent.diverged:
            np.testing.assert_allclose(run["point"], descent.point, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(run["loss"], descent.loss, rtol=1e-9, atol=1e-12)
            away = float(scratch.distance(descent.surface, descent.point))
            assert run["distance"] == pytest.approx(away, rel=1e-6, abs=1e-12)
    return seen


def spoken(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('.x-spoken').textContent.includes(words)", arg=words
    )
    return page.locator(".x-spoken").first.inner_text()


def spot(page, x, y):
    """Where a point of the landscape lies on the screen."""
    box = page.locator(".x-land .x-stage").first.bounding_box()
    (x0, x1), (y0, y1) = drawn_window(state(page)["surface"])
    return box["x"] + (x - x0) / (x1 - x0) * box["width"], box["y"] + (y1 - y) / (y1 - y0) * box["height"]


# --- arithmetic -----------------------------------------------------------------------------------------------------


def full_paths(page, cases):
    return page.evaluate(
        f"""async (cases) => {{ {MODULE}
          return cases.map((settings) => race.raceAll(settings).map(({{ xs, ys, losses, count, step }}) => ({{
            path: Array.from({{ length: count }}, (_, index) => [xs[index], ys[index]]),
            losses: [...losses.subarray(0, count)], step }})));
        }}""",
        cases,
    )


def case(surface, name, lr, *, steps=500, schedule="constant", start=None):
    run = {"optimizer": name, **OPTIMIZERS[name][1], "lr": lr}
    start = list(start or scratch.SURFACES[surface].start)
    return {"surface": surface, "start": start, "steps": steps, "schedule": schedule, "runs": [run]}


def by_scratch(settings):
    (run,) = settings["runs"]
    schedule = make_schedule(settings["schedule"], run["lr"], settings["steps"])
    surface = scratch.SURFACES[settings["surface"]]
    return scratch.descend(surface, make_optimizer(run), settings["start"], settings["steps"], schedule)


def test_every_path_is_scratchs_step_by_step(modules):
    """Each optimizer on each surface over 500 steps at a stable rate: every point within 1e-9 of its size."""
    cases = [case(surface, name, STABLE[name]) for surface in scratch.SURFACES for name in OPTIMIZERS]
    for settings, (answer,) in zip(cases, full_paths(modules, cases), strict=True):
        descent = by_scratch(settings)
        assert not descent.diverged and answer["step"] is None, settings
        assert len(answer["path"]) == 501
        np.testing.assert_allclose(answer["path"], descent.path, rtol=1e-9, atol=1e-12, err_msg=str(settings))
        np.testing.assert_allclose(answer["losses"], descent.losses, rtol=1e-9, atol=1e-12)


def test_schedules_are_scratchs(modules):
    rates = modules.evaluate(
        f"""async ([names, lengths]) => {{ {MODULE}
          return names.map((name) => lengths.map((steps) =>
            Array.from({{ length: steps }}, (_, step) => race.makeSchedule(name, 0.3, steps)(step))));
        }}""",
        [list(SCHEDULES), [10, 11, 13, 100, 500]],
    )
    for name, answers in zip(SCHEDULES, rates, strict=True):
        for steps, answer in zip([10, 11, 13, 100, 500], answers, strict=True):
            expected = [make_schedule(name, 0.3, steps)(step) for step in range(steps)]
            np.testing.assert_allclose(answer, expected, rtol=1e-12, atol=1e-16, err_msg=f"{name} {steps}")


def test_paths_with_schedules_are_scratchs(modules):
    cases = [
        case("rosenbrock", name, STABLE[name], schedule=schedule, steps=120, start=(-1.5, 2))
        for name, schedule in itertools.product(("SGD", "AdamW", "RMSprop"), SCHEDULES)
    ]
    for settings, (answer,) in zip(cases, full_paths(modules, cases), strict=True):
        np.testing.assert_allclose(answer["path"], by_scratch(settings).path, rtol=1e-9, atol=1e-12)


def test_beyond_stable_rates_the_verdict_and_the_first_steps_are_scratchs(modules):
    cases = [case(surface, name, lr) for surface, rates in UNSTABLE.items() for name, lr in rates.items()]
    cases += [
        case(surface, name, 5) for surface in scratch.SURFACES for name in ("Adagrad", "RMSprop", "Adam")
    ]
    diverged = 0
    for settings, (answer,) in zip(cases, full_paths(modules, cases), strict=True):
        descent = by_scratch(settings)
        assert (answer["step"] is not None) == descent.diverged, settings
        first = min(21, len(descent.path))
        np.testing.assert_allclose(
            answer["path"][:first], descent.path[:first], rtol=1e-9, atol=1e-12, err_msg=str(settings)
        )
        if descent.diverged and descent.step <= 20:
            assert answer["step"] == descent.step and len(answer["path"]) == descent.step
        diverged += descent.diverged
    assert diverged >= 15


def test_surfaces_are_scratchs(modules):
    points = np.random.default_rng(3).uniform(-4, 4, (40, 2))
    answers = modules.evaluate(
        f"""async (points) => {{ {MODULE}
          return Object.fromEntries(Object.entries(race.SURFACES).map(([name, surface]) => [name, {{
            ...surface, heights: points.map(([x, y]) => surface.height(x, y)),
            slopes: points.map(([x, y]) => surface.slope(x, y)),
            distances: points.map((point) => race.distance(surface, point)),
            height: null, slope: null }}]));
        }}""",
        points.tolist(),
    )
    assert list(answers) == list(scratch.SURFACES)
    for name, answer in answers.items():
        surface = scratch.SURFACES[name]
        assert answer["heights"] == surface.value(points).tolist()
        assert answer["slopes"] == surface.gradient(points).tolist()
        np.testing.assert_allclose(answer["distances"], scratch.distance(surface, points), rtol=1e-14)
        assert [tuple(minimum) for minimum in answer["minima"]] == list(surface.minima)
        assert (answer["least"], tuple(answer["start"])) == (surface.minimum_value, surface.start)
        assert answer["window"] == [list(side) for side in drawn_window(name)]


def test_a_sweep_is_scratchs(modules):
    settings = {"surface": "bowl", "start": [-1.5, 1.0], "steps": 50, "schedule": "cosine"}
    runs = [{"optimizer": name, "lr": 0.01, **OPTIMIZERS[name][1]} for name in ("SGD", "Nesterov", "AdamW")]
    rates, finals, bests = modules.evaluate(
        f"""async ([settings, runs]) => {{ {MODULE}
          const finals = runs.map((run) => race.sweep(settings, run));
          return [race.SWEEP, finals, finals.map(race.bestOf)]; }}""",
        [settings, runs],
    )
    assert tuple(rates) == SWEEP
    expected = OptimizerExplorer(runs=runs, **settings).sweep()
    answers = np.array([[np.nan if loss is None else loss for loss in row] for row in finals])
    np.testing.assert_allclose(answers, expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(expected).any()
    assert bests == np.nanargmin(expected, axis=1).tolist()


# --- controls -------------------------------------------------------------------------------------------------------


def test_at_first_it_shows_the_race_of_the_chapter(visit):
    page = visit()
    seen = check_state(page)
    assert [(run["optimizer"], run["lr"]) for run in seen["runs"]] == [
        ("SGD", 0.001), ("momentum", 0.001), ("Adagrad", 0.1), ("Adam", 0.01),
    ]  # fmt: skip
    assert (seen["surface"], seen["start"], seen["steps"], seen["shown"]) == ("rosenbrock", [0, 0], 500, 500)
    assert page.locator(".x-sentence").inner_text() == (
        "After 500 steps Adam at 0.01 is nearest: 0.00111 from the minimum."
    )
    rows = page.locator(".x-standing-row").all_inner_texts()
    assert "0.242" in rows[1] and "0.891" in rows[1] and "2.47 × 10⁻⁷" in rows[4]


def test_every_control_changes_what_it_says(visit):
    page = visit()
    choose(page, "Landscape", "himmelblau")
    choose(page, "Schedule of the rates", "cosine")
    slide(page, "Steps", 5)
    slide(page, "Momentum μ", 50, which=1)
    choose(page, "Optimizer 1", "AdamW", which=0)
    slide(page, "Learning rate", 60, which=0)
    choose(page, "Optimizer 3", "RMSprop", which=2)
    slide(page, "Momentum β₁", 80, which=0)
    slide(page, "Memory β₂", 4, which=0)
    slide(page, "Weight decay λ", 5, which=0)
    slide(page, "Memory α", 5, which=2)
    seen = check_state(page)
    assert (seen["surface"], seen["start"], seen["steps"]) == ("himmelblau", [0, 0], 100)
    assert seen["schedule"] == "cosine"
    first, second, third, _ = seen["runs"]
    assert (first["optimizer"], first["lr"], first["betas"], first["weight_decay"]) == (
        "AdamW", 0.1, [0.8, 0.9], 0.1,
    )  # fmt: skip
    assert (second["momentum"], third["optimizer"], third["alpha"]) == (0.5, "RMSprop", 0.95)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert state(page)["surface"] == "rosenbrock" and state(page)["runs"][0]["optimizer"] == "SGD"


@pytest.mark.parametrize("surface", scratch.SURFACES)
def test_every_surface_can_be_chosen_and_the_slider_ends_in_divergence(visit, surface):
    page = visit()
    choose(page, "Landscape", surface)
    seen = check_state(page)
    assert tuple(seen["start"]) == scratch.SURFACES[surface].start
    control(page, "Learning rate", 0).press("End")
    settle(page)
    seen = check_state(page)
    assert seen["runs"][0]["lr"] == 10 and seen["runs"][0]["diverged"]
    step = seen["runs"][0]["step"]
    assert f"SGD at 10 diverged at step {step}; last finite loss " in page.locator(".x-sentence").inner_text()
    assert page.locator(".x-standing-row.is-gone").inner_text().split("\n")[1:] == [
        "diverged",
        f"at step {step}",
    ]
    spoken(page, f"SGD at 10 diverged at step {step}")


def test_optimizers_can_be_added_and_removed(visit):
    page = visit("wild")
    add = page.get_by_role("button", name="+ Add an optimizer")
    add.click()
    add.click()
    settle(page)
    assert [run["optimizer"] for run in check_state(page)["runs"]] == ["SGD", "Adam", "momentum", "Adagrad"]
    assert add.get_attribute("aria-disabled") == "true"
    add.click(force=True)
    assert len(state(page)["runs"]) == 4
    page.get_by_role("button", name="Remove SGD, optimizer 1").click()
    settle(page)
    assert [run["optimizer"] for run in check_state(page)["runs"]] == ["Adam", "momentum", "Adagrad"]
    assert control(page, "Optimizer 1", 0, "combobox").input_value() == "Adam"
    for _ in range(2):
        page.locator(".x-close:visible").first.click()
        settle(page)
    assert len(state(page)["runs"]) == 1
    assert page.locator(".x-close:visible").count() == 0


def test_the_start_is_dragged_typed_and_moved_by_keys(visit):
    page = visit()
    page.mouse.move(*spot(page, 0, 0))
    page.mouse.down()
    page.mouse.move(*spot(page, -0.5, 1.0), steps=4)
    page.mouse.move(*spot(page, -1.5, 2.5), steps=4)
    page.mouse.up()
    settle(page)
    assert check_state(page)["start"] == pytest.approx([-1.5, 2.5], abs=0.02)
    page.mouse.move(*spot(page, 1, 1))
    assert state(page)["start"] == pytest.approx([-1.5, 2.5], abs=0.02)
    page.get_by_label("Start x").fill("0.25")
    page.get_by_label("Start y").fill("-0.5")
    assert check_state(page)["start"] == [0.25, -0.5]
    stage = page.locator(".x-land .x-stage")
    stage.focus()
    for key, start in [
        ("ArrowRight", [0.3, -0.5]), ("ArrowUp", [0.3, -0.45]), ("ArrowLeft", [0.25, -0.45]),
        ("PageUp", [0.25, 0.05]), ("PageDown", [0.25, -0.45]), ("ArrowDown", [0.25, -0.5]),
        ("Home", [-2, -0.5]), ("ArrowLeft", [-2, -0.5]), ("End", [2, -0.5]),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert state(page)["start"] == start, key
    settle(page)
    assert page.get_by_label("Start x").input_value() == "2"
    assert "The start is at (2, −0.5)." in stage.get_attribute("aria-label")


def test_a_start_outside_is_refused_in_words(visit):
    page = visit()
    x = page.get_by_label("Start x")
    x.fill("7")
    assert x.get_attribute("aria-invalid") == "true" and state(page)["start"] == [0, 0]
    x.press("Tab")
    fault = page.locator(".x-land .x-fault")
    assert fault.inner_text() == "Start x must be a number from −2 to 2. It stays 0."
    assert x.input_value() == "0" and fault.get_attribute("role") == "alert"
    x.fill("1")
    assert fault.inner_text() == "" and state(page)["start"] == [1, 0]


def test_the_race_can_be_scrubbed(visit):
    page = visit("wild")
    gone = state(page)["runs"][0]["step"]
    assert 1 < gone < 20
    slide(page, "Step shown", 0)
    assert page.locator(".x-sentence").inner_text().startswith("All start 2.06 from the minimum.")
    slide(page, "Step shown", gone - 1)
    assert "diverged" not in page.locator(".x-sentence").inner_text()
    slide(page, "Step shown", gone)
    assert f"diverged at step {gone}" in page.locator(".x-sentence").inner_text()
    slide(page, "Step shown", 100)
    surface = scratch.SURFACES["rosenbrock"]
    adam = reference(state(page))[1]
    words = page.locator(".x-sentence").inner_text()
    away = float(scratch.distance(surface, adam.path[100]))
    assert f"After 100 steps Adam at 0.1 is nearest: {away:.3g} from the minimum." in words
    row = page.locator(".x-standing-row").nth(2).inner_text()
    assert f"{adam.losses[100]:.3g}" in row and f"{away:.3g}" in row
    spoken(page, "After 100 steps Adam")
    # pointing at the curves does the same
    box = page.locator(".x-curves .x-stage").bounding_box()
    page.mouse.click(box["x"] + 38 + (box["width"] - 50) / 2, box["y"] + 80)
    settle(page)
    assert state(page)["shown"] == pytest.approx(250, abs=2)


def test_playing_runs_to_the_end_and_any_control_stops_it(visit):
    page = visit()
    page.clock.install()
    page.clock.run_for(3000)
    assert state(page)["shown"] == 500  # nothing plays by itself
    page.get_by_role("button", name="Play").click()
    started = state(page)["shown"]
    assert started < 50
    page.clock.run_for(1000)
    assert started < state(page)["shown"] < 500
    page.get_by_role("button", name="Pause").click()
    paused = state(page)["shown"]
    page.clock.run_for(1000)
    assert state(page)["shown"] == paused
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(12_000)
    assert state(page)["shown"] == 500
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(500)
    control(page, "Learning rate", 0).press("ArrowRight")
    assert page.get_by_role("button", name="Play").count() == 1


def test_the_best_rates_are_found_and_taken(visit):
    page = visit("wild")
    assert not page.locator(".x-sweep-body").is_visible() and state(page)["best"] is None
    page.get_by_label("Find the best rates").check()
    settle(page)
    seen = state(page)
    runs = [{"optimizer": "SGD"}, {"optimizer": "Adam"}]
    explorer_ = OptimizerExplorer(runs=runs, start=(-1, 1.5))
    expected = [SWEEP[index] for index in np.nanargmin(explorer_.sweep(), axis=1)]
    assert seen["best"] == expected
    words = page.locator(".x-best-text").all_inner_texts()
    assert words == [f"SGD: best at {expected[0]:g}", f"Adam: best at {expected[1]:g}"]
    page.get_by_role("button", name="Take it: the best rate of optimizer 1, SGD").click()
    settle(page)
    assert [run["lr"] for run in check_state(page)["runs"]] == [expected[0], 0.1]
    page.get_by_role("button", name="Take all the best").click()
    settle(page)
    assert [run["lr"] for run in check_state(page)["runs"]] == expected
    slide(page, "Steps", 3)
    choose(page, "Landscape", "bowl")
    assert (state(page)["steps"], state(page)["best"][0]) == (50, 1)  # at 1 SGD is there in one step


# --- for everyone ---------------------------------------------------------------------------------------------------


def test_the_focus_stays_while_optimizers_are_chosen_by_keyboard(visit):
    page = visit()
    select = control(page, "Optimizer 1", 0, "combobox")
    select.focus()
    for expected in ("momentum", "Nesterov", "Adagrad"):
        select.press("ArrowDown")
        settle(page)
        assert select.evaluate("e => e === document.activeElement")
        assert check_state(page)["runs"][0]["optimizer"] == expected
    rate = control(page, "Learning rate", 0)
    rate.press("Home")
    settle(page)
    assert rate.evaluate("e => e === document.activeElement")
    assert state(page)["runs"][0]["lr"] == 0.0001


def test_touch_drags_the_start_and_leaves_scrolling_alone(visit):
    page = visit(viewport=PHONE, touch=True)
    page.touchscreen.tap(*spot(page, 1.0, 2.0))
    settle(page)
    assert check_state(page)["start"] == pytest.approx([1.0, 2.0], abs=0.02)
    assert page.locator(".x-land .x-stage").evaluate("e => getComputedStyle(e).touchAction") == "pan-y"
    handle = page.locator(".x-handle")
    assert handle.evaluate("e => getComputedStyle(e).touchAction") == "none"
    box = handle.bounding_box()
    assert (box["x"] + 22, box["y"] + 22) == pytest.approx(spot(page, *state(page)["start"]), abs=1)


COUNT = """(canvas, [red, green, blue, room]) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let index = 0; index < data.length; index += 4) {
    const away = Math.abs(data[index] - red) + Math.abs(data[index + 1] - green) + Math.abs(data[index + 2] - blue);
    if (data[index + 3] > 200 && away < room) count += 1;
  }
  return count / (data.length / 4);
}"""


def share_of(page, canvas, color, room):
    """The share of the opaque pixels of a canvas that have a color."""
    return page.locator(f".x-land .x-{canvas}").evaluate(COUNT, [*color, room])


def test_heights_are_bands_between_contours(visit):
    """On the bowl they are circles: white in the middle, darker outwards, the same in all four quarters."""
    page = visit("sweep", expected="willReadFrequently")
    rings = page.locator(".x-land .x-picture").evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const context = canvas.getContext("2d");
          const at = (x, y) => {
            const [r, g, b] = context.getImageData(Math.round(width / 2 + x), Math.round(height / 2 + y), 1, 1).data;
            return r + g + b;
          };
          return [0.1, 0.2, 0.35, 0.6, 1.1].map((share) => {
            const radius = share * width / 2 / Math.SQRT2;
            return [at(radius, radius), at(-radius, radius), at(radius, -radius), at(-radius, -radius)];
          });
        }"""
    )
    assert all(max(ring) - min(ring) < 45 for ring in rings)
    assert sorted((sum(ring) for ring in rings), reverse=True) == [sum(ring) for ring in rings]


def test_the_cross_of_a_divergence_is_in_the_picture(visit):
    """Blue is the color of SGD: at the step at which it diverges a cross of it, with words, joins its path."""
    page = visit("wild", expected="willReadFrequently")
    gone = state(page)["runs"][0]["step"]
    slide(page, "Step shown", gone - 1)
    before = share_of(page, "marks", (0, 114, 178), 40)
    slide(page, "Step shown", gone)
    area = page.locator(".x-land .x-marks").evaluate("e => e.width * e.height")
    assert (share_of(page, "marks", (0, 114, 178), 40) - before) * area > 60
