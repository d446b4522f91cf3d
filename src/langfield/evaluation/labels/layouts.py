"""Which labels a folder holds, told by how its files lie (the layout), and opening them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from langfield.core.errors import DataError
from langfield.data.queries import QUERIES_FILE
from langfield.data.views import View
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.labels.instance_labels import open_instance_labels
from langfield.evaluation.labels.mask_labels import CLASSES_FILE, open_3d_ovs, open_lerf_mask
from langfield.evaluation.labels.polygon_labels import open_polygon_labels

LabelLayout = Literal["queries.json", "LERF-OVS", "LERF-Mask", "3D-OVS"]
WHAT_IS_READ: Final = (
    "a queries.json, or the folder that holds LERF-OVS's <photo>.json, LERF-Mask's <n>/<phrase>.png (test_mask), or "
    "3D-OVS's classes.txt and <photo>/<class>.png (segmentations)"
)


def find_labels(root: Path, *, every_layout: bool) -> Path | None:
    """The labels that a scene's folder comes with; None if there are none.

    Args:
        root: the scene's folder.
        every_layout: look not only for `queries.json` but, where there is none, also for `labels/` or
            `../label/<scene>/` (LERF-OVS), `test_mask/` (LERF-Mask), and `segmentations/` (3D-OVS).
    """
    if (root / QUERIES_FILE).is_file():
        return root / QUERIES_FILE
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
    """The layout of the labels at a path. Raises DataError if there are none."""
    if path.is_file():
        return QUERIES_FILE
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
        views: those whose labels will be asked for; files that label other photos are left aside.

    Raises:
        DataError: naming the file, what was found and what is allowed.
    """
    match label_layout(path):
        case "LERF-OVS":
            return open_polygon_labels(path, views)
        case "LERF-Mask":
            return open_lerf_mask(path, views)
        case "3D-OVS":
            return open_3d_ovs(path, views)
    return open_instance_labels(path, views)
