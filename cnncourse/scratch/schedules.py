"""Learning rates that change with time: every function here returns a function, `schedule(step) -> lr`.

    schedule = warmup_cosine(0.1, warmup=10, total=100)
    optimizer.lr = schedule(step)          before the step, counted from 0

A step is a batch or an epoch, as the caller likes. Nothing is remembered: steps may be asked for in any order. Inside
their span the values are those of `torch.optim.lr_scheduler`; what comes after it is said at each one. A schedule
takes integers from 0 on and says so otherwise (TypeError, ValueError); so do the functions here with their numbers.
"""

import math

from ..checks import choice, flag, integer, real


def constant(lr):
    """lr, always"""
    lr = real("lr", lr, 0)
    return _schedule(lambda step: lr)


def step_decay(lr, step_size, gamma=0.1):
    """lr · γ^⌊step / step_size⌋, without end: torch's StepLR"""
    lr, step_size, gamma = real("lr", lr, 0), integer("step_size", step_size, 1), real("gamma", gamma, 0)
    return _schedule(lambda step: lr * _power(gamma, step // step_size))


def exponential(lr, gamma):
    """lr · γ^step, without end: torch's ExponentialLR"""
    lr, gamma = real("lr", lr, 0), real("gamma", gamma, 0)
    return _schedule(lambda step: lr * _power(gamma, step))


def cosine(lr, T_max, eta_min=0):
    """η_min + (lr − η_min)·(1 + cos(π·step/T_max))/2: torch's CosineAnnealingLR until step T_max

    After T_max the rate stays at η_min; torch's would rise again. Loshchilov and Hutter, "SGDR", 2017.
    """
    lr, eta_min = _range(lr, eta_min)
    T_max = integer("T_max", T_max, 1)
    return _schedule(lambda step: _anneal(lr, eta_min, min(step, T_max) / T_max))


def warmup_cosine(lr, warmup, total, eta_min=0):
    """A straight line up to lr, then a cosine down to η_min, where the rate stays from step `total` on:

    lr · (step + 1)/warmup                                            while step < warmup
    η_min + (lr − η_min)·(1 + cos(π·(step − warmup)/(total − warmup)))/2   until step = total

    The line starts at lr/warmup, not at 0, where the first step would learn nothing, and reaches lr at step
    warmup − 1; with warmup = 0 there is no line. torch: LinearLR(start_factor=1/warmup, total_iters=warmup − 1),
    then CosineAnnealingLR(T_max=total − warmup), joined by SequentialLR at `warmup`.
    Goyal et al., "Accurate, large minibatch SGD", 2017.
    """
    lr, eta_min = _range(lr, eta_min)
    warmup, total = integer("warmup", warmup, 0), integer("total", total, 1)
    if warmup >= total:
        raise ValueError(f"warmup must be shorter than total, {total} steps, got {warmup}")

    def rate(step):
        if step < warmup:
            return lr * (step + 1) / warmup
        return _anneal(lr, eta_min, (min(step, total) - warmup) / (total - warmup))

    return _schedule(rate)


def cosine_restarts(lr, T_0, T_mult=1, eta_min=0):
    """A cosine from lr towards η_min over T_0 steps, then again from lr over T_0·T_mult, T_0·T_mult², …, without end

    torch's CosineAnnealingWarmRestarts. η_min itself is never reached: the step that would have it starts anew.
    Loshchilov and Hutter, "SGDR", 2017.
    """
    lr, eta_min = _range(lr, eta_min)
    T_0, T_mult = integer("T_0", T_0, 1), integer("T_mult", T_mult, 1)

    def rate(step):
        length = T_0
        if T_mult == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * T_mult
        return _anneal(lr, eta_min, step / length)

    return _schedule(rate)


def cyclical(base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0):
    """From base_lr up to max_lr in step_size_up steps, down again in step_size_down, and so on without end

    step_size_down   None: as many as up
    mode             "triangular": every peak is max_lr; "triangular2": the height halves with every cycle;
                     "exp_range": the height is multiplied by γ^step

    torch's CyclicLR. Smith, "Cyclical learning rates for training neural networks", 2017.
    """
    base_lr = real("base_lr", base_lr, 0)
    max_lr = real("max_lr", max_lr, base_lr)
    up = integer("step_size_up", step_size_up, 1)
    down = up if step_size_down is None else integer("step_size_down", step_size_down, 1)
    choice("mode", mode, ("triangular", "triangular2", "exp_range"))
    gamma = real("gamma", gamma, 0)

    def rate(step):
        cycle, place = divmod(step, up + down)
        height = place / up if place <= up else (up + down - place) / down
        if mode == "triangular2":
            height *= _power(0.5, cycle)
        elif mode == "exp_range":
            height *= _power(gamma, step)
        return base_lr + (max_lr - base_lr) * height

    return _schedule(rate)


def one_cycle(
    max_lr,
    total_steps,
    pct_start=0.3,
    anneal_strategy="cos",
    div_factor=25.0,
    final_div_factor=1e4,
    three_phase=False,
):
    """Once up from max_lr/div_factor to max_lr, then down to max_lr/div_factor/final_div_factor

    pct_start         the share of the steps that goes up, from 0 to 1
    anneal_strategy   "cos" or "linear", up and down
    three_phase       down to the first rate in as many steps as up, then on to the last: pct_start at most 0.5

    The last rate is that of step total_steps − 1 and stays. torch's OneCycleLR, whose phases end at
    pct_start·total_steps − 1, a fraction of a step where it is one. Smith and Topin, "Super-convergence", 2018.
    """
    max_lr, total_steps = real("max_lr", max_lr, 0), integer("total_steps", total_steps, 1)
    pct_start = real("pct_start", pct_start, 0, 1)
    choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
    div_factor, final_div_factor = (
        real("div_factor", div_factor, above=0),
        real("final_div_factor", final_div_factor, above=0),
    )
    if flag("three_phase", three_phase) and pct_start > 0.5:
        raise ValueError(
            f"pct_start must be at most 0.5 with three_phase, which goes up and down, got {pct_start}"
        )

    first, last = max_lr / div_factor, max_lr / div_factor / final_div_factor
    rise, end = pct_start * total_steps, total_steps - 1
    if three_phase:
        phases = [(rise - 1, first, max_lr), (2 * rise - 2, max_lr, first), (end, first, last)]
    else:
        phases = [(rise - 1, first, max_lr), (end, max_lr, last)]
    anneal = _anneal if anneal_strategy == "cos" else _line

    def rate(step):
        step, begin = min(step, end), 0.0
        for stop, start_lr, stop_lr in phases:
            if step <= stop:
                # A phase of no length (a single step, say) is at its end.
                return anneal(start_lr, stop_lr, (step - begin) / (stop - begin) if stop > begin else 1)
            begin = stop

    return _schedule(rate)


def _schedule(rate):
    """rate(step) as a float, with the step checked and the rate too: γ > 1 grows beyond all numbers"""

    def schedule(step):
        lr = float(rate(integer("step", step, 0)))
        if not math.isfinite(lr):
            raise ValueError(f"step must be smaller: at {step} the rate is beyond the largest float")
        return lr

    return schedule


def _anneal(start, stop, part):
    """From start to stop along half a cosine, part from 0 to 1"""
    return stop + (start - stop) * (1 + math.cos(math.pi * part)) / 2


def _line(start, stop, part):
    return start + (stop - start) * part


def _power(gamma, n):
    """γⁿ, which is inf where Python would raise OverflowError"""
    try:
        return gamma ** min(n, 2**63)
    except OverflowError:
        return math.inf


def _range(lr, eta_min):
    lr = real("lr", lr, 0)
    return lr, real("eta_min", eta_min, 0, lr)
