"""cnncourse.analysis against hooks and autograd used directly, scikit-learn, and arithmetic left visible."""

import contextlib
import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from cnncourse import analysis, models


class Small(nn.Module):
    """Two convolutions; functions do what layers could, one layer is used twice, one works in place."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.unused = nn.Linear(2, 2)
        self.output = nn.Linear(3, 4)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        y = self.norm(self.conv2(x))
        y += x
        y = self.relu(y)
        y = torch.tanh(y)
        return self.output(self.drop(y.mean(dim=(2, 3))))


class Looking(nn.Module):
    """Cannot be traced: the path depends on the numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        if x.sum() > 0:
            x = x * 2
        return self.conv(x).mean(dim=(2, 3))


@pytest.fixture
def small():
    torch.manual_seed(0)
    model = Small()
    model.norm.running_mean.uniform_(-1, 1)
    model.norm.running_var.uniform_(0.5, 2)
    return model


def left_alone(model):
    """What a look must not change: modes, buffers, gradients, hooks."""
    return (
        [module.training for module in model.modules()],
        [buffer.clone().tolist() for buffer in model.buffers()],
        [parameter.grad for parameter in model.parameters()],
        [len(module._forward_hooks) for module in model.modules()],
    )


X = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


# activations


def test_activations_are_what_each_step_returns(small):
    x = X.clone()
    found = analysis.activations(small, x)
    small.eval()
    with torch.no_grad():
        conv1 = small.conv1(X)
        relu = F.relu(conv1)
        conv2 = small.conv2(relu)
        norm = small.norm(conv2)
        last = F.relu(norm + relu)
        drop = torch.tanh(last).mean(dim=(2, 3))
        expected = {
            "conv1": conv1,
            "relu": relu,
            "conv2": conv2,
            "norm": norm,
            "relu_1": last,
            "drop": drop,
            "output": small.output(drop),
        }
    assert list(found) == list(expected)
    for name, output in expected.items():
        torch.testing.assert_close(found[name], output, msg=name)
        assert not found[name].requires_grad
    assert torch.equal(x, X)


def test_functions_are_reached_by_their_node_names(small):
    found = analysis.activations(small, X, ["tanh", "add", "conv1"])
    assert list(found) == ["tanh", "add", "conv1"]
    every = analysis.activations(small, X)
    # The sum is taken before the in-place ReLU that follows it.
    torch.testing.assert_close(found["add"], every["norm"] + every["relu"])
    assert found["add"].min() < 0
    torch.testing.assert_close(found["tanh"], torch.tanh(every["relu_1"]))


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "cifar_cnn"])
def test_layers_of_the_courses_models_have_the_papers_names(name):
    model = models.build(name)
    x = torch.randn(1, model.in_channels, model.input_size, model.input_size)
    found = analysis.activations(model, x)
    assert list(found) == [layer for layer, _ in model.named_children()]
    with torch.no_grad():
        torch.testing.assert_close(found["output"], model.eval()(x))
    assert list(analysis.activations(model, x, ["s4", "c1"])) == ["s4", "c1"]


def test_the_input_check_survives_tracing():
    assert "_check_input" in analysis.activations(
        models.build("lenet5"), torch.zeros(1, 1, 32, 32), ["_check_input"]
    )
    with pytest.raises(ValueError, match="lenet5 takes images of 32×32 pixels"):
        analysis.activations(models.build("lenet5"), torch.zeros(1, 1, 28, 28), ["_check_input"])


def test_blocks_of_a_torchvision_model():
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5).eval()
    x = torch.randn(1, 3, 64, 64)
    found = analysis.activations(
        model, x, ["layer1.0.bn2", "layer1.0.add", "layer1.0", "layer1.0.relu", "fc"]
    )
    with torch.no_grad():
        stem = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        block = model.layer1[0]
        inside = F.relu(block.bn1(block.conv1(stem)))
        residual = block.bn2(block.conv2(inside))
    torch.testing.assert_close(found["layer1.0.relu"], inside)
    torch.testing.assert_close(found["layer1.0.bn2"], residual)
    torch.testing.assert_close(found["layer1.0.add"], residual + stem)
    torch.testing.assert_close(found["layer1.0"], F.relu(residual + stem))
    torch.testing.assert_close(found["fc"], model(x))


