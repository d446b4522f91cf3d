"""Things from the bakery."""

import numpy as np

from langfield_synthetic.kinds.colouring import mixed
from langfield_synthetic.kinds.edible import FOOD, bumpy, clouds, over, painted_skin, sector, spots, warm
from langfield_synthetic.kinds.shaping import moved, outward, settled, turned
from langfield_synthetic.meshes import (
    Mesh,
    ellipsoid,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
)
from langfield_synthetic.things import RGB, Look, Part, Surface, kind, varied

_SPRINKLES: tuple[RGB, ...] = (
    (0.95, 0.25, 0.3),
    (0.98, 0.8, 0.15),
    (0.2, 0.55, 0.9),
    (0.97, 0.97, 0.95),
    (0.3, 0.75, 0.35),
    (0.95, 0.5, 0.75),
)
_CREAM: RGB = (0.94, 0.88, 0.74)


@kind(
    "donut",
    colours=("pink", "brown", "white", "yellow", "blue", "purple", "green"),
    synonyms=("doughnut",),
    hypernyms=FOOD,
)
def donut(rng: np.random.Generator, look: Look) -> list[Part]:
    ring, tube = rng.uniform(0.029, 0.034), rng.uniform(0.0165, 0.02)
    flat = rng.uniform(0.8, 0.95)
    dough = bumpy(rng, torus(ring, tube, 48).scaled(1.0, 1.0, flat), 0.01, 0.03)
    crust = varied(rng, (0.76, 0.50, 0.24))
    around = np.linspace(0, 2 * np.pi, 96, endpoint=False)[:, None]
    wave = sum(np.cos(k * around + rng.uniform(0, 6)) * rng.uniform(0.3, 1) for k in (4, 6, 9, 11))
    start = np.radians(-26) + 0.16 * wave  # how far down the icing runs outside
    b = start + (np.radians(205) - start) * np.linspace(0, 1, 22)[None]
    thick = tube + 0.0022 * np.sin(np.pi * np.linspace(0, 1, 22)[None]) ** 0.35
    radial = ring + thick * np.cos(b)
    icing = grid_mesh(
        np.stack([radial * np.cos(around), radial * np.sin(around), thick * flat * np.sin(b)], -1), wrap_u=True
    )
    parts = [
        Part(dough, Surface(crust, "matte")),
        Part(icing, Surface(warm(look.rgb) if look.colour == "white" else look.rgb, "glossy", roughness=0.2)),
    ]
    count = int(rng.integers(35, 60)) if rng.random() < 0.8 else 0
    far = [c for c in _SPRINKLES if np.abs(np.subtract(c, look.rgb)).sum() > 0.45]
    sprinkles: dict[int, list[Mesh]] = {}
    for _ in range(count):
        angle, tilt = rng.uniform(0, 360), rng.uniform(15, 165)
        rod = sweep(
            [(0.0, -0.0028, 0.0), (0.0, -0.0024, 0.0), (0.0, 0.0024, 0.0), (0.0, 0.0028, 0.0)],
            [0.0004, 0.0009, 0.0009, 0.0004],
            6,
        )
        rod = (
            rod.turned("z", rng.uniform(0, 180)).moved(z=tube + 0.0024).turned("y", 90.0 - tilt).scaled(1.0, 1.0, flat)
        )
        sprinkles.setdefault(int(rng.integers(len(far))), []).append(rod.moved(x=ring).turned("z", angle))
    parts += [Part(merged(rods), Surface(far[k], "glossy", roughness=0.3)) for k, rods in sprinkles.items()]
    return settled(parts)


@kind("bread", colours=("brown",), synonyms=("loaf of bread",), hypernyms=FOOD)
def bread(rng: np.random.Generator, look: Look) -> list[Part]:
    rgb = mixed(look.rgb, (0.72, 0.44, 0.18), 0.6)
    return _tin_loaf(rng, rgb) if rng.random() < 0.55 else _long_loaf(rng, rgb)


