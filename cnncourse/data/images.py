"""The one reader of picture files: for training, prediction and examples alike."""

import contextlib
import zlib

import numpy as np
import torch


@contextlib.contextmanager
def _opened(path):
    """A Pillow image; whatever is wrong with the file, while it is open, is one sentence."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            yield image
    except (OSError, ValueError, SyntaxError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        reason = "it is not of a known image format" if "cannot identify" in str(error) else error
        raise RuntimeError(f"{path} cannot be read as an image ({reason}): repair or remove it") from error


def is_gray(path):
    with _opened(path) as image:
        return image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")


def read_image(path, mode, size):
    """uint8 (C, size, size)"""
    from PIL import Image

    with _opened(path) as image:
        if image.mode in ("I", "F"):
            raise ValueError("its pixels have 32 bits, expected 8 or 16")
        if image.mode.startswith("I;16"):  # Pillow would cut at 255 instead of scaling
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        image = image.convert(mode)
    W, H = image.size
    short = min(W, H)
    W, H = (int(size * side / short) for side in (W, H))
    left, top = round((W - size) / 2), round((H - size) / 2)
    image = image.resize((W, H), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(image)).view(size, size, -1).permute(2, 0, 1).contiguous()
