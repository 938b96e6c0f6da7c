"""Every chapter runs by itself, in its own kernel and a foreign folder, and is committed the way it should be."""

import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARED = "nbval-check-output"

every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def tags(cell):
    return cell.metadata.get("tags", [])


@every_chapter
def test_chapter_runs_in_a_foreign_folder_and_its_compared_cells_agree(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120",
               "-p", "no:cacheprovider", "-q", copy.name]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert [entry.name for entry in tmp_path.iterdir() if entry.name not in (path.name, "__pycache__")] == []


@every_chapter
def test_only_compared_cells_keep_their_output(path):
    for cell in cells(path):
        assert (cell.execution_count is None) == (not cell.outputs), "run `make tidy`"
        assert bool(cell.outputs) == (COMPARED in tags(cell)), f"run `make tidy`: {cell.source[:80]}"
        for output in cell.outputs:
            assert output.output_type == "stream" or set(output.data) == {"text/plain"}


@every_chapter
def test_cells_are_short(path):
    lengths = [len(cell.source.splitlines()) for cell in cells(path)]
    assert max(lengths) <= 30
    assert statistics.median(lengths) <= 8


@every_chapter
def test_every_figure_has_a_name_a_caption_and_alternative_text(path):
    for cell in cells(path):
        layout = cell.metadata.get("mystnb", {})
        if "figure" in layout or "image" in layout:
            assert len(layout.get("image", {}).get("alt", "")) >= 20, cell.source[:80]
            assert layout.get("figure", {}).get("caption"), cell.source[:80]
            assert layout["figure"].get("name"), cell.source[:80]


@every_chapter
def test_every_exercise_has_an_executed_solution(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    exercises = re.findall(r":label: (ex-\S+)", text)
    solutions = re.findall(r"\{solution(?:-start)?\} (ex-\S+)", text)
    assert 4 <= len(exercises) <= 6
    assert sorted(solutions) == sorted(exercises)

    # One Markdown cell may end a solution and start the next.
    inside, ran = None, False
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            ran = True
        for start, label in re.findall(r"\{solution-(start|end)\}[ ]?(ex-\S+)?", cell.source):
            if start == "end":
                assert ran, f"the solution of {inside} holds no code"
            inside, ran = label, False


@every_chapter
def test_the_chapter_has_its_parts(path):
    markdown = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert markdown.startswith("# ")
    assert re.search(r"^\*\*.+\?\*\*$", markdown, re.M), (
        "the opening question stands in bold on a line of its own"
    )
    assert "What to take along" in markdown
    assert "{admonition} Predict" in markdown
    assert 3 <= len(re.findall(r":class: answer dropdown", markdown)) <= 5
    setups = [cell for cell in cells(path) if "setup" in tags(cell)]
    assert (len(setups) == 1 and setups[0] is cells(path)[0]) or setups[0].source == cells(path)[0].source


def test_no_chapter_is_slow():
    record = ROOT / "_build/seconds.json"
    if not record.exists():
        pytest.skip("the book has not been built: run `make book`")
    seconds = json.loads(record.read_text())
    seconds = [seconds[path.name] for path in CHAPTERS if path.name in seconds]
    assert max(seconds) <= 60
    assert statistics.mean(seconds) <= 20


def test_what_was_executed_is_found_again(tmp_path, monkeypatch):
    """The book is built from this cache: a notebook that is not found there would be run a second time."""
    monkeypatch.syspath_prepend(str(ROOT / "book"))
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    import notebooks

    path = tmp_path / "small.ipynb"
    cell = nbformat.v4.new_code_cell("1 + 1", metadata={"tags": [COMPARED]})
    small = nbformat.v4.new_notebook(
        cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "x"}}
    )
    nbformat.write(small, path)
    cache = get_cache(str(tmp_path / "cache"))
    assert not notebooks.is_cached(cache, path)
    executed, seconds = notebooks.run(path)
    cache.cache_notebook_bundle(CacheBundleIn(executed, uri=str(path)), check_validity=False, overwrite=True)
    assert notebooks.is_cached(cache, path)
    assert executed.cells[0].outputs[0].data["text/plain"] == "2" and seconds > 0
