"""langfield's own answer to a phrase in a picture: every place is asked only at scales that photos showed it at.

LERF tries 30 scales everywhere, and one pixel wins. Most of its misses are pixels of bare table or wall at a scale no
crop ever had there: the field extrapolates, and the maximum over 30 pictures finds where it does so worst. Here the
scales at a point are the crop heights that training saw from a typical photo's distance, and an answer must hold over
an area: what crops say is averaged over half of each before the best place is taken (`query.atlas`), and those of
several sizes count together (`Atlas.together`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from langfield.query.language_view import LanguageView
from langfield.models.relevancy import EncodedPhrases

LEVELS = 8
SMOOTHED_SHARE_OF_CROP = 0.5
RASTER_SIDE_PX = 160


@dataclass(frozen=True)
class SeenScales:
    """Which scales training saw: crops of certain angles, from certain places.

    Attributes:
        crop_angles: (L,) crop height over focal length, from the smallest crop to the largest.
        camera_centres: (C, 3) where photos were taken from, scene frame.
    """

    crop_angles: Float[Tensor, " l"]
    camera_centres: Float[Tensor, "c 3"]

    @classmethod
    def between(cls, smallest: float, largest: float, camera_centres: Float[Tensor, "c 3"]) -> "SeenScales":
        angles = torch.linspace(smallest, largest, LEVELS, device=camera_centres.device)
        return cls(angles, camera_centres)

    def typical_distance(self, points_scene: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Median distance of each point to the photos' places; that of the farthest point where it is infinite."""
        if not len(points_scene):
            return points_scene.new_zeros(0)
        finite = torch.where(points_scene.isfinite(), points_scene, torch.zeros_like(points_scene))
        parts = [torch.cdist(part, self.camera_centres).median(dim=-1).values for part in finite.split(2**16)]
        distance = torch.cat(parts)
        known = points_scene.isfinite().all(dim=-1)
        return torch.where(known, distance, torch.where(known, distance, 0).amax().clamp_min(1.0))


def relevancy_at_levels(
    view: LanguageView, phrases: EncodedPhrases, seen: SeenScales, level: Int64[Tensor, " p"]
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


def relevancy_at_every_level(view: LanguageView, phrases: EncodedPhrases, seen: SeenScales) -> Float32[Tensor, "l p h w"]:
    """Each phrase's raw relevancy on every pixel at every level of `seen`. Cost: L evaluations of the picture."""
    shape = (len(seen.crop_angles), len(phrases), view.camera.height_px, view.camera.width_px)
    distance = seen.typical_distance(view.points_scene)
    out = torch.empty(*shape[:2], view.pixels, device=distance.device)
    for part in torch.arange(view.pixels, device=distance.device).split(view.pixels_at_once):
        pixels = view.of_pixels(part)
        for number, angle in enumerate(seen.crop_angles):
            out[number, :, part] = pixels.at(angle * distance[part])(phrases).T
    return out.reshape(shape)


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
    view: LanguageView, typical: Float[Tensor, " n"], pixels: Int64[Tensor, " n"], angle: float, stride: int
) -> float:
    """Half the side of a crop in raster cells; `typical` is the distance that photos have from what pixels show."""
    closer = _times_closer(typical, view.distance_scene[pixels])
    return SMOOTHED_SHARE_OF_CROP * angle * view.camera.fy_px * closer / stride


def _times_closer(typical: Float[Tensor, " n"], here: Float[Tensor, " n"]) -> float:
    """How many times closer this camera is than a typical photo: so many times larger a crop looks here."""
    ratio = (typical / here)[here.isfinite() & (here > 0)]
    return float(ratio.median()) if len(ratio) else 1.0


def raster_stride(view: LanguageView) -> int:
    """The stride of a raster of at most 160 cells a side."""
    return max(1, -(-max(view.camera.height_px, view.camera.width_px) // RASTER_SIDE_PX))


def raster(view: LanguageView, stride: int) -> tuple[Int64[Tensor, " n"], tuple[int, int]]:
    """Flat indices of every `stride`-th pixel both ways, and the raster's rows and columns."""
    device = view.distance_scene.device
    rows = torch.arange(stride // 2, view.camera.height_px, stride, device=device)
    columns = torch.arange(stride // 2, view.camera.width_px, stride, device=device)
    flat = (rows[:, None] * view.camera.width_px + columns[None, :]).reshape(-1)
    return flat, (len(rows), len(columns))
