"""Relevancy of phrases for elements that are sparse mixes of a codebook's rows: `sparse_relevancy`.

Nothing is as wide as an embedding here. ⟨Σ_k share_k · code_k, phrase⟩ is Σ_k share_k · ⟨code_k, phrase⟩, and the inner
products of C codes with the phrases are one small matrix; each element then looks up L · K of its rows.

Cost for n elements, l levels, k codes, p phrases and q negatives, in bytes: n·l·k·4 of codes and shares are read, n·p·5
of relevancies and levels written; n·l·k·(p + q)·4 are looked up in the matrix of c·(p + q)·4, which stays in the cache.
A million elements with l = k = 4 and p = 16: 64 MB, 80 MB, 1.3 GB, and 0.3 MB for 4096 codes. The Triton kernel takes
phrases 32 at a time, and reads an element's codes again for each such block (from the L1 or L2 cache, as a rule).
"""

import torch
from jaxtyping import Float, Float16, Float32, Int8, Int16
from torch import Tensor

from langfield.ops.sparse_relevancy import reference


@torch.no_grad()
def sparse_relevancy(
    phrase_dots: Float[Tensor, "c p"],
    negative_dots: Float[Tensor, "c q"],
    code: Int16[Tensor, "n l k"],
    share: Float16[Tensor, "n l k"],
    temperature: float,
) -> tuple[Float32[Tensor, "n p"], Int8[Tensor, "n p"]]:
    """Each phrase's relevancy for each element at the crop level where it is greatest, and that level.

    At a level it is σ(τ (s_p − max_q s_q)) with the inner products s = Σ_k share_k · dots[code_k] of the element's
    embedding with phrase p and negatives q (LERF, Kerr et al. 2023, §3.5). A level with no share above 0
    has no embedding; an element without any has relevancy 0 and level −1. Of levels that tie, the first is taken.

    Runs a Triton kernel on CUDA and `reference.sparse_relevancy` elsewhere; all arithmetic is float32. No gradients.

    Args:
        phrase_dots, negative_dots: inner products of the codebook's rows with unit phrases, and with at least one unit
            negative.
        code, share: of each element and level, K rows of the codebook and their weights (`LanguageMap`'s). Codes must
            be rows of the dots; that is not checked.
        temperature: τ > 0, of the encoder's card.

    Raises:
        ValueError: no negatives, more than 127 levels, or a codebook without rows.
    """
    if negative_dots.shape[1] == 0:
        raise ValueError("relevancy needs at least one negative")
    if code.shape[1] > torch.iinfo(torch.int8).max:
        raise ValueError(f"at most {torch.iinfo(torch.int8).max} levels are possible, got {code.shape[1]}")
    if code.numel() and not len(phrase_dots):
        raise ValueError("there are codes, but no rows for them in phrase_dots")
    if code.is_cuda:
        from langfield.ops.sparse_relevancy import triton_kernel

        return triton_kernel.sparse_relevancy(phrase_dots, negative_dots, code, share, temperature)
    return reference.sparse_relevancy(phrase_dots, negative_dots, code, share, temperature)


def sparse_relevancy_levels(
    phrase_dots: Float[Tensor, "c p"],
    negative_dots: Float[Tensor, "c q"],
    code: Int16[Tensor, "n l k"],
    share: Float16[Tensor, "n l k"],
    temperature: float,
) -> Float32[Tensor, "n l p"]:
    """Relevancy at every level, 0 where there is no embedding; arguments, cost and errors as `sparse_relevancy`."""
    elements, levels, keep = code.shape
    # A level of an element is an element with one level.
    single_code, single_share = code.reshape(elements * levels, 1, keep), share.reshape(elements * levels, 1, keep)
    relevancy, _ = sparse_relevancy(phrase_dots, negative_dots, single_code, single_share, temperature)
    return relevancy.reshape(elements, levels, phrase_dots.shape[1])
