"""`RunInfo` survives its JSON form bit for bit, and says which key is wrong, missing, or different."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_states import an_info

from langfield.core.errors import RunError
from langfield.runs.info import RunInfo, check_same_run

FILE = Path("somewhere/run.json")
finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=50)
@given(numbers=st.lists(finite, min_size=16, max_size=16), seed=st.integers(), path=st.text(max_size=20))
def test_the_document_round_trips_bit_for_bit(numbers, seed, path):
    info = an_info(scene_from_world=np.array(numbers).reshape(4, 4), seed=seed, scene_path=path)
    again = RunInfo.from_document(json.loads(json.dumps(info.document())), FILE)
    assert again.scene_from_world.tobytes() == info.scene_from_world.tobytes()
    assert again.document() == info.document()


def test_a_newer_schema_is_refused():
    with pytest.raises(RunError) as caught:
        RunInfo.from_document(an_info().document() | {"schema_version": 2}, FILE)
    assert str(caught.value) == (
        "somewhere/run.json: schema version 2 is newer than this langfield reads (up to 1); update langfield"
    )


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("seed",), None, "seed is 'None'; int is needed"),
        (("seed",), True, "seed is 'True'; int is needed"),
        (("schema_version",), 0, "schema_version is 0; 1 to 1 are known"),
        (("steps_done",), -1, "steps_done is -1; it counts from 0"),
        (("method",), "lerf", "has no key 'method.name'; it is not a whole run.json"),
        (("scene", "fingerprint"), ["x"], "scene.fingerprint is \"['x']\"; str is needed"),
        (("scene", "scene_from_world"), [[1, 2], [3]], "scene.scene_from_world is no 4 by 4 matrix of finite numbers"),
        (
            ("scene", "scene_from_world"),
            [["a"] * 4] * 4,
            "scene.scene_from_world is no 4 by 4 matrix of finite numbers",
        ),
    ],
)
def test_wrong_values_are_named(keys, value, message):
    document = an_info().document()
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    with pytest.raises(RunError) as caught:
        RunInfo.from_document(document, FILE)
    assert str(caught.value) == f"somewhere/run.json: {message}"


def test_a_missing_key_is_named():
    for name in an_info().document():
        document = an_info().document()
        del document[name]
        with pytest.raises(RunError, match=rf"has no key '{name}[.\w]*'; it is not a whole run.json"):
            RunInfo.from_document(document, FILE)


def test_the_same_run_may_be_longer_elsewhere_and_report_differently():
    saved = RunInfo.from_document(an_info(steps_done=40).document(), FILE)
    training = dict(saved.training_config) | {"steps": 80, "save_every": 1.0, "report_every": 3}
    wanted = replace(an_info(), scene_path="elsewhere", training_config=training, package_version="9", created="now")
    check_same_run(saved, wanted, Path("out"))


def test_the_same_encoder_may_lie_elsewhere():
    here = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/here", "weights_sha256": "ab"}})
    there = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/there", "weights_sha256": "ab"}})
    check_same_run(here, there, Path("out"))
    other = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/here", "weights_sha256": "cd"}})
    with pytest.raises(RunError, match=r"encoders\.image_text\.weights_sha256 = 'ab', but 'cd' is asked for"):
        check_same_run(here, other, Path("out"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 8}, "holds a run with seed = 7, but 8 is asked for"),
        ({"method": "other"}, "holds a run with method.name = 'toy', but 'other' is asked for"),
        (
            {"method_config": {"levels": 4, "grid": {"low": 16, "resolutions": (16, 129)}}},
            "holds a run with method.config.grid.resolutions = [16, 128], but [16, 129] is asked for",
        ),
        ({"method_config": {"levels": 4}}, "holds a run with method.config.grid.low = 16, but None is asked for"),
        ({"training_config": {"rays": 65}}, "holds a run with training.rays = 64, but 65 is asked for"),
        (
            {"method_context": {"photos": 8, "embed_dim": 32, "dense_dim": None}},
            "holds a run with method.context.photos = 9, but 8 is asked for",
        ),
        ({"encoders": {}}, "holds a run with encoders.image_text.dim = 32, but None is asked for"),
    ],
)
def test_another_run_is_refused_with_the_key_that_differs(changes, message):
    with pytest.raises(RunError) as caught:
        check_same_run(an_info(), an_info(**changes), Path("out"))
    assert str(caught.value) == f"out: {message}; ask for the same, or choose another folder"


def test_another_scene_is_refused():
    with pytest.raises(RunError) as caught:
        check_same_run(an_info(), an_info(scene_fingerprint="cd" * 32), Path("out"))
    assert str(caught.value) == (
        "out: holds a run of another scene, or of 'photos/shelf' before its photos or poses changed "
        "(fingerprint abababababab, now cdcdcdcdcdcd); choose another folder"
    )
