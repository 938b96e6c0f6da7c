"""Small pieces of text that the other files make plain Markdown of, and what they know of the book."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from markdown_it import MarkdownIt
from pybtex.database import BibliographyData

NOTHING = MappingProxyType({})
EXTERNAL = re.compile(r"^(https?|mailto):", re.IGNORECASE)

# Lines that stand for a gated solution's two ends until the whole cell is translated.
OPENED, CLOSED = "\0solution ", "\0end"

# A glued value until its cell is translated: its name and form, as in a format string, and its text on the page.
VALUE = "\1{}\2{}\3"
VALUES = re.compile(r"\x01([^\x02]+)\x02([^\x03]*)\x03")


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


# Lines of Markdown.


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


def indented(lines, lead):
    """Lines that stand where `lead` stood: behind its list marker first, then below it."""
    lines = "\n".join(lines).split("\n") if lines else []
    if not lead or any(line.startswith("\0") for line in lines):
        return lines
    below = " " * len(lead)
    return [(below if index else lead) + line if line else "" for index, line in enumerate(lines)]
