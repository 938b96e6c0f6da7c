"""What a network costs: parameters, multiply-adds, memory, and how far each output sees.

Two views stand side by side. *Predicted* numbers come from arithmetic on a layer's settings (kernel, stride,
padding …); *measured* ones come from hooks that watch one real forward pass. `table(model, input_shape)` holds both
and says where they differ. Shapes are those of the tensors themselves, batch axis included: (N, C, H, W).
"""

from .layers import is_layer
from .tables import Row, Table
from .watch import Parameters, bare, eval_mode, parameters, table, watching
from .windows import ConvCost, FieldRow, conv_cost, receptive_field

__all__ = [
    "ConvCost",
    "FieldRow",
    "Parameters",
    "Row",
    "Table",
    "bare",
    "conv_cost",
    "eval_mode",
    "is_layer",
    "parameters",
    "receptive_field",
    "table",
    "watching",
]
