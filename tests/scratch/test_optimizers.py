"""cnncourse.scratch.optimizers against torch.optim, closed forms, and arithmetic left visible."""

import copy
import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.scratch import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

ALL = [SGD, Adagrad, RMSprop, Adam, AdamW]
# What concerns torch's own machinery and not the mathematics.
MACHINERY = {"self", "params", "foreach", "capturable", "differentiable", "fused"}

examples = settings(max_examples=25, deadline=None)

# The settings that hypothesis draws, per optimizer.
rates = st.sampled_from([0, 1e-4, 1e-3, 0.03, 0.1])


def zero_or(*values):
    return st.sampled_from([0, *values])


# Where beta2 or alpha is 0 a step is the sign of the gradient, and near 0 rounding decides: so from 0.3 on.
shared = {"lr": rates, "weight_decay": zero_or(1e-4, 0.1), "maximize": st.booleans()}
adams = shared | {
    "betas": st.sampled_from([(0.9, 0.999), (0.0, 0.9), (0.8, 0.3), (0.99, 0.95)]),
    "eps": st.sampled_from([1e-8, 1e-3]),
    "amsgrad": st.booleans(),
}
SETTINGS = {
    SGD: st.one_of(
        st.fixed_dictionaries(shared | {"momentum": zero_or(0.5, 0.9), "dampening": zero_or(0.3, -0.5, 1)}),
        st.fixed_dictionaries(
            shared | {"momentum": st.sampled_from([0.5, 0.9, 0.99]), "nesterov": st.booleans()}
        ),
    ),
    Adagrad: st.fixed_dictionaries(
        shared
        | {
            "lr_decay": zero_or(0.01),
            "initial_accumulator_value": zero_or(0.5),
            "eps": st.sampled_from([1e-10, 1e-3]),
        }
    ),
    RMSprop: st.fixed_dictionaries(
        shared
        | {
            "alpha": st.sampled_from([0.3, 0.5, 0.9, 0.99]),
            "eps": st.sampled_from([1e-8, 1e-3]),
            "momentum": zero_or(0.9),
        }
    ),
    Adam: st.fixed_dictionaries(adams | {"decoupled_weight_decay": st.booleans()}),
    AdamW: st.fixed_dictionaries(adams),
}


def walks(ours, theirs, steps, dtype=np.float64, change=None):
    """The same gradients for both, a pull that depends on where they are plus noise → yields both points."""
    rng = np.random.default_rng(0)
    params = {"weight": rng.normal(size=(2, 3)).astype(dtype), "bias": rng.normal(size=()).astype(dtype)}
    tensors = {key: torch.from_numpy(np.array(p)) for key, p in params.items()}
    theirs = theirs(list(tensors.values()))
    for i in range(steps):
        noise = {key: rng.normal(size=p.shape).astype(dtype) for key, p in params.items()}
        grads = {key: params[key] * dtype(0.05) + noise[key] for key in params}
        for key, tensor in tensors.items():
            tensor.grad = tensor * 0.05 + torch.from_numpy(np.array(noise[key]))
        if change and i == steps // 2:
            ours.lr = theirs.param_groups[0]["lr"] = change
        params = ours.step(params, grads)
        theirs.step()
        yield params, {key: tensor.numpy() for key, tensor in tensors.items()}


def agree(ours, theirs, steps=300, rtol=1e-9, atol=1e-11, **how):
    for step, (got, wanted) in enumerate(walks(ours, theirs, steps, **how)):
        for key in wanted:
            message = f"{key} after step {step + 1}"
            np.testing.assert_allclose(got[key], wanted[key], rtol, atol, err_msg=message)
            assert got[key].dtype == wanted[key].dtype
            assert got[key].shape == wanted[key].shape


