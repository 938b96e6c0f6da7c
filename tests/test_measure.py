"""cnncourse.measure against published counts, torch's own operator counter, and arithmetic left visible."""

import copy
import html.parser
import math

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cnncourse import measure


def lenet5():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def on_meta(name, **changes):
    """A torchvision model without numbers in it: shapes and counts are all that is needed."""
    with torch.device("meta"):
        return getattr(torchvision.models, name)(weights=None, **changes)


def counted_by_torch(model, *inputs):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return counter.get_total_flops() // 2


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
    cost = measure.conv_cost(tuple(x.shape), o, kernel, stride, padding, dilation, groups, bias)
    assert cost.output_shape == tuple(layer(x).shape)
    assert cost.weights == layer.weight.numel()
    assert cost.weights + cost.biases == sum(p.numel() for p in layer.parameters())
    assert cost.multiply_adds == counted_by_torch(layer, x)
    row = measure.table(layer, tuple(x.shape))[0]
    assert (row.output_shape, row.multiply_adds) == (cost.output_shape, cost.multiply_adds)


@pytest.mark.parametrize(
    ("arguments", "changes", "error", "words"),
    [
        (((3, 8, 8), 4, 3), {}, ValueError, r"input_shape must be \(N, C, H, W\), got \(3, 8, 8\)"),
        ((8, 4, 3), {}, TypeError, "input_shape must be a tuple of integers"),
        (((1, 3, 8, 0), 4, 3), {}, ValueError, "every size in input_shape must be at least 1, got 0"),
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
        (((1, 3, 8, 8), 4, 3), {"padding": "same"}, TypeError, "padding must be an integer, got 'same'"),
        (((1, 3, 8, 8), 0, 3), {}, ValueError, "out_channels must be at least 1"),
    ],
)
def test_conv_cost_refuses(arguments, changes, error, words):
    with pytest.raises(error, match=words):
        measure.conv_cost(*arguments, **changes)


# parameters


def test_parameters_counts_trainable_total_and_bytes():
    model = lenet5()
    assert measure.parameters(model) == (61_706, 61_706, 61_706 * 4)
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    trainable, total, size = measure.parameters(model.half())
    assert (trainable, total, size) == (61_706 - 6 * (25 + 1), 61_706, 61_706 * 2)


def test_parameters_counts_a_shared_tensor_once():
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert measure.parameters(nn.Sequential(first, second, first)).total == 16
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got list"):
        measure.parameters([first])


# table


def test_table_of_lenet5():
    table = measure.table(lenet5(), (1, 1, 32, 32))
    assert table.parameters == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706
    assert (
        table.multiply_adds
        == 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 120 * 400 + 120 * 84 + 84 * 10
        == 416_520
    )
    assert table.measured_multiply_adds == 416_520
    assert [row.output_shape for row in table][:3] == [(1, 6, 28, 28), (1, 6, 28, 28), (1, 6, 14, 14)]
    assert [row.receptive_field for row in table] == [5, 5, 6, 14, 14, 16, 32, 32, None, None, None, None]
    assert [row.jump for row in table][:8] == [1, 1, 2, 2, 2, 4, 4, 4]
    assert table["0"].activation_bytes == 6 * 28 * 28 * 4
    assert table["8"].activation_bytes == 0  # Flatten only looks at the same numbers in another way
    assert table.parameter_bytes == 61_706 * 4
    assert not table.disagreements


def test_table_scales_with_the_batch():
    one, eight = (measure.table(lenet5(), (n, 1, 32, 32)) for n in (1, 8))
    assert eight.multiply_adds == 8 * one.multiply_adds
    assert eight.activation_bytes == 8 * one.activation_bytes
    assert eight.parameters == one.parameters


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("alexnet", 61_100_840, 714_188_480),
        ("vgg16", 138_357_544, None),
        ("resnet18", 11_689_512, None),
        ("resnext50_32x4d", 25_028_904, 4_230_479_872),
        ("mobilenet_v2", 3_504_872, 300_774_272),
        ("efficientnet_b0", 5_288_548, 385_814_752),
        ("convnext_tiny", 28_589_128, 4_455_531_264),
    ],
)
def test_table_of_published_networks(name, parameters, multiply_adds):
    model = on_meta(name)
    table = measure.table(model, (1, 3, 224, 224))
    assert table.parameters == parameters
    assert multiply_adds in (None, table.multiply_adds)
    with torch.device("meta"):
        x = torch.zeros(1, 3, 224, 224)
    assert table.multiply_adds == table.measured_multiply_adds == counted_by_torch(model, x)
    assert not table.disagreements


