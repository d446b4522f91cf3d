"""Masks of photos → groups of a trained run's surface: what belongs together, without a phrase.

Each photo's masks become sets of small voxels of the surface that the run shows there. Masks of different photos that
agree on what both see are of one thing (`langfield.groups`). Nothing is trained.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.devices import to_device_async
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import subsample_evenly
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.data.views import Scene
from langfield.encoders.registry import load_masks
from langfield.features.mask_bank import MaskBank, build_masks
from langfield.groups.agreement import MaskTable
from langfield.groups.consensus import GroupSettings, groups_of_masks
from langfield.groups.counts import mask_sets
from langfield.groups.embeddings import masks_of_groups, mean_group_embeddings
from langfield.groups.hierarchy import only_groups
from langfield.groups.incidence import Incidence
from langfield.groups.pieces import things_apart
from langfield.groups.scene_groups import SceneGroups
from langfield.groups.surface import GroupSurface, PixelSizedVoxels, SurfaceSums
from langfield.models.base import Model
from langfield.models.geometry import distance_and_points, pixels_of_points, shows_one_surface
from langfield.pipelines.stages import Log, Stopwatch
from langfield.query.index.consistency import consistent
from langfield.query.session import Session
from langfield.runs.directory import load_run, lock_run, save_groups

MAX_PHOTOS = 200  # evenly spread over the training photos
SIDE_PX = {"cuda": 640, "cpu": 320}  # longest side of what is rendered to see where a mask lies
_VOXELS_PER_SIDE = 200  # about so many voxels wide is what the longest side of a photo shows, at most
_MIN_VOXEL_PX = 1.5  # smaller voxels would be between the points of pixels
_REACH_SIDES = 2.0  # voxels' sides: a photo shows a voxel if what it shows there is no nearer or farther
_WITNESSES = 64  # cameras that say whether a voxel is there
_SEES_PER_LOOK_THROUGH = 2  # so many times as many must see it as look through it


def grouped_photos(scene: Scene) -> list[int]:
    """The training photos whose masks are looked at, by index."""
    return subsample_evenly(scene.train, MAX_PHOTOS)


def add_groups(
    run: Path, scene: Scene, spec: str, device: torch.device, watch: Stopwatch, progress: Progress, log: Log
) -> None:
    """Find the groups of a trained run's surface by masks of its training photos, and save them with the run.

    A run that has groups by the same mask encoder keeps them.

    Args:
        run: the run directory.
        scene: that it was trained on.
        spec: of the mask encoder.
        watch: gets the stages "masks" and "groups".
        log: gets lines for people about what was found.

    Raises:
        UsageError, WeightsError: see `load_masks`.
        RunError: another process writes the run, or it cannot be written.
    """
    with watch.stage("masks"):
        proposer = load_masks(spec, device)
    card = proposer.card.identity()
    known = load_run(run).info.groups
    if known is not None and known["made_by"] == card:
        log(f"{run} has its groups: {known['groups']} of {known['photos']} photos' masks")
        return
    session = Session.open(run, device=str(device))
    with watch.stage("masks"):
        encoder = session.encoder if session.has_language else None
        masks = build_masks(scene, grouped_photos(scene), proposer, encoder, progress=progress)
    del proposer
    with watch.stage("groups"):
        groups = find_scene_groups(session.model, scene, masks, progress=progress)
    described = {"masks": spec, "made_by": card, "groups": len(groups), "photos": len(masks)}
    tensors = {name: torch.from_numpy(array) for name, array in groups.arrays().items()}
    with lock_run(run):
        save_groups(run, tensors, described)
    count = sum(len(of_photo) for of_photo in masks)
    log(f"{len(groups)} groups from {count:,} masks of {len(masks)} photos")


def find_scene_groups(
    model: Model,
    scene: Scene,
    masks: MaskBank,
    settings: GroupSettings | None = None,
    progress: Progress = silent,
) -> SceneGroups:
    """Groups of the surface that a trained model shows to the photos of `masks`.

    Cost: a depth map of each photo, at most 640 pixels wide, and what `groups_of_masks` costs. Memory: the point and
    the voxel of each pixel of all these depth maps.

    Args:
        masks: of photos of the scene.
    """
    cameras = [scene.views[index].camera.moved(scene.scene_from_world) for index in masks.view_indices]
    surface, depths = observe_surface(model, cameras, progress)
    with torch_threads(1, model.device):  # many small operations
        table = masks_on_surface(masks, surface, cameras, depths, progress)
        groups = groups_of_masks(table, settings, progress)
        centres, sides = surface.centres_scene.cpu().double().numpy(), surface.sides_scene.cpu().double().numpy()
        groups = things_apart(groups, centres, sides, table.device)
        weight = masks_of_groups(table, groups)
        is_of_masks = (weight > 0).any(dim=0)  # a piece of a group may be none
        groups = only_groups(groups, is_of_masks.cpu().numpy())
        known = [of_photo.embeddings for of_photo in masks if of_photo.embeddings is not None]
        embeddings = None
        if len(known) == len(masks):
            embeddings = mean_group_embeddings(weight[:, is_of_masks], np.concatenate(known))
    seen_by = table.seen_by.sum(dim=1, dtype=torch.int32).cpu().numpy()
    return SceneGroups(surface, groups, embeddings, seen_by)


def masks_on_surface(
    masks: MaskBank,
    surface: GroupSurface,
    cameras: Sequence[Camera],
    depths: Sequence[Float[Tensor, "_h _w"]],
    progress: Progress = silent,
) -> MaskTable:
    """The masks of photos as sets of a surface's voxels.

    Args:
        masks: of F photos.
        surface: in the scene frame.
        cameras: of these photos, scene frame.
        depths: of these photos, see `observe_surface`.
    """
    found: list[tuple[Incidence, Bool[Tensor, " v"]]] = []
    start = time.monotonic()
    for of_photo, camera, depth in zip(masks, cameras, depths, strict=True):
        small = at_size(of_photo.dense(depth.device), depth.shape)
        found.append(mask_sets(small, shown_voxels(surface, camera, depth)))
        progress(ProgressEvent("masks on the surface", len(found), len(masks), "photos", time.monotonic() - start))
    return MaskTable.of_sets(found, np.concatenate([of_photo.predicted_iou for of_photo in masks]))


def shown_voxels(surface: GroupSurface, camera: Camera, depth_scene: Float[Tensor, "h w"]) -> Int64[Tensor, " v"]:
    """The pixel (row · w + column) of a depth map in which it shows each of a surface's V voxels, −1 for none.

    Nothing waits for the device.

    Args:
        camera: that took it, scene frame, at any size.
        depth_scene: 0 where nothing is to be said of what it shows.
    """
    pixel, z = pixels_of_points(surface.centres_scene, camera.fit_within(max(depth_scene.shape)))
    depth = torch.where(pixel >= 0, depth_scene.reshape(-1)[pixel.clamp_min(0)], 0)
    return torch.where((depth > 0) & ((depth - z).abs() <= _REACH_SIDES * surface.sides_scene), pixel, -1)


def observe_surface(
    model: Model, cameras: Sequence[Camera], progress: Progress = silent
) -> tuple[GroupSurface, list[Float[Tensor, "_h _w"]]]:
    """The voxels of the surface that cameras of the scene frame see, and z-depth in their pictures, 0 where a pixel
    shows no surface, or two at once. Pictures are as large as `SIDE_PX` allows.

    Voxels that hang in the air between a thing and what is behind it, as means of both, go: other cameras look through
    them."""
    side_px = SIDE_PX[model.device.type]
    small = [camera.fit_within(side_px) for camera in cameras]
    angles = [
        max(max(camera.width_px, camera.height_px) / _VOXELS_PER_SIDE, _MIN_VOXEL_PX) / camera.fy_px for camera in small
    ]
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in small])
    sums = SurfaceSums(PixelSizedVoxels.seen_from(centres, float(np.median(angles))), model.device)
    depths: list[Float[Tensor, "_h _w"]] = []
    clear: list[Float[Tensor, "_h _w"]] = []
    start = time.monotonic()
    for number, camera in enumerate(small, start=1):
        with torch_threads(model.config.rays_at_once // RAYS_PER_THREAD_RENDERED, model.device):
            depth = model.render(camera, ("depth",)).depth_scene
        assert depth is not None
        _, points = distance_and_points(depth, camera)
        shown = _shown(depth, camera)
        sums.add(points, shown.reshape(-1))
        depths.append(depth)
        clear.append(torch.where(shown, depth, 0))
        progress(ProgressEvent("surface", number, len(small), "photos", time.monotonic() - start))
    surface = sums.surface()
    witnesses = subsample_evenly(range(len(small)), _WITNESSES)
    seen = consistent(
        surface.centres_scene,
        [small[number] for number in witnesses],
        [depths[number] for number in witnesses],
        min_views=2,
        sees_per_look_through=_SEES_PER_LOOK_THROUGH,
    )
    return surface.subset(seen) if bool(seen.any()) else surface, clear


def _shown(depth: Float[Tensor, "h w"], camera: Camera) -> Bool[Tensor, "h w"]:
    """Pixels of a camera's depth map that show one surface, within what its lens shows."""
    shown, valid = shows_one_surface(depth.float()), camera.valid_pixels()
    return shown if valid is None else shown & to_device_async(valid, depth.device, np.bool_)


def at_size(masks: Bool[Tensor, "m h w"], size: Sequence[int]) -> Bool[Tensor, "m r k"]:
    """Masks at another size (rows, columns): the value of the nearest pixel."""
    if tuple(masks.shape[1:]) == tuple(size):
        return masks
    for dim, count in ((1, size[0]), (2, size[1])):
        place = (torch.arange(count, device=masks.device) + 0.5) * masks.shape[dim] / count
        masks = masks.index_select(dim, place.long())
    return masks
