"""What a network costs: parameters, multiply-adds, memory, and how far each output sees.

Two views stand side by side. *Predicted* numbers come from arithmetic on a layer's settings (kernel, stride,
padding …); *measured* ones come from hooks that watch one real forward pass. `table(model, input_shape)` holds both
and says where they differ. Shapes are those of the tensors themselves, batch axis included: (N, C, H, W).
"""

import math
import operator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import chain
from typing import NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SLIDING_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE_AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
ADAPTIVE_POOLS = (*ADAPTIVE_AVERAGES, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
OTHER_NORMS = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
SOFTMAXES = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)
ACTIVATIONS = tuple(
    {getattr(nn, name) for name in nn.modules.activation.__all__}
    - {*SOFTMAXES, nn.GLU, nn.MultiheadAttention}
)
# A receptive field passes through these unchanged; the shape does through the others, too.
POINTWISE = (*ACTIVATIONS, *DROPOUTS, nn.Identity, nn.LocalResponseNorm)
SAME_SHAPE = (*POINTWISE, *SOFTMAXES, *BATCH_NORMS, *OTHER_NORMS)
GRID_LAYERS = (*CONVOLUTIONS, *TRANSPOSED, *SLIDING_POOLS, *ADAPTIVE_POOLS)
SETTINGS = ("kernel_size", "stride", "padding", "dilation")
# A layer is one row: it either has no children, or its children are inner works (weight norm, attention's projections).
WHOLE_LAYERS = (*GRID_LAYERS, *BATCH_NORMS, nn.Linear, nn.MultiheadAttention)


# Arithmetic on the settings of one layer.


def receptive_field(layers: Sequence[tuple]) -> list["FieldRow"]:
    """How many input pixels one output pixel sees, layer by layer, along one axis.

        r ← r + d·(k − 1)·j     c ← c + (d·(k − 1)/2 − p)·j     j ← j·s        from r = 1, c = 0, j = 1

    layers: one tuple (kernel_size, stride[, padding[, dilation]]) a layer, in order, as Conv2d and MaxPool2d define
    them; padding is 0 and dilation 1 if left out. A name may stand first: ("conv1", 3, 1, 1); unnamed layers are
    called by their place, from "1".
    r is the receptive field and j the jump (the distance between neighboring outputs), in input pixels. c is the
    center of the first output's field: 0 is the middle of the first input pixel, below 0 lies the padding. Padding
    moves c and changes neither r nor j. At the border a part of the field lies in the padding; r counts it too.

    Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
    Raises TypeError or ValueError that names the layer.
    """
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise TypeError(
            f"layers must be a list of tuples (kernel_size, stride[, padding[, dilation]]), got {layers!r}"
        )
    rows, field, jump, center = [], 1, 1, 0.0
    for place, layer in enumerate(layers, start=1):
        if isinstance(layer, str) or not isinstance(layer, Sequence):
            raise TypeError(f"layers[{place - 1}] must be a tuple (kernel_size, stride[, …]), got {layer!r}")
        named = len(layer) > 0 and isinstance(layer[0], str)
        name, numbers = (layer[0], layer[1:]) if named else (str(place), layer)
        if not 2 <= len(numbers) <= 4:
            raise ValueError(
                f"layers[{place - 1}] must hold kernel_size, stride[, padding[, dilation]], got {layer!r}"
            )
        numbers = (*numbers, *(0, 1)[len(numbers) - 2 :])
        k, s, p, d = (
            _integer(f"{argument} of layers[{place - 1}]", number, minimum)
            for argument, number, minimum in zip(SETTINGS, numbers, (1, 1, 0, 1), strict=True)
        )
        field += d * (k - 1) * jump
        center += (d * (k - 1) / 2 - p) * jump
        jump *= s
        rows.append(FieldRow(name, k, s, p, d, field, jump, center))
    return rows


@dataclass(frozen=True)
class FieldRow:
    """One layer of `receptive_field`, in input pixels."""

    layer: str
    kernel_size: int
    stride: int
    padding: int
    dilation: int
    receptive_field: int
    jump: int
    center: float


