"""Lamps and candles."""

import numpy as np

from langfield_synthetic.kinds.colouring import BRASS, STEEL, mixed, painted, wood_surface
from langfield_synthetic.kinds.shaping import circle
from langfield_synthetic.meshes import cylinder, ellipsoid, lathe, merged, smooth_curve, sweep
from langfield_synthetic.things import PAINTED, Look, Part, Surface, kind, varied


@kind("lamp", colours=PAINTED, synonyms=("table lamp",), hypernyms=("something that gives light", "furniture"))
def lamp(rng: np.random.Generator, look: Look) -> list[Part]:
    height, wide = rng.uniform(0.26, 0.36), rng.uniform(0.075, 0.1)
    shade_height = height * rng.uniform(0.4, 0.5)
    top = wide * rng.choice([rng.uniform(0.5, 0.7), 0.95])
    low = height - shade_height
    bulge = wide * rng.choice([0.0, 0.0, 0.06])
    outer = smooth_curve([(wide, low), ((wide + top) / 2 + bulge, (low + height) / 2), (top, height)], 12)
    shade = lathe(np.concatenate([outer, outer[::-1] - (0.002, 0.0), outer[:1]]))
    lit = look.colour not in ("black", "brown", "gray") and rng.random() < 0.55
    parts = [Part(shade, Surface(mixed(look.rgb, (0.0, 0.0, 0.0), 0.12), "glowing") if lit else Surface(look.rgb))]
    if lit:
        bulb = ellipsoid(0.02, 0.02, 0.026, 16).moved(z=low + shade_height * 0.45)
        parts.append(Part(bulb, Surface((0.99, 0.93, 0.78), "glowing")))
    foot = rng.uniform(0.045, 0.06)
    styles = [
        [(foot, 0), (foot, 0.01), (0.008, 0.018), (0.006, low)],
        [(foot * 0.7, 0), (foot * 0.95, low * 0.35), (0.028, low * 0.75), (0.012, low * 0.95), (0.01, low)],
        [(foot, 0), (0.02, low * 0.2), (0.03, low * 0.5), (0.014, low * 0.8), (0.02, low * 0.9), (0.008, low)],
    ]
    style = int(rng.integers(3))
    line = np.array(styles[style]) if style == 0 else smooth_curve(styles[style], 30)
    stand = lathe(np.concatenate([[(0, 0)], line, [(0.006, low + shade_height * 0.5), (0, low + shade_height * 0.5)]]))
    same = painted(look.rgb, 0.15)
    wooden = wood_surface(rng, varied(rng, (0.55, 0.36, 0.2)))
    metal = Surface(varied(rng, BRASS if rng.random() < 0.5 else STEEL), "brushed metal")
    parts.append(Part(stand, (same, same, wooden, metal)[int(rng.integers(4))]))
    spokes = [
        sweep([(0, 0, height - 0.02), (top * c * 0.98, top * s * 0.98, height - 0.006)], 0.0013, 6)
        for c, s in circle(1, 3)
    ]
    parts.append(Part(merged([*spokes, cylinder(0.004, 0.03).moved(z=height - 0.035)]), metal))
    parts.append(Part(cylinder(0.004, shade_height * 0.6).moved(z=low + shade_height * 0.35), metal))
    return parts


@kind("candle", colours=PAINTED, hypernyms=("something that gives light", "decoration"))
def candle(rng: np.random.Generator, look: Look) -> list[Part]:
    parts: list[Part] = []
    style = int(rng.integers(3))
    if style == 0:  # a pillar, by itself or on a plate
        radius, height, foot = rng.uniform(0.026, 0.036), rng.uniform(0.08, 0.14), 0.0
    else:
        radius, height, foot = rng.uniform(0.011, 0.014), rng.uniform(0.12, 0.17), rng.uniform(0.02, 0.05)
    line = [
        (0, 0),
        (radius, 0),
        (radius, height - 0.003),
        (radius * 0.93, height),
        (radius * 0.8, height - 0.002),
        (0, height - 0.006),
    ]
    if style == 2:
        line[2] = (radius * 0.75, height - 0.003)
        line[3:] = [(radius * 0.65, height), (radius * 0.5, height - 0.002), (0, height - 0.005)]
    body = [lathe(line, 40).moved(z=foot)]
    for _ in range(int(rng.integers(0, 4))):  # wax that ran down
        a, run = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.15, 0.5)
        r = radius * (0.97 if style != 2 else 0.8)
        path = np.array([(r * np.cos(a), r * np.sin(a), foot + height - 0.003 - run * t) for t in np.linspace(0, 1, 8)])
        body.append(sweep(path, np.linspace(0.6, 1.0, 8) * 0.0035, 10))
    parts.append(Part(merged(body), painted(look.rgb, 0.4)))
    if style:
        wide = rng.uniform(0.035, 0.045)
        cup = [
            (wide, 0),
            (wide, 0.004),
            (0.008, 0.01),
            (0.006, foot * 0.8),
            (radius + 0.004, foot),
            (radius + 0.005, foot + 0.016),
        ]
        holder = lathe([(0, 0), *cup, (radius, foot + 0.016), (radius, foot + 0.001), (0, foot + 0.001)])
        metal = Surface(varied(rng, BRASS if rng.random() < 0.5 else STEEL), "brushed metal")
        parts.append(Part(holder, metal if rng.random() < 0.7 else painted(look.rgb, 0.15)))
    elif rng.random() < 0.5:
        plate = lathe([(0, 0), (radius * 1.3, 0), (radius * 1.55, 0.007), (radius * 1.5, 0.008), (0, 0.003)])
        parts = [Part(part.mesh.moved(z=0.002), part.surface) for part in parts]
        parts.append(Part(plate, Surface(varied(rng, STEEL), "brushed metal")))
    tip = foot + height
    wick = sweep([(0, 0, tip - 0.008), (0, 0, tip + 0.004), (0.002, 0, tip + 0.009)], 0.0011, 8)
    parts.append(Part(wick, Surface((0.08, 0.07, 0.06))))
    if rng.random() < 0.7:
        flame = lathe(
            smooth_curve([(0, 0), (0.0045, 0.004), (0.0065, 0.011), (0.004, 0.022), (0, 0.034)], 16).clip(0), 20
        )
        parts.append(Part(flame.moved(0.001, 0, tip + 0.003), Surface((0.99, 0.80, 0.35), "glowing")))
    return parts
