"""Recipes: what is read is what was written, and what is wrong is said in one sentence."""

import dataclasses
import re

import pytest
import yaml

from cnncourse import recipe, runtime
from cnncourse.recipe import Recipe, RecipeError

SMALL = {"model": "lenet5", "data": "mnist_mini"}


def test_a_recipe_survives_yaml_unchanged(tmp_path):
    made = Recipe(
        **SMALL,
        model_options={"pooling": "max"},
        augment=("crop", "flip"),
        lr=1e-4,
        betas=(0.8, 0.99),
        views=(("crop", "flip"), ("crop", "color", 24)),
        lr_factors={"output": 10, "c1": 0.1},
        freeze=("c1",),
        objective_options={"auxiliary": 0.4},
        labels=100,
        unlabelled_batch=8,
        image_size=28,
        monitor="validation_loss",
        weights="runs/first",
        workers=2,
        validation=100,
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(made.to_yaml())
    assert recipe.read(path) == made


def test_every_key_but_model_and_data_has_a_default():
    fields = {entry.name: entry for entry in dataclasses.fields(Recipe)}
    missing = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    assert missing == ["model", "data"]
    assert tuple(fields) == recipe.KEYS


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1.0e-4", "'1e-4'"])
def test_numbers_with_an_exponent_are_numbers(text):
    # YAML 1.1 wants a point and a sign, 1.0e-4: PyYAML reads 1e-4 as a string.
    assert isinstance(yaml.safe_load("1e-4"), str)
    made = recipe.from_dict({**SMALL, "lr": yaml.safe_load(text)})
    assert made.lr == 1e-4 and type(made.lr) is float


def test_a_whole_number_serves_where_a_number_is_due():
    assert type(recipe.from_dict({**SMALL, "lr": 1}).lr) is float


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": 3}, "the key 'epoch' is unknown.*did you mean 'epochs'"),
        ({"learning_rate": 3}, "the key 'learning_rate' is unknown"),
        ({"zzzz": 3}, "the key 'zzzz' is unknown: the keys are model, data"),
        ({"lr": "fast"}, "lr must be a number.* got 'fast'"),
        ({"lr": True}, "lr must be a number.* got True"),
        ({"lr": 0}, "lr must be a number above 0.* got 0.0"),
        ({"lr": float("nan")}, "lr must be a finite number.* got nan"),
        ({"lr": 10**400}, "lr must be a finite number, got 1000"),
        ({"seed": 10**400}, "seed must be a finite number, got 1000"),
        ({"epochs": 2.5}, "epochs must be a whole number.* got 2.5"),
        ({"epochs": 0}, "epochs must be at least 1.* got 0"),
        ({"nesterov": "yes please"}, "nesterov must be true or false.* got 'yes please'"),
        ({"nesterov": True, "momentum": 0}, "nesterov must be false unless .* got optimizer sgd, momentum 0"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1.* got 1.0"),
        ({"optimizer": "adamm"}, "optimizer must be one of sgd, .* got 'adamm'; the nearest is 'adam'"),
        ({"schedule": "cos"}, "schedule must be .* got 'cos'; the nearest is 'cosine'"),
        ({"precision": "fp8"}, "precision must be one of float32.* got 'fp8'"),
        ({"betas": [0.9]}, r"betas must be two numbers.* got \[0.9\]"),
        ({"betas": [0.9, 1.5]}, r"betas must be .* got \[0.9, 1.5\]"),
        ({"augment": {"flip": 1}}, "augment must be a list of names"),
        ({"model_options": "max"}, "model_options must be names with values.* got 'max'"),
        ({"workers": -1}, "workers must be at least 0.* got -1"),
        ({"warmup": 20}, "warmup must be at most epochs, which is 10, got 20"),
        ({"model": 5}, "model must be a word.* got 5"),
        ({"model_options": {1: "max"}}, "model_options must be names with values.* got {1: 'max'}"),
        ({"lr_factors": {"output": "much"}}, "lr_factors.output must be a number.* got 'much'"),
        ({"lr_factors": {"output": -1}}, "lr_factors must be factors of at least 0.* got {'output': -1.0}"),
        ({"views": "flip"}, "views must be a list of views.* got 'flip'"),
        ({"views": [["flip", 2.5]]}, r"a view must be a list of names, with a side.* got \['flip', 2.5\]"),
        ({"views": [["flip"]], "augment": ["crop"]}, "augment must be empty where views have"),
        ({"unlabelled_batch": 8}, "labels must say how many to keep where unlabelled_batch is 8"),
        ({"labels": 0}, "labels must be at least 1.* got 0"),
        ({"image_size": "big"}, "image_size must be a whole number.* got 'big'"),
        ({"freeze": 3}, "freeze must be a list of names.* got 3"),
        ({"monitor": "accuracy"}, "monitor must be a column, train_… or test_…, got 'accuracy'"),
        (
            {"monitor": "test_loss", "validation": 9},
            "monitor must be .* train_… or validation_…, got 'test_loss'",
        ),
        ({"objective": "other", "mixup": 0.2}, "mixup must be 0 unless the objective is supervised, got 0.2"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changes, words):
    with pytest.raises(RecipeError, match=words) as error:
        recipe.from_dict({**SMALL, **changes})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"epoch": 3}, "epoch"), ({"lr": "fast"}, "lr"), ({"lr_factors": {"output": "much"}}, "lr_factors"),
     ({"optimizer": "adamm"}, "optimizer"), ({"validation": -1}, "validation"), ({"warmup": 20}, "warmup")],
)  # fmt: skip
def test_an_error_knows_the_key_that_is_wrong(changes, key):
    with pytest.raises(RecipeError) as error:
        recipe.from_dict({**SMALL, **changes})
    assert error.value.key == key


