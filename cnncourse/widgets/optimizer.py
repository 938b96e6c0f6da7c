"""OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice."""

import math

import numpy as np
import traitlets

from cnncourse import scratch

from .explorer import Checked, Explorer, number, one_of, whole

STEPS = (10, 1000)
RATES = (1e-4, 10.0)  # the ends of the sliders
MOST_RUNS = 4
FRACTIONS = (0.0, 0.9999)  # of what is kept: momentum, betas, alpha
DECAYS = (0.0, 1.0)
SCHEDULES = ("constant", "step_decay", "cosine", "warmup_cosine", "cosine_restarts", "one_cycle")

# Name → (its learning rate if nothing else is said, its own settings with their defaults, which are torch's).
OPTIMIZERS = {
    "SGD": (0.001, {}),
    "momentum": (0.001, {"momentum": 0.9}),
    "Nesterov": (0.001, {"momentum": 0.9}),
    "Adagrad": (0.1, {}),
    "RMSprop": (0.01, {"alpha": 0.99}),
    "Adam": (0.01, {"betas": [0.9, 0.999]}),
    "AdamW": (0.01, {"betas": [0.9, 0.999], "weight_decay": 0.01}),
}
LEAST_NESTEROV = 0.01  # without momentum there is nothing to look ahead along
FIRST_RUNS = ("SGD", "momentum", "Adagrad", "Adam")

# The rates of a sweep: eight to a decade, as the sliders have them; text, so that they are the same everywhere.
SWEEP = (*(float(f"{m}e{d}") for d in range(-4, 1) for m in (1, 1.4, 1.8, 2.5, 3, 4, 5.5, 7)), 10.0)


def drawn_window(name):
    """The square in which a surface is drawn, one scale for x and y: ((x0, x1), (y0, y1))."""
    window = scratch.SURFACES[name].window
    half = max(high - low for low, high in window) / 2
    return tuple(((low + high) / 2 - half, (low + high) / 2 + half) for low, high in window)


