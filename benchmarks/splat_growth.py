"""How making a run grows: its stages with photos, training with Gaussians; see `splats.py`. Photos are made, too."""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import langfield
from langfield.data.scene import open_scene
from langfield.encoders.registry import load_image_text
from langfield.export.ply import write_points_ply
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.presets import SPLAT, preset
from measuring import table
from splat_scenes import made_splat, orbit
from splat_training import TestViews, train_measured

_GAUSSIANS_IN_ROOM = 200_000
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
# Products and sums a second in half precision without sparsity, from NVIDIA's data sheets.
_HALF_PRECISION = {"H100": 989e12, "H200": 989e12}
_STAGES = "features", "training", "lifting"


def measure(options: argparse.Namespace, device: torch.device, machine: dict) -> dict:
    """By photos `langfield train` with preset `splat`, nothing cached; by Gaussians its training alone, on the fewest
    photos. Warmed up by a short run of each."""
    photo_counts = [8, 16] if options.small else options.photos
    counts = [250, 500] if options.small else options.trained
    size, in_room = ((64, 48), 200) if options.small else ((640, 480), _GAUSSIANS_IN_ROOM)
    steps = 6 if options.small else preset("splat").steps
    by_photos, by_gaussians = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for photos in photo_counts:
            _write_room(folder / f"room-{photos}", photos, size, in_room, device)
        _stages(folder, photo_counts[0], options.encoder, device, 2)
        for photos in photo_counts:
            row = {"photos": photos, **_stages(folder, photos, options.encoder, device, steps)}
            by_photos.append(row | arithmetic_s(photos, size, options.encoder, machine))
        scene = open_scene(folder / f"room-{photo_counts[0]}")
        test = TestViews(scene, device)
        for count in counts:
            config = replace(SPLAT, gaussians=GaussianConfig(capacity=count))
            train_measured(scene, config, device, 8, 8, test, [])
            row = train_measured(scene, config, device, steps, steps, test, [])[0]
            by_gaussians.append({**row, "adam_s": adam_s(count, steps, machine)})
    print("\nMaking a run, by photos\n")
    print(table(list(by_photos[0]), [list(row.values()) for row in by_photos]))
    print("\nTraining, by Gaussians\n")
    print(table(list(by_gaussians[0]), [list(row.values()) for row in by_gaussians]))
    return {"photos": by_photos, "gaussians": by_gaussians, "steps": steps, "encoder": options.encoder}


def arithmetic_s(photos: int, size: tuple[int, int], encoder: str, machine: dict) -> dict[str, float]:
    """Seconds of the encoder's multiplications and additions alone, at the most that the GPU does in half precision."""
    rate = next((rate for name, rate in _HALF_PRECISION.items() if name in str(machine["device"])), None)
    if rate is None:
        return {}
    model = load_image_text(encoder)
    side = model.card.input_size_px
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not know the fused attention
    with FlopCounterMode(display=False) as counter:
        model.encode_images(torch.zeros(1, 3, side, side))
    torch.backends.mha.set_fastpath_enabled(fused)
    crops = photos * sum(level.tiles for level in preset("splat").pyramid.levels(*size))
    return {"features_floor_s": crops * counter.get_total_flops() / rate}


def adam_s(capacity: int, steps: int, machine: dict) -> float:
    """Adam's own bytes: it works on all there is room for from the first step, reads four numbers of each parameter
    (itself, its gradient, two moments) and writes three."""
    numbers = sum(parameter[0].numel() for parameter in Gaussians(GaussianConfig(capacity=1)).parameters())
    return steps * capacity * numbers * 7 * 4 / machine["copy_bytes_per_ms"] / 1e3


def _stages(folder: Path, photos: int, encoder: str, device: torch.device, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        os.environ["LANGFIELD_CACHE"] = str(Path(own) / "cache")
        report = langfield.train(
            folder / f"room-{photos}",
            Path(own) / "run",
            preset="splat",
            encoder=encoder,
            device=str(device),
            max_steps=steps,
        )
    row = {f"{name}_s": report.stages[name] for name in _STAGES}
    return row | {"all_s": report.seconds, "memory_gb": report.memory_bytes / 1e9}


def _write_room(folder: Path, photos: int, size: tuple[int, int], gaussians: int, device: torch.device) -> None:
    """Photos of a room of Gaussians, from a circle in it, their poses, and where its Gaussians are."""
    room = made_splat(gaussians, device)
    (folder / "images").mkdir(parents=True)
    cameras, frames = orbit(photos, *size), []
    for number, camera in enumerate(cameras):
        rgb = room.render(camera, ["rgb"]).rgb
        assert rgb is not None
        name = f"images/{number:05d}.jpg"
        Image.fromarray((rgb.clamp(0, 1) * 255).byte().cpu().numpy()).save(folder / name, quality=92)
        pose = camera.world_from_camera @ _OPENGL_FROM_OPENCV
        frames.append({"file_path": name, "transform_matrix": pose.tolist()})
    first = cameras[0]
    lens = {"w": size[0], "h": size[1], "fl_x": first.fx_px, "fl_y": first.fy_px, "cx": first.cx_px, "cy": first.cy_px}
    document = {"camera_model": "PINHOLE", **lens, "ply_file_path": "points3D.ply", "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(document))
    means = room.gaussians.means.detach()[: room.gaussians.count].double().cpu().numpy()
    colours = (room.gaussians.sh0.detach()[: len(means)].clamp(0, 1) * 255).byte().cpu().numpy()
    write_points_ply(folder / "points3D.ply", means, colours)
