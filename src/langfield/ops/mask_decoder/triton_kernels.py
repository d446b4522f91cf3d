"""`langfield.ops.mask_decoder` as Triton kernels: a program has one prompt and a stretch of its places.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

from typing import TYPE_CHECKING, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64
from torch import Tensor

if TYPE_CHECKING:
    from langfield.ops.mask_decoder.mask_decoder import Upscaling

# How many places a program has at once, by the number of features, and how often in turn: the fastest on an H200.
_READ_PLACES = {128: 64, 256: 32}  # in turn until there are no more
_READ_VECTORS = 32  # of 64 Triton 3.6 makes a program for sm_90 whose results are wrong
_WRITE_PLACES, _WRITE_TURNS = {128: 64, 256: 32}, 9
_MASK_PLACES, _MASK_TURNS = 16, 18
_STAGES, _WARPS = 2, {128: 4, 256: 8}
_COUNTED = 1024  # numbers at once
_SMALLEST = 16  # side of a matrix product


@triton.jit
@no_type_check
def _read_kernel(
    asked_ptr, image_ptr, place_ptr, out_ptr, asked_count, place_count, image_step, parts, C: tl.constexpr,
    N: tl.constexpr, PLACES: tl.constexpr,
):  # fmt: skip
    prompt = (tl.program_id(0) // parts).to(tl.int64)
    vector = tl.program_id(0) % parts * N + tl.arange(0, N)
    column, place = tl.arange(0, C), tl.arange(0, PLACES)
    asked_at = (prompt * asked_count + vector[:, None]) * C + column[None, :]
    asked_there = (vector < asked_count)[:, None]
    asked = tl.load(asked_ptr + asked_at, mask=asked_there, other=0.0)
    highest = tl.full([N], -float("inf"), tl.float32)
    total = tl.zeros([N], tl.float32)
    read = tl.zeros([N, C], tl.float32)
    for start in range(0, place_count, PLACES):
        there = start + place < place_count
        at = (start + place)[:, None] * C + column[None, :]
        features = tl.load(image_ptr + prompt * image_step + at, mask=there[:, None], other=0.0)
        where = tl.load(place_ptr + at, mask=there[:, None], other=0.0)
        scores = tl.dot(asked, tl.trans(features + where))
        scores = tl.where(there[None, :], scores, -float("inf"))
        before, highest = highest, tl.maximum(highest, tl.max(scores, axis=1))
        kept = tl.exp(before - highest)
        shares = tl.exp(scores - highest[:, None])
        total = total * kept + tl.sum(shares, axis=1)
        read = tl.dot(shares.to(features.dtype), features, read * kept[:, None])
    tl.store(out_ptr + asked_at, (read / total[:, None]).to(out_ptr.dtype.element_ty), mask=asked_there)


@triton.jit
@no_type_check
def _write_kernel(
    image_ptr, place_ptr, known_ptr, bias_ptr, said_ptr, norm_weight_ptr, norm_bias_ptr, out_ptr,
    place_count, image_step, token_count, eps, C: tl.constexpr, HEADS: tl.constexpr, TOKENS: tl.constexpr,
    PLACES: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    prompt = tl.program_id(0).to(tl.int64)
    column, place, vector = tl.arange(0, C), tl.arange(0, PLACES), tl.arange(0, HEADS * TOKENS)
    head, token = vector // TOKENS, vector % TOKENS
    token_there = token < token_count
    number = (prompt * HEADS + head) * token_count + token
    vector_at = number[:, None] * C + column[None, :]
    known = tl.load(known_ptr + vector_at, mask=token_there[:, None], other=0.0)
    said = tl.load(said_ptr + vector_at, mask=token_there[:, None], other=0.0)
    bias = tl.load(bias_ptr + number, mask=token_there, other=-float("inf")).to(tl.float32)
    norm_weight = tl.load(norm_weight_ptr + column).to(tl.float32)
    norm_bias = tl.load(norm_bias_ptr + column).to(tl.float32)
    for turn in range(TURNS):
        row = (tl.program_id(1) * TURNS + turn) * PLACES + place
        there = (row < place_count)[:, None]
        at = row[:, None] * C + column[None, :]
        features = tl.load(image_ptr + prompt * image_step + at, mask=there, other=0.0)
        where = tl.load(place_ptr + at, mask=there, other=0.0)
        scores = tl.dot(features + where, tl.trans(known)) + bias[None, :]
        of_heads = tl.reshape(scores, (PLACES, HEADS, TOKENS))
        shares = tl.exp(of_heads - tl.max(of_heads, axis=2, keep_dims=True))
        shares = shares / tl.sum(shares, axis=2, keep_dims=True)
        shares = tl.reshape(shares, (PLACES, HEADS * TOKENS)).to(features.dtype)
        written = tl.dot(shares, said, features.to(tl.float32))
        apart = written - (tl.sum(written, axis=1) / C)[:, None]
        variance = tl.sum(apart * apart, axis=1) / C
        normal = apart / tl.sqrt(variance + eps)[:, None] * norm_weight[None, :] + norm_bias[None, :]
        out_at = prompt * place_count * C + at
        tl.store(out_ptr + out_at, normal.to(out_ptr.dtype.element_ty), mask=there)


@triton.jit
@no_type_check
def _gelu(value):
    return 0.5 * value * (1.0 + tl.erf(value * 0.7071067811865476))


@triton.jit
@no_type_check
def _mask_kernel(
    image_ptr, coarse_weight_ptr, coarse_bias_ptr, norm_weight_ptr, norm_bias_ptr, fine_weight_ptr, fine_bias_ptr,
    mask_ptr, out_ptr, place_count, width, mask_count, eps, C: tl.constexpr, PLACES: tl.constexpr,
    TURNS: tl.constexpr,
):  # fmt: skip
    QUARTER: tl.constexpr = C // 4
    EIGHTH: tl.constexpr = C // 8
    prompt = tl.program_id(0).to(tl.int64)
    column, quarter, half = tl.arange(0, C), tl.arange(0, QUARTER), tl.arange(0, 4 * EIGHTH)
    coarse_weight = tl.load(coarse_weight_ptr + column[:, None] * C + column[None, :])
    coarse_bias = tl.load(coarse_bias_ptr + column).to(tl.float32)
    norm_weight = tl.load(norm_weight_ptr + quarter).to(tl.float32)
    norm_bias = tl.load(norm_bias_ptr + quarter).to(tl.float32)
    fine_weight = tl.load(fine_weight_ptr + quarter[:, None] * (4 * EIGHTH) + half[None, :])
    fine_bias = tl.load(fine_bias_ptr + half).to(tl.float32)
    # Products with the masks' vectors of the four fine parts at once: a matrix of four blocks.
    said = tl.arange(0, 16)
    part, mask = said // 4, said % 4
    mask_at = (prompt * mask_count + mask[None, :]) * EIGHTH + (half % EIGHTH)[:, None]
    own = ((half // EIGHTH)[:, None] == part[None, :]) & (mask < mask_count)[None, :]
    masks = tl.load(mask_ptr + mask_at, mask=own, other=0.0)
    coarse_part = tl.arange(0, 4 * PLACES) % 4
    for turn in range(TURNS):
        first = (tl.program_id(1) * TURNS + turn) * PLACES
        row = first + tl.arange(0, PLACES)
        at = (prompt * place_count + row[:, None]) * C + column[None, :]
        features = tl.load(image_ptr + at, mask=(row < place_count)[:, None], other=0.0)
        coarse = tl.dot(features, coarse_weight) + coarse_bias[None, :]
        coarse = tl.reshape(coarse.to(features.dtype), (4 * PLACES, QUARTER)).to(tl.float32)
        apart = coarse - (tl.sum(coarse, axis=1) / QUARTER)[:, None]
        variance = tl.sum(apart * apart, axis=1) / QUARTER
        coarse = apart / tl.sqrt(variance + eps)[:, None] * norm_weight[None, :] + norm_bias[None, :]
        fine = tl.dot(_gelu(coarse).to(features.dtype), fine_weight) + fine_bias[None, :]
        logits = tl.dot(_gelu(fine).to(features.dtype), masks)
        place = first + tl.arange(0, 4 * PLACES) // 4
        y = (4 * (place // width) + 2 * (coarse_part // 2))[:, None] + (part // 2)[None, :]
        x = (4 * (place % width) + 2 * (coarse_part % 2))[:, None] + (part % 2)[None, :]
        out_at = (prompt * mask_count + mask[None, :]) * (16 * place_count) + y * (4 * width) + x
        inside = (place < place_count)[:, None] & (mask < mask_count)[None, :]
        tl.store(out_ptr + out_at, logits.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
@no_type_check
def _count_kernel(logit_ptr, out_ptr, rows, columns, stride, step, cut_0, cut_1, BLOCK: tl.constexpr):
    picture = tl.program_id(0).to(tl.int64)
    number = tl.arange(0, BLOCK)
    above_0 = tl.zeros([BLOCK], tl.int32)
    above_1 = tl.zeros([BLOCK], tl.int32)
    for start in range(0, rows * columns, BLOCK):
        at = start + number
        there = at < rows * columns
        place = picture * step + at // columns * stride + at % columns
        logit = tl.load(logit_ptr + place, mask=there, other=-float("inf")).to(tl.float32)
        above_0 += (logit > cut_0).to(tl.int32)
        above_1 += (logit > cut_1).to(tl.int32)
    tl.store(out_ptr + 2 * picture, tl.sum(above_0).to(tl.int64))
    tl.store(out_ptr + 2 * picture + 1, tl.sum(above_1).to(tl.int64))


def read_image(
    asked: Float[Tensor, "q n c"], image: Float[Tensor, "b r c"], places: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n c"]:
    """See `langfield.ops.mask_decoder.read_image`."""
    asked, image, places = asked.contiguous(), image.contiguous(), places.contiguous()
    out, (prompts, count, features) = torch.empty_like(asked), asked.shape
    parts = triton.cdiv(count, _READ_VECTORS)
    _read_kernel[(prompts * parts,)](
        asked, image, places, out, count, image.shape[1], _step(image), parts, C=features, N=_READ_VECTORS,
        PLACES=_READ_PLACES[features], num_stages=_STAGES, num_warps=_WARPS[features],
    )  # fmt: skip
    return out


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
    """See `langfield.ops.mask_decoder.write_image`."""
    image, places, known, bias, said = (t.contiguous() for t in (image, places, known, bias, said))
    prompts, heads, tokens, features = known.shape
    places_each = image.shape[1]
    out = image.new_empty(prompts, places_each, features)
    padded = max(triton.next_power_of_2(tokens), _SMALLEST // heads)
    block = _WRITE_PLACES[features]
    _write_kernel[(prompts, triton.cdiv(places_each, block * _WRITE_TURNS))](
        image, places, known, bias, said, norm_weight, norm_bias, out, places_each, _step(image), tokens, norm_eps,
        C=features, HEADS=heads, TOKENS=padded, PLACES=block, TURNS=_WRITE_TURNS, num_stages=_STAGES,
        num_warps=_WARPS[features],
    )  # fmt: skip
    return out


def mask_logits(
    image: Float[Tensor, "q r c"], upscaling: "Upscaling", masks: Float[Tensor, "q m d"], height: int, width: int
) -> Float[Tensor, "q m lh lw"]:
    """See `langfield.ops.mask_decoder.mask_logits`."""
    image, masks = image.contiguous(), masks.contiguous()
    weights = [part.contiguous() for part in upscaling if isinstance(part, Tensor)]
    (prompts, places, features), count = image.shape, masks.shape[1]
    out = image.new_empty(prompts, count, 4 * height, 4 * width)
    _mask_kernel[(prompts, triton.cdiv(places, _MASK_PLACES * _MASK_TURNS))](
        image, *weights, masks, out, places, width, count, upscaling.norm_eps,
        C=features, PLACES=_MASK_PLACES, TURNS=_MASK_TURNS, num_warps=_WARPS[features],
    )  # fmt: skip
    return out


def counts_above(
    logits: Float[Tensor, "n lh lw"], rows: int, columns: int, cuts: tuple[float, float]
) -> Int64[Tensor, "n 2"]:
    """See `langfield.ops.mask_decoder.counts_above`."""
    logits = logits.contiguous()
    out = torch.empty(len(logits), 2, dtype=torch.int64, device=logits.device)
    height, width = logits.shape[1:]
    if len(logits):
        _count_kernel[(len(logits),)](
            logits, out, min(rows, height), min(columns, width), width, height * width, *cuts, BLOCK=_COUNTED
        )
    return out


def _step(image: Float[Tensor, "b r c"]) -> int:
    """From one prompt's features to the next one's; none where all share them."""
    return 0 if len(image) == 1 else image.shape[1] * image.shape[2]
