"""Colours of phrases and things, and the scale of the colour map."""

import base64
import html
import io
import math

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

from langfield.query.pictures import PHRASE_COLOURS, Colour, turbo

__all__ = ["PHRASE_COLOURS", "Colour", "colour_scale", "swatch", "thing_colours"]

_GOLDEN_ANGLE = 0.381966


def thing_colours(count: int) -> UInt8[np.ndarray, "n 3"]:
    """A colour for each of many things: neighbours in number are far from each other in hue."""
    hue = 2 * math.pi * _GOLDEN_ANGLE * np.arange(count)
    lightness = 0.62 + 0.14 * ((np.arange(count) % 3) - 1)
    waves = np.stack([np.cos(hue), np.cos(hue - 2 * math.pi / 3), np.cos(hue + 2 * math.pi / 3)], axis=1)
    return np.round(255 * np.clip(lightness[:, None] + 0.33 * waves, 0, 1)).astype(np.uint8)


def colour_scale(low: str, middle: str, high: str) -> str:
    """HTML of the turbo colour map with three labels, escaped."""
    ramp: Float64[np.ndarray, "1 256"] = np.linspace(0, 1, 256)[None]
    picture = io.BytesIO()
    Image.fromarray(turbo(ramp)).save(picture, "PNG")
    source = base64.b64encode(picture.getvalue()).decode()
    labels = "".join(f"<span>{html.escape(label)}</span>" for label in (low, middle, high))
    return (
        f'<div style="padding:0 0.75em 0.6em"><img alt="colour scale" src="data:image/png;base64,{source}" '
        'style="width:100%;height:0.7em;border-radius:3px;display:block"/>'
        f'<div style="display:flex;justify-content:space-between;font-size:0.72em;opacity:0.75">{labels}</div></div>'
    )


def swatch(colour: Colour) -> str:
    """HTML of a dot of a colour."""
    red, green, blue = colour
    style = "display:inline-block;width:0.75em;height:0.75em;border-radius:50%;margin-right:0.45em"
    return f'<span style="{style};background:rgb({red},{green},{blue})"></span>'
