"""cnncourse.models.regnet against the paper's networks, torchvision's rule and block, and arithmetic left visible."""

import math

import pytest
import timm
import torch
from networks import on_meta, stirred
from test_resnet import sizes
from torch import nn
from torchvision.models.regnet import BlockParams, ResBottleneckBlock

from cnncourse import measure, models
from cnncourse.models import regnet
from cnncourse.models.regnet import CONFIGS, Config, Stage, designed
from cnncourse.models.weights import renamed

# The rule.


def table(stages):
    return [(stage.channels, stage.blocks) for stage in stages]


def test_the_rule_by_hand():
    """Five blocks, 16 channels and 10 more for each next, quantized to powers of 2: 1, 1.6, 2.25, 2.9, 3.5 times 16."""
    config = Config(depth=5, w_0=16, w_a=10.0, w_m=2.0, group_width=8)
    line = [16, 26, 36, 46, 56]
    powers = [math.log2(width / 16) for width in line]
    assert powers == pytest.approx([0, 0.70, 1.17, 1.52, 1.81], abs=5e-3)
    assert [16 * 2 ** round(power) for power in powers] == [16, 32, 32, 64, 64]
    assert table(designed(config)) == [(16, 1), (32, 2), (64, 2)]


def test_channels_are_multiples_of_eight_and_of_the_group_width():
    # 24 · 2.5 = 60 is as near to 56 as to 64, and 60 / 8 = 7.5 goes to the even 8; a group of 16 wants 32, not 24.
    assert table(designed(Config(depth=2, w_0=24, w_a=36.0, w_m=2.5, group_width=8))) == [(24, 1), (64, 1)]
    assert table(designed(Config(depth=2, w_0=24, w_a=36.0, w_m=2.5, group_width=16))) == [(32, 1), (64, 1)]
    # A group is never wider than its stage.
    first, _ = designed(Config(depth=2, w_0=24, w_a=36.0, w_m=2.5, group_width=56))
    assert (first.channels, first.group_width) == (24, 24)


def test_published_channels_and_depths():
    assert table(designed(CONFIGS["regnet_y_400mf"])) == [(48, 1), (104, 3), (208, 6), (440, 6)]
    assert table(designed(CONFIGS["regnet_x_400mf"])) == [(32, 1), (64, 2), (160, 7), (400, 12)]
    # The paper's X ends with 384: 24 · 2.54³ is near 392, a multiple of 8, which is 24.5 groups of 16.
    assert 8 * round(24 * 2.54**3 / 8) == 392 == 24.5 * 16
    assert 16 * round(24.5) == 384 and 16 * math.floor(24.5 + 0.5) == 400
    with torch.device("meta"):
        paper, torchvisions = timm.create_model("regnetx_004"), timm.create_model("regnetx_004_tv")
    assert (paper.num_features, torchvisions.num_features) == (384, 400)


# Those of X 400 MF to 32 GF, then of Y 400 MF to 128 GF.
@pytest.mark.parametrize(("depth", "w_0", "w_a", "w_m", "group_width"), [
    *((22, 24, 24.48, 2.54, 16), (16, 56, 35.73, 2.28, 16), (18, 80, 34.01, 2.25, 24), (25, 88, 26.31, 2.25, 48)),
    *((23, 80, 49.56, 2.88, 120), (22, 216, 55.59, 2.1, 128), (23, 320, 69.86, 2.0, 168)),
    *((16, 48, 27.89, 2.09, 8), (14, 56, 38.84, 2.4, 16), (27, 48, 20.71, 2.65, 24), (21, 80, 42.63, 2.66, 24)),
    *((17, 192, 76.82, 2.19, 56), (18, 200, 106.23, 2.48, 112), (20, 232, 115.89, 2.53, 232)),
    (27, 456, 160.83, 2.52, 264),
])  # fmt: skip
def test_the_rule_is_torchvisions(depth, w_0, w_a, w_m, group_width):
    found = designed(Config(depth, w_0, w_a, w_m, group_width))
    theirs = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width)
    assert table(found) == list(zip(theirs.widths, theirs.depths, strict=True))
    assert [stage.group_width for stage in found] == theirs.group_widths


# The block.


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize(("channels", "stride"), [(48, 1), (48, 2), (64, 1)])
def test_a_block_equals_torchvisions(channels, stride, attention):
    ours = stirred(regnet.Block(48, stride, Stage(channels, 1, stride, 16, attention)))
    theirs = ResBottleneckBlock(
        48, channels, stride, nn.BatchNorm2d, nn.ReLU, group_width=16, se_ratio=0.25 if attention else None
    )
    state = ours.state_dict()
    for name in theirs.state_dict():
        place = renamed(f"trunk_output.block1.block1-0.{name}", regnet.TORCHVISION)
        theirs.state_dict()[name].copy_(state[place.removeprefix("stage1.0.")])
    theirs.eval()
    x = torch.randn(2, 48, 9, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_groups_are_as_wide_as_the_configuration_says():
    for name, width in (("regnet_x_400mf", 16), ("regnet_y_400mf", 8)):
        model = on_meta(name)
        for stage in (model.stage1, model.stage2, model.stage3, model.stage4):
            for block in stage:
                assert block.residual.unit2.conv.weight.shape[1] == width


def test_attention_is_a_quarter_of_the_blocks_input():
    model = on_meta("regnet_y_400mf")
    assert [block.residual.attention.down.out_channels for block in model.stage2] == [
        48 // 4,
        104 // 4,
        104 // 4,
    ]
    assert not any("attention" in name for name, _ in on_meta("regnet_x_400mf").named_modules())


# The networks.


@pytest.mark.parametrize(("name", "channels"), [
    ("regnet_x_400mf", (32, 64, 160, 400)), ("regnet_y_400mf", (48, 104, 208, 440)),
])  # fmt: skip
def test_each_stage_halves_the_side(name, channels):
    found = sizes(name)
    assert found["stem"] == (32, 112, 112) and found["pool"] == (channels[-1], 1, 1)
    expected = [(width, side, side) for width, side in zip(channels, (56, 28, 14, 7), strict=True)]
    assert [found[f"stage{s}"] for s in (1, 2, 3, 4)] == expected
    assert measure.table(on_meta(name), (1, 3, 224, 224)).multiply_adds / 1e6 == pytest.approx(400, rel=0.05)


def test_the_small_one_keeps_the_side_up_to_the_second_stage():
    found = sizes("regnet_mini", 32)
    assert [found[f"stage{s}"] for s in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    model = on_meta("regnet_mini", in_channels=1)
    assert (model.num_classes, model.published_size, model.stem.conv.stride) == (10, 32, (1, 1))
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf", "regnet_mini"])
def test_one_pixel_is_enough(name):
    model = models.build(name, 7, 2).eval()
    assert model.smallest == 1 and model(torch.randn(3, 2, 1, 1)).shape == (3, 7)


def test_a_change_is_refused():
    with pytest.raises(
        ValueError, match="regnet_x_400mf is built as published and takes no changes, got depth=30"
    ):
        models.build("regnet_x_400mf", depth=30)
