"""The explorers: each a widget whose arithmetic runs in its own JavaScript, in a notebook and in the published page."""

from .explorer import Explorer, page_module, stylesheet
from .kernel import KernelExplorer
from .lenet import LeNetLive
from .optimizer import OptimizerExplorer
from .shape import ShapeExplorer

EXPLORERS = (KernelExplorer, LeNetLive, OptimizerExplorer, ShapeExplorer)


def page_modules():
    """File name → JavaScript of the modules that published pages load: what is common, and each explorer's own."""
    return {f"{part}.js": page_module(part) for part in ("common", *(each.module for each in EXPLORERS))}


__all__ = [
    "EXPLORERS",
    "Explorer",
    "KernelExplorer",
    "LeNetLive",
    "OptimizerExplorer",
    "ShapeExplorer",
    "page_modules",
    "stylesheet",
]
