"""What a question gets back: plain data, in the frame and units of the input files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in world units: two opposite corners."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True)
class Hit:
    """One place that answers a phrase.

    Attributes:
        position: its centre, world units.
        box: around it.
        score: its relevancy in [0, 1]; 0.5 means that no negative phrase wins.
    """

    position: tuple[float, float, float]
    box: Box
    score: float


@dataclass(frozen=True)
class Answer:
    """Where a phrase is in the scene.

    Attributes:
        phrase: what was asked.
        present: whether it is in the scene at all, as far as the run can tell.
        presence: the evidence for that, in [0, 1]; `present` is presence > 0.5.
        score: relevancy of the best hit (0 without one).
        scale_world: height of the crop that fits the phrase best, world units; None without a hit.
        hits: best first.
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

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield query --json` prints for this phrase."""

        def place(hit: Hit) -> dict[str, Any]:
            return {"position": list(hit.position), "box": [list(hit.box.low), list(hit.box.high)], "score": hit.score}

        best = place(self.hits[0]) if self.hits else {"position": None, "box": None}
        return {
            "phrase": self.phrase,
            "present": self.present,
            "presence": self.presence,
            "score": self.score,
            "position": best["position"],
            "box": best["box"],
            "scale": self.scale_world,
            "hits": [place(hit) for hit in self.hits],
        }


@dataclass(frozen=True)
class ViewAnswers:
    """What phrases look like from one camera of H × W pixels.

    Attributes:
        phrases: P phrases.
        rgb: the rendered picture.
        depth_world: z-depth in world units, infinite where nothing is.
        relevancy: raw relevancy of every pixel, in [0, 1], at the phrase's best scale.
        scale_world: the scale of each pixel's relevancy, in world units (the height of a crop).
        best_xy_px: the point that answers each phrase, (x, y) in pixels.
        score: relevancy of that answer.
    """

    phrases: tuple[str, ...]
    rgb: UInt8[np.ndarray, "h w 3"]
    depth_world: Float32[np.ndarray, "h w"]
    relevancy: Float32[np.ndarray, "p h w"]
    scale_world: Float32[np.ndarray, "p h w"]
    best_xy_px: Float[np.ndarray, "p 2"]
    score: Float[np.ndarray, " p"]
