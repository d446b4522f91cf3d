"""Unpacking zip archives that nobody vouches for: what an archive declares is checked before any of it is written.

An archive comes out whole, in a folder that was not there before, or not at all.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from langfield.core.errors import DataError
from langfield.core.progress import Progress, ProgressEvent, silent

_CHUNK_BYTES = 4 << 20
_SMALL_BYTES = 1 << 20
_MAX_NAME_CHARS = 1024
_MAX_PART_BYTES = 255
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class UnpackLimits:
    """What an archive may at most hold.

    Attributes:
        files: how many.
        size_bytes: unpacked, in all.
        ratio: of unpacked to packed size, of each file above 1 MiB and of all together.
    """

    files: int = 200_000
    size_bytes: int = 64 << 30
    ratio: float = 200.0


@dataclass(frozen=True)
class Unpacked:
    """What came out, and the archive's own SHA-256 (hex)."""

    files: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class _ZipEntry:
    info: zipfile.ZipInfo
    parts: tuple[str, ...]


def unpack_zip(
    archive: Path,
    out: Path,
    *,
    sha256: str | None = None,
    limits: UnpackLimits | None = None,
    progress: Progress = silent,
) -> Unpacked:
    """Unpack a zip archive into a folder that must not be there yet.

    Refused before anything is written: names that are absolute, leave the folder or differ only in case; links and
    other special files; encrypted ones; more files, bytes, or a higher ratio than `limits` (default `UnpackLimits()`)
    allow, or more bytes than are free. A file that comes out otherwise than declared leaves nothing behind.

    Args:
        sha256: of the archive, if it is known.
        progress: gets the stages "digest" and "unpacking", in MB.

    Raises DataError naming the archive, or `out`.
    """
    if os.path.lexists(out):
        raise DataError("is there already: choose a folder that is not, or delete it", out)
    digest = _digest(archive, progress)
    if sha256 is not None and digest != sha256:
        raise DataError(f"is not the authors' archive: its SHA-256 is {digest}, theirs is {sha256}", archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _checked(opened.infolist(), archive, limits or UnpackLimits())
            _write_all(opened, entries, archive, out, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _torn(archive, error) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # sought before the archive's start
            raise _torn(archive, error) from error
        reason = error.strerror or error
        raise DataError(f"could not be unpacked to {out} ({reason}): nothing was left there", archive) from error
    kept = [entry for entry in entries if not entry.info.is_dir()]
    return Unpacked(len(kept), sum(entry.info.file_size for entry in kept), digest)


def _checked(infos: Sequence[zipfile.ZipInfo], archive: Path, limits: UnpackLimits) -> list[_ZipEntry]:
    """The entries with names that are safe to write, or DataError."""
    if len(infos) > limits.files:
        raise DataError(f"has {len(infos)} entries, at most {limits.files} are unpacked", archive)
    entries = [_ZipEntry(info, parts) for info in infos if (parts := _parts(info, archive))]
    for entry in entries:
        _check_kind(entry.info, archive, limits)
    _check_collisions(entries, archive)
    total = sum(info.file_size for info in infos)
    packed = archive.stat().st_size
    if total > limits.size_bytes:
        raise DataError(f"unpacks to {total} bytes, at most {limits.size_bytes} are unpacked", archive)
    if total > _SMALL_BYTES and total > limits.ratio * packed:
        raise DataError(
            f"has {packed} bytes and unpacks to {total}: more than {limits.ratio:g} times is a bomb", archive
        )
    if not any(not entry.info.is_dir() for entry in entries):
        raise DataError("holds no files: download it again", archive)
    return entries


def _parts(info: zipfile.ZipInfo, archive: Path) -> tuple[str, ...]:
    """The folders and the file of an entry's name; empty for the archive's own folder (`./`)."""
    name = info.orig_filename  # `filename` ends at the first NUL
    shown = ascii(name if len(name) <= 60 else name[:57] + "...")
    if not name or len(name) > _MAX_NAME_CHARS or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name):
        raise DataError(f"has an entry with an unusable name, {shown}: it is not unpacked", archive)
    if re.search(r"[\\:]", name) or name.startswith("/"):
        raise DataError(
            f"has an entry with an absolute path, a backslash or a colon, {shown}: it is not unpacked", archive
        )
    parts = name.removesuffix("/").split("/")
    folder_as_file = parts[-1] == "." and not name.endswith("/")
    if folder_as_file or any(part in ("", "..") or len(part.encode()) > _MAX_PART_BYTES for part in parts):
        raise DataError(
            f"has an entry that leaves its folder or has an unusable name, {shown}: it is not unpacked", archive
        )
    return tuple(part for part in parts if part != ".")


def _check_kind(info: zipfile.ZipInfo, archive: Path, limits: UnpackLimits) -> None:
    shown = ascii(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise DataError(f"has a link or special file, {shown}: only files and folders are unpacked", archive)
    if info.flag_bits & 0x1:
        raise DataError(f"has an encrypted file, {shown}: unpack it with its password first", archive)
    if info.compress_type not in _METHODS:
        raise DataError(f"has {shown} packed by method {info.compress_type}: pack it stored or deflated", archive)
    if info.file_size > _SMALL_BYTES and info.file_size > limits.ratio * max(info.compress_size, 1):
        raise DataError(
            f"has {shown} of {info.compress_size} bytes that unpacks to {info.file_size}: "
            f"more than {limits.ratio:g} times is a bomb",
            archive,
        )


def _check_collisions(entries: Sequence[_ZipEntry], archive: Path) -> None:
    """No file twice, nor differing only in case, nor where another entry needs a folder."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for entry in entries:
        key = _folded(entry.parts)
        if not entry.info.is_dir() and key in found:
            both = " and ".join(ascii("/".join(parts)) for parts in (found[key], entry.parts))
            raise DataError(f"has files of one name, {both}: it is not unpacked", archive)
        if not entry.info.is_dir():
            found[key] = entry.parts
    for entry in entries:
        folders = range(1, len(entry.parts) + entry.info.is_dir())
        inside = next((n for n in folders if _folded(entry.parts[:n]) in found), None)
        if inside is not None:
            shown = ascii("/".join(entry.parts[:inside]))
            raise DataError(f"has {shown} both as a file and as a folder: it is not unpacked", archive)


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in parts)


def _write_all(
    opened: zipfile.ZipFile, entries: Sequence[_ZipEntry], archive: Path, out: Path, progress: Progress
) -> None:
    """Write into a folder beside `out`, and rename that when all of it is there."""
    total = sum(entry.info.file_size for entry in entries)
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if total > free:
        raise DataError(f"unpacks to {total} bytes, but {free} are free at {out.parent}: make room", archive)
    staged = out.parent / f".{out.name}.{secrets.token_hex(4)}"
    staged.mkdir()
    start, done = time.monotonic(), 0
    try:
        for entry in entries:
            path = staged.joinpath(*entry.parts)
            (path if entry.info.is_dir() else path.parent).mkdir(parents=True, exist_ok=True)
            if entry.info.is_dir():
                continue
            written = 0
            with opened.open(entry.info) as source, path.open("xb") as target:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
                    written += len(chunk)
                    progress(_event("unpacking", done + written, total, start))
            if written != entry.info.file_size:
                raise zipfile.BadZipFile(f"{entry.info.filename!a} is shorter than declared")
            done += written
        os.rename(staged, out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)  # gone already when all went well


def _torn(archive: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"is torn or no zip archive ({reason}): download it again", archive)


def _digest(archive: Path, progress: Progress) -> str:
    start, digest, done = time.monotonic(), hashlib.sha256(), 0
    try:
        with archive.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                progress(_event("digest", done, size, start))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): give a zip archive", archive) from error
    return digest.hexdigest()


def _event(stage: str, done_bytes: int, total_bytes: int, start: float) -> ProgressEvent:
    total = max(total_bytes >> 20, 1)
    done = total if done_bytes >= total_bytes else min(done_bytes >> 20, total - 1)
    return ProgressEvent(stage, done, total, "MB", time.monotonic() - start)
