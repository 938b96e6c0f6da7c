"""Make the network of the explorer LeNetLive from the trained weights of a LeNet-5.

    python tools/make_lenet_live.py WEIGHTS.pt --data mnist --recipe RECIPE.json

WEIGHTS.pt is a state dict saved by `torch.save`, or a checkpoint that holds one, with a weight and a bias for each of
c1, c3, c5, f6 and output. RECIPE.json, or a text, says how it was trained. The set gives the mean and the deviation
that the network was trained with, and the test images on which both forms of it are measured. Each run writes the same
bytes:

    lenet_live/weights.npz     NAME_weight int8, NAME_scale and NAME_bias float32 (O,):  w[o] = scale[o] · weight[o]
    lenet_live/manifest.json   architecture, normalization, recipe, what was measured, SHA-256, license
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from make_subsets import write_npz
from torch.nn import functional as F

from cnncourse import data

NAME = "lenet_live"
# Shapes of LeNet-5 for 1×32×32 pixels and ten digits: 61,706 weights and biases.
SHAPES = {"c1": (6, 1, 5, 5), "c3": (16, 6, 5, 5), "c5": (120, 16, 5, 5), "f6": (84, 120), "output": (10, 84)}
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
POOLINGS = {"max": F.max_pool2d, "average": F.avg_pool2d}
LICENSE = (
    "Trained on MNIST (LeCun, Cortes and Burges), which is reported to be licensed under CC BY-SA 3.0; "
    "passed on under that license."
)


def find_state(content):
    """The weights of the five layers inside what `torch.save` wrote → {"c1.weight": float32 tensor, …}."""
    expected = [f"{layer}.{part}" for layer in SHAPES for part in ("weight", "bias")]
    inside = content.values() if isinstance(content, dict) else ()
    found = [state for state in (content, *inside) if isinstance(state, dict) and set(expected) <= set(state)]
    if not found:
        raise ValueError(f"the weights must hold {', '.join(expected)}, and no part of the file does")
    state = {}
    for layer, shape in SHAPES.items():
        weight, bias = (found[0][f"{layer}.{part}"].detach().cpu().float() for part in ("weight", "bias"))
        if weight.numel() != np.prod(shape) or weight.shape[0] != shape[0] or bias.shape != shape[:1]:
            raise ValueError(
                f"{layer} must have weights {shape} and biases {shape[:1]}, "
                f"got {tuple(weight.shape)} and {tuple(bias.shape)}"
            )
        state |= {f"{layer}.weight": weight.reshape(shape), f"{layer}.bias": bias}
    return state


def quantize(weight):
    """w[o] ≈ scale[o] · q[o] with q in −127 … 127, one scale for each output: |error| ≤ scale[o] / 2.

    weight (O, …) float32   →   q int8 (O, …), scale float32 (O,)
    """
    flat = weight.reshape(len(weight), -1).double()
    scale = (flat.abs().amax(1) / 127).float().clamp(min=torch.finfo(torch.float32).tiny)
    whole = (flat / scale.double()[:, None]).round().clamp(-127, 127)
    return whole.to(torch.int8).reshape(weight.shape).numpy(), scale.numpy()


def dequantize(arrays):
    """The arrays of weights.npz → {"c1.weight": float32 tensor, …}."""
    state = {}
    for layer, shape in SHAPES.items():
        scale = torch.from_numpy(arrays[f"{layer}_scale"]).reshape(-1, *[1] * (len(shape) - 1))
        state[f"{layer}.weight"] = torch.from_numpy(arrays[f"{layer}_weight"]) * scale
        state[f"{layer}.bias"] = torch.from_numpy(arrays[f"{layer}_bias"])
    return state


def logits(state, pixels, *, activation, pooling, mean, std, border):
    """pixels uint8 (N, 1, 28, 28) → (N, 10). The border of two pixels holds `border`, in normalized units."""
    act, pool = ACTIVATIONS[activation], POOLINGS[pooling]
    x = F.pad((pixels.float() / 255 - mean) / std, (2, 2, 2, 2), value=border)
    for layer in ("c1", "c3"):
        x = pool(act(F.conv2d(x, state[f"{layer}.weight"], state[f"{layer}.bias"])), 2)
    x = act(F.conv2d(x, state["c5.weight"], state["c5.bias"])).flatten(1)
    x = act(F.linear(x, state["f6.weight"], state["f6.bias"]))
    return F.linear(x, state["output.weight"], state["output.bias"])


def make(content, out, *, dataset, recipe, activation="relu", pooling="max", border="black"):
    """Write weights.npz and manifest.json into the folder `out` → the manifest.

    border   what surrounds the 28×28 pixels: "black", or "mean", which is zero after the normalization
    """
    for name, value, allowed in (
        ("activation", activation, tuple(ACTIVATIONS)),
        ("pooling", pooling, tuple(POOLINGS)),
        ("border", border, ("black", "mean")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}, expected one of {', '.join(allowed)}")
    state = find_state(content)
    test = data.load(dataset, "test")
    if tuple(test.images.shape[1:]) != (1, 28, 28) or len(test.classes) != 10:
        raise ValueError(
            f"{dataset} has images {tuple(test.images.shape[1:])} of {len(test.classes)} classes, "
            "expected (1, 28, 28) of 10"
        )
    arrays = {}
    for layer in SHAPES:
        arrays[f"{layer}_weight"], arrays[f"{layer}_scale"] = quantize(state[f"{layer}.weight"])
        arrays[f"{layer}_bias"] = state[f"{layer}.bias"].numpy()

    # Both forms of the network look at every test image.
    (mean,), (std,) = test.mean, test.std
    settings = dict(activation=activation, pooling=pooling, mean=mean, std=std)
    settings["border"] = -mean / std if border == "black" else 0.0
    with torch.no_grad():
        whole, coarse = (logits(weights, test.images, **settings) for weights in (state, dequantize(arrays)))

    manifest = {
        "name": NAME,
        "model": "lenet5",
        **settings,
        "parameters": sum(tensor.numel() for tensor in state.values()),
        "recipe": recipe,
        "test": compared(dataset, test.labels, whole, coarse),
        "quantization": "int8, one float32 scale for each output channel; biases float32",
        "license": LICENSE,
    }
    return write(out, arrays, manifest)


def compared(dataset, labels, whole, coarse):
    """What both forms of a network answer, by their logits (N, classes): the manifest's entry `test`."""
    answers, coarse_answers = whole.argmax(1), coarse.argmax(1)
    return {
        "set": dataset,
        "images": len(labels),
        "accuracy": int((answers == labels).sum()) / len(labels),
        "accuracy_quantized": int((coarse_answers == labels).sum()) / len(labels),
        "same_answers": int((answers == coarse_answers).sum()),
        "largest_difference_of_a_probability": (whole.softmax(1) - coarse.softmax(1)).abs().max().item(),
    }


