"""What a model is: the protocol that training, runs, queries and pipelines know, whatever kind of model there is.

A `Model` is trained on batches with named targets, finished in closed form if it needs that, and renders cameras; an
`AskableView` of a camera answers phrases. A model that consists of Gaussians gives them as `Elements`. What a radiance
field learns on top of its geometry are heads (`langfield.models.heads`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from langfield.core.cameras import Camera
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

PIXELS_AT_ONCE = 2**17


# -- what a model gives ----------------------------------------------------------------------------------------------


@dataclass
class Rendered:
    """Pictures of one camera, on the model's device; None for what was not asked for.

    Attributes:
        rgb: (H, W, 3) colours in [0, 1].
        alpha: (H, W) accumulated opacity in [0, 1].
        depth_scene: (H, W) z-depth in scene units; infinite where there is no surface.
        channels: by the name of a head, (H, W, C) its values.
    """

    rgb: Float[Tensor, "h w 3"] | None = None
    alpha: Float[Tensor, "h w"] | None = None
    depth_scene: Float[Tensor, "h w"] | None = None
    channels: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Elements:
    """The N Gaussians that a model consists of.

    Attributes:
        positions_scene: (N, 3) their centres.
        splats: a function that gives them in another frame, from the similarity target_from_scene.
    """

    positions_scene: Float[Tensor, "n 3"]
    splats: Callable[[Similarity], Splats]


@runtime_checkable
class AskedPixels(Protocol):
    """Q pixels of a view, to be asked at several scales: what does not depend on the scale is read once."""

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings, each pixel at its own scale (height of a crop there, scene units); 0 where there is none."""
        ...

    def relevancy_at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """A function that gives the relevancy of phrases, each pixel at its own scale (see `embedding`).

        It may be called for several groups of phrases, which must be prepared (`Model.prepare_phrases`).
        """
        ...


