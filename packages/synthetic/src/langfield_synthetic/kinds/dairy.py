"""Egg and cheese."""

from collections.abc import Callable

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.edible import FOOD, clouds, over, painted_skin, sector, spots, warm
from langfield_synthetic.kinds.shaping import moved, settled, turned
from langfield_synthetic.meshes import grid_mesh, lathe
from langfield_synthetic.things import RGB, Look, Part, Surface, kind


@kind("egg", colours=("white", "brown"), hypernyms=FOOD)
def egg(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, length = rng.uniform(0.021, 0.0235), rng.uniform(0.056, 0.064)
    t = np.linspace(0, np.pi, 40)
    profile = np.stack([np.sin(t) * (1 + 0.12 * np.cos(t)) * radius, (1 - np.cos(t)) / 2 * length], -1)
    body = lathe(profile.clip(0), 40)
    rgb = warm(look.rgb) if look.colour == "white" else mixed(look.rgb, (0.78, 0.50, 0.33), 0.75)

    def shell(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.015 * clouds(rng, u, v, 40, 20.0))[..., None]
        return over(colour, mixed(rgb, (0.4, 0.25, 0.15), 0.5), 0.35 * spots(rng, u, v, 50, (0.003, 0.007), 2.0))

    texture = painted_skin(shell) if look.colour == "brown" else None
    parts = [Part(body, Surface(rgb, "glossy", texture, roughness=0.45))]
    return settled(turned(moved(parts, z=-length / 2.0), "y", 90.0 + rng.uniform(-6, 8)))


def _cheese_face(
    rng: np.random.Generator,
    at: Callable[[np.ndarray, np.ndarray], np.ndarray],
    inward: tuple[float, float, float],
    rgb: RGB,
    holes: int,
    shape: tuple[int, int],
) -> Part:
    """A face at(u, v) with round holes pressed into it."""
    centres = at(rng.uniform(0.12, 0.9, holes), rng.uniform(0.15, 0.85, holes))
    radii = rng.uniform(0.0035, 0.0085, holes)

    def depth(points: np.ndarray) -> np.ndarray:
        inside = [r**2 - ((points - centre) ** 2).sum(axis=-1) for centre, r in zip(centres, radii, strict=True)]
        return np.sqrt(np.max(inside, axis=0).clip(0))

    u, v = np.meshgrid(np.linspace(0, 1, shape[1]), np.linspace(0, 1, shape[0]))
    points = at(u, v)
    inside = (np.minimum(u, v) > 0) & (np.maximum(u, v) < 1)
    points = points + (0.75 * depth(points) * inside)[..., None] * np.asarray(inward)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.02 * clouds(rng, u, v, 5, 4.0))[..., None]
        return over(
            colour, mixed(rgb, (0.62, 0.36, 0.03), 0.75), 0.25 + depth(at(u, v)) / 0.009 - 0.25 * (depth(at(u, v)) == 0)
        )

    return Part(grid_mesh(points), Surface(rgb, "glossy", painted_skin(skin, 112, 112), roughness=0.45))


@kind("cheese", colours=("yellow",), synonyms=("piece of cheese",), hypernyms=FOOD)
def cheese(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, half = rng.uniform(0.085, 0.105), rng.uniform(0.038, 0.05), np.radians(rng.uniform(20, 28))
    rgb = mixed(look.rgb, (0.97, 0.78, 0.22), 0.5)
    low = Part(sector(radius, half, 0.0), Surface(rgb))

    def side(angle: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda u, v: np.stack([radius * u * np.cos(angle), radius * u * np.sin(angle), height * v], -1)

    def top(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        angle = (2 * u - 1) * half
        return np.stack([radius * v * np.cos(angle), radius * v * np.sin(angle), height + 0 * u], -1)

    s, c = float(np.sin(half)), float(np.cos(half))
    faces = [
        _cheese_face(rng, side(-half), (s, c, 0.0), rgb, int(rng.integers(6, 10)), (30, 48)),
        _cheese_face(rng, side(half), (s, -c, 0.0), rgb, int(rng.integers(6, 10)), (30, 48)),
        _cheese_face(rng, top, (0.0, 0.0, -1.0), rgb, int(rng.integers(4, 7)), (48, 40)),
    ]
    angles = np.linspace(-half, half, 20)
    back = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], -1)
    rind = grid_mesh(np.stack([back, back + np.array([0, 0, height])]))
    parts = [*faces, low, Part(rind, Surface(mixed(rgb, (0.85, 0.5, 0.1), 0.4), "glossy", roughness=0.35))]
    return settled(parts)
