"""Rendered scenes with parts in a tenth of their bytes: python training/masks/pack.py DATA OUT.

As `training/mini/pack.py` packs them, and readable by it, with one member more: parts.png.
"""

import argparse
import io
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image
from training.mini.pack import Source, sources_of, unpacked, write_tars

_QUALITY = 82


def read_scene(source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Pictures (V, H, W, 3), ids (V, H, W), parts (V, H, W; 0 everywhere where the scene has none), meta as JSON.

    Raises:
        ValueError: shapes or types are others than these; what else a damaged file raises passes through.
    """
    if source.size:
        with source.path.open("rb") as file:
            file.seek(source.offset)
            data = file.read(source.size)
        rgb, ids, meta = unpacked(data)
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            named = "parts.png" in members.namelist()
            parts = np.asarray(Image.open(io.BytesIO(members.read("parts.png")))) if named else np.zeros_like(ids)
        parts = parts.reshape(ids.shape)
    else:
        with np.load(source.path, allow_pickle=False) as file:
            rgb, ids, meta = file["rgb"], file["ids"], str(file["meta"])
            parts = file["parts"] if "parts" in file.files else np.zeros_like(ids)
    if not (rgb.dtype == ids.dtype == parts.dtype == np.uint8 and rgb.shape == (*ids.shape, 3) == (*parts.shape, 3)):
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}, ids {ids.dtype} {ids.shape}, parts {parts.shape}")
    return rgb, ids, parts, meta


def packed_scene(rgb: np.ndarray, ids: np.ndarray, parts: np.ndarray, meta: str) -> bytes:
    """One scene as a zip; what `read_scene` reads of it differs by JPEG's loss in `rgb` only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:  # stored: its members are compressed already
        file.writestr("meta.json", meta)
        file.writestr("rgb.jpg", _image(rgb.reshape(-1, rgb.shape[2], 3), "JPEG", quality=_QUALITY))
        file.writestr("ids.png", _image(ids.reshape(-1, ids.shape[2]), "PNG"))
        file.writestr("parts.png", _image(parts.reshape(-1, parts.shape[2]), "PNG"))
        file.writestr("views", str(len(rgb)))
    return buffer.getvalue()


def _image(array: np.ndarray, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, form, **options)
    return buffer.getvalue()


def _repacked(source: Source) -> tuple[str, bytes] | None:
    try:
        return f"{source.number:05d}.zip", packed_scene(*read_scene(source))
    except Exception as error:  # one bad file, of whatever kind, is no reason to lose the others
        print(f"left out {source.name}: {type(error).__name__}: {error}", flush=True)
        return None


def main(given: list[str] | None = None) -> None:
    """Pack a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=15.5, help="most of one tar")
    parser.add_argument("--tars", type=int, help="most tars; what is beyond stays unpacked")
    parser.add_argument("--processes", type=int, default=8)
    args = parser.parse_args(given)
    args.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.processes) as pool:
        scenes = (scene for scene in pool.map(_repacked, sources_of(args.data)) if scene is not None)
        for count, path in enumerate(write_tars(scenes, args.out, int(args.megabytes * 1e6)), 1):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
            if count == args.tars:
                pool.shutdown(wait=False, cancel_futures=True)
                break


if __name__ == "__main__":
    main()
