"""Image sets: the embedded subsets as they ship, the full sets on small made-up files in torchvision's layout."""

import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import make_subsets
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import datasets

from cnncourse import data, download
from cnncourse.data import official

MINI = {"fashion_mnist_mini": (10_000, 2_000), "mnist_mini": (5_000, 1_000)}
STEMS = {"train": "train", "test": "t10k"}
NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No test sees the cache or data folder of whoever runs it, nor the network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CNNCOURSE_DATA", raising=False)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{NOWHERE}cifar-10-python.tar.gz")
    monkeypatch.setattr(datasets.CIFAR100, "url", f"{NOWHERE}cifar-100-python.tar.gz")


# ── Small made-up official files ─────────────────────────────────────────────────────────────────────────────────────


def md5(content):
    return hashlib.md5(content).hexdigest()


def idx(array):
    """The idx format written out: magic 0 0 8 ndim, big-endian sizes, bytes."""
    return (
        bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    )


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def idx_files(monkeypatch, dataset, train=60, test=20, seed=0):
    """The four .gz of a set of random 28×28 images, ten classes in turn, known to torchvision by their MD5."""
    rng = np.random.default_rng(seed)
    files = {}
    for stem, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.permutation(np.arange(count, dtype=np.uint8) % 10)
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(images), mtime=0)
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), mtime=0)
    monkeypatch.setattr(dataset, "resources", [(name, md5(content)) for name, content in files.items()])
    return files


def raw(dataset, files):
    return {f"{dataset.__name__}/raw/{name}": content for name, content in files.items()}


