"""Chapters as plain notebooks: what MyST adds to Markdown, said in the Markdown that every Jupyter and Colab shows.

write_all    every chapter → one notebook each in a folder; called at the end of the site's build
convert      one notebook → one notebook
leftovers    the lines of a notebook that only the site could show

A chapter is read twice: the first reading numbers its figures, equations and exercises and finds its labels, the
second writes. What cannot be translated is an error that names the notebook, the cell and the construct. Pictures
are embedded as data URIs, since Colab shows neither cell attachments nor files beside the notebook.
"""

import base64
import html
import mimetypes
import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import nbformat
from docutils.nodes import make_id
from markdown_it import MarkdownIt
from myst_nb.core.variables import format_plain_text
from myst_parser.parsers.options import TokenizeError, options_to_items
from pybtex.backends.markdown import Backend as MarkdownBackend
from pybtex.backends.plaintext import Backend as TextBackend
from pybtex.database import BibliographyData, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

ROOT = Path(__file__).resolve().parent.parent
LARGEST_IMAGE = 300 * 1024  # bytes; more would make the notebook slow to open
NOTHING = MappingProxyType({})

# Made once: pybtex looks through all installed packages for every style and backend that it names.
REFERENCE_STYLE, BARE = Style(), TextBackend()

# Directives that are boxes with a title of their own.
BOXES = {
    "note": "Note", "tip": "Tip", "hint": "Hint", "important": "Important", "warning": "Warning",
    "caution": "Caution", "attention": "Attention", "danger": "Danger", "error": "Error", "seealso": "See also",
}  # fmt: skip

# Tags that fold a code cell; tags that mean nothing outside the site and its tests.
FOLDING = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
SITE_ONLY = FOLDING | {"hide-output", "remove-output", "remove-stderr", "remove-stdout", "nbval-check-output",
                       "nbval-skip", "nbval-ignore-output"}  # fmt: skip

