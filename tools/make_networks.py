"""Every network of the course as formulas of its input's size and its classes, for the ArchitectureExplorer.

    python tools/make_networks.py                  all networks of `models.names()`; those that are gone are dropped
    python tools/make_networks.py resnet18 vgg16   these anew, the others as they are

`cnncourse.measure` measures each network at a few sizes, on the meta device. What it says is then written as formulas
that hold at all of them; a network for which there are none is refused by name. The file:

    {"largest": 640,                              the largest input, in pixels
     "categories": ["convolution", …],
     "families": {"resnet": [title, idea], …},    the first line of the file in `models`
     "forms": […],                                shared by all networks, see below
     "networks": {name: {
        "family", "size", "channels", "classes",  the paper's own
        "any_classes"                             whether it can have others
        "sizes": [[first, last, step], …],        the inputs for which all of this holds
        "others": [{"sizes", "grids", "types", "rows"}, …],   where its layers have other settings, for other inputs
        "widths": [1.0, 0.25, …],                 those offered, its own first; [] where it has no such option
        "grids": [0, [parent, span, stride, padding], …],   the distinct sides of its maps, the input first; a fifth
                                                  number 1: rounded up. span = dilation · (kernel − 1) + 1
        "types": [[form, [number, …] for each width], …],
        "rows": [[letters shared with the name before, the rest of the name, type], …]}}}

A form is [category, kind, settings, groups, input, output, parameters, multiply-adds, bytes, receptive field], where
"#" stands for the next of the numbers. Input and output are lists, without the batch. A number is written as

    v ≥ 0                    itself                        null      a blank
    v < 0                    the side of grid −1 − v
    [g, c₀, c₁, …]           Σ cⱼ nʲ, n the cells of grid g: its side squared
    {"K": [v₀, v₁]}          v₀ + v₁ · classes
    {"F": [a, b, g, out]}    a + b · side / out for the side of grid g, where `out` divides it, else a blank
"""

import argparse
import inspect
import json
import sys
from fractions import Fraction
from functools import cached_property, partial
from itertools import islice, takewhile
from pathlib import Path

import torch
from torch import nn

from cnncourse import measure, models
from cnncourse.measure.layers import ADAPTIVE_POOLS, CONVOLUTIONS, SLIDING_POOLS, geometry, grid_axes
from cnncourse.measure.windows import window_count
from cnncourse.models.families import BUILDERS

FILE = Path(__file__).resolve().parent.parent / "cnncourse/widgets/js/architecture/networks.json"
LARGEST = 640  # pixels; the largest published input is 600
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # offered, where they can be built, beside the network's own
# Pixels more than its own: however often a side is halved, some probe has a half left over.
PROBES = (0, 27, 5, 75, 31)
MORE_CLASSES = 7
WINDOWS = (*CONVOLUTIONS, *SLIDING_POOLS)
CATEGORIES = {
    "convolution": CONVOLUTIONS, "pooling": (*SLIDING_POOLS, *ADAPTIVE_POOLS), "fully connected": (nn.Linear,),
    "attention": (nn.MultiheadAttention,), "other": (nn.Module,),
}  # fmt: skip
OWN_PRODUCTS = "(own products)"  # how `measure` marks what multiplies outside of layers, as attention does
# What functions do to a side, as windows [span, stride, padding]: every other pixel, a crop, a pad.
UNSEEN = ([1, 2, 0], [2, 1, 0], [2, 2, 0], [1, 4, 0], [1, 1, 1])


def on_meta(name, classes=None, size=None, **changes):
    """Shapes and no numbers."""
    with torch.device("meta"):
        return models.build(name, classes, image_size=size, **changes)


def legal_sizes(name):
    """Every size that a network takes, in lists of those for which its windows are alike; its own size in the first."""
    own = on_meta(name)
    if "input_size" not in models.options(name):
        return [[own.input_size] if own.input_size else list(range(own.smallest, LARGEST + 1))]
    alike = {}
    for size in range(1, LARGEST + 1):
        try:
            windows = [
                layer.extra_repr()
                for layer in on_meta(name, size=size).modules()
                if isinstance(layer, WINDOWS)
            ]
        except ValueError:
            continue
        alike.setdefault(tuple(windows), []).append(size)
    return sorted(alike.values(), key=lambda sizes: own.published_size not in sizes)


