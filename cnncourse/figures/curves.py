"""Curves over one axis, and paths over the contours of a surface."""

from itertools import cycle, pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from ..checks import finite_array, instance
from .style import COLUMN, CYCLE, FRAME, PALETTE

# Heights of a landscape, low to high.
HEIGHTS = LinearSegmentedColormap.from_list("heights", ["#ffffff", "#a9bccd"])


def plot_lines(x, curves, *, xlabel=None, ylabel=None, title=None, width=COLUMN, height=2.6, ax=None):
    """Curves over one axis, each named at its right end in its own color instead of in a legend.

    x        positions, shared by all curves
    curves   name → values
    """
    x = finite_array("x", x, "N")
    _named("curves", curves, "values")
    curves = {name: finite_array(f"curves[{name!r}]", values, "N") for name, values in curves.items()}
    for name, values in curves.items():
        if len(values) != len(x):
            raise ValueError(f"curves[{name!r}] must have {len(x)} values, one for each x, got {len(values)}")
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained") if ax is None else (None, ax)
    points = "o" if len(x) <= 25 else None  # few values are shown as such
    lines = [axis.plot(x, values, label=name, marker=points, ms=4)[0] for name, values in curves.items()]
    if np.issubdtype(x.dtype, np.integer):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if title is not None:
        axis.set_title(title)
    _name_at_the_end(axis, lines)
    return figure if ax is None else axis


def _name_at_the_end(axis, lines):
    """Write each curve's name beside its last point, moved apart where names would touch."""
    low, high = axis.get_ylim()
    ends = [axis.transScale.transform((1, line.get_ydata()[-1]))[1] for line in lines]
    bottom, top = axis.transScale.transform((1, low))[1], axis.transScale.transform((1, high))[1]
    room = 0.155 / axis.get_figure().get_figheight() / axis.get_position().height  # a line of text, in axes
    places = np.clip((np.array(ends) - bottom) / (top - bottom), 0, 1)
    order = np.argsort(places, kind="stable")
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + room)
    places -= max(0, places.max() - 1)
    for line, place in zip(lines, places, strict=True):
        axis.annotate(
            line.get_label(), (1, place), (4, 0), xycoords="axes fraction", textcoords="offset points",
            va="center", color=line.get_color(), fontsize=9,
        )  # fmt: skip


def show_paths(surface, paths, *, window=None, title=None, legend=True, width=4.6, ax=None):
    """The contours of a surface, half a decade apart above its minimum, and the paths of descents over them.

    surface   has `value` (…, 2) → (…), `minima`, `minimum_value` and `window`, as in `scratch.SURFACES`
    paths     name → (k + 1, 2); a ring marks where a path starts, a marker where it ends, a cross each minimum
    window    ((x0, x1), (y0, y1)), the part to draw; None: the surface's own
    legend    names the paths in a box; False where another panel names the same colors
    """
    _named("paths", paths, "points")
    paths = {name: finite_array(f"paths[{name!r}]", path, "k+1 2") for name, path in paths.items()}
    for name, path in paths.items():
        if path.shape[1] != 2:
            raise ValueError(f"paths[{name!r}] must be (k + 1, 2), x and y, got shape {path.shape}")
    (x0, x1), (y0, y1) = surface.window if window is None else window
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"window must be ((x0, x1), (y0, y1)) with x0 < x1 and y0 < y1, got {window!r}")
    height = (width - 0.6) * (y1 - y0) / (x1 - x0) + 0.55
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained") if ax is None else (None, ax)

    x, y = np.linspace(x0, x1, 301), np.linspace(y0, y1, 301)
    above = surface.value(np.stack(np.meshgrid(x, y), axis=-1)) - surface.minimum_value
    top = np.log10(above.max())
    levels = np.linspace(top - 4.5, top, 10)
    axis.contourf(x, y, np.log10(np.maximum(above, 1e-30)), levels, cmap=HEIGHTS, extend="min")
    axis.contour(x, y, np.log10(np.maximum(above, 1e-30)), levels, colors="#8b9dae", linewidths=0.5)
    axis.plot(*np.transpose(surface.minima), "P", color="white", mec=PALETTE["ink"], ms=8, ls="", zorder=4)

    for (name, path), color, marker in zip(paths.items(), cycle(CYCLE), cycle("os^DvX*"), strict=False):
        axis.plot(*path.T, color="white", lw=3, alpha=0.6)
        axis.plot(*path.T, color=color, lw=1.5, label=name)
        axis.plot(*path[-1], marker, color=color, mec="white", ms=7, zorder=5)
        axis.plot(*path[0], "o", color="white", mec=PALETTE["ink"], mew=1.4, ms=7, zorder=6)
    axis.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="$x$", ylabel="$y$", aspect="equal")
    if title is not None:
        axis.set_title(title)
    if legend:
        axis.legend(frameon=True, framealpha=0.85, edgecolor=FRAME)
    return figure if ax is None else axis


def _named(name, values, what):
    if not instance(name, values, dict, f"a dict of name → {what}"):
        raise ValueError(f"{name} must be a dict of name → {what} that is not empty, got an empty one")
