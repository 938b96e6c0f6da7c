"""Checkpoints on disk: whole or not there, and read only when every byte is the one that was written."""

import contextlib
import io
import os
import zipfile
from pathlib import Path

import torch


class RunError(RuntimeError):
    """A run that cannot go on, said in one sentence."""


def read_checkpoint(path, device="cpu"):
    """The state in a checkpoint file. A file that is missing, damaged or no checkpoint: `RunError` naming it."""
    try:
        state = torch.load(_verified(path), map_location=device, weights_only=True)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged archive or pickle can raise anything
        raise RunError(f"{path} is damaged or no checkpoint: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(state, dict) or state.get("format") != 2 or "model" not in state:
        raise RunError(f"{path} is no checkpoint of this trainer")
    return state


def measured_weights(state):
    """The weights in a checkpoint's state that its rows were measured with: the averaged ones where there are any."""
    if not state["averaged"]:
        return state["model"]
    averaged = {name: weight for name, weight in state["averaged"].items() if name != "n_averaged"}
    return {name.removeprefix("module."): weight for name, weight in averaged.items()}


def _verified(path):
    """The file's archive packed anew, from parts whose checksums are right.

    torch's files are zip archives, in which each part has a checksum that torch does not look at. Reading the
    file itself after checking it would not do: two readers differ on an archive with a damaged header.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(packed, "w") as copy:
        for part in archive.infolist():
            copy.writestr(part.filename, archive.read(part))  # BadZipFile, where the checksum is wrong
    packed.seek(0)
    return packed


def write_whole(path, content):
    """Replace the file at `path` by these bytes, or leave it as it was: `RunError` when they cannot be written."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")  # one name: what a killed process left is written over
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror or error}); what was there before is kept"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
