"""Toys."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langfield.synthetic import textures
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

RGB = tuple[float, float, float]
_TOY = ("toy", "something to play with")
_BLACK = Surface((0.05, 0.05, 0.055), "glossy", roughness=0.3)
_TYRE = Surface((0.06, 0.06, 0.065), "matte")
_CHROME = Surface((0.75, 0.76, 0.78), "metal")
_WINDOW = Surface((0.10, 0.15, 0.21), "glossy", roughness=0.08)
_WHITE = Surface((0.93, 0.93, 0.92), "glossy", roughness=0.3)
_PLAIN_WOOD: RGB = (0.80, 0.63, 0.42)


def _mix(a: Sequence[float], b: Sequence[float], share: float) -> RGB:
    """`a` with a `share` of `b`, from 0 to 1."""
    return tuple(float(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _coat(rng: np.random.Generator, look: Look, rgb: RGB | None = None) -> Surface:
    """The look's material in its colour, or in `rgb`."""
    rgb = look.rgb if rgb is None else rgb
    if look.material == "wooden":
        return Surface(rgb, "glossy", textures.wood(rng, rgb, 128), roughness=0.5)
    if look.material == "metal":
        return Surface(rgb, "brushed metal")
    return Surface(rgb, "glossy", roughness=0.25)


def _accent(
    rng: np.random.Generator, look: Look, words: Sequence[str] = ("red", "yellow", "blue", "white", "green")
) -> RGB:
    """A second colour, which is not the look's."""
    near = {"orange": ("red", "yellow"), "pink": ("red",), "gray": ("white",), "purple": ("blue",)}.get(look.colour, ())
    far = [word for word in words if word != look.colour and word not in near]
    return varied(rng, COLOURS[str(rng.choice(far))])


def _ink(rgb: Sequence[float]) -> RGB:
    """Black or white, whichever can be read on `rgb`."""
    return (0.95, 0.95, 0.93) if float(np.dot(rgb, (0.3, 0.59, 0.11))) < 0.5 else (0.06, 0.06, 0.08)


def _moved(parts: Sequence[Part], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Part]:
    return [replace(part, mesh=part.mesh.moved(x, y, z)) for part in parts]


def _turned(parts: Sequence[Part], axis: str, degrees: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.turned(axis, degrees)) for part in parts]


def _scaled(parts: Sequence[Part], factor: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.scaled(factor)) for part in parts]


def _settled(parts: Sequence[Part]) -> list[Part]:
    """On the table, around the origin."""
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    return _moved(parts, float(-(low[0] + high[0]) / 2), float(-(low[1] + high[1]) / 2), float(-low[2]))


def _outward(mesh: Mesh) -> Mesh:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    return mesh if np.einsum("ij,ij->", a, np.cross(b, c)) > 0 else replace(mesh, faces=mesh.faces[:, ::-1].copy())


def _rounded(corners: Points, radius: float, steps: int = 5) -> np.ndarray:
    """A closed polygon (N, 2) with its corners rounded."""
    points = np.asarray(corners, dtype=np.float64)
    t = np.linspace(0, 1, steps)[:, None]
    line = []
    for before, here, after in zip(np.roll(points, 1, 0), points, np.roll(points, -1, 0), strict=True):
        a, b = before - here, after - here
        a *= min(radius, 0.48 * float(np.linalg.norm(a))) / np.linalg.norm(a)
        b *= min(radius, 0.48 * float(np.linalg.norm(b))) / np.linalg.norm(b)
        line.append((here + a) * (1 - t) ** 2 + 2 * here * t * (1 - t) + (here + b) * t**2)
    return np.concatenate(line)


def _slab(outline: Points, thick: float, bevel: float = 0.002) -> Mesh:
    """A closed plate: `outline` (N, 2) of (x, z), drawn out along y about y = 0, its rims rounded."""
    edge = np.asarray(outline, dtype=np.float64)
    bevel = min(bevel, thick / 2)
    along = np.roll(edge, -1, 0) - np.roll(edge, 1, 0)
    out = np.stack([along[:, 1], -along[:, 0]], -1) / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
    a = np.linspace(0, np.pi / 2, 4)
    inset, y = bevel * (1 - np.sin(a)), -thick / 2 + bevel * (1 - np.cos(a))
    inset, y = np.concatenate([inset, inset[::-1]]), np.concatenate([y, -y[::-1]])
    flat = edge - inset[:, None, None] * out
    rows = np.stack([flat[..., 0], np.broadcast_to(y[:, None], flat.shape[:2]), flat[..., 1]], -1)
    ends = [np.broadcast_to(rows[k].mean(axis=0), (1, len(edge), 3)) for k in (0, -1)]
    return _outward(grid_mesh(np.concatenate([ends[0], rows, ends[1]]), wrap_v=True))


def _flat(outline: Points, thick: float, bevel: float = 0.001) -> Mesh:
    """The same lying down: `outline` of (x, y), about z = 0."""
    return _slab(outline, thick, bevel).turned("x", -90.0)


def _rod(start: Sequence[float], end: Sequence[float], radius: float, segments: int = 10) -> Mesh:
    return sweep(np.linspace(start, end, 3), radius, segments)


def _window(look: Look) -> Surface:
    return Surface((0.45, 0.55, 0.62), "glossy", roughness=0.08) if look.colour in ("black", "gray") else _WINDOW


def _wheel(radius: float, width: float, segments: int = 26) -> Mesh:
    """About the origin, its axle along y."""
    b = min(0.3 * width, 0.3 * radius)
    profile = [(0.0, 0.0), (radius - b, 0.0), (radius, b)]
    profile += [(r, width - z) for r, z in reversed(profile)]
    return lathe(profile, segments).moved(z=-width / 2.0).turned("x", 90.0)


def _wheels(
    spots: Sequence[tuple[float, float, float]], radius: float, width: float, tyre: Surface, hub: Surface | None
) -> list[Part]:
    """Wheels with hubs at (x, y, z)."""
    parts = [Part(merged([_wheel(radius, width).moved(*spot) for spot in spots]), tyre)]
    if hub is not None:
        hubs = [_wheel(radius * 0.55, width + 0.0016, 18).moved(*spot) for spot in spots]
        caps = [_wheel(radius * 0.2, width + 0.004, 10).moved(*spot) for spot in spots]
        parts.append(Part(merged(hubs + caps), hub))
    return parts