# The same as torch ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@examples
@given(data=st.data())
def test_equals_torch_over_many_steps(kind, data):
    chosen = data.draw(SETTINGS[kind])
    theirs = getattr(torch.optim, kind.__name__)
    agree(kind(**chosen), lambda params: theirs(params, **chosen, foreach=False), change=0.02)


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_centered_rmsprop_equals_torch(momentum, weight_decay):
    # At alpha = 0, s − m² is rounding alone, so alphas that leave something.
    for alpha in (0.5, 0.9, 0.99):
        chosen = dict(alpha=alpha, momentum=momentum, weight_decay=weight_decay, centered=True, eps=1e-4)
        agree(RMSprop(**chosen), lambda params, c=chosen: torch.optim.RMSprop(params, **c, foreach=False))


@pytest.mark.parametrize("kind", ALL)
def test_equals_torch_with_the_defaults_for_1000_steps(kind):
    theirs = getattr(torch.optim, kind.__name__)
    agree(kind(), lambda params: theirs(params, foreach=False), steps=1000)


@pytest.mark.parametrize("kind", ALL)
def test_has_torchs_arguments_and_defaults(kind):
    def arguments(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in parameters if p.name not in MACHINERY]

    theirs = arguments(getattr(torch.optim, kind.__name__).__init__)
    assert dict(arguments(kind.__init__)) == dict(theirs)
    # By position too, as far as no machinery comes between.
    positional = [name for name, _ in arguments(kind.__init__) if name not in ("maximize",)]
    assert positional == [name for name, _ in theirs if name != "maximize"]


@pytest.mark.parametrize("kind", ALL)
def test_float32_stays_float32(kind):
    theirs = getattr(torch.optim, kind.__name__)
    chosen = {"weight_decay": 0.01}
    agree(
        kind(**chosen),
        lambda params: theirs(params, **chosen, foreach=False),
        steps=50,
        rtol=1e-4,
        atol=1e-5,
        dtype=np.float32,
    )
    optimizer = kind(lr=np.float64(0.1))  # a rate from a NumPy schedule widens nothing
    for _ in range(2):
        assert optimizer.step(np.ones(3, np.float32), np.ones(3, np.float32)).dtype == np.float32
    for optimizer in (SGD(momentum=0.9), RMSprop(centered=True, momentum=0.9), Adam(amsgrad=True)):
        for _ in range(2):
            assert optimizer.step(np.ones(3, np.float32), np.ones(3, np.float32)).dtype == np.float32
        kept = next(iter(optimizer.state.values()))[1]
        assert all(value.dtype == np.float32 for value in kept.values() if isinstance(value, np.ndarray))


def test_integers_are_computed_in_float64():
    assert SGD(lr=0.5).step([1, 2], [1, 1]).tolist() == [0.5, 1.5]
    assert SGD(lr=0.5).step(np.uint8([1, 2]), np.uint8([2, 4])).tolist() == [0, 0]
    assert SGD(lr=1).step(np.float32([1]), np.float64([1 / 3])).dtype == np.float64


# Arithmetic left visible ---------------------------------------------------------------------------------------


def test_gradient_descent_on_a_parabola():
    # x² + 2x + 1 = (x + 1)² has slope 2(x + 1): with lr 0.1 each step leaves 1 − 0.2 of x + 1.
    optimizer, x = SGD(lr=0.1), 5.0
    history = [x]
    for _ in range(20):
        x = optimizer.step(x, 2 * x + 2)
        history.append(x)
    assert history[1] == pytest.approx(5 - 0.1 * 12)
    assert history == pytest.approx([-1 + 6 * 0.8**n for n in range(21)])
    assert [round(x, 3) for x in history[19:]] == [-0.914, -0.931]  # after 19 steps, and after all 20


def test_momentum_by_hand():
    optimizer = SGD(lr=0.1, momentum=0.9)
    p = optimizer.step(np.array([1.0]), np.array([2.0]))
    assert p.item() == pytest.approx(1 - 0.1 * 2)
    p = optimizer.step(p, np.array([3.0]))
    assert p.item() == pytest.approx(0.8 - 0.1 * (0.9 * 2 + 3))


