"""cnncourse.models.lenet against the paper's counts and table, torch's own layers, and arithmetic left visible."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnncourse import measure, models
from cnncourse.models import lenet, parts

ALL_CHANGES = [
    *[{"activation": name} for name in parts.ACTIVATIONS],
    {"pooling": "max"},
    {"normalization": "batch"},
    {"dropout": 0.5},
    {"initialization": "xavier", "activation": "sigmoid"},
    {"pooling": "max", "normalization": "batch", "dropout": 0.2, "activation": "relu"},
]


def images(model, count=4, seed=0):
    shape = count, model.in_channels, model.input_size, model.input_size
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def counts(model):
    return {
        row.layer: row.parameters for row in measure.table(model, images(model, 1).shape) if row.parameters
    }


def stages(model):
    return {row.layer: row.output_shape[1:] for row in measure.table(model, images(model, 1).shape)}


def copied(sequence, model):
    """The sequence with the model's weights, tensor by tensor in order."""
    for ours, theirs in zip(model.parameters(), sequence.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    return sequence


# What the tables say.


@pytest.mark.parametrize("side", [32, 28])
def test_counts_and_sizes_of_lenet5(side):
    model = models.build("lenet5", input_size=side)
    assert (
        counts(model)
        == {
            "c1": 6 * (25 + 1),
            "c3": 16 * (6 * 25 + 1),
            "c5": 120 * (16 * 25 + 1),
            "f6": 84 * (120 + 1),
            "output": 10 * (84 + 1),
        }
        == {"c1": 156, "c3": 2416, "c5": 48120, "f6": 10164, "output": 850}
    )
    assert measure.parameters(model).trainable == 61_706
    sizes = stages(model)
    assert [sizes[layer] for layer in ("c1", "s2", "c3", "s4", "c5", "f6", "output")] == [
        *[(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]
    ]


def test_the_28_pixel_form_can_be_asked_for_by_its_size():
    model = models.build("lenet5", input_size=28)
    assert (model.name, model.input_size, model.c1.padding) == ("lenet5", 28, (2, 2))
    # Padding by 2 is a black frame: both forms give the same numbers.
    x, wide = images(model), models.build("lenet5")
    wide.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(x), wide(F.pad(x, (2, 2, 2, 2))))


def test_multiply_adds_of_lenet5():
    by_hand = 6 * 25 * 28**2 + 16 * 6 * 25 * 10**2 + 120 * 16 * 25 + 84 * 120 + 10 * 84
    assert measure.table(models.build("lenet5"), (1, 1, 32, 32)).multiply_adds == by_hand == 416_520


def test_counts_and_sizes_of_the_cifar_net():
    model = models.build("cifar_cnn")
    assert (
        counts(model)
        == {
            "c1": 32 * (3 * 25 + 1),
            "c3": 32 * (32 * 25 + 1),
            "c5": 64 * (32 * 25 + 1),
            "f7": 64 * (1024 + 1),
            "output": 10 * (64 + 1),
        }
        == {"c1": 2432, "c3": 25632, "c5": 51264, "f7": 65600, "output": 650}
    )
    assert measure.parameters(model).trainable == 145_578
    sizes = stages(model)
    assert [sizes[layer] for layer in ("c1", "s2", "c3", "s4", "c5", "s6", "flatten", "f7")] == [
        *[(32, 32, 32), (32, 16, 16), (32, 16, 16), (32, 8, 8), (64, 8, 8), (64, 4, 4), (1024,), (64,)]
    ]


def test_batch_normalization_adds_two_numbers_a_map():
    assert measure.parameters(models.build("lenet5", normalization="batch")).trainable == 61_706 + 284
    assert measure.parameters(models.build("cifar_cnn", normalization="batch")).trainable == 145_578 + 256
    order = [name for name, _ in models.build("lenet5", normalization="batch").named_children()]
    assert order[:4] == ["c1", "c1_norm", "c1_activation", "s2"]


@pytest.mark.parametrize(("name", "side", "units"), [
    ("lenet5", 64, 120 * 9**2),  # 64 → 60 → 30 → 26 → 13 → 9
    ("lenet5", 33, 120 * 1**2),  # 33 → 29 → 14 → 10 → 5 → 1
    ("cifar_cnn", 64, 64 * 8**2),
    ("cifar_cnn", 28, 64 * 3**2),  # 28 → 14 → 7 → 3
])  # fmt: skip
def test_networks_take_other_sizes_and_only_the_first_full_layer_grows(name, side, units):
    model, paper = models.build(name, image_size=side), models.build(name)
    assert model.input_size == side and model(images(model)).shape == (4, 10)
    first = "f6" if name == "lenet5" else "f7"
    assert getattr(model, first).in_features == units
    assert counts(model) | {first: 0} == counts(paper) | {first: 0}


def test_a_network_is_its_head_over_its_features():
    for name, width in (("lenet5", 84), ("lenet5_1998", 84), ("cifar_cnn", 64)):
        model = models.build(name)
        assert model.features(images(model)).shape == (4, width) and model.head is model.output
        assert torch.equal(model.head(model.features(images(model))), model(images(model)))
        assert type(model[:3]) is nn.Sequential and model[0] is model.c1


# The same network, written out.


def test_lenet5_equals_a_network_written_out():
    model = models.build("lenet5")
    sequence = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    torch.testing.assert_close(model(images(model)), copied(sequence, model)(images(model)))


def test_d2ls_lenet_equals_a_network_written_out():
    model = models.build(
        "lenet5", image_size=28, activation="sigmoid", pooling="max", initialization="xavier"
    )
    sequence = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    )
    for ours, theirs in zip(model.parameters(), sequence.parameters(), strict=True):
        theirs.data.copy_(
            ours.data.reshape(theirs.shape)
        )  # C5's kernel as a matrix: (120, 16, 5, 5) → (120, 400)
    torch.testing.assert_close(model(images(model)), sequence(images(model)))


