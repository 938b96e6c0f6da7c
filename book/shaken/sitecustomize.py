"""Python runs this file at its start where this folder is on its path: every network then starts one part in a million
off, as far as another processor's rounding would soon have carried it.

$COURSE_DRAW numbers the draw; without it nothing changes. A weight w becomes w·(1 + 1e-6·g), g a standard normal
number keyed by the draw, the place of its tensor among the others and its own place in it: networks that start equal
stay equal. PyTorch's networks are changed when `models.build` makes them (some loops are written out and have no
optimizer) and when an optimizer is made for them, `scratch.MLP` when it is made. Where something was changed, the file
$COURSE_CHANGED is written, if it is set.
"""

import functools
import importlib.abc
import importlib.util
import os
import pathlib
import sys

DRAW = os.environ.get("COURSE_DRAW")
SIZE = 1e-6


def told():
    if path := os.environ.get("COURSE_CHANGED"):
        pathlib.Path(path).touch()


def changing(make, change):
    """make, a class or a function, that changes what it makes."""
    function = make.__init__ if isinstance(make, type) else make

    @functools.wraps(function)
    def both(*arguments, **options):
        made = function(*arguments, **options)
        change(arguments[0] if isinstance(make, type) else made)
        return made

    if not isinstance(make, type):
        return both
    make.__init__ = both
    return make


def change_optimizer(optimizer):
    change_torch([p for group in optimizer.param_groups for p in group["params"]])


def change_network(network):
    change_torch(network.parameters())


def change_torch(tensors):
    import torch

    for place, weight in enumerate(tensors):
        if isinstance(weight, torch.nn.Parameter) and weight.is_floating_point() and not weight.is_meta:
            generator = torch.Generator().manual_seed(1_000_003 * int(DRAW) + place)
            noise = torch.randn(weight.shape, generator=generator).to(weight.device, weight.dtype)
            with torch.no_grad():
                weight.mul_(1 + SIZE * noise)
            told()


def change_scratch(network):
    import numpy as np

    params = {}
    for place, (name, weight) in enumerate(network.params.items()):
        noise = np.random.default_rng([int(DRAW), place]).standard_normal(weight.shape)
        params[name] = weight * (1 + SIZE * noise)
    network.params = params
    told()


CHANGES = {
    "torch.optim.optimizer": ("Optimizer", change_optimizer),
    "cnncourse.models": ("build", change_network),
    "cnncourse.scratch.networks": ("MLP", change_scratch),
}


class Finder(importlib.abc.MetaPathFinder):
    """Finds these modules as Python would, and changes one name of each once it is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in CHANGES:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        kind, change = CHANGES[name]
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            setattr(module, kind, changing(getattr(module, kind), change))

        spec.loader.exec_module = exec_module
        return spec


if DRAW:
    sys.meta_path.insert(0, Finder())
