"""Real spherical harmonics up to degree 3: colours that depend on the direction they are seen from."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MOST_DEGREE = 3
_PI = math.pi
# The factors that make the polynomials below orthonormal over the sphere, in their order.
_FACTORS = (
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
CONSTANT = _FACTORS[0][0]  # the value of the first function, everywhere


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
        for factors, of_degree in zip(_FACTORS[: degree + 1], polynomials, strict=False)
        for factor, polynomial in zip(factors, of_degree, strict=True)
    ]
    return torch.stack(columns, dim=-1)
