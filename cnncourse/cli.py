"""The command line: cnncourse train | evaluate | predict | find-lr | models | study.

Exit code 0: done. 2: the command or the recipe is wrong. 1: the run failed. What a person did wrong is said in one
sentence; a fault of the program shows its traceback, and `--traceback` shows every one.
"""

import contextlib
import difflib
import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import data, measure, models, recipe, runtime, train
from .recipe import RecipeError
from .train import run, studies
from .train.checkpoint import RunError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train convolutional networks from recipes, measure them, and use them. "
    "After any command, --traceback shows where an error came from.",
)

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Recipe keys to change.")
]
Recipe = Annotated[
    str | None, typer.Argument(metavar="[RECIPE]", help="A YAML file, or the name of one in recipes/.")
]
Trained = Annotated[
    Path, typer.Argument(metavar="RUN", help="A folder that train wrote, or a .pt file in it.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]


@app.command(
    "train",
    epilog="Several processes: torchrun --nproc-per-node 2 -m cnncourse train RECIPE --out DIR. "
    "The keys of a recipe: " + ", ".join(recipe.KEYS) + ".",
)
def train_command(
    name: Recipe = None,
    changes: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run; it must not hold one.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of a run to go on with; needs no recipe.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option(help="Also write event files for TensorBoard.")] = False,
):
    """Train a model from a recipe.

    Writes into the folder: recipe.yaml (all keys), metrics.jsonl (one row an epoch), metrics.png (the rows drawn),
    last.pt (to go on from) and best.pt (the best epoch so far). A run that was killed goes on with --resume, and ends
    with the same numbers.

    cnncourse train lenet_quick --out runs/first epochs=3 lr=0.05 augment=[crop,flip]
    """
    with _in_one_sentence():
        # With --resume there is no recipe: the first word, if any, is a change.
        words = [*([name] if resume and name else []), *(changes or [])]
        values = recipe.overrides(words)
        if resume:
            if out:
                raise RecipeError("--resume goes on in its own folder: leave out --out")
            with _where_from(values, resume / "recipe.yaml"):
                chosen = train.Run.open(resume, **values)
                _go(chosen, tensorboard)
        else:
            if not name or not out:
                raise RecipeError("train needs a recipe and --out FOLDER, or --resume FOLDER")
            path = _recipe_file(name)
            with _where_from(values, path):
                _go(train.Run.start(_read(path, values), out), tensorboard)


def _go(chosen, tensorboard):
    """Train a run, telling what it is, how far it is, and what became of it."""
    trainer, done = chosen.trainer, len(chosen.rows)
    first = trainer.machine.first
    if first and done >= chosen.recipe.epochs:
        typer.echo(f"all {chosen.recipe.epochs} epochs are done")
    elif first:
        _announce(chosen)
    board = _tensorboard(chosen.folder) if tensorboard and first else None
    with _progress(trainer):
        for row in chosen:
            if first:
                cells = run.columns(row, chosen.recipe.epochs)
                widths = [max(len(name), len(text), 8) for name, text in cells]
                lines = [[name for name, _ in cells]] if row["epoch"] == done + 1 else []
                for line in [*lines, [text for _, text in cells]]:
                    typer.echo("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
            if board:
                for name in set(row) - {"epoch"}:
                    board.add_scalar(name, row[name], row["epoch"])
                board.flush()
    if first:
        files = ", ".join(sorted(path.name for path in chosen.folder.iterdir() if path.is_file()))
        best = chosen.best
        typer.echo(
            f"complete: best epoch {best['epoch']} of {chosen.recipe.epochs} ({chosen.monitor} "
            f"{best[chosen.monitor]:.4f}); {chosen.folder} holds {files}"
        )
        typer.echo(f"next: cnncourse evaluate {chosen.folder}")


def _announce(chosen):
    made, trainer = chosen.recipe, chosen.trainer
    count = sum(p.numel() for p in trainer.step.parameters() if p.requires_grad)
    machine = trainer.machine
    where = f"{machine.world} × {machine.device.type}" if machine.world > 1 else str(machine.device)
    threads = f", {machine.threads} thread{'s' * (machine.threads > 1)}" if where == "cpu" else ""
    held = "images held out (validation)" if made.validation else "images of the test set"
    typer.echo(f"{made.model}, {count:,} parameters to train, on {where}{threads}, {machine.precision}")
    typer.echo(
        f"{made.data}: {trainer.train.number:,} images to train on, "
        f"measured on {trainer.test.number:,} {held}; into {chosen.folder}"
    )


def _tensorboard(folder):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError("TensorBoard is not installed: pip install tensorboard") from error
    return SummaryWriter(folder)


@app.command()
def evaluate(
    trained: Trained,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the full image sets.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
    device: Device = "auto",
):
    """Measure a trained model on the test set of its data: accuracy, each class, and which are taken for which.

    A folder means its best.pt. A run that held images out (validation) chose by these; now the test set is read.
    """
    with _in_one_sentence():
        model = run.Trained(trained, device)
        found = model.evaluate(data_root)
        report = found.pop("report")
        each = {
            name: {key: float(getattr(report, key)[k]) for key in ("precision", "recall", "f1")}
            | {"images": int(report.support[k])}
            for k, name in enumerate(found["classes"])
        }
        if as_json:
            facts = {"model": model.recipe.model, "data": model.recipe.data, "epoch": model.epoch}
            typer.echo(json.dumps({**facts, **found, "confusion": found["confusion"].tolist(), "each": each}))
            return
        typer.echo(
            f"{model.recipe.model} on {model.recipe.data}, test set of {found['images']:,} images, after epoch "
            f"{model.epoch}: accuracy {found['accuracy']:.4f}, loss {found['loss']:.4f}"
        )
        _tables(each, found["confusion"].tolist())


def _tables(each, confusion):
    """Each class with its precision, recall and F1, and the confusion matrix below."""
    width = max(9, *(len(name) for name in each))
    typer.echo(f"\n{'class':{width}}  precision  recall      F1  images")
    for name, its in each.items():
        typer.echo(
            f"{name:{width}}  {its['precision']:9.4f}  {its['recall']:6.4f}  {its['f1']:6.4f}  {its['images']:6,}"
        )
    if len(each) > 20:
        typer.echo(f"\n{len(each)} classes: --json has which were taken for which")
        return
    side = max(5, *(len(str(count)) for row in confusion for count in row)) + 1
    typer.echo(f"\n{'true':{width}}  taken for, in the same order")
    for name, row in zip(each, confusion, strict=True):
        typer.echo(f"{name:{width}} " + "".join(f"{count:{side}}" for count in row))


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
        model = run.Trained(trained, device)
        for path in images:
            shares = model.predict(path, invert=invert).tolist()
            order = sorted(range(len(shares)), key=lambda k: -shares[k])[:top]
            typer.echo(f"{path}: " + ", ".join(f"{model.classes[k]} {shares[k]:.1%}" for k in order))
            if model.other_ground(path) != invert:
                advice = "leave out --invert" if invert else "--invert turns it round"
                typer.echo(
                    f"{path}: its ground seems the other way round than in the training images; {advice}",
                    err=True,
                )


@app.command("find-lr")
def find_lr(
    name: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of one in recipes/.")
    ],
    changes: Overrides = None,
    low: Annotated[float, typer.Option(help="First rate.")] = 1e-5,
    high: Annotated[float, typer.Option(help="Last rate.")] = 10.0,
    steps: Annotated[int, typer.Option(min=10, help="Steps between them.")] = 100,
    plot: Annotated[Path | None, typer.Option(help="Also draw the curve into this file.")] = None,
):
    """Find a learning rate: train a little with a rate that grows, and see where the loss falls and where it breaks."""
    with _in_one_sentence():
        if not 0 < low < high < math.inf:
            raise RecipeError(
                f"low and high must be finite rates with 0 < low < high, got {low:g} and {high:g}"
            )
        path, values = _recipe_file(name), recipe.overrides(changes or [])
        with _where_from(values, path):
            trainer = train.trainer_for(_read(path, values))
        rates, losses, steepest = train.find_lr(trainer, low, high, steps)
        every = max(1, len(rates) // 15)
        for lr, loss in zip(rates[::every], losses[::every], strict=True):
            typer.echo(f"lr {lr:9.3g}   loss {loss:.4f}")
        ended = "" if len(rates) == steps else f"; the loss broke away after {rates[-1]:.3g}" if rates else ""
        typer.echo(
            f"the loss falls fastest at {steepest:.3g}, near the edge{ended}: to begin with, train with a tenth of it, "
            f"lr={steepest / 10:.2g}"
            if steepest
            else "the loss never falls"
        )
        if plot:
            _plot(rates, losses, steepest, plot)


def _plot(rates, losses, steepest, path):
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from . import figures

    with rc_context(figures.STYLE):
        figure = Figure()
        axes = figure.subplots()
        axes.semilogx(rates, losses)
        if steepest:
            fall = {"color": figures.PALETTE["vermillion"], "label": f"falls fastest: {steepest:.2g}"}
            axes.axvline(steepest, ls="--", **fall)
            start = {"color": figures.PALETTE["green"], "label": f"to train with: {steepest / 10:.2g}"}
            axes.axvline(steepest / 10, **start)
            axes.legend()
        axes.set(xlabel="learning rate", ylabel="loss (smoothed)")
        try:
            figure.savefig(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be written: {error}") from error


@app.command("models")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Show the layers of this one.")] = None,
):
    """List the models, their sizes, and the options that model_options can set; with a name, its layers."""
    import torch

    with _in_one_sentence(), torch.device("meta"):  # counts need no numbers
        if name:
            try:
                model = models.build(name)
            except ValueError as error:
                raise RecipeError(str(error)) from error
            side = model.input_size or model.published_size
            typer.echo(str(measure.table(model, (1, model.in_channels, side, side))))
            return
        for known in models.names():
            model = models.build(known)
            count = sum(p.numel() for p in model.parameters() if p.requires_grad)
            side = f"{model.in_channels}×{model.published_size}×{model.published_size}"
            typer.echo(f"{known:17s} {count:>12,} parameters   input {side:10s}  {model.num_classes} classes")
            for option, default in models.options(known).items():
                typer.echo(f"{'':19s}{option}: {default}")


@app.command()
def study(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="What to train.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the full image sets.")] = None,
    table: Annotated[bool, typer.Option(help="Print what is recorded as a Markdown table.")] = False,
):
    """Train studies again and write results/NAME.json; without a name, list them.

    A study that was interrupted goes on with the run that comes next.
    """
    with _in_one_sentence():
        if table:
            typer.echo(studies.results_table())
        elif not names:
            for name in studies.studies():
                typer.echo(f"{name:24s} {studies.read_study(name)['title']}")
        for name in names or []:
            studies.record(name, data_root)


