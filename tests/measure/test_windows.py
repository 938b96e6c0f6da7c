"""Arithmetic on the settings of layers, against published counts, torch's own counter and the reach of gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cnncourse import measure

# receptive_field


def test_receptive_field_of_a_typical_stack():
    rows = measure.receptive_field([(3, 1), (2, 2), (3, 1), (3, 1), (2, 2)])
    assert (
        [row.receptive_field for row in rows]
        == [3, 3 + 1, 4 + 2 * 2, 8 + 2 * 2, 12 + 1 * 2]
        == [3, 4, 8, 12, 14]
    )
    assert [row.jump for row in rows] == [1, 2, 2, 2, 4]
    assert [row.layer for row in rows] == ["1", "2", "3", "4", "5"]


def test_receptive_field_with_padding():
    rows = measure.receptive_field([(7, 2, 3), (3, 1, 1), (3, 1, 1)])
    assert rows[-1].receptive_field == 7 + 2 * 2 + 2 * 2 == 15
    # Left out, padding is 0: the first field starts at the first pixel.
    assert measure.receptive_field([(7, 2)])[0].center == (7 - 1) / 2
    # "Same" padding centers the first field on the first pixel: (7 − 1)/2 − 3 = 0.
    assert [row.center for row in rows] == [0, 0, 0]


VGG16 = [("conv1_1", 3, 1, 1), ("conv1_2", 3, 1, 1), ("pool1", 2, 2)]
VGG16 += [("conv2_1", 3, 1, 1), ("conv2_2", 3, 1, 1), ("pool2", 2, 2)]
VGG16 += [("conv3_1", 3, 1, 1), ("conv3_2", 3, 1, 1), ("conv3_3", 3, 1, 1), ("pool3", 2, 2)]
VGG16 += [("conv4_1", 3, 1, 1), ("conv4_2", 3, 1, 1), ("conv4_3", 3, 1, 1), ("pool4", 2, 2)]
VGG16 += [("conv5_1", 3, 1, 1), ("conv5_2", 3, 1, 1), ("conv5_3", 3, 1, 1), ("pool5", 2, 2)]


def test_receptive_field_of_vgg16():
    rows = measure.receptive_field(VGG16)
    found = {row.layer: row.receptive_field for row in rows}
    known = {"pool1": 6, "conv2_2": 14, "pool2": 16, "conv3_3": 40, "pool3": 44}
    known |= {"conv4_3": 92, "pool4": 100, "conv5_3": 196, "pool5": 212}
    assert {name: found[name] for name in known} == known
    assert len(rows) == 18 and rows[-1].jump == 32


def test_receptive_field_of_alexnet():
    rows = measure.receptive_field(
        [(11, 4, 2), (3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1), (3, 1, 1), (3, 1, 1), (3, 2, 0)]
    )
    assert rows[6].receptive_field == 163 and rows[7].receptive_field == 195
    assert rows[7].jump == 4 * 2 * 2 * 2


def test_two_threes_see_what_one_five_sees():
    assert measure.receptive_field([(3, 1), (3, 1)])[-1].receptive_field == 5
    assert measure.receptive_field([(5, 1)])[-1].receptive_field == 5
    assert measure.receptive_field([(3, 1, 0, 2)])[-1].receptive_field == 5  # and one 3 at dilation 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_receptive_field_is_the_reach_of_the_gradient(layers):
    """The pixels whose change moves one output, first to last, are as many as r, and c lies in their middle."""
    row = measure.receptive_field(layers)[-1]
    reach, jump = row.receptive_field, row.jump
    # Start far enough inside that neither border nor padding is touched.
    output = math.ceil((2 * reach + abs(row.center) + 10) / jump)
    size = int(output * jump + 3 * reach + abs(row.center) + 100)
    x = torch.zeros(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, padding, dilation in layers:
        ones = torch.ones(1, 1, kernel, dtype=torch.float64)
        y = F.conv1d(y, ones, stride=stride, padding=padding, dilation=dilation)
    (gradient,) = torch.autograd.grad(y[0, 0, output], x)
    seen = torch.nonzero(gradient[0, 0]).flatten()
    assert int(seen[-1] - seen[0]) + 1 == reach
    assert (seen[0] + seen[-1]).item() / 2 == row.center + output * jump


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ("conv", TypeError, "layers must be a list of tuples"),
        (3, TypeError, "layers must be a list of tuples"),
        ([3, 1], TypeError, r"layers\[0\] must be a tuple"),
        ([(3, 1), (3,)], ValueError, r"layers\[1\] must hold kernel_size, stride"),
        ([(3, 1, 0, 1, 5)], ValueError, r"layers\[0\] must hold"),
        ([()], ValueError, r"layers\[0\] must hold"),
        ([("conv", 3)], ValueError, r"layers\[0\] must hold"),
        ([(3, 0)], ValueError, r"stride of layers\[0\] must be at least 1, got 0"),
        ([(0, 1)], ValueError, r"kernel_size of layers\[0\] must be at least 1, got 0"),
        ([(3, 1, -1)], ValueError, r"padding of layers\[0\] must be at least 0, got -1"),
        ([(3, 1, 0, 0)], ValueError, r"dilation of layers\[0\] must be at least 1, got 0"),
        ([(3.0, 1)], TypeError, r"kernel_size of layers\[0\] must be an integer, got 3.0"),
        ([(True, 1)], TypeError, "must be an integer, got True"),
        ([((3, 3), 1)], TypeError, "must be an integer"),
    ],
)
def test_receptive_field_refuses(layers, error, words):
    with pytest.raises(error, match=words):
        measure.receptive_field(layers)


# conv_cost


def test_conv_cost_of_the_shape_check():
    cost = measure.conv_cost((2, 3, 360, 480), 4, 3, padding=1)
    assert cost.output_shape == (2, 4, 360, 480)
    assert cost.weights == 4 * 3 * 3 * 3 == 108 and cost.biases == 4
    assert cost.multiply_adds == 2 * 4 * 360 * 480 * 3 * 3 * 3
    assert cost.parameter_bytes == 112 * 4 and cost.output_bytes == 2 * 4 * 360 * 480 * 4


def test_conv_cost_of_two_threes_against_one_five():
    c = 256
    three, five = (measure.conv_cost((1, c, 8, 8), c, k, padding=k // 2, bias=False) for k in (3, 5))
    assert 2 * three.weights == 18 * c * c == 1_179_648
    assert five.weights == 25 * c * c == 1_638_400
    assert measure.conv_cost((1, c, 8, 8), c, 3, padding=1, bytes_per_number=2).output_bytes == c * 64 * 2


sizes = st.integers(1, 9)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    kernel=pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3),
    bias=st.booleans(),
)
def test_conv_cost_equals_the_layer(data, kernel, stride, padding, dilation, groups, bias):
    n, c, o = (
        data.draw(st.integers(1, 3)),
        groups * data.draw(st.integers(1, 2)),
        groups * data.draw(st.integers(1, 2)),
    )
    height, width = (
        data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 14))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    )
    layer = nn.Conv2d(c, o, kernel, stride, padding, dilation, groups, bias)
    x = torch.zeros(n, c, height, width)
    with FlopCounterMode(display=False) as counter:
        layer(x)
    cost = measure.conv_cost(tuple(x.shape), o, kernel, stride, padding, dilation, groups, bias)
    assert cost.output_shape == tuple(layer(x).shape)
    assert cost.weights == layer.weight.numel()
    assert cost.weights + cost.biases == sum(p.numel() for p in layer.parameters())
    assert cost.multiply_adds == counter.get_total_flops() // 2
    row = measure.table(layer, tuple(x.shape))[0]
    assert (row.output_shape, row.multiply_adds) == (cost.output_shape, cost.multiply_adds)


@pytest.mark.parametrize(
    ("arguments", "changes", "error", "words"),
    [
        (((3, 8, 8), 4, 3), {}, ValueError, r"input_shape must be \(N, C, H, W\), got \(3, 8, 8\)"),
        ((8, 4, 3), {}, TypeError, r"input_shape must be a tuple \(N, C, H, W\), got 8"),
        (((1, 3, 8, 0), 4, 3), {}, ValueError, r"input_shape\[3\] must be at least 1, got 0"),
        (((1, 3, 8, 8), 4, 9), {}, ValueError, "does not fit into an input of 8×8"),
        (
            ((1, 3, 8, 8), 4, (3, 5)),
            {"dilation": (1, 2)},
            ValueError,
            r"kernel_size \(3, 5\) with dilation \(1, 2\)",
        ),
        (((1, 3, 8, 8), 4, 3), {"groups": 2}, ValueError, "groups must divide the 3 input channels"),
        (((1, 4, 8, 8), 3, 3), {"groups": 2}, ValueError, "and the 3 output channels, got 2"),
        (((1, 3, 8, 8), 4, (3, 3, 3)), {}, ValueError, "kernel_size must be an integer or a pair"),
        (((1, 3, 8, 8), 4, 3), {"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        (
            ((1, 3, 8, 8), 4, 3),
            {"padding": "same"},
            TypeError,
            "padding must be an integer or a pair .*got 'same'",
        ),
        (((1, 3, 8, 8), 0, 3), {}, ValueError, "out_channels must be at least 1"),
    ],
)
def test_conv_cost_refuses(arguments, changes, error, words):
    with pytest.raises(error, match=words):
        measure.conv_cost(*arguments, **changes)
