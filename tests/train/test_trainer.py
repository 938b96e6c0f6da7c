"""The trainer: the same numbers as loops written out by hand, and what it does when a run goes wrong."""

import copy
import io
import json
import math
import os
import shutil

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnncourse import data, runtime
from cnncourse.recipe import Recipe, RecipeError
from cnncourse.train import (
    Diverged,
    RunError,
    Trainer,
    checkpoint,
    find_lr,
    learning_rate,
    supervised,
)

ROW = [
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "seconds",
    "images_per_second",
]


class Fixed:
    """The same batches in every epoch, except where an epoch's images are multiplied by something."""

    classes = ("a", "b", "c")

    def __init__(self, count=8, size=6, seed=0, factors=None, labels=None):
        g = torch.Generator().manual_seed(seed)
        self.batches = [
            (torch.randn(size, 1, 4, 4, generator=g), torch.randint(3, (size,), generator=g))
            for _ in range(count)
        ]
        self.factors, self.epoch = factors or {}, 1

    def __len__(self):
        return len(self.batches)

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        for x, y in self.batches:
            yield x * self.factors.get(self.epoch, 1.0), y


def small(*layers):
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), *layers, nn.Tanh(), nn.Linear(8, 3))


def recipe(**changes):
    return Recipe(
        model="small", data="fixed", device="cpu", **{"epochs": 1, "schedule": "constant", **changes}
    )


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@pytest.fixture(autouse=True)
def settings_restored():
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(before[0])
    torch.backends.cudnn.benchmark = before[1]


# ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OPTIMIZERS = {
    "sgd": ({"momentum": 0.0, "weight_decay": 0.01}, lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.01)),
    "momentum": ({}, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    "nesterov": (
        {"momentum": 0.8, "nesterov": True},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.8, nesterov=True),
    ),
    "adam": (
        {"optimizer": "adam", "betas": (0.8, 0.99), "weight_decay": 0.01},
        lambda p: torch.optim.Adam(p, 0.1, betas=(0.8, 0.99), weight_decay=0.01),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1},
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    ),
    "rmsprop": (
        {"optimizer": "rmsprop", "momentum": 0.5},
        lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.5),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_epoch_is_the_loop_written_out(name):
    changes, make = OPTIMIZERS[name]
    trainer = Trainer(small(), Fixed(), Fixed(3, seed=5), recipe(lr=0.1, **changes))
    (row,) = trainer.fit()

    model = small()
    optimizer = make(model.parameters())
    losses, right = [], []
    for x, y in Fixed():
        optimizer.zero_grad()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        right.append((logits.argmax(1) == y).float().mean().item())
    assert same(trainer.model, model)
    x, y = (torch.cat(parts) for parts in zip(*Fixed(3, seed=5).batches, strict=True))
    with torch.no_grad():
        logits = model(x)
    assert list(row) == ROW
    assert row["epoch"] == 1 and row["lr"] == 0.1
    assert row["train_loss"] == pytest.approx(sum(losses) / 8, rel=1e-6)
    assert row["train_accuracy"] == pytest.approx(sum(right) / 8, rel=1e-6)
    assert row["test_loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-6)
    assert row["test_accuracy"] == pytest.approx((logits.argmax(1) == y).float().mean().item(), rel=1e-6)
    # 48 images were trained on; the row is rounded to seven digits.
    assert row["images_per_second"] == pytest.approx(48 / row["seconds"], rel=1e-5)


def test_rates_of_a_schedule_reach_the_optimizer():
    trainer = Trainer(small(), Fixed(), None, recipe(lr=0.2, epochs=2, schedule="cosine", warmup=0.5))
    used = []
    trainer.optimizer.register_step_pre_hook(lambda *_: used.append(trainer.optimizer.param_groups[0]["lr"]))
    rows = list(trainer.fit())
    rising = [0.2 * k / 4 for k in (1, 2, 3, 4)]
    falling = [0.1 * (1 + math.cos(math.pi * k / 12)) for k in range(12)]
    assert used == pytest.approx(rising + falling, rel=1e-12)
    assert [row["lr"] for row in rows] == pytest.approx([used[7], used[15]], rel=1e-6)


def test_the_last_smaller_batch_counts_by_its_images():
    batches = Fixed(3)
    batches.batches[-1] = tuple(part[:2] for part in batches.batches[-1])
    trainer = Trainer(small(), Fixed(), batches, recipe())
    measured = trainer.evaluate(batches)
    x, y = (torch.cat(parts) for parts in zip(*batches.batches, strict=True))
    assert len(x) == 6 + 6 + 2
    assert measured["loss"] == pytest.approx(F.cross_entropy(trainer.model(x), y).item(), rel=1e-6)


def test_evaluation_changes_nothing():
    trainer = Trainer(small(nn.BatchNorm1d(8), nn.Dropout(0.5)), Fixed(), None, recipe())
    before = copy.deepcopy(trainer.model)
    trainer.model.train()
    assert trainer.evaluate(Fixed(2)) == trainer.evaluate(Fixed(2))
    assert trainer.model.training and same(trainer.model, before)


def test_without_a_test_set_the_rows_lack_its_columns():
    (row,) = Trainer(small(), Fixed(), None, recipe()).fit()
    assert list(row) == [name for name in ROW if not name.startswith("test")]


def test_a_loss_of_ones_own_gives_its_own_columns():
    def regression(model, batch):
        x, y = batch
        error = model(x)[:, 0] - y
        return error.square().mean(), {
            "mean_error": error.abs().mean(),
            "images": torch.tensor(float(len(x))),
        }

    trainer = Trainer(small(), Fixed(), Fixed(2), recipe(), loss=regression)
    (row,) = trainer.fit()
    assert list(row) == [
        *("epoch", "lr", "train_loss", "train_mean_error", "train_images"),
        *("test_loss", "test_mean_error", "test_images", "seconds", "images_per_second"),
    ]
    assert row["train_images"] == row["test_images"] == 6


def test_going_on_from_a_checkpoint_is_going_on(tmp_path):
    changes = {"epochs": 4, "ema": 0.9, "optimizer": "adamw", "schedule": "cosine", "mixup": 0.3}

    def new():
        return Trainer(small(nn.Dropout(0.3), nn.BatchNorm1d(8)), Fixed(), Fixed(2), recipe(**changes))

    whole, first, second = new(), new(), new()
    rows = [strip(row) for row in whole.fit()]
    for row in first.fit():
        if row["epoch"] == 2:
            first.save(tmp_path / "last.pt")
            break
    second.load(tmp_path / "last.pt")
    assert second.epoch == 2 and [strip(row) for row in second.rows] == rows[:2]
    assert [strip(row) for row in second.fit()] == rows[2:]
    assert same(whole.model, second.model) and same(whole.averaged, second.averaged)


def strip(row):
    return {key: value for key, value in row.items() if key not in ("seconds", "images_per_second")}


def test_nothing_is_read_from_the_device_but_every_log_every_batches(monkeypatch):
    images = data.load("mnist_mini", "test")
    images = images.select(torch.arange(400), "train")
    count = [0]
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        method = getattr(torch.Tensor, name)

        def counted(self, *arguments, method=method):
            count[0] += 1
            return method(self, *arguments)

        monkeypatch.setattr(torch.Tensor, name, counted)

    def reads(batch_size, log_every):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        batches = data.Batches(images, batch_size, augment=("crop", "flip"), shuffle=True)
        made = recipe(log_every=log_every, clip_norm=1.0, label_smoothing=0.1, schedule="cosine")
        trainer = Trainer(model, batches, None, made)
        count[0] = 0
        list(trainer.fit())
        return len(batches), count[0]

    few, many = reads(40, 1000), reads(4, 1000)
    assert (few[0], many[0]) == (10, 100)
    assert few[1] == many[1] <= 10  # an epoch's own: its key, the last check, its sums
    assert reads(4, 10)[1] == many[1] + 9 * 2  # nine more checks, of two numbers each
    assert reads(4, 1)[1] > 200


# ── What a recipe can change ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12)),
        ("step", lambda o: torch.optim.lr_scheduler.StepLR(o, 4, 0.1)),
        ("exponential", lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.01 ** (1 / 12))),
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, 12)),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
@pytest.mark.parametrize(("warmup", "epochs", "steps"), [(0, 3, 4), (1, 4, 4), (0.5, 2, 8)])
def test_schedules_are_those_of_torch(schedule, theirs, warmup, epochs, steps):
    made = recipe(lr=0.3, schedule=schedule, warmup=warmup, epochs=epochs)
    ours = [learning_rate(made, step, steps) for step in range(epochs * steps)]
    rising, falling = ours[:-12], ours[-12:]
    assert rising == pytest.approx([0.3 * k / 4 for k in (1, 2, 3, 4)] if warmup else [])
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler, expected = theirs(optimizer), []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert falling == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_rate_is_never_zero():
    for schedule in ("constant", "step", "exponential", "linear", "cosine"):
        for warmup in (0, 0.01, 1, 3):
            made = recipe(schedule=schedule, warmup=warmup, epochs=3)
            assert all(learning_rate(made, step, 7) > 0 for step in range(21))


