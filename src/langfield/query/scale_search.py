"""The query scale at which a phrase is most relevant in a picture: LERF's search (Kerr et al. 2023, §3.5).

LERF tries 30 scales and takes, for each phrase, the one with the highest relevancy of any pixel. Its code renders the
picture 30 times for that and once more for the result. Here rays are rendered once (`AskableView`), and
`search_scales_coarse_to_fine` asks every scale on a sparse raster first, then on more pixels only where that scale can
still win. `docs/benchmarks/lerf.md` has its agreement with the search of every pixel.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.raster import raster_pixels, raster_stride


@dataclass(frozen=True)
class ScaleSearch:
    """The best of S query scales for each of P phrases.

    Attributes:
        scale_index: (P,) which of the scales.
        max_relevancy: (P,) the highest relevancy found at that scale.
    """

    scale_index: Int64[Tensor, " p"]
    max_relevancy: Float[Tensor, " p"]


def lerf_scales(count: int = 30, largest_scene: float = 0.75) -> Float[Tensor, " s"]:
    """LERF's query scales: crop heights from 0 to `largest_scene`, evenly spaced, scene units.

    LERF's code searches `linspace(0, 1.5, 30)` in a unit in which crops of 0.05 … 0.5 of the picture's height count as
    0 … 1; in true crop heights that range is about half as long.
    """
    return torch.linspace(0, largest_scene, count)


def search_scales(view: AskableView, phrases: EncodedPhrases, scales_scene: Float[Tensor, " s"]) -> ScaleSearch:
    """Ask every pixel at every scale, as LERF does. Cost: S evaluations of the picture.

    Args:
        scales_scene: crop heights, scene units.
    """
    highest = torch.stack([_picture(view, phrases, scale).amax(dim=(1, 2)) for scale in scales_scene])  # s p
    best = highest.max(dim=0)
    return ScaleSearch(best.indices, best.values)


def search_scales_coarse_to_fine(
    view: AskableView,
    phrases: EncodedPhrases,
    scales_scene: Float[Tensor, " s"],
    *,
    margin: float = 0.05,
    cells: int = 128,
) -> ScaleSearch:
    """Ask a raster at every scale; then refine the scales that come within `margin` of a phrase's best.

    The raster has at most 160 cells a side. A scale is refined on all pixels of its `cells` best raster cells.
    Cost, with a raster of every n-th pixel both ways: about S / n² evaluations of the picture plus a fraction of one.

    Args:
        scales_scene: crop heights, scene units.
        margin: relevancy.
    """
    stride = raster_stride(view)
    pixels, _ = raster_pixels(view, stride)
    sparse_samples = view.of_pixels(pixels)
    at_scales = [sparse_samples.relevancy_at(scale.expand(len(pixels))) for scale in scales_scene]
    sparse = torch.stack([relevancy(phrases) for relevancy in at_scales])  # s n p
    highest = sparse.amax(dim=1)
    close = highest >= highest.amax(dim=0) - margin
    refined = highest.clone()
    best_cells = sparse.topk(min(cells, len(pixels)), dim=1).indices  # s cells p
    for index in torch.nonzero(close.any(dim=1))[:, 0].tolist():
        chosen = torch.nonzero(close[index])[:, 0]
        near = _cell_pixels(view, pixels[best_cells[index][:, chosen].unique()], stride)
        found = view.of_pixels(near).relevancy_at(scales_scene[index].expand(len(near)))(phrases).amax(dim=0)
        refined[index, chosen] = torch.maximum(refined[index, chosen], found[chosen])
    best = torch.where(close, refined, refined.new_tensor(-1)).max(dim=0)
    return ScaleSearch(best.indices, best.values)


def relevancy_at_scales(
    view: AskableView, phrases: EncodedPhrases, scale_scene: Float[Tensor, " p"]
) -> Float[Tensor, "p h w"]:
    """The relevancy picture of each phrase at a query scale of its own.

    Cost: one evaluation of the picture for each distinct scale.

    Args:
        scale_scene: crop heights, scene units; the same one at all pixels.
    """
    shape = (len(phrases), view.camera.height_px, view.camera.width_px)
    out = torch.empty(shape, device=view.distance_scene.device)
    for scale in scale_scene.unique():
        chosen = torch.nonzero(scale_scene == scale)[:, 0]
        out[chosen] = _picture(view, phrases[chosen], scale)
    return out


def _picture(view: AskableView, phrases: EncodedPhrases, scale: Float[Tensor, ""]) -> Float[Tensor, "p h w"]:
    return view.relevancy(phrases, scale.to(view.distance_scene.device).expand(view.pixel_count))


def _cell_pixels(view: AskableView, centres: Int64[Tensor, " n"], stride: int) -> Int64[Tensor, " m"]:
    """Flat indices, rising, of all pixels in the raster cells about some raster pixels (`centres`, flat indices)."""
    width, height = view.camera.width_px, view.camera.height_px
    offset = torch.arange(stride, device=centres.device) - stride // 2
    rows = (centres // width)[:, None] + offset
    columns = (centres % width)[:, None] + offset
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    flat = rows[:, :, None] * width + columns[:, None, :]
    return flat[inside].unique()
