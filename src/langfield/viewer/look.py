"""Pictures that the server draws for a browser: a session's arrays, in the colours that the page's state asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from langfield.core.cameras import Camera
from langfield.query.pictures import composited, depth_picture, turbo
from langfield.query.session import Session
from langfield.viewer.palette import PHRASE_COLOURS, thing_colours
from langfield.viewer.state import OF_PHRASES, ViewerState

BACKGROUND = 20  # grey of what is hidden: the page's own
_DIMMED = 0.6  # of the picture around what has colour, as in `langfield.query.pictures.composited`
_SELECTED = np.array([255, 255, 255.0])
_RIM_PX = 2


@dataclass(frozen=True)
class Look:
    """What a picture shows.

    Attributes:
        state: of the page.
        group: that was clicked; None for none.
        things: the groups that are the scene's objects, in the order of their colours.
    """

    state: ViewerState
    group: int | None = None
    things: tuple[int, ...] = ()


def picture(session: Session, camera: Camera, look: Look) -> UInt8[np.ndarray, "h w 3"]:
    """The picture of a camera of the world frame."""
    state, layer = look.state, look.state.layer
    if not state.phrases and layer in OF_PHRASES:
        layer = "Picture"
    only_found = state.hide == "Scene" and bool(state.phrases)
    masks = None
    if only_found or layer in OF_PHRASES:
        answers = session.ask_view(camera, state.phrases, negatives=state.asked_negatives)
        rgb, depth, masks = answers.rgb, answers.depth_world, answers.masks
        if layer == "Relevancy":
            shown = answers.refined[state.shown]
            drawn = relevancy_over(rgb, shown, state.opacity, state.threshold)
        elif layer == "Crop size":
            heights = session.crop_height_picture(camera, state.phrases[state.shown], negatives=state.asked_negatives)
            colours = crop_colours(heights, session.crop_height_range())
            inside = (answers.refined[state.shown] >= state.threshold) & np.isfinite(heights)
            drawn = colours_over(rgb, colours, inside, state.opacity)
        elif layer == "Composited":
            drawn = found_over(rgb, answers.refined, masks, state.opacity)
        else:
            drawn = rgb
    else:
        rgb, depth = session.picture(camera)
        drawn = rgb
    if layer == "Features":
        features = session.feature_picture(camera)
        known = np.asarray(np.isfinite(features).all(axis=2))
        drawn = colours_over(rgb, feature_colours(features), known, state.opacity)
    if layer == "Depth":
        drawn = depth_picture(depth)
    if layer == "Objects" and look.things:
        drawn = things_over(rgb, session.group_masks(camera, look.things), state.opacity)
    if only_found and masks is not None:
        drawn = np.where(np.asarray(masks.any(axis=0))[..., None], drawn, np.uint8(BACKGROUND))
    if look.group is not None:
        drawn = with_rim(drawn, session.group_masks(camera, [look.group])[0])
    return drawn


def relevancy_over(
    rgb: UInt8[np.ndarray, "h w 3"], relevancy: Float[np.ndarray, "h w"], opacity: float, threshold: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Relevancy in turbo over the whole range [0, 1] where it reaches a threshold; the picture dimmed elsewhere."""
    return colours_over(rgb, turbo(relevancy), np.asarray(relevancy >= threshold), opacity)


def colours_over(
    rgb: UInt8[np.ndarray, "h w 3"],
    colours: UInt8[np.ndarray, "h w 3"],
    inside: Bool[np.ndarray, "h w"],
    opacity: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """Colours over the picture in some pixels; the picture dimmed elsewhere."""
    mixed = opacity * colours.astype(np.float64) + (1 - opacity) * rgb
    return np.round(np.where(inside[..., None], mixed, _DIMMED * rgb.astype(np.float64))).astype(np.uint8)


def feature_colours(features: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Three components in [0, 1] as red, green and blue; black where they are not numbers."""
    return np.round(255 * np.nan_to_num(features).clip(0, 1)).astype(np.uint8)


def crop_colours(heights: Float[np.ndarray, "h w"], ends: tuple[float, float]) -> UInt8[np.ndarray, "h w 3"]:
    """Heights of crops in turbo, equal ratios equally far apart. Args: ends: the heights at both ends of the scale."""
    low, high = (np.log(max(end, 1e-30)) for end in ends)
    logarithm = np.log(np.maximum(np.nan_to_num(heights, nan=ends[0]), 1e-30))
    return turbo((logarithm - low) / max(high - low, 1e-9))


def found_over(
    rgb: UInt8[np.ndarray, "h w 3"],
    relevancy: Float[np.ndarray, "p h w"],
    masks: Bool[np.ndarray, "p h w"],
    opacity: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """What was found, over the picture: one phrase in turbo, of several each in its own colour, and where two are,
    that of the more relevant one."""
    if len(masks) == 1:
        return composited(rgb, relevancy[0], masks[0], opacity)
    best = np.where(masks, relevancy, -1.0).argmax(axis=0)
    colours = np.array(PHRASE_COLOURS, dtype=np.uint8)[best]
    return colours_over(rgb, colours, np.asarray(masks.any(axis=0)), opacity)


def things_over(
    rgb: UInt8[np.ndarray, "h w 3"], masks: Bool[np.ndarray, "k h w"], opacity: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Each thing in its colour over the picture."""
    colours = np.concatenate([thing_colours(len(masks)), np.zeros((1, 3), dtype=np.uint8)]).astype(np.float64)
    number = np.where(masks.any(axis=0), masks.argmax(axis=0), len(masks))
    mixed = opacity * colours[number] + (1 - opacity) * rgb
    return np.round(np.where((number < len(masks))[..., None], mixed, rgb)).astype(np.uint8)


def with_rim(picture: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """A white rim around what was clicked, and all else dimmed."""
    grown = mask
    for _ in range(_RIM_PX):
        grown = _grown(grown)
    out = np.where(mask[..., None], picture, _DIMMED * picture)
    return np.round(np.where((grown & ~mask)[..., None], _SELECTED, out)).astype(np.uint8)


def _grown(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    padded = np.pad(mask, 1)
    shifts: Sequence[tuple[int, int]] = ((0, 1), (2, 1), (1, 0), (1, 2), (1, 1))
    height, width = mask.shape
    return np.logical_or.reduce([padded[y : y + height, x : x + width] for y, x in shifts])
