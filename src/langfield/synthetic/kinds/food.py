"""Fruit, vegetables and things from the bakery."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from langfield.synthetic.meshes import (
    Mesh,
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
from langfield.synthetic.things import Look, Part, Surface, kind, varied

RGB = tuple[float, float, float]
_LEAF: RGB = (0.20, 0.46, 0.13)
_TWIG: RGB = (0.33, 0.22, 0.11)
_CREAM: RGB = (0.94, 0.88, 0.74)
_SPRINKLES: tuple[RGB, ...] = (
    (0.95, 0.25, 0.3),
    (0.98, 0.8, 0.15),
    (0.2, 0.55, 0.9),
    (0.97, 0.97, 0.95),
    (0.3, 0.75, 0.35),
    (0.95, 0.5, 0.75),
)
_FRUIT = ("fruit", "food", "something to eat")
_VEGETABLE = ("vegetable", "food", "something to eat")
_BAKED = ("food", "something to eat")


def _mix(a: Sequence[float], b: Sequence[float], share: float) -> RGB:
    """`a` with a `share` of `b`, from 0 to 1."""
    return tuple(float(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _picture(colour: Callable[[np.ndarray, np.ndarray], np.ndarray], width: int = 160, height: int = 160) -> np.ndarray:
    """A texture of `colour` (H, W, 3), 0 to 1, at uv (H, W); v goes up."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    return np.rint(colour(u, v).clip(0, 1) * 255).astype(np.uint8)


def _over(below: np.ndarray | Sequence[float], above: Sequence[float], share: np.ndarray) -> np.ndarray:
    return np.asarray(below) + (np.asarray(above) - np.asarray(below)) * share.clip(0, 1)[..., None]


def _clouds(rng: np.random.Generator, u: np.ndarray, v: np.ndarray, across: int, along: float) -> np.ndarray:
    """Soft noise on a grid, about -1 to 1, that joins up over u; with up to `across` and `along` waves."""
    columns = np.exp(2j * np.pi * np.outer(rng.integers(-across, across + 1, 9), u[0]))
    rows = np.exp(2j * np.pi * (np.outer(v[:, 0], rng.uniform(-along, along, 9)) + rng.random(9)))
    return (rows @ columns).real / 4.5


def _spots(
    rng: np.random.Generator, u: np.ndarray, v: np.ndarray, count: int, radius: tuple[float, float], aspect: float = 1.0
) -> np.ndarray:
    """1 inside about `count` random spots, 0 outside; `radius` (from, to) in v, `aspect` the length of u over v's."""
    rows = max(round((count / aspect) ** 0.5), 1)
    columns = max(round(count / rows), 1)
    i, j = np.floor(v * rows).astype(int).clip(0, rows - 1), np.floor(u * columns).astype(int) % columns
    x, y = rng.uniform(0.2, 0.8, (2, rows, columns))  # each has a cell of its own
    r = rng.uniform(*radius, (rows, columns)) * (rng.random((rows, columns)) < 0.85) + 1e-6
    away = np.hypot((u * columns - j - x[i, j]) / columns * aspect, (v * rows - i - y[i, j]) / rows)
    return (3 - 2 * away / r[i, j]).clip(0, 1)


def _bumpy(rng: np.random.Generator, mesh: Mesh, amount: float, size: float) -> Mesh:
    """Moved in and out from its middle by a share `amount`, in waves of about `size` metres."""
    middle = mesh.bounds.mean(axis=0)
    away = mesh.vertices - middle
    waves = rng.normal(size=(3, 14)) / size * 3
    swell = np.cos(away @ waves + rng.uniform(0, 2 * np.pi, 14)).sum(axis=1, keepdims=True) / 4
    return replace(mesh, vertices=(middle + away * (1 + amount * swell)).astype(np.float32))


def _outward(mesh: Mesh) -> Mesh:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    return mesh if np.einsum("ij,ij->", a, np.cross(b, c)) > 0 else replace(mesh, faces=mesh.faces[:, ::-1].copy())


def _leaf(length: float, width: float, rise: float = 0.3, fold: float = 0.25, blunt: float = 1.0) -> Mesh:
    """A leaf from the origin along +x; `rise` and `fold` are shares of its length and width."""
    t = np.linspace(0, 1, 10)[:, None]
    s = np.linspace(-1, 1, 5)[None]
    half = width / 2 * np.sin(np.pi * t**0.75) ** blunt
    z = length * rise * (t - 1.2 * t**2) * 2 + fold * np.abs(s) * half
    return grid_mesh(np.stack([length * t + 0 * s, half * s, z], -1))


def _leaf_surface(rng: np.random.Generator, rgb: RGB = _LEAF) -> Surface:
    return Surface(varied(rng, rgb), "glossy", roughness=0.5)


def _twig(rng: np.random.Generator, height: float, radius: float, rgb: RGB = _TWIG) -> Part:
    """A stem that stands at the origin and bends a little."""
    angle, lean = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.2, 0.6)
    path = smooth_curve([(0.0, 0.0, 0.0), (0.2 * lean, 0.0, height * 0.5), (lean, 0.0, height)], 10)
    mesh = sweep(path, radius * np.linspace(0.8, 1.25, 10) ** 1.5, 8).turned("z", np.degrees(angle))
    return Part(mesh, Surface(varied(rng, rgb), "matte"))


def _moved(parts: Sequence[Part], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Part]:
    return [replace(part, mesh=part.mesh.moved(x, y, z)) for part in parts]


def _turned(parts: Sequence[Part], axis: str, degrees: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.turned(axis, degrees)) for part in parts]


def _settled(parts: Sequence[Part]) -> list[Part]:
    """On the table, around the origin."""
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    return _moved(parts, float(-(low[0] + high[0]) / 2), float(-(low[1] + high[1]) / 2), float(-low[2]))


def _warm(rgb: RGB) -> RGB:
    """A white that can be eaten."""
    return _mix(rgb, (0.95, 0.92, 0.86), 0.65)


