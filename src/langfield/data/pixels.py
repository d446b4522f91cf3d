"""Random pixels of many photos for training, drawn on the device without host–device synchronisation.

All photos in the device's memory (the resident ones) lie in one flat tensor, so sizes may differ. Where not all fit the
budget, groups of them take turns: each photo is resident once in a cycle, and which ones at a step follows from the
seed and the step alone, so that a resumed run sees the same.
"""

import heapq
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64, UInt8
from torch import Tensor

from langfield.core.errors import DataError, UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.views import Scene, View

RGB_BYTES = 3
PLACE_BYTES = 4
ROTATE_EVERY = 1000
_DECODERS = 4


@dataclass(frozen=True)
class PixelSample:
    """N pixels: which view, where in it (at pixel centres), and the photo's colour there in [0, 1]."""

    view_index: Int64[Tensor, " n"]
    xy_px: Float32[Tensor, "n 2"]
    rgb: Float32[Tensor, "n 3"]


@dataclass(frozen=True)
class _Subset:
    """The usable pixels of some photos, one photo after the other.

    Attributes:
        rgb: (P, 3) colours.
        place: (P,) each pixel's row-major index in its photo; None where no photo has a mask (it follows from P).
        starts, ends: (V,) where each photo's pixels lie in `rgb`.
        width_px, view_index: (V,).
    """

    rgb: UInt8[Tensor, "p 3"]
    place: Int32[Tensor, " p"] | None
    starts: Int64[Tensor, " v"]
    ends: Int64[Tensor, " v"]
    width_px: Int64[Tensor, " v"]
    view_index: Int64[Tensor, " v"]

    @property
    def memory_bytes(self) -> int:
        place = 0 if self.place is None else self.place.numel() * PLACE_BYTES
        return self.rgb.numel() + place

    def to(self, device: torch.device) -> "_Subset":
        place = None if self.place is None else self.place.to(device)
        tables = (self.starts, self.ends, self.width_px, self.view_index)
        return _Subset(self.rgb.to(device), place, *(table.to(device) for table in tables))


