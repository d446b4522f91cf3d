"""A folder of fake scenes: coloured rectangles and discs that are called mugs, books and the like."""

import json
from pathlib import Path

import numpy as np

RGB = {
    "red": (200, 20, 20),
    "green": (30, 140, 40),
    "blue": (30, 60, 190),
    "white": (235, 235, 230),
    "black": (12, 12, 14),
}
KINDS = {
    "mug": ("ceramic", ["cup"], ["container", "something to drink from"]),
    "book": ("", [], ["reading matter"]),
    "ball": ("rubber", [], ["toy"]),
    "box": ("wooden", ["crate"], ["container"]),
}
TABLE = {"noun": ["table", "tabletop"], "colour": ["brown"], "material": ["wooden"], "pattern": []}


def write_scenes(folder: Path, scenes: int, views: int = 3, height: int = 60, width: int = 80, seed: int = 0) -> Path:
    """Scenes 0 to `scenes` − 1; every third thing hides a part of an earlier one, as it comes."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(scenes):
        things = []
        for k in range(4):
            noun = str(rng.choice(list(KINDS)))
            material, synonyms, hypernyms = KINDS[noun]
            colour = str(rng.choice(list(RGB)))
            thing = {"id": 10 + k, "noun": noun, "colour": colour, "material": material}
            things.append({**thing, "synonyms": synonyms, "hypernyms": hypernyms})
        drawn = [_view(rng, things, height, width) for _ in range(views)]
        rgb, ids = (np.stack([pair[i] for pair in drawn]) for i in (0, 1))
        meta = np.array(json.dumps({"things": things, "table": TABLE}))
        np.savez_compressed(folder / f"{number:05d}.npz", rgb=rgb, ids=ids, meta=meta)
    return folder


def _view(rng: np.random.Generator, things: list[dict], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rgb = np.full((height, width, 3), (150, 150, 160), np.uint8)
    ids = np.full((height, width), 2, np.uint8)
    rgb[height // 4 :], ids[height // 4 :] = (110, 70, 40), 1
    y, x = np.mgrid[:height, :width]
    for thing in things:
        h, w = rng.integers(14, 26, 2)
        top, left = rng.integers(0, height - h), rng.integers(0, width - w)
        inside = (y >= top) & (y < top + h) & (x >= left) & (x < left + w)
        round_off = ((y - top - h / 2) / h) ** 2 + ((x - left - w / 2) / w) ** 2 <= 0.25
        stripes = (y - top) % 6 < 2
        shape = inside & round_off if thing["noun"] == "ball" else inside
        rgb[shape], ids[shape] = RGB[thing["colour"]], thing["id"]
        if thing["noun"] in ("book", "box"):
            rgb[shape & (stripes if thing["noun"] == "book" else ~stripes & ((x - left) % 6 < 2))] = (128, 128, 128)
    return np.clip(rgb + rng.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8), ids
