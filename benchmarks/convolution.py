"""scratch.conv2d against torch on the convolutions of four networks, and its three methods on LeNet's.

    make bench        or        OMP_NUM_THREADS=2 python benchmarks/convolution.py [--rounds 7]

Every number is a ratio of medians of interleaved rounds: how many times torch's time the other one takes.
"""

import argparse
from functools import partial

import numpy as np
import torch
from scipy.signal import correlate
from timing import circumstances, geometric_mean, medians
from torch.nn import functional as F

from cnncourse import scratch

# (C, H, O, k, stride, padding, how often): the convolutions of each network on its own input, stated as in its paper.
NETWORKS = {
    "LeNet-5": [(1, 32, 6, 5, 1, 0, 1), (6, 14, 16, 5, 1, 0, 1), (16, 5, 120, 5, 1, 0, 1)],
    "AlexNet": [
        (3, 224, 96, 11, 4, 2, 1), (96, 27, 256, 5, 1, 2, 1), (256, 13, 384, 3, 1, 1, 1), (384, 13, 384, 3, 1, 1, 1),
        (384, 13, 256, 3, 1, 1, 1),
    ],
    "VGG-16": [
        (3, 224, 64, 3, 1, 1, 1), (64, 224, 64, 3, 1, 1, 1), (64, 112, 128, 3, 1, 1, 1), (128, 112, 128, 3, 1, 1, 1),
        (128, 56, 256, 3, 1, 1, 1), (256, 56, 256, 3, 1, 1, 2), (256, 28, 512, 3, 1, 1, 1),
        (512, 28, 512, 3, 1, 1, 2), (512, 14, 512, 3, 1, 1, 3),
    ],
    "ResNet-18": [
        (3, 224, 64, 7, 2, 3, 1), (64, 56, 64, 3, 1, 1, 4), (64, 56, 128, 3, 2, 1, 1), (64, 56, 128, 1, 2, 0, 1),
        (128, 28, 128, 3, 1, 1, 3), (128, 28, 256, 3, 2, 1, 1), (128, 28, 256, 1, 2, 0, 1),
        (256, 14, 256, 3, 1, 1, 3), (256, 14, 512, 3, 2, 1, 1), (256, 14, 512, 1, 2, 0, 1), (512, 7, 512, 3, 1, 1, 3),
    ],
}  # fmt: skip


def layer_arrays(batch, C, H, O, k):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, C, H, H), dtype=np.float32)
    weight = rng.standard_normal((O, C, k, k), dtype=np.float32)
    return x, weight, torch.from_numpy(x), torch.from_numpy(weight)


def against_torch(batch, layer, rounds):
    """im2col's time over torch's, one layer; both are checked to give the same numbers first."""
    C, H, O, k, stride, padding, _ = layer
    x, weight, tx, tweight = layer_arrays(batch, C, H, O, k)
    ours, theirs = (
        scratch.conv2d(x, weight, None, stride, padding),
        F.conv2d(tx, tweight, None, stride, padding),
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5 * np.abs(ours).max())
    seconds = medians(
        {
            "scratch": partial(scratch.conv2d, x, weight, None, stride, padding),
            "torch": partial(F.conv2d, tx, tweight, None, stride, padding),
        },
        rounds,
    )
    return seconds["scratch"] / seconds["torch"]


def scipy_conv(x, weight):
    """The same with SciPy, which has no channels: one n-dimensional correlation for each output channel."""
    return np.stack([[correlate(image, kernel, mode="valid")[0] for kernel in weight] for image in x])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_grad_enabled(False)
    print(circumstances())

    print("\nscratch.conv2d (im2col) over torch, geometric mean over the convolutions of a network")
    ratios = []
    for network, layers in NETWORKS.items():
        for batch in (1, 8):
            these = []
            for layer in layers:
                these += [against_torch(batch, layer, rounds)] * layer[-1]
            ratios += these
            mean, low, high = geometric_mean(these), min(these), max(these)
            print(f"  {network:10} batch {batch}   {mean:5.2f}   (layers {low:.2f} to {high:.2f})")
    print(f"  {'all':10}           {geometric_mean(ratios):5.2f}   aim 1.0, at most 1.3")

    print("\nLeNet-5's convolutions, batch 1: each method over torch, and the loops over im2col")
    for C, H, O, k, *_ in NETWORKS["LeNet-5"]:
        x, weight, tx, tweight = layer_arrays(1, C, H, O, k)
        ways = {
            name: partial(scratch.conv2d, x, weight, method=name) for name in ("im2col", "windows", "loops")
        }
        slow = {"loops": ways.pop("loops")}  # seconds, not microseconds: timed once
        ways |= {"scipy": partial(scipy_conv, x, weight), "torch": partial(F.conv2d, tx, tweight)}
        seconds = medians(ways, rounds) | medians(slow, 1, 0)
        names = ("im2col", "windows", "scipy", "loops")
        over = "   ".join(f"{name} {seconds[name] / seconds['torch']:,.1f}" for name in names)
        gain = seconds["loops"] / seconds["im2col"]
        print(f"  {C:2}→{O:<3} {k}×{k} on {H:2}×{H:<2}   {over}   loops / im2col {gain:,.0f}")


if __name__ == "__main__":
    main()
