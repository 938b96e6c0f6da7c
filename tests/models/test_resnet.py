"""cnncourse.models.resnet against the papers' tables, torchvision's and timm's blocks, and arithmetic left visible."""

from functools import partial

import pytest
import timm
import torch
from networks import assert_equal_logits, stirred
from timm.layers import SEModule
from timm.models.resnet import Bottleneck
from torch import nn
from torch.nn.functional import pad, relu

from cnncourse import measure, models
from cnncourse.models import resnet
from cnncourse.models.weights import renamed


def sizes(name, side=224):
    with torch.device("meta"):
        table = measure.table(models.build(name), (1, 3, side, side))
    stages = {}
    for row in table:
        stages[row.layer.partition(".")[0]] = row.output_shape[1:]
    return stages


def test_the_stages_of_resnet50_are_the_papers():
    found = sizes("resnet50")
    assert [found[layer] for layer in ("stem", "stem_pool", "stage1", "stage2", "stage3", "stage4", "pool")] == [
        (64, 112, 112), (64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7), (2048, 1, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "name"), [(1, "resnet8"), (3, "resnet20"), (9, "resnet56"), (18, "resnet110")])
def test_the_small_networks_have_6n_plus_2_layers_and_nothing_learned_beside_them(n, name):
    model = models.build(name)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 6 * n + 2
    found = sizes(name, 32)
    assert [found[f"stage{s}"] for s in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    convolutions = 9 * (
        3 * 16 + 2 * n * 16**2 + 16 * 32 + (2 * n - 1) * 32**2 + 32 * 64 + (2 * n - 1) * 64**2
    )
    norms = 2 * (16 + 2 * n * (16 + 32 + 64))
    assert measure.parameters(model).trainable == convolutions + norms + 64 * 10 + 10


def test_a_wide_network_has_6n_plus_4_convolutions():
    model = models.build("wide_resnet16_2")
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 6 * 2 + 4 and measure.parameters(model).trainable == 691_674


def test_without_shortcuts_the_plain_network_has_the_same_parameters():
    plain, residual = models.build("resnet20", shortcut="none"), models.build("resnet20")
    assert measure.parameters(plain) == measure.parameters(residual)
    plain.load_state_dict(residual.state_dict())
    x = torch.randn(2, 3, 32, 32)
    expected = relu(plain.eval().stem(x))
    for stage in (plain.stage1, plain.stage2, plain.stage3):
        for block in stage:
            expected = relu(block.residual(expected))
    torch.testing.assert_close(plain(x), plain.output(expected.mean((2, 3))))
    assert not torch.allclose(plain(x), residual.eval()(x))


def test_half_the_width_has_half_the_channels_everywhere():
    model = models.build("resnet20", width=0.5)
    assert [getattr(model, f"stage{s}")[0].residual.unit1.conv.out_channels for s in (1, 2, 3)] == [8, 16, 32]
    assert model.stem.conv.out_channels == 8 and model.output.in_features == 32
    assert models.build("resnet50", width=1 / 16).output.in_features == 128
    with pytest.raises(ValueError, match=r"width must be above 0, got 0\.0"):
        models.build("resnet20", width=0)


def test_a_block_adds_what_it_learned():
    block = models.build("resnet20").eval().stage2[0]
    x = torch.randn(2, 16, 8, 8)
    kept = pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))
    assert torch.equal(block(x), relu(block.residual(x) + kept)) and kept[:, 16:].eq(0).all()
    for parameter in block.residual.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(x), relu(kept))


def test_nothing_stands_between_the_sums_of_a_preactivation_network():
    """x_L = x_l + ΣF holds to rounding, as the paper derives; after a ReLU that is not the identity it does not."""

    def error(name):
        torch.manual_seed(0)
        blocks = models.build(name).double().eval().stage1
        x = start = torch.randn(2, 16, 8, 8, dtype=torch.float64)
        total = torch.zeros_like(x)
        for block in blocks:
            after = block(x)
            read = relu(block.norm(x)) if name.startswith("preact") else x
            total, x = total + block.residual(read), after
        return ((x - (start + total)).norm() / x.norm()).item()

    assert error("preact_resnet20") < 1e-14
    assert error("resnet20") > 0.1


