"""What things are kept, wrapped or sold in: baskets, boxes, a carton, a roll."""

from dataclasses import replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import (
    byte,
    contrast,
    drawing,
    ink_on,
    mixed,
    painted,
    pixels,
    second_colour,
    wood_surface,
)
from langfield_synthetic.meshes import (
    Mesh,
    box_sides,
    cylinder,
    ellipsoid,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    sweep,
)
from langfield_synthetic.things import COLOURS, PAINTED, RGB, Look, Part, Surface, kind, varied


@kind("basket", colours=("brown", "white", "gray", "yellow"), hypernyms=("container", "decoration"))
def basket(rng: np.random.Generator, look: Look) -> list[Part]:
    top, height = rng.uniform(0.075, 0.1), rng.uniform(0.065, 0.095)
    foot, squash = top * rng.uniform(0.68, 0.9), rng.uniform(0.72, 1.0)
    rows, posts = int(rng.integers(9, 13)), int(rng.integers(13, 18)) * 2
    z = np.linspace(0, 1, rows * 3 + 1)
    radius = foot + (top - foot) * z ** rng.uniform(0.6, 1.1)
    angle = np.linspace(0, 2 * np.pi, posts * 3, endpoint=False)
    over = np.cos(np.pi * np.floor(z * rows * 0.9999))[:, None] * np.cos(posts / 2 * angle)[None]
    strand = np.abs(np.sin(np.pi * z * rows))[:, None]
    r = radius[:, None] + 0.0022 * over * strand + 0.0025 * strand
    around = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z[:, None] * height, r.shape)], -1)
    wall = grid_mesh(around, wrap_v=True)
    wall = replace(wall, faces=wall.faces[:, ::-1].copy())
    lines = 0.80 + 0.28 * strand * (0.65 + 0.35 * over)
    texture = pixels(np.array(look.rgb) * lines[::-1, :, None] * rng.uniform(0.92, 1.08, (*lines.shape, 1)))
    woven = Surface(look.rgb, texture=texture)
    floor = cylinder(foot + 0.001, 0.006)
    turns = np.linspace(0, 2 * np.pi, 110)
    braid = []
    for phase in (0.0, np.pi):
        twist = 26 * turns + phase
        rim = top + 0.003 + 0.0032 * np.cos(twist)
        path = np.stack([rim * np.cos(turns), rim * np.sin(turns), height + 0.0032 * np.sin(twist)], -1)
        braid.append(sweep(path, 0.0042, 6))
    if rng.random() < 0.65:
        t, rise = np.linspace(0, np.pi, 60), rng.uniform(0.75, 1.1) * top
        for phase in (0.0, np.pi):
            twist = 16 * t + phase
            reach = top + 0.0035 * np.cos(twist)
            path = np.stack(
                [reach * np.cos(t), 0.0035 * np.sin(twist), height - 0.004 + rise * np.sin(t) * reach / top], -1
            )
            braid.append(sweep(path, 0.004, 6))
    plain = Surface(mixed(look.rgb, (0.0, 0.0, 0.0), 0.08))
    parts = [Part(wall, woven), Part(floor, plain), Part(merged(braid), plain)]
    return [replace(part, mesh=part.mesh.scaled(1.0, squash, 1.0)) for part in parts]


def _ribbon(path: np.ndarray, side: np.ndarray, width: float) -> Mesh:
    """A band along `path` (N, 3), `width` wide along `side` (3,) or (N, 3)."""
    across = np.array([-0.5, 0.0, 0.5])[None, :, None] * width * np.broadcast_to(side, path.shape)[:, None]
    return grid_mesh(path[:, None] + across)


@kind("gift box", colours=PAINTED, synonyms=("present",), hypernyms=("packaging", "container", "box"))
def gift_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y = rng.uniform(0.09, 0.13, 2)
    z = rng.uniform(0.06, 0.11)
    second = second_colour(rng, look)
    paper: np.ndarray | None = None
    if rng.random() < 0.35:
        paper = textures.dots(
            rng, look.rgb, mixed(look.rgb, (1, 1, 1) if sum(look.rgb) < 2.2 else (0.6, 0.6, 0.6), 0.35)
        )
    wrap = Surface(look.rgb, "glossy", texture=paper, roughness=0.35)
    lid = rng.uniform(0.018, 0.028)
    body = [rounded_box(x, y, z, 0.0015), rounded_box(x + 0.005, y + 0.005, lid, 0.0015).moved(z=z - lid + 0.001)]
    band, out = rng.uniform(0.014, 0.02), 0.0068
    bands = [rounded_box(band, y + out, z + 0.0018, 0.0005), rounded_box(x + out, band, z + 0.0018, 0.0005)]
    loops: list[Mesh] = []
    phi = np.linspace(0, 2 * np.pi, 24)
    count = int(rng.choice([2, 4, 6]))
    for k in range(count):
        size = min(x, y) * rng.uniform(0.42, 0.5)
        long, wide = size * (1 - np.cos(phi)) / 2, size * 0.55 * np.sin(phi) * np.sin(phi / 2)
        path = np.stack([long, 0 * phi, np.abs(long) * 0.45 + wide + 0.004], -1)
        loops.append(_ribbon(path, np.array([0, 1, 0]), band).turned("z", 360 * k / count + 20))
    for turn in (70, 250):
        t = np.linspace(0, 1, 12)
        path = np.stack([0.055 * t, 0.004 * np.sin(6 * t), 0.004 + 0.014 * np.sin(np.pi * t)], -1)
        loops.append(_ribbon(path, np.array([0, 1, 0]), band * 0.8).turned("z", turn))
    knot = ellipsoid(band * 0.6, band * 0.6, band * 0.5, 16).moved(z=0.006)
    ribbon = merged([*bands, merged([*loops, knot]).moved(z=z + 0.001)])
    return [Part(merged(body), wrap), Part(ribbon, painted(second, 0.3))]


