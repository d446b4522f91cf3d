"""One camera of a radiance field, rendered once: samples along its rays, embedded at any scale."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.interruption import stop_if_not_needed
from langfield.models.base import AskedPixels, RenderedView
from langfield.models.geometry import distance_and_points
from langfield.models.nerf.volume import VolumeModel
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.volume import SurfaceSamples


@dataclass(frozen=True)
class RayPixels:
    """Some pixels of a view: see `AskedPixels`.

    Attributes:
        model: the field.
        samples: those of the pixels' rays.
        features: `model.features_at(samples)`; None to read them anew at each scale.
    """

    model: VolumeModel[Any]
    samples: SurfaceSamples
    features: Float[Tensor, "m f"] | None = None

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """See `AskedPixels.embedding`."""
        return self.model.embed(self.samples, scale_scene, self.features)

    def relevancy_at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """See `AskedPixels.relevancy_at`."""
        embedding = self.embedding(scale_scene)
        return lambda phrases: phrases.relevancy(embedding)


@dataclass(frozen=True)
class RayView(RenderedView):
    """A camera of a radiance field.

    Attributes:
        model: the field.
        samples: those that carry the embeddings of its pixels.
    """

    model: VolumeModel[Any]
    samples: SurfaceSamples

    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> AskedPixels:
        """See `AskableView.of_pixels`."""
        part, _ = self.samples.of_rays(pixels)
        return self._asked_pixels(part, self.model.features_at(part))

    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        """See `AskableView.relevancy`: `pixels_at_once` pixels are embedded at a time."""
        parts = []
        for part in torch.arange(self.pixel_count, device=scale_scene.device).split(self.pixels_at_once):
            stop_if_not_needed()
            samples = self.samples.of_rays(part)[0]
            parts.append(self._asked_pixels(samples, None).relevancy_at(scale_scene[part])(phrases))
        return torch.cat(parts).T.reshape(len(phrases), self.camera.height_px, self.camera.width_px)

    def _asked_pixels(self, samples: SurfaceSamples, features: Float[Tensor, "m f"] | None) -> AskedPixels:
        """The pixels of some samples."""
        return RayPixels(self.model, samples, features)

    def boundary_features(self, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q s"] | None:
        """See `AskableView.boundary_features`."""
        return self.model.boundary_features(self.samples.of_rays(pixels)[0])

    def affinity_features(
        self, pixels: Int64[Tensor, " q"], scale_scene: Float[Tensor, " q"]
    ) -> Float[Tensor, "q c"] | None:
        """See `AskableView.affinity_features`."""
        return self.model.rendered_affinity(self.samples.of_rays(pixels)[0], scale_scene)


@torch.no_grad()
def render_ray_view(model: VolumeModel[Any], camera: Camera, kind: type[RayView] = RayView) -> RayView:
    """Render a camera of the scene frame once, for all questions about it; `kind` is the class of the view."""
    rendered, samples = model.surface(camera)
    assert samples is not None
    assert rendered.depth_scene is not None
    distance, points = distance_and_points(rendered.depth_scene, camera)
    return kind(camera, rendered, distance, points, model, samples)
