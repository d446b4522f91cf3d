"""Tensors that are kept beside a run to save the time of making them again. They are no part of the run.

A file of them says by what key it was made, a digest of all that the tensors follow from, and the SHA-256 of its
contents. One of another key, or a damaged one, is as good as none. Any process may write it at any time, also while
another one trains the run: it has a lock of its own.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import filelock
import safetensors
import torch
from torch import Tensor

from langfield.core.errors import RunError
from langfield.runs.atomic import commit, could_not_write, stage_tensors


def read_kept(file: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors of a file, on the CPU; None if there is none that is whole and of this key."""
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            said = opened.metadata() or {}
            if said.get("key") != key:
                return None
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is no mapping
    except (OSError, safetensors.SafetensorError):
        return None
    return tensors if said.get("sha256") == _digest(tensors) else None


def write_kept(file: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Replace a file, all or nothing. Where another process is writing it, it is left to that one.

    Raises RunError if it cannot be written.
    """
    if not file.parent.is_dir():  # the lock would make it
        raise RunError("could not be written: its folder is gone", file)
    try:
        with filelock.FileLock(file.with_name(f".{file.name}.lock"), timeout=0):
            stage_tensors(file, tensors, {"key": key, "sha256": _digest(tensors)})
            commit(file)
    except filelock.Timeout:
        return
    except OSError as error:
        raise could_not_write(file, error) from error


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, formats, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
