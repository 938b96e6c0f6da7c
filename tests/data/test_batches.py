"""Batches: the same images whichever way they come; augmentation against SciPy, torchvision and loops; its numbers."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from torchvision.transforms import functional as TF

from cnncourse.data import Batches, ImageSet
from cnncourse.data import batches as module
from cnncourse.data.augment import AUGMENTATIONS, color, erase, rotate, shift_and_flip, uniform

EVERYTHING = tuple(AUGMENTATIONS)


def numbered(count=50, shape=(3, 8, 8), seed=0, **fields):
    """Random images, each of a class of its own: the label is the image's index."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    fields = {
        "mean": tuple(0.3 + 0.1 * c for c in range(shape[0])),
        "std": tuple(0.2 + 0.05 * c for c in range(shape[0])),
    } | fields
    return ImageSet(
        torch.from_numpy(images),
        torch.arange(count),
        tuple(f"number {i}" for i in range(count)),
        source="Made up.",
        **fields,
    )


def together(batches):
    """All images of an epoch and their indices."""
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def by_index(batches):
    images, labels = together(batches)
    return images[labels.argsort()]


# ── What a batch is ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_normalized_as_torchvision_normalizes(channels):
    images = numbered(20, (channels, 5, 7))
    x, y = together(Batches(images, 6))
    assert x.dtype == torch.float32 and y.dtype == torch.int64 and y.tolist() == list(range(20))
    theirs = TF.normalize(images.images.double() / 255, images.mean, images.std)
    torch.testing.assert_close(x.double(), theirs, rtol=1e-6, atol=1e-6)


def test_the_attributes_and_the_set_are_left_alone():
    images = numbered(20, (1, 6, 6))
    before = images.images.clone()
    batches = Batches(images, 8, augment=EVERYTHING, size=9)
    for x, _ in batches:
        x.fill_(7)
    assert torch.equal(images.images, before)
    assert (batches.number, batches.shape, batches.epoch, len(batches)) == (20, (1, 9, 9), 1, 3)
    assert (batches.classes, batches.mean, batches.std) == (images.classes, images.mean, images.std)
    assert batches.augment == EVERYTHING and batches.device == torch.device("cpu")


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 5), st.booleans(), st.booleans())
def test_processes_share_every_global_batch(count, batch_size, world, shuffle, drop_last):
    images = numbered(count, (1, 2, 2))
    if drop_last and (batch_size % world or batch_size > count):
        return
    options = {"shuffle": shuffle, "drop_last": drop_last, "seed": 3}
    whole = [y.tolist() for _, y in Batches(images, batch_size, **options)]
    kept = count // batch_size * batch_size if drop_last else count
    assert [len(y) for y in whole] == [min(batch_size, kept - start) for start in range(0, kept, batch_size)]
    assert len(set(itertools.chain(*whole))) == kept
    for rank in range(world):
        mine = Batches(images, batch_size, rank=rank, world=world, **options)
        assert [y.tolist() for _, y in mine] == [y[rank::world] for y in whole]
        assert len(mine) == len(whole)


def test_an_epoch_is_a_function_of_seed_and_epoch():
    images = numbered(100, (1, 3, 3))

    def epoch(number, seed=0, **options):
        batches = Batches(images, 16, shuffle=True, seed=seed, augment=EVERYTHING, **options)
        batches.set_epoch(number)
        assert batches.epoch == number
        return together(batches)

    batches = Batches(images, 16, shuffle=True, augment=EVERYTHING)
    first, again = together(batches), together(batches)
    assert all(map(torch.equal, first, again)) and all(map(torch.equal, first, epoch(1)))
    assert not torch.equal(first[1], torch.arange(100))
    for other in (epoch(2), epoch(1, seed=1)):
        assert not torch.equal(other[1], first[1])
        assert sorted(other[1].tolist()) == list(range(100))
        assert not torch.equal(other[0][other[1].argsort()], first[0][first[1].argsort()])
    batches.set_epoch(2)
    assert all(map(torch.equal, together(batches), epoch(2)))


