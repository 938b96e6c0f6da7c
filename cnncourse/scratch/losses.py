"""Losses: how far the outputs are from the targets, as one number, each beside its gradient.

Names, arguments, defaults and results are those of `torch.nn.functional`; the numbers that could swap places are
keyword-only. The gradient is the one at the outputs; where the chain goes on behind the loss, `grad_output` is its
gradient there. All stay finite for logits of any size, because no exponential is taken of a positive number.

reduction   "mean", "sum", or "none": one loss for each example (cross entropy) or number (the others)
precision   float32 if all that comes in is float32 (class numbers aside), otherwise float64
"""

import numpy as np

from ..checks import choice, float_arrays, number_array, real, shape
from .activations import log_softmax, sigmoid

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(logits, target, weight=None, *, reduction="mean", label_smoothing=0.0):
    """l_n = −Σ_c w_c · t_nc · log softmax(logits_n)_c,   mean: Σ_n l_n / Σ_n w_{y_n}

    logits (N, C), (C,) or (N, C, H, W)   target: class numbers y (N,), () or (N, H, W), which stand for t_nc = 1 at
    c = y_n and 0 elsewhere; or probabilities t in the shape of the logits, and then the mean divides by N (N·H·W)
    weight (C,), at least 0   →   one number, or (N,), () or (N, H, W) for reduction="none"

    label_smoothing ε takes (1 − ε)·t_nc + ε/C for t_nc (Szegedy et al., "Rethinking the Inception architecture",
    2015). Class numbers outside 0 … C − 1 are an error, torch's ignored −100 too.
    """
    losses, _, _, count = _cross_entropy(logits, target, weight, reduction, label_smoothing)
    return _reduce(losses, reduction, count)


def cross_entropy_backward(
    logits, target, weight=None, *, reduction="mean", label_smoothing=0.0, grad_output=1.0
):
    """∂l_n/∂logits_nc = softmax(logits_n)_c · Σ_j w_j·t_nj − w_c·t_nc: without weights, softmax minus target

    grad_output: one number, or the shape of the losses for reduction="none"   →   the shape of the logits
    """
    losses, log_p, wanted, count = _cross_entropy(logits, target, weight, reduction, label_smoothing)
    scale = _scale(losses, reduction, count, grad_output)
    axis = _class_axis(log_p)
    grad = np.exp(log_p) * wanted.sum(axis=axis, keepdims=True) - wanted
    return grad * np.expand_dims(scale, axis)


def _cross_entropy(logits, target, weight, reduction, label_smoothing):
    """→ losses, log softmax(logits), w·t after smoothing, and what the mean divides by"""
    target, smoothing = number_array("target", target), real("label_smoothing", label_smoothing, 0, 1)
    numbers = target.dtype.kind in "iu"
    logits, weight, t = float_arrays(
        logits=logits, weight=weight, target=None if numbers else target, optional=["weight", "target"]
    )
    if logits.size == 0 or logits.ndim == 0:
        raise ValueError(
            f"logits must have shape (N, C), (C,) or (N, C, …), not empty, got shape {logits.shape}"
        )
    axis = _class_axis(logits)
    classes = np.arange(logits.shape[axis]).reshape(-1, *(1,) * (logits.ndim - axis - 1))
    weight = _class_weight(np.ones(classes.size, logits.dtype) if weight is None else weight, classes.size)

    if numbers:
        size = logits.shape[:axis] + logits.shape[axis + 1 :]
        shape(
            "target", target, size, "one class number for each example, or the logits' shape as probabilities"
        )
        if target.min() < 0 or target.max() >= classes.size:
            raise ValueError(
                f"target must hold class numbers from 0 to {classes.size - 1}, got {target.min()} … {target.max()}"
            )
        count = weight[target].sum()
        t = (np.expand_dims(target, axis) == classes).astype(logits.dtype)
    else:
        shape("target", t, logits.shape, "the logits' shape, as probabilities; class numbers are integers")
        _probabilities("target", t)
        count = logits.size // classes.size
    if count == 0 and reduction == "mean":
        raise ValueError(
            f"weight must be above 0 for some class of target, or there is no mean, got {weight}"
        )

    wanted = weight.reshape(classes.shape) * ((1 - smoothing) * t + smoothing / classes.size)
    log_p = log_softmax(logits, axis)
    known = np.where(wanted == 0, 0, log_p)  # a class that nothing speaks for may have the logit −∞
    return -(wanted * known).sum(axis=axis), log_p, wanted, count


