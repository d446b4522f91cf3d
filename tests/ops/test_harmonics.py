"""Spherical harmonics by their laws: orthonormal over the sphere, right parity, constant where they should be."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from langfield.ops.spherical_harmonics import CONSTANT, basis, count, signs, turned


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


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_turned_coefficients_say_of_a_turned_direction_what_they_said_before(degree: int):
    rng = np.random.default_rng(degree)
    for rotation in Rotation.random(5, random_state=degree).as_matrix():
        by = turned(torch.from_numpy(rotation), degree)
        coefficients = torch.from_numpy(rng.normal(size=count(degree)))
        directions = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(50, 3))), dim=-1)
        before = basis(directions, degree) @ coefficients
        after = basis(directions @ torch.from_numpy(rotation).T, degree) @ (by @ coefficients)
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
        torch.testing.assert_close(by @ by.T, torch.eye(count(degree)).double(), rtol=0, atol=1e-12)


def test_turning_degree_1_is_turning_the_vector_of_its_coefficients():
    """Its functions are y, z, x: a quarter turn about z takes x to y and y to −x."""
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 0] = expected[1, 3] = expected[2, 2] = 1
    expected[3, 1] = -1
    torch.testing.assert_close(turned(quarter, 1), expected, rtol=0, atol=1e-12)


def test_with_signs_they_are_those_that_files_of_gaussians_mean():
    """As gsplat evaluates them (Sloan 2013, "Efficient Spherical Harmonic Evaluation")."""
    x, y, z = 0.48, -0.6, 0.64
    theirs = {
        0: 0.2820947917738781,
        1: -0.48860251190292 * y,
        2: 0.48860251190292 * z,
        3: -0.48860251190292 * x,
        4: 0.5462742152960395 * 2 * x * y,
        5: -1.092548430592079 * y * z,
        6: 0.9461746957575601 * z * z - 0.3153915652525201,
        7: -1.092548430592079 * x * z,
        8: 0.5462742152960395 * (x * x - y * y),
        9: -0.5900435899266435 * (3 * x * x * y - y**3),
        10: 1.445305721320277 * z * 2 * x * y,
        11: (-2.285228997322329 * z * z + 0.4570457994644658) * y,
        12: z * (1.865881662950577 * z * z - 1.119528997770346),
        13: (-2.285228997322329 * z * z + 0.4570457994644658) * x,
        14: 1.445305721320277 * z * (x * x - y * y),
        15: -0.5900435899266435 * (x**3 - 3 * x * y * y),
    }
    ours = (basis(torch.tensor([[x, y, z]], dtype=torch.float64), 3) * signs(3))[0]
    np.testing.assert_allclose(ours.numpy(), [theirs[k] for k in range(16)], rtol=0, atol=1e-9)
