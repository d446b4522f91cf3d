"""The run directory: save, load, verify.

`run.json` says what the run is and lists the SHA-256 and size of the files that belong to it. A save stages every
new file, keeps the old generation in `previous/` (hard links), renames the new files into place with `run.json` last,
and then lets `previous/` go. So: without `previous/` the folder is whole; with it, the folder may be torn, and the
digests say which of the two generations to take. A process killed at any moment leaves one of them whole.

`index.safetensors` is no part of the run (`langfield.query.index.kept_index`); saving the run anew removes it.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from langfield.core.errors import RunError
from langfield.runs.atomic import (
    FileRecord,
    commit,
    could_not_write,
    json_bytes,
    read_json,
    record_of,
    stage_bytes,
    stage_tensors,
    staged,
    sync,
)
from langfield.runs.existence import INFO, PREVIOUS, check_has_run
from langfield.runs.info import RunInfo
from langfield.runs.migration import Document, TensorFile, upgraded_names

INDEX = "index.safetensors"
_HALF_MADE = ".previous.new"
_LOCK = ".lock"
_RUN_FILES = ("model.safetensors", "training.safetensors", "training.json", "groups.safetensors")


@dataclass(frozen=True)
class Run:
    """A verified run on disk, with the names of the present schema, whichever version wrote it.

    Attributes:
        path: the run directory.
        folder: of the verified files: `path`, or its `previous/` after a torn save.
        info: what the run is.
        files: the files that belong to it, by name.
        schema_version: of the files on disk.
    """

    path: Path
    folder: Path
    info: RunInfo
    files: Mapping[str, FileRecord]
    schema_version: int

    def tensors(self, name: TensorFile, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """Read the tensors of NAME.safetensors. Raises RunError if this run has no such file, or it holds none."""
        file = self._file(f"{name}.safetensors")
        try:
            tensors = safetensors.torch.load_file(file, device=str(device))
        except safetensors.SafetensorError as error:
            raise RunError(f"holds no tensors ({error}); train into a new folder", file) from None
        present = upgraded_names(name, tensors, self.info.model, self.schema_version)
        return {present[old]: tensor for old, tensor in tensors.items()}

    def training_document(self) -> Document:
        """Read `training.json`. Raises RunError if this run has none."""
        return read_json(self._file("training.json"))

    def _file(self, name: str) -> Path:
        if name not in self.files:
            raise RunError(f"has no {name}; it holds {', '.join(sorted(self.files))}", self.path)
        return self.folder / name


@contextmanager
def lock_run(path: Path) -> Iterator[None]:
    """Lock `path` for writing, which is made if it does not exist. Raises RunError at once if another process holds
    it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / _LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise RunError("another process is writing this run; wait for it, or choose another folder", path) from None
    except OSError as error:
        raise RunError(f"could not be made or opened for writing: {error.strerror}", path) from error
    try:
        yield
    finally:
        lock.release()


def save_run(
    path: Path,
    info: RunInfo,
    tensors: Mapping[TensorFile, Mapping[str, Tensor]],
    training_document: Mapping[str, Any] | None = None,
) -> None:
    """Replace the run in `path`, all or nothing. To be called under `lock_run`.

    Files of the old run that the new one does not have (as those of a training) are removed.

    Raises:
        RunError: something cannot be written; the message has the path and the free bytes. The old run is intact.
    """
    settle(path)
    try:
        names = _stage(path, info, tensors, training_document)
    except RunError:
        _drop_staged(path)
        raise
    try:
        _keep_previous(path)
        for name in names:
            commit(path / name)
        shutil.rmtree(path / PREVIOUS, ignore_errors=True)
        for name in set(_RUN_FILES) - set(names):
            (path / name).unlink(missing_ok=True)
        _drop_index(path)
    except OSError as error:
        raise could_not_write(path / INFO, error) from error


