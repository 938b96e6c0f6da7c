"""Objectives and what recipes can ask for beside one label an image: two views, two rates, few labels, other sizes."""

import copy
import math
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from cnncourse import data, models
from cnncourse.objectives import OBJECTIVES, Objective, Supervised
from cnncourse.recipe import Recipe, RecipeError
from cnncourse.train import Run, RunError, Trainer, model_for, trainer_for


class Contrast(Objective):
    """Two views of an image shall be nearer to each other than to those of other images (SimCLR's idea, small).

    A projector that is trained, and a teacher that follows the model by a moving average."""

    def __init__(self, num_classes=None, *, width=10, momentum=0.9):
        super().__init__()
        self.project = nn.Linear(width, 8)
        self.momentum, self.teacher = momentum, None
        self.register_buffer("average", torch.zeros(0))

    def forward(self, model, batch):
        (one, two), _, index = batch
        assert one.shape[0] == len(index)
        a, b = (F.normalize(self.project(model(view)), dim=1) for view in (one, two))
        loss = F.cross_entropy(a @ b.T / 0.5, torch.arange(len(a)))
        return loss, {"agreement": (a * b).sum(1).mean()}

    @torch.no_grad()
    def after_step(self, model):
        now = torch.cat([p.flatten() for p in model.parameters()])
        if not len(self.average):
            self.average = torch.zeros_like(now)
        self.average.lerp_(now, 1 - self.momentum)

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        self.average = state_dict[f"{prefix}average"].clone()
        super()._load_from_state_dict(state_dict, prefix, *rest)


SMALL = {"model": "lenet5", "data": "mnist_mini", "device": "cpu", "batch_size": 32, "epochs": 2}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """The first 320 and 100 of the embedded digits."""
    load, small = data.load, {}

    def first(name, split="train", root=None, size=None):
        if name != "mnist_mini":
            return load(name, split, root, size)
        if split not in small:
            small[split] = load(name, split).select(torch.arange(320 if split == "train" else 100), split)
        return small[split]

    monkeypatch.setattr(data, "load", first)


def strip(row):
    return {key: value for key, value in row.items() if key not in ("seconds", "images_per_second")}


def equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# ── An objective of one's own ────────────────────────────────────────────────────────────────────────────────────────


def contrast_trainer():
    recipe = Recipe(**SMALL, views=[["crop", "flip"], ["crop", "erase"]], optimizer="adam", lr=1e-3)
    torch.manual_seed(3)
    trainer = trainer_for(recipe, Contrast())
    trainer.test = None
    return trainer


def test_an_objective_with_parameters_and_a_teacher_resumes_with_the_same_bits(tmp_path):
    whole, first, second = (contrast_trainer() for _ in range(3))
    start = copy.deepcopy(whole.objective.project)
    rows = [strip(row) for row in whole.fit()]
    assert list(rows[0]) == ["epoch", "lr", "train_loss", "train_agreement"]
    assert not equal(whole.objective.project, start)  # its parameters are trained
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    for _ in first.fit():
        first.save(tmp_path / "last.pt")
        break
    second.load(tmp_path / "last.pt")
    assert [strip(row) for row in second.fit()] == rows[1:]
    assert equal(whole.model, second.model) and equal(whole.objective, second.objective)


