"""Checkpoints on disk: whole or not there, and read only when every byte is the one that was written."""

import os
import pickle
import zipfile
from pathlib import Path

import torch


class RunError(RuntimeError):
    """A run that cannot go on, said in one sentence."""


def read_checkpoint(path, device="cpu"):
    """The state in a checkpoint file. A file that is missing, damaged or no checkpoint: `RunError` naming it."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch's files are zip archives: each part has a checksum
            damaged = archive.testzip()
        state = None if damaged else torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        KeyError,
    ) as error:
        raise RunError(f"{path} is damaged or no checkpoint: {' '.join(str(error).split())[:120]}") from error
    if damaged:
        raise RunError(f"{path} is damaged: the checksum of its part {damaged} is wrong")
    if not isinstance(state, dict) or state.get("format") != 1 or "model" not in state:
        raise RunError(f"{path} is no checkpoint of this trainer")
    return state


def write_whole(path, content):
    """Replace the file at `path` by these bytes, or leave it as it was: `RunError` when they cannot be written."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
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
        temporary.unlink(missing_ok=True)