def test_the_cifar_net_equals_a_network_written_out():
    model = models.build("cifar_cnn", num_classes=7, normalization="batch").eval()
    sequence = nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 7)),
    ).eval()
    torch.testing.assert_close(model(images(model)), copied(sequence, model)(images(model)))


def test_dropout_stands_before_every_fully_connected_layer():
    model = models.build("lenet5", dropout=0.3)
    order = [name for name, _ in model.named_children()]
    assert order[-5:] == ["f6_dropout", "f6", "f6_activation", "output_dropout", "output"]
    assert model.f6_dropout.p == model.output_dropout.p == 0.3
    plain = models.build("lenet5")
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.eval()(images(model)), plain(images(model)))


def test_xavier_weights_stay_within_glorots_bound():
    model = models.build("lenet5", initialization="xavier")
    for layer, fan_in, fan_out in [(model.c3, 6 * 25, 16 * 25), (model.f6, 120, 84)]:
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.95 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize("changes", ALL_CHANGES, ids=str)
@pytest.mark.parametrize("name", ["lenet5", "cifar_cnn"])
def test_every_option_trains_one_step(name, changes):
    check_that_it_learns(models.build(name, **changes))


def test_the_1998_network_trains_one_step():
    check_that_it_learns(models.build("lenet5_1998"))


def check_that_it_learns(model):
    torch.manual_seed(0)
    x, labels = images(model, 8), torch.arange(8)
    before = copy.deepcopy(list(model.parameters()))
    F.cross_entropy(model(x), labels).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    for (name, after), old in zip(model.named_parameters(), before, strict=True):
        # A bias in front of batch normalization cancels out: its gradient is 0 up to rounding.
        cancels = name.endswith(".bias") and hasattr(model, name.split(".")[0] + "_norm")
        assert after.grad is not None and after.grad.isfinite().all(), name
        assert cancels or (after.grad != 0).any(), name
        assert cancels or not torch.equal(after, old), name


def test_scaled_tanh_is_the_papers():
    f = parts.ScaledTanh()
    x = torch.linspace(-4, 4, 17, dtype=torch.float64)
    by_hand = [1.7159 * math.tanh(2 * value / 3) for value in x.tolist()]
    torch.testing.assert_close(f(x), torch.tensor(by_hand, dtype=torch.float64))
    assert f(torch.tensor(1.0)).item() == pytest.approx(1, abs=1e-4)


