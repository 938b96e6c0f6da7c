"""What the site needs beyond its theme: launch links, explorers, light icons, accessible markup, plain notebooks.

The theme and the stock Jupyter Book extensions do the rest. Nothing here is downloaded: icons are cut from the theme's
own font, explorers come from `cnncourse.widgets`.
"""

import datetime
import logging as python_logging
import re
import shutil
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from fontTools import subset
from fontTools.ttLib import TTFont
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "book"))

import pictures  # noqa: E402
import plain  # noqa: E402

import notebooks  # noqa: E402

logger = logging.getLogger(__name__)

PLAIN = "plain"  # the folder of the plain notebooks in the published site

# Font Awesome's codes of the icons that the theme's templates and admonitions show, and the ones used here.
ICONS = {
    "angle-left": 0xF104, "angle-right": 0xF105, "angle-down": 0xF107, "chevron-down": 0xF078, "arrow-up": 0xF062,
    "bars": 0xF0C9, "list": 0xF03A, "magnifying-glass": 0xF002, "sun": 0xF185, "moon": 0xF186,
    "circle-half-stroke": 0xF042, "house": 0xF015, "download": 0xF019, "external": 0xF35D, "bell": 0xF0F3,
    "check-circle": 0xF058, "exclamation-circle": 0xF06A, "warning": 0xF071, "info-circle": 0xF05A,
    "lightbulb": 0xF0EB, "pencil": 0xF303, "search-minus": 0xF010, "share": 0xF064, "times-circle": 0xF057,
    "rocket": 0xF135, "xmark": 0xF00D,
}  # fmt: skip


# --- generated static files -------------------------------------------------------------------------------------


def cut_icon_font(target):
    """Write the few icons in use as a font of some 4 KB, in place of the theme's 540 KB script."""
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor"
    font = TTFont(theme / "fontawesome/webfonts/fa-solid-900.ttf")
    missing = sorted(name for name, code in ICONS.items() if code not in font.getBestCmap())
    if missing:
        logger.warning("icons missing from the theme's font: %s", ", ".join(missing))
    python_logging.getLogger("fontTools").setLevel("WARNING")  # it tells every table that it prunes
    options = subset.Options(flavor="woff", desubroutinize=True)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=ICONS.values())
    cutter.subset(font)
    font.flavor = "woff"
    font.save(target)


def write_generated_static(app):
    """Put generated files where Sphinx copies static files from."""
    from cnncourse import widgets

    folder = Path(app.doctreedir) / "course-static"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "explorers").mkdir(parents=True)
    for name, text in widgets.page_modules().items():
        (folder / "explorers" / name).write_text(text, encoding="utf-8")
    (folder / "explorer.css").write_text(widgets.stylesheet(), encoding="utf-8")
    cut_icon_font(folder / "icons.woff")
    app.config.html_static_path.append(str(folder))
    for name in ("explorer.css", "course.css"):
        app.add_css_file(name, priority=900)


# --- what is read again ---------------------------------------------------------------------------------------


def executed_since(app, env, added, changed, removed):
    """The chapters that ran after their pages were read: their outputs are new, though their files may be old."""
    created = {
        Path(record.uri).stem: record.created.replace(tzinfo=datetime.UTC).timestamp()
        for record in notebooks.open_cache().list_cache_records()
    }
    return [
        page
        for page, read in env.all_docs.items()
        if page.startswith("notebooks/") and created.get(Path(page).name, 0) > read / 1e6
    ]


# --- numbers ---------------------------------------------------------------------------------------------------


def number_by_chapter(app, env):
    """Figures, tables and equations of chapter 05 are 05.1, 05.2 …, as in its plain notebook; those of a page 1, 2 …"""
    for page, kinds in env.toc_fignumbers.items():
        chapter = re.match(r"notebooks/(\d+)", page)
        for kind, ids in kinds.items():
            kinds[kind] = {
                name: (chapter[1], place) if chapter else (place,) for place, name in enumerate(ids, start=1)
            }
    return []


