"""The reader of picture files against Pillow and torchvision, on small files made here."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import transforms

from cnncourse.data import read_image

RNG = np.random.default_rng(0)
COLORS = Image.fromarray(RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)).resize(
    (37, 23), Image.Resampling.BICUBIC
)


def opened(path, mode=None):
    with Image.open(path) as file:
        return file.convert(mode or file.mode)


def as_tensor(image):
    return torch.from_numpy(np.array(image)).view(*image.size[::-1], -1).permute(2, 0, 1)


def oriented(orientation, description=None):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if description is not None:
        exif[0x010E] = description
    return exif


# ── As it is, upright, at a size ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_camera_noted(tmp_path, suffix, orientation):
    path = tmp_path / f"photo.{suffix}"
    COLORS.save(path, exif=oriented(orientation))
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file)
    assert (upright.size == COLORS.size) == (orientation < 5)
    assert torch.equal(read_image(path), as_tensor(upright))


def test_orientation_6_by_hand(tmp_path):
    """The camera was held on its right side: what is the left column of the file is the top row of the picture."""
    stored = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    Image.fromarray(stored).save(tmp_path / "photo.png", exif=oriented(6))
    assert read_image(tmp_path / "photo.png").tolist() == [[[4, 1], [5, 2], [6, 3]]]


def test_sixteen_bits_are_turned_as_well(tmp_path):
    stored = np.array([[0, 40000], [255, 65535]], dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "deep.png", exif=oriented(3))
    assert read_image(tmp_path / "deep.png").tolist() == [[[255, 0], [156, 0]]]


@pytest.mark.parametrize("damage", ["not EXIF at all", "a number that is text"])
def test_a_picture_is_read_whatever_its_exif_is_like(tmp_path, damage):
    """Its pixels are whole. Pillow's exif_transpose raises for both."""
    path = tmp_path / "photo.webp"
    COLORS.save(path, lossless=True, exif=oriented(6, "made here"))
    before, after, turned = {
        "not EXIF at all": (b"MM\0*", b"what", COLORS),
        "a number that is text": (
            b"\x01\x0e\0\2",
            b"\x01\x03\0\2",
            COLORS.transpose(Image.Transpose.ROTATE_270),
        ),
    }[damage]
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    with pytest.raises((SyntaxError, struct.error)), Image.open(path) as file:
        ImageOps.exif_transpose(file)
    assert torch.equal(read_image(path), as_tensor(turned))


@pytest.mark.parametrize("size", [1, 7, 23, 40])
@pytest.mark.parametrize("shape", [(37, 23), (23, 38), (16, 16), (3, 90)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_size_is_that_of_torchvision(tmp_path, size, shape, mode):
    path = tmp_path / "picture.png"
    COLORS.resize(shape).convert(mode).save(path)
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()]
    picture = read_image(path, size)
    assert picture.dtype == torch.uint8 and picture.is_contiguous()
    assert torch.equal(picture, transforms.Compose(steps)(opened(path)))


# ── Every kind of pixel ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "mode, suffix, channels",
    [
        ("1", "png", 1), ("L", "png", 1), ("LA", "png", 1), ("P", "gif", 3), ("RGB", "bmp", 3),
        ("RGBA", "png", 3), ("CMYK", "jpg", 3), ("CMYK", "tiff", 3), ("YCbCr", "jpg", 3),
    ],
)  # fmt: skip
def test_gray_has_one_channel_and_the_rest_three(tmp_path, mode, suffix, channels):
    path = tmp_path / f"picture.{suffix}"
    COLORS.convert(mode).save(path)
    assert torch.equal(read_image(path), as_tensor(opened(path, "L" if channels == 1 else "RGB")))
    for wanted, name in ((1, "L"), (3, "RGB")):
        assert torch.equal(read_image(path, channels=wanted), as_tensor(opened(path, name)))


def test_gray_is_the_luma_of_rgb(tmp_path):
    Image.fromarray(np.array([[[200, 100, 50]]], dtype=np.uint8)).save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png", channels=1).item() == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    values = np.array([[0, 256, 40000, 65535]], dtype=np.uint16)
    path = tmp_path / f"deep.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 4 1 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    assert read_image(path).tolist() == [[[0, 1, 156, 255]]]
    assert read_image(path, channels=3).tolist() == [[[0, 1, 156, 255]]] * 3


def test_alpha_is_dropped(tmp_path):
    """Also that of a palette, about which Pillow warns, and warnings are errors here."""
    pixels = Image.fromarray(np.array([[[9, 8, 7, 0], [90, 80, 70, 100]]], dtype=np.uint8))
    pixels.save(tmp_path / "rgba.png")
    palette = pixels.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "p.png", transparency=bytes([0, 100]))
    for name in ("rgba.png", "p.png"):
        assert read_image(tmp_path / name).tolist() == [[[9, 90]], [[8, 80]], [[7, 70]]]


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", ["missing", "empty", "text", "half", "32 bits", "float", "a folder"])
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(tmp_path, content):
    path = tmp_path / "picture.tiff"
    if content == "a folder":
        path.mkdir()
    elif content in ("32 bits", "float"):
        Image.fromarray(np.ones((2, 2), np.int32 if content == "32 bits" else np.float32)).save(path)
    elif content != "missing":
        COLORS.save(path, "png")
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"<html>", "half": whole[: len(whole) // 2]}[content])
    reason = {
        "missing": "No such file",
        "empty": "it is not of a known image format",
        "text": "it is not of a known image format",
        "half": "truncated",
        "a folder": "",
    }.get(content, "its pixels must have 8 or 16 bits, got 32")
    with pytest.raises(
        RuntimeError, match=rf"picture\.tiff cannot be read as an image \(.*{reason}.*\): "
    ) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"path": 3}, TypeError, "path must be a path, got 3"),
        ({"size": 0}, ValueError, "size must be at least 1.* got 0"),
        ({"size": 8.0}, TypeError, r"size must be an integer, got 8\.0"),
        ({"size": True}, TypeError, "size must be an integer, got True"),
        ({"channels": 2}, ValueError, "channels must be None, 1 or 3, got 2"),
        ({"channels": "RGB"}, ValueError, "channels must be .* got 'RGB'"),
    ],
)
def test_read_image_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        read_image(**{"path": "picture.png"} | arguments)
