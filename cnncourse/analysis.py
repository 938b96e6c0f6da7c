"""What a trained network does: what its layers see, where it looks, what it gets wrong and how sure it is of it.

The model is never changed: it runs in eval mode, every part's mode is put back, and no gradient is left in its
parameters. Images go to the device of the model by themselves; all results are torch tensors on the CPU.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map
from torchvision.models import feature_extraction

from .checks import choice, instance, integer, number_array, shown
from .measure import bare, eval_mode, is_layer, watching

# What a layer sees.


def activations(model: nn.Module, x: torch.Tensor, layers=None) -> dict:
    """The outputs of layers for the images x: {"c1": (N, 6, 28, 28), …}, in the order asked for.

    layers: names as in `model.named_modules()`, blocks too ("layer1.0"). A module that is called several times has the
    names "relu", "relu_1", "relu_2"…. Where a function does the work of a layer (F.relu, a sum), the name is that of
    torchvision.models.feature_extraction.get_graph_node_names, e.g. "layer1.0.add".
    None: every layer that is a module, in the order of the calls.
    Each output is a copy from the moment the layer returned: an in-place layer that follows does not show in it. From
    a layer that returns a tuple, as attention does, it is a tuple of copies. What is compiled runs as it was written.
    Raises ValueError that lists the names if one is unknown or was not called.
    """
    model = bare(model)
    x = _images(model, x)
    if layers is not None and (isinstance(layers, str) or not isinstance(layers, Iterable)):
        raise TypeError(f"layers must be a list of names such as ['c1', 's2'], got {shown(layers)}")
    wanted = None if layers is None else list(layers)
    watched = (
        _leaves(model) if wanted is None else {name: module for name, module in model.named_modules() if name}
    )

    with watching(model), torch.no_grad():
        seen = _watched(model, x, watched, wanted)
        if wanted is None:
            return seen
        missing = [name for name in wanted if name not in seen]
        if missing:
            seen |= _traced(model, x, missing, known=list(_leaves(model)))
    return {name: seen[name] for name in wanted}


def filters(model: nn.Module, layer: str) -> torch.Tensor:
    """The weight of a two-dimensional convolution, (O, C/groups, k_h, k_w), as a copy.

    Raises ValueError if there is no such layer or it is no Conv2d; the sentence lists those that are.
    """
    modules = dict(bare(model).named_modules())
    convolutions = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    module = _named(layer, modules)
    if not isinstance(module, nn.Conv2d):
        raise ValueError(
            f"layer must be a Conv2d, of which this model has {', '.join(convolutions) or 'none'}, "
            f"got {layer!r}, which is {type(module).__name__}"
        )
    return module.weight.detach().cpu().clone()


def grad_cam(model: nn.Module, x: torch.Tensor, layer: str, target=None) -> torch.Tensor:
    """Where the evidence for a class lies: one map an image, (N, H, W), between 0 and 1.

        α[n,k] = mean over i, j of ∂y[n, target] / ∂A[n,k,i,j]        map[n] = ReLU(Σₖ α[n,k] · A[n,k])

    x (N, C, H, W); A (N, K, h, w) is the output of `layer`, y (N, classes) the logits. target: a class for all images,
    one for each, or None for the class that the model predicts. The maps are brought to H×W bilinearly, and each is
    divided by its maximum; a map without any evidence stays 0.
    Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based localization", ICCV, 2017.
    Raises ValueError if the layer is unknown, returns no maps, or the logits do not depend on it.
    """
    model = bare(model)
    x = _images(model, x)
    if x.ndim != 4:
        raise ValueError(f"x must be a tensor of images (N, C, H, W), got {_described(x)}")
    module = _named(layer, dict(model.named_modules()))
    found = []

    def keep(module, inputs, output):
        # The slope starts here, so that x may be bytes and weights frozen. The copy goes on through the network, so
        # that a layer in place cannot change what is kept.
        if not found and isinstance(output, torch.Tensor):
            found.append(output if output.requires_grad else output.detach().requires_grad_())
            return found[0].clone()

    with watching(model), torch.inference_mode(False), torch.enable_grad():
        hook = module.register_forward_hook(keep)
        try:
            logits = _logits(_run(model, x.detach().clone()))
        finally:
            hook.remove()
        if not found or found[0].ndim != 4:
            shape = tuple(found[0].shape) if found else "no tensor"
            raise ValueError(f"layer must return maps (N, K, h, w), got {layer!r}, which returns {shape}")
        (maps,) = found
        chosen = _targets(target, logits)
        score = logits.gather(1, chosen[:, None]).sum()
        slope = torch.autograd.grad(score, maps, allow_unused=True)[0] if score.requires_grad else None
    if slope is None:
        raise ValueError(f"layer must be one that the logits depend on, got {layer!r}")
    maps, slope = maps.detach(), slope.detach()
    cam = F.relu((slope.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True))
    cam = F.interpolate(cam, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    peak = cam.amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, cam / peak.where(peak > 0, 1), 0).cpu()


# What it gets wrong.


def predictions(model: nn.Module, batches: Iterable, device=None) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits (N, classes), labels (N,)) over all batches (images, labels), on the CPU.

    device: where the images go; None is where the model is.
    """
    instance("model", model, nn.Module, "a torch.nn.Module")
    device = _device(model) if device is None else torch.device(device)
    logits, labels = [], []
    with eval_mode(model), torch.no_grad():
        for batch in batches:
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise TypeError(f"batches must yield pairs (images, labels), got {_described(batch)}")
            images, true = batch
            logits.append(_logits(_run(model, images.to(device))).float().cpu())
            labels.append(torch.as_tensor(true).cpu())
    if not logits:
        raise ValueError("batches must yield at least one batch, got none")
    return torch.cat(logits), torch.cat(labels)


