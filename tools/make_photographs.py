"""Make the embedded photographs from the pictures that scikit-image and scikit-learn ship.

    python tools/make_photographs.py

The source pictures are known by their SHA-256 (scikit-image lists the same). Each is converted to sRGB where it carries
another color profile, scaled to a longest side of 384 pixels, and written as PNG beside NOTICE.md.
"""

import argparse
import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageCms

from cnncourse import photographs

LONGEST_SIDE = 384

# name → (package, path in it, SHA-256 of the file)
ORIGINALS = {
    "camera": (
        "skimage",
        "data/camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    ),
    "cat": (
        "skimage",
        "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "coffee": (
        "skimage",
        "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "galaxies": (
        "skimage",
        "data/hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    "rocket": (
        "skimage",
        "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    "tower": (
        "sklearn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
}

# What the source says about each picture's license, where more than the name of the license is known.
REMARKS = {
    "camera": "CC0 by the photographer.",
    "cat": "CC0 by the photographer.",
    "coffee": "CC0 by the photographer.",
    "galaxies": "scikit-image took it from HubbleSite (release 2012-37) and states that the image was captured by NASA "
    "and may be freely used in the public domain. ESA/Hubble publishes the same picture under CC BY 4.0; the credit "
    "above is the one that both ask for.",
    "rocket": "scikit-image states that the image was captured by SpaceX and released into the public domain (2015).",
    "tower": "scikit-learn's README: released under CC BY 2.0, some rights reserved by danielbuechele. "
    "It gives no title but the file's name.",
}


def find(package, path, sha256):
    """The source picture in an installed package; importing the package is not needed."""
    spec = find_spec(package)
    if spec is None:
        raise RuntimeError(f"{package} is not installed, expected it for its picture {path}")
    file = Path(spec.submodule_search_locations[0], path)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RuntimeError(f"{file} is not the picture that was chosen: its SHA-256 differs from {sha256}")
    return Image.open(io.BytesIO(content))


def shrink(picture):
    """sRGB or gray, longest side 384. A triangle filter, for the reason given in `photographs.load`."""
    profile = picture.info.get("icc_profile")
    if profile is not None:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" not in ImageCms.getProfileDescription(source):
            picture = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"))
    scale = LONGEST_SIDE / max(picture.size)
    return picture.resize(
        (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
    )


def notice():
    """NOTICE.md, made of the same CREDITS that a program reads."""
    text = (
        "# Photographs\n\n"
        f"Each was converted to sRGB where needed, scaled to a longest side of {LONGEST_SIDE} pixels and saved as PNG\n"
        "by `make_photographs.py` in the folder above; nothing else was changed.\n"
    )
    for name, credit in photographs.CREDITS.items():
        text += (
            f"\n## {name}.png\n\n- Title: {credit.title}\n- Author: {credit.author}\n- License: {credit.license}\n"
            f"- Source: {credit.source}\n- Remark: {REMARKS[name]}\n"
        )
    return text + (
        "\n## Licenses\n\n- CC0 1.0: <https://creativecommons.org/publicdomain/zero/1.0/>\n"
        "- CC BY 2.0: <https://creativecommons.org/licenses/by/2.0/>\n"
        "- CC BY 4.0: <https://creativecommons.org/licenses/by/4.0/>\n"
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Make the embedded photographs.")
    parser.add_argument(
        "--out", type=Path, default=photographs.FOLDER, help="where to write (default: %(default)s)"
    )
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    for name, original in ORIGINALS.items():
        shrink(find(*original)).save(out / f"{name}.png", optimize=True, icc_profile=None)
        print(f"{name}.png: {(out / f'{name}.png').stat().st_size:,} bytes")
    (out / "NOTICE.md").write_text(notice(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
