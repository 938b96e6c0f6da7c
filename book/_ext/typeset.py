"""Typesets all formulas while the book is built, so that a page needs no JavaScript and no font for its math.

MathJax 3 (the files of the wheel `sphinx-mathjax-offline`) runs in V8 (the wheel `mini-racer`) and turns TeX into
SVG, with MathML beside it for screen readers and the TeX itself for the clipboard. Each page defines the glyphs it
uses once. TeX that does not compile is a Sphinx warning with its place. Results are kept beside the doctrees, so a
rebuild typesets only what is new.

    _config.yml    sphinx: {local_extensions: {typeset: book/_ext}, config: {typeset_macros: {RR: '\\mathbb{R}'}}}

A macro is its replacement, or `[replacement, number of arguments]`, as in MathJax.
"""

from __future__ import annotations

import hashlib
import html
import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from docutils import nodes
from sphinx.errors import ConfigError, ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

HERE = Path(__file__).parent
COMPONENTS = [
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-base.js",
    "input/tex/extensions/all-packages.js",
    "output/svg.js",
    "output/svg/fonts/tex.js",
    "a11y/assistive-mml.js",
]
SECONDS_A_FORMULA = 20

# How wide a formula may be, in em of the text, to fit on a screen of 320 px. What is wider can scroll there, and
# what can scroll must be reachable by keyboard. A displayed formula shrinks on such a screen, a little.
ROOM = 288 / 16
ROOM_TAKEN = 4.5  # by a number, a list, a box
NARROWING = (nodes.list_item, nodes.Admonition, nodes.block_quote, nodes.definition, nodes.entry)
SCALE = 1.16  # of a formula to its text, here as in typeset.css: letters of the same height
LEAST_SCALE = 0.75

logger = logging.getLogger(__name__)


class TexError(ValueError):
    """TeX that MathJax refuses; the message is MathJax's."""


# --- MathJax ---------------------------------------------------------------------------------------------------------


def mathjax_folder():
    for module, wheel in (
        ("py_mini_racer", "mini-racer"),
        ("sphinx-mathjax-offline", "sphinx-mathjax-offline"),
    ):
        spec = importlib.util.find_spec(module)
        if spec is None:
            raise ExtensionError(f"typeset needs {wheel}: pip install {wheel}")
    return Path(spec.origin).parent / "static" / "mathjax"


def serve(requests, answers):
    """Answer each line of `requests`, a formula as JSON, with one line: what `typeset` of typeset.js returns."""
    from py_mini_racer import MiniRacer

    v8 = MiniRacer()
    for component in COMPONENTS:
        v8.eval((mathjax_folder() / component).read_text(encoding="utf-8") + "\n;0")
        if component == "core.js":  # the components look for MathJax's loader, which nothing here uses
            v8.eval("MathJax._.components.package = {}; MathJax._.components.loader = {}; 0")
    v8.eval((HERE / "typeset.js").read_text(encoding="utf-8") + "\n;0")
    for request in requests:
        try:
            answer = v8.call("typeset", request.decode(), timeout_sec=SECONDS_A_FORMULA)
        except Exception as error:
            answer = json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"})
        answers.write(json.dumps(json.loads(answer)).encode() + b"\n")
        answers.flush()


class Engine:
    """MathJax in a process of its own, started by the first formula: V8 does not survive a parallel build's fork."""

    def __init__(self):
        self.process = self.owner = None

    def typeset(self, tex, display, macros):
        if self.owner != os.getpid():
            self.process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self.owner = os.getpid()
        request = json.dumps({"tex": tex, "display": display, "macros": macros})
        with suppress(BrokenPipeError):
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise ExtensionError(f"typeset: the MathJax process ended with status {self.process.wait()}")
        result = json.loads(answer)
        if "error" in result:
            raise TexError(result["error"])
        return result

    def close(self):
        if self.owner == os.getpid():
            self.process.communicate()
        self.process = self.owner = None


# --- What was typeset before -----------------------------------------------------------------------------------------