def cifar_files(monkeypatch, dataset, seed=0):
    """Pickled batches of four random images each and their meta file, and the archive of them all."""
    rng = np.random.default_rng(seed)
    fine = dataset is datasets.CIFAR100
    files = {}
    for name, _ in [*dataset.train_list, *dataset.test_list]:
        entry = {"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8)}
        if fine:
            entry |= {
                "fine_labels": rng.integers(0, 100, 4).tolist(),
                "coarse_labels": rng.integers(0, 20, 4).tolist(),
            }
        else:
            entry["labels"] = rng.integers(0, 10, 4).tolist()
        files[name] = pickle.dumps(entry)
    meta = {"label_names": [f"class {i}" for i in range(10)]}
    if fine:
        meta = {
            "fine_label_names": [f"fine {i}" for i in range(100)],
            "coarse_label_names": [f"coarse {i}" for i in range(20)],
        }
    files[dataset.meta["filename"]] = pickle.dumps(meta)

    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(
            dataset, attribute, [[name, md5(files[name])] for name, _ in getattr(dataset, attribute)]
        )
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": md5(files[dataset.meta["filename"]])})
    files = {f"{dataset.base_folder}/{name}": content for name, content in files.items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(dataset, "tgz_md5", md5(packed.getvalue()))
    return files, packed.getvalue()


@contextmanager
def server(files, truncate=(), stall=()):
    """http://127.0.0.1:PORT/ serving `files`; of those named in `truncate` only half arrives, `stall` falls silent."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            if name not in files:
                return self.send_error(404)
            content = files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in truncate or name in stall else content)
            self.wfile.flush()
            if name in stall:
                over.wait(30)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # a client that hangs up is no news
            pass

    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}/"
        finally:
            over.set()
            httpd.shutdown()
            thread.join()


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ── The embedded subsets ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", MINI)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_mini_set_has_its_size_and_equal_classes(name, split):
    images = data.load(name, split)
    count = MINI[name][split == "test"]
    assert len(images) == count
    assert images.images.shape == (count, 1, 28, 28) and images.images.dtype == torch.uint8
    assert images.labels.shape == (count,) and images.labels.dtype == torch.int64
    assert images.labels.bincount().tolist() == [count // 10] * 10
    assert images.images.is_contiguous()
    assert images.images.amin() == 0 and images.images.amax() == 255
    assert (images.name, images.split) == (name, split)


def test_class_names():
    assert data.load("fashion_mnist_mini").classes == tuple(datasets.FashionMNIST.classes)
    assert data.load("mnist_mini").classes == tuple("0123456789")


@pytest.mark.parametrize("name", MINI)
def test_mini_statistics_are_those_of_the_training_pixels_in_both_splits(name):
    train, test = data.load(name), data.load(name, "test")
    pixels = train.images.numpy().astype(np.float64) / 255
    assert train.mean == test.mean == pytest.approx((pixels.mean(),), rel=1e-12)
    assert train.std == test.std == pytest.approx((pixels.std(),), rel=1e-12)


@pytest.mark.parametrize("name", MINI)
def test_labels_belong_to_their_images(name):
    """The nearest class mean is right far more often than one time in ten."""
    train, test = data.load(name), data.load(name, "test")
    means = torch.stack([train.images[train.labels == c].double().mean(0) for c in range(10)])
    nearest = torch.cdist(test.images.double().flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == test.labels).double().mean() > 0.65


@pytest.mark.parametrize("name", MINI)
def test_the_manifest_tells_what_is_shipped(name):
    folder = data.EMBEDDED / name
    manifest = json.loads((folder / "manifest.json").read_text())
    name_of_all, train, test = make_subsets.SUBSETS[name]
    assert manifest["seed"] == make_subsets.SEED
    assert manifest["per_class"] == {"train": train, "test": test}
    assert manifest["official_md5"] == dict(getattr(datasets, official.OFFICIAL[name_of_all]).resources)

    seen = {}
    for split, limit in (("train", 60_000), ("test", 10_000)):
        assert (
            manifest["sha256"][f"{split}.npz"]
            == hashlib.sha256((folder / f"{split}.npz").read_bytes()).hexdigest()
        )
        with np.load(folder / f"{split}.npz") as arrays:
            indices = arrays["indices"]
            seen[split] = [image.tobytes() for image in arrays["images"]]
        assert len(indices) == len(seen[split])
        assert (np.diff(indices.astype(int)) > 0).all() and indices.max() < limit
    assert manifest["test_images_also_in_train"] == len(set(seen["train"]) & set(seen["test"])) == 0


@pytest.mark.parametrize("name", MINI)
def test_each_mini_set_ships_with_its_notice(name):
    notice = (data.EMBEDDED / name / "NOTICE.md").read_text()
    source = data.load(name).source
    if name == "mnist_mini":
        assert "https://creativecommons.org/licenses/by-sa/3.0/" in notice and "CC BY-SA 3.0" in source
    else:
        license = (data.EMBEDDED / name / "LICENSE").read_text()
        assert "2017 Zalando SE" in license and "Permission is hereby granted" in license and "MIT" in source
    assert "selection" in notice and "selection" in source


def test_the_embedded_sets_need_neither_torchvision_nor_a_home(tmp_path):
    code = (
        "import sys; from cnncourse import data; data.load('mnist_mini', 'test', root='/nowhere');"
        "assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=600)


def copy_of_embedded(monkeypatch, tmp_path):
    shutil.copytree(data.EMBEDDED / "mnist_mini", tmp_path / "embedded" / "mnist_mini")
    monkeypatch.setattr(data, "EMBEDDED", tmp_path / "embedded")
    return tmp_path / "embedded" / "mnist_mini"


@pytest.mark.parametrize("damage", ["altered", "truncated", "empty"])
def test_a_damaged_mini_file_is_named(monkeypatch, tmp_path, damage):
    path = copy_of_embedded(monkeypatch, tmp_path) / "test.npz"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes({"altered": content, "truncated": content[:-1], "empty": b""}[damage])
    with pytest.raises(
        RuntimeError, match=r"mnist_mini.test\.npz is truncated or altered.*install the package again"
    ):
        data.load("mnist_mini", "test")
    assert len(data.load("mnist_mini")) == 5000  # the other file is not affected


@pytest.mark.parametrize("file", ["test.npz", "manifest.json"])
def test_a_missing_mini_file_is_named(monkeypatch, tmp_path, file):
    (copy_of_embedded(monkeypatch, tmp_path) / file).unlink()
    with pytest.raises(RuntimeError, match=rf"mnist_mini is not whole.*{file}.*install the package again"):
        data.load("mnist_mini", "test")


# ── Full sets, read ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name, dataset", [("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)]
)
def test_idx_sets_are_read_as_torchvision_reads_them(monkeypatch, tmp_path, name, dataset):
    write(tmp_path, raw(dataset, idx_files(monkeypatch, dataset)))
    ours = {split: data.load(name, split, root=tmp_path) for split in STEMS}
    for split in STEMS:
        theirs = dataset(
            tmp_path, train=split == "train", download=True
        )  # unpacks what lies there, fetches nothing
        assert torch.equal(ours[split].images, theirs.data.unsqueeze(1))
        assert torch.equal(ours[split].labels, theirs.targets)
        assert ours[split].images.dtype == torch.uint8 and ours[split].labels.dtype == torch.int64
    pixels = ours["train"].images.numpy() / 255
    assert ours["test"].mean == ours["train"].mean == pytest.approx((pixels.mean(),))
    assert ours["test"].std == ours["train"].std == pytest.approx((pixels.std(),))
    assert len(ours["train"]) == 60 and len(ours["test"]) == 20
    assert ours["train"].classes[1] == ("1" if name == "mnist" else "Trouser")


@pytest.mark.parametrize("name, dataset", [("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)])
@pytest.mark.parametrize("form", ["files", "archive"])
def test_cifar_is_read_as_torchvision_reads_it(monkeypatch, tmp_path, name, dataset, form):
    files, archive = cifar_files(monkeypatch, dataset)
    write(tmp_path, files if form == "files" else {dataset.filename: archive})
    ours = {split: data.load(name, split, root=tmp_path) for split in STEMS}
    assert left_in(tmp_path) == sorted(
        files if form == "files" else [dataset.filename]
    )  # reading writes nothing

    write(tmp_path, files)
    for split in STEMS:
        theirs = dataset(tmp_path, train=split == "train")
        assert np.array_equal(ours[split].images.permute(0, 2, 3, 1).numpy(), theirs.data)
        assert ours[split].labels.tolist() == theirs.targets
        assert ours[split].classes == tuple(theirs.classes)
    pixels = ours["train"].images.numpy() / 255
    assert ours["test"].mean == pytest.approx(tuple(pixels.mean((0, 2, 3))))
    assert ours["test"].std == pytest.approx(tuple(pixels.std((0, 2, 3))))


@pytest.mark.parametrize("form", ["files", "archive"])
def test_a_part_of_cifar10_needs_only_its_files(monkeypatch, tmp_path, form):
    files, archive = cifar_files(monkeypatch, datasets.CIFAR10)
    base = datasets.CIFAR10.base_folder
    kept = [f"{base}/{name}" for name in ("data_batch_1", "test_batch", "batches.meta")]
    write(
        tmp_path,
        {name: files[name] for name in kept} if form == "files" else {"cifar-10-python.tar.gz": archive},
    )
    train, test = (data.load("cifar10_part", split, root=tmp_path) for split in STEMS)
    for ours, name in ((train, kept[0]), (test, kept[1])):
        entry = pickle.loads(files[name])
        assert np.array_equal(ours.images.flatten(1).numpy(), entry["data"])
        assert ours.labels.tolist() == entry["labels"] and ours.classes == tuple(
            f"class {i}" for i in range(10)
        )
        assert "first training file only" in ours.source and ours.name == "cifar10_part"
    pixels = train.images.numpy() / 255
    assert test.mean == train.mean == pytest.approx(tuple(pixels.mean((0, 2, 3))))
    assert test.std == pytest.approx(tuple(pixels.std((0, 2, 3))))

    write(tmp_path, files)
    whole = data.load("cifar10", root=tmp_path)  # its statistics are its own
    assert len(whole) == 20 and whole.mean != train.mean and "first training file" not in whole.source
    assert torch.equal(whole.images[:4], train.images)


def test_a_download_for_the_part_serves_the_whole(monkeypatch, tmp_path):
    files, archive = cifar_files(monkeypatch, datasets.CIFAR10)
    with server({datasets.CIFAR10.filename: archive}) as url:
        monkeypatch.setattr(datasets.CIFAR10, "url", url + datasets.CIFAR10.filename)
        assert len(data.load("cifar10_part", root=tmp_path / "root")) == 4
    assert left_in(tmp_path / "root") == sorted(files)
    assert len(data.load("cifar10", root=tmp_path / "root")) == 20


def test_coarse_labels_have_the_coarse_names(monkeypatch, tmp_path):
    files, _ = cifar_files(monkeypatch, datasets.CIFAR100)
    write(tmp_path, files)
    fine, coarse = (data.load(name, "test", root=tmp_path) for name in ("cifar100", "cifar100_coarse"))
    entry = pickle.loads(files["cifar-100-python/test"])
    assert coarse.labels.tolist() == entry["coarse_labels"] != entry["fine_labels"] == fine.labels.tolist()
    assert coarse.classes == tuple(f"coarse {i}" for i in range(20)) and len(fine.classes) == 100
    assert torch.equal(fine.images, coarse.images)


def test_folders_are_searched_in_order(monkeypatch, tmp_path):
    """root, then $CNNCOURSE_DATA, then the cache; a folder that lacks one file is passed over."""
    cache = tmp_path / "xdg" / "cnncourse"
    files = idx_files(monkeypatch, datasets.MNIST)
    write(cache, raw(datasets.MNIST, files))
    assert len(data.load("mnist", root=tmp_path / "root")) == 60

    # The content tells which folder was read: each has its own damage.
    damaged = {name: content[:-1] for name, content in files.items()}
    write(tmp_path / "shared", raw(datasets.MNIST, damaged))
    monkeypatch.setenv("CNNCOURSE_DATA", str(tmp_path / "shared"))
    with pytest.raises(RuntimeError, match="shared"):
        data.load("mnist", root=tmp_path / "root")
    write(tmp_path / "root", raw(datasets.MNIST, damaged))
    with pytest.raises(RuntimeError, match=r"root.MNIST"):
        data.load("mnist", root=tmp_path / "root")
    (tmp_path / "root/MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "shared/MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    assert len(data.load("mnist", root=str(tmp_path / "root"))) == 60


def test_the_cache_is_in_the_home_folder_without_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for value in ("", "relative/cache"):  # the specification has relative paths ignored
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert official._places(None) == [tmp_path / ".cache" / "cnncourse"]
    assert official._places("~/mine")[0] == tmp_path / "mine"


@pytest.mark.parametrize("damage", ["truncated", "altered", "altered and packed again"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_a_damaged_idx_file_is_named(monkeypatch, tmp_path, damage, file):
    files = idx_files(monkeypatch, datasets.MNIST)
    content = bytearray(gzip.decompress(files[file]))
    content[-1] ^= 1
    files[file] = {
        "truncated": files[file][: len(files[file]) // 2],
        "altered": files[file][:-1] + b"!",
        "altered and packed again": gzip.compress(content),
    }[damage]
    write(tmp_path, raw(datasets.MNIST, files))
    with pytest.raises(RuntimeError, match=rf"{file} is truncated or altered .*delete it"):
        data.load("mnist", root=tmp_path)
    assert (tmp_path / "MNIST/raw" / file).exists()  # whoever put it there decides


def test_unpacked_and_repacked_copies_are_read_by_their_content(monkeypatch, tmp_path):
    files = idx_files(monkeypatch, datasets.MNIST)
    write(tmp_path / "official", raw(datasets.MNIST, files))
    whole = data.load("mnist", root=tmp_path / "official")
    write(
        tmp_path / "unpacked",
        raw(datasets.MNIST, {name[:-3]: gzip.decompress(c) for name, c in files.items()}),
    )
    write(
        tmp_path / "repacked",
        raw(datasets.MNIST, {n: gzip.compress(gzip.decompress(c), 1) for n, c in files.items()}),
    )
    for folder in ("unpacked", "repacked"):
        with pytest.raises(RuntimeError, match="truncated or altered"):  # not known yet
            data.load("mnist", root=tmp_path / folder)

    for content in files.values():
        monkeypatch.setitem(official._CONTENT_MD5, md5(content), md5(gzip.decompress(content)))
    for folder in ("unpacked", "repacked"):
        assert torch.equal(data.load("mnist", root=tmp_path / folder).images, whole.images)
    path = tmp_path / "unpacked/MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(RuntimeError, match="train-labels-idx1-ubyte is truncated or altered"):
        data.load("mnist", root=tmp_path / "unpacked")


def test_content_is_known_for_every_official_file():
    resources = [*datasets.MNIST.resources, *datasets.FashionMNIST.resources]
    assert set(official._CONTENT_MD5) == {md5 for _, md5 in resources}
    assert len(set(official._CONTENT_MD5.values())) == 8


@pytest.mark.parametrize("file", ["data_batch_3", "batches.meta"])
def test_a_damaged_cifar_file_is_named(monkeypatch, tmp_path, file):
    files, archive = cifar_files(monkeypatch, datasets.CIFAR10)
    path = f"cifar-10-batches-py/{file}"
    write(tmp_path, files | {path: files[path][:-20]})
    with pytest.raises(RuntimeError, match=f"{file} is truncated or altered"):
        data.load("cifar10", root=tmp_path)
    write(tmp_path / "packed", {"cifar-10-python.tar.gz": archive[:-9]})
    with pytest.raises(RuntimeError, match=r"cifar-10-python\.tar\.gz is truncated or altered"):
        data.load("cifar10", root=tmp_path / "packed")


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("place", ["file", "archive"])
def test_nothing_is_unpickled_before_it_is_checked(monkeypatch, tmp_path, place):
    files, _ = cifar_files(monkeypatch, datasets.CIFAR100)
    files["cifar-100-python/train"] = pickle.dumps(Trap(tmp_path / "sprung"))
    write(tmp_path, files)
    if place == "archive":
        with tarfile.open(tmp_path / "cifar-100-python.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "cifar-100-python", "cifar-100-python")
        shutil.rmtree(tmp_path / "cifar-100-python")
    with pytest.raises(RuntimeError, match="is truncated or altered"):
        data.load("cifar100", root=tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_training_file_is_also_named_for_the_test_split(monkeypatch, tmp_path):
    """The statistics are the training split's, so a test split is not given with statistics of damaged files."""
    files = idx_files(monkeypatch, datasets.MNIST, seed=77)
    name = "train-images-idx3-ubyte.gz"
    write(tmp_path, raw(datasets.MNIST, files | {name: files[name][:-1]}))
    with pytest.raises(RuntimeError, match=name):
        data.load("mnist", "test", root=tmp_path)


# ── What a set is, without its pictures ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", MINI)
def test_the_spec_of_a_mini_set_needs_its_manifest_alone(monkeypatch, tmp_path, name):
    test = data.load(name, "test")
    shutil.copytree(data.EMBEDDED / name, tmp_path / name, ignore=shutil.ignore_patterns("*.npz"))
    monkeypatch.setattr(data, "EMBEDDED", tmp_path)
    spec = data.spec(name)
    assert spec == data.Spec(test.classes, 1, 28) and (spec.channels, spec.side, spec.side) == test.shape


@pytest.mark.parametrize(
    "name, dataset", [("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)]
)
def test_the_spec_of_an_idx_set_needs_no_file(monkeypatch, tmp_path, name, dataset):
    spec = data.spec(name, root=tmp_path)
    assert left_in(tmp_path) == []
    write(tmp_path, raw(dataset, idx_files(monkeypatch, dataset)))
    test = data.load(name, "test", root=tmp_path)
    assert spec == data.Spec(test.classes, 1, 28) and (spec.channels, spec.side, spec.side) == test.shape


@pytest.mark.parametrize(
    "name, dataset, classes",
    [
        ("cifar10", datasets.CIFAR10, 10),
        ("cifar10_part", datasets.CIFAR10, 10),
        ("cifar100", datasets.CIFAR100, 100),
        ("cifar100_coarse", datasets.CIFAR100, 20),
    ],
)
def test_the_spec_of_cifar_is_in_its_small_file(monkeypatch, tmp_path, name, dataset, classes):
    files, archive = cifar_files(monkeypatch, dataset)
    small = f"{dataset.base_folder}/{dataset.meta['filename']}"
    write(tmp_path / "empty", {file: files[file] if file == small else b"" for file in files})
    write(tmp_path / "whole", files)
    spec, test = data.spec(name, root=tmp_path / "empty"), data.load(name, "test", root=tmp_path / "whole")
    assert spec == data.Spec(test.classes, 3, 32) and len(spec.classes) == classes
    assert (spec.channels, spec.side, spec.side) == test.shape

    with server({dataset.filename: archive}) as url:  # nowhere: downloaded with the set
        monkeypatch.setattr(dataset, "url", url + dataset.filename)
        assert data.spec(name, root=tmp_path / "new") == spec
    assert left_in(tmp_path / "new") == sorted(files)
    write(tmp_path / "empty", {small: files[small][:-3]})
    with pytest.raises(RuntimeError, match=f"{dataset.meta['filename']} is truncated or altered"):
        data.spec(name, root=tmp_path / "empty")


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"name": "minst"}, ValueError, "name must be .* got 'minst'.*nearest is 'mnist'"),
        ({"name": None}, TypeError, "name must be .* got None"),
        ({"name": "mnist", "root": 3}, TypeError, "root must be a path, got 3"),
        ({"name": "folder"}, ValueError, "root must be given for folder"),
    ],
)
def test_spec_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        data.spec(**arguments)