def _between(outline: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a four-cornered (x, z) outline, bottom first, between two shares of its height."""
    a, b, c, d = outline
    return np.array([a + (d - a) * low, b + (c - b) * low, b + (c - b) * high, a + (d - a) * high])


def _shrunk(outline: np.ndarray, x: float, z: float) -> np.ndarray:
    middle = outline.mean(axis=0)
    return middle + (outline - middle) * [x, z]


@kind(
    "toy car",
    colours=PAINTED,
    materials=("plastic", "metal", "wooden"),
    synonyms=("car",),
    hypernyms=(*_TOY, "vehicle"),
)
def _toy_car(rng: np.random.Generator, look: Look) -> list[Part]:
    half, width, low = rng.uniform(0.052, 0.062), rng.uniform(0.048, 0.056), 0.010
    style = str(rng.choice(["saloon", "van", "beetle", "pickup"]))
    belt = {"saloon": 0.035, "van": 0.04, "beetle": 0.036, "pickup": 0.037}[style] + rng.uniform(-0.002, 0.002)
    roof = {"saloon": 0.056, "van": 0.066, "beetle": 0.06, "pickup": 0.06}[style] + rng.uniform(-0.002, 0.003)
    foot, top = {
        "saloon": ((-0.74, 0.5), (-0.46, 0.18)),
        "van": ((-0.97, 0.72), (-0.93, 0.5)),
        "beetle": ((-0.72, 0.56), (-0.38, 0.24)),
        "pickup": ((-0.2, 0.56), (-0.14, 0.3)),
    }[style]
    nose = belt - rng.uniform(0.003, 0.008)
    hull = [
        (-half, low),
        (half, low),
        (half * 1.01, nose - 0.006),
        (half * 0.9, nose),
        (half * 0.5, belt),
        (-half * 0.95, belt),
    ]
    cabin = np.array(
        [(foot[0] * half, belt - 0.003), (foot[1] * half, belt - 0.003), (top[1] * half, roof), (top[0] * half, roof)]
    )
    paint, bend = _coat(rng, look), 0.016 if style == "beetle" else 0.007
    inner = width - rng.uniform(0.006, 0.01)
    parts = [
        Part(_slab(_rounded(hull, bend), width, 0.006), paint),
        Part(_slab(_rounded(cabin, bend), inner, 0.005), paint),
    ]
    glass = _between(cabin, 0.28, 0.84)
    front = glass + np.array([(-0.0008, 0.0), (0.0008, 0.0), (0.0008, 0.0), (-0.0008, 0.0)])  # shows at both ends
    panes = [_slab(_rounded(front, 0.002), inner * 0.8, 0.001)]
    side = _shrunk(_between(cabin, 0.26, 0.86), 0.86, 1.0)
    panels = 1 if style == "pickup" else 2
    for k in range(panels):
        one = side.copy()
        ends = k / panels + 0.03 * (k > 0), (k + 1) / panels - 0.03 * (k + 1 < panels)
        one[[0, 3]] = side[[0, 3]] + (side[[1, 2]] - side[[0, 3]]) * ends[0]
        one[[1, 2]] = side[[0, 3]] + (side[[1, 2]] - side[[0, 3]]) * ends[1]
        panes.append(_slab(_rounded(one, 0.003), inner + 0.0012, 0.0004))
    parts.append(Part(merged(panes), _window(look)))
    if style == "pickup":
        bed = rounded_box(half * 0.7, inner, 0.004, 0.002).moved(-half * 0.58, 0.0, belt - 0.003)
        parts.append(Part(bed, Surface(_mix(look.rgb, (0.05, 0.05, 0.05), 0.5))))
        rails = [
            rounded_box(half * 0.76, 0.004, 0.009, 0.0015).moved(-half * 0.58, y, belt - 0.003)
            for y in (-inner / 2, inner / 2)
        ]
        rails.append(rounded_box(0.004, inner, 0.009, 0.0015).moved(-half * 0.93, 0.0, belt - 0.003))
        parts.append(Part(merged(rails), paint))
    radius = rng.uniform(0.0115, 0.0135)
    spots = [(x * half, y * (width / 2 - 0.003), radius) for x in (-0.6, 0.6) for y in (-1, 1)]
    arches = [_wheel(radius + 0.0025, 0.002).moved(x, np.sign(y) * (width / 2.0 - 0.0004), radius) for x, y, _ in spots]
    parts.append(Part(merged(arches), _BLACK))
    hub = Surface(_PLAIN_WOOD, "matte") if look.material == "wooden" else _CHROME
    parts += _wheels(spots, radius, 0.011, _TYRE, hub)
    lamps = [
        ellipsoid(0.002, 0.0045, 0.0045, 14).moved(half, y * width * 0.33, (nose + low) / 2.0 + 0.004) for y in (-1, 1)
    ]
    parts.append(Part(merged(lamps), Surface((0.98, 0.93, 0.7), "glossy", roughness=0.1)))
    tails = [
        ellipsoid(0.0015, 0.004, 0.0032, 12).moved(-half, y * width * 0.35, (belt + low) / 2.0 + 0.003) for y in (-1, 1)
    ]
    parts.append(Part(merged(tails), Surface((0.7, 0.03, 0.03), "glossy", roughness=0.1)))
    bumper = [
        rounded_box(0.004, width * 0.94, 0.005, 0.002).moved(x * (half + 0.0005), 0.0, low + 0.001) for x in (-1, 1)
    ]
    parts.append(Part(merged(bumper), Surface((0.6, 0.61, 0.63), "brushed metal")))
    if style == "saloon" and rng.random() < 0.4:
        stripes = [
            _slab(_rounded(_shrunk(np.array(hull), 1.004, 1.02), bend), 0.005).moved(y=y) for y in (-0.005, 0.005)
        ]
        parts.append(
            Part(merged(stripes), Surface(_accent(rng, look, ("white", "black", "yellow")), "glossy", roughness=0.25))
        )
    return _settled(_scaled(parts, rng.uniform(0.9, 1.15)))


@kind(
    "toy train",
    colours=PAINTED,
    materials=("plastic", "wooden"),
    synonyms=("train", "locomotive"),
    hypernyms=(*_TOY, "vehicle"),
)
def _toy_train(rng: np.random.Generator, look: Look) -> list[Part]:
    paint, second = _coat(rng, look), Surface(_accent(rng, look), "glossy", roughness=0.3)
    boiler, reach = rng.uniform(0.017, 0.021), rng.uniform(0.06, 0.075)
    wheel, deck = rng.uniform(0.0105, 0.013), 0.018
    back, wide, tall = -0.05, 0.046, rng.uniform(0.052, 0.062)
    front = reach - 0.012
    high = deck + 0.008 + boiler
    drum = cylinder(boiler, front + 0.03, bevel=0.002).turned("y", 90.0).moved(-0.03, 0.0, high)
    parts = [
        Part(rounded_box(front - back + 0.006, 0.044, 0.010, 0.003).moved((front + back) / 2.0, 0.0, deck), paint),
        Part(drum, paint),
        Part(rounded_box(0.04, wide, tall, 0.003).moved(back + 0.02, 0.0, deck + 0.004), paint),
        Part(rounded_box(0.052, wide + 0.01, 0.006, 0.0029).moved(back + 0.02, 0.0, deck + tall + 0.003), paint),
        Part(cylinder(boiler * 0.86, 0.002).turned("y", 90.0).moved(front, 0.0, high), _BLACK),
        Part(cylinder(boiler * 0.42, 0.004).turned("y", 90.0).moved(front, 0.0, high), second),
    ]
    z = deck + tall * 0.62
    panes = [rounded_box(0.024, wide + 0.0012, tall * 0.36, 0.003, 2).moved(back + 0.02, 0.0, z)]
    panes.append(rounded_box(0.0412, wide * 0.62, tall * 0.3, 0.003, 2).moved(back + 0.02, 0.0, z))
    parts.append(Part(merged(panes), _window(look)))
    rings = [cylinder(boiler + 0.0012, 0.003).turned("y", 90.0).moved(x, 0.0, high) for x in (0.004, front - 0.012)]
    parts.append(Part(merged(rings), second))
    stack, flare = rng.uniform(0.022, 0.032), rng.uniform(1.2, 2.0)
    chimney = lathe(
        [
            (0.0, 0.0),
            (0.0065, 0.0),
            (0.006, stack * 0.55),
            (0.0065 * flare, stack),
            (0.005 * flare, stack),
            (0.0, stack - 0.004),
        ],
        28,
    )
    parts.append(Part(chimney.moved(front - 0.012, 0.0, high + boiler - 0.003), _BLACK))
    dome = merged([cylinder(0.0065, 0.01).moved(z=-0.003), ellipsoid(0.0065, segments=20).moved(z=0.007)])
    gold = Surface((0.85, 0.65, 0.25), "metal") if rng.random() < 0.6 else second
    parts.append(Part(dome.moved(0.008, 0.0, high + boiler), gold))
    spots = [(x, y * 0.022, wheel) for x in np.linspace(back + 0.012, front - 0.014, 3) for y in (-1, 1)]
    tyre = Surface(_accent(rng, look, ("red", "black", "yellow")), "glossy", roughness=0.3)
    parts += _wheels(spots, wheel, 0.007, tyre, _BLACK if tyre.rgb[0] > 0.3 else second)
    rods = [_rod((spots[0][0], y * 0.028, wheel), (spots[-1][0], y * 0.028, wheel), 0.0016) for y in (-1, 1)]
    parts.append(Part(merged(rods), _CHROME))
    wedge = _slab(_rounded([(0.0, 0.0), (0.016, 0.0), (0.002, 0.016), (0.0, 0.016)], 0.001), 0.04, 0.002).moved(
        front + 0.002, 0.0, 0.004
    )
    parts.append(Part(wedge, _BLACK if rng.random() < 0.4 else second))
    if rng.random() < 0.35:
        parts += _moved(_wagon(rng, paint, tyre, wheel, deck), x=back - 0.047)
    return _settled(_scaled(parts, rng.uniform(0.9, 1.15)))


def _wagon(rng: np.random.Generator, paint: Surface, tyre: Surface, wheel: float, deck: float) -> list[Part]:
    """An open wagon with a load, coupled at its +x end."""
    side = rng.uniform(0.02, 0.028)
    load = [
        ellipsoid(rng.uniform(0.007, 0.01), segments=10).moved(
            float(rng.uniform(-0.024, 0.024)), float(rng.uniform(-0.012, 0.012)), deck + side - 0.001
        )
        for _ in range(16)
    ]
    spots = [(x, y * 0.02, wheel) for x in (-0.02, 0.02) for y in (-1, 1)]
    return [
        Part(rounded_box(0.07, 0.044, side, 0.002).moved(z=deck), paint),
        Part(merged(load), Surface((0.12, 0.11, 0.11))),
        Part(_rod((0.03, 0.0, deck + 0.004), (0.052, 0.0, deck + 0.004), 0.0022), _BLACK),
        *_wheels(spots, wheel, 0.007, tyre, None),
    ]


@kind("rubber duck", colours=("yellow", "pink", "blue"), synonyms=("toy duck",), hypernyms=_TOY)
def _rubber_duck(rng: np.random.Generator, look: Look) -> list[Part]:
    skin = Surface(look.rgb, "glossy", roughness=0.35)
    plump, head = rng.uniform(0.9, 1.1), rng.uniform(0.021, 0.025)
    body = ellipsoid(0.042, 0.033 * plump, 0.029, 56)
    x, y, z = body.vertices.T.astype(np.float64)
    back = (-x - 0.005).clip(0)
    z = np.maximum(z + 14 * back**2, -0.021)  # a tail that rises, a flat foot
    y = y * (1 - 260 * back**2)
    body = replace(body, vertices=np.stack([x, y, z], -1).astype(np.float32))
    at = (0.02, 0.0, 0.024 + head)
    parts = [Part(body, skin), Part(ellipsoid(head, head * 0.97, head * 0.97, 40).moved(*at), skin)]
    parts.append(Part(ellipsoid(0.02, 0.02, 0.02, 28).moved(0.016, 0.0, 0.018), skin))
    wings = []
    for side in (-1, 1):
        wing = ellipsoid(0.023, 0.006, 0.0135, 28)
        lift = 12 * (-wing.vertices[:, 0:1]).clip(0) ** 2
        wing = replace(wing, vertices=(wing.vertices + np.hstack([0 * lift, 0 * lift, lift])).astype(np.float32))
        wings.append(wing.turned("z", side * 9.0).moved(-0.008, side * 0.031 * plump, 0.003))
    parts.append(Part(merged(wings), skin))
    orange = (0.93, 0.42, 0.05) if look.colour != "pink" or rng.random() < 0.6 else (0.95, 0.75, 0.15)
    upper = ellipsoid(0.0125, 0.0115, 0.0042, 28)
    tip = 25 * upper.vertices[:, 0:1].clip(0) ** 2
    upper = replace(upper, vertices=(upper.vertices + np.hstack([0 * tip, 0 * tip, tip])).astype(np.float32))
    beak = merged([upper, ellipsoid(0.009, 0.0085, 0.003, 24).moved(z=-0.004)]).moved(
        at[0] + head * 0.98, 0.0, at[2] - 0.003
    )
    parts.append(Part(beak, Surface(varied(rng, orange, 0.03), "glossy", roughness=0.35)))
    eyes, pupils = [], []
    for side in (-1, 1):
        spot = np.array([0.68, side * 0.58, 0.36]) * head
        eyes.append(ellipsoid(0.0048, segments=18).moved(*(spot * 0.93)).moved(*at))
        pupils.append(ellipsoid(0.0034, segments=18).moved(*(spot * 1.04)).moved(*at))
    parts += [Part(merged(eyes), _WHITE), Part(merged(pupils), _BLACK)]
    return _settled(_scaled(parts, rng.uniform(0.85, 1.15)))


def _fur(rng: np.random.Generator, rgb: RGB) -> Surface:
    return Surface(rgb, "matte", textures.noise(rng, rgb, 0.09))


def _fuzzy(rng: np.random.Generator, mesh: Mesh, amount: float = 0.02) -> Mesh:
    """With a rough outline, as of short fur."""
    middle = mesh.bounds.mean(axis=0)
    away = mesh.vertices - middle
    waves = rng.normal(size=(3, 16)) / 0.0016
    swell = np.cos(away @ waves + rng.uniform(0, 2 * np.pi, 16)).sum(axis=1, keepdims=True) / 4
    return replace(mesh, vertices=(middle + away * (1 + amount * swell)).astype(np.float32))


@kind("teddy bear", colours=("brown", "white", "pink"), synonyms=("stuffed bear", "teddy"), hypernyms=_TOY)
def _teddy_bear(rng: np.random.Generator, look: Look) -> list[Part]:
    rgb = _mix(look.rgb, (0.56, 0.34, 0.17), 0.45) if look.colour == "brown" else look.rgb
    pale = _mix(rgb, (0.93, 0.82, 0.65), 0.6) if look.colour != "white" else _mix(rgb, (0.86, 0.74, 0.58), 0.6)
    plump, head = rng.uniform(0.92, 1.1), rng.uniform(0.031, 0.036)
    top = 0.078 + head * 0.86
    fur: list[Mesh] = [
        ellipsoid(0.037 * plump, 0.036 * plump, 0.046, 40).moved(z=0.044),
        ellipsoid(head, head * 1.06, head * 0.95, 40).moved(z=top),
    ]
    soft: list[Mesh] = [
        ellipsoid(0.014, 0.024 * plump, 0.029, 28).moved(0.0255 * plump, 0.0, 0.043),
        ellipsoid(head * 0.5, head * 0.52, head * 0.4, 28).moved(head * 0.75, 0.0, top - head * 0.25),
    ]
    ear, spread = rng.uniform(0.36, 0.44) * head, rng.uniform(0.35, 0.9)
    wave = float(rng.choice([0.0, 0.0, 1.0]))
    for side in (-1, 1):
        at = (0.0, side * head * 0.8, top + head * 0.72)
        fur.append(ellipsoid(ear * 0.55, ear, ear, 24).moved(*at))
        soft.append(ellipsoid(ear * 0.3, ear * 0.62, ear * 0.62, 20).moved(at[0] + ear * 0.36, at[1], at[2]))
        arm = ellipsoid(0.0135, 0.0135, 0.032, 26).moved(z=-0.024).turned("y", -38.0)
        arm = arm.turned("x", side * (22.0 + 95.0 * wave * (side > 0))).moved(0.004, side * 0.031 * plump, 0.074)
        fur.append(arm)
        leg = merged(
            [ellipsoid(0.034, 0.0165, 0.0165, 26), ellipsoid(0.012, 0.0175, 0.0205, 24).moved(0.026, 0.0, 0.004)]
        )
        pad = ellipsoid(0.004, 0.0115, 0.0135, 20).moved(0.0365, 0.0, 0.004)
        turn = side * np.degrees(0.25 + 0.3 * spread)
        for mesh, where in ((leg, fur), (pad, soft)):
            where.append(mesh.moved(0.03).turned("z", turn).moved(0.006, side * 0.016, 0.0168))
    parts = [Part(merged([_fuzzy(rng, mesh) for mesh in fur]), _fur(rng, rgb))]
    parts.append(Part(merged([_fuzzy(rng, mesh, 0.012) for mesh in soft]), _fur(rng, pale)))
    nose = ellipsoid(0.0045, 0.0072, 0.005, 18).moved(head * 1.2, 0.0, top - head * 0.08)
    mouth = sweep(smooth_curve([(0.0, -0.007, -0.002), (0.002, 0.0, -0.006), (0.0, 0.007, -0.002)], 10), 0.0009, 6)
    dark = [nose, mouth.moved(head * 1.2, 0.0, top - head * 0.32)]
    for side in (-1, 1):
        spot = np.array([0.84, side * 0.42, 0.3]) * head
        dark.append(ellipsoid(0.0042, segments=18).moved(*spot).moved(z=top))
    parts.append(Part(merged(dark), Surface((0.04, 0.03, 0.03), "glossy", roughness=0.12)))
    if rng.random() < 0.6:
        bow = [ellipsoid(0.0055, segments=16)]
        for side in (-1, 1):
            loop = cylinder(0.0025, 0.017, top_radius=0.0085).scaled(0.55, 1.0, 1.0).turned("x", -90.0 * side)
            bow.append(loop)
        ribbon = Surface(_accent(rng, look, ("red", "blue", "green", "yellow")), "matte")
        parts.append(Part(merged(bow).moved(0.0335 * plump, 0.0, 0.078), ribbon))
        parts.append(Part(torus(0.024, 0.004, 36).scaled(1.1, 1.1, 1.0).moved(0.002, 0.0, 0.08), ribbon))
    return _settled(_scaled(parts, rng.uniform(0.95, 1.25)))


def _globe(colour: Callable[[np.ndarray], np.ndarray], width: int = 256, height: int = 128) -> np.ndarray:
    """A texture for `ellipsoid`: `colour` (H, W, 3), 0 to 1, at directions (H, W, 3)."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    around, up = 2 * np.pi * u, np.pi * (v - 0.5)
    rings = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], -1)
    return np.rint(colour(rings).clip(0, 1) * 255).astype(np.uint8)


