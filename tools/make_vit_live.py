"""Make the network of the AttentionExplorer from the trained weights of a small Vision Transformer.

    python tools/make_vit_live.py RUN/best.pt --recipe recipes/vit_live.yaml --root FOLDER_OF_THE_FULL_SETS

RUN/best.pt is what a run of the recipe leaves: the weights of `models.build("vit_tiny", in_channels=1, image_size=28)`,
the mean and the deviation of its training images, and a row for each epoch. The test images are those of the set that
the recipe names; both forms of the network look at them. Each run writes the same bytes:

    vit_live/weights.npz     NAME int8 and NAME_scale float32 (O,) for every matrix:  w[o] = scale[o] · NAME[o];
                             NAME float32 for biases, norms, the class token and the positions
    vit_live/manifest.json   sizes, normalization, how it was trained, what was measured, SHA-256, license
"""

import argparse
import json

import numpy as np
import torch
from make_lenet_live import compared, quantize, write

from cnncourse import data, models
from cnncourse import recipe as recipes

NAME = "vit_live"
MODEL = "vit_tiny"
SETTINGS = {"in_channels": 1, "image_size": 28}
LICENSE = "Trained on Fashion-MNIST (copyright 2017 Zalando SE), MIT License; the weights are under the same license."


def find_state(content):
    """The network's weights inside what a run saved → {"patches.projection.weight": float32 tensor, …}."""
    expected = models.build(MODEL, **SETTINGS).state_dict()
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not expected.keys() <= state.keys():
        raise ValueError(f"the checkpoint must hold, under model, the weights of {MODEL} for 1×28×28 pixels")
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise ValueError(f"{name} must be {tuple(tensor.shape)}, got {tuple(state[name].shape)}")
    return {name: state[name].detach().cpu().float() for name in expected}


def packed(state):
    """The arrays of weights.npz: matrices as 8-bit whole numbers with their scales, everything else as it is."""
    arrays = {}
    for name, tensor in state.items():
        if name.endswith("weight") and tensor.ndim > 1:
            arrays[name], arrays[f"{name}_scale"] = quantize(tensor)
        else:
            arrays[name] = tensor.numpy()
    return arrays


def unpacked(arrays):
    """The state dict, float32, that the arrays of weights.npz stand for."""
    state = {}
    for name in arrays:
        if name.endswith("_scale"):
            continue
        state[name] = torch.from_numpy(np.asarray(arrays[name])).float()
        if f"{name}_scale" in arrays:
            scale = torch.from_numpy(np.asarray(arrays[f"{name}_scale"]))
            state[name] *= scale.reshape(-1, *[1] * (state[name].ndim - 1))
    return state


@torch.no_grad()
def logits(state, images):
    model = models.build(MODEL, **SETTINGS).eval()
    model.load_state_dict(state)
    return torch.cat([model(batch) for batch in images.split(500)])


def told(recipe, rows):
    """How the network was trained: the recipe in words, and the row of the epoch whose weights were kept."""
    kept = max(rows, key=lambda row: row["validation_accuracy"])
    images = 60_000 - recipe.validation
    return {
        "recipe": f"recipes/{NAME}.yaml: {recipe.epochs} epochs on {images:,} of Fashion-MNIST's training images, "
        f"seed {recipe.seed}",
        "training": {
            "epochs": len(rows),
            "epoch_kept": kept["epoch"],
            "validation_images": recipe.validation,
            "validation_accuracy": kept["validation_accuracy"],
        },
    }


def make(content, out, *, recipe, root=None):
    """Write weights.npz and manifest.json into the folder `out` → the manifest."""
    state, test = find_state(content), data.load(recipe.data, "test", root)
    (mean,), (std,) = content["mean"], content["std"]
    arrays = packed(state)
    images = (test.images.float() / 255 - mean) / std
    whole, coarse = logits(state, images), logits(unpacked(arrays), images)
    config = models.vit.CONFIGS[MODEL]
    manifest = {
        "name": NAME,
        "model": MODEL,
        **SETTINGS,
        **{size: getattr(config, size) for size in ("patch", "width", "blocks", "heads")},
        "classes": list(test.classes),
        "mean": mean,
        "std": std,
        "parameters": sum(tensor.numel() for tensor in state.values()),
        **told(recipe, content["rows"]),
        "test": compared(recipe.data, test.labels, whole, coarse),
        "quantization": "int8, one float32 scale for each output; biases, norms, class token and positions float32",
        "license": LICENSE,
    }
    return write(out, arrays, manifest)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Make the network of the AttentionExplorer from a run.")
    parser.add_argument("weights", help="the best.pt that a run of the recipe left")
    parser.add_argument("--recipe", required=True, help="the recipe, a .yaml file")
    parser.add_argument("--root", help="the folder of the full sets (default: where the package finds them)")
    parser.add_argument(
        "--out", default=data.EMBEDDED / NAME, help="where to write (default: where the package reads)"
    )
    options = parser.parse_args(arguments)
    manifest = make(
        torch.load(options.weights, map_location="cpu", weights_only=True),
        options.out,
        recipe=recipes.read(options.recipe),
        root=options.root,
    )
    print(json.dumps({part: manifest[part] for part in ("training", "test")}, indent=2))


if __name__ == "__main__":
    main()
