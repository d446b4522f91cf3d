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
from langfield_synthetic.rendering import FIRST_THING_ID, ROOM_ID, TABLE_ID, Rendering, Truth
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
    all_truth: bool = False,
) -> None:
    """A scene folder in nerfstudio's format with `queries.json`, `gt/` of the test views, and sparse points.

    What is asked for in vain are those of `nouns` that the scene does not show. Every 8th photo is a test view. With
    `all_truth`, `gt/` has the truth of every photo.

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
        stem = _stem(k)
        Image.fromarray(rendering.rgb).save(out / "images" / f"{stem}.jpg", quality=88, subsampling=0)
        if all_truth or k % _TEST_EVERY == 0:
            _write_truth(out / "gt", stem, rendering)
        if k % _TEST_EVERY != 0:
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


def add_truth(capture: Path, scene: TableScene, cameras: Sequence[Camera], truths: Iterable[Truth]) -> None:
    """The truth of every photo into the `gt/` of a capture of this scene by these cameras; what is there is kept.

    Raises UsageError if `capture` is none, or one of another scene or by other cameras.
    """
    _check_same(capture, scene, cameras)
    (capture / "gt").mkdir(exist_ok=True)
    for k, truth in enumerate(truths):
        if not all(path.exists() for path in _truth_paths(capture / "gt", _stem(k))):
            _write_truth(capture / "gt", _stem(k), truth)


def _check_same(capture: Path, scene: TableScene, cameras: Sequence[Camera]) -> None:
    """Raises UsageError unless `write_capture` wrote the folder with this scene and these cameras."""
    again = "give the arguments that the capture was made with"
    transforms, document = (_read_json(capture / name) for name in ("transforms.json", "queries.json"))
    try:
        frames = {frame["file_path"]: np.array(frame["transform_matrix"], float) for frame in transforms["frames"]}
        pinhole = [float(transforms[key]) for key in ("w", "h", "fl_x", "fl_y", "cx", "cy")]
        things = [(str(thing["name"]), *map(float, thing["position"])) for thing in document["instances"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{capture}: not a capture that langfield-synthetic wrote ({error!r})") from error
    if len(frames) != len(cameras):
        raise UsageError(f"{capture}: it has {len(frames)} photos, not {len(cameras)}; {again}")
    for k, camera in enumerate(cameras):
        photo = f"images/{_stem(k)}.jpg"
        own = [camera.width_px, camera.height_px, camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px]
        pose = camera.world_from_camera @ _OPENGL_FROM_OPENCV
        if not (np.allclose(pinhole, own, atol=1e-4) and np.allclose(frames.get(photo, np.nan), pose, atol=1e-6)):
            raise UsageError(f"{capture}: {photo} was taken by another camera; {again}")
    expected = [(thing.name, *thing.position) for thing in scene.things]
    same = [
        one[0] == other[0] and np.allclose(one[1:], other[1:]) for one, other in zip(things, expected, strict=False)
    ]
    if len(things) != len(expected) or not all(same):
        raise UsageError(f"{capture}: it shows other things, or the same in other places; {again}")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected a file of a capture that langfield-synthetic wrote ({error})") from error


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


def write_pictures(path: Path, scene: TableScene, renderings: Sequence[Rendering], *, with_parts: bool = False) -> None:
    """A scene's pictures for the training of an encoder, in one .npz without pickle.

    `rgb` (V, H, W, 3), `ids` and, if wanted, `parts` (V, H, W) uint8 as in `Rendering`; `meta` is JSON text: the things
    with their id, their words and the number of the set of equals they are one of (`alike`, mostly null), and the
    table's words.
    """
    things = [
        {
            "id": FIRST_THING_ID + number,
            "noun": thing.kind.noun,
            "colour": thing.look.colour,
            "material": thing.look.material,
            "synonyms": list(thing.kind.synonyms),
            "hypernyms": list(thing.kind.hypernyms),
            "alike": thing.alike,
        }
        for number, thing in enumerate(scene.things)
    ]
    words = {key: list(value) for key, value in scene.room.table_words.items()}
    arrays = {
        "rgb": np.stack([r.rgb for r in renderings]),
        "ids": np.stack([r.ids for r in renderings]),
        "meta": np.array(json.dumps({"seed": scene.seed, "things": things, "table": words})),
    }
    if with_parts:
        arrays["parts"] = np.stack([r.parts for r in renderings])
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    partial.replace(path)


def _stem(k: int) -> str:
    return f"frame_{k + 1:05d}"


def _truth_paths(folder: Path, stem: str) -> tuple[Path, Path]:
    return folder / f"{stem}_ids.png", folder / f"{stem}_depth.png"


def _write_truth(folder: Path, stem: str, truth: Truth) -> None:
    number = truth.ids.astype(np.int64) - FIRST_THING_ID
    number[truth.ids == TABLE_ID] = BACKGROUND_IDS["table"]
    number[truth.ids == ROOM_ID] = BACKGROUND_IDS["room"]
    number[truth.ids == 0] = BACKGROUND_IDS["none"]
    ids_path, depth_path = _truth_paths(folder, stem)
    Image.fromarray((number + ID_PNG_OFFSET).astype(np.uint8)).save(ids_path, optimize=True)
    millimetres = np.clip(np.rint(truth.depth * 1000), 0, 65535).astype(np.uint16)
    Image.fromarray(millimetres).save(depth_path, optimize=True)


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
