"""The feature cache: one entry for each photo and recipe, addressed by the digest of everything that made it.

An entry is `<key>.npy` (one table) or `<key>.safetensors` (arrays by name) and, written after it, `<key>.json` with the
data's size and SHA-256. Both are written under another name, synced and renamed. What does not verify counts as absent
and is written again; nothing is ever deleted.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from filelock import FileLock, Timeout
from jaxtyping import Float16

from langfield.core.errors import DataError
from langfield.core.json_files import parse_json

_FORMAT = 1
_POLL_SECONDS = 1.0

Rows = Float16[np.ndarray, "n d"]
Arrays = dict[str, np.ndarray]


def default_cache_dir() -> Path:
    """`$LANGFIELD_CACHE/features` if that is set, else `~/.cache/langfield/features`."""
    root = os.environ.get("LANGFIELD_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "langfield") / "features"


def entry_key(photo_digest: str, size_px: tuple[int, int], recipe: dict[str, Any], encoder: dict[str, Any]) -> str:
    """The address of one photo's features: a digest of the photo's bytes, its used size, the recipe and the encoder.

    Masks are no part of it: crops are cut from the whole photo.
    """
    made_of = {"photo": photo_digest, "size_px": list(size_px), "recipe": recipe, "encoder": encoder}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


class FeatureCache:
    """A folder of entries. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str, shape: tuple[int, int]) -> Rows | None:
        """The rows of an entry; None if there is none that verifies and has this shape."""
        data = self._verified(key, ".npy")
        if data is None:
            return None
        rows = np.load(io.BytesIO(data), allow_pickle=False)
        return rows if rows.dtype == np.float16 and rows.shape == shape else None

    def store(self, key: str, rows: Rows) -> None:
        """Write an entry, replacing one that did not verify; raises DataError when the folder cannot be written."""
        buffer = io.BytesIO()
        np.save(buffer, rows, allow_pickle=False)
        self._write_entry(key, ".npy", buffer.getvalue())

    def load_arrays(self, key: str, kinds: Mapping[str, tuple[type[np.generic], int]]) -> Arrays | None:
        """The arrays of an entry; None if there is none that verifies and has just these.

        Args:
            kinds: number format and dimensions of each array, by its name.
        """
        data = self._verified(key, ".safetensors")
        if data is None:
            return None
        arrays = safetensors.numpy.load(data)
        found = {name: (array.dtype, array.ndim) for name, array in arrays.items()}
        return arrays if found == {name: (np.dtype(kind), ndim) for name, (kind, ndim) in kinds.items()} else None

    def store_arrays(self, key: str, arrays: Arrays) -> None:
        """Write an entry of several arrays by name; as `store`."""
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        self._write_entry(key, ".safetensors", safetensors.numpy.save(whole))

    @contextmanager
    def lock(self, keys: Sequence[str], while_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock for writing this set of entries: a second process waits here, and then finds them written.

        Args:
            while_waiting: called every second until the lock is free.
        """
        name = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
        with _writing(self.folder):
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
            file_lock = FileLock(self.folder / "locks" / f"{name}.lock")
            while not file_lock.is_locked:
                try:
                    file_lock.acquire(timeout=_POLL_SECONDS)
                except Timeout:
                    while_waiting()
        try:
            yield
        finally:
            file_lock.release()

    @contextmanager
    def table(self, rows: int, dim: int) -> Iterator["RowTable"]:
        """A table of float16 rows in a nameless file of this folder, to be filled and then memory-mapped."""
        with ExitStack() as stack:
            with _writing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(tempfile.TemporaryFile(dir=self.folder))
            yield RowTable(file, self.folder, rows, dim)

    def _verified(self, key: str, suffix: str) -> bytes | None:
        """An entry's data, if its manifest says that it is whole."""
        try:
            data = self._path(key, suffix).read_bytes()
            manifest = parse_json(self._path(key, ".json").read_bytes())
        except (OSError, ValueError):
            return None
        return data if manifest == _manifest_of(key, data) else None

    def _write_entry(self, key: str, suffix: str, data: bytes) -> None:
        with _writing(self.folder):
            self._path(key, suffix).parent.mkdir(parents=True, exist_ok=True)
            _write(self._path(key, suffix), data)
            _write(self._path(key, ".json"), json.dumps(_manifest_of(key, data)).encode())

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / key[:2] / f"{key}{suffix}"


class RowTable:
    """A file of rows that are written one part after the other and then memory-mapped."""

    def __init__(self, file: Any, folder: Path, rows: int, dim: int) -> None:
        self._file = file
        self._folder = folder
        self._shape = (rows, dim)

    def put(self, first_row: int, rows: Rows) -> None:
        """Write rows, from `first_row` on."""
        with _writing(self._folder):
            self._file.seek(first_row * self._shape[1] * rows.itemsize)
            self._file.write(np.ascontiguousarray(rows).data)

    def mapped(self) -> Rows:
        """All rows, memory-mapped; the file exists as long as the array."""
        with _writing(self._folder):
            self._file.flush()
        return np.memmap(self._file, dtype=np.float16, mode="c", shape=self._shape)


def _manifest_of(key: str, data: bytes) -> dict[str, Any]:
    return {"format": _FORMAT, "key": key, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into a DataError about the cache in `folder`."""
    try:
        yield
    except OSError as error:
        there = next((path for path in (folder, *folder.parents) if path.exists()), Path("."))
        raise DataError(
            f"the feature cache cannot be written ({error.strerror or error}; "
            f"{shutil.disk_usage(there).free // 2**20} MB free there); "
            "make room, or set LANGFIELD_CACHE to another folder",
            folder,
        ) from error