# timm has the same networks under other names.
ATTENTION = {
    r"layer(\d)\.(\d+)\.se\.conv": r"stage\1.\2.residual.attention.conv",
    r"layer(\d)\.(\d+)\.se\.fc1": r"stage\1.\2.residual.attention.down",
    r"layer(\d)\.(\d+)\.se\.fc2": r"stage\1.\2.residual.attention.up",
}
PREACTIVATION = {
    pattern.format(stage - 1): replacement.format(stage)
    for stage in (1, 2, 3, 4)
    for pattern, replacement in {
        r"stages\.{}\.blocks\.(\d+)\.norm1": r"stage{}.\1.norm",
        r"stages\.{}\.blocks\.(\d+)\.conv1": r"stage{}.\1.residual.conv1",
        r"stages\.{}\.blocks\.(\d+)\.(norm|conv)(2|3)": r"stage{}.\1.residual.unit\3.\2",
        r"stages\.{}\.blocks\.(\d+)\.downsample\.conv": r"stage{}.\1.shortcut",
    }.items()
} | {r"head\.fc": "output"}


def timm_resnet50(attention):
    blocks = {"block": Bottleneck, "layers": [3, 4, 6, 3], "block_args": {"attn_layer": attention}}
    return timm.models.resnet.ResNet(**blocks)


@pytest.mark.parametrize(
    ("name", "theirs", "rules"),
    [
        ("eca_resnet50", lambda: timm_resnet50("eca"), resnet.TORCHVISION | ATTENTION),
        (
            "se_resnet50",
            lambda: timm_resnet50(partial(SEModule, rd_ratio=1 / 16, bias=False)),
            resnet.TORCHVISION | ATTENTION,
        ),
        ("preact_resnet50", lambda: timm.create_model("resnetv2_50"), PREACTIVATION),
    ],
)
def test_logits_equal_timms(name, theirs, rules):
    torch.manual_seed(0)
    theirs, ours = stirred(theirs()), models.build(name).eval()
    state = {renamed(key, rules): tensor for key, tensor in theirs.state_dict().items()}
    ours.load_state_dict(
        state | {"output.weight": state["output.weight"].flatten(1)}
    )  # timm's may be a convolution
    assert_equal_logits(ours, theirs, (64, 96))


@pytest.mark.parametrize(("channels", "size"), [(64, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_channel_attention_grows_with_the_logarithm(channels, size):
    assert resnet.EfficientChannelAttention(channels).conv.kernel_size == (size,)


def test_what_attention_adds():
    added = {
        name: measure.parameters(models.build(name)).total
        for name in ("resnet50", "eca_resnet50", "se_resnet50")
    }
    blocks = {256: 3, 512: 4, 1024: 6, 2048: 3}
    assert added["eca_resnet50"] - added["resnet50"] == 5 * 3 + 5 * 4 + 5 * 6 + 7 * 3 == 86
    assert added["se_resnet50"] - added["resnet50"] == sum(n * 2 * c * (c // 16) for c, n in blocks.items())


def test_a_block_of_resnext_has_the_papers_parameters():
    """256 → 128 in 32 groups of 4 → 256: 256·128 + 3·3·4·128 + 128·256, and the norms."""
    block = models.build("resnext50_32x4d").stage1[1]
    assert block.residual.unit2.conv.weight.shape == (128, 4, 3, 3)
    assert (
        sum(p.numel() for p in block.parameters())
        == 32_768 + 4_608 + 32_768 + 2 * (128 + 128 + 256)
        == 71_168
    )


def test_a_bottleneck_costs_an_eighth_of_two_wide_convolutions():
    block = models.build("resnet50").stage3[1]
    with torch.device("meta"):
        cost = measure.table(block.to("meta"), (1, 1024, 14, 14)).multiply_adds
    assert cost == 14 * 14 * (1024 * 256 + 9 * 256 * 256 + 256 * 1024) and 9 * 1024**2 * 14 * 14 / cost > 8.4


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (
            "zeros",
            ValueError,
            "shortcut must be one of projection, .*, padding, none, got 'zeros'",
        ),
        (True, TypeError, "shortcut must be one of"),
    ],
)
def test_a_wrong_shortcut_is_one_sentence(value, error, words):
    with pytest.raises(error, match=words):
        models.build("resnet20", shortcut=value)
