"""Settings of a training. Apart from the loop, for checkpoints compare them with the ones that a run was saved with."""

from dataclasses import dataclass

from langfield.core.checks import check_counts, check_numbers


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        steps: how many steps in all.
        rays: rays in a step.
        head_rays: how many of them carry targets besides colour; None for all.
        seed: of everything random.
        bf16: run the model in bfloat16 where torch thinks it safe; None to do so on CUDA only.
        cuda_graphs: on CUDA, record steps and launch them whole (same results, less time).
        save_every: seconds between saves.
        report_every: steps between reports, each of which waits for the device (a report is due every second anyway).
    """

    steps: int = 30_000
    rays: int = 4096
    head_rays: int | None = None
    seed: int = 0
    bf16: bool | None = None
    cuda_graphs: bool = True
    save_every: float = 300.0
    report_every: int = 50

    def __post_init__(self) -> None:
        check_counts(self, "steps", "seed", least=0)
        check_counts(self, "rays", "report_every")
        if self.head_rays is not None:
            check_counts(self, "head_rays")
        check_numbers(self, "save_every", least=0)
