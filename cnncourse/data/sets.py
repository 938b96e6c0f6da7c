"""What an image set is: `ImageSet`, whole, as tensors; `FolderSet`, files that are read when they are asked for.

Both are one split, with labels, class names, the training mean and std, and where they come from. `data.load` makes
them; `split_off` divides one, `Batches` takes either.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from .. import checks
from .images import channels_of, read_image


@dataclass(frozen=True)
class Spec:
    """What a network must know of an image set: `data.spec` finds it without loading a picture.

    classes: their names   channels: 1 or 3   side: of its square images in pixels; None for a folder, whose files
    have any size and are read at the one that is asked for
    """

    classes: tuple[str, ...]
    channels: int
    side: int | None


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """One split of an image set, whole, as tensors.

    images uint8 (N, C, H, W)   labels int64 (N,), each in 0 … len(classes) − 1
    mean, std: one float per channel, over all pixels of the *training* split in [0, 1] (population deviation),
    also when this is the test split. source: a sentence with origin and license.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    name: str = "image set"
    split: str = "train"

    def __post_init__(self):
        images, labels = self.images, self.labels
        if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"images must be a uint8 tensor (N, C, H, W), got {_describe(images)}")
        if (
            not isinstance(labels, torch.Tensor)
            or labels.dtype != torch.int64
            or labels.shape != images.shape[:1]
        ):
            raise ValueError(f"labels must be an int64 tensor ({len(images)},), got {_describe(labels)}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise ValueError(
                f"labels must lie in 0 … {len(self.classes) - 1}, the places of the {len(self.classes)} classes, "
                f"got {labels.min()} to {labels.max()}"
            )
        for field in ("mean", "std"):
            if len(getattr(self, field)) != images.shape[1]:
                raise ValueError(
                    f"{field} must have {images.shape[1]} values, one per channel, got {len(getattr(self, field))}"
                )

    def __len__(self):
        return len(self.images)

    @property
    def shape(self):
        """(C, H, W) of one image."""
        return tuple(self.images.shape[1:])

    def fetch(self, indices):
        """The images at `indices`, an int64 tensor (N,): uint8 (N, C, H, W)."""
        return self.images.index_select(0, indices)

    def select(self, indices, split):
        """The set of the images at `indices`, in their order, called the split `split`; mean and std stay."""
        return replace(self, images=self.fetch(indices), labels=self.labels[indices], split=split)

    def __repr__(self):
        counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        each = f"{counts[0]:,} each" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,} each"
        some = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
        numbers = [", ".join(f"{value:.4f}" for value in values) for values in (self.mean, self.std)]
        return (
            f"ImageSet {self.name}, {self.split}: {len(self):,} images of {'×'.join(map(str, self.images.shape[1:]))}\n"
            f"  {len(self.classes)} classes, {each}: {some}\n"
            f"  training mean {numbers[0]}; std {numbers[1]}\n"
            f"  {self.source}"
        )


def split_off(image_set, count, seed=0):
    """(rest, held_out): two sets with every image of `image_set` in one of them, `count` in held_out.

    Stratified: class c gives count · n_c / N images, rounded by largest remainder (ties: the earlier class first).
    Which ones is drawn by `seed` alone; both sets keep the order of the images, and the training mean and std.
    image_set: an `ImageSet` or a `FolderSet`; held_out's split is called "validation".
    """
    checks.instance("image_set", image_set, ImageSet | FolderSet, "an ImageSet or a FolderSet")
    checks.integer("count", count, 1, len(image_set) - 1)
    checks.integer("seed", seed, 0, 2**63 - 1)

    sizes = torch.bincount(image_set.labels, minlength=len(image_set.classes))
    shares = sizes * count // len(image_set)
    remainders = sizes * count % len(image_set)
    most = torch.sort(remainders, descending=True, stable=True).indices
    shares[most[: count - int(shares.sum())]] += 1

    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(image_set), dtype=torch.bool)
    for label, share in enumerate(shares.tolist()):
        members = (image_set.labels == label).nonzero().flatten()
        held[members[torch.randperm(len(members), generator=generator)[:share]]] = True
    indices = torch.arange(len(image_set))
    return image_set.select(indices[~held], image_set.split), image_set.select(indices[held], "validation")


