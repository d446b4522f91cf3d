"""Spherical harmonics by their laws: orthonormal over the sphere, right parity, constant where they should be."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from langfield.ops.spherical_harmonics import (
    SH_C0,
    SH_ENCODING_FEATURES,
    condon_shortley_signs,
    eval_sh_bases,
    num_sh_bases,
    sh_encoding,
    sh_rotation_matrix,
)


def quadrature() -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and weights that integrate polynomials of degree 7 over the sphere exactly."""
    z, weight = np.polynomial.legendre.leggauss(8)
    angle = np.arange(16) * 2 * np.pi / 16
    radius = np.sqrt(1 - z**2)
    points = [(r * np.cos(a), r * np.sin(a), c) for r, c in zip(radius, z, strict=True) for a in angle]
    return torch.tensor(points), torch.from_numpy(np.repeat(weight, 16) * 2 * np.pi / 16)


def test_they_are_orthonormal():
    directions, weights = quadrature()
    values = eval_sh_bases(directions, 3)
    assert values.shape[1] == num_sh_bases(3) == 16
    gram = values.T @ (weights[:, None] * values)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-12)


def test_their_parity_is_that_of_the_degree():
    directions, _ = quadrature()
    sign = torch.tensor([(-1.0) ** degree for degree in range(4) for _ in range(2 * degree + 1)])
    torch.testing.assert_close(eval_sh_bases(-directions, 3), eval_sh_bases(directions, 3) * sign)


def test_lower_degrees_are_the_first_of_higher_ones():
    directions, _ = quadrature()
    for degree in range(4):
        assert torch.equal(eval_sh_bases(directions, degree), eval_sh_bases(directions, 3)[:, : num_sh_bases(degree)])
    assert torch.allclose(eval_sh_bases(directions, 0), torch.full_like(directions[:, :1], SH_C0))
    with pytest.raises(ValueError, match="degrees 0 to 3, not 4"):
        eval_sh_bases(directions, 4)


def test_squares_of_one_degree_add_up_to_a_constant():
    """Addition theorem: per degree l, the sum of squares is (2l + 1) / 4π in every direction."""
    directions, _ = quadrature()
    squares = eval_sh_bases(directions, 3).square()
    for degree in range(4):
        total = squares[:, num_sh_bases(degree - 1) : num_sh_bases(degree)].sum(-1)
        torch.testing.assert_close(total, torch.full_like(total, (2 * degree + 1) / (4 * np.pi)))


def test_the_encoding_of_directions_is_all_functions_with_signs():
    directions, _ = quadrature()
    encoded = sh_encoding(directions)
    assert encoded.shape[1] == SH_ENCODING_FEATURES
    expected = eval_sh_bases(directions, 3) * condon_shortley_signs(3)
    torch.testing.assert_close(encoded, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_rotated_coefficients_say_of_a_rotated_direction_what_they_said_before(degree: int):
    rng = np.random.default_rng(degree)
    for rotation in Rotation.random(5, random_state=degree).as_matrix():
        matrix = sh_rotation_matrix(torch.from_numpy(rotation), degree)
        coefficients = torch.from_numpy(rng.normal(size=num_sh_bases(degree)))
        directions = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(50, 3))), dim=-1)
        before = eval_sh_bases(directions, degree) @ coefficients
        after = eval_sh_bases(directions @ torch.from_numpy(rotation).T, degree) @ (matrix @ coefficients)
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(num_sh_bases(degree)).double(), rtol=0, atol=1e-12)


def test_rotating_degree_1_is_rotating_the_vector_of_its_coefficients():
    """Its functions are y, z, x: a quarter turn about z takes x to y and y to −x."""
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 0] = expected[1, 3] = expected[2, 2] = 1
    expected[3, 1] = -1
    torch.testing.assert_close(sh_rotation_matrix(quarter, 1), expected, rtol=0, atol=1e-12)


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
    ours = (eval_sh_bases(torch.tensor([[x, y, z]], dtype=torch.float64), 3) * condon_shortley_signs(3))[0]
    np.testing.assert_allclose(ours.numpy(), [theirs[k] for k in range(16)], rtol=0, atol=1e-9)
