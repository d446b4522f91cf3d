"""Cameras as people take them: at random, in every usual way, in any units and anywhere in the world."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity

Capture = Callable[[np.random.Generator, int], list[Camera]]


def looking(eye: np.ndarray, forward: np.ndarray, rng: np.random.Generator, wobble: float = 0.05) -> Camera:
    """A camera that looks along a direction, turned at random by about `wobble` radians."""
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, :3] = pose[:3, :3] @ Rotation.from_rotvec(wobble * rng.normal(size=3)).as_matrix()
    pose[:3, 3] = eye
    return Camera(pose, 640, 480, 500.0, 500.0, 320.0, 240.0)


def directions(rng: np.random.Generator, n: int, up: float = 0.5) -> np.ndarray:
    """n unit vectors all round, at about one height."""
    angle = rng.uniform(0, 2 * np.pi, n)
    out = np.stack([np.cos(angle), np.sin(angle), up + 0.1 * rng.normal(size=n)], axis=1)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def ring(rng: np.random.Generator, n: int, radius: float = 1.0) -> list[Camera]:
    return [looking(radius * d, -d, rng) for d in directions(rng, n)]


def inside_out(rng: np.random.Generator, n: int) -> list[Camera]:
    return [looking(0.4 * d + 0.05 * rng.normal(size=3), d, rng) for d in directions(rng, n, up=0.0)]


def corridor(rng: np.random.Generator, n: int) -> list[Camera]:
    ways = np.linspace(0, 20, n)
    return [
        looking(np.array([x, *0.1 * rng.normal(size=2)]), np.array([1, *0.3 * rng.normal(size=2)]), rng) for x in ways
    ]


def close_ups(rng: np.random.Generator, n: int) -> list[Camera]:
    """An orbit with close-ups: few of them, or nearly all."""
    close = round(n * rng.choice([0.2, 0.8]))
    return [*ring(rng, n - close), *ring(rng, close, radius=0.15)]


def drone_grid(rng: np.random.Generator, n: int) -> list[Camera]:
    side = int(np.ceil(n**0.5))
    return [looking(np.array([i % side, i // side, 3.0]), np.array([0, 0.01, -1]), rng) for i in range(n)]


def two_distances(rng: np.random.Generator, n: int) -> list[Camera]:
    far = max(3, n // 6)
    return [*ring(rng, n - far), *ring(rng, far, radius=rng.uniform(2, 25))]


def forward_facing(rng: np.random.Generator, n: int) -> list[Camera]:
    return [looking(rng.uniform(-0.2, 0.2, 3), np.array([0.0, 1, 0]), rng) for _ in range(n)]


def walk(rng: np.random.Generator, n: int) -> list[Camera]:
    eyes = np.cumsum(rng.normal(size=(n, 3)) * [1, 1, 0.05], axis=0)
    return [looking(eye, rng.normal(size=3) * [1, 1, 0.3], rng) for eye in eyes]


CAPTURES: tuple[Capture, ...] = (
    ring, inside_out, corridor, close_ups, drone_grid, two_distances, forward_facing, walk,
)  # fmt: skip


def anywhere(cameras: list[Camera], rng: np.random.Generator) -> list[Camera]:
    """The same cameras in other units, turned, and away from the world's origin."""
    scale = 10 ** rng.uniform(-6, 6)
    away = scale * rng.normal(size=3) * rng.choice([0, 10, 1e4])
    world_from_here = Similarity(Rotation.from_quat(rng.normal(size=4)).as_matrix(), away, scale)
    return [camera.moved(world_from_here) for camera in cameras]


def thrown(camera: Camera, rng: np.random.Generator, times: float) -> Camera:
    """A camera that structure from motion has put so many units away, and perhaps turned anyhow."""
    direction = rng.normal(size=3)
    pose = camera.world_from_camera.copy()
    pose[:3, 3] += times * direction / np.linalg.norm(direction)
    if rng.random() < 0.5:
        pose[:3, :3] = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    return Camera(pose, 640, 480, 500.0, 500.0, 320.0, 240.0)
