"""Exact masks of the ball scene's photos at three granularities: halves of balls, balls and the table, all balls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from tests.data.scenes import BALLS, NOTHING, TABLE, draw, write_ball_scene

from langfield.core.cameras import Cameras
from langfield.data.pixels import PixelPool
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.features.mask_scales import mask_scales
from langfield.features.mask_targets import MaskTargets
from langfield.features.photos import TrainingPhotos
from langfield.fields.language import FeatureGridConfig
from langfield.models.base import Model
from langfield.models.nerf.affinity import AffinityConfig
from langfield.models.nerf.lerf import LerfConfig
from langfield.models.presets import NANO
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

_MIN_PIXELS = 4

_SAMPLER = NANO.sampler
assert isinstance(_SAMPLER, ProposalSamplerConfig)
AFFINITY = AffinityConfig(
    feature_grid=FeatureGridConfig(levels=(8,), resolutions=((8, 128),), log2_rows=15, features=4),
    width=64,
    layers=2,
    features=16,
    photo_rays=64,
)
CONFIG: LerfConfig = replace(
    NANO,
    radiance=replace(NANO.radiance, levels=5, log2_rows=13, max_resolution=96),
    sampler=replace(
        _SAMPLER, proposal_samples=(32,), samples=16, near=0.2, far=6.0, anneal_steps=100, warmup_steps=200
    ),
    feature_grid=FeatureGridConfig(levels=(4,), resolutions=((8, 64),), log2_rows=13, features=4),
    heads=(AFFINITY,),
    head_lr=1e-2,
    head_lr_end=1e-3,
    head_lr_steps=250,
    lr=2e-2,
    lr_end=3e-3,
    lr_steps=250,
)


class BallMasks:
    """See `ScaledMasks`. Scales follow from the exact depth."""

    def __init__(self, scene: Scene) -> None:
        self._found = [self._of_photo(scene, index) for index in range(len(scene.views))]

    def masks_of_photo(self, view_index: int) -> torch.Tensor:
        return self._found[view_index][0]

    def scales_of_photo(self, view_index: int) -> torch.Tensor:
        return self._found[view_index][1]

    @staticmethod
    def _of_photo(scene: Scene, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        camera = scene.views[index].camera
        _, ids, depth = draw(camera)
        rays = Cameras.from_list([camera]).rays(
            torch.zeros(ids.size, dtype=torch.int64), camera.pixel_centres().reshape(-1, 2)
        )
        z = torch.from_numpy(np.where(ids == NOTHING, np.inf, depth)).float().reshape(-1)
        points = (rays.origins + rays.directions * (z / rays.z_per_distance)[:, None]).reshape(*ids.shape, 3)
        height = points[..., 2].numpy()
        sets = [ids >= 0, ids == TABLE]
        for number, ball in enumerate(BALLS):
            upper = height > ball.centre[2]
            sets += [ids == number, (ids == number) & upper, (ids == number) & ~upper]
        masks = torch.from_numpy(np.stack([one for one in sets if one.sum() >= _MIN_PIXELS]))
        return masks, mask_scales(masks, points) * scene.scene_from_world.scale


def ball_photos(root: Path, n_views: int = 17) -> tuple[Scene, BallMasks]:
    """The scene on disk, with the masks of all its photos."""
    write_ball_scene(root, n_views=n_views, width_px=64, height_px=48, suffix=".png")
    scene = open_scene(root)
    return scene, BallMasks(scene)


def pool_of(scene: Scene) -> PixelPool:
    return PixelPool(scene, scene.train, "cpu", 1 << 24, seed=0)


def pair_auc(together: np.ndarray, distance: np.ndarray) -> float:
    """The share of all (pair together, pair apart) of which the pair together is nearer; ties count half."""
    rank = rankdata(-distance)
    inside = int(together.sum())
    return float((rank[together].sum() - inside * (inside + 1) / 2) / (inside * (len(together) - inside)))


def labels_of(scene: Scene, masks: BallMasks, view: int, scale: float) -> np.ndarray:
    """The mask of each pixel of a photo at a scale, −1 for none; −2 where nothing is."""
    camera = scene.views[view].camera
    xy = camera.pixel_centres().reshape(-1, 2)
    targets = MaskTargets(TrainingPhotos(scene, (view,)), masks, "cpu")
    found = targets.mask_at(torch.full((len(xy),), view), xy, torch.full((len(xy),), scale)).numpy()
    return np.where(draw(camera)[1].reshape(-1) == NOTHING, -2, found)


def auc_at(model: Model, scene: Scene, masks: BallMasks, view: int, scale: float) -> float:
    """How well distances of affinity features tell pairs of a photo's pixels in one mask from others, at a scale."""
    labels = labels_of(scene, masks, view, scale)
    pixels = np.flatnonzero(labels > -2)
    asked = model.view(scene.views[view].camera.moved(scene.scene_from_world))
    features = asked.affinity_features(torch.from_numpy(pixels), torch.full((len(pixels),), scale))
    assert features is not None
    i, j = np.random.default_rng(0).integers(0, len(pixels), (2, 300_000))
    of_i, of_j = labels[pixels[i]], labels[pixels[j]]
    known = (i != j) & (np.maximum(of_i, of_j) >= 0)
    distance = (features[i[known]] - features[j[known]]).norm(dim=-1).numpy()
    return pair_auc((of_i == of_j)[known], distance)
