"""Kitchen things: cutlery and tools that lie on the table, pots and pans, a milk carton."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langfield.synthetic import textures
from langfield.synthetic.kinds.crockery import RGB, contrast, finish, hollow, spout, steel
from langfield.synthetic.meshes import (
    Mesh,
    Points,
    box_sides,
    cylinder,
    ellipsoid,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
)
from langfield.synthetic.things import COLOURS, PAINTED, Look, Part, Surface, kind, varied

_BEECH, _WALNUT = (0.76, 0.56, 0.35), (0.36, 0.21, 0.11)


def _wood(rng: np.random.Generator, rgb: RGB | None = None) -> Surface:
    """Of this colour, or of a tree's between beech and walnut."""
    if rgb is None:
        share = rng.random()
        rgb = varied(rng, tuple(share * a + (1 - share) * b for a, b in zip(_BEECH, _WALNUT, strict=True)), 0.04)  # type: ignore[arg-type]
    return Surface(rgb, "glossy", textures.wood(rng, rgb), 0.5)


def _grip(rng: np.random.Generator, colours: tuple[str, ...] = ("black",)) -> Surface:
    """What handles are made of: wood or plastic."""
    if rng.random() < 0.4:
        return _wood(rng)
    colour = str(rng.choice(colours))
    return Surface(varied(rng, COLOURS[colour]), "glossy", roughness=0.35)


def _laid(parts: Sequence[Part]) -> list[Part]:
    """On the table, its middle at the origin."""
    low = np.min([part.mesh.bounds[0] for part in parts], axis=0)
    high = np.max([part.mesh.bounds[1] for part in parts], axis=0)
    x, y, _ = (low + high) / 2
    return [replace(part, mesh=part.mesh.moved(-x, -y, -low[2])) for part in parts]


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
        return _wood(rng)
    if look.material == "plastic":
        colour = str(rng.choice(["white", "red", "blue", "green", "yellow", "pink", "orange"]))
        return Surface(varied(rng, COLOURS[colour]), "glossy", roughness=0.3)
    return steel(rng, 0.25)


_CUTLERY = ("utensil", "tableware", "kitchenware")


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
    return _laid([Part(_strip(stations, 80, 13, cup), _cutlery_finish(rng, look))])


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
    return _laid([Part(merged(parts), _cutlery_finish(rng, look))])


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
    hold = _grip(rng, ("black", "black", "black", "red", "blue", "green", "white"))
    return _laid([Part(hand, hold), Part(merged([_strip(stations, 64), bolster, *rivets]), metal)])


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
    return _laid([*parts, Part(loop, main)])


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
    hold = main if rng.random() < 0.4 else _grip(rng)
    plate = rounded_box(0.006, 0.036, 0.022, 0.003).moved(x=start, z=0.80 * tall - 0.013)
    rivets = [ellipsoid(0.002, 0.004, 0.004, 16).moved(x=start - 0.003, y=y, z=0.78 * tall) for y in (-0.010, 0.010)]
    joint = Part(merged([plate, *rivets]), steel(rng))
    return _laid([Part(body, main), Part(sweep(path, radii, flatten=0.6), hold), joint])


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
    hold = main if rng.random() < 0.3 else _grip(rng)
    parts = [Part(mesh, main) for mesh in (body, _dome(mouth + 0.003, dome).moved(z=tall - 0.001), pour)]
    parts += [Part(opening, Surface((0.06, 0.06, 0.06))), Part(sweep(arch, 0.0042, segments=12), steel(rng, 0.3))]
    parts.append(Part(sweep(arch[20:40], 0.0095, segments=16), hold))
    return [*parts, Part(_knob(0.011).moved(z=tall + dome + 0.002), hold)]


