"""Which file builds which network."""

from functools import partial

from . import (
    alexnet,
    convnext,
    darts,
    densenet,
    efficientnet,
    googlenet,
    lenet,
    mobilenet,
    modernized,
    regnet,
    resnest,
    resnet,
    vgg,
    vit,
)

# Families whose networks are rows of CONFIGS, built alike; TORCHVISION says what their layers are called there.
FAMILIES = {
    name: family
    for family in (
        *(alexnet, vgg, googlenet, resnet, resnest, densenet, mobilenet, efficientnet, regnet),
        *(modernized, convnext, vit, darts),
    )
    for name in family.CONFIGS
}

# name → builder(num_classes, in_channels, *, options)
BUILDERS = {
    "lenet5": lenet.lenet5,
    "lenet5_1998": lenet.lenet5_1998,
    "cifar_cnn": lenet.cifar_cnn,
    **{name: partial(family.build, name) for name, family in FAMILIES.items()},
}
