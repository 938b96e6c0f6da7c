"""DARTS: the choice between operations is relaxed to a softmax over them, so that gradient descent can learn it.

Liu, Simonyan and Yang, "DARTS: Differentiable architecture search", ICLR 2019.

In the relaxed network each edge of a cell is a mixed operation, ō(x) = Σₒ softmax(α)ₒ · o(x), with one α for all normal
cells and one for all reduction cells. The search is bilevel: α minimizes the loss on validation images for weights that
minimize the loss on training images; in its first-order form, steps of both take turns. `genotype()` reads the discrete
cells off, and a network built from a genotype has no α.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import pad

from .. import checks
from .parts import Network, check_input, classifier, conv_norm, sequential

# Operations: x (N, C, H, W) → (N, C, H/stride, W/stride). In the relaxed network their norms are not affine.


class Zero(nn.Module):
    """No connection: 0, whatever x is."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class FactorizedReduction(nn.Module):
    """Half the side without losing pixels: half of the channels read every second pixel, the others those between."""

    def __init__(self, in_channels, channels, affine):
        super().__init__()
        self.even = nn.Conv2d(in_channels, channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, channels - channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x):
        x = x.relu()
        between = pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]  # as large as x, also where the side is odd
        return self.norm(torch.cat([self.even(x), self.odd(between)], dim=1))


def relu_conv_norm(in_channels, channels, affine):
    conv = nn.Conv2d(in_channels, channels, 1, bias=False)
    return sequential(activation=nn.ReLU(), conv=conv, norm=nn.BatchNorm2d(channels, affine=affine))


def depthwise(channels, kernel, stride, affine, dilation=1):
    """ReLU, depthwise convolution, 1×1 convolution, norm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def separable(channels, kernel, stride, affine):
    """That twice: the paper's separable convolution."""
    first = depthwise(channels, kernel, stride, affine)
    return nn.Sequential(*first, *depthwise(channels, kernel, 1, affine))


def normed(pool, channels, affine):
    """A pooling, in the relaxed network with a norm, which the convolutions have, too."""
    return pool if affine else nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False))


OPERATIONS = {  # name → maker(channels, stride, affine)
    "none": lambda c, s, affine: Zero(s),
    "max_pool_3x3": lambda c, s, affine: normed(nn.MaxPool2d(3, s, 1), c, affine),
    "avg_pool_3x3": lambda c, s, affine: normed(nn.AvgPool2d(3, s, 1, count_include_pad=False), c, affine),
    "skip_connect": lambda c, s, affine: nn.Identity() if s == 1 else FactorizedReduction(c, c, affine),
    "sep_conv_3x3": lambda c, s, affine: separable(c, 3, s, affine),
    "sep_conv_5x5": lambda c, s, affine: separable(c, 5, s, affine),
    "dil_conv_3x3": lambda c, s, affine: depthwise(c, 3, s, affine, dilation=2),
    "dil_conv_5x5": lambda c, s, affine: depthwise(c, 5, s, affine, dilation=2),
}

# Cells.


class Edge(nn.ModuleDict):
    """The mixed operation Σₒ wₒ · o(x), or the only operation o(x). x (N, C, H, W), w (operations,)"""

    def forward(self, x, weights=None):
        if weights is None:
            (operation,) = self.values()
            return operation(x)
        return sum(weights[place] * operation(x) for place, operation in enumerate(self.values()))


class Cell(nn.Module):
    """The outputs of the last two cells are nodes 0 and 1; each next node is the sum of its edges from earlier ones.

    plan: for each next node, the node that an edge comes from → the names of its operations
    before (N, C₀, H₀, W₀), last (N, C₁, H, W) → the next nodes side by side, (N, nodes · channels, H/stride, W/stride)
    """

    def __init__(self, before, last, channels, plan, *, halved_before, halves, affine):
        super().__init__()
        fitting = FactorizedReduction if halved_before else relu_conv_norm
        self.before, self.last = fitting(before, channels, affine), relu_conv_norm(last, channels, affine)
        self.halves, self.nodes = halves, nn.ModuleList()
        for edges in plan:
            node = nn.ModuleDict()
            for source, names in edges.items():
                stride = 2 if halves and source < 2 else 1
                node[str(source)] = Edge({name: OPERATIONS[name](channels, stride, affine) for name in names})
            self.nodes.append(node)

    def forward(self, before, last, weights=None):
        states, row = [self.before(before), self.last(last)], 0
        for node in self.nodes:
            total = 0
            for source, edge in node.items():
                total = total + edge(states[int(source)], None if weights is None else weights[row])
                row += 1
            states.append(total)
        return torch.cat(states[2:], dim=1)


class Genotype(NamedTuple):
    """A cell of each kind: for each next node, its two edges, (operation, node that it comes from)."""

    normal: tuple
    reduction: tuple


