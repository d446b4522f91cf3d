"""Crockery, glasses and what food and drink are sold in: bodies turned on a wheel, with handles, spouts and labels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langfield.synthetic import textures
from langfield.synthetic.meshes import (
    Mesh,
    Points,
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

_STEEL = (0.74, 0.74, 0.75)
_CREAM, _DARK = (0.95, 0.93, 0.87), (0.08, 0.08, 0.10)


def steel(rng: np.random.Generator, brushed: float = 0.5) -> Surface:
    """Bare metal, brushed with this probability."""
    return Surface(varied(rng, _STEEL, 0.04), "brushed metal" if rng.random() < brushed else "metal")


def finish(rng: np.random.Generator, look: Look) -> Surface:
    """The main surface in the look's colour and material; ceramic or enamel when it names none."""
    if look.material == "metal":
        # Metal has no colour of its own but what it reflects: the words' gray would be nearly black.
        if look.colour == "white":
            return Surface(look.rgb, "glossy", roughness=0.15)  # enamel: bare, it would be gray
        return steel(rng) if look.colour in ("", "gray") else Surface(tuple(max(c, 0.13) for c in look.rgb), "metal")  # type: ignore[arg-type]
    if look.material == "wooden":
        return Surface(look.rgb, "matte", textures.wood(rng, look.rgb))
    if look.material == "plastic":
        return Surface(look.rgb, "glossy", roughness=0.3)
    return Surface(look.rgb, "glossy", roughness=float(rng.uniform(0.1, 0.2)))


def luminance(rgb: RGB) -> float:
    return 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]


def contrast(rgb: RGB) -> RGB:
    """Dark on light colours, cream on dark ones."""
    return _DARK if luminance(rgb) > 0.5 else _CREAM


def radius_at(profile: Points, z: float) -> float:
    """Of a turned body whose outer profile (N, 2) of (radius, z) goes up."""
    line = np.asarray(profile)
    return float(np.interp(z, line[:, 1], line[:, 0]))


def handle(profile: Points, low: float, high: float, reach: float, thickness: float, flatten: float = 0.7) -> Mesh:
    """A loop on the +x side of a turned body, between two heights of it."""
    top, bottom, tall = radius_at(profile, high), radius_at(profile, low), high - low
    knots = [
        (top - 0.002, 0, high),
        (top + 0.6 * reach, 0, high + 0.06 * tall),
        (max(top, bottom) + reach, 0, high - 0.3 * tall),
        (bottom + 0.75 * reach, 0, low + 0.25 * tall),
        (bottom - 0.002, 0, low),
    ]
    return sweep(smooth_curve(knots, 32), thickness, segments=14, flatten=flatten)


def spout(knots: Points, wide: float, narrow: float) -> list[Mesh]:
    """A tube that tapers along `knots` (N, 3), and the dark of its opening."""
    path = smooth_curve(knots, 28)
    tube = sweep(path, narrow + (wide - narrow) * np.linspace(1, 0, 28) ** 1.5, segments=20)
    ahead = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    return [tube, sweep([path[-1] - 0.002 * ahead, path[-1] + 0.0004 * ahead], 0.75 * narrow)]


def around(
    profile: Points, low: float, high: float, arc: float = 360.0, facing: float = 0.0, out: float = 0.0004
) -> Mesh:
    """A skin just outside a turned body, between two heights and over an arc in degrees about the direction `facing`.

    uv: u from 0 to 1 over the arc, to the right as seen from outside; v up.
    """
    corners = np.asarray(profile)[:, 1]  # of which none is cut off
    heights = np.union1d(np.linspace(low, high, 4), corners[(corners > low) & (corners < high)])
    angles = np.radians(facing + np.linspace(-arc / 2, arc / 2, 49))
    radii = np.array([radius_at(profile, z) for z in heights]) + out
    x, y = radii[:, None] * np.cos(angles), radii[:, None] * np.sin(angles)
    mesh = grid_mesh(np.stack([x, y, np.broadcast_to(heights[:, None], x.shape)], -1))
    uv = np.stack([mesh.uv[:, 0], (mesh.vertices[:, 2] - low) / (high - low)], -1)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy(), uv=uv.astype(np.float32))


