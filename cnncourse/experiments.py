"""From a recipe to a run, and from a study to a recorded result: where data, models and training meet.

trainer = trainer_for(Recipe(model="lenet5", data="fashion_mnist_mini", epochs=3))
for row in trainer.fit(): ...

python -m cnncourse.experiments lenet_pooling --data-root DIR      # what `make results` calls
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import math
import statistics
import sys
import time
import zlib
from pathlib import Path

import torch
import yaml
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as transforms

from . import data, models, recipe, runtime, train

ROOT = Path(__file__).resolve().parents[1]


def _folder(*parts):
    """A folder of the repository; of an installed package, the copy of it that was installed with the package."""
    if not (ROOT / "pyproject.toml").exists():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.files("cnncourse") or ():
                if file.parent.parts[-len(parts) - 1 :] == ("cnncourse", *parts) and "share" in file.parts:
                    return Path(file.locate()).resolve().parent
    return ROOT.joinpath(*parts)


RECIPES, STUDIES, RESULTS = _folder("recipes"), _folder("recipes", "studies"), _folder("results")


def trainer_for(recipe):
    """The `Trainer` of a recipe: its data, its model and its device put together.

    The model's classes and channels follow the data. Images smaller than the model's input are zero-padded to it,
    larger ones are reduced to it. With `validation`, the rows' test columns are measured on images held out of
    the training set; otherwise on the test set.
    """
    machine = train.machine_for(recipe)
    model = model_for(recipe)
    training, held_out = split(recipe)
    return train.Trainer(
        model,
        batches_for(recipe, training, model.input_size, machine, training=True),
        batches_for(recipe, held_out, model.input_size, machine),
        recipe,
    )


def model_for(recipe, num_classes=None, in_channels=None):
    """The recipe's network with the random weights of its seed, for its data (or for so many classes and channels)."""
    models.options(recipe.model)  # an unknown name is refused before its data are looked for
    if num_classes is None:
        described = data.load(recipe.data, "test", recipe.data_root)
        num_classes, in_channels = len(described.classes), described.shape[0]
    runtime.seed(recipe.seed)
    return models.build(
        recipe.model, num_classes=num_classes, in_channels=in_channels, **recipe.model_options
    )


def split(recipe):
    """(images to train on, images to measure on): the rest is held out of training, or is the test set."""
    training = data.load(recipe.data, "train", recipe.data_root)
    if recipe.validation:
        return data.split_off(training, recipe.validation)
    return training, data.load(recipe.data, "test", recipe.data_root)


def test_batches(recipe, model):
    """The batches of the test set for a model of this recipe."""
    machine = train.machine_for(recipe)
    return batches_for(recipe, data.load(recipe.data, "test", recipe.data_root), model.input_size, machine)


def batches_for(recipe, image_set, size, machine, *, training=False):
    """Batches of a set as the recipe wants them: to train on, augmented, shuffled, of equal size; else all images."""
    if training and len(image_set) < recipe.batch_size:
        raise train.RecipeError(
            f"batch_size is {recipe.batch_size} and the training set has {len(image_set)} images: use a smaller one"
        )
    if training and recipe.batch_size % machine.world:
        raise train.RecipeError(
            f"batch_size is {recipe.batch_size}, which {machine.world} processes cannot share equally"
        )
    return data.Batches(
        fitted(image_set, size),
        recipe.batch_size if training else max(recipe.batch_size, 500),
        device=machine.device,
        augment=recipe.augment if training else (),
        shuffle=training,
        drop_last=training,
        seed=recipe.seed,
        size=size,
        workers=recipe.workers,
        prefetch=recipe.prefetch,
        rank=machine.rank,
        world=machine.world,
        channels_last=recipe.channels_last,
    )


def fitted(image_set, size):
    """The set itself if its images fit into size×size, else with images reduced to it (antialiased bilinear)."""
    if max(image_set.shape[1:]) <= size:
        return image_set
    if not isinstance(image_set, data.ImageSet):  # files, then read at that size
        return dataclasses.replace(image_set, shape=(image_set.shape[0], size, size))
    small = transforms.resize(image_set.images, [size, size], antialias=True)
    return dataclasses.replace(image_set, images=small)


# ── Checkpoints of finished runs ────────────────────────────────────────────────────────────────────────────────────


