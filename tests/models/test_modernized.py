"""cnncourse.models.modernized against the paper's costs, and the two networks between which its steps lead."""

import pytest
import torch
from torch import nn

from cnncourse import measure, models
from cnncourse.models import convnext, modernized

# Multiply-adds in units of 10⁹, from table 10. From layer normalization on it has 4.46, figure 2 and we 4.2.
PUBLISHED = {
    "resnet": 4.09,
    "stage_ratio": 4.53,
    "patchify_stem": 4.42,
    "depthwise": 2.35,
    "width": 5.27,
    "inverted_bottleneck": 4.64,
    "depthwise_first": 4.07,
    "large_kernel": 4.15,
}


@pytest.mark.parametrize(("step", "published"), PUBLISHED.items())
def test_steps_cost_what_the_paper_says(step, published):
    with torch.device("meta"):
        table = measure.table(models.build("modernized_resnet50", step=step), (1, 3, 224, 224))
    assert round(table.multiply_adds / 1e9, 2) == published


def test_the_first_step_is_resnet50():
    torch.manual_seed(0)
    resnet, ours = models.build("resnet50").eval(), models.build("modernized_resnet50", step="resnet").eval()
    copy(resnet, ours)
    assert measure.parameters(ours).total == measure.parameters(resnet).total == 25_557_032
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), resnet(x), rtol=1e-4, atol=1e-4)


def test_the_last_step_is_convnext_without_layer_scale():
    torch.manual_seed(0)
    target, ours = (
        models.build("convnext_mini", layer_scale=1.0).eval(),
        models.build("modernized_mini").eval(),
    )
    scales = sum(p.numel() for name, p in target.named_parameters() if name.endswith("layer_scale"))
    assert measure.parameters(ours).total == measure.parameters(target).total - scales
    copy(target, ours)
    x = torch.randn(2, 3, 33, 47)
    torch.testing.assert_close(ours(x), target(x))


def copy(source, target):
    """Weights and statistics in the order of the layers; a linear layer's are those of a 1×1 convolution."""
    kinds = nn.Conv2d, nn.Linear, nn.LayerNorm, nn.BatchNorm2d
    given, taken = (
        [layer for layer in model.modules() if isinstance(layer, kinds)] for model in (source, target)
    )
    for theirs, ours in zip(given, taken, strict=True):
        for name, tensor in theirs.state_dict().items():
            own = ours.state_dict()[name]
            own.copy_(tensor.reshape(own.shape))


def test_each_step_changes_what_it_names():
    networks = {step: models.build("modernized_mini", step=step) for step in modernized.STEPS}

    def count(kind, step):
        return sum(isinstance(layer, kind) for layer in networks[step].modules())

    def convolutions(step):
        """Of the last block: (kernel, groups, output channels) of each."""
        layers = networks[step].stage4[-1].residual
        return [(c.kernel_size[0], c.groups, c.out_channels) for c in layers if isinstance(c, nn.Conv2d)]

    assert count(modernized.Block, "resnet") == 1 + 1 + 2 + 1
    assert count(modernized.Block, "stage_ratio") == 1 + 1 + 3 + 1
    assert (count(nn.MaxPool2d, "stage_ratio"), count(nn.MaxPool2d, "patchify_stem")) == (1, 0)
    assert convolutions("patchify_stem") == [(1, 1, 128), (3, 1, 128), (1, 1, 512)]
    assert convolutions("depthwise") == [(1, 1, 128), (3, 128, 128), (1, 1, 512)]
    assert convolutions("width") == [(1, 1, 192), (3, 192, 192), (1, 1, 768)]
    assert convolutions("inverted_bottleneck") == [(1, 1, 768), (3, 768, 768), (1, 1, 192)]
    # The first convolution of a stage still has the channels of the stage before.
    assert convolutions("depthwise_first") == [(3, 96, 96), (1, 1, 768), (1, 1, 192)]
    assert convolutions("large_kernel") == [(7, 96, 96), (1, 1, 768), (1, 1, 192)]
    assert convolutions("separate_downsampling") == [(7, 192, 192), (1, 1, 768), (1, 1, 192)]
    # Six blocks with three activations each, then one; three norms each, then one, and one in each of three shortcuts.
    assert (count(nn.GELU, "large_kernel"), count(nn.GELU, "gelu"), count(nn.ReLU, "gelu")) == (0, 3 * 6, 0)
    assert count(nn.GELU, "fewer_activations") == 6
    assert count(nn.BatchNorm2d, "fewer_activations") == 3 * 6 + 3
    assert count(nn.BatchNorm2d, "fewer_norms") == 6 + 3 == count(convnext.ChannelNorm, "layer_norm")
    assert count(nn.BatchNorm2d, "layer_norm") == 0
    # After the stem, before three downsamplings and before the head; no shortcut projects any more.
    assert count(convnext.ChannelNorm, "separate_downsampling") == 6 + 1 + 3 + 1
    assert count(nn.Identity, "separate_downsampling") == 2 * 6


@pytest.mark.parametrize("step", modernized.STEPS)
def test_every_step_takes_its_smallest_image_and_trains(step):
    model = models.build("modernized_mini", in_channels=1, step=step)
    x = torch.randn(4, 1, max(model.smallest, 16), 20)
    model(x).square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
    least = model.smallest
    assert model.eval()(torch.randn(1, 1, least, least)).shape == (1, 10)
    assert least == {"resnet": 1, "stage_ratio": 1, "separate_downsampling": 16}.get(step, 2)


def test_an_unknown_step_is_one_sentence():
    with pytest.raises(
        ValueError, match=r"step must be one of resnet, stage_ratio, .*got 'stem'; the nearest is"
    ):
        models.build("modernized_mini", step="stem")
