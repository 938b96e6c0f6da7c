"""GoogLeNet: windows of 1×1, 3×3 and 5×5 and a pooling read the same input side by side; the maps are concatenated.

Szegedy et al., "Going deeper with convolutions", CVPR 2015 (written 2014). "Inception" is the name of the block.

1×1 convolutions first reduce what the larger windows read. The mean over the grid stands in for large fully connected
layers (Lin, Chen and Yan, "Network in network", ICLR 2014). Two auxiliary heads classify halfway, in training only.

The form is torchvision's. Where the paper has response normalization it has batch normalization; 3×3 for 5×5 in the
third branch (`five_by_five=True` has the paper's); 2×2 for 3×3 in pool4; in the heads the mean of 4×4 cells for windows
of 5×5; dropout of 0.2 for 0.4 at the end. Its trained weights expect images rescaled (`transform_input=True`), and its
auxiliary heads come untrained: `models.pretrained` rescales and has no heads.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from .. import checks
from .parts import Network, check_input, classifier, conv_norm, drawn_normally, sequential

# Blocks.


unit = partial(conv_norm, eps=1e-3)


class Inception(nn.Module):
    """Four branches that keep the side, concatenated along the channels: (N, C, H, W) → (N, sum of theirs, H, W)."""

    def __init__(self, in_channels, numbers, five_by_five):
        super().__init__()
        self.ones = unit(in_channels, numbers.ones, 1)
        self.threes = sequential(
            reduce=unit(in_channels, numbers.threes_reduced, 1),
            conv=unit(numbers.threes_reduced, numbers.threes, 3),
        )
        self.fives = sequential(
            reduce=unit(in_channels, numbers.fives_reduced, 1),
            conv=unit(numbers.fives_reduced, numbers.fives, 5 if five_by_five else 3),
        )
        self.pooled = sequential(
            pool=nn.MaxPool2d(3, stride=1, padding=1), project=unit(in_channels, numbers.pooled, 1)
        )

    def forward(self, x):
        return torch.cat([self.ones(x), self.threes(x), self.fives(x), self.pooled(x)], dim=1)


class Auxiliary(nn.Module):
    """A classifier halfway. In the row of layers it passes x on as it is; `logits` is what it would answer.

    x (N, C, H, W) → (N, num_classes): the mean over each cell of 4×4, a 1×1 convolution, two fully connected layers
    """

    def __init__(self, in_channels, head, num_classes):
        super().__init__()
        self.head = sequential(
            pool=nn.AdaptiveAvgPool2d(4),
            conv=unit(in_channels, head.channels, 1),
            flatten=nn.Flatten(),
            full=nn.Linear(head.channels * 4 * 4, head.units),
            activation=nn.ReLU(inplace=True),
            dropout=nn.Dropout(0.7),
            output=nn.Linear(head.units, num_classes),
        )

    def forward(self, x):
        return x

    def logits(self, x):
        return self.head(x)


class Rescaling(nn.Module):
    """Images normalized by ImageNet's mean and deviation → 2 · pixel − 1, pixels from 0 to 1. x (N, 3, H, W)"""

    def __init__(self):
        super().__init__()
        for name, numbers in (("mean", (0.485, 0.456, 0.406)), ("deviation", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None], persistent=False)

    def forward(self, x):
        return 2 * (x * self.deviation + self.mean) - 1


# The paper's table. Its rows are of these kinds; a number alone is the window of a max pooling of stride 2.


class Conv(NamedTuple):
    channels: int
    kernel: int
    stride: int = 1


class Branches(NamedTuple):
    ones: int
    threes_reduced: int  # channels of the 1×1 before the 3×3
    threes: int
    fives_reduced: int
    fives: int
    pooled: int


class Head(NamedTuple):
    channels: int
    units: int


class Config(NamedTuple):
    rows: dict[str, object]
    auxiliary: bool = True
    five_by_five: bool = False
    small: bool = False


