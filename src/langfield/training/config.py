"""Settings of a training, apart from the loop because checkpoints compare them, too."""

from dataclasses import dataclass

from langfield.core.checks import check_counts, check_numbers


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        steps: steps in all; 0 for a run that is made without training.
        rays: rays in a step, at least 1.
        head_rays: how many of them have targets besides colour, at least 1; None for all.
        seed: of all random numbers.
        bf16: run the model under bfloat16 autocast; None to do so on CUDA only.
        cuda_graphs: on CUDA, record steps and launch them whole (same results, less time).
        save_every: seconds between saves.
        report_every: steps between reports, which wait for the device; there is one every second in any case.

    Raises:
        ValueError: steps below 0, rays or head_rays below 1.
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
