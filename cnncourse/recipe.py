"""What to train and how: a `Recipe`, as a dataclass and as a YAML file.

    model: lenet5
    data: fashion_mnist_mini
    epochs: 10
    lr: 1e-1

Every key but `model` and `data` has a default. A key that does not exist, a value of the wrong type or outside its
range: `RecipeError`, one sentence that names the key, the value and what was expected.
"""

import dataclasses
import difflib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from . import checks

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "step", "exponential", "linear", "cosine")
PRECISIONS = ("float32", "bfloat16", "float16")


class RecipeError(ValueError):
    """A recipe that cannot be run, said in one sentence; `key` is the one that is wrong, if it is one."""

    def __init__(self, sentence, key=None):
        super().__init__(sentence)
        self.key = key


@dataclass(frozen=True)
class Recipe:
    """One training run. Two equal recipes on the same CPU give the same numbers.

    model        its name, its options (model_options), the side of its images (image_size; None: the model's own, to
                 which smaller ones are zero-padded, or the data's where the model takes any), and weights to start
                 from (a run's folder or checkpoint, or "pretrained": torchvision's; a head of another size is left out)
    data         image set, root of the full sets, images held out of the training set to choose on (validation; 0
                 measures on the test set), augmentation by name (augment), or several views of each image (views)
    labels       how many training images keep their labels, as many of each class (None: all); the others come
                 unlabelled beside them, in batches of unlabelled_batch (0: not at all)
    objective    what is minimized and its objective_options; the column (monitor) whose best epoch is kept, None for
                 the accuracy measured, else the loss
    length       epochs, batch_size (of all processes together), accumulate (batches for one step of the optimizer)
    optimizer    sgd (momentum, nesterov), adam and adamw (betas), rmsprop (momentum); lr, weight_decay; no_decay (none
                 on biases and norms), lr_factors (beginning of parameters' names → factor of the rate), freeze
                 (beginnings of names that stay as they are, batch statistics too)
    schedule     constant · step (a tenth after each third) · exponential (down to a hundredth) · linear and
                 cosine (down to 0), after `warmup` epochs (a fraction is allowed) in which the rate rises
    regularizers label_smoothing, mixup and cutmix (α of the Beta distribution, 0 for off), clip_norm (0 for off),
                 ema (decay of the averaged weights that are measured and kept beside the others, 0 for off)
    machine      precision, channels_last, compile, deterministic, device, threads (of the processor; small networks
                 on two of them are slower than on one as soon as another program runs), workers (None: the set lies
                 on the device; a number: so many loading processes), prefetch (batches each of them keeps ready)
    """

    model: str
    data: str
    model_options: dict = field(default_factory=dict)
    image_size: int | None = None
    weights: str | None = None
    data_root: str | None = None
    validation: int = 0
    augment: tuple[str, ...] = ()
    views: tuple | None = None
    labels: int | None = None
    unlabelled_batch: int = 0
    objective: str = "supervised"
    objective_options: dict = field(default_factory=dict)
    monitor: str | None = None
    epochs: int = 10
    batch_size: int = 128
    accumulate: int = 1
    optimizer: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    no_decay: bool = False
    lr_factors: dict = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    schedule: str = "cosine"
    warmup: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    precision: str = "float32"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = False
    workers: int | None = None
    prefetch: int = 2
    device: str = "auto"
    threads: int = 1
    seed: int = 0
    log_every: int = 50

    def __post_init__(self):
        for entry in dataclasses.fields(self):
            value = _typed(entry.name, getattr(self, entry.name), entry.type)
            _in_range(entry.name, value)
            object.__setattr__(self, entry.name, value)
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise RecipeError(
                f"nesterov must be false unless the optimizer is sgd with a momentum above 0, "
                f"got optimizer {self.optimizer}, momentum {self.momentum:g}",
                "nesterov",
            )
        if self.warmup > self.epochs:
            raise RecipeError(
                f"warmup must be at most epochs, which is {self.epochs}, got {self.warmup:g}", "warmup"
            )
        columns = "train_", f"{self.measured}_"
        if self.monitor and not self.monitor.startswith(columns):
            raise RecipeError(
                f"monitor must be a column, {columns[0]}… or {columns[1]}…, got {self.monitor!r}", "monitor"
            )
        if self.unlabelled_batch and self.labels is None:
            raise RecipeError(
                f"labels must say how many to keep where unlabelled_batch is {self.unlabelled_batch}, got none",
                "labels",
            )
        if self.views and self.augment and not self.unlabelled_batch:
            raise RecipeError(
                f"augment must be empty where views have augmentations of their own, got {list(self.augment)}",
                "augment",
            )
        if self.objective != "supervised":
            for key in ("label_smoothing", "mixup", "cutmix"):
                if getattr(self, key):
                    raise RecipeError(
                        f"{key} must be 0 unless the objective is supervised, got {getattr(self, key):g}", key
                    )

    @property
    def measured(self):
        """What the rows are measured on: images held out of training, or the test set."""
        return "validation" if self.validation else "test"

    def to_dict(self):
        """The recipe in plain values, as YAML and JSON hold them."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    def to_yaml(self):
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def replace(self, **changes):
        """The recipe with some keys changed; an unknown key is refused."""
        return from_dict({**self.to_dict(), **changes})


KEYS = tuple(entry.name for entry in dataclasses.fields(Recipe))


def from_dict(values, where="the recipe"):
    """The `Recipe` with these values."""
    if not isinstance(values, dict):
        raise RecipeError(f"{where} must hold keys and values, such as `model: lenet5`, got {_shown(values)}")
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(KEYS)}"
            raise RecipeError(f"the key {key!r} is unknown: {hint}", key)
    for key in ("model", "data"):
        if key not in values:
            raise RecipeError(f"{where} lacks the key {key!r}, which has no default")
    return Recipe(**values)


def read(path, **changes):
    """The `Recipe` in a YAML file, some keys changed."""
    return from_dict({**read_values(path), **changes}, where=str(path))


def read_values(path):
    """The keys and values in a YAML file, as they stand there."""
    try:
        values = _yaml(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as a recipe: {_reason(error)}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} must hold keys and values, such as `model: lenet5`, got {_shown(values)}")
    return values


def overrides(words):
    """["lr=0.1", "augment=[crop, flip]", "model_options.pooling=max"] → {"lr": 0.1, …}; values are YAML."""
    changes = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise RecipeError(f"{word!r} is not of the form key=value")
        changes[key] = _yaml(value, f"the value of {key}")
    return changes


def changed(values, changes):
    """A plain dict of recipe values with overrides; `model_options.pooling` changes one entry of model_options."""
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for key, value in changes.items():
        outer, dot, inner = key.partition(".")
        if dot and outer in _EXAMPLES:
            values[outer] = {**(values.get(outer) or {}), inner: value}
        else:
            values[key] = value
    return values


def _plain(value):
    """Tuples as lists, at any depth."""
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands there twice is a fault, instead of the last one counting."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for number, (key, (place, _)) in enumerate(zip(keys, node.value, strict=True)):
            if key in keys[:number]:
                raise RecipeError(f"the key {key!r} stands there twice (line {place.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def _yaml(text, where):
    try:
        return yaml.load(text, _Loader)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not YAML: {' '.join(str(error).split())}") from error


# ── Types and ranges ────────────────────────────────────────────────────────────────────────────────────────────────

_AT_LEAST = dict.fromkeys(
    ["validation", "unlabelled_batch", "workers", "seed", "weight_decay", "warmup", "mixup", "cutmix", "clip_norm"], 0
) | dict.fromkeys(
    ["image_size", "labels", "epochs", "batch_size", "accumulate", "prefetch", "threads", "log_every"], 1
)  # fmt: skip
_EXAMPLES = {
    "model_options": "{pooling: max}", "objective_options": "{auxiliary: 0.3}", "lr_factors": "{output: 10}",
}  # fmt: skip
_BELOW_ONE = ("momentum", "label_smoothing", "ema")
_CHOICES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "precision": PRECISIONS}


def _typed(key, value, kind):
    """`value` as the field's type. YAML reads 1e-4 as a string: where a number is due, it is read as one."""
    if kind is float or kind is int:
        if isinstance(value, str):
            try:
                value = float(value) if kind is float else int(value)
            except ValueError:
                raise _wrong(key, value, "a number" if kind is float else "a whole number") from None
        whole = isinstance(value, int) and not isinstance(value, bool)
        if kind is int and not whole:
            raise _wrong(key, value, "a whole number")
        if not whole and not isinstance(value, float):
            raise _wrong(key, value, "a number")
        if not abs(value) <= sys.float_info.max:  # also a NaN, and an integer too large for a float
            raise _wrong(key, value, "a finite number")
        return kind(value)
    if kind == int | None:
        return None if value is None else _typed(key, value, int)
    if kind == str | None:
        return None if value is None else _typed(key, str(value) if isinstance(value, Path) else value, str)
    if kind is bool and not isinstance(value, bool):
        raise _wrong(key, value, "true or false")
    if kind is str and not isinstance(value, str):
        raise _wrong(key, value, "a word")
    if kind is dict:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise _wrong(key, value, f"names with values, such as {_EXAMPLES[key]}")
        return (
            {name: _typed(f"{key}.{name}", v, float) for name, v in value.items()}
            if key == "lr_factors"
            else dict(value)
        )
    if kind == tuple | None:
        if value is not None and (not isinstance(value, list | tuple) or not value):
            raise _wrong(key, value, "a list of views, such as [[crop, flip], [crop, color]]")
        return None if value is None else tuple(_view(view) for view in value)
    if kind == tuple[str, ...]:
        words = () if value is None else (value,) if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise _wrong(key, value, "a list of names, such as [crop, flip]")
        return tuple(words)
    if kind == tuple[float, float]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise _wrong(key, value, "two numbers, such as [0.9, 0.999]")
        return tuple(_typed(key, number, float) for number in value)
    return value


