"""TrainLive's arithmetic against torch and the package, its digits, and its traits."""

import gzip
import hashlib
import json
import re

import make_train_live
import numpy as np
import pytest
import torch
import traitlets
from torch import nn
from torch.nn import functional as F

from cnncourse import data, scratch
from cnncourse.recipe import Recipe
from cnncourse.train.optim import make_optimizer
from cnncourse.widgets import ShapeExplorer, TrainLive, page_modules
from cnncourse.widgets.train import ACTIVATIONS, INITIALIZATIONS, OPTIMIZERS, SCHEDULES, SHIPPED, load_digits

DEFAULTS = TrainLive().settings()
ACTS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@pytest.fixture(scope="module")
def address(publish):
    return publish(one=ShapeExplorer().page_html())


@pytest.fixture(scope="module")
def calls(modules):
    """calls(body, argument) → what a function of the module's declarations and `given` returns."""
    names = sorted(set(re.findall(r"^(?:function|class) (\w+)", page_modules()["train.js"], re.MULTILINE)))
    import_all = f'const {{ {", ".join(names)} }} = await import("./explorers/train.js");'
    digits = 'const { DIGITS } = await import("./explorers/digits.js");'

    def calls(body, given=None):
        return modules.evaluate(f"async (given) => {{ {import_all} {digits} {body} }}", given)

    return calls


def torch_network(*, activation, batch_norm, **_):
    """The explorer's network as a beginner would write it; the names of its parameters are the explorer's."""
    act = ACTS[activation]

    def block(name, layer, norm, *pool):
        return [
            (name, layer),
            *([(f"norm_{name}", norm)] if batch_norm else []),
            (f"act_{name}", act()),
            *pool,
        ]

    bias = not batch_norm
    parts = [
        *block("conv1", nn.Conv2d(1, 8, 5, padding=2, bias=bias), nn.BatchNorm2d(8), ("pool1", nn.MaxPool2d(2))),
        *block("conv2", nn.Conv2d(8, 16, 3, padding=1, bias=bias), nn.BatchNorm2d(16), ("pool2", nn.MaxPool2d(2))),
        ("flatten", nn.Flatten()),
        *block("hidden", nn.Linear(144, 32, bias=bias), nn.BatchNorm1d(32)),
        ("output", nn.Linear(32, 10)),
    ]  # fmt: skip
    model = nn.Sequential()
    for name, part in parts:
        model.add_module(name, part)
    return model


def load(model, values):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.tensor(values[name]).reshape(parameter.shape))
    assert set(values) == {name for name, _ in model.named_parameters()}
    return model


def close(ours, theirs, relative=1e-4):
    """Equal up to a part of the largest number of the tensor."""
    theirs = np.asarray(theirs, dtype=np.float64).ravel()
    np.testing.assert_allclose(np.ravel(ours), theirs, rtol=0, atol=relative * abs(theirs).max() + 1e-12)


def pixels(split="train"):
    """What the network reads → float32 (N, 1, 14, 14), and the labels."""
    images, labels = load_digits()[split]
    held = json.loads((SHIPPED / "digits.json").read_text())
    x = (images / 15 - held["mean"]) / held["std"]
    return torch.tensor(x, dtype=torch.float32)[:, None], torch.tensor(labels, dtype=torch.int64)


# --- the digits -----------------------------------------------------------------------------------------------------


