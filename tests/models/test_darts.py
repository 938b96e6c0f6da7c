"""cnncourse.models.darts against the counts of the authors' code, sums written out, and arithmetic left visible."""

import pytest
import torch
from torch import nn

from cnncourse import measure, models
from cnncourse.models import darts
from cnncourse.models.darts import Genotype

TINY = Genotype(
    normal=((("sep_conv_3x3", 0), ("skip_connect", 1)), (("dil_conv_3x3", 2), ("avg_pool_3x3", 0))),
    reduction=((("max_pool_3x3", 1), ("skip_connect", 0)), (("skip_connect", 2), ("sep_conv_3x3", 1))),
)
# Chen et al., "Progressive differentiable architecture search", ICCV 2019: it has 5×5 convolutions, too.
P_DARTS = Genotype(
    normal=(
        (("skip_connect", 0), ("dil_conv_3x3", 1)),
        (("skip_connect", 0), ("sep_conv_3x3", 1)),
        (("sep_conv_3x3", 1), ("sep_conv_3x3", 3)),
        (("sep_conv_3x3", 0), ("dil_conv_5x5", 4)),
    ),
    reduction=(
        (("avg_pool_3x3", 0), ("sep_conv_5x5", 1)),
        (("sep_conv_3x3", 0), ("dil_conv_5x5", 2)),
        (("max_pool_3x3", 0), ("dil_conv_3x3", 1)),
        (("dil_conv_3x3", 1), ("dil_conv_5x5", 3)),
    ),
)


def mini(**changes):
    torch.manual_seed(0)
    return models.build("darts_mini", in_channels=1, **changes)


def images(count=4, side=16):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def count(parameters):
    return sum(parameter.numel() for parameter in parameters)


# What the authors' code counts: the network of their search, and those trained with what was found on CIFAR-10.


def test_the_searched_network_has_the_authors_count():
    paper = darts.Config(nodes=4, cells=8, channels=16, operations=tuple(darts.OPERATIONS))
    with torch.device("meta"):
        model = darts.network("darts", paper, 10, 3)
    assert count(model.weight_parameters()) == 1_930_618
    # Nodes with 2, 3, 4 and 5 edges of 8 operations, for both kinds of cells.
    assert [tuple(alpha.shape) for alpha in model.architecture_parameters()] == [(2 + 3 + 4 + 5, 8)] * 2


@pytest.mark.parametrize(("genotype", "published"), [("darts_v2", 3_349_342), (P_DARTS, 3_433_798)])
def test_found_networks_have_the_authors_counts(genotype, published):
    with torch.device("meta"):
        model = models.build("darts_mini", genotype=genotype, cells=20, channels=36)
    assert measure.parameters(model).total == published
    assert model.architecture_parameters() == [] and count(model.weight_parameters()) == published


def test_sizes():
    with torch.device("meta"):
        table = measure.table(
            models.build("darts_mini", genotype="darts_v2", cells=20, channels=36), (1, 3, 32, 32)
        )
    sizes = {row.layer: row.output_shape[1:] for row in table.rows if row.output_shape}
    assert sizes["stem.conv"] == (3 * 36, 32, 32)
    assert [sizes[f"cells.{n}.last.conv"] for n in (5, 6, 7, 13, 14)] == [
        *[(36, 32, 32), (72, 32, 32), (72, 16, 16), (144, 16, 16), (144, 8, 8)]
    ]
    assert sizes["flatten"] == (4 * 144,)