def hollow(outside: np.ndarray, wall: float, floor: float, segments: int = 48) -> Mesh:
    """A closed vessel: `outside` (N, 2) goes from the foot to the rim; its hollow ends at the height `floor`."""
    base = float(outside[0, 1])
    foot = [(0.0, base + 0.001), (outside[0, 0] - 0.0025, base + 0.001), (outside[0, 0] - 0.0015, base)]
    upper = outside[outside[:, 1] > floor + wall][::-1]
    inner = np.stack([np.maximum(upper[:, 0] - wall, 0.0008), upper[:, 1]], -1)
    rim = [(outside[-1, 0] - wall / 2, outside[-1, 1] + wall / 2)]
    deep = [(0.93 * inner[-1, 0], floor + 0.3 * (inner[-1, 1] - floor)), (0.8 * inner[-1, 0], floor), (0.0, floor)]
    return lathe(np.concatenate([foot, outside, rim, inner, deep]), segments)


def dish(profile: Points, thickness: float) -> Mesh:
    """A flat turned body: its underside (N, 2) of (radius, z) from the axis to the rim, and the same again above."""
    under = np.asarray(profile, dtype=np.float64)
    over = (under + np.array([0.0, thickness]))[::-1]
    rim = [[under[-1, 0] + 0.4 * thickness, under[-1, 1] + thickness / 2]]
    return lathe(np.concatenate([under, rim, over]), 64)


def _footed(
    radii: Sequence[float] | np.ndarray, heights: Sequence[float] | np.ndarray, samples: int = 30
) -> np.ndarray:
    """An outer profile through these radii and heights, its lower edge rounded."""
    line = smooth_curve(np.stack([radii, heights], -1), samples)
    line[:, 0] = np.maximum(line[:, 0], 0.002)
    line = line[np.concatenate([[True], np.diff(np.maximum.accumulate(line[:, 1])) > 1e-7])]
    return np.concatenate([[[line[0, 0] - 0.003, line[0, 1]], [line[0, 0] - 0.0008, line[0, 1] + 0.0008]], line[1:]])


def _bands(rng: np.random.Generator, profile: np.ndarray, rgb: RGB) -> list[Part]:
    """Thin painted rings around a body, or none."""
    low, high = float(profile[0, 1]), float(profile[-1, 1])
    style, ink = rng.random(), Surface(contrast(rgb), "glossy", roughness=0.15)
    if style < 0.5:
        return []
    if style < 0.7:
        places = [(0.94, 0.985)]
    elif style < 0.85:
        places = [(0.62, 0.66), (0.70, 0.78), (0.82, 0.86)]
    else:
        places = [(0.10, 0.15), (0.85, 0.90)]
    return [Part(around(profile, low + a * (high - low), low + b * (high - low)), ink) for a, b in places]


@kind(
    "mug",
    colours=PAINTED,
    materials=("ceramic", "metal"),
    synonyms=("coffee mug",),
    hypernyms=("something to drink from", "tableware", "kitchenware", "container"),
)
def mug(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.036, 0.044), rng.uniform(0.084, 0.108)
    belly, taper = rng.uniform(-0.08, 0.16), rng.uniform(-0.16, 0.16)
    t = np.linspace(0, 1, 5)
    profile = _footed(radius * (1 + belly * np.sin(np.pi * t) + taper * (t - 0.5)), height * t)
    main = finish(rng, look)
    loop = handle(
        profile,
        height * rng.uniform(0.14, 0.26),
        height * rng.uniform(0.76, 0.88),
        rng.uniform(0.022, 0.032),
        rng.uniform(0.0050, 0.0070),
        rng.uniform(0.6, 1.0),
    )
    body = hollow(profile, 0.0016 if look.material == "metal" else rng.uniform(0.003, 0.0045), 0.005)
    return [Part(body, main), Part(loop, main), *([] if look.material == "metal" else _bands(rng, profile, look.rgb))]


