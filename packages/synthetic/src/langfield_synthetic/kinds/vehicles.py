"""Toy vehicles that run on wheels."""

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.shaping import moved, scaled, settled
from langfield_synthetic.kinds.toy_parts import (
    BLACK_PLASTIC,
    CHROME,
    PLAIN_WOOD,
    TOY,
    TYRE,
    accent,
    coat,
    rod,
    round_corners,
    upright_slab,
    wheel_mesh,
    wheels,
    window_glass,
)
from langfield_synthetic.meshes import Mesh, cylinder, ellipsoid, lathe, merged, rounded_box
from langfield_synthetic.things import PAINTED, Look, Part, Surface, kind


def _between(outline: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a four-cornered (x, z) outline, bottom first, between two shares of its height."""
    a, b, c, d = outline
    return np.array([a + (d - a) * low, b + (c - b) * low, b + (c - b) * high, a + (d - a) * high])


def _shrunk(outline: np.ndarray, x: float, z: float) -> np.ndarray:
    middle = outline.mean(axis=0)
    return middle + (outline - middle) * [x, z]


@kind(
    "toy car",
    colours=PAINTED,
    materials=("plastic", "metal", "wooden"),
    synonyms=("car",),
    hypernyms=(*TOY, "vehicle"),
)
def toy_car(rng: np.random.Generator, look: Look) -> list[Part]:
    half, width, low = rng.uniform(0.052, 0.062), rng.uniform(0.048, 0.056), 0.010
    style = str(rng.choice(["saloon", "van", "beetle", "pickup"]))
    belt = {"saloon": 0.035, "van": 0.04, "beetle": 0.036, "pickup": 0.037}[style] + rng.uniform(-0.002, 0.002)
    roof = {"saloon": 0.056, "van": 0.066, "beetle": 0.06, "pickup": 0.06}[style] + rng.uniform(-0.002, 0.003)
    foot, top = {
        "saloon": ((-0.74, 0.5), (-0.46, 0.18)),
        "van": ((-0.97, 0.72), (-0.93, 0.5)),
        "beetle": ((-0.72, 0.56), (-0.38, 0.24)),
        "pickup": ((-0.2, 0.56), (-0.14, 0.3)),
    }[style]
    nose = belt - rng.uniform(0.003, 0.008)
    hull = [
        (-half, low),
        (half, low),
        (half * 1.01, nose - 0.006),
        (half * 0.9, nose),
        (half * 0.5, belt),
        (-half * 0.95, belt),
    ]
    cabin = np.array(
        [(foot[0] * half, belt - 0.003), (foot[1] * half, belt - 0.003), (top[1] * half, roof), (top[0] * half, roof)]
    )
    paint, bend = coat(rng, look), 0.016 if style == "beetle" else 0.007
    inner = width - rng.uniform(0.006, 0.01)
    parts = [
        Part(upright_slab(round_corners(hull, bend), width, 0.006), paint),
        Part(upright_slab(round_corners(cabin, bend), inner, 0.005), paint),
    ]
    panes = _windows(cabin, inner, 1 if style == "pickup" else 2)
    parts.append(Part(merged(panes), window_glass(look)))
    if style == "pickup":
        bed = rounded_box(half * 0.7, inner, 0.004, 0.002).moved(-half * 0.58, 0.0, belt - 0.003)
        parts.append(Part(bed, Surface(mixed(look.rgb, (0.05, 0.05, 0.05), 0.5))))
        rails = [
            rounded_box(half * 0.76, 0.004, 0.009, 0.0015).moved(-half * 0.58, y, belt - 0.003)
            for y in (-inner / 2, inner / 2)
        ]
        rails.append(rounded_box(0.004, inner, 0.009, 0.0015).moved(-half * 0.93, 0.0, belt - 0.003))
        parts.append(Part(merged(rails), paint))
    radius = rng.uniform(0.0115, 0.0135)
    spots = [(x * half, y * (width / 2 - 0.003), radius) for x in (-0.6, 0.6) for y in (-1, 1)]
    arches = [
        wheel_mesh(radius + 0.0025, 0.002).moved(x, np.sign(y) * (width / 2.0 - 0.0004), radius) for x, y, _ in spots
    ]
    parts.append(Part(merged(arches), BLACK_PLASTIC))
    hub = Surface(PLAIN_WOOD, "matte") if look.material == "wooden" else CHROME
    parts += wheels(spots, radius, 0.011, TYRE, hub)
    parts += _car_ends(half, width, (nose + low) / 2.0, (belt + low) / 2.0, low)
    if style == "saloon" and rng.random() < 0.4:
        stripes = [
            upright_slab(round_corners(_shrunk(np.array(hull), 1.004, 1.02), bend), 0.005).moved(y=y)
            for y in (-0.005, 0.005)
        ]
        parts.append(
            Part(merged(stripes), Surface(accent(rng, look, ("white", "black", "yellow")), "glossy", roughness=0.25))
        )
    return settled(scaled(parts, rng.uniform(0.9, 1.15)))


def _windows(cabin: np.ndarray, inner: float, panels: int) -> list[Mesh]:
    """One through the front and the back of a cabin (4, 2) of (x, z), `inner` wide, and `panels` on each side."""
    glass = _between(cabin, 0.28, 0.84)
    front = glass + np.array([(-0.0008, 0.0), (0.0008, 0.0), (0.0008, 0.0), (-0.0008, 0.0)])  # shows at both ends
    panes = [upright_slab(round_corners(front, 0.002), inner * 0.8, 0.001)]
    side = _shrunk(_between(cabin, 0.26, 0.86), 0.86, 1.0)
    for k in range(panels):
        one = side.copy()
        ends = k / panels + 0.03 * (k > 0), (k + 1) / panels - 0.03 * (k + 1 < panels)
        one[[0, 3]] = side[[0, 3]] + (side[[1, 2]] - side[[0, 3]]) * ends[0]
        one[[1, 2]] = side[[0, 3]] + (side[[1, 2]] - side[[0, 3]]) * ends[1]
        panes.append(upright_slab(round_corners(one, 0.003), inner + 0.0012, 0.0004))
    return panes


def _car_ends(half: float, width: float, front: float, back: float, low: float) -> list[Part]:
    """Lamps at the heights `front` and `back`, and bumpers at `low`, of a car as long as twice `half`."""
    lamps = [ellipsoid(0.002, 0.0045, 0.0045, 14).moved(half, y * width * 0.33, front + 0.004) for y in (-1, 1)]
    parts = [Part(merged(lamps), Surface((0.98, 0.93, 0.7), "glossy", roughness=0.1))]
    tails = [ellipsoid(0.0015, 0.004, 0.0032, 12).moved(-half, y * width * 0.35, back + 0.003) for y in (-1, 1)]
    parts.append(Part(merged(tails), Surface((0.7, 0.03, 0.03), "glossy", roughness=0.1)))
    bumper = [
        rounded_box(0.004, width * 0.94, 0.005, 0.002).moved(x * (half + 0.0005), 0.0, low + 0.001) for x in (-1, 1)
    ]
    parts.append(Part(merged(bumper), Surface((0.6, 0.61, 0.63), "brushed metal")))
    return parts


@kind(
    "toy train",
    colours=PAINTED,
    materials=("plastic", "wooden"),
    synonyms=("train", "locomotive"),
    hypernyms=(*TOY, "vehicle"),
)
def toy_train(rng: np.random.Generator, look: Look) -> list[Part]:
    paint, second = coat(rng, look), Surface(accent(rng, look), "glossy", roughness=0.3)
    boiler, reach = rng.uniform(0.017, 0.021), rng.uniform(0.06, 0.075)
    wheel, deck = rng.uniform(0.0105, 0.013), 0.018
    back, wide, tall = -0.05, 0.046, rng.uniform(0.052, 0.062)
    front = reach - 0.012
    high = deck + 0.008 + boiler
    drum = cylinder(boiler, front + 0.03, bevel=0.002).turned("y", 90.0).moved(-0.03, 0.0, high)
    parts = [
        Part(rounded_box(front - back + 0.006, 0.044, 0.010, 0.003).moved((front + back) / 2.0, 0.0, deck), paint),
        Part(drum, paint),
        Part(rounded_box(0.04, wide, tall, 0.003).moved(back + 0.02, 0.0, deck + 0.004), paint),
        Part(rounded_box(0.052, wide + 0.01, 0.006, 0.0029).moved(back + 0.02, 0.0, deck + tall + 0.003), paint),
        Part(cylinder(boiler * 0.86, 0.002).turned("y", 90.0).moved(front, 0.0, high), BLACK_PLASTIC),
        Part(cylinder(boiler * 0.42, 0.004).turned("y", 90.0).moved(front, 0.0, high), second),
    ]
    z = deck + tall * 0.62
    panes = [rounded_box(0.024, wide + 0.0012, tall * 0.36, 0.003, 2).moved(back + 0.02, 0.0, z)]
    panes.append(rounded_box(0.0412, wide * 0.62, tall * 0.3, 0.003, 2).moved(back + 0.02, 0.0, z))
    parts.append(Part(merged(panes), window_glass(look)))
    rings = [cylinder(boiler + 0.0012, 0.003).turned("y", 90.0).moved(x, 0.0, high) for x in (0.004, front - 0.012)]
    parts.append(Part(merged(rings), second))
    stack, flare = rng.uniform(0.022, 0.032), rng.uniform(1.2, 2.0)
    chimney = lathe(
        [
            (0.0, 0.0),
            (0.0065, 0.0),
            (0.006, stack * 0.55),
            (0.0065 * flare, stack),
            (0.005 * flare, stack),
            (0.0, stack - 0.004),
        ],
        28,
    )
    parts.append(Part(chimney.moved(front - 0.012, 0.0, high + boiler - 0.003), BLACK_PLASTIC))
    dome = merged([cylinder(0.0065, 0.01).moved(z=-0.003), ellipsoid(0.0065, segments=20).moved(z=0.007)])
    gold = Surface((0.85, 0.65, 0.25), "metal") if rng.random() < 0.6 else second
    parts.append(Part(dome.moved(0.008, 0.0, high + boiler), gold))
    spots = [(x, y * 0.022, wheel) for x in np.linspace(back + 0.012, front - 0.014, 3) for y in (-1, 1)]
    tyre = Surface(accent(rng, look, ("red", "black", "yellow")), "glossy", roughness=0.3)
    parts += wheels(spots, wheel, 0.007, tyre, BLACK_PLASTIC if tyre.rgb[0] > 0.3 else second)
    rods = [rod((spots[0][0], y * 0.028, wheel), (spots[-1][0], y * 0.028, wheel), 0.0016) for y in (-1, 1)]
    parts.append(Part(merged(rods), CHROME))
    wedge = upright_slab(
        round_corners([(0.0, 0.0), (0.016, 0.0), (0.002, 0.016), (0.0, 0.016)], 0.001), 0.04, 0.002
    ).moved(front + 0.002, 0.0, 0.004)
    parts.append(Part(wedge, BLACK_PLASTIC if rng.random() < 0.4 else second))
    if rng.random() < 0.35:
        parts += moved(_wagon(rng, paint, tyre, wheel, deck), x=back - 0.047)
    return settled(scaled(parts, rng.uniform(0.9, 1.15)))


def _wagon(rng: np.random.Generator, paint: Surface, tyre: Surface, wheel: float, deck: float) -> list[Part]:
    """An open wagon with a load, coupled at its +x end."""
    side = rng.uniform(0.02, 0.028)
    load = [
        ellipsoid(rng.uniform(0.007, 0.01), segments=10).moved(
            float(rng.uniform(-0.024, 0.024)), float(rng.uniform(-0.012, 0.012)), deck + side - 0.001
        )
        for _ in range(16)
    ]
    spots = [(x, y * 0.02, wheel) for x in (-0.02, 0.02) for y in (-1, 1)]
    return [
        Part(rounded_box(0.07, 0.044, side, 0.002).moved(z=deck), paint),
        Part(merged(load), Surface((0.12, 0.11, 0.11))),
        Part(rod((0.03, 0.0, deck + 0.004), (0.052, 0.0, deck + 0.004), 0.0022), BLACK_PLASTIC),
        *wheels(spots, wheel, 0.007, tyre, None),
    ]
