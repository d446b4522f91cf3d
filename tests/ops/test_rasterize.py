"""Rasterising Gaussians: closed forms, a brute-force renderer in float64, and laws."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from langfield.core.cameras import NO_DISTORTION, Camera
from langfield.core.transforms import Similarity
from langfield.ops import rasterize as rasterize_module
from langfield.ops import rasterize_reference
from langfield.ops.rasterize import Blended, Splatted, blend_all, project, rasterize

Gaussians = list[Tensor]
NAMES = ("means", "rotations", "scales", "opacities", "features")
AHEAD = Camera(np.eye(4), 33, 33, 100.0, 100.0, 16.5, 16.5)  # pixel (16, 16) looks along z
NO_TURN = (1.0, 0.0, 0.0, 0.0)


def turned_pose(seed: int) -> np.ndarray:
    """A rigid motion."""
    generator = np.random.default_rng(seed)
    pose = np.eye(4)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    pose[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    pose[:3, 3] = generator.normal(size=3) * 5
    return pose


def random_scene(
    n: int, channels: int, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Gaussians, Camera]:
    """Gaussians in and about the view of a camera whose numbers are all different: some opaque, some thin, some faint,
    some behind it."""
    generator = torch.Generator().manual_seed(seed)
    uniform = partial(torch.rand, generator=generator, dtype=torch.float64)
    camera = Camera(turned_pose(seed), 37, 21, 30.0, 27.0, 15.3, 11.8)
    depth = uniform(n, 1) * 3 - 0.3
    local = torch.cat([(uniform(n, 2) - 0.5) * torch.tensor([1.8, 1.4]) * (depth.abs() + 0.3), depth], dim=-1)
    pose = torch.tensor(camera.world_from_camera)
    means = local @ pose[:3, :3].T + pose[:3, 3]
    scales = 0.015 * 30 ** uniform(n, 3) * (depth.abs() + 0.1)
    rotations = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    opacities = torch.where(uniform(n) < 0.3, 1.0, uniform(n))
    return [x.to(dtype) for x in (means, rotations, scales, opacities, uniform(n, channels) * 2 - 1)], camera


def one(mean: tuple, opacity: float, scale: tuple = (0.08, 0.04, 0.5), rotation: tuple = NO_TURN) -> Gaussians:
    return [torch.tensor([x], dtype=torch.float64) for x in (mean, rotation, scale, opacity, (1.0, -2.0))]


def draw(gaussians: Gaussians, camera: Camera, features: Tensor | None = None, *, packed: bool = False) -> Splatted:
    """`rasterize`, perhaps with other features."""
    means, rotations, scales, opacities, own = gaussians
    return rasterize(means, rotations, scales, opacities, own if features is None else features, camera, packed=packed)


def stacked(*several: Gaussians) -> Gaussians:
    return [torch.cat(parts) for parts in zip(*several, strict=True)]


def trainable(gaussians: Gaussians) -> Gaussians:
    return [x.detach().clone().requires_grad_() for x in gaussians]


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


def brute_force(gaussians: Gaussians, camera: Camera) -> tuple[Splatted, dict[str, int]]:
    """One Gaussian after the other over the whole picture, by the papers' formulas; and how often a rule struck."""
    means, rotations, scales, opacities, features = gaussians
    camera_from_world = torch.tensor(np.linalg.inv(camera.world_from_camera))
    turn, shift = camera_from_world[:3, :3], camera_from_world[:3, 3]
    local = torch.stack([turn @ mean + shift for mean in means])
    pixels = camera.pixel_centres().double()
    left = torch.ones(camera.height_px, camera.width_px, dtype=torch.float64)
    done = torch.zeros_like(left, dtype=torch.bool)
    out = torch.zeros(camera.height_px, camera.width_px, features.shape[1] + 2, dtype=torch.float64)
    struck = dict.fromkeys(["behind", "faint", "clamped", "finished", "held"], 0)
    low_x, high_x = -camera.cx_px / camera.fx_px, (camera.width_px - camera.cx_px) / camera.fx_px
    low_y, high_y = -camera.cy_px / camera.fy_px, (camera.height_px - camera.cy_px) / camera.fy_px
    beyond_x, beyond_y = 0.15 * (high_x - low_x), 0.15 * (high_y - low_y)
    for i in local[:, 2].argsort().tolist():
        x, y, z = local[i]
        if z < 0.01:
            struck["behind"] += 1
            continue
        held_x = (x / z).clamp(low_x - beyond_x, high_x + beyond_x)
        held_y = (y / z).clamp(low_y - beyond_y, high_y + beyond_y)
        zero = torch.zeros_like(z)
        jacobian = torch.stack(
            [
                torch.stack([camera.fx_px / z, zero, -camera.fx_px * held_x / z]),
                torch.stack([zero, camera.fy_px / z, -camera.fy_px * held_y / z]),
            ]
        )
        axes = rotation_by_products(rotations[i]) @ torch.diag(scales[i])
        root = jacobian @ turn @ axes
        conic = torch.linalg.inv(root @ root.T + torch.eye(2).double() * 0.3)
        centre = torch.stack([camera.fx_px * x / z + camera.cx_px, camera.fy_px * y / z + camera.cy_px])
        offset = pixels - centre
        raw = opacities[i] * torch.exp(-0.5 * ((offset @ conic) * offset).sum(-1))
        alpha = raw.clamp(max=0.999)
        after = left * (1 - alpha)
        seen = (alpha >= 1 / 255) & ~done
        done = done | (seen & (after <= 1e-4))
        struck["faint"] += int((alpha < 1 / 255).sum())
        struck["clamped"] += int((raw > 0.999).sum())
        struck["finished"] += int((seen & done).sum())
        struck["held"] += int(seen.any() and bool((held_x != x / z) | (held_y != y / z)))
        seen = seen & ~done
        value = torch.cat([features[i], z[None], torch.ones(1)])
        out = out + torch.where(seen, alpha * left, 0)[..., None] * value
        left = torch.where(seen, after, left)
    alpha = out[..., -1]
    depth = torch.where(alpha > 0, out[..., -2] / torch.where(alpha > 0, alpha, 1), torch.inf)
    return Splatted(out[..., :-2], alpha, depth), struck