@kind("apple", colours=("red", "green", "yellow"), hypernyms=_FRUIT)
def _apple(rng: np.random.Generator, look: Look) -> list[Part]:
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
    rgb = _mix(look.rgb, (0.50, 0.70, 0.16), 0.55) if look.colour == "green" else look.rgb
    streak = {"red": (0.93, 0.62, 0.22), "green": (0.74, 0.84, 0.40)}.get(look.colour, (0.93, 0.55, 0.22))

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        streaks = 0.3 * _clouds(rng, u, v, 40, 1.2) + 0.25 * _clouds(rng, u, v, 3, 1.0)
        colour = _over(np.broadcast_to(rgb, (*u.shape, 3)), streak, 0.12 + 0.5 * streaks)
        colour = _over(colour, (0.80, 0.72, 0.32), 0.75 * ((v - 0.86) / 0.1).clip(0, 1))
        return _over(colour, (0.95, 0.9, 0.7), 0.4 * _spots(rng, u, v, 60, (0.004, 0.007), 2.0))

    parts = [Part(body, Surface(rgb, "glossy", _picture(skin), roughness=0.25))]
    parts += _moved([_twig(rng, rng.uniform(0.018, 0.026), 0.0016)], z=height * 0.76)
    if rng.random() < 0.75:
        leaf = _leaf(rng.uniform(0.03, 0.042), rng.uniform(0.014, 0.02)).turned("y", -rng.uniform(5, 30))
        leaf = leaf.turned("z", rng.uniform(0, 360)).moved(z=height * 0.95)
        parts.append(Part(leaf, _leaf_surface(rng)))
    return _settled(parts)


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
    mesh = _outward(grid_mesh(np.concatenate([ends[0], points, ends[1]]), wrap_v=True))
    ripe = rng.random()

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = _over(
            np.broadcast_to(look.rgb, (*u.shape, 3)), (0.62, 0.68, 0.16), 0.7 * (0.22 - v) / 0.14 * (1 - ripe * 0.6)
        )
        ridge = np.cos(5 * 2 * np.pi * u + 0.4)
        colour = _over(colour, (0.55, 0.40, 0.08), 0.35 * (ridge - 0.86) / 0.14)
        colour = _over(colour, (0.30, 0.17, 0.06), (0.2 + 0.7 * ripe) * _spots(rng, u, v, 26, (0.004, 0.014), 0.5))
        return _over(colour, (0.16, 0.10, 0.05), np.maximum((0.055 - v) / 0.03, (v - 0.94) / 0.02))

    return Part(mesh, Surface(look.rgb, "glossy", _picture(skin, 96, 192), roughness=0.45))


@kind("banana", colours=("yellow",), hypernyms=_FRUIT)
def _banana(rng: np.random.Generator, look: Look) -> list[Part]:
    length, thick, bend = rng.uniform(0.16, 0.2), rng.uniform(0.016, 0.019), rng.uniform(1.5, 2.1)
    count = int(rng.choice([1, 1, 2, 3]))
    parts: list[Part] = []
    for k in range(count):
        one = [_one_banana(rng, look, length * rng.uniform(0.93, 1.05), thick, bend * rng.uniform(0.9, 1.1))]
        one = _turned(one, "x", rng.uniform(-8, 8))
        one = _turned(_turned(one, "y", -9.0 * (k % 2.0)), "z", -16.0 * k)
        parts += _moved(one, z=-float(one[0].mesh.vertices[:, 2].min()))
    if count > 1:
        crown = ellipsoid(0.011, 0.013, 0.009, 16).moved(-0.001, 0.0, thick * 0.9)
        parts.append(Part(crown, Surface((0.22, 0.15, 0.06), "matte")))
    return _settled(parts)


def _peel(rng: np.random.Generator, rgb: RGB) -> np.ndarray:
    """Citrus skin: pores and a soft change of shade."""

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.05 * _clouds(rng, u, v, 2, 1.0) + 0.05 * _clouds(rng, u, v, 60, 40.0)
        return np.asarray(rgb) * shade[..., None]

    return _picture(skin)


@kind("orange", hypernyms=_FRUIT)
def _orange(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.035, 0.042)
    rgb = varied(rng, (0.95, 0.47, 0.04), 0.03)
    body = _bumpy(rng, ellipsoid(radius, radius, radius * rng.uniform(0.9, 0.98), 76), 0.0035, 0.0045)
    parts = [Part(body, Surface(rgb, "glossy", _peel(rng, rgb), roughness=0.4))]
    top = float(body.vertices[:, 2].max())
    button = merged([ellipsoid(0.0035, 0.0022, 0.0016, 10).turned("z", 72.0 * k).moved(z=top) for k in range(3)])
    parts.append(Part(button, Surface((0.36, 0.42, 0.14), "matte")))
    if rng.random() < 0.4:
        leaf = _leaf(0.04, 0.019).turned("y", -12.0).turned("z", rng.uniform(0, 360)).moved(z=top)
        parts.append(Part(leaf, _leaf_surface(rng)))
    return _settled(_turned(parts, "x", rng.uniform(-45, 45)))


@kind("pear", colours=("green", "yellow"), hypernyms=_FRUIT)
def _pear(rng: np.random.Generator, look: Look) -> list[Part]:
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
    rgb = _mix(look.rgb, (0.72, 0.80, 0.22), 0.55) if look.colour == "green" else look.rgb
    blush = rng.uniform(0, 0.3)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        side = np.cos(2 * np.pi * u) * np.sin(np.pi * v)
        colour = _over(
            np.broadcast_to(rgb, (*u.shape, 3)), (0.85, 0.42, 0.18), blush * (side + 0.3 * _clouds(rng, u, v, 6, 4.0))
        )
        colour = _over(colour, (0.42, 0.33, 0.12), 0.5 * _spots(rng, u, v, 130, (0.003, 0.006), 2.0))
        return _over(colour, (0.42, 0.30, 0.12), np.maximum(v - 0.93, 0.06 - v) * 9)

    parts = [Part(body, Surface(rgb, "glossy", _picture(skin), roughness=0.4))]
    top = 0.97 * height
    tip = float(lean.max())
    parts += _moved([_twig(rng, rng.uniform(0.018, 0.028), 0.0017)], tip, z=top - 0.003)
    if rng.random() < 0.5:
        leaf = _leaf(0.036, 0.017).turned("y", -20.0).turned("z", rng.uniform(0, 360))
        parts.append(Part(leaf.moved(tip, z=top + 0.006), _leaf_surface(rng)))
    return _settled(parts)


@kind("lemon", colours=("yellow",), hypernyms=_FRUIT)
def _lemon(rng: np.random.Generator, look: Look) -> list[Part]:
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
    body = _bumpy(rng, lathe(profile.clip(0) * [radius, length], 60), 0.006, 0.005)
    body = body.turned("y", 90.0)
    rgb = _mix(look.rgb, (0.98, 0.86, 0.12), 0.5)
    stem = ellipsoid(0.002, 0.0035, 0.0035, 12).moved(0.0005)
    parts = [
        Part(body, Surface(rgb, "glossy", _peel(rng, rgb), roughness=0.35)),
        Part(stem, Surface((0.42, 0.45, 0.16), "matte")),
    ]
    if rng.random() < 0.35:
        leaf = _leaf(0.04, 0.017).turned("y", -35.0).turned("z", 180.0 + rng.uniform(-40, 40))
        parts.append(Part(leaf.moved(0.001), _leaf_surface(rng)))
    return _settled(_turned(parts, "y", rng.uniform(-6, 6)))


