"""Figures phrase by phrase: the same answers that the evaluator counts, and the worst first."""

import pytest
from tests.data.scenes import write_ball_scene
from tests.evaluation.test_evaluator import Oracle

from langfield.data.scene import Scene, open_scene
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.phrase_results import PhraseInView, PhraseRecorder, PhraseResult, worst_first
from langfield.query.answers import Answer


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("balls")
    write_ball_scene(folder, n_views=17, width_px=160, height_px=120, suffix=".png")
    return open_scene(folder)


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("max_side_px", [None, 80])
def test_phrases_add_up_to_what_the_evaluator_counts(scene: Scene, wrong: bool, max_side_px: int | None):
    queries, views = scene.root / "queries.json", [scene.views[i] for i in scene.test]
    recorder = PhraseRecorder(Oracle(wrong=wrong), views, open_labels(queries, views))
    report = evaluate(recorder, scene, queries=queries, max_side_px=max_side_px).to_json()
    results = {result.phrase: result for result in recorder.results()}
    for kind in ("object", "attribute", "synonym", "background"):
        of_kind = [result for result in results.values() if result.kind == kind]
        counted = report["localisation"][kind]
        assert sum(result.hits for result in of_kind) == counted["hits"]
        assert sum(len(result.views) for result in of_kind) == counted["total"]
        in_mask = sum(seen.in_mask for result in of_kind for seen in result.views)
        assert in_mask == report["localisation_in_mask"][kind]["hits"]
    headline = [r for r in results.values() if r.kind in ("object", "attribute", "synonym")]
    ious = [seen.iou for result in headline for seen in result.views]
    assert sum(ious) / len(ious) == pytest.approx(report["miou"])
    judged = [r for r in results.values() if r.kind in ("object", "attribute", "synonym", "absent")]
    right = sum(result.right is True for result in judged)
    assert right / len(judged) == pytest.approx(report["presence"]["accuracy"])
    assert results["piano"].expected == "absent"
    assert results["piano"].views == ()


def test_nothing_is_asked_twice_and_phrases_without_labels_are_not_judged(scene: Scene):
    views = [scene.views[i] for i in scene.test]
    oracle = Oracle()
    recorder = PhraseRecorder(oracle, views, None)
    evaluate(recorder, scene)
    assert oracle.asked == 0
    (result,) = recorder.results(["red ball"])
    assert (result.expected, result.right, result.kind, result.views) == (None, None, "", ())
    queries = scene.root / "queries.json"
    recorder = PhraseRecorder(oracle, views, open_labels(queries, views))
    evaluate(recorder, scene, queries=queries)
    asked = oracle.asked
    assert [r.phrase for r in recorder.results(["piano"])].count("piano") == 1
    assert oracle.asked == asked == len(views)


def phrase(
    name: str, presence: float, expected: str | None = "present", ious: tuple[float, ...] = (), hits: int = 0, kind="k"
) -> PhraseResult:
    answer = Answer(name, presence > 0.5, presence, presence, None, ())
    # Each with a size of its own: no two mean the same things.
    views = tuple(
        PhraseInView(f"v{i}", i < hits, i < hits, iou, len(name) + 1000 * ord(name[0])) for i, iou in enumerate(ious)
    )
    return PhraseResult(name, kind, expected, answer, views)  # type: ignore[arg-type]


def test_the_worst_stand_first():
    results = [
        phrase("good", 0.9, ious=(0.9, 0.9), hits=2),
        phrase("low iou", 0.9, ious=(0.1, 0.9), hits=2),
        phrase("missed once", 0.9, ious=(0.9, 0.9), hits=1),
        phrase("nearly seen", 0.4, "absent"),
        phrase("not seen", 0.1, "absent"),
        phrase("seen but not there", 0.9, "absent"),
        phrase("overlooked", 0.2, ious=(0.9,), hits=1),
        phrase("not judged", 0.3, None),
    ]
    names = [result.phrase for result in worst_first(results)]
    assert names == [
        "overlooked", "seen but not there", "missed once", "low iou", "good", "not judged", "nearly seen", "not seen"
    ]  # fmt: skip
    assert results[1].worst is not None
    assert results[1].worst.view == "v0"
    assert results[2].worst is not None
    assert results[2].worst.view == "v1"  # the one that was missed


def test_json_holds_what_the_page_shows():
    found = phrase("mug", 0.9, ious=(0.4, 0.6), hits=1).to_json()
    assert found == {
        "phrase": "mug", "kind": "k", "expected": "present", "present": True, "presence": 0.9, "right": True,
        "position": None, "score": 0.9, "hits": 1, "total": 2, "hits_in_mask": 1, "miou": 0.5, "worst_view": "v1",
    }  # fmt: skip
