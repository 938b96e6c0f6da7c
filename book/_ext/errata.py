"""The errata of the sources: `errata.yml` checked against the repository, and the directive that draws its tables.

Each entry is one claim of a source that does not hold, and `shown` lists where the repository shows what does:

    notebooks/05_edges.ipynb#src-c003             a label, an exercise or a figure of a chapter
    book/timeline.md#src-c103                     a label of a page
    tests/scratch/test_kernels.py::test_name      a test

A target that does not exist is a warning, so it stops the build; `tests/book/test_errata.py` says the same sooner.
"""

import ast
import json
import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "book" / "errata.yml"

SOURCES = tuple("ABCDE")
VERDICTS = ("wrong", "imprecise", "bug")
KEYS = ("id", "source", "chapter", "verdict", "claim", "correct", "shown")


# --- the data file, checked without Sphinx ----------------------------------------------------------------------


def read(path=DATA):
    """The entries of an errata file, as a list of dicts."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8")) or []


def is_numbered(chapter):
    """Whether the name is that of a notebook, 05_edges, and not of a page, timeline."""
    return str(chapter)[:1].isdigit()


def chapter_path(chapter, root=ROOT):
    """The notebook of a chapter, or the page of that name."""
    name = f"notebooks/{chapter}.ipynb" if is_numbered(chapter) else f"book/{chapter}.md"
    return Path(root) / name


def cells(path):
    """The cells of a notebook; a page counts as one of Markdown."""
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).suffix == ".ipynb":
        return json.loads(text)["cells"]
    return [{"cell_type": "markdown", "metadata": {}, "source": [text]}]


def chapter_title(chapter, root=ROOT):
    """The text of a chapter's first heading."""
    for cell in cells(chapter_path(chapter, root)):
        heading = re.search(r"^# (.+)$", "".join(cell["source"]), re.MULTILINE)
        if cell["cell_type"] == "markdown" and heading:
            return heading[1].strip()
    return chapter


def labels(path):
    """What a link into a chapter can name: `(label)=` lines, labels of directives and the names of figures."""
    found = set()
    for cell in cells(path):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            found.update(re.findall(r"^\(([\w-]+)\)=\s*$", text, re.MULTILINE))
            found.update(re.findall(r"^:(?:label|name):\s*([\w-]+)\s*$", text, re.MULTILINE))
        figure = cell["metadata"].get("mystnb", {}).get("figure", {})
        if "name" in figure:
            found.add(figure["name"])
    return found


def test_names(path):
    """The tests of a file, as pytest names them: `test_name` or `TestClass::test_name`."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found.update(
                f"{node.name}::{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)
            )
    return {name for name in found if name.split("::")[-1].startswith("test_")}


def target_problem(target, root=ROOT):
    """One sentence that says why a `shown` target cannot be followed, or None."""
    if match := re.fullmatch(r"(notebooks/\w+\.ipynb|book/\w+\.md)#([\w-]+)", target):
        path, name, available = Path(root) / match[1], match[2], labels
    elif match := re.fullmatch(r"(tests/[\w/]+\.py)::(\w+(?:::\w+)?)", target):
        path, name, available = Path(root) / match[1], match[2], test_names
    else:
        return f"{target!r} is neither notebooks/NAME.ipynb#label, book/NAME.md#label nor tests/FILE.py::test_name"
    if not path.is_file():
        return f"{match[1]} does not exist"
    if name not in available(path):
        return f"{match[1]} has no {name!r}"
    return None


def entry_problems(entry, root=ROOT):
    """What is wrong with one entry, in sentences."""
    if not isinstance(entry, dict) or tuple(entry) != KEYS:
        yield f"the keys must be {', '.join(KEYS)}, in this order, got {entry!r}"
        return
    if not re.fullmatch(r"C\d{3}", str(entry["id"])):
        yield f"id must look like C003, got {entry['id']!r}"
    if entry["source"] not in SOURCES:
        yield f"source must be one of {', '.join(SOURCES)}, got {entry['source']!r}"
    if entry["verdict"] not in VERDICTS:
        yield f"verdict must be one of {', '.join(VERDICTS)}, got {entry['verdict']!r}"
    if not chapter_path(entry["chapter"], root).is_file():
        yield f"chapter must name a notebook or a page, got {entry['chapter']!r}"
    for key in ("claim", "correct"):
        if not (isinstance(entry[key], str) and entry[key].strip()):
            yield f"{key} must be a sentence, got {entry[key]!r}"
    if not (isinstance(entry["shown"], list) and entry["shown"]):
        yield "shown must list at least one place"
        return
    yield from filter(None, (target_problem(str(target), root) for target in entry["shown"]))


def problems(entries, root=ROOT):
    """Everything that is wrong with a list of entries, each sentence beginning with the claim's id."""
    found, seen = [], set()
    for number, entry in enumerate(entries, start=1):
        name = entry["id"] if isinstance(entry, dict) and "id" in entry else f"entry {number}"
        found += [f"{name}: {problem}" for problem in entry_problems(entry, root)]
        if name in seen:
            found.append(f"{name}: listed twice")
        seen.add(name)
    return found


