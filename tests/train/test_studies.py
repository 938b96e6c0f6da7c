"""Where data, models and training meet: any listed pair works, and a study records what it says it does."""

import functools
import json
import re
from types import SimpleNamespace

import pytest
import torch
import yaml
from PIL import Image

from cnncourse import data, models, runtime
from cnncourse.data import ImageSet
from cnncourse.objectives import Supervised
from cnncourse.recipe import Recipe, RecipeError
from cnncourse.train import Run, assemble, run, studies, test_batches, trainer_for
from cnncourse.train.checkpoint import read_checkpoint


def stand_in(channels, side, classes, count=24, split="train"):
    """Random images in place of a set that does not ship with the package."""
    g = torch.Generator().manual_seed(channels * side + classes)
    images = torch.randint(256, (count, channels, side, side), generator=g, dtype=torch.uint8)
    return ImageSet(
        images=images,
        labels=torch.arange(count) % classes,
        classes=tuple(f"class {k}" for k in range(classes)),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        source="Random numbers.",
        split=split,
    )


SETS = {
    "mnist_mini": None,
    "fashion_mnist_mini": None,
    "cifar10": (3, 32, 10),
    "cifar100_coarse": (3, 32, 20),
    "folder": (3, None, 2),
    "mnist": (1, 12, 10),  # smaller
}


embedded, embedded_spec = functools.cache(data.load), data.spec


@pytest.fixture
def sets(monkeypatch):
    """`data.load` gives 24 training and 12 test images, embedded or made up."""

    def small(name, split="train", root=None, size=None):
        count = 24 if split == "train" else 12
        if SETS[name] is None:
            return embedded(name, split).select(torch.arange(count), split)
        channels, side, classes = SETS[name]
        return stand_in(channels, size or side, classes, count=count, split=split)

    def spec(name, root=None):
        if SETS[name] is None:
            return embedded_spec(name)
        channels, side, classes = SETS[name]
        return data.Spec(tuple(f"class {k}" for k in range(classes)), channels, side)

    monkeypatch.setattr(data, "load", small)
    monkeypatch.setattr(data, "spec", spec)


PAIRS = [
    (model, name)
    for model in (
        "lenet5",
        "lenet5_1998",
        "cifar_cnn",
        "alexnet_mini",
        "vgg_mini",
        "googlenet_mini",
        "resnet8",
    )
    for name in SETS
    # Its outputs are drawings of the ten digits, in black and white.
    if model != "lenet5_1998" or name in ("mnist_mini", "fashion_mnist_mini", "mnist")
]


@pytest.mark.parametrize(("model", "name"), PAIRS)
def test_any_model_trains_on_any_data(sets, model, name):
    side = models.build(model).input_size or data.spec(name).side or 64
    size = {"image_size": 64} if name == "folder" and side == 64 else {}
    trainer = trainer_for(
        Recipe(model=model, data=name, **size, epochs=1, batch_size=8, lr=1e-3, device="cpu")
    )
    images, labels = next(iter(trainer.train))
    assert images.shape == (8, trainer.model.in_channels, side, side) and labels.shape == (8,)
    assert trainer.model.num_classes == len(trainer.train.classes)
    # The loss that the row states is the mean over the test images, counted by hand.
    (row,) = trainer.fit()
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(trainer.model.eval()(x), y, reduction="none")
            for x, y in trainer.test
        ]
    assert row["test_loss"] == pytest.approx(torch.cat(losses).mean().item(), rel=1e-5)


def test_smaller_images_are_padded_and_larger_ones_reduced(sets):
    made = Recipe(model="lenet5", data="mnist", batch_size=8, device="cpu")
    images, _ = next(iter(trainer_for(made).test))
    original = data.load("mnist", "test").images[0, 0].float() / 255
    expected = torch.full((32, 32), (0 - 0.5) / 0.25)
    expected[10:22, 10:22] = (original - 0.5) / 0.25
    torch.testing.assert_close(images[0, 0], expected)

    images, _ = next(iter(trainer_for(made.replace(data="cifar10", image_size=28)).test))
    small = torch.nn.functional.interpolate(
        data.load("cifar10", "test").images.float(), (28, 28), mode="bilinear", antialias=True
    )
    assert (images * 0.25 + 0.5 - small / 255).abs().max() <= 1.01 / 255