KILLED = """
import os, signal, sys, torch
sys.path[:0] = {path!r}
import test_objectives as here
from cnncourse import data
from cnncourse.train import Run
load = data.load
data.load = lambda name, split="train", root=None, size=None: (
    load(name, split).select(torch.arange(320 if split == "train" else 100), split))
here.OBJECTIVES["contrast"] = here.Contrast
recipe = here.Recipe(**here.SMALL, views=[["crop"], ["flip"]], objective="contrast", monitor="train_loss")
run = Run.open({folder!r}) if os.path.exists({folder!r}) else Run.start(recipe, {folder!r})
run.trainer.test = None
for row in run:
    if {kill} and row["epoch"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_of_it_that_was_killed_ends_with_the_same_bits(tmp_path):
    from pathlib import Path

    states = []
    for name, kills in (("whole", [False]), ("killed", [True, False])):
        for kill in kills:
            code = KILLED.format(path=[str(Path(__file__).parent)], folder=str(tmp_path / name), kill=kill)
            ended = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
            )
            assert ended.returncode == (-signal.SIGKILL if kill else 0), ended.stderr
        states.append(torch.load(tmp_path / name / "last.pt", weights_only=True))
    whole, killed = states
    assert whole["epoch"] == killed["epoch"] == 2
    for part in ("model", "objective"):
        for key, value in whole[part].items():
            assert torch.equal(value, killed[part][key]), key


def test_an_objective_without_a_forward_says_so():
    with pytest.raises(NotImplementedError, match="Objective has no forward"):
        Objective()(None, None)


def test_a_batch_counts_by_its_first_tensor():
    x = torch.zeros(5, 1, 2, 2)
    assert Objective().size((x, x[:3])) == Objective().size(((x, x), x[:2])) == 5


# ── Auxiliary logits ─────────────────────────────────────────────────────────────────────────────────────────────────


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        x = self.body(x.flatten(1)).tanh()
        return (self.first(x), self.second(x), None) if self.training else self.first(x)


def test_auxiliary_logits_count_in_training_only():
    torch.manual_seed(0)
    model, objective = TwoHeads(), Supervised(auxiliary=0.4)
    x, labels = torch.randn(6, 1, 4, 4), torch.randint(3, (6,))
    loss, metrics = objective(model, (x, labels))
    first, second, _ = model(x)
    by_hand = F.cross_entropy(first, labels) + 0.4 * F.cross_entropy(second, labels)
    torch.testing.assert_close(loss, by_hand)
    assert metrics["accuracy"] == (first.argmax(1) == labels).float().mean()
    model.eval(), objective.eval()
    torch.testing.assert_close(objective(model, (x, labels))[0], F.cross_entropy(first, labels))
    recipe = Recipe(model="two", data="fixed", device="cpu", epochs=1, objective_options={"auxiliary": 0.0})
    before = copy.deepcopy(model.second)
    list(Trainer(model, [(x, labels)], [(x, labels)], recipe).fit())
    assert equal(model.second, before)  # its head gets no gradient at weight 0


# ── Rates, frozen parts, weight decay ────────────────────────────────────────────────────────────────────────────────


def test_two_rates_and_a_frozen_beginning():
    changes = {"model_options": {"normalization": "batch"}, "epochs": 1, "lr": 0.1, "momentum": 0.0}
    plain = trainer_for(Recipe(**SMALL | changes))
    made = Recipe(**SMALL | changes, lr_factors={"output": 0.1, "f6": 0.5}, freeze=["c1", "c1_norm"])
    trainer = trainer_for(made)
    before = copy.deepcopy(trainer.model)
    rates = {}
    trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.update({group["factor"]: group["lr"] for group in optimizer.param_groups})
    )
    list(trainer.fit()), list(plain.fit())
    last = trainer.rows[-1]["lr"]
    assert rates == pytest.approx({1.0: last, 0.5: 0.5 * last, 0.1: 0.1 * last})
    # What is frozen keeps its weights and its batch statistics; the rest has moved.
    assert equal(trainer.model.c1, before.c1) and equal(trainer.model.c1_norm, before.c1_norm)
    assert not equal(trainer.model.c3_norm, before.c3_norm)
    assert not torch.equal(trainer.model.output.weight, before.output.weight)


def test_a_factor_of_a_rate_is_that_rate():
    """One step of plain descent: the output moves by a tenth of what it moves with the whole rate."""
    moved = []
    for factors in ({}, {"output": 0.1}):
        changes = {
            "epochs": 1,
            "batch_size": 320,
            "momentum": 0.0,
            "schedule": "constant",
            "lr_factors": factors,
        }
        trainer = trainer_for(Recipe(**SMALL | changes))
        before = copy.deepcopy(trainer.model)
        list(trainer.fit())
        moved.append(
            [after - old for after, old in zip(trainer.model.parameters(), before.parameters(), strict=True)]
        )
    for (name, _), whole, part in zip(trainer.model.named_parameters(), *moved, strict=True):
        torch.testing.assert_close(
            part, whole * (0.1 if name.startswith("output") else 1), rtol=1e-3, atol=1e-8
        )


def test_no_decay_leaves_biases_and_norms_alone():
    made = Recipe(**SMALL, weight_decay=0.1, no_decay=True, model_options={"normalization": "batch"})
    groups = trainer_for(made).optimizer.param_groups
    decays = {parameter.ndim > 1: group["weight_decay"] for group in groups for parameter in group["params"]}
    assert decays == {True: 0.1, False: 0.0} and len(groups) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"freeze": ["c2"]}, "freeze has 'c2', under which nothing is trained; the nearest is 'c"),
        ({"lr_factors": {"outputs": 2}}, "lr_factors has 'outputs', .*; the nearest is 'output'"),
        ({"freeze": ["c1", "c3", "c5", "f6", "output"]}, "freeze leaves no parameter to train"),
        ({"objective": "simclr"}, "objective must be one of supervised.* got 'simclr'"),
        (
            {"objective_options": {"auxilary": 1}},
            "objective_options must be .* got 'auxilary'; the nearest is 'auxiliary'",
        ),
        ({"labels": 321}, "labels must be at most the 320 images of the training set, got 321"),
        ({"validation": 320}, "validation must be below the 320 images of the training set, got 320"),
        ({"image_size": 30}, "input_size of lenet5 must be 28"),
        ({"model": "lenet"}, "model must be one of lenet5, .* got 'lenet'; the nearest is 'lenet5'"),
        ({"data": "mnist_min"}, "data must be .* got 'mnist_min'; the nearest is 'mnist_mini'"),
        ({"augment": ["flop"]}, "augment must be one of flip, .* nearest is 'flip'"),
        ({"views": [["flop"]]}, "augment must be one of flip, .* nearest is 'flip'"),
        ({"weights": "/nowhere"}, "weights is /nowhere, which cannot be read: No such file"),
    ],
)
def test_what_cannot_be_is_one_sentence(changes, words):
    with pytest.raises((RecipeError, RuntimeError), match=words) as error:
        trainer_for(Recipe(**SMALL | changes))
    assert "\n" not in str(error.value)


# ── Few labels ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_few_labels_and_the_rest_unlabelled():
    made = Recipe(
        **SMALL | {"batch_size": 10},
        labels=40,
        unlabelled_batch=56,
        augment=["flip"],
        views=[["crop"], ["erase"]],
    )
    trainer = trainer_for(made, Supervised())
    batches = list(trainer.train)
    assert len(batches) == len(trainer.train) == (320 - 40) // 56
    seen = set()
    for (images, labels), ((one, two), index) in batches:
        assert images.shape == (10, 1, 32, 32) and labels.shape == (10,)
        assert one.shape == two.shape == (56, 1, 32, 32) and not torch.equal(one, two)
        seen |= set(index.tolist())
    assert len(seen) == 280  # each unlabelled image once an epoch
    kept = trainer.train.labelled._labels.bincount(minlength=10)
    share = data.load("mnist_mini").labels.bincount(minlength=10) / 8
    assert (kept - share).abs().max() < 1 and kept.sum() == 40  # as many of each class as there are


def test_few_labels_alone_are_a_smaller_set():
    trainer = trainer_for(Recipe(**SMALL | {"epochs": 1}, labels=64))
    assert trainer.train.number == 64 and len(list(trainer.fit())) == 1


class Guess(Supervised):
    """The labelled loss, and the unlabelled images' own guess as a second label (pseudo-labels)."""

    def forward(self, model, batch):
        if not self.training:
            return super().forward(model, batch)
        labelled, (unlabelled, _) = batch
        loss, metrics = super().forward(model, labelled)
        logits = model(unlabelled[0])
        return loss + 0.1 * F.cross_entropy(logits, logits.detach().argmax(1)), metrics


