"""TrainLive: a small convolutional network that learns in the page."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import traitlets

from .explorer import Checked, Explorer, give_data, number, one_of, whole

SHIPPED = Path(__file__).resolve().parent.parent / "embedded/train_live"
RATES = (1e-4, 10.0)  # the ends of the slider
BATCHES = (4, 8, 16, 32, 64, 128, 256)
EPOCHS = (1, 50)
MOMENTA = (0.0, 0.99)
SEEDS = (0, 9999)
HELD_OUT = 500
FIRST_DIGIT = 7  # of those held out; any would do

# Names of optimizers and schedules are OptimizerExplorer's, of initializations chapter 12's.
OPTIMIZERS = ("SGD", "momentum", "Nesterov", "RMSprop", "Adam", "AdamW")
SCHEDULES = ("constant", "step_decay", "cosine", "warmup_cosine")
INITIALIZATIONS = ("zero", "small", "xavier", "he", "large")
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")


def flag(name, value):
    if not isinstance(value, bool | np.bool_):
        raise traitlets.TraitError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def one_number_of(name, value, allowed):
    """`value` as one of the whole numbers that are offered."""
    value = whole(name, value, min(allowed), max(allowed))
    if value not in allowed:
        raise traitlets.TraitError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")
    return value


# Setting → its check, what the check is told, and its default.
SETTINGS = {
    "lr": (number, RATES, 0.01),
    "batch_size": (one_number_of, (BATCHES,), 32),
    "optimizer": (one_of, (OPTIMIZERS,), "momentum"),
    "momentum": (number, MOMENTA, 0.9),
    "schedule": (one_of, (SCHEDULES,), "constant"),
    "epochs": (whole, EPOCHS, 15),
    "initialization": (one_of, (INITIALIZATIONS,), "he"),
    "activation": (one_of, (ACTIVATIONS,), "relu"),
    "batch_norm": (flag, (), False),
    "seed": (whole, SEEDS, 0),
}
COMPARED = tuple(name for name in SETTINGS if name != "epochs")  # two networks take their steps side by side


def what_if(name, value):
    """A dict with one setting of a second network, or None for no second network."""
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in COMPARED:
        raise traitlets.TraitError(
            f"{name} must be None or a dict with one of {', '.join(COMPARED)}, such as "
            f"{{'lr': 0.3}}, got {value!r}"
        )
    ((setting, other),) = value.items()
    check, limits, _ = SETTINGS[setting]
    return {setting: check(f"{name}[{setting!r}]", other, *limits)}


def setting(name):
    check, limits, default = SETTINGS[name]
    return Checked(check, *limits, default=default)


@cache
def load_file():
    """What `tools/make_train_live.py` wrote: side, levels, mean, std; for train and test labels and images as text."""
    return json.loads((SHIPPED / "digits.json").read_text(encoding="utf-8"))


@cache
def load_digits():
    """The digits that the explorer trains on → {"train": (images, labels), "test": …}

    images uint8 (N, 14, 14), levels 0 … 15; labels uint8 (N,). The network reads (level / 15 − mean) / std.
    """
    held, digits = load_file(), {}
    for split in ("train", "test"):
        text = re.sub("[g-z]", lambda zeros: "0" * (ord(zeros[0]) - ord("g") + 2), held[split]["images"])
        levels = np.array([int(level, 16) for level in text], dtype=np.uint8)
        labels = np.array(list(held[split]["labels"]), dtype=np.uint8)
        digits[split] = levels.reshape(len(labels), held["side"], held["side"]), labels
    return digits


give_data("train", "digits", load_file)


class TrainLive(Explorer):
    """A small convolutional network that learns 2,000 digits of MNIST while one watches, and 500 that it never learns.

    TrainLive(lr=0.1, optimizer="SGD", what_if={"lr": 3})

    lr               0.0001 … 10, the learning rate; it may change while the network trains
    batch_size       4, 8, 16, 32, 64, 128 or 256
    optimizer        "SGD", "momentum", "Nesterov", "RMSprop", "Adam" or "AdamW" (weight decay 0.01)
    momentum         0 … 0.99: μ of momentum and Nesterov, β₁ of Adam and AdamW; β₂ is 0.999, RMSprop's α 0.99
    schedule         "constant", "step_decay" (a tenth after every third), "cosine" or "warmup_cosine" (a tenth of the
                     steps to warm up), over all the steps, from lr
    epochs           1 … 50, after which training ends
    initialization   normal weights, biases 0: "zero"; "small", of deviation 0.01; "xavier", √(2 / (fan_in + fan_out));
                     "he", √(2 / fan_in); "large", four times that
    activation       "relu", "leaky_relu", "tanh" or "sigmoid"
    batch_norm       whether the layers before the output have batch norm before their activation
    seed             0 … 9999, of the first weights and of the order of the images: a run can be repeated exactly
    what_if          a second network beside the first, with one other setting: {"lr": 3}; None for none
    digit            0 … 499, the held-out digit whose feature maps are shown
    record           their curves so far, which the browser keeps: a dict of lists for each network, or None before the
                     first step

    The network: 5×5 convolution of 8 maps, max pooling, 3×3 convolution of 16 maps, max pooling, 32 hidden units, 10
    logits; images of 14×14. All but record are synced traits that may be set; a value that does not fit raises
    `TraitError`. Training happens in the browser, in JavaScript, and needs no kernel.
    """

    module = "train"

    lr = setting("lr")
    batch_size = setting("batch_size")
    optimizer = setting("optimizer")
    momentum = setting("momentum")
    schedule = setting("schedule")
    epochs = setting("epochs")
    initialization = setting("initialization")
    activation = setting("activation")
    batch_norm = setting("batch_norm")
    seed = setting("seed")
    what_if = Checked(what_if, default=None)
    digit = Checked(whole, 0, HELD_OUT - 1, default=FIRST_DIGIT)
    record = traitlets.Any(None, read_only=True).tag(sync=True, explorer=True)

    def settings(self):
        """Setting → value, of the first network."""
        return {name: getattr(self, name) for name in SETTINGS}

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        own = self.settings()
        words = ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in own.items())
        second = ""
        if self.what_if:
            ((name, value),) = self.what_if.items()
            second = f" A second network differs in one setting: {name.replace('_', ' ')} {_said(value)}."
        results = [
            f" After step {run['step'][-1]} its loss on the held-out digits is {run['test_loss'][-1]:.3g}, "
            f"its accuracy {run['test_accuracy'][-1]:.1%}."
            for run in self.record or []
        ]
        state = "".join(results) or " It has not been trained yet."
        return (
            "A convolutional network that learns to read digits in the page, from 2,000 training images of "
            f"14 × 14 pixels; 500 others are held out. Settings: {words}.{second}{state}"
        )


def _said(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
