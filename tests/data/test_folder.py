"""Folders of images against torchvision's ImageFolder, on small files made here; validation splits."""

import dataclasses
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets, transforms

from cnncourse import data
from cnncourse.data import Batches, FolderSet, ImageSet, load, sets, split_off
from cnncourse.data import batches as batches_module


def picture(path, size=(40, 30), mode="RGB", seed=0, **options):
    """A smooth random picture, so that JPEG and resizing have something to keep."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path, **options)


@pytest.fixture
def root(tmp_path):
    """train: 3 cats, 5 dogs; test: 2 of each; of several sizes, formats and depths."""
    sizes = [(40, 30), (30, 41), (16, 16), (7, 9), (101, 33)]
    for i in range(3):
        picture(tmp_path / f"pets/train/cat/{i}.jpg", sizes[i], seed=i)
    for i in range(5):
        picture(tmp_path / f"pets/train/dog/{i}.png", sizes[i], seed=10 + i)
    picture(tmp_path / "pets/test/cat/b.JPEG", seed=20)
    picture(tmp_path / "pets/test/cat/deep/a.webp", seed=21)
    picture(tmp_path / "pets/test/dog/x.png", mode="L", seed=22)
    picture(tmp_path / "pets/test/dog/y.png", mode="P", seed=23)
    return tmp_path / "pets"


def as_torchvision(folder, size):
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()]
    return datasets.ImageFolder(folder, transforms.Compose(steps))


# ── What is read ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [None, 1, 15, 32])
@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_those_of_torchvisions_image_folder(root, split, size):
    ours = load("folder", split, root=root, size=size)
    theirs = as_torchvision(root / split, size or 64)
    assert isinstance(ours, FolderSet) and len(ours) == len(theirs) == (8 if split == "train" else 4)
    assert ours.classes == tuple(theirs.classes) == ("cat", "dog")
    assert ours.labels.tolist() == theirs.targets and ours.labels.dtype == torch.int64
    assert [str(path) for path in ours.paths] == [path for path, _ in theirs.samples]
    for i, (image, _) in enumerate(theirs):
        assert ours[i].dtype == torch.uint8 and torch.equal(ours[i], image)
    assert ours.shape == (3, size or 64, size or 64) == tuple(ours[-1].shape)
    assert torch.equal(ours.fetch(torch.tensor([2, 0])), torch.stack([ours[2], ours[0]]))
    assert (ours.name, ours.split) == ("folder", split) and str(root) in ours.source
    for words in (f"folder, {split}: {len(ours)} images, given as 3×", "2 classes: cat, dog", str(root)):
        assert words in repr(ours)


def test_statistics_are_those_of_the_training_pixels_in_both_splits(root):
    train, test = (load("folder", split, root=root, size=20) for split in ("train", "test"))
    pixels = torch.stack([train[i] for i in range(8)]).numpy() / 255
    assert train.mean == test.mean == pytest.approx(tuple(pixels.mean((0, 2, 3))))
    assert train.std == test.std == pytest.approx(tuple(pixels.std((0, 2, 3))))


def test_statistics_of_many_images_come_from_a_sample(monkeypatch, root):
    monkeypatch.setattr(sets, "SAMPLED", 3)
    train = load("folder", root=root, size=20)
    pixels = torch.stack([train[i] for i in (0, 3, 7)]).numpy() / 255  # first, middle, last
    assert train.mean == pytest.approx(tuple(pixels.mean((0, 2, 3))))


def test_statistics_follow_files_that_change(root):
    before = load("folder", root=root, size=20)
    picture(root / "train/cat/0.jpg", seed=99)
    os.utime(root / "train/cat/0.jpg", ns=(1, 1))
    assert load("folder", root=root, size=20).mean != before.mean


def test_gray_images_have_one_channel(tmp_path):
    for split, label, i in (("train", "a", 0), ("train", "b", 1), ("test", "a", 2), ("test", "b", 3)):
        picture(tmp_path / split / label / f"{i}.png", mode="L" if i < 3 else "RGB", seed=i)
    test = load("folder", "test", root=tmp_path, size=16)
    assert test.shape == (1, 16, 16) == tuple(test[1].shape) and len(test.mean) == len(test.std) == 1
    expected = transforms.Compose(
        [transforms.Grayscale(), transforms.Resize(16), transforms.CenterCrop(16), transforms.PILToTensor()]
    )(Image.open(tmp_path / "test/b/3.png"))
    assert torch.equal(test[1], expected)

    picture(tmp_path / "train/a/color.png", seed=7)  # one color image among the training images makes all RGB
    assert load("folder", "test", root=tmp_path, size=16).shape == (3, 16, 16)


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    for split in ("train", "test"):
        values = np.array([[0, 256, 32768, 65535]] * 4, dtype=np.uint16)
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / split / "a" / "deep.png")
    train = load("folder", root=tmp_path, size=4)
    assert train[0][0, 0].tolist() == [0, 1, 128, 255] and train.shape[0] == 1


def test_a_palette_with_transparency_is_read(tmp_path):
    """Pillow warns about these, and warnings are errors here."""
    for split in ("train", "test"):
        picture(tmp_path / split / "a" / "p.png", mode="P", transparency=bytes(range(256)))
    assert load("folder", root=tmp_path, size=8)[0].shape == (3, 8, 8)


def test_a_folder_and_the_reader_of_pictures_agree_on_photographs(root):
    """A camera's orientation is applied, as it is for a prediction."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(root / "train/cat/photo.jpg", (40, 30), seed=30, exif=exif)
    train = load("folder", root=root, size=20)
    photo = train[train.paths.index(root / "train/cat/photo.jpg")]
    assert torch.equal(photo, data.read_image(root / "train/cat/photo.jpg", size=20))
    with Image.open(root / "train/cat/photo.jpg") as file:
        upright = file.transpose(Image.Transpose.ROTATE_270)
    steps = [transforms.Resize(20), transforms.CenterCrop(20), transforms.PILToTensor()]
    assert torch.equal(photo, transforms.Compose(steps)(upright))


