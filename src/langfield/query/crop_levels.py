"""Relevancy pictures of one camera at the crop levels that training observed.

LERF asks every pixel at 30 scales and takes the single best (`query.scale_search`). Most of its misses are pixels of
bare table or wall at a scale that no crop had there: the field extrapolates, and a maximum over 30 pictures finds where
it does so worst. Here a pixel is asked at the heights of crops that showed it (`ObservedScales`).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.devices import to_device_async
from langfield.core.interruption import stop_if_not_needed
from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.median_distance import median_distance


def relevancy_at_crop_levels(
    view: AskableView, phrases: EncodedPhrases, scales: ObservedScales, crop_level: Int64[Tensor, " p"]
) -> tuple[Float[Tensor, "p h w"], Float[Tensor, "p h w"]]:
    """LERF's relevancy of every pixel for P phrases, each at its own crop level; unsmoothed.

    Cost: one evaluation of the picture for each distinct level; what does not depend on the scale is read once.

    Args:
        crop_level: index into `scales.crop_angles` for each phrase; on the host, or the device is waited for.

    Returns relevancy in [0, 1], and the query scale of each pixel: crop angle × typical distance, scene units.
    """
    shape = (len(phrases), view.camera.height_px, view.camera.width_px)
    distance = scales.typical_distance(view.points_scene, median_distance)
    out = torch.empty(len(phrases), view.pixel_count, device=distance.device)
    groups = _by_level(phrases, crop_level.tolist())
    for part in torch.arange(view.pixel_count, device=distance.device).split(view.pixels_at_once):
        stop_if_not_needed()
        pixels = view.of_pixels(part)
        for level, chosen, group in groups:
            relevancy = pixels.relevancy_at(scales.crop_angles[level] * distance[part])(group)
            out[chosen, part[:, None]] = relevancy
    query_scale = scales.crop_angles[crop_level.to(distance.device)][:, None] * distance
    return out.reshape(shape), query_scale.reshape(shape)


def _by_level(phrases: EncodedPhrases, levels: Sequence[int]) -> list[tuple[int, Int64[Tensor, " p"], EncodedPhrases]]:
    """Each level, the phrases that are asked there by number, and themselves: the same object, if all are."""
    groups = []
    for level in sorted(set(levels)):
        chosen = torch.tensor([number for number, own in enumerate(levels) if own == level])
        group = phrases if len(chosen) == len(phrases) else phrases[chosen]
        groups.append((level, to_device_async(chosen.numpy(), phrases.embeddings.device, np.int64), group))
    return groups
