"""cnncourse.scratch.schedules against torch.optim.lr_scheduler, and what they do after torch's stop."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from cnncourse.scratch import (
    SGD,
    constant,
    cosine,
    cosine_restarts,
    cyclical,
    exponential,
    one_cycle,
    step_decay,
    warmup_cosine,
)

examples = settings(max_examples=40, deadline=None)
lrs = st.floats(1e-4, 10)


def torchs(lr, build, steps):
    """The rate of torch's scheduler before each of the steps 0, …, steps − 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    scheduler = build(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def rates(schedule, steps):
    return [schedule(step) for step in range(steps)]


def same(schedule, lr, build, steps):
    got = rates(schedule, steps)
    # torch multiplies its rates up from step to step, which costs some digits where a cosine ends near 0.
    np.testing.assert_allclose(got, torchs(lr, build, steps), rtol=1e-9, atol=1e-12 * lr)
    assert all(type(rate) is float for rate in got)


# The same as torch ---------------------------------------------------------------------------------------------


@examples
@given(lr=lrs, step_size=st.integers(1, 60), gamma=st.floats(0.1, 1))
def test_step_decay_equals_torch(lr, step_size, gamma):
    assume(gamma ** (300 // step_size) > 1e-200)
    same(
        step_decay(lr, step_size, gamma),
        lr,
        lambda opt: lr_scheduler.StepLR(opt, step_size, gamma),
        steps=300,
    )


@examples
@given(lr=lrs, gamma=st.floats(0.8, 1.02))
def test_exponential_equals_torch(lr, gamma):
    same(exponential(lr, gamma), lr, lambda opt: lr_scheduler.ExponentialLR(opt, gamma), steps=300)


@examples
@given(lr=lrs, T_max=st.integers(1, 400), share=st.floats(0, 1))
def test_cosine_equals_torch_to_its_end(lr, T_max, share):
    eta_min = share * lr
    same(
        cosine(lr, T_max, eta_min),
        lr,
        lambda opt: lr_scheduler.CosineAnnealingLR(opt, T_max, eta_min),
        steps=T_max + 1,
    )


@examples
@given(lr=lrs, warmup=st.integers(2, 50), rest=st.integers(1, 300), share=st.floats(0, 1))
@pytest.mark.filterwarnings("ignore:The epoch parameter")  # SequentialLR's own
def test_warmup_cosine_equals_torchs_two_in_a_row(lr, warmup, rest, share):
    def build(opt):
        line = lr_scheduler.LinearLR(opt, start_factor=1 / warmup, total_iters=warmup - 1)
        curve = lr_scheduler.CosineAnnealingLR(opt, rest, share * lr)
        return lr_scheduler.SequentialLR(opt, [line, curve], milestones=[warmup])

    total = warmup + rest
    same(warmup_cosine(lr, warmup, total, share * lr), lr, build, steps=total + 1)


@examples
@given(lr=lrs, T_0=st.integers(1, 80), T_mult=st.integers(1, 3), share=st.floats(0, 1))
def test_cosine_restarts_equals_torch(lr, T_0, T_mult, share):
    same(
        cosine_restarts(lr, T_0, T_mult, share * lr),
        lr,
        lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0, T_mult, share * lr),
        steps=400,
    )


@examples
@given(
    share=st.floats(0, 1),
    max_lr=lrs,
    up=st.integers(1, 60),
    down=st.one_of(st.none(), st.integers(1, 60)),
    mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
    gamma=st.sampled_from([1.0, 0.999, 0.9]),
)
def test_cyclical_equals_torch(share, max_lr, up, down, mode, gamma):
    base_lr = share * max_lr
    same(
        cyclical(base_lr, max_lr, up, down, mode, gamma),
        max_lr,
        lambda opt: lr_scheduler.CyclicLR(opt, base_lr, max_lr, up, down, mode, gamma, cycle_momentum=False),
        steps=300,
    )


@examples
@given(
    max_lr=lrs,
    total_steps=st.integers(4, 400),
    pct_start=st.floats(0, 1),
    anneal_strategy=st.sampled_from(["cos", "linear"]),
    div_factor=st.floats(1, 100),
    final_div_factor=st.floats(1, 1e5),
    three_phase=st.booleans(),
)
def test_one_cycle_equals_torch(max_lr, total_steps, pct_start, three_phase, **others):
    pct_start = pct_start / 2 if three_phase else pct_start
    assume(pct_start * total_steps != 1)  # torch divides by 0 there
    chosen = dict(total_steps=total_steps, pct_start=pct_start, three_phase=three_phase, **others)
    same(
        one_cycle(max_lr, **chosen),
        max_lr,
        lambda opt: lr_scheduler.OneCycleLR(opt, max_lr, **chosen, cycle_momentum=False),
        steps=total_steps,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (step_decay, "StepLR", ["step_size", "gamma"]),
        (exponential, "ExponentialLR", ["gamma"]),
        (cosine, "CosineAnnealingLR", ["T_max", "eta_min"]),
        (cosine_restarts, "CosineAnnealingWarmRestarts", ["T_0", "T_mult", "eta_min"]),
        (cyclical, "CyclicLR", ["base_lr", "max_lr", "step_size_up", "step_size_down", "mode", "gamma"]),
        (
            one_cycle,
            "OneCycleLR",
            ["max_lr", "pct_start", "anneal_strategy", "div_factor", "final_div_factor"],
        ),
        (one_cycle, "OneCycleLR", ["three_phase"]),
    ],
)
def test_arguments_have_torchs_names_and_defaults(ours, theirs, names):
    mine = inspect.signature(ours).parameters
    wanted = inspect.signature(getattr(lr_scheduler, theirs)).parameters
    assert {name: mine[name].default for name in names} == {name: wanted[name].default for name in names}


