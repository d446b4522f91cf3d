"""What toys share: their words, coats and accents, slabs, wheels and windows."""

from collections.abc import Sequence

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.shaping import outward
from langfield_synthetic.meshes import Mesh, Points, grid_mesh, lathe, merged, sweep
from langfield_synthetic.things import COLOURS, RGB, Look, Part, Surface, varied

TOY = ("toy", "something to play with")
BLACK_PLASTIC = Surface((0.05, 0.05, 0.055), "glossy", roughness=0.3)
TYRE = Surface((0.06, 0.06, 0.065), "matte")
CHROME = Surface((0.75, 0.76, 0.78), "metal")
PANE = Surface((0.10, 0.15, 0.21), "glossy", roughness=0.08)
WHITE_PLASTIC = Surface((0.93, 0.93, 0.92), "glossy", roughness=0.3)
PLAIN_WOOD: RGB = (0.80, 0.63, 0.42)


def coat(rng: np.random.Generator, look: Look, rgb: RGB | None = None) -> Surface:
    """The look's material in its colour, or in `rgb`."""
    rgb = look.rgb if rgb is None else rgb
    if look.material == "wooden":
        return Surface(rgb, "glossy", textures.wood(rng, rgb, 128), roughness=0.5)
    if look.material == "metal":
        return Surface(rgb, "brushed metal")
    return Surface(rgb, "glossy", roughness=0.25)


def accent(
    rng: np.random.Generator, look: Look, words: Sequence[str] = ("red", "yellow", "blue", "white", "green")
) -> RGB:
    """A second colour, which is not the look's."""
    near = {"orange": ("red", "yellow"), "pink": ("red",), "gray": ("white",), "purple": ("blue",)}.get(look.colour, ())
    far = [word for word in words if word != look.colour and word not in near]
    return varied(rng, COLOURS[str(rng.choice(far))])


def round_corners(corners: Points, radius: float, steps: int = 5) -> np.ndarray:
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


def upright_slab(outline: Points, thick: float, bevel: float = 0.002) -> Mesh:
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
    return outward(grid_mesh(np.concatenate([ends[0], rows, ends[1]]), wrap_v=True))


def rod(start: Sequence[float], end: Sequence[float], radius: float, segments: int = 10) -> Mesh:
    return sweep(np.linspace(start, end, 3), radius, segments)


def window_glass(look: Look) -> Surface:
    return Surface((0.45, 0.55, 0.62), "glossy", roughness=0.08) if look.colour in ("black", "gray") else PANE


def wheel_mesh(radius: float, width: float, segments: int = 26) -> Mesh:
    """About the origin, its axle along y."""
    b = min(0.3 * width, 0.3 * radius)
    profile = [(0.0, 0.0), (radius - b, 0.0), (radius, b)]
    profile += [(r, width - z) for r, z in reversed(profile)]
    return lathe(profile, segments).moved(z=-width / 2.0).turned("x", 90.0)


def wheels(
    spots: Sequence[tuple[float, float, float]], radius: float, width: float, tyre: Surface, hub: Surface | None
) -> list[Part]:
    """Wheels with hubs at (x, y, z)."""
    parts = [Part(merged([wheel_mesh(radius, width).moved(*spot) for spot in spots]), tyre)]
    if hub is not None:
        hubs = [wheel_mesh(radius * 0.55, width + 0.0016, 18).moved(*spot) for spot in spots]
        caps = [wheel_mesh(radius * 0.2, width + 0.004, 10).moved(*spot) for spot in spots]
        parts.append(Part(merged(hubs + caps), hub))
    return parts
