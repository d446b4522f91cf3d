"""Toy ships, for the sea and for space."""

from collections.abc import Callable

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.shaping import scaled, settled
from langfield_synthetic.kinds.toy_parts import (
    BLACK_PLASTIC,
    CHROME,
    PANE,
    PLAIN_WOOD,
    TOY,
    WHITE_PLASTIC,
    accent,
    coat,
    rod,
    round_corners,
    upright_slab,
    wheel_mesh,
)
from langfield_synthetic.meshes import (
    Mesh,
    ellipsoid,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
)
from langfield_synthetic.things import PAINTED, Look, Part, Surface, kind


@kind(
    "rocket",
    colours=PAINTED,
    materials=("plastic", "metal"),
    synonyms=("toy rocket", "spaceship"),
    hypernyms=(*TOY, "vehicle"),
)
def rocket(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, lift = rng.uniform(0.02, 0.026), rng.uniform(0.12, 0.15), rng.uniform(0.014, 0.022)
    paint, second = coat(rng, look), coat(rng, look, accent(rng, look, ("red", "white", "yellow", "blue")))
    belly = rng.uniform(0.35, 0.5)
    curve = smooth_curve([(0.62, 0.0), (0.9, 0.18), (1.0, belly), (0.86, 0.68), (0.52, 0.88), (0.06, 1.0)], 60) * [
        radius,
        height,
    ]
    cut = int(60 * rng.uniform(0.72, 0.8))
    hull, nose = curve[: cut + 1], np.concatenate([curve[cut:], [[0, height]]])
    parts = [
        Part(lathe(np.concatenate([[[0, 0]], hull])).moved(z=lift), paint),
    ]
    plain_nose = rng.random() < 0.4  # either the nose or the fins are of the second colour
    parts.append(Part(lathe(nose * [1.02, 1.0]).moved(z=lift), paint if plain_nose else second))
    nozzle = lathe([(0.0, 0.001), (radius * 0.5, 0.0), (radius * 0.35, lift * 0.6), (radius * 0.4, lift + 0.002)], 32)
    parts.append(Part(nozzle.moved(z=lift * 0.3), Surface((0.4, 0.4, 0.42), "brushed metal")))
    out, tall = radius * rng.uniform(0.9, 1.2), height * rng.uniform(0.32, 0.42)
    outline = round_corners(
        [
            (radius * 0.4, lift * 0.9),
            (radius * 0.75 + out * 0.8, 0.0),
            (radius * 0.85 + out, 0.0),
            (radius * 0.82 + out, tall * 0.45),
            (radius * 0.6, tall + lift),
        ],
        0.005,
    )
    count = int(rng.choice([3, 4]))
    fins = merged([upright_slab(outline, 0.0045, 0.0015).turned("z", 360.0 / count * k + 45.0) for k in range(count)])
    parts.append(Part(fins, second if plain_nose else paint))
    ring, panes = [], []
    spots = [0.56] if rng.random() < 0.6 else [0.62, 0.42]
    for share in spots:
        r = float(np.interp(share * height, curve[:, 1], curve[:, 0]))
        size = radius * (0.38 if len(spots) == 1 else 0.27)
        for side in (0.0, 180.0):
            ring.append(
                torus(size, 0.0022, 28).turned("y", 90.0).moved(r * 0.97, 0.0, lift + share * height).turned("z", side)
            )
            pane = ellipsoid(0.004, size, size, 20).moved(r * 0.96, 0.0, lift + share * height)
            panes.append(pane.turned("z", side))
    parts += [Part(merged(ring), CHROME), Part(merged(panes), Surface((0.25, 0.55, 0.8), "glossy", roughness=0.08))]
    return settled(scaled(parts, rng.uniform(0.9, 1.15)))


def _hull(half: float, beam: float, depth: float, sheer: float) -> tuple[Mesh, Mesh, Callable[[float], float]]:
    """A boat's outside and its deck, bow towards +x, and the deck's height at x."""
    t = np.linspace(-1, 1, 40)
    wide = beam / 2 * np.where(t < 0, 1 - 0.22 * t**2, (1 - t.clip(0) ** 2.2).clip(0) ** 0.75)
    rim = depth * (1 + sheer * t.clip(0) ** 2 + 0.12 * t.clip(None, 0) ** 2)
    a = np.linspace(0, np.pi, 28)
    y = np.sign(np.cos(a)) * np.abs(np.cos(a)) ** 0.6
    keel = 1 - np.sin(a) ** 0.55
    x = half * t[:, None] * (1 - 0.14 * (1 - keel) * (t[:, None] > 0) * t[:, None] ** 3)
    points = np.stack([x, wide[:, None] * y, rim[:, None] * keel], -1)
    stern = np.broadcast_to(points[:1].mean(axis=1, keepdims=True), (1, 28, 3))
    outside = grid_mesh(np.concatenate([stern, points]))
    inside = np.stack([np.stack([half * t, s * wide * 0.97, rim - 0.004], -1) for s in (1, 0, -1)], axis=1)
    return outside, grid_mesh(inside), lambda at: float(np.interp(at / half, t, rim)) - 0.004


@kind("toy boat", colours=PAINTED, materials=("wooden", "plastic"), synonyms=("boat",), hypernyms=(*TOY, "vehicle"))
def toy_boat(rng: np.random.Generator, look: Look) -> list[Part]:
    half, beam, depth = rng.uniform(0.06, 0.075), rng.uniform(0.046, 0.056), rng.uniform(0.024, 0.03)
    outside, deck, level = _hull(half, beam, depth, rng.uniform(0.25, 0.5))
    paint, pale = coat(rng, look), Surface(PLAIN_WOOD, "glossy", textures.wood(rng, PLAIN_WOOD, 128), roughness=0.5)
    parts = [Part(outside, paint), Part(deck, pale)]
    rail = deck.vertices.reshape(-1, 3, 3)
    edges = [sweep(rail[:, k] + [0.0, 0.0, 0.004], 0.0016, 8) for k in (0, 2)]
    parts.append(Part(merged(edges), paint))
    if rng.random() < 0.55:
        parts += _rigging(rng, look, half, level)
    else:
        parts += _bridge(rng, look, half, beam, level)
    return settled(scaled(parts, rng.uniform(0.9, 1.15)))


def _rigging(rng: np.random.Generator, look: Look, half: float, level: Callable[[float], float]) -> list[Part]:
    mast, foot = rng.uniform(0.11, 0.14), 0.15 * half
    low, high = level(foot) + 0.014, level(foot) + mast * 0.95
    wood = Surface((0.50, 0.33, 0.17), "matte")
    boom = rod((foot, 0.0, low - 0.002), (-half * 0.85, 0.0, low - 0.002), 0.0015)
    parts = [Part(merged([rod((foot, 0.0, 0.004), (foot, 0.0, level(foot) + mast), 0.0021), boom]), wood)]

    def sail(front_low: float, front_high: float, back: float, bottom: float, top: float) -> Mesh:
        s, t = np.linspace(0, 1, 12)[:, None], np.linspace(0, 1, 12)[None]
        front = front_low + (front_high - front_low) * t
        x = front + (back + (front_high - back) * t - front) * s
        y = 0.014 * np.sin(np.pi * s) * (1 - t) * (1 - 0.3 * s)
        return grid_mesh(np.stack([x, y + 0 * t, bottom + (top - bottom) * t + 0 * s], -1))

    cloth = Surface(mixed(look.rgb, (1.0, 1.0, 1.0), 0.06), "matte")
    parts.append(Part(sail(foot - 0.003, foot - 0.003, -half * 0.82, low, high), cloth))
    parts.append(Part(sail(half * 0.92, foot + 0.004, foot + 0.006, low + 0.002, high * 0.86), cloth))
    flag = upright_slab([(0.0, 0.0), (0.0, 0.009), (-0.018, 0.0045)], 0.0006, 0.0002)
    parts.append(Part(flag.moved(foot, 0.0, level(foot) + mast - 0.01), Surface(accent(rng, look), "matte")))
    return parts


def _bridge(
    rng: np.random.Generator, look: Look, half: float, beam: float, level: Callable[[float], float]
) -> list[Part]:
    """A tug's deckhouse and funnel."""
    paint, second = coat(rng, look), Surface(accent(rng, look, ("red", "white", "yellow")), "glossy", roughness=0.25)
    x, z = 0.12 * half, level(0.0) - 0.001
    long, wide, tall = half * rng.uniform(0.75, 0.95), beam * 0.6, rng.uniform(0.022, 0.03)
    house = [rounded_box(long, wide, tall, 0.003).moved(x - 0.2 * half, 0.0, z)]
    house.append(rounded_box(long * 0.5, wide * 0.85, tall * 0.85, 0.003).moved(x, 0.0, z + tall - 0.002))
    parts = [Part(merged(house), paint if look.colour != "white" else WHITE_PLASTIC)]
    roof = rounded_box(long * 0.6, wide, 0.004, 0.0019).moved(x, 0.0, z + tall * 1.85 - 0.003)
    holes = [
        wheel_mesh(0.0042, wide + 0.002).moved(x - 0.2 * half + s * long * 0.3, 0.0, z + tall * 0.55)
        for s in (-1, 0, 1)
    ]
    pane = rounded_box(long * 0.51, wide * 0.6, tall * 0.4, 0.002, 2).moved(x, 0.0, z + tall * 1.25)
    side = rounded_box(long * 0.32, wide * 0.87, tall * 0.4, 0.002, 2).moved(x, 0.0, z + tall * 1.25)
    parts += [Part(roof, second), Part(merged([*holes, pane, side]), PANE)]
    funnel = [(0.0, 0.0), (0.0085, 0.0), (0.0075, 0.03), (0.0055, 0.03), (0.0, 0.026)]
    at = (x - 0.2 * half - long * 0.3, 0.0, z + tall - 0.002)
    parts.append(Part(lathe(funnel, 28).moved(*at), second))
    parts.append(Part(lathe([(0.0083, 0.022), (0.0081, 0.0295)], 28).moved(*at), BLACK_PLASTIC))
    rings = [
        torus(0.0055, 0.0019, 24).turned("x", 90.0).moved(-half * 0.45, s * (beam / 2.0 - 0.001), z - 0.006)
        for s in (-1, 1)
    ]
    return [*parts, Part(merged(rings), WHITE_PLASTIC if look.colour not in ("white", "gray") else second)]
