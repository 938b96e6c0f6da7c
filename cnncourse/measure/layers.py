"""The kinds of layers that have a formula, and the formulas: shape, multiply-adds, window."""

import math

from torch import nn

from .windows import window_count

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SLIDING_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE_AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
ADAPTIVE_POOLS = (*ADAPTIVE_AVERAGES, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
OTHER_NORMS = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
SOFTMAXES = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)
ACTIVATIONS = tuple(
    {getattr(nn, name) for name in nn.modules.activation.__all__}
    - {*SOFTMAXES, nn.GLU, nn.MultiheadAttention}
)
# A receptive field passes through these unchanged; the shape does through the others, too.
POINTWISE = (*ACTIVATIONS, *DROPOUTS, nn.Identity, nn.LocalResponseNorm)
SAME_SHAPE = (*POINTWISE, *SOFTMAXES, *BATCH_NORMS, *OTHER_NORMS)
GRID_LAYERS = (*CONVOLUTIONS, *TRANSPOSED, *SLIDING_POOLS, *ADAPTIVE_POOLS)
# A layer is one row: it either has no children, or its children are inner works (weight norm, attention's projections).
WHOLE_LAYERS = (*GRID_LAYERS, *BATCH_NORMS, nn.Linear, nn.MultiheadAttention)


# Kinds.


def is_layer(module):
    return isinstance(module, WHOLE_LAYERS) or next(module.children(), None) is None


def grid_axes(layer):
    """How many axes a layer slides along: the digit in Conv2d."""
    kinds = [kind for kind in type(layer).__mro__ if kind in GRID_LAYERS]
    return int(kinds[0].__name__[-2]) if kinds else 0


# Formulas.


def geometry(layer, sizes):
    """Kernel, stride, padding and dilation of a layer, a tuple of axes each; None if it is no sliding window."""
    axes = len(sizes)
    if isinstance(layer, ADAPTIVE_POOLS):
        outputs = _adaptive_sizes(layer, sizes)
        if any(size % output for size, output in zip(sizes, outputs, strict=True)):
            return None
        step = tuple(size // output for size, output in zip(sizes, outputs, strict=True))
        return step, step, (0,) * axes, (1,) * axes
    if not isinstance(layer, (*CONVOLUTIONS, *SLIDING_POOLS)):
        return None
    kernel, stride = _per_axis(layer.kernel_size, axes), _per_axis(layer.stride, axes)
    dilation = _per_axis(getattr(layer, "dilation", 1), axes)
    padding = 0 if isinstance(layer.padding, str) else layer.padding
    return kernel, stride, _per_axis(padding, axes), dilation


def predicted_shape(layer, shape):
    """The output shape by arithmetic alone; None for kinds that have no formula here."""
    if isinstance(layer, SAME_SHAPE):
        return shape
    if isinstance(layer, nn.Linear):
        return (*shape[:-1], layer.out_features)
    if isinstance(layer, nn.Flatten):
        first, last = layer.start_dim % len(shape), layer.end_dim % len(shape)
        return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    if not isinstance(layer, GRID_LAYERS):
        return None
    lead, sizes = shape[: -grid_axes(layer)], shape[-grid_axes(layer) :]
    if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
        lead = (*lead[:-1], layer.out_channels)
    return (*lead, *_predicted_sizes(layer, sizes))


def _predicted_sizes(layer, sizes):
    if isinstance(layer, ADAPTIVE_POOLS):
        return _adaptive_sizes(layer, sizes)
    if isinstance(layer, TRANSPOSED):
        settings = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding
        return tuple(
            (size - 1) * s - 2 * p + d * (k - 1) + extra + 1
            for size, k, s, p, d, extra in zip(sizes, *settings, strict=True)
        )
    if layer.padding == "same":
        return sizes
    ceil_mode = getattr(layer, "ceil_mode", False)
    return tuple(window_count(*n, ceil_mode) for n in zip(sizes, *geometry(layer, sizes), strict=True))


def multiply_adds(layer, inputs):
    """By the settings alone, from the shapes of the tensors that enter; None for kinds that have no formula here."""
    shape = inputs[0].shape
    if isinstance(layer, nn.Linear):
        return math.prod(shape[:-1]) * layer.in_features * layer.out_features
    if isinstance(layer, CONVOLUTIONS):
        each = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return math.prod(predicted_shape(layer, shape)) * each
    if isinstance(layer, TRANSPOSED):
        each = layer.out_channels // layer.groups * math.prod(layer.kernel_size)
        return math.prod(shape) * each
    if isinstance(layer, nn.MultiheadAttention):
        return _attention(layer, *inputs[:3])
    return None


def _attention(layer, query, key, value):
    """Four projections, of T queries to D numbers and of S keys and values, then T·S scores and sums of D numbers."""
    d, sequences = layer.embed_dim, 1
    if query.ndim == 3:
        sequences = query.shape[0 if layer.batch_first else 1]
    queries, keys = query.numel() // d, key.numel() // layer.kdim
    projections = 2 * queries * d * d + keys * (layer.kdim + layer.vdim) * d
    seen = keys // sequences + (layer.bias_k is not None) + layer.add_zero_attn
    return projections + 2 * queries * seen * d


def _adaptive_sizes(layer, sizes):
    wanted = _per_axis(layer.output_size, len(sizes))
    return tuple(size if output is None else output for size, output in zip(sizes, wanted, strict=True))


def _per_axis(value, axes):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