def test_label_smoothing_acts_in_training_only():
    model, (x, y) = small(), Fixed(1).batches[0]
    smooth = lambda: supervised(model, (x, y), label_smoothing=0.2)[0].item()  # noqa: E731
    logs = F.log_softmax(model(x), 1)
    # A share 0.2 of the label's probability is spread evenly over the three classes.
    target = 0.8 * F.one_hot(y, 3) + 0.2 / 3
    assert smooth() == pytest.approx(-(target * logs).sum(1).mean().item(), rel=1e-6)
    model.eval()
    assert smooth() == pytest.approx(-logs[range(6), y].mean().item(), rel=1e-6)


@pytest.mark.parametrize("names", [("mixup",), ("cutmix",), ("mixup", "cutmix")])
def test_mixed_images_have_mixed_labels(names):
    seen = []

    def watching(model, batch):
        seen.append(batch)
        return supervised(model, batch)

    made = recipe(epochs=3, **dict.fromkeys(names, 1.0))
    trainer = Trainer(small(), Fixed(), Fixed(2), made, loss=watching)
    rows = list(trainer.fit())
    trained = [batch for batch in seen if batch[1].ndim == 2]
    tested = [batch for batch in seen if batch[1].ndim == 1]
    assert len(trained) == 3 * 8 and len(tested) == 3 * 2
    assert all(math.isfinite(row["train_loss"]) for row in rows)
    for x, labels in trained:
        assert x.shape == (6, 1, 4, 4) and labels.shape == (6, 3)
        torch.testing.assert_close(labels.sum(1), torch.ones(6))
    assert any(((labels > 0.01) & (labels < 0.99)).any() for _, labels in trained)


def test_mixup_is_the_formula():
    (x, y), mixed = Fixed(1).batches[0], []

    def watching(model, batch):
        mixed.append(batch)
        return supervised(model, batch)

    list(Trainer(small(), Fixed(1), None, recipe(mixup=1.0), loss=watching).fit())
    ((images, labels),) = mixed
    # λ x + (1 − λ) x', where x' are the images moved on by one: λ is found from the labels' largest disagreement.
    hot, other = F.one_hot(y, 3).float(), F.one_hot(y.roll(1), 3).float()
    differ = (y != y.roll(1)).nonzero()[0, 0]
    share = labels[differ, y[differ]]
    torch.testing.assert_close(labels, share * hot + (1 - share) * other)
    torch.testing.assert_close(images, share * x + (1 - share) * x.roll(1, 0))


def test_two_half_batches_are_one_batch():
    whole, halves = Fixed(4, size=12), Fixed(8)
    halves.batches = [(x[part], y[part]) for x, y in whole.batches for part in (slice(6), slice(6, 12))]
    a = Trainer(small(), whole, None, recipe(epochs=2, schedule="cosine"))
    b = Trainer(small(), halves, None, recipe(epochs=2, schedule="cosine", accumulate=2))
    rows = zip(a.fit(), b.fit(), strict=True)
    for one, two in rows:
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5) and one["lr"] == two["lr"]
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_batches_left_over_are_not_trained_on():
    trainer = Trainer(small(), Fixed(8), None, recipe(accumulate=3))
    steps = []
    trainer.optimizer.register_step_pre_hook(lambda *_: steps.append(1))
    list(trainer.fit())
    assert len(steps) == trainer.steps_per_epoch == 2
    with pytest.raises(
        RunError, match=r"an epoch has 8 batches .* \(accumulate is 9\): use a smaller batch_size"
    ):
        Trainer(small(), Fixed(8), None, recipe(accumulate=9))


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_gradients_are_clipped_to_the_norm(precision):
    def norms(clip):
        trainer = Trainer(small(), Fixed(), None, recipe(clip_norm=clip, precision=precision))
        found = []

        def look(*_):
            found.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters()]).norm().item())

        trainer.optimizer.register_step_pre_hook(look)
        list(trainer.fit())
        return found

    assert min(norms(1e9)) > 0.02
    assert norms(0.02) == pytest.approx([0.02] * 8, rel=1e-3)


