"""OptimizerExplorer: one to four optimizers race down a landscape, at rates and from a start of one's choice."""

import math
from functools import lru_cache

import numpy as np
import traitlets

from cnncourse import scratch

from .explorer import Checked, Explorer, number, one_of, whole
from .formula import FormulaError, function

STEPS = (10, 1000)
NOISES = (0.0, 100.0)
SEEDS = (0, 9999)
OWN = "own"  # the surface that a reader writes
FIRST_FUNCTION = "x^2 + 3y^2 + sin(3x)"
FIRST_WINDOW = [[-2.0, 2.0], [-2.0, 2.0]]
STARTS = ((0.125, 0.75), (0.25, 0.75), (0.75, 0.75), (0.75, 0.25), (0.25, 0.25), (0.5, 0.5))
FARTHEST, NARROWEST = 1000, 0.1  # the ends of a window, and the least between them
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


def check_window(name, value):
    """Two pairs of numbers, the ends of x and of y → a list of two lists of floats"""
    try:
        (x0, x1), (y0, y1) = value.tolist() if isinstance(value, np.ndarray) else value
    except (TypeError, ValueError):
        raise traitlets.TraitError(
            f"{name} must be two pairs of numbers ((x0, x1), (y0, y1)), got {value!r}"
        ) from None
    sides = [
        [
            number(f"{name}: the {which} end of {axis}", end, -FARTHEST, FARTHEST)
            for which, end in zip(("low", "high"), ends, strict=True)
        ]
        for axis, ends in (("x", (x0, x1)), ("y", (y0, y1)))
    ]
    for axis, (low, high) in zip("xy", sides, strict=True):
        if high - low < NARROWEST:
            raise traitlets.TraitError(
                f"{name}: {axis} must reach over at least {NARROWEST:g}, got {low:g} to {high:g}"
            )
    return sides


@lru_cache(maxsize=32)
def own_surface(text, window):
    """A function as text and its window ((x0, x1), (y0, y1)) → a Surface without known minima

    It starts at the first point at which the function is finite: of `STARTS`, in shares of the window, then of a grid
    of 21 × 21; `FormulaError` if there is none.
    """
    height, slope = function(text)
    (x0, x1), (y0, y1) = window
    shares = [*STARTS, *((column / 20, row / 20) for row in range(21) for column in range(21))]
    points = np.array([(x0 + across * (x1 - x0), y0 + up * (y1 - y0)) for across, up in shares])
    finite = np.isfinite(height(*points.T))
    if not finite.any():
        raise FormulaError("The function has no finite value in the window.")
    start = tuple(points[finite.argmax()].tolist())
    return scratch.Surface(OWN, text, height, slope, (), None, window, start)


# --- noise: the same numbers in every program -------------------------------------------------------------------------


def scrambled(bits):
    """32 bits → 32 others, each of which depends on all: lowbias32 of C. Wellons, "Hash function prospector", 2018."""
    bits ^= bits >> 16
    bits = bits * 0x21F0AAAD % 2**32
    bits ^= bits >> 15
    bits = bits * 0x735A2D97 % 2**32
    return bits ^ bits >> 15


def normal_pair(seed, step):
    """Two draws from a standard normal distribution, at an address: (seed, step) → (for x, for y)

    Nothing is remembered between draws. Two uniform numbers at addresses 2·step and 2·step + 1 become two normal ones
    by r·cos θ and r·sin θ with r = √(−2 ln u), θ = 2π·v (Box and Muller, 1958).
    """
    first = scrambled((seed + 0x9E3779B9) % 2**32)
    u, v = ((scrambled((first + 2 * step + which) % 2**32) + 0.5) / 2**32 for which in (0, 1))
    radius, angle = math.sqrt(-2 * math.log(u)), 2 * math.pi * v
    return radius * math.cos(angle), radius * math.sin(angle)


def gradient_noise(sigma, seed):
    """σ and a seed → what `scratch.descend` adds to the gradient of a step, None for σ = 0"""
    return (lambda step: sigma * np.array(normal_pair(seed, step))) if sigma else None


