"""One forward pass, watched: hooks write down what every layer got, gave and cost."""

import inspect
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ..checks import instance, integers
from .fields import LOST, Field, FollowField, field, mark, pass_on, tensors
from .layers import is_layer, multiply_adds, predicted_shape
from .tables import Row, Table


class Parameters(NamedTuple):
    """What `parameters` found."""

    trainable: int
    total: int
    bytes: int


def parameters(model: nn.Module) -> Parameters:
    """How many numbers a model learns: (trainable, total, bytes). A parameter used in two places counts once."""
    found = list(bare(model).parameters())
    return Parameters(
        trainable=sum(p.numel() for p in found if p.requires_grad),
        total=sum(p.numel() for p in found),
        bytes=sum(p.numel() * p.element_size() for p in found),
    )


def table(model: nn.Module, input_shape) -> "Table":
    """One row for each layer that a forward pass calls, in that order: predicted beside measured.

    input_shape: the shape of the tensor the model is called with, batch axis included, e.g. (1, 3, 224, 224). All
    counts are for that tensor: a batch of 8 has 8 times the multiply-adds and the memory of one image.

    - output_shape is measured; predicted_shape is computed from the layer's settings and its input's shape (None for
      kinds without a formula here). `Table.disagreements` lists the rows where they differ.
    - parameters count at their first use; a shared tensor counts once. Those of layers that the pass did not call,
      and tensors that a block owns itself, follow in rows of their own, so that the total is the model's.
    - multiply_adds are computed from the settings of convolutions, transposed convolutions, linear layers and
      nn.MultiheadAttention, biases not counted; for other layers, and in rows of their own for blocks, from the sizes
      of the convolutions and matrix products that they run themselves, as other attention does. All else is 0.
      `Table.measured_multiply_adds` is torch's own count of the operators that ran (half its FLOPs).
    - activation_bytes are the new numbers a layer puts into memory: 0 if it works in place, returns a view (Flatten)
      or returns its input (Dropout outside training).
    - receptive_field and jump follow convolutions and poolings along one path. They are None, a blank, once paths
      join (a shortcut, a concatenation), the grid is gone (Flatten), a layer looks at the whole map (group, layer and
      instance norm, adaptive pooling with unequal windows) or makes a finer grid (transposed convolution), or a
      function that is no layer does more than elementwise arithmetic. A pair where the two axes differ.

    The model is left as it was: it runs on its own device, in eval mode and without gradients, its training flags are
    put back, and its buffers are lent as copies. Attention takes its plain path, whose products are seen, and what is
    compiled runs as it was written. A model on the "meta" device is counted without computing anything.
    Raises TypeError if model is no module or input_shape no tuple of integers, ValueError if the model cannot take that
    shape: the sentence names the layer that failed and the shape it got.
    """
    model = bare(model)
    shape = integers("input_shape", input_shape, 1, expected="a tuple of integers such as (1, 3, 224, 224)")
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise ValueError(f"{name} has no shape yet, its layer is lazy: call the model once first")
    x = _zeros(model, shape)
    watch = _Watch(model)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    gpus = [x.device] if x.device.type == "cuda" else []
    with watching(model), torch.random.fork_rng(gpus), watch.hooks(), torch.no_grad():
        try:
            plain = sdpa_kernel(SDPBackend.MATH)  # attention as the products that it consists of
            with plain, FlopCounterMode(display=False) as counter, FollowField(), _CountProducts(watch):
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


def bare(model):
    """The model itself, out of what torch.compile put around it."""
    instance("model", model, nn.Module, "a torch.nn.Module")
    return getattr(model, "_orig_mod", model)


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


