"""Plain-torch twins of the hot operations: the definition that fast paths are tested against, and the CPU path."""

import math
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Float16, Float32, Int8, Int16, Int32, Num
from torch import Tensor
from torch.autograd.function import once_differentiable

from langfield.ops import spherical_harmonics as harmonics

if TYPE_CHECKING:
    from langfield.ops.hash_grid.encode import HashGridSpec

HASH_PRIMES = (1, 2654435761, 805459861)
SSIM_WINDOW_PX = 11
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # of pictures in [0, 1]
_SSIM_SIGMA_PX = 1.5
_COSINES_AT_ONCE = 2**20  # 4 MiB: what a CPU's cache holds


def hash_encode(
    positions: Float[Tensor, "n 3"], table: Float[Tensor, "rows f"], spec: "HashGridSpec"
) -> Float[Tensor, "n out"]:
    """See `langfield.ops.hash_grid.encode.hash_encode`."""
    rows, weights = hash_corners(positions, spec)
    bags: Tensor = _WeightedRows.apply(table, rows.reshape(-1, 8), weights.reshape(-1, 8))
    return bags.reshape(len(positions), spec.out_features)


def hash_corners(
    positions: Float[Tensor, "n 3"], spec: "HashGridSpec"
) -> tuple[Int32[Tensor, "n l 8"], Float[Tensor, "n l 8"]]:
    """Table rows and trilinear weights of the 8 corners about each point, on every level.

    Corner c takes the upper neighbour in x, y, z where bits 0, 1, 2 of c are set.
    """
    unit = positions.detach().clamp(0, 1).T.contiguous()
    # In planes of n numbers, corner after corner: on a CPU some four times as fast as small axes beside each other.
    rows = torch.empty(spec.levels, 8, len(positions), dtype=torch.int32, device=unit.device)
    weights = torch.empty(spec.levels, 8, len(positions), dtype=unit.dtype, device=unit.device)
    primes = torch.tensor(HASH_PRIMES, device=unit.device).to(torch.int32)
    for level, resolution in enumerate(spec.resolutions):
        scaled = unit * resolution
        cell = scaled.floor().clamp_(max=resolution - 1)
        fraction = scaled - cell
        _per_corner(1 - fraction, fraction, torch.mul, weights[level])
        if spec.dense[level]:
            side = resolution + 1
            step = torch.tensor([1, side, side * side], dtype=torch.int32, device=unit.device)
        else:
            step = primes
        # int32 products wrap, which leaves the low bits that the mask keeps unchanged.
        low = cell.int() * step[:, None]
        _per_corner(low, low + step[:, None], torch.add if spec.dense[level] else torch.bitwise_xor, rows[level])
        if not spec.dense[level]:
            rows[level] &= spec.rows[level] - 1
        rows[level] += spec.first_rows[level]
    return rows.permute(2, 0, 1).contiguous(), weights.permute(2, 0, 1).contiguous()


def _per_corner(low: Num[Tensor, "3 n"], high: Num[Tensor, "3 n"], combine: Any, out: Num[Tensor, "8 n"]) -> None:
    """The three axes' numbers combined for each corner."""
    sides = low, high
    yx = [combine(sides[j][1], sides[i][0]) for j in range(2) for i in range(2)]
    for corner in range(8):
        combine(sides[corner >> 2][2], yx[corner & 3], out=out[corner])


