"""Pictures that the server draws for a browser: a session's answers, in the colours that the page's state asks for.

They stay where they were rendered: a GPU colours them, and encodes them (`langfield.query.frames.encode_jpeg`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.devices import to_device_async
from langfield.query.frames import depth_colours, relevancy_over, turbo_colours
from langfield.query.session import Session
from langfield.viewer.palette import PHRASE_COLOURS, thing_colours
from langfield.viewer.state import OF_PHRASES, ViewerState

BACKGROUND = 20  # grey of what is hidden: the page's own
_DIMMED = 0.6  # of the picture around what has colour, as in `langfield.query.frames.relevancy_over`
_SELECTED = 255
_RIM_PX = 2

Picture = UInt8[Tensor, "h w 3"]


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


def picture(session: Session, camera: Camera, look: Look) -> Picture:
    """The picture of a camera of the world frame, on the session's device."""
    state, layer = look.state, look.state.layer
    if not state.phrases and layer in OF_PHRASES:
        layer = "Picture"
    only_found = state.hide == "Scene" and bool(state.phrases)
    masks = None
    if only_found or layer in OF_PHRASES:
        answers = session.ask_view(camera, state.phrases, negatives=state.asked_negatives).tensors
        rgb, depth, masks = answers.rgb, answers.depth_world, answers.masks
        if layer == "Relevancy":
            shown = answers.refined[state.shown]
            drawn = colours_over(rgb, turbo_colours(shown), shown >= state.threshold, state.opacity)
        elif layer == "Crop size":
            drawn = _crop_sizes(session, camera, state, rgb, answers.refined[state.shown])
        elif layer == "Composited":
            drawn = found_over(rgb, answers.refined, masks, state.opacity)
        else:
            drawn = rgb
    else:
        rgb, depth = session.picture_tensors(camera)
        drawn = rgb
    if layer == "Features":
        features = torch.from_numpy(session.feature_picture(camera)).to(rgb.device)
        drawn = colours_over(rgb, feature_colours(features), features.isfinite().all(dim=2), state.opacity)
    if layer == "Depth":
        drawn = depth_colours(depth)
    if layer == "Objects" and look.things:
        drawn = things_over(rgb, _masks(session, camera, look.things, rgb.device), state.opacity)
    if only_found and masks is not None:
        drawn = torch.where(masks.any(dim=0)[..., None], drawn, BACKGROUND)
    if look.group is not None:
        drawn = with_rim(drawn, _masks(session, camera, (look.group,), rgb.device)[0])
    return drawn


def colours_over(rgb: Picture, colours: Picture, inside: Bool[Tensor, "h w"], opacity: float) -> Picture:
    """Colours over the picture in some pixels; the picture dimmed elsewhere."""
    base = rgb.float()
    return _bytes(torch.where(inside[..., None], torch.lerp(base, colours.float(), opacity), _DIMMED * base))


def feature_colours(features: Float[Tensor, "*size 3"]) -> UInt8[Tensor, "*size 3"]:
    """Three components in [0, 1] as red, green and blue; black where they are not numbers."""
    return _bytes(255 * features.nan_to_num())


def crop_colours(heights: Float[Tensor, "h w"], ends: tuple[float, float]) -> Picture:
    """Heights of crops in turbo, equal ratios equally far apart. Args: ends: the heights at both ends of the scale."""
    low, high = (float(np.log(max(end, 1e-30))) for end in ends)
    logarithm = heights.nan_to_num(nan=ends[0]).clamp_min(1e-30).log()
    return turbo_colours((logarithm - low) / max(high - low, 1e-9))


def found_over(
    rgb: Picture, relevancy: Float[Tensor, "p h w"], masks: Bool[Tensor, "p h w"], opacity: float
) -> Picture:
    """What was found, over the picture: one phrase in turbo, of several each in its own colour, and where two are,
    that of the more relevant one."""
    if len(masks) == 1:
        return relevancy_over(rgb, relevancy[0], masks[0], opacity)
    best = torch.where(masks, relevancy, -1.0).argmax(dim=0)
    palette = to_device_async(np.array(PHRASE_COLOURS), rgb.device, np.uint8)
    return colours_over(rgb, palette[best], masks.any(dim=0), opacity)


def things_over(rgb: Picture, masks: Bool[Tensor, "k h w"], opacity: float) -> Picture:
    """Each thing in its colour over the picture; of two at one place the first."""
    palette = to_device_async(thing_colours(len(masks)), rgb.device, np.uint8)
    base, somewhere = rgb.float(), masks.any(dim=0)
    coloured = torch.lerp(base, palette[masks.byte().argmax(dim=0)].float(), opacity)
    return _bytes(torch.where(somewhere[..., None], coloured, base))


def with_rim(picture: Picture, mask: Bool[Tensor, "h w"]) -> Picture:
    """A white rim around what was clicked, and all else dimmed."""
    grown = mask
    for _ in range(_RIM_PX):
        grown = _grown(grown)
    out = torch.where(mask[..., None], picture.float(), _DIMMED * picture.float())
    return _bytes(torch.where((grown & ~mask)[..., None], _SELECTED, out))


def _crop_sizes(
    session: Session, camera: Camera, state: ViewerState, rgb: Picture, relevancy: Float[Tensor, "h w"]
) -> Picture:
    found = session.crop_height_picture(camera, state.phrases[state.shown], negatives=state.asked_negatives)
    heights = torch.from_numpy(found).to(rgb.device)
    inside = (relevancy >= state.threshold) & heights.isfinite()
    return colours_over(rgb, crop_colours(heights, session.crop_height_range()), inside, state.opacity)


def _masks(session: Session, camera: Camera, groups: tuple[int, ...], device: torch.device) -> Bool[Tensor, "k h w"]:
    return torch.from_numpy(session.group_masks(camera, groups)).to(device)


def _grown(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    out = mask.clone()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _bytes(levels: Float[Tensor, "*size 3"]) -> UInt8[Tensor, "*size 3"]:
    """Levels of 255, rounded and clipped."""
    return levels.round().clamp(0, 255).to(torch.uint8)
