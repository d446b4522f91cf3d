"""Language in closed form: what crops of the photos say, handed to a method that averages it into its surfaces."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch

from langfield.core.cameras import Cameras
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.images import decode_mask
from langfield.data.views import Scene
from langfield.features.pyramid import PyramidFeatures
from langfield.models.voxels.voxel_lift import LiftConfig, PhotoEmbeddings


@runtime_checkable
class LiftingMethod(Protocol):
    """A method that is given language after its training."""

    config: LiftConfig

    def lift(self, photos: Callable[[], Iterator[PhotoEmbeddings]]) -> None: ...


def lift_language(
    method: LiftingMethod,
    scene: Scene,
    pyramid: PyramidFeatures,
    view_indices: Sequence[int],
    progress: Progress = silent,
) -> None:
    """Lift the embeddings of the given views (those that `pyramid` was made for) into `method`.

    Cost: two passes over the views, each pixel of a raster of `lifted_side_px` once for every level of the pyramid.
    """
    device = pyramid.rows.device
    start, total = time.monotonic(), 2 * len(view_indices)
    done = 0

    def photos() -> Iterator[PhotoEmbeddings]:
        nonlocal done
        for index in view_indices:
            yield _photo(scene, pyramid, index, method.config.lifted_side_px, device)
            done += 1
            progress(ProgressEvent("lifting", done, total, "photos", time.monotonic() - start))

    method.lift(photos)


def _photo(scene: Scene, pyramid: PyramidFeatures, index: int, side_px: int, device: torch.device) -> PhotoEmbeddings:
    """The pixels of a raster over one view, with their embeddings at every level of its pyramid."""
    camera = scene.views[index].camera.moved(scene.scene_from_world)
    factor = min(1.0, side_px / max(camera.width_px, camera.height_px))
    small = camera.resized(max(1, round(camera.width_px * factor)), max(1, round(camera.height_px * factor)))
    pixels = small.pixel_centres(device).reshape(-1, 2)
    mask_path = scene.views[index].mask_path
    if mask_path is not None:  # what training did not look at has no surface
        used = torch.from_numpy(decode_mask(mask_path, (small.width_px, small.height_px))).to(device)
        pixels = pixels[used.reshape(-1)]
    rays = Cameras.from_list([small], device).rays(torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels)
    scale = torch.tensor([camera.width_px / small.width_px, camera.height_px / small.height_px], device=device)
    view_index = torch.full((len(pixels),), index, device=device)
    embeddings, angles = [], []
    for level in range(pyramid.levels):
        at = torch.full((len(pixels),), float(level), device=device)
        embeddings.append(torch.nn.functional.normalize(pyramid.sample(view_index, pixels * scale, at), dim=-1))
        fraction = pyramid.crop_fraction(view_index[:1], at[:1])[0]
        angles.append(fraction * camera.height_px / camera.fy_px)
    return PhotoEmbeddings(rays, torch.stack(embeddings), torch.stack(angles))
