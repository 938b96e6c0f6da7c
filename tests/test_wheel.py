"""The wheel and the sdist hold what they should, and the wheel alone runs a chapter."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

RUN = """
import sys, nbformat, nbclient, cnncourse
assert cnncourse.__file__.startswith(sys.prefix), cnncourse.__file__
from cnncourse.train import studies
assert len(studies.recorded("lenet_mnist")["seeds"]) == 3 and "lenet_mnist" in studies.studies()
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Build both from a copy of what git knows, so that stray files of a work tree cannot slip in."""
    source = tmp_path_factory.mktemp("source")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(source / "dist")],
        cwd=source, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = (source / "dist").glob("*.whl")
    (sdist,) = (source / "dist").glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_holds_data_notices_and_explorers_but_no_tests(distributions):
    wheel, _ = distributions
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "fashion_mnist_mini/",
        "mnist_mini/",
        "photographs/",
        "lenet_live/",
        "train_live/",
        "vit_live/",
    ):
        inside = [name for name in names if f"embedded/{part}" in name]
        assert any("LICENSE" in name or "NOTICE" in name for name in inside), part
    assert "cnncourse/widgets/js/kernel/view.js" in names
    assert "cnncourse/widgets/js/architecture/networks.json" in names
    assert any(name.endswith("share/cnncourse/results/lenet_mnist.json") for name in names)
    assert any(name.endswith("share/cnncourse/recipes/studies/lenet_mnist.yaml") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "book/", "notebooks/"))]
    assert wheel.stat().st_size < 12e6


def test_the_sdist_can_build_the_package(distributions):
    _, sdist = distributions
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "LICENSE",
        "cnncourse/widgets/js/kernel/view.js",
        "cnncourse/scratch/convolution.py",
    } <= names


def test_the_wheel_alone_runs_a_chapter(distributions, tmp_path):
    wheel, _ = distributions
    home = tmp_path / "clean"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    packages = Path(
        subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                       capture_output=True, text=True, check=True).stdout.strip()
    )  # fmt: skip
    # Dependencies come from the environment of the tests; its editable install of the course does not come along,
    # because a .pth file inside a folder named by a .pth file is not read.
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    done = subprocess.run(
        [python, "-c", RUN, str(ROOT / "notebooks/05_edges.ipynb")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
