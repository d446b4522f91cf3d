"""Reading rendered scenes: pictures, which thing each pixel shows, and where things are to be cut out."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from training.mini.captions import SURROUND, Identity
from training.mini.pack import Source, sources_of

TABLE, AROUND, FIRST_THING, NOTHING = 1, 2, 10, 255
MIN_PIXELS = 60
BACKGROUND_POINTS = 16
_INSTANCE = np.dtype(
    [("picture", "i4"), ("id", "i4"), ("identity", "i4"), ("box", "i4", (4,)), ("pixels", "i4"), ("scene", "i4")]
)


@dataclass(frozen=True)
class Pictures:
    """All pictures of all scenes, and what they show.

    Attributes:
        rgb: (N, H, W, 3) uint8. ids: (N, H, W) uint8.
        scene_of: (N,) which scene a picture shows; `numbers` (S,) are the scenes' numbers.
        identities: what can be shown; `identity_of` (S, 256) which of them an id is in a scene, −1 for none.
        instances: each thing that a picture shows with at least 60 pixels: its box is x0, y0, x1, y1, ends exclusive.
        background: (N, 16, 2) x, y of pixels that show no thing.
    """

    rgb: np.ndarray
    ids: np.ndarray
    scene_of: np.ndarray
    numbers: np.ndarray
    identities: tuple[Identity, ...]
    identity_of: np.ndarray
    instances: np.ndarray
    background: np.ndarray

    @property
    def held_out_scene(self) -> np.ndarray:
        """(S,) scenes that are for evaluation only."""
        return self.numbers % 10 == 0


@dataclass(frozen=True)
class _Scene:
    number: int
    rgb: np.ndarray
    ids: np.ndarray
    identities: dict[int, Identity]
    boxes: list[tuple[int, int, tuple[int, int, int, int], int]]
    background: np.ndarray


def read_pictures(folders: Path | Sequence[Path], most_scenes: int | None = None) -> Pictures:
    """Read all scenes of folders: NNNNN.npz, and packed ones (see `pack`). One that cannot be read, that was read
    before under the same number, or of another size than most, is left out, and said so.

    Raises:
        ValueError: no scene could be read.
    """
    folders = [folders] if isinstance(folders, Path) else list(folders)
    sources = [source for folder in folders for source in sources_of(folder)][:most_scenes]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        scenes = [scene for scene in pool.map(_read_or_tell, sources) if scene is not None]
    if not scenes:
        named = ", ".join(map(str, folders))
        raise ValueError(f"no scene could be read from {named}: it must hold NNNNN.npz, or *.tar of NNNNN.zip")
    return _joined(_alike(scenes))


def _alike(scenes: list[_Scene]) -> list[_Scene]:
    sizes = [scene.rgb.shape[1:] for scene in scenes]
    usual = max(set(sizes), key=sizes.count)
    kept: dict[int, _Scene] = {}
    for scene in scenes:
        if scene.rgb.shape[1:] != usual:
            print(f"left out scene {scene.number}: pictures of {scene.rgb.shape[1:]}, others are {usual}", flush=True)
        elif scene.number in kept:
            print(f"left out scene {scene.number}: it is there twice", flush=True)
        else:
            kept[scene.number] = scene
    return list(kept.values())


def _joined(scenes: list[_Scene]) -> Pictures:
    identities = tuple(dict.fromkeys(i for scene in scenes for i in scene.identities.values()))
    number = {identity: q for q, identity in enumerate(identities)}
    identity_of = np.full((len(scenes), 256), -1, np.int32)
    rows: list[tuple[int, int, int, tuple[int, int, int, int], int, int]] = []
    first = 0
    for s, scene in enumerate(scenes):
        for thing, identity in scene.identities.items():
            identity_of[s, thing] = number[identity]
        rows += [(first + v, i, identity_of[s, i], box, pixels, s) for v, i, box, pixels in scene.boxes]
        first += len(scene.rgb)
    return Pictures(
        rgb=np.concatenate([scene.rgb for scene in scenes]),
        ids=np.concatenate([scene.ids for scene in scenes]),
        scene_of=np.repeat(np.arange(len(scenes)), [len(scene.rgb) for scene in scenes]),
        numbers=np.array([scene.number for scene in scenes]),
        identities=identities,
        identity_of=identity_of,
        instances=np.array(rows, _INSTANCE),
        background=np.concatenate([scene.background for scene in scenes]),
    )


def _read_or_tell(source: Source) -> _Scene | None:
    try:
        return _read(source)
    except Exception as error:  # one bad file, of whatever kind, is no reason to lose a run on a lent machine
        print(f"left out {source.name}: {type(error).__name__}: {error}", flush=True)
        return None


def _read(source: Source) -> _Scene:
    rgb, ids, meta = source.read()
    if rgb.dtype != np.uint8 or ids.dtype != np.uint8 or rgb.shape != (*ids.shape, 3):
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}, ids are {ids.dtype} {ids.shape}")
    identities = identities_of(json.loads(meta))
    rng = np.random.default_rng(source.number)
    boxes = [(v, *box) for v, view in enumerate(ids) for box in boxes_of(view) if box[0] in identities]
    background = np.stack([_background_points(view, rng) for view in ids])
    return _Scene(source.number, rgb, ids, identities, boxes, background)


def identities_of(meta: dict[str, Any]) -> dict[int, Identity]:
    """What each id of a scene is: its things, the table, and what is around it."""
    result = {AROUND: SURROUND, 0: SURROUND}
    table = meta.get("table") or {}
    if table.get("noun"):
        words = (_words(table.get(key)) for key in ("noun", "colour", "material", "pattern"))
        result[TABLE] = Identity(*words, is_thing=False)
    for thing in meta["things"]:
        if FIRST_THING <= int(thing["id"]) < NOTHING:
            nouns = _words([thing["noun"], *(thing.get("synonyms") or ())])
            colours, materials = _words(thing.get("colour")), _words(thing.get("material"))
            result[int(thing["id"])] = Identity(nouns, colours, materials, (), _words(thing.get("hypernyms")))
    return result


def _words(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """One word, several or none as a tuple without repetition, in the spelling that captions have."""
    listed = [given] if isinstance(given, str) else list(given or ())
    return tuple(dict.fromkeys(word.strip().lower() for word in listed if word and word.strip()))


def boxes_of(ids: np.ndarray) -> list[tuple[int, tuple[int, int, int, int], int]]:
    """(id, box, pixels) of each thing that a picture (H, W) shows with enough pixels."""
    pixels = np.bincount(ids.ravel(), minlength=256)
    places = ndimage.find_objects(ids)
    found = []
    for thing in np.flatnonzero(pixels[:NOTHING] >= MIN_PIXELS):
        if thing >= FIRST_THING:
            ys, xs = places[thing - 1]
            found.append((int(thing), (xs.start, ys.start, xs.stop, ys.stop), int(pixels[thing])))
    return found


def _background_points(ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """x, y of pixels that show no thing; anywhere if all show one."""
    tries = np.stack([rng.integers(0, ids.shape[1], 256), rng.integers(0, ids.shape[0], 256)], axis=1)
    free = tries[ids[tries[:, 1], tries[:, 0]] < FIRST_THING]
    return np.resize(free if len(free) else tries, (BACKGROUND_POINTS, 2)).astype(np.int32)
