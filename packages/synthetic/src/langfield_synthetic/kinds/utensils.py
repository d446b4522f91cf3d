"""Cutlery and kitchen tools that lie on the table."""

from collections.abc import Sequence

import numpy as np

from langfield_synthetic.kinds.colouring import BEECH, finish, grip_surface, mixed, steel, wood_surface
from langfield_synthetic.kinds.shaping import settled
from langfield_synthetic.meshes import (
    Mesh,
    Points,
    cylinder,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
)
from langfield_synthetic.things import COLOURS, PAINTED, RGB, Look, Part, Surface, kind, varied

_CUTLERY = ("utensil", "tableware", "kitchenware")


def _strip(stations: Points, samples: int = 56, across: int = 9, cup: Sequence[float] | None = None) -> Mesh:
    """A flat body along x through stations (N, 5) of (x, y, z, half width, thickness), z being that of its upper side.

    cup: per station, how much higher its edges are than its middle.
    """
    table = np.asarray(stations, dtype=np.float64)
    rises = np.zeros(len(table)) if cup is None else np.asarray(cup, dtype=np.float64)
    x, y, z, half, thick, rise = smooth_curve(np.concatenate([table, rises[:, None]], -1), samples).T
    half, thick = half.clip(0.0003), thick.clip(0.0004)
    s = np.sin(np.linspace(-np.pi / 2, np.pi / 2, across))
    s, lower = np.concatenate([s, s[::-1]]), np.repeat([0.0, 1.0], across)
    bulge = 0.5 * np.sqrt(1 - 0.9 * s**2)  # round edges
    points = np.stack(
        [
            np.broadcast_to(x[:, None], (len(x), len(s))),
            y[:, None] + half[:, None] * s,
            z[:, None] + rise[:, None] * s**2 + thick[:, None] * (np.where(lower > 0, -bulge, bulge) - 0.5),
        ],
        -1,
    )
    ends = [np.broadcast_to(points[k].mean(axis=0), (1, len(s), 3)) for k in (0, -1)]
    return grid_mesh(np.concatenate([ends[0], points, ends[1]]), wrap_v=True)


def _cutlery_finish(rng: np.random.Generator, look: Look) -> Surface:
    if look.material == "wooden":
        return wood_surface(rng)
    if look.material == "plastic":
        colour = str(rng.choice(["white", "red", "blue", "green", "yellow", "pink", "orange"]))
        return Surface(varied(rng, COLOURS[colour]), "glossy", roughness=0.3)
    return steel(rng, 0.25)


@kind("spoon", materials=("metal", "wooden", "plastic"), hypernyms=(*_CUTLERY, "tool"))
def spoon(rng: np.random.Generator, look: Look) -> list[Part]:
    thick = {"metal": 0.0022, "plastic": 0.003}.get(look.material, 0.0042)
    wooden = look.material == "wooden"
    stem = rng.uniform(0.17, 0.22) if wooden else rng.uniform(0.12, 0.15)
    bowl, wide = rng.uniform(0.058, 0.072), rng.uniform(0.021, 0.027)
    neck, tip = (0.0065, rng.uniform(0.0065, 0.009)) if wooden else (0.0042, rng.uniform(0.008, 0.011))
    deep = 0.010 if wooden else rng.uniform(0.007, 0.010)
    arch, stick = 0.012 if not wooden else 0.006, 0.010 if wooden else 1.3 * thick
    stations = [  # from the handle's end to the bowl's tip
        (0.0, 0, 0.0, 0.5 * tip, stick),
        (0.006, 0, 0.001, 0.9 * tip, stick),
        (0.03, 0, 0.004, tip, stick),
        (0.65 * stem, 0, arch, 0.5 * (neck + tip), stick),
        (stem, 0, arch, neck, stick),
        (stem + 0.12 * bowl, 0, 0.6 * arch, 0.55 * wide, thick),
        (stem + 0.35 * bowl, 0, -0.001, 0.93 * wide, thick),
        (stem + 0.6 * bowl, 0, -0.002, wide, thick),
        (stem + 0.85 * bowl, 0, 0.002, 0.70 * wide, thick),
        (stem + 0.97 * bowl, 0, 0.006, 0.34 * wide, thick),
        (stem + bowl, 0, 0.0075, 0.08 * wide, thick),
    ]
    cup = [0, 0, 0, 0, 0, 0.35 * deep, 0.9 * deep, deep, 0.6 * deep, 0.15 * deep, 0]
    return settled([Part(_strip(stations, 80, 13, cup), _cutlery_finish(rng, look))])