class Network:
    """What `measure` says of a network at its classes, widths, and sizes for which its layers are alike."""

    def __init__(self, name, legal, size):
        self.name, self.legal, self.size, self.models, self.pooled = name, legal, size, {}, {}
        self.options = models.options(name)
        own = self.model(size)
        self.classes, self.channels = own.num_classes, own.in_channels
        near = [min(legal, key=lambda size: abs(size - self.size - more)) for more in PROBES]
        self.probes = list(dict.fromkeys([*near, legal[0], legal[-1]]))

    def fault(self, what):
        return ValueError(f"{self.name}: {what}")

    def model(self, size, classes=None, width=None):
        key = size if "input_size" in self.options else None, classes, width
        if key not in self.models:
            self.models[key] = self._built(*key)
        return self.models[key]

    def _built(self, size, classes=None, width=None):
        return on_meta(self.name, classes, size, **({} if width is None else {"width": width}))

    def _builds(self, *settings):
        try:
            return self._built(*settings) is not None
        except ValueError:
            return False

    @cached_property
    def widths(self):
        """Those offered, its own first; None where it has no such option."""
        if "width" not in self.options:
            return [None]
        own = self.options["width"] or self._own_width()
        return [own, *(width for width in WIDTHS if width != own and self._builds(self.size, None, width))]

    def _own_width(self):
        """The width that has the same parameters as none given."""

        def shapes(width):
            return [parameter.shape for parameter in self.model(self.size, None, width).parameters()]

        for width in (Fraction(1, 2**halvings) for halvings in range(8)):
            if shapes(float(width)) == shapes(None):
                return float(width)
        raise self.fault("its own width is none of 1, 1/2, 1/4, …")

    @cached_property
    def more_classes(self):
        """Another number of classes; None if it cannot have one."""
        more = self.classes + MORE_CLASSES
        return more if self._builds(self.size, more) else None

    def layers(self, classes=None, width=None):
        """For each layer its rows at the probes."""
        try:
            tables = [
                measure.table(self.model(size, classes, width), (1, self.channels, size, size)).rows
                for size in self.probes
            ]
        except ValueError as error:
            raise self.fault(error) from error
        names = [[(row.layer, row.kind) for row in rows] for rows in tables]
        if any(others != names[0] for others in names):
            raise self.fault("which layers it has depends on the size of the input")
        return list(zip(*tables, strict=True))

    def module(self, name, width=None):
        model = self.model(self.size, None, width)
        return model if name == "(model)" else model.get_submodule(name)


# Sides of maps.


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
        if sides in self.sides:
            return self.find(values) is not None
        if [sides[size] for size in self.network.probes] != values:
            return False
        if self.find(values) is not None:
            raise self.network.fault("the probes do not tell its grids apart")
        self.rules.append([parent, *rule])
        self.sides.append(sides)
        return True

    def follow(self, rows):
        """Add what this layer makes, if that is new."""
        layer = self.network.module(rows[0].layer)
        name = rows[0].layer
        before, after = (self.varying(name, [shape(row) for row in rows]) for shape in SHAPES.values())
        if before:
            self.explain(before, rows[0])
        if not after:
            return
        if before and isinstance(layer, WINDOWS) and layer.padding != "same":
            windows = zip(*geometry(layer, (1,) * grid_axes(layer)), strict=True)
            ceil = [1] if getattr(layer, "ceil_mode", False) else []
            parent = self.find(before)
            if not all(self.add([d * (k - 1) + 1, s, p, *ceil], parent, after) for k, s, p, d in windows):
                raise self.network.fault(f"{rows[0].layer} does not make {after} of {before}")
        self.explain(after, rows[0])

    def explain(self, values, row):
        """Sides that no known layer made come from a function: one step from a grid that is known."""
        known = self.find(values) is not None or self.tokens(values)
        if not (
            known or any(self.add(rule, grid, values) for rule in UNSEEN for grid in range(len(self.rules)))
        ):
            raise self.network.fault(f"no formula for the sides {values} at {row.layer} ({row.kind})")

    def varying(self, name, shapes):
        """The side of square maps at the probes; None if it is the same for all, or they are no maps."""
        if shapes[0] is None or len(shapes[0]) != 4:
            return None
        varying = {axis for axis in zip(*shapes, strict=True) if len(set(axis)) > 1}
        if len(varying) > 1:
            raise self.network.fault(f"the two sides of the maps of {name} differ: {shapes[0]}")
        return list(varying.pop()) if varying else None

    def tokens(self, values, first=()):
        """[g, c₀, c₁, …] with Σ cⱼ nʲ = values, n the cells of grid g, `first` of these; None if there is none."""
        for grid in (*first, *range(len(self.rules))):
            polynomial = fitted([side**2 for side in self.at_probes(grid)], values)
            if polynomial:
                return [grid, *polynomial]
        return None


