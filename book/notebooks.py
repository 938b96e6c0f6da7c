"""Run the chapters: `execute` fills the cache the book is built from, `tidy` keeps a notebook as it is committed.

python book/notebooks.py execute                 run what changed, two notebooks at a time, one thread each
python book/notebooks.py tidy [NOTEBOOK ...]     run, keep only the outputs of cells tagged nbval-check-output
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "notebooks"
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
COMPARED = "nbval-check-output"
PARALLEL = 2
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM")}


def run(path):
    """Execute one notebook in its own kernel and an empty folder → (notebook with outputs, seconds)."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": folder}},
            record_timing=False,  # it would go into the cells' metadata, by which the cache knows a notebook again
        ).execute()
    return notebook, time.perf_counter() - started


def source_digest():
    """What the outputs depend on besides the notebook's own code: the package, recorded results, the versions."""
    digest = hashlib.sha256(sys.version.encode())
    folders = [ROOT / "cnncourse", ROOT / "results"]
    files = [path for folder in folders if folder.exists() for path in sorted(folder.rglob("*"))]
    for path in [ROOT / "requirements.txt", *files]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def open_cache():
    """The cache of executed notebooks, emptied when anything that outputs depend on has changed."""
    stamp = CACHE / "course-digest"
    digest = source_digest()
    if CACHE.exists() and (not stamp.exists() or stamp.read_text() != digest):
        shutil.rmtree(CACHE)
    cache = get_cache(str(CACHE))
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
    return cache


def is_cached(cache, path):
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


def execute():
    """Run the notebooks whose code, or whose package, has changed; remember how long each took."""
    cache = open_cache()
    pending = [path for path in sorted(CHAPTERS.glob("*.ipynb")) if not is_cached(cache, path)]
    record = BUILD / "seconds.json"
    seconds = json.loads(record.read_text()) if record.exists() else {}
    failures = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for path, job in [(path, pool.submit(run, path)) for path in pending]:
            try:
                notebook, seconds[path.name] = job.result()
            except CellExecutionError as error:
                failures.append(f"{path.name}: {error.ename}: {error.evalue}\n{error.traceback}")
                continue
            bundle = CacheBundleIn(notebook, uri=str(path), data={"execution_seconds": seconds[path.name]})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"{path.name}: {seconds[path.name]:.1f} s")
    record.write_text(json.dumps(seconds, indent=1, sort_keys=True))
    if failures:
        sys.exit("\n\n".join(failures))


def kept_outputs(cell):
    """The outputs a committed cell keeps: those of a compared cell, as plain text."""
    if COMPARED not in cell.metadata.get("tags", []):
        return []
    outputs = []
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = None
            output.data = {"text/plain": output.data["text/plain"]}
        outputs.append(output)
    return outputs


def tidy(path):
    """Rewrite one notebook the way it is committed."""
    before = Path(path).read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    if any(COMPARED in cell.metadata.get("tags", []) for cell in notebook.cells):
        notebook, _ = run(path)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = kept_outputs(cell)
            if not cell.outputs:  # nbval compares only cells that bear the number of a run
                cell.execution_count = None
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    after = nbformat.writes(notebook) + "\n"
    if after != before:
        Path(path).write_text(after, encoding="utf-8")
        print(f"{Path(path).name}: rewritten")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["execute", "tidy"])
    parser.add_argument("notebook", nargs="*", type=Path, help="for tidy; all chapters when left out")
    options = parser.parse_args()
    os.environ.update(THREADS)
    if options.command == "execute":
        execute()
    else:
        for path in options.notebook or sorted(CHAPTERS.glob("*.ipynb")):
            tidy(path)


if __name__ == "__main__":
    main()
