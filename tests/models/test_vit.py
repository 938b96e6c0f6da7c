"""cnncourse.models.vit against torch's attention, timm's logits, the paper's sizes, and arithmetic left visible."""

import math

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from cnncourse import measure, models
from cnncourse.models import vit
from cnncourse.models.weights import renamed

# timm's names → ours.
TIMM = {
    r"cls_token": "embedding.class_token",
    r"pos_embed": "embedding.position",
    r"patch_embed\.proj": "patches.projection",
    r"blocks\.(\d+)\.norm(\d)": r"encoder.\1.norm\2",
    r"blocks\.(\d+)\.attn\.qkv": r"encoder.\1.attention.qkv",
    r"blocks\.(\d+)\.attn\.proj": r"encoder.\1.attention.output",
    r"blocks\.(\d+)\.mlp\.fc1": r"encoder.\1.mlp.0",
    r"blocks\.(\d+)\.mlp\.fc2": r"encoder.\1.mlp.3",
    r"norm": "norm",
    r"head": "output",
}


def tiny(**changes):
    torch.manual_seed(0)
    return models.build("vit_tiny", in_channels=1, **changes).eval()


def images(count=2, side=32, channels=1):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


# From pixels to tokens.


def test_a_patch_is_multiplied_by_one_matrix():
    patches = vit.Patches(3, 5, patch=4)
    x, weight = torch.randn(2, 3, 8, 12), patches.projection.weight.reshape(5, -1)
    tokens = patches(x)
    assert tokens.shape == (2, 2 * 3, 5)
    # Token 4 is the patch in row 1 and column 1.
    by_hand = x[:, :, 4:8, 4:8].flatten(1) @ weight.T + patches.projection.bias
    torch.testing.assert_close(tokens[:, 4], by_hand)


def test_tokens_are_the_class_token_and_the_patches_each_with_its_position():
    embedding = vit.Embedding(3, 2, dropout=0.0)
    with torch.no_grad():
        embedding.class_token.fill_(10)
        embedding.position.copy_(torch.arange(8.0).reshape(1, 4, 2))
    patches = torch.tensor([[[100.0, 100], [200, 200], [300, 300]]])
    assert embedding(patches).tolist() == [[[10, 11], [102, 103], [204, 205], [306, 307]]]
    # What stays keeps the position that it had.
    hidden = torch.tensor([[False, True, False]])
    assert embedding(patches, hidden).tolist() == [[[10, 11], [102, 103], [306, 307]]]


def test_without_positions_the_order_of_the_patches_does_not_matter():
    model = tiny()
    order = torch.randperm(64)
    patches = model.patches(images())
    assert not torch.allclose(model.encoder(model.embedding(patches))[:, 0],
                              model.encoder(model.embedding(patches[:, order]))[:, 0], atol=1e-3)  # fmt: skip
    nn.init.zeros_(model.embedding.position)
    torch.testing.assert_close(model.encoder(model.embedding(patches))[:, 0],
                               model.encoder(model.embedding(patches[:, order]))[:, 0])  # fmt: skip


# Attention.


def test_attention_of_two_tokens_by_hand():
    layer = vit.Attention(width=4, heads=1)
    with torch.no_grad():
        layer.qkv.weight.copy_(torch.cat([torch.eye(4)] * 3))
        layer.output.weight.copy_(torch.eye(4))
        layer.qkv.bias.zero_(), layer.output.bias.zero_()
    x = torch.tensor([[[2.0, 0, 0, 0], [0, 1, 0, 0]]])
    # The first token scores itself 2 · 2 / √4 = 2 and the second 0, the second the first 0 and itself 1 · 1 / √4 = 1/2.
    first, second = math.exp(2) / (math.exp(2) + 1), math.exp(0.5) / (math.exp(0.5) + 1)
    maps = torch.tensor([[[[first, 1 - first], [1 - second, second]]]])
    torch.testing.assert_close(layer.maps(x), maps)
    torch.testing.assert_close(
        layer(x), torch.tensor([[[2 * first, 1 - first, 0, 0], [2 - 2 * second, second, 0, 0]]])
    )