# Operations.


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", darts.OPERATIONS)
def test_operations_keep_the_channels_and_divide_the_side(name, stride, affine):
    operation = darts.OPERATIONS[name](6, stride, affine)
    side = {1: (7, 10), 2: (4, 5)}[stride]
    assert operation(torch.randn(2, 6, 7, 10)).shape == (2, 6, *side)
    norms = [layer for layer in operation.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert all(norm.affine is affine for norm in norms)


def test_windows_of_the_operations():
    def window(name):
        operation = darts.OPERATIONS[name](1, 1, True).eval()
        x = torch.rand(1, 1, 15, 15, requires_grad=True)
        for layer in operation.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.ones_(layer.weight)
        (slope,) = torch.autograd.grad(operation(x)[0, 0, 7, 7], x)
        places = slope[0, 0].nonzero()
        return (places[-1] - places[0] + 1).tolist()[0], len(places)

    assert window("avg_pool_3x3") == (3, 9)
    assert window("dil_conv_3x3") == (5, 9) and window("dil_conv_5x5") == (9, 25)
    # Two convolutions behind each other: 3 + 2 and 5 + 4.
    assert window("sep_conv_3x3") == (5, 25) and window("sep_conv_5x5") == (9, 81)


def test_a_factorized_reduction_reads_every_other_pixel_twice():
    layer = darts.FactorizedReduction(1, 2, affine=True).eval()
    for conv in (layer.even, layer.odd):
        nn.init.ones_(conv.weight)
    scale = 1 / (1 + 1e-5) ** 0.5
    even = torch.arange(16.0).reshape(1, 1, 4, 4)
    torch.testing.assert_close(
        layer(even)[0], scale * torch.tensor([[[0.0, 2], [8, 10]], [[5, 7], [13, 15]]])
    )
    odd = torch.arange(9.0).reshape(1, 1, 3, 3)
    torch.testing.assert_close(layer(odd)[0], scale * torch.tensor([[[0.0, 2], [6, 8]], [[4, 0], [0, 0]]]))


# The relaxation.


def test_an_edge_is_the_weighted_sum_of_its_operations():
    names = ("none", "skip_connect", "avg_pool_3x3")
    edge = darts.Edge({name: darts.OPERATIONS[name](2, 1, True) for name in names})
    x = torch.randn(1, 2, 5, 5)
    pooled = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(edge(x, torch.tensor([0.5, 0.2, 0.3])), 0.2 * x + 0.3 * pooled)


def test_a_cell_is_what_its_plan_says():
    plan = [{0: ["skip_connect"], 1: ["avg_pool_3x3"]}, {2: ["skip_connect"], 0: ["max_pool_3x3"]}]
    cell = darts.Cell(3, 5, 4, plan, halved_before=True, halves=False, affine=True).eval()
    before, last = torch.randn(2, 3, 8, 8), torch.randn(2, 5, 4, 4)
    zero, one = cell.before(before), cell.last(last)
    two = zero + nn.functional.avg_pool2d(one, 3, 1, 1, count_include_pad=False)
    three = two + nn.functional.max_pool2d(zero, 3, 1, 1)
    torch.testing.assert_close(cell(before, last), torch.cat([two, three], dim=1))


def test_the_relaxed_network_becomes_the_discrete_one_where_alpha_decides():
    # α of +40 for the genotype's operations; edges that it lacks have "none".
    relaxed, discrete = mini(cells=3), mini(genotype=TINY, cells=3)
    place = {name: number for number, name in enumerate(relaxed.operations)}
    with torch.no_grad():
        for alpha, cell in zip(relaxed.architecture_parameters(), TINY, strict=True):
            alpha.fill_(-40)
            alpha[:, place["none"]] = 0
            for node, edges in enumerate(cell):
                for operation, source in edges:
                    alpha[sum(range(2, 2 + node)) + source, place[operation]] = 40
    assert as_sets(relaxed.genotype()) == as_sets(TINY)
    weights = relaxed.state_dict()
    for name, tensor in discrete.state_dict().items():
        if name in weights:
            tensor.copy_(weights[name])
    # In training mode, where norms without weights and fresh ones agree; poolings have no norm in the discrete network.
    for module in relaxed.modules():
        if isinstance(module, darts.Edge):
            for name in ("max_pool_3x3", "avg_pool_3x3"):
                module[name] = module[name][0]
    torch.testing.assert_close(relaxed(images()), discrete(images()), rtol=1e-4, atol=1e-4)


def as_sets(genotype):
    """The edges of each node in no order: these are equally strong."""
    return [[set(node) for node in cell] for cell in genotype]


def test_the_genotype_takes_the_two_strongest_edges_and_never_none():
    model = mini()
    assert model.operations[0] == "none" and model.operations[4] == "sep_conv_3x3"
    with torch.no_grad():
        for alpha in model.architecture_parameters():
            alpha.zero_()
            alpha[:, 0] = 9  # "none" wins everywhere, and is passed over
        # Node 2 has edges 0 and 1; of node 3's edges from 0, 1, 2 the first is the weakest.
        model.alpha_normal[:, 4] = torch.tensor([1.0, 2, 3, 5, 4])
    assert model.genotype().normal == (
        (("sep_conv_3x3", 1), ("sep_conv_3x3", 0)),
        (("sep_conv_3x3", 1), ("sep_conv_3x3", 2)),
    )
    # What counts is the softmax, in which a strong "none" makes an edge weak.
    with torch.no_grad():
        model.alpha_normal[3, 0] = 99
    assert model.genotype().normal[1] == (("sep_conv_3x3", 2), ("sep_conv_3x3", 0))


def test_both_groups_of_parameters_are_all_and_each_learns_by_itself():
    model = mini()
    weights, alphas = model.weight_parameters(), model.architecture_parameters()
    assert count(weights) + count(alphas) == count(model.parameters())
    assert alphas == [model.alpha_normal, model.alpha_reduction] and all(
        alpha.abs().max() < 0.01 for alpha in alphas
    )
    before = [tensor.clone() for tensor in model.parameters()]
    loss = nn.functional.cross_entropy(model(images(8)), torch.arange(8))
    loss.backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    torch.optim.SGD(alphas, lr=1.0).step()
    pairs = zip(model.named_parameters(), before, strict=True)
    changed = [name for (name, new), old in pairs if not torch.equal(new, old)]
    assert changed == ["alpha_normal", "alpha_reduction"]


def test_steps_of_alpha_lower_the_loss():
    model, x, labels = mini(), images(32), torch.arange(32) % 10
    optimizer, losses = torch.optim.SGD(model.architecture_parameters(), lr=1.0), []
    for _ in range(4):
        optimizer.zero_grad()
        losses.append(nn.functional.cross_entropy(model(x), labels))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]