@kind("fork", materials=("metal", "plastic"), hypernyms=_CUTLERY)
def fork(rng: np.random.Generator, look: Look) -> list[Part]:
    thick = 0.0030 if look.material == "plastic" else 0.0024
    stem, tine, wide = rng.uniform(0.115, 0.14), rng.uniform(0.042, 0.052), rng.uniform(0.0115, 0.0145)
    tip, count = rng.uniform(0.007, 0.011), int(rng.choice([3, 4, 4]))
    palm = 0.026
    stations = [
        (0.0, 0, 0.0, 0.5 * tip, thick),
        (0.006, 0, 0.001, 0.9 * tip, thick),
        (0.03, 0, 0.004, tip, thick),
        (0.65 * stem, 0, 0.013, 0.0045, 1.5 * thick),
        (stem, 0, 0.013, 0.0038, 1.5 * thick),
        (stem + 0.4 * palm, 0, 0.009, 0.85 * wide, thick),
        (stem + 0.7 * palm, 0, 0.005, wide, thick),
        (stem + palm, 0, 0.0025, wide, thick),
    ]
    parts = [_strip(stations, 72)]
    slim = 0.62 * wide / count
    for y in np.linspace(-wide + slim, wide - slim, count):
        start = stem + palm - 0.003
        curve = [
            (start, y, 0.0025, slim, thick),
            (start + 0.4 * tine, y, 0.000, slim, thick),
            (start + 0.85 * tine, y, 0.004, 0.85 * slim, 0.8 * thick),
            (start + tine, y, 0.007, 0.3 * slim, 0.6 * thick),
        ]
        parts.append(_strip(curve, 20, 5))
    return settled([Part(merged(parts), _cutlery_finish(rng, look))])


@kind("knife", materials=("metal",), hypernyms=("utensil", "kitchenware", "tool", "something to cut with"))
def knife(rng: np.random.Generator, look: Look) -> list[Part]:
    grip, blade = rng.uniform(0.105, 0.125), rng.uniform(0.13, 0.20)
    deep = blade * rng.uniform(0.16, 0.24)
    tall, sharp = 0.017, 0.0022
    mid = tall / 2
    hand = _strip(
        [
            (0.0, 0, tall, 0.010, 0.8 * tall),
            (0.012, 0.001, tall, 0.0145, tall),
            (0.05, 0, tall, 0.0115, tall),
            (0.08, 0, tall, 0.0130, tall),
            (grip, 0, tall, 0.0115, 0.9 * tall),
        ]
    )
    spine = 0.012  # the blade's straight upper edge; the cutting edge runs up to it at the point
    drop = np.array([0.55, 0.98, 1.0, 0.94, 0.62, 0.30, 0.06]) * deep
    along = grip + blade * np.array([0.0, 0.02, 0.35, 0.6, 0.86, 0.96, 1.0])
    level = mid + sharp / 2
    stations = [(x, spine - d / 2, level, d / 2, sharp) for x, d in zip(along, drop, strict=True)]
    bolster = rounded_box(0.012, 0.023, 0.85 * tall, 0.003).moved(x=grip, z=0.075 * tall)
    metal, rivets = steel(rng, 0.4), []
    if rng.random() < 0.7:
        rivets = [cylinder(0.0032, 0.0012).moved(x=x * grip, z=tall - 0.0008) for x in (0.22, 0.5, 0.78)]
    hold = grip_surface(rng, ("black", "black", "black", "red", "blue", "green", "white"))
    return settled([Part(hand, hold), Part(merged([_strip(stations, 64), bolster, *rivets]), metal)])


@kind("spatula", colours=PAINTED, materials=("plastic",), hypernyms=("utensil", "kitchenware", "tool"))
def spatula(rng: np.random.Generator, look: Look) -> list[Part]:
    head, wide = rng.uniform(0.085, 0.105), rng.uniform(0.062, 0.080)
    slots, thick, stem = int(rng.integers(3, 5)), 0.003, rng.uniform(0.17, 0.21)
    narrow = rng.uniform(0.72, 0.95)
    bars = []
    for k in range(slots + 1):  # fanned out from the back edge to the front one
        y = (k / slots - 0.5) * (wide - 0.010)
        path = np.array([(0.0, narrow * y, thick), (head, y, thick)])
        bars.append(_strip([(*p, 0.0052, thick) for p in path], 4, 5))
    for x, half, depth in ((0.008, narrow, 0.011), (head - 0.010, 0.98, 0.012)):
        bars.append(rounded_box(2 * depth, half * wide, thick, 0.0014).moved(x=x))
    rise = rng.uniform(0.022, 0.034)
    path = smooth_curve(
        [(0.004, 0, 0.003), (-0.022, 0, 0.012), (-0.05, 0, rise), (-0.5 * stem, 0, rise), (-stem, 0, 0.009)]
    )
    radii = np.interp(np.linspace(0, 1, len(path)), [0, 0.3, 0.5, 0.95, 1], [0.007, 0.006, 0.010, 0.011, 0.008])
    main = finish(rng, look)
    parts = [Part(merged(bars), main), Part(sweep(path, radii, flatten=0.65), main)]
    loop = torus(0.006, 0.0028, 24).moved(x=-stem - 0.006, z=0.009)
    return settled([*parts, Part(loop, main)])


