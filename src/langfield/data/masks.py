"""Which pixels of a photo may be used: what its mask files and its lens say, together."""

import numpy as np
from jaxtyping import Bool

from langfield.data.images import decode_mask
from langfield.data.views import View


def used_pixels(view: View, size_px: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None:
    """The photo's pixels that may be trained on and compared with, at the size it is used at, or at another one.

    A pixel may be used where the mask is not black, where the mask of what is to be ignored is black, and within the
    circle that a fisheye's picture fills.

    Args:
        size_px: width and height.

    Returns None where all may be used. Raises DataError for masks that cannot be read or are of another shape.
    """
    size = view.size_px if size_px is None else size_px
    parts = [
        None if view.mask_path is None else decode_mask(view.mask_path, size),
        None if view.ignored_path is None else ~decode_mask(view.ignored_path, size),
        view.camera.resized(*size).valid_pixels(),
    ]
    given = [part for part in parts if part is not None]
    return np.logical_and.reduce(given) if given else None