def test_table_of_heads_that_are_not_called():
    table = measure.table(on_meta("googlenet", init_weights=False), (1, 3, 224, 224))
    assert table.parameters == 13_004_888
    called = [row for row in table if row.output_shape is not None]
    assert sum(row.parameters for row in called) == 6_624_904
    assert {row.kind for row in table if row.output_shape is None} == {
        "Conv2d (not called)",
        "BatchNorm2d (not called)",
        "Linear (not called)",
    }


def test_table_of_a_transformer_says_what_the_formulas_leave_out():
    table = measure.table(on_meta("vit_b_16"), (1, 3, 224, 224))
    assert table.parameters == 86_567_656
    assert table["(model)"].kind == "VisionTransformer (own parameters)"
    assert table["(model)"].parameters == 768  # the class token
    assert table["encoder"].parameters == 197 * 768  # the positions
    # Attention in one block: four 768×768 projections of 197 tokens, then scores and sums.
    attention = 4 * 197 * 768 * 768 + 2 * 197 * 197 * 768
    assert table.measured_multiply_adds - table.multiply_adds == 12 * attention
    assert f"+{12 * attention:,} against the layers above" in str(table)


def test_field_follows_vgg16_and_alexnet_to_the_last_pooling():
    vgg = measure.table(on_meta("vgg16"), (1, 3, 224, 224))
    poolings = [row for row in vgg if row.kind == "MaxPool2d"]
    assert [row.receptive_field for row in poolings] == [6, 16, 44, 100, 212]
    assert [row.jump for row in poolings] == [2, 4, 8, 16, 32]
    alexnet = measure.table(on_meta("alexnet"), (1, 3, 224, 224))
    assert alexnet["features.10"].receptive_field == 163 and alexnet["features.12"].receptive_field == 195


def test_field_is_blank_where_paths_join():
    table = measure.table(on_meta("resnet18"), (1, 3, 224, 224))
    first_block = [row.receptive_field for row in table if row.layer.startswith("layer1.0")]
    assert first_block == [19, 19, 19, 27, 27, None]
    joined = [row.layer for row in table].index("layer1.1.conv1")
    assert all(row.receptive_field is None for row in table.rows[joined:])


class Functional(nn.Module):
    """How many small nets are written: functions between the layers."""

    def __init__(self, pool):
        super().__init__()
        self.first, self.second, self.pool = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), pool

    def forward(self, x):
        return self.second(self.pool(torch.tanh(F.relu(self.first(2 * x) + 1))))


def test_field_passes_elementwise_functions_and_stops_at_others():
    seen = measure.table(Functional(nn.MaxPool2d(2)), (1, 1, 20, 20))
    assert [row.receptive_field for row in seen] == [3, 4, 8]
    lost = measure.table(Functional(lambda x: F.max_pool2d(x, 2)), (1, 1, 20, 20))
    assert [row.receptive_field for row in lost] == [3, None]
    moved = measure.table(Functional(lambda x: x.transpose(2, 3)), (1, 1, 20, 20))
    assert [row.receptive_field for row in moved] == [3, None]


def test_field_is_blank_where_a_map_is_stretched():
    model = Functional(lambda x: x * torch.ones(1, 1, 5, 5))
    assert [row.receptive_field for row in measure.table(model, (1, 1, 3, 3))] == [3, None]


class Joined(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.conv, self.last, self.join = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1), join

    def forward(self, x):
        return self.last(self.join(self.conv(x), x))


