"""Formulas are typeset when the book is built: no script in a page, a typo stops the build, nothing is done twice."""

import io
import json
import re
import sys
import warnings
from pathlib import Path

import pytest
from accessibility import findings
from bs4 import BeautifulSoup

EXTENSIONS = Path(__file__).resolve().parents[2] / "book" / "_ext"
sys.path.insert(0, str(EXTENSIONS))

import typeset  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.errors import ConfigError, ExtensionError  # noqa: E402
from sphinx.util.docutils import docutils_namespace  # noqa: E402

CONFIG = {
    "project": "Formulas",
    "extensions": ["myst_nb", "typeset"],
    "html_theme": "sphinx_book_theme",
    "nb_execution_mode": "off",
    "myst_enable_extensions": ["amsmath", "colon_fence", "dollarmath"],
    "typeset_macros": {"RR": r"\mathbb{R}", "norm": [r"\lVert #1 \rVert", 1]},
    "numfig": True,
}
PLAIN = {"html_theme": "basic"}

INDEX = r"""
# Norms $L_2$

Half is $\frac{1}{2}$, a letter ($x$), a set $\RR$, a norm $\norm{v}$, and $a < b$.
See {eq}`adam` and {eq}`energy`.

$$
m_t = \beta_1 m_{t-1} \\
v_t = \beta_2 v_{t-1}
$$ (adam)

```{math}
:label: energy

E = m c^2
```

\begin{align}
p &= q \\
r &= s
\end{align}

$$\left( \begin{pmatrix} a & b \\ c & d \end{pmatrix} \right]$$

```{toctree}
other
output
```
"""

WIDE = " + ".join(f"x_{{{i}}}" for i in range(30))
OTHER = rf"""
# Wide

A long formula in a line, $y = {WIDE} = z$, may break. The fraction $\frac{{{WIDE}}}{{n}}$ may not.

$$ {WIDE} $$ (sum)

:::{{note}}
- In a list in a note (see {{eq}}`adam`)

  $$ {WIDE[:71]} $$
:::

| cell |
| ---- |
| $k \times k$ |
"""


LATEX_OUTPUT = r"$$\begin{align} u &= v \\ v &= w \end{align}$$"


