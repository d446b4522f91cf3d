"""What a picture's pixels are given lies where they are, at any size of the picture."""

import numpy as np
import pytest
import torch
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import camera_at

from langfield.query.view_answers import VoxelInterpolator


@pytest.mark.parametrize(("width", "height"), [(64, 48), (320, 240), (481, 355), (640, 480), (1024, 768)])
def test_a_ramp_over_the_scene_is_a_ramp_over_the_picture(width: int, height: int):
    """Each voxel's value is its x; interpolated at pixels, it is the x of what the pixel shows."""
    made = session()
    camera = camera_at(0, 0, width, height)
    interpolator = VoxelInterpolator.for_view(made.model.view(camera), made._scene.index().voxels)
    stride = interpolator.stride
    x = interpolator.view.points_scene[:, 0].reshape(height, width)
    of_raster = x.reshape(-1)[interpolator.pixels].double()[:, None]
    inside = np.s_[stride : height - stride, stride : width - stride]
    torch.testing.assert_close(interpolator.upsampled(of_raster)[0][inside], x[inside], rtol=0, atol=1e-4)


@pytest.mark.parametrize("longest_px", [640, 1024])
def test_refined_relevancy_is_where_it_is_in_a_small_picture(longest_px: int):
    """A large picture's relevancy, read at the places of a small one's pixels, is the small one's: not shifted by half
    a raster cell. The middle of what stands out is where it is, to a tenth of a raster cell."""
    made, middles = session(), []
    for width in (160, longest_px):
        camera = camera_at(0, 0, width, width * 3 // 4).moved(WORLD_FROM_SCENE)
        refined = made.ask_view(camera, ["thing"]).refined[0].astype(np.float64)
        values = np.clip(refined - (refined.min() + refined.max()) / 2, 0, None)
        rows, columns = np.indices(values.shape) + 0.5
        middles.append(np.array([(values * columns).sum(), (values * rows).sum()]) / values.sum() / width)
    np.testing.assert_allclose(middles[0], middles[1], rtol=0, atol=0.1 / 160)
