"""What the evaluator asks: the part of a session that it needs, and how many phrases are asked at once."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.observed_scales import CROP_LEVELS
from langfield.core.progress import Progress, silent
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.session import Protocol as AskedProtocol

# Maps of all phrases of one question, in bytes: more phrases than fit are asked in several questions.
MAPS_BYTES = 2**30


@runtime_checkable
class Asked(Protocol):
    """What is evaluated; `langfield.query.session.Session` is one."""

    @property
    def info(self) -> Any:
        """With the run's `seed`."""
        ...

    def query(self, phrases: Sequence[str], *, progress: Progress = silent) -> list[Answer]: ...

    def ask_view(self, camera: Camera, phrases: Sequence[str], *, protocol: AskedProtocol = "langfield") -> ViewAnswers:
        """Answers for a camera of the world frame."""
        ...

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colours and z-depth in world units."""
        ...


@runtime_checkable
class AskedAtLevels(Asked, Protocol):
    """What is evaluated by protocols that choose a level themselves."""

    @property
    def views(self) -> Sequence[Any]:
        """The run's photos, each with `name` and `split` ("train" if it was trained on)."""
        ...

    def level_maps(self, camera: Camera, phrases: Sequence[str]) -> Float32[Tensor, "l p h w"]:
        """Relevancy of P phrases in a picture at each of L levels."""
        ...


def asked_in_views(
    session: Asked, camera: Camera, phrases: Sequence[str], protocol: AskedProtocol = "langfield"
) -> Iterator[ViewAnswers]:
    """The answers to as many phrases at once as fit: relevancy and scale are a map each."""
    for part in _parts(phrases, camera, maps=2):
        yield session.ask_view(camera, part, protocol=protocol)


def asked_at_levels(
    session: AskedAtLevels, camera: Camera, phrases: Sequence[str]
) -> Iterator[tuple[Sequence[str], Float32[Tensor, "l p h w"]]]:
    """As many phrases at once as fit, and their maps at each level."""
    for part in _parts(phrases, camera, maps=CROP_LEVELS):
        yield part, session.level_maps(camera, part)


def _parts(phrases: Sequence[str], camera: Camera, maps: int) -> Iterator[Sequence[str]]:
    at_once = max(1, MAPS_BYTES // (maps * 4 * camera.width_px * camera.height_px))
    return (phrases[first : first + at_once] for first in range(0, len(phrases), at_once))
