"""Weights that others trained: torchvision's, carried over tensor by tensor."""

import re

import torch

from .. import checks
from .families import BUILDERS, FAMILIES


@torch.no_grad()
def transplant(state_dict, model):
    """Copy the weights of torchvision's network of the same name into `model`, and return it.

    state_dict: what torchvision's network gives, name → tensor. Which of our layers gets which is said by the table
    TORCHVISION of the network's file. Each tensor is used exactly once, and nothing is copied unless all fit.
    Raises ValueError that names the first tensor without a place, the first layer without weights, or the first size
    that differs; TypeError if model is no network of `build`.
    """
    rules = _rules(model)
    checks.instance("state_dict", state_dict, dict, "a dict of tensors by name, as state_dict() gives it")
    own, found = model.state_dict(), {}
    for theirs, tensor in state_dict.items():
        ours = renamed(theirs, rules)
        if ours not in own:
            raise ValueError(
                f"state_dict must be that of {model.name}, got {theirs}, which has no place in it"
            )
        if ours in found:
            raise ValueError(f"TORCHVISION must give each tensor a place of its own, got two for {ours}")
        if tensor.shape != own[ours].shape:
            raise ValueError(
                f"{theirs} must have shape {tuple(own[ours].shape)}, that of {ours} in {model.name}, "
                f"got {tuple(tensor.shape)}"
            )
        found[ours] = tensor
    if missing := own.keys() - found.keys():
        first = next(name for name in own if name in missing)
        raise ValueError(f"state_dict must have all weights of {model.name}, got none for {first}")
    model.load_state_dict(found)
    return model


def pretrained(name):
    """torchvision's network of this name, trained on ImageNet, as the course's: downloaded once, then from the cache.

    The file is checked against the hash in its name. A network that torchvision does not have: ValueError. No network,
    or a file that arrived altered: RuntimeError, in one sentence.
    """
    from torchvision.models import get_model_weights, list_models

    checks.choice("name", name, BUILDERS)
    theirs = NAMES.get(name, name)
    if name not in FAMILIES or theirs not in list_models() or name in NAMES.values():
        known = ", ".join(known for known in FAMILIES if NAMES.get(known, known) in list_models())
        raise ValueError(f"name must be one that torchvision has weights for ({known}), got {name!r}")
    address = get_model_weights(theirs).DEFAULT.url
    try:
        state = torch.hub.load_state_dict_from_url(
            address, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise RuntimeError(
            f"the weights of {name} could not be downloaded ({address}: {reason}): check the network and try again"
        ) from error
    return transplant(state, BUILDERS[name]())


# Ours → torchvision's, where they differ.
NAMES = {"alexnet_owt": "alexnet"}


def renamed(name, rules):
    """Our name of a tensor: the whole of it, or what stands before its last dot, is looked up in `rules`, patterns →
    replacements."""
    layer, dot, kind = name.rpartition(".")
    for pattern, replacement in rules.items():
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
        if match := re.fullmatch(pattern, layer):
            return match.expand(replacement) + dot + kind
    return name


def _rules(model):
    name = getattr(model, "name", None)
    if name not in FAMILIES:
        raise TypeError(
            f"model must be a network of models.build that torchvision has, too, got {name or model!r}"
        )
    return FAMILIES[name].TORCHVISION
