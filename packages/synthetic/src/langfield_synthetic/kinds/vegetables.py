"""Vegetables."""

from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.edible import VEGETABLE, clouds, leaf_mesh, over, painted_skin, spots, warm
from langfield_synthetic.kinds.shaping import moved, settled, turned
from langfield_synthetic.meshes import Mesh, lathe, merged, smooth_curve, sweep
from langfield_synthetic.things import Look, Part, Surface, kind, varied


@kind("carrot", colours=("orange",), hypernyms=VEGETABLE)
def carrot(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, length = rng.uniform(0.016, 0.021), rng.uniform(0.12, 0.155)
    t = np.linspace(0, 1, 60)
    taper = np.interp(
        t,
        *smooth_curve(
            [(0.0, 0.02), (0.03, 0.13), (0.25, 0.45), (0.6, 0.75), (0.9, 1.0), (0.97, 0.9), (1.0, 0.35)], 60
        ).T,
    )
    rings = np.cumsum(rng.normal(size=60))
    rings = 1 + 0.025 * np.sin(rings * 1.7)
    profile = np.concatenate([[[0, 0]], np.stack([taper * rings * radius, t * length], -1), [[0, length]]])
    body = lathe(profile, 36)
    bow = rng.uniform(-0.01, 0.01) * np.sin(np.pi * body.vertices[:, 2:] / length)
    body = replace(body, vertices=(body.vertices + np.hstack([0 * bow, bow, 0 * bow])).astype(np.float32))
    rgb = mixed(look.rgb, (0.94, 0.42, 0.05), 0.5)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.07 * clouds(rng, u, v, 2, 12.0))[..., None]
        scars = clouds(rng, u, v, 4, 26.0) - 0.75 - 0.3 * clouds(rng, u, v, 3, 2.0)
        return over(over(colour, (0.62, 0.24, 0.03), 0.7 * scars), (0.45, 0.42, 0.1), (v - 0.975) / 0.02)

    parts = [Part(body, Surface(rgb, "glossy", painted_skin(skin, 96, 256), roughness=0.5))]
    stalks, fronds = [], []
    for _ in range(int(rng.integers(6, 9))):
        lean = rng.normal(0, 0.022, 2)
        reach = rng.uniform(0.045, 0.075)
        path = smooth_curve([(0.0, 0.0, 0.0), (*(0.25 * lean), reach * 0.5), (*lean, reach)], 9)
        stalks.append(sweep(path, np.linspace(0.0018, 0.0009, 9), 6))
        for k in range(3, 9):
            for side in (-1, 1):
                leaf = leaf_mesh(rng.uniform(0.014, 0.021), 0.009).turned("y", -rng.uniform(25, 60))
                fronds.append(leaf.turned("z", rng.uniform(0, 180) * side).moved(*path[k]))
    green = varied(rng, (0.30, 0.60, 0.15))
    parts.append(Part(merged(stalks).moved(z=length - 0.002), Surface(green, "matte")))
    parts.append(Part(merged(fronds).moved(z=length - 0.002), Surface(varied(rng, green), "matte")))
    parts = turned(parts, "y", 90.0 + np.degrees(np.arctan(0.45 * radius / length)))
    floor = float(parts[0].mesh.vertices[:, 2].min())
    return settled([replace(part, mesh=_lifted(part.mesh.moved(z=-floor))) for part in parts])


def _lifted(mesh: Mesh) -> Mesh:
    """What would be under the table, laid on it."""
    return replace(mesh, vertices=np.maximum(mesh.vertices, np.array([-np.inf, -np.inf, 0.0], np.float32)))


@kind("mushroom", colours=("white", "brown"), hypernyms=VEGETABLE)
def mushroom(rng: np.random.Generator, look: Look) -> list[Part]:
    parts = _one_mushroom(rng, look, 1.0)
    if rng.random() < 0.4:
        small = _one_mushroom(rng, look, rng.uniform(0.55, 0.75))
        parts += moved(turned(small, "x", rng.uniform(-8, 8)), rng.uniform(0.03, 0.04), rng.uniform(-0.02, 0.02), 0.001)
    return settled(parts)


def _one_mushroom(rng: np.random.Generator, look: Look, size: float) -> list[Part]:
    radius, dome = rng.uniform(0.027, 0.034) * size, rng.uniform(0.024, 0.032) * size
    stalk, thick = rng.uniform(0.03, 0.042) * size, rng.uniform(0.009, 0.012) * size
    cap = smooth_curve([(0.86, -0.02), (1.0, 0.08), (0.97, 0.35), (0.72, 0.76), (0.36, 0.96), (0.0, 1.0)], 30) * [
        radius,
        dome,
    ]
    under = np.array([(thick * 0.8, dome * 0.22), (radius * 0.5, dome * 0.12), (radius * 0.86, -dome * 0.02)])
    whitish = look.colour == "white"
    pale = mixed(look.rgb, (0.95, 0.92, 0.84), 0.8) if whitish else (0.90, 0.83, 0.70)
    rgb = warm(look.rgb) if whitish else mixed(look.rgb, (0.50, 0.30, 0.15), 0.5)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.05 * clouds(rng, u, v, 3, 3.0))[..., None]
        flecks = spots(rng, u, v, 40, (0.008, 0.02), 3.0) * (v > 0.35)
        return over(colour, mixed(rgb, (0.55, 0.42, 0.3) if whitish else pale, 0.45), 0.45 * flecks)

    def gills(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        line = 0.5 + 0.5 * np.cos(2 * np.pi * 60 * u)
        return over(np.broadcast_to(mixed((0.62, 0.45, 0.36), rgb, 0.3), (*u.shape, 3)), (0.35, 0.23, 0.17), 0.8 * line)

    stem = lathe(
        smooth_curve([(0.0, 0.0), (0.7, 0.0), (1.1, 0.12), (0.92, 0.5), (0.95, 1.2)], 20).clip(0) * [thick, stalk], 28
    )
    parts = [
        Part(lathe(cap.clip([0, -1]), 44).moved(z=stalk), Surface(rgb, "matte", painted_skin(skin))),
        Part(lathe(under, 44).moved(z=stalk), Surface(rgb, "matte", painted_skin(gills, 480, 8))),
        Part(stem, Surface(pale, "matte")),
    ]
    return turned(parts, "y", rng.uniform(-5, 5))
