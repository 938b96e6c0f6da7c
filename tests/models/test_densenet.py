"""cnncourse.models.densenet against the paper's table, torchvision's block, and arithmetic left visible."""

import pytest
import torch
from networks import on_meta, stirred
from test_mobilenet import convolutions, copied
from torch import nn
from torchvision.models.densenet import _DenseBlock, _Transition

from cnncourse import measure, models
from cnncourse.models import densenet


def sizes(name, side=224):
    """What each layer in turn gives, by name."""
    found = {}
    with torch.device("meta"):
        x = torch.empty(1, 3, side, side)
        for layer, module in models.build(name).eval().named_children():
            x = module(x)
            found[layer] = x.shape[1:]
    return found


# The blocks.


def test_a_dense_block_equals_torchvisions():
    ours = stirred(densenet.DenseBlock(10, layers=4, growth=6))
    theirs = _DenseBlock(num_layers=4, num_input_features=10, bn_size=4, growth_rate=6, drop_rate=0.0)
    x = torch.randn(2, 10, 7, 9)
    torch.testing.assert_close(ours(x), copied(theirs, ours)(x))


def test_each_layer_reads_the_input_and_all_layers_before():
    block = stirred(densenet.DenseBlock(10, layers=3, growth=6))
    x = torch.randn(2, 10, 5, 5)
    h1 = block.layer1(x)
    h2 = block.layer2(torch.cat([x, h1], dim=1))
    h3 = block.layer3(torch.cat([x, h1, h2], dim=1))
    assert torch.equal(block(x), torch.cat([x, h1, h2, h3], dim=1))
    assert [layer.unit1.conv.weight.shape for layer in block] == [(24, 10 + 6 * l, 1, 1) for l in range(3)]
    assert [layer.unit2.conv.weight.shape for layer in block] == [(6, 24, 3, 3)] * 3


def test_what_comes_in_goes_out_unchanged():
    block = densenet.DenseBlock(10, layers=3, growth=6)
    x = torch.randn(2, 10, 5, 5)
    kept = x.clone()
    out = block(x)
    assert torch.equal(out[:, :10], kept) and torch.equal(x, kept) and out.shape == (2, 10 + 3 * 6, 5, 5)


def test_a_transition_equals_torchvisions():
    ours = stirred(densenet.transition(12))
    x = torch.randn(2, 12, 7, 8)
    assert ours(x).shape == (2, 6, 3, 4)
    torch.testing.assert_close(ours(x), copied(_Transition(12, 6), ours)(x))


# The network.


def test_the_stages_of_densenet121_are_the_papers():
    found = sizes("densenet121")
    names = (
        "stem",
        "stem_pool",
        *(f"{kind}{n}" for n in (1, 2, 3) for kind in ("block", "transition")),
        "block4",
    )
    assert [found[layer] for layer in names] == [
        (64, 112, 112), (64, 56, 56),
        (64 + 6 * 32, 56, 56), (128, 28, 28),
        (128 + 12 * 32, 28, 28), (256, 14, 14),
        (256 + 24 * 32, 14, 14), (512, 7, 7),
        (512 + 16 * 32, 7, 7),
    ]  # fmt: skip
    assert found["pool"] == (1024, 1, 1)


def test_it_has_121_layers():
    model = on_meta("densenet121")
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert len(convolutions(model)) + len(linear) == 1 + 2 * (6 + 12 + 24 + 16) + 3 + 1 == 121
    table = measure.table(model, (1, 3, 224, 224))
    assert table.multiply_adds / 1e9 == pytest.approx(2.83, abs=0.01)


@pytest.mark.parametrize(("name", "least"), [("densenet121", 29), ("densenet_mini", 4)])
def test_the_smallest_image_leaves_one_pixel_for_the_last_block(name, least):
    model = models.build(name, 7, 2).eval()
    assert model.smallest == least and model(torch.randn(1, 2, least, least + 5)).shape == (1, 7)
    assert sizes(name, least)["block4" if name == "densenet121" else "block3"][1:] == (1, 1)
    with pytest.raises(ValueError, match=f"{name} takes images of at least {least}×{least} pixels"):
        model(torch.randn(1, 2, least - 1, least))
    with pytest.raises(ValueError, match=f"image_size of {name} must be at least {least}, got {least - 1}"):
        models.build(name, image_size=least - 1)


def test_the_small_one_keeps_the_side_in_its_first_block():
    found = sizes("densenet_mini", 32)
    assert [found[f"block{n}"] for n in (1, 2, 3)] == [
        (16 + 2 * 8, 32, 32), (16 + 4 * 8, 16, 16), (24 + 8 * 8, 8, 8),
    ]  # fmt: skip
    model = on_meta("densenet_mini", in_channels=1)
    assert (model.num_classes, model.published_size) == (10, 32)
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6


def test_a_change_is_refused():
    with pytest.raises(
        ValueError, match="densenet121 is built as published and takes no changes, got growth=12"
    ):
        models.build("densenet121", growth=12)
