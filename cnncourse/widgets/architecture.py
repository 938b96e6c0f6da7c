"""ArchitectureExplorer: the layers of any network as blocks, what each costs, and a map of all networks."""

import json
from functools import cache

import traitlets

from .explorer import FOLDER, Checked, Explorer, number, one_of, whole

SETTINGS = ("model", "input_size", "width", "classes")
CLASSES = (1, 100_000)
BARS = ("multiply_adds", "parameters", "activation_bytes")


@cache
def load_networks():
    """What `tools/make_networks.py` wrote, as the module reads it: every network as formulas of its input's size."""
    return json.loads((FOLDER / "js/architecture/networks.json").read_text(encoding="utf-8"))


def entry_of(model):
    return load_networks()["networks"][model]


def formulas_for(model, size):
    """The part of the entry that holds for inputs of this size; None where the network takes none such."""
    entry = entry_of(model)
    return next(
        (part for part in (entry, *entry["others"]) if any(size in sides(span) for span in part["sizes"])),
        None,
    )


def sides(span):
    first, last, step = span
    return range(first, last + 1, step)


@cache
def layer_names(model):
    """The names of the layers, in the order in which they run."""
    names, name = [], ""
    for alike, rest, _ in entry_of(model)["rows"]:
        name = name[:alike] + rest
        names.append(name)
    return names


def published(model):
    """The settings of a network as it was published."""
    entry = entry_of(model)
    width = entry["widths"][0] if entry["widths"] else 1.0
    return {"model": model, "input_size": entry["size"], "width": width, "classes": entry["classes"]}


# --- checks -----------------------------------------------------------------------------------------------------


def check_model(name, value):
    return one_of(name, value, tuple(load_networks()["networks"]))


def check_size(name, value, model):
    size = whole(name, value, 1)
    if formulas_for(model, size) is None:
        raise traitlets.TraitError(f"{name} of {model} must be {legal_text(model)}, got {value!r}")
    return size


def check_width(name, value, model):
    allowed = sorted(entry_of(model)["widths"]) or [1.0]
    width = number(name, value, 0, float("inf"))
    if width not in allowed:
        listed = ", ".join(f"{each:g}" for each in allowed)
        raise traitlets.TraitError(f"{name} of {model} must be one of {listed}, got {value!r}")
    return width


def check_classes(name, value, model):
    classes, entry = whole(name, value, *CLASSES), entry_of(model)
    if not entry["any_classes"] and classes != entry["classes"]:
        raise traitlets.TraitError(f"{name} of {model} must be {entry['classes']}, got {value!r}")
    return classes


CHECKS = {"input_size": check_size, "width": check_width, "classes": check_classes}


