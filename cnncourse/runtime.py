"""What machine is this? Device, precision, seeds, processes, time: the only file of the package that asks.

    machine = start("auto", precision="bfloat16")       # a Machine; also when torchrun started several processes
    with machine.autocast(): logits = model(images)

One process is rank 0 of 1, so the same lines serve a laptop, one GPU and several.
"""

import contextlib
import datetime
import math
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# A process that waits this long for another one has lost it.
PATIENCE = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Machine:
    """One process's share of the machine: its device, its precision, and which of how many processes it is."""

    device: torch.device
    precision: str = "float32"
    rank: int = 0
    world: int = 1
    deterministic: bool = False
    threads: int = 1

    @property
    def first(self):
        """True in the one process that prints and writes files."""
        return self.rank == 0

    @property
    def wide(self):
        """The widest floating-point type of the device, for sums."""
        return wide(self.device)

    @contextlib.contextmanager
    def at_work(self):
        """The context in which torch computes as this machine was started; afterwards its settings are as before."""
        threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
        deterministic = torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(self.threads)
        torch.backends.cudnn.benchmark = not self.deterministic
        torch.use_deterministic_algorithms(self.deterministic)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = benchmark
            torch.use_deterministic_algorithms(deterministic)

    def autocast(self):
        """The context in which layers compute in the chosen precision; float32 leaves everything as it is."""
        return torch.autocast(
            self.device.type, PRECISIONS[self.precision], enabled=self.precision != "float32"
        )

    def scaler(self):
        """Loss scaling for float16, whose smallest gradients would vanish; for the other precisions it does nothing."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")

    def sum(self, *numbers):
        """Each number summed over all processes, as one tensor on the device."""
        total = torch.stack([torch.as_tensor(n, dtype=self.wide, device=self.device) for n in numbers])
        if self.world > 1:
            torch.distributed.all_reduce(total)
        return total

    def longest(self, names):
        """The longest of the processes' lists."""
        if self.world == 1:
            return names
        lists = [None] * self.world
        torch.distributed.all_gather_object(lists, names)
        return max(lists, key=len)

    def smallest(self, number):
        """The smallest of the processes' numbers."""
        least = torch.tensor(float(number), dtype=self.wide, device=self.device)
        if self.world > 1:
            torch.distributed.all_reduce(least, torch.distributed.ReduceOp.MIN)
        return least.item()

    def parallel(self, model):
        """The model as the processes share it: gradients averaged, batch statistics too where the device is a GPU."""
        if self.world == 1:
            return model
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return torch.nn.parallel.DistributedDataParallel(model, [self.device.index] if on_gpu else None)

    def share(self, model):
        """Give every process the first one's running statistics, so that all measure the model that is saved."""
        if self.world > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)

    def wait(self):
        """Until the device has finished what it was given: before a clock is read."""
        if self.device.type in ("cuda", "mps"):
            getattr(torch, self.device.type).synchronize()


def start(device="auto", *, precision="float32", deterministic=False, threads=1):
    """The `Machine` for this process; joins the others when torchrun started several.

    device         "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps"
    precision      "float32", "bfloat16", or "float16" (with loss scaling)
    deterministic  only algorithms that give the same bits at every run; slower on a GPU
    threads        of the processor for torch's arithmetic: where another program runs too, a small network trains
                   several times slower on two than on one

    An unknown name: ValueError. A device that this machine lacks: RuntimeError.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    chosen = _device(device)
    if deterministic and chosen.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    return Machine(chosen, precision, rank, world, bool(deterministic), threads)


def wide(device):
    """The widest floating-point type that a device has: MPS has no float64."""
    return torch.float32 if torch.device(device).type == "mps" else torch.float64


def finish():
    """Leave the group of processes, if there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _device(name):
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        if int(os.environ.get("WORLD_SIZE", 1)) > 1 and name == "mps":
            name = "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f'device must be "auto", "cpu", "cuda", "cuda:0" … or "mps", got {name!r}')
    if device.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", 0)) if device.index is None else device.index
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if index >= count:
            found = f"{count} CUDA device{'s' if count > 1 else ''}" if count else "no CUDA device"
            raise RuntimeError(
                f'device is "{name}" and this machine has {found}: use device=auto or device=cpu'
            )
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RuntimeError('device is "mps" and this machine has none: use device=auto or device=cpu')
    return device


def seed(number, *more):
    """Seed torch's generators, on every device, with a number made from all of these.

    Different numbers give unrelated streams; so an epoch of a run that was resumed draws what it would have drawn.
    """
    mixed = 0
    for value in (number, *more):  # splitmix64's finalizer over each number in turn
        mixed = (mixed + int(value) + 0x9E3779B97F4A7C15) % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        mixed ^= mixed >> 31
    torch.manual_seed(mixed)


class Stopwatch:
    """Seconds since it was made, the device's work included."""

    def __init__(self, machine):
        self.machine = machine
        machine.wait()
        self.started = time.perf_counter()

    def seconds(self):
        self.machine.wait()
        return time.perf_counter() - self.started


def describe(machine):
    """Where a number was measured, for `results/`: device, threads, versions, and the commit of the code."""
    import numpy
    import torchvision

    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    on_gpu = machine.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(machine.device) if on_gpu else f"CPU ({cpu})",
        "processes": machine.world,
        "threads": machine.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "commit": _commit(),
    }


def _lines(path):
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _commit():
    """The commit of the folder this file lies in, "…+" when package or recipes differ from it; None outside git."""
    folder = Path(__file__).resolve().parents[1]

    def git(*words):
        answer = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    try:
        return git("rev-parse", "HEAD")[:12] + (
            "+" if git("status", "--porcelain", "--", "cnncourse", "recipes") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def command():
    """The command line of this process, as a reader would type it."""
    program = Path(sys.argv[0])
    shown = "cnncourse" if program.name in ("cnncourse", "__main__.py") else f"python {program.name}"
    return " ".join([shown, *sys.argv[1:]])


def significant(value, digits=6):
    """A float rounded to so many significant digits, for files that people read; other values unchanged."""
    if not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))
