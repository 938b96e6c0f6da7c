"""DenseNet: each layer reads what all layers before it made, x, H₁(x), H₂(x, H₁), …, so that nothing is made twice.

Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR 2017.

Related to ResNet, but no residual network: what a block adds is concatenated, not summed.
"""

from typing import NamedTuple

import torch
from torch import nn

from .parts import Network, classifier, conv_norm, drawn_by_he, norm_conv, sequential

# Blocks.


class DenseBlock(nn.Sequential):
    """y = [x, h₁, …, h_L] with hₗ = Hₗ([x, h₁, …, hₗ₋₁]), brackets along the channels.

    H is norm, relu, 1×1 to four times `growth` channels, norm, relu, 3×3 to `growth`.
    x (N, C, H, W) → (N, C + layers · growth, H, W)
    """

    def __init__(self, in_channels, layers, growth):
        super().__init__()
        for number in range(layers):
            layer = sequential(
                unit1=norm_conv(in_channels + number * growth, 4 * growth, 1),
                unit2=norm_conv(4 * growth, growth, 3),
            )
            self.add_module(f"layer{number + 1}", layer)

    def forward(self, x):
        made = [x]
        for layer in self:
            made.append(layer(torch.cat(made, dim=1)))
        return torch.cat(made, dim=1)


def transition(in_channels):
    """Half as many channels on half the side: (N, C, H, W) → (N, C/2, H/2, W/2)."""
    return sequential(unit=norm_conv(in_channels, in_channels // 2, 1), pool=nn.AvgPool2d(2))


# The paper's table.


class Config(NamedTuple):
    growth: int  # channels that each layer adds, the paper's k
    blocks: tuple[int, ...]  # layers in each dense block
    small: bool = False  # for images of 32 pixels: a 3×3 convolution before the first block, no pooling


CONFIGS = {
    "densenet121": Config(growth=32, blocks=(6, 12, 24, 16)),
    "densenet_mini": Config(growth=8, blocks=(2, 4, 8), small=True),
}

TORCHVISION = {
    r"features\.conv0": "stem.conv",
    r"features\.norm0": "stem.norm",
    r"features\.denseblock(\d)\.denselayer(\d+)\.norm(\d)": r"block\1.layer\2.unit\3.norm",
    r"features\.denseblock(\d)\.denselayer(\d+)\.conv(\d)": r"block\1.layer\2.unit\3.conv",
    r"features\.transition(\d)\.(norm|conv)": r"transition\1.unit.\2",
    r"features\.norm5": "norm",
    r"classifier": "output",
}

# Networks.


def build(name, num_classes=None, in_channels=3):
    """A row of `CONFIGS`: a stem to twice the growth, dense blocks with transitions between, the mean, a linear head.

    num_classes: 1,000, or 10 for the small one, when left out. The least size leaves one pixel after the transitions.
    """
    config = CONFIGS[name]
    num_classes = num_classes or (10 if config.small else 1000)
    width = 2 * config.growth
    kernel, stride = (3, 1) if config.small else (7, 2)
    layers = {"stem": conv_norm(in_channels, width, kernel, stride)}
    if not config.small:
        layers["stem_pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    for number, count in enumerate(config.blocks, 1):
        if number > 1:
            layers[f"transition{number - 1}"] = transition(width)
            width //= 2
        layers[f"block{number}"] = DenseBlock(width, count, config.growth)
        width += count * config.growth
    layers |= {
        "norm": nn.BatchNorm2d(width),
        "activation": nn.ReLU(inplace=True),
        **classifier(width, num_classes),
    }
    size, smallest = (32, 4) if config.small else (224, 29)
    network = Network(name, layers, num_classes, in_channels, published_size=size, smallest=smallest)
    nn.init.zeros_(network.output.bias)
    return drawn_by_he(network)
