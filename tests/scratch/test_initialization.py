"""cnncourse.scratch.initialization against torch.nn.init, and against the statistics that its formulas promise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse.scratch import initialization
from cnncourse.scratch.initialization import (
    GAINS,
    kaiming_normal,
    kaiming_uniform,
    xavier_normal,
    xavier_uniform,
)

EVERY = [xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal]
KAIMING = [kaiming_uniform, kaiming_normal]

shapes = st.lists(st.integers(1, 7), min_size=2, max_size=5).map(tuple)


def rng(seed=0):
    return np.random.default_rng(seed)


def scale_of(draw, shape, **how):
    """The bound of a uniform rule, or the deviation of a normal one: what it asks of the generator."""

    class Asked(np.random.Generator):
        def __init__(self):
            super().__init__(np.random.PCG64(0))

        def uniform(self, low, high, size):
            assert low == -high
            self.scale = high
            return super().uniform(low, high, size)

        def normal(self, mean, std, size):
            assert mean == 0
            self.scale = std
            return super().normal(mean, std, size)

    asked = Asked()
    w = draw(shape, rng=asked, **how)
    assert (w.shape, w.dtype) == (tuple(shape), np.float64)
    return asked.scale


def torchs_scale(monkeypatch, name, shape, *arguments):
    """The same, of torch: what `torch.nn.init` hands to uniform_ or normal_."""
    seen = []
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda t, low, high, **_: seen.append(high) or t)
    monkeypatch.setattr(torch.Tensor, "normal_", lambda t, mean, std, **_: seen.append(std) or t)
    getattr(torch.nn.init, name)(torch.empty(shape), *arguments)
    monkeypatch.undo()
    return seen[0]


@settings(max_examples=40, deadline=None)
@given(shapes, st.floats(0.1, 10), st.floats(0, 2), st.sampled_from(["fan_in", "fan_out"]))
def test_the_scales_are_torchs(shape, gain, slope, mode):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("xavier_uniform", "xavier_normal"):
            expected = torchs_scale(patch, f"{name}_", shape, gain)
            assert scale_of(getattr(initialization, name), shape, gain=gain) == pytest.approx(
                expected, rel=1e-12
            )
        for name in ("kaiming_uniform", "kaiming_normal"):
            expected = torchs_scale(patch, f"{name}_", shape, slope, mode)
            how = {"mode": mode, "gain": initialization.gain("leaky_relu", slope)}
            assert scale_of(getattr(initialization, name), shape, **how) == pytest.approx(expected, rel=1e-12)


def test_the_defaults():
    assert scale_of(xavier_uniform, (30, 20)) == pytest.approx(math.sqrt(6 / (20 + 30)))
    assert scale_of(xavier_normal, (30, 20)) == pytest.approx(math.sqrt(2 / (20 + 30)))
    assert scale_of(kaiming_uniform, (30, 20)) == pytest.approx(math.sqrt(6 / 20))  # mode fan_in, gain √2
    assert scale_of(kaiming_normal, (30, 20)) == pytest.approx(math.sqrt(2 / 20))
    assert scale_of(kaiming_normal, (8, 4, 3, 5), mode="fan_out") == pytest.approx(math.sqrt(2 / (8 * 3 * 5)))


@pytest.mark.parametrize("draw", EVERY)
@pytest.mark.parametrize("shape", [(400, 250), (40, 25, 10, 10)])
def test_a_hundred_thousand_weights_have_the_promised_statistics(draw, shape):
    std = scale_of(draw, shape) / (math.sqrt(3) if "uniform" in draw.__name__ else 1)
    w = draw(shape, rng=rng(1)) / std
    assert w.size == 100_000
    assert abs(w.mean()) < 0.02  # six standard errors
    assert w.var() == pytest.approx(1, abs=0.03)
    fourth = 9 / 5 if "uniform" in draw.__name__ else 3  # the fourth moment tells the two apart
    assert (w**4).mean() == pytest.approx(fourth, rel=0.05)


@pytest.mark.parametrize("draw", EVERY)
def test_the_draw_is_the_generators_alone(draw):
    np.testing.assert_array_equal(draw([3, 4], rng=rng(7)), draw((3, 4), rng=rng(7)))
    one = rng(7)
    assert (draw((3, 4), rng=one) != draw((3, 4), rng=one)).all()
    assert not draw((3, 4), rng=rng(), gain=0).any()


def test_gain_is_torchs():
    for name in GAINS:
        assert initialization.gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)
    for slope in (0, 0.01, 0.2, 1, np.float32(0.5)):
        expected = torch.nn.init.calculate_gain("leaky_relu", float(slope))
        assert initialization.gain("leaky_relu", slope) == pytest.approx(expected, rel=1e-12)
    assert initialization.gain("relu", 3) == pytest.approx(math.sqrt(2))  # no slope, so none is looked at


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: xavier_normal((3,), rng=rng()), ValueError, r"shape must be \(out, in\) or .* got \(3,\)"),
        (lambda: kaiming_normal(3, rng=rng()), TypeError, "shape must be .* got 3"),
        (lambda: kaiming_normal((3, 0), rng=rng()), ValueError, r"shape\[1\] must be at least 1, got 0"),
        (lambda: xavier_uniform((3, 2.0), rng=rng()), TypeError, r"shape\[1\] must be an integer, got 2.0"),
        (lambda: xavier_uniform((3, 2), rng=0), TypeError, "rng must be a numpy.random.Generator, got 0"),
        (
            lambda: kaiming_normal((3, 2), rng=None),
            TypeError,
            "rng must be a numpy.random.Generator, got None",
        ),
        (
            lambda: kaiming_uniform((3, 2), rng=rng(), mode="fan"),
            ValueError,
            "mode must be one of fan_in, fan_out",
        ),
        (
            lambda: xavier_uniform((3, 2), rng=rng(), gain=-1),
            ValueError,
            "gain must be at least 0, got -1",
        ),
        (
            lambda: xavier_normal((3, 2), rng=rng(), gain="relu"),
            TypeError,
            "gain must be a number, got 'relu'",
        ),
        (
            lambda: kaiming_normal((3, 2), rng=rng(), gain=math.nan),
            ValueError,
            "gain must be a finite number, got nan",
        ),
        (
            lambda: initialization.gain("swish"),
            ValueError,
            "nonlinearity must be one of linear.* got 'swish'",
        ),
        (lambda: initialization.gain("leaky_relu", True), TypeError, "param must be a number, got True"),
    ],
)
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
