"""Language for Gaussians in closed form, without training (Occam's LGS, Cheng et al. 2024; sparse codes: LangSplatV2).

A crop's embedding is written as a few codes of a small codebook, and a pixel's as a mix of those of the crops about it.
A Gaussian's embedding at a crop level is the mean over the pixels that it is seen in, weighted by its contributions to
them: a sum of contributions for each Gaussian and code (`lift_weights`), of which the heaviest codes are kept
(`LanguageMap.from_weights`).

Memory: N × codes numbers for each level that is lifted at once, never N × embedding size.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import TrainingError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.features.codebook import learn_codebook, nearest_codes
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidFeatures
from langfield.fields.language_map import LanguageMap
from langfield.models.gaussians.splat import Splat
from langfield.ops.gaussians.pixel_mixtures import PixelMixtures

_ROWS_AT_ONCE = 2**14
_WEIGHT_BYTES = 2 * 2**30


@dataclass(frozen=True)
class LiftedWeights:
    """What lifting sums up for N Gaussians and C codes at L crop levels: arguments of `LanguageMap.from_weights`.

    Attributes:
        codebook: (C, D) unit embeddings.
        weights: for each level (N, C): Σ over all photos' pixels of a Gaussian's contribution times the share of the
            code in the pixel's embedding. An iterator that works a few levels out at a time.
        contribution: (N,) a Gaussian's contributions, summed over all photos' pixels.
        distance_scene: (N,) mean distance of each Gaussian from the cameras, weighted by its contributions.
        crop_angles: (L,) crop height over focal length.
    """

    codebook: Float[Tensor, "c d"]
    weights: Iterator[Float[Tensor, "n c"]]
    contribution: Float[Tensor, " n"]
    distance_scene: Float[Tensor, " n"]
    crop_angles: Float[Tensor, " l"]


@dataclass(frozen=True)
class _PhotoGroup:
    """Photos with the same optics, mask and pyramid, whose pixels differ only in the rows of the crops about them.

    Attributes:
        indices: which of the scene's views.
        cameras: pinholes of the scene frame, shrunk to the size that is backprojected.
        photo_xy_px: (R, 2) where each pixel of these pinholes lies in the photos.
        used: (R,) whether it lies inside the photos and their mask.
    """

    indices: list[int]
    cameras: list[Camera]
    photo_xy_px: Float[Tensor, "r 2"]
    used: Bool[Tensor, " r"]

    @property
    def size_px(self) -> tuple[int, int]:
        return self.cameras[0].width_px, self.cameras[0].height_px

    def pixel_mixtures(self, pyramid: PyramidFeatures, level: int) -> PixelMixtures:
        """Each pixel's embedding at a crop level as a mix of crops, counted from a photo's first crop of the level."""
        rows, shares = pyramid.tiles_about(self.indices[0], self.photo_xy_px, level)
        return PixelMixtures(self.size_px, rows, shares * self.used[:, None])


class _PhotoCounter:
    """Reports progress in photos that were backprojected."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._start, self._done = time.monotonic(), 0

    def __call__(self, photos: int) -> None:
        self._done += photos
        self._progress(ProgressEvent("lifting", self._done, self._total, "photos", time.monotonic() - self._start))


@torch.no_grad()
def lift_language(model: Splat, photos: TrainingPhotos, pyramid: PyramidFeatures, progress: Progress = silent) -> None:
    """Set the model's language to that of the photos that `pyramid` was made for. Cost and errors: `lift_weights`."""
    lifted, config = lift_weights(model, photos, pyramid, progress), model.config.lifting
    language = LanguageMap.from_weights(
        lifted.codebook,
        lifted.weights,
        lifted.contribution,
        lifted.distance_scene,
        lifted.crop_angles,
        keep=config.codes_kept,
        min_contribution=config.min_contribution,
        robust=config.robust,
    )
    model.language = language.to(model.device)


@torch.no_grad()
def lift_weights(
    model: Splat, photos: TrainingPhotos, pyramid: PyramidFeatures, progress: Progress = silent
) -> LiftedWeights:
    """Backproject the codes of the photos' crops to the model's Gaussians.

    Cost: for each photo a picture and its gradient for the contributions; then a projection for as many levels as fit
    into 2 GiB of weights (N × C numbers a level), and for each level a pass over the pairs of a pixel and a Gaussian.
    Pixels' mixtures are made once for all photos with the same optics and mask.

    Raises:
        TrainingError: no photo shows a Gaussian.
    """
    config, device = model.config.lifting, pyramid.rows.device
    count_photos = _PhotoCounter(progress, len(photos.view_indices) * (pyramid.levels + 1))
    codebook = learn_codebook(lambda: pyramid.rows.split(_ROWS_AT_ONCE), config.codes)
    codes, shares = nearest_codes_of_rows(pyramid.rows, codebook, config.codes_per_crop)
    groups = _photo_groups(photos, pyramid, config.side_px, device)
    contribution, distance = _contributions(model, groups, count_photos)
    if not contribution.any():
        raise TrainingError("no photo shows a Gaussian to lift language to; check poses and learning rates")
    return LiftedWeights(
        codebook,
        _weights_by_level(model, pyramid, groups, len(codebook), (codes.int(), shares), count_photos),
        contribution,
        distance / contribution.clamp_min(1e-9),
        _crop_angles(photos, pyramid).to(device),
    )


