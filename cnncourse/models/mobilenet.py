"""MobileNet: a convolution in two cheap steps, a k×k kernel for each channel by itself, then a 1×1 that mixes them.

Howard et al., "MobileNets: Efficient convolutional neural networks for mobile vision applications", 2017.
Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018.

The first is a row of such pairs. The second puts the depthwise convolution in the middle of a residual block whose ends
are narrow; EfficientNet's block is that one with attention (see efficientnet.py).
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from .. import checks
from .parts import Network, classifier, conv_norm, drawn_by_he, rounded, sequential, stages

# Blocks.


def separable(in_channels, stride, row):
    """A depthwise separable convolution: k²·C + C·O weights, where a full one has k²·C·O. That is 1/O + 1/k² of them.

    x (N, C, H, W) → (N, O, H/stride, W/stride)
    """
    return sequential(
        depthwise=conv_norm(in_channels, in_channels, row.kernel, stride, groups=in_channels),
        pointwise=conv_norm(in_channels, row.channels, 1),
    )


class InvertedResidual(nn.Module):
    """y = x + F(x): F widens by a 1×1 to `expansion` times the channels, filters each of those, and narrows by a 1×1.

    The bottleneck is linear: nothing follows the last 1×1, since ReLU would lose what few channels hold. Where the
    shape changes, y = F(x).

    x (N, C, H, W) → (N, row.channels, H/stride, W/stride)
    """

    def __init__(self, in_channels, stride, row, *, activation=nn.ReLU6, attention=None):
        super().__init__()
        inner = in_channels * row.expansion
        layers = {}
        if row.expansion > 1:
            layers["expand"] = conv_norm(in_channels, inner, 1, activation=activation)
        layers["depthwise"] = conv_norm(inner, inner, row.kernel, stride, groups=inner, activation=activation)
        if attention:
            layers["attention"] = attention(inner)
        layers["project"] = conv_norm(inner, row.channels, 1, activation=None)
        self.residual = sequential(**layers)
        self.has_shortcut = stride == 1 and in_channels == row.channels

    def forward(self, x):
        return x + self.residual(x) if self.has_shortcut else self.residual(x)


# The papers' tables.


class Stage(NamedTuple):
    channels: int
    blocks: int
    stride: int  # of the first block
    expansion: int = 1
    kernel: int = 3


class Config(NamedTuple):
    block: Callable
    activation: type  # of the layers outside the blocks
    stem: int  # channels of the first 3×3 convolution
    stages: tuple[Stage, ...]
    last: int = 0  # channels of a 1×1 convolution after the stages, if there is one
    dropout: float = 0.0
    small: bool = False  # for images of 32 pixels: the stem has stride 1


# The first paper's table has stride 2 at the last depthwise convolution, too; by its sizes, 7×7 in and out, it is 1.
CONFIGS = {
    "mobilenet_v1": Config(separable, nn.ReLU, stem=32, stages=(  #                                32 × 112 × 112
        Stage(64, blocks=1, stride=1),  #                                                          64 × 112 × 112
        Stage(128, blocks=2, stride=2),  #                                                        128 ×  56 ×  56
        Stage(256, blocks=2, stride=2),  #                                                        256 ×  28 ×  28
        Stage(512, blocks=6, stride=2),  #                                                        512 ×  14 ×  14
        Stage(1024, blocks=2, stride=2),  #                                                     1,024 ×   7 ×   7
    )),
    "mobilenet_v2": Config(InvertedResidual, nn.ReLU6, stem=32, last=1280, dropout=0.2, stages=(  # 32 × 112 × 112
        Stage(16, blocks=1, stride=1, expansion=1),  #                                             16 × 112 × 112
        Stage(24, blocks=2, stride=2, expansion=6),  #                                             24 ×  56 ×  56
        Stage(32, blocks=3, stride=2, expansion=6),  #                                             32 ×  28 ×  28
        Stage(64, blocks=4, stride=2, expansion=6),  #                                             64 ×  14 ×  14
        Stage(96, blocks=3, stride=1, expansion=6),  #                                             96 ×  14 ×  14
        Stage(160, blocks=3, stride=2, expansion=6),  #                                           160 ×   7 ×   7
        Stage(320, blocks=1, stride=1, expansion=6),  #                                           320 ×   7 ×   7
    )),
    "mobilenet_v1_mini": Config(separable, nn.ReLU, stem=16, small=True, stages=(  #               16 ×  32 ×  32
        Stage(32, blocks=1, stride=1),  #                                                          32 ×  32 ×  32
        Stage(64, blocks=2, stride=2),  #                                                          64 ×  16 ×  16
        Stage(128, blocks=3, stride=2),  #                                                        128 ×   8 ×   8
        Stage(256, blocks=2, stride=2),  #                                                        256 ×   4 ×   4
    )),
    "mobilenet_v2_mini": Config(InvertedResidual, nn.ReLU6, stem=16, last=256, small=True, stages=(  # 16 × 32 × 32
        Stage(8, blocks=1, stride=1, expansion=1),  #                                               8 ×  32 ×  32
        Stage(16, blocks=2, stride=2, expansion=6),  #                                             16 ×  16 ×  16
        Stage(32, blocks=3, stride=2, expansion=6),  #                                             32 ×   8 ×   8
        Stage(64, blocks=2, stride=2, expansion=6),  #                                             64 ×   4 ×   4
    )),
}  # fmt: skip

# torchvision numbers the blocks of MobileNetV2 through, and a block's layers from 0; the first block does not expand.
UNITS = {
    r"0\.0": "expand.conv", r"0\.1": "expand.norm", r"1\.0": "depthwise.conv", r"1\.1": "depthwise.norm",
    "2": "project.conv", "3": "project.norm",
}  # fmt: skip
FIRST = {r"0\.0": "depthwise.conv", r"0\.1": "depthwise.norm", "1": "project.conv", "2": "project.norm"}
BLOCKS = [(s, b) for s, row in enumerate(CONFIGS["mobilenet_v2"].stages, 1) for b in range(row.blocks)]

TORCHVISION = {
    r"features\.0\.0": "stem.conv",
    r"features\.0\.1": "stem.norm",
    r"features\.18\.0": "last.conv",
    r"features\.18\.1": "last.norm",
    r"classifier\.1": "output",
    **{
        rf"features\.{number}\.conv\.{unit}": f"stage{stage}.{block}.residual.{layer}"
        for number, (stage, block) in enumerate(BLOCKS, 1)
        for unit, layer in (FIRST if number == 1 else UNITS).items()
    },
}

# Networks.


def build(name, num_classes=None, in_channels=3, *, width=1.0):
    """A row of `CONFIGS`: a 3×3 convolution, stages of blocks, (a last 1×1), the mean over the grid, a linear head.

    num_classes  1,000, or 10 for the small ones, when left out
    width        all channels times this number, rounded to multiples of 8; those of the last 1×1 are never fewer than
                 the paper's. Published: 1, 0.75, 0.5, 0.25 for the first, 0.35 to 1.4 for the second
    """
    checks.real("width", width, above=0)
    config = CONFIGS[name]
    num_classes = num_classes or (10 if config.small else 1000)
    stem = rounded(config.stem * width)
    rows = [row._replace(channels=rounded(row.channels * width)) for row in config.stages]
    first = conv_norm(in_channels, stem, 3, 1 if config.small else 2, activation=config.activation)
    body, channels = stages(stem, rows, config.block)
    layers = {"stem": first, **body}
    if config.last:
        last = rounded(config.last * max(1.0, width))
        layers["last"] = conv_norm(channels, last, 1, activation=config.activation)
        channels = last
    layers |= classifier(channels, num_classes, config.dropout)
    size = 32 if config.small else 224
    network = drawn_by_he(Network(name, layers, num_classes, in_channels, published_size=size))
    nn.init.normal_(network.output.weight, std=0.01)
    nn.init.zeros_(network.output.bias)
    return network
