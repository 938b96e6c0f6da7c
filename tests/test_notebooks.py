"""Every chapter runs by itself, in its own kernel and a foreign folder, and is committed the way it should be."""

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))

import shake  # noqa: E402

import notebooks  # noqa: E402

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPARED = "nbval-check-output"

every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def tags(cell):
    return cell.metadata.get("tags", [])


@every_chapter
def test_chapter_agrees_though_its_networks_start_a_millionth_off(path):
    """The second run of every chapter, the first being the book's: in a foreign folder, as nbval compares it, with one
    draw of changed weights where something trains. `make shake` tries the other ways in which machines differ."""
    assert shake.findings(path, {"COURSE_DRAW": "1"}) == []


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
            # What the last line returns would be shown, too: a second figure of the same name.
            if isinstance(ast.parse(cell.source).body[-1], ast.Expr):
                assert re.search(r";\s*(#.*)?$", cell.source), cell.source[-80:]


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
    core, _, further = markdown.partition("\n## Going further")
    if ":class: in-short" in core:
        assert further and len(re.findall(":class: mistake", core)) <= 2
        assert core.index(":class: in-short") < core.index("{admonition} Predict"), "In short comes first"
        assert len(prose(core).split()) <= 2200
    setups = [cell for cell in cells(path) if "setup" in tags(cell)]
    assert (len(setups) == 1 and setups[0] is cells(path)[0]) or setups[0].source == cells(path)[0].source


def prose(markdown):
    """The text without directives, formulas and what the exercises say."""
    main = markdown.partition("\n## Exercises")[0]
    return re.sub(r"```.*?```|\$\$.*?\$\$|^:::.*$", "", main, flags=re.S | re.M)


def test_no_chapter_is_costly():
    """Counted in LeNet epochs, so that a slow machine passes and a slow chapter does not."""
    record = notebooks.read(notebooks.COSTS)
    if not record:
        pytest.skip("the book has not been built: run `make book`")
    epochs = {name: seconds / record["lenet_epoch"] for name, seconds in record["chapters"].items()}
    epochs = {path.stem: epochs[path.stem] for path in CHAPTERS if path.stem in epochs}
    assert {name: cost for name, cost in epochs.items() if cost > 30} == {}
    assert statistics.mean(epochs.values()) <= 12, epochs


