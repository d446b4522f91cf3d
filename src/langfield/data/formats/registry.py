"""The formats of scenes that are read. To add one, write its module and add its `SceneFormat` here."""

from pathlib import Path

from langfield.data.formats.base import SceneFormat
from langfield.data.formats.colmap import COLMAP
from langfield.data.formats.nerfstudio import NERFSTUDIO

# Where a folder is a scene of several formats, the first of them is read.
SCENE_FORMATS: tuple[SceneFormat, ...] = (NERFSTUDIO, COLMAP)

# Files by which scenes are known that cannot be read yet, and what people call those.
_NOT_READ = {"transforms_train.json": "Blender scene"}


def matching_formats(path: Path) -> list[SceneFormat]:
    """The formats that `path`, a file or folder that exists, is a scene of."""
    return [scene_format for scene_format in SCENE_FORMATS if scene_format.matches(path)]


def formats_for_people() -> str:
    """What each format looks for, in half a sentence."""
    return ", or ".join(scene_format.looks_for for scene_format in SCENE_FORMATS)


def known_but_not_read(folder: Path) -> str | None:
    """What a folder is, if it is a scene of a kind that is known and not read: its name and the file that tells."""
    return next((f"{what} ({name})" for name, what in _NOT_READ.items() if (folder / name).is_file()), None)
