"""Arithmetic on the settings of one layer: how far a stack of windows sees, and what one Conv2d costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..checks import integer, integers, pair, sequence

SETTINGS = ("kernel_size", "stride", "padding", "dilation")


def receptive_field(layers: Sequence[tuple]) -> list["FieldRow"]:
    """How many input pixels one output pixel sees, layer by layer, along one axis.

        r ← r + d·(k − 1)·j     c ← c + (d·(k − 1)/2 − p)·j     j ← j·s        from r = 1, c = 0, j = 1

    layers: one tuple (kernel_size, stride[, padding[, dilation]]) a layer, in order, as Conv2d and MaxPool2d define
    them; padding is 0 and dilation 1 if left out. A name may stand first: ("conv1", 3, 1, 1); unnamed layers are
    called by their place, from "1".
    r is the receptive field and j the jump (the distance between neighboring outputs), in input pixels. c is the
    center of the first output's field: 0 is the middle of the first input pixel, below 0 lies the padding. Padding
    moves c and changes neither r nor j. At the border a part of the field lies in the padding; r counts it too.

    Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
    Raises TypeError or ValueError that names the layer.
    """
    sequence("layers", layers, "a list of tuples (kernel_size, stride[, padding[, dilation]])")
    rows, field, jump, center = [], 1, 1, 0.0
    for place, layer in enumerate(layers, start=1):
        sequence(f"layers[{place - 1}]", layer, "a tuple (kernel_size, stride[, …])")
        named = len(layer) > 0 and isinstance(layer[0], str)
        name, numbers = (layer[0], layer[1:]) if named else (str(place), layer)
        if not 2 <= len(numbers) <= 4:
            raise ValueError(
                f"layers[{place - 1}] must hold kernel_size, stride[, padding[, dilation]], got {layer!r}"
            )
        numbers = (*numbers, *(0, 1)[len(numbers) - 2 :])
        k, s, p, d = (
            integer(f"{argument} of layers[{place - 1}]", number, minimum)
            for argument, number, minimum in zip(SETTINGS, numbers, (1, 1, 0, 1), strict=True)
        )
        field += d * (k - 1) * jump
        center += (d * (k - 1) / 2 - p) * jump
        jump *= s
        rows.append(FieldRow(name, k, s, p, d, field, jump, center))
    return rows


@dataclass(frozen=True)
class FieldRow:
    """One layer of `receptive_field`, in input pixels."""

    layer: str
    kernel_size: int
    stride: int
    padding: int
    dilation: int
    receptive_field: int
    jump: int
    center: float


def conv_cost(
    input_shape,
    out_channels,
    kernel_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    bias=True,
    *,
    bytes_per_number=4,
) -> "ConvCost":
    """What one Conv2d costs, before it is built.

        H' = ⌊(H + 2p − d(k − 1) − 1)/s⌋ + 1
        weights = O·(C/g)·k_h·k_w        multiply-adds = N·O·H'·W'·(C/g)·k_h·k_w

    input_shape (N, C, H, W) → output_shape (N, O, H', W'). Biases are counted as parameters, not as multiply-adds.
    Bytes are those of the parameters and of the output, float32 unless bytes_per_number says otherwise.
    Raises TypeError or ValueError that names the argument.
    """
    shape = integers("input_shape", input_shape, 1, expected="a tuple (N, C, H, W)")
    if len(shape) != 4:
        raise ValueError(f"input_shape must be (N, C, H, W), got {shape}")
    n, c, *sizes = shape
    o, g = integer("out_channels", out_channels, 1), integer("groups", groups, 1)
    numbers = integer("bytes_per_number", bytes_per_number, 1)
    if c % g or o % g:
        raise ValueError(f"groups must divide the {c} input channels and the {o} output channels, got {g}")
    kernel, stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
    padding, dilation = pair("padding", padding, 0), pair("dilation", dilation, 1)
    height, width = map(window_count, sizes, kernel, stride, padding, dilation)
    if min(height, width) < 1:
        raise ValueError(
            f"kernel_size {kernel} with dilation {dilation} does not fit into an input of {sizes[0]}×{sizes[1]} "
            f"with padding {padding}"
        )
    weights = o * (c // g) * math.prod(kernel)
    biases = o if bias else 0
    return ConvCost(
        output_shape=(n, o, height, width),
        weights=weights,
        biases=biases,
        multiply_adds=n * height * width * weights,
        parameter_bytes=(weights + biases) * numbers,
        output_bytes=n * o * height * width * numbers,
    )


@dataclass(frozen=True)
class ConvCost:
    """What `conv_cost` found."""

    output_shape: tuple[int, int, int, int]
    weights: int
    biases: int
    multiply_adds: int
    parameter_bytes: int
    output_bytes: int


def window_count(size, kernel, stride, padding, dilation, ceil_mode=False):
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    # A last window may hang over the right edge, but it must not start beyond the input and its left padding.
    steps = math.ceil(room / stride)
    return steps + (steps * stride < size + padding)
