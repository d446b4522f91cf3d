"""Which phrases a page shows pictures of."""

from hypothesis import given
from hypothesis import strategies as st
from tests.evaluation.test_phrase_results import phrase

from langfield.evaluation.phrase_results import PhraseInView, PhraseResult, worst_first
from langfield.query.answers import Answer
from langfield.reports.phrase_sections import phrases_to_show

drawn = st.tuples(st.floats(0, 1), st.sampled_from(["present", "absent"]), st.sampled_from("abc"))


@given(st.lists(drawn, max_size=30), st.integers(1, 12))
def test_what_is_shown_is_the_worst_half_and_something_of_the_rest(given_results, count: int):
    results = [
        phrase(str(i), presence, expected, kind=kind) for i, (presence, expected, kind) in enumerate(given_results)
    ]
    shown, ordered = phrases_to_show(results, count), worst_first(results)
    assert len(shown) <= min(count, len(results))
    assert len(shown) >= min(count, len(results)) // 2
    half = -(-count // 2)
    assert shown[: min(half, len(results))] == ordered[:half]
    assert [result for result in ordered if result in shown] == shown


def test_phrases_of_the_same_things_are_shown_once():
    seen = (PhraseInView("v", True, True, 0.5, 200),)
    one = PhraseResult("spoon", "object", "present", Answer("spoon", True, 0.9, 0.9, None, ()), seen)
    other = PhraseResult("tool", "abstract", "present", Answer("tool", True, 0.8, 0.8, None, ()), seen)
    assert [result.phrase for result in phrases_to_show([one, other], 4)] == ["tool"]
    assert [
        result.phrase for result in phrases_to_show([phrase("a", 0.1, "absent"), phrase("b", 0.1, "absent")], 4)
    ] == [
        "a",
        "b",
    ]