class Cache:
    """Formulas and the glyphs they use, in a file that several processes may read and write."""

    def __init__(self, path, fingerprint):
        self.path, self.fingerprint = path, fingerprint
        self.connection = self.owner = None

    def _open(self):
        if self.owner != os.getpid():  # a connection must not cross a fork
            try:
                self._connect()
            except sqlite3.DatabaseError:  # a damaged file: what it held can be made again
                self.connection.close()
                self.path.unlink()
                self._connect()
            self.owner = os.getpid()
        return self.connection

    def _connect(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = OFF")
        for table in ("formulas", "glyphs"):
            self.connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value TEXT, made_by TEXT)"
            )
            self.connection.execute(f"DELETE FROM {table} WHERE made_by != ?", (self.fingerprint,))

    def get(self, table, key):
        row = self._open().execute(f"SELECT value FROM {table} WHERE key = ?", (key,)).fetchone()
        return row and row[0]

    def put(self, table, items):
        rows = [(key, value, self.fingerprint) for key, value in items.items()]
        self._open().executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)

    def close(self):
        if self.owner == os.getpid():
            self.connection.close()
        self.connection = self.owner = None


# --- The renderer ----------------------------------------------------------------------------------------------------


class Typesetter:
    """Visitors for `math` and `math_block` nodes, and the glyphs for a page."""

    def __init__(self):
        self.engine = Engine()
        self.cache = self.macros = None

    def start(self, app):
        self.macros = check_macros(app.config.typeset_macros)
        made_by = hash_of(app.config.typeset_sources, self.macros)
        self.cache = Cache(Path(app.doctreedir) / "typeset.sqlite", made_by)

    def stop(self, app, exception):
        self.engine.close()
        if self.cache:
            self.cache.close()

    def formula(self, tex, display):
        """The formula as typeset.js returns it, without the glyphs' paths; TexError if it does not compile."""
        key = hash_of(tex, display)
        known = self.cache.get("formulas", key)
        if known is not None:
            return json.loads(known)
        result = self.engine.typeset(tex, display, self.macros)
        self.cache.put("glyphs", result.pop("glyphs"))
        self.cache.put("formulas", {key: json.dumps(result)})
        return result

    def visit_inline(self, translator, node):
        markup = self.markup(translator, node, node.astext().strip(), display=False)
        translator.body.append(
            translator.starttag(node, "span", "", CLASS="math notranslate nohighlight typeset")
        )
        translator.body.append(markup + "</span>")
        raise nodes.SkipNode

    def visit_display(self, translator, node):
        tex = node.astext().strip()
        markup = self.markup(translator, node, tex if node.get("nowrap") else with_rows(tex), display=True)
        translator.body.append(
            translator.starttag(node, "div", "", CLASS="math notranslate nohighlight typeset")
        )
        if node.get("number"):
            translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
            translator.add_permalink_ref(node, _("Link to this equation"))
            translator.body.append("</span>")
        translator.body.append(markup + "</div>\n")
        raise nodes.SkipNode

    def markup(self, translator, node, tex, display):
        # Titles are also rendered alone, for the tables of contents of other pages. These have neither the glyphs of
        # this page nor a use for the TeX, and what is wrong with a title is said where it stands.
        alone = translator.document.get("source") == "<partial node>"
        try:
            formula = self.formula(tex, display)
        except TexError as error:
            if not alone:
                message = f"formula does not compile: {error}, in: {shortened(tex)}"
                logger.warning(message, location=place_of(node, translator), type="typeset", subtype="tex")
            return f'<code class="typeset-error">{html.escape(tex)}</code>'

        text = f'<span class="typeset-mathml">{formula["mathml"]}</span>'
        if not alone:
            mark = "$$" if display else "$"
            text += f'<span class="typeset-tex" aria-hidden="true">{mark}{html.escape(tex)}{mark}</span>'
        room = ROOM - ROOM_TAKEN * (bool(node.get("number")) + ancestors(node, NARROWING))
        pictures = text + "<wbr/>".join(picture(formula, piece, display, room) for piece in formula["pieces"])
        if alone:
            pictures = re.sub(
                r'<use href="#([^"]+)"(?: x="([^"]+)")?(?: y="([^"]+)")?', self.drawn_glyph, pictures
            )
        return pictures

    def drawn_glyph(self, match):
        name, x, y = match.groups()
        moved = f' transform="translate({x or 0},{y or 0})"' if x or y else ""
        return f'<path d="{self.cache.get("glyphs", name)}"{moved}'

    def define_glyphs(self, app, pagename, templatename, context, doctree):
        """Put the path of each glyph that the page's formulas use in front of its text."""
        names = sorted(set(re.findall(r'<use href="#(tex-[^"]+)"', context.get("body") or "")))
        if names:
            paths = "".join(f'<path id="{name}" d="{self.cache.get("glyphs", name)}"/>' for name in names)
            defs = f'<svg class="typeset-glyphs" aria-hidden="true" style="display:none"><defs>{paths}</defs></svg>\n'
            context["body"] = defs + context["body"]


