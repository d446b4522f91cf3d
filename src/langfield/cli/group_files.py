"""Files of groups: what a group is made of, and its masks."""

from collections.abc import Sequence
from pathlib import Path

from langfield.cli.files import make_folder, write_picture
from langfield.export.glb import GltfThing, write_glb
from langfield.export.ply import write_points_ply, write_splat_ply
from langfield.query.objects import SceneObject
from langfield.query.session import Session
from langfield.runs.info import RunView


def write_group(session: Session, group: int, path: Path) -> Path:
    """Write a group's Gaussians as a PLY file; of a run that has none, the points of its surface."""
    chosen = session.group_elements(group)
    if session.has_splats:
        write_splat_ply(path, session.splats(), chosen)
    else:
        xyz, rgb = session.surface()
        write_points_ply(path, xyz[chosen], rgb[chosen])
    return path


def write_objects_glb(session: Session, objects: Sequence[SceneObject], path: Path) -> Path:
    """Write things as one glTF file: coloured points and a box each, with what `--json` says of them as "extras"."""
    if session.has_splats:
        splats = session.splats()
        xyz, rgb = splats.means, splats.flat_rgb()
    else:
        xyz, rgb = session.surface()
    things = []
    for found in objects:
        chosen = session.group_elements(found.shape.group)
        name = f"{found.name or 'thing'} {found.shape.group}"
        things.append(GltfThing(name, xyz[chosen], rgb[chosen], found.shape.upright_box, found.to_json()))
    write_glb(path, things, session.up_world)
    return path


def write_group_masks(session: Session, group: int, views: list[RunView], folder: Path) -> list[Path]:
    """Write a group's mask in some photos as PNG files, and return them."""
    make_folder(folder)
    return [
        write_picture(folder / f"{Path(view.name).stem}_mask.png", session.group_masks(view.camera, [group])[0])
        for view in views
    ]
