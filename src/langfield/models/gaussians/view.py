"""One camera of Gaussians with language: relevancy is worked out for each Gaussian and then splatted.

No embedding is made for a Gaussian or a pixel: phrases are compared with the codebook, a Gaussian's relevancy follows
from its few codes (`langfield.ops.sparse_relevancy`), and P phrases at L crop levels are a splat of P · L channels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float, Float16, Int16, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView, Rendered
from langfield.models.gaussians.element_relevancy import (
    OfGaussians,
    distance_and_weight,
    every_level,
    highest_of_levels,
    kept_for_all_views,
    levels_and_distance,
)
from langfield.models.geometry import distance_and_points
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.splat import CameraProjection

if TYPE_CHECKING:
    from langfield.models.gaussians.splat import Splat

_CACHE_BYTES = 2**29  # for relevancy pictures
_CHANNELS_AT_ONCE = 64  # splatted
_MIN_ALPHA = 1e-3


@dataclass(frozen=True)
class AskedGaussians:
    """M Gaussians that relevancy is splatted with.

    Attributes:
        projection: of them.
        code: their codes, see `LanguageMap`.
        share: their shares, see `LanguageMap`.
    """

    projection: CameraProjection
    code: Int16[Tensor, "m l k"]
    share: Float16[Tensor, "m l k"]


@dataclass(frozen=True)
class SplatView(AskableView):
    """A camera of Gaussians, projected and sorted once for all that is asked of it; what is drawn is drawn when it is
    first asked for.

    Attributes:
        model: the `Splat`.
        projection: all of its Gaussians.
    """

    pixels_at_once: ClassVar[int] = 2**31  # a splat is of all of them

    camera: Camera
    model: Any  # `Splat` imports this module
    projection: CameraProjection
    _cache: dict[str, Float[Tensor, "l r"]] = field(default_factory=dict)  # by phrase: its relevancy at each level
    _cached_negatives: list[Float[Tensor, "q d"]] = field(default_factory=list)  # the one set that the cache is of
    _asked: set[str] = field(default_factory=set)  # what was drawn so far: empty for a camera that nobody asked yet

    @classmethod
    def of_camera(cls, model: "Splat", camera: Camera) -> "SplatView":
        """A camera of the scene frame."""
        return cls(camera, model, model.project(camera))

    @cached_property
    def rendered(self) -> Rendered:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.model.render_projected(self.projection)

    @cached_property
    def _surface(self) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
        assert self.rendered.depth_scene is not None
        return distance_and_points(self.rendered.depth_scene, self.camera)

    @property
    def distance_scene(self) -> Float[Tensor, " r"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._surface[0]

    @property
    def points_scene(self) -> Float[Tensor, "r 3"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._surface[1]

    @cached_property
    @torch.no_grad()
    def typical_distance(self) -> Float[Tensor, " r"]:
        """The distance from which what each pixel shows was photographed, scene units."""
        return self._mean_distance(self.projection.blend(distance_and_weight(self.model.language))[0])

    def _mean_distance(self, blended: Float[Tensor, "h w 2"]) -> Float[Tensor, " r"]:
        """The distance where there is one, from a picture of `distance_and_weight`; else how far the pixel sees."""
        total, weight = blended.reshape(-1, 2).unbind(-1)
        elsewhere = self.distance_scene.nan_to_num(posinf=1.0)
        return torch.where(weight > _MIN_ALPHA, total / weight.clamp_min(_MIN_ALPHA), elsewhere)

    @cached_property
    @torch.no_grad()
    def seen(self) -> AskedGaussians:
        """Those that this camera sees: with fewer, each further picture of a camera that stands still is cheaper."""
        # On a CPU, finding the hidden Gaussians takes longer than splatting them.
        on_gpu = self.model.device.type == "cuda"
        chosen = self.projection.contributing() if on_gpu else self.projection.in_view()
        language = self.model.language
        return AskedGaussians(self.projection.subset(chosen), language.code[chosen], language.share[chosen])

    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> "_SplatPixels":
        """See `AskableView.of_pixels`."""
        return _SplatPixels(self, pixels)

    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        """See `AskableView.relevancy`: between two levels, relevancy is linear in the logarithm of the scale."""
        every = torch.arange(self.pixel_count, device=scale_scene.device)
        relevancy = self.of_pixels(every).relevancy_at(scale_scene)(phrases)
        return relevancy.T.reshape(len(phrases), self.camera.height_px, self.camera.width_px)

    @torch.no_grad()
    def level_relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "l p r"]:
        """Relevancy of each pixel at each of the L crop levels of the model's language.

        Pictures are cached by phrase, up to half a GiB, until other negatives are asked: a phrase that is asked again
        is not splatted again.
        """
        if not self._cached_negatives or not _same(self._cached_negatives[0], phrases.negatives):
            self._cached_negatives[:] = [phrases.negatives]
            self._cache.clear()
        new = [number for number, text in enumerate(phrases.texts) if text not in self._cache]
        if new:
            splatted = self._splatted(phrases if len(new) == len(phrases) else phrases[torch.tensor(new)])
            own = [of_phrase.clone() for of_phrase in splatted.unbind(1)]  # parts of one tensor would go only together
            self._cache.update(zip([phrases.texts[number] for number in new], own, strict=True))
        relevancy = torch.stack([self._cache[text] for text in phrases.texts], dim=1)
        while len(self._cache) > max(_CACHE_BYTES // (4 * max(relevancy[:, 0].numel(), 1)), 1):
            del self._cache[next(iter(self._cache))]
        return relevancy

    @torch.no_grad()
    def crop_level_relevancy(self, phrases: EncodedPhrases, observed: ObservedScales) -> Float[Tensor, "l p h w"]:
        """See `AskableView.crop_level_relevancy`: at the levels that language was lifted at."""
        return self.level_relevancy(phrases).float().unflatten(-1, (self.camera.height_px, self.camera.width_px))

    @torch.no_grad()
    def quick_relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "p h w"]:
        """See `AskableView.quick_relevancy`: each Gaussian has its highest relevancy over the crop levels."""
        return self._mean_picture(phrases, highest_of_levels).permute(2, 0, 1)

    @torch.no_grad()
    def embeddings(self, level: int, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings of some pixels at one crop level; 0 where there is none."""
        codebook, seen = self.model.language.codebook.float(), self.seen
        mixed = seen.projection.splat_codes(seen.code[:, level], seen.share[:, level], len(codebook)).flatten(0, 1)
        return torch.nn.functional.normalize(mixed[pixels] @ codebook, dim=-1)

    def _splatted(self, phrases: EncodedPhrases) -> Float[Tensor, "l p r"]:
        levels = len(self.model.language.crop_angles)
        if not self._asked and levels * len(phrases) + 2 <= _CHANNELS_AT_ONCE:
            return self._splatted_with_distance(phrases)
        at_once = max(_CHANNELS_AT_ONCE // max(levels, 1), 1)
        every = torch.arange(len(phrases)).split(at_once)
        parts = []
        for part in every:
            picture = self._mean_picture(phrases if len(every) == 1 else phrases[part], every_level)
            parts.append(picture.reshape(self.pixel_count, levels, len(part)).permute(1, 2, 0))
        return torch.cat(parts, dim=1)

    def _splatted_with_distance(self, phrases: EncodedPhrases) -> Float[Tensor, "l p r"]:
        """The first picture of a camera, with `typical_distance`, which it would be looked up by at once: a splat of
        more channels takes less than two."""
        self._asked.add(every_level.__name__)
        values = kept_for_all_views(levels_and_distance, phrases, self.model.language)
        blended, alpha = self.projection.blend(values)
        vars(self)["typical_distance"] = self._mean_distance(blended[..., -2:])
        mean = blended[..., :-2] / alpha.clamp_min(_MIN_ALPHA)[..., None]
        return mean.reshape(self.pixel_count, -1, len(phrases)).permute(1, 2, 0)

    def _mean_picture(self, phrases: EncodedPhrases, of_gaussians: OfGaussians) -> Float[Tensor, "h w c"]:
        """At each pixel the mean of the Gaussians' numbers, weighted by their contributions.

        The first picture of a camera, which is the only one while it moves, is of all Gaussians, whose numbers hold for
        every camera; further ones are of `seen`.
        """
        language = self.model.language
        if self._asked:
            projection, values = self.seen.projection, of_gaussians(phrases, language, self.seen.code, self.seen.share)
        else:
            projection, values = self.projection, kept_for_all_views(of_gaussians, phrases, language)
        self._asked.add(of_gaussians.__name__)
        blended, alpha = projection.blend(values)
        return blended / alpha.clamp_min(_MIN_ALPHA)[..., None]


@dataclass(frozen=True)
class _SplatPixels:
    """Some pixels of a `SplatView`: see `AskedPixels`."""

    view: SplatView
    pixels: Int64[Tensor, " q"]
    _embeddings: dict[int, Float[Tensor, "q d"]] = field(default_factory=dict)  # by level

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """See `AskedPixels.embedding`: between two levels a mean, linear in the logarithm of the scale."""
        low, high, share = self._between(scale_scene)
        mixed = torch.zeros(len(self.pixels), self.view.model.language.codebook.shape[1], device=share.device)
        used = set(torch.cat([low, high]).unique().tolist())
        for level in range(len(self.view.model.language.crop_angles)):
            weight = (low == level)[:, None] * (1 - share) + (high == level)[:, None] * share
            if level in used:
                if level not in self._embeddings:
                    self._embeddings[level] = self.view.embeddings(level, self.pixels)
                mixed += weight * self._embeddings[level]
        return torch.nn.functional.normalize(mixed, dim=-1)

    def relevancy_at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """See `AskedPixels.relevancy_at`: between two levels, relevancy is linear in the logarithm of the scale."""

        def relevancy(phrases: EncodedPhrases) -> Float[Tensor, "q p"]:
            levels = self.view.level_relevancy(phrases)  # first, for it draws what the levels are looked up by
            low, high, share = self._between(scale_scene)
            return torch.lerp(levels[low, :, self.pixels], levels[high, :, self.pixels], share)

        return relevancy

    def _between(
        self, scale_scene: Float[Tensor, " q"]
    ) -> tuple[Int64[Tensor, " q"], Int64[Tensor, " q"], Float[Tensor, "q 1"]]:
        """The two levels that each pixel's scale lies between, and the weight of the higher one, 0 to 1."""
        angles = self.view.model.language.crop_angles
        angle = scale_scene / self.view.typical_distance[self.pixels].clamp_min(1e-9)
        place = torch.searchsorted(angles, angle.contiguous()).clamp(1, max(len(angles) - 1, 1))
        low, high = place - 1, place.clamp(max=len(angles) - 1)
        step = (angles[high] / angles[low]).log().clamp_min(1e-9)
        return low, high, ((angle.clamp_min(1e-9) / angles[low]).log() / step).clamp(0, 1)[:, None]


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal; the device is asked only if they are not one."""
    return a is b or torch.equal(a, b)
