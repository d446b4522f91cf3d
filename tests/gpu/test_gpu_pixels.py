"""The pixel pool on a GPU: drawing pixels waits for nothing."""

import torch
from tests.data.test_pixels import ball_scene

from langfield.data.pixels import PixelPool


def test_sampling_never_waits_for_the_device(tmp_path):
    scene = ball_scene(tmp_path, 3, mixed=True, masks=True)
    pool = PixelPool(scene, range(3), "cuda", 1 << 20, seed=0)
    pool.prepare(0)
    device_generator = torch.Generator("cuda").manual_seed(0)
    pool.sample(10, device_generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sample = pool.sample(4096, device_generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sample.rgb.device.type == "cuda"
