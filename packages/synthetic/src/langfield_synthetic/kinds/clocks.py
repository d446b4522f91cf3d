"""Clocks."""

from dataclasses import replace

import numpy as np
from PIL import ImageFont

from langfield_synthetic.kinds.colouring import CREAM, STEEL, byte, drawing, mixed, painted
from langfield_synthetic.kinds.shaping import circle, settled, upright_plate
from langfield_synthetic.meshes import cylinder, lathe, merged, rounded_box, smooth_curve, sweep, torus
from langfield_synthetic.things import PAINTED, RGB, Look, Part, Surface, kind, varied


def _dial(rng: np.random.Generator, ground: RGB, ink: RGB, size: int = 256) -> np.ndarray:
    """A clock's face: marks, numbers and hands."""
    picture, draw = drawing(size, size, ground)
    middle, font = size / 2, ImageFont.load_default(size * 0.13)
    all_numbers = rng.random() < 0.6

    def spot(turn: float, reach: float) -> tuple[float, float]:
        return middle + size / 2 * reach * np.sin(turn), middle - size / 2 * reach * np.cos(turn)

    for k in range(60):
        turn = np.pi * k / 30
        if k % 5 == 0:
            draw.line([spot(turn, 0.84), spot(turn, 0.93)], fill=byte(ink), width=size // 50)
        else:
            draw.line([spot(turn, 0.9), spot(turn, 0.93)], fill=byte(ink), width=size // 128)
    for k in range(1, 13):
        if all_numbers or k % 3 == 0:
            draw.text(spot(np.pi * k / 6, 0.70), str(k), fill=byte(ink), font=font, anchor="mm")
    minutes = int(rng.integers(720))
    for turn, reach, width in ((2 * np.pi * minutes / 720, 0.45, 20), (2 * np.pi * (minutes % 60) / 60, 0.72, 30)):
        draw.line([spot(turn, -0.1), spot(turn, reach)], fill=byte(ink), width=size // width)
    turn = rng.uniform(0, 2 * np.pi)
    draw.line([spot(turn, -0.15), spot(turn, 0.8)], fill=byte((0.85, 0.1, 0.1)), width=size // 90)
    dot = size / 28
    draw.ellipse([middle - dot, middle - dot, middle + dot, middle + dot], fill=byte(ink))
    return np.array(picture)


@kind(
    "clock",
    colours=PAINTED,
    synonyms=("alarm clock",),
    hypernyms=("something that tells time",),
)
def clock(rng: np.random.Generator, look: Look) -> list[Part]:
    size = rng.uniform(0.05, 0.062)
    dark = look.colour == "black" and rng.random() < 0.5
    ground: RGB = (0.08, 0.08, 0.09) if dark else mixed(CREAM, look.rgb, 0.06)
    dial = Surface(texture=_dial(rng, ground, (0.95, 0.95, 0.93) if dark else (0.08, 0.08, 0.1)))
    paint = painted(look.rgb, 0.25)
    deep = size * rng.uniform(0.75, 1.1)
    parts = (_alarm_clock if rng.random() < 0.6 else _block_clock)(rng, size, deep, paint, dial)
    lean = rng.uniform(0, 8)
    return settled([replace(part, mesh=part.mesh.turned("x", -lean)) for part in parts])


def _alarm_clock(rng: np.random.Generator, size: float, deep: float, paint: Surface, dial: Surface) -> list[Part]:
    """A round one on two feet, perhaps with bells."""
    inner = size * 0.78
    line = [
        (0, deep * 0.9),
        (size * 0.8, deep * 0.9),
        (size * 0.97, deep * 0.75),
        (size, deep * 0.1),
        (size * 0.93, 0),
        (inner, 0.0),
        (inner, 0.006),
        (0, 0.006),
    ]
    body = lathe(line[::-1]).turned("x", -90).moved(0, -deep / 2, 0)
    face = upright_plate(circle(inner), 0.002).moved(0, -deep / 2 + 0.0065, 0)
    legs = [
        sweep([(s * size * 0.45, 0, -size * 0.75), (s * size * 0.72, 0, -size * 1.22)], [0.007, 0.005], 12)
        for s in (-1, 1)
    ]
    meshes = [body, *legs]
    parts = [Part(face, dial)]
    metal = Surface(varied(rng, STEEL), "metal")
    if rng.random() < 0.75:
        bells = [
            lathe(
                [
                    (0, 0.006),
                    (size * 0.42, 0),
                    (size * 0.36, size * 0.2),
                    (size * 0.2, size * 0.34),
                    (0, size * 0.4),
                ]
            )
            .turned("y", s * 35)
            .moved(s * size * 0.62, 0, size * 0.92)
            for s in (-1, 1)
        ]
        arch = sweep(
            smooth_curve([(-0.018, 0, size), (-0.014, 0, size * 1.5), (0.014, 0, size * 1.5), (0.018, 0, size)], 16),
            0.002,
            8,
        )
        meshes += bells
        parts.append(Part(merged([arch, cylinder(0.005, size * 0.35).moved(z=size * 0.97)]), metal))
    parts.append(Part(merged(meshes), paint))
    return parts


def _block_clock(rng: np.random.Generator, size: float, deep: float, paint: Surface, dial: Surface) -> list[Part]:
    """A block with rounded edges."""
    wide = size * rng.choice([1.0, 1.0, 1.3])
    body = rounded_box(2 * wide, deep, 2 * size, size * rng.uniform(0.12, 0.6)).moved(z=-size)
    inner = size * 0.74
    ring = torus(inner, 0.003).turned("x", 90).moved(0, -deep / 2, 0)
    face = upright_plate(circle(inner), 0.003).moved(0, -deep / 2 + 0.0015, 0)
    parts = [Part(body, paint), Part(ring, paint), Part(face, dial)]
    if rng.random() < 0.5:
        button = rounded_box(size * 0.7, deep * 0.4, 0.012, 0.004).moved(z=size - 0.004)
        parts.append(Part(button, painted(mixed(paint.rgb, (0.5, 0.5, 0.5), 0.25))))
    return parts
