"""Real spherical harmonics up to degree 3: colours that depend on the direction they are seen from."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MOST_DEGREE = 3
_PI = math.pi
# The factors that make the polynomials below orthonormal over the sphere, in their order.
FACTORS = (
    (math.sqrt(1 / (4 * _PI)),),
    (math.sqrt(3 / (4 * _PI)),) * 3,
    (
        math.sqrt(15 / (4 * _PI)),
        math.sqrt(15 / (4 * _PI)),
        math.sqrt(5 / (16 * _PI)),
        math.sqrt(15 / (4 * _PI)),
        math.sqrt(15 / (16 * _PI)),
    ),
    (
        math.sqrt(35 / (32 * _PI)),
        math.sqrt(105 / (4 * _PI)),
        math.sqrt(21 / (32 * _PI)),
        math.sqrt(7 / (16 * _PI)),
        math.sqrt(21 / (32 * _PI)),
        math.sqrt(105 / (16 * _PI)),
        math.sqrt(35 / (32 * _PI)),
    ),
)
_DIRECTIONS = 64  # far more than the 7 functions of a degree
CONSTANT = FACTORS[0][0]  # the value of the first function, everywhere


def count(degree: int) -> int:
    """How many functions there are up to a degree: 1, 4, 9, 16."""
    return (degree + 1) ** 2


def basis(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n k"]:
    """The functions' values for unit directions, degree after degree, by m from −l to l without the Condon–Shortley
    sign. Raises ValueError beyond degree 3."""
    if not 0 <= degree <= MOST_DEGREE:
        raise ValueError(f"spherical harmonics are there for degrees 0 to {MOST_DEGREE}, not {degree}")
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
        for factors, of_degree in zip(FACTORS[: degree + 1], polynomials, strict=False)
        for factor, polynomial in zip(factors, of_degree, strict=True)
    ]
    return torch.stack(columns, dim=-1)


def signs(degree: int) -> Float[Tensor, " k"]:
    """The Condon–Shortley signs (−1)^m of the functions, float64: with them they are the functions that files of
    Gaussians mean. Multiplying a coefficient by its sign goes either way."""
    return torch.tensor([(-1.0) ** m for of in range(degree + 1) for m in range(-of, of + 1)], dtype=torch.float64)


def turned(rotation: Float[Tensor, "3 3"], degree: int) -> Float[Tensor, "k k"]:
    """What a rotation R does to coefficients, float64: D with (D c) · basis(R v) = c · basis(v) for all v and c.

    Each degree's functions are turned among themselves: basis(R v) = D basis(v) with an orthogonal D, which is solved
    for from directions spread over the sphere.
    """
    index = torch.arange(_DIRECTIONS, dtype=torch.float64)
    z, angle = 1 - (2 * index + 1) / _DIRECTIONS, index * _PI * (3 - math.sqrt(5))
    radius = (1 - z * z).sqrt()
    directions = torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)
    before = basis(directions, degree)
    after = basis(directions @ rotation.double().cpu().T, degree)
    blocks = []
    for of in range(degree + 1):
        own = slice(count(of - 1), count(of))
        blocks.append(torch.linalg.lstsq(before[:, own], after[:, own]).solution.T)
    return torch.block_diag(*blocks)