def check_run(name, value):
    """The name of an optimizer, or a dict with `optimizer` and any of its settings → a dict with all of them."""
    given = {"optimizer": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or "optimizer" not in given:
        raise traitlets.TraitError(
            f"{name} must be the name of an optimizer or a dict such as "
            f"{{'optimizer': 'Adam', 'lr': 0.01}}, got {value!r}"
        )
    names = {known.lower(): known for known in OPTIMIZERS}
    optimizer = names.get(str(given["optimizer"]).lower())
    if optimizer is None:
        raise traitlets.TraitError(
            f"{name}: optimizer must be one of {', '.join(OPTIMIZERS)}, got {given['optimizer']!r}"
        )
    lr, own = OPTIMIZERS[optimizer]
    run = {"optimizer": optimizer, "lr": lr, **own} | {**given, "optimizer": optimizer}
    unknown = sorted(set(run) - {"optimizer", "lr", *own})
    if unknown:
        known = ", ".join(["lr", *own])
        raise traitlets.TraitError(
            f"{name}: {optimizer} does not know {', '.join(unknown)}; it knows {known}"
        )
    run["lr"] = number(f"{name}: lr", run["lr"], *RATES)
    if "betas" in run:
        betas = run["betas"]
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise traitlets.TraitError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        run["betas"] = [number(f"{name}: betas[{i}]", beta, *FRACTIONS) for i, beta in enumerate(betas)]
    low = LEAST_NESTEROV if optimizer == "Nesterov" else FRACTIONS[0]
    for setting, limits in {
        "momentum": (low, FRACTIONS[1]),
        "alpha": FRACTIONS,
        "weight_decay": DECAYS,
    }.items():
        if setting in run:
            run[setting] = number(f"{name}: {setting}", run[setting], *limits)
    return run


def make_optimizer(run):
    """A run → the optimizer of `cnncourse.scratch` with its settings."""
    settings = {name: value for name, value in run.items() if name != "optimizer"}
    kind = run["optimizer"]
    if kind in ("momentum", "Nesterov"):
        return scratch.SGD(**settings, nesterov=kind == "Nesterov")
    return getattr(scratch, kind)(**settings)


def make_schedule(name, lr, steps):
    """A schedule of `cnncourse.scratch` over so many steps: thirds for the two that repeat, a tenth to warm up."""
    third = math.ceil(steps / 3)
    return {
        "constant": lambda: scratch.constant(lr),
        "step_decay": lambda: scratch.step_decay(lr, third, 0.1),
        "cosine": lambda: scratch.cosine(lr, steps),
        "warmup_cosine": lambda: scratch.warmup_cosine(lr, steps // 10, steps),
        "cosine_restarts": lambda: scratch.cosine_restarts(lr, third),
        "one_cycle": lambda: scratch.one_cycle(lr, steps),
    }[name]()


class OptimizerExplorer(Explorer):
    """Up to four optimizers on one landscape: their paths, their losses, and where a rate is too high.

    OptimizerExplorer(surface="ravine", runs=[{"optimizer": "SGD", "lr": 0.03}, "Adam"], steps=200)

    surface      a name from `scratch.SURFACES`
    start        (x, y), within the part that is drawn; the surface's own unless given
    steps        10 … 1000
    schedule     "constant", "step_decay" (a tenth after every third), "cosine", "warmup_cosine" (a tenth of the steps
                 to warm up), "cosine_restarts" (two) or "one_cycle", over all the steps, from each run's own rate
    runs         one to four, each the name of an optimizer or a dict of it, its lr (0.0001 … 10) and its own settings:
                 SGD, momentum (momentum), Nesterov (momentum), Adagrad, RMSprop (alpha), Adam (betas),
                 AdamW (betas, weight_decay); what is left out has torch's default. To change it, set a new list
    shown        the step up to which the paths are drawn; None: all
    show_sweep   shows the final loss of each optimizer against its learning rate
    lr           the rate of the first run: setting one sets the other, for a slider of one's own

    All but lr are synced traits: each can be set, observed and linked while the widget is shown. A value that does not
    fit raises `TraitError`. With a new surface, a start that was the old one's own becomes the new one's own, and so
    does one that would lie outside. `descents()` and `sweep()` are what the explorer shows, by `cnncourse.scratch`.
    """

    module = "optimizer"
    later = ("start", "shown", "lr")
    extra = ("lr",)

    surface = Checked(one_of, tuple(scratch.SURFACES), default="rosenbrock")
    start = traitlets.Any().tag(sync=True, explorer=True)
    steps = Checked(whole, *STEPS, default=500)
    schedule = Checked(one_of, SCHEDULES, default="constant")
    runs = traitlets.Any().tag(sync=True, explorer=True)
    shown = traitlets.Any(None).tag(sync=True, explorer=True)
    show_sweep = traitlets.Bool(False).tag(sync=True, explorer=True)
    lr = traitlets.Any()

    # --- defaults and checks

    @traitlets.default("start")
    def _own_start(self):
        return list(scratch.SURFACES[self.surface].start)

    @traitlets.default("runs")
    def _first_runs(self):
        return [check_run("runs", name) for name in FIRST_RUNS]

    @traitlets.default("lr")
    def _first_rate(self):
        return self.runs[0]["lr"]

    @traitlets.validate("start")
    def _check_start(self, proposal):
        start = proposal["value"]
        if isinstance(start, np.ndarray):
            start = start.tolist()
        if not isinstance(start, list | tuple) or len(start) != 2:
            raise traitlets.TraitError(f"start must be a pair of numbers (x, y), got {proposal['value']!r}")
        return [
            number(f"start[{i}], the {axis} on {self.surface},", value, *limits)
            for i, (axis, value, limits) in enumerate(
                zip("xy", start, drawn_window(self.surface), strict=True)
            )
        ]

    @traitlets.validate("shown")
    def _check_shown(self, proposal):
        shown = proposal["value"]
        return None if shown is None else whole("shown", shown, 0, self.steps)

    @traitlets.validate("runs")
    def _check_runs(self, proposal):
        runs = proposal["value"]
        if not isinstance(runs, list | tuple) or not 1 <= len(runs) <= MOST_RUNS:
            got = f"{len(runs)}" if isinstance(runs, list | tuple) else repr(runs)
            raise traitlets.TraitError(f"runs must be a list of 1 to {MOST_RUNS} optimizers, got {got}")
        return [check_run(f"runs[{i}]", run) for i, run in enumerate(runs)]

    @traitlets.validate("lr")
    def _check_lr(self, proposal):
        return number("lr", proposal["value"], *RATES)

    # --- traits that follow one another

    @traitlets.observe("surface")
    def _start_follows_surface(self, change):
        new, old = change["new"], scratch.SURFACES.get(change["old"])
        inside = all(low <= at <= high for at, (low, high) in zip(self.start, drawn_window(new), strict=True))
        if not inside or (old is not None and tuple(self.start) == old.start):
            self.start = list(scratch.SURFACES[new].start)

    @traitlets.observe("steps")
    def _shown_stays_inside(self, change):
        if self.shown is not None:
            self.shown = min(self.shown, change["new"])

    @traitlets.observe("runs")
    def _rate_follows_runs(self, change):
        self.lr = change["new"][0]["lr"]

    @traitlets.observe("lr")
    def _runs_follow_rate(self, change):
        if self.runs[0]["lr"] != change["new"]:
            self.runs = [self.runs[0] | {"lr": change["new"]}, *self.runs[1:]]

    # --- results

    def descents(self):
        """What each run does → one `scratch.Descent` each."""
        return [self._descent(run) for run in self.runs]

    def sweep(self):
        """For each run its final losses at the rates of `SWEEP`, NaN where it diverged → (runs, rates), float64"""
        table = np.full((len(self.runs), len(SWEEP)), np.nan)
        for row, run in zip(table, self.runs, strict=True):
            for column, lr in enumerate(SWEEP):
                descent = self._descent(run | {"lr": lr})
                if not descent.diverged:
                    row[column] = descent.loss
        return table

    def _descent(self, run):
        schedule = make_schedule(self.schedule, run["lr"], self.steps)
        surface = scratch.SURFACES[self.surface]
        return scratch.descend(surface, make_optimizer(run), self.start, self.steps, schedule)

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        surface = scratch.SURFACES[self.surface]
        start = ", ".join(f"{value:g}" for value in self.start)
        parts = []
        for run, descent in zip(self.runs, self.descents(), strict=True):
            name = f"{run['optimizer']} at {run['lr']:g}"
            if descent.diverged:
                parts.append(
                    f"{name} diverged at step {descent.step}; its last finite loss was {descent.loss:.3g}."
                )
            else:
                away = float(scratch.distance(surface, descent.point))
                height = descent.loss - surface.minimum_value
                parts.append(f"{name} ends {away:.3g} away from a minimum and {height:.3g} above it.")
        schedule = "" if self.schedule == "constant" else f", schedule {self.schedule.replace('_', ' ')}"
        return (
            f"Paths over the contours of the {self.surface} surface and their loss curves, from ({start}), "
            f"{self.steps} steps{schedule}. {' '.join(parts)}"
        ).replace("-", "−")