def test_an_objective_sees_labelled_and_unlabelled_images():
    made = Recipe(**SMALL, labels=100, unlabelled_batch=64, views=[["crop"]])
    rows = list(trainer_for(made, Guess()).fit())
    assert [math.isfinite(row["train_loss"]) for row in rows] == [True, True]
    assert {"train_accuracy", "test_accuracy"} < set(rows[0])


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class AnySize(nn.Module):
    """A network that takes images of any size: a convolution, the mean over the map, a head."""

    name, input_size, smallest = "any", None, 1

    def __init__(self, num_classes=10, in_channels=1):
        super().__init__()
        self.num_classes, self.in_channels = num_classes, in_channels
        self.conv, self.head = nn.Conv2d(in_channels, 8, 3, padding=1), nn.Linear(8, num_classes)
        self.sizes = []

    def features(self, x):
        self.sizes.append(tuple(x.shape[1:]))
        return self.conv(x).relu().mean((2, 3))

    def forward(self, x):
        return self.head(self.features(x))


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setitem(models.BUILDERS, "any", AnySize)


@pytest.mark.parametrize(("image_size", "side"), [(None, 28), (32, 32), (64, 64)])
def test_a_network_of_any_size_gets_the_datas_own_or_the_one_asked_for(any_size, image_size, side):
    trainer = trainer_for(Recipe(**SMALL | {"model": "any", "epochs": 1}, image_size=image_size))
    list(trainer.fit())
    assert set(trainer.model.sizes) == {(1, side, side)}


