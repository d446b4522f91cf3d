"""One camera of a run, rendered once: its picture, and embeddings of any pixel at any scale."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.models.base import Rendered
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.volume import SurfaceSamples

PIXELS_AT_ONCE = 2**17


@runtime_checkable
class LanguageMethod(Protocol):
    """What a method must offer to be asked: see `langfield.models.nerf.lerf.Lerf`."""

    def surface(self, camera: Camera, *, keep_samples: bool = True) -> tuple[Rendered, SurfaceSamples | None]: ...

    def language_features(self, samples: SurfaceSamples) -> Float[Tensor, "m f"]: ...

    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]: ...


@runtime_checkable
class DenseMethod(Protocol):
    """A method that may hold self-supervised features (LERF's DINO head)."""

    @property
    def has_dense(self) -> bool: ...

    def dense_features(self, samples: SurfaceSamples) -> Float[Tensor, "r s"]: ...


@runtime_checkable
class CodedMethod(LanguageMethod, Protocol):
    """A method whose embeddings are weighted means of few codes: relevancy is asked of the codes and then mixed.

    One number a phrase is read instead of an embedding, as when language is splatted on Gaussians.
    """

    @property
    def codes(self) -> Float[Tensor, "c d"]: ...

    def mix(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]
    ) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]: ...


def ready(method: LanguageMethod, phrases: EncodedPhrases) -> EncodedPhrases:
    """The phrases as this method is asked them fastest."""
    return phrases.with_codes(method.codes) if isinstance(method, CodedMethod) else phrases


@dataclass(frozen=True)
class PixelSamples:
    """Some pixels of a view, ready to be asked at many scales: their grid features are read once."""

    method: LanguageMethod
    samples: SurfaceSamples
    features: Float[Tensor, "m f"] | None = None

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings, each pixel at its own scale."""
        return self.method.embed(self.samples, scale_scene, self.features)

    def at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """Each pixel at its own scale, ready to be asked for the relevancy of several groups of phrases."""
        if isinstance(self.method, CodedMethod):
            rows, weights = self.method.mix(self.samples, scale_scene)
            return lambda phrases: _mixed(phrases, self.samples, rows, weights)
        embedding = self.embedding(scale_scene)
        return lambda phrases: phrases.relevancy(embedding)


@runtime_checkable
class AskedPixels(Protocol):
    """Some pixels of a view, ready to be asked at many scales."""

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings, each pixel at its own scale; 0 where there is none."""
        ...

    def at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """Each pixel at its own scale, ready to be asked for the relevancy of several groups of phrases."""
        ...


@dataclass(frozen=True)
class LanguageView(ABC):
    """A rendered camera that can be asked for phrases, whatever the scene is made of.

    Attributes:
        camera: in the scene frame.
        rendered: rgb, alpha, depth.
        distance_scene: (H·W,), along each pixel's ray; infinite where nothing is.
        points_scene: what each pixel shows.
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
        """Relevancy pictures with each pixel at its own scale."""

    def dense(self, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q s"] | None:
        """Self-supervised features of some pixels, by increasing flat index; None where the scene holds none."""
        return None


@dataclass(frozen=True)
class RayView(LanguageView):
    """A camera of a field, with the samples along its rays that embeddings are made of."""

    method: LanguageMethod
    samples: SurfaceSamples

    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> PixelSamples:
        """Some pixels, by increasing flat index, to be asked at many scales."""
        part, _ = self.samples.of_rays(pixels)
        return PixelSamples(self.method, part, self.method.language_features(part))

    def dense(self, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q s"] | None:
        """See `LanguageView.dense`."""
        if not isinstance(self.method, DenseMethod) or not self.method.has_dense:
            return None
        return self.method.dense_features(self.samples.of_rays(pixels)[0])

    def embedding(
        self, scale_scene: Float[Tensor, " q"], pixels: Int64[Tensor, " q"] | None = None
    ) -> Float[Tensor, "q d"]:
        """Unit embeddings of some pixels (increasing flat indices), or of all, each at its own scale."""
        part = self.samples if pixels is None else self.samples.of_rays(pixels)[0]
        return self.method.embed(part, scale_scene)

    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        """Relevancy pictures with each pixel at its own scale; a part of the picture is embedded at a time."""
        parts = []
        for part in torch.arange(self.pixels, device=scale_scene.device).split(self.pixels_at_once):
            samples = self.samples.of_rays(part)[0]
            parts.append(PixelSamples(self.method, samples).at(scale_scene[part])(phrases))
        return torch.cat(parts).T.reshape(len(phrases), self.camera.height_px, self.camera.width_px)


def _mixed(
    phrases: EncodedPhrases, samples: SurfaceSamples, rows: Int64[Tensor, "m k"], weights: Float[Tensor, "m k"]
) -> Float[Tensor, "q p"]:
    """Relevancy of rays from that of the codes: weighted means over their samples."""
    assert phrases.of_codes is not None, "phrases must be made `ready` for a coded method"
    of_sample = torch.nn.functional.embedding_bag(rows, phrases.of_codes, per_sample_weights=weights, mode="sum")
    out = torch.zeros(samples.rays, len(phrases), device=weights.device)
    return out.index_add_(0, samples.ray, of_sample)


@torch.no_grad()
def render_language_view(method: LanguageMethod, camera: Camera) -> RayView:
    """Render a camera of the scene frame once for all questions about it."""
    rendered, samples = method.surface(camera)
    assert samples is not None
    distance, points = surface_of(rendered, camera)
    return RayView(camera, rendered, distance, points, method, samples)


def surface_of(rendered: Rendered, camera: Camera) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
    """Distances along the pixels' rays, and the points there; infinite where nothing is."""
    assert rendered.depth_scene is not None
    depth = rendered.depth_scene
    pixels = camera.pixel_centres(depth.device).reshape(-1, 2)
    rays = Cameras.from_list([camera], depth.device).rays(
        torch.zeros(len(pixels), dtype=torch.int64, device=depth.device), pixels
    )
    distance = depth.reshape(-1) / rays.z_per_distance
    return distance, rays.origins + rays.directions * distance[:, None]
