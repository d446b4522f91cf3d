"""Rooms full of Gaussians with language, made of nothing: as many as wanted, with much hidden, as in trained scenes."""

import numpy as np
import torch
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.fields.language_map import LanguageMap
from langfield.models.config import ModelContext
from langfield.models.gaussians.splat import Splat, SplatConfig

EMBED_DIM = 512
BALLS = 60


def made_splat(
    count: int, device: torch.device, levels: int = 7, codes: int = 128, keep: int = 4, embed_dim: int = EMBED_DIM
) -> Splat:
    """Gaussians on the walls of a room (two fifths), on balls in it (half) and floating (a tenth). Language is random.

    A Gaussian on a surface is flat, and as wide as its neighbours are apart; a third of them is faint.
    """
    generator = torch.Generator().manual_seed(count)
    angles = torch.linspace(0.05, 0.5, levels)
    context = ModelContext(
        photos=1, target_dims={"embedding": embed_dim}, crop_angles=(float(angles[0]), float(angles[-1]))
    )
    model = Splat(SplatConfig(GaussianConfig(capacity=count)), context)
    means, normals, spacing = _surfaces(count, generator)
    _fill(model.gaussians, means, normals, spacing, generator)
    code = torch.randint(0, codes, (count, levels, keep), generator=generator).to(torch.int16)
    share = torch.rand(count, levels, keep, generator=generator)
    share = (share / share.sum(dim=-1, keepdim=True)).half()
    share[torch.rand(count, levels, generator=generator) < 0.1] = 0
    codebook = torch.nn.functional.normalize(torch.randn(codes, embed_dim, generator=generator), dim=-1).half()
    model.language = LanguageMap(codebook, code, share, torch.full((count,), 1.2).half(), angles)
    return model.to(device)


def _surfaces(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Centres, normals and distances of neighbours."""
    on_walls, on_balls = int(0.4 * count), int(0.5 * count)
    plane = torch.rand(on_walls, 2, generator=generator) * 3 - 1.5
    axis, side = torch.randint(0, 3, (on_walls,), generator=generator), torch.rand(on_walls, generator=generator) < 0.5
    height = torch.where(side, 1.5, -1.5)
    walls = torch.stack([torch.cat([plane, height[:, None]], dim=1).roll(k, dims=1) for k in range(3)])
    walls = walls[axis, torch.arange(on_walls)]
    facing = torch.eye(3)[(axis + 2) % 3]
    direction = torch.nn.functional.normalize(torch.randn(on_balls, 3, generator=generator), dim=-1)
    which = torch.randint(0, BALLS, (on_balls,), generator=generator)
    centre = torch.rand(BALLS, 3, generator=generator) * 1.6 - 0.8
    radius = torch.rand(BALLS, generator=generator) * 0.15 + 0.08
    balls = centre[which] + direction * radius[which][:, None]
    floating = count - on_walls - on_balls
    air = torch.rand(floating, 3, generator=generator) * 2 - 1
    any_way = torch.nn.functional.normalize(torch.randn(floating, 3, generator=generator), dim=-1)
    area_walls, area_balls = 6 * 9.0, float((4 * np.pi * radius**2).sum())
    spacing = [(area_walls / on_walls) ** 0.5] * on_walls + [(area_balls / on_balls) ** 0.5] * on_balls
    spacing += [(8.0 / max(floating, 1)) ** (1 / 3) * 0.1] * floating
    return torch.cat([walls, balls, air]), torch.cat([facing, direction, any_way]), torch.tensor(spacing)


def _fill(gaussians: Gaussians, means: Tensor, normals: Tensor, spacing: Tensor, generator: torch.Generator) -> None:
    count = len(means)
    gaussians.count = count
    with torch.no_grad():
        gaussians.means.copy_(means)
        # The quaternion that turns z to the normal is (1 + n_z, z × n), not normalised.
        sideways = torch.stack([-normals[:, 1], normals[:, 0], torch.zeros(count)], dim=1)
        gaussians.rotations.copy_(torch.cat([1 + normals[:, 2:] + 1e-6, sideways], dim=1))
        flat = torch.tensor([0.7, 0.7, 0.1]) * (0.5 + torch.rand(count, 3, generator=generator))
        gaussians.log_scales.copy_((flat * spacing[:, None]).log())
        faint = torch.rand(count, generator=generator) < 1 / 3
        opacity = torch.where(
            faint, 0.01 + 0.2 * torch.rand(count, generator=generator), 0.6 + 0.39 * torch.rand(count)
        )
        gaussians.opacity_logits.copy_(opacity.logit())
        gaussians.sh0.copy_(torch.rand(count, 3, generator=generator))


def orbit(count: int, width_px: int, height_px: int) -> list[Camera]:
    """Cameras on a circle in the room that look past its middle, with a horizontal field of view of 60°."""
    cameras = []
    for number in range(count):
        angle = 2 * np.pi * number / count
        eye = np.array([1.2 * np.cos(angle), 1.2 * np.sin(angle), 0.4 + 0.3 * np.sin(3 * angle)])
        forward = -eye / np.linalg.norm(eye)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = eye
        focal = width_px / 2 / np.tan(np.radians(30))
        cameras.append(Camera(pose, width_px, height_px, focal, focal, width_px / 2, height_px / 2))
    return cameras
