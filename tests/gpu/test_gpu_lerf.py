"""LERF on a GPU: the same losses as on a CPU, recorded steps that train, and answers from less memory."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.models.batches import RayBatch
from langfield.models.config import ModelContext
from langfield.models.nerf.lerf import Lerf
from langfield.models.presets import NANO
from langfield.renderers.samplers.proposal import ProposalSamplerConfig
from langfield.training.config import TrainingConfig
from langfield.training.loop import train

NANO_SAMPLER = NANO.sampler
assert isinstance(NANO_SAMPLER, ProposalSamplerConfig)
CONFIG = replace(NANO, sampler=replace(NANO_SAMPLER, anneal_steps=20))
CONTEXT = ModelContext(photos=2, target_dims={"embedding": 8})
CAMERA = Camera(torch.eye(4).double().numpy(), 16, 16, 16.0, 16.0, 8.0, 8.0)


class Batches:
    """Red on the left, blue on the right, and an embedding for each."""

    recordable = True

    def __init__(self, device: str) -> None:
        self.generator = torch.Generator(device)
        self.device = device
        self.cameras = Cameras.from_list([CAMERA, CAMERA], device)

    def batch(self, step: int) -> RayBatch:
        def uniform(*shape: int) -> torch.Tensor:
            return torch.rand(shape, generator=self.generator, device=self.device)

        pixels = uniform(512, 2) * 16
        left = (pixels[:, :1] < 8).float()
        rays = self.cameras.rays((uniform(512) * 2).long(), pixels)
        sides = torch.cat([0.9 * left, 0 * left, 0.9 * (1 - left)], dim=-1)
        embedding = torch.cat([left[:128], 1 - left[:128], torch.zeros(128, 6, device=self.device)], dim=-1)
        targets = {"rgb": sides, "embedding": embedding, "crop_angle": uniform(128) * 0.5}
        return RayBatch(rays, targets, uniform(512, 4))


def on_gpu(part: Any) -> Any:
    """A dataclass of tensors (and of dictionaries of them, and of such dataclasses) with everything on the GPU."""
    if part is None or isinstance(part, torch.Tensor):
        return None if part is None else part.cuda()
    if isinstance(part, dict):
        return {name: on_gpu(value) for name, value in part.items()}
    return type(part)(**{f.name: on_gpu(getattr(part, f.name)) for f in fields(part)})


def test_losses_are_those_of_the_cpu():
    torch.manual_seed(0)
    model = Lerf(CONFIG, CONTEXT)
    batch = Batches("cpu").batch(0)
    expected = model.loss(batch, 30)
    model.cuda()
    moved = on_gpu(batch)
    found = model.loss(moved, 30)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].cpu(), value, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_it_trains_with_and_without_recorded_steps(cuda_graphs: bool):
    torch.manual_seed(0)
    model = Lerf(CONFIG, CONTEXT).cuda()
    result = train(model, Batches("cuda"), TrainingConfig(steps=300, rays=512, cuda_graphs=cuda_graphs))
    assert result.metrics["psnr"] > 25
    assert result.metrics["bad_steps"] == 0
    view, samples = model.surface(CAMERA)
    assert view.rgb is not None
    assert view.rgb[:, :6, 0].mean() > 0.7
    assert view.rgb[:, 10:, 2].mean() > 0.7
    assert samples is not None
    embedding = model.embed(samples, torch.full((256,), 0.2, device="cuda")).reshape(16, 16, 8)
    assert embedding[:, :6, 0].mean() > 0.9
    assert embedding[:, 10:, 1].mean() > 0.9
