"""The networks of the course, as torch modules: one family a file, built by name.

    model = models.build("lenet5", num_classes=10, in_channels=1, activation="relu")

Every model has `name`, `num_classes`, `in_channels` and `input_size` (the side of its square input in pixels, None
where any side will do), takes images (N, in_channels, input_size, input_size) and returns logits (N, num_classes):
head(features(x)), features (N, D).
"""

import inspect

from torch import nn

from .. import checks
from . import lenet

BUILDERS = {
    "lenet5": lenet.lenet5,
    "lenet5_1998": lenet.lenet5_1998,
    "cifar_cnn": lenet.cifar_cnn,
}


def names() -> list[str]:
    """The names that `build` knows."""
    return list(BUILDERS)


def options(name: str) -> dict[str, object]:
    """What can be changed in a model, and what it is without a change: {"activation": "tanh", …}."""
    checks.choice("name", name, BUILDERS)
    parameters = inspect.signature(BUILDERS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def build(
    name: str,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | None = None,
    **changes,
) -> nn.Module:
    """A new network with random weights: build("lenet5", num_classes=10, in_channels=1, activation="relu").

    num_classes, in_channels and image_size (the side of the images in pixels) left out (None) are the paper's own: 10,
    1 and 32 for the LeNets, 10, 3 and 32 for cifar_cnn. Each network takes every size that its layers allow.
    changes are the options of that network: `options(name)` lists them with their defaults. The weights are drawn
    from torch's global generator, so torch.manual_seed before the call fixes them.
    Raises ValueError or TypeError that names the argument: an unknown name, a change that this network does not have,
    a value out of range.
    """
    allowed = options(name)
    for change in changes:
        if not allowed:
            raise ValueError(
                f"{name} is built as published and takes no changes, got {change}={changes[change]!r}"
            )
        checks.choice(f"a change of {name}", change, allowed)
    given = {"num_classes": num_classes, "in_channels": in_channels}
    if "input_size" in allowed and "input_size" not in changes:
        given["input_size"] = image_size
    given = {argument: value for argument, value in given.items() if value is not None}
    model = BUILDERS[name](**given, **changes)
    if image_size is not None and model.input_size not in (None, image_size):
        raise ValueError(f"image_size of {name} must be {model.input_size}, got {image_size}")
    return model
