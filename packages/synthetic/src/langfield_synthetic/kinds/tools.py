"""Tools."""

from dataclasses import replace

import numpy as np

from langfield_synthetic.kinds.colouring import DARK, GOLD, STEEL, mixed, painted, wood_surface
from langfield_synthetic.kinds.shaping import loft, round_rectangle, settled, slab, turned
from langfield_synthetic.meshes import cylinder, ellipsoid, lathe, merged, rounded_box, smooth_curve, sweep, torus
from langfield_synthetic.things import Look, Part, Surface, kind


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
        steel = slab(outline if side == 1 else outline[::-1], 0.0025, 0.0006).moved(
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
            Part(steel.turned("z", turn), Surface(STEEL, "metal")),
            Part(handle.turned("z", turn), painted(look.rgb)),
        ]
    parts.append(Part(cylinder(0.004, 0.006).moved(0.004, 0, thick - 0.0005), Surface((0.55, 0.55, 0.57), "metal")))
    return settled(turned(parts, "z", rng.uniform(0, 360)))


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
    rgb = look.rgb if look.colour == "yellow" else mixed(look.rgb, STEEL, 0.4)
    if look.colour == "yellow":
        rgb = mixed(look.rgb, GOLD, 0.7)
    parts = [Part(merged(meshes), Surface(rgb, "brushed metal"))]
    return settled(turned(parts, "z", rng.uniform(0, 360)))


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
    grip_paint = wood_surface(rng, look.rgb) if look.colour == "brown" else painted(look.rgb, 0.35)
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
    parts = settled(turned(parts, "y", 90))
    return settled(turned(parts, "z", rng.uniform(0, 360)))


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
            np.column_stack([round_rectangle(2 * w, 2 * t, min(w, t) * 0.6, 4), np.full(16, h)])
            for w, t, h in ((0.0037, 0.0037, z - 0.003), (0.0058, 0.0026, z + 0.006), (0.0052, 0.0011, z + 0.016))
        ]
    )
    parts = [
        Part(handle, painted(look.rgb, 0.2)),
        Part(collar, painted(DARK if look.colour != "black" else (0.8, 0.1, 0.1))),
        Part(merged([rod, loft(blade)]), Surface(STEEL, "metal")),
    ]
    parts = settled(turned(parts, "y", 90))
    return settled(turned(parts, "z", rng.uniform(0, 360)))
