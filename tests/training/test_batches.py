"""Batches say the same in all their parts: colour, ray, photo, crop angle and features are of one pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from langfield.core.cameras import Camera, Cameras
from langfield.core.rays import JITTER_COLUMNS
from langfield.core.transforms import Similarity
from langfield.data.pixels import PixelPool
from langfield.data.views import Scene, View
from langfield.features.bank import FeatureBank, FeatureReport
from langfield.features.dense import DenseFeatures
from langfield.features.pyramid import PyramidFeatures, PyramidRecipe
from langfield.features.targets import EncoderTargets
from langfield.training.batches import RaySource

SIZES = ((20, 30), (40, 24), (32, 32), (16, 48))
TRAIN = (1, 3)
GREY = 40
DIM, DENSE_DIM = 5, 3


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    """Photos whose colours are (x, y, GREY · view); the second of four and the last are for training."""
    root = tmp_path_factory.mktemp("scene")
    views = []
    for index, (width, height) in enumerate(SIZES):
        y, x = np.mgrid[:height, :width]
        Image.fromarray(np.stack([x, y, np.full_like(x, GREY * index)], axis=-1).astype(np.uint8)).save(
            root / f"{index}.png"
        )
        pose = np.eye(4)
        pose[:3, 3] = (index, 0.5 * index, -2.0)
        camera = Camera(pose, width, height, 30.0 + index, 25.0 + index, width / 2, height / 2)
        views.append(View(f"{index}.png", root / f"{index}.png", camera))
    frame = Similarity(np.eye(3), np.array([0.3, 0.0, 0.1]), 0.5)
    return Scene(root, "test", tuple(views), TRAIN, (0, 2), None, frame)


@pytest.fixture(scope="module")
def bank() -> FeatureBank:
    generator = torch.Generator().manual_seed(0)
    recipe = PyramidRecipe((0.2, 0.5, 0.9))
    levels = [recipe.levels(*SIZES[view]) for view in TRAIN]
    rows = torch.randn(sum(level.tiles for photo in levels for level in photo), DIM, generator=generator).half()
    grids = [(3, 4), (5, 2)]
    cells = torch.randn(22, DENSE_DIM, generator=generator).half()
    return FeatureBank(
        PyramidFeatures.from_rows(rows, TRAIN, levels, recipe),
        DenseFeatures.from_rows(cells, TRAIN, grids, [SIZES[view] for view in TRAIN]),
        FeatureReport(0, 0.0, 0),
    )


def source(scene, bank, rays=200, head_rays=None, seed=0) -> RaySource:
    wanted, cameras = frozenset({"rgb", "embedding", "dense"}), Cameras.from_list(scene.cameras_scene())
    targets = [] if bank is None else [EncoderTargets(bank, cameras, wanted)]
    batches = RaySource(scene, PixelPool(scene, TRAIN, "cpu", 1 << 20, seed=0), "cpu", rays, targets, head_rays)
    batches.generator.manual_seed(seed)
    return batches


def pixels_of(batch) -> tuple[torch.Tensor, torch.Tensor]:
    """View and xy, as the colours say."""
    numbers = (batch.targets["rgb"] * 255).round()
    return (numbers[:, 2] / GREY).long(), numbers[:, :2] + 0.5


def test_rays_go_through_the_pixels_that_the_colours_are_of(scene):
    batch = source(scene, None).batch(0)
    view, xy = pixels_of(batch)
    assert set(view.tolist()) == set(TRAIN)
    assert torch.equal(torch.tensor(TRAIN)[batch.rays.camera_index], view)
    cameras = Cameras.from_list(scene.cameras_scene())
    for index in TRAIN:
        of = view == index
        at = batch.rays.origins[of] + 3 * batch.rays.directions[of]
        seen, depth = cameras.project(index, at)
        torch.testing.assert_close(seen, xy[of], rtol=0, atol=1e-3)
        torch.testing.assert_close(depth, 3 * batch.rays.z_per_distance[of], rtol=1e-5, atol=1e-6)
    assert batch.targets.keys() == {"rgb"}


def test_features_are_of_the_pixels_at_the_level_that_the_crop_angle_says(scene, bank):
    batch = source(scene, bank).batch(0)
    view, xy = pixels_of(batch)
    cameras = [v.camera for v in scene.views]
    fraction = batch.targets["crop_angle"] * torch.tensor([cameras[v].fy_px / cameras[v].height_px for v in view])
    own = torch.stack([bank.pyramid.fraction[TRAIN.index(v)] for v in view])
    level = torch.tensor([np.interp(f, o, [0, 1, 2]) for f, o in zip(fraction, own, strict=True)]).float()
    torch.testing.assert_close(batch.targets["embedding"], bank.pyramid.sample(view, xy, level), rtol=1e-3, atol=1e-3)
    assert torch.equal(batch.targets["dense"], bank.dense.sample(view, xy))
    # Uniform over [0, 2]: 200 levels, so the mean is 1 within 4 standard errors of √(1/3/200).
    assert level.min() < 0.1
    assert level.max() > 1.9
    assert abs(float(level.mean()) - 1) < 0.17


@pytest.mark.parametrize(("asked", "given"), [(None, 64), (10, 10), (0, 0), (1000, 64)])
def test_the_first_rays_carry_the_features(scene, bank, asked, given):
    batch = source(scene, bank, rays=64, head_rays=asked).batch(0)
    view, xy = pixels_of(batch)
    assert batch.targets["rgb"].shape == (64, 3)
    assert batch.targets["embedding"].shape == (given, DIM)
    assert batch.targets["crop_angle"].shape == (given,)
    assert torch.equal(batch.targets["dense"], bank.dense.sample(view[:given], xy[:given]))
    assert batch.jitter.shape == (64, JITTER_COLUMNS)
    assert 0 <= batch.jitter.min() < batch.jitter.max() < 1


@pytest.mark.parametrize("head_photos", [None, (3,)])
def test_rays_with_targets_come_in_groups_by_photo_where_they_are_asked_for(scene, head_photos):
    """And what the other rays are of stays free."""
    pool = PixelPool(scene, TRAIN, "cpu", 1 << 20, seed=0)
    head_pool = None if head_photos is None else PixelPool(scene, head_photos, "cpu", 1 << 20, seed=0)
    batches = RaySource(scene, pool, "cpu", 256, (), 160, head_pool, head_rays_per_photo=16)
    batches.generator.manual_seed(0)
    view, _ = pixels_of(batches.batch(0))
    groups, rest = view[:160].reshape(-1, 16), view[160:].reshape(-1, 16)
    assert (groups == groups[:, :1]).all()
    assert set(groups[:, 0].tolist()) == set(TRAIN if head_photos is None else head_photos)
    assert (rest != rest[:, :1]).any()


def test_without_a_dense_encoder_there_are_no_dense_features(scene, bank):
    batch = source(scene, FeatureBank(bank.pyramid, None, bank.report)).batch(0)
    assert batch.targets.keys() == {"rgb", "embedding", "crop_angle"}


def test_the_generator_says_it_all(scene, bank):
    first, second, other = source(scene, bank), source(scene, bank), source(scene, bank, seed=1)
    first.batch(0)
    second.generator.set_state(first.generator.get_state())
    a, b, c = first.batch(1), second.batch(1), other.batch(1)
    of_a, of_b, of_c = ({**batch.targets, "jitter": batch.jitter} for batch in (a, b, c))
    assert of_a.keys() == of_b.keys() == of_c.keys() == {"rgb", "embedding", "crop_angle", "dense", "jitter"}
    for name in of_a:
        assert torch.equal(of_a[name], of_b[name])
        assert not torch.equal(of_a[name], of_c[name])
