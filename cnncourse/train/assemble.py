"""From a recipe to a trainer: where data, model and objective meet.

trainer = trainer_for(Recipe(model="lenet5", data="fashion_mnist_mini", epochs=3))
for row in trainer.fit(): ...
"""

import contextlib
import dataclasses
import inspect
from pathlib import Path

import torch
from torchvision.transforms.v2 import functional as transforms

from .. import data, models, runtime
from ..objectives import OBJECTIVES
from ..recipe import RecipeError, chosen
from .checkpoint import RunError, measured_weights, read_checkpoint
from .trainer import Trainer, machine_for, supervised_options


def trainer_for(recipe, objective=None):
    """The `Trainer` of a recipe: its data, its model, its objective (or the one that is given) and its device.

    The model's classes and channels follow the data. Images smaller than the model's input are zero-padded to it,
    larger ones are reduced to it, those of a folder are read at its size; a model that takes any size gets the data's
    own. With `validation`, the rows measure on images held out of the training set; otherwise on the test set.
    """
    machine = machine_for(recipe)
    model = model_for(recipe)
    side = _side(recipe, model)
    training, held_out = _split(recipe, side)
    objective = objective or objective_for(recipe, training.classes)
    return Trainer(
        model,
        _training_batches(recipe, training, side, machine),
        _measuring_batches(recipe, held_out, side, machine),
        recipe,
        objective,
    )


def model_for(recipe, spec=None):
    """The recipe's network, for its data (or for those of `spec`), with the weights of its seed or those it names."""
    chosen("model", recipe.model, models.names())  # before its data are looked for
    spec = spec or _spec(recipe)
    runtime.seed(recipe.seed)
    try:
        model = models.build(
            recipe.model, len(spec.classes), spec.channels, recipe.image_size, **recipe.model_options
        )
    except (ValueError, TypeError) as error:
        raise RecipeError(str(error), "model_options") from error
    if recipe.weights:
        start_from(model, recipe.weights)
    return model


