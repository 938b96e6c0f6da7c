"""The command line: cnncourse train | evaluate | predict | find-lr | models | study.

Exit code 0: done. 2: the command or the recipe is wrong. 1: the run failed. Either way one sentence, no traceback.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import models, recipe, runtime, train
from .train import run, studies
from .train.checkpoint import write_whole

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train convolutional networks from recipes, measure them, and use them.",
)

# What may change when a run goes on: nothing that would make it another run.
RESUMABLE = ("epochs", "device", "data_root", "workers", "prefetch", "log_every")

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Recipe keys to change.")
]
Recipe = Annotated[Path | None, typer.Argument(metavar="[RECIPE.yaml]", help="The recipe to train.")]
Trained = Annotated[
    Path, typer.Argument(metavar="RUN", help="A folder that train wrote, or a .pt file in it.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]


@app.command(
    "train",
    epilog="Several processes: torchrun --nproc-per-node 2 -m cnncourse train RECIPE.yaml --out DIR. "
    "The keys of a recipe: " + ", ".join(recipe.KEYS) + ".",
)
def train_command(
    recipe_file: Recipe = None,
    changes: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run; it must not hold one.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of a run to go on with; needs no recipe.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option(help="Also write event files for TensorBoard.")] = False,
):
    """Train a model from a recipe.

    Writes into the folder: recipe.yaml (all keys), metrics.jsonl (one row an epoch), last.pt (to go on from) and
    best.pt (best accuracy so far). A run that was killed goes on with --resume, and ends with the same numbers.

    cnncourse train recipes/lenet_fashion_mnist.yaml --out runs/first epochs=3 lr=0.05 augment=[crop,flip]
    """
    with _in_one_sentence():
        # With --resume there is no recipe: the first word, if any, is a change.
        words = [*([str(recipe_file)] if resume and recipe_file else []), *(changes or [])]
        values = recipe.overrides(words)
        if resume:
            if out:
                raise recipe.RecipeError("--resume goes on in its own folder: leave out --out")
            folder, made = resume, _recipe_to_resume(resume, values)
        else:
            if not recipe_file or not out:
                raise recipe.RecipeError("train needs a recipe and --out FOLDER, or --resume FOLDER")
            folder, made = out, _read_recipe(recipe_file, values)
            if any((folder / name).exists() for name in ("recipe.yaml", "last.pt", "metrics.jsonl")):
                raise recipe.RecipeError(
                    f"{folder} already holds a run: go on with --resume {folder}, or choose another folder"
                )
        trainer = run.trainer_for(made)
        _run(trainer, folder, tensorboard)


def _run(trainer, folder, tensorboard):
    first = trainer.machine.first
    if first:
        _make_folder(folder)
    if (folder / "last.pt").exists():
        trainer.load(folder / "last.pt")
    if trainer.epoch > trainer.recipe.epochs:
        raise recipe.RecipeError(f"epochs is {trainer.recipe.epochs}, but {folder} has done {trainer.epoch}")
    if first:
        write_whole(folder / "recipe.yaml", trainer.recipe.to_yaml().encode())
        if trainer.rows:
            _write_rows(trainer, folder)
            _keep_best(trainer, folder)
    if first and trainer.epoch >= trainer.recipe.epochs:
        typer.echo(f"all {trainer.recipe.epochs} epochs are done; more with epochs=N")
    board = _tensorboard(folder) if tensorboard and first else None
    with _progress(trainer):
        for row in trainer.fit():
            trainer.save(folder / "last.pt")  # first: the rows and best.pt can be made again from it
            if first:
                _write_rows(trainer, folder)
                _keep_best(trainer, folder)
                typer.echo(studies.line(row))
            if board:
                for name in set(row) - {"epoch"}:
                    board.add_scalar(name, row[name], row["epoch"])
                board.flush()


def _read_recipe(path, changes):
    base = recipe.read_values(path)
    return recipe.from_dict(recipe.changed(base, changes), where=str(path))


def _recipe_to_resume(folder, changes):
    if not (folder / "recipe.yaml").exists():
        raise recipe.RecipeError(f"{folder} holds no run (no recipe.yaml): start one with --out {folder}")
    fixed = [key for key in changes if key not in RESUMABLE]
    if fixed:
        raise recipe.RecipeError(
            f"{fixed[0]} cannot change when a run goes on, only {', '.join(RESUMABLE)} can: start a new run with --out"
        )
    return _read_recipe(folder / "recipe.yaml", changes)


def _make_folder(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise train.RunError(f"the folder {folder} cannot be made: {error.strerror}") from error


def _write_rows(trainer, folder):
    content = "".join(json.dumps(row) + "\n" for row in trainer.rows)
    write_whole(folder / "metrics.jsonl", content.encode())


def _keep_best(trainer, folder):
    """best.pt is the checkpoint of the first epoch with the best accuracy (loss, where there is no accuracy)."""

    def quality(row):
        return row.get("test_accuracy", -row.get("test_loss", row["train_loss"]))

    best = max(trainer.rows, key=quality)
    if best is trainer.rows[-1]:
        trainer.save(folder / "best.pt")


def _tensorboard(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise train.RunError("TensorBoard is not installed: pip install tensorboard") from error
    return SummaryWriter(folder)


@app.command()
def evaluate(
    trained: Trained,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the full image sets.")] = None,
    device: Device = "auto",
):
    """Measure a trained model on the test set of its data.

    A folder means its best.pt. A run that held images out (validation) chose by these; now the test set is read.
    """
    with _in_one_sentence():
        model, made, state = run.restore(_checkpoint(trained), _machine(device).device)
        made = made.replace(device=device, **({"data_root": str(data_root)} if data_root else {}))
        trainer = train.Trainer(model, run.test_batches(made, model), None, made.replace(ema=0, accumulate=1))
        measured = trainer.evaluate(trainer.train)
        typer.echo(
            f"{made.model} on {made.data}, test set of {trainer.train.number:,} images, after epoch {state['epoch']}: "
            f"accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f}"
        )


@app.command()
def predict(
    trained: Trained,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 3,
    invert: Annotated[
        bool, typer.Option(help="Turn dark on light into light on dark, as MNIST has it.")
    ] = False,
    device: Device = "auto",
):
    """Show the likeliest classes of image files.

    Each image is made gray or RGB as the model wants it, cut to its middle square and reduced to the size of the
    images that the model was trained on.
    """
    with _in_one_sentence():
        model, _, state = run.restore(_checkpoint(trained), _machine(device).device)
        for path in images:
            shares = run.class_probabilities(model, state, path, invert=invert).tolist()
            order = sorted(range(len(shares)), key=lambda k: -shares[k])[:top]
            typer.echo(f"{path}: " + ", ".join(f"{state['classes'][k]} {shares[k]:.1%}" for k in order))


@app.command("find-lr")
def find_lr(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE.yaml")],
    changes: Overrides = None,
    low: Annotated[float, typer.Option(help="First rate.")] = 1e-5,
    high: Annotated[float, typer.Option(help="Last rate.")] = 10.0,
    steps: Annotated[int, typer.Option(min=10, help="Steps between them.")] = 100,
    plot: Annotated[Path | None, typer.Option(help="Also draw the curve into this file.")] = None,
):
    """Find a learning rate: train a little with a rate that grows, and see where the loss falls and where it breaks."""
    with _in_one_sentence():
        if not 0 < low < high:
            raise recipe.RecipeError(f"low is {low:g} and high is {high:g}, expected 0 < low < high")
        trainer = run.trainer_for(_read_recipe(recipe_file, recipe.overrides(changes or [])))
        rates, losses, suggestion = train.find_lr(trainer, low, high, steps)
        every = max(1, len(rates) // 15)
        for lr, loss in zip(rates[::every], losses[::every], strict=True):
            typer.echo(f"lr {lr:9.3g}   loss {loss:.4f}")
        ended = "" if len(rates) == steps else f"; the loss broke away after {rates[-1]:.3g}" if rates else ""
        typer.echo(
            f"the loss falls fastest at lr {suggestion:.3g}{ended}" if suggestion else "the loss never falls"
        )
        if plot:
            _plot(rates, losses, suggestion, plot)


def _plot(rates, losses, suggestion, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from . import figures

    figures.use_style()
    figure, axes = plt.subplots()
    axes.semilogx(rates, losses)
    if suggestion:
        axes.axvline(suggestion, color=figures.PALETTE["vermillion"], label=f"fastest fall: {suggestion:.2g}")
        axes.legend()
    axes.set(xlabel="learning rate", ylabel="loss (smoothed)")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise train.RunError(f"{path} cannot be written: {error}") from error


@app.command("models")
def list_models():
    """List the models, their sizes, and the options that model_options can set."""
    for name in models.names():
        model = models.build(name)
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        side = f"{model.in_channels}×{model.input_size}×{model.input_size}"
        typer.echo(f"{name:14s} {count:>12,} parameters   input {side:10s}  {model.num_classes} classes")
        for option, default in models.options(name).items():
            typer.echo(f"{'':16s}{option}: {default}")


@app.command()
def study(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="What to train.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the full image sets.")] = None,
    table: Annotated[bool, typer.Option(help="Print what is recorded as a Markdown table.")] = False,
):
    """Train studies again and write results/NAME.json; without a name, list them."""
    with _in_one_sentence():
        if table:
            typer.echo(studies.results_table())
        elif not names:
            for name in studies.studies():
                typer.echo(f"{name:24s} {studies.read_study(name)['title']}")
        for name in names or []:
            studies.record(name, data_root)


# ── Shared by the commands ──────────────────────────────────────────────────────────────────────────────────────────


def _checkpoint(path):
    """The file itself, or in a folder best.pt, else last.pt."""
    if not path.is_dir():
        return path
    found = [path / name for name in ("best.pt", "last.pt") if (path / name).exists()]
    if not found:
        raise train.RunError(f"{path} holds no checkpoint (neither best.pt nor last.pt)")
    return found[0]


def _machine(device):
    return runtime.start(device)


@contextlib.contextmanager
def _in_one_sentence():
    """What goes wrong is said on one line of stderr: exit code 2 for a wrong command or recipe, 1 for a failed run."""
    process = f"process {os.environ['RANK']}: " if os.environ.get("RANK", "0") != "0" else ""
    try:
        yield
    except (RuntimeError, OSError, MemoryError) as error:
        code, sentence = 1, str(error) or type(error).__name__
    except (ValueError, TypeError) as error:
        code, sentence = 2, str(error)
    except KeyboardInterrupt:
        code, sentence = 130, "interrupted; what was saved is whole, and --resume goes on from it"
    else:
        runtime.finish()
        return
    typer.echo(f"cnncourse: {process}{' '.join(sentence.split())}", err=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def _progress(trainer):
    """A bar through the batches of each epoch, while a person is watching."""
    if not (trainer.machine.first and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        trainer.train = _Watched(trainer.train, progress)
        yield


class _Watched:
    """Batches that move a progress bar as they are taken."""

    def __init__(self, batches, progress):
        self.batches, self.progress = batches, progress
        self.task = progress.add_task("", total=len(batches))

    def __getattr__(self, name):
        return getattr(self.batches, name)

    def __len__(self):
        return len(self.batches)

    def set_epoch(self, epoch):
        self.batches.set_epoch(epoch)
        self.progress.reset(self.task, description=f"epoch {epoch}")

    def __iter__(self):
        for batch in self.batches:
            yield batch
            self.progress.advance(self.task)


def main():
    app(prog_name="cnncourse")
