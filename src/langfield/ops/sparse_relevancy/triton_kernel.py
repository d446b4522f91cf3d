"""`sparse_relevancy` as a Triton kernel: one program per block of elements, all phrases.

The phrases of a block lie beside each other in a row of the dots, so a looked-up code reads whole sectors; a program's
codes and shares fit into the L1 cache, so their single reads from memory serve all levels, codes and phrase blocks.
Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float16, Float32, Int8, Int16
from torch import Tensor

_MAX_PHRASES = 32  # at once
_TILE = 2048  # elements · phrases, or elements · negatives, that a program holds


@triton.jit
@no_type_check
def _kernel(
    phrase_ptr,
    negative_ptr,
    code_ptr,
    share_ptr,
    relevancy_ptr,
    level_ptr,
    n,
    phrase_count,
    negative_count,
    temperature,
    LEVELS: tl.constexpr,
    KEEP: tl.constexpr,
    BLOCK: tl.constexpr,
    PHRASES: tl.constexpr,
    NEGATIVES: tl.constexpr,
):
    # 64 bits: elements · levels · codes and elements · phrases may pass 2³¹.
    elements = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = elements < n
    negatives = tl.arange(0, NEGATIVES)
    is_negative = (negatives < negative_count)[None, :]
    for first in range(0, phrase_count, PHRASES):
        phrases = first + tl.arange(0, PHRASES)
        is_phrase = (phrases < phrase_count)[None, :]
        best = tl.full((BLOCK, PHRASES), float("-inf"), dtype=tl.float32)
        best_level = tl.full((BLOCK, PHRASES), -1, dtype=tl.int32)
        for level in range(LEVELS):
            score = tl.zeros((BLOCK, PHRASES), dtype=tl.float32)
            against = tl.zeros((BLOCK, NEGATIVES), dtype=tl.float32)
            answered = tl.zeros((BLOCK,), dtype=tl.float32)
            for k in tl.static_range(KEEP):
                slot = (elements * LEVELS + level) * KEEP + k
                code = tl.load(code_ptr + slot, mask=inside, other=0).to(tl.int64)
                share = tl.load(share_ptr + slot, mask=inside, other=0.0).to(tl.float32)
                phrase_row = (phrase_ptr + code * phrase_count)[:, None]
                negative_row = (negative_ptr + code * negative_count)[:, None]
                score += share[:, None] * tl.load(phrase_row + phrases[None, :], mask=is_phrase, other=0.0)
                against += share[:, None] * tl.load(negative_row + negatives[None, :], mask=is_negative, other=0.0)
                answered += share
            against = tl.where(is_negative, against, float("-inf"))
            margin = score - tl.max(against, axis=1)[:, None]
            better = (answered > 0)[:, None] & (margin > best)
            best = tl.where(better, margin, best)
            best_level = tl.where(better, level, best_level)
        relevancy = tl.where(best_level >= 0, tl.sigmoid(temperature * best), 0.0)
        place = elements[:, None] * phrase_count + phrases[None, :]
        wanted = inside[:, None] & is_phrase
        tl.store(relevancy_ptr + place, relevancy, mask=wanted)
        tl.store(level_ptr + place, best_level.to(tl.int8), mask=wanted)


def sparse_relevancy(
    phrase_dots: Float[Tensor, "c p"],
    negative_dots: Float[Tensor, "c q"],
    code: Int16[Tensor, "n l k"],
    share: Float16[Tensor, "n l k"],
    temperature: float,
) -> tuple[Float32[Tensor, "n p"], Int8[Tensor, "n p"]]:
    """See `langfield.ops.sparse_relevancy.sparse_relevancy`."""
    elements, levels, keep = code.shape
    phrases, negatives = phrase_dots.shape[1], negative_dots.shape[1]
    relevancy = torch.empty(elements, phrases, dtype=torch.float32, device=code.device)
    level = torch.empty(elements, phrases, dtype=torch.int8, device=code.device)
    if elements and phrases:
        phrase_block = min(triton.next_power_of_2(phrases), _MAX_PHRASES)
        negative_block = triton.next_power_of_2(negatives)
        block = max(_TILE // max(phrase_block, negative_block, 16), 1)
        _kernel[(triton.cdiv(elements, block),)](
            phrase_dots.float().contiguous(),
            negative_dots.float().contiguous(),
            code.contiguous(),
            share.contiguous(),
            relevancy,
            level,
            elements,
            phrases,
            negatives,
            float(temperature),
            LEVELS=levels,
            KEEP=keep,
            BLOCK=block,
            PHRASES=phrase_block,
            NEGATIVES=negative_block,
        )
    return relevancy, level
