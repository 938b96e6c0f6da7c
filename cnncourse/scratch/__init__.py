"""The ideas of the course in NumPy, under torch's names, forward and backward side by side. Never imports torch."""

from .convolution import (
    col2im,
    conv2d,
    conv2d_backward,
    conv_output_size,
    convolve,
    cross_correlate,
    im2col,
    pad,
)
from .kernels import KERNELS, directional, edge_map
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    mixed_pool2d,
    stochastic_pool2d,
)

__all__ = [
    "KERNELS",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv_output_size",
    "convolve",
    "cross_correlate",
    "directional",
    "edge_map",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "mixed_pool2d",
    "pad",
    "stochastic_pool2d",
]
