"""Gaussians trained on photos: they learn a scene, any lens sees them, and their state is loaded again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.data.scenes import draw, write_ball_scene

from langfield.core.cameras import Camera
from langfield.data.scene import Scene, open_scene
from langfield.fields.gaussians import GaussianConfig
from langfield.models.base import Model
from langfield.models.batches import Photo, PhotoBatch
from langfield.models.config import ModelContext
from langfield.models.gaussians.adaptive_density import AdaptiveDensity, AdaptiveDensityConfig
from langfield.models.gaussians.exposure import Exposure
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.training.config import TrainingConfig
from langfield.training.loop import train
from langfield.training.photos import PhotoSource

GROWTH = MCMCConfig(refine_start=40, refine_every=20, refine_stop=150, growth_factor=1.1, noise_lr=10.0)
# A few hundred steps on tiny pictures: rates are ten times 3DGS's.
CONFIG = SplatConfig(
    GaussianConfig(capacity=1200, sh_degree=1, init_scale=0.5),
    GROWTH,
    sh_degree_every=60,
    opacity_weight=1e-3,
    scale_weight=1e-3,
    means_lr=2e-3,
    scales_lr=2e-2,
    rotations_lr=5e-3,
    sh0_lr=2e-2,
    shN_lr=2e-3,
    lr_steps=200,
)
STEPS = 200


def begin(model: Splat, scene: Scene) -> None:
    assert scene.points is not None
    points = scene.scene_from_world.points(scene.points.xyz.astype(float))
    model.gaussians.init_from_points(points, scene.points.rgb / 255)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("balls")
    written = write_ball_scene(folder, n_views=25, width_px=48, height_px=36, n_points=800)
    scene = open_scene(folder)
    torch.manual_seed(0)
    model = Splat(CONFIG, ModelContext(photos=len(scene.train)))
    begin(model, scene)

    with PhotoSource(scene, scene.train, "cpu", 2**30, 0) as photos:
        config = TrainingConfig(steps=STEPS, bf16=False)
        result = train(model, photos, config)
    return written, scene, model, result


def test_it_is_what_training_asks_for(trained):
    assert isinstance(trained[2], Model)


def test_unseen_views_are_drawn(trained):
    """Far better than what training began with (the first view is at the arc's end: photos on one side only)."""
    written, scene, model, result = trained
    fresh = Splat(CONFIG, model.context)
    begin(fresh, scene)
    for index in scene.test[1:]:
        expected, _, depth = draw(written.cameras[index])
        camera = scene.views[index].camera.moved(scene.scene_from_world)
        seen, at_first = model.render(camera), fresh.render(camera)
        there = depth > 0
        now, then = (psnr_of(each.rgb.numpy()[there], expected[there] / 255) for each in (seen, at_first))
        assert now > 15
        assert now > then + 3
        both = there & np.isfinite(seen.depth_scene.numpy())
        found = seen.depth_scene.numpy()[both] / scene.scene_from_world.scale
        assert both.sum() > 0.8 * there.sum()
        assert np.median(np.abs(found - depth[both])) < 0.06
    assert result.metrics["bad_steps"] == 0
    assert model.gaussians.count == CONFIG.gaussians.capacity  # it grew


def psnr_of(picture: np.ndarray, expected: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((picture - expected) ** 2)))


