"""Batches of an image set, resident on the device or through a DataLoader, augmented on the device.

    batches = Batches(load("cifar10"), 128, device="cuda", augment=("crop", "flip"), shuffle=True)
    for epoch in range(1, 31):
        batches.set_epoch(epoch)
        for images, labels in batches:             # (N, C, H, W) float32 normalized, (N,) int64, on the device
            ...

What comes out is a function of (seed, epoch) alone: the order is drawn by a generator that they seed, and every random
number of an augmentation is a hash of (seed, epoch, sample, draw). It does not depend on the batch size, on the order,
on workers, or on how many processes share the work.
"""

import math
import os

import torch
from torch.nn import functional as F

from .. import checks
from .augment import AUGMENTATIONS, augmentations, color, epoch_key, erase, rotate, shift_and_flip, uniform
from .images import BrokenImage

# Images that are decoded one by one are kept decoded up to this many bytes, and decoded again every epoch beyond it.
RESIDENT_BYTES = 2_000_000_000


class Batches:
    """The batches of one epoch, as often as they are asked for: (images, labels) pairs on `device`.

    images float32 (N, C, H, W) = (pixel / 255 − mean) / std per channel   labels int64 (N,)

    image_set   an `ImageSet` or a `FolderSet`
    batch_size  images in a batch of all processes together; the last batch is smaller, or left out with `drop_last`
    augment     names, in any order: they are always done in the order of this table
                flip    mirrored left to right, with probability 1/2
                crop    shifted by up to H // 8 and W // 8 pixels each way, zeros (black) coming in
                rotate  turned by up to 10° and scaled by up to 10 % either way, bilinear, zeros coming in
                color   brightness ·b, then contrast about the image's mean ·c, b and c in 0.8 … 1.2; cut to 0 … 255
                erase   one rectangle of 2–20 % of the area, sides in proportion 0.3 … 3.3, set to the training mean
                        (Zhong, Zheng, Kang, Li and Yang, 2020)
    views       instead of augment: one list of such names a view, as in [["crop", "flip"], ["crop", "color", 24]];
                each view draws numbers of its own, and a number in its list is the side it is reduced to (bilinear,
                antialiased). Batches are then (views, labels, index): a tuple of images, and the images' places in
                the set, int64 (N,)
    shuffle     a new order in every epoch; otherwise the order of the set
    size        zero-pad to size×size, evenly; an odd pixel goes to the right and to the bottom
    workers     None: the set lies on the device as uint8, whole. A `FolderSet` is decoded for it once, if it then takes
                at most 2 GB; a larger one is read as if workers were the number of CPUs, at most 8.
                0, 1, …: a torch DataLoader with that many worker processes, of one thread each (0: in this process),
                fetches the pixels; one iteration at a time. What the batches hold is the same, bit by bit.
    prefetch    batches that each worker process keeps ready
    rank, world this process and how many there are: of every global batch, process r gets images r, r + world, …
                A last batch smaller than `world` is empty, (0, C, H, W), for some of them; all see equally many.
    channels_last  images are laid out with the channels innermost, which convolutions on GPUs prefer

    Iterating twice gives the same batches: `set_epoch(n)` chooses the epoch, from 1, and nothing else changes it.
    `len()` counts the batches of an epoch. Attributes: number (images in the set), classes, mean, std,
    shape (C, H, W) as yielded (before a view is reduced), epoch. A wrong argument: ValueError or TypeError.
    """

    def __init__(
        self,
        image_set,
        batch_size,
        *,
        device="cpu",
        augment=(),
        views=None,
        shuffle=False,
        seed=0,
        size=None,
        workers=None,
        prefetch=2,
        rank=0,
        world=1,
        drop_last=False,
        channels_last=False,
    ):
        _check_set(image_set)
        self.number = len(image_set)
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self.seed = checks.integer("seed", seed, 0, 2**63 - 1)
        self.world = checks.integer("world", world, 1)
        self.rank = checks.integer("rank", rank, 0, self.world - 1)
        self.shuffle = checks.flag("shuffle", shuffle)
        self.drop_last = checks.flag("drop_last", drop_last)
        if self.drop_last and batch_size % world:
            raise ValueError(f"batch_size must be a multiple of world, which is {world}, got {batch_size}")
        if self.drop_last and batch_size > self.number:
            raise ValueError(
                f"batch_size must be at most {self.number}, the images of the set, got {batch_size}: "
                "drop_last would leave no batch"
            )
        if views is not None and augment:
            raise ValueError(f"augment must be empty where views are given, got {augment!r}")
        self.views = None if views is None else tuple(_view(view) for view in views)
        self.augment, self.device, self.epoch = augmentations(augment), _device(device), 1
        self.classes, self.mean, self.std = image_set.classes, image_set.mean, image_set.std
        self.padding, self.shape = _padding(image_set.shape, size)
        layouts = torch.contiguous_format, torch.channels_last
        self.memory_format = layouts[checks.flag("channels_last", channels_last)]

        # x ↦ (x − 255 μ) · 1 / (255 σ) is the normalization in two passes over the batch.
        mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (self.mean, self.std))
        self._shift = (255 * mean).float().to(self.device)
        self._scale = (1 / (255 * std)).float().to(self.device)
        self._place(image_set, workers, checks.integer("prefetch", prefetch, 1))

    def _place(self, image_set, workers, prefetch):
        """Where the pixels come from: a tensor on the device, or a loader."""
        if workers is not None:
            checks.integer("workers", workers, 0)
        elif not hasattr(image_set, "images"):
            if self.number * math.prod(image_set.shape) <= RESIDENT_BYTES:
                image_set = image_set.decoded()
            else:
                workers = min(8, os.cpu_count() or 1)
        self._labels = image_set.labels.to(self.device)
        self._images = self._loader = None
        if workers is None:
            self._images = self._padded(image_set.images.to(self.device))
        else:
            self._loader = torch.utils.data.DataLoader(
                _Pixels(image_set),
                batch_sampler=_Shares(),
                collate_fn=_as_it_is,
                num_workers=workers,
                prefetch_factor=prefetch if workers else None,
                persistent_workers=workers > 0,
                pin_memory=self.device.type == "cuda",
            )
            self._iteration = None

    def __len__(self):
        return self.number // self.batch_size if self.drop_last else -(-self.number // self.batch_size)

    def set_epoch(self, epoch):
        """The epoch, 0, 1, …, whose order and augmentation the next iteration gives."""
        self.epoch = checks.integer("epoch", epoch, 0, 2**63 - 1)

    def __iter__(self):
        order = self.order().to(self.device)
        views = self.views or ((self.augment, None),)
        draws = None
        if any(names for names, _ in views):
            draws = uniform(self.seed, self.epoch, order, len(views) * sum(AUGMENTATIONS.values()))
            draws = draws.view(len(views), -1, self.number)
        shares = [self._share(number) for number in range(len(self))]
        for share, pixels in zip(shares, self._pixels(order, shares), strict=True):
            seen = tuple(
                self._finish(pixels, None if draws is None else draws[i, :, share], *view)
                for i, view in enumerate(views)
            )
            index = order[share]
            labels = self._labels.index_select(0, index)
            yield (seen, labels, index) if self.views else (seen[0], labels)

    def order(self):
        """The indices of all images in the order of this epoch, int64 (number,)."""
        if not self.shuffle:
            return torch.arange(self.number)
        key = epoch_key(self.seed, self.epoch) & (2**63 - 1)
        return torch.randperm(self.number, generator=torch.Generator().manual_seed(key))

    def _share(self, number):
        """Which places of the order this process gets of one global batch."""
        end = min((number + 1) * self.batch_size, self.number)
        return slice(min(number * self.batch_size + self.rank, end), end, self.world)

    def _pixels(self, order, shares):
        """uint8 (N, C, H, W) on the device, padded, one share after another."""
        if self._loader is None:
            for share in shares:
                yield self._images.index_select(0, order[share])
            return
        # The worker processes serve one iteration; a second one takes them over.
        this = self._iteration = object()
        places = order.cpu()
        self._loader.batch_sampler.lists = [places[share].tolist() for share in shares]
        for images in self._loader:
            if isinstance(images, str):
                raise BrokenImage(images)
            yield self._padded(images.to(self.device, non_blocking=True))
            if self._iteration is not this:
                raise RuntimeError("these batches were iterated anew: with workers, one iteration at a time")

    def _padded(self, images):
        return F.pad(images, self.padding) if any(self.padding) else images

    def _finish(self, images, draws, names, side):
        """Augmented and normalized: uint8 (N, C, H, W), draws (D, N) → float32 (N, C, H, W), or side×side."""
        rows = {}
        if draws is not None:
            rows = dict(zip(AUGMENTATIONS, draws.split(list(AUGMENTATIONS.values())), strict=True))
        chosen = {name: rows[name] for name in names}
        if "flip" in chosen or "crop" in chosen:
            images = shift_and_flip(images, crop=chosen.get("crop"), flip=chosen.get("flip"))
        images = images.float()
        if "rotate" in chosen:
            images = rotate(images, chosen["rotate"])
        if "color" in chosen:
            images = color(images, chosen["color"])
        if side is not None:
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        images = images.sub_(self._shift).mul_(self._scale)
        images = erase(images, chosen["erase"]) if "erase" in chosen else images
        return images.contiguous(memory_format=self.memory_format)


