"""What a format of scenes is (`SceneFormat`), and what reading one gives (`ParsedScene`)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from langfield.data.views import Points, View


@dataclass(frozen=True, eq=False)
class ParsedScene:
    """What a scene's files say, checked; `open_scene` makes the `Scene` of it.

    Attributes:
        root: the folder that holds everything.
        kind: which format it is, as people call it ("nerfstudio", "colmap").
        views: in any order. Cameras have OpenCV axes, are in the files' own world frame, and are for the size the photo
            is used at.
        points: in the same frame; None where the files bring none.
        split: names of the views to train on and to test on; None where the files name none.
        notes: lines for a person: what was found, chosen, left out, resized.
        split_notes: those about `split`, for where no other one is asked for.
    """

    root: Path
    kind: str
    views: tuple[View, ...]
    points: Points | None
    split: tuple[frozenset[str], frozenset[str]] | None
    notes: tuple[str, ...]
    split_notes: tuple[str, ...] = ()


@runtime_checkable
class SceneReader(Protocol):
    """Reads a scene of one format.

    Args:
        path: what the format matched.
        max_side_px: longest side that photos are used at; None for any.
        allow_outside: accept files outside the scene's folder.

    Raises DataError naming the file and the place in it that is wrong.
    """

    def __call__(self, path: Path, *, max_side_px: int | None, allow_outside: bool) -> ParsedScene: ...


@dataclass(frozen=True)
class SceneFormat:
    """One way in which posed photos are stored.

    Attributes:
        marker: what a scene of this format is known by, in a few words ("transforms.json", "COLMAP model").
        looks_for: the same for somebody whose folder has none: what must be there, and where.
        matches: whether a path, which exists, is a scene of this format. A look at names: it opens no large files.
        read: reads what `matches` accepted.
    """

    marker: str
    looks_for: str
    matches: Callable[[Path], bool]
    read: SceneReader
