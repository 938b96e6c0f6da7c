"""Activations: the bends between the layers, each beside its slope.

Every function works number by number, on arrays of any shape; softmax and log_softmax work along one axis. Names,
parameters and defaults are those of `torch.nn.functional`. `derivative(name)` is the slope as a function of x, with
the same parameters; at a kink it is the slope that torch's autograd takes there.

Each form is chosen so that nothing overflows, however large x is; at ±∞ an activation is its limit, and NaN stays NaN.
float32 arrays give float32, all else gives float64.
"""

import math

import numpy as np

from ..checks import choice, float_arrays, integer, real


def relu(x):
    """max(x, 0)      Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010"""
    (x,) = float_arrays(x=x)
    return np.maximum(x, 0)


def _relu_slope(x):
    """1 where x > 0, otherwise 0, at 0 too"""
    (x,) = float_arrays(x=x)
    return (x > 0).astype(x.dtype)


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, otherwise negative_slope·x      Maas, Hannun and Ng, 2013"""
    (x,) = float_arrays(x=x)
    return np.where(x > 0, x, _times(x, real("negative_slope", negative_slope)))


def _leaky_relu_slope(x, negative_slope=0.01):
    """1 where x > 0, otherwise negative_slope, at 0 too"""
    (x,) = float_arrays(x=x)
    return np.where(x > 0, 1, real("negative_slope", negative_slope)).astype(x.dtype)


def elu(x, alpha=1.0):
    """x where x > 0, otherwise α·(eˣ − 1)      Clevert, Unterthiner and Hochreiter, 2015"""
    (x,) = float_arrays(x=x)
    return np.where(x > 0, x, real("alpha", alpha) * np.expm1(np.minimum(x, 0)))


def _elu_slope(x, alpha=1.0):
    """1 where x > 0, otherwise α·eˣ"""
    (x,) = float_arrays(x=x)
    return np.where(x > 0, 1, real("alpha", alpha) * np.exp(np.minimum(x, 0)))


def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ), and where x < 0 the equal eˣ / (1 + eˣ), so that no power of e is above 1"""
    (x,) = float_arrays(x=x)
    power = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, power) / (1 + power)


def _sigmoid_slope(x):
    """σ(x)·(1 − σ(x)), at most ¼"""
    y = sigmoid(x)
    return y * (1 - y)


