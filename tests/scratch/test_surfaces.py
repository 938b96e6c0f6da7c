"""cnncourse.scratch.surfaces against SciPy, central differences, closed forms and the plain loop."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.scratch import (
    SGD,
    SURFACES,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    constant,
    converged,
    descend,
    distance,
    numerical_gradient,
    step_decay,
)
from cnncourse.scratch.surfaces import FAR

NAMES = ["bowl", "ravine", "saddle", "rosenbrock", "beale", "himmelblau"]
ROSENBROCK = SURFACES["rosenbrock"]

examples = settings(max_examples=30, deadline=None)


# The surfaces --------------------------------------------------------------------------------------------------


def test_the_surfaces_by_name():
    assert list(SURFACES) == NAMES
    for name, surface in SURFACES.items():
        assert surface.name == name
        (x0, x1), (y0, y1) = surface.window
        assert x0 < surface.start[0] < x1
        assert y0 < surface.start[1] < y1
        for x, y in surface.minima:
            assert x0 < x < x1
            assert y0 < y < y1


def test_heights_by_hand():
    at = {name: surface.value for name, surface in SURFACES.items()}
    assert at["bowl"]([3, 4]) == (9 + 16) / 2
    assert at["ravine"]([2, 3]) == (4 + 50 * 9) / 2
    assert at["saddle"]([3, 2]) == 9 - 4 + 16 / 2
    assert at["rosenbrock"]([2, 3]) == (1 - 2) ** 2 + 100 * (3 - 4) ** 2
    assert at["beale"]([1, 2]) == (1.5 - 1 + 2) ** 2 + (2.25 - 1 + 4) ** 2 + (2.625 - 1 + 8) ** 2
    assert at["himmelblau"]([1, 2]) == (1 + 2 - 11) ** 2 + (1 + 4 - 7) ** 2


def test_rosenbrocks_equals_scipys():
    points = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    np.testing.assert_allclose(ROSENBROCK.value(points), scipy.optimize.rosen(points.T))
    np.testing.assert_allclose(
        ROSENBROCK.gradient(points), [scipy.optimize.rosen_der(p) for p in points], atol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
@examples
@given(across=st.floats(0, 1), up=st.floats(0, 1))
def test_gradients_are_the_slope_of_the_value(name, across, up):
    surface = SURFACES[name]
    (x0, x1), (y0, y1) = surface.window
    point = np.array([x0 + across * (x1 - x0), y0 + up * (y1 - y0)])
    numeric = numerical_gradient(lambda p: surface.value(p), point)
    np.testing.assert_allclose(surface.gradient(point), numeric, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_minima_are_level_and_lowest(name):
    surface = SURFACES[name]
    np.testing.assert_allclose(surface.gradient(surface.minima), 0, atol=1e-12)
    np.testing.assert_allclose(surface.value(surface.minima), surface.minimum_value, atol=1e-25)
    grid = np.stack(np.meshgrid(*(np.linspace(*side, 201) for side in surface.window)), axis=-1)
    assert surface.value(grid).min() >= surface.minimum_value
    # SciPy, from many starts in the window, ends at these minima and at all of them.
    found = set()
    for start in grid[::40, ::40].reshape(-1, 2):
        result = scipy.optimize.minimize(surface.value, start, jac=surface.gradient, method="BFGS")
        if result.fun <= surface.minimum_value + 1e-8:
            near = np.linalg.norm(np.array(surface.minima) - result.x, axis=1)
            assert near.min() < 1e-2
            found.add(int(near.argmin()))
    assert found == set(range(len(surface.minima)))


def test_the_ravine_is_50_times_as_steep_across_and_the_saddle_is_one():
    curvature = np.linalg.eigvalsh(hessian(SURFACES["ravine"], (0.3, 0.2)))
    assert curvature[1] / curvature[0] == pytest.approx(50)
    assert SURFACES["saddle"].gradient([0, 0]).tolist() == [0, 0]
    low, high = np.linalg.eigvalsh(hessian(SURFACES["saddle"], (0, 0)))
    assert (low, high) == pytest.approx((-2, 2))


def hessian(surface, point, h=1e-6):
    point = np.array(point, dtype=float)
    return np.stack(
        [(surface.gradient(point + h * e) - surface.gradient(point - h * e)) / (2 * h) for e in np.eye(2)]
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (0,)])
def test_any_array_of_points(name, shape):
    surface = SURFACES[name]
    points = np.random.default_rng(0).normal(size=(*shape, 2))
    before = points.copy()
    assert surface.value(points).shape == shape
    assert surface.gradient(points).shape == (*shape, 2)
    assert distance(surface, points).shape == shape
    np.testing.assert_array_equal(points, before)
    assert not np.shares_memory(surface.gradient(points), points)
    for index in np.ndindex(*shape):
        np.testing.assert_array_equal(surface.value(points)[index], surface.value(points[index]))
        np.testing.assert_array_equal(surface.gradient(points)[index], surface.gradient(points[index]))
    for array in (surface.value(np.float32(points)), surface.gradient(np.float32(points))):
        assert array.dtype == np.float32


def test_distance_is_to_the_nearest_minimum():
    assert distance(SURFACES["bowl"], (3, 4)) == 5
    assert distance(SURFACES["saddle"], [(0, 3), (0, -3), (4, -4)]).tolist() == [2, 2, 5]
    assert distance(SURFACES["himmelblau"], (3, 2.5)) == 0.5


def test_nobody_changes_a_surface_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROSENBROCK.start = (5, 5)
    with pytest.raises(TypeError, match="item assignment"):
        SURFACES["mine"] = ROSENBROCK


# Descents ------------------------------------------------------------------------------------------------------


def test_a_descent_is_the_plain_loop():
    surface, optimizer, point = SURFACES["beale"], Adam(lr=0.05), np.array([1.0, 1.5])
    path = [point]
    for _ in range(100):
        point = optimizer.step(point, surface.gradient(point))
        path.append(point)
    descent = descend(surface, Adam(lr=0.05), steps=100)
    np.testing.assert_array_equal(descent.path, path)
    np.testing.assert_array_equal(descent.losses, surface.value(path))
    assert descent.path.shape == (101, 2)
    assert descent.losses.shape == (101,)
    assert (descent.diverged, descent.step) == (False, None)
    assert descent.point == tuple(path[-1])
    assert descent.loss == surface.value(path[-1])
    assert descent.surface is surface


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 1.9])
def test_gradient_descent_in_the_bowl_is_a_power(rate):
    descent = descend(SURFACES["bowl"], SGD(lr=rate), start=(3, -4), steps=20)
    powers = (1 - rate) ** np.arange(21)
    np.testing.assert_allclose(descent.path, powers[:, None] * [3, -4], atol=1e-12)
    np.testing.assert_allclose(descent.losses, 25 / 2 * powers**2, atol=1e-12)


# (settings, the loss before the last of 1000 steps, the loss after it)
MEASURED = [
    (SGD(lr=1e-3), 0.106746, 0.106595),
    (SGD(lr=1e-3, momentum=0.9), 2.063e-5, 2.046e-5),
    (Adagrad(lr=0.1), 9.686e-3, 9.663e-3),
]


@pytest.mark.parametrize(("optimizer", "before", "after"), MEASURED, ids=["SGD", "momentum", "Adagrad"])
def test_1000_steps_down_rosenbrocks_valley(optimizer, before, after):
    descent = descend(ROSENBROCK, optimizer, steps=1000)
    assert descent.losses[0] == 1
    assert descent.losses[999] == pytest.approx(before, rel=5e-4)
    assert descent.losses[1000] == descent.loss == pytest.approx(after, rel=5e-4)
    assert not converged(descent)


def test_sgd_ends_halfway_along_the_valley():
    assert descend(ROSENBROCK, SGD(lr=1e-3), steps=1000).point == pytest.approx((0.674, 0.453), abs=5e-4)


def rosenbrock_by_adam(steps, power):
    """Adam in plain floats; power(β, t, the last one) → βᵗ"""
    x, y, m, v, powers = 0.0, 0.0, [0.0, 0.0], [0.0, 0.0], (1.0, 1.0)
    losses = [1.0]
    for t in range(1, steps + 1):
        powers = power(0.9, t, powers[0]), power(0.999, t, powers[1])
        a, b = 1 - x, y - x * x
        moves = []
        for i, g in enumerate([-2 * a - 400 * x * b, 200 * b]):
            m[i] = 0.9 * m[i] + (1 - 0.9) * g
            v[i] = 0.999 * v[i] + (1 - 0.999) * (g * g)
            mean, square = m[i] / (1 - powers[0]), v[i] / (1 - powers[1])
            moves.append(0.01 * mean / (math.sqrt(square) + 1e-8))
        x, y = x - moves[0], y - moves[1]
        a, b = 1 - x, y - x * x
        losses.append(a * a + 100 * b * b)
    return losses


def test_plain_floats_in_the_documented_order_give_the_same_bits():
    descent = descend(ROSENBROCK, Adam(lr=0.01), steps=1000)
    assert descent.losses.tolist() == rosenbrock_by_adam(1000, lambda beta, t, last: last * beta)


def test_adam_finds_rosenbrocks_minimum_and_leaves_it_again_for_a_while():
    # Powers by `pow` change the last bits only. They stay there for 700 steps, to a loss of 1e-11; then Adam jumps
    # out of the minimum and comes back, and what is left after 1000 steps, some 1e-10, depends on those bits.
    descent = descend(ROSENBROCK, Adam(lr=0.01), steps=1000)
    other = np.array(rosenbrock_by_adam(1000, lambda beta, t, last: beta**t))
    np.testing.assert_allclose(descent.losses[:601], other[:601], rtol=1e-9)
    assert converged(descent)
    for losses in (descent.losses, other):
        assert losses[700] < 1e-11
        assert losses[700:].max() > 1e-6
        assert losses[999] < 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("optimizer", "chosen"),
    [
        (SGD(lr=1e-3, momentum=0.9, nesterov=True), dict(lr=1e-3, momentum=0.9, nesterov=True)),
        (Adagrad(lr=0.1), dict(lr=0.1)),
        (RMSprop(lr=1e-3), dict(lr=1e-3)),
        (Adam(lr=0.01), dict(lr=0.01)),
        (AdamW(lr=0.01, weight_decay=0.1), dict(lr=0.01, weight_decay=0.1)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_torch_takes_the_same_path(name, optimizer, chosen):
    # RMSprop zigzags in Rosenbrock's valley, which doubles a difference in rounding every few steps.
    surface, steps = SURFACES[name], 150 if isinstance(optimizer, RMSprop) else 300
    descent = descend(surface, optimizer, steps=steps)
    point = torch.tensor(surface.start, dtype=torch.float64, requires_grad=True)
    theirs = getattr(torch.optim, type(optimizer).__name__)([point], **chosen, foreach=False)
    path = [point.tolist()]
    for _ in range(steps):
        theirs.zero_grad()
        surface.height(point[0], point[1]).backward()  # the formula, differentiated by torch
        theirs.step()
        path.append(point.tolist())
    np.testing.assert_allclose(descent.path, path, rtol=1e-9, atol=1e-9)


def test_a_schedule_sets_the_rate_of_every_step():
    asked = []

    def schedule(step):
        asked.append(step)
        return 1 / (step + 2)

    descent = descend(SURFACES["bowl"], SGD(lr=99), start=(1, 1), steps=3, schedule=schedule)
    assert asked == [0, 1, 2]
    np.testing.assert_allclose(descent.path[:, 0], [1, 1 / 2, 1 / 2 * 2 / 3, 1 / 3 * 3 / 4])
    halved = descend(SURFACES["bowl"], SGD(), (1, 1), 2, step_decay(1, 1, 0.5))
    assert halved.path.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_the_optimizer_passed_in_is_not_written_into_and_starts_afresh():
    optimizer = Adam(lr=0.1)
    optimizer.step(np.zeros(3), np.ones(3))
    kept = optimizer.state
    one = descend(ROSENBROCK, optimizer, steps=50, schedule=constant(0.01))
    assert optimizer.lr == 0.1
    assert optimizer.state is kept
    np.testing.assert_array_equal(one.path, descend(ROSENBROCK, Adam(lr=0.01), steps=50).path)
    start = np.array([0.5, 0.5])
    descend(ROSENBROCK, optimizer, start, steps=5)
    assert start.tolist() == [0.5, 0.5]


def test_a_descent_is_read_only():
    start = np.array([1.0, 1.0])
    descent = descend(ROSENBROCK, SGD(), start, steps=0)
    assert descent.path.tolist() == [[1, 1]]
    assert (descent.diverged, descent.step, descent.loss) == (False, None, 0)
    start[:] = 7
    assert descent.path.tolist() == [[1, 1]]
    for array in (descent.path, descent.losses):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        descent.diverged = True


# Divergence ----------------------------------------------------------------------------------------------------


def test_a_descent_that_leaves_says_where_and_keeps_only_what_came_before():
    # In the bowl x ← (1 − lr)·x: with lr 11 it grows tenfold, and 10⁷ is the first beyond 10⁶.
    assert FAR == 1e6
    descent = descend(SURFACES["bowl"], SGD(lr=11), start=(1, 0), steps=50)
    assert descent.diverged
    assert descent.step == 7
    np.testing.assert_array_equal(descent.path[:, 0], (-10.0) ** np.arange(7))
    assert descent.loss == 10.0**12 / 2
    # Whichever coordinate it is.
    assert descend(SURFACES["bowl"], SGD(lr=11), start=(0, 1), steps=50).step == 7
    # With the last step it would have left at, it has not left.
    assert not descend(SURFACES["bowl"], SGD(lr=11), start=(1, 0), steps=6).diverged


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lr", [3.0, 1e3, 1e10, 1e200, 1.7e308])
@pytest.mark.parametrize("kind", [SGD, Adagrad, RMSprop, Adam, AdamW])
def test_no_rate_is_too_large_to_be_reported(name, lr, kind):
    descent = descend(SURFACES[name], kind(lr=lr), steps=200)  # any warning would be an error here
    assert np.isfinite(descent.path).all()
    assert np.isfinite(descent.losses).all()
    assert len(descent.path) == len(descent.losses) == (descent.step if descent.diverged else 201)
    if lr > 1e9:
        assert descent.diverged
    if descent.diverged:
        assert not converged(descent, tolerance=1e9)


def test_sgd_at_a_hundredth_leaves_rosenbrocks_valley():
    descent = descend(ROSENBROCK, SGD(lr=0.01), steps=500)
    assert (descent.diverged, descent.step) == (True, 37)
    assert descent.losses.shape == (37,)


def test_the_stable_rates_are_below_two_over_the_curvature():
    for rate, stays in ((1.99 / 50, True), (2.01 / 50, False)):
        descent = descend(SURFACES["ravine"], SGD(lr=rate), steps=1000)
        assert bool(descent.losses[-1] < descent.losses[0]) == stays
    assert descend(SURFACES["bowl"], SGD(lr=2.5)).diverged


def test_a_nan_is_a_divergence():
    class Lost(Optimizer):
        def update(self, p, g, state):
            return p * np.nan, state

    descent = descend(ROSENBROCK, Lost(lr=1))
    assert (descent.diverged, descent.step, descent.path.tolist()) == (True, 1, [[0, 0]])


# Convergence ---------------------------------------------------------------------------------------------------


def test_converged_is_a_matter_of_distance():
    # After one small step the loss is below 1, and nothing has been found.
    first = descend(ROSENBROCK, SGD(lr=1e-3), steps=1)
    assert first.loss < 1
    assert not converged(first)
    assert converged(first, tolerance=2)
    assert converged(descend(ROSENBROCK, SGD(), start=(1, 1.0009), steps=0))
    assert not converged(descend(ROSENBROCK, SGD(), start=(1, 1.0011), steps=0))
    assert converged(descend(SURFACES["himmelblau"], Adam(lr=0.1), steps=500))


def test_only_who_starts_off_the_ridge_leaves_the_saddle():
    saddle = SURFACES["saddle"]
    on, off = (descend(saddle, SGD(lr=0.1), start=(-1.5, y), steps=300) for y in (0, 0.001))
    assert on.point == pytest.approx((0, 0), abs=1e-12)
    assert not converged(on)
    assert off.point == pytest.approx((0, 1), abs=1e-12)
    assert converged(off)


# Bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("bowl", SGD()), TypeError, r"surface must be a Surface, such as SURFACES\['bowl'\], got 'bowl'"),
        (
            (ROSENBROCK, SGD),
            TypeError,
            r"optimizer must be an optimizer of this package, such as SGD\(\), got <class",
        ),
        ((ROSENBROCK, "sgd"), TypeError, "optimizer must be an optimizer of this package"),
        (
            (ROSENBROCK, SGD(), (0, 0, 0)),
            ValueError,
            r"start must have shape \(…, 2\), x and y last, got shape \(3,\)",
        ),
        (
            (ROSENBROCK, SGD(), [[0, 0]]),
            ValueError,
            r"start must be one point, shape \(2,\), got shape \(1, 2\)",
        ),
        ((ROSENBROCK, SGD(), 0), ValueError, r"start must have shape"),
        ((ROSENBROCK, SGD(), "here"), TypeError, "start must be an array of real numbers"),
        (
            (ROSENBROCK, SGD(), (math.nan, 0)),
            ValueError,
            r"start must be a finite point within ±1e\+06, got \[nan, 0",
        ),
        ((ROSENBROCK, SGD(), (0, 2e6)), ValueError, "start must be a finite point within"),
        ((ROSENBROCK, SGD(), (0, 0), -1), ValueError, "steps must be at least 0, got -1"),
        ((ROSENBROCK, SGD(), (0, 0), 10.0), TypeError, "steps must be an integer, got 10.0"),
        (
            (ROSENBROCK, SGD(), (0, 0), 10, 0.1),
            TypeError,
            "schedule must be a function step → lr, or None, got 0.1",
        ),
        ((ROSENBROCK, SGD(), (0, 0), 10, lambda step: -1), ValueError, "lr must be at least 0, got -1"),
    ],
)
def test_descend_checks_its_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        descend(*arguments)


def test_points_descents_and_tolerances_are_checked():
    for function in (ROSENBROCK.value, ROSENBROCK.gradient, lambda point: distance(ROSENBROCK, point)):
        with pytest.raises(
            ValueError, match=r"point must have shape \(…, 2\), x and y last, got shape \(3,\)"
        ):
            function([1, 2, 3])
        with pytest.raises(TypeError, match="point must be an array of real numbers, got None"):
            function(None)
    with pytest.raises(TypeError, match="surface must be a Surface"):
        distance("bowl", (0, 0))
    with pytest.raises(TypeError, match=r"descent must be what descend\(…\) returned, got 0.5"):
        converged(0.5)
    with pytest.raises(ValueError, match="tolerance must be at least 0, got -1"):
        converged(descend(ROSENBROCK, SGD(), steps=0), -1)
