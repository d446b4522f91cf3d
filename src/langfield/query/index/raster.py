"""A sparse raster of a rendered view: every n-th pixel both ways, the surface it shows, and means over boxes of it.

A scene's index needs no more of a picture than a raster of some 160 cells a side: embeddings are averaged over half a
crop anyway, which is many pixels wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView
from langfield.query.index.consistency import consistent

MAX_RASTER_SIDE = 160  # cells
BOX_SHARE_OF_CROP = 0.5  # side of the box that embeddings are averaged over, of the crop's side
_MIN_BOX_CELLS = 3  # the box over the smallest crops is at least so many cells wide, where the picture has the pixels


def raster_stride(view: AskableView) -> int:
    """The stride, in pixels, of a raster of at most 160 cells a side."""
    return max(1, -(-max(view.camera.height_px, view.camera.width_px) // MAX_RASTER_SIDE))


def index_stride(view: AskableView, scales: ObservedScales) -> int:
    """The stride, in pixels, at which the index reads a view: at most 160 cells a side, and about three cells across
    the box that the smallest crops are averaged over. A finer raster would cost more and show no more."""
    box_px = BOX_SHARE_OF_CROP * float(scales.crop_angles[0]) * view.camera.fy_px
    return max(raster_stride(view), int(box_px / _MIN_BOX_CELLS))


def raster_pixels(view: AskableView, stride: int) -> tuple[Int64[Tensor, " n"], tuple[int, int]]:
    """Flat indices of every `stride`-th pixel both ways, row by row; and the raster's rows and columns."""
    device, camera = view.distance_scene.device, view.camera
    rows, columns = (
        torch.arange(_first_pixel(side, stride), side, stride, device=device)
        for side in (camera.height_px, camera.width_px)
    )
    flat = (rows[:, None] * camera.width_px + columns[None, :]).reshape(-1)
    return flat, (len(rows), len(columns))


