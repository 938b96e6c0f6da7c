"""VGG: only 3×3 convolutions, one to four in a row, then a pooling; depth instead of large windows.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015.

Two 3×3 convolutions see 5×5 pixels, with 2 · 9 · C² = 18 C² weights for 25 C², and a ReLU more. Each stage has half the
side and twice the channels of the one before, up to 512. `vgg11`, `13`, `16` and `19` are the paper's A, B, D and E,
named by their layers with weights; `vgg16_bn`, with batch normalization (Ioffe and Szegedy, ICML 2015), came later.
"""

from typing import NamedTuple

import torch
from torch import nn

from .. import checks
from .parts import Network, drawn_by_he, drawn_normally, hidden

# Blocks.


def unit(name, in_channels, channels, norm):
    """A 3×3 convolution that keeps the side, and ReLU, by name; norm: batch normalization between."""
    layers = {name: nn.Conv2d(in_channels, channels, 3, padding=1)}
    if norm:
        layers[f"{name}_norm"] = nn.BatchNorm2d(channels)
    return {**layers, f"{name}_activation": nn.ReLU(inplace=True)}


# The paper's table.


class Config(NamedTuple):
    convolutions: tuple[int, ...]  # in each stage
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)  # in each stage
    norm: bool = False
    small: bool = False  # for images of 32 pixels: F6 and F7 have 128 units, and F6 reads 4×4 for 7×7


CONFIGS = {
    "vgg11": Config((1, 1, 2, 2, 2)),
    "vgg13": Config((2, 2, 2, 2, 2)),
    "vgg16": Config((2, 2, 3, 3, 3)),
    "vgg19": Config((2, 2, 4, 4, 4)),
    "vgg16_bn": Config((2, 2, 3, 3, 3), norm=True),
    "vgg_mini": Config((2, 2, 2), (16, 32, 64), small=True),
}

# Networks.


def build(name, num_classes=None, in_channels=3, *, dropout=0.5):
    """A row of `CONFIGS`: stages of 3×3 convolutions, each with a 2×2 pooling behind it, then F6, F7 and the output.

    num_classes  1,000, or 10 for the small one, when left out
    dropout      the probability with which units of F6 and F7 are dropped

    The paper takes 224×224 pixels, of which the stages make 7×7. Other grids are averaged to 7×7 for F6, as in
    torchvision. Convolutions are drawn by He's rule, from which all depths train; the paper trained its 11 layers first
    and began the deeper networks with some of their weights. Linear layers are drawn with σ = 0.01; those of the small
    one, which have fewer inputs, by torch's rule.
    """
    config = CONFIGS[name]
    checks.real("dropout", dropout, 0, below=1)
    num_classes = num_classes or (10 if config.small else 1000)
    grid, units, size = (4, 128, 32) if config.small else (7, 4096, 224)
    layers = {
        **stages(in_channels, config),
        "pool": nn.AdaptiveAvgPool2d(grid),
        "flatten": nn.Flatten(),
        **hidden("f6", config.channels[-1] * grid**2, units, dropout),
        **hidden("f7", units, units, dropout),
        "output": nn.Linear(units, num_classes),
    }
    smallest = 2 ** len(config.convolutions)
    network = Network(name, layers, num_classes, in_channels, published_size=size, smallest=smallest)
    return drawn_by_he(network if config.small else drawn_normally(network, std=0.01))


def stages(in_channels, config):
    """conv1_1, conv1_1_activation, …, pool1, conv2_1, …, by name."""
    layers, width = {}, in_channels
    for stage, (count, channels) in enumerate(zip(config.convolutions, config.channels, strict=True), 1):
        for place in range(1, count + 1):
            layers |= unit(f"conv{stage}_{place}", width, channels, config.norm)
            width = channels
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    return layers


# torchvision numbers the layers in the order of the pass, activations and poolings too: one table a network.
with torch.device("meta"):
    TORCHVISION = {
        name: {rf"features\.{place}": layer for place, layer in enumerate(stages(3, config))}
        | {r"classifier\.0": "f6", r"classifier\.3": "f7", r"classifier\.6": "output"}
        for name, config in CONFIGS.items()
    }
