"""Training: the loop, optimizers and rates, checkpoints, a run in a folder, recorded studies."""

from .assemble import model_for, test_batches, trainer_for
from .checkpoint import RunError
from .optim import find_lr, learning_rate
from .run import Run
from .studies import recorded
from .trainer import Diverged, Trainer, evaluate

__all__ = [
    "Diverged", "Run", "RunError", "Trainer", "evaluate", "find_lr", "learning_rate", "model_for", "recorded",
    "test_batches", "trainer_for",
]  # fmt: skip
