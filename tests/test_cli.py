"""The command line: what it writes, what it prints, and one line for everything that can go wrong."""

import gzip
import itertools
import json
import os
import re
import subprocess
import sys

import numpy as np
import processes
import pytest
import torch
import yaml
from PIL import Image
from torchvision import datasets

from cnncourse import cli, data, measure, models
from cnncourse.objectives import Supervised
from cnncourse.recipe import KEYS, Recipe, RecipeError
from cnncourse.train import checkpoint, run, studies

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once
COMMANDS = ["train", "evaluate", "predict", "find-lr", "models", "study"]
FILES = ["best.pt", "last.pt", "metrics.jsonl", "metrics.png", "recipe.yaml"]


@pytest.fixture(scope="session")
def few():
    """The first 160 training images and 60 test images of the embedded digits."""
    return {
        split: data.load("mnist_mini", split).select(torch.arange(count), split)
        for split, count in (("train", 160), ("test", 60))
    }


@pytest.fixture(autouse=True)
def small_and_alone(few, monkeypatch, tmp_path):
    """The embedded digits are a few; no test sees the data of whoever runs it, nor the network."""
    load = data.load

    def small(name, split="train", root=None, size=None):
        return few[split] if name == "mnist_mini" else load(name, split, root, size)

    monkeypatch.setattr(data, "load", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CNNCOURSE_DATA", raising=False)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [NOWHERE])


@pytest.fixture
def cnncourse(monkeypatch, capsys):
    """cnncourse(*words) → exit code, output, stderr; in this process."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["cnncourse", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("model: lenet5\ndata: mnist_mini\nepochs: 2\nbatch_size: 32\nlr: 0.05\ndevice: cpu\n")
    return path


@pytest.fixture(scope="session")
def finished(few, tmp_path_factory):
    """A folder that train wrote: three epochs."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda name, split="train", root=None, size=None: few[split])
        made = Recipe(model="lenet5", data="mnist_mini", epochs=3, batch_size=16, lr=0.1, device="cpu")
        folder.mkdir()
        (folder.parent / "recipe.yaml").write_text(made.to_yaml())
        patch.setattr(
            sys, "argv", ["cnncourse", "train", f"{folder.parent}/recipe.yaml", "--out", str(folder)]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    return folder


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def pictures(tmp_path):
    """pictures(name, *classes, ground=…) → a folder of pictures: class c has a bright bar at c's height."""

    def make(name, *classes, ground=60):
        for split, count in (("train", 6), ("test", 3)):
            for each in classes:
                folder = tmp_path / name / split / each
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = np.full((20, 20), ground if split == "train" else 60, np.uint8)
                    row = 4 * (ord(each) - ord("a"))
                    pixels[row : row + 4] = 180 + 10 * number
                    Image.fromarray(pixels).save(folder / f"{number}.png")
        return tmp_path / name

    return make


def failed(answer, code, *words):
    """One line on stderr with these words, and the exit code."""
    assert answer[0] == code, answer
    assert answer[2].startswith("cnncourse: ") and answer[2].count("\n") == 1 and answer[2].endswith("\n"), (
        answer
    )
    assert "Traceback" not in answer[1] + answer[2]
    for word in words:
        assert word in answer[2]
    return True


# ── What it does ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_says_what_there_is(cnncourse, command):
    code, out, err = cnncourse(*filter(None, [command]), "--help")
    assert code == 0 and err == "" and out.startswith("Usage: cnncourse ")
    if command is None:
        assert all(name in out for name in COMMANDS)
    if command == "train":
        printed = " ".join(out.split())
        assert all(key in printed for key in KEYS) and "torchrun" in out and "--resume" in out


def test_training_tells_what_it_does_and_writes_five_files(cnncourse, recipe, tmp_path):
    folder = tmp_path / "runs" / "first"
    code, out, err = cnncourse("train", recipe, "--out", folder, "lr=1e-2", "model_options.pooling=max")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    values = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert tuple(values) == KEYS and values["lr"] == 0.01 and values["model_options"] == {"pooling": "max"}
    assert [list(row) for row in rows(folder)] == [
        [
            *("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
            *("seconds", "images_per_second"),
        ]
    ] * 2
    with Image.open(folder / "metrics.png") as curve:
        assert min(curve.size) > 100
    best = max(rows(folder), key=lambda row: row["test_accuracy"])
    head, images, names, first, second, closing, following = out.splitlines()
    assert head == "lenet5, 61,706 parameters to train, on cpu, 1 thread, float32"
    assert images == (
        f"mnist_mini: 160 images to train on, measured on 60 images of the test set; into {folder}"
    )
    assert names.split() == [
        *("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "images/s")
    ]
    for line, row in ((first, rows(folder)[0]), (second, rows(folder)[1])):
        assert line.startswith(f"  {row['epoch']} of 2  ") and len(line) == len(names)
        assert line.split()[3:8] == [
            f"{row['lr']:.3g}",
            *(f"{row[name]:.4f}" for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")),
        ]
    assert closing == (
        f"complete: best epoch {best['epoch']} of 2 (test_accuracy {best['test_accuracy']:.4f}); "
        f"{folder} holds {', '.join(FILES)}"
    )
    assert following == f"next: cnncourse evaluate {folder}"
    last, best = (checkpoint.read_checkpoint(folder / name) for name in ("last.pt", "best.pt"))
    accuracies = [row["test_accuracy"] for row in rows(folder)]
    assert last["epoch"] == 2 and best["epoch"] == 1 + accuracies.index(max(accuracies))
    assert last["rows"] == rows(folder) and last["classes"] == list("0123456789")


def test_images_held_out_are_validation_everywhere(cnncourse, recipe, tmp_path):
    folder = tmp_path / "run"
    code, out, _ = cnncourse("train", recipe, "--out", folder, "validation=40", "epochs=10", "batch_size=60")
    assert code == 0
    assert "120 images to train on, measured on 40 images held out (validation); into" in out
    names, *told = out.splitlines()[2:13]
    assert "validation_loss" in names and "validation_accuracy" in names and "test_" not in names
    assert [line.split("  0.")[0].strip() for line in told] == [f"{n:2} of 10".strip() for n in range(1, 11)]
    assert {len(line) for line in told} == {len(names)}  # columns stand below their names
    assert all({"validation_loss", "validation_accuracy"} < row.keys() for row in rows(folder))
    assert not any(name.startswith("test_") for row in rows(folder) for name in row)


def test_recipes_are_found_by_name(cnncourse, tmp_path):
    words = ("data=mnist_mini", "epochs=1", "validation=0", "device=cpu")
    assert cnncourse("train", "lenet_quick", "--out", tmp_path / "run", *words)[0] == 0
    made = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    there = yaml.safe_load((studies.RECIPES / "lenet_quick.yaml").read_text())
    assert {key: made[key] for key in there} == {
        **there,
        **{key: made[key] for key in ("data", "epochs", "validation", "device") if key in there},
    }
    answer = cnncourse("train", "lenet_quik", "--out", tmp_path / "other")
    assert failed(answer, 2, "'lenet_quik' is neither a file nor one of ", "did you mean 'lenet_quick'?")
    assert failed(cnncourse("find-lr", "lenet_quik"), 2, "did you mean 'lenet_quick'?")


def test_a_folder_with_a_run_is_refused_and_untouched(cnncourse, recipe, finished):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    assert failed(
        cnncourse("train", recipe, "--out", finished), 2, "already holds a run: go on with --resume"
    )
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_checkpoint_without_its_recipe_is_not_trained_over(cnncourse, recipe, tmp_path):
    folder = tmp_path / "run"
    assert cnncourse("train", recipe, "--out", folder, "epochs=1")[0] == 0
    (folder / "recipe.yaml").unlink()
    assert failed(cnncourse("train", recipe, "--out", folder), 2, "already holds a run")
    assert failed(cnncourse("train", "--resume", folder), 2, "holds no run (no recipe.yaml)")


def test_resume_extends_a_run(cnncourse, recipe, tmp_path):
    folder, whole = tmp_path / "run", tmp_path / "whole"
    flat = ("schedule=constant", "momentum=0.5")
    assert cnncourse("train", recipe, "--out", folder, "epochs=1", *flat)[0] == 0
    assert cnncourse("train", recipe, "--out", whole, "epochs=3", *flat)[0] == 0
    code, out, err = cnncourse("train", "--resume", folder, "epochs=3")
    assert (code, err) == (0, "")
    assert [line.strip()[:6] for line in out.splitlines()[2:5]] == ["epoch ", "2 of 3", "3 of 3"]

    def numbers(folder):
        return [
            {k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in rows(folder)
        ]

    assert numbers(folder) == numbers(whole)
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["epochs"] == 3
    code, out, _ = cnncourse("train", "--resume", folder)
    assert code == 0 and out.startswith("all 3 epochs are done\ncomplete: best epoch ")
    assert failed(
        cnncourse("train", "--resume", folder, "epochs=2"),
        2,
        f"epochs must be at least the 3 that {folder} has done, got 2",
    )
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["epochs"] == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("lr=0.2", "lr is 0.1 there and 0.2 here"),
        ("seed=1", "seed is 0 there and 1 here"),
        ("model=cifar_cnn", "model is 'lenet5' there and 'cifar_cnn' here"),
        ("batch_size=32", "batch_size is 16 there and 32 here"),
        ("precision=bfloat16", "precision is 'float32' there and 'bfloat16' here"),
        ("epochs=9", "epochs is 3 there and 9 here, and the cosine schedule of what is done depends on it"),
    ],
)
def test_what_would_be_another_run_cannot_change_at_resume(cnncourse, finished, change, sentence):
    before = (finished / "recipe.yaml").read_bytes()
    answer = cnncourse("train", "--resume", finished, change)
    assert failed(answer, 2, f"{sentence}", "start a new one instead, with weights=")
    assert (finished / "recipe.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["momentum=0.5", "weight_decay=0.1"], "momentum is 0.5 there and 0.9 here"),
        (["optimizer=adam"], "optimizer is 'adam' there and 'sgd' here"),
        (["model=cifar_cnn"], "model is 'cifar_cnn' there and 'lenet5' here"),
    ],
)
def test_the_checkpoint_of_another_recipe_is_refused(cnncourse, recipe, tmp_path, changes, sentence):
    ours, other = tmp_path / "ours", tmp_path / "other"
    short = ("epochs=2", "batch_size=80")
    with pytest.MonkeyPatch.context() as patch:
        stop_after_the_first_epoch(patch)
        cnncourse("train", recipe, "--out", ours, *short)
        cnncourse("train", recipe, "--out", other, *short, *changes)
    foreign = (other / "last.pt").read_bytes()
    (ours / "last.pt").write_bytes(foreign)
    answer = cnncourse("train", "--resume", ours)
    assert failed(answer, 1, f"{ours / 'last.pt'} is the checkpoint of another run: {sentence}")
    assert (ours / "last.pt").read_bytes() == foreign and len(rows(ours)) == 1


def stop_after_the_first_epoch(patch):
    """As Ctrl-C would: the first row is written, the second epoch does not begin."""
    fit = run.trainer_for.__globals__["Trainer"].fit

    def interrupted(self):
        yield next(fit(self))
        raise KeyboardInterrupt

    patch.setattr(run.trainer_for.__globals__["Trainer"], "fit", interrupted)


def test_renamed_classes_are_another_run(cnncourse, recipe, pictures, tmp_path):
    root, folder = pictures("ours", "a", "b"), tmp_path / "run"
    words = ("data=folder", f"data_root={root}", "batch_size=4", "schedule=constant")
    assert cnncourse("train", recipe, "--out", folder, *words, "epochs=1")[0] == 0
    for split in ("train", "test"):
        (root / split / "a").rename(root / split / "z")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    answer = cnncourse("train", "--resume", folder, "epochs=2")
    assert failed(answer, 1, "its classes are ['a', 'b'], here ['b', 'z']")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_evaluate_measures_what_the_row_says(cnncourse, finished):
    for path, row in ((finished / "last.pt", rows(finished)[-1]), (finished, None)):
        row = row or max(rows(finished), key=lambda row: row["test_accuracy"])
        code, out, err = cnncourse("evaluate", path, "--device", "cpu")
        assert (code, err) == (0, "")
        found = re.fullmatch(
            r"lenet5 on mnist_mini, test set of 60 images, after epoch (\d): accuracy (\S+), loss (\S+)",
            out.splitlines()[0],
        )
        assert int(found[1]) == row["epoch"]
        assert float(found[2]) == pytest.approx(row["test_accuracy"], abs=6e-5)
        assert float(found[3]) == pytest.approx(row["test_loss"], abs=6e-5)


def test_evaluate_tells_of_each_class(cnncourse, finished, few):
    trained = run.Trained(finished)
    images, labels = next(iter(data.Batches(few["test"], 60, size=32)))
    with torch.no_grad():
        taken = trained.model(images).argmax(1)
    matrix = [[int(((labels == t) & (taken == p)).sum()) for p in range(10)] for t in range(10)]

    code, out, err = cnncourse("evaluate", finished, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "") and found["confusion"] == matrix
    assert list(found) == [
        *("model", "data", "epoch", "loss", "accuracy", "images", "classes", "confusion", "each")
    ]
    assert (found["model"], found["data"], found["images"]) == ("lenet5", "mnist_mini", 60)
    assert found["classes"] == list(found["each"]) == list("0123456789")
    for k, its in enumerate(found["each"].values()):
        column = sum(row[k] for row in matrix)
        assert its["images"] == sum(matrix[k])
        assert its["recall"] == pytest.approx(matrix[k][k] / sum(matrix[k]))
        assert its["precision"] == pytest.approx(matrix[k][k] / column if column else 0)
        assert its["f1"] == pytest.approx(2 * matrix[k][k] / (column + sum(matrix[k])))

    # The same as tables: the classes below their names, and the counts, row by row.
    lines = cnncourse("evaluate", finished)[1].splitlines()
    assert lines[2].split() == ["class", "precision", "recall", "F1", "images"]
    for line, (name, its) in zip(lines[3:13], found["each"].items(), strict=True):
        numbers = [f"{its[key]:.4f}" for key in ("precision", "recall", "f1")]
        assert line.split() == [name, *numbers, str(its["images"])]
    assert [[int(n) for n in line.split()[1:]] for line in lines[15:25]] == matrix


def test_evaluate_refuses_other_classes_and_normalizes_as_the_run_did(cnncourse, recipe, pictures, tmp_path):
    root, folder = pictures("ours", "a", "b"), tmp_path / "run"
    words = ("data=folder", f"data_root={root}", "batch_size=4", "epochs=1")
    assert cnncourse("train", recipe, "--out", folder, *words)[0] == 0
    for other in ("abc", "bz"):
        answer = cnncourse("evaluate", folder, "--data-root", pictures(other, *other))
        assert failed(answer, 1, f"has the classes {', '.join(other)}, but {folder}", "was trained on a, b")
    # The same test pictures beside darker training pictures: the mean and the deviation are the run's.
    darker = pictures("darker", "a", "b", ground=0)
    ours = cnncourse("evaluate", folder, "--json")[1]
    assert json.loads(ours)["loss"] == pytest.approx(rows(folder)[0]["test_loss"], rel=1e-5)
    assert cnncourse("evaluate", folder, "--json", "--data-root", darker)[1] == ours


def test_an_averaged_model_is_what_evaluate_measures(cnncourse, recipe, tmp_path):
    folder = tmp_path / "run"
    words = ("ema=0.9", "epochs=1", "model_options.normalization=batch", "mixup=0.2", "accumulate=2")
    assert cnncourse("train", recipe, "--out", folder, *words)[0] == 0
    _, out, _ = cnncourse("evaluate", folder, "--json")
    assert json.loads(out)["loss"] == pytest.approx(rows(folder)[0]["test_loss"], abs=6e-5)


@pytest.fixture
def picture(few, tmp_path):
    """The first test image as a PNG, white ink on black."""
    path = tmp_path / "digit.png"
    Image.fromarray(few["test"].images[0, 0].numpy()).save(path)
    return path


def predicted(out):
    """[(path, {class: percent})]"""
    lines = [line.split(": ", 1) for line in out.splitlines()]
    return [
        (path, {k: float(p) for k, p in re.findall(r"(\S+) ([\d.]+)%", shares)}) for path, shares in lines
    ]


def test_predict_gives_the_models_probabilities(cnncourse, finished, picture, few, tmp_path):
    model = run.Trained(finished / "best.pt").model
    images, _ = next(iter(data.Batches(few["test"], 1, size=32)))
    with torch.no_grad():
        expected = model(images).softmax(1)[0]
    code, out, err = cnncourse("predict", finished, picture, "--top", 10)
    assert (code, err) == (0, "")
    ((path, shares),) = predicted(out)
    assert path == str(picture) and list(shares) == [
        str(k) for k in expected.argsort(descending=True).tolist()
    ]
    for k, percent in shares.items():
        assert percent == pytest.approx(100 * expected[int(k)].item(), abs=0.051)

    # Dark on light, in color, twice as large: with --invert the same digit. Three classes unless told.
    pixels = 255 - few["test"].images[0, 0].numpy()
    Image.fromarray(pixels).resize((56, 56), Image.Resampling.NEAREST).convert("RGB").save(
        tmp_path / "ink.png"
    )
    _, out, err = cnncourse("predict", finished, tmp_path / "ink.png", picture, "--invert")
    (_, ink), (_, inverted) = predicted(out)
    assert len(ink) == 3 and next(iter(ink)) == str(expected.argmax().item())
    assert ink != inverted
    # A picture whose ground is not that of the training images is named, with what to do.
    other = "its ground seems the other way round than in the training images; "
    assert err == f"{picture}: {other}leave out --invert\n"
    _, _, err = cnncourse("predict", finished, tmp_path / "ink.png", picture)
    assert err == f"{tmp_path / 'ink.png'}: {other}--invert turns it round\n"


def test_predict_turns_photographs_as_their_exif_says(cnncourse, finished, picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown, the image is rotated by 270°
    with Image.open(picture) as image:
        image.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    _, out, _ = cnncourse("predict", finished, picture, tmp_path / "turned.png")
    (_, plain), (_, turned) = predicted(out)
    assert plain == turned


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(30), "truncated", None])
def test_a_broken_image_is_named(cnncourse, finished, picture, tmp_path, content):
    broken = tmp_path / "broken.png"
    if content == "truncated":
        content = picture.read_bytes()[:-80]
    if content is not None:
        broken.write_bytes(content)
    answer = cnncourse("predict", finished, picture, broken)
    assert failed(answer, 1, f"{broken} cannot be read as an image")
    assert answer[1].startswith(f"{picture}: ")  # those before it were answered


def test_sixteen_bits_are_scaled_as_in_training(cnncourse, finished, picture, tmp_path):
    with Image.open(picture) as image:
        Image.fromarray(np.asarray(image).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    _, out, _ = cnncourse("predict", finished, picture, tmp_path / "deep.png")
    (_, plain), (_, deep) = predicted(out)
    assert plain == deep


def test_an_image_bomb_is_refused(cnncourse, finished, picture, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert failed(cnncourse("predict", finished, picture), 1, "cannot be read as an image", "exceeds limit")


def test_find_lr_prints_and_plots(cnncourse, recipe, tmp_path):
    words = ("find-lr", recipe, "--steps", 30, "--low", 1e-4, "--high", 1, "--plot", tmp_path / "curve.png")
    code, out, err = cnncourse(*words)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.match(r"lr +0\.0001   loss \d\.\d{4}$", lines[0])
    found = re.match(
        r"the loss falls fastest at (\S+), near the edge.*train with a tenth of it, lr=(\S+)$", lines[-1]
    )
    assert float(found[2]) == pytest.approx(float(found[1]) / 10, rel=0.06)
    with Image.open(tmp_path / "curve.png") as curve:
        assert min(curve.size) > 100
    answer = cnncourse(*words[:-1], tmp_path / "nowhere" / "curve.png")
    assert failed(answer, 1, "curve.png cannot be written")
    for low, high in ((1, 0.1), (0, 1), (-1, 1), ("nan", 1), (1, "inf")):
        assert failed(cnncourse("find-lr", recipe, f"--low={low}", f"--high={high}"), 2, "0 < low < high")


def test_models_lists_names_sizes_and_options(cnncourse):
    code, out, err = cnncourse("models")
    assert (code, err) == (0, "")
    for name in models.names():
        assert re.search(rf"^{name} +[\d,]+ parameters   input ", out, re.MULTILINE)
    assert re.search(r"^lenet5 +61,706 parameters   input 1×32×32", out, re.MULTILINE)
    assert "pooling: average" in out


def test_models_shows_the_layers_of_one(cnncourse):
    code, out, err = cnncourse("models", "lenet5")
    assert (code, err) == (0, "")
    assert out == str(measure.table(models.build("lenet5"), (1, 1, 32, 32))) + "\n" and "61,706" in out
    assert failed(cnncourse("models", "lenet6"), 2, "name must be one of lenet5, ")


@pytest.mark.filterwarnings("default")
def test_tensorboard_reads_the_rows(cnncourse, recipe, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path / "run"
    assert cnncourse("train", recipe, "--out", folder, "--tensorboard")[0] == 0
    events = event_accumulator.EventAccumulator(str(folder)).Reload()
    for name in rows(folder)[0].keys() - {"epoch"}:
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in rows(folder)]


def test_the_bar_that_a_person_watches_changes_no_number(cnncourse, recipe, tmp_path, monkeypatch):
    words = ("train", recipe, "augment=[crop]", "--out")
    cnncourse(*words, tmp_path / "plain")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, out, err = cnncourse(*words, tmp_path / "watched")
    assert code == 0 and out.count("\n") == 7 and "epoch 2 of 2" in err
    plain, watched = rows(tmp_path / "plain"), rows(tmp_path / "watched")
    assert [row["train_loss"] for row in plain] == [row["train_loss"] for row in watched]
    last = checkpoint.read_checkpoint(tmp_path / "watched" / "last.pt")
    assert last["padding"] == [2, 2, 2, 2] and last["shape"] == [1, 32, 32]


# ── What can go wrong ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=lenet6"], "model must be one of lenet5, "),
        (["data=mnist_min"], "nearest is 'mnist_mini'"),
        (["epoch=3"], "the key 'epoch' is unknown: did you mean 'epochs'? (on the command line)"),
        (["model_options.poling=max"], "nearest is 'pooling' (on the command line)"),
        (["model_options.pooling=maximum"], "'maximum'"),
        (["lr=fast"], "lr must be a number, got 'fast'"),
        (["epochs=1.5"], "epochs must be a whole number, got 1.5"),
        (["lr"], "'lr' is not of the form key=value"),
        (["augment=[crop"], "is not YAML"),
        (["augment=[flop]"], "nearest is 'flip' (on the command line)"),
        (["batch_size=161"], "batch_size must be at most the 160 images of the training set, got 161"),
        (["validation=160"], "160"),
        (["device=tpu"], 'device must be "auto"'),
        (["data=folder"], "data_root must be given for folder"),
    ],
)
def test_a_wrong_recipe_is_one_line_and_exit_code_2(cnncourse, recipe, tmp_path, words, sentence):
    assert failed(cnncourse("train", recipe, "--out", tmp_path / "run", *words), 2, sentence)
    assert not (tmp_path / "run").exists()


def test_an_error_says_where_the_value_came_from(cnncourse, recipe, tmp_path):
    out = ("--out", tmp_path / "run")
    assert failed(
        cnncourse("train", recipe, *out, "model=lenet6"), 2, "got 'lenet6'", "(on the command line)"
    )
    assert failed(
        cnncourse("train", recipe, *out, "lr=-1"),
        2,
        "lr must be a number above 0, got -1.0",
        "(on the command line)",
    )
    for line, sentence in (
        ("model: lenet6", "model must be one of lenet5, "),
        ("lr: -1", "lr must be a number above 0"),
    ):
        kept = [old for old in recipe.read_text().splitlines() if not old.startswith(line.split(":")[0])]
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text("\n".join([*kept, line]))
        assert failed(cnncourse("train", wrong, *out, "epochs=1"), 2, sentence, f"(in {wrong})")
        assert failed(cnncourse("find-lr", wrong), 2, sentence, f"(in {wrong})")
    recipe.write_text(recipe.read_text() + "lr: 0.1\n")
    assert failed(cnncourse("train", recipe, *out), 2, f"{recipe}: the key 'lr' stands there twice (line 7)")


def test_a_programmers_error_shows_its_traceback_and_a_users_only_when_asked(
    cnncourse, recipe, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        sys, "argv", ["cnncourse", "train", str(recipe), "--out", str(tmp_path / "a"), "lr=-1"]
    )
    sys.argv.append("--traceback")
    with pytest.raises(RecipeError, match=r"lr must be a number above 0, got -1\.0"):
        cli.main()

    def wrong(*_):
        raise TypeError("forward() takes 2 arguments")

    monkeypatch.setattr(Supervised, "forward", wrong)
    with pytest.raises(TypeError, match="takes 2 arguments"):
        cnncourse("train", recipe, "--out", tmp_path / "run")


def test_a_wrong_command_is_exit_code_2(cnncourse, recipe, finished, tmp_path):
    assert failed(cnncourse("train", recipe), 2, "train needs a recipe and --out FOLDER, or --resume FOLDER")
    assert failed(cnncourse("train", "--resume", finished, "--out", tmp_path / "x"), 2, "leave out --out")
    assert failed(
        cnncourse("train", tmp_path / "none.yaml", "--out", tmp_path / "x"), 2, "none.yaml cannot be read"
    )
    assert failed(cnncourse("train", "--resume", tmp_path / "none"), 2, "holds no run")
    code, _, err = cnncourse("train", recipe, "--epochs", "3")
    assert code == 2 and "No such option: --epochs" in err
    assert not (tmp_path / "x").exists()


def test_more_steps_of_accumulation_than_batches(cnncourse, recipe, tmp_path):
    answer = cnncourse("train", recipe, "--out", tmp_path / "run", "accumulate=6")
    assert failed(answer, 1, "an epoch has 5 batches of 32 images", "accumulate is 6")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("command", ["train", "evaluate", "find-lr"])
def test_cuda_where_there_is_none(cnncourse, recipe, finished, tmp_path, command):
    words = {
        "train": ("train", recipe, "--out", tmp_path / "run", "device=cuda"),
        "evaluate": ("evaluate", finished, "--device", "cuda"),
        "find-lr": ("find-lr", recipe, "device=cuda"),
    }[command]
    assert failed(
        cnncourse(*words), 1, 'device is "cuda" and this machine has no CUDA device: use device=auto'
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("command", "damage"),
    [
        *itertools.product(("evaluate", "predict", "resume"), ("truncated", "empty", "text", "flipped")),
        *(("evaluate", "gone"), ("predict", "gone")),
    ],
)
def test_a_damaged_checkpoint_is_named(cnncourse, finished, picture, tmp_path, damage, command):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = bytearray((finished / "last.pt").read_bytes())
    content[len(content) // 2] ^= 16
    content = {
        "truncated": content[:-700],
        "empty": b"",
        "text": b"weights",
        "flipped": content,
        "gone": None,
    }
    for name in ("best.pt", "last.pt"):
        (folder / name).unlink()
        if content[damage] is not None:
            (folder / name).write_bytes(content[damage])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if command == "resume":
        assert failed(cnncourse("train", "--resume", folder), 1, f"{folder / 'last.pt'} is damaged")
    else:
        words = ("predict", folder, picture) if command == "predict" else ("evaluate", folder)
        sentence = "holds no checkpoint" if damage == "gone" else f"{folder / 'best.pt'} is damaged"
        assert failed(cnncourse(*words), 1, sentence)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "change", [{"classes": []}, {"shape": []}, {"recipe": {"model": "cifar_cnn", "data": "mnist_mini"}}]
)
def test_a_checkpoint_that_contradicts_itself_is_refused(cnncourse, finished, tmp_path, change):
    state = torch.load(finished / "last.pt", weights_only=True)
    torch.save({**state, **change}, tmp_path / "odd.pt")
    assert failed(cnncourse("evaluate", tmp_path / "odd.pt"), 1, "odd.pt does not fit its own recipe")


def test_missing_and_truncated_data_files_are_named(cnncourse, recipe, tmp_path):
    root, out = tmp_path / "data", tmp_path / "run"
    words = ("train", recipe, "--out", out, "data=fashion_mnist", f"data_root={root}")
    code, said, err = cnncourse(*words)
    answer = code, said, err.splitlines(keepends=True)[-1]  # after what the download tells
    assert failed(
        answer, 1, f"fashion_mnist is not whole in {root}", "could not be downloaded", "fashion_mnist_mini"
    )
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, _ in datasets.FashionMNIST.resources:
        (raw / name).write_bytes(gzip.compress(np.zeros(1000, np.uint8).tobytes())[:-5])
    assert failed(cnncourse(*words), 1, str(raw), "is truncated or altered", "delete it")
    assert not out.exists()


def test_a_loss_that_is_not_finite(cnncourse, recipe, tmp_path):
    folder = tmp_path / "run"
    answer = cnncourse("train", recipe, "--out", folder, "lr=1e30", "model_options.activation=relu")
    assert failed(
        answer, 1, "the loss is not finite at step ", "where the learning rate was ", "try a smaller lr"
    )
    assert os.listdir(folder) == ["recipe.yaml"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_full_disk_keeps_what_was_there(tmp_path):
    """A file that may not grow beyond 300,000 bytes, where the checkpoint has half a million."""
    recipe, folder = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(
        "{model: lenet5, data: mnist_mini, validation: 4900, epochs: 1, batch_size: 50, "
        "schedule: constant, device: cpu}"
    )
    assert processes.run(["train", recipe, "--out", folder], tmp_path / "a")[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before["last.pt"]) > 400_000
    words = ["train", recipe, "--out", tmp_path / "new"]
    answer = processes.run(words, tmp_path / "a", file_limit=300_000)
    assert failed(answer, 1, f"{tmp_path / 'new' / 'last.pt'} cannot be written (File too large)")
    assert os.listdir(tmp_path / "new") == ["recipe.yaml"]
    answer = processes.run(["train", "--resume", folder, "epochs=2"], tmp_path / "a", file_limit=300_000)
    assert failed(answer, 1, ".pt cannot be written (File too large); what was there before is kept")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.pop("recipe.yaml") != before.pop("recipe.yaml")  # epochs is 2 now
    assert after.pop("metrics.png") and before.pop("metrics.png") and after == before
    assert processes.run(["train", "--resume", folder], tmp_path / "a")[0] == 0
    assert [row["epoch"] for row in rows(folder)] == [1, 2]


def test_too_little_memory(cnncourse, recipe, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total of …"
        )

    monkeypatch.setattr(Supervised, "forward", full)
    answer = cnncourse("train", recipe, "--out", tmp_path / "run")
    assert failed(answer, 1, "too little memory for batches of 32: use a smaller batch_size", "accumulate")
    assert os.listdir(tmp_path / "run") == ["recipe.yaml"]


def test_a_folder_that_cannot_be_made(cnncourse, recipe, tmp_path):
    (tmp_path / "file").write_text("")
    answer = cnncourse("train", recipe, "--out", tmp_path / "file" / "run")
    assert failed(answer, 1, f"the folder {tmp_path / 'file' / 'run'} cannot be made: Not a directory")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written(cnncourse, recipe, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert failed(cnncourse("train", recipe, "--out", tmp_path / "locked" / "run"), 1, "Permission denied")
    assert failed(
        cnncourse("train", recipe, "--out", tmp_path / "locked"), 1, "recipe.yaml cannot be written"
    )


def test_an_interruption_is_one_line(cnncourse, recipe, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Supervised, "forward", interrupted)
    answer = cnncourse("train", recipe, "--out", tmp_path / "run")
    assert failed(answer, 130, "interrupted", "--resume")


def test_python_minus_m_is_the_command(tmp_path):
    words = [sys.executable, "-m", "cnncourse", "train", tmp_path / "none.yaml", "--out", tmp_path / "run"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert failed(
        (ended.returncode, ended.stdout, ended.stderr),
        2,
        "none.yaml cannot be read as a recipe: No such file",
    )
    assert ended.stdout == ""


def test_study_lists_studies_and_prints_what_is_recorded(cnncourse):
    code, out, err = cnncourse("study")
    listed = [line.split(maxsplit=1) for line in out.splitlines()]
    assert (code, err) == (0, "") and [name for name, _ in listed] == studies.studies()
    assert ["lenet_pooling", studies.read_study("lenet_pooling")["title"]] in listed
    assert cnncourse("study", "--table")[1] == studies.results_table() + "\n"
    assert failed(
        cnncourse("study", "lenet_poolin"), 2, "study must be one of ", "the nearest is 'lenet_pooling'"
    )


@pytest.mark.parametrize("workers", ["null", "0"])
def test_a_broken_image_of_a_folder_is_one_sentence(cnncourse, tmp_path, workers):
    for split in ("train", "test"):
        for name in ("cats", "dogs"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(4):
                Image.new("L", (40, 30), 60 * i).save(tmp_path / split / name / f"{i}.png")
    made = tmp_path / "folder.yaml"
    made.write_text(
        f"model: lenet5\ndata: folder\ndata_root: {tmp_path}\nbatch_size: 4\nepochs: 1\ndevice: cpu\n"
    )
    broken = tmp_path / "train" / "dogs" / "2.png"
    broken.write_bytes(broken.read_bytes()[:50])
    answer = cnncourse("train", made, "--out", tmp_path / "run", f"workers={workers}")
    assert failed(answer, 1, f"{broken} cannot be read as an image")