# --- pages ------------------------------------------------------------------------------------------------------


def without_icon_script(html):
    """Drop the theme's icon script: `icons.woff` serves the same classes."""
    return re.sub(r"<script[^>]*fontawesome\.js[^>]*></script>", "", str(html))


def add_template_filters(app):
    templates = getattr(app.builder, "templates", None)
    if templates is not None:
        templates.environment.filters["without_icon_script"] = without_icon_script


def disclose(soup):
    """Turn admonitions of class `dropdown` into native disclosure elements: no script, keyboard for free."""
    for box in soup.select("div.admonition.dropdown"):
        title = box.find("p", class_="admonition-title", recursive=False)
        if title is None:
            continue
        box.name = "details"
        title.name = "summary"
        for link in title.find_all(
            "a"
        ):  # a link inside a control cannot be reached: the exercise stands above
            link.unwrap()


def unlabel_summaries(soup):
    """The fold of hidden input carries an aria-label that differs from what it shows; what it shows is enough."""
    for summary in soup.select("details > summary[aria-label]"):
        del summary["aria-label"]


def drop_misused_roles(soup):
    """A bibliography is marked as a list whose children are no list items; without the role it reads as it is."""
    for block in soup.select("div.citation-list[role=list]"):
        del block["role"]


def make_scrollable_reachable(soup):
    """What scrolls sideways must be reachable by keyboard: code, text outputs and wide tables."""
    for block in soup.select("div.highlight > pre, div.output.text_html"):
        if not block.select_one(".course-explorer"):  # an explorer has stops of its own and never overflows
            block["tabindex"] = "0"
    for table in soup.select("table"):
        parent = table.parent
        if "table-scroll" in (parent.get("class") or []):
            continue
        caption = table.find("caption")
        label = caption.get_text(" ", strip=True).rstrip("#") if caption else "Table"
        wrapper = soup.new_tag(
            "div", attrs={"class": "table-scroll", "tabindex": "0", "role": "group", "aria-label": label}
        )
        table.wrap(wrapper)


def failed():
    """page → the sentences of its cells that failed when the chapters were run"""
    return {f"notebooks/{name}": faults for name, faults in notebooks.read(notebooks.FAILURES).items()}


def tell_failures(soup, faults):
    """A chapter whose cells failed says so at its top: what stands below may lack outputs."""
    box = soup.new_tag("div", attrs={"class": "admonition danger", "id": "failed"})
    title = soup.new_tag("p", attrs={"class": "admonition-title"})
    title.string = "A cell of this chapter failed when this page was built"
    box.append(title)
    for fault in faults:
        line = soup.new_tag("p")
        line.string = fault
        box.append(line)
    soup.find("h1").insert_after(box)


def polish_body(app, pagename, templatename, context, doctree):
    """Make the page's body accessible where the stock writers are not."""
    if "body" not in context or doctree is None:
        return
    soup = BeautifulSoup(context["body"], "html.parser")
    if faults := failed().get(pagename):
        tell_failures(soup, faults)
    disclose(soup)
    unlabel_summaries(soup)
    drop_misused_roles(soup)
    make_scrollable_reachable(soup)
    originals = {name: Path(app.srcdir) / place for place, name in app.builder.images.items()}
    pictures.lighten(soup, originals, app.outdir, context["content_root"])
    context["body"] = str(soup)


