"""Surfaces over a plane to roll down, and the path that an optimizer takes on one.

    descent = descend(SURFACES["rosenbrock"], Adam(lr=0.01), steps=1000)
    descent.path      (k + 1, 2): the start and the point after every step
    descent.losses    (k + 1,): the height of each of these points, the last one included

The formulas `height(x, y)` and `slope(x, y)` use + − × only, from left to right, and optimizers √ and ÷ besides, so
another program that follows the lines here in float64 walks the same path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..checks import float_arrays, instance, integer, real
from .optimizers import Optimizer

# A point with a coordinate beyond ± this has left for good: every window is within ±6.
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Surface:
    """A height over the plane, with its slope and its lowest points.

    formula    in LaTeX
    height     (x, y) → f, entry by entry
    slope      (x, y) → (∂f/∂x, ∂f/∂y)
    minima     the points where f is least, `minimum_value`
    window     ((x0, x1), (y0, y1)), the part worth drawing
    start      where a descent begins if nothing else is said
    """

    name: str
    formula: str
    height: Callable
    slope: Callable
    minima: tuple
    minimum_value: float
    window: tuple
    start: tuple

    def value(self, point):
        """f at each point: (…, 2) → (…)"""
        point = _points("point", point)
        return self.height(point[..., 0], point[..., 1])

    def gradient(self, point):
        """(∂f/∂x, ∂f/∂y) at each point: (…, 2) → (…, 2)"""
        point = _points("point", point)
        return np.stack(self.slope(point[..., 0], point[..., 1]), axis=-1)


@dataclass(frozen=True, eq=False)
class Descent:
    """Where an optimizer went. All numbers are finite; the arrays are read-only.

    surface    the Surface
    path       (k + 1, 2)   path[0] is the start, path[i] the point after i steps
    losses     (k + 1,)     losses[i] belongs to path[i]
    diverged   whether it left before all steps were made; then k = step − 1
    step       the step, counted from 1, whose point was not finite, beyond FAR, or without a finite height; else None
    """

    surface: Surface
    path: np.ndarray
    losses: np.ndarray
    diverged: bool
    step: int | None

    @property
    def point(self):
        """The last point, as a pair of floats"""
        return tuple(self.path[-1].tolist())

    @property
    def loss(self):
        """The last height"""
        return float(self.losses[-1])


def descend(surface, optimizer, start=None, steps=500, schedule=None):
    """Follow `optimizer` over `surface` for `steps` steps, in float64 → Descent

    optimizer   its settings are used, without what it remembers; it is not written into
    start       a point (2,); None: the surface's own
    schedule    step, from 0, → learning rate; None: the optimizer's own

    It ends early at the first point that is not finite, has a coordinate beyond ±FAR, or lies at a height that is not
    finite. That point is not on the path: `diverged` and `step` report it, and no NaN goes further.
    """
    instance("optimizer", optimizer, Optimizer, "an optimizer of this package, such as SGD()")
    if schedule is not None and not callable(schedule):
        raise TypeError(f"schedule must be a function step → lr, or None, got {schedule!r}")
    point = _points("start", _surface(surface).start if start is None else start).astype(np.float64)
    if point.shape != (2,):
        raise ValueError(f"start must be one point, shape (2,), got shape {point.shape}")
    steps, optimizer = integer("steps", steps, 0), optimizer.fresh()

    step = None
    with np.errstate(all="ignore"):
        loss = surface.value(point)
        if _left(point, loss):
            raise ValueError(f"start must be a finite point within ±{FAR:g}, got {point.tolist()}")
        path, losses = [point], [loss]
        for i in range(steps):
            if schedule is not None:
                optimizer.lr = schedule(i)
            point = optimizer.step(point, surface.gradient(point))
            loss = surface.value(point)
            if _left(point, loss):
                step = i + 1
                break
            path.append(point)
            losses.append(loss)
    return Descent(surface, _read_only(path), _read_only(losses), step is not None, step)


def distance(surface, point):
    """How far each point is from the nearest minimum: (…, 2) → (…)"""
    minima, point = np.array(_surface(surface).minima), _points("point", point)
    steps = point[..., None, :] - minima  # (…, minima, 2)
    return np.hypot(steps[..., 0], steps[..., 1]).min(axis=-1)


def converged(descent, tolerance=1e-3):
    """Whether the last point of a descent lies within `tolerance` of a minimum.

    A small loss is no such sign: on Rosenbrock's surface it is 1 at (0, 0), where nothing has been found yet.
    """
    instance("descent", descent, Descent, "what descend(…) returned")
    near = distance(descent.surface, descent.path[-1]) <= real("tolerance", tolerance, 0)
    return not descent.diverged and bool(near)


def _surface(surface):
    return instance("surface", surface, Surface, "a Surface, such as SURFACES['bowl']")


def _points(name, point):
    (point,) = float_arrays(**{name: point})
    if point.ndim == 0 or point.shape[-1] != 2:
        raise ValueError(f"{name} must have shape (…, 2), x and y last, got shape {point.shape}")
    return point


def _left(point, loss):
    return not (np.isfinite(loss) and np.abs(point).max() <= FAR)  # NaN is not ≤ FAR either


def _read_only(numbers):
    array = np.array(numbers)
    array.flags.writeable = False
    return array


# The surfaces, each as its formula reads: the height and its two slopes.


def _bowl(x, y):
    return (x * x + y * y) / 2


def _bowl_slope(x, y):
    return x, y


def _ravine(x, y):
    return (x * x + 50 * y * y) / 2


def _ravine_slope(x, y):
    return x, 50 * y


def _saddle(x, y):
    return x * x - y * y + y * y * y * y / 2


def _saddle_slope(x, y):
    return 2 * x, 2 * y * y * y - 2 * y


def _rosenbrock(x, y):
    a, b = 1 - x, y - x * x
    return a * a + 100 * b * b


def _rosenbrock_slope(x, y):
    a, b = 1 - x, y - x * x
    return -2 * a - 400 * x * b, 200 * b


def _beale(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return a * a + b * b + c * c


def _beale_slope(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return (
        2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y * y,
    )


def _himmelblau(x, y):
    a, b = x * x + y - 11, x + y * y - 7
    return a * a + b * b


def _himmelblau_slope(x, y):
    a, b = x * x + y - 11, x + y * y - 7
    return 4 * a * x + 2 * b, 2 * a + 4 * b * y


SURFACES = MappingProxyType(
    {
        surface.name: surface
        for surface in [
            # The same in every direction: gradient descent goes straight to the middle, and diverges from lr = 2 on.
            Surface(
                name="bowl",
                formula=r"\frac{x^2 + y^2}{2}",
                height=_bowl,
                slope=_bowl_slope,
                minima=((0.0, 0.0),),
                minimum_value=0.0,
                window=((-2.0, 2.0), (-2.0, 2.0)),
                start=(-1.5, 1.0),
            ),
            # 50 times as steep across as along: lr must stay below 2/50 = 0.04, and the long way takes its time.
            Surface(
                name="ravine",
                formula=r"\frac{x^2 + 50 y^2}{2}",
                height=_ravine,
                slope=_ravine_slope,
                minima=((0.0, 0.0),),
                minimum_value=0.0,
                window=((-2.0, 2.0), (-1.0, 1.0)),
                start=(-1.8, 0.6),
            ),
            # Up along x, down along y from (0, 0), and up again: two minima. Who starts at y = 0 never leaves it.
            Surface(
                name="saddle",
                formula=r"x^2 - y^2 + \frac{y^4}{2}",
                height=_saddle,
                slope=_saddle_slope,
                minima=((0.0, 1.0), (0.0, -1.0)),
                minimum_value=-0.5,
                window=((-2.0, 2.0), (-2.0, 2.0)),
                start=(-1.5, 0.001),
            ),
            # A curved valley with an almost level floor. Rosenbrock 1960.
            Surface(
                name="rosenbrock",
                formula=r"(1 - x)^2 + 100 (y - x^2)^2",
                height=_rosenbrock,
                slope=_rosenbrock_slope,
                minima=((1.0, 1.0),),
                minimum_value=0.0,
                window=((-2.0, 2.0), (-1.0, 3.0)),
                start=(0.0, 0.0),
            ),
            # Level almost everywhere, with walls at the corners. Beale 1958.
            Surface(
                name="beale",
                formula=r"(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2",
                height=_beale,
                slope=_beale_slope,
                minima=((3.0, 0.5),),
                minimum_value=0.0,
                window=((-4.5, 4.5), (-4.5, 4.5)),
                start=(1.0, 1.5),
            ),
            # Four minima of the same depth: which one is found depends on the start and on the step. Himmelblau 1972.
            Surface(
                name="himmelblau",
                formula=r"(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
                height=_himmelblau,
                slope=_himmelblau_slope,
                minima=(
                    (3.0, 2.0),
                    (-2.805118086952745, 3.131312518250573),
                    (-3.779310253377747, -3.2831859912861696),
                    (3.5844283403304917, -1.8481265269644036),
                ),
                minimum_value=0.0,
                window=((-6.0, 6.0), (-6.0, 6.0)),
                start=(0.0, 0.0),
            ),
        ]
    }
)
