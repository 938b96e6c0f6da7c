"""cnncourse.models.googlenet against the paper's table, torchvision's network in training and after, and arithmetic."""

import hashlib
from types import SimpleNamespace

import pytest
import torch
import torchvision
from networks import stirred
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, max_pool2d

from cnncourse import measure, models
from cnncourse.models import googlenet
from cnncourse.models.weights import renamed
from cnncourse.objectives import Supervised


def on_meta(**changes):
    with torch.device("meta"):
        return models.build("googlenet", **changes)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return torchvision.models.googlenet(weights=None, init_weights=True)


# What the table says.


def test_stages_are_the_papers():
    sizes, model = {}, on_meta().eval()
    for name, layer in model.named_children():
        layer.register_forward_hook(lambda _, __, y, name=name: sizes.update({name: tuple(y.shape[1:])}))
    model(torch.empty(1, 3, 224, 224, device="meta"))
    single = ["conv1", "pool1", "conv2", "conv3", "pool2", "pool3", "pool4", "pool", "output"]
    assert [sizes[layer] for layer in single] == [
        *[(64, 112, 112), (64, 56, 56), (64, 56, 56), (192, 56, 56), (192, 28, 28), (480, 14, 14), (832, 7, 7)],
        *[(1024, 1, 1), (1000,)],
    ]  # fmt: skip
    assert [
        sizes[f"inception{place}"] for place in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ] == [
        *[(256, 28, 28), (480, 28, 28), (512, 14, 14), (512, 14, 14), (512, 14, 14), (528, 14, 14)],
        *[(832, 14, 14), (832, 7, 7), (1024, 7, 7)],
    ]


@pytest.mark.parametrize(("changes", "count"), [
    ({}, 13_004_888),
    ({"auxiliary": False}, 6_624_904),
    ({"five_by_five": True}, 13_385_816),
    ({"five_by_five": True, "auxiliary": False}, 7_005_832),
])  # fmt: skip
def test_counts_of_the_four_forms(changes, count):
    table = measure.table(on_meta(**changes), (1, 3, 224, 224))
    assert table.parameters == count
    if "five_by_five" not in changes:
        assert table.multiply_adds == 1_498_376_192


def test_a_head_is_a_third_of_the_network():
    # 1×1 to 128 channels and its norm, 4·4·128 → 1,024 → 1,000
    first, second = (
        width * 128 + 2 * 128 + 1024 * (128 * 4 * 4 + 1) + 1000 * (1024 + 1) for width in (512, 528)
    )
    assert 6_624_904 + first + second == 13_004_888


def test_parameters_of_inception_3a():
    # The paper's: a bias for each channel, no norm, 5×5.
    ones, reduced3, threes, reduced5, fives, pooled = 64, 96, 128, 16, 32, 32
    weights = 192 * (ones + reduced3 + reduced5 + pooled) + 9 * reduced3 * threes + 25 * reduced5 * fives
    channels = ones + reduced3 + threes + reduced5 + fives + pooled
    assert weights + channels == 163_696
    # Here: no bias, and two numbers a channel for the norm.
    count = measure.parameters(on_meta(five_by_five=True).inception3a).trainable
    assert count == weights + 2 * channels
    assert measure.parameters(on_meta().inception3a).trainable == count - 16 * reduced5 * fives


def test_reducing_first_makes_a_5x5_cheap():
    fives = on_meta(five_by_five=True).inception3a.fives
    reduced = fives.reduce.conv.weight.numel() + fives.conv.conv.weight.numel()
    assert (reduced, 32 * 192 * 5 * 5) == (192 * 16 + 25 * 16 * 32, 153_600) == (15_872, 153_600)


def test_the_mini_for_32_pixels():
    model = models.build("googlenet_mini", in_channels=1)
    assert model.inception2a.fives.conv.conv.kernel_size == (5, 5)
    assert 5e6 < measure.table(model, (1, 1, 32, 32)).multiply_adds < 15e6
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)


# Blocks.


def test_a_module_is_four_branches_written_out():
    torch.manual_seed(0)
    block = stirred(googlenet.Inception(6, googlenet.Branches(2, 3, 4, 2, 5, 3), five_by_five=True))
    x = torch.randn(2, 6, 7, 9)

    def convolved(x, unit, padding):
        y = torch.conv2d(x, unit.conv.weight, padding=padding)
        mean, variance, scale, shift = (
            t[:, None, None]
            for t in (unit.norm.running_mean, unit.norm.running_var, unit.norm.weight, unit.norm.bias)
        )
        return ((y - mean) / (variance + 1e-3).sqrt() * scale + shift).clamp(min=0)

    expected = torch.cat(
        [
            convolved(x, block.ones, 0),
            convolved(convolved(x, block.threes.reduce, 0), block.threes.conv, 1),
            convolved(convolved(x, block.fives.reduce, 0), block.fives.conv, 2),
            convolved(max_pool2d(x, 3, stride=1, padding=1), block.pooled.project, 0),
        ],
        dim=1,
    )
    assert expected.shape == (2, 2 + 4 + 5 + 3, 7, 9)
    torch.testing.assert_close(block(x), expected)