def test_files_are_read_at_the_models_size(tmp_path):
    for split in ("train", "test"):
        for number, name in enumerate(("left", "right")):
            (tmp_path / split / name).mkdir(parents=True)
            pixels = torch.arange(40 * 50 * 3).reshape(40, 50, 3).mul(7 + number).remainder(256).byte()
            Image.fromarray(pixels.numpy()).save(tmp_path / split / name / "0.png")
    made = Recipe(
        model="cifar_cnn", data="folder", data_root=str(tmp_path), epochs=1, batch_size=2, device="cpu"
    )
    trainer = trainer_for(made)
    images, _ = next(iter(trainer.test))
    at_size = data.load("folder", "test", tmp_path, size=32).decoded().images
    mean, std = (torch.tensor(values)[:, None, None] for values in (trainer.test.mean, trainer.test.std))
    torch.testing.assert_close(images, (at_size / 255 - mean) / std)
    assert len(list(trainer.fit())) == 1


@pytest.mark.parametrize(("model", "name"), [("lenet5_1998", "cifar10"), ("lenet5_1998", "folder")])
def test_a_pair_that_cannot_be_is_refused_by_the_model(sets, model, name):
    with pytest.raises(ValueError, match="of lenet5_1998 must be 1"):
        trainer_for(Recipe(model=model, data=name, batch_size=8, device="cpu"))


def test_validation_images_come_out_of_the_training_set(sets):
    made = Recipe(model="lenet5", data="mnist_mini", validation=6, batch_size=9, device="cpu")
    trainer = trainer_for(made)
    assert (trainer.train.number, trainer.test.number) == (18, 6) and len(trainer.train) == 2
    plain = made.replace(batch_size=1)
    sides = trainer_for(plain).train, trainer_for(plain).test, trainer_for(plain.replace(validation=0)).train
    training, held_out, whole = (
        {x.numpy().tobytes() for images, _ in side for x in images} for side in sides
    )
    assert training | held_out == whole and not training & held_out and len(whole) == 24
    assert test_batches(made, trainer.model).number == 12
    assert trainer_for(made.replace(validation=0)).test.number == 12


def test_the_seed_fixes_the_weights_and_the_order(sets):
    def first(seed):
        trainer = trainer_for(
            Recipe(model="lenet5", data="mnist_mini", batch_size=8, seed=seed, device="cpu")
        )
        return next(trainer.model.parameters()).detach(), next(iter(trainer.train))[1]

    (w, y), (same_w, same_y), (other_w, other_y) = first(3), first(3), first(4)
    assert torch.equal(w, same_w) and torch.equal(y, same_y)
    assert not torch.equal(w, other_w) and not torch.equal(y, other_y)


def test_what_cannot_be_batched_is_refused(sets, monkeypatch):
    made = Recipe(model="lenet5", data="mnist_mini", batch_size=25, device="cpu")
    with pytest.raises(RecipeError, match="batch_size must be at most the 24 images"):
        trainer_for(made)
    several = runtime.Machine(torch.device("cpu"), world=3)
    monkeypatch.setattr(assemble, "machine_for", lambda recipe: several)
    with pytest.raises(RecipeError, match="batch_size must be a multiple of the 3 processes, got 8"):
        trainer_for(made.replace(batch_size=8))


def test_a_restored_model_is_the_saved_one(sets, tmp_path):
    made = Recipe(model="lenet5", data="mnist_mini", epochs=1, batch_size=8, ema=0.5, device="cpu")
    trainer = trainer_for(made)
    list(trainer.fit())
    trainer.save(tmp_path / "last.pt")
    trained = run.Trained(tmp_path / "last.pt", "cpu")
    assert trained.recipe == made and trained.epoch == 1 and not trained.model.training
    for a, b in zip(trained.model.parameters(), trainer.averaged.module.parameters(), strict=True):
        assert torch.equal(a, b)


# ── Studies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", studies.studies())
def test_every_study_in_the_repository_is_made_of_recipes(name):
    study = studies.read_study(name)
    assert study["title"] and study["seeds"] and study["variants"]
    for changes in study["variants"].values():
        made = studies.recipe.from_dict(studies.recipe.changed(study["base"], changes))
        assert made.model in models.names() and made.data in data.names()
        models.build(made.model, **made.model_options)
        for key, values in study["tune"].items():
            assert [getattr(made.replace(**{key: value}), key) for value in values] == values


