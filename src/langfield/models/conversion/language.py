"""The language of elements: the field's embedding of each at each crop level, as sparse codes of a small codebook.

Embeddings are never all in memory: they are rendered in chunks, some of them to learn the codebook, and all of them to
be coded.
"""

import time
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Float16, Int16, Int64
from torch import Tensor

from langfield.core.errors import RunError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.features.codebook import learn_codebook, nearest_codes
from langfield.fields.language_map import LanguageMap
from langfield.models.conversion.elements import SurfaceElements
from langfield.models.nerf.volume import VolumeModel
from langfield.renderers.volume import SurfaceSamples

CODES = 1024
CODES_PER_ELEMENT = 4
_EMBEDDINGS_PER_CODE = 64  # that the codebook is learnt from
_PASSES = 3
_ELEMENTS_AT_ONCE = 2**11


@torch.no_grad()
def code_language(
    model: VolumeModel[Any],
    elements: SurfaceElements,
    crop_angles: Float[Tensor, " l"],
    progress: Progress = silent,
    *,
    codes: int = CODES,
    keep: int = CODES_PER_ELEMENT,
) -> tuple[LanguageMap, float]:
    """The field's embeddings of elements at scales crop angle · typical distance, as a language map.

    Where the field's embedding is 0, so are the element's shares.

    Args:
        crop_angles: of the levels, crop height over focal length.
        codes: size of the codebook.
        keep: codes of an element at each level.

    Returns the map, and the mean cosine between the field's embeddings and the coded ones.

    Raises:
        RunError: all embeddings are 0.
    """
    count, levels = len(elements), len(crop_angles)
    chosen = _random_subset(count, max(codes * _EMBEDDINGS_PER_CODE // levels, 1), elements.points.device)
    total = (_PASSES + 1) * len(chosen) + count
    start, done = time.monotonic(), 0

    def embeddings(rows: Int64[Tensor, " m"]) -> Iterator[tuple[int, Int64[Tensor, " m"], Float[Tensor, "m d"]]]:
        nonlocal done
        for part in rows.split(_ELEMENTS_AT_ONCE):
            for level, embedding in enumerate(_embeddings(model, elements, part, crop_angles)):
                yield level, part, embedding
            done += len(part)
            progress(ProgressEvent("language", done, total, "elements", time.monotonic() - start))

    try:
        codebook = learn_codebook(lambda: (embedding for _, _, embedding in embeddings(chosen)), codes, passes=_PASSES)
    except ValueError:
        raise RunError("has no language on the surfaces that its photos show: train it longer") from None
    rounded = codebook.half()
    code = torch.zeros(count, levels, keep, dtype=torch.int16, device=codebook.device)
    share = torch.zeros_like(code, dtype=torch.float16)
    cosines, coded = torch.zeros((), dtype=torch.float64), 0
    for level, rows, embedding in embeddings(torch.arange(count, device=codebook.device)):
        code[rows, level], share[rows, level], cosine = _coded(embedding, rounded, keep)
        cosines += cosine.double().sum().cpu()
        coded += int((cosine != 0).sum())
    far = elements.distance.clamp(max=torch.finfo(torch.float16).max).half()
    return LanguageMap(rounded, code, share, far, crop_angles), float(cosines) / max(coded, 1)


def _embeddings(
    model: VolumeModel[Any], elements: SurfaceElements, rows: Int64[Tensor, " m"], crop_angles: Float[Tensor, " l"]
) -> Iterator[Float[Tensor, "m d"]]:
    """The field's embeddings of elements (increasing indices), level after level."""
    samples = _of_elements(elements.samples, rows)
    features = model.features_at(samples)
    for angle in crop_angles:
        yield model.embed(samples, angle * elements.distance[rows], features).float()


def _of_elements(samples: SurfaceSamples, rows: Int64[Tensor, " m"]) -> SurfaceSamples:
    """The samples of some elements (increasing indices). Samples are sorted by element, so that only those between the
    first and the last are read."""
    ends = torch.stack([rows[0], rows[-1] + 1])
    first, last = torch.searchsorted(samples.ray, ends).tolist()
    low = int(rows[0])
    near = SurfaceSamples(
        samples.points[first:last], samples.weights[first:last], samples.ray[first:last] - low, int(rows[-1]) + 1 - low
    )
    return near.of_rays(rows - low)[0]


def _coded(
    embedding: Float[Tensor, "m d"], codebook: Float16[Tensor, "c d"], keep: int
) -> tuple[Int16[Tensor, "m k"], Float16[Tensor, "m k"], Float[Tensor, " m"]]:
    """Codes, shares whose mix is a unit vector, and the cosine of the mix with the embedding; shares and cosine are 0
    for an embedding that is 0 or not finite."""
    length = embedding.norm(dim=-1, keepdim=True)
    good = length.isfinite() & (length > 1e-6)
    unit = torch.where(good, embedding / length.clamp_min(1e-6), 0)
    codes, shares = nearest_codes(unit, codebook.float(), keep)
    mix = torch.zeros_like(unit)
    for k in range(keep):  # one at a time: K times less memory
        mix += shares[:, k : k + 1] * codebook[codes[:, k]].float()
    size = mix.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    cosine = (unit * mix).sum(dim=-1) / size[:, 0]
    return codes.short(), torch.where(good, shares / size, 0).half(), cosine


def _random_subset(count: int, size: int, device: torch.device) -> Int64[Tensor, " m"]:
    """At most `size` of the indices below `count`, drawn at random, ascending."""
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:size]
    return drawn.sort().values.to(device)