def test_the_average_is_the_recursion_and_is_what_is_measured():
    trainer = Trainer(small(), Fixed(), Fixed(2, seed=9), recipe(epochs=2, ema=0.7))
    weights = []
    trainer.optimizer.register_step_post_hook(lambda *_: weights.append(copy.deepcopy(trainer.model)))
    rows = list(trainer.fit())
    assert len(weights) == 16
    average = copy.deepcopy(weights[0])
    with torch.no_grad():
        for later in weights[1:]:
            for a, w in zip(average.parameters(), later.parameters(), strict=True):
                a.mul_(0.7).add_(w, alpha=0.3)
    for a, b in zip(average.parameters(), trainer.averaged.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    x, y = (torch.cat(parts) for parts in zip(*Fixed(2, seed=9).batches, strict=True))
    assert rows[-1]["test_loss"] == pytest.approx(F.cross_entropy(average(x), y).item(), rel=1e-5)
    assert F.cross_entropy(trainer.model(x), y).item() != pytest.approx(rows[-1]["test_loss"], rel=1e-4)
    assert same(trainer.model, weights[-1])


def test_averages_of_running_statistics_belong_to_the_averaged_weights():
    trainer = Trainer(small(nn.BatchNorm1d(8)), Fixed(), None, recipe(ema=0.7))
    seen = []
    trainer.optimizer.register_step_post_hook(lambda *_: seen.append(trainer.model[2].running_mean.clone()))
    list(trainer.fit())
    average = seen[0]
    for later in seen[1:]:
        average = 0.7 * average + 0.3 * later
    torch.testing.assert_close(trainer.averaged.module[2].running_mean, average)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_computes_in_it_and_learns(precision):
    seen = set()
    labels = Fixed(8)
    labels.batches = [(x, x[:, 0, :3, 0].argmax(1)) for x, _ in labels.batches]
    trainer = Trainer(small(), labels, labels, recipe(epochs=12, precision=precision, lr=0.1))
    trainer.model[1].register_forward_hook(lambda _, __, out: seen.add(out.dtype))
    rows = list(trainer.fit())
    assert seen == {getattr(torch, precision)}
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert trainer.scaler.is_enabled() == (precision == "float16")


def test_a_step_whose_scaled_gradient_overflows_is_left_out():
    """The loss is finite, its gradient times 65,536 is not: the scale is halved and the weights wait."""
    trainer = Trainer(small(), Fixed(1), None, recipe(precision="float16", epochs=1, lr=0.1))
    trainer.loss = lambda model, batch: (supervised(model, batch)[0] * 1e36, {})
    before = copy.deepcopy(trainer.model)
    list(trainer.fit())
    assert same(trainer.model, before) and trainer.scaler.get_scale() == 2**15


def test_channels_last_and_deterministic_give_the_same_numbers():
    def network():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 3)
        )

    plain = list(Trainer(network(), Fixed(), None, recipe(epochs=2)).fit())
    trainer = Trainer(network(), Fixed(), None, recipe(epochs=2, channels_last=True))
    rows = list(trainer.fit())
    assert trainer.model[2].weight.is_contiguous(memory_format=torch.channels_last)
    assert [r["train_loss"] for r in rows] == pytest.approx([r["train_loss"] for r in plain], rel=1e-5)
    fixed = [
        list(map(strip, Trainer(network(), Fixed(), None, recipe(deterministic=True)).fit())) for _ in "ab"
    ]
    assert fixed[0] == fixed[1] and torch.are_deterministic_algorithms_enabled()


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on CPU")
def test_a_compiled_model_gives_the_same_numbers(tmp_path):
    changes = {"epochs": 2, "label_smoothing": 0.1, "ema": 0.5}
    plain = list(Trainer(small(nn.Dropout(0.0)), Fixed(), Fixed(2), recipe(**changes)).fit())
    trainer = Trainer(small(nn.Dropout(0.0)), Fixed(), Fixed(2), recipe(compile=True, **changes))
    compiled = list(trainer.fit())
    for a, b in zip(plain, compiled, strict=True):
        assert strip(a) == pytest.approx(strip(b), rel=1e-5)
    # The checkpoint has the plain names, so a run without compile can go on from it.
    trainer.save(tmp_path / "last.pt")
    Trainer(small(nn.Dropout(0.0)), Fixed(), None, recipe(**changes)).load(tmp_path / "last.pt")