def _contributions(
    model: Splat, groups: Sequence[_PhotoGroup], count_photos: Callable[[int], None]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Each Gaussian's contributions, and these times its distance from the cameras, summed over all used pixels."""
    count, device = model.gaussians.count, groups[0].used.device
    contribution, weighted_distance = torch.zeros(2, count, device=device)
    for group in groups:
        used = group.used.float().reshape(*reversed(group.size_px), 1)
        for camera in group.cameras:
            of_photo = model.project(camera).backproject(used)[:, 0]
            centre = torch.tensor(camera.frame_from_camera[:3, 3], device=device).float()
            contribution += of_photo
            weighted_distance += of_photo * (model.gaussians.means[:count] - centre).norm(dim=-1)
            count_photos(1)
    return contribution, weighted_distance


@torch.no_grad()
def _weights_by_level(
    model: Splat,
    pyramid: PyramidFeatures,
    groups: Sequence[_PhotoGroup],
    codebook_size: int,
    codes: tuple[Int[Tensor, "m k"], Float[Tensor, "m k"]],
    count_photos: Callable[[int], None],
) -> Iterator[Float[Tensor, "n c"]]:
    """See `LiftedWeights.weights`.

    Args:
        codes: of the M crops of the pyramid, K rows of the codebook and their shares.
    """
    indices = [index for group in groups for index in group.indices]
    first_rows = pyramid.first_row.cpu()[_photo_numbers(pyramid, indices)].tolist()
    first_row = dict(zip(indices, first_rows, strict=True))
    count, device = model.gaussians.count, pyramid.rows.device
    levels_at_once = max(1, _WEIGHT_BYTES // (4 * count * codebook_size))
    for chosen in torch.arange(pyramid.levels).split(levels_at_once):
        levels = chosen.tolist()
        weights = [torch.zeros(count, codebook_size, device=device) for _ in levels]
        for group in groups:
            mixtures = [group.pixel_mixtures(pyramid, level) for level in levels]
            for index, camera in zip(group.indices, group.cameras, strict=True):
                projected = model.project(camera).undistorted  # the camera is a pinhole
                for level, of_pixels, of_level in zip(levels, mixtures, weights, strict=True):
                    projected.lift_codes(of_pixels, first_row[index][level], *codes, of_level)
                count_photos(len(levels))
        while weights:  # let go of a level's weights before those of the next are made
            yield weights.pop(0)


def nearest_codes_of_rows(
    rows: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], count: int
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """`nearest_codes` of a long table that may be memory-mapped."""
    coded = [nearest_codes(part.float(), codebook, count) for part in rows.split(_ROWS_AT_ONCE)]
    return torch.cat([codes for codes, _ in coded]), torch.cat([shares for _, shares in coded])


def _photo_groups(
    photos: TrainingPhotos, pyramid: PyramidFeatures, side_px: int, device: torch.device
) -> list[_PhotoGroup]:
    """The photos, undistorted and at most `side_px` long, by optics, mask and pyramid."""
    groups: dict[tuple[object, ...], list[int]] = {}
    grids = torch.cat([pyramid.grid.flatten(1), pyramid.stride_px, pyramid.origin_px], dim=1).cpu()
    indices = photos.view_indices
    for index, grid in zip(indices, grids[_photo_numbers(pyramid, indices)].tolist(), strict=True):
        groups.setdefault((*photos.optics(index), *grid), []).append(index)
    return [_photo_group(photos, indices, side_px, device) for indices in groups.values()]


def _photo_group(photos: TrainingPhotos, indices: list[int], side_px: int, device: torch.device) -> _PhotoGroup:
    """The group of photos with the same optics, mask and pyramid."""
    cameras = [photos.camera(index).undistorted().fit_within(side_px) for index in indices]
    pixels = cameras[0].pixel_centres(device).reshape(-1, 2)
    rays = Cameras.from_list(cameras[:1], device).rays(
        torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels
    )
    photo, mask = photos.camera(indices[0]), photos.mask(indices[0])
    size_px = photo.width_px, photo.height_px
    lens, points = Cameras.from_list([photo], device), rays.origins + rays.directions
    xy, _ = lens.project(0, points)
    used = ((xy >= 0) & (xy < torch.tensor(size_px, device=device))).all(dim=-1)
    if photo.valid_radius_px is not None:
        used &= lens.rays_meet(torch.zeros(len(xy), dtype=torch.int64, device=device), xy, points)
    if mask is not None:
        column, row = (xy[:, axis].long().clamp(0, side - 1) for axis, side in enumerate(size_px))
        used &= torch.from_numpy(mask).to(device)[row, column]
    return _PhotoGroup(indices, cameras, xy, used)


def _photo_numbers(pyramid: PyramidFeatures, view_indices: Sequence[int]) -> Int64[Tensor, " v"]:
    """Which of the pyramid's photos each view is. On the CPU, where a view without features is an IndexError; on a GPU
    it would end the process."""
    return pyramid.photo_of_view.cpu()[list(view_indices)]


def _crop_angles(photos: TrainingPhotos, pyramid: PyramidFeatures) -> Float[Tensor, " l"]:
    """Crop height over focal length at each level, the mean over the photos."""
    cameras = [photos.camera(index) for index in photos.view_indices]
    ratio = torch.tensor([camera.height_px / camera.fy_px for camera in cameras])
    return (pyramid.fraction.cpu()[_photo_numbers(pyramid, photos.view_indices)] * ratio[:, None]).mean(dim=0)
