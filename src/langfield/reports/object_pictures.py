"""A picture of a scene with its objects: outlines, boxes and names."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from langfield.core.cameras import Camera, Cameras
from langfield.query.boxes import OrientedBox
from langfield.query.objects import SceneObject
from langfield.query.session import Session

_MAX_SIDE_PX = 1600
_MIN_SIDE_PX = 960
_COLOURS = (
    (230, 75, 53),
    (0, 160, 135),
    (60, 84, 136),
    (243, 155, 127),
    (132, 145, 180),
    (145, 209, 194),
    (220, 190, 40),
    (126, 97, 72),
    (176, 156, 133),
    (160, 90, 180),
)
_EDGES = [(0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7)]


def objects_picture(session: Session, objects: Sequence[SceneObject]) -> UInt8[np.ndarray, "h w 3"]:
    """The photo's view in which most objects can be seen, each with its mask, its upright box and its name."""
    rendered = _camera_of_most(session, objects).fit_within(_MAX_SIDE_PX)
    rgb, _ = session.picture(rendered)
    masks = session.group_masks(rendered, [found.shape.group for found in objects])
    factor = max(1.0, _MIN_SIDE_PX / max(rendered.width_px, rendered.height_px))
    camera = rendered.resized(round(rendered.width_px * factor), round(rendered.height_px * factor))
    pixels = _enlarged(rgb, camera, Image.Resampling.BICUBIC).astype(np.float32)
    masks = [_enlarged(mask, camera, Image.Resampling.NEAREST) for mask in masks]
    order = sorted(range(len(objects)), key=lambda k: -int(masks[k].sum()))  # small ones over large ones
    for k in order:
        colour = np.array(_COLOURS[k % len(_COLOURS)], np.float32)
        pixels[masks[k]] = 0.65 * pixels[masks[k]] + 0.35 * colour
        pixels[_outline(masks[k])] = colour
    image = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, camera.height_px // 48))
    shown = [k for k in order if masks[k].any()]
    for k in shown:
        _draw_box(draw, camera, objects[k].shape.upright_box, _COLOURS[k % len(_COLOURS)])
    taken: list[tuple[float, float, float, float]] = []
    for k in reversed(shown):
        text = objects[k].name or f"group {objects[k].shape.group}"
        _draw_label(draw, font, text, masks[k], _COLOURS[k % len(_COLOURS)], taken)
    return np.asarray(image)


def _camera_of_most(session: Session, objects: Sequence[SceneObject]) -> Camera:
    counts = {view.name: 0 for view in session.views}
    for found in objects:
        for name in found.shape.views:
            counts[name] = counts.get(name, 0) + 1
    centres = torch.from_numpy(np.array([found.shape.position for found in objects]).reshape(-1, 3)).float()

    def inside(camera: Camera) -> int:
        xy, depth = Cameras.from_list([camera]).project(0, centres)
        size = torch.tensor([camera.width_px, camera.height_px])
        return int(((depth > 0) & (xy > 0.05 * size).all(dim=1) & (xy < 0.95 * size).all(dim=1)).sum())

    best = max(session.views, key=lambda view: (inside(view.camera), counts[view.name]))
    return best.camera


def _enlarged(picture: Shaped[np.ndarray, "..."], camera: Camera, how: Image.Resampling) -> Shaped[np.ndarray, "..."]:
    """A small photo's picture or mask at the size of a camera, for names must be legible; rendering it so large would
    show no more."""
    return np.asarray(Image.fromarray(picture).resize((camera.width_px, camera.height_px), how))


def _outline(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels of a mask that have one beside them that is not of it."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _corners(box: OrientedBox) -> Float[np.ndarray, "8 3"]:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return np.array(box.centre) + (signs * np.array(box.size) / 2) @ np.array(box.axes)


def _draw_box(draw: ImageDraw.ImageDraw, camera: Camera, box: OrientedBox, colour: tuple[int, int, int]) -> None:
    xy, depth = Cameras.from_list([camera]).project(0, torch.from_numpy(_corners(box)).float())
    for i, j in _EDGES:
        if float(depth[i]) > 0 and float(depth[j]) > 0:
            draw.line([tuple(xy[i].tolist()), tuple(xy[j].tolist())], fill=colour, width=2)


def _draw_label(
    draw: ImageDraw.ImageDraw,
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
    text: str,
    mask: Bool[np.ndarray, "h w"],
    colour: tuple[int, int, int],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a name over the middle of a mask, lower where another name is already."""
    rows, columns = np.nonzero(mask)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 8, bottom - top + 6
    x = float(np.clip(np.median(columns) - width / 2, 0, max(mask.shape[1] - width, 0)))
    y = float(np.clip(np.median(rows) - height / 2, 0, max(mask.shape[0] - height, 0)))
    while any(x < right and x + width > left and y < low and y + height > top for left, top, right, low in taken):
        y += 4
    taken.append((x, y, x + width, y + height))
    draw.rectangle([x, y, x + width, y + height], fill=colour)
    dark = sum(colour) > 420
    draw.text((x + 4, y + 3 - top), text, fill=(0, 0, 0) if dark else (255, 255, 255), font=font)
