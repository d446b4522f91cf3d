"""Crockery: bodies turned on a wheel, with handles, spouts and painted bands."""

from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import DARK, contrast, finish
from langfield_synthetic.kinds.turning import around, dish, footed, handle, hollow, radius_at, spout
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, lathe, merged, smooth_curve
from langfield_synthetic.things import PAINTED, RGB, Look, Part, Surface, kind, varied


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
    profile = footed(radius * (1 + belly * np.sin(np.pi * t) + taper * (t - 0.5)), height * t)
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
    hypernyms=("something to drink from", "tableware", "kitchenware", "container"),
)
def teacup(rng: np.random.Generator, look: Look) -> list[Part]:
    rim, height, foot = rng.uniform(0.043, 0.052), rng.uniform(0.048, 0.060), rng.uniform(0.020, 0.025)
    full = rng.uniform(0.80, 0.96)
    profile = footed(
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
    profile = footed(
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
    profile = footed(
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
    parts = [Part(mesh, main) for mesh in meshes] + [Part(opening, Surface(DARK))]
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
    profile = footed(
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
    profile = footed(
        [foot, 0.5 * (foot + belly) * 1.04, belly, 0.62 * (belly + neck) * 0.9, neck, neck * 1.08, lip],
        np.array([0, 0.45 * low, low, low + 0.2, rng.uniform(0.72, 0.78), 0.88, 1]) * height,
        44,
    )
    return [Part(hollow(profile, 0.003, 0.006, 56), finish(rng, look)), *_bands(rng, profile, look.rgb)]
