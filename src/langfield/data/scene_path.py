"""Whether a scene's path is there at all. Importing this takes no torch: who mistyped it is told at once."""

from pathlib import Path

from langfield.core.errors import DataError


def check_scene_exists(path: Path) -> None:
    """Raise DataError if there is neither folder nor file."""
    if not path.exists():
        raise DataError("does not exist: give the scene's folder", path)
