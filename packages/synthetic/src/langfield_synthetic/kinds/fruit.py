"""Fruit."""

from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.edible import (
    FRUIT,
    bumpy,
    clouds,
    leaf_mesh,
    leaf_surface,
    over,
    painted_skin,
    spots,
    twig,
)
from langfield_synthetic.kinds.shaping import moved, outward, settled, turned
from langfield_synthetic.meshes import Mesh, ellipsoid, grid_mesh, lathe, merged, smooth_curve, sweep
from langfield_synthetic.things import RGB, Look, Part, Surface, kind, varied


@kind("apple", colours=("red", "green", "yellow"), hypernyms=FRUIT)
def apple(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.034, 0.041), rng.uniform(0.060, 0.072)
    waist = rng.uniform(0.52, 0.66)
    profile = smooth_curve(
        [
            (0.0, 0.08),
            (0.2, 0.01),
            (0.5, 0.06),
            (0.84, 0.3),
            (1.0, waist),
            (0.88, 0.87),
            (0.58, 1.0),
            (0.3, 0.98),
            (0.0, 0.78),
        ],
        44,
    )
    body = lathe(profile.clip(0) * [radius, height], 48)
    around = np.arctan2(body.vertices[:, 1], body.vertices[:, 0])
    lobes = 1 + 0.03 * np.cos(5 * around)[:, None] * (1 - body.vertices[:, 2:] / height)
    body = replace(body, vertices=(body.vertices * np.hstack([lobes, lobes, np.ones_like(lobes)])).astype(np.float32))
    rgb = mixed(look.rgb, (0.50, 0.70, 0.16), 0.55) if look.colour == "green" else look.rgb
    streak = {"red": (0.93, 0.62, 0.22), "green": (0.74, 0.84, 0.40)}.get(look.colour, (0.93, 0.55, 0.22))

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        streaks = 0.3 * clouds(rng, u, v, 40, 1.2) + 0.25 * clouds(rng, u, v, 3, 1.0)
        colour = over(np.broadcast_to(rgb, (*u.shape, 3)), streak, 0.12 + 0.5 * streaks)
        colour = over(colour, (0.80, 0.72, 0.32), 0.75 * ((v - 0.86) / 0.1).clip(0, 1))
        return over(colour, (0.95, 0.9, 0.7), 0.4 * spots(rng, u, v, 60, (0.004, 0.007), 2.0))

    parts = [Part(body, Surface(rgb, "glossy", painted_skin(skin), roughness=0.25))]
    parts += moved([twig(rng, rng.uniform(0.018, 0.026), 0.0016)], z=height * 0.76)
    if rng.random() < 0.75:
        leaf = leaf_mesh(rng.uniform(0.03, 0.042), rng.uniform(0.014, 0.02)).turned("y", -rng.uniform(5, 30))
        leaf = leaf.turned("z", rng.uniform(0, 360)).moved(z=height * 0.95)
        parts.append(Part(leaf, leaf_surface(rng)))
    return settled(parts)


