"""Arrays to colours that people see: relevancy, relevancy over the photo, depth."""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from langfield.core.devices import to_host

# Polynomial fit of the turbo colour map (Mikhailov 2019) by its published coefficients, degree 5, per channel.
TURBO = np.array(
    [
        [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
        [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
        [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973],
    ]
)
DECISION = 0.5  # relevancy above it: no negative phrase wins

Colour = tuple[int, int, int]

# One for each phrase: apart from each other for most people, and readable below white text.
PHRASE_COLOURS: tuple[Colour, ...] = (
    (214, 69, 65),
    (31, 119, 190),
    (34, 139, 84),
    (201, 122, 14),
    (128, 80, 176),
    (14, 140, 146),
    (190, 70, 132),
    (110, 98, 74),
)


def turbo(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Values in [0, 1] (clipped) to colours from dark blue over green to dark red."""
    v = np.clip(np.nan_to_num(values), 0, 1).astype(np.float64)
    powers = np.stack([v**i for i in range(6)], axis=-1)
    return np.round(255 * np.clip(powers @ TURBO.T, 0, 1)).astype(np.uint8)


def to_uint8(rgb: Tensor | Float[np.ndarray, "*size 3"]) -> UInt8[np.ndarray, "*size 3"]:
    """Colours in [0, 1] to bytes."""
    if isinstance(rgb, Tensor):
        return to_host(bytes_of_colours(rgb))[0]
    return np.round(255 * np.clip(rgb, 0, 1)).astype(np.uint8)


def bytes_of_colours(rgb: Float[Tensor, "*size 3"]) -> UInt8[Tensor, "*size 3"]:
    """`to_uint8` where the colours are."""
    return (rgb.detach().clamp(0, 1) * 255).round_().to(torch.uint8)


def relevancy_picture(relevancy: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Relevancy in turbo over the whole range [0, 1], so that pictures of different phrases can be compared."""
    return turbo(relevancy)


def composited(
    rgb: UInt8[np.ndarray, "h w 3"],
    relevancy: Float[np.ndarray, "h w"],
    mask: Bool[np.ndarray, "h w"] | None = None,
    opacity: float = 0.75,
) -> UInt8[np.ndarray, "h w 3"]:
    """Relevancy in turbo over the photo, inside of the phrase's mask; the photo dimmed to 60 % elsewhere.

    LERF's code masks every phrase by the first one's relevancy; here each uses its own. Colours are stretched from 0.5,
    or the lowest relevancy in the mask if that is less, to the highest there.

    Args:
        rgb: the photo.
        relevancy: of one phrase, in [0, 1].
        mask: where the phrase is; None takes the pixels whose relevancy exceeds 0.5, which may be none.
        opacity: of turbo over the photo.
    """
    inside = relevancy > DECISION if mask is None else mask
    low = min(DECISION, float(relevancy.min(where=inside, initial=DECISION)))
    top = float(relevancy.max(where=inside, initial=low))
    heat = turbo(((relevancy - low) / max(top - low, 1e-6)).clip(0, 1)).astype(np.float64)
    base = rgb.astype(np.float64)
    mixed = opacity * heat + (1 - opacity) * base
    return np.round(np.where(inside[..., None], mixed, 0.6 * base)).astype(np.uint8)


def depth_picture(depth: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Inverse depth in turbo from its 2nd to its 98th percentile: near is red, far is blue, and black is where nothing
    is (depth not finite, or 0).

    Args:
        depth: z-depth, any unit.
    """
    finite = np.isfinite(depth) & (depth > 0)
    if not finite.any():
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    inverse = np.where(finite, 1 / np.where(finite, depth, 1), 0)
    low, high = np.percentile(inverse[finite], [2, 98])
    colours = turbo((inverse - low) / max(high - low, 1e-9))
    colours[~finite] = 0
    return colours