def rotation_by_products(quaternion: Tensor) -> Tensor:
    """q v q⁻¹ of the three axes, by Hamilton's product."""
    a, b, c, d = quaternion
    left = torch.stack([torch.stack(r) for r in ((a, -b, -c, -d), (b, a, -d, c), (c, d, a, -b), (d, -c, b, a))])
    right = torch.stack([torch.stack(r) for r in ((a, b, c, d), (-b, a, -d, c), (-c, d, a, -b), (-d, -c, b, a))])
    return (left @ right / (quaternion**2).sum())[1:, 1:]


def weighed(picture: Splatted | Blended, seed: int = 1) -> Tensor:
    """A number that depends on all of a picture."""
    generator = torch.Generator().manual_seed(seed)
    of_it = [picture.features, picture.alpha]
    if isinstance(picture, Splatted):
        of_it.append(torch.where(picture.depth.isfinite(), picture.depth, 0))
    parts = torch.cat([x.flatten() for x in of_it])
    return (parts * torch.randn(parts.shape, generator=generator, dtype=torch.float64).to(parts)).sum()


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


def same(a: Splatted | Blended, b: Splatted | Blended, tolerance: float = 1e-9) -> None:
    assert isinstance(a, Splatted) == isinstance(b, Splatted)
    parts = [(x.features, x.alpha, *([x.depth] if isinstance(x, Splatted) else [])) for x in (a, b)]
    torch.testing.assert_close(*parts, rtol=tolerance, atol=tolerance)


def without_depth(picture: Splatted) -> Blended:
    return Blended(picture.features, picture.alpha)


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
    _, left = rasterize_reference._transmittances(torch.rand(2, 64, 32), torch.ones(2, 64))
    assert left.untyped_storage().nbytes() == 4 * 2 * 64


# Degenerate scenes


def nothing_seen(picture: Splatted) -> bool:
    return bool((picture.features == 0).all() and (picture.alpha == 0).all() and (picture.depth == torch.inf).all())


