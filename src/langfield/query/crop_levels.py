"""Relevancy pictures of one camera at the crop levels that training observed.

LERF asks every pixel at 30 scales and takes the single best (`query.scale_search`). Most of its misses are pixels of
bare table or wall at a scale that no crop had there: the field extrapolates, and a maximum over 30 pictures finds where
it does so worst. Here a pixel is asked at the heights of crops that showed it (`ObservedScales`).
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

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
        crop_level: index into `scales.crop_angles` for each phrase.

    Returns relevancy in [0, 1], and the query scale of each pixel: crop angle × typical distance, scene units.
    """
    shape = (len(phrases), view.camera.height_px, view.camera.width_px)
    distance = scales.typical_distance(view.points_scene, median_distance)
    out = torch.empty(len(phrases), view.pixel_count, device=distance.device)
    phrases_of_level = [(level, torch.nonzero(crop_level == level)[:, 0]) for level in crop_level.unique().tolist()]
    groups = [(level, chosen, phrases[chosen]) for level, chosen in phrases_of_level]
    for part in torch.arange(view.pixel_count, device=distance.device).split(view.pixels_at_once):
        pixels = view.of_pixels(part)
        for level, chosen, group in groups:
            relevancy = pixels.relevancy_at(scales.crop_angles[level] * distance[part])(group)
            out[chosen[:, None], part] = relevancy.T
    query_scale = scales.crop_angles[crop_level][:, None] * distance
    return out.reshape(shape), query_scale.reshape(shape)