def _football(rgb: RGB, ink: RGB) -> np.ndarray:
    """Black pentagons among hexagons: the faces of a truncated icosahedron."""
    g = (1 + 5**0.5) / 2
    pentagons = np.array([p for a in (-1, 1) for b in (-g, g) for p in ((0, a, b), (a, b, 0), (b, 0, a))])
    hexagons = [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    hexagons += [p for a in (-1 / g, 1 / g) for b in (-g, g) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    faces = np.concatenate(
        [
            pentagons / np.linalg.norm(pentagons, axis=1, keepdims=True) / 2.3274,
            np.array([(x, z, y) for x, y, z in hexagons]) / 3**0.5 / 2.2673,
        ]
    )

    def colour(way: np.ndarray) -> np.ndarray:
        reach = way @ faces.T
        order = np.sort(reach, axis=-1)
        black = (reach.argmax(axis=-1) < 12) | (order[..., -1] - order[..., -2] < 0.006)
        return np.where(black[..., None], ink, rgb)

    return _globe(colour)


@kind("ball", colours=PAINTED, hypernyms=(*_TOY, "sports equipment"))
def _ball(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.03, 0.048)
    second = (
        (0.94, 0.94, 0.92)
        if look.colour not in ("white", "gray", "yellow")
        else _accent(rng, look, ("red", "blue", "green"))
    )
    pattern = str(rng.choice(["plain", "band", "wedges", "dots", "swirl"]))
    if look.colour == "white" and rng.random() < 0.6:
        pattern = "football"
    count, sharp = int(rng.integers(4, 7)), rng.uniform(0.12, 0.2)
    golden = (1 + 5**0.5) / 2
    dots = np.array([p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))])
    dots, size = dots / np.linalg.norm(dots[0]), np.cos(np.radians(rng.uniform(11, 17)))

    def colour(way: np.ndarray) -> np.ndarray:
        turn, up = np.arctan2(way[..., 1], way[..., 0]) / (2 * np.pi), way[..., 2]
        mask = {
            "plain": np.zeros_like(up, dtype=bool),
            "band": (np.abs(up) < sharp) | (np.abs(np.abs(up) - sharp - 0.1) < 0.03),
            "wedges": ((turn * count) % 1 < 0.3) & (np.abs(up) < 0.96) | (up > 0.96),
            "dots": (way @ dots.T).max(axis=-1) > size,
            "swirl": ((turn * 3 + 0.5 * up) % 1) < 0.26,
        }[pattern]
        return np.where(mask[..., None], second, look.rgb)

    ink = (0.05, 0.05, 0.06)
    texture = _football(look.rgb, ink) if pattern == "football" else _globe(colour)
    shine = rng.uniform(0.15, 0.5)
    surface = Surface(look.rgb, "glossy", None if pattern == "plain" else texture, roughness=shine)
    parts = [Part(ellipsoid(radius, segments=64), surface)]
    return _settled(_turned(_turned(parts, "x", rng.uniform(-70, 70)), "y", rng.uniform(-70, 70)))


