"""Pictures and mirrors in frames."""

from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import BRASS, painted, pixels, wood_surface
from langfield_synthetic.kinds.shaping import circle, settled, upright_plate
from langfield_synthetic.meshes import lathe, merged, rounded_box, sweep, torus
from langfield_synthetic.things import Look, Part, Surface, kind

_FRAME_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")


def _rectangle(width: float, height: float) -> list[tuple[float, float]]:
    return [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]


def _landscape(rng: np.random.Generator, size: int = 192) -> np.ndarray:
    """A painted view: sky, sun, ranges of hills, sometimes water."""
    v, u = np.meshgrid(np.linspace(1, 0, size), np.linspace(0, 1, size), indexing="ij")
    skies = [
        ((0.35, 0.62, 0.90), (0.88, 0.93, 0.95)),
        ((0.30, 0.25, 0.50), (0.98, 0.62, 0.40)),
        ((0.55, 0.72, 0.80), (0.98, 0.90, 0.70)),
    ]
    high, low = (np.array(c) for c in skies[int(rng.integers(len(skies)))])
    picture = low + (high - low) * v[..., None]
    sun = rng.uniform(0.2, 0.8), rng.uniform(0.65, 0.85), rng.uniform(0.06, 0.1)
    picture[np.hypot(u - sun[0], v - sun[1]) < sun[2]] = (1.0, 0.93, 0.62)
    front = np.array([(0.16, 0.36, 0.14), (0.30, 0.42, 0.12), (0.45, 0.30, 0.16)][int(rng.integers(3))])
    for k, level in enumerate(np.linspace(0.58, 0.2, int(rng.integers(3, 5)))):
        waves = sum(
            rng.uniform(0.3, 1) / f * np.sin(2 * np.pi * (f * u[0] * rng.uniform(0.8, 1.6) + rng.random()))
            for f in (1, 2, 4, 7)
        )
        ridge = level + 0.09 * np.asarray(waves)
        picture[v < ridge[None]] = front + (low - front) * (0.6 - 0.2 * k)
    if rng.random() < 0.5:
        water = v < 0.2
        picture[water] = (np.array([0.25, 0.45, 0.65]) + 0.06 * np.sin(90 * v + 6 * u)[..., None])[water]
    return pixels(picture)


def _framed(
    rng: np.random.Generator, face: Surface, frame: Surface, width: float, height: float, rail: float, lean: float
) -> list[Part]:
    """A rectangular frame with a face, leaning back by `lean` degrees against its strut."""
    deep = rng.uniform(0.012, 0.018)
    bevel = float(rng.choice([0.002, deep * 0.45]))
    sides = [rounded_box(rail, deep, height, bevel).moved(s * (width - rail) / 2) for s in (-1, 1)]
    across = [rounded_box(width, deep, rail, bevel).moved(z=z) for z in (0, height - rail)]
    back = rounded_box(width - rail, 0.004, height - rail, 0.001).moved(0, deep / 2 - 0.002, rail / 2)
    inner = upright_plate(_rectangle(width - 1.6 * rail, height - 1.6 * rail), 0.002).moved(0, 0.001, height / 2)
    parts = [Part(merged([*sides, *across, back]), frame), Part(inner, face)]
    if bevel < 0.003 and rng.random() < 0.5:
        inside = (width - 2 * rail) / 2, (height - 2 * rail) / 2
        edge = [rounded_box(0.003, deep * 0.8, 2 * inside[1], 0.001).moved(s * inside[0], 0, rail) for s in (-1, 1)]
        edge += [
            rounded_box(2 * inside[0], deep * 0.8, 0.003, 0.001).moved(z=z)
            for z in (rail - 0.0015, height - rail - 0.0015)
        ]
        parts.append(Part(merged(edge).moved(y=-0.002), Surface(BRASS, "brushed metal")))
    parts = [replace(part, mesh=part.mesh.turned("x", -lean)) for part in parts]
    at, a = 0.62 * height, np.radians(lean)
    top = np.array([0.0, at * np.sin(a) + deep / 2, at * np.cos(a)])
    strut = sweep(np.stack([top, np.array([0.0, top[1] + 0.28 * height, 0.004])]), 0.005, 10)
    return settled([*parts, Part(strut, frame)])


@kind("picture frame", colours=_FRAME_COLOURS, synonyms=("framed picture",), hypernyms=("decoration",))
def picture_frame(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height = rng.uniform(0.14, 0.17), rng.uniform(0.17, 0.22)
    if rng.random() < 0.35:
        width, height = height, width
    rail = min(width, height) * rng.uniform(0.15, 0.2)
    frame = wood_surface(rng, look.rgb) if look.colour == "brown" else painted(look.rgb, 0.3)
    face = Surface(kind="glossy", texture=_landscape(rng), roughness=0.25)
    return _framed(rng, face, frame, width, height, rail, rng.uniform(9, 17))


@kind("mirror", colours=_FRAME_COLOURS, hypernyms=("decoration",))
def mirror(rng: np.random.Generator, look: Look) -> list[Part]:
    frame = wood_surface(rng, look.rgb) if look.colour == "brown" else painted(look.rgb, 0.25)
    silver = Surface((0.9, 0.9, 0.9), "mirror")
    if rng.random() < 0.4:
        width, height = rng.uniform(0.15, 0.18), rng.uniform(0.2, 0.25)
        return _framed(rng, silver, frame, width, height, width * rng.uniform(0.13, 0.17), rng.uniform(9, 17))
    radius = rng.uniform(0.075, 0.095)  # a round or oval one on a foot
    tall, rail = float(rng.choice([1.0, 1.25])), radius * rng.uniform(0.13, 0.18)
    ring = torus(radius, rail).scaled(1.0, tall, 0.75).turned("x", 90)
    glass = upright_plate(circle(radius) * (1.0, tall), 0.003).moved(y=0.001)
    back = upright_plate(circle(radius) * (1.0, tall), 0.006).moved(y=0.008)
    parts = [
        replace(part, mesh=part.mesh.turned("x", -rng.uniform(6, 7)))
        for part in (Part(ring, frame), Part(glass, silver), Part(back, frame))
    ]
    low, foot = radius * tall + rail * 0.5, rng.uniform(0.05, 0.065)
    neck = rng.uniform(0.03, 0.06)
    stand = lathe(
        [
            (0, 0),
            (foot, 0),
            (foot, 0.008),
            (0.012, 0.016),
            (0.008, neck * 0.6),
            (0.008, neck + 0.006),
            (0, neck + 0.006),
        ]
    )
    return settled([*parts, Part(stand.moved(0, -0.006, -low - neck), frame)])
