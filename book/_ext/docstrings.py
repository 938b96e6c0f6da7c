"""Docstrings on the API page: written as plain text, shown as written.

The course's docstrings hold equations in Unicode and lines whose columns are aligned, and no markup. A paragraph of
these is shown with its line breaks; any other paragraph is prose, and `names` in it are set as code.
"""

import inspect
import re

# Aligned columns, an indented line or a list: the lines matter.
COLUMNS = re.compile(r"\S {2,}\S|^\s|^- |^>>>")
# A paragraph with one of these is an equation, unless it has the words of a sentence.
EQUATION = re.compile(r"[=→←Σ∑∂√≤≥∈⌊]")
WORD = re.compile(r"(?<![\w(])[A-Za-z]{3,}(?![\w(=])")
WORDS_OF_A_SENTENCE = 5


def paragraphs(lines):
    """The runs of lines between blank lines."""
    run = []
    for line in [*lines, ""]:
        if line.strip():
            run.append(line)
        elif run:
            yield run
            run = []


def is_verbatim(paragraph):
    """Whether a paragraph must keep its lines: what stands in `backticks` does not count."""
    lines = [re.sub(r"`[^`]*`", "x", line) for line in paragraph]
    if any(map(COLUMNS.search, lines)):
        return True
    text = " ".join(lines)
    return bool(EQUATION.search(text)) and len(WORD.findall(text)) < WORDS_OF_A_SENTENCE


def prose(paragraph):
    """A paragraph of text as reStructuredText: `name` is code, *word* is emphasis, nothing else is markup."""
    pieces = re.split(
        r"(`[^`]+`|(?<![\w*])\*\w(?:[\w ]*\w)?\*(?![\w*]))", " ".join(line.strip() for line in paragraph)
    )
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            pieces[i] = re.sub(r"([\\*|_`])", r"\\\1", piece)
        elif piece.startswith("`"):
            pieces[i] = f"`{piece}`"
    # "\\ " prints nothing; it ends markup that touches a letter, as in `name`s.
    return re.sub(r"\\ (?=\s|$)|(?<=\s)\\ |^\\ ", "", "\\ ".join(pieces))


def verbatim(paragraph):
    """Lines that are shown as they stand."""
    return [
        ".. code-block:: text",
        "   :class: docstring",
        "",
        *(f"   {line.rstrip()}" for line in paragraph),
    ]


def as_restructured_text(lines):
    """A plain docstring → the lines that autodoc reads."""
    result = []
    for paragraph in paragraphs(lines):
        result += verbatim(paragraph) if is_verbatim(paragraph) else [prose(paragraph)]
        result.append("")
    return result


def process(app, what, name, obj, options, lines):
    """Rewrite a docstring in place; data without one of its own shows none, not that of its type."""
    own = not (
        what == "data" and lines and "\n".join(lines).strip() == (inspect.getdoc(type(obj)) or "").strip()
    )
    lines[:] = as_restructured_text(lines) if own else []


def is_generated(obj):
    """Whether Python wrote the docstring: of a NamedTuple, a row of a table in the code, or of one of its fields."""
    if isinstance(obj, type) and issubclass(obj, tuple):
        return (obj.__doc__ or "").startswith(f"{obj.__name__}(")
    return (getattr(obj, "__doc__", None) or "").startswith("Alias for field number ")


def skip(app, what, name, obj, skipped, options):
    return True if is_generated(obj) else None


def setup(app):
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
