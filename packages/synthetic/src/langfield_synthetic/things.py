"""What a thing is: its words, its colour and material, its parts. Kinds of things register here."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from langfield_synthetic.meshes import Mesh

RGB = tuple[float, float, float]

# Typical colours in sRGB, 0 to 1; each thing gets a variation of its own (`varied`).
COLOURS: dict[str, RGB] = {
    "red": (0.78, 0.08, 0.07),
    "orange": (0.93, 0.45, 0.05),
    "yellow": (0.94, 0.79, 0.10),
    "green": (0.14, 0.55, 0.18),
    "blue": (0.10, 0.27, 0.75),
    "purple": (0.45, 0.16, 0.62),
    "pink": (0.95, 0.52, 0.68),
    "brown": (0.40, 0.23, 0.11),
    "black": (0.05, 0.05, 0.055),
    "white": (0.92, 0.92, 0.90),
    "gray": (0.48, 0.48, 0.49),
}
PAINTED = tuple(COLOURS)
SURFACES = ("matte", "glossy", "metal", "brushed metal", "glass", "mirror", "glowing")


@dataclass(frozen=True, eq=False)
class Surface:
    """A part's look: rgb in sRGB, 0 to 1; a texture in sRGB replaces it; `kind` is one of SURFACES."""

    rgb: RGB = (0.8, 0.8, 0.8)
    kind: str = "matte"
    texture: UInt8[np.ndarray, "H W 3"] | None = None
    roughness: float = 0.4


@dataclass(frozen=True, eq=False)
class Part:
    mesh: Mesh
    surface: Surface


@dataclass(frozen=True)
class Look:
    """What is asked of a thing: a colour and a material word that its kind offers ("" for none), and the colour."""

    colour: str
    material: str
    rgb: RGB


Build = Callable[[np.random.Generator, Look], list[Part]]


@dataclass(frozen=True)
class Kind:
    """A kind of thing. `noun` names it alone; `synonyms` mean the same; `hypernyms` are true of it and of others.

    colours: words that can be said of its whole look; materials: likewise. A kind whose colour goes without saying (a
    banana) offers just that.
    """

    noun: str
    build: Build
    colours: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    hypernyms: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {}


def kind(
    noun: str,
    *,
    colours: tuple[str, ...] = (),
    materials: tuple[str, ...] = (),
    synonyms: tuple[str, ...] = (),
    hypernyms: tuple[str, ...] = (),
) -> Callable[[Build], Build]:
    """Register a build function as a kind of thing."""

    def register(build: Build) -> Build:
        if noun in KINDS:
            raise ValueError(f"two kinds are called {noun!r}")
        KINDS[noun] = Kind(noun, build, colours, materials, synonyms, hypernyms)
        return build

    return register


def varied(rng: np.random.Generator, rgb: RGB, amount: float = 0.06) -> RGB:
    """A colour near `rgb` that the same word still fits: lighter or darker, a little off."""
    shade = 1 + rng.uniform(-2, 2) * amount
    red, green, blue = (float(np.clip(c * shade + rng.uniform(-amount, amount) / 2, 0.02, 0.98)) for c in rgb)
    return red, green, blue
