"""cnncourse.models.convnext against torchvision's block, the paper's sizes, and arithmetic left visible."""

import pytest
import torch
from torch import nn
from torchvision.models.convnext import CNBlock

from cnncourse import measure, models
from cnncourse.models import convnext

# Blocks.


def test_channel_norm_is_layer_norm_of_each_pixel():
    x = torch.randn(2, 3, 4, 5)
    norm = convnext.ChannelNorm(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2, 3]))
        norm.bias.copy_(torch.tensor([0.0, 0, 1]))
    mean = x.mean(1, keepdim=True)
    deviation = (x - mean).square().mean(1, keepdim=True).add(1e-6).sqrt()
    by_hand = (x - mean) / deviation * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), by_hand)


def test_a_block_equals_torchvisions():
    torch.manual_seed(0)
    ours, theirs = convnext.Block(8, 0.5, 0.0), CNBlock(8, 0.5, 0.0)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    with torch.no_grad():
        ours.layer_scale.copy_(torch.arange(8.0)[:, None, None])
        theirs.layer_scale.copy_(ours.layer_scale)
    x = torch.randn(2, 8, 9, 11)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_pixel_sees_its_channel_in_a_window_of_seven():
    block = convnext.Block(4, 1.0, 0.0)
    x = torch.randn(1, 4, 15, 15, requires_grad=True)
    (slope,) = torch.autograd.grad(block(x)[0, :, 7, 7].sum(), x)
    seen = (slope[0].abs().sum(0) > 0).nonzero()
    assert seen.min(0).values.tolist() == [4, 4] and seen.max(0).values.tolist() == [10, 10]
    (slope,) = torch.autograd.grad(block.depthwise(x)[0, 1].sum(), x)
    assert (slope[0].abs().sum((1, 2)) > 0).tolist() == [False, True, False, False]


def test_stochastic_depth_leaves_out_whole_images_and_only_in_training():
    torch.manual_seed(0)
    block, x = convnext.Block(4, 1.0, 0.5), torch.randn(400, 4, 3, 3)
    with torch.no_grad():
        added = block.eval()(x) - x
        kept = (block.train()(x) - x).flatten(1)
    left_out = (kept == 0).all(1)
    assert 0.4 < left_out.float().mean() < 0.6
    # What stays is divided by the probability with which it stays.
    torch.testing.assert_close(kept[~left_out], 2 * added.flatten(1)[~left_out], rtol=1e-4, atol=1e-6)


# Networks.


def test_sizes_of_convnext_t_and_counts_of_the_three():
    with torch.device("meta"):
        table = measure.table(models.build("convnext_tiny"), (1, 3, 224, 224))
        counts = [measure.parameters(models.build(f"convnext_{s}")).total for s in ("tiny", "small", "base")]
    sizes = {row.layer: row.output_shape[1:] for row in table.rows if row.output_shape}
    assert sizes["stem.conv"] == (96, 56, 56)
    assert [sizes[f"down{n}.conv"] for n in (2, 3, 4)] == [(192, 28, 28), (384, 14, 14), (768, 7, 7)]
    assert sizes["stage3.8.expand"] == (14, 14, 4 * 384)
    assert counts == [28_589_128, 50_223_688, 88_591_464]
    # A block costs 49 multiply-adds a number and channel, and twice C·4C a pixel; the paper's table says 4.5 G in all.
    stages = zip((3, 3, 9, 3), (96, 192, 384, 768), (56, 28, 14, 7), strict=True)
    blocks = sum(count * side**2 * (49 * c + 8 * c * c) for count, c, side in stages)
    stem, head = 56**2 * 3 * 4 * 4 * 96, 768 * 1000
    halvings = sum(side**2 * 4 * c * 2 * c for c, side in ((96, 28), (192, 14), (384, 7)))
    assert table.multiply_adds == stem + blocks + halvings + head == 4_455_531_264


def test_stochastic_depth_rises_linearly():
    with torch.device("meta"):
        model = models.build("convnext_tiny")
    drops = [block.drop.p for block in model.modules() if isinstance(block, convnext.Block)]
    assert drops == pytest.approx([0.1 * number / 17 for number in range(18)])


def test_layer_scale_starts_where_it_is_told():
    for scale, changes in ((1e-6, {}), (0.25, {"layer_scale": 0.25})):
        model = models.build("convnext_mini", **changes)
        blocks = [block for block in model.modules() if isinstance(block, convnext.Block)]
        assert len(blocks) == 1 + 1 + 3 + 1
        assert all(
            torch.equal(block.layer_scale, torch.full_like(block.layer_scale, scale)) for block in blocks
        )
    # At 10⁻⁶ a network starts as its stem, downsamplings and head.
    model, x = models.build("convnext_mini").eval(), torch.randn(2, 3, 32, 32)
    without = nn.Sequential(
        *[layer for name, layer in model.named_children() if not name.startswith("stage")]
    )
    torch.testing.assert_close(model(x), without(x), atol=1e-4, rtol=1e-4)


def test_weights_are_drawn_from_a_narrow_normal():
    torch.manual_seed(0)
    model = models.build("convnext_mini")
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            assert layer.bias.eq(0).all() and 0.015 < layer.weight.std() < 0.025


@pytest.mark.parametrize(("name", "least"), [("convnext_tiny", 32), ("convnext_mini", 16)])
def test_a_network_takes_any_size_from_its_smallest_on(name, least):
    with torch.device("meta"):
        model = models.build(name)
        assert model(torch.empty(2, 3, least, least + 5)).shape == (2, model.num_classes)
        with pytest.raises(ValueError, match=f"{name} takes images of at least {least}×{least} pixels"):
            model(torch.empty(2, 3, least - 1, least))


@pytest.mark.parametrize(("value", "error", "words"), [
    (0, ValueError, "layer_scale must be above 0, got 0.0"),
    (float("nan"), ValueError, "layer_scale must be a finite number"),
    ("1", TypeError, "layer_scale must be a number"),
])  # fmt: skip
def test_a_bad_layer_scale_is_one_sentence(value, error, words):
    with pytest.raises(error, match=words):
        models.build("convnext_mini", layer_scale=value)