# The parts of a paragraph that are translated or must be left alone. What none of them takes is copied.
INLINE = re.compile(
    r"""
      (?P<escape> \\. )
    | (?P<comment> <!--.*?--> )
    | \{\{ (?P<substitution> .*? ) \}\}
    | \{ (?P<role> [\w:.+-]+ ) \} (?P<ticks> `+ ) (?P<content> .+? ) (?<!`) (?P=ticks) (?!`)
    | (?P<code> (?P<tick> `+ ) .+? (?<!`) (?P=tick) (?!`) )
    | (?P<math> \$\$ .+? \$\$ | \$ (?: \\. | [^$\\] )+ \$ )
    | \[\^ (?P<footnote> [^\]\s]+ ) \]
    | !\[ (?P<alt> [^\]]* ) \] \( (?P<src> <[^>]*> | [^)\s]+ ) (?: \s+ "[^"]*" )? \)
    | \[ (?P<text> (?: \\. | `[^`]*` | \$[^$]*\$ | !?\[[^\]]*\] (?: \([^)]*\) )? | [^\[\]\\] )*+ ) \]
      \( (?P<dest> <[^>]*> | (?: [^()\s] | \([^()\s]*\) )* ) (?: \s+ "[^"]*" )? \)
    | < (?P<scheme> [A-Za-z][\w+.-]+ ) : (?P<address> [^>\s]+ ) >
    """,
    re.VERBOSE | re.DOTALL,
)
FENCE = re.compile(r"^(?P<lead>\s*(?:(?:[-*+]|\d+[.)])\s+)?)(?P<mark>`{3,}|~{3,}|:{3,})\s*(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\{([^}]+)\}\s*(.*)$")
MATH_END = re.compile(r"^.*?\$\$\s*(?:\([^)$]+\))?\s*$")
NEW_BLOCK = re.compile(r"^\s*([-*+]|\d+[.)])\s|^\s*#|^\s*\|")  # an unclosed $ or ` does not reach past these
EXTERNAL = re.compile(r"^(https?|mailto):", re.IGNORECASE)
TITLED = re.compile(r"^(?P<title>.+?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)

# Lines that stand for a gated solution's two ends until the whole cell is translated.
OPENED, CLOSED = "\0solution ", "\0end"

# A glued value until its cell is translated: its name and form, as in a format string, and its text on the page.
VALUE = "\1{}\2{}\3"
VALUES = re.compile(r"\x01([^\x02]+)\x02([^\x03]*)\x03")
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


@dataclass(frozen=True)
class Target:
    """Where a label leads: the page, the anchor there, what a link without a text says, the number if it has one."""

    page: str
    anchor: str
    text: str
    number: str = ""


@dataclass(frozen=True)
class Book:
    """What the translation of one chapter needs to know of everything around it."""

    root: Path
    bibliography: BibliographyData
    repository_url: str
    repository_tag: str
    site_url: str | None
    titles: dict
    substitutions: dict


# --- small pieces of text -------------------------------------------------------------------------------------


def normalized(label):
    return " ".join(label.lower().split())


def literal(text):
    """Text in which Markdown sees no markup."""
    return re.sub(r"([\\`*_\[\]<>$])", r"\\\1", text)


def as_html(markdown):
    """One line of Markdown as HTML, for a <summary>, in which Markdown is not read."""
    return MarkdownIt().renderInline(markdown)


def trimmed(lines):
    """The lines without the blank ones before and after."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def uncommented(math):
    """LaTeX without its comments: on a line with what follows they would swallow it."""
    return re.sub(r"(?<!\\)%.*", "", math)


def on_one_line(math):
    return " ".join(uncommented(math).split())


def quoted(lines):
    """A block quote. Display math becomes one line: Jupyter takes math out before it reads the > of a quote."""
    lines, joined, math = trimmed(lines), [], None
    for line in lines:
        if line.strip() == "$$":
            if math is not None:
                joined.append(f"$$ {on_one_line(chr(10).join(math))} $$")
            math = [] if math is None else None
        elif math is not None:
            math.append(line)
        else:
            joined.append(line)
    return [f"> {line}".rstrip() for line in joined]


def folded(summary, lines):
    """A disclosure element; the blank lines make Markdown be read inside."""
    return ["<details>", f"<summary>{as_html(summary)}</summary>", "", *trimmed(lines), "", "</details>"]


def led(start, lines):
    """Lines whose first begins with `start`."""
    return [f"{start} {lines[0]}", *lines[1:]] if lines else [start]


def anchor(label):
    return f'<a id="{"-".join(label.split())}"></a>'


# --- one chapter ----------------------------------------------------------------------------------------------


class Chapter:
    """One reading of one notebook: `cells()` translates it and leaves targets, citations and problems behind."""

    def __init__(self, notebook, page, book, executed, known=NOTHING, cited=()):
        self.notebook, self.page, self.book = notebook, page, book
        self.known = known  # label → Target, from the first reading of all chapters and from the site
        self.cited = cited  # keys of the first reading: equal names and years are told apart by letters
        self.targets, self.citations, self.problems = {}, [], []
        self.counts = Counter()
        self.solution = None  # label of the exercise whose solution is open
        self.quoted, self.sentences = set(), {}  # names of values; name → the sentences that it completes
        self.place = ""
        prefix = re.match(r"\d+", page.rpartition("/")[2])
        self.prefix = f"{prefix[0]}." if prefix else ""
        self.glued = {
            output.metadata.scrapbook.name: (output.data, output.metadata.scrapbook.get("mime_prefix", ""))
            for cell in executed.cells
            for output in cell.get("outputs", [])
            if "scrapbook" in output.get("metadata", {})
        }

    def problem(self, sentence):
        self.problems.append(f"{self.place}: {sentence}")

    # Cells

    def cells(self):
        cells = []
        for number, cell in enumerate(self.notebook.cells, start=1):
            self.place = f"{self.page}.ipynb, cell {number}"
            cells += self.code_cell(cell) if cell.cell_type == "code" else self.text_cell(cell)
        if self.solution is not None:
            self.problem(f"the solution of {self.solution} is never closed: {{solution-end}} is missing")
        has_code = any(cell.cell_type == "code" for cell in cells)
        if has_code and not any("setup" in cell.metadata.get("tags", []) for cell in cells):
            self.problem("no code cell is tagged setup, so nothing would install the course's package")
        if self.citations:
            cells.append(self.text("references", ["## References", "", *self.references()]))
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
            self.problem(f"this has no plain form: {line.strip()[:100]}")
        return cell

    def text_cell(self, cell):
        if cell.cell_type == "raw" or "remove-cell" in cell.metadata.get("tags", []):
            return []  # the site does not show it either
        first = not self.counts["cells"]
        self.counts["cells"] += 1
        lines = self.around_solutions(self.blocks(cell.source.splitlines()))
        if first and self.book.site_url:
            title = literal(self.book.titles[self.page] or self.page)
            lines += ["", f"*The published page of this chapter: [{title}]({self.url(self.page)})*"]
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
        label, number = self.number("Figure", figure.get("name", ""))
        caption = self.blocks(str(figure.get("caption", "")).splitlines())
        return [self.text(f"{cell.id}-caption", led(f"{label}**{number}.**", caption))]

    def around_solutions(self, lines):
        """Fold what lies between a solution's start and its end, in this cell and in the following ones."""
        out, part, opened_here = [], [], False
        title = None if self.solution is None else f"{self.solution_title(self.solution)}, continued"

        def close():
            body = trimmed(part)
            if body:
                out.extend(["", *(folded(title, body) if title else body)])
            part.clear()

        for line in lines:
            if line.startswith(OPENED):
                close()
                if self.solution is not None:
                    self.problem(f"a solution starts before that of {self.solution} has ended")
                self.solution = line.removeprefix(OPENED)
                title, opened_here = self.solution_title(self.solution), True
            elif line == CLOSED:
                close()
                if self.solution is None:
                    self.problem("{solution-end} without a {solution-start}")
                self.solution = title = None
            else:
                part.append(line)
        if title and opened_here and not trimmed(part):  # code follows at once: the title stands above it
            out.extend(["", f"**{title}**"])
        close()
        return out

    # Blocks

    def blocks(self, lines):
        """Translate lines of Markdown: directives, labels, display math, comments; the rest goes to `inline`."""
        out, text, index = [], [], 0

        def end_text():
            lines = self.paragraphs(text)
            text.clear()
            if lines and not lines[0] and (not out or not out[-1].strip()):
                lines = lines[1:]
            out.extend(lines)

        def put(block, lead=""):
            end_text()
            for lines in (indented(block, lead), []):
                if out and out[-1].strip():
                    out.append("")
                out.extend(lines)

        while index < len(lines):
            line = lines[index]
            fence = FENCE.match(line)
            if fence and not (fence["mark"][0] == "`" and "`" in fence["info"]):
                body, after = self.fenced(lines, index, fence)
                directive = DIRECTIVE.match(fence["info"])
                if directive:
                    put(self.directive(directive[1].strip(), directive[2].strip(), body), fence["lead"])
                elif fence["mark"][0] == ":":
                    self.problem(f"a colon fence without a directive: {line.strip()}")
                else:
                    end_text()
                    out.extend(lines[index:after])
                index = after
            elif line.lstrip().startswith("$$"):
                end = self.end_of_math(lines, index)
                if end is None:
                    text.append(line)
                    index += 1
                    continue
                lead = line[: len(line) - len(line.lstrip())]
                content = "\n".join(lines[index : end + 1]).strip()[2:]
                body, _, label = content.rpartition("$$")
                put(self.equation(body, label.strip().removeprefix("(").removesuffix(")")), lead)
                index = end + 1
            elif line.lstrip().startswith(">"):
                end = index
                while end < len(lines) and lines[end].lstrip().startswith(">"):
                    end += 1
                inner = [re.sub(r"^\s*> ?", "", part) for part in lines[index:end]]
                put(quoted(self.blocks(inner)), line[: len(line) - len(line.lstrip())])
                index = end
            elif label := re.match(r"^ {0,3}\((.+)\)=\s*$", line):
                rest = next((part for part in lines[index + 1 :] if part.strip()), "")
                heading = re.match(r"^#+\s+(.*?)\s*#*$", rest)
                title = self.inline(heading[1]) if heading else ""
                self.target(label[1], Target(self.page, make_id(label[1]), title))
                put([anchor(label[1])])
                index += 1
            elif re.match(r"^ {0,3}%|^\+\+\+", line):  # ends a paragraph and is not shown
                put([])
                index += 1
            else:
                text.append(line)
                index += 1
        end_text()
        return trimmed(out)

    def fenced(self, lines, start, fence):
        """The lines inside a fence, without its indentation, and the index after its closing line."""
        mark, width = fence["mark"], len(fence["lead"])
        closing = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        end = next((i for i in range(start + 1, len(lines)) if closing.match(lines[i])), None)
        if end is None:
            self.problem(f"a block is opened and never closed: {lines[start].strip()}")
            end = len(lines)
        body = [line[min(width, len(line) - len(line.lstrip())) :] for line in lines[start + 1 : end]]
        return body, end + 1

    def end_of_math(self, lines, start):
        """The index of the line that closes the display math opened on line `start`; None if a paragraph goes on."""
        if "$$" in (rest := lines[start].lstrip()[2:]):
            return start if MATH_END.match(rest) else None
        return next((i for i in range(start + 1, len(lines)) if MATH_END.match(lines[i])), None)

    def paragraphs(self, lines):
        """Text without blocks; blank lines in a row become one."""
        pieces = [[]]
        for line in lines:
            if not line.strip() or not (pieces[-1] and pieces[-1][-1].strip()) or NEW_BLOCK.match(line):
                pieces.append([])
            pieces[-1].append(line)
        out = []
        for piece in filter(None, pieces):
            if not piece[0].strip():
                if out and out[-1].strip():
                    out.append("")
                continue
            self.refuse(piece)
            out.extend(self.inline("\n".join(piece)).split("\n"))
        return ["", *out] if lines and not lines[0].strip() else out

    def refuse(self, lines):
        """Markup that the site shows and plain notebooks do not, and that chapters can do without."""
        for line in lines:
            if re.match(r"^ {0,3}:\s+\S", line):
                self.problem(f"a definition list has no plain form; use a list: {line.strip()}")
            elif re.match(r"^ {0,3}\\begin\{", line):
                self.problem(f"display math must stand between $$ and $$: {line.strip()}")
            elif re.search(r"<img\b[^>]*\bsrc=[\"'](?!data:|https?:)", line):
                self.problem(
                    f"write the picture as ![text](path), so that it can be embedded: {line.strip()}"
                )
            elif (entry := re.match(r"^ {0,3}\[[^\]^]+\]:\s+(\S+)", line)) and not EXTERNAL.match(entry[1]):
                self.problem(
                    f"a link definition may only lead outside; write the link in the text: {line.strip()}"
                )

    # Directives

    def directive(self, name, argument, lines):
        options, body = self.options(name, lines)
        classes = options.get("class", "").split()
        if name in BOXES or name == "admonition":
            if name in BOXES and argument:  # these take no title: what stands on their first line is text
                argument, body = "", [argument, *body]
            title = self.inline(argument) if argument else BOXES.get(name, "")
            if "dropdown" in classes:
                return folded(title, self.blocks(body))
            return quoted([f"**{title}**", "", *self.blocks(body)])
        if name in ("exercise", "exercise-start"):
            title = f" ({self.inline(argument)})" if argument else ""
            if "nonumber" in options:
                return [f"**Exercise{title}**", "", *self.blocks(body)]
            label, number = self.number("Exercise", options.get("label", ""))
            return [f"{label}**{number}{title}**", "", *self.blocks(body)]
        if name == "solution":
            return folded(self.solution_title(argument), self.blocks(body))
        if name == "solution-start":
            return [OPENED + argument, *self.blocks(body)]
        if name == "solution-end":
            return [CLOSED]
        if name == "exercise-end":
            return []
        if name == "figure":
            return self.figure(argument, options, body)
        if name == "math":
            return self.equation("\n".join([argument, *body]), options.get("label", options.get("name", "")))
        self.problem(f"the directive {{{name}}} has no plain form")
        return []

    def options(self, name, lines):
        """Split a directive's lines into its options, `:key: value` or YAML between dashes, and its body."""
        head = []
        if lines and lines[0].startswith("---"):
            end = next((i for i, line in enumerate(lines[1:], start=1) if line.startswith("---")), len(lines))
            head, lines = lines[1:end], lines[end + 1 :]
        else:
            while lines and re.match(r"\s*:(?!::)", lines[0]):
                head.append(lines[0].lstrip()[1:])
                lines = lines[1:]
        try:
            return dict(options_to_items("\n".join(head))[0]), lines
        except TokenizeError as error:
            self.problem(f"the options of {{{name}}} cannot be read: {error.problem}")
            return {}, lines

    def number(self, kind, label):
        """Count a figure, an exercise or an equation; remember its label → (its anchor, what it is called)."""
        self.counts[kind] += 1
        number = f"{self.prefix}{self.counts[kind]}"
        name = f"({number})" if kind == "Equation" else f"{kind} {number}"
        if not label:
            return "", name
        site_anchor = make_id(f"equation-{label}" if kind == "Equation" else label)
        self.target(label, Target(self.page, site_anchor, name, number))
        return f"{anchor(label)}\n", name

    def target(self, label, target):
        if normalized(label) in self.targets:
            self.problem(f"the label {label} is used twice")
        self.targets[normalized(label)] = target

    def solution_title(self, label):
        target = self.known.get(normalized(label))
        if target is None or not target.text.startswith("Exercise"):
            self.problem(f"a solution to {label!r}, which is no exercise")
            return "Solution"
        return f"Solution to {target.text[0].lower()}{target.text[1:]}"

    def figure(self, path, options, body):
        picture = self.image(options.get("alt", ""), path)
        caption = self.blocks(body)
        if not caption and "name" not in options:
            return [picture]
        label, number = self.number("Figure", options.get("name", ""))
        return [f"{label}{picture}", "", *led(f"**{number}.**", caption)]

    def equation(self, body, label):
        """Display math; the site lines up rows by itself, MathJax alone wants an environment for it."""
        body = uncommented(body).strip()
        if "\\begin{" not in body and re.search(r"\\\\|(?<!\\)&", body):
            body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
        above = []
        if label:
            mark, name = self.number("Equation", re.sub(r"\s+", "-", label))
            body, above = f"{body} \\tag{{{name[1:-1]}}}", [mark.strip(), ""]
        return [*above, "$$", *filter(str.strip, body.split("\n")), "$$"]

    # Inside paragraphs

    def inline(self, text):
        return INLINE.sub(self.part, text)

    def part(self, match):
        whole, part = match[0], match.groupdict()
        if part["role"]:
            return self.role(part["role"], " ".join(part["content"].split("\n")))
        if part["math"]:
            return on_one_line(whole) if "\n" in whole else whole
        if part["substitution"] is not None:
            return self.substitution(part["substitution"].strip())
        if part["footnote"]:
            self.problem(f"the footnote [^{part['footnote']}] has no plain form; say it in the text")
        elif part["src"]:
            return self.image(part["alt"], part["src"].strip("<>"))
        elif part["dest"] is not None:
            return self.hyperlink(whole, self.inline(part["text"]), part["dest"].strip("<>"))
        elif part["scheme"] and not EXTERNAL.match(f"{part['scheme']}:"):
            self.problem(f"the link {whole} has no plain form; write [text](#label)")
        return whole

    def role(self, name, content):
        explicit = TITLED.match(content)
        title, target = (explicit["title"], explicit["target"]) if explicit else ("", content)
        if name in ("ref", "eq"):
            return self.reference(target, self.inline(title))
        if name == "numref":
            return self.numbered_reference(target, title)
        if name == "doc":
            return self.hyperlink(content, self.inline(title), target)
        if name == "download":
            return self.hyperlink(content, self.inline(title) or f"`{target}`", target)
        if name in ("cite", "cite:p", "cite:t"):
            return self.citation(content, textual=name == "cite:t")
        if name in ("glue", "glue:", "glue:any", "glue:md"):
            return self.glue(content)
        if name == "glue:text":
            key, _, form = content.rpartition(":") if ":" in content else (content, "", "s")
            return self.glue(key, form)
        if name == "math":
            return f"${content}$"
        if name == "code":
            return f"`{content}`"
        if name == "term":
            return self.inline(title or content)
        if name in ("kbd", "sub", "sup"):
            return f"<{name}>{as_html(literal(content))}</{name}>"
        if name == "abbr":
            short, meaning = re.match(r"^(.*?)\s*(?:\((.*)\))?$", content).groups()
            return f'<abbr title="{html.escape(meaning)}">{short}</abbr>' if meaning else short
        self.problem(f"the role {{{name}}} has no plain form")
        return content

    def substitution(self, key):
        if key not in self.book.substitutions:
            self.problem(f"the substitution {{{{ {key} }}}} is not configured")
            return key
        return self.inline(str(self.book.substitutions[key]))

    def glue(self, key, form="s"):
        """A value that the executed notebook stores under a name."""
        if key not in self.glued:
            self.problem(f"no executed cell glues a value called {key!r}")
            return key
        data, prefix = self.glued[key]
        data = {kind.removeprefix(prefix): value for kind, value in data.items()}
        if form == "s" and "image/png" in data:
            return f"![{literal(key)}](data:image/png;base64,{''.join(data['image/png'].split())})"
        if form == "s" and "text/markdown" in data:
            return self.inline(data["text/markdown"].strip())
        if form == "s" and "text/latex" in data:
            return f"${data['text/latex'].strip().strip('$').strip()}$"
        if "text/plain" not in data:
            self.problem(f"the value glued as {key!r} has no text, only {', '.join(sorted(data))}")
            return key
        try:
            text = literal(format_plain_text(data["text/plain"], form))
        except (TypeError, ValueError) as error:
            self.problem(f"the value glued as {key!r} cannot be written as {form!r}: {error}")
            return key
        return VALUE.format(key if form == "s" else f"{key}:{form}", text)

    # Links

    def url(self, page, anchor=""):
        return f"{self.book.site_url}/{page}.html" + (f"#{anchor}" if anchor else "")

    def reference(self, label, text=""):
        """A link to a label: of this notebook, of another chapter, or of a page of the site."""
        target = self.known.get(normalized(label))
        if target is None:
            self.problem(f"nothing carries the label {label!r}")
            return text or label
        text = text or target.text
        if not text:
            self.problem(f"{label!r} has no title: give the link a text")
        if target.page == self.page:
            return f"[{text}](#{'-'.join(label.split())})"
        return f"[{text}]({self.url(target.page, target.anchor)})" if self.book.site_url else text

    def numbered_reference(self, label, text):
        target = self.known.get(normalized(label))
        if target is not None and not target.number:
            self.problem(f"{label!r} has no number; use {{ref}}")
        elif target is not None:
            text = text.replace("%s", target.number).replace("{number}", target.number)
        return self.reference(label, self.inline(text))

    def hyperlink(self, whole, text, destination):
        """[text](destination): outside, to a label, to a page of the book, or to a file of the repository."""
        if EXTERNAL.match(destination):
            return f"[{text}]({destination})" if text else f"<{destination}>"
        path, _, label = destination.partition("#")
        if not path:
            return self.reference(label, text)
        folder = "" if path.startswith("/") else posixpath.dirname(self.page)
        path = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
        page = re.sub(r"\.(md|ipynb)$", "", path)
        if page in self.book.titles:
            if normalized(label) in self.known:
                return self.reference(label, text or self.known[normalized(label)].text)
            text = text or literal(self.book.titles[page])
            return f"[{text}]({self.url(page, label)})" if self.book.site_url else text
        if (self.book.root / path).exists() and not path.startswith(".."):
            text = text or f"`{path}`"
            if not self.book.repository_url:
                return text
            repository = self.book.repository_url.removesuffix(".git")
            return f"[{text}]({repository}/blob/{self.book.repository_tag}/{path})"
        self.problem(f"{whole} leads to neither a page of the book nor a file of the repository")
        return text or whole

    def image(self, alt, path):
        """A picture, embedded."""
        if path.startswith("data:") or EXTERNAL.match(path):
            return f"![{alt}]({path})"
        folder = "" if path.startswith("/") else posixpath.dirname(self.page)
        file = self.book.root / posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
        if not file.is_file():
            self.problem(f"there is no picture {path}")
            return path
        content = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0]
        if len(content) > LARGEST_IMAGE:
            self.problem(
                f"the picture {path} has {len(content) // 1024} KB; at most {LARGEST_IMAGE // 1024} KB can be embedded"
            )
        elif not (kind or "").startswith("image/"):
            self.problem(f"{path} is no picture")
        return f"![{alt}](data:{kind};base64,{base64.b64encode(content).decode()})"

    # Citations

    def citation(self, keys, textual):
        parts = []
        for key in (key.strip() for key in keys.split(",")):
            if key not in self.book.bibliography.entries:
                self.problem(f"the bibliography has no entry {key!r}")
                continue
            if key not in self.citations:
                self.citations.append(key)
            names, year = self.names_and_year(key)
            year += self.letter(key)
            parts.append(f"{names} ({year})" if textual else f"{names}, {year}")
        return " and ".join(parts) if textual else f"({'; '.join(parts)})"

    def names_and_year(self, key):
        """LeCun et al., 1998: one name, two names, or the first of more."""
        entry = self.book.bibliography.entries[key]
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [
            Text(" ").join([*person.rich_prelast_names, *person.rich_last_names]).render(BARE)
            for person in people
        ]
        if len(names) > 2:
            names = [f"{names[0]} et al."]
        if not names:
            names = [Text.from_latex(entry.fields.get("title", key)).render(BARE)]
        return literal(" and ".join(names)), literal(entry.fields.get("year", "no year"))

    def letter(self, key):
        """a, b, … for entries of this notebook that would read alike, in the order of the reference list."""
        alike = [other for other in self.cited if self.names_and_year(other) == self.names_and_year(key)]
        if len(alike) < 2:
            return ""
        ranked = [entry.key for entry in REFERENCE_STYLE.format_bibliography(self.book.bibliography, alike)]
        return "abcdefghijklmnopqrstuvwxyz"[[name.lower() for name in ranked].index(key.lower())]

    def references(self):
        for entry in REFERENCE_STYLE.format_bibliography(self.book.bibliography, self.citations):
            letter = self.letter(entry.key)
            mark = f"({self.names_and_year(entry.key)[1]}{letter}) " if letter else ""
            yield f"- {mark}{entry.text.render(Entries())}"


