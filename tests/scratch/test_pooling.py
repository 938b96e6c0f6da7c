"""cnncourse.scratch.pooling against torch, central differences, and arithmetic left visible."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnncourse.scratch import pooling
from cnncourse.scratch.pooling import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    mixed_pool2d,
    stochastic_pool2d,
)

EXAMPLE = np.array([[1, 3, 2, 4], [5, 6, 1, 8], [2, 1, 4, 3], [7, 2, 6, 5]])[None]  # (1, 4, 4)


def one_or_two(low, high):
    numbers = st.integers(low, high)
    return st.one_of(numbers, st.tuples(numbers, numbers))


def as_pair(value):
    return value if isinstance(value, tuple) else (value, value)


@st.composite
def poolings(draw, dilated=False):
    """An input and the settings of a pooling that fits it: non-square, size 1, stride beyond the kernel, no batch."""
    kernel = draw(one_or_two(1, 4))
    settings = {"kernel_size": kernel, "stride": draw(st.one_of(st.none(), one_or_two(1, 5)))}
    settings["padding"] = tuple(draw(st.integers(0, k // 2)) for k in as_pair(kernel))
    if dilated:
        settings["dilation"] = draw(one_or_two(1, 3))
    settings["ceil_mode"] = draw(st.booleans())
    reach = [
        d * (k - 1) + 1 for k, d in zip(as_pair(kernel), as_pair(settings.get("dilation", 1)), strict=True)
    ]
    height, width = (
        draw(st.integers(max(1, r - 2 * p), 10)) for r, p in zip(reach, settings["padding"], strict=True)
    )
    lead = draw(st.sampled_from([(1, 1), (2, 3), (3,), (0, 2)]))
    values = draw(st.sampled_from(["normal", "ties", "special"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((*lead, height, width))
    if values == "ties":
        x = np.round(x)
    if values == "special" and dilated:
        x = np.where(rng.random(x.shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf], x.shape), x)
    return x.astype(draw(st.sampled_from([np.float32, np.float64]))), settings


def covers_only_padding(x, settings):
    """Whether some window reads no pixel at all, which the definition of the taps decides."""
    kernel, dilation = as_pair(settings["kernel_size"]), as_pair(settings["dilation"])
    stride, padding = as_pair(settings["stride"] or kernel), settings["padding"]
    windows = F.max_pool2d(torch.zeros(1, *x.shape[-2:]), **settings).shape[-2:]
    return any(
        all(not 0 <= i * s - p + d * u < n for u in range(k))
        for n, k, s, p, d, count in zip(x.shape[-2:], kernel, stride, padding, dilation, windows, strict=True)
        for i in range(count)
    )


def equal(ours, theirs):
    assert ours.shape == tuple(theirs.shape) and ours.dtype == theirs.numpy().dtype
    np.testing.assert_allclose(
        ours, theirs.numpy(), rtol=1e-5 if ours.dtype == np.float32 else 1e-12, atol=1e-6
    )


def frozen(x):
    x.setflags(write=False)
    return x


# Against torch.


@settings(max_examples=120, deadline=None)
@given(poolings(dilated=True))
def test_max_pool_equals_torch(case):
    x, options = case
    assume(not covers_only_padding(x, options))
    there = torch.from_numpy(x.copy())
    if x.shape[0] == 0:
        equal(max_pool2d(frozen(x), **options), F.max_pool2d(there, **options))
        return
    y, index = F.max_pool2d(there, **options, return_indices=True)
    ours, our_index = max_pool2d(frozen(x), **options, return_indices=True)
    np.testing.assert_array_equal(ours, y.numpy())
    np.testing.assert_array_equal(our_index, index.numpy())
    np.testing.assert_array_equal(max_pool2d(x, **options), y.numpy())
    assert ours.dtype == x.dtype and our_index.dtype == np.int64


@settings(max_examples=80, deadline=None)
@given(poolings(dilated=True), st.integers(0, 2**32 - 1))
def test_max_pool_backward_equals_autograd(case, seed):
    x, options = case
    assume(not covers_only_padding(x, options))
    there = torch.from_numpy(x.copy()).requires_grad_()
    y = F.max_pool2d(there, **options)
    grad_output = np.random.default_rng(seed).standard_normal(y.shape).astype(x.dtype)
    y.backward(torch.from_numpy(grad_output.copy()))
    equal(max_pool2d_backward(frozen(grad_output), frozen(x), **options), there.grad)


@settings(max_examples=120, deadline=None)
@given(poolings(), st.booleans(), st.one_of(st.none(), st.integers(1, 7)), st.integers(0, 2**32 - 1))
def test_avg_pool_and_its_gradient_equal_torch(case, count_include_pad, divisor_override, seed):
    x, options = case
    options |= {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    there = torch.from_numpy(x.copy()).requires_grad_()
    y = F.avg_pool2d(there, **options)
    equal(avg_pool2d(frozen(x), **options), y.detach())
    grad_output = np.random.default_rng(seed).standard_normal(y.shape).astype(x.dtype)
    y.backward(torch.from_numpy(grad_output.copy()))
    equal(avg_pool2d_backward(frozen(grad_output), x, **options), there.grad)


@settings(max_examples=80, deadline=None)
@given(
    poolings(dilated=True),
    st.one_of(st.integers(1, 11), st.tuples(*[st.one_of(st.none(), st.integers(1, 11))] * 2)),
)
def test_adaptive_pools_equal_torch(case, output_size):
    x, _ = case
    there = torch.from_numpy(x.copy())
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN here as there
        equal(adaptive_avg_pool2d(frozen(x), output_size), F.adaptive_avg_pool2d(there, output_size))
    equal(adaptive_max_pool2d(x, output_size), F.adaptive_max_pool2d(there, output_size))
    if x.shape[0]:
        ours, our_index = adaptive_max_pool2d(x, output_size, return_indices=True)
        y, index = F.adaptive_max_pool2d(there, output_size, return_indices=True)
        np.testing.assert_array_equal(ours, y.numpy())
        np.testing.assert_array_equal(our_index, index.numpy())


@settings(max_examples=40, deadline=None)
@given(poolings(), st.integers(0, 2**32 - 1))
def test_global_avg_pool_and_its_gradient_equal_torch(case, seed):
    x, _ = case
    there = torch.from_numpy(x.copy()).requires_grad_()
    y = there.mean(dim=(-2, -1))
    equal(global_avg_pool2d(frozen(x)), y.detach())
    np.testing.assert_allclose(
        global_avg_pool2d(x), adaptive_avg_pool2d(x, 1)[..., 0, 0], rtol=1e-5, atol=1e-6
    )
    grad_output = np.random.default_rng(seed).standard_normal(y.shape).astype(x.dtype)
    y.backward(torch.from_numpy(grad_output.copy()))
    equal(global_avg_pool2d_backward(frozen(grad_output), x), there.grad)


@settings(max_examples=40, deadline=None)
@given(poolings(), st.floats(0, 1), st.booleans())
def test_mixed_pool_equals_torch(case, alpha, count_include_pad):
    x, options = case
    there = torch.from_numpy(x.copy())
    average = F.avg_pool2d(there, **options, count_include_pad=count_include_pad)
    y = alpha * F.max_pool2d(there, **options) + (1 - alpha) * average
    equal(
        mixed_pool2d(
            frozen(x), options.pop("kernel_size"), alpha, **options, count_include_pad=count_include_pad
        ),
        y,
    )


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.int8, np.uint8])
def test_max_pool_keeps_integers_as_torch_does(dtype):
    x = np.random.default_rng(0).integers(-100, 100, (1, 2, 7, 5)).astype(dtype)
    ours = max_pool2d(x, 3, 2, 1)
    np.testing.assert_array_equal(ours, F.max_pool2d(torch.from_numpy(x), 3, 2, 1).numpy())
    assert ours.dtype == dtype
    lowest = np.full((1, 1, 3, 3), np.iinfo(dtype).min, dtype)
    assert (max_pool2d(lowest, 2, padding=1) == np.iinfo(dtype).min).all()


def test_torch_answers_a_window_of_padding_with_minus_infinity_and_we_refuse():
    x = torch.zeros(1, 1, 3, 3)
    assert F.max_pool2d(x, 2, padding=1, dilation=4).item() == -torch.inf
    with pytest.raises(
        ValueError, match=r"dilation \(4, 4\) makes a window that covers only padding: .* input \(3, 3\)"
    ):
        max_pool2d(x.numpy(), 2, padding=1, dilation=4)


# Arithmetic that can be followed by eye.


def test_the_example_of_four_by_four():
    assert max_pool2d(EXAMPLE, 2).tolist() == [[[6, 8], [7, 6]]]
    assert avg_pool2d(EXAMPLE, 2).tolist() == [[[3.75, 3.75], [3.0, 4.5]]]
    assert avg_pool2d(EXAMPLE, 2)[0, 0, 0] == (1 + 3 + 5 + 6) / 4
    assert mixed_pool2d(EXAMPLE, 2)[0, 0, 0] == 0.5 * 6 + 0.5 * 3.75
    assert mixed_pool2d(EXAMPLE, 2, 1).tolist() == max_pool2d(EXAMPLE, 2).tolist()
    assert mixed_pool2d(EXAMPLE, 2, alpha=0).tolist() == avg_pool2d(EXAMPLE, 2).tolist()
    assert global_avg_pool2d(EXAMPLE[None]).tolist() == [[60 / 16]]
    assert max_pool2d(EXAMPLE, 2, return_indices=True)[1].tolist() == [[[5, 7], [12, 14]]]


def test_overlapping_windows():
    assert max_pool2d(EXAMPLE, 3, 1).tolist() == [[[6, 8], [7, 8]]]
    grad = max_pool2d_backward(np.array([[[1.0, 10.0], [100.0, 1000.0]]]), EXAMPLE, 3, 1)
    assert grad[0, 1, 3] == 10 + 1000  # the 8 is the maximum of two windows
    assert grad[0, 1, 1] == 1 and grad[0, 3, 0] == 100 and np.count_nonzero(grad) == 3


def test_the_first_of_equals_takes_the_gradient():
    grad = max_pool2d_backward(np.ones((1, 1, 1)), np.full((1, 2, 2), 7.0), 2)
    assert grad.tolist() == [[[1, 0], [0, 0]]]


def test_the_average_shares_its_gradient():
    assert avg_pool2d_backward(np.full((1, 1, 1), 8.0), np.zeros((1, 2, 2)), 2).tolist() == [[[2, 2], [2, 2]]]
    assert global_avg_pool2d_backward(np.array([[6.0]]), np.zeros((1, 1, 2, 3))).tolist() == [[[[1] * 3] * 2]]


def test_ceil_mode_keeps_the_rest_and_padding_is_counted_or_not():
    x = np.arange(1.0, 6.0).reshape(1, 1, 5)  # 1 2 3 4 5
    assert avg_pool2d(x, (1, 2)).tolist() == [[[1.5, 3.5]]]
    assert avg_pool2d(x, (1, 2), ceil_mode=True).tolist() == [[[1.5, 3.5, 5.0]]]
    assert avg_pool2d(x, (1, 2), padding=(0, 1)).tolist() == [[[0.5, 2.5, 4.5]]]
    assert avg_pool2d(x, (1, 2), padding=(0, 1), count_include_pad=False).tolist() == [[[1.0, 2.5, 4.5]]]
    assert avg_pool2d(x, (1, 2), divisor_override=1).tolist() == [[[3, 7]]]


def test_adaptive_windows_may_share_a_pixel():
    x = np.arange(5.0).reshape(1, 1, 5)  # windows 0–1, 1–3, 3–4
    assert adaptive_avg_pool2d(x, (1, 3)).tolist() == [[[0.5, 2.0, 3.5]]]
    assert adaptive_max_pool2d(x, (1, 3)).tolist() == [[[1, 3, 4]]]
    assert adaptive_avg_pool2d(x, (None, None)).tolist() == x.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_stands_outside_a_window_stays_outside(value):
    x = np.ones((1, 4, 4))
    x[0, 0, 0] = value
    for pool in (max_pool2d, avg_pool2d):
        assert np.isfinite(pool(x, 2)).tolist() == [[[False, True], [True, True]]]
        assert np.isfinite(pool(x, 3, 3, 1)).tolist() == [[[False, True], [True, True]]]
    assert np.isfinite(adaptive_avg_pool2d(x, 2)).sum() == 3


# Gradients against central differences.


def central_differences(f, x, step=1e-6):
    grad = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        grad[place] = (f(up) - f(down)) / (2 * step)
    return grad


@pytest.mark.parametrize(
    ("pool", "backward", "options"),
    [
        (max_pool2d, max_pool2d_backward, {"kernel_size": 2}),
        (max_pool2d, max_pool2d_backward, {"kernel_size": 3, "stride": 2, "padding": 1}),
        (max_pool2d, max_pool2d_backward, {"kernel_size": (2, 3), "stride": 1, "dilation": (2, 1)}),
        (avg_pool2d, avg_pool2d_backward, {"kernel_size": 2}),
        (
            avg_pool2d,
            avg_pool2d_backward,
            {"kernel_size": (3, 2), "stride": (2, 3), "padding": 1, "ceil_mode": True},
        ),
        (avg_pool2d, avg_pool2d_backward, {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
        (global_avg_pool2d, global_avg_pool2d_backward, {}),
    ],
)
def test_gradients_equal_central_differences(pool, backward, options):
    rng = np.random.default_rng(0)
    x = (
        rng.permutation(2 * 2 * 5 * 6).reshape(2, 2, 5, 6) / 10
    )  # no ties, no maximum within one step of another
    grad_output = rng.standard_normal(pool(x, **options).shape)
    wanted = central_differences(lambda x: (pool(x, **options) * grad_output).sum(), x)
    np.testing.assert_allclose(backward(grad_output, x, **options), wanted, atol=1e-8)


# Stochastic pooling: Zeiler and Fergus, 2013.

DEMO = np.array([[1.6, 0.0], [0.0, 2.4]])[None, None]


def test_stochastic_pool_of_the_demo_window():
    p = np.array([1.6, 0, 0, 2.4]) / (1.6 + 2.4)
    np.testing.assert_allclose(p, [0.4, 0, 0, 0.6])
    value = stochastic_pool2d(DEMO, 2, training=False)
    np.testing.assert_allclose(value, [[[[0.4 * 1.6 + 0.6 * 2.4]]]])
    np.testing.assert_allclose(value, 2.08)


def test_stochastic_pool_draws_with_the_papers_probabilities():
    n = 40_000
    drawn = stochastic_pool2d(np.tile(DEMO, (n, 1, 1, 1)), 2, training=True, rng=np.random.default_rng(0))
    assert drawn.shape == (n, 1, 1, 1) and set(np.unique(drawn)) == {1.6, 2.4}
    spread = np.sqrt(0.4 * 0.6 / n)  # one standard error of a frequency
    assert abs((drawn == 2.4).mean() - 0.6) < 4 * spread
    assert abs(drawn.mean() - 2.08) < 4 * spread * (2.4 - 1.6)


def test_stochastic_pool_draws_every_place_of_every_window():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    n = 30_000
    drawn = stochastic_pool2d(
        np.broadcast_to(x, (n, 1, 3, 3)), 2, 1, training=True, rng=np.random.default_rng(1)
    )
    for i in range(2):
        for j in range(2):
            window = x[i : i + 2, j : j + 2].ravel()
            frequency = [(drawn[:, 0, i, j] == a).mean() for a in window]
            np.testing.assert_allclose(frequency, window / window.sum(), atol=4 * np.sqrt(0.25 / n))
    # Windows are drawn independently of each other: the same number of ones as chance would give.
    low, high = drawn[:, 0, 0, 0] == 5, drawn[:, 0, 1, 1] == 5
    assert abs((low & high).mean() - low.mean() * high.mean()) < 4 * np.sqrt(0.25 / n)


def test_stochastic_pool_is_the_same_for_the_same_seed():
    x = np.random.default_rng(3).random((2, 3, 6, 6)).astype(np.float32)
    first, again, other = (
        stochastic_pool2d(x, 2, training=True, rng=np.random.default_rng(s)) for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.dtype == np.float32
    assert stochastic_pool2d(x, 2, training=False).dtype == np.float32


@settings(max_examples=50, deadline=None)
@given(poolings(), st.integers(0, 2**32 - 1))
def test_stochastic_pool_against_its_definition(case, seed):
    x, options = case
    x, kernel, stride = np.abs(x), as_pair(options["kernel_size"]), options["stride"]
    assume(all(n >= k for n, k in zip(x.shape[-2:], kernel, strict=True)))
    x[x < 0.4] = 0  # windows with zeros, and some of zeros alone
    drawn = stochastic_pool2d(frozen(x), kernel, stride, training=True, rng=np.random.default_rng(seed))
    value = stochastic_pool2d(x, kernel, stride, training=False, rng=np.random.default_rng(seed))
    assert drawn.shape == value.shape == max_pool2d(x, kernel, stride).shape
    for place in np.ndindex(drawn.shape):
        top, left = (i * s for i, s in zip(place[-2:], as_pair(stride or kernel), strict=True))
        a = x[place[:-2]][top : top + kernel[0], left : left + kernel[1]].astype(np.float64)
        if a.sum() == 0:
            assert drawn[place] == value[place] == 0
        else:
            assert drawn[place] in a and drawn[place] > 0
            np.testing.assert_allclose(value[place], (a * a).sum() / a.sum(), rtol=1e-6)


class Constant(np.random.Generator):
    """A generator whose uniform numbers are all the same: the ends of [0, 1) can be tried on purpose."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, size):
        return np.full(size, self.value)