# ── Runs that go wrong ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("log_every", [1, 3, 50])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_divergence_names_its_step_its_rate_and_the_loss_before(log_every, accumulate):
    # Images 10³⁰ times too large in epoch 2: the first step of it spoils the weights, the second has no finite loss.
    made = recipe(epochs=3, lr=0.3, schedule="linear", log_every=log_every, accumulate=accumulate)
    train = Fixed(8, factors={2: 1e30})
    trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), train, None, made)
    rows = trainer.fit()
    next(rows)
    model, bad = copy.deepcopy(trainer.model), None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    optimizer.load_state_dict(trainer.optimizer.state_dict())
    train.set_epoch(2)
    steps, before = 8 // accumulate, trainer.rows[-1]["train_loss"]
    for index, (x, y) in enumerate(train):
        step = steps + index // accumulate
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / (3 * steps))
        loss = F.cross_entropy(model(x), y)
        if not math.isfinite(loss.item()):
            bad = step
            break
        before = loss.item()
        (loss / accumulate).backward()
        if (index + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    assert bad is not None
    with pytest.raises(Diverged) as error:
        next(rows)
    lr = 0.3 * (1 - bad / (3 * steps))
    assert (error.value.step, error.value.lr) == (bad + 1, pytest.approx(lr))
    assert error.value.last == pytest.approx(before, rel=1e-6)
    text = str(error.value)
    assert f"not finite at step {bad + 1}, where the learning rate was {lr:.3g}" in text
    assert f"the last finite loss was {before:.4g}" in text and "smaller lr" in text and "\n" not in text


def test_divergence_at_the_first_step_has_no_loss_before():
    trainer = Trainer(small(), Fixed(factors={1: math.nan}), None, recipe())
    with pytest.raises(Diverged, match=r"step 1, .*\(no loss before it was finite\)") as error:
        list(trainer.fit())
    assert error.value.last is None


def test_a_huge_rate_stops_and_leaves_the_checkpoint_before(tmp_path):
    trainer = Trainer(small(), Fixed(factors={3: 1e38}), None, recipe(epochs=5, lr=1e4, momentum=0))
    with pytest.raises(Diverged):
        for _ in trainer.fit():
            trainer.save(tmp_path / "last.pt")
    assert trainer.epoch == 2
    fresh = Trainer(small(), Fixed(), None, recipe(epochs=5))
    fresh.load(tmp_path / "last.pt")
    assert fresh.epoch == 2 and all(p.isfinite().all() for p in fresh.model.parameters())


def test_a_loss_that_is_not_finite_in_evaluation_only_stops_too():
    trainer = Trainer(small(), Fixed(), Fixed(2, factors={1: math.nan}), recipe(epochs=2))
    with pytest.raises(Diverged, match="step 8"):
        list(trainer.fit())
    assert trainer.epoch == 0 and trainer.rows == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has …"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried …"
        ),
    ],
)
def test_too_little_memory_is_explained(error):
    def loss(model, batch):
        raise error

    trainer = Trainer(small(), Fixed(), None, recipe(batch_size=6), loss=loss)
    with pytest.raises(
        RunError, match="too little memory for batches of 6: use a smaller batch_size"
    ) as told:
        list(trainer.fit())
    assert "\n" not in str(told.value)


def test_other_errors_of_a_loss_come_through_as_they_are():
    def loss(model, batch):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied") as error:
        list(Trainer(small(), Fixed(), None, recipe(), loss=loss).fit())
    assert type(error.value) is RuntimeError


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match='device is "cuda" and this machine has no CUDA device'):
        Trainer(small(), Fixed(), None, recipe().replace(device="cuda"))


