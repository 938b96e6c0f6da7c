"""Run the chapters and build the book from them; keep a notebook as it is committed.

python book/notebooks.py book                    run what changed, two notebooks at a time, and build the site
python book/notebooks.py tidy [NOTEBOOK ...]     run, keep only the outputs of cells tagged nbval-check-output

A chapter with a failing cell does not keep the others from their pages: the site is built whole, the chapter carries a
notice, and the command ends with the list and status 1.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "notebooks"
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
COMPARED = "nbval-check-output"
PARALLEL = 2
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM")}
COSTS = BUILD / "costs.json"  # what each chapter cost, and what a LeNet epoch costs on this machine
FAILURES = BUILD / "failures.json"  # chapter → the sentences of its failing cells, for the notice in its page
CELL_SECONDS = 900  # a cell that needs longer hangs: the slowest needs a tenth of it on a slow machine


# --- one notebook -----------------------------------------------------------------------------------------------


def run(path, watch=None):
    """Execute one notebook in its own kernel and an empty folder → (notebook with outputs, processor seconds, faults).

    watch     called as watch(cells done, cells) before each cell
    faults    a sentence for each cell that failed; the cells after it have run all the same
    """
    notebook = nbformat.read(path, as_version=4)
    faults, seconds = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            allow_errors=True,
            coalesce_streams=True,  # a text that arrived in two parts is stored as one
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": folder}},
            record_timing=False,  # it would go into the cells' metadata, by which the cache knows a notebook again
        )
        with client.setup_kernel():
            try:
                for place, cell in enumerate(notebook.cells):
                    if watch:
                        watch(place, len(notebook.cells))
                    client.execute_cell(cell, place)
                    faults += take_errors(cell, place)
                seconds = processor_seconds(client)
            except (CellTimeoutError, DeadKernelError) as error:
                faults.append(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
    return notebook, seconds, faults


def take_errors(cell, place):
    """Replace the tracebacks among a cell's outputs by their sentences → the sentences."""
    sentences = []
    for place, output in enumerate(cell.get("outputs", [])):
        if output.output_type == "error":
            message = re.sub(r"\x1b\[[\d;]*m", "", output.evalue).strip().partition("\n")[0]
            sentences.append(f"{output.ename}: {message}" if message else output.ename)
            cell.outputs[place] = nbformat.v4.new_output("stream", name="stderr", text=sentences[-1] + "\n")
    return sentences


def processor_seconds(client):
    """The processor time that a kernel and the children it has waited for have used."""
    client.nb.cells.append(nbformat.v4.new_code_cell("print(sum(__import__('os').times()[:4]))"))
    client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1, store_history=False)
    return float(client.nb.cells.pop().outputs[0].text)


LENET_EPOCH = """
import time, torch
from torch.nn.functional import cross_entropy, pad
from cnncourse import data, models
torch.set_num_threads(1)
clothes = data.load("fashion_mnist_mini")
pictures, labels = pad(clothes.images.float() / 255, (2, 2, 2, 2)), clothes.labels
network = models.build("lenet5")
optimizer = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9)
def batches(first, last):
    for start in range(first, last, 128):
        optimizer.zero_grad()
        cross_entropy(network(pictures[start:start + 128]), labels[start:start + 128]).backward()
        optimizer.step()
batches(0, 1280)
begun = time.process_time()
batches(0, len(pictures))
print(time.process_time() - begun)
"""


def lenet_epoch():
    """The processor seconds of one training epoch of `lenet5` on the 10,000 embedded images, batches of 128, float32,
    one thread, in each of the processes that run beside each other. Chapters are charged in this unit."""
    command = [sys.executable, "-c", LENET_EPOCH]
    with ThreadPoolExecutor(PARALLEL) as pool:
        done = pool.map(
            lambda _: subprocess.run(command, check=True, capture_output=True, text=True), range(PARALLEL)
        )
        return [float(one.stdout) for one in done]


# --- all of them ------------------------------------------------------------------------------------------------


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