@kind(
    "teacup",
    colours=PAINTED,
    materials=("ceramic",),
    synonyms=("cup and saucer",),
    hypernyms=("something to drink from", "tableware", "kitchenware"),
)
def teacup(rng: np.random.Generator, look: Look) -> list[Part]:
    rim, height, foot = rng.uniform(0.043, 0.052), rng.uniform(0.048, 0.060), rng.uniform(0.020, 0.025)
    full = rng.uniform(0.80, 0.96)
    profile = _footed(
        [foot, foot, 0.75 * (foot + rim * full) * 0.95, rim * full, rim],
        [0, 0.06 * height, 0.25 * height, 0.6 * height, height],
    )
    loop = handle(profile, 0.3 * height, 0.85 * height, rng.uniform(0.018, 0.024), 0.0038, 0.9)
    wide, lift = rng.uniform(0.070, 0.082), 0.0055
    well = rng.uniform(0.4, 0.5) * wide
    saucer = dish(
        np.concatenate(
            [[(0, 0.0015), (well - 0.002, 0.0015), (well, 0)], smooth_curve([(well + 0.003, 0.002), (wide, 0.013)], 8)]
        ),
        0.0035,
    )
    main = finish(rng, look)
    parts = [
        Part(saucer, main),
        Part(hollow(profile, 0.0026, 0.004).moved(z=lift), main),
        Part(loop.moved(z=lift), main),
    ]
    if rng.random() < 0.25:
        level = 0.66 * height
        tea = cylinder(radius_at(profile, level) - 0.0022, 0.001).moved(z=lift + level)
        parts.append(Part(tea, Surface(varied(rng, (0.40, 0.17, 0.05), 0.04), "glossy", roughness=0.1)))
        return parts
    return parts + [replace(p, mesh=p.mesh.moved(z=lift)) for p in _bands(rng, profile, look.rgb)]


