"""Everything encoders say about a scene's photos, in one object that training samples."""

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
from langfield.features.extraction import Extracted, Extraction, Photo, extract_rows
from langfield.features.pyramid import LERF_PYRAMID, PyramidFeatures, PyramidRecipe, encode_pyramid


@dataclass(frozen=True)
class FeatureReport:
    """What making the pyramid took: crops encoded now, in how long, and how many photos the cache had already."""

    crops: int
    seconds: float
    reused_photos: int

    @property
    def crops_per_second(self) -> float:
        """0 when nothing had to be encoded."""
        return self.crops / self.seconds if self.crops else 0.0


@dataclass(frozen=True)
class FeatureBank:
    """A scene's features, for the views they were made for.

    Attributes:
        pyramid: image-text embeddings of crops.
        dense: self-supervised features, or None if no dense encoder was given.
        report: what it took.
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
    """Features of some of a scene's photos: from the cache, or computed and kept there.

    Interrupted work goes on where it stopped; a changed photo is the only one computed again.

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
        lambda picture, photo, tell: encode_pyramid(picture, levels[photo.size_px], encoder, tell),
        dim=encoder.card.embed_dim,
        device=encoder.device,
        stage="features",
        unit="crops",
    )
    made = extract_rows(photos, crops, cache, progress)
    return FeatureBank(
        PyramidFeatures.from_rows(made.rows, view_indices, [levels[view.size_px] for view in views], recipe),
        None if dense_encoder is None else _dense(views, view_indices, dense_encoder, cache, progress),
        _report(made),
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
        lambda picture, photo, tell: encoder.encode(picture).half().flatten(0, 1),
        dim=encoder.card.embed_dim,
        device=encoder.device,
        stage="dense features",
        unit="patches",
    )
    made = extract_rows(photos, patches, cache, progress)
    return DenseFeatures.from_rows(made.rows, view_indices, [grids[size] for size in sizes], sizes)


def _photos(
    views: Sequence[View],
    recipe: dict[str, Any],
    card: EncoderCard,
    rows_of: Callable[[tuple[int, int]], int],
    progress: Progress,
) -> list[Photo]:
    photos: list[Photo] = []
    first_row, start = 0, time.monotonic()
    for view in views:
        key = entry_key(view.digest(), view.size_px, recipe, card.identity())
        photos.append(Photo(view.image_path, view.size_px, key, first_row, rows_of(view.size_px)))
        first_row += photos[-1].rows
        progress(ProgressEvent("photo digests", len(photos), len(views), "photos", time.monotonic() - start))
    return photos


def _report(made: Extracted) -> FeatureReport:
    return FeatureReport(made.computed_rows, made.seconds, made.reused_photos)
