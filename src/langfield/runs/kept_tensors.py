"""Tensors that are kept beside a run to save the time of making them again. They are no part of the run.

A file of them says by what key it was made, a digest of all that the tensors follow from, and the SHA-256 of its
contents. One of another key, or a damaged one, is as good as none. Any process may write it at any time, also while
another one trains the run: each writes a file of its own and renames it, and the last one stays.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from langfield.core.errors import RunError

_HEADER_BYTES = 1 << 20  # what a file may have beside its tensors


def read_kept(file: Path, key: str, max_bytes: int) -> dict[str, Tensor] | None:
    """The tensors of a file, on the CPU; None if there is none that is whole and of this key.

    Args:
        max_bytes: of the tensors; a larger file is not read.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes + _HEADER_BYTES:
            return None
        with safetensors.safe_open(file, framework="pt") as opened:
            said = opened.metadata() or {}
            if said.get("key") != key:
                return None
            # Copied: tensors that are mapped would change, or end the process, with the file.
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118  it is no mapping
    except (OSError, safetensors.SafetensorError):
        return None
    return tensors if said.get("sha256") == _digest(tensors) else None


def write_kept(file: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Replace a file, all or nothing. Nothing waits for the disk: what a power cut damages is as good as none.

    Raises RunError if it cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    new: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".new")
        new = Path(name)
        os.close(descriptor)
        safetensors.torch.save_file(plain, new, {"key": key, "sha256": _digest(plain)})
        os.replace(new, file)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"could not be written: {error}", file) from error
    finally:
        if new is not None:
            new.unlink(missing_ok=True)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, formats, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
