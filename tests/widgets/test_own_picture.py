"""A picture of one's own in three explorers: in Python, and chosen, dropped or pasted in a page, made small alike."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
import traitlets
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, serious_findings, settle
from PIL import Image

from cnncourse import photographs
from cnncourse.widgets import AttentionExplorer, KernelExplorer, LeNetLive
from cnncourse.widgets.attention import sample_pictures
from cnncourse.widgets.kernel import decode_picture
from cnncourse.widgets.lenet import DIGITS, decode_digit, own_digit, sample_digits
from cnncourse.widgets.own import YOUR_PICTURE, gray_square, light_on_dark

PHOTOGRAPHS = {name: photographs.load(name, gray=False) for name in photographs.names()}
GIVEN = {
    KernelExplorer: lambda picture: KernelExplorer(photograph=picture),
    LeNetLive: lambda picture: LeNetLive(image=picture),
    AttentionExplorer: lambda picture: AttentionExplorer(picture=picture),
}
every_explorer = pytest.mark.parametrize("explorer", GIVEN)


def digit(label, side=700):
    """A digit of MNIST as somebody else would have it: large, dark on light."""
    return Image.fromarray(255 - decode_digit(sample_digits()[label])).resize((side, side))


def clothes(name, side=500):
    return Image.fromarray(255 - sample_pictures()[name]).resize((side, side)).convert("RGB")


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(image, orientation):
    """A JPEG file whose camera noted which side is up."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", quality=95, exif=exif)


# --- in Python ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_picture_is_made_small_and_gray_as_the_photographs_are(name):
    array = PHOTOGRAPHS[name]
    expected = photographs.load(name, size=128)
    opaque = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
    for picture in (array, Image.fromarray(array), array / 255, opaque):
        explorer = KernelExplorer(photograph=picture)
        assert explorer.photograph == YOUR_PICTURE
        difference = explorer.picture() - expected.astype(int)
        assert abs(difference[1:-1, 1:-1]).max() <= 2  # at the edge `photographs` look beyond the square
        assert abs(difference).max() <= 20


def test_the_middle_square_by_hand():
    """Columns 0 … 5 of two rows: the middle two are left, and each is a plain mean of its colors' weights."""
    picture = np.zeros((2, 6, 3), np.uint8)
    picture[:, 2] = (255, 0, 0)
    picture[:, 3] = (0, 255, 0)
    # 0.299 · 255, 0.587 · 255
    np.testing.assert_array_equal(gray_square("picture", picture, 2), [[76, 150]] * 2)


def test_other_kinds_of_pictures():
    upright = Image.fromarray(PHOTOGRAPHS["tower"])
    for orientation, turn in ((3, "ROTATE_180"), (6, "ROTATE_90"), (8, "ROTATE_270")):
        file = io.BytesIO(turned(upright.transpose(Image.Transpose[turn]), orientation))
        difference = gray_square("picture", Image.open(file), 64) - gray_square(
            "picture", upright, 64
        ).astype(int)
        assert abs(difference).mean() < 2, orientation
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    deep = Image.fromarray(gray.astype(np.uint16) * 256 + 7)
    np.testing.assert_array_equal(gray_square("picture", deep, 8), gray)
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    np.testing.assert_array_equal(
        gray_square("picture", clear, 8), np.repeat([0, 255], 4)[:, None] * np.ones((1, 8))
    )
    palette = Image.fromarray(PHOTOGRAPHS["cat"]).quantize(64)
    np.testing.assert_array_equal(gray_square("p", palette, 32), gray_square("p", palette.convert("RGB"), 32))


PICTURE = (
    r"must be a PIL image or an array \(H, W\), \(H, W, 3\) or \(H, W, 4\), uint8 or floats from 0 to 1, got "
)


