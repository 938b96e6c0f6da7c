"""One training loop, for a laptop, a GPU and several; whoever iterates it watches it.

    trainer = Trainer(model, train, test, Recipe(model="lenet5", data="mnist", epochs=5))
    for row in trainer.fit():            # one row an epoch
        print(row["epoch"], row["test_accuracy"])

There are no callbacks: the caller prints, plots, saves (`trainer.save`) or stops between two rows.
"""

import contextlib
import io
import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from .. import runtime
from .checkpoint import RunError, read_checkpoint, write_whole
from .optim import learning_rate, make_optimizer, set_epoch


class Diverged(RunError):
    """The loss is not finite: `step` (from 1, over the whole run), `lr` there, `last` finite loss before it."""

    def __init__(self, step, lr, last):
        self.step, self.lr, self.last = step, lr, last
        before = "no loss before it was finite" if last is None else f"the last finite loss was {last:.4g}"
        super().__init__(
            f"the loss is not finite at step {step}, where the learning rate was {lr:.3g} ({before}): "
            "try a smaller lr, a longer warmup, or clip_norm"
        )


def supervised(model, batch, *, label_smoothing=0.0):
    """Cross-entropy of the model's logits, and the share of images whose largest logit is the label's.

    batch: images (N, C, H, W), labels (N,) or a distribution over the classes (N, K), as mixup gives
    → mean loss, {"accuracy": …}, both on the device. Label smoothing acts in training only.
    """
    images, labels = batch
    logits = model(images)
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing if model.training else 0.0)
    main_label = labels.argmax(1) if labels.ndim == 2 else labels
    return loss, {"accuracy": (logits.detach().argmax(1) == main_label).float().mean()}