def notebook():
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/latex": LATEX_OUTPUT}}
    title = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Output"}
    code = {
        "cell_type": "code",
        "id": "b",
        "metadata": {},
        "execution_count": 1,
        "source": "f()",
        "outputs": [output],
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    return json.dumps({"cells": [title, code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def build(folder, changes=None, parallel=1, **pages):
    """Build the pages (and those already there) → the folder of the site and what Sphinx warned of."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    warned = io.StringIO()
    config = {**CONFIG, **(changes or {})}
    with warnings.catch_warnings(), docutils_namespace():
        warnings.simplefilter("ignore")  # what the stock extensions deprecate
        places = folder, None, folder / "out", folder / "trees"
        app = Sphinx(*places, "html", config, status=None, warning=warned, parallel=parallel)
        app.build()
    return folder / "out", re.sub(r"\x1b\[[\d;]*m", "", warned.getvalue())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formulas") / "book"
    folder.mkdir()
    (folder / "output.ipynb").write_text(notebook(), encoding="utf-8")
    out, warned = build(folder, index=INDEX, other=OTHER)
    assert warned == ""
    return out


@pytest.fixture(scope="module")
def engine():
    engine = typeset.Engine()
    yield engine
    engine.close()


def page(site, name="index"):
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def tex_of(formula):
    return formula.select_one(".typeset-tex").text


def formula_with(soup, tex):
    (formula,) = [math for math in soup.select("article .math") if tex in tex_of(math)]
    return formula


# --- what a page holds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["index", "other", "output", "genindex", "search"])
def test_no_page_loads_a_script_or_a_font_for_its_formulas(site, name):
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert [tag for tag in soup.find_all("script") if "mathjax" in str(tag).lower()] == []
    assert "cdn.jsdelivr.net" not in text
    assert soup.select_one('link[href*="_static/typeset.css"]')
    assert (site / "_static" / "typeset.css").read_text() == (EXTENSIONS / "typeset.css").read_text()


def test_a_formula_is_a_picture_for_the_eye_mathml_for_the_ear_and_tex_for_the_clipboard(site):
    formula = formula_with(page(site), "frac{1}{2}")
    assert str(formula.math) == (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><mfrac><mn>1</mn><mn>2</mn></mfrac></math>'
    )
    assert tex_of(formula) == r"$\frac{1}{2}$"
    assert formula.select_one(".typeset-tex")["aria-hidden"] == formula.svg["aria-hidden"] == "true"
    assert formula.math.find_parent(attrs={"aria-hidden": True}) is None
    assert len(formula.svg.find_all("rect")) == 1  # the fraction's bar
    assert len(formula.svg.find_all("use")) == 2  # 1 and 2


def test_a_letter_is_as_wide_as_in_tex_and_stands_on_the_line(site):
    """cmmi10: x is 5.71527 pt wide at 10 pt; it has no depth, up to the 0.011 em by which round strokes hang over."""
    picture = formula_with(page(site), "$x$").svg
    assert float(picture["width"].removesuffix("em")) == pytest.approx(0.571527, abs=1e-3)
    depth = re.fullmatch(r"vertical-align:-([\d.]+)em", picture["style"]).group(1)
    assert float(depth) == pytest.approx(0.011, abs=1e-3)


def test_every_glyph_that_a_page_uses_is_defined_in_it_once(site):
    for name in ("index", "other", "output"):
        soup = page(site, name)
        used = {use["href"].removeprefix("#") for use in soup.find_all("use")}
        defined = [path["id"] for path in soup.select(".typeset-glyphs path")]
        assert used == set(defined) != set()
        assert len(defined) == len(set(defined))
        assert all(path["d"].startswith("m") for path in soup.select(".typeset-glyphs path"))


def test_glyphs_are_the_fonts_paths_with_relative_coordinates(engine):
    # In MathJax's font the minus sign is M84 237T84 250T98 270H679Q694 262 694 250T679 230H98Q84 237 84 250Z.
    path = engine.typeset("-", False, {})["glyphs"]["tex-N-2212"]
    assert path == "m84 237t0 13t14 20h581q15-8 15-20t-15-20h-581q-14 7-14 20z"


def test_text_that_means_something_in_html_is_escaped(site):
    formula = formula_with(page(site), "a < b")
    assert formula.math.mo.text == "<"
    assert "$a &lt; b$" in (site / "index.html").read_text(encoding="utf-8")


def test_macros_of_the_configuration(site):
    soup = page(site)
    assert formula_with(soup, r"\RR").math.text == "R"
    assert formula_with(soup, r"\RR").math.mi["mathvariant"] == "double-struck"
    assert formula_with(soup, r"\norm").math.text == "‖v‖"


def test_a_title_is_whole_wherever_it_is_shown(site):
    soup = page(site)
    assert soup.title.text.startswith("Norms L2 ")
    elsewhere = page(site, "other").select_one(
        ".prev-next-area .typeset svg"
    )  # the link back to the first page
    assert elsewhere.find("use") is None
    assert len(elsewhere.find_all("path")) == 2  # L and 2


def test_rows_get_an_environment_where_they_have_none(site):
    soup = page(site)
    assert len(formula_with(soup, "m_t").math.find_all("mtr")) == 2
    assert len(formula_with(soup, "p &= q").math.find_all("mtr")) == 2
    assert tex_of(formula_with(soup, "m_t")).startswith(r"$$\begin{split}m_t")
    assert "split" not in tex_of(formula_with(soup, "p &= q"))


@pytest.mark.parametrize(
    ("tex", "rows"),
    [
        (r"a \\ b", True),
        ("a = b", False),
        (r"\begin{cases} a \\ b \end{cases}", False),
        (r"\begin{aligned} \begin{cases} a \\ b \end{cases} \\ c \end{aligned}", False),
        (r"\begin{aligned} a \\ b \end{aligned} \\ c", True),
        (r"\substack{a \\ b} + \{ c \}", False),
    ],
)
def test_bare_rows_are_told_from_rows_of_an_environment(tex, rows):
    assert typeset.has_bare_rows(tex) is rows


def test_an_empty_line_in_a_formula_separates_rows():
    assert typeset.with_rows("a = b\n\nc = d\n") == r"\begin{aligned}a = b\\c = d\end{aligned}"


def test_latex_output_of_a_notebook_is_typeset(site):
    formula = page(site, "output").select_one(".cell_output .math")
    assert len(formula.math.find_all("mtr")) == 2
    assert formula.svg is not None


def test_a_formula_in_a_line_breaks_after_relations_outside_of_brackets_and_where_long_after_plus(engine):
    short, long = "a + b + c + d", " + ".join("abcdefghijkl")
    pieces = {
        f"y = {short}": 1,
        f"f(x) = {short} = {short} = y": 3,
        f"f(x) = ({long}) = y + z + w": 3,
        f"f(x) = {long}": 6,
        rf"\text{{what is long and has no place to break, {short}}}": 1,
    }
    for tex, count in pieces.items():
        result = engine.typeset(tex, False, {})
        assert len(result["pieces"]) == count, tex
        assert sum(piece["width"] for piece in result["pieces"]) == pytest.approx(result["width"])
        assert len(engine.typeset(tex, True, {})["pieces"]) == 1


# --- numbers and references ------------------------------------------------------------------------------------------


def test_numbers_permalinks_and_references(site):
    soup = page(site)
    links = {link.text: link["href"] for link in soup.select("article p a.reference")}
    assert links == {"(1)": "#equation-adam", "(2)": "#equation-energy"}
    for number, href in links.items():
        formula = soup.find(id=href[1:])
        formula = formula if "math" in formula.get("class", []) else formula.find_next(class_="math")
        assert formula.select_one(".eqno").text.startswith(number)
        assert formula.select_one(".eqno a.headerlink")["href"] == href
    assert [eqno.text[:3] for eqno in soup.select("article .eqno")] == [
        "(1)",
        "(2)",
        "(3)",
    ]  # align has one, too
    far = page(site, "other").select_one('a[href="index.html#equation-adam"]')
    assert far.text == "(1)"


# --- TeX that does not compile ---------------------------------------------------------------------------------------


BROKEN = {
    r"\frca{1}{2}": r"Undefined control sequence \frca",
    r"\frac{1": "Missing close brace",
    r"\left( x": r"Extra \left or missing \right",
    r"\begin{aligned} a": r"Missing \end{aligned}",
    "x^2^3": "Double exponent: use braces to clarify",
    "a & b": "Misplaced &",
    r"\def\x{\x}\x": "MathJax maximum macro substitution count exceeded; is here a recursive macro call?",
    r"x \tag{1}": r"\tag cannot be used: give the equation a label",
    r"x = \eqref{here}": r"\ref cannot be used: write {eq}`label`",
    r"\rule{}": r"Missing dimension or its units for \rule",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    text = "# Title\n\nSound: $x$.\n\n" + "".join(f"$$\n{tex}\n$$\n\n" for tex in BROKEN)
    return build(tmp_path_factory.mktemp("broken") / "book", PLAIN, index=text)


@pytest.mark.parametrize("tex", BROKEN)
def test_a_broken_formula_is_a_warning_with_its_page_line_and_reason(broken, tex):
    out, warned = broken
    line = 5 + 4 * list(BROKEN).index(tex)
    (warning,) = [text for text in warned.splitlines() if f"index.md:{line}: " in text]
    assert warning.endswith(f"index.md:{line}: WARNING: formula does not compile: {BROKEN[tex]}, in: {tex}")
    assert warned.count("WARNING") == len(BROKEN)
    assert tex in [code.text for code in page(out).select(".typeset-error")]


def test_one_formula_cannot_change_another_one(tmp_path):
    text = "# T\n\n" + r"$\newcommand{\mine}{x} \mine$" + "\n\nLater: " + r"$\mine$" + "\n"
    _, warned = build(tmp_path / "book", PLAIN, index=text)
    assert re.findall(r"index\.md:(\d+): WARNING: formula does not compile: (.*), in:", warned) == [
        ("5", r"Undefined control sequence \mine")
    ]


def test_a_broken_formula_in_a_title_is_reported_once(tmp_path):
    _, warned = build(tmp_path / "book", PLAIN, index="# Bad $\\frca$ title\n\n## And $x$\n")
    assert warned.count(r"Undefined control sequence \frca") == 1


def test_an_empty_formula_is_refused(engine):
    with pytest.raises(typeset.TexError, match="the formula is empty"):
        engine.typeset("", True, {})


# --- the second build ------------------------------------------------------------------------------------------------


def fail(*arguments):
    raise AssertionError(f"typeset again: {arguments}")


def test_what_was_typeset_is_not_typeset_again(tmp_path, monkeypatch):
    folder = tmp_path / "book"
    first, _ = build(folder, PLAIN, index="# T\n\n$x^2$.\n\n$$y_1$$\n")
    before = (first / "index.html").read_text()
    assert before.count("<svg") == 1 + 2

    with monkeypatch.context() as patch:
        patch.setattr(typeset.Engine, "typeset", fail)
        # The text is new, so the page is written anew; its formulas are known.
        second, warned = build(folder, PLAIN, index="# T\n\n$x^2$ and below\n\n$$y_1$$\n")
        assert warned == ""
        assert (second / "index.html").read_text().count("<svg") == 1 + 2
        # A formula that is new does need MathJax.
        with pytest.raises(Exception, match="typeset again"):
            build(folder, PLAIN, index="# T\n\n$x^3$\n")


def test_other_macros_make_other_formulas(tmp_path):
    folder = tmp_path / "book"
    text = "# T\n\n" + r"$\thing$" + "\n"
    for macro in ("a", "b"):
        out, _ = build(folder, {**PLAIN, "typeset_macros": {"thing": macro}}, index=text)
        assert page(out).math.text == macro


def test_a_damaged_cache_is_made_again(tmp_path):
    folder = tmp_path / "book"
    build(folder, PLAIN, index="# T\n\n$x$\n")
    (folder / "trees" / "typeset.sqlite").write_bytes(
        b"not a database, but long enough to be read as one" * 40
    )
    out, warned = build(folder, PLAIN, index="# T\n\n$x$, $y$\n")
    assert warned == ""
    assert [math.text for math in page(out).select("math")] == ["x", "y"]


@pytest.mark.skipif(sys.platform == "win32", reason="Sphinx builds in parallel only where there is fork")
def test_a_parallel_build_gives_the_same_pages(tmp_path):
    pages = {f"page{i}": f"# Page {i}\n\n$x_{{{i}}}$, $y$, $$\\sqrt{{{i}}}$$\n" for i in range(8)}
    index = "# All\n\n```{toctree}\n" + "\n".join(pages) + "\n```\n"
    sites = []
    for jobs in (1, 3):
        folder = tmp_path / f"jobs{jobs}"
        out, warned = build(folder, PLAIN, parallel=jobs, index=index, **pages)
        assert warned == ""
        sites.append({name: (out / f"{name}.html").read_text() for name in ["index", *pages]})
    assert sites[0] == sites[1]


def test_a_forked_process_uses_neither_the_pipes_nor_the_connection_of_its_parent(tmp_path, monkeypatch):
    engine, cache = typeset.Engine(), typeset.Cache(tmp_path / "cache.sqlite", "now")
    engine.typeset("x", False, {})
    cache.put("glyphs", {"x": "m0 0z"})
    process, connection = engine.process, cache.connection
    with monkeypatch.context() as patch:
        patch.setattr(typeset.os, "getpid", lambda: -1)
        engine.typeset("x", False, {})
        assert cache.get("glyphs", "x") == "m0 0z"
        assert engine.process is not process
        assert cache.connection is not connection
        engine.close()
        cache.close()
    process.communicate()
    connection.close()


# --- configuration and tools that are not there ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("macros", "words"),
    [
        (["RR"], r"must be a dict of name and TeX, not \['RR'\]"),
        ({"R2": "x"}, r"not 'R2': 'x'"),
        ({"RR": 3}, "not 'RR': 3"),
        ({"norm": ["x", "1"]}, "number of arguments"),
        ({"norm": ["x", 10]}, "number of arguments"),
    ],
)
def test_macros_that_cannot_be_are_refused(macros, words):
    with pytest.raises(ConfigError, match=words):
        typeset.check_macros(macros)


def test_missing_wheels_are_named(monkeypatch):
    monkeypatch.setattr(typeset.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExtensionError, match="pip install mini-racer"):
        typeset.mathjax_folder()


def test_a_mathjax_process_that_dies_is_an_error_not_a_wait(monkeypatch, tmp_path):
    copy = tmp_path / "typeset.py"
    copy.write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(typeset, "__file__", str(copy))
    engine = typeset.Engine()
    with pytest.raises(ExtensionError, match="ended with status 3"):
        engine.typeset("x", False, {})
    engine.close()


def test_another_renderer_may_be_chosen(tmp_path):
    choice = {**PLAIN, "html_math_renderer": "mathjax"}
    out, _ = build(tmp_path / "book", choice, index="# T\n\n$x$\n")
    assert page(out).select_one("article .typeset, .typeset") is None


# --- in a browser ----------------------------------------------------------------------------------------------------

OVERFLOWING = """() => [...document.querySelectorAll('.typeset-box')]
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.tabIndex)"""


def test_what_is_reckoned_to_fit_has_the_sizes_of_the_style_sheet():
    styles = (EXTENSIONS / "typeset.css").read_text(encoding="utf-8")
    assert f".math.typeset {{ direction: ltr; font-size: {typeset.SCALE}em;" in styles
    assert f"font-size: clamp({typeset.LEAST_SCALE}rem, 100cqi / var(--width), 1em)" in styles


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_wide_formulas_scroll_in_their_own_box_and_by_keyboard(site, browser, serve, width):
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(serve(site) + "other.html")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    reachable = tab.evaluate(OVERFLOWING)
    assert set(reachable) <= {0}
    assert len(reachable) == {320: 3, 390: 2, 1280: 2}[width]
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_formulas_have_the_color_of_the_text_and_no_axe_findings(site, browser, serve, scheme):
    for name in ("index", "other"):
        tab = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        tab.goto(serve(site) + f"{name}.html")
        colors = tab.evaluate(
            """() => { const use = document.querySelector('article p .typeset use');
                       return [getComputedStyle(use).fill, getComputedStyle(use.closest('p')).color]; }"""
        )
        assert colors[0] == colors[1]
        found = findings(tab, root=".bd-article")
        assert [(finding["id"], [node["html"] for node in finding["nodes"]]) for finding in found] == []
        tab.close()


def test_a_long_formula_in_a_line_breaks_and_keeps_its_brackets_and_its_comma(site, browser, serve):
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(serve(site) + "other.html")
    tops = "(node) => [...node.querySelectorAll('svg')].map((svg) => Math.round(svg.getBoundingClientRect().bottom))"
    lines = tab.eval_on_selector("article p .math", tops)
    assert len(lines) > 3
    assert 1 < len(set(lines)) < len(lines)
    tab.goto(serve(site) + "index.html")
    apart = tab.evaluate(
        """() => {
            const line = (box) => (box.top + box.bottom) / 2;
            const formula = [...document.querySelectorAll('article p .math')][1];  // the one in "a letter ($x$), a"
            const paragraph = formula.closest('p');
            const at = (node, i) => { const range = document.createRange(); range.setStart(node, i);
                                      range.setEnd(node, i + 1); return line(range.getBoundingClientRect()); };
            const before = formula.previousSibling, after = formula.nextSibling, widths = [];
            for (let width = 60; width < 500; width++) {
                paragraph.style.width = width + 'px';
                const here = line(formula.querySelector('svg').getBoundingClientRect());
                const gaps = [at(before, before.length - 1) - here, at(after, 0) - here];
                if (gaps.some((gap) => Math.abs(gap) > 12)) widths.push(width);
            }
            return [before.data.at(-1), after.data[0], widths];
        }"""
    )
    assert apart == ["(", ")", []]
    tab.close()


def test_the_clipboard_gets_tex(site, browser, serve):
    tab = browser.new_page()
    tab.goto(serve(site) + "index.html")
    copied = tab.evaluate(
        """() => { getSelection().selectAllChildren(document.querySelector('article p'));
                   return String(getSelection()); }"""
    )
    assert copied.replace("\n", "").startswith(r"Half is $\frac{1}{2}$, a letter ($x$), a set $\RR$,")
    tab.close()
