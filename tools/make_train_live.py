"""Make the digits of the explorer TrainLive from the embedded selection of MNIST.

    python tools/make_train_live.py

2,000 training and 500 held-out digits, equally many of each class, drawn without repetition from mnist_mini: training
digits from its training images, held-out ones from its test images. Each is made half as wide and half as high, and
its grays become 16 levels:

    level = ⌊(sum of 2 × 2 pixels + 34) / 68⌋          a pixel is 0 … 255, so a level is 0 … 15

Each run writes the same bytes:

    train_live/digits.json     side, levels, mean, std; for train and test labels, a digit each, and images as text
    train_live/manifest.json   what was drawn from where, SHA-256, license

In the text of the images a hexadecimal digit is the level of a pixel, a letter from g on a row of levels 0: g two of
them, h three, … z twenty-one. mean and std are those of level / 15 over the training digits.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
from make_subsets import draw

from cnncourse import data

NAME = "train_live"
SEED = 0  # any would do; it is recorded so that the same digits are drawn again
PER_CLASS = {"train": 200, "test": 50}
LEVELS = 16
LONGEST = 21  # zeros in one letter
LICENSE = (
    "Made from MNIST (LeCun, Cortes and Burges), which is reported to be licensed under CC BY-SA 3.0; "
    "passed on under that license."
)


def shrink(images):
    """uint8 (N, 28, 28) → levels 0 … 15, uint8 (N, 14, 14)"""
    n, height, width = images.shape
    sums = images.reshape(n, height // 2, 2, width // 2, 2).sum(axis=(2, 4), dtype=np.int64)
    return ((sums + 34) // 68).astype(np.uint8)


def to_text(levels):
    """Levels of any shape → their text, row by row."""
    digits = "".join(f"{level:x}" for level in levels.ravel().tolist())
    return re.sub(f"0{{2,{LONGEST}}}", lambda zeros: chr(ord("g") + len(zeros[0]) - 2), digits)


def make(out, seed=SEED):
    """Write digits.json and manifest.json into the folder `out` → the manifest."""
    rng = np.random.default_rng(seed)
    made, indices = {}, {}
    for split, count in PER_CLASS.items():
        chosen = data.load("mnist_mini", split)
        images, labels = chosen.images[:, 0].numpy(), chosen.labels.numpy()
        indices[split] = draw(labels, count, rng)
        levels = shrink(images[indices[split]])
        if split == "train":
            grays = levels / (LEVELS - 1)
            made |= {"side": levels.shape[-1], "levels": LEVELS, "mean": grays.mean(), "std": grays.std()}
        text = "".join(map(str, labels[indices[split]].tolist()))
        made[split] = {"labels": text, "images": to_text(levels)}

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made, separators=(",", ":")) + "\n"
    (out / "digits.json").write_text(text, encoding="utf-8", newline="\n")
    manifest = {
        "name": NAME,
        "selection": "mnist_mini",
        "seed": seed,
        "per_class": PER_CLASS,
        "size": "half as wide and half as high, the mean of 2 × 2 pixels in 16 levels",
        "license": LICENSE,
        "sha256": {"digits.json": hashlib.sha256(text.encode()).hexdigest()},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    return manifest


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Make the digits of TrainLive from mnist_mini.")
    parser.add_argument("--out", help="where to write (default: where the package reads it)")
    options = parser.parse_args(arguments)
    print(json.dumps(make(options.out or data.EMBEDDED / NAME)["sha256"], indent=2))


if __name__ == "__main__":
    main()
