"""From a recipe to a run: where data, models and training meet, and finished runs are used."""

import dataclasses
import zlib

import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as transforms

from .. import data, models, recipe, runtime
from ..recipe import RecipeError
from .checkpoint import RunError, read_checkpoint
from .trainer import Trainer, machine_for


def trainer_for(recipe):
    """The `Trainer` of a recipe: its data, its model and its device put together.

    The model's classes and channels follow the data. Images smaller than the model's input are zero-padded to it,
    larger ones are reduced to it. With `validation`, the rows' test columns are measured on images held out of
    the training set; otherwise on the test set.
    """
    machine = machine_for(recipe)
    model = model_for(recipe)
    training, held_out = split(recipe)
    return Trainer(
        model,
        batches_for(recipe, training, model.input_size, machine, training=True),
        batches_for(recipe, held_out, model.input_size, machine),
        recipe,
    )


def model_for(recipe, num_classes=None, in_channels=None):
    """The recipe's network with the random weights of its seed, for its data (or for so many classes and channels)."""
    models.options(recipe.model)  # an unknown name is refused before its data are looked for
    if num_classes is None:
        described = data.load(recipe.data, "test", recipe.data_root)
        num_classes, in_channels = len(described.classes), described.shape[0]
    runtime.seed(recipe.seed)
    return models.build(
        recipe.model, num_classes=num_classes, in_channels=in_channels, **recipe.model_options
    )


def split(recipe):
    """(images to train on, images to measure on): the rest is held out of training, or is the test set."""
    training = data.load(recipe.data, "train", recipe.data_root)
    if recipe.validation:
        return data.split_off(training, recipe.validation)
    return training, data.load(recipe.data, "test", recipe.data_root)


def test_batches(recipe, model):
    """The batches of the test set for a model of this recipe."""
    machine = machine_for(recipe)
    return batches_for(recipe, data.load(recipe.data, "test", recipe.data_root), model.input_size, machine)


def batches_for(recipe, image_set, size, machine, *, training=False):
    """Batches of a set as the recipe wants them: to train on, augmented, shuffled, of equal size; else all images."""
    if training and len(image_set) < recipe.batch_size:
        raise RecipeError(
            f"batch_size is {recipe.batch_size} and the training set has {len(image_set)} images: use a smaller one"
        )
    if training and recipe.batch_size % machine.world:
        raise RecipeError(
            f"batch_size is {recipe.batch_size}, which {machine.world} processes cannot share equally"
        )
    return data.Batches(
        fitted(image_set, size),
        recipe.batch_size if training else max(recipe.batch_size, 500),
        device=machine.device,
        augment=recipe.augment if training else (),
        shuffle=training,
        drop_last=training,
        seed=recipe.seed,
        size=size,
        workers=recipe.workers,
        prefetch=recipe.prefetch,
        rank=machine.rank,
        world=machine.world,
        channels_last=recipe.channels_last,
    )


def fitted(image_set, size):
    """The set itself if its images fit into size×size, else with images reduced to it (antialiased bilinear)."""
    if max(image_set.shape[1:]) <= size:
        return image_set
    if not isinstance(image_set, data.ImageSet):  # files, then read at that size
        return dataclasses.replace(image_set, shape=(image_set.shape[0], size, size))
    small = transforms.resize(image_set.images, [size, size], antialias=True)
    return dataclasses.replace(image_set, images=small)


# ── Checkpoints of finished runs ────────────────────────────────────────────────────────────────────────────────────


def restore(path, device="cpu"):
    """(model in evaluation mode, its recipe, the checkpoint's state) from a file that `cnncourse train` wrote."""
    state = read_checkpoint(path, device)
    try:
        made_by = recipe.from_dict(state["recipe"], where=f"the recipe in {path}")
        model = model_for(made_by, len(state["classes"]), state["shape"][0])
        averaged = state["averaged"]
        weights = (
            {name.removeprefix("module."): w for name, w in averaged.items() if name != "n_averaged"}
            if averaged
            else state["model"]
        )
        model.load_state_dict(weights)
    except (KeyError, IndexError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path} does not fit its own recipe: {reason}") from error
    return model.to(device).eval(), made_by, state


def class_probabilities(model, state, path, *, invert=False):
    """The probability of each class for an image file, (K,): softmax of the logits of a model from `restore`."""
    channels, height, width = state["shape"]
    left, right, top, bottom = state["padding"]
    try:
        with Image.open(path) as file:
            if file.mode[0] in "IF":  # Pillow would cut their pixels at 255 instead of scaling them
                raise ValueError("its pixels have more than 8 bits, expected 8")
            image = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        raise RunError(f"{path} is no image that can be read: {error}") from error
    inside = width - left - right, height - top - bottom
    image = ImageOps.fit(ImageOps.invert(image) if invert else image, inside, Image.Resampling.BILINEAR)
    pixels = transforms.pad(transforms.pil_to_tensor(image), [left, top, right, bottom]).float() / 255
    mean, std = (torch.tensor(state[name])[:, None, None] for name in ("mean", "std"))
    device = next(model.parameters()).device
    with torch.no_grad():
        return model(((pixels - mean) / std)[None].to(device)).softmax(1)[0].cpu()