def _printed_box(
    x: float, y: float, z: float, front: np.ndarray, side: np.ndarray, plain: Surface, roughness: float = 0.35
) -> list[Part]:
    sides = box_sides(x, y, z, 0.0012, 2)
    shown = {"front": front, "back": front, "left": side, "right": side}
    parts = [
        Part(sides[name], Surface(kind="glossy", texture=picture, roughness=roughness))
        for name, picture in shown.items()
    ]
    return [*parts, Part(merged([sides["top"], sides["bottom"]]), plain)]


def _bowl_picture(rng: np.random.Generator, rgb: RGB, width: int, height: int) -> np.ndarray:
    """What is inside, as boxes show it: a bowl with rings or flakes."""
    picture, draw = drawing(width, height, rgb)
    x, y = width / 2, height * 0.45
    reach, deep = width * 0.38, height * 0.42
    other = varied(rng, COLOURS["blue" if rgb[2] < 0.5 else "red" if rgb[0] > 0.7 else "white"])
    draw.pieslice([x - reach, y - deep, x + reach, y + deep], 0, 180, fill=byte(other))
    draw.ellipse([x - reach, y - deep * 0.35, x + reach, y + deep * 0.35], fill=byte((0.98, 0.97, 0.93)))
    for _ in range(34):
        a, r = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * 0.85
        cx, cy, s = (
            x + reach * r * np.cos(a),
            y - height * 0.03 + deep * 0.34 * r * np.sin(a),
            width * rng.uniform(0.03, 0.045),
        )
        draw.ellipse([cx - s, cy - s, cx + s, cy + s], fill=byte(varied(rng, (0.85, 0.60, 0.25))))
        draw.ellipse([cx - s * 0.35, cy - s * 0.35, cx + s * 0.35, cy + s * 0.35], fill=byte((0.5, 0.3, 0.1)))
    return np.array(picture)


_CEREALS = ("OATS", "CRUNCH", "FLAKES", "POPS", "LOOPS", "MUESLI", "BRAN", "CRISPY", "HONEY", "STARS")


@kind(
    "cereal box",
    colours=(*PAINTED[:8], "white"),
    synonyms=("box of cereal",),
    hypernyms=("packaging", "food", "box"),
)
def cereal_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y, z = rng.uniform(0.13, 0.16), rng.uniform(0.04, 0.055), rng.uniform(0.2, 0.24)
    word, ink = str(rng.choice(_CEREALS)), ink_on(look.rgb)
    title = textures.label(rng, word, look.rgb, ink, width=256, height=208, small=("WHOLE GRAIN",))
    front = np.concatenate([title, _bowl_picture(rng, look.rgb, 256, 176)])
    side = textures.label(rng, word, look.rgb, ink, width=128, height=384, small=("300 g",))
    return _printed_box(x, y, z, front, side, painted(look.rgb))


def _quilt(size: int) -> np.ndarray:
    """Shades of a pattern of pressed lozenges."""
    v, u = np.meshgrid(np.linspace(0, 4 * np.pi, size), np.linspace(0, 4 * np.pi, size), indexing="ij")
    return 1 - 0.13 * (np.abs(np.sin((u + v) / 2)) < 0.14) - 0.13 * (np.abs(np.sin((u - v) / 2)) < 0.14)


