"""Language in voxels: means against brute force, interpolation by hand, what was not seen, and files."""

import math

import pytest
import torch

from langfield.core.errors import TrainingError
from langfield.fields.encodings import contract
from langfield.fields.voxels import Observations, VoxelConfig, VoxelLanguage

DIM = 5


def unit(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, DIM, generator=generator), dim=-1)


def observed(seed: int, count: int = 40, levels: int = 3) -> Observations:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 3, generator=generator) - 0.5
    weights = torch.rand(count, generator=generator) * 0.5 + 0.5
    embedding = torch.stack([unit(count, 100 * seed + level) for level in range(levels)])
    scale = torch.stack([torch.full((count,), 0.1 * 2**level) * (1 + 0.2 * weights) for level in range(levels)])
    return Observations(points, weights, embedding, scale)


def filled(photos: list[Observations], **config) -> VoxelLanguage:
    voxels = VoxelLanguage(VoxelConfig(resolution=9, scales=3, **config), DIM)
    voxels.fill(lambda: iter(photos))
    return voxels


def embedding(voxels: VoxelLanguage, points: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    rows, weights = voxels.mix(points, scale)
    return (voxels.codes[rows].float() * weights[..., None]).sum(dim=1)


def test_codes_are_the_weighted_means_of_what_was_observed():
    photos = [observed(1), observed(2)]
    voxels = filled(photos, least_weight=0.0)
    side = 9
    sums: dict[tuple[int, int], torch.Tensor] = {}
    log_scales = voxels.scales.log()
    for photo in photos:
        for level in range(3):
            for n in range(len(photo.points)):
                at = contract(photo.points[n : n + 1])[0] * (side - 1)
                place = (photo.scale_scene[level, n].log() - log_scales[0]) / (log_scales[1] - log_scales[0])
                place = float(place.clamp(0, 2))
                for corner in range(8):
                    offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
                    low = at.floor().clamp(max=side - 2)
                    share = float(torch.where(offset.bool(), at - low, 1 - (at - low)).prod())
                    x, y, z = (low.long() + offset).tolist()
                    for scale in (math.floor(min(place, 1.999)), math.floor(min(place, 1.999)) + 1):
                        weight = share * float(photo.weights[n]) * max(0.0, 1 - abs(place - scale))
                        key = ((z * side + y) * side + x, scale)
                        sums[key] = sums.get(key, torch.zeros(DIM)) + weight * photo.embedding[level, n]
    checked = 0
    for (key, scale), total in sums.items():
        row = int(torch.searchsorted(voxels.keys, key)) * 3 + scale
        if total.norm() > 1e-3:
            mean = torch.nn.functional.normalize(total, dim=0)
            torch.testing.assert_close(voxels.codes[row].float(), mean, rtol=0, atol=2e-3)
            checked += 1
    assert checked > 60


def test_one_embedding_everywhere_is_found_at_every_scale_and_point():
    photo = observed(3)
    same = unit(1, 7)[0]
    voxels = filled([Observations(photo.points, photo.weights, same.expand_as(photo.embedding), photo.scale_scene)])
    for scale in (0.001, 0.17, 50.0):
        found = embedding(voxels, photo.points, torch.full((len(photo.points),), scale))
        near = found.norm(dim=-1) > 0
        assert near.float().mean() > 0.9
        torch.testing.assert_close(found[near], same.expand_as(found[near]), rtol=0, atol=2e-3)


def test_between_two_scales_embeddings_are_mixed_in_the_logarithm():
    point = torch.zeros(1, 3)
    one, other = unit(2, 9)
    scales = torch.tensor([[0.1], [0.4]])
    voxels = VoxelLanguage(VoxelConfig(resolution=9, scales=2, least_weight=0.0), DIM)
    voxels.fill(lambda: iter([Observations(point, torch.ones(1), torch.stack([one[None], other[None]]), scales)]))
    low, high = voxels.scales.tolist()
    quarter = torch.tensor([low * (high / low) ** 0.25])
    ends = [embedding(voxels, point, torch.tensor([s]))[0] for s in (low, high)]
    torch.testing.assert_close(embedding(voxels, point, quarter)[0], 0.75 * ends[0] + 0.25 * ends[1], rtol=0, atol=2e-3)


def test_far_from_what_was_observed_nothing_is_said():
    voxels = filled([observed(4)])
    rows, weights = voxels.mix(torch.tensor([[0.0, 0.0, 30.0]]), torch.tensor([0.2]))
    assert not weights.any()
    assert rows.max() < len(voxels.codes)


def test_corners_that_hardly_anything_was_seen_at_are_dropped():
    photos = [observed(5)]
    assert len(filled(photos, least_weight=0.5).keys) < len(filled(photos, least_weight=0.0).keys)


def test_a_corner_unseen_at_a_scale_takes_the_nearest_scale():
    near, far = torch.zeros(1, 3), torch.full((1, 3), 0.9)
    one, other = unit(2, 11)[:, None, None].unbind(0)
    photos = [
        Observations(near, torch.ones(1), one, torch.tensor([[0.1]])),
        Observations(far, torch.ones(1), other, torch.tensor([[1.0]])),
    ]
    voxels = filled(photos, least_weight=0.0)
    torch.testing.assert_close(embedding(voxels, near, torch.tensor([1.0])), one[0], rtol=0, atol=2e-3)
    torch.testing.assert_close(embedding(voxels, far, torch.tensor([0.1])), other[0], rtol=0, atol=2e-3)


def test_a_saved_state_of_any_length_is_loaded():
    voxels = filled([observed(6)])
    fresh = VoxelLanguage(voxels.config, DIM)
    fresh.load_state_dict(voxels.state_dict())
    for name, tensor in voxels.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    other = VoxelLanguage(voxels.config, DIM + 1)
    with pytest.raises(RuntimeError, match="codes"):
        other.load_state_dict(voxels.state_dict())


def test_nothing_observed_is_an_error():
    with pytest.raises(TrainingError, match="no photo shows a surface"):
        VoxelLanguage(VoxelConfig(), DIM).fill(lambda: iter([]))
