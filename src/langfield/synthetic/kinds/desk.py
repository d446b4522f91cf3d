"""Things on a desk: books, things to write with, electronics, tools, instruments."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langfield.synthetic import textures
from langfield.synthetic.meshes import (
    Mesh,
    box_sides,
    cylinder,
    ellipsoid,
    extruded,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
)
from langfield.synthetic.things import COLOURS, PAINTED, Look, Part, Surface, kind, varied

RGB = tuple[float, float, float]
_STEEL: RGB = (0.72, 0.72, 0.74)
_GOLD: RGB = (0.95, 0.74, 0.22)
_DARK: RGB = (0.07, 0.07, 0.08)
_WHITE: RGB = (0.94, 0.94, 0.93)


# ---------------------------------------------------------------------------------------------------------- building


def _mixed(rgb: RGB, other: RGB, share: float) -> RGB:
    """`share` of the other colour in this one."""
    return tuple(float(a + (b - a) * share) for a, b in zip(rgb, other, strict=True))  # type: ignore[return-value]


def _is_light(rgb: RGB) -> bool:
    return float(np.dot(rgb, (0.3, 0.59, 0.11))) > 0.5


def _ink(rgb: RGB) -> RGB:
    """Black or white, whichever is read on `rgb`."""
    return (0.06, 0.06, 0.08) if _is_light(rgb) else (0.97, 0.97, 0.95)


def _painted(rgb: RGB, roughness: float = 0.3) -> Surface:
    return Surface(rgb, "glossy", roughness=roughness)


def _printed(texture: np.ndarray, roughness: float = 0.35) -> Surface:
    return Surface(kind="glossy", texture=texture, roughness=roughness)


def _wood(rng: np.random.Generator, rgb: RGB) -> Surface:
    return Surface(rgb, "glossy", texture=textures.wood(rng, rgb), roughness=0.5)


def _byte(rgb: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in rgb)
    return red, green, blue


def _drawing(width: int, height: int, rgb: RGB) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (width, height), _byte(rgb))
    return picture, ImageDraw.Draw(picture)


def _loft(sections: np.ndarray) -> Mesh:
    """A closed body through rings (M, N, 3), counter-clockwise seen from the last; the ends are covered."""
    ends = [np.broadcast_to(sections[k].mean(axis=0), sections[k].shape)[None] for k in (0, -1)]
    mesh = grid_mesh(np.concatenate([ends[0], sections, ends[1]]), wrap_v=True)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy())


def _circle(radius: float, count: int = 40) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1)


def _rounded(x: float, y: float, corner: float, steps: int = 8) -> np.ndarray:
    """The outline (N, 2) of a rectangle with round corners, counter-clockwise around the origin."""
    corner = min(corner, 0.499 * x, 0.499 * y)
    points = []
    for k, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        a = np.linspace(0, np.pi / 2, steps) + k * np.pi / 2
        middle = np.array([sx * (x / 2 - corner), sy * (y / 2 - corner)])
        points.append(middle + corner * np.stack([np.cos(a), np.sin(a)], -1))
    return np.concatenate(points)


def _slab(outline: np.ndarray, height: float, bevel: float = 0.0015, taper: float = 0.0) -> Mesh:
    """A prism over `outline` with bevelled rims, its top narrower by `taper` on each side; uv as seen from above."""
    b = min(bevel, height / 2.01)
    size = np.ptp(outline, axis=0)
    middle = (outline.max(axis=0) + outline.min(axis=0)) / 2
    rings = []
    for inset, z, up in (
        (b, 0.0, 0.0),
        (b * 0.3, b * 0.3, 0.0),
        (0, b, 0.0),
        (0, height - b, 1.0),
        (b * 0.3, height - b * 0.3, 1.0),
        (b, height, 1.0),
    ):
        shrink = 1 - 2 * (inset + up * taper) / size
        rings.append(np.column_stack([middle + (outline - middle) * shrink, np.full(len(outline), z)]))
    return _seen_from_above(_loft(np.stack(rings)))


def _seen_from_above(mesh: Mesh, area: Sequence[float] | None = None) -> Mesh:
    """uv straight down on `area` (x from, y from, x to, y to), or all of it."""
    low, high = mesh.bounds[:, :2] if area is None else np.array(area).reshape(2, 2)
    return replace(mesh, uv=((mesh.vertices[:, :2] - low) / (high - low)).astype(np.float32))


def _sheet(width: float, height: float, z: float = 0.0) -> Mesh:
    """A rectangle that looks up; uv spans it."""
    x, y = np.array([-0.5, 0.5]) * width, np.array([-0.5, 0.5]) * height
    points = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((2, 2), z)], -1)
    mesh = grid_mesh(points)
    return replace(mesh, uv=mesh.uv[:, ::-1].copy())


def _settled(parts: list[Part]) -> list[Part]:
    """The parts moved so that their lowest point is on the table and they are centred about the origin."""
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    x, y = (low[:2] + high[:2]) / 2
    return [replace(part, mesh=part.mesh.moved(-float(x), -float(y), -float(low[2]))) for part in parts]


def _turned(parts: list[Part], axis: str, degrees: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.turned(axis, degrees)) for part in parts]


# ------------------------------------------------------------------------------------------------- to read and write

_TITLES = (
    "MOON", "RIVER", "ATLAS", "SILENCE", "GARDEN", "WINTER", "OCEAN", "STARS",
    "THE FOX", "HOME", "TIME", "FOREST", "ROME", "MAGIC", "POEMS", "DREAMS",
)  # fmt: skip


@kind("book", colours=PAINTED, hypernyms=("something to read",))
def book(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, thick = rng.uniform(0.12, 0.15), rng.uniform(0.17, 0.21), rng.uniform(0.02, 0.042)
    title, ink = str(rng.choice(_TITLES)), _ink(look.rgb)
    if rng.random() < 0.4:
        ink = _GOLD if not _is_light(look.rgb) else (0.55, 0.08, 0.08)
    author = str(rng.choice(["A. WREN", "J. MOSS", "L. HART", "M. VALE", "R. STONE"]))
    front = textures.label(rng, title, look.rgb, ink, width=256, height=352, small=(author,))
    spine_art = textures.label(rng, title, look.rgb, ink, width=352, height=80)
    board = 0.0025
    # lying: the spine is at -x, z up is the front cover
    cover = box_sides(width, height, board, 0.0008, 2)
    plain = _painted(look.rgb, 0.4)
    parts = [Part(cover["top"].moved(z=thick - board), _printed(front, 0.4))]
    parts.append(Part(merged([cover[side] for side in cover if side != "top"]).moved(z=thick - board), plain))
    parts.append(Part(rounded_box(width, height, board, 0.0008, 2), plain))
    a = np.linspace(np.pi / 2, -np.pi / 2, 14)
    bulge = rng.uniform(0.0, 0.25) * thick
    line = np.stack([-width / 2 - bulge * np.cos(a), thick / 2 * (1 + np.sin(a))], -1)
    back = grid_mesh(
        np.stack([np.column_stack([line[:, 0], np.full(len(a), y), line[:, 1]]) for y in (-height / 2, height / 2)], 1)
    )
    back = replace(back, uv=1 - back.uv)
    parts.append(Part(back, _printed(spine_art, 0.4)))
    parts.append(Part(rounded_box(0.002, height, thick, 0.0005, 2).moved(x=-width / 2 + 0.001), plain))
    block = box_sides(width - 0.006, height - 0.008, thick - 2 * board + 0.001, 0.0003, 2)
    paper = merged([block[side] for side in ("front", "back", "left", "right")]).moved(0.0005, 0, board - 0.0005)
    parts.append(Part(paper, Surface(texture=textures.pages(rng))))
    pose = rng.random()
    if pose < 0.55:
        return _settled(_turned(parts, "z", rng.uniform(-25, 25)))
    parts = _turned(parts, "x", 90)
    if pose < 0.8:
        return _settled(parts)
    parts = _settled(_turned(parts, "x", -rng.uniform(12, 20)))  # leaning back on a small stand
    top = max(float(part.mesh.bounds[1, 1]) for part in parts)
    prop = [
        sweep([(s * width * 0.3, top - 0.035, height * 0.55), (s * width * 0.3, top + 0.02, 0.003)], 0.003, 10)
        for s in (-1, 1)
    ]
    return _settled([*parts, Part(merged(prop), Surface(_STEEL, "metal"))])


@kind("notebook", colours=PAINTED, hypernyms=("stationery",))
def notebook(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, thick = rng.uniform(0.12, 0.15), rng.uniform(0.16, 0.2), rng.uniform(0.009, 0.015)
    outline = _rounded(width, height, 0.008)
    ink = _ink(look.rgb)
    picture, draw = _drawing(256, 340, look.rgb)
    pale = _mixed(look.rgb, _WHITE, 0.85) if look.colour != "white" else (0.8, 0.84, 0.9)
    style = int(rng.integers(3))
    if style < 2:
        box = [70, 60, 215, 130] if style == 0 else [60, 120, 220, 210]
        draw.rounded_rectangle(box, 10, fill=_byte(pale), outline=_byte(ink), width=3)
        word = str(rng.choice(["NOTES", "IDEAS", "MATH", "DIARY"]))
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        draw.text(middle, word, fill=(20, 20, 30), font=ImageFont.load_default(36), anchor="mm")
    else:
        draw.rectangle([200, 0, 216, 340], fill=_byte(_mixed(look.rgb, ink, 0.5)))
    cover = _slab(outline, 0.0016, 0.0005).moved(z=thick)
    back = _slab(outline, 0.0016, 0.0005)
    block = box_sides(width - 0.006, height - 0.006, thick - 0.001, 0.0003, 2)
    paper = merged([block[side] for side in block if side != "bottom"]).moved(z=0.0012)
    x = -width / 2 + 0.007
    count, reach, a = int(rng.integers(16, 22)), thick * 0.5 + 0.0045, np.linspace(0, 2 * np.pi, 19)
    wire = sweep(np.stack([x - 0.004 + reach * np.cos(a), 0 * a, thick / 2 + 0.001 + reach * np.sin(a)], -1), 0.0009, 6)
    wires = [wire.moved(y=float(y)) for y in np.linspace(-height / 2 + 0.012, height / 2 - 0.012, count)]
    surface = Surface(_STEEL, "metal") if rng.random() < 0.7 else _painted(_DARK)
    parts = [
        Part(cover, _printed(np.array(picture), 0.45)),
        Part(back, _painted(look.rgb)),
        Part(paper, Surface(texture=textures.pages(rng))),
        Part(merged(wires), surface),
    ]
    return _settled(_turned(parts, "z", rng.uniform(-20, 20)))


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
        Part(body, _painted(look.rgb, 0.25)),
        Part(wood, Surface((0.86, 0.66, 0.42))),
        Part(lead, _painted(core, 0.4)),
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
    return _settled(_turned(parts, "z", rng.uniform(0, 180)))


@kind("pen", colours=PAINTED, hypernyms=("something to write with", "stationery"))
def pen(rng: np.random.Generator, look: Look) -> list[Part]:
    length, r = rng.uniform(0.135, 0.155), rng.uniform(0.0055, 0.007)
    half = length / 2
    along = lambda line: lathe([(radius, x) for x, radius in line], 28).turned("y", 90)  # noqa: E731
    barrel = along(
        [
            (-half, 0),
            (-half, r * 0.8),
            (-half + 0.004, r),
            (half - 0.02, r),
            (half - 0.003, r * 0.35),
            (half - 0.003, 0),
        ]
    )
    metal = Surface(_STEEL if rng.random() < 0.6 else _GOLD, "metal")
    ring = along([(0.0, r * 0.98), (0.0, r * 1.08), (0.004, r * 1.08), (0.004, r * 0.98)])
    point = along([(half - 0.009, r * 0.6), (half - 0.003, r * 0.38), (half + 0.002, 0.0006), (half + 0.002, 0)])
    clip = rounded_box(0.042, 0.003, 0.0015, 0.0006).moved(-half + 0.024, 0, r + 0.0012)
    bridge = rounded_box(0.004, 0.003, 0.004, 0.0006).moved(-half + 0.005, 0, r - 0.002)
    button = along([(-half - 0.008, 0), (-half - 0.008, r * 0.4), (-half, r * 0.4)])
    parts = [Part(barrel, _painted(look.rgb, 0.15)), Part(merged([ring, point, clip, bridge, button]), metal)]
    return _settled(_turned(_turned(parts, "x", rng.uniform(-50, 50)), "z", rng.uniform(0, 180)))


@kind(
    "scissors",
    colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "black"),
    hypernyms=("something to cut with", "stationery", "tool"),
)
def scissors(rng: np.random.Generator, look: Look) -> list[Part]:
    blade, grip = rng.uniform(0.075, 0.09), rng.uniform(0.08, 0.095)
    gape, thick = rng.uniform(9, 20), rng.uniform(0.0052, 0.0065)
    ring_x, ring_y = rng.uniform(0.024, 0.028), rng.uniform(0.017, 0.02)
    parts = []
    for side in (1, -1):
        outline = np.array(
            [(-0.015, -0.006), (blade * 0.7, -0.0055), (blade, 0.003), (blade * 0.75, 0.0055), (-0.015, 0.006)]
        ) * (1, side)
        steel = _slab(outline if side == 1 else outline[::-1], 0.0025, 0.0006).moved(
            z=thick - 0.0022 + 0.0022 * (side > 0)
        )
        a = np.linspace(0, 2 * np.pi, 40)
        middle = np.array([-grip + ring_x, side * -0.024])
        loop = np.stack([middle[0] + ring_x * np.cos(a), middle[1] + ring_y * np.sin(a), np.full(40, thick)], -1)
        arm = smooth_curve(
            [(-0.002, 0, thick), (-0.022, side * -0.004, thick), (-grip + 1.9 * ring_x, side * -0.017, thick)], 14
        )
        handle = merged([sweep(loop, thick, 12), sweep(arm, np.linspace(0.0075, thick, 14), 14, flatten=0.8)])
        turn = side * gape / 2
        parts += [
            Part(steel.turned("z", turn), Surface(_STEEL, "metal")),
            Part(handle.turned("z", turn), _painted(look.rgb)),
        ]
    parts.append(Part(cylinder(0.004, 0.006).moved(0.004, 0, thick - 0.0005), Surface((0.55, 0.55, 0.57), "metal")))
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


@kind("stapler", colours=PAINTED, hypernyms=("stationery", "tool"))
def stapler(rng: np.random.Generator, look: Look) -> list[Part]:
    length, wide = rng.uniform(0.13, 0.155), rng.uniform(0.03, 0.036)
    base = _slab(_rounded(length, wide, wide * 0.4), 0.011, 0.003)
    profile = [
        (-0.5, 0.000),
        (0.47, 0.000),
        (0.5, 0.006),
        (0.46, 0.017),
        (0.2, 0.022),
        (-0.25, 0.027),
        (-0.46, 0.024),
        (-0.5, 0.012),
    ]
    side = smooth_curve([*((x * length, z) for x, z in profile), (profile[0][0] * length, profile[0][1])], 40)[:-1]
    rings = [
        np.stack([side[:, 0] * s, np.full(len(side), y * wide * 0.46), (side[:, 1] - 0.012) * s + 0.012], -1)
        for y, s in ((0.92, 0.96), (0.98, 0.99), (0.7, 1.0), (-0.7, 1.0), (-0.98, 0.99), (-0.92, 0.96))
    ]
    arm = _loft(np.stack(rings))
    rail = rounded_box(length * 0.94, wide * 0.5, 0.012, 0.001).moved(length * 0.01, 0, -0.010)
    gape = rng.uniform(7, 13)
    hinge = np.array([-length * 0.42, 0.0, 0.018])
    paint = _painted(look.rgb, 0.25)
    lifted = [Part(arm, paint), Part(rail, Surface(_STEEL, "metal"))]
    lifted = [
        replace(part, mesh=part.mesh.moved(length * 0.42).turned("y", -gape).moved(*map(float, hinge)))
        for part in lifted
    ]
    block = rounded_box(0.03, wide * 0.85, 0.03, 0.004).moved(-length * 0.42)
    anvil = _slab(_rounded(0.02, 0.012, 0.003), 0.002, 0.0005).moved(length * 0.4, 0, 0.0105)
    dark = _painted(_mixed(look.rgb, (0.0, 0.0, 0.0), 0.35))
    parts = [Part(base, paint), Part(block, dark), Part(anvil, Surface(_STEEL, "metal")), *lifted]
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


@kind("tape dispenser", colours=PAINTED, synonyms=("sticky tape",), hypernyms=("stationery",))
def tape_dispenser(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, r = rng.uniform(0.032, 0.04), rng.uniform(0.028, 0.032)
    line = [
        (-0.06, 0),
        (0.068, 0),
        (0.074, 0.028),
        (0.066, 0.032),
        (0.04, 0.02),
        (0.0, 0.016),
        (-0.02, 0.022),
        (-0.042, 0.034),
        (-0.06, 0.03),
    ]
    side = smooth_curve([*line, line[0]], 60)[:-1].clip((-1, 0))
    rings = np.stack(
        [
            np.stack([side[:, 0], np.full(len(side), y), side[:, 1]], -1)
            for y in (wide / 2, wide * 0.47, -wide * 0.47, -wide / 2)
        ]
    )
    rings[[0, -1]] = rings[[0, -1]] * (0.98, 1, 0.96)
    body = _loft(rings)
    hub_z = r + 0.014
    tape = (
        lathe([(r * 0.55, -0.009), (r, -0.009), (r, 0.009), (r * 0.55, 0.009), (r * 0.55, -0.009)])
        .turned("x", 90)
        .moved(-0.01, 0, hub_z)
    )
    hub = cylinder(r * 0.56, 0.022).moved(z=-0.011).turned("x", 90).moved(-0.01, 0, hub_z)
    walls = [
        extruded([(-0.052, 0.004), (0.035, 0.004), (0.012, hub_z + 0.012), (-0.022, hub_z + 0.014)], 0.004)
        .turned("x", 90)
        .moved(y=y)
        for y in (wide / 2, -wide / 2 + 0.004)
    ]
    points = np.array([(-0.01 + r * 0.35, hub_z + r * 0.93), (0.067, 0.034), (0.078, 0.03)])
    strip = grid_mesh(
        np.stack([np.column_stack([points[:, 0], np.full(3, y), points[:, 1]]) for y in (-0.009, 0.009)], 1)
    )
    teeth = rounded_box(0.004, 0.022, 0.006, 0.0005).moved(0.07, 0, 0.029)
    paint = _painted(look.rgb)
    clear = Surface((0.88, 0.80, 0.58), "glossy", roughness=0.2)
    parts = [
        Part(merged([body, *walls]), paint),
        Part(merged([tape, strip]), clear),
        Part(hub, _painted(_mixed(look.rgb, _WHITE, 0.3))),
    ]
    return _settled([*parts, Part(teeth, Surface(_STEEL, "metal"))])


# -------------------------------------------------------------------------------------------------------- electronics


@kind("calculator", colours=PAINTED, hypernyms=("electronics",))
def calculator(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, thick = rng.uniform(0.08, 0.1), rng.uniform(0.13, 0.16), 0.014
    names = ("C", "+/-", "%", "/", "7", "8", "9", "x", "4", "5", "6", "-", "1", "2", "3", "+", "0", ".", "00", "=")
    body_rgb = look.rgb
    light = _is_light(body_rgb)
    key_rgb = _mixed(body_rgb, (0.1, 0.1, 0.1) if light else _WHITE, 0.22)
    accent_rgb = _mixed(
        body_rgb, (0.0, 0.0, 0.0) if light else (0.95, 0.55, 0.1) if look.colour in ("black", "gray") else _WHITE, 0.5
    )
    pixels = 256, round(256 * height / width)
    picture, draw = _drawing(*pixels, body_rgb)
    font, boxes = ImageFont.load_default(30), []
    top, across, down = 0.33, 0.92 / 4, 0.62 / 5
    for k, name in enumerate(names):
        column, row = k % 4, k // 4
        box = [0.04 + column * across, top + row * down, 0.04 + (column + 0.84) * across, top + (row + 0.78) * down]
        boxes.append(box)
        rgb = accent_rgb if column == 3 or k == 0 else key_rgb
        at = [v * pixels[n % 2] for n, v in enumerate(box)]
        draw.rectangle([at[0] - 3, at[1] - 3, at[2] + 3, at[3] + 3], fill=_byte(rgb))
        draw.text(((at[0] + at[2]) / 2, (at[1] + at[3]) / 2), name, fill=_byte(_ink(rgb)), font=font, anchor="mm")
    number = f"{rng.integers(10, 99999) / 10 ** int(rng.integers(0, 3)):g}"
    panel, ink = _drawing(256, 72, (0.66, 0.74, 0.62))
    ink.text((244, 38), number, fill=(20, 28, 24), font=ImageFont.load_default(58), anchor="rm")
    area = (-width / 2, -height / 2, width / 2, height / 2)
    body = _slab(_rounded(width, height, width * rng.uniform(0.06, 0.16)), thick, 0.003)
    key = _slab(_rounded(0.84 * across * width, 0.78 * down * height, 0.003, 4), 0.0045, 0.001).moved(z=thick - 0.001)
    keys = [
        _seen_from_above(key.moved(((x0 + x1) / 2 - 0.5) * width, (0.5 - (y0 + y1) / 2) * height), area)
        for x0, y0, x1, y1 in boxes
    ]
    wedge = rng.uniform(4, 9)
    display = _sheet(width * 0.84, height * 0.15, thick + 0.0006).moved(y=height * 0.36)
    bezel = _slab(_rounded(width * 0.9, height * 0.19, 0.004), 0.001, 0.0004).moved(y=height * 0.36, z=thick - 0.0005)
    parts = [
        Part(body, _painted(body_rgb)),
        Part(merged(keys), _printed(np.array(picture))),
        Part(bezel, _painted(_mixed(body_rgb, _DARK, 0.8))),
        Part(display, _printed(np.array(panel), 0.15)),
    ]
    foot = rounded_box(width * 0.7, 0.01, height * np.sin(np.radians(wedge)) * 0.9, 0.002).moved(y=height * 0.42)
    parts = _settled(_turned(parts, "x", wedge))
    return _settled([*parts, Part(foot, _painted(_mixed(body_rgb, _DARK, 0.4)))])


def _phone_screen(rng: np.random.Generator, rgb: RGB, width: int = 192, height: int = 400) -> np.ndarray:
    """Rows of icons and a clock on a background in the phone's colour."""
    wall = textures.gradient(_mixed(rgb, _DARK, 0.35), _mixed(rgb, _WHITE, 0.25), 64)
    picture = Image.fromarray(np.ascontiguousarray(wall)).convert("RGB").resize((width, height))
    draw = ImageDraw.Draw(picture)
    ink = _byte(_ink(rgb))
    draw.text(
        (width / 2, height * 0.11),
        f"{rng.integers(10, 24)}:{rng.integers(10, 60)}",
        fill=ink,
        font=ImageFont.load_default(44),
        anchor="mm",
    )
    icon = width * 0.16
    words = [word for word in COLOURS if word not in ("black", "brown", "gray")]
    for row in (*range(int(rng.integers(2, 5))), 5.3):
        for column in range(4):
            x, y = width * (0.08 + 0.225 * column), height * (0.21 + 0.125 * row)
            draw.rounded_rectangle(
                [x, y, x + icon, y + icon], icon * 0.25, fill=_byte(varied(rng, COLOURS[str(rng.choice(words))]))
            )
            dot = icon * 0.24
            draw.ellipse([x + dot, y + dot, x + icon - dot, y + icon - dot], fill=(250, 250, 250))
    return np.array(picture)


