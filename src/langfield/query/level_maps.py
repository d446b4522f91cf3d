"""Relevancy pictures at each of a run's levels, for evaluations that choose a level by a rule of their own."""

import torch
from jaxtyping import Float32
from torch import Tensor

from langfield.core.observed_scales import ObservedScales
from langfield.models.relevancy import EncodedPhrases
from langfield.query.crop_levels import relevancy_at_all_crop_levels
from langfield.query.language_view import LanguageView
from langfield.query.splat_view import SplatView


@torch.no_grad()
def level_maps(view: LanguageView, phrases: EncodedPhrases, seen: ObservedScales) -> Float32[Tensor, "l p h w"]:
    """Raw relevancy of P phrases on every pixel at L levels, on the view's device.

    Levels are the sizes of crops: of Gaussians those that language was lifted at (`SplatView.levels`), of fields those
    that training saw (`ObservedScales`), from the smallest to the largest. Bytes: 4 · L · P · H · W.
    """
    if isinstance(view, SplatView):
        maps = view.levels(phrases).float()
        return maps.reshape(*maps.shape[:2], view.camera.height_px, view.camera.width_px)
    return relevancy_at_all_crop_levels(view, phrases, seen)