def test_a_folder_is_read_at_another_size_on_request(root):
    small = load("folder", root=root, size=8)
    large = dataclasses.replace(small, shape=(3, 96, 96))
    assert large.mean == small.mean and large.paths == small.paths
    for i, (image, _) in enumerate(as_torchvision(root / "train", 96)):
        assert torch.equal(large[i], image)


@pytest.mark.parametrize("mode, channels", [("L", 1), ("RGB", 3)])
def test_the_spec_of_a_folder_is_in_names_and_headers(monkeypatch, tmp_path, mode, channels):
    for name in ("train/b/1.png", "train/a/1.png", "test/a/1.png", "test/b/1.png"):
        picture(tmp_path / name, mode="L" if name == "train/b/1.png" else mode)
    test = load("folder", "test", root=tmp_path, size=8)
    for path in tmp_path.rglob("*.png"):  # the header is left, the pixels go
        path.write_bytes(path.read_bytes()[:100])
    spec = data.spec("folder", root=tmp_path)
    assert spec == data.Spec(("a", "b"), channels, None)
    assert (spec.classes, spec.channels) == (test.classes, test.shape[0])
    with pytest.raises(RuntimeError, match=r"1\.png cannot be read as an image"):
        load("folder", root=tmp_path, size=9)


# ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["train/cat", "train/cat/deep", "train/cat/0.jpg"])
def test_a_link_brings_no_file_twice(root, target):
    """A link to a folder above made 41 copies of each image."""
    picture(root / "train/cat/deep/9.jpg", seed=9)
    before = load("folder", root=root, size=8)
    (root / "train/cat/again.jpg").symlink_to(root / target)
    (root / "train/cat/deep/again.jpg").symlink_to(root / target)
    after = load("folder", root=root, size=8)
    assert after.paths == before.paths and len(after) == 9


def test_links_are_followed_and_a_class_may_share_files(root, tmp_path):
    for i in range(2):
        picture(tmp_path / f"elsewhere/{i}.jpg", seed=40 + i)
    (root / "train/cat/more").symlink_to(tmp_path / "elsewhere")
    (root / "train/dog/one.jpg").symlink_to(tmp_path / "elsewhere/1.jpg")
    (root / "train/bird").symlink_to(tmp_path / "elsewhere")
    picture(root / "test/bird/1.jpg")
    train = load("folder", root=root, size=8)
    assert train.classes == ("bird", "cat", "dog") and train.labels.bincount().tolist() == [2, 5, 6]
    assert [str(path) for path in train.paths] == [
        path for path, _ in as_torchvision(root / "train", 8).samples
    ]


@pytest.mark.parametrize("name", ["train/cat/gone.jpg", "train/cat/gone", "train/gone", "test/dog/gone.png"])
@pytest.mark.parametrize(
    "target", ["nowhere", "gone", "gone.jpg", "gone.png"]
)  # the last three: also to itself
def test_a_link_that_leads_nowhere_is_named(root, name, target):
    (root / name).symlink_to(target)
    with pytest.raises(
        RuntimeError, match=f"{name} is a link that leads nowhere: repair or remove it"
    ) as caught:
        load("folder", "test", root=root, size=8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["val", "valid"])
def test_other_names_of_the_test_split(root, name):
    (root / "test").rename(root / name)
    test = load("folder", "test", root=root, size=8)
    assert len(test) == 4 and test.split == "test" and test.paths[0].parent.parent.name == name
    shutil.copytree(root / name, root / "test")
    (root / "test/cat/b.JPEG").unlink()
    assert len(load("folder", "test", root=root, size=8)) == 3  # a folder named test comes first


