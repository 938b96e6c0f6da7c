"""Plain notebooks: each MyST construct before and after, what must fail, and that nothing of MyST is left."""

import ast
import base64
import copy
import importlib.util
import re
import sys
from pathlib import Path
from unittest.mock import Mock

import nbformat
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "book"))

import plain  # noqa: E402

REPOSITORY = "https://github.com/owner/course"
SITE = "https://owner.github.io/course"
PAGE = "notebooks/05_edges"
PREFIX = "application/papermill.record/"
ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BIBLIOGRAPHY = r"""
@article{lecun1998, author = {LeCun, Yann and Bottou, L{\'e}on and Bengio, Yoshua and Haffner, Patrick},
  title = {Gradient-based learning applied to document recognition}, journal = {Proceedings of the {IEEE}},
  volume = {86}, number = {11}, pages = {2278--2324}, year = {1998}, doi = {10.1109/5.726791}}
@misc{sobel1968, author = {Sobel, Irwin and Feldman, Gary}, title = {A gradient operator}, year = {1968}}
@inproceedings{he2016b, author = {He, Kaiming}, title = {Identity mappings in {R}es{N}ets},
  booktitle = {ECCV}, year = {2016}, url = {https://arxiv.org/abs/1603.05027}}
@inproceedings{he2016a, author = {He, Kaiming}, title = {Deep residual learning}, booktitle = {CVPR}, year = {2016}}
@article{rosenblatt1962, author = {Block, H. D. and Knight, B. W. and Rosenblatt, F.}, title = {Layers},
  journal = {RMP}, year = {1962}}
@misc{unsigned1970, title = {The {\'E}cole}, year = {1970}}
@article{maaten2008, author = {van der Maaten, Laurens}, title = {Visualizing data}, journal = {JMLR}, year = {2008}}
"""
TITLES = {PAGE: "Edges", "notebooks/06_shapes": "Shapes", "book/notation": "Notation"}
LABELS = {"symbols": ("book/notation", "symbols", "Symbols")}

# What must not stand in a plain notebook, written apart from the module's own list.
MYST = re.compile(
    r"\{[a-zA-Z][^{}`\s]*\}`|^[\s>]*(```+|~~~+)\s*\{|^[\s>]*:::|^\s*\(.*\)=$|\{\{\s*\w+\s*\}\}|^%|^\+\+\+"
)


# --- made notebooks ---------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    """A repository with the files that the made notebooks speak of."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/lenet.yaml").write_text("epochs: 1")
    (tmp_path / "book/dot.png").write_bytes(ONE_PIXEL)
    (tmp_path / "book/references.bib").write_text(BIBLIOGRAPHY, encoding="utf-8")
    return tmp_path


def setup_cell():
    return new_code_cell("import cnncourse", id="setup", metadata={"tags": ["setup", "hide-input"]})


def chapter(*cells):
    cells = [
        new_markdown_cell(cell, id=f"text-{i}") if isinstance(cell, str) else cell
        for i, cell in enumerate(cells)
    ]
    if any(cell.cell_type == "code" for cell in cells) and not any(cell.id == "setup" for cell in cells):
        cells.insert(0, setup_cell())
    return new_notebook(cells=cells)


def glued(**values):
    """An executed notebook whose only cell glued these texts (the repr of the values) or bundles."""
    outputs = []
    for name, value in values.items():
        bundle = value if isinstance(value, dict) else {"text/plain": value}
        data = {PREFIX + kind: content for kind, content in bundle.items()}
        record = {"name": name, "mime_prefix": PREFIX}
        outputs.append(new_output("display_data", data=data, metadata={"scrapbook": record}))
    return new_notebook(cells=[new_code_cell("", outputs=outputs)])


def convert(root, *cells, executed=None, **options):
    options = {"page": PAGE, "titles": TITLES, "labels": LABELS, "root": root} | options
    return plain.convert(
        chapter(*cells), executed=executed or glued(), bibliography=root / "book/references.bib", **options
    )


def text(root, *cells, **options):
    """The Markdown of a converted notebook without its reference list."""
    return "\n\n".join(
        cell.source
        for cell in convert(root, *cells, **options).cells
        if cell.cell_type == "markdown" and cell.id != "references"
    )


