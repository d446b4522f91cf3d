"""What models may read of the photos that they learn from: cameras in the scene frame, pixels, masks, points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.views import Scene


@runtime_checkable
class ScaledMasks(Protocol):
    """Masks of photos, as a mask proposer finds them, and how large what they show is."""

    def masks_of_photo(self, view_index: int) -> Bool[Tensor, "m h w"]:
        """The M masks of a photo at the size that it is used at; they may overlap."""
        ...

    def scales_of_photo(self, view_index: int) -> Float[Tensor, " m"]:
        """The scale of each mask, scene units (`langfield.features.mask_scales.mask_scales`); infinite where it is
        not known, and the mask is then not learnt from."""
        ...


@dataclass(frozen=True)
class TrainingPhotos:
    """Some photos of a scene.

    Attributes:
        scene: that they are of.
        view_indices: which of `scene.views` they are.
        masks: of these photos; None where no masks were made.
    """

    scene: Scene
    view_indices: Sequence[int]
    masks: ScaledMasks | None = None

    def camera(self, view_index: int) -> Camera:
        """A photo's camera in the scene frame, at the size that the photo is used at."""
        return self.scene.views[view_index].camera.moved(self.scene.scene_from_world)

    def rgb(self, view_index: int, size_px: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
        """A photo's pixels, at another size (width, height) if one is given."""
        view = self.scene.views[view_index]
        return decode_image(view.image_path, view.size_px if size_px is None else size_px, view.white_level)

    def mask(self, view_index: int, size_px: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None:
        """Which pixels of a photo may be used, at another size (width, height) if one is given; None for all."""
        return used_pixels(self.scene.views[view_index], size_px)

    def optics(self, view_index: int) -> tuple[object, ...]:
        """The optics of a photo's camera, and its masks: equal if pixels have the same rays in camera axes."""
        view = self.scene.views[view_index]
        return (view.camera.optics, view.mask_path, view.ignored_path)

    def points(self) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]] | None:
        """The scene's point cloud in the scene frame, and its colours; None if it has none."""
        cloud = self.scene.points
        return None if cloud is None else (self.scene.scene_from_world.points(cloud.xyz.astype(np.float64)), cloud.rgb)
