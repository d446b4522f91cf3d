"""A model small enough to train in a test: it learns a photo's colour from the direction of a ray."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from langfield.core.cameras import Camera
from langfield.core.rays import Rays
from langfield.models.base import AskableView, Model, Rendered
from langfield.models.batches import ParamGroup, RayBatch
from langfield.models.config import ModelConfig, ModelContext
from langfield.runs.info import RunInfo
from langfield.training.config import TrainingConfig


@dataclass(frozen=True)
class ToyConfig(ModelConfig):
    width: int = 8


class ToyModel(Model):
    name = "toy"

    def __init__(self, config: ToyConfig = ToyConfig()) -> None:
        super().__init__(config, ModelContext(photos=1))
        generator = torch.Generator().manual_seed(1)
        self.first = nn.Parameter(torch.randn(3, config.width, generator=generator))
        self.second = nn.Parameter(torch.randn(config.width, 3, generator=generator))
        self.unused = nn.Parameter(torch.ones(2))

    def param_groups(self) -> list[ParamGroup]:
        schedule = {"lr": 1e-2, "lr_end": 1e-3, "lr_end_step": 150}
        return [
            ParamGroup("first", [self.first, self.unused], **schedule),
            ParamGroup("second", [self.second], **schedule, weight_decay=1e-4, rectified=True),
        ]

    def loss(self, batch: RayBatch, step: int) -> dict[str, torch.Tensor]:
        rgb = (batch.rays.directions @ self.first).tanh() @ self.second
        mse = torch.nn.functional.mse_loss(rgb, batch.targets["rgb"])
        terms = {"rgb": mse, "_mse": mse.detach()}
        if step % 3 == 0:
            terms["size"] = 1e-6 * self.first.square().sum()
        return terms

    def phase(self, step: int) -> bool:
        return step % 3 == 0

    @property
    def device(self) -> torch.device:
        return self.first.device

    @property
    def answers_phrases(self) -> bool:
        return False

    def render(self, camera: Camera, outputs: Sequence[str] = ()) -> Rendered:
        raise NotImplementedError

    def view(self, camera: Camera) -> AskableView:
        raise NotImplementedError


class ToyBatches:
    """Random directions; their colour is a smooth function of them."""

    recordable = True

    def __init__(self, rays: int = 32, device: str = "cpu") -> None:
        self.generator = torch.Generator(device)
        self.rays, self.device = rays, device
        self.seen: list[torch.Tensor] = []

    def batch(self, step: int) -> RayBatch:
        random = torch.randn(self.rays, 3, generator=self.generator, device=self.device)
        directions = torch.nn.functional.normalize(random, dim=-1)
        photo = torch.zeros(self.rays, dtype=torch.int64, device=self.device)
        self.seen.append(directions)
        rays = Rays(torch.zeros_like(directions), directions, photo, torch.ones_like(directions[:, 0]))
        return RayBatch(rays, {"rgb": 0.5 + 0.5 * torch.sin(2 * directions)})


class Poisoned(ToyModel):
    """Its loss is not finite at some calls, counted from 0 over everything (a step may come twice)."""

    def __init__(self, bad_calls, how="loss") -> None:
        super().__init__()
        self.bad_calls, self.how, self.calls = bad_calls, how, 0

    def phase(self, step: int) -> None:
        return None

    def loss(self, batch: RayBatch, step: int) -> dict[str, torch.Tensor]:
        terms = super().loss(batch, step)
        if self.calls in self.bad_calls:
            if self.how == "loss":
                terms["rgb"] = terms["rgb"] * float("nan")
            else:  # the gradient of √0 is infinite, 0 · ∞ is not a number: the loss itself stays finite
                terms["root"] = (self.first * 0).sum().sqrt()
        self.calls += 1
        return terms


def toy_info(config: TrainingConfig, **changes) -> RunInfo:
    info = RunInfo(
        seed=config.seed,
        model="toy",
        model_config={"width": 8},
        model_context={"photos": 1},
        training_config={"steps": config.steps, "rays": 32},
        encoders={},
        scene_path="toy",
        scene_fingerprint="00",
        scene_from_world=torch.eye(4, dtype=torch.float64).numpy(),
    )
    return replace(info, **changes)


def bits(tensors) -> dict[str, bytes]:
    return {name: tensor.detach().cpu().numpy().tobytes() for name, tensor in tensors.items()}
