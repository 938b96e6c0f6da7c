"""cnncourse.models.resnest against timm's logits and its block, and the paper's sizes."""

import pytest
import timm
import torch
from networks import assert_equal_logits, stirred
from timm.layers import SplitAttn
from torch import nn

from cnncourse import measure, models
from cnncourse.models import resnest, resnet
from cnncourse.models.weights import renamed

# timm's names → ours.
TIMM = {
    r"conv1\.0": "stem.unit1.conv",
    r"conv1\.1": "stem.unit1.norm",
    r"conv1\.3": "stem.unit2.conv",
    r"conv1\.4": "stem.unit2.norm",
    r"conv1\.6": "stem.unit3.conv",
    r"bn1": "stem.unit3.norm",
    r"layer(\d)\.(\d)\.conv([13])": r"stage\1.\2.residual.unit\3.conv",
    r"layer(\d)\.(\d)\.bn([13])": r"stage\1.\2.residual.unit\3.norm",
    r"layer(\d)\.(\d)\.conv2\.conv": r"stage\1.\2.residual.unit2.splits.conv",
    r"layer(\d)\.(\d)\.conv2\.bn0": r"stage\1.\2.residual.unit2.splits.norm",
    r"layer(\d)\.(\d)\.conv2\.fc1": r"stage\1.\2.residual.unit2.down.conv",
    r"layer(\d)\.(\d)\.conv2\.bn1": r"stage\1.\2.residual.unit2.down.norm",
    r"layer(\d)\.(\d)\.conv2\.fc2": r"stage\1.\2.residual.unit2.up",
    r"layer(\d)\.(\d)\.downsample\.1": r"stage\1.\2.shortcut.unit.conv",
    r"layer(\d)\.(\d)\.downsample\.2": r"stage\1.\2.shortcut.unit.norm",
    r"fc": "output",
}


def test_logits_equal_timms_with_its_weights():
    torch.manual_seed(0)
    theirs, ours = stirred(timm.create_model("resnest50d")), models.build("resnest50").eval()
    ours.load_state_dict({renamed(name, TIMM): tensor for name, tensor in theirs.state_dict().items()})
    assert_equal_logits(ours, theirs, (64, 64), (65, 97))


def test_split_attention_equals_timms():
    torch.manual_seed(0)
    ours, theirs = resnest.SplitAttention(16), SplitAttn(16, radix=2, norm_layer=nn.BatchNorm2d)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(3, 16, 5, 7)
    torch.testing.assert_close(ours(x), theirs(x))


def test_weights_of_the_splits_sum_to_one():
    # Both splits alike: whatever the weights, their weighted sum is either of them.
    layer = resnest.SplitAttention(4).eval()
    with torch.no_grad():
        layer.splits.conv.weight[4:] = layer.splits.conv.weight[:4]
    x = torch.randn(2, 2, 6, 6).repeat(1, 2, 1, 1)
    torch.testing.assert_close(layer(x), layer.splits(x)[:, :4])
    # With scores ln 3 and 0 in every channel, the first split has the weight 3/4.
    with torch.no_grad():
        layer.up.weight.zero_()
        layer.up.bias.copy_(torch.tensor([3.0, 3, 3, 3, 1, 1, 1, 1]).log())
        layer.splits.conv.weight[4:] *= 5
    first, second = layer.splits(x).chunk(2, dim=1)
    torch.testing.assert_close(layer(x), 0.75 * first + 0.25 * second)


def test_each_split_reads_its_half_of_the_channels():
    splits, x = resnest.SplitAttention(8).eval().splits, torch.randn(1, 8, 5, 5, requires_grad=True)
    for part in (0, 1):
        (slope,) = torch.autograd.grad(splits(x)[:, 8 * part : 8 * part + 8].sum(), x)
        read = slope.abs().sum(dim=(0, 2, 3)) > 0
        assert read.tolist() == [channel // 4 == part for channel in range(8)]


def test_counts_and_sizes():
    with torch.device("meta"):
        model = models.build("resnest50")
        table = measure.table(model, (1, 3, 224, 224))
    assert measure.parameters(model).trainable == 27_483_240
    with torch.device("meta"):
        split = measure.parameters(resnest.SplitAttention(64)).total
    # 3×3 in two groups to 2·64 and its norm; 64 → 32 with bias and norm; 32 → 128 with bias.
    assert split == 128 * 32 * 9 + 2 * 128 + (64 * 32 + 32) + 2 * 32 + (32 * 128 + 128)
    sizes = {row.layer: row.output_shape[1:] for row in table.rows}
    assert sizes["stem.unit1.conv"] == (32, 112, 112) and sizes["stem.unit3.conv"] == (64, 112, 112)
    assert [sizes[f"stage{n}.0.residual.unit3.conv"] for n in (1, 2, 3, 4)] == [
        *[(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    ]
    # The stride is in poolings alone, behind the split attention and before the shortcut's 1×1.
    assert sizes["stage2.0.residual.unit2.splits.conv"] == (256, 56, 56)
    assert sizes["stage2.0.residual.pool"] == (128, 28, 28) and sizes["stage2.0.shortcut.pool"] == (
        256,
        28,
        28,
    )
    strided = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)]
    assert strided == [model.stem.unit1.conv]


def test_the_shortcut_reads_every_pixel_and_an_odd_side_is_rounded_up():
    with_mean, without = resnet.averaged_projection(4, 8, 2).eval(), resnet.projection(4, 8, 2).eval()
    for layer, pixels in ((with_mean, 7 * 7), (without, 4 * 4)):
        x = torch.randn(1, 4, 7, 7, requires_grad=True)
        assert layer(x).shape == (1, 8, 4, 4)
        layer(x).sum().backward()
        assert (x.grad[0, 0] != 0).sum() == pixels
    # The last window of an odd side holds a single pixel, which counts wholly.
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    expected = [[(0 + 1 + 3 + 4) / 4, (2 + 5) / 2], [(6 + 7) / 2, 8]]
    assert resnet.averaged_projection(1, 1, 2).pool(x)[0, 0].tolist() == expected


def test_resnet_can_have_that_shortcut_too():
    plain, averaged = models.build("resnet8"), models.build("resnet8", shortcut="averaged projection")
    assert (
        measure.parameters(averaged).total - measure.parameters(plain).total == 16 * 32 + 64 + 32 * 64 + 128
    )
    assert averaged(torch.randn(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("side", [1, 2, 33])
def test_the_small_one_takes_any_size(side):
    model = models.build("resnest_mini", in_channels=1).eval()
    assert model(torch.randn(2, 1, side, side + 3)).shape == (2, 10)
    assert model.features(torch.randn(2, 1, 32, 32)).shape == (2, 128)


def test_it_is_built_as_published():
    with pytest.raises(ValueError, match="takes no changes, got radix=4"):
        models.build("resnest_mini", radix=4)
