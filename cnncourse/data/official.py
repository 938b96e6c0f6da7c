"""The full sets: find the folder that holds one, read its files, or download them first; every file is verified."""

import gzip
import hashlib
import io
import os
import pickle
import re
import tarfile
import zlib
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ..download import fetch
from .sets import ImageSet, Spec, mean_and_std

# name → torchvision's class. torchvision itself is imported only when a full set is read: it costs a second.
OFFICIAL = {
    "fashion_mnist": "FashionMNIST",
    "mnist": "MNIST",
    "cifar10": "CIFAR10",
    "cifar10_part": "CIFAR10",
    "cifar100": "CIFAR100",
    "cifar100_coarse": "CIFAR100",
}
SOURCES = {
    "FashionMNIST": "Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), https://github.com/zalandoresearch/fashion-mnist, "
    "copyright 2017 Zalando SE, MIT license.",
    "MNIST": "MNIST (LeCun, Cortes and Burges, 1998), http://yann.lecun.com/exdb/mnist/, "
    "reported to be licensed under CC BY-SA 3.0.",
    "CIFAR10": "CIFAR-10 (Krizhevsky, 2009), https://www.cs.toronto.edu/~kriz/cifar.html, "
    "no license stated: not for redistribution.",
    "CIFAR100": "CIFAR-100 (Krizhevsky, 2009), https://www.cs.toronto.edu/~kriz/cifar.html, "
    "no license stated: not for redistribution.",
}


def load_official(name, split, root):
    files = files_of(name, root)
    images, labels = files.read(split)
    return ImageSet(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        classes=files.spec.classes,
        **_training_statistics(files, images if split == "train" else None),
        source=SOURCES[OFFICIAL[name]] + (" Its first training file only." if name == "cifar10_part" else ""),
        name=name,
        split=split,
    )


def files_of(name, root):
    """The files of a full set: their `place`, their `spec`, and `read`."""
    from torchvision import datasets

    dataset = getattr(datasets, OFFICIAL[name])
    return (_IdxFiles if issubclass(dataset, datasets.MNIST) else _Pickles)(name, dataset, root)


_STATISTICS = {}  # MD5s of the training files → mean and std, so that the test split need not read them again


def _training_statistics(files, images):
    key = files.training_checksums()
    if key not in _STATISTICS:
        images = files.read("train")[0] if images is None else images
        _STATISTICS[key] = mean_and_std(torch.from_numpy(images))
    return dict(zip(("mean", "std"), _STATISTICS[key], strict=True))


def _places(root):
    """The folders to look in: root, $CNNCOURSE_DATA, the cache; those that are given."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
    given = [root, os.environ.get("CNNCOURSE_DATA") or None]
    return [Path(folder).expanduser() for folder in given if folder is not None] + [cache / "cnncourse"]


class _Files:
    """The official files of one set. dataset: torchvision's class, which knows their names, addresses and MD5s."""

    def __init__(self, name, dataset, root):
        self.name, self.dataset, self.root = name, dataset, root

    @cached_property
    def place(self):
        """The first folder that holds the whole set; if none does, what is missing is downloaded."""
        places = _places(self.root)
        for place in places:
            if not self.missing(place):
                return place
        place = places[0] if self.root is not None else places[-1]
        lacking = ", ".join(self.missing(place))
        try:
            self.download(place)
        except RuntimeError as error:
            raise RuntimeError(
                f"{self.name} is not whole in {' or '.join(map(str, places))} ({place} lacks {lacking}), and {error}, "
                "or use a name that needs no download, fashion_mnist_mini or mnist_mini"
            ) from error
        return place


