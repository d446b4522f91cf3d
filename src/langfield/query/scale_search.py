"""Which physical scale answers a phrase best: LERF's search (Kerr et al. 2023, §3.5), whole and quick.

LERF tries 30 scales and takes, for each phrase, the one with the highest relevancy anywhere in the picture. Its code
renders the picture 30 times for that and once more for the result. Here rays are rendered once (`AskableView`), and
`search_scales_quickly` asks every scale on a sparse raster first, then on every pixel only where that scale can still
win. `docs/benchmarks.md` has its agreement with the whole search.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.observed_scales import raster, raster_stride


@dataclass(frozen=True)
class ScaleSearch:
    """Per phrase, the best of the scales and the highest relevancy found there.

    Attributes:
        index: which of the scales.
        highest: the highest relevancy at that scale.
    """

    index: Int64[Tensor, " p"]
    highest: Float[Tensor, " p"]


def lerf_scales(count: int = 30, largest_scene: float = 0.75) -> Float[Tensor, " s"]:
    """LERF's scales in scene units.

    Its code searches `linspace(0, 1.5, 30)` in a unit in which crops of 0.05 … 0.5 of the picture's height count as
    0 … 1; in true crop heights that range is about half as long.
    """
    return torch.linspace(0, largest_scene, count)


def search_scales(view: AskableView, phrases: EncodedPhrases, scales_scene: Float[Tensor, " s"]) -> ScaleSearch:
    """Every pixel at every scale. Cost: S evaluations of the picture."""
    highest = torch.stack([_picture(view, phrases, scale).amax(dim=(1, 2)) for scale in scales_scene])  # s p
    best = highest.max(dim=0)
    return ScaleSearch(best.indices, best.values)


def search_scales_quickly(
    view: AskableView,
    phrases: EncodedPhrases,
    scales_scene: Float[Tensor, " s"],
    *,
    margin: float = 0.05,
    cells: int = 128,
) -> ScaleSearch:
    """A raster of at most 160 cells a side at every scale; then, at scales within `margin` of a phrase's best, all the
    pixels of the `cells` best raster cells. Cost with a raster of every n-th pixel: about S / n² + a fraction of one
    evaluation of the picture."""
    stride = raster_stride(view)
    pixels, _ = raster(view, stride)
    sparse_samples = view.of_pixels(pixels)
    sparse = torch.stack([sparse_samples.at(scale.expand(len(pixels)))(phrases) for scale in scales_scene])  # s n p
    highest = sparse.amax(dim=1)
    close = highest >= highest.amax(dim=0) - margin
    refined = highest.clone()
    best_cells = sparse.topk(min(cells, len(pixels)), dim=1).indices  # s cells p
    for index in torch.nonzero(close.any(dim=1))[:, 0].tolist():
        asked = torch.nonzero(close[index])[:, 0]
        near = _cell_pixels(view, pixels[best_cells[index][:, asked].unique()], stride)
        found = view.of_pixels(near).at(scales_scene[index].expand(len(near)))(phrases).amax(dim=0)
        refined[index, asked] = torch.maximum(refined[index, asked], found[asked])
    best = torch.where(close, refined, refined.new_tensor(-1)).max(dim=0)
    return ScaleSearch(best.indices, best.values)


def relevancy_at_scales(
    view: AskableView, phrases: EncodedPhrases, scale_scene: Float[Tensor, " p"]
) -> Float[Tensor, "p h w"]:
    """Each phrase's relevancy picture at its own scale. One evaluation per distinct scale."""
    shape = (len(phrases), view.camera.height_px, view.camera.width_px)
    out = torch.empty(shape, device=view.distance_scene.device)
    for scale in scale_scene.unique():
        asked = torch.nonzero(scale_scene == scale)[:, 0]
        out[asked] = _picture(view, phrases[asked], scale)
    return out


def _picture(view: AskableView, phrases: EncodedPhrases, scale: Float[Tensor, ""]) -> Float[Tensor, "p h w"]:
    return view.relevancy(phrases, scale.to(view.distance_scene.device).expand(view.pixels))


def _cell_pixels(view: AskableView, centres: Int64[Tensor, " n"], stride: int) -> Int64[Tensor, " m"]:
    """All pixels of the raster cells about `centres`, increasing."""
    width, height = view.camera.width_px, view.camera.height_px
    offset = torch.arange(stride, device=centres.device) - stride // 2
    rows = (centres // width)[:, None] + offset
    columns = (centres % width)[:, None] + offset
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    flat = rows[:, :, None] * width + columns[:, None, :]
    return flat[inside].unique()