# Numbers one can check by hand, and what comes after the span --------------------------------------------------


def test_constant():
    assert rates(constant(0.1), 3) == [0.1, 0.1, 0.1]
    assert rates(constant(0), 2) == [0.0, 0.0]


def test_step_decay_and_exponential_by_hand():
    assert rates(step_decay(1, 2, 0.5), 6) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(exponential(1, 0.5), 4) == [1, 0.5, 0.25, 0.125]
    assert rates(exponential(3, 0), 3) == [3, 0, 0]
    assert exponential(1, 0.5)(10**9) == 0


def test_cosine_is_halfway_in_the_middle_and_stays_at_its_end():
    schedule = cosine(1, 100, 0.2)
    assert schedule(0) == 1
    assert schedule(50) == pytest.approx((1 + 0.2) / 2)
    assert [schedule(step) for step in (100, 101, 150, 200, 10**6)] == [0.2] * 5
    assert cosine(0.1, 100)(100) == 0
    # torch's would climb back: at step 200 it is where it began.
    theirs = torchs(1, lambda opt: lr_scheduler.CosineAnnealingLR(opt, 100, 0.2), 201)
    assert theirs[200] == pytest.approx(1)


def test_warmup_begins_above_0_reaches_lr_and_ends_with_the_cosine():
    schedule = warmup_cosine(0.1, 10, 100)
    np.testing.assert_allclose(rates(schedule, 10), np.arange(1, 11) / 100)
    assert schedule(0) == pytest.approx(0.01)
    assert schedule(9) == schedule(10) == pytest.approx(0.1)
    assert schedule(55) == pytest.approx(0.05)
    assert schedule(99) == pytest.approx(0.1 * (1 + math.cos(math.pi * 89 / 90)) / 2)
    assert schedule(99) == pytest.approx(3.05e-5, rel=2e-3)
    assert [schedule(step) for step in (100, 101, 1000)] == [0, 0, 0]
    assert all(rate > 0 for rate in rates(schedule, 100))  # so it can be drawn on a logarithmic axis
    assert rates(warmup_cosine(0.1, 0, 50, 0.01), 60) == rates(cosine(0.1, 50, 0.01), 60)
    assert rates(warmup_cosine(0.1, 1, 50), 2) == [0.1, 0.1]


def test_restarts_come_later_and_later():
    schedule = cosine_restarts(1, 10, 2)
    assert [step for step in range(160) if schedule(step) == 1] == [0, 10, 30, 70, 150]
    assert [step for step in range(35) if cosine_restarts(1, 10)(step) == 1] == [0, 10, 20, 30]
    assert cosine_restarts(1, 7)(7 * 10**12 + 3) == cosine_restarts(1, 7)(3)


def test_cycles_by_hand():
    assert rates(cyclical(0, 4, 4, 2), 8) == [0, 1, 2, 3, 4, 2, 0, 1]
    assert rates(cyclical(1, 5, 2), 6) == [1, 3, 5, 3, 1, 3]
    assert [cyclical(1, 5, 2, mode="triangular2")(step) for step in (2, 6, 10)] == [5, 3, 2]
    assert cyclical(1, 5, 2, mode="exp_range", gamma=0.5)(2) == 1 + 4 / 4
    assert cyclical(1, 5, 2, mode="triangular2")(10**6 + 2) == 1


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_has_its_corners_and_stays_at_the_last(strategy, three_phase):
    schedule = one_cycle(1, 101, 30 / 101, strategy, 10, 100, three_phase)
    assert schedule(0) == pytest.approx(1 / 10)
    assert schedule(29) == pytest.approx(1)
    if three_phase:
        assert schedule(58) == pytest.approx(1 / 10)
    assert [schedule(step) for step in (100, 101, 200, 10**9)] == pytest.approx([1 / 1000] * 4)


