"""Made scenes for the consensus of masks: things on a table as voxels, a ring of cameras, and masks with errors."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse

from langfield.groups import Groups, PhotoVoxels
from langfield.groups.base import solid_part


@dataclass(frozen=True)
class Errors:
    """How masks go wrong: shares of masks, and how far borders wander in voxels' pixels."""

    border: float = 0.7
    leaks: float = 0.25
    misses: float = 0.3
    splits: float = 0.1
    unions: float = 0.15
    garbage: int = 6


@dataclass(frozen=True)
class MadeScene:
    """Surface voxels with their thing and part (-1: the table)."""

    centres: np.ndarray
    thing: np.ndarray
    part: np.ndarray

    def truth(self) -> dict[str, np.ndarray]:
        """The things' and parts' voxels as (N, V) of bool."""
        things = np.stack([self.thing == k for k in range(self.thing.max() + 1)])
        parts = np.stack([self.part == k for k in range(self.part.max() + 1)])
        return {"things": things, "parts": parts}


def made_scene(seed: int, thing_count: int = 12, voxel: float = 0.015) -> MadeScene:
    """Boxes and spheres on a table of one metre, each of two parts, upper and lower."""
    rng = np.random.default_rng(seed)
    cells = round(1.0 / voxel)
    label = np.full((cells, cells, int(0.3 / voxel)), -1)
    part = label.copy()
    grid = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in label.shape), indexing="ij"), axis=-1) * voxel
    places: list[tuple[np.ndarray, float]] = []
    while len(places) < thing_count:
        radius = rng.uniform(0.04, 0.1)
        at = rng.uniform(radius, 1 - radius, 2)
        if all(np.linalg.norm(at - other) > 0.8 * (radius + r) for other, r in places):
            places.append((at, radius))
    for k, (at, radius) in enumerate(places):
        height = rng.uniform(1.0, 2.0) * radius
        delta = grid - np.array([*at, 2 * voxel + height])
        if k % 2:
            inside = (np.linalg.norm(delta[..., :2], axis=-1) < radius) & (abs(delta[..., 2]) < height)
        else:
            inside = np.linalg.norm(delta / np.array([radius, radius, height]), axis=-1) < 1
        inside &= label < 0
        label[inside] = k
        part[inside] = 2 * k + (delta[..., 2][inside] > 0.2 * height)
    solid = label >= 0
    solid[..., :2] = True
    surface = solid & ~ndimage.binary_erosion(solid, border_value=1)
    surface[..., 1] |= solid[..., 1] & ~solid[..., 2]
    return MadeScene(grid[surface], label[surface], part[surface])


