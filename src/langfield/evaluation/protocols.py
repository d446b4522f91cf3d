"""How answers are counted: hits by kind of phrase, and presence over a whole scene."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from langfield.evaluation.labels import BACKGROUND
from langfield.evaluation.metrics import auroc

# "lerf": the one pixel of highest relevancy at LERF's scales answers, in each view, and its relevancy is the evidence
# for presence. "langfield": this package's own answers.
ProtocolName = Literal["langfield", "lerf"]
HEADLINE_KINDS = ("object", "attribute", "synonym")
_DECISION = 0.5


@dataclass
class Tally:
    """Hits among questions, by kind of phrase."""

    hits: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, hit: bool) -> None:
        self.hits[kind] = self.hits.get(kind, 0) + int(hit)
        self.total[kind] = self.total.get(kind, 0) + 1

    def merge(self, other: "Tally") -> None:
        """Add another tally's questions."""
        for kind in other.total:
            self.hits[kind] = self.hits.get(kind, 0) + other.hits[kind]
            self.total[kind] = self.total.get(kind, 0) + other.total[kind]

    def of(self, kinds: Sequence[str]) -> dict[str, int]:
        """The sums over some kinds."""
        return {
            "hits": sum(self.hits.get(kind, 0) for kind in kinds),
            "total": sum(self.total.get(kind, 0) for kind in kinds),
        }

    def to_json(self) -> dict[str, dict[str, int]]:
        """Each kind, "all" (what has no edges to hit, the background, is left out of it), and the "headline" kinds."""
        kinds = sorted(self.total)
        each = {kind: self.of([kind]) for kind in kinds}
        things = [kind for kind in kinds if kind != BACKGROUND]
        return {**each, "all": self.of(things), "headline": self.of(HEADLINE_KINDS)}


def presence_figures(present: Sequence[float], absent: Sequence[float]) -> dict[str, Any]:
    """How well evidence in [0, 1] tells phrases of things that are in the scene from phrases of things that are not.

    Returns:
        "auroc" (None without either sort), "accuracy" of deciding at 0.5 (None without any), "present" and "absent":
        {"right", "total"} of each sort.
    """
    right = {"present": sum(s > _DECISION for s in present), "absent": sum(s <= _DECISION for s in absent)}
    count = len(present) + len(absent)
    return {
        "auroc": auroc(np.array(present, dtype=np.float64), np.array(absent, dtype=np.float64)),
        "accuracy": sum(right.values()) / count if count else None,
        "present": {"right": right["present"], "total": len(present)},
        "absent": {"right": right["absent"], "total": len(absent)},
    }