class Together:
    """Labelled and unlabelled batches at once: (batch of the one, batch of the other without its labels).

    An epoch is one of the unlabelled; the labelled ones begin anew, with their next epoch, as often as it takes. Both
    are `Batches`; classes, mean, std, shape and padding are those of the labelled set.
    """

    def __init__(self, labelled, unlabelled):
        self.labelled, self.unlabelled, self.epoch = labelled, unlabelled, 1
        for name in ("device", "classes", "mean", "std", "shape", "padding", "number"):
            setattr(self, name, getattr(labelled, name))

    def __len__(self):
        return len(self.unlabelled)

    def set_epoch(self, epoch):
        """The epoch, 0, 1, …, that the next iteration gives."""
        self.unlabelled.set_epoch(epoch)
        self.epoch = epoch

    def __iter__(self):
        for labelled, (images, _, *index) in zip(self._endless(), self.unlabelled, strict=False):
            yield labelled, (images, *index)

    def _endless(self):
        # Epoch e of the unlabelled takes as many epochs of the labelled, none of them twice.
        each = -(-len(self.unlabelled) // len(self.labelled))
        for epoch in range(self.epoch * each, (self.epoch + 1) * each):
            self.labelled.set_epoch(epoch)
            yield from self.labelled


# ── The DataLoader's part ────────────────────────────────────────────────────────────────────────────────────────────


class _Pixels(torch.utils.data.Dataset):
    """uint8 batches out of an image set, for a list of indices."""

    def __init__(self, image_set):
        self.image_set = image_set

    def __getitems__(self, indices):
        try:
            return self.image_set.fetch(torch.tensor(indices, dtype=torch.int64))
        except BrokenImage as error:  # raised again by the batches, without a traceback
            return str(error)


class _Shares:
    """The index lists of one epoch, which the batches put here before they iterate.

    It does not know the batches: that would make a circle of references, and leave the worker processes
    to run on until the garbage collector finds it."""

    lists = ()

    def __len__(self):
        return len(self.lists)

    def __iter__(self):
        return iter(self.lists)


def _as_it_is(batch):
    return batch


# ── Arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_set(image_set):
    needed = ("labels", "classes", "mean", "std", "shape", "fetch")
    if not all(hasattr(image_set, name) for name in needed):
        raise TypeError(f"image_set must be an ImageSet or a FolderSet, got a {type(image_set).__name__}")
    if not len(image_set):
        raise ValueError("image_set must have images, got none")
    for channel, deviation in enumerate(image_set.std):
        checks.real(f"std of channel {channel}", deviation, above=0)


def _device(device):
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be a name such as 'cpu' or 'cuda:0', got {device!r}") from error


def _view(view):
    """["crop", "flip", 24] → (names of augmentations, side or None)."""
    checks.sequence("a view", view, "a list of augmentations, such as ['crop', 'flip']")
    sides = [part for part in view if not isinstance(part, str)]
    if len(sides) > 1:
        raise ValueError(f"a view must have one number at most, the side of its images, got {view!r}")
    names = augmentations([part for part in view if isinstance(part, str)])
    return names, checks.integer("the side of a view", sides[0], 1) if sides else None


def _padding(shape, size):
    """F.pad's (left, right, top, bottom) and the shape after it."""
    C, H, W = shape
    if size is None:
        return (0, 0, 0, 0), (C, H, W)
    checks.integer("size", size, 1)
    if size < max(H, W):
        raise ValueError(
            f"size must be at least that of the images, {H}×{W}, got {size}: they are only padded"
        )
    top, left = (size - H) // 2, (size - W) // 2
    return (left, size - W - left, top, size - H - top), (C, size, size)
