"""The parts of SAM's mask decoder that touch every place of a picture for every prompt.

A grid of 48 × 48 places with 128 numbers each is .6 MB in half precision; of 576 prompts it is 340 MB, and a decoder
written as a chain of torch's operations moves it some thirty times. Here each operation reads it once and writes it at
most once: tokens read from the picture (`read_image`), the picture from tokens (`write_image`), and it becomes masks
(`mask_logits`), which are counted (`counts_above`). The names: Q prompts have N vectors each that ask or tell
something (T tokens for each of H heads), and R places have features of C numbers and an embedding of where they are.

On CUDA, in half precision and with 128 or 256 features, these are Triton kernels, elsewhere `reference`. No gradients.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.ops.mask_decoder import reference

_KERNEL_FEATURES = (128, 256)
_KERNEL_TOKENS, _KERNEL_MASKS = 16, 4


class Upscaling(NamedTuple):
    """What makes one place four times as fine: to 2 × 2 parts with C / 4 features, normalised, GELU; to 2 × 2 parts of
    each with C / 8 features, GELU.

    Attributes:
        coarse_weight, coarse_bias: C → four parts of C / 4, row by row.
        norm_weight, norm_bias, norm_eps: of the layer normalisation of C / 4 features.
        fine_weight, fine_bias: C / 4 → four parts of C / 8, row by row.
    """

    coarse_weight: Float[Tensor, "c c"]
    coarse_bias: Float[Tensor, " c"]
    norm_weight: Float[Tensor, " c4"]
    norm_bias: Float[Tensor, " c4"]
    norm_eps: float
    fine_weight: Float[Tensor, "c4 c2"]
    fine_bias: Float[Tensor, " c2"]


@torch.no_grad()
def read_image(
    asked: Float[Tensor, "q n c"], image: Float[Tensor, "b r c"], places: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n c"]:
    """What each vector reads from the picture: the mean of the features, weighted by the softmax over the places of the
    vector's product with features and embedding together.

    Args:
        image: features of each prompt's picture, or of one that all share (B = 1).
    """
    if _has_kernels(image):
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.read_image(asked, image, places)
    return reference.read_image(asked, image, places)


@torch.no_grad()
def write_image(
    image: Float[Tensor, "b r c"],
    places: Float[Tensor, "1 r c"],
    known: Float[Tensor, "q h t c"],
    bias: Float[Tensor, "q h t"],
    said: Float[Tensor, "q h t c"],
    norm_weight: Float[Tensor, " c"],
    norm_bias: Float[Tensor, " c"],
    norm_eps: float,
) -> Float[Tensor, "q r c"]:
    """The picture's features, after each place read from the tokens, normalised: for each head it adds the mean of what
    the tokens say, weighted by the softmax over tokens of the products of `known` with features and embedding, plus
    bias.

    Args:
        image: features of each prompt's picture, or of one that all share (B = 1).
    """
    given = (image, places, known, bias, said, norm_weight, norm_bias, norm_eps)
    if _has_kernels(image) and known.shape[2] <= _KERNEL_TOKENS:
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.write_image(*given)
    return reference.write_image(*given)


@torch.no_grad()
def mask_logits(
    image: Float[Tensor, "q r c"], upscaling: Upscaling, masks: Float[Tensor, "q m d"], height: int, width: int
) -> Float[Tensor, "q m lh lw"]:
    """Pictures of masks, four times as fine as the R = height × width places: products of M vectors of D = C / 8
    numbers for each prompt with the upscaled features."""
    if _has_kernels(image) and masks.shape[1] <= _KERNEL_MASKS:
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.mask_logits(image, upscaling, masks, height, width)
    return reference.mask_logits(image, upscaling, masks, height, width)


@torch.no_grad()
def counts_above(
    logits: Float[Tensor, "n lh lw"], rows: int, columns: int, cuts: tuple[float, float]
) -> Int64[Tensor, "n 2"]:
    """How many of each picture's first `rows` × `columns` numbers are greater than each of two cuts."""
    if logits.is_cuda:
        from langfield.ops.mask_decoder import triton_kernels

        return triton_kernels.counts_above(logits, rows, columns, cuts)
    return reference.counts_above(logits, rows, columns, cuts)


def _has_kernels(image: Tensor) -> bool:
    half = image.dtype in (torch.float16, torch.bfloat16)
    return image.is_cuda and half and image.shape[-1] in _KERNEL_FEATURES