# ── Full sets, downloaded ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["root", "cache"])
def test_idx_files_are_downloaded_once(monkeypatch, tmp_path, where):
    files = idx_files(monkeypatch, datasets.FashionMNIST)
    root = tmp_path / "root" if where == "root" else None
    folder = root or tmp_path / "xdg" / "cnncourse"
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("CNNCOURSE_DATA", str(tmp_path / "shared"))
    with server(files) as url:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [url])
        train = data.load("fashion_mnist", root=root)
    assert left_in(tmp_path) == sorted(
        str((folder / name).relative_to(tmp_path)) for name in raw(datasets.FashionMNIST, files)
    )
    assert len(data.load("fashion_mnist", "test", root=root)) == 20  # the server is gone
    theirs = datasets.FashionMNIST(folder, download=True)
    assert torch.equal(train.images.squeeze(1), theirs.data)


@pytest.mark.parametrize(
    "name, dataset", [("cifar10", datasets.CIFAR10), ("cifar100_coarse", datasets.CIFAR100)]
)
def test_cifar_is_downloaded_and_unpacked(monkeypatch, tmp_path, name, dataset):
    files, archive = cifar_files(monkeypatch, dataset)
    with server({dataset.filename: archive}) as url:
        monkeypatch.setattr(dataset, "url", url + dataset.filename)
        train = data.load(name, root=tmp_path / "root")
    assert left_in(tmp_path / "root") == sorted(files)
    theirs = dataset(tmp_path / "root", download=True)
    assert np.array_equal(train.images.permute(0, 2, 3, 1).numpy(), theirs.data)


