"""The trainer beside what people would write: a bare torch loop, and torchvision's set with a DataLoader.

    python benchmarks/training.py [--data-root DIR]

LeNet-5 on the training images of Fashion-MNIST: the full set where DIR holds it, else the embedded 10,000. One epoch
of each competitor in turn, ROUNDS times, on two threads (on the GPU where there is one); medians.

    bare        index, normalize, forward, backward, step on the same tensors that the trainer has: its overhead
    DataLoader  torchvision's transforms image by image, 0 and 2 worker processes: what the resident set saves
"""

import argparse
import statistics
import time

import torch
from timing import THREADS, circumstances
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from cnncourse import data, models, runtime
from cnncourse.recipe import Recipe
from cnncourse.train import trainer_for

ROUNDS, BATCH = 7, 128


def network(device):
    torch.manual_seed(0)
    model = models.build("lenet5", num_classes=10, in_channels=1, activation="relu", pooling="max")
    return model.to(device)


def bare(images, labels, mean, std, device):
    """A function that trains one epoch: the loop a reader writes who has the set on the device."""
    model = network(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def epoch():
        model.train()
        total = torch.zeros((), device=device)
        order = torch.randperm(len(images)).to(device)
        for start in range(0, len(images) - BATCH + 1, BATCH):
            index = order[start : start + BATCH]
            x = (images[index].float() / 255 - mean) / std
            loss = F.cross_entropy(model(x), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item()

    return epoch


class OneByOne(Dataset):
    """Images as torchvision's sets give them: PIL in, transforms, tensor out."""

    def __init__(self, image_set):
        self.images = [v2.functional.to_pil_image(image) for image in image_set.images]
        self.labels = image_set.labels.tolist()
        self.transform = v2.Compose(
            [
                v2.PILToTensor(),
                v2.Pad(2),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(image_set.mean, image_set.std),
            ]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def loaded(image_set, workers, device):
    """A function that trains one epoch from a DataLoader."""
    model = network(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(
        OneByOne(image_set), BATCH, shuffle=True, drop_last=True, num_workers=workers,
        persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip

    def epoch():
        model.train()
        total = torch.zeros((), device=device)
        for x, labels in loader:
            x, labels = x.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            loss = F.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item()

    return epoch


def trained(name, root, device):
    """A function that trains one epoch with the package's trainer; nothing is measured in between."""
    made = Recipe(
        model="lenet5", model_options={"activation": "relu", "pooling": "max"}, data=name, data_root=root,
        epochs=10**6, batch_size=BATCH, lr=0.01, schedule="constant", device=str(device), threads=THREADS,
    )  # fmt: skip
    trainer = trainer_for(made)
    trainer.test = None
    rows = trainer.fit()
    return lambda: next(rows)["train_loss"]


def compare(competitors, machine):
    """{name: seconds of one epoch, in each round}; the competitors take turns, and who begins changes."""
    seconds = {name: [] for name in competitors}
    for epoch in competitors.values():
        epoch()
    names = list(competitors)
    for round_ in range(ROUNDS):
        for name in names[round_ % 2 :] + names[: round_ % 2]:
            watch = runtime.Stopwatch(machine)
            competitors[name]()
            seconds[name].append(watch.seconds())
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root")
    root = parser.parse_args().data_root
    name = "fashion_mnist" if root else "fashion_mnist_mini"
    machine = runtime.start(threads=THREADS)
    device, image_set = machine.device, data.load(name, "train", root)
    images = nn.functional.pad(image_set.images, (2, 2, 2, 2)).to(device)
    labels = image_set.labels.to(device)
    mean, std = (
        torch.tensor(value, device=device).view(1, -1, 1, 1) for value in (image_set.mean, image_set.std)
    )

    print(f"{circumstances()}, {runtime.describe(machine)['device']}")
    print(
        f"LeNet-5, {name}, {len(image_set):,} images, batches of {BATCH}; median of {ROUNDS} epochs, in turns\n"
    )
    started = time.perf_counter()
    pair = compare(
        {"bare loop": bare(images, labels, mean, std, device), "trainer": trained(name, root, device)},
        machine,
    )
    overhead = statistics.median(t / b for t, b in zip(pair["trainer"], pair["bare loop"], strict=True)) - 1
    loaders = {f"DataLoader, {n} workers": loaded(image_set, n, device) for n in (0, 2)}
    others = compare({"trainer again": trained(name, root, device), **loaders}, machine)
    for competitor, seconds in {**pair, **others}.items():
        median = statistics.median(seconds)
        print(f"{competitor:24s} {median:7.3f} s   {len(image_set) / median:10,.0f} images/s")
    usual = min(statistics.median(others[competitor]) for competitor in loaders)
    print(f"\ntrainer's overhead over the bare loop: {overhead:+.1%} (median of pairs; target at most 3 %)")
    print(
        f"usual loop over trainer: {usual / statistics.median(others['trainer again']):.2f} times the seconds"
    )
    print(f"measured in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
