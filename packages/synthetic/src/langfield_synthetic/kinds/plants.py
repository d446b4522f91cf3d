"""Plants in pots."""

from collections.abc import Sequence

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import mixed, painted, pixels
from langfield_synthetic.meshes import Mesh, grid_mesh, lathe, merged, smooth_curve, sweep, vessel
from langfield_synthetic.things import RGB, Look, Part, Surface, kind, varied


def _leaf(
    length: float,
    width: float,
    rise: float,
    droop: float,
    *,
    widest: float = 0.45,
    base: float = 0.0,
    fold: float = 0.3,
    turn: float = 0.0,
    steps: int = 8,
    at: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0),
) -> Mesh:
    """A leaf or petal that sets out `rise` degrees above the table and bends down by `droop` degrees over its length.

    Args:
        widest: where along it, 0 to 1, it is widest. base: how wide it begins, 0 to 1.
        fold: how far its sides are lifted over its middle.
    """
    t = np.linspace(0, 1, steps + 1)
    angle = np.radians(rise - droop * t)
    step = length / (len(t) - 1)
    x = np.concatenate([[0.0], np.cumsum(np.cos(angle[:-1]) * step)])
    z = np.concatenate([[0.0], np.cumsum(np.sin(angle[:-1]) * step)])
    half = width / 2 * np.sin(np.pi * (base / 2 + (1 - base / 2) * t) ** (np.log(0.5) / np.log(widest))).clip(0.02)
    s = np.linspace(-1, 1, 5)
    lift = fold * np.abs(s)[None] * half[:, None]
    points = np.stack(
        [
            x[:, None] - np.sin(angle)[:, None] * lift,
            half[:, None] * s[None],
            z[:, None] + np.cos(angle)[:, None] * lift,
        ],
        -1,
    )
    return grid_mesh(points).turned("z", turn).moved(*map(float, at))


def _leaf_texture(rgb: RGB, veins: bool = True) -> np.ndarray:
    """Across u: a light rib in the middle, and paler edges; along v: veins, darker at the base."""
    v, u = np.meshgrid(np.linspace(1, 0, 96), np.linspace(-1, 1, 96), indexing="ij")
    shade = 0.86 + 0.26 * v if veins else 1.0 + 0.12 * v
    if veins:
        shade = shade + 0.10 * (np.sin(40 * v - 16 * np.abs(u)) > 0.75)
    picture = np.array(rgb) * shade[..., None]
    rib = np.clip(1 - np.abs(u) / 0.10, 0, 1)[..., None] * (0.35 if veins else 0.15)
    picture = picture * (1 - rib) + rib * np.array([0.75, 0.85, 0.45])
    return pixels(picture)


def _pot(rng: np.random.Generator, radius: float, height: float) -> list[Part]:
    """A flowerpot with earth in it, `radius` at its rim."""
    colours: list[RGB] = [
        (0.70, 0.36, 0.22),
        (0.70, 0.36, 0.22),
        (0.90, 0.89, 0.86),
        (0.55, 0.55, 0.55),
        (0.83, 0.75, 0.62),
    ]
    rgb = varied(rng, colours[int(rng.integers(len(colours)))])
    foot, rim = radius * rng.uniform(0.6, 0.85), height * rng.uniform(0.16, 0.26)
    if rng.random() < 0.6:
        outside = [(foot, 0.0), (radius * 0.93, height - rim), (radius, height - rim), (radius * 1.02, height)]
    else:
        belly = radius * rng.uniform(1.0, 1.12)
        outside = [*smooth_curve([(foot, 0.0), (belly, height * 0.5), (radius, height)], 16)]
    body = vessel(np.array(outside), 0.005, segments=36)
    surface = Surface(rgb) if rgb[0] > rgb[2] * 1.5 else painted(rgb, 0.2)
    earth = textures.noise(rng, (0.20, 0.13, 0.09), 0.25)
    soil = lathe([(0, height * 0.5), (radius * 0.9, height * 0.86), (0, height * 0.9)], 32)
    parts = [Part(body, surface), Part(soil, Surface(texture=earth))]
    if rng.random() < 0.5:
        saucer = lathe([(0, 0), (radius * 0.95, 0), (radius * 1.12, 0.01), (radius * 1.05, 0.011), (0, 0.005)])
        parts = [Part(part.mesh.moved(z=0.004), part.surface) for part in parts] + [Part(saucer, surface)]
    return parts


