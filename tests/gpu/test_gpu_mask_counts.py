"""Masks as shares of surface voxels on a GPU: the same numbers as on the CPU, bit for bit."""

import numpy as np
import torch

from langfield.groups import count_mask_voxels


def test_shares_are_the_cpus():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(70, 240, 320, generator=generator) < 0.3
    voxel_of_pixel = torch.randint(-1, 5000, (240, 320), generator=generator)
    slow, slow_seen = count_mask_voxels(masks, voxel_of_pixel, 6000)
    fast, fast_seen = count_mask_voxels(masks.cuda(), voxel_of_pixel.cuda(), 6000)
    np.testing.assert_array_equal(fast_seen, slow_seen)
    np.testing.assert_array_equal(fast.toarray(), slow.toarray())