def mean_and_std(images):
    """Mean and standard deviation of each channel over all its pixels, in [0, 1]: two tuples of C floats.

    images uint8 (N, C, H, W)   μ = Σ_v n_v·v / Σ_v n_v,   σ² = Σ_v n_v·(v − μ)² / Σ_v n_v,   v = 0/255 … 255/255

    n_v counts the pixels of value v, so the sums are exact to double precision however many images there are.
    This is the deviation of pixels; the mean of each image's own deviation is smaller.
    """
    if (
        not isinstance(images, torch.Tensor)
        or images.dtype != torch.uint8
        or images.ndim != 4
        or not images.numel()
    ):
        raise ValueError(
            f"images must be a uint8 tensor (N, C, H, W) that is not empty, got {_describe(images)}"
        )
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = (share * values).sum()
        means.append(mean.item())
        deviations.append((share * (values - mean) ** 2).sum().sqrt().item())
    return tuple(means), tuple(deviations)


# ── A folder of images: ROOT/train/CLASS/….jpg, ROOT/test/CLASS/….jpg ────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class FolderSet:
    """One split of a folder of images, which are read when they are asked for.

    folder_set[i] → uint8 (C, size, size), by `read_image`. Images are RGB, or gray if the training images are. A file
    that is no readable image: RuntimeError that names it. To read them at another size, with the same mean and std:
    dataclasses.replace(folder_set, shape=(C, size, size)).

    paths: one per image   labels int64 (N,)   shape (C, size, size)
    mean, std: of each channel, over at most 2,000 training images, evenly chosen, as they are given.
    `decoded()` is the same as an `ImageSet`.
    """

    paths: tuple[Path, ...]
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shape: tuple[int, int, int]
    source: str
    name: str = "folder"
    split: str = "train"

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        channels, size, _ = self.shape
        return read_image(self.paths[index], size, channels)

    def __repr__(self):
        some = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
        return (
            f"FolderSet {self.name}, {self.split}: {len(self):,} images, given as {'×'.join(map(str, self.shape))}\n"
            f"  {len(self.classes)} classes: {some}\n"
            f"  {self.source}"
        )

    def fetch(self, indices):
        """The images at `indices`, an int64 tensor (N,): uint8 (N, C, size, size)."""
        images = [self[index] for index in indices.tolist()]
        return torch.stack(images) if images else torch.empty(0, *self.shape, dtype=torch.uint8)

    def select(self, indices, split):
        """The set of the images at `indices`, in their order, called the split `split`; mean and std stay."""
        paths = tuple(self.paths[index] for index in indices.tolist())
        return replace(self, paths=paths, labels=self.labels[indices], split=split)

    def decoded(self):
        """All images, read by several threads, as an `ImageSet`."""
        images = torch.empty(len(self), *self.shape, dtype=torch.uint8)
        with _threads() as pool:
            for place, image in zip(images, pool.map(self.__getitem__, range(len(self))), strict=True):
                place.copy_(image)
        return ImageSet(
            images, self.labels, self.classes, self.mean, self.std, self.source, self.name, self.split
        )


SAMPLED = 2000  # training images of a folder from which mean, std and gray or RGB are found


def read_folder(root, split, size):
    """The split "train" or "test" of a folder as a `FolderSet`; see `data.load`."""
    splits = _splits(root)
    sample = _sample(splits["train"])
    spec = _folder_spec(splits["train"], sample)
    mean, std = _statistics(sample, size, spec.channels)
    files = [_image_files(folder) for folder in splits[split].values()]
    counts = torch.tensor([len(paths) for paths in files])
    return FolderSet(
        paths=tuple(path for paths in files for path in paths),
        labels=torch.repeat_interleave(torch.arange(len(files)), counts),
        classes=spec.classes,
        mean=mean,
        std=std,
        shape=(spec.channels, size, size),
        source=f"The images in {root}.",
        split=split,
    )