class AskableView(ABC):
    """One camera of a model, to be asked for phrases at any pixels and scales.

    Phrases must be prepared (`Model.prepare_phrases`). Pixels are counted row by row from the top left one. What is
    rendered may be rendered when it is first read, and is then kept: a `RenderedView` has all of it from the start.

    Attributes:
        camera: in the scene frame.
        rendered: its rgb, alpha and depth.
        distance_scene: (H·W,) distance along each pixel's ray to the surface, scene units; infinite where there is
            none.
        points_scene: (H·W, 3) the point of the surface that each pixel shows; not finite where there is none.
        pixels_at_once: the most pixels that are to be asked together, which bounds memory.
    """

    pixels_at_once: ClassVar[int] = PIXELS_AT_ONCE

    camera: Camera
    rendered: Rendered
    distance_scene: Float[Tensor, " r"]
    points_scene: Float[Tensor, "r 3"]

    @property
    def pixel_count(self) -> int:
        """H·W."""
        return self.camera.width_px * self.camera.height_px

    @abstractmethod
    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> AskedPixels:
        """Some pixels, given by their increasing indices."""

    @abstractmethod
    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        """Relevancy maps with each pixel at its own scale (height of a crop there, scene units)."""

    def crop_level_relevancy(self, phrases: EncodedPhrases, observed: ObservedScales) -> Float[Tensor, "l p h w"]:
        """Relevancy maps at each of the model's L crop levels, smallest crops first.

        A field's levels are those of `observed`; Gaussians have those that language was lifted at. Cost for a field:
        each pixel is asked L times.
        """
        size = self.camera.height_px, self.camera.width_px
        distance = observed.typical_distance(self.points_scene)
        out = torch.empty(len(observed.crop_angles), len(phrases), self.pixel_count, device=distance.device)
        for part in torch.arange(self.pixel_count, device=distance.device).split(self.pixels_at_once):
            asked = self.of_pixels(part)
            for level, angle in enumerate(observed.crop_angles):
                out[level, :, part] = asked.relevancy_at(angle * distance[part])(phrases).T
        return out.unflatten(-1, size)

    def quick_relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "p h w"] | None:
        """Relevancy maps that a moving camera can wait for, less exact than `relevancy`; None where the model has no
        such short cut."""
        return None

    def boundary_features(self, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q s"] | None:
        """Features of some pixels (by increasing index) that are similar within a thing and differ between things, as
        self-supervised (DINO) ones; None where the model has none."""
        return None

    def affinity_features(
        self, pixels: Int64[Tensor, " q"], scale_scene: Float[Tensor, " q"]
    ) -> Float[Tensor, "q c"] | None:
        """Unit affinity features of some pixels (by increasing index), each at its own scale, see
        `Model.affinity_features`; None where the model has none."""
        return None


@dataclass(frozen=True)
class RenderedView(AskableView):
    """A view that is rendered whole before it is asked: see `AskableView`."""

    camera: Camera
    rendered: Rendered
    distance_scene: Float[Tensor, " r"]
    points_scene: Float[Tensor, "r 3"]


# -- the model itself ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Converted:
    """A model converted to Gaussians.

    Attributes:
        model: the Gaussians, with a `LanguageMap`.
        elements: number of Gaussians.
        levels: number of crop levels of their language.
        codes: number of codes of their language.
        voxel_side_scene: median side of the voxels that the surface was thinned by, scene units.
        coding_cosine: mean cosine between the field's embeddings of the Gaussians and the coded ones.
        language_bytes: memory that the language takes.
        seconds: duration of the stages "surface" and "language".
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

    Members that are not abstract have a default for models that do not need them.

    Attributes:
        name: by which the registry knows it, and run.json names it.
        finish_stage: name of the stage that `finish` is, as reports show it; None for models without `finish`.
        config: the `ModelConfig` that it was built from.
        context: what it was built from besides.
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
        """The device that its parameters are on."""

    # -- training ------------------------------------------------------------------------------------------------

    @property
    def targets(self) -> frozenset[str]:
        """Names of the targets that its batches must have."""
        return frozenset({"rgb"})

    @property
    def head_rays_per_photo(self) -> int | None:
        """How many in a row of the rays with targets must be of one photo, because targets compare a photo's pixels;
        None where they need not be."""
        return None

    def target_sources(self, photos: TrainingPhotos, device: torch.device) -> list[TargetSource]:
        """Sources of those targets that no encoder makes.

        Args:
            photos: the training photos that have features, all or some; the others are sampled for "rgb" only.
            device: where targets are needed.
        """
        return []

    @abstractmethod
    def param_groups(self) -> list[ParamGroup]:
        """All parameters that are learnt, in groups with a name and an optimiser setting each."""

    @abstractmethod
    def loss(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Named loss terms (scalars), whose sum is minimised. Names starting with "_" are only reported.

        Args:
            batch: a `RayBatch` or a `PhotoBatch`, as the config's `batching` says.
            step: from 0.
        """

    def phase(self, step: int) -> Hashable | None:
        """What a step is recorded as a CUDA graph under: `loss` runs the same operations on the same shapes at all
        steps of equal phase, and none of its numbers depends on the step itself. None where a step cannot be
        recorded."""
        return None

    def initialise(self, photos: TrainingPhotos, seed: int) -> str | None:
        """Set parameters that depend on the scene, before the first step.

        Args:
            photos: all training photos.
            seed: of the run.

        Returns one line for people about how it was done, if there was a choice.
        """
        return None

    def after_step(
        self, step: int, optimiser: OptimiserAccess, bad: Bool[Tensor, ""], generator: torch.Generator
    ) -> None:
        """Change the model after each optimiser step (density control, noise). A bad step must change nothing.

        Args:
            bad: on the device: whether loss or gradients were not finite, so that the optimiser changed nothing.
            generator: for random numbers, on the device.
        """
        return

    def finish(self, photos: TrainingPhotos, features: FeatureBank, progress: Progress = silent) -> None:
        """Make what is computed in closed form after the last step.

        Args:
            photos: those that `features` are of.
            progress: gets events of the stage `finish_stage`.

        Raises:
            TrainingError: the photos show no surface of the model.
        """
        return

    # -- rendering and phrases -----------------------------------------------------------------------------------

    @abstractmethod
    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """Render a camera of the scene frame.

        Args:
            outputs: what is needed: "rgb", "alpha", "depth", and names of heads. More may be rendered; a head that the
                model lacks, or that needs a scale, is left out.
        """

    @abstractmethod
    def view(self, camera: Camera) -> AskableView:
        """Render a camera of the scene frame once, to ask its pixels for phrases."""

    @property
    @abstractmethod
    def answers_phrases(self) -> bool:
        """Whether the model has language now; some models get it only in `finish`."""

    def prepare_phrases(self, phrases: EncodedPhrases) -> EncodedPhrases:
        """The phrases with what this model's views need of them, worked out once for all views."""
        return phrases

    def affinity_features(
        self, points_scene: Float[Tensor, "n 3"], scale_scene: Float[Tensor, " n"]
    ) -> Float[Tensor, "n c"] | None:
        """Unit affinity features of points of the surface: at one scale they are near each other for points of one
        group of about that scale or less, and half of the head's margin or more apart for others.

        Args:
            points_scene: N points, scene frame.
            scale_scene: the scale at which each is asked, scene units: the side of a square of the group's spread
                (`langfield.features.mask_scales.mask_scales`), comparable with the scale of language.

        Returns None where the model has learnt no affinity.
        """
        return None

    # -- Gaussians -----------------------------------------------------------------------------------------------

    def elements(self) -> Elements | None:
        """The Gaussians that the model consists of; None for a radiance field."""
        return None

    def load_splats(self, splats: Splats, scene_from_world: Similarity) -> None:
        """Replace the model's Gaussians by those of a file, which are in the world frame.

        Raises:
            UsageError: the model has none.
            ValueError: they do not fit the config, see `ModelConfig.with_capacity`.
        """
        raise UsageError(f"the model {self.name} holds no Gaussians; use one that does, as of the preset splat")

    def to_gaussians(
        self, cameras: Sequence[Camera], observed: ObservedScales, max_elements: int, progress: Progress = silent
    ) -> Converted:
        """The same scene as Gaussians with sparse codes for its language ("baking").

        Args:
            cameras: of the scene frame; what they see is converted.
            observed: the scales at which the result is to have language.
            max_elements: the most Gaussians.

        Raises:
            RunError: the model shows no surface, or has no language there.
            UsageError: it cannot be converted, for it consists of Gaussians.
        """
        raise UsageError(f"the model {self.name} cannot be made into Gaussians")
