"""langfield's own answer to a phrase in a picture: every place is asked only at scales that photos showed it at.

LERF tries 30 scales everywhere, and one pixel wins. Most of its misses are pixels of bare table or wall at a scale no
crop ever had there: the field extrapolates, and the maximum over 30 pictures finds where it does so worst. Here the
scales at a point are the crop heights that training saw from a typical photo's distance, and an answer must hold over
an area: what crops say is averaged over half of each before the best place is taken (`query.atlas`), and those of
several sizes count together (`Atlas.together`).
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases

SMOOTHED_SHARE_OF_CROP = 0.5
RASTER_SIDE_PX = 160


def relevancy_at_levels(
    view: AskableView, phrases: EncodedPhrases, seen: ObservedScales, level: Int64[Tensor, " p"]
) -> tuple[Float[Tensor, "p h w"], Float[Tensor, "p h w"]]:
    """Each phrase's raw relevancy at its own level on every pixel, and the scale of each pixel (scene units).

    One evaluation of the picture per distinct level; what does not depend on the scale is read once.
    """
    shape = (len(phrases), view.camera.height_px, view.camera.width_px)
    distance = seen.typical_distance(view.points_scene)
    out = torch.empty(len(phrases), view.pixels, device=distance.device)
    asked_at = [(number, torch.nonzero(level == number)[:, 0]) for number in level.unique().tolist()]
    groups = [(number, asked, phrases[asked]) for number, asked in asked_at]
    for part in torch.arange(view.pixels, device=distance.device).split(view.pixels_at_once):
        pixels = view.of_pixels(part)
        for number, asked, group in groups:
            found = pixels.at(seen.crop_angles[number] * distance[part])(group)
            out[asked[:, None], part] = found.T
    scale = seen.crop_angles[level][:, None] * distance
    return out.reshape(shape), scale.reshape(shape)


def box_mean(maps: Float[Tensor, "p h w"], side: float) -> Float[Tensor, "p h w"]:
    """Mean over a square of about `side` pixels (odd, at least 1), of what of it lies in the picture.

    What lies in the picture is a rectangle, so the mean over rows of the means over columns is the same.
    """
    kernel = max(1, 2 * round((side - 1) / 2) + 1)
    if kernel == 1:
        return maps
    half = kernel // 2
    along = torch.nn.functional.avg_pool2d(maps[None], (1, kernel), 1, (0, half), count_include_pad=False)
    return torch.nn.functional.avg_pool2d(along, (kernel, 1), 1, (half, 0), count_include_pad=False)[0]


def smoothing_side(
    view: AskableView, typical: Float[Tensor, " n"], pixels: Int64[Tensor, " n"], angle: float, stride: int
) -> float:
    """Half the side of a crop in raster cells; `typical` is the distance that photos have from what pixels show."""
    closer = _times_closer(typical, view.distance_scene[pixels])
    return SMOOTHED_SHARE_OF_CROP * angle * view.camera.fy_px * closer / stride


def _times_closer(typical: Float[Tensor, " n"], here: Float[Tensor, " n"]) -> float:
    """How many times closer this camera is than a typical photo: so many times larger a crop looks here."""
    ratio = (typical / here)[here.isfinite() & (here > 0)]
    return float(ratio.median()) if len(ratio) else 1.0


def raster_stride(view: AskableView) -> int:
    """The stride of a raster of at most 160 cells a side."""
    return max(1, -(-max(view.camera.height_px, view.camera.width_px) // RASTER_SIDE_PX))


def raster(view: AskableView, stride: int) -> tuple[Int64[Tensor, " n"], tuple[int, int]]:
    """Flat indices of every `stride`-th pixel both ways, and the raster's rows and columns."""
    device = view.distance_scene.device
    rows = torch.arange(stride // 2, view.camera.height_px, stride, device=device)
    columns = torch.arange(stride // 2, view.camera.width_px, stride, device=device)
    flat = (rows[:, None] * view.camera.width_px + columns[None, :]).reshape(-1)
    return flat, (len(rows), len(columns))
