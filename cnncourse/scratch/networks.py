"""A fully connected network of any depth, its gradients by backpropagation written out.

Layer l multiplies, adds and bends: z_l = a_{l−1}·W_lᵀ + b_l, a_l = φ(z_l), with a_0 = x; the last layer does not bend,
its z are the logits. Weights are (out, in), as in torch's `Linear`.
"""

from itertools import pairwise

import numpy as np

from ..checks import choice, generator, instance, integers, layout, number_array, real, shape, shown
from . import activations, initialization, losses

# From logits and targets to the loss, and to its gradient at the logits.
LOSSES = {
    "cross_entropy": (losses.cross_entropy, losses.cross_entropy_backward),
    "binary_cross_entropy": (
        losses.binary_cross_entropy_with_logits,
        losses.binary_cross_entropy_with_logits_backward,
    ),
    "mse_loss": (losses.mse_loss, losses.mse_loss_backward),
}
ACTIVATIONS = tuple(activations.SLOPES)  # those that work number by number
INITIALIZATIONS = ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal")


class MLP:
    """z_l = a_{l−1}·W_lᵀ + b_l,  a_l = φ(z_l)     and back, from δ_L = ∂loss/∂z_L:

    δ_l = (δ_{l+1}·W_{l+1}) ⊙ φ′(z_l)     ∂W_l = δ_lᵀ·a_{l−1}     ∂b_l = Σ_n δ_l

    sizes            (in, hidden …, out), at least two numbers
    activation       φ, a name of `scratch.activations`, with its default parameters
    loss             "cross_entropy": targets (N,) class numbers; "binary_cross_entropy", of the sigmoid of the logits:
                     targets (N, out) from 0 to 1; "mse_loss": targets (N, out). Each is torch's mean
    initialization   a name of `scratch.initialization`, or a number s for s·randn; biases start at 0
    rng              a numpy Generator

    `params` is a dict {"weight1": (out, in), "bias1": (out,), "weight2": …} of float64 arrays that may be assigned, so
    that `net.params = optimizer.step(net.params, grads)` is a step of training.
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986.
    """

    def __init__(
        self, sizes, activation="tanh", loss="cross_entropy", initialization="xavier_uniform", *, rng
    ):
        expected = "(in, hidden …, out), at least two numbers"
        self.sizes = integers("sizes", sizes, 1, count=2, expected=expected)
        self.depth = len(self.sizes) - 1
        self.activation = choice("activation", activation, ACTIVATIONS)
        self.loss = choice("loss", loss, LOSSES)
        generator("rng", rng)
        draw = _drawer(initialization)
        params = {}
        for l, (into, out) in enumerate(pairwise(self.sizes), start=1):
            params |= {f"weight{l}": draw((out, into), rng=rng), f"bias{l}": np.zeros(out)}
        self.params = params

    @property
    def params(self):
        return self._params

    @params.setter
    def params(self, params):
        self._params = _fitting(params, self.sizes)

    def forward(self, x):
        """x (N, in) → logits (N, out)"""
        return self._forward(x)[1][-1]

    def hidden(self, x):
        """x (N, in) → [a_1 (N, hidden₁), a_2 …], the output of every hidden layer"""
        return self._forward(x)[0][1:]

    def predict(self, x):
        """x (N, in) → the class with the largest logit (N,) for cross_entropy; 0 or 1 for each of (N, out) for
        binary_cross_entropy; the outputs themselves for mse_loss."""
        logits = self.forward(x)
        if self.loss == "cross_entropy":
            return logits.argmax(axis=1)
        return (logits > 0).astype(np.int64) if self.loss == "binary_cross_entropy" else logits

    def backward(self, x, y):
        """x (N, in), targets y   →   (loss, grads), a float and a dict in the shapes of `params`

        FloatingPointError if the loss or a gradient is not finite: then the weights have grown without bound.
        """
        inputs, z = self._forward(x)
        y = _targets(self.loss, y, z[-1].shape)
        loss, loss_backward = LOSSES[self.loss]
        with np.errstate(all="ignore"):  # reported in our words
            loss = loss(z[-1], y, reduction="sum") / y.size
            delta = loss_backward(z[-1], y, reduction="sum") / y.size
            grads = {}
            for l in range(self.depth, 0, -1):
                grads[f"weight{l}"] = delta.T @ inputs[l - 1]
                grads[f"bias{l}"] = delta.sum(axis=0)
                if l > 1:
                    slope = activations.derivative(self.activation)(z[l - 2])
                    delta = delta @ self.params[f"weight{l}"] * slope
        _finite("the loss", loss)
        for name, grad in grads.items():
            _finite(f"the gradient of {name}", grad)
        return float(loss), {name: grads[name] for name in self.params}

    def _forward(self, x):
        """The inputs of every layer, a_0 … a_{L−1}, and its sums, z_1 … z_L."""
        x = layout("x", number_array("x", x), "N in").astype(np.float64)
        shape("x", x, (len(x), self.sizes[0]), "one column for each input")
        if not len(x) or not np.isfinite(x).all():
            raise ValueError(f"x must have at least one row and finite numbers, got {x}")
        params = _fitting(self.params, self.sizes)  # an entry of the dict may have been replaced
        phi = getattr(activations, self.activation)
        inputs, z = [x], []
        with np.errstate(all="ignore"):  # reported in our words
            for l in range(1, self.depth + 1):
                z.append(inputs[-1] @ params[f"weight{l}"].T + params[f"bias{l}"])
                if l < self.depth:
                    inputs.append(phi(z[-1]))
        _finite("the logits", z[-1])
        return inputs, z


