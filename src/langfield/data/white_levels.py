"""Which value is white in a scene's photos of more than 8 bits a colour: one for all of them.

Cameras of 10, 12 and 14 bits write their numbers into files of 16; floats are of 0–1, of 0–255 or of more. The files do
not say which, but their largest values do.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from langfield.core.errors import DataError
from langfield.core.sampling import subsample_evenly
from langfield.data.deep_pictures import FLOAT_KINDS, WHOLE_KINDS, may_be_deep
from langfield.data.images import deep_kind, largest_deep_value
from langfield.data.views import View

_WHOLE_LEVELS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_FLOAT_LEVELS = (1.0, *_WHOLE_LEVELS)
_FLOAT_ROOM = 2.0  # floats of 0–1 go a little beyond 1, those of 0–255 go far beyond 2
_PHOTOS_LOOKED_AT = 16
_DECODERS = 4


def with_white_levels(views: Sequence[View]) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """The views, those with more than 8 bits a colour with the value that is white; and notes of what was chosen.

    Whole numbers have one white level in all photos of the scene: the largest number of 8, 10, 12, 14 or 16 bits that
    none of sixteen photos exceeds. Floats have another: 1, or one of these. So no photo is made brighter than another.

    Raises DataError for a photo whose bits are stored in a way that cannot be read, or that cannot be opened. One that
    is damaged further on says so where it is used.
    """
    suspects = [i for i, view in enumerate(views) if may_be_deep(view.image_path)]
    with ThreadPoolExecutor(_DECODERS) as pool:
        kinds = dict(zip(suspects, pool.map(lambda i: deep_kind(views[i].image_path), suspects), strict=True))
        out, notes = list(views), []
        for of_kind, levels, room in ((WHOLE_KINDS, _WHOLE_LEVELS, 1.0), (FLOAT_KINDS, _FLOAT_LEVELS, _FLOAT_ROOM)):
            indices = [i for i in suspects if kinds[i] in of_kind]
            if not indices:
                continue
            chosen = [views[i].image_path for i in subsample_evenly(indices, _PHOTOS_LOOKED_AT)]
            largest = max(pool.map(_largest_value, chosen))
            level = _white_level(largest, levels, room)
            for i in indices:
                if level is not None and not (kinds[i] == "16 bits" and level == _WHOLE_LEVELS[-1]):
                    out[i] = replace(views[i], white_level=level)
            if any(out[i] is not views[i] for i in indices):
                notes.append(_note(len(indices), largest, level, of_kind is WHOLE_KINDS))
    return tuple(out), tuple(notes)


def _white_level(largest: float, levels: Sequence[float], room: float) -> float | None:
    """The first level that suits the largest value, floats of the lowest with room to spare; the last for pictures of
    nothing but black, whose range cannot be seen; None for values beyond all levels."""
    if largest <= 0:
        return levels[-1] if levels[0] != 1.0 else levels[0]
    return next((level for level in levels if largest <= level * (room if level == levels[0] else 1.0)), None)


def _largest_value(path: Path) -> float:
    try:
        return largest_deep_value(path)
    except DataError:
        return 0.0


def _note(photos: int, largest: float, level: float | None, whole: bool) -> str:
    if whole:
        assert level is not None
        return (
            f"{photos} photos have values of {int(level).bit_length()} bits in files of more (the largest is "
            f"{largest:.0f}): {level:.0f} is white in all of them"
        )
    return f"{photos} photos have values of floats (the largest are about {largest:.3g}): {level:g} is white in them"
