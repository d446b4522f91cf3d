"""Relevancy, masks and best pixels of phrases in one picture: from the scene's index, or by LERF's own protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.devices import to_device_async
from langfield.core.observed_scales import ObservedScales
from langfield.groups.base import SOLID_SHARE
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.crop_levels import relevancy_at_crop_levels
from langfield.query.group_masks import GroupsInView
from langfield.query.index.raster import at_every_pixel, raster_pixels, raster_stride
from langfield.query.index.regions import Region
from langfield.query.index.scene_index import PhraseMatch
from langfield.query.index.surface_voxels import SurfaceReader, SurfaceVoxels
from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales_coarse_to_fine

_DECISION = 0.5


@dataclass(frozen=True)
class ViewScores:
    """P phrases in a picture of H × W pixels, on the view's device: see `langfield.query.answers.ViewAnswers`."""

    relevancy: Float[Tensor, "p h w"]
    refined: Float[Tensor, "p h w"]
    masks: Bool[Tensor, "p h w"]
    scale_scene: Float[Tensor, "p h w"]
    best_xy_px: Float[Tensor, "p 2"]
    score: Float[Tensor, " p"]


def score_view_as_lerf(view: AskableView, phrases: EncodedPhrases) -> ViewScores:
    """LERF's protocol (Kerr et al. 2023, §3.5): for each phrase the scale, of 30, at which any pixel of the picture is
    most relevant; relevancy at that scale everywhere; that pixel answers. Nothing is refined."""
    scales = lerf_scales().to(view.distance_scene.device)
    scale = scales[search_scales_coarse_to_fine(view, phrases, scales).scale_index]
    maps = relevancy_at_scales(view, phrases, scale)
    score, pixel = maps.reshape(len(phrases), -1).max(dim=1)
    return ViewScores(maps, maps, maps > _DECISION, scale[:, None, None].expand_as(maps), _xy(pixel, view), score)


def score_view_from_index(
    interpolator: "VoxelInterpolator",
    phrases: EncodedPhrases,
    matches: Sequence[PhraseMatch],
    scales: ObservedScales,
    groups: GroupsInView | None = None,
) -> ViewScores:
    """langfield's protocol: relevancy as rendered at each phrase's crop level; refined relevancy, masks and best pixels
    from the voxels that the picture's pixels show.

    Where the picture shows no voxel, refined relevancy is the median of all voxels. A hit that is a group speaks with
    one voice: all of it has the hit's peak, and what is of no hit at most the floor from which hits rise. Cost: an
    evaluation of the picture for each distinct crop level.

    Args:
        matches: of the phrases, in their order.
        groups: of the scene in the same picture; needed where hits are groups. A phrase whose best hit is one that
            the picture shows is answered by a pixel of it.
    """
    view, device = interpolator.view, interpolator.view.distance_scene.device
    level = torch.tensor([match.crop_level for match in matches], dtype=torch.int64)
    relevancy, scale = relevancy_at_crop_levels(view, phrases, scales, level)
    read = interpolator.reader(_relevancy_and_membership(matches, len(interpolator.voxels), device))
    medians = to_device_async(np.array([match.median_relevancy for match in matches]), device, np.float64)
    refined = torch.where(interpolator.reader.near[:, None], read[:, : len(matches)], medians)
    everywhere = interpolator.upsampled(torch.cat([refined, read[:, len(matches) :]], dim=1))
    at_cells, maps, masks = refined.float(), everywhere[: len(matches)], everywhere[len(matches) :] > _DECISION
    for number, match in enumerate(matches):
        if groups is not None and any(region.group is not None for region in match.hits):
            of_hits = hit_masks_in_view(interpolator, match, groups)
            masks[number] = of_hits.any(dim=0)
            maps[number] = _with_one_voice(maps[number], of_hits, match)
            in_best = of_hits[0].reshape(-1)[interpolator.pixels]
            at_cells[:, number] = torch.where(in_best | ~in_best.any(), at_cells[:, number], -1.0)
    score, cell = at_cells.max(dim=0)
    best_xy_px = _xy(interpolator.pixels[cell], view)
    return ViewScores(relevancy, maps, masks, scale, best_xy_px, score)


def _with_one_voice(
    refined: Float[Tensor, "h w"], of_hits: Bool[Tensor, "k h w"], match: PhraseMatch
) -> Float[Tensor, "h w"]:
    """Refined relevancy with hits that are groups at their peak, and what is of no hit at most at the floor."""
    out = torch.where(of_hits.any(dim=0), refined, refined.clamp(max=match.hits[0].floor))
    for mask, region in zip(of_hits, match.hits, strict=True):
        if region.group is not None:
            out = torch.where(mask, region.peak, out)
    return out


