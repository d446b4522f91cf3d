"""How lifting grows with photos, levels and Gaussians; see `splats.py`. Codes are random, each photo shows a part."""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from langfield.core.sampling import every_nth_to_fit
from langfield.core.transforms import Similarity
from langfield.data.views import Scene, View
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import LERF_TILE_RATIOS, PyramidFeatures, PyramidRecipe
from langfield.models.gaussians.lifting import lift_language
from langfield.models.gaussians.splat import Splat
from measuring import kernels, peak_memory, synchronise, table
from splat_scenes import EMBED_DIM, made_splat, orbit

_KINDS = 200  # of things that crops show
_KINDS_IN_A_PHOTO = 40
_VIEWS_COUNTED = 4


def measure(options: argparse.Namespace, device: torch.device, machine: dict) -> dict:
    photo_counts = [2, 3] if options.small else options.photos
    level_counts = [1, 2] if options.small else options.levels
    counts = [200, 400] if options.small else options.lifted
    size = (64, 48) if options.small else (640, 480)
    usual, few, many = counts[len(counts) // 2], photo_counts[0], level_counts[-1]
    wanted = [(usual, photos, many) for photos in photo_counts]  # each grows alone, from the same corner
    wanted += [(usual, few, levels) for levels in level_counts[:-1]]
    wanted += [(count, few, many) for count in counts if count != usual]
    rows = []
    for count, photos, levels in sorted(wanted):
        if not rows or rows[-1]["gaussians"] != count:
            model = made_splat(count, device)
            # What only a first time takes: Triton compiles a kernel anew where counts become divisible by 16.
            lift_language(model, *_photos(few, many, size, device))
        row: dict[str, float] = {"gaussians": count, "photos": photos, "levels": levels}
        shown, pyramid = _photos(photos, levels, size, device)
        with peak_memory(device, row):
            synchronise(device)
            start = time.perf_counter()
            lift_language(model, shown, pyramid)
            synchronise(device)
            row["seconds"] = time.perf_counter() - start
        row["ms_per_photo_and_pass"] = row["seconds"] * 1e3 / photos / (levels + 1)
        rows.append(row | _floor(model, shown.scene, levels + 1, machine))
        del pyramid
    print("\nLifting\n")
    print(table(list(rows[0]), [[row.get(key) for key in rows[0]] for row in rows]))
    if device.type == "cpu":
        return {"lifting": rows}
    model, (shown, pyramid) = made_splat(usual, device), _photos(few, many, size, device)
    lift_language(model, replace(shown, view_indices=range(1)), pyramid)
    file = Path(options.out or "lifting").with_suffix(".kernels.txt")
    by_name, launches = kernels(lambda: lift_language(model, shown, pyramid), file)
    print(
        f"\n{usual:,} Gaussians, {few} photos, {many} levels: {sum(by_name.values()):.3g} s in {launches:,} kernels\n"
    )
    print(table(["kernel", "s"], [[name[:60], seconds] for name, seconds in list(by_name.items())[:8]]))
    return {"lifting": rows, "kernels": launches, "kernel_s": by_name}


def _floor(model: Splat, scene: Scene, levels: int, machine: dict) -> dict[str, float]:
    """The fewest bytes that the sums move as they are: 28 of each pair of tile and Gaussian and 32 of each pixel (four
    crops' numbers and weights) for each photo and level, and each Gaussian's weights of all codes once."""
    config, photos = model.config.lifting, len(scene.views)
    cameras = [view.camera.fit_within(config.side_px) for view in every_nth_to_fit(scene.views, _VIEWS_COUNTED)]
    pairs = sum(model.project(camera).undistorted.pairs for camera in cameras) / len(cameras)
    pixels = cameras[0].width_px * cameras[0].height_px
    moved = photos * levels * (28 * pairs + 32 * pixels) + levels * 4 * model.gaussians.count * config.codes
    return {"pairs": pairs, "floor_s": moved / machine["copy_bytes_per_ms"] / 1e3}


def _photos(
    photos: int, levels: int, size: tuple[int, int], device: torch.device
) -> tuple[TrainingPhotos, PyramidFeatures]:
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
    return TrainingPhotos(scene, range(photos)), pyramid.to(device)