def test_a_model_that_cannot_be_traced_still_shows_its_modules():
    model = Looking()
    assert list(analysis.activations(model, X)) == ["conv"]
    with pytest.raises(
        ValueError, match="every name in layers must be one of conv, got 'mul'; the nearest is 'conv'"
    ):
        analysis.activations(model, X, ["mul"])


@pytest.mark.parametrize(
    "look",
    [
        lambda model: analysis.activations(model, X),
        lambda model: analysis.activations(model, X, ["add"]),
        lambda model: analysis.grad_cam(model, X, "conv2"),
        lambda model: analysis.predictions(model, [(X, torch.tensor([0, 1]))]),
        lambda model: analysis.activations(model, X, ["conv3"]),
        lambda model: analysis.activations(model, X[:, :, :1]),
        lambda model: analysis.grad_cam(model, X[:, :, :1], "conv1"),
    ],
)
def test_a_look_changes_nothing(small, look):
    small.train()
    small.norm.eval()
    before = left_alone(small)
    with contextlib.suppress(ValueError, RuntimeError):  # the last three fail on the way
        look(small)
    assert left_alone(small) == before


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            (X, ["conv3"]),
            ValueError,
            "every name in layers must be one of conv1, relu, .*tanh.*got 'conv3'; the nearest is 'conv2'",
        ),
        ((X, ["unused"]), ValueError, "every name in layers must be .* that runs, got 'unused'"),
        ((X, "conv1"), TypeError, "layers must be a list of names .*got 'conv1'"),
        ((X, 3), TypeError, "layers must be a list of names .*got 3"),
        ((X.numpy(), None), TypeError, r"x must be a tensor of images \(N, C, H, W\), got array"),
    ],
)
def test_activations_refuse(small, arguments, error, words):
    with pytest.raises(error, match=words):
        analysis.activations(small, *arguments)


def test_a_model_must_be_a_module():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got <class"):
        analysis.activations(nn.Conv2d, X)


class Attending(nn.Module):
    """Layers and functions that return tuples: attention, an LSTM, a split."""

    def __init__(self):
        super().__init__()
        self.attention, self.lstm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LSTM(8, 4)
        self.output = nn.Linear(4, 3)

    def forward(self, x):
        x = x[:, 0]
        y, _ = self.attention(x, x, x)
        left, right = torch.chunk(self.lstm(x + y)[0], 2, dim=1)
        return self.output((left - right).sum(1))


def test_a_layer_that_returns_a_tuple_gives_a_tuple_of_copies():
    torch.manual_seed(0)
    model = Attending().eval()
    with torch.no_grad():
        attended = model.attention(X[:, 0], X[:, 0], X[:, 0])
        hidden = model.lstm(X[:, 0] + attended[0])
    found = analysis.activations(model, X)
    assert list(found) == ["attention", "lstm", "output"]
    torch.testing.assert_close(found["attention"], attended)
    torch.testing.assert_close(found["lstm"], hidden)
    named = analysis.activations(model, X, ["lstm", "chunk"])
    torch.testing.assert_close(named["lstm"], hidden)
    torch.testing.assert_close(named["chunk"], torch.chunk(hidden[0], 2, dim=1))


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


def compiled_around(model):
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize("compiled", [compiled_in_place, compiled_around])
@pytest.mark.parametrize(
    "look",
    [
        lambda model: analysis.activations(model, X),
        lambda model: analysis.activations(model, X, ["conv2", "tanh", "relu_1"]),
        lambda model: analysis.filters(model, "conv1"),
        lambda model: analysis.grad_cam(model, X, "conv2"),
        lambda model: analysis.predictions(model, [(X, torch.tensor([0, 1]))]),
    ],
)
def test_a_compiled_model_shows_what_the_model_does(small, compiled, look):
    expected = look(small)
    model = compiled(small)
    with torch.no_grad():
        model.eval()(X)  # compiled now, without hooks
    torch.testing.assert_close(look(model), expected)


# filters


