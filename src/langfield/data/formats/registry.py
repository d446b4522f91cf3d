"""The formats of scenes that are read. To add one, write its module and add its `SceneFormat` here."""

from pathlib import Path
from typing import NamedTuple

from langfield.data.formats.base import SceneFormat
from langfield.data.formats.colmap import COLMAP
from langfield.data.formats.nerfstudio import NERFSTUDIO
from langfield.data.validation import printable

# Where a folder is a scene of several formats, the first of them is read.
SCENE_FORMATS: tuple[SceneFormat, ...] = (NERFSTUDIO, COLMAP)

_AS_COLMAP = "export the cameras in COLMAP's format"
_LOOKED_AT_BYTES = 1 << 20
_MOST_FILES = 32


class _NotRead(NamedTuple):
    """What other programs leave that is known and not read.

    Attributes:
        what: it is called, with its article.
        pattern: of the name of the file or folder that tells, in the scene's folder.
        holds: what that file holds in its beginning; nothing where the name is enough.
        way_out: what to do; nothing where only another format helps.
    """

    what: str
    pattern: str
    holds: bytes = b""
    way_out: str = ""


# The first that fits is named.
_NOT_READ = (
    _NotRead("a Blender scene", "transforms_train.json"),
    _NotRead(
        "Metashape's list of cameras", "*.xml", b"<chunk",
        f"{_AS_COLMAP}, or convert it with `ns-process-data metashape`",
    ),
    _NotRead(
        "RealityScan's list of cameras", "*.csv", b"#name,x,y,",
        f"{_AS_COLMAP}, or convert it with `ns-process-data realitycapture`",
    ),
    _NotRead("a Bundler model", "*.out", b"# Bundle file", _AS_COLMAP),
    _NotRead("Polycam's raw data", "keyframes/*cameras", way_out="convert it with `ns-process-data polycam`"),
    _NotRead("a Record3D recording", "metadata*", b'"poses"', "convert it with `ns-process-data record3d`"),
    _NotRead(
        "a Record3D recording", "*.r3d",
        way_out="export it as EXR and JPG, and convert that with `ns-process-data record3d`",
    ),
    _NotRead(
        "what 3D Gaussian splatting has trained", "point_cloud/iteration_*/point_cloud.ply",
        way_out="give the folder of its photos, and this file to `langfield lift --splat`",
    ),
    _NotRead("a Postshot project", "*.psht", way_out="export its splats as PLY, for `langfield lift --splat`"),
    _NotRead("a Metashape project", "*.psx", way_out=_AS_COLMAP),
    _NotRead("a RealityScan project", "*.rcproj", way_out=_AS_COLMAP),
    _NotRead("a RealityScan project", "*.rsproj", way_out=_AS_COLMAP),
    _NotRead(
        "a COLMAP database without a model", "database.db",
        way_out="run `colmap mapper`, which writes the model into sparse/0",
    ),
    _NotRead("a zip file", "*.zip", b"PK", "unpack it, and give the folder"),
)  # fmt: skip


def matching_formats(path: Path) -> list[SceneFormat]:
    """The formats that `path`, a file or folder that exists, is a scene of."""
    return [scene_format for scene_format in SCENE_FORMATS if scene_format.matches(path)]


def formats_for_people() -> str:
    """What each format looks for, in half a sentence."""
    return ", or ".join(scene_format.looks_for for scene_format in SCENE_FORMATS)


def known_but_not_read(path: Path) -> str | None:
    """What a file or folder is that is known and not read, by which name in it, and the way out; None if it is none."""
    for what, pattern, holds, way_out in _NOT_READ:
        for found in _named_so(path, pattern):
            if not holds or _begins_with(found, holds):
                name = path.name if found == path else found.relative_to(path).as_posix()
                return f"{what} ({printable(name)}), which is not read: {way_out or _supported()}"
    return None


def _supported() -> str:
    return f"supported are {formats_for_people()}"


def _named_so(path: Path, pattern: str) -> list[Path]:
    if not path.is_dir():
        return [path] if path.match(pattern) else []
    try:
        return sorted(path.glob(pattern))[:_MOST_FILES]
    except OSError:
        return []


def _begins_with(path: Path, text: bytes) -> bool:
    """Whether a file holds a text in its beginning."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return text in file.read(_LOOKED_AT_BYTES)
    except OSError:
        return False
