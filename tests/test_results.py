"""What is recorded in results/ is whole, says where it comes from, and is what README.md prints."""

import dataclasses
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from cnncourse import data, models, recipe, train
from cnncourse.train import studies

ROOT = Path(__file__).resolve().parent.parent
NAMES = studies.studies()


def test_every_study_is_recorded_and_every_record_is_a_study():
    assert [path.stem for path in sorted(studies.RESULTS.glob("*.json"))] == NAMES


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read(path):
    made = recipe.read(path)
    assert made.model in models.names() and made.data in data.names()
    assert path.read_text(encoding="utf-8").startswith("# "), "a recipe begins by saying what it is for"


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_what_its_study_asks_for(name):
    result, study = studies.recorded(name), studies.read_study(name)
    assert result["title"] == study["title"] and result["seeds"] == study["seeds"]
    assert list(result["variants"]) == list(study["variants"])
    shown = recipe.from_dict(result["recipe"])
    assert shown.replace(data_root=None, seed=0) == recipe.from_dict(study["base"])
    for variant, outcome in result["variants"].items():
        assert outcome["changes"] == study["variants"][variant]
        assert [run["seed"] for run in outcome["runs"]] == study["seeds"]
        assert {key: len(values) for key, values in study["tune"].items()} == (
            {key: len(outcome["trials"]) for key in study["tune"]}
        )
        best = max(outcome["trials"], key=lambda trial: trial["validation_accuracy"], default={})
        assert outcome["chosen"] == {key: best[key] for key in study["tune"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_and_the_spread_are_those_of_the_runs(name):
    for outcome in studies.recorded(name)["variants"].values():
        accuracies = [run["test_accuracy"] for run in outcome["runs"]]
        assert outcome["mean"] == pytest.approx(statistics.mean(accuracies), rel=1e-5)
        if len(accuracies) > 1:
            assert outcome["std"] == pytest.approx(statistics.stdev(accuracies), rel=1e-4)
        for run in outcome["runs"]:
            assert [row["epoch"] for row in run["rows"]] == list(range(1, len(run["rows"]) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_says_where_it_comes_from(name):
    result = studies.recorded(name)
    assert {"device", "threads", "python", "torch", "torchvision", "numpy", "commit"} <= set(
        result["environment"]
    )
    assert re.fullmatch(r"[0-9a-f]{12}", result["environment"]["commit"]), "recorded from a clean commit"
    assert result["command"] == f"make results NAME={name}"
    assert not re.search(r"/(home|root|tmp|work)\b", str(result)), "a path of the machine that recorded it"


@pytest.mark.parametrize(
    ("name", "least", "most_parameters"),
    [("lenet_fashion_mnist", 0.91, 65_000), ("lenet_mnist", 0.992, 65_000)],
)
def test_the_recipes_reach_what_the_course_promises(name, least, most_parameters):
    (outcome,) = studies.recorded(name)["variants"].values()
    assert len(outcome["runs"]) >= 3
    assert all(
        run["test_accuracy"] >= least and run["parameters"] <= most_parameters for run in outcome["runs"]
    )


@pytest.mark.parametrize("name", [name for name in NAMES if len(studies.read_study(name)["variants"]) > 1])
def test_a_comparison_has_three_seeds_and_a_rate_for_each_side(name):
    study = studies.read_study(name)
    if name != "lenet_loading":  # which compares seconds; the numbers are the same by construction
        assert len(study["seeds"]) >= 3 and "lr" in study["tune"]


def test_loading_changes_the_time_and_nothing_else():
    variants = studies.recorded("lenet_loading")["variants"].values()
    assert len({outcome["mean"] for outcome in variants}) == 1


def test_the_readme_prints_the_recorded_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert studies.results_table() in readme, "run: cnncourse study --table"


def test_the_shipped_digits_network_is_trained_by_its_recipe():
    """And it recognizes digits: the weights that are shipped, in a network that is built as the recipe has it."""
    made = recipe.read(ROOT / "recipes/lenet_live.yaml")
    folder = ROOT / "cnncourse/embedded/lenet_live"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["recipe"].startswith(f"recipes/lenet_live.yaml: {made.epochs} epochs on ")
    assert {key: manifest[key] for key in made.model_options} == made.model_options
    model = models.build(made.model, **made.model_options).eval()
    with np.load(folder / "weights.npz") as arrays:
        state = {}
        for name, own in model.state_dict().items():
            layer, _, part = name.rpartition(".")
            values = torch.from_numpy(arrays[f"{layer}_{part}"]).float()
            if part == "weight":
                values = values * torch.from_numpy(arrays[f"{layer}_scale"]).view(
                    -1, *[1] * (values.ndim - 1)
                )
            state[name] = values.reshape(own.shape)
    model.load_state_dict(state)
    images = dataclasses.replace(
        data.load("mnist_mini", "test"), mean=(manifest["mean"],), std=(manifest["std"],)
    )
    found = train.evaluate(model, data.Batches(images, 500, size=model.input_size))
    assert found["accuracy"] > 0.98


def test_the_shipped_clothes_network_is_trained_by_its_recipe():
    """And it recognizes clothes: the weights that are shipped, in a network that is built as the recipe has it."""
    made = recipe.read(ROOT / "recipes/vit_live.yaml")
    folder = ROOT / "cnncourse/embedded/vit_live"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["recipe"] == (
        f"recipes/vit_live.yaml: {made.epochs} epochs on {60_000 - made.validation:,} of Fashion-MNIST's training "
        f"images, seed {made.seed}"
    )
    training, test = manifest["training"], manifest["test"]
    assert (training["epochs"], training["validation_images"]) == (made.epochs, made.validation)
    assert (test["set"], test["images"]) == (made.data, 10_000)
    assert abs(training["validation_accuracy"] - test["accuracy"]) < 0.02
    model = models.build(made.model, in_channels=1, image_size=made.image_size, **made.model_options).eval()
    with np.load(folder / "weights.npz") as arrays:
        state = {}
        for name, own in model.state_dict().items():
            scale = arrays[f"{name}_scale"] if f"{name}_scale" in arrays.files else np.ones(1, np.float32)
            state[name] = torch.from_numpy(arrays[name] * scale.reshape(-1, *[1] * (own.ndim - 1)))
    model.load_state_dict(state)
    images = dataclasses.replace(
        data.load("fashion_mnist_mini", "test"), mean=(manifest["mean"],), std=(manifest["std"],)
    )
    found = train.evaluate(model, data.Batches(images, 500))
    # 2,000 of the 10,000 test images: three standard errors
    assert abs(found["accuracy"] - test["accuracy_quantized"]) < 3 * (0.12 / 2000) ** 0.5