@pytest.mark.parametrize(
    "join", [torch.add, torch.mul, torch.Tensor.add_, lambda a, b: torch.cat([a, b])[:1], torch.where]
)
def test_field_is_blank_after_every_kind_of_join(join):
    if join is torch.where:
        join = lambda a, b: torch.where(a > 0, a, b)  # noqa: E731
    assert [row.receptive_field for row in measure.table(Joined(join), (1, 2, 6, 6))] == [3, None]


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (nn.BatchNorm2d(2), 3),
        (nn.BatchNorm2d(2, track_running_stats=False), None),
        (nn.LocalResponseNorm(2), 3),
        (nn.Dropout2d(), 3),
        (nn.Hardswish(), 3),
        (nn.PReLU(), 3),
        (nn.GELU(), 3),
        (nn.Identity(), 3),
        (nn.GroupNorm(1, 2), None),
        (nn.InstanceNorm2d(2), None),
        (nn.LayerNorm([8, 8]), None),
        (nn.Upsample(scale_factor=2), None),
        (nn.ConvTranspose2d(2, 2, 2, 2), None),
        (nn.Softmax(dim=3), None),
        (nn.AdaptiveAvgPool2d(4), 3 + 1),
        (nn.AdaptiveAvgPool2d(1), 3 + 7),
        (nn.AdaptiveMaxPool2d((None, 4)), (3, 4)),
        (nn.AdaptiveAvgPool2d(3), None),
        (nn.AvgPool2d((1, 3)), (3, 5)),
        (nn.Conv2d(2, 2, 3, padding="same", dilation=2), 3 + 4),
    ],
)
def test_field_through_one_layer(layer, field):
    table = measure.table(nn.Sequential(nn.Conv2d(1, 2, 3), layer), (1, 1, 10, 10))
    assert table[1].receptive_field == field
    assert not table.disagreements


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_predicted_shapes_equal_measured_ones(data):
    """Every kind with a formula, on drawn settings; torch's own counter says how many multiply-adds ran."""
    integer = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    kernel, stride, ceil_mode = (
        (integer(1, 4), integer(1, 4)),
        (integer(1, 3), integer(1, 3)),
        data.draw(st.booleans()),
    )
    padding, dilation = (
        (integer(0, kernel[0] // 2), integer(0, kernel[1] // 2)),
        (integer(1, 2), integer(1, 2)),
    )
    groups = data.draw(st.sampled_from([1, 2]))
    layers = [
        nn.Conv2d(2, 4, kernel, stride, padding, dilation, groups),
        nn.Conv2d(2, 4, kernel, 1, "same", dilation, groups),
        nn.Conv2d(2, 4, kernel, stride, "valid"),
        nn.ConvTranspose2d(2, 4, kernel, stride, padding, 0, groups, dilation=dilation),
        nn.ConvTranspose2d(2, 4, kernel, 3, padding, (1, 2)),
        nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode),
        nn.AvgPool2d(kernel, stride, padding, ceil_mode),
        nn.AdaptiveAvgPool2d((integer(1, 6), None)),
        nn.AdaptiveMaxPool2d(integer(1, 6)),
        nn.Flatten(integer(0, 2), data.draw(st.sampled_from([-1, 2, 3]))),
        nn.Linear(11, integer(1, 5)),
        nn.Softmax(1),
    ]
    x = torch.zeros(integer(1, 3), 2, integer(7, 12), 11)
    for layer in layers:
        (row,) = measure.table(layer, tuple(x.shape))
        assert row.predicted_shape == row.output_shape == tuple(layer(x).shape)
        assert row.multiply_adds == counted_by_torch(layer, x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(2, 4, 3, 2, 1), (2, 2, 9)),
        (nn.Conv3d(2, 4, (1, 2, 3), groups=2), (1, 2, 3, 4, 5)),
        (nn.ConvTranspose1d(2, 3, 4, 2, 1), (2, 2, 5)),
        (nn.ConvTranspose3d(2, 3, 2, 2), (1, 2, 2, 3, 2)),
        (nn.MaxPool1d(3, 2, 1, ceil_mode=True), (1, 2, 8)),
        (nn.AvgPool1d(3), (1, 2, 8)),
        (nn.AvgPool3d(2), (1, 2, 4, 5, 6)),
        (nn.AdaptiveAvgPool1d(3), (1, 2, 8)),
        (nn.Conv2d(2, 4, 3), (2, 7, 7)),
        (nn.MaxPool2d(2), (2, 7, 7)),
    ],
)
def test_other_dimensions_and_unbatched_input(layer, shape):
    (row,) = measure.table(layer, shape)
    assert row.predicted_shape == row.output_shape == tuple(layer(torch.zeros(shape)).shape)
    assert row.multiply_adds == counted_by_torch(layer, torch.zeros(shape))


