"""What edible things share: their words, painted skins, uneven shapes, leaves and stems."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import mixed, pixels
from langfield_synthetic.meshes import Mesh, grid_mesh, smooth_curve, sweep
from langfield_synthetic.things import RGB, Part, Surface, varied

FRUIT = ("fruit", "food", "something to eat")
VEGETABLE = ("vegetable", "food", "something to eat")
FOOD = ("food", "something to eat")
LEAF: RGB = (0.20, 0.46, 0.13)
_TWIG: RGB = (0.33, 0.22, 0.11)


def painted_skin(
    colour: Callable[[np.ndarray, np.ndarray], np.ndarray], width: int = 160, height: int = 160
) -> np.ndarray:
    """A texture of `colour` (H, W, 3), 0 to 1, at uv (H, W); v goes up."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    return pixels(colour(u, v))


def over(below: np.ndarray | Sequence[float], above: Sequence[float], share: np.ndarray) -> np.ndarray:
    return np.asarray(below) + (np.asarray(above) - np.asarray(below)) * share.clip(0, 1)[..., None]


def clouds(rng: np.random.Generator, u: np.ndarray, v: np.ndarray, across: int, along: float) -> np.ndarray:
    """Soft noise on a grid, about -1 to 1, that joins up over u; with up to `across` and `along` waves."""
    columns = np.exp(2j * np.pi * np.outer(rng.integers(-across, across + 1, 9), u[0]))
    rows = np.exp(2j * np.pi * (np.outer(v[:, 0], rng.uniform(-along, along, 9)) + rng.random(9)))
    return (rows @ columns).real / 4.5


def spots(
    rng: np.random.Generator, u: np.ndarray, v: np.ndarray, count: int, radius: tuple[float, float], aspect: float = 1.0
) -> np.ndarray:
    """1 inside about `count` random spots, 0 outside; `radius` (from, to) in v, `aspect` the length of u over v's."""
    rows = max(round((count / aspect) ** 0.5), 1)
    columns = max(round(count / rows), 1)
    i, j = np.floor(v * rows).astype(int).clip(0, rows - 1), np.floor(u * columns).astype(int) % columns
    x, y = rng.uniform(0.2, 0.8, (2, rows, columns))  # each has a cell of its own
    r = rng.uniform(*radius, (rows, columns)) * (rng.random((rows, columns)) < 0.85) + 1e-6
    away = np.hypot((u * columns - j - x[i, j]) / columns * aspect, (v * rows - i - y[i, j]) / rows)
    return (3 - 2 * away / r[i, j]).clip(0, 1)


def bumpy(rng: np.random.Generator, mesh: Mesh, amount: float, size: float) -> Mesh:
    """Moved in and out from its middle by a share `amount`, in waves of about `size` metres."""
    middle = mesh.bounds.mean(axis=0)
    away = mesh.vertices - middle
    waves = rng.normal(size=(3, 14)) / size * 3
    swell = np.cos(away @ waves + rng.uniform(0, 2 * np.pi, 14)).sum(axis=1, keepdims=True) / 4
    return replace(mesh, vertices=(middle + away * (1 + amount * swell)).astype(np.float32))


def leaf_mesh(length: float, width: float, rise: float = 0.3, fold: float = 0.25, blunt: float = 1.0) -> Mesh:
    """A leaf from the origin along +x; `rise` and `fold` are shares of its length and width."""
    t = np.linspace(0, 1, 10)[:, None]
    s = np.linspace(-1, 1, 5)[None]
    half = width / 2 * np.sin(np.pi * t**0.75) ** blunt
    z = length * rise * (t - 1.2 * t**2) * 2 + fold * np.abs(s) * half
    return grid_mesh(np.stack([length * t + 0 * s, half * s, z], -1))


def leaf_surface(rng: np.random.Generator, rgb: RGB = LEAF) -> Surface:
    return Surface(varied(rng, rgb), "glossy", roughness=0.5)


def twig(rng: np.random.Generator, height: float, radius: float, rgb: RGB = _TWIG) -> Part:
    """A stem that stands at the origin and bends a little."""
    angle, lean = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.2, 0.6)
    path = smooth_curve([(0.0, 0.0, 0.0), (0.2 * lean, 0.0, height * 0.5), (lean, 0.0, height)], 10)
    mesh = sweep(path, radius * np.linspace(0.8, 1.25, 10) ** 1.5, 8).turned("z", np.degrees(angle))
    return Part(mesh, Surface(varied(rng, rgb), "matte"))


def warm(rgb: RGB) -> RGB:
    """A white that can be eaten."""
    return mixed(rgb, (0.95, 0.92, 0.86), 0.65)


def sector(radius: float, half: float, z: float) -> Mesh:
    """A flat piece of a disc between the angles -half and half, in radians."""
    angles = np.linspace(-half, half, 20)
    edge = np.stack([radius * np.cos(angles), radius * np.sin(angles), z + 0 * angles], -1)
    return grid_mesh(np.linspace(0, 1, 2)[:, None, None] * (edge - [0, 0, z]) + [0, 0, z])
