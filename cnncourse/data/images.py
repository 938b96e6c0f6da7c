"""The one reader of picture files: for training, prediction and examples alike."""

import contextlib

import numpy as np
import torch

from .. import checks

# EXIF orientation → what turns the picture upright: a name in Pillow's Image.Transpose.
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


class BrokenImage(RuntimeError):
    """A file that cannot be read as an image, said in one sentence."""


def read_image(path, size=None, channels=None):
    """The picture in a file, upright, as a uint8 tensor (C, H, W).

    size      None, or the side of a square: the short side is resized to it (bilinear, antialiased), the long one cut
              about the center, exactly as torchvision's Resize and CenterCrop do with a Pillow image
    channels  1 or 3, gray or RGB; None: 1 if the file is gray, else 3

    The orientation that a camera noted (EXIF) is applied. Values of 16 bits become v // 256. A palette is looked up,
    CMYK becomes RGB without a color profile, and RGB gray as 0.299 R + 0.587 G + 0.114 B. Alpha is dropped: a
    transparent pixel gets the color that is stored for it. Of an animation, the first picture is taken.

    A file that is broken, no image, or of 32 bits a value: `BrokenImage`, a RuntimeError, that names it.
    """
    from PIL import Image

    checks.path("path", path)
    if size is not None:
        checks.integer("size", size, 1)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be None, 1 or 3, got {channels!r}")

    with _opened(path) as file:
        channels = channels or _channels(file)
        image = _upright(file)
        if _is_deep(file):  # Pillow would cut at 255 instead of scaling
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise ValueError("its pixels must have 8 or 16 bits, got 32")
        if image.mode == "P" and "transparency" in image.info:  # Pillow would warn
            image = image.convert("RGBA")
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None:
        W, H = (int(size * side / min(image.size)) for side in image.size)
        left, top = round((W - size) / 2), round((H - size) / 2)
        image = image.resize((W, H), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(image)).view(*image.size[::-1], channels).permute(2, 0, 1).contiguous()


def channels_of(path):
    """1 if the picture in a file is gray, else 3; only its header is read."""
    with _opened(path) as file:
        return _channels(file)


def _channels(file):
    return 1 if file.mode in ("1", "L", "LA") or _is_deep(file) else 3


def _is_deep(file):
    """Whether its values are gray and of 16 bits, which Pillow keeps in 32 if they come from a .pgm."""
    return file.mode.startswith("I;16") or (file.mode == "I" and file.format == "PPM")


def _upright(file):
    from PIL import ExifTags, Image

    file.load()
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # EXIF that cannot be read says nothing, and the picture may be whole
        orientation = None
    return file.transpose(Image.Transpose[UPRIGHT[orientation]]) if orientation in UPRIGHT else file


@contextlib.contextmanager
def _opened(path):
    """A Pillow image; whatever is wrong with the file, while it is open, is one sentence."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            yield file
    except Exception as error:  # Pillow's readers raise what they meet: OSError, SyntaxError, zlib.error …
        reason = "it is not of a known image format" if isinstance(error, UnidentifiedImageError) else error
        raise BrokenImage(f"{path} cannot be read as an image ({reason}): repair or remove it") from error
