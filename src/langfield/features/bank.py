"""The encoders' features of a scene's photos."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.views import Scene, View
from langfield.encoders.base import DenseEncoder, EncoderCard, ImageTextEncoder
from langfield.features.cache import FeatureCache, default_cache_dir, entry_key
from langfield.features.dense import DenseFeatures
from langfield.features.extraction import Extracted, Extraction, PhotoToEncode, extract_rows
from langfield.features.pyramid import LERF_PYRAMID, PyramidFeatures, PyramidRecipe, encode_pyramid


@dataclass(frozen=True)
class FeatureReport:
    """How the pyramid's features were made.

    Attributes:
        crops: crops that were encoded now.
        seconds: in how long.
        reused_photos: photos whose features came from the cache.
    """

    crops: int
    seconds: float
    reused_photos: int

    @property
    def crops_per_second(self) -> float:
        """Crops encoded a second; 0 if none had to be."""
        return self.crops / self.seconds if self.crops else 0.0


@dataclass(frozen=True)
class FeatureBank:
    """Features of some of a scene's photos.

    Attributes:
        pyramid: image-text embeddings of crops.
        dense: self-supervised features; None without a dense encoder.
        report: how they were made.
    """

    pyramid: PyramidFeatures
    dense: DenseFeatures | None
    report: FeatureReport

    def to(self, device: torch.device | str) -> "FeatureBank":
        """The same with all features on another device."""
        return replace(self, pyramid=self.pyramid.to(device), dense=self.dense and self.dense.to(device))


def build_features(
    scene: Scene,
    view_indices: Sequence[int],
    encoder: ImageTextEncoder,
    dense_encoder: DenseEncoder | None = None,
    recipe: PyramidRecipe = LERF_PYRAMID,
    cache_dir: Path | None = None,
    progress: Progress = silent,
) -> FeatureBank:
    """Features of some of a scene's photos: from the cache, or computed and stored there.

    After an interruption the next call continues, and if a photo changed only that one is computed again.

    Args:
        view_indices: which of `scene.views`, at least one, each once.
        cache_dir: None is `default_cache_dir()`.
        progress: gets crops of stage "features" (with rate and time to go), patches of stage "dense features", and
            photos of stages "photo digests" and "feature cache" before.

    Raises:
        DataError: a photo that cannot be read, or a cache that cannot be written.
        WeightsError: an encoder whose features are not finite.
    """
    if not view_indices or len(set(view_indices)) != len(view_indices):
        raise ValueError(f"view_indices must be one or more different views, got {list(view_indices)}")
    cache = FeatureCache(cache_dir or default_cache_dir())
    views = [scene.views[index] for index in view_indices]
    levels = {view.size_px: recipe.levels(*view.size_px) for view in views}
    tiles = {size: sum(level.tiles for level in levels[size]) for size in levels}
    photos = _photos(views, {"pyramid": recipe.to_json()}, encoder.card, lambda size: tiles[size], progress)
    crops = Extraction(
        lambda picture, photo, on_rows: encode_pyramid(picture, levels[photo.size_px], encoder, on_rows),
        dim=encoder.card.embed_dim,
        device=encoder.device,
        stage="features",
        unit="crops",
    )
    extracted = extract_rows(photos, crops, cache, progress)
    return FeatureBank(
        PyramidFeatures.from_rows(extracted.rows, view_indices, [levels[view.size_px] for view in views], recipe),
        None if dense_encoder is None else _dense(views, view_indices, dense_encoder, cache, progress),
        _report(extracted),
    )


def _dense(
    views: Sequence[View],
    view_indices: Sequence[int],
    encoder: DenseEncoder,
    cache: FeatureCache,
    progress: Progress,
) -> DenseFeatures:
    sizes = [view.size_px for view in views]
    grids = {size: encoder.grid(height_px=size[1], width_px=size[0]) for size in sizes}
    photos = _photos(views, {"dense": True}, encoder.card, lambda size: grids[size][0] * grids[size][1], progress)
    patches = Extraction(
        lambda picture, photo, on_rows: encoder.encode(picture).half().flatten(0, 1),
        dim=encoder.card.embed_dim,
        device=encoder.device,
        stage="dense features",
        unit="patches",
    )
    extracted = extract_rows(photos, patches, cache, progress)
    return DenseFeatures.from_rows(extracted.rows, view_indices, [grids[size] for size in sizes], sizes)


def _photos(
    views: Sequence[View],
    recipe: dict[str, Any],
    card: EncoderCard,
    rows_of: Callable[[tuple[int, int]], int],
    progress: Progress,
) -> list[PhotoToEncode]:
    photos: list[PhotoToEncode] = []
    first_row, start = 0, time.monotonic()
    for view in views:
        white = {} if view.white_level is None else {"white_level": view.white_level}
        key = entry_key(view.digest(), view.size_px, recipe | white, card.identity())
        rows = rows_of(view.size_px)
        photos.append(PhotoToEncode(view.image_path, view.size_px, view.white_level, key, first_row, rows))
        first_row += photos[-1].rows
        progress(ProgressEvent("photo digests", len(photos), len(views), "photos", time.monotonic() - start))
    return photos


def _report(extracted: Extracted) -> FeatureReport:
    return FeatureReport(extracted.computed_rows, extracted.seconds, extracted.reused_photos)
