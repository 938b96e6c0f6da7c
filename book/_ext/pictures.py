"""Pictures as light as a page needs them: WebP, no more pixels than a sharp screen shows, loaded when in sight.

Measured on every third figure of the course, 5.4 MB as the notebooks store them: optimized PNG 4.9 MB, WebP without
loss 2.8 MB, WebP at quality 80 1.8 MB. Drawings are as small without loss as with it, at most 50 KB each; photographs
are two to four times as large without loss, from 85 KB up. So a picture is kept exactly where that is cheap: 1.6 MB.
"""

import base64
import hashlib
import os
import re
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

SHARPNESS = 2  # pixels of a picture per pixel of the page; more are not seen
COLUMN = 720  # the width of the text in pixels
EXACT = 64_000  # bytes up to which a picture is kept without loss
QUALITY = 80
SMALL = 8_000  # bytes up to which a picture stays inside its page: a request of its own would cost more
FOLDER = "_images"


def as_webp(data, widest):
    """The picture as WebP, at most `widest` pixels wide: without loss where that takes at most EXACT bytes."""
    picture = Image.open(BytesIO(data))
    if picture.width > widest:
        height = round(picture.height * widest / picture.width)
        picture = picture.convert("RGBA").resize((widest, height), Image.Resampling.LANCZOS)
    exact = saved(picture, lossless=True)
    return exact if len(exact) <= EXACT else min(exact, saved(picture, quality=QUALITY), key=len)


def saved(picture, **options):
    target = BytesIO()
    picture.save(target, "WEBP", **options)
    return target.getvalue()


def stated_size(image):
    """(width, height) in pixels of the page, where the element states both; they leave its style."""
    style = image.get("style", "")
    size = [re.search(rf"(?<![\w-]){side}: *([\d.]+)px;?", style) for side in ("width", "height")]
    if not all(size):
        return None
    style = re.sub(r"(?<![\w-])(width|height): *[\d.]+px;? *", "", style).strip()
    if style:
        image["style"] = style
    else:
        del image["style"]
    return tuple(round(float(side[1])) for side in size)


def lighten(soup, originals, site, root):
    """Give every picture of a page its size, and the page a light copy of it in place of a large one.

    originals    {name of a picture in the site: the file it is made from}
    site, root   the folder of the site, and the way to it from the page: "" or "../"
    """
    for place, image in enumerate(soup.find_all("img")):
        source = image.get("src", "")
        # A drawing stands in for an explorer, and mostly is never seen.
        if drawn := re.match(r"data:image/svg\+xml;base64,", source):
            image["decoding"], image["loading"] = "async", "lazy"
            image["src"] = root + kept_beside(base64.b64decode(source[drawn.end() :]), ".svg", site)
            continue
        inside = re.match(r"data:image/(png|jpeg);base64,", source)
        name = Path(unquote(urlsplit(source).path)).name
        if inside:
            data = base64.b64decode(source[inside.end() :])
        elif name.endswith((".png", ".jpg", ".jpeg")) and name in originals:
            data = Path(originals[name]).read_bytes()
        else:
            continue
        natural = Image.open(BytesIO(data)).size
        image["width"], image["height"] = stated_size(image) or natural
        image["decoding"] = "async"
        image["loading"] = "lazy" if place else "eager"  # the first picture may be in sight at once
        if data.startswith(b"\xff\xd8") or (inside and len(data) <= SMALL):
            continue
        widest = SHARPNESS * min(image["width"], COLUMN)
        image["src"] = root + light_copy(data, widest, site)
        link = image.parent
        if link.name == "a" and Path(unquote(urlsplit(link.get("href", "")).path)).name == name:
            link["href"] = image["src"]


def light_copy(data, widest, site):
    """Write the picture as WebP → its place in the site."""
    return kept_beside(data, ".webp", site, lambda: as_webp(data, widest), f"{widest} {EXACT} {QUALITY} ")


def kept_beside(data, suffix, site, make=None, how=""):
    """Write `data`, or what `make` makes of it, unless it is there from an earlier build → its place in the site."""
    place = f"{FOLDER}/{hashlib.sha256(how.encode() + data).hexdigest()[:32]}{suffix}"
    target = Path(site) / place
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        written = target.with_suffix(f".{os.getpid()}")  # pages are written by several processes
        written.write_bytes(make() if make else data)
        written.replace(target)
    return place


def remove_unused(site):
    """Remove the pictures that no page shows: those that have a light copy, and those of earlier builds."""
    shown = set()
    for page in Path(site).rglob("*.html"):
        shown.update(re.findall(rf"{FOLDER}/([\w%.-]+)", page.read_text(encoding="utf-8")))
    for path in (Path(site) / FOLDER).glob("*"):
        if path.name not in {unquote(name) for name in shown}:
            path.unlink()
