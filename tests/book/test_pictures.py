"""Pictures of a page: light, no larger than a sharp screen shows, with a size, loaded when they come in sight."""

import base64
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book/_ext"))

import pictures  # noqa: E402


def png(picture):
    target = BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def drawing(width=1440, height=500):
    """Lines and letters on white, as a figure with curves."""
    picture = Image.new("RGBA", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    for place in range(0, width, 90):
        pen.line([(place, 20), (width - place, height - 20)], fill="#0072b2", width=3)
        pen.text((place, height // 2), str(place), fill="#1f2933")
    return picture


def photograph(width=720, height=450):
    """Smooth light with the noise of a sensor."""
    y, x = np.mgrid[:height, :width]
    light = 120 + 80 * np.sin(x / 90) * np.cos(y / 70)
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    return Image.fromarray((light[..., None] + noise).clip(0, 255).astype(np.uint8))


def pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"), float)


def lighten(html, site, originals, root="../"):
    soup = BeautifulSoup(html, "html.parser")
    pictures.lighten(soup, originals, site, root)
    return soup.find_all("img")


@pytest.fixture
def originals(tmp_path):
    """Pictures as the notebooks store them: {name in the site: file}."""
    made = {"lines.png": drawing(), "small.png": drawing(300, 200), "photo.png": photograph()}
    for name, picture in made.items():
        (tmp_path / name).write_bytes(png(picture))
    return {name: tmp_path / name for name in made}


def test_a_drawing_is_kept_exactly():
    data = png(drawing())
    light = pictures.as_webp(data, 1440)
    assert len(light) < len(data) / 2
    np.testing.assert_array_equal(pixels(light), pixels(data))


def test_a_photograph_loses_what_is_not_seen():
    data = png(photograph())
    light = pictures.as_webp(data, 720)
    assert len(light) < len(data) / 5
    assert pixels(light).shape == pixels(data).shape
    assert np.abs(pixels(light) - pixels(data)).mean() < 6  # no more than the noise


def test_a_picture_has_at_most_two_pixels_for_one_of_the_page(originals, tmp_path):
    """540 of the page: 1440 become 1080. A picture of 300 is not blown up."""
    wide, small = lighten(
        '<img src="../_images/lines.png" style="width: 540px; height: 188px;">'
        '<img src="../_images/small.png" style="width: 200px; height: 133px;">',
        tmp_path / "site",
        originals,
    )
    sizes = []
    for image in (wide, small):
        with Image.open(tmp_path / "site" / image["src"].removeprefix("../")) as picture:
            sizes.append(picture.size)
    assert sizes == [(1080, 375), (300, 200)]


def test_the_size_in_the_page_stays_and_is_said_in_numbers(originals, tmp_path):
    stated, bare, relative = lighten(
        '<img src="_images/lines.png" style="width: 540px; height: 188.4px;">'
        '<img src="_images/small.png">'
        '<img src="_images/lines.png" style="width: 50%; max-width: none">',
        tmp_path,
        originals,
        root="",
    )
    assert (stated["width"], stated["height"], stated.has_attr("style")) == (540, 188, False)
    assert (bare["width"], bare["height"]) == (300, 200)
    assert (relative["width"], relative["height"]) == (1440, 500)
    assert relative["style"] == "width: 50%; max-width: none"


def test_only_the_first_picture_is_loaded_before_it_is_in_sight(originals, tmp_path):
    figure = '<img src="_images/lines.png">'
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
    still = f'<img class="course-still" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'
    assert [image["loading"] for image in lighten(3 * figure, tmp_path, originals)] == [
        "eager",
        "lazy",
        "lazy",
    ]
    assert [image["loading"] for image in lighten(still + figure, tmp_path, originals)] == ["lazy", "lazy"]
    assert {image["decoding"] for image in lighten(figure + still, tmp_path, originals)} == {"async"}
    (image,) = lighten(still, tmp_path, originals)
    assert (tmp_path / image["src"].removeprefix("../")).read_bytes() == svg and image["src"].endswith(".svg")


def test_a_link_around_a_picture_leads_to_the_light_copy(originals, tmp_path):
    (image,) = lighten(
        '<a href="../_images/lines.png"><img src="../_images/lines.png"></a>', tmp_path, originals
    )
    assert image.parent["href"] == image["src"]
    assert (tmp_path / "_images" / Path(image["src"]).name).exists()


def test_large_pictures_leave_the_page_and_small_ones_stay(tmp_path):
    large, small = (
        f'<img src="data:image/png;base64,{base64.b64encode(png(picture)).decode()}">'
        for picture in (photograph(400, 300), drawing(40, 30))
    )
    moved, kept = lighten(large + small, tmp_path, {})
    assert moved["src"].startswith("../_images/") and moved["src"].endswith(".webp")
    assert kept["src"].startswith("data:image/png")
    assert [(image["width"], image["height"]) for image in (moved, kept)] == [(400, 300), (40, 30)]


def test_what_is_no_picture_of_a_notebook_is_left_alone(tmp_path):
    html = '<img alt="" src="_static/logo.svg"/><img alt="" src="_static/cover.png"/>'
    assert "".join(map(str, lighten(html, tmp_path, {}))) == html


def test_what_is_light_already_is_not_made_again(originals, tmp_path, monkeypatch):
    first = lighten('<img src="_images/photo.png">', tmp_path, originals)
    monkeypatch.setattr(pictures, "as_webp", lambda *arguments: pytest.fail("made again"))
    assert lighten('<img src="_images/photo.png">', tmp_path, originals) == first


def test_pictures_that_no_page_shows_go(originals, tmp_path):
    site = tmp_path / "site"
    images = lighten('<img src="_images/lines.png"><img src="_images/photo.png">', site, originals, root="")
    for name in ("lines.png", "of an earlier build.webp"):
        (site / "_images" / name).write_bytes(b"")
    (site / "index.html").write_text("".join(map(str, images)))
    pictures.remove_unused(site)
    assert {f"_images/{path.name}" for path in (site / "_images").iterdir()} == {
        image["src"] for image in images
    }
