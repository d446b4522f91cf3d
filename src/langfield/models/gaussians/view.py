"""One camera of Gaussians with language: relevancy is asked of the elements and then splatted, a number each.

Nothing is as wide as an embedding: codes are compared with the phrases once, elements mix what their codes say
(`ops.sparse_relevancy`), and a picture of P phrases at L levels is a splat of P · L channels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float, Float16, Int16, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.observed_scales import ObservedScales
from langfield.models.base import AskableView
from langfield.models.geometry import distance_and_points
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.sparse_relevancy import sparse_relevancy, sparse_relevancy_levels
from langfield.renderers.splat import CameraProjection

if TYPE_CHECKING:
    from langfield.models.gaussians.splat import Splat

_ASKED_BYTES = 2**29  # of relevancy pictures kept
_CHANNELS_AT_ONCE = 64  # numbers an element has at once
_LEAST_ALPHA = 1e-3


@dataclass(frozen=True)
class SplatView(AskableView):
    """A camera of Gaussians.

    Attributes:
        look: the elements that phrases are drawn with: those that this camera sees.
        code, share: their language, as `LanguageMap` has it.
        typical_distance: (H·W,) from which what each pixel shows was photographed, scene units.
    """

    pixels_at_once: ClassVar[int] = 2**31  # a splat is of all of them

    model: Any  # a `Splat`, which imports this module
    look: CameraProjection
    code: Int16[Tensor, "m l k"]
    share: Float16[Tensor, "m l k"]
    typical_distance: Float[Tensor, " r"]
    _asked: dict[str, Float[Tensor, "l r"]] = field(default_factory=dict)
    _against: list[Float[Tensor, "q d"]] = field(default_factory=list)

    def of_pixels(self, pixels: Int64[Tensor, " q"]) -> "_SplatPixels":
        return _SplatPixels(self, pixels)

    def relevancy(self, phrases: EncodedPhrases, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "p h w"]:
        every = torch.arange(self.pixels, device=scale_scene.device)
        found = self.of_pixels(every).at(scale_scene)(phrases)
        return found.T.reshape(len(phrases), self.camera.height_px, self.camera.width_px)

    @torch.no_grad()
    def levels(self, phrases: EncodedPhrases) -> Float[Tensor, "l p r"]:
        """Relevancy pictures at each of the language's levels; those of phrases that were asked before, against the
        same negatives, are kept as long as there is room, so that asking them again splats nothing."""
        if not self._against or not torch.equal(self._against[0], phrases.negatives):
            self._against[:] = [phrases.negatives]
            self._asked.clear()
        new = [number for number, text in enumerate(phrases.texts) if text not in self._asked]
        if new:
            fresh = self._splatted(phrases[torch.tensor(new)])
            self._asked.update(zip([phrases.texts[number] for number in new], fresh.unbind(1), strict=True))
        found = torch.stack([self._asked[text] for text in phrases.texts], dim=1)
        while len(self._asked) > max(_ASKED_BYTES // (4 * max(found[:, 0].numel(), 1)), 1):
            del self._asked[next(iter(self._asked))]
        return found

    @torch.no_grad()
    def crop_level_relevancy(self, phrases: EncodedPhrases, observed: ObservedScales) -> Float[Tensor, "l p h w"]:
        """See `AskableView.crop_level_relevancy`: at the levels that language was lifted at."""
        return self.levels(phrases).float().unflatten(-1, (self.camera.height_px, self.camera.width_px))

    @torch.no_grad()
    def quick_relevancy(self, phrases: EncodedPhrases) -> Float[Tensor, "p h w"]:
        """See `AskableView.quick_relevancy`: every Gaussian answers at the crop level where it is most relevant, one
        number for a Gaussian and phrase."""
        found, _ = sparse_relevancy(*self._question(phrases))
        return self._picture(found).permute(2, 0, 1)

    @torch.no_grad()
    def embeddings(self, level: int, pixels: Int64[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """Unit embeddings of some pixels at one level."""
        codebook = self.model.language.codebook.float()
        mixed = self.look.splat_codes(self.code[:, level], self.share[:, level], len(codebook)).flatten(0, 1)
        return torch.nn.functional.normalize(mixed[pixels] @ codebook, dim=-1)

    def _splatted(self, phrases: EncodedPhrases) -> Float[Tensor, "l p r"]:
        levels = len(self.model.language.crop_angles)
        parts = []
        for some in torch.arange(len(phrases)).split(max(_CHANNELS_AT_ONCE // max(levels, 1), 1)):
            of_elements = sparse_relevancy_levels(*self._question(phrases[some]))
            picture = self._picture(of_elements.flatten(1))
            parts.append(picture.reshape(self.pixels, levels, len(some)).permute(1, 2, 0))
        return torch.cat(parts, dim=1)

    def _question(self, phrases: EncodedPhrases) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
        """The arguments of `sparse_relevancy`."""
        codebook = self.model.language.codebook.float()
        dots = codebook @ phrases.embeddings.T, codebook @ phrases.negatives.T
        return *dots, self.code, self.share, phrases.temperature

    def _picture(self, of_elements: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        """The mean of what elements answer, by their share of each pixel's light."""
        blended, alpha = self.look.blend(of_elements)
        return blended / alpha.clamp_min(_LEAST_ALPHA)[..., None]


