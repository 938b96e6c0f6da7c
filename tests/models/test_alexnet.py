"""cnncourse.models.alexnet against the paper's table and counts, torchvision's network, and arithmetic left visible."""

import pytest
import torch
import torchvision
from torch import nn

from cnncourse import measure, models
from cnncourse.models import alexnet

STAGES = ("c1", "c1_pool", "c2", "c2_pool", "c3", "c4", "c5", "c5_pool", "f6", "f7", "output")


def table(name, **changes):
    with torch.device("meta"):
        model = models.build(name, **changes)
        side = model.input_size or model.published_size
        return measure.table(model, (1, model.in_channels, side, side))


def counts(found):
    return {row.layer: row.parameters for row in found if row.parameters}


def order(name, **changes):
    with torch.device("meta"):
        return [layer for layer, _ in models.build(name, **changes).named_children()]


# What the table says.


@pytest.mark.parametrize("side", [227, 224])
def test_stages_are_the_papers(side):
    found = table("alexnet", image_size=side)
    assert [found[layer].output_shape[1:] for layer in STAGES] == [
        *[(96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13)],
        *[(256, 13, 13), (256, 6, 6), (4096,), (4096,), (1000,)],
    ]
    assert found["c5"].receptive_field == 163 and found["c5_pool"].receptive_field == 195


def test_one_tower_and_two_differ_in_c2_c4_and_c5():
    one, two = counts(table("alexnet")), counts(table("alexnet_grouped"))
    same = {
        "c1": 96 * (3 * 11**2 + 1),
        "c3": 384 * (256 * 3**2 + 1),
        "f6": 4096 * (256 * 6**2 + 1),
        "f7": 4096 * (4096 + 1),
        "output": 1000 * (4096 + 1),
    }
    assert one == same | {
        "c2": 256 * (96 * 5**2 + 1),
        "c4": 384 * (384 * 3**2 + 1),
        "c5": 256 * (384 * 3**2 + 1),
    }
    assert two == same | {
        "c2": 256 * (48 * 5**2 + 1),
        "c4": 384 * (192 * 3**2 + 1),
        "c5": 256 * (192 * 3**2 + 1),
    }
    full = same["f6"] + same["f7"] + same["output"]
    assert (sum(one.values()), sum(two.values())) == (3_747_200 + full, 2_334_080 + full)
    assert (sum(one.values()), sum(two.values())) == (62_378_344, 60_965_224)


@pytest.mark.parametrize(
    ("name", "products"),
    [("alexnet", 1_135_256_096), ("alexnet_grouped", 724_406_816), ("alexnet_owt", 714_188_480)],
)
def test_multiply_adds(name, products):
    assert table(name).multiply_adds == products


def test_the_mini_has_a_sixteenth_of_all_widths():
    found = table("alexnet_mini")
    assert (
        counts(found)
        == {
            "c1": 6 * (1 * 11**2 + 1),
            "c2": 16 * (6 * 5**2 + 1),
            "c3": 24 * (16 * 3**2 + 1),
            "c4": 24 * (24 * 3**2 + 1),
            "c5": 16 * (24 * 3**2 + 1),
            "f6": 256 * (16 * 6**2 + 1),
            "f7": 256 * (256 + 1),
            "output": 10 * (256 + 1),
        }
        == counts(table("alexnet", width=1 / 16, num_classes=10, in_channels=1))
    )
    assert found.parameters == 231_382
    assert table("alexnet_mini", num_classes=100, in_channels=3).parameters == 255_964


@pytest.mark.parametrize(("side", "sides"), [
    (28, (28, 13, 13, 6, 6, 6, 6, 2)),
    (32, (32, 15, 15, 7, 7, 7, 7, 3)),
    (64, (64, 31, 31, 15, 15, 15, 15, 7)),
    (67, (15, 7, 7, 3, 3, 3, 3, 1)),  # from here on C1 has stride 4
    (128, (30, 14, 14, 6, 6, 6, 6, 2)),
])  # fmt: skip
def test_other_sizes_change_only_c1s_stride_and_f6(side, sides):
    found, paper = table("alexnet_mini", image_size=side), table("alexnet_mini")
    assert tuple(found[layer].output_shape[-1] for layer in STAGES[:8]) == sides
    assert counts(found) == counts(paper) | {"f6": 256 * (16 * sides[-1] ** 2 + 1)}


