"""What machine this is: names of devices, precisions, seeds, sums over processes, and what a record says of it."""

import json
import math
import subprocess
import time

import pytest
import torch

from cnncourse import runtime


def settings():
    """What torch's arithmetic depends on and a machine changes."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.get_num_threads(),
    )


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_one_process_is_the_first_of_one(no_gpu):
    machine = runtime.start()
    assert (machine.device, machine.precision) == (torch.device("cpu"), "float32")
    assert (machine.rank, machine.world, machine.first) == (0, 1, True)
    assert machine.wide == torch.float64
    runtime.finish()  # nothing to leave: no error


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "", "cpu gpu", "meta", None, 3.5])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ValueError, match=r"device must be \"auto\", \"cpu\", \"cuda\".* got .*"):
        runtime.start(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_here_is_refused(no_gpu, name):
    with pytest.raises(RuntimeError, match=f'device is "{name}" and this machine has no') as error:
        runtime.start(name)
    assert "use device=auto or device=cpu" in str(error.value)


def test_the_ninth_gpu_of_two_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RuntimeError, match='device is "cuda:8" and this machine has 2 CUDA devices'):
        runtime.start("cuda:8")


def test_auto_prefers_the_gpu_of_the_local_rank(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert runtime.start().device == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert runtime.start().device == runtime.start("cuda").device == torch.device("cuda", 1)
    assert runtime.start("cuda:0").device == torch.device("cuda", 0)
    assert chosen == [torch.device("cuda", k) for k in (0, 1, 1, 0)]


def test_an_unknown_precision_is_refused():
    with pytest.raises(
        ValueError, match=r"precision must be one of float32, bfloat16, float16.* got 'float8'"
    ):
        runtime.start("cpu", precision="float8")


@pytest.mark.parametrize("precision", runtime.PRECISIONS)
def test_layers_compute_in_the_precision(precision):
    machine = runtime.start("cpu", precision=precision)
    with machine.autocast():
        out = torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3))
    assert out.dtype == runtime.PRECISIONS[precision]
    assert machine.scaler().is_enabled() == (precision == "float16")


def test_settings_hold_at_work_and_are_put_back():
    before = settings()
    exact = runtime.start("cpu", deterministic=True, threads=3)
    usual = runtime.start("cpu")
    assert settings() == before  # a machine that was started changes nothing yet
    with exact.at_work():
        assert settings() == (True, False, 3)
        with usual.at_work():
            assert settings() == (False, True, 1)
        assert settings() == (True, False, 3)
    assert settings() == before
    with pytest.raises(KeyboardInterrupt), exact.at_work():
        raise KeyboardInterrupt
    assert settings() == before


def test_sums_of_one_process_are_its_own_numbers():
    machine = runtime.start("cpu")
    total = machine.sum(3, torch.tensor(0.5), 2**40 + 1)
    assert total.tolist() == [3.0, 0.5, 2**40 + 1] and total.dtype == torch.float64
    assert machine.smallest(7) == 7.0
    assert machine.parallel(model := torch.nn.Linear(1, 1)) is model


def test_seeds_repeat_and_do_not_resemble_each_other():
    def drawn(*numbers):
        runtime.seed(*numbers)
        return torch.rand(1000)

    assert torch.equal(drawn(1, 2, 3), drawn(1, 2, 3))
    streams = [
        drawn(*n) for n in ((0,), (1,), (0, 0), (0, 1), (1, 0), (0, 1, 0), (0, 0, 1), (2**63,), (2**64 + 5,))
    ]
    correlation = torch.corrcoef(torch.stack(streams)) - torch.eye(len(streams))
    assert correlation.abs().max() < 0.15  # 0.032 is one standard deviation
    runtime.seed(0)
    # splitmix64's first number from the state 0 is published with it: 0xE220A8397B1DCDAF.
    assert torch.initial_seed() % 2**64 == 0xE220A8397B1DCDAF


def test_a_stopwatch_counts_seconds():
    watch = runtime.Stopwatch(runtime.start("cpu"))
    time.sleep(0.02)
    assert 0.02 <= watch.seconds() <= watch.seconds() < 600


def test_a_record_says_where_it_was_measured():
    found = runtime.describe(runtime.start("cpu"))
    assert list(found) == [
        *("device", "processes", "threads", "python", "torch", "torchvision", "numpy", "system", "commit")
    ]
    assert json.loads(json.dumps(found)) == found
    assert found["device"].startswith("CPU (") and found["processes"] == 1
    assert found["torch"] == torch.__version__
    assert found["commit"] is None or len(found["commit"].rstrip("+")) == 12


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert runtime.describe(runtime.start("cpu"))["commit"] is None


@pytest.mark.parametrize("changed", [None, "cnncourse/runtime.py", "recipes/quick.yaml", "README.md"])
def test_a_commit_says_when_package_or_recipes_were_changed(monkeypatch, tmp_path, changed):
    """Also a recipe that is not committed at all; what else lies there does not count."""
    for name in ("cnncourse/runtime.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("committed\n")

    def git(*words):
        who = ("-c", "user.name=n", "-c", "user.email=e")
        answer = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "First")
    if changed:
        (tmp_path / changed).parent.mkdir(exist_ok=True)
        (tmp_path / changed).write_text("changed\n")
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "cnncourse" / "runtime.py"))
    expected = git("rev-parse", "HEAD")[:12] + ("" if changed in (None, "README.md") else "+")
    assert runtime.describe(runtime.start("cpu"))["commit"] == expected


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/usr/bin/cnncourse", "cnncourse train r.yaml"),
        ("/somewhere/cnncourse/__main__.py", "cnncourse train r.yaml"),
        ("benchmarks/training.py", "python training.py train r.yaml"),
    ],
)
def test_the_command_is_what_a_reader_would_type(monkeypatch, program, shown):
    monkeypatch.setattr("sys.argv", [program, "train", "r.yaml"])
    assert runtime.command() == shown


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [
        (1234.5678, 6, 1234.57),
        (0.000123456789, 3, 0.000123),
        (-2.4e-9, 1, -2e-9),
        (0.0, 6, 0.0),
        (7, 2, 7),
        ("a", 2, "a"),
    ],
)
def test_significant_digits(value, digits, rounded):
    assert runtime.significant(value, digits) == rounded
    assert type(runtime.significant(value, digits)) is type(value)


def test_what_is_not_finite_is_not_rounded():
    assert math.isnan(runtime.significant(math.nan)) and runtime.significant(math.inf) == math.inf
