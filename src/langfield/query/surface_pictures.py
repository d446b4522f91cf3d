"""What the index knows of the surface besides phrases, as numbers to be drawn: language features, and crop sizes.

Both are worked out for the index's voxels once, whatever camera looks, so that a place keeps its colours as the camera
moves; pictures interpolate voxels as relevancy is interpolated.
"""

from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64

from langfield.core.cameras import Camera
from langfield.core.devices import to_device_async
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.scene_index import SceneIndex
from langfield.query.opened_scene import OpenedScene
from langfield.query.phrase_matcher import PhraseMatcher

COMPONENTS = 3
_OUTERMOST = 1.0  # percent of the voxels at either end of a range that are clipped
_KNOWN_SHARE = 0.3  # of what a pixel shows: with less it shows nothing that the index knows


def principal_components(index: SceneIndex) -> Float32[np.ndarray, "v 3"]:
    """The first three principal components of the voxels' language embeddings, each from 0 (its 1st percentile) to 1
    (its 99th); 0.5 of voxels without an embedding.

    A voxel's embedding is the mean of its levels. The sign of a component is such that its largest weight is positive:
    the same index has the same colours always. Cost: V · D².
    """
    vectors, observed = index.embeddings.vectors, index.embeddings.observed
    mean = vectors.float().sum(dim=0) / observed.sum(dim=0).clamp_min(1)[:, None]
    known = observed.any(dim=0)
    out = torch.full((len(mean), COMPONENTS), 0.5, device=mean.device)
    if known.sum() <= COMPONENTS:
        return out.cpu().numpy()
    of_known = mean[known].double()
    centred = of_known - of_known.mean(dim=0)
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -COMPONENTS:].flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    components = (centred @ axes).cpu().numpy()
    low, high = np.percentile(components, (_OUTERMOST, 100 - _OUTERMOST), axis=0)
    out[known] = torch.from_numpy(((components - low) / np.maximum(high - low, 1e-9)).clip(0, 1)).to(out)
    return out.cpu().numpy()


def best_levels(index: SceneIndex, phrase: EncodedPhrases) -> Int64[np.ndarray, " v"]:
    """The crop level at which one phrase is most relevant in each voxel; −1 of voxels without an embedding."""
    relevancy = index.embeddings.relevancy(phrase)[:, 0]
    level = torch.where(index.embeddings.observed.any(dim=0), relevancy.argmax(dim=0), -1)
    return level.cpu().numpy()


class SurfacePictures:
    """One run's. For one thread at a time.

    Args:
        scene: the run's.
        matcher: that encodes phrases.
    """

    def __init__(self, scene: OpenedScene, matcher: PhraseMatcher) -> None:
        self._scene, self._matcher = scene, matcher
        self._levels: tuple[Hashable, Int64[np.ndarray, " v"]] | None = None  # of the last phrase

    @cached_property
    def _components(self) -> Float32[np.ndarray, "v 3"]:
        return principal_components(self._index())

    def _index(self) -> SceneIndex:
        _ = self._scene.observed_scales()  # UsageError for a run without language
        return self._scene.index()

    def features_in_view(self, camera: Camera) -> Float32[np.ndarray, "h w 3"]:
        """`principal_components` at each pixel of a camera of the world frame; not a number where it shows no surface
        of the index."""
        return _read(self._scene, camera, self._components, np.ones(len(self._components), dtype=bool))

    def features_of_elements(self) -> Float32[np.ndarray, "n 3"]:
        """`principal_components` at each element; not a number away from the surface."""
        return _of_elements(self._scene, self._components, np.ones(len(self._components), dtype=bool))

    def crop_heights_in_view(
        self, camera: Camera, phrase: str, negatives: Sequence[str] | None
    ) -> Float32[np.ndarray, "h w"]:
        """The height of the crops, world units, at which a phrase is most relevant at each pixel; not a number where
        the index knows nothing."""
        return np.exp(_read(self._scene, camera, *self._log_heights(phrase, negatives)))[..., 0]

    def crop_heights_of_elements(self, phrase: str, negatives: Sequence[str] | None) -> Float32[np.ndarray, " n"]:
        """`crop_heights_in_view` at each element."""
        return np.exp(_of_elements(self._scene, *self._log_heights(phrase, negatives)))[..., 0]

    def crop_height_range(self) -> tuple[float, float]:
        """The smallest and the largest height of crops on the surface, world units; (0, 0) where there is no surface.
        The nearest and farthest hundredths of the surface do not count."""
        index = self._index()
        if not len(index.voxels):
            return 0.0, 0.0
        near, far = np.percentile(index.typical_distance_scene, (_OUTERMOST, 100 - _OUTERMOST))
        scale = self._scene.scene_from_world.scale
        return float(index.crop_angles[0] * near / scale), float(index.crop_angles[-1] * far / scale)

    def _log_heights(
        self, phrase: str, negatives: Sequence[str] | None
    ) -> tuple[Float[np.ndarray, "v 1"], Bool[np.ndarray, " v"]]:
        """The logarithm of each voxel's best height, world units, and which voxels have one."""
        index, question = self._index(), (phrase, None if negatives is None else tuple(negatives))
        if self._levels is None or self._levels[0] != question:
            self._levels = question, best_levels(index, self._matcher.encoded([phrase], negatives))
        level = self._levels[1]
        height = index.crop_angles[level] * index.typical_distance_scene / self._scene.scene_from_world.scale
        return np.log(np.maximum(height, 1e-30))[:, None], level >= 0


def _read(
    scene: OpenedScene, camera: Camera, of_voxels: Float[np.ndarray, "v c"], known: Bool[np.ndarray, " v"]
) -> Float32[np.ndarray, "h w c"]:
    """Numbers of known voxels, interpolated at a picture's pixels."""
    view = scene.view(camera)
    interpolator = scene.interpolator(view)
    weighted = np.concatenate([of_voxels * known[:, None], known[:, None]], axis=1)
    read = interpolator.reader(to_device_async(weighted, view.distance_scene.device, np.float64))
    picture = interpolator.upsampled(read)
    values = torch.where(picture[-1:] > _KNOWN_SHARE, picture[:-1] / picture[-1:], torch.nan)
    return values.permute(1, 2, 0).float().cpu().numpy()


def _of_elements(
    scene: OpenedScene, of_voxels: Float[np.ndarray, "v c"], known: Bool[np.ndarray, " v"]
) -> Float32[np.ndarray, "n c"]:
    """Numbers of known voxels at the elements that lie in them."""
    voxel = scene.element_voxels.voxel
    values = np.append(np.where(known[:, None], of_voxels, np.nan), np.full((1, of_voxels.shape[1]), np.nan), axis=0)
    return values[voxel].astype(np.float32)  # the last row is for −1
