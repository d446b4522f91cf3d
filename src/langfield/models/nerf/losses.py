"""Losses of radiance fields and of affinity, as pure functions."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.renderers.samplers.base import RaySamples

_MIN_SQUARED_DISTANCE = 1e-6  # of unit vectors in float32; below, the root has no usable gradient


def distortion_loss(samples: RaySamples, weights: Float[Tensor, "r s"]) -> Float[Tensor, ""]:
    """Distortion loss Σ_ij w_i w_j |s_i − s_j| + ⅓ Σ_i w_i² δ_i, mean over rays (Mip-NeRF 360, eq. 15).

    s_i and δ_i are the middles and widths of a ray's intervals in the normalised coordinate. In linear time: for sorted
    middles the double sum is 2 Σ_i w_i (s_i W_i − S_i) with W_i = Σ_{j<i} w_j and S_i = Σ_{j<i} w_j s_j.
    """
    edges = samples.s_edges
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    weighted = weights * middle
    before = weights.cumsum(dim=-1) - weights
    before_weighted = weighted.cumsum(dim=-1) - weighted
    between = 2 * (weights * (middle * before - before_weighted)).sum(dim=-1)
    within = (weights**2 * (edges[:, 1:] - edges[:, :-1])).sum(dim=-1) / 3
    return (between + within).mean()


def in_blocks(values: Tensor, per_photo: int) -> Tensor:
    """Values of R rays as (G, N, …): those of each photo together. Rays beyond the last whole block are left out."""
    size = min(per_photo, len(values))
    return values[: len(values) // size * size].unflatten(0, (-1, size))


def unit_distances(features: Float[Tensor, "g n c"]) -> Float[Tensor, "g n n"]:
    """Distances of the unit vectors of each block from each other, in float32 whatever the autocast."""
    with torch.autocast(features.device.type, enabled=False):
        wide = features.float()
        return (2 - 2 * wide @ wide.mT).clamp_min(_MIN_SQUARED_DISTANCE).sqrt()


def grouping_loss(
    features: Float[Tensor, "r c"],
    larger: Float[Tensor, "r c"],
    mask: Int64[Tensor, " r"],
    mask_larger: Int64[Tensor, " r"],
    photo: Int64[Tensor, " r"],
    per_photo: int,
    margin: float,
) -> Float[Tensor, ""]:
    """Contrastive loss of rays of the same photo, at their scale and at a larger one (after GARField, Kim et al. 2024,
    §3.2).

    At each scale, rays of one mask are pulled together, and rays of which one is in a mask that does not hold the other
    are pushed apart, up to the margin. What is together at the scale is also together at the larger one. Each of the
    four terms is the mean over a ray's partners, and then over all rays that have partners, so that a small mask counts
    by its rays and not by their pairs. (GARField pushes at one scale only: the larger scales, where most pulls are,
    then collapse first.)

    Args:
        features: unit affinity features at the rays' scale.
        larger: those at the larger scale.
        mask: of each ray at the scale, −1 for none: two rays without a mask say nothing about each other.
        mask_larger: likewise at the larger scale.
        photo: of each ray; masks of different photos are not compared.
        per_photo: so many rays in a row are compared with each other.
        margin: distance of unit features that is far enough.
    """
    photos = in_blocks(photo, per_photo)
    together, apart = _pairs(in_blocks(mask, per_photo), photos)
    together_larger, apart_larger = _pairs(in_blocks(mask_larger, per_photo), photos)
    at_scale, at_larger = (features, together, apart), (larger, together_larger | together, apart_larger & ~together)
    terms = []
    for values, pulled, pushed in (at_scale, at_larger):
        distance = unit_distances(in_blocks(values, per_photo))
        terms.append(_mean_over_partners(distance, pulled))
        terms.append(_mean_over_partners((margin - distance).clamp_min(0), pushed))
    return torch.stack(terms).sum()


def agreement_loss(
    embedding: Float[Tensor, "r d"],
    features: Float[Tensor, "r c"],
    mask: Int64[Tensor, " r"],
    photo: Int64[Tensor, " r"],
    per_photo: int,
    reach: float,
) -> Float[Tensor, ""]:
    """How far embeddings are from the mean of those that affinity puts together with them: 1 − cosine, mean over all
    rays in masks.

    For ray i, the mean is Σ_j a_ij e_j over the rays j of its mask, itself among them, with a_ij = 1 − |f_i − f_j| /
    `reach`, at least 0. Neither the mean nor affinity gets a gradient, so that each embedding is pulled to its group's
    mean and nothing is pushed; rays of other masks, or that affinity parts, do not matter.

    Args:
        embedding: unit embeddings at the masks' scale.
        features: unit affinity features at that scale.
        mask, photo, per_photo: as in `grouping_loss`.
        reach: distance of affinity features from which on they are not together.
    """
    blocks, in_mask = in_blocks(embedding.float(), per_photo), in_blocks(mask, per_photo) >= 0
    together, _ = _pairs(in_blocks(mask, per_photo), in_blocks(photo, per_photo))
    with torch.no_grad(), torch.autocast(embedding.device.type, enabled=False):
        affinity = (1 - unit_distances(in_blocks(features, per_photo)) / reach).clamp_min(0) * together
        affinity = affinity + torch.diag_embed(in_mask.float())
        mean = torch.nn.functional.normalize(affinity @ blocks, dim=-1)
    disagreement = (1 - (blocks * mean).sum(dim=-1)) * in_mask
    return disagreement.sum() / in_mask.sum().clamp_min(1)


def _pairs(
    mask: Int64[Tensor, "g n"], photo: Int64[Tensor, "g n"]
) -> tuple[Bool[Tensor, "g n n"], Bool[Tensor, "g n n"]]:
    """Which rays of a block are together (a ray is not its own partner), and which are apart."""
    other = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    same_mask, same_photo = mask[:, :, None] == mask[:, None, :], photo[:, :, None] == photo[:, None, :]
    return same_photo & same_mask & other & (mask >= 0)[:, :, None], same_photo & ~same_mask


def _mean_over_partners(values: Float[Tensor, "g n n"], which: Bool[Tensor, "g n n"]) -> Float[Tensor, ""]:
    """The mean of each ray's values over its partners, and then over the rays that have any; 0 where none has."""
    partners = which.sum(dim=-1)
    means = (values * which).sum(dim=-1) / partners.clamp_min(1)
    return means.sum() / (partners > 0).sum().clamp_min(1)
