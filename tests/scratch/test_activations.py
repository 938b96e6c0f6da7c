"""cnncourse.scratch.activations against torch's values and autograd, SciPy, and arithmetic left visible."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional as F

from cnncourse import scratch
from cnncourse.scratch import activations
from cnncourse.scratch.activations import derivative, gelu, log_softmax, mish, silu, softmax, softplus, swish

# Every elementwise activation with some of its settings, and torch's.
CASES = [
    ("relu", {}, F.relu),
    ("leaky_relu", {}, F.leaky_relu),
    ("leaky_relu", {"negative_slope": 0.3}, lambda x: F.leaky_relu(x, 0.3)),
    ("leaky_relu", {"negative_slope": 0}, lambda x: F.leaky_relu(x, 0.0)),
    ("elu", {}, F.elu),
    ("elu", {"alpha": 2.5}, lambda x: F.elu(x, 2.5)),
    ("sigmoid", {}, torch.sigmoid),
    ("tanh", {}, torch.tanh),
    ("silu", {}, F.silu),
    ("swish", {}, F.silu),
    ("swish", {"beta": 1.5}, lambda x: x * torch.sigmoid(1.5 * x)),
    ("swish", {"beta": -2}, lambda x: x * torch.sigmoid(-2 * x)),
    ("swish", {"beta": 0}, lambda x: x / 2),
    ("gelu", {}, F.gelu),
    ("gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ("mish", {}, F.mish),
    ("hardsigmoid", {}, lambda x: F.relu6(x + 3) / 6),  # F.hardsigmoid's slope is 1/6 in float32 only
    ("hardswish", {}, F.hardswish),
    ("softplus", {}, F.softplus),
    ("softplus", {"beta": 2.0, "threshold": 4}, lambda x: F.softplus(x, 2.0, 4.0)),
    ("softplus", {"beta": 0.5, "threshold": 1}, lambda x: F.softplus(x, 0.5, 1.0)),
]
each = pytest.mark.parametrize(
    ("name", "options", "theirs"), CASES, ids=lambda value: "" if callable(value) else str(value)
)

KINKS = np.array([-4.0, -3, -1, -0.0, 0, 0.5, 1, 2, 3, 10, 20])  # 2 and 10 are at softplus's thresholds
HUGE = np.array([1e1, 1e2, 1e3, 1e4, 1e10, 1e30, 3e38])
TOLERANCE = {np.float64: 1e-9, np.float32: 2e-6}


def frozen(x):
    x = np.array(x)
    x.setflags(write=False)
    return x


def with_autograd(f, x):
    x = torch.tensor(x, requires_grad=True)
    y = f(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def agree(name, options, theirs, x, precision=None):
    """The activation and its derivative on x, and torch's, computed in that precision or in x's."""
    values, slopes = (y.astype(x.dtype) for y in with_autograd(theirs, x.astype(precision or x.dtype)))
    tolerance = {"rtol": TOLERANCE[x.dtype.type], "atol": TOLERANCE[x.dtype.type]}
    np.testing.assert_allclose(
        getattr(activations, name)(frozen(x), **options), values, strict=True, **tolerance
    )
    np.testing.assert_allclose(derivative(name)(frozen(x), **options), slopes, strict=True, **tolerance)


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_slopes_equal_torch(name, options, theirs, dtype):
    x = np.random.default_rng(0).uniform(-12, 12, (20, 5, 7)).astype(dtype)
    agree(name, options, theirs, x)
    agree(name, options, theirs, KINKS.astype(dtype))  # the slope at a kink is autograd's


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_overflows_and_nothing_warns(name, options, theirs, dtype):
    x = np.concatenate([-HUGE, HUGE]).astype(dtype)
    agree(name, options, theirs, x, precision=np.float64)  # torch's float32 overflows in gelu and hardswish
    for sign in (-1, 1):  # beyond what torch can do: the limits
        end = sign * np.array([np.finfo(dtype).max, np.inf], dtype)
        values, slopes = getattr(activations, name)(end, **options), derivative(name)(end, **options)
        assert not np.isnan(values).any() and np.isfinite(slopes).all()
        assert values.dtype == slopes.dtype == dtype
        assert slopes[0] == slopes[1]
        assert values[0] == values[1] or (abs(values[0]) > 1e30 and abs(values[1]) == np.inf)


@each
def test_nan_stays_nan(name, options, theirs):
    assert np.isnan(getattr(activations, name)([np.nan, 0.0], **options)).tolist() == [True, False]


@settings(max_examples=30, deadline=None)
@given(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.integers(0, 99))
def test_shapes_are_kept(shape, seed):
    x = np.random.default_rng(seed).standard_normal(shape)
    for name, options, theirs in CASES:
        agree(name, options, theirs, x)


def test_the_slopes_are_the_differences_of_the_values():
    x = np.random.default_rng(1).uniform(-6, 6, 200)
    h = 1e-5
    for name, options, _ in CASES:
        f = getattr(activations, name)
        kinks = np.array([-3, 0, 2, 3])
        smooth = x[np.abs(x[:, None] - kinks).min(axis=1) > 2 * h]
        difference = (f(smooth + h, **options) - f(smooth - h, **options)) / (2 * h)
        np.testing.assert_allclose(derivative(name)(smooth, **options), difference, atol=1e-8)


def test_the_exact_gelu_has_double_precision():
    x = np.linspace(-8, 8, 4001)
    np.testing.assert_allclose(gelu(x), x * scipy.special.ndtr(x), rtol=0, atol=1e-14)
    assert gelu(1.0) == pytest.approx((1 + math.erf(1 / math.sqrt(2))) / 2, abs=1e-15)
    worst = np.abs(gelu(x) - gelu(x, approximate="tanh")).max()
    assert 0.00047 < worst < 0.00048


def test_minima_that_the_docstrings_state():
    x = np.linspace(-3, 0, 300_001)
    for f, least, place in ((silu, -0.2785, -1.2785), (mish, -0.3088, -1.1924)):
        y = f(x)
        assert y.min() == pytest.approx(least, abs=5e-5)
        assert x[y.argmin()] == pytest.approx(place, abs=5e-5)


def test_the_hard_forms_stay_near_the_soft_one():
    x = np.linspace(-10, 10, 20_001)
    assert np.abs(activations.hardswish(x) - silu(x)).max() == pytest.approx(0.142, abs=5e-4)
    np.testing.assert_allclose(swish(x, beta=1e6), activations.relu(x), atol=1e-6)
    assert softplus(0.0) == math.log(2)
    assert softplus(1.0, beta=2) == pytest.approx(math.log(1 + math.exp(2)) / 2, rel=1e-14)


# Along one axis ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([1.0, 1e2, 1e4]), st.sampled_from([np.float32, np.float64]))
def test_softmax_and_log_softmax_equal_torch(data, scale, dtype):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = (scale * rng.standard_normal(shape)).astype(dtype)
    for ours, theirs in ((softmax, F.softmax), (log_softmax, F.log_softmax)):
        expected = theirs(torch.tensor(x), dim).numpy()
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(
            ours(frozen(x), dim), expected, rtol=tolerance, atol=tolerance, strict=True
        )


def test_softmax_by_hand():
    np.testing.assert_allclose(softmax([0, math.log(2), math.log(5)], 0), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)
    assert softmax([1e4, 0], 0).tolist() == [1, 0]
    assert log_softmax([1e4, 0], 0).tolist() == [0, -1e4]
    assert softmax([-np.inf, 3, 3], dim=-1).tolist() == [0, 1 / 2, 1 / 2]  # a masked entry
    assert softmax([-1.7e308, 1.7e308], 0).tolist() == [0, 1]
    assert np.isnan(softmax([np.inf, 0], 0)).all()  # as in torch
    assert softmax(np.zeros((0, 3)), 1).shape == (0, 3)


# What comes in and what goes out -------------------------------------------------------------------------------


def test_integers_lists_and_numbers_become_float64():
    for name, options, _ in CASES:
        f = getattr(activations, name)
        for y in (f([-2, 3], **options), f(np.array([-2, 3], np.int8), **options), f(3, **options)):
            assert y.dtype == np.float64
        assert derivative(name)([-2, 3], **options).dtype == np.float64
    assert activations.elu(np.ones(2, np.float32), alpha=np.float64(2)).dtype == np.float32


def test_results_are_the_callers_own():
    for name, options, _ in CASES:
        x = np.array([1.0, 2.0])
        y = getattr(activations, name)(x, **options)
        assert not np.shares_memory(x, y) and y.flags.writeable


def test_every_activation_has_its_derivative():
    assert list(activations.SLOPES) == list(dict.fromkeys(activations.SLOPES))
    assert {name for name, *_ in CASES} == set(activations.SLOPES)
    public = {n for n, f in vars(activations).items() if callable(f) and f.__module__ == activations.__name__}
    public = {name for name in public if not name.startswith("_")}
    assert public == set(activations.SLOPES) | {"softmax", "log_softmax", "derivative"}
    for name in public:
        assert getattr(scratch, name) is getattr(activations, name)
        assert name in scratch.__all__


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: derivative("softmax"), ValueError, "name must be one of relu, .* got 'softmax'"),
        (lambda: derivative(None), TypeError, "name must be one of relu, .* got None"),
        (lambda: gelu(1.0, approximate="erf"), ValueError, "approximate must be one of none, tanh, got 'erf'"),
        (lambda: gelu(1.0, True), TypeError, "approximate must be one of none, tanh, got True"),
        (lambda: softplus(1.0, beta=0), ValueError, "beta must be above 0, got 0"),
        (lambda: softplus(1.0, beta=-1), ValueError, "beta must be above 0, got -1"),
        (lambda: softplus(1.0, threshold="20"), TypeError, "threshold must be a number, got '20'"),
        (lambda: swish(1.0, beta=np.nan), ValueError, "beta must be a finite number, got nan"),
        (lambda: activations.elu(1.0, alpha=None), TypeError, "alpha must be a number, got None"),
        (lambda: derivative("elu")(1.0, alpha=None), TypeError, "alpha must be a number, got None"),
        (lambda: activations.leaky_relu(1.0, [1]), TypeError, r"negative_slope must be a number, got \[1\]"),
        (lambda: softmax(np.ones((2, 3)), 2), ValueError, r"dim must be at least -2 and below 2, got 2"),
        (lambda: softmax(np.ones((2, 3)), -3), ValueError, "dim must be at least -2 and below 2, got -3"),
        (lambda: softmax(np.ones(2), 0.0), TypeError, "dim must be an integer, got 0.0"),
        (lambda: log_softmax(3.0, 0), ValueError, "x must have at least one dimension, got a single number"),
        (lambda: softmax(np.ones((2, 0)), 1), ValueError, r"x must not be empty along dim 1, got shape \(2, 0\)"),
        *[
            (lambda f=f: f(["a"]), TypeError, "x must be an array of real numbers, got dtype")
            for f in (*(getattr(activations, name) for name in activations.SLOPES), *activations.SLOPES.values())
        ],
        (lambda: activations.relu([True]), TypeError, "x must be an array of real numbers, got dtype bool"),
        (lambda: activations.relu(None), TypeError, "x must be an array of real numbers, got None"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_the_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