def add_launch_links(app, pagename, templatename, context, doctree):
    """Links for a chapter: its plain notebook, and Colab and Binder when the repository is set."""
    options = app.config.html_theme_options
    url = (options.get("repository_url") or "").removesuffix(".git").rstrip("/")
    tag = options.get("repository_branch") or "main"
    context["course_repository"] = url
    context["course_tag"] = tag
    context["course_launch"] = links = []
    if not pagename.startswith("notebooks/") or pagename in failed():
        return
    name = Path(pagename).name
    links.append(
        ("download", "Download this chapter as a notebook", f"{context['content_root']}{PLAIN}/{name}.ipynb")
    )
    if not url:
        return
    slug = re.sub(r"^https?://github\.com/", "", url)
    links.append(("rocket", "Open in Colab",
                  f"https://colab.research.google.com/github/{slug}/blob/gh-pages/{PLAIN}/{name}.ipynb"))  # fmt: skip
    links.append(("rocket", "Open in Binder",
                  f"https://mybinder.org/v2/gh/{slug}/{tag}?urlpath=lab/tree/{pagename}.ipynb"))  # fmt: skip


def load_host_where_needed(app, pagename, templatename, context, doctree):
    """Only pages that hold an explorer load the script that mounts it."""
    if "course-explorer" in context.get("body", ""):
        app.add_js_file("explorer-host.js", type="module", loading_method="defer")


def drop_widget_state(app, pagename, templatename, context, doctree):
    """No widget manager runs in the page: explorers carry their own state, so the notebook's copy is dead weight."""
    NbMetadataCollector.get_js_files(app.env, pagename).pop("ipywidgets_state", None)


# --- after the build --------------------------------------------------------------------------------------------


def write_plain_notebooks(app, exception):
    """Publish, beside the pages, one notebook per chapter that any Jupyter can show, except of those that failed."""
    if exception is not None or app.builder.name != "html":
        return
    chapters = [
        name
        for name in app.env.toctree_includes.get(app.config.root_doc, [])
        if name.startswith("notebooks/") and name not in failed()  # what it glues may be missing
    ]
    if not chapters:
        return
    cache = notebooks.open_cache()
    executed = {}
    for name in chapters:
        source = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
        executed[Path(name).name] = cache.merge_match_into_notebook(source)[1]
    options = app.config.html_theme_options
    standard = app.env.domaindata["std"]
    labels = standard["anonlabels"] | standard["labels"]  # label → (page, anchor[, title])
    plain.write_all(
        [ROOT / f"{name}.ipynb" for name in chapters],
        executed=executed,
        bibliography=ROOT / "book/references.bib",
        target=Path(app.outdir) / PLAIN,
        repository_url=options.get("repository_url") or "",
        repository_tag=options.get("repository_branch") or "main",
        site_url=app.config.html_baseurl or None,
        titles={page: title.astext() for page, title in app.env.titles.items()},
        labels={label: (*place, "")[:3] for label, place in labels.items()},
        substitutions=app.config.myst_substitutions,
    )


def remove_unused_static(app, exception):
    """The theme's icon script and fonts, maps, and the pictures that no page loads need not be published."""
    if exception is not None or app.builder.name != "html":
        return
    pictures.remove_unused(app.outdir)
    static = Path(app.outdir) / "_static"
    for pattern in ("scripts/fontawesome.js*", "**/*.map", "vendor/fontawesome/webfonts/*.ttf",
                    "vendor/fontawesome/webfonts/fa-[br]*"):  # fmt: skip
        for path in static.glob(pattern):
            path.unlink()


def setup(app):
    app.add_config_value("comments_config", {}, "env")  # Jupyter Book sets it for an extension left out here
    app.connect("builder-inited", write_generated_static)
    app.connect("builder-inited", add_template_filters)
    app.connect("env-get-outdated", executed_since)
    app.connect("env-get-updated", number_by_chapter, priority=900)  # after Sphinx has numbered them through
    app.connect("html-page-context", drop_widget_state, priority=100)
    app.connect("html-page-context", polish_body, priority=400)
    app.connect("html-page-context", add_launch_links)
    app.connect("html-page-context", load_host_where_needed, priority=450)
    app.connect("build-finished", write_plain_notebooks)
    app.connect("build-finished", remove_unused_static)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