def write(out, arrays, manifest):
    """Write weights.npz and manifest.json, with the sum of the first, into the folder `out` → the manifest."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_npz(out / "weights.npz", **arrays)
    manifest["sha256"] = {"weights.npz": hashlib.sha256((out / "weights.npz").read_bytes()).hexdigest()}
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    return manifest


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Make the network of LeNetLive from trained weights.")
    parser.add_argument("weights", help="a .pt file with the state dict, or a checkpoint that holds it")
    parser.add_argument("--data", default="mnist", help="the set it was trained on and is measured with")
    parser.add_argument("--recipe", required=True, help="how it was trained: a .json file, or a text")
    parser.add_argument("--activation", default="relu", choices=ACTIVATIONS)
    parser.add_argument("--pooling", default="max", choices=POOLINGS)
    parser.add_argument("--border", default="black", choices=("black", "mean"))
    parser.add_argument("--out", help="where to write (default: where the package reads it)")
    options = parser.parse_args(arguments)
    recipe = options.recipe
    if recipe.endswith(".json"):
        recipe = json.loads(Path(recipe).read_text(encoding="utf-8"))
    manifest = make(
        torch.load(options.weights, map_location="cpu", weights_only=True),
        options.out or data.EMBEDDED / NAME,
        dataset=options.data,
        recipe=recipe,
        activation=options.activation,
        pooling=options.pooling,
        border=options.border,
    )
    print(json.dumps(manifest["test"], indent=2))


if __name__ == "__main__":
    main()
