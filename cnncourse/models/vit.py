"""Vision Transformer (ViT): an image becomes a sequence of patches, and self-attention mixes them, without convolution.

Dosovitskiy et al., "An image is worth 16×16 words: Transformers for image recognition at scale", ICLR 2021 (arXiv:
2020). Attention: Vaswani et al., "Attention is all you need", NeurIPS 2017.

Shapes: N images, T tokens (the class token and the patches), D numbers a token, h heads of d = D/h numbers each.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from .. import checks
from .parts import Network, check_input

# From pixels to tokens.


class Patches(nn.Module):
    """Each patch of p×p pixels becomes D numbers, one matrix for all: x (N, C, H, W) → (N, H/p · W/p, D)

    A convolution whose windows do not overlap is that matrix. Patches follow each other row by row.
    """

    def __init__(self, in_channels, width, patch):
        super().__init__()
        self.projection = nn.Conv2d(in_channels, width, patch, stride=patch)

    def forward(self, x):
        return self.projection(x).flatten(2).transpose(1, 2)


class Embedding(nn.Module):
    """[class token, patches] + positions: patches (N, T − 1, D) → tokens (N, T, D), or fewer with a mask.

    Class token and position embedding are learned. Without positions, attention would not depend on the patches' order.
    mask  (N, T − 1) bool, True for patches that are left out, as many in each image; each other keeps its position
    """

    def __init__(self, patches, width, dropout):
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.empty(1, 1 + patches, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)

    def forward(self, patches, mask=None):
        images, _, width = patches.shape
        first = self.class_token + self.position[:, :1]
        patches = patches + self.position[:, 1:]
        if mask is not None:
            patches = patches[~mask].reshape(images, -1, width)
        return self.dropout(torch.cat([first.expand(images, -1, -1), patches], dim=1))


# Blocks.


class Attention(nn.Module):
    """Multi-head self-attention: y = [A₁V₁, …, AₕVₕ] W + b, and in each head A = softmax(Q Kᵀ / √d).

    x (N, T, D) → (N, T, D)   Q, K, V (N, h, T, d), three linear maps of x   A (N, h, T, T), the sum of each row is 1
    A dot product of d pairs of numbers of variance 1 has variance d. Divided by √d it has variance 1 again, so that the
    softmax does not saturate.
    """

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def split(self, x):
        """Queries, keys and values of all heads."""
        images, tokens, width = x.shape
        parts = self.qkv(x).reshape(images, tokens, 3, self.heads, width // self.heads)
        return parts.permute(2, 0, 3, 1, 4)  #                                 3 × N × h × T × d

    def maps(self, x):
        """A alone: (N, h, T, T), a row for each query, a column for each key."""
        query, key, _ = self.split(x)
        return weights(query, key)

    def forward(self, x):
        query, key, value = self.split(x)
        taken = weights(query, key) @ value  #                                 N × h × T × d
        return self.output(taken.transpose(1, 2).flatten(2))


def weights(query, key):
    """softmax(Q Kᵀ / √d) over the keys: (N, h, T, d) twice → (N, h, T, T)"""
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    return scores.softmax(dim=3)


class Block(nn.Module):
    """x ← x + attention(norm(x)), which mixes tokens, then x ← x + mlp(norm(x)), for each token alone. x (N, T, D)

    The norms stand before attention and MLP (pre-norm), so that nothing but sums lies between the first x and the last.
    """

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class First(nn.Module):
    """The class token: (N, T, D) → (N, D)"""

    def forward(self, x):
        return x[:, 0]


# The paper's table.


class Config(NamedTuple):
    patch: int
    width: int
    blocks: int
    heads: int
    size: int = 224


CONFIGS = {
    "vit_b_16": Config(patch=16, width=768, blocks=12, heads=12),
    "vit_tiny": Config(patch=4, width=48, blocks=6, heads=3, size=32),
}

TORCHVISION = {
    r"class_token": "embedding.class_token",
    r"conv_proj": "patches.projection",
    r"encoder\.pos_embedding": "embedding.position",
    r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)": r"encoder.\1.norm\2",
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(\w+)": r"encoder.\1.attention.qkv.\2",
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj": r"encoder.\1.attention.output",
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(\d)": r"encoder.\1.mlp.\2",
    r"encoder\.ln": "norm",
    r"heads\.head": "output",
}

# Networks.


class VisionTransformer(Network):
    """Patches, class token and positions, blocks, norm; a linear head reads the class token."""

    def tokens(self, x, mask=None):
        """All tokens after the last norm, the class token first: x (N, C, H, W) → (N, T, D).

        mask  (N, T − 1) bool, True for patches that are hidden, as many in each image: they take no part, and T counts
              what is left. Without it, features(x) is the first token.
        """
        patches = self.patches(check_input(x, self))
        if mask is not None:
            mask = _checked(mask, patches.shape[:2])
        return self.norm(self.encoder(self.embedding(patches, mask)))

    def attention(self, x):
        """The attention maps of all blocks: x (N, C, H, W) → a list of (N, heads, T, T).

        [n, head, t, s] is the weight of token s in token t. Token 0 is the class token; the patches follow row by row.
        """
        x, maps = self.embedding(self.patches(check_input(x, self))), []
        for block in self.encoder:
            maps.append(block.attention.maps(block.norm1(x)))
            x = block(x)
        return maps


def build(name, num_classes=None, in_channels=3, *, input_size=None, dropout=0.0):
    """A row of `CONFIGS`. `vit_tiny` has 174,202 parameters with 32×32 pixels, one channel and ten classes.

    num_classes  1,000, or 10 for the small one, when left out
    input_size   a multiple of the patch: each patch has a position of its own. Left out: 224, or 32 for the small one
    dropout      its probability after the position embedding, after attention and in the MLPs. The paper has 0.1 where
                 it trains on ImageNet alone
    """
    config = CONFIGS[name]
    size = config.size if input_size is None else checks.integer("input_size", input_size, config.patch)
    if size % config.patch:
        raise ValueError(f"input_size of {name} must be a multiple of {config.patch}, got {size}")
    dropout = checks.real("dropout", dropout, 0, below=1)
    num_classes = num_classes or (10 if config.size == 32 else 1000)
    return network(name, config, num_classes, in_channels, size, dropout)


def network(name, config, num_classes, in_channels, size, dropout):
    """The network of a Config for images of size×size pixels."""
    width, patches = config.width, (size // config.patch) ** 2
    layers = {
        "patches": Patches(in_channels, width, config.patch),
        "embedding": Embedding(patches, width, dropout),
        "encoder": nn.Sequential(*[Block(width, config.heads, dropout) for _ in range(config.blocks)]),
        "norm": nn.LayerNorm(width, eps=1e-6),
        "first": First(),
        "output": nn.Linear(width, num_classes),
    }
    sizes = {"published_size": config.size, "input_size": size, "smallest": size}
    return drawn_by_glorot(VisionTransformer(name, layers, num_classes, in_channels, **sizes))


def drawn_by_glorot(network):
    """Linear layers drawn by Glorot's uniform rule, the patch embedding with variance 1/fan-in, all biases zero.

    As torchvision, but its head starts at zero, and its MLP's biases near it.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    projection = network.patches.projection
    nn.init.trunc_normal_(projection.weight, std=1 / math.sqrt(projection.weight[0].numel()))
    nn.init.zeros_(projection.bias)
    return network


def _checked(mask, shape):
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask must be a tensor of truths, got {checks.shown(mask)}")
    if mask.shape != shape:
        raise ValueError(f"mask must have shape {tuple(shape)}, one truth a patch, got {tuple(mask.shape)}")
    if (mask.sum(1) != mask[0].sum()).any():
        raise ValueError(f"mask must hide as many patches in each image, got {mask.sum(1).unique().tolist()}")
    return mask
