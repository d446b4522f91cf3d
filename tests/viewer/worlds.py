"""Runs for tests of the viewer: the wall of `tests.query`, with groups, and the same made of Gaussians."""

from pathlib import Path

import numpy as np
import torch
from tests.query import fake_session, grouped_wall
from tests.query.fake_world import Wall

from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.models.base import Elements
from langfield.query.session import Session
from langfield.viewer.runs import Runs

# The page's frame is the scene's turned about x, for cameras look along the scene's +z with its +y downwards.
PAGE_FROM_SCENE = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
SIDE = 40  # Gaussians along each side of the wall


def splats_of_wall(target_from_scene: Similarity) -> Splats:
    """Flat Gaussians on the wall z = 4 from −2 to 2, the first one opaque red, all others grey."""
    line = np.linspace(-2, 2, SIDE)
    x, y = np.meshgrid(line, line)
    means = np.stack([x.ravel(), y.ravel(), np.full(x.size, 4.0)], axis=1)
    harmonics = np.zeros((x.size, 1, 3), dtype=np.float32)
    harmonics[0, 0] = [1.7, -1.7, -1.7]
    scales = np.log(np.array([0.06, 0.06, 0.005]) * target_from_scene.scale).astype(np.float32)
    return Splats(
        means=target_from_scene.points(means),
        rotations=np.tile(np.array([[1, 0, 0, 0]], dtype=np.float32), (x.size, 1)),
        log_scales=np.tile(scales, (x.size, 1)),
        opacity_logits=np.full(x.size, 5, dtype=np.float32),
        harmonics=harmonics,
    )


class SplatWall(Wall):
    """The wall, made of Gaussians."""

    def elements(self) -> Elements:
        positions = torch.from_numpy(splats_of_wall(Similarity.identity()).means).float()
        return Elements(positions, splats_of_wall)


def wall_session() -> Session:
    """A field with groups."""
    return grouped_wall.session()


def splat_session() -> Session:
    """Gaussians without groups."""
    return fake_session.session(SplatWall())


def runs(**sessions: Session) -> Runs:
    """Runs of these names, as if they lay in folders."""
    return Runs([Path("/nowhere") / name for name in sessions], lambda folder: sessions[folder.name], 10_000)
