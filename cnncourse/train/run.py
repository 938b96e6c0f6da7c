"""One run in a folder: from a notebook, from the command line, and after a kill the same files and numbers.

run = Run.start(Recipe(model="lenet5", data="fashion_mnist_mini"), "runs/first")
for row in run:
    print(row["epoch"], row["test_accuracy"])
run = Run.open("runs/first")              # after an interruption: iterate it, and it goes on
run.evaluate()["accuracy"], run.predict(["shoe.png"])
"""

import contextlib
import json
import math
from functools import cached_property
from pathlib import Path

import torch

from .. import analysis, data, figures
from ..recipe import RecipeError, changed, from_dict, read_values
from .assemble import best_checkpoint, model_for, test_batches, trainer_for
from .checkpoint import RunError, measured_weights, read_checkpoint, write_whole
from .trainer import RESUMABLE, evaluate, other_run, start_machine


class Run:
    """A training run and its folder; iterating it trains, from where it stands, and yields a row an epoch.

    The folder: recipe.yaml (all keys), metrics.jsonl (the rows), last.pt (to go on from), best.pt (the first epoch with
    the best value of the recipe's `monitor`), metrics.png (the rows drawn). Each file is whole at any moment; a run
    that was killed goes on from last.pt and ends with the same bits on the same processor.
    objective: an `objectives.Objective` instead of the one that the recipe names.
    Attributes: `folder`, `recipe`, `trainer` (made when it is first needed), `rows`, `best` (a row or None).
    """

    def __init__(self, recipe, folder, objective=None):
        self.recipe, self.folder, self._objective = recipe, Path(folder), objective

    @classmethod
    def start(cls, recipe, folder, objective=None):
        """A new run; `RecipeError` where the folder holds one. Nothing is written before it is iterated."""
        folder = Path(folder)
        if any((folder / name).exists() for name in ("recipe.yaml", "last.pt", "metrics.jsonl")):
            raise RecipeError(
                f"{folder} already holds a run: go on with --resume {folder} (Run.open), or choose another folder"
            )
        return cls(recipe, folder, objective)

    @classmethod
    def open(cls, folder, objective=None, **changes):
        """The run in a folder. Changes: keys that leave it the same run; `epochs` where no rate depends on it."""
        path = Path(folder) / "recipe.yaml"
        if not path.exists():
            raise RecipeError(
                f"{folder} holds no run (no recipe.yaml): start one with --out {folder} (Run.start)"
            )
        there = from_dict(read_values(path), where=str(path))
        run = cls(from_dict(changed(there.to_dict(), changes)), folder, objective)
        done = len(run._written_rows())
        if difference := other_run(there, run.recipe, done):
            raise RecipeError(
                f"{difference}: a run that goes on can change {', '.join(RESUMABLE)} (epochs under schedule constant); "
                f"start a new one instead, with weights={folder} from where this one stands"
            )
        if run.recipe.epochs < done:
            raise RecipeError(
                f"epochs must be at least the {done} that {folder} has done, got {run.recipe.epochs}",
                "epochs",
            )
        return run

    @cached_property
    def trainer(self):
        trainer = trainer_for(self.recipe, self._objective)
        if (self.folder / "last.pt").exists():
            trainer.load(self.folder / "last.pt")
        return trainer

    @property
    def rows(self):
        """The rows of the epochs that are done."""
        return self.trainer.rows if "trainer" in self.__dict__ else self._written_rows()

    @property
    def complete(self):
        return len(self.rows) >= self.recipe.epochs

    @property
    def best(self):
        """The row of best.pt."""
        return max(self.rows, key=self._quality, default=None)

    @property
    def monitor(self):
        """The column that chooses best.pt: the recipe's, else the accuracy measured, else the loss."""
        measured = self.recipe.measured
        usual = [f"{measured}_accuracy", f"{measured}_loss", "train_loss"]
        return self.recipe.monitor or next(name for name in usual if name in self.rows[-1])

    def __iter__(self):
        trainer = self.trainer
        if trainer.machine.first:
            _make_folder(self.folder)
            write_whole(self.folder / "recipe.yaml", self.recipe.to_yaml().encode())
            if trainer.rows:  # what a kill between two files left behind is mended
                self._write()
        try:
            for row in trainer.fit():
                trainer.save(self.folder / "last.pt")  # first: the other files can be made again from it
                if trainer.machine.first:
                    self._write()
                yield row
        finally:
            if trainer.machine.first and (rows := self._written_rows()):
                draw(rows, self.folder / "metrics.png")

    def _write(self):
        rows = self.trainer.rows
        content = "".join(json.dumps(row) + "\n" for row in rows)
        write_whole(self.folder / "metrics.jsonl", content.encode())
        if self.best is rows[-1]:
            self.trainer.save(self.folder / "best.pt")

    def _written_rows(self):
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _quality(self, row):
        if self.monitor not in row:
            columns = [name for name in row if name.startswith(("train_", "validation_", "test_"))]
            raise RunError(f"monitor must be one of the columns {', '.join(columns)}, got {self.monitor!r}")
        return -row[self.monitor] if "loss" in self.monitor else row[self.monitor]

    def trained(self, device="auto"):
        """The run's best model with what it needs to be used: a `Trained`."""
        return Trained(self.folder, device)

    def model(self, device="auto"):
        """The run's best model, in evaluation mode."""
        return self.trained(device).model

    def evaluate(self, data_root=None, device="auto"):
        """See `Trained.evaluate`."""
        return self.trained(device).evaluate(data_root)

    def predict(self, paths, device="auto", *, invert=False):
        """See `Trained.predict`; one row of probabilities for each path, (N, K)."""
        trained = self.trained(device)
        return torch.stack([trained.predict(path, invert=invert) for path in paths])


