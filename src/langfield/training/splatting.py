"""Training Gaussians: where they begin, and what follows each step."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64

from langfield.core.cameras import Camera
from langfield.data.views import Scene
from langfield.models.gaussians import adaptive_density as densification
from langfield.models.gaussians import mcmc as growing
from langfield.models.gaussians.adaptive_density import DensificationConfig
from langfield.models.gaussians.splat import Splat
from langfield.training.optimiser import Optimiser, learning_rate
from langfield.training.randomness import stream_seed

_RANDOM_POINTS = 20_000
_LEAST_POINTS = 100
_RANDOM_REACH = 1.5  # of the region that is filled at random, scene units: cameras are within 1


def begin(method: Splat, scene: Scene, seed: int) -> str:
    """Begin with the scene's point cloud, or at random where that is of no use, all gray; a line that says which."""
    cloud = scene.points
    points = np.zeros((0, 3)) if cloud is None else scene.scene_from_world.points(cloud.xyz.astype(np.float64))
    if cloud is None or not len(cloud):
        why = "the scene has no point cloud"
    elif len(cloud) < _LEAST_POINTS:
        why = f"the scene's point cloud has only {len(cloud):,} points"
    elif not _in_view(points, [scene.views[index].camera.moved(scene.scene_from_world) for index in scene.train]):
        why = f"the photos show next to none of the scene's {len(cloud):,} points, which may be in another frame"
    else:
        method.gaussians.begin(points, cloud.rgb / 255)
        return f"Gaussians begin at the scene's {len(cloud):,} points"
    rng = np.random.default_rng(stream_seed(seed, "gaussians"))
    count = min(_RANDOM_POINTS, method.gaussians.config.capacity)
    method.gaussians.begin(rng.uniform(-_RANDOM_REACH, _RANDOM_REACH, (count, 3)), np.full((count, 3), 0.5))
    return f"{why}: Gaussians begin at {count:,} random points"


def _in_view(points: Float64[np.ndarray, "n 3"], cameras: list[Camera]) -> bool:
    """Whether enough of the points lie before the cameras, within their pictures (their lenses taken as straight)."""
    seen = np.zeros(len(points), bool)
    for camera in cameras:
        pose = camera.world_from_camera
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        depth = np.where(local[:, 2] > 0, local[:, 2], np.inf)
        x = local[:, 0] / depth * camera.fx_px + camera.cx_px
        y = local[:, 1] / depth * camera.fy_px + camera.cy_px
        seen |= (local[:, 2] > 0) & (x > 0) & (x < camera.width_px) & (y > 0) & (y < camera.height_px)
        if seen.sum() >= _LEAST_POINTS:
            return True
    return False


def follower(method: Splat, generator: torch.Generator) -> Callable[[int, Optimiser], None]:
    """What `train` calls after each step: Gaussians multiply, move and go, as the method's config says."""
    gaussians, config = method.gaussians, method.config

    def follow(step: int, optimiser: Optimiser) -> None:
        if isinstance(config.growth, DensificationConfig):
            assert method.slopes is not None
            densification.after_step(
                gaussians,
                method.slopes,
                method.footprints,
                optimiser.moments,
                config.growth,
                config.extent,
                step,
                generator,
            )
            method.footprints.clear()
        else:
            means_lr = learning_rate(optimiser.groups[0], step)
            growing.after_step(gaussians, optimiser.moments, config.growth, step, means_lr, generator)

    return follow
