"""Optimizers, learning rates, and the range test that finds one."""

import math

import torch

from .. import runtime


def make_optimizer(parameters, recipe):
    """torch's optimizer of the recipe's name."""
    common = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, momentum=recipe.momentum, **common)
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return adam(parameters, betas=recipe.betas, **common)


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

    → rates, losses (smoothed: an average that forgets by 0.9 a step, corrected for its start), and the suggestion,
    the rate where the loss falls fastest, or None where it never falls. Ends early when the loss is
    not finite or four times the best. The trainer is left as it was.
    """
    before = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    optimizer = make_optimizer(trainer.model.parameters(), trainer.recipe)
    rates, losses, average, best = [], [], 0.0, math.inf
    runtime.seed(trainer.recipe.seed, 0, trainer.machine.rank)
    trainer.model.train()
    batches = _endless(trainer.train)
    for step in range(steps):
        lr = low * (high / low) ** (step / max(1, steps - 1))
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        with trainer.machine.autocast():
            loss, _ = trainer.loss(trainer.forward, trainer.mix(*next(batches)))
        loss.backward()
        optimizer.step()
        average = 0.9 * average + 0.1 * loss.item()
        smooth = average / (1 - 0.9 ** (step + 1))
        if not math.isfinite(smooth) or smooth > 4 * best:
            break
        best = min(best, smooth)
        rates.append(lr)
        losses.append(smooth)
    trainer.model.load_state_dict(before)
    trainer.optimizer.zero_grad(set_to_none=True)
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