def test_only_what_is_missing_is_downloaded(monkeypatch, tmp_path):
    files = idx_files(monkeypatch, datasets.MNIST)
    last = "t10k-labels-idx1-ubyte.gz"
    write(tmp_path, raw(datasets.MNIST, {name: content for name, content in files.items() if name != last}))
    with server({last: files[last]}) as url:  # it has nothing else
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        assert len(data.load("mnist", "test", root=tmp_path)) == 20


@pytest.mark.parametrize("first", ["down", "404", "truncated", "altered"])
def test_the_second_mirror_helps(monkeypatch, tmp_path, first):
    files = idx_files(monkeypatch, datasets.MNIST)
    bad = {"404": {}, "truncated": files}.get(
        first, {name: content[:-1] + b"!" for name, content in files.items()}
    )
    with server(bad, truncate=files if first == "truncated" else ()) as broken, server(files) as good:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [NOWHERE if first == "down" else broken, good])
        assert len(data.load("mnist", root=tmp_path / "root")) == 60
    assert left_in(tmp_path / "root") == sorted(raw(datasets.MNIST, files))


@pytest.mark.parametrize(
    "fault, words",
    [
        ("down", "refused"),
        ("404", "404"),
        ("truncated", r"\d bytes read, \d+ more expected"),
        ("altered", "arrived truncated or altered"),
        ("silent", "timed out"),
    ],
)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_failed_download_is_one_sentence_and_leaves_nothing(monkeypatch, tmp_path, name, fault, words):
    if name == "mnist":
        files, wanted = idx_files(monkeypatch, datasets.MNIST), "train-labels-idx1-ubyte.gz"
    else:
        wanted = datasets.CIFAR10.filename
        files = {wanted: cifar_files(monkeypatch, datasets.CIFAR10)[1]}
    good = files[wanted]
    served = {
        "404": {key: content for key, content in files.items() if key != wanted},
        "altered": files | {wanted: good[:-1] + b"!"},
    }.get(fault, files)
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    with server(
        served, truncate=[wanted] if fault == "truncated" else [], stall=[wanted] if fault == "silent" else []
    ) as url:
        url = NOWHERE if fault == "down" else url
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        monkeypatch.setattr(datasets.CIFAR10, "url", url + datasets.CIFAR10.filename)
        with pytest.raises(RuntimeError, match=words) as caught:
            data.load(name, root=tmp_path / "root")
    message = str(caught.value)
    missing = "train-images-idx3-ubyte.gz" if fault == "down" and name == "mnist" else wanted
    assert f"{missing} could not be downloaded" in message and url in message
    assert "check the network" in message and "fashion_mnist_mini" in message and "\n" not in message
    assert not any(wanted in path for path in left_in(tmp_path))