@pytest.mark.parametrize("value", [0.0, np.nextafter(1, 0)])
def test_stochastic_pool_never_draws_a_zero(value):
    # Ten tenths add up to a little less than 1 in floating point; the zeros at both ends stay undrawn all the same.
    assert np.cumsum(np.full(10, 0.1))[-1] < 1
    x = np.array([[[0.0, *[1.0] * 10, 0.0]]])
    assert stochastic_pool2d(x, (1, 12), training=True, rng=Constant(value)).tolist() == [[[1.0]]]


def test_stochastic_pool_floors_odd_sizes_as_max_pool_does():
    x = np.random.default_rng(0).random((1, 1, 5, 5))
    assert stochastic_pool2d(x, 2, training=True, rng=np.random.default_rng(0)).shape == (1, 1, 2, 2)
    assert stochastic_pool2d(x[0], 2, training=False, rng=None).shape == (1, 2, 2)


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 5e307])
def test_stochastic_pool_of_tiny_and_huge_values(scale):
    x = np.array([[[1.0, 3.0], [0.0, 0.0]]]) * scale
    np.testing.assert_allclose(
        stochastic_pool2d(x, 2, training=False) / scale, (1 * 1 + 3 * 3) / (1 + 3), rtol=0.3
    )
    assert stochastic_pool2d(x, 2, training=True, rng=np.random.default_rng(0)).item() in x