def conv_cost(
    input_shape,
    out_channels,
    kernel_size,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    bias=True,
    *,
    bytes_per_number=4,
) -> "ConvCost":
    """What one Conv2d costs, before it is built.

        H' = ⌊(H + 2p − d(k − 1) − 1)/s⌋ + 1
        weights = O·(C/g)·k_h·k_w        multiply-adds = N·O·H'·W'·(C/g)·k_h·k_w

    input_shape (N, C, H, W) → output_shape (N, O, H', W'). Biases are counted as parameters, not as multiply-adds.
    Bytes are those of the parameters and of the output, float32 unless bytes_per_number says otherwise.
    Raises TypeError or ValueError that names the argument.
    """
    shape = _shape("input_shape", input_shape)
    if len(shape) != 4:
        raise ValueError(f"input_shape must be (N, C, H, W), got {shape}")
    n, c, *sizes = shape
    o = _integer("out_channels", out_channels, 1)
    g = _integer("groups", groups, 1)
    numbers = _integer("bytes_per_number", bytes_per_number, 1)
    if c % g or o % g:
        raise ValueError(f"groups must divide the {c} input channels and the {o} output channels, got {g}")
    kernel, stride = _pair("kernel_size", kernel_size, 1), _pair("stride", stride, 1)
    padding, dilation = _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    height, width = map(_window_count, sizes, kernel, stride, padding, dilation)
    if min(height, width) < 1:
        raise ValueError(
            f"kernel_size {kernel} with dilation {dilation} does not fit into an input of {sizes[0]}×{sizes[1]} "
            f"with padding {padding}"
        )
    weights = o * (c // g) * math.prod(kernel)
    biases = o if bias else 0
    return ConvCost(
        output_shape=(n, o, height, width),
        weights=weights,
        biases=biases,
        multiply_adds=n * height * width * weights,
        parameter_bytes=(weights + biases) * numbers,
        output_bytes=n * o * height * width * numbers,
    )


@dataclass(frozen=True)
class ConvCost:
    """What `conv_cost` found."""

    output_shape: tuple[int, int, int, int]
    weights: int
    biases: int
    multiply_adds: int
    parameter_bytes: int
    output_bytes: int


class Parameters(NamedTuple):
    """What `parameters` found."""

    trainable: int
    total: int
    bytes: int


def parameters(model: nn.Module) -> Parameters:
    """How many numbers a model learns: (trainable, total, bytes). A parameter used in two places counts once."""
    _check_model(model)
    found = list(model.parameters())
    return Parameters(
        trainable=sum(p.numel() for p in found if p.requires_grad),
        total=sum(p.numel() for p in found),
        bytes=sum(p.numel() * p.element_size() for p in found),
    )


# One forward pass, watched.


def table(model: nn.Module, input_shape) -> "Table":
    """One row for each layer that a forward pass calls, in that order: predicted beside measured.

    input_shape: the shape of the tensor the model is called with, batch axis included, e.g. (1, 3, 224, 224). All
    counts are for that tensor: a batch of 8 has 8 times the multiply-adds and the memory of one image.

    - output_shape is measured; predicted_shape is computed from the layer's settings and its input's shape (None for
      kinds without a formula here). `Table.disagreements` lists the rows where they differ.
    - parameters count at their first use; a shared tensor counts once. Those of layers that the pass did not call,
      and tensors that a block owns itself, follow in rows of their own, so that the total is the model's.
    - multiply_adds are computed for convolutions, transposed convolutions and linear layers, biases not counted; they
      are 0 for every other kind. `Table.measured_multiply_adds` is torch's own count of the operators that ran (half
      its FLOPs): where it is larger, matrix products run outside those layers, as in attention.
    - activation_bytes are the new numbers a layer puts into memory: 0 if it works in place, returns a view (Flatten)
      or returns its input (Dropout outside training).
    - receptive_field and jump follow convolutions and poolings along one path. They are None, a blank, once paths
      join (a shortcut, a concatenation), the grid is gone (Flatten), a layer looks at the whole map (group, layer and
      instance norm, adaptive pooling with unequal windows) or makes a finer grid (transposed convolution), or a
      function that is no layer does more than elementwise arithmetic. A pair where the two axes differ.

    The model is left as it was: it runs on its own device, in eval mode and without gradients, its training flags are
    put back, and its buffers are lent as copies. A model on the "meta" device is counted without computing anything.
    Raises TypeError if model is no module or input_shape no tuple of integers, ValueError if the model cannot take that
    shape: the sentence names the layer that failed and the shape it got.
    """
    _check_model(model)
    shape = _shape("input_shape", input_shape)
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise ValueError(f"{name} has no shape yet, its layer is lazy: call the model once first")

    tensors = list(chain(model.parameters(), model.buffers()))
    device = tensors[0].device if tensors else torch.device("cpu")
    dtype = next((t.dtype for t in tensors if t.is_floating_point()), torch.get_default_dtype())
    x = torch.zeros(shape, dtype=dtype, device=device)
    axes = len(shape) - 2
    _mark(x, _Field((1,) * axes, (1,) * axes) if axes > 0 else _LOST)

    watch = _Watch(model)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    gpus = [device] if device.type == "cuda" else []
    with eval_mode(model), torch.random.fork_rng(gpus), watch.hooks(), torch.no_grad():
        try:
            with FlopCounterMode(display=False) as counter, _FollowField():
                torch.func.functional_call(model, buffers, (x,))
        except Exception as error:
            raise ValueError(watch.blame(shape, error)) from error
    return Table(
        model=type(model).__name__,
        input_shape=shape,
        rows=(*watch.rows, *watch.leftovers()),
        parameter_bytes=parameters(model).bytes,
        measured_multiply_adds=counter.get_total_flops() // 2,
    )


@dataclass(frozen=True)
class Row:
    """One call of one layer. Blanks are None."""

    layer: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    predicted_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: int | tuple[int, ...] | None
    jump: int | tuple[int, ...] | None

    @property
    def agrees(self) -> bool:
        """Whether the measured shape is the predicted one, or none was predicted."""
        return self.predicted_shape in (None, self.output_shape)


@dataclass(frozen=True, repr=False)
class Table:
    """What `table` found: rows, totals, a plain-text and an HTML form. Iterating gives the rows; table["conv1"] gives
    the first row of that layer, table[0] the first row."""

    model: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    parameter_bytes: int
    measured_multiply_adds: int

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)

    @property
    def disagreements(self) -> tuple[Row, ...]:
        """The rows whose predicted shape is not the measured one."""
        return tuple(row for row in self.rows if not row.agrees)

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        if not isinstance(key, str):
            return self.rows[key]
        for row in self.rows:
            if row.layer == key:
                return row
        names = ", ".join(dict.fromkeys(row.layer for row in self.rows))
        raise KeyError(f"no layer {key!r}; the layers are {names}")

    HEADINGS = ("layer", "kind", "output shape", "parameters", "multiply-adds", "memory", "field", "jump")

    def _caption(self):
        return f"{self.model} on {self.input_shape}"

    def _cells(self):
        for r in self.rows:
            shape = "–" if r.output_shape is None else str(r.output_shape)
            if not r.agrees:
                shape += f" (predicted {r.predicted_shape})"
            counts = f"{r.parameters:,}", f"{r.multiply_adds:,}", _bytes(r.activation_bytes)
            yield (r.layer, r.kind, shape, *counts, _text(r.receptive_field), _text(r.jump))

    def _total(self):
        counts = f"{self.parameters:,}", f"{self.multiply_adds:,}", _bytes(self.activation_bytes)
        return ("total", "", "", *counts, "", "")

    def _notes(self):
        predicted = [r for r in self.rows if r.predicted_shape is not None]
        yield (
            f"{len(predicted) - len(self.disagreements)} of {len(predicted)} predicted shapes equal the measured ones. "
            f"Parameters take {_bytes(self.parameter_bytes)}."
        )
        yield "Multiply-adds are those of convolutions and linear layers, biases not counted; other layers show 0."
        if self.measured_multiply_adds != self.multiply_adds:
            yield (
                f"The operators that ran made {self.measured_multiply_adds:,} multiply-adds: "
                f"{self.measured_multiply_adds - self.multiply_adds:+,} against the layers above."
            )

    def __str__(self):
        lines = [self.HEADINGS, *self._cells(), self._total()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        align = [str.ljust] * 3 + [str.rjust] * 5  # words to the left, numbers to the right
        head, *body, total = (
            "  ".join(put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)).rstrip()
            for line in lines
        )
        rule = "─" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([self._caption(), head, rule, *body, rule, total, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self):
        heads = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in self.HEADINGS)
        *body, total = (
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(c)}</td>" for c in cells)
            + "</tr>"
            for name, *cells in (*self._cells(), self._total())
        )
        return (
            f'<table class="course-measure"><caption>{escape(self._caption())}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody><tfoot>{total}</tfoot></table>"
            + "".join(f'<p class="course-note">{escape(note)}</p>' for note in self._notes())
        )