def picture(formula, piece, display, room):
    height, width = formula["height"] + formula["depth"], piece["width"]
    wide = width / 1000 * (LEAST_SCALE if display else SCALE) > room
    focus = ' tabindex="0" role="group" aria-label="wide formula"' if wide else ""
    align = f"vertical-align:{-formula['depth'] / 1000:.3f}em"
    svg = (
        f'<svg aria-hidden="true" width="{width / 1000:.3f}em" height="{height / 1000:.3f}em" '
        f'viewBox="{piece["x"]:.5g} {-formula["height"]:.5g} {width:.5g} {height:.5g}"'
    )
    if display:
        return f'<div class="typeset-box" style="--width:{width / 1000:.3f}"{focus}>{svg}>{piece["body"]}</svg></div>'
    if wide:
        return f'<span class="typeset-box" style="{align}"{focus}>{svg}>{piece["body"]}</svg></span>'
    return f'{svg} style="{align}">{piece["body"]}</svg>'


def ancestors(node, kinds):
    count = 0
    while (node := node.parent) is not None:
        count += isinstance(node, kinds)
    return count


def with_rows(tex):
    r"""A displayed formula with rows that are in no environment (`a \\ b`, or an empty line between) gets one."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", tex) if part.strip()]
    parts = [rf"\begin{{split}}{part}\end{{split}}" if has_bare_rows(part) else part for part in parts]
    if len(parts) <= 1:
        return "".join(parts)
    return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"


INNERMOST_ENVIRONMENT = re.compile(r"\\begin\{([^{}]*)\}(?:(?!\\begin\{).)*?\\end\{\1\}", re.DOTALL)
INNERMOST_GROUP = re.compile(r"(?<!\\)\{[^{}]*\}")


def has_bare_rows(tex):
    for inner in (INNERMOST_ENVIRONMENT, INNERMOST_GROUP):
        while inner.search(tex):
            tex = inner.sub("", tex)
    return r"\\" in tex


def shortened(tex, length=80):
    tex = " ".join(tex.split())
    return tex if len(tex) <= length else tex[: length - 1] + "…"


def place_of(node, translator):
    """The nearest node that knows its line, else the page."""
    while node is not None and node.line is None:
        node = node.parent
    return node if node is not None else translator.builder.current_docname


def check_macros(macros):
    if not isinstance(macros, dict):
        raise ConfigError(f"typeset_macros must be a dict of name and TeX, not {macros!r}")
    for name, value in macros.items():
        tex, count = value if isinstance(value, list | tuple) and len(value) == 2 else (value, 0)
        sound = isinstance(tex, str) and isinstance(count, int) and 0 <= count <= 9
        if not re.fullmatch(r"[A-Za-z]+", str(name)) or not sound:
            raise ConfigError(
                "typeset_macros: a macro is letters and its TeX, or letters and [TeX, number of arguments], "
                f"not {name!r}: {value!r}"
            )
    return macros


def hash_of(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def hash_of_sources():
    own = [HERE / f"typeset.{kind}" for kind in ("py", "js", "css")]
    return hash_of([path.read_text(encoding="utf-8") for path in [*own, mathjax_folder() / "core.js"]])


def use_typeset(app, config):
    config.html_math_renderer = config.html_math_renderer or "typeset"
    config.html_static_path = [*config.html_static_path, str(HERE / "typeset.css")]


def setup(app):
    typesetter = Typesetter()
    app.add_config_value("typeset_macros", {}, "html")
    app.add_config_value("typeset_sources", hash_of_sources(), "html")  # a change of them rewrites all pages
    app.add_html_math_renderer("typeset", (typesetter.visit_inline, None), (typesetter.visit_display, None))
    app.add_css_file("typeset.css")
    app.connect("config-inited", use_typeset)
    app.connect("builder-inited", typesetter.start)
    app.connect("html-page-context", typesetter.define_glyphs)
    app.connect("build-finished", typesetter.stop)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # V8's own teardown can hang when the interpreter ends
