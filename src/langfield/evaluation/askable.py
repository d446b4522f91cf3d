"""What protocols need of the session that they measure, and asking it in batches that fit in memory."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.observed_scales import CROP_LEVELS
from langfield.core.progress import Progress, silent
from langfield.evaluation.protocols.names import LevelMaps
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.asked_view import Protocol as AnswerProtocol

# Most bytes that the maps of one call may take; phrases whose maps take more are asked in several calls.
MAX_MAPS_BYTES = 2**30


@runtime_checkable
class AskableSession(Protocol):
    """The part of `langfield.query.session.Session` that every protocol can do with."""

    @property
    def info(self) -> Any:
        """With the run's `seed`."""
        ...

    def query(self, phrases: Sequence[str], *, progress: Progress = silent) -> list[Answer]:
        """Where phrases are in the whole scene."""
        ...

    def ask_view(
        self, camera: Camera, phrases: Sequence[str], *, protocol: AnswerProtocol = "langfield"
    ) -> ViewAnswers:
        """Where phrases are in the picture of a camera of the world frame."""
        ...

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colours and z-depth in world units, seen by a camera of the world frame."""
        ...


@runtime_checkable
class SessionWithLevelMaps(AskableSession, Protocol):
    """What protocols need that choose one of several relevancy maps for each phrase (`lerf_ovs`, `ovs_3d`)."""

    @property
    def views(self) -> Sequence[Any]:
        """The run's photos, each with `name` and `split` ("train" if it was trained on)."""
        ...

    def level_maps(self, camera: Camera, phrases: Sequence[str], *, raw: bool = False) -> Float32[Tensor, "l p h w"]:
        """Relevancy of P phrases in a camera's picture at each of L levels; `raw`: as rendered at each crop level."""
        ...


def ask_view_in_batches(
    session: AskableSession, camera: Camera, phrases: Sequence[str], protocol: AnswerProtocol = "langfield"
) -> Iterator[ViewAnswers]:
    """`session.ask_view` for as many phrases at a time as fit in `MAX_MAPS_BYTES`."""
    for batch in _batches(phrases, camera, maps_per_phrase=2):  # relevancy and scale
        yield session.ask_view(camera, batch, protocol=protocol)


def level_maps_in_batches(
    session: SessionWithLevelMaps, camera: Camera, phrases: Sequence[str], maps: LevelMaps
) -> Iterator[tuple[Sequence[str], Float32[Tensor, "l p h w"]]]:
    """`session.level_maps` for as many phrases at a time as fit in `MAX_MAPS_BYTES`; with those phrases."""
    for batch in _batches(phrases, camera, maps_per_phrase=CROP_LEVELS):
        yield batch, session.level_maps(camera, batch, raw=maps == "raw")


def _batches(phrases: Sequence[str], camera: Camera, maps_per_phrase: int) -> Iterator[Sequence[str]]:
    bytes_per_phrase = maps_per_phrase * 4 * camera.width_px * camera.height_px
    size = max(1, MAX_MAPS_BYTES // bytes_per_phrase)
    return (phrases[first : first + size] for first in range(0, len(phrases), size))
