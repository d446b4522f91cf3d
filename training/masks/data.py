"""Rendered scenes on the device: pictures, which thing and which part each pixel shows, and sets of equal things."""

import json
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training.masks.pack import read_scene
from training.mini.pack import Source, sources_of

FIRST_THING, NOTHING = 10, 255
AROUND = 2
_PATIENCE = 3  # reads of a file that grows before it is given up


@dataclass(frozen=True)
class Scene:
    """One scene: rgb (V, H, W, 3), ids and parts (V, H, W), all uint8; alike (256,) uint8, the set of equals that an
    id belongs to, counted from 1, 0 for none."""

    number: int
    rgb: np.ndarray
    ids: np.ndarray
    parts: np.ndarray
    alike: np.ndarray

    @property
    def held_out(self) -> bool:
        """For evaluation only."""
        return self.number % 10 == 0


def load_scene(source: Source) -> Scene:
    """Read one scene, npz or packed; without `parts` or `alike` it has none.

    Raises:
        ValueError: arrays of wrong types or shapes; a damaged file raises what its reader raises.
    """
    rgb, ids, parts, meta = read_scene(source)
    alike = np.zeros(256, np.uint8)
    for thing in json.loads(meta).get("things", ()):
        if thing.get("alike") is not None and FIRST_THING <= int(thing["id"]) < NOTHING:
            alike[int(thing["id"])] = int(thing["alike"]) % 255 + 1
    return Scene(source.number, rgb, np.where(ids == 0, AROUND, ids).astype(np.uint8), parts, alike)


def read_scenes(folders: Sequence[Path]) -> list[Scene]:
    """All scenes of folders, each number once; what cannot be read is left out, and said so."""
    sources = {source.number: source for folder in folders for source in sources_of(folder)}
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return [scene for scene in pool.map(_load_or_tell, sources.values()) if scene is not None]


def _load_or_tell(source: Source) -> Scene | None:
    try:
        return load_scene(source)
    except Exception as error:  # one bad file, of whatever kind, is no reason to lose a run on a lent machine
        print(f"left out {source.name}: {type(error).__name__}: {error}", flush=True)
        return None


class Store:
    """Training pictures on the device, in place: scenes can be added while a recorded step reads it.

    Attributes:
        rgb: (N, H, W, 3) uint8. ids, parts: (N, H·W) uint8. alike: (N, 256) uint8. `count`: () int64, how many of the
            N rows are filled.
    """

    def __init__(self, height_px: int, width_px: int, capacity: int, device: torch.device) -> None:
        def empty(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.uint8, device=device)

        self.height_px, self.width_px, self.device = height_px, width_px, device
        self.rgb = empty(capacity, height_px, width_px, 3)
        self.ids, self.parts = (empty(capacity, height_px * width_px) for _ in range(2))
        self.alike = empty(capacity, 256)
        self.count = torch.zeros((), dtype=torch.int64, device=device)
        self.pictures = self.scenes = 0

    def add(self, scene: Scene) -> bool:
        """Add a scene's pictures; False where they are of another size or there is no room left."""
        views = len(scene.rgb)
        if scene.ids.shape[1:] != (self.height_px, self.width_px) or self.pictures + views > len(self.rgb):
            return False
        rows = slice(self.pictures, self.pictures + views)
        for kept, new in (
            (self.rgb, scene.rgb),
            (self.ids, scene.ids.reshape(views, -1)),
            (self.parts, scene.parts.reshape(views, -1)),
            (self.alike, np.repeat(scene.alike[None], views, 0)),
        ):
            kept[rows] = torch.from_numpy(np.ascontiguousarray(new)).to(self.device)
        self.pictures += views
        self.scenes += 1
        self.count.fill_(self.pictures)
        return True


class Watcher:
    """Reads scenes that appear in folders, on a thread of its own; `arrived` hands them over.

    The thread touches no device: its calls would end the recording of a CUDA graph.
    """

    def __init__(self, folders: Sequence[Path], known: set[int], every_s: float = 2.0) -> None:
        self._folders, self._known, self._every_s = folders, set(known), every_s
        self._failed: dict[int, int] = {}
        self._ready: queue.SimpleQueue[Scene] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def arrived(self, most: int = 4) -> list[Scene]:
        """Scenes read since the last call, at most so many."""
        found = []
        while len(found) < most and not self._ready.empty():
            found.append(self._ready.get())
        return found

    def close(self) -> None:
        """Stop watching; what is not handed over yet is dropped."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            for folder in self._folders:
                for source in _files(folder):
                    if source.number not in self._known and not self._stop.is_set():
                        self._read(source)

    def _read(self, source: Source) -> None:
        try:
            self._ready.put(load_scene(source))
            self._known.add(source.number)
        except Exception as error:  # a file that is still written looks like a damaged one
            tries = self._failed[source.number] = self._failed.get(source.number, 0) + 1
            if tries >= _PATIENCE:
                self._known.add(source.number)
                print(f"left out {source.name}: {type(error).__name__}: {error}", flush=True)


def _files(folder: Path) -> list[Source]:
    found = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    return [Source(path, int(path.stem)) for path in found]