def test_every_mirror_has_its_own_reason(monkeypatch, tmp_path):
    files = idx_files(monkeypatch, datasets.MNIST)
    with server(files, truncate=files) as url:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url, NOWHERE])
        with pytest.raises(RuntimeError, match="could not be downloaded") as caught:
            data.load("mnist", root=tmp_path)
    first, second = str(caught.value).split(NOWHERE)
    assert "more expected" in first and "refused" in second and "expected" not in second


def test_an_interrupted_download_leaves_nothing(monkeypatch, tmp_path):
    files = idx_files(monkeypatch, datasets.MNIST)

    def interrupted(response, chunk_size):
        yield b"half"
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.Response.iter_content", interrupted)
    with server(files) as url, pytest.raises(KeyboardInterrupt):
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        data.load("mnist", root=tmp_path / "root")
    assert left_in(tmp_path) == []


def test_a_set_that_is_nowhere_says_where_it_was_looked_for(monkeypatch, tmp_path):
    files, _ = cifar_files(monkeypatch, datasets.CIFAR10)
    del files["cifar-10-batches-py/data_batch_2"]
    write(tmp_path / "root", files)
    monkeypatch.setenv("CNNCOURSE_DATA", str(tmp_path / "shared"))
    with pytest.raises(RuntimeError, match="not whole") as caught:
        data.load("cifar10", "test", root=tmp_path / "root")
    for words in ("root", "shared", "cnncourse", "lacks data_batch_2)", "cifar-10-python.tar.gz"):
        assert words in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RuntimeError, match=r"file.MNIST.raw.*cannot be written"):
        data.load("mnist", root=tmp_path / "file")


