"""ResNet: a block learns what to add to its input, y = x + F(x); a block that learns nothing passes x on.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016.
Pre-activation: the same authors, "Identity mappings in deep residual networks", ECCV 2016.

Its followers change one line each: ResNeXt splits the 3×3 convolution into groups (Xie et al., CVPR 2017), the wide
ResNet gives it more channels (Zagoruyko and Komodakis, BMVC 2016), SE and ECA weigh the channels of F(x) (Hu et al.,
CVPR 2018; Wang et al., CVPR 2020).
"""

import math
from typing import NamedTuple

from torch import nn
from torch.nn.functional import pad, relu

from .. import checks
from .parts import Network, SqueezeExcitation, classifier, conv_norm, drawn_by_he, norm_conv, sequential

# Shortcuts, for blocks whose shape changes; the others have the identity. Without any, the network is a plain one.


class Padding(nn.Module):
    """Every stride-th pixel, and zeros for the new channels: the paper's option A, for small images.

    x (N, C, H, W) → (N, channels, H/stride, W/stride)
    """

    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.new, self.stride = channels - in_channels, stride

    def forward(self, x):
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


class NoShortcut(nn.Module):
    """Nothing is passed on, so that the block is F(x) alone."""

    def forward(self, x):
        return x.new_zeros(())


def projection(in_channels, channels, stride):
    """A 1×1 convolution with norm: the paper's option B."""
    return conv_norm(in_channels, channels, 1, stride, activation=None)


def bare_projection(in_channels, channels, stride):
    """A 1×1 convolution alone, where nothing may stand between one sum and the next."""
    return nn.Conv2d(in_channels, channels, 1, stride, bias=False)


def averaged_projection(in_channels, channels, stride):
    """The mean over 2×2 windows, then the 1×1 convolution with stride 1, so that it reads all pixels: ResNet-D's.

    He et al., "Bag of tricks for image classification with convolutional neural networks", CVPR 2019.
    """
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return sequential(pool=pool, unit=projection(in_channels, channels, 1))


def shortcut(in_channels, channels, stride, kind):
    if kind == "none":
        return NoShortcut()
    if in_channels == channels and stride == 1:
        return nn.Identity()
    return SHORTCUTS[kind](in_channels, channels, stride)


SHORTCUTS = {
    "projection": projection, "bare projection": bare_projection, "averaged projection": averaged_projection,
    "padding": Padding, "none": NoShortcut,
}  # fmt: skip

# What may follow the last convolution of F: one factor a channel.


class EfficientChannelAttention(nn.Module):
    """y = x · sigmoid(conv1d(mean(x))): each channel's factor is made of its neighbors' means. x (N, C, H, W)

    The kernel, without bias, has the odd size at |log₂C + 1| / 2: 3 for 64 channels, 5 for 256, 7 for 2,048.
    """

    def __init__(self, channels):
        super().__init__()
        size = int(abs(math.log2(channels) + 1) / 2)
        size += 1 - size % 2
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x):
        means = x.mean((2, 3))[:, None]  #                         N × 1 × C
        return x * self.conv(means)[:, 0, :, None, None].sigmoid()


