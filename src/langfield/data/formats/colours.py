"""Colours as files have them: as numbers of 0–1, of 0–255 or of 0–65535, whatever their type says."""

import numpy as np
from jaxtyping import Float64, UInt8

_OVERSHOOT = 2.0  # what renderers and fits go beyond white with, in floats
_OUTLIERS = 0.01


def rgb_from_numbers(colours: Float64[np.ndarray, "n 3"], *, whole: bool) -> UInt8[np.ndarray, "n 3"]:
    """Colours of 8 bits. What white is follows from the numbers of all points together.

    Args:
        colours: any numbers; what is not finite becomes black, and what is beyond black or white is cut off.
        whole: of a type of whole numbers: then white is 255, or 65535 if more than one in a hundred is beyond 255. Else
            it is 1, 255 or 65535: the smallest of which not more than one in a hundred is beyond its double.
    """
    levels, room = ((255.0,), 1.0) if whole else ((1.0, 255.0), _OVERSHOOT)
    largest = np.quantile(colours[np.isfinite(colours)], 1 - _OUTLIERS) if np.isfinite(colours).any() else 0.0
    white = next((level for level in levels if largest <= room * level), 65535.0)
    return np.clip(np.nan_to_num(np.round(colours * (255.0 / white)), posinf=255), 0, 255).astype(np.uint8)
