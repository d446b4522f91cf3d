"""Groups on a GPU: the same numbers as on the CPU, bit for bit."""

import numpy as np
import pytest
import torch
from tests.groups.made_scenes import Errors, made_photos, made_scene

from langfield.groups.agreement import MaskTable
from langfield.groups.consensus import groups_of_masks
from langfield.groups.embeddings import masks_of_groups, mean_group_embeddings
from langfield.groups.pieces import pieces_of_groups, without_specks
from langfield.groups.surface import PixelSizedVoxels, SurfaceSums
from langfield.models.geometry import shows_one_surface


@pytest.fixture(scope="module")
def photos():
    return made_photos(made_scene(seed=1, thing_count=6), 12, Errors())


def test_groups_are_the_cpus(photos):
    slow, fast = (MaskTable.of_photos(photos, device) for device in ("cpu", "cuda"))
    groups = groups_of_masks(slow)
    assert len(groups) > 5
    for name, values in groups_of_masks(fast).arrays().items():
        np.testing.assert_array_equal(values, groups.arrays()[name])
    vectors = np.random.default_rng(0).normal(size=(len(slow), 16)).astype(np.float16)
    seen, expected = (mean_group_embeddings(masks_of_groups(table, groups), vectors) for table in (fast, slow))
    np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_pieces_are_the_cpus(photos):
    rng = np.random.default_rng(0)
    points, group = rng.uniform(-1, 1, (20_000, 3)), np.sort(rng.integers(0, 20, 20_000))
    reach = rng.uniform(0.02, 0.1, 20)
    slow, fast = (pieces_of_groups(points, group, reach, device) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(fast, slow)
    scene, groups = made_scene(seed=1, thing_count=6), groups_of_masks(MaskTable.of_photos(photos))
    sides = np.full(len(scene.centres), 0.015)
    slow, fast = (without_specks(groups.members, scene.centres, sides, device) for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(fast.toarray(), slow.toarray())


def test_the_surface_is_the_cpus():
    division = PixelSizedVoxels.seen_from(np.array([[0.0, 0, 0], [0.4, 0, 0], [0, 0.4, 0]]), 0.01)
    generator = torch.Generator().manual_seed(0)
    found = []
    for device in ("cpu", "cuda"):
        generator.manual_seed(0)
        sums = SurfaceSums(division, device)
        for _ in range(3):
            points = torch.rand(50_000, 3, generator=generator) + torch.tensor([0, 0, 1.0])
            sums.add(points.to(device), torch.rand(50_000, generator=generator).to(device) < 0.9)
        found.append(sums.surface())
    slow, fast = found
    # A point at the border between two octaves or cells may be in either.
    assert len(np.setxor1d(slow.keys.numpy(), fast.keys.cpu().numpy())) < 0.001 * len(slow)
    same = slow.find(fast.keys.cpu())
    known = same >= 0
    torch.testing.assert_close(slow.centres_scene[same[known]], fast.centres_scene.cpu()[known], atol=1e-3, rtol=0)


def test_pixels_of_one_surface_are_the_cpus():
    depth = 1 + torch.rand(60, 80, generator=torch.Generator().manual_seed(0)) ** 8
    depth[5, 7], depth[9, 9] = torch.inf, 0
    assert torch.equal(shows_one_surface(depth.cuda()).cpu(), shows_one_surface(depth))