# ── Arguments, the dataclass, the statistics ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name, nearest",
    [
        ("fashion_minst", "fashion_mnist"),
        ("MNIST", "mnist'"),
        ("CIFAR-10", "cifar10"),
        ("FashionMNIST", "fashion_mnist"),
        ("", ""),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name, nearest):
    with pytest.raises(ValueError, match=f"name must be .* got '{name}'.*nearest is '{nearest}") as caught:
        data.load(name)
    assert all(known in str(caught.value) for known in data.names())


def test_names():
    assert data.names() == (
        "fashion_mnist_mini", "mnist_mini", "fashion_mnist", "mnist", "cifar10", "cifar10_part", "cifar100",
        "cifar100_coarse", "folder",
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"name": 3}, TypeError, "name must be .* got 3"),
        ({"name": None}, TypeError, "name must be .* got None"),
        (
            {"name": "mnist_mini", "split": "valid"},
            ValueError,
            "split must be one of train, test.* got 'valid'",
        ),
        ({"name": "mnist_mini", "split": True}, TypeError, "split must be .* got True"),
        ({"name": "mnist_mini", "root": 3}, TypeError, "root must be a path, got 3"),
        ({"name": "mnist", "root": b"x"}, TypeError, "root must be a path, got b'x'"),
    ],
)
def test_load_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        data.load(**arguments)


