"""What labels are, wherever they were read from: phrases with their kinds, and per view their ground-truth masks.

`instance_labels` reads the pictures of ids beside a `queries.json`, `polygon_labels` LERF-OVS's polygons, `mask_labels`
the mask pictures of LERF-Mask and 3D-OVS; `layouts` tells which of them a folder holds. Masks are made one view at a
time, when that view is asked for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64

from langfield.core.errors import DataError
from langfield.data.images import same_shape
from langfield.data.views import View


@dataclass(frozen=True)
class Phrase:
    """A phrase to ask, and its kind: "object", "attribute", …, or "absent" for what is nowhere in the scene."""

    text: str
    kind: str


@dataclass(frozen=True, eq=False)
class Label:
    """Where one phrase is in one view: the ground truth.

    Attributes:
        boxes: one per thing that the phrase means, as x from, y from, x to, y to: edges of pixels of the labels'
            raster, so that a box of one pixel is 1 wide.
        mask: true where a pixel shows any of those things.
    """

    phrase: str
    kind: str
    boxes: Float64[np.ndarray, "b 4"]
    mask: Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class ViewLabels:
    """The labels of one view, on a raster of `height_px` × `width_px` pixels.

    It shows the same picture as the view's photo, but may have another size than the one the photo is used at.
    """

    view: str
    width_px: int
    height_px: int
    labels: tuple[Label, ...]

    @property
    def by_phrase(self) -> dict[str, Label]:
        """The labels by their phrases; each phrase has at most one label in a view."""
        return {label.phrase: label for label in self.labels}


@runtime_checkable
class Labels(Protocol):
    """The labels of a scene."""

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """Everything to ask, each text once."""
        ...

    def covers(self, view: View) -> bool:
        """Whether a view has labels."""
        ...

    def of_view(self, view: View) -> ViewLabels | None:
        """The labels of a view, None if it has none. Raises DataError for files that cannot be used."""
        ...


def check_shape(size: tuple[int, int], view: View, path: Path) -> None:
    """Raise DataError unless labels of a size (width, height) can be of the view's picture."""
    if not same_shape(size, view.size_px):
        raise DataError(
            f"is of {size[0]} by {size[1]} pixels, the photo {view.name} of {view.size_px[0]} by {view.size_px[1]}: "
            "labels must cover the same picture",
            path,
        )