def _one_banana(rng: np.random.Generator, look: Look, length: float, thick: float, bend: float) -> Part:
    """Along an arc in the plane z = 0, its stem at the origin."""
    t = np.linspace(0, 1, 30)
    knots = np.array(
        [
            (0.0, 0.30),
            (0.07, 0.27),
            (0.15, 0.5),
            (0.3, 0.92),
            (0.5, 1.0),
            (0.74, 0.93),
            (0.9, 0.6),
            (0.97, 0.3),
            (1.0, 0.2),
        ]
    )
    width = np.interp(t, *smooth_curve(knots, 80).T) * thick
    turn = bend * (t - 0.35 * t * (1 - t))
    step = np.stack([np.cos(turn), np.sin(turn)], -1) * length / len(t)
    line = np.cumsum(step, axis=0) - step[0]
    normal = np.stack([-np.sin(turn), np.cos(turn)], -1)
    around = np.linspace(0, 2 * np.pi, 25)[:-1]
    section = 1 + 0.055 * np.cos(5 * around + 0.4)
    out = (width[:, None] * section * np.cos(around))[..., None] * normal[:, None]
    points = np.concatenate([line[:, None] + out, (width[:, None] * section * np.sin(around))[..., None]], axis=-1)
    ends = [points[k : k + 1].mean(axis=1, keepdims=True) * np.ones((1, 24, 1)) for k in (0, -1)]
    mesh = outward(grid_mesh(np.concatenate([ends[0], points, ends[1]]), wrap_v=True))
    ripe = rng.random()

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = over(
            np.broadcast_to(look.rgb, (*u.shape, 3)), (0.62, 0.68, 0.16), 0.7 * (0.22 - v) / 0.14 * (1 - ripe * 0.6)
        )
        ridge = np.cos(5 * 2 * np.pi * u + 0.4)
        colour = over(colour, (0.55, 0.40, 0.08), 0.35 * (ridge - 0.86) / 0.14)
        colour = over(colour, (0.30, 0.17, 0.06), (0.2 + 0.7 * ripe) * spots(rng, u, v, 26, (0.004, 0.014), 0.5))
        return over(colour, (0.16, 0.10, 0.05), np.maximum((0.055 - v) / 0.03, (v - 0.94) / 0.02))

    return Part(mesh, Surface(look.rgb, "glossy", painted_skin(skin, 96, 192), roughness=0.45))


@kind("banana", colours=("yellow",), hypernyms=FRUIT)
def banana(rng: np.random.Generator, look: Look) -> list[Part]:
    length, thick, bend = rng.uniform(0.16, 0.2), rng.uniform(0.016, 0.019), rng.uniform(1.5, 2.1)
    count = int(rng.choice([1, 1, 2, 3]))
    parts: list[Part] = []
    for k in range(count):
        one = [_one_banana(rng, look, length * rng.uniform(0.93, 1.05), thick, bend * rng.uniform(0.9, 1.1))]
        one = turned(one, "x", rng.uniform(-8, 8))
        one = turned(turned(one, "y", -9.0 * (k % 2.0)), "z", -16.0 * k)
        parts += moved(one, z=-float(one[0].mesh.vertices[:, 2].min()))
    if count > 1:
        crown = ellipsoid(0.011, 0.013, 0.009, 16).moved(-0.001, 0.0, thick * 0.9)
        parts.append(Part(crown, Surface((0.22, 0.15, 0.06), "matte")))
    return settled(parts)


def _peel(rng: np.random.Generator, rgb: RGB) -> np.ndarray:
    """Citrus skin: pores and a soft change of shade."""

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.05 * clouds(rng, u, v, 2, 1.0) + 0.05 * clouds(rng, u, v, 60, 40.0)
        return np.asarray(rgb) * shade[..., None]

    return painted_skin(skin)


@kind("orange", hypernyms=FRUIT)
def orange(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.035, 0.042)
    rgb = varied(rng, (0.95, 0.47, 0.04), 0.03)
    body = bumpy(rng, ellipsoid(radius, radius, radius * rng.uniform(0.9, 0.98), 76), 0.0035, 0.0045)
    parts = [Part(body, Surface(rgb, "glossy", _peel(rng, rgb), roughness=0.4))]
    top = float(body.vertices[:, 2].max())
    button = merged([ellipsoid(0.0035, 0.0022, 0.0016, 10).turned("z", 72.0 * k).moved(z=top) for k in range(3)])
    parts.append(Part(button, Surface((0.36, 0.42, 0.14), "matte")))
    if rng.random() < 0.4:
        leaf = leaf_mesh(0.04, 0.019).turned("y", -12.0).turned("z", rng.uniform(0, 360)).moved(z=top)
        parts.append(Part(leaf, leaf_surface(rng)))
    return settled(turned(parts, "x", rng.uniform(-45, 45)))


