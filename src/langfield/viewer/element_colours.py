"""Colours of what the browser itself draws: a run's Gaussians, or points of its surface."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8

from langfield.query.frames import turbo_colours
from langfield.query.pictures import DECISION
from langfield.viewer.palette import PHRASE_COLOURS, thing_colours
from langfield.viewer.state import ViewerState

_DIMMED = 0.6
_SELECTED = np.array([255, 255, 255], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ElementAnswers:
    """What is known of N elements.

    Attributes:
        relevancy: of P phrases, in [0, 1].
        found: whether they are of a hit of each phrase.
        thing: the number of the thing that they are of, in the order of the scene's objects; −1 for none.
        selected: whether they are of what was clicked.
        own_layer: the layer's own colours of them, and which of them have one; None for layers that the rest tells.
    """

    relevancy: Float32[np.ndarray, "p n"]
    found: Bool[np.ndarray, "p n"]
    thing: Int64[np.ndarray, " n"]
    selected: Bool[np.ndarray, " n"]
    own_layer: tuple[UInt8[np.ndarray, "n 3"], Bool[np.ndarray, " n"]] | None = None

    @classmethod
    def none(cls, count: int) -> "ElementAnswers":
        """Of N elements of which nothing was asked."""
        nothing = np.zeros((0, count))
        return cls(
            nothing.astype(np.float32), nothing.astype(bool), np.full(count, -1, dtype=np.int64), np.zeros(count, bool)
        )


def colours(
    rgb: UInt8[np.ndarray, "n 3"], state: ViewerState, answers: ElementAnswers, things: int = 0
) -> UInt8[np.ndarray, "n 3"]:
    """The colours that elements have in a layer of the page: those of `langfield.viewer.look`, element by element.

    Args:
        rgb: their own.
        things: how many things there are.
    """
    own, out = rgb.astype(np.float32), rgb.astype(np.float32)
    if state.layer == "Relevancy" and len(answers.relevancy):
        relevancy = answers.relevancy[state.shown]
        heat = _turbo(relevancy)
        out = np.where((relevancy >= state.threshold)[:, None], _mixed(own, heat, state.opacity), _DIMMED * own)
    elif state.layer == "Composited" and len(answers.found):
        inside = np.asarray(answers.found.any(axis=0))
        if len(answers.found) == 1:
            heat = _turbo(_stretched(answers.relevancy[0], inside))
        else:
            heat = np.array(PHRASE_COLOURS)[np.where(answers.found, answers.relevancy, -1.0).argmax(axis=0)]
        out = np.where(inside[:, None], _mixed(own, heat, state.opacity), _DIMMED * own)
    elif answers.own_layer is not None:
        heat, inside = answers.own_layer
        out = np.where(inside[:, None], _mixed(own, heat, state.opacity), _DIMMED * own)
    elif state.layer == "Objects" and things:
        of_thing = answers.thing >= 0
        heat = thing_colours(things)[np.where(of_thing, answers.thing, 0)]
        out = np.where(of_thing[:, None], _mixed(own, heat, state.opacity), own)
    if answers.selected.any():
        out = np.where(answers.selected[:, None], 0.65 * out + 0.35 * _SELECTED, _DIMMED * out)
    return np.round(out).astype(np.uint8)


def visible(state: ViewerState, answers: ElementAnswers) -> Bool[np.ndarray, " n"]:
    """Which elements are drawn: all, only what was found, or all but that."""
    found = np.asarray(answers.found.any(axis=0))
    if state.hide == "Scene" and state.phrases:
        return found
    if state.hide == "What was found":
        return ~found
    return np.ones_like(found)


def _turbo(relevancy: Float32[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 3"]:
    return turbo_colours(torch.from_numpy(relevancy)[None])[0].numpy()


def _mixed(own: np.ndarray, colour: np.ndarray, opacity: float) -> np.ndarray:
    return opacity * colour.astype(np.float32) + (1 - opacity) * own


def _stretched(relevancy: Float32[np.ndarray, " n"], inside: Bool[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """From 0.5, or the lowest inside if that is less, to the highest there, as `langfield.query.pictures.composited`
    stretches a picture's colours."""
    low = min(DECISION, float(relevancy.min(where=inside, initial=DECISION)))
    top = float(relevancy.max(where=inside, initial=low))
    return ((relevancy - low) / max(top - low, 1e-6)).clip(0, 1).astype(np.float32)
