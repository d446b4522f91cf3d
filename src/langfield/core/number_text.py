"""World coordinates as text: with the digits that matter, wherever the world's origin is."""

import math
from collections.abc import Sequence

_LEAST_DIGITS = 3
_MOST_DIGITS = 17  # of a float64
_SHARE = 0.01  # of a thing's size that its position must tell apart


def position_text(position: Sequence[float], size_world: Sequence[float], between: str = ", ") -> str:
    """A position in a table: three digits, or as many as tell hundredths of a thing's size apart.

    Args:
        position: in world units.
        size_world: the sides of the thing's box, or other lengths that say how large it is.
        between: what stands between the numbers.

    (448262.0581, 5411932.284, 412.07) of a thing of 0.1 is "448262.058, 5411932.284, 412.070".
    """
    size = max(size_world, default=0.0)
    last = math.floor(math.log10(size * _SHARE)) if math.isfinite(size) and size * _SHARE > 0 else 0
    return between.join(_number_text(value, last) for value in position)


def _number_text(value: float, last: int) -> str:
    """A number down to the digit that stands for 10 to the power of `last`."""
    first = math.floor(math.log10(abs(value))) if math.isfinite(value) and value else 0
    if first - last < _LEAST_DIGITS:
        return f"{value:.{_LEAST_DIGITS}g}"
    digits = min(first - last + 1, _MOST_DIGITS)
    return f"{value:.{digits - first - 1}f}" if digits - first - 1 >= 0 else f"{value:.{digits}g}"