def small(**changes):
    fields = {
        "images": torch.zeros(4, 3, 2, 2, dtype=torch.uint8),
        "labels": torch.tensor([0, 1, 1, 1]),
        "classes": ("cat", "dog"),
        "mean": (0.1, 0.2, 0.3),
        "std": (1.0, 1.0, 1.0),
        "source": "Made up.",
    }
    return data.ImageSet(**(fields | changes))


def test_an_image_set_describes_itself():
    text = repr(small(name="pets", split="test"))
    for words in (
        "pets, test: 4 images of 3×2×2",
        "2 classes, 1 to 3 each: cat, dog",
        "0.1000, 0.2000",
        "Made up.",
    ):
        assert words in text
    assert "20 classes" in repr(small(classes=tuple(f"c{i}" for i in range(20)))) and len(small()) == 4
    with pytest.raises(AttributeError):
        small().mean = (0.0,)


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"images": torch.zeros(4, 3, 2, 2)},
            r"images must be a uint8 tensor.* got a float32 tensor \(4, 3, 2, 2\)",
        ),
        (
            {"images": torch.zeros(4, 2, 2, dtype=torch.uint8)},
            r"images must be .* got a uint8 tensor \(4, 2, 2\)",
        ),
        ({"images": np.zeros((4, 3, 2, 2), np.uint8)}, "images must be .* got a ndarray"),
        (
            {"labels": torch.tensor([0, 1, 1])},
            r"labels must be an int64 tensor \(4,\).* got a int64 tensor \(3,\)",
        ),
        ({"labels": torch.tensor([0, 1, 1, 1], dtype=torch.uint8)}, "labels must be .* got a uint8 tensor"),
        ({"labels": torch.tensor([0, 1, 1, 2])}, "labels must lie in 0 … 1, .* got 0 to 2"),
        ({"labels": torch.tensor([0, 1, 1, -1])}, "labels must lie in 0 … 1, .* got -1 to 1"),
        ({"mean": (0.1,)}, "mean must have 3 values, one per channel, got 1"),
        ({"std": (0.1,) * 4}, "std must have 3 values, one per channel, got 4"),
    ],
)
def test_an_image_set_refuses_what_does_not_fit(changes, words):
    with pytest.raises(ValueError, match=words):
        small(**changes)