def test_a_bent_lens_sees_the_same_place(trained):
    """What a fisheye shows is what the pinhole shows, at the place its lens sends it to."""
    _, scene, model, _ = trained
    camera = scene.views[scene.test[0]].camera.moved(scene.scene_from_world)
    straight = model.render(camera).rgb
    unbent = model.render(replace(camera, distortion=(1e-9, 0, 0, 0, 0, 0, 0, 0))).rgb
    assert (straight - unbent)[2:-2, 2:-2].abs().mean() < 0.02
    bent = replace(camera, distortion=(-0.2, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    seen = model.render(bent)
    assert seen.rgb.shape == straight.shape
    middle = (slice(14, 22), slice(18, 30))
    assert (seen.rgb - straight)[middle].abs().mean() < 0.08
    assert (seen.rgb - straight).abs().mean() > (seen.rgb - straight)[middle].abs().mean()


def test_the_state_is_loaded_into_a_fresh_method(trained):
    _, scene, model, _ = trained
    fresh = Splat(CONFIG, model.context)
    fresh.load_state_dict(model.state_dict())
    assert fresh.gaussians.count == model.gaussians.count
    camera = scene.views[0].camera.moved(scene.scene_from_world)
    assert torch.equal(fresh.render(camera).rgb, model.render(camera).rgb)


def test_what_may_not_be_used_teaches_nothing():
    torch.manual_seed(1)
    model = Splat(CONFIG, ModelContext(photos=1))
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (60, 3)) + np.array([0, 0, 2])
    model.gaussians.init_from_points(points, np.full((60, 3), 0.5))
    camera = Camera(np.eye(4), 32, 24, 30.0, 30.0, 16.0, 12.0)
    used = torch.zeros(24, 32, dtype=torch.bool)
    used[:, :16] = True

    def gradient(right: float) -> torch.Tensor:
        photo = torch.full((24, 32, 3), 0.7)
        photo[:, 16:] = right
        model.zero_grad()
        terms = model.loss(PhotoBatch((Photo(0, camera, photo, used),)), 0)
        (terms["l1"] + terms["similarity"]).backward()
        assert model.gaussians.sh0.grad is not None
        return model.gaussians.sh0.grad.clone()

    assert torch.equal(gradient(0.0), gradient(1.0))
    assert gradient(0.0).abs().sum() > 0


def seen_scene(seed: int = 1, **changes) -> tuple[Splat, list[Photo]]:
    """A model whose Gaussians fill the view of two cameras, and a photo by each that shows something else."""
    torch.manual_seed(seed)
    model = Splat(replace(CONFIG, **changes), ModelContext(photos=2))
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.6, 0.6, (300, 3)) + np.array([0, 0, 2])
    model.gaussians.init_from_points(points, rng.uniform(0, 1, (300, 3)))
    beside = np.eye(4)
    beside[0, 3] = 0.2
    cameras = [Camera(np.eye(4), 32, 24, 30.0, 30.0, 16.0, 12.0), Camera(beside, 20, 28, 25.0, 25.0, 10.0, 14.0)]
    photos = [Photo(i, c, torch.rand(c.height_px, c.width_px, 3)) for i, c in enumerate(cameras)]
    return model, photos


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("one_size", [False, True])
def test_the_loss_of_several_photos_is_their_mean_and_so_is_its_gradient(one_size: bool, masked: bool):
    """Photos of one size are compared together; of those, one may have a mask and another none."""
    model, photos = seen_scene()
    if one_size:
        camera = replace(photos[1].camera, width_px=32, height_px=24)
        photos[1] = Photo(1, camera, torch.rand(24, 32, 3))
    if masked:
        used = torch.rand(photos[1].rgb.shape[:2]) < 0.6
        photos[1] = replace(photos[1], mask=used)

    def of(*batch: Photo) -> tuple[dict[str, float], list[torch.Tensor]]:
        model.zero_grad()
        terms = model.loss(PhotoBatch(batch), 100)
        torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return {name: value.item() for name, value in terms.items()}, gradients

    (one, by_one), (two, by_two), (both, by_both) = of(photos[0]), of(photos[1]), of(*photos)
    assert both.keys() == {"l1", "similarity", "opacity", "scale", "_mse"}
    for name, value in both.items():
        assert value == pytest.approx((one[name] + two[name]) / 2, rel=1e-5)
    assert one["l1"] != pytest.approx(two["l1"], rel=1e-3)
    for first, second, mean in zip(by_one, by_two, by_both, strict=True):
        torch.testing.assert_close((first + second) / 2, mean, rtol=1e-4, atol=1e-7)


