"""The built book, as a reader meets it: every page there, every link whole, nothing loaded from elsewhere."""

import gzip
import json
import re
import urllib.parse
from pathlib import Path

import pytest
import yaml
from accessibility import serious
from bs4 import BeautifulSoup

from cnncourse.widgets import EXPLORERS
from cnncourse.widgets.explorer import page_data

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build/html"
DATA = {name for explorer in EXPLORERS for name in page_data(explorer.module)}
PICTURES = (".webp", ".png", ".jpg", ".jpeg", ".svg", ".gif")

if not (SITE / "index.html").exists():
    pytest.skip("the book has not been built: run `make book`", allow_module_level=True)


def files_of(node):
    """The pages that _toc.yml names, at any depth."""
    if isinstance(node, dict):
        yield from (node[key] for key in ("root", "file") if key in node)
        node = list(node.values())
    if isinstance(node, list):
        for entry in node:
            yield from files_of(entry)


PAGES = list(files_of(yaml.safe_load((ROOT / "_toc.yml").read_text())))
soups, ids = {}, {}

every_page = pytest.mark.parametrize("page", PAGES)


def soup_of(path):
    if path not in soups:
        soups[path] = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    return soups[path]


def ids_of(path):
    if path not in ids:
        ids[path] = set(re.findall(r'\sid="([^"]+)"', path.read_text(encoding="utf-8")))
    return ids[path]


# --- the files --------------------------------------------------------------------------------------------------


@every_page
def test_page_is_there_and_names_itself(page):
    soup = soup_of(SITE / f"{page}.html")
    assert soup.find("h1") is not None
    assert "Convolutional Networks" in soup.title.text
    assert soup.html["lang"] == "en"


@every_page
def test_no_internal_link_is_broken(page):
    source = SITE / f"{page}.html"
    broken = []
    for tag, attribute in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href")):
        for element in soup_of(source).find_all(tag, attrs={attribute: True}):
            parts = urllib.parse.urlsplit(element[attribute])
            if parts.scheme or parts.netloc or element.get("rel") == ["canonical"]:
                continue
            target = (source.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else source
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                broken.append(element[attribute])
            elif parts.fragment and target.suffix == ".html":
                found = urllib.parse.unquote(parts.fragment) in ids_of(target)
                broken += [] if found else [element[attribute]]
    assert broken == []


@every_page
def test_pictures_have_a_size_and_are_light(page):
    """Nothing moves when they arrive, only the first is loaded before it is in sight, none is too large."""
    from PIL import Image

    source = SITE / f"{page}.html"
    for place, image in enumerate(soup_of(source).find("article").find_all("img")):
        assert int(image["width"]) > 0 and int(image["height"]) > 0, image["src"][:100]
        assert image["decoding"] == "async"
        assert image["loading"] == "lazy" or (place == 0 and image["loading"] == "eager")
        if image["src"].startswith("data:"):
            assert len(image["src"]) < 12_000, image["alt"]
        elif image["src"].endswith(".svg"):  # an explorer's still picture: drawn in lines, at any size
            drawing = (source.parent / image["src"]).read_bytes()
            assert image["loading"] == "lazy" and len(gzip.compress(drawing)) < 100_000, image["alt"]
            drawn = BeautifulSoup(drawing, "html.parser").svg
            stated, true = (int(it["width"]) / int(it["height"]) for it in (image, drawn))
            assert stated == pytest.approx(true, rel=0.01)
        else:
            with Image.open(source.parent / image["src"]) as picture:
                assert picture.format == "WEBP"
                assert picture.width <= 2 * int(image["width"])
                stated, true = int(image["width"]) / int(image["height"]), picture.width / picture.height
                assert stated == pytest.approx(true, rel=0.01)


@every_page
def test_no_traceback_and_no_leftover_markup(page):
    article = BeautifulSoup(str(soup_of(SITE / f"{page}.html").find("article")), "html.parser")
    for code in article.select("code, pre, dl.py"):  # docstrings and examples may name the markup
        code.extract()
    text = article.get_text()
    assert "Traceback (most recent call last)" not in text
    assert not re.search(r"\{(ref|numref|cite|glue|term|doc)[:}]", text)
    assert "???" not in text


@every_page
def test_every_picture_has_alternative_text(page):
    for image in soup_of(SITE / f"{page}.html").find("article").find_all("img"):
        assert len(image.get("alt", "").strip()) >= 10, image.get("src", "")[:100]
        assert not re.fullmatch(r"[\w/.-]+\.(png|jpg|svg)", image["alt"]), (
            "a file name is no alternative text"
        )


@every_page
def test_nothing_is_named_that_lies_elsewhere(page):
    """Scripts, styles, pictures and fonts come from the site itself; links a reader may follow are free."""
    for element in soup_of(SITE / f"{page}.html").find_all(["script", "link", "img", "iframe", "source"]):
        for attribute in ("src", "href"):
            assert not re.match(r"(https?:)?//", element.get(attribute, "")), element


# --- the pages in a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(serve):
    """The site under a subpath, as on a project's pages: /course/…"""
    return serve(SITE, prefix="course")


class Visit:
    """A page opened in the browser, with everything it asked for and complained about."""

    def __init__(self, context, url):
        self.requests, self.complaints, self.errors, self.responses = [], [], [], []
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda response: self.responses.append(response))
        self.page.on("pageerror", lambda error: self.note("error", str(error)))
        self.page.on("console", self.listen)
        self.page.goto(url, wait_until="load")
        self.page.wait_for_function(READY)

    def listen(self, message):
        self.note(message.type, message.text)

    def note(self, kind, text):
        if kind in ("error", "warning"):
            self.complaints.append(text)
        if kind == "error":
            self.errors.append(text)

    def settle(self):
        """Wait until what was asked for has been laid out and has come to rest."""
        self.page.evaluate(REST)


