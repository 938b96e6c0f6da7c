"""The six photographs: what is loaded, how it is cut and grayed, and that each says whose it is."""

import hashlib
import importlib.util
import subprocess
import sys

import make_photographs
import numpy as np
import pytest
from PIL import Image

from cnncourse import photographs

NAMES = ("camera", "cat", "coffee", "galaxies", "rocket", "tower")


def test_names():
    assert photographs.names() == NAMES == tuple(photographs.CREDITS)


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_is_what_the_file_holds(name):
    gray, color = photographs.load(name), photographs.load(name, gray=False)
    with Image.open(photographs.FOLDER / f"{name}.png") as file:
        assert file.format == "PNG" and max(file.size) == 384
        stored = np.array(file)
    if stored.ndim == 2:
        stored = np.stack([stored] * 3, axis=-1)
    assert np.array_equal(color, stored)
    assert gray.dtype == color.dtype == np.uint8 and gray.shape == color.shape[:2]
    assert np.ptp(gray.astype(int)) > 180  # real contrast, of 255


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [None, 96])
def test_gray_is_bt601_luma(name, size):
    red, green, blue = photographs.load(name, size, gray=False).astype(float).transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(photographs.load(name, size) - luma).max() <= 0.501


@pytest.mark.parametrize("name", NAMES)
def test_a_square_is_cut_out_of_the_middle(name):
    whole = photographs.load(name)
    side = min(whole.shape)
    top, left = (whole.shape[0] - side) // 2, (whole.shape[1] - side) // 2
    assert np.array_equal(photographs.load(name, size=side), whole[top : top + side, left : left + side])


def test_the_middle_of_a_tall_picture_too(monkeypatch, tmp_path):
    wide = photographs.load("cat", gray=False)
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "cat.png")
    middle = photographs.load("cat", 255)
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    assert photographs.load("cat").shape == (384, 255)
    assert np.array_equal(photographs.load("cat", 255), middle.T)


@pytest.mark.parametrize("size", [1, 7, 28, 128, np.int64(64), 500])
def test_any_size_is_square_and_keeps_the_brightness(size):
    whole, small = photographs.load("rocket", 256), photographs.load("rocket", size)
    assert small.shape == (size, size)
    assert photographs.load("rocket", size, gray=False).shape == (size, size, 3)
    assert abs(small.mean() - whole.mean()) < 6


def test_resampling_draws_no_halos():
    """No value of a small picture lies outside the values of the region that it averages."""
    whole, small = photographs.load("tower", 256).astype(int), photographs.load("tower", 64)
    padded = np.pad(whole, 4, mode="edge")
    regions = np.lib.stride_tricks.sliding_window_view(padded, (12, 12))[::4, ::4]
    assert (small >= regions.min((2, 3)) - 1).all() and (small <= regions.max((2, 3)) + 1).all()


def test_each_call_gives_a_new_array_that_may_be_written():
    first = photographs.load("cat")
    first[:] = 0
    assert photographs.load("cat").max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_photograph_is_credited(name):
    credit = photographs.CREDITS[name]
    notice = (photographs.FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    section = notice.split(f"## {name}.png")[1].split("## ")[0]
    for text in (credit.title, credit.author, credit.license, credit.source):
        assert text and text in section
    assert credit.license.startswith(("CC0 1.0", "CC BY 2.0", "Public domain"))
    assert credit.alt.endswith(".") and 40 < len(credit.alt) < 140
    with pytest.raises(AttributeError):
        credit.author = "me"


def test_the_folder_is_small_and_holds_nothing_else():
    files = sorted(path.name for path in photographs.FOLDER.iterdir())
    assert files == sorted(["NOTICE.md", *(f"{name}.png" for name in NAMES)])
    assert sum(path.stat().st_size for path in photographs.FOLDER.iterdir()) < 1_300_000


def test_torch_is_not_loaded():
    code = "import sys; from cnncourse import photographs as p; p.load('cat', 64); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=600)


@pytest.mark.parametrize("name, nearest", [("galaxy", "galaxies"), ("CAT", "cat"), ("cofee", "coffee")])
def test_an_unknown_name_is_answered_with_the_known_ones(name, nearest):
    with pytest.raises(
        ValueError, match=f"name must be .*got '{name}'; the nearest is '{nearest}'"
    ) as caught:
        photographs.load(name)
    assert all(known in str(caught.value) for known in NAMES)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"name": 3}, TypeError, "name must be one of camera, .*, got 3"),
        ({"name": "cat", "size": 0}, ValueError, "size must be at least 1, got 0"),
        ({"name": "cat", "size": -5}, ValueError, "size must be at least 1, got -5"),
        ({"name": "cat", "size": 64.0}, TypeError, r"size must be an integer, got 64\.0"),
        ({"name": "cat", "size": (64, 64)}, TypeError, r"size must be an integer, got \(64, 64\)"),
        ({"name": "cat", "size": True}, TypeError, "size must be an integer, got True"),
        ({"name": "cat", "gray": 1}, TypeError, "gray must be True or False, got 1"),
    ],
)
def test_load_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        photographs.load(**arguments)


@pytest.mark.parametrize("keep", [None, 0, 20, 5000])
def test_a_missing_or_damaged_file_is_named(monkeypatch, tmp_path, keep):
    if keep is not None:
        (tmp_path / "cat.png").write_bytes((photographs.FOLDER / "cat.png").read_bytes()[:keep])
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    with pytest.raises(RuntimeError, match=r"cat\.png is missing or damaged.*install the package again"):
        photographs.load("cat")


def test_an_altered_file_is_named(monkeypatch, tmp_path):
    content = bytearray((photographs.FOLDER / "cat.png").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "cat.png").write_bytes(content)
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    with pytest.raises(RuntimeError, match=r"cat\.png is missing or damaged"):
        photographs.load("cat")


# ── The script that made them ────────────────────────────────────────────────────────────────────────────────────────

with_originals = pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in ("skimage", "sklearn")),
    reason="scikit-image and scikit-learn hold the original pictures",
)


def test_every_photograph_has_its_original_and_its_remark():
    assert tuple(make_photographs.ORIGINALS) == tuple(make_photographs.REMARKS) == NAMES
    notice = (photographs.FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    assert notice == make_photographs.notice()


@with_originals
def test_the_script_makes_the_same_pictures_again(tmp_path):
    make_photographs.main(["--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["NOTICE.md", *(f"{n}.png" for n in NAMES)]
    )
    for name in NAMES:
        with (
            Image.open(tmp_path / f"{name}.png") as made,
            Image.open(photographs.FOLDER / f"{name}.png") as shipped,
        ):
            # The color engine may round differently from version to version, by one step.
            assert np.abs(np.array(made).astype(int) - np.array(shipped)).max() <= 1


@with_originals
def test_the_script_refuses_another_picture():
    package, path, _ = make_photographs.ORIGINALS["cat"]
    with pytest.raises(RuntimeError, match=r"chelsea\.png is not the picture that was chosen"):
        make_photographs.find(package, path, hashlib.sha256(b"").hexdigest())
    with pytest.raises(RuntimeError, match="no_such_package is not installed"):
        make_photographs.find("no_such_package", path, "")
