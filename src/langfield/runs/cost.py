"""What making a run has cost: time by stage, and memory, added up over all the calls that worked on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langfield.runs.migration import Document


@dataclass(frozen=True)
class RunCost:
    """What one call, or several in a row, spent on a run.

    Attributes:
        seconds: from the beginning to the end of each call.
        stages: seconds by stage ("features", "training", …).
        memory_bytes: the largest peak of a call: allocated on the GPU if one was used, else resident.
        crops_per_second: of the image-text encoder when it last had something to encode; 0 if it never had.
        device: of the last call; "" if there was none.
    """

    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int = 0
    crops_per_second: float = 0.0
    device: str = ""

    def plus(self, later: "RunCost") -> "RunCost":
        """The cost of this and of a later call together."""
        names = dict.fromkeys((*self.stages, *later.stages))
        return RunCost(
            seconds=self.seconds + later.seconds,
            stages={name: self.stages.get(name, 0.0) + later.stages.get(name, 0.0) for name in names},
            memory_bytes=max(self.memory_bytes, later.memory_bytes),
            crops_per_second=later.crops_per_second or self.crops_per_second,
            device=later.device or self.device,
        )

    def to_json(self) -> Document:
        """The key "cost" of `training.json`."""
        return {
            "seconds": round(self.seconds, 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "memory_bytes": self.memory_bytes,
            "crops_per_second": round(self.crops_per_second, 1),
            "device": self.device,
        }

    @classmethod
    def of_training(cls, document: Mapping[str, Any]) -> "RunCost":
        """That in a `training.json`. Runs of langfield 0.1.0 have none there: of them only the time of the steps is
        known."""
        match document.get("cost"):
            case {
                "seconds": int() | float() as seconds,
                "stages": dict() as stages,
                "memory_bytes": int() as memory_bytes,
                "crops_per_second": int() | float() as crops_per_second,
                "device": str() as device,
            } if all(_is_time(value) for value in (seconds, *stages.values())):
                return cls(seconds, stages, memory_bytes, crops_per_second, device)
        seconds = document.get("seconds")
        if not isinstance(seconds, int | float) or not _is_time(seconds):
            return cls()
        return cls(float(seconds), {"training": float(seconds)})


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0
