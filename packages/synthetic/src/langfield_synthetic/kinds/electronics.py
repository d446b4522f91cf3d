"""Electronics."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langfield_synthetic import textures
from langfield_synthetic.kinds.colouring import (
    DARK,
    STEEL,
    WHITE,
    byte,
    drawing,
    ink_on,
    is_light,
    mixed,
    painted,
    printed,
)
from langfield_synthetic.kinds.shaping import circle, round_rectangle, settled, sheet, slab, turned
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, lathe, merged, rounded_box, sweep, torus
from langfield_synthetic.things import COLOURS, PAINTED, RGB, Look, Part, Surface, kind, varied


def _phone_screen(rng: np.random.Generator, rgb: RGB, width: int = 192, height: int = 400) -> np.ndarray:
    """Rows of icons and a clock on a background in the phone's colour."""
    wall = textures.gradient(mixed(rgb, DARK, 0.35), mixed(rgb, WHITE, 0.25), 64)
    picture = Image.fromarray(np.ascontiguousarray(wall)).convert("RGB").resize((width, height))
    draw = ImageDraw.Draw(picture)
    ink = byte(ink_on(rgb))
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
                [x, y, x + icon, y + icon], icon * 0.25, fill=byte(varied(rng, COLOURS[str(rng.choice(words))]))
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
    body = slab(round_rectangle(width, height, corner), thick, 0.0025)
    bezel = slab(round_rectangle(width * 0.97, height * 0.985, corner * 0.9), 0.0006, 0.0002).moved(z=thick - 0.0003)
    screen = slab(round_rectangle(width * 0.9, height * 0.95, corner * 0.7), 0.0006, 0.0001).moved(z=thick)
    parts = [
        Part(body, painted(look.rgb, 0.2)),
        Part(bezel, painted(DARK, 0.1)),
        Part(screen, printed(_phone_screen(rng, look.rgb), 0.12)),
    ]
    button = rounded_box(0.0015, 0.016, 0.003, 0.0005).moved(width / 2, height * 0.18, thick / 2 - 0.0015)
    parts.append(Part(button, painted(look.rgb, 0.2)))
    lens = [cylinder(0.005, 0.0016).moved(-width * 0.28, height * y, -0.0015) for y in (0.4, 0.31)]
    parts.append(Part(merged(lens), painted(DARK, 0.1)))
    if rng.random() < 0.6:
        return settled(turned(parts, "z", rng.uniform(-30, 30)))
    lean = rng.uniform(62, 74)  # on a stand
    parts = settled(turned(parts, "x", lean))
    parts = [replace(part, mesh=part.mesh.moved(z=0.008)) for part in parts]
    base = slab(round_rectangle(width * 0.8, 0.08, 0.012), 0.008, 0.002).moved(y=0.012)
    lip = rounded_box(width * 0.5, 0.006, 0.02, 0.002).moved(
        y=float(min(part.mesh.bounds[0, 1] for part in parts)) - 0.004
    )
    top = (0.0, 0.024 - 0.01, height * 0.5)
    rest = sweep([(0.0, 0.042, 0.004), top], 0.006, 12)
    return settled([*parts, Part(merged([base, lip, rest]), painted(mixed(look.rgb, (0.5, 0.5, 0.5), 0.3)))])


def _keyboard(rgb: RGB, width: int = 384, height: int = 160) -> np.ndarray:
    keys = DARK if is_light(rgb) else mixed(rgb, DARK, 0.6)
    picture, draw = drawing(width, height, rgb)
    for row in range(5):
        y0, y1 = height * row / 5 + 3, height * (row + 1) / 5 - 3
        shift = (0, 0.3, 0.5, 0.8, 0)[row]
        edges = np.concatenate([[0], np.arange(1, 13) + shift, [13.6]]) * width / 13.6
        if row == 4:
            edges = np.array([0, 1.2, 2.4, 3.7, 9.2, 10.4, 11.4, 12.5, 13.6]) * width / 13.6
        for x0, x1 in pairwise(edges.tolist()):
            draw.rounded_rectangle([x0 + 2, y0, max(x1 - 3, x0 + 4), y1], 4, fill=byte(keys))
            if x1 - x0 < 60:
                middle = (x0 + x1) / 2, (y0 + y1) / 2
                draw.rectangle(
                    [middle[0] - 3, middle[1] - 4, middle[0] + 2, middle[1] + 3], fill=byte(mixed(keys, WHITE, 0.6))
                )
    return np.array(picture)