# Errors.

X = np.zeros((1, 2, 6, 6))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: max_pool2d(np.zeros((4, 4)), 2),
            ValueError,
            r"x must have shape \(N, C, H, W\) or \(C, H, W\), got 2 dim",
        ),
        (lambda: max_pool2d(np.zeros((1, 0, 4, 4)), 2), ValueError, "at least one channel and one pixel"),
        (lambda: avg_pool2d(np.zeros((1, 1, 0, 4)), 2), ValueError, r"one pixel, got shape \(1, 1, 0, 4\)"),
        (lambda: global_avg_pool2d(np.zeros((1, 1, 0, 4))), ValueError, "at least one channel and one pixel"),
        (lambda: global_avg_pool2d(np.zeros(3)), ValueError, "x must have shape"),
        (lambda: max_pool2d(X > 0, 2), TypeError, "x must be an array of real numbers, got dtype bool"),
        (
            lambda: avg_pool2d(X * 1j, 2),
            TypeError,
            "x must be an array of real numbers, got dtype complex128",
        ),
        (lambda: max_pool2d("image", 2), TypeError, "x must be an array of"),
        (lambda: max_pool2d(X, 0), ValueError, "kernel_size must be at least 1, got 0"),
        (lambda: max_pool2d(X, 2.0), TypeError, "kernel_size must be an integer"),
        (lambda: max_pool2d(X, (2, 2, 2)), ValueError, "kernel_size must be an integer or a pair"),
        (lambda: max_pool2d(X, 2, 0), ValueError, "stride must be at least 1, got 0"),
        (lambda: max_pool2d(X, 2, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (
            lambda: max_pool2d(X, 3, padding=2),
            ValueError,
            r"padding must be at most half of kernel_size \(3, 3\), got \(2, 2\)",
        ),
        (
            lambda: avg_pool2d(X, (4, 1), padding=(2, 1)),
            ValueError,
            r"half of kernel_size \(4, 1\), got \(2, 1\)",
        ),
        (lambda: max_pool2d(X, 2, dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (
            lambda: max_pool2d(X, 7),
            ValueError,
            r"kernel_size \(7, 7\) .* must fit into the input of \(6, 6\)",
        ),
        (
            lambda: max_pool2d(X, (1, 4), dilation=2),
            ValueError,
            r"kernel_size \(1, 4\) with dilation \(2, 2\) must fit",
        ),
        (lambda: max_pool2d(X, 2, ceil_mode=1), TypeError, "ceil_mode must be True or False, got 1"),
        (
            lambda: max_pool2d(X, 2, return_indices=None),
            TypeError,
            "return_indices must be True or False, got None",
        ),
        (
            lambda: avg_pool2d(X, 2, 2, 0, False, 3),
            TypeError,
            "count_include_pad must be True or False, got 3",
        ),
        (
            lambda: avg_pool2d(X, 2, divisor_override=0),
            ValueError,
            "divisor_override must be at least 1, got 0",
        ),
        (lambda: avg_pool2d(X, 2, divisor_override=2.5), TypeError, "divisor_override must be an integer"),
        (lambda: adaptive_avg_pool2d(X, 0), ValueError, "output_size must be at least 1, got 0"),
        (lambda: adaptive_avg_pool2d(X, None), TypeError, "output_size must be an integer, got None"),
        (
            lambda: adaptive_max_pool2d(X, (1, 2, 3)),
            ValueError,
            r"an integer or a pair \(height, width\), got \(1, 2, 3\)",
        ),
        (lambda: adaptive_max_pool2d(X, (2, 1.5)), TypeError, "output_size must be an integer, got 1.5"),
        (
            lambda: adaptive_max_pool2d(X, 2, return_indices="yes"),
            TypeError,
            "return_indices must be True or False",
        ),
        (lambda: mixed_pool2d(X, 2, 1.5), ValueError, "alpha must be at least 0 and at most 1, got 1.5"),
        (lambda: mixed_pool2d(X, 2, np.nan), ValueError, "alpha must be a finite number, got nan"),
        (lambda: mixed_pool2d(X, 2, "half"), TypeError, "alpha must be a number, got 'half'"),
        (
            lambda: max_pool2d_backward(np.zeros((1, 2, 3, 4)), X, 2),
            ValueError,
            r"grad_output must have shape \(1, 2, 3, 3\)",
        ),
        (
            lambda: avg_pool2d_backward(np.zeros((2, 3, 3)), X, 2),
            ValueError,
            r"grad_output must have shape \(1, 2, 3, 3\)",
        ),
        (
            lambda: global_avg_pool2d_backward(np.zeros((1, 2, 1, 1)), X),
            ValueError,
            r"must have shape \(1, 2\)",
        ),
        (
            lambda: stochastic_pool2d(X - 1, 2, training=False, rng=None),
            ValueError,
            "x must be finite and at least 0",
        ),
        (
            lambda: stochastic_pool2d(X * np.nan, 2, training=False, rng=None),
            ValueError,
            "x must be finite and at least 0",
        ),
        (
            lambda: stochastic_pool2d(X + np.inf, 2, training=False, rng=None),
            ValueError,
            "finite .* got inf … inf",
        ),
        (
            lambda: stochastic_pool2d(X, 2, training=True, rng=None),
            TypeError,
            r"rng must be a numpy\.random\.Generator, got None",
        ),
        (
            lambda: stochastic_pool2d(X, 2, training=False, rng=0),
            TypeError,
            r"rng must be a numpy\.random\.Generator, got 0",
        ),
        (
            lambda: stochastic_pool2d(X, 2, training=None, rng=None),
            TypeError,
            "training must be True or False, got None",
        ),
        (lambda: stochastic_pool2d(X, 7, training=False, rng=None), ValueError, "must fit into the input"),
    ],
)
def test_errors_say_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_results_share_no_memory_with_arguments():
    x = np.random.default_rng(0).random((1, 2, 4, 4))
    for y in (max_pool2d(x, 1), avg_pool2d(x, 1), adaptive_max_pool2d(x, 4), adaptive_avg_pool2d(x, 4)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(x, y) and y.flags.c_contiguous
    g = np.ones((1, 2))
    back = global_avg_pool2d_backward(g, x)
    back += 1  # a writable array of its own
    assert not np.shares_memory(back, g)


def test_lists_are_arrays_too():
    assert max_pool2d(EXAMPLE.tolist(), 2).tolist() == [[[6, 8], [7, 6]]]
    assert avg_pool2d(EXAMPLE.astype(np.uint8), 2).dtype == np.float64


def test_every_public_name_is_exported():
    from cnncourse import scratch

    names = [
        name
        for name, value in vars(pooling).items()
        if callable(value) and value.__module__ == pooling.__name__
    ]
    for name in names:
        if not name.startswith("_"):
            assert getattr(scratch, name) is getattr(pooling, name)
