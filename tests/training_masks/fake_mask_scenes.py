"""Fake scenes: coloured rectangles and discs of two parts, some of them equals."""

import json
from pathlib import Path

import numpy as np


def write_mask_scenes(
    folder: Path, numbers: range, views: int = 2, height: int = 60, width: int = 80, old: bool = False
) -> Path:
    """Scenes of five things on a table, later ones hide earlier ones; `old` ones have neither parts nor equals."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        rng = np.random.default_rng(number)
        colours = rng.integers(20, 235, (5, 2, 3))
        colours[4] = colours[3]  # the last two are equals
        round_ones = rng.random(5) < 0.5
        round_ones[4] = round_ones[3]
        drawn = [_view(rng, colours, round_ones, height, width) for _ in range(views)]
        rgb, ids, parts = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        things = [{"id": 10 + k, "noun": "box"} | ({} if old else {"alike": 0 if k > 2 else None}) for k in range(5)]
        written = folder / f"{number:05d}.part"
        with written.open("wb") as file:
            meta = np.array(json.dumps({"things": things}))
            if old:
                np.savez_compressed(file, rgb=rgb, ids=ids, meta=meta)
            else:
                np.savez_compressed(file, rgb=rgb, ids=ids, parts=parts, meta=meta)
        written.replace(folder / f"{number:05d}.npz")
    return folder


def _view(
    rng: np.random.Generator, colours: np.ndarray, round_ones: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rgb = np.full((height, width, 3), rng.integers(100, 190, 3), np.uint8)
    ids, parts = np.full((height, width), 2, np.uint8), np.zeros((height, width), np.uint8)
    rgb[height // 4 :], ids[height // 4 :] = rng.integers(40, 120, 3), 1
    y, x = np.mgrid[:height, :width]
    for k in range(5):
        h, w = rng.integers(height // 5, height // 2, 2)
        top, left = rng.integers(0, height - h), rng.integers(0, width - w)
        inside = (y >= top) & (y < top + h) & (x >= left) & (x < left + w)
        if round_ones[k]:
            inside &= ((y - top - h / 2) / h) ** 2 + ((x - left - w / 2) / w) ** 2 <= 0.25
        upper = inside & (y < top + h / 2)
        rgb[inside], ids[inside], parts[inside] = colours[k, 0], 10 + k, 1
        rgb[upper], parts[upper] = colours[k, 1], 2
    return np.clip(rgb + rng.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8), ids, parts
