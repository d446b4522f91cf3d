"""Ornaments."""

import numpy as np

from langfield_synthetic.kinds.colouring import DARK, GOLD, STEEL, WHITE, mixed, painted, pixels, printed, wood_surface
from langfield_synthetic.kinds.shaping import settled, turned
from langfield_synthetic.meshes import cylinder, ellipsoid, extruded, lathe, merged, rounded_box, smooth_curve, sweep
from langfield_synthetic.things import RGB, Look, Part, Surface, kind, varied


def _earth(rng: np.random.Generator, blue: RGB, green: RGB, size: int = 112) -> np.ndarray:
    """An invented map (size, 2 size, 3): continents on water, ice at the poles."""
    latitude, longitude = np.meshgrid(
        np.linspace(np.pi / 2, -np.pi / 2, size), np.linspace(0, 2 * np.pi, 2 * size), indexing="ij"
    )
    place = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], -1)
    land = np.zeros(latitude.shape)
    for strength, pace in ((1.0, 2.2), (0.8, 4.0), (0.5, 8.0), (0.3, 15.0)):
        for _ in range(4):
            way = rng.normal(size=3)
            land += strength * np.sin(place @ (pace * way / np.linalg.norm(way)) + rng.uniform(0, 6.28))
    picture = np.ones((*latitude.shape, 3)) * np.array(blue)
    solid = land > np.quantile(land, 0.66)
    dry = (land > np.quantile(land, 0.9))[..., None]
    picture = np.where(solid[..., None], np.where(dry, np.array((0.72, 0.62, 0.32)), np.array(green)), picture)
    lines = (np.abs(np.sin(6 * latitude)) < 0.05) | (np.abs(np.sin(6 * longitude)) < 0.04)
    picture[lines & ~solid] = mixed(blue, WHITE, 0.25)
    picture[np.abs(latitude) > 1.33 + 0.02 * land] = WHITE
    return pixels(picture)


@kind("globe", colours=("blue",), synonyms=("earth globe",), hypernyms=("decoration",))
def globe(rng: np.random.Generator, look: Look) -> list[Part]:
    r = rng.uniform(0.07, 0.085)
    ball = ellipsoid(r, segments=56)
    earth = printed(_earth(rng, varied(rng, (0.12, 0.38, 0.75)), varied(rng, (0.20, 0.52, 0.20))), 0.2)
    a = np.radians(np.linspace(-96, 96, 48))
    arc = np.stack([(r + 0.009) * np.cos(a), 0 * a, (r + 0.009) * np.sin(a)], -1)
    meridian = sweep(arc, 0.003, 10)
    pins = [cylinder(0.0035, 0.016).moved(z=z) for z in (r - 0.003, -r - 0.013)]
    tilt = rng.uniform(18, 25)
    low = r + 0.03
    foot = rng.uniform(0.045, 0.058)
    base = lathe([(0, 0), (foot, 0), (foot, 0.006), (foot * 0.6, 0.013), (0.011, 0.018), (0.007, 0.032), (0, 0.032)])
    spin = float(rng.uniform(0, 360))
    lift = low + 0.006
    brass = Surface(GOLD, "metal") if rng.random() < 0.5 else Surface(STEEL, "metal")
    stand = (
        wood_surface(rng, (0.42, 0.24, 0.12)) if rng.random() < 0.5 else painted(DARK if rng.random() < 0.5 else GOLD)
    )
    parts = [
        Part(ball.turned("z", spin).turned("y", tilt).moved(z=lift), earth),
        Part(merged([meridian, *pins]).turned("y", tilt).moved(z=lift), brass),
        Part(base, stand),
    ]
    return settled(turned(parts, "z", rng.uniform(-60, 60)))


@kind(
    "trophy",
    colours=("yellow",),
    materials=("metal",),
    synonyms=("trophy cup", "golden cup"),
    hypernyms=("decoration",),
)
def trophy(rng: np.random.Generator, look: Look) -> list[Part]:
    gold = Surface(mixed(look.rgb, GOLD, 0.55), "metal" if rng.random() < 0.5 else "brushed metal")
    base, wide = rng.uniform(0.026, 0.036), rng.uniform(0.042, 0.052)
    tall = rng.uniform(0.085, 0.11)
    foot = smooth_curve(
        [(0.03, 0), (0.026, 0.006), (0.009, 0.018), (0.007, 0.032), (0.012, 0.038), (0.007, 0.044), (0.012, 0.05)], 36
    )
    bowl = smooth_curve(
        [
            (0.012, 0.05),
            (wide * 0.72, 0.066),
            (wide * 0.93, 0.05 + tall * 0.45),
            (wide * rng.uniform(0.9, 1.0), 0.05 + tall * 0.8),
            (wide * 1.1, 0.05 + tall),
        ],
        30,
    )
    inside = bowl[::-1] * (0.95, 1.0) + (0, 0.001)
    cup = lathe(np.concatenate([[(0, 0)], foot, bowl, inside, [(0, 0.052)]])).moved(z=base)
    top = base + 0.05 + tall
    handles = []
    for side in (1, -1):
        reach = side * wide * np.array([0.98, 1.45, 1.62, 1.25, 0.7])
        level = np.array([top - 0.018, top - 0.008, top - 0.035, top - 0.065, base + 0.066])
        path = smooth_curve(np.stack([reach, 0 * reach, level], -1), 28)
        handles.append(sweep(path, 0.0045, 12))
    plinth = lathe([(0, 0), (0.04, 0), (0.04, 0.007), (0.034, 0.010), (0.033, base), (0, base)])
    if rng.random() < 0.5:
        plinth = merged([rounded_box(0.078, 0.078, 0.009, 0.002), rounded_box(0.066, 0.066, base, 0.002)])
    plate = rounded_box(0.032, 0.003, base * 0.45, 0.0008).moved(0, -0.033, base * 0.36)
    dark = painted(DARK, 0.2) if rng.random() < 0.5 else wood_surface(rng, (0.33, 0.18, 0.1))
    parts = [Part(merged([cup, *handles]), gold), Part(plinth, dark), Part(plate, gold)]
    if rng.random() < 0.5:
        angles = np.arange(10) * np.pi / 5 + np.pi / 2
        reach = np.where(np.arange(10) % 2 == 0, wide * 0.34, wide * 0.15)
        star = extruded(np.stack([reach * np.cos(angles), reach * np.sin(angles)], -1), 0.004).turned("x", 90)
        parts.append(Part(star.moved(0, -wide * 0.93, base + 0.05 + tall * 0.58), gold))
    return settled(parts)
