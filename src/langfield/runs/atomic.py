"""Files that are either the old or the new one, never half of each.

Everything is written to a staged name in the same folder (`.NAME.new`), fsynced, and renamed over the old file. A
process killed at any byte leaves the old file and, at worst, a staged one that the next write replaces. One process
at a time may write a folder (`langfield.runs.directory.lock_run`).
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from langfield.core.errors import RunError
from langfield.core.json_files import MAX_JSON_BYTES, parse_json


@dataclass(frozen=True)
class FileRecord:
    """By which a file is verified.

    Attributes:
        sha256: of its bytes, as hex.
        size: in bytes.
    """

    sha256: str
    size: int


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Put `data` into `path`, all or nothing. Raises RunError naming the path and the free bytes."""
    stage_bytes(path, data)
    commit(path)


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """As `write_bytes`. Numbers must be finite (ValueError): NaN is no JSON."""
    write_bytes(path, json_bytes(document))


def staged(path: Path) -> Path:
    """The name under which a new `path` is written before it is renamed."""
    return path.with_name(f".{path.name}.new")


def stage_bytes(path: Path, data: bytes | memoryview) -> FileRecord:
    """Write and fsync `staged(path)`; `path` itself stays as it is."""
    target = staged(path)
    try:
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise could_not_write(path, error, len(data)) from error
    return FileRecord(hashlib.sha256(data).hexdigest(), len(data))


def stage_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> FileRecord:
    """Write and fsync `staged(path)` in the safetensors format, and read it back for its digest."""
    target = staged(path)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        target.unlink(missing_ok=True)
        safetensors.torch.save_file(plain, target, None if metadata is None else dict(metadata))
        sync(target)
        return record_of(target)
    except (OSError, safetensors.SafetensorError) as error:
        needed = sum(tensor.numel() * tensor.element_size() for tensor in plain.values())
        raise could_not_write(path, error, needed) from error


def commit(path: Path) -> None:
    """Rename `staged(path)` to `path`, and fsync the folder."""
    try:
        os.replace(staged(path), path)
        sync(path.parent)
    except OSError as error:
        raise could_not_write(path, error) from error


def sync(path: Path) -> None:
    """fsync a file; or a folder, so that renames in it survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def record_of(path: Path) -> FileRecord:
    """The record of a file as it is on disk."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(digest, os.fstat(file.fileno()).st_size)


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """Readable JSON with finite numbers only (ValueError otherwise)."""
    return (json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object, strictly: no NaN, no key twice, at most 64 MB. Raises RunError, or FileNotFoundError."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise RunError(f"has {size} bytes; at most {MAX_JSON_BYTES} are read", path)
    try:
        document = parse_json(path.read_bytes())
    except ValueError as error:
        raise RunError(f"is torn or no JSON ({error})", path) from error
    if not isinstance(document, dict):
        raise RunError(f"holds a {type(document).__name__}; a JSON object is needed", path)
    return document


def could_not_write(path: Path, error: Exception, needed: int = 0) -> RunError:
    """Remove the staged file, and give the error that says what happened and how many bytes are free."""
    with contextlib.suppress(OSError):
        staged(path).unlink(missing_ok=True)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    try:
        free = f"{shutil.disk_usage(path.parent).free} bytes are free there"
    except OSError:
        free = "its disk does not answer"
    size = f"{needed} bytes are needed, " if needed else ""
    return RunError(f"could not be written: {reason}; {size}{free}; what was saved before is intact", path)