# Checks.


def _drawer(name):
    """The function that draws weights: `draw(shape, rng=rng)`."""
    if isinstance(name, str):
        return getattr(initialization, choice("initialization", name, INITIALIZATIONS))
    try:
        scale = real("initialization", name, 0)
    except TypeError:
        expected = f"one of {', '.join(INITIALIZATIONS)}, or a number s for s·randn"
        raise TypeError(f"initialization must be {expected}, got {shown(name)}") from None
    return lambda size, *, rng: scale * rng.standard_normal(size)


def _fitting(params, sizes):
    """`params` as a dict of float64 arrays, if they belong to a network of these sizes."""
    expected = {}
    for l, (into, out) in enumerate(pairwise(sizes), start=1):
        expected |= {f"weight{l}": (out, into), f"bias{l}": (out,)}
    instance("params", params, dict, f"a dict with the keys {', '.join(expected)}")
    if params.keys() != expected.keys():
        raise ValueError(
            f"params must have the keys {', '.join(expected)}, got {', '.join(map(str, params))}"
        )
    fitting = {}
    for name, size in expected.items():
        array = number_array(f"params[{name!r}]", params[name])
        fitting[name] = shape(f"params[{name!r}]", array, size, f"for sizes {sizes}").astype(
            np.float64, copy=False
        )
    return fitting


def _targets(loss, y, size):
    """The targets as the loss wants them, for logits of shape `size`."""
    y = number_array("y", y)
    if loss != "cross_entropy":
        shape("y", y, size, f"that of the logits, for {loss}")
        if not np.isfinite(y).all() or (loss == "binary_cross_entropy" and not ((y >= 0) & (y <= 1)).all()):
            allowed = "from 0 to 1" if loss == "binary_cross_entropy" else "finite"
            raise ValueError(f"y must be {allowed} for {loss}, got {y.min()} … {y.max()}")
        return y
    shape("y", y, size[:1], "one class number for each row of x")
    if y.dtype.kind not in "iu":
        raise TypeError(f"y must hold class numbers, which are integers, got dtype {y.dtype}")
    if y.min() < 0 or y.max() >= size[1]:
        raise ValueError(f"y must hold class numbers from 0 to {size[1] - 1}, got {y.min()} … {y.max()}")
    return y


def _finite(name, value):
    if not np.isfinite(value).all():
        bad = value if np.ndim(value) == 0 else value[~np.isfinite(value)][0]
        raise FloatingPointError(
            f"{name} must be finite, got {bad}: the weights are too large or not numbers"
        )