# Scripts have run: every explorer stands there, or says why it does not.
READY = """() => document.readyState === "complete" && [...document.querySelectorAll(".course-explorer")]
  .every((place) => place.matches(".is-mounted, :has(.course-explorer-fault)"))"""

REST = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
  const ends = (animation) => animation.effect?.getComputedTiming().endTime < Infinity;
  await Promise.allSettled(document.getAnimations().filter(ends).map((animation) => animation.finished));
}"""

# Words and numbers in tables that stand on two lines, or reach out of their cells.
BROKEN_WORDS = r"""() => {
  const broken = [];
  for (const cell of document.querySelectorAll("article :is(td, th)")) {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { data, parentElement } = walker.currentNode;
      if (parentElement.closest(".typeset, pre, script, style")) continue;
      for (const word of data.matchAll(/[\p{L}\p{N}]+(?:[.,][\p{N}]+)*/gu)) {
        const range = document.createRange();
        range.setStart(walker.currentNode, word.index);
        range.setEnd(walker.currentNode, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].filter((box) => box.width).map((box) => Math.round(box.top)));
        if (lines.size > 1 && !/\p{Script=Han}/u.test(word[0])) broken.push(`${word[0]}: ${data.trim().slice(0, 60)}`);
      }
    }
  }
  return broken;
}"""


@pytest.fixture
def visit(browser, address):
    """visit(page, scheme=…, width=…) → Visit."""
    contexts = []

    def open_page(page, scheme="light", width=1280):
        size = {"width": width, "height": 900}
        context = browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
        contexts.append(context)
        return Visit(context, f"{address}{page}.html")

    yield open_page
    for context in contexts:
        context.close()


def weight(seen, page):
    """(bytes without pictures, bytes of the course's own scripts and styles, bytes of the pictures), compressed.

    What explorers have as data is in files of its own and does not count here.
    """
    total = own = 0
    for response in seen.responses:
        path = urllib.parse.urlsplit(response.url).path
        if path.endswith(PICTURES) or response.url.startswith("data:") or Path(path).name in DATA:
            continue
        body = response.body()
        size = len(body) if path.endswith((".woff", ".woff2")) else len(gzip.compress(body, 6))
        total += size
        if re.search(r"explorer.*\.(js|css)$|course\.css$", path):
            own += size
    source = SITE / f"{page}.html"
    pictures = {image["src"] for image in soup_of(source).find_all("img") if "data:" not in image["src"]}
    return total, own, sum((source.parent / picture).stat().st_size for picture in pictures)


@every_page
def test_page_in_the_browser(visit, address, page):
    """One visit, by everything that holds for every page; the test ends with the list of what does not."""
    faults = {}
    seen = visit(page)
    tab = seen.page

    # Light: at most 400 KB without its pictures and 1 MB with them; of our own scripts and styles 60 KB with one or two
    # explorers and 25 KB more with each further one.
    total, own, pictures = weight(seen, page)
    explorers = len(set(re.findall(r'data-module="(\w+)"', (SITE / f"{page}.html").read_text())))
    faults["heavy"] = [
        f"{what}: {size:,} bytes, at most {most:,}"
        for what, size, most in [
            ("without pictures", total, 400_000),
            ("own scripts and styles", own, 60_000 + 25_000 * max(0, explorers - 2)),
            ("with pictures", total + pictures, 1_000_000),
        ]
        if size > most
    ]

    # Whole at every width: words in tables, and nothing that pushes the page sideways.
    for width in (1280, 820, 390):
        tab.set_viewport_size({"width": width, "height": 900})
        seen.settle()
        widest = tab.evaluate("document.scrollingElement.scrollWidth")
        faults[f"scrolls sideways at {width}"] = [f"{widest} pixels wide"] if widest > width else []
        faults[f"broken words in tables at {width}"] = tab.evaluate(BROKEN_WORDS)

    # For everyone: all that axe asks, in the light; what depends on colors again in the dark.
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true })")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        seen.settle()
        faults[f"accessibility, {scheme}"] = serious(tab, contrast_only=scheme == "dark")

    # On its own, and in silence, all the while.
    origin = urllib.parse.urlsplit(address).netloc
    faults["asks elsewhere"] = [
        url for url in seen.requests if urllib.parse.urlsplit(url).netloc not in ("", origin)
    ]
    faults["missing"] = [response.url for response in seen.responses if response.status >= 400]
    faults["complains"] = seen.complaints
    assert {what: found for what, found in faults.items() if found} == {}


def test_search_finds_a_word(visit):
    seen = visit("search")
    seen.page.goto(seen.page.url + "?q=kernel")
    seen.page.wait_for_selector("#search-results li a", timeout=10_000)
    assert seen.page.locator("#search-results li a").count() >= 2
    assert seen.errors == []  # Sphinx's search warns, harmlessly, about anchors with a dot in them


def test_color_scheme_button_switches_and_is_remembered(visit):
    seen = visit(PAGES[0])
    themes = set()
    for _ in range(3):
        seen.page.locator(".article-header-buttons .theme-switch-button").click()
        themes.add(seen.page.locator("html").get_attribute("data-theme"))
    assert themes == {"light", "dark"}


def test_the_palette_of_the_pages_is_the_palette_of_the_figures():
    from cnncourse.figures import PALETTE

    css = (ROOT / "book/_static/course.css").read_text()
    assert dict(re.findall(r"--course-(\w+): (#[0-9a-f]{6});", css)).items() >= PALETTE.items()


# --- the explorer in the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, 390])
def test_kernel_explorer_answers_in_the_page(visit, width):
    """Mounted with no kernel; choosing a kernel changes the numbers, and they are scratch's."""
    import numpy as np

    from cnncourse import scratch

    seen = visit("book/intro", width=width)
    explorer = seen.page.locator("[data-explorer=kernel]").first
    explorer.wait_for()
    before = json.loads(explorer.get_attribute("data-state"))
    select = explorer.get_by_label("Kernel", exact=False).locator("visible=true").first
    select.select_option("sharpen")
    after = json.loads(explorer.get_attribute("data-state"))
    assert after["kernel"] != before["kernel"]
    np.testing.assert_allclose(after["kernel"], scratch.KERNELS["sharpen"])
    assert after["value"] == pytest.approx(
        float((np.array(after["window"]) * np.array(after["kernel"])).sum()), abs=1e-9
    )
    assert seen.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_shape_explorer_answers_in_the_page(visit, width):
    """Mounted with no kernel; a slider moved by keyboard changes the size by the formula."""
    from cnncourse import scratch

    seen = visit("notebooks/06_shapes", width=width)
    explorer = seen.page.locator("[data-explorer=shape]").first
    explorer.wait_for()
    explorer.get_by_label("Stride s", exact=False).first.focus()
    seen.page.keyboard.press("ArrowRight")
    state = json.loads(explorer.get_attribute("data-state"))
    settings = [state[name] for name in ("input", "kernel", "stride", "padding", "dilation")]
    assert state["stride"] == 2
    assert state["output"] == scratch.conv_output_size(*settings)
    assert seen.complaints == []
