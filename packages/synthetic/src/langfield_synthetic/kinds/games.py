"""Balls, dice and blocks to play with."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import ink_on, pixels
from langfield_synthetic.kinds.shaping import moved, settled, turned
from langfield_synthetic.kinds.toy_parts import TOY, accent
from langfield_synthetic.meshes import Mesh, box_sides, ellipsoid
from langfield_synthetic.things import PAINTED, RGB, Look, Part, Surface, kind


def _globe(colour: Callable[[np.ndarray], np.ndarray], width: int = 256, height: int = 128) -> np.ndarray:
    """A texture for `ellipsoid`: `colour` (H, W, 3), 0 to 1, at directions (H, W, 3)."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    around, up = 2 * np.pi * u, np.pi * (v - 0.5)
    rings = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], -1)
    return pixels(colour(rings))


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


@kind("ball", colours=PAINTED, hypernyms=(*TOY, "sports equipment"))
def ball(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.03, 0.048)
    second = (
        (0.94, 0.94, 0.92)
        if look.colour not in ("white", "gray", "yellow")
        else accent(rng, look, ("red", "blue", "green"))
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
    return settled(turned(turned(parts, "x", rng.uniform(-70, 70)), "y", rng.uniform(-70, 70)))


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
    return pixels(np.asarray(rgb) * (1 - share) + np.asarray(ink) * share)


@kind("dice", colours=PAINTED, synonyms=("die",), hypernyms=TOY)
def dice(rng: np.random.Generator, look: Look) -> list[Part]:
    size = rng.uniform(0.024, 0.034)
    ink = ink_on(look.rgb)
    parts: list[Part] = []
    for k in range(int(rng.choice([1, 1, 2]))):
        order = rng.permutation(3)
        numbers = [n for k in order for n in ((1, 6), (2, 5), (3, 4))[int(k)]]
        die = [
            Part(side, Surface(look.rgb, "glossy", _pips(number, look.rgb, ink), roughness=0.15))
            for side, number in zip(_six(box_sides(size, size, size, size * 0.17, 4)), numbers, strict=True)
        ]
        die = turned(die, "z", rng.uniform(0, 90))
        parts += moved(die, k * size * rng.uniform(1.5, 1.8), k * size * rng.uniform(-0.5, 0.5))
    return settled(parts)


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
    hypernyms=TOY,
)
def toy_block(rng: np.random.Generator, look: Look) -> list[Part]:
    size, wooden = rng.uniform(0.036, 0.048), look.material == "wooden"
    ink = ink_on(look.rgb)
    if rng.random() < 0.4 and look.colour in ("white", "gray", "yellow", "black"):
        ink = accent(rng, look, ("red", "blue") if look.colour != "black" else ("yellow", "white"))
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
    return settled(parts)