class Wrong(nn.Conv2d):
    """A convolution that does not do what its settings say."""

    def forward(self, x):
        return super().forward(x)[..., 1:, :]


def test_a_wrong_prediction_is_shown():
    table = measure.table(nn.Sequential(Wrong(1, 1, 3), nn.ReLU()), (1, 1, 8, 8))
    assert table.disagreements == (table[0],)
    assert table[0].predicted_shape == (1, 1, 6, 6) and table[0].output_shape == (1, 1, 5, 6)
    assert table[0].receptive_field is None
    assert "(1, 1, 5, 6) (predicted (1, 1, 6, 6))" in str(table)
    assert "1 of 2 predicted shapes equal" in str(table)


def test_shared_layers_count_once_and_work_twice():
    conv = nn.Conv2d(2, 2, 3, padding=1)
    table = measure.table(nn.Sequential(conv, nn.ReLU(), conv), (1, 2, 5, 5))
    assert [row.parameters for row in table] == [2 * 2 * 9 + 2, 0, 0]
    assert [row.multiply_adds for row in table] == [25 * 2 * 2 * 9, 0, 25 * 2 * 2 * 9]
    assert [row.layer for row in table] == ["0", "1", "0"]


def test_memory_is_what_is_new():
    table = measure.table(
        nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten()
        ).double(),
        (2, 1, 5, 5),
    )
    assert [row.activation_bytes for row in table] == [2 * 2 * 9 * 8, 2 * 2 * 9 * 8, 0, 0, 0]
    assert table.activation_bytes == 2 * (2 * 2 * 9 * 8)


def test_layers_with_inner_works_are_one_row():
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))
    table = measure.table(nn.Sequential(conv, nn.ReLU()), (1, 1, 5, 5))
    assert len(table) == 2 and table[0].multiply_adds == 9 * 2 * 9
    assert table.parameters == 2 * 9 + 2 + 2 == measure.parameters(conv).total


