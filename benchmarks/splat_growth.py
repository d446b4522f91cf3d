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

import langfield
from langfield.data.scene import open_scene
from langfield.export.ply import write_points_ply
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.methods.presets import SPLAT
from langfield.methods.registry import preset
from measuring import table
from splat_scenes import made_splat, orbit
from splat_training import TestViews, train_measured

_GAUSSIANS_IN_ROOM = 200_000
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
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
            by_photos.append({"photos": photos, **_stages(folder, photos, options.encoder, device, steps)})
        scene = open_scene(folder / f"room-{photo_counts[0]}")
        test = TestViews(scene, device)
        for count in counts:
            config = replace(SPLAT, gaussians=GaussianConfig(capacity=count))
            train_measured(scene, config, device, 8, 8, test, [])
            row = train_measured(scene, config, device, steps, steps, test, [])[0]
            by_gaussians.append({**row, "floor_s": adam_floor_s(row["gaussians"], steps, machine)})
    print("\nMaking a run, by photos\n")
    print(table(list(by_photos[0]), [list(row.values()) for row in by_photos]))
    print("\nTraining, by Gaussians\n")
    print(table(list(by_gaussians[0]), [list(row.values()) for row in by_gaussians]))
    return {"photos": by_photos, "gaussians": by_gaussians, "steps": steps, "encoder": options.encoder}


def adam_floor_s(gaussians: int, steps: int, machine: dict) -> float:
    """What must move at least if all Gaussians are there from the start: Adam reads four numbers of each parameter and
    writes three."""
    numbers = sum(parameter[0].numel() for parameter in Gaussians(GaussianConfig(capacity=1)).rows())
    return steps * gaussians * numbers * 7 * 4 / machine["copy_bytes_per_ms"] / 1e3


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
    colours = (room.gaussians.colors_constant.detach()[: len(means)].clamp(0, 1) * 255).byte().cpu().numpy()
    write_points_ply(folder / "points3D.ply", means, colours)