# --- the tables -------------------------------------------------------------------------------------------------


def cross_reference(kind, target, *children):
    """A link that Sphinx resolves, and warns about when it cannot."""
    return addnodes.pending_xref(
        "", *children, refdomain="std", reftype=kind, reftarget=target, refexplicit=True, refwarn=True
    )


def breakable(name):
    """A long name as code that may break after `_` and `/`, so that it does not widen its column."""
    literal = nodes.literal(name, "")
    for piece in re.split(r"(?<=[_/])", name):
        literal += [nodes.Text(piece), nodes.raw("", "<wbr>", format="html")]
    return literal


def place(target):
    """Where something is shown, as a paragraph: a link into the chapter, or the test's name and file."""
    if "::" in target:
        path, _, name = target.partition("::")
        return nodes.paragraph("", "", breakable(name), nodes.Text(" in "), breakable(path))
    path, _, name = target.partition("#")
    chapter = Path(path).stem
    kind = {"src": "box", "fig": "figure", "ex": "exercise"}.get(name.partition("-")[0], "passage")
    where = f"in chapter {chapter.partition('_')[0]}" if is_numbered(chapter) else f"on the page “{chapter}”"
    link = cross_reference("ref", name, nodes.inline("", f"{kind} {where}"))
    return nodes.paragraph("", "", link)


class Errata(SphinxDirective):
    """`{errata}`: one section and one table for each chapter that has entries, in reading order."""

    def run(self):
        self.env.note_dependency(str(DATA))
        entries = read()
        for problem in problems(entries):
            logger.warning("errata.yml: %s", problem, location=(self.env.docname, self.lineno), type="errata")
        chapters = sorted({entry["chapter"] for entry in entries})
        return [self.section(name, [e for e in entries if e["chapter"] == name]) for name in chapters]

    def section(self, chapter, entries):
        self.env.note_dependency(str(chapter_path(chapter)))
        number, title = chapter.partition("_")[0], chapter_title(chapter)
        page = f"/notebooks/{chapter}" if is_numbered(chapter) else f"/book/{chapter}"
        name = f"chapter {number}" if is_numbered(chapter) else f"the page “{number}”"
        section = nodes.section("", ids=[f"errata-{number}"], names=[f"errata-{number}"])
        section += nodes.title("", name[0].upper() + name[1:])
        counts = [f"{n} {v}" for v in VERDICTS if (n := sum(e["verdict"] == v for e in entries))]
        link = cross_reference("doc", page, nodes.inline("", title))
        section += nodes.paragraph("", "", link, nodes.Text(f": {', '.join(counts)}."))
        section += self.table(f"What the sources say, and what holds: {name}", entries)
        return section

    def table(self, title, entries):
        table = nodes.table("", nodes.title("", title), classes=["errata", "colwidths-given"])
        group = nodes.tgroup(cols=4)
        for width, stub in ((12, 1), (30, 0), (38, 0), (20, 0)):
            group += nodes.colspec(colwidth=width, **({"stub": 1} if stub else {}))
        heads = ("Claim", "What the source says", "What holds", "Where it is shown")
        group += nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", t)) for t in heads)))
        group += nodes.tbody("", *map(self.row, entries))
        table += group
        return table

    def row(self, entry):
        anchor = f"erratum-{entry['id'].lower()}"
        name = nodes.paragraph("", f"{entry['id']}, source {entry['source']}", ids=[anchor], names=[anchor])
        self.state.document.note_explicit_target(name)
        verdict = nodes.inline("", entry["verdict"], classes=["verdict", f"verdict-{entry['verdict']}"])
        cells = [
            [name, nodes.paragraph("", "", verdict)],
            [self.prose(entry["claim"])],
            [self.prose(entry["correct"])],
            [place(target) for target in entry["shown"]],
        ]
        return nodes.row("", *(nodes.entry("", *cell) for cell in cells))

    def prose(self, text):
        children, messages = self.state.inline_text(" ".join(text.split()), self.lineno)
        return nodes.paragraph("", "", *children, *messages)


def setup(app):
    app.add_directive("errata", Errata)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
