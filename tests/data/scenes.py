"""A small place to test with: coloured balls on a checkered table, seen exactly, by cameras on an arc above it.

Everything follows in closed form (colours, z-depth, which thing a pixel shows), with numpy alone, so that what the
package reads and renders can be compared with it. `write_ball_scene` writes it as a `transforms.json` scene with
`queries.json` and `gt/` in the form the benchmark scenes have.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from langfield.core.cameras import Camera

ID_PNG_OFFSET = 5
TABLE, NOTHING = -1, -4
TEST_EVERY = 8
DEPTH_UNIT = 1e-3
_TABLE_HALF = 0.9
_SQUARE = 0.15
_LIGHT = np.array([0.4, -0.3, 0.866])


@dataclass(frozen=True)
class Ball:
    colour: str
    rgb: tuple[float, float, float]
    centre: tuple[float, float, float]
    radius: float

    @property
    def name(self) -> str:
        return f"{self.colour} ball"


BALLS = (
    Ball("red", (0.9, 0.1, 0.1), (-0.25, 0.1, 0.15), 0.15),
    Ball("green", (0.1, 0.75, 0.2), (0.25, 0.2, 0.12), 0.12),
    Ball("blue", (0.15, 0.25, 0.9), (0.1, -0.25, 0.1), 0.1),
)


@dataclass(frozen=True)
class BallScene:
    """What was written: the folder, cameras in file order, names of the photos, and which of them are test views."""

    folder: Path
    cameras: list[Camera]
    names: list[str]
    test: list[int]
    balls: tuple[Ball, ...]


def arc_cameras(n_views: int, width_px: int, height_px: int, distance: float = 1.3) -> list[Camera]:
    """Pinhole cameras (OpenCV axes) on an arc of 300° at varying height, looking at the middle of the table."""
    cameras = []
    for i in range(n_views):
        angle = math.radians(300 * i / max(n_views, 1))
        height = math.radians(30 + 20 * math.sin(2.4 * i))
        eye = distance * np.array(
            [math.cos(angle) * math.cos(height), math.sin(angle) * math.cos(height), math.sin(height)]
        )
        cameras.append(camera_looking_at(eye, np.array([0.0, 0.0, 0.08]), width_px, height_px))
    return cameras


def camera_looking_at(eye: np.ndarray, target: np.ndarray, width_px: int, height_px: int) -> Camera:
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    focal = 0.9 * max(width_px, height_px)
    return Camera(pose, width_px, height_px, focal, focal, width_px / 2, height_px / 2)


def draw(camera: Camera, balls: tuple[Ball, ...] = BALLS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One view of the place: rgb uint8 (H, W, 3), ids int (H, W), z-depth float (H, W; 0 where nothing is)."""
    x = (np.arange(camera.width_px) + 0.5 - camera.cx_px) / camera.fx_px
    y = (np.arange(camera.height_px) + 0.5 - camera.cy_px) / camera.fy_px
    local = np.stack([*np.meshgrid(x, y), np.ones((camera.height_px, camera.width_px))], axis=-1)
    eye = camera.world_from_camera[:3, 3]
    direction = local @ camera.world_from_camera[:3, :3].T  # its length along the axis is 1: t is z-depth
    depth = np.full(local.shape[:2], np.inf)
    ids = np.full(local.shape[:2], NOTHING)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = -eye[2] / direction[..., 2]
        at = eye + t[..., None] * direction
        table = (t > 0) & (np.abs(at[..., :2]) < _TABLE_HALF).all(-1)
    depth[table], ids[table] = t[table], TABLE
    for index, ball in enumerate(balls):
        offset = eye - np.array(ball.centre)
        a = (direction**2).sum(-1)
        b = direction @ offset
        root = b * b - a * (offset @ offset - ball.radius**2)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        hit = (root > 0) & (t > 0) & (t < depth)
        depth[hit], ids[hit] = t[hit], index
    seen = np.isfinite(depth)
    rgb = np.full((*depth.shape, 3), 0.6)
    rgb[seen] = colour_at((eye + depth[..., None] * direction)[seen], ids[seen], balls)
    return (rgb * 255).round().astype(np.uint8), ids, np.where(seen, depth, 0.0)


def colour_at(points: np.ndarray, ids: np.ndarray, balls: tuple[Ball, ...] = BALLS) -> np.ndarray:
    """Colours in [0, 1] of points on the table or on a ball (the same from every side)."""
    squares = np.floor(points[:, :2] / _SQUARE).astype(int).sum(-1) % 2
    rgb = np.where(squares[:, None] == 0, [0.85, 0.8, 0.7], [0.35, 0.3, 0.28])
    for index, ball in enumerate(balls):
        on = ids == index
        normal = (points[on] - ball.centre) / ball.radius
        rgb[on] = np.array(ball.rgb) * (0.55 + 0.45 * np.clip(normal @ _LIGHT, 0, 1))[:, None]
    return rgb