def confusion_matrix(predictions, labels, num_classes: int) -> torch.Tensor:
    """M[t, p]: how many images of class t were taken for class p. Rows are true, columns predicted; (K, K) int64.

    predictions, labels: classes (N,), integers from 0 to num_classes − 1.
    """
    size = integer("num_classes", num_classes, 1)
    predicted, true = _classes("predictions", predictions, size), _classes("labels", labels, size)
    if predicted.shape != true.shape:
        raise ValueError(
            f"predictions and labels must be as many, got {len(predicted)} predictions and {len(true)} labels"
        )
    return torch.bincount(true * size + predicted, minlength=size * size).reshape(size, size)


@dataclass(frozen=True)
class Report:
    """What `classification_report` found, one number a class: float64, support int64."""

    precision: torch.Tensor
    recall: torch.Tensor
    f1: torch.Tensor
    support: torch.Tensor


def classification_report(matrix) -> Report:
    """Of each class, from a confusion matrix M (rows true, columns predicted):

        precision[c] = M[c,c] / Σₜ M[t,c]    recall[c] = M[c,c] / Σₚ M[c,p]
        f1[c] = 2 · precision[c] · recall[c] / (precision[c] + recall[c])

    and support[c] = Σₚ M[c,p], the images of the class. A ratio 0/0 (never predicted, or no images) counts as 0.
    """
    matrix = _tensor("matrix", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.numel() == 0:
        raise ValueError(f"matrix must be square, (K, K), got shape {tuple(matrix.shape)}")
    if matrix.dtype != torch.int64 or (matrix < 0).any():
        raise ValueError(f"matrix must hold counts, integers of at least 0, got {matrix.tolist()}")
    right, taken, support = matrix.diagonal().double(), matrix.sum(dim=0), matrix.sum(dim=1)
    return Report(
        precision=right / taken.clamp(min=1),
        recall=right / support.clamp(min=1),
        f1=2 * right / (taken + support).clamp(min=1),
        support=support,
    )


def worst_mistakes(logits, labels, count: int) -> torch.Tensor:
    """Which wrongly classified images cost most: their places in the set, largest cross-entropy first.

    logits (N, K), labels (N,) → at most count places; fewer if there are fewer mistakes.
    """
    count = integer("count", count, 0)
    logits = _scores("logits", logits)
    labels = _labels_of(logits, "logits", labels)
    losses = F.cross_entropy(logits, labels, reduction="none")
    wrong = (logits.argmax(dim=1) != labels).nonzero()[:, 0]
    return wrong[losses[wrong].argsort(descending=True, stable=True)][:count]


# How sure it is.


@dataclass(frozen=True)
class Calibration:
    """What `calibration` found. Bin m holds confidences in (m/bins, (m+1)/bins]; the first holds 0, too.

    confidence and accuracy are the means in each bin, nan where it is empty; count is the images in it. ece is the
    expected calibration error.
    """

    confidence: torch.Tensor
    accuracy: torch.Tensor
    count: torch.Tensor
    ece: float


def calibration(probabilities, labels, bins: int = 15) -> Calibration:
    """Whether a model that is 80 % sure is right 80 % of the time.

        ECE = Σₘ (|Bₘ| / N) · |accuracy(Bₘ) − confidence(Bₘ)|

    probabilities (N, K), rows that sum to 1 (a softmax of logits); labels (N,). An image's confidence is its largest
    probability; Bₘ are the images whose confidence falls into bin m of `bins` equal ones between 0 and 1.
    Guo et al., "On calibration of modern neural networks", ICML, 2017.
    """
    bins = integer("bins", bins, 1)
    probabilities = _scores("probabilities", probabilities)
    labels = _labels_of(probabilities, "probabilities", labels)
    sums = probabilities.sum(dim=1)
    if (probabilities < 0).any() or (sums - 1).abs().max() > 1e-3:
        raise ValueError(
            f"probabilities must be at least 0 and sum to 1 in each row (a softmax of logits), "
            f"got values from {probabilities.min():.4g} and sums from {sums.min():.4g} to {sums.max():.4g}"
        )
    confidence, predicted = probabilities.max(dim=1)
    inner_edges = torch.arange(1, bins, dtype=torch.float64) / bins
    place = torch.bucketize(confidence, inner_edges)  # a confidence on an edge belongs to the bin below
    count = torch.bincount(place, minlength=bins)
    sure = torch.bincount(place, weights=confidence, minlength=bins)
    right = torch.bincount(place, weights=(predicted == labels).double(), minlength=bins)
    return Calibration(
        confidence=sure / count,
        accuracy=right / count,
        count=count,
        ece=((right - sure).abs().sum() / len(labels)).item(),
    )


# Small helpers.


def _leaves(model):
    """The layers by name: modules without children, or whose children are inner works (weight norm, attention)."""
    found = {}

    def walk(module, prefix):
        for name, child in module.named_children():
            if is_layer(child):
                found[prefix + name] = child
            else:
                walk(child, f"{prefix}{name}.")

    walk(model, "")
    return found


def _watched(model, x, modules, wanted):
    """Hooks on modules copy what they return, in the order of the calls."""
    calls, seen, hooks = Counter(), {}, []

    def watch(name):
        def keep(module, inputs, output):
            call = name if calls[name] == 0 else f"{name}_{calls[name]}"
            calls[name] += 1
            if wanted is None or call in wanted:
                seen[call] = _copied(output)

        return keep

    try:
        for name, module in modules.items():
            hooks.append(module.register_forward_hook(watch(name)))
        _run(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _traced(model, x, names, known):
    """The outputs of functions, from the graph of operations that torch.fx finds by tracing the model."""
    leaf_types = [type(module) for module in _leaves(model).values()]
    settings = {"tracer_kwargs": {"leaf_modules": leaf_types}, "suppress_diff_warning": True}
    try:
        nodes = feature_extraction.get_graph_node_names(model, **settings)[1]
    except (
        Exception
    ):  # a forward pass that looks at its numbers cannot be traced; its modules are all there is
        nodes = []
    functions = [node for node in nodes[1:] if not node.startswith("_")]  # the first is the input
    for name in names:
        if name in known:
            raise ValueError(
                f"every name in layers must be of a layer that runs, got {name!r}, which does not"
            )
        if name not in nodes:
            _one_of("every name in layers", name, list(dict.fromkeys([*known, *functions])))
    extractor = feature_extraction.create_feature_extractor(model, {name: name for name in names}, **settings)
    extractor.eval()
    (output,) = (node for node in extractor.graph.nodes if node.op == "output")
    for node in dict.fromkeys(output.all_input_nodes):
        with extractor.graph.inserting_after(node):
            copy = extractor.graph.call_function(_copied, (node,))
        output.replace_input_with(node, copy)
    extractor.recompile()
    return extractor(x)


def _copied(output):
    """A copy on the CPU of a tensor, or of all tensors in a tuple, a list or a dict."""
    return tree_map(lambda leaf: leaf.cpu().clone() if isinstance(leaf, torch.Tensor) else leaf, output)


def _run(model, x):
    try:
        return model(x)
    except RuntimeError as error:
        if x.is_floating_point():
            raise
        raise TypeError(f"x must be floating-point numbers for this model, got {x.dtype}") from error


def _named(layer, modules):
    return modules[_one_of("layer", layer, [name for name in modules if name])]


def _one_of(argument, name, known):
    if not known:
        raise ValueError(f"{argument} must name a layer, of which this model has none, got {shown(name)}")
    return choice(argument, name, known)


def _logits(output):
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        raise ValueError(f"model must return logits (N, classes), got {_described(output)}")
    return output


def _targets(target, logits):
    count, classes = logits.shape
    if target is None:
        return logits.argmax(dim=1)
    chosen = _tensor("target", target)
    if chosen.dtype != torch.int64 or chosen.shape not in {(), (count,)}:
        raise ValueError(f"target must be a class or one class for each of {count} images, got {target!r}")
    if (chosen < 0).any() or (chosen >= classes).any():
        raise ValueError(f"target must be from 0 to {classes - 1}, got {target!r}")
    return chosen.to(logits.device).expand(count)


def _images(model, x):
    return instance("x", x, torch.Tensor, "a tensor of images (N, C, H, W)").to(_device(model))


def _device(model):
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _tensor(argument, values):
    """Numbers as a tensor on the CPU: integers of any width as int64, all others as float64."""
    if not isinstance(values, torch.Tensor):
        values = number_array(argument, values)
        values = torch.from_numpy(values.astype(np.float64 if values.dtype.kind == "f" else np.int64))
    values = values.detach().cpu()
    if values.dtype == torch.bool or values.is_complex():
        raise TypeError(f"{argument} must be real numbers, got {values.dtype}")
    return values.double() if values.is_floating_point() else values.long()


def _scores(argument, values):
    values = _tensor(argument, values)
    if values.ndim != 2 or values.numel() == 0 or values.dtype != torch.float64:
        raise ValueError(f"{argument} must be numbers (N, classes), got {_described(values)}")
    if not values.isfinite().all():
        raise ValueError(f"{argument} must be finite, got {(~values.isfinite()).sum()} that are not")
    return values


def _labels_of(scores, argument, labels):
    labels = _classes("labels", labels, scores.shape[1])
    if len(labels) != len(scores):
        raise ValueError(f"{argument} and labels must be as many, got {len(scores)} and {len(labels)}")
    return labels


def _classes(argument, values, num_classes):
    values = _tensor(argument, values)
    if values.ndim != 1 or values.dtype != torch.int64:
        raise ValueError(
            f"{argument} must be classes, integers in one row (N,), got {_described(values)}"
            + ("; take logits.argmax(1) first" if values.ndim == 2 else "")
        )
    if len(values) and not 0 <= values.min() <= values.max() < num_classes:
        raise ValueError(
            f"{argument} must be from 0 to {num_classes - 1}, got {values.min()} to {values.max()}"
        )
    return values


def _described(value):
    return (
        f"shape {tuple(value.shape)} of {value.dtype}"
        if isinstance(value, torch.Tensor)
        else type(value).__name__
    )