def check_network(name, value):
    """None, a network's name, or a dict with `model` and any of its settings → None, or a dict with all of them."""
    if value is None:
        return None
    given = {"model": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or "model" not in given:
        raise traitlets.TraitError(
            f"{name} must be the name of a network or a dict such as {{'model': 'resnet18', 'input_size': 160}}, "
            f"got {value!r}"
        )
    unknown = sorted(set(given) - set(SETTINGS))
    if unknown:
        raise traitlets.TraitError(
            f"{name} does not know {', '.join(unknown)}; it knows {', '.join(SETTINGS)}"
        )
    model = check_model(f"{name}: model", given["model"])
    settings = published(model) | given
    return {"model": model} | {
        key: check(f"{name}: {key}", settings[key], model) for key, check in CHECKS.items()
    }


def legal_text(model):
    """28 or from 32 to 640"""
    entry = entry_of(model)
    spans = sorted(span for part in (entry, *entry["others"]) for span in part["sizes"])
    words = [
        f"{first}"
        if first == last
        else f"from {first} to {last}" + (f" in steps of {step}" if step > 1 else "")
        for first, last, step in spans
    ]
    return " or ".join(words)


def check_path(name, value, settings):
    """A layer's name, the beginning of one, or "" → itself; a number after # tells apart those that come back."""
    if not isinstance(value, str):
        raise traitlets.TraitError(f"{name} must be the name of a layer, got {value!r}")
    path = value.partition("#")[0]
    names = layer_names(settings["model"]) if settings else []
    if path and not any(layer == path or layer.startswith(f"{path}.") for layer in names):
        network = settings["model"] if settings else "a second network"
        raise traitlets.TraitError(
            f"{name} must be a layer of {network} or the beginning of its name, got {value!r}"
        )
    return value


class ArchitectureExplorer(Explorer):
    """The layers of a network as blocks, as high as their maps and as wide as their channels, and what each costs.

    ArchitectureExplorer(model="resnet50", input_size=160, second="resnet18")

    model        a name of `models.names()`
    input_size   the side of the images in pixels; the network's own unless given
    width        how many times as many channels as published, where the network has that option
    classes      1 … 100,000; the network's own unless given
    second       None, or a network to compare with: a name, or a dict with "model" and any of the other three
    opened       [path, path]: the part of each network whose layers are shown; "" shows all of it
    layer        None, or [0 or 1, path]: the network and the layer, or part, that is held; None: the costliest
    bars         "multiply_adds", "parameters" or "activation_bytes": what hangs below the blocks

    Paths are names of layers and their beginnings: "stage1", "stage1.0", "stage1.0.residual.unit1.conv". All are synced
    traits: each can be set, observed and linked while the widget is shown. A value that does not fit raises
    `TraitError`. With a new model, what was the old one's own becomes the new one's own, and so does what it does not
    take. `table()` is `measure.table` of the network shown, and what the explorer shows equals it.
    """

    module = "architecture"
    later = ("input_size", "width", "classes", "second", "opened", "layer")

    model = Checked(check_model)
    input_size = traitlets.Any().tag(sync=True, explorer=True)
    width = traitlets.Any().tag(sync=True, explorer=True)
    classes = traitlets.Any().tag(sync=True, explorer=True)
    second = Checked(check_network, default=None)
    opened = traitlets.Any().tag(sync=True, explorer=True)
    layer = traitlets.Any(None).tag(sync=True, explorer=True)
    bars = Checked(one_of, BARS, default="multiply_adds")

    # --- defaults and checks

    @traitlets.default("model")
    def _first_model(self):
        return next(iter(load_networks()["networks"]))

    @traitlets.default("input_size")
    def _own_size(self):
        return published(self.model)["input_size"]

    @traitlets.default("width")
    def _own_width(self):
        return published(self.model)["width"]

    @traitlets.default("classes")
    def _own_classes(self):
        return published(self.model)["classes"]

    @traitlets.default("opened")
    def _nothing_opened(self):
        return ["", ""]

    @traitlets.validate(*CHECKS)
    def _check_setting(self, proposal):
        name = proposal["trait"].name
        return CHECKS[name](name, proposal["value"], self.model)

    @traitlets.validate("opened")
    def _check_opened(self, proposal):
        opened = proposal["value"]
        if not isinstance(opened, list | tuple) or len(opened) != 2:
            raise traitlets.TraitError(f"opened must be a pair of paths, got {opened!r}")
        return [
            check_path(f"opened[{which}]", path, self._settings(which)) for which, path in enumerate(opened)
        ]

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        layer = proposal["value"]
        if layer is None:
            return None
        if not isinstance(layer, list | tuple) or len(layer) != 2:
            raise traitlets.TraitError(f"layer must be None or a pair [0 or 1, path], got {layer!r}")
        which = whole("layer[0]", layer[0], 0, 1)
        return [which, check_path("layer[1]", layer[1], self._settings(which))]

    # --- traits that follow one another

    @traitlets.observe("model")
    def _settings_follow_model(self, change):
        old = change["old"] if change["old"] in load_networks()["networks"] else change["new"]
        before, own = published(old), published(change["new"])
        for name, check in CHECKS.items():
            value = getattr(self, name)
            if value == before[name] or not passes(check, name, value, change["new"]):
                setattr(self, name, own[name])

        self._paths_follow()

    @traitlets.observe("second")
    def _paths_follow_second(self, change):
        self._paths_follow()

    def _paths_follow(self):
        if not all(
            passes(check_path, "opened", path, self._settings(which))
            for which, path in enumerate(self.opened)
        ):
            self.opened = ["", ""]
        if self.layer and not passes(check_path, "layer", self.layer[1], self._settings(self.layer[0])):
            self.layer = None

    def _settings(self, which):
        return {name: getattr(self, name) for name in SETTINGS} if which == 0 else self.second

    # --- results

    def table(self, which=0):
        """The network shown, or with which=1 the second, as `measure.table` measures it, without computing anything."""
        settings = self._settings(whole("which", which, 0, 1 if self.second else 0))
        return measured_table(*settings.values())

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        return " ".join(
            [self._told(which) for which in range(2 if self.second else 1)]
            + [
                f"Below, a map of {len(load_networks()['networks'])} networks, parameters against multiply-adds."
            ]
        )

    def _told(self, which):
        settings, table = self._settings(which), self.table(which)
        costliest = max(table, key=lambda row: row.multiply_adds)
        layers = sum(row.output_shape is not None for row in table)
        side, width = settings["input_size"], settings["width"]
        wide = "" if width == published(settings["model"])["width"] else f", its width times {width:g}"
        return (
            f"The {layers} layers of {settings['model']}{wide} as blocks, for images of {side} × {side} pixels and "
            f"{settings['classes']:,} classes: {table.parameters:,} parameters and {table.multiply_adds:,} "
            f"multiply-adds. The costliest layer, {costliest.layer}, has {costliest.multiply_adds:,}."
        )


def passes(check, *arguments):
    try:
        check(*arguments)
    except traitlets.TraitError:
        return False
    return True


@cache
def measured_table(model, input_size, width, classes):
    import torch

    from cnncourse import measure, models

    entry = entry_of(model)
    changes = {"width": width} if entry["widths"] else {}
    with torch.device("meta"):
        network = models.build(model, classes, image_size=input_size, **changes)
    return measure.table(network, (1, entry["channels"], input_size, input_size))
