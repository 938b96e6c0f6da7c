"""Regularization: noise that training has to live with, and penalties on the weights, each beside its gradient.

The three droppings draw a mask of numbers that are 0 with probability p and 1/(1 − p) otherwise, and multiply by it;
they differ in what one number of it stands for. Its mean is 1, so that nothing is left to do at test time: that is the
"inverted" convention of today's libraries. The papers draw 0 and 1, and multiply by 1 − p at test time instead.

    y, mask = dropout(x, p, rng=rng, return_mask=True)        # the forward pass
    grad_x = dropout_backward(grad_output, mask)              # and the way back through the same mask

Outside training nothing is drawn: the mask is 1 everywhere, and rng may be left out. p = 1 drops everything, as in
torch. float32 arrays give float32, all else gives float64. Nothing that is passed in is written into.
"""

import numpy as np

from ..checks import flag, float_arrays, generator, layout, real, shape


def dropout(x, p=0.5, training=True, *, rng=None, return_mask=False):
    """y = x·mask, one number of the mask for each number of x

    x of any shape   rng a numpy Generator   →   y, or (y, mask), in x's shape

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """
    (x,) = float_arrays(x=x)
    mask = _mask(x.shape, x.dtype, p, training, rng)
    return _with_mask(x * mask, mask, return_mask)


def dropout_backward(grad_output, mask):
    """∂L/∂x = grad_output·mask: what was dropped has no say."""
    grad_output, mask = float_arrays(grad_output=grad_output, mask=mask)
    return grad_output * shape("mask", mask, grad_output.shape, "that of grad_output")


def drop_connect(x, weight, bias=None, p=0.5, training=True, *, rng=None, return_mask=False):
    """y = x·(weight·mask)ᵀ + bias: a linear layer in which connections are dropped, not outputs

    x (N, I)   weight (O, I)   bias (O,)   →   y (N, O), or (y, mask (O, I))

    One mask serves the whole batch. Wan et al., "Regularization of neural networks using DropConnect", 2013, draw one
    for each example, and at test time sample from a normal distribution where this uses the weights as they are.
    """
    x, weight, bias = float_arrays(x=x, weight=weight, bias=bias, optional=["bias"])
    _linear(x, weight)
    mask = _mask(weight.shape, weight.dtype, p, training, rng)
    y = x @ (weight * mask).T
    if bias is not None:
        y = y + shape("bias", bias, weight.shape[:1], "one number for each output")
    return _with_mask(y, mask, return_mask)


def drop_connect_backward(grad_output, x, weight, mask):
    """∂x = ∂y·(weight·mask)     ∂weight = (∂yᵀ·x)·mask     ∂bias = Σ_n ∂y

    grad_output (N, O)   →   (grad_x, grad_weight, grad_bias), each in the shape of what it belongs to
    """
    grad_output, x, weight, mask = float_arrays(grad_output=grad_output, x=x, weight=weight, mask=mask)
    _linear(x, weight)
    shape("grad_output", grad_output, (len(x), len(weight)), "that of drop_connect's result")
    shape("mask", mask, weight.shape, "that of weight")
    return grad_output @ (weight * mask), (grad_output.T @ x) * mask, grad_output.sum(axis=0)


def drop_path(x, p=0.5, training=True, *, rng=None, return_mask=False):
    """y_n = x_n·mask_n, one number of the mask for each example: `x + drop_path(residual(x))` skips whole blocks

    x (N, …)   →   y in x's shape, or (y, mask (N, 1, …))

    torchvision's stochastic_depth in its mode "row". Huang et al., "Deep networks with stochastic depth", 2016.
    """
    (x,) = float_arrays(x=x)
    mask = _mask(_one_each("x", x), x.dtype, p, training, rng)
    return _with_mask(x * mask, mask, return_mask)


def drop_path_backward(grad_output, mask):
    """∂L/∂x = grad_output·mask, with the mask (N, 1, …) of drop_path"""
    grad_output, mask = float_arrays(grad_output=grad_output, mask=mask)
    return grad_output * shape(
        "mask", mask, _one_each("grad_output", grad_output), "one number for each example"
    )


def l1_penalty(w, strength):
    """λ·Σ|w|, to be added to a loss: drives weights to exactly 0      w of any shape, strength λ ≥ 0 → one number"""
    return _strength("strength", strength) * np.abs(_weights(w)).sum()


def l1_penalty_backward(w, strength):
    """λ·sign(w): the same pull for every weight, 0 at 0"""
    return _strength("strength", strength) * np.sign(_weights(w))


def l2_penalty(w, strength):
    """λ·Σw²: pulls large weights most      w of any shape, strength λ ≥ 0 → one number

    An optimizer's `weight_decay` d adds d·w to the gradient: it is λ = d/2.
    """
    return _strength("strength", strength) * (_weights(w) ** 2).sum()


def l2_penalty_backward(w, strength):
    """2λ·w: a pull in proportion to the weight"""
    return 2 * _strength("strength", strength) * _weights(w)


def elastic_net_penalty(w, *, l1, l2):
    """l1·Σ|w| + l2·Σw², both strengths at least 0      Zou and Hastie, 2005"""
    return _strength("l1", l1) * np.abs(_weights(w)).sum() + _strength("l2", l2) * (_weights(w) ** 2).sum()


def elastic_net_penalty_backward(w, *, l1, l2):
    """l1·sign(w) + 2·l2·w"""
    return _strength("l1", l1) * np.sign(_weights(w)) + 2 * _strength("l2", l2) * _weights(w)


# What they share.


def _mask(size, dtype, p, training, rng):
    """0 with probability p, otherwise 1/(1 − p); outside training 1."""
    p, training = real("p", p, 0, 1), flag("training", training)
    if training or rng is not None:
        generator("rng", rng)
    if not training:
        return np.ones(size, dtype)
    if p == 1:
        return np.zeros(size, dtype)
    return (rng.random(size) >= p).astype(dtype) / dtype.type(1 - p)


def _one_each(name, x):
    """The shape (N, 1, …) of one number for each example."""
    if x.ndim == 0:
        raise ValueError(f"{name} must have shape (N, …), got a single number")
    return (len(x), *(1,) * (x.ndim - 1))


def _with_mask(y, mask, return_mask):
    return (y, mask) if flag("return_mask", return_mask) else y


def _linear(x, weight):
    layout("x", x, "N I")
    layout("weight", weight, "O I")
    shape("weight", weight, (len(weight), x.shape[1]), "one column for each input of x")


def _weights(w):
    (w,) = float_arrays(w=w)
    return w


def _strength(name, value):
    return real(name, value, least=0)
