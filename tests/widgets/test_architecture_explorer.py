"""ArchitectureExplorer in Python and its arithmetic: every network is what `measure` says, at any legal settings."""

import json

import make_networks
import pytest
import size_formulas
import torch
import traitlets
from torch import nn

from cnncourse import measure, models
from cnncourse.models.parts import Network
from cnncourse.widgets import ArchitectureExplorer
from cnncourse.widgets.architecture import entry_of, formulas_for, load_networks, published
from cnncourse.widgets.explorer import script

mini_racer = pytest.importorskip("py_mini_racer")


@pytest.fixture(scope="module")
def v8():
    """call(name, *arguments) → what a function of the explorer's JavaScript returns."""
    engine = mini_racer.MiniRacer()
    engine.eval(f"{script('common')}\n{script('architecture')}\n;0")
    return engine.call


def legal(name):
    entry = entry_of(name)
    spans = [span for part in (entry, *entry["others"]) for span in part["sizes"]]
    return sorted(size for first, last, step in spans for size in range(first, last + 1, step))


def three_settings(name):
    """As published; larger, with other classes and another width where that can be; the smallest input, the widest."""
    own, entry, sizes = published(name), entry_of(name), legal(name)
    larger = min(sizes, key=lambda size: abs(size - 1.37 * own["input_size"]))
    width = next((width for width in entry["widths"] if width != own["width"]), own["width"])
    widest = max(entry["widths"], default=own["width"])
    classes = own["classes"] + 3 if entry["any_classes"] else own["classes"]
    yield own
    yield {**own, "input_size": larger, "width": width, "classes": classes}
    yield {**own, "input_size": sizes[0], "width": widest}


def built(model, input_size, width, classes):
    changes = {"width": width} if entry_of(model)["widths"] else {}
    with torch.device("meta"):
        return models.build(model, classes, image_size=input_size, **changes)


def table_of(network, size):
    return measure.table(network, (1, network.in_channels, size, size))


def told(shape):
    """A shape as the explorer tells it: without the batch."""
    return None if shape is None else list(shape[1:] if shape[0] == 1 else shape)


# --- arithmetic -----------------------------------------------------------------------------------------------------


def test_all_networks_of_the_course_are_there():
    """Where this fails: python tools/make_networks.py NAME …"""
    assert list(load_networks()["networks"]) == models.names()


@pytest.mark.parametrize("name", models.names())
def test_every_network_is_what_measure_says_at_three_sizes(v8, name):
    for settings in three_settings(name):
        network, shown = built(**settings), v8("measured", settings)
        table = table_of(network, settings["input_size"])
        layers = {"(model)": network, **dict(network.named_modules())}
        rows = [
            {
                "name": row.layer, "kind": row.kind,
                "settings": size_formulas.settings_of(layers[row.layer], row),
                "groups": getattr(layers[row.layer], "groups", 1), "input": told(row.input_shape),
                "output": told(row.output_shape),
                "parameters": row.parameters, "multiply_adds": row.multiply_adds,
                "activation_bytes": row.activation_bytes, "receptive_field": row.receptive_field,
            } for row in table
        ]  # fmt: skip
        seen = [{key: layer[key] for key in row} for layer, row in zip(shown["layers"], rows, strict=True)]
        assert seen == rows, f"{settings}: if the network has changed, python tools/make_networks.py {name}"
        sums = ("parameters", "multiply_adds", "activation_bytes")
        assert [shown[what] for what in sums] == [getattr(table, what) for what in sums]