class _WeightedRows(torch.autograd.Function):
    """Σ_c weights[:, c] · table[rows[:, c]].

    The forward pass is `embedding_bag` (18 times as fast as indexing on a CPU); its own backward sorts, and adding up
    feature by feature is 3 times as fast and gives the same bits every time.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.table_shape = table.shape
        return torch.nn.functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grad_outputs
        rows, weights = ctx.saved_tensors
        count, features = ctx.table_shape
        flat_rows = rows.reshape(-1).long()
        out = grad.new_zeros(features, count)
        for feature in range(features):
            out[feature].scatter_add_(0, flat_rows, (weights * grad[:, feature : feature + 1]).reshape(-1))
        return out.T.contiguous(), None, None


def sparse_relevancy(
    phrase_dots: Float[Tensor, "c p"],
    negative_dots: Float[Tensor, "c q"],
    code: Int16[Tensor, "n l k"],
    share: Float16[Tensor, "n l k"],
    temperature: float,
) -> tuple[Float32[Tensor, "n p"], Int8[Tensor, "n p"]]:
    """See `langfield.ops.sparse_relevancy.sparse_relevancy.sparse_relevancy`."""
    elements, levels, keep = code.shape
    phrases = phrase_dots.shape[1]
    dots = torch.cat([phrase_dots, negative_dots], dim=1).float()
    relevancy = torch.zeros(elements, phrases, device=code.device)
    best_level = torch.full((elements, phrases), -1, dtype=torch.int8, device=code.device)
    at_once = max(_COSINES_AT_ONCE // max(levels * dots.shape[1], 1), 1)
    for first in range(0, elements, at_once):
        part = slice(first, first + at_once)
        shares = share[part].float()
        cosines = torch.nn.functional.embedding_bag(
            code[part].int().reshape(-1, keep), dots, per_sample_weights=shares.reshape(-1, keep), mode="sum"
        ).reshape(-1, levels, dots.shape[1])
        margin = cosines[..., :phrases] - cosines[..., phrases:].amax(dim=-1, keepdim=True)
        margin.masked_fill_((shares.sum(dim=-1) <= 0)[..., None], -torch.inf)
        best = torch.full_like(margin[:, 0], -torch.inf)
        for level in range(levels):  # maxima: `where` is 5 to 40 times as slow on a CPU
            better = (margin[:, level] > best).to(torch.int8)
            best = torch.maximum(best, margin[:, level])
            best_level[part] = torch.maximum(best_level[part], better * (level + 1) - 1)  # levels rise: the last wins
        relevancy[part] = torch.sigmoid(temperature * best).masked_fill_(best == -torch.inf, 0)
    return relevancy, best_level


def structural_similarity(
    picture: Float[Tensor, "*batch h w 3"], photo: Float[Tensor, "*batch h w 3"]
) -> Float[Tensor, ""]:
    """See `langfield.ops.ssim.structural_similarity.structural_similarity`."""
    dtype = torch.promote_types(picture.dtype, torch.float32)
    with torch.autocast(picture.device.type, enabled=False):
        x, y = (values.to(dtype).movedim(-1, -3) for values in (picture, photo.detach()))
        mean_x, mean_y, xx, yy, xy = _windowed(torch.stack([x, y, x * x, y * y, x * y])).unbind(0)
        variance_x, variance_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
        alike = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
        most = (mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)
        return (alike / most).mean()


def view_colors(
    means: Float[Tensor, "n 3"],
    constant: Float[Tensor, "n 3"],
    directed: Float[Tensor, "n k 3"],
    eyes: Float[Tensor, "v 3"],
    degree: int,
) -> Float[Tensor, "v n 3"]:
    """See `langfield.ops.gaussians.view_colors.view_colors`."""
    base = (harmonics.CONSTANT * constant + 0.5).expand(len(eyes), -1, -1)
    if degree == 0:
        return base.clamp_min(0)
    directions = torch.nn.functional.normalize(means.detach() - eyes[:, None], dim=-1)
    functions = harmonics.basis(directions.flatten(0, 1), degree)[:, 1:].unflatten(0, directions.shape[:2])
    return (base + torch.einsum("vnk,nkc->vnc", functions, directed[:, : functions.shape[-1]])).clamp_min(0)


def covariant_noise(
    rotations: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    noise: Float[Tensor, "n 3"],
    steepness: float,
    threshold: float,
) -> Float[Tensor, "n 3"]:
    """See `langfield.ops.gaussians.covariant_noise.covariant_noise`."""
    faint = torch.sigmoid(-steepness * (opacity_logits.sigmoid() - threshold))
    axes = quaternion_axes(rotations)
    own = (axes.transpose(1, 2) @ (noise * faint[:, None])[:, :, None])[:, :, 0] * (2 * log_scales).exp()
    return (axes @ own[:, :, None])[:, :, 0]


def quaternion_axes(rotations: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions (w, x, y, z) of any length: their columns are the turned axes."""
    return unit_quaternion_axes(torch.nn.functional.normalize(rotations, dim=-1))


def unit_quaternion_axes(rotations: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """`quaternion_axes` of quaternions of length 1."""
    w, x, y, z = rotations.unbind(-1)
    columns = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(columns, dim=-1).unflatten(-1, (3, 3))


def ssim_window() -> list[float]:
    """The window's weights along one axis; they add up to 1."""
    half = SSIM_WINDOW_PX // 2
    bell = [math.exp(-0.5 * (step / _SSIM_SIGMA_PX) ** 2) for step in range(-half, half + 1)]
    return [weight / sum(bell) for weight in bell]


def _windowed(pictures: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    kernel, half = pictures.new_tensor(ssim_window()), SSIM_WINDOW_PX // 2
    flat = pictures.flatten(0, -3)[:, None]
    along = torch.nn.functional.conv2d(flat, kernel[None, None, None, :], padding=(0, half))
    return torch.nn.functional.conv2d(along, kernel[None, None, :, None], padding=(half, 0)).reshape(pictures.shape)