@kind("paper towel roll", colours=("white",), synonyms=("paper roll",), hypernyms=("kitchenware",))
def paper_towel_roll(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.048, 0.06), rng.uniform(0.2, 0.235)
    core, foot = 0.02, 0.0
    on_stand = rng.random() < 0.55
    parts: list[Part] = []
    if on_stand:
        foot, wood = 0.014, wood_surface(rng, varied(rng, (0.58, 0.38, 0.2)))
        base = lathe([(0, 0), (radius * 1.25, 0), (radius * 1.25, 0.011), (radius * 1.2, 0.014), (0, 0.014)])
        rod = lathe(
            [
                (0, 0),
                (0.008, 0),
                (0.008, height + 0.02),
                (0.014, height + 0.03),
                (0.011, height + 0.045),
                (0, height + 0.05),
            ]
        )
        parts.append(Part(merged([base, rod]), wood))
    line = [
        (core, 0),
        (radius - 0.002, 0),
        (radius, 0.002),
        (radius, height - 0.002),
        (radius - 0.002, height),
        (core, height),
        (core, 0),
    ]
    paper = pixels(np.array(look.rgb) * _quilt(128)[..., None])
    body = lathe(line)
    body = replace(body, uv=(body.uv * (5, 18)).astype(np.float32)).moved(z=foot)
    tube = lathe(
        [
            (core - 0.002, 0.001),
            (core + 0.001, 0.001),
            (core + 0.001, height + 0.0005),
            (core - 0.002, height + 0.0005),
            (core - 0.002, 0.001),
        ]
    )
    t = np.linspace(0, 1, 14)
    sheet = np.stack([radius * np.cos(t * 0.5) + 0.001 + 0.02 * t**2, radius * np.sin(t * 0.5) + 0.035 * t, 0 * t], -1)
    points = sheet[:, None] + np.array([0, 0, 1.0]) * np.linspace(0.001, height - 0.001, 6)[None, :, None]
    loose = grid_mesh(points).moved(z=foot)
    loose = replace(loose, uv=(loose.uv * (3, 1)).astype(np.float32))
    surface = Surface(look.rgb, texture=paper)
    return [*parts, Part(body, surface), Part(loose, surface), Part(tube.moved(z=foot), Surface((0.62, 0.48, 0.33)))]


@kind(
    "milk carton",
    colours=("white", "blue", "red", "green", "yellow", "pink"),
    synonyms=("carton of milk",),
    hypernyms=("container", "packaging", "drink"),
)
def milk_carton(rng: np.random.Generator, look: Look) -> list[Part]:
    wide, tall, roof, fin = rng.uniform(0.066, 0.078), rng.uniform(0.125, 0.170), rng.uniform(0.028, 0.038), 0.016
    rgb = look.rgb
    if look.colour == "white":
        ink = varied(rng, COLOURS[str(rng.choice(["blue", "red", "green"]))], 0.04)
    else:
        ink = contrast(rgb)
    front = textures.label(rng, "MILK", rgb, ink, width=256, height=int(256 * tall / wide), small=("FRESH", "1 LITRE"))
    plain = Surface(rgb, "glossy", roughness=0.45)
    printed = Surface(rgb, "glossy", front, 0.45)
    sides = box_sides(wide, wide, tall, 0.002)
    parts = [Part(mesh, plain if name in ("top", "bottom") else printed) for name, mesh in sides.items()]
    accent = Surface(ink, "glossy", roughness=0.45) if rng.random() < 0.4 else plain
    ridge = rounded_box(wide, 0.0042, fin + 0.002, 0.0012).moved(z=tall + roof - 0.002)
    parts += [Part(_gable(wide - 0.001, roof).moved(z=tall - 0.001), plain), Part(ridge, accent)]
    if rng.random() < 0.5:
        lean = np.degrees(np.arctan2(roof, wide / 2))
        cap = cylinder(0.0125, 0.012).turned("x", lean).moved(y=-0.25 * wide, z=tall + 0.5 * roof - 0.002)
        parts.append(Part(cap, Surface(ink, "glossy", roughness=0.3)))
    return parts


def _gable(wide: float, tall: float) -> Mesh:
    """A roof with its ridge along x, its two gable ends folded inwards, on a square of side `wide` at z = 0."""
    h, inset = wide / 2, 0.30 * wide
    slopes = [
        [(-h, -h, 0), (h, -h, 0), (h, 0, tall), (-h, 0, tall)],
        [(h, h, 0), (-h, h, 0), (-h, 0, tall), (h, 0, tall)],
    ]
    ends = []
    for s in (1, -1):
        fold = (s * (h - inset), 0, tall)
        for a, b, c in (((s * h, -s * h, 0), (s * h, s * h, 0), fold), ((s * h, s * h, 0), (s * h, 0, tall), fold)):
            ends.append([a, b, c])
        ends.append([(s * h, 0, tall), (s * h, -s * h, 0), fold])
    corners = [quad[k] for quad in slopes for k in (0, 1, 2, 0, 2, 3)] + [corner for end in ends for corner in end]
    vertices = np.array(corners, dtype=np.float32)
    faces = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
    return Mesh(vertices, faces, (vertices[:, :2] / wide + 0.5).astype(np.float32), smooth=False)
