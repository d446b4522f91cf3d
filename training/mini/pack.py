"""Rendered scenes in a tenth of their bytes: python training/mini/pack.py DATA OUT.

A scene becomes NNNNN.zip in one of OUT/pictures*.tar: its pictures below each other as one JPEG, its ids likewise as
one PNG, and its meta.json. `train.py` reads such a folder as it reads one of NNNNN.npz.
"""

import argparse
import io
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

_QUALITY = 88
_TAR_BLOCK = 1024


@dataclass(frozen=True)
class Source:
    """Where a scene is: a file NNNNN.npz, or a member NNNNN.zip of a tar, `size` bytes from `offset` on."""

    path: Path
    number: int
    offset: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        return f"{self.path.name}:{self.number:05d}.zip" if self.size else self.path.name

    def read(self) -> tuple[np.ndarray, np.ndarray, str]:
        """Pictures (V, H, W, 3), ids (V, H, W), meta as JSON."""
        if not self.size:
            with np.load(self.path, allow_pickle=False) as file:
                return file["rgb"], file["ids"], str(file["meta"])
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return unpacked(file.read(self.size))


def sources_of(folder: Path) -> list[Source]:
    """All scenes of a folder, whichever way it keeps them."""
    files = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    found = [Source(path, int(path.stem)) for path in files]
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = [m for m in tar if m.isfile() and m.name.endswith(".zip") and m.name[:-4].isdigit()]
        found += [Source(path, int(m.name[:-4]), m.offset_data, m.size) for m in members]
    return found


def packed(rgb: np.ndarray, ids: np.ndarray, meta: str) -> bytes:
    """One scene as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:  # stored: its members are compressed already
        file.writestr("meta.json", meta)
        file.writestr("rgb.jpg", _image(rgb.reshape(-1, rgb.shape[2], 3), "JPEG", quality=_QUALITY, subsampling=0))
        file.writestr("ids.png", _image(ids.reshape(-1, ids.shape[2]), "PNG"))
        file.writestr("views", str(len(rgb)))
    return buffer.getvalue()


def unpacked(data: bytes) -> tuple[np.ndarray, np.ndarray, str]:
    """What `packed` was given; the pictures differ by JPEG's loss. Without "views", pictures are 3:4."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        rgb, ids = (np.asarray(Image.open(io.BytesIO(file.read(name)))) for name in ("rgb.jpg", "ids.png"))
        views = int(file.read("views")) if "views" in file.namelist() else ids.shape[0] * 4 // (ids.shape[1] * 3)
        meta = file.read("meta.json").decode()
    return rgb.reshape(views, -1, rgb.shape[1], 3), ids.reshape(views, -1, ids.shape[1]), meta


def _image(array: np.ndarray, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, form, **options)
    return buffer.getvalue()


def _repacked(source: Source) -> tuple[str, bytes]:
    return f"{source.number:05d}.zip", packed(*source.read())


def write_tars(scenes: Iterable[tuple[str, bytes]], out: Path, most_bytes: int) -> Iterator[Path]:
    """Write named scenes into tars of at most so many bytes each; gives each tar once it is complete."""
    tar, size, path = None, 0, out
    for name, data in scenes:
        room = -(-len(data) // 512) * 512 + 512
        if tar is None or size + room + _TAR_BLOCK > most_bytes:
            if tar is not None:
                tar.close()
                yield path
            path = out / f"pictures{len(list(out.glob('pictures*.tar'))):02d}.tar"
            tar, size = tarfile.open(path, "w"), 0  # noqa: SIM115
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        size += room
    if tar is not None:
        tar.close()
        yield path


def main(given: list[str] | None = None) -> None:
    """Pack a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=15.5, help="most of one tar")
    parser.add_argument("--scenes", type=int, help="pack only the first so many")
    parser.add_argument("--processes", type=int, default=8)
    args = parser.parse_args(given)
    args.out.mkdir(parents=True, exist_ok=True)
    sources = sources_of(args.data)[: cast("int | None", args.scenes)]
    with ProcessPoolExecutor(args.processes) as pool:
        for path in write_tars(pool.map(_repacked, sources), args.out, int(args.megabytes * 1e6)):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
