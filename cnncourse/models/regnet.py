"""RegNet: four numbers give the channels and blocks of all stages, by a rule found in many trained networks.

Radosavovic, Kosaraju, Girshick, He and Dollár, "Designing network design spaces", CVPR 2020.

The blocks are ResNeXt's without the narrowing (X), and the same with squeeze-excitation (Y). What the paper designs is
no single network but the space to draw from: in good networks, the channels lie near a straight line over depth.
"""

import math
from collections import Counter
from typing import NamedTuple

from torch import nn
from torch.nn.functional import relu

from .parts import Network, SqueezeExcitation, classifier, conv_norm, drawn_by_he, rounded, sequential, stages
from .resnet import shortcut

# Blocks.


class Block(nn.Module):
    """y = relu(F(x) + shortcut(x)), F a 1×1, a 3×3 in groups of `group_width` channels, and a 1×1 convolution.

    All three give row.channels. Y weighs the channels after the 3×3, with a quarter of the input's between.
    x (N, C, H, W) → (N, row.channels, H/stride, W/stride)
    """

    def __init__(self, in_channels, stride, row):
        super().__init__()
        width = row.channels
        layers = {
            "unit1": conv_norm(in_channels, width, 1),
            "unit2": conv_norm(width, width, 3, stride, groups=width // row.group_width),
        }
        if row.attention:
            layers["attention"] = SqueezeExcitation(width, round(in_channels / 4))
        self.residual = sequential(**layers, unit3=conv_norm(width, width, 1, activation=None))
        self.shortcut = shortcut(in_channels, width, stride, "projection")

    def forward(self, x):
        return relu(self.residual(x) + self.shortcut(x))


# The papers' numbers, and the rule that makes stages of them.


class Config(NamedTuple):
    depth: int  # blocks in all
    w_0: int  # channels of the first block
    w_a: float  # slope: channels more for each next block
    w_m: float  # factor between the channels of one stage and the next
    group_width: int
    attention: bool = False
    small: bool = False  # for images of 32 pixels: the side is not halved before the second stage


CONFIGS = {
    "regnet_x_400mf": Config(depth=22, w_0=24, w_a=24.48, w_m=2.54, group_width=16),
    "regnet_y_400mf": Config(depth=16, w_0=48, w_a=27.89, w_m=2.09, group_width=8, attention=True),
    "regnet_mini": Config(depth=8, w_0=16, w_a=10.0, w_m=2.0, group_width=8, attention=True, small=True),
}


class Stage(NamedTuple):
    channels: int
    blocks: int
    stride: int
    group_width: int
    attention: bool


def designed(config):
    """The stages of a network: blocks j = 0, 1, … have channels on a line, moved to the nearest power, then equal runs.

    u_j = w_0 + w_a · j    s_j = round(log(u_j / w_0) / log(w_m))    w_j = w_0 · w_m^(s_j), to a multiple of 8

    Blocks of equal w are a stage. Its channels are then rounded to a multiple of the group width: torchvision's way,
    halves up. The authors' code rounds halves to the even multiple, hence 384, not 400, in the last stage of X-400MF.
    """
    line = [config.w_0 + config.w_a * j for j in range(config.depth)]
    powers = [round(math.log(u / config.w_0, config.w_m)) for u in line]
    widths = [8 * round(config.w_0 * config.w_m**s / 8) for s in powers]
    found = []
    for width, blocks in Counter(widths).items():
        group_width = min(config.group_width, width)
        stride = 1 if config.small and not found else 2
        found.append(Stage(rounded(width, group_width), blocks, stride, group_width, config.attention))
    return found


TORCHVISION = {
    r"stem\.0": "stem.conv",
    r"stem\.1": "stem.norm",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.a\.0": r"stage\1.\2.residual.unit1.conv",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.a\.1": r"stage\1.\2.residual.unit1.norm",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.b\.0": r"stage\1.\2.residual.unit2.conv",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.b\.1": r"stage\1.\2.residual.unit2.norm",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.se\.fc1": r"stage\1.\2.residual.attention.down",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.se\.fc2": r"stage\1.\2.residual.attention.up",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.c\.0": r"stage\1.\2.residual.unit3.conv",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.f\.c\.1": r"stage\1.\2.residual.unit3.norm",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.proj\.0": r"stage\1.\2.shortcut.conv",
    r"trunk_output\.block(\d)\.block\d-(\d+)\.proj\.1": r"stage\1.\2.shortcut.norm",
    r"fc": "output",
}

# Networks.


def build(name, num_classes=None, in_channels=3):
    """A row of `CONFIGS`: a 3×3 convolution to 32 channels, the designed stages, the mean over the grid, a linear head.

    num_classes: 1,000, or 10 for the small one, when left out.
    """
    config = CONFIGS[name]
    num_classes = num_classes or (10 if config.small else 1000)
    stem, stride, size = (16, 1, 32) if config.small else (32, 2, 224)
    body, width = stages(stem, designed(config), Block)
    layers = {"stem": conv_norm(in_channels, stem, 3, stride), **body, **classifier(width, num_classes)}
    network = drawn_by_he(Network(name, layers, num_classes, in_channels, published_size=size))
    nn.init.normal_(network.output.weight, std=0.01)
    nn.init.zeros_(network.output.bias)
    return network