@pytest.mark.parametrize("name", models.names())
def test_legal_settings_are_those_that_can_be_built(name):
    entry, sizes, own = entry_of(name), legal(name), published(name)
    assert own["input_size"] in sizes and sizes[-1] == min(load_networks()["largest"], sizes[-1])
    edges = {first for part in (entry, *entry["others"]) for first, _, _ in part["sizes"]}
    for size in sorted({edge + step for edge in edges for step in (-1, 0)} - {0}):
        try:
            built(**{**own, "input_size": size})
        except ValueError:
            assert size not in sizes
        else:
            assert size in sizes
    assert bool(entry["widths"]) == ("width" in models.options(name))
    if entry["widths"]:
        with torch.device("meta"):
            as_published = models.build(name)
        shapes = [
            [parameter.shape for parameter in network.parameters()]
            for network in (built(**own), as_published)
        ]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "category", "rows"),
    [
        ("lenet5", "fully connected", {"f6", "output"}),
        ("lenet5", "pooling", {"s2", "s4"}),
        ("lenet5", "convolution", {"c1", "c3", "c5"}),
        ("resnet8", "fully connected", {"output"}),
        ("resnet8", "attention", set()),
    ],
)
def test_layers_are_counted_where_they_belong(v8, name, category, rows):
    place = load_networks()["categories"].index(category)
    layers = v8("measured", published(name))["layers"]
    assert {layer["name"] for layer in layers if layer["category"] == place} == rows


def test_lenets_convolutions_have_most_multiply_adds_and_it_is_known_by_hand(v8):
    """C1 28²·6·25, C3 10²·16·6·25, C5 120·16·25; F6 120·84, output 84·10."""
    network = v8("measured", published("lenet5"))
    convolutions = 28**2 * 6 * 25 + 10**2 * 16 * 6 * 25 + 120 * 16 * 25
    assert v8("sharesOf", network, "multiply_adds") == [convolutions, 0, 120 * 84 + 84 * 10, 0, 0]
    assert v8("sharesOf", network, "parameters") == [156 + 2_416 + 48_120, 0, 10_164 + 850, 0, 0]


