"""Training: the loop, optimizers and rates, checkpoints, a run in a folder, recorded studies."""

from .checkpoint import RunError
from .optim import find_lr, learning_rate
from .run import trainer_for
from .studies import recorded
from .trainer import Diverged, Trainer, supervised

__all__ = [
    "Diverged",
    "RunError",
    "Trainer",
    "find_lr",
    "learning_rate",
    "recorded",
    "supervised",
    "trainer_for",
]
