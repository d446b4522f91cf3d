"""The parts of SAM's mask decoder that touch every place of a picture for every prompt.

A grid of 48 × 48 places with 128 features each is .6 MB in half precision; of 576 prompts it is 340 MB, which a chain
of torch's operations writes and reads again at each step. Here tokens attend to the picture (`read_image`), the picture
attends to tokens (`write_image`), and it becomes masks (`mask_logits`), which are counted (`counts_above`), each in one
pass over the features, or few. Q prompts have N query vectors each (T tokens for each of H heads); R places have C
features and a positional embedding of as many numbers.

On CUDA, in float16 and with 128 or 256 features, these are Triton kernels where a block of the GPU may have the shared
memory that they need; elsewhere they are `reference`. No gradients.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.ops.mask_decoder import reference
from langfield.ops.mask_decoder.upscaling import Upscaling

_KERNEL_FEATURES = (128, 256)
_KERNEL_HEADS, _KERNEL_TOKENS, _KERNEL_MASKS = (2, 4, 8), 16, 4


@torch.no_grad()
def read_image(
    queries: Float[Tensor, "q n c"], features: Float[Tensor, "b r c"], positions: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n c"]:
    """Tokens attend to the picture: softmax(queries · (features + positions)ᵀ) · features.

    Args:
        features: of each prompt's picture, or of one that all share (B = 1).

    Raises ValueError for another B.
    """
    _check_shared(features, len(queries))
    if _has_kernels(queries, features, positions):
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.read_image(queries, features, positions)
    return reference.read_image(queries, features, positions)


@torch.no_grad()
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
    """The picture attends to tokens: LayerNorm(features + Σ over heads of
    softmax((features + positions) · keysᵀ + bias) · values), the softmax over a head's tokens.

    Args:
        features: of each prompt's picture, or of one that all share (B = 1).

    Raises ValueError for another B.
    """
    _check_shared(features, len(keys))
    given = (features, positions, keys, bias, values, norm_weight, norm_bias)
    few = keys.shape[1] in _KERNEL_HEADS and keys.shape[2] <= _KERNEL_TOKENS
    if few and _has_kernels(*given):
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.write_image(*given, norm_eps)
    return reference.write_image(*given, norm_eps)


@torch.no_grad()
def mask_logits(
    features: Float[Tensor, "q r c"], upscaling: Upscaling, masks: Float[Tensor, "q m d"], height: int, width: int
) -> Float[Tensor, "q m lh lw"]:
    """Pictures of masks, four times as fine as the R = height × width places: products of M vectors of D = C / 8
    numbers for each prompt with the upscaled features.

    Raises ValueError if there are not height × width places.
    """
    if features.shape[1] != height * width:
        raise ValueError(f"expected {height} by {width} places, got {features.shape[1]}")
    weights = [part for part in upscaling if isinstance(part, Tensor)]
    if masks.shape[1] <= _KERNEL_MASKS and _has_kernels(features, masks, *weights):
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.mask_logits(features, upscaling, masks, height, width)
    return reference.mask_logits(features, upscaling, masks, height, width)


@torch.no_grad()
def counts_above(
    logits: Float[Tensor, "n lh lw"], rows: int, columns: int, cuts: tuple[float, float]
) -> Int64[Tensor, "n 2"]:
    """How many of each picture's first `rows` × `columns` numbers are greater than each of two cuts."""
    if logits.is_cuda:
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.counts_above(logits, rows, columns, cuts)
    return reference.counts_above(logits, rows, columns, cuts)


def _check_shared(features: Float[Tensor, "b r c"], prompts: int) -> None:
    if len(features) not in (1, prompts):
        raise ValueError(f"expected features of 1 or {prompts} pictures, got {len(features)}")


def _has_kernels(*given: Tensor) -> bool:
    if not all(tensor.is_cuda and tensor.dtype == torch.float16 for tensor in given):
        return False
    features = given[0].shape[-1]
    if features not in _KERNEL_FEATURES:
        return False
    from langfield.ops.mask_decoder import triton_kernels

    return triton_kernels.fits(features, given[0].device)
