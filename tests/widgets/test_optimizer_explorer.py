"""OptimizerExplorer in Python: its runs end where torch's do, its traits are checked, it links in a kernel."""

import numpy as np
import pytest
import torch
import traitlets

from cnncourse import scratch
from cnncourse.widgets import OptimizerExplorer, stylesheet
from cnncourse.widgets.optimizer import OPTIMIZERS, SCHEDULES, SWEEP, drawn_window, make_schedule

TORCH = {
    "SGD": torch.optim.SGD,
    "momentum": lambda params, **settings: torch.optim.SGD(params, **settings),
    "Nesterov": lambda params, **settings: torch.optim.SGD(params, **settings, nesterov=True),
    "Adagrad": torch.optim.Adagrad,
    "RMSprop": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


def rosenbrock_by_torch(run, start, steps):
    """The end of a path on Rosenbrock's valley, with torch's optimizer and torch's gradient."""
    settings = {name: value for name, value in run.items() if name != "optimizer"}
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = TORCH[run["optimizer"]]([point], **settings)
    for _ in range(steps):
        optimizer.zero_grad()
        x, y = point
        ((1 - x) ** 2 + 100 * (y - x**2) ** 2).backward()
        optimizer.step()
    return point.detach().numpy()


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_ends_where_torch_ends(name):
    explorer = OptimizerExplorer(runs=[name], start=(-1, 1.5), steps=100)
    (descent,) = explorer.descents()
    expected = rosenbrock_by_torch(explorer.runs[0], [-1, 1.5], 100)
    np.testing.assert_allclose(descent.path[-1], expected, rtol=1e-9)


def test_at_first_it_asks_the_question_of_the_chapter():
    explorer = OptimizerExplorer()
    assert (explorer.surface, explorer.start, explorer.steps) == ("rosenbrock", [0, 0], 500)
    assert [(run["optimizer"], run["lr"]) for run in explorer.runs] == [
        ("SGD", 0.001),
        ("momentum", 0.001),
        ("Adagrad", 0.1),
        ("Adam", 0.01),
    ]
    descents = explorer.descents()
    away = [float(scratch.distance(descent.surface, descent.point)) for descent in descents]
    assert away.index(min(away)) == 3 and not any(descent.diverged for descent in descents)


def test_divergence_is_reported_where_the_arithmetic_says():
    """On the bowl, SGD multiplies the point by 1 − lr: from 1.5 by −9 a step, beyond 10⁶ at step 7."""
    explorer = OptimizerExplorer(surface="bowl", start=(1.5, 0), runs=[{"optimizer": "SGD", "lr": 10}])
    (descent,) = explorer.descents()
    assert 1.5 * 9**6 < 1e6 < 1.5 * 9**7
    assert (descent.diverged, descent.step) == (True, 7)
    assert descent.loss == (1.5 * 9**6) ** 2 / 2
    assert "SGD at 10 diverged at step 7; its last finite loss was 3.18e+11." in explorer.description()


def test_a_sweep_finds_the_best_rate():
    """On the bowl the best rate of SGD is 1, in one step; beyond 2 it diverges."""
    explorer = OptimizerExplorer(surface="bowl", runs=["SGD", "Adam"], steps=50)
    table = explorer.sweep()
    assert table.shape == (2, 41) and len(SWEEP) == 41
    assert SWEEP[int(np.nanargmin(table[0]))] == 1.0
    assert table[0][SWEEP.index(1.8)] == pytest.approx((1.5**2 + 1) / 2 * 0.8**100)
    assert np.isnan(table[0][[SWEEP.index(lr) for lr in (4.0, 7.0, 10.0)]]).all()
    assert np.isfinite(table[1]).all()
    assert (np.diff(SWEEP) > 0).all() and (SWEEP[0], SWEEP[-1]) == (1e-4, 10)


@pytest.mark.parametrize("steps", [10, 100, 500])
def test_schedules_start_or_peak_at_the_rate_and_are_scratchs(steps):
    for name in SCHEDULES:
        rates = [make_schedule(name, 0.5, steps)(step) for step in range(steps)]
        peak = 0.8 if name == "one_cycle" and steps == 10 else 0.99  # of the rate, reached between two steps
        assert 0.5 * peak <= max(rates) <= 0.5, name
        assert (rates[-1] == 0.5) == (name == "constant")
    third = make_schedule("step_decay", 0.5, steps)
    assert [round(third(step), 12) for step in (0, steps // 2, steps - 1)] == [0.5, 0.05, 0.005]
    assert make_schedule("warmup_cosine", 0.5, steps)(0) == pytest.approx(0.5 / (steps // 10))


def test_the_schedule_is_the_one_the_runs_follow():
    explorer = OptimizerExplorer(surface="bowl", runs=["SGD"], steps=30, schedule="step_decay", start=(1, 0))
    explorer.lr = 0.5
    (descent,) = explorer.descents()
    assert descent.point[0] == pytest.approx(0.5**10 * 0.95**10 * 0.995**10)


# --- traits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("surface", "alps", "surface must be one of bowl, ravine, saddle, .*, got 'alps'"),
        ("start", 3, r"start must be a pair of numbers \(x, y\), got 3"),
        ("start", (0, 1, 2), r"start must be a pair of numbers \(x, y\), got \(0, 1, 2\)"),
        ("start", (0, 9), r"start\[1\], the y on rosenbrock, must be a number from -1 to 3, got 9"),
        ("start", ("0", 0), r"start\[0\], the x on rosenbrock, must be a number from -2 to 2, got '0'"),
        ("start", (float("nan"), 0), "must be a number from -2 to 2, got nan"),
        ("steps", 9, "steps must be a whole number from 10 to 1000, got 9"),
        ("steps", 1001, "steps must be a whole number from 10 to 1000, got 1001"),
        ("steps", 50.0, "steps must be a whole number from 10 to 1000, got 50.0"),
        ("steps", True, "steps must be a whole number from 10 to 1000, got True"),
        ("schedule", "linear", "schedule must be one of constant, step_decay, .*, got 'linear'"),
        ("shown", 501, "shown must be a whole number from 0 to 500, got 501"),
        ("shown", "all", "shown must be a whole number from 0 to 500, got 'all'"),
        ("show_sweep", "yes", "show_sweep"),
        ("lr", 0, "lr must be a number from 0.0001 to 10, got 0"),
        ("lr", "0.1", "lr must be a number from 0.0001 to 10, got '0.1'"),
        ("runs", [], "runs must be a list of 1 to 4 optimizers, got 0"),
        ("runs", ["SGD"] * 5, "runs must be a list of 1 to 4 optimizers, got 5"),
        ("runs", "SGD", "runs must be a list of 1 to 4 optimizers, got 'SGD'"),
        ("runs", ["SGD", 3], r"runs\[1\] must be the name of an optimizer or a dict such as .*, got 3"),
        ("runs", [{"lr": 1}], r"runs\[0\] must be the name of an optimizer or a dict such as"),
        ("runs", ["SGD", "Lion"], r"runs\[1\]: optimizer must be one of SGD, momentum, .*, got 'Lion'"),
        ("runs", [{"optimizer": "Adam", "lr": 20}], r"runs\[0\]: lr must be a number from 0.0001 to 10, got 20"),
        ("runs", [{"optimizer": "SGD", "betas": 1}], r"runs\[0\]: SGD does not know betas; it knows lr"),
        ("runs", [{"optimizer": "Adam", "betas": 0.9}], r"runs\[0\]: betas must be a pair of numbers, got 0.9"),
        ("runs", [{"optimizer": "Adam", "betas": [0.9, 1]}], r"betas\[1\] must be a number from 0 to 0.9999, got 1"),
        ("runs", [{"optimizer": "Nesterov", "momentum": 0}], "momentum must be a number from 0.01 to 0.9999, got 0"),
        ("runs", [{"optimizer": "RMSprop", "alpha": 2}], "alpha must be a number from 0 to 0.9999, got 2"),
        ("runs", [{"optimizer": "AdamW", "weight_decay": -1}], "weight_decay must be a number from 0 to 1, got -1"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_a_sentence(name, value, words):
    explorer = OptimizerExplorer()
    before = explorer.state()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(traitlets.TraitError, match=words):
        OptimizerExplorer(**{name: value})


def test_an_unknown_setting_is_refused():
    with pytest.raises(
        TypeError, match="does not know speed; it knows lr, runs, schedule, show_sweep, shown"
    ):
        OptimizerExplorer(speed=3)


def test_runs_are_completed_and_names_may_be_in_any_case():
    explorer = OptimizerExplorer(runs=["rmsprop", {"optimizer": "adamw", "betas": (0.5, np.float64(0.9))}])
    assert explorer.runs == [
        {"optimizer": "RMSprop", "lr": 0.01, "alpha": 0.99},
        {"optimizer": "AdamW", "lr": 0.01, "betas": [0.5, 0.9], "weight_decay": 0.01},
    ]
    given = [{"optimizer": "SGD", "lr": 1}]
    OptimizerExplorer(runs=given).lr = 0.5
    assert given == [{"optimizer": "SGD", "lr": 1}]


def test_every_default_is_torchs():
    for name, (_, own) in OPTIMIZERS.items():
        defaults = TORCH[name](
            [torch.zeros(1)], **({"lr": 1, "momentum": 0.9} if "momentum" in own else {})
        ).defaults
        for setting in set(own) - {"momentum"}:
            assert list(np.atleast_1d(own[setting])) == list(np.atleast_1d(defaults[setting])), (
                name,
                setting,
            )


def test_the_rate_of_the_first_run_can_be_set_and_follows():
    explorer = OptimizerExplorer(lr=0.002)
    assert explorer.lr == explorer.runs[0]["lr"] == 0.002
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "lr")
    explorer.runs = [{"optimizer": "Adam", "lr": 0.3}]
    assert explorer.lr == 0.3
    explorer.lr = 1
    assert explorer.runs == [{"optimizer": "Adam", "lr": 1.0, "betas": [0.9, 0.999]}]
    assert seen == [0.3, 1.0]


def test_the_start_follows_the_surface_where_it_must():
    explorer = OptimizerExplorer()
    explorer.surface = "beale"
    assert tuple(explorer.start) == scratch.SURFACES["beale"].start
    explorer.start = (0.5, -1)
    explorer.surface = "saddle"
    assert explorer.start == [0.5, -1]
    explorer.surface = "himmelblau"
    explorer.start = np.array([5, 5])
    explorer.surface = "bowl"
    assert tuple(explorer.start) == scratch.SURFACES["bowl"].start
    assert OptimizerExplorer(surface="beale", start=(4, 4)).start == [4, 4]


def test_what_is_shown_stays_within_the_steps():
    explorer = OptimizerExplorer(shown=400)
    explorer.steps = 100
    assert explorer.shown == 100
    assert OptimizerExplorer(steps=1000, shown=900).shown == 900


@pytest.mark.parametrize("name", scratch.SURFACES)
def test_the_drawn_window_is_a_square_around_the_surfaces_own(name):
    surface, drawn = scratch.SURFACES[name], drawn_window(name)
    sides = {high - low for low, high in drawn}
    assert len(sides) == 1
    for (low, high), (least, most) in zip(drawn, surface.window, strict=True):
        assert low <= least and most <= high
    OptimizerExplorer(surface=name)


# --- the page's representation --------------------------------------------------------------------------------------


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_traits_link_to_plain_controls_in_a_real_kernel(kernel):
    _, messages = kernel.run(
        "import ipywidgets\n"
        "from cnncourse.widgets import OptimizerExplorer\n"
        "race = OptimizerExplorer(surface='bowl', runs=['SGD'], steps=50)\n"
        "rate = ipywidgets.FloatLogSlider(value=0.001, min=-4, max=1)\n"
        "schedule = ipywidgets.Dropdown(options=['constant', 'cosine'])\n"
        "ipywidgets.link((rate, 'value'), (race, 'lr'))\n"
        "ipywidgets.link((schedule, 'value'), (race, 'schedule'))\n"
        "race"
    )
    opened = {
        message["comm_id"]: message["data"]["state"] for message in messages if "target_name" in message
    }
    model, _ = kernel.run("print(race.model_id)")
    assert opened[model]["_esm"] == OptimizerExplorer.module_source()
    assert opened[model]["_css"] == stylesheet()
    assert opened[model]["runs"] == [{"optimizer": "SGD", "lr": 0.001}]

    # from the slider to the explorer, and on to its front end
    text, messages = kernel.run("rate.value = 10; print(race.runs, race.descents()[0].step)")
    assert text == "[{'optimizer': 'SGD', 'lr': 10.0}] 7"
    sent = [message["data"]["state"] for message in messages if message["comm_id"] == model]
    assert {"runs": [{"optimizer": "SGD", "lr": 10.0}]} in sent

    # from the explorer's front end: a new surface comes with its start, several settings in one message
    kernel.send(
        model,
        {
            "surface": "himmelblau", "start": [5.5, -5], "schedule": "cosine", "shown": 7,
            "runs": [{"optimizer": "Adam", "lr": 0.5, "betas": [0.8, 0.99]}],
        },
    )  # fmt: skip
    text, _ = kernel.run("print(race.surface, race.start, schedule.value, rate.value, race.shown)")
    assert text == "himmelblau [5.5, -5.0] cosine 0.5 7"

    # what does not fit is refused, and nothing has changed
    text, _ = kernel.run(
        "try:\n    race.lr = 11\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
        "print(race.lr, rate.value)"
    )
    assert text == "TraitError lr must be a number from 0.0001 to 10, got 11\n0.5 0.5"