@kind("pear", colours=("green", "yellow"), hypernyms=FRUIT)
def pear(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.033, 0.039), rng.uniform(0.082, 0.1)
    neck = rng.uniform(0.42, 0.54)
    profile = smooth_curve(
        [
            (0.0, 0.04),
            (0.25, 0.0),
            (0.7, 0.08),
            (1.0, 0.32),
            (0.86, 0.55),
            (neck, 0.78),
            (neck * 0.8, 0.92),
            (0.2, 0.99),
            (0.0, 0.97),
        ],
        44,
    )
    body = lathe(profile.clip(0) * [radius, height], 44)
    lean = rng.uniform(0.003, 0.01) * (body.vertices[:, 2:] / height) ** 2
    body = replace(body, vertices=(body.vertices + np.hstack([lean, 0 * lean, 0 * lean])).astype(np.float32))
    rgb = mixed(look.rgb, (0.72, 0.80, 0.22), 0.55) if look.colour == "green" else look.rgb
    blush = rng.uniform(0, 0.3)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        side = np.cos(2 * np.pi * u) * np.sin(np.pi * v)
        colour = over(
            np.broadcast_to(rgb, (*u.shape, 3)), (0.85, 0.42, 0.18), blush * (side + 0.3 * clouds(rng, u, v, 6, 4.0))
        )
        colour = over(colour, (0.42, 0.33, 0.12), 0.5 * spots(rng, u, v, 130, (0.003, 0.006), 2.0))
        return over(colour, (0.42, 0.30, 0.12), np.maximum(v - 0.93, 0.06 - v) * 9)

    parts = [Part(body, Surface(rgb, "glossy", painted_skin(skin), roughness=0.4))]
    top = 0.97 * height
    tip = float(lean.max())
    parts += moved([twig(rng, rng.uniform(0.018, 0.028), 0.0017)], tip, z=top - 0.003)
    if rng.random() < 0.5:
        leaf = leaf_mesh(0.036, 0.017).turned("y", -20.0).turned("z", rng.uniform(0, 360))
        parts.append(Part(leaf.moved(tip, z=top + 0.006), leaf_surface(rng)))
    return settled(parts)