def photo_of_scene(scene: MadeScene, azimuth: float, elevation: float, size: int = 160) -> np.ndarray:
    """Which voxel each pixel of a photo from a ring round the table shows, -1 for none; (H, W)."""
    towards = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    position = np.array([0.5, 0.5, 0.05]) + 1.3 * towards
    right = np.cross(-towards, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(-towards, right)
    camera = (scene.centres - position) @ np.stack([right, down, -towards], axis=1)
    focal = 1.1 * size
    x, y = (camera[:, :2] / camera[:, 2:] * focal + size / 2).T
    radius = int(np.ceil(0.5 * 0.015 * focal / 0.8 + 0.5))
    depth = np.full((size, size), np.inf)
    shown = np.full((size, size), -1)
    order = np.argsort(-camera[:, 2], kind="stable")  # far to near, so the last writer is the nearest
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            px, py = np.floor(x).astype(int) + dx, np.floor(y).astype(int) + dy
            ok = order[((px >= 0) & (px < size) & (py >= 0) & (py < size))[order]]
            layer, layer_depth = np.full((size, size), -1), np.full((size, size), np.inf)
            layer[py[ok], px[ok]] = ok
            layer_depth[py[ok], px[ok]] = camera[ok, 2]
            nearer = layer_depth < depth
            depth[nearer], shown[nearer] = layer_depth[nearer], layer[nearer]
    return shown


def noisy_masks(scene: MadeScene, shown: np.ndarray, errors: Errors, rng: np.random.Generator) -> np.ndarray:
    """(M, H, W) masks of one photo at the grains part and thing, with errors."""
    background = shown < 0
    thing = np.where(background, -1, scene.thing[shown])
    part = np.where(background, -1, scene.part[shown])
    masks: list[np.ndarray] = [thing == -1] if rng.random() > errors.misses else []
    visible = [k for k in np.unique(thing) if k >= 0]
    for label in (thing, part):
        masks += [label == k for k in np.unique(label) if k >= 0 and rng.random() > errors.misses]
    centre = {k: np.argwhere(thing == k).mean(axis=0) for k in visible}
    for k in visible:
        others = sorted((o for o in visible if o != k), key=lambda o: float(np.linalg.norm(centre[o] - centre[k])))
        if others and rng.random() < errors.unions:
            masks.append((thing == k) | (thing == others[int(rng.integers(min(2, len(others))))]))
        if rng.random() < errors.splits:
            half = np.indices(thing.shape)[int(rng.integers(2))]
            masks.append((thing == k) & (half > centre[k][int(rng.integers(2))]))
    rows, columns = np.indices(thing.shape)
    for _ in range(errors.garbage):
        at = rng.integers(0, len(thing), 2)
        masks.append((rows - at[0]) ** 2 + (columns - at[1]) ** 2 < rng.uniform(4, 20) ** 2)
    return np.stack([_wander(mask, errors, rng) for mask in masks if mask.sum() > 12] or [thing == -2])


def _wander(mask: np.ndarray, errors: Errors, rng: np.random.Generator) -> np.ndarray:
    """A mask whose border wanders by some pixels, and that may leak into its surroundings at one place."""
    inside, outside = (np.asarray(ndimage.distance_transform_edt(side)) for side in (mask, ~mask))
    scale = min(np.sqrt(mask.sum()) / 12 + 1, 3.0)
    noise = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 3) * 10
    moved = inside - outside + errors.border * scale * (noise + 0.5 * rng.standard_normal()) > 0
    if rng.random() < errors.leaks:
        border = np.argwhere(mask)
        at = border[int(rng.integers(len(border)))]
        rows, columns = np.indices(mask.shape)
        moved |= (rows - at[0]) ** 2 + (columns - at[1]) ** 2 < (0.6 * np.sqrt(mask.sum())) ** 2
    return moved


def voxels_of_masks(masks: np.ndarray, shown: np.ndarray, voxel_count: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """(M, V) the share of each voxel's pixels that is inside each mask, and the voxels that are shown."""
    pixels = np.bincount(shown[shown >= 0], minlength=voxel_count)
    rows = [np.bincount(shown[mask & (shown >= 0)], minlength=voxel_count) / np.maximum(pixels, 1) for mask in masks]
    return sparse.csr_matrix(np.array(rows, dtype=np.float32).reshape(len(masks), voxel_count)), pixels > 0


def made_photos(scene: MadeScene, photo_count: int, errors: Errors, seed: int = 0) -> list[PhotoVoxels]:
    """Photos from a ring round the table, with masks that go wrong."""
    rng = np.random.default_rng(seed)
    photos = []
    for k in range(photo_count):
        shown = photo_of_scene(scene, 2 * np.pi * (k + 0.3 * rng.random()) / photo_count, rng.uniform(0.4, 1.0))
        masks = noisy_masks(scene, shown, errors, rng)
        photos.append(PhotoVoxels(*voxels_of_masks(masks, shown, len(scene.thing)), np.full(len(masks), 0.8)))
    return photos


def overlaps(groups: Groups, truth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, G) IoU of true sets and groups, on the voxels that any photo shows."""
    solid = np.asarray(solid_part(groups.members).todense())[:, seen]
    true = truth[:, seen].astype(np.float32)
    shared = true @ solid.T
    return shared / np.maximum(true.sum(axis=1)[:, None] + solid.sum(axis=1)[None] - shared, 1)
