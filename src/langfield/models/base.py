"""What a model is: the protocol that training, runs, queries and pipelines know. Nobody above asks what kind one is.

A `Model` learns from batches with named targets, finishes in closed form if it has to, renders cameras, and gives an
`AskableView` of any camera. What is learnt on top of its geometry is a `Head`; a loss that ties heads together is a
`Coupling`. A model that is made of things in space gives them as `Elements`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.core.config import TypedConfig
from langfield.core.errors import UsageError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.features.targets import TargetSource
from langfield.models.batches import OptimiserAccess, ParamGroup
from langfield.models.config import ModelContext
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.volume import SurfaceSamples

PIXELS_AT_ONCE = 2**17


# -- what a model gives ----------------------------------------------------------------------------------------------


@dataclass
class Rendered:
    """What a model shows for one camera: arrays of the picture's size, on the model's device.

    Attributes:
        rgb: (H, W, 3) in [0, 1].
        alpha: (H, W) in [0, 1].
        depth_scene: (H, W) z-depth in scene units; infinite where nothing is.
        channels: pictures of heads by name, (H, W, C).
    """

    rgb: Float[Tensor, "h w 3"] | None = None
    alpha: Float[Tensor, "h w"] | None = None
    depth_scene: Float[Tensor, "h w"] | None = None
    channels: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Elements:
    """N things in space that a model is made of.

    Attributes:
        positions_scene: (N, 3) their centres.
        splats: the same as Gaussians in another frame, given the similarity into it from the scene frame.
    """

    positions_scene: Float[Tensor, "n 3"]
    splats: Callable[[Similarity], Splats]


@runtime_checkable
class AskedPixels(Protocol):
    """Some pixels of a view, ready to be asked at many scales."""

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings, each pixel at its own scale (height of a crop there, scene units); 0 where there is none."""
        ...

    def at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """Each pixel at its own scale, ready to be asked for the relevancy of several groups of phrases."""
        ...