def test_filters_are_a_copy_of_the_weight():
    model = models.build("lenet5")
    found = analysis.filters(model, "c3")
    assert torch.equal(found, model.c3.weight) and found.shape == (16, 6, 5, 5)
    found.zero_()
    assert model.c3.weight.any()
    sparse = analysis.filters(models.build("lenet5_1998"), "c3")
    assert sparse.shape == (16, 6, 5, 5) and (sparse != 0).sum() == 1500


@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        ("f6", ValueError, "layer must be a Conv2d, of which .* has c1, c3, c5, got 'f6', which is Linear"),
        ("c2", ValueError, "layer must be one of c1, .*, output, got 'c2'; the nearest is 's2'"),
        (0, TypeError, "layer must be one of c1, .*got 0"),
    ],
)
def test_filters_refuse(layer, error, words):
    with pytest.raises(error, match=words):
        analysis.filters(models.build("lenet5"), layer)


# grad_cam


def cam_by_hand(features, head, x, chosen):
    """The two halves of a network called apart; one image, one class at a time."""
    maps = []
    for image, c in zip(x, chosen, strict=True):
        A = features(image[None]).detach().requires_grad_()
        head(A)[0, c].backward()
        alpha = A.grad[0].mean(dim=(1, 2))
        cam = sum(weight * plane for weight, plane in zip(alpha, A[0].detach(), strict=True)).clamp(min=0)
        cam = F.interpolate(cam[None, None], x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
        maps.append(cam / cam.max() if cam.max() > 0 else cam)
    return torch.stack(maps)


@pytest.mark.parametrize("target", [None, 3, [1, 0, 2]])
def test_grad_cam_equals_the_two_halves_by_hand(target):
    torch.manual_seed(0)
    model = models.build("lenet5", activation="relu", normalization="batch").train()
    x = torch.randn(3, 1, 32, 32)
    found = analysis.grad_cam(model, x, "c3", target)
    model.eval()
    parts = list(model.children())
    at = [name for name, _ in model.named_children()].index("c3") + 1
    features, head = nn.Sequential(*parts[:at]), nn.Sequential(*parts[at:])
    chosen = model(x).argmax(1).tolist() if target is None else [3, 3, 3] if target == 3 else target
    torch.testing.assert_close(found, cam_by_hand(features, head, x, chosen))
    assert found.shape == (3, 32, 32)
    # Without any evidence for a class the map is 0 everywhere, and stays so.
    assert found.min() >= 0 and set(found.amax(dim=(1, 2)).tolist()) <= {0.0, 1.0}


def test_grad_cam_of_one_number():
    # y = 2·mean(A₀) − mean(A₁) with A = (x, 3x) on 2×2 pixels: α = (2/4, −1/4), Σ α A = (2 − 3)/4 · x.
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1)
    )
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1))
        model[3].weight.copy_(torch.tensor([[2.0, -1.0]]))
    x = torch.tensor([[[[1.0, -2.0], [-4.0, 0.0]]], [[[1.0, 2.0], [3.0, 4.0]]]])
    found = analysis.grad_cam(model, x, "0")
    assert found[0].tolist() == [[0, 2 / 4], [4 / 4, 0]]
    assert found[1].tolist() == [[0, 0], [0, 0]]


def test_grad_cam_looks_before_a_layer_in_place(small):
    x = small.eval()(X).argmax(1)
    found = analysis.grad_cam(small, X, "conv1", x)
    small.relu.inplace = False
    torch.testing.assert_close(found, analysis.grad_cam(small, X, "conv1"))


def test_grad_cam_works_with_frozen_weights_and_without_gradients(small):
    expected = analysis.grad_cam(small, X, "conv2")
    small.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(analysis.grad_cam(small, X, "conv2"), expected)
    with torch.inference_mode():
        assert torch.equal(analysis.grad_cam(small, X.clone(), "conv2"), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X, "conv9"), ValueError, "layer must be one of .*got 'conv9'; the nearest is 'conv"),
        ((X, "output"), ValueError, r"layer must return maps .*got 'output', which returns \(2, 4\)"),
        ((X, "unused"), ValueError, "layer must return maps .*got 'unused', which returns no tensor"),
        ((X, "conv1", 4), ValueError, "target must be from 0 to 3, got 4"),
        ((X, "conv1", [0, 1, 2]), ValueError, "target must be a class or one class for each of 2 images"),
        ((X, "conv1", 0.5), ValueError, "target must be a class"),
        ((X[0], "conv1"), ValueError, r"x must be a tensor of images .*got shape \(1, 8, 8\)"),
    ],
)
def test_grad_cam_refuses(small, arguments, error, words):
    with pytest.raises(error, match=words):
        analysis.grad_cam(small, *arguments)


