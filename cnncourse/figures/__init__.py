"""Arrays in, matplotlib Axes out: what more than one chapter draws, in one palette and one style. Never loads torch.

Every figure is made for a text column of 720 px: `COLUMN` inches wide at 100 dots an inch, letters of
8.5 points and more. Functions return the Figure or, when they are given an `ax`, that Axes; none calls `plt.show`.
In a notebook, end the cell with `;` so that the figure is its only output.
"""

from .curves import plot_lines, show_paths
from .pictures import convolution_panels, heat_over, show_images, show_kernel, show_kernels, show_matrix
from .style import COLUMN, CYCLE, FRAME, PALETTE, SIGNED, STYLE, glue, use_style

__all__ = [
    "COLUMN",
    "CYCLE",
    "FRAME",
    "PALETTE",
    "SIGNED",
    "STYLE",
    "convolution_panels",
    "glue",
    "heat_over",
    "plot_lines",
    "show_images",
    "show_kernel",
    "show_kernels",
    "show_matrix",
    "show_paths",
    "use_style",
]