@dataclass(frozen=True)
class AskableView(ABC):
    """One camera of a model, rendered once, to be asked for phrases at any pixels and scales.

    Attributes:
        camera: in the scene frame.
        rendered: rgb, alpha, depth.
        distance_scene: (H·W,), along each pixel's ray; infinite where nothing is.
        points_scene: (H·W, 3) what each pixel shows.
        pixels_at_once: so many are asked together, for memory's sake.
    """

    pixels_at_once: ClassVar[int] = PIXELS_AT_ONCE

    camera: Camera
    rendered: Rendered
    distance_scene: Float[Tensor, " r"]
    points_scene: Float[Tensor, "r 3"]

    @property
    def pixels(self) -> int:
        return self.camera.width_px * self.camera.height_px

    @abstractmethod
    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> AskedPixels:
        """Some pixels, by increasing flat index."""

    @abstractmethod
    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        """Relevancy maps with each pixel at its own scale."""

    def crop_level_relevancy(self, phrases: EncodedPhrases, observed: ObservedScales) -> Float[Tensor, "l p h w"]:
        """Raw relevancy maps at each of the model's own crop levels, from the smallest crops to the largest.

        Fields have the levels of `observed`; Gaussians those that language was lifted at. Cost here: L evaluations of
        the picture.
        """
        size = self.camera.height_px, self.camera.width_px
        distance = observed.typical_distance(self.points_scene)
        out = torch.empty(len(observed.crop_angles), len(phrases), self.pixels, device=distance.device)
        for part in torch.arange(self.pixels, device=distance.device).split(self.pixels_at_once):
            asked = self.of_pixels(part)
            for level, angle in enumerate(observed.crop_angles):
                out[level, :, part] = asked.at(angle * distance[part])(phrases).T
        return out.unflatten(-1, size)

    def quick_relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "p h w"] | None:
        """The quickest relevancy maps that can be drawn, for looking around; None where there is no such short cut."""
        return None

    def boundary_features(self, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q s"] | None:
        """Features of some pixels (by increasing flat index) that are alike within a thing and differ between things;
        None where the model holds none."""
        return None


# -- what is learnt on top of geometry -------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeadSamples:
    """Where the heads of a radiance field are asked: S samples on each of R rays, the heaviest ones.

    Attributes:
        features: (R·S, F) of the feature grid there.
        distance_scene: (R, S) from the ray's origin.
        weights: (R, S) rendering weights, without gradient: heads do not move geometry.
    """

    features: Float[Tensor, "m f"]
    distance_scene: Float[Tensor, "r s"]
    weights: Float[Tensor, "r s"]


@dataclass(frozen=True)
class HeadOutput:
    """What a head says: at the samples (R, S, C), and of the rays (R, C)."""

    at_samples: Float[Tensor, "r s c"]
    rendered: Float[Tensor, "r c"]


class HeadConfig(TypedConfig, ABC):
    """Base of the heads' configs: dataclasses with a `type` of their own, which is also the head's name.

    A config says how its head is built and, where no encoder makes its target, where the target comes from. A head in
    a file of its own needs nothing else: importing the file makes it known (`examples/new_head.py`).

    Attributes:
        target: the named target that its head learns from.
        weight: of its loss.
    """

    target: ClassVar[str]
    weight: float

    @abstractmethod
    def build(self, features: int, context: ModelContext) -> "Head | None":
        """The head on a feature grid of so many features; None where its target is not to be had."""

    def target_source(self, photos: TrainingPhotos, device: torch.device) -> TargetSource | None:
        """Where its target comes from; None for targets that encoders make ("embedding", "dense")."""
        return None


class Head(nn.Module, ABC):
    """What is learnt on top of a radiance field's geometry, from one named target."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @property
    def name(self) -> str:
        """What it is known by, in a run's tensors and when a picture of it is asked for: its config's `type`."""
        return self.config.type

    @abstractmethod
    def at_samples(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Float[Tensor, "r s c"]:
        """What the head says at each sample. `targets` may hold what it is conditioned on."""

    def composite(self, values: Float[Tensor, "r s c"], weights: Float[Tensor, "r s"]) -> Float[Tensor, "r c"]:
        """What it says of each ray: Σ w v over the samples, unless the head knows better."""
        return (weights[..., None] * values).sum(dim=1)

    @abstractmethod
    def loss(self, rendered: Float[Tensor, "r c"], targets: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """How far what it says of rays is from its target; the config's `weight` is applied by the model."""

    def forward(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> HeadOutput:
        """What the head says at samples and of their rays."""
        values = self.at_samples(samples, targets)
        return HeadOutput(values, self.composite(values, samples.weights))

    def picture(
        self, samples: SurfaceSamples, features: Callable[[slice], Float[Tensor, "m f"]]
    ) -> Float[Tensor, "r c"] | None:
        """What it says of each ray of a picture; None for a head that must be asked at a scale.

        Args:
            features: of a part of the samples, in the feature grid.
        """
        return None


class CouplingConfig(TypedConfig, ABC):
    """Base of the couplings' configs."""

    weight: float

    @abstractmethod
    def build(self) -> "Coupling":
        """The coupling."""


class Coupling(nn.Module, ABC):
    """A loss that ties heads together: what one says must agree with what another says.

    Attributes:
        name: of its loss term.
        heads: names of the heads that it needs; without one of them it is left out.
    """

    name: ClassVar[str]
    heads: ClassVar[tuple[str, ...]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def loss(
        self, outputs: Mapping[str, HeadOutput], samples: HeadSamples, targets: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        """How far the heads disagree on a batch's rays; the config's `weight` is applied by the model."""


# -- the model itself ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Converted:
    """A model made into Gaussians.

    Attributes:
        model: the Gaussians, with a `LanguageMap`.
        elements: how many Gaussians there are.
        levels: how many crop levels their language has.
        codes: rows of its codebook.
        voxel_side_scene: usual (median) side of the voxels that the surface was thinned by, scene units.
        coding_cosine: mean cosine between the field's embeddings of the elements and the coded ones.
        language_bytes: what the language takes in memory.
        seconds: that finding the "surface" and coding the "language" took.
    """

    model: "Model"
    elements: int
    levels: int
    codes: int
    voxel_side_scene: float
    coding_cosine: float
    language_bytes: int
    seconds: Mapping[str, float]


class Model(nn.Module, ABC):
    """A trainable scene representation, in the scene frame.

    Attributes:
        name: what the registry knows it by.
        finish_stage: what `finish` does, as a stage that people read; None for models without.
        config: what it was built from.
        context: what it was built for: number of photos, sizes of targets and crops.
    """

    name: ClassVar[str]
    finish_stage: ClassVar[str | None] = None

    def __init__(self, config: Any, context: ModelContext) -> None:
        super().__init__()
        self.config = config
        self.context = context

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its parameters are."""

    # training

    @property
    def targets(self) -> frozenset[str]:
        """Names of the targets that its batches must bring."""
        return frozenset({"rgb"})

    def target_sources(self, photos: TrainingPhotos, device: torch.device) -> list[TargetSource]:
        """Where those targets come from that no encoder makes."""
        return []

    @abstractmethod
    def param_groups(self) -> list[ParamGroup]:
        """Named groups; together all that is learnt."""

    @abstractmethod
    def loss(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Named loss terms of a `RayBatch` or a `PhotoBatch`, whichever the config's `batching` says. Their sum is
        minimised; names starting with "_" are only reported."""

    def phase(self, step: int) -> Hashable | None:
        """What `loss` does differently at some steps: steps of equal phase run the same operations on the same
        shapes, with no number that depends on the step itself. None where no such promise can be made."""
        return None

    def initialise(self, photos: TrainingPhotos, seed: int) -> str | None:
        """Begin as the scene suggests, before the first step; a line for people that says how, if there is a choice."""
        return None

    def after_step(
        self, step: int, optimiser: OptimiserAccess, bad: Bool[Tensor, ""], generator: torch.Generator
    ) -> None:
        """What follows each step besides the gradient's (density control, noise). A bad step changes nothing.

        Args:
            bad: on the device: whether loss or gradients were not finite, so that the optimiser did nothing.
            generator: for random numbers, on the device.
        """
        return

    def finish(self, photos: TrainingPhotos, features: FeatureBank, progress: Progress = silent) -> None:
        """What is made in closed form after the last step, from the photos that `features` are of."""
        return

    # rendering and asking

    @abstractmethod
    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """Render a camera of the scene frame: "rgb", "alpha", "depth", and heads by their names."""

    @abstractmethod
    def view(self, camera: Camera) -> AskableView:
        """Render a camera of the scene frame once, for all questions about it."""

    @property
    @abstractmethod
    def answers_phrases(self) -> bool:
        """Whether there is language in it now; some models get it only when they finish."""

    def prepare_phrases(self, phrases: EncodedPhrases) -> EncodedPhrases:
        """The phrases with whatever the model's views need to be asked them fastest."""
        return phrases

    # what it is made of

    def elements(self) -> Elements | None:
        """The things that the model is made of; None for a field, whose surface is found by looking."""
        return None

    def take_splats(self, splats: Splats, scene_from_world: Similarity) -> None:
        """Be these Gaussians of the world frame. UsageError if the model holds none."""
        raise UsageError(f"the model {self.name} holds no Gaussians; use one that does, as of the preset splat")

    def to_gaussians(
        self, cameras: Sequence[Camera], observed: ObservedScales, most: int, progress: Progress = silent
    ) -> Converted:
        """The same scene as at most so many Gaussians with sparse codes for its language ("baking").

        Args:
            cameras: of the scene frame, that look at its surfaces.
            observed: at which scales it is going to be asked.

        Raises:
            RunError: it is made of Gaussians already, or shows no surface.
        """
        raise UsageError(f"the model {self.name} cannot be made into Gaussians")
