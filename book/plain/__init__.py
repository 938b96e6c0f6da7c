"""Chapters as plain notebooks: what MyST adds to Markdown, said in the Markdown that every Jupyter and Colab shows.

write_all    every chapter → one notebook each in a folder; called at the end of the site's build
convert      one notebook → one notebook
leftovers    the lines of a notebook that only the site could show

A chapter is read twice: the first reading numbers its figures, equations and exercises and finds its labels, the
second writes. What cannot be translated is an error that names the notebook, the cell and the construct. Pictures
are embedded as data URIs, since Colab shows neither cell attachments nor files beside the notebook.

chapter.py    the cells of a chapter: text, code, captions, solutions that fold, the set-up cell
prose.py      blocks, directives and roles of a text, with links.py and citations.py
leftovers.py  what only the site could show        text.py  small pieces that the others share
"""

import re
from pathlib import Path

import nbformat
from pybtex.database import parse_file

from .chapter import Chapter
from .leftovers import leftovers
from .text import NOTHING, Book, Target, normalized

__all__ = ["convert", "leftovers", "write_all"]

ROOT = Path(__file__).resolve().parents[2]


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
        known |= first[page].prose.targets
    done, problems = {}, []
    for page, notebook in chapters.items():
        second = Chapter(notebook, page, book, executed[page], known, first[page].prose.citations.keys)
        done[page] = assembled(second.cells())
        problems += second.prose.problems
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