@pytest.mark.parametrize("total_steps", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("pct_start", [0, 0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_of_a_few_steps_stays_between_its_rates(total_steps, pct_start, three_phase):
    every = rates(one_cycle(1, total_steps, pct_start, three_phase=three_phase), total_steps + 2)
    assert all(1 / 25e4 <= rate <= 1 for rate in every[:-2])
    assert every[-3] == every[-2] == every[-1]


def test_an_optimizer_takes_a_schedule():
    optimizer, schedule, p = SGD(), step_decay(1, 1, 0.5), np.zeros(1)
    for step in range(4):
        optimizer.lr = schedule(np.int64(step))
        p = optimizer.step(p, np.ones(1))
    assert p.item() == -(1 + 0.5 + 0.25 + 0.125)


# Bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: constant(-0.1), ValueError, "lr must be at least 0, got -0.1"),
        (lambda: constant("0.1"), TypeError, "lr must be a number, got '0.1' of type str"),
        (lambda: constant(math.nan), ValueError, "lr must be a finite number, got nan"),
        (lambda: step_decay(0.1, 0), ValueError, "step_size must be at least 1, got 0"),
        (lambda: step_decay(0.1, 1.5), TypeError, "step_size must be an integer, got 1.5"),
        (lambda: step_decay(0.1, 3, -1), ValueError, "gamma must be at least 0, got -1"),
        (lambda: exponential(0.1, None), TypeError, "gamma must be a number, got None"),
        (lambda: cosine(0.1, 0), ValueError, "T_max must be at least 1, got 0"),
        (lambda: cosine(0.1, 10, 0.2), ValueError, "eta_min must be at least 0 and at most 0.1, got 0.2"),
        (lambda: cosine(0.1, 10, -0.2), ValueError, "eta_min must be at least 0 and at most 0.1, got -0.2"),
        (
            lambda: warmup_cosine(0.1, 10, 10),
            ValueError,
            "warmup must be shorter than total, 10 steps, got 10",
        ),
        (lambda: warmup_cosine(0.1, -1, 10), ValueError, "warmup must be at least 0, got -1"),
        (lambda: warmup_cosine(0.1, 1, 10.0), TypeError, "total must be an integer, got 10.0"),
        (lambda: cosine_restarts(0.1, 0), ValueError, "T_0 must be at least 1, got 0"),
        (lambda: cosine_restarts(0.1, 5, 0), ValueError, "T_mult must be at least 1, got 0"),
        (lambda: cosine_restarts(0.1, 5, 1.5), TypeError, "T_mult must be an integer, got 1.5"),
        (lambda: cyclical(0.2, 0.1), ValueError, "max_lr must be at least 0.2, got 0.1"),
        (lambda: cyclical(0, 0.1, 0), ValueError, "step_size_up must be at least 1, got 0"),
        (lambda: cyclical(0, 0.1, 5, 0), ValueError, "step_size_down must be at least 1, got 0"),
        (
            lambda: cyclical(0, 0.1, mode="square"),
            ValueError,
            "mode must be one of triangular, triangular2",
        ),
        (lambda: cyclical(0, 0.1, gamma=-1), ValueError, "gamma must be at least 0"),
        (lambda: one_cycle(0.1, 0), ValueError, "total_steps must be at least 1, got 0"),
        (lambda: one_cycle(0.1, 10, 1.5), ValueError, "pct_start must be at least 0 and at most 1, got 1.5"),
        (
            lambda: one_cycle(0.1, 10, 0.6, three_phase=True),
            ValueError,
            "pct_start must be at most 0.5 with",
        ),
        (lambda: one_cycle(0.1, 10, three_phase=1), TypeError, "three_phase must be True or False, got 1"),
        (
            lambda: one_cycle(0.1, 10, anneal_strategy="exp"),
            ValueError,
            "must be one of cos, linear",
        ),
        (lambda: one_cycle(0.1, 10, div_factor=0), ValueError, "div_factor must be above 0, got 0"),
        (
            lambda: one_cycle(0.1, 10, final_div_factor=-1),
            ValueError,
            "final_div_factor must be above 0, got -1",
        ),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(build, error, words):
    with pytest.raises(error, match=words):
        build()


@pytest.mark.parametrize(
    "schedule",
    [
        constant(1),
        step_decay(1, 1),
        exponential(1, 0.9),
        cosine(1, 5),
        warmup_cosine(1, 1, 5),
        cosine_restarts(1, 5),
        cyclical(0, 1),
        one_cycle(1, 5),
    ],
)
def test_steps_are_integers_from_0(schedule):
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        schedule(-1)
    for step in (1.0, "1", None, True):
        with pytest.raises(TypeError, match="step must be an integer, got"):
            schedule(step)


def test_a_rate_beyond_all_numbers_is_refused():
    for schedule in (exponential(1, 2), step_decay(1, 1, 2), cyclical(0, 1, 3, mode="exp_range", gamma=2)):
        with pytest.raises(ValueError, match="at 5000 the rate is beyond the largest float"):
            schedule(5000)
