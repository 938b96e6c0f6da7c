"""cnncourse.scratch.networks: the gradients of MLP against torch's autograd, and XOR as the sources train it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnncourse.scratch import gradcheck, initialization
from cnncourse.scratch.networks import ACTIVATIONS, INITIALIZATIONS, LOSSES, MLP

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])

TORCH_ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "swish": F.silu,
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,  # F.hardsigmoid's slope is 1/6 in float32 only
}  # the others are in F
TORCH_LOSSES = {"binary_cross_entropy": F.binary_cross_entropy_with_logits}


def rng(seed=0):
    return np.random.default_rng(seed)


def targets(loss, n, out, seed):
    if loss == "cross_entropy":
        return rng(seed).integers(0, out, n)
    return rng(seed).random((n, out))


def torchs(net, x, y):
    """The same network with autograd: logits, loss and gradients."""
    phi = TORCH_ACTIVATIONS.get(net.activation) or getattr(F, net.activation)
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in net.params.items()}
    a = torch.tensor(x)
    for l in range(1, net.depth + 1):
        a = F.linear(a, leaves[f"weight{l}"], leaves[f"bias{l}"])
        a = phi(a) if l < net.depth else a
    loss = (TORCH_LOSSES.get(net.loss) or getattr(F, net.loss))(a, torch.tensor(y))
    loss.backward()
    return a.detach().numpy(), loss.item(), {name: leaf.grad.numpy() for name, leaf in leaves.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(sorted(LOSSES)),
    st.integers(1, 6),
    st.integers(0, 1000),
)
def test_logits_loss_and_gradients_equal_autograds(sizes, activation, loss, n, seed):
    net = MLP(sizes, activation, loss, 1.0, rng=rng(seed))
    net.params = {name: rng(seed + 1).standard_normal(array.shape) for name, array in net.params.items()}
    x, y = rng(seed + 2).standard_normal((n, sizes[0])), targets(loss, n, sizes[-1], seed)
    logits, expected_loss, expected = torchs(net, x, y)
    np.testing.assert_allclose(net.forward(x), logits, rtol=0, atol=1e-9, strict=True)
    found_loss, grads = net.backward(x, y)
    assert type(found_loss) is float
    assert found_loss == pytest.approx(expected_loss, abs=1e-9)
    assert list(grads) == list(net.params)
    for name in expected:
        np.testing.assert_allclose(grads[name], expected[name], rtol=0, atol=1e-9, strict=True)


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gelu"])
def test_the_gradient_check_passes(activation, loss):
    net = MLP((3, 4, 5, 2), activation, loss, rng=rng())
    x, y, names = rng(1).standard_normal((6, 3)), targets(loss, 6, 2, 2), list(net.params)

    def run(*arrays):
        net.params = dict(zip(names, arrays, strict=True))
        return net.backward(x, y)

    arrays = list(net.params.values())
    assert gradcheck(
        lambda *a: run(*a)[0], lambda *a: tuple(run(*a)[1].values()), *arrays, atol=1e-8, rtol=1e-6
    )


def test_one_pass_by_hand():
    """2 → 1 → 1 with ReLU: z₁ = 2·2 + 3·(−1) + 1 = 2, ŷ = 5·2 − 4 = 6, loss (6 − 1)²."""
    net = MLP((2, 1, 1), "relu", "mse_loss", 0, rng=rng())
    net.params = {"weight1": [[2, 3]], "bias1": [1], "weight2": [[5]], "bias2": [-4]}
    loss, grads = net.backward([[2, -1]], [[1]])
    assert net.hidden([[2, -1]])[0].tolist() == [[2]]
    assert net.forward([[2, -1]]).tolist() == [[5 * 2 - 4]]
    assert loss == (6 - 1) ** 2
    assert grads["bias2"].tolist() == [2 * (6 - 1)]
    assert grads["weight2"].tolist() == [[2 * (6 - 1) * 2]]
    assert grads["bias1"].tolist() == [2 * (6 - 1) * 5]
    assert grads["weight1"].tolist() == [[2 * (6 - 1) * 5 * 2, 2 * (6 - 1) * 5 * -1]]


def test_hidden_is_every_layers_output_but_the_last():
    net, x = MLP((2, 5, 4, 3), "tanh", rng=rng()), rng(1).standard_normal((7, 2))
    first, second = net.hidden(x)
    np.testing.assert_allclose(first, np.tanh(x @ net.params["weight1"].T), atol=1e-12)
    np.testing.assert_allclose(second, np.tanh(first @ net.params["weight2"].T), atol=1e-12)
    np.testing.assert_allclose(net.forward(x), second @ net.params["weight3"].T, atol=1e-12)
    assert MLP((2, 3), rng=rng()).hidden(x) == []


def test_predict():
    x = np.array([[1.0, 0], [0, 1], [-1, 0]])
    how = {"weight1": np.eye(2), "bias1": np.zeros(2)}
    for loss, expected in [
        ("cross_entropy", [0, 1, 1]),
        ("binary_cross_entropy", [[1, 0], [0, 1], [0, 0]]),
        ("mse_loss", x.tolist()),
    ]:
        net = MLP((2, 2), "relu", loss, rng=rng())
        net.params = how
        assert net.predict(x).tolist() == expected


def test_the_losses_do_not_overflow():
    for loss, y in [("cross_entropy", [1]), ("binary_cross_entropy", [[0.0, 1.0]])]:
        net = MLP((1, 2), loss=loss, rng=rng())
        net.params = {"weight1": [[1000], [-1000]], "bias1": [0, 0]}
        found, grads = net.backward([[1.0]], y)
        assert found == (2000 if loss == "cross_entropy" else 1000)
        assert all(np.isfinite(grad).all() for grad in grads.values())


# XOR -----------------------------------------------------------------------------------------------------------


def source_start(seed, scale):
    """The draws of the source, in its order: randn(2, 3)·scale, then randn(3, 1)·scale."""
    draw = np.random.RandomState(seed).standard_normal
    weight1, weight2 = draw((2, 3)).T * scale, draw((3, 1)).T * scale
    return {"weight1": weight1, "bias1": np.zeros(3), "weight2": weight2, "bias2": np.zeros(1)}


def train_on_xor(start, epochs=5000, lr=1.0, enough=0.1):
    """The loss after that many steps, or as soon as it is below `enough`."""
    net = MLP((2, 3, 1), "sigmoid", "binary_cross_entropy", rng=rng())
    net.params = start
    for _ in range(epochs):
        loss, grads = net.backward(*XOR)
        if loss < enough:
            break
        net.params = {name: net.params[name] - lr * grads[name] for name in grads}
    return net, net.backward(*XOR)[0]


def test_the_sources_start_never_learns_xor():
    """Source A: 0.01·randn, rate 1, 5000 epochs. The loss stays ln 2 = 0.693147 and every probability 1/2."""
    for seed in (0, 1, 42):
        net, loss = train_on_xor(source_start(seed, 0.01))
        assert round(loss, 6) == round(math.log(2), 6) == 0.693147
        np.testing.assert_allclose(1 / (1 + np.exp(-net.forward(XOR[0]))), 0.5, atol=2e-4)


@pytest.mark.parametrize(("scale", "count"), [(0.1, 9), (0.5, 20), (1.0, 20)])
def test_how_many_of_twenty_starts_learn_xor(scale, count):
    solved = 0
    for seed in range(20):
        net, loss = train_on_xor(source_start(seed, scale))
        solved += loss < 0.1 and np.array_equal(net.predict(XOR[0]), XOR[1])
    assert solved == count


# Construction --------------------------------------------------------------------------------------------------


def test_the_start_is_the_rule_that_was_named():
    for name in INITIALIZATIONS:
        one, net = rng(3), MLP((4, 5, 6), initialization=name, rng=rng(3))
        for l, size in [(1, (5, 4)), (2, (6, 5))]:
            np.testing.assert_array_equal(
                net.params[f"weight{l}"], getattr(initialization, name)(size, rng=one)
            )
            np.testing.assert_array_equal(net.params[f"bias{l}"], np.zeros(size[0]))
    one, net = rng(3), MLP((4, 5, 6), initialization=0.2, rng=rng(3))
    np.testing.assert_array_equal(net.params["weight1"], 0.2 * one.standard_normal((5, 4)))
    np.testing.assert_array_equal(net.params["weight2"], 0.2 * one.standard_normal((6, 5)))
    net = MLP((4, 5, 6), rng=rng(3))
    assert (net.activation, net.loss) == ("tanh", "cross_entropy")
    np.testing.assert_array_equal(net.params["weight1"], initialization.xavier_uniform((5, 4), rng=rng(3)))


def test_nothing_is_written_into():
    net = MLP((2, 3, 1), "relu", "binary_cross_entropy", rng=rng())
    x, y = XOR[0].astype(float), XOR[1].astype(float)
    before = {name: array.copy() for name, array in net.params.items()}
    net.backward(x, y)
    np.testing.assert_array_equal(x, XOR[0])
    np.testing.assert_array_equal(y, XOR[1])
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, before[name])


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


def net_of(loss="cross_entropy", sizes=(2, 3, 2)):
    return MLP(sizes, loss=loss, rng=rng())


X = np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MLP((2,), rng=rng()), ValueError, r"sizes must be .* at least two numbers, got \(2,\)"),
        (lambda: MLP(3, rng=rng()), TypeError, "sizes must be .* got 3"),
        (lambda: MLP((2, 0), rng=rng()), ValueError, r"sizes\[1\] must be at least 1, got 0"),
        (lambda: MLP((2, 1.5), rng=rng()), TypeError, r"sizes\[1\] must be an integer, got 1.5"),
        (
            lambda: MLP((2, 1), "softmax", rng=rng()),
            ValueError,
            "activation must be one of relu.* got 'softmax'",
        ),
        (
            lambda: MLP((2, 1), "relu", "mse", rng=rng()),
            ValueError,
            "loss must be one of cross_entropy.* got 'mse'",
        ),
        (
            lambda: MLP((2, 1), initialization="he", rng=rng()),
            ValueError,
            "initialization must be one of .* got 'he'",
        ),
        (
            lambda: MLP((2, 1), initialization=-1, rng=rng()),
            ValueError,
            "initialization must be at least 0, got -1",
        ),
        (
            lambda: MLP((2, 1), initialization=None, rng=rng()),
            TypeError,
            "initialization must be one of .* got None",
        ),
        (lambda: MLP((2, 1), rng=0), TypeError, "rng must be a numpy.random.Generator, got 0"),
        (lambda: net_of().forward(np.ones(2)), ValueError, r"x must have shape \(N, in\), got 1 dimensions"),
        (
            lambda: net_of().forward(np.ones((4, 3))),
            ValueError,
            r"x must have shape \(4, 2\), one column for each",
        ),
        (
            lambda: net_of().forward(np.ones((0, 2))),
            ValueError,
            "x must have at least one row and finite numbers",
        ),
        (
            lambda: net_of().predict([[math.nan, 1]]),
            ValueError,
            "x must have at least one row and finite numbers",
        ),
        (lambda: net_of().hidden([["a", "b"]]), TypeError, "x must be an array of real numbers"),
        (
            lambda: net_of().backward(X, [0, 1]),
            ValueError,
            r"y must have shape \(4,\), one class number for each row",
        ),
        (
            lambda: net_of().backward(X, np.ones(4)),
            TypeError,
            "y must hold class numbers, .* got dtype float64",
        ),
        (
            lambda: net_of().backward(X, [0, 1, 2, 0]),
            ValueError,
            "y must hold class numbers from 0 to 1, got 0 … 2",
        ),
        (
            lambda: net_of().backward(X, [0, -1, 1, 0]),
            ValueError,
            "y must hold class numbers from 0 to 1, got -1 … 1",
        ),
        (
            lambda: net_of("mse_loss").backward(X, np.ones(4)),
            ValueError,
            r"y must have shape \(4, 2\), that of",
        ),
        (
            lambda: net_of("mse_loss").backward(X, X * math.inf),
            ValueError,
            "y must be finite for mse_loss, got inf",
        ),
        (
            lambda: net_of("binary_cross_entropy").backward(X, X * 2),
            ValueError,
            "y must be from 0 to 1 .* got 2.0",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_params_must_fit():
    net = net_of()
    with pytest.raises(
        TypeError, match=r"params must be a dict with the keys weight1, bias1, weight2, bias2, got \[1"
    ):
        net.params = [1, 2]
    with pytest.raises(ValueError, match=r"params must have the keys weight1.* got weight1, weight2, bias2"):
        net.params = without(net.params, "bias1")
    with pytest.raises(
        ValueError, match=r"params\['weight1'\] must have shape \(3, 2\), for sizes \(2, 3, 2\), got"
    ):
        net.params = net.params | {"weight1": np.ones((2, 3))}
    net.params["bias2"] = np.ones(7)  # behind the setter's back
    with pytest.raises(ValueError, match=r"params\['bias2'\] must have shape \(2,\)"):
        net.forward(X)


def test_divergence_is_reported_and_not_handed_on():
    net = net_of("mse_loss", (2, 3, 2))
    net.params = net.params | {"weight2": np.full((2, 3), math.nan)}
    with pytest.raises(
        FloatingPointError, match="the logits must be finite, got nan: the weights are too large"
    ):
        net.backward(X, X)
    with pytest.raises(FloatingPointError, match="the logits must be finite"):
        net.predict(X)
    net.params = net.params | {"weight2": np.zeros((2, 3)), "bias2": np.full(2, 1e200)}
    with pytest.raises(FloatingPointError, match="the loss must be finite, got inf"):
        net.backward(X, X)
    net.params = net.params | {"weight2": np.full((2, 3), 1e200), "bias2": np.full(2, 1e140)}
    net.params["weight1"][:] = 0
    with pytest.raises(FloatingPointError, match="the gradient of weight1 must be finite, got"):
        net.backward(X, X)