# ── Shared by the commands ──────────────────────────────────────────────────────────────────────────────────────────


def _recipe_file(name):
    """The file itself, or the one of this name in recipes/."""
    path = Path(name)
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return path
    known = sorted(found.stem for found in studies.RECIPES.glob("*.yaml"))
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{name!r} is neither a file nor one of {', '.join(known)}{hint}")
    return studies.RECIPES / f"{name}.yaml"


def _read(path, changes):
    return recipe.from_dict(recipe.changed(recipe.read_values(path), changes), where=str(path))


@contextlib.contextmanager
def _where_from(changes, path):
    """To an error about a key, add where its value came from: the command line or a file."""
    try:
        yield
    except RecipeError as error:
        if error.key is None:
            raise
        typed = any(key.partition(".")[0] == error.key for key in changes)
        raise RecipeError(f"{error} ({'on the command line' if typed else f'in {path}'})") from error


@contextlib.contextmanager
def _in_one_sentence():
    """What goes wrong is said on one line of stderr: exit code 2 for a wrong command or recipe, 1 for a failed run."""
    process = f"process {os.environ['RANK']}: " if os.environ.get("RANK", "0") != "0" else ""
    try:
        yield
    except (RecipeError, RunError, data.BrokenImage, OSError, MemoryError, KeyboardInterrupt) as error:
        if _traceback:
            raise
        code = 2 if isinstance(error, RecipeError) else 130 if isinstance(error, KeyboardInterrupt) else 1
        sentence = str(error) or type(error).__name__
        if code == 130:
            sentence = "interrupted; what was saved is whole, and --resume goes on from it"
        typer.echo(f"cnncourse: {process}{' '.join(sentence.split())}", err=True)
        raise typer.Exit(code) from None
    runtime.finish()


@contextlib.contextmanager
def _progress(trainer):
    """A bar through the batches that are left, with the time they take, while a person is watching."""
    if not (trainer.machine.first and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    batches, epochs = trainer.train, trainer.recipe.epochs
    with Progress(console=Console(stderr=True), transient=True) as progress:
        trainer.train = _Watched(batches, progress, epochs, (epochs - trainer.epoch) * len(batches))
        try:
            yield
        finally:
            trainer.train = batches


class _Watched:
    """Batches that move a progress bar as they are taken."""

    def __init__(self, batches, progress, epochs, total):
        self.batches, self.progress, self.epochs = batches, progress, epochs
        self.task = progress.add_task("", total=total)

    def __getattr__(self, name):
        return getattr(self.batches, name)

    def __len__(self):
        return len(self.batches)

    def set_epoch(self, epoch):
        self.batches.set_epoch(epoch)
        self.progress.update(self.task, description=f"epoch {epoch} of {self.epochs}")

    def __iter__(self):
        for batch in self.batches:
            yield batch
            self.progress.advance(self.task)


_traceback = False


def main():
    global _traceback
    _traceback = "--traceback" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--traceback"]
    app(prog_name="cnncourse")