def test_nesterov_and_dampening_by_hand():
    nesterov = SGD(lr=0.1, momentum=0.9, nesterov=True)
    assert nesterov.step(np.array([1.0]), np.array([2.0])).item() == pytest.approx(1 - 0.1 * (2 + 0.9 * 2))
    damped = SGD(lr=0.1, momentum=0.9, dampening=0.5)
    p = damped.step(np.array([1.0]), np.array([2.0]))
    assert p.item() == pytest.approx(1 - 0.1 * 2)  # the first velocity is the whole gradient
    assert damped.step(p, np.array([4.0])).item() == pytest.approx(0.8 - 0.1 * (0.9 * 2 + 0.5 * 4))


@pytest.mark.parametrize("g", [1.0, -1.0, 1000.0, 1e-4, -3e7])
def test_adams_first_step_is_the_learning_rate(g):
    step = Adam(lr=0.01).step(np.zeros(1), np.array([g])).item()
    assert step == pytest.approx(-0.01 * g / (abs(g) + 1e-8), rel=1e-12)
    assert step == pytest.approx(-math.copysign(0.01, g), rel=1.1e-4)  # ε is 1/10,000 of the smallest g here
    # Without the corrections it would be √10 times as large: 0.1·g / √(0.001·g²).
    assert 0.1 / math.sqrt(0.001) == pytest.approx(3.162, rel=1e-3)


def test_adagrads_steps_shrink_like_one_over_the_root_of_time():
    optimizer, p = Adagrad(lr=0.1), np.zeros(1)
    for n in range(1, 6):
        new = optimizer.step(p, np.array([7.0]))
        assert (p - new).item() == pytest.approx(0.1 / math.sqrt(n))
        p = new


def test_decoupled_decay_shrinks_by_the_same_share_whatever_the_gradient():
    p, g = np.array([1.0, 1.0]), np.array([1.0, 100.0])
    plain, decoupled = Adam(lr=0.1).step(p, g), AdamW(lr=0.1, weight_decay=0.5).step(p, g)
    np.testing.assert_allclose(decoupled - plain, [-0.1 * 0.5, -0.1 * 0.5])
    # In Adam the decay goes through the division: at the first step it changes next to nothing.
    np.testing.assert_allclose(Adam(lr=0.1, weight_decay=0.5).step(p, g), plain, atol=1e-8)


def test_a_constant_gradient_does_not_make_centered_rmsprop_nan():
    optimizer, p = RMSprop(lr=1e-3, alpha=0.5, centered=True), np.zeros(3)
    for _ in range(200):  # s and m² become equal but for rounding
        p = optimizer.step(p, np.array([0.1, 0.3, 0.7]))
    assert np.isfinite(p).all()
    tensor = torch.zeros(3, dtype=torch.float64)
    theirs = torch.optim.RMSprop([tensor], lr=1e-3, alpha=0.5, centered=True, foreach=False)
    for _ in range(200):
        tensor.grad = torch.tensor([0.1, 0.3, 0.7], dtype=torch.float64)
        theirs.step()
    assert tensor.isnan().any()


# What stays as it is -------------------------------------------------------------------------------------------

BUSY = [
    SGD(),
    SGD(momentum=0.9),
    SGD(momentum=0.9, nesterov=True, weight_decay=0.1),
    Adagrad(weight_decay=0.1, maximize=True),
    RMSprop(centered=True, momentum=0.9),
    Adam(amsgrad=True),
    AdamW(maximize=True),
]


@pytest.mark.parametrize("optimizer", BUSY, ids=lambda optimizer: type(optimizer).__name__)
def test_no_argument_is_written_into_and_none_is_kept(optimizer):
    optimizer = optimizer.fresh()
    params = {"a": np.ones(3), "b": np.full((2, 2), 2.0)}
    grads = {"a": np.arange(3.0), "b": np.ones((2, 2))}
    for arrays in (params, grads):
        for array in arrays.values():
            array.flags.writeable = False
    before = copy.deepcopy((params, grads))
    once = optimizer.step(params, grads)
    np.testing.assert_equal((params, grads), before)
    assert list(once) == ["a", "b"]
    for key in params:
        assert not np.shares_memory(once[key], params[key])

    # The caller may do with grads and the result what they like: the next step does not feel it.
    twin = optimizer.fresh()
    mine = {key: g.copy() for key, g in grads.items()}
    result = twin.step(params, mine)
    for key in mine:
        mine[key][:] = 1e9
        result[key][:] = -1e9
    np.testing.assert_equal(twin.step(once, grads), optimizer.step(once, grads))


