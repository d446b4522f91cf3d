"""Points of depth maps: those of pinholes, worked out by rows and columns, are those of the rays."""

from dataclasses import replace

import numpy as np
import torch

from langfield.core.cameras import Camera
from langfield.models.geometry import distance_and_points, of_pinhole


def test_a_pinholes_points_are_those_of_its_rays():
    camera = Camera.looking_at((1.0, -2.0, 0.5), (0.2, 0.1, 0.0), (0, 0, 1), width_px=37, height_px=23, focal_px=30)
    camera = replace(camera, cx_px=15.0, fy_px=28.0)
    depth = torch.rand(23, 37, generator=torch.Generator().manual_seed(0)) + 1
    depth[3, 4] = torch.inf
    for found, expected in zip(of_pinhole(depth, camera), distance_and_points(depth, camera), strict=True):
        known = expected.isfinite().reshape(len(expected), -1).all(dim=1)
        assert torch.equal(found.isfinite().reshape(len(found), -1).all(dim=1), known)
        assert np.flatnonzero(~known.numpy()).tolist() == [3 * 37 + 4]
        torch.testing.assert_close(found[known], expected[known], rtol=1e-5, atol=1e-5)