def test_where_most_of_a_sum_sits_is_said_in_percent(v8):
    """LeNet-5: 50,694 of 61,706 parameters and 405,600 of 416,520 multiply-adds are in its convolutions."""
    assert v8("whereSentence", v8("measured", published("lenet5"))).replace("\u00a0", " ") == (
        "Its parameters: convolutions 82 %, fully connected layers 18 %. "
        "Its multiply-adds: convolutions 97 %, fully connected layers 2.6 %."
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "< 0.1 %"), (0.0041, "0.4 %"), (0.0262, "2.6 %"), (0.3749, "37 %"), (0.9961, "99.6 %"),
     (0.9999, "> 99.9 %"), (1, "100 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_to_all(v8, share, text):
    assert v8("percent", share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("name", "wish", "nearest"),
    [("lenet5", 1, 28), ("lenet5", 29, 28), ("lenet5", 31, 32), ("lenet5", 5000, 640), ("lenet5", 40.4, 40),
     ("lenet5_1998", 224, 32), ("resnet18", -3, 1), ("cifar_cnn", 7, 8)],
)  # fmt: skip
def test_the_nearest_legal_size_is_taken(v8, name, wish, nearest):
    assert v8("nearestSize", name, wish) == nearest
    assert formulas_for(name, nearest)


# --- how a network falls into parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("most", [31, 72])
def test_parts_hold_every_layer_once_and_are_few_enough(v8, name, most):
    network = v8("measured", published(name))
    parts = v8("partsOf", network, "", most)
    called = [layer["name"] for layer in network["layers"] if layer["output"]]
    inside = [layer["name"] for part in parts for layer in part["layers"] if layer["output"]]
    assert sorted(inside) == sorted(called)
    assert len({part["path"] for part in parts}) == len(parts) >= 4
    assert len(parts) <= max(most, len({name.split(".")[0] for name in called}))


def test_parts_of_a_residual_network_are_its_blocks_and_open_into_layers(v8):
    network = v8("measured", published("resnet20"))
    assert [part["path"] for part in v8("partsOf", network, "", 14)] == [
        "stem", *(f"stage{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)), "pool", "output",
    ]  # fmt: skip
    opened = v8("partsOf", network, "stage2.0", 14)
    assert [part["path"].removeprefix("stage2.0.") for part in opened] == [
        "residual.unit1.conv", "residual.unit1.norm", "residual.unit1.activation",
        "residual.unit2.conv", "residual.unit2.norm", "shortcut",
    ]  # fmt: skip
    assert [(part["side"], part["channels"]) for part in opened] == [(16, 32)] * 6


def test_norms_and_activations_go_with_the_layer_that_is_nearest_by_name(v8):
    """After the convolution in a plain network, before it in one of pre-activation."""
    plain = v8("partsOf", v8("measured", published("lenet5")), "", 31)
    assert [[layer["name"] for layer in part["layers"]] for part in plain][:2] == [
        ["c1", "c1_activation"],
        ["s2"],
    ]
    parts = v8("partsOf", v8("measured", published("preact_resnet20")), "", 72)
    assert [layer["name"] for layer in parts[1]["layers"]] == ["stage1.0.norm", "stage1.0.residual.conv1"]


def test_families_are_told_as_their_files_tell_them():
    """Where this fails: python tools/make_networks.py lenet5, or any other name."""
    told = {}
    for name in models.names():
        told |= make_networks.family_of(name)
    assert load_networks()["families"] == told
    assert told["vgg"][0] == "VGG" and all(idea for _, idea in told.values())


# --- the exporter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "vit_tiny"])
def test_the_file_is_what_the_exporter_writes(name):
    known = load_networks()
    made = make_networks.made([name], json.loads(json.dumps(known)))
    assert made == known
    assert make_networks.written(made) == make_networks.FILE.read_text(encoding="utf-8")


class Cut(nn.Module):
    """x without its last three rows and columns, which no layer says."""

    def forward(self, x):
        return x[:, :, :-3, :-3]


class Cells(nn.Module):
    """As many numbers as the root of the pixels."""

    def forward(self, x):
        return x.flatten()[None, : int(x.numel() ** 0.5)]


class Sometimes(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.ReLU(), nn.Tanh()

    def forward(self, x):
        return self.one(x) if x.shape[-1] > 40 else self.other(x)


class Product(nn.Module):
    """A layer that multiplies, of a kind that is not known."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3, 1, 1))

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight)


def broken(*layers):
    def build(num_classes=10, in_channels=3):
        named = {f"l{place}": layer for place, layer in enumerate(layers)}
        return Network("broken", named, num_classes, in_channels, published_size=32, smallest=16)

    return build


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.Conv2d(3, 4, 3), Cut(), nn.ReLU()], r"broken: no formula for the sides \[27, .*\] at l1 \(Cut\)"),
        ([nn.Conv2d(3, 4, (3, 5)), nn.ReLU()], "broken: the two sides of the maps of l0 differ"),
        ([nn.Conv2d(3, 4, (3, 5), padding=(1, 2)), nn.ReLU()], "farther along one side than along the other"),
        ([Sometimes(), nn.Conv2d(3, 4, 3)], "broken: which layers it has depends on the size of the input"),
        ([nn.ConvTranspose2d(3, 4, 4), nn.ReLU()], r"broken: no formula for the sides .* at l0 \(ConvTranspose2d\)"),
        ([Cells(), nn.Identity()], r"broken: no formula for the output shape of l0 \(Cells\)"),
        ([Product(), nn.ReLU()], r"broken: l0 \(Product\) multiplies, and no category is for it"),
        ([nn.Conv2d(4, 4, 3), nn.ReLU()], "broken: the model cannot take an input of shape .*layer l0"),
    ],
)  # fmt: skip
def test_the_exporter_refuses_by_name_what_it_has_no_formula_for(monkeypatch, layers, words):
    monkeypatch.setitem(models.BUILDERS, "broken", broken(*layers))
    with pytest.raises(ValueError, match=words):
        make_networks.exported("broken")


def test_attention_is_what_multiplies_by_itself_and_all_inside(monkeypatch):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

        def forward(self, x):
            q, k, v = self.into(x).chunk(3, dim=-1)
            return self.out((q @ k.transpose(1, 2)).softmax(-1) @ v)

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Parameter(torch.zeros(1, 1, 8))

        def forward(self, x):
            return torch.cat([self.first, x.flatten(2).transpose(1, 2)], dim=1)

    layers = [nn.Conv2d(3, 8, 4, 4), Tokens(), Attention(), nn.Flatten(), nn.Linear(8 * 65, 10)]
    monkeypatch.setitem(models.BUILDERS, "broken", broken(*layers))
    monkeypatch.setattr(make_networks, "legal_sizes", lambda name: [[32]])
    entry = make_networks.exported("broken")
    names = ["l0", "l1", "l2.into", "l2.out", "l2", "l3", "l4"]
    kinds = [entry["types"][kind][0][0] for _, _, kind in entry["rows"]][: len(names)]
    assert names == make_names(entry)[: len(names)]
    assert [list(make_networks.CATEGORIES)[kind] for kind in kinds] == [
        "convolution", "other", "attention", "attention", "attention", "other", "fully connected",
    ]  # fmt: skip


def make_names(entry):
    names = [""]
    for alike, rest, _ in entry["rows"]:
        names.append(names[-1][:alike] + rest)
    return names[1:]


@pytest.mark.parametrize(
    ("n", "values", "polynomial"),
    [
        ([1, 4, 9, 25], [7 + 3 * n for n in (1, 4, 9, 25)], [7, 3]),
        ([1, 4, 9, 25], [(n + 1) ** 2 for n in (1, 4, 9, 25)], [1, 2, 1]),  # pairs of tokens
        ([1, 4, 9, 25], [n**3 for n in (1, 4, 9, 25)], None),
        ([1, 4, 9, 25], [1, 2, 3, 5], None),
        ([4, 4, 4, 4], [1, 1, 1, 2], None),
    ],
)
def test_polynomials_are_found_where_they_go_through_all_points(n, values, polynomial):
    assert size_formulas.fitted(n, values) == polynomial


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [([5], [[5, 5, 1]]), ([1, 2, 3], [[1, 3, 1]]), ([16, 32, 48], [[16, 48, 16]]),
     ([28, 32, 33, 34], [[28, 32, 4], [33, 34, 1]])],
)  # fmt: skip
def test_sizes_are_written_as_ranges(numbers, ranges):
    assert make_networks.ranges(numbers) == ranges
    assert [size for first, last, step in ranges for size in range(first, last + 1, step)] == numbers


# --- traits ---------------------------------------------------------------------------------------------------------


def settings_of(explorer):
    return {name: getattr(explorer, name) for name in ("model", "input_size", "width", "classes")}


def test_a_network_comes_as_published():
    explorer = ArchitectureExplorer(model="resnet50")
    assert settings_of(explorer) == {"model": "resnet50", "input_size": 224, "width": 1.0, "classes": 1000}
    assert (explorer.second, explorer.opened, explorer.layer) == (None, ["", ""], None)
    assert explorer.table().parameters == 25_557_032


def test_a_new_network_keeps_what_was_chosen_and_fits():
    explorer = ArchitectureExplorer(model="resnet50", input_size=160, width=0.5)
    explorer.model = "resnet18"
    assert settings_of(explorer) == {"model": "resnet18", "input_size": 160, "width": 0.5, "classes": 1000}
    explorer.model = "lenet5_1998"
    assert settings_of(explorer) == {"model": "lenet5_1998", "input_size": 32, "width": 1.0, "classes": 10}
    explorer.model = "resnet20"
    assert settings_of(explorer) == {"model": "resnet20", "input_size": 32, "width": 1.0, "classes": 10}


def test_what_was_the_old_networks_own_becomes_the_new_ones_own():
    explorer = ArchitectureExplorer(model="resnet50", classes=7)
    explorer.model = "resnet20"
    assert settings_of(explorer) == {"model": "resnet20", "input_size": 32, "width": 1.0, "classes": 7}


def test_paths_end_with_their_network():
    explorer = ArchitectureExplorer(
        model="resnet18", second="resnet20", opened=["stage2.1", "stage3"], layer=[1, "stage3.0"]
    )
    explorer.model = "resnet50"
    assert explorer.opened == ["stage2.1", "stage3"]  # which it has, too
    explorer.second = None
    assert (explorer.opened, explorer.layer) == (["", ""], None)


def test_a_second_network_may_be_a_name_or_settings():
    explorer = ArchitectureExplorer(second="resnet20")
    assert explorer.second == {"model": "resnet20", "input_size": 32, "width": 1.0, "classes": 10}
    explorer.second = {"model": "resnet20", "input_size": 48, "width": 2}
    assert explorer.second == {"model": "resnet20", "input_size": 48, "width": 2.0, "classes": 10}
    assert explorer.table(1).multiply_adds == table_of(built(**explorer.second), 48).multiply_adds
    with pytest.raises(traitlets.TraitError, match="which must be a whole number from 0 to 1, got 2"):
        explorer.table(2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (dict(model="resnet19"), "model must be one of lenet5, .*, got 'resnet19'"),
        (dict(model=18), "model must be one of"),
        (dict(model="lenet5", input_size=30), "input_size of lenet5 must be .*28.*640, got 30"),
        (dict(model="lenet5_1998", input_size=28), "input_size of lenet5_1998 must be 32, got 28"),
        (dict(model="resnet18", input_size=0), "input_size must be a whole number from 1, got 0"),
        (dict(model="resnet18", input_size=22.5), "input_size must be a whole number from 1, got 22.5"),
        (dict(model="resnet18", width=0.3), "width of resnet18 must be one of 0.25, 0.5, 0.75, 1, 1.5, 2, got 0.3"),
        (dict(model="lenet5", width=2), "width of lenet5 must be one of 1, got 2"),
        (dict(model="resnet18", width="wide"), "width must be a number"),
        (dict(model="lenet5_1998", classes=9), "classes of lenet5_1998 must be 10, got 9"),
        (dict(classes=0), "classes must be a whole number from 1 to 100000, got 0"),
        (dict(second=3), "second must be the name of a network or a dict .*, got 3"),
        (dict(second={"model": "resnet20", "depth": 3}), "second does not know depth; it knows model, input_size"),
        (dict(second={"model": "resnet20", "width": 3}), "second: width of resnet20 must be one of .*, got 3"),
        (dict(model="resnet18", opened=["stage9", ""]), r"opened\[0\] must be a layer of resnet18 .*, got 'stage9'"),
        (dict(model="resnet18", opened=["stag", ""]), r"opened\[0\] must be a layer of resnet18 .*, got 'stag'"),
        (dict(opened=["", "stage1"]), r"opened\[1\] must be a layer of a second network"),
        (dict(opened="stage1"), "opened must be a pair of paths, got 'stage1'"),
        (dict(layer=[0, "c9"]), r"layer\[1\] must be a layer of lenet5 or the beginning of its name, got 'c9'"),
        (dict(layer=[2, "c1"]), r"layer\[0\] must be a whole number from 0 to 1, got 2"),
        (dict(layer="c1"), r"layer must be None or a pair \[0 or 1, path\], got 'c1'"),
        (dict(layer=[0, 1]), r"layer\[1\] must be the name of a layer, got 1"),
        (dict(bars="flops"), "bars must be one of multiply_adds, parameters, activation_bytes, got 'flops'"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(values, words):
    with pytest.raises(traitlets.TraitError, match=words):
        ArchitectureExplorer(**values)


def test_it_does_not_take_what_it_does_not_know():
    with pytest.raises(TypeError, match="ArchitectureExplorer does not know depth; it knows bars, classes"):
        ArchitectureExplorer(depth=3)