class Busy(nn.Module):
    """Writes into a buffer, replaces another and draws random numbers at every call."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(1), nn.Dropout()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.last = x.sum() + torch.rand(())
        self.watched = torch.is_grad_enabled()
        return self.drop(self.norm(x))


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(Busy(), nn.Conv2d(1, 1, 1))
    model.train()
    model[0].norm.eval()
    model(torch.ones(2, 1, 3, 3)).sum().backward()
    state, flags = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    gradients, rng = [p.grad.clone() for p in model.parameters()], torch.get_rng_state()
    last, hooks = model[0].last, [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    measure.table(model, (4, 1, 5, 5))
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(now, state[name]) for name, now in model.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert model[0].last is last and torch.equal(torch.get_rng_state(), rng)
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks
    assert all(p.requires_grad for p in model.parameters()) and not model[0].watched


def test_the_model_is_left_as_it_was_after_a_failure():
    model = lenet5().train()
    with pytest.raises(ValueError):
        measure.table(model, (1, 1, 28, 28))
    assert model.training and all(m.training and not m._forward_hooks for m in model.modules())


def test_errors_name_the_layer_and_the_shapes():
    with pytest.raises(
        ValueError, match=r"\(1, 1, 28, 28\): layer 6, Conv2d\(16, 120, .* failed on \(1, 16, 4, 4\)"
    ):
        measure.table(lenet5(), (1, 1, 28, 28))
    with pytest.raises(
        ValueError, match=r"layer classifier\.1, Linear\(.*failed on \(256, 36\): .*batch axis"
    ):
        measure.table(on_meta("alexnet"), (3, 224, 224))
    with pytest.raises(
        ValueError, match=r"layer \(model\), Joined\(…\), failed on \(1, 2, 6, 6\): no such join"
    ):
        measure.table(Joined(no_such_join), (1, 2, 6, 6))


def no_such_join(a, b):
    raise LookupError("no such join")


@pytest.mark.parametrize(
    ("model", "shape", "error", "words"),
    [
        ("lenet5", (1, 1, 32, 32), TypeError, r"model must be a torch\.nn\.Module, got str"),
        (nn.Conv2d, (1, 1, 32, 32), TypeError, r"model must be a torch\.nn\.Module, got type"),
        (nn.ReLU(), 32, TypeError, "input_shape must be a tuple of integers"),
        (nn.ReLU(), (), TypeError, "input_shape must be a tuple of integers"),
        (nn.ReLU(), (1, 1, 3.5), TypeError, "every size in input_shape must be an integer, got 3.5"),
        (nn.ReLU(), (1, 0, 3), ValueError, "every size in input_shape must be at least 1, got 0"),
        (
            nn.LazyConv2d(2, 3),
            (1, 1, 8, 8),
            ValueError,
            "weight has no shape yet, its layer is lazy: call the model",
        ),
    ],
)
def test_table_refuses(model, shape, error, words):
    with pytest.raises(error, match=words):
        measure.table(model, shape)


def test_table_as_text():
    assert str(measure.table(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), (1, 1, 5, 5))) == (
        "Sequential on (1, 1, 5, 5)\n"
        "layer  kind     output shape  parameters  multiply-adds  memory  field  jump\n"
        "────────────────────────────────────────────────────────────────────────────\n"
        "0      Conv2d   (1, 2, 3, 3)          20            162    72 B      3     1\n"
        "1      Flatten  (1, 18)                0              0     0 B      –     –\n"
        "────────────────────────────────────────────────────────────────────────────\n"
        "total                                 20            162    72 B\n"
        "2 of 2 predicted shapes equal the measured ones. Parameters take 80 B.\n"
        "Multiply-adds are those of convolutions and linear layers, biases not counted; other layers show 0."
    )


def test_table_as_html_is_well_formed_and_has_headers():
    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.tags, self.scopes, self.text = [], [], [], []

        def handle_starttag(self, tag, attributes):
            self.open.append(tag)
            self.tags.append(tag)
            if tag == "th":
                self.scopes.append(dict(attributes)["scope"])

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_data(self, data):
            self.text.append(data)

    class Odd(nn.Sequential):
        pass

    Odd.__name__ = "A<b>"
    table = measure.table(Odd(*lenet5()), (1, 1, 32, 32))
    reader = Reader()
    reader.feed(table._repr_html_())
    assert (
        not reader.open
        and reader.tags.count("table") == 1
        and "caption" in reader.tags
        and "b" not in reader.tags
    )
    assert reader.scopes == ["col"] * 8 + ["row"] * (len(table) + 1)
    assert "416,520" in reader.text and "A<b> on (1, 1, 32, 32)" in reader.text
    assert reader.tags.count("td") == 7 * (len(table) + 1)


def test_table_is_a_sequence_of_rows():
    table = measure.table(lenet5(), (1, 1, 32, 32))
    assert len(table) == len(list(table)) == 12 and table[-1] is table["11"]
    assert table[0].kind == "Conv2d" and table[0].input_shape == (1, 1, 32, 32)
    assert repr(table) == str(table)
    with pytest.raises(KeyError, match="no layer 'conv9'; the layers are 0, 1, 2"):
        table["conv9"]


def test_every_number_is_read_from_the_dtype():
    assert measure.table(nn.Conv2d(1, 1, 1).to(torch.bfloat16), (1, 1, 2, 2))[0].activation_bytes == 4 * 2


def test_without_parameters_and_with_two_outputs():
    (row,) = measure.table(nn.MaxPool2d(2, return_indices=True), (1, 1, 4, 4))
    assert row.output_shape == (1, 1, 2, 2) and row.activation_bytes == 4 * 4 + 4 * 8
