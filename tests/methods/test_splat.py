"""Gaussians trained on photos: they learn a scene, any lens sees them, and their state is loaded again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.data.scenes import draw, write_ball_scene

from langfield.core.cameras import Camera
from langfield.data.scene import Scene, open_scene
from langfield.fields.gaussians import GaussianConfig
from langfield.methods.base import Method, MethodContext, PhotoBatch
from langfield.methods.growing import GrowthConfig, after_step
from langfield.methods.splat import Splat, SplatConfig
from langfield.training.loop import TrainingConfig, train
from langfield.training.optimiser import Optimiser, learning_rate
from langfield.training.photos import PhotoSource

# A few hundred steps on tiny pictures: rates are ten times 3DGS's.
CONFIG = SplatConfig(
    GaussianConfig(capacity=1200, sh_degree=1, first_scale=0.5),
    harmonics_every=60,
    opacity_weight=1e-3,
    scale_weight=1e-3,
    means_lr=2e-3,
    scales_lr=2e-2,
    rotations_lr=5e-3,
    constant_lr=2e-2,
    directed_lr=2e-3,
    lr_steps=200,
)
GROWTH = GrowthConfig(start=40, every=20, stop=150, factor=1.1, noise=10.0)
STEPS = 200


def begin(method: Splat, scene: Scene) -> None:
    assert scene.points is not None
    method.gaussians.begin(scene.scene_from_world.points(scene.points.xyz.astype(float)), scene.points.rgb / 255)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("balls")
    written = write_ball_scene(folder, n_views=25, width_px=48, height_px=36, n_points=800)
    scene = open_scene(folder)
    torch.manual_seed(0)
    method = Splat(CONFIG, MethodContext(photos=len(scene.train)))
    begin(method, scene)

    def follow(generator: torch.Generator, step: int, optimiser: Optimiser) -> None:
        rate = learning_rate(optimiser.groups[0], step)
        after_step(method.gaussians, optimiser.moments, GROWTH, step, rate, generator)

    with PhotoSource(scene, scene.train, "cpu", 2**30, 0) as photos:
        config = TrainingConfig(steps=STEPS, bf16=False)
        result = train(method, photos, config, after_step=partial(follow, photos.generator))
    return written, scene, method, result


def test_it_is_what_training_asks_for(trained):
    assert isinstance(trained[2], Method)


def test_unseen_views_are_drawn(trained):
    """Far better than what training began with (the first view is at the arc's end: photos on one side only)."""
    written, scene, method, result = trained
    fresh = Splat(CONFIG, method.context)
    begin(fresh, scene)
    for index in scene.test[1:]:
        expected, _, depth = draw(written.cameras[index])
        camera = scene.views[index].camera.moved(scene.scene_from_world)
        seen, at_first = method.render(camera), fresh.render(camera)
        there = depth > 0
        now, then = (psnr_of(each.rgb.numpy()[there], expected[there] / 255) for each in (seen, at_first))
        assert now > 15
        assert now > then + 3
        both = there & np.isfinite(seen.depth_scene.numpy())
        found = seen.depth_scene.numpy()[both] / scene.scene_from_world.scale
        assert both.sum() > 0.8 * there.sum()
        assert np.median(np.abs(found - depth[both])) < 0.06
    assert result.metrics["bad_steps"] == 0
    assert method.gaussians.count == CONFIG.gaussians.capacity  # it grew


def psnr_of(picture: np.ndarray, expected: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((picture - expected) ** 2)))


def test_a_bent_lens_sees_the_same_place(trained):
    """What a fisheye shows is what the pinhole shows, at the place its lens sends it to."""
    _, scene, method, _ = trained
    camera = scene.views[scene.test[0]].camera.moved(scene.scene_from_world)
    straight = method.render(camera).rgb
    unbent = method.render(replace(camera, distortion=(1e-9, 0, 0, 0, 0, 0, 0, 0))).rgb
    assert (straight - unbent)[2:-2, 2:-2].abs().mean() < 0.02
    bent = replace(camera, distortion=(-0.2, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    seen = method.render(bent)
    assert seen.rgb.shape == straight.shape
    middle = (slice(14, 22), slice(18, 30))
    assert (seen.rgb - straight)[middle].abs().mean() < 0.08
    assert (seen.rgb - straight).abs().mean() > (seen.rgb - straight)[middle].abs().mean()


def test_the_state_is_loaded_into_a_fresh_method(trained):
    _, scene, method, _ = trained
    fresh = Splat(CONFIG, method.context)
    fresh.load_state_dict(method.state_dict())
    assert fresh.gaussians.count == method.gaussians.count
    camera = scene.views[0].camera.moved(scene.scene_from_world)
    assert torch.equal(fresh.render(camera).rgb, method.render(camera).rgb)


def test_what_may_not_be_used_teaches_nothing():
    torch.manual_seed(1)
    method = Splat(CONFIG, MethodContext(photos=1))
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (60, 3)) + np.array([0, 0, 2])
    method.gaussians.begin(points, np.full((60, 3), 0.5))
    camera = Camera(np.eye(4), 32, 24, 30.0, 30.0, 16.0, 12.0)
    used = torch.zeros(24, 32, dtype=torch.bool)
    used[:, :16] = True

    def gradient(right: float) -> torch.Tensor:
        photo = torch.full((24, 32, 3), 0.7)
        photo[:, 16:] = right
        method.zero_grad()
        terms = method.loss(PhotoBatch(camera, photo, used), 0)
        (terms["l1"] + terms["similarity"]).backward()
        assert method.gaussians.colors_constant.grad is not None
        return method.gaussians.colors_constant.grad.clone()

    assert torch.equal(gradient(0.0), gradient(1.0))
    assert gradient(0.0).abs().sum() > 0
