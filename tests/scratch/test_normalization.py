"""cnncourse.scratch.normalization against torch's values and autograd, central differences, the papers' formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnncourse import scratch
from cnncourse.scratch import normalization
from cnncourse.scratch.normalization import (
    BatchNorm2d,
    batch_norm,
    batch_norm_backward,
    group_norm,
    instance_norm,
    layer_norm,
    layer_norm_backward,
    local_response_norm,
)

examples = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64])
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-4}


def normal(seed, shape, dtype=np.float64, scale=1.0, shift=0.0):
    x = np.asarray(shift + scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)
    x.setflags(write=False)
    return x


def positive(seed, shape, dtype=np.float64):
    x = np.random.default_rng(seed).uniform(0.2, 3, shape).astype(dtype)
    x.setflags(write=False)
    return x


def tensor(x, **options):
    return None if x is None else torch.tensor(x, **options)


def equal(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.dtype == theirs.dtype
    tolerance = TOLERANCE[ours.dtype]
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, strict=True)


@st.composite
def batches(draw, least=2):
    """x (N, C), (N, C, L) or (N, C, H, W) with at least so many values for each channel, and weight and bias."""
    N, C = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    pixels = draw(st.sampled_from([(), (1,), (3,), (1, 1), (2, 3)]))
    if N * int(np.prod(pixels)) < least:
        N = least
    seed, dtype = draw(seeds), draw(dtypes)
    x = normal(
        seed,
        (N, C, *pixels),
        dtype,
        scale=draw(st.sampled_from([0.01, 1, 20])),
        shift=draw(st.integers(-3, 3)),
    )
    weight, bias = (normal(seed + i, C, dtype) if draw(st.booleans()) else None for i in (1, 2))
    return x, weight, bias, draw(st.sampled_from([1e-5, 1e-2]))


# Batch norm ----------------------------------------------------------------------------------------------------


@examples
@given(batches(), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.1, 1.0]), seeds)
def test_batch_norm_equals_torch(case, training, tracked, momentum, seed):
    x, weight, bias, eps = case
    mean, var = (
        (f(seed, x.shape[1], x.dtype) for f in (normal, positive))
        if tracked or not training
        else (None, None)
    )
    new_mean, new_var = tensor(mean), tensor(var)  # torch writes into these
    theirs = F.batch_norm(
        torch.tensor(x), new_mean, new_var, tensor(weight), tensor(bias), training, momentum, eps
    )
    y, *running = batch_norm(x, mean, var, weight, bias, training, momentum, eps)
    equal(y, theirs)
    for ours, new in zip(running, (new_mean, new_var), strict=True):
        if new is None:
            assert ours is None
        else:
            equal(ours, new)


@examples
@given(batches(), st.booleans(), seeds)
def test_the_gradient_of_batch_norm_equals_autograd(case, training, seed):
    x, weight, bias, eps = case
    mean, var = normal(seed, x.shape[1], x.dtype), positive(seed, x.shape[1], x.dtype)
    grad_output = normal(seed + 1, x.shape, x.dtype)
    leaf = torch.tensor(x, requires_grad=True)
    gamma = torch.tensor(np.ones_like(mean) if weight is None else weight, requires_grad=True)
    beta = torch.tensor(np.zeros_like(mean) if bias is None else bias, requires_grad=True)
    y = F.batch_norm(leaf, torch.tensor(mean), torch.tensor(var), gamma, beta, training, 0.1, eps)
    y.backward(torch.tensor(grad_output))
    running = {} if training else {"training": False, "running_mean": mean, "running_var": var}
    grads = batch_norm_backward(grad_output, x, weight, eps, **running)
    for ours, theirs in zip(grads, (leaf, gamma, beta), strict=True):
        assert ours.dtype == x.dtype and ours.shape == theirs.shape
        size = 1 + np.abs(theirs.grad.numpy()).max()
        np.testing.assert_allclose(ours / size, theirs.grad.numpy() / size, atol=TOLERANCE[x.dtype])


def test_running_statistics_by_hand():
    x = np.array([[1.0], [3.0], [8.0]])
    y, mean, var = batch_norm(x, [10.0], [2.0], training=True, momentum=0.1)
    assert mean == pytest.approx(0.9 * 10 + 0.1 * 4)
    assert var == pytest.approx(
        0.9 * 2 + 0.1 * (3**2 + 1**2 + 4**2) / (3 - 1)
    )  # unbiased in the running one …
    np.testing.assert_allclose(
        y[:, 0], np.array([-3, -1, 4]) / np.sqrt(26 / 3 + 1e-5)
    )  # … and not for the batch
    y, mean, var = batch_norm(x, [10.0], [4.0], [2.0], [1.0], eps=1e-12)
    np.testing.assert_allclose(y[:, 0], [2 * (1 - 10) / 2 + 1, 2 * (3 - 10) / 2 + 1, 2 * (8 - 10) / 2 + 1])
    assert mean.tolist() == [10] and var.tolist() == [4]


def test_a_far_mean_costs_no_precision():
    x = normal(0, (64, 2), shift=1e6)
    expected = F.batch_norm(torch.tensor(x), None, None, training=True)
    np.testing.assert_allclose(batch_norm(x, None, None, training=True)[0], expected.numpy(), atol=1e-8)


def test_batch_norm_changes_nothing_that_it_is_given():
    mean, var = np.zeros(2), np.ones(2)
    x = normal(0, (4, 2))
    for training in (True, False):
        _, new_mean, new_var = batch_norm(x, mean, var, training=training)
        assert mean.tolist() == [0, 0] and var.tolist() == [1, 1]
        assert not np.shares_memory(mean, new_mean) and not np.shares_memory(var, new_var)


# The layer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_the_layer_equals_torchs(momentum, affine, track):
    ours = BatchNorm2d(3, momentum=momentum, affine=affine, track_running_stats=track)
    theirs = torch.nn.BatchNorm2d(
        3, momentum=momentum, affine=affine, track_running_stats=track, dtype=torch.float64
    )
    if affine:
        ours.weight, ours.bias = normal(1, 3), normal(2, 3)
        with torch.no_grad():
            theirs.weight.copy_(torch.tensor(ours.weight))
            theirs.bias.copy_(torch.tensor(ours.bias))
    else:
        assert ours.weight is None and ours.bias is None
    for step, training in enumerate([True, True, False, True, False]):
        assert ours.train(training) is ours
        theirs.train(training)
        x = normal(step, (2, 3, 4, 5), shift=step)
        equal(ours(x), theirs(torch.tensor(x)))
        if not track:
            assert ours.running_mean is ours.running_var is ours.num_batches_tracked is None
            continue
        equal(ours.running_mean, theirs.running_mean)
        equal(ours.running_var, theirs.running_var)
        assert ours.num_batches_tracked == theirs.num_batches_tracked


def test_the_layer_keeps_the_precision_of_x():
    norm = BatchNorm2d(2)
    assert norm.training
    assert norm(normal(0, (2, 2, 3, 3), np.float32)).dtype == np.float32
    assert norm(np.arange(8).reshape(2, 2, 2, 1)).dtype == np.float64
    assert norm.running_mean.dtype == np.float64
    assert norm.num_batches_tracked == 2
    norm.eval()
    assert not norm.training
    assert norm(np.ones((1, 2, 1, 1))).shape == (1, 2, 1, 1)  # one value is enough here
    assert norm.num_batches_tracked == 2


def test_a_refused_batch_leaves_the_layer_as_it_was():
    norm = BatchNorm2d(2)
    with pytest.raises(ValueError, match="more than one value for each channel"):
        norm(np.ones((1, 2, 1, 1)))
    assert norm.num_batches_tracked == 0 and norm.running_mean.tolist() == [0, 0]


# Layer, group and instance norm --------------------------------------------------------------------------------


@examples
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.data(), seeds, dtypes)
def test_layer_norm_and_its_gradient_equal_torch(shape, data, seed, dtype):
    last = shape[-data.draw(st.integers(1, len(shape))) :]
    x, weight, bias = (normal(seed + i, s, dtype) for i, s in enumerate((shape, last, last)))
    grad_output = normal(seed + 3, shape, dtype)
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    y = F.layer_norm(leaves[0], last, *leaves[1:], 1e-2)
    y.backward(torch.tensor(grad_output))
    equal(layer_norm(x, last, weight, bias, 1e-2), y)
    for ours, leaf in zip(layer_norm_backward(grad_output, x, last, weight, 1e-2), leaves, strict=True):
        equal(ours, leaf.grad)
    equal(layer_norm(x, last), F.layer_norm(torch.tensor(x), last))
    if len(last) == 1:
        assert np.array_equal(layer_norm(x, last[0]), layer_norm(x, last))


@examples
@given(st.data(), seeds, dtypes)
def test_group_norm_and_instance_norm_equal_torch(data, seed, dtype):
    G, per_group, N = (data.draw(st.integers(1, 3)) for _ in range(3))
    pixels = data.draw(
        st.sampled_from([(), (2,), (1, 3), (2, 2), (1, 2, 2)] if per_group > 1 else [(3,), (2, 3)])
    )
    C = G * per_group
    x, weight, bias = (normal(seed + i, s, dtype) for i, s in enumerate(((N, C, *pixels), C, C)))
    there = [torch.tensor(array) for array in (x, weight, bias)]
    equal(group_norm(x, G, weight, bias, 1e-3), F.group_norm(there[0], G, *there[1:], 1e-3))
    equal(group_norm(x, G), F.group_norm(there[0], G))
    if len(pixels) in (1, 2) and np.prod(pixels) > 1:
        theirs = F.instance_norm(there[0], weight=there[1], bias=there[2], eps=1e-3)
        equal(instance_norm(x, weight=weight, bias=bias, eps=1e-3), theirs)
        equal(instance_norm(x), F.instance_norm(there[0]))


def test_which_numbers_share_a_mean():
    x = normal(0, (3, 4, 5, 6), shift=7, scale=3)
    batch, *_ = batch_norm(x, None, None, training=True)
    means = {
        (0, 2, 3): batch,
        (1, 2, 3): layer_norm(x, (4, 5, 6)),
        (2, 3): instance_norm(x),
        (2, 3, 4): group_norm(x, 2).reshape(3, 2, 2, 5, 6),
    }
    for axes, y in means.items():
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.std(axis=axes), 1, atol=1e-5)
    np.testing.assert_allclose(group_norm(x, 1), layer_norm(x, (4, 5, 6)), atol=1e-12)
    np.testing.assert_allclose(group_norm(x, 4), instance_norm(x), atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_the_gradients_are_the_differences_of_the_values(training):
    x, weight, g, h = normal(0, (3, 2, 2)), normal(1, 2), normal(2, (3, 2, 2)), 1e-6
    mean, var = normal(3, 2), positive(4, 2)
    running = {"training": training, "running_mean": mean, "running_var": var}
    batch = lambda x: batch_norm(x, mean, var, weight, training=training)[0]  # noqa: E731
    layer = lambda x: layer_norm(x, (2, 2))  # noqa: E731
    for f, grad_x in (
        (batch, batch_norm_backward(g, x, weight, **running)[0]),
        (layer, layer_norm_backward(g, x, (2, 2))[0]),
    ):
        slopes = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[place] = h
            slopes[place] = (g * (f(x + step) - f(x - step))).sum() / (2 * h)
        np.testing.assert_allclose(grad_x, slopes, rtol=1e-6, atol=1e-7)


# Local response norm -------------------------------------------------------------------------------------------


@examples
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 7)),
    st.sampled_from([(3,), (2, 3), (1, 2, 2)]),
    st.integers(1, 9),
    st.sampled_from([(1e-4, 0.75, 1.0), (2.0, 0.5, 2.0), (1.0, 1.0, 0.1)]),
    seeds,
    dtypes,
)
def test_local_response_norm_equals_torch(lead, pixels, size, constants, seed, dtype):
    x = normal(seed, (*lead, *pixels), dtype, scale=5)
    equal(local_response_norm(x, size, *constants), F.local_response_norm(torch.tensor(x), size, *constants))


def test_the_papers_alpha_is_torchs_over_n():
    # Krizhevsky et al. 2012, 3.3: b_i = a_i / (k + α Σ a_j²)^β, j from max(0, i − n/2) to min(N − 1, i + n/2)
    a, k, n, alpha, beta = normal(0, (1, 8, 2, 2), scale=50), 2, 5, 1e-4, 0.75
    b = np.empty_like(a)
    for i in range(8):
        near = a[:, max(0, i - n // 2) : min(7, i + n // 2) + 1]
        b[:, i] = a[:, i] / (k + alpha * (near**2).sum(axis=1)) ** beta
    np.testing.assert_allclose(local_response_norm(a, n, alpha=n * alpha, beta=beta, k=k), b, rtol=1e-12)
    assert np.abs(local_response_norm(a, n, alpha, beta, k) - b).max() > 1


# What comes in and what goes out -------------------------------------------------------------------------------


def test_precision():
    x, ones = normal(0, (4, 3, 2, 2), np.float32), np.ones(3)
    assert group_norm(x, 3, ones).dtype == batch_norm(x, ones, ones)[0].dtype == np.float64
    assert layer_norm(np.arange(6).reshape(2, 3), 3).dtype == np.float64


def test_empty_batches():
    x = np.zeros((0, 4, 2, 2))
    assert batch_norm(x, np.zeros(4), np.ones(4))[0].shape == x.shape
    assert (
        layer_norm(x, (4, 2, 2)).shape == group_norm(x, 2).shape == local_response_norm(x, 3).shape == x.shape
    )


def test_every_public_name_is_exported():
    public = {
        n for n, f in vars(normalization).items() if getattr(f, "__module__", "") == normalization.__name__
    }
    public = {name for name in public if not name.startswith("_")}
    assert len(public) == 8
    for name in public:
        assert getattr(scratch, name) is getattr(normalization, name)
        assert name in scratch.__all__


X, ZERO, ONE = np.zeros((2, 4, 3, 3)), np.zeros(4), np.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: batch_norm(np.ones((1, 4, 1, 1)), ZERO, ONE, training=True),
            ValueError,
            r"x must have more than one value for each channel in training, got shape \(1, 4, 1, 1\)",
        ),
        (lambda: batch_norm_backward(np.ones((1, 4)), np.ones((1, 4))), ValueError, "more than one value for each"),
        (lambda: batch_norm(X[:0], ZERO, ONE, training=True), ValueError, "more than one value for each channel"),
        (lambda: batch_norm(X, None, None), ValueError, "running_mean and running_var must be given .* got None"),
        (lambda: batch_norm(X, ZERO, -ONE), ValueError, r"running_var must be at least 0, got \[-1"),
        (lambda: batch_norm(X, ZERO[:3], ONE), ValueError, r"running_mean must have shape \(4,\), one .* \(3,\)"),
        (lambda: batch_norm(X, ZERO, ONE, np.ones((4, 1))), ValueError, r"weight must have shape \(4,\), one number"),
        (lambda: batch_norm(X, ZERO, ONE, None, np.ones(1)), ValueError, r"bias must have shape \(4,\), one number"),
        (lambda: batch_norm(X, ZERO, ONE, training=1), TypeError, "training must be True or False, got 1"),
        (lambda: batch_norm(X, ZERO, ONE, momentum=2), ValueError, "momentum must be .* at most 1, got 2"),
        (lambda: batch_norm(X, ZERO, ONE, eps=0), ValueError, "eps must be above 0, got 0"),
        (lambda: batch_norm(X, ZERO, ONE, eps=-1), ValueError, "eps must be above 0, got -1"),
        (lambda: batch_norm(ONE, ZERO, ONE), ValueError, r"x must have shape \(N, C\) or .* got 1 dimensions"),
        (lambda: batch_norm(np.ones((2, 0)), [], []), ValueError, r"at least one channel, got shape \(2, 0\)"),
        (lambda: batch_norm([["a"]], ZERO, ONE), TypeError, "x must be an array of real numbers"),
        (lambda: batch_norm_backward(X[:1], X), ValueError, r"grad_output must have shape \(2, 4, 3, 3\), that of x"),
        (lambda: batch_norm_backward(X, X, training=False), ValueError, "running_mean and running_var must be given"),
        (lambda: BatchNorm2d(0), ValueError, "num_features must be at least 1, got 0"),
        (lambda: BatchNorm2d(4, affine=None), TypeError, "affine must be True or False, got None"),
        (lambda: BatchNorm2d(4, track_running_stats="no"), TypeError, "track_running_stats must be True or False"),
        (lambda: BatchNorm2d(4, momentum="slow"), TypeError, "momentum must be a number, got 'slow'"),
        (lambda: BatchNorm2d(4, eps=0), ValueError, "eps must be above 0, got 0"),
        (lambda: BatchNorm2d(3)(X), ValueError, r"x must have 3 channels, got 4 in shape \(2, 4, 3, 3\)"),
        (lambda: BatchNorm2d(4)(X[0]), ValueError, r"x must have shape \(N, C, H, W\), got 3 dimensions"),
        (lambda: BatchNorm2d(4).train("yes"), TypeError, "mode must be True or False, got 'yes'"),
        (lambda: layer_norm(X, (4, 3)), ValueError, r"must be the last sizes of x, of shape .* got \(4, 3\)"),
        (lambda: layer_norm(X, ()), ValueError, r"normalized_shape must be a tuple of integers, got \(\)"),
        (lambda: layer_norm(ONE, (1, 4)), ValueError, r"normalized_shape must be the last sizes of x, .* got \(1, 4\)"),
        (lambda: layer_norm(X, 3.0), TypeError, "normalized_shape must be an integer, got 3.0"),
        (lambda: layer_norm(X, 3, np.ones(4)), ValueError, r"weight must have shape \(3,\), normalized_shape, got"),
        (lambda: layer_norm_backward(X[0], X, 3), ValueError, r"grad_output must have shape \(2, 4, 3, 3\), that of x"),
        (lambda: group_norm(X, 3), ValueError, "num_groups must divide the 4 channels of x, got 3"),
        (lambda: group_norm(X, 0), ValueError, "num_groups must be at least 1, got 0"),
        (lambda: group_norm(np.ones((2, 4)), 4), ValueError, r"more than one value in each group, got shape \(2, 4\)"),
        (lambda: group_norm(ONE, 1), ValueError, r"x must have shape \(N, C, …\) .* got shape \(4,\)"),
        (lambda: instance_norm(X[:, :, :1, :1]), ValueError, r"more than one pixel, got shape \(2, 4, 1, 1\)"),
        (lambda: instance_norm(X, weight=np.ones(3)), ValueError, r"weight must have shape \(4,\)"),
        (lambda: instance_norm(X[:, :, 0, 0]), ValueError, r"x must have shape \(N, C, L\) or \(N, C, H, W\)"),
        (lambda: local_response_norm(X, 0), ValueError, "size must be at least 1, got 0"),
        (lambda: local_response_norm(X, 5, k=0), ValueError, "k must be above 0, got 0"),
        (lambda: local_response_norm(X, 5, alpha=-1), ValueError, "alpha must be at least 0, got -1"),
        (lambda: local_response_norm(X, 5, beta="1"), TypeError, "beta must be a number, got '1'"),
        (lambda: local_response_norm(X[:, :, 0, 0], 5), ValueError, "at least one axis for pixels, got shape"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_the_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
