"""Several processes on one recipe: the same numbers as one, one voice, one set of files."""

import json
import os
import socket
import subprocess
import sys

import processes
import pytest
import torch

from cnncourse.train import Run
from cnncourse.train.checkpoint import read_checkpoint

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the processes are forked"),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no processes"),
]

SAME = 1.01e-6  # rows are rounded to seven digits, here 1e-6

RECIPE = """
model: lenet5
model_options: {activation: relu, pooling: max}
data: mnist_mini
validation: 3720
epochs: 3
batch_size: 64
lr: 0.01
schedule: constant
augment: [crop, rotate, erase]
device: cpu
log_every: 3
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def together(world, words, folder):
    """`cnncourse WORDS…` as torchrun starts it on this machine: a list of (exit code, output, stderr), by rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [{"RANK": str(r), "LOCAL_RANK": str(r), **shared} for r in range(world)]
    started = [processes.start(words, folder / f"rank{r}", each) for r, each in enumerate(ranks)]
    for process in started:
        process.join(120)
    return [
        (process.exitcode, *processes.printed(folder / f"rank{rank}")) for rank, process in enumerate(started)
    ]


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def column(folder, name):
    return [row[name] for row in rows(folder)]


def largest_difference(a, b, name):
    return max(abs(x - y) for x, y in zip(column(a, name), column(b, name), strict=True))


@pytest.fixture(scope="module")
def alone(recipe, tmp_path_factory):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    code, _, err = processes.run(["train", recipe, "--out", folder / "run"], folder)
    assert (code, err) == (0, "")
    return folder / "run"


def test_torchrun_gives_the_losses_of_one_process(recipe, alone, tmp_path):
    """Without batch norm and dropout, at a rate where rounding does not grow: within 1e-6, which is as far as rows are
    rounded. Augmentation is keyed by the sample, so it is the same too."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "cnncourse", "train", recipe, "--out", tmp_path / "run"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert ended.returncode == 0, ended.stderr
    # One voice: a header, three epochs below their columns, an end.
    said = processes.spoken(ended.stdout).splitlines()
    assert said[0].startswith("lenet5, 61,706 parameters to train, on 2 × cpu, ")
    assert [line.strip()[:6] for line in said[2:6]] == ["epoch ", "1 of 3", "2 of 3", "3 of 3"]
    assert [line.partition(" ")[0] for line in said[6:]] == ["complete:", "next:"]
    losses = column(alone, "train_loss")
    assert losses[0] - losses[-1] > 1e-3  # it learns: the steps are not all alike
    for name in ("lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert largest_difference(alone, tmp_path / "run", name) <= SAME
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "best.pt", "last.pt", "metrics.jsonl", "metrics.png", "recipe.yaml"
    ]  # fmt: skip


def test_the_first_process_speaks_and_the_run_can_be_resumed(recipe, alone, tmp_path):
    folder = tmp_path / "run"
    (first, second) = together(2, ["train", recipe, "epochs=1", "--out", folder], tmp_path)
    assert (first[0], second[0]) == (0, 0)
    assert "\n  1 of 1 " in first[1] and second[1:] == ("", "")
    # Two go on where one was, and one where two were.
    one = tmp_path / "one"
    assert processes.run(["train", recipe, "epochs=1", "--out", one], tmp_path)[0] == 0
    (first, second) = together(2, ["train", "--resume", one, "epochs=2"], tmp_path)
    assert (first[0], second[0]) == (0, 0) and second[1:] == ("", "")
    code, out, err = processes.run(["train", "--resume", folder, "epochs=2"], tmp_path)
    assert (code, err) == (0, "") and "\n  2 of 2 " in out and "1 of 2" not in out
    assert column(folder, "epoch") == column(one, "epoch") == [1, 2]
    for name in ("train_loss", "validation_loss"):
        assert largest_difference(folder, one, name) <= SAME


@pytest.mark.parametrize("world", [3])
def test_gradients_of_accumulated_parts_are_shared_once(recipe, tmp_path, world):
    words = ["train", recipe, "accumulate=2", "batch_size=48", "epochs=1", "clip_norm=1", "ema=0.9"]
    assert processes.run([*words, "--out", tmp_path / "one"], tmp_path)[0] == 0
    ended = together(world, [*words, "--out", tmp_path / "three"], tmp_path)
    assert [code for code, _, _ in ended] == [0] * world
    assert largest_difference(tmp_path / "one", tmp_path / "three", "train_loss") <= SAME
    one, three = (read_checkpoint(tmp_path / name / "last.pt") for name in ("one", "three"))
    for part in ("model", "averaged"):
        for key in one[part]:
            torch.testing.assert_close(one[part][key], three[part][key], rtol=1e-4, atol=1e-6)


def test_with_batch_norm_each_process_has_its_own_batch_statistics(recipe, tmp_path):
    """Means and variances of 32 images instead of 64: close to one process's losses, and not the same.

    What is measured is the model of the first process, which is the one that is saved."""
    words = ["train", recipe, "model_options.normalization=batch"]
    assert processes.run([*words, "--out", tmp_path / "one"], tmp_path)[0] == 0
    (first, second) = together(2, [*words, "--out", tmp_path / "two"], tmp_path)
    assert (first[0], second[0]) == (0, 0)
    assert 1e-5 < largest_difference(tmp_path / "one", tmp_path / "two", "train_loss") < 0.3
    # Measured again from its checkpoint, on the held-out images.
    trainer = Run.open(tmp_path / "two").trainer
    again = trainer.evaluate(trainer.test)
    assert again["loss"] == pytest.approx(trainer.rows[-1]["validation_loss"], rel=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused_in_one_sentence(recipe, tmp_path):
    (first, second) = together(2, ["train", recipe, "batch_size=65", "--out", tmp_path / "run"], tmp_path)
    assert (first[0], second[0]) == (2, 2)
    assert first[1:] == (
        "",
        "cnncourse: batch_size must be a multiple of the 2 processes, got 65 (on the command line)\n",
    )
    assert second[1] == "" and second[2].count("\n") == 1 and second[2].startswith("cnncourse: process 1: ")
    assert not (tmp_path / "run").exists()


def test_all_processes_stop_where_one_diverges(recipe, tmp_path):
    words = ["train", recipe, "lr=1e30", "--out", tmp_path / "run"]
    ended = together(2, words, tmp_path)
    assert [code for code, _, _ in ended] == [1, 1]
    steps = [err.partition("at step ")[2].partition(",")[0] for _, _, err in ended]
    assert steps[0] == steps[1] != "" and all(err.count("\n") == 1 for _, _, err in ended)
    assert not (tmp_path / "run" / "last.pt").exists()
