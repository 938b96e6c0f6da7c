"""kill -9 at any moment, five times over: what is on disk is whole, and the numbers at the end are the same."""

import json
import random
import sys
import time

import numpy as np
import processes
import pytest
import yaml
from PIL import Image

from cnncourse.recipe import read
from cnncourse.train import Run
from cnncourse.train.checkpoint import read_checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the processes are forked")

FILES = ["best.pt", "last.pt", "metrics.jsonl", "metrics.png", "recipe.yaml"]

# All that a checkpoint must bring back: momentum, averaged weights, running statistics, the order of the images,
# what augmentation, mixing and dropout draw, and the place in the schedule.
RECIPE = {
    "model": "lenet5",
    "model_options": {"activation": "relu", "normalization": "batch", "dropout": 0.2},
    "data": "folder",
    "validation": 12,
    "augment": ["crop", "flip", "erase"],
    "epochs": 14,
    "batch_size": 8,
    "lr": 0.02,
    "warmup": 2,
    "mixup": 0.4,
    "cutmix": 0.4,
    "ema": 0.8,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe for two classes of pictures: bright above or bright below."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 6)):
        for name in ("above", "below"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 120, (20, 20), dtype=np.uint8)
                pixels[slice(0, 10) if name == "above" else slice(10, 20)] += 100
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, "data_root": str(root)}))
    return path


def rows(folder):
    """The rows in metrics.jsonl, each a whole line of JSON; [] before the first."""
    path = folder / "metrics.jsonl"
    text = path.read_text() if path.exists() else ""
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def numbers(rows):
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def assert_same_files(one, other):
    for name in ("last.pt", "best.pt"):
        mine, theirs = (read_checkpoint(folder / name) for folder in (one, other))
        assert mine["epoch"] == theirs["epoch"]
        for part in ("model", "averaged"):
            assert mine[part].keys() == theirs[part].keys()
            assert all((mine[part][key] == theirs[part][key]).all() for key in mine[part])
    for folder in (one, other):
        assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (one / "recipe.yaml").read_bytes() == (other / "recipe.yaml").read_bytes()


@pytest.mark.parametrize("goes_on", ["command line", "notebook"])
def test_five_kills_change_no_number(recipe, tmp_path, goes_on):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    code, out, err = processes.run(["train", recipe, "--out", undisturbed], tmp_path / "a")
    assert (code, err) == (0, "") and out.count("\n") == 2 + 1 + 14 + 2

    moments = random.Random(5)
    words = ["train", recipe, "--out", killed]
    for wanted in (0, 2, 5, 8, 11):  # kill when so many epochs are done, and a little later
        process = processes.start(words, tmp_path / "b")
        until = time.monotonic() + 100
        while len(rows(killed)) < wanted or not (killed / "recipe.yaml").exists():
            assert process.is_alive() and time.monotonic() < until, processes.printed(tmp_path / "b")
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -9
        done = rows(killed)
        assert [row["epoch"] for row in done] == list(range(1, len(done) + 1))
        assert len(done) < 14
        if done:
            state = read_checkpoint(killed / "last.pt")
            assert state["epoch"] in (len(done), len(done) + 1)
            assert state["rows"][: len(done)] == done
        words = ["train", "--resume", killed]

    if goes_on == "command line":
        code, _, err = processes.run(words, tmp_path / "b")
        assert (code, err) == (0, "")
    else:
        assert Run.open(killed).rows == rows(killed)
        assert [row["epoch"] for row in Run.open(killed)][-1] == 14
    assert numbers(rows(killed)) == numbers(rows(undisturbed))
    assert_same_files(killed, undisturbed)


def test_a_kill_between_the_checkpoint_and_the_rows_loses_neither(recipe, tmp_path):
    """last.pt is written first; here the other two files are missing, as after a kill just behind it."""
    folder = tmp_path / "run"
    assert processes.run(["train", recipe, "epochs=3", "--out", folder], tmp_path / "a")[0] == 0
    done, best = rows(folder), read_checkpoint(folder / "best.pt")["epoch"]
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:2]))
    (folder / "metrics.png").unlink()
    if best == 3:
        (folder / "best.pt").unlink()
    code, out, _ = processes.run(["train", "--resume", folder], tmp_path / "a")
    assert code == 0 and out.startswith("all 3 epochs are done\n")
    assert rows(folder) == done and read_checkpoint(folder / "best.pt")["epoch"] == best
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_a_notebook_and_the_command_line_write_the_same(recipe, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert processes.run(["train", recipe, "epochs=3", "--out", theirs], tmp_path / "a")[0] == 0
    told = list(Run.start(read(recipe, epochs=3), ours))
    assert told == rows(ours) and numbers(told) == numbers(rows(theirs))
    assert_same_files(ours, theirs)