# ── The range test ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_finding_a_rate_leaves_the_run_as_it_was():
    changes = {"epochs": 2, "ema": 0.9, "mixup": 0.5, "schedule": "cosine"}

    def new():
        return Trainer(small(nn.Dropout(0.3), nn.BatchNorm1d(8)), Fixed(), Fixed(2), recipe(**changes))

    plain, tried = new(), new()
    before = copy.deepcopy(tried.model)
    rates, losses, _ = find_lr(tried, 1e-4, 1.0, steps=30)
    assert len(rates) == len(losses) <= 30
    assert same(tried.model, before) and tried.optimizer.state_dict()["state"] == {}
    assert all(p.grad is None for p in tried.model.parameters())
    assert [strip(row) for row in tried.fit()] == [strip(row) for row in plain.fit()]
    assert same(plain.model, tried.model) and same(plain.averaged, tried.averaged)


def learnable():
    batches = Fixed(20)
    batches.batches = [(x, x[:, 0, :3, 0].argmax(1)) for x, _ in batches.batches]
    return batches


def test_the_suggestion_is_where_the_loss_falls_fastest():
    rates, losses, suggestion = find_lr(Trainer(small(), learnable(), None, recipe()), 1e-4, 10.0, steps=60)
    assert rates[:3] == pytest.approx([1e-4, 1e-4 * 1e5 ** (1 / 59), 1e-4 * 1e5 ** (2 / 59)])
    assert 1e-4 < suggestion < 10.0 and suggestion in rates
    at = rates.index(suggestion)
    slopes = [losses[i + 1] - losses[i - 1] for i in range(5, len(losses) - 1)]
    assert losses[at + 1] - losses[at - 1] == min(slopes) < 0


def test_the_smoothed_loss_is_the_average_corrected_for_its_start():
    trainer = Trainer(small(), Fixed(), None, recipe())
    raw = []

    def watching(model, batch):
        loss, metrics = supervised(model, batch)
        raw.append(loss.item())
        return loss, metrics

    trainer.loss = watching
    _, losses, _ = find_lr(trainer, 1e-5, 1e-3, steps=12)
    for k, smooth in enumerate(losses):
        weights = [0.9 ** (k - i) for i in range(k + 1)]
        assert smooth == pytest.approx(sum(w * v for w, v in zip(weights, raw, strict=False)) / sum(weights))


def test_a_range_that_breaks_at_once_ends_early_and_suggests_nothing():
    trainer = Trainer(small(), Fixed(factors={1: math.nan}), None, recipe())
    before = copy.deepcopy(trainer.model)
    assert find_lr(trainer, 1e-4, 1.0, steps=30) == ([], [], None)
    assert same(trainer.model, before)


def test_a_range_that_goes_too_far_ends_where_the_loss_breaks_away():
    def steep(model, batch):
        return (model(batch[0]) ** 2).mean(), {}

    trainer = Trainer(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), Fixed(), None, recipe(momentum=0), loss=steep
    )
    rates, losses, suggestion = find_lr(trainer, 1e-4, 1e6, steps=80)
    assert 10 < len(rates) < 80 and max(losses) <= 4 * min(losses)
    assert 1e-4 < suggestion < rates[-1] < 1e6


# ── Checkpoints on disk ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def saved():
    """A trainer after one epoch, and the bytes of its checkpoint."""
    trainer = Trainer(small(), Fixed(), None, recipe())
    list(trainer.fit())
    buffer = io.BytesIO()
    torch.save(trainer.state_dict(), buffer)
    return trainer, buffer.getvalue()