def restore(path, device="cpu"):
    """(model in evaluation mode, its recipe, the checkpoint's state) from a file that `cnncourse train` wrote."""
    state = train.read_checkpoint(path, device)
    try:
        made_by = recipe.from_dict(state["recipe"], where=f"the recipe in {path}")
        model = model_for(made_by, len(state["classes"]), state["shape"][0])
        averaged = state["averaged"]
        weights = (
            {name.removeprefix("module."): w for name, w in averaged.items() if name != "n_averaged"}
            if averaged
            else state["model"]
        )
        model.load_state_dict(weights)
    except (KeyError, IndexError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise train.RunError(f"{path} does not fit its own recipe: {reason}") from error
    return model.to(device).eval(), made_by, state


def class_probabilities(model, state, path, *, invert=False):
    """The probability of each class for an image file, (K,): softmax of the logits of a model from `restore`."""
    channels, height, width = state["shape"]
    left, right, top, bottom = state["padding"]
    try:
        with Image.open(path) as file:
            if file.mode[0] in "IF":  # Pillow would cut their pixels at 255 instead of scaling them
                raise ValueError("its pixels have more than 8 bits, expected 8")
            image = ImageOps.exif_transpose(file).convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        raise train.RunError(f"{path} is no image that can be read: {error}") from error
    inside = width - left - right, height - top - bottom
    image = ImageOps.fit(ImageOps.invert(image) if invert else image, inside, Image.Resampling.BILINEAR)
    pixels = transforms.pad(transforms.pil_to_tensor(image), [left, top, right, bottom]).float() / 255
    mean, std = (torch.tensor(state[name])[:, None, None] for name in ("mean", "std"))
    device = next(model.parameters()).device
    with torch.no_grad():
        return model(((pixels - mean) / std)[None].to(device)).softmax(1)[0].cpu()


# ── Studies: recipes that differ in one thing, several seeds each, recorded ─────────────────────────────────────────


def studies():
    """The names of the studies in recipes/studies."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def read_study(name):
    """The study of this name: title, base recipe, seeds, tune (key → values to try), variants (name → changes)."""
    if name not in studies():
        raise train.RecipeError(f"{name!r} is no study, expected one of {', '.join(studies())}")
    study = yaml.safe_load((STUDIES / f"{name}.yaml").read_text(encoding="utf-8"))
    base = yaml.safe_load((RECIPES / study["recipe"]).read_text(encoding="utf-8"))
    study["base"] = recipe.changed(base, study.get("changes", {}))
    study = {"tune": {}, "seeds": [0, 1, 2], "variants": {"": {}}, **study}
    if study["tune"] and (len(study["tune"]) > 1 or not study["base"].get("validation")):
        raise train.RecipeError(
            f"study {name} tunes {', '.join(study['tune'])}: expected one key, and a recipe with validation images"
        )
    return study


def run_study(name, data_root=None, report=print):
    """Run every variant of a study and return what `results/NAME.json` holds.

    Where the study tunes a key, each variant gets the value with the best accuracy on held-out training images,
    found with the first seed. Then every seed is trained with it, and each run reads the test set once, at its end.
    """
    study = read_study(name)
    machine = runtime.start(study["base"].get("device", "auto"))
    variants = {}
    for variant, changes in study["variants"].items():
        made = recipe.from_dict(recipe.changed(study["base"], {**changes, "data_root": data_root}))
        chosen, trials = _tuned(made, study["tune"], study["seeds"][0], report)
        made = made.replace(**chosen)
        runs = [_run(made.replace(seed=seed), report) for seed in study["seeds"]]
        accuracies = [run["test_accuracy"] for run in runs]
        variants[variant] = {
            "changes": changes,
            "chosen": chosen,
            "trials": trials,
            "mean": runtime.significant(statistics.mean(accuracies)),
            "std": runtime.significant(statistics.stdev(accuracies)) if len(accuracies) > 1 else None,
            "seconds": runtime.significant(statistics.mean(run["seconds"] for run in runs), 4),
            "cpu_seconds": runtime.significant(statistics.mean(run["cpu_seconds"] for run in runs), 4),
            "runs": runs,
        }
        report(
            f"{name} {variant}: test accuracy {variants[variant]['mean']:.4f} ± {variants[variant]['std'] or 0:.4f}"
        )
    base = recipe.from_dict(study["base"]).to_dict()
    return {
        "study": name,
        "title": study["title"],
        "recipe": {key: value for key, value in base.items() if key not in ("data_root", "seed")},
        "seeds": study["seeds"],
        "tuned": study["tune"],
        "variants": variants,
        "environment": runtime.describe(machine),
        "command": f"make results NAME={name}",
        "date": time.strftime("%Y-%m-%d"),
    }


def _tuned(made, tune, seed, report):
    """({key: best value}, the trials); tuning is over one key, with the variant's own held-out images."""
    trials = []
    for key, values in tune.items():
        for value in values:
            trial = _run(made.replace(seed=seed, **{key: value}), report, final=False)
            trials.append({key: value, "validation_accuracy": trial["validation_accuracy"]})
    if not trials:
        return {}, []
    best = max(trials, key=lambda trial: trial["validation_accuracy"])
    return {key: best[key] for key in tune}, trials


def _run(made, report, final=True):
    """One training run: its rows, and the test accuracy of the model at its end. A run that diverges says where."""
    started, cpu_started, outcome = time.perf_counter(), time.process_time(), {"seed": made.seed}
    trainer = trainer_for(made)
    try:
        for row in trainer.fit():
            report(f"  {made.model} {made.data} seed {made.seed} " + line(row))
    except train.Diverged as error:
        outcome["diverged"] = str(error)
    measured = "validation_accuracy" if made.validation else "last_accuracy"
    rows = trainer.rows
    outcome[measured] = (
        runtime.significant(rows[-1]["test_accuracy"]) if rows and "diverged" not in outcome else 0.0
    )
    if final:
        test = trainer.evaluate(test_batches(made, trainer.model))
        outcome |= {
            "test_accuracy": runtime.significant(test["accuracy"]),
            "test_loss": runtime.significant(test["loss"]) if math.isfinite(test["loss"]) else None,
        }
        outcome["parameters"] = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        # The processor's seconds are what the run cost, also where other programs kept it waiting.
        outcome["seconds"] = runtime.significant(time.perf_counter() - started, 4)
        outcome["cpu_seconds"] = runtime.significant(time.process_time() - cpu_started, 4)
        # The rows' test columns were measured on the held-out images: here they are called what they are.
        outcome["rows"] = [
            {
                key.replace("test_", "validation_") if made.validation else key: runtime.significant(value, 5)
                for key, value in row.items()
            }
            for row in rows
        ]
    return outcome


def line(row):
    """A row in one line of text."""
    parts = [f"epoch {row['epoch']}", f"lr {row['lr']:.3g}", f"train {row['train_loss']:.4f}"]
    parts += [f"{row['train_accuracy']:.4f}"] if "train_accuracy" in row else []
    parts += [f"test {row['test_loss']:.4f}"] if "test_loss" in row else []
    parts += [f"{row['test_accuracy']:.4f}"] if "test_accuracy" in row else []
    return " · ".join([*parts, f"{row['seconds']:.1f} s", f"{row['images_per_second']:,.0f} images/s"])


def record(name, data_root=None):
    """Run a study and write results/NAME.json."""
    result = run_study(name, data_root, report=lambda text: print(text, flush=True))
    RESULTS.mkdir(exist_ok=True)
    content = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    train.write_whole(RESULTS / f"{name}.json", content.encode())


def recorded(name):
    """What results/NAME.json holds: the runs of a study, with their seeds, rows, device, versions and command."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in RESULTS.glob("*.json")))
        raise ValueError(f"{name!r} is not recorded, expected one of {known}")
    return json.loads(path.read_text(encoding="utf-8"))


def results_table():
    """The recorded studies of several seeds as a Markdown table: test accuracy, mean ± standard deviation."""
    lines = ["| Study | Variant | Test accuracy | Seeds | Parameters |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(RESULTS.glob("*.json")):
        result = recorded(path.stem)
        for variant, outcome in result["variants"].items():
            runs = outcome["runs"]
            if outcome["std"] is None:
                continue
            cells = (
                result["title"] if variant == next(iter(result["variants"])) else "",
                variant,
                f"{100 * outcome['mean']:.2f} ± {100 * outcome['std']:.2f} %",
                f"{len(runs)}",
                f"{runs[0]['parameters']:,}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(words):
    """Train studies again and write results/NAME.json."""
    parser = argparse.ArgumentParser(prog="python -m cnncourse.experiments", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a study: a file in recipes/studies")
    parser.add_argument("--data-root", metavar="DIR", help="folder of the full sets, in torchvision's layout")
    parser.add_argument("--list", action="store_true", help="list the studies")
    parser.add_argument("--table", action="store_true", help="print what is recorded as a Markdown table")
    chosen = parser.parse_args(words)
    if chosen.table:
        print(results_table())
    elif chosen.list or not chosen.names:
        for name in studies():
            print(f"{name:24s} {read_study(name)['title']}")
    for name in chosen.names:
        try:
            record(name, chosen.data_root)
        except (RuntimeError, ValueError) as error:
            parser.exit(1, f"{name}: {error}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
