"""The masks of a scene's photos: proposed once, cached, kept as run lengths, each with its embedding."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float16, Float32, Int64
from torch import Tensor

from langfield.core.errors import WeightsError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.masks import used_pixels
from langfield.data.views import Scene, View
from langfield.encoders.base import ImageTextEncoder
from langfield.encoders.masks.base import MaskProposer, ProposedMasks
from langfield.features.cache import FeatureCache, default_cache_dir, entry_key
from langfield.features.mask_crops import BLUR_SIGMA, CROP_MARGIN, encode_masks
from langfield.features.run_lengths import RunLengths, encode_runs
from langfield.features.streams import SideStream, side_stream
from langfield.features.transfers import Picture, decoded_ahead, to_host

MIN_AREA_PX = 20
_WRITERS = 4
_MASK_KINDS: dict[str, tuple[type[np.generic], int]] = {
    "runs_px": (np.uint32, 2),
    "first_run": (np.int64, 1),
    "predicted_iou": (np.float32, 1),
    "stability": (np.float32, 1),
}
_EMBEDDING_KINDS: dict[str, tuple[type[np.generic], int]] = {"embeddings": (np.float16, 2)}
_RECIPE = {"run_lengths": 1, "min_area_px": MIN_AREA_PX}
_CROP_RECIPE = {"crops": 1, "margin": CROP_MARGIN, "blur_sigma": BLUR_SIGMA}


@dataclass(frozen=True, eq=False)
class MasksOfPhoto:
    """M masks of one photo, in the order of their proposer: the best first. They may overlap.

    Attributes:
        runs: where they are; nothing of them is where the photo may not be used, and none is under `MIN_AREA_PX`.
        predicted_iou: what the proposer thinks of each.
        stability: how little each changes with the proposer's threshold, from 0 to 1.
        embeddings: (M, D) unit image-text embeddings of the masks' crops; None without an image-text encoder.
    """

    runs: RunLengths
    predicted_iou: Float32[np.ndarray, " m"]
    stability: Float32[np.ndarray, " m"]
    embeddings: Float16[np.ndarray, "m d"] | None

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the photo."""
        return self.runs.size_px

    @property
    def areas_px(self) -> Int64[np.ndarray, " m"]:
        """Pixels of each mask."""
        return self.runs.areas_px

    @property
    def boxes_px(self) -> Int64[np.ndarray, "m 4"]:
        """Left, top, right and bottom edge of each mask, right and bottom exclusive."""
        return self.runs.boxes_px

    def dense(self, device: torch.device | str = "cpu", which: slice = slice(None)) -> Bool[Tensor, "m h w"]:
        """The masks as pictures, or some neighbouring ones; see `RunLengths.dense`."""
        return self.runs.dense(device, which)


@dataclass(frozen=True)
class MaskReport:
    """How the masks were made.

    Attributes:
        photos: photos that something had to be computed of now.
        seconds: in how long.
        reused_photos: photos of which all came from the cache.
    """

    photos: int
    seconds: float
    reused_photos: int


@dataclass(frozen=True, eq=False)
class MaskBank:
    """Masks of some of a scene's photos; `bank[i]` are those of view `view_indices[i]`.

    Attributes:
        photos: the masks of each.
        view_indices: which of `scene.views` they are of.
        report: how they were made.
    """

    photos: tuple[MasksOfPhoto, ...]
    view_indices: tuple[int, ...]
    report: MaskReport

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> MasksOfPhoto:
        return self.photos[index]

    def __iter__(self) -> Iterator[MasksOfPhoto]:
        return iter(self.photos)


@dataclass(frozen=True)
class _Makers:
    """Who makes masks and embeddings, and where they are kept."""

    proposer: MaskProposer
    image_text: ImageTextEncoder | None
    cache: FeatureCache


@dataclass(frozen=True)
class _Photo:
    """A photo, and where in the cache its masks and their embeddings are (None without an image-text encoder)."""

    view: View
    masks_key: str
    embeddings_key: str | None


