"""What `measure` says of a layer at some sizes of the input → formulas that hold at all of them.

The sides of a network's maps are its grids: each is what a window makes of one before it. Every other number that
changes with the size is a polynomial in the cells of a grid. How both are written is said in make_networks.py.
"""

from fractions import Fraction
from itertools import islice

from cnncourse.measure.layers import ADAPTIVE_POOLS, CONVOLUTIONS, SLIDING_POOLS, geometry, grid_axes
from cnncourse.measure.windows import window_count

WINDOWS = (*CONVOLUTIONS, *SLIDING_POOLS)
# What functions do to a side, as windows [span, stride, padding]: every other pixel, a crop, a pad.
UNSEEN = ([1, 2, 0], [2, 1, 0], [2, 2, 0], [1, 4, 0], [1, 1, 1])
SHAPES = ("input_shape", "output_shape")
COUNTS = ("parameters", "multiply_adds", "activation_bytes")
FORM = ("category", "kind", "settings", "groups", *SHAPES, *COUNTS, "receptive_field")


class Grids:
    """The sides of a network's maps as functions of its input's; each is known at every legal size."""

    def __init__(self, network):
        self.network, self.rules = network, [0]
        self.sides = [dict(zip(network.legal, network.legal, strict=True))]

    def at_probes(self, grid):
        return [self.sides[grid][size] for size in self.network.probes]

    def find(self, values):
        """The grid that has these sides at the probes; None if there is none."""
        return next((grid for grid in range(len(self.rules)) if self.at_probes(grid) == values), None)

    def add(self, rule, parent, values):
        """What a window [span, stride, padding(, 1)] makes of a grid, if it has these sides at the probes."""
        sides = {
            size: window_count(side, *rule[:3], 1, len(rule) > 3) for size, side in self.sides[parent].items()
        }
        if [sides[size] for size in self.network.probes] != values:
            return False
        if sides in self.sides:
            return True
        if self.find(values) is not None:
            raise self.network.fault("the probes do not tell its grids apart")
        self.rules.append([parent, *rule])
        self.sides.append(sides)
        return True

    def follow(self, rows):
        """Add what this layer makes, if that is new."""
        layer = self.network.module(rows[0].layer)
        before, after = (self.varying([getattr(row, what) for row in rows], rows[0]) for what in SHAPES)
        if before:
            self.explain(before, rows[0])
        if before and after and isinstance(layer, WINDOWS) and layer.padding != "same":
            windows = zip(*geometry(layer, (1,) * grid_axes(layer)), strict=True)
            ceil = [1] if getattr(layer, "ceil_mode", False) else []
            parent = self.find(before)
            if not all(self.add([d * (k - 1) + 1, s, p, *ceil], parent, after) for k, s, p, d in windows):
                raise self.network.fault(f"{rows[0].layer} does not make {after} of {before}")
        if after:
            self.explain(after, rows[0])

    def explain(self, values, row):
        """Sides that no known layer made come from a function: one step from a grid that is known."""
        known = self.find(values) is not None or self.polynomial(values)
        steps = ((rule, grid) for rule in UNSEEN for grid in range(len(self.rules)))
        if not (known or any(self.add(*step, values) for step in steps)):
            raise self.network.fault(f"no formula for the sides {values} at {row.layer} ({row.kind})")

    def varying(self, shapes, row):
        """The side of square maps at the probes; None if it is the same for all, or they are no maps."""
        if shapes[0] is None or len(shapes[0]) != 4:
            return None
        varying = {axis for axis in zip(*shapes, strict=True) if len(set(axis)) > 1}
        if len(varying) > 1:
            raise self.network.fault(f"the two sides of the maps of {row.layer} differ: {shapes[0]}")
        return list(varying.pop()) if varying else None

    def polynomial(self, values, first=()):
        """[g, c₀, c₁, …] with Σ cⱼ nʲ = values, n the cells of grid g, `first` of these; None if there is none."""
        for grid in (*first, *range(len(self.rules))):
            found = fitted([side**2 for side in self.at_probes(grid)], values)
            if found:
                return [grid, *found]
        return None


def fitted(n, values):
    """[c₀, c₁(, c₂)], whole numbers with values = Σ cⱼ nʲ everywhere; None if there are none."""
    points = dict(zip(n, values, strict=True))
    for degree in (1, 2):
        if len(points) > degree:
            found = through(list(islice(points.items(), degree + 1)))
            whole = all(c == int(c) for c in found)
            if whole and all(sum(c * x**j for j, c in enumerate(found)) == y for x, y in points.items()):
                return [int(c) for c in found]
    return None