def test_model_and_data_are_demanded():
    with pytest.raises(RecipeError, match="lacks the key 'data'"):
        recipe.from_dict({"model": "lenet5"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("model: [", "is not YAML"),
        ("just words", "must hold keys and values"),
        ("", "must hold keys and values"),
        (
            "model: lenet5\ndata: mnist_mini\nmodel: cifar_cnn",
            r"the key 'model' stands there twice \(line 3\)",
        ),
        (
            "model_options: {pooling: max,\n pooling: average}",
            r"the key 'pooling' stands there twice \(line 2\)",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content, words):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=words) as error:
        recipe.read(path)
    assert "broken.yaml" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=re.escape(str(tmp_path / "none.yaml"))):
        recipe.read(tmp_path / "none.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\x00")
    with pytest.raises(RecipeError, match=r"picture\.yaml"):
        recipe.read(tmp_path / "picture.yaml")


def test_overrides_are_yaml_and_reach_into_model_options():
    changes = recipe.overrides(
        [
            *("lr=1e-2", "augment=[crop, flip]", "model_options.pooling=max", "workers=null"),
            *(
                "lr_factors.output=1e1",
                "objective_options.auxiliary=0.4",
                "labels=100",
                "unlabelled_batch=8",
                "freeze=c1",
                "views=[[crop], [flip, 24]]",
            ),
        ]
    )
    made = recipe.from_dict(recipe.changed({**SMALL, "model_options": {"activation": "relu"}}, changes))
    assert (made.lr, made.augment, made.workers) == (0.01, ("crop", "flip"), None)
    assert made.model_options == {"activation": "relu", "pooling": "max"}
    assert (made.lr_factors, made.objective_options) == ({"output": 10.0}, {"auxiliary": 0.4})
    assert (made.freeze, made.views) == (("c1",), (("crop",), ("flip", 24)))


@pytest.mark.parametrize("word", ["lr", "=3", "lr 3"])
def test_an_override_without_key_or_value_is_refused(word):
    with pytest.raises(RecipeError, match="not of the form key=value"):
        recipe.overrides([word])


def test_changing_a_recipe_leaves_the_first_one_alone():
    values = {**SMALL, "model_options": {"pooling": "average"}}
    recipe.changed(values, {"model_options.pooling": "max", "lr": 1})
    assert values == {**SMALL, "model_options": {"pooling": "average"}}
    made = Recipe(**SMALL)
    assert made.replace(epochs=3).epochs == 3 and made.epochs == 10


def test_the_precisions_are_those_of_the_runtime():
    assert tuple(runtime.PRECISIONS) == recipe.PRECISIONS
