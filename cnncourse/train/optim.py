"""Optimizers and their groups of parameters, learning rates, and the range test that finds one."""

import copy
import difflib
import math

import torch

from .. import runtime
from ..recipe import RecipeError


def make_optimizer(named_parameters, recipe):
    """torch's optimizer of the recipe's name, over groups of parameters that share a rate and a weight decay."""
    groups = parameter_groups(named_parameters, recipe)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, recipe.lr, momentum=recipe.momentum)
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return adam(groups, recipe.lr, betas=recipe.betas)


def parameter_groups(named_parameters, recipe):
    """What torch's optimizers take: one group for each rate and weight decay, `factor` times the schedule's rate.

    A name belongs to the longest prefix of `lr_factors` that it begins with; `no_decay` takes the weight decay from
    biases and the parameters of norms (all of one dimension or none). Parameters that are frozen are left out.
    """
    named = [(name, parameter) for name, parameter in named_parameters if parameter.requires_grad]
    if not named:
        raise RecipeError("freeze leaves no parameter to train")
    known_prefixes("lr_factors", recipe.lr_factors, [name for name, _ in named])
    groups = {}
    for name, parameter in named:
        prefixes = [prefix for prefix in recipe.lr_factors if under(name, prefix)]
        factor = recipe.lr_factors[max(prefixes, key=len)] if prefixes else 1.0
        decay = 0.0 if recipe.no_decay and parameter.ndim <= 1 else recipe.weight_decay
        groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def under(name, prefix):
    """Is this the named parameter or module itself, or a part of it? c1 has c1.weight, but not c10.weight."""
    return name == prefix or name.startswith(f"{prefix}.")


def known_prefixes(key, prefixes, names):
    """Refuse a prefix under which there is no parameter."""
    for prefix in prefixes:
        if not any(under(name, prefix) for name in names):
            parts = {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}
            near = difflib.get_close_matches(prefix, sorted(parts), 1, cutoff=0)
            raise RecipeError(
                f"{key} has {prefix!r}, under which nothing is trained; the nearest is {near[0]!r}"
            )


def set_lr(optimizer, lr):
    """The schedule's rate, times its own factor for each group."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]


def learning_rate(recipe, step, steps_per_epoch):
    """The rate of step 0, 1, …: rising in equal parts through the warm-up (from lr/n, not from 0), then by schedule.

    With t the share of the steps after the warm-up that are done:
    constant 1 · step 0.1^⌊3t⌋ · exponential 0.01^t · linear 1 − t · cosine (1 + cos πt)/2, each times lr.
    """
    total, rising = recipe.epochs * steps_per_epoch, round(recipe.warmup * steps_per_epoch)
    if step < rising:
        return recipe.lr * (step + 1) / rising
    t = (step - rising) / max(1, total - rising)
    factor = {
        "constant": 1.0,
        "step": 0.1 ** min(2, math.floor(3 * t)),
        "exponential": 0.01**t,
        "linear": 1 - t,
        "cosine": (1 + math.cos(math.pi * t)) / 2,
    }[recipe.schedule]
    return recipe.lr * factor


def find_lr(trainer, low=1e-5, high=10.0, steps=100):
    """The range test (Smith, 2017): train a little with a rate that grows from low to high by equal factors.

    → rates, losses (smoothed: an average that forgets by 0.9 a step, corrected for its start), and the rate where
    the loss falls fastest, or None where it never falls. That rate is near the edge: a whole training wants a lower
    one, a tenth of it to begin with. Ends early when the loss is not finite or four times the best.
    A copy of the model is trained: the trainer is left as it was, also when this is interrupted.
    """
    if not (isinstance(low, (int, float)) and isinstance(high, (int, float)) and 0 < low < high < math.inf):
        raise ValueError(f"low and high must be rates with 0 < low < high, got {low!r} and {high!r}")
    rates, losses, average, best = [], [], 0.0, math.inf
    machine, epoch = trainer.machine, getattr(trainer.train, "epoch", None)
    step_of = machine.parallel(copy.deepcopy(trainer.step))
    optimizer = make_optimizer(trainer.named_parameters(step_of), trainer.recipe)
    scaler = machine.scaler()
    try:
        with machine.at_work():
            runtime.seed(trainer.recipe.seed, 0, machine.rank)
            trainer.to_train(step_of)
            batches = _endless(trainer.train)
            for step in range(steps):
                lr = low * (high / low) ** (step / max(1, steps - 1))
                set_lr(optimizer, lr)
                optimizer.zero_grad(set_to_none=True)
                with machine.autocast():
                    loss, _ = step_of(next(batches))
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                # Where several processes train, all see the mean of their losses, and stop at the same step.
                average = 0.9 * average + 0.1 * machine.sum(loss.detach()).item() / machine.world
                smooth = average / (1 - 0.9 ** (step + 1))
                if not math.isfinite(smooth) or smooth > 4 * best:
                    break
                best = min(best, smooth)
                rates.append(lr)
                losses.append(smooth)
    finally:
        if epoch is not None:
            trainer.train.set_epoch(epoch)
    slopes = [(losses[i + 1] - losses[i - 1], rates[i]) for i in range(5, len(losses) - 1)]
    steepest = min(slopes, default=(0.0, None))
    return rates, losses, steepest[1] if steepest[0] < 0 else None


def set_epoch(batches, epoch):
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)


def _endless(batches):
    epoch = 0
    while True:
        epoch += 1
        set_epoch(batches, epoch)
        yield from batches
