"""What single questions came to: a phrase asked once, and how often answers hit by kind of phrase."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langfield.data.queries import BACKGROUND
from langfield.evaluation.protocols.names import HEADLINE_KINDS


@dataclass(frozen=True)
class Question:
    """One phrase asked once, and the figures that its answer got.

    Attributes:
        view: name of the view that it was asked in; None where the whole scene was asked.
        values: figures by name, such as "hit" (1.0 or 0.0) and "iou"; None for what was not measured here.
        notes: what else is reported of it but never averaged.
    """

    phrase: str
    kind: str
    view: str | None
    values: Mapping[str, float | None]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of `questions`."""
        return {"view": self.view, "phrase": self.phrase, "kind": self.kind, **self.values, **self.notes}


@dataclass
class HitCounts:
    """How many questions were asked and how many answers hit, by kind of phrase."""

    hits: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_questions(cls, questions: Iterable[Question], name: str) -> "HitCounts":
        """Counts the questions whose value `name` was measured; those where it is above 0 are hits."""
        counts = cls()
        for question in questions:
            value = question.values.get(name)
            if value is not None:
                counts.add(question.kind, value > 0)
        return counts

    def add(self, kind: str, hit: bool) -> None:
        self.hits[kind] = self.hits.get(kind, 0) + int(hit)
        self.total[kind] = self.total.get(kind, 0) + 1

    def of(self, kinds: Sequence[str]) -> dict[str, int]:
        """{"hits", "total"}: the sums over some kinds."""
        return {
            "hits": sum(self.hits.get(kind, 0) for kind in kinds),
            "total": sum(self.total.get(kind, 0) for kind in kinds),
        }

    def to_json(self) -> dict[str, dict[str, int]]:
        """Each kind; "all" of them but the background, which has no edges to hit; and the "headline" kinds."""
        kinds = sorted(self.total)
        each = {kind: self.of([kind]) for kind in kinds}
        things = [kind for kind in kinds if kind != BACKGROUND]
        return {**each, "all": self.of(things), "headline": self.of(HEADLINE_KINDS)}
