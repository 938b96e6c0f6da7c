"""cnncourse.models.build: every name, and every way to ask for something that is not there."""

import inspect

import pytest
import torch

from cnncourse import models


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "cifar_cnn", "resnet8"])
def test_every_model_says_what_it_takes_and_returns_logits(name):
    model = models.build(name)
    assert model.name == name
    x = torch.randn(2, model.in_channels, model.published_size, model.published_size)
    assert model(x).shape == (2, model.num_classes)


def test_left_out_numbers_are_the_papers():
    def numbers(name):
        with torch.device("meta"):
            m = models.build(name)
        return m.num_classes, m.in_channels, m.published_size, m.input_size

    assert numbers("lenet5") == numbers("lenet5_1998") == (10, 1, 32, 32)
    assert numbers("cifar_cnn") == (10, 3, 32, 32)
    assert numbers("resnet20") == (10, 3, 32, None) and numbers("resnet50") == (1000, 3, 224, None)


def test_classes_and_channels_follow_the_call():
    model = models.build("lenet5", 100, 3)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 100)
    assert sum(p.numel() for p in model.parameters()) == 61_706 + 2 * 25 * 6 + 90 * (84 + 1)


def test_the_seed_fixes_the_weights():
    def drawn(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in models.build("lenet5_1998").parameters()])

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


def test_options_are_the_builders_keywords():
    assert models.options("lenet5") == {
        "input_size": 32,
        "activation": "tanh",
        "pooling": "average",
        "normalization": "none",
        "dropout": 0.0,
        "initialization": "default",
    }
    assert models.options("lenet5_1998") == {}
    for name, builder in models.BUILDERS.items():
        assert list(inspect.signature(builder).parameters)[:2] == ["num_classes", "in_channels"], name


@pytest.mark.parametrize(
    ("arguments", "changes", "error", "words"),
    [
        (["lenet"], {}, ValueError, "name must be one of lenet5, .*, got 'lenet'; the nearest is 'lenet5'"),
        (["CIFAR"], {}, ValueError, "nearest is 'cifar_cnn'"),
        ([5], {}, TypeError, "name must be one of lenet5, .*got 5"),
        (
            ["lenet5"],
            {"pool": "max"},
            ValueError,
            "a change of lenet5 must .*got 'pool'; the nearest is 'pooling'",
        ),
        (
            ["cifar_cnn"],
            {"input_size": 7},
            ValueError,
            "input_size of cifar_cnn must be 8 or more, got 7",
        ),
        (["lenet5_1998"], {"activation": "relu"}, ValueError, "takes no changes, got activation='relu'"),
        (
            ["lenet5"],
            {"activation": "rely"},
            ValueError,
            "activation must be .*got 'rely'; the nearest is 'relu'",
        ),
        (["lenet5"], {"activation": torch.tanh}, TypeError, "activation must be one of tanh"),
        (["lenet5"], {"pooling": "mean"}, ValueError, "pooling must be one of average, max, got 'mean'"),
        (
            ["lenet5"],
            {"normalization": "layer"},
            ValueError,
            "normalization must be one of none, batch, got 'layer'",
        ),
        (
            ["lenet5"],
            {"initialization": "zeros"},
            ValueError,
            "initialization must .* default, xavier, got 'zeros'",
        ),
        (["lenet5"], {"dropout": 1.0}, ValueError, "dropout must be at least 0 and below 1, got 1.0"),
        (["lenet5"], {"dropout": float("nan")}, ValueError, "dropout must be .* got nan"),
        (["lenet5"], {"dropout": "half"}, TypeError, "dropout must be a number, got 'half'"),
        (
            ["lenet5"],
            {"input_size": 30},
            ValueError,
            "input_size of lenet5 must be 28 .*, 32 or more, got 30",
        ),
        (["lenet5", 10, 1, 64], {"input_size": 32}, ValueError, "image_size of lenet5 must be 32, got 64"),
        (["lenet5_1998", 10, 1, 64], {}, ValueError, "image_size of lenet5_1998 must be 32, got 64"),
        (["lenet5", 0], {}, ValueError, "num_classes must be at least 1, got 0"),
        (["lenet5", 10.0], {}, TypeError, "num_classes must be an integer, got 10.0"),
        (["lenet5", True], {}, TypeError, "num_classes must be an integer, got True"),
        (["lenet5", 10, 0], {}, ValueError, "in_channels must be at least 1, got 0"),
        (["lenet5_1998", 20], {}, ValueError, "num_classes of lenet5_1998 must be 10, .*got 20"),
        (["lenet5_1998", 10, 3], {}, ValueError, "in_channels of lenet5_1998 must be 1, .*got 3"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, changes, error, words):
    with pytest.raises(error, match=words) as caught:
        models.build(*arguments, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (
            torch.zeros(1, 3, 32, 32),
            ValueError,
            r"takes 1 input channel, as in \(N, 1, 32, 32\), got .*\(1, 3, 32, 32\)",
        ),
        (
            torch.zeros(1, 1, 28, 28),
            ValueError,
            r"takes images of 32×32 pixels, .*got shape \(1, 1, 28, 28\)",
        ),
        (torch.zeros(1, 1, 32, 30), ValueError, r"got shape \(1, 1, 32, 30\)"),
        (torch.zeros(1, 32, 32), ValueError, r"takes images \(N, 1, 32, 32\), got shape \(1, 32, 32\)"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), TypeError, "numbers with a fraction.*got torch.uint8"),
        ([[0.0]], TypeError, "takes a tensor of images, got list"),
    ],
)
@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_a_wrong_input_is_one_sentence(name, x, error, words):
    with pytest.raises(error, match=f"{name} {'' if words.startswith('takes') else '.*'}{words}"):
        models.build(name)(x)
