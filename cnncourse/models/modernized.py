"""ResNet modernized: from ResNet-50 to ConvNeXt in twelve steps, each of which changes one design choice.

Liu et al., "A ConvNet for the 2020s", CVPR 2022, section 2 and figure 2.

Without a step the network is ResNet-50, after the last it is ConvNeXt-T without layer scale and stochastic depth, which
the paper counts among the training techniques. All weights are drawn by one rule, so that a step changes only what it
names.
"""

from typing import NamedTuple

from torch import nn

from .. import checks
from .convnext import ChannelNorm
from .parts import Network, conv_norm, drawn_narrowly, sequential

# The paper's steps, in its order. A network has the first few of them.


class Steps(NamedTuple):
    stage_ratio: bool = False  # blocks in the four stages as 1 : 1 : 3 : 1
    patchify_stem: bool = False  # one convolution of patches without overlap, for 7×7 and max pooling
    depthwise: bool = False  # the k×k convolution has one channel a group
    width: bool = False  # half as many channels again
    inverted_bottleneck: bool = False  # four times as many channels inside a block as outside, not fewer
    depthwise_first: bool = False  # the k×k convolution is the first of the three
    large_kernel: bool = False  # 7×7, no longer 3×3
    gelu: bool = False  # for ReLU
    fewer_activations: bool = False  # one a block, between the two 1×1 convolutions
    fewer_norms: bool = False  # one a block, after the k×k convolution
    layer_norm: bool = False  # over the channels of each pixel, for batch normalization
    separate_downsampling: bool = False  # by a 2×2 convolution; norms before it, after the stem, at the end


STEPS = ("resnet", *Steps._fields)

# Blocks.


class Block(nn.Module):
    """y = activation(F(x) + shortcut(x)), F one k×k and two 1×1 convolutions; after "fewer activations" just the sum.

    x (N, C, H, W) → (N, width, H/stride, W/stride)
    """

    def __init__(self, in_channels, inner, width, stride, steps):
        super().__init__()
        self.residual = residual(in_channels, inner, width, stride, steps)
        if (in_channels, stride) == (width, 1):
            self.shortcut = nn.Identity()
        else:
            conv = nn.Conv2d(in_channels, width, 1, stride, bias=False)
            self.shortcut = sequential(conv=conv, norm=norm(width, steps))
        self.activation = nn.Identity() if steps.fewer_activations else activation(steps)

    def forward(self, x):
        return self.activation(self.residual(x) + self.shortcut(x))


def residual(in_channels, inner, width, stride, steps):
    """1×1, k×k and 1×1, or k×k first: norms and activations after each, where the steps leave them."""
    k = 7 if steps.large_kernel else 3
    if steps.depthwise_first:
        plan = (k, in_channels, in_channels), (1, in_channels, inner), (1, inner, width)
    else:
        plan = (1, in_channels, inner), (k, inner, inner), (1, inner, width)
    layers = {}
    for number, (kernel, given, made) in enumerate(plan, 1):
        places = {"stride": stride, "groups": given if steps.depthwise else 1} if kernel > 1 else {}
        bias = steps.fewer_norms
        layers[f"conv{number}"] = nn.Conv2d(given, made, kernel, padding=kernel // 2, bias=bias, **places)
        if number == 1 or not steps.fewer_norms:
            layers[f"norm{number}"] = norm(made, steps)
        if number == 2 or (number == 1 and not steps.fewer_activations):
            layers[f"activation{number}"] = activation(steps)
    return sequential(**layers)


def norm(channels, steps):
    return ChannelNorm(channels) if steps.layer_norm else nn.BatchNorm2d(channels)


def activation(steps):
    return nn.GELU() if steps.gelu else nn.ReLU()


# ResNet-50's numbers beside ConvNeXt-T's.


class Config(NamedTuple):
    blocks: tuple[tuple[int, ...], tuple[int, ...]]  # in each stage, before and after "stage_ratio"
    channels: tuple[int, int]  # of the first stage, before and after "width"
    patch: int  # side of the patches of the stem
    stem: int  # kernel of the convolution that they replace
    size: int


CONFIGS = {
    "modernized_resnet50": Config(((3, 4, 6, 3), (3, 3, 9, 3)), (64, 96), patch=4, stem=7, size=224),
    "modernized_mini": Config(((1, 1, 2, 1), (1, 1, 3, 1)), (16, 24), patch=2, stem=3, size=32),
}

TORCHVISION = {}

# Networks.


def build(name, num_classes=None, in_channels=3, *, step=STEPS[-1]):
    """A row of `CONFIGS` up to a step: a stem, stages of blocks, the mean over the grid, a linear head.

    num_classes  1,000, or 10 for the small one, when left out
    step         the last change that is made: one of `STEPS`, "resnet" being none
    """
    config = CONFIGS[name]
    steps = Steps(*[True] * STEPS.index(checks.choice("step", step, STEPS)))
    num_classes = num_classes or (10 if config.size == 32 else 1000)
    channels = config.channels[steps.width]
    layers, given = stem(in_channels, channels, config, steps), channels
    for number, count in enumerate(config.blocks[steps.stage_ratio], 1):
        inner, width = (4 * channels, channels) if steps.inverted_bottleneck else (channels, 4 * channels)
        stride = 2 if number > 1 else 1
        if number > 1 and steps.separate_downsampling:
            halve = nn.Conv2d(given, width, 2, stride=2)
            layers[f"down{number}"] = sequential(norm=norm(given, steps), conv=halve)
            given, stride = width, 1
        first = Block(given, inner, width, stride, steps)
        rest = [Block(width, inner, width, 1, steps) for _ in range(count - 1)]
        layers[f"stage{number}"] = nn.Sequential(first, *rest)
        given, channels = width, 2 * channels
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    if steps.separate_downsampling:
        layers["norm"] = norm(given, steps)
    layers |= {"flatten": nn.Flatten(), "output": nn.Linear(given, num_classes)}
    least = config.patch if steps.patchify_stem else 1
    least *= 8 if steps.separate_downsampling else 1
    return drawn_narrowly(
        Network(name, layers, num_classes, in_channels, published_size=config.size, smallest=least)
    )


def stem(in_channels, channels, config, steps):
    """Layers before the first stage, by name: to `channels` channels and a `patch`-th of the side."""
    if not steps.patchify_stem:
        conv = conv_norm(in_channels, channels, config.stem, config.patch // 2)
        return {"stem": conv, "stem_pool": nn.MaxPool2d(3, stride=2, padding=1)}
    patches = nn.Conv2d(in_channels, channels, config.patch, stride=config.patch)
    after = {"norm": norm(channels, steps)} if steps.separate_downsampling else {}
    return {"stem": sequential(conv=patches, **after)}
