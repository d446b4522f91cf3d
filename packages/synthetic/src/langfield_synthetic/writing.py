"""Write rendered scenes: as a capture with exact truth that langfield reads, or as training pictures for an encoder."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield_synthetic.kinds import KINDS
from langfield_synthetic.rendering import FIRST_THING_ID, ROOM_ID, TABLE_ID, Rendering
from langfield_synthetic.scenes import TableScene, Thing

BACKGROUND_IDS = {"table": -1, "room": -3, "none": -4}
ID_PNG_OFFSET = 5
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_TEST_EVERY = 8
_POINTS = 8_000
_POINT_NOISE = 0.002  # metres, as structure from motion on sharp photos


def write_capture(
    out: Path,
    name: str,
    scene: TableScene,
    cameras: Sequence[Camera],
    renderings: Iterable[Rendering],
    *,
    nouns: Iterable[str] = KINDS,
) -> None:
    """A scene folder in nerfstudio's format with `queries.json`, `gt/` of the test views, and sparse points.

    What is asked for in vain are those of `nouns` that the scene does not show. Every 8th photo is a test view.

    Raises UsageError if `out` holds something already.
    """
    if len(cameras) < 2:
        raise UsageError(f"{len(cameras)} photo is too few: the first is a test view, at least one more is needed")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: give a new folder")
    for folder in ("images", "gt"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(scene.seed)
    frames, cloud = [], []
    for k, (camera, rendering) in enumerate(zip(cameras, renderings, strict=True)):
        stem = f"frame_{k + 1:05d}"
        Image.fromarray(rendering.rgb).save(out / "images" / f"{stem}.jpg", quality=88, subsampling=0)
        if k % _TEST_EVERY == 0:
            _write_truth(out / "gt", stem, rendering)
        else:
            cloud.append(_points(rng, camera, rendering, _POINTS // max(len(cameras), 1)))
        pose = camera.world_from_camera @ _OPENGL_FROM_OPENCV
        frames.append({"file_path": f"images/{stem}.jpg", "transform_matrix": pose.tolist()})
    names = [frame["file_path"] for frame in frames]
    test = names[::_TEST_EVERY]
    first = cameras[0]
    transforms = {
        "camera_model": "OPENCV",
        "w": first.width_px,
        "h": first.height_px,
        "fl_x": first.fx_px,
        "fl_y": first.fy_px,
        "cx": first.cx_px,
        "cy": first.cy_px,
        "ply_file_path": "points3D.ply",
        "train_filenames": [photo for photo in names if photo not in test],
        "val_filenames": test,
        "test_filenames": test,
        "frames": frames,
    }
    _write_points(out / "points3D.ply", *(np.concatenate(column) for column in zip(*cloud, strict=True)))
    (out / "transforms.json").write_text(json.dumps(transforms, indent=1), encoding="utf-8")
    (out / "queries.json").write_text(json.dumps(queries(name, scene, nouns), indent=1), encoding="utf-8")


def queries(name: str, scene: TableScene, nouns: Iterable[str] = KINDS) -> dict[str, Any]:
    """What can be asked about a scene and what it means, as `queries.json` has it (ids count the scene's things)."""
    meaning: dict[str, tuple[str, list[int]]] = {}

    def add(text: str, kind: str, number: int) -> None:
        ids = meaning.setdefault(text, (kind, []))[1]
        if number not in ids:
            ids.append(number)

    for number, thing in enumerate(scene.things):
        noun, look = thing.kind.noun, thing.look
        add(noun, "object", number)
        for word in thing.kind.synonyms:
            add(word, "synonym", number)
        if look.colour and len(thing.kind.colours) > 1:
            add(f"{look.colour} {noun}", "attribute", number)
        if look.material:
            add(f"{look.material} {noun}", "attribute", number)
        for word in thing.kind.hypernyms:
            add(word, "abstract", number)
    there = {thing.kind.noun for thing in scene.things}
    absent = [noun for noun in sorted(nouns) if noun not in there and noun not in meaning]
    listed = [{"text": text, "ids": ids, "kind": kind} for text, (kind, ids) in meaning.items()]
    listed += [{"text": "table", "ids": [BACKGROUND_IDS["table"]], "kind": "background"}]
    listed += [{"text": noun, "ids": [], "kind": "absent"} for noun in absent]
    return {
        "scene": name,
        "id_png_offset": ID_PNG_OFFSET,
        "background_ids": BACKGROUND_IDS,
        "instances": [_instance(number, thing) for number, thing in enumerate(scene.things)],
        "queries": listed,
    }


def _instance(number: int, thing: Thing) -> dict[str, Any]:
    low, high = thing.bounds().tolist()
    own_low, own_high = thing.bounds(thing.yaw_degrees)
    yaw = np.radians(thing.yaw_degrees)
    world_from_own = np.array([[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]])
    return {
        "id": number,
        "name": thing.name,
        "kind": thing.kind.noun,
        "position": list(thing.position),
        "radius": thing.radius,
        "height": thing.height,
        "box": {"min": low, "max": high},
        "obb": {
            "center": (world_from_own @ (own_low + own_high) / 2).tolist(),
            "size": (own_high - own_low).tolist(),
            "yaw_deg": thing.yaw_degrees,
        },
    }


def write_pictures(path: Path, scene: TableScene, renderings: Sequence[Rendering]) -> None:
    """A scene's pictures for the training of an encoder, in one .npz without pickle.

    `rgb` (V, H, W, 3) and `ids` (V, H, W) uint8 as in `Rendering`; `meta` is JSON text: the things with their id and
    words, and the table's words.
    """
    things = [
        {
            "id": FIRST_THING_ID + number,
            "noun": thing.kind.noun,
            "colour": thing.look.colour,
            "material": thing.look.material,
            "synonyms": list(thing.kind.synonyms),
            "hypernyms": list(thing.kind.hypernyms),
        }
        for number, thing in enumerate(scene.things)
    ]
    words = {key: list(value) for key, value in scene.room.table_words.items()}
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(
            file,
            rgb=np.stack([r.rgb for r in renderings]),
            ids=np.stack([r.ids for r in renderings]),
            meta=np.array(json.dumps({"seed": scene.seed, "things": things, "table": words})),
        )
    partial.replace(path)


def _write_truth(folder: Path, stem: str, rendering: Rendering) -> None:
    number = rendering.ids.astype(np.int64) - FIRST_THING_ID
    number[rendering.ids == TABLE_ID] = BACKGROUND_IDS["table"]
    number[rendering.ids == ROOM_ID] = BACKGROUND_IDS["room"]
    number[rendering.ids == 0] = BACKGROUND_IDS["none"]
    Image.fromarray((number + ID_PNG_OFFSET).astype(np.uint8)).save(folder / f"{stem}_ids.png", optimize=True)
    millimetres = np.clip(np.rint(rendering.depth * 1000), 0, 65535).astype(np.uint16)
    Image.fromarray(millimetres).save(folder / f"{stem}_depth.png", optimize=True)


def _points(
    rng: np.random.Generator, camera: Camera, rendering: Rendering, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy coloured points on what a photo shows: positions (n, 3) in metres, colours (n, 3)."""
    rows, columns = np.nonzero(rendering.ids > 0)
    chosen = rng.choice(len(rows), min(count, len(rows)), replace=False)
    rows, columns = rows[chosen], columns[chosen]
    depth = rendering.depth[rows, columns].astype(np.float64)
    x = (columns + 0.5 - camera.cx_px) / camera.fx_px * depth
    y = (rows + 0.5 - camera.cy_px) / camera.fy_px * depth
    points = np.stack([x, y, depth], -1) @ camera.world_from_camera[:3, :3].T + camera.world_from_camera[:3, 3]
    return points + rng.normal(0, _POINT_NOISE, points.shape), rendering.rgb[rows, columns]


def _write_points(path: Path, points: np.ndarray, rgb: np.ndarray) -> None:
    names = [*((axis, "<f4") for axis in "xyz"), *((colour, "u1") for colour in ("red", "green", "blue"))]
    table = np.empty(len(points), dtype=names)
    for column, (name, _) in zip([*points.T, *rgb.T], names, strict=True):
        table[name] = column
    properties = [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in names]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}", *properties, "end_header"]
    path.write_bytes("\n".join(header).encode() + b"\n" + table.tobytes())
