"""cnncourse.scratch.losses against torch's values and autograd, central differences, and arithmetic left visible."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnncourse import scratch
from cnncourse.scratch import losses
from cnncourse.scratch.losses import (
    binary_cross_entropy,
    binary_cross_entropy_backward,
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_backward,
    cross_entropy,
    cross_entropy_backward,
    mse_loss,
    mse_loss_backward,
)

REDUCTIONS = ["mean", "sum", "none"]
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-5}
PAIRWISE = [
    (mse_loss, mse_loss_backward, F.mse_loss),
    (binary_cross_entropy, binary_cross_entropy_backward, F.binary_cross_entropy),
    (
        binary_cross_entropy_with_logits,
        binary_cross_entropy_with_logits_backward,
        F.binary_cross_entropy_with_logits,
    ),
]
each = pytest.mark.parametrize(("loss", "backward", "theirs"), PAIRWISE, ids=lambda f: f.__name__)


def frozen(x):
    x = np.array(x)
    x.setflags(write=False)
    return x


def agree(ours, theirs, tolerance=0):
    tolerance = max(tolerance, TOLERANCE[ours.dtype])
    assert np.shape(ours) == tuple(theirs.shape)
    assert ours.dtype == theirs.detach().numpy().dtype
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def compare(loss, backward, theirs, x, target, *, grad_output=None, there=None, tolerance=0, **options):
    """The loss and its gradient, and torch's; `there` are the options that torch takes as tensors."""
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf, torch.tensor(target), **(options | (there or {})))
    value = loss(frozen(x), frozen(target), **options)
    agree(value, expected)
    upstream = torch.ones_like(expected) if grad_output is None else torch.tensor(grad_output)
    expected.backward(upstream.to(expected.dtype).expand_as(expected))
    chain = {} if grad_output is None else {"grad_output": frozen(grad_output)}
    agree(backward(frozen(x), frozen(target), **options, **chain), leaf.grad, tolerance)


# Cross entropy -------------------------------------------------------------------------------------------------


@st.composite
def classifications(draw):
    """Logits of some shape, targets of either kind, and options."""
    classes, seed = draw(st.integers(1, 6)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    lead = draw(st.sampled_from([(), (1,), (4,)]))
    pixels = draw(st.sampled_from([(), (3,), (2, 3)])) if lead else ()
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    logits = (draw(st.sampled_from([1, 30, 1e4])) * rng.standard_normal((*lead, classes, *pixels))).astype(
        dtype
    )
    if draw(st.booleans()):
        target = rng.integers(0, classes, (*lead, *pixels))
    else:
        target = rng.dirichlet(np.ones(classes), (*lead, *pixels))
        target = np.moveaxis(target, -1, len(lead)).astype(dtype)
    weight = rng.uniform(0.1, 3, classes).astype(dtype) if draw(st.booleans()) else None
    return logits, target, weight, draw(st.sampled_from([0.0, 0.1, 1.0])), draw(st.sampled_from(REDUCTIONS))


@settings(max_examples=40, deadline=None)
@given(classifications(), st.booleans())
def test_cross_entropy_and_its_gradient_equal_torch(case, chained):
    logits, target, weight, smoothing, reduction = case
    there = {"weight": None if weight is None else torch.tensor(weight)}
    grad_output = None
    if chained:
        losses_shape = F.cross_entropy(torch.tensor(logits), torch.tensor(target), reduction=reduction).shape
        grad_output = np.random.default_rng(0).standard_normal(losses_shape)
    options = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
    compare(
        cross_entropy,
        cross_entropy_backward,
        F.cross_entropy,
        logits,
        target,
        there=there,
        grad_output=grad_output,
        **options,
    )


def test_cross_entropy_by_hand():
    logits = np.log([[1, 2, 5], [3, 3, 4]])  # softmax (1, 2, 5)/8 and (3, 3, 4)/10
    assert cross_entropy(logits, [2, 0]) == pytest.approx((-math.log(5 / 8) - math.log(3 / 10)) / 2)
    assert cross_entropy(logits, [2, 0], [1, 1, 3]) == pytest.approx(
        (3 * -math.log(5 / 8) + 1 * -math.log(3 / 10)) / (3 + 1)
    )
    smooth = -0.8 * math.log(5 / 8) - 0.2 / 3 * (math.log(1 / 8) + math.log(2 / 8) + math.log(5 / 8))
    assert cross_entropy(logits[0], 2, label_smoothing=0.2) == pytest.approx(smooth)
    grad = cross_entropy_backward(logits, [2, 0], reduction="sum")
    np.testing.assert_allclose(grad, [[1 / 8, 2 / 8, 5 / 8 - 1], [3 / 10 - 1, 3 / 10, 4 / 10]], rtol=1e-14)
    # Ten classes, nothing learned yet.
    assert cross_entropy(np.zeros((7, 10)), np.arange(7)) == pytest.approx(math.log(10))


def test_a_probability_of_one_is_a_class_number():
    logits = np.random.default_rng(0).standard_normal((5, 4))
    numbers = np.array([3, 0, 2, 2, 1], np.uint8)
    for options in ({}, {"label_smoothing": 0.3}, {"reduction": "none"}):
        np.testing.assert_allclose(
            cross_entropy(logits, numbers, **options), cross_entropy(logits, np.eye(4)[numbers], **options)
        )


def test_huge_logits_and_masked_classes_stay_finite():
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]])
    assert cross_entropy(logits, [1, 0], reduction="none").tolist() == [2e4, 2e4 + math.log(2)]
    assert np.isfinite(cross_entropy_backward(logits, [1, 0])).all()
    masked = np.array([[0.0, 0.0, -np.inf]])  # a class that is ruled out
    assert cross_entropy(masked, [1]) == pytest.approx(math.log(2))
    np.testing.assert_allclose(cross_entropy_backward(masked, [1]), [[0.5, -0.5, 0]], atol=1e-15)
    assert np.isnan(cross_entropy([[np.nan, 0]], [1]))