@pytest.fixture
def folders(monkeypatch, tmp_path, sets):
    """Recipes, studies and results in a folder of the test's own."""
    places = SimpleNamespace(
        recipes=tmp_path / "recipes", studies=tmp_path / "studies", results=tmp_path / "results"
    )
    for name in ("recipes", "studies", "results"):
        getattr(places, name).mkdir()
        monkeypatch.setattr(studies, name.upper(), getattr(places, name))
    base = {
        "model": "lenet5",
        "data": "mnist_mini",
        "validation": 8,
        "epochs": 2,
        "batch_size": 8,
        "device": "cpu",
    }
    (places.recipes / "base.yaml").write_text(yaml.safe_dump({**base, "lr": 0.01}))
    return places


def study(folders, name="tiny", **values):
    values = {"title": "Two poolings", "recipe": "base.yaml", **values}
    (folders.studies / f"{name}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return name


def test_a_study_records_what_it_did(folders, monkeypatch):
    name = study(
        folders,
        changes={"epochs": 1, "weight_decay": 1e-4},
        seeds=[3, 4],
        tune={"lr": [0.003, 0.03]},
        variants={
            "average": {"model_options.pooling": "average"},
            "max": {"model_options.pooling": "max", "momentum": 0.5},
        },
    )
    made, told = [], []
    trainer_for = studies.trainer_for
    monkeypatch.setattr(studies, "trainer_for", lambda recipe: made.append(recipe) or trainer_for(recipe))
    result = studies.run_study(name, "/some/root", report=told.append)
    assert list(result) == [
        *("study", "title", "recipe", "seeds", "tuned", "variants", "environment", "command", "date")
    ]
    # Two trials with the first seed, then both seeds with the better rate; and that twice.
    assert [(recipe.seed, recipe.model_options["pooling"]) for recipe in made] == [
        *[(3, "average"), (3, "average"), (3, "average"), (4, "average")],
        *[(3, "max"), (3, "max"), (3, "max"), (4, "max")],
    ]
    assert all(recipe.data_root == "/some/root" and recipe.epochs == 1 for recipe in made)
    for variant, outcome in result["variants"].items():
        assert list(outcome) == [
            *("changes", "chosen", "trials", "mean", "std", "seconds", "cpu_seconds", "runs")
        ]
        accuracies = {trial["lr"]: trial["validation_accuracy"] for trial in outcome["trials"]}
        assert list(accuracies) == [0.003, 0.03]
        assert outcome["chosen"] == {"lr": max(accuracies, key=accuracies.get)}
        first, second = outcome["runs"]
        assert (first["seed"], second["seed"]) == (3, 4) and first["parameters"] == 61706
        assert outcome["mean"] == pytest.approx(
            (first["test_accuracy"] + second["test_accuracy"]) / 2, rel=1e-5
        )
        spread = (
            abs(first["test_accuracy"] - second["test_accuracy"]) / 2**0.5
        )  # s of two values, n − 1 below
        assert outcome["std"] == pytest.approx(spread, rel=1e-4, abs=1e-9)
        assert "validation_accuracy" in first["rows"][0] and "test_accuracy" not in first["rows"][0]
        # The run with the first seed and the chosen rate is the trial again.
        assert first["validation_accuracy"] == max(accuracies.values())
        assert any(line.startswith(f"tiny {variant}: test accuracy") for line in told)
    # The recipe is what the variants share: the last one's own changes are not in it.
    recorded = result["recipe"]
    assert recorded["momentum"] == 0.9 and recorded["weight_decay"] == 1e-4 and recorded["lr"] == 0.01
    assert recorded["model_options"] == {} and "data_root" not in recorded and "seed" not in recorded
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"]) and result["command"] == "make results NAME=tiny"
    assert result["environment"]["threads"] == 1


def test_the_value_chosen_is_the_best_on_held_out_images(folders, monkeypatch):
    name = study(folders, tune={"lr": [0.1, 0.2, 0.3, 0.4]}, seeds=[0])
    accuracy, final = {0.1: 0.5, 0.2: 0.8, 0.3: 0.8, 0.4: 0.1}, []

    def run(made, report, final_run=True, **options):
        if options.get("final", final_run):
            final.append(made.lr)
        outcome = {
            "seed": made.seed,
            "validation_accuracy": accuracy[made.lr],
            "seconds": 1.0,
            "cpu_seconds": 1.0,
        }
        return {**outcome, "test_accuracy": 1 - accuracy[made.lr]}

    monkeypatch.setattr(studies, "_run", run)
    result = studies.run_study(name, report=lambda text: None)
    assert result["variants"][""]["chosen"] == {"lr": 0.2} and final == [0.2]  # of equals, the first
    assert result["variants"][""]["std"] is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tune": {"lr": [0.1], "momentum": [0.9]}}, "tune must be one key, .* got lr, momentum in study"),
        (
            {"tune": {"lr": [0.1]}, "changes": {"validation": 0}},
            "tune must be one key, in a recipe with validation images, got lr in study",
        ),
    ],
)
def test_a_study_never_tunes_on_the_test_set(folders, values, words):
    with pytest.raises(RecipeError, match=words):
        studies.read_study(study(folders, **values))