@kind("lemon", colours=("yellow",), hypernyms=FRUIT)
def lemon(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, length = rng.uniform(0.025, 0.029), rng.uniform(0.078, 0.09)
    nipple = rng.uniform(0.14, 0.2)
    profile = smooth_curve(
        [
            (0.0, 0.0),
            (0.14, 0.01),
            (0.2, 0.07),
            (0.62, 0.2),
            (0.97, 0.42),
            (0.97, 0.58),
            (0.62, 0.81),
            (0.26, 0.92),
            (nipple, 0.98),
            (0.0, 1.0),
        ],
        52,
    )
    body = bumpy(rng, lathe(profile.clip(0) * [radius, length], 60), 0.006, 0.005)
    body = body.turned("y", 90.0)
    rgb = mixed(look.rgb, (0.98, 0.86, 0.12), 0.5)
    stem = ellipsoid(0.002, 0.0035, 0.0035, 12).moved(0.0005)
    parts = [
        Part(body, Surface(rgb, "glossy", _peel(rng, rgb), roughness=0.35)),
        Part(stem, Surface((0.42, 0.45, 0.16), "matte")),
    ]
    if rng.random() < 0.35:
        leaf = leaf_mesh(0.04, 0.017).turned("y", -35.0).turned("z", 180.0 + rng.uniform(-40, 40))
        parts.append(Part(leaf.moved(0.001), leaf_surface(rng)))
    return settled(turned(parts, "y", rng.uniform(-6, 6)))


def _lobed_leaf(size: float) -> Mesh:
    """A vine leaf from the origin along +x."""
    angle = np.linspace(-np.pi, np.pi, 49)[None]
    s = np.linspace(0, 1, 6)[:, None]
    reach = (0.62 + 0.24 * np.cos(5 * angle) + 0.07 * np.cos(15 * angle)) * size / 1.4
    z = -0.35 * size * (s * reach / size) ** 2 + 0.02 * size * s * np.cos(5 * angle)
    return grid_mesh(np.stack([s * reach * np.cos(angle) + size * 0.45 * (s > -1), s * reach * np.sin(angle), z], -1))


@kind("grapes", colours=("purple", "green"), synonyms=("bunch of grapes",), hypernyms=FRUIT)
def grapes(rng: np.random.Generator, look: Look) -> list[Part]:
    length, r = rng.uniform(0.1, 0.13), rng.uniform(0.0095, 0.0115)
    oval = rng.uniform(1.0, 1.25)
    spots = np.zeros((0, 3))
    for _ in range(700):
        t = rng.random() ** 1.2
        reach = 0.038 * (1.05 - t) ** 0.7 + 0.004
        angle, away = rng.uniform(0, np.pi), reach * np.sqrt(rng.random())
        spot = np.array([length * t, away * np.cos(angle) * 1.15, r + away * np.sin(angle) * 0.95])
        if ((spots - spot) ** 2).sum(axis=1).min(initial=1.0) > (1.55 * r) ** 2:
            spots = np.concatenate([spots, spot[None]])
        if len(spots) == 46:
            break
    rgb = (
        mixed(look.rgb, (0.62, 0.74, 0.24), 0.6) if look.colour == "green" else mixed(look.rgb, (0.28, 0.07, 0.32), 0.5)
    )
    parts = []
    for k in range(3):
        berries = [
            ellipsoid(r * oval, r, r, 14)
            .turned("y", rng.uniform(-50, 50))
            .turned("z", rng.uniform(-60, 60))
            .moved(*spot)
            for spot in spots[k::3]
        ]
        parts.append(Part(merged(berries), Surface(varied(rng, rgb, 0.05), "glossy", roughness=0.22)))
    stem = smooth_curve([(length * 0.7, 0.0, r), (0.0, 0.0, 0.025), (-0.014, 0.0, 0.028), (-0.028, 0.006, 0.035)], 16)
    cross = [(-0.022, -0.011, 0.034), (-0.026, 0.006, 0.034), (-0.03, 0.019, 0.032)]
    wood = merged([sweep(stem, 0.0019, 8), sweep(smooth_curve(cross, 8), 0.0018, 8)])
    parts.append(Part(wood, Surface(varied(rng, (0.42, 0.36, 0.15)), "matte")))
    if rng.random() < 0.5:
        leaf = _lobed_leaf(0.05).turned("y", 6.0).turned("z", rng.uniform(120, 240)).moved(-0.012, 0.0, 0.031)
        parts.append(Part(leaf, leaf_surface(rng, (0.26, 0.48, 0.15))))
    return settled(parts)


def _lattice(u: np.ndarray, v: np.ndarray, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Where in its cell a point is, -0.5 to 0.5 across and up; every other row is shifted by half a cell."""
    row = np.floor(v * rows)
    x = u * columns + 0.5 * (row % 2)
    return x - np.floor(x) - 0.5, v * rows - row - 0.5


@kind("strawberry", colours=("red",), hypernyms=FRUIT)
def strawberry(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.021, 0.025), rng.uniform(0.046, 0.056)
    shoulder = rng.uniform(0.7, 0.8)
    profile = smooth_curve(
        [(0.0, 0.0), (0.24, 0.03), (0.62, 0.3), (0.93, 0.58), (1.0, shoulder), (0.8, 0.93), (0.4, 0.99), (0.0, 0.95)],
        60,
    )
    body = lathe(profile.clip(0) * [radius, height], 66)
    columns, rows = 12, 11

    def seed(u: np.ndarray, v: np.ndarray, size: float) -> np.ndarray:
        x, y = _lattice(u, v, columns, rows)
        narrow = 0.35 + 0.65 * np.sin(np.pi * v.clip(0.02, 0.98)) ** 0.6
        return (1.6 - np.hypot(x * narrow * 1.5, y) / size).clip(0, 1) * ((v > 0.05) & (v < 0.88))

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.08 * clouds(rng, u, v, 3, 2.0)
        colour = np.asarray(mixed(look.rgb, (0.85, 0.05, 0.06), 0.5)) * shade[..., None]
        colour = over(colour, (0.95, 0.72, 0.5), 0.7 * (v - 0.86) / 0.1)
        colour = over(colour, (0.45, 0.02, 0.03), 0.6 * seed(u, v, 0.27))
        return over(colour, (0.95, 0.78, 0.32), 1.5 * seed(u, v, 0.13))

    dent = 1 - 0.035 * seed(body.uv[:, 0], body.uv[:, 1], 0.3)[:, None]
    body = replace(body, vertices=(body.vertices * np.hstack([dent, dent, np.ones_like(dent)])).astype(np.float32))
    parts = [Part(body, Surface(look.rgb, "glossy", painted_skin(skin, 256, 256), roughness=0.25))]
    count = int(rng.integers(7, 10))
    leaves = [
        leaf_mesh(rng.uniform(0.018, 0.024), 0.009, rise=rng.uniform(0.0, 0.35))
        .turned("y", rng.uniform(-8, 14))
        .turned("z", 360.0 * k / count + rng.uniform(-8, 8))
        for k in range(count)
    ]
    parts.append(Part(merged(leaves).moved(z=height), leaf_surface(rng, (0.22, 0.55, 0.12))))
    parts += moved([twig(rng, 0.014, 0.0013, (0.35, 0.55, 0.18))], z=height - 0.001)
    return settled(turned(parts, "y", rng.uniform(50, 75)))


@kind("pineapple", hypernyms=FRUIT)
def pineapple(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.04, 0.048), rng.uniform(0.095, 0.12)
    profile = smooth_curve(
        [(0.0, 0.0), (0.6, 0.0), (0.86, 0.1), (1.0, 0.4), (0.94, 0.75), (0.7, 0.95), (0.35, 1.0), (0.0, 1.0)], 64
    )
    body = lathe(profile.clip(0) * [radius, height], 80)
    columns, rows = int(rng.integers(8, 10)), rng.uniform(5.5, 6.5)

    def eye(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """1 in the middle of each eye, 0 on the lines between them."""
        p, q = columns * u + rows * v, columns * u - rows * v
        return 1 - 2 * np.maximum(np.abs(p - np.round(p)), np.abs(q - np.round(q)))

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        inside = eye(u, v)
        base = mixed(varied(rng, (0.85, 0.58, 0.13), 0.04), (0.55, 0.52, 0.15), rng.uniform(0, 0.5))
        colour = np.asarray(base) * (1 + 0.12 * clouds(rng, u, v, 5, 4.0))[..., None]
        colour = over(colour, (0.30, 0.17, 0.05), (0.30 - inside) / 0.22)
        return over(colour, (0.36, 0.22, 0.08), 0.8 * (inside - 0.72) / 0.15)

    swell = 1 + 0.07 * np.sqrt(eye(body.uv[:, 0], body.uv[:, 1]).clip(0))[:, None] - 0.04
    body = replace(body, vertices=(body.vertices * np.hstack([swell, swell, np.ones_like(swell)])).astype(np.float32))
    parts = [Part(body, Surface((0.8, 0.55, 0.15), "glossy", painted_skin(skin, 256, 256), roughness=0.5))]
    leaves = []
    for k in range(34):
        t = k / 33
        leaf = leaf_mesh(rng.uniform(0.9, 1.1) * (0.042 + 0.035 * t), 0.013, 0.5 * (1.0 - t), 0.6, 0.8)
        leaves.append(leaf.turned("y", -(18.0 + 64.0 * t)).turned("z", 137.5 * k).moved(z=height - 0.004 + 0.012 * t))
    parts.append(Part(merged(leaves), leaf_surface(rng, (0.22, 0.42, 0.16))))
    return settled(turned(parts, "x", rng.uniform(-3, 3)))
