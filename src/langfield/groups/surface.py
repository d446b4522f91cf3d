"""The surface that groups are made of: voxels of a few pixels of the photos, found again at any point in space.

Groups of voxels (`langfield.groups.consensus`) are to end where things end, to the pixel of a photo. A voxel's side is
therefore what a few pixels cover at the distance from which a place was photographed: small on the table that photos
were taken of, large on the wall behind it. Between voxels, shares of photos are interpolated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.voxels import voxel_keys
from langfield.groups.incidence import distinct_numbers, sorted_numbers

_KEY_BITS = 18  # of a voxel's index along each axis; the octave of its side takes 8 more
_MIN_PHOTOS = 2  # what one photo alone shows may not be there
_PARTS = 2**30  # of a voxel's side, in which places within it are counted
_CORNERS = torch.tensor([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])


@dataclass(frozen=True)
class PixelSizedVoxels:
    """A division of space into voxels whose sides grow with the distance of the photos, in octaves.

    Attributes:
        mean_camera_scene: the mean of the cameras' centres, scene frame.
        camera_spread_scene: root mean square distance of the cameras to that, scene units.
        side_over_distance: wanted side of a voxel over the root mean square distance of the cameras to it.
    """

    mean_camera_scene: tuple[float, float, float]
    camera_spread_scene: float
    side_over_distance: float

    @classmethod
    def seen_from(cls, camera_centres_scene: Float[np.ndarray, "c 3"], side_over_distance: float) -> "PixelSizedVoxels":
        """Of cameras at C places, scene frame."""
        mean = camera_centres_scene.mean(axis=0)
        spread = float(np.sqrt(((camera_centres_scene - mean) ** 2).sum(axis=1).mean()))
        x, y, z = (float(v) for v in mean)
        return cls((x, y, z), spread, side_over_distance)

    def sides(self, points_scene: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Side of the voxel that each point is in, scene units: as wanted, but for a factor of at most √2."""
        return torch.exp2(self._octaves(points_scene))

    def keys(self, points_scene: Float[Tensor, "n 3"]) -> Int64[Tensor, " n"]:
        """An integer that identifies the voxel of each finite point."""
        octave = self._octaves(points_scene)
        return _keys(octave, (points_scene / torch.exp2(octave)[:, None]).floor())

    def corners(self, points_scene: Float[Tensor, "n 3"]) -> tuple[Int64[Tensor, "n 8"], Float[Tensor, "n 8"]]:
        """The eight voxels of a point's octave whose centres surround it, by key, and their trilinear weights."""
        octave = self._octaves(points_scene)
        place = points_scene / torch.exp2(octave)[:, None] - 0.5
        low = place.floor()
        share = (place - low)[:, None]
        corner = _CORNERS.to(points_scene.device)
        weight = torch.where(corner.bool(), share, 1 - share).prod(dim=-1)
        cell = (low[:, None] + corner).reshape(-1, 3)
        return _keys(octave.repeat_interleave(8), cell).reshape(-1, 8), weight

    def camera_distances(self, points_scene: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Root mean square distance of the cameras to each point, scene units."""
        mean = torch.tensor(self.mean_camera_scene, device=points_scene.device, dtype=points_scene.dtype)
        return (((points_scene - mean) ** 2).sum(dim=-1) + self.camera_spread_scene**2).sqrt()

    def _octaves(self, points_scene: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """log₂ of the wanted side at each point, rounded."""
        distance = self.camera_distances(points_scene)
        return (self.side_over_distance * distance).clamp_min(1e-9).log2().round().clamp(-100, 100)


def _keys(octave: Float[Tensor, " n"], cell: Float[Tensor, "n 3"]) -> Int64[Tensor, " n"]:
    half = 2 ** (_KEY_BITS - 1)
    return ((octave.long() + 128) << (3 * _KEY_BITS)) | voxel_keys(cell.clamp(-half, half - 1).long(), _KEY_BITS)


@dataclass(frozen=True)
class GroupSurface:
    """V voxels that a surface passes through, in the order of their keys.

    Attributes:
        division: of space, which the voxels are part of.
        keys: (V,) rising.
        centres_scene: (V, 3) mean of the points that photos show in each, scene frame.
        sides_scene: (V,) their sides, scene units.
    """

    division: PixelSizedVoxels
    keys: Int64[Tensor, " v"]
    centres_scene: Float[Tensor, "v 3"]
    sides_scene: Float[Tensor, " v"]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def device(self) -> torch.device:
        """Where the voxels are."""
        return self.keys.device

    def to(self, device: torch.device | str) -> "GroupSurface":
        """The same on another device."""
        return GroupSurface(
            self.division, self.keys.to(device), self.centres_scene.to(device), self.sides_scene.to(device)
        )

    def subset(self, which: Bool[Tensor, " v"]) -> "GroupSurface":
        """Some of the voxels."""
        return GroupSurface(self.division, self.keys[which], self.centres_scene[which], self.sides_scene[which])

    def find(self, keys: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
        """The voxels that have these keys; −1 for keys that no voxel has. Cost: a binary search for each."""
        if not len(self):
            return torch.full_like(keys, -1)
        place = torch.searchsorted(self.keys, keys.contiguous()).clamp(max=len(self) - 1)
        return torch.where(self.keys[place] == keys, place, -1)

    def at(self, points_scene: Float[Tensor, "n 3"]) -> Int64[Tensor, " n"]:
        """The voxel that each point lies in; −1 for points in none, and for points that are not finite."""
        known = points_scene.isfinite().all(dim=-1)
        found = self.find(self.division.keys(torch.where(known[:, None], points_scene, 0)))
        return torch.where(known, found, -1)

    def around(self, points_scene: Float[Tensor, "n 3"]) -> tuple[Int64[Tensor, "n 8"], Float[Tensor, "n 8"]]:
        """The voxels whose values are interpolated at points, and their weights.

        Weights are trilinear between the centres of the eight cells about a point, of which only those with a surface
        count. A row adds up to 1, or is 0 where there is none; a voxel of weight 0 is 0.
        """
        known = points_scene.isfinite().all(dim=-1)
        keys, weight = self.division.corners(torch.where(known[:, None], points_scene, 0))
        voxel = self.find(keys)
        weight = torch.where((voxel >= 0) & known[:, None], weight, 0)
        weight = weight / weight.sum(dim=1, keepdim=True).clamp_min(1e-9)
        return voxel.clamp_min(0), weight

    @cached_property
    def areas(self) -> Float[np.ndarray, " v"]:
        """(V,) about how much surface each holds, squared scene units."""
        return (self.sides_scene.double() ** 2).cpu().numpy()

    def arrays(self) -> dict[str, np.ndarray]:
        """The surface as named arrays."""
        division = self.division
        return {
            "keys": self.keys.cpu().numpy(),
            "centres_scene": self.centres_scene.cpu().numpy(),
            "division": np.array(
                [*division.mean_camera_scene, division.camera_spread_scene, division.side_over_distance], np.float64
            ),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "GroupSurface":
        """The inverse of `arrays`. Raises KeyError for one that is missing, ValueError for what is no surface."""
        keys, centres, numbers = arrays["keys"], arrays["centres_scene"], arrays["division"]
        if keys.ndim != 1 or keys.dtype != np.int64 or not bool((keys[1:] > keys[:-1]).all()):
            raise ValueError("the keys of the surface's voxels are no whole numbers that rise")
        if centres.shape != (len(keys), 3) or centres.dtype != np.float32 or not np.isfinite(centres).all():
            raise ValueError(f"the surface needs {len(keys)} centres (float32), found {centres.dtype} {centres.shape}")
        if numbers.shape != (5,) or not np.isfinite(numbers).all():
            raise ValueError(f"the division of space needs five numbers, found {numbers}")
        x, y, z, spread, side_over_distance = (float(value) for value in numbers)
        division = PixelSizedVoxels((x, y, z), spread, side_over_distance)
        sides = torch.exp2(((torch.from_numpy(keys) >> (3 * _KEY_BITS)) - 128).float())
        return cls(division, torch.from_numpy(keys), torch.from_numpy(centres), sides)


class SurfaceSums:
    """Collects what photos show in each voxel. Memory: the point and the voxel's key of each pixel of all photos."""

    def __init__(self, division: PixelSizedVoxels, device: torch.device | str) -> None:
        self._division = division
        self._device = device
        self._photos: list[tuple[Int64[Tensor, " _n"], Float[Tensor, "_n 3"]]] = []  # keys, −1 for none, and points

    def add(self, points_scene: Float[Tensor, "n 3"], shown: Bool[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Add one photo's points; returns the key of each one's voxel, −1 for those that are not `shown`. Nothing
        waits for the device."""
        points = torch.where(shown[:, None], points_scene, 0)
        keys = torch.where(shown, self._division.keys(points), -1)
        self._photos.append((keys, points))
        return keys

    def surface(self) -> GroupSurface:
        """The voxels that at least two photos show; those of one, if all are such.

        Means are of whole numbers, fractions of a voxel's side, so that they are the same on every device.
        """
        empty = torch.zeros(0, dtype=torch.int64, device=self._device)
        of_photos = [distinct_numbers(keys) for keys, _ in self._photos]
        every = torch.cat([keys[keys >= 0] for keys in of_photos] or [empty])
        keys, photos = sorted_numbers(every).unique_consecutive(return_counts=True)
        if bool((photos >= _MIN_PHOTOS).any()):
            keys = keys[photos >= _MIN_PHOTOS]
        octave, cell = _octave_and_cell(keys)
        sides, cells = torch.exp2(octave.float()), cell.float()
        bare = GroupSurface(self._division, keys, cells, sides)
        sums = torch.zeros(len(keys) + 1, 4, dtype=torch.int64, device=self._device)  # the last is of no voxel
        for own, points in self._photos:
            if len(keys):
                voxel = bare.find(own)
                place = points / sides[voxel, None] - cells[voxel]  # exact: sides are powers of two
                whole = (place.clamp(0, 1) * _PARTS).long()
                row = torch.cat([whole, torch.ones_like(whole[:, :1])], dim=1)
                sums.index_add_(0, torch.where(voxel >= 0, voxel, len(keys)), row)
        mean = sums[:-1, :3].double() / (_PARTS * sums[:-1, 3:])
        centres = ((cell + mean) * sides[:, None].double()).float()
        return GroupSurface(self._division, keys, centres, sides)


def _octave_and_cell(keys: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, " n"], Int64[Tensor, "n 3"]]:
    """The inverse of `_keys`."""
    half = 2 ** (_KEY_BITS - 1)
    cell = torch.stack([(keys >> (bits * _KEY_BITS)) % (2 * half) - half for bits in (2, 1, 0)], dim=1)
    return (keys >> (3 * _KEY_BITS)) - 128, cell