def _browner(rng: np.random.Generator, rgb: RGB) -> RGB:
    """Up to half way to beech: wood that people call brown."""
    share = rng.uniform(0, 0.55)
    return mixed(rgb, BEECH, share)


@kind(
    "rolling pin",
    colours=("brown",),
    materials=("wooden",),
    hypernyms=("kitchenware", "utensil", "tool"),
)
def rolling_pin(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, long, grip = rng.uniform(0.022, 0.029), rng.uniform(0.20, 0.26), rng.uniform(0.065, 0.085)
    slim = rng.uniform(0.0095, 0.012)
    edge = [(0.0, 0.0), (0.8 * wide, 0.0), (0.96 * wide, 0.003), (wide, 0.009)]
    middle = [(wide, share * long) for share in (0.25, 0.5, 0.75)]
    barrel = lathe(edge + middle + [(r, long - z) for r, z in edge[::-1]])
    shape = smooth_curve(
        [(0.6 * slim, -0.004), (0.7 * slim, 0.006), (slim, 0.3 * grip), (1.12 * slim, 0.7 * grip), (0.8 * slim, grip)],
        24,
    )
    knob = lathe(np.concatenate([[(0, -0.004)], shape, [(0, grip + 0.002)]]), 32)
    main = wood_surface(rng, _browner(rng, look.rgb))
    ends = main if rng.random() < 0.6 else wood_surface(rng, _browner(rng, look.rgb))
    lower = knob.turned("x", 180)
    meshes = [barrel, knob.moved(z=long), lower]
    lying = [mesh.moved(z=-long / 2).turned("y", 90).moved(z=wide) for mesh in meshes]
    return [Part(mesh, surface) for mesh, surface in zip(lying, (main, ends, ends), strict=True)]


@kind(
    "whisk",
    colours=("gray", "black", "red", "blue", "green"),
    synonyms=("egg whisk",),
    hypernyms=("utensil", "kitchenware", "tool"),
)
def whisk(rng: np.random.Generator, look: Look) -> list[Part]:
    grip, long, wide = rng.uniform(0.10, 0.13), rng.uniform(0.13, 0.16), rng.uniform(0.030, 0.038)
    loops, thin = int(rng.integers(4, 7)), rng.uniform(0.0013, 0.0017)
    main = steel(rng, 0.3) if look.colour == "gray" else Surface(look.rgb, "glossy", roughness=0.35)
    half = [(0.003, 0.0), (0.011, 0.25 * long), (0.8 * wide, 0.6 * long), (wide, 0.8 * long), (0.6 * wide, 0.97 * long)]
    knots = [(x, 0, z) for x, z in half] + [(0, 0, 1.01 * long)] + [(-x, 0, z) for x, z in half[::-1]]
    wire = sweep(smooth_curve(knots, 56), thin, segments=7)
    wires = merged([wire.turned("z", 180 * k / loops) for k in range(loops)])
    thick = rng.uniform(0.009, 0.012)
    profile = smooth_curve(
        [(0.7 * thick, -grip), (thick, -0.85 * grip), (0.85 * thick, -0.4 * grip), (0.7 * thick, -0.04 * grip)], 24
    )
    hold = lathe(np.concatenate([[(0, -grip - 0.003)], profile, [(0.6 * thick, 0.006), (0, 0.008)]]), 28)
    ring = torus(0.007, 0.0017, 24).turned("x", 90).moved(z=-grip - 0.008)
    # It lies on its handle's end and on the widest of the wires.
    tilt = np.degrees(np.arctan2(wide - thick, 0.8 * long + 0.85 * grip))
    lying = [mesh.turned("y", 90 - tilt) for mesh in (wires, hold, ring)]
    return settled([Part(mesh, main) for mesh in lying])
