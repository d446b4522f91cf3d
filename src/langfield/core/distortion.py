"""OpenCV's lens models on the plane z = 1, and their inverses. Coefficients are those of `Camera.distortion`."""

import torch
from jaxtyping import Float
from torch import Tensor

_NEWTON_STEPS = 6


def distort(xy: Float[Tensor, "p 2"], coefficients: Float[Tensor, "p 8"]) -> Float[Tensor, "p 2"]:
    """OpenCV's rational lens model on the plane z = 1: undistorted points → distorted ones."""
    x, y = xy.unbind(-1)
    _, _, p1, p2 = coefficients[:, :4].unbind(-1)
    r2 = x * x + y * y
    radial, _ = _radial(r2, coefficients)
    return torch.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        dim=-1,
    )


def undistort(xy: Float[Tensor, "p 2"], coefficients: Float[Tensor, "p 8"]) -> Float[Tensor, "p 2"]:
    """The inverse of `distort`, by Newton's method with its exact Jacobian (which is symmetric)."""
    _, _, p1, p2 = coefficients[:, :4].unbind(-1)
    guess = xy
    for _ in range(_NEWTON_STEPS):
        x, y = guess.unbind(-1)
        radial, slope = _radial(x * x + y * y, coefficients)
        dxx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        dxy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        dyy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        error = distort(guess, coefficients) - xy
        determinant = dxx * dyy - dxy * dxy
        determinant = torch.where(determinant.abs() < 1e-6, torch.ones_like(determinant), determinant)
        step = torch.stack(
            [
                (dyy * error[:, 0] - dxy * error[:, 1]) / determinant,
                (dxx * error[:, 1] - dxy * error[:, 0]) / determinant,
            ],
            dim=-1,
        )
        guess = guess - step
    return guess


def _radial(r2: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """The radial factor and its derivative with respect to r²."""
    k1, k2, _, _, k3, k4, k5, k6 = coefficients.unbind(-1)
    top = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bottom = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    top_slope = k1 + r2 * (2 * k2 + 3 * r2 * k3)
    bottom_slope = k4 + r2 * (2 * k5 + 3 * r2 * k6)
    return top / bottom, (top_slope * bottom - top * bottom_slope) / bottom**2


def fisheye_radius(theta: Float[Tensor, " p"], coefficients: Float[Tensor, "p 8"]) -> Float[Tensor, " p"]:
    """OpenCV's equidistant model on the plane z = 1: angles to the axis (radians) → distances from it."""
    k1, k2, _, _, k3, k4, _, _ = coefficients.unbind(-1)
    t2 = theta * theta
    return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


def fisheye_direction(plane: Float[Tensor, "p 2"], coefficients: Float[Tensor, "p 8"]) -> Float[Tensor, "p 3"]:
    """Unit directions, in camera axes, of distorted points: the model solved for the angle to the axis by Newton's
    method, and the axis turned by it."""
    k1, k2, _, _, k3, k4, _, _ = coefficients.unbind(-1)
    radius = plane.norm(dim=-1)
    theta = radius
    for _ in range(_NEWTON_STEPS):
        t2 = theta * theta
        slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
        theta = theta - (fisheye_radius(theta, coefficients) - radius) / slope
    unit = plane / radius.clamp_min(1e-9)[:, None]
    return torch.cat([unit * theta.sin()[:, None], theta.cos()[:, None]], dim=-1)