# The network of 1998.


def test_counts_and_sizes_of_1998():
    model = models.build("lenet5_1998")
    assert (
        counts(model)
        == {
            "c1": 6 * (25 + 1),
            "s2": 6 * 2,
            "c3": (6 * 3 + 9 * 4 + 1 * 6) * 25 + 16,
            "s4": 16 * 2,
            "c5": 120 * (16 * 25 + 1),
            "f6": 84 * (120 + 1),
        }
        == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    )
    assert measure.parameters(model).trainable == measure.parameters(model).total == 60_000
    sizes = stages(model)
    assert [sizes[layer] for layer in ("c1", "s2", "c3", "s4", "c5", "f6", "output")] == [
        *[(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]
    ]


# Table I as printed: a row is a map of S2, a column a map of C3.
TABLE_I = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""


def test_c3_reads_what_the_papers_table_says():
    table = torch.tensor([[mark == "X" for mark in row.split()] for row in TABLE_I.strip().split("\n")])
    assert table.sum() == 60
    c3 = models.build("lenet5_1998").c3
    assert torch.equal((c3.weight != 0).any(dim=(2, 3)), table.T)
    # What the maps do, not what the weights say: C3's map o changes with S2's map c, or it does not.
    x = torch.randn(1, 6, 14, 14, requires_grad=True)
    for o, maps in enumerate(c3(x)[0]):
        (slope,) = torch.autograd.grad(maps.sum(), x, retain_graph=True)
        assert torch.equal((slope[0] != 0).any(dim=(1, 2)), table[:, o]), o


def test_c3_stays_sparse_and_can_be_copied_and_loaded():
    model = models.build("lenet5_1998")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(images(model)), torch.arange(4)).backward()
        optimizer.step()
    assert (model.c3.weight != 0).sum() == 1500
    expected = model(images(model))
    fresh = models.build("lenet5_1998")
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(images(model)), expected)
    assert torch.equal(copy.deepcopy(model)(images(model)), expected)


def test_subsampling_is_a_learned_sum_of_four():
    layer = lenet.Subsampling(2)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.5, -1.0]))
        layer.bias.copy_(torch.tensor([0.25, 3.0]))
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 5.0]]]])
    assert layer(x).flatten().tolist() == [0.5 * (1 + 2 + 3 + 4) + 0.25, -1.0 * (1 + 1 + 1 + 5) + 3.0]


def test_outputs_are_negated_squared_distances():
    layer = lenet.RadialBasis(torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]))
    x = torch.tensor([[1.0, 0.5, -1.0], [0.0, 0.0, 0.0]])
    assert layer(x).tolist() == [
        [-(0**2 + 0.5**2 + 0**2), -(2**2 + 0.5**2 + 2**2)],
        [-(1 + 1 + 1), -(1 + 1 + 1)],
    ]


def test_a_drawing_is_nearest_to_itself():
    output = models.build("lenet5_1998").output
    drawings = output.bitmaps
    assert drawings.shape == (10, 7 * 12)
    assert set(drawings.unique().tolist()) == {-1.0, 1.0}
    scores = output(drawings)
    assert torch.equal(scores.argmax(1), torch.arange(10))
    assert (scores.diagonal() == 0).all()
    # Every other drawing differs in 6 pixels or more; a pixel of the wrong sign costs (1 − (−1))² = 4.
    assert (scores - scores.diagonal().diag() - 1e6 * torch.eye(10)).max() <= -6 * 4
    assert "output.bitmaps" not in dict(models.build("lenet5_1998").named_parameters())


def test_weights_of_1998_stay_within_the_papers_bound():
    torch.manual_seed(0)
    model = models.build("lenet5_1998")
    assert 0.9 * 2.4 / 25 < model.c1.weight.abs().max() <= 2.4 / 25
    assert 0.9 * 2.4 / 120 < model.f6.weight.abs().max() <= 2.4 / 120
    assert model.s4.coefficient.abs().max() <= 2.4 / 4
    for o, reads in enumerate((3,) * 6 + (4,) * 9 + (6,)):
        assert 0.9 * 2.4 / (25 * reads) < model.c3.weight[o].abs().max() <= 2.4 / (25 * reads)
