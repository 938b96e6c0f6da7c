"""What the model files share: networks of named layers in a row, the blocks that several families use, activations by
name, the check of an input."""

from collections import OrderedDict

import torch
import torch.fx
from torch import nn


class ScaledTanh(nn.Module):
    """y = 1.7159 · tanh(2x/3), elementwise: f(1) ≈ 1 and f(−1) ≈ −1, where its second derivative is largest.

    LeCun et al., "Gradient-based learning applied to document recognition", 1998, appendix A.
    """

    def forward(self, x):
        return 1.7159 * torch.tanh(2 / 3 * x)


ACTIVATIONS = {
    "tanh": nn.Tanh,
    "scaled_tanh": ScaledTanh,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


# Blocks of several families.


def sequential(**layers):
    """Layers in a row, by name: sequential(conv=…, norm=…)."""
    return nn.Sequential(OrderedDict(layers))


def conv_norm(in_channels, channels, kernel=3, stride=1, groups=1, activation=nn.ReLU, **norm):
    """Convolution without bias (padding keeps the side at stride 1), batch normalization, activation (None: none)."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    last = {"activation": activation(inplace=True)} if activation else {}
    return sequential(conv=conv, norm=nn.BatchNorm2d(channels, **norm), **last)


def norm_conv(in_channels, channels, kernel, stride=1):
    """Batch normalization, ReLU, convolution without bias: the order of pre-activation."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
    return sequential(norm=nn.BatchNorm2d(in_channels), activation=nn.ReLU(inplace=True), conv=conv)


class SqueezeExcitation(nn.Module):
    """y = x · s(x): one factor a channel, made of the means of all channels. Hu et al., 2018.

    s = gate(W₂ · activation(W₁ · mean(x)));  x (N, C, H, W), W₁ (hidden, C), W₂ (C, hidden)
    """

    def __init__(self, channels, hidden, *, activation=nn.ReLU, gate=nn.Sigmoid, bias=True):
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.down = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.activation = activation()
        self.up = nn.Conv2d(hidden, channels, 1, bias=bias)
        self.gate = gate()

    def forward(self, x):
        return x * self.gate(self.up(self.activation(self.down(self.squeeze(x)))))


# Networks of stages.


def stages(width, rows, block):
    """stage1, stage2, … by name, and how many channels the last gives, for an input of `width` channels.

    rows   one a stage, each with channels, blocks and stride, which is that of its first block
    block  block(in_channels, stride, row) → a block that gives row.channels
    """
    layers = {}
    for number, row in enumerate(rows, 1):
        blocks = []
        for place in range(row.blocks):
            blocks.append(block(width, row.stride if place == 0 else 1, row))
            width = row.channels
        layers[f"stage{number}"] = nn.Sequential(*blocks)
    return layers, width


def hidden(name, units_in, units, dropout):
    """A fully connected layer, ReLU and dropout, by name: (N, units_in) → (N, units)."""
    linear, activation = nn.Linear(units_in, units), nn.ReLU(inplace=True)
    return {name: linear, f"{name}_activation": activation, f"{name}_dropout": nn.Dropout(dropout)}


def classifier(width, num_classes, dropout=0.0):
    """The mean over the grid and a linear layer, by name: (N, width, H, W) → (N, num_classes)."""
    drop = {"dropout": nn.Dropout(dropout)} if dropout else {}
    output = nn.Linear(width, num_classes)
    return {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), **drop, "output": output}


def rounded(channels, multiple=8):
    """The multiple nearest to `channels`: at least one, and the next higher where more than a tenth would be lost."""
    nearest = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return nearest if nearest >= 0.9 * channels else nearest + multiple


def drawn_normally(network, std):
    """The network, the weights of its convolutions and linear layers drawn normally around 0, and their biases zero."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def drawn_by_he(network):
    """The network, its convolutions drawn by He's rule for ReLU, variance 2/fan-out, and their biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def drawn_narrowly(network):
    """The network, its convolutions and linear layers drawn normally with σ = 0.02, cut off at ±2, biases zero."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


class Network(nn.Sequential):
    """Named layers in a row, of which the last is the head: head(features(x)).

    x (N, in_channels, H, W) → logits (N, num_classes)

    published_size  side of the square images of the paper, in pixels
    input_size      the only side that it takes, or None: then H and W may be any from `smallest` on
    """

    def __init__(
        self, name, layers, num_classes, in_channels, *, published_size, input_size=None, smallest=1
    ):
        super().__init__(OrderedDict(layers))
        self.name, self.num_classes, self.in_channels = name, num_classes, in_channels
        self.published_size, self.input_size, self.smallest = published_size, input_size, smallest

    @property
    def head(self):
        """The last layer, which makes logits of features."""
        return self[-1]

    def features(self, x):
        """What the head reads: (N, D)."""
        x = check_input(x, self)
        for layer in list(self)[:-1]:
            x = layer(x)
        return x

    def forward(self, x):
        return self.head(self.features(x))

    def __getitem__(self, index):
        """One layer by its place; a slice is a plain Sequential of layers."""
        layers = list(self._modules.items())[index]
        return nn.Sequential(OrderedDict(layers)) if isinstance(index, slice) else layers[1]


def check_input(x, network):
    """x itself, if it is a batch of images that the network takes."""
    return _check_input(x, network.name, network.in_channels, network.input_size, network.smallest)


# Traced by torch.fx, the check stays one call: a tracer's stand-in for x has no shape to look at.
@torch.fx.wrap
def _check_input(x, name, in_channels, input_size, smallest):
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name} takes a tensor of images, got {type(x).__name__}")
    expected = f"(N, {in_channels}, {input_size or 'H'}, {input_size or 'W'})"
    if x.ndim != 4:
        raise ValueError(f"{name} takes images {expected}, got shape {tuple(x.shape)}")
    if x.shape[1] != in_channels:
        raise ValueError(
            f"{name} takes {in_channels} input channel{'s' * (in_channels > 1)}, as in {expected}, "
            f"got shape {tuple(x.shape)}"
        )
    if input_size and x.shape[2:] != (input_size, input_size):
        raise ValueError(
            f"{name} takes images of {input_size}×{input_size} pixels, as in {expected}, got shape {tuple(x.shape)}"
        )
    if min(x.shape[2:]) < smallest:
        raise ValueError(
            f"{name} takes images of at least {smallest}×{smallest} pixels, got shape {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"{name} takes numbers with a fraction, such as float32, got {x.dtype}")
    return x
