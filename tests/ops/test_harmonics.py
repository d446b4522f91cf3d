"""Spherical harmonics by their laws: orthonormal over the sphere, right parity, constant where they should be."""

import numpy as np
import pytest
import torch

from langfield.ops.harmonics import CONSTANT, basis, count


def quadrature() -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and weights that integrate polynomials of degree 7 over the sphere exactly."""
    z, weight = np.polynomial.legendre.leggauss(8)
    angle = np.arange(16) * 2 * np.pi / 16
    radius = np.sqrt(1 - z**2)
    points = [(r * np.cos(a), r * np.sin(a), c) for r, c in zip(radius, z, strict=True) for a in angle]
    return torch.tensor(points), torch.from_numpy(np.repeat(weight, 16) * 2 * np.pi / 16)


def test_they_are_orthonormal():
    directions, weights = quadrature()
    values = basis(directions, 3)
    assert values.shape[1] == count(3) == 16
    gram = values.T @ (weights[:, None] * values)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-12)


def test_their_parity_is_that_of_the_degree():
    directions, _ = quadrature()
    sign = torch.tensor([(-1.0) ** degree for degree in range(4) for _ in range(2 * degree + 1)])
    torch.testing.assert_close(basis(-directions, 3), basis(directions, 3) * sign)


def test_lower_degrees_are_the_first_of_higher_ones():
    directions, _ = quadrature()
    for degree in range(4):
        assert torch.equal(basis(directions, degree), basis(directions, 3)[:, : count(degree)])
    assert torch.allclose(basis(directions, 0), torch.full_like(directions[:, :1], CONSTANT))
    with pytest.raises(ValueError, match="degrees 0 to 3, not 4"):
        basis(directions, 4)
