"""Heads: what is learnt on top of a radiance field's geometry, each from one named target; and couplings of them.

A head or a coupling of one's own is a class and its config, in any module (`examples/new_head.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.config import TypedConfig
from langfield.features.photos import TrainingPhotos
from langfield.features.targets import TargetSource
from langfield.models.config import ModelContext
from langfield.renderers.volume import SurfaceSamples


@dataclass(frozen=True)
class HeadSamples:
    """The samples at which heads are evaluated in training: the S of greatest weight on each of R rays.

    Attributes:
        points: (R·S, 3) where they are, scene frame.
        features: (R·S, F) features of the feature grid there.
        distance_scene: (R, S) distance from the ray's origin, scene units.
        weights: (R, S) rendering weights, detached: heads do not change geometry.
    """

    points: Float[Tensor, "m 3"]
    features: Float[Tensor, "m f"]
    distance_scene: Float[Tensor, "r s"]
    weights: Float[Tensor, "r s"]


@dataclass(frozen=True)
class HeadOutput:
    """A head's values.

    Attributes:
        at_samples: (R, S, C) at each sample.
        rendered: (R, C) composited along each ray.
    """

    at_samples: Float[Tensor, "r s c"]
    rendered: Float[Tensor, "r c"]


class HeadConfig(TypedConfig, ABC):
    """Base of the heads' configs: dataclasses with a `type` of their own, which is also the head's name.

    A config builds its head and, for a target that no encoder makes, the source of the target. Importing the module
    that defines a config makes its `type` known; nothing has to be registered (`examples/new_head.py`).

    Attributes:
        target: name of the target that the head learns from.
        weight: weight of the head's loss.
    """

    target: ClassVar[str]
    weight: float

    @property
    def rays_per_photo(self) -> int | None:
        """How many rays in a row must be of one photo, for a loss that compares a photo's pixels; None for any other
        loss."""
        return None

    @abstractmethod
    def build(self, features: int, context: ModelContext) -> "Head | None":
        """The head on a feature grid.

        Args:
            features: size of the grid's feature vectors.
            context: of the model; `target_dims` says which targets there are, and their sizes.

        Returns None where there is no such target; the model is then built without the head.
        """

    def target_source(self, photos: TrainingPhotos, device: torch.device) -> TargetSource | None:
        """The source of the target; None for targets that encoders make ("embedding", "dense").

        Args:
            photos: those that have features, see `Model.target_sources`.
            device: where targets are needed.
        """
        return None


class Head(nn.Module, ABC):
    """What is learnt on top of a radiance field's geometry from one named target.

    Attributes:
        config: that it was built from.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @property
    def name(self) -> str:
        """The config's `type`: by it the head is rendered, its loss reported, its tensors saved."""
        return self.config.type

    @abstractmethod
    def at_samples(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Float[Tensor, "r s c"]:
        """The head's value at each sample.

        Args:
            targets: of the rays, by name, (R, …); a head may be conditioned on some ("crop_angle").
        """

    def composite(self, values: Float[Tensor, "r s c"], weights: Float[Tensor, "r s"]) -> Float[Tensor, "r c"]:
        """The value of each ray: Σ w v over its samples, unless the head overrides it."""
        return (weights[..., None] * values).sum(dim=1)

    @abstractmethod
    def loss(self, rendered: Float[Tensor, "r c"], targets: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """The loss of composited values against the target; the model multiplies it by the config's `weight`."""

    def target_source(self, photos: TrainingPhotos, device: torch.device) -> TargetSource | None:
        """The source of the target, see `HeadConfig.target_source`; a head may take what it has to know from it."""
        return self.config.target_source(photos, device)

    def forward(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> HeadOutput:
        """The head's values at samples and along their rays."""
        values = self.at_samples(samples, targets)
        return HeadOutput(values, self.composite(values, samples.weights))

    def picture(
        self, samples: SurfaceSamples, features: Callable[[slice], Float[Tensor, "m f"]]
    ) -> Float[Tensor, "r c"] | None:
        """The value of each ray of a picture; None for a head that needs a scale.

        Args:
            samples: those that carry the rays' weight.
            features: a function that reads a slice of the samples in the feature grid, (M, F).
        """
        return None


class CouplingConfig(TypedConfig, ABC):
    """Base of the couplings' configs: dataclasses with a `type` of their own.

    Attributes:
        weight: weight of the coupling's loss.
    """

    weight: float

    @abstractmethod
    def build(self) -> "Coupling":
        """The coupling, with parameters of its own if it has any."""


class Coupling(nn.Module, ABC):
    """A loss of several heads: for example, that one agrees with another.

    Attributes:
        name: by which its loss is reported.
        heads: names of the heads that it needs; where the model lacks one, it is built without the coupling.
        config: what it was built from.
    """

    name: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def conditions(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Mapping[str, Mapping[str, Tensor]]:
        """What heads are conditioned on for this coupling, where that is not what they learn at in this step.

        Returns, by the name of a head, the targets to replace ("crop_angle", …). The head is then evaluated a second
        time, with them.
        """
        return {}

    @abstractmethod
    def loss(
        self, outputs: Mapping[str, HeadOutput], samples: HeadSamples, targets: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        """The loss on a batch's rays; the model multiplies it by the config's `weight`.

        Args:
            outputs: of all heads that learn in this step, by name; of those in `conditions`, under these.
            samples: at which they were evaluated.
            targets: of the rays, by name, (R, …).
        """