@pytest.fixture
def folder(tmp_path):
    """Photographs of two kinds, 120×100 pixels: bright at the left, bright at the right."""
    ramp = torch.linspace(0, 255, 120).byte().expand(100, 120)
    for split, count in (("train", 6), ("test", 3)):
        for kind, picture in (("left", ramp.flip(1)), ("right", ramp)):
            (tmp_path / split / kind).mkdir(parents=True)
            for i in range(count):
                shade = (picture.float() * (0.6 + 0.05 * i)).byte()
                Image.fromarray(torch.stack([shade] * 3, -1).numpy()).save(
                    tmp_path / split / kind / f"{i}.png"
                )
    return tmp_path


def test_a_folder_is_read_at_the_size_that_is_asked_for(any_size, folder):
    made = Recipe(
        model="any", data="folder", data_root=str(folder), image_size=96, batch_size=4, epochs=1, device="cpu"
    )
    trainer = trainer_for(made)
    list(trainer.fit())
    assert set(trainer.model.sizes) == {(3, 96, 96)} and trainer.train.padding == (0, 0, 0, 0)
    with pytest.raises(RecipeError, match="image_size must be given: any takes images of any size"):
        trainer_for(made.replace(image_size=None))
    # A network of one size has folders read at it; nothing is padded.
    fixed = trainer_for(made.replace(model="lenet5", image_size=None))
    assert next(iter(fixed.train))[0].shape == (4, 3, 32, 32) and fixed.train.padding == (0, 0, 0, 0)


# ── Weights to start from, and which epoch is kept ───────────────────────────────────────────────────────────────────


def test_weights_start_from_a_run_and_a_head_of_another_size_keeps_its_own(any_size, tmp_path):
    run = Run.start(Recipe(**SMALL | {"model": "any", "epochs": 1}), tmp_path / "run")
    list(run)
    made = Recipe(**SMALL | {"model": "any", "seed": 5}, weights=str(tmp_path / "run"))
    assert equal(model_for(made), run.model("cpu"))
    other = model_for(made, data.Spec(tuple("abc"), 1, 28))
    assert equal(other.conv, run.model("cpu").conv) and other.head.out_features == 3
    with pytest.raises(RecipeError, match=r"conv.weight is \(8, 1, 3, 3\) there and \(8, 3, 3, 3\) here"):
        model_for(made, data.Spec(tuple("abc"), 3, 28))


def test_pretrained_weights_start_a_network_of_other_classes(monkeypatch):
    given = models.build("resnet18")
    monkeypatch.setattr(models, "pretrained", lambda name: given)
    made = Recipe(**SMALL | {"model": "resnet18"}, weights="pretrained")
    model = model_for(made, data.Spec(tuple("abc"), 3, 64))
    assert equal(model.stage4, given.stage4) and model.output.out_features == 3


@pytest.mark.parametrize(
    ("model", "raised", "error", "words"),
    [
        (
            "lenet5",
            None,
            RecipeError,
            "weights is pretrained, for which model must be one of .*, got 'lenet5'",
        ),
        ("resnet18", RuntimeError("no network"), RunError, "no network"),
    ],
)
def test_pretrained_weights_that_are_not_there_are_one_sentence(monkeypatch, model, raised, error, words):
    def pretrained(name):
        raise raised

    if raised:
        monkeypatch.setattr(models, "pretrained", pretrained)
    with pytest.raises(error, match=words):
        model_for(Recipe(**SMALL | {"model": model}, weights="pretrained"))


def test_monitor_chooses_the_epoch_that_is_kept(tmp_path):
    run = Run.start(Recipe(**SMALL | {"epochs": 3, "lr": 0.1}, monitor="train_loss"), tmp_path / "run")
    rows = list(run)
    best = min(rows, key=lambda row: row["train_loss"])
    assert run.best == best and run.trained("cpu").epoch == best["epoch"]
    with pytest.raises(
        RuntimeError, match=r"monitor must be one of the columns train_loss, .* got 'train_size'"
    ):
        list(Run.start(Recipe(**SMALL, monitor="train_size"), tmp_path / "other"))


def test_the_objectives_of_recipes_are_objectives():
    assert all(issubclass(kind, Objective) for kind in OBJECTIVES.values())
