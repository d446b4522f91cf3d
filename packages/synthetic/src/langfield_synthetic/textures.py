"""Pictures for surfaces, made by code: wood, stone, cloth, patterns, labels. All are (H, W, 3) uint8 in sRGB.

Colours are sRGB from 0 to 1. A texture's mean is near its (first) colour, so that the colour's word stays true of it.
All but labels, gradients and page edges continue at their borders: they can be repeated by uv beyond 1.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = Sequence[float | int] | np.ndarray


def wood(rng: np.random.Generator, rgb: Colour, size: int = 256) -> np.ndarray:
    """Grain that runs up and down: year lines, fibres, and darker pores."""
    lines = int(rng.integers(5, 10))
    warp = _fractal(rng, 1, 3, size, octaves=2) * rng.uniform(0.35, 0.7)
    across = (np.arange(size, dtype=np.float32) / size)[None]
    years = np.sin(2 * np.pi * (lines * across + warp)) + 0.4 * np.sin(2 * np.pi * (2.0 * lines * across + 2.3 * warp))
    fibres = _value_noise(rng, 6, size // 3, size)
    pores = np.maximum(_value_noise(rng, 20, size // 2, size) - 0.9, 0.0)
    shade = 0.10 * years + 0.06 * fibres - 0.15 * pores + 0.05 * _value_noise(rng, 2, 5, size)
    return _shaded(rgb, shade, warmth=0.35)


def marble(rng: np.random.Generator, rgb: Colour, size: int = 256) -> np.ndarray:
    """Clouds of the colour with thin veins, darker on a light stone and lighter on a dark one."""
    clouds = _fractal(rng, 3, 3, size)
    course = _fractal(rng, 2, 2, size, octaves=5)
    veins = np.exp(-((course / 0.07) ** 2)) * (0.4 + 0.6 * (_fractal(rng, 3, 3, size) > -0.2))
    fine = np.exp(-((_fractal(rng, 4, 4, size, octaves=5) / 0.04) ** 2))
    base = _array(rgb)
    light = float(base.mean()) > 0.35
    vein = base * 0.45 if light else base + 0.45 * (1 - base)
    amount = (0.7 * veins + 0.3 * fine).clip(0, 1)[..., None]
    cloudy = base * (1 + 0.06 * clouds[..., None])
    return _picture(_centred(cloudy + amount * (vein - cloudy), base, strength=0.5))


def noise(rng: np.random.Generator, rgb: Colour, amount: float = 0.1, size: int = 128) -> np.ndarray:
    """Speckles and blotches around a colour; `amount` is about the relative change of brightness."""
    base = _array(rgb)
    blotches = np.stack([_fractal(rng, 8, 8, size)] * 3, -1) + 0.12 * _hues(rng, 9, size)
    speckle = _value_noise(rng, size // 2, size // 2, size)[..., None]
    spread = amount * (0.6 * blotches + 0.5 * speckle)
    return _picture(_centred(base * (1 + spread) + 0.25 * spread, base))


def stripes(rng: np.random.Generator, rgb: Colour, rgb2: Colour, count: int = 6, size: int = 256) -> np.ndarray:
    """Upright stripes: `count` of the second colour, sometimes with a thin one beside each."""
    at = (np.arange(size * 4) / (size * 4) * count) % 1.0
    broad = rng.uniform(0.26, 0.38)
    second = at < broad
    if rng.random() < 0.4:
        second = (at < 0.8 * broad) | ((at > broad + 0.12) & (at < broad + 0.18))
    row = second.reshape(size, 4).mean(axis=1)
    return _picture(_mixed(rgb, rgb2, np.broadcast_to(row, (size, size))))


def checker(rgb: Colour, rgb2: Colour, count: int = 8, size: int = 256) -> np.ndarray:
    """`count` squares a side; an even count continues at the borders."""
    square = np.arange(size) * count // size
    return _picture(_mixed(rgb, rgb2, ((square[:, None] + square[None]) % 2).astype(np.float64)))


def dots(rng: np.random.Generator, rgb: Colour, rgb2: Colour, count: int = 5, size: int = 256) -> np.ndarray:
    """Dots of the second colour, `count` rows and as many between them."""
    radius = rng.uniform(0.17, 0.24)
    at = (np.arange(size) + 0.5) / size * count
    near = [(at + shift) % 1.0 - 0.5 for shift in (0.0, 0.5)]
    distance = np.minimum(*(np.hypot(d[:, None], d[None]) for d in near))
    edge = count / size
    return _picture(_mixed(rgb, rgb2, ((radius - distance) / edge + 0.5).clip(0, 1)))


def weave(rng: np.random.Generator, rgb: Colour, size: int = 256) -> np.ndarray:
    """Cloth: threads over and under each other, some a little darker."""
    threads = max(size // 8, 2)
    threads -= threads % 2
    at = np.arange(size) * threads / size
    index, round_ = at.astype(int), np.sin(np.pi * (at % 1.0 + 0.5 * threads / size)).clip(0, 1)
    tones = 0.10 * rng.normal(size=(2, threads)).astype(np.float32)
    over = (index[:, None] + index[None]) % 2 == 0
    lying = round_[:, None] * (0.75 + 0.25 * round_[None]) + tones[0][index][:, None]
    standing = round_[None] * (0.75 + 0.25 * round_[:, None]) + tones[1][index][None]
    return _shaded(rgb, 0.30 * np.where(over, lying, standing) + 0.04 * _fractal(rng, 3, 3, size))


def gradient(rgb_bottom: Colour, rgb_top: Colour, size: int = 128) -> np.ndarray:
    column = np.linspace(1, 0, size)[:, None]
    return _picture(_mixed(rgb_bottom, rgb_top, np.broadcast_to(column, (size, size))))


def pages(rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """The edges of a lying book's pages: fine lines from left to right on cream white."""
    tone = 0.10 * rng.normal(size=(size, 1)) - 0.30 * (rng.random((size, 1)) < 0.12)
    tone = tone + 0.03 * _value_noise(rng, size // 2, 6, size)
    return _shaded((0.90, 0.87, 0.78), 0.6 * tone)


def planks(rng: np.random.Generator, rgb: Colour, count: int = 5, size: int = 256) -> np.ndarray:
    """Boards side by side, up and down, each of its own tone, with butt joints and dark gaps."""
    grain = wood(rng, rgb, size).astype(np.float32) / 255
    at = np.arange(size) * count / size
    board, inside = at.astype(int), at % 1.0
    joint = rng.random(count)[board]
    down = (np.arange(size)[:, None] / size + joint[None]) % 1.0
    rows = (np.arange(size)[:, None] + rng.integers(0, size, count)[board][None]) % size
    grain = grain[rows, np.arange(size)[None]]
    tones = 1 + 0.08 * rng.normal(size=(count, 2))
    tone = tones[board[None], (down < 0.5).astype(int)]
    line = 1.6 / size
    gap = (inside < line * count)[None] | (down < line) | (np.abs(down - 0.5) < line / 2)
    return _picture(_centred(grain * np.where(gap, 0.5, tone)[..., None].astype(np.float32), _array(rgb)))


def tiles(
    rng: np.random.Generator, rgb: Colour, grout: Colour, count: tuple[int, int] = (4, 4), size: int = 256
) -> np.ndarray:
    """`count` (rows, columns) of tiles with joints of the second colour."""
    return _masonry(rng, rgb, grout, count, 0.0, 0.035, size)


def bricks(rng: np.random.Generator, rgb: Colour, mortar: Colour, rows: int = 8, size: int = 256) -> np.ndarray:
    """A wall of bricks twice as long as high; an even number of rows continues at the borders."""
    return _masonry(rng, rgb, mortar, (rows, max(rows // 2, 1)), 0.5, 0.10, size)


def tartan(rng: np.random.Generator, rgb: Colour, rgb2: Colour, count: int = 4, size: int = 256) -> np.ndarray:
    """Cloth with broad bands of the second colour in both directions, half as strong where only one runs."""
    at = (np.arange(size) / size * count) % 1.0
    broad = rng.uniform(0.24, 0.36)
    band = (at < broad) * 0.5 + ((at > 0.6) & (at < 0.65)) * 0.35
    cloth = weave(rng, (0.5, 0.5, 0.5), size) / 127.5
    return _picture(_mixed(rgb, rgb2, band[:, None] + band[None]) * cloth)


def label(
    rng: np.random.Generator,
    text: str,
    rgb: Colour,
    ink: Colour,
    width: int = 256,
    height: int = 256,
    small: Sequence[str] = (),
) -> np.ndarray:
    """A printed label: the text as large as fits, small lines under it, and ornaments of the ink's colour."""
    paper, print_ = (tuple(round(255 * float(c)) for c in colour) for colour in (rgb, ink))
    accent = tuple(int(0.45 * p + 0.55 * i) for p, i in zip(paper, print_, strict=True))
    picture = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    margin = _decorate(rng, draw, width, height, print_, accent)
    room = height - 2 * margin
    below = min(0.14 * height, 0.5 * room / max(len(small), 1)) * len(small)
    _write(draw, text, (0.055 * width, margin, 0.945 * width, margin + room - 1.15 * below), print_, bold=True)
    for k, line in enumerate(small):
        top = margin + room - below + k * below / len(small)
        box = (0.12 * width, top + 0.1 * below / len(small), 0.88 * width, top + 0.9 * below / len(small))
        _write(draw, line, box, print_, bold=False)
    return np.array(picture)


def _decorate(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    width: int,
    height: int,
    ink: tuple[int, ...],
    accent: tuple[int, ...],
) -> float:
    """Ornaments at the top and the bottom; returns how far they reach in, in pixels."""
    unit = min(width, height) / 100
    style = int(rng.integers(4))
    if style == 0:  # a double frame
        draw.rectangle((3 * unit, 3 * unit, width - 3 * unit, height - 3 * unit), outline=ink, width=round(2 * unit))
        draw.rectangle(
            (7 * unit, 7 * unit, width - 7 * unit, height - 7 * unit), outline=accent, width=max(int(unit), 1)
        )
        return 11 * unit
    if style == 1:  # bars
        for top in (0.0, height - 9 * unit):
            draw.rectangle((0, top, width, top + 9 * unit), fill=ink)
        for top in (11 * unit, height - 13.5 * unit):
            draw.rectangle((0, top, width, top + 2.5 * unit), fill=accent)
        return 16 * unit
    if style == 2:  # rows of dots
        count = max(int(width / (12 * unit)), 2)
        for k in range(count):
            x = (k + 0.5) * width / count
            for y in (8 * unit, height - 8 * unit):
                draw.ellipse((x - 3.5 * unit, y - 3.5 * unit, x + 3.5 * unit, y + 3.5 * unit), fill=accent)
        return 14 * unit
    count = max(int(width / (14 * unit)), 2)  # zigzags
    for base, tip in ((0.0, 11 * unit), (float(height), height - 11 * unit)):
        corners = [(k * width / (2 * count), base if k % 2 == 0 else tip) for k in range(2 * count + 1)]
        draw.polygon(corners, fill=accent)
    return 14 * unit


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: tuple[float, float, float, float],
    ink: tuple[int, ...],
    *,
    bold: bool,
) -> None:
    """The text in the middle of the box (left, top, right, bottom), in the lines in which it can be largest."""
    left, top, right, bottom = box
    trial, stroke = 100, 0.035 if bold else 0.0
    best, layout = 0.0, text
    for candidate in _line_breaks(text):
        x0, y0, x1, y1 = _extent(draw, candidate, trial, round(stroke * trial))
        scale = min((right - left) / max(x1 - x0, 1), (bottom - top) / max(y1 - y0, 1))
        if scale > best:
            best, layout = scale, candidate
    size = min(max(int(best * trial), 5), 400)
    width = round(stroke * size)
    x0, y0, x1, y1 = _extent(draw, layout, size, width)
    at = ((left + right - x0 - x1) / 2, (top + bottom - y0 - y1) / 2)
    draw.multiline_text(
        at, layout, fill=ink, font=_font(size), stroke_width=width, stroke_fill=ink, align="center", spacing=0.1 * size
    )


def _extent(draw: ImageDraw.ImageDraw, text: str, size: int, stroke: int) -> tuple[float, ...]:
    box = draw.multiline_textbbox(
        (0, 0), text, font=_font(size), stroke_width=stroke, align="center", spacing=0.1 * size
    )
    return tuple(map(float, box))


def _line_breaks(text: str) -> Iterator[str]:
    """The text in one, two or three lines, broken between words."""
    words = text.split()
    for breaks in range(min(len(words), 3)):
        for places in combinations(range(1, len(words)), breaks):
            ends = [0, *places, len(words)]
            yield "\n".join(" ".join(words[a:b]) for a, b in pairwise(ends))


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _masonry(
    rng: np.random.Generator,
    rgb: Colour,
    joint: Colour,
    count: tuple[int, int],
    shift: float,
    width: float,
    size: int,
) -> np.ndarray:
    """Stones in rows, every second row moved by `shift` of a stone; joints `width` of a row wide."""
    rows, columns = count
    y = np.arange(size)[:, None] / size * rows
    row = y.astype(int)
    x = np.arange(size)[None] / size * columns + shift * (row % 2)
    column = x.astype(int) % columns
    across = width * columns / rows
    joints = (y % 1.0 < width) | (x % 1.0 < across)
    base = _array(rgb)
    tones = 1 + 0.06 * rng.normal(size=(rows, columns)).astype(np.float32)
    stone = base * (tones[row, column] + 0.05 * _fractal(rng, 6, 6, size))[..., None]
    return _picture(np.where(joints[..., None], _array(joint), stone))


def _array(colour: Colour) -> np.ndarray:
    return np.asarray(colour, dtype=np.float32)


def _hues(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    return np.stack([_value_noise(rng, cells, cells, size) for _ in range(3)], -1)


def _value_noise(rng: np.random.Generator, rows: int, columns: int, size: int) -> np.ndarray:
    """(size, size), mean 0 and deviation 1: random values on a grid, joined smoothly, continuing at the borders."""
    return _normal(_enlarged(rng.normal(size=(rows, columns)), size, size))


def _fractal(rng: np.random.Generator, rows: int, columns: int, size: int, octaves: int = 4) -> np.ndarray:
    """Value noise at finer and finer grids, each half as strong, mean 0 and deviation 1."""
    total = rng.normal(size=(rows, columns))
    for k in range(1, octaves):
        finer = (min(rows * 2**k, size), min(columns * 2**k, size))
        total = _enlarged(total, *finer) + rng.normal(size=finer) / 2**k
    return _normal(_enlarged(total, size, size))


def _enlarged(grid: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A grid that continues at its borders, smoothly brought to another size."""
    picture = Image.fromarray(np.pad(grid, 3, mode="wrap").astype(np.float32))
    inner = (3, 3, grid.shape[1] + 3, grid.shape[0] + 3)
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BICUBIC, box=inner))


def _normal(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def _shaded(rgb: Colour, shade: np.ndarray, warmth: float = 0.0) -> np.ndarray:
    """The colour made lighter and darker by `shade` (H, W) around its mean; with `warmth` dark places turn redder."""
    base = _array(rgb)
    shade = shade.astype(np.float32)
    relative = (shade - shade.mean())[..., None] * np.array([1 - warmth / 2, 1.0, 1 + warmth], dtype=np.float32)
    return _picture(_centred(base * (1 + relative), base))


def _mixed(rgb: Colour, rgb2: Colour, share: np.ndarray) -> np.ndarray:
    one, other = _array(rgb), _array(rgb2)
    return one + share[..., None].astype(np.float32) * (other - one)


def _centred(values: np.ndarray, rgb: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Moved so that the mean (after cutting at black and white) comes to `rgb`, as far as `strength` says."""
    return values + strength * (rgb - values.clip(0, 1).mean(axis=(0, 1)))


def _picture(values: np.ndarray) -> np.ndarray:
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)
