"""Names of what is under the mouse: a small picture of numbers for the page's script, which needs no server then.

viser tells nothing of a mouse that only rests, and messages for each of its moves would be many. So the browser gets
the names of a resting view once, a few kilobytes, and looks them up itself (`langfield.viewer.page_script`).
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from langfield.core.cameras import Camera
from langfield.query.objects import SceneObject
from langfield.query.session import Session

SIDE_PX = 160


@dataclass(frozen=True, eq=False)
class NamesInView:
    """Which thing each pixel of a small picture shows.

    Attributes:
        number: of each pixel, an index into `names`.
        names: the first one, "", is of what is no thing.
    """

    number: Int64[np.ndarray, "h w"]
    names: tuple[str, ...]

    def as_html(self) -> str:
        """An element without looks that the page's script reads: numbers as pairs of a value and how often it comes."""
        flat = self.number.ravel()
        starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
        counts = np.diff(np.append(starts, flat.size))
        height, width = self.number.shape
        runs = np.stack([flat[starts], counts], axis=1).ravel().tolist()
        document = {"width": width, "height": height, "names": self.names, "runs": runs}
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return f'<span hidden data-langfield-names="{html.escape(text, quote=True)}"></span>'


NO_NAMES = ""  # instead of `as_html`, while a camera moves


def names_in_view(session: Session, camera: Camera, objects: Sequence[SceneObject]) -> NamesInView:
    """The things that a camera of the world frame sees. Of things that share a pixel the smallest one has it.

    Args:
        objects: the scene's things, at least one.
    """
    masks = session.group_masks(camera.fit_within(SIDE_PX), [found.shape.group for found in objects])
    names = tuple(found.name or f"thing {number + 1}" for number, found in enumerate(objects))
    return NamesInView(numbers_of_masks(masks), ("", *names))


def numbers_of_masks(masks: Bool[np.ndarray, "k h w"]) -> Int64[np.ndarray, "h w"]:
    """1 + the smallest mask that holds each pixel; 0 where none does."""
    number = np.zeros(masks.shape[1:], dtype=np.int64)
    for mask in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        number[masks[mask]] = mask + 1
    return number