def test_grad_cam_needs_a_layer_that_matters(small):
    class Aside(Small):
        def forward(self, x):
            self.conv2(self.conv1(x))
            return self.output(x.mean(dim=(2, 3)).expand(-1, 3))

    with pytest.raises(ValueError, match="layer must be one that the logits depend on, got 'conv2'"):
        analysis.grad_cam(Aside(), X, "conv2")


class OfBytes(nn.Module):
    """Takes bytes as they come from a file."""

    def __init__(self):
        super().__init__()
        self.inner = Small()

    def forward(self, x):
        return self.inner(x.float() / 255)


def test_grad_cam_of_a_model_that_takes_bytes():
    torch.manual_seed(1)
    model = OfBytes().requires_grad_(False)
    x = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    found = analysis.grad_cam(model, x, "inner.conv2")
    torch.testing.assert_close(found, analysis.grad_cam(model.inner, x / 255, "conv2"))
    assert found.max() == 1


@pytest.mark.parametrize(
    "look",
    [
        lambda model, x: analysis.grad_cam(model, x, "conv1"),
        lambda model, x: analysis.activations(model, x),
        lambda model, x: analysis.predictions(model, [(x, torch.tensor([0, 1]))]),
    ],
)
def test_bytes_for_a_model_that_takes_none_are_refused(small, look):
    with pytest.raises(TypeError, match=r"x must be floating-point numbers for this model, got torch\.uint8"):
        look(small, X.to(torch.uint8))


class WithFeatures(Small):
    def forward(self, x):
        return super().forward(x), x


def test_a_model_that_returns_a_tuple_is_refused():
    words = r"model must return logits \(N, classes\), got tuple"
    with pytest.raises(ValueError, match=words):
        analysis.grad_cam(WithFeatures(), X, "conv1")
    with pytest.raises(ValueError, match=words):
        analysis.predictions(WithFeatures(), [(X, torch.tensor([0, 1]))])
    assert next(iter(analysis.activations(WithFeatures(), X))) == "conv1"


# predictions


def test_predictions_are_the_logits_of_every_batch(small):
    x, labels = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 2, 3, 0])
    logits, found = analysis.predictions(small.train(), [(x[:2], labels[:2]), (x[2:], labels[2:])], "cpu")
    with torch.no_grad():
        torch.testing.assert_close(logits, small.eval()(x))
    assert torch.equal(found, labels)


@pytest.mark.parametrize(
    ("batches", "error", "words"),
    [
        ([], ValueError, "batches must yield at least one batch, got none"),
        ([X], TypeError, r"batches must yield pairs \(images, labels\), got shape \(2, 1, 8, 8\)"),
    ],
)
def test_predictions_refuse(small, batches, error, words):
    with pytest.raises(error, match=words):
        analysis.predictions(small, batches)


# confusion_matrix and classification_report

TRUE, TAKEN = [0, 0, 0, 1, 1, 3, 3], [0, 0, 1, 1, 0, 3, 1]


def test_confusion_matrix_counted_by_hand():
    found = analysis.confusion_matrix(torch.tensor(TAKEN), torch.tensor(TRUE), 4)
    assert found.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]]
    assert torch.equal(analysis.confusion_matrix(TAKEN, TRUE, 4), found)


def test_report_of_a_matrix_by_hand():
    report = analysis.classification_report(analysis.confusion_matrix(TAKEN, TRUE, 4))
    assert report.precision.tolist() == [2 / 3, 1 / 3, 0, 1 / 1]
    assert report.recall.tolist() == [2 / 3, 1 / 2, 0, 1 / 2]
    assert report.f1.tolist() == pytest.approx([2 / 3, 2 / (3 + 2), 0, 2 / (1 / 1 + 2 / 1)])
    assert report.support.tolist() == [3, 2, 0, 2]


