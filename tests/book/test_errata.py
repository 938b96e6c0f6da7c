"""The errata: complete, well formed, and every place they point to exists."""

import copy
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import errata  # noqa: E402

TEST_FILE = """
def test_it(): ...

class TestAll:
    def test_too(self): ...

def helper(): ...
"""
ENTRY = {
    "id": "C003",
    "source": "A",
    "chapter": "05_edges",
    "verdict": "imprecise",
    "claim": "A name.",
    "correct": "Another name.",
    "shown": ["notebooks/05_edges.ipynb#src-c003", "tests/test_a.py::test_it"],
}


@pytest.fixture
def repository(tmp_path):
    """A repository of one chapter, with one label of each kind, and one file of tests."""
    markdown = "# Edges\n\n(src-c003)=\n```{admonition} What a source said\n```\n\n```{exercise}\n:label: ex-05-1\n```"
    figure = {"mystnb": {"figure": {"name": "fig-05-dot"}}}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": markdown.splitlines(keepends=True)},
        {"cell_type": "code", "metadata": figure, "source": ["draw()"], "outputs": []},
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "05_edges.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "book").mkdir()
    (tmp_path / "book/timeline.md").write_text("# Years\n\n(src-c103)=\nBox.", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(TEST_FILE, encoding="utf-8")
    return tmp_path


def changed(**fields):
    return copy.deepcopy(ENTRY) | fields


# --- the file itself --------------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_the_errata():
    assert errata.problems(errata.read()) == []


def test_the_errata_follow_the_order_of_the_chapters():
    places = [(entry["chapter"], entry["id"]) for entry in errata.read()]
    assert places == sorted(places)


# --- the checks see what they should ----------------------------------------------------------------------------


def test_a_good_entry_has_no_problem(repository):
    assert errata.problems([ENTRY], repository) == []


def test_an_entry_may_belong_to_a_page(repository):
    entry = changed(id="C103", chapter="timeline", shown=["book/timeline.md#src-c103"])
    assert errata.problems([entry], repository) == []
    assert errata.chapter_title("timeline", repository) == "Years"


def test_labels_of_a_notebook_are_explicit_labels_exercises_and_figures(repository):
    assert errata.labels(repository / "notebooks/05_edges.ipynb") == {"src-c003", "ex-05-1", "fig-05-dot"}


def test_names_of_tests_are_those_of_pytest(repository):
    assert errata.test_names(repository / "tests/test_a.py") == {"test_it", "TestAll::test_too"}


def test_the_title_of_a_chapter_is_its_first_heading(repository):
    assert errata.chapter_title("05_edges", repository) == "Edges"


@pytest.mark.parametrize(
    "entry, words",
    [
        (changed(id="C3"), "id must look like C003"),
        (changed(source="F"), "source must be one of A, B, C, D, E, got 'F'"),
        (changed(verdict="false"), "verdict must be one of wrong, imprecise, bug, got 'false'"),
        (changed(chapter="99_none"), "chapter must name a notebook or a page, got '99_none'"),
        (changed(claim=" "), "claim must be a sentence"),
        (changed(correct=5), "correct must be a sentence, got 5"),
        (changed(shown=[]), "shown must list at least one place"),
        (changed(shown="tests/test_a.py::test_it"), "shown must list at least one place"),
        (changed(shown=["notebooks/05_edges.ipynb#src-c999"]), "notebooks/05_edges.ipynb has no 'src-c999'"),
        (changed(shown=["notebooks/06_none.ipynb#src-c003"]), "notebooks/06_none.ipynb does not exist"),
        (changed(chapter="none"), "chapter must name a notebook or a page, got 'none'"),
        (changed(shown=["book/none.md#src-c003"]), "book/none.md does not exist"),
        (changed(shown=["book/timeline.md#src-c999"]), "book/timeline.md has no 'src-c999'"),
        (changed(shown=["tests/test_a.py::helper"]), "tests/test_a.py has no 'helper'"),
        (changed(shown=["tests/test_b.py::test_it"]), "tests/test_b.py does not exist"),
        (
            changed(shown=["chapter 5"]),
            "'chapter 5' is neither notebooks/NAME.ipynb#label, book/NAME.md#label",
        ),
        ({key: ENTRY[key] for key in ENTRY if key != "shown"}, "the keys must be id, source"),
        ("C003", "the keys must be id, source"),
    ],
)
def test_a_bad_entry_is_named_in_one_sentence(repository, entry, words):
    (problem,) = errata.problems([entry], repository)
    assert words in problem
    assert problem.startswith(("C003:", "C3:", "entry 1:"))


def test_a_claim_listed_twice_is_a_problem(repository):
    assert errata.problems([ENTRY, ENTRY], repository) == ["C003: listed twice"]
