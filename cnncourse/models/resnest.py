"""ResNeSt: the 3×3 convolution of a bottleneck gives two splits, which attention weighs against each other.

Zhang et al., "ResNeSt: Split-attention networks", CVPR workshops 2022 (arXiv 2020).

The weights are made of the means of all channels, as in squeeze-excitation, and a softmax over the splits makes their
sum 1 in each channel, as in selective kernel networks (Li et al., CVPR 2019). The rest is ResNet-D (He et al., CVPR
2019): a stem of three 3×3 convolutions, and average pooling where the stride is.
"""

from torch import nn

from . import resnet
from .parts import conv_norm, sequential
from .resnet import Bottleneck, Config

RADIX = 2  # splits

# Blocks.


class SplitAttention(nn.Module):
    """y = Σᵣ aᵣ · xᵣ, a softmax over the splits r of each channel

    xᵣ = relu(norm(conv(the r-th part of x)))    a = softmaxᵣ(W₂ · relu(norm(W₁ · mean(Σᵣ xᵣ))))
    x (N, C, H, W) → (N, C, H, W); each split reads C/2 channels and gives C. W₁ (hidden, C), W₂ (2C, hidden)
    """

    def __init__(self, channels):
        super().__init__()
        hidden = max(32, channels * RADIX // 4)
        self.splits = conv_norm(channels, channels * RADIX, 3, groups=RADIX)
        self.down = sequential(
            conv=nn.Conv2d(channels, hidden, 1), norm=nn.BatchNorm2d(hidden), activation=nn.ReLU(inplace=True)
        )
        self.up = nn.Conv2d(hidden, channels * RADIX, 1)

    def forward(self, x):
        splits = self.splits(x).unflatten(1, (RADIX, -1))  #                      N × 2 × C × H × W
        means = splits.sum(1).mean((2, 3), keepdim=True)  #                       N × C × 1 × 1
        weights = self.up(self.down(means)).unflatten(1, (RADIX, -1)).softmax(1)  # N × 2 × C × 1 × 1
        return (weights * splits).sum(1)


class SplitBottleneck(Bottleneck):
    """y = relu(F(x) + shortcut(x)), F a 1×1 convolution, split attention, a pooling where the stride is, a 1×1."""

    def make_residual(self, in_channels, channels, stride, config):
        pool = {"pool": nn.AvgPool2d(3, stride, padding=1)} if stride > 1 else {}
        return sequential(
            unit1=conv_norm(in_channels, channels, 1),
            unit2=SplitAttention(channels),
            **pool,
            unit3=conv_norm(channels, channels * self.expansion, 1, activation=None),
        )


# The paper's table.

CONFIGS = {
    "resnest50": Config(SplitBottleneck, (3, 4, 6, 3), shortcut="averaged projection", deep_stem=True),
    "resnest_mini": Config(SplitBottleneck, (2, 2, 2), 8, shortcut="averaged projection", small=True),
}

TORCHVISION = {}


def build(name, num_classes=None, in_channels=3):
    """A row of `CONFIGS`. num_classes: 1,000, or 10 for the small one, when left out."""
    return resnet.network(name, CONFIGS[name], num_classes, in_channels)
