"""How lifting grows with photos and levels; see `splats.py`. Codes are random, and each photo shows a part of them."""

import argparse
import time
from pathlib import Path

import torch

from langfield.core.transforms import Similarity
from langfield.data.views import Scene, View
from langfield.features.pyramid import LERF_TILE_RATIOS, PyramidFeatures, PyramidRecipe
from langfield.training.splat_lifting import lift_language
from measuring import peak_memory, synchronise, table
from splat_scenes import EMBED_DIM, made_splat, orbit

_KINDS = 200  # of things that crops show
_KINDS_IN_A_PHOTO = 40


def measure(options: argparse.Namespace, device: torch.device, machine: dict) -> dict:
    photo_counts = [2, 3] if options.small else options.photos
    level_counts = [1, 2] if options.small else options.levels
    size = (64, 48) if options.small else (640, 480)
    method = made_splat(200 if options.small else options.lifted, device)
    lift_language(method, *_scene(1, level_counts[0], size, device), range(1))  # what only a first time takes
    rows = []
    for photos in photo_counts:
        for levels in level_counts:
            if levels != level_counts[-1] and photos != photo_counts[0]:
                continue  # in levels it grows evenly: one row of photos shows it
            row: dict[str, float] = {"gaussians": method.gaussians.count, "photos": photos, "levels": levels}
            scene, pyramid = _scene(photos, levels, size, device)
            with peak_memory(device, row):
                synchronise(device)
                start = time.perf_counter()
                lift_language(method, scene, pyramid, range(photos))
                synchronise(device)
                row["seconds"] = time.perf_counter() - start
            row["ms_per_photo_and_level"] = row["seconds"] * 1e3 / photos / (levels + 1)
            rows.append(row)
            del pyramid
    print("\nLifting\n")
    print(table(list(rows[0]), [[row.get(key) for key in rows[0]] for row in rows]))
    return {"lifting": rows}


def _scene(photos: int, levels: int, size: tuple[int, int], device: torch.device) -> tuple[Scene, PyramidFeatures]:
    views = tuple(View(f"{i:04d}", Path(f"{i:04d}.jpg"), camera) for i, camera in enumerate(orbit(photos, *size)))
    scene = Scene(Path("made"), "made", views, tuple(range(photos)), (), None, Similarity.identity())
    ratios = LERF_TILE_RATIOS[len(LERF_TILE_RATIOS) - levels :]
    recipe = PyramidRecipe(ratios)
    of_photo = recipe.levels(*size)
    tiles = sum(level.tiles for level in of_photo)
    generator = torch.Generator(device).manual_seed(photos)
    kinds = torch.randn(_KINDS, EMBED_DIM, generator=generator, device=device)
    rows = torch.empty(photos * tiles, EMBED_DIM, dtype=torch.float16, device=device)
    for photo in range(photos):
        shown = torch.randint(0, _KINDS_IN_A_PHOTO, (tiles,), generator=generator, device=device) + 5 * photo
        noise = torch.randn(tiles, EMBED_DIM, generator=generator, device=device)
        rows[photo * tiles : (photo + 1) * tiles] = torch.nn.functional.normalize(
            kinds[shown % _KINDS] + 0.5 * noise, dim=-1
        ).half()
    pyramid = PyramidFeatures.from_rows(rows.cpu(), range(photos), [of_photo] * photos, recipe)
    return scene, pyramid.to(device)