class _IdxFiles(_Files):
    """MNIST and Fashion-MNIST: four .gz files in ROOT/<name of torchvision's class>/raw."""

    def __init__(self, name, dataset, root):
        super().__init__(name, dataset, root)
        self.md5 = dict(dataset.resources)
        self.spec = Spec(class_names(dataset), channels=1, side=28)

    def missing(self, place):
        return [name for name in self.md5 if not self._path(place, name).exists()]

    def download(self, place):
        for name in self.missing(place):
            fetch([mirror + name for mirror in self.dataset.mirrors], self.md5[name], self._path(place, name))

    def read(self, split):
        stem = "train" if split == "train" else "t10k"
        images, labels = (
            read_idx(self._path(self.place, name), self.md5[name])
            for name in (f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz")
        )
        return images[:, None], labels.astype(np.int64)

    def training_checksums(self):
        return tuple(md5 for name, md5 in self.md5.items() if name.startswith("train"))

    def _path(self, place, name):
        """The .gz, or the unpacked file where only that was kept."""
        path = place / self.dataset.__name__ / "raw" / name
        return path.with_suffix("") if path.with_suffix("").exists() and not path.exists() else path


class _Pickles(_Files):
    """CIFAR-10 and CIFAR-100: pickled batches in ROOT/<base folder>, or still in the official ROOT/….tar.gz.

    Of cifar10_part only the first file of the training split is needed, and is the training split."""

    def __init__(self, name, dataset, root):
        super().__init__(name, dataset, root)
        coarse = name == "cifar100_coarse"
        self.train_list = dataset.train_list[:1] if name == "cifar10_part" else dataset.train_list
        self.label_keys = ("coarse_labels",) if coarse else ("labels", "fine_labels")
        self.class_key = "coarse_label_names" if coarse else dataset.meta["key"]
        others = [*dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]
        self.official = dict([*dataset.train_list, *others])
        self.md5 = dict([*self.train_list, *others])

    @cached_property
    def spec(self):
        """The class names are in a small file beside the images."""
        (meta,) = self._entries([self.dataset.meta["filename"]])
        return Spec(tuple(meta[self.class_key]), channels=3, side=32)

    def missing(self, place):
        unpacked = [name for name in self.md5 if not (place / self.dataset.base_folder / name).exists()]
        return [] if self._archive(place).exists() else unpacked

    def download(self, place):
        """The archive, unpacked into torchvision's layout and then removed; each file appears when it is whole."""
        archive, folder = self._archive(place), place / self.dataset.base_folder
        fetch([self.dataset.url], self.dataset.tgz_md5, archive)
        folder.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix=".arriving-", dir=place) as arriving:
            for name, content in self._contents(place, self.official).items():
                Path(arriving, name).write_bytes(content)
                os.replace(Path(arriving, name), folder / name)
        archive.unlink(missing_ok=True)  # another process may have been as far

    def read(self, split):
        files = self.train_list if split == "train" else self.dataset.test_list
        entries = self._entries([name for name, _ in files])
        images = np.concatenate([entry["data"] for entry in entries]).reshape(-1, 3, 32, 32)
        labels = [entry[key] for entry in entries for key in self.label_keys if key in entry]
        return images, np.concatenate(labels).astype(np.int64)

    def training_checksums(self):
        return tuple(md5 for _, md5 in self.train_list)

    def _archive(self, place):
        return place / self.dataset.filename

    def _entries(self, names):
        # The MD5s are those of the official files, so unpickling runs nothing but what the authors published.
        contents = self._contents(self.place, names)
        return [pickle.loads(contents[name], encoding="latin1") for name in names]

    def _contents(self, place, names):
        """name → bytes, each checked; from the unpacked files where all are there, else out of the archive."""
        folder = place / self.dataset.base_folder
        if all((folder / name).exists() for name in names):
            return {
                name: _verified((folder / name).read_bytes(), self.official[name], folder / name)
                for name in names
            }
        archive = self._archive(place)
        packed = _verified(archive.read_bytes(), self.dataset.tgz_md5, archive)
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            return {name: tar.extractfile(f"{self.dataset.base_folder}/{name}").read() for name in names}


# MD5 of an official .gz → MD5 of what is inside: for copies that were unpacked, or packed again (as Debian does).
_CONTENT_MD5 = {
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d": "f4a8712d7a061bf5bd6d2ca38dc4d50a",  # Fashion-MNIST
    "25c81989df183df01b3e8a0aad5dffbe": "9018921c3c673c538a1fc5bad174d6f9",
    "bef4ecab320f06d8554ea6380940ec79": "8181f5470baa50b63fa0f6fddb340f0a",
    "bb300cfdad3c16e7a12a480ee83cd310": "15d484375f8d13e6eb1aabb0c3f46965",
    "f68b3c2dcbeaaa9fbdd348bbdeb94873": "6bbc9ace898e44ae57da46a324031adb",  # MNIST
    "d53e105ee54ea40749a09fcbcd1e9432": "a25bea736e30d166cdddb491f175f624",
    "9fb629c4189551a2d022fa330f9573f3": "2646ac647ad5339dbf082846283269ea",
    "ec29112dd5afa0611ce80d1b7f02629c": "27ae3e4e09519cfbb04c329615203637",
}


def class_names(dataset):
    """The classes of torchvision's MNIST or FashionMNIST; of its "0 - zero" … only the numeral, which fits an axis."""
    return tuple(re.sub(r"^(\d) - \w+$", r"\1", name) for name in dataset.classes)


def read_idx(path, md5):
    """The uint8 array in one idx file, unpacked or .gz, after its content is checked. md5: of the official .gz.

    idx (LeCun, Cortes and Burges): 0, 0, 8 for uint8, the number of dimensions, each dimension as a big-endian
    32-bit integer, then the values, last dimension fastest. A damaged file: RuntimeError that names it.
    """
    path = Path(path)
    packed = content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(packed)
        except (OSError, EOFError, zlib.error):
            content = b""
    if _md5(packed) != md5 and _md5(content) != _CONTENT_MD5.get(md5):
        raise _damaged(path, packed, md5 if path.suffix == ".gz" else _CONTENT_MD5.get(md5, md5))
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(tuple(shape)).copy()


def _md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _verified(content, md5, where):
    if _md5(content) != md5:
        raise _damaged(where, content, md5)
    return content


def _damaged(where, content, md5):
    return RuntimeError(
        f"{where} is truncated or altered ({len(content):,} bytes, MD5 {_md5(content)}, expected {md5}): "
        "delete it, then load again to download a fresh copy"
    )
