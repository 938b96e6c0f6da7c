"""cnncourse.models.vgg against the paper's table, torchvision's layers, and a network written out."""

import pytest
import torch
import torchvision
from networks import on_meta
from torch import nn

from cnncourse import measure, models

NAMES = ["vgg11", "vgg13", "vgg16", "vgg19", "vgg16_bn"]


def table(name, **changes):
    model = on_meta(name, **changes)
    return measure.table(model, (1, model.in_channels, model.published_size, model.published_size))


def test_stages_of_vgg16_are_the_papers():
    found = table("vgg16")
    stages = [
        "conv1_2",
        "pool1",
        "conv2_2",
        "pool2",
        "conv3_3",
        "pool3",
        "conv4_3",
        "pool4",
        "conv5_3",
        "pool5",
    ]
    assert [found[layer].output_shape[1:] for layer in [*stages, "f6", "f7", "output"]] == [
        *[(64, 224, 224), (64, 112, 112), (128, 112, 112), (128, 56, 56), (256, 56, 56), (256, 28, 28)],
        *[(512, 28, 28), (512, 14, 14), (512, 14, 14), (512, 7, 7), (4096,), (4096,), (1000,)],
    ]  # fmt: skip
    assert (found["conv5_3"].receptive_field, found["pool5"].receptive_field, found["pool5"].jump) == (
        196,
        212,
        32,
    )


def test_parameters_of_vgg16():
    pairs = [
        *[(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)],
        *[(512, 512), (512, 512), (512, 512), (512, 512), (512, 512)],
    ]
    convolutions = sum(channels * (9 * entering + 1) for entering, channels in pairs)
    full = 4096 * (512 * 7 * 7 + 1) + 4096 * (4096 + 1) + 1000 * (4096 + 1)
    assert table("vgg16").parameters == convolutions + full == 14_714_688 + 123_642_856 == 138_357_544
    norms = 2 * sum(channels for _, channels in pairs)
    assert table("vgg16_bn").parameters == 138_357_544 + norms == 138_365_992


@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_as_many_layers_with_weights_as_its_name_says(name):
    layers = [module for module in on_meta(name) if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert len(layers) == int(name[3:5])
    windows = {(m.kernel_size, m.stride, m.padding) for m in layers if isinstance(m, nn.Conv2d)}
    assert windows == {((3, 3), (1, 1), (1, 1))}


def test_two_3x3_convolutions_see_what_one_5x5_sees_with_fewer_weights():
    two, one = nn.Sequential(nn.Conv2d(256, 256, 3), nn.Conv2d(256, 256, 3)), nn.Conv2d(256, 256, 5)
    weights = [sum(p.numel() for p in layer.parameters() if p.ndim > 1) for layer in (two, one)]
    assert weights == [18 * 256**2, 25 * 256**2] == [1_179_648, 1_638_400]
    assert measure.table(two, (1, 256, 9, 9))["1"].receptive_field == 5


@pytest.mark.parametrize("name", NAMES)
def test_layers_stand_where_torchvisions_do(name):
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name, init_weights=False)
    row = [*theirs.features, theirs.avgpool, nn.Flatten(), *theirs.classifier]
    ours = on_meta(name)
    assert [type(layer) for layer in ours] == [type(layer) for layer in row]
    for layer, their_layer in zip(ours, row, strict=True):
        assert layer.extra_repr() == their_layer.extra_repr() or isinstance(layer, nn.AdaptiveAvgPool2d)
    assert ours.pool.output_size == 7


def test_the_mini_equals_a_network_written_out():
    model = models.build("vgg_mini", in_channels=1)
    sequence = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, 10),
    )  # fmt: skip
    sequence.load_state_dict(dict(zip(sequence.state_dict(), model.state_dict().values(), strict=True)))
    x = torch.randn(4, 1, 32, 32)
    torch.manual_seed(5)
    mine = model(x)
    torch.manual_seed(5)
    torch.testing.assert_close(mine, sequence(x))
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6


def test_other_grids_are_averaged_for_f6():
    model = models.build("vgg_mini").eval()
    x = torch.randn(2, 3, 64, 64)
    grid = model[: list(model).index(model.pool)](x)
    assert grid.shape == (2, 64, 8, 8)
    averaged = nn.functional.avg_pool2d(grid, 2).flatten(1)
    torch.testing.assert_close(model.f6(averaged).relu(), model[: list(model).index(model.f6_dropout)](x))


def test_norms_stand_between_convolution_and_activation():
    layers = [name for name, _ in on_meta("vgg16_bn").named_children()]
    assert layers[:7] == [
        *["conv1_1", "conv1_1_norm", "conv1_1_activation", "conv1_2", "conv1_2_norm", "conv1_2_activation", "pool1"]
    ]  # fmt: skip


def test_weights_are_drawn_as_torchvisions_but_linear_ones_of_the_mini_wider():
    torch.manual_seed(0)
    model, mini = models.build("vgg11", num_classes=10), models.build("vgg_mini")
    for network in (model, mini):
        for name in ("conv2_1", "conv3_2"):
            convolution = getattr(network, name)
            expected = (2 / (9 * convolution.out_channels)) ** 0.5
            assert 0.95 * expected < convolution.weight.std() < 1.05 * expected and not convolution.bias.any()
    assert 0.0095 < model.f7.weight.std() < 0.0105 and not model.f7.bias.any()
    # torch draws uniformly within ±1/√fan-in, which has a standard deviation of 1/√3 of that.
    assert mini.f7.weight.std().item() == pytest.approx(1 / (3 * 128) ** 0.5, rel=0.05)


def test_the_smallest_image_and_wrong_calls():
    for name, least in (("vgg_mini", 8), ("vgg19", 32)):
        model = on_meta(name)
        assert (
            model.smallest == least
            and model(torch.empty(2, 3, least, least + 5, device="meta")).shape[0] == 2
        )
        with pytest.raises(ValueError, match=f"{name} takes images of at least {least}×{least} pixels"):
            model(torch.empty(2, 3, least, least - 1, device="meta"))
    with pytest.raises(ValueError, match=r"dropout must be at least 0 and below 1, got -0\.1"):
        models.build("vgg_mini", dropout=-0.1)
    with pytest.raises(ValueError, match="image_size of vgg_mini must be at least 8, got 7"):
        models.build("vgg_mini", image_size=7)
    assert models.build("vgg_mini", dropout=0.25).f7_dropout.p == 0.25
