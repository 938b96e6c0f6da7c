"""Six real photographs for looking at edges: names(), load(name), CREDITS[name].

    gray = load("camera")                          # uint8 (384, 384), 0 black … 255 white
    color = load("tower", size=128, gray=False)    # uint8 (128, 128, 3), red, green, blue

They ship with the package as lossless PNG, longest side 384 pixels. Their licenses are in CREDITS and in
embedded/photographs/NOTICE.md. Needs Pillow and NumPy only.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .checks import choice, flag, integer

FOLDER = Path(__file__).parent / "embedded" / "photographs"


@dataclass(frozen=True)
class Credit:
    """Who made a photograph, under which license it is shared, where it is from, and what it shows (`alt`)."""

    title: str
    author: str
    license: str
    source: str
    alt: str


CREDITS = {
    "camera": Credit(
        title="Camera",
        author="Lav Varshney",
        license="CC0 1.0",
        source="scikit-image, skimage.data.camera(), https://github.com/scikit-image/scikit-image/issues/3927",
        alt="A man in a dark coat bends to a film camera on a tripod, on a lawn with low buildings on the horizon.",
    ),
    "cat": Credit(
        title="Chelsea the cat",
        author="Stéfan van der Walt",
        license="CC0 1.0",
        source="scikit-image, skimage.data.chelsea(), https://scikit-image.org/docs/stable/api/skimage.data.html",
        alt="The face of a tabby cat with green eyes, striped fur and white whiskers that fan out to both sides.",
    ),
    "coffee": Credit(
        title="Coffee cup",
        author="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        license="CC0 1.0",
        source="scikit-image, skimage.data.coffee(), https://scikit-image.org/docs/stable/api/skimage.data.html",
        alt="A white-rimmed cup of espresso on a round red saucer with a spoon, on a wooden table, seen from above.",
    ),
    "galaxies": Credit(
        title="Hubble eXtreme Deep Field",
        author="NASA, ESA, G. Illingworth, D. Magee, and P. Oesch (University of California, Santa Cruz), "
        "R. Bouwens (Leiden University), and the HUDF09 Team",
        license="Public domain (NASA), also shared by ESA/Hubble under CC BY 4.0",
        source="scikit-image, skimage.data.hubble_deep_field(), "
        "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        alt="Hundreds of small bright galaxies, dots and ovals of many sizes, scattered over a black sky.",
    ),
    "rocket": Credit(
        title="Launch photo of DSCOVR on Falcon 9",
        author="SpaceX",
        license="Public domain",
        source="scikit-image, skimage.data.rocket(), "
        "https://www.flickr.com/photos/spacexphotos/16511594820/in/photostream/",
        alt="A white rocket stands upright at dusk between four lattice towers, with star-shaped lights at its foot.",
    ),
    "tower": Credit(
        title="china.jpg",
        author="danielbuechele",
        license="CC BY 2.0",
        source="scikit-learn, sklearn.datasets.load_sample_image('china.jpg'), "
        "https://www.flickr.com/photos/danielbuechele/6061409035/",
        alt="A tower with four tiers of curved tile roofs rises above trees, with a lake and far hills behind it.",
    ),
}


def names():
    """The names that `load` knows."""
    return tuple(CREDITS)


def load(name, size=None, gray=True):
    """One photograph as a new uint8 array: (H, W) gray, or (H, W, 3) red, green, blue with gray=False.

    size: None keeps the picture whole; n cuts the largest centered square out of it and resamples that to n×n.
    Gray is luma, Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded, as in Pillow's mode "L".

    Resampling averages with a triangle filter. It has no negative weights, so it draws no halos along
    edges that an edge detector would then find.
    """
    choice("name", name, CREDITS)
    if size is not None:
        size = integer("size", size, 1)
    flag("gray", gray)

    path = FOLDER / f"{name}.png"
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (OSError, SyntaxError) as error:  # SyntaxError is what Pillow raises for a broken PNG
        raise RuntimeError(f"{path} is missing or damaged ({error}): install the package again") from error

    if size is not None:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = (left, top, left + side, top + side)
        picture = picture.resize((size, size), Image.Resampling.BILINEAR, box=square)
    return np.array(picture.convert("L") if gray else picture)