_PIPS = {
    1: ((0, 0),),
    2: ((-1, -1), (1, 1)),
    3: ((-1, -1), (0, 0), (1, 1)),
    4: ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    5: ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)),
    6: ((-1, -1), (-1, 1), (1, -1), (1, 1), (-1, 0), (1, 0)),
}


def _pips(count: int, rgb: RGB, ink: RGB, size: int = 96) -> np.ndarray:
    x, y = np.meshgrid((np.arange(size) + 0.5) / size * 2 - 1, (np.arange(size) + 0.5) / size * 2 - 1)
    away = np.min([np.hypot(x - 0.5 * a, y - 0.5 * b) for a, b in _PIPS[count]], axis=0)
    share = ((0.18 - away) * size / 2 + 0.5).clip(0, 1)[..., None]
    return np.rint((np.asarray(rgb) * (1 - share) + np.asarray(ink) * share) * 255).astype(np.uint8)


@kind("dice", colours=PAINTED, synonyms=("die",), hypernyms=_TOY)
def _dice(rng: np.random.Generator, look: Look) -> list[Part]:
    size = rng.uniform(0.024, 0.034)
    ink = _ink(look.rgb)
    parts: list[Part] = []
    for k in range(int(rng.choice([1, 1, 2]))):
        order = rng.permutation(3)
        numbers = [n for k in order for n in ((1, 6), (2, 5), (3, 4))[int(k)]]
        die = [
            Part(side, Surface(look.rgb, "glossy", _pips(number, look.rgb, ink), roughness=0.15))
            for side, number in zip(_six(box_sides(size, size, size, size * 0.17, 4)), numbers, strict=True)
        ]
        die = _turned(die, "z", rng.uniform(0, 90))
        parts += _moved(die, k * size * rng.uniform(1.5, 1.8), k * size * rng.uniform(-0.5, 0.5))
    return _settled(parts)


