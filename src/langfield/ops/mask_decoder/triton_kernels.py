"""`langfield.ops.mask_decoder` as Triton kernels: a program has one prompt and some of its vectors, places or masks.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

import functools
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.ops.mask_decoder.upscaling import Upscaling

# By the number of features. The numbers of places at once, and of turns, are the fastest on an H200 for 48 × 48 places.
SHARED_BYTES = {128: 96 << 10, 256: 176 << 10}  # of a program, at most
WARPS = {128: 4, 256: 8}
READ_PLACES = {128: 64, 256: 32}  # in turn until there are no more
# Of 64 vectors Triton 3.6 made a program for sm_90 with wrong results: tests/gpu/test_gpu_mask_decoder.py has such.
READ_VECTORS = 32
WRITE_PLACES, WRITE_TURNS = {128: 64, 256: 32}, 9
MASK_PLACES, MASK_TURNS = 16, 18
STAGES, MASK_STAGES = 2, 3
COUNTED = 1024  # numbers at once
_SMALLEST = 16  # side of a matrix product


@triton.jit
@no_type_check
def _read_kernel(
    query_ptr, feature_ptr, position_ptr, out_ptr, query_count, place_count, feature_step, parts, C: tl.constexpr,
    N: tl.constexpr, PLACES: tl.constexpr,
):  # fmt: skip
    prompt = (tl.program_id(0) // parts).to(tl.int64)
    number = tl.program_id(0) % parts * N + tl.arange(0, N)
    column, place = tl.arange(0, C), tl.arange(0, PLACES)
    query_at = (prompt * query_count + number[:, None]) * C + column[None, :]
    is_query = (number < query_count)[:, None]
    queries = tl.load(query_ptr + query_at, mask=is_query, other=0.0)
    # Online softmax: sums are relative to the highest score so far.
    highest = tl.full([N], -float("inf"), tl.float32)
    total = tl.zeros([N], tl.float32)
    weighted = tl.zeros([N, C], tl.float32)
    for start in range(0, place_count, PLACES):
        is_place = start + place < place_count
        at = (start + place)[:, None] * C + column[None, :]
        features = tl.load(feature_ptr + prompt * feature_step + at, mask=is_place[:, None], other=0.0)
        positions = tl.load(position_ptr + at, mask=is_place[:, None], other=0.0)
        scores = tl.dot(queries, tl.trans(features + positions))
        scores = tl.where(is_place[None, :], scores, -float("inf"))
        before, highest = highest, tl.maximum(highest, tl.max(scores, axis=1))
        rescaled = tl.exp(before - highest)
        weights = tl.exp(scores - highest[:, None])
        total = total * rescaled + tl.sum(weights, axis=1)
        weighted = tl.dot(weights.to(features.dtype), features, weighted * rescaled[:, None])
    tl.store(out_ptr + query_at, (weighted / total[:, None]).to(out_ptr.dtype.element_ty), mask=is_query)


@triton.jit
@no_type_check
def _write_kernel(
    feature_ptr, position_ptr, key_ptr, bias_ptr, value_ptr, norm_weight_ptr, norm_bias_ptr, out_ptr,
    place_count, feature_step, token_count, eps, C: tl.constexpr, HEADS: tl.constexpr, TOKENS: tl.constexpr,
    PLACES: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    prompt = tl.program_id(0).to(tl.int64)
    column, place, number = tl.arange(0, C), tl.arange(0, PLACES), tl.arange(0, HEADS * TOKENS)
    head, token = number // TOKENS, number % TOKENS
    is_token = token < token_count
    token_at = (prompt * HEADS + head) * token_count + token
    vector_at = token_at[:, None] * C + column[None, :]
    keys = tl.load(key_ptr + vector_at, mask=is_token[:, None], other=0.0)
    values = tl.load(value_ptr + vector_at, mask=is_token[:, None], other=0.0)
    bias = tl.load(bias_ptr + token_at, mask=is_token, other=-float("inf")).to(tl.float32)
    norm_weight = tl.load(norm_weight_ptr + column).to(tl.float32)
    norm_bias = tl.load(norm_bias_ptr + column).to(tl.float32)
    for turn in range(TURNS):
        row = (tl.program_id(1) * TURNS + turn) * PLACES + place
        is_place = (row < place_count)[:, None]
        at = row[:, None] * C + column[None, :]
        features = tl.load(feature_ptr + prompt * feature_step + at, mask=is_place, other=0.0)
        positions = tl.load(position_ptr + at, mask=is_place, other=0.0)
        scores = tl.dot(features + positions, tl.trans(keys)) + bias[None, :]
        of_heads = tl.reshape(scores, (PLACES, HEADS, TOKENS))
        weights = tl.exp(of_heads - tl.max(of_heads, axis=2, keep_dims=True))
        weights = weights / tl.sum(weights, axis=2, keep_dims=True)
        weights = tl.reshape(weights, (PLACES, HEADS * TOKENS)).to(features.dtype)
        written = tl.dot(weights, values, features.to(tl.float32))
        centred = written - (tl.sum(written, axis=1) / C)[:, None]
        variance = tl.sum(centred * centred, axis=1) / C
        normal = centred / tl.sqrt(variance + eps)[:, None] * norm_weight[None, :] + norm_bias[None, :]
        out_at = prompt * place_count * C + at
        tl.store(out_ptr + out_at, normal.to(out_ptr.dtype.element_ty), mask=is_place)


@triton.jit
@no_type_check
def _gelu(value):
    return 0.5 * value * (1.0 + tl.erf(value * 0.7071067811865476))


@triton.jit
@no_type_check
def _mask_kernel(
    feature_ptr, coarse_weight_ptr, coarse_bias_ptr, norm_weight_ptr, norm_bias_ptr, fine_weight_ptr, fine_bias_ptr,
    mask_ptr, out_ptr, place_count, width, mask_count, eps, C: tl.constexpr, PLACES: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    QUARTER: tl.constexpr = C // 4
    EIGHTH: tl.constexpr = C // 8
    prompt = tl.program_id(0).to(tl.int64)
    column, coarse_column, fine_column = tl.arange(0, C), tl.arange(0, QUARTER), tl.arange(0, 4 * EIGHTH)
    coarse_weight = tl.load(coarse_weight_ptr + column[:, None] * C + column[None, :])
    coarse_bias = tl.load(coarse_bias_ptr + column).to(tl.float32)
    norm_weight = tl.load(norm_weight_ptr + coarse_column).to(tl.float32)
    norm_bias = tl.load(norm_bias_ptr + coarse_column).to(tl.float32)
    fine_weight = tl.load(fine_weight_ptr + coarse_column[:, None] * (4 * EIGHTH) + fine_column[None, :])
    fine_bias = tl.load(fine_bias_ptr + fine_column).to(tl.float32)
    # Products with the masks' vectors of the four fine parts at once: a matrix of four blocks.
    result = tl.arange(0, 16)
    part, mask = result // 4, result % 4
    mask_at = (prompt * mask_count + mask[None, :]) * EIGHTH + (fine_column % EIGHTH)[:, None]
    own = ((fine_column // EIGHTH)[:, None] == part[None, :]) & (mask < mask_count)[None, :]
    masks = tl.load(mask_ptr + mask_at, mask=own, other=0.0)
    coarse_part = tl.arange(0, 4 * PLACES) % 4
    for turn in range(TURNS):
        first = (tl.program_id(1) * TURNS + turn) * PLACES
        row = first + tl.arange(0, PLACES)
        at = (prompt * place_count + row[:, None]) * C + column[None, :]
        features = tl.load(feature_ptr + at, mask=(row < place_count)[:, None], other=0.0)
        coarse = tl.dot(features, coarse_weight) + coarse_bias[None, :]
        coarse = tl.reshape(coarse.to(features.dtype), (4 * PLACES, QUARTER)).to(tl.float32)
        centred = coarse - (tl.sum(coarse, axis=1) / QUARTER)[:, None]
        variance = tl.sum(centred * centred, axis=1) / QUARTER
        coarse = centred / tl.sqrt(variance + eps)[:, None] * norm_weight[None, :] + norm_bias[None, :]
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
def _count_kernel(logit_ptr, out_ptr, rows, columns, row_step, picture_step, cut_0, cut_1, BLOCK: tl.constexpr):
    picture = tl.program_id(0).to(tl.int64)
    number = tl.arange(0, BLOCK)
    above_0 = tl.zeros([BLOCK], tl.int32)
    above_1 = tl.zeros([BLOCK], tl.int32)
    for start in range(0, rows * columns, BLOCK):
        used = start + number
        at = picture * picture_step + used // columns * row_step + used % columns
        logit = tl.load(logit_ptr + at, mask=used < rows * columns, other=-float("inf")).to(tl.float32)
        above_0 += (logit > cut_0).to(tl.int32)
        above_1 += (logit > cut_1).to(tl.int32)
    tl.store(out_ptr + 2 * picture, tl.sum(above_0).to(tl.int64))
    tl.store(out_ptr + 2 * picture + 1, tl.sum(above_1).to(tl.int64))


def fits(features: int, device: torch.device) -> bool:
    """Whether a block of a GPU may have the shared memory that the kernels need."""
    return (
        _shared_bytes(torch.cuda.current_device() if device.index is None else device.index) >= SHARED_BYTES[features]
    )


@functools.cache
def _shared_bytes(device: int) -> int:
    driver: Any = triton.runtime.driver.active
    return driver.utils.get_device_properties(device)["max_shared_mem"]


def read_image(
    queries: Float[Tensor, "q n c"], features: Float[Tensor, "b r c"], positions: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q n c"]:
    """See `langfield.ops.mask_decoder.read_image`."""
    queries, features, positions = queries.contiguous(), features.contiguous(), positions.contiguous()
    out, (prompts, count, size) = torch.empty_like(queries), queries.shape
    parts = triton.cdiv(count, READ_VECTORS)
    if prompts:
        _read_kernel[(prompts * parts,)](
            queries, features, positions, out, count, features.shape[1], _step(features), parts, C=size,
            N=READ_VECTORS, PLACES=READ_PLACES[size], num_stages=STAGES, num_warps=WARPS[size],
        )  # fmt: skip
    return out


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
    given = (features, positions, keys, bias, values, norm_weight, norm_bias)
    features, *others = (tensor.contiguous() for tensor in given)
    (prompts, heads, tokens, size), places = keys.shape, features.shape[1]
    out = features.new_empty(prompts, places, size)
    padded = max(triton.next_power_of_2(tokens), _SMALLEST // heads)
    if prompts:
        _write_kernel[(prompts, triton.cdiv(places, WRITE_PLACES[size] * WRITE_TURNS))](
            features, *others, out, places, _step(features), tokens, norm_eps, C=size, HEADS=heads, TOKENS=padded,
            PLACES=WRITE_PLACES[size], TURNS=WRITE_TURNS, num_stages=STAGES, num_warps=WARPS[size],
        )  # fmt: skip
    return out


def mask_logits(
    features: Float[Tensor, "q r c"], upscaling: Upscaling, masks: Float[Tensor, "q m d"], height: int, width: int
) -> Float[Tensor, "q m lh lw"]:
    """See `langfield.ops.mask_decoder.mask_logits`."""
    (prompts, places, size), count = features.shape, masks.shape[1]
    out = features.new_empty(prompts, count, 4 * height, 4 * width)
    u = upscaling
    weights = (u.coarse_weight, u.coarse_bias, u.norm_weight, u.norm_bias, u.fine_weight, u.fine_bias)
    given = [tensor.contiguous() for tensor in (features, *weights, masks)]
    if prompts:
        _mask_kernel[(prompts, triton.cdiv(places, MASK_PLACES * MASK_TURNS))](
            *given, out, places, width, count, u.norm_eps,
            C=size, PLACES=MASK_PLACES, TURNS=MASK_TURNS, num_stages=MASK_STAGES, num_warps=WARPS[size],
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
            logits, out, min(rows, height), min(columns, width), width, height * width, *cuts, BLOCK=COUNTED
        )
    return out


def _step(features: Float[Tensor, "b r c"]) -> int:
    """From one prompt's features to the next one's; none where all share them."""
    return 0 if len(features) == 1 else features.shape[1] * features.shape[2]
