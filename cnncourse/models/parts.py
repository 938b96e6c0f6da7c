"""What the model files share: networks of named layers in a row, activations by name, the check of an input."""

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


class Network(nn.Sequential):
    """Named layers in a row, of which the last is the head: head(features(x)).

    x (N, in_channels, input_size, input_size) → logits (N, num_classes)
    """

    def __init__(self, name, layers, num_classes, in_channels, input_size):
        super().__init__(OrderedDict(layers))
        self.name, self.num_classes = name, num_classes
        self.in_channels, self.input_size = in_channels, input_size

    @property
    def head(self):
        """The last layer, which makes logits of features."""
        return self[-1]

    def features(self, x):
        """What the head reads: (N, D)."""
        x = check_input(x, self.name, self.in_channels, self.input_size)
        for layer in list(self)[:-1]:
            x = layer(x)
        return x

    def forward(self, x):
        return self.head(self.features(x))

    def __getitem__(self, index):
        """One layer by its place; a slice is a plain Sequential of layers."""
        layers = list(self._modules.items())[index]
        return nn.Sequential(OrderedDict(layers)) if isinstance(index, slice) else layers[1]


def check_input(x, name, in_channels, input_size):
    """x itself, if it is a batch of images (N, in_channels, side, side), side any where input_size is None."""
    return _check_input(x, name, in_channels, input_size)


# Traced by torch.fx, the check stays one call: a tracer's stand-in for x has no shape to look at.
@torch.fx.wrap
def _check_input(x, name, in_channels, input_size):
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name} takes a tensor of images, got {type(x).__name__}")
    side = input_size or "side"
    expected = f"(N, {in_channels}, {side}, {side})"
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
    if not x.is_floating_point():
        raise TypeError(f"{name} takes numbers with a fraction, such as float32, got {x.dtype}")
    return x
