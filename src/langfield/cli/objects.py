"""`langfield objects`: everything that is in a scene, without a phrase."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langfield.cli.answer_warnings import said_warnings
from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalPath, RunOptions
from langfield.core.errors import DataError
from langfield.core.number_text import position_text

if TYPE_CHECKING:
    from langfield.query.objects import SceneObject
    from langfield.query.session import Session


@dataclass(frozen=True, kw_only=True)
class ObjectsCommand(RunOptions):
    """List the things in the scene with their places, boxes and names. For runs that were trained with --masks."""

    vocabulary: OptionalPath = None
    """Text file with a noun a line, that things are named by. Some 600 household nouns, if not given."""

    parts: Flag = False
    """Also list parts of things, sets of things that belong together, what surrounds them, as tables and walls, and
    what hardly any photo shows."""

    out: OptionalPath = None
    """Also write objects.json, a picture with the boxes drawn in, objects.glb (glTF: points and box of each thing),
    and a PLY of each thing here: its Gaussians, or points of its surface where the run has none."""

    def run(self, console: Console) -> dict[str, Any]:
        """List; returns what `--json` prints."""
        nouns = None if self.vocabulary is None else read_nouns(self.vocabulary)
        session = self.opened()
        objects = session.objects(nouns, all_levels=self.parts, progress=console.progress)
        heads = ("group", "name", "score", "position", "box size", "photos", "best photo")
        console.table(heads, [_row(session, found) for found in objects])
        result: dict[str, Any] = {
            "objects": [found.to_json() for found in objects],
            "warnings": said_warnings(session, console),
        }
        if self.out is not None:
            result["files"] = [str(file) for file in _write(session, objects, result, self.out)]
            console.say(f"{len(result['files'])} files in {self.out}; the boxes: {result['files'][1]}")
        return result


def read_nouns(path: Path) -> list[str]:
    """The nouns of a text file, one a line; empty lines and doubles are left out. DataError if it has none."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as a text file with a noun a line ({error})", path) from None
    nouns = list(dict.fromkeys(line for line in lines if line))
    if not nouns:
        raise DataError("holds no noun; one a line is needed", path)
    return nouns


def _row(session: "Session", found: "SceneObject") -> tuple[str, ...]:
    from langfield.cli.view_selection import view_label

    shape = found.shape
    size = " x ".join(f"{side:.3g}" for side in shape.upright_box.size)
    position = position_text(shape.position, shape.box.size)
    view = view_label(session, shape.views)
    return str(shape.group), found.name, f"{found.score:.2f}", position, size, str(found.photos), view


def _write(session: "Session", objects: "list[SceneObject]", result: dict[str, Any], folder: Path) -> list[Path]:
    from langfield.cli.files import make_folder, slug, write_picture
    from langfield.cli.group_files import write_group, write_objects_glb
    from langfield.reports.object_pictures import objects_picture
    from langfield.runs.atomic import write_json

    make_folder(folder)
    files = [folder / "objects.json", folder / "objects.png"]
    write_json(files[0], result)
    write_picture(files[1], objects_picture(session, objects))
    files.append(write_objects_glb(session, objects, folder / "objects.glb"))
    for found in objects:
        name = f"{found.shape.group:03d}-{slug(found.name or 'thing')}.ply"
        files.append(write_group(session, found.shape.group, folder / name))
    return files