@pytest.mark.parametrize("case", ["none", "behind", "too near", "transparent", "beside"])
def test_a_picture_of_nothing_is_empty_and_has_no_gradient(case: str):
    gaussians, camera = random_scene(20, 3, dtype=torch.float32)
    means, rotations, scales, opacities, features = gaussians
    if case == "none":
        gaussians = [x[:0] for x in gaussians]
    elif case == "transparent":
        gaussians = [means, rotations, scales, 0 * opacities, features]
    else:
        local = {"behind": (0.0, 0.0, -2.0), "too near": (0.0, 0.0, 0.009), "beside": (-9.0, 0.0, 1.0)}[case]
        place = torch.tensor(camera.world_from_camera @ (*local, 1.0))[:3].float()
        gaussians = [place.expand(20, 3), rotations, 0.01 * scales, opacities, features]
    gaussians = trainable(gaussians)
    picture = draw(gaussians, camera)
    assert picture.features.shape == (21, 37, 3)
    assert nothing_seen(picture)
    (picture.features.sum() + picture.alpha.sum()).backward()
    for x in gaussians:
        assert x.grad is not None
        assert torch.equal(x.grad, torch.zeros_like(x))


BROKEN: dict[str, Callable[[Gaussians], Tensor]] = {
    **{f"nan {name}": lambda g, i=i: g[i].view(len(g[i]), -1)[:, 0].fill_(torch.nan) for i, name in enumerate(NAMES)},
    **{f"inf {name}": lambda g, i=i: g[i].view(len(g[i]), -1)[:, -1].fill_(torch.inf) for i, name in enumerate(NAMES)},
    "no rotation": lambda g: g[1].zero_(),
    "almost no rotation": lambda g: g[1].mul_(1e-30),
    "endless rotation": lambda g: g[1].mul_(1e200),
    "huge": lambda g: g[2].fill_(1e20),
    "far": lambda g: g[0].fill_(1e30),
    "no opacity": lambda g: g[3].zero_(),
    "a negative opacity": lambda g: g[3].fill_(-1.0),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_broken_gaussians_are_left_out_and_get_no_gradient(case: str, dtype: torch.dtype):
    good, camera = random_scene(30, 3, dtype=dtype)
    bad = [x[:10].clone() for x in good]
    BROKEN[case](bad)
    both = trainable(stacked(bad, good))
    alone = trainable(good)
    a, b = draw(both, camera), draw(alone, camera)
    same(a, b, 1e-5)
    weighed(a).backward()
    weighed(b).backward()
    for x, y in zip(both, alone, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert torch.equal(x.grad[:10], torch.zeros_like(x[:10]))
        torch.testing.assert_close(x.grad[10:], y.grad, rtol=1e-3, atol=1e-4)


def test_without_extent_a_gaussian_is_a_dot_of_the_blurs_size():
    gaussians = trainable(one((0.0, 0.0, 4.0), 0.8, scale=(0.0, 0.0, 0.0)))
    picture = draw(gaussians, AHEAD)
    assert picture.alpha[16, 17].item() == pytest.approx(0.8 * np.exp(-0.5 / 0.3), rel=1e-12)
    weighed(picture).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in gaussians)
    assert gaussians[0].grad is not None
    assert gaussians[0].grad.any()


def test_a_thin_gaussian_keeps_its_width_in_float32():
    """200 px long and next to no width, at 45°: xx · yy − xy² would be wrong in the second digit."""
    eighth = (np.cos(np.pi / 8), 0.0, 0.0, np.sin(np.pi / 8))
    gaussians = one((0.0, 0.0, 4.0), 0.8, scale=(40.0, 1e-4, 1e-4), rotation=eighth)
    picture = draw([x.float() for x in gaussians], AHEAD)
    # One pixel to the side is 1/√2 px away from the line.
    assert picture.alpha[16, 17].item() == pytest.approx(0.8 * np.exp(-0.5 * 0.5 / 0.3), rel=1e-3)
    assert picture.alpha[17, 17].item() == pytest.approx(0.8, rel=1e-3)


def test_a_picture_of_one_pixel_and_no_channels():
    gaussians, camera = random_scene(40, 3)
    small = camera.resized(1, 1)
    picture = draw(gaussians, small, gaussians[4][:, :0])
    expected, _ = brute_force(gaussians, small)
    assert picture.features.shape == (1, 1, 0)
    torch.testing.assert_close(picture.alpha, expected.alpha)


@pytest.mark.parametrize(
    "camera",
    [replace(AHEAD, distortion=(0.1, *NO_DISTORTION[1:])), replace(AHEAD, lens="fisheye")],
)
def test_other_lenses_are_refused(camera: Camera):
    with pytest.raises(ValueError, match=r"pinhole cameras only, got (opencv|fisheye)"):
        draw(one((0.0, 0.0, 4.0), 0.7), camera)


# Projected once, drawn often


def test_what_is_projected_once_is_drawn_with_any_features():
    gaussians, camera = random_scene(60, 5)
    shape, features = gaussians[:4], gaussians[4]
    projected = project(*shape, camera)
    assert projected.count == 60
    assert projected.pairs > 60
    for part in (features, features[:, :1], features[:, :0]):
        same(projected.splat(part), draw(gaussians, camera, part), 1e-12)
        blended, alpha = projected.blend(part)
        torch.testing.assert_close(blended, draw(gaussians, camera, part).features)
        torch.testing.assert_close(alpha, draw(gaussians, camera, part).alpha)


def test_pulled_back_is_the_transpose_of_blend():
    gaussians, camera = random_scene(40, 3)
    projected = project(*trainable(gaussians)[:4], camera)
    values = torch.randn(camera.height_px, camera.width_px, 3, dtype=torch.float64)
    blended, alpha = projected.blend(gaussians[4])
    pulled = projected.pulled_back(values)
    assert pulled.shape == (40, 3)
    torch.testing.assert_close((blended * values).sum(), (pulled.double() * gaussians[4]).sum(), rtol=1e-5, atol=1e-5)
    light = projected.light()
    assert light.shape == (40,)
    torch.testing.assert_close(light.double().sum(), alpha.sum(), rtol=1e-5, atol=1e-5)
    assert (light > 0).sum() < 40  # some are out of view


def test_only_some_are_the_picture_of_those():
    gaussians, camera = random_scene(60, 3)
    projected = project(*gaussians[:4], camera)
    for kept in (torch.arange(1, 60, 3), torch.tensor([50, 7, 30, 8]), projected.in_view(), torch.arange(60)):
        some = [x[kept] for x in gaussians]
        fewer = projected.only(kept)
        assert fewer.count == len(kept)
        same(fewer.splat(some[4]), draw(some, camera), 1e-12)
    assert projected.only(torch.arange(1, 60, 3)).pairs < projected.pairs
    assert nothing_seen(projected.only(torch.arange(0)).splat(gaussians[4][:0]))
    seen = projected.in_view()
    assert 0 < len(seen) < 60
    assert set(torch.nonzero(projected.light())[:, 0].tolist()) <= set(seen.tolist())
    same(projected.only(seen).splat(gaussians[4][seen]), draw(gaussians, camera), 1e-12)


# Several cameras, and where Gaussians fall


def several(n: int = 40, seed: int = 4, channels: int = 2) -> tuple[Gaussians, list[Camera]]:
    """Gaussians, and three cameras about them, one of another size; features differ between cameras."""
    (means, rotations, scales, opacities, features), camera = random_scene(n, channels, seed=seed)
    near = np.eye(4)
    near[:3, 3] = (0.1, -0.05, -0.2)
    cameras = [camera, replace(camera, world_from_camera=camera.world_from_camera @ near), camera.resized(24, 17)]
    return [means, rotations, scales, opacities, torch.stack([features, 1 - features, features**2])], cameras


def test_several_pictures_at_once_are_those_one_by_one():
    gaussians, cameras = several()
    together, alone = trainable(gaussians), trainable(gaussians)
    pictures = blend_all(*together, cameras)
    expected = [without_depth(draw([*alone[:4], alone[4][i]], camera)) for i, camera in enumerate(cameras)]
    for a, b in zip(pictures, expected, strict=True):
        same(a, b)
        assert a.footprints is None
    torch.stack([weighed(picture) for picture in pictures]).mean().backward()
    torch.stack([weighed(picture) for picture in expected]).mean().backward()
    for x, y in zip(together, alone, strict=True):
        torch.testing.assert_close(x.grad, y.grad)


def test_footprints_change_no_picture_and_no_gradient():
    gaussians, cameras = several()
    with_them, without = trainable(gaussians), trainable(gaussians)
    pictures = blend_all(*with_them, cameras, footprints=True)
    expected = blend_all(*without, cameras)
    for a, b in zip(pictures, expected, strict=True):
        same(a, b, 0)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    torch.stack([weighed(picture) for picture in expected]).sum().backward()
    for x, y in zip(with_them, without, strict=True):
        assert torch.equal(x.grad, y.grad)


def test_slopes_are_what_moving_a_centre_in_the_picture_changes():
    """Finite differences by the centre alone: a Gaussian that moves across the picture at its depth, seen from so far
    away that its shape stays. Half a picture is the unit."""
    camera = replace(AHEAD, fx_px=1e6, fy_px=1e6, width_px=40)
    scene = one((0.0, 0.0, 1e4), 0.7, scale=(0.02, 0.03, 0.01))
    target = torch.randn(33, 40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(x_px: float, y_px: float) -> Tensor:
        gaussians = trainable(scene)
        moved = gaussians[0] + torch.tensor([[x_px, y_px, 0.0]], dtype=torch.float64) / 100
        (picture,) = blend_all(moved, *gaussians[1:4], gaussians[4][None], [camera], footprints=True)
        loss.footprints = picture.footprints
        return (picture.features * target).sum()

    step = 1e-4
    by_x = (loss(step, 0) - loss(-step, 0)) / (2 * step)
    by_y = (loss(0, step) - loss(0, -step)) / (2 * step)
    loss(0, 0).backward()
    expected = torch.stack([by_x * 20, by_y * 16.5]).norm().item()
    assert loss.footprints.slopes().tolist() == pytest.approx([expected], rel=1e-3)
    assert loss.footprints.size_px == (40, 33)


def test_footprints_lie_where_gaussians_are_seen_and_only_there():
    gaussians, cameras = several(60)
    pictures = blend_all(*trainable(gaussians), cameras, footprints=True)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    for i, (picture, camera) in enumerate(zip(pictures, cameras, strict=True)):
        prints = picture.footprints
        assert prints is not None
        shown = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features.amax(dim=(0, 1)) > 0
        assert (prints.radius_px[shown] > 0).all()
        assert not prints.slopes()[prints.radius_px == 0].any()
        assert (prints.slopes()[shown] > 0).float().mean() > 0.8
        # A radius reaches to where the Gaussian is last seen.
        own = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features[..., shown]
        away = (camera.pixel_centres()[:, :, None].double() - prints.centres_px[prints.picture, shown]).abs().amax(-1)
        assert (torch.where(own > 0, away, 0).amax(dim=(0, 1)) <= prints.radius_px[shown]).all(), i
    assert 0 < shown.sum() < 60


def test_without_a_gradient_there_are_no_slopes():
    gaussians, cameras = several()
    with torch.no_grad():
        for picture in blend_all(*gaussians, cameras, footprints=True):
            assert picture.footprints is not None
            assert not picture.footprints.slopes().any()
    empty = [x[:0] for x in gaussians[:4]] + [gaussians[4][:, :0]]
    (picture, *_) = blend_all(*trainable(empty), cameras, footprints=True)
    picture.features.sum().backward()
    assert picture.footprints is not None
    assert picture.footprints.slopes().shape == (0,)


def test_a_gaussian_too_wide_behind_one_camera_is_drawn_by_another():
    """What is drawn together is judged by every camera; but where a Gaussian is behind one, that one has no say."""
    front, back = AHEAD, replace(AHEAD, world_from_camera=np.diag([-1.0, 1.0, -1.0, 1.0]))
    gaussians = one((0.0, 0.0, 1e6), 0.7, scale=(1e5, 1e5, 1e5))
    shape, features = gaussians[:4], gaussians[4]
    assert rasterize_module.well_formed(*shape, features[None], [front, back]).all()
    near = one((0.0, 0.0, 0.02), 0.7, scale=(1e5, 1e5, 1e5))
    assert not rasterize_module.well_formed(*near[:4], features[None], [front]).any()