def _first_pixel(side_px: int, stride: int) -> int:
    """The first row or column of a raster, of so many in the picture: the middle of the first `stride` ones."""
    return min(stride // 2, side_px - 1)


def at_every_pixel(
    values: Float[Tensor, "c r k"], stride: int, height_px: int, width_px: int
) -> Float[Tensor, "c h w"]:
    """Values at a raster's pixels (`raster_pixels`) interpolated at every pixel of the picture, bilinear.

    Pixel x lies at (x − first) / stride of the raster, whose first pixel is `stride // 2`. Outside of the outermost
    raster pixels the nearest ones count.
    """
    for dim, side in ((1, height_px), (2, width_px)):
        last = values.shape[dim] - 1
        at = torch.arange(side, device=values.device) - _first_pixel(side, stride)
        place = (at / stride).clamp(0, last)
        low = place.long()
        share = (place - low).reshape(-1, *[1] * (2 - dim))
        high = (low + 1).clamp(max=last)
        values = torch.lerp(values.index_select(dim, low), values.index_select(dim, high), share)
    return values


@dataclass(frozen=True)
class RasterSurface:
    """The raster of one view, and the surface that K of its N cells show; the others show nothing.

    Attributes:
        view: what is read.
        stride: of the raster, in pixels.
        pixels: (N,) flat index of each cell's pixel.
        shape: the raster's rows and columns.
        kept: (K,) the cells that show a surface, as indices into `pixels`.
        points_scene: (K, 3) their points, scene frame.
        rgb: (K, 3) rendered colours in [0, 1].
        normals: (K, 3) unit, towards the camera; 0 where not known.
        spacing_scene: (K,) distance between the points of neighbouring cells across the line of sight.
    """

    view: AskableView
    stride: int
    pixels: Int64[Tensor, " n"]
    shape: tuple[int, int]
    kept: Int64[Tensor, " k"]
    points_scene: Float[np.ndarray, "k 3"]
    rgb: Float[np.ndarray, "k 3"]
    normals: Float[np.ndarray, "k 3"]
    spacing_scene: Float[np.ndarray, " k"]

    @classmethod
    def from_view(cls, view: AskableView, stride: int) -> "RasterSurface":
        """Read what a view rendered. The view must hold rgb."""
        assert view.rendered.rgb is not None
        camera = view.camera
        pixels, shape = raster_pixels(view, stride)
        every_point = view.points_scene.reshape(camera.height_px, camera.width_px, 3).cpu().numpy()
        eye = camera.frame_from_camera[:3, 3].astype(every_point.dtype)
        normals = normals_towards_camera(every_point, eye).reshape(-1, 3)
        shown = view.points_scene[pixels].isfinite().all(dim=-1)
        valid = camera.valid_pixels()
        if valid is not None:
            shown &= torch.from_numpy(valid).to(shown.device).reshape(-1)[pixels]
        kept = torch.nonzero(shown)[:, 0]
        flat = pixels[kept]
        rgb = view.rendered.rgb.reshape(-1, 3)[flat].float().cpu().numpy()
        spacing = view.distance_scene[flat].cpu().numpy() * stride / camera.fy_px
        rows = flat.cpu().numpy()
        points = every_point.reshape(-1, 3)[rows]
        return cls(view, stride, pixels, shape, kept, points, rgb, normals[rows], spacing)

    def subset(self, which: Bool[np.ndarray, " k"]) -> "RasterSurface":
        """The same raster with some of the cells that show a surface; the others then show nothing."""
        return replace(
            self,
            kept=self.kept[torch.from_numpy(which).to(self.kept.device)],
            points_scene=self.points_scene[which],
            rgb=self.rgb[which],
            normals=self.normals[which],
            spacing_scene=self.spacing_scene[which],
        )


def without_what_others_look_through(rasters: Sequence[RasterSurface]) -> list[RasterSurface]:
    """The rasters without points that more of their views look through than see (`consistent`); as they are if that
    leaves none. A point in the air between two things would make them neighbours."""
    counts = [len(raster.kept) for raster in rasters]
    depths = [raster.view.rendered.depth_scene for raster in rasters]
    assert all(depth is not None for depth in depths)
    points = torch.from_numpy(np.concatenate([raster.points_scene for raster in rasters])).float()
    kept = consistent(
        points.to(rasters[0].kept.device),
        [raster.view.camera for raster in rasters],
        [depth for depth in depths if depth is not None],
    ).cpu()
    if not kept.any():
        return list(rasters)
    return [raster.subset(part.numpy()) for raster, part in zip(rasters, kept.split(counts), strict=True)]


def normals_towards_camera(
    points: Float[np.ndarray, "h w 3"], eye: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "h w 3"]:
    """Unit normals of the surface that a picture shows, by central differences between neighbouring pixels' points.

    0 at the picture's border and where a neighbour shows nothing.

    Args:
        points: what each pixel shows; not finite where nothing is.
        eye: the camera's centre, in the same frame.
    """
    across, down = np.zeros_like(points), np.zeros_like(points)
    with np.errstate(invalid="ignore"):
        across[:, 1:-1] = points[:, 2:] - points[:, :-2]
        down[1:-1] = points[2:] - points[:-2]
        normal = np.cross(across, down)
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        unit = np.where(np.isfinite(length) & (length > 0), normal / np.where(length > 0, length, 1), 0)
        unit = np.nan_to_num(unit)
        return unit * np.where(((points - eye) * unit).sum(axis=-1, keepdims=True) > 0, -1, 1)


def box_mean(maps: Float[Tensor, "p h w"], side: float) -> Float[Tensor, "p h w"]:
    """The mean of each map over a square box about every cell; boxes that reach over the border are cut off there.

    The box is separable (what of it lies in the map is a rectangle): rows of column means.

    Args:
        side: of the box, in cells; rounded to an odd number, at least 1.
    """
    kernel = max(1, 2 * round((side - 1) / 2) + 1)
    if kernel == 1:
        return maps
    half = kernel // 2
    along = torch.nn.functional.avg_pool2d(maps[None], (1, kernel), 1, (0, half), count_include_pad=False)
    return torch.nn.functional.avg_pool2d(along, (kernel, 1), 1, (half, 0), count_include_pad=False)[0]


def box_side(
    view: AskableView, typical_distance: Float[Tensor, " n"], pixels: Int64[Tensor, " n"], angle: float, stride: int
) -> float:
    """Half the side of a crop as it looks in this view, in raster cells.

    A crop is as large as a typical photo saw it; a camera that is twice as near sees it twice as large. One factor is
    taken for the whole view, the median over its pixels.

    Args:
        typical_distance: `ObservedScales.typical_distance` of what the pixels show.
        pixels: flat indices.
        angle: crop height over focal length.
        stride: of the raster, in pixels.
    """
    magnification = _magnification(typical_distance, view.distance_scene[pixels])
    return BOX_SHARE_OF_CROP * angle * view.camera.fy_px * magnification / stride


def _magnification(typical_distance: Float[Tensor, " n"], distance: Float[Tensor, " n"]) -> float:
    """How many times larger things look from here than from a typical photo; 1 where nothing is seen."""
    ratio = (typical_distance / distance)[distance.isfinite() & (distance > 0)]
    return float(ratio.median()) if len(ratio) else 1.0