def test_attention_equals_torchs_and_its_maps_too():
    torch.manual_seed(0)
    ours, theirs = vit.Attention(12, heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
    tensors = theirs.in_proj_weight, theirs.in_proj_bias, theirs.out_proj.weight, theirs.out_proj.bias
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    nn.init.normal_(ours.qkv.bias), theirs.in_proj_bias.data.copy_(ours.qkv.bias)
    x = torch.randn(2, 5, 12)
    expected, maps = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours.maps(x), maps)
    fused = F.scaled_dot_product_attention(*ours.split(x))
    torch.testing.assert_close(ours.maps(x) @ ours.split(x)[2], fused)


def test_maps_of_all_blocks_are_those_of_the_pass():
    model, seen = tiny(), []
    for block in model.encoder:
        block.attention.register_forward_pre_hook(lambda layer, args: seen.append(layer.maps(args[0])))
    maps = model.attention(images())
    assert len(maps) == 6 and len(seen) == 6
    for found, in_the_pass in zip(maps, seen, strict=True):
        assert found.shape == (2, 3, 65, 65)
        torch.testing.assert_close(found.sum(3), torch.ones(2, 3, 65))
        torch.testing.assert_close(found, in_the_pass)


def test_a_block_is_pre_norm():
    # With all weights of attention and MLP zero, a block is the identity, which a norm after the sum would not be.
    block, x = vit.Block(12, 3, 0.0), torch.randn(2, 5, 12)
    for layer in (block.attention.output, block.mlp[3]):
        nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    torch.testing.assert_close(block(x), x)
    reference = nn.TransformerEncoderLayer(12, 3, 48, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    block = vit.Block(12, 3, 0.0)
    block.load_state_dict(dict(zip(block.state_dict(), in_our_order(reference), strict=True)))
    torch.testing.assert_close(block(x), reference(x))


def in_our_order(layer):
    """torch's weights: norm, attention, norm, MLP."""
    attention = layer.self_attn
    parts = layer.norm1, attention, attention.out_proj, layer.norm2, layer.linear1, layer.linear2
    return [tensor for part in parts for tensor in part.parameters(recurse=False)]


# Networks.


def test_counts_and_sizes():
    with torch.device("meta"):
        model = models.build("vit_b_16")
        table = measure.table(model, (1, 3, 224, 224))
    block = 4 * 768**2 + 4 * 768 + 2 * 4 * 768**2 + 5 * 768 + 4 * 768
    assert (
        table.parameters
        == 768 * (3 * 16**2 + 1) + 768 + 197 * 768 + 12 * block + 2 * 768 + 769_000
        == 86_567_656
    )
    sizes = {row.layer: row.output_shape for row in table.rows}
    assert sizes["patches.projection"] == (1, 768, 14, 14)
    assert sizes["encoder.11.attention.qkv"] == (1, 197, 3 * 768) and sizes["first"] == (1, 768)
    # Of a block, the matrices cost 12 · D² for each token; the scores, and the sums of values, T² · D.
    assert table.multiply_adds == 196 * 768**2 + 12 * (197 * 12 * 768**2 + 2 * 197**2 * 768) + 768_000


@pytest.mark.parametrize("side", [32, 28])
def test_the_small_one_fits_into_a_page(side):
    model, width, patches = tiny(input_size=side), 48, (side // 4) ** 2
    block = 12 * width**2 + 13 * width
    by_hand = width * (16 + 1) + width + (patches + 1) * width + 6 * block + 2 * width + 10 * (width + 1)
    assert measure.parameters(model).total == by_hand == {32: 174_202, 28: 173_482}[side] < 250_000
    assert model.tokens(images(side=side)).shape == (2, 1 + patches, width)


@torch.no_grad()
def check_that_logits_are_equal(theirs, rules, config):
    """With weights that are all at work: heads and biases start at zero there."""
    for parameter in theirs.eval().parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    ours = vit.network("vit", config, 1000, 3, 64, 0.0).eval()
    ours.load_state_dict({renamed(name, rules): tensor for name, tensor in theirs.state_dict().items()})
    x = torch.randn(2, 3, 64, 64)
    expected, found = theirs(x), ours(x)
    assert expected.std() > 0.1 and (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_logits_equal_timms_with_its_weights():
    torch.manual_seed(0)
    theirs = timm.create_model(
        "vit_tiny_patch16_224", img_size=64, patch_size=16, embed_dim=96, depth=3, num_heads=6
    )
    check_that_logits_are_equal(theirs, TIMM, vit.Config(patch=16, width=96, blocks=3, heads=6))


def test_logits_equal_torchvisions_with_its_weights():
    torch.manual_seed(0)
    theirs = torchvision.models.VisionTransformer(
        64, 16, num_layers=3, num_heads=6, hidden_dim=96, mlp_dim=384
    )
    check_that_logits_are_equal(theirs, vit.TORCHVISION, vit.Config(patch=16, width=96, blocks=3, heads=6))


def test_features_are_the_class_token():
    model, x = tiny(), images()
    torch.testing.assert_close(model.features(x), model.tokens(x)[:, 0])
    torch.testing.assert_close(model(x), model.head(model.tokens(x)[:, 0]))


def test_hidden_patches_take_no_part():
    model, x = tiny(), images()
    hidden = torch.rand(2, 64).argsort(1) < 48
    tokens = model.tokens(x, hidden)
    assert tokens.shape == (2, 1 + 64 - 48, 48)
    # Their pixels do not matter, nor do those of the others get mixed up.
    pixels = hidden.reshape(2, 1, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(model.tokens(x + 9 * pixels, hidden), tokens)
    assert not torch.allclose(model.tokens(x + 9 * ~pixels, hidden), tokens)
    torch.testing.assert_close(model.tokens(x, torch.zeros(2, 64, dtype=torch.bool)), model.tokens(x))


@pytest.mark.parametrize(("mask", "error", "words"), [
    (torch.zeros(2, 64), TypeError, "mask must be a tensor of truths, got tensor"),
    ([[True] * 64] * 2, TypeError, "mask must be a tensor of truths, got"),
    (torch.zeros(2, 65) > 0, ValueError, r"mask must have shape \(2, 64\), one truth a patch, got \(2, 65\)"),
    (torch.arange(128).reshape(2, 64) < 3, ValueError, r"mask must hide as many patches in each image, got \[0, 3\]"),
])  # fmt: skip
def test_a_bad_mask_is_one_sentence(mask, error, words):
    with pytest.raises(error, match=words):
        tiny().tokens(images(), mask)


def test_dropout_is_where_the_paper_has_it():
    model = tiny(dropout=0.1)
    rates = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.1] * (1 + 6 * 3)
    plain = tiny()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(images()), plain(images()))
    assert not torch.equal(model.train()(images()), plain(images()))


def test_weights_stay_within_glorots_bound():
    model = tiny()
    for layer, fans in ((model.encoder[2].attention.qkv, 48 + 144), (model.encoder[2].mlp[0], 48 + 192)):
        bound = math.sqrt(6 / fans)
        assert 0.95 * bound < layer.weight.abs().max() <= bound and layer.bias.eq(0).all()
    assert model.embedding.position.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.patches.projection.weight.std().item() == pytest.approx(1 / 4, rel=0.15)


@pytest.mark.parametrize(("changes", "error", "words"), [
    ({"input_size": 30}, ValueError, "input_size of vit_tiny must be a multiple of 4, got 30"),
    ({"input_size": 2}, ValueError, "input_size must be at least 4, got 2"),
    ({"dropout": 1}, ValueError, "dropout must be at least 0 and below 1, got 1"),
    ({"input_size": 32.0}, TypeError, "input_size must be an integer"),
])  # fmt: skip
def test_bad_arguments_are_one_sentence(changes, error, words):
    with pytest.raises(error, match=words):
        tiny(**changes)


def test_it_takes_the_side_that_it_was_built_for():
    assert tiny(input_size=4)(images(side=4)).shape == (2, 10)
    with pytest.raises(ValueError, match="vit_tiny takes images of 28×28 pixels"):
        models.build("vit_tiny", in_channels=1, image_size=28)(images(side=32))
    with pytest.raises(ValueError, match="vit_tiny takes 1 input channel"):
        tiny().attention(images(channels=3))
