"""Which of a scene's views are used, and which its scale follows: poses and photos checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from langfield.core.errors import DataError
from langfield.core.listing import shortened
from langfield.data.duplicates import repeated_views
from langfield.data.formats.base import ParsedScene
from langfield.data.formats.photo_files import MIN_VIEWS
from langfield.data.stray_cameras import Strays, find_strays
from langfield.data.unknown_places import GUESSES
from langfield.data.views import View


@dataclass(frozen=True)
class Screened:
    """What is left of a scene's views, sorted by name.

    Attributes:
        views: those that are used.
        of_scale: those of them that the scene's scale follows.
        notes: lines for a person.
        warnings: those that belong to every answer.
    """

    views: tuple[View, ...]
    of_scale: tuple[View, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def screen(parsed: ParsedScene) -> Screened:
    """Leave out copies of photos, and cameras that stand far from all others and see nothing of what those see.

    Raises DataError if fewer than two photos are left.
    """
    listed = tuple(sorted(parsed.views, key=lambda view: view.name))
    copies = repeated_views(listed)
    views = tuple(view for i, view in enumerate(listed) if i not in copies)
    notes = _copy_notes(listed, copies)
    if len(views) < MIN_VIEWS:
        raise DataError(f"{notes[0]}: a scene needs at least {MIN_VIEWS} different photos", parsed.root)
    strays = find_strays([view.camera for view in views], None if parsed.points is None else parsed.points.xyz)
    if strays.groups:
        names = shortened([view.name for view, apart in zip(views, strays.apart, strict=True) if apart])
        warning = (
            f"the poses fall apart in groups: {names} stand {_times_text(strays.times)} as far away as the others "
            f"reach: {GUESSES}, pose the photos again or leave a group out"
        )
        return Screened(views, views, (*notes, warning), (warning,))
    return Screened(
        tuple(view for i, view in enumerate(views) if not strays.apart[i] or strays.seeing[i]),
        tuple(view for i, view in enumerate(views) if not strays.apart[i]),
        (*notes, *_stray_notes(views, strays)),
        (),
    )


def _copy_notes(views: Sequence[View], copies: dict[int, int]) -> list[str]:
    if not copies:
        return []
    copy, original = next(iter(copies.items()))
    what = f"{len(copies)} photos are copies of others" if len(copies) > 1 else "1 photo is a copy of another"
    return [f"{what} with the same pose and left out ({views[copy].name} is {views[original].name})"]


def _times_text(times: float) -> str:
    return f"{times:,.0f} times" if times < 1e6 else "millions of times"


def _stray_notes(views: Sequence[View], strays: Strays) -> list[str]:
    """A line for the strays that are left out, and one for those that are not."""
    lines = []
    for seeing, fate in (
        (False, "in view of nothing that they see: left out, for such a pose must be wrong"),
        (True, "in view of what they see: used, but the scene's scale follows the others; check that pose"),
    ):
        which = strays.apart & (strays.seeing == seeing)
        names = [view.name for view, chosen in zip(views, which, strict=True) if chosen]
        if names:
            far = f"{_times_text(strays.times)} as far away as the other photos reach"
            lines.append(f"{shortened(names)} {'stand' if len(names) > 1 else 'stands'} {far}, {fate}")
    return lines