def test_an_array_and_a_dict_of_it_take_the_same_steps():
    p, g = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    one, other = Adam(lr=0.1), Adam(lr=0.1)
    for _ in range(5):
        np.testing.assert_array_equal(one.step(p, g), other.step({"p": p}, {"p": g})["p"])


def test_fresh_forgets_and_leaves_the_original_alone():
    optimizer = SGD(lr=0.1, momentum=0.9)
    optimizer.step(np.zeros(1), np.ones(1))
    twin = optimizer.fresh()
    assert (twin.lr, twin.momentum, twin.state) == (0.1, 0.9, {})
    twin.lr = 5
    assert twin.step(np.zeros((2, 2)), np.ones((2, 2))).tolist() == [[-5, -5], [-5, -5]]
    assert optimizer.lr == 0.1
    assert optimizer.step(np.zeros(1), np.ones(1)).item() == pytest.approx(-0.1 * 1.9)


def test_a_rule_of_ones_own_needs_only_its_equation():
    class SignDescent(Optimizer):
        def update(self, p, g, state):
            return p - self.lr * np.sign(g), state

    assert SignDescent(lr=0.5).step(np.zeros(3), np.array([3.0, 0, -2])).tolist() == [-0.5, 0, 0.5]
    with pytest.raises(NotImplementedError, match=r"must define update\(p, g, state\)"):
        Optimizer(lr=1).step(np.zeros(1), np.zeros(1))