def through(points):
    """The polynomial through these points, y = y₀ + (x − x₀) q(x), where q goes through the slopes from the first."""
    (x0, y0), *others = points
    q = through([(x, Fraction(y - y0) / (x - x0)) for x, y in others]) if others else []
    return [a - x0 * b for a, b in zip([y0, *q], [*q, 0], strict=True)]


def described(network, grids, rows, grown, width):
    """A layer as a form whose numbers are still in their places; `grown` are its rows with more classes."""
    layer, first = network.module(rows[0].layer, width), rows[0]
    own = {"kind": first.kind, "settings": settings_of(layer, first), "groups": getattr(layer, "groups", 1)}
    form, near = dict.fromkeys(FORM) | own, []  # near: the grids on which it writes and reads

    def formula(values, what):
        if len(set(values)) == 1:
            return values[0]
        grid = grids.find(values) if what in SHAPES else None
        found = grids.polynomial(values, near) if grid is None else -1 - grid
        if found is None:
            at = f"{first.layer} ({first.kind}): {values} at {network.probes}"
            raise network.fault(f"no formula for the {what.replace('_', ' ')} of {at}")
        return found

    def number(values, more, what):
        if values == more:
            return formula(values, what)
        slopes = [network.slope(*pair, first.layer) for pair in zip(values, more, strict=True)]
        start = [value - slope * network.classes for value, slope in zip(values, slopes, strict=True)]
        return {"K": [formula(start, what), formula(slopes, what)]}

    def numbers(what):
        """At the probes, with the network's own classes and with more; of a shape, for each axis."""
        return [[getattr(row, what) for row in each] for each in (rows, grown)]

    for what in SHAPES:
        if getattr(first, what) is not None:
            values, more = ([list(axis) for axis in zip(*shapes, strict=True)] for shapes in numbers(what))
            axes = [number(*pair, what) for pair in zip(values, more, strict=True)]
            form[what] = axes[1:] if axes[0] == 1 else axes
            near = [*grids_of(form[what]), *near]
    for what in COUNTS:
        form[what] = number(*numbers(what), what)
    form["receptive_field"] = field_of(network, grids, rows)
    return form


def grids_of(axes):
    """The grids by which a shape is written."""
    numbers = [axis for axis in axes if not isinstance(axis, dict)]
    return [
        axis[0] if isinstance(axis, list) else -1 - axis
        for axis in numbers
        if isinstance(axis, list) or axis < 0
    ]


def field_of(network, grids, rows):
    """A receptive field: a number, a blank, or what an adaptive pooling before made of the side of a grid."""
    values = tuple(row.receptive_field for row in rows)
    if any(isinstance(value, tuple) for value in values):
        raise network.fault(f"{rows[0].layer} sees farther along one side than along the other: {values}")
    if len(set(values)) == 1:
        return values[0]
    if isinstance(network.module(rows[0].layer), ADAPTIVE_POOLS):
        network.pooled |= pooled_field(grids, rows)
    if values not in network.pooled:
        raise network.fault(f"no formula for the field of {rows[0].layer}: {values} at {network.probes}")
    return network.pooled[values]


def pooled_field(grids, rows):
    """Windows of n/out pixels, side by side: r + (n/out − 1) · j, where each of n pixels sees r, the next is j away.

    {fields at the probes: formula}
    """
    row = next(row for row in rows if row.receptive_field is not None)
    out = row.output_shape[-1]
    window = row.input_shape[-1] // out
    jump = row.jump // window
    start = row.receptive_field - window * jump
    grid = grids.find([row.input_shape[-1] for row in rows])
    sides = grids.at_probes(grid)
    values = tuple(None if side % out else start + jump * side // out for side in sides)
    return {values: {"F": [start, jump, grid, out]}}


def settings_of(layer, row):
    """3×3, stride 2, dilation 2"""
    if row.output_shape is None or not isinstance(layer, WINDOWS):
        return ""
    kernel, stride, _, dilation = geometry(layer, (1,) * grid_axes(layer))
    more = {"stride": stride, "dilation": dilation}
    words = [f"{word} {shortly(values)}" for word, values in more.items() if set(values) != {1}]
    return ", ".join(["×".join(map(str, kernel)), *words])


def shortly(values):
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
