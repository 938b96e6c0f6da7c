"""Every network of the course as formulas of its input's size and its classes, for the ArchitectureExplorer.

    python tools/make_networks.py                  all networks of `models.names()`; those that are gone are dropped
    python tools/make_networks.py resnet18 vgg16   these anew, the others as they are

`cnncourse.measure` measures each network at a few sizes, on the meta device. What it says is then written as formulas
that hold at all of them, see size_formulas.py; a network for which there are none is refused by name. The file:

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
from itertools import takewhile
from pathlib import Path

import torch
from size_formulas import WINDOWS, Grids, described
from torch import nn

from cnncourse import measure, models
from cnncourse.measure.layers import ADAPTIVE_POOLS, CONVOLUTIONS, SLIDING_POOLS
from cnncourse.models.families import BUILDERS

FILE = Path(__file__).resolve().parent.parent / "cnncourse/widgets/js/architecture/networks.json"
LARGEST = 640  # pixels; the largest published input is 600
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # offered, where they can be built, beside the network's own
# Pixels more than its own: however often a side is halved, some probe has a half left over.
PROBES = (0, 27, 5, 75, 31)
MORE_CLASSES = 7
CATEGORIES = {
    "convolution": CONVOLUTIONS, "pooling": (*SLIDING_POOLS, *ADAPTIVE_POOLS), "fully connected": (nn.Linear,),
    "attention": (nn.MultiheadAttention,), "other": (nn.Module,),
}  # fmt: skip
OWN_PRODUCTS = "(own products)"  # how `measure` marks what multiplies outside of layers, as attention does


def on_meta(name, size=None, classes=None, width=None):
    """Shapes and no numbers."""
    changes = {} if width is None else {"width": width}
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
                layer.extra_repr() for layer in on_meta(name, size).modules() if isinstance(layer, WINDOWS)
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
            self.models[key] = on_meta(self.name, *key)
        return self.models[key]

    def _builds(self, *settings):
        try:
            return self.model(self.size, *settings) is not None
        except ValueError:
            return False

    @cached_property
    def widths(self):
        """Those offered, its own first; None where it has no such option."""
        if "width" not in self.options:
            return [None]
        own = self.options["width"] or self._own_width()
        return [own, *(width for width in WIDTHS if width != own and self._builds(None, width))]

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
        return more if self._builds(more) else None

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

    def slope(self, value, more, layer):
        """How much a number of a layer grows with each class."""
        slope, rest = divmod(more - value, MORE_CLASSES)
        if rest:
            raise self.fault(f"the numbers of {layer} do not grow evenly with the classes")
        return slope


def categorized(network, forms, names):
    """Put each layer's category into its form. Attention is what makes products of its own, and all inside of it."""
    attention = [name for name, form in zip(names, forms, strict=True) if form["kind"].endswith(OWN_PRODUCTS)]
    for name, form in zip(names, forms, strict=True):
        layer = network.module(name)
        kind = next(kind for kind, classes in CATEGORIES.items() if isinstance(layer, classes))
        if any(name == other or name.startswith(f"{other}.") for other in attention):
            kind = "attention"
        if kind == "other" and form["multiply_adds"]:
            raise network.fault(f"{name} ({form['kind']}) multiplies, and no category is for it")
        form["category"] = list(CATEGORIES).index(kind)


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
        widths.append([list(form.values()) for form in forms])
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
        families |= family_of(name)
        if name in names or name not in known.get("networks", {}):
            print(name, flush=True)
            networks[name], read = exported(name), lambda form: form
        else:
            networks[name], read = known["networks"][name], known["forms"].__getitem__
        for part in (networks[name], *networks[name]["others"]):
            for kind in part["types"]:
                kind[0] = forms.setdefault(compact(read(kind[0])), len(forms))
    return {
        "largest": LARGEST, "categories": list(CATEGORIES), "families": families, "networks": networks,
        "forms": [json.loads(form) for form in forms],
    }  # fmt: skip


def written(contents):
    """As text: a line for each form and each network."""
    forms = ",\n".join(compact(form) for form in contents["forms"])
    networks = ",\n".join(compact({name: entry})[1:-1] for name, entry in contents["networks"].items())
    first = compact({key: contents[key] for key in ("largest", "categories", "families")})[:-1]
    return f'{first},\n"forms": [\n{forms}\n],\n"networks": {{\n{networks}\n}}}}\n'


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