# Losses number by number ---------------------------------------------------------------------------------------


@each
@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), max_size=4).map(tuple),
    reduction=st.sampled_from(REDUCTIONS),
    dtype=st.sampled_from([np.float32, np.float64]),
    chained=st.booleans(),
    seed=st.integers(0, 99),
)
def test_pairwise_losses_and_their_gradients_equal_torch(
    loss, backward, theirs, shape, reduction, dtype, chained, seed
):
    rng = np.random.default_rng(seed)
    x = np.asarray(
        rng.uniform(0.01, 0.99, shape) if loss is binary_cross_entropy else 5 * rng.standard_normal(shape)
    )
    target = np.asarray(rng.random(shape)).astype(dtype)
    grad_output = rng.standard_normal(shape if reduction == "none" else ()) if chained else None
    compare(loss, backward, theirs, x.astype(dtype), target, grad_output=grad_output, reduction=reduction)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_probabilities_cost_at_most_100(dtype):
    p = np.array([0, 0, 1, 1, 1e-30, 0.5], dtype)
    target = np.array([0, 1, 0, 1, 1, 0.25], dtype)
    for reduction in REDUCTIONS:
        compare(
            binary_cross_entropy,
            binary_cross_entropy_backward,
            F.binary_cross_entropy,
            p,
            target,
            reduction=reduction,
            tolerance=1e-8,  # torch's 10⁻¹² is rounded to float32
        )
    assert binary_cross_entropy(p, target, reduction="none")[:4].tolist() == [0, 100, 100, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_any_size_stay_finite(dtype):
    x = np.array([-1e4, -1e4, 1e4, 1e4, -100, 100, -30, 0, 3e38], dtype)
    target = np.array([0, 1, 0, 1, 1, 0, 0.5, 1, 1], dtype)
    compare(*PAIRWISE[2], x, target, reduction="none")
    losses = binary_cross_entropy_with_logits(x, target, reduction="none")
    assert losses[:4].tolist() == [0, 1e4, 1e4, 0]


def test_logits_and_probabilities_cost_the_same():
    x = np.linspace(-10, 10, 41).reshape(1, -1)
    target = (x > 2).astype(float)
    np.testing.assert_allclose(
        binary_cross_entropy_with_logits(x, target),
        binary_cross_entropy(scratch.sigmoid(x), target),
        rtol=1e-12,
    )


def test_by_hand():
    assert mse_loss([1, 2, 4], [1, 0, 1]) == (0**2 + 2**2 + 3**2) / 3
    assert mse_loss_backward([1, 2, 4], [1, 0, 1]).tolist() == [0, 2 * 2 / 3, 2 * 3 / 3]
    assert binary_cross_entropy([0.25, 0.25], [1, 0], reduction="none").tolist() == pytest.approx(
        [math.log(4), -math.log(3 / 4)]
    )
    assert binary_cross_entropy_with_logits(0.0, 1) == math.log(2)
    assert binary_cross_entropy_with_logits_backward([0.0, 0.0], [1, 0]).tolist() == [-0.5 / 2, 0.5 / 2]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_the_differences_of_the_losses(reduction):
    rng = np.random.default_rng(3)
    x, t, h = rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0, 1, (3, 4)), 1e-6
    cases = [(loss, backward, t) for loss, backward, _ in PAIRWISE]
    cases += [(cross_entropy, cross_entropy_backward, target) for target in (t, np.array([3, 0, 1]))]
    for loss, backward, target in cases:
        slopes = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[place] = h
            up, down = (loss(x + s, target, reduction=reduction) for s in (step, -step))
            slopes[place] = (up - down) / (2 * h)
        np.testing.assert_allclose(backward(x, target, reduction=reduction), slopes, atol=1e-8)


