"""What a training step of Gaussians waits for on the device: nothing that torch sees.

gsplat waits for the number of pairs of a tile and a Gaussian, by other means.
"""

import warnings

import numpy as np
import torch

from langfield.core.cameras import Camera
from langfield.core.devices import to_device_async
from langfield.fields.gaussians import GaussianConfig
from langfield.models.batches import Photo, PhotoBatch
from langfield.models.config import ModelContext
from langfield.models.gaussians.splat import Splat, SplatConfig


def waits_of(work) -> int:
    """How often `work` waits for the device, as far as torch sees it."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            torch.cuda.set_sync_debug_mode("warn")
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing" in str(warning.message) for warning in seen)


def test_the_loss_and_its_gradient_do_not_wait():
    rng, pose = np.random.default_rng(0), np.eye(4)
    pose[2, 3] = -2
    camera = Camera(pose, 64, 48, 60.0, 60.0, 32.0, 24.0)
    model = Splat(SplatConfig(GaussianConfig(capacity=500), photos_per_step=2), ModelContext(photos=1)).cuda()
    model.gaussians.init_from_points(rng.uniform(-0.5, 0.5, (500, 3)), rng.uniform(0, 1, (500, 3)))
    batch = PhotoBatch((Photo(0, camera, torch.full((48, 64, 3), 0.5, device="cuda")),) * 2)

    def step() -> None:
        terms = model.loss(batch, 3000)
        torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum().backward()

    step()  # compiles
    assert waits_of(step) == 0


def test_numbers_arrive_without_waiting():
    numbers = np.arange(12.0).reshape(3, 4)
    device = torch.device("cuda")
    to_device_async(numbers, device)
    arrived = []
    assert waits_of(lambda: arrived.extend(to_device_async(numbers + place, device) for place in range(50))) == 0
    for place, found in enumerate(arrived):
        assert torch.equal(found.cpu(), torch.from_numpy(numbers + place).float())