def test_matrix_and_report_equal_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 7, (300,), generator=generator)
    taken = torch.randint(0, 6, (300,), generator=generator)  # class 6 is never predicted
    matrix = analysis.confusion_matrix(taken, true, 7)
    assert matrix.tolist() == metrics.confusion_matrix(true, taken, labels=range(7)).tolist()
    report = analysis.classification_report(matrix)
    theirs = metrics.precision_recall_fscore_support(true, taken, labels=range(7), zero_division=0)
    for ours, numbers in zip(
        (report.precision, report.recall, report.f1, report.support), theirs, strict=True
    ):
        torch.testing.assert_close(ours, torch.as_tensor(numbers))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([0, 4], [0, 1], 4), ValueError, "predictions must be from 0 to 3, got 0 to 4"),
        (([0, 1], [-1, 1], 4), ValueError, "labels must be from 0 to 3, got -1 to 1"),
        (([0, 1], [0, 1, 1], 4), ValueError, "got 2 predictions and 3 labels"),
        (
            (torch.zeros(2, 4), [0, 1], 4),
            ValueError,
            r"predictions must be classes, .*take logits.argmax\(1\) first",
        ),
        (([0.0, 1.0], [0, 1], 4), ValueError, "predictions must be classes, integers"),
        (([0], [0], 0), ValueError, "num_classes must be at least 1, got 0"),
        (([0], [0], 2.0), TypeError, "num_classes must be an integer, got 2.0"),
    ],
)
def test_confusion_matrix_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        analysis.confusion_matrix(*arguments)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 2, 3], [4, 5, 6]], r"matrix must be square, \(K, K\), got shape \(2, 3\)"),
        ([[0.5, 0.5], [0.0, 1.0]], "matrix must hold counts"),
        ([[1, -1], [0, 1]], "matrix must hold counts"),
    ],
)
def test_report_refuses(matrix, words):
    with pytest.raises(ValueError, match=words):
        analysis.classification_report(matrix)


# calibration


def two_classes(confidences):
    """Rows whose larger probability comes first: class 0 is predicted."""
    return torch.tensor([[c, 1 - c] for c in confidences], dtype=torch.float64)


def test_calibration_by_hand():
    probabilities = two_classes([0.55, 0.60, 0.75, 0.95, 1.0])
    found = analysis.calibration(probabilities, [0, 1, 0, 0, 1], bins=4)
    # Bins (0, ¼], (¼, ½], (½, ¾], (¾, 1]: 0.75 stands on an edge and belongs to the bin below it.
    assert found.count.tolist() == [0, 0, 3, 2]
    assert found.confidence[2:].tolist() == pytest.approx([(0.55 + 0.60 + 0.75) / 3, (0.95 + 1.0) / 2])
    assert found.accuracy[2:].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert found.accuracy[:2].isnan().all() and found.confidence[:2].isnan().all()
    expected = 3 / 5 * abs(2 / 3 - 1.9 / 3) + 2 / 5 * abs(1 / 2 - 1.95 / 2)
    assert found.ece == pytest.approx(expected)


def test_calibration_equals_a_loop_over_the_images():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.softmax(3 * torch.randn(400, 5, generator=generator), dim=1)
    labels = torch.randint(0, 5, (400,), generator=generator)
    bins = [[] for _ in range(15)]
    for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        bins[math.ceil(confidence * 15) - 1].append((confidence, row.index(confidence) == label))
    found = analysis.calibration(probabilities, labels)
    assert found.count.tolist() == [len(images) for images in bins]
    ece = sum(abs(sum(c for c, _ in images) - sum(right for _, right in images)) for images in bins) / 400
    assert found.ece == pytest.approx(ece)


