"""scratch's pooling against torch, SciPy's filters and plain loops.

make bench        or        python benchmarks/pooling.py [--rounds 7]
"""

import argparse
from functools import partial

import numpy as np
import torch
from scipy.ndimage import maximum_filter, uniform_filter
from timing import circumstances, geometric_mean, medians
from torch.nn import functional as F

from cnncourse import scratch

SHAPES = [(1, 6, 28, 28), (8, 64, 56, 56), (8, 256, 28, 28)]


def loops(x, rule):
    N, C, H, W = x.shape
    y = np.empty((N, C, H // 2, W // 2), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = rule(x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return y


def scipy_pool(x, kind):
    """A filter at every pixel, of which every fourth is kept: what SciPy offers."""
    run = {"max": maximum_filter, "avg": uniform_filter}[kind]
    return run(x, size=(1, 1, 2, 2), origin=(0, 0, -1, -1))[:, :, ::2, ::2]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_grad_enabled(False)
    print(circumstances())
    print("\n2×2 pooling, stride 2, over torch's time")
    for kind, ours, theirs, rule in (
        ("max", scratch.max_pool2d, F.max_pool2d, np.max),
        ("avg", scratch.avg_pool2d, F.avg_pool2d, np.mean),
    ):
        ratios = []
        for shape in SHAPES:
            x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            tx = torch.from_numpy(x)
            for result in (ours(x, 2), scipy_pool(x, kind)):
                np.testing.assert_allclose(result, theirs(tx, 2).numpy(), atol=1e-5)
            competitors = {"scratch": partial(ours, x, 2), "torch": partial(theirs, tx, 2)}
            seconds = medians(competitors | {"scipy": partial(scipy_pool, x, kind)}, rounds)
            ratios.append(seconds["scratch"] / seconds["torch"])
            shown = f"scratch {ratios[-1]:.2f}   scipy {seconds['scipy'] / seconds['torch']:.1f}"
            if x.size < 10_000:  # the loops are slow enough to be timed on the small one alone
                slow = medians({"loops": partial(loops, x, rule)}, 1, 0)["loops"]
                shown += f"   loops {slow / seconds['torch']:,.0f}"
            print(f"  {kind} {'×'.join(map(str, shape)):12}   {shown}")
        print(f"  {kind} geometric mean of scratch over torch {geometric_mean(ratios):.2f}")


if __name__ == "__main__":
    main()