def hit_masks_in_view(
    interpolator: "VoxelInterpolator", match: PhraseMatch, groups: GroupsInView | None = None
) -> Bool[Tensor, "k h w"]:
    """The masks of a phrase's K hits. They share no pixel, and are together the mask of `score_view_from_index`: each
    of its pixels belongs to the hit that has the largest share of it.

    Args:
        groups: of the scene in the same picture; needed where hits are groups.
    """
    view, voxels = interpolator.view, interpolator.voxels
    size = (view.camera.height_px, view.camera.width_px)
    if not match.hits:
        return torch.zeros((0, *size), dtype=torch.bool, device=view.distance_scene.device)
    regions = [region for region in match.hits if region.group is None]
    member = _indicators([[region] for region in regions], len(voxels), view.distance_scene.device)
    of_regions = iter(interpolator.upsampled(interpolator.reader(member)))
    shares = []
    for region in match.hits:
        if region.group is None:
            shares.append(next(of_regions))
        else:
            assert groups is not None, "this hit is a group: its mask needs the scene's groups"
            shares.append(groups.shares(region.group))
    in_regions = interpolator.upsampled(interpolator.reader(member.sum(dim=1, keepdim=True)))[0] > _DECISION
    grouped = [share for share, region in zip(shares, match.hits, strict=True) if region.group is not None]
    mask = torch.stack([in_regions, *(share >= SOLID_SHARE for share in grouped)]).any(dim=0)
    largest = torch.stack(shares).argmax(dim=0)
    return mask & (largest == torch.arange(len(shares), device=largest.device)[:, None, None])


@dataclass(frozen=True)
class VoxelInterpolator:
    """Interpolates values of voxels on a raster of a picture's pixels, and from there on all pixels.

    Cost: a search of neighbours for at most 160 × 160 points when made; then a sparse product for each question.

    Attributes:
        view: of the picture.
        voxels: V voxels of the scene's surface.
        pixels: (N,) flat index of each raster cell's pixel.
        shape: the raster's rows and columns.
        stride: distance of its pixels, both ways.
        reader: interpolates voxels' values at the N cells' points.
    """

    view: AskableView
    voxels: SurfaceVoxels
    pixels: Int64[Tensor, " n"]
    shape: tuple[int, int]
    stride: int
    reader: SurfaceReader

    @classmethod
    def for_view(cls, view: AskableView, voxels: SurfaceVoxels) -> "VoxelInterpolator":
        """On a raster of at most 160 cells a side."""
        stride = raster_stride(view)
        pixels, shape = raster_pixels(view, stride)
        return cls(view, voxels, pixels, shape, stride, voxels.read_at(view.points_scene[pixels]))

    def upsampled(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "c h w"]:
        """Values of the raster's cells on every pixel, bilinear between."""
        camera = self.view.camera
        maps = values.float().T.reshape(-1, *self.shape)
        return at_every_pixel(maps, self.stride, camera.height_px, camera.width_px)


def _relevancy_and_membership(
    matches: Sequence[PhraseMatch], voxels: int, device: torch.device
) -> Float[Tensor, "v p2"]:
    """The voxels' relevancy of each phrase; and then 1 in those of each one's hits that are no groups, 0 elsewhere."""
    values = np.zeros((voxels, 2 * len(matches)))
    for number, match in enumerate(matches):
        values[:, number] = match.voxel_relevancy
        for region in match.hits:
            if region.group is None:
                values[region.voxels, len(matches) + number] = 1
    return to_device_async(values, device, np.float64)


def _indicators(sets: Sequence[Sequence[Region]], voxels: int, device: torch.device) -> Float[Tensor, "v k"]:
    """For each of K sets of regions, 1 in their voxels and 0 elsewhere."""
    member = np.zeros((voxels, len(sets)))
    for number, regions in enumerate(sets):
        for region in regions:
            member[region.voxels, number] = 1
    return to_device_async(member, device, np.float64)


def _xy(pixel: Int64[Tensor, " p"], view: AskableView) -> Float[Tensor, "p 2"]:
    """Centres of pixels given by flat index, (x, y) in pixels."""
    width = view.camera.width_px
    return torch.stack([pixel % width, pixel // width], dim=-1).double() + 0.5