def test_a_module_equals_torchvisions():
    torch.manual_seed(0)
    theirs = stirred(torchvision.models.googlenet(weights=None, init_weights=False).inception4e)
    ours = googlenet.Inception(528, googlenet.Branches(256, 160, 320, 32, 128, 128), five_by_five=False)
    prefix = "inception4e."
    ours.load_state_dict({
        renamed(prefix + name, googlenet.TORCHVISION).removeprefix(prefix): tensor
        for name, tensor in theirs.state_dict().items()
    })  # fmt: skip
    x = torch.randn(2, 528, 6, 5)
    torch.testing.assert_close(ours.eval()(x), theirs(x))


# Heads and objectives.


def test_training_gives_the_logits_of_all_heads_as_torchvision_does(theirs):
    ours = models.transplant(theirs.state_dict(), models.build("googlenet"))
    x = torch.randn(3, 3, 64, 64)
    torch.manual_seed(5)
    logits, first, second = ours.train()(x)
    torch.manual_seed(5)
    expected = theirs.train()(x)
    torch.testing.assert_close(logits, expected.logits)
    torch.testing.assert_close(first, expected.aux_logits1)
    torch.testing.assert_close(second, expected.aux_logits2)
    assert ours.eval()(x).shape == (3, 1000)


def test_a_head_classifies_the_mean_of_each_of_16_cells():
    head = models.build("googlenet_mini", auxiliary=True).eval().auxiliary1
    x = torch.randn(2, 112, 8, 8)
    conv, norm = head.head.conv.conv, head.head.conv.norm
    cells = norm(conv(adaptive_avg_pool2d(x, 4))).relu().flatten(1)
    expected = head.head.output(head.head.full(cells).relu())
    torch.testing.assert_close(head.logits(x), expected)
    assert head(x) is x and expected.shape == (2, 10)


def test_heads_change_nothing_outside_training():
    torch.manual_seed(0)
    heads = stirred(models.build("googlenet_mini", auxiliary=True))
    plain = models.build("googlenet_mini").eval()
    plain.load_state_dict({
        name: tensor for name, tensor in heads.state_dict().items() if not name.startswith("auxiliary")
    })  # fmt: skip
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(heads(x), plain(x)) and torch.equal(heads.head(heads.features(x)), plain(x))
    assert torch.equal(heads[:-1](x), plain.features(x))
    assert isinstance(plain.train()(x), torch.Tensor) and len(heads.train()(x)) == 2


def test_it_trains_by_the_main_loss_and_three_tenths_of_each_other(theirs):
    model = models.build("googlenet", num_classes=10)
    images, labels = torch.randn(4, 3, 64, 64), torch.arange(4)
    torch.manual_seed(5)
    loss, _ = Supervised(auxiliary=0.3).train()(model.train(), (images, labels))
    torch.manual_seed(5)
    logits, first, second = model(images)
    by_hand = cross_entropy(logits, labels) + 0.3 * (
        cross_entropy(first, labels) + cross_entropy(second, labels)
    )
    torch.testing.assert_close(loss, by_hand)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    measured, _ = Supervised(auxiliary=0.3).eval()(model.eval(), (images, labels))
    torch.testing.assert_close(measured, cross_entropy(model(images), labels))


# torchvision's trained form.


def test_images_are_rescaled_as_torchvisions_trained_network_wants_them(theirs):
    pixels = torch.rand(2, 3, 4, 5)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalized = (pixels - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(googlenet.Rescaling()(normalized), 2 * pixels - 1)
    wanted = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    torch.testing.assert_close(googlenet.Rescaling()(normalized), wanted._transform_input(normalized))
    assert models.build("googlenet_mini", transform_input=True).state_dict().keys() == (
        models.build("googlenet_mini").state_dict().keys()
    )


def test_the_trained_network_rescales_and_has_no_untrained_heads(theirs, monkeypatch, tmp_path):
    file = tmp_path / "hub/checkpoints/weights.pth"
    file.parent.mkdir(parents=True)
    torch.save(stirred(theirs).state_dict(), file)
    named = file.rename(file.with_name(f"googlenet-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"))
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(url=f"http://127.0.0.1:9/{named.name}"))
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = models.pretrained("googlenet")
    monkeypatch.setattr(theirs, "transform_input", True)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model(x), theirs(x))
    assert measure.parameters(model).trainable == 6_624_904
    assert isinstance(model.train()(x), torch.Tensor)


# Options.


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"auxiliary": 1}, TypeError, "auxiliary must be True or False, got 1"),
        ({"five_by_five": "yes"}, TypeError, "five_by_five must be True or False, got 'yes'"),
        ({"transform_input": None}, TypeError, "transform_input must be True or False, got None"),
        (
            {"transform_input": True, "in_channels": 1},
            ValueError,
            "in_channels must be 3 with transform_input, got 1",
        ),
        ({"image_size": 3}, ValueError, "image_size of googlenet_mini must be at least 4, got 3"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        models.build("googlenet_mini", **arguments)


def test_the_smallest_image():
    model = on_meta().eval()
    assert model.smallest == 15 and model(torch.empty(1, 3, 15, 33, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match="googlenet takes images of at least 15×15 pixels"):
        model(torch.empty(1, 3, 33, 14, device="meta"))


def test_weights_are_drawn_as_torchvisions():
    torch.manual_seed(0)
    model = models.build("googlenet_mini", auxiliary=True)
    for weight in (model.inception3b.threes.conv.conv.weight, model.auxiliary1.head.full.weight):
        assert 0.0095 < weight.std() < 0.0105
    assert all(
        (m.eps, m.weight.unique().item()) == (1e-3, 1)
        for m in model.modules()
        if isinstance(m, nn.BatchNorm2d)
    )
