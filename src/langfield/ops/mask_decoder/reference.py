"""`langfield.ops.mask_decoder` in plain torch: what the Triton kernels are tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from langfield.ops.mask_decoder.upscaling import Upscaling


def read_image(
    queries: Float[Tensor, "q n c"], features: Float[Tensor, "b r c"], positions: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n c"]:
    """See `langfield.ops.mask_decoder.read_image`."""
    weights = _products(queries, features, positions).softmax(dim=-1)
    if len(features) == 1:
        return (weights.flatten(0, 1) @ features[0]).unflatten(0, weights.shape[:2])
    return weights @ features


def write_image(
    features: Float[Tensor, "b r c"],
    positions: Float[Tensor, "1 r c"],
    keys: Float[Tensor, "q h t c"],
    bias: Float[Tensor, "q h t"],
    values: Float[Tensor, "q h t c"],
    norm_weight: Float[Tensor, " c"],
    norm_bias: Float[Tensor, " c"],
    norm_eps: float,
) -> Float[Tensor, "q r c"]:
    """See `langfield.ops.mask_decoder.write_image`."""
    scores = _products(keys.flatten(1, 2), features, positions) + bias.flatten(1)[..., None]
    weights = scores.unflatten(1, keys.shape[1:3]).softmax(dim=2).flatten(1, 2)
    written = torch.baddbmm(features.expand(len(keys), -1, -1), weights.mT, values.flatten(1, 2))
    return functional.layer_norm(written, written.shape[-1:], norm_weight, norm_bias, norm_eps)


def mask_logits(
    features: Float[Tensor, "q r c"], upscaling: Upscaling, masks: Float[Tensor, "q m d"], height: int, width: int
) -> Float[Tensor, "q m lh lw"]:
    """See `langfield.ops.mask_decoder.mask_logits`."""
    coarse = (features @ upscaling.coarse_weight + upscaling.coarse_bias).unflatten(-1, (4, -1))
    size = coarse.shape[-1:]
    coarse = functional.layer_norm(coarse, size, upscaling.norm_weight, upscaling.norm_bias, upscaling.norm_eps)
    fine = functional.gelu(coarse) @ upscaling.fine_weight + upscaling.fine_bias
    fine = functional.gelu(fine).unflatten(-1, (4, -1)).flatten(1, 3)
    nested = (masks @ fine.mT).unflatten(2, (height, width, 2, 2, 2, 2))
    return nested.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*masks.shape[:2], 4 * height, 4 * width)


def counts_above(
    logits: Float[Tensor, "n lh lw"], rows: int, columns: int, cuts: tuple[float, float]
) -> Int64[Tensor, "n 2"]:
    """See `langfield.ops.mask_decoder.counts_above`."""
    used = logits[:, :rows, :columns]
    return torch.stack([(used > cut).flatten(1).sum(1) for cut in cuts], dim=1)


def _products(
    vectors: Float[Tensor, "q n c"], features: Float[Tensor, "b r c"], positions: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n r"]:
    """Of each vector with each place's features and position together; a picture that all share is read once."""

    def with_shared(shared: Float[Tensor, "r c"]) -> Float[Tensor, "q n r"]:
        return (vectors.flatten(0, 1) @ shared.mT).unflatten(0, vectors.shape[:2])

    if len(features) == 1:
        return with_shared(features[0] + positions[0])
    return torch.baddbmm(with_shared(positions[0]), vectors, features.mT)
