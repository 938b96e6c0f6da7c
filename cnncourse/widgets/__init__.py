"""The explorers: each a widget whose arithmetic runs in its own JavaScript, in a notebook and in the published page."""

from .explorer import Explorer, stylesheet
from .kernel import KernelExplorer
from .shape import ShapeExplorer

EXPLORERS = (KernelExplorer, ShapeExplorer)

__all__ = ["EXPLORERS", "Explorer", "KernelExplorer", "ShapeExplorer", "stylesheet"]
