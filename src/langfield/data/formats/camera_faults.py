"""Photos whose own pose or lens cannot be: left out and named, as long as they are few."""

from collections.abc import Callable, Sequence

from langfield.core.errors import DataError
from langfield.core.listing import shortened
from langfield.data.validation import MAX_FAULTY_SHARE, CameraFault
from langfield.data.views import View


def sound_views(
    makers: Sequence[Callable[[], View]], names: Sequence[str], places: Sequence[str]
) -> tuple[list[int], list[View], list[str]]:
    """Make the views of N photos; those whose making raises CameraFault are left out, and said in a note.

    Args:
        makers: a function for each photo.
        names: of the photos.
        places: where their cameras stand in the file, such as "frames[2]".

    Returns which photos have a view, the views, and notes. Raises DataError naming the first if more than a quarter
    have none, for then it is no accident of one photo.
    """
    views: dict[int, View] = {}
    faults: dict[int, CameraFault] = {}
    for i, make in enumerate(makers):
        try:
            views[i] = make()
        except CameraFault as fault:
            faults[i] = fault
    if not faults:
        return list(views), list(views.values()), []
    first, *others = faults
    if len(faults) > MAX_FAULTY_SHARE * len(makers):
        if len(faults) == len(makers):
            raise faults[first]
        which = f"{names[first]}, the first of {len(faults)} such photos of {len(makers)}"
        raise DataError(f"{faults[first].message} ({which})", faults[first].file)
    why = faults[first].message.removeprefix(places[first]).lstrip(".: ")
    note = f"{places[first]} ({names[first]}) is left out: {why}"
    if others:
        note += f"; left out likewise: {shortened([f'{places[i]} ({names[i]})' for i in others])}"
    return list(views), list(views.values()), [note]
