"""cnncourse.scratch.gradients against torch's autograd, SciPy, and derivatives known by heart."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.scratch.gradients import gradcheck, numerical_gradient


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_example_of_the_source():
    """f = Σ (x² + 2x + 1) at [1, 2, −1]: 2x + 2 = [4, 6, 0], with the source's step 1e-5 and its relative error."""
    x = np.array([1.0, 2.0, -1.0])
    numeric, analytic = numerical_gradient(lambda x: np.sum(x**2 + 2 * x + 1), x, eps=1e-5), 2 * x + 2
    np.testing.assert_array_equal(analytic, [4, 6, 0])
    error = np.linalg.norm(analytic - numeric) / (np.linalg.norm(analytic) + np.linalg.norm(numeric))
    assert error < 1e-11
    assert f"{error:.10f}" == "0.0000000000"  # all that the source prints of it


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=3), st.integers(0, 1000))
def test_numerical_gradient_equals_autograd(shape, seed):
    x, w = normal(seed, *shape), normal(seed + 1, *shape)
    leaf = torch.tensor(x, requires_grad=True)
    (torch.sin(leaf) * torch.tensor(w)).sum().backward()
    numeric = numerical_gradient(lambda x: np.sum(np.sin(x) * w), x)
    assert (numeric.shape, numeric.dtype) == (tuple(shape), np.float64)
    np.testing.assert_allclose(numeric, leaf.grad.numpy(), atol=1e-8)


def test_numerical_gradient_equals_scipys():
    x = normal(0, 6)
    expected = scipy.optimize.approx_fprime(x, scipy.optimize.rosen)
    np.testing.assert_allclose(numerical_gradient(scipy.optimize.rosen, x), expected, rtol=1e-4)
    np.testing.assert_allclose(
        numerical_gradient(scipy.optimize.rosen, x), scipy.optimize.rosen_der(x), rtol=1e-7
    )


def test_the_difference_is_central():
    """The error of x³ is eps² exactly: (1 + e)³ − (1 − e)³ = 6e + 2e³. A one-sided difference would be off by 3·eps."""
    assert numerical_gradient(lambda x: x**3, 1.0, eps=0.1) == pytest.approx(3 + 0.1**2, rel=1e-12)


def test_x_is_left_alone_and_may_be_integers():
    x = np.array([1, 2, 3])

    def spoils(x):
        total = float((x**2).sum())
        x[:] = 0
        return total

    np.testing.assert_allclose(numerical_gradient(spoils, x), [2, 4, 6], atol=1e-7)
    np.testing.assert_array_equal(x, [1, 2, 3])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: numerical_gradient(lambda x: x, np.ones(2)),
            ValueError,
            r"f must return a single number.*\(2,\)",
        ),
        (
            lambda: numerical_gradient(lambda x: "no", 1.0),
            TypeError,
            r"f\(x\) must be an array of real numbers",
        ),
        (
            lambda: numerical_gradient(lambda x: math.nan, [1.0]),
            ValueError,
            "f must be finite near x, got nan with",
        ),
        (lambda: numerical_gradient(lambda x: math.inf, 1.0), ValueError, "f must be finite near x, got inf"),
        (lambda: numerical_gradient(np.sum, ["a"]), TypeError, "x must be an array of real numbers"),
        (
            lambda: numerical_gradient(np.sum, 1.0, eps=0),
            ValueError,
            "eps must be above 0, got 0",
        ),
        (lambda: numerical_gradient(np.sum, 1.0, eps="1"), TypeError, "eps must be a number, got '1'"),
        (lambda: gradcheck(np.sum, np.ones_like), ValueError, "inputs must be at least one array, got none"),
        (
            lambda: gradcheck(np.sum, np.sum, [1.0, 2]),
            ValueError,
            r"grad must return shape \(2,\) for input 0, got",
        ),
        (
            lambda: gradcheck(np.dot, lambda a, b: b, [1.0], [2.0]),
            ValueError,
            "grad must return 2 arrays, .* got 1",
        ),
        (
            lambda: gradcheck(np.sum, np.ones_like, 1.0, atol=-1),
            ValueError,
            "atol must be at least 0, got -1",
        ),
        (
            lambda: gradcheck(np.sum, np.ones_like, 1.0, rtol=None),
            TypeError,
            "rtol must be a number, got None",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def bilinear(x, w, b):
    return float(np.sum((x @ w + b) ** 2))


def bilinear_grad(x, w, b):
    d = 2 * (x @ w + b)
    return d @ w.T, x.T @ d, d.sum(axis=0)


ARGUMENTS = normal(0, 2, 3), normal(1, 3, 4), normal(2, 4)


def test_gradcheck_agrees_with_a_right_gradient():
    assert gradcheck(bilinear, bilinear_grad, *ARGUMENTS) is True
    assert gradcheck(lambda x: float((x**2).sum()), lambda x: 2 * x, ARGUMENTS[0]) is True
    assert gradcheck(lambda x: float(x**2), lambda x: 2 * x, 3.0) is True


def test_gradcheck_names_the_entry_that_differs_most():
    def wrong(x, w, b):
        grad_x, grad_w, grad_b = bilinear_grad(x, w, b)
        grad_w[0, 0] += 0.1
        grad_w[2, 1] += 7
        return grad_x, grad_w, grad_b + 0.2

    right = bilinear_grad(*ARGUMENTS)[1][2, 1]
    with pytest.raises(AssertionError, match=r"differ most at input 1, entry \(2, 1\)") as caught:
        gradcheck(bilinear, wrong, *ARGUMENTS)
    analytic, numeric = [float(word.split()[-1]) for word in str(caught.value).split(": ")[1].split(", ")]
    assert analytic == pytest.approx(right + 7, rel=1e-6)
    assert numeric == pytest.approx(right, rel=1e-5)


def test_gradcheck_finds_a_missing_sign_a_transpose_and_a_nan():
    with pytest.raises(AssertionError, match=r"input 0: analytic -6, numeric 6"):
        gradcheck(lambda x: float(x**2), lambda x: -2 * x, 3.0)
    square = normal(3, 3, 3)
    with pytest.raises(AssertionError, match="input 0, entry"):
        gradcheck(lambda x: float(np.sum(x**2)), lambda x: 2 * x.T, square)
    with pytest.raises(AssertionError, match="analytic nan"):
        gradcheck(lambda x: float(x**2), lambda x: x * np.nan, 3.0)


@pytest.mark.parametrize(("off", "passes"), [(0.9, True), (1.1, False)])
def test_the_tolerances_are_the_stated_ones(off, passes):
    """f = 5x: |analytic − numeric| ≤ atol + rtol·|numeric| = 0.1 + 0.01·5."""

    def check():
        return gradcheck(
            lambda x: float(5 * x), lambda x: 5 + off * (0.1 + 0.01 * 5), 1.0, atol=0.1, rtol=0.01
        )

    if passes:
        assert check()
    else:
        with pytest.raises(AssertionError):
            check()
