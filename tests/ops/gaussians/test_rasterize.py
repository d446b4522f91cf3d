"""Rasterising Gaussians: closed forms, a brute-force renderer in float64, and laws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import (
    AHEAD,
    NAMES,
    NO_TURN,
    brute_force,
    draw,
    one,
    random_scene,
    rotation_by_products,
    same,
    stacked,
    trainable,
    turned_pose,
    weighed,
)
from torch import Tensor

from langfield.core.transforms import Similarity
from langfield.ops.gaussians import tile_blending
from langfield.ops.gaussians.rasterize import rasterize

# Closed forms


@pytest.mark.parametrize(
    ("rotation", "variance_x", "variance_y"),
    [(NO_TURN, 4.3, 1.3), ((3.0, 0.0, 0.0, 3.0), 1.3, 4.3)],  # 90° about z swaps the axes
)
def test_one_gaussian_is_the_closed_form(rotation: tuple, variance_x: float, variance_y: float):
    """At depth 4 and a focal length of 100 px, 0.08 and 0.04 are 2 and 1 px; the blur adds 0.3 px²."""
    picture = draw(one((0.0, 0.0, 4.0), 0.7, rotation=rotation), AHEAD)
    offset = torch.arange(33, dtype=torch.float64) - 16
    alpha = 0.7 * torch.exp(-0.5 * (offset**2 / variance_x + offset[:, None] ** 2 / variance_y))
    alpha[alpha < 1 / 255] = 0
    assert 20 < (alpha > 0).sum() < 100
    torch.testing.assert_close(picture.alpha, alpha, rtol=1e-12, atol=0)
    torch.testing.assert_close(picture.features, alpha[..., None] * torch.tensor([1.0, -2.0]), rtol=1e-12, atol=0)
    torch.testing.assert_close(picture.depth, torch.where(alpha > 0, 4.0, torch.inf).double())
    assert picture.alpha[16, 16] == pytest.approx(0.7, rel=1e-12)
    x, y = 19, 18  # written out once
    expected = 0.7 * np.exp(-0.5 * (9 / variance_x + 4 / variance_y))
    assert picture.alpha[y, x] == pytest.approx(expected if expected >= 1 / 255 else 0, rel=1e-12)


def test_off_the_axis_a_ball_is_the_ellipse_of_the_projections_derivative():
    """Σ' = (f s / z)² (I + (x, y)(x, y)ᵀ / z²) + 0.3 I."""
    camera = replace(AHEAD, cx_px=-23.5, cy_px=46.5)  # (1.6, -1.2, 4) falls on (16.5, 16.5)
    picture = draw(one((1.6, -1.2, 4.0), 0.9, scale=(0.08, 0.08, 0.08)), camera)
    slope = torch.tensor([0.4, -0.3], dtype=torch.float64)
    covariance = 4 * (torch.eye(2) + slope[:, None] * slope) + torch.eye(2).double() * 0.3
    offset = AHEAD.pixel_centres().double() - 16.5
    power = -0.5 * torch.einsum("hwi,ij,hwj->hw", offset, torch.linalg.inv(covariance), offset)
    alpha = 0.9 * power.exp()
    torch.testing.assert_close(picture.alpha, torch.where(alpha < 1 / 255, 0, alpha), rtol=1e-10, atol=0)


def test_alpha_is_clamped_and_what_is_clamped_has_no_gradient():
    gaussians = trainable(one((0.0, 0.0, 4.0), 1.0))
    picture = draw(gaussians, AHEAD)
    assert picture.alpha[16, 16].item() == pytest.approx(0.999, rel=1e-12)
    picture.alpha[16, 16].backward()
    assert all(x.grad is not None and not x.grad.any() for x in gaussians[:4])


def test_the_nearer_one_hides_the_farther_one_whatever_their_order():
    near, middle, far = one((0, 0, 2.0), 0.6), one((0, 0, 3.0), 0.5), one((0, 0, 5.0), 0.9)
    weights = torch.tensor([0.6, 0.4 * 0.5, 0.4 * 0.5 * 0.9], dtype=torch.float64)
    depths = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64)
    colours = torch.eye(3, dtype=torch.float64)
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        gaussians = stacked(*([near, middle, far][i] for i in order))
        picture = draw(gaussians, AHEAD, colours[order])
        torch.testing.assert_close(picture.features[16, 16], weights)
        torch.testing.assert_close(picture.alpha[16, 16], weights.sum())
        torch.testing.assert_close(picture.depth[16, 16], (weights * depths).sum() / weights.sum())
    two = draw(stacked(far, near), AHEAD, colours[:2])
    torch.testing.assert_close(two.features[16, 16, :2], torch.tensor([0.4 * 0.9, 0.6], dtype=torch.float64))