def fitted(n, values):
    """[c₀, c₁(, c₂)], whole numbers with values = Σ cⱼ nʲ everywhere; None if there are none."""
    points = dict(zip(n, values, strict=True))
    for degree in (1, 2):
        chosen = dict(islice(points.items(), degree + 1))
        if len(chosen) > degree:
            polynomial = through(chosen, range(degree + 1))
            if polynomial and all(
                evaluated(polynomial, x) == value for x, value in zip(n, values, strict=True)
            ):
                return polynomial
    return None


def evaluated(polynomial, n):
    return sum(c * n**power for power, c in enumerate(polynomial))


def through(points, powers):
    """The whole coefficients of these powers of n, at those places, that go through the points; None if there are none.

    By elimination: one equation Σ cⱼ nʲ = value a point.
    """
    rows = [[*(Fraction(n) ** power for power in powers), Fraction(value)] for n, value in points.items()]
    for at in range(len(rows)):
        pivot = next((row for row in rows[at:] if row[at]), None)
        if pivot is None:
            return None
        rows.remove(pivot)
        pivot = [value / pivot[at] for value in pivot]
        rows = [[a - row[at] * b for a, b in zip(row, pivot, strict=True)] for row in rows]
        rows.insert(at, pivot)
    solution = {power: row[-1] for power, row in zip(powers, rows, strict=True)}
    if any(c.denominator != 1 for c in solution.values()):
        return None
    return [int(solution.get(power, 0)) for power in range(max(powers) + 1)]


# Numbers as formulas.

INPUT, OUTPUT, FIELD = 4, 5, 9  # their places in a form
SHAPES = {INPUT: lambda row: row.input_shape, OUTPUT: lambda row: row.output_shape}
COUNTS = {
    6: lambda row: row.parameters,
    7: lambda row: row.multiply_adds,
    8: lambda row: row.activation_bytes,
}
PLACES = {INPUT: "input", OUTPUT: "output", 6: "parameters", 7: "multiply-adds", 8: "memory"}


def described(network, grids, rows, grown, width):
    """A layer as a form whose numbers are still in their places; `grown` are its rows with more classes."""
    layer, first = network.module(rows[0].layer, width), rows[0]
    form = [None, first.kind, settings_of(layer, first), getattr(layer, "groups", 1), *[None] * 6]

    def formula(values, place, sides=False):
        if len(set(values)) == 1:
            return values[0]
        grid = grids.find(values) if sides else None
        found = grids.tokens(values, used(form)) if grid is None else -1 - grid
        if found is None:
            what = f"the {PLACES[place]} of {first.layer} ({first.kind})"
            raise network.fault(f"no formula for {what}: {values} at {network.probes}")
        return found

    def number(read, place, sides=False):
        values, more = [read(row) for row in rows], [read(row) for row in grown]
        if values == more:
            return formula(values, place, sides)
        slopes = [slope_of(network, *pair, first.layer) for pair in zip(values, more, strict=True)]
        start = [value - slope * network.classes for value, slope in zip(values, slopes, strict=True)]
        return {"K": [formula(start, place), formula(slopes, place)]}

    for place, read in SHAPES.items():
        if read(first) is not None:
            axes = range(len(read(first)))
            sides = [number(lambda row, axis=axis, read=read: read(row)[axis], place, True) for axis in axes]
            form[place] = sides[1:] if sides[0] == 1 else sides
    for place, read in COUNTS.items():
        form[place] = number(read, place)
    form[FIELD] = field_of(network, grids, rows)
    return form


