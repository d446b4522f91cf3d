"""Gaussians to rasterise in tests: random, single, broken; a brute-force renderer; and how pictures are compared."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.projected import Blended, Splatted
from langfield.ops.gaussians.rasterize import rasterize

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


def draw(gaussians: Gaussians, camera: Camera, features: Tensor | None = None) -> Splatted:
    """`rasterize`, perhaps with other features."""
    means, rotations, scales, opacities, own = gaussians
    return rasterize(means, rotations, scales, opacities, own if features is None else features, camera)


def stacked(*several: Gaussians) -> Gaussians:
    return [torch.cat(parts) for parts in zip(*several, strict=True)]


def trainable(gaussians: Gaussians) -> Gaussians:
    return [x.detach().clone().requires_grad_() for x in gaussians]


def weighed(picture: Splatted | Blended, seed: int = 1) -> Tensor:
    """A number that depends on all of a picture."""
    generator = torch.Generator().manual_seed(seed)
    of_it = [picture.features, picture.alpha]
    if isinstance(picture, Splatted):
        of_it.append(torch.where(picture.depth.isfinite(), picture.depth, 0))
    parts = torch.cat([x.flatten() for x in of_it])
    return (parts * torch.randn(parts.shape, generator=generator, dtype=torch.float64).to(parts)).sum()


def same(a: Splatted | Blended, b: Splatted | Blended, tolerance: float = 1e-9) -> None:
    assert isinstance(a, Splatted) == isinstance(b, Splatted)
    parts = [(x.features, x.alpha, *([x.depth] if isinstance(x, Splatted) else [])) for x in (a, b)]
    torch.testing.assert_close(*parts, rtol=tolerance, atol=tolerance)


def without_depth(picture: Splatted) -> Blended:
    return Blended(picture.features, picture.alpha)


def nothing_seen(picture: Splatted) -> bool:
    return bool((picture.features == 0).all() and (picture.alpha == 0).all() and (picture.depth == torch.inf).all())


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


def several(n: int = 40, seed: int = 4, channels: int = 2) -> tuple[Gaussians, list[Camera]]:
    """Gaussians, and three cameras about them, one of another size; features differ between cameras."""
    (means, rotations, scales, opacities, features), camera = random_scene(n, channels, seed=seed)
    near = np.eye(4)
    near[:3, 3] = (0.1, -0.05, -0.2)
    cameras = [camera, replace(camera, world_from_camera=camera.world_from_camera @ near), camera.resized(24, 17)]
    return [means, rotations, scales, opacities, torch.stack([features, 1 - features, features**2])], cameras


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
