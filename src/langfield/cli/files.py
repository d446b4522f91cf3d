"""Files that commands write: safe names, pictures."""

import re
import unicodedata
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from langfield.core.errors import DataError

ANOTHER_FOLDER = "choose another folder for --out"  # what to do where something cannot be written
_MAX_SLUG_CHARS = 60


def slug(text: str) -> str:
    """Text as a part of a file name: a-z, 0-9 and dashes; "phrase" where nothing of it is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_SLUG_CHARS].strip("-") or "phrase"


def numbered_slugs(texts: "list[str] | tuple[str, ...]") -> list[str]:
    """Slugs that differ from each other and are no reserved name anywhere: "01-wooden-spoon"."""
    return [f"{number:02d}-{slug(text)}" for number, text in enumerate(texts, start=1)]


def make_folder(path: Path) -> Path:
    """Make a folder for output; raises DataError if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot be made ({error.strerror}): {ANOTHER_FOLDER}", path) from error
    return path


def write_picture(path: Path, pixels: UInt8[np.ndarray, "h w 3"] | Bool[np.ndarray, "h w"]) -> Path:
    """Write a colour picture or a mask (white is true) as PNG; raises DataError if it cannot be written."""
    image = Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels)
    try:
        image.save(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_array(path: Path, array: np.ndarray) -> Path:
    """Write numbers as .npy; raises DataError if it cannot be written."""
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_arrays(path: Path, **arrays: np.ndarray) -> Path:
    """Write numbers as .npz; raises DataError if it cannot be written."""
    try:
        np.savez_compressed(path, allow_pickle=False, **arrays)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot be written ({error.strerror or error}): {ANOTHER_FOLDER}", path)