@dataclass(frozen=True)
class _SplatPixels:
    view: SplatView
    pixels: Int64[Tensor, " q"]
    _embedded: dict[int, Float[Tensor, "q d"]] = field(default_factory=dict)  # by level: each is drawn once

    def embedding(self, scale_scene: Float[Tensor, " q"]) -> Float[Tensor, "q d"]:
        """See `AskedPixels.embedding`: between two levels a mean, linear in the logarithm of the scale."""
        low, high, share = self._between(scale_scene)
        mixed = torch.zeros(len(self.pixels), self.view.model.language.codebook.shape[1], device=share.device)
        used = set(torch.cat([low, high]).unique().tolist())
        for level in range(len(self.view.model.language.crop_angles)):
            weight = (low == level)[:, None] * (1 - share) + (high == level)[:, None] * share
            if level in used:
                if level not in self._embedded:
                    self._embedded[level] = self.view.embeddings(level, self.pixels)
                mixed += weight * self._embedded[level]
        return torch.nn.functional.normalize(mixed, dim=-1)

    def at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """See `AskedPixels.at`: between two levels, relevancy is linear in the logarithm of the scale."""
        low, high, share = self._between(scale_scene)

        def ask(phrases: EncodedPhrases) -> Float[Tensor, "q p"]:
            levels = self.view.levels(phrases)
            return torch.lerp(levels[low, :, self.pixels], levels[high, :, self.pixels], share)

        return ask

    def _between(
        self, scale_scene: Float[Tensor, " q"]
    ) -> tuple[Int64[Tensor, " q"], Int64[Tensor, " q"], Float[Tensor, "q 1"]]:
        """The two levels that a scale lies between, and how near it is to the higher one."""
        angles = self.view.model.language.crop_angles
        angle = scale_scene / self.view.typical_distance[self.pixels].clamp_min(1e-9)
        place = torch.searchsorted(angles, angle.contiguous()).clamp(1, max(len(angles) - 1, 1))
        low, high = place - 1, place.clamp(max=len(angles) - 1)
        step = (angles[high] / angles[low]).log().clamp_min(1e-9)
        return low, high, ((angle.clamp_min(1e-9) / angles[low]).log() / step).clamp(0, 1)[:, None]


@torch.no_grad()
def render_splat_view(model: "Splat", camera: Camera) -> SplatView:
    """Render a camera of the scene frame once for all questions about it."""
    look = model.look(camera)
    rendered = model.drawn(look)
    assert rendered.depth_scene is not None
    distance, points = distance_and_points(rendered.depth_scene, camera)
    language = model.language
    answering = language.seen.float()
    far = torch.stack([language.distance.float() * answering, answering], dim=1)
    total, seen = look.blend(far)[0].reshape(-1, 2).unbind(-1)
    typical = torch.where(seen > _LEAST_ALPHA, total / seen.clamp_min(_LEAST_ALPHA), distance.nan_to_num(posinf=1.0))
    # Elsewhere than on a GPU finding what is hidden costs more than it spares.
    elements = look.contributing() if model.device.type == "cuda" else look.in_view()
    code, share = language.code[elements], language.share[elements]
    return SplatView(camera, rendered, distance, points, model, look.subset(elements), code, share, typical)
