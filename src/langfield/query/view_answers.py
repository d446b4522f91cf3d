"""What phrases look like in one picture: by what is known of the whole scene, or as LERF finds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.query.language_view import LanguageView
from langfield.query.outlook import Found
from langfield.query.relevancy import Phrases
from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales_quickly
from langfield.query.seen_scales import SeenScales, raster, raster_stride, relevancy_at_levels
from langfield.query.surface import Surface

_DECISION = 0.5


@dataclass(frozen=True)
class InView:
    """P phrases in a picture of H × W pixels: see `langfield.query.answers.ViewAnswers`."""

    relevancy: Float[Tensor, "p h w"]
    refined: Float[Tensor, "p h w"]
    masks: Bool[Tensor, "p h w"]
    scale_scene: Float[Tensor, "p h w"]
    best_xy_px: Float[Tensor, "p 2"]
    score: Float[Tensor, " p"]


def found_as_lerf(view: LanguageView, asked: Phrases) -> InView:
    """The one pixel that is best over 30 scales, and the picture at its scale (LERF, Kerr et al. 2023, §3.5)."""
    scales = lerf_scales().to(view.distance_scene.device)
    scale = scales[search_scales_quickly(view, asked, scales).index]
    maps = relevancy_at_scales(view, asked, scale)
    score, pixel = maps.reshape(len(asked), -1).max(dim=1)
    return InView(maps, maps, maps > _DECISION, scale[:, None, None].expand_as(maps), _xy(pixel, view), score)


def found_on_surface(
    view: LanguageView, asked: Phrases, found: Sequence[Found], surface: Surface, seen: SeenScales
) -> InView:
    """Raw relevancy at each phrase's scale; and what the scene's surface says of it, read at the pixels.

    Cost: an evaluation of the picture for each distinct level, and a search of neighbours on a raster of at most 160
    cells a side.
    """
    device = view.distance_scene.device
    level = torch.tensor([_level(phrase, surface, seen) for phrase in found], dtype=torch.int64, device=device)
    relevancy, scale = relevancy_at_levels(view, asked, seen, level)
    stride = raster_stride(view)
    pixels, shape = raster(view, stride)
    reader, near = surface.read_at(view.points_scene[pixels].cpu().numpy().astype(np.float64))
    values = np.stack([phrase.on_surface for phrase in found], axis=1)
    elsewhere = np.median(values, axis=0) if len(surface) else np.zeros(len(found))
    refined = np.where(near[:, None], reader @ values, elsewhere)
    inside = reader @ np.stack([_membership(phrase, len(surface)) for phrase in found], axis=1)
    on_raster = torch.from_numpy(np.stack([refined, inside]).astype(np.float32)).to(device)  # 2 n p
    score, cell = on_raster[0].max(dim=0)
    maps = on_raster.mT.reshape(2, len(found), *shape)
    size = (view.camera.height_px, view.camera.width_px)
    fine = torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)
    return InView(relevancy, fine[0], fine[1] > _DECISION, scale, _xy(pixels[cell], view), score)


def _level(found: Found, surface: Surface, seen: SeenScales) -> int:
    """The crop that fits the phrase's best region, seen from a typical distance; the smallest without one."""
    if not found.regions:
        return 0
    cubes = found.regions[0].cubes
    centres = torch.from_numpy(surface.centres_scene[cubes]).to(seen.camera_centres)
    angle = float(np.median(found.scale_scene[cubes])) / float(seen.typical_distance(centres).median())
    return int((seen.crop_angles - angle).abs().argmin())


def _membership(found: Found, cubes: int) -> Float[np.ndarray, " v"]:
    member = np.zeros(cubes)
    for region in found.regions:
        member[region.cubes] = 1
    return member


def _xy(pixel: Int64[Tensor, " p"], view: LanguageView) -> Float[Tensor, "p 2"]:
    """Pixel centres of flat indices."""
    width = view.camera.width_px
    return torch.stack([pixel % width, pixel // width], dim=-1).double() + 0.5
