"""Run the chapters as other machines would, and list the cells that then say something else.

python book/shake.py [--draws 3] [--only NAME] [NOTEBOOK ...]

Each variation changes one thing: the starting weights of every network by one part in a million (`shaken/`), the vector
instructions of one library, or the number of threads. For each cell whose stored output differs, and each that raises,
one line goes to the standard output; nothing else does. The status is 1 if there is one. Chapters in which nothing
trains are run with the first draw only.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import nbformat

from notebooks import CHAPTERS, ONE_THREAD, ROOT

SHAKEN = ROOT / "book/shaken"

# What differs from one processor to the next, one library at a time, at an old and at a middle level.
VARIATIONS = {
    "torch-default": {"ATEN_CPU_CAPABILITY": "default"},
    "torch-avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "onednn-sse41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "onednn-avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "mkl-sse42": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "mkl-avx2": {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "openblas-nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "openblas-haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "numpy-x86-v2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "numpy-x86-v3": {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"},
    "threads-2": dict.fromkeys(ONE_THREAD, "2"),
}


def findings(path, changed=None):
    """Run one notebook under nbval, in a foreign folder → one sentence for each cell that raises or differs.

    changed    environment variables beside those of one thread
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        copy, report = Path(folder, "chapter", path.name), Path(folder, "report.xml")
        copy.parent.mkdir()
        shutil.copy(path, copy)
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600",
                   "-p", "no:cacheprovider", "-q", f"--junitxml={report}", copy.name]  # fmt: skip
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(SHAKEN)} | (changed or {})
        done = subprocess.run(command, cwd=copy.parent, env=environment, capture_output=True, text=True)
        if not report.exists():
            return [f"nothing ran: {(done.stdout + done.stderr)[-2000:]}"]
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        found = []
        for case in ElementTree.parse(report).iter("testcase"):
            for fault in [*case.findall("failure"), *case.findall("error")]:
                found.append(sentence(case.get("name"), fault.text or fault.get("message", ""), cells))
        left = [entry.name for entry in copy.parent.iterdir() if entry.name not in (copy.name, "__pycache__")]
        if left:
            found.append(f"leaves files behind: {', '.join(sorted(left))}")
        if done.returncode and not found:
            found.append(f"nbval ended with status {done.returncode}: {done.stdout[-2000:]}")
    return found


def sentence(name, report, cells):
    """cell 26 (a58b9440): what differs, or what was raised, from nbval's report on one cell."""
    lines = re.sub(r"(\x1b|#x1B)\[[\d;]*m", "", report).splitlines()
    number = int(re.search(r"Cell (\d+)", name)[1])
    if any(line.endswith("Cell outputs differ") for line in lines):
        stored, now = ([line[4:].strip() for line in lines if line.startswith(f"  {sign} ")] for sign in "+-")
        what = f"{' | '.join(stored)}   became   {' | '.join(now)}"
    else:
        raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b(?!  )", line)]
        what = f"raises {raised[-1] if raised else lines[-1]}"
    return f"cell {number + 1} ({cells[number].get('id')}): {what}"


def variations(draws, only=None):
    """name → environment, in the order in which they are run."""
    chosen = {f"draw-{draw}": {"COURSE_DRAW": str(draw)} for draw in range(1, draws + 1)} | VARIATIONS
    if unknown := sorted(set(only or ()) - set(chosen)):
        sys.exit(f"--only must be one of {', '.join(chosen)}, got {', '.join(unknown)}")
    return {name: chosen[name] for name in only or chosen}


def shake(paths, draws=3, only=None):
    """Run every variation of every notebook; print what was found. → how many findings."""
    started, count = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:

        def run(path, name, environment):
            changed = Path(folder, path.stem)
            if re.fullmatch(r"draw-\d+", name) and Path(folder, "draw-1").exists() and not changed.exists():
                return []
            return findings(path, {"COURSE_CHANGED": str(changed)} | environment)

        # Two notebooks at a time; those on two threads one after the other. The first draw tells what trains at all.
        for name, environment in variations(draws, only).items():
            with ThreadPoolExecutor(1 if name == "threads-2" else 2) as pool:
                work = [pool.submit(run, path, name, environment) for path in paths]
                for path, job in zip(paths, work, strict=True):
                    for line in job.result():
                        count += 1
                        print(f"{path.stem}, {name}: {line}", flush=True)
            if name == "draw-1":
                Path(folder, "draw-1").touch()
            print(f"{name}: done after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "notebook", nargs="*", help="a path or a name such as 12_initialization; all when left out"
    )
    parser.add_argument("--draws", type=int, default=3, help="draws of changed weights (3)")
    parser.add_argument("--only", nargs="*", help="names of variations")
    options = parser.parse_args()
    paths = [CHAPTERS / f"{Path(name).stem}.ipynb" for name in options.notebook] or sorted(
        CHAPTERS.glob("*.ipynb")
    )
    if missing := [path.stem for path in paths if not path.exists()]:
        sys.exit(f"no such chapter: {', '.join(missing)}")
    sys.exit(shake(paths, options.draws, options.only) > 0)


if __name__ == "__main__":
    main()
