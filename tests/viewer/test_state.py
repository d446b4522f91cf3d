"""The state of a page: functions from one to the next, and what browsers keep of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfield.core.errors import UsageError
from langfield.viewer import state
from langfield.viewer.state import Keyframe, ViewerState

KEYFRAME = Keyframe((1.0, 0.0, 0.0, 0.0), (0.5, -1.0, 2.0), 0.8)


def test_phrases_stand_between_commas():
    assert state.phrases_of(" wooden  spoon, mug;mug\n pot ,") == ("wooden spoon", "mug", "pot")
    assert state.phrases_of(" , ;") == ()
    assert state.phrases_of("x" * 200) == ("x" * 200,)
    with pytest.raises(UsageError, match="at most 8 phrases at once, got 9"):
        state.phrases_of(",".join("abcdefghi"))
    with pytest.raises(UsageError, match="at most 200 characters, got 201"):
        state.phrases_of("x" * 201)


def test_the_first_phrase_turns_the_picture_and_none_turns_it_back():
    asked = state.with_prompt(ViewerState(), "mug, spoon")
    assert (asked.phrases, asked.layer) == (("mug", "spoon"), "Composited")
    relevancy = state.with_choice(asked, "layer", "Relevancy")
    assert state.with_prompt(relevancy, "bear").layer == "Relevancy"
    assert state.with_prompt(state.with_choice(asked, "layer", "Depth"), "").layer == "Depth"
    hidden = state.with_choice(asked, "hide", "Scene")
    assert state.with_prompt(hidden, "bear").hide == "Scene"
    none = state.with_prompt(hidden, "")
    assert (none.layer, none.hide, none.phrases) == ("Picture", "Nothing", ())


def test_the_phrase_that_is_shown_stays_one_that_is_asked():
    asked = state.with_shown(state.with_prompt(ViewerState(), "mug, spoon, pot"), "pot")
    assert asked.shown == 2
    assert state.with_prompt(asked, "mug, spoon").shown == 1
    assert state.with_prompt(asked, "").shown == 0
    assert state.with_shown(asked, "bear") == asked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layer", "Feelings"),
        ("hide", 3),
        ("opacity", 1.5),
        ("opacity", float("nan")),
        ("opacity", True),
        ("boxes", "yes"),
        ("phrases", ("a",)),
        ("nothing", 1),
    ],
)
def test_a_value_that_an_input_cannot_have_changes_nothing(name: str, value: object):
    assert state.with_choice(ViewerState(), name, value) == ViewerState()


def test_negatives_are_the_encoder_s_unless_given():
    assert ViewerState().asked_negatives is None
    assert state.with_negatives(ViewerState(), "object, table").asked_negatives == ("object", "table")
    assert state.with_negatives(ViewerState(negatives=("x",)), "").asked_negatives is None


def test_keyframes_belong_to_a_run_and_are_not_endless():
    kept = state.with_keyframe(ViewerState(run="a"), KEYFRAME)
    assert state.with_run(kept, "a") == kept
    assert state.with_run(kept, "b").keyframes == ()
    full = ViewerState(keyframes=(KEYFRAME,) * state.MAX_KEYFRAMES)
    with pytest.raises(UsageError, match="at most 100 keyframes"):
        state.with_keyframe(full, KEYFRAME)


def test_what_a_browser_keeps_comes_back():
    asked = state.with_prompt(ViewerState(run="kitchen", negatives=("table",), photos=True), "mug, spoon")
    asked = state.with_keyframe(state.with_choice(state.with_shown(asked, "spoon"), "opacity", 0.25), KEYFRAME)
    assert state.from_text(state.to_text(asked)) == asked
    assert state.from_text(None) == ViewerState()
    longest = ViewerState(phrases=("x" * 200,) * 1, keyframes=(KEYFRAME,) * state.MAX_KEYFRAMES)
    assert len(state.to_text(longest)) < 16 * 1024  # what the front lets through


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), lambda v: st.lists(v, max_size=3))
)
def test_anything_else_that_it_kept_makes_a_state(value: object):
    names = ("run", "phrases", "shown", "layer", "opacity", "keyframes", "negatives")
    for text in (json.dumps(value), json.dumps(dict.fromkeys(names, value))):
        restored = state.from_text(text)
        assert state.from_text(state.to_text(restored)) == restored
        assert len(restored.phrases) <= state.MAX_PHRASES
        assert 0 <= restored.opacity <= 1


def test_a_run_is_not_asked_what_it_cannot_answer():
    asked = ViewerState(phrases=("mug", "pot"), negatives=("table",), shown=1, layer="Relevancy", hide="Scene")
    assert state.for_run(asked, has_language=True, has_groups=False) == asked
    silent = state.for_run(asked, has_language=False, has_groups=True)
    assert (silent.phrases, silent.negatives, silent.shown) == ((), (), 0)
    assert (silent.layer, silent.hide) == ("Picture", "Nothing")
    things = ViewerState(layer="Objects", opacity=0.3)
    assert state.for_run(things, has_language=False, has_groups=True) == things
    assert state.for_run(things, has_language=True, has_groups=False) == ViewerState(opacity=0.3)


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e7, float("inf"), float("nan")])
def test_keyframes_with_numbers_that_are_no_places_are_left_out(number: float):
    frame = {"wxyz": [1.0, 0.0, 0.0, 0.0], "position": [0.0, number, 0.0], "fov_rad": 0.8}
    assert state.from_text(json.dumps({"opacity": 0.3, "keyframes": [frame]})) == ViewerState(opacity=0.3)
    turned = frame | {"wxyz": [number, 0.0, 0.0, 0.0], "position": [0.0, 0.0, 0.0]}
    assert state.from_text(json.dumps({"keyframes": [turned]})) == ViewerState()


def test_layers_are_those_that_a_run_can_show():
    assert set(state.layers_of(True, True)) == {
        "Picture", "Composited", "Relevancy", "Crop size", "Features", "Depth", "Objects"
    }  # fmt: skip
    assert state.layers_of(False, False) == ("Picture", "Depth")
    for layer in ("Features", "Crop size"):
        assert state.for_run(ViewerState(layer=layer), has_language=False, has_groups=True).layer == "Picture"
    cropped = state.with_choice(state.with_prompt(ViewerState(), "mug"), "layer", "Crop size")
    assert state.with_prompt(cropped, "").layer == "Picture"
    assert state.with_prompt(ViewerState(layer="Features"), "").layer == "Features"


def test_what_lies_beside_must_be_known():
    for beside in ("photo", "run:other", ""):
        asked = state.with_choice(ViewerState(), "beside", beside)
        assert asked.beside == beside
        assert state.without_beside(asked, ["", "run:other"]).beside == ("" if beside == "photo" else beside)
    for wrong in ("a file", "run:" + "x" * 400, None, 3):
        assert state.with_choice(ViewerState(), "beside", wrong) == ViewerState()
    kept = ViewerState(beside="run:other", divider=0.2)
    assert state.from_text(state.to_text(kept)) == kept
