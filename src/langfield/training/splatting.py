"""Training Gaussians: where they begin, and what follows each step."""

from collections.abc import Callable

import numpy as np
import torch

from langfield.data.views import Scene
from langfield.methods.growing import after_step
from langfield.methods.splat import Splat
from langfield.training.optimiser import Optimiser, learning_rate
from langfield.training.randomness import stream_seed

_RANDOM_POINTS = 20_000
_LEAST_POINTS = 100
_RANDOM_REACH = 1.5  # of the region that is filled at random, scene units: cameras are within 1


def begin(method: Splat, scene: Scene, seed: int) -> str:
    """Begin with the scene's point cloud, or with random gray points where it has none; a line that says which."""
    cloud = scene.points
    if cloud is not None and len(cloud) >= _LEAST_POINTS:
        points = scene.scene_from_world.points(cloud.xyz.astype(np.float64))
        method.gaussians.begin(points, cloud.rgb / 255)
        return f"Gaussians begin at the scene's {len(cloud):,} points"
    rng = np.random.default_rng(stream_seed(seed, "gaussians"))
    count = min(_RANDOM_POINTS, method.gaussians.config.capacity)
    points = rng.uniform(-_RANDOM_REACH, _RANDOM_REACH, (count, 3))
    method.gaussians.begin(points, np.full((count, 3), 0.5))
    return f"the scene has no point cloud: Gaussians begin at {count:,} random points"


def follower(method: Splat, generator: torch.Generator) -> Callable[[int, Optimiser], None]:
    """What `train` calls after each step: Gaussians multiply, move and are shaken."""

    def follow(step: int, optimiser: Optimiser) -> None:
        means_lr = learning_rate(optimiser.groups[0], step)
        after_step(method.gaussians, optimiser.moments, method.config.growth, step, means_lr, generator)

    return follow
