"""Opening a run to ask it, or to measure it on the scene that it was trained on."""

from dataclasses import dataclass
from pathlib import Path

from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.progress import Progress, silent
from langfield.data.scene import Scene, open_scene
from langfield.encoders.registry import check_image_text_spec
from langfield.evaluation.labels.layouts import find_labels
from langfield.evaluation.protocols.names import ProtocolName
from langfield.pipelines.run_making import absolute_spec
from langfield.query.session import Session

# On a CPU phrases are asked on a small picture: LERF's crops are far larger than its pixels anyway.
_CPU_LANGUAGE_SIDE_PX = 160


def open_run(run: str | Path, *, device: str = "auto", encoder: str | None = None) -> Session:
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
    if encoder is not None:
        check_image_text_spec(encoder)
    return Session.open(run, device=device, encoder=None if encoder is None else absolute_spec(encoder))


@dataclass(frozen=True)
class OpenedToMeasure:
    """A run with the scene it was trained on, and how it is going to be measured.

    Attributes:
        session: the run.
        scene: its photos.
        queries: labels; None if there are none.
        max_side_px: phrases are asked on a picture no longer than this; None for the photos' own size.
    """

    session: Session
    scene: Scene
    queries: Path | None
    max_side_px: int | None


def open_to_measure(
    run: str | Path,
    *,
    scene: str | Path | None = None,
    encoder: str | None = None,
    allow_outside: bool = False,
    queries: str | Path | None = None,
    protocol: ProtocolName = "langfield",
    max_side_px: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> OpenedToMeasure:
    """Open a run and its scene. Arguments and errors are those of `evaluate`."""
    if max_side_px is not None and max_side_px < 16:
        raise UsageError(f"max_side_px must be at least 16, got {max_side_px}")
    where = resolve_device(device)
    session = open_run(run, device=str(where), encoder=encoder)
    info = session.info
    photos = open_scene(
        info.scene_path if scene is None else scene, allow_outside=allow_outside, test_every=info.test_every
    )
    if photos.fingerprint(progress, info.fingerprint_version) != info.scene_fingerprint:
        raise RunError(
            f"was trained on another scene than {photos.root}, or its photos, poses or points changed since; "
            "give the one it was trained on (--scene), or train again",
            run,
        )
    needs_labels = protocol not in ("langfield", "lerf")  # these measure pictures without
    if max_side_px is None and where.type == "cpu":
        max_side_px = _CPU_LANGUAGE_SIDE_PX
    labels = find_labels(photos.root, every_layout=needs_labels) if queries is None else Path(queries)
    return OpenedToMeasure(session, photos, labels, max_side_px)