def test_a_pixel_is_finished_by_the_gaussian_that_would_hide_all_but_a_ten_thousandth():
    """T: 0.01, 0.0002, then 0.00002 is too little: neither the third nor the faint fourth is drawn."""
    opacities = [0.99, 0.98, 0.9, 0.1]
    gaussians = stacked(*(one((0, 0, 2.0 + i), opacity) for i, opacity in enumerate(opacities)))
    picture = draw(gaussians, AHEAD, torch.eye(4, dtype=torch.float64))
    expected = torch.tensor([0.99, 0.01 * 0.98, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(picture.features[16, 16], expected, rtol=1e-12, atol=0)
    without_third = draw([x[[0, 1, 3]] for x in gaussians], AHEAD, torch.eye(3, dtype=torch.float64))
    assert without_third.features[16, 16, 2].item() == pytest.approx(0.0002 * 0.1)


def test_gaussians_at_the_same_depth_are_drawn_in_the_order_given():
    n = 70
    means = torch.tensor([[0.1, -0.2, 3.7]]).expand(n, 3)
    rest = torch.tensor([NO_TURN]).expand(n, 4), torch.full((n, 3), 0.1), torch.full((n,), 0.05)
    pose = turned_pose(3)
    camera = replace(AHEAD, world_from_camera=pose)
    moved = (means.double() @ torch.tensor(pose[:3, :3].T) + torch.tensor(pose[:3, 3])).float()
    weights = rasterize(moved, *rest, torch.eye(n), camera).features.sum(dim=(0, 1))
    assert (weights.diff() < 0).all()


# Brute force


@pytest.mark.parametrize(("n", "channels", "seed"), [(12, 1, 0), (40, 3, 1), (40, 7, 2), (20, 40, 3), (300, 2, 13)])
def test_values_and_gradients_are_those_of_brute_force(n: int, channels: int, seed: int):
    """In float64. The most Gaussians make several chunks for a tile."""
    gaussians, camera = random_scene(n, channels, seed=seed)
    fast, slow = trainable(gaussians), trainable(gaussians)
    a = draw(fast, camera)
    b, _ = brute_force(slow, camera)
    assert a.features.shape == (camera.height_px, camera.width_px, channels)
    torch.testing.assert_close((a.features, a.alpha, a.depth), (b.features, b.alpha, b.depth), rtol=1e-9, atol=1e-11)
    weighed(a).backward()
    weighed(b).backward()
    for name, ours, theirs in zip(NAMES, fast, slow, strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert theirs.grad.abs().max() > 1e-3, name
        torch.testing.assert_close(
            ours.grad, theirs.grad, rtol=1e-7, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_the_brute_force_scenes_make_every_rule_strike():
    gaussians, camera = random_scene(300, 2, seed=13)
    _, struck = brute_force(gaussians, camera)
    assert min(struck.values()) >= 5, struck


def test_gradients_are_finite_differences():
    gaussians, camera = random_scene(6, 2, seed=8)
    camera = camera.resized(13, 9)
    seen = draw(gaussians, camera)
    assert (seen.alpha > 0).float().mean() > 0.5

    def numbers(*inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        picture = draw(list(inputs), camera)
        return picture.features, picture.alpha, torch.where(picture.depth.isfinite(), picture.depth, 0)

    assert torch.autograd.gradcheck(numbers, trainable(gaussians), eps=1e-7, atol=1e-5, rtol=1e-4)


def test_float32_is_float64_but_for_rounding():
    """Error seen: 3.4e-6 of values, at most 7.5e-6 of gradients. The bounds are six times that."""
    gaussians, camera = random_scene(60, 5, seed=5)
    exact = trainable(gaussians)
    rounded = trainable([x.float() for x in gaussians])
    a, b = draw(rounded, camera), draw(exact, camera)
    assert a.features.dtype == a.alpha.dtype == a.depth.dtype == torch.float32
    weighed(a).backward()
    weighed(b).backward()
    assert (a.features - b.features).norm() <= 2e-5 * b.features.norm()
    for x, y in zip(rounded, exact, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert (x.grad - y.grad).norm() <= 4.5e-5 * y.grad.norm()


# Laws


def test_moving_camera_and_gaussians_together_changes_nothing():
    gaussians, camera = random_scene(40, 3)
    before = draw(gaussians, camera)
    motion = turned_pose(11)
    w, x, y, z = np.array([0.3, -0.5, 0.7, 0.2]) / np.linalg.norm([0.3, -0.5, 0.7, 0.2])
    turn = torch.tensor([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])  # q · as a matrix
    motion[:3, :3] = rotation_by_products(torch.tensor([w, x, y, z])).numpy()
    moved = camera.moved(Similarity(motion[:3, :3], motion[:3, 3]))
    means = gaussians[0] @ torch.tensor(motion[:3, :3].T) + torch.tensor(motion[:3, 3])
    same(draw([means, gaussians[1] @ turn.T, *gaussians[2:]], moved), before)
    assert not torch.allclose(draw(gaussians, moved).alpha, before.alpha)


def test_a_larger_world_gives_the_same_picture_at_larger_depths():
    gaussians, camera = random_scene(40, 3)
    nearest = draw(gaussians, camera)
    grown = camera.moved(Similarity(np.eye(3), np.zeros(3), 3.0))
    again = draw([3 * gaussians[0], gaussians[1], 3 * gaussians[2], *gaussians[3:]], grown)
    same(replace(again, depth=again.depth / 3), nearest)


def test_the_order_of_gaussians_does_not_matter():
    gaussians, camera = random_scene(60, 3)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    same(draw([x[order] for x in gaussians], camera), draw(gaussians, camera))


def test_the_length_and_sign_of_a_quaternion_do_not_matter():
    gaussians, camera = random_scene(40, 3)
    means, rotations, *rest = gaussians
    length = torch.linspace(-30, 30, 40, dtype=torch.float64)[:, None]
    same(draw([means, length * rotations, *rest], camera), draw(gaussians, camera))


def test_alpha_is_the_picture_of_ones_and_depth_over_alpha_that_of_depths():
    gaussians, camera = random_scene(10, 1)
    pose = torch.tensor(camera.world_from_camera)
    depths = (gaussians[0] - pose[:3, 3]) @ pose[:3, 2]
    picture = draw(gaussians, camera, torch.stack([torch.ones_like(depths), depths], dim=-1))
    torch.testing.assert_close(picture.features[..., 0], picture.alpha)
    hit = picture.alpha > 0
    assert 0.2 < hit.double().mean() < 1
    torch.testing.assert_close((picture.features[..., 1] / picture.alpha)[hit], picture.depth[hit])
    assert (picture.depth[~hit] == torch.inf).all()
    assert 0 <= picture.alpha.min() < picture.alpha.max() <= 1 - 1e-4


def test_pictures_are_linear_in_the_features():
    torch.manual_seed(0)
    gaussians, camera = random_scene(50, 4)
    one, other = gaussians[4], torch.randn(50, 4, dtype=torch.float64)
    mixed = draw(gaussians, camera, 2 * one - 3 * other).features
    torch.testing.assert_close(
        mixed, 2 * draw(gaussians, camera, one).features - 3 * draw(gaussians, camera, other).features
    )


def test_the_gradient_of_features_is_the_adjoint_and_needs_nothing_else():
    """⟨render(F), G⟩ = ⟨F, ∂⟨render(F'), G⟩/∂F'⟩ for any F': what lifting relies on."""
    torch.manual_seed(0)
    gaussians, camera = random_scene(50, 4)
    target = torch.randn(camera.height_px, camera.width_px, 4, dtype=torch.float64)
    elsewhere = torch.zeros(50, 4, dtype=torch.float64, requires_grad=True)
    (draw(gaussians, camera, elsewhere).features * target).sum().backward()
    assert elsewhere.grad is not None
    pictured = (draw(gaussians, camera).features * target).sum()
    torch.testing.assert_close((gaussians[4] * elsewhere.grad).sum(), pictured)
    assert pictured.abs() > 1
    everything = trainable(gaussians)
    (draw(everything, camera).features * target).sum().backward()
    torch.testing.assert_close(everything[4].grad, elsewhere.grad)


def test_only_the_asked_for_gradients_are_made():
    gaussians, camera = random_scene(20, 2)
    opacities = gaussians[3].clone().requires_grad_()
    weighed(draw([*gaussians[:3], opacities, gaussians[4]], camera)).backward()
    everything = trainable(gaussians)
    weighed(draw(everything, camera)).backward()
    torch.testing.assert_close(opacities.grad, everything[3].grad)


def test_autocast_changes_nothing():
    gaussians, camera = random_scene(40, 3, dtype=torch.float32)
    plain = draw(gaussians, camera)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = draw(gaussians, camera)
    assert torch.equal(inside.features, plain.features)
    assert torch.equal(inside.alpha, plain.alpha)


def test_a_chunk_leaves_one_number_a_pixel_for_the_backward_pass():
    """Not the tensor of all its Gaussians, of which that number is a part."""
    _, left = tile_blending._transmittances(torch.rand(2, 64, 32), torch.ones(2, 64))
    assert left.untyped_storage().nbytes() == 4 * 2 * 64