def test_an_error_changes_nothing():
    optimizer = Adam(lr=0.1)
    params, grads = {"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.ones(2), "b": np.ones(3)}
    params = optimizer.step(params, grads)
    twin = copy.deepcopy(optimizer)
    with pytest.raises(ValueError, match="grads"):
        optimizer.step(params, {"a": np.ones(2), "b": np.ones(4)})
    np.testing.assert_equal(optimizer.step(params, grads), twin.step(params, grads))


# Bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "chosen", "error", "words"),
    [
        (SGD, {"lr": -0.1}, ValueError, "lr must be at least 0, got -0.1"),
        (Adam, {"lr": math.nan}, ValueError, "lr must be a finite number, got nan"),
        (Adam, {"lr": math.inf}, ValueError, "lr must be a finite number, got inf"),
        (SGD, {"lr": "fast"}, TypeError, "lr must be a number, got 'fast' of type str"),
        (SGD, {"lr": True}, TypeError, "lr must be a number, got True"),
        (SGD, {"lr": None}, TypeError, "lr must be a number, got None"),
        (SGD, {"lr": [0.1, 0.2]}, TypeError, r"lr must be a number, got \[0.1, 0.2\] of type list"),
        (SGD, {"momentum": -1}, ValueError, "momentum must be at least 0, got -1"),
        (SGD, {"weight_decay": -1}, ValueError, "weight_decay must be at least 0, got -1"),
        (SGD, {"dampening": "x"}, TypeError, "dampening must be a number"),
        (SGD, {"nesterov": True}, ValueError, "momentum above 0 and dampening 0, got momentum 0.0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "dampening 0.1"),
        (SGD, {"nesterov": 1}, TypeError, "nesterov must be True or False, got 1"),
        (SGD, {"maximize": "yes"}, TypeError, "maximize must be True or False, got 'yes'"),
        (Adagrad, {"lr_decay": -1}, ValueError, "lr_decay must be at least 0"),
        (
            Adagrad,
            {"initial_accumulator_value": -1},
            ValueError,
            "initial_accumulator_value must be at least 0",
        ),
        (Adagrad, {"eps": -1}, ValueError, "eps must be at least 0"),
        (RMSprop, {"alpha": -0.1}, ValueError, "alpha must be at least 0 and at most 1, got -0.1"),
        (RMSprop, {"alpha": 1.1}, ValueError, "alpha must be at least 0 and at most 1, got 1.1"),
        (RMSprop, {"eps": -1}, ValueError, "eps must be at least 0"),
        (RMSprop, {"momentum": -1}, ValueError, "momentum must be at least 0"),
        (RMSprop, {"centered": None}, TypeError, "centered must be True or False"),
        (Adam, {"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be at least 0 and below 1, got 1.0"),
        (Adam, {"betas": (0.9, -0.1)}, ValueError, r"betas\[1\] must be at least 0 and below 1, got -0.1"),
        (Adam, {"betas": 0.9}, TypeError, "betas must be a pair of numbers, got 0.9"),
        (Adam, {"betas": (0.9,)}, TypeError, r"betas must be a pair of numbers, got \(0.9,\)"),
        (Adam, {"eps": -1}, ValueError, "eps must be at least 0"),
        (Adam, {"amsgrad": 1}, TypeError, "amsgrad must be True or False"),
        (AdamW, {"weight_decay": -1}, ValueError, "weight_decay must be at least 0"),
    ],
)
def test_hyperparameters_are_checked(kind, chosen, error, words):
    with pytest.raises(error, match=words):
        kind(**chosen)


def test_the_learning_rate_is_checked_between_steps_too():
    optimizer = SGD(lr=0.1)
    optimizer.lr = 0.2
    assert optimizer.lr == 0.2
    with pytest.raises(ValueError, match="lr must be at least 0, got -1"):
        optimizer.lr = -1
    assert optimizer.lr == 0.2


@pytest.mark.parametrize(
    ("params", "grads", "error", "words"),
    [
        (np.zeros(2), np.zeros(3), ValueError, r"grads must have the shape of params, \(2,\), got \(3,\)"),
        (np.zeros(2), np.zeros((2, 1)), ValueError, r"grads must have the shape of params"),
        (np.zeros(2), 1.0, ValueError, r"grads must have the shape of params, \(2,\), got \(\)"),
        (
            {"w": np.zeros(2)},
            {"w": np.zeros(3)},
            ValueError,
            r"grads\['w'\] must have the shape of params\['w'\]",
        ),
        (
            {"w": np.zeros(2)},
            {"v": np.zeros(2)},
            ValueError,
            "must have the keys 'w', as params, got the keys 'v'",
        ),
        ({"w": np.zeros(2)}, {}, ValueError, "grads must have the keys 'w', as params, got no keys"),
        (
            {"w": np.zeros(2)},
            np.zeros(2),
            TypeError,
            "must both be arrays or both be dicts, got dict and ndarray",
        ),
        ({}, {}, ValueError, "params must hold at least one array, got an empty dict"),
        (np.zeros(2), None, TypeError, "grads must be an array of real numbers, got None"),
        ("w", np.zeros(2), TypeError, "params must be an array of real numbers"),
        (
            np.zeros(2),
            np.array([1j, 2]),
            TypeError,
            "grads must be an array of real numbers, got dtype complex128",
        ),
    ],
)
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_params_and_grads_must_belong_together(kind, params, grads, error, words):
    with pytest.raises(error, match=words):
        kind().step(params, grads)


@pytest.mark.parametrize("kind", ALL)
def test_other_parameters_need_another_optimizer(kind):
    optimizer = kind()
    optimizer.step({"w": np.zeros(2)}, {"w": np.ones(2)})
    with pytest.raises(
        ValueError, match=r"params\['w'\] must keep the shape of the first step, \(2,\), got \(3,\)"
    ):
        optimizer.step({"w": np.zeros(3)}, {"w": np.ones(3)})
    with pytest.raises(
        ValueError, match="those of the first step, the keys 'w', got the keys 'w', 'b'; other"
    ):
        optimizer.step({"w": np.zeros(2), "b": np.zeros(1)}, {"w": np.ones(2), "b": np.ones(1)})
    with pytest.raises(ValueError, match="the keys 'w', got a single array"):
        optimizer.step(np.zeros(2), np.ones(2))
