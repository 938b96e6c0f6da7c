"""OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice."""

import io
import math
import numbers

import numpy as np
import traitlets
from PIL import Image

from cnncourse import scratch
from cnncourse.figures import PALETTE

from .explorer import Explorer

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

COLORS = ("blue", "vermillion", "green", "purple")
DASHES = ("solid", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 1.6, 1, 1.6)))
MARKERS = ("o", "s", "^", "D")
LEVELS_A_DECADE, DECADES = 2, 4.5  # of the contours, as in optimizer.js


def drawn_window(name):
    """The square in which a surface is drawn, one scale for x and y: ((x0, x1), (y0, y1))."""
    window = scratch.SURFACES[name].window
    half = max(high - low for low, high in window) / 2
    return tuple(((low + high) / 2 - half, (low + high) / 2 + half) for low, high in window)


def check_number(name, value, low, high):
    """`value` as a float from low to high, or a `TraitError` that says so."""
    fits = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not (fits and low <= value <= high):
        raise traitlets.TraitError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


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
    run["lr"] = check_number(f"{name}: lr", run["lr"], *RATES)
    if "betas" in run:
        betas = run["betas"]
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise traitlets.TraitError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        run["betas"] = [check_number(f"{name}: betas[{i}]", beta, *FRACTIONS) for i, beta in enumerate(betas)]
    low = LEAST_NESTEROV if optimizer == "Nesterov" else FRACTIONS[0]
    for setting, limits in {
        "momentum": (low, FRACTIONS[1]),
        "alpha": FRACTIONS,
        "weight_decay": DECAYS,
    }.items():
        if setting in run:
            run[setting] = check_number(f"{name}: {setting}", run[setting], *limits)
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

    surface = traitlets.Unicode("rosenbrock").tag(sync=True, explorer=True)
    start = traitlets.Any().tag(sync=True, explorer=True)
    steps = traitlets.Any(500).tag(sync=True, explorer=True)
    schedule = traitlets.Unicode("constant").tag(sync=True, explorer=True)
    runs = traitlets.Any().tag(sync=True, explorer=True)
    shown = traitlets.Any(None).tag(sync=True, explorer=True)
    show_sweep = traitlets.Bool(False).tag(sync=True, explorer=True)
    lr = traitlets.Any()

    def __init__(self, **values):
        known = {*self.trait_names(explorer=True), "lr"}
        unknown = sorted(set(values) - known - {*self.trait_names(sync=True), "layout"})
        if unknown:
            raise TypeError(
                f"OptimizerExplorer does not know {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
            )
        # traitlets checks what it is given together in the order of a set. So what others are checked against is first.
        later = {name: values.pop(name) for name in ("start", "shown", "lr") if name in values}
        super().__init__(**values)
        try:
            for name, value in later.items():
                setattr(self, name, value)
        except traitlets.TraitError:
            self.close()
            raise

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

    @traitlets.validate("surface")
    def _check_surface(self, proposal):
        return self._one_of("surface", proposal["value"], scratch.SURFACES)

    @traitlets.validate("schedule")
    def _check_schedule(self, proposal):
        return self._one_of("schedule", proposal["value"], SCHEDULES)

    @traitlets.validate("start")
    def _check_start(self, proposal):
        start = proposal["value"]
        if isinstance(start, np.ndarray):
            start = start.tolist()
        if not isinstance(start, list | tuple) or len(start) != 2:
            raise traitlets.TraitError(f"start must be a pair of numbers (x, y), got {proposal['value']!r}")
        return [
            check_number(f"start[{i}], the {axis} on {self.surface},", value, *limits)
            for i, (axis, value, limits) in enumerate(
                zip("xy", start, drawn_window(self.surface), strict=True)
            )
        ]

    @traitlets.validate("steps")
    def _check_steps(self, proposal):
        return self._whole("steps", proposal["value"], *STEPS)

    @traitlets.validate("shown")
    def _check_shown(self, proposal):
        shown = proposal["value"]
        return None if shown is None else self._whole("shown", shown, 0, self.steps)

    @traitlets.validate("runs")
    def _check_runs(self, proposal):
        runs = proposal["value"]
        if not isinstance(runs, list | tuple) or not 1 <= len(runs) <= MOST_RUNS:
            got = f"{len(runs)}" if isinstance(runs, list | tuple) else repr(runs)
            raise traitlets.TraitError(f"runs must be a list of 1 to {MOST_RUNS} optimizers, got {got}")
        return [check_run(f"runs[{i}]", run) for i, run in enumerate(runs)]

    @traitlets.validate("lr")
    def _check_lr(self, proposal):
        return check_number("lr", proposal["value"], *RATES)

    @staticmethod
    def _one_of(name, value, allowed):
        if value not in allowed:
            raise traitlets.TraitError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        return value

    @staticmethod
    def _whole(name, value, low, high):
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not (whole and low <= value <= high):
            raise traitlets.TraitError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
        return int(value)

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

    def still(self):
        """The paths over contours and the losses beside them → PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure

        surface = scratch.SURFACES[self.surface]
        figure = Figure(figsize=(7.2, 3.7), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        land, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))

        # Levels are logarithmic in the height above the minimum, half a decade apart.
        window = drawn_window(self.surface)
        x, y = np.meshgrid(*(np.linspace(low, high, 241) for low, high in window))
        height = surface.value(np.stack([x, y], axis=-1)) - surface.minimum_value
        top = math.log10(height.max())
        levels = np.maximum(LEVELS_A_DECADE * (np.log10(np.maximum(height, 1e-30)) - top + DECADES), 0)
        bands = np.arange(0, LEVELS_A_DECADE * DECADES + 1)
        heights = LinearSegmentedColormap.from_list("heights", ["#ffffff", "#a9bccd"])
        land.contourf(x, y, levels, bands, cmap=heights)
        land.contour(x, y, levels, bands, colors="#8b9dae", linewidths=0.5)
        for minimum in surface.minima:
            land.plot(*minimum, "P", color="white", markeredgecolor=PALETTE["ink"], ms=8, zorder=4)
        land.set(xlim=window[0], ylim=window[1], xlabel="x", ylabel="y", aspect="equal")

        look = zip(self.runs, self.descents(), COLORS, DASHES, MARKERS, strict=False)
        floor, lowest_drawn = 1e-40, 1e-16  # below the second there is only rounding
        start_height = max(surface.value(self.start) - surface.minimum_value, lowest_drawn)
        lowest = start_height
        for run, descent, color, dash, marker in look:
            color = PALETTE[color]
            path, above = descent.path, np.maximum(descent.losses - surface.minimum_value, floor)
            land.plot(path[:, 0], path[:, 1], color="white", lw=3.2, alpha=0.7)
            land.plot(path[:, 0], path[:, 1], color=color, lw=1.6, ls=dash)
            name = f"{run['optimizer']}, {run['lr']:g}"
            if descent.diverged:
                name += f": diverged at step {descent.step}"
            else:
                land.plot(
                    *path[-1], marker, color=color, markeredgecolor="white", ms=7, zorder=5, clip_on=True
                )
            curves.plot(above, color=color, lw=1.6, ls=dash, label=name)
            curves.plot(len(above) - 1, above[-1], "X" if descent.diverged else marker, color=color, ms=6)
            lowest = min(lowest, above.min())
        land.plot(*self.start, "o", color="white", markeredgecolor=PALETTE["ink"], ms=8, mew=1.6, zorder=6)
        curves.set(
            yscale="log",
            xlim=(0, self.steps),
            ylim=(max(lowest / 3, lowest_drawn), start_height * 100),
            xlabel="Step",
        )
        curves.set_title("Loss above the minimum", fontsize=9, color=PALETTE["ink"])
        curves.grid(color="#e3e8ec", lw=0.6)
        curves.legend(fontsize=7.5, frameon=False, loc="upper right")
        land.set_title(f"{self.surface.capitalize()}", fontsize=9, color=PALETTE["ink"])
        for ax in (land, curves):
            ax.tick_params(labelsize=7.5, colors=PALETTE["gray"])
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        raw = io.BytesIO()
        figure.savefig(raw, format="png")
        raw.seek(0)
        small = io.BytesIO()
        picture = Image.open(raw).convert("RGB").quantize(200, dither=Image.Dither.NONE)
        picture.save(small, format="png", optimize=True)
        return small.getvalue()
