"""Pots and pans."""

import numpy as np

from langfield_synthetic.kinds.colouring import finish, grip_surface, steel
from langfield_synthetic.kinds.shaping import settled
from langfield_synthetic.kinds.turning import hollow, spout
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, lathe, merged, rounded_box, smooth_curve, sweep
from langfield_synthetic.things import COLOURS, PAINTED, Look, Part, Surface, kind, varied


@kind(
    "frying pan",
    colours=("black", "gray", "red", "blue", "green", "orange", "brown"),
    materials=("metal",),
    synonyms=("pan", "skillet"),
    hypernyms=("kitchenware", "something to cook with"),
)
def frying_pan(rng: np.random.Generator, look: Look) -> list[Part]:
    rim, tall, thick = rng.uniform(0.095, 0.125), rng.uniform(0.034, 0.048), 0.003
    base, length = rim * rng.uniform(0.72, 0.84), rng.uniform(0.14, 0.18)
    side = smooth_curve([(base - 0.004, 0), (base + 0.004, 0.003), (0.55 * (base + rim), 0.45 * tall), (rim, tall)], 20)
    body = hollow(side, thick, 0.004, 64)
    main = _enamel(rng, look)
    start = rim - 0.004
    knots = [
        (start, 0, 0.80 * tall),
        (start + 0.05, 0, 0.95 * tall),
        (start + length, 0, tall + rng.uniform(0.0, 0.03)),
    ]
    path = smooth_curve(knots, 32)
    radii = np.interp(np.linspace(0, 1, 32), [0, 0.25, 0.6, 0.95, 1], [0.010, 0.0095, 0.013, 0.012, 0.008])
    hold = main if rng.random() < 0.4 else grip_surface(rng)
    plate = rounded_box(0.006, 0.036, 0.022, 0.003).moved(x=start, z=0.80 * tall - 0.013)
    rivets = [ellipsoid(0.002, 0.004, 0.004, 16).moved(x=start - 0.003, y=y, z=0.78 * tall) for y in (-0.010, 0.010)]
    joint = Part(merged([plate, *rivets]), steel(rng))
    return settled([Part(body, main), Part(sweep(path, radii, flatten=0.6), hold), joint])


def _enamel(rng: np.random.Generator, look: Look) -> Surface:
    """Metal in the look's colour: bare when gray, otherwise often enamelled."""
    if look.colour == "gray" or rng.random() < 0.3:
        return finish(rng, look)
    return Surface(look.rgb, "glossy", roughness=float(rng.uniform(0.15, 0.35)))


def _knob(wide: float) -> Mesh:
    return merged([cylinder(0.45 * wide, 0.014).moved(z=-0.004), ellipsoid(wide, wide, 0.6 * wide).moved(z=0.015)])


def _dome(radius: float, tall: float, edge: float = 0.003) -> Mesh:
    t = np.linspace(0, np.pi / 2, 14)
    curve = np.stack([radius * np.cos(t), edge + tall * np.sin(t)], -1)
    return lathe(np.concatenate([[(0.0, 0.0), (radius + 0.001, 0.0), (radius + 0.001, edge)], curve]), 56)


@kind(
    "cooking pot",
    colours=PAINTED,
    materials=("metal",),
    synonyms=("pot", "saucepan"),
    hypernyms=("kitchenware", "something to cook with", "container"),
)
def cooking_pot(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall = rng.uniform(0.078, 0.105), rng.uniform(0.085, 0.125)
    profile = np.array(
        [(wide - 0.006, 0), (wide - 0.001, 0.005), (wide, 0.012), (wide, tall - 0.002), (wide + 0.002, tall)]
    )
    main = _enamel(rng, look)
    reach, half, high = rng.uniform(0.024, 0.032), rng.uniform(0.028, 0.036), tall * rng.uniform(0.74, 0.86)
    start = np.sqrt(wide**2 - half**2) - 0.002
    knots = [(start, -half, high), (wide + 0.75 * reach, -0.85 * half, high), (wide + reach, 0, high + 0.003)]
    knots += [(x, -y, z) for x, y, z in knots[1::-1]]
    ear = sweep(smooth_curve(knots, 28), 0.0055, segments=14)
    hold = main if rng.random() < 0.6 else Surface(varied(rng, COLOURS["black"]), "glossy", roughness=0.4)
    parts = [Part(hollow(profile, 0.003, 0.005, 64), main), *(Part(ear.turned("z", turn), hold) for turn in (0, 180))]
    if rng.random() < 0.65:
        high = rng.uniform(0.014, 0.026)
        lid = _dome(wide + 0.001, high).moved(z=tall)
        parts += [Part(lid, main), Part(_knob(rng.uniform(0.012, 0.017)).moved(z=tall + high + 0.003), hold)]
    return parts


@kind(
    "kettle",
    colours=PAINTED,
    materials=("metal",),
    hypernyms=("kitchenware", "something to cook with", "container"),
)
def kettle(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall = rng.uniform(0.082, 0.098), rng.uniform(0.10, 0.135)
    mouth = rng.uniform(0.40, 0.52) * wide
    full = rng.uniform(0.90, 1.0)
    profile = smooth_curve(
        [
            (0.93 * wide, 0.0),
            (wide, 0.08 * tall),
            (full * wide, 0.45 * tall),
            (0.72 * wide, 0.82 * tall),
            (mouth, tall),
        ],
        32,
    )
    main = _enamel(rng, look)
    body = lathe(np.concatenate([[(0.0, 0.0)], profile, [(0.0, tall)]]), 64)
    dome = rng.uniform(0.008, 0.016)
    pour, opening = spout(
        [
            (0.75 * wide, 0, 0.38 * tall),
            (wide + 0.014, 0, 0.58 * tall),
            (wide + 0.034, 0, 0.86 * tall),
            (wide + 0.050, 0, 1.02 * tall),
        ],
        rng.uniform(0.020, 0.025),
        0.0105,
    )
    at = rng.uniform(0.62, 0.74) * wide
    foot = float(profile[np.flatnonzero(profile[:, 0] > at)[-1], 1])
    top = tall + rng.uniform(0.062, 0.085)
    arch = smooth_curve(
        [
            (-at, 0, foot - 0.004),
            (-1.02 * at, 0, 0.72 * top),
            (-0.6 * at, 0, top),
            (0.6 * at, 0, top),
            (1.02 * at, 0, 0.72 * top),
            (at, 0, foot - 0.004),
        ],
        60,
    )
    hold = main if rng.random() < 0.3 else grip_surface(rng)
    parts = [Part(mesh, main) for mesh in (body, _dome(mouth + 0.003, dome).moved(z=tall - 0.001), pour)]
    parts += [Part(opening, Surface((0.06, 0.06, 0.06))), Part(sweep(arch, 0.0042, segments=12), steel(rng, 0.3))]
    parts.append(Part(sweep(arch[20:40], 0.0095, segments=16), hold))
    return [*parts, Part(_knob(0.011).moved(z=tall + dome + 0.002), hold)]