def _desktop(rng: np.random.Generator, rgb: RGB, width: int = 384, height: int = 240) -> np.ndarray:
    """A laptop's screen: background in its colour, a window with lines of text, icons."""
    wall = textures.gradient(mixed(rgb, DARK, 0.3), mixed(rgb, WHITE, 0.3), 64)
    picture = Image.fromarray(np.ascontiguousarray(wall)).convert("RGB").resize((width, height))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(30, 130), rng.uniform(20, 70)
        w, h = rng.uniform(140, 190), rng.uniform(90, 120)
        draw.rectangle([x, y, x + w, y + h], fill=(246, 247, 249))
        draw.rectangle([x, y, x + w, y + 14], fill=byte(mixed(rgb, (0.3, 0.35, 0.4), 0.4)))
        for k in range(int(h / 13) - 2):
            draw.rectangle(
                [x + 10, y + 23 + 13 * k, x + 10 + rng.uniform(0.4, 0.85) * w, y + 28 + 13 * k], fill=(120, 125, 135)
            )
    draw.rectangle([0, height - 20, width, height], fill=byte(mixed(rgb, DARK, 0.6)))
    for k in range(8):
        rgb_icon = byte(COLOURS[str(rng.choice(["red", "orange", "green", "blue", "pink", "white"]))])
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
    base = slab(round_rectangle(width, depth, corner), thick, 0.003)
    keys = sheet(width * 0.88, depth * 0.5, thick + 0.0003).moved(y=depth * 0.16)
    pad = slab(round_rectangle(width * 0.34, depth * 0.26, 0.004), 0.0008, 0.0003).moved(
        y=-depth * 0.29, z=thick - 0.0004
    )
    lid = slab(round_rectangle(width, depth, corner), 0.006, 0.002)
    bezel = slab(round_rectangle(width * 0.975, depth * 0.96, corner * 0.8), 0.0006, 0.0002).moved(z=0.0058)
    screen = sheet(width * 0.92, depth * 0.87, 0.0068).moved(y=depth * 0.01)
    badge = slab(circle(0.013, 40), 0.001, 0.0003).moved(z=-0.0006)
    # the lid is made lying face up with its hinge at -y, then raised about the hinge
    opened = rng.uniform(62, 78)
    lifted = [
        Part(lid, shell),
        Part(bezel, painted(DARK, 0.2)),
        Part(screen, printed(_desktop(rng, look.rgb), 0.15)),
        Part(badge, Surface(mixed(look.rgb, ink_on(look.rgb), 0.5), "glossy", roughness=0.1)),
    ]
    lifted = [
        replace(part, mesh=part.mesh.moved(y=depth / 2).turned("x", opened).moved(y=depth / 2 - 0.004, z=thick - 0.001))
        for part in lifted
    ]
    hinge = cylinder(0.005, width * 0.7).moved(z=-width * 0.35).turned("y", 90).moved(y=depth / 2 - 0.003, z=thick)
    parts = [
        Part(base, shell),
        Part(keys, printed(_keyboard(look.rgb), 0.4)),
        Part(pad, Surface(mixed(look.rgb, DARK, 0.25), "glossy", roughness=0.3)),
        Part(hinge, painted(mixed(look.rgb, DARK, 0.5))),
        *lifted,
    ]
    return settled(parts)


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
    paint = painted(look.rgb, 0.25)
    soft = Surface(mixed(look.rgb, DARK, 0.75 if rng.random() < 0.6 else 0.35))
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
        Part(merged(trims), Surface(STEEL, "metal")),
    ]
    if rng.random() < 0.55:
        parts = turned(parts, "x", float(rng.choice([-1, 1])) * rng.uniform(66, 74))
    return settled(parts)


@kind(
    "camera",
    colours=("black", "gray", "red", "brown", "white", "blue", "pink", "green"),
    synonyms=("photo camera",),
    hypernyms=("electronics",),
)
def camera(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height, deep = rng.uniform(0.115, 0.13), rng.uniform(0.07, 0.078), rng.uniform(0.036, 0.042)
    paint = painted(look.rgb, 0.3)
    dark = painted(DARK, 0.3)
    trim = Surface(STEEL, "brushed metal")
    body = rounded_box(width, deep, height, 0.009)
    skin = textures.noise(rng, mixed(look.rgb, DARK, 0.12), 0.03)
    band = rounded_box(width + 0.001, deep + 0.001, height * 0.52, 0.008).moved(z=height * 0.16)
    hump_wide = width * rng.uniform(0.26, 0.34)
    hump_at = float(rng.choice([0.0, 0.0, -width * 0.2]))
    hump = slab(round_rectangle(hump_wide, deep * 0.8, 0.006), 0.02, 0.005, taper=0.004).moved(
        hump_at, 0, height - 0.003
    )
    at = (width * 0.04, -deep / 2 + 0.002, height * 0.47)
    lens, ring, front = (mesh.moved(*at) for mesh in _lens(height * rng.uniform(0.36, 0.41), rng.uniform(0.03, 0.05)))
    flash = rounded_box(hump_wide * 0.62, 0.004, 0.009, 0.001).moved(hump_at, -deep * 0.4 + 0.0005, height + 0.002)
    shutter = cylinder(0.006, 0.008).moved(-width * 0.36, 0, height - 0.001)
    dial = cylinder(0.010, 0.008).moved(width * 0.34, 0, height - 0.001)
    finder = rounded_box(0.014, 0.005, 0.009, 0.001).moved(-width * 0.32, -deep / 2 + 0.001, height * 0.78)
    screen = (
        sheet(width * 0.55, height * 0.55).turned("x", 90).turned("z", 180).moved(0, deep / 2 + 0.0012, height * 0.45)
    )
    parts = [
        Part(merged([body, hump]), paint),
        Part(band, Surface(look.rgb, "glossy", texture=skin, roughness=0.55)),
        Part(lens, paint if look.colour != "black" and rng.random() < 0.35 else dark),
        Part(ring, trim),
        Part(front, Surface((0.10, 0.10, 0.22), "glossy", roughness=0.08)),
        Part(flash, painted((0.93, 0.93, 0.88), 0.1)),
        Part(merged([shutter, dial]), trim),
        Part(merged([finder, screen]), painted(DARK, 0.1)),
    ]
    return settled(parts)


def _lens(r: float, long: float) -> tuple[Mesh, Mesh, Mesh]:
    """A barrel of this radius and length from the origin to -y, a ring around it, and its glass."""
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
    lens = lathe(barrel).turned("x", 90)
    ring = lathe(
        [
            (r * 0.99, long * 0.5),
            (r * 1.0, long * 0.52),
            (r * 1.0, long * 0.62),
            (r * 0.99, long * 0.64),
            (r * 0.9, long * 0.6),
            (r * 0.99, long * 0.5),
        ]
    ).turned("x", 90)
    front = ellipsoid(r * 0.72, r * 0.72, r * 0.22).moved(z=long * 0.8).turned("x", 90)
    return lens, ring, front
