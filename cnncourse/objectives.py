"""What is minimized: an `Objective` turns a model and a batch into one number, and into the numbers worth watching.

    class MeanSquare(Objective):
        def forward(self, model, batch):
            images, targets = batch
            loss = torch.nn.functional.mse_loss(model(images), targets)
            return loss, {"deviation": loss.detach().sqrt()}

Whatever parameters an objective has are trained with the model's, whatever buffers it has are in the checkpoint.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Objective(nn.Module):
    """forward(model, batch) → (mean loss of the batch, {name: mean over the batch}), all on the device.

    A row has a column for the loss and for each name. `training` tells training from measuring, as for every module.
    """

    def forward(self, model, batch):
        raise NotImplementedError(f"{type(self).__name__} has no forward(model, batch)")

    def after_step(self, model):
        """Called after each step of the optimizer: for a teacher's average, a queue, a center."""

    def size(self, batch):
        """How many images the batch counts for where means are taken: the length of its first tensor."""
        while isinstance(batch, (tuple, list)):
            batch = batch[0]
        return len(batch)


class Supervised(Objective):
    """Cross-entropy of the logits, and `accuracy`, the share of images whose largest logit is the label's.

    batch: images (N, C, H, W), labels (N,), whatever follows is not looked at

    label_smoothing  share of the target spread evenly over all classes
    mixup, cutmix    α of the Beta distribution by which two images are mixed, 0 for off; with both, one of them is
                     chosen for each batch (Zhang et al., 2018; Yun et al., 2019). They need num_classes
    auxiliary        weight of each further output where a network in training returns (logits, auxiliary logits, …)
    All of them act in training only.
    """

    def __init__(self, num_classes=None, *, label_smoothing=0.0, mixup=0.0, cutmix=0.0, auxiliary=0.3):
        super().__init__()
        self.label_smoothing, self.auxiliary = label_smoothing, auxiliary
        self.mix = _mixing(num_classes, mixup, cutmix) if mixup or cutmix else None

    def forward(self, model, batch):
        images, labels, *_ = batch
        if self.mix and self.training:
            images, labels = self.mix(images, labels)
        logits, *others = _outputs(model(images))
        smoothing = self.label_smoothing if self.training else 0.0
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        if self.training:
            for other in others:
                loss = loss + self.auxiliary * F.cross_entropy(other, labels, label_smoothing=smoothing)
        main_label = labels.argmax(1) if labels.ndim == 2 else labels
        return loss, {"accuracy": (logits.detach().argmax(1) == main_label).float().mean()}


def _outputs(answer):
    """All logits that a network returned, its own first. torchvision's networks give None for heads they lack."""
    return [answer] if isinstance(answer, torch.Tensor) else [part for part in answer if part is not None]


def _mixing(num_classes, mixup, cutmix):
    """(images, labels) → the same, mixed, with a distribution over the classes (N, K) for labels."""
    from torchvision.transforms import v2

    if num_classes is None:
        raise ValueError("num_classes must be given for mixup and cutmix, got None")
    mixers = [v2.MixUp(alpha=mixup, num_classes=num_classes)] if mixup else []
    mixers += [v2.CutMix(alpha=cutmix, num_classes=num_classes)] if cutmix else []
    return v2.RandomChoice(mixers)


# name → objective, as a recipe names it; a class that is called with num_classes and options.
OBJECTIVES = {"supervised": Supervised}