def myst_lines(notebook):
    """Lines of Markdown outside code and math that only MyST reads."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            source = re.sub(r"(?m)^[ >]*(```+|~~~+)[^{`\n]*\n(.*\n)*?[ >]*\1\s*$", "", cell.source)
            source = re.sub(r"\$[^$\n]*\$", "", source)
            found += [line for line in source.split("\n") if MYST.search(line)]
    return found


# --- one construct at a time ------------------------------------------------------------------------------------

BEFORE_AFTER = {
    "note": (":::{note}\nMind the *stride*.\n:::", "> **Note**\n>\n> Mind the *stride*."),
    "note on one line": ("```{note} Mind it.\n```", "> **Note**\n>\n> Mind it."),
    "see also": (":::{seealso}\nThere.\n:::", "> **See also**\n>\n> There."),
    "admonition with a class": (
        "```{admonition} Predict *before* you run\n:class: predict\n\nHow many?\n```",
        "> **Predict *before* you run**\n>\n> How many?",
    ),
    "options in YAML": (
        ":::{admonition} Answer\n---\nclass: answer dropdown\n---\nNine.\n:::",
        "<details>\n<summary>Answer</summary>\n\nNine.\n\n</details>",
    ),
    "folded, with markup in its title": (
        ":::{admonition} Why `k` < *n*?\n:class: dropdown\n- one\n- two\n:::",
        "<details>\n<summary>Why <code>k</code> &lt; <em>n</em>?</summary>\n\n- one\n- two\n\n</details>",
    ),
    "nested": (
        "::::{note}\nOuter.\n\n:::{tip}\nInner.\n:::\n\nOuter again.\n::::\nAfter.",
        "> **Note**\n>\n> Outer.\n>\n> > **Tip**\n> >\n> > Inner.\n>\n> Outer again.\n\nAfter.",
    ),
    "nested backticks with code": (
        "````{tip}\n```python\nx = [':::', '{ref}`a`']\n```\n````",
        "> **Tip**\n>\n> ```python\n> x = [':::', '{ref}`a`']\n> ```",
    ),
    "in a list": (
        "1. Why?\n\n   :::{admonition} Answer\n   :class: answer dropdown\n   Because.\n   :::\n\n2. How?",
        "1. Why?\n\n   <details>\n   <summary>Answer</summary>\n\n   Because.\n\n   </details>\n\n2. How?",
    ),
    "math in a quote, on one line": (
        ":::{note}\n$$\na % first\n+ b\n$$\n:::",
        "> **Note**\n>\n> $$ a + b $$",
    ),
    "quote": ("> As {kbd}`Esc` does.\n> Yes.", "> As <kbd>Esc</kbd> does.\n> Yes."),
    "exercise": (
        ":::{exercise} Sharpen `x`\n:label: ex-05-1\nDo it.\n:::",
        '<a id="ex-05-1"></a>\n**Exercise 05.1 (Sharpen `x`)**\n\nDo it.',
    ),
    "exercise without a label": ("```{exercise}\nDo it.\n```", "**Exercise 05.1**\n\nDo it."),
    "exercise without a number": (":::{exercise}\n:nonumber:\nDo.\n:::", "**Exercise**\n\nDo."),
    "solution": (
        ":::{exercise}\n:label: e\nDo.\n:::\n\n```{solution} e\n:class: dropdown\nDone.\n```",
        '<a id="e"></a>\n**Exercise 05.1**\n\nDo.\n\n'
        "<details>\n<summary>Solution to exercise 05.1</summary>\n\nDone.\n\n</details>",
    ),
    "label of a heading": (
        "(kernels-here)=\n## Kernels\n\nSee {ref}`kernels-here`, [here](#kernels-here), {ref}`this <kernels-here>`.",
        '<a id="kernels-here"></a>\n\n## Kernels\n\n'
        "See [Kernels](#kernels-here), [here](#kernels-here), [this](#kernels-here).",
    ),
    "equation with a label": (
        "$$\ny = a + b\n$$ (sum)\n\nBy {eq}`sum` and [](#sum).",
        '<a id="sum"></a>\n\n$$\ny = a + b \\tag{05.1}\n$$\n\nBy [(05.1)](#sum) and [(05.1)](#sum).',
    ),
    "equation on one line": ("$$y = a$$ (sum)", '<a id="sum"></a>\n\n$$\ny = a \\tag{05.1}\n$$'),
    "rows lined up": (
        "$$\na &= b \\\\\nc &= d\n$$",
        "$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n$$",
    ),
    "rows in an environment": (
        "$$\n\\begin{bmatrix} 1 & 0 \\\\ 0 & 1 \\end{bmatrix}\n$$",
        "$$\n\\begin{bmatrix} 1 & 0 \\\\ 0 & 1 \\end{bmatrix}\n$$",
    ),
    "math directive": (
        "```{math}\n:label: sum\na = b\n```",
        '<a id="sum"></a>\n\n$$\na = b \\tag{05.1}\n$$',
    ),
    "math is left alone": (r"$\mathbf{{x}}_{i}$ and $a_{`}$", r"$\mathbf{{x}}_{i}$ and $a_{`}$"),
    "math inside a paragraph": ("so $a\n= b$ and $$c$$ here", "so $a = b$ and $$c$$ here"),
    "comments and breaks": ("One.\n% hidden\nTwo.\n+++\nThree.", "One.\n\nTwo.\n\nThree."),
    "small roles": (
        "{math}`a^2`, {sub}`2`, {sup}`n`, {kbd}`Ctrl`, {code}`x*y`, {term}`stride`, {term}`strides <stride>`",
        "$a^2$, <sub>2</sub>, <sup>n</sup>, <kbd>Ctrl</kbd>, `x*y`, stride, strides",
    ),
    "abbreviation": (
        '{abbr}`GAP (global "average" pooling)`',
        '<abbr title="global &quot;average&quot; pooling">GAP</abbr>',
    ),
    "role in bold across lines": ("**see {term}`max\npooling`**", "**see max pooling**"),
    "code is left alone": (
        "`{ref}` is ``{cite}`x` `` here\n\n```text\n{ref}`x`\n:::{note}\n```",
        "`{ref}` is ``{cite}`x` `` here\n\n```text\n{ref}`x`\n:::{note}\n```",
    ),
    "braces are left alone": (r"The set {0, 1} \{a\}, 5 % and a + b", r"The set {0, 1} \{a\}, 5 % and a + b"),
    "outside links": (
        "[paper](https://arxiv.org/abs/1512.03385) <https://x.org> [](https://x.org) [m](mailto:a@x.org)",
        "[paper](https://arxiv.org/abs/1512.03385) <https://x.org> <https://x.org> [m](mailto:a@x.org)",
    ),
    "table": ("| a | b |\n|---|---|\n| {kbd}`x` | 2 |", "| a | b |\n|---|---|\n| <kbd>x</kbd> | 2 |"),
}


@pytest.mark.parametrize("name", BEFORE_AFTER)
def test_a_construct_becomes_plain_markdown(root, name):
    before, after = BEFORE_AFTER[name]
    converted = convert(root, before)
    assert converted.cells[0].source == after
    assert plain.leftovers(converted) == []


@pytest.mark.parametrize("name", BEFORE_AFTER)
def test_plain_markdown_stays_as_it_is(root, name):
    """What was translated once is not touched again: the output holds nothing that still means something."""
    after = BEFORE_AFTER[name][1]
    # Links to labels cannot be followed once their targets are plain; equations keep their own number.
    if "](#" not in after and "\n> $$" not in after:
        assert text(root, after) == after


def test_what_unfolds_is_read_as_markdown(root):
    """CommonMark, read by a parser that is not ours: lists and code in folds, quotes in quotes, lists that go on."""
    source = (
        "1. Why?\n\n   :::{admonition} Answer\n   :class: dropdown\n   - one\n\n   ```python\n   x\n   ```\n   :::\n\n"
        "2. How?\n\n::::{note}\n:::{tip}\n*deep*\n:::\n::::"
    )
    html = re.sub(r"\s*\n\s*", "", MarkdownIt("commonmark").render(text(root, source)))
    assert html.count("<ol>") == 1
    fold = re.search(r"<details>(.*?)</details>", html)[1]
    assert fold == (
        '<summary>Answer</summary><ul><li>one</li></ul><pre><code class="language-python">x</code></pre>'
    )
    assert "<blockquote><p><strong>Tip</strong></p><p><em>deep</em></p></blockquote></blockquote>" in html


# --- numbers, captions, links -----------------------------------------------------------------------------------


def figure_cell(name, caption, source="draw();"):
    figure = {"figure": {"name": name, "caption": caption}, "image": {"alt": "a drawing"}}
    return new_code_cell(source, id=name, metadata={"mystnb": figure})


def test_figures_of_cells_and_files_are_numbered_in_order_with_captions_below(root):
    converted = convert(
        root,
        "See {numref}`fig-b`, {numref}`panel %s <fig-a>`, {numref}`panel {number} <fig-a>` and [](#fig-b).",
        figure_cell("fig-a", "The $k$ of {cite:t}`sobel1968`: {glue:text}`ms:.1f` ms.\n\nMore."),
        "```{figure} ../book/dot.png\n:name: fig-b\n:alt: A dot\n:width: 80%\nA *dot*.\n```",
        executed=glued(ms="3.14159"),
    )
    first, _, _, caption, file = converted.cells[:5]
    first = next(cell for cell in converted.cells if cell.id == "text-0")
    assert first.source == (
        "See [Figure 05.2](#fig-b), [panel 05.1](#fig-a), [panel 05.1](#fig-a) and [Figure 05.2](#fig-b)."
    )
    assert caption.source == (
        '<a id="fig-a"></a>\n**Figure 05.1.** The $k$ of Sobel and Feldman (1968): 3.1 ms.\n\nMore.'
    )
    picture = base64.b64encode(ONE_PIXEL).decode()
    assert file.source == (
        f'<a id="fig-b"></a>\n![A dot](data:image/png;base64,{picture})\n\n**Figure 05.2.** A *dot*.'
    )


def test_a_picture_in_the_text_is_embedded(root):
    match = re.fullmatch(r"!\[dot\]\(data:image/png;base64,(.*)\)", text(root, "![dot](../book/dot.png)"))
    assert base64.b64decode(match[1]) == ONE_PIXEL


LINKS = "[shapes](06_shapes.ipynb), [](../book/notation.md), {doc}`/book/notation`, {doc}`it <06_shapes>`, "
LINKS += "{ref}`symbols`, [](../book/notation.md#symbols), {download}`the recipe <../recipes/lenet.yaml>`."


def test_links_lead_to_the_published_site_and_the_repository(root):
    linked = text(root, LINKS, site_url=f"{SITE}/", repository_url=REPOSITORY, repository_tag="v1")
    assert linked.split("\n")[0] == (
        f"[shapes]({SITE}/notebooks/06_shapes.html), [Notation]({SITE}/book/notation.html), "
        f"[Notation]({SITE}/book/notation.html), [it]({SITE}/notebooks/06_shapes.html), "
        f"[Symbols]({SITE}/book/notation.html#symbols), [Symbols]({SITE}/book/notation.html#symbols), "
        f"[the recipe]({REPOSITORY}/blob/v1/recipes/lenet.yaml)."
    )


def test_a_repository_address_with_git_at_its_end_is_cut_for_links_alone(root):
    options = {"repository_url": f"{REPOSITORY}.git", "repository_tag": "v1"}
    assert (
        text(root, "[r](../recipes/lenet.yaml)", **options) == f"[r]({REPOSITORY}/blob/v1/recipes/lenet.yaml)"
    )
    assert f"git+{REPOSITORY}.git@v1" in convert(root, setup_cell(), **options).cells[0].source


def test_a_bracket_full_of_code_that_is_no_link_takes_no_time(root):
    source = "[" + "`a` $b$ [c] " * 40 + "] no link"
    assert text(root, source) == source


def test_links_become_text_while_nothing_is_published(root):
    assert text(root, LINKS) == "shapes, Notation, Notation, it, Symbols, Symbols, the recipe."


def test_the_first_cell_links_back_to_the_published_page(root):
    cells = convert(root, "# Edges\n\nWhy?", "More.", site_url=SITE).cells
    assert cells[0].source == (
        f"# Edges\n\nWhy?\n\n*The published page of this chapter: [Edges]({SITE}/notebooks/05_edges.html)*"
    )
    assert cells[1].source == "More."


# --- citations and glued values ---------------------------------------------------------------------------------


def test_citations_become_names_and_a_reference_list(root):
    cells = convert(
        root,
        "{cite:t}`lecun1998` after {cite:p}`sobel1968,maaten2008`, {cite}`he2016b`, {cite:t}`sobel1968,he2016a`.",
    ).cells
    assert cells[0].source == (
        "LeCun et al. (1998) after (Sobel and Feldman, 1968; van der Maaten, 2008), (He, 2016b), "
        "Sobel and Feldman (1968) and He (2016a)."
    )
    assert cells[-1].source.split("\n") == [
        "## References",
        "",
        "- (2016a) Kaiming He. Deep residual learning. In *CVPR*. 2016.",
        "- (2016b) Kaiming He. Identity mappings in ResNets. In *ECCV*. 2016. "
        "URL: [https://arxiv.org/abs/1603.05027](https://arxiv.org/abs/1603.05027).",
        "- Yann LeCun, Léon Bottou, Yoshua Bengio, and Patrick Haffner. Gradient-based learning applied to "
        "document recognition. *Proceedings of the IEEE*, 86(11):2278–2324, 1998. "
        "[doi:10.1109/5.726791](https://doi.org/10.1109/5.726791).",
        "- Irwin Sobel and Gary Feldman. A gradient operator. 1968.",
        "- Laurens van der Maaten. Visualizing data. *JMLR*, 2008.",
    ]


def test_letters_are_given_only_to_entries_that_are_cited_together(root):
    assert text(root, "{cite:t}`he2016b`") == "He (2016)"


def test_a_citation_names_the_first_of_three_and_the_title_of_a_work_without_authors(root):
    assert text(root, "{cite:t}`rosenblatt1962`, {cite:p}`unsigned1970`") == (
        "Block et al. (1962), (The École, 1970)"
    )


def test_no_citation_no_reference_list(root):
    assert [cell.id for cell in convert(root, "No one.").cells] == ["text-0"]


def test_glued_values_are_written_out(root):
    executed = glued(
        ms="3.14159", word="'a*b'", shape="(1, 2)", formula={"text/latex": "$x^2$", "text/plain": "x"},
        bold={"text/markdown": "**b**"}, plot={"image/png": "AAAA\n", "text/plain": "<Figure>"},
    )  # fmt: skip
    source = "{glue:text}`ms:.2f` {glue:text}`word` {glue:}`word` {glue}`shape` {glue:any}`formula` {glue:md}`bold`"
    assert text(root, source, executed=executed) == r"3.14 a\*b a\*b (1, 2) $x^2$ **b**"
    assert text(root, "{glue}`plot`", executed=executed) == "![plot](data:image/png;base64,AAAA)"


def test_substitutions_are_filled_in(root):
    assert (
        text(root, "Version {{ version }}.", substitutions={"version": "{kbd}`1`"}) == "Version <kbd>1</kbd>."
    )


# --- code cells -------------------------------------------------------------------------------------------------


def test_a_solution_keeps_its_code_folded_and_its_text_in_details(root):
    cells = convert(
        root,
        ":::{exercise}\n:label: e\nDo.\n:::\n\nTry.\n\n```{solution-start} e\n:class: dropdown\n```\nFirst.",
        new_code_cell("assert 1 + 1 == 2", id="inside", metadata={"tags": ["nbval-check-output"]}),
        "Then.",
        new_code_cell("%%time\n3", id="magic"),
        "```{solution-end}\n```\n\nAfter.",
        new_code_cell("4", id="outside"),
    ).cells
    details = "<details>\n<summary>Solution to exercise 05.1{}</summary>\n\n{}\n\n</details>"
    assert [cell.source for cell in cells[1:]] == [
        '<a id="e"></a>\n**Exercise 05.1**\n\nDo.\n\nTry.\n\n' + details.format("", "First."),
        "#@title Solution (double-click to see it)\nassert 1 + 1 == 2",
        details.format(", continued", "Then."),
        "%%time\n#@title Solution (double-click to see it)\n3",
        "After.",
        "4",
    ]
    assert cells[2].metadata == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert cells[6].metadata == {}


def test_a_solution_of_code_alone_is_announced(root):
    cells = convert(
        root,
        "```{exercise}\n:label: e\nDo.\n```",
        "```{solution-start} e\n```",
        new_code_cell("1", id="inside"),
        "```{solution-end}\n```",
    ).cells
    assert [cell.source for cell in cells[2:]] == [
        "**Solution to exercise 05.1**",
        "#@title Solution (double-click to see it)\n1",
    ]


@pytest.mark.parametrize("tag", ["hide-input", "hide-cell", "remove-input", "remove-cell"])
def test_hidden_code_is_kept_and_folded(root, tag):
    tags = [tag, "raises-exception", "nbval-check-output"]
    cell = convert(root, new_code_cell("glue()", id="a", metadata={"tags": tags})).cells[1]
    assert cell.source == "#@title Code (double-click to see it)\nglue()"
    assert cell.metadata == {
        "jupyter": {"source_hidden": True}, "cellView": "form", "tags": ["raises-exception"]
    }  # fmt: skip


def test_cells_that_the_site_does_not_show_are_left_out(root):
    hidden = new_markdown_cell("{unknown}`role`", id="hidden", metadata={"tags": ["remove-cell"]})
    raw = nbformat.v4.new_raw_cell(":::{unknown}", id="raw")
    assert [cell.id for cell in convert(root, hidden, raw, "Shown.").cells] == ["text-2"]


def test_the_setup_cell_installs_from_the_repository_at_its_tag_only_where_the_package_is_missing(
    root, monkeypatch
):
    cells = convert(
        root,
        new_code_cell("import math", id="setup", metadata={"tags": ["setup", "hide-input"]}),
        new_code_cell("import re", id="again", metadata={"tags": ["setup"]}),
        repository_url=REPOSITORY,
        repository_tag="v1.2",
    ).cells
    assert "pip" not in cells[1].source
    code = cells[0].source
    assert code.startswith("#@title Set-up: run this cell first") and code.endswith("\nimport math")
    assert cells[0].metadata["jupyter"] == {"source_hidden": True}

    wanted = ("pip", f'install -q "cnncourse @ git+{REPOSITORY}@v1.2"')
    for found, calls in [([True, True], []), ([None, True], [wanted])]:
        assert installed(code, found, monkeypatch) == calls
    with pytest.raises(Exception, match=r"missing: run `pip install .*@v1\.2\"`, then this cell again"):
        installed(code, [None, None], monkeypatch)


def installed(code, found, monkeypatch):
    """Run a set-up cell where looking for the package finds this → the magics that it called."""
    shell, answers = Mock(), iter(found)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: next(answers))
    exec(code, {"get_ipython": lambda: shell})
    return [call.args for call in shell.run_line_magic.call_args_list]


def test_without_a_repository_the_setup_cell_takes_the_newest_wheel_beside_the_notebook(
    root, tmp_path, monkeypatch
):
    code = convert(root, new_code_cell("x = 1", id="setup", metadata={"tags": ["setup"]})).cells[0].source
    monkeypatch.chdir(tmp_path)
    for version in ("0.1", "0.2"):
        Path(f"cnncourse-{version}-py3-none-any.whl").touch()
    wanted = ("pip", 'install -q "cnncourse-0.2-py3-none-any.whl"')
    assert installed(code, [None, True], monkeypatch) == [wanted]


def test_without_package_and_wheel_the_setup_cell_says_in_one_sentence_what_to_do(root, tmp_path):
    hiding = "import importlib.util\nimportlib.util.find_spec = lambda name: None"
    converted = convert(root, new_code_cell(hiding, id="hiding"), setup_cell())
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(converted, timeout=120, allow_errors=True, resources=folder).execute()
    assert converted.cells[1].outputs[0].traceback == [
        "The package cnncourse is missing: put its wheel, a file cnncourse-*.whl, beside this notebook and run this "
        "cell again, or run `pip install .` in the course's folder."
    ]


def test_what_a_cell_glues_is_shown_below_it_in_the_sentences_that_quote_it(root, tmp_path):
    quoting = (
        "It took {glue:text}`ms:.1f` ms ({glue:text}`share` of $t_{all}$). Nothing here. Again {glue:text}`ms` ms.\n\n"
        "| way | |\n|---|---|\n| loops | {glue:text}`loops` |\n\nBoth: {glue:text}`loops`, {glue:text}`share`."
    )
    setup = "import cnncourse\nfrom cnncourse.figures import glue"
    glue = 'glue("ms", 2.71)\nglue("share", "40 %")'
    converted = convert(
        root,
        new_code_cell(setup, id="setup", metadata={"tags": ["setup"]}),
        new_code_cell('glue("loops", 7)\nglue("unquoted", 1)', id="first"),
        new_code_cell(glue, id="second"),
        quoting,
        executed=glued(loops="5", unquoted="1", ms="3.14159", share="'39 %'"),
    )
    assert converted.cells[3].source.startswith("It took 3.1 ms (39 % of $t_{all}$). Nothing here.")
    assert converted.cells[2].source == glue
    NotebookClient(converted, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [[output.data["text/markdown"] for output in cell.outputs] for cell in converted.cells[1:3]]
    assert shown == [
        ["*With your values:* loops · **7**"],
        ["*With your values:* It took **2.7** ms (**40 %** of $t_{all}$)."],
    ]


def test_a_sentence_of_which_a_value_is_missing_is_not_shown(root, tmp_path):
    converted = convert(
        root,
        setup_cell(),
        new_code_cell('cnncourse.figures.glue("late", 2)', id="late"),
        "Both {glue:text}`early` and {glue:text}`late`.",
        executed=glued(early="1", late="2"),
    )
    NotebookClient(converted, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert converted.cells[1].outputs == []


def test_the_notebook_is_valid_without_outputs_and_the_argument_is_left_alone(root):
    output = new_output("stream", text="1\n")
    notebook = chapter("# One", setup_cell(), new_code_cell("1", id="a", execution_count=3, outputs=[output]))
    notebook.metadata["widgets"] = {"state": {}}
    before = copy.deepcopy(notebook)
    converted = plain.convert(
        notebook, page=PAGE, executed=notebook, bibliography=root / "book/references.bib", root=root
    )
    assert notebook == before
    nbformat.validate(converted)
    assert (converted.nbformat, converted.nbformat_minor) == (4, 5)
    assert set(converted.metadata) == {"kernelspec", "language_info"}
    assert converted.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in converted.cells] == [cell.id for cell in notebook.cells]
    assert all(not cell.outputs and cell.execution_count is None for cell in converted.cells[1:])


def test_a_plain_notebook_runs_from_top_to_bottom(root, tmp_path):
    converted = convert(
        root,
        "# Edges\n\n```{exercise}\n:label: e\nAdd.\n```",
        setup_cell(),
        figure_cell("fig-a", "None.", source="total = 1 + 1"),
        "```{solution-start} e\n```",
        new_code_cell("%%time\nassert total == 2", id="solution"),
        "```{solution-end}\n```",
        new_code_cell("total, cnncourse.__name__", id="last"),
        repository_url=REPOSITORY,
        repository_tag="v1",
    )
    NotebookClient(converted, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert converted.cells[-1].outputs[0].data["text/plain"] == "(2, 'cnncourse')"


# --- what must fail ---------------------------------------------------------------------------------------------

FAILURES = {
    "unknown directive": (":::{mermaid}\nA-->B\n:::", ["cell 1", "{mermaid}"]),
    "unknown directive in a fold": (
        "::::{note}\n:class: dropdown\n```{tableofcontents}\n```\n::::",
        ["{tableofcontents}"],
    ),
    "unknown role": ("See {py:func}`conv2d`.", ["{py:func}"]),
    "unknown label": ("See {ref}`nowhere`.", ["'nowhere'"]),
    "unknown anchor": ("See [it](#nowhere).", ["'nowhere'"]),
    "label without a title": ("(here)=\nText.\n\n{ref}`here`", ["'here' has no title"]),
    "label without a number": ("(here)=\n# Title\n\n{numref}`here`", ["'here' has no number"]),
    "label used twice": ("(here)=\n# A\n\n(here)=\n# B", ["here is used twice"]),
    "unknown page": ("[text](07_pooling.ipynb)", ["07_pooling.ipynb", "neither a page"]),
    "link out of the repository": ("[up](../..)", ["[up](../..)", "neither a page"]),
    "unknown key": ("{cite:p}`knuth1984`", ["'knuth1984'"]),
    "unknown glue": ("{glue:text}`seconds`", ["'seconds'"]),
    "unknown substitution": ("{{ seconds }}", ["{{ seconds }}"]),
    "solution to nothing": ("```{solution} ex-9\nx\n```", ["'ex-9'", "no exercise"]),
    "solution that stays open": (
        "```{exercise}\n:label: e\nx\n```\n\n```{solution-start} e\n```",
        ["of e", "never closed"],
    ),
    "solution that was not open": ("```{solution-end}\n```", ["{solution-end} without"]),
    "solution inside a box": (
        "```{exercise}\n:label: e\nx\n```\n::::{note}\n```{solution-start} e\n```\n::::",
        ["no plain form"],
    ),
    "fence that stays open": (":::{note}\nText", ["never closed", ":::{note}"]),
    "colon fence without a directive": (":::note\nText\n:::", ["colon fence", ":::note"]),
    "backtick in the title of a backtick fence": ("```{admonition} Why `k`\nx\n```", ["```{admonition} Why"]),
    "broken options": ('```{note}\n---\nclass: "a\n---\nx\n```', ["options of {note}"]),
    "footnote": ("Text[^1].\n\n[^1]: Note.", ["footnote [^1]"]),
    "definition list": ("Term\n: Definition", ["definition list"]),
    "bare environment": ("\\begin{align}\na\n\\end{align}", ["between $$ and $$"]),
    "picture that is missing": ("![x](../book/none.png)", ["no picture ../book/none.png"]),
    "picture in HTML": ('<img src="../book/dot.png">', ["![text](path)"]),
    "file that is no picture": ("![x](../recipes/lenet.yaml)", ["lenet.yaml is no picture"]),
    "link in MyST's own form": ("<project:#here>", ["<project:#here>"]),
    "link definition": ("[a][b]\n\n[b]: 06_shapes.ipynb", ["link definition"]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_translated_fails_and_is_named(root, name):
    source, words = FAILURES[name]
    with pytest.raises(ValueError) as error:
        convert(root, source)
    for word in [PAGE, *words]:
        assert word in str(error.value)


def test_all_problems_of_all_cells_are_told_at_once(root):
    with pytest.raises(ValueError) as error:
        convert(root, "{cite}`a1`", "fine", "{ref}`b2`")
    assert re.search(r"05_edges\.ipynb, cell 1: .*'a1'", str(error.value))
    assert re.search(r"05_edges\.ipynb, cell 3: .*'b2'", str(error.value))


def test_a_picture_that_is_too_large_to_embed(root):
    (root / "book/large.png").write_bytes(ONE_PIXEL + bytes(300 * 1024))
    with pytest.raises(ValueError, match=r"large\.png has 300 KB; at most 300 KB"):
        convert(root, "![x](../book/large.png)")


def test_a_glued_value_that_does_not_fit_its_format(root):
    with pytest.raises(ValueError, match=r"'word' cannot be written as '\.2f'"):
        convert(root, "{glue:text}`word:.2f`", executed=glued(word="'a'"))


def test_code_without_a_setup_cell_is_refused(root):
    with pytest.raises(ValueError, match="no code cell is tagged setup"):
        convert(root, new_code_cell("x", id="setup"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"repository_url": "github.com/o/n", "repository_tag": "v1"}, "repository_url .* 'github.com/o/n'"),
        ({"repository_url": 'https://x.org/"; rm', "repository_tag": "v1"}, "repository_url"),
        ({"repository_url": REPOSITORY}, "repository_tag .* got ''"),
        ({"repository_url": REPOSITORY, "repository_tag": "v 1"}, "repository_tag .* got 'v 1'"),
        ({"site_url": "owner.github.io"}, "site_url .* 'owner.github.io'"),
    ],
)
def test_settings_are_checked(root, options, words):
    with pytest.raises(ValueError, match=words):
        convert(root, "x", **options)


def test_arguments_are_checked(root):
    with pytest.raises(TypeError, match="notebook must be a notebook node, got str"):
        plain.convert("x", page=PAGE, executed=glued(), bibliography=root / "book/references.bib")
    with pytest.raises(ValueError, match=r"bibliography must be a BibTeX file, got .*none\.bib"):
        plain.convert(chapter("x"), page=PAGE, executed=glued(), bibliography=root / "none.bib")
    old = chapter("x")
    del old.cells[0]["id"]
    with pytest.raises(ValueError, match=r"05_edges\.ipynb must be in notebook format 4\.5"):
        plain.convert(old, page=PAGE, executed=glued(), bibliography=root / "book/references.bib")


# --- whole books ------------------------------------------------------------------------------------------------


def write(root, names, **options):
    notebooks = [root / f"notebooks/{name}.ipynb" for name in names]
    executed = {name: glued() for name in names}
    return plain.write_all(
        notebooks, executed=executed, bibliography=root / "book/references.bib", target=root / "out/plain",
        root=root, **options,
    )  # fmt: skip


def save(root, name, *cells):
    nbformat.write(chapter(*cells), root / f"notebooks/{name}.ipynb")


def test_chapters_refer_to_one_another(root):
    save(
        root,
        "05_edges",
        "# Edges",
        figure_cell("fig-05-a", "A."),
        "$$a$$ (eq-a)\n\nThen [](06_shapes.ipynb).",
    )
    save(root, "06_shapes", "# Shapes\n\nAs in {numref}`fig-05-a` and {eq}`eq-a`.\n\n$$b$$ (eq-b)")
    paths = write(root, ["05_edges", "06_shapes"], site_url=SITE)
    assert [path.name for path in paths] == ["05_edges.ipynb", "06_shapes.ipynb"]
    edges, shapes = (nbformat.read(path, as_version=4) for path in paths)
    nbformat.validate(edges)
    page = f"{SITE}/notebooks/05_edges.html"
    assert (
        f"As in [Figure 05.1]({page}#fig-05-a) and [(05.1)]({page}#equation-eq-a)." in shapes.cells[0].source
    )
    assert r"\tag{06.1}" in shapes.cells[0].source
    assert edges.cells[-1].source.endswith(f"Then [Shapes]({SITE}/notebooks/06_shapes.html).")


def test_nothing_is_written_unless_every_chapter_can_be(root):
    save(root, "05_edges", "# Edges")
    save(root, "06_shapes", "# Shapes\n\n{ref}`nowhere`")
    with pytest.raises(ValueError, match=r"notebooks/06_shapes\.ipynb, cell 1: .*'nowhere'"):
        write(root, ["05_edges", "06_shapes"])
    assert not (root / "out").exists()


def test_every_chapter_needs_its_outputs(root):
    save(root, "05_edges", "# Edges")
    with pytest.raises(ValueError, match="'05_edges' is missing"):
        plain.write_all(
            [root / "notebooks/05_edges.ipynb"], executed={}, bibliography=root / "book/references.bib",
            target=root / "out", root=root,
        )  # fmt: skip


WORDS = st.text("abcdefgh", min_size=3, max_size=6)
ROLES = st.sampled_from(
    ["{kbd}`#`", "{cite:t}`sobel1968`", "{term}`# <x>`", "$a_{#}$", "`#`", "**#**", "{ref}`# <symbols>`", "#"]
)
SENTENCE = st.builds(lambda role, word: role.replace("#", word), ROLES, WORDS)
FENCES = st.sampled_from(
    [":::{note}", "```{tip}", ":::{admonition} Title\n:class: dropdown", "```{exercise}", "> "]
)


def wrapped(opening, inner):
    """Blocks inside a block whose fence is longer than any inside."""
    body = "\n\n".join(inner)
    if opening == "> ":
        return "\n".join(f"> {line}".rstrip() for line in body.split("\n"))
    mark = opening[0] * (1 + max([2, *(len(run) for run in re.findall(rf"{re.escape(opening[0])}+", body))]))
    return f"{mark}{opening[3:]}\n{body}\n{mark}"


BLOCKS = st.recursive(
    SENTENCE, lambda inner: st.builds(wrapped, FENCES, st.lists(inner, min_size=1, max_size=3))
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    path = tmp_path_factory.mktemp("shelf") / "references.bib"
    path.write_text(BIBLIOGRAPHY, encoding="utf-8")
    return path


@settings(max_examples=60, deadline=None)
@given(blocks=st.lists(BLOCKS, min_size=1, max_size=4))
def test_no_myst_is_left_and_no_word_is_lost_however_blocks_are_nested(shelf, blocks):
    source = "\n\n".join(blocks)
    converted = plain.convert(chapter(source), page=PAGE, executed=glued(), bibliography=shelf, labels=LABELS)
    assert myst_lines(converted) == []
    words = r"\b[a-h]{3,6}\b"
    assert re.findall(words, converted.cells[0].source) == re.findall(
        words, re.sub(r"\{[\w:]+\}(?=`)", "", source)
    )


def test_every_chapter_of_the_course_has_a_plain_form(tmp_path):
    """All notebooks with stand-ins for glued values, so that nothing has to be executed here."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        pytest.skip("there is no chapter")
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    pages = re.findall(r"(?:file|root): (\S+)", toc)
    labels = {
        label: (page, label, label)
        for page in pages
        if (ROOT / f"{page}.md").exists()
        for label in re.findall(r"(?m)^\((.+)\)=$", (ROOT / f"{page}.md").read_text(encoding="utf-8"))
    }
    executed = {}
    for path in paths:
        keys = re.findall(r"\{glue[:\w]*\}`([^`:]+)", path.read_text(encoding="utf-8"))
        executed[path.stem] = glued(**dict.fromkeys(keys, "0.5"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    written = plain.write_all(
        paths,
        executed=executed,
        bibliography=ROOT / "book/references.bib",
        target=tmp_path,
        titles={page: page for page in pages},
        labels=labels,
        substitutions=config["sphinx"]["config"].get("myst_substitutions", {}),
        repository_url=REPOSITORY,
        repository_tag="v1",
        site_url=SITE,
    )
    assert [path.name for path in written] == [path.name for path in paths]
    for source, path in zip(paths, written, strict=True):
        converted = nbformat.read(path, as_version=4)
        assert myst_lines(converted) == []
        code = [cell.source for cell in converted.cells if cell.cell_type == "code"]
        original = [
            cell.source for cell in nbformat.read(source, as_version=4).cells if cell.cell_type == "code"
        ]
        assert len(code) == len(original)
        for new, old in zip(code, original, strict=True):
            assert new.endswith(old) or old.startswith("%%")
            if not old.startswith("%"):
                ast.parse(new)


def test_the_published_plain_notebooks_hold_no_myst():
    published = sorted((ROOT / "_build/html/plain").glob("*.ipynb"))
    if not published:
        pytest.skip("the book has not been built: run `make book`")
    for path in published:
        assert myst_lines(nbformat.read(path, as_version=4)) == []
