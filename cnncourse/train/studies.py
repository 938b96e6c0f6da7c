"""Studies: recipes that differ in one thing, several seeds each, recorded in results/."""

import contextlib
import importlib.metadata
import json
import math
import statistics
import time
from pathlib import Path

import yaml

from .. import checks, recipe, runtime
from ..recipe import RecipeError
from .assemble import test_batches, trainer_for
from .checkpoint import write_whole
from .run import columns
from .trainer import Diverged

ROOT = Path(__file__).resolve().parents[2]


def _folder(*parts):
    """A folder of the repository; of an installed package, the copy of it that was installed with the package."""
    if not (ROOT / "pyproject.toml").exists():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.files("cnncourse") or ():
                if file.parent.parts[-len(parts) - 1 :] == ("cnncourse", *parts) and "share" in file.parts:
                    return Path(file.locate()).resolve().parent
    return ROOT.joinpath(*parts)


RECIPES, STUDIES, RESULTS = _folder("recipes"), _folder("recipes", "studies"), _folder("results")


def studies():
    """The names of the studies in recipes/studies."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def read_study(name):
    """The study of this name: title, base recipe, seeds, tune (key → values to try), variants (name → changes)."""
    recipe.chosen("study", name, studies())
    study = yaml.safe_load((STUDIES / f"{name}.yaml").read_text(encoding="utf-8"))
    base = yaml.safe_load((RECIPES / study["recipe"]).read_text(encoding="utf-8"))
    study["base"] = recipe.changed(base, study.get("changes", {}))
    study = {"tune": {}, "seeds": [0, 1, 2], "variants": {"": {}}, **study}
    if study["tune"] and (len(study["tune"]) > 1 or not study["base"].get("validation")):
        raise RecipeError(
            f"tune must be one key, in a recipe with validation images, got {', '.join(study['tune'])} in study {name}"
        )
    return study


def run_study(name, data_root=None, report=print, unfinished=None):
    """Run every variant of a study and return what `results/NAME.json` holds.

    Where the study tunes a key, each variant gets the value with the best accuracy on held-out training images,
    found with the first seed. Then every seed is trained with it, and each run reads the test set once, at its end.
    unfinished: a file that keeps each finished run, with its environment; runs that it holds are not trained again.
    """
    study = read_study(name)
    machine = runtime.start(study["base"].get("device", "auto"))
    environment, kept, variants = runtime.describe(machine), _Kept(unfinished), {}

    def run(made, final=True):
        done = kept.find(made, final) or kept.keep(made, final, _run(made, report, final), environment)
        # A run of an earlier session says where it ran, if that was elsewhere or with other code.
        elsewhere = {} if done["environment"] == environment else {"environment": done["environment"]}
        return {**done["outcome"], **elsewhere}

    for variant, changes in study["variants"].items():
        made = recipe.from_dict(recipe.changed(study["base"], {**changes, "data_root": data_root}))
        chosen, trials = _tuned(made, study["tune"], study["seeds"][0], run)
        made = made.replace(**chosen)
        runs = [run(made.replace(seed=seed)) for seed in study["seeds"]]
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
        "environment": environment,
        "command": f"make results NAME={name}",
        "date": time.strftime("%Y-%m-%d"),
    }


class _Kept:
    """The finished runs of a study that is not: a line of JSON each, appended."""

    def __init__(self, path):
        self.path, self.lines = path, []
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(json.JSONDecodeError):  # the last one, where a kill cut it
                    self.lines.append(json.loads(line))

    def find(self, made, final):
        wanted = json.loads(json.dumps({"recipe": made.to_dict(), "final": final}))
        return next((line for line in self.lines if line["run"] == wanted), None)

    def keep(self, made, final, outcome, environment):
        line = {
            "run": {"recipe": made.to_dict(), "final": final},
            "outcome": outcome,
            "environment": environment,
        }
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return line


def _tuned(made, tune, seed, run):
    """({key: best value}, the trials); tuning is over one key, with the variant's own held-out images."""
    trials = []
    for key, values in tune.items():
        for value in values:
            trial = run(made.replace(seed=seed, **{key: value}), final=False)
            trials.append({key: value, "validation_accuracy": trial["validation_accuracy"]})
    if not trials:
        return {}, []
    best = max(trials, key=lambda trial: trial["validation_accuracy"])
    return {key: best[key] for key in tune}, trials


def _run(made, report, final):
    """One training run: its rows, and the test accuracy of the model at its end. A run that diverges says where."""
    started, cpu_started, outcome = time.perf_counter(), time.process_time(), {"seed": made.seed}
    trainer = trainer_for(made)
    try:
        for row in trainer.fit():
            shown = " · ".join(f"{name} {text}" for name, text in columns(row, made.epochs))
            report(f"  {made.model} {made.data} seed {made.seed} {shown}")
    except Diverged as error:
        outcome["diverged"] = str(error)
    measured = "validation_accuracy" if made.validation else "last_accuracy"
    rows = trainer.rows
    last = rows[-1][f"{made.measured}_accuracy"] if rows and "diverged" not in outcome else 0.0
    outcome[measured] = runtime.significant(last)
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
        outcome["rows"] = [
            {name: runtime.significant(value, 5) for name, value in row.items()} for row in rows
        ]
    return outcome


def record(name, data_root=None):
    """Run a study and write results/NAME.json; called again after an interruption, it goes on with the next run."""
    RESULTS.mkdir(exist_ok=True)
    unfinished = RESULTS / f"{name}.unfinished.jsonl"
    result = run_study(name, data_root, lambda text: print(text, flush=True), unfinished)
    content = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_whole(RESULTS / f"{name}.json", content.encode())
    unfinished.unlink(missing_ok=True)


def recorded(name):
    """What results/NAME.json holds: the runs of a study, with their seeds, rows, device, versions and command."""
    checks.choice("name", name, sorted(path.stem for path in RESULTS.glob("*.json")))
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


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
