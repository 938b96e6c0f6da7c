"""Docstrings on the API page: equations keep their lines, prose is prose, and no module is missing."""

import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
from docutils.core import publish_doctree
from docutils.parsers.rst import directives
from docutils.parsers.rst.directives.body import CodeBlock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import docstrings  # noqa: E402

PACKAGE = ROOT / "cnncourse"


def parsed(text):
    """A docstring as docutils reads it; anything docutils complains about is an error."""
    directives.register_directive("code-block", CodeBlock)
    lines = docstrings.as_restructured_text(text.splitlines())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # docutils' own pending deprecations
        return publish_doctree("\n".join(lines), settings_overrides={"halt_level": 2, "report_level": 2})


def kinds(text):
    return [child.tagname for child in parsed(text).children]


@pytest.mark.parametrize(
    "paragraph",
    [
        "y[i, j] = Σ_{u,v} w[u, v] · x[i·s + u, j·s + v]",
        "(N, C, H, W) → (N, C)",
        "name    what it is\nother   what that is",
        "axes:\n    one a picture",
        "- one\n- two",
        ">>> 1 + 1\n2",
    ],
)
def test_equations_columns_and_lists_keep_their_lines(paragraph):
    (block,) = parsed(paragraph).children
    assert block.tagname == "literal_block"
    assert block.astext() == paragraph


def test_prose_is_one_paragraph_and_not_markup():
    text = "Pads |x| by *args and **kwargs, a_b_, x*y*z\nand a backslash \\n; see `pad`, `pad`s and *both*."
    (paragraph,) = parsed(text).children
    assert paragraph.tagname == "paragraph"
    assert paragraph.astext() == text.replace("\n", " ").replace("`", "").replace("*both*", "both")
    assert [node.astext() for node in paragraph.findall() if node.tagname == "literal"] == ["pad", "pad"]
    assert [node.astext() for node in paragraph.findall() if node.tagname == "emphasis"] == ["both"]


def test_a_sentence_about_an_equation_is_prose():
    assert kinds("H' = ⌊H/s⌋. What hangs over the border in the last step is left out.") == ["paragraph"]


def test_a_sign_inside_code_does_not_make_prose_verbatim():
    assert kinds("With `padding=1` the size stays.") == ["paragraph"]
    assert kinds("`padding` rows are added.") == ["paragraph"]


def test_paragraphs_keep_their_order():
    assert kinds("Says what.\n\ny = 2x\n\nSays more.") == ["paragraph", "literal_block", "paragraph"]


def test_data_does_not_show_the_docstring_of_its_type():
    lines = dict.__doc__.splitlines()
    docstrings.process(None, "data", "KERNELS", {}, None, lines)
    assert lines == []
    lines = ["Name of a kernel and the kernel."]
    docstrings.process(None, "data", "KERNELS", {}, None, lines)
    assert lines == ["Name of a kernel and the kernel.", ""]


def test_rows_of_tables_and_their_fields_are_left_out():
    class Row(NamedTuple):
        channels: int

    class Told(NamedTuple):
        """What was found."""

        channels: int

    assert docstrings.is_generated(Row) and docstrings.is_generated(Row.channels)
    assert not docstrings.is_generated(Told) and docstrings.is_generated(Told.channels)
    assert not docstrings.is_generated(docstrings.prose) and not docstrings.is_generated(3)


def test_every_module_is_on_the_page():
    files = [*PACKAGE.glob("*.py"), *PACKAGE.glob("scratch/*.py")]
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if path.stem[0] != "_"
    }
    page = (ROOT / "book/api.md").read_text(encoding="utf-8")
    assert modules <= set(re.findall(r"^\.\. automodule:: (\S+)$", page, re.MULTILINE))


def test_every_explorer_is_on_the_page():
    from cnncourse.widgets import EXPLORERS

    page = (ROOT / "book/api.md").read_text(encoding="utf-8")
    assert {f"cnncourse.widgets.{explorer.__name__}" for explorer in EXPLORERS} <= set(
        re.findall(r"^\.\. autoclass:: (\S+)$", page, re.MULTILINE)
    )
