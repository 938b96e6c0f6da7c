"""The receptive field travels with the tensors: each carries a mark, and layers and operators pass it on."""

from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .layers import BATCH_NORMS, POINTWISE, geometry, grid_axes


@dataclass(frozen=True)
class Field:
    """Pixels of the input that one number sees along each axis, and the distance between neighbors."""

    size: tuple[int, ...]
    jump: tuple[int, ...]


LOST = Field((), ())


def mark(tensor, field):
    """A mark holds until somebody writes into the memory of the tensor, perhaps through a view."""
    tensor._receptive_field = field, _writes(tensor)


def field(tensor):
    """The field of a tensor; None if it is lost, or the tensor does not come from the input."""
    found = _marked(tensor)
    return None if found is LOST else found


def pass_on(layer, source, output):
    """Layers with a known window; for all others the operators inside have said all there is to say."""
    before, sizes = field(source), source.shape[2:]
    if before is None:
        return
    if isinstance(layer, POINTWISE) or (isinstance(layer, BATCH_NORMS) and layer.running_mean is not None):
        mark(output, before)
    elif grid_axes(layer) == len(before.size) == len(sizes) and (window := geometry(layer, sizes)):
        kernel, stride, _, dilation = window
        steps = zip(before.size, kernel, dilation, before.jump, strict=True)
        size = tuple(r + d * (k - 1) * j for r, k, d, j in steps)
        mark(output, Field(size, tuple(j * s for j, s in zip(before.jump, stride, strict=True))))


class FollowField(TorchDispatchMode):
    """Elementwise operators on one marked tensor keep its mark; whatever else touches a marked tensor loses it."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        inputs = tensors((args, kwargs))
        marks = {id(t): (found, t.shape) for t in inputs if (found := _marked(t)) is not None}
        output = operator(*args, **(kwargs or {}))
        if marks:
            before, shape = next(iter(marks.values()))
            follows = len(marks) == 1 and torch.Tag.pointwise in operator.tags
            for tensor in _written(operator, args, kwargs or {}):
                tensor.untyped_storage()._writes = _writes(tensor) + 1
            for result in tensors(output):
                mark(result, before if follows and result.shape == shape else LOST)
        return output


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _marked(tensor):
    """The mark of a tensor; LOST if its memory was written into since, None if it never had to do with the input."""
    found, writes = getattr(tensor, "_receptive_field", (None, 0))
    return found if writes == _writes(tensor) else LOST


def _writes(tensor):
    """How often something that depends on the input was written into the memory that a tensor shares with its views."""
    return getattr(tensor.untyped_storage(), "_writes", 0)


def _written(operator, args, kwargs):
    """The tensors that an operator writes into, by its schema."""
    for place, argument in enumerate(operator._schema.arguments):
        if argument.is_write:
            yield from tensors(args[place] if place < len(args) else kwargs.get(argument.name))
