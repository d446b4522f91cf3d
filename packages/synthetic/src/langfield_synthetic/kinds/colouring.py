"""Colours, finishes and painted textures that several kinds share."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from langfield_synthetic import textures
from langfield_synthetic.things import COLOURS, RGB, Look, Surface, varied

STEEL: RGB = (0.72, 0.72, 0.74)
GOLD: RGB = (0.95, 0.74, 0.22)
BRASS: RGB = (0.80, 0.62, 0.28)
BEECH: RGB = (0.76, 0.56, 0.35)
WALNUT: RGB = (0.36, 0.21, 0.11)
DARK: RGB = (0.07, 0.07, 0.08)
WHITE: RGB = (0.94, 0.94, 0.93)
CREAM: RGB = (0.95, 0.93, 0.87)
VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")


def mixed(rgb: RGB, other: RGB, share: float) -> RGB:
    """`share` of the other colour in this one."""
    red, green, blue = (float(a + (b - a) * share) for a, b in zip(rgb, other, strict=True))
    return red, green, blue


def luminance(rgb: RGB) -> float:
    return 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]


def is_light(rgb: RGB) -> bool:
    return luminance(rgb) > 0.5


def ink_on(rgb: RGB) -> RGB:
    """Black or white, whichever is read on `rgb`."""
    return (0.06, 0.06, 0.08) if is_light(rgb) else (0.97, 0.97, 0.95)


def contrast(rgb: RGB) -> RGB:
    """Dark on light colours, cream on dark ones."""
    return DARK if is_light(rgb) else CREAM


def second_colour(rng: np.random.Generator, look: Look, words: Sequence[str] = VIVID) -> RGB:
    """A colour of another word than the look's."""
    return varied(rng, COLOURS[str(rng.choice([word for word in words if word != look.colour]))])


def painted(rgb: RGB, roughness: float = 0.3) -> Surface:
    return Surface(rgb, "glossy", roughness=roughness)


def printed(texture: np.ndarray, roughness: float = 0.35) -> Surface:
    return Surface(kind="glossy", texture=texture, roughness=roughness)


def wood_surface(rng: np.random.Generator, rgb: RGB | None = None) -> Surface:
    """Of this colour, or of a tree's between beech and walnut."""
    if rgb is None:
        rgb = varied(rng, mixed(WALNUT, BEECH, rng.random()), 0.04)
    return Surface(rgb, "glossy", textures.wood(rng, rgb), 0.5)


def grip_surface(rng: np.random.Generator, colours: tuple[str, ...] = ("black",)) -> Surface:
    """What handles are made of: wood or plastic."""
    if rng.random() < 0.4:
        return wood_surface(rng)
    colour = str(rng.choice(colours))
    return Surface(varied(rng, COLOURS[colour]), "glossy", roughness=0.35)


def steel(rng: np.random.Generator, brushed: float = 0.5) -> Surface:
    """Bare metal, brushed with this probability."""
    return Surface(varied(rng, STEEL, 0.04), "brushed metal" if rng.random() < brushed else "metal")


def finish(rng: np.random.Generator, look: Look) -> Surface:
    """The main surface in the look's colour and material; ceramic or enamel when it names none."""
    if look.material == "metal":
        # Metal has no colour of its own but what it reflects: the words' gray would be nearly black.
        if look.colour == "white":
            return Surface(look.rgb, "glossy", roughness=0.15)  # enamel: bare, it would be gray
        if look.colour in ("", "gray"):
            return steel(rng)
        red, green, blue = (max(c, 0.13) for c in look.rgb)
        return Surface((red, green, blue), "metal")
    if look.material == "wooden":
        return Surface(look.rgb, "matte", textures.wood(rng, look.rgb))
    if look.material == "plastic":
        return Surface(look.rgb, "glossy", roughness=0.3)
    return Surface(look.rgb, "glossy", roughness=float(rng.uniform(0.1, 0.2)))


def pixels(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def byte(rgb: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in rgb)
    return red, green, blue


def drawing(width: int, height: int, rgb: RGB) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (width, height), byte(rgb))
    return picture, ImageDraw.Draw(picture)
