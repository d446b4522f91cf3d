"""What questions about the whole scene look at: small pictures from all around, and the surface that they show."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.coarse_cells import Cells
from langfield.query.index.surface_voxels import Region, Surface, normals_towards_camera
from langfield.query.index.voxel_embeddings import Atlas, make_atlas
from langfield.query.observed_scales import (
    RASTER_SIDE_PX,
    SMOOTHED_SHARE_OF_CROP,
    raster,
    raster_stride,
)

VIEWS_ASKED = 16
MOST_HITS = 8
_NUMBERS_AT_ONCE = 2**26
_CUBES_PER_CROP = 5
_SPACINGS_PER_CUBE = 2  # of the rasters' points: most cubes are then seen by several pictures
_WINDOW_CELLS = 3  # a window of smoothing is at least so many raster cells wide, where the picture has them


@dataclass(frozen=True)
class Outlook:
    """A scene's surface, and what it was seen as: all that questions about the whole scene need.

    Attributes:
        surface: in small cubes.
        cells: the cubes, sorted into places as large as the smallest crops: below that a field cannot tell them apart.
        atlas: the cubes' embeddings.
        distance_scene: typical distance from photos to each of the V cubes.
        crop_angles: crop height over focal length at each of the atlas's levels.
    """

    surface: Surface
    cells: Cells
    atlas: Atlas
    distance_scene: Float[np.ndarray, " v"]
    crop_angles: Float[np.ndarray, " l"]

    @classmethod
    def of_views(cls, views: list[AskableView], seen: ObservedScales, progress: Progress = silent) -> "Outlook":
        """The surface's cubes are as small as crops overlap and the pictures can show. Cost: see `make_atlas`."""
        strides = [_stride(view, seen) for view in views]
        parts = [_Seen.of(view, stride) for view, stride in zip(views, strides, strict=True)]
        points, rgb, normals = (
            np.concatenate([getattr(p, name) for p in parts]) for name in ("points", "rgb", "normals")
        )
        of_view = np.repeat(np.arange(len(views)), [len(part.kept) for part in parts])
        crop, spacing = 1.0, 0.0  # nothing to see: any size
        if len(points):
            crop = float(seen.crop_angles[0]) * float(np.median(_typical(points, seen)))
            spacing = float(np.median(np.concatenate([part.spacing for part in parts])))
        surface = Surface(points, rgb, normals, of_view, max(crop / _CUBES_PER_CROP, _SPACINGS_PER_CUBE * spacing))
        surface.tell_apart_by(_dense_in_cubes(views, strides, [part.kept for part in parts], surface))
        cells = Cells(surface.centres_scene, surface.points_in_cubes, crop)
        atlas = make_atlas(views, strides, [part.kept for part in parts], surface, seen, progress)
        surface.listen_to(atlas.seen.any(dim=0).cpu().numpy())
        return cls(surface, cells, atlas, _typical(surface.centres_scene, seen), seen.crop_angles.cpu().numpy())

    def ask(self, asked: EncodedPhrases) -> "Evidence":
        """What is known of at least one phrase, at scales that photos showed its places at."""
        scores, cells, levels = [], [], []
        for part in self._in_parts(asked):
            every = self.atlas.relevancy(part)
            in_cells, level = self._of_cells(every)
            scores.append(self.atlas.together(every, level))
            cells.append(in_cells)
            levels.append(level)
        smooth = self.surface.smoothed(torch.cat(scores))
        return Evidence(torch.cat(cells).cpu().numpy(), smooth.cpu().numpy(), torch.cat(levels).cpu().numpy())

    def in_cells(self, asked: EncodedPhrases) -> Float[np.ndarray, "p c"]:
        """`Evidence.in_cells` alone."""
        found = [self._of_cells(self.atlas.relevancy(part))[0] for part in self._in_parts(asked)]
        return torch.cat(found).cpu().numpy()

    def _in_parts(self, asked: EncodedPhrases) -> list[EncodedPhrases]:
        """So many phrases at once that their relevancy at all levels takes 0.3 GB."""
        at_once = max(_NUMBERS_AT_ONCE // max(self.atlas.seen.numel(), 1), 1)
        return [asked[first : first + at_once] for first in range(0, len(asked), at_once)]

    def _of_cells(self, every: Float[Tensor, "l p v"]) -> tuple[Float[Tensor, "p c"], Int64[Tensor, " p"]]:
        """The evidence in each cell; and the level that fits each phrase's best cell best.

        Evidence is the mean relevancy at the cell's best level. The smallest crops are the noisiest: what they say of a
        cube counts as the mean of that and of what the next size says, where crops of that size saw it.
        """
        in_cells = self.cells.means(every.flatten(0, 1)).unflatten(0, every.shape[:2])
        if not len(self.cells):
            return in_cells[0], torch.zeros(every.shape[1], dtype=torch.int64, device=every.device)
        level = in_cells.amax(dim=2).argmax(dim=0)
        if len(every) > 1:
            in_cells[0] = self.cells.means(torch.where(self.atlas.seen[1], every[:2].mean(dim=0), every[0]))
        return in_cells.amax(dim=0), level

    def scale_scene(self, level: int, cubes: Int64[np.ndarray, " k"]) -> float:
        """The height of a level's crops at the median distance of some cubes from where photos were taken."""
        return float(self.crop_angles[level] * np.median(self.distance_scene[cubes]))


@dataclass(frozen=True)
class Evidence:
    """What is known of P phrases.

    Attributes:
        in_cells: relevancy, the mean in each of C cells at the level where it is highest, the smallest crops' confirmed
            by the next size: what presence is judged by.
        on_surface: relevancy on the surface's V cubes, brought into line among neighbours that look alike.
        level: of the crops that fit best.
    """

    in_cells: Float[np.ndarray, "p c"]
    on_surface: Float[np.ndarray, "p v"]
    level: Int64[np.ndarray, " p"]


@dataclass(frozen=True)
class Found:
    """What is known of one phrase: its presence, its row of `Evidence`, and where it stands out (also for what is not
    there: something always does)."""

    presence: float
    on_surface: Float[np.ndarray, " v"]
    level: int
    regions: list[Region]

    @property
    def present(self) -> bool:
        return self.presence > 0.5

    @property
    def hits(self) -> list[Region]:
        """The regions that answer, best first; none for what is not there."""
        return self.regions[:MOST_HITS] if self.present else []


def look_around(
    cameras: Sequence[Camera], look: Callable[[Camera], AskableView], seen: ObservedScales, progress: Progress = silent
) -> Outlook:
    """Render up to 16 evenly spread cameras, small. Cost: as many small pictures."""
    count = min(VIEWS_ASKED, len(cameras))
    started, views = time.perf_counter(), []
    for number in range(count):
        views.append(look(cameras[number * len(cameras) // count].fit_within(RASTER_SIDE_PX)))
        progress(ProgressEvent("looking", number + 1, count, "views", time.perf_counter() - started))
    return Outlook.of_views(views, seen, progress)


@dataclass(frozen=True)
class _Seen:
    """What one picture's raster shows, where it shows a surface.

    Attributes:
        kept: the raster's pixels that do.
        points, rgb, normals: of those; spacing: distance of neighbouring ones across the line of sight.
    """

    kept: Int64[Tensor, " k"]
    points: Float[np.ndarray, "k 3"]
    rgb: Float[np.ndarray, "k 3"]
    normals: Float[np.ndarray, "k 3"]
    spacing: Float[np.ndarray, " k"]

    @classmethod
    def of(cls, view: AskableView, stride: int) -> "_Seen":
        camera, pixels = view.camera, raster(view, stride)[0]
        assert view.rendered.rgb is not None
        every = view.points_scene.reshape(camera.height_px, camera.width_px, 3).cpu().numpy()
        normals = normals_towards_camera(every, camera.world_from_camera[:3, 3].astype(every.dtype)).reshape(-1, 3)
        kept = torch.nonzero(view.points_scene[pixels].isfinite().all(dim=-1))[:, 0]
        at = pixels[kept]
        rgb = view.rendered.rgb.reshape(-1, 3)[at].float().cpu().numpy()
        spacing = view.distance_scene[at].cpu().numpy() * stride / camera.fy_px
        where = at.cpu().numpy()
        return cls(kept, every.reshape(-1, 3)[where], rgb, normals[where], spacing)


def _dense_in_cubes(
    views: Sequence[AskableView], strides: Sequence[int], kept: Sequence[Int64[Tensor, " _"]], surface: Surface
) -> Float[np.ndarray, "v s"] | None:
    """Self-supervised features of the surface's cubes, the mean of what their points show; None where there are none.

    Memory: V × S numbers, and one raster's features.
    """
    sums: Tensor | None = None
    first = 0
    for view, stride, there in zip(views, strides, kept, strict=True):
        dense = view.boundary_features(raster(view, stride)[0][there])
        if dense is None:
            return None
        into = torch.from_numpy(surface.of_point[first : first + len(there)]).to(dense.device)
        first += len(there)
        if sums is None:
            sums = torch.zeros(len(surface), dense.shape[1], device=dense.device)
        sums.index_add_(0, into.clamp_min(0), dense.float() * (into >= 0)[:, None])
    return None if sums is None else sums.cpu().numpy() / surface.points_in_cubes[:, None]


def _typical(points_scene: Float[np.ndarray, "n 3"], seen: ObservedScales) -> Float[np.ndarray, " n"]:
    return seen.typical_distance(torch.from_numpy(points_scene).to(seen.camera_centres)).cpu().numpy()


def _stride(view: AskableView, seen: ObservedScales) -> int:
    """Relevancy is smoothed over a share of the smallest crop: a raster much finer than that costs and says nothing."""
    window_px = SMOOTHED_SHARE_OF_CROP * float(seen.crop_angles[0]) * view.camera.fy_px
    return max(raster_stride(view), int(window_px / _WINDOW_CELLS))