@kind("grapes", colours=("purple", "green"), synonyms=("bunch of grapes",), hypernyms=_FRUIT)
def _grapes(rng: np.random.Generator, look: Look) -> list[Part]:
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
    rgb = _mix(look.rgb, (0.62, 0.74, 0.24), 0.6) if look.colour == "green" else _mix(look.rgb, (0.28, 0.07, 0.32), 0.5)
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
        parts.append(Part(leaf, _leaf_surface(rng, (0.26, 0.48, 0.15))))
    return _settled(parts)


def _lobed_leaf(size: float) -> Mesh:
    """A vine leaf from the origin along +x."""
    angle = np.linspace(-np.pi, np.pi, 49)[None]
    s = np.linspace(0, 1, 6)[:, None]
    reach = (0.62 + 0.24 * np.cos(5 * angle) + 0.07 * np.cos(15 * angle)) * size / 1.4
    z = -0.35 * size * (s * reach / size) ** 2 + 0.02 * size * s * np.cos(5 * angle)
    return grid_mesh(np.stack([s * reach * np.cos(angle) + size * 0.45 * (s > -1), s * reach * np.sin(angle), z], -1))


def _lattice(u: np.ndarray, v: np.ndarray, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Where in its cell a point is, -0.5 to 0.5 across and up; every other row is shifted by half a cell."""
    row = np.floor(v * rows)
    x = u * columns + 0.5 * (row % 2)
    return x - np.floor(x) - 0.5, v * rows - row - 0.5


@kind("strawberry", colours=("red",), hypernyms=_FRUIT)
def _strawberry(rng: np.random.Generator, look: Look) -> list[Part]:
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
        shade = 1 + 0.08 * _clouds(rng, u, v, 3, 2.0)
        colour = np.asarray(_mix(look.rgb, (0.85, 0.05, 0.06), 0.5)) * shade[..., None]
        colour = _over(colour, (0.95, 0.72, 0.5), 0.7 * (v - 0.86) / 0.1)
        colour = _over(colour, (0.45, 0.02, 0.03), 0.6 * seed(u, v, 0.27))
        return _over(colour, (0.95, 0.78, 0.32), 1.5 * seed(u, v, 0.13))

    dent = 1 - 0.035 * seed(body.uv[:, 0], body.uv[:, 1], 0.3)[:, None]
    body = replace(body, vertices=(body.vertices * np.hstack([dent, dent, np.ones_like(dent)])).astype(np.float32))
    parts = [Part(body, Surface(look.rgb, "glossy", _picture(skin, 256, 256), roughness=0.25))]
    count = int(rng.integers(7, 10))
    leaves = [
        _leaf(rng.uniform(0.018, 0.024), 0.009, rise=rng.uniform(0.0, 0.35))
        .turned("y", rng.uniform(-8, 14))
        .turned("z", 360.0 * k / count + rng.uniform(-8, 8))
        for k in range(count)
    ]
    parts.append(Part(merged(leaves).moved(z=height), _leaf_surface(rng, (0.22, 0.55, 0.12))))
    parts += _moved([_twig(rng, 0.014, 0.0013, (0.35, 0.55, 0.18))], z=height - 0.001)
    return _settled(_turned(parts, "y", rng.uniform(50, 75)))


def _rind(rng: np.random.Generator, rgb: RGB, stripes: int) -> np.ndarray:
    """Watermelon skin; the stripes run along v."""

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        jag = 0.012 * _clouds(rng, u, v, 3, 9.0) + 0.009 * _clouds(rng, u, v, 25, 16.0)
        wave = np.cos(2 * np.pi * stripes * (u + jag))
        light = np.broadcast_to(_mix(rgb, (0.60, 0.74, 0.30), 0.62), (*u.shape, 3))
        mottled = _over(light, rgb, 0.25 * _clouds(rng, u, v, 40, 20.0))
        return _over(mottled, _mix(rgb, (0.03, 0.2, 0.07), 0.7), 0.5 + 2.2 * wave)

    return _picture(skin, 256, 128)


def _flesh(rng: np.random.Generator, rind: RGB, seeds: int, aspect: float, row: float = 0.68) -> np.ndarray:
    """A cut watermelon: v goes from the heart to the rind, u along; `aspect` is the length of u over that of v."""

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.07 * _clouds(rng, u, v, 8, 5.0) + 0.04 * _clouds(rng, u, v, 40, 30.0)
        colour = np.asarray(varied(rng, (0.88, 0.16, 0.17), 0.03)) * shade[..., None]
        colour = _over(colour, (0.93, 0.92, 0.78), (v - 0.84) / 0.05)
        x = (np.arange(seeds) + rng.uniform(0.2, 0.8, seeds)) / seeds
        y = row + rng.uniform(-0.16, 0.1, seeds)
        away = [np.hypot((u - a) * aspect / 0.032, (v - b) / 0.06) for a, b in zip(x, y, strict=True)]
        colour = _over(colour, (0.07, 0.04, 0.03), 3 - 3 * np.min(away, axis=0))
        return _over(colour, rind, (v - 0.94) / 0.015)

    return _picture(cut, 256, 160)


@kind("watermelon", colours=("green", "red"), hypernyms=_FRUIT)
def _watermelon(rng: np.random.Generator, look: Look) -> list[Part]:
    if look.colour == "red":
        return _watermelon_wedge(rng) if rng.random() < 0.5 else _watermelon_slice(rng)
    radius, length = rng.uniform(0.062, 0.075), rng.uniform(0.14, 0.2)
    rgb = _mix(look.rgb, (0.1, 0.4, 0.12), 0.5)
    skin = Surface(rgb, "glossy", _rind(rng, rgb, int(rng.integers(8, 12))), roughness=0.25)
    body = ellipsoid(radius, radius, length / 2.0, 56)
    stem = sweep(smooth_curve([(0.0, 0.0, 0.0), (0.002, 0.0, 0.008), (0.01, 0.002, 0.015)], 8), 0.0028, 8)
    parts = [Part(body, skin), Part(stem.moved(z=length / 2.0 - 0.001), Surface((0.45, 0.42, 0.2), "matte"))]
    return _settled(_turned(parts, "y", 90.0 + rng.uniform(-8, 8)))


def _watermelon_wedge(rng: np.random.Generator) -> list[Part]:
    """A piece cut lengthwise, rind below."""
    radius, half, open_degrees = rng.uniform(0.055, 0.068), rng.uniform(0.075, 0.095), rng.uniform(35, 44)
    rind = varied(rng, (0.12, 0.42, 0.14))
    t = np.linspace(-1, 1, 40)
    reach = radius * np.sqrt((1 - t**2).clip(0))
    angles = np.radians(np.linspace(-open_degrees, open_degrees, 16))
    outer = np.stack(
        [half * t[:, None] + 0 * angles, reach[:, None] * np.sin(angles), -reach[:, None] * np.cos(angles)], -1
    )
    skin = Part(grid_mesh(outer), Surface(rind, "glossy", _rind(rng, rind, 2), roughness=0.25))
    parts = [skin]
    s = np.linspace(0, 1, 10)[:, None]
    for angle in (angles[0], angles[-1]):
        cut = np.stack([half * t + 0 * s, s * reach * np.sin(angle), -s * reach * np.cos(angle)], -1)
        texture = _flesh(rng, rind, int(rng.integers(7, 11)), 2.0 * half / radius)
        parts.append(Part(grid_mesh(cut), Surface((0.85, 0.15, 0.16), "glossy", texture, roughness=0.35)))
    return _settled(_turned(parts, "x", rng.uniform(-8, 8)))


def _watermelon_slice(rng: np.random.Generator) -> list[Part]:
    """A slice, half or a third of a round, that stands on its rind or lies."""
    radius, thick = rng.uniform(0.065, 0.085), rng.uniform(0.018, 0.026)
    open_degrees = rng.uniform(32, 90)
    rind = varied(rng, (0.12, 0.42, 0.14))
    angles = np.radians(np.linspace(-open_degrees, open_degrees, 36))
    arc = np.stack([np.sin(angles), 0 * angles, -np.cos(angles)], -1) * radius
    s = np.linspace(0, 1, 8)[:, None, None]
    texture = _flesh(rng, rind, int(3 + open_degrees / 12), 2.0 * np.radians(open_degrees) * 0.68)
    flesh = Surface((0.85, 0.15, 0.16), "glossy", texture, roughness=0.35)
    sides = [Part(grid_mesh(arc * s + [0, y, 0]), flesh) for y in (-thick / 2, thick / 2)]
    edge = np.linspace(-thick / 2, thick / 2, 2)[:, None, None] * [0, 1, 0]
    skin = Part(grid_mesh(arc + edge), Surface(rind, "glossy", roughness=0.3))
    ends = [
        Part(
            grid_mesh(arc[k] * s[:, 0][:, None] + edge.transpose(1, 0, 2)), Surface((0.88, 0.2, 0.2), "glossy", texture)
        )
        for k in (0, -1)
    ]
    parts = [*sides, skin, *ends]
    return _settled(_turned(parts, "x", rng.choice([90.0, rng.uniform(-12, 12), rng.uniform(-12, 12)])))


@kind("pineapple", hypernyms=_FRUIT)
def _pineapple(rng: np.random.Generator, look: Look) -> list[Part]:
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
        base = _mix(varied(rng, (0.85, 0.58, 0.13), 0.04), (0.55, 0.52, 0.15), rng.uniform(0, 0.5))
        colour = np.asarray(base) * (1 + 0.12 * _clouds(rng, u, v, 5, 4.0))[..., None]
        colour = _over(colour, (0.30, 0.17, 0.05), (0.30 - inside) / 0.22)
        return _over(colour, (0.36, 0.22, 0.08), 0.8 * (inside - 0.72) / 0.15)

    swell = 1 + 0.07 * np.sqrt(eye(body.uv[:, 0], body.uv[:, 1]).clip(0))[:, None] - 0.04
    body = replace(body, vertices=(body.vertices * np.hstack([swell, swell, np.ones_like(swell)])).astype(np.float32))
    parts = [Part(body, Surface((0.8, 0.55, 0.15), "glossy", _picture(skin, 256, 256), roughness=0.5))]
    leaves = []
    for k in range(34):
        t = k / 33
        leaf = _leaf(rng.uniform(0.9, 1.1) * (0.042 + 0.035 * t), 0.013, 0.5 * (1.0 - t), 0.6, 0.8)
        leaves.append(leaf.turned("y", -(18.0 + 64.0 * t)).turned("z", 137.5 * k).moved(z=height - 0.004 + 0.012 * t))
    parts.append(Part(merged(leaves), _leaf_surface(rng, (0.22, 0.42, 0.16))))
    return _settled(_turned(parts, "x", rng.uniform(-3, 3)))


@kind("carrot", colours=("orange",), hypernyms=_VEGETABLE)
def _carrot(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, length = rng.uniform(0.016, 0.021), rng.uniform(0.12, 0.155)
    t = np.linspace(0, 1, 60)
    taper = np.interp(
        t,
        *smooth_curve(
            [(0.0, 0.02), (0.03, 0.13), (0.25, 0.45), (0.6, 0.75), (0.9, 1.0), (0.97, 0.9), (1.0, 0.35)], 60
        ).T,
    )
    rings = np.cumsum(rng.normal(size=60))
    rings = 1 + 0.025 * np.sin(rings * 1.7)
    profile = np.concatenate([[[0, 0]], np.stack([taper * rings * radius, t * length], -1), [[0, length]]])
    body = lathe(profile, 36)
    bow = rng.uniform(-0.01, 0.01) * np.sin(np.pi * body.vertices[:, 2:] / length)
    body = replace(body, vertices=(body.vertices + np.hstack([0 * bow, bow, 0 * bow])).astype(np.float32))
    rgb = _mix(look.rgb, (0.94, 0.42, 0.05), 0.5)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.07 * _clouds(rng, u, v, 2, 12.0))[..., None]
        scars = _clouds(rng, u, v, 4, 26.0) - 0.75 - 0.3 * _clouds(rng, u, v, 3, 2.0)
        return _over(_over(colour, (0.62, 0.24, 0.03), 0.7 * scars), (0.45, 0.42, 0.1), (v - 0.975) / 0.02)

    parts = [Part(body, Surface(rgb, "glossy", _picture(skin, 96, 256), roughness=0.5))]
    stalks, fronds = [], []
    for _ in range(int(rng.integers(6, 9))):
        lean = rng.normal(0, 0.022, 2)
        reach = rng.uniform(0.045, 0.075)
        path = smooth_curve([(0.0, 0.0, 0.0), (*(0.25 * lean), reach * 0.5), (*lean, reach)], 9)
        stalks.append(sweep(path, np.linspace(0.0018, 0.0009, 9), 6))
        for k in range(3, 9):
            for side in (-1, 1):
                leaf = _leaf(rng.uniform(0.014, 0.021), 0.009).turned("y", -rng.uniform(25, 60))
                fronds.append(leaf.turned("z", rng.uniform(0, 180) * side).moved(*path[k]))
    green = varied(rng, (0.30, 0.60, 0.15))
    parts.append(Part(merged(stalks).moved(z=length - 0.002), Surface(green, "matte")))
    parts.append(Part(merged(fronds).moved(z=length - 0.002), Surface(varied(rng, green), "matte")))
    parts = _turned(parts, "y", 90.0 + np.degrees(np.arctan(0.45 * radius / length)))
    floor = float(parts[0].mesh.vertices[:, 2].min())
    return _settled([replace(part, mesh=_lifted(part.mesh.moved(z=-floor))) for part in parts])


def _lifted(mesh: Mesh) -> Mesh:
    """What would be under the table, laid on it."""
    return replace(mesh, vertices=np.maximum(mesh.vertices, np.array([-np.inf, -np.inf, 0.0], np.float32)))


@kind("mushroom", colours=("white", "brown"), hypernyms=_VEGETABLE)
def _mushroom(rng: np.random.Generator, look: Look) -> list[Part]:
    parts = _one_mushroom(rng, look, 1.0)
    if rng.random() < 0.4:
        small = _one_mushroom(rng, look, rng.uniform(0.55, 0.75))
        parts += _moved(
            _turned(small, "x", rng.uniform(-8, 8)), rng.uniform(0.03, 0.04), rng.uniform(-0.02, 0.02), 0.001
        )
    return _settled(parts)


def _one_mushroom(rng: np.random.Generator, look: Look, size: float) -> list[Part]:
    radius, dome = rng.uniform(0.027, 0.034) * size, rng.uniform(0.024, 0.032) * size
    stalk, thick = rng.uniform(0.03, 0.042) * size, rng.uniform(0.009, 0.012) * size
    cap = smooth_curve([(0.86, -0.02), (1.0, 0.08), (0.97, 0.35), (0.72, 0.76), (0.36, 0.96), (0.0, 1.0)], 30) * [
        radius,
        dome,
    ]
    under = np.array([(thick * 0.8, dome * 0.22), (radius * 0.5, dome * 0.12), (radius * 0.86, -dome * 0.02)])
    whitish = look.colour == "white"
    pale = _mix(look.rgb, (0.95, 0.92, 0.84), 0.8) if whitish else (0.90, 0.83, 0.70)
    rgb = _warm(look.rgb) if whitish else _mix(look.rgb, (0.50, 0.30, 0.15), 0.5)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.05 * _clouds(rng, u, v, 3, 3.0))[..., None]
        flecks = _spots(rng, u, v, 40, (0.008, 0.02), 3.0) * (v > 0.35)
        return _over(colour, _mix(rgb, (0.55, 0.42, 0.3) if whitish else pale, 0.45), 0.45 * flecks)

    def gills(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        line = 0.5 + 0.5 * np.cos(2 * np.pi * 60 * u)
        return _over(np.broadcast_to(_mix((0.62, 0.45, 0.36), rgb, 0.3), (*u.shape, 3)), (0.35, 0.23, 0.17), 0.8 * line)

    stem = lathe(
        smooth_curve([(0.0, 0.0), (0.7, 0.0), (1.1, 0.12), (0.92, 0.5), (0.95, 1.2)], 20).clip(0) * [thick, stalk], 28
    )
    parts = [
        Part(lathe(cap.clip([0, -1]), 44).moved(z=stalk), Surface(rgb, "matte", _picture(skin))),
        Part(lathe(under, 44).moved(z=stalk), Surface(rgb, "matte", _picture(gills, 480, 8))),
        Part(stem, Surface(pale, "matte")),
    ]
    return _turned(parts, "y", rng.uniform(-5, 5))


@kind("egg", colours=("white", "brown"), hypernyms=_BAKED)
def _egg(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, length = rng.uniform(0.021, 0.0235), rng.uniform(0.056, 0.064)
    t = np.linspace(0, np.pi, 40)
    profile = np.stack([np.sin(t) * (1 + 0.12 * np.cos(t)) * radius, (1 - np.cos(t)) / 2 * length], -1)
    body = lathe(profile.clip(0), 40)
    rgb = _warm(look.rgb) if look.colour == "white" else _mix(look.rgb, (0.78, 0.50, 0.33), 0.75)

    def shell(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.015 * _clouds(rng, u, v, 40, 20.0))[..., None]
        return _over(colour, _mix(rgb, (0.4, 0.25, 0.15), 0.5), 0.35 * _spots(rng, u, v, 50, (0.003, 0.007), 2.0))

    texture = _picture(shell) if look.colour == "brown" else None
    parts = [Part(body, Surface(rgb, "glossy", texture, roughness=0.45))]
    return _settled(_turned(_moved(parts, z=-length / 2.0), "y", 90.0 + rng.uniform(-6, 8)))


@kind(
    "donut",
    colours=("pink", "brown", "white", "yellow", "blue", "purple", "green"),
    synonyms=("doughnut",),
    hypernyms=_BAKED,
)
def _donut(rng: np.random.Generator, look: Look) -> list[Part]:
    ring, tube = rng.uniform(0.029, 0.034), rng.uniform(0.0165, 0.02)
    flat = rng.uniform(0.8, 0.95)
    dough = _bumpy(rng, torus(ring, tube, 48).scaled(1.0, 1.0, flat), 0.01, 0.03)
    crust = varied(rng, (0.76, 0.50, 0.24))
    around = np.linspace(0, 2 * np.pi, 96, endpoint=False)[:, None]
    wave = sum(np.cos(k * around + rng.uniform(0, 6)) * rng.uniform(0.3, 1) for k in (4, 6, 9, 11))
    start = np.radians(-26) + 0.16 * wave  # how far down the icing runs outside
    b = start + (np.radians(205) - start) * np.linspace(0, 1, 22)[None]
    thick = tube + 0.0022 * np.sin(np.pi * np.linspace(0, 1, 22)[None]) ** 0.35
    radial = ring + thick * np.cos(b)
    icing = grid_mesh(
        np.stack([radial * np.cos(around), radial * np.sin(around), thick * flat * np.sin(b)], -1), wrap_u=True
    )
    parts = [
        Part(dough, Surface(crust, "matte")),
        Part(icing, Surface(_warm(look.rgb) if look.colour == "white" else look.rgb, "glossy", roughness=0.2)),
    ]
    count = int(rng.integers(35, 60)) if rng.random() < 0.8 else 0
    far = [c for c in _SPRINKLES if np.abs(np.subtract(c, look.rgb)).sum() > 0.45]
    sprinkles: dict[int, list[Mesh]] = {}
    for _ in range(count):
        angle, tilt = rng.uniform(0, 360), rng.uniform(15, 165)
        rod = sweep(
            [(0.0, -0.0028, 0.0), (0.0, -0.0024, 0.0), (0.0, 0.0024, 0.0), (0.0, 0.0028, 0.0)],
            [0.0004, 0.0009, 0.0009, 0.0004],
            6,
        )
        rod = (
            rod.turned("z", rng.uniform(0, 180)).moved(z=tube + 0.0024).turned("y", 90.0 - tilt).scaled(1.0, 1.0, flat)
        )
        sprinkles.setdefault(int(rng.integers(len(far))), []).append(rod.moved(x=ring).turned("z", angle))
    parts += [Part(merged(rods), Surface(far[k], "glossy", roughness=0.3)) for k, rods in sprinkles.items()]
    return _settled(parts)


def _cheese_face(
    rng: np.random.Generator,
    at: Callable[[np.ndarray, np.ndarray], np.ndarray],
    inward: tuple[float, float, float],
    rgb: RGB,
    holes: int,
    shape: tuple[int, int],
) -> Part:
    """A face at(u, v) with round holes pressed into it."""
    centres = at(rng.uniform(0.12, 0.9, holes), rng.uniform(0.15, 0.85, holes))
    radii = rng.uniform(0.0035, 0.0085, holes)

    def depth(points: np.ndarray) -> np.ndarray:
        inside = [r**2 - ((points - centre) ** 2).sum(axis=-1) for centre, r in zip(centres, radii, strict=True)]
        return np.sqrt(np.max(inside, axis=0).clip(0))

    u, v = np.meshgrid(np.linspace(0, 1, shape[1]), np.linspace(0, 1, shape[0]))
    points = at(u, v)
    inside = (np.minimum(u, v) > 0) & (np.maximum(u, v) < 1)
    points = points + (0.75 * depth(points) * inside)[..., None] * np.asarray(inward)

    def skin(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(rgb) * (1 + 0.02 * _clouds(rng, u, v, 5, 4.0))[..., None]
        return _over(
            colour, _mix(rgb, (0.62, 0.36, 0.03), 0.75), 0.25 + depth(at(u, v)) / 0.009 - 0.25 * (depth(at(u, v)) == 0)
        )

    return Part(grid_mesh(points), Surface(rgb, "glossy", _picture(skin, 112, 112), roughness=0.45))


@kind("cheese", colours=("yellow",), synonyms=("piece of cheese",), hypernyms=_BAKED)
def _cheese(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, half = rng.uniform(0.085, 0.105), rng.uniform(0.038, 0.05), np.radians(rng.uniform(20, 28))
    rgb = _mix(look.rgb, (0.97, 0.78, 0.22), 0.5)
    low = Part(_sector_top(radius, half, 0.0), Surface(rgb))

    def side(angle: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda u, v: np.stack([radius * u * np.cos(angle), radius * u * np.sin(angle), height * v], -1)

    def top(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        angle = (2 * u - 1) * half
        return np.stack([radius * v * np.cos(angle), radius * v * np.sin(angle), height + 0 * u], -1)

    s, c = float(np.sin(half)), float(np.cos(half))
    faces = [
        _cheese_face(rng, side(-half), (s, c, 0.0), rgb, int(rng.integers(6, 10)), (30, 48)),
        _cheese_face(rng, side(half), (s, -c, 0.0), rgb, int(rng.integers(6, 10)), (30, 48)),
        _cheese_face(rng, top, (0.0, 0.0, -1.0), rgb, int(rng.integers(4, 7)), (48, 40)),
    ]
    angles = np.linspace(-half, half, 20)
    back = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], -1)
    rind = grid_mesh(np.stack([back, back + np.array([0, 0, height])]))
    parts = [*faces, low, Part(rind, Surface(_mix(rgb, (0.85, 0.5, 0.1), 0.4), "glossy", roughness=0.35))]
    return _settled(parts)


def _sector_top(radius: float, half: float, z: float) -> Mesh:
    """A flat piece of a disc between the angles -half and half, in radians."""
    angles = np.linspace(-half, half, 20)
    edge = np.stack([radius * np.cos(angles), radius * np.sin(angles), z + 0 * angles], -1)
    return grid_mesh(np.linspace(0, 1, 2)[:, None, None] * (edge - [0, 0, z]) + [0, 0, z])


@kind("bread", colours=("brown",), synonyms=("loaf of bread",), hypernyms=_BAKED)
def _bread(rng: np.random.Generator, look: Look) -> list[Part]:
    rgb = _mix(look.rgb, (0.72, 0.44, 0.18), 0.6)
    return _tin_loaf(rng, rgb) if rng.random() < 0.55 else _long_loaf(rng, rgb)


def _tin_loaf(rng: np.random.Generator, rgb: RGB) -> list[Part]:
    """A loaf baked in a tin, one end cut."""
    width, height, length = rng.uniform(0.075, 0.09), rng.uniform(0.08, 0.095), rng.uniform(0.12, 0.16)
    corners = [
        (0.0, 0.0),
        (0.42, 0.0),
        (0.47, 0.06),
        (0.48, 0.3),
        (0.47, 0.56),
        (0.54, 0.66),
        (0.53, 0.8),
        (0.36, 0.95),
        (0.0, 1.0),
    ]
    right = smooth_curve(corners, 28)
    outline = np.concatenate([right, right[-2:0:-1] * [-1, 1]]) * [width, height]
    middle = np.array([0.0, height * 0.45])
    x = np.linspace(0, 1, 26)
    swell = np.where(x < 0.9, 1.0, np.sqrt((1 - ((x - 0.9) / 0.115) ** 2).clip(0)) * 0.4 + 0.6)
    swell = swell * (1 + 0.012 * np.sin(x * rng.uniform(6, 12) + rng.uniform(0, 6)))
    section = middle + (outline - middle) * swell[:, None, None]
    body = np.concatenate([np.broadcast_to(length * x[:, None, None], (*section.shape[:2], 1)), section], axis=-1)
    closing = np.broadcast_to([length, *middle], (1, len(outline), 3))
    crust = grid_mesh(np.concatenate([body, closing]), wrap_v=True)

    def baked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        high = 0.5 - 0.5 * np.cos(2 * np.pi * u)  # 1 at the top of the loaf
        shade = 1 + 0.10 * _clouds(rng, u, v, 6, 5.0) + 0.04 * _clouds(rng, u, v, 40, 30.0)
        colour = np.asarray(_mix(rgb, (0.82, 0.58, 0.29), 0.4)) * shade[..., None]
        return _over(colour, _mix(rgb, (0.42, 0.20, 0.06), 0.5), (high - 0.62) / 0.3)

    def crumb(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(_CREAM) * (1 + 0.03 * _clouds(rng, u, v, 12, 8.0))[..., None]
        colour = _over(colour, (0.78, 0.66, 0.46), 0.6 * _spots(rng, u, v, 90, (0.008, 0.02), 3.0))
        return _over(colour, rgb, (v - 0.92) / 0.03)

    inside = Surface(_CREAM, "matte", _picture(crumb, 256, 128))
    cut = grid_mesh(_middle_to_edge(outline, middle), wrap_v=True)
    parts = [Part(crust, Surface(rgb, "matte", _picture(baked))), Part(cut, inside)]
    if rng.random() < 0.4:  # a slice leans on the loaf
        thick = 0.012
        rim = np.concatenate([np.zeros((len(outline), 1)), outline], axis=-1)
        strip = grid_mesh(np.stack([rim, rim + np.array([thick, 0, 0])]), wrap_v=True)
        piece = [Part(strip, Surface(rgb, "matte")), Part(cut, inside), Part(cut.moved(x=thick), inside)]
        piece = _turned(piece, "y", rng.uniform(12, 20))
        parts += _moved(piece, x=-0.042, z=-min(float(part.mesh.vertices[:, 2].min()) for part in piece))
    return _settled(parts)


def _middle_to_edge(outline: np.ndarray, middle: np.ndarray, rows: int = 6) -> np.ndarray:
    """Points (rows, N, 3) in the plane x = 0 from `middle` to `outline` (N, 2), both (y, z)."""
    flat = middle + np.linspace(0, 1, rows)[:, None, None] * (outline - middle)
    return np.concatenate([np.zeros((*flat.shape[:2], 1)), flat], axis=-1)


def _long_loaf(rng: np.random.Generator, rgb: RGB) -> list[Part]:
    """An oval loaf with cuts across its top."""
    length, width = rng.uniform(0.17, 0.24), rng.uniform(0.07, 0.095)
    height = width * rng.uniform(0.75, 0.9)
    cuts = int(rng.integers(3, 6))
    slant = rng.uniform(0.5, 1.0)
    t = np.linspace(-1, 1, 90)
    reach = (1 - np.abs(t) ** 2.4).clip(0) ** 0.6
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    y = reach[:, None] * np.sin(around) * width / 2
    z = np.where(np.cos(around) > 0, 0.66, 0.34) * height * np.cos(around) * reach[:, None] ** 0.8
    x = t[:, None] * length / 2 + 0 * around

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """1 in the middle of a cut; u around from the top, v along."""
        side = (u + 0.5) % 1 - 0.5
        at = (v - 0.5 - side * slant) * cuts * 1.35
        away = np.abs(at - np.round(at)) / 0.24
        near = (np.abs(np.round(at)) <= (cuts - 1) / 2 + 0.1) * (np.abs(side) < 0.17) * (1 - (side / 0.17) ** 2)
        return (1 - away**2).clip(0) * near

    u, v = np.meshgrid(around / (2 * np.pi), (t + 1) / 2)
    z = z - 0.006 * cut(u, v) + 0.003 * ((1 - cut(u, v)) * np.cos(around).clip(0))
    mesh = _outward(grid_mesh(np.stack([x, y, z], -1), wrap_v=True))

    def baked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.12 * _clouds(rng, u, v, 5, 6.0) + 0.05 * _clouds(rng, u, v, 40, 40.0)
        colour = np.asarray(_mix(rgb, (0.55, 0.29, 0.10), 0.5)) * shade[..., None]
        colour = _over(colour, (0.95, 0.88, 0.75), 0.35 * (_clouds(rng, u, v, 14, 14.0) - 0.4))
        return _over(colour, (0.88, 0.68, 0.38), 0.9 * cut(u, v))

    return _settled([Part(mesh, Surface(rgb, "matte", _picture(baked, 256, 256)))])


@kind(
    "cake",
    colours=("white", "pink", "brown", "yellow", "blue", "purple", "green"),
    hypernyms=_BAKED,
)
def _cake(rng: np.random.Generator, look: Look) -> list[Part]:
    if look.colour in ("pink", "brown", "yellow", "white") and rng.random() < 0.3:
        return _cake_slice(rng, look)
    radius, height = rng.uniform(0.055, 0.08), rng.uniform(0.045, 0.065)
    rgb = _warm(look.rgb) if look.colour == "white" else look.rgb
    icing = Surface(rgb, "glossy", roughness=0.45)
    body = lathe([(0.0, 0.0), (radius, 0.0), *_rounded_edge(radius, height, 0.008), (0.0, height)], 64)
    parts = [Part(body, icing)]
    # the icing that runs down is of the same colour, lighter or darker, for the colour's word to stay true
    dark = {"brown": (0.16, 0.08, 0.04), "white": (0.93, 0.62, 0.70), "yellow": (1.0, 0.62, 0.1)}.get(look.colour)
    drip = (
        _mix(rgb, (1.0, 0.98, 0.95), 0.5) if dark is None else _mix(rgb, dark, 0.25 if look.colour == "white" else 0.5)
    )
    if rng.random() < 0.5:
        parts.append(Part(_drips(rng, radius, height), Surface(drip, "glossy", roughness=0.2)))
        dollop_surface = icing
    else:
        dollop_surface = Surface(_mix(rgb, drip, 0.6), "glossy", roughness=0.4)
    foot = [ellipsoid(0.0055, 0.0055, 0.005, 10).moved(radius).turned("z", 12.0 * k) for k in range(30)]
    parts.append(Part(merged(foot).on_table(), dollop_surface))
    count = int(rng.integers(6, 9))
    spots = [(0.74 * radius * np.cos(a), 0.74 * radius * np.sin(a)) for a in np.linspace(0, 2 * np.pi, count + 1)[:-1]]
    swirl = lathe(
        smooth_curve(
            [(0.0, -0.002), (0.009, 0.0), (0.0095, 0.003), (0.006, 0.006), (0.0045, 0.009), (0.0, 0.013)], 16
        ).clip([0, -1]),
        16,
    )
    if rng.random() < 0.5:
        parts.append(Part(merged([swirl.moved(x, y, height) for x, y in spots]), dollop_surface))
        cherries = merged([ellipsoid(0.0075, None, None, 16).moved(x, y, height + 0.014) for x, y in spots])
        parts.append(Part(cherries, Surface((0.72, 0.03, 0.06), "glossy", roughness=0.12)))
    else:
        candles = spots if rng.random() < 0.5 else [(0.0, 0.0)]
        parts += [part for x, y in candles for part in _moved(_candle(rng, 0.035), x, y, height - 0.003)]
        far = [c for c in _SPRINKLES if np.abs(np.subtract(c, look.rgb)).sum() > 0.45]
        for colour in far[:4]:
            angle, away = rng.uniform(0, 2 * np.pi, 9), radius * 0.9 * np.sqrt(rng.random(9))
            bits = [
                rounded_box(0.005, 0.0016, 0.0016, 0.0004, 1)
                .turned("z", rng.uniform(0, 180))
                .moved(r * np.cos(a), r * np.sin(a), height)
                for a, r in zip(angle, away, strict=True)
            ]
            parts.append(Part(merged(bits), Surface(colour)))
    return _settled(parts)


def _rounded_edge(radius: float, height: float, bend: float) -> list[tuple[float, float]]:
    """Profile points of a top edge, from the wall to the top."""
    angles = np.linspace(0, np.pi / 2, 7)
    return [(radius - bend + bend * float(np.cos(a)), height - bend + bend * float(np.sin(a))) for a in angles]


def _drips(rng: np.random.Generator, radius: float, height: float) -> Mesh:
    """Icing over the top that runs down the side here and there."""
    around = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    runs = int(rng.integers(10, 15))
    deep = np.repeat(rng.uniform(0.15, 0.6, runs), 8)
    deep = np.interp(around, np.linspace(0, 2 * np.pi, len(deep), endpoint=False), deep)
    fall = 0.009 + height * deep * (0.5 + 0.5 * np.cos(runs * around)) ** 0.8 * 0.8
    edge = np.array(_rounded_edge(radius + 0.0012, height + 0.0015, 0.008))
    rows = [np.stack([radius * np.cos(around), radius * np.sin(around), height - fall - 0.001], -1)]
    rows += [
        np.stack([(radius + out) * np.cos(around), (radius + out) * np.sin(around), height - fall * share], -1)
        for out, share in ((0.0018, 1.0), (0.0022, 0.9), (0.0016, 0.75))
    ]
    rows += [np.stack([r * np.cos(around), r * np.sin(around), 0 * around + z], -1) for r, z in edge]
    rows.append(np.broadcast_to([0, 0, height + 0.0015], (120, 3)))
    return _outward(grid_mesh(np.stack(rows), wrap_v=True))


def _candle(rng: np.random.Generator, height: float) -> list[Part]:
    first, second = (_SPRINKLES[int(k)] for k in rng.choice(len(_SPRINKLES), 2, replace=False))

    def twisted(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.where((((u + 4 * v) % 1) < 0.5)[..., None], first, second)

    flame = lathe(smooth_curve([(0.0, 0.0), (0.0024, 0.003), (0.0018, 0.007), (0.0, 0.012)], 12).clip(0), 12)
    return [
        Part(
            lathe([(0.0, 0.0), (0.0028, 0.0), (0.0028, height), (0.0, height)], 14),
            Surface(first, "glossy", _picture(twisted, 32, 64)),
        ),
        Part(cylinder(0.0005, 0.005).moved(z=height - 0.001), Surface((0.1, 0.08, 0.06))),
        Part(flame.moved(z=height + 0.002), Surface((0.98, 0.74, 0.24))),
    ]


def _cake_slice(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, half = rng.uniform(0.08, 0.1), rng.uniform(0.05, 0.065), np.radians(rng.uniform(17, 24))
    sponge = (
        _mix(look.rgb, (0.95, 0.8, 0.5), 0.25) if look.colour != "brown" else _mix(look.rgb, (0.45, 0.25, 0.12), 0.5)
    )
    cream = _mix(look.rgb, (0.98, 0.96, 0.92), 0.75)
    layers = int(rng.integers(2, 4))

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = (
            np.asarray(sponge)
            * (1 + 0.06 * _clouds(rng, u, v, 30, 20.0) - 0.1 * _spots(rng, u, v, 60, (0.01, 0.02), 1.6))[..., None]
        )
        level = (v / 0.9 * layers) % 1
        colour = _over(colour, cream, (level - 0.84) / 0.03)
        return _over(colour, look.rgb, np.maximum((v - 0.9) / 0.02, (u - 0.94) / 0.02))

    angles = np.linspace(-half, half, 20)
    icing = Surface(look.rgb, "glossy", roughness=0.4)
    back = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], -1)
    parts = [
        Part(_sector_top(radius, half, height), icing),
        Part(grid_mesh(np.stack([back, back + np.array([0, 0, height])])), icing),
        Part(_sector_top(radius, half, 0.0), icing),
    ]
    s = np.linspace(0, radius, 2)
    for angle in (-half, half):
        foot = np.stack([s * np.cos(angle), s * np.sin(angle), 0 * s], -1)
        parts.append(
            Part(grid_mesh(np.stack([foot, foot + np.array([0, 0, height])])), Surface(sponge, "matte", _picture(cut)))
        )
    spot = 0.72 * radius
    swirl = lathe(
        smooth_curve(
            [(0.0, -0.002), (0.014, 0.0), (0.015, 0.004), (0.009, 0.009), (0.006, 0.013), (0.0, 0.018)], 16
        ).clip([0, -1]),
        20,
    )
    parts.append(Part(swirl.moved(spot, 0.0, height), Surface(cream, "glossy", roughness=0.4)))
    parts.append(
        Part(
            ellipsoid(0.01, None, None, 20).moved(spot, 0.0, height + 0.019),
            Surface((0.75, 0.03, 0.06), "glossy", roughness=0.12),
        )
    )
    return _settled(parts)
