"""The explorers: each a widget whose arithmetic runs in its own JavaScript, in a notebook and in the published page."""

from .architecture import ArchitectureExplorer
from .attention import AttentionExplorer
from .explorer import Explorer, page_data, page_module, stylesheet
from .kernel import KernelExplorer
from .lenet import LeNetLive
from .optimizer import OptimizerExplorer
from .shape import ShapeExplorer
from .train import TrainLive

EXPLORERS = (
    KernelExplorer,
    LeNetLive,
    OptimizerExplorer,
    ShapeExplorer,
    ArchitectureExplorer,
    AttentionExplorer,
    TrainLive,
)


def page_modules():
    """File name → JavaScript of the modules that published pages load: common, each explorer's own, their data."""
    modules = {f"{part}.js": page_module(part) for part in ("common", *(each.module for each in EXPLORERS))}
    for explorer in EXPLORERS:
        modules |= page_data(explorer.module)
    return modules


__all__ = [
    "EXPLORERS",
    "ArchitectureExplorer",
    "AttentionExplorer",
    "Explorer",
    "KernelExplorer",
    "LeNetLive",
    "OptimizerExplorer",
    "ShapeExplorer",
    "TrainLive",
    "page_modules",
    "stylesheet",
]