def _bush(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Leaves and stems of a round bush from the origin up."""
    leaves, stems = [], []
    wide = rng.uniform(0.5, 0.75)
    for k in range(int(rng.integers(50, 72))):
        turn, rise = 137.5 * k + rng.uniform(-15, 15), rng.uniform(5, 88)
        reach = size * rng.uniform(0.45, 0.85)
        a, b = np.radians(turn), np.radians(rise)
        tip = np.array([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), 0.25 + 0.95 * np.sin(b)]) * reach
        if k % 6 == 0:
            stems.append(sweep(smooth_curve(np.stack([0 * tip, tip * (0.3, 0.3, 0.6), tip]), 7), 0.0018, 6))
        length = size * rng.uniform(0.35, 0.5)
        leaves.append(_leaf(length, length * wide, rise * 0.7, rng.uniform(20, 70), turn=turn, steps=6, at=tip * 0.8))
    return leaves, stems


def _broad(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """A few big leaves on long stalks."""
    leaves, stems = [], []
    count, wide = int(rng.integers(9, 15)), rng.uniform(0.55, 0.8)
    for k in range(count):
        turn = 137.5 * k + rng.uniform(-20, 20)
        outer = k / count
        rise, reach = 84 - 50 * outer, size * rng.uniform(0.75, 1.0) * (1.0 - 0.35 * outer)
        a, b = np.radians(turn), np.radians(rise)
        tip = np.array([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)]) * reach
        stems.append(sweep(smooth_curve(np.stack([0 * tip, tip * (0.35, 0.35, 0.6), tip]), 8), 0.0022, 6))
        length = size * rng.uniform(0.55, 0.75)
        leaves.append(
            _leaf(length, length * wide, rise - 30, rng.uniform(25, 60), widest=0.38, turn=turn, at=tip * 0.97)
        )
    return leaves, stems


def _swords(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Stiff upright leaves."""
    leaves = []
    for k in range(int(rng.integers(9, 15))):
        turn, away = 137.5 * k, 0.012 + 0.002 * k
        at = (away * np.cos(np.radians(turn)), away * np.sin(np.radians(turn)), 0.0)
        length = size * rng.uniform(0.9, 1.6)
        leaves.append(
            _leaf(length, size * rng.uniform(0.2, 0.28), 88 - 1.6 * k, rng.uniform(-5, 10), base=0.5, turn=turn, at=at)
        )
    return leaves, []


def _fountain(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Long narrow leaves that arch over."""
    leaves = []
    for k in range(int(rng.integers(38, 55))):
        length = size * rng.uniform(1.0, 1.7)
        rise, droop = rng.uniform(62, 88), rng.uniform(80, 140)
        leaves.append(_leaf(length, size * 0.12, rise, droop, base=0.4, turn=137.5 * k + rng.uniform(-9, 9)))
    return leaves, []


@kind(
    "potted plant",
    colours=("green",),
    synonyms=("plant", "houseplant"),
    hypernyms=("decoration",),
)
def potted_plant(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.04, 0.055)
    height = radius * rng.uniform(1.4, 2.0)
    grow = (_bush, _broad, _swords, _fountain)[int(rng.integers(4))]
    leaves, stems = grow(rng, rng.uniform(0.11, 0.15))
    rgb = varied(rng, look.rgb, 0.08)
    foliage = merged(leaves).moved(z=height * 0.88)
    parts = [*_pot(rng, radius, height), Part(foliage, Surface(rgb, texture=_leaf_texture(rgb)))]
    if stems:
        parts.append(Part(merged(stems).moved(z=height * 0.86), Surface(mixed(rgb, (0.4, 0.35, 0.15), 0.4))))
    return parts
