"""Real spherical harmonics Y_lm up to degree 3, orthonormal over the sphere.

Functions are ordered degree after degree, within a degree by m from −l to l. Two sign conventions are in use: with the
Condon–Shortley sign (−1)^m in files of Gaussians and as the input of networks, without it in the colours of Gaussians
in memory.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MAX_DEGREE = 3
# The factors that make the polynomials below orthonormal over the sphere, in their order.
NORMALISATION = (
    (math.sqrt(1 / (4 * math.pi)),),
    (math.sqrt(3 / (4 * math.pi)),) * 3,
    (
        math.sqrt(15 / (4 * math.pi)),
        math.sqrt(15 / (4 * math.pi)),
        math.sqrt(5 / (16 * math.pi)),
        math.sqrt(15 / (4 * math.pi)),
        math.sqrt(15 / (16 * math.pi)),
    ),
    (
        math.sqrt(35 / (32 * math.pi)),
        math.sqrt(105 / (4 * math.pi)),
        math.sqrt(21 / (32 * math.pi)),
        math.sqrt(7 / (16 * math.pi)),
        math.sqrt(21 / (32 * math.pi)),
        math.sqrt(105 / (16 * math.pi)),
        math.sqrt(35 / (32 * math.pi)),
    ),
)
SH_C0 = NORMALISATION[0][0]  # Y_00, which is constant
SH_ENCODING_FEATURES = 16
_FIT_DIRECTIONS = 64  # far more than the 7 functions of a degree


def num_sh_bases(degree: int) -> int:
    """How many functions there are up to a degree: 1, 4, 9, 16."""
    return (degree + 1) ** 2


def eval_sh_bases(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n k"]:
    """Values for unit directions of all functions up to a degree, without the Condon–Shortley sign.

    Raises:
        ValueError: a degree that is not 0 to 3.
    """
    if not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"spherical harmonics are there for degrees 0 to {MAX_DEGREE}, not {degree}")
    x, y, z = directions.unbind(-1)
    one = torch.ones_like(x)
    polynomials = (
        (one,),
        (y, z, x),
        (x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y),
        (
            y * (3 * x * x - y * y),
            x * y * z,
            y * (5 * z * z - 1),
            z * (5 * z * z - 3),
            x * (5 * z * z - 1),
            z * (x * x - y * y),
            x * (x * x - 3 * y * y),
        ),
    )
    columns = [
        factor * polynomial
        for factors, of_degree in zip(NORMALISATION[: degree + 1], polynomials, strict=False)
        for factor, polynomial in zip(factors, of_degree, strict=True)
    ]
    return torch.stack(columns, dim=-1)


def sh_encoding(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 16"]:
    """Unit directions as a network's input: all functions up to degree 3 with the Condon–Shortley sign.

    It equals `eval_sh_bases` times `condon_shortley_signs` but for rounding. The products are written out in the order
    in which trained radiance fields saw them, so that those give the same bits as ever.
    """
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    (c0,), (c1, *_), (c2_xy, _, c2_zz, _, c2_xx), (c3_3, c3_xyz, c3_1, c3_0, _, c3_2, _) = NORMALISATION
    return torch.stack(
        [
            torch.full_like(x, c0),
            -c1 * y,
            c1 * z,
            -c1 * x,
            c2_xy * x * y,
            -c2_xy * y * z,
            c2_zz * (3 * zz - 1),
            -c2_xy * x * z,
            c2_xx * (xx - yy),
            -c3_3 * y * (3 * xx - yy),
            c3_xyz * x * y * z,
            -c3_1 * y * (5 * zz - 1),
            c3_0 * z * (5 * zz - 3),
            -c3_1 * x * (5 * zz - 1),
            c3_2 * z * (xx - yy),
            -c3_3 * x * (xx - 3 * yy),
        ],
        dim=-1,
    )


def condon_shortley_signs(degree: int) -> Float[Tensor, " k"]:
    """(−1)^m of every function up to a degree, float64.

    A coefficient times its sign belongs to the other of the two conventions, either way.
    """
    signs = [(-1.0) ** m for order in range(degree + 1) for m in range(-order, order + 1)]
    return torch.tensor(signs, dtype=torch.float64)


def sh_rotation_matrix(rotation: Float[Tensor, "3 3"], degree: int) -> Float[Tensor, "k k"]:
    """The matrix D that rotates coefficients along with directions, float64, without the Condon–Shortley sign.

    Y(R v) · (D c) = Y(v) · c for a rotation R, all directions v and coefficients c. The functions of a degree are mixed
    among themselves only (D is block diagonal) and D is orthogonal; each block is solved for from directions spread
    over the sphere (a Fibonacci lattice), where Y(R v) = D Y(v).
    """
    index = torch.arange(_FIT_DIRECTIONS, dtype=torch.float64)
    z, angle = 1 - (2 * index + 1) / _FIT_DIRECTIONS, index * math.pi * (3 - math.sqrt(5))
    radius = (1 - z * z).sqrt()
    directions = torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)
    before = eval_sh_bases(directions, degree)
    after = eval_sh_bases(directions @ rotation.double().cpu().T, degree)
    blocks = []
    for order in range(degree + 1):
        own = slice(num_sh_bases(order - 1), num_sh_bases(order))
        blocks.append(torch.linalg.lstsq(before[:, own], after[:, own]).solution.T)
    return torch.block_diag(*blocks)
