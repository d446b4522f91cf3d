"""Photos through an encoder into the cache, and out of it as one memory-mapped table.

Photos are decoded in the background and uploaded without waiting; one photo's features are copied back and written
while the device works on the next one.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16
from torch import Tensor

from langfield.core.errors import WeightsError
from langfield.core.progress import Progress, ProgressEvent
from langfield.features.cache import FeatureCache, RowTable
from langfield.features.transfers import Picture, decoded_ahead, to_host


@dataclass(frozen=True)
class PhotoToEncode:
    """One photo to be encoded.

    Attributes:
        image_path: of the photo's file.
        size_px: width and height that it is used at.
        white_level: the value in the file that is white; see `View`.
        key: of its features in the cache.
        first_row: index of its first row in the table of all photos' features.
        rows: number of its rows.
    """

    image_path: Path
    size_px: tuple[int, int]
    white_level: float | None
    key: str
    first_row: int
    rows: int


@dataclass(frozen=True)
class Extraction:
    """How features are made, and how that is reported.

    Attributes:
        extract: a function of a picture on the device, its photo, and a callback for the number of rows handed to the
            device so far; it gives the picture's rows.
        dim: size of a row.
        device: where pictures are encoded.
        stage: name of the stage in progress events.
        unit: name of a row in progress events.
    """

    extract: Callable[[Picture, PhotoToEncode, Callable[[int], None]], Float16[Tensor, "n d"]]
    dim: int
    device: torch.device
    stage: str
    unit: str


@dataclass(frozen=True)
class Extracted:
    """The features of all photos.

    Attributes:
        rows: (N, D) of all photos, memory-mapped.
        computed_rows: how many of them were computed now.
        seconds: in how long.
        reused_photos: how many photos came from the cache.
    """

    rows: Float16[Tensor, "n d"]
    computed_rows: int
    seconds: float
    reused_photos: int


def extract_rows(
    photos: Sequence[PhotoToEncode], extraction: Extraction, cache: FeatureCache, progress: Progress
) -> Extracted:
    """The rows of all photos: from the cache where they are there and verify, else computed and stored.

    After an interruption, the next call finds what was stored.

    Raises:
        DataError: a photo that cannot be read, or a cache that cannot be written.
        WeightsError: an encoder whose features are not finite.
    """
    with cache.table(sum(photo.rows for photo in photos), extraction.dim) as table:
        missing = _load_cached(photos, extraction, cache, table, progress)
        seconds = 0.0
        if missing:
            start = time.monotonic()

            def on_wait() -> None:
                total = sum(photo.rows for photo in missing)
                progress(ProgressEvent(extraction.stage, 0, total, extraction.unit, time.monotonic() - start))

            with cache.lock([photo.key for photo in photos], on_wait):
                missing = _load_cached(missing, extraction, cache, table, progress)
                start = time.monotonic()
                _compute(missing, extraction, cache, table, progress)
                seconds = time.monotonic() - start
        rows = torch.from_numpy(table.mapped())
    return Extracted(rows, sum(photo.rows for photo in missing), seconds, len(photos) - len(missing))


def _load_cached(
    photos: Sequence[PhotoToEncode], extraction: Extraction, cache: FeatureCache, table: RowTable, progress: Progress
) -> list[PhotoToEncode]:
    """Put the cached photos' rows into the table; returns the photos that are not cached."""
    start = time.monotonic()
    missing = []
    for done, photo in enumerate(photos, start=1):
        rows = cache.load(photo.key, (photo.rows, extraction.dim))
        if rows is None:
            missing.append(photo)
        else:
            table.put(photo.first_row, rows)
        progress(ProgressEvent("feature cache", done, len(photos), "photos", time.monotonic() - start))
    return missing


def _compute(
    photos: Sequence[PhotoToEncode], extraction: Extraction, cache: FeatureCache, table: RowTable, progress: Progress
) -> None:
    start, total = time.monotonic(), sum(photo.rows for photo in photos)
    before = 0

    def on_rows(rows: int) -> None:
        progress(ProgressEvent(extraction.stage, before + rows, total, extraction.unit, time.monotonic() - start))

    def finish(photo: PhotoToEncode, result: Callable[[], np.ndarray]) -> None:
        rows = result()
        if not np.isfinite(rows).all():
            raise WeightsError(
                "the encoder's features of this photo are not finite; check its weights", photo.image_path
            )
        cache.store(photo.key, rows)
        table.put(photo.first_row, rows)

    under_way: tuple[PhotoToEncode, Callable[[], np.ndarray]] | None = None
    with closing(decoded_ahead(photos, extraction.device)) as pictures:
        for photo, picture in zip(photos, pictures, strict=True):
            result = to_host(extraction.extract(picture, photo, on_rows))
            before += photo.rows
            if under_way is not None:
                finish(*under_way)
            under_way = (photo, result)
    if under_way is not None:
        finish(*under_way)