class _Watch:
    """Hooks that write down one row for each call of a layer, and remember where the pass is if it fails."""

    def __init__(self, model):
        self.model, self.rows, self.running, self.counted = model, [], [], set()
        inside = {
            id(m) for layer in model.modules() if _is_layer(layer) for m in layer.modules() if m is not layer
        }
        self.modules = {name: m for name, m in model.named_modules() if id(m) not in inside}

    @contextmanager
    def hooks(self):
        handles = []
        try:
            for name, module in self.modules.items():
                handles.append(module.register_forward_pre_hook(self._enter(name), with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave(name), with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name):
        def hook(module, args, kwargs):
            self.running.append((name, module, _tensors((args, kwargs))))

        return hook

    def _leave(self, name):
        def hook(module, args, kwargs, output):
            self.running.pop()
            if _is_layer(module):
                self.rows.append(self._row(name, module, _tensors((args, kwargs)), _tensors(output)))

        return hook

    def _row(self, name, layer, inputs, outputs):
        entered = tuple(inputs[0].shape) if inputs else None
        left = tuple(outputs[0].shape) if outputs else None
        predicted = _predicted_shape(layer, entered) if inputs else None
        if inputs and left == predicted:
            _pass_on_field(layer, inputs[0], outputs[0])
        field = _field(outputs[0]) if outputs else None
        new = [t for t in outputs if not _shares_memory(t, inputs)]
        return Row(
            layer=name or "(model)",
            kind=type(layer).__name__,
            input_shape=entered,
            output_shape=left,
            predicted_shape=predicted,
            parameters=self._count(layer.parameters()),
            multiply_adds=_multiply_adds(layer, entered) if inputs else 0,
            activation_bytes=sum(t.numel() * t.element_size() for t in new),
            receptive_field=_one_or_pair(field.size) if field else None,
            jump=_one_or_pair(field.jump) if field else None,
        )

    def _count(self, tensors):
        new = {id(t): t.numel() for t in tensors if id(t) not in self.counted}
        self.counted.update(new)
        return sum(new.values())

    def leftovers(self):
        """Rows for the parameters that no called layer owns."""
        for name, module in self.modules.items():
            layer = _is_layer(module)
            count = self._count(module.parameters(recurse=layer))
            if count:
                kind = type(module).__name__ + (" (not called)" if layer else " (own parameters)")
                yield Row(name or "(model)", kind, None, None, None, count, 0, 0, None, None)

    def blame(self, shape, error):
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        sentence = f"the model cannot take an input of shape {shape}"
        if self.running:
            name, module, inputs = self.running[-1]
            settings = module.extra_repr() if _is_layer(module) else "…"
            shapes = " and ".join(str(tuple(t.shape)) for t in inputs) or "no tensor"
            sentence += (
                f": layer {name or '(model)'}, {type(module).__name__}({settings}), failed on {shapes}"
            )
        hint = " (input_shape includes the batch axis, e.g. (1, 3, 224, 224))" if len(shape) == 3 else ""
        return f"{sentence}: {reason}{hint}"


# Formulas, one place each.


def _window_count(size, kernel, stride, padding, dilation, ceil_mode=False):
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    # A last window may hang over the right edge, but it must not start beyond the input and its left padding.
    steps = math.ceil(room / stride)
    return steps + (steps * stride < size + padding)


def _geometry(layer, sizes):
    """Kernel, stride, padding and dilation of a layer, a tuple of axes each; None if it is no sliding window."""
    axes = len(sizes)
    if isinstance(layer, ADAPTIVE_POOLS):
        outputs = _adaptive_sizes(layer, sizes)
        if any(size % output for size, output in zip(sizes, outputs, strict=True)):
            return None
        step = tuple(size // output for size, output in zip(sizes, outputs, strict=True))
        return step, step, (0,) * axes, (1,) * axes
    if not isinstance(layer, (*CONVOLUTIONS, *SLIDING_POOLS)):
        return None
    kernel, stride = _per_axis(layer.kernel_size, axes), _per_axis(layer.stride, axes)
    dilation = _per_axis(getattr(layer, "dilation", 1), axes)
    padding = 0 if isinstance(layer.padding, str) else layer.padding
    return kernel, stride, _per_axis(padding, axes), dilation


def _predicted_shape(layer, shape):
    """The output shape by arithmetic alone; None for kinds that have no formula here."""
    if isinstance(layer, SAME_SHAPE):
        return shape
    if isinstance(layer, nn.Linear):
        return (*shape[:-1], layer.out_features)
    if isinstance(layer, nn.Flatten):
        first, last = layer.start_dim % len(shape), layer.end_dim % len(shape)
        return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    if not isinstance(layer, GRID_LAYERS):
        return None
    lead, sizes = shape[: -_axes(layer)], shape[-_axes(layer) :]
    if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
        lead = (*lead[:-1], layer.out_channels)
    return (*lead, *_predicted_sizes(layer, sizes))


def _predicted_sizes(layer, sizes):
    if isinstance(layer, ADAPTIVE_POOLS):
        return _adaptive_sizes(layer, sizes)
    if isinstance(layer, TRANSPOSED):
        settings = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding
        return tuple(
            (size - 1) * s - 2 * p + d * (k - 1) + extra + 1
            for size, k, s, p, d, extra in zip(sizes, *settings, strict=True)
        )
    if layer.padding == "same":
        return sizes
    ceil_mode = getattr(layer, "ceil_mode", False)
    return tuple(_window_count(*n, ceil_mode) for n in zip(sizes, *_geometry(layer, sizes), strict=True))


def _multiply_adds(layer, shape):
    if isinstance(layer, nn.Linear):
        return math.prod(shape[:-1]) * layer.in_features * layer.out_features
    if isinstance(layer, CONVOLUTIONS):
        each = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        return math.prod(_predicted_shape(layer, shape)) * each
    if isinstance(layer, TRANSPOSED):
        each = layer.out_channels // layer.groups * math.prod(layer.kernel_size)
        return math.prod(shape) * each
    return 0


# The receptive field travels with the tensors: each carries a mark, and layers and operators pass it on.


@dataclass(frozen=True)
class _Field:
    size: tuple[int, ...]
    jump: tuple[int, ...]


_LOST = _Field((), ())


def _mark(tensor, field):
    tensor._receptive_field = field


def _field(tensor):
    field = getattr(tensor, "_receptive_field", _LOST)
    return None if field is _LOST else field


def _pass_on_field(layer, source, output):
    """Layers with a known window; for all others the operators inside have said all there is to say."""
    field, sizes = _field(source), source.shape[2:]
    if field is None:
        return
    if isinstance(layer, POINTWISE) or (isinstance(layer, BATCH_NORMS) and layer.running_mean is not None):
        _mark(output, field)
    elif _axes(layer) == len(field.size) == len(sizes) and (geometry := _geometry(layer, sizes)):
        kernel, stride, _, dilation = geometry
        steps = zip(field.size, kernel, dilation, field.jump, strict=True)
        size = tuple(r + d * (k - 1) * j for r, k, d, j in steps)
        _mark(output, _Field(size, tuple(j * s for j, s in zip(field.jump, stride, strict=True))))


class _FollowField(TorchDispatchMode):
    """Elementwise operators on one marked tensor keep its mark; whatever else touches a marked tensor loses it."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        output = operator(*args, **(kwargs or {}))
        marked = {id(t): t for t in _tensors((args, kwargs)) if hasattr(t, "_receptive_field")}
        if marked:
            source = next(iter(marked.values()))
            field, shape = source._receptive_field, source.shape
            follows = len(marked) == 1 and torch.Tag.pointwise in operator.tags
            for result in _tensors(output):
                _mark(result, field if follows and result.shape == shape else _LOST)
        return output


# Small helpers.


def _is_layer(module):
    return isinstance(module, WHOLE_LAYERS) or next(module.children(), None) is None


def _axes(layer):
    """How many axes a layer slides along: the digit in Conv2d."""
    kinds = [kind for kind in type(layer).__mro__ if kind in GRID_LAYERS]
    return int(kinds[0].__name__[-2]) if kinds else 0


def _adaptive_sizes(layer, sizes):
    wanted = _per_axis(layer.output_size, len(sizes))
    return tuple(size if output is None else output for size, output in zip(sizes, wanted, strict=True))


def _per_axis(value, axes):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _shares_memory(tensor, others):
    # On the meta device every address is 0, so only the tensor itself is recognized there.
    address = tensor.untyped_storage().data_ptr()
    return any(tensor is o or (address and address == o.untyped_storage().data_ptr()) for o in others)


@contextmanager
def eval_mode(model):
    """Within this context every part of the model is in eval mode; afterwards each is again as it was."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def _one_or_pair(numbers):
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _text(value):
    if value is None:
        return "–"
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _bytes(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _check_model(model):
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")


def _integer(name, value, minimum):
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def _pair(name, value, minimum):
    if not isinstance(value, (tuple, list)):
        return (_integer(name, value, minimum),) * 2
    if len(value) != 2:
        raise ValueError(f"{name} must be an integer or a pair, got {value!r}")
    return tuple(_integer(name, number, minimum) for number in value)


def _shape(name, value):
    if not isinstance(value, (tuple, list)) or len(value) == 0:
        raise TypeError(f"{name} must be a tuple of integers such as (1, 3, 224, 224), got {value!r}")
    return tuple(_integer(f"every size in {name}", size, 1) for size in value)
