"""Make the embedded subsets from the official files.

    python tools/make_subsets.py fashion_mnist_mini FOLDER
    python tools/make_subsets.py mnist_mini FOLDER

FOLDER holds the four official idx .gz files; their MD5s must be torchvision's constants. Training images are drawn
from the official training set, test images from the official test set, equally many of each class, without
repetition, and kept in the official order. Each run writes the same bytes:

    SET/train.npz, SET/test.npz   images uint8 (N, 28, 28), labels uint8 (N,), indices uint16 (N,) into the official set
    SET/manifest.json             seed, counts, classes, statistics, source, SHA-256 of the two files
"""

import argparse
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from torchvision import datasets

from cnncourse import data
from cnncourse.data import official

# Any seed would do; it is recorded so that the same images are drawn again.
SEED = 0

# name → (official set, training images per class, test images per class)
SUBSETS = {
    "fashion_mnist_mini": ("fashion_mnist", 1000, 200),
    "mnist_mini": ("mnist", 500, 100),
}


def draw(labels, per_class, rng):
    """Indices of `per_class` labels of each class, drawn without repetition, in ascending order."""
    classes, counts = np.unique(labels, return_counts=True)
    if per_class > counts.min():
        raise ValueError(
            f"per_class is {per_class}, but class {classes[counts.argmin()]} has {counts.min()} images"
        )
    return np.sort(
        np.concatenate([rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes])
    )


def write_npz(path, **arrays):
    """An .npz that np.load reads, packed by LZMA (an eighth smaller than np.savez_compressed), with no time in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980-01-01
            entry.compress_type = zipfile.ZIP_LZMA
            entry.create_system = 3  # the same byte on every system
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def make(name, folder, out):
    """Write the files of one subset into the folder `out`."""
    whole, *per_class = SUBSETS[name]
    dataset = getattr(datasets, official.OFFICIAL[whole])
    md5 = dict(dataset.resources)
    rng = np.random.default_rng(SEED)

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    manifest = {"name": name, "official": whole, "seed": SEED, "per_class": {}, "sha256": {}}
    drawn = {}
    for split, stem, count in zip(("train", "test"), ("train", "t10k"), per_class, strict=True):
        files = [f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz"]
        images, labels = (official.read_idx(Path(folder, file), md5[file]) for file in files)
        indices = draw(labels, count, rng)
        drawn[split] = images[indices]
        path = out / f"{split}.npz"
        write_npz(path, images=images[indices], labels=labels[indices], indices=indices.astype(np.uint16))
        manifest["per_class"][split] = count
        manifest["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()

    # The statistics are those of the subset's own training images.
    mean, std = data.mean_and_std(torch.from_numpy(drawn["train"]).unsqueeze(1))
    seen = {image.tobytes() for image in drawn["train"]}
    manifest |= {
        "test_images_also_in_train": sum(image.tobytes() in seen for image in drawn["test"]),
        "classes": list(official.class_names(dataset)),
        "mean": mean,
        "std": std,
        "source": f"A selection, {per_class[0]:,} training and {per_class[1]:,} test images of each class, "
        f"from {official.SOURCES[official.OFFICIAL[whole]]}",
        "official_md5": md5,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    return manifest


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Make an embedded subset from the official files.")
    parser.add_argument("name", choices=SUBSETS)
    parser.add_argument("folder", help="the folder with the four official .gz files")
    parser.add_argument("--out", help="where to write (default: where the package reads it)")
    options = parser.parse_args(arguments)
    manifest = make(options.name, options.folder, options.out or data.EMBEDDED / options.name)
    print(json.dumps(manifest["sha256"], indent=2))


if __name__ == "__main__":
    main()
