"""Things to wear and to carry."""

from dataclasses import replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import STEEL, VIVID, mixed, painted, pixels, second_colour, wood_surface
from langfield_synthetic.kinds.shaping import loft, settled
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, grid_mesh, lathe, merged, smooth_curve, sweep, torus
from langfield_synthetic.things import PAINTED, RGB, Look, Part, Surface, kind


@kind(
    "umbrella",
    colours=PAINTED,
)
def umbrella(rng: np.random.Generator, look: Look) -> list[Part]:
    cloth = Surface(look.rgb)
    handle = wood_surface(rng, (0.45, 0.26, 0.13)) if rng.random() < 0.6 else painted((0.08, 0.08, 0.09))
    metal = Surface(STEEL, "metal")
    if rng.random() < 0.6:
        return _open_umbrella(rng, look, handle, metal)
    length, radius = rng.uniform(0.24, 0.28), rng.uniform(0.022, 0.028)
    t = np.linspace(0, 1, 26)
    profile = np.stack([radius * np.interp(t, [0, 0.06, 0.18, 0.6, 1], [0.55, 0.7, 1.0, 0.75, 0.22]), length * t], -1)
    folds = lathe(profile, 96)
    angle = np.arctan2(folds.vertices[:, 1], folds.vertices[:, 0]) + 9 * folds.vertices[:, 2]
    inward = 1 - 0.3 * np.abs(np.sin(4 * angle)) ** 2
    folds = replace(
        folds, vertices=(folds.vertices * np.stack([inward, inward, 1 + 0 * inward], -1)).astype(np.float32)
    )
    strap = torus(radius * 0.92, 0.003).scaled(1, 1, 2.2).moved(z=length * 0.36)
    shaft = cylinder(0.004, length + 0.09).moved(z=-0.06)
    bend = np.linspace(0, np.pi, 14)
    hook = np.stack([0.022 - 0.022 * np.cos(bend), 0 * bend, -0.085 - 0.022 * np.sin(bend)], -1)
    grip = sweep(np.concatenate([[(0, 0, -0.02)], hook, [(0.044, 0, -0.075)]]), 0.0075, 14)
    tip = cylinder(0.0055, 0.03, 0.002).moved(z=length)
    parts = [Part(folds, cloth), Part(strap, cloth), Part(merged([shaft, tip]), metal), Part(grip, handle)]
    return settled([replace(part, mesh=part.mesh.turned("x", -90).turned("y", 90)) for part in parts])


