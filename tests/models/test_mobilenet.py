"""cnncourse.models.mobilenet against the papers' tables, torchvision, timm, and arithmetic left visible."""

import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from networks import assert_equal_logits, on_meta, stirred
from test_resnet import sizes
from torch import nn
from torch.nn.functional import conv2d, relu6
from torchvision.models._utils import _make_divisible
from torchvision.models.mobilenetv2 import InvertedResidual

from cnncourse import measure, models
from cnncourse.models import mobilenet
from cnncourse.models.mobilenet import Stage
from cnncourse.models.parts import rounded

# The depthwise separable convolution.


def convolutions(block):
    return [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]


def test_a_separable_convolution_from_32_to_64_channels_has_an_eighth_of_the_weights():
    block = mobilenet.separable(32, 1, Stage(64, blocks=1, stride=1))
    weights = sum(conv.weight.numel() for conv in convolutions(block))
    assert weights == 3 * 3 * 32 + 32 * 64 == 2_336
    full = 3 * 3 * 32 * 64
    assert full == 18_432 and weights / full == pytest.approx(1 / 64 + 1 / 9)
    assert measure.table(block, (1, 32, 14, 14)).multiply_adds == 14 * 14 * weights


def test_its_two_convolutions_are_one_whose_kernels_are_products():
    depthwise, pointwise = convolutions(mobilenet.separable(6, 2, Stage(10, blocks=1, stride=2)))
    x = torch.randn(2, 6, 9, 12)
    product = pointwise.weight * depthwise.weight[:, 0]  #                10 × 6 × 3 × 3
    torch.testing.assert_close(pointwise(depthwise(x)), conv2d(x, product, stride=2, padding=1))


# The inverted residual.


def copied(theirs, ours):
    """Their block with the tensors of ours, in order."""
    tensors = [tensor.clone() for tensor in ours.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    return theirs.eval()


@pytest.mark.parametrize(
    ("channels", "stride", "expansion"), [(24, 1, 6), (24, 2, 6), (40, 1, 6), (24, 1, 1), (16, 2, 1)]
)
def test_an_inverted_residual_equals_torchvisions(channels, stride, expansion):
    ours = stirred(mobilenet.InvertedResidual(24, stride, Stage(channels, 1, stride, expansion)))
    theirs = copied(InvertedResidual(24, channels, stride, expansion), ours)
    x = torch.randn(2, 24, 11, 8)
    torch.testing.assert_close(ours(x), theirs(x))


def test_an_inverted_residual_is_its_equation():
    block = stirred(mobilenet.InvertedResidual(8, 1, Stage(8, 1, 1, expansion=6)))
    x, layers = torch.randn(2, 8, 7, 7), block.residual
    wide = relu6(layers.expand.norm(layers.expand.conv(x)))
    filtered = relu6(layers.depthwise.norm(layers.depthwise.conv(wide)))
    assert wide.shape == filtered.shape == (2, 6 * 8, 7, 7)
    torch.testing.assert_close(block(x), x + layers.project.norm(layers.project.conv(filtered)))
    assert [type(layer) for layer in layers.project] == [nn.Conv2d, nn.BatchNorm2d]  # linear, no activation


def test_where_the_shape_changes_there_is_no_shortcut():
    x = torch.randn(2, 8, 6, 6)
    for channels, stride, kept in ((8, 1, x), (8, 2, 0), (16, 1, 0)):
        block = mobilenet.InvertedResidual(8, stride, Stage(channels, 1, stride, expansion=2)).eval()
        nn.init.zeros_(block.residual.project.norm.weight)
        assert torch.equal(block(x), torch.zeros_like(block(x)) + kept)


# The networks.


def test_the_stages_are_the_papers():
    first, second = sizes("mobilenet_v1"), sizes("mobilenet_v2")
    assert [first[layer] for layer in ("stem", *(f"stage{s}" for s in range(1, 6)), "pool")] == [
        (32, 112, 112), (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (1024, 7, 7), (1024, 1, 1)
    ]  # fmt: skip
    assert [second[layer] for layer in ("stem", *(f"stage{s}" for s in range(1, 8)), "last", "pool")] == [
        (32, 112, 112), (16, 112, 112), (24, 56, 56), (32, 28, 28), (64, 14, 14), (96, 14, 14), (160, 7, 7),
        (320, 7, 7), (1280, 7, 7), (1280, 1, 1),
    ]  # fmt: skip


def test_the_papers_layers_and_activations():
    first, second = on_meta("mobilenet_v1"), on_meta("mobilenet_v2")
    assert len(convolutions(first)) == 1 + 2 * 13 and len(convolutions(second)) == 1 + 2 + 3 * 16 + 1
    kinds = [
        {type(m) for m in model.modules() if isinstance(m, (nn.ReLU, nn.ReLU6))} for model in (first, second)
    ]
    assert kinds == [{nn.ReLU}, {nn.ReLU6}]


@pytest.mark.parametrize(("name", "millions"), [("mobilenet_v1", 569), ("mobilenet_v2", 300)])
def test_the_multiply_adds_are_the_papers(name, millions):
    assert measure.table(on_meta(name), (1, 3, 224, 224)).multiply_adds / 1e6 == pytest.approx(
        millions, abs=1
    )


def test_logits_of_the_first_equal_timms_with_the_papers_relu():
    torch.manual_seed(0)
    ours = stirred(models.build("mobilenet_v1"))
    theirs = copied(timm.create_model("mobilenetv1_100", act_layer=nn.ReLU), ours)
    assert_equal_logits(ours, theirs, (97, 64))


# The width multiplier.


@pytest.mark.parametrize(("width", "millions"), [(1.0, 4.2), (0.75, 2.6), (0.5, 1.3), (0.25, 0.5)])
def test_narrower_first_networks_have_the_papers_parameters(width, millions):
    model = on_meta("mobilenet_v1", width=width)
    assert round(measure.parameters(model).trainable / 1e6, 1) == millions
    assert model.output.in_features == 1024 * width


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.3, 1.4])
def test_second_networks_of_other_width_equal_torchvisions(width):
    torch.manual_seed(0)
    theirs = stirred(torchvision.models.mobilenet_v2(width_mult=width))
    ours = models.transplant(theirs.state_dict(), models.build("mobilenet_v2", width=width)).eval()
    assert ours.output.in_features == (1280 if width < 1 else 8 * round(1280 * width / 8))
    assert_equal_logits(ours, theirs, (64, 50))


