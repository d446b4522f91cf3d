"""What a question gets back: plain data, in the world frame and units of the input files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from langfield.core.devices import to_host
from langfield.core.number_text import position_text
from langfield.query.boxes import (
    REGION,
    Box,
    Ends,
    OrientedBox,
    axis_aligned_box,
    box_centre,
    oriented_box,
    upright_box,
)


@dataclass(frozen=True)
class Hit:
    """One place that answers a phrase: a connected region of the scene's surface.

    Attributes:
        position: the middle of the region's core, where relevancy is nearly as high as its peak; world units.
        box: axis-aligned, around the whole region.
        oriented_box: around the whole region, along its principal axes.
        upright_box: around the whole region, its last axis upwards, turned so that it covers least ground.
        score: its peak relevancy in [0, 1], a mean over crop levels, smoothed over the surface. 0.5 would mean, of
            LERF's relevancy at one level, that no negative phrase wins.
        scale_world: height, at this place, of the crops that fit the phrase best, world units.
        views: names of up to four photos that show it best, with nothing in front of it.
        elements: how many of the run's Gaussians lie in it; of a field, how many `points_world` are.
        points_world: (K, 3) the points of the scene's surface that lie in it.
    """

    position: tuple[float, float, float]
    box: Box
    oriented_box: OrientedBox
    upright_box: OrientedBox
    score: float
    scale_world: float
    views: tuple[str, ...]
    elements: int
    points_world: Float[np.ndarray, "k 3"] = field(repr=False, compare=False)

    @classmethod
    def from_points(
        cls,
        points_world: Float[np.ndarray, "k 3"],
        core_world: Float[np.ndarray, "c 3"],
        score: float,
        scale_world: float,
        elements: int,
        views: Sequence[str],
        up_world: Float[np.ndarray, "3"],
        ends: Ends = REGION,
    ) -> "Hit":
        """The hit that a region's points make. Boxes and position leave out the outermost points on either side.

        Args:
            points_world: of the region, at least one.
            core_world: of the region's core, at least one: the position is the middle of their box.
            score: the region's peak relevancy.
            scale_world: height of the crops that fit best, world units.
            elements: how many of the run's Gaussians lie in the region; of a field, how many points.
            views: names of the photos that show it best.
            up_world: unit, upwards.
            ends: of the points, world units; of the core without their weights.
        """
        x, y, z = box_centre(core_world, Ends(ends.percent)).tolist()
        around, upright = oriented_box(points_world, ends), upright_box(points_world, up_world, ends)
        box = axis_aligned_box(points_world, ends)
        return cls((x, y, z), box, around, upright, score, scale_world, tuple(views), elements, points_world)

    def to_json(self) -> dict[str, Any]:
        """One of an answer's "hits", without its points: plain lists and numbers."""
        return {
            "position": list(self.position),
            "box": self.box.to_json(),
            "oriented_box": self.oriented_box.to_json(),
            "obb": self.upright_box.to_json(),
            "score": float(self.score),
            "scale": float(self.scale_world),
            "views": list(self.views),
            "elements": self.elements,
        }