def small_notebook(path, *sources):
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": [COMPARED]}) for source in sources]
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    title = nbformat.v4.new_markdown_cell(f"# {path.stem}")
    setup = nbformat.v4.new_code_cell("import sys", metadata={"tags": ["setup"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[title, setup, *cells], metadata=metadata), path)


def test_what_was_executed_is_found_again(tmp_path):
    """The book is built from this cache: a notebook that is not found there would be run a second time."""
    path = tmp_path / "small.ipynb"
    small_notebook(path, "1 + 1", "sum(x * x for x in range(3_000_000))")
    cache = get_cache(str(tmp_path / "cache"))
    assert not notebooks.is_cached(cache, path)
    executed, seconds, faults = notebooks.run(path)
    cache.cache_notebook_bundle(CacheBundleIn(executed, uri=str(path)), check_validity=False, overwrite=True)
    assert notebooks.is_cached(cache, path)
    assert executed.cells[2].outputs[0].data["text/plain"] == "2"
    assert 0.1 < seconds < 600 and faults == []


def test_a_failing_cell_is_told_and_the_others_run(tmp_path):
    path = tmp_path / "small.ipynb"
    small_notebook(path, "1 / 0", "2 + 2", "assert False", "import os; os._exit(3)", "5 + 5")
    executed, _, faults = notebooks.run(path)
    assert faults[:2] == ["ZeroDivisionError: division by zero", "AssertionError"]
    assert len(faults) == 3 and faults[2].startswith("DeadKernelError: ")
    outputs = [cell.outputs for cell in executed.cells[2:]]
    assert [output.output_type for cell in outputs for output in cell] == [
        "stream",
        "execute_result",
        "stream",
    ]
    assert outputs[0][0].text == "ZeroDivisionError: division by zero\n"  # its sentence, no traceback


def test_a_site_is_built_whole_though_a_cell_fails(tmp_path):
    """`make book` in a small copy of the book: a notice in the chapter that failed, the other whole, status 1; and all
    is well again once the chapter is mended."""
    for name in ("_config.yml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "start.md").write_text("# Start\n\nHere it begins.\n")
    toc = "format: jb-book\nroot: start\nchapters:\n- file: notebooks/01_good\n- file: notebooks/02_bad\n"
    (tmp_path / "_toc.yml").write_text(toc)
    small_notebook(tmp_path / "notebooks/01_good.ipynb", "6 * 7")
    small_notebook(tmp_path / "notebooks/02_bad.ipynb", "8 * 8", "raise ValueError('planted here')", "9 * 9")

    def build():
        command = [sys.executable, str(tmp_path / "book/notebooks.py"), "book"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
        pages = [
            (tmp_path / f"_build/html/notebooks/{name}.html").read_text() for name in ("01_good", "02_bad")
        ]
        return done, *pages

    done, good, bad = build()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "02_bad: ValueError: planted here" in done.stdout.splitlines()
    assert "running" in done.stdout and "1 left, about" in done.stdout
    assert "42" in good and 'id="failed"' not in good
    assert 'id="failed"' in bad and "planted here" in bad and "Traceback" not in bad
    assert "64" in bad and "81" in bad  # the cells before and after it
    assert [path.name for path in (tmp_path / "_build/html/plain").iterdir()] == ["01_good.ipynb"]

    small_notebook(tmp_path / "notebooks/02_bad.ipynb", "8 * 8", "9 * 9")
    done, _, mended = build()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'id="failed"' not in mended and "81" in mended


# --- make shake -------------------------------------------------------------------------------------------------


def shaken(code, **environment):
    """What `code` prints in a Python that starts as `make shake` starts the notebooks'."""
    environment = os.environ | {"PYTHONPATH": str(shake.SHAKEN)} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_changed_weights_differ_by_a_millionth_and_equal_networks_stay_equal(tmp_path):
    code = """
import torch
nets = [torch.nn.Linear(64, 64, bias=False) for _ in range(2)]
nets[1].load_state_dict(nets[0].state_dict())
before = nets[0].weight.detach().clone()
point = torch.tensor([-1.2, 1.0], requires_grad=True)
after = torch.rand(1, generator=torch.Generator().manual_seed(0))
torch.manual_seed(0)
for net in nets:
    torch.optim.SGD(net.parameters(), lr=0.1)
torch.optim.SGD([point], lr=0.1)
off = (nets[0].weight / before - 1).std().item()
print(torch.equal(nets[0].weight, nets[1].weight), 0.8e-6 < off < 1.2e-6)
print(torch.equal(point, torch.tensor([-1.2, 1.0])), torch.equal(torch.rand(1), after))
"""
    told = tmp_path / "told"
    first = shaken(code, COURSE_DRAW="1", COURSE_CHANGED=str(told))
    assert first[:4] == ["True"] * 4 and told.exists()
    assert shaken(code, COURSE_DRAW="2")[:4] == ["True"] * 4
    assert shaken(code)[1] == "False"  # without a draw nothing changes


@pytest.mark.parametrize(
    "made",
    [
        "from cnncourse import scratch; import numpy as np\n"
        "weight = scratch.MLP((64, 64, 10), rng=np.random.default_rng(0)).params['weight1']",
        "from cnncourse import models; import torch; torch.manual_seed(0)\n"
        "weight = models.build('lenet5').output.weight",
    ],
    ids=["scratch.MLP", "models.build"],
)
def test_networks_start_off_where_no_optimizer_is_made(made):
    code = made + "\nprint(*(float(number) for number in weight[0, :2]))"
    plain, first, second = (
        np.array([float(number) for number in shaken(code, COURSE_DRAW=draw)]) for draw in ("", "1", "2")
    )
    for other in (first, second):
        assert (other != plain).all() and np.abs(other / plain - 1).max() < 6e-6
    assert (first != second).all()


def test_shake_lists_what_differs_and_what_raises(tmp_path, capsys):
    path = tmp_path / "chaos.ipynb"
    small_notebook(
        path,
        "import torch\nnet = torch.nn.Linear(1, 1)\ntorch.nn.init.ones_(net.weight)\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=1)",
        "print('always')\nprint(net.weight.item() == 1)",
        "assert net.weight.item() == 1, 'the weight has moved'",
    )
    notebooks.tidy(path)
    capsys.readouterr()
    assert shake.shake([path], draws=2, only=["draw-1", "torch-default"]) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"chaos, draw-1: cell 3 \(\w+\): True   became   False", first)
    assert re.fullmatch(r"chaos, draw-1: cell 4 \(\w+\): raises AssertionError: the weight has moved", second)


def test_chapters_in_which_nothing_trains_are_drawn_once(tmp_path, monkeypatch):
    ran = []

    def findings(path, changed):
        ran.append((path.stem, changed["COURSE_DRAW"]))
        if path.stem == "trains":
            Path(changed["COURSE_CHANGED"]).touch()
        return []

    monkeypatch.setattr(shake, "findings", findings)
    monkeypatch.setattr(shake, "VARIATIONS", {})
    assert shake.shake([tmp_path / "trains.ipynb", tmp_path / "rests.ipynb"], draws=3) == 0
    assert sorted(ran) == [("rests", "1"), ("trains", "1"), ("trains", "2"), ("trains", "3")]


def test_every_variation_has_its_job_in_the_scheduled_workflow():
    workflow = yaml.safe_load((ROOT / ".github/workflows/shake.yml").read_text())
    tried = " ".join(workflow["jobs"]["shake"]["strategy"]["matrix"]["variation"]).split()
    assert tried == list(shake.variations(draws=3))