@every_explorer
@pytest.mark.parametrize(
    "picture, words",
    [
        (np.zeros((40, 40), int), f"{PICTURE}int64"),
        (np.zeros((40, 40), bool), f"{PICTURE}bool"),
        (np.zeros((40, 40, 2)), rf"{PICTURE}shape \(40, 40, 2\)"),
        (np.zeros(40), rf"{PICTURE}shape \(40,\)"),
        (np.zeros((0, 40)), rf"{PICTURE}shape \(0, 40\)"),
        (np.full((40, 40), np.nan), f"{PICTURE}values that are not finite"),
        (np.full((40, 40), 1.5), f"{PICTURE}values from 1.5 to 1.5"),
        (np.linspace(-1, 1, 1600).reshape(40, 40), f"{PICTURE}values from -1 to 1"),
        (Image.new("F", (40, 40)), "must have 8 or 16 bits a value, got a PIL image of mode F"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_a_sentence(explorer, picture, words):
    with pytest.raises(traitlets.TraitError, match=words):
        GIVEN[explorer](picture)


def test_a_broken_file_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(encoded(digit(3))[:2000])
    with (
        Image.open(path) as file,
        pytest.raises(traitlets.TraitError, match="image cannot be read as an image"),
    ):
        LeNetLive(image=file)


def test_a_photograph_joins_the_others_and_can_be_set_later():
    explorer = KernelExplorer()
    explorer.photograph = PHOTOGRAPHS["cat"]
    assert list(explorer.photographs) == [*photographs.names(), YOUR_PICTURE]
    explorer.photograph = "camera"
    explorer.photograph = YOUR_PICTURE
    assert abs(explorer.picture() - photographs.load("cat", size=128).astype(int)).max() <= 20
    explorer = KernelExplorer(photograph=PHOTOGRAPHS["cat"], photographs={"x": PHOTOGRAPHS["tower"] / 255})
    assert list(explorer.photographs) == ["x", YOUR_PICTURE]
    assert explorer.point == KernelExplorer(photograph="cat").point
    assert "Input: your picture" in explorer.description()


def test_small_pictures_keep_their_size_and_gray_ones_stay_whole():
    assert KernelExplorer(photograph=np.zeros((30, 50, 3), np.uint8)).picture().shape == (30, 30)
    assert KernelExplorer(photograph=np.zeros((256, 9), np.uint8)).picture().shape == (256, 9)
    assert KernelExplorer(photograph=np.zeros((257, 300), np.uint8)).picture().shape == (128, 128)
    with pytest.raises(traitlets.TraitError, match=r"sides from 7 to 256 pixels, got shape \(6, 6\)"):
        KernelExplorer(photograph=np.zeros((6, 8, 3)))


def test_digits_are_recognized_however_large_and_dark():
    for label in range(10):
        for picture in (digit(label), digit(label, 90), 1 - np.asarray(digit(label)) / 255):
            explorer = LeNetLive(image=picture)
            assert explorer.probabilities().argmax() == label
            assert explorer.own == explorer.image


def test_a_photograph_of_a_digit_on_paper_is_recognized():
    """Gray paper with a gradient and noise, the digit small and at the side."""
    rng = np.random.default_rng(0)
    for label in range(10):
        paper = np.linspace(150, 190, 600)[:, None] + rng.normal(0, 4, (600, 600))
        paper[80:360, 270:550] -= 130 * (1 - np.asarray(digit(label, 280)) / 255)
        explorer = LeNetLive(image=paper.clip(0, 255).astype(np.uint8))
        assert explorer.probabilities().argmax() == label


def test_whole_numbers_of_a_drawing_stay_as_they_are():
    picture = 255 - decode_digit(sample_digits()[3])
    explorer = LeNetLive(image=picture)
    assert explorer.image == picture.tolist() and explorer.own is None


def test_clothes_are_inverted_if_their_border_is_light():
    bag = sample_pictures()["bag 1"]
    for picture in (clothes("bag 1"), 1 - np.asarray(clothes("bag 1")) / 255):
        explorer = AttentionExplorer(picture=picture)
        assert explorer.picture == YOUR_PICTURE
        assert abs(explorer.pixels() - bag.astype(int)).mean() < 8
        assert explorer.probabilities().argmax() == 8
        assert explorer.description().startswith("Your picture in 7 × 7 patches")
    explorer.picture = "bag 2"
    explorer.picture = YOUR_PICTURE
    explorer.own = None
    assert explorer.picture == AttentionExplorer().picture


@every_explorer
def test_a_picture_of_ones_own_is_drawn_on_paper(explorer):
    given = GIVEN[explorer](digit(4))
    assert given.still() != explorer().still()
    json.dumps(given.state())


# --- in a page ------------------------------------------------------------------------------------------------------

NAMES = {"kernel": KernelExplorer, "lenet": LeNetLive, "attention": AttentionExplorer}
every_page = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def address(publish):
    pages = {name: explorer().page_html() for name, explorer in NAMES.items()}
    kernel = KernelExplorer(kernel="identity", padding=0, point=[40, 70])
    return publish(
        one=kernel.page_html(), given=KernelExplorer(photograph=PHOTOGRAPHS["cat"]).page_html(), **pages
    )


SAID = "document.querySelector('.x-own .x-note > :first-child').textContent"
FAULT = "document.querySelector('.x-own-fault').textContent"
CHOSEN = {"kernel": digit(2), "lenet": digit(2), "attention": clothes("bag 1")}
SENTENCE = {
    "kernel": "made 128 × 128, gray.",
    "lenet": "gray, inverted to light on dark, contrast stretched, the digit made small and centered as MNIST’s are.",
    "attention": "made 28 × 28, gray, inverted, as its border is light.",
}


def payload(data, name="mine.png", kind="image/png"):
    return {"name": name, "mimeType": kind, "buffer": data}


def choose(page, *files):
    """Choose files and wait until something is said about the first."""
    page.get_by_label("Your picture …").set_input_files(list(files))
    answered(page)


def answered(page):
    page.wait_for_function(f"/stays in|kernel gets/.test({SAID}) || {FAULT}")
    settle(page)


def state(page):
    return json.loads(page.locator(".explorer").get_attribute("data-state"))


def shown(page, name):
    """What changes with the picture."""
    return state(page)[{"kernel": "window"}.get(name, "probabilities")]


TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name, { type }));
  }
  return transfer;
}"""


def transfer(page, *files):
    packed = [[file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()] for file in files]
    return page.evaluate_handle(TRANSFER, packed)


PASTE = """(transfer) => document.activeElement.dispatchEvent(
  new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }))"""


@every_page
def test_a_picture_is_chosen_dropped_pasted_taken_again_and_reset(visit, name):
    page = visit(name)
    first = shown(page, name)
    file = payload(encoded(CHOSEN[name]))
    side = CHOSEN[name].width
    words = f"mine.png, {side} × {side} pixels: {SENTENCE[name]} It stays in this browser."

    choose(page, file)
    own = shown(page, name)
    expected = GIVEN[NAMES[name]](CHOSEN[name])
    if name == "kernel":
        i, j = state(page)["point"]
        window = np.pad(expected.picture(), 1)[i : i + 3, j : j + 3].astype(int)
        assert abs(window - own).max() <= 2
    else:
        np.testing.assert_allclose(own, expected.probabilities(), rtol=0, atol=0.02)
    assert page.evaluate(SAID) == words
    page.wait_for_function(
        "(words) => document.querySelector('.x-spoken').textContent.startsWith(words)", arg=words
    )

    # another one, and the own one again
    if name == "kernel":
        page.get_by_label("Picture", exact=True).select_option("cat")
        assert shown(page, name) != own
        page.get_by_label("Picture", exact=True).select_option(YOUR_PICTURE)
    else:
        page.locator(".x-thumbs .x-thumb").nth(1).click()
        assert shown(page, name) != own
        page.get_by_role("button", name="Take your picture").click()
    assert shown(page, name) == own

    page.get_by_role("button", name="Reset").click()
    assert shown(page, name) == first and page.evaluate(SAID) == ""
    assert page.get_by_role("button", name="Take your picture").count() == 0
    assert page.locator("option", has_text=YOUR_PICTURE).count() == 0

    stage = page.locator(".x-stage").first
    data = transfer(page, file, payload(b"", "second.png"))
    for event in ("dragover", "drop"):
        stage.dispatch_event(event, {"dataTransfer": data})
        assert page.locator(".explorer.is-dropping").count() == (event == "dragover")
    answered(page)
    assert shown(page, name) == own and page.evaluate(SAID) == f"The first of 2 files: {words}"

    page.get_by_role("button", name="Reset").click()
    page.keyboard.press("Shift+Tab")
    page.evaluate(PASTE, transfer(page, file))
    answered(page)
    assert shown(page, name) == own and page.evaluate(SAID) == words.replace("mine.png", "The pasted picture")


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def large_png(side):
    """A black PNG of so many pixels, a few thousand bytes."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


