"""Where a scene's labels are, and what they are: known by how their files lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from langfield.core.errors import DataError
from langfield.data.views import View
from langfield.evaluation.labels.base import Labels, open_instances, open_polygons
from langfield.evaluation.labels.mask_labels import CLASSES_FILE, open_3d_ovs, open_lerf_mask

LabelLayout = Literal["queries.json", "LERF-OVS", "LERF-Mask", "3D-OVS"]
WHAT_IS_READ: Final = (
    "a queries.json, or the folder that holds LERF-OVS's <photo>.json, LERF-Mask's <n>/<phrase>.png (test_mask), or "
    "3D-OVS's classes.txt and <photo>/<class>.png (segmentations)"
)


def find_labels(root: Path, *, every_layout: bool) -> Path | None:
    """The labels that a scene's folder comes with, None if there are none: its `queries.json`; or, if `every_layout`
    will do, its `labels/`, LERF-OVS's own `label/<scene>/` beside the scene's folder, `test_mask/` or
    `segmentations/`."""
    if (root / "queries.json").is_file():
        return root / "queries.json"
    if not every_layout:
        return None
    places = {
        root / "labels": "*.json",
        root.parent / "label" / root.name: "*.json",
        root / "test_mask": "*/*.png",
        root / "segmentations": "*/*.png",
    }
    return next((folder for folder, pattern in places.items() if any(folder.glob(pattern))), None)


def label_layout(path: Path) -> LabelLayout:
    """What labels there are. Raises DataError if none are."""
    if path.is_file():
        return "queries.json"
    if not path.is_dir():
        raise DataError(f"does not exist: give {WHAT_IS_READ}", path)
    if any(path.glob("*.json")):
        return "LERF-OVS"
    if (path / CLASSES_FILE).is_file():
        return "3D-OVS"
    if any(path.glob("*/*.png")):
        return "LERF-Mask"
    raise DataError(f"holds no labels: give {WHAT_IS_READ}", path)


def open_labels(path: Path, views: Sequence[View]) -> Labels:
    """Open a scene's labels and check what they say.

    Args:
        path: `queries.json` (with `gt/<frame>_ids.png` beside it), or a folder in one of the literature's layouts.
        views: those that will be asked for. What a folder says of other photos is left aside.

    Raises:
        DataError: naming the file, what was found and what is allowed.
    """
    match label_layout(path):
        case "LERF-OVS":
            return open_polygons(path, views)
        case "LERF-Mask":
            return open_lerf_mask(path, views)
        case "3D-OVS":
            return open_3d_ovs(path, views)
    return open_instances(path, views)
