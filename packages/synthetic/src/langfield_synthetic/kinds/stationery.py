"""To read and write with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import GOLD, STEEL, ink_on, is_light, painted, printed
from langfield_synthetic.kinds.shaping import settled, turned
from langfield_synthetic.meshes import Mesh, box_sides, grid_mesh, lathe, merged, rounded_box, sweep
from langfield_synthetic.things import PAINTED, Look, Part, Surface, kind, varied

_TITLES = (
    "MOON", "RIVER", "ATLAS", "SILENCE", "GARDEN", "WINTER", "OCEAN", "STARS",
    "THE FOX", "HOME", "TIME", "FOREST", "ROME", "MAGIC", "POEMS", "DREAMS",
)  # fmt: skip


@kind("book", colours=PAINTED, hypernyms=("something to read",))
def book(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, thick = rng.uniform(0.12, 0.15), rng.uniform(0.17, 0.21), rng.uniform(0.02, 0.042)
    title, ink = str(rng.choice(_TITLES)), ink_on(look.rgb)
    if rng.random() < 0.4:
        ink = GOLD if not is_light(look.rgb) else (0.55, 0.08, 0.08)
    author = str(rng.choice(["A. WREN", "J. MOSS", "L. HART", "M. VALE", "R. STONE"]))
    front = textures.label(rng, title, look.rgb, ink, width=256, height=352, small=(author,))
    spine_art = textures.label(rng, title, look.rgb, ink, width=352, height=80)
    board = 0.0025
    # lying: the spine is at -x, z up is the front cover
    cover = box_sides(width, height, board, 0.0008, 2)
    plain = painted(look.rgb, 0.4)
    parts = [Part(cover["top"].moved(z=thick - board), printed(front, 0.4))]
    parts.append(Part(merged([cover[side] for side in cover if side != "top"]).moved(z=thick - board), plain))
    parts.append(Part(rounded_box(width, height, board, 0.0008, 2), plain))
    a = np.linspace(np.pi / 2, -np.pi / 2, 14)
    bulge = rng.uniform(0.0, 0.25) * thick
    line = np.stack([-width / 2 - bulge * np.cos(a), thick / 2 * (1 + np.sin(a))], -1)
    back = grid_mesh(
        np.stack([np.column_stack([line[:, 0], np.full(len(a), y), line[:, 1]]) for y in (-height / 2, height / 2)], 1)
    )
    back = replace(back, uv=1 - back.uv)
    parts.append(Part(back, printed(spine_art, 0.4)))
    parts.append(Part(rounded_box(0.002, height, thick, 0.0005, 2).moved(x=-width / 2 + 0.001), plain))
    block = box_sides(width - 0.006, height - 0.008, thick - 2 * board + 0.001, 0.0003, 2)
    paper = merged([block[side] for side in ("front", "back", "left", "right")]).moved(0.0005, 0, board - 0.0005)
    parts.append(Part(paper, Surface(texture=textures.pages(rng))))
    pose = rng.random()
    if pose < 0.55:
        return settled(turned(parts, "z", rng.uniform(-25, 25)))
    parts = turned(parts, "x", 90)
    if pose < 0.8:
        return settled(parts)
    parts = settled(turned(parts, "x", -rng.uniform(12, 20)))  # leaning back on a small stand
    top = max(float(part.mesh.bounds[1, 1]) for part in parts)
    prop = [
        sweep([(s * width * 0.3, top - 0.035, height * 0.55), (s * width * 0.3, top + 0.02, 0.003)], 0.003, 10)
        for s in (-1, 1)
    ]
    return settled([*parts, Part(merged(prop), Surface(STEEL, "metal"))])


def _prism(profile: Sequence[tuple[float, float]], sides: int) -> Mesh:
    """`profile` (x, radius) along x with `sides` flat sides."""
    mesh = lathe([(radius, x) for x, radius in profile], sides)
    return replace(mesh.turned("z", 180 / sides).turned("y", 90), smooth=False)


@kind(
    "pencil",
    colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "black"),
    hypernyms=("something to write with", "stationery"),
)
def pencil(rng: np.random.Generator, look: Look) -> list[Part]:
    length, r = rng.uniform(0.15, 0.19), rng.uniform(0.0055, 0.0068)
    half, cone = length / 2, 0.024
    body = _prism([(-half, 0), (-half, r), (half - cone, r), (half - cone, 0)], 6)
    core = varied(rng, look.rgb) if rng.random() < 0.3 else (0.12, 0.12, 0.13)
    tip = [(half - cone - 0.002, r * 0.98), (half - cone, r * 0.94), (half - 0.007, r * 0.32)]
    wood = lathe([(radius, x) for x, radius in tip], 24).turned("y", 90)
    lead = lathe([(r * 0.33, half - 0.0075), (0.0004, half), (0, half)], 16).turned("y", 90)
    parts = [
        Part(body, painted(look.rgb, 0.25)),
        Part(wood, Surface((0.86, 0.66, 0.42))),
        Part(lead, painted(core, 0.4)),
    ]
    if rng.random() < 0.75:
        sleeve = lathe(
            [
                (r * 0.95, -half - 0.011),
                (r * 1.05, -half - 0.009),
                (r * 0.95, -half - 0.005),
                (r * 1.05, -half - 0.002),
                (r, -half + 0.002),
            ],
            24,
        )
        rubber = lathe(
            [(0, -half - 0.021), (r * 0.8, -half - 0.020), (r * 0.92, -half - 0.017), (r * 0.92, -half - 0.01)], 24
        )
        parts.append(Part(sleeve.turned("y", 90), Surface((0.80, 0.72, 0.45), "metal")))
        parts.append(Part(rubber.turned("y", 90), Surface((0.90, 0.45, 0.45))))
    return settled(turned(parts, "z", rng.uniform(0, 180)))
