"""Files of groups: what a group is made of, and its masks."""

from pathlib import Path

from langfield.cli.files import make_folder, write_picture
from langfield.export.ply import write_points_ply, write_splat_ply
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


def write_group_masks(session: Session, group: int, views: list[RunView], folder: Path) -> list[Path]:
    """Write a group's mask in some photos as PNG files, and return them."""
    make_folder(folder)
    return [
        write_picture(folder / f"{Path(view.name).stem}_mask.png", session.group_masks(view.camera, [group])[0])
        for view in views
    ]