def surface_points(n: int, seed: int = 0, balls: tuple[Ball, ...] = BALLS) -> tuple[np.ndarray, np.ndarray]:
    """n points of the place, half on the table and half on the balls: xyz float64 and rgb uint8."""
    rng = np.random.default_rng(seed)
    table = np.concatenate([rng.uniform(-_TABLE_HALF, _TABLE_HALF, (n // 2, 2)), np.zeros((n // 2, 1))], axis=1)
    which = rng.integers(0, len(balls), n - n // 2)
    normal = rng.normal(size=(n - n // 2, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    on_balls = np.array([b.centre for b in balls])[which] + np.array([[b.radius] for b in balls])[which] * normal
    xyz = np.concatenate([table, on_balls])
    ids = np.concatenate([np.full(n // 2, TABLE), which])
    return xyz, (colour_at(xyz, ids, balls) * 255).round().astype(np.uint8)


def write_ball_scene(
    folder: Path,
    n_views: int = 12,
    width_px: int = 64,
    height_px: int = 48,
    *,
    suffix: str = ".jpg",
    masks: bool = False,
    depths: bool = False,
    n_points: int = 300,
    balls: tuple[Ball, ...] = BALLS,
) -> BallScene:
    """Write the place as a scene: transforms.json, images, points3D.ply, queries.json, gt of the test views.

    Args:
        suffix: ".jpg", or ".png" for exact colours.
        masks: also write masks (the left quarter of every photo must not be used).
        depths: also write exact z-depths in millimetres for every photo.
    """
    for name in ("images", "gt", *(["masks"] if masks else []), *(["depths"] if depths else [])):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cameras = arc_cameras(n_views, width_px, height_px)
    test = [i for i in range(n_views) if i % TEST_EVERY == 0]
    names, frames = [], []
    for i, camera in enumerate(cameras):
        frame = f"frame_{i + 1:05d}"
        rgb, ids, depth = draw(camera, balls)
        names.append(f"images/{frame}{suffix}")
        Image.fromarray(rgb).save(folder / names[-1], quality=95)
        depth_mm = Image.fromarray((depth / DEPTH_UNIT).round().astype(np.uint16))
        entry: dict = {"file_path": names[-1], "transform_matrix": opengl_matrix(camera).tolist()}
        if i in test:
            Image.fromarray((ids + ID_PNG_OFFSET).astype(np.uint8)).save(folder / "gt" / f"{frame}_ids.png")
            depth_mm.save(folder / "gt" / f"{frame}_depth.png")
        if masks:
            entry["mask_path"] = f"masks/{frame}.png"
            mask = np.full(ids.shape, 255, np.uint8)
            mask[:, : width_px // 4] = 0
            Image.fromarray(mask).save(folder / entry["mask_path"])
        if depths:
            entry["depth_file_path"] = f"depths/{frame}.png"
            depth_mm.save(folder / entry["depth_file_path"])
        frames.append(entry)
    write_ply(folder / "points3D.ply", *surface_points(n_points, balls=balls))
    held_out = [names[i] for i in test]
    meta = {
        "camera_model": "OPENCV", "w": width_px, "h": height_px,
        "fl_x": cameras[0].fx_px, "fl_y": cameras[0].fy_px, "cx": cameras[0].cx_px, "cy": cameras[0].cy_px,
        "ply_file_path": "points3D.ply", "frames": frames,
        "train_filenames": [name for name in names if name not in held_out],
        "val_filenames": held_out, "test_filenames": held_out,
    }  # fmt: skip
    (folder / "transforms.json").write_text(json.dumps(meta))
    (folder / "queries.json").write_text(json.dumps(queries(balls)))
    return BallScene(folder, cameras, names, test, balls)


def queries(balls: tuple[Ball, ...] = BALLS) -> dict:
    """What can be asked about the place, in the form of the benchmark's `queries.json`."""
    asked = [{"text": ball.name, "ids": [i], "kind": "object"} for i, ball in enumerate(balls)]
    asked += [{"text": ball.colour, "ids": [i], "kind": "attribute"} for i, ball in enumerate(balls)]
    asked += [
        {"text": "ball", "ids": list(range(len(balls))), "kind": "synonym"},
        {"text": "table", "ids": [TABLE], "kind": "background"},
        {"text": "piano", "ids": [], "kind": "absent"},
    ]
    instances = [
        {"id": i, "name": b.name, "kind": "ball", "position": b.centre, "radius": b.radius, "height": 2 * b.radius}
        for i, b in enumerate(balls)
    ]
    background = {"table": TABLE, "floor": -2, "wall": -3, "none": NOTHING}
    return {
        "scene": "balls",
        "id_png_offset": ID_PNG_OFFSET,
        "background_ids": background,
        "instances": instances,
        "queries": asked,
    }


def opengl_matrix(camera: Camera) -> np.ndarray:
    """The camera's pose with OpenGL axes, as `transforms.json` has it: y and z of the camera turn round."""
    matrix = np.array(camera.world_from_camera)
    matrix[:, 1] *= -1
    matrix[:, 2] *= -1
    return matrix


def write_ply(path: Path, xyz: np.ndarray, rgb: np.ndarray) -> None:
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(xyz)}\n"
    header += "".join(f"property float {a}\n" for a in "xyz")
    header += "".join(f"property uchar {c}\n" for c in ("red", "green", "blue")) + "end_header\n"
    rows = np.zeros(len(xyz), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = xyz, rgb
    path.write_bytes(header.encode() + rows.tobytes())