def objective_for(recipe, classes):
    """The recipe's objective for data of these classes."""
    kind = OBJECTIVES[chosen("objective", recipe.objective, OBJECTIVES)]
    options = supervised_options(recipe) if recipe.objective == "supervised" else recipe.objective_options
    known = [name for name, p in inspect.signature(kind).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        chosen("objective_options", name, known)
    return kind(len(classes), **options)


def test_batches(recipe, model, mean=None, std=None):
    """The batches of the test set for a model of this recipe, normalized by its own mean and std or by those given."""
    side = _side(recipe, model)
    images = _load(recipe, "test", side)
    if mean is not None:
        images = dataclasses.replace(images, mean=mean, std=std)
    return _measuring_batches(recipe, images, side, machine_for(recipe))


test_batches.__test__ = False  # pytest takes a function of this name for a test


def start_from(model, path):
    """Give the model the weights of a run (its folder or a checkpoint), or "pretrained": those of `models.pretrained`.

    Only a head of another size keeps its own.
    """
    weights = _pretrained(model.name) if path == "pretrained" else _trained(path)
    head = getattr(model, "head", None)
    heads = {f"{name}." for name, module in model.named_modules() if module is head}
    for name, own in model.state_dict().items():
        found = weights.get(name)
        if found is not None and found.shape == own.shape:
            own.copy_(found)
        elif not name.startswith(tuple(heads)):
            there = "missing" if found is None else f"{tuple(found.shape)}"
            raise RecipeError(
                f"weights is {path}, which does not fit: {name} is {there} there and {tuple(own.shape)} here"
            )


def _pretrained(name):
    try:
        return models.pretrained(name).state_dict()
    except ValueError as error:
        raise RecipeError(
            f"weights is pretrained, for which {error}".replace("name", "model", 1), "weights"
        ) from error
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _trained(path):
    try:
        return measured_weights(read_checkpoint(best_checkpoint(path)))
    except RunError as error:
        raise RecipeError(f"weights is {path}, which {str(error).partition(' ')[2]}", "weights") from error


def best_checkpoint(path):
    """The file itself, or in a folder best.pt, else last.pt."""
    path = Path(path)
    if not path.is_dir():
        return path
    found = [path / name for name in ("best.pt", "last.pt") if (path / name).exists()]
    if not found:
        raise RunError(f"{path} holds no checkpoint (neither best.pt nor last.pt)")
    return found[0]


# ── Images ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _side(recipe, model):
    """The side of the images that the model is given."""
    side = recipe.image_size or model.input_size or _spec(recipe).side
    if side is None:
        raise RecipeError(
            f"image_size must be given: {recipe.model} takes images of any size, those of a folder have none",
            "image_size",
        )
    return side


def _spec(recipe):
    with _said():
        return data.spec(chosen("data", recipe.data, data.names()), recipe.data_root)


@contextlib.contextmanager
def _said(key=None):
    """What is wrong with the data is the recipe's fault where an argument is wrong, else the run's."""
    try:
        yield
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(str(error).replace("root must be given", "data_root must be given"), key) from error
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _load(recipe, split, side):
    """A split of the recipe's data whose images fit into side×side: read at it, or reduced to it if they are larger."""
    with _said():
        if recipe.data == "folder":
            return data.load("folder", split, recipe.data_root, size=side)
        image_set = data.load(recipe.data, split, recipe.data_root)
    if max(image_set.shape[1:]) <= side:
        return image_set
    small = transforms.resize(image_set.images, [side, side], antialias=True)
    return dataclasses.replace(image_set, images=small)


def _split(recipe, side):
    """(images to train on, images to measure on): the latter are held out of training, or are the test set."""
    training = _load(recipe, "train", side)
    if recipe.validation >= len(training):
        raise RecipeError(
            f"validation must be below the {len(training)} images of the training set, got {recipe.validation}",
            "validation",
        )
    if recipe.validation:
        return data.split_off(training, recipe.validation)
    return training, _load(recipe, "test", side)


def _training_batches(recipe, training, side, machine):
    """Batches to train on, shuffled, augmented, of equal size; where labels are few, with unlabelled ones beside."""
    if recipe.labels is None:
        return _batches(recipe, training, side, machine, recipe.batch_size, recipe.augment, recipe.views)
    if recipe.labels > len(training):
        raise RecipeError(
            f"labels must be at most the {len(training)} images of the training set, got {recipe.labels}",
            "labels",
        )
    unlabelled, labelled = training, training
    if recipe.labels < len(training):
        unlabelled, labelled = data.split_off(training, recipe.labels, recipe.seed)
        labelled = labelled.select(torch.arange(len(labelled)), training.split)
    if not recipe.unlabelled_batch:
        return _batches(recipe, labelled, side, machine, recipe.batch_size, recipe.augment, recipe.views)
    return data.Together(
        _batches(recipe, labelled, side, machine, recipe.batch_size, recipe.augment),
        _batches(recipe, unlabelled, side, machine, recipe.unlabelled_batch, recipe.augment, recipe.views),
    )


def _measuring_batches(recipe, image_set, side, machine):
    return _batches(recipe, image_set, side, machine, max(recipe.batch_size, 500), training=False)


def _batches(recipe, image_set, side, machine, batch_size, augment=(), views=None, training=True):
    if training and len(image_set) < batch_size:
        raise RecipeError(
            f"batch_size must be at most the {len(image_set)} images of the training set, got {batch_size}",
            "batch_size",
        )
    if training and batch_size % machine.world:
        raise RecipeError(
            f"batch_size must be a multiple of the {machine.world} processes, got {batch_size}", "batch_size"
        )
    with _said("views" if views else "augment"):
        return data.Batches(
            image_set,
            batch_size,
            device=machine.device,
            augment=() if views else augment,
            views=views,
            shuffle=training,
            drop_last=training,
            seed=recipe.seed,
            size=side,
            workers=recipe.workers,
            prefetch=recipe.prefetch,
            rank=machine.rank,
            world=machine.world,
            channels_last=recipe.channels_last,
        )