class Trainer:
    """A model, two re-iterable sets of batches and a recipe; `fit()` trains and yields a row after each epoch.

    train, test   give (images, labels) on the device, e.g. `data.Batches`; have `len`; `set_epoch(n)` is called
                  where they have it. test may be None: the rows then lack its columns.
    loss          loss(model, batch) → (mean loss, {name: mean over the batch}); the names become the columns
                  train_NAME and test_NAME
    Attributes: `model` (trained in place), `averaged` (its exponential moving average, or None), `epoch` (epochs
    done), `rows` (theirs), `machine`.
    """

    def __init__(self, model, train, test, recipe, *, loss=None):
        self.recipe, self.train, self.test = recipe, train, test
        self.machine = machine_for(recipe)
        self.loss = loss or partial(supervised, label_smoothing=recipe.label_smoothing)
        if len(train) < recipe.accumulate:
            raise RunError(
                f"an epoch has {len(train)} batches of {recipe.batch_size} images, fewer than one step of the "
                f"optimizer needs (accumulate is {recipe.accumulate}): use a smaller batch_size"
            )
        layout = torch.channels_last if recipe.channels_last else torch.preserve_format
        self.model = model.to(self.machine.device, memory_format=layout)
        self.averaged = _averaged(self.model, recipe.ema) if recipe.ema else None
        # What the loop calls; `model` stays the plain module, so that checkpoints have its names.
        self.forward = self.machine.parallel(self.model)
        self.forward = torch.compile(self.forward) if recipe.compile else self.forward
        self.optimizer = make_optimizer(self.model.parameters(), recipe)
        self.scaler = self.machine.scaler()
        self.mix = _mixing(recipe, train)
        self.epoch, self.rows = 0, []

    @property
    def measured_model(self):
        """The model whose accuracy the rows state: the averaged one where the recipe asks for it."""
        return self.averaged.module if self.averaged else self.model

    def fit(self):
        """Train from where the run stands to the recipe's last epoch: a generator of rows.

        Row: epoch (from 1), lr (of the last step), train_loss, train_accuracy, test_loss, test_accuracy, seconds
        and images_per_second (of the training part). `Diverged` if a loss is not finite.
        """
        for epoch in range(self.epoch + 1, self.recipe.epochs + 1):
            with _memory_explained(self.recipe):
                row = {"epoch": epoch, **self._train_epoch(epoch)}
                if self.test is not None:
                    row.update({f"test_{name}": value for name, value in self.evaluate(self.test).items()})
            if not math.isfinite(row.get("test_loss", 0.0)):
                raise Diverged(epoch * self.steps_per_epoch, row["lr"], row["train_loss"])
            timing = {name: row.pop(name) for name in ("seconds", "images_per_second")}
            row = {name: runtime.significant(value, 7) for name, value in {**row, **timing}.items()}
            self.epoch = epoch
            self.rows.append(row)
            yield dict(row)

    @property
    def steps_per_epoch(self):
        """Steps of the optimizer; batches left over by `accumulate` are not trained on."""
        return len(self.train) // self.recipe.accumulate

    def _train_epoch(self, epoch):
        recipe, machine = self.recipe, self.machine
        runtime.seed(recipe.seed, epoch, machine.rank)
        self.model.train()
        self.forward.train()
        set_epoch(self.train, epoch)
        batches = self.steps_per_epoch * recipe.accumulate
        losses = torch.zeros(batches, device=machine.device)
        first_step = (epoch - 1) * self.steps_per_epoch
        totals, images, read, watch = {}, 0, 0, runtime.Stopwatch(machine)

        for index, (x, labels) in zip(range(batches), self.train, strict=False):
            step, last_part = first_step + index // recipe.accumulate, (index + 1) % recipe.accumulate == 0
            if index % recipe.accumulate == 0:
                self._set_lr(step)
                self.optimizer.zero_grad(set_to_none=True)
            # Gradients of the parts of one step are exchanged between the processes once, with the last part.
            with contextlib.nullcontext() if last_part or machine.world == 1 else self.forward.no_sync():
                with machine.autocast():
                    loss, metrics = self.loss(self.forward, self.mix(x, labels))
                self.scaler.scale(loss / recipe.accumulate).backward()
            if last_part:
                self._step()

            # All bookkeeping stays on the device; it is read every `log_every` batches, and at the end.
            images += len(x)
            losses[index] = loss.detach()
            for name, value in metrics.items():
                totals[name] = totals.get(name, 0) + value.detach()
            if (index + 1) % recipe.log_every == 0 or index + 1 == batches:
                self._check(losses, read, index + 1, first_step)
                read = index + 1

        means = {name: total / batches for name, total in {"loss": losses.sum(), **totals}.items()}
        images, *values = machine.sum(images, *means.values()).tolist()
        seconds = watch.seconds()
        return {
            "lr": self.optimizer.param_groups[0]["lr"],
            **{f"train_{name}": value / machine.world for name, value in zip(means, values, strict=True)},
            "seconds": seconds,
            "images_per_second": images / seconds,
        }

    def _step(self):
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.averaged:
            self.averaged.update_parameters(self.model)

    def _set_lr(self, step):
        lr = learning_rate(self.recipe, step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = lr

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

    @torch.no_grad()
    def evaluate(self, batches):
        """Mean loss and metrics over batches, {"loss": …, "accuracy": …}, with the model that is measured."""
        model = self.measured_model
        was_training = model.training
        self.machine.share(model)
        model.eval()
        totals, count = {}, 0
        for x, labels in batches:
            if len(x):  # a process's share of the last batch may be empty
                with self.machine.autocast():
                    loss, metrics = self.loss(model, (x, labels))
                for name, value in {"loss": loss, **metrics}.items():
                    totals[name] = totals.get(name, 0) + value.to(self.machine.wide) * len(x)
                count += len(x)
        model.train(was_training)
        names = sorted(totals, key=lambda name: name != "loss") or ["loss", "accuracy"]
        count, *sums = self.machine.sum(count, *(totals.get(name, 0.0) for name in names)).tolist()
        return {name: total / count for name, total in zip(names, sums, strict=True)}

    # ── Checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

    def state_dict(self):
        """Everything that the run's next epoch depends on, and the rows so far."""
        return {
            "format": 1,
            "recipe": self.recipe.to_dict(),
            "epoch": self.epoch,
            "rows": self.rows,
            "classes": list(getattr(self.train, "classes", ())),
            "mean": list(getattr(self.train, "mean", ())),
            "std": list(getattr(self.train, "std", ())),
            "shape": list(getattr(self.train, "shape", ())),
            "padding": list(getattr(self.train, "padding", ())),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])
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
        """Go on from a checkpoint: `fit()` continues with the epoch after it."""
        state = read_checkpoint(path, self.machine.device)
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path} is the checkpoint of another model or recipe: {reason}") from error


def machine_for(recipe):
    """This process's `Machine`, started as the recipe wants it."""
    return runtime.start(
        recipe.device,
        precision=recipe.precision,
        deterministic=recipe.deterministic,
        threads=recipe.threads,
    )


def _averaged(model, decay):
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def _mixing(recipe, train):
    """(images, labels) → the same, mixed as the recipe says: mixup, CutMix, or one of the two by chance."""
    if not recipe.mixup and not recipe.cutmix:
        return lambda images, labels: (images, labels)
    from torchvision.transforms import v2

    classes = len(train.classes)
    mixers = [v2.MixUp(alpha=recipe.mixup, num_classes=classes)] if recipe.mixup else []
    mixers += [v2.CutMix(alpha=recipe.cutmix, num_classes=classes)] if recipe.cutmix else []
    return v2.RandomChoice(mixers)


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