@contextmanager
def watching(model):
    """Eval mode in which the model runs as it was written, though it may be compiled or have a fast path for attention,
    so that hooks see every layer."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(eval_mode(model))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        if "torch._dynamo" in sys.modules:  # slow to load, and without it nothing is compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _zeros(model, shape):
    """An input that is where the model is and of its kind; each pixel sees itself."""
    tensors = list(chain(model.parameters(), model.buffers()))
    device = tensors[0].device if tensors else torch.device("cpu")
    dtype = next((t.dtype for t in tensors if t.is_floating_point()), torch.get_default_dtype())
    x = torch.zeros(shape, dtype=dtype, device=device)
    axes = len(shape) - 2
    mark(x, Field((1,) * axes, (1,) * axes) if axes > 0 else LOST)
    return x


@dataclass
class _Call:
    """A module that is running, and the multiply-adds of what it runs itself, outside the modules in it."""

    name: str
    module: nn.Module
    inputs: list
    products: int = 0


class _Watch:
    """Hooks that write down one row for each call of a layer, and remember where the pass is if it fails."""

    def __init__(self, model):
        self.model, self.rows, self.running, self.counted = model, [], [], set()
        inside = {
            id(m) for layer in model.modules() if is_layer(layer) for m in layer.modules() if m is not layer
        }
        self.modules = {name: m for name, m in model.named_modules() if id(m) not in inside}

    @contextmanager
    def hooks(self):
        handles = []
        try:
            for name, module in self.modules.items():
                handles.append(module.register_forward_pre_hook(self._enter(name), with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave(name)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name):
        def hook(module, args, kwargs):
            if kwargs:  # in the order of the signature
                args = inspect.signature(module.forward).bind(*args, **kwargs).arguments
            self.running.append(_Call(name, module, tensors(args)))

        return hook

    def _leave(self, name):
        def hook(module, args, output):
            call, outputs = self.running.pop(), tensors(output)
            if is_layer(module):
                self.rows.append(self._row(call, outputs))
            elif call.products:
                self.rows.append(self._own_products(call, outputs))

        return hook

    def _row(self, call, outputs):
        layer, inputs = call.module, call.inputs
        entered, left = _first_shape(inputs), _first_shape(outputs)
        predicted = predicted_shape(layer, entered) if inputs else None
        if inputs and left == predicted:
            pass_on(layer, inputs[0], outputs[0])
        seen = field(outputs[0]) if outputs else None
        by_settings = multiply_adds(layer, inputs) if inputs else None
        new = [t for t in outputs if not _shares_memory(t, inputs)]
        return Row(
            layer=call.name or "(model)",
            kind=type(layer).__name__,
            input_shape=entered,
            output_shape=left,
            predicted_shape=predicted,
            parameters=self._count(layer.parameters()),
            multiply_adds=call.products if by_settings is None else by_settings,
            activation_bytes=sum(t.numel() * t.element_size() for t in new),
            receptive_field=_one_or_pair(seen.size) if seen else None,
            jump=_one_or_pair(seen.jump) if seen else None,
        )

    def _own_products(self, call, outputs):
        shapes = _first_shape(call.inputs), _first_shape(outputs), None
        kind = f"{type(call.module).__name__} (own products)"
        return Row(call.name or "(model)", kind, *shapes, 0, call.products, 0, None, None)

    def _count(self, tensors):
        new = {id(t): t.numel() for t in tensors if id(t) not in self.counted}
        self.counted.update(new)
        return sum(new.values())

    def leftovers(self):
        """Rows for the parameters that no called layer owns."""
        for name, module in self.modules.items():
            layer = is_layer(module)
            count = self._count(module.parameters(recurse=layer))
            if count:
                kind = type(module).__name__ + (" (not called)" if layer else " (own parameters)")
                yield Row(name or "(model)", kind, None, None, None, count, 0, 0, None, None)

    def blame(self, shape, error):
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        sentence = f"the model cannot take an input of shape {shape}"
        if self.running:
            call = self.running[-1]
            settings = call.module.extra_repr() if is_layer(call.module) else "…"
            layer = f"layer {call.name or '(model)'}, {type(call.module).__name__}({settings})"
            shapes = " and ".join(str(tuple(t.shape)) for t in call.inputs) or "no tensor"
            sentence += f": {layer}, failed on {shapes}"
        hint = " (input_shape includes the batch axis, e.g. (1, 3, 224, 224))" if len(shape) == 3 else ""
        return f"{sentence}: {reason}{hint}"


class _CountProducts(TorchDispatchMode):
    """Adds the multiply-adds of every matrix product and convolution to the module that runs it."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        output = operator(*args, **(kwargs or {}))
        if self.watch.running:
            self.watch.running[-1].products += _products(operator.overloadpacket, args, output)
        return output


def _products(operator, args, output):
    aten = torch.ops.aten
    if operator in (
        aten.mm,
        aten.bmm,
        aten.addmm,
        aten.baddbmm,
    ):  # the last two add a tensor, which stands first
        left, right = args[:2] if operator in (aten.mm, aten.bmm) else args[1:3]
        return left.numel() * right.shape[-1]
    if operator is aten.convolution:
        places = (
            args[0] if args[6] else output
        )  # transposed: each number that enters is multiplied by all weights
        return places.numel() * args[1][0].numel()
    return 0


def _first_shape(tensors):
    return tuple(tensors[0].shape) if tensors else None


def _shares_memory(tensor, others):
    # The storage itself, not its address, which is 0 for all of them on the meta device.
    storage = tensor.untyped_storage()._cdata
    return any(storage == other.untyped_storage()._cdata for other in others)


def _one_or_pair(numbers):
    return numbers[0] if len(set(numbers)) == 1 else numbers
