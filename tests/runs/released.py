"""What a run of `released/` shows, answers and exports, as plain arrays and JSON, by langfield's public face alone.

`make_released` writes it beside each run; `test_released_runs` asks again and compares.
"""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from langfield.cli.main import main

RELEASED = Path(__file__).parent / "released"
PHRASES = "red ball", "green ball", "piano"  # the last is not there
CUBE = 0.15  # side of the cubes of exported points, world units
BAKED_ELEMENTS = 600
DENSE_MODEL = "released_vit"
# What is exported of each run besides a PLY file of the whole scene and masks: a command takes a second.
EXPORTED = {"nano": ("object",), "splat": ("points", "object", "hide", "json", "relevancy")}


@dataclass(frozen=True)
class Unpacked:
    """Specs of the encoders that the runs were trained with, unpacked into a folder."""

    folder: Path
    encoder: str
    dense: str


def unpack(version: Path, folder: Path) -> Unpacked:
    """Unpack the encoders' files, and have timm know the dense one's architecture."""
    register_dense_model()
    for name in ("encoder", "dense"):
        (folder / name).mkdir(parents=True)
        for file in (version / name).iterdir():
            packed = file.suffix == ".xz"
            content = lzma.decompress(file.read_bytes()) if packed else file.read_bytes()
            (folder / name / (file.stem if packed else file.name)).write_bytes(content)
    dense = f"timm:{DENSE_MODEL}@{folder / 'dense' / 'model.safetensors'}"
    return Unpacked(folder, f"openclip:local-dir:{folder / 'encoder'}", dense)


def register_dense_model() -> None:
    """timm's smallest vision transformer is eight times as wide as small files allow."""

    def released_vit(pretrained: bool = False, num_classes: int = 0, dynamic_img_size: bool = True, **_: Any) -> Any:
        model = VisionTransformer(
            img_size=32,
            patch_size=16,
            embed_dim=8,
            depth=1,
            num_heads=1,
            num_classes=num_classes,
            dynamic_img_size=dynamic_img_size,
        )
        half = (0.5, 0.5, 0.5)
        model.pretrained_cfg = {"mean": half, "std": half, "interpolation": "bicubic", "license": "cc0-1.0"}
        return model

    if not timm.is_model(DENSE_MODEL):
        timm.models.register_model(released_vit)


def same_numbers_everywhere(patch: Any) -> None:
    """Have encoders compute in float32 also on CPUs whose matrix units make bfloat16 faster. `patch`: a MonkeyPatch."""
    patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)


# -- what is observed ------------------------------------------------------------------------------------------------


def pictures(session: Any) -> dict[str, np.ndarray]:
    """The first training view and the first test view: colour, and z-depth in world units."""
    chosen = {view.split: view.camera for view in reversed(session.views)}
    seen: dict[str, np.ndarray] = {}
    for split, camera in chosen.items():
        rgb, depth_world = session.picture(camera)
        seen |= {f"{split}_rgb": rgb, f"{split}_depth_world": depth_world.astype(np.float16)}
    return seen


