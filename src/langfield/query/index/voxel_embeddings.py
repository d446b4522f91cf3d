"""Language embeddings of a surface's voxels at each crop level, averaged over pictures before any phrase is known.

A phrase is compared with these alone: a product of two small tables, whatever the scene is made of. An embedding is the
mean, over half the side of the crop that it is about and over all pictures that show the voxel, of the run's unit
embeddings. The length of the mean is 1 where all of them agree. Where it is shorter than is usual in the scene,
pictures contradict each other, and relevancy there is lowered by a disagreement penalty.
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
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.raster import RasterSurface, box_mean, box_side
from langfield.query.index.surface_voxels import SurfaceVoxels

_PENALTY_PER_LENGTH = 2.0  # log-odds for a mean that is 1 shorter than usual; between 1 and 4 it changes little
_CLIP = 1e-6  # relevancy is kept so far from 0 and 1
_MIN_LEVELS = 2  # to average: the level of the smallest crops alone is too noisy


@dataclass(frozen=True)
class VoxelEmbeddings:
    """Embeddings of V voxels at L crop levels, D numbers each.

    Attributes:
        vectors: (L, V, D) unit; 0 where a voxel was not observed at a level.
        observed: (L, V) where more than half of what was averaged was an embedding, not 0.
        disagreement_penalty: (L, V) what is taken from the log-odds of any relevancy there: 2 · (the level's median
            length of mean embeddings − the length here). Below 0 where pictures agree better than usual.
    """

    vectors: Float16[Tensor, "l v d"]
    observed: Bool[Tensor, "l v"]
    disagreement_penalty: Float[Tensor, "l v"]

    @classmethod
    def from_means(cls, means: Float[Tensor, "l v d"], embedded_share: Float[Tensor, "l v"]) -> "VoxelEmbeddings":
        """Normalise mean embeddings.

        Args:
            means: of unit embeddings and zeros.
            embedded_share: the share of what was averaged that was an embedding, not 0.
        """
        observed = embedded_share > 0.5
        length = means.norm(dim=-1)
        usual = torch.stack(
            [a[s].median() if s.any() else a.new_ones(()) for a, s in zip(length, observed, strict=True)]
        )
        unit = means / length.clamp_min(1e-6)[..., None] * observed[..., None]
        penalty = torch.where(observed, _PENALTY_PER_LENGTH * (usual[:, None] - length), 0)
        return cls(unit.half(), observed, penalty)

    @torch.no_grad()
    def relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "l p v"]:
        """LERF's relevancy of P phrases in each voxel at each crop level, less the penalty; 0 where not observed.

        Cost: 2 · L · V · D · (P + negatives) operations. Memory: 4 · L · P · V bytes, and one level's vectors in
        float32.
        """
        levels, voxels, _ = self.vectors.shape
        out = torch.empty(levels, len(phrases), voxels, device=self.vectors.device)
        for level in range(levels):
            plain = phrases.relevancy(self.vectors[level].float()).T.clamp(_CLIP, 1 - _CLIP)
            penalised = torch.sigmoid(torch.logit(plain) - self.disagreement_penalty[level])
            out[level] = penalised * self.observed[level]
        return out

    def aggregate_levels(
        self, relevancy: Float[Tensor, "l p v"], best_level: Int64[Tensor, " p"]
    ) -> Float[Tensor, "p v"]:
        """One relevancy for each phrase and voxel: the mean over the crop levels up to the phrase's best one.

        At least two levels are averaged; levels at which the voxel was not observed do not count; where none of them
        observed it, the first level that did is taken.

        The maximum over levels would be worse: many large crops show a thing and what is beside it, and light up both.
        Crops no larger than the one that fits best agree on the thing, and each on less of its surroundings.

        Args:
            relevancy: what `relevancy` gave.
            best_level: the level at which each phrase scores highest.
        """
        first = self.observed.int().argmax(dim=0)
        last = torch.maximum(best_level.clamp_min(_MIN_LEVELS - 1)[:, None], first)
        total, number = torch.zeros_like(relevancy[0]), torch.zeros_like(relevancy[0])
        for level, (of_level, observed) in enumerate(zip(relevancy, self.observed, strict=True)):
            counts = (level <= last) & observed
            total += of_level * counts
            number += counts
        return total / number.clamp_min(1)


@torch.no_grad()
def embed_voxels(
    rasters: Sequence[RasterSurface], voxels: SurfaceVoxels, scales: ObservedScales, progress: Progress = silent
) -> VoxelEmbeddings:
    """Average what the rasters' cells are embedded as, at each crop level, in the voxels that they show.

    Cost: L evaluations of every raster. Memory: all embeddings in float32 and float16, and one raster's.

    Args:
        rasters: in the order in which their points were given to `voxelise_surface`.
        scales: their device is the result's.
    """
    device, levels = scales.crop_angles.device, len(scales.crop_angles)
    voxel_of_input = torch.from_numpy(voxels.voxel_of_input).to(device)
    sums: Tensor | None = None
    started, first = time.perf_counter(), 0
    for done, raster in enumerate(rasters, start=1):
        view, kept = raster.view, raster.kept
        distance = scales.typical_distance(view.points_scene[raster.pixels])
        pixels = view.of_pixels(raster.pixels)
        voxel = voxel_of_input[first : first + len(kept)]
        first += len(kept)
        for level, angle in enumerate(scales.crop_angles):
            side = box_side(view, distance, raster.pixels, float(angle), raster.stride)
            embedding = pixels.embedding(angle * distance).float()
            with_share = torch.cat([embedding, embedding.any(dim=1, keepdim=True)], dim=1)
            smooth = box_mean(with_share.T.reshape(-1, *raster.shape), side).flatten(1).T[kept]
            if sums is None:
                sums = torch.zeros(levels, len(voxels), smooth.shape[1], device=device)
            sums[level].index_add_(0, voxel.clamp_min(0), smooth * (voxel >= 0)[:, None])
        progress(ProgressEvent("scene index", done, len(rasters), "views", time.perf_counter() - started))
    if sums is None:
        sums = torch.zeros(levels, len(voxels), 1, device=device)
    means = sums / torch.from_numpy(np.maximum(voxels.point_counts, 1)).to(device)[:, None]
    return VoxelEmbeddings.from_means(means[..., :-1], means[..., -1])


def mean_boundary_features(rasters: Sequence[RasterSurface], voxels: SurfaceVoxels) -> Float[np.ndarray, "v s"] | None:
    """The mean boundary features (`AskableView.boundary_features`: DINO) of each voxel's points; None where the run
    holds none. Memory: V × S numbers, and one raster's features.

    Args:
        rasters: in the order in which their points were given to `voxelise_surface`.
    """
    sums: Tensor | None = None
    first = 0
    for raster in rasters:
        features = raster.view.boundary_features(raster.pixels[raster.kept])
        if features is None:
            return None
        voxel = torch.from_numpy(voxels.voxel_of_input[first : first + len(raster.kept)]).to(features.device)
        first += len(raster.kept)
        if sums is None:
            sums = torch.zeros(len(voxels), features.shape[1], device=features.device)
        sums.index_add_(0, voxel.clamp_min(0), features.float() * (voxel >= 0)[:, None])
    return None if sums is None else sums.cpu().numpy() / voxels.point_counts[:, None]
