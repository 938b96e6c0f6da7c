"""A picture of one's own in an explorer: any array or PIL image → a small gray square (JavaScript: common/own.js)."""

import numpy as np
import traitlets
from PIL import Image, ImageOps

from .explorer import Checked

YOUR_PICTURE = "your picture"
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes of 16 bits a value


class Chosen(Checked):
    """A trait that also takes a picture: an array or a PIL image, of which `take(owner, picture)` makes its value."""

    def __init__(self, take, check, *limits, default=traitlets.Undefined):
        super().__init__(check, *limits, default=default)
        self.take = take

    def validate(self, owner, value):
        if hasattr(value, "__array__") and not isinstance(value, Image.Image):
            value = np.asarray(value)
        picture = isinstance(value, Image.Image | np.ndarray)
        return super().validate(owner, self.take(owner, value) if picture else value)


def gray_square(name, picture, side):
    """The centered square of a picture in gray, resampled by averages with a triangle filter → uint8 (side, side).

    picture   a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4), uint8 or floats from 0 to 1
    side      of the result, or a function of the side of the picture's square

    Gray = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), as Pillow's mode "L". A camera's note which side is up (EXIF) is
    heeded, 16 bits become v // 256, and what is transparent is laid on white.
    """
    image = _from_pillow(name, picture) if isinstance(picture, Image.Image) else _from_array(name, picture)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    crop = min(image.size)
    left, top = ((length - crop) // 2 for length in image.size)
    square = image.convert("L").crop((left, top, left + crop, top + crop)).convert("F")
    side = side(crop) if callable(side) else side
    return np.rint(square.resize((side, side), Image.Resampling.BILINEAR)).astype(np.uint8)


def light_on_dark(name, gray):
    """A gray square as MNIST has it: inverted if its border is lighter than the middle of its grays."""
    low, high = int(gray.min()), int(gray.max())
    if low == high:
        raise traitlets.TraitError(f"{name} must show something, got one gray everywhere, {low}")
    border = sorted_border(gray)
    return 255 - gray if border[len(border) // 2] > (low + high) / 2 else gray


def sorted_border(gray):
    """The values on the edge of a square, from dark to light."""
    return np.sort(np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]])).astype(int)


def _from_array(name, picture):
    array = np.asarray(picture)
    words = (
        f"{name} must be a PIL image or an array (H, W), (H, W, 3) or (H, W, 4), uint8 or floats from 0 to 1"
    )
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)) or not array.size:
        raise traitlets.TraitError(f"{words}, got shape {array.shape}")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise traitlets.TraitError(f"{words}, got values that are not finite")
        if array.min() < 0 or array.max() > 1:
            raise traitlets.TraitError(f"{words}, got values from {array.min():g} to {array.max():g}")
        array = np.rint(255 * array).astype(np.uint8)
    if array.dtype != np.uint8:
        raise traitlets.TraitError(f"{words}, got {array.dtype}")
    return Image.fromarray(array)


def _from_pillow(name, picture):
    try:
        image = ImageOps.exif_transpose(picture)
    except Exception as error:  # Pillow's readers raise what they meet: OSError, SyntaxError, zlib.error …
        raise traitlets.TraitError(f"{name} cannot be read as an image ({error})") from error
    if image.mode in DEEP:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise traitlets.TraitError(
            f"{name} must have 8 or 16 bits a value, got a PIL image of mode {image.mode}"
        )
    transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB")