def test_a_run_that_diverges_says_where_and_is_still_json(folders):
    name = study(folders, changes={"lr": 1e30, "epochs": 1, "model_options.activation": "relu"}, seeds=[0])
    result = studies.run_study(name, report=lambda text: None)
    (run,) = result["variants"][""]["runs"]
    assert "not finite at step" in run["diverged"] and run["validation_accuracy"] == 0.0
    assert run["test_loss"] is None and 0 <= run["test_accuracy"] <= 1
    assert json.dumps(result, allow_nan=False)


def test_the_first_seed_is_zero_to_two_and_one_variant_unless_told(folders):
    found = studies.read_study(study(folders))
    assert (found["seeds"], found["variants"], found["tune"]) == ([0, 1, 2], {"": {}}, {})


def test_recording_writes_the_file_that_is_read(folders, capsys):
    name = study(folders, seeds=[0], changes={"epochs": 1})
    studies.record(name)
    content = json.loads((folders.results / "tiny.json").read_text())
    assert content["study"] == "tiny" and content["title"] == "Two poolings"
    assert "lenet5 mnist_mini seed 0 epoch 1 of 1 · lr 0." in capsys.readouterr().out
    assert [path.name for path in folders.results.iterdir()] == ["tiny.json"]


def test_an_unknown_study_is_named_with_those_there_are(folders):
    study(folders)
    with pytest.raises(RecipeError, match="study must be one of tiny, got 'tinny'; the nearest is 'tiny'"):
        studies.read_study("tinny")


def test_an_interrupted_study_goes_on_with_the_next_run(folders, monkeypatch):
    name = study(
        folders,
        changes={"epochs": 1},
        seeds=[0, 1],
        tune={"lr": [0.003, 0.03]},
        variants={"average": {"model_options.pooling": "average"}, "max": {"model_options.pooling": "max"}},
    )
    undisturbed = studies.run_study(name, report=lambda text: None)
    trainer_for, describe, made = studies.trainer_for, runtime.describe, []

    def interrupted(recipe):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(recipe)
        return trainer_for(recipe)

    monkeypatch.setattr(studies, "trainer_for", interrupted)
    monkeypatch.setattr(runtime, "describe", lambda machine: {**describe(machine), "device": "the first"})
    with pytest.raises(KeyboardInterrupt):
        studies.record(name)
    unfinished = folders.results / "tiny.unfinished.jsonl"
    assert len(unfinished.read_text().splitlines()) == 5 and not (folders.results / "tiny.json").exists()
    unfinished.write_text(unfinished.read_text() + '{"run": {"reci')  # where a kill cut it

    # It goes on elsewhere: the three runs that are left, and each says where it ran if that was not here.
    again = []
    monkeypatch.setattr(studies, "trainer_for", lambda recipe: again.append(recipe) or trainer_for(recipe))
    monkeypatch.setattr(runtime, "describe", lambda machine: {**describe(machine), "device": "the second"})
    studies.record(name)
    result = studies.recorded(name)
    assert [recipe.model_options["pooling"] for recipe in [*made, *again]] == ["average"] * 4 + ["max"] * 4
    assert len(made) == 5 and len(again) == 3 and not unfinished.exists()
    assert result["environment"]["device"] == "the second"
    first, second = (result["variants"][variant]["runs"] for variant in ("average", "max"))
    assert [run["environment"]["device"] for run in first] == ["the first"] * 2
    assert all(len(run["environment"]["commit"] or "no commit") >= 9 for run in first)
    assert not any("environment" in run for run in second)
    for variant, outcome in undisturbed["variants"].items():
        assert result["variants"][variant]["mean"] == outcome["mean"]
        assert result["variants"][variant]["trials"] == outcome["trials"]


