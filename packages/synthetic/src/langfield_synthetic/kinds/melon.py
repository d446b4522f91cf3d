"""Watermelons, whole and cut."""

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.edible import FRUIT, clouds, over, painted_skin
from langfield_synthetic.kinds.shaping import settled, turned
from langfield_synthetic.meshes import ellipsoid, grid_mesh, smooth_curve, sweep
from langfield_synthetic.things import RGB, Look, Part, Surface, kind, varied


def _rind(rng: np.random.Generator, rgb: RGB, stripes: int) -> np.ndarray:
    """Watermelon skin; the stripes run along v."""

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        jag = 0.012 * clouds(rng, u, v, 3, 9.0) + 0.009 * clouds(rng, u, v, 25, 16.0)
        wave = np.cos(2 * np.pi * stripes * (u + jag))
        light = np.broadcast_to(mixed(rgb, (0.60, 0.74, 0.30), 0.62), (*u.shape, 3))
        mottled = over(light, rgb, 0.25 * clouds(rng, u, v, 40, 20.0))
        return over(mottled, mixed(rgb, (0.03, 0.2, 0.07), 0.7), 0.5 + 2.2 * wave)

    return painted_skin(skin, 256, 128)


def _flesh(rng: np.random.Generator, rind: RGB, seeds: int, aspect: float, row: float = 0.68) -> np.ndarray:
    """A cut watermelon: v goes from the heart to the rind, u along; `aspect` is the length of u over that of v."""

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.07 * clouds(rng, u, v, 8, 5.0) + 0.04 * clouds(rng, u, v, 40, 30.0)
        colour = np.asarray(varied(rng, (0.88, 0.16, 0.17), 0.03)) * shade[..., None]
        colour = over(colour, (0.93, 0.92, 0.78), (v - 0.84) / 0.05)
        x = (np.arange(seeds) + rng.uniform(0.2, 0.8, seeds)) / seeds
        y = row + rng.uniform(-0.16, 0.1, seeds)
        away = [np.hypot((u - a) * aspect / 0.032, (v - b) / 0.06) for a, b in zip(x, y, strict=True)]
        colour = over(colour, (0.07, 0.04, 0.03), 3 - 3 * np.min(away, axis=0))
        return over(colour, rind, (v - 0.94) / 0.015)

    return painted_skin(cut, 256, 160)


@kind("watermelon", colours=("green", "red"), hypernyms=FRUIT)
def watermelon(rng: np.random.Generator, look: Look) -> list[Part]:
    if look.colour == "red":
        return _watermelon_wedge(rng) if rng.random() < 0.5 else _watermelon_slice(rng)
    radius, length = rng.uniform(0.062, 0.075), rng.uniform(0.14, 0.2)
    rgb = mixed(look.rgb, (0.1, 0.4, 0.12), 0.5)
    skin = Surface(rgb, "glossy", _rind(rng, rgb, int(rng.integers(8, 12))), roughness=0.25)
    body = ellipsoid(radius, radius, length / 2.0, 56)
    stem = sweep(smooth_curve([(0.0, 0.0, 0.0), (0.002, 0.0, 0.008), (0.01, 0.002, 0.015)], 8), 0.0028, 8)
    parts = [Part(body, skin), Part(stem.moved(z=length / 2.0 - 0.001), Surface((0.45, 0.42, 0.2), "matte"))]
    return settled(turned(parts, "y", 90.0 + rng.uniform(-8, 8)))


def _watermelon_wedge(rng: np.random.Generator) -> list[Part]:
    """A piece cut lengthwise, rind below."""
    radius, half, open_degrees = rng.uniform(0.055, 0.068), rng.uniform(0.075, 0.095), rng.uniform(35, 44)
    rind = varied(rng, (0.12, 0.42, 0.14))
    t = np.linspace(-1, 1, 40)
    reach = radius * np.sqrt((1 - t**2).clip(0))
    angles = np.radians(np.linspace(-open_degrees, open_degrees, 16))
    outer = np.stack(
        [half * t[:, None] + 0 * angles, reach[:, None] * np.sin(angles), -reach[:, None] * np.cos(angles)], -1
    )
    skin = Part(grid_mesh(outer), Surface(rind, "glossy", _rind(rng, rind, 2), roughness=0.25))
    parts = [skin]
    s = np.linspace(0, 1, 10)[:, None]
    for angle in (angles[0], angles[-1]):
        cut = np.stack([half * t + 0 * s, s * reach * np.sin(angle), -s * reach * np.cos(angle)], -1)
        texture = _flesh(rng, rind, int(rng.integers(7, 11)), 2.0 * half / radius)
        parts.append(Part(grid_mesh(cut), Surface((0.85, 0.15, 0.16), "glossy", texture, roughness=0.35)))
    return settled(turned(parts, "x", rng.uniform(-8, 8)))


def _watermelon_slice(rng: np.random.Generator) -> list[Part]:
    """A slice, half or a third of a round, that stands on its rind or lies."""
    radius, thick = rng.uniform(0.065, 0.085), rng.uniform(0.018, 0.026)
    open_degrees = rng.uniform(32, 90)
    rind = varied(rng, (0.12, 0.42, 0.14))
    angles = np.radians(np.linspace(-open_degrees, open_degrees, 36))
    arc = np.stack([np.sin(angles), 0 * angles, -np.cos(angles)], -1) * radius
    s = np.linspace(0, 1, 8)[:, None, None]
    texture = _flesh(rng, rind, int(3 + open_degrees / 12), 2.0 * np.radians(open_degrees) * 0.68)
    flesh = Surface((0.85, 0.15, 0.16), "glossy", texture, roughness=0.35)
    sides = [Part(grid_mesh(arc * s + [0, y, 0]), flesh) for y in (-thick / 2, thick / 2)]
    edge = np.linspace(-thick / 2, thick / 2, 2)[:, None, None] * [0, 1, 0]
    skin = Part(grid_mesh(arc + edge), Surface(rind, "glossy", roughness=0.3))
    ends = [
        Part(
            grid_mesh(arc[k] * s[:, 0][:, None] + edge.transpose(1, 0, 2)), Surface((0.88, 0.2, 0.2), "glossy", texture)
        )
        for k in (0, -1)
    ]
    parts = [*sides, skin, *ends]
    return settled(turned(parts, "x", rng.choice([90.0, rng.uniform(-12, 12), rng.uniform(-12, 12)])))
