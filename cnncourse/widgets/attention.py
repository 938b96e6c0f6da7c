"""AttentionExplorer: whom each patch of a picture looks at, in every head of a small Vision Transformer."""

import copy
import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import traitlets

from .explorer import Checked, Explorer, give_data, grays, number, one_of, whole
from .lenet import encode

EMBEDDED = Path(__file__).resolve().parent.parent / "embedded"
SHIPPED = EMBEDDED / "vit_live"
SIDE = 28  # pixels of a picture, as of Fashion-MNIST's
GRID = 7  # patches in a row and in a column
LAYERS, HEADS = 6, 3
CLASS_TOKEN, MEAN, DRAWING = "class token", "mean", "drawing"
BRUSHES = (1.0, 9.0)  # pixels across
SAMPLE_SEED = 0  # any would do: it draws two test images of each of these classes
SAMPLED = ("Trouser", "Pullover", "Dress", "Sandal", "Bag", "Ankle boot")
PICTURES = tuple(f"{name.lower()} {number}" for name in SAMPLED for number in (1, 2))


@cache
def load_manifest():
    return json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))


@cache
def load_arrays():
    """weights.npz, in the order of the network's state dict: NAME int8 with NAME_scale, or NAME float32."""
    raw = (SHIPPED / "weights.npz").read_bytes()
    if hashlib.sha256(raw).hexdigest() != load_manifest()["sha256"]["weights.npz"]:
        raise ValueError(f"folder {str(SHIPPED)!r}: weights.npz is not the file that manifest.json describes")
    with np.load(SHIPPED / "weights.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


@cache
def network():
    """The network as the module reads it, in a file of its own.

    weights   int8 of every matrix, one after the other, in base64
    numbers   float32 of everything else: of a matrix its scales, one for each output:  w[o] = scale[o] · weights[o]
    """
    parts = {"weights": [], "numbers": []}
    for array in load_arrays().values():
        parts["weights" if array.dtype == np.int8 else "numbers"].append(array.ravel())
    kept = ("patch", "width", "blocks", "heads", "image_size", "classes", "mean", "std")
    return {
        **{name: load_manifest()[name] for name in kept},
        **{part: encode(np.concatenate(arrays)) for part, arrays in parts.items()},
    }


@cache
def load_model():
    """The same network as `models.build("vit_tiny")` makes it, in float64: w[o] = scale[o] · weight[o]."""
    import torch

    from cnncourse import models

    manifest, arrays = load_manifest(), load_arrays()
    with torch.device("meta"):  # no weights are drawn, so random numbers stay as they are
        model = models.build(
            manifest["model"], **{name: manifest[name] for name in ("in_channels", "image_size")}
        )
    state = {}
    for name, array in arrays.items():
        if not name.endswith("_scale"):
            scale = arrays.get(f"{name}_scale", np.ones(1)).astype(np.float64)
            values = array * scale.reshape(-1, *[1] * (array.ndim - 1))
            state[name] = torch.from_numpy(values)
    model.load_state_dict(state, assign=True)
    return model.eval()


@cache
def sample_pictures():
    """Name → one of twelve test images of Fashion-MNIST, uint8 (28, 28)."""
    with np.load(EMBEDDED / "fashion_mnist_mini/test.npz") as test:
        images, labels = test["images"], test["labels"]
    rng = np.random.default_rng(SAMPLE_SEED)
    classes = [load_manifest()["classes"].index(name) for name in SAMPLED]
    drawn = [rng.choice(np.flatnonzero(labels == label), 2, replace=False) for label in classes]
    return dict(zip(PICTURES, images[np.concatenate(drawn)], strict=True))


give_data("attention", "vit", network)


def head_or_mean(name, value):
    if value == MEAN:
        return value
    try:
        return whole(name, value, 1, HEADS)
    except traitlets.TraitError:
        raise traitlets.TraitError(f"{name} must be 1, 2, 3 or {MEAN!r}, got {value!r}") from None


def token(name, value):
    """The class token, or [row, column] of a patch, counted from 1."""
    if isinstance(value, str) and value == CLASS_TOKEN:
        return value
    try:
        row, column = value
        return [whole(name, index, 1, GRID) for index in (row, column)]
    except (TypeError, ValueError, traitlets.TraitError):
        words = (
            f"{name} must be {CLASS_TOKEN!r} or [row, column], whole numbers from 1 to {GRID}, got {value!r}"
        )
        raise traitlets.TraitError(words) from None


class AttentionExplorer(Explorer):
    """A picture is chosen or drawn, a patch pointed at, and it is seen whom it attends to in a small ViT.

    AttentionExplorer(picture="bag 1", layer=3, head=2, patch=[4, 4])

    picture   one of `PICTURES`, twelve test images of Fashion-MNIST, or "drawing"
    drawing   28 rows of 28 gray values, the picture if `picture` is "drawing"; an array (28, 28) will do
    brush     1 … 9, the width of a stroke in pixels
    layer     1 … 6, the block whose attention is shown
    head      1, 2 or 3, or "mean": the mean of the three
    patch     whose attention is shown: [row, column], each 1 … 7, or "class token"
    numbers   whether the weights are written into the map, in percent

    All are synced traits: each can be set, observed and linked while the widget is shown. A value that does not fit
    raises `TraitError`. `maps()`, `rollout()` and `probabilities()` compute in torch what the explorer shows. The
    network is `models.build("vit_tiny")` for 28×28 pixels, 49 patches of 4×4 and a class token, with weights of 8 bits.
    Dosovitskiy et al., 2021; attention rollout: Abnar and Zuidema, 2020.
    """

    module = "attention"

    samples = traitlets.Dict(read_only=True).tag(sync=True, explorer=True)
    picture = Checked(one_of, (*PICTURES, DRAWING), default=PICTURES[-2])
    drawing = Checked(grays, SIDE)
    brush = Checked(number, *BRUSHES, default=3.0)
    layer = Checked(whole, 1, LAYERS, default=2)
    head = Checked(head_or_mean, default=1)
    patch = Checked(token, default=[4, 4])
    numbers = traitlets.Bool(False).tag(sync=True, explorer=True)

    @traitlets.default("samples")
    def _twelve_pictures(self):
        return {name: encode(picture) for name, picture in sample_pictures().items()}

    @traitlets.default("drawing")
    def _nothing_drawn(self):
        return np.zeros((SIDE, SIDE), int).tolist()

    # --- results

    def model(self):
        """The network that answers, as a torch module of its own, float32: see `models.build("vit_tiny")`."""
        return copy.deepcopy(load_model()).float()

    def pixels(self):
        """The picture that the network gets → uint8 (28, 28)."""
        drawn = self.picture == DRAWING
        return np.array(self.drawing, np.uint8) if drawn else sample_pictures()[self.picture].copy()

    def maps(self):
        """The weights of all layers and heads → float64 (6, 3, 50, 50), [layer, head, who looks, at whom].

        Token 0 is the class token; the patches follow row by row.
        """
        import torch

        with torch.no_grad():
            return torch.cat(load_model().attention(self._input())).numpy()

    def rollout(self):
        """What is in each token after all layers, if each were half itself and half the mean of its heads.

        R = Ã₆ ⋯ Ã₂ Ã₁,  Ã = ½ (mean of the heads + 1)   →   float64 (50, 50), rows of sum 1. Abnar and Zuidema, 2020.
        """
        product = np.eye(1 + GRID**2)
        for heads in self.maps():
            product = (heads.mean(axis=0) + np.eye(len(product))) / 2 @ product
        return product

    def attention(self):
        """The weights of the patch in the layer and the head that are chosen → float64 (50,) of sum 1."""
        heads = self.maps()[self.layer - 1, :, self._index()]
        return heads.mean(axis=0) if self.head == MEAN else heads[self.head - 1]

    def probabilities(self):
        """How likely the network holds each class to be: the softmax of its ten outputs → float64 (10,)."""
        import torch

        with torch.no_grad():
            return load_model()(self._input()).softmax(1)[0].numpy()

    def _input(self):
        import torch

        scaled = (self.pixels() / 255 - load_manifest()["mean"]) / load_manifest()["std"]
        return torch.from_numpy(scaled)[None, None]

    def _index(self):
        if self.patch == CLASS_TOKEN:
            return 0
        row, column = self.patch
        return 1 + GRID * (row - 1) + column - 1

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        attention, probabilities = self.attention(), self.probabilities()
        names = load_manifest()["classes"]
        ranking = [f"{names[label]} {probabilities[label]:.1%}" for label in (-probabilities).argsort()[:3]]
        strongest = [f"{_called(index)} {attention[index]:.0%}" for index in (-attention).argsort()[:3]]
        what = "A drawing" if self.picture == DRAWING else f"A picture of Fashion-MNIST, {self.picture},"
        head = "the mean of the heads" if self.head == MEAN else f"head {self.head}"
        return (
            f"{what} in 7 × 7 patches, and the attention of {_called(self._index())} in {head} of layer {self.layer}: "
            f"{', '.join(strongest)}. Beside it all heads and layers and the attention rollout of the class token. "
            f"The network’s probabilities: {', '.join(ranking)}."
        )


def _called(index):
    return (
        f"the {CLASS_TOKEN}" if index == 0 else f"patch ({(index - 1) // GRID + 1}, {(index - 1) % GRID + 1})"
    )
