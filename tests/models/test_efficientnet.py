"""cnncourse.models.efficientnet against the paper's tables, torchvision's networks, and arithmetic left visible."""

import pytest
import torch
import torchvision
from networks import on_meta, stirred
from test_mobilenet import copied
from test_resnet import sizes
from torch import nn
from torch.nn.functional import silu
from torchvision.models import efficientnet as theirs_file
from torchvision.ops import StochasticDepth

from cnncourse import measure, models
from cnncourse.models import efficientnet
from cnncourse.models.mobilenet import InvertedResidual, Stage

PUBLISHED = {
    f"efficientnet_b{number}": side for number, side in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
}

# The block.


@pytest.mark.parametrize(
    ("channels", "stride", "expansion", "kernel"),
    [(24, 1, 6, 3), (24, 1, 6, 5), (40, 2, 6, 5), (16, 1, 1, 3), (24, 1, 1, 3)],
)
def test_a_block_equals_torchvisions(channels, stride, expansion, kernel):
    ours = stirred(efficientnet.MBConv(24, stride, Stage(channels, 1, stride, expansion, kernel)))
    config = theirs_file.MBConvConfig(expansion, kernel, stride, 24, channels, 1)
    theirs = copied(theirs_file.MBConv(config, 0.0, nn.BatchNorm2d), ours)
    x = torch.randn(2, 24, 11, 8)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_block_is_mobilenets_with_attention():
    block = stirred(efficientnet.MBConv(8, 1, Stage(8, 1, 1, expansion=6)))
    assert isinstance(block, InvertedResidual)
    x, layers, gates = torch.randn(2, 8, 7, 7), block.residual, block.residual.attention
    wide = layers.depthwise(layers.expand(x))
    factors = gates.up(silu(gates.down(wide.mean((2, 3), keepdim=True)))).sigmoid()
    assert gates.down.weight.shape == (
        8 // 4,
        6 * 8,
        1,
        1,
    )  # a quarter of the block's input, not of the wide middle
    torch.testing.assert_close(block(x), x + layers.project(wide * factors))


# Stochastic depth.


def test_blocks_are_dropped_as_often_as_torchvisions():
    theirs = torchvision.models.efficientnet_b0()
    expected = [
        block.stochastic_depth.p for block in theirs.modules()
        if isinstance(block, theirs_file.MBConv) and block.use_res_connect
    ]  # fmt: skip
    drops = [
        layer for layer in models.build("efficientnet_b0").modules() if isinstance(layer, StochasticDepth)
    ]
    assert [drop.p for drop in drops] == pytest.approx(expected) and len(drops) == 16 - 7
    assert {drop.mode for drop in drops} == {"row"} and drops[-1].p == pytest.approx(0.2 * 14 / 16)


def test_a_dropped_block_leaves_its_image_as_it_is():
    torch.manual_seed(0)
    block = stirred(models.build("efficientnet_b0")).stage6[3]
    x = torch.randn(64, 192, 2, 2)
    with torch.no_grad():
        added = block(x) - x
        block.residual.drop.train()
        change = block(x) - x
    dropped = change.flatten(1).eq(0).all(1)
    assert 0 < dropped.sum() < 32
    torch.testing.assert_close(change[~dropped], added[~dropped] / (1 - block.residual.drop.p))


# The network of the table, and those made of it.


def test_the_stages_of_b0_are_the_papers():
    found = sizes("efficientnet_b0")
    assert [found[layer] for layer in ("stem", *(f"stage{s}" for s in range(1, 8)), "last", "pool")] == [
        (32, 112, 112), (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14), (192, 7, 7),
        (320, 7, 7), (1280, 7, 7), (1280, 1, 1),
    ]  # fmt: skip
    model = on_meta("efficientnet_b0")
    kernels = [getattr(model, f"stage{s}")[0].residual.depthwise.conv.kernel_size for s in range(1, 8)]
    assert kernels == [(k, k) for k in (3, 3, 5, 3, 5, 5, 3)]
    assert [len(getattr(model, f"stage{s}")) for s in range(1, 8)] == [1, 2, 2, 3, 3, 4, 1]


@pytest.mark.parametrize(("name", "side"), PUBLISHED.items())
def test_larger_ones_are_torchvisions(name, side):
    model = on_meta(name)
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name)
    assert measure.parameters(model).trainable == sum(parameter.numel() for parameter in theirs.parameters())
    assert model.published_size == side
    assert model.dropout.p == theirs.classifier[0].p and model.stem.norm.eps == theirs.features[0][1].eps
    assert {layer.eps for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)} == {
        model.stem.norm.eps
    }


def test_b7_by_hand():
    """Twice the channels of B0, and 3.1 times the blocks, rounded up."""
    model = on_meta("efficientnet_b7")
    stages = [getattr(model, f"stage{s}") for s in range(1, 8)]
    assert [stage[0].residual.project.conv.out_channels for stage in stages] == [
        32,
        48,
        80,
        160,
        224,
        384,
        640,
    ]
    assert [len(stage) for stage in stages] == [4, 7, 7, 10, 10, 13, 4]  # 3.1, 6.2, 6.2, 9.3, 9.3, 12.4, 3.1


# Compound scaling.


def test_one_step_of_compound_scaling_costs_nearly_twice_as_much():
    one = efficientnet.compound(1)
    assert (one.depth, one.width, one.size) == (1.2, 1.1, round(224 * 1.15)) == (1.2, 1.1, 258)
    assert (
        one.depth * one.width**2 * 1.15**2
        == pytest.approx(1.2 * 1.1**2 * 1.15**2)
        == pytest.approx(1.920, abs=5e-4)
    )
    assert efficientnet.compound(0) == efficientnet.CONFIGS["efficientnet_b0"]


@pytest.mark.parametrize(
    ("name", "phi"), [("b1", 0.5), ("b2", 1), ("b3", 2), ("b4", 3.5), ("b5", 5), ("b6", 6), ("b7", 7)]
)
def test_the_published_factors_are_near_the_rule_but_for_the_depth_of_the_largest(name, phi):
    published, rule = efficientnet.CONFIGS[f"efficientnet_{name}"], efficientnet.compound(phi)
    assert published.width == pytest.approx(rule.width, rel=0.05)
    assert published.size == pytest.approx(rule.size, rel=0.05)
    if phi > 3:
        assert published.depth < 0.96 * rule.depth
    else:
        assert published.depth == pytest.approx(rule.depth, rel=0.03)


# The small one, and what there is not.


def test_the_small_one_keeps_the_side_up_to_the_second_stage():
    found = sizes("efficientnet_mini", 32)
    sides = [found[layer][1] for layer in ("stem", "stage1", "stage2", "stage3", "stage4", "last")]
    assert sides == [32, 32, 16, 8, 4, 4]
    model = on_meta("efficientnet_mini", in_channels=1)
    assert (model.num_classes, model.published_size) == (10, 32)
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_mini"])
def test_one_pixel_is_enough(name):
    model = models.build(name, 7, 2).eval()
    assert model.smallest == 1 and model(torch.randn(3, 2, 1, 1)).shape == (3, 7)


def test_a_change_is_refused():
    with pytest.raises(
        ValueError, match=r"efficientnet_b0 is built as published and takes no changes, got width=2"
    ):
        models.build("efficientnet_b0", width=2)