# ── A run in a folder, from a notebook ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def made():
    options = {"normalization": "batch", "dropout": 0.2}
    return Recipe(
        model="lenet5", data="mnist_mini", model_options=options, validation=8, augment=["crop"], epochs=4,
        batch_size=8, mixup=0.2, ema=0.9, device="cpu",
    )  # fmt: skip


def numbers(rows):
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_run_stops_anywhere_and_goes_on(sets, made, tmp_path):
    whole = Run.start(made, tmp_path / "whole")
    assert whole.rows == [] and whole.best is None and not (tmp_path / "whole").exists()
    told = list(whole)
    assert [row["epoch"] for row in told] == [1, 2, 3, 4] and told == whole.rows and whole.complete
    names = ["best.pt", "last.pt", "metrics.jsonl", "metrics.png", "recipe.yaml"]
    assert files(tmp_path / "whole") == names

    for row in Run.start(made, tmp_path / "run"):
        if row["epoch"] == 2:
            break
    run = Run.open(tmp_path / "run")
    assert numbers(run.rows) == numbers(told[:2]) and not run.complete
    assert numbers(run) == numbers(told[2:]) and numbers(run.rows) == numbers(told)
    assert files(tmp_path / "run") == names
    for name in ("last.pt", "best.pt"):
        ours, theirs = (read_checkpoint(tmp_path / folder / name) for folder in ("run", "whole"))
        assert ours["epoch"] == theirs["epoch"]
        for part in ("model", "averaged"):
            assert all(torch.equal(ours[part][key], theirs[part][key]) for key in theirs[part])
    assert (tmp_path / "run/recipe.yaml").read_text() == (tmp_path / "whole/recipe.yaml").read_text()
    with pytest.raises(RecipeError, match="already holds a run"):
        Run.start(made, tmp_path / "run")


def test_a_run_has_the_model_of_its_best_epoch(sets, made, tmp_path):
    run = Run.start(made.replace(monitor="validation_loss"), tmp_path)
    rows = list(run)
    best = min(rows, key=lambda row: row["validation_loss"])
    assert run.best == best and run.monitor == "validation_loss"
    trained = run.trained("cpu")
    assert trained.epoch == best["epoch"] and not run.model("cpu").training
    # evaluate reads the test set, with the mean and the deviation of the run.
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (run.trainer.train.mean, run.trainer.train.std)
    )
    images, labels = data.load("mnist_mini", "test").images, data.load("mnist_mini", "test").labels
    x = torch.nn.functional.pad(images / 255, (2, 2, 2, 2))
    with torch.no_grad():
        logits = trained.model((x - mean) / std)
    found = run.evaluate(device="cpu")
    assert found["loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-4)
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert found["images"] == 12 and int(found["confusion"].sum()) == 12
    for number in range(2):
        Image.fromarray(images[number, 0].numpy()).save(tmp_path / f"{number}.png")
    shares = run.predict([tmp_path / "0.png", tmp_path / "1.png"], "cpu")
    torch.testing.assert_close(shares, logits[:2].softmax(1), rtol=1e-4, atol=1e-5)


def test_what_torch_computes_with_is_put_back(sets, made, tmp_path):
    def settings():
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
        )

    before, seen = settings(), []
    forward = Supervised.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervised, "forward", lambda *args: seen.append(settings()) or forward(*args))
        run = Run.start(made.replace(threads=2, deterministic=True, epochs=2), tmp_path)
        for _ in run:
            assert settings() == before  # between two rows, too
        run.trainer.evaluate(run.trainer.test)
    assert set(seen) == {(2, True, False)} and settings() == before
    run.evaluate(device="cpu")
    assert settings() == before