def build_masks(
    scene: Scene,
    view_indices: Sequence[int],
    proposer: MaskProposer,
    image_text: ImageTextEncoder | None = None,
    cache_dir: Path | None = None,
    progress: Progress = silent,
) -> MaskBank:
    """Masks of some of a scene's photos with their embeddings: from the cache, or computed and stored there.

    After an interruption the next call continues; if a photo or what may be used of it changed only that one is
    computed again, and with another image-text encoder only the embeddings are. Each photo is decoded once for both.

    Args:
        view_indices: which of `scene.views`, at least one, each once.
        image_text: for the embeddings, on the proposer's device; None makes none.
        cache_dir: None is `default_cache_dir()`.
        progress: gets photos of stage "masks" (with rate and time to go), and of stages "photo digests" and "feature
            cache" before.

    Raises:
        DataError: a photo or its mask that cannot be read, or a cache that cannot be written.
        WeightsError: an encoder whose embeddings are not finite.
    """
    if not view_indices or len(set(view_indices)) != len(view_indices):
        raise ValueError(f"view_indices must be one or more different views, got {list(view_indices)}")
    makers = _Makers(proposer, image_text, FeatureCache(cache_dir or default_cache_dir()))
    photos = _photos([scene.views[index] for index in view_indices], makers, progress)
    found: dict[_Photo, MasksOfPhoto] = {}
    missing = _find(photos, makers.cache, found, progress)
    seconds = 0.0
    if missing:
        start = time.monotonic()

        def on_wait() -> None:
            progress(ProgressEvent("masks", 0, len(missing), "photos", time.monotonic() - start))

        keys = [key for photo in photos for key in (photo.masks_key, photo.embeddings_key) if key is not None]
        with makers.cache.lock(keys, on_wait):
            missing = _find(missing, makers.cache, found, progress)
            start = time.monotonic()
            _compute(missing, makers, found, progress)
            seconds = time.monotonic() - start
    report = MaskReport(len(missing), seconds, len(photos) - len(missing))
    return MaskBank(tuple(found[photo] for photo in photos), tuple(view_indices), report)


def _photos(views: Sequence[View], makers: _Makers, progress: Progress) -> list[_Photo]:
    photos: list[_Photo] = []
    start = time.monotonic()
    for view in views:
        recipe: dict[str, Any] = {"masks": _RECIPE}
        if makers.proposer.device.type == "cpu":  # it may search less (`langfield.encoders.masks.builtin`)
            recipe["device"] = "cpu"
        if view.white_level is not None:
            recipe["white_level"] = view.white_level
        used = used_pixels(view) if view.is_masked else None
        if used is not None:
            recipe["used"] = hashlib.sha256(np.packbits(used).tobytes()).hexdigest()
        proposer = makers.proposer.card.identity()
        masks_key = entry_key(view.digest(), view.size_px, recipe, proposer)
        embeddings_key = None
        if makers.image_text is not None:
            recipe |= {"crops": _CROP_RECIPE, "proposer": proposer}
            embeddings_key = entry_key(view.digest(), view.size_px, recipe, makers.image_text.card.identity())
        photos.append(_Photo(view, masks_key, embeddings_key))
        progress(ProgressEvent("photo digests", len(photos), len(views), "photos", time.monotonic() - start))
    return photos


def _find(
    photos: Sequence[_Photo], cache: FeatureCache, found: dict[_Photo, MasksOfPhoto], progress: Progress
) -> list[_Photo]:
    """Add what the cache has of the photos; returns those of which something is missing."""
    start = time.monotonic()
    for done, photo in enumerate(photos, start=1):
        masks = _cached_masks(photo, cache)
        if masks is not None and photo.embeddings_key is not None:
            masks = _with_cached_embeddings(masks, photo.embeddings_key, cache)
        if masks is not None:
            found[photo] = masks
        progress(ProgressEvent("feature cache", done, len(photos), "photos", time.monotonic() - start))
    return [photo for photo in photos if photo not in found]


def _cached_masks(photo: _Photo, cache: FeatureCache) -> MasksOfPhoto | None:
    arrays = cache.load_arrays(photo.masks_key, _MASK_KINDS)
    if arrays is None:
        return None
    runs = RunLengths(photo.view.size_px, arrays["runs_px"], arrays["first_run"])
    return MasksOfPhoto(runs, arrays["predicted_iou"], arrays["stability"], None)


def _with_cached_embeddings(masks: MasksOfPhoto, key: str, cache: FeatureCache) -> MasksOfPhoto | None:
    arrays = cache.load_arrays(key, _EMBEDDING_KINDS)
    if arrays is None or len(arrays["embeddings"]) != len(masks):
        return None
    return replace(masks, embeddings=arrays["embeddings"])


