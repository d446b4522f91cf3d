"""Language for Gaussians in closed form: crops are coded by a small codebook, and each Gaussian takes the codes of the
pixels that it shows, weighted by its contribution to them (Occam's LGS, Cheng et al. 2024; sparse codes: LangSplatV2).

Nothing of N × embedding size is ever held: a level's weights are N × codes, and levels come one after the other.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import TrainingError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.features.codebook import learn_codebook, nearest_codes
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidFeatures
from langfield.models.gaussians.splat import Splat

_ROWS_AT_ONCE = 2**14
_WEIGHT_BYTES = 2 * 2**30


@dataclass(frozen=True)
class _Alike:
    """Photos of one size by one camera, as they are lifted from: pinholes of the scene frame, whose pixels lie at the
    same places in each photo, and are used or not in all."""

    indices: list[int]
    cameras: list[Camera]
    photo_xy_px: Float[Tensor, "r 2"]
    used: Bool[Tensor, " r"]

    @property
    def size_px(self) -> tuple[int, int]:
        return self.cameras[0].width_px, self.cameras[0].height_px


@torch.no_grad()
def lift_language(
    model: Splat,
    photos: TrainingPhotos,
    pyramid: PyramidFeatures,
    progress: Progress = silent,
) -> None:
    """Give the model the language of the photos that `pyramid` was made for.

    Cost: a projection of each view for as many levels as fit into 2 GiB of weights (N × codes numbers a level), a pass
    over its pairs of a pixel and a Gaussian for each level, and a splat and its gradient for the light. What pixels say
    is worked out once for all photos of one camera (and one mask, where there are masks).

    Raises TrainingError if no photo shows a Gaussian.
    """
    config, device, view_indices = model.config.lifting, pyramid.rows.device, photos.view_indices
    start, done = time.monotonic(), 0
    total = len(view_indices) * (pyramid.levels + 1)

    def tell(pictures: int) -> None:
        nonlocal done
        done += pictures
        progress(ProgressEvent("lifting", done, total, "photos", time.monotonic() - start))

    codebook = learn_codebook(lambda: pyramid.rows.split(_ROWS_AT_ONCE), config.codes)
    codes, shares = nearest_codes_of_rows(pyramid.rows, codebook, config.codes_per_crop)
    coded = codes.int(), shares
    groups = _alike(photos, pyramid, config.side_px, device)
    first_row = dict(zip(view_indices, pyramid.first_row.cpu()[_places(pyramid, view_indices)].tolist(), strict=True))
    count = model.gaussians.count
    light, distance = torch.zeros(2, count, device=device)
    for group in groups:
        used = group.used.float().reshape(*reversed(group.size_px), 1)
        for camera in group.cameras:
            seen = model.pulled_back(camera, used)[:, 0]
            eye = torch.tensor(camera.frame_from_camera[:3, 3], device=device).float()
            light += seen
            distance += seen * (model.gaussians.means[:count] - eye).norm(dim=-1)
            tell(1)
    if not light.any():
        raise TrainingError("no photo shows a Gaussian to lift language to; check poses and learning rates")

    def weights() -> Iterator[Float[Tensor, "n c"]]:
        at_once = max(1, _WEIGHT_BYTES // (4 * count * len(codebook)))
        for chosen in torch.arange(pyramid.levels).split(at_once):
            levels = chosen.tolist()
            found = [torch.zeros(count, len(codebook), device=device) for _ in levels]
            for group in groups:
                said = [model.pixel_rows(group.cameras[0], *_said(group, pyramid, level)) for level in levels]
                for index, camera in zip(group.indices, group.cameras, strict=True):
                    projected = model.look(camera).undistorted  # a pinhole's: nothing is distorted
                    for level, of_pixels, of_level in zip(levels, said, found, strict=True):
                        projected.lift_codes(of_pixels, first_row[index][level], *coded, of_level)
                    tell(len(found))
            while found:
                yield found.pop(0)

    model.take_language(
        codebook,
        weights(),
        light,
        distance / light.clamp_min(1e-9),
        _crop_angles(photos, pyramid).to(device),
        keep=config.codes_kept,
        min_contribution=config.min_contribution,
        robust=config.robust,
    )


def nearest_codes_of_rows(
    rows: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], count: int
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """`nearest_codes` of a long table that may be memory-mapped."""
    coded = [nearest_codes(part.float(), codebook, count) for part in rows.split(_ROWS_AT_ONCE)]
    return torch.cat([codes for codes, _ in coded]), torch.cat([shares for _, shares in coded])


def _alike(photos: TrainingPhotos, pyramid: PyramidFeatures, side_px: int, device: torch.device) -> list[_Alike]:
    """The photos undistorted and shrunk, those together that share all that does not depend on the pose."""
    groups: dict[tuple[object, ...], list[int]] = {}
    grids = torch.cat([pyramid.grid.flatten(1), pyramid.stride_px, pyramid.origin_px], dim=1).cpu()
    indices = photos.view_indices
    for index, grid in zip(indices, grids[_places(pyramid, indices)].tolist(), strict=True):
        groups.setdefault((*photos.optics(index), *grid), []).append(index)
    return [_group(photos, indices, side_px, device) for indices in groups.values()]


def _group(photos: TrainingPhotos, indices: list[int], side_px: int, device: torch.device) -> _Alike:
    """Photos of equal optics and mask; pixels that they do not show, or that the mask forbids, are not used."""
    cameras = [photos.camera(index).undistorted().fit_within(side_px) for index in indices]
    pixels = cameras[0].pixel_centres(device).reshape(-1, 2)
    rays = Cameras.from_list(cameras[:1], device).rays(
        torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels
    )
    photo, mask = photos.camera(indices[0]), photos.mask(indices[0])
    size_px = photo.width_px, photo.height_px
    xy, _ = Cameras.from_list([photo], device).project(0, rays.origins + rays.directions)
    used = ((xy >= 0) & (xy < torch.tensor(size_px, device=device))).all(dim=-1)
    if mask is not None:
        column, row = (xy[:, axis].long().clamp(0, side - 1) for axis, side in enumerate(size_px))
        used &= torch.from_numpy(mask).to(device)[row, column]
    return _Alike(indices, cameras, xy, used)


def _said(group: _Alike, pyramid: PyramidFeatures, level: int) -> tuple[Int64[Tensor, "r j"], Float[Tensor, "r j"]]:
    """What each pixel says, of crops counted from a photo's first of the level: rows and weights."""
    rows, shares = pyramid.tiles_about(group.indices[0], group.photo_xy_px, level)
    return rows, shares * group.used[:, None]


def _places(pyramid: PyramidFeatures, view_indices: Sequence[int]) -> Int64[Tensor, " v"]:
    """On the CPU, where a view without features is an error and not the end of the process."""
    return pyramid.place.cpu()[list(view_indices)]


def _crop_angles(photos: TrainingPhotos, pyramid: PyramidFeatures) -> Float[Tensor, " l"]:
    """Crop height over focal length at each level, the mean over the photos."""
    cameras = [photos.camera(index) for index in photos.view_indices]
    ratio = torch.tensor([camera.height_px / camera.fy_px for camera in cameras])
    return (pyramid.fraction.cpu()[_places(pyramid, photos.view_indices)] * ratio[:, None]).mean(dim=0)