def _open_umbrella(rng: np.random.Generator, look: Look, handle: Surface, metal: Surface) -> list[Part]:
    """Lying on its rim and the end of its handle."""
    radius, ribs = rng.uniform(0.14, 0.165), 8
    rise = radius * rng.uniform(0.42, 0.52)
    angle = np.linspace(0, 2 * np.pi, ribs * 8, endpoint=False)
    between = np.abs(np.sin(ribs / 2 * angle))
    s = np.linspace(0, 1, 14)[:, None]
    reach = radius * np.sin(s * 1.25) / np.sin(1.25) * (1 - 0.09 * between * s**2)
    z = -rise * (1 - np.cos(s * 1.25)) / (1 - np.cos(1.25)) * (1 - 0.10 * between * s) - 0.004 * between * s
    canopy = grid_mesh(np.stack([reach * np.cos(angle), reach * np.sin(angle), z + 0 * reach], -1), wrap_v=True)
    shade = np.tile(np.where(np.arange(16) < 1, 0.72, 1.0), ribs)
    if look.colour != "white" and rng.random() < 0.4:
        shade = shade * np.repeat(np.tile([1.0, 0.86], ribs // 2), 16)
    texture = pixels(np.array(look.rgb) * shade[None, :, None] * np.ones((32, 1, 1)))
    wires = []
    for k in range(ribs):
        c, n = np.cos(2 * np.pi * k / ribs), np.sin(2 * np.pi * k / ribs)
        i = k * 8
        edge = np.stack([reach[:, i] * c, reach[:, i] * n, z[:, i] - 0.002], -1)
        wires += [sweep(edge, 0.0011, 5), sweep([edge[7], (0, 0, -rise * 1.25)], 0.001, 5)]
    length = radius * rng.uniform(1.55, 1.75)
    wires.append(cylinder(0.0035, length).moved(z=-length + 0.02))
    bend = np.linspace(0, np.pi, 12)
    hook = np.stack([0.018 - 0.018 * np.cos(bend), 0 * bend, -length - 0.018 * np.sin(bend)], -1)
    grip = sweep(np.concatenate([[(0, 0, -length + 0.05)], hook, [(0.036, 0, -length + 0.01)]]), 0.006, 12)
    parts = [Part(canopy, Surface(look.rgb, texture=texture)), Part(merged(wires), metal), Part(grip, handle)]
    lean = np.degrees(np.arctan2(radius, length + 0.018 - rise))
    return settled([replace(part, mesh=part.mesh.turned("z", 22.5).turned("y", 90 - lean)) for part in parts])


@kind("hat", colours=PAINTED, hypernyms=("clothing", "something to wear"))
def hat(rng: np.random.Generator, look: Look) -> list[Part]:
    style = int(rng.integers(3))  # felt hat with a dent, flat straw hat, round sun hat
    crown = rng.uniform(0.075, 0.085)
    brim = crown * (rng.uniform(1.55, 1.75), rng.uniform(1.5, 1.65), rng.uniform(1.8, 2.05))[style]
    tall = crown * (rng.uniform(1.15, 1.4), rng.uniform(0.8, 0.95), rng.uniform(1.0, 1.2))[style]
    flat = [(crown * 0.98, 0.0), (brim, 0.004), (brim + 0.0015, 0.006), (brim, 0.008), (crown * 1.06, 0.006)]
    tops = [
        smooth_curve(
            [(crown, 0.012), (crown * 0.95, tall * 0.6), (crown * 0.8, tall * 0.93), (crown * 0.5, tall), (0, tall)], 24
        ),
        np.array([(crown, 0.008), (crown * 0.97, tall * 0.97), (crown * 0.94, tall), (0, tall)]),
        np.stack(
            [crown * np.cos(np.linspace(0.05, np.pi / 2, 20)), tall * np.sin(np.linspace(0.05, np.pi / 2, 20)) + 0.004],
            -1,
        ),
    ]
    line = np.concatenate([flat[:2], flat[2:3], np.linspace(flat[3], flat[4], 8), tops[style]]).clip(0)
    line[-1, 0] = 0.0
    felt = lathe(line, 72)
    v = felt.vertices.astype(np.float64)
    angle, r = np.arctan2(v[:, 1], v[:, 0]), np.hypot(v[:, 0], v[:, 1])
    out = ((r - crown) / (brim - crown)).clip(0)
    curl = rng.uniform(0.010, 0.022) if style == 0 else rng.uniform(0.0, 0.004)
    v[:, 2] += curl * out**2 * (0.5 - 0.5 * np.cos(2 * angle)) * 2
    if style == 2:
        v[:, 2] += 0.02 * (1 - out) * (r > crown) - 0.0 + 0.004 * out * np.sin(5 * angle)
        v[:, 2] += 0.02 * (r <= crown * 1.0001)
    if style == 0:
        v[:, 2] -= crown * 0.22 * np.exp(-((v[:, 1] / (crown * 0.28)) ** 2)) * np.clip(v[:, 2] / tall, 0, 1) ** 6
    lift = 0.02 if style == 2 else 0.0
    band_height = tall * rng.uniform(0.17, 0.24)
    wide = float(np.interp(0.012 + band_height, tops[style][:, 1], tops[style][:, 0]))
    low = crown * 1.012
    band = lathe(
        [
            (low - 0.004, 0.007),
            (low + 0.001, 0.007),
            (wide * 1.012 + 0.001, 0.01 + band_height),
            (wide * 1.0, 0.01 + band_height),
        ],
        72,
    )
    second = second_colour(rng, look, (*VIVID, "black", "brown"))
    squash = rng.uniform(0.84, 0.95) if style == 0 else 1.0
    texture = textures.weave(rng, look.rgb) if style else textures.noise(rng, look.rgb, 0.05)
    felt = replace(felt, vertices=v.astype(np.float32), uv=(felt.uv * ((6, 3) if style else (3, 2))).astype(np.float32))
    parts = [Part(felt, Surface(look.rgb, texture=texture)), Part(band.moved(z=lift), Surface(second))]
    return settled([replace(part, mesh=part.mesh.scaled(1.0, squash, 1.0)) for part in parts])


_SHOE = np.array(  # height, toe, heel, half width; from the sole to the collar
    [
        (0.016, 0.134, -0.134, 0.043),
        (0.034, 0.136, -0.137, 0.046),
        (0.050, 0.124, -0.137, 0.045),
        (0.062, 0.094, -0.135, 0.042),
        (0.074, 0.056, -0.133, 0.039),
        (0.088, 0.016, -0.131, 0.036),
        (0.102, -0.012, -0.131, 0.034),
        (0.110, -0.024, -0.132, 0.034),
    ]
)


def _shoe_ring(row: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The outline (N, 3) of a shoe at a height; angle 0 is the toe."""
    height, toe, heel, half = row
    along = (toe + heel) / 2 + (toe - heel) / 2 * np.cos(angles)
    waist = 1 + 0.10 * np.cos(angles) - 0.10 * np.exp(-(((along + 0.02) / 0.05) ** 2))
    side = half * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** 0.8 * waist
    rise = np.clip((height - 0.06) / 0.05, 0, 1) * (0.010 * np.cos(2 * angles) - 0.006)
    return np.stack([along, side, height + rise], -1)


@kind("shoe", colours=PAINTED, synonyms=("sneaker",), hypernyms=("clothing", "something to wear"))
def shoe(rng: np.random.Generator, look: Look) -> list[Part]:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    rows = smooth_curve(_SHOE, 26)
    rows[:, 0] = 0.016 + (rows[:, 0] - 0.016) * rng.uniform(0.9, 1.15)
    rings = np.stack([_shoe_ring(row, angles) for row in rows])
    upper = grid_mesh(rings, wrap_v=True)
    upper = replace(upper, faces=upper.faces[:, ::-1].copy())
    pale: RGB = (0.93, 0.93, 0.91) if look.colour != "white" else (0.80, 0.80, 0.80)
    accent = pale if rng.random() < 0.7 else second_colour(rng, look)
    thick = rng.uniform(0.022, 0.03)
    under = [
        (0.0, 0.132, -0.130, 0.042),
        (0.003, 0.139, -0.136, 0.046),
        (thick * 0.6, 0.141, -0.139, 0.048),
        (thick, 0.139, -0.139, 0.0475),
    ]
    sole = loft(np.stack([_shoe_ring(np.array(row), angles) for row in under]))
    tongue = ellipsoid(0.012, 0.024, 0.038, 24).turned("y", -35).moved(rows[-1, 1] + 0.004, 0, rows[-1, 0] - 0.008)
    surface = Surface(look.rgb, texture=_shoe_texture(rng, look.rgb, accent))
    dark = Surface(mixed(look.rgb, (0.1, 0.1, 0.1), 0.7))
    scale = rng.uniform(0.72, 0.82)
    parts = [
        Part(upper, surface),
        Part(_lining(rows[-1], angles), dark),
        Part(sole, Surface(pale, "glossy", roughness=0.5)),
        Part(_laces(rows), Surface(pale)),
        Part(tongue, Surface(mixed(look.rgb, (0, 0, 0), 0.12))),
    ]
    return [replace(part, mesh=part.mesh.scaled(scale)) for part in parts]


def _lining(collar: np.ndarray, angles: np.ndarray) -> Mesh:
    """From the collar, a row (4,) as in `_SHOE`, down into the shoe."""
    inner = np.stack(
        [
            _shoe_ring(collar - np.array([drop, thin, -thin, thin]), angles)
            for drop, thin in ((0.0, 0.0), (-0.002, 0.002), (0.0, 0.005), (0.045, 0.006))
        ]
    )
    lining = loft(inner[::-1])
    return replace(lining, faces=lining.faces[:, ::-1].copy())


def _laces(rows: np.ndarray) -> Mesh:
    """Across and between five of the rows (26, 4), tied in a bow on the upper ones."""
    laces = []
    for k, t in enumerate(np.linspace(9, 22, 5)):
        row = rows[round(t)] + (0.002, 0.002, 0.0, 0.001)
        reach = np.linspace(-1, 1, 11) * 0.62
        laces.append(sweep(_shoe_ring(row, reach), 0.0024, 8))
        if k < 4:
            after = rows[round(t) + 3] + (0.002, 0.002, 0.0, 0.001)
            for s in (-1, 1):
                start, end = _shoe_ring(row, np.array([s * 0.5]))[0], _shoe_ring(after, np.array([-s * 0.5]))[0]
                laces.append(sweep([start, (start + end) / 2 + (0.003, 0, 0.003), end], 0.002, 6))
    knot = _shoe_ring(rows[22] + (0.004, 0.004, 0, 0), np.array([0.0]))[0]
    phi = np.linspace(0, 2 * np.pi, 16)
    for s in (-1, 1):
        long = 0.017 * (1 - np.cos(phi))
        loop = np.stack([0.008 * np.sin(phi) + long * 0.25, s * long * 0.9, 0.006 * np.sin(phi / 2) - long * 0.35], -1)
        laces.append(sweep(loop + knot, 0.0022, 7))
    return merged(laces)


def _shoe_texture(rng: np.random.Generator, rgb: RGB, accent: RGB, size: int = 160) -> np.ndarray:
    """u = 0 is the toe, 1/4 and 3/4 the sides; seams, maybe a toe cap, side stripes or a heel patch in `accent`."""
    v, u = np.meshgrid(np.linspace(1, 0, size), np.linspace(0, 1, size), indexing="ij")
    around = np.minimum(u, 1 - u)
    picture = np.ones((size, size, 3)) * np.array(rgb)
    cap = around + 0.12 * v < 0.15
    if rng.random() < 0.5:
        picture[cap] = accent
    else:
        picture[np.abs(around + 0.12 * v - 0.15) < 0.005] = np.array(rgb) * 0.7
    if rng.random() < 0.6:
        for k in range(int(rng.integers(1, 4))):
            slant = around - 0.06 * v - 0.235 - 0.035 * k
            picture[(np.abs(slant) < 0.009) & (v < 0.85)] = accent
    if rng.random() < 0.6:
        picture[(around > 0.46) & (v > 0.25)] = accent
    picture[np.abs(around - 0.42) < 0.004] = np.array(rgb) * 0.7
    return pixels(picture)
