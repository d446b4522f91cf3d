"""Colours of pictures and of elements: both show the same."""

import numpy as np
import pytest
import torch

from langfield.query.frames import turbo_colours
from langfield.query.pictures import composited, turbo
from langfield.viewer import element_colours, look, palette
from langfield.viewer.element_colours import ElementAnswers
from langfield.viewer.state import ViewerState

RGB = np.full((2, 3, 3), 200, dtype=np.uint8)
RELEVANCY = np.array([[0.1, 0.6, 0.9], [0.5, 0.2, 0.7]], dtype=np.float32)
MASK = np.array([[False, True, True], [False, False, True]])


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def assert_same_to_a_level(drawn: np.ndarray, expected: np.ndarray) -> None:
    """Colours in single and in double precision may round to different levels of 255."""
    assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 1


def as_elements(values: np.ndarray) -> np.ndarray:
    """An element for each pixel."""
    return values.reshape(-1, *values.shape[2:])


def answers(**changed: np.ndarray) -> ElementAnswers:
    none = ElementAnswers.none(6)
    if "found" in changed:
        changed = {"relevancy": np.zeros(changed["found"].shape, np.float32)} | changed
    elif "relevancy" in changed:
        changed = {"found": np.zeros(changed["relevancy"].shape, bool)} | changed
    fields = {"relevancy": none.relevancy, "found": none.found, "thing": none.thing, "selected": none.selected}
    fields |= {"own_layer": None}
    return ElementAnswers(**(fields | changed))


def test_relevancy_has_colour_from_its_threshold_on():
    inside = RELEVANCY >= 0.55
    drawn = look.colours_over(tensor(RGB), turbo_colours(tensor(RELEVANCY)), tensor(inside), 1.0).numpy()
    assert_same_to_a_level(drawn[inside], turbo(RELEVANCY)[inside])
    np.testing.assert_array_equal(drawn[~inside], np.full((3, 3), 120))
    state = ViewerState(phrases=("a",), layer="Relevancy", opacity=1.0, threshold=0.55)
    shown = element_colours.colours(as_elements(RGB), state, answers(relevancy=as_elements(RELEVANCY)[None]))
    assert_same_to_a_level(shown, as_elements(drawn))


def test_one_phrase_is_composited_as_render_does():
    drawn = look.found_over(tensor(RGB), tensor(RELEVANCY)[None], tensor(MASK)[None], 0.75).numpy()
    assert_same_to_a_level(drawn, composited(RGB, RELEVANCY, MASK))
    state = ViewerState(phrases=("a",), layer="Composited")
    known = answers(relevancy=as_elements(RELEVANCY)[None], found=as_elements(MASK)[None])
    shown = element_colours.colours(as_elements(RGB), state, known)
    assert np.abs(shown.astype(int) - as_elements(drawn)).max() <= 1


def test_of_several_phrases_the_more_relevant_one_has_the_place():
    relevancy = np.stack([RELEVANCY, 1 - RELEVANCY])
    masks = np.stack([MASK, np.ones_like(MASK)])
    drawn = look.found_over(tensor(RGB), tensor(relevancy), tensor(masks), 1.0).numpy()
    assert tuple(drawn[0, 2]) == palette.PHRASE_COLOURS[0]  # 0.9 against 0.1
    assert tuple(drawn[0, 0]) == palette.PHRASE_COLOURS[1]  # only the second one
    state = ViewerState(phrases=("a", "b"), layer="Composited", opacity=1.0)
    known = answers(relevancy=relevancy.reshape(2, -1), found=masks.reshape(2, -1))
    np.testing.assert_array_equal(element_colours.colours(as_elements(RGB), state, known), as_elements(drawn))


def test_things_have_colours_of_their_own():
    masks = np.stack([MASK, ~MASK & (RELEVANCY > 0.3)])
    drawn = look.things_over(tensor(RGB), tensor(masks), 1.0).numpy()
    colours = palette.thing_colours(2)
    np.testing.assert_array_equal(drawn[MASK], np.tile(colours[0], (3, 1)))
    assert tuple(drawn[0, 0]) == (200, 200, 200)
    thing = as_elements(np.where(masks[0], 0, np.where(masks[1], 1, -1)))
    shown = element_colours.colours(
        as_elements(RGB), ViewerState(layer="Objects", opacity=1.0), answers(thing=thing), 2
    )
    np.testing.assert_array_equal(shown, as_elements(drawn))


def test_crop_sizes_have_colours_by_their_ratio():
    heights = np.array([[0.5, 1.0, 2.0], [np.nan, 8.0, 0.1]])
    drawn = look.crop_colours(tensor(heights), (0.5, 2.0)).numpy()
    assert_same_to_a_level(drawn[0], turbo(np.array([[0.0, 0.5, 1.0]]))[0])
    np.testing.assert_array_equal(drawn[1, 1], drawn[0, 2])  # beyond the scale is its end
    assert look.crop_colours(tensor(heights), (1.0, 1.0)).shape == (2, 3, 3)


def test_a_layer_s_own_colours_of_elements_are_mixed_as_the_picture_s():
    features = np.stack([RELEVANCY] * 3, axis=2)
    features[0, 0] = np.nan
    known = np.isfinite(features).all(axis=2)
    colours = look.feature_colours(tensor(features))
    drawn = look.colours_over(tensor(RGB), colours, tensor(known), 0.75).numpy()
    layer = as_elements(colours.numpy()), as_elements(known)
    shown = element_colours.colours(as_elements(RGB), ViewerState(layer="Features"), answers(own_layer=layer))
    assert np.abs(shown.astype(int) - as_elements(drawn)).max() <= 1
    assert tuple(drawn[0, 0]) == (120, 120, 120)


def test_what_is_selected_has_a_rim_and_all_else_is_dimmed():
    rgb, mask = np.full((9, 9, 3), 100, dtype=np.uint8), np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    drawn = look.with_rim(tensor(rgb), tensor(mask)).numpy()
    assert tuple(drawn[4, 4]) == (100, 100, 100)
    assert (drawn[4, 6] == 255).all()
    assert (drawn[4, 7] == 60).all()
    assert (drawn == 255).all(axis=2).sum() == 12  # a rhombus of two pixels about one


@pytest.mark.parametrize(
    ("hide", "wanted"),
    [("Nothing", [True] * 6), ("Scene", as_elements(MASK)), ("What was found", as_elements(~MASK))],
)
def test_what_is_hidden(hide: str, wanted: list[bool]):
    state = ViewerState(phrases=("a",), hide=hide)
    np.testing.assert_array_equal(element_colours.visible(state, answers(found=as_elements(MASK)[None])), wanted)


def test_nothing_asked_hides_nothing():
    for hide in ("Nothing", "Scene", "What was found"):
        assert element_colours.visible(ViewerState(hide=hide), answers()).all()


def test_colours_of_neighbours_are_told_apart():
    colours = palette.thing_colours(40).astype(int)
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 60
    assert len(np.unique(colours, axis=0)) == 40


def test_the_scale_escapes_its_labels():
    drawn = palette.colour_scale("<b>", "", "1")
    assert "&lt;b&gt;" in drawn
    assert "data:image/png;base64," in drawn
    assert "rgb(1,2,3)" in palette.swatch((1, 2, 3))