class Trained:
    """A trained model read back from a run's folder (its best epoch) or from a checkpoint.

    Attributes: `model` (in evaluation mode), `recipe`, `classes`, `epoch` (after which it was saved), `path`.
    """

    def __init__(self, path, device="auto"):
        self.path = best_checkpoint(path)
        self.machine = start_machine(device)
        state = read_checkpoint(self.path, self.machine.device)
        try:
            self.recipe = from_dict(state["recipe"], where=f"the recipe in {self.path}")
            self.classes, self.epoch = tuple(state["classes"]), state["epoch"]
            self.mean, self.std = tuple(state["mean"]), tuple(state["std"])
            self.shape, self.padding = tuple(state["shape"]), tuple(state["padding"])
            spec = data.Spec(self.classes, self.shape[0], self.shape[1])
            model = model_for(self.recipe.replace(weights=None), spec)
            model.load_state_dict(measured_weights(state))
        except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{self.path} does not fit its own recipe: {reason}") from error
        self.model = model.to(self.machine.device).eval()

    def evaluate(self, data_root=None):
        """Measure on the test set of the run's data, normalized as in training.

        → loss, accuracy, images, classes, confusion (rows true, columns predicted, (K, K)), report (of each class)
        `RunError` where the data's classes are not the run's.
        """
        changes = {"device": str(self.machine.device), **({"data_root": str(data_root)} if data_root else {})}
        batches = test_batches(self.recipe.replace(**changes), self.model, self.mean, self.std)
        if tuple(batches.classes) != self.classes:
            raise RunError(
                f"the test set has the classes {', '.join(batches.classes)}, "
                f"but {self.path} was trained on {', '.join(self.classes)}"
            )
        measured = evaluate(self.model, batches, machine=self.machine)
        logits, labels = analysis.predictions(self.model, batches)
        confusion = analysis.confusion_matrix(logits.argmax(1), labels, len(self.classes))
        report = analysis.classification_report(confusion)
        return {**measured, "images": batches.number, "classes": self.classes,
                "confusion": confusion, "report": report}  # fmt: skip

    def predict(self, path, *, invert=False):
        """The probability of each class for an image file, (K,), read and normalized as the training images were.

        invert: black and white exchanged first, for dark on light where the training images are light on dark
        """
        channels, _, width = self.shape
        left, right, top, bottom = self.padding
        image = _picture(path, width - left - right, channels)
        image = 255 - image if invert else image
        image = torch.nn.functional.pad(image, (left, right, top, bottom)).to(self.machine.device) / 255
        mean, std = (image.new_tensor(value)[:, None, None] for value in (self.mean, self.std))
        with torch.no_grad(), self.machine.at_work():
            return self.model(((image - mean) / std)[None]).softmax(1)[0].cpu()

    def other_ground(self, path):
        """Does the picture's edge lie on the other side of gray than the training images, which are mostly ground?

        False where these are neither dark nor light for the most part (their mean is between 0.35 and 0.65).
        """
        usual = sum(self.mean) / len(self.mean)
        image = _picture(path, self.shape[2] - sum(self.padding[:2]), self.shape[0]).float() / 255
        edge = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1).mean().item()
        return abs(usual - 0.5) > 0.15 and abs(edge - usual) > abs(edge - (1 - usual))


def _picture(path, side, channels):
    try:
        return data.read_image(path, side, channels)
    except RuntimeError as error:
        raise RunError(str(error)) from error


def columns(row, epochs):
    """A row as (name, text) pairs, for a table that people read."""
    texts = {
        "epoch": f"{row['epoch']:{len(str(epochs))}} of {epochs}",
        "lr": f"{row['lr']:.3g}",
        "seconds": f"{row['seconds']:.1f}",
    }
    texts["images_per_second"] = f"{row['images_per_second']:,.0f}"
    return [(name.replace("_per_second", "/s"), texts.get(name) or f"{row[name]:.4f}") for name in row]


def draw(rows, path):
    """The losses and the other measures of a run over its epochs, as a PNG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = [name for name in rows[-1] if name.startswith(("train_", "validation_", "test_"))]
    kinds = list(dict.fromkeys(name.partition("_")[2] for name in names))
    with rc_context(figures.STYLE):
        figure = Figure(figsize=(figures.COLUMN, 2.6))
        for axis, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
            for name in names:
                if name.partition("_")[2] == kind:
                    points = [(row["epoch"], row[name]) for row in rows if math.isfinite(row[name])]
                    axis.plot(*zip(*points, strict=True), "o-", ms=3, label=name.partition("_")[0])
            axis.set(xlabel="epoch", ylabel=kind)
            axis.legend()
        with contextlib.suppress(OSError):  # a curve is not worth a run
            figure.savefig(path)


def _make_folder(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"the folder {folder} cannot be made: {error.strerror}") from error
