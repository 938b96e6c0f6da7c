"""OptimizerExplorer in a page: its paths are scratch's, its controls do what they say, everyone can use it."""

import itertools
import json

import numpy as np
import pytest
from explorer_pages import FAULTY, FORMULAS, PHONE, serious_findings, settle

from cnncourse import scratch
from cnncourse.widgets import OptimizerExplorer
from cnncourse.widgets.formula import function
from cnncourse.widgets.optimizer import (
    OPTIMIZERS,
    SCHEDULES,
    SWEEP,
    drawn_window,
    make_optimizer,
    make_schedule,
    normal_pair,
    own_surface,
    scrambled,
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
        own=OptimizerExplorer(surface="own", function="x^2 + 3y^2 - 5", runs=FULL, steps=100).page_html(),
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
    names = ("surface", "function", "window", "start", "steps", "schedule", "noise", "seed")
    settings = {name: seen[name] for name in names}
    return OptimizerExplorer(runs=runs, **settings).descents()


def check_state(page):
    """What the state holds is what scratch computes from its settings."""
    seen = state(page)
    for run, descent in zip(seen["runs"], reference(seen), strict=True):
        assert (run["diverged"], run["step"]) == (descent.diverged, descent.step)
        if not descent.diverged:
            np.testing.assert_allclose(run["point"], descent.point, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(run["loss"], descent.loss, rtol=1e-9, atol=1e-12)
            away = float(scratch.distance(descent.surface, descent.point)) if descent.surface.minima else None
            assert run["distance"] == (None if away is None else pytest.approx(away, rel=1e-6, abs=1e-12))
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


def test_the_noise_is_pythons(modules):
    addresses = [[seed, step] for seed in (0, 1, 77, 9999) for step in (0, 1, 2, 500, 999)]
    draws = modules.evaluate(
        f"async (all) => {{ {MODULE} return all.map((address) => race.normalPair(...address)); }}", addresses
    )
    np.testing.assert_allclose(draws, [normal_pair(*address) for address in addresses], rtol=1e-12)
    bits = [0, 1, 2**31, 2**32 - 1, 123456789]
    mixed = modules.evaluate(f"async (all) => {{ {MODULE} return all.map(race.scrambled); }}", bits)
    assert mixed == [scrambled(number) for number in bits]


def test_noisy_paths_are_scratchs(modules):
    cases = [
        case(surface, name, STABLE[name]) | {"noise": 0.2, "seed": 3}
        for surface in ("bowl", "rosenbrock", "saddle")
        for name in OPTIMIZERS
    ]
    for settings, (answer,) in zip(cases, full_paths(modules, cases), strict=True):
        (descent,) = OptimizerExplorer(**settings).descents()
        np.testing.assert_allclose(answer["path"], descent.path, rtol=1e-9, atol=1e-12, err_msg=str(settings))


def test_functions_of_ones_own_and_their_slopes_are_pythons(modules):
    points = np.random.default_rng(2).uniform(-1.5, 2, (60, 2))
    answers = modules.evaluate(
        f"""async ([texts, points]) => {{ {MODULE}
          return texts.map((text) => {{
            const {{ height, slope }} = race.readFormula(text);
            const all = points.map(([x, y]) => [height(x, y), ...slope(x, y)]);
            return all.map((row) => row.map((value) => (Number.isNaN(value) ? null : value)));
          }});
        }}""",
        [list(FORMULAS), points.tolist()],
    )
    for text, answer in zip(FORMULAS, answers, strict=True):
        height, slope = function(text)
        expected = np.stack(
            [np.broadcast_to(part, 60) for part in (height(*points.T), *slope(*points.T))], -1
        )
        np.testing.assert_allclose(np.array(answer, float), expected, rtol=1e-12, atol=1e-13, err_msg=text)


def test_what_cannot_be_read_is_refused_in_the_same_words(modules):
    words = modules.evaluate(
        f"""async (texts) => {{ {MODULE}
          return texts.map((text) => {{
            try {{ race.readFormula(text); }} catch (error) {{ return error.message; }}
            return null;
          }});
        }}""",
        list(FAULTY),
    )
    assert dict(zip(FAULTY, words, strict=True)) == FAULTY


def test_ones_own_landscape_starts_where_pythons_does(modules):
    cases = [
        ("x + y", [[-2, 2], [0, 1]]),
        ("log(x)", [[-2, 2], [-2, 2]]),
        ("sqrt(y - 3.93)", [[0, 1], [3, 4]]),
    ]
    starts = modules.evaluate(
        f"async (cases) => {{ {MODULE} return cases.map((one) => race.ownLandscape(...one).start); }}", cases
    )
    assert starts == [list(own_surface(text, tuple(map(tuple, window))).start) for text, window in cases]


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


def test_noise_can_be_added_and_its_seed_chosen(visit):
    page = visit()
    choose(page, "Landscape", "bowl")
    before = check_state(page)["runs"][0]["point"]
    control(page, "Gradient noise σ").press("End")
    settle(page)
    assert check_state(page)["noise"] == 100
    slide(page, "Gradient noise σ", 6)
    noisy = check_state(page)
    assert noisy["noise"] == 0.5 and noisy["runs"][0]["point"] != before
    spoken(page, "500 steps with gradient noise σ = 0.5, seed 0.")
    page.get_by_label("Seed").fill("12")
    settle(page)
    other = check_state(page)
    assert other["seed"] == 12 and other["runs"][0]["point"] != noisy["runs"][0]["point"]
    page.get_by_label("Seed").fill("1.5")
    page.get_by_label("Seed").press("Tab")
    assert page.locator(".x-noise .x-fault").inner_text() == (
        "Seed must be a whole number from 0 to 9999. It stays 12."
    )
    page.get_by_label("Find the best rates").check()
    settle(page)
    best = state(page)["best"][0]
    expected = OptimizerExplorer(surface="bowl", runs=["SGD"], noise=0.5, seed=12).sweep()[0]
    assert best == SWEEP[np.nanargmin(expected)]
    assert page.locator(".x-best-text").first.inner_text() == f"SGD: best at {best:g}, with this noise"
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert (state(page)["noise"], state(page)["seed"]) == (0, 0)


def test_a_function_of_ones_own_is_raced_on(visit):
    page = visit()
    text = page.get_by_label("f(x, y) =")
    assert not text.is_visible()
    choose(page, "Landscape", "own")
    assert check_state(page)["start"] == [-1.5, 1]
    text.fill("(x - 1)^2 + 3y^2 - 7")
    settle(page)
    seen = check_state(page)
    assert seen["function"] == "(x - 1)^2 + 3y^2 - 7" and seen["runs"][0]["distance"] is None
    best = min(seen["runs"], key=lambda run: run["loss"])
    said = page.locator(".x-sentence").inner_text()
    assert best["optimizer"] == "momentum"
    assert said == f"After 500 steps Momentum at 0.001 is lowest: at a loss of {best['loss']:.3g}.".replace(
        "-", "−"
    )
    assert page.locator(".x-curves .x-title").inner_text() == "Loss above the lowest seen"
    rows = page.locator(".x-standing-row").all_inner_texts()
    assert rows[0].split("\n")[1:] == ["loss", "above lowest"]
    assert rows[2].split("\n")[1] == f"{best['loss']:.3g}".replace("-", "−")
    assert float(rows[1].split("\n")[2]) == pytest.approx(seen["runs"][0]["loss"] + 7, abs=1e-2)
    assert "✚" not in page.locator(".x-starts .x-note").inner_text()

    text.fill("(x - 1)^2 + 3y^2 +")
    assert text.get_attribute("aria-invalid") == "true" and state(page)["function"] == "(x - 1)^2 + 3y^2 - 7"
    text.press("Enter")
    words = (
        "An operand is missing after '+' at position 18. The paths are still those of (x - 1)^2 + 3y^2 - 7."
    )
    fault = page.locator(".x-yours .x-fault")
    assert fault.inner_text() == words and text.input_value() == "(x - 1)^2 + 3y^2 +"
    spoken(page, words)
    text.fill("x^2 + y^2")
    assert fault.inner_text() == "" and text.get_attribute("aria-invalid") is None

    high = page.get_by_label("X to")
    high.fill("10")
    assert state(page)["window"] == [[-2, 2], [-2, 2]]  # not while it is typed
    high.press("Enter")
    settle(page)
    assert check_state(page)["window"] == [[-2, 10], [-2, 2]]
    stage = page.locator(".x-land .x-stage")
    stage.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    assert state(page)["start"] == [10, 1.05]
    page.get_by_label("X from").fill("10")
    page.get_by_label("X from").press("Tab")
    assert fault.inner_text() == "X from must be a number from −1000 to 9.9. It stays −2."
    page.get_by_role("button", name="Reset").click()
    settle(page)
    choose(page, "Landscape", "own")
    assert text.input_value() == "x^2 + 3y^2 + sin(3x)"


def test_where_a_function_is_not_finite_it_is_hatched_and_paths_end_with_words(visit):
    page = visit("own", expected="willReadFrequently")
    page.get_by_label("f(x, y) =").fill("log(x) + y^2")
    settle(page)
    seen = check_state(page)
    assert seen["start"] == [1, 1]
    slide(page, "Learning rate", 80, which=0)
    seen = check_state(page)
    step = seen["runs"][0]["step"]
    words = page.locator(".x-sentence").inner_text()
    assert f"SGD at 1 came to where the function is not finite at step {step}; last finite loss" in words
    row = page.locator(".x-standing-row.is-gone").first.inner_text()
    assert row.split("\n")[1:] == ["not finite", f"at step {step}"]
    stripes = page.locator(".x-land .x-picture").evaluate(
        """(canvas) => ["0.25", "0.75"].map((share) => {
          const { data } = canvas.getContext("2d").getImageData(canvas.width * share, canvas.height / 4, 30, 1);
          const levels = Array.from({ length: 30 }, (_, at) => data[4 * at]);
          return Math.max(...levels) - Math.min(...levels);
        })"""
    )
    assert stripes[0] > 50 and stripes[1] < 40
    page.mouse.click(*own_spot(page, -1, 0))
    assert state(page)["start"] == [1, 1]
    assert page.locator(".x-land .x-fault").inner_text() == (
        "The function is not finite at (−1, 0). The start stays at (1, 1)."
    )
    page.get_by_label("f(x, y) =").fill("log(x - 5)")
    page.get_by_label("f(x, y) =").press("Enter")
    assert "The function has no finite value in the window." in page.locator(".x-yours .x-fault").inner_text()
    assert state(page)["function"] == "log(x) + y^2"


def own_spot(page, x, y):
    """Where a point lies on the screen in a window of one's own."""
    box = page.locator(".x-land .x-stage").bounding_box()
    (x0, x1), (y0, y1) = state(page)["window"]
    return box["x"] + (x - x0) / (x1 - x0) * box["width"], box["y"] + (y1 - y) / (y1 - y0) * box["height"]


@pytest.mark.parametrize("text", ["3", "x^3 - y", "1/x", "abs(x)", "1e308x", "-exp(x^2)"])
def test_any_legal_function_can_be_shown(visit, text):
    page = visit("own")
    page.get_by_label("f(x, y) =").fill(text)
    page.get_by_label("Find the best rates").check()
    settle(page)
    assert check_state(page)["function"] == text


# --- playing --------------------------------------------------------------------------------------------------------


def test_playing_has_a_speed(visit):
    page = visit()
    page.clock.install()
    speed = page.get_by_label("Speed", exact=True)
    assert speed.input_value() == "1"

    def played(choice):
        speed.select_option(choice)
        slide(page, "Step shown", 0)
        page.get_by_role("button", name="Play").click()
        page.clock.run_for(1000)
        shown = state(page)["shown"]
        page.get_by_role("button", name="Pause").click()
        return shown

    usual = played("1×")
    assert played("½×") == pytest.approx(usual / 2, abs=3) and played("2×") == pytest.approx(2 * usual, abs=9)
    assert played("¼×") == pytest.approx(usual / 4, abs=3) and played("4×") == pytest.approx(
        4 * usual, abs=24
    )
    speed.focus()
    page.keyboard.press("ArrowUp")
    assert speed.input_value() == "2"
    page.get_by_role("button", name="Reset").click()
    assert speed.input_value() == "1"


def test_a_new_speed_counts_at_once_and_nothing_plays_without_motion(visit):
    page = visit(reduced_motion="reduce")
    assert not page.get_by_label("Speed", exact=True).is_visible()
    shown = page.evaluate(
        """async () => {
          const { Player } = await import("./explorers/common.js");
          const times = [];
          const player = new Player({ start() {}, next: () => times.push(performance.now()) < 3, pace: () => 2000 });
          player.speed.value = 0.25;
          const from = performance.now();
          player.play();
          player.speed.value = 4;
          player.speed.dispatchEvent(new Event("change"));
          await new Promise((done) => setTimeout(done, 1800));
          return [times.length, times[0] - from, player.timer];
        }"""
    )
    assert shown[0] == 3 and 400 < shown[1] < 1500 and shown[2] == 0


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


def finger(page, *places):
    """A finger that goes down at the first place, over the others, and up."""
    session = page.context.new_cdp_session(page)
    for which, (x, y) in enumerate(places):
        kind = "touchMove" if which else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_timeout(30)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(page)


def line(from_, to, steps=8):
    return [
        tuple(a + (b - a) * step / steps for a, b in zip(from_, to, strict=True)) for step in range(steps + 1)
    ]


def test_a_swipe_over_the_map_scrolls_and_only_a_tap_or_the_ring_moves_the_start(visit):
    page = visit(viewport=PHONE, touch=True)
    page.evaluate("scrollTo(0, 100)")
    settle(page)
    before = state(page)["start"]
    x, y = spot(page, 1.4, 1)
    finger(page, *line((x, y), (x + 4, y - 160)))
    page.wait_for_function("scrollY > 150")
    assert state(page)["start"] == before
    page.evaluate("scrollTo(0, 100)")
    settle(page)
    finger(page, *line((x, y), (x - 60, y)))  # across: nothing scrolls, and nothing moves
    assert state(page)["start"] == before
    finger(page, spot(page, 1.5, 2))
    assert state(page)["start"] == pytest.approx([1.5, 2], abs=0.03)
    finger(page, *line(spot(page, 1.5, 2), spot(page, -1, 0.5)))
    assert check_state(page)["start"] == pytest.approx([-1, 0.5], abs=0.03)
    assert page.evaluate("scrollY") == 100
    # the curves: a swipe down scrolls, a tap shows the step
    page.locator(".x-curves .x-stage").scroll_into_view_if_needed()
    box = page.locator(".x-curves .x-stage").bounding_box()
    middle = (box["x"] + 38 + (box["width"] - 50) / 2, box["y"] + box["height"] / 2)
    from_ = page.evaluate("scrollY")
    finger(page, *line(middle, (middle[0], middle[1] + 120)))
    page.wait_for_function("(from) => scrollY < from - 50", arg=from_)
    assert state(page)["shown"] == 500
    box = page.locator(".x-curves .x-stage").bounding_box()
    finger(page, (middle[0], box["y"] + box["height"] / 2))
    assert state(page)["shown"] == pytest.approx(250, abs=4)


OVERLAPS = """() => {
  const texts = [...document.querySelectorAll(".x-standing-row > *")].map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  });
  const panel = document.querySelector(".x-curves").getBoundingClientRect();
  const beside = (a, b) => a.right <= b.left + 0.5 || a.bottom <= b.top + 0.5;
  const outside = (a) => a.left < panel.left - 1 || a.right > panel.right + 1;
  return texts.some((a, at) => outside(a) || texts.slice(at + 1).some((b) => !beside(a, b) && !beside(b, a)));
}"""


@pytest.mark.parametrize("width", [390, 560, 620, 736, 1400])
def test_names_and_numbers_stand_apart(visit, width):
    page = visit(viewport={"width": width, "height": 900})
    choose(page, "Landscape", "himmelblau")
    choose(page, "Schedule of the rates", "one_cycle")
    page.get_by_label("Find the best rates").check()
    settle(page)
    page.get_by_role("button", name="Take all the best").click()
    settle(page)
    assert "× 10⁻" in page.locator(".x-standing").inner_text()
    assert not page.evaluate(OVERLAPS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("touch", [False, True])
def test_the_button_that_removes_a_card_leaves_its_rule_alone(visit, touch):
    page = visit(viewport=PHONE, touch=touch)
    for card in page.locator(".x-racer").all():
        rule = card.bounding_box()["y"] + 3
        assert card.locator(".x-close").bounding_box()["y"] >= rule


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("touch", [False, True])
def test_ones_own_function_is_for_everyone(visit, dark, touch):
    size = PHONE if touch else {"width": 736, "height": 1000}
    page = visit("own", dark=dark, touch=touch, viewport=size)
    text = page.get_by_label("f(x, y) =")
    text.fill("x +")
    text.press("Enter")
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    if touch:
        low = [".x-function", ".x-window .x-number", ".x-noise .x-number", ".x-speed", ".x-play"]
        assert all(page.locator(name).first.bounding_box()["height"] >= 44 for name in low)


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