# What comes in and what goes out -------------------------------------------------------------------------------


def test_precision():
    x, t = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for loss, backward, _ in PAIRWISE:
        assert loss(x, t).dtype == backward(x, t).dtype == np.float32
        assert loss(x, t.astype(int)).dtype == backward(x, t.astype(int)).dtype == np.float64
    assert cross_entropy(x, [0, 1]).dtype == cross_entropy_backward(x, [0, 1]).dtype == np.float32
    assert cross_entropy(x, t).dtype == np.float32
    assert cross_entropy(x, t.astype(float)).dtype == np.float64


def test_every_public_name_is_exported():
    public = {
        n for n, f in vars(losses).items() if callable(f) and f.__module__ == losses.__name__ and n[0] != "_"
    }
    names = ("cross_entropy", "mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
    assert public == {name + end for name in names for end in ("", "_backward")}
    for name in public:
        assert getattr(scratch, name) is getattr(losses, name)
        assert name in scratch.__all__


X, Y = np.zeros((2, 3)), np.array([0, 2])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cross_entropy(X, [0, 3]), ValueError, "target must hold class numbers from 0 to 2, got 0 … 3"),
        (lambda: cross_entropy(X, [-100, 1]), ValueError, "class numbers from 0 to 2, got -100 … 1"),
        (lambda: cross_entropy(X, [0, 1, 2]), ValueError, r"target must have shape \(2,\), one class number .* \(3,\)"),
        (lambda: cross_entropy(X, [0.0, 2.0]), ValueError, r"shape \(2, 3\), .* class numbers are .* got shape \(2,\)"),
        (lambda: cross_entropy(X, X - 1), ValueError, r"target must be from 0 to 1, got -1\.0 … -1\.0"),
        (lambda: cross_entropy(X, X * np.nan), ValueError, "target must be from 0 to 1, got nan"),
        (lambda: cross_entropy(X, X == 0), TypeError, "target must be an array of real numbers, got dtype bool"),
        (lambda: cross_entropy(3.0, 0), ValueError, r"logits must have shape \(N, C\), \(C,\) or .* got shape \(\)"),
        (lambda: cross_entropy(np.zeros((0, 3)), []), ValueError, r"not empty, got shape \(0, 3\)"),
        (lambda: cross_entropy(X, Y, [1, 2]), ValueError, r"weight must have shape \(3,\), one number for each class"),
        (lambda: cross_entropy(X, Y, [1, 2, -1]), ValueError, "weight must be finite and at least 0, got"),
        (lambda: cross_entropy(X, Y, [1, 2, np.nan]), ValueError, "weight must be finite and at least 0, got"),
        (lambda: cross_entropy(X, Y, [0, 1, 0]), ValueError, "weight must be above 0 for some class of target"),
        (lambda: cross_entropy(X, Y, label_smoothing=1.5), ValueError, "label_smoothing must be .* most 1, got 1.5"),
        (lambda: cross_entropy(X, Y, reduction="average"), ValueError, "reduction must be one of mean, sum, .*"),
        (lambda: cross_entropy_backward(X, Y, reduction=None), TypeError, "reduction must be one of mean, sum, .*got"),
        (
            lambda: cross_entropy_backward(X, Y, grad_output=np.ones(2)),
            ValueError,
            r"grad_output must be a number for reduction 'mean', got shape \(2,\)",
        ),
        (
            lambda: mse_loss_backward(X, X, reduction="none", grad_output=np.ones(3)),
            ValueError,
            r"grad_output must be a number or an array of shape \(2, 3\) for reduction 'none', got shape \(3,\)",
        ),
        (lambda: mse_loss(X, np.zeros((2, 1))), ValueError, r"target must have shape \(2, 3\), that of prediction"),
        (lambda: mse_loss([], []), ValueError, r"prediction must not be empty, got shape \(0,\)"),
        (lambda: mse_loss("a", 1), TypeError, "prediction must be an array of real numbers"),
        (lambda: binary_cross_entropy([2.0], [1]), ValueError, r"probability must be from 0 to 1, .* takes logits"),
        (lambda: binary_cross_entropy([0.5], [1.5]), ValueError, r"target must be from 0 to 1, got 1\.5"),
        (lambda: binary_cross_entropy_backward([np.nan], [1]), ValueError, "probability must be from 0 to 1, got nan"),
        (lambda: binary_cross_entropy_with_logits([2.0], [-1]), ValueError, "target must be from 0 to 1, got -1"),
        (lambda: binary_cross_entropy_with_logits_backward([2.0], [2]), ValueError, "target must be from 0 to 1"),
        (lambda: binary_cross_entropy_with_logits(X, Y), ValueError, r"must have shape \(2, 3\), that of logits"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_the_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
