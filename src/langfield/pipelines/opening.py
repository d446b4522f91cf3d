"""Opening a run to ask it. Importing this takes no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.query.session import Session


def open_run(run: str | Path, *, device: str = "auto", encoder: str | None = None) -> "Session":
    """Open a run to ask it. `langfield.open` is this function.

    Args:
        run: the run directory.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        encoder: spec of the run's image-text encoder where it is now; None is where it was when trained.

    Raises:
        RunError: no run there, or a torn one.
        UsageError: a device that is not there, a spec of no known kind.
        WeightsError: the run's encoder cannot be loaded when the first phrase is asked.
    """
    check_has_run(run)
    # Only now what brings torch, which takes seconds.
    from langfield.encoders.registry import check_image_text_spec
    from langfield.pipelines.run_making import absolute_spec
    from langfield.query.session import Session

    if encoder is not None:
        check_image_text_spec(encoder)
    return Session.open(run, device=device, encoder=None if encoder is None else absolute_spec(encoder))
