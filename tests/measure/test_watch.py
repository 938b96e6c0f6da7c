"""cnncourse.measure against published counts, torch's own operator counter, and arithmetic left visible."""

import copy
import html.parser

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cnncourse import measure, models


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
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got \[Linear"):
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


@pytest.mark.parametrize("name", ["lenet5", "vgg_mini", "googlenet_mini", "vit_tiny"])
def test_a_table_is_the_same_without_computing_anything(name):
    """Views too, as Flatten makes them, are recognized on the meta device, where no memory has an address."""
    tables = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            model = models.build(name)
        side = model.input_size or model.published_size
        tables.append(measure.table(model, (1, model.in_channels, side, side)))
    assert tables[0].rows == tables[1].rows


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


def test_table_of_a_transformer():
    table = measure.table(on_meta("vit_b_16"), (1, 3, 224, 224))
    assert table.parameters == 86_567_656
    assert table["(model)"].kind == "VisionTransformer (own parameters)"
    assert table["(model)"].parameters == 768  # the class token
    assert table["encoder"].parameters == 197 * 768  # the positions
    # Attention in one block: four 768×768 projections of 197 tokens, then scores and sums.
    attention = 4 * 197 * 768 * 768 + 2 * 197 * 197 * 768
    assert [row.multiply_adds for row in table if row.kind == "MultiheadAttention"] == 12 * [attention]


@pytest.mark.parametrize(
    ("name", "side", "changes"),
    [
        ("alexnet", 64, {}),
        ("vgg11_bn", 32, {}),
        ("resnet18", 32, {}),
        ("squeezenet1_1", 64, {}),
        ("densenet121", 32, {}),
        ("googlenet", 32, {"init_weights": False}),
        ("shufflenet_v2_x0_5", 32, {}),
        ("mobilenet_v3_small", 32, {}),
        ("mnasnet0_5", 32, {}),
        ("convnext_tiny", 32, {}),
        ("vit_b_16", 32, {"image_size": 32}),
        ("swin_t", 64, {}),
        ("swin_v2_t", 64, {}),
        ("maxvit_t", 224, {}),
    ],
)
def test_predicted_multiply_adds_are_those_that_torch_counts(name, side, changes):
    model, shape = on_meta(name, **changes), (1, 3, side, side)
    table = measure.table(model, shape)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), torch.device("meta"):
        assert (
            table.multiply_adds == table.measured_multiply_adds == counted_by_torch(model, torch.zeros(shape))
        )
    assert table.parameters == sum(p.numel() for p in model.parameters())


class Attention(nn.Module):
    """Self-attention, called by place or by name in another order."""

    def __init__(self, by_name=False, **changes):
        super().__init__()
        self.attention, self.by_name = (
            nn.MultiheadAttention(16, 4, **{"batch_first": True} | changes),
            by_name,
        )

    def forward(self, x):
        return self.attention(value=x, key=x, query=x)[0] if self.by_name else self.attention(x, x, x)[0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("by_name", [False, True])
def test_attention_is_counted_on_every_device(device, by_name):
    torch.backends.mha.set_fastpath_enabled(True)
    table = measure.table(Attention(by_name, device=device), (2, 5, 16))
    expected = 4 * 2 * 5 * 16**2 + 2 * 2 * 5**2 * 16
    assert table.measured_multiply_adds == table.multiply_adds == expected == 11_840
    assert torch.backends.mha.get_fastpath_enabled()  # put back


class Cross(nn.Module):
    """Queries of 16 numbers look at 7 keys of 6 numbers, which stand for values of 3."""

    def __init__(self, **changes):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, kdim=6, vdim=3, **changes)

    def forward(self, x):
        lead = x.shape[1:-1]
        keys, values = (x.new_zeros(7, *lead, width) for width in (6, 3))
        return self.attention(query=x, value=values, key=keys, need_weights=False)[0]


@pytest.mark.parametrize("changes", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"bias": False}])
@pytest.mark.parametrize("shape", [(5, 2, 16), (5, 16)])
def test_attention_by_its_settings_is_what_torch_counts(changes, shape):
    table = measure.table(Cross(**changes), shape)
    assert table.multiply_adds == table.measured_multiply_adds > 0


