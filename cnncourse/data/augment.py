"""Augmentation of whole batches on their device, and random numbers with an address.

Every random number is a hash of (seed, epoch, sample, draw): what an image gets does not depend on the batch size, on
the order, on workers, or on how many processes share the work.
"""

import math

import torch
from torch.nn import functional as F

from .. import checks, runtime

# name → how many random numbers it takes for one image. Each name has rows of its own among the draws, so that an
# augmentation does the same whether it comes alone or with others.
AUGMENTATIONS = {"flip": 1, "crop": 2, "rotate": 2, "color": 2, "erase": 4}


# ── Random numbers with an address ───────────────────────────────────────────────────────────────────────────────────


def uniform(seed, epoch, samples, draws):
    """float32 (draws, N), uniform in [0, 1): row d is draw d of each sample. samples int64 (N,)

    A number is a hash of (seed, epoch, sample, draw), on whichever device `samples` lies, in int64 arithmetic
    that is the same everywhere: two rounds of SplitMix64's finalizer (Steele, Lea and Flood, 2014), of which the
    upper 24 bits are taken, as many as a float32 holds.
    """
    sample = _mix(samples * _GOLDEN + epoch_key(seed, epoch))
    draw = torch.arange(1, draws + 1, device=samples.device) * _GOLDEN
    return _shifted(_mix(sample + draw[:, None]), 40).float() * 2**-24


_GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # 2⁶⁴ / golden ratio, odd; as a signed number


def _mix(z):
    """SplitMix64's finalizer: 64 bits → 64 bits, one to one; products wrap around."""
    z = (z ^ _shifted(z, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    z = (z ^ _shifted(z, 27)) * (0x94D049BB133111EB - 2**64)
    return z ^ _shifted(z, 31)


def _shifted(z, bits):
    """z shifted to the right as an unsigned number."""
    return (z >> bits) & (2 ** (64 - bits) - 1)


def epoch_key(seed, epoch):
    """The hash of (seed, epoch), a Python integer in −2⁶³ … 2⁶³ − 1."""
    seed, epoch = torch.tensor(seed), torch.tensor(epoch)
    return _mix(_mix(seed + _GOLDEN) + (epoch + 1) * _GOLDEN).item()


# ── Augmentation of whole batches: u is float32 (draws, N), uniform in [0, 1) ────────────────────────────────────────


def shift_and_flip(images, crop=None, flip=None):
    """y[n, c, i, j] = x[n, c, i + a_n, j + b_n], zero outside; read from right to left where flipped.

    images (N, C, H, W)   crop (2, N): a in −(H // 8) … H // 8, b in −(W // 8) … W // 8, all equally likely
    flip (1, N): mirrored where below 1/2   →   the same shape and type
    """
    N, C, H, W = images.shape
    rows, columns = (torch.arange(side, device=images.device).expand(N, side) for side in (H, W))
    if flip is not None:
        columns = torch.where(flip[0][:, None] < 0.5, W - 1 - columns, columns)
    if crop is not None:
        down, right = H // 8, W // 8
        images = F.pad(images, (right, right, down, down))
        rows = rows + (crop[0] * (2 * down + 1)).long()[:, None]
        columns = columns + (crop[1] * (2 * right + 1)).long()[:, None]
    where = rows[:, :, None] * images.shape[3] + columns[:, None, :]  # (N, H, W), places in an image's plane
    where = where.view(N, 1, H * W).expand(N, C, H * W)
    return images.flatten(2).gather(2, where).view(N, C, H, W)


def rotate(images, u):
    """Turned about the center by ±10° and scaled by 0.9 … 1.1; bilinear, zeros outside. images float32, u (2, N)"""
    if not len(images):
        return images
    H, W = images.shape[2:]
    u = u.to(runtime.wide(u.device))
    angle = math.radians(10) * (2 * u[0] - 1)
    scale = 1 + 0.1 * (2 * u[1] - 1)
    # affine_grid's coordinates run from −1 to 1 along both sides, so a turn needs the sides' proportion.
    cosine, sine, zero = angle.cos() / scale, angle.sin() / scale, torch.zeros_like(angle)
    theta = torch.stack([cosine, -sine * H / W, zero, sine * W / H, cosine, zero], 1).view(-1, 2, 3).float()
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def color(images, u):
    """y = m + c·(b·x − m) cut to 0 … 255, m the mean of b·x over the image, b and c in 0.8 … 1.2. u (2, N)"""
    brightness, contrast = (0.8 + 0.4 * u)[:, :, None, None, None]
    images = images * brightness
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + contrast * (images - mean)).clamp_(0, 255)


def erase(images, u):
    """One rectangle of each image set to 0, which after the normalization is the mean. u (4, N)

    Area 0.02 … 0.2 of the image, height / width 0.3 … 3.3 (uniform in the logarithm), the place uniform.
    """
    H, W = images.shape[2:]
    u = u.to(runtime.wide(u.device))
    area = (0.02 + 0.18 * u[0]) * H * W
    ratio = torch.exp(math.log(0.3) + (math.log(3.3) - math.log(0.3)) * u[1])
    top, bottom = _interval((area * ratio).sqrt(), H, u[2])
    left, right = _interval((area / ratio).sqrt(), W, u[3])
    rows, columns = (torch.arange(side, device=images.device) for side in (H, W))
    rows = (rows >= top[:, None]) & (rows < bottom[:, None])
    columns = (columns >= left[:, None]) & (columns < right[:, None])
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _interval(length, side, u):
    """Where a piece of `length` pixels, rounded, 1 to side, begins and ends, all places equally likely."""
    length = length.round().clamp(1, side).long()
    start = (u * (side - length + 1)).long()
    return start, start + length


def augmentations(names):
    """The names, checked, in the order in which they are done."""
    if isinstance(names, str) or not isinstance(names, list | tuple | set | frozenset):
        raise TypeError(f"augment must be names, such as ('crop', 'flip'), got {names!r}")
    for name in names:
        checks.choice("augment", name, AUGMENTATIONS)
    return tuple(name for name in AUGMENTATIONS if name in names)
