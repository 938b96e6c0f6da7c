"""The cells of one chapter: text, code, captions, solutions that fold, and the set-up cell."""

import re
from collections import Counter

import nbformat

from .leftovers import leftovers_of
from .prose import Prose
from .text import CLOSED, NOTHING, OPENED, VALUES, folded, led, literal, trimmed

# Tags that fold a code cell; tags that mean nothing outside the site and its tests.
FOLDING = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
SITE_ONLY = FOLDING | {"hide-output", "remove-output", "remove-stderr", "remove-stdout", "nbval-check-output",
                       "nbval-skip", "nbval-ignore-output"}  # fmt: skip

SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\)))\s+(?=[A-Z0-9*(`$\x01])")

# What the set-up cell begins with. An exception that renders itself stops "Run all" and shows its sentence alone.
INSTALLATION = """\
# Installs the course's package where it is missing, as in a fresh Colab.
import importlib.util
from pathlib import Path


class PackageMissing(Exception):
    def _render_traceback_(self):
        return [str(self)]


if importlib.util.find_spec("cnncourse") is None:
    for _source in {source}:
        get_ipython().run_line_magic("pip", f'install -q "{{_source}}"')
    importlib.invalidate_caches()
    if importlib.util.find_spec("cnncourse") is None:
        raise PackageMissing({advice!r})
"""
MISSING = "The package cnncourse is missing"
WHEEL_ADVICE = (
    f"{MISSING}: put its wheel, a file cnncourse-*.whl, beside this notebook and run this cell again, "
    "or run `pip install .` in the course's folder."
)
OWN_VALUES_HERE = "\0values"  # in the set-up cell until the whole text is known
OWN_VALUES = """\
# Sentences of the text that quote what cells compute: shown again where you compute it, with your values.
from contextlib import suppress

from IPython.display import Markdown, display

import cnncourse.figures

_sentences = SENTENCES
_values = {}


def _glue(name, value):
    _values[name] = value
    for sentence in _sentences.get(name, []):
        with suppress(KeyError):  # the cell of another value has not run
            display(Markdown("*With your values:* " + sentence.format_map(_values)))


cnncourse.figures.glue = _glue
"""


class Chapter:
    """One reading of one notebook: `cells()` translates it; what it found on the way is in `prose`."""

    def __init__(self, notebook, page, book, executed, known=NOTHING, cited=()):
        self.notebook, self.page, self.book = notebook, page, book
        self.counts = Counter()
        self.solution = None  # label of the exercise whose solution is open
        self.quoted, self.sentences = set(), {}  # names of values; name → the sentences that it completes
        self.glued = {
            output.metadata.scrapbook.name: (output.data, output.metadata.scrapbook.get("mime_prefix", ""))
            for cell in executed.cells
            for output in cell.get("outputs", [])
            if "scrapbook" in output.get("metadata", {})
        }
        self.prose = Prose(page, book, self.glued, known, cited)

    def cells(self):
        cells = []
        for number, cell in enumerate(self.notebook.cells, start=1):
            self.prose.place = f"{self.page}.ipynb, cell {number}"
            cells += self.code_cell(cell) if cell.cell_type == "code" else self.text_cell(cell)
        if self.solution is not None:
            self.prose.problem(
                f"the solution of {self.solution} is never closed: {{solution-end}} is missing"
            )
        has_code = any(cell.cell_type == "code" for cell in cells)
        if has_code and not any("setup" in cell.metadata.get("tags", []) for cell in cells):
            self.prose.problem("no code cell is tagged setup, so nothing would install the course's package")
        if self.prose.citations.keys:
            cells.append(self.text("references", ["## References", "", *self.prose.citations.references()]))
        for cell in cells:
            if cell.cell_type == "code":
                cell.source = cell.source.replace(OWN_VALUES_HERE, self.own_values())
        return cells

    def text(self, identity, lines):
        """A Markdown cell, searched once more for what only the site could show."""
        source = "\n".join(trimmed(lines))
        self.keep_sentences(source)
        cell = nbformat.v4.new_markdown_cell(VALUES.sub(lambda match: match[2], source), id=identity[-64:])
        for line in leftovers_of(cell.source):
            self.prose.problem(f"this has no plain form: {line.strip()[:100]}")
        return cell

    def text_cell(self, cell):
        if cell.cell_type == "raw" or "remove-cell" in cell.metadata.get("tags", []):
            return []  # the site does not show it either
        first = not self.counts["cells"]
        self.counts["cells"] += 1
        lines = self.around_solutions(self.prose.blocks(cell.source.splitlines()))
        if first and self.book.site_url:
            title = literal(self.book.titles[self.page] or self.page)
            lines += [
                "",
                f"*The published page of this chapter: [{title}]({self.prose.links.url(self.page)})*",
            ]
        return [self.text(cell.id, lines)] if trimmed(lines) else []

    def code_cell(self, cell):
        tags = set(cell.metadata.get("tags", []))
        plain = nbformat.v4.new_code_cell(cell.source, id=cell.id)
        if kept := [tag for tag in cell.metadata.get("tags", []) if tag not in SITE_ONLY]:
            plain.metadata["tags"] = kept
        if "setup" in tags:
            plain.source = "\n".join([*self.installation(), plain.source])
            self.counts["setup"] += 1
        if self.solution is not None:
            self.fold(plain, "Solution")
        elif tags & FOLDING:
            self.fold(plain, "Set-up: run this cell first" if "setup" in tags else "Code")
        return [plain, *self.caption(cell)]

    def fold(self, cell, title):
        """Hide the source: Jupyter reads one key, Colab the other and the #@title line, below a cell magic."""
        cell.metadata["jupyter"] = {"source_hidden": True}
        cell.metadata["cellView"] = "form"
        lines = cell.source.split("\n")
        lines.insert(lines[0].startswith("%%"), f"#@title {title} (double-click to see it)")
        cell.source = "\n".join(lines)

    def installation(self):
        """What the first cell tagged setup begins with: the course's package, from its repository at its tag."""
        if self.counts["setup"]:
            return []
        source, advice = 'sorted(map(str, Path().glob("cnncourse-*.whl")))[-1:]', WHEEL_ADVICE
        if self.book.repository_url:
            requirement = f"cnncourse @ git+{self.book.repository_url}@{self.book.repository_tag}"
            source, advice = (
                [requirement],
                f'{MISSING}: run `pip install "{requirement}"`, then this cell again.',
            )
        return [INSTALLATION.format(source=source, advice=advice), OWN_VALUES_HERE]

    def keep_sentences(self, source):
        """Remember the sentences of a text that quote a value for the first time, by the value that comes last."""
        order = list(self.glued)
        for paragraph in re.split(r"\n(?:[> ]*\n)+|\n(?=[> ]*\|)", source):
            paragraph = " ".join(line.lstrip("> ") for line in paragraph.split("\n"))
            if paragraph.startswith("|"):
                paragraph = " · ".join(cell.strip() for cell in paragraph.strip("| ").split("|"))
            for sentence in SENTENCE_END.split(paragraph):
                names = {match[1].partition(":")[0] for match in VALUES.finditer(sentence)}
                if not names <= self.quoted:
                    self.quoted |= names
                    form = VALUES.sub(r"**{\1}**", sentence.replace("{", "{{").replace("}", "}}"))
                    self.sentences.setdefault(max(names, key=order.index), []).append(form)

    def own_values(self):
        """Code after which a cell that glues values shows the sentences that quote them."""
        if not self.sentences:
            return ""
        entries = "".join(f"    {name!r}: {sentences!r},\n" for name, sentences in self.sentences.items())
        return OWN_VALUES.replace("SENTENCES", f"{{\n{entries}}}")

    def caption(self, cell):
        """The caption of a figure that a code cell draws, as the cell below it."""
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if not figure:
            return []
        label, number = self.prose.number("Figure", figure.get("name", ""))
        caption = self.prose.blocks(str(figure.get("caption", "")).splitlines())
        return [self.text(f"{cell.id}-caption", led(f"{label}**{number}.**", caption))]

    def around_solutions(self, lines):
        """Fold what lies between a solution's start and its end, in this cell and in the following ones."""
        out, part, opened_here = [], [], False
        title = None if self.solution is None else f"{self.prose.solution_title(self.solution)}, continued"

        def close():
            body = trimmed(part)
            if body:
                out.extend(["", *(folded(title, body) if title else body)])
            part.clear()

        for line in lines:
            if line.startswith(OPENED):
                close()
                if self.solution is not None:
                    self.prose.problem(f"a solution starts before that of {self.solution} has ended")
                self.solution = line.removeprefix(OPENED)
                title, opened_here = self.prose.solution_title(self.solution), True
            elif line == CLOSED:
                close()
                if self.solution is None:
                    self.prose.problem("{solution-end} without a {solution-start}")
                self.solution = title = None
            else:
                part.append(line)
        if title and opened_here and not trimmed(part):  # code follows at once: the title stands above it
            out.extend(["", f"**{title}**"])
        close()
        return out
