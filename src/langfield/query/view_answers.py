"""What phrases look like in one picture: by what is known of the whole scene, or as LERF finds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_array
from torch import Tensor

from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.scene_index import Found
from langfield.query.index.surface_voxels import Surface
from langfield.query.observed_scales import raster, raster_stride, relevancy_at_levels
from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales_quickly

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


def found_as_lerf(view: AskableView, asked: EncodedPhrases) -> InView:
    """The one pixel that is best over 30 scales, and the picture at its scale (LERF, Kerr et al. 2023, §3.5)."""
    scales = lerf_scales().to(view.distance_scene.device)
    scale = scales[search_scales_quickly(view, asked, scales).index]
    maps = relevancy_at_scales(view, asked, scale)
    score, pixel = maps.reshape(len(asked), -1).max(dim=1)
    return InView(maps, maps, maps > _DECISION, scale[:, None, None].expand_as(maps), _xy(pixel, view), score)


def found_on_surface(
    on_raster: "OnRaster", asked: EncodedPhrases, found: Sequence[Found], seen: ObservedScales
) -> InView:
    """Raw relevancy at each phrase's scale; and what the scene's surface says of it, read at the pixels.

    Cost: an evaluation of the picture for each distinct level.
    """
    view, surface, device = on_raster.view, on_raster.surface, on_raster.view.distance_scene.device
    level = torch.tensor([phrase.level for phrase in found], dtype=torch.int64, device=device)
    relevancy, scale = relevancy_at_levels(view, asked, seen, level)
    values = np.stack([phrase.on_surface for phrase in found], axis=1)
    elsewhere = np.median(values, axis=0) if len(surface) else np.zeros(len(found))
    refined = np.where(on_raster.near[:, None], on_raster.reader @ values, elsewhere)
    score, cell = torch.from_numpy(refined.astype(np.float32)).to(device).max(dim=0)
    masks = on_raster.in_picture(on_raster.reader @ _membership(found, len(surface))) > _DECISION
    best_xy_px = _xy(on_raster.pixels[cell], view)
    return InView(relevancy, on_raster.in_picture(refined), masks, scale, best_xy_px, score)


def hits_on_surface(on_raster: "OnRaster", found: Found) -> Bool[Tensor, "k h w"]:
    """The mask that `found_on_surface` finds for one phrase, taken apart: each pixel is of the hit most of it is of."""
    view, surface = on_raster.view, on_raster.surface
    size = (view.camera.height_px, view.camera.width_px)
    if not found.hits:
        return torch.zeros((0, *size), dtype=torch.bool, device=view.distance_scene.device)
    mask = on_raster.in_picture(on_raster.reader @ _membership([found], len(surface)))[0] > _DECISION
    member = np.zeros((len(surface), len(found.hits)))
    for number, region in enumerate(found.hits):
        member[region.cubes, number] = 1
    most = on_raster.in_picture(on_raster.reader @ member).argmax(dim=0)
    return mask & (most == torch.arange(len(found.hits), device=most.device)[:, None, None])


@dataclass(frozen=True)
class OnRaster:
    """A raster of a picture's pixels, and how values of a surface's cubes are read there.

    Cost: a search of neighbours for at most 160 × 160 points; then a sparse product for each question.

    Attributes:
        pixels: flat indices; shape: rows and columns.
        reader, near: see `Surface.read_at`.
    """

    view: AskableView
    surface: Surface
    pixels: Int64[Tensor, " n"]
    shape: tuple[int, int]
    reader: csr_array
    near: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, view: AskableView, surface: Surface) -> "OnRaster":
        pixels, shape = raster(view, raster_stride(view))
        return cls(
            view, surface, pixels, shape, *surface.read_at(view.points_scene[pixels].cpu().numpy().astype(np.float64))
        )

    def in_picture(self, values: Float[np.ndarray, "n c"]) -> Float[Tensor, "c h w"]:
        """Values of the raster on every pixel, bilinear between."""
        camera, device = self.view.camera, self.view.distance_scene.device
        maps = torch.from_numpy(values.astype(np.float32)).to(device).T.reshape(1, -1, *self.shape)
        size = (camera.height_px, camera.width_px)
        return torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)[0]


def _membership(found: Sequence[Found], cubes: int) -> Float[np.ndarray, "v p"]:
    """1 in the cubes of each phrase's hits."""
    member = np.zeros((cubes, len(found)))
    for number, phrase in enumerate(found):
        for region in phrase.hits:
            member[region.cubes, number] = 1
    return member


def _xy(pixel: Int64[Tensor, " p"], view: AskableView) -> Float[Tensor, "p 2"]:
    """Pixel centres of flat indices."""
    width = view.camera.width_px
    return torch.stack([pixel % width, pixel // width], dim=-1).double() + 0.5