SVG = '<svg xmlns="http://www.w3.org/2000/svg" {}><rect width="20" height="40" fill="red"/></svg>'
BROKEN = "is broken, or no picture that this browser can read"
BAD = [
    (payload(b"words", "notes.txt", "text/plain"), "notes.txt is not a picture"),
    (payload(b"", "nothing.png"), "nothing.png is empty"),
    (payload(b"words", "words.png"), f"words.png {BROKEN}"),
    (payload(b"words", "unknown", ""), "unknown is not a picture"),
    (payload(encoded(digit(2))[:40], "cut.png"), f"cut.png {BROKEN}"),
    (payload(b"<svg", "cut.svg", "image/svg+xml"), f"cut.svg {BROKEN}"),
    (
        payload(SVG.format('viewBox="0 0 9 9"').encode(), "free.svg", "image/svg+xml"),
        "free.svg says no size: an SVG needs a width and a height",
    ),
    (payload(large_png(7100), "large.png"), "large.png has 7100 × 7100 pixels; up to 50 million can be read here"),
]  # fmt: skip
SMALL = payload(encoded(digit(2, 6)), "small.png")
PLAIN = payload(encoded(Image.new("L", (40, 40), 9)), "plain.png")


@every_page
def test_bad_files_are_said_in_a_sentence_and_nothing_is_lost(visit, name):
    page = visit(name)
    choose(page, payload(encoded(CHOSEN[name])))
    before, said = shown(page, name), page.evaluate(SAID)
    bad = {
        "kernel": [*BAD, (SMALL, "small.png has 6 × 6 pixels; at least 7 × 7 are needed")],
        "lenet": [(PLAIN, "plain.png is of one gray everywhere, 9")],
        "attention": [(PLAIN, "plain.png is of one gray everywhere, 9")],
    }[name]
    for file, words in bad:
        page.get_by_label("Your picture …").set_input_files([file])
        page.wait_for_function(f"(words) => {FAULT} === words", arg=f"{words}. The picture stays as it is.")
        assert shown(page, name) == before and page.evaluate(SAID) == said
    page.locator(".x-own input").focus()
    page.evaluate("document.activeElement.blur()")
    page.locator(".x-reset").focus()
    page.evaluate(PASTE, transfer(page))
    assert page.evaluate(FAULT) == "The clipboard holds no picture."
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(FAULT) == ""


