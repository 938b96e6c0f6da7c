"""What the tests of networks share."""

import torch
from torch import nn

from cnncourse import models


def on_meta(name, **changes):
    """A network without numbers, for its counts and sizes."""
    with torch.device("meta"):
        return models.build(name, **changes)


@torch.no_grad()
def stirred(model):
    """The model, in evaluation mode, with batch statistics that are not 0 and 1 and no tensor of one value.

    Libraries start last norms, heads and layer scales at 0 or nearly so: what stands before them would not be seen.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in model.parameters():
        if parameter.eq(parameter.flatten()[0]).all():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@torch.no_grad()
def assert_equal_logits(ours, theirs, *sizes):
    """The same logits within 1e-4 of the largest, for random images of each size (height, width)."""
    for size in sizes:
        x = torch.randn(2, ours.in_channels, *size)
        mine, expected = ours(x), theirs(x)
        assert expected.std() > 0.01 and (mine - expected).abs().max() <= 1e-4 * expected.abs().max()