CONFIGS = {
    "googlenet": Config({  #                                          3 × 224 × 224
        "conv1": Conv(64, kernel=7, stride=2),  #                    64 × 112 × 112
        "pool1": 3,  #                                               64 ×  56 ×  56
        "conv2": Conv(64, kernel=1),
        "conv3": Conv(192, kernel=3),  #                            192 ×  56 ×  56
        "pool2": 3,  #                                              192 ×  28 ×  28
        "inception3a": Branches(64, 96, 128, 16, 32, 32),  #        256 ×  28 ×  28
        "inception3b": Branches(128, 128, 192, 32, 96, 64),  #      480 ×  28 ×  28
        "pool3": 3,  #                                              480 ×  14 ×  14
        "inception4a": Branches(192, 96, 208, 16, 48, 64),  #       512 ×  14 ×  14
        "auxiliary1": Head(128, units=1024),
        "inception4b": Branches(160, 112, 224, 24, 64, 64),
        "inception4c": Branches(128, 128, 256, 24, 64, 64),
        "inception4d": Branches(112, 144, 288, 32, 64, 64),  #      528 ×  14 ×  14
        "auxiliary2": Head(128, units=1024),
        "inception4e": Branches(256, 160, 320, 32, 128, 128),  #    832 ×  14 ×  14
        "pool4": 2,  #                                              832 ×   7 ×   7
        "inception5a": Branches(256, 160, 320, 32, 128, 128),
        "inception5b": Branches(384, 192, 384, 48, 128, 128),  #  1,024 ×   7 ×   7
    }),
    "googlenet_mini": Config({  #                                     3 ×  32 ×  32
        "conv1": Conv(24, kernel=3),  #                              24 ×  32 ×  32
        "pool1": 3,  #                                               24 ×  16 ×  16
        "inception2a": Branches(16, 16, 24, 4, 8, 8),  #             56 ×  16 ×  16
        "inception2b": Branches(24, 24, 32, 4, 12, 12),  #           80 ×  16 ×  16
        "pool2": 3,  #                                               80 ×   8 ×   8
        "inception3a": Branches(32, 24, 48, 8, 16, 16),  #          112 ×   8 ×   8
        "auxiliary1": Head(32, units=128),
        "inception3b": Branches(48, 32, 64, 8, 24, 24),  #          160 ×   8 ×   8
    }, auxiliary=False, five_by_five=True, small=True),
}  # fmt: skip

# Where torchvision's names are ours: the part before the last dot, and what becomes of it.
BRANCHES = {
    r"branch1": "ones", r"branch2\.0": "threes.reduce", r"branch2\.1": "threes.conv",
    r"branch3\.0": "fives.reduce", r"branch3\.1": "fives.conv", r"branch4\.1": "pooled.project",
}  # fmt: skip
TORCHVISION = {
    r"(conv\d)\.bn": r"\1.norm",
    **{
        rf"(inception..)\.{theirs}\.{kind}": rf"\1.{ours}.{layer}"
        for theirs, ours in BRANCHES.items()
        for kind, layer in (("conv", "conv"), ("bn", "norm"))
    },
    r"aux(\d)\.conv\.conv": r"auxiliary\1.head.conv.conv",
    r"aux(\d)\.conv\.bn": r"auxiliary\1.head.conv.norm",
    r"aux(\d)\.fc1": r"auxiliary\1.head.full",
    r"aux(\d)\.fc2": r"auxiliary\1.head.output",
    r"fc": "output",
}
# How its trained network is built here, and what its file has besides: heads that were never trained.
PRETRAINED = {"transform_input": True, "auxiliary": False}
UNTRAINED = r"aux\d\."

# Networks.


class GoogLeNet(Network):
    """In training a tuple, (logits, logits of each auxiliary head …); otherwise logits alone."""

    def forward(self, x):
        logits = []
        *layers, head = self
        features = check_input(x, self)
        for layer in layers:
            if self.training and isinstance(layer, Auxiliary):
                logits.append(layer.logits(features))
            features = layer(features)
        return (head(features), *logits) if logits else head(features)


def build(name, num_classes=None, in_channels=3, *, auxiliary=None, five_by_five=None, transform_input=False):
    """A row of `CONFIGS`, then the mean over the grid and a linear head.

    num_classes      1,000, or 10 for the small one, when left out
    auxiliary        whether there are auxiliary heads; left out: in googlenet, not in googlenet_mini
    five_by_five     whether the third branch convolves 5×5, not 3×3; left out: not in googlenet, but in googlenet_mini
    transform_input  whether images of three channels normalized for ImageNet are first rescaled to −1 … 1
    """
    config = CONFIGS[name]
    auxiliary = config.auxiliary if auxiliary is None else checks.flag("auxiliary", auxiliary)
    five_by_five = config.five_by_five if five_by_five is None else checks.flag("five_by_five", five_by_five)
    if checks.flag("transform_input", transform_input) and in_channels != 3:
        raise ValueError(f"in_channels must be 3 with transform_input, got {in_channels}")
    num_classes = num_classes or (10 if config.small else 1000)
    layers, width = ({"transform": Rescaling()} if transform_input else {}), in_channels
    for row_name, row in config.rows.items():
        match row:
            case Conv():
                layers[row_name], width = unit(width, *row), row.channels
            case Branches():
                layers[row_name] = Inception(width, row, five_by_five)
                width = row.ones + row.threes + row.fives + row.pooled
            case Head() if auxiliary:
                layers[row_name] = Auxiliary(width, row, num_classes)
            case int():
                layers[row_name] = nn.MaxPool2d(row, stride=2, ceil_mode=True)
    layers |= classifier(width, num_classes, dropout=0.2)
    size, smallest = (32, 4) if config.small else (224, 15)
    network = GoogLeNet(name, layers, num_classes, in_channels, published_size=size, smallest=smallest)
    return drawn_normally(network, std=0.01)  # torchvision's rule
