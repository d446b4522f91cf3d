"""Small voxels: found again at any point, as large as pixels, the same after a round trip."""

import numpy as np
import pytest
import torch

from langfield.groups.surface import GroupSurface, PixelSizedVoxels, SurfaceSums

CENTRES = np.array([[0.0, 0, 0], [0.4, 0, 0], [0, 0.4, 0]])
DIVISION = PixelSizedVoxels.seen_from(CENTRES, 0.01)


def wall(z: float, count: int = 4000, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(count, 2, generator=generator) - 0.5
    return torch.cat([xy, torch.full((count, 1), z)], dim=1)


def surface_of(*photos: torch.Tensor) -> GroupSurface:
    sums = SurfaceSums(DIVISION, "cpu")
    for points in photos:
        sums.add(points, torch.ones(len(points), dtype=torch.bool))
    return sums.surface()


def test_sides_are_octaves_near_what_is_wanted():
    points = torch.tensor([[0.1, 0.1, z] for z in (0.5, 1.0, 4.0, 30.0)])
    sides = DIVISION.sides(points)
    distance = np.sqrt(((points.numpy()[:, None] - CENTRES) ** 2).sum(axis=2).mean(axis=1))
    assert np.all(np.abs(np.log2(sides.numpy() / (0.01 * distance))) <= 0.5 + 1e-5)
    assert np.allclose(np.log2(sides.numpy()) % 1, 0)


def test_points_share_a_key_exactly_if_they_share_a_cell():
    points = wall(2.0)
    side = DIVISION.sides(points)
    cells = torch.cat([torch.floor(points / side[:, None]), side[:, None]], dim=1)
    _, by_cell = cells.unique(dim=0, return_inverse=True)
    _, by_key = DIVISION.keys(points).unique(return_inverse=True)
    pairs = set(zip(by_cell.tolist(), by_key.tolist(), strict=True))
    assert len(pairs) == int(by_key.max()) + 1 == int(by_cell.max()) + 1


def test_a_voxel_is_found_at_its_points_and_holds_their_mean():
    points = wall(2.0)
    surface = surface_of(points, points)
    voxel = surface.at(points)
    assert (voxel >= 0).all()
    assert (surface.at(points + torch.tensor([0, 0, 1.0])) == -1).all()
    assert (surface.at(torch.full((2, 3), torch.inf)) == -1).all()
    means = torch.zeros(len(surface), 3).index_add_(0, voxel, points) / voxel.bincount()[:, None]
    torch.testing.assert_close(surface.centres_scene, means, atol=1e-5, rtol=0)


def test_what_one_photo_alone_shows_is_not_there():
    both, alone = wall(2.0), wall(3.0, seed=1)
    surface = surface_of(torch.cat([both, alone]), both)
    assert (surface.at(both) >= 0).all()
    assert (surface.at(alone) == -1).all()
    assert len(surface_of(both)) > 0  # nothing but one photo: that is all there is


def test_interpolation_is_exact_for_constants_and_near_for_slopes():
    dense = wall(2.0, 60_000)
    surface = surface_of(dense, dense)
    inner = wall(2.0, 500, seed=3) * torch.tensor([0.8, 0.8, 1.0])
    voxel, weight = surface.around(inner)
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(500), atol=1e-5, rtol=0)
    slope = surface.centres_scene @ torch.tensor([1.0, -2.0, 0.0])
    side = float(surface.sides_scene.max())
    error = ((slope[voxel] * weight).sum(dim=1) - inner @ torch.tensor([1.0, -2.0, 0.0])).abs()
    assert error.max() < side
    _, away = surface.around(inner + torch.tensor([0, 0, 10 * side]))
    assert not away.any()


def test_a_surface_survives_a_round_trip():
    surface = surface_of(wall(2.0), wall(2.0, seed=5), wall(7.0, seed=6), wall(7.0, seed=6))
    again = GroupSurface.from_arrays(surface.arrays())
    assert again.division == surface.division
    for name in ("keys", "centres_scene", "sides_scene"):
        torch.testing.assert_close(getattr(again, name), getattr(surface, name), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"keys": lambda keys: keys[::-1].copy()}, "rise"),
        ({"keys": lambda keys: np.repeat(keys[:1], len(keys))}, "rise"),
        ({"keys": lambda keys: keys.astype(np.float64)}, "rise"),
        ({"keys": lambda keys: keys[:, None]}, "rise"),
        ({"keys": lambda keys: keys[1:]}, "centres"),
        ({"centres_scene": lambda centres: centres[:, :2]}, "centres"),
        ({"centres_scene": lambda centres: centres * np.float32(np.nan)}, "centres"),
        ({"division": lambda numbers: numbers[:4]}, "five numbers"),
        ({"division": lambda numbers: numbers * np.nan}, "five numbers"),
    ],
)
def test_arrays_that_are_no_surface_are_refused(damage, said):
    arrays = surface_of(wall(2.0), wall(2.0, seed=5)).arrays()
    ((name, change),) = damage.items()
    with pytest.raises(ValueError, match=said):
        GroupSurface.from_arrays(arrays | {name: change(arrays[name])})


def test_photos_points_lie_in_the_voxels_of_the_keys_that_they_get():
    sums, photos = SurfaceSums(DIVISION, "cpu"), [wall(2.0), wall(2.0, seed=1), wall(3.0, seed=2)]
    found = []
    for points in photos:
        shown = points[:, 0] < 0.3
        found.append(sums.add(torch.where(shown[:, None], points, torch.inf), shown))
        assert torch.equal(found[-1] >= 0, shown)
    surface = sums.surface()
    for points, keys in zip(photos, found, strict=True):
        expected = torch.where(points[:, 0] < 0.3, surface.at(points), -1)
        assert torch.equal(torch.where(keys >= 0, surface.find(keys), -1), expected)
    assert (surface.find(found[0]) >= 0).any()
    assert (surface.find(found[2]) == -1).all()  # one photo alone


def test_a_surface_that_nobody_saw_is_empty():
    sums = SurfaceSums(DIVISION, "cpu")
    sums.add(torch.full((5, 3), torch.nan), torch.zeros(5, dtype=torch.bool))
    assert len(sums.surface()) == 0