class Loose(nn.Module):
    """Products outside every layer: a convolution by a function, attention by hand, a layer of its own kind."""

    def __init__(self):
        super().__init__()
        self.kernel, self.own = nn.Parameter(torch.zeros(4, 2, 3, 3)), nn.Bilinear(4, 4, 3)

    def forward(self, x):
        y = F.conv2d(x, self.kernel, stride=2)
        y = F.conv_transpose2d(y, self.kernel).flatten(2).transpose(1, 2)
        return F.scaled_dot_product_attention(y, y, y), torch.einsum("ntc,nsc->nts", y, y)


def test_products_outside_the_layers_have_a_row_of_their_own():
    table = measure.table(Loose(), (1, 2, 5, 7))
    (row,) = [row for row in table if row.multiply_adds]
    assert (row.layer, row.kind) == ("(model)", "Loose (own products)")
    tokens = 4 * 5
    assert row.multiply_adds == 2 * 3 * 4 * 18 + 2 * 3 * 4 * 18 + 2 * tokens**2 * 2 + tokens**2 * 2
    assert table.measured_multiply_adds == table.multiply_adds


def test_a_layer_without_a_formula_shows_the_products_that_it_ran():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 4))

        def forward(self, x):
            return x @ self.weight.T

    (row,) = measure.table(Dense(), (2, 4))
    assert (row.kind, row.multiply_adds, row.parameters) == ("Dense", 2 * 4 * 3, 12)


@pytest.mark.parametrize("compiled", [lambda model: model.compile(backend="eager"), None])
def test_a_compiled_model_is_measured_as_it_was_written(compiled):
    model = lenet5()
    expected = str(measure.table(model, (1, 1, 32, 32)))
    if compiled:
        compiled(model)
    else:
        model = torch.compile(model, backend="eager")
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, 32, 32))
    assert str(measure.table(model, (1, 1, 32, 32))) == expected


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


def through_a_view(y, wide):
    y[:, :2] += wide


def over_a_part(y, wide):
    y[:, :2] = wide


def through_a_view_of_a_view(y, wide):
    y[:1].detach().select(1, 0).add_(wide[:, 0])


class Written(nn.Module):
    """A branch that sees 7 pixels is written into a map that saw 3."""

    def __init__(self, write, buffered=False):
        super().__init__()
        self.conv3, self.conv7 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 2, 7, padding=3)
        self.last, self.write, self.buffered = nn.Conv2d(4, 1, 1), write, buffered

    def forward(self, x):
        y = self.conv3(x)
        if self.buffered:
            buffer = torch.zeros_like(y).new_zeros(y.shape)
            self.write(buffer, self.conv7(x))
            y = y + buffer
        else:
            self.write(y, self.conv7(x))
        return self.last(y)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("write", [through_a_view, over_a_part, through_a_view_of_a_view])
def test_a_write_through_a_view_loses_the_field(write, buffered, device):
    model = Written(write, buffered).to(device)
    assert measure.table(model, (1, 1, 20, 20))["last"].receptive_field in (7, None)


def test_a_constant_that_is_written_into_is_none_of_the_fields_business():
    def constant(y):
        mask = torch.zeros(y.shape[2:])
        mask[:2] += 1
        return y * mask

    model = Functional(constant)
    assert [row.receptive_field for row in measure.table(model, (1, 1, 9, 9))] == [3, 5]


def test_work_in_place_keeps_the_field():
    model = Functional(lambda y: F.relu_(y).mul_(2))
    assert [row.receptive_field for row in measure.table(model, (1, 1, 9, 9))] == [3, 5]


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


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_memory_is_what_is_new(device):
    layers = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten()
    table = measure.table(nn.Sequential(*layers).to(device, torch.float64), (2, 1, 5, 5))
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
        ("lenet5", (1, 1, 32, 32), TypeError, r"model must be a torch\.nn\.Module, got 'lenet5'"),
        (nn.Conv2d, (1, 1, 32, 32), TypeError, r"model must be a torch\.nn\.Module, got <class"),
        (nn.ReLU(), 32, TypeError, "input_shape must be a tuple of integers"),
        (nn.ReLU(), (), ValueError, "input_shape must be a tuple of integers"),
        (nn.ReLU(), (1, 1, 3.5), TypeError, r"input_shape\[2\] must be an integer, got 3.5"),
        (nn.ReLU(), (1, 0, 3), ValueError, r"input_shape\[1\] must be at least 1, got 0"),
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
        "Multiply-adds are those of convolutions and matrix products, biases not counted; other layers show 0."
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