def test_sure_and_right_is_calibrated():
    assert analysis.calibration(torch.eye(3), [0, 1, 2]).ece == 0
    assert analysis.calibration(torch.eye(3), [1, 2, 0]).ece == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((torch.tensor([[2.0, 1.0]]), [0]), ValueError, "probabilities must be at least 0 and sum to 1 .*3"),
        ((torch.tensor([[1.5, -0.5]]), [0]), ValueError, "probabilities must be at least 0"),
        (
            (torch.tensor([[math.nan, 1.0]]), [0]),
            ValueError,
            "probabilities must be finite, got 1 that are not",
        ),
        ((torch.tensor([0.5, 0.5]), [0]), ValueError, r"probabilities must be numbers \(N, classes\)"),
        ((torch.eye(2), [0]), ValueError, "probabilities and labels must be as many, got 2 and 1"),
        ((torch.eye(2), [0, 2]), ValueError, "labels must be from 0 to 1"),
        ((torch.eye(2), [0, 1], 0), ValueError, "bins must be at least 1, got 0"),
    ],
)
def test_calibration_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        analysis.calibration(*arguments)


# worst_mistakes


def test_worst_mistakes_by_hand():
    # Losses log(1 + e^(other − own)): image 0 is right, 1 is wrong by 3, 2 by 5, 3 right and unsure, 4 wrong by 3 too.
    logits = torch.tensor([[4.0, 0.0], [3.0, 0.0], [0.0, 5.0], [0.1, 0.0], [3.0, 0.0]])
    labels = torch.tensor([0, 1, 0, 0, 1])
    assert analysis.worst_mistakes(logits, labels, 10).tolist() == [2, 1, 4]
    assert analysis.worst_mistakes(logits, labels, 2).tolist() == [2, 1]
    assert analysis.worst_mistakes(logits, labels, 0).tolist() == []


def test_worst_mistakes_are_sorted_by_loss_not_by_confidence():
    # Both are taken for class 0; the second is less sure of it, yet gives its own class less.
    logits = torch.log(torch.tensor([[0.8, 0.15, 0.05], [0.6, 0.399, 0.001]]))
    assert analysis.worst_mistakes(logits, [1, 2], 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((torch.eye(2), [0, 1, 1], 2), ValueError, "logits and labels must be as many, got 2 and 3"),
        ((torch.eye(2), [0, 1], -1), ValueError, "count must be at least 0, got -1"),
        ((torch.eye(2).long(), [0, 1], 1), ValueError, "logits must be numbers"),
    ],
)
def test_worst_mistakes_refuse(arguments, error, words):
    with pytest.raises(error, match=words):
        analysis.worst_mistakes(*arguments)


# arrays as NumPy has them


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "form",
    [
        lambda array: array[::-1][::-1].copy()[::-1][::-1],  # a copy, for reference
        lambda array: np.ascontiguousarray(array[::-1])[::-1],  # strides below 0
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: array.astype(np.uint16 if array.dtype.kind == "i" else np.float32),
        lambda array: array.astype(np.uint64 if array.dtype.kind == "i" else np.float64),
        read_only,
        lambda array: np.asfortranarray(array),
        lambda array: array.tolist(),
        lambda array: torch.tensor(array).to(torch.uint16 if array.dtype.kind == "i" else torch.float64),
    ],
)
def test_numbers_count_however_they_lie_in_memory(form):
    said, true = np.array(TAKEN), np.array(TRUE)
    matrix = analysis.confusion_matrix(said, true, 4)
    assert torch.equal(analysis.confusion_matrix(form(said), form(true), 4), matrix)
    report = analysis.classification_report(form(matrix.numpy()))
    assert torch.equal(report.recall, analysis.classification_report(matrix).recall)

    logits = np.array([[2.0, 0.5], [0.25, 1.0], [3.0, 0.0]])
    shares, labels = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]]), np.array([1, 0, 1])
    assert analysis.worst_mistakes(form(logits), form(labels), 3).tolist() == [2, 0, 1]
    assert analysis.calibration(form(shares), form(labels)).ece == analysis.calibration(shares, labels).ece

    torch.manual_seed(0)
    model = Small()
    found = analysis.grad_cam(model, X, "conv1", form(np.array([3, 1])))
    assert torch.equal(found, analysis.grad_cam(model, X, "conv1", [3, 1]))


@pytest.mark.parametrize("values", [["a", "b"], [[1], [2, 3]], [True, False], [1j, 2j], None])
def test_what_is_no_array_of_numbers_is_refused(values):
    with pytest.raises(TypeError, match="predictions must be an array of real numbers, got "):
        analysis.confusion_matrix(values, [0, 1], 2)
