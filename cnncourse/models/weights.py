"""Weights that others trained: torchvision's, carried over tensor by tensor."""

import hashlib
import re
from pathlib import Path

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
    """torchvision's network of this name, trained on ImageNet, as the course's, in evaluation mode.

    The file is downloaded once, with a progress bar, to where torchvision itself would look for it, and each time
    checked against the hash in its name. Images must be normalized as torchvision's are. A network that torchvision
    does not have: ValueError. No network, or a file that arrives altered: RuntimeError, in one sentence.
    """
    from torchvision.models import get_model_weights, list_models

    shared = [own for own in FAMILIES if NAMES.get(own, own) in list_models() and own not in NAMES.values()]
    checks.choice("name", name, shared)
    address = get_model_weights(NAMES.get(name, name)).DEFAULT.url
    path = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
    (beginning,) = re.findall(r"-([0-9a-f]{8,})\.", path.name)
    try:
        if not path.exists() or not hashlib.sha256(path.read_bytes()).hexdigest().startswith(beginning):
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(address, str(path), hash_prefix=beginning)
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            f"the weights of {name} could not be downloaded ({address}: {error}): check the network and try again"
        ) from error
    state = torch.load(path, map_location="cpu", weights_only=True)
    untrained = getattr(FAMILIES[name], "UNTRAINED", None)
    trained = {key: tensor for key, tensor in state.items() if not untrained or not re.match(untrained, key)}
    return transplant(trained, BUILDERS[name](**getattr(FAMILIES[name], "PRETRAINED", {}))).eval()


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
            f"model must be a network of models.build that torchvision has, too, got {name or checks.shown(model)}"
        )
    rules = FAMILIES[name].TORCHVISION
    return rules.get(name, rules)  # where layers are only numbered there, each network has a table of its own
