"""cnncourse.scratch.regularization against torch with the same mask, autograd, and what chance must give."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional as F

from cnncourse import scratch
from cnncourse.scratch import regularization
from cnncourse.scratch.regularization import (
    drop_connect,
    drop_connect_backward,
    drop_path,
    drop_path_backward,
    dropout,
    dropout_backward,
    elastic_net_penalty,
    elastic_net_penalty_backward,
    l1_penalty,
    l1_penalty_backward,
    l2_penalty,
    l2_penalty_backward,
)

examples = settings(max_examples=40, deadline=None)
dtypes = st.sampled_from([np.float32, np.float64])
rates = st.sampled_from([0, 0.1, 0.5, 0.9, 1])
seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(seed, shape, dtype=np.float64):
    x = np.asarray(rng(seed).standard_normal(shape)).astype(dtype)
    x.setflags(write=False)
    return x


def equal(ours, theirs):
    theirs = theirs.detach().numpy()
    tolerance = 1e-5 if ours.dtype == np.float32 else 1e-9
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, strict=True)


def check_mask(mask, p):
    allowed = [0, 1 / (1 - p)] if p < 1 else [0]
    assert np.isclose(mask[..., None], allowed).any(axis=-1).all()


# The three droppings -------------------------------------------------------------------------------------------


@examples
@given(arrays.array_shapes(min_dims=0, min_side=0, max_side=4), rates, dtypes, seeds)
def test_dropout_and_its_gradient(shape, p, dtype, seed):
    x, grad_output = normal(seed, shape, dtype), normal(seed + 1, shape, dtype)
    y, mask = dropout(x, p, rng=rng(seed), return_mask=True)
    assert mask.shape == y.shape == shape and mask.dtype == dtype
    check_mask(mask, p)
    leaf = torch.tensor(x, requires_grad=True)
    there = leaf * torch.tensor(mask != 0) / (1 - p if p < 1 else 1)  # torch's formula, with our draw
    there.backward(torch.tensor(grad_output))
    equal(np.asarray(y), there)
    equal(np.asarray(dropout_backward(grad_output, mask)), leaf.grad)
    np.testing.assert_array_equal(dropout(x, p, rng=rng(seed)), y)  # the generator decides, and nothing else


@examples
@given(st.integers(0, 4), st.integers(1, 4), st.integers(1, 4), rates, st.booleans(), dtypes, seeds)
def test_drop_connect_and_its_gradient_equal_torch(N, I, O, p, biased, dtype, seed):
    x, weight, grad_output = (normal(seed + i, s, dtype) for i, s in enumerate([(N, I), (O, I), (N, O)]))
    bias = normal(seed + 3, O, dtype) if biased else None
    y, mask = drop_connect(x, weight, bias, p, rng=rng(seed), return_mask=True)
    check_mask(mask, p)
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, weight, np.zeros(O, dtype))]
    if biased:
        leaves[2] = torch.tensor(bias, requires_grad=True)
    there = F.linear(leaves[0], leaves[1] * torch.tensor(mask), leaves[2])
    there.backward(torch.tensor(grad_output))
    equal(y, there)
    for ours, leaf in zip(drop_connect_backward(grad_output, x, weight, mask), leaves, strict=True):
        equal(ours, leaf.grad)
    np.testing.assert_array_equal(drop_connect(x, weight, bias, p, rng=rng(seed)), y)


@examples
@given(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5), rates, dtypes, seeds)
def test_drop_path_drops_whole_examples(shape, p, dtype, seed):
    x, grad_output = normal(seed, shape, dtype), normal(seed + 1, shape, dtype)
    y, mask = drop_path(x, p, rng=rng(seed), return_mask=True)
    assert mask.shape == (shape[0], *(1,) * (len(shape) - 1)) and y.dtype == mask.dtype == dtype
    check_mask(mask, p)
    for n in range(shape[0]):
        factor = 0 if not mask[n].item() else 1 / (1 - p)
        np.testing.assert_allclose(y[n], factor * x[n], rtol=1e-6)
    leaf = torch.tensor(x, requires_grad=True)
    (leaf * torch.tensor(mask)).backward(torch.tensor(grad_output))
    equal(drop_path_backward(grad_output, mask), leaf.grad)
    np.testing.assert_array_equal(drop_path(x, p, rng=rng(seed)), y)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_a_part_p_is_dropped_and_the_mean_is_kept(p):
    n = 40_000
    for mask in (
        dropout(np.ones(n), p, rng=rng(), return_mask=True)[1],
        drop_path(np.ones((n, 2)), p, rng=rng(1), return_mask=True)[1],
        drop_connect(np.ones((1, 200)), np.ones((200, 200)), None, p, rng=rng(2), return_mask=True)[1],
    ):
        assert (mask == 0).mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / n))
        assert mask.mean() == pytest.approx(1, abs=5 * np.sqrt(p / (1 - p) / n))
    # torch and torchvision scale alike.
    torch.manual_seed(0)
    theirs = F.dropout(torch.ones(1000, dtype=torch.float64), p)
    assert np.unique(dropout(np.ones(1000), p, rng=rng())).tolist() == pytest.approx(theirs.unique().tolist())
    theirs = torchvision.ops.stochastic_depth(torch.ones(1000, 2, dtype=torch.float64), p, "row")
    assert np.unique(drop_path(np.ones((1000, 2)), p, rng=rng())).tolist() == pytest.approx(
        theirs.unique().tolist()
    )
    assert (theirs[:, 0] == theirs[:, 1]).all()


def test_neighbors_are_dropped_on_their_own():
    mask = dropout(np.ones((200, 200)), rng=rng(), return_mask=True)[1] / 2
    for shifted in (mask[1:] * mask[:-1], mask[:, 1:] * mask[:, :-1]):
        assert shifted.mean() == pytest.approx(1 / 4, abs=0.01)


def test_outside_training_nothing_is_drawn():
    x, weight, bias = normal(0, (3, 4)), normal(1, (2, 4)), normal(2, 2)
    generator = rng(5)
    state = generator.bit_generator.state
    for source in ({}, {"rng": None}, {"rng": generator}):
        for drop in (dropout, drop_path):
            y, mask = drop(x, 0.9, training=False, **source, return_mask=True)
            np.testing.assert_array_equal(y, x)
            assert not np.shares_memory(y, x) and (mask == 1).all()
        y, mask = drop_connect(x, weight, bias, 0.9, False, **source, return_mask=True)
        np.testing.assert_array_equal(y, x @ weight.T + bias)
        assert mask.shape == weight.shape and (mask == 1).all()
    assert generator.bit_generator.state == state
    assert dropout([1, 2, 3], training=False).dtype == np.float64


# Penalties -----------------------------------------------------------------------------------------------------


@examples
@given(
    arrays.array_shapes(min_dims=0, min_side=0, max_side=4), st.sampled_from([0, 1e-3, 2.5]), dtypes, seeds
)
def test_penalties_and_their_gradients_equal_autograd(shape, strength, dtype, seed):
    w = np.array(normal(seed, shape, dtype))
    w[np.abs(w) < 0.1] = 0  # where |w| has its kink
    w.setflags(write=False)
    cases = [
        (l1_penalty, l1_penalty_backward, {"strength": strength}, lambda w: strength * w.abs().sum()),
        (l2_penalty, l2_penalty_backward, {"strength": strength}, lambda w: strength * (w**2).sum()),
        (
            elastic_net_penalty,
            elastic_net_penalty_backward,
            {"l1": strength, "l2": 0.3},
            lambda w: strength * w.abs().sum() + 0.3 * (w**2).sum(),
        ),
    ]
    for penalty, backward, options, theirs in cases:
        leaf = torch.tensor(w, requires_grad=True)
        expected = theirs(leaf)
        expected.backward()
        value, slope = penalty(w, **options), backward(w, **options)
        assert value.dtype == slope.dtype == dtype
        equal(np.asarray(value), expected)
        equal(np.asarray(slope), leaf.grad)


def test_penalties_by_hand():
    w = [[3, -4], [0, 1]]
    assert l1_penalty(w, 0.5) == 0.5 * (3 + 4 + 0 + 1)
    assert l2_penalty(w, 0.5) == 0.5 * (9 + 16 + 0 + 1)
    assert elastic_net_penalty(w, l1=0.5, l2=2) == 0.5 * 8 + 2 * 26
    assert l1_penalty_backward(w, 0.5).tolist() == [[0.5, -0.5], [0, 0.5]]
    assert l2_penalty_backward(w, 0.5).tolist() == [[3, -4], [0, 1]]  # 2λ = 1
    assert elastic_net_penalty_backward(w, l1=0.5, l2=2).tolist() == [[12.5, -16.5], [0, 4.5]]


def test_weight_decay_is_half_an_l2_penalty():
    w, decay, lr = normal(0, 5), 0.3, 0.1
    leaf = torch.nn.Parameter(torch.tensor(w))
    leaf.grad = torch.zeros_like(leaf)
    torch.optim.SGD([leaf], lr=lr, weight_decay=decay).step()
    np.testing.assert_allclose(w - lr * l2_penalty_backward(w, decay / 2), leaf.detach().numpy(), rtol=1e-12)


# What comes in and what goes out -------------------------------------------------------------------------------


def test_every_public_name_is_exported():
    public = {
        n for n, f in vars(regularization).items() if getattr(f, "__module__", "") == regularization.__name__
    }
    public = {name for name in public if not name.startswith("_")}
    kinds = ("dropout", "drop_connect", "drop_path", "l1_penalty", "l2_penalty", "elastic_net_penalty")
    assert public == {kind + end for kind in kinds for end in ("", "_backward")}
    for name in public:
        assert getattr(scratch, name) is getattr(regularization, name)
        assert name in scratch.__all__


X, W = np.ones((2, 3)), np.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dropout(X, 1.5, rng=rng()), ValueError, "p must be at least 0 and at most 1, got 1.5"),
        (lambda: dropout(X, -0.1, rng=rng()), ValueError, "p must be at least 0 and at most 1, got -0.1"),
        (lambda: dropout(X, np.nan, training=False, rng=None), ValueError, "p must be a finite number, got nan"),
        (lambda: dropout(X, "half", rng=rng()), TypeError, "p must be a number, got 'half'"),
        (lambda: dropout(X, 0.5, 1, rng=rng()), TypeError, "training must be True or False, got 1"),
        (lambda: dropout(X), TypeError, r"rng must be a numpy\.random\.Generator, got None"),
        (lambda: dropout(X, training=False, rng=0), TypeError, r"rng must be a numpy\.random\.Generator, got 0"),
        (lambda: dropout(X, rng=rng(), return_mask="yes"), TypeError, "return_mask must be True or False, got 'yes'"),
        (lambda: dropout([[1], [1, 2]], rng=rng()), TypeError, "x must be an array of real numbers"),
        (lambda: dropout_backward(X, X[:1]), ValueError, r"mask must have shape \(2, 3\), that of grad_output, got"),
        (lambda: drop_connect(X, W.T, rng=rng()), ValueError, r"weight must have shape \(3, 3\), one column for each"),
        (lambda: drop_connect(X[0], W, rng=rng()), ValueError, r"x must have shape \(N, I\), got 1 dimensions"),
        (lambda: drop_connect(X, W[0], rng=rng()), ValueError, r"weight must have shape \(O, I\), got 1 dimensions"),
        (lambda: drop_connect(X, W, X, rng=rng()), ValueError, r"bias must have shape \(4,\), one number for each"),
        (lambda: drop_connect(X, W, p=2, rng=rng()), ValueError, "p must be at least 0 and at most 1, got 2"),
        (lambda: drop_connect_backward(X, X, W, W), ValueError, r"grad_output must have shape \(2, 4\), that of"),
        (lambda: drop_connect_backward(X @ W.T, X, W, X), ValueError, r"mask must have shape \(4, 3\), that of weight"),
        (lambda: drop_path(3.0, rng=rng()), ValueError, r"x must have shape \(N, …\), got a single number"),
        (lambda: drop_path(X, rng=np.random), TypeError, r"rng must be a numpy\.random\.Generator, got <module"),
        (lambda: drop_path_backward(X, X), ValueError, r"mask must have shape \(2, 1\), one number for each example"),
        (lambda: drop_path_backward(3.0, X), ValueError, r"grad_output must have shape \(N, …\), got a single number"),
        (lambda: l1_penalty(W, -1), ValueError, "strength must be at least 0, got -1"),
        (lambda: l2_penalty(W, None), TypeError, "strength must be a number, got None"),
        (lambda: l2_penalty_backward(W, np.inf), ValueError, "strength must be a finite number, got inf"),
        (lambda: l1_penalty_backward(None, 1), TypeError, "w must be an array of real numbers, got None"),
        (lambda: elastic_net_penalty(W, l1=-1, l2=0), ValueError, "l1 must be at least 0, got -1"),
        (lambda: elastic_net_penalty_backward(W, l1=1, l2=-2), ValueError, "l2 must be at least 0, got -2"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_the_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