def test_what_is_read_is_what_was_saved(saved, tmp_path):
    trainer, _ = saved
    trainer.save(tmp_path / "last.pt")
    state = checkpoint.read_checkpoint(tmp_path / "last.pt")
    assert (
        state["epoch"] == 1 and state["recipe"] == trainer.recipe.to_dict() and state["rows"] == trainer.rows
    )
    assert json.dumps(state["rows"])
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_checkpoint_is_the_old_one_or_the_new_one(monkeypatch, tmp_path, call):
    path = tmp_path / "last.pt"
    checkpoint.write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        RunError, match=r"last.pt cannot be written .No space left on device.; what was there"
    ) as error:
        checkpoint.write_whole(path, b"new")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["last.pt"]
    monkeypatch.undo()
    checkpoint.write_whole(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["last.pt"]


def test_what_a_killed_process_left_is_written_over(monkeypatch, tmp_path):
    """Death between writing and replacing runs no clean-up; the next writing does."""
    path = tmp_path / "last.pt"

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    checkpoint.write_whole(path, b"old")
    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(os, "unlink", killed)
    monkeypatch.setattr("pathlib.Path.unlink", killed)
    with pytest.raises(Killed):
        checkpoint.write_whole(path, b"new")
    assert path.read_bytes() == b"old" and len(os.listdir(tmp_path)) == 2
    monkeypatch.undo()
    checkpoint.write_whole(path, b"newer")
    assert path.read_bytes() == b"newer" and os.listdir(tmp_path) == ["last.pt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "file" / "last.pt", tmp_path / "nowhere" / "last.pt"):
        with pytest.raises(RunError, match=rf"{path} cannot be written \(No(t a| such)"):
            checkpoint.write_whole(path, b"new")


def refused(path):
    """None if the file reads as it was, else the sentence with which it is refused."""
    try:
        return None, checkpoint.read_checkpoint(path)
    except RunError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return str(error), None


def test_a_truncated_checkpoint_is_refused(saved, tmp_path):
    path, whole = tmp_path / "last.pt", saved[1]
    for length in sorted({0, 1, 3, 4, 22, *range(50, len(whole), 97), *range(len(whole) - 30, len(whole))}):
        path.write_bytes(whole[:length])
        assert refused(path)[0], f"cut to {length} of {len(whole)} bytes"


def test_a_flipped_byte_is_refused_or_harmless(saved, tmp_path):
    """Most bytes are checksummed; a flip in the archive's padding may pass, if every value is what it was."""
    path, (trainer, whole) = tmp_path / "last.pt", saved
    expected = plain(trainer.state_dict())
    sentences, harmless = 0, 0
    for place in [*range(0, len(whole) - 2000, 61), *range(len(whole) - 2000, len(whole), 7)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        sentence, state = refused(path)
        sentences, harmless = sentences + bool(sentence), harmless + (not sentence)
        assert sentence or plain(state) == expected, f"byte {place}"
    assert sentences > harmless


def plain(value):
    """Nested values in which tensors are lists, for comparison."""
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged or no checkpoint"),
        (b"model: lenet5\n", "is damaged or no checkpoint"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is damaged or no checkpoint"),
        ({"format": 1, "model": Malicious()}, "is damaged or no checkpoint"),
        ({"weights": torch.zeros(2)}, "is no checkpoint of this trainer"),
        ({"format": 2, "model": {}}, "is no checkpoint of this trainer"),
        (torch.zeros(2), "is no checkpoint of this trainer"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(content, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    sentence, _ = refused(path)
    assert words in sentence
    assert os.listdir(tmp_path) == ["last.pt"]  # and nothing in it was run


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(RunError, match=r"none\.pt cannot be read: No such file"):
        checkpoint.read_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize(
    "other",
    [
        lambda: Trainer(small(nn.Linear(8, 8)), Fixed(), None, recipe()),
        lambda: Trainer(
            nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.Linear(9, 3)), Fixed(), None, recipe()
        ),
        lambda: Trainer(small(), Fixed(), None, recipe(ema=0.9)),
        lambda: Trainer(small(), Fixed(), None, recipe(optimizer="adam")),
        lambda: Trainer(small(), Fixed(), None, recipe(precision="float16")),
    ],
)
def test_a_checkpoint_of_another_model_or_recipe_is_refused(saved, tmp_path, other):
    saved[0].save(tmp_path / "last.pt")
    trainer = other()
    with pytest.raises(RunError, match=r"last\.pt is the checkpoint of another model or recipe") as error:
        trainer.load(tmp_path / "last.pt")
    assert "\n" not in str(error.value) and trainer.epoch == 0


def test_the_trainers_own_errors_are_one_family():
    assert issubclass(Diverged, RunError) and issubclass(RunError, RuntimeError)
    assert issubclass(RecipeError, ValueError)
    assert runtime.start("cpu").first