def _compute(photos: Sequence[_Photo], makers: _Makers, found: dict[_Photo, MasksOfPhoto], progress: Progress) -> None:
    """Make what is missing. Photos' masks are written, several at once, while the next ones' are made: each is four
    files that must have reached the disk, which takes longer than making them on a GPU."""
    start = time.monotonic()

    def report(done: int) -> None:
        progress(ProgressEvent("masks", done, len(photos), "photos", time.monotonic() - start))

    report(0)
    views = [photo.view for photo in photos]
    under_way: deque[tuple[_Photo, Future[MasksOfPhoto]]] = deque()

    def written(at_most_waiting: int) -> None:
        while len(under_way) > at_most_waiting:
            photo, future = under_way.popleft()
            found[photo] = future.result()

    device = makers.proposer.device
    with (
        side_stream(device) as aside,
        ThreadPoolExecutor(_WRITERS) as writer,
        closing(decoded_ahead(views, device)) as pictures,
    ):
        proposed = _proposed_ahead(zip(photos, pictures, strict=True), makers, aside)
        for done, (photo, picture, masks, is_new) in enumerate(proposed):
            embeddings = None
            if makers.image_text is not None:
                # The count stays; listeners hear that the work goes on.
                rows = encode_masks(picture, masks.runs, makers.image_text, lambda crops, done=done: report(done))
                embeddings = to_host(rows)
            written(_WRITERS)
            under_way.append((photo, writer.submit(_store, photo, masks, is_new, embeddings, makers.cache)))
            report(done + 1)
        written(0)


def _proposed_ahead(
    pictures: Iterator[tuple[_Photo, Picture]], makers: _Makers, aside: SideStream
) -> Iterator[tuple[_Photo, Picture, MasksOfPhoto, bool]]:
    """Each photo with its masks, and whether they are new.

    The next photo is begun before this one's masks are given. On a GPU it is begun before they are chosen, too, on a
    stream of its own: that is hundreds of small kernels, with waits between, that leave a GPU idle. Elsewhere this
    would only take the memory of two photos.
    """

    def begun(photo: _Photo, picture: Picture) -> Callable[[], tuple[_Photo, Picture, MasksOfPhoto, bool]]:
        cached = _cached_masks(photo, makers.cache)
        if cached is not None:
            return lambda: (photo, picture, cached, False)
        propose = aside.begun(lambda: makers.proposer.begin(picture))
        return lambda: (photo, picture, _usable(propose(), photo.view), True)

    under_way = deque(begun(*pair) for pair in islice(pictures, 1))
    while under_way:
        if aside.is_asynchronous:
            under_way.extend(begun(*pair) for pair in islice(pictures, 1))
        finished = under_way.popleft()()
        if not aside.is_asynchronous:
            under_way.extend(begun(*pair) for pair in islice(pictures, 1))
        yield finished


def _usable(proposed: ProposedMasks, view: View) -> MasksOfPhoto:
    """The masks of a photo, without what may not be used, and without those that are small then."""
    used = used_pixels(view)
    device = proposed.masks.device
    runs = encode_runs(proposed.masks, None if used is None else torch.from_numpy(used).to(device))
    kept = np.flatnonzero(runs.areas_px >= MIN_AREA_PX)
    scores = torch.stack([proposed.predicted_iou, proposed.stability]).float().cpu().numpy()[:, kept]
    return MasksOfPhoto(runs.taken(kept), scores[0], scores[1], None)


def _store(
    photo: _Photo,
    masks: MasksOfPhoto,
    is_new: bool,
    embeddings: Callable[[], np.ndarray] | None,
    cache: FeatureCache,
) -> MasksOfPhoto:
    if is_new:
        arrays = {"runs_px": masks.runs.runs_px, "first_run": masks.runs.first_run}
        scores = {"predicted_iou": masks.predicted_iou, "stability": masks.stability}
        cache.store_arrays(photo.masks_key, arrays | scores)
    if photo.embeddings_key is None or embeddings is None:
        return masks
    rows = embeddings()
    if not np.isfinite(rows).all():
        what = "the encoder's embeddings of this photo's masks are not finite; check its weights"
        raise WeightsError(what, photo.view.image_path)
    cache.store_arrays(photo.embeddings_key, {"embeddings": rows})
    return replace(masks, embeddings=rows)
