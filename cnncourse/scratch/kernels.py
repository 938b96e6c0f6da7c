"""Kernels chosen by hand: blurs, a sharpener, and the differences that find edges.

All are written for cross-correlation, the operation of `conv2d`. Signs follow the two plain edge kernels: "vertical
edge" is positive where the image gets brighter to the right, "horizontal edge" where it gets brighter downwards.
"""

from types import MappingProxyType

import numpy as np

from ..checks import choice, layout, number_array
from .convolution import cross_correlate, pad

# A family takes the difference across an edge and averages along it, with these weights at the sides and the middle.
FAMILIES = {
    "prewitt": (1, 1),  # Prewitt 1970
    "sobel": (1, 2),  # Sobel and Feldman 1968
    "scharr": (3, 10),  # Scharr 2000: the weights that measure angles best
}
COMBINATIONS = ("sum", "max", "norm")


def directional(family):
    """The four orientations of a family of edge kernels → dict of arrays (3, 3), the caller's own

    family             "prewitt", "sobel" or "scharr"
    "vertical"         answers to edges that run like |, positive where it gets brighter to the right
    "diagonal"         to edges that run like ╲, positive where it gets brighter to the upper right
    "horizontal"       to edges that run like —, positive where it gets brighter downwards
    "antidiagonal"     to edges that run like ╱, positive where it gets brighter to the upper left

    An edge that runs at a right angle to a kernel's own gets the answer 0 from it.
    """
    a, b = FAMILIES[choice("family", family, FAMILIES)]
    kernels = {
        "vertical": [[-a, 0, a], [-b, 0, b], [-a, 0, a]],
        "diagonal": [[0, a, b], [-a, 0, a], [-b, -a, 0]],
        "horizontal": [[-a, -b, -a], [0, 0, 0], [a, b, a]],
        "antidiagonal": [[b, a, 0], [a, 0, -a], [0, -a, -b]],
    }
    return {name: np.array(kernel, dtype=np.float64) for name, kernel in kernels.items()}


def edge_map(image, family="prewitt", combine="sum"):
    """One map of all edges: image (H, W) → (H, W), in float64, never negative

    combine   "sum": Σ |g| over the family's four kernels; "max": the largest |g| of the four;
              "norm": √(g_vertical² + g_horizontal²), the only one that a ramp keeps however it is turned

    The outermost pixels are repeated once outwards ("replicate"), so that the border of the image makes no edge.
    A single pixel of 1 on 0 gives, by Prewitt and "sum", 3 at its eight neighbors and 0 at itself: a ring.
    """
    kernels = directional(family)
    choice("combine", combine, COMBINATIONS)
    image = layout("image", number_array("image", image), "H W")
    if image.size == 0:
        raise ValueError(f"image must have pixels, got shape {image.shape}")
    image = pad(image, 1, mode="replicate")
    answers = {name: cross_correlate(image, kernel) for name, kernel in kernels.items()}
    if combine == "norm":
        return np.hypot(answers["vertical"], answers["horizontal"])
    strengths = np.abs(list(answers.values()))
    return strengths.sum(axis=0) if combine == "sum" else strengths.max(axis=0)


def _read_only(kernel):
    kernel = np.array(kernel, dtype=np.float64)
    kernel.flags.writeable = False
    return kernel


# Every kernel by its name. Nobody changes the course's kernels by accident: copy one, then change the copy.
KERNELS = MappingProxyType(
    {
        "identity": _read_only([[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "horizontal edge": _read_only([[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
        "vertical edge": _read_only([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
        "sharpen": _read_only([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        "box blur": _read_only(np.ones((3, 3)) / 9),
        "gaussian blur": _read_only(np.outer((1, 2, 1), (1, 2, 1)) / 16),
        "laplacian": _read_only([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        **{
            f"{family} {name}": _read_only(kernel)
            for family in FAMILIES
            for name, kernel in directional(family).items()
        },
    }
)