def save_training_document(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the run's `training.json` and keep the rest, all or nothing. Call it under `lock_run`.

    Raises RunError as `save_run`, or if there is no run.
    """
    _replace_file(path, "training.json", lambda file: stage_bytes(file, json_bytes(document)), {})


def save_groups(path: Path, tensors: Mapping[str, Tensor], described: Mapping[str, Any]) -> None:
    """Replace the run's `groups.safetensors`, and "groups" of run.json; keep the rest, all or nothing. Call it under
    `lock_run`. A run that is saved anew without groups loses them, for they are of its old surface.

    Args:
        tensors: `SceneGroups.arrays`.
        described: how the groups were made, as JSON data.

    Raises RunError as `save_run`, or if there is no run.
    """
    _replace_file(path, "groups.safetensors", lambda file: stage_tensors(file, tensors), {"groups": dict(described)})


def _replace_file(path: Path, name: str, stage: Callable[[Path], FileRecord], changes: Mapping[str, Any]) -> None:
    """Replace one file of a run, and some keys of its run.json, all or nothing."""
    settle(path)
    check_has_run(path)
    try:
        described = read_json(path / INFO) | dict(changes)
        record = stage(path / name)
        described["files"][name] = {"sha256": record.sha256, "size": record.size}
        stage_bytes(path / INFO, json_bytes(described))
    except RunError:
        _drop_staged(path)
        raise
    try:
        _keep_previous(path)
        commit(path / name)
        commit(path / INFO)
        shutil.rmtree(path / PREVIOUS, ignore_errors=True)
    except OSError as error:
        raise could_not_write(path / INFO, error) from error


def settle(path: Path) -> None:
    """Clean up after an interrupted save, so that `path` holds one whole generation, or no run."""
    shutil.rmtree(path / _HALF_MADE, ignore_errors=True)
    _drop_staged(path)
    previous = path / PREVIOUS
    if not previous.exists():
        return
    try:
        _open_generation(path, path, training=True)
    except RunError:
        whole = _open_generation(path, previous, training=True)
        for name in (*whole.files, INFO):
            _link(previous / name, staged(path / name))
            commit(path / name)
        _drop_staged(path)
    shutil.rmtree(path / PREVIOUS, ignore_errors=True)


def load_run(path: str | Path, *, training: bool = False) -> Run:
    """Open a run and verify its files by size and SHA-256; after a torn save, the state before it.

    Runs of older schemas are given as the present one would have written them; nothing on disk changes.

    Args:
        path: the run directory.
        training: also verify the files that only a resumed training needs.

    Raises:
        RunError: no run there, written by a newer langfield, or torn (which file, and how).
    """
    path = Path(path)
    check_has_run(path)
    # At the end the folder is tried again, for a concurrent save may have finished in the meantime.
    for folder in (path, path / PREVIOUS):
        try:
            return _open_generation(path, folder, training)
        except RunError:
            continue
    return _open_generation(path, path, training)


def _stage(
    path: Path,
    info: RunInfo,
    tensors: Mapping[TensorFile, Mapping[str, Tensor]],
    training_document: Mapping[str, Any] | None,
) -> list[str]:
    """Write the new generation under staged names; returns the final ones, `run.json` last."""
    records = {f"{name}.safetensors": stage_tensors(path / f"{name}.safetensors", t) for name, t in tensors.items()}
    if training_document is not None:
        records["training.json"] = stage_bytes(path / "training.json", json_bytes(training_document))
    listed = {name: {"sha256": record.sha256, "size": record.size} for name, record in records.items()}
    stage_bytes(path / INFO, json_bytes(info.document() | {"files": listed}))
    return [*records, INFO]


def _drop_staged(path: Path) -> None:
    for name in (*_RUN_FILES, INFO):
        staged(path / name).unlink(missing_ok=True)


def _drop_index(path: Path) -> None:
    """Remove the index of before, and what a process that was killed left of one. Neither is read without its key."""
    for file in (path / INDEX, *path.glob(f".{INDEX}.*.new")):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _open_generation(path: Path, folder: Path, training: bool) -> Run:
    file = folder / INFO
    try:
        document = read_json(file)
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", file) from error
    info = RunInfo.from_document(document, file)
    files = _records(document, file)
    for name, record in files.items():
        if training or not name.startswith("training."):
            _verify(folder / name, record)
    return Run(path, folder, info, files, document["schema_version"])


def _verify(file: Path, record: FileRecord) -> None:
    try:
        size = file.stat().st_size
        if size != record.size:
            raise RunError(f"is torn: {size} bytes, but {record.size} were written; train into a new folder", file)
        if record_of(file).sha256 != record.sha256:
            raise RunError("is damaged: its SHA-256 is not what was written; train into a new folder", file)
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}; it belongs to the run", file) from error


def _records(document: Document, file: Path) -> dict[str, FileRecord]:
    listed = document.get("files")
    if not isinstance(listed, dict) or "model.safetensors" not in listed:
        raise RunError("lists no model.safetensors under 'files'; it is not a whole run.json", file)
    records = {}
    for name, entry in listed.items():
        match entry:
            case {"sha256": str(sha256), "size": int(size)} if name in _RUN_FILES:
                records[name] = FileRecord(sha256, size)
            case _:
                raise RunError(f"files.{name} is no file of a run with its sha256 and size", file)
    return records


def _keep_previous(path: Path) -> None:
    """Link the files of the run in `path`, if there is one, into `previous/`, before they are replaced."""
    if not (path / INFO).is_file():
        return
    fresh = path / _HALF_MADE
    fresh.mkdir()
    for name in (*_records(read_json(path / INFO), path / INFO), INFO):
        _link(path / name, fresh / name)
    sync(fresh)
    fresh.rename(path / PREVIOUS)
    sync(path)


def _link(source: Path, target: Path) -> None:
    """A second name for the same bytes; a copy where the file system knows no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)