def test_drawings_in_svg_with_a_size_are_read(visit):
    page = visit("one")
    choose(page, payload(SVG.format('width="40" height="40"').encode(), "half.svg", "image/svg+xml"))
    assert (
        page.evaluate(SAID)
        == "half.svg, 40 × 40 pixels: gray, transparent parts white. It stays in this browser."
    )
    assert state(page)["input_shape"] == [40, 40] and state(page)["window"] == [[255] * 3] * 3


def test_a_picture_from_python_comes_back_on_reset(visit):
    page = visit("given")
    first = shown(page, "kernel")
    choose(page, payload(encoded(digit(5))))
    assert shown(page, "kernel") != first
    page.get_by_role("button", name="Reset").click()
    assert state(page)["photograph"] == YOUR_PICTURE and shown(page, "kernel") == first


def test_the_last_of_two_files_counts_and_a_reset_stops_reading(visit):
    page = visit("one")
    picker = page.get_by_label("Your picture …")
    picker.set_input_files([payload(large_png(6000), "slow.png")])
    picker.set_input_files([payload(encoded(digit(5)), "quick.png")])
    page.wait_for_function(f"{SAID}.startsWith('quick.png')")
    page.wait_for_timeout(1500)
    assert page.evaluate(SAID).startswith("quick.png")
    picker.set_input_files([payload(large_png(6000), "slow.png")])
    page.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(1500)
    assert page.evaluate(SAID) == "" and state(page)["photograph"] == "camera"


