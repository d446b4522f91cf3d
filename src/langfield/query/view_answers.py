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
from langfield.query.crop_levels import relevancy_at_crop_levels
from langfield.query.index.raster import raster_pixels, raster_stride
from langfield.query.index.scene_index import PhraseMatch
from langfield.query.index.surface_voxels import SurfaceVoxels
from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales_coarse_to_fine

_DECISION = 0.5


@dataclass(frozen=True)
class ViewScores:
    """P phrases in a picture of H × W pixels: see `langfield.query.answers.ViewAnswers`."""

    relevancy: Float[Tensor, "p h w"]
    refined: Float[Tensor, "p h w"]
    masks: Bool[Tensor, "p h w"]
    scale_scene: Float[Tensor, "p h w"]
    best_xy_px: Float[Tensor, "p 2"]
    score: Float[Tensor, " p"]


def score_view_as_lerf(view: AskableView, asked: EncodedPhrases) -> ViewScores:
    """The one pixel that is best over 30 scales, and the picture at its scale (LERF, Kerr et al. 2023, §3.5)."""
    scales = lerf_scales().to(view.distance_scene.device)
    scale = scales[search_scales_coarse_to_fine(view, asked, scales).scale_index]
    maps = relevancy_at_scales(view, asked, scale)
    score, pixel = maps.reshape(len(asked), -1).max(dim=1)
    return ViewScores(maps, maps, maps > _DECISION, scale[:, None, None].expand_as(maps), _xy(pixel, view), score)


def score_view_from_index(
    on_raster: "VoxelInterpolator", asked: EncodedPhrases, found: Sequence[PhraseMatch], seen: ObservedScales
) -> ViewScores:
    """Raw relevancy at each phrase's scale; and what the scene's surface says of it, read at the pixels.

    Cost: an evaluation of the picture for each distinct level.
    """
    view, surface, device = on_raster.view, on_raster.surface, on_raster.view.distance_scene.device
    level = torch.tensor([phrase.crop_level for phrase in found], dtype=torch.int64, device=device)
    relevancy, scale = relevancy_at_crop_levels(view, asked, seen, level)
    values = np.stack([phrase.voxel_relevancy for phrase in found], axis=1)
    elsewhere = np.median(values, axis=0) if len(surface) else np.zeros(len(found))
    refined = np.where(on_raster.near[:, None], on_raster.reader @ values, elsewhere)
    score, cell = torch.from_numpy(refined.astype(np.float32)).to(device).max(dim=0)
    masks = on_raster.in_picture(on_raster.reader @ _membership(found, len(surface))) > _DECISION
    best_xy_px = _xy(on_raster.pixels[cell], view)
    return ViewScores(relevancy, on_raster.in_picture(refined), masks, scale, best_xy_px, score)


def hit_masks_in_view(on_raster: "VoxelInterpolator", found: PhraseMatch) -> Bool[Tensor, "k h w"]:
    """The mask of `score_view_from_index` for one phrase, taken apart: each pixel is of the hit most of it is of."""
    view, surface = on_raster.view, on_raster.surface
    size = (view.camera.height_px, view.camera.width_px)
    if not found.hits:
        return torch.zeros((0, *size), dtype=torch.bool, device=view.distance_scene.device)
    mask = on_raster.in_picture(on_raster.reader @ _membership([found], len(surface)))[0] > _DECISION
    member = np.zeros((len(surface), len(found.hits)))
    for number, region in enumerate(found.hits):
        member[region.voxels, number] = 1
    most = on_raster.in_picture(on_raster.reader @ member).argmax(dim=0)
    return mask & (most == torch.arange(len(found.hits), device=most.device)[:, None, None])


@dataclass(frozen=True)
class VoxelInterpolator:
    """A raster of a picture's pixels, and how values of a surface's voxels are read there.

    Cost: a search of neighbours for at most 160 × 160 points; then a sparse product for each question.

    Attributes:
        pixels: flat indices; shape: rows and columns.
        reader, near: see `SurfaceVoxels.interpolation_at`.
    """

    view: AskableView
    surface: SurfaceVoxels
    pixels: Int64[Tensor, " n"]
    shape: tuple[int, int]
    reader: csr_array
    near: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, view: AskableView, surface: SurfaceVoxels) -> "VoxelInterpolator":
        pixels, shape = raster_pixels(view, raster_stride(view))
        points_scene = view.points_scene[pixels].cpu().numpy().astype(np.float64)
        return cls(view, surface, pixels, shape, *surface.interpolation_at(points_scene))

    def in_picture(self, values: Float[np.ndarray, "n c"]) -> Float[Tensor, "c h w"]:
        """Values of the raster on every pixel, bilinear between."""
        camera, device = self.view.camera, self.view.distance_scene.device
        maps = torch.from_numpy(values.astype(np.float32)).to(device).T.reshape(1, -1, *self.shape)
        size = (camera.height_px, camera.width_px)
        return torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)[0]


def _membership(found: Sequence[PhraseMatch], voxels: int) -> Float[np.ndarray, "v p"]:
    """1 in the voxels of each phrase's hits."""
    member = np.zeros((voxels, len(found)))
    for number, phrase in enumerate(found):
        for region in phrase.hits:
            member[region.voxels, number] = 1
    return member


def _xy(pixel: Int64[Tensor, " p"], view: AskableView) -> Float[Tensor, "p 2"]:
    """Pixel centres of flat indices."""
    width = view.camera.width_px
    return torch.stack([pixel % width, pixel // width], dim=-1).double() + 0.5