def squeeze_excitation(channels):
    """The paper's: sixteen times fewer channels between, and no biases."""
    return SqueezeExcitation(channels, max(1, channels // 16), bias=False)


ATTENTION = {"se": squeeze_excitation, "eca": EfficientChannelAttention}

# Blocks.


class Basic(nn.Module):
    """y = relu(F(x) + shortcut(x)), F two 3×3 convolutions.

    x (N, C, H, W) → (N, channels · expansion, H/stride, W/stride)
    """

    expansion = 1

    def __init__(self, in_channels, channels, stride, config):
        super().__init__()
        self.residual = self.make_residual(in_channels, channels, stride, config)
        if config.attention:
            self.residual.attention = ATTENTION[config.attention](channels * self.expansion)
        self.shortcut = shortcut(in_channels, channels * self.expansion, stride, config.shortcut)

    def make_residual(self, in_channels, channels, stride, config):
        return sequential(
            unit1=conv_norm(in_channels, channels, 3, stride),
            unit2=conv_norm(channels, channels, 3, activation=None),
        )

    def forward(self, x):
        return relu(self.residual(x) + self.shortcut(x))


class Bottleneck(Basic):
    """The same with F a 1×1 convolution to fewer channels, a 3×3 one among those, and a 1×1 to four times as many.

    The stride is in the 3×3, as in torchvision; the paper has it in the first 1×1.
    """

    expansion = 4

    def make_residual(self, in_channels, channels, stride, config):
        inner = channels * config.widen
        return sequential(
            unit1=conv_norm(in_channels, inner, 1),
            unit2=conv_norm(inner, inner, 3, stride, config.groups),
            unit3=conv_norm(inner, channels * self.expansion, 1, activation=None),
        )


class PreActivation(nn.Module):
    """y = F(relu(norm(x))) + shortcut, F two 3×3 convolutions, and nothing after the sum.

    The shortcut is x itself; where the shape changes, it is made of relu(norm(x)), too.
    """

    expansion = 1

    def __init__(self, in_channels, channels, stride, config):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.residual = self.make_residual(in_channels, channels, stride)
        self.shortcut = shortcut(in_channels, channels * self.expansion, stride, config.shortcut)

    def make_residual(self, in_channels, channels, stride):
        return sequential(
            conv1=nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False),
            unit2=norm_conv(channels, channels, 3),
        )

    def forward(self, x):
        activated = relu(self.norm(x))
        kept = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(activated)
        return self.residual(activated) + kept


class PreActivationBottleneck(PreActivation):
    expansion = 4

    def make_residual(self, in_channels, channels, stride):
        return sequential(
            conv1=nn.Conv2d(in_channels, channels, 1, bias=False),
            unit2=norm_conv(channels, channels, 3, stride),
            unit3=norm_conv(channels, channels * self.expansion, 1),
        )


# The papers' tables.


class Config(NamedTuple):
    block: type
    blocks: tuple[int, ...]  # in each stage
    channels: int = 64  # in the first stage; each next has twice as many on half the side
    width: float = 1.0  # how many times as many channels as written here
    widen: int = 1  # how many times as many channels the 3×3 convolution of a bottleneck has
    groups: int = 1  # of that convolution
    attention: str = ""
    shortcut: str = "projection"
    deep_stem: bool = False  # three 3×3 convolutions in place of the first one of 7×7
    small: bool = (
        False  # for images of 32 pixels: a 3×3 convolution to 16 channels before the first stage, no pooling
    )


CONFIGS = {
    "resnet18": Config(Basic, (2, 2, 2, 2)),
    "resnet34": Config(Basic, (3, 4, 6, 3)),
    "resnet50": Config(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Config(Bottleneck, (3, 4, 23, 3)),
    "resnet152": Config(Bottleneck, (3, 8, 36, 3)),
    "preact_resnet50": Config(PreActivationBottleneck, (3, 4, 6, 3), shortcut="bare projection"),
    "resnext50_32x4d": Config(Bottleneck, (3, 4, 6, 3), widen=2, groups=32),
    "wide_resnet50_2": Config(Bottleneck, (3, 4, 6, 3), widen=2),
    "se_resnet50": Config(Bottleneck, (3, 4, 6, 3), attention="se"),
    "eca_resnet50": Config(Bottleneck, (3, 4, 6, 3), attention="eca"),
    "resnet8": Config(Basic, (1, 1, 1), 16, shortcut="padding", small=True),
    "resnet20": Config(Basic, (3, 3, 3), 16, shortcut="padding", small=True),
    "resnet56": Config(Basic, (9, 9, 9), 16, shortcut="padding", small=True),
    "resnet110": Config(Basic, (18, 18, 18), 16, shortcut="padding", small=True),
    "preact_resnet20": Config(PreActivation, (3, 3, 3), 16, shortcut="bare projection", small=True),
    "preact_resnet110": Config(PreActivation, (18, 18, 18), 16, shortcut="bare projection", small=True),
    "wide_resnet16_2": Config(PreActivation, (2, 2, 2), 32, shortcut="bare projection", small=True),
    "se_resnet20": Config(Basic, (3, 3, 3), 16, attention="se", shortcut="padding", small=True),
    "eca_resnet20": Config(Basic, (3, 3, 3), 16, attention="eca", shortcut="padding", small=True),
}

# Where torchvision's names are ours: the part before the last dot, and what becomes of it.
TORCHVISION = {
    r"conv1": "stem.conv",
    r"bn1": "stem.norm",
    r"layer(\d)\.(\d+)\.conv(\d)": r"stage\1.\2.residual.unit\3.conv",
    r"layer(\d)\.(\d+)\.bn(\d)": r"stage\1.\2.residual.unit\3.norm",
    r"layer(\d)\.(\d+)\.downsample\.0": r"stage\1.\2.shortcut.conv",
    r"layer(\d)\.(\d+)\.downsample\.1": r"stage\1.\2.shortcut.norm",
    r"fc": "output",
}

# Networks.


def build(name, num_classes=None, in_channels=3, *, shortcut=None, width=1.0):
    """A row of `CONFIGS`: a stem, stages of blocks, the mean over the grid, a linear head.

    num_classes  1,000, or 10 for the small ones, when left out
    shortcut     of the blocks whose shape changes: "projection", "bare projection" (no norm), "averaged projection" or
                 "padding"; "none": no block has one, not even the identity: the plain network of the same layers.
                 Left out: the paper's
    width        how many times as many channels as the paper's every layer has, rounded down
    """
    config = CONFIGS[name]
    config = config._replace(width=checks.real("width", width, above=0))
    if shortcut is not None:
        config = config._replace(shortcut=checks.choice("shortcut", shortcut, SHORTCUTS))
    return network(name, config, num_classes, in_channels)


def network(name, config, num_classes, in_channels):
    """The network of a Config, for the families that are ResNets with other blocks."""
    num_classes = num_classes or (10 if config.small else 1000)
    entering = scaled(16 if config.small else 64, config)
    layers = stem(in_channels, config, entering)
    for number, count in enumerate(config.blocks, 1):
        channels = scaled(config.channels * 2 ** (number - 1), config)
        blocks = []
        for place in range(count):
            stride = 2 if place == 0 and number > 1 else 1
            blocks.append(config.block(entering, channels, stride, config))
            entering = channels * config.block.expansion
        layers[f"stage{number}"] = nn.Sequential(*blocks)
    if issubclass(config.block, PreActivation):
        layers |= {"norm": nn.BatchNorm2d(entering), "activation": nn.ReLU(inplace=True)}
    layers |= classifier(entering, num_classes)
    size = 32 if config.small else 224
    return drawn_by_he(Network(name, layers, num_classes, in_channels, published_size=size))


def scaled(channels, config):
    return max(1, int(channels * config.width))


def stem(in_channels, config, channels):
    """Layers before the first stage, by name."""
    kernel, stride = (3, 1) if config.small else (7, 2)
    first = conv_norm(in_channels, channels, kernel, stride)
    if config.deep_stem:
        half = channels // 2
        first = sequential(
            unit1=conv_norm(in_channels, half, 3, stride),
            unit2=conv_norm(half, half),
            unit3=conv_norm(half, channels),
        )
    layers = {"stem": first[:1] if issubclass(config.block, PreActivation) else first}
    if not config.small:
        layers["stem_pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return layers