def asked(session: Any) -> dict[str, np.ndarray]:
    """The first view, half as wide and high, asked the phrases: relevancy, refined relevancy, masks, the scale, how
    many levels there are, and relevancy at the smallest, a middle and the largest."""
    camera = session.views[0].camera.resized(24, 18)
    answers = session.ask_view(camera, PHRASES)
    levels = session.level_maps(camera, PHRASES, raw=True).float().cpu().numpy()
    some = levels[[0, len(levels) // 2, -1]]
    return {
        "relevancy": answers.relevancy.astype(np.float16),
        "refined": answers.refined.astype(np.float16),
        "masks": np.packbits(answers.masks, axis=-1),
        "scale_world": answers.scale_world.astype(np.float16),
        "levels": np.array(len(levels)),
        "some_levels": some.astype(np.float16),
    }


def answers(session: Any) -> list[dict[str, Any]]:
    """As `langfield query --json` prints them."""
    return [answer.to_json() for answer in session.query(PHRASES)]


@dataclass(frozen=True)
class Exported:
    """What `langfield export` writes. `facts`: as JSON; `arrays`: see `exported`."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]


def exported(run: Path, encoder: str, folder: Path, kinds: Sequence[str]) -> Exported:
    """Export by the command line and read the files again.

    Args: kinds: formats besides masks and, for Gaussians, splat, for fields, points.

    Arrays: points_xyz, points_rgb; splat: every eighth Gaussian's numbers, splat_mean: of all; object_xyz, hide_xyz:
    low, mean and high of what was written for the first phrase; masks: of it in each photo, as bits; relevancy: of it
    in the test photos.
    """
    has_gaussians = json.loads((run / "run.json").read_text())["method"]["name"] == "splat"
    facts: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for kind in ("splat" if has_gaussians else "points", "masks", *kinds):
        made = _export(kind, run, encoder, folder)
        if kind == "splat":
            columns = read_ply(made)
            table = np.stack(list(columns.values()), axis=1)
            facts["splat"] = {"count": len(table), "columns": list(columns)}
            arrays |= {"splat": table[::8].astype(np.float32), "splat_mean": table.mean(axis=0, dtype=np.float64)}
        elif made.suffix == ".ply":
            columns = read_ply(made)
            xyz = np.stack([columns[axis] for axis in "xyz"], axis=1)
            facts[kind] = {"count": len(xyz), "columns": list(columns)}
            if kind == "points":
                rgb = np.stack([columns[name] for name in ("red", "green", "blue")], axis=1)
                arrays |= {"points_xyz": xyz, "points_rgb": rgb}
            else:
                arrays[f"{kind}_xyz"] = np.stack([xyz.min(axis=0), xyz.mean(axis=0, dtype=np.float64), xyz.max(axis=0)])
        elif kind == "json":
            facts["json"] = json.loads(made.read_text())
        else:
            facts[kind] = {"files": sorted(path.name for path in made.iterdir())}
            if kind == "masks":
                facts["coco"] = json.loads((made / "coco.json").read_text())
                read = [np.asarray(Image.open(path)) > 0 for path in sorted(made.glob("*.png"))]
                arrays["masks"] = np.packbits(np.stack(read), axis=-1)
            else:
                maps = [np.load(path, allow_pickle=False) for path in sorted(made.glob("*.npy"))]
                arrays["relevancy"] = np.stack(maps).astype(np.float16)
    return Exported(facts, arrays)


def _export(kind: str, run: Path, encoder: str, folder: Path) -> Path:
    """Where `langfield export` wrote it."""
    names = {"masks": "masks", "relevancy": "relevancy", "json": "answers.json"}
    out = folder / names.get(kind, f"{kind}.ply")
    phrase = ("--phrase", PHRASES[0])
    options = {
        "splat": (),
        "points": ("--cube", str(CUBE)),
        "masks": (*phrase, "--views", "all"),
        "relevancy": (*phrase, "--views", "test"),
        "json": ("--phrase", *PHRASES),
    }
    arguments = ["export", str(run), "--format", kind, "--out", str(out), *options.get(kind, phrase)]
    assert main([*arguments, "--encoder", encoder, "--device", "cpu", "--no-progress"]) == 0
    return out


def read_ply(path: Path) -> dict[str, np.ndarray]:
    """The columns of a binary PLY file of vertices alone."""
    header, _, body = path.read_bytes().partition(b"end_header\n")
    kinds = {"float": "<f4", "uchar": "u1"}
    lines = [line.split() for line in header.decode().splitlines()]
    dtype = np.dtype([(line[2], kinds[line[1]]) for line in lines if line[0] == "property"])
    (count,) = (int(line[2]) for line in lines if line[:2] == ["element", "vertex"])
    table = np.frombuffer(body, dtype=dtype)
    assert len(table) == count
    return {name: table[name] for name in dtype.names or ()}