def used(form):
    """The grids on which a layer writes and reads."""
    axes = [axis for place in (OUTPUT, INPUT) for axis in form[place] or [] if not isinstance(axis, dict)]
    grids = [
        axis[0] if isinstance(axis, list) else -1 - axis
        for axis in axes
        if isinstance(axis, list) or axis < 0
    ]
    return list(dict.fromkeys(grids))


def slope_of(network, value, more, layer):
    slope, rest = divmod(more - value, MORE_CLASSES)
    if rest:
        raise network.fault(f"the numbers of {layer} do not grow evenly with the classes")
    return slope


def field_of(network, grids, rows):
    """A receptive field: a number, a blank, or what an adaptive pooling before made of the side of a grid."""
    values = tuple(row.receptive_field for row in rows)
    if any(isinstance(value, tuple) for value in values):
        raise network.fault(f"{rows[0].layer} sees farther along one side than along the other: {values}")
    if len(set(values)) == 1:
        return values[0]
    if isinstance(network.module(rows[0].layer), ADAPTIVE_POOLS):
        network.pooled[values] = pooled_field(grids, rows)
    if values not in network.pooled or at_sides(grids, network.pooled[values]) != values:
        raise network.fault(f"no formula for the field of {rows[0].layer}: {values} at {network.probes}")
    return network.pooled[values]


def pooled_field(grids, rows):
    """Windows of n/out pixels, side by side: r + (n/out − 1) · j, where each of n pixels sees r, the next is j away."""
    row = next(row for row in rows if row.receptive_field is not None)
    out = row.output_shape[-1]
    window = row.input_shape[-1] // out
    jump = row.jump // window
    grid = grids.find([row.input_shape[-1] for row in rows])
    return {"F": [row.receptive_field - window * jump, jump, grid, out]}


def at_sides(grids, field):
    start, slope, grid, out = field["F"]
    return tuple(None if side % out else start + slope * side // out for side in grids.at_probes(grid))


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


def categorized(network, forms, names):
    """Put each layer's category into its form. Attention is what makes products of its own, and all inside of it."""
    attention = [name for name, form in zip(names, forms, strict=True) if form[1].endswith(OWN_PRODUCTS)]
    order = list(CATEGORIES)
    for name, form in zip(names, forms, strict=True):
        layer = network.module(name)
        kind = next(kind for kind, classes in CATEGORIES.items() if isinstance(layer, classes))
        if any(name == other or name.startswith(f"{other}.") for other in attention):
            kind = "attention"
        if kind == "other" and form[7]:
            raise network.fault(f"{name} ({form[1]}) multiplies, and no category is for it")
        form[0] = order.index(kind)


# The file.


def exported(name):
    """A network of `models.names()` → its entry."""
    size = on_meta(name).published_size
    first, *others = legal_sizes(name)
    network = Network(name, first, size)
    return {
        "family": module_of(name).__name__.rpartition(".")[2], "size": size,
        "channels": network.channels, "classes": network.classes, "any_classes": network.more_classes is not None,
        "widths": [width for width in network.widths if width is not None],
        **formulas(network), "others": [formulas(Network(name, legal, legal[0])) for legal in others],
    }  # fmt: skip


def module_of(name):
    builder = BUILDERS[name]
    while isinstance(builder, partial):
        builder = builder.func
    return sys.modules[builder.__module__]


def family_of(name):
    """{family: [title, idea]}, from the first line of its file."""
    module = module_of(name)
    title, _, idea = inspect.getdoc(module).splitlines()[0].partition(": ")
    return {module.__name__.rpartition(".")[2]: [title, idea]}


def formulas(network):
    """What holds at all sizes of the network, with forms in place of their numbers."""
    grids, widths = Grids(network), []
    for width in network.widths:
        layers = network.layers(None, width)
        grown = network.layers(network.more_classes, width) if network.more_classes else layers
        for rows in layers:
            grids.follow(rows)
        forms = [described(network, grids, *pair, width) for pair in zip(layers, grown, strict=True)]
        names = [rows[0].layer for rows in layers]
        categorized(network, forms, names)
        widths.append(forms)
    types, rows = shared(names, zip(*widths, strict=True))
    return {"sizes": ranges(network.legal), "grids": grids.rules, "types": types, "rows": rows}


def ranges(numbers):
    """[3, 8, 10, 12] → [[3, 3, 1], [8, 12, 2]]"""
    found = []
    for number in numbers:
        last = found[-1] if found else None
        if last and last[0] == last[1]:
            last[1:] = [number, number - last[0]]
        elif last and number - last[1] == last[2]:
            last[1] = number
        else:
            found.append([number, number, 1])
    return found


def shared(names, layers):
    """For each layer its forms at all widths → the distinct ones as types, and rows that name them."""
    types, rows, before = {}, [], ""
    for name, widths in zip(names, layers, strict=True):
        number = types.setdefault(json.dumps(template(widths)), len(types))
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, name, strict=False)))
        rows.append([alike, name[alike:], number])
        before = name
    return [json.loads(key) for key in types], rows


