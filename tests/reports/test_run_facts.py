"""What a run's files say, and what becomes of files that say less or nonsense."""

import json
import math
import shlex

from hypothesis import given
from hypothesis import strategies as st

from langfield.reports.run_facts import (
    RunFacts,
    commands,
    differences,
    finite_number,
    spec_without_folder,
    training_curves,
    value_at,
    without_folders,
    without_listings,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def event(step: int, **metrics: float | None) -> str:
    return json.dumps({"stage": "training", "done": step, "total": 9, "metrics": metrics})


def test_curves_follow_the_steps_and_leave_torn_lines_out():
    other = json.dumps({"stage": "lifting", "done": 7, "metrics": {"loss": 9.0}})
    torn = ['{"stage": "trai', "", "[]"]
    told = [event(0, loss=3.0), *torn, event(5, loss=2.0, psnr=20.0), other, event(9, loss=None, psnr=21.0)]
    curves = training_curves(told)
    assert set(curves) == {"loss", "psnr"}
    assert (curves["psnr"].x, curves["psnr"].y) == ((5.0, 9.0), (20.0, 21.0))
    assert curves["loss"].x == (0.0, 5.0, 9.0)
    assert curves["loss"].y[:2] == (3.0, 2.0)
    assert math.isnan(curves["loss"].y[2])


def test_after_going_back_only_what_was_told_again_counts():
    curves = training_curves([event(step, loss=float(step)) for step in (0, 10, 20, 30)] + [event(10, loss=7.0)])
    assert (curves["loss"].x, curves["loss"].y) == ((0.0, 10.0), (0.0, 7.0))


@given(st.lists(values.map(json.dumps) | st.text(), max_size=5))
def test_no_event_breaks_the_curves(lines: list[str]):
    for curve in training_curves([*lines, event(1, loss=1.0)]).values():
        assert len(curve.x) == len(curve.y)


@given(values, values)
def test_no_document_breaks_the_facts(document, metrics):
    facts = RunFacts("run", {"scene": document, "encoders": {}, "training": document}, {"stages": metrics}, {}, 0)
    assert isinstance(facts.scene_name, str)
    assert all(seconds >= 0 for _, seconds in facts.stages())
    assert len(commands(facts)) == 2


def test_numbers_are_finite_numbers():
    assert [finite_number(value) for value in (3, 2.5, True, None, "3", math.inf, math.nan)] == [3, 2.5, *[None] * 5]
    assert value_at({"a": {"b": 1}}, "a.b") == 1
    assert value_at({"a": None}, "a.b") is None
    assert value_at([], "a") is None


DOCUMENT = {
    "seed": 3,
    "created": "2026-01-02T03:04:05+00:00",
    "model": {"name": "lerf", "config": {"lr": 0.01}},
    "training": {"preset": "lerf", "steps": 30, "rays": 64},
    "encoders": {"image_text": {"spec": "openclip:local-dir:/home/ann/my models/b16"}},
    "scene": {"path": "/home/ann/it's a kitchen", "fingerprint": "f", "views": [{"split": "train"}, {"split": "test"}]},
    "files": {"model.safetensors": {"size": 1}},
}


def test_what_others_read_names_no_folder_of_this_machine():
    facts = RunFacts("my run", DOCUMENT, {}, {}, 0)
    shown = without_folders(DOCUMENT)
    assert "/home" not in json.dumps(shown) + "".join(commands(facts))
    assert shown["scene"] == {"path": "it's a kitchen", "fingerprint": "f", "views": {"train": 1, "test": 1}}
    assert DOCUMENT["scene"]["path"] == "/home/ann/it's a kitchen"
    assert spec_without_folder("builtin:mini") == "builtin:mini"
    train, report = (shlex.split(command) for command in commands(facts))
    assert train[:5] == ["langfield", "train", "it's a kitchen", "--out", "my run"]
    options = dict(zip(train[5::2], train[6::2], strict=True))
    assert options == {
        "--preset": "lerf", "--encoder": "openclip:local-dir:b16", "--dense": "none", "--max-steps": "30",
        "--rays": "64", "--seed": "3",
    }  # fmt: skip
    assert report == ["langfield", "report", "my run"]


def test_a_run_with_a_split_of_its_own_is_made_again_with_it():
    split = DOCUMENT | {"scene": dict(DOCUMENT["scene"]) | {"test_every": 0}}
    assert "--test-every 0" in commands(RunFacts("my run", split, {}, {}, 0))[0]
    lifted = split | {"training": dict(DOCUMENT["training"]) | {"splat_sha256": "0"}}
    assert "--test-every 0" in commands(RunFacts("my run", lifted, {}, {}, 0))[0]


def test_figures_for_others_name_no_folder_and_are_no_tables():
    evaluation = {"psnr": 24.5, "labels": "/home/ann/kitchen/queries.json", "per_view": [1], "questions": [2]}
    assert without_listings(evaluation) == {"psnr": 24.5, "labels": "queries.json"}
    assert without_listings({"labels": None}) == {"labels": None}


def test_only_what_differs_is_listed_with_every_runs_value():
    other = json.loads(json.dumps(DOCUMENT)) | {"seed": 4, "created": "later"}
    other["model"]["config"] = {"lr": 0.01, "levels": [1, 2]}
    assert differences([DOCUMENT, other]) == {"seed": [3, 4], "model.config.levels": [None, [1, 2]]}
    assert differences([DOCUMENT, DOCUMENT]) == {}


def test_a_run_of_gaussians_is_made_again_as_it_was_made():
    training = dict(DOCUMENT["training"]) | {"preset": "splat"}
    of_photos = {"name": "splat", "config": {"photos_per_step": 4}}
    trained = DOCUMENT | {"model": of_photos, "training": training}
    assert "--rays" not in commands(RunFacts("my run", trained, {}, {}, 0))[0]
    lifted = DOCUMENT | {"model": of_photos, "training": training | {"splat_sha256": "0"}}
    assert [shlex.split(command) for command in commands(RunFacts("my run", lifted, {}, {}, 0))] == [
        ["langfield", "lift", "it's a kitchen", "--splat", "GAUSSIANS.ply", "--out", "my run",
         "--encoder", "openclip:local-dir:b16"],
        ["langfield", "report", "my run"],
    ]  # fmt: skip
    of_field = dict(DOCUMENT["training"]) | {"baked": {"run": "/home/ann/field", "model": "lerf"}}
    baked = DOCUMENT | {"model": of_photos, "training": of_field}
    train, bake, _ = (shlex.split(command) for command in commands(RunFacts("my run", baked, {}, {}, 0)))
    assert train[:5] == ["langfield", "train", "it's a kitchen", "--out", "field"]
    assert "--rays" in train
    assert bake == ["langfield", "bake", "field", "--out", "my run"]