def mse_loss(prediction, target, *, reduction="mean"):
    """l = (prediction − target)²

    prediction and target of one shape, any; nothing is broadcast   →   one number, or that shape for "none"
    """
    prediction, target = _same_shape("prediction", prediction, target)
    return _reduce((prediction - target) ** 2, reduction, prediction.size)


def mse_loss_backward(prediction, target, *, reduction="mean", grad_output=1.0):
    """∂l/∂prediction = 2·(prediction − target)"""
    prediction, target = _same_shape("prediction", prediction, target)
    error = prediction - target
    return 2 * error * _scale(error, reduction, error.size, grad_output)


def binary_cross_entropy(probability, target, *, reduction="mean"):
    """l = −t·log p − (1 − t)·log(1 − p), both logarithms at least −100, so that p = 0 and p = 1 stay finite

    probability p and target t of one shape, from 0 to 1   →   one number, or that shape for "none"
    """
    p, t = _both_probabilities(probability, target)
    with np.errstate(divide="ignore"):
        log_p, log_rest = np.log(p), np.log1p(-p)
    losses = -t * np.maximum(log_p, -100) - (1 - t) * np.maximum(log_rest, -100)
    return _reduce(losses, reduction, p.size)


def binary_cross_entropy_backward(probability, target, *, reduction="mean", grad_output=1.0):
    """∂l/∂p = (p − t) / (p·(1 − p)), the denominator at least 10⁻¹², as in torch"""
    p, t = _both_probabilities(probability, target)
    return (p - t) / np.maximum(p * (1 - p), 1e-12) * _scale(p, reduction, p.size, grad_output)


def binary_cross_entropy_with_logits(logits, target, *, reduction="mean"):
    """l = −t·log σ(x) − (1 − t)·log(1 − σ(x)) = max(x, 0) − x·t + log(1 + e^−|x|), exact for every logit x

    logits x and target t of one shape, t from 0 to 1   →   one number, or that shape for "none"
    """
    x, t = _same_shape("logits", logits, target)
    _probabilities("target", t)
    losses = np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))
    return _reduce(losses, reduction, x.size)


def binary_cross_entropy_with_logits_backward(logits, target, *, reduction="mean", grad_output=1.0):
    """∂l/∂x = σ(x) − t: the slope of the sigmoid has cancelled, so a confident error still learns"""
    x, t = _same_shape("logits", logits, target)
    _probabilities("target", t)
    return (sigmoid(x) - t) * _scale(x, reduction, x.size, grad_output)


# What the losses share.


def _reduce(losses, reduction, count):
    choice("reduction", reduction, REDUCTIONS)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / losses.dtype.type(count)


def _scale(losses, reduction, count, grad_output):
    """∂L/∂losses, in their shape: grad_output, over `count` for the mean."""
    choice("reduction", reduction, REDUCTIONS)
    scale = number_array("grad_output", grad_output)
    if scale.ndim and (reduction != "none" or scale.shape != losses.shape):
        also = f" or an array of shape {losses.shape}" if reduction == "none" else ""
        raise ValueError(
            f"grad_output must be a number{also} for reduction {reduction!r}, got shape {scale.shape}"
        )
    scale = scale / count if reduction == "mean" else scale
    return np.broadcast_to(scale, losses.shape).astype(losses.dtype)


def _class_axis(logits):
    return 0 if logits.ndim == 1 else 1


def _class_weight(weight, classes):
    shape("weight", weight, (classes,), "one number for each class")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError(f"weight must be finite and at least 0, got {weight}")
    return weight


def _same_shape(name, prediction, target):
    """Both as arrays of one precision, if they have the same shape and numbers in it."""
    prediction, target = float_arrays(**{name: prediction, "target": target})
    shape("target", target, prediction.shape, f"that of {name}")
    if prediction.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {prediction.shape}")
    return prediction, target


def _both_probabilities(probability, target):
    p, t = _same_shape("probability", probability, target)
    _probabilities("target", t)
    return _probabilities("probability", p, " (binary_cross_entropy_with_logits takes logits)"), t


def _probabilities(name, array, hint=""):
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} must be from 0 to 1, got {array.min()} … {array.max()}{hint}")
    return array
