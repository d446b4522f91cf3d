"""What food and drink are sold in: bottles, jars, cans with labels."""

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import CREAM, DARK, contrast, luminance, steel
from langfield_synthetic.kinds.turning import around, footed, radius_at
from langfield_synthetic.meshes import cylinder, lathe, merged, rounded_box, torus
from langfield_synthetic.things import COLOURS, PAINTED, RGB, Look, Part, Surface, kind, varied

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
    profile = footed(wide * np.array(radii), tall * np.array(heights), 56)
    body = lathe(np.concatenate([[[0.0, 0.0]], profile, [[0.0, tall]]]))
    low, high = tall * rng.uniform(0.10, 0.16), tall * rng.uniform(0.35, 0.40)
    paper = Surface(CREAM, "matte", _label(rng, str(rng.choice(names)), _paper(look.rgb), 1.25))
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
    return CREAM if luminance(rgb) < 0.75 else (0.72, 0.62, 0.42)


def _label(rng: np.random.Generator, text: str, ground: RGB, aspect: float, ink: RGB | None = None) -> np.ndarray:
    """`aspect` is its width by its height."""
    inks = ((0.5, 0.06, 0.08), (0.08, 0.14, 0.40), (0.06, 0.28, 0.12), DARK)
    dark = inks[int(rng.integers(len(inks)))] if luminance(ground) > 0.45 else CREAM
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
    profile = footed(
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
    paper = Surface(CREAM, "matte", _label(rng, text, _paper(look.rgb), 1.5))
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
