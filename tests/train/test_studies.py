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
from cnncourse.recipe import Recipe, RecipeError
from cnncourse.train import run, studies, trainer_for


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
    "folder": (3, 64, 2),  # larger than any model's input
    "mnist": (1, 12, 10),  # smaller
}


embedded = functools.cache(data.load)


@pytest.fixture
def sets(monkeypatch):
    """`data.load` gives 24 training and 12 test images, embedded or made up."""

    def small(name, split="train", root=None, size=None):
        count = 24 if split == "train" else 12
        if SETS[name] is None:
            return embedded(name, split).select(torch.arange(count), split)
        return stand_in(*SETS[name], count=count, split=split)

    monkeypatch.setattr(data, "load", small)


PAIRS = [
    (model, name)
    for model in models.names()
    for name in SETS
    # Its outputs are drawings of the ten digits, in black and white.
    if model != "lenet5_1998" or name in ("mnist_mini", "fashion_mnist_mini", "mnist")
]


@pytest.mark.parametrize(("model", "name"), PAIRS)
def test_any_model_trains_on_any_data(sets, model, name):
    made = Recipe(model=model, data=name, epochs=1, batch_size=8, lr=1e-3, device="cpu")
    trainer = trainer_for(made)
    images, labels = next(iter(trainer.train))
    side = trainer.model.input_size
    assert images.shape == (8, trainer.model.in_channels, side, side) and labels.shape == (8,)
    assert trainer.model.num_classes == len(trainer.train.classes)
    (row,) = trainer.fit()
    assert row["test_loss"] > 0


def test_smaller_images_are_padded_and_larger_ones_reduced(sets):
    made = Recipe(model="lenet5", data="mnist", batch_size=8, device="cpu")
    images, _ = next(iter(trainer_for(made).test))
    original = data.load("mnist", "test").images[0, 0].float() / 255
    expected = torch.full((32, 32), (0 - 0.5) / 0.25)
    expected[10:22, 10:22] = (original - 0.5) / 0.25
    torch.testing.assert_close(images[0, 0], expected)

    reduced = run.fitted(data.load("folder"), 32)
    assert reduced.shape == (3, 32, 32) and reduced.images.dtype == torch.uint8
    small = torch.nn.functional.interpolate(
        data.load("folder").images.float(), (32, 32), mode="bilinear", antialias=True
    )
    assert (reduced.images.float() - small).abs().max() <= 1
    same = data.load("cifar10")
    assert run.fitted(same, 32) is same


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
    training, held_out = run.split(made)
    whole = {image.numpy().tobytes() for image in data.load("mnist_mini").images}
    parts = [{image.numpy().tobytes() for image in part.images} for part in (training, held_out)]
    assert parts[0] | parts[1] == whole and not parts[0] & parts[1]
    assert run.test_batches(made, trainer.model).number == 12
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
    with pytest.raises(RecipeError, match="batch_size is 25 and the training set has 24 images"):
        trainer_for(made)
    several = runtime.Machine(torch.device("cpu"), world=3)
    with pytest.raises(RecipeError, match="batch_size is 8, which 3 processes cannot share equally"):
        run.batches_for(made.replace(batch_size=8), data.load("mnist_mini"), 32, several, training=True)


def test_a_restored_model_is_the_saved_one(sets, tmp_path):
    made = Recipe(model="lenet5", data="mnist_mini", epochs=1, batch_size=8, ema=0.5, device="cpu")
    trainer = trainer_for(made)
    list(trainer.fit())
    trainer.save(tmp_path / "last.pt")
    model, recipe, state = run.restore(tmp_path / "last.pt")
    assert recipe == made and state["epoch"] == 1 and not model.training
    for a, b in zip(model.parameters(), trainer.averaged.module.parameters(), strict=True):
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


@pytest.mark.parametrize("path", sorted(studies.RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_repository_reads(path):
    made = studies.recipe.read(path)
    assert made.model in models.names() and made.data in data.names()


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
    assert result["environment"]["threads"] == torch.get_num_threads()


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
        ({"tune": {"lr": [0.1], "momentum": [0.9]}}, "tunes lr, momentum: expected one key"),
        (
            {"tune": {"lr": [0.1]}, "changes": {"validation": 0}},
            "tunes lr: .* a recipe with validation images",
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
    assert "lenet5 mnist_mini seed 0 epoch 1 · lr" in capsys.readouterr().out
    assert [path.name for path in folders.results.iterdir()] == ["tiny.json"]


def test_an_unknown_study_is_named_with_those_there_are(folders):
    study(folders)
    with pytest.raises(RecipeError, match="'tinny' is no study, expected one of tiny"):
        studies.read_study("tinny")


def test_a_row_in_one_line():
    row = {
        "epoch": 2,
        "lr": 0.0123,
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "seconds": 1.25,
        "images_per_second": 12345.6,
    }
    assert studies.line(row) == "epoch 2 · lr 0.0123 · train 0.5000 · 0.7500 · 1.2 s · 12,346 images/s"
    assert "test 0.4000 · 0.8000" in studies.line({**row, "test_loss": 0.4, "test_accuracy": 0.8})
