"""How fast the crop pyramid is, beside what its encoder does alone.

    python benchmarks/features.py --encoder openclip:ViT-B-16/random --photos 40

"alone" is the encoder on random crops that are on the device already. "pyramid" is everything: JPEGs decoded,
uploaded, cut, resized, encoded, copied back and written to a cache (all in a temporary folder).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.data.views import Scene, View
from langfield.encoders.base import ImageTextEncoder
from langfield.encoders.registry import load_image_text
from langfield.features.bank import FeatureReport, build_features
from langfield.features.pyramid import LERF_PYRAMID

WIDTH_PX, HEIGHT_PX = 640, 480


def crops_per_second_alone(encoder: ImageTextEncoder, batch: int, seconds: float = 4.0) -> float:
    """The encoder's rate on random crops, measured for about `seconds`."""
    side = encoder.card.input_size_px
    dtype = torch.float16 if encoder.device.type == "cuda" else torch.float32
    crops = torch.rand(batch, 3, side, side, device=encoder.device, dtype=dtype)
    for _ in range(3):
        encoder.encode_images(crops)
    _synchronise(encoder)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        encoder.encode_images(crops)
        _synchronise(encoder)
        done += batch
    return done / (time.perf_counter() - start)


def pyramid_report(encoder: ImageTextEncoder, photos: int) -> FeatureReport:
    """What `build_features` reports for drawn photos, after one photo to warm up."""
    with tempfile.TemporaryDirectory() as folder:
        scene = drawn_scene(Path(folder), photos + 1)
        build_features(scene, [photos], encoder, cache_dir=Path(folder) / "cache")
        return build_features(scene, range(photos), encoder, cache_dir=Path(folder) / "cache").report


def drawn_scene(folder: Path, photos: int) -> Scene:
    """Photos of smooth noise, as JPEGs."""
    camera = Camera(np.eye(4), WIDTH_PX, HEIGHT_PX, 500.0, 500.0, WIDTH_PX / 2, HEIGHT_PX / 2)
    views = []
    for index in range(photos):
        noise = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        path = folder / f"{index:05d}.jpg"
        Image.fromarray(noise).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC).save(path, quality=95)
        views.append(View(path.name, path, camera))
    return Scene(folder, "drawn", tuple(views), tuple(range(photos)), (), None, Similarity.identity())


def _synchronise(encoder: ImageTextEncoder) -> None:
    if encoder.device.type == "cuda":
        torch.cuda.synchronize(encoder.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="openclip:ViT-B-16/random")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    encoder = load_image_text(options.encoder, options.device)
    tiles = sum(level.tiles for level in LERF_PYRAMID.levels(WIDTH_PX, HEIGHT_PX))
    batch = tiles if encoder.device.type == "cuda" else 32
    machine = (
        torch.cuda.get_device_name() if encoder.device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    )
    alone = crops_per_second_alone(encoder, batch)
    report = pyramid_report(encoder, options.photos)
    print(f"{encoder.card.spec} on {machine}, torch {torch.__version__}")
    print(f"{'':9}{'crops/s':>10}  what")
    print(f"{'alone':9}{alone:10.0f}  batches of {batch}")
    print(f"{'pyramid':9}{report.crops_per_second:10.0f}  {options.photos} photos, {report.crops} crops")
    print(f"{'ratio':9}{report.crops_per_second / alone:10.3f}")
    if encoder.device.type == "cuda":
        print(f"{'memory':9}{torch.cuda.max_memory_allocated() / 2**30:10.2f}  GiB at most")


if __name__ == "__main__":
    main()