class PixelPool:
    """Draws training pixels of some views of a scene.

    Call `prepare(step)` before `sample` at every step: it is free except where the resident photos change. Where all
    photos fit `budget_bytes` they stay resident. Otherwise half of the budget is resident and half is decoded ahead
    in the background. Beyond the budget only the photos being decoded take memory (four at most); a single photo
    larger than half the budget is resident alone.

    Use as a context manager, or `close()` it, to stop decoding ahead.
    """

    def __init__(
        self,
        scene: Scene,
        view_indices: Sequence[int],
        device: torch.device | str,
        budget_bytes: int,
        seed: int,
        rotate_every: int = ROTATE_EVERY,
    ) -> None:
        if not view_indices or budget_bytes < 1 or rotate_every < 1 or seed < 0:
            raise UsageError(
                "a pixel pool needs a view, a byte, a step between changes, and a seed that is not negative"
            )
        self._views = scene.views
        self._device = torch.device(device)
        self._seed = seed
        self._rotate_every = rotate_every
        self._groups = _Groups(scene.views, tuple(view_indices), budget_bytes, seed)
        self._resident: _Subset | None = None
        self._resident_group: tuple[int, ...] = ()
        self._turn: int | None = None
        self._ahead: tuple[tuple[int, ...], Future[_Subset]] | None = None
        self._stop = threading.Event()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="pixels")

    @property
    def resident_views(self) -> tuple[int, ...]:
        """Indices of the views whose pixels can be drawn now."""
        return self._resident_group

    @property
    def resident_bytes(self) -> int:
        """Device memory of the resident pixels."""
        return 0 if self._resident is None else self._resident.memory_bytes

    @property
    def rotates(self) -> bool:
        """Whether the photos do not all fit the budget at once."""
        return self._groups.per_cycle > 1

    def prepare(self, step: int, progress: Progress = silent) -> None:
        """Make the photos of this step resident; blocks only where they are not decoded yet.

        Raises DataError for a photo or mask that cannot be decoded, and for masks that leave no pixel.
        """
        turn = step // self._rotate_every
        if turn == self._turn:
            return
        group, following = self._groups.at(turn), self._groups.at(turn + 1)
        if group != self._resident_group:
            subset = self._taken_ahead(group) or _load(self._views, group, threading.Event(), progress)
            self._resident = subset.to(self._device)
            self._resident_group = group
        self._turn = turn
        if following != group and self._ahead is None and not self._stop.is_set():
            job = self._background.submit(_load, self._views, following, self._stop, silent)
            self._ahead = following, job

    def sample(self, n: int, generator: torch.Generator | None = None, *, per_photo: int | None = None) -> PixelSample:
        """Draw n pixels, uniformly over all usable pixels of the resident photos (with repetition).

        Args:
            generator: on the pool's device; the draw depends on it and on the resident photos alone.
            per_photo: so many pixels in a row are of one photo, for targets that compare pixels of a photo; the last
                such group may be smaller. Each pixel on its own is as likely as without it. None to draw all
                independently.

        Raises:
            UsageError: `prepare` was not called, or `per_photo` is below 1.
        """
        pool = self._resident
        if pool is None:
            raise UsageError("call prepare(step) before sample")
        if per_photo is None:
            pixel = torch.randint(pool.rgb.shape[0], (n,), generator=generator, device=self._device)
        else:
            pixel = self._grouped(pool, n, generator, per_photo)
        slot = torch.searchsorted(pool.ends, pixel, right=True)
        place = pixel - pool.starts[slot] if pool.place is None else pool.place[pixel].long()
        width = pool.width_px[slot]
        xy = torch.stack([place % width, torch.div(place, width, rounding_mode="floor")], dim=-1)
        return PixelSample(pool.view_index[slot], xy.float() + 0.5, pool.rgb[pixel].float() / 255.0)

    def _grouped(self, pool: _Subset, n: int, generator: torch.Generator | None, per_photo: int) -> Int64[Tensor, " n"]:
        """Indices of n pixels, `per_photo` in a row of a photo that is as likely as it has pixels."""
        if per_photo < 1:
            raise UsageError(f"per_photo must be at least 1, got {per_photo}")
        groups = -(-n // per_photo)
        first = torch.randint(pool.rgb.shape[0], (groups,), generator=generator, device=self._device)
        slot = torch.searchsorted(pool.ends, first, right=True)[:, None]
        number = torch.randint(2**62, (groups, per_photo), generator=generator, device=self._device)
        return (pool.starts[slot] + number % (pool.ends[slot] - pool.starts[slot])).flatten()[:n]

    def close(self) -> None:
        """Stop decoding ahead. Resident pixels can still be drawn."""
        self._stop.set()
        self._background.shutdown(wait=True, cancel_futures=True)
        self._ahead = None

    def __enter__(self) -> "PixelPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _taken_ahead(self, group: tuple[int, ...]) -> _Subset | None:
        """What was decoded ahead, if it is this group; it is forgotten either way, so that memory is free for it."""
        if self._ahead is None:
            return None
        ahead_group, job = self._ahead
        self._ahead = None
        if ahead_group == group:
            return job.result()
        job.cancel()  # a jump in steps: wait for it, so that two never take memory at once
        if not job.cancelled():
            job.exception()
        return None


class _Groups:
    """Which views are resident together at which turn: each cycle divides all views, shuffled anew, into groups.

    Each view goes to the group that is smallest so far. No group is then larger than the average plus the largest view,
    for any shuffle; so the number of groups that fits the budget is known beforehand, and with it the cycle of a turn.
    """

    def __init__(self, views: Sequence[View], indices: tuple[int, ...], budget_bytes: int, seed: int) -> None:
        masked = any(views[i].is_masked for i in indices)
        self._bytes_per_pixel = RGB_BYTES + (PLACE_BYTES if masked else 0)
        self._indices = indices
        self._costs = [views[i].size_px[0] * views[i].size_px[1] * self._bytes_per_pixel for i in indices]
        self._seed = seed
        total, largest = sum(self._costs), max(self._costs)
        if total <= budget_bytes:
            self.per_cycle = 1
        else:
            room = budget_bytes // 2 - largest
            self.per_cycle = min(len(indices), math.ceil(total / room)) if room > 0 else len(indices)

    def at(self, turn: int) -> tuple[int, ...]:
        """The views of one turn, ascending."""
        if self.per_cycle == 1:
            return tuple(sorted(self._indices))
        cycle, place = divmod(turn, self.per_cycle)
        order = np.random.default_rng([self._seed, cycle]).permutation(len(self._indices))
        groups: list[list[int]] = [[] for _ in range(self.per_cycle)]
        loads = [(0, g) for g in range(self.per_cycle)]
        for i in order:
            load, g = loads[0]
            groups[g].append(self._indices[i])
            heapq.heapreplace(loads, (load + self._costs[i], g))
        return tuple(sorted(groups[place]))


def _load(views: Sequence[View], group: tuple[int, ...], stop: threading.Event, progress: Progress) -> _Subset:
    """Decode a group of photos into one flat array on the host; a few threads write into their own parts of it."""
    masked = any(views[i].is_masked for i in group)
    sizes = [views[i].size_px[0] * views[i].size_px[1] for i in group]
    begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rgb = np.empty((int(begins[-1]), 3), dtype=np.uint8)
    place = np.empty(len(rgb), dtype=np.int32) if masked else None
    counts = np.zeros(len(group), dtype=np.int64)

    def decode(slot: int) -> None:
        if not stop.is_set():
            part = slice(begins[slot], begins[slot + 1])
            counts[slot] = _decode_into(views[group[slot]], rgb[part], None if place is None else place[part])

    start = time.monotonic()
    with ThreadPoolExecutor(_DECODERS) as pool:
        jobs = [pool.submit(decode, slot) for slot in range(len(group))]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                progress(ProgressEvent("photos", done, len(jobs), "photos", time.monotonic() - start))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if stop.is_set():
        raise CancelledError
    return _packed(views, group, begins, counts, rgb, place)


def _decode_into(view: View, rgb: np.ndarray, place: np.ndarray | None) -> int:
    """Write a photo's usable pixels to the beginning of its part; return how many there are."""
    picture = decode_image(view.image_path, view.size_px, view.white_level).reshape(-1, 3)
    mask = used_pixels(view)
    if place is None or mask is None:
        rgb[:] = picture
        if place is not None:
            place[:] = np.arange(len(picture), dtype=np.int32)
        return len(picture)
    used = np.flatnonzero(mask)
    rgb[: len(used)] = picture[used]
    place[: len(used)] = used
    return len(used)


def _packed(
    views: Sequence[View],
    group: tuple[int, ...],
    begins: np.ndarray,
    counts: np.ndarray,
    rgb: np.ndarray,
    place: np.ndarray | None,
) -> _Subset:
    """Close the gaps that masks left (in place) and make tensors."""
    ends = np.cumsum(counts)
    total = int(ends[-1])
    if total == 0:
        raise _nothing_left(views[group[0]])
    for begin, count, end in zip(begins[:-1], counts, ends, strict=True):
        if begin != end - count:
            rgb[end - count : end] = rgb[begin : begin + count]
            if place is not None:
                place[end - count : end] = place[begin : begin + count]
    return _Subset(
        rgb=torch.from_numpy(rgb[:total]),
        place=None if place is None else torch.from_numpy(place[:total]),
        starts=torch.from_numpy(ends - counts),
        ends=torch.from_numpy(ends),
        width_px=torch.tensor([views[i].size_px[0] for i in group]),
        view_index=torch.tensor(group),
    )


def _nothing_left(view: View) -> DataError:
    """The error for a view of which no pixel may be used, naming the file that says so."""
    if view.mask_path is not None:
        return DataError("leaves no pixel to train on: a mask is nonzero where the photo may be used", view.mask_path)
    if view.ignored_path is not None:
        return DataError("leaves no pixel to train on: it is nonzero where the photo is ignored", view.ignored_path)
    return DataError(
        "has no pixel within fisheye_crop_radius: give it in pixels of the file's w and h", view.image_path
    )
