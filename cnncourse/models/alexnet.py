"""AlexNet: LeNet's plan, much larger, with ReLU, dropout and a million photographs, on two GPUs: 60 million parameters.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NeurIPS 2012.

`alexnet_grouped` is that network: in C2, C4 and C5 each of two GPUs reads only its own half of the maps. `alexnet` is
the same in one tower, as most drawings and textbooks have it, and `alexnet_mini` that with a sixteenth of all widths.
`alexnet_owt` is the later network that torchvision calls alexnet: Krizhevsky, "One weird trick for parallelizing
convolutional neural networks", 2014. It has fewer channels and, in torchvision's form, no response normalization.
"""

from typing import NamedTuple

from torch import nn

from .. import checks
from .parts import Network, drawn_normally, hidden

# Blocks.


def response_norm():
    """y[c] = x[c] / (2 + 10⁻⁴ · Σ x[c']²)^0.75, the sum over the five channels c − 2 … c + 2. x (N, C, H, W)

    torch divides α by the five; the paper does not, so that its α = 10⁻⁴ is 5 · 10⁻⁴ here.
    """
    return nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2.0)


# The paper's table: all networks have the same layers; channels and groups differ.


class C(NamedTuple):
    name: str
    kernel: int
    pooled: bool = False  # by windows of 3×3 that overlap, stride 2
    normalized: bool = False  # by response_norm


CONVOLUTIONS = (  #                                       3 × 227 × 227
    C("c1", kernel=11, pooled=True, normalized=True),  # 96 ×  55 ×  55 → 27 × 27
    C("c2", kernel=5, pooled=True, normalized=True),  # 256 ×  27 ×  27 → 13 × 13
    C("c3", kernel=3),  #                               384 ×  13 ×  13
    C("c4", kernel=3),  #                               384 ×  13 ×  13
    C("c5", kernel=3, pooled=True),  #                  256 ×  13 ×  13 →  6 ×  6
)


class Config(NamedTuple):
    channels: tuple[int, ...] = (96, 256, 384, 384, 256)
    groups: tuple[int, ...] = (1, 1, 1, 1, 1)
    width: float = 1.0  # how many times as many channels and units as written here
    normalization: str = "before pooling"
    owt: bool = (
        False  # pools adaptively to 6×6; drops what F6 and F7 read, where the paper drops what they give
    )
    num_classes: int = 1000
    in_channels: int = 3


CONFIGS = {
    "alexnet": Config(),
    "alexnet_grouped": Config(groups=(1, 2, 1, 2, 2)),
    "alexnet_owt": Config((64, 192, 384, 256, 256), normalization="none", owt=True),
    "alexnet_mini": Config(width=1 / 16, num_classes=10, in_channels=1),
}

TORCHVISION = {
    r"features\.0": "c1",
    r"features\.3": "c2",
    r"features\.6": "c3",
    r"features\.8": "c4",
    r"features\.10": "c5",
    r"classifier\.1": "f6",
    r"classifier\.4": "f7",
    r"classifier\.6": "output",
}

# Networks.


def build(
    name,
    num_classes=None,
    in_channels=None,
    *,
    input_size=None,
    width=None,
    normalization=None,
    dropout=0.5,
    initialization="default",
):
    """A row of `CONFIGS`: five convolutions, then F6, F7 and the output.

    num_classes, in_channels  1,000 and 3, those of alexnet_mini 10 and 1, when left out

    input_size      227, when left out: then C1 gives the paper's 55×55. 224, the side that the paper states: C1 pads by
                    2, and all is as with 227. Any other from 15 on: F6 reads as many numbers as are there; for images
                    under 67 pixels C1 has stride 1 and pads by 5. alexnet_owt takes any size from 63 on, F6 reads 6×6
    width           how many times as many channels and units as the paper's every layer has, rounded down: 1, in
                    alexnet_mini 1/16, when left out
    normalization   of the responses of C1 and C2: "before pooling" as published, "after pooling", or "none", which is
                    alexnet_owt's
    dropout         the probability with which units of F6 and F7 are dropped
    initialization  "default" is torch's; "published": weights normal with σ = 0.01, biases 1 in C2, C4, C5, F6 and F7,
                    otherwise 0: made for the published widths, and for pixels of 0 to 255 less their mean
    """
    config = CONFIGS[name]
    width = config.width if width is None else checks.real("width", width, above=0)
    normalization = config.normalization if normalization is None else normalization
    checks.choice("normalization", normalization, ("before pooling", "after pooling", "none"))
    checks.real("dropout", dropout, 0, below=1)
    checks.choice("initialization", initialization, ("default", "published"))
    smallest = 63 if config.owt else 15
    size = 227 if input_size is None else checks.integer(f"input_size of {name}", input_size, smallest)

    config = config._replace(width=width, normalization=normalization)
    in_channels, num_classes = in_channels or config.in_channels, num_classes or config.num_classes
    layers, numbers = convolutions(in_channels, size, config)
    layers |= {"flatten": nn.Flatten(), **full(numbers, num_classes, dropout, config)}
    sizes = {"published_size": 224} if config.owt else {"published_size": 227, "input_size": size}
    network = Network(name, layers, num_classes, in_channels, smallest=smallest, **sizes)
    return drawn_as_published(network) if initialization == "published" else network


def convolutions(in_channels, size, config):
    """C1 to C5 and their poolings, by name, and how many numbers they make of an image."""
    layers, width, side = {}, in_channels, size
    for row, channels, groups in zip(CONVOLUTIONS, config.channels, config.groups, strict=True):
        channels = scaled(channels, config)
        stride, padding = first_step(size, config) if row.name == "c1" else (1, row.kernel // 2)
        layers[row.name] = nn.Conv2d(width, channels, row.kernel, stride, padding, groups=groups)
        layers[f"{row.name}_activation"] = nn.ReLU(inplace=True)
        width, side = channels, (side + 2 * padding - row.kernel) // stride + 1
        if row.normalized and config.normalization == "before pooling":
            layers[f"{row.name}_norm"] = response_norm()
        if row.pooled:
            layers[f"{row.name}_pool"] = nn.MaxPool2d(3, stride=2)
            side = (side - 3) // 2 + 1
        if row.normalized and config.normalization == "after pooling":
            layers[f"{row.name}_norm"] = response_norm()
    if config.owt:
        layers["pool"], side = nn.AdaptiveAvgPool2d(6), 6
    return layers, width * side**2


def first_step(size, config):
    """Stride and padding of C1."""
    if size < 67 and not config.owt:
        return 1, 5
    return 4, 2 if size == 224 or config.owt else 0


def full(numbers, num_classes, dropout, config):
    """F6, F7 and the output, by name: (N, numbers) → (N, num_classes)."""
    layers, units = {}, scaled(4096, config)
    for name, entering in (("f6", numbers), ("f7", units)):
        layer = hidden(name, entering, units, dropout)
        if config.owt:
            layer = {f"{name}_dropout": layer.pop(f"{name}_dropout"), **layer}
        layers |= layer
    return {**layers, "output": nn.Linear(units, num_classes)}


def scaled(count, config):
    """So many channels or units, times the width: at least one for each group."""
    split = max(config.groups)
    return max(1, int(count * config.width / split)) * split


def drawn_as_published(network):
    """The network, drawn as in the paper: biases of 1 give the ReLUs positive inputs at first."""
    drawn_normally(network, std=0.01)
    for name in ("c2", "c4", "c5", "f6", "f7"):
        nn.init.ones_(getattr(network, name).bias)
    return network
