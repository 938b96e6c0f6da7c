"""EfficientNet: a small network found by search, then made larger in depth, width and image size at once.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019.

Its block, MBConv, is MobileNetV2's with squeeze-excitation, SiLU and stochastic depth.
"""

import math
from typing import NamedTuple

from torch import nn
from torchvision.ops import StochasticDepth

from .mobilenet import InvertedResidual, Stage
from .parts import Network, SqueezeExcitation, classifier, conv_norm, drawn_by_he, rounded, stages

# Blocks.


class MBConv(InvertedResidual):
    """y = x + F(x): MobileNetV2's block, whose widened channels are weighed by squeeze-excitation before it narrows.

    Between squeeze and excitation are a quarter as many channels as the block's input has.
    """

    def __init__(self, in_channels, stride, row):
        def attention(inner):
            return SqueezeExcitation(inner, in_channels // 4, activation=nn.SiLU)

        super().__init__(in_channels, stride, row, activation=nn.SiLU, attention=attention)


def with_stochastic_depth(network, most):
    """The network, whose block l = 0, 1, … of L adds nothing with probability p = most · l/L while it is trained.

    Otherwise it adds F(x) / (1 − p), so that the mean is F(x). Huang et al., 2016.
    """
    blocks = [layer for layer in network.modules() if isinstance(layer, MBConv)]
    for number, block in enumerate(blocks):
        if block.has_shortcut:
            block.residual.drop = StochasticDepth(most * number / len(blocks), mode="row")
    return network


# The paper's table of B0, and the factors that make the others of it.


class Config(NamedTuple):
    width: float = 1.0  # factor of all channels
    depth: float = 1.0  # factor of the blocks in each stage
    size: int = 224  # side of the images
    dropout: float = 0.2
    eps: float = 1e-5  # of batch normalization
    stem: int = 32
    stages: tuple[Stage, ...] = (  #                                32 × 112 × 112
        Stage(16, blocks=1, stride=1, expansion=1, kernel=3),  #    16 × 112 × 112
        Stage(24, blocks=2, stride=2, expansion=6, kernel=3),  #    24 ×  56 ×  56
        Stage(40, blocks=2, stride=2, expansion=6, kernel=5),  #    40 ×  28 ×  28
        Stage(80, blocks=3, stride=2, expansion=6, kernel=3),  #    80 ×  14 ×  14
        Stage(112, blocks=3, stride=1, expansion=6, kernel=5),  #  112 ×  14 ×  14
        Stage(192, blocks=4, stride=2, expansion=6, kernel=5),  #  192 ×   7 ×   7
        Stage(320, blocks=1, stride=1, expansion=6, kernel=3),  #  320 ×   7 ×   7
    )
    small: bool = False  # for images of 32 pixels: the stem has stride 1


# The last three have the eps of the original, as in torchvision.
CONFIGS = {
    "efficientnet_b0": Config(),
    "efficientnet_b1": Config(width=1.0, depth=1.1, size=240),
    "efficientnet_b2": Config(width=1.1, depth=1.2, size=260, dropout=0.3),
    "efficientnet_b3": Config(width=1.2, depth=1.4, size=300, dropout=0.3),
    "efficientnet_b4": Config(width=1.4, depth=1.8, size=380, dropout=0.4),
    "efficientnet_b5": Config(width=1.6, depth=2.2, size=456, dropout=0.4, eps=1e-3),
    "efficientnet_b6": Config(width=1.8, depth=2.6, size=528, dropout=0.5, eps=1e-3),
    "efficientnet_b7": Config(width=2.0, depth=3.1, size=600, dropout=0.5, eps=1e-3),
    "efficientnet_mini": Config(size=32, stem=16, small=True, stages=(  #  16 × 32 × 32
        Stage(8, blocks=1, stride=1, expansion=1, kernel=3),  #             8 × 32 × 32
        Stage(16, blocks=2, stride=2, expansion=6, kernel=3),  #           16 × 16 × 16
        Stage(32, blocks=3, stride=2, expansion=6, kernel=5),  #           32 ×  8 ×  8
        Stage(64, blocks=2, stride=2, expansion=6, kernel=5),  #           64 ×  4 ×  4
    )),
}  # fmt: skip


def compound(phi):
    """The paper's rule: depth α^φ, width β^φ, side γ^φ with α = 1.2, β = 1.1, γ = 1.15, found by a search at φ = 1.

    A convolution costs in proportion to depth · width² · side²: (α · β² · γ²)^φ ≈ 1.92^φ ≈ 2^φ times as much.
    The published factors are rounded, and from B4 on less deep than the rule has it. The paper gives no φ for them.
    """
    return Config(width=1.1**phi, depth=1.2**phi, size=round(224 * 1.15**phi))


TORCHVISION = {
    r"features\.0\.0": "stem.conv",
    r"features\.0\.1": "stem.norm",
    r"features\.8\.0": "last.conv",
    r"features\.8\.1": "last.norm",
    r"classifier\.1": "output",
    # The blocks of the first stage do not expand, so that their layers are numbered from the depthwise one.
    r"features\.1\.(\d+)\.block\.0\.0": r"stage1.\1.residual.depthwise.conv",
    r"features\.1\.(\d+)\.block\.0\.1": r"stage1.\1.residual.depthwise.norm",
    r"features\.1\.(\d+)\.block\.1\.fc1": r"stage1.\1.residual.attention.down",
    r"features\.1\.(\d+)\.block\.1\.fc2": r"stage1.\1.residual.attention.up",
    r"features\.1\.(\d+)\.block\.2\.0": r"stage1.\1.residual.project.conv",
    r"features\.1\.(\d+)\.block\.2\.1": r"stage1.\1.residual.project.norm",
    r"features\.(\d)\.(\d+)\.block\.0\.0": r"stage\1.\2.residual.expand.conv",
    r"features\.(\d)\.(\d+)\.block\.0\.1": r"stage\1.\2.residual.expand.norm",
    r"features\.(\d)\.(\d+)\.block\.1\.0": r"stage\1.\2.residual.depthwise.conv",
    r"features\.(\d)\.(\d+)\.block\.1\.1": r"stage\1.\2.residual.depthwise.norm",
    r"features\.(\d)\.(\d+)\.block\.2\.fc1": r"stage\1.\2.residual.attention.down",
    r"features\.(\d)\.(\d+)\.block\.2\.fc2": r"stage\1.\2.residual.attention.up",
    r"features\.(\d)\.(\d+)\.block\.3\.0": r"stage\1.\2.residual.project.conv",
    r"features\.(\d)\.(\d+)\.block\.3\.1": r"stage\1.\2.residual.project.norm",
}

# Networks.


def build(name, num_classes=None, in_channels=3):
    """A row of `CONFIGS`: a 3×3 convolution, stages of MBConv, a 1×1 to four times the channels, a linear head.

    Channels times the width factor are rounded to multiples of 8, blocks times the depth factor up to an integer.
    num_classes: 1,000, or 10 for the small one, when left out.
    """
    config = CONFIGS[name]
    num_classes = num_classes or (10 if config.small else 1000)
    stem = rounded(config.stem * config.width)
    rows = [
        row._replace(
            channels=rounded(row.channels * config.width), blocks=math.ceil(row.blocks * config.depth)
        )
        for row in config.stages
    ]
    body, width = stages(stem, rows, MBConv)
    layers = {
        "stem": conv_norm(in_channels, stem, 3, 1 if config.small else 2, activation=nn.SiLU),
        **body,
        "last": conv_norm(width, 4 * width, 1, activation=nn.SiLU),
        **classifier(4 * width, num_classes, config.dropout),
    }
    network = Network(name, layers, num_classes, in_channels, published_size=config.size)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = config.eps
    limit = 1 / math.sqrt(num_classes)
    nn.init.uniform_(network.output.weight, -limit, limit)
    nn.init.zeros_(network.output.bias)
    return drawn_by_he(with_stochastic_depth(network, most=0.2))