def _tin_loaf(rng: np.random.Generator, rgb: RGB) -> list[Part]:
    """A loaf baked in a tin, one end cut."""
    width, height, length = rng.uniform(0.075, 0.09), rng.uniform(0.08, 0.095), rng.uniform(0.12, 0.16)
    corners = [
        (0.0, 0.0),
        (0.42, 0.0),
        (0.47, 0.06),
        (0.48, 0.3),
        (0.47, 0.56),
        (0.54, 0.66),
        (0.53, 0.8),
        (0.36, 0.95),
        (0.0, 1.0),
    ]
    right = smooth_curve(corners, 28)
    outline = np.concatenate([right, right[-2:0:-1] * [-1, 1]]) * [width, height]
    middle = np.array([0.0, height * 0.45])
    x = np.linspace(0, 1, 26)
    swell = np.where(x < 0.9, 1.0, np.sqrt((1 - ((x - 0.9) / 0.115) ** 2).clip(0)) * 0.4 + 0.6)
    swell = swell * (1 + 0.012 * np.sin(x * rng.uniform(6, 12) + rng.uniform(0, 6)))
    section = middle + (outline - middle) * swell[:, None, None]
    body = np.concatenate([np.broadcast_to(length * x[:, None, None], (*section.shape[:2], 1)), section], axis=-1)
    closing = np.broadcast_to([length, *middle], (1, len(outline), 3))
    crust = grid_mesh(np.concatenate([body, closing]), wrap_v=True)

    def baked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        high = 0.5 - 0.5 * np.cos(2 * np.pi * u)  # 1 at the top of the loaf
        shade = 1 + 0.10 * clouds(rng, u, v, 6, 5.0) + 0.04 * clouds(rng, u, v, 40, 30.0)
        colour = np.asarray(mixed(rgb, (0.82, 0.58, 0.29), 0.4)) * shade[..., None]
        return over(colour, mixed(rgb, (0.42, 0.20, 0.06), 0.5), (high - 0.62) / 0.3)

    def crumb(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = np.asarray(_CREAM) * (1 + 0.03 * clouds(rng, u, v, 12, 8.0))[..., None]
        colour = over(colour, (0.78, 0.66, 0.46), 0.6 * spots(rng, u, v, 90, (0.008, 0.02), 3.0))
        return over(colour, rgb, (v - 0.92) / 0.03)

    inside = Surface(_CREAM, "matte", painted_skin(crumb, 256, 128))
    cut = grid_mesh(_middle_to_edge(outline, middle), wrap_v=True)
    parts = [Part(crust, Surface(rgb, "matte", painted_skin(baked))), Part(cut, inside)]
    if rng.random() < 0.4:  # a slice leans on the loaf
        thick = 0.012
        rim = np.concatenate([np.zeros((len(outline), 1)), outline], axis=-1)
        strip = grid_mesh(np.stack([rim, rim + np.array([thick, 0, 0])]), wrap_v=True)
        piece = [Part(strip, Surface(rgb, "matte")), Part(cut, inside), Part(cut.moved(x=thick), inside)]
        piece = turned(piece, "y", rng.uniform(12, 20))
        parts += moved(piece, x=-0.042, z=-min(float(part.mesh.vertices[:, 2].min()) for part in piece))
    return settled(parts)


def _middle_to_edge(outline: np.ndarray, middle: np.ndarray, rows: int = 6) -> np.ndarray:
    """Points (rows, N, 3) in the plane x = 0 from `middle` to `outline` (N, 2), both (y, z)."""
    flat = middle + np.linspace(0, 1, rows)[:, None, None] * (outline - middle)
    return np.concatenate([np.zeros((*flat.shape[:2], 1)), flat], axis=-1)


def _long_loaf(rng: np.random.Generator, rgb: RGB) -> list[Part]:
    """An oval loaf with cuts across its top."""
    length, width = rng.uniform(0.17, 0.24), rng.uniform(0.07, 0.095)
    height = width * rng.uniform(0.75, 0.9)
    cuts = int(rng.integers(3, 6))
    slant = rng.uniform(0.5, 1.0)
    t = np.linspace(-1, 1, 90)
    reach = (1 - np.abs(t) ** 2.4).clip(0) ** 0.6
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    y = reach[:, None] * np.sin(around) * width / 2
    z = np.where(np.cos(around) > 0, 0.66, 0.34) * height * np.cos(around) * reach[:, None] ** 0.8
    x = t[:, None] * length / 2 + 0 * around

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """1 in the middle of a cut; u around from the top, v along."""
        side = (u + 0.5) % 1 - 0.5
        at = (v - 0.5 - side * slant) * cuts * 1.35
        away = np.abs(at - np.round(at)) / 0.24
        near = (np.abs(np.round(at)) <= (cuts - 1) / 2 + 0.1) * (np.abs(side) < 0.17) * (1 - (side / 0.17) ** 2)
        return (1 - away**2).clip(0) * near

    u, v = np.meshgrid(around / (2 * np.pi), (t + 1) / 2)
    z = z - 0.006 * cut(u, v) + 0.003 * ((1 - cut(u, v)) * np.cos(around).clip(0))
    mesh = outward(grid_mesh(np.stack([x, y, z], -1), wrap_v=True))

    def baked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        shade = 1 + 0.12 * clouds(rng, u, v, 5, 6.0) + 0.05 * clouds(rng, u, v, 40, 40.0)
        colour = np.asarray(mixed(rgb, (0.55, 0.29, 0.10), 0.5)) * shade[..., None]
        colour = over(colour, (0.95, 0.88, 0.75), 0.35 * (clouds(rng, u, v, 14, 14.0) - 0.4))
        return over(colour, (0.88, 0.68, 0.38), 0.9 * cut(u, v))

    return settled([Part(mesh, Surface(rgb, "matte", painted_skin(baked, 256, 256)))])


@kind(
    "cake",
    colours=("white", "pink", "brown", "yellow", "blue", "purple", "green"),
    hypernyms=FOOD,
)
def cake(rng: np.random.Generator, look: Look) -> list[Part]:
    if look.colour in ("pink", "brown", "yellow", "white") and rng.random() < 0.3:
        return _cake_slice(rng, look)
    radius, height = rng.uniform(0.055, 0.08), rng.uniform(0.045, 0.065)
    rgb = warm(look.rgb) if look.colour == "white" else look.rgb
    icing = Surface(rgb, "glossy", roughness=0.45)
    body = lathe([(0.0, 0.0), (radius, 0.0), *_rounded_edge(radius, height, 0.008), (0.0, height)], 64)
    parts = [Part(body, icing)]
    # the icing that runs down is of the same colour, lighter or darker, for the colour's word to stay true
    dark = {"brown": (0.16, 0.08, 0.04), "white": (0.93, 0.62, 0.70), "yellow": (1.0, 0.62, 0.1)}.get(look.colour)
    drip = (
        mixed(rgb, (1.0, 0.98, 0.95), 0.5)
        if dark is None
        else mixed(rgb, dark, 0.25 if look.colour == "white" else 0.5)
    )
    if rng.random() < 0.5:
        parts.append(Part(_drips(rng, radius, height), Surface(drip, "glossy", roughness=0.2)))
        dollop_surface = icing
    else:
        dollop_surface = Surface(mixed(rgb, drip, 0.6), "glossy", roughness=0.4)
    foot = [ellipsoid(0.0055, 0.0055, 0.005, 10).moved(radius).turned("z", 12.0 * k) for k in range(30)]
    parts.append(Part(merged(foot).on_table(), dollop_surface))
    count = int(rng.integers(6, 9))
    spots = [(0.74 * radius * np.cos(a), 0.74 * radius * np.sin(a)) for a in np.linspace(0, 2 * np.pi, count + 1)[:-1]]
    swirl = lathe(
        smooth_curve(
            [(0.0, -0.002), (0.009, 0.0), (0.0095, 0.003), (0.006, 0.006), (0.0045, 0.009), (0.0, 0.013)], 16
        ).clip([0, -1]),
        16,
    )
    if rng.random() < 0.5:
        parts.append(Part(merged([swirl.moved(x, y, height) for x, y in spots]), dollop_surface))
        cherries = merged([ellipsoid(0.0075, None, None, 16).moved(x, y, height + 0.014) for x, y in spots])
        parts.append(Part(cherries, Surface((0.72, 0.03, 0.06), "glossy", roughness=0.12)))
    else:
        candles = spots if rng.random() < 0.5 else [(0.0, 0.0)]
        parts += [part for x, y in candles for part in moved(_candle(rng, 0.035), x, y, height - 0.003)]
        far = [c for c in _SPRINKLES if np.abs(np.subtract(c, look.rgb)).sum() > 0.45]
        for colour in far[:4]:
            angle, away = rng.uniform(0, 2 * np.pi, 9), radius * 0.9 * np.sqrt(rng.random(9))
            bits = [
                rounded_box(0.005, 0.0016, 0.0016, 0.0004, 1)
                .turned("z", rng.uniform(0, 180))
                .moved(r * np.cos(a), r * np.sin(a), height)
                for a, r in zip(angle, away, strict=True)
            ]
            parts.append(Part(merged(bits), Surface(colour)))
    return settled(parts)


def _rounded_edge(radius: float, height: float, bend: float) -> list[tuple[float, float]]:
    """Profile points of a top edge, from the wall to the top."""
    angles = np.linspace(0, np.pi / 2, 7)
    return [(radius - bend + bend * float(np.cos(a)), height - bend + bend * float(np.sin(a))) for a in angles]


def _drips(rng: np.random.Generator, radius: float, height: float) -> Mesh:
    """Icing over the top that runs down the side here and there."""
    around = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    runs = int(rng.integers(10, 15))
    deep = np.repeat(rng.uniform(0.15, 0.6, runs), 8)
    deep = np.interp(around, np.linspace(0, 2 * np.pi, len(deep), endpoint=False), deep)
    fall = 0.009 + height * deep * (0.5 + 0.5 * np.cos(runs * around)) ** 0.8 * 0.8
    edge = np.array(_rounded_edge(radius + 0.0012, height + 0.0015, 0.008))
    rows = [np.stack([radius * np.cos(around), radius * np.sin(around), height - fall - 0.001], -1)]
    rows += [
        np.stack([(radius + out) * np.cos(around), (radius + out) * np.sin(around), height - fall * share], -1)
        for out, share in ((0.0018, 1.0), (0.0022, 0.9), (0.0016, 0.75))
    ]
    rows += [np.stack([r * np.cos(around), r * np.sin(around), 0 * around + z], -1) for r, z in edge]
    rows.append(np.broadcast_to([0, 0, height + 0.0015], (120, 3)))
    return outward(grid_mesh(np.stack(rows), wrap_v=True))


def _candle(rng: np.random.Generator, height: float) -> list[Part]:
    first, second = (_SPRINKLES[int(k)] for k in rng.choice(len(_SPRINKLES), 2, replace=False))

    def twisted(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.where((((u + 4 * v) % 1) < 0.5)[..., None], first, second)

    flame = lathe(smooth_curve([(0.0, 0.0), (0.0024, 0.003), (0.0018, 0.007), (0.0, 0.012)], 12).clip(0), 12)
    wick = lathe([(0.0, 0.0), (0.0005, 0.0), (0.0005, 0.005), (0.0, 0.005)], 8)
    return [
        Part(
            lathe([(0.0, 0.0), (0.0028, 0.0), (0.0028, height), (0.0, height)], 14),
            Surface(first, "glossy", painted_skin(twisted, 32, 64)),
        ),
        Part(wick.moved(z=height - 0.001), Surface((0.1, 0.08, 0.06))),
        Part(flame.moved(z=height + 0.002), Surface((0.98, 0.74, 0.24))),
    ]


def _cake_slice(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height, half = rng.uniform(0.08, 0.1), rng.uniform(0.05, 0.065), np.radians(rng.uniform(17, 24))
    sponge = (
        mixed(look.rgb, (0.95, 0.8, 0.5), 0.25) if look.colour != "brown" else mixed(look.rgb, (0.45, 0.25, 0.12), 0.5)
    )
    cream = mixed(look.rgb, (0.98, 0.96, 0.92), 0.75)
    layers = int(rng.integers(2, 4))

    def cut(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        colour = (
            np.asarray(sponge)
            * (1 + 0.06 * clouds(rng, u, v, 30, 20.0) - 0.1 * spots(rng, u, v, 60, (0.01, 0.02), 1.6))[..., None]
        )
        level = (v / 0.9 * layers) % 1
        colour = over(colour, cream, (level - 0.84) / 0.03)
        return over(colour, look.rgb, np.maximum((v - 0.9) / 0.02, (u - 0.94) / 0.02))

    angles = np.linspace(-half, half, 20)
    icing = Surface(look.rgb, "glossy", roughness=0.4)
    back = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], -1)
    parts = [
        Part(sector(radius, half, height), icing),
        Part(grid_mesh(np.stack([back, back + np.array([0, 0, height])])), icing),
        Part(sector(radius, half, 0.0), icing),
    ]
    s = np.linspace(0, radius, 2)
    for angle in (-half, half):
        foot = np.stack([s * np.cos(angle), s * np.sin(angle), 0 * s], -1)
        parts.append(
            Part(
                grid_mesh(np.stack([foot, foot + np.array([0, 0, height])])),
                Surface(sponge, "matte", painted_skin(cut)),
            )
        )
    spot = 0.72 * radius
    swirl = lathe(
        smooth_curve(
            [(0.0, -0.002), (0.014, 0.0), (0.015, 0.004), (0.009, 0.009), (0.006, 0.013), (0.0, 0.018)], 16
        ).clip([0, -1]),
        20,
    )
    parts.append(Part(swirl.moved(spot, 0.0, height), Surface(cream, "glossy", roughness=0.4)))
    parts.append(
        Part(
            ellipsoid(0.01, None, None, 20).moved(spot, 0.0, height + 0.019),
            Surface((0.75, 0.03, 0.06), "glossy", roughness=0.12),
        )
    )
    return settled(parts)