@given(channels=st.floats(0.1, 4000), multiple=st.integers(1, 64))
def test_channels_are_rounded_as_torchvision_does(channels, multiple):
    assert rounded(channels, multiple) == _make_divisible(channels, multiple)


def test_rounding_by_hand():
    assert rounded(24 * 0.75) == 24  # 16 would be less than nine tenths of 18
    assert rounded(32 * 0.75) == 24 and rounded(20) == 24 and rounded(76) == 80 and rounded(1) == 8


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"width": 0}, ValueError, r"width must be above 0, got 0\.0"),
        ({"width": -0.5}, ValueError, r"width must be above 0, got -0\.5"),
        ({"width": float("nan")}, ValueError, "width must be a finite number, got nan"),
        ({"width": "half"}, TypeError, "width must be a number, got 'half'"),
        ({"depth": 2}, ValueError, "a change of mobilenet_v2 must be one of width, got 'depth'"),
    ],
)
def test_a_wrong_width_is_one_sentence(changes, error, words):
    with pytest.raises(error, match=words) as caught:
        models.build("mobilenet_v2", **changes)
    assert "\n" not in str(caught.value)


# Small images.


@pytest.mark.parametrize("name", ["mobilenet_v1_mini", "mobilenet_v2_mini"])
def test_the_small_ones_keep_the_side_up_to_the_second_stage(name):
    found = sizes(name, 32)
    sides = [found[layer][1] for layer in ("stem", "stage1", "stage2", "stage3", "stage4")]
    assert sides == [32, 32, 16, 8, 4]
    model = on_meta(name, in_channels=1)
    assert (model.num_classes, model.published_size) == (10, 32)
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v1_mini", "mobilenet_v2_mini"])
def test_one_pixel_is_enough(name):
    model = models.build(name, 7, 2).eval()
    assert model.smallest == 1 and model(torch.randn(3, 2, 1, 1)).shape == (3, 7)
