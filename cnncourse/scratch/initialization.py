"""Random weights of the right size: Xavier's (Glorot's) and Kaiming's (He's) rules, and the gain of each activation.

A layer adds up fan_in products. For the sum to be neither larger nor smaller than what goes in, the variance of each
weight must be about 1/fan_in; on the way back, for gradients, about 1/fan_out. Bounds, defaults and the rule for the
fans are those of `torch.nn.init`; arrays are float64, and nothing is drawn but from `rng`, a numpy Generator.
"""

import math

from ..checks import choice, generator, integers, real

ROOT_TWO = math.sqrt(2)  # ReLU's gain: it halves the mean square of what goes through it

# The nonlinearities of torch's `calculate_gain`; leaky_relu depends on its slope.
GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": ROOT_TWO,
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
}


def gain(nonlinearity, param=None):
    """By how much the weights before a nonlinearity must be larger than 1/√fan, to make up for what it takes away.

    relu √2     leaky_relu √(2 / (1 + slope²))     tanh 5/3     selu 3/4     sigmoid, linear and convolutions 1

    param is the slope of leaky_relu, 0.01 if it is None; the others do not look at it. torch's `calculate_gain`.
    """
    choice("nonlinearity", nonlinearity, GAINS)
    if nonlinearity != "leaky_relu" or param is None:
        return GAINS[nonlinearity]
    return math.sqrt(2 / (1 + real("param", param) ** 2))


def xavier_uniform(shape, *, rng, gain=1.0):
    """w ~ U(−b, b), b = gain · √(6 / (fan_in + fan_out)): the variance is gain² · 2 / (fan_in + fan_out)

    shape (out, in) or (out, in, k_h, k_w)   →   that shape; fan_in = in · k_h · k_w, fan_out = out · k_h · k_w

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    return _uniform(shape, _xavier_std(shape, gain), rng)


def xavier_normal(shape, *, rng, gain=1.0):
    """w ~ N(0, σ²), σ = gain · √(2 / (fan_in + fan_out))

    shape and source as for `xavier_uniform`.
    """
    return _normal(shape, _xavier_std(shape, gain), rng)


def kaiming_uniform(shape, *, rng, mode="fan_in", gain=ROOT_TWO):
    """w ~ U(−b, b), b = gain · √(3 / fan): the variance is gain² / fan

    shape (out, in) or (out, in, k_h, k_w)   →   that shape; fan_in = in · k_h · k_w, fan_out = out · k_h · k_w

    mode   "fan_in" keeps the size of the activations from layer to layer, "fan_out" that of the gradients
    gain   √2 is for ReLU, which halves the mean square of what goes through it

    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015.
    """
    return _uniform(shape, _kaiming_std(shape, mode, gain), rng)


def kaiming_normal(shape, *, rng, mode="fan_in", gain=ROOT_TWO):
    """w ~ N(0, σ²), σ = gain / √fan

    shape, mode, gain and source as for `kaiming_uniform`.
    """
    return _normal(shape, _kaiming_std(shape, mode, gain), rng)


# What the four share.


def _xavier_std(shape, gain):
    fan_in, fan_out = _fans(shape)
    return real("gain", gain, 0) * math.sqrt(2 / (fan_in + fan_out))


def _kaiming_std(shape, mode, gain):
    fan_in, fan_out = _fans(shape)
    fan = fan_in if choice("mode", mode, ("fan_in", "fan_out")) == "fan_in" else fan_out
    return real("gain", gain, 0) / math.sqrt(fan)


def _uniform(shape, std, rng):
    bound = math.sqrt(3) * std  # the variance of U(−b, b) is b²/3
    return generator("rng", rng).uniform(-bound, bound, shape)


def _normal(shape, std, rng):
    return generator("rng", rng).normal(0.0, std, shape)


def _fans(shape):
    """(fan_in, fan_out): how many inputs an output sums over, and how many outputs an input goes to."""
    expected = "(out, in) or (out, in, kernel sides …)"
    out, into, *kernel = integers("shape", shape, 1, count=2, expected=expected)
    return into * math.prod(kernel), out * math.prod(kernel)
