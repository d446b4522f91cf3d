"""The Triton kernels of sparse codes on a GPU against dense features that gsplat draws and backprojects."""

import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import random_scene
from tests.ops.gaussians.test_sparse_splat import CODES, said, sparse_of

from langfield.ops.gaussians.pixel_mixtures import PixelMixtures
from langfield.ops.gaussians.projected import ProjectedGaussians

if torch.cuda.is_available():  # it imports Triton
    from langfield.ops.gaussians import rasterize_gsplat


@pytest.mark.parametrize("tile_px", [8, 16])
@pytest.mark.parametrize(("count", "keep", "opaque"), [(60, 4, False), (3000, 2, False), (3000, 1, True)])
def test_codes_are_drawn_and_lifted_as_dense_features_are(count: int, keep: int, opaque: bool, tile_px: int):
    gaussians, camera = random_scene(count, 1, seed=5, dtype=torch.float32)
    if opaque:
        gaussians[3][:] = 0.99  # light ends in the middle of a tile's Gaussians
    camera = camera.resized(203, 117)
    shape = [values.cuda() for values in gaussians[:4]]
    seen = rasterize_gsplat.project(*shape, camera, tile_px=tile_px)
    code, share = (values.cuda() for values in sparse_of(count, keep, torch.float32))
    found = seen.splat_codes(code, share.half(), CODES)
    expected = ProjectedGaussians.splat_codes(seen, code, share.half().float(), CODES)
    assert expected.norm() > 10
    assert (found - expected).norm() <= 1e-3 * expected.norm()
    pixels, first_row, *table = said(camera, keep, torch.float32)
    pixels = PixelMixtures(pixels.size_px, pixels.rows.cuda(), pixels.weights.cuda())
    given = pixels, first_row, *(values.cuda() for values in table)
    found, expected = torch.zeros(2, count, CODES, device="cuda")
    seen.lift_codes(*given, found)
    ProjectedGaussians.lift_codes(seen, *given, expected)
    assert expected.norm() > 10
    assert (found - expected).norm() <= 1e-3 * expected.norm()
