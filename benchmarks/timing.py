"""Fair timing: the competitors take turns, round by round, so that a slow moment of the machine hits them all."""

import os
import platform
import statistics
import sys
import time

import numpy as np
import scipy
import torch

# NumPy's matrix product reads the variable when it is loaded; torch is told.
THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
torch.set_num_threads(THREADS)


def circumstances():
    """One line that a number without is worth little: what ran, on how many threads."""
    return (
        f"Python {sys.version.split()[0]}, numpy {np.__version__}, torch {torch.__version__}, "
        f"scipy {scipy.__version__}, {platform.system()} {platform.machine()}, {THREADS} threads, float32"
    )


def medians(competitors, rounds=7, least=0.02):
    """{name: function} → {name: median seconds of one call}, interleaved.

    A round repeats each function until `least` seconds have passed, so that the clock's grain does not count.
    """
    repeats = {}
    for name, run in competitors.items():
        run()  # warm up: buffers, caches, threads
        started = time.perf_counter()
        run()
        repeats[name] = max(1, round(least / max(time.perf_counter() - started, 1e-7)))
    seconds = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, run in competitors.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            seconds[name].append((time.perf_counter() - started) / repeats[name])
    return {name: statistics.median(values) for name, values in seconds.items()}


def geometric_mean(ratios):
    return float(np.exp(np.mean(np.log(ratios))))
