"""Labels from a `queries.json` and the pictures of ids beside it, which say of each pixel which thing it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from langfield.core.errors import DataError
from langfield.data.images import decode_image
from langfield.data.queries import QueriesFile, read_queries
from langfield.data.views import View
from langfield.evaluation.labels.base import Label, Phrase, ViewLabels, check_shape

# A phrase is asked in a view only if at least so many pixels there show what it means (the benchmark scenes' rule).
MIN_VISIBLE_PX = 120


@dataclass(frozen=True, eq=False)
class InstanceLabels:
    """Labels from pictures of ids: `gt/<photo>_ids.png` beside the `queries.json`, of one grey channel."""

    queries: QueriesFile

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        return tuple(Phrase(query.text, query.kind) for query in self.queries.queries)

    def covers(self, view: View) -> bool:
        return self._ids_path(view).is_file()

    def of_view(self, view: View) -> ViewLabels | None:
        """The phrases of whose things at least `MIN_VISIBLE_PX` pixels show; a box about the visible part of each."""
        path = self._ids_path(view)
        if not path.is_file():
            return None
        ids = self._ids(path, view)
        labels = []
        for query in self.queries.queries:
            masks = [ids == thing for thing in query.ids]
            visible = [mask for mask in masks if mask.any()]
            if sum(int(mask.sum()) for mask in visible) >= MIN_VISIBLE_PX:
                boxes = np.stack([visible_box(mask) for mask in visible])
                labels.append(Label(query.text, query.kind, boxes, np.logical_or.reduce(visible)))
        return ViewLabels(view.name, ids.shape[1], ids.shape[0], tuple(labels))

    def _ids_path(self, view: View) -> Path:
        return self.queries.path.parent / "gt" / f"{Path(view.name).stem}_ids.png"

    def _ids(self, path: Path, view: View) -> Int64[np.ndarray, "h w"]:
        colours = decode_image(path)
        if (colours != colours[:, :, :1]).any():
            raise DataError("is a picture in colour: an 8-bit grey picture of ids is needed", path)
        height, width = colours.shape[:2]
        check_shape((width, height), view, path)
        return colours[:, :, 0].astype(np.int64) - self.queries.id_png_offset


def open_instance_labels(path: Path, views: Sequence[View]) -> InstanceLabels:
    """Open a `queries.json` to ask for some views. Raises DataError, also where two of them have pictures of ids of
    one name, which leave out folders and endings."""
    stems = [Path(view.name).stem for view in views]
    doubled = next((stem for stem in stems if stems.count(stem) > 1), None)
    if doubled is not None:
        raise DataError(f"labels name photos without folder, but two views are called {doubled!r}: rename one", path)
    return InstanceLabels(read_queries(path))


def visible_box(mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "4"]:
    """The smallest box (pixel edges) around the true pixels, of which there is at least one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