# Options.


def test_a_genotype_can_be_written_in_a_recipe():
    lists = [[[list(edge) for edge in node] for node in cell] for cell in TINY]
    for written in (TINY, lists, {"normal": lists[0], "reduction": lists[1]}):
        assert mini(genotype=written).genotype() == TINY
    assert mini(genotype="darts_v2").genotype() is darts.GENOTYPES["darts_v2"]
    assert mini(genotype=mini().genotype())(images()).shape == (4, 10)


@pytest.mark.parametrize(
    ("cells", "halving"), [(2, [1]), (3, [1, 2]), (5, [1, 3]), (8, [2, 5]), (20, [6, 13])]
)
def test_cells_at_a_third_and_two_thirds_halve_the_side(cells, halving):
    with torch.device("meta"):
        model = models.build("darts_mini", genotype="darts_v2", cells=cells)
    assert [number for number, cell in enumerate(model.cells) if cell.halves] == halving


@pytest.mark.parametrize("changes", [{}, {"genotype": TINY}, {"genotype": "darts_v2", "cells": 5}], ids=str)
@pytest.mark.parametrize("side", [1, 9, 28])
def test_any_size_will_do(changes, side):
    model = mini(channels=3, **changes)
    x = torch.randn(2, 1, side, side + 2)
    assert model(x).shape == (2, 10) and torch.equal(model.eval().head(model.features(x)), model(x))


@pytest.mark.parametrize(("changes", "error", "words"), [
    ({"genotype": "darts_v3"}, ValueError, "genotype must be one of darts_v2, got 'darts_v3'"),
    ({"genotype": TINY.normal}, ValueError, "genotype must be a normal and a reduction cell"),
    ({"genotype": 3}, ValueError, "genotype must be a normal and a reduction cell.*got 3"),
    ({"genotype": ((), ())}, ValueError, "genotype must be a normal and a reduction cell"),
    ({"genotype": {"normal": TINY.normal, "reduce": TINY.reduction}}, ValueError, "genotype must be a normal and"),
    ({"genotype": (((("skip_connect", 0), ("skip_connect", 2)),),) * 2}, ValueError, "genotype must be"),
    ({"genotype": (((("skip_connect", 1), ("skip_connect", 1)),),) * 2}, ValueError, "genotype must be"),
    ({"genotype": (((("conv", 0), ("skip_connect", 1)),),) * 2}, ValueError, "genotype must be"),
    ({"genotype": (((("skip_connect", 0),),),) * 2}, ValueError, "genotype must be"),
    ({"cells": 1}, ValueError, "cells must be at least 2, got 1"),
    ({"channels": 1}, ValueError, "channels must be at least 2, got 1"),
    ({"channels": 2.5}, TypeError, "channels must be an integer, got 2.5"),
])  # fmt: skip
def test_bad_arguments_are_one_sentence(changes, error, words):
    with pytest.raises(error, match=words):
        mini(**changes)
