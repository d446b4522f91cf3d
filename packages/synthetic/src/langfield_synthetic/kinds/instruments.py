"""Musical instruments."""

import numpy as np

from langfield_synthetic.kinds.colouring import DARK, STEEL, WHITE, is_light, mixed, painted, wood_surface
from langfield_synthetic.kinds.shaping import circle, settled, slab, turned
from langfield_synthetic.meshes import Mesh, ellipsoid, merged, rounded_box, sweep
from langfield_synthetic.things import Look, Part, Surface, kind


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
    wood = wood_surface(rng, rgb)
    side = Surface(mixed(rgb, DARK, 0.3), "glossy", roughness=0.2)
    shell = slab(outline, deep - 0.002, 0.002)
    top = slab(outline * 1.012, 0.003, 0.001).moved(z=deep - 0.003)
    hole_x, hole = 0.030, 0.024
    rosette = slab(circle(hole * 1.22, 40), 0.0006, 0.0001).moved(x=hole_x, z=deep - 0.0002)
    opening = slab(circle(hole, 40), 0.0006, 0.0001).moved(x=hole_x, z=deep + 0.0002)
    bridge = rounded_box(0.012, 0.06, 0.007, 0.002).moved(-0.055, 0, deep - 0.001)
    neck_end, head = half_long + 0.17, 0.07
    board = rounded_box(neck_end - 0.05, 0.03, 0.006, 0.001).moved((neck_end + 0.05) / 2, 0, deep - 0.001)
    fret = rounded_box(0.0014, 0.029, 0.0014, 0.0004, 1).moved(z=deep + 0.0045)
    frets = [fret.moved(neck_end - (neck_end + 0.055) * (1 - 2 ** (-k / 12))) for k in range(13)]
    strings = [
        sweep([(-0.055, s * 0.0062, deep + 0.0075), (neck_end + 0.02, s * 0.005, deep + 0.0068)], 0.0006, 5)
        for s in (-1.5, -0.5, 0.5, 1.5)
    ]
    dark = Surface((0.16, 0.10, 0.07), "glossy", roughness=0.4)
    parts = [
        Part(shell, side),
        Part(top, wood),
        Part(rosette, painted(mixed(rgb, WHITE if not is_light(rgb) else DARK, 0.5))),
        Part(opening, Surface((0.03, 0.025, 0.02))),
        Part(merged([bridge, board]), dark),
        Part(_neck(half_long, neck_end, head, deep), wood),
        Part(merged(strings), Surface((0.92, 0.92, 0.88))),
        Part(merged([*frets, *_pegs(neck_end, head, deep)]), Surface(STEEL, "metal")),
    ]
    return settled(turned(parts, "z", rng.uniform(0, 360)))


def _neck(start: float, end: float, head: float, deep: float) -> Mesh:
    """From x = `start` to `end`, its foot, and a headstock `head` long, on a body `deep` metres deep."""
    neck = sweep([(start - 0.01, 0, deep - 0.006), (end, 0, deep - 0.006)], 0.0145, 16, flatten=0.7)
    heel = rounded_box(0.025, 0.03, deep * 0.7, 0.006).moved(start + 0.004, 0, deep * 0.25)
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
    headstock = slab(paddle, 0.01, 0.002).turned("y", 8).moved(end - 0.004, 0, deep - 0.006)
    return merged([neck, heel, headstock])


def _pegs(end: float, head: float, deep: float) -> list[Mesh]:
    pegs = []
    for s in (-1, 1):
        for k in (0.4, 0.75):
            place = end + head * k
            pegs.append(sweep([(place, s * 0.02, deep - 0.006), (place, s * 0.032, deep - 0.006)], 0.003, 8))
            pegs.append(ellipsoid(0.006, 0.006, 0.004, 12).moved(place, s * 0.035, deep - 0.006))
    return pegs
