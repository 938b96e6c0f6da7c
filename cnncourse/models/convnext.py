"""ConvNeXt: a ResNet with the design choices of vision transformers, all but attention.

Liu et al., "A ConvNet for the 2020s", CVPR 2022.

A block mixes the pixels of each channel by a large depthwise convolution, then the channels of each pixel by an MLP, as
a transformer's block mixes tokens by attention and then their numbers by an MLP. The steps from ResNet-50 to ConvNeXt
are in `modernized.py`.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import layer_norm
from torchvision.ops import StochasticDepth

from .. import checks
from .parts import Network, drawn_narrowly, sequential

# Blocks.


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of each pixel: x (N, C, H, W), mean and variance over C."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)  #                                           N × H × W × C
        x = layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """y = x + γ · F(x), F a 7×7 convolution in each channel, a norm, and an MLP over the channels of each pixel.

    x (N, C, H, W) → the same shape. γ (layer scale, Touvron et al., ICCV 2021), one number a channel, starts small, so
    that a deep network starts near the identity. Stochastic depth leaves F(x) out with probability `drop`, separately
    for each image.
    """

    def __init__(self, channels, layer_scale, drop):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, 4 * channels)
        self.activation = nn.GELU()
        self.project = nn.Linear(4 * channels, channels)
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), layer_scale))
        self.drop = StochasticDepth(drop, mode="row")

    def forward(self, x):
        pixels = self.norm(self.depthwise(x).permute(0, 2, 3, 1))  #           N × H × W × C
        mixed = self.project(self.activation(self.expand(pixels)))
        return x + self.drop(self.layer_scale * mixed.permute(0, 3, 1, 2))


# The paper's table.


class Config(NamedTuple):
    blocks: tuple[int, ...]  # in each stage
    channels: int  # in the first stage; each next has twice as many on half the side
    drop: float = 0.0  # stochastic depth: its probability in the last block, linearly less before it
    patch: int = 4  # side of the patches of the stem
    size: int = 224


CONFIGS = {
    "convnext_tiny": Config((3, 3, 9, 3), 96, drop=0.1),
    "convnext_small": Config((3, 3, 27, 3), 96, drop=0.4),
    "convnext_base": Config((3, 3, 27, 3), 128, drop=0.5),
    "convnext_mini": Config((1, 1, 3, 1), 24, patch=2, size=32),
}

# There a stage and the downsampling before the next follow each other: features 1, 3, 5, 7 and 2, 4, 6.
LAYERS = {0: "depthwise", 2: "norm", 3: "expand", 5: "project"}
TORCHVISION = {
    r"features\.0\.0": "stem.conv",
    r"features\.0\.1": "stem.norm",
    **{rf"features\.{2 * n - 2}\.0": f"down{n}.norm" for n in (2, 3, 4)},
    **{rf"features\.{2 * n - 2}\.1": f"down{n}.conv" for n in (2, 3, 4)},
    **{
        rf"features\.{2 * n - 1}\.(\d+)\.block\.{place}": rf"stage{n}.\1.{layer}"
        for n in (1, 2, 3, 4)
        for place, layer in LAYERS.items()
    },
    **{rf"features\.{2 * n - 1}\.(\d+)": rf"stage{n}.\1" for n in (1, 2, 3, 4)},  # the layer scale
    r"classifier\.0": "norm",
    r"classifier\.2": "output",
}

# Networks.


def build(name, num_classes=None, in_channels=3, *, layer_scale=1e-6):
    """A row of `CONFIGS`: a patchify stem, stages of blocks, the mean over the grid, a linear head.

    num_classes  1,000, or 10 for the small one, when left out
    layer_scale  what γ of all blocks starts at
    """
    config, scale = CONFIGS[name], checks.real("layer_scale", layer_scale, above=0)
    num_classes = num_classes or (10 if config.size == 32 else 1000)
    width, patch = config.channels, config.patch
    patches = nn.Conv2d(in_channels, width, patch, stride=patch)
    layers = {"stem": sequential(conv=patches, norm=ChannelNorm(width))}
    drops = torch.linspace(0, config.drop, sum(config.blocks), device="cpu").tolist()
    for number, count in enumerate(config.blocks, 1):
        if number > 1:
            halve = nn.Conv2d(width, 2 * width, 2, stride=2)
            layers[f"down{number}"] = sequential(norm=ChannelNorm(width), conv=halve)
            width *= 2
        blocks = [Block(width, scale, drops.pop(0)) for _ in range(count)]
        layers[f"stage{number}"] = nn.Sequential(*blocks)
    layers |= {
        "pool": nn.AdaptiveAvgPool2d(1),
        "norm": ChannelNorm(width),
        "flatten": nn.Flatten(),
        "output": nn.Linear(width, num_classes),
    }
    least = patch * 2 ** (len(config.blocks) - 1)
    return drawn_narrowly(
        Network(name, layers, num_classes, in_channels, published_size=config.size, smallest=least)
    )