def test_a_side_of_32_pixels_has_120_790_parameters():
    assert table("alexnet_mini", image_size=32).parameters == 231_382 - 256 * 16 * (6**2 - 3**2) == 120_790


# The same network, written out.


def written_out(norm):
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 11, 4), nn.ReLU(), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(6, 16, 5, padding=2, groups=2), nn.ReLU(), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(16, 24, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(24, 24, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(24, 16, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(256, 10),
    )


@pytest.mark.parametrize(("normalization", "norm"), [
    ("before pooling", lambda: nn.LocalResponseNorm(5, 5 * 1e-4, 0.75, 2)),
    ("none", nn.Identity),
])  # fmt: skip
def test_the_grouped_network_equals_one_written_out_in_training_too(normalization, norm):
    options = {"width": 1 / 16, "image_size": 67, "normalization": normalization}
    model = models.build("alexnet_grouped", 10, 1, **options)
    sequence = written_out(norm)
    sequence.load_state_dict(dict(zip(sequence.state_dict(), model.state_dict().values(), strict=True)))
    x = 10 * torch.randn(3, 1, 67, 67)
    torch.manual_seed(5)
    mine = model(x)
    torch.manual_seed(5)
    torch.testing.assert_close(mine, sequence(x))


def test_torchvisions_network_drops_what_f6_and_f7_read():
    theirs = torchvision.models.alexnet(num_classes=7, dropout=0.25)
    ours = models.transplant(theirs.state_dict(), models.build("alexnet_owt", 7, dropout=0.25))
    x = torch.randn(2, 3, 63, 80)
    torch.manual_seed(5)
    mine = ours(x)
    torch.manual_seed(5)
    torch.testing.assert_close(mine, theirs(x))
    assert order("alexnet_owt")[-7:-1] == [
        *["f6_dropout", "f6", "f6_activation", "f7_dropout", "f7", "f7_activation"]
    ]


def test_each_group_reads_its_own_half():
    c2 = models.build("alexnet_grouped", width=1 / 16).c2
    x = torch.randn(1, 6, 5, 5, requires_grad=True)
    for o, maps in enumerate(c2(x)[0]):
        (slope,) = torch.autograd.grad(maps.sum(), x, retain_graph=True)
        assert (slope[0] != 0).any(dim=(1, 2)).tolist() == [o < 8] * 3 + [o >= 8] * 3


# Blocks and options.


def test_response_norm_is_the_papers_formula():
    x = 100 * torch.randn(2, 7, 2, 3, dtype=torch.float64)
    expected = torch.empty_like(x)
    for c in range(7):
        neighbors = x[:, max(0, c - 2) : min(6, c + 2) + 1]
        expected[:, c] = x[:, c] / (2 + 1e-4 * neighbors.square().sum(dim=1)) ** 0.75
    torch.testing.assert_close(alexnet.response_norm()(x), expected)


def test_responses_are_normalized_before_pooling_after_it_or_not():
    assert order("alexnet")[:8] == [
        *["c1", "c1_activation", "c1_norm", "c1_pool", "c2", "c2_activation", "c2_norm", "c2_pool"]
    ]
    assert order("alexnet", normalization="after pooling")[:8] == [
        *["c1", "c1_activation", "c1_pool", "c1_norm", "c2", "c2_activation", "c2_pool", "c2_norm"]
    ]
    without = [layer for layer in order("alexnet") if not layer.endswith("_norm")]
    assert order("alexnet", normalization="none") == without
    assert "c1_norm" not in order("alexnet_owt")


def test_published_weights_are_normal_and_five_layers_begin_with_ones():
    torch.manual_seed(0)
    model = models.build("alexnet_mini", width=1 / 4, image_size=32, initialization="published")
    for layer in ("c1", "c2", "c3", "c4", "c5", "f6", "f7", "output"):
        module = getattr(model, layer)
        assert module.weight.mean().abs() < 0.001 and 0.009 < module.weight.std() < 0.011, layer
        assert (module.bias == (1.0 if layer in ("c2", "c4", "c5", "f6", "f7") else 0.0)).all(), layer


def test_dropout_is_an_option():
    model = models.build("alexnet_mini", image_size=32, dropout=0.25)
    assert model.f6_dropout.p == model.f7_dropout.p == 0.25
    assert models.build("alexnet_mini", image_size=32).f6_dropout.p == 0.5


@pytest.mark.parametrize("width", [1 / 32, 0.1, 1 / 7, 1e-9])
def test_every_width_has_halves_of_whole_channels(width):
    model = models.build("alexnet_grouped", width=width, image_size=15)
    assert model(torch.randn(2, 3, 15, 15)).shape == (2, 1000)
    c2 = max(1, int(256 * width / 2)) * 2
    assert model.c2.out_channels == c2 and model.c2.weight.shape[1] == model.c1.out_channels / 2


def test_half_the_width_has_half_the_channels_everywhere():
    with torch.device("meta"):
        model = models.build("alexnet_owt", width=0.5)
    assert [getattr(model, f"c{place}").out_channels for place in range(1, 6)] == [32, 96, 192, 128, 128]
    assert (model.f6.in_features, model.f6.out_features, model.f7.out_features) == (128 * 36, 2048, 2048)


@pytest.mark.parametrize("changes", [{}, {"normalization": "after pooling"}, {"initialization": "published"}])
def test_every_option_trains(changes):
    torch.manual_seed(0)
    model = models.build("alexnet_mini", image_size=28, **changes)
    nn.functional.cross_entropy(model(torch.randn(8, 1, 28, 28)), torch.arange(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"width": 0}, ValueError, r"width must be above 0, got 0\.0"),
        ({"width": "half"}, TypeError, "width must be a number, got 'half'"),
        ({"dropout": 1}, ValueError, r"dropout must be at least 0 and below 1, got 1\.0"),
        (
            {"normalization": "after"},
            ValueError,
            "normalization must be one of before pooling, after pooling, none, got 'after'",
        ),
        ({"normalization": True}, TypeError, "normalization must be one of before pooling"),
        (
            {"initialization": "paper"},
            ValueError,
            "initialization must be one of default, published, got 'paper'",
        ),
        ({"input_size": 14}, ValueError, "input_size of alexnet_mini must be at least 15, got 14"),
        ({"image_size": 14}, ValueError, "size of alexnet_mini must be at least 15, got 14"),
        ({"input_size": 0}, ValueError, "input_size of alexnet_mini must be at least 15, got 0"),
        ({"input_size": 32.0}, TypeError, r"input_size of alexnet_mini must be an integer, got 32\.0"),
        ({"image_size": 32, "input_size": 28}, ValueError, "image_size of alexnet_mini must be 28, got 32"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        models.build("alexnet_mini", **arguments)


def test_sizes_that_a_network_takes():
    model = models.build("alexnet_mini", image_size=15)
    assert (model.input_size, model.published_size) == (15, 227) and model(
        torch.randn(2, 1, 15, 15)
    ).shape == (2, 10)
    with pytest.raises(ValueError, match="alexnet_mini takes images of 15×15 pixels"):
        model(torch.randn(2, 1, 16, 16))
    with torch.device("meta"):
        model = models.build("alexnet_owt", image_size=100)
        assert (model.input_size, model.smallest) == (None, 63)
        assert model(torch.empty(2, 3, 63, 90)).shape == (2, 1000)
        with pytest.raises(ValueError, match="alexnet_owt takes images of at least 63×63 pixels"):
            model(torch.empty(2, 3, 62, 90))
        with pytest.raises(ValueError, match="input_size of alexnet_owt must be at least 63, got 62"):
            models.build("alexnet_owt", image_size=62)