def folder_spec(root):
    """The `Spec` of a folder: its class folders, and gray or RGB as the headers of its training images say."""
    train = _splits(root)["train"]
    return _folder_spec(train, _sample(train))


def _folder_spec(train, sample):
    return Spec(classes=tuple(train), channels=_channels(sample), side=None)


def _splits(root):
    """{"train": classes, "test": the same classes}, each class with its folder."""
    if not root.is_dir():
        raise RuntimeError(f"{root} is not a folder: give the root that holds train/CLASS/ and test/CLASS/")
    train = _classes(_split_folder(root, ("train",)))
    test = _classes(_split_folder(root, ("test", "val", "valid")))
    if odd := sorted(set(train) ^ set(test)):
        has, lacks = (train, test) if odd[0] in train else (test, train)
        has, lacks = (next(iter(classes.values())).parent for classes in (has, lacks))
        raise RuntimeError(
            f"{has} has the class {odd[0]!r}, {lacks} does not: both splits need the same classes"
        )
    return {"train": train, "test": test}


def _split_folder(root, known):
    for name in known:
        if (root / name).is_dir():
            return root / name
    raise RuntimeError(
        f"{root} has no folder {' or '.join(known)}: expected train/CLASS/ and test/CLASS/ in it"
    )


def _classes(folder):
    """Class name → its folder, in the order of the names."""
    found = {entry.name: Path(entry.path) for entry in _entries(folder) if entry.is_dir()}
    if not found:
        raise RuntimeError(f"{folder} has no class folders: expected one folder for each class in it")
    return dict(sorted(found.items()))


def _image_files(folder):
    """The images of one class, of the suffixes that torchvision's ImageFolder knows, in its order."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    paths = [path for path in _files(folder, set()) if path.lower().endswith(IMG_EXTENSIONS)]
    if not paths:
        raise RuntimeError(f"{folder} has no images: expected files that end in {', '.join(IMG_EXTENSIONS)}")
    return [Path(path) for path in sorted(paths, key=os.path.split)]


def _files(folder, seen):
    """The files below a folder, through links too, each real file once: `seen` holds the real paths so far."""
    real = os.path.realpath(folder)
    seen.add(real)
    for entry in _entries(folder):
        target = os.path.realpath(entry) if entry.is_symlink() else os.path.join(real, entry.name)
        if target in seen:
            continue
        if entry.is_dir():
            yield from _files(entry.path, seen)
        else:
            seen.add(target)
            yield entry.path


def _entries(folder):
    """What is in a folder, links last; names that begin with a dot are passed over."""
    with os.scandir(folder) as found:
        entries = [entry for entry in found if not entry.name.startswith(".")]
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry):
            raise RuntimeError(f"{entry.path} is a link that leads nowhere: repair or remove it")
    return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))


# What the training images tell, asked for once: files are known by their paths and times.


def _sample(classes):
    """At most 2,000 training images, evenly chosen: (path, time of its last change) each."""
    paths = [path for folder in classes.values() for path in _image_files(folder)]
    chosen = np.linspace(0, len(paths) - 1, min(SAMPLED, len(paths))).astype(int)
    return tuple((paths[i], paths[i].stat().st_mtime_ns) for i in chosen)


@lru_cache(maxsize=16)
def _channels(sample):
    with _threads() as pool:
        return max(pool.map(channels_of, (path for path, _ in sample)))


@lru_cache(maxsize=16)
def _statistics(sample, size, channels):
    with _threads() as pool:
        return mean_and_std(
            torch.stack(list(pool.map(lambda file: read_image(file[0], size, channels), sample)))
        )


def _threads():
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1))


def _describe(value):
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor {tuple(value.shape)}"
    return f"a {type(value).__name__}"