def test_mean_and_std_by_hand():
    images = torch.tensor([0, 0, 255, 255, 51, 51, 51, 51], dtype=torch.uint8).reshape(1, 2, 2, 2)
    mean, std = data.mean_and_std(images)
    assert mean == pytest.approx((1 / 2, 1 / 5)) and std == pytest.approx((1 / 2, 0), abs=1e-15)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_mean_and_std_agree_with_numpy(n, c, h, w, seed):
    array = np.random.default_rng(seed).integers(0, 256, (n, c, h, w), dtype=np.uint8)
    mean, std = data.mean_and_std(torch.from_numpy(array))
    assert mean == pytest.approx((array / 255).mean((0, 2, 3)))
    assert std == pytest.approx((array / 255).std((0, 2, 3)), abs=1e-9)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 1, 2, 2),
        torch.zeros(2, 2, dtype=torch.uint8),
        torch.zeros(0, 1, 2, 2, dtype=torch.uint8),
        [1],
    ],
)
def test_mean_and_std_refuses(images):
    with pytest.raises(
        ValueError, match=r"images must be a uint8 tensor \(N, C, H, W\) that is not empty, got a "
    ):
        data.mean_and_std(images)


# ── The script that made the subsets ─────────────────────────────────────────────────────────────────────────────────


def test_the_script_makes_the_same_bytes_again(monkeypatch, tmp_path, capsys):
    files = idx_files(monkeypatch, datasets.MNIST, train=600)
    write(tmp_path / "official", files)
    monkeypatch.setitem(make_subsets.SUBSETS, "mnist_mini", ("mnist", 4, 2))
    for out in ("one/mnist_mini", "two/mnist_mini"):
        make_subsets.main(["mnist_mini", str(tmp_path / "official"), "--out", str(tmp_path / out)])
    one, two = tmp_path / "one/mnist_mini", tmp_path / "two/mnist_mini"
    assert left_in(one) == ["manifest.json", "test.npz", "train.npz"]
    for name in left_in(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert hashlib.sha256((one / "test.npz").read_bytes()).hexdigest() in capsys.readouterr().out

    assert json.loads((one / "manifest.json").read_text())["seed"] == make_subsets.SEED

    # What was written is a stratified selection of the official files, and loads like what ships.
    monkeypatch.setattr(data, "EMBEDDED", tmp_path / "one")
    for split, each in (("train", 4), ("test", 2)):
        whole = np.frombuffer(gzip.decompress(files[f"{STEMS[split]}-images-idx3-ubyte.gz"])[16:], np.uint8)
        labels = np.frombuffer(gzip.decompress(files[f"{STEMS[split]}-labels-idx1-ubyte.gz"])[8:], np.uint8)
        with np.load(one / f"{split}.npz") as arrays:
            indices = arrays["indices"]
        subset = data.load("mnist_mini", split)
        assert np.array_equal(subset.images.numpy()[:, 0], whole.reshape(-1, 28, 28)[indices])
        assert np.array_equal(subset.labels.numpy(), labels[indices])
        assert subset.labels.bincount().tolist() == [each] * 10


def test_the_script_refuses_altered_files_and_impossible_draws(monkeypatch, tmp_path):
    files = idx_files(monkeypatch, datasets.MNIST)
    write(tmp_path, files)
    monkeypatch.setitem(make_subsets.SUBSETS, "mnist_mini", ("mnist", 7, 2))
    with pytest.raises(ValueError, match="per_class is 7, but class 0 has 6 images"):
        make_subsets.make("mnist_mini", tmp_path, tmp_path / "out")
    name = "t10k-images-idx3-ubyte.gz"
    write(tmp_path, {name: files[name][:-1]})
    monkeypatch.setitem(make_subsets.SUBSETS, "mnist_mini", ("mnist", 4, 2))
    with pytest.raises(RuntimeError, match=f"{name} is truncated or altered"):
        make_subsets.make("mnist_mini", tmp_path, tmp_path / "out")


def test_draws_depend_on_the_seed_alone():
    labels = np.tile(np.arange(10), 50)
    first, again, other = (make_subsets.draw(labels, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.bincount(labels[first]).tolist() == [5] * 10 and (np.diff(first) > 0).all()
