"""Every network of the course: the papers' counts, others' logits, gradients, sizes, and what `measure` says of it."""

import pytest
import torch
import torchvision
from networks import assert_equal_logits, on_meta, stirred
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnncourse import measure, models
from cnncourse.models.families import FAMILIES
from cnncourse.models.weights import NAMES

# Trainable parameters as published, with the classes and channels of the paper.
COUNTS = {
    "lenet5": 61_706,
    "lenet5_1998": 60_000,
    "cifar_cnn": 145_578,
    "alexnet": 62_378_344,
    "alexnet_grouped": 60_965_224,
    "alexnet_owt": 61_100_840,
    "alexnet_mini": 231_382,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg16_bn": 138_365_992,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "preact_resnet50": 25_549_352,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
    "se_resnet50": 28_071_976,
    "eca_resnet50": 25_557_118,
    "resnest50": 27_483_240,
    "densenet121": 7_978_856,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "efficientnet_b0": 5_288_548,
    "efficientnet_b1": 7_794_184,
    "efficientnet_b2": 9_109_994,
    "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616,
    "efficientnet_b5": 30_389_784,
    "efficientnet_b6": 43_040_704,
    "efficientnet_b7": 66_347_960,
    "regnet_x_400mf": 5_495_976,
    "regnet_y_400mf": 4_344_144,
    "convnext_tiny": 28_589_128,
    "convnext_small": 50_223_688,
    "convnext_base": 88_591_464,
    "modernized_resnet50": 28_589_128 - (3 * 96 + 3 * 192 + 9 * 384 + 3 * 768),  # without layer scale
    "vit_b_16": 86_567_656,
}
# Names at torchvision whose networks are ours.
SHARED = [name for name in FAMILIES if NAMES.get(name, name) in torchvision.models.list_models()
          and name not in NAMES.values()]  # fmt: skip


def side_of(model):
    return model.input_size or model.published_size


def small(name):
    """A network and the side at which its tests are quick, yet batch normalization has more than two values a channel.

    Of two values it makes +1 and −1, whatever they are, and gives no gradient.
    """
    model = models.build(name)
    return model, model.input_size or max(model.smallest, 64)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameters_are_as_many_as_published(name, count):
    assert measure.parameters(on_meta(name)).trainable == count


@pytest.mark.parametrize("name", SHARED)
def test_logits_equal_torchvisions_with_its_weights(name):
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    theirs = stirred(torchvision.models.get_model(NAMES.get(name, name), weights=None, **options))
    ours = models.transplant(theirs.state_dict(), models.build(name)).eval()
    sizes = [(ours.input_size,) * 2] if ours.input_size else [(96, 96), (64, 80)]
    assert_equal_logits(ours, theirs, *sizes)


@pytest.mark.parametrize("name", models.names())
def test_every_parameter_gets_a_finite_gradient(name):
    torch.manual_seed(0)
    model, side = small(name)
    for module in model.modules():
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0  # a block that is left out gets none
    x = torch.randn(2, model.in_channels, side, side)
    answers = model.train()(x)
    answers = [answers] if isinstance(answers, torch.Tensor) else answers
    sum(answer.square().mean() for answer in answers).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("name", [name for name in models.names() if name != "lenet5_1998"])
def test_classes_and_channels_can_be_others(name):
    with torch.device("meta"):
        model = models.build(name, num_classes=7, in_channels=2).eval()
        x = torch.empty(3, 2, side_of(model), side_of(model))
        assert model(x).shape == (3, 7) and (model.num_classes, model.in_channels) == (7, 2)
        features = model.features(x)
        assert features.ndim == 2 and model.head(features).shape == (3, 7)


@pytest.mark.parametrize("name", models.names())
def test_the_smallest_image_works_and_a_smaller_one_is_one_sentence(name):
    with torch.device("meta"):
        model = models.build(name).eval()
        if model.input_size is None:
            tall = torch.empty(1, model.in_channels, model.smallest + 3, model.smallest)
            assert model(tall).shape == (1, model.num_classes)
        least = model.input_size or model.smallest
        if least > 1:
            with pytest.raises(ValueError, match=f"{name} takes images of .*{least}×{least} pixels"):
                model(torch.empty(1, model.in_channels, least, least - 1))


@pytest.mark.parametrize("name", models.names())
def test_measure_counts_what_torch_counts(name):
    model = on_meta(name)
    table = measure.table(model, (2, model.in_channels, side_of(model), side_of(model)))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model.eval()(torch.empty(table.input_shape, device="meta"))
    assert table.multiply_adds == table.measured_multiply_adds == counter.get_total_flops() // 2
    assert table.parameters == measure.parameters(model).total and not table.disagreements


@pytest.mark.parametrize("name", torchvision.models.list_models(torchvision.models))
def test_measure_counts_torchvisions_networks_as_torch_does(name, monkeypatch):
    for kind in (
        "normal_",
        "uniform_",
        "kaiming_uniform_",
        "kaiming_normal_",
        "xavier_uniform_",
        "trunc_normal_",
    ):
        monkeypatch.setattr(
            nn.init, kind, lambda tensor, *args, **kwargs: tensor
        )  # weights do not matter, time does
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **options).to("meta")
    table = measure.table(model, (1, 3, 224, 224))
    assert table.multiply_adds == table.measured_multiply_adds > 0


def test_the_counts_of_all_published_networks_are_tested():
    published = {name for name in models.names() if on_meta(name).published_size > 32}
    assert published <= set(COUNTS), published - set(COUNTS)