@kind(
    "phone",
    colours=("red", "green", "blue", "purple", "pink", "black", "white", "gray"),
    synonyms=("smartphone", "mobile phone"),
    hypernyms=("electronics",),
)
def phone(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, thick = rng.uniform(0.07, 0.078), rng.uniform(0.145, 0.16), rng.uniform(0.008, 0.0095)
    corner = width * rng.uniform(0.1, 0.17)
    body = _slab(_rounded(width, height, corner), thick, 0.0025)
    bezel = _slab(_rounded(width * 0.97, height * 0.985, corner * 0.9), 0.0006, 0.0002).moved(z=thick - 0.0003)
    screen = _slab(_rounded(width * 0.9, height * 0.95, corner * 0.7), 0.0006, 0.0001).moved(z=thick)
    parts = [
        Part(body, _painted(look.rgb, 0.2)),
        Part(bezel, _painted(_DARK, 0.1)),
        Part(screen, _printed(_phone_screen(rng, look.rgb), 0.12)),
    ]
    button = rounded_box(0.0015, 0.016, 0.003, 0.0005).moved(width / 2, height * 0.18, thick / 2 - 0.0015)
    parts.append(Part(button, _painted(look.rgb, 0.2)))
    lens = [cylinder(0.005, 0.0016).moved(-width * 0.28, height * y, -0.0015) for y in (0.4, 0.31)]
    parts.append(Part(merged(lens), _painted(_DARK, 0.1)))
    if rng.random() < 0.6:
        return _settled(_turned(parts, "z", rng.uniform(-30, 30)))
    lean = rng.uniform(62, 74)  # on a stand
    parts = _settled(_turned(parts, "x", lean))
    parts = [replace(part, mesh=part.mesh.moved(z=0.008)) for part in parts]
    base = _slab(_rounded(width * 0.8, 0.08, 0.012), 0.008, 0.002).moved(y=0.012)
    lip = rounded_box(width * 0.5, 0.006, 0.02, 0.002).moved(
        y=float(min(part.mesh.bounds[0, 1] for part in parts)) - 0.004
    )
    top = (0.0, 0.024 - 0.01, height * 0.5)
    rest = sweep([(0.0, 0.042, 0.004), top], 0.006, 12)
    return _settled([*parts, Part(merged([base, lip, rest]), _painted(_mixed(look.rgb, (0.5, 0.5, 0.5), 0.3)))])


def _keyboard(rgb: RGB, width: int = 384, height: int = 160) -> np.ndarray:
    keys = _DARK if _is_light(rgb) else _mixed(rgb, _DARK, 0.6)
    picture, draw = _drawing(width, height, rgb)
    for row in range(5):
        y0, y1 = height * row / 5 + 3, height * (row + 1) / 5 - 3
        shift = (0, 0.3, 0.5, 0.8, 0)[row]
        edges = np.concatenate([[0], np.arange(1, 13) + shift, [13.6]]) * width / 13.6
        if row == 4:
            edges = np.array([0, 1.2, 2.4, 3.7, 9.2, 10.4, 11.4, 12.5, 13.6]) * width / 13.6
        for x0, x1 in pairwise(edges.tolist()):
            draw.rounded_rectangle([x0 + 2, y0, max(x1 - 3, x0 + 4), y1], 4, fill=_byte(keys))
            if x1 - x0 < 60:
                middle = (x0 + x1) / 2, (y0 + y1) / 2
                draw.rectangle(
                    [middle[0] - 3, middle[1] - 4, middle[0] + 2, middle[1] + 3], fill=_byte(_mixed(keys, _WHITE, 0.6))
                )
    return np.array(picture)


def _desktop(rng: np.random.Generator, rgb: RGB, width: int = 384, height: int = 240) -> np.ndarray:
    """A laptop's screen: background in its colour, a window with lines of text, icons."""
    wall = textures.gradient(_mixed(rgb, _DARK, 0.3), _mixed(rgb, _WHITE, 0.3), 64)
    picture = Image.fromarray(np.ascontiguousarray(wall)).convert("RGB").resize((width, height))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(30, 130), rng.uniform(20, 70)
        w, h = rng.uniform(140, 190), rng.uniform(90, 120)
        draw.rectangle([x, y, x + w, y + h], fill=(246, 247, 249))
        draw.rectangle([x, y, x + w, y + 14], fill=_byte(_mixed(rgb, (0.3, 0.35, 0.4), 0.4)))
        for k in range(int(h / 13) - 2):
            draw.rectangle(
                [x + 10, y + 23 + 13 * k, x + 10 + rng.uniform(0.4, 0.85) * w, y + 28 + 13 * k], fill=(120, 125, 135)
            )
    draw.rectangle([0, height - 20, width, height], fill=_byte(_mixed(rgb, _DARK, 0.6)))
    for k in range(8):
        rgb_icon = _byte(COLOURS[str(rng.choice(["red", "orange", "green", "blue", "pink", "white"]))])
        draw.rounded_rectangle([100 + 24 * k, height - 17, 114 + 24 * k, height - 3], 3, fill=rgb_icon)
    return np.array(picture)


@kind(
    "laptop",
    colours=("gray", "black", "white", "red", "blue", "pink", "purple"),
    synonyms=("laptop computer", "computer"),
    hypernyms=("electronics",),
)
def laptop(rng: np.random.Generator, look: Look) -> list[Part]:
    width = rng.uniform(0.26, 0.3)
    depth, thick, corner = width * rng.uniform(0.66, 0.72), 0.011, 0.01
    shell = Surface(
        look.rgb, "brushed metal" if look.colour == "gray" and rng.random() < 0.5 else "glossy", roughness=0.35
    )
    base = _slab(_rounded(width, depth, corner), thick, 0.003)
    keys = _sheet(width * 0.88, depth * 0.5, thick + 0.0003).moved(y=depth * 0.16)
    pad = _slab(_rounded(width * 0.34, depth * 0.26, 0.004), 0.0008, 0.0003).moved(y=-depth * 0.29, z=thick - 0.0004)
    lid = _slab(_rounded(width, depth, corner), 0.006, 0.002)
    bezel = _slab(_rounded(width * 0.975, depth * 0.96, corner * 0.8), 0.0006, 0.0002).moved(z=0.0058)
    screen = _sheet(width * 0.92, depth * 0.87, 0.0068).moved(y=depth * 0.01)
    badge = _slab(_circle(0.013), 0.001, 0.0003).moved(z=-0.0006)
    # the lid is made lying face up with its hinge at -y, then raised about the hinge
    opened = rng.uniform(62, 78)
    lifted = [
        Part(lid, shell),
        Part(bezel, _painted(_DARK, 0.2)),
        Part(screen, _printed(_desktop(rng, look.rgb), 0.15)),
        Part(badge, Surface(_mixed(look.rgb, _ink(look.rgb), 0.5), "glossy", roughness=0.1)),
    ]
    lifted = [
        replace(part, mesh=part.mesh.moved(y=depth / 2).turned("x", opened).moved(y=depth / 2 - 0.004, z=thick - 0.001))
        for part in lifted
    ]
    hinge = cylinder(0.005, width * 0.7).moved(z=-width * 0.35).turned("y", 90).moved(y=depth / 2 - 0.003, z=thick)
    parts = [
        Part(base, shell),
        Part(keys, _printed(_keyboard(look.rgb), 0.4)),
        Part(pad, Surface(_mixed(look.rgb, _DARK, 0.25), "glossy", roughness=0.3)),
        Part(hinge, _painted(_mixed(look.rgb, _DARK, 0.5))),
        *lifted,
    ]
    return _settled(parts)


@kind("headphones", colours=PAINTED, hypernyms=("electronics", "something to wear"))
def headphones(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall = rng.uniform(0.07, 0.078), rng.uniform(0.095, 0.11)
    cup = rng.uniform(0.034, 0.04)
    a = np.linspace(0, np.pi, 40)
    low = cup * 0.95
    path = np.stack([wide * np.cos(a), 0 * a, low + 0.02 + tall * np.sin(a) ** 0.8], -1)
    band = sweep(path, 0.0055 + 0.0045 * np.sin(a) ** 2, 14).scaled(1, 1.7, 1)
    inner = path[6:-6] * (0.93, 1, 1) + (0, 0, -0.008)
    padding = sweep(inner, 0.007, 12).scaled(1, 1.6, 1)
    paint = _painted(look.rgb, 0.25)
    soft = Surface(_mixed(look.rgb, _DARK, 0.75 if rng.random() < 0.6 else 0.35))
    shells, cushions, trims = [], [], []
    for side in (1, -1):
        shell = lathe(
            [(0, 0), (cup * 0.97, 0), (cup, 0.004), (cup * 0.95, 0.014), (cup * 0.6, 0.022), (0, 0.023)]
        ).scaled(1.15, 1, 1)
        pad = torus(cup * 0.72, cup * 0.3).scaled(1.15, 1, 1).moved(z=-0.006)
        speaker = cylinder(cup * 0.6, 0.004).moved(z=-0.006)
        badge = torus(cup * 0.5, 0.0015).moved(z=0.0225)
        for mesh, group in ((shell, shells), (pad, cushions), (speaker, cushions), (badge, trims)):
            group.append(mesh.turned("y", side * 90).moved(side * (wide - 0.004), 0, low))
        arm = [(side * wide, 0, low + cup * 0.3), (side * (wide + 0.004), 0, low + 0.022)]
        trims.append(sweep(arm, 0.006, 12).scaled(1, 1.5, 1))
    parts = [
        Part(merged([band, *shells]), paint),
        Part(merged([padding, *cushions]), soft),
        Part(merged(trims), Surface(_STEEL, "metal")),
    ]
    if rng.random() < 0.55:
        parts = _turned(parts, "x", float(rng.choice([-1, 1])) * rng.uniform(66, 74))
    return _settled(parts)


@kind(
    "camera",
    colours=("black", "gray", "red", "brown", "white", "blue", "pink", "green"),
    synonyms=("photo camera",),
    hypernyms=("electronics",),
)
def camera(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, deep = rng.uniform(0.115, 0.13), rng.uniform(0.07, 0.078), rng.uniform(0.036, 0.042)
    paint = _painted(look.rgb, 0.3)
    dark = _painted(_DARK, 0.3)
    trim = Surface(_STEEL, "brushed metal")
    body = rounded_box(width, deep, height, 0.009)
    skin = textures.noise(rng, _mixed(look.rgb, _DARK, 0.12), 0.03)
    band = rounded_box(width + 0.001, deep + 0.001, height * 0.52, 0.008).moved(z=height * 0.16)
    hump_wide = width * rng.uniform(0.26, 0.34)
    hump_at = float(rng.choice([0.0, 0.0, -width * 0.2]))
    hump = _slab(_rounded(hump_wide, deep * 0.8, 0.006), 0.02, 0.005, taper=0.004).moved(hump_at, 0, height - 0.003)
    r = height * rng.uniform(0.36, 0.41)
    long = rng.uniform(0.03, 0.05)
    barrel = [
        (0, 0),
        (r, 0),
        (r, long * 0.35),
        (r * 0.94, long * 0.38),
        (r * 0.94, long * 0.75),
        (r * 0.98, long * 0.78),
        (r * 0.98, long),
        (r * 0.82, long),
        (r * 0.7, long * 0.8),
        (0, long * 0.8),
    ]
    at = (width * 0.04, -deep / 2 + 0.002, height * 0.47)
    lens = lathe(barrel).turned("x", 90).moved(*at)
    ring = (
        lathe(
            [
                (r * 0.99, long * 0.5),
                (r * 1.0, long * 0.52),
                (r * 1.0, long * 0.62),
                (r * 0.99, long * 0.64),
                (r * 0.9, long * 0.6),
                (r * 0.99, long * 0.5),
            ]
        )
        .turned("x", 90)
        .moved(*at)
    )
    front = ellipsoid(r * 0.72, r * 0.72, r * 0.22).moved(z=long * 0.8).turned("x", 90).moved(*at)
    flash = rounded_box(hump_wide * 0.62, 0.004, 0.009, 0.001).moved(hump_at, -deep * 0.4 + 0.0005, height + 0.002)
    shutter = cylinder(0.006, 0.008).moved(-width * 0.36, 0, height - 0.001)
    dial = cylinder(0.010, 0.008).moved(width * 0.34, 0, height - 0.001)
    finder = rounded_box(0.014, 0.005, 0.009, 0.001).moved(-width * 0.32, -deep / 2 + 0.001, height * 0.78)
    screen = (
        _sheet(width * 0.55, height * 0.55).turned("x", 90).turned("z", 180).moved(0, deep / 2 + 0.0012, height * 0.45)
    )
    parts = [
        Part(merged([body, hump]), paint),
        Part(band, Surface(look.rgb, "glossy", texture=skin, roughness=0.55)),
        Part(lens, paint if look.colour != "black" and rng.random() < 0.35 else dark),
        Part(ring, trim),
        Part(front, Surface((0.10, 0.10, 0.22), "glossy", roughness=0.08)),
        Part(flash, _painted((0.93, 0.93, 0.88), 0.1)),
        Part(merged([shutter, dial]), trim),
        Part(merged([finder, screen]), _painted(_DARK, 0.1)),
    ]
    return _settled(parts)


@kind("flashlight", colours=PAINTED, synonyms=("torch",), hypernyms=("something that gives light", "tool"))
def flashlight(rng: np.random.Generator, look: Look) -> list[Part]:
    r, long = rng.uniform(0.014, 0.017), rng.uniform(0.1, 0.13)
    head, cone = r * rng.uniform(1.55, 1.9), rng.uniform(0.025, 0.035)
    body = lathe(
        [
            (0, 0),
            (r * 0.9, 0),
            (r, 0.003),
            (r, 0.012),
            (r * 0.93, 0.014),
            (r * 0.93, long * 0.2),
            (r, long * 0.22),
            (r, long),
        ],
        40,
    )
    z = np.linspace(long * 0.25, long * 0.75, 40)
    knurl = lathe(np.stack([r * (1.0 + 0.05 * (np.arange(40) % 4 < 2)), z], -1), 40)
    bell = lathe(
        [
            (r, long - 0.001),
            (head, long + cone),
            (head, long + cone + 0.018),
            (head * 0.9, long + cone + 0.018),
            (head * 0.86, long + cone + 0.012),
            (0, long + cone + 0.006),
        ],
        48,
    )
    ring = lathe(
        [
            (head * 1.005, long + cone + 0.004),
            (head * 1.03, long + cone + 0.006),
            (head * 1.03, long + cone + 0.011),
            (head * 1.005, long + cone + 0.013),
        ],
        48,
    )
    lit = rng.random() < 0.6
    lens = cylinder(head * 0.87, 0.004).moved(z=long + cone + 0.010)
    button = _slab(_rounded(0.018, 0.009, 0.004), 0.005, 0.0015).turned("y", -90).moved(-r + 0.002, 0, long * 0.88)
    second = Surface(_STEEL, "metal") if look.colour != "gray" else _painted(_DARK)
    paint = _painted(look.rgb, 0.3)
    parts = [
        Part(merged([body, bell]), paint),
        Part(knurl, _painted(_mixed(look.rgb, _DARK, 0.2), 0.5)),
        Part(ring, second),
        Part(button, _painted(_ink(look.rgb))),
        Part(lens, Surface((0.99, 0.95, 0.80), "glowing") if lit else Surface((0.88, 0.90, 0.92), "metal")),
    ]
    if rng.random() < 0.2:
        return _settled(parts)
    parts = _settled(_turned(_turned(parts, "z", rng.uniform(-40, 40)), "y", 90))
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


# -------------------------------------------------------------------------------------------------------- other things


@kind("key", colours=("gray", "yellow"), materials=("metal",))
def key(rng: np.random.Generator, look: Look) -> list[Part]:
    long, r = rng.uniform(0.066, 0.078), rng.uniform(0.0045, 0.0055)
    bow = rng.uniform(0.016, 0.02)
    meshes = [cylinder(r * 0.9, long).turned("y", 90), torus(r * 1.25, r * 0.5, 24).turned("y", 90).moved(x=0.004)]
    meshes += [torus(r * 1.1, r * 0.4, 24).turned("y", 90).moved(x=long * 0.5), ellipsoid(r * 0.9).moved(x=long)]
    if rng.random() < 0.5:
        meshes += [torus(bow, r * 0.9).scaled(1.0, rng.uniform(1.0, 1.25), 1.0).moved(x=-bow - r * 0.6)]
    else:  # three rings
        small = bow * 0.62
        spots = [(-small - r * 0.5, small * 0.95), (-small - r * 0.5, -small * 0.95), (-2.5 * small, 0.0)]
        meshes += [torus(small, r * 0.7, 28).moved(x, y) for x, y in spots]
    count = int(rng.integers(2, 4))
    for k in range(count):
        deep = rng.uniform(0.012, 0.02)
        x = long * (0.96 - 0.13 * k)
        meshes.append(rounded_box(long * 0.085, deep, r * 1.1, 0.0008).moved(x - 0.002, deep / 2, -r * 0.55))
    if rng.random() < 0.6:
        meshes.append(
            rounded_box(long * (0.11 + 0.13 * (count - 1)), 0.006, r * 1.1, 0.0008).moved(
                long * (0.955 - 0.065 * (count - 1)), 0.008, -r * 0.55
            )
        )
    rgb = look.rgb if look.colour == "yellow" else _mixed(look.rgb, _STEEL, 0.4)
    if look.colour == "yellow":
        rgb = _mixed(look.rgb, _GOLD, 0.7)
    parts = [Part(merged(meshes), Surface(rgb, "brushed metal"))]
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


@kind(
    "guitar",
    colours=("brown", "orange", "red", "blue", "black", "white", "yellow"),
    materials=("wooden",),
    synonyms=("ukulele",),
    hypernyms=("musical instrument",),
)
def guitar(rng: np.random.Generator, look: Look) -> list[Part]:
    a = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    half_long, lower, waist = 0.105, rng.uniform(0.076, 0.084), rng.uniform(0.26, 0.34)
    x = half_long * np.cos(a)
    t = (x / half_long + 1) / 2  # 0 at the bottom, 1 at the neck
    pinch = 1 - waist * np.exp(-(((t - 0.62) / 0.16) ** 2)) - 0.16 * t
    y = lower * np.sign(np.sin(a)) * np.abs(np.sin(a)) ** 0.75 * pinch
    outline = np.stack([x, y], -1)
    deep = rng.uniform(0.04, 0.05)
    rgb = look.rgb
    wood = _wood(rng, rgb)
    side = Surface(_mixed(rgb, _DARK, 0.3), "glossy", roughness=0.2)
    shell = _slab(outline, deep - 0.002, 0.002)
    top = _slab(outline * 1.012, 0.003, 0.001).moved(z=deep - 0.003)
    hole_x, hole = 0.030, 0.024
    rosette = _slab(_circle(hole * 1.22), 0.0006, 0.0001).moved(x=hole_x, z=deep - 0.0002)
    opening = _slab(_circle(hole), 0.0006, 0.0001).moved(x=hole_x, z=deep + 0.0002)
    bridge = rounded_box(0.012, 0.06, 0.007, 0.002).moved(-0.055, 0, deep - 0.001)
    neck_end, head = half_long + 0.17, 0.07
    board = rounded_box(neck_end - 0.05, 0.03, 0.006, 0.001).moved((neck_end + 0.05) / 2, 0, deep - 0.001)
    neck = sweep([(half_long - 0.01, 0, deep - 0.006), (neck_end, 0, deep - 0.006)], 0.0145, 16, flatten=0.7)
    heel = rounded_box(0.025, 0.03, deep * 0.7, 0.006).moved(half_long + 0.004, 0, deep * 0.25)
    paddle = np.array(
        [
            (0, -0.016),
            (head * 0.3, -0.024),
            (head, -0.027),
            (head * 1.06, 0),
            (head, 0.027),
            (head * 0.3, 0.024),
            (0, 0.016),
        ]
    )
    headstock = _slab(paddle, 0.01, 0.002).turned("y", 8).moved(neck_end - 0.004, 0, deep - 0.006)
    fret = rounded_box(0.0014, 0.029, 0.0014, 0.0004, 1).moved(z=deep + 0.0045)
    frets = [fret.moved(neck_end - (neck_end + 0.055) * (1 - 2 ** (-k / 12))) for k in range(13)]
    strings = [
        sweep([(-0.055, s * 0.0062, deep + 0.0075), (neck_end + 0.02, s * 0.005, deep + 0.0068)], 0.0006, 5)
        for s in (-1.5, -0.5, 0.5, 1.5)
    ]
    pegs = []
    for s in (-1, 1):
        for k in (0.4, 0.75):
            place = neck_end + head * k
            pegs.append(sweep([(place, s * 0.02, deep - 0.006), (place, s * 0.032, deep - 0.006)], 0.003, 8))
            pegs.append(ellipsoid(0.006, 0.006, 0.004, 12).moved(place, s * 0.035, deep - 0.006))
    dark = Surface((0.16, 0.10, 0.07), "glossy", roughness=0.4)
    parts = [
        Part(shell, side),
        Part(top, wood),
        Part(rosette, _painted(_mixed(rgb, _WHITE if not _is_light(rgb) else _DARK, 0.5))),
        Part(opening, Surface((0.03, 0.025, 0.02))),
        Part(merged([bridge, board]), dark),
        Part(merged([neck, heel, headstock]), wood),
        Part(merged(strings), Surface((0.92, 0.92, 0.88))),
        Part(merged([*frets, *pegs]), Surface(_STEEL, "metal")),
    ]
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


def _earth(rng: np.random.Generator, blue: RGB, green: RGB, size: int = 112) -> np.ndarray:
    """An invented map (size, 2 size, 3): continents on water, ice at the poles."""
    latitude, longitude = np.meshgrid(
        np.linspace(np.pi / 2, -np.pi / 2, size), np.linspace(0, 2 * np.pi, 2 * size), indexing="ij"
    )
    place = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], -1)
    land = np.zeros(latitude.shape)
    for strength, pace in ((1.0, 2.2), (0.8, 4.0), (0.5, 8.0), (0.3, 15.0)):
        for _ in range(4):
            way = rng.normal(size=3)
            land += strength * np.sin(place @ (pace * way / np.linalg.norm(way)) + rng.uniform(0, 6.28))
    picture = np.ones((*latitude.shape, 3)) * np.array(blue)
    solid = land > np.quantile(land, 0.66)
    dry = (land > np.quantile(land, 0.9))[..., None]
    picture = np.where(solid[..., None], np.where(dry, np.array((0.72, 0.62, 0.32)), np.array(green)), picture)
    lines = (np.abs(np.sin(6 * latitude)) < 0.05) | (np.abs(np.sin(6 * longitude)) < 0.04)
    picture[lines & ~solid] = _mixed(blue, _WHITE, 0.25)
    picture[np.abs(latitude) > 1.33 + 0.02 * land] = _WHITE
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


@kind("globe", colours=("blue",), synonyms=("earth globe",), hypernyms=("decoration",))
def globe(rng: np.random.Generator, look: Look) -> list[Part]:
    r = rng.uniform(0.07, 0.085)
    ball = ellipsoid(r, segments=56)
    earth = _printed(_earth(rng, varied(rng, (0.12, 0.38, 0.75)), varied(rng, (0.20, 0.52, 0.20))), 0.2)
    a = np.radians(np.linspace(-96, 96, 48))
    arc = np.stack([(r + 0.009) * np.cos(a), 0 * a, (r + 0.009) * np.sin(a)], -1)
    meridian = sweep(arc, 0.003, 10)
    pins = [cylinder(0.0035, 0.016).moved(z=z) for z in (r - 0.003, -r - 0.013)]
    tilt = rng.uniform(18, 25)
    low = r + 0.03
    foot = rng.uniform(0.045, 0.058)
    base = lathe([(0, 0), (foot, 0), (foot, 0.006), (foot * 0.6, 0.013), (0.011, 0.018), (0.007, 0.032), (0, 0.032)])
    spin = float(rng.uniform(0, 360))
    lift = low + 0.006
    brass = Surface(_GOLD, "metal") if rng.random() < 0.5 else Surface(_STEEL, "metal")
    stand = _wood(rng, (0.42, 0.24, 0.12)) if rng.random() < 0.5 else _painted(_DARK if rng.random() < 0.5 else _GOLD)
    parts = [
        Part(ball.turned("z", spin).turned("y", tilt).moved(z=lift), earth),
        Part(merged([meridian, *pins]).turned("y", tilt).moved(z=lift), brass),
        Part(base, stand),
    ]
    return _settled(_turned(parts, "z", rng.uniform(-60, 60)))


@kind(
    "trophy",
    colours=("yellow",),
    materials=("metal",),
    synonyms=("trophy cup", "golden cup"),
    hypernyms=("decoration",),
)
def trophy(rng: np.random.Generator, look: Look) -> list[Part]:
    gold = Surface(_mixed(look.rgb, _GOLD, 0.55), "metal" if rng.random() < 0.5 else "brushed metal")
    base, wide = rng.uniform(0.026, 0.036), rng.uniform(0.042, 0.052)
    tall = rng.uniform(0.085, 0.11)
    foot = smooth_curve(
        [(0.03, 0), (0.026, 0.006), (0.009, 0.018), (0.007, 0.032), (0.012, 0.038), (0.007, 0.044), (0.012, 0.05)], 36
    )
    bowl = smooth_curve(
        [
            (0.012, 0.05),
            (wide * 0.72, 0.066),
            (wide * 0.93, 0.05 + tall * 0.45),
            (wide * rng.uniform(0.9, 1.0), 0.05 + tall * 0.8),
            (wide * 1.1, 0.05 + tall),
        ],
        30,
    )
    inside = bowl[::-1] * (0.95, 1.0) + (0, 0.001)
    cup = lathe(np.concatenate([[(0, 0)], foot, bowl, inside, [(0, 0.052)]])).moved(z=base)
    top = base + 0.05 + tall
    handles = []
    for side in (1, -1):
        reach = side * wide * np.array([0.98, 1.45, 1.62, 1.25, 0.7])
        level = np.array([top - 0.018, top - 0.008, top - 0.035, top - 0.065, base + 0.066])
        path = smooth_curve(np.stack([reach, 0 * reach, level], -1), 28)
        handles.append(sweep(path, 0.0045, 12))
    plinth = lathe([(0, 0), (0.04, 0), (0.04, 0.007), (0.034, 0.010), (0.033, base), (0, base)])
    if rng.random() < 0.5:
        plinth = merged([rounded_box(0.078, 0.078, 0.009, 0.002), rounded_box(0.066, 0.066, base, 0.002)])
    plate = rounded_box(0.032, 0.003, base * 0.45, 0.0008).moved(0, -0.033, base * 0.36)
    dark = _painted(_DARK, 0.2) if rng.random() < 0.5 else _wood(rng, (0.33, 0.18, 0.1))
    parts = [Part(merged([cup, *handles]), gold), Part(plinth, dark), Part(plate, gold)]
    if rng.random() < 0.5:
        angles = np.arange(10) * np.pi / 5 + np.pi / 2
        reach = np.where(np.arange(10) % 2 == 0, wide * 0.34, wide * 0.15)
        star = extruded(np.stack([reach * np.cos(angles), reach * np.sin(angles)], -1), 0.004).turned("x", 90)
        parts.append(Part(star.moved(0, -wide * 0.93, base + 0.05 + tall * 0.58), gold))
    return _settled(parts)


@kind("hammer", colours=("red", "blue", "yellow", "black", "orange", "green", "brown"), hypernyms=("tool",))
def hammer(rng: np.random.Generator, look: Look) -> list[Part]:
    long, r = rng.uniform(0.19, 0.23), rng.uniform(0.0115, 0.0135)
    line = [
        (0, 0),
        (r * 0.9, 0.002),
        (r * 1.1, 0.01),
        (r * 0.92, long * 0.2),
        (r * 1.08, long * 0.42),
        (r * 0.8, long * 0.62),
        (r * 0.72, long),
        (0, long),
    ]
    handle = lathe(smooth_curve(line, 40).clip(0), 32).scaled(0.85, 1.15, 1.0)
    grip_paint = _wood(rng, look.rgb) if look.colour == "brown" else _painted(look.rgb, 0.35)
    face, size = long - 0.008, 0.0125
    across = lambda line: lathe([(radius, y) for y, radius in line], 32).turned("x", -90)  # noqa: E731
    head = across(
        [
            (-0.048, 0),
            (-0.048, size * 1.05),
            (-0.045, size * 1.15),
            (-0.034, size * 1.15),
            (-0.03, size * 0.8),
            (-0.018, size * 0.85),
            (-0.014, size * 1.1),
            (0.014, size * 1.1),
            (0.02, size * 0.8),
            (0.02, 0),
        ]
    )
    claws = []
    if rng.random() < 0.7:
        for side in (1, -1):
            path = smooth_curve(
                [(side * 0.003, 0.01, 0), (side * 0.006, 0.035, 0.001), (side * 0.009, 0.058, -0.012)], 14
            )
            claws.append(sweep(path, np.linspace(0.0105, 0.003, 14), 12, flatten=0.7))
    else:
        claws.append(across([(0.015, size * 0.8), (0.045, size * 0.9), (0.055, size * 0.4), (0.055, 0)]))
    steel = Surface((0.58, 0.58, 0.60), "brushed metal")
    cheek = rounded_box(0.030, 0.03, 0.028, 0.004).moved(z=-0.014)
    parts = [
        Part(handle, grip_paint),
        Part(merged([head, *claws]).moved(z=face), steel),
        Part(cheek.moved(z=face), grip_paint if look.colour != "brown" else steel),
    ]
    parts = _settled(_turned(parts, "y", 90))
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


@kind("screwdriver", colours=("red", "orange", "yellow", "green", "blue", "black", "purple"), hypernyms=("tool",))
def screwdriver(rng: np.random.Generator, look: Look) -> list[Part]:
    grip, r, shaft = rng.uniform(0.085, 0.1), rng.uniform(0.0145, 0.0175), rng.uniform(0.075, 0.1)
    line = smooth_curve(
        [
            (0, 0),
            (r * 0.75, 0.002),
            (r, 0.012),
            (r * 0.98, grip * 0.55),
            (r * 0.62, grip * 0.8),
            (r * 0.8, grip * 0.93),
            (r * 0.55, grip),
            (0, grip),
        ],
        44,
    ).clip(0)
    handle = lathe(line, 48)
    angle = np.arctan2(handle.vertices[:, 1], handle.vertices[:, 0])
    fluted = (handle.vertices[:, 2] > 0.012) & (handle.vertices[:, 2] < grip * 0.75)
    inward = 1 - 0.11 * fluted * (0.5 + 0.5 * np.cos(8 * angle)) ** 2
    handle = replace(
        handle, vertices=(handle.vertices * np.stack([inward, inward, 1 + 0 * inward], -1)).astype(np.float32)
    )
    collar = lathe([(r * 0.72, grip * 0.76), (r * 0.78, grip * 0.78), (r * 0.78, grip * 0.83), (r * 0.72, grip * 0.85)])
    rod = cylinder(0.0038, shaft).moved(z=grip - 0.003)
    z = grip - 0.003 + shaft
    blade = np.stack(
        [
            np.column_stack([_rounded(2 * w, 2 * t, min(w, t) * 0.6, 4), np.full(16, h)])
            for w, t, h in ((0.0037, 0.0037, z - 0.003), (0.0058, 0.0026, z + 0.006), (0.0052, 0.0011, z + 0.016))
        ]
    )
    parts = [
        Part(handle, _painted(look.rgb, 0.2)),
        Part(collar, _painted(_DARK if look.colour != "black" else (0.8, 0.1, 0.1))),
        Part(merged([rod, _loft(blade)]), Surface(_STEEL, "metal")),
    ]
    parts = _settled(_turned(parts, "y", 90))
    return _settled(_turned(parts, "z", rng.uniform(0, 360)))


@kind(
    "glasses",
    colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    synonyms=("eyeglasses", "spectacles"),
    hypernyms=("something to wear",),
)
def glasses(rng: np.random.Generator, look: Look) -> list[Part]:
    style = int(rng.integers(3))  # round, rounded rectangle, drop
    wide, tall = ((0.024, 0.0225), (0.0265, 0.0185), (0.0265, 0.0215))[style]
    a = np.linspace(0, 2 * np.pi, 48)
    power = (1.0, 0.6, 0.8)[style]
    thick = rng.uniform(0.0024, 0.0032)
    ring_x = wide * np.sign(np.cos(a)) * np.abs(np.cos(a)) ** power
    ring_z = tall * np.sign(np.sin(a)) * np.abs(np.sin(a)) ** power
    if style == 2:
        ring_x = ring_x * (1 + 0.12 * np.sin(a))
    gap = wide + rng.uniform(0.0075, 0.0095)
    low = tall + thick
    frame, lenses = [], []
    for side in (1, -1):
        rim = np.stack([side * gap + ring_x, 0 * a, low + ring_z], -1)
        frame.append(sweep(rim, thick, 12))
        outline = np.stack([ring_x[:-1], ring_z[:-1]], -1) * 0.99
        lenses.append(extruded(outline, 0.0012).turned("x", 90).moved(side * gap, 0.0006, low))
        hinge = side * (gap + wide)
        long = 0.115
        arm = smooth_curve(
            [
                (hinge, 0, low + tall * 0.45),
                (hinge + side * 0.003, 0.006, low + tall * 0.5),
                (hinge + side * 0.001, long * 0.75, low + tall * 0.45),
                (hinge - side * 0.004, long, thick),
            ],
            30,
        )
        frame.append(sweep(arm, thick * 0.95, 10))
    bridge = smooth_curve(
        [(-gap + wide, 0, low + tall * 0.2), (0, -0.001, low + tall * 0.42), (gap - wide, 0, low + tall * 0.2)], 12
    )
    frame.append(sweep(bridge, thick * 0.95, 10))
    dark = look.colour == "black" and rng.random() < 0.4
    lens = Surface((0.05, 0.05, 0.06), "glossy", roughness=0.08) if dark else Surface(kind="glass")
    parts = [Part(merged(frame), _painted(look.rgb, 0.2)), *(Part(mesh, lens) for mesh in lenses)]
    if not dark and rng.random() < 0.4:  # empty frames: clear lenses are hardly seen and make the picture noisy
        parts = parts[:1]
    return _settled([replace(part, mesh=part.mesh.scaled(1.15)) for part in parts])