# The paper's, found on CIFAR-10 with the second-order search.
GENOTYPES = {
    "darts_v2": Genotype(
        normal=(
            (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
            (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
            (("sep_conv_3x3", 1), ("skip_connect", 0)),
            (("skip_connect", 0), ("dil_conv_3x3", 2)),
        ),
        reduction=(
            (("max_pool_3x3", 0), ("max_pool_3x3", 1)),
            (("skip_connect", 2), ("max_pool_3x3", 1)),
            (("max_pool_3x3", 0), ("skip_connect", 2)),
            (("skip_connect", 2), ("max_pool_3x3", 1)),
        ),
    ),
}

# Networks.


class Config(NamedTuple):
    nodes: int  # of a cell, besides its two inputs
    cells: int
    channels: int  # of a node in the first cell; those of the stem are three times as many
    operations: tuple[str, ...]


# The paper's search is that of 4 nodes, 8 cells, 16 channels and all operations.
CONFIGS = {
    "darts_mini": Config(nodes=2, cells=2, channels=8, operations=(
        "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3",
    )),
}  # fmt: skip

TORCHVISION = {}


class DARTS(Network):
    """A stem, normal and reduction cells, the mean over the grid, a linear head.

    A reduction cell halves the side and doubles the channels.

    alpha_normal, alpha_reduction  (edges, operations), the edges of node 2 first; None if built with a genotype
    """

    def __init__(self, name, operations, genotype, layers, num_classes, in_channels):
        super().__init__(name, layers, num_classes, in_channels, published_size=32)
        self.operations, self.fixed = operations, genotype
        edges = sum(range(2, 2 + len(self.cells[0].nodes)))
        for kind in ("alpha_normal", "alpha_reduction"):
            alpha = nn.Parameter(1e-3 * torch.randn(edges, len(operations))) if genotype is None else None
            self.register_parameter(kind, alpha)

    def features(self, x):
        before = last = self.stem(check_input(x, self))
        for cell in self.cells:
            alpha = self.alpha_reduction if cell.halves else self.alpha_normal
            weights = None if alpha is None else alpha.softmax(dim=1)
            before, last = last, cell(before, last, weights)
        return self.flatten(self.pool(last))

    def architecture_parameters(self):
        """α of both kinds of cells, which the search learns on validation images."""
        return [alpha for alpha in (self.alpha_normal, self.alpha_reduction) if alpha is not None]

    def weight_parameters(self):
        """All others, which it learns on training images."""
        own = {id(alpha) for alpha in self.architecture_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def genotype(self):
        """The discrete cells: each edge's strongest operation but "none", the two strongest edges of each node."""
        if self.fixed is not None:
            return self.fixed
        return Genotype(self._strongest(self.alpha_normal), self._strongest(self.alpha_reduction))

    def _strongest(self, alpha):
        rows, nodes = iter(alpha.detach().softmax(dim=1).tolist()), []
        for number in range(len(self.cells[0].nodes)):
            edges = []
            for source, row in zip(range(2 + number), rows, strict=False):
                choices = [pair for pair in zip(row, self.operations, strict=True) if pair[1] != "none"]
                edges.append((*max(choices), source))
            edges.sort(reverse=True)
            nodes.append(tuple((operation, source) for _, operation, source in edges[:2]))
        return tuple(nodes)


def build(name, num_classes=None, in_channels=3, *, genotype=None, cells=None, channels=None):
    """A row of `CONFIGS`, relaxed, or with the cells of a genotype.

    num_classes  10 when left out
    genotype     a name of `GENOTYPES`, or a Genotype, whose nodes may be more or fewer. Left out: the relaxed network
    cells        2 or more; those at a third and two thirds of the depth are reduction cells (of 2 cells, the second)
    channels     of a node in the first cell. The paper's network for CIFAR-10, 3,349,342 parameters, is that of
                 genotype="darts_v2", cells=20, channels=36
    """
    config = CONFIGS[name]
    if cells is not None:
        config = config._replace(cells=checks.integer("cells", cells, 2))
    if channels is not None:
        config = config._replace(channels=checks.integer("channels", channels, 2))
    genotype = genotype if genotype is None else _checked(genotype)
    return network(name, config, num_classes or 10, in_channels, genotype)


def network(name, config, num_classes, in_channels, genotype=None):
    """The network of a Config."""
    if genotype is None:
        plan = [dict.fromkeys(range(2 + node), config.operations) for node in range(config.nodes)]
        normal = reduction = plan
    else:
        normal, reduction = ([{source: [o] for o, source in node} for node in cell] for cell in genotype)
    channels, width = config.channels, 3 * config.channels
    stem, cells = conv_norm(in_channels, width, 3, activation=None), nn.ModuleList()
    before = last = width
    for number in range(config.cells):
        halves = number > 0 and number in (config.cells // 3, 2 * config.cells // 3)
        plan, channels = (reduction, 2 * channels) if halves else (normal, channels)
        sides = {"halved_before": number > 0 and cells[-1].halves, "halves": halves}
        cells.append(Cell(before, last, channels, plan, **sides, affine=genotype is not None))
        before, last = last, len(plan) * channels
    layers = {"stem": stem, "cells": cells, **classifier(last, num_classes)}
    return DARTS(name, config.operations, genotype, layers, num_classes, in_channels)


def _checked(genotype):
    """The genotype as a Genotype of tuples, also if it was written as lists, or as a dict, in a recipe."""
    if isinstance(genotype, str):
        return GENOTYPES[checks.choice("genotype", genotype, GENOTYPES)]
    try:
        found = Genotype(**genotype) if isinstance(genotype, dict) else Genotype(*genotype)
        found = Genotype(*(tuple((tuple(a), tuple(b)) for a, b in cell) for cell in found))
        fits = all(
            operation in OPERATIONS and isinstance(source, int) and 0 <= source < 2 + number and a[1] != b[1]
            for cell in found
            for number, (a, b) in enumerate(cell)
            for operation, source in (a, b)
        )
    except (TypeError, ValueError):
        fits = False
    if not fits or not all(found):
        raise ValueError(
            "genotype must be a normal and a reduction cell of nodes with two edges (operation, earlier node) each, "
            f"got {checks.shown(genotype)}"
        )
    return found