def test_what_is_no_image_by_name_is_passed_over(root):
    for name in (
        "train/cat/notes.txt",
        "train/.cache/x.jpg",
        "train/cat/._0.jpg",
        "train/dog/.old/x.png",
        "README",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("not an image")
    train = load("folder", root=root, size=8)
    assert len(train) == 8 and train.classes == ("cat", "dog")


def test_a_root_in_the_home_folder(monkeypatch, root):
    monkeypatch.setenv("HOME", str(root.parent))
    assert len(load("folder", root="~/pets", size=8)) == 8


def test_a_folder_set_travels_to_other_processes(root):
    train = load("folder", root=root, size=8)
    again = pickle.loads(pickle.dumps(train))
    assert again.paths == train.paths and torch.equal(again[3], train[3])


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_load_refuses_what_a_folder_cannot_use(root):
    with pytest.raises(ValueError, match="root must be given for folder"):
        load("folder")
    for size, error, words in (
        (0, ValueError, "size must be at least 1.* got 0"),
        (8.0, TypeError, r"size must be an integer, got 8\.0"),
        (True, TypeError, "size must be an integer, got True"),
    ):
        with pytest.raises(error, match=words):
            load("folder", root=root, size=size)
    with pytest.raises(ValueError, match="size is 32, but only folder takes one: the images of mnist_mini"):
        load("mnist_mini", size=32)
    with pytest.raises(ValueError, match=r"split must be one of train, test.* got 'val'"):
        load("folder", "val", root=root)


def gone(root):
    shutil.rmtree(root)


def a_file(root):
    shutil.rmtree(root)
    root.write_text("not a folder")


def no_train(root):
    shutil.rmtree(root / "train")


def no_test(root):
    shutil.rmtree(root / "test")


def no_classes(root):
    shutil.rmtree(root / "train")
    picture(root / "train/1.jpg")


def another_class(root):
    picture(root / "test/bird/1.jpg")


def a_class_less(root):
    shutil.rmtree(root / "test/dog")


def empty_class(root):
    for path in (root / "train/cat").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "damage, words",
    [
        (gone, "pets is not a folder: give the root that holds train/CLASS/ and test/CLASS/"),
        (a_file, "pets is not a folder"),
        (no_train, "pets has no folder train: expected train/CLASS/ and test/CLASS/"),
        (no_test, "pets has no folder test or val or valid"),
        (no_classes, "train has no class folders"),
        (another_class, "test has the class 'bird', .*train does not: both splits need the same classes"),
        (a_class_less, "train has the class 'dog', .*test does not"),
        (empty_class, r"train.cat has no images: expected files that end in \.jpg, \.jpeg, \.png"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_folder_that_lacks_something_is_one_sentence(root, damage, words):
    damage(root)
    with pytest.raises(RuntimeError, match=words) as caught:
        load("folder", root=root, size=8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["text", "empty", "truncated", "truncated png"])
def test_a_file_that_is_no_image_is_named(root, content):
    train, name = load("folder", root=root, size=8), "cat/1.jpg"
    if content == "truncated png":
        name = "dog/1.png"
    path = root / "train" / name
    whole = path.read_bytes()
    path.write_bytes({"text": b"<html>", "empty": b""}.get(content, whole[: len(whole) // 2]))
    for attempt in (
        lambda: train[train.paths.index(path)],
        lambda: train.decoded(),
        lambda: list(Batches(train, 4, workers=0)),
        lambda: list(Batches(train, 4, workers=1)),
        lambda: load("folder", root=root, size=9),
    ):
        with pytest.raises(
            RuntimeError, match=f"{name} cannot be read as an image .*: repair or remove it"
        ) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_pixels_of_32_bits_are_refused(root):
    path = root / "train/cat/float.tiff"
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    with pytest.raises(
        RuntimeError, match=r"float\.tiff cannot be read .*its pixels must have 8 or 16 bits, got 32"
    ):
        load("folder", root=root, size=8)


# ── Batches of a folder ──────────────────────────────────────────────────────────────────────────────────────────────


def test_batches_of_a_folder_are_the_same_however_they_are_read(monkeypatch, root):
    train = load("folder", root=root, size=16)
    whole = train.decoded()
    assert isinstance(whole, ImageSet) and torch.equal(whole.images, train.fetch(torch.arange(8)))
    assert whole.shape == train.shape and whole.mean == train.mean and whole.classes == train.classes
    options = {"shuffle": True, "augment": ("crop", "flip", "rotate", "color", "erase"), "size": 20}
    expected = list(Batches(whole, 3, **options))
    assert expected[0][0].shape == (3, 3, 20, 20)

    reads = []
    monkeypatch.setattr(FolderSet, "__getitem__", lambda self, i: reads.append(i) or whole.images[i])
    resident = Batches(train, 3, **options)
    for batches in (resident, resident, *(Batches(train, 3, workers=n, **options) for n in (0, 2))):
        for (x, y), (u, v) in zip(expected, batches, strict=True):
            assert torch.equal(x, u) and torch.equal(y, v)
    assert sorted(reads) == sorted([*range(8), *range(8)])  # once for the resident set, once for workers=0


def test_a_folder_too_large_to_stay_is_read_by_workers(monkeypatch, root):
    train = load("folder", root=root, size=16)
    monkeypatch.setattr(batches_module, "RESIDENT_BYTES", 8 * 3 * 16 * 16)
    fits = Batches(train, 4)
    monkeypatch.setattr(batches_module, "RESIDENT_BYTES", 8 * 3 * 16 * 16 - 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(FolderSet, "decoded", None)
    large = Batches(train, 4)
    assert all(torch.equal(x, u) for (x, _), (u, _) in zip(fits, large, strict=True))


# ── Validation splits ────────────────────────────────────────────────────────────────────────────────────────────────


def numbered(labels, classes):
    """Images whose first bytes are their index."""
    index = torch.arange(len(labels))
    images = torch.stack([index // 256, index % 256], 1).to(torch.uint8).view(-1, 1, 1, 2)
    return ImageSet(images, torch.tensor(labels), tuple(map(str, range(classes))), (0.1,), (0.9,), "Made up.")


def indices_of(image_set):
    return (image_set.images.view(-1, 2).long() @ torch.tensor([256, 1])).tolist()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_a_split_is_stratified_and_loses_nothing(labels, draws):
    count = draws.draw(st.integers(1, len(labels) - 1))
    images = numbered(labels, 5)
    rest, held = split_off(images, count, seed=draws.draw(st.integers(0, 99)))
    assert len(held) == count and sorted(indices_of(rest) + indices_of(held)) == list(range(len(labels)))
    for part in (rest, held):
        assert indices_of(part) == sorted(indices_of(part))
        assert part.labels.tolist() == [labels[i] for i in indices_of(part)]
        assert (part.mean, part.std, part.classes) == (images.mean, images.std, images.classes)
    exact = np.bincount(labels, minlength=5) * count / len(labels)
    assert (np.abs(held.labels.bincount(minlength=5).numpy() - exact) < 1).all()


def test_a_split_rounds_by_largest_remainder():
    labels = [0] * 5 + [1] * 3 + [2] * 2  # 4 of 10: shares 2.0, 1.2, 0.8
    _, held = split_off(numbered(labels, 3), 4)
    assert held.labels.tolist() == [0, 0, 1, 2]


def test_a_split_is_drawn_by_its_seed():
    images = numbered([0, 1] * 50, 2)
    held = [indices_of(split_off(images, 20, seed=seed)[1]) for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]
    rest, held = split_off(data.load("mnist_mini"), 500)
    assert held.labels.bincount().tolist() == [50] * 10 and rest.labels.bincount().tolist() == [450] * 10
    assert (rest.split, held.split, held.name) == ("train", "validation", "mnist_mini")
    mean, _ = data.mean_and_std(held.images)
    assert held.mean == data.load("mnist_mini").mean != mean


def test_a_folder_is_split_without_reading_it(monkeypatch, root):
    train = load("folder", root=root, size=8)
    with monkeypatch.context() as patch:
        patch.setattr(sets, "read_image", None)
        rest, held = split_off(train, 3)
    assert isinstance(held, FolderSet) and sorted(rest.paths + held.paths) == sorted(train.paths)
    assert held.labels.tolist() == [int(path.parent.name == "dog") for path in held.paths] == [0, 1, 1]
    assert held.mean == train.mean and held.shape == held[0].shape == (3, 8, 8) and held.split == "validation"
    assert isinstance(held.paths[0], Path) and len(next(iter(Batches(rest, 8)))[1]) == 5


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (([1, 2], 1), TypeError, "image_set must be an ImageSet or a FolderSet, got \\[1, 2\\]"),
        ((None, 0), ValueError, "count must be at least 1 and at most 3, got 0"),
        ((None, 4), ValueError, "count must be at least 1 and at most 3, got 4"),
        ((None, 0.5), TypeError, r"count must be an integer.* got 0\.5"),
        ((None, 1, "a"), TypeError, "seed must be an integer.* got 'a'"),
        ((None, 1, -1), ValueError, "seed must be at least 0 .* got -1"),
    ],
)
def test_split_off_refuses(arguments, error, words):
    image_set, *others = arguments
    with pytest.raises(error, match=words):
        split_off(numbered([0, 1, 0, 1], 2) if image_set is None else image_set, *others)