def template(widths):
    """The same tree at several widths → one tree with "#" where they differ, and their numbers there, in order."""
    if len(set(map(json.dumps, widths))) == 1:
        return widths[0], [[] for _ in widths]
    if all(isinstance(tree, list) for tree in widths) and len(set(map(len, widths))) == 1:
        parts = [template(branch) for branch in zip(*widths, strict=True)]
        return [part for part, _ in parts], joined([numbers for _, numbers in parts])
    if all(isinstance(tree, dict) and "K" in tree for tree in widths):
        form, numbers = template([tree["K"] for tree in widths])
        return {"K": form}, numbers
    return "#", [[number] for number in widths]


def joined(parts):
    return [[number for part in at_one_width for number in part] for at_one_width in zip(*parts, strict=True)]


def made(names, known):
    """The file's contents: these networks anew, the others as they are `known`."""
    families, networks, forms = {}, {}, {}
    for name in models.names():
        if name in names or name not in known.get("networks", {}):
            print(name, flush=True)
            entry = exported(name)
        else:
            entry = known["networks"][name]
            for part in (entry, *entry["others"]):
                part["types"] = [[known["forms"][form], numbers] for form, numbers in part["types"]]
        for part in (entry, *entry["others"]):
            part["types"] = [
                [forms.setdefault(compact(form), len(forms)), numbers] for form, numbers in part["types"]
            ]
        networks[name] = entry
        families |= family_of(name)
    return {
        "largest": LARGEST, "categories": list(CATEGORIES), "families": families,
        "forms": [json.loads(form) for form in forms], "networks": networks,
    }  # fmt: skip


def written(contents):
    """As text: a line for each form and each network."""
    lines = {"forms": [], "networks": []}
    lines["forms"] = [compact(form) for form in contents["forms"]]
    lines["networks"] = [f"{compact(name)}: {compact(entry)}" for name, entry in contents["networks"].items()]
    parts = [f"{compact(key)}: {compact(value)}" for key, value in contents.items() if key not in lines]
    brackets = {"forms": "[]", "networks": "{}"}
    for key, (start, end) in brackets.items():
        parts.append(f"{compact(key)}: {start}\n" + ",\n".join(lines[key]) + f"\n{end}")
    return "{" + ",\n".join(parts) + "}\n"


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks to measure anew (default: all)")
    names = parser.parse_args(arguments).names
    known = json.loads(FILE.read_text(encoding="utf-8")) if names and FILE.exists() else {}
    FILE.write_text(written(made(names or models.names(), known)), encoding="utf-8")


if __name__ == "__main__":
    main()