def test_global_random_state_is_neither_used_nor_changed():
    batches = Batches(numbered(), 16, shuffle=True, augment=EVERYTHING)
    torch.manual_seed(1)
    before, first = torch.get_rng_state(), together(batches)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, together(batches)))


def test_orders_are_even():
    """Each image comes first, or tenth, about equally often over many epochs."""
    batches = Batches(numbered(10, (1, 1, 1)), 10, shuffle=True)
    places = np.zeros((10, 10))
    for epoch in range(1, 2001):
        batches.set_epoch(epoch)
        places[np.arange(10), batches.order().numpy()] += 1
    assert stats.chisquare(places.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("size", [None, 8, 9, 12])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 8)])
def test_small_images_are_padded_with_black(size, shape):
    images = numbered(4, shape)
    x, _ = together(Batches(images, 4, size=size))
    C, H, W = shape
    rows, columns = (0, 0) if size is None else (size - H, size - W)
    padded = np.pad(
        images.images.numpy(),
        ((0, 0), (0, 0), (rows // 2, -(-rows // 2)), (columns // 2, -(-columns // 2))),
    )
    theirs = TF.normalize(torch.from_numpy(padded).double() / 255, images.mean, images.std)
    torch.testing.assert_close(x.double(), theirs, rtol=1e-6, atol=1e-6)
    assert Batches(images, 4, size=size).shape == x.shape[1:] == (C, size or H, size or W)


def test_channels_last_changes_the_layout_alone():
    images = numbered()
    options = {"shuffle": True, "augment": EVERYTHING}
    plain, _ = next(iter(Batches(images, 16, **options)))
    other, _ = next(iter(Batches(images, 16, channels_last=True, **options)))
    assert torch.equal(plain, other)
    assert plain.is_contiguous() and other.is_contiguous(memory_format=torch.channels_last)


# ── The DataLoader's way ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_the_same_bits(workers):
    images = numbered(50)
    for options in (
        {"shuffle": True, "augment": EVERYTHING, "size": 10},
        {"drop_last": True, "rank": 1, "world": 3, "channels_last": True, "prefetch": 3},
    ):
        resident = Batches(images, 12, **options)
        loaded = Batches(images, 12, workers=workers, **options)
        assert len(loaded) == len(resident)
        for epoch in (1, 1, 2):
            resident.set_epoch(epoch)
            loaded.set_epoch(epoch)
            for (x, y), (u, v) in zip(resident, loaded, strict=True):
                assert torch.equal(x, u) and torch.equal(y, v) and x.stride() == u.stride()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iteration_that_was_left_does_no_harm(workers):
    batches = Batches(numbered(50), 4, workers=workers, shuffle=True)
    whole = together(batches)
    next(iter(batches))
    for _ in itertools.islice(batches, 5):
        pass
    assert all(map(torch.equal, together(batches), whole))


def test_two_iterations_at_once():
    """A resident set serves any number; worker processes one, and the other is told."""
    resident = Batches(numbered(), 4)
    assert all(torch.equal(x, u) for (x, _), (u, _) in zip(resident, resident, strict=True))
    loaded = Batches(numbered(), 4, workers=1)
    first = iter(loaded)
    next(first)
    next(iter(loaded))
    with pytest.raises(RuntimeError, match="one iteration at a time"):
        next(first)


class Reports(ImageSet):
    """Images of which the first pixels say which process fetched them, and with how many threads."""

    def fetch(self, indices):
        images = torch.zeros(len(indices), 1, 1, 2, dtype=torch.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = os.getpid() % 251, torch.get_num_threads()
        return images


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_are_processes_of_one_thread(workers):
    plain = numbered(40, (1, 1, 2), mean=(0.0,), std=(1 / 255,))
    reports = Reports(plain.images, plain.labels, plain.classes, plain.mean, plain.std, source="Made up.")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        x, _ = together(Batches(reports, 4, workers=workers))
    finally:
        torch.set_num_threads(before)
    processes, threads = (set(x[:, 0, 0, i].round().int().tolist()) for i in (0, 1))
    if workers:
        assert len(processes) == workers and os.getpid() % 251 not in processes and threads == {1}
    else:
        assert processes == {os.getpid() % 251} and threads == {3}


# ── Random numbers with an address ───────────────────────────────────────────────────────────────────────────────────


def splitmix64(state):
    """The next output of SplitMix64 from `state`, in Python's integers."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_the_hash_is_splitmix64():
    # The first outputs of the reference implementation from the state 1234567.
    assert splitmix64(1234567) == 6457827717110365317
    golden = 0x9E3779B97F4A7C15
    assert splitmix64((1234567 + golden) % 2**64) == 3203168211198807973
    for seed, epoch, sample in ((0, 1, 0), (3, 7, 59_999), (2**63 - 1, 2**40, 2**50)):
        key = splitmix64((splitmix64(seed) + epoch * golden) % 2**64)
        inner = splitmix64((key + (sample - 1) * golden) % 2**64)
        theirs = [(splitmix64((inner + d * golden) % 2**64) >> 40) / 2**24 for d in range(5)]
        assert uniform(seed, epoch, torch.tensor([sample]), 5)[:, 0].tolist() == theirs


def test_random_numbers_are_uniform_and_uncorrelated():
    """Mean 1/2 and variance 1/12 within five deviations; neighbors of every kind have no correlation."""
    N, D = 100_000, 6
    u = uniform(0, 1, torch.arange(N), D).double()
    assert u.min() >= 0 and u.max() < 1 and u.dtype == torch.float64
    for row in u:
        assert abs(row.mean() - 1 / 2) < 5 * (1 / 12 / N) ** 0.5
        assert abs(row.var() - 1 / 12) < 5 * (1 / 180 / N) ** 0.5
        assert stats.kstest(row.numpy(), "uniform").pvalue > 1e-3

    def correlation(a, b):
        return np.corrcoef(a.numpy(), b.numpy())[0, 1]

    limit = 5 / N**0.5
    for row, below in itertools.combinations(u, 2):
        assert abs(correlation(row, below)) < limit
    for step in (1, 2, 3, 16, 128, 1024):
        assert abs(correlation(u[0, :-step], u[0, step:])) < limit
        assert abs(correlation(u[0, :-step], u[1, step:])) < limit
    for seed, epoch in ((0, 2), (1, 1), (1, 0), (2**40, 1)):
        assert abs(correlation(u[0], uniform(seed, epoch, torch.arange(N), 1)[0].double())) < limit


@pytest.mark.parametrize("name", [*EVERYTHING, "everything"])
def test_augmentation_does_not_depend_on_the_company(name):
    """Batch size, order, workers and the number of processes leave each image what it is."""
    images = numbered(37, (3, 16, 20))
    augment = EVERYTHING if name == "everything" else (name,)
    whole = by_index(Batches(images, 37, augment=augment, seed=5))
    assert not torch.equal(whole, by_index(Batches(images, 37)))
    # Where numbers are summed, as in a mean, the order of a sum may depend on the batch.
    close = {"rtol": 0, "atol": 0} if name in ("flip", "crop", "erase") else {"rtol": 1e-4, "atol": 1e-4}
    for options in ({"batch_size": 1}, {"batch_size": 8, "shuffle": True}, {"batch_size": 10, "workers": 1}):
        torch.testing.assert_close(
            by_index(Batches(images, augment=augment, seed=5, **options)), whole, **close
        )
    for world in (2, 3):
        shares = [
            Batches(images, 12, augment=augment, seed=5, shuffle=True, rank=rank, world=world)
            for rank in range(world)
        ]
        x, y = zip(*(together(share) for share in shares), strict=True)
        torch.testing.assert_close(torch.cat(x)[torch.cat(y).argsort()], whole, **close)


def test_one_augmentation_does_not_change_the_other():
    images = numbered(30, (1, 16, 16))
    both, crop = (Batches(images, 30, augment=names) for names in (("flip", "crop"), ("crop",)))
    both, crop = by_index(both), by_index(crop)
    same = (both == crop).flatten(1).all(1)
    mirrored = (both == crop.flip(3)).flatten(1).all(1)
    assert bool((same | mirrored).all()) and same.any() and mirrored.any()


def test_the_order_of_the_names_does_not_matter():
    images = numbered(20)
    names = [Batches(images, 20, augment=names) for names in (EVERYTHING, EVERYTHING[::-1], set(EVERYTHING))]
    first, *others = map(by_index, names)
    assert all(torch.equal(first, other) for other in others)


def test_the_same_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    images = numbered(300, (3, 16, 16))
    samples = torch.tensor([0, 1, 59_999, 2**40])
    assert torch.equal(uniform(7, 3, samples, 9), uniform(7, 3, samples.cuda(), 9).cpu())
    for augment in ((), ("flip", "crop"), ("flip", "crop", "erase"), EVERYTHING):
        here, there, loaded = (
            together(Batches(images, 64, augment=augment, shuffle=True, device=device, workers=workers))
            for device, workers in (("cpu", None), ("cuda", None), ("cuda", 2))
        )
        assert there[0].is_cuda and loaded[1].is_cuda and torch.equal(here[1], there[1].cpu())
        assert torch.equal(there[0], loaded[0])
        torch.testing.assert_close(here[0], there[0].cpu(), rtol=1e-3, atol=1e-3)


# ── Each augmentation ────────────────────────────────────────────────────────────────────────────────────────────────


def test_half_of_the_images_are_flipped():
    images = torch.randint(0, 256, (2000, 2, 3, 5), dtype=torch.uint8)
    u = uniform(0, 1, torch.arange(2000), 1)
    flipped = shift_and_flip(images, flip=u)
    for image, result, draw in zip(images, flipped, u[0], strict=True):
        assert torch.equal(result, TF.hflip(image) if draw < 0.5 else image)
    assert 900 < (u < 0.5).sum() < 1100


@pytest.mark.parametrize("H, W", [(16, 16), (8, 25), (7, 28)])
def test_crop_is_a_window_on_the_padded_image(H, W):
    images = np.random.default_rng(0).integers(1, 256, (400, 2, H, W), dtype=np.uint8)
    u = uniform(0, 1, torch.arange(400), 2)
    a, b = H // 8, W // 8
    shifts = [(int(v * (2 * a + 1)), int(w * (2 * b + 1))) for v, w in u.T.tolist()]
    padded = np.pad(images, ((0, 0), (0, 0), (a, a), (b, b)))
    theirs = [image[:, i : i + H, j : j + W] for image, (i, j) in zip(padded, shifts, strict=True)]
    assert np.array_equal(shift_and_flip(torch.from_numpy(images), crop=u).numpy(), np.stack(theirs))
    assert set(shifts) == set(itertools.product(range(2 * a + 1), range(2 * b + 1)))  # all of them come


def test_a_cropped_and_flipped_image_is_the_mirror_of_the_cropped():
    images = torch.randint(1, 256, (50, 1, 16, 16), dtype=torch.uint8)
    crop, flip = uniform(0, 1, torch.arange(50), 3).split([2, 1])
    both, cropped = shift_and_flip(images, crop, flip), shift_and_flip(images, crop)
    assert torch.equal(both, torch.where(flip[0].view(-1, 1, 1, 1) < 0.5, cropped.flip(3), cropped))


@pytest.mark.parametrize("H, W", [(28, 28), (12, 20)])
def test_rotate_agrees_with_scipy(H, W):
    images = torch.rand(12, 2, H, W) * 255
    u = uniform(0, 1, torch.arange(12), 2)
    u[:, :3] = torch.tensor([[0.5, 0.999, 0.0], [0.5, 0.5, 1.0]])
    ours = rotate(images, u)
    torch.testing.assert_close(ours[0], images[0], atol=0.05, rtol=0)  # u = 1/2 turns and scales nothing
    center = np.array([(H - 1) / 2, (W - 1) / 2])
    for image, result, (v, w) in zip(images, ours, u.T.tolist(), strict=True):
        angle, scale = np.deg2rad(10 * (2 * v - 1)), 1 + 0.1 * (2 * w - 1)
        # Where the pixel of row y and column x comes from, in pixels about the center.
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
        offset = center - matrix @ center
        for channel, plane in zip(image, result, strict=True):
            theirs = ndimage.affine_transform(
                channel.double().numpy(), matrix, offset, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(plane.numpy(), theirs, atol=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_color_agrees_with_torchvision(channels):
    """Its contrast is about the mean of the gray image, which is ours where the channels are equal."""
    images = (torch.rand(20, 1, 6, 6) * 150 + 10).expand(20, channels, 6, 6)
    u = uniform(0, 1, torch.arange(20), 2)
    b, c = (0.8 + 0.4 * u).tolist()
    theirs = [
        TF.adjust_contrast(TF.adjust_brightness(x / 255, i), j) * 255
        for x, i, j in zip(images, b, c, strict=True)
    ]
    torch.testing.assert_close(color(images, u), torch.stack(theirs), rtol=1e-3, atol=0.05)
    assert min(b) < 0.85 and max(b) > 1.15 and min(c) < 0.85 and max(c) > 1.15


def test_color_stays_within_the_range_of_pixels():
    images = torch.tensor([0.0, 255.0]).view(1, 1, 1, 2)
    bright = torch.full((2, 1), 0.999)
    assert color(images, bright).flatten().tolist() == [0, 255]
    # brightness 0.8: 0 and 204 with mean 102; contrast 0.8: 102 ∓ 0.8 · 102
    expected = [102 - 0.8 * 102, 102 + 0.8 * 102]
    assert color(images, torch.zeros(2, 1)).flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("H, W", [(32, 32), (20, 48)])
def test_erase_takes_one_rectangle(H, W):
    N = 2000
    images = torch.rand(N, 2, H, W) + 1
    erased = erase(images.clone(), uniform(0, 1, torch.arange(N), 4))
    gone = (erased == 0).numpy()
    assert torch.equal(erased[~torch.from_numpy(gone)], images[~torch.from_numpy(gone)])
    assert (gone[:, 0] == gone[:, 1]).all()
    rows, columns = gone[:, 0].any(2), gone[:, 0].any(1)
    assert (gone[:, 0] == rows[:, :, None] & columns[:, None, :]).all()  # a product of rows and columns …
    assert all((np.diff(np.flatnonzero(side)) == 1).all() for side in [*rows, *columns])  # … without holes
    heights, widths = rows.sum(1), columns.sum(1)
    share = heights * widths / (H * W)
    assert 0.015 < share.min() < 0.03 and 0.18 < share.max() < 0.22 and abs(share.mean() - 0.11) < 0.005
    if H == W:
        ratio = heights / widths
        assert 0.2 < ratio.min() < 0.35 and 2.8 < ratio.max() < 4  # whole pixels
        assert abs(np.log(ratio).mean()) < 0.05
    assert gone[:, 0, 0, 0].any() and gone[:, 0, -1, -1].any()  # corners are reached


def test_erased_pixels_are_the_training_mean():
    images = numbered(20, (3, 16, 16), mean=(0.2001, 0.3001, 0.4001))  # no pixel is the mean itself
    plain, erased = (by_index(Batches(images, 20, augment=names)) for names in ((), ("erase",)))
    assert ((erased == 0).flatten(1).double().mean(1) > 0.01).all()
    assert torch.equal(erased[erased != 0], plain[erased != 0])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9)])
def test_tiny_images_and_empty_shares(shape):
    images = numbered(5, shape)
    for rank in range(3):
        batches = Batches(images, 4, augment=EVERYTHING, rank=rank, world=3)
        assert [x.shape for x, _ in batches] == [(len(range(rank, 4, 3)), *shape), (int(rank == 0), *shape)]
        assert all(x.isfinite().all() for x, _ in batches)


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"batch_size": 0}, ValueError, "batch_size is 0, expected an integer of at least 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size is 2.0"),
        ({"batch_size": True}, TypeError, "batch_size is True"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": 2**63}, ValueError, "seed is 9223372036854775808"),
        ({"workers": -1}, ValueError, "workers is -1, expected an integer of at least 0"),
        ({"workers": "2"}, TypeError, "workers is '2'"),
        ({"prefetch": 0}, ValueError, "prefetch is 0"),
        ({"world": 0}, ValueError, "world is 0"),
        ({"rank": -1}, ValueError, "rank is -1"),
        ({"rank": 2, "world": 2}, ValueError, "rank is 2, expected 0 to 1: world is 2"),
        ({"shuffle": 1}, TypeError, "shuffle is 1, expected True or False"),
        ({"drop_last": None}, TypeError, "drop_last is None"),
        ({"channels_last": "yes"}, TypeError, "channels_last is 'yes'"),
        (
            {"drop_last": True, "world": 3, "batch_size": 4},
            ValueError,
            "batch_size is 4, expected a multiple of world, which is 3",
        ),
        (
            {"drop_last": True, "batch_size": 11},
            ValueError,
            "batch_size is 11, but image_set has 10 images: drop_last would leave no batch",
        ),
        ({"size": 7}, ValueError, "size is 7, but the images are 8×8: they are padded to size, not shrunk"),
        ({"size": 8.0}, TypeError, "size is 8.0"),
        ({"device": "gpu"}, ValueError, "device is 'gpu', expected a name such as 'cpu' or 'cuda:0'"),
        ({"device": []}, ValueError, "device is"),
        ({"augment": "flip"}, TypeError, "augment is 'flip', expected a tuple of names"),
        ({"augment": 3}, TypeError, "augment is 3"),
        (
            {"augment": ("crop", "Flips")},
            ValueError,
            "augment has 'Flips', expected some of .*nearest is 'flip'",
        ),
        ({"augment": ("rotation",)}, ValueError, "nearest is 'rotate'"),
        ({"augment": (1,)}, ValueError, "augment has 1"),
        ({"image_set": [1, 2]}, TypeError, "image_set is a list, expected an ImageSet or a FolderSet"),
    ],
)
def test_batches_refuse(options, error, words):
    options = {"image_set": numbered(10), "batch_size": 5} | options
    with pytest.raises(error, match=words):
        Batches(options.pop("image_set"), options.pop("batch_size"), **options)


@pytest.mark.parametrize("epoch, error", [(-1, ValueError), (1.0, TypeError), (None, TypeError)])
def test_set_epoch_refuses(epoch, error):
    batches = Batches(numbered(4), 2)
    with pytest.raises(error, match=f"epoch is {epoch}"):
        batches.set_epoch(epoch)
    assert batches.epoch == 1


def test_sets_that_cannot_be_normalized_or_are_empty():
    with pytest.raises(ValueError, match=r"std of channel 1 is 0\.0, expected more than 0"):
        Batches(numbered(4, std=(0.1, 0.0, 0.1)), 2)
    with pytest.raises(ValueError, match="image_set has no images"):
        Batches(numbered(0), 2)


def test_batches_need_no_torchvision():
    code = "import sys, cnncourse.data; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=600).returncode == 0
    assert module.Batches is Batches
