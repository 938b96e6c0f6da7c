"""One training loop, for a laptop, a GPU and several; whoever iterates it watches it.

    trainer = Trainer(model, train, test, Recipe(model="lenet5", data="mnist", epochs=5))
    for row in trainer.fit():            # one row an epoch
        print(row["epoch"], row["test_accuracy"])

There are no callbacks: the caller prints, plots, saves (`trainer.save`) or stops between two rows.
"""

import contextlib
import io
import math

import torch
from torch import nn

from .. import runtime
from ..objectives import Supervised
from ..recipe import RecipeError, from_dict
from .checkpoint import RunError, read_checkpoint, write_whole
from .optim import known_prefixes, learning_rate, make_optimizer, set_epoch, set_lr, under


class Diverged(RunError):
    """The loss is not finite: `step` (from 1, over the whole run), `lr` there, `last` finite loss before it."""

    def __init__(self, step, lr, last):
        self.step, self.lr, self.last = step, lr, last
        before = "no loss before it was finite" if last is None else f"the last finite loss was {last:.4g}"
        super().__init__(
            f"the loss is not finite at step {step}, where the learning rate was {lr:.3g} ({before}): "
            "try a smaller lr, a longer warmup, or clip_norm"
        )


class Step(nn.Module):
    """Model and objective as one module, so that several processes, and the optimizer, see the parameters of both."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch):
        return self.objective(self.model, batch)


class Trainer:
    """A model, two re-iterable sets of batches and a recipe; `fit()` trains and yields a row after each epoch.

    train, test   give batches on the device, e.g. `data.Batches`; have `len`; `set_epoch(n)` is called where they have
                  it. What is in a batch only the objective knows. test may be None: the rows then lack its columns.
    objective     an `objectives.Objective`; None: `Supervised`, as the recipe has it
    Attributes: `model` (trained in place), `objective`, `averaged` (the model's exponential moving average, or None),
    `epoch` (epochs done), `rows` (theirs), `machine`.
    """

    def __init__(self, model, train, test, recipe, objective=None):
        self.recipe, self.train, self.test = recipe, train, test
        self.machine = machine_for(recipe)
        if len(train) < recipe.accumulate:
            raise RunError(
                f"an epoch has {len(train)} batches of {recipe.batch_size} images, fewer than one step of the "
                f"optimizer needs (accumulate is {recipe.accumulate}): use a smaller batch_size"
            )
        layout = torch.channels_last if recipe.channels_last else torch.preserve_format
        self.model = model.to(self.machine.device, memory_format=layout)
        self.objective = (objective or _supervised(recipe, train)).to(self.machine.device)
        self.step = Step(self.model, self.objective)
        self._freeze()
        self.averaged = _averaged(self.model, recipe.ema) if recipe.ema else None
        if recipe.compile:
            self.model.compile()
        self.parallel = self.machine.parallel(self.step)
        self.optimizer = make_optimizer(self.named_parameters(self.step), recipe)
        self.scaler = self.machine.scaler()
        self.epoch, self.rows = 0, []

    @property
    def measured_model(self):
        """The model whose accuracy the rows state: the averaged one where the recipe asks for it."""
        return self.averaged.module if self.averaged else self.model

    def fit(self):
        """Train from where the run stands to the recipe's last epoch: a generator of rows.

        Row: epoch (from 1), lr (of the last step), train_loss, train_NAME for what the objective returns; the same on
        the other images, as validation_NAME where the recipe holds images out, else as test_NAME; seconds and
        images_per_second of the training part. All are means over images. `Diverged` if a loss is not finite.
        """
        measured = self.recipe.measured
        for epoch in range(self.epoch + 1, self.recipe.epochs + 1):
            with self.machine.at_work(), _memory_explained(self.recipe):
                row = {"epoch": epoch, **self._train_epoch(epoch)}
                if self.test is not None:
                    row.update(
                        {f"{measured}_{name}": value for name, value in self.evaluate(self.test).items()}
                    )
            if not math.isfinite(row.get(f"{measured}_loss", 0.0)):
                raise Diverged(epoch * self.steps_per_epoch, row["lr"], row["train_loss"])
            timing = {name: row.pop(name) for name in ("seconds", "images_per_second")}
            row = {name: runtime.significant(value, 7) for name, value in {**row, **timing}.items()}
            self.epoch = epoch
            self.rows.append(row)
            yield dict(row)

    def evaluate(self, batches):
        """Means over all images of the batches, {"loss": …, "accuracy": …}, with the model that is measured."""
        return evaluate(self.measured_model, batches, self.objective, self.machine)

    @staticmethod
    def named_parameters(step):
        """(name, parameter) of a `Step`: the model's under their own names, an objective's as objective.NAME."""
        step = getattr(step, "module", step)  # what DistributedDataParallel wraps
        for name, parameter in step.named_parameters():
            yield name.removeprefix("model."), parameter

    def to_train(self, step):
        """Training mode, except for what is frozen: its batch statistics stay."""
        step.train()
        for name, module in getattr(step, "module", step).named_modules():
            if any(under(name.removeprefix("model."), prefix) for prefix in self.recipe.freeze):
                module.eval()

    def _freeze(self):
        named = list(self.named_parameters(self.step))
        known_prefixes("freeze", self.recipe.freeze, [name for name, _ in named])
        for name, parameter in named:
            if any(under(name, prefix) for prefix in self.recipe.freeze):
                parameter.requires_grad_(False)

    @property
    def steps_per_epoch(self):
        """Steps of the optimizer; batches left over by `accumulate` are not trained on."""
        return len(self.train) // self.recipe.accumulate

    def _train_epoch(self, epoch):
        recipe, machine, size = self.recipe, self.machine, self.objective.size
        runtime.seed(recipe.seed, epoch, machine.rank)
        self.to_train(self.parallel)
        set_epoch(self.train, epoch)
        batches = self.steps_per_epoch * recipe.accumulate
        losses, sizes = torch.zeros(batches, device=machine.device), []
        first_step = (epoch - 1) * self.steps_per_epoch
        totals, read, watch = {}, 0, runtime.Stopwatch(machine)

        for index, batch in zip(range(batches), self.train, strict=False):
            step, last_part = first_step + index // recipe.accumulate, (index + 1) % recipe.accumulate == 0
            if index % recipe.accumulate == 0:
                set_lr(self.optimizer, learning_rate(recipe, step, self.steps_per_epoch))
                self.optimizer.zero_grad(set_to_none=True)
            # Gradients of the parts of one step are exchanged between the processes once, with the last part.
            with contextlib.nullcontext() if last_part or machine.world == 1 else self.parallel.no_sync():
                with machine.autocast():
                    loss, metrics = self.parallel(batch)
                self.scaler.scale(loss / recipe.accumulate).backward()
            if last_part:
                self._take_step()

            # All bookkeeping stays on the device; it is read every `log_every` batches, and at the end.
            sizes.append(size(batch))
            losses[index] = loss.detach()
            for name, value in metrics.items():
                totals[name] = totals.get(name, 0) + value.detach() * sizes[-1]
            if (index + 1) % recipe.log_every == 0 or index + 1 == batches:
                self._check(losses, read, index + 1, first_step)
                read = index + 1

        # Means over images, also where the last batch is smaller.
        images = sum(sizes)
        totals = {"loss": (losses * losses.new_tensor(sizes)).sum(), **totals}
        sums = [(total / images).to(machine.wide) * images for total in totals.values()]
        images, *sums = machine.sum(images, *sums).tolist()
        seconds = watch.seconds()
        return {
            "lr": learning_rate(recipe, first_step + self.steps_per_epoch - 1, self.steps_per_epoch),
            **{f"train_{name}": total / images for name, total in zip(totals, sums, strict=True)},
            "seconds": seconds,
            "images_per_second": images / seconds,
        }

    def _take_step(self):
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.step.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        self.objective.after_step(self.model)

    def _check(self, losses, start, stop, first_step):
        """Stop every process if any of the losses since the last reading is not finite."""
        recent = losses[start:stop].tolist()
        bad = next((start + i for i, value in enumerate(recent) if not math.isfinite(value)), len(losses))
        first_bad = int(self.machine.smallest(bad))
        if first_bad < len(losses):
            finite = [value for value in losses[:first_bad].tolist() if math.isfinite(value)]
            step = first_step + first_bad // self.recipe.accumulate
            before = self.rows[-1]["train_loss"] if self.rows else None
            lr = learning_rate(self.recipe, step, self.steps_per_epoch)
            raise Diverged(step + 1, lr, finite[-1] if finite else before)

    # ── Checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

    def state_dict(self):
        """Everything that the run's next epoch depends on, and the rows so far."""
        return {
            "format": 2,
            "recipe": self.recipe.to_dict(),
            "epoch": self.epoch,
            "rows": self.rows,
            "classes": list(getattr(self.train, "classes", ())),
            "mean": list(getattr(self.train, "mean", ())),
            "std": list(getattr(self.train, "std", ())),
            "shape": list(getattr(self.train, "shape", ())),
            "padding": list(getattr(self.train, "padding", ())),
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.rows = state["epoch"], list(state["rows"])

    def save(self, path):
        """Write a checkpoint; the file at `path` is the old one or the whole new one, whatever happens."""
        if self.machine.first:
            buffer = io.BytesIO()
            torch.save(self.state_dict(), buffer)
            write_whole(path, buffer.getvalue())

    def load(self, path):
        """Go on from a checkpoint of this run: `fit()` continues with the epoch after it. `RunError` for another's."""
        state = read_checkpoint(path, self.machine.device)
        made = from_dict(state["recipe"], where=f"the recipe in {path}")
        if difference := other_run(made, self.recipe, state["epoch"]):
            raise RunError(f"{path} is the checkpoint of another run: {difference}")
        there, here = state["classes"], list(getattr(self.train, "classes", ()))
        if there != here:
            raise RunError(f"{path} is the checkpoint of another run: its classes are {there}, here {here}")
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path} is the checkpoint of another model or recipe: {reason}") from error


@torch.no_grad()
def evaluate(model, batches, objective=None, machine=None):
    """Means over all images of the batches, {"loss": …, NAME: … for what the objective returns}.

    Model and objective are in evaluation mode for it, and then as they were. objective None: `Supervised`.
    machine None: one process on the device where the model is. Batches without an image: `RunError`.
    """
    objective = objective or Supervised()
    machine = machine or runtime.Machine(next(model.parameters()).device)
    machine.share(model)
    totals, count = {}, 0
    with machine.at_work(), _evaluating(model), _evaluating(objective):
        for batch in batches:
            size = objective.size(batch)
            if size:  # a process's share of the last batch may be empty
                with machine.autocast():
                    loss, metrics = objective(model, batch)
                for name, value in {"loss": loss, **metrics}.items():
                    totals[name] = totals.get(name, 0) + value.to(machine.wide) * size
                count += size
    names = machine.longest(list(totals))
    count, *sums = machine.sum(count, *(totals.get(name, 0.0) for name in names)).tolist()
    if not count:
        raise RunError("there is nothing to measure: the batches have no images")
    return {name: total / count for name, total in zip(names, sums, strict=True)}


@contextlib.contextmanager
def _evaluating(module):
    """Evaluation mode; afterwards each part of the module is in the mode it was in."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


# What may change when a run goes on: nothing that would make it another run.
RESUMABLE = ("epochs", "device", "data_root", "workers", "prefetch", "threads", "log_every")


def other_run(there, here, done):
    """Why a run of the recipe `there`, of which `done` epochs are done, cannot go on with `here`; None if it can."""
    for key, value in there.to_dict().items():
        now = here.to_dict()[key]
        if value == now or (key in RESUMABLE and key != "epochs"):
            continue
        if key == "epochs" and (done == 0 or here.schedule == "constant"):
            continue
        because = (
            f", and the {here.schedule} schedule of what is done depends on it" if key == "epochs" else ""
        )
        return f"{key} is {value!r} there and {now!r} here{because}"
    return None


# ── The parts that a recipe names ───────────────────────────────────────────────────────────────────────────────────


def machine_for(recipe):
    """This process's `Machine`, started as the recipe wants it."""
    return start_machine(
        recipe.device,
        precision=recipe.precision,
        deterministic=recipe.deterministic,
        threads=recipe.threads,
    )


def start_machine(device, **options):
    """`runtime.start`, whose errors are the recipe's (an unknown device) or the run's (one that is not here)."""
    try:
        return runtime.start(device, **options)
    except ValueError as error:
        raise RecipeError(str(error), "device") from error
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _supervised(recipe, train):
    if recipe.objective != "supervised":
        raise RecipeError(
            f"objective is {recipe.objective!r}: give the Trainer one, or use train.trainer_for"
        )
    classes = getattr(train, "classes", None)
    return Supervised(classes and len(classes), **supervised_options(recipe))


def supervised_options(recipe):
    """What a recipe's own keys say to `Supervised`."""
    keys = ("label_smoothing", "mixup", "cutmix")
    return {**{key: getattr(recipe, key) for key in keys}, **recipe.objective_options}


def _averaged(model, decay):
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average, use_buffers=True)


@contextlib.contextmanager
def _memory_explained(recipe):
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise RunError(
                f"the device has too little memory for batches of {recipe.batch_size}: use a smaller batch_size "
                "(with accumulate, for the same step), or precision=bfloat16"
            ) from error
        raise
