"""Masks of photos → groups of a trained run's surface: what belongs together, without a phrase.

Each photo's masks become sets of small voxels of the surface that the run shows there. Masks of different photos that
agree on what both see are of one thing (`langfield.groups`). Nothing is trained.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import subsample_evenly
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.data.views import Scene
from langfield.encoders.registry import load_masks
from langfield.features.mask_bank import MaskBank, build_masks
from langfield.groups.base import PhotoVoxels
from langfield.groups.consensus import GroupSettings, find_groups
from langfield.groups.counts import count_mask_voxels
from langfield.groups.embeddings import mean_group_embeddings
from langfield.groups.pieces import without_specks
from langfield.groups.scene_groups import SceneGroups
from langfield.groups.surface import GroupSurface, PixelSizedVoxels, SurfaceSums
from langfield.models.base import Model
from langfield.models.geometry import distance_and_points
from langfield.pipelines.stages import Log, Stopwatch
from langfield.query.index.consistency import consistent
from langfield.query.session import Session
from langfield.query.surface_points import on_one_surface
from langfield.runs.directory import load_run, lock_run, save_groups

MAX_PHOTOS = 200  # evenly spread over the training photos
SIDE_PX = {"cuda": 640, "cpu": 320}  # longest side of what is rendered to see where a mask lies
_PIXELS_PER_VOXEL = 1.5
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

    Cost: a depth map of each photo, at most 640 pixels wide, and what `find_groups` costs. Memory: the voxel of each
    pixel of all these depth maps.

    Args:
        masks: of photos of the scene.
    """
    cameras = [scene.views[index].camera.moved(scene.scene_from_world) for index in masks.view_indices]
    surface, voxels_of_pixels = observe_surface(model, cameras, progress)
    photos = []
    start = time.monotonic()
    for number, voxel_of_pixel in enumerate(voxels_of_pixels):
        of_photo = masks[number].dense(voxel_of_pixel.device)
        shares, seen = count_mask_voxels(at_size(of_photo, voxel_of_pixel.shape), voxel_of_pixel, len(surface))
        photos.append(PhotoVoxels(shares, seen, masks[number].predicted_iou))
        progress(ProgressEvent("masks on the surface", number + 1, len(cameras), "photos", time.monotonic() - start))
    groups = find_groups(photos, settings, progress)
    centres, sides = surface.centres_scene.cpu().double().numpy(), surface.sides_scene.cpu().double().numpy()
    groups = replace(groups, members=without_specks(groups.members, centres, sides))
    known = [of_photo.embeddings for of_photo in masks if of_photo.embeddings is not None]
    embeddings = mean_group_embeddings(photos, groups, known) if len(known) == len(photos) else None
    return SceneGroups(surface, groups, embeddings)


def observe_surface(
    model: Model, cameras: Sequence[Camera], progress: Progress = silent
) -> tuple[GroupSurface, list[Int64[Tensor, "_h _w"]]]:
    """The voxels of the surface that cameras of the scene frame see, and the voxel of each pixel of their pictures,
    −1 where a pixel shows no surface, or two at once.

    Voxels that hang in the air between a thing and what is behind it, as means of both, go: other cameras look through
    them."""
    side_px = SIDE_PX[model.device.type]
    small = [camera.fit_within(side_px) for camera in cameras]
    angle = _PIXELS_PER_VOXEL / float(np.median([camera.fy_px for camera in small]))
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in small])
    sums = SurfaceSums(PixelSizedVoxels.seen_from(centres, angle), model.device)
    keys: list[Int64[Tensor, "_h _w"]] = []
    depths: list[Float[Tensor, "_h _w"]] = []
    start = time.monotonic()
    for number, camera in enumerate(small, start=1):
        with torch_threads(model.config.rays_at_once // RAYS_PER_THREAD_RENDERED, model.device):
            depth = model.render(camera, ("depth",)).depth_scene
        assert depth is not None
        _, points = distance_and_points(depth, camera)
        shown = torch.from_numpy(_shown(depth, camera)).to(points.device).reshape(-1)
        keys.append(sums.add(points, shown).reshape(depth.shape))
        depths.append(depth)
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
    if bool(seen.any()):
        surface = surface.subset(seen)
    return surface, [torch.where(of_photo >= 0, surface.find(of_photo), -1) for of_photo in keys]


def _shown(depth: Float[Tensor, "h w"], camera: Camera) -> Bool[np.ndarray, "h w"]:
    """Pixels of a camera's depth map that show one surface, within what its lens shows."""
    shown, valid = on_one_surface(depth.float().cpu().numpy()), camera.valid_pixels()
    return shown if valid is None else shown & valid


def at_size(masks: Bool[Tensor, "m h w"], size: Sequence[int]) -> Bool[Tensor, "m r k"]:
    """Masks at another size (rows, columns): the value of the nearest pixel."""
    if tuple(masks.shape[1:]) == tuple(size):
        return masks
    for dim, count in ((1, size[0]), (2, size[1])):
        place = (torch.arange(count, device=masks.device) + 0.5) * masks.shape[dim] / count
        masks = masks.index_select(dim, place.long())
    return masks
