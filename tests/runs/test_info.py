"""`RunInfo` survives its JSON form bit for bit, and says which key is wrong or missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_states import an_info

from langfield.core.errors import RunError
from langfield.runs.info import RunInfo

FILE = Path("somewhere/run.json")
finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=50)
@given(numbers=st.lists(finite, min_size=16, max_size=16), seed=st.integers(), path=st.text(max_size=20))
def test_the_document_round_trips_bit_for_bit(numbers, seed, path):
    info = an_info(scene_from_world=np.array(numbers).reshape(4, 4), seed=seed, scene_path=path)
    again = RunInfo.from_document(json.loads(json.dumps(info.document())), FILE)
    assert again.scene_from_world.tobytes() == info.scene_from_world.tobytes()
    assert again.document() == info.document()


def test_warnings_are_kept_and_older_runs_have_none():
    warnings = ("all photos were taken from one place", "only 2 photos")
    document = an_info(warnings=warnings).document()
    assert RunInfo.from_document(json.loads(json.dumps(document)), FILE).warnings == warnings
    del document["scene"]["warnings"]
    assert RunInfo.from_document(document, FILE).warnings == ()


@pytest.mark.parametrize("test_every", [None, 0, 2, 8])
def test_how_photos_were_split_is_kept(test_every):
    document = an_info(test_every=test_every).document()
    assert RunInfo.from_document(json.loads(json.dumps(document)), FILE).test_every == test_every
    assert document["scene"].get("test_every") == test_every
    assert ("test_every" in document["scene"]) == (test_every is not None)  # older runs do not say


def test_a_newer_schema_is_refused():
    with pytest.raises(RunError) as caught:
        RunInfo.from_document(an_info().document() | {"schema_version": 3}, FILE)
    assert str(caught.value) == (
        "somewhere/run.json: schema version 3 is newer than this langfield reads (up to 2); update langfield"
    )


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("seed",), None, "seed is 'None'; int is needed"),
        (("seed",), True, "seed is 'True'; int is needed"),
        (("schema_version",), 0, "schema_version is 0; 1 to 2 are known"),
        (("steps_done",), -1, "steps_done is -1; it counts from 0"),
        (("model",), "lerf", "has no key 'model.name'; it is not a whole run.json"),
        (("scene", "fingerprint"), ["x"], "scene.fingerprint is \"['x']\"; str is needed"),
        (("scene", "scene_from_world"), [[1, 2], [3]], "scene.scene_from_world is no 4 by 4 matrix of finite numbers"),
        (("scene", "test_every"), 1, "scene.test_every is 1; it is 0 or at least 2"),
        (("scene", "test_every"), "8", "scene.test_every is '8'; int is needed"),
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
