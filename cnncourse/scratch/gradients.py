"""Is a gradient right? Nudge every input both ways, watch the result, and compare.

Central differences need no calculus, only f itself, and so they catch what the calculus got wrong. They cost two runs
of f for every number of x, which is why nobody trains with them.
"""

import math

import numpy as np

from ..checks import float_arrays, number_array, real


def numerical_gradient(f, x, eps=1e-6):
    """∂f/∂x[i] ≈ (f(x + eps·e_i) − f(x − eps·e_i)) / (2·eps), where e_i is 1 at entry i and 0 elsewhere

    x of any shape, f(x) a single number   →   the shape of x, float64

    The error of the formula falls with eps², that of rounding grows with 1/eps: with numbers of about 1 the best eps
    lies near 1e-5, and about ten digits are right. f sees a copy of x, so it may not keep or change anything.
    """
    x, eps = number_array("x", x).astype(np.float64), real("eps", eps)
    if eps <= 0:
        raise ValueError(f"eps must be above 0, got {eps}")
    grad = np.empty_like(x)
    for entry in np.ndindex(*x.shape):
        values = []
        for sign in (+1, -1):
            nudged = x.copy()
            nudged[entry] += sign * eps
            values.append(_scalar(f(nudged), entry))
        grad[entry] = (values[0] - values[1]) / (2 * eps)
    return grad


def gradcheck(f, grad, *inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """True if grad is the gradient of f: |analytic − numeric| ≤ atol + rtol·|numeric| for every entry of every input.

    f(*inputs) → a single number   grad(*inputs) → an array, or a tuple with one for each input, each in its shape

    AssertionError if not, with the input, the entry and the two values that differ most. The tolerances are those of
    `torch.autograd.gradcheck`. At a kink, such as ReLU's at 0, the two may differ and both be right.
    """
    if not inputs:
        raise ValueError("inputs must be at least one array, got none")
    atol, rtol = real("atol", atol, 0), real("rtol", rtol, 0)
    inputs = [number_array(f"input {i}", x).astype(np.float64) for i, x in enumerate(inputs)]
    analytic = grad(*[x.copy() for x in inputs])
    analytic = analytic if isinstance(analytic, tuple | list) and len(inputs) > 1 else [analytic]
    if len(analytic) != len(inputs):
        raise ValueError(f"grad must return {len(inputs)} arrays, one for each input, got {len(analytic)}")

    worst, message = 0.0, ""
    for i, (x, found) in enumerate(zip(inputs, analytic, strict=True)):
        (found,) = float_arrays(**{f"the gradient of input {i}": found})
        if found.shape != x.shape:
            raise ValueError(f"grad must return shape {x.shape} for input {i}, got shape {found.shape}")
        numeric = numerical_gradient(lambda x, i=i: f(*inputs[:i], x, *inputs[i + 1 :]), x, eps)
        excess = np.abs(found - numeric) - (atol + rtol * np.abs(numeric))
        excess = np.where(np.isfinite(found), excess, math.inf)
        if excess.size and excess.max() > worst:
            worst, entry = excess.max(), np.unravel_index(excess.argmax(), x.shape)
            place = f"input {i}, entry ({', '.join(map(str, entry))})" if entry else f"input {i}"
            message = f"the gradients differ most at {place}: analytic {found[entry]:.6g}, numeric {numeric[entry]:.6g}"
    if message:
        raise AssertionError(message)
    return True


def _scalar(value, entry):
    value = number_array("f(x)", value)
    if value.size != 1:
        raise ValueError(f"f must return a single number, got shape {value.shape}")
    if not np.isfinite(value).all():
        where = f" with entry {entry} nudged" if entry else ""
        raise ValueError(f"f must be finite near x, got {value.item()}{where}")
    return float(value.item())