def test_half_precision_does_not_reach_the_loss():
    model, photos = seen_scene()
    plain = model.loss(PhotoBatch(tuple(photos)), 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = model.loss(PhotoBatch(tuple(photos)), 0)
    assert all(torch.equal(plain[name], inside[name]) for name in plain)


def test_rates_are_those_of_one_photo_times_the_root_of_their_number():
    one, four = (seen_scene(photos_per_step=n, exposure=True)[0].param_groups() for n in (1, 4))
    assert [group.name for group in one] == [
        "means", "scales", "rotations", "opacities", "sh0", "shN", "exposure"
    ]  # fmt: skip
    for a, b in zip(one, four, strict=True):
        assert (b.lr, b.lr_end) == (pytest.approx(2 * a.lr), pytest.approx(2 * a.lr_end))


def test_exposure_explains_photos_that_differ_in_brightness():
    """Photos of what the Gaussians show, each through its own affine map: with those maps the loss is next to nothing,
    without them it is large; and what is drawn for people is the place itself."""
    model, photos = seen_scene(exposure=True)
    plain = seen_scene()[0]
    assert model.exposure is not None
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("exposure.")})
    change = 0.2 * torch.eye(3, 4) + 0.05 * torch.rand(3, 4, generator=torch.Generator().manual_seed(3))
    maps = torch.eye(3, 4) + torch.stack([change, -change])
    truth = [plain._pictures(PhotoBatch((photo,)), 10_000)[0].detach() for photo in photos]
    through = [
        PhotoBatch((replace(photo, rgb=place @ m[:, :3].T + m[:, 3]),))
        for photo, place, m in zip(photos, truth, maps, strict=True)
    ]
    before = [model.loss(batch, 10_000)["l1"] for batch in through]
    with torch.no_grad():
        model.exposure.affine.copy_(maps)
    for batch, unexplained in zip(through, before, strict=True):
        assert model.loss(batch, 10_000)["l1"] < 1e-6
        assert plain.loss(batch, 10_000)["l1"] == unexplained > 0.02
    for photo, place in zip(photos, truth, strict=True):
        shown = model.render(photo.camera).rgb
        assert torch.equal(shown, plain.render(photo.camera).rgb)
        # Drawn with depth beside the colours, and without: products of other widths, which round otherwise.
        torch.testing.assert_close(shown, place.clamp(0, 1), rtol=0, atol=2e-7)


def test_exposures_cannot_drift_off_together():
    """What all maps have in common is the place's, so that it is not learnt, and changes nothing where it is there."""
    exposure, picture = Exposure(3), torch.rand(4, 5, 3)
    with torch.no_grad():
        exposure.affine += torch.rand(3, 3, 4)
    seen = exposure(picture, 1)
    (seen**2).mean().backward()
    assert exposure.affine.grad is not None
    torch.testing.assert_close(exposure.affine.grad.sum(dim=0), torch.zeros(3, 4), rtol=0, atol=1e-7)
    torch.testing.assert_close(exposure.maps().mean(dim=0), torch.eye(3, 4))
    with torch.no_grad():
        exposure.affine += torch.rand(3, 4)
    torch.testing.assert_close(exposure(picture, 1), seen)
    alone = Exposure(1)
    with torch.no_grad():
        alone.affine += 1
    torch.testing.assert_close(alone(picture, 0), picture)


def test_exposure_of_one_photo_is_taught_by_that_photo():
    model, photos = seen_scene(exposure=True)
    assert model.exposure is not None
    assert torch.equal(model.exposure.maps(), torch.eye(3, 4).expand(2, 3, 4))
    terms = model.loss(PhotoBatch((photos[1],)), 0)
    (terms["l1"] + terms["similarity"]).backward()
    gradient = model.exposure.affine.grad
    assert gradient is not None
    assert gradient[1].any()
    torch.testing.assert_close(gradient[0], -gradient[1])


def test_only_what_needs_them_has_exposures_and_gradient_counts():
    plain = set(seen_scene()[0].state_dict())
    both = set(seen_scene(exposure=True, strategy=AdaptiveDensityConfig())[0].state_dict())
    assert both - plain == {"exposure.affine", "strategy.grad2d", "strategy.count"}


def test_means2d_are_kept_while_they_are_needed():
    model, photos = seen_scene(strategy=AdaptiveDensityConfig(refine_stop=10))
    for step, expected in ((9, 2), (10, 0)):
        model.loss(PhotoBatch(tuple(photos)), step)["l1"].backward()
        assert len(model.means2d) == expected
    plain, photos = seen_scene()
    plain.loss(PhotoBatch(tuple(photos)), 0)
    assert not plain.means2d


def test_gradients_do_not_depend_on_how_many_photos_a_step_has():
    """Each photo's part of a mean is as small as there are photos; that is taken back."""
    means = []
    for batches in (((0,), (1,)), ((0, 1),)):
        model, photos = seen_scene(strategy=AdaptiveDensityConfig())
        assert isinstance(model.strategy, AdaptiveDensity)
        for numbers in batches:
            terms = model.loss(PhotoBatch(tuple(photos[i] for i in numbers)), 0)
            (terms["l1"] + terms["similarity"]).backward()
            model.strategy.accumulate(model.means2d, torch.tensor(False))
        means.append(model.strategy.mean_grad2d(model.gaussians.count))
    assert means[0].any()
    torch.testing.assert_close(means[0], means[1], rtol=1e-4, atol=1e-9)