@dataclass(frozen=True)
class Answer:
    """Whether and where a phrase is in the scene.

    `json.dumps(answers, default=lambda value: value.to_json())` makes JSON of answers, hits and boxes.

    Attributes:
        phrase: what was asked.
        present: whether it is in the scene at all, as far as the run can tell: presence > `min_presence` of the
            question, which is 0.5 unless that says otherwise.
        presence: evidence for that, in [0, 1] (`langfield.query.presence`).
        score: of the best hit; 0 without one.
        scale_world: height of the crop that fits the phrase best, world units; None without a hit.
        hits: up to eight, best first; none where it is not present.
    """

    phrase: str
    present: bool
    presence: float
    score: float
    scale_world: float | None
    hits: tuple[Hit, ...]

    @property
    def position(self) -> tuple[float, float, float] | None:
        """World position of the best hit."""
        return self.hits[0].position if self.hits else None

    @property
    def position_text(self) -> str:
        """The position for a table, with the digits that the thing's size needs; "" for what is not there."""
        return position_text(self.hits[0].position, self.hits[0].box.size) if self.hits else ""

    @property
    def box(self) -> Box | None:
        """Axis-aligned box of the best hit, world frame."""
        return self.hits[0].box if self.hits else None

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield query --json` prints for this phrase: plain lists and numbers."""
        best = self.hits[0].to_json() if self.hits else {"position": None, "box": None}
        return {
            "phrase": self.phrase,
            "present": self.present,
            "presence": float(self.presence),
            "score": float(self.score),
            "position": best["position"],
            "box": best["box"],
            "scale": None if self.scale_world is None else float(self.scale_world),
            "hits": [hit.to_json() for hit in self.hits],
        }


@dataclass(frozen=True, eq=False)
class ViewTensors:
    """The arrays of `ViewAnswers`, by the same names, where they were worked out: on a session's device."""

    rgb: UInt8[Tensor, "h w 3"]
    depth_world: Float32[Tensor, "h w"]
    relevancy: Float32[Tensor, "p h w"]
    refined: Float32[Tensor, "p h w"]
    masks: Bool[Tensor, "p h w"]
    scale_world: Float32[Tensor, "p h w"]
    best_xy_px: Float[Tensor, "p 2"]
    score: Float[Tensor, " p"]


_ARRAYS = tuple(each.name for each in fields(ViewTensors))


@dataclass(frozen=True)
class ViewAnswers:
    """P phrases in the picture of one camera of H × W pixels.

    A session's answers stay on its device: `tensors` has them there, and an array is copied when it is first read.

    Attributes:
        phrases: what was asked.
        rgb: (H, W, 3) the rendered picture.
        depth_world: (H, W) z-depth in world units, infinite where nothing is.
        relevancy: (P, H, W) LERF's relevancy of every pixel as rendered, in [0, 1], at the query scale below.
        refined: (P, H, W) relevancy of the surface that each pixel shows, from all photos: the mean over crop levels
            up to the best one, smoothed where the surface shows no edge (`langfield.query.index.surface_graph`).
        masks: (P, H, W) the pixels of all hits; none for a phrase that is not present.
        scale_world: (P, H, W) the query scale of each pixel's relevancy: the height of a crop, world units.
        best_xy_px: (P, 2) the pixel that answers each phrase, (x, y), centres at + 0.5.
        score: (P,) relevancy there.
        note: a line for people where the camera sees nothing of the scene: its pose may be meant otherwise. Else None.
    """

    phrases: tuple[str, ...]
    rgb: UInt8[np.ndarray, "h w 3"]
    depth_world: Float32[np.ndarray, "h w"]
    relevancy: Float32[np.ndarray, "p h w"]
    refined: Float32[np.ndarray, "p h w"]
    masks: Bool[np.ndarray, "p h w"]
    scale_world: Float32[np.ndarray, "p h w"]
    best_xy_px: Float[np.ndarray, "p 2"]
    score: Float[np.ndarray, " p"]
    note: str | None = None

    @classmethod
    def of_tensors(cls, phrases: tuple[str, ...], tensors: ViewTensors, note: str | None = None) -> "ViewAnswers":
        """Answers whose arrays are on a device, and copied from there when they are first read; a CPU's are arrays
        at once."""
        if not tensors.rgb.is_cuda:
            arrays: dict[str, Any] = dict(zip(_ARRAYS, to_host(*vars(tensors).values()), strict=True))
            return cls(phrases, **arrays, note=note)
        answers = object.__new__(cls)
        vars(answers).update(phrases=phrases, tensors=tensors, note=note)
        return answers

    @cached_property
    def tensors(self) -> ViewTensors:
        """The arrays as tensors: on the device of the session that answered, without a copy."""
        return ViewTensors(**{name: torch.from_numpy(getattr(self, name)) for name in _ARRAYS})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> np.ndarray:
            """An array that was not read before."""
            if name not in _ARRAYS or "tensors" not in vars(self):
                raise AttributeError(f"{type(self).__name__} has no {name}")
            (array,) = to_host(getattr(self.tensors, name))
            return vars(self).setdefault(name, array)
