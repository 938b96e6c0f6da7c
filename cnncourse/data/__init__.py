"""Image sets as tensors: two real subsets that ship with the package, the full sets, and folders of images.

    train = load("fashion_mnist_mini")                 # 10,000 images, no network
    test = load("cifar10", "test", root="/data")       # the official 10,000
    mine = load("folder", root="flowers", size=64)     # flowers/train/rose/1.jpg …
    train, validation = split_off(train, 1000)

    network = models.build("lenet5", num_classes=len(spec("mnist").classes))   # known without loading a picture
    picture = read_image("rose.jpg", size=64)       # uint8 (3, 64, 64), read as the pictures of a folder are

What an image set is: sets.py. `Batches`, of either kind: batches.py.

A full set is looked for in `root`, in the folder named by $CNNCOURSE_DATA, and in the cache ($XDG_CACHE_HOME/cnncourse,
else ~/.cache/cnncourse); the first of them that holds the whole set is read. When none does, what is missing is
downloaded, into `root`, or into the cache when no root is given; $CNNCOURSE_DATA is only ever read.
Folders have torchvision's layout, so one root serves both:

    ROOT/FashionMNIST/raw/train-images-idx3-ubyte.gz …       ROOT/MNIST/raw/ the same four names
    ROOT/cifar-10-batches-py/data_batch_1 …                  ROOT/cifar-100-python/train …

Every file is checked by MD5 (torchvision's constants) when it arrives and each time it is read.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import torch

from .. import checks
from .batches import Batches, Together
from .images import BrokenImage, read_image
from .official import OFFICIAL, files_of, load_official
from .sets import FolderSet, ImageSet, Spec, folder_spec, mean_and_std, read_folder, split_off

__all__ = [
    "Batches", "BrokenImage", "FolderSet", "ImageSet", "Spec", "Together", "load", "mean_and_std", "names",
    "read_image", "spec", "split_off",
]  # fmt: skip

EMBEDDED = Path(__file__).parents[1] / "embedded"


def names():
    """The names that `load` knows, the two embedded subsets first."""
    return ("fashion_mnist_mini", "mnist_mini", *OFFICIAL, "folder")


def load(name, split="train", root=None, size=None):
    """The split "train" or "test" of an image set, as an `ImageSet`; of a folder, as a `FolderSet`.

    fashion_mnist_mini   10,000 + 2,000   1×28×28   10 classes    inside the package
    mnist_mini            5,000 + 1,000   1×28×28   10 classes    inside the package
    fashion_mnist, mnist 60,000 + 10,000  1×28×28   10 classes
    cifar10              50,000 + 10,000  3×32×32   10 classes
    cifar10_part         10,000 + 10,000  3×32×32   10 classes    the first of CIFAR-10's five training files
    cifar100             50,000 + 10,000  3×32×32   100 classes; cifar100_coarse has the same images in 20 classes

    root: the folder of the full sets, in torchvision's layout (see the module's docstring for the search order);
    the embedded subsets do not use it.

    folder: any images, in torchvision's ImageFolder layout, root/train/CLASS/….jpg and root/test/CLASS/….jpg
    (val or valid also serve as "test"); they become size×size, 64 unless `size` says otherwise. Both splits must have
    the same classes. Names that begin with a dot are passed over.

    A file that is truncated or altered or no image, a set that is nowhere and cannot be downloaded, a folder that
    lacks what it should have: RuntimeError. A name or split that does not exist, an argument that the set has no use
    for or lacks: ValueError.
    """
    root = _checked(name, root)
    checks.choice("split", split, ("train", "test"))
    if size is not None:
        checks.integer("size", size, 1)
        if name != "folder":
            raise ValueError(
                f"size is {size}, but only folder takes one: the images of {name} have their own"
            )
    if name == "folder":
        return read_folder(root, split, 64 if size is None else size)
    return load_official(name, split, root) if name in OFFICIAL else _embedded(name, split)


def spec(name, root=None):
    """What a network must know of an image set: a `Spec`, found without loading a picture.

    spec("cifar10").classes → ("airplane", …)   .channels → 3   .side → 32

    name, root: as for `load`, which gives a set of this spec. The class names of CIFAR are in a small file, found or
    downloaded with the set. Of a folder, the class folders are listed, and the headers of at most 2,000 training images
    tell whether all are gray; its side is None.
    """
    root = _checked(name, root)
    if name == "folder":
        return folder_spec(root)
    return files_of(name, root).spec if name in OFFICIAL else _embedded_spec(name)


def _checked(name, root):
    """root, as None or a path, after both were checked."""
    checks.choice("name", name, names())
    if root is None and name == "folder":
        raise ValueError(
            "root must be given for folder: the path that holds train/CLASS/ and test/CLASS/, got None"
        )
    return None if root is None else checks.path("root", root)


# ── The embedded subsets: SET/train.npz, SET/test.npz, and a manifest with their SHA-256 ─────────────────────────────


def _embedded(name, split):
    manifest, spec = _installed(name, "manifest.json", json.loads), _embedded_spec(name)
    file = f"{split}.npz"
    content = _installed(name, file)
    if hashlib.sha256(content).hexdigest() != manifest["sha256"][file]:
        raise RuntimeError(
            f"{EMBEDDED / name / file} is truncated or altered ({len(content):,} bytes, its SHA-256 is not the "
            "recorded one): install the package again"
        )
    with np.load(io.BytesIO(content)) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return ImageSet(
        images=torch.from_numpy(images).view(-1, spec.channels, spec.side, spec.side),
        labels=torch.from_numpy(labels.astype(np.int64)),
        classes=spec.classes,
        mean=tuple(manifest["mean"]),
        std=tuple(manifest["std"]),
        source=manifest["source"],
        name=name,
        split=split,
    )


def _embedded_spec(name):
    return Spec(tuple(_installed(name, "manifest.json", json.loads)["classes"]), channels=1, side=28)


def _installed(name, file, parse=bytes):
    """What a file of an embedded subset holds."""
    try:
        return parse((EMBEDDED / name / file).read_bytes())
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"{name} is not whole in this installation ({file}: {error}): install the package again"
        ) from error