@every_page
def test_phones_and_axe(visit, name):
    page = visit(name, viewport=PHONE, touch=True)
    choose(page, payload(encoded(CHOSEN[name]), f"{'a long name ' * 6}.png"))
    for viewport in (PHONE, COLUMN):
        page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
            settle(page)
            assert serious_findings(page) == [], (viewport, theme)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= viewport["width"]
    sizes = page.locator(".x-own :is(input, button):visible").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect()).map(({ width, height }) => Math.min(width, height))"
    )
    assert min(sizes) >= 40


# --- the same numbers on both sides ---------------------------------------------------------------------------------

READ = """async ([kind, text, part, side]) => {
  const common = await import("./explorers/common.js");
  const file = new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], "file", { type: kind });
  const { gray } = common.graySquare(await common.decodePicture(file), side);
  if (part === "lenet") return [...(await import("./explorers/lenet.js")).ownDigit(gray).pixels];
  return [...(part === "attention" ? common.lightOnDark(gray).gray : gray)];
}"""


def read(page, data, side, part="common", kind="image/png"):
    pixels = page.evaluate(READ, [kind, base64.b64encode(data).decode(), part, side])
    return np.reshape(pixels, [round(len(pixels) ** 0.5)] * 2)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_page_makes_of_a_photograph_what_python_does(modules, name):
    image = Image.fromarray(PHOTOGRAPHS[name])
    for side in (128, 28):
        difference = read(modules, encoded(image), side) - gray_square("picture", image, side).astype(int)
        assert abs(difference).max() <= 2
    dark = light_on_dark("picture", gray_square("picture", image, 28))
    assert abs(read(modules, encoded(image), 28, "attention") - dark.astype(int)).max() <= 2


def test_the_page_makes_of_a_digit_what_python_does(modules):
    for label in range(10):
        made = read(modules, encoded(digit(label)), 112, "lenet")
        assert abs(made - own_digit("image", digit(label)).astype(int)).max() <= 4, DIGITS[label]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_s_note_which_side_is_up_is_heeded(modules, orientation):
    data = turned(Image.fromarray(PHOTOGRAPHS["tower"]), orientation)
    made = read(modules, data, 64, kind="image/jpeg")
    expected = gray_square("picture", Image.open(io.BytesIO(data)), 64).astype(int)
    assert abs(made - expected).mean() < 1
    upright = gray_square("picture", PHOTOGRAPHS["tower"], 64).astype(int)
    assert orientation == 1 or abs(made - upright).mean() > 10


# --- in a notebook --------------------------------------------------------------------------------------------------


def test_a_notebook_is_told_that_its_kernel_gets_the_picture(visit):
    page = visit("kernel")
    data = base64.b64encode(encoded(digit(5))).decode()
    said, sent = page.evaluate(
        f"""async (text) => {{ {FAKE_MODEL.replace("send() {},", "send() {}, widget_manager: {},") % "kernel"}
          const transfer = ({TRANSFER})([["five.png", "image/png", text]]);
          el.querySelector(".explorer").dispatchEvent(
            new ClipboardEvent("paste", {{ clipboardData: transfer, bubbles: true }}));
          const said = el.querySelector(".x-own .x-note > :first-child");
          while (!said.textContent.includes("kernel")) await new Promise((done) => setTimeout(done, 20));
          return [said.textContent, {{ photographs: state.photographs, photograph: state.photograph }}];
        }}""",
        data,
    )
    assert said.endswith("gray. Only this notebook’s kernel gets it.")

    explorer = KernelExplorer()
    explorer.set_state(sent)
    assert explorer.photograph == YOUR_PICTURE
    difference = decode_picture(explorer.photographs[YOUR_PICTURE]) - gray_square("p", digit(5), 128).astype(
        int
    )
    assert abs(difference).max() <= 2
    attention = AttentionExplorer()
    attention.set_state({"picture": YOUR_PICTURE, "own": sample_pictures()["bag 1"].tolist()})
    np.testing.assert_array_equal(attention.pixels(), sample_pictures()["bag 1"])