def tanh(x):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) = 2σ(2x) − 1"""
    (x,) = float_arrays(x=x)
    return np.tanh(x)


def _tanh_slope(x):
    """1 − tanh²(x), at most 1"""
    return 1 - tanh(x) ** 2


def swish(x, beta=1.0):
    """x·σ(βx): x/2 for β = 0, and the closer to ReLU the larger β      Ramachandran, Zoph and Le, 2017"""
    (x,) = float_arrays(x=x)
    return _times(x, sigmoid(_times(x, real("beta", beta))))


def _swish_slope(x, beta=1.0):
    """σ(βx) + βx·σ(βx)·(1 − σ(βx))"""
    (x,) = float_arrays(x=x)
    z = _times(x, real("beta", beta))
    return sigmoid(z) + _times(z, _sigmoid_slope(z))


def silu(x):
    """x·σ(x), swish with β = 1; least −0.2785 at x = −1.2785      Hendrycks and Gimpel, 2016; Elfwing et al., 2017"""
    return swish(x)


def _silu_slope(x):
    """σ(x)·(1 + x·(1 − σ(x)))"""
    return _swish_slope(x)


def gelu(x, approximate="none"):
    """x·Φ(x), where Φ(x) = ½(1 + erf(x/√2)) is the chance that a standard normal number is at most x

    approximate="tanh" puts ½(1 + tanh(√(2/π)·(x + 0.044715x³))) in place of Φ(x), which changes y by at most 0.00048.
    NumPy has no erf: the exact form calls Python's for each number, about 0.1 µs, six times what torch takes.
    Hendrycks and Gimpel, "Gaussian error linear units", 2016.
    """
    (x,) = float_arrays(x=x)
    normal, _ = GELU_FORMS[choice("approximate", approximate, GELU_FORMS)](x)
    return _times(x, normal)


def _gelu_slope(x, approximate="none"):
    """Φ(x) + x·Φ′(x)"""
    (x,) = float_arrays(x=x)
    normal, density = GELU_FORMS[choice("approximate", approximate, GELU_FORMS)](x)
    return normal + _times(x, density)


def _normal(x):
    """Φ(x) = ½(1 + erf(x/√2)) and Φ′(x) = e^(−x²/2) / √(2π)"""
    erf = np.fromiter(map(math.erf, (x / math.sqrt(2)).ravel().tolist()), x.dtype, x.size).reshape(x.shape)
    near = np.clip(x, -40, 40)  # beyond, the density is 0 in float64, and the square might overflow
    return (1 + erf) / 2, np.exp(-(near**2) / 2) / math.sqrt(2 * math.pi)


def _normal_by_tanh(x):
    """½(1 + tanh u) with u = √(2/π)·(x + 0.044715x³), and its derivative ½(1 − tanh² u)·u′"""
    near = np.clip(x, -10, 10)  # beyond, tanh u is ±1 in float64, and the cube might overflow
    t = np.tanh(math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * near**2)
    return (1 + t) / 2, (1 - t**2) / 2 * slope


GELU_FORMS = {"none": _normal, "tanh": _normal_by_tanh}


def mish(x):
    """x·tanh(softplus(x)); least −0.3088 at x = −1.1924      Misra, 2019"""
    (x,) = float_arrays(x=x)
    return _times(x, np.tanh(softplus(x)))


def _mish_slope(x):
    """t + x·(1 − t²)·σ(x) with t = tanh(softplus(x))"""
    (x,) = float_arrays(x=x)
    t = np.tanh(softplus(x))
    return t + _times(x, (1 - t**2) * sigmoid(x))


def hardsigmoid(x):
    """x/6 + ½, cut off below 0 and above 1      Howard et al., "Searching for MobileNetV3", 2019"""
    (x,) = float_arrays(x=x)
    return (np.clip(x, -3, 3) + 3) / 6


def _hardsigmoid_slope(x):
    """1/6 where −3 < x < 3, otherwise 0"""
    (x,) = float_arrays(x=x)
    return np.where(np.abs(x) < 3, 1 / 6, 0).astype(x.dtype)


def hardswish(x):
    """x·hardsigmoid(x), swish in straight lines and a parabola; within 0.142 of it      Howard et al., 2019"""
    (x,) = float_arrays(x=x)
    return _times(x, hardsigmoid(x))


def _hardswish_slope(x):
    """0 where x ≤ −3, 1 where x ≥ 3, x/3 + ½ between: it jumps by ½ at both ends"""
    (x,) = float_arrays(x=x)
    return np.where(x <= -3, 0, np.where(x >= 3, 1, np.clip(x, -3, 3) / 3 + 1 / 2))


def softplus(x, beta=1.0, threshold=20.0):
    """log(1 + e^(βx)) / β, a ReLU without a corner; x itself where βx > threshold, which changes y by e^−threshold / β

    β > 0. With z = βx, log(1 + e^z) = max(z, 0) + log(1 + e^−|z|), which has no power of e above 1.
    Dugas et al., "Incorporating second-order functional knowledge for better option pricing", 2000.
    """
    x, z, beta, linear = _softplus(x, beta, threshold)
    return np.where(linear, x, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta)


def _softplus_slope(x, beta=1.0, threshold=20.0):
    """σ(βx); 1 where βx > threshold"""
    x, z, _, linear = _softplus(x, beta, threshold)
    return np.where(linear, 1, sigmoid(z))


def _softplus(x, beta, threshold):
    (x,) = float_arrays(x=x)
    beta = real("beta", beta, above=0)
    z = _times(x, beta)
    return x, z, beta, z > real("threshold", threshold)


def softmax(x, dim):
    """e^(x_i) / Σ_j e^(x_j) along the axis `dim`, which then sums to 1; the largest x is taken off first."""
    x, dim = _along(x, dim)
    power = np.exp(_below_largest(x, dim))
    return power / power.sum(axis=dim, keepdims=True)


def log_softmax(x, dim):
    """x_i − log Σ_j e^(x_j) along the axis `dim`: the logarithm of softmax, finite also where softmax rounds to 0"""
    x, dim = _along(x, dim)
    x = _below_largest(x, dim)
    return x - np.log(np.exp(x).sum(axis=dim, keepdims=True))


SLOPES = {
    "relu": _relu_slope,
    "leaky_relu": _leaky_relu_slope,
    "elu": _elu_slope,
    "sigmoid": _sigmoid_slope,
    "tanh": _tanh_slope,
    "silu": _silu_slope,
    "swish": _swish_slope,
    "gelu": _gelu_slope,
    "mish": _mish_slope,
    "hardsigmoid": _hardsigmoid_slope,
    "hardswish": _hardswish_slope,
    "softplus": _softplus_slope,
}


def derivative(name):
    """The slope of the activation of that name, a function of x with the activation's own parameters:
    `derivative("elu")(x, alpha=2.0)`. Softmax has none: each of its outputs depends on all of its inputs."""
    return SLOPES[choice("name", name, SLOPES)]


# What the functions above share.


def _times(x, factor):
    """x·factor, and 0 for ±∞·0: every factor here goes to 0 faster than x goes to infinity"""
    with np.errstate(over="ignore"):
        return np.where((factor == 0) & np.isinf(x), 0, x) * factor


def _along(x, dim):
    (x,) = float_arrays(x=x)
    if x.ndim == 0:
        raise ValueError("x must have at least one dimension, got a single number")
    dim = integer("dim", dim, -x.ndim, below=x.ndim)
    if x.shape[dim] == 0:
        raise ValueError(f"x must not be empty along dim {dim}, got shape {x.shape}")
    return x, dim


def _below_largest(x, dim):
    """x − max x along an axis; where the largest is infinite there is no answer, which is NaN, as in torch."""
    with np.errstate(over="ignore", invalid="ignore"):
        return x - x.max(axis=dim, keepdims=True)
