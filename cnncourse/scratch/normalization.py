"""Normalization: subtract a mean, divide by a standard deviation, then let the network choose both anew.

x̂ = (x − μ) / √(σ² + ε),  y = γ·x̂ + β,  with γ the `weight` and β the `bias`, one number each for a channel (for each
number, in layer norm). What differs is only over which numbers μ and σ² are taken, σ² with 1/m:

batch norm      over the batch and the pixels, for each channel: (N, H, W)
layer norm      over all numbers of an example: (C, H, W), or the last axes only
group norm      over the pixels of some channels of an example: (C/G, H, W)
instance norm   over the pixels of one channel of an example: (H, W)

Names, defaults and results are those of `torch.nn.functional`. Nothing that is passed in is written into.
Precision: float32 if all arrays are float32, otherwise float64.
"""

import math

import numpy as np

from ..checks import flag, float_arrays, integer, integers, layout, real, shape


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """x (N, C), (N, C, L) or (N, C, H, W)   all else (C,) or None   →   (y, running_mean, running_var)

    training       μ and σ² are the batch's, for each channel, and new running statistics are returned:
                   running ← (1 − momentum)·running + momentum·batch, where the batch's variance is the unbiased one,
                   with 1/(m − 1); None stays None
    not training   μ and σ² are the running ones, which are returned as they came

    The statistics that were passed in are not changed, unlike torch's. One value for each channel is no batch to take
    a variance of: ValueError. Ioffe and Szegedy, "Batch normalization", 2015.
    """
    x, mean, var, weight, bias = float_arrays(
        x=x,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
        optional=["running_mean", "running_var", "weight", "bias"],
    )
    axes, eps, momentum = _batch_axes(x), _eps(eps), real("momentum", momentum, 0, 1)
    _each_channel(x, running_mean=mean, running_var=var, weight=weight, bias=bias)
    if not flag("training", training):
        normal = _by_running(x, mean, var, eps)
        return _affine(normal, weight, bias, axis=1), mean.copy(), var.copy()
    m = _values(x)
    normal, batch_mean, batch_var, _ = _standardize(x, axes, eps)
    if mean is not None:
        mean = (1 - momentum) * mean + momentum * batch_mean.ravel()
    if var is not None:
        var = (1 - momentum) * var + momentum * batch_var.ravel() * (m / (m - 1))
    return _affine(normal, weight, bias, axis=1), mean, var


def batch_norm_backward(
    grad_output, x, weight=None, eps=1e-5, *, training=True, running_mean=None, running_var=None
):
    """In training μ and σ² depend on x too, so that from g = γ·grad_output its mean and its part along x̂ are taken off:

    ∂x = (g − mean(g) − x̂·mean(g·x̂)) / √(σ² + ε)     ∂γ = Σ grad_output·x̂     ∂β = Σ grad_output

    With training=False, which needs the running statistics, ∂x = g / √(running_var + ε).
    grad_output and x of one shape   →   (grad_x, grad_weight (C,), grad_bias (C,))
    """
    grad_output, x, weight, mean, var = float_arrays(
        grad_output=grad_output,
        x=x,
        weight=weight,
        running_mean=running_mean,
        running_var=running_var,
        optional=["weight", "running_mean", "running_var"],
    )
    axes, eps = _batch_axes(x), _eps(eps)
    shape("grad_output", grad_output, x.shape, "that of x")
    _each_channel(x, weight=weight, running_mean=mean, running_var=var)
    g = _affine(grad_output, weight, None, axis=1)
    if flag("training", training):
        _values(x)
        normal, _, _, deviation = _standardize(x, axes, eps)
        grad_x = _standardize_backward(g, normal, deviation, axes)
    else:
        normal = _by_running(x, mean, var, eps)
        grad_x = g / np.sqrt(_lined_up(var, x, 1) + x.dtype.type(eps))
    return grad_x, (grad_output * normal).sum(axis=axes), grad_output.sum(axis=axes)