@kind("plate", colours=PAINTED, materials=("ceramic",), hypernyms=("tableware", "kitchenware"))
def plate(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall = rng.uniform(0.095, 0.135), rng.uniform(0.014, 0.026)
    well = rng.uniform(0.58, 0.72) * wide
    bend = [(well, 0.0), (well + 0.008, 0.25 * tall), (well + 0.016, 0.62 * tall), (wide, tall)]
    under = np.concatenate([[(0.0, 0.0015), (well - 0.006, 0.0015)], smooth_curve(bend, 20)])
    parts = [Part(dish(under, rng.uniform(0.0035, 0.005)), finish(rng, look))]
    thick = float(np.ptp(parts[0].mesh.vertices[:, 2])) - tall
    if rng.random() < 0.5:
        at = float(rng.choice([0.985, 0.92]))
        span = np.linspace(at - rng.uniform(0.015, 0.045), at, 5) * wide
        over = np.stack([span, np.interp(span, under[:, 0], under[:, 1]) + thick + 0.0003], -1)
        parts.append(Part(lathe(over[::-1], 64), Surface(contrast(look.rgb), "glossy", roughness=0.15)))
    return parts


@kind(
    "bowl",
    colours=PAINTED,
    materials=("ceramic", "metal"),
    hypernyms=("tableware", "kitchenware", "container"),
)
def bowl(rng: np.random.Generator, look: Look) -> list[Part]:
    rim, height = rng.uniform(0.062, 0.088), rng.uniform(0.048, 0.072)
    foot, full = rng.uniform(0.40, 0.52) * rim, rng.uniform(0.84, 1.0)
    profile = _footed(
        [foot, foot, 0.5 * (foot + rim * full) + 0.10 * rim, rim * full, rim],
        [0, 0.08 * height, 0.26 * height, 0.62 * height, height],
    )
    wall = 0.0018 if look.material == "metal" else rng.uniform(0.0032, 0.005)
    bands = [] if look.material == "metal" else _bands(rng, profile, look.rgb)
    return [Part(hollow(profile, wall, 0.08 * height + 0.004, 64), finish(rng, look)), *bands]


@kind("teapot", colours=PAINTED, materials=("ceramic",), hypernyms=("tableware", "kitchenware", "container"))
def teapot(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.062, 0.076), rng.uniform(0.092, 0.120)
    foot, mouth, widest = rng.uniform(0.55, 0.70) * radius, rng.uniform(0.42, 0.52) * radius, rng.uniform(0.38, 0.55)
    profile = _footed(
        [foot, 0.93 * radius, radius, 0.84 * radius, mouth],
        [0, 0.22 * height, widest * height, 0.80 * height, height],
        40,
    )
    main = finish(rng, look)
    dome = rng.uniform(0.012, 0.022)
    t = np.linspace(0, np.pi / 2, 12)
    lid = lathe(
        [(0, -0.002), (mouth + 0.003, -0.002), *zip((mouth + 0.003) * np.cos(t), dome * np.sin(t), strict=True)]
    )
    knob = merged([cylinder(0.005, 0.010).moved(z=-0.004), ellipsoid(0.0105, 0.0105, 0.009).moved(z=0.011)])
    reach = radius + rng.uniform(0.042, 0.055)
    pour, opening = spout(
        [
            (0.7 * radius, 0, 0.26 * height),
            (radius + 0.018, 0, 0.38 * height),
            (radius + 0.030, 0, 0.68 * height),
            (reach, 0, rng.uniform(0.92, 1.02) * height),
        ],
        rng.uniform(0.017, 0.022),
        0.0085,
    )
    loop = handle(profile, 0.20 * height, 0.84 * height, rng.uniform(0.036, 0.046), 0.0065, 0.8).turned("z", 180)
    meshes = [hollow(profile, 0.004, 0.006), lid.moved(z=height), knob.moved(z=height + dome), pour, loop]
    parts = [Part(mesh, main) for mesh in meshes] + [Part(opening, Surface(_DARK))]
    return parts + (_bands(rng, profile, look.rgb) if rng.random() < 0.6 else [])


@kind(
    "pitcher",
    colours=PAINTED,
    materials=("ceramic", "metal"),
    synonyms=("jug",),
    hypernyms=("tableware", "kitchenware", "container"),
)
def pitcher(rng: np.random.Generator, look: Look) -> list[Part]:
    height, belly = rng.uniform(0.17, 0.23), rng.uniform(0.048, 0.062)
    foot, neck = rng.uniform(0.66, 0.85) * belly, rng.uniform(0.56, 0.74) * belly
    profile = _footed(
        [foot, belly, 0.96 * belly, neck, neck * 1.06, neck * rng.uniform(1.15, 1.3)],
        [0, 0.26 * height, 0.42 * height, 0.74 * height, 0.88 * height, height],
        40,
    )
    body = hollow(profile, 0.003 if look.material == "metal" else 0.004, 0.006, 72)
    loop = handle(profile, 0.36 * height, 0.93 * height, rng.uniform(0.036, 0.046), 0.0070, rng.uniform(0.6, 0.9))
    main = finish(rng, look)
    bands = _bands(rng, profile[profile[:, 1] < 0.7 * height], look.rgb) if look.material != "metal" else []
    return [
        Part(_lipped(body, 0.8 * height, rng.uniform(0.015, 0.024)), main),
        Part(loop.turned("z", 180), main),
        *bands,
    ]


def _lipped(body: Mesh, start: float, reach: float) -> Mesh:
    """Pulled out to +x above `start`, most at the rim: a lip to pour from."""
    x, y, z = body.vertices.T
    up = np.clip((z - start) / (z.max() - start), 0, None) ** 2
    towards = np.exp(-((np.arctan2(y, x) / 0.5) ** 2)) * (np.hypot(x, y) > 1e-4)
    moved = np.stack([x + reach * up * towards, y * (1 - 0.25 * up * towards), z + 0.35 * reach * up * towards], -1)
    return replace(body, vertices=moved.astype(np.float32))


@kind("vase", colours=PAINTED, materials=("ceramic",), hypernyms=("decoration", "container"))
def vase(rng: np.random.Generator, look: Look) -> list[Part]:
    height = rng.uniform(0.17, 0.28)
    belly, foot = height * rng.uniform(0.19, 0.29), height * rng.uniform(0.11, 0.16)
    neck, lip = height * rng.uniform(0.055, 0.09), height * rng.uniform(0.10, 0.16)
    low = rng.uniform(0.26, 0.42)
    profile = _footed(
        [foot, 0.5 * (foot + belly) * 1.04, belly, 0.62 * (belly + neck) * 0.9, neck, neck * 1.08, lip],
        np.array([0, 0.45 * low, low, low + 0.2, rng.uniform(0.72, 0.78), 0.88, 1]) * height,
        44,
    )
    return [Part(hollow(profile, 0.003, 0.006, 56), finish(rng, look)), *_bands(rng, profile, look.rgb)]


@kind("wine glass", materials=("glass",), hypernyms=("something to drink from", "tableware", "kitchenware"))
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
    materials=("glass",),
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


_BOTTLES = {  # (radius, height) as shares of the whole, and what such a bottle holds
    "claret": (
        [1, 1, 1, 0.93, 0.55, 0.38, 0.36, 0.36],
        [0, 0.3, 0.60, 0.67, 0.72, 0.77, 0.85, 1],
        ("WINE", "OLIVE OIL"),
    ),
    "burgundy": ([1, 1, 1, 0.86, 0.56, 0.38, 0.34, 0.35], [0, 0.25, 0.46, 0.56, 0.68, 0.8, 0.9, 1], ("WINE", "CIDER")),
    "soda": (
        [0.94, 1, 0.98, 1, 0.86, 0.52, 0.38, 0.40],
        [0, 0.1, 0.35, 0.52, 0.64, 0.78, 0.9, 1],
        ("COLA", "SODA", "JUICE"),
    ),
}


@kind("bottle", colours=PAINTED, hypernyms=("container",))
def bottle(rng: np.random.Generator, look: Look) -> list[Part]:
    radii, heights, names = _BOTTLES[str(rng.choice(list(_BOTTLES)))]
    tall = rng.uniform(0.22, 0.29)
    wide = tall * rng.uniform(0.125, 0.155)
    profile = _footed(wide * np.array(radii), tall * np.array(heights), 56)
    body = lathe(np.concatenate([[[0.0, 0.0]], profile, [[0.0, tall]]]))
    low, high = tall * rng.uniform(0.10, 0.16), tall * rng.uniform(0.35, 0.40)
    paper = Surface(_CREAM, "matte", _label(rng, str(rng.choice(names)), _paper(look.rgb), 1.25))
    arc = np.degrees(1.25 * (high - low) / wide)
    mouth = radius_at(profile, 0.95 * tall)
    if names[0] == "WINE":
        foil = varied(rng, COLOURS[str(rng.choice(["black", "red", "yellow"]))] if rng.random() < 0.6 else look.rgb)
        cap = Part(around(profile, 0.86 * tall, tall, out=0.0008), Surface(foil, "brushed metal"))
        top = Part(cylinder(mouth + 0.0008, 0.002).moved(z=tall - 0.001), cap.surface)
        extra = [cap, top, Part(torus(mouth + 0.0005, 0.0018).moved(z=0.955 * tall), cap.surface)]
    else:
        extra = [
            Part(cylinder(mouth + 0.003, 0.014, mouth + 0.0015).moved(z=tall - 0.008), steel(rng)),
            Part(torus(mouth + 0.001, 0.002).moved(z=tall - 0.016), Surface(look.rgb, "glossy", roughness=0.12)),
        ]
    labels = [Part(around(profile, low, high, arc, facing), paper) for facing in (0.0, 180.0)]
    return [Part(body, Surface(look.rgb, "glossy", roughness=0.1)), *labels, *extra]


def _paper(rgb: RGB) -> RGB:
    """A label's ground that stands out from `rgb`."""
    return _CREAM if luminance(rgb) < 0.75 else (0.72, 0.62, 0.42)


def _label(rng: np.random.Generator, text: str, ground: RGB, aspect: float, ink: RGB | None = None) -> np.ndarray:
    """`aspect` is its width by its height."""
    inks = ((0.5, 0.06, 0.08), (0.08, 0.14, 0.40), (0.06, 0.28, 0.12), _DARK)
    dark = inks[int(rng.integers(len(inks)))] if luminance(ground) > 0.45 else _CREAM
    return textures.label(
        rng, text, ground, ink or dark, width=int(256 * max(aspect, 1)), height=int(256 / min(aspect, 1))
    )


_JAMS = {
    "red": ("JAM", "CHERRY"),
    "orange": ("HONEY", "APRICOT"),
    "yellow": ("HONEY", "MUSTARD"),
    "green": ("PESTO", "MINT"),
    "purple": ("PLUM", "JAM"),
    "brown": ("COCOA", "NUTS"),
    "black": ("OLIVES", "JAM"),
    "white": ("CREAM", "SALT"),
}


@kind("jar", colours=(*_JAMS, "blue", "pink"), hypernyms=("container",))
def jar(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall = rng.uniform(0.034, 0.043), rng.uniform(0.082, 0.115)
    same = rng.random() < 0.6  # a lid of another colour must be small: from above it is much of what is seen
    neck, belly = wide * (rng.uniform(0.76, 0.86) if same else rng.uniform(0.64, 0.72)), 1 + rng.uniform(0, 0.09)
    profile = _footed(
        wide * np.array([0.93, 1, belly, 1, 0, 0]) + neck * np.array([0, 0, 0, 0, 1, 1]),
        tall * np.array([0, 0.08, 0.45, 0.76, 0.92, 1]),
    )
    body = lathe(np.concatenate([[[0.0, 0.0]], profile, [[0.0, tall]]]))
    cap = neck + 0.003
    lid = lathe(
        [(0, 0), (cap, 0), (cap + 0.0006, 0.001), (cap, 0.002), (cap, 0.010), (cap - 0.002, 0.012), (0, 0.0115)]
    )
    style = rng.random()
    if same:
        top = Surface(look.rgb, "brushed metal" if style < 0.5 else "glossy", roughness=0.25)
    elif style < 0.4:
        top = Surface(varied(rng, (0.85, 0.68, 0.30)), "brushed metal")
    elif style < 0.7:
        top = steel(rng)
    else:
        top = Surface(varied(rng, COLOURS["white" if look.colour != "white" else "blue"]), "glossy", roughness=0.25)
    low, high = tall * rng.uniform(0.16, 0.22), tall * rng.uniform(0.52, 0.58)
    text = str(rng.choice(_JAMS.get(look.colour, ("JAM", "TEA"))))
    paper = Surface(_CREAM, "matte", _label(rng, text, _paper(look.rgb), 1.5))
    arc = np.degrees(1.5 * (high - low) / wide)
    labels = [Part(around(profile, low, high, arc, facing), paper) for facing in (0.0, 180.0)]
    return [Part(body, Surface(look.rgb, "glossy", roughness=0.1)), *labels, Part(lid.moved(z=tall - 0.009), top)]


@kind("can", colours=PAINTED, materials=("metal",), synonyms=("tin can",), hypernyms=("container", "packaging"))
def can(rng: np.random.Generator, look: Look) -> list[Part]:
    soda = rng.random() < 0.5
    if soda:
        wide, tall = rng.uniform(0.030, 0.034), rng.uniform(0.112, 0.150)
        rim, shoulder = 0.82 * wide, 0.007 / tall * 1.6
        names = ("COLA", "SODA", "LEMON", "ICE TEA")
    else:
        wide, tall = rng.uniform(0.031, 0.037), rng.uniform(0.095, 0.120)
        rim, shoulder = wide - 0.0002, 0.03
        names = ("SOUP", "BEANS", "CORN", "TOMATO", "PEAS", "TUNA")
    profile = np.array(
        [(rim - 0.002, 0.0), (rim, 0.0015), (wide, shoulder * tall), (wide, (1 - shoulder) * tall), (rim, tall - 0.002)]
    )
    edge = [(rim + 0.0012, tall - 0.001), (rim + 0.0008, tall), (rim - 0.0010, tall)]
    top = [(rim - 0.0020, tall - 0.0035), (0.6 * rim, tall - 0.003), (0.0, tall - 0.003)]
    bare = steel(rng, 0.6)
    if rng.random() < 0.5:
        bare = Surface(look.rgb, "brushed metal")  # from above the lid is nearly half of what is seen
    parts = [Part(lathe(np.concatenate([[[0.0, 0.002]], profile, edge, top])), bare)]
    margin = 0.0 if soda else shoulder
    wrap = around(profile, (margin + 0.012) * tall, (1 - margin - 0.012) * tall, out=0.0005)
    roughness = 0.25 if soda else 0.45
    parts.append(Part(wrap, Surface(look.rgb, "glossy", roughness=roughness)))
    low, high, arc = tall * rng.uniform(0.16, 0.24), tall * rng.uniform(0.72, 0.82), rng.uniform(125, 150)
    aspect = np.radians(arc) * wide / (high - low)
    picture = _label(rng, str(rng.choice(names)), look.rgb, aspect, contrast(look.rgb))
    skin = Surface(look.rgb, "glossy", picture, roughness)
    parts += [Part(around(profile, low, high, arc, facing, out=0.0007), skin) for facing in (0.0, 180.0)]
    if not soda:
        parts += [Part(torus(wide - 0.0004, 0.0012).moved(z=z), bare) for z in (0.0014, tall - 0.0012)]
    if soda or rng.random() < 0.4:
        tab = merged(
            [torus(0.0055, 0.0014, 24).scaled(1, 0.8, 0.6).moved(x=0.006), rounded_box(0.012, 0.007, 0.0015, 0.0005)]
        )
        parts.append(Part(tab.moved(z=tall - 0.0022), steel(rng, 0.2)))
    return parts
