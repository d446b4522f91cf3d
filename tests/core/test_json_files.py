"""JSON files are read strictly, and what is wrong in them is named with its place."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_JSON_DEPTH, StrictJsonError, parse_json, read_json


def said(folder: Path, text: str | bytes) -> str:
    path = folder / "transforms.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_json(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_json_is_read_strictly(tmp_path):
    assert said(tmp_path, '{"w": 1, "h": {"w": 2, "w": 3}}') == (
        'is no valid JSON: the key "w" stands twice in one object: correct it'
    )
    assert said(tmp_path, '{"w": NaN}') == "w is NaN, which is no number that can be used: correct it"
    assert said(tmp_path, '{"a": [1, {"b": [0, -Infinity]}]}').startswith("a[1].b[1] is -Infinity, which is no number")
    assert said(tmp_path, '{"w": 1,\n "h": }') == (
        "is no valid JSON: line 2, column 7: Expecting value: correct it there"
    )
    assert said(tmp_path, "[1, 2]") == "must hold one JSON object {…}, found a list of 2"
    assert said(tmp_path, b'{"\xff": 1}') == "is no UTF-8 text (byte 2): save it as UTF-8"
    assert said(tmp_path, '{"w": ' + "9" * 5000 + "}").startswith("is no valid JSON: Exceeds the limit")
    for depth in (MAX_JSON_DEPTH, 100_000):
        text = '{"a":' + "[" * depth + "]" * depth + "}"
        assert said(tmp_path, text) == "is nested deeper than 32 levels: it is no scene description"


def test_a_large_json_is_refused_by_its_size(tmp_path):
    path = tmp_path / "transforms.json"
    with path.open("wb") as file:
        file.truncate(70 << 20)  # sparse: takes no disk
    with pytest.raises(DataError, match="has 73400320 bytes, at most 67108864 are read: split the scene"):
        read_json(path)


def test_a_byte_order_mark_is_no_harm(tmp_path):
    (tmp_path / "t.json").write_bytes(b'\xef\xbb\xbf{"w": 640.0}')
    assert read_json(tmp_path / "t.json").need("w").side_px() == 640


def test_getters_know_where_they_stand(tmp_path):
    value = {"frames": [{}, {"w": True, "n": None, "big": 10**400, "inf": 1e999, "s": 3}]}
    (tmp_path / "t.json").write_text(json.dumps(value).replace("Infinity", "1e999"))
    node = list(read_json(tmp_path / "t.json").need("frames").items())[1]
    for get, message in {
        lambda: node.need("w").number(): "frames[1].w must be a number, found true",
        lambda: node.need("n"): "frames[1].n is missing: add it",
        lambda: node.need("big").number(): (
            "frames[1].big must be a number between -1e+12 and 1e+12, found a number of more than 30 digits"
        ),
        lambda: node.need("inf").number(): "frames[1].inf must be a number between -1e+12 and 1e+12, found Infinity",
        lambda: node.need("s").text(): 'frames[1].s must be text in "…", found 3',
        lambda: node.need("s").get("x"): "frames[1].s must be an object {…}, found 3",
        lambda: node.items(): "frames[1] must be a list […], found an object of 5",
        lambda: node.need("s").flag(): "frames[1].s must be true or false, found 3",
    }.items():
        with pytest.raises(DataError) as caught:
            get()
        assert caught.value.message == message


def test_numbers_that_are_none_may_be_left_to_the_reader(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"frames": [{"p": [1, 2]}, {"p": [[0, 1], [2, NaN]], "q": "NaN"}, {"p": [0, null]}, {"p": 1e13}]}')
    frames = list(read_json(path, faults_kept_in="frames").need("frames").items())
    places = [None if (bad := frame.unusable_number()) is None else bad.where for frame in frames]
    assert places == [None, "frames[1].p[1][1]", "frames[2].p[1]", "frames[3].p"]
    with pytest.raises(DataError, match=r"frames\[1\].p\[1\]\[1\] is NaN"):
        read_json(path, faults_kept_in="poses")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_what_json_writes_is_parsed(value):
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ('{"a": [{"b": 1, "b": 1}]}', "repeated key", "b"),
        ("[NaN]", "no number", "NaN"),
        ("[-Infinity]", "no number", "-Infinity"),
        ("[" * 100_000, "too deep", ""),
    ],
)
def test_what_the_standard_leaves_open_is_refused(text, kind, name):
    with pytest.raises(StrictJsonError) as caught:
        parse_json(text)
    assert (caught.value.kind, caught.value.name) == (kind, name)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_value_error(content):
    with contextlib.suppress(ValueError):
        parse_json(content)
