"""Progress events: what long work reports to a listener (command line, log file, a notebook).

Long functions take `progress: Progress = silent` and call it at least every two seconds. They never print.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProgressEvent:
    """One moment of a long stage.

    Attributes:
        stage: "features", "training", "evaluation", ….
        done: units finished, `total` of them in all.
        unit: what is counted ("crops", "steps", "views").
        metrics: named figures of this moment, such as {"loss": 0.02, "psnr": 24.1}.
        seconds: time spent on the stage so far.
    """

    stage: str
    done: int
    total: int
    unit: str
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Units a second so far (0 before the first one)."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds still to go at the rate so far; None before the first unit."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


Progress = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Listen to nothing."""
