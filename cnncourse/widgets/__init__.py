"""The explorers: each a widget whose arithmetic runs in its own JavaScript, in a notebook and in the published page."""

from .explorer import Explorer, stylesheet
from .kernel import KernelExplorer
from .lenet import LeNetLive
from .optimizer import OptimizerExplorer
from .shape import ShapeExplorer

EXPLORERS = (KernelExplorer, LeNetLive, OptimizerExplorer, ShapeExplorer)

__all__ = [
    "EXPLORERS",
    "Explorer",
    "KernelExplorer",
    "LeNetLive",
    "OptimizerExplorer",
    "ShapeExplorer",
    "stylesheet",
]