def test_the_tool_writes_the_same_bytes_and_the_file_is_light(tmp_path):
    manifest = make_train_live.make(tmp_path)
    for name in ("digits.json", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes()
    raw = (SHIPPED / "digits.json").read_bytes()
    assert manifest["sha256"]["digits.json"] == hashlib.sha256(raw).hexdigest()
    assert len(gzip.compress(page_modules()["digits.js"].encode())) <= 190_000
    assert "CC BY-SA 3.0" in manifest["license"] and (SHIPPED / "NOTICE.md").exists()


def test_digits_are_those_of_mnist_mini_half_as_large(calls):
    for split, count in (("train", 200), ("test", 50)):
        images, labels = load_digits()[split]
        assert np.bincount(labels).tolist() == [count] * 10
        known = data.load("mnist_mini", split)
        large = known.images[:, 0].double()
        small = F.avg_pool2d(large[:, None], 2)[:, 0] / 17
        sources = {
            tuple(small[i].add(0.5).floor().int().ravel().tolist()): known.labels[i]
            for i in range(len(small))
        }
        assert all(
            sources[tuple(image.ravel().tolist())] == label
            for image, label in zip(images, labels, strict=True)
        )
    test, train = ({image.tobytes() for image in load_digits()[split][0]} for split in ("test", "train"))
    assert not test & train
    x, labels = pixels()
    got = calls(
        "const d = decodeDigits(DIGITS, DIGITS.train); return [[...d.x.subarray(0, 3920)], [...d.labels], d.n]"
    )
    assert got[2] == 2000 and got[1] == labels.tolist()
    np.testing.assert_allclose(got[0], x[:20].ravel(), rtol=1e-6, atol=1e-6)
    assert abs(x.mean()) < 1e-5 and abs(x.std() - 1) < 1e-3


# --- layers ---------------------------------------------------------------------------------------------------------

LAYER = """
  const layer = eval(given.make);
  for (const [name, value] of Object.entries(given.values)) layer[name].value.set(value);
  const y = [...layer.forward(Float32Array.from(given.x), given.n, true).subarray(0, given.size)];
  const grad = layer.backward(Float32Array.from(given.g), given.n, true);
  const grads = Object.keys(given.values).map((name) => [name, [...layer[name].grad]]);
  return { y, x: [...grad.subarray(0, given.x.length)], ...Object.fromEntries(grads) };
"""
LAYERS = {
    "conv": ("new Conv2d('c', { inputs: 3, outputs: 5, side: 7, k: 3, bias: true })",
             lambda: nn.Conv2d(3, 5, 3, padding=1), (6, 3, 7, 7)),
    "one channel": ("new Conv2d('c', { inputs: 1, outputs: 8, side: 14, k: 5, bias: true })",
                    lambda: nn.Conv2d(1, 8, 5, padding=2), (3, 1, 14, 14)),
    "linear": ("new Linear('l', { inputs: 13, outputs: 7, bias: true })", lambda: nn.Linear(13, 7), (5, 13)),
    "batch norm": ("new BatchNorm('n', { units: 4, places: 9 })", lambda: nn.BatchNorm2d(4), (6, 4, 3, 3)),
    "batch norm of units": ("new BatchNorm('n', { units: 9, places: 1 })", lambda: nn.BatchNorm1d(9), (8, 9)),
    "pool": ("new MaxPool2d('p', { units: 3, side: 6 })", lambda: nn.MaxPool2d(2), (4, 3, 6, 6)),
    "pool, odd": ("new MaxPool2d('p', { units: 2, side: 7 })", lambda: nn.MaxPool2d(2), (4, 2, 7, 7)),
    **{kind: (f"new Activation('a', {{ units: 3, places: 4, kind: '{kind}' }})", ACTS[kind], (5, 3, 2, 2))
       for kind in ACTIVATIONS},
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_its_gradients_are_torchs(calls, name):
    make, build, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, x = build(), torch.randn(shape, requires_grad=True)
    values = {}
    for key, parameter in layer.named_parameters():
        nn.init.normal_(parameter)
        values[key] = parameter.detach().ravel().tolist()
    y = layer(x)
    g = torch.randn_like(y)
    y.backward(g)
    given = {"make": make, "values": values, "n": shape[0], "size": y.numel()}
    got = calls(LAYER, given | {"x": x.detach().ravel().tolist(), "g": g.ravel().tolist()})
    close(got["y"], y.detach())
    close(got["x"], x.grad)
    for key, parameter in layer.named_parameters():
        close(got[key], parameter.grad)


def test_batch_norm_keeps_torchs_running_statistics_and_uses_them(calls):
    torch.manual_seed(0)
    norm, x = nn.BatchNorm2d(3), 2 * torch.randn(5, 3, 2, 2) + 1
    for part in (x, x + 1):
        norm(part)
    got = calls(
        """const norm = new BatchNorm("n", { units: 3, places: 4 });
           for (const add of [0, 1]) norm.forward(Float32Array.from(given, (value) => value + add), 5, true);
           const y = [...norm.forward(Float32Array.from(given), 5, false)];
           return [[...norm.mean], [...norm.variance], y];""",
        x.ravel().tolist(),
    )
    for ours, theirs in zip(got, (norm.running_mean, norm.running_var, norm.eval()(x).detach()), strict=True):
        close(ours, theirs)


@pytest.mark.parametrize("shape", [(4, 1, 2), (1, 1, 1), (5, 7, 3), (9, 4, 9), (3, 2, 8)])
def test_products_of_matrices_of_every_size_transposed_and_added(calls, shape):
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(size) for size in ((rows, inner), (inner, columns), (rows, columns)))
    body = """
      const [a, b, out] = [given.a, given.b, given.c].map((values) => Float32Array.from(values));
      const [r, k, c] = given.shape;
      multiply([out, 0, c], given.turned ? [a, 0, 1, r] : [a, 0, k, 1], given.turned ? [b, 0, 1, k] : [b, 0, c, 1],
        r, k, c, given.add);
      return [...out];"""
    for turned in (False, True):
        for add in (False, True):
            left, right = (a.T, b.T) if turned else (a, b)
            given = {"a": left.ravel().tolist(), "b": right.ravel().tolist(), "c": c.ravel().tolist()}
            got = calls(body, given | {"shape": shape, "turned": turned, "add": add})
            close(got, a @ b + add * c, 1e-6)


# --- the network and its steps --------------------------------------------------------------------------------------

NETWORK = """
  const network = new Network(given.settings);
  const { x, labels } = decodeDigits(DIGITS, DIGITS.train);
  const before = Object.fromEntries(network.parameters.map(({ name, value }) => [name, [...value]]));
  const grad = new Float32Array(10 * given.n);
  const logits = network.forward(x, given.n, true);
  const { loss, right } = crossEntropy(logits, labels, given.n, grad);
  network.backward(grad, given.n);
  const grads = Object.fromEntries(network.parameters.map(({ name, grad }) => [name, [...grad]]));
  return { before, grads, loss, right, logits: [...logits.subarray(0, 10 * given.n)] };
"""


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_every_parameter_is_torchs(calls, activation, batch_norm):
    settings = DEFAULTS | {"activation": activation, "batch_norm": batch_norm, "seed": 3}
    got = calls(NETWORK, {"settings": settings, "n": 24})
    model = load(torch_network(**settings), got["before"])
    x, labels = pixels()
    logits = model(x[:24])
    loss = F.cross_entropy(logits, labels[:24])
    loss.backward()
    close(got["logits"], logits.detach())
    assert got["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert got["right"] == int((logits.argmax(1) == labels[:24]).sum())
    for name, parameter in model.named_parameters():
        close(got["grads"][name], parameter.grad)


STEPS = """
  const [train, held] = ["train", "test"].map((split) => decodeDigits(DIGITS, DIGITS[split]));
  const run = new Run(given.settings, train, held);
  const values = () => Object.fromEntries(run.network.parameters.map(({ name, value }) => [name, [...value]]));
  const [before, batches, rates] = [values(), [], []];
  for (let step = 0; step < given.steps; step += 1) {
    rates.push(run.rate);
    run.next();
    const at = (step % run.perEpoch) * run.n;
    batches.push([...run.order.subarray(at, at + run.n)]);
  }
  run.measure();
  const point = run.points.at(-1);
  return { before, after: values(), batches, rates, losses: run.losses, point, dead: run.dead, total: run.steps };
"""
RECIPES = {
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "momentum": {"optimizer": "sgd"},
    "Nesterov": {"optimizer": "sgd", "nesterov": True},
    "RMSprop": {"optimizer": "rmsprop", "momentum": 0.0},
    "Adam": {"optimizer": "adam"},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.01},
}


GENTLE = dict(zip(OPTIMIZERS, (0.05, 0.01, 0.01, 0.001, 0.002, 0.002), strict=True))  # rates


@pytest.mark.parametrize(
    "changes",
    [
        *({"optimizer": name, "lr": lr} for name, lr in GENTLE.items()),
        {"optimizer": "AdamW", "momentum": 0.5, "lr": 0.01, "batch_norm": True, "batch_size": 16},
        {"schedule": "cosine", "epochs": 1, "batch_size": 64},
        {"schedule": "warmup_cosine", "epochs": 4, "batch_norm": True, "activation": "leaky_relu"},
        {"schedule": "step_decay", "epochs": 1, "batch_size": 64, "activation": "tanh", "initialization": "xavier"},
    ],
    ids=lambda changes: " ".join(str(value) for value in changes.values()),
)  # fmt: skip
def test_the_first_20_steps_are_the_packages_on_the_same_batches(calls, changes):
    settings = DEFAULTS | {"lr": 0.01, "seed": 1} | changes
    got = calls(STEPS, {"settings": settings, "steps": 20})
    model = load(torch_network(**settings), got["before"])
    recipe = {"model": "lenet5", "data": "mnist_mini", "lr": settings["lr"], "momentum": settings["momentum"]}
    recipe |= {"betas": (settings["momentum"], 0.999), "weight_decay": 0.0} | RECIPES[settings["optimizer"]]
    optimizer = make_optimizer(model.named_parameters(), Recipe(**recipe))
    total = settings["epochs"] * (2000 // settings["batch_size"])
    assert got["total"] == total
    plan = {
        "constant": lambda lr: scratch.constant(lr),
        "step_decay": lambda lr: scratch.step_decay(lr, -(-total // 3), 0.1),
        "cosine": lambda lr: scratch.cosine(lr, total),
        "warmup_cosine": lambda lr: scratch.warmup_cosine(lr, total // 10, total),
    }[settings["schedule"]](settings["lr"])
    x, labels = pixels()
    losses = []
    for step, batch in enumerate(got["batches"]):
        assert got["rates"][step] == pytest.approx(plan(step), rel=1e-12)
        optimizer.param_groups[0]["lr"] = plan(step)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(got["losses"], losses, rtol=1e-3)
    for name, parameter in model.named_parameters():
        close(got["after"][name], parameter.detach(), 2e-3)
    model.eval()
    with torch.no_grad():
        x, labels = pixels("test")
        logits = model(x)
    assert got["point"]["test_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=2e-3)
    assert got["point"]["test_accuracy"] == pytest.approx(
        (logits.argmax(1) == labels).float().mean().item(), abs=0.005
    )


def test_batches_go_once_through_the_digits_and_a_seed_repeats_them(calls):
    body = STEPS.replace("values(), [], []", "{}, [], []").replace("after: values(), ", "")
    one, again, other = (
        calls(body, {"settings": DEFAULTS | {"seed": seed, "batch_size": 256}, "steps": 8})
        for seed in (5, 5, 6)
    )
    assert one == again and one["batches"] != other["batches"] and one["losses"] != other["losses"]
    first = np.concatenate(one["batches"][:7])
    assert len(set(first)) == len(first) == 1792  # the last 208, too few for a batch, are left out
    assert one["batches"][7] != one["batches"][0]


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
def test_weights_start_with_the_deviation_of_their_rule(calls, initialization):
    shapes = {"conv1": (8, 1, 5, 5), "conv2": (16, 8, 3, 3), "hidden": (32, 144), "output": (10, 32)}
    values = calls(
        "return Object.fromEntries(new Network(given).parameters.map(({ name, value }) => [name, [...value]]))",
        DEFAULTS | {"initialization": initialization, "seed": 11},
    )
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        rules = {
            "zero": 0,
            "small": 0.01,
            "xavier": scratch.xavier_normal((4000, *shape[1:]), rng=rng).std()
            * np.sqrt((4000 + shape[1]) / (shape[0] + shape[1])),
            "he": scratch.kaiming_normal((4000, *shape[1:]), rng=rng).std(),
            "large": 4 * scratch.kaiming_normal((4000, *shape[1:]), rng=rng).std(),
        }
        weights = np.array(values[f"{name}.weight"])
        error = 4 / np.sqrt(2 * len(weights))  # four deviations of a deviation
        assert weights.std() == pytest.approx(rules[initialization], rel=error)
        assert not np.any(values[f"{name}.bias"])


# --- what is said of a training -------------------------------------------------------------------------------------

TRAIN = STEPS.replace("given.steps; step", "given.steps && !run.over; step").replace(
    "return {", "return { diverged: run.diverged,"
)


@pytest.mark.parametrize(
    "changes",
    [
        *({"lr": 10, "seed": seed} for seed in range(5)),
        {"lr": 10, "optimizer": "SGD"},
        {"lr": 10, "optimizer": "Adam"},
        {"lr": 10, "activation": "tanh"},
    ],
)
def test_the_top_of_the_slider_diverges(calls, changes):
    got = calls(TRAIN, {"settings": DEFAULTS | changes, "steps": 200})
    assert got["diverged"]["step"] == len(got["losses"]) + 1 <= 100
    assert got["diverged"]["loss"] is None or got["diverged"]["loss"] >= 100 * max(
        got["losses"][0], np.log(10)
    )


def test_a_loss_that_is_no_number_is_divergence(calls):
    got = calls(
        """const [train, held] = ["train", "test"].map((split) => decodeDigits(DIGITS, DIGITS[split]));
           const run = new Run(given, train, held);
           run.next();
           run.network.parameters[0].value[3] = NaN;
           run.next();
           run.next();
           return [run.diverged.step, run.step, Number.isNaN(run.diverged.loss), run.over];""",
        DEFAULTS,
    )
    assert got == [2, 1, True, True]


def test_units_that_answer_to_no_digit_are_dead(calls):
    got = calls(
        """const [train, held] = ["train", "test"].map((split) => decodeDigits(DIGITS, DIGITS[split]));
           const shares = (settings, change) => {
             const run = new Run(settings, train, held);
             change(run.network);
             run.measure();
             return run.dead;
           };
           const sink = ({ weighted }) => weighted[1].bias.value.fill(-1e3, 0, 4);
           return [shares(given, sink), shares({ ...given, activation: "tanh" }, sink),
             shares({ ...given, activation: "leaky_relu" }, sink)];""",
        DEFAULTS | {"initialization": "xavier"},
    )
    assert got[0][1] == got[1][1] == 0.25 and got[2] == [0, 0, 0]


def test_defaults_read_nine_of_ten_held_out_digits(calls):
    """Within six epochs, from two seeds."""
    body = TRAIN.replace("return {", "return { best: Math.max(...run.points.map((at) => at.test_accuracy)),")
    for seed in (0, 1):
        got = calls(body, {"settings": DEFAULTS | {"seed": seed}, "steps": 62 * 6})
        assert got["diverged"] is None and got["best"] >= 0.9


# --- traits ---------------------------------------------------------------------------------------------------------


def test_settings_are_traits_with_defaults():
    explorer = TrainLive()
    assert explorer.settings() == {
        "lr": 0.01, "batch_size": 32, "optimizer": "momentum", "momentum": 0.9, "schedule": "constant", "epochs": 15,
        "initialization": "he", "activation": "relu", "batch_norm": False, "seed": 0,
    }  # fmt: skip
    assert explorer.record is None and explorer.what_if is None
    explorer = TrainLive(lr=1, batch_size=np.int64(64), batch_norm=np.True_, what_if={"optimizer": "Adam"})
    assert (explorer.lr, explorer.batch_size, explorer.batch_norm) == (1.0, 64, True)
    explorer.what_if = {"lr": 3}
    assert explorer.what_if == {"lr": 3.0}


@pytest.mark.parametrize(
    "values, words",
    [
        ({"lr": 0}, "lr must be a number from 0.0001 to 10, got 0"),
        ({"lr": "fast"}, "lr must be a number from 0.0001 to 10, got 'fast'"),
        ({"batch_size": 33}, "batch_size must be one of 4, 8, 16, 32, 64, 128, 256, got 33"),
        ({"batch_size": 512}, "batch_size must be a whole number from 4 to 256, got 512"),
        (
            {"optimizer": "sgd"},
            "optimizer must be one of SGD, momentum, Nesterov, RMSprop, Adam, AdamW, got 'sgd'",
        ),
        ({"momentum": 1}, "momentum must be a number from 0 to 0.99, got 1"),
        (
            {"schedule": "linear"},
            "schedule must be one of constant, step_decay, cosine, warmup_cosine, got 'linear'",
        ),
        ({"epochs": 0}, "epochs must be a whole number from 1 to 50, got 0"),
        (
            {"initialization": "kaiming"},
            "initialization must be one of zero, small, xavier, he, large, got 'kaiming'",
        ),
        ({"activation": "gelu"}, "activation must be one of relu, leaky_relu, tanh, sigmoid, got 'gelu'"),
        ({"batch_norm": 1}, "batch_norm must be True or False, got 1"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9999, got -1"),
        ({"digit": 500}, "digit must be a whole number from 0 to 499, got 500"),
        ({"what_if": {"epochs": 3}}, "what_if must be None or a dict with one of lr, batch_size"),
        ({"what_if": {"lr": 1, "seed": 2}}, "what_if must be None or a dict with one of"),
        ({"what_if": "lr"}, "what_if must be None or a dict with one of"),
        ({"what_if": {"lr": 11}}, "what_if['lr'] must be a number from 0.0001 to 10, got 11"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(values, words):
    with pytest.raises(traitlets.TraitError) as error:
        TrainLive(**values)
    assert words in str(error.value)


def test_record_is_not_for_setting():
    with pytest.raises(TypeError, match="does not know record"):
        TrainLive(record=[])
    assert SCHEDULES[0] == "constant"
