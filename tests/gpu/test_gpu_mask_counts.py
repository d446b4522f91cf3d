"""Masks as sets of surface voxels on a GPU: the same as on the CPU."""

import torch

from langfield.groups import mask_sets


def test_sets_are_the_cpus():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(70, 240, 320, generator=generator) < 0.3
    pixel_of_voxel = torch.randint(-1, 240 * 320, (6000,), generator=generator)
    slow, slow_seen = mask_sets(masks, pixel_of_voxel)
    fast, fast_seen = mask_sets(masks.cuda(), pixel_of_voxel.cuda())
    assert torch.equal(fast_seen.cpu(), slow_seen)
    assert torch.equal(fast.row.cpu(), slow.row)
    assert torch.equal(fast.column.cpu(), slow.column)
