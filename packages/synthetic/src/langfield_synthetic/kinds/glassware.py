"""Glasses to drink from, of clear glass."""

import numpy as np

from langfield_synthetic.kinds.turning import hollow, radius_at
from langfield_synthetic.meshes import lathe, smooth_curve
from langfield_synthetic.things import Look, Part, Surface, kind, varied


@kind("wine glass", hypernyms=("something to drink from", "tableware", "kitchenware"))
def wine_glass(rng: np.random.Generator, look: Look) -> list[Part]:
    base, stem, tall = rng.uniform(0.031, 0.037), rng.uniform(0.065, 0.09), rng.uniform(0.085, 0.105)
    wide = rng.uniform(0.034, 0.043)
    mouth, thin = wide * rng.uniform(0.74, 0.9), rng.uniform(0.0032, 0.0045)
    foot = [(base, 0.0), (base + 0.001, 0.001), (base, 0.002)]
    column = smooth_curve([(0.35 * base, 0.005), (thin, 0.014), (thin, 0.5 * stem), (thin * 1.2, stem)], 20)
    cup = smooth_curve(
        [
            (0.45 * wide, stem + 0.008),
            (wide * 0.92, stem + 0.3 * tall),
            (wide, stem + 0.5 * tall),
            (mouth, stem + tall),
        ],
        28,
    )
    outside = np.concatenate([foot, column, cup])
    floor, wall = stem + 0.005, 0.0014
    parts = [Part(hollow(outside, wall, floor), Surface(kind="glass"))]
    if rng.random() < 0.45:
        level = stem + rng.uniform(0.3, 0.5) * tall
        side = outside[(outside[:, 1] > floor + 0.003) & (outside[:, 1] < level)] - [wall + 0.0004, 0.0]
        side = np.concatenate([side, [[radius_at(cup, level) - wall - 0.0004, level]]])
        wine = varied(rng, (0.34, 0.02, 0.06) if rng.random() < 0.7 else (0.90, 0.78, 0.40), 0.04)
        drink = lathe(np.concatenate([[[0.0, floor + 0.002]], side, [[0.0, level]]]))
        parts.append(Part(drink, Surface(wine, "glossy", roughness=0.1)))
    return parts


@kind(
    "drinking glass",
    synonyms=("tumbler",),
    hypernyms=("something to drink from", "tableware", "kitchenware"),
)
def drinking_glass(rng: np.random.Generator, look: Look) -> list[Part]:
    tall = rng.uniform(0.085, 0.145)
    top = rng.uniform(0.034, 0.042)
    bottom = top * rng.uniform(0.72, 0.98)
    outside = np.concatenate(
        [[(bottom - 0.002, 0.0), (bottom, 0.002)], np.linspace((bottom, 0.002), (top, tall), 24)[1:]]
    )
    outside[2:-1, 0] *= 1 + rng.uniform(-0.03, 0.05) * np.sin(np.linspace(0, np.pi, len(outside) - 3))
    return [Part(hollow(outside, rng.uniform(0.0018, 0.0026), rng.uniform(0.006, 0.012)), Surface(kind="glass"))]
