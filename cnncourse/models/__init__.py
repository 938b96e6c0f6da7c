"""The networks of the course, as torch modules: one family a file, built by name.

    model = models.build("lenet5", num_classes=10, in_channels=1, activation="relu")

Every model has `name`, `num_classes`, `in_channels`, `published_size` (the side of the paper's images in pixels),
`input_size` (the only side that it takes, None where any from `smallest` on will do), takes images
(N, in_channels, H, W) and returns logits (N, num_classes): head(features(x)), features (N, D).
"""

import inspect

from torch import nn

from .. import checks
from .families import BUILDERS
from .weights import pretrained, transplant

__all__ = ["build", "names", "options", "pretrained", "transplant"]


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

    num_classes, in_channels and image_size (the side of the images in pixels) left out (None) are the paper's own. Each
    network takes every size that its layers allow: `input_size` and `smallest` of the network say which.
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
    numbers = {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size}
    given = {argument: checks.integer(argument, n, 1) for argument, n in numbers.items() if n is not None}
    side = given.pop("image_size", None)
    if side and "input_size" in allowed:
        changes = {"input_size": side} | changes
    model = BUILDERS[name](**given, **changes)
    if image_size is not None and model.input_size not in (None, image_size):
        raise ValueError(f"image_size of {name} must be {model.input_size}, got {image_size}")
    if image_size is not None and image_size < model.smallest:
        raise ValueError(f"image_size of {name} must be at least {model.smallest}, got {image_size}")
    return model