class Progress:
    """One line per chapter. In a terminal the last line tells live what is running; in a log nothing is overwritten."""

    def __init__(self, paths, costs, out=sys.stdout):
        self.out, self.live = out, out.isatty()
        self.started = time.monotonic()
        typical = statistics.mean(costs.values()) if costs else 1
        self.left = {path.stem: costs.get(path.stem, typical) for path in paths}  # name → expected cost
        self.total, self.count, self.done = sum(self.left.values()), len(paths), 0
        self.running = {}  # name → (since when, share of its cells that are done)
        self.lock = threading.Lock()

    def watch(self, name):
        def watch(place, count):
            with self.lock:
                since, _ = self.running.get(name, (time.monotonic(), 0))
                if place == 0 and not self.live:
                    print(f"{'':9}{name}: running", file=self.out, flush=True)
                self.running[name] = since, place / count
                if self.live:
                    told = ", ".join(
                        f"{each} {time.monotonic() - since:.0f} s ({share:.0%})"
                        for each, (since, share) in self.running.items()
                    )
                    width = shutil.get_terminal_size().columns - 1
                    print(
                        f"\r\x1b[K{f'running: {told}{self.rest()}'[:width]}",
                        end="",
                        file=self.out,
                        flush=True,
                    )

        return watch

    def finish(self, name, faults):
        with self.lock:
            since, _ = self.running.pop(name, (time.monotonic(), 0))
            self.done += 1
            self.left.pop(name)
            start = "\r\x1b[K" if self.live else ""
            verdict = f"FAILED, {faults[0]}" if faults else "done"
            line = f"[{self.done:2}/{self.count}]  {name}: {verdict}, {time.monotonic() - since:.0f} s{self.rest()}"
            print(f"{start}{line}", file=self.out, flush=True)

    def rest(self):
        """What is still to come, judged by what the chapters cost the last time."""
        gone = (
            self.total
            - sum(self.left.values())
            + sum(share * self.left.get(name, 0) for name, (_, share) in self.running.items())
        )
        if not self.left or not gone:
            return ""
        seconds = (time.monotonic() - self.started) * (self.total - gone) / gone
        return f"; {len(self.left)} left, about {duration(seconds)}"


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def execute():
    """Run the notebooks whose code, or whose package, has changed, and those that failed; remember what each cost.

    → {chapter: sentences of the cells that failed}
    """
    cache = open_cache()
    paths = sorted(CHAPTERS.glob("*.ipynb"))
    failures = {
        name: faults for name, faults in read(FAILURES).items() if (CHAPTERS / f"{name}.ipynb").exists()
    }
    pending = [path for path in paths if path.stem in failures or not is_cached(cache, path)]
    costs = read(COSTS).get("chapters", {})
    if not pending:
        return {}
    epochs = lenet_epoch()
    progress = Progress(pending, costs)
    with ThreadPoolExecutor(PARALLEL) as pool:
        jobs = {pool.submit(run, path, progress.watch(path.stem)): path for path in pending}
        for job in as_completed(jobs):
            path = jobs[job]
            notebook, seconds, faults = job.result()
            failures.pop(path.stem, None)
            if faults:
                failures[path.stem] = faults
            costs[path.stem] = seconds
            bundle = CacheBundleIn(notebook, uri=str(path), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            progress.finish(path.stem, faults)
            FAILURES.write_text(json.dumps(failures, indent=1, sort_keys=True))
    epochs += lenet_epoch()
    record = {"lenet_epoch": statistics.median(epochs), "chapters": costs}
    COSTS.write_text(json.dumps(record, indent=1, sort_keys=True))
    return failures


def book():
    """Run the chapters, build the site, and end with the list of what failed."""
    failures = execute()
    print("building the site …", flush=True)
    builder = shutil.which("jupyter-book", path=Path(sys.executable).parent)
    built = subprocess.run(
        [builder, "build", "--warningiserror", "--keep-going", "--quiet", str(ROOT)]
    ).returncode
    for name, faults in sorted(failures.items()):
        for fault in faults:
            print(f"{name}: {fault}")
    if failures:
        print(f"The site is in {BUILD / 'html'}; a notice stands in each of the chapters above.")
    sys.exit(1 if failures else built)


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
        notebook, _, faults = run(path)
        if faults:
            sys.exit(f"{path}: {faults[0]}")
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
    parser.add_argument("command", choices=["book", "tidy"])
    parser.add_argument("notebook", nargs="*", type=Path, help="for tidy; all chapters when left out")
    options = parser.parse_args()
    os.environ.update(ONE_THREAD)
    if options.command == "book":
        book()
    else:
        for path in options.notebook or sorted(CHAPTERS.glob("*.ipynb")):
            tidy(path)


if __name__ == "__main__":
    main()
