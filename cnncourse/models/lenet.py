"""LeNet-5: convolve, squash, pool, and again; then a few fully connected layers. All of it learned from pixels.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE, 1998.

`lenet5` is the form that textbooks give (61,706 parameters), `lenet5_1998` the network of the paper (60,000), and
`cifar_cnn` the same plan with more channels, for small color images.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils import parametrize

from .. import checks
from .parts import ACTIVATIONS, Network, ScaledTanh

# Blocks.


class Subsampling(nn.Module):
    """y[n,c,i,j] = a[c] · (sum of the 2×2 window) + b[c]: two learned numbers a map, window and stride 2.

    x (N, C, H, W) → (N, C, H/2, W/2)
    """

    def __init__(self, channels):
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x):
        total = 4 * avg_pool2d(x, 2)
        return self.coefficient[:, None, None] * total + self.bias[:, None, None]


class Connections(nn.Module):
    """The dense weight of a convolution in which each output map reads only some of the input maps.

    kernels (connections, k, k) → weight (O, C, k, k), zero where output o does not read input c. Only the kernels are
    parameters. rows: for each output map, the input maps that it reads.
    """

    def __init__(self, rows, in_channels):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = len(rows)
        pairs = [(o, c) for o, row in enumerate(rows) for c in row]
        outputs, inputs = torch.tensor(pairs).T
        self.register_buffer("outputs", outputs, persistent=False)
        self.register_buffer("inputs", inputs, persistent=False)

    def forward(self, kernels):
        weight = kernels.new_zeros(self.out_channels, self.in_channels, *kernels.shape[1:])
        return weight.index_put((self.outputs, self.inputs), kernels)

    def right_inverse(self, weight):
        return weight[self.outputs, self.inputs]


class RadialBasis(nn.Module):
    """y[n,i] = −Σⱼ (x[n,j] − w[i,j])²: how near F6 comes to the drawing of digit i, 0 at best.

    x (N, 84) → (N, 10). The paper writes the distance without the minus and picks the smallest; with the minus the
    largest is picked, so that argmax and cross-entropy work as for any other network. w holds fixed drawings of ±1.
    """

    def __init__(self, bitmaps):
        super().__init__()
        self.register_buffer("bitmaps", bitmaps)

    def forward(self, x):
        return -(x[:, None] - self.bitmaps).square().sum(dim=2)


# The paper's tables: convolutions (C), poolings (S) and fully connected layers (F), then the output.


class C(NamedTuple):
    name: str
    channels: int
    kernel: int
    padding: int = 0


class S(NamedTuple):
    name: str


class F(NamedTuple):
    name: str
    units: int


CONFIGS = {
    "lenet5": (  #                                      1 × 32 × 32
        C("c1", channels=6, kernel=5),  #               6 × 28 × 28
        S("s2"),  #                                     6 × 14 × 14
        C("c3", channels=16, kernel=5),  #             16 × 10 × 10
        S("s4"),  #                                    16 ×  5 ×  5
        C("c5", channels=120, kernel=5),  #           120 ×  1 ×  1
        F("f6", units=84),
    ),
    "cifar_cnn": (  #                                   3 × 32 × 32
        C("c1", channels=32, kernel=5, padding=2),  #  32 × 32 × 32
        S("s2"),  #                                    32 × 16 × 16
        C("c3", channels=32, kernel=5, padding=2),  #  32 × 16 × 16
        S("s4"),  #                                    32 ×  8 ×  8
        C("c5", channels=64, kernel=5, padding=2),  #  64 ×  8 ×  8
        S("s6"),  #                                    64 ×  4 ×  4
        F("f7", units=64),
    ),
}

# Table I of the paper: the maps of S2 that each of the 16 maps of C3 reads. 6·3 + 9·4 + 6 = 60 connections.
C3_READS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# Drawings of the ten digits, 7 wide and 12 high, hence 84 units in F6. The paper draws all of ASCII this way;
# these ten are drawn anew.
DIGITS = """
..###.. ...#... ..###.. .#####. ....##. ####### ..####. ####### ..###.. ..###..
.##.##. ..##... .##.##. ##...## ....##. ##..... .##..## ##...## .##.##. .##.##.
##...## .###... ##...## .....## ...###. ##..... ##..... .....## ##...## ##...##
##...## ...#... ##...## .....## ...###. ##..... ##..... ....##. ##...## ##...##
##...## ...#... .....## .....## ..#.##. ##..... ##..... ....##. .##.##. ##...##
##...## ...#... ....##. ..####. ..#.##. #####.. ##.###. ...##.. ..###.. .##.###
##...## ...#... ...##.. .....## .##.##. ....##. ###..## ...##.. .##.##. ..##.##
##...## ...#... ...##.. .....## .#..##. .....## ##...## ...##.. ##...## .....##
##...## ...#... ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... .##.... .....## ....##. ##...## ##...## ..##... ##...## .....##
.##.##. ...#... ##..... ##...## ....##. .##.##. .##.##. .##.... .##.##. .##.##.
..###.. .#####. ####### .#####. ....##. ..###.. ..###.. .##.... ..###.. ..###..
"""


def digit_bitmaps():
    """The drawings as numbers: (10, 84) float32, +1 for ink and −1 for paper, rows from top to bottom."""
    lines = [line.split() for line in DIGITS.split("\n") if line]
    drawings = ["".join(line[digit] for line in lines) for digit in range(10)]
    return torch.tensor([[1.0 if pixel == "#" else -1.0 for pixel in drawing] for drawing in drawings])


# Networks.


class LeNet(Network):
    """A table of `CONFIGS`, read. x (N, in_channels, input_size, input_size) → logits (N, num_classes)"""

    def __init__(
        self, name, num_classes, in_channels, input_size,
        *, activation, pooling, normalization, dropout, initialization,
    ):  # fmt: skip
        checks.choice("activation", activation, ACTIVATIONS)
        checks.choice("pooling", pooling, POOLINGS)
        checks.choice("normalization", normalization, ("none", "batch"))
        checks.real("dropout", dropout, 0, below=1)
        checks.choice("initialization", initialization, ("default", "xavier"))
        layers, width, side = {}, in_channels, input_size

        # Convolutions and poolings follow the side of their maps; the first full layer reads all maps in one row.
        for row in CONFIGS[name]:
            if isinstance(row, C):
                padding = 2 if (name, row.name, input_size) == ("lenet5", "c1", 28) else row.padding
                layers[row.name] = nn.Conv2d(width, row.channels, row.kernel, padding=padding)
                if normalization == "batch":
                    layers[f"{row.name}_norm"] = nn.BatchNorm2d(row.channels)
                layers[f"{row.name}_activation"] = ACTIVATIONS[activation]()
                width, side = row.channels, side + 2 * padding - row.kernel + 1
            elif isinstance(row, S):
                layers[row.name] = POOLINGS[pooling](2)
                side //= 2
            else:
                if "flatten" not in layers:
                    layers["flatten"], width = nn.Flatten(), width * side * side
                layers |= _full(row.name, width, row.units, dropout)
                layers[f"{row.name}_activation"] = ACTIVATIONS[activation]()
                width = row.units
        layers |= _full("output", width, num_classes, dropout)
        super().__init__(name, layers, num_classes, in_channels, published_size=32, input_size=input_size)
        if initialization == "xavier":
            for layer in self:
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(layer.weight)


POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


def _full(name, units, units_out, dropout):
    drop = {f"{name}_dropout": nn.Dropout(dropout)} if dropout else {}
    return {**drop, name: nn.Linear(units, units_out)}


def lenet5(
    num_classes=10,
    in_channels=1,
    *,
    input_size=32,
    activation="tanh",
    pooling="average",
    normalization="none",
    dropout=0.0,
    initialization="default",
):
    """LeNet-5 as it is taught: plain average pooling, every map of C3 reads every map of S2, a linear output.

    156 + 2,416 + 48,120 + 10,164 + 850 = 61,706 parameters with ten classes and one channel. C5 is a convolution
    whose 5×5 kernel covers its whole 5×5 input: the same numbers as a fully connected layer of 400 inputs.

    input_size: 32; 28, for which C1 pads by 2, as many textbooks have it (then the same counts and sizes from C1 on);
    or more than 32, for which C5 gives more than one number a map and F6 reads them all.
    activation: a name of `parts.ACTIVATIONS`. pooling: "average" or "max".
    normalization: "batch" puts batch normalization after every convolution, C5 included, before the activation. It
    adds 2·(6 + 16 + 120) = 284 parameters, and training then needs at least two images a batch (C5 is 1×1).
    dropout: the probability with which inputs of every fully connected layer (F6, output) are dropped.
    initialization: "default" is torch's; "xavier" draws all weights by Glorot's uniform rule, which the sigmoid needs.
    """
    options = locals()
    if checks.integer("input_size", input_size, 1) != 28 and input_size < 32:
        raise ValueError(f"input_size of lenet5 must be 28 (then C1 pads by 2), 32 or more, got {input_size}")
    return LeNet("lenet5", **options)


def cifar_cnn(
    num_classes=10,
    in_channels=3,
    *,
    input_size=32,
    activation="relu",
    pooling="max",
    normalization="none",
    dropout=0.0,
    initialization="default",
):
    """LeNet's plan for color images of 32×32 pixels: three padded 5×5 convolutions, each followed by a 2×2 pooling.

    2,432 + 25,632 + 51,264 + 65,600 + 650 = 145,578 parameters with ten classes and three channels.
    input_size: 8 or more; 32×32 pixels leave 4×4 for F7. The other options are those of `lenet5`; batch normalization
    adds 2·(32 + 32 + 64) = 256 parameters.
    """
    options = locals()
    if checks.integer("input_size", input_size, 1) < 8:
        raise ValueError(f"input_size of cifar_cnn must be 8 or more, got {input_size}")
    return LeNet("cifar_cnn", **options)


def lenet5_1998(num_classes=10, in_channels=1):
    """LeNet-5 as published. Its 60,000 trainable parameters: C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164.

    Poolings have a learned coefficient and bias, C3 reads S2 by the paper's table, all layers up to F6 are squashed by
    1.7159·tanh(2x/3), and the outputs are distances to ten fixed drawings, negated here (see RadialBasis). Weights are
    drawn uniformly from ±2.4/fan-in. The paper's images have −0.1 as paper and 1.175 as ink.
    """
    if num_classes != 10:
        raise ValueError(f"num_classes of lenet5_1998 must be 10, its outputs draw digits, got {num_classes}")
    if in_channels != 1:
        raise ValueError(f"in_channels of lenet5_1998 must be 1, as published, got {in_channels}")
    c3 = _drawn(nn.Conv2d(6, 16, 5), [25 * len(row) for row in C3_READS])
    parametrize.register_parametrization(c3, "weight", Connections(C3_READS, in_channels=6))
    layers = {
        "c1": _drawn(nn.Conv2d(1, 6, 5), 25),  #               6 × 28 × 28
        "c1_activation": ScaledTanh(),
        "s2": _drawn(Subsampling(6), 4),  #                    6 × 14 × 14
        "s2_activation": ScaledTanh(),
        "c3": c3,  #                                          16 × 10 × 10
        "c3_activation": ScaledTanh(),
        "s4": _drawn(Subsampling(16), 4),  #                  16 ×  5 ×  5
        "s4_activation": ScaledTanh(),
        "c5": _drawn(nn.Conv2d(16, 120, 5), 25 * 16),  #     120 ×  1 ×  1
        "c5_activation": ScaledTanh(),
        "flatten": nn.Flatten(),
        "f6": _drawn(nn.Linear(120, 84), 120),
        "f6_activation": ScaledTanh(),
        "output": RadialBasis(digit_bitmaps()),
    }
    return Network("lenet5_1998", layers, num_classes, in_channels, published_size=32, input_size=32)


@torch.no_grad()
def _drawn(layer, fan_in):
    """The layer, weights and biases drawn uniformly from ±2.4/fan_in, one fan_in for all outputs or one for each."""
    bound = 2.4 / torch.as_tensor(fan_in, dtype=torch.float32)
    for parameter in layer.parameters():
        limit = bound.reshape(-1, *[1] * (parameter.ndim - 1))
        parameter.copy_((2 * torch.rand_like(parameter) - 1) * limit)
    return layer