class BatchNorm2d:
    """batch_norm as a layer that keeps its statistics: `norm(x)`, x (N, C, H, W) → (N, C, H, W) in x's precision

    momentum              the part of each batch in the running statistics; None: their plain average so far
    affine                False: no weight and no bias
    track_running_stats   False: no running statistics, the batch's own are used in eval too

    weight, bias, running_mean, running_var are float64 arrays (C,), or None, and may be assigned; num_batches_tracked
    counts the calls in training. `train()` and `eval()` choose the mode, which is training at first.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.num_features = C = integer("num_features", num_features, 1)
        self.eps = _eps(eps)
        self.momentum = None if momentum is None else real("momentum", momentum, 0, 1)
        affine, track = flag("affine", affine), flag("track_running_stats", track_running_stats)
        self.weight, self.bias = (np.ones(C), np.zeros(C)) if affine else (None, None)
        self.running_mean, self.running_var = (np.zeros(C), np.ones(C)) if track else (None, None)
        self.num_batches_tracked = 0 if track else None
        self.training = True

    def train(self, mode=True):
        self.training = flag("mode", mode)
        return self

    def eval(self):
        return self.train(False)

    def __call__(self, x):
        (x,) = float_arrays(x=x)
        layout("x", x, "N C H W")
        if x.shape[1] != self.num_features:
            raise ValueError(f"x must have {self.num_features} channels, got {x.shape[1]} in shape {x.shape}")
        track = self.running_mean is not None
        seen = self.num_batches_tracked + 1 if track and self.training else 1
        y, mean, var = batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or not track,
            momentum=1 / seen if self.momentum is None else self.momentum,
            eps=self.eps,
        )
        if track and self.training:
            self.running_mean, self.running_var, self.num_batches_tracked = mean, var, seen
        return y.astype(x.dtype, copy=False)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """μ and σ² over the last axes, those of normalized_shape: each example for itself, training or not

    x (…, D)   normalized_shape D or a tuple, the last sizes of x   weight and bias of that shape   →   (…, D)

    Ba, Kiros and Hinton, "Layer normalization", 2016.
    """
    x, weight, bias = float_arrays(x=x, weight=weight, bias=bias, optional=["weight", "bias"])
    axes = _last_axes(x, normalized_shape, weight=weight, bias=bias)
    normal, *_ = _standardize(x, axes, _eps(eps))
    return _affine(normal, weight, bias, axis=axes[0])


def layer_norm_backward(grad_output, x, normalized_shape, weight=None, eps=1e-5):
    """∂x as in batch_norm_backward, over the last axes; ∂γ and ∂β are summed over the others

    grad_output and x of one shape   →   (grad_x, grad_weight, grad_bias), the latter two of normalized_shape
    """
    grad_output, x, weight = float_arrays(grad_output=grad_output, x=x, weight=weight, optional=["weight"])
    axes = _last_axes(x, normalized_shape, weight=weight)
    shape("grad_output", grad_output, x.shape, "that of x")
    normal, _, _, deviation = _standardize(x, axes, _eps(eps))
    grad_x = _standardize_backward(_affine(grad_output, weight, None, axes[0]), normal, deviation, axes)
    examples = tuple(range(axes[0]))
    return grad_x, (grad_output * normal).sum(axis=examples), grad_output.sum(axis=examples)


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """μ and σ² over the pixels of C/num_groups neighboring channels of one example

    x (N, C, …), any number of axes for pixels   weight and bias (C,)   →   the same shape

    num_groups=1 is layer norm over (C, H, W), num_groups=C instance norm. A group of a single value, of which nothing
    but β would be left, is an error; torch raises it only if N = 1. Wu and He, "Group normalization", 2018.
    """
    x, weight, bias = float_arrays(x=x, weight=weight, bias=bias, optional=["weight", "bias"])
    num_groups, C = integer("num_groups", num_groups, 1), _channels(x)
    if C % num_groups:
        raise ValueError(f"num_groups must divide the {C} channels of x, got {num_groups}")
    _each_channel(x, weight=weight, bias=bias)
    pixels = math.prod(x.shape[2:])
    if pixels * C // num_groups < 2:
        raise ValueError(f"x must have more than one value in each group, got shape {x.shape}")
    groups = x.reshape(len(x), num_groups, C // num_groups * pixels)
    normal, *_ = _standardize(groups, (2,), _eps(eps))
    return _affine(normal.reshape(x.shape), weight, bias, axis=1)


def instance_norm(x, *, weight=None, bias=None, eps=1e-5):
    """μ and σ² over the pixels of one channel of one example

    x (N, C, L) or (N, C, H, W), more than one pixel   weight and bias (C,)   →   the same shape

    Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """
    (x,) = float_arrays(x=x)
    layout("x", x, "N C L", "N C H W")
    if math.prod(x.shape[2:]) < 2:
        raise ValueError(f"x must have more than one pixel, got shape {x.shape}")
    return group_norm(x, _channels(x), weight, bias, eps)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """y_c = x_c / (k + α/n · Σ_j x_j²)^β, with j over n = `size` channels around c, as far as there are such

    x (N, C, …), at least one axis for pixels   →   the same shape; for even n one more channel before c than behind

    The α/n is torch's. The paper has α alone, so its n = 5, α = 10⁻⁴, k = 2 is here size=5, alpha=5e-4, k=2: five times
    the α. Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep CNNs", 2012.
    """
    (x,) = float_arrays(x=x)
    size, C = integer("size", size, 1), _channels(x)
    if x.ndim < 3:
        raise ValueError(
            f"x must have shape (N, C, …) with at least one axis for pixels, got shape {x.shape}"
        )
    # k = 0 would make 0/0 where all channels are 0.
    alpha, beta, k = real("alpha", alpha, 0), real("beta", beta), real("k", k, above=0)
    squares, total = x**2, np.zeros_like(x)
    for step in range(-(size // 2), (size - 1) // 2 + 1):
        first, end = max(0, -step), min(C, C - step)  # the channels that have one `step` away
        if first < end:
            total[:, first:end] += squares[:, first + step : end + step]
    return x / (k + alpha / size * total) ** beta


# What they share.


def _standardize(x, axes, eps):
    """→ x̂, μ, σ², √(σ² + ε), the last three with axes of size 1"""
    mean = x.mean(axis=axes, keepdims=True)
    centered = x - mean
    var = (centered**2).mean(axis=axes, keepdims=True)
    deviation = np.sqrt(var + x.dtype.type(eps))
    return centered / deviation, mean, var, deviation


def _standardize_backward(g, normal, deviation, axes):
    """From g = ∂L/∂x̂ to ∂L/∂x. x̂ does not feel a shift of x, nor (but for ε) a scaling: those parts of g are lost."""
    shift = g.mean(axis=axes, keepdims=True)
    scaling = (g * normal).mean(axis=axes, keepdims=True)
    return (g - shift - normal * scaling) / deviation


def _by_running(x, mean, var, eps):
    if mean is None or var is None:
        raise ValueError("running_mean and running_var must be given where training is False, got None")
    if not (var >= 0).all():
        raise ValueError(f"running_var must be at least 0, got {var}")
    return (x - _lined_up(mean, x, 1)) / np.sqrt(_lined_up(var, x, 1) + x.dtype.type(eps))


def _affine(normal, weight, bias, axis):
    """γ·x̂ + β, where γ and β run along the axes of x̂ from `axis` on"""
    if weight is not None:
        normal = normal * _lined_up(weight, normal, axis)
    return normal if bias is None else normal + _lined_up(bias, normal, axis)


def _lined_up(vector, x, axis):
    return vector.reshape(vector.shape + (1,) * (x.ndim - axis - vector.ndim))


def _batch_axes(x):
    layout("x", x, "N C", "N C L", "N C H W")
    _channels(x)
    return (0, *range(2, x.ndim))


def _values(x):
    """How many values each channel has in the batch, if a variance can be taken of them."""
    if (m := x.size // x.shape[1]) < 2:
        raise ValueError(f"x must have more than one value for each channel in training, got shape {x.shape}")
    return m


def _channels(x):
    if x.ndim < 2 or x.shape[1] == 0:
        raise ValueError(f"x must have shape (N, C, …) with at least one channel, got shape {x.shape}")
    return x.shape[1]


def _each_channel(x, **vectors):
    for name, vector in vectors.items():
        if vector is not None:
            shape(name, vector, x.shape[1:2], "one number for each channel of x")


def _last_axes(x, normalized_shape, **arrays):
    if isinstance(normalized_shape, tuple | list):
        sizes = integers("normalized_shape", normalized_shape, 1)
    else:
        sizes = (integer("normalized_shape", normalized_shape, 1),)
    if x.shape[-len(sizes) :] != sizes:
        raise ValueError(f"normalized_shape must be the last sizes of x, of shape {x.shape}, got {sizes}")
    for name, array in arrays.items():
        if array is not None:
            shape(name, array, sizes, "normalized_shape")
    return tuple(range(x.ndim - len(sizes), x.ndim))


def _eps(eps):
    """ε must be above 0, or a channel that never changes would be divided by 0."""
    return real("eps", eps, above=0)