def _view(view):
    """One view: names of augmentations, and a side if it is reduced to one."""
    words = [view] if isinstance(view, str) else view
    if not isinstance(words, list | tuple) or not all(type(word) in (str, int) for word in words):
        raise _wrong(
            "a view", view, "a list of names, with a side if it is reduced, such as [crop, flip, 24]"
        )
    return tuple(words)


def chosen(key, value, names):
    """`value` if it is one of `names`; what is wrong is a `RecipeError` of this key."""
    try:
        return checks.choice(key, value, names)
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error), key) from error


def _in_range(key, value):
    if key in _CHOICES:
        chosen(key, value, _CHOICES[key])
    if key in _AT_LEAST and value is not None and value < _AT_LEAST[key]:
        raise _wrong(key, value, f"at least {_AT_LEAST[key]}")
    if key in _BELOW_ONE and not 0 <= value < 1:
        raise _wrong(key, value, "at least 0 and below 1")
    if key == "betas" and not all(0 <= beta < 1 for beta in value):
        raise _wrong(key, list(value), "two numbers, each at least 0 and below 1")
    if key == "lr_factors" and not all(factor >= 0 for factor in value.values()):
        raise _wrong(key, value, "factors of at least 0")
    if key == "lr" and value <= 0:
        raise _wrong(key, value, "a number above 0")


def _wrong(key, value, expected):
    return RecipeError(f"{key} must be {expected}, got {_shown(value)}", key.partition(".")[0])


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _reason(error):
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
