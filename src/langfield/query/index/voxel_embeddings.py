"""What a scene's surface was seen as: an embedding for each small cube of it and each size of crop, made once.

Phrases are compared with these: a product of two small tables, whatever the scene is made of. Embeddings are averaged
over half the crop that they are about, and over all pictures, before a phrase is known. The length of such a mean is 1
where all agree; where pictures contradict each other more than is usual in the scene, answers are doubted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int64
from torch import Tensor

from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.surface_voxels import Surface
from langfield.query.observed_scales import box_mean, raster, smoothing_side

_DOUBT = 2.0  # of log-odds, for a mean whose length is 1 less than usual; between 1 and 4 it changes little
_CLIPPED = 1e-6
_LEAST_TOGETHER = 2  # levels: one alone is too noisy where its crops are the smallest


@dataclass(frozen=True)
class Atlas:
    """What V cubes were seen as at L levels.

    Attributes:
        embeddings: unit vectors; 0 where a cube was not seen as anything at a level.
        seen: where most of what was averaged was an embedding.
        doubt: what is taken from the log-odds of every relevancy there; 0 where pictures agree as usual.
    """

    embeddings: Float16[Tensor, "l v d"]
    seen: Bool[Tensor, "l v"]
    doubt: Float[Tensor, "l v"]

    @classmethod
    def of_means(cls, means: Float[Tensor, "l v d"], known: Float[Tensor, "l v"]) -> "Atlas":
        """The atlas of mean embeddings. Args: known: the share of what was averaged that was an embedding, not 0."""
        seen = known > 0.5
        agreement = means.norm(dim=-1)
        usual = torch.stack(
            [a[s].median() if s.any() else a.new_ones(()) for a, s in zip(agreement, seen, strict=True)]
        )
        unit = means / agreement.clamp_min(1e-6)[..., None] * seen[..., None]
        return cls(unit.half(), seen, torch.where(seen, _DOUBT * (usual[:, None] - agreement), 0))

    @torch.no_grad()
    def relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "l p v"]:
        """The relevancy of each phrase in each cube at each level; 0 where nothing was seen.

        Cost: 2 · L · V · D · P multiplications. Memory: 4 · L · P · V bytes, and one level's embeddings in float32.
        """
        levels, cubes, _ = self.embeddings.shape
        out = torch.empty(levels, len(phrases), cubes, device=self.embeddings.device)
        for level in range(levels):
            plain = phrases.relevancy(self.embeddings[level].float()).T.clamp(_CLIPPED, 1 - _CLIPPED)
            out[level] = torch.sigmoid(torch.logit(plain) - self.doubt[level]) * self.seen[level]
        return out

    def together(self, every: Float[Tensor, "l p v"], best: Int64[Tensor, " p"]) -> Float[Tensor, "p v"]:
        """One relevancy of what `relevancy` gave: the mean over the levels up to each phrase's best (and two at least),
        where they saw anything; where none of them did, that of the first which did.

        The highest of all levels would do for one place, but what is beside a thing is in many crops that show it: the
        largest that still is about the thing lights them all. Crops no larger than fits the thing best agree on it,
        and each on less of what is around it.
        """
        first = self.seen.int().argmax(dim=0)
        last = torch.maximum(best.clamp_min(_LEAST_TOGETHER - 1)[:, None], first)
        total, number = torch.zeros_like(every[0]), torch.zeros_like(every[0])
        for level, (relevancy, seen) in enumerate(zip(every, self.seen, strict=True)):
            counts = (level <= last) & seen
            total += relevancy * counts
            number += counts
        return total / number.clamp_min(1)


@torch.no_grad()
def make_atlas(
    views: Sequence[AskableView],
    strides: Sequence[int],
    kept: Sequence[Int64[Tensor, " _"]],
    surface: Surface,
    seen: ObservedScales,
    progress: Progress = silent,
) -> Atlas:
    """Read the views' embeddings into the surface's cubes.

    Cost: L evaluations of every view's raster. Memory: the atlas in float32 and float16, and one raster's embeddings.

    Args:
        strides: of the rasters.
        kept: each raster's pixels that show a surface, in the order of the surface's points.
    """
    device, levels = seen.crop_angles.device, len(seen.crop_angles)
    cube = torch.from_numpy(surface.of_point).to(device)
    sums: Tensor | None = None
    started, first = time.perf_counter(), 0
    for done, (view, stride, there) in enumerate(zip(views, strides, kept, strict=True), start=1):
        pixels, shape = raster(view, stride)
        distance = seen.typical_distance(view.points_scene[pixels])
        asked = view.of_pixels(pixels)
        into = cube[first : first + len(there)]
        first += len(there)
        for level, angle in enumerate(seen.crop_angles):
            side = smoothing_side(view, distance, pixels, float(angle), stride)
            embedding = asked.embedding(angle * distance).float()
            with_known = torch.cat([embedding, embedding.any(dim=1, keepdim=True)], dim=1)
            smooth = box_mean(with_known.T.reshape(-1, *shape), side).flatten(1).T[there]
            if sums is None:
                sums = torch.zeros(levels, len(surface), smooth.shape[1], device=device)
            sums[level].index_add_(0, into.clamp_min(0), smooth * (into >= 0)[:, None])
        progress(ProgressEvent("reading", done, len(views), "views", time.perf_counter() - started))
    if sums is None:
        sums = torch.zeros(levels, len(surface), 1, device=device)
    means = sums / torch.from_numpy(np.maximum(surface.points_in_cubes, 1)).to(device)[:, None]
    return Atlas.of_means(means[..., :-1], means[..., -1])
