"""The site's own extension: launch links only where they lead somewhere, and markup that anyone can use."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book/_ext"))

import course  # noqa: E402


def links(page, url="", tag="v1.0"):
    options = {"repository_url": url, "repository_branch": tag}
    context = {"content_root": "../"}
    course.add_launch_links(
        SimpleNamespace(config=SimpleNamespace(html_theme_options=options)), page, "page.html", context, None
    )
    return {text: url for _, text, url in context["course_launch"]}


def test_without_a_repository_only_the_download_is_offered():
    assert links("notebooks/05_edges") == {"Download this chapter as a notebook": "../plain/05_edges.ipynb"}


def test_with_a_repository_colab_opens_the_plain_notebook_and_binder_the_tag():
    found = links("notebooks/05_edges", "https://github.com/someone/course.git")
    colab = "https://colab.research.google.com/github/someone/course/blob/gh-pages/plain/05_edges.ipynb"
    assert found["Open in Colab"] == colab
    assert found["Open in Binder"].startswith("https://mybinder.org/v2/gh/someone/course/v1.0?")
    assert found["Open in Binder"].endswith("notebooks/05_edges.ipynb")


def test_prose_pages_have_no_launch_links():
    assert links("book/notation", "https://github.com/someone/course") == {}


def test_dropdowns_become_disclosure_elements_without_links_in_their_handle():
    soup = BeautifulSoup(
        '<div class="dropdown admonition"><p class="admonition-title">Solution to <a href="#x">Exercise</a></p>'
        "<p>42</p></div>"
        '<div class="admonition"><p class="admonition-title">Note</p></div>',
        "html.parser",
    )
    course.disclose(soup)
    assert str(soup.details.summary) == '<summary class="admonition-title">Solution to Exercise</summary>'
    assert soup.details.p.text == "42"
    assert soup.div["class"] == ["admonition"]


def test_wide_tables_scroll_in_a_named_box_that_the_keyboard_reaches():
    soup = BeautifulSoup("<table><caption>Counts#</caption><tr><td>1</td></tr></table>", "html.parser")
    course.make_scrollable_reachable(soup)
    box = soup.find(class_="table-scroll")
    assert (box["tabindex"], box["aria-label"], box.table.td.text) == ("0", "Counts", "1")


def test_an_explorer_gets_no_second_tab_stop():
    soup = BeautifulSoup(
        '<div class="output text_html"><div class="course-explorer"></div></div>'
        '<div class="output text_html">wide</div>',
        "html.parser",
    )
    course.make_scrollable_reachable(soup)
    assert [block.has_attr("tabindex") for block in soup.select(".output")] == [False, True]


def test_only_the_icon_script_is_dropped():
    html = '<script defer src="_static/scripts/fontawesome.js?digest=1"></script><script src="bootstrap.js"></script>'
    assert course.without_icon_script(html) == '<script src="bootstrap.js"></script>'


def test_the_icon_font_holds_every_icon_and_little_else(tmp_path):
    course.cut_icon_font(tmp_path / "icons.woff")
    held = set(TTFont(tmp_path / "icons.woff").getBestCmap())
    assert held >= set(course.ICONS.values())
    assert (tmp_path / "icons.woff").stat().st_size < 10_000


@pytest.mark.parametrize("page, expected", [("notebooks/07_one_by_one", ("07", 1)), ("book/data", (1,))])
def test_figures_of_a_chapter_bear_its_number(page, expected):
    env = SimpleNamespace(toc_fignumbers={page: {"figure": {"fig-a": (4,)}}})
    course.number_by_chapter(None, env)
    assert env.toc_fignumbers[page]["figure"]["fig-a"] == expected