def _six(sides: dict[str, Mesh]) -> list[Mesh]:
    """Each side followed by that across from it."""
    return [sides[name] for name in ("front", "back", "left", "right", "top", "bottom")]


def _letter_side(letter: str, base: np.ndarray, ink: RGB, frame: bool) -> np.ndarray:
    """A square texture with a big letter on it, perhaps in a frame."""
    size = len(base)
    mask = Image.new("L", (size, size))
    draw = ImageDraw.Draw(mask)
    font = ImageFont.load_default(size=size * 0.66)
    draw.text((size / 2, size / 2), letter, 255, font, anchor="mm", stroke_width=size // 42)
    if frame:
        edge = size * 0.09
        draw.rounded_rectangle((edge, edge, size - edge, size - edge), size * 0.08, outline=255, width=size // 28)
    share = np.asarray(mask)[..., None] / 255
    return np.rint(base * (1 - share) + np.asarray(ink) * 255 * share).astype(np.uint8)


@kind(
    "toy block",
    colours=PAINTED,
    materials=("wooden", "plastic"),
    synonyms=("building block", "alphabet block"),
    hypernyms=_TOY,
)
def _toy_block(rng: np.random.Generator, look: Look) -> list[Part]:
    size, wooden = rng.uniform(0.036, 0.048), look.material == "wooden"
    ink = _ink(look.rgb)
    if rng.random() < 0.4 and look.colour in ("white", "gray", "yellow", "black"):
        ink = _accent(rng, look, ("red", "blue") if look.colour != "black" else ("yellow", "white"))
    grain = np.asarray(textures.wood(rng, look.rgb, 160), dtype=np.float64) if wooden else None
    letters = rng.permutation(list("ABCDEFGHKMNPRSTXYZ"))
    frame, plain = rng.random() < 0.6, np.rint(np.full((160, 160, 3), look.rgb) * 255)
    parts = []
    for side, letter in zip(
        _six(box_sides(size, size, size, size * rng.uniform(0.05, 0.12))), letters[:6], strict=True
    ):
        base = plain if grain is None else np.roll(grain, int(rng.integers(160)), axis=1)
        picture = _letter_side(str(letter), base, ink, frame)
        parts.append(Part(side, Surface(look.rgb, "glossy", picture, roughness=0.5 if wooden else 0.25)))
    return _settled(parts)


@kind("toy brick", colours=PAINTED, materials=("plastic",), synonyms=("building brick",), hypernyms=_TOY)
def _toy_brick(rng: np.random.Generator, look: Look) -> list[Part]:
    pitch, surface = rng.uniform(0.0145, 0.0165), Surface(look.rgb, "glossy", roughness=0.2)
    parts: list[Part] = []
    across, along, level = 2, int(rng.choice([2, 3, 4, 4])), 0.0
    for _ in range(int(rng.choice([1, 1, 2]))):
        high = pitch * 1.2
        body = rounded_box(along * pitch - 0.0003, across * pitch - 0.0003, high, 0.0007, 2)
        studs = [
            cylinder(pitch * 0.31, pitch * 0.24, bevel=0.0006).moved(
                (i - (along - 1.0) / 2.0) * pitch, (j - 0.5) * pitch, high - 0.0004
            )
            for i in range(along)
            for j in range(across)
        ]
        shift = float(rng.choice([-1, 0, 1])) * pitch if level else 0.0
        parts.append(Part(merged([body, *studs]).moved(shift, 0.0, level), surface))
        level += high
        along = int(rng.choice([2, along]))
    return _settled(parts)


@kind(
    "rocket",
    colours=PAINTED,
    materials=("plastic", "metal"),
    synonyms=("toy rocket", "spaceship"),
    hypernyms=(*_TOY, "vehicle"),
)
def _rocket(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, lift = rng.uniform(0.02, 0.026), rng.uniform(0.12, 0.15), rng.uniform(0.014, 0.022)
    paint, second = _coat(rng, look), _coat(rng, look, _accent(rng, look, ("red", "white", "yellow", "blue")))
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
    outline = _rounded(
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
    fins = merged([_slab(outline, 0.0045, 0.0015).turned("z", 360.0 / count * k + 45.0) for k in range(count)])
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
    parts += [Part(merged(ring), _CHROME), Part(merged(panes), Surface((0.25, 0.55, 0.8), "glossy", roughness=0.08))]
    return _settled(_scaled(parts, rng.uniform(0.9, 1.15)))


@kind("toy robot", colours=PAINTED, materials=("plastic", "metal"), synonyms=("robot",), hypernyms=_TOY)
def _toy_robot(rng: np.random.Generator, look: Look) -> list[Part]:
    paint, second = _coat(rng, look), Surface(_accent(rng, look), "glossy", roughness=0.25)
    steel = Surface((0.62, 0.63, 0.65), "brushed metal")
    wide, deep, tall = rng.uniform(0.044, 0.056), rng.uniform(0.03, 0.038), rng.uniform(0.045, 0.056)
    leg = rng.uniform(0.024, 0.034)
    head = rng.uniform(0.032, 0.042), rng.uniform(0.028, 0.034), rng.uniform(0.026, 0.034)
    top, chin = leg + tall, leg + tall + 0.006
    bend = rng.uniform(0.003, 0.008)
    parts = [
        Part(rounded_box(wide, deep, tall, bend).moved(z=leg), paint),
        Part(rounded_box(*head, bend).moved(z=chin), paint),
        Part(cylinder(0.008, 0.012).moved(z=top - 0.003), steel),
    ]
    limbs, joints, grips = [], [], []
    for side in (-1, 1):
        x = side * wide * 0.26
        limbs.append(rounded_box(wide * 0.36, deep * 1.25, 0.011, 0.004).moved(x, -0.004))
        joints.append(cylinder(wide * 0.11, leg - 0.006).moved(x, 0.0, 0.008))
        raise_degrees = rng.choice([8.0, 25.0, 150.0]) if side > 0 else rng.uniform(5, 25)
        arm = rounded_box(0.011, 0.013, 0.034, 0.004).moved(z=-0.036)
        grip = torus(0.0065, 0.0024, 24).turned("x", 90.0).moved(z=-0.042)
        for mesh, where in ((arm, limbs), (grip, grips)):
            where.append(mesh.turned("y", -side * raise_degrees).moved(side * (wide / 2.0 + 0.0075), 0.0, top - 0.01))
        joints.append(ellipsoid(0.0085, segments=20).moved(side * (wide / 2.0 + 0.003), 0.0, top - 0.011))
        if rng.random() < 0.9:
            joints.append(
                cylinder(0.005, 0.004).turned("y", 90.0).moved(side * head[0] / 2.0 - 0.002, 0.0, chin + head[2] * 0.5)
            )
    parts += [Part(merged(limbs), paint), Part(merged(joints + grips), steel)]
    face = -head[1] / 2
    eye = rng.uniform(0.0055, 0.0075)
    whites = [_wheel(eye, 0.003).moved(s * head[0] * 0.24, face, chin + head[2] * 0.62) for s in (-1, 1)]
    pupils = [
        _wheel(eye * 0.55, 0.004).moved(s * head[0] * 0.24, face - 0.0004, chin + head[2] * 0.62) for s in (-1, 1)
    ]
    parts += [Part(merged(whites), _WHITE), Part(merged(pupils), _BLACK)]
    mouth = rounded_box(head[0] * 0.55, 0.003, head[2] * 0.16, 0.001, 2).moved(0.0, face, chin + head[2] * 0.16)
    parts.append(Part(mouth, _BLACK))
    antenna = [_rod((0.0, 0.0, chin + head[2] - 0.001), (0.0, 0.0, chin + head[2] + 0.014), 0.0012)]
    parts += [Part(merged(antenna), steel), Part(ellipsoid(0.004, segments=18).moved(z=chin + head[2] + 0.016), second)]
    panel = rounded_box(wide * 0.64, 0.003, tall * 0.46, 0.0014, 2).moved(0.0, -deep / 2.0, leg + tall * 0.38)
    parts.append(Part(panel, Surface((0.86, 0.86, 0.85) if look.colour != "white" else (0.3, 0.32, 0.36), "glossy")))
    for k, word in enumerate(("red", "yellow", "green")):
        button = _wheel(0.0034, 0.004).moved((k - 1.0) * wide * 0.19, -deep / 2.0 - 0.001, leg + tall * 0.68)
        parts.append(Part(button, Surface(COLOURS[word], "glossy", roughness=0.2)))
    gauge = rounded_box(wide * 0.46, 0.003, tall * 0.12, 0.001, 2).moved(0.0, -deep / 2.0 - 0.001, leg + tall * 0.44)
    parts.append(Part(gauge, _WINDOW))
    return _settled(_turned(_scaled(parts, rng.uniform(0.95, 1.25)), "z", 90.0))


@kind("spinning top", colours=PAINTED, materials=("wooden", "plastic"), hypernyms=_TOY)
def _spinning_top(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, rim, top = rng.uniform(0.026, 0.034), rng.uniform(0.026, 0.036), rng.uniform(0.008, 0.014)
    paint, second = _coat(rng, look), _coat(rng, look, _accent(rng, look))
    knobs = rng.uniform(0.022, 0.032)
    side = smooth_curve([(0.003, 0.008), (0.35 * radius, 0.012), (0.8 * radius, rim * 0.6), (radius, rim)], 26)
    dome = smooth_curve(
        [(radius, rim), (0.93 * radius, rim + 0.55 * top), (0.5 * radius, rim + 0.9 * top), (0.0045, rim + top)], 26
    )
    line = np.concatenate([side, dome[1:]])
    parts = []
    cuts = [0, *sorted(rng.choice(np.arange(8, 44, 4), 4, replace=False).tolist()), len(line) - 1]
    for k, (a, b) in enumerate(pairwise(cuts)):
        narrow = k % 2 == 1
        if narrow:  # a thin band of the second colour, the rest of it in the first
            parts.append(Part(lathe(line[a : min(a + 4, b) + 1]), second))
            a = min(a + 4, b)
        if b > a:
            parts.append(Part(lathe(line[a : b + 1]), paint))
    tip = lathe(smooth_curve([(0.0, 0.0), (0.0018, 0.001), (0.0035, 0.009)], 8).clip(0), 20)
    high = rim + top
    stem = lathe(
        [
            (0.0045, high - 0.002),
            (0.0032, high + 0.006),
            (0.003, high + knobs - 0.004),
            (0.0042, high + knobs - 0.001),
            (0.003, high + knobs),
            (0.0, high + knobs),
        ],
        24,
    )
    parts += [Part(tip, Surface((0.55, 0.55, 0.57), "metal")), Part(stem, paint)]
    if rng.random() < 0.6:
        parts = _turned(parts, "y", np.degrees(np.arctan2(rim, radius)) + 1.0)
    return _settled(_scaled(parts, rng.uniform(0.95, 1.2)))


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


@kind("toy boat", colours=PAINTED, materials=("wooden", "plastic"), synonyms=("boat",), hypernyms=(*_TOY, "vehicle"))
def _toy_boat(rng: np.random.Generator, look: Look) -> list[Part]:
    half, beam, depth = rng.uniform(0.06, 0.075), rng.uniform(0.046, 0.056), rng.uniform(0.024, 0.03)
    outside, deck, level = _hull(half, beam, depth, rng.uniform(0.25, 0.5))
    paint, pale = _coat(rng, look), Surface(_PLAIN_WOOD, "glossy", textures.wood(rng, _PLAIN_WOOD, 128), roughness=0.5)
    parts = [Part(outside, paint), Part(deck, pale)]
    rail = deck.vertices.reshape(-1, 3, 3)
    edges = [sweep(rail[:, k] + [0.0, 0.0, 0.004], 0.0016, 8) for k in (0, 2)]
    parts.append(Part(merged(edges), paint))
    if rng.random() < 0.55:
        parts += _rigging(rng, look, half, level)
    else:
        parts += _bridge(rng, look, half, beam, level)
    return _settled(_scaled(parts, rng.uniform(0.9, 1.15)))


def _rigging(rng: np.random.Generator, look: Look, half: float, level: Callable[[float], float]) -> list[Part]:
    mast, foot = rng.uniform(0.11, 0.14), 0.15 * half
    low, high = level(foot) + 0.014, level(foot) + mast * 0.95
    wood = Surface((0.50, 0.33, 0.17), "matte")
    boom = _rod((foot, 0.0, low - 0.002), (-half * 0.85, 0.0, low - 0.002), 0.0015)
    parts = [Part(merged([_rod((foot, 0.0, 0.004), (foot, 0.0, level(foot) + mast), 0.0021), boom]), wood)]

    def sail(front_low: float, front_high: float, back: float, bottom: float, top: float) -> Mesh:
        s, t = np.linspace(0, 1, 12)[:, None], np.linspace(0, 1, 12)[None]
        front = front_low + (front_high - front_low) * t
        x = front + (back + (front_high - back) * t - front) * s
        y = 0.014 * np.sin(np.pi * s) * (1 - t) * (1 - 0.3 * s)
        return grid_mesh(np.stack([x, y + 0 * t, bottom + (top - bottom) * t + 0 * s], -1))

    cloth = Surface(_mix(look.rgb, (1.0, 1.0, 1.0), 0.06), "matte")
    parts.append(Part(sail(foot - 0.003, foot - 0.003, -half * 0.82, low, high), cloth))
    parts.append(Part(sail(half * 0.92, foot + 0.004, foot + 0.006, low + 0.002, high * 0.86), cloth))
    flag = _slab([(0.0, 0.0), (0.0, 0.009), (-0.018, 0.0045)], 0.0006, 0.0002)
    parts.append(Part(flag.moved(foot, 0.0, level(foot) + mast - 0.01), Surface(_accent(rng, look), "matte")))
    return parts


def _bridge(
    rng: np.random.Generator, look: Look, half: float, beam: float, level: Callable[[float], float]
) -> list[Part]:
    """A tug's deckhouse and funnel."""
    paint, second = _coat(rng, look), Surface(_accent(rng, look, ("red", "white", "yellow")), "glossy", roughness=0.25)
    x, z = 0.12 * half, level(0.0) - 0.001
    long, wide, tall = half * rng.uniform(0.75, 0.95), beam * 0.6, rng.uniform(0.022, 0.03)
    house = [rounded_box(long, wide, tall, 0.003).moved(x - 0.2 * half, 0.0, z)]
    house.append(rounded_box(long * 0.5, wide * 0.85, tall * 0.85, 0.003).moved(x, 0.0, z + tall - 0.002))
    parts = [Part(merged(house), paint if look.colour != "white" else _WHITE)]
    roof = rounded_box(long * 0.6, wide, 0.004, 0.0019).moved(x, 0.0, z + tall * 1.85 - 0.003)
    holes = [
        _wheel(0.0042, wide + 0.002).moved(x - 0.2 * half + s * long * 0.3, 0.0, z + tall * 0.55) for s in (-1, 0, 1)
    ]
    pane = rounded_box(long * 0.51, wide * 0.6, tall * 0.4, 0.002, 2).moved(x, 0.0, z + tall * 1.25)
    side = rounded_box(long * 0.32, wide * 0.87, tall * 0.4, 0.002, 2).moved(x, 0.0, z + tall * 1.25)
    parts += [Part(roof, second), Part(merged([*holes, pane, side]), _WINDOW)]
    funnel = [(0.0, 0.0), (0.0085, 0.0), (0.0075, 0.03), (0.0055, 0.03), (0.0, 0.026)]
    at = (x - 0.2 * half - long * 0.3, 0.0, z + tall - 0.002)
    parts.append(Part(lathe(funnel, 28).moved(*at), second))
    parts.append(Part(lathe([(0.0083, 0.022), (0.0081, 0.0295)], 28).moved(*at), _BLACK))
    rings = [
        torus(0.0055, 0.0019, 24).turned("x", 90.0).moved(-half * 0.45, s * (beam / 2.0 - 0.001), z - 0.006)
        for s in (-1, 1)
    ]
    return [*parts, Part(merged(rings), _WHITE if look.colour not in ("white", "gray") else second)]


@kind(
    "toy plane",
    colours=PAINTED,
    materials=("plastic", "wooden", "metal"),
    synonyms=("airplane", "toy airplane"),
    hypernyms=(*_TOY, "vehicle"),
)
def _toy_plane(rng: np.random.Generator, look: Look) -> list[Part]:
    paint, second = (
        _coat(rng, look),
        Surface(_accent(rng, look, ("red", "white", "yellow", "blue")), "glossy", roughness=0.25),
    )
    parts = _airliner(rng, paint, second) if rng.random() < 0.35 else _propeller_plane(rng, paint, second)
    return _settled(_scaled(parts, rng.uniform(0.9, 1.15)))


def _propeller_plane(rng: np.random.Generator, paint: Surface, second: Surface) -> list[Part]:
    fat, span = rng.uniform(0.0145, 0.018), rng.uniform(0.075, 0.09)
    curve = [
        (0.0, 0.075),
        (0.7, 0.074),
        (0.95, 0.066),
        (1.0, 0.035),
        (0.85, -0.005),
        (0.45, -0.055),
        (0.18, -0.08),
        (0.0, -0.082),
    ]
    profile = smooth_curve(curve[::-1], 48).clip([0, -1]) * [fat, 1]
    parts = [Part(lathe(profile, 36).turned("y", 90.0), paint)]
    chord = rng.uniform(0.034, 0.042)
    wing = _rounded(
        [(0.005, -span), (chord, -span), (chord + 0.004, 0.0), (chord + 0.0, span), (0.005, span), (0.0, 0.0)], 0.014
    )
    biplane = rng.random() < 0.45
    heights = (-0.007, 0.034) if biplane else (float(rng.choice([-0.006, 0.006])),)
    wings = [_flat(wing, 0.005, 0.002).moved(z=z) for z in heights]
    tail = _flat(
        _rounded([(-0.08, -0.034), (-0.062, -0.034), (-0.054, 0.0), (-0.062, 0.034), (-0.08, 0.034)], 0.008), 0.0035
    )
    fin = _slab(_rounded([(-0.082, 0.0), (-0.05, 0.0), (-0.066, 0.034), (-0.084, 0.034)], 0.007), 0.0035, 0.0015)
    parts += [Part(merged([*wings, tail.moved(z=0.002)]), paint), Part(fin, paint if rng.random() < 0.5 else second)]
    if biplane:
        posts = [(x, y) for x in (0.012, chord - 0.008) for y in (-span * 0.62, -0.014, 0.014, span * 0.62)]
        parts.append(Part(merged([_rod((x, y, -0.007), (x, y, 0.034), 0.0014) for x, y in posts]), second))
    nose = ellipsoid(0.008, 0.006, 0.006, 20)
    pitch = rng.uniform(0, 180)
    blades = [
        ellipsoid(0.0012, 0.0042, 0.016, 16).turned("z", 14.0).moved(z=0.018).turned("x", pitch + 180.0 * k)
        for k in (0, 1)
    ]
    parts += [Part(nose.moved(0.077), second), Part(merged(blades).moved(0.079), second)]
    cockpit = ellipsoid(0.016, fat * 0.62, 0.0105, 28).moved(0.004 if not biplane else -0.014, 0.0, fat * 0.86)
    parts.append(Part(cockpit, _WINDOW))
    drop = -fat - 0.011
    struts = [_rod((0.034, s * 0.006, -0.006), (0.036, s * 0.021, drop), 0.0015) for s in (-1, 1)]
    struts.append(_rod((-0.07, 0.0, -0.001), (-0.076, 0.0, -0.016), 0.0013))
    parts.append(Part(merged(struts), Surface((0.6, 0.6, 0.62), "brushed metal")))
    parts += _wheels([(0.036, s * 0.0225, drop) for s in (-1, 1)], 0.0095, 0.006, _TYRE, second)
    parts.append(Part(_wheel(0.004, 0.004).moved(-0.076, 0.0, -0.017), _TYRE))
    return _turned(parts, "y", -9.0)  # it stands on its tail wheel


def _airliner(rng: np.random.Generator, paint: Surface, second: Surface) -> list[Part]:
    fat, span = rng.uniform(0.0125, 0.015), rng.uniform(0.08, 0.095)
    curve = [
        (0.0, 0.09),
        (0.4, 0.087),
        (0.8, 0.075),
        (1.0, 0.05),
        (1.0, -0.03),
        (0.75, -0.06),
        (0.35, -0.085),
        (0.0, -0.094),
    ]
    profile = smooth_curve(curve[::-1], 56).clip([0, -1]) * [fat, 1]
    body = lathe(profile, 36).turned("y", 90.0)
    rise = 5 * (-body.vertices[:, 0:1] - 0.03).clip(0) ** 2
    body = replace(body, vertices=(body.vertices + np.hstack([0 * rise, 0 * rise, rise])).astype(np.float32))
    wing = _rounded([(-0.04, -span), (-0.026, -span), (0.03, 0.0), (-0.026, span), (-0.04, span), (-0.018, 0.0)], 0.006)
    tail = _rounded(
        [(-0.098, -0.034), (-0.089, -0.034), (-0.064, 0.0), (-0.089, 0.034), (-0.098, 0.034), (-0.088, 0.0)], 0.003
    )
    fin = _slab(_rounded([(-0.088, 0.004), (-0.052, 0.004), (-0.083, 0.048), (-0.1, 0.048)], 0.004), 0.0035, 0.0015)
    parts = [
        Part(merged([body, _flat(wing, 0.0045, 0.002).moved(z=-0.005), _flat(tail, 0.003).moved(z=0.013)]), paint),
        Part(fin, second),
    ]
    engine = lathe(
        [(0.0, 0.0), (0.005, 0.001), (0.0075, 0.012), (0.0072, 0.024), (0.0058, 0.025), (0.005, 0.02), (0.0, 0.02)], 24
    )
    engines = [engine.turned("y", 90.0).moved(-0.014, s * span * 0.42, -0.0145) for s in (-1, 1)]
    parts.append(Part(merged(engines), second))
    marks = np.linspace(-0.045, 0.05, 12)
    panes = [ellipsoid(0.0027, fat * 1.02, 0.0032, 14).moved(x, 0.0, 0.003) for x in marks]
    parts.append(Part(merged(panes), _WINDOW))
    parts.append(Part(ellipsoid(0.011, fat * 0.72, 0.0052, 20).moved(0.0765, 0.0, fat * 0.38), _WINDOW))
    drop = -fat - 0.012
    legs = [(0.058, 0.0), (-0.006, -0.013), (-0.006, 0.013)]
    parts.append(Part(merged([_rod((x, y, -0.005), (x, y, drop), 0.0016) for x, y in legs]), _CHROME))
    parts += _wheels([(x, y, drop) for x, y in legs], 0.006, 0.006, _TYRE, None)
    return parts


@kind("stacking rings", synonyms=("stacking toy",), hypernyms=_TOY)
def _stacking_rings(rng: np.random.Generator, look: Look) -> list[Part]:
    count, tube = int(rng.integers(4, 7)), rng.uniform(0.0085, 0.0105)
    words = ["red", "orange", "yellow", "green", "blue", "purple"]
    words = words[:count] if rng.random() < 0.6 else rng.permutation(words)[:count].tolist()
    wooden = rng.random() < 0.5
    base_rgb = _PLAIN_WOOD if wooden else varied(rng, COLOURS[str(rng.choice(["white", "yellow", "blue"]))])
    wood = Surface(base_rgb, "glossy", textures.wood(rng, base_rgb, 128) if wooden else None, roughness=0.4)
    widest = rng.uniform(0.034, 0.04)
    parts = [
        Part(lathe([(0.0, 0.0), (widest, 0.0), (widest + 0.001, 0.003), (widest * 0.92, 0.009), (0.0, 0.01)]), wood)
    ]
    z = 0.01 + tube * 0.93
    for k, word in enumerate(words):
        ring = widest - 0.004 - k * (widest - 0.02) / count
        toned = Surface(varied(rng, COLOURS[word]), "glossy", roughness=0.3)
        parts.append(Part(torus(max(ring - tube * 0.35, tube * 1.1), tube, 40).moved(z=z), toned))
        z += 1.86 * tube
    parts.append(Part(cylinder(0.006, z - 0.006).moved(z=0.006), wood))
    last = str(rng.choice(["red", "yellow", "blue"]))
    parts.append(
        Part(
            ellipsoid(0.012, segments=28).moved(z=z + 0.004),
            Surface(varied(rng, COLOURS[last]), "glossy", roughness=0.3),
        )
    )
    return _settled(parts)