class Entries(MarkdownBackend):
    """pybtex's Markdown on one line, without a backslash before every dot and parenthesis."""

    symbols = MappingProxyType({"ndash": "–", "newblock": " ", "nbsp": " "})

    def format_str(self, text):
        return literal(text)


def indented(lines, lead):
    """Lines that stand where `lead` stood: behind its list marker first, then below it."""
    lines = "\n".join(lines).split("\n") if lines else []
    if not lead or any(line.startswith("\0") for line in lines):
        return lines
    below = " " * len(lead)
    return [(below if index else lead) + line if line else "" for index, line in enumerate(lines)]


# --- what is left -----------------------------------------------------------------------------------------------

LEFT_OVER = re.compile(
    r"""
      \{[\w:.+-]+\}`            # a role
    | ^\s*(?:`{3,}|~{3,})\s*\{  # a directive
    | ^\s*:::                   # a colon fence
    | ^\s*\([^()]+\)=\s*$       # a label
    | \{\{.*?\}\}               # a substitution
    | ^[ ]{0,3}%                # a comment
    | ^\+\+\+                   # a cell break
    | \0                        # a gated solution inside another block
    """,
    re.VERBOSE,
)


def leftovers_of(source):
    """Lines of Markdown with syntax that only the site reads, outside code and math."""
    lines, fence = [], None
    for line in source.split("\n"):
        line = re.sub(r"^[\s>]*> ?", "", line)
        mark = re.match(r"^\s*(`{3,}|~{3,})([^`]*)$", line)
        if fence is not None:
            fence = None if mark and mark[1].startswith(fence) and not mark[2].strip() else fence
        elif mark and not mark[2].lstrip().startswith("{"):
            fence = mark[1]
        else:
            lines.append(line)
    text = re.sub(r"\$\$.*?\$\$|(?<!\\)\$(?:\\.|(?!\n\n)[^$\\])+\$", "$", "\n".join(lines), flags=re.DOTALL)
    without_code = re.compile(r"(?<!\})(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
    return [line for line in text.split("\n") if LEFT_OVER.search(without_code.sub("", line))]


def leftovers(notebook):
    """Every line of a notebook's Markdown cells with syntax that only the site reads."""
    return [
        line for cell in notebook.cells if cell.cell_type == "markdown" for line in leftovers_of(cell.source)
    ]


# --- notebooks --------------------------------------------------------------------------------------------------


def checked_book(bibliography, repository_url, repository_tag, site_url, root, titles, substitutions):
    """The surroundings of a chapter, once their values are known to make sense."""
    if repository_url and not re.fullmatch(r"https://[^\s\"'@]+", repository_url):
        raise ValueError(f"repository_url must be empty or begin with https://, got {repository_url!r}")
    if repository_url and not re.fullmatch(r"[^\s\"'@]+", repository_tag or ""):
        raise ValueError(
            f"repository_tag must name a tag or a branch of {repository_url}, got {repository_tag!r}"
        )
    if site_url and not re.match(r"https?://", site_url):
        raise ValueError(f"site_url must be None or begin with https://, got {site_url!r}")
    if not Path(bibliography).is_file():
        raise ValueError(f"bibliography must be a BibTeX file, got {str(bibliography)!r}")
    return Book(
        root=Path(root),
        bibliography=parse_file(str(bibliography), bib_format="bibtex"),
        repository_url=(repository_url or "").rstrip("/"),
        repository_tag=repository_tag or "",
        site_url=site_url.rstrip("/") if site_url else None,
        titles=dict(titles),
        substitutions=dict(substitutions),
    )


def title_of(notebook):
    """The first heading of a notebook, as plain text; empty if there is none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (heading := re.search(r"^#\s+(.+?)\s*$", cell.source, re.M)):
            return heading[1]
    return ""


def assembled(cells):
    """A valid notebook of these cells, with no outputs, no counts and no state of widgets."""
    notebook = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def translate(chapters, executed, book, labels):
    """{page: notebook} → {page: plain notebook}; one ValueError for all that could not be translated."""
    for page, notebook in chapters.items():
        if not all("id" in cell for cell in notebook.cells):
            raise ValueError(f"{page}.ipynb must be in notebook format 4.5, in which every cell has an id")
    known = {normalized(name): Target(*place) for name, place in labels.items()}
    first = {}
    for page, notebook in chapters.items():
        first[page] = Chapter(notebook, page, book, executed[page])
        first[page].cells()
        known |= first[page].targets
    done, problems = {}, []
    for page, notebook in chapters.items():
        second = Chapter(notebook, page, book, executed[page], known, first[page].citations)
        done[page] = assembled(second.cells())
        problems += second.problems
    if problems:
        raise ValueError("plain notebooks cannot be written:\n" + "\n".join(dict.fromkeys(problems)))
    return done


def convert(
    notebook, *, page, executed, bibliography, repository_url="", repository_tag="", site_url=None,
    root=ROOT, titles=NOTHING, labels=NOTHING, substitutions=NOTHING,
):  # fmt: skip
    """One chapter → a plain notebook with the same code; the argument is left as it is.

    notebook         a notebook node, format 4.5
    page             its name on the site without suffix, such as "notebooks/05_edges": the digits number its figures
    executed         the same notebook with its outputs: they hold the glued values
    bibliography     path of the BibTeX file
    repository_url   https address that the set-up cell installs from at `repository_tag`; empty: nothing is invented
    site_url         address of the published site for links to other pages; None: links become their text
    root             folder that pages and pictures are found from
    titles           {page: title} of every page of the site
    labels           {label: (page, anchor, title)} of the other pages
    substitutions    {name: text} of the site's configuration

    Raises ValueError naming page, cell and construct for what has no plain form.
    """
    for name, value in (("notebook", notebook), ("executed", executed)):
        if not isinstance(value, nbformat.NotebookNode):
            raise TypeError(f"{name} must be a notebook node, got {type(value).__name__}")
    book = checked_book(
        bibliography, repository_url, repository_tag, site_url, root, {page: title_of(notebook)} | dict(titles),
        substitutions,
    )  # fmt: skip
    return translate({page: notebook}, {page: executed}, book, labels)[page]


def write_all(
    paths, *, executed, bibliography, target, repository_url="", repository_tag="", site_url=None,
    root=ROOT, titles=NOTHING, labels=NOTHING, substitutions=NOTHING,
):  # fmt: skip
    """Write a plain notebook of every chapter into the folder `target` → their paths.

    paths       the notebooks in reading order, below `root`
    executed    {name of the file without suffix: executed notebook}
    target      folder, made if it is missing

    The other arguments are those of `convert`. Nothing is written unless every chapter could be translated.
    """
    root = Path(root).resolve()
    chapters, outputs = {}, {}
    for path in map(Path, paths):
        page = path.resolve().relative_to(root).with_suffix("").as_posix()
        if path.stem not in executed:
            raise ValueError(f"executed must hold every chapter, {path.stem!r} is missing")
        chapters[page] = nbformat.read(path, as_version=4)
        outputs[page] = executed[path.stem]
    own_titles = {page: title_of(notebook) for page, notebook in chapters.items()}
    book = checked_book(
        bibliography, repository_url, repository_tag, site_url, root, own_titles | dict(titles), substitutions
    )
    done = translate(chapters, outputs, book, labels)
    Path(target).mkdir(parents=True, exist_ok=True)
    written = []
    for page, notebook in done.items():
        written.append(Path(target) / f"{page.rpartition('/')[2]}.ipynb")
        written[-1].write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return written