@kind(
    "cutting board", colours=("brown",), materials=("wooden",), synonyms=("chopping board",), hypernyms=("kitchenware",)
)
def cutting_board(rng: np.random.Generator, look: Look) -> list[Part]:
    long, wide, thick = rng.uniform(0.24, 0.33), rng.uniform(0.16, 0.21), rng.uniform(0.014, 0.022)
    main = _wood(rng, _browner(rng, look.rgb))
    board = [rounded_box(wide, long, thick, 0.004).turned("z", 90)]
    if rng.random() < 0.65:
        board.append(_tab(rng.uniform(0.028, 0.036), rng.uniform(0.05, 0.085), 0.96 * thick).moved(x=long / 2))
    return _laid([Part(mesh, main) for mesh in board])


def _browner(rng: np.random.Generator, rgb: RGB) -> RGB:
    """Up to half way to beech: wood that people call brown."""
    share = rng.uniform(0, 0.55)
    return tuple(float((1 - share) * a + share * b) for a, b in zip(rgb, _BEECH, strict=True))  # type: ignore[return-value]


def _tab(half: float, length: float, thick: float) -> Mesh:
    """A board's handle to +x with a hole in it: it begins inside the board, at x = -1 cm."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    c, s = np.cos(angles), np.sin(angles)
    sharp = 0.45  # a power below one makes the ellipse a rounded rectangle
    c, s = np.sign(c) * abs(c) ** sharp, np.sign(s) * abs(s) ** sharp
    middle, long = (length - 0.01) / 2, (length + 0.01) / 2
    outer = np.stack([middle + long * c, half * s], -1)
    hole = np.stack([middle + 0.35 * half + 0.011 * np.cos(angles), 0.011 * np.sin(angles)], -1)
    ring = [
        (outer, 0.001),
        (outer, thick - 0.001),
        (0.97 * outer, thick),
        (hole, thick),
        (hole, 0.0),
        (0.97 * outer, 0.0),
    ]
    points = np.stack([np.concatenate([edge, np.full((48, 1), z)], -1) for edge, z in ring], 1)
    mesh = grid_mesh(points, wrap_u=True, wrap_v=True)
    uv = mesh.vertices[:, 1::-1] / (2 * long) + 0.5  # the grain runs along v
    return replace(mesh, uv=uv.astype(np.float32))


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
    main = _wood(rng, _browner(rng, look.rgb))
    ends = main if rng.random() < 0.6 else _wood(rng, _browner(rng, look.rgb))
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
    return _laid([Part(mesh, main) for mesh in lying])


@kind(
    "milk carton",
    colours=("white", "blue", "red", "green", "yellow", "pink"),
    synonyms=("carton of milk",),
    hypernyms=("container", "packaging", "drink"),
)
def milk_carton(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall, roof, fin = rng.uniform(0.066, 0.078), rng.uniform(0.125, 0.170), rng.uniform(0.028, 0.038), 0.016
    rgb = look.rgb
    if look.colour == "white":
        ink = varied(rng, COLOURS[str(rng.choice(["blue", "red", "green"]))], 0.04)
    else:
        ink = contrast(rgb)
    front = textures.label(rng, "MILK", rgb, ink, width=256, height=int(256 * tall / wide), small=("FRESH", "1 LITRE"))
    plain = Surface(rgb, "glossy", roughness=0.45)
    printed = Surface(rgb, "glossy", front, 0.45)
    sides = box_sides(wide, wide, tall, 0.002)
    parts = [Part(mesh, plain if name in ("top", "bottom") else printed) for name, mesh in sides.items()]
    accent = Surface(ink, "glossy", roughness=0.45) if rng.random() < 0.4 else plain
    ridge = rounded_box(wide, 0.0042, fin + 0.002, 0.0012).moved(z=tall + roof - 0.002)
    parts += [Part(_gable(wide - 0.001, roof).moved(z=tall - 0.001), plain), Part(ridge, accent)]
    if rng.random() < 0.5:
        lean = np.degrees(np.arctan2(roof, wide / 2))
        cap = cylinder(0.0125, 0.012).turned("x", lean).moved(y=-0.25 * wide, z=tall + 0.5 * roof - 0.002)
        parts.append(Part(cap, Surface(ink, "glossy", roughness=0.3)))
    return parts


def _gable(wide: float, tall: float) -> Mesh:
    """A roof with its ridge along x, its two gable ends folded inwards, on a square of side `wide` at z = 0."""
    h, inset = wide / 2, 0.30 * wide
    slopes = [
        [(-h, -h, 0), (h, -h, 0), (h, 0, tall), (-h, 0, tall)],
        [(h, h, 0), (-h, h, 0), (-h, 0, tall), (h, 0, tall)],
    ]
    ends = []
    for s in (1, -1):
        fold = (s * (h - inset), 0, tall)
        for a, b, c in (((s * h, -s * h, 0), (s * h, s * h, 0), fold), ((s * h, s * h, 0), (s * h, 0, tall), fold)):
            ends.append([a, b, c])
        ends.append([(s * h, 0, tall), (s * h, -s * h, 0), fold])
    corners = [quad[k] for quad in slopes for k in (0, 1, 2, 0, 2, 3)] + [corner for end in ends for corner in end]
    vertices = np.array(corners, dtype=np.float32)
    faces = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
    return Mesh(vertices, faces, (vertices[:, :2] / wide + 0.5).astype(np.float32), smooth=False)


@kind(
    "grater",
    colours=("gray",),
    materials=("metal",),
    synonyms=("cheese grater",),
    hypernyms=("utensil", "kitchenware", "tool"),
)
def grater(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, deep, tall = rng.uniform(0.085, 0.10), rng.uniform(0.065, 0.08), rng.uniform(0.17, 0.21)
    narrow = rng.uniform(0.62, 0.75)
    shell = []
    for side, mesh in box_sides(wide, deep, tall, 0.003).items():
        taper = 1 - (1 - narrow) * mesh.vertices[:, 2:] / tall
        shell.append(
            (side, replace(mesh, vertices=(mesh.vertices * np.hstack([taper, taper, taper**0])).astype(np.float32)))
        )
    metal = steel(rng, 0.7)
    parts = []
    for k, (side, mesh) in enumerate(shell):
        if side in ("top", "bottom"):
            parts.append(Part(mesh, metal))
            continue
        columns = (6, 9, 4, 7)[k % 4]
        picture = _holes(metal.rgb, columns, int(columns * tall / wide), 0.36)
        parts.append(Part(mesh, replace(metal, texture=picture)))
    half = 0.40 * narrow * wide
    arch = [
        (-half, 0, tall - 0.004),
        (-half, 0, tall + 0.018),
        (-0.55 * half, 0, tall + 0.034),
        (0.55 * half, 0, tall + 0.034),
    ]
    arch += [(half, 0, tall + 0.018), (half, 0, tall - 0.004)]
    return [*parts, Part(sweep(smooth_curve(arch, 40), 0.0075, segments=14), _grip(rng))]


def _holes(rgb: RGB, columns: int, rows: int, radius: float, cell: int = 16) -> np.ndarray:
    """Sheet metal with staggered dark holes, each with a bright lower lip."""
    picture = np.empty((rows * cell, columns * cell, 3))
    picture[:] = rgb
    y, x = np.mgrid[: rows * cell, : columns * cell] / cell
    row = y.astype(int)
    across = (x + 0.5 * (row % 2)) % 1 - 0.5
    down = y % 1 - 0.5
    inside = np.hypot(across, down * 1.25) < radius
    picture[inside] = 0.04
    picture[inside & (down > 0.35 * radius)] = np.minimum(np.array(rgb) * 1.3, 1)
    edge = (x < 0.6) | (x > columns - 0.6) | (y < 0.6) | (y > rows - 0.6)
    picture[edge] = rgb
    return np.rint(picture * 255).astype(np.uint8)