# --- runs -------------------------------------------------------------------------------------------------------------


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

    surface      a name from `scratch.SURFACES`, or "own"
    function     what "own" is: f(x, y) as text with + - * / ^ ( ), numbers, x, y, pi, e, sin, cos, tan, exp, log, sqrt,
                 abs and tanh, at most 200 characters; 2x and xy are products, ** is ^
    window       where "own" is drawn, ((x0, x1), (y0, y1)), within ±1000
    start        (x, y), within the part that is drawn, where the surface is finite; the surface's own unless given
    steps        10 … 1000
    schedule     "constant", "step_decay" (a tenth after every third), "cosine", "warmup_cosine" (a tenth of the steps
                 to warm up), "cosine_restarts" (two) or "one_cycle", over all the steps, from each run's own rate
    noise        0 … 100: σ. Each step, σ times two standard normal draws are added to the gradient, the same for every
                 run, so that they differ in their rules only
    seed         0 … 9999: which draws, see `normal_pair`
    runs         one to four, each the name of an optimizer or a dict of it, its lr (0.0001 … 10) and its own settings:
                 SGD, momentum (momentum), Nesterov (momentum), Adagrad, RMSprop (alpha), Adam (betas),
                 AdamW (betas, weight_decay); what is left out has torch's default. To change it, set a new list
    shown        the step up to which the paths are drawn; None: all
    show_sweep   shows the final loss of each optimizer against its learning rate
    lr           the rate of the first run: setting one sets the other, for a slider of one's own

    All but lr are synced traits: each can be set, observed and linked while the widget is shown. A value that does not
    fit raises `TraitError`. With a new surface, function or window, a start that was the old one's own becomes the new
    one's own, and so does one that would lie outside or where the function is not finite. `descents()` and `sweep()`
    are what the explorer shows, by `cnncourse.scratch`.
    """

    module = "optimizer"
    later = ("window", "function", "start", "shown", "lr")
    extra = ("lr",)

    surface = Checked(one_of, (*scratch.SURFACES, OWN), default="rosenbrock")
    function = traitlets.Any(FIRST_FUNCTION).tag(sync=True, explorer=True)
    window = traitlets.Any(FIRST_WINDOW).tag(sync=True, explorer=True)
    start = traitlets.Any().tag(sync=True, explorer=True)
    steps = Checked(whole, *STEPS, default=500)
    schedule = Checked(one_of, SCHEDULES, default="constant")
    noise = Checked(number, *NOISES, default=0.0)
    seed = Checked(whole, *SEEDS, default=0)
    runs = traitlets.Any().tag(sync=True, explorer=True)
    shown = traitlets.Any(None).tag(sync=True, explorer=True)
    show_sweep = traitlets.Bool(False).tag(sync=True, explorer=True)
    lr = traitlets.Any()
    last_own = None  # the own start of the surface before a change

    def __init__(self, **values):
        super().__init__(**values)
        self.last_own = self.drawn.start

    @property
    def drawn(self):
        """The Surface that is raced on, with the window that is drawn."""
        if self.surface != OWN:
            return scratch.SURFACES[self.surface]
        return own_surface(self.function, tuple(map(tuple, self.window)))

    @property
    def limits(self):
        """The ends of what is drawn: ((x0, x1), (y0, y1))"""
        return self.drawn.window if self.surface == OWN else drawn_window(self.surface)

    # --- defaults and checks

    @traitlets.default("start")
    def _own_start(self):
        return list(self.drawn.start)

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
        start = [
            number(f"start[{i}], the {axis} on {self.surface},", value, *limits)
            for i, (axis, value, limits) in enumerate(zip("xy", start, self.limits, strict=True))
        ]
        if not np.isfinite(self.drawn.value(start)):
            raise traitlets.TraitError(f"start must be where the function is finite, got {start}")
        return start

    @traitlets.validate("window")
    def _check_window(self, proposal):
        return self._finite("window", self.function, check_window("window", proposal["value"]))[1]

    @traitlets.validate("function")
    def _check_function(self, proposal):
        text = proposal["value"]
        if not isinstance(text, str):
            raise traitlets.TraitError(f"function must be text such as {FIRST_FUNCTION!r}, got {text!r}")
        return self._finite("function", text, check_window("window", self.window))[0]

    def _finite(self, name, text, window):
        """A function and a window in which it has values."""
        try:
            own_surface(text, tuple(map(tuple, window)))
        except FormulaError as fault:
            raise traitlets.TraitError(f"{name}: {fault}") from None
        return text, window

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

    @traitlets.observe("surface", "function", "window")
    def _start_follows_surface(self, change):
        drawn = self.drawn
        inside = all(low <= at <= high for at, (low, high) in zip(self.start, self.limits, strict=True))
        if not inside or tuple(self.start) == self.last_own or not np.isfinite(drawn.value(self.start)):
            self.start = list(drawn.start)
        self.last_own = drawn.start

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
        noise = gradient_noise(self.noise, self.seed)
        return scratch.descend(self.drawn, make_optimizer(run), self.start, self.steps, schedule, noise)

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        surface = self.drawn
        start = ", ".join(f"{value:g}" for value in self.start)
        parts = []
        for run, descent in zip(self.runs, self.descents(), strict=True):
            name = f"{run['optimizer']} at {run['lr']:g}"
            if descent.diverged:
                gone = (
                    "diverged" if surface.minima else "diverged or came to where the function is not finite"
                )
                parts.append(
                    f"{name} {gone} at step {descent.step}; its last finite loss was {descent.loss:.3g}."
                )
            elif surface.minima:
                away = float(scratch.distance(surface, descent.point))
                height = descent.loss - surface.minimum_value
                parts.append(f"{name} ends {away:.3g} away from a minimum and {height:.3g} above it.")
            else:
                x, y = descent.point
                parts.append(f"{name} ends at ({x:.3g}, {y:.3g}) with a loss of {descent.loss:.3g}.")
        schedule = "" if self.schedule == "constant" else f", schedule {self.schedule.replace('_', ' ')}"
        noise = f", gradient noise {self.noise:g} with seed {self.seed}" if self.noise else ""
        land = f"the function {self.function}" if self.surface == OWN else f"the {self.surface} surface"
        return (
            f"Paths over the contours of {land} and their loss curves, from ({start}), "
            f"{self.steps} steps{schedule}{noise}. {' '.join(parts)}"
        ).replace("-", "−")
