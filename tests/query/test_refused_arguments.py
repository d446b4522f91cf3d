"""What sessions refuse, and how they say it: to a stranger's program, in which nothing checks types."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from dataclasses import replace
import numpy as np
import langfield
from tests.query import fake_session, grouped_wall

run, grouped = fake_session.session(), grouped_wall.session()
view = run.views[0]
camera = view.camera

def said(code):
    try:
        eval(code)
    except langfield.LangfieldError as error:
        return [error.kind, error.message]
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None

print(json.dumps({code: said(code) for code in json.load(sys.stdin)}))
"""
OF_A_CAMERA = ["picture({})", "head_picture({}, 'dense')", "ask_view({}, ['thing'])", "hit_masks({}, 'thing')"]
OF_A_CAMERA += ["level_maps({}, ['thing'])", "level_maps({}, ['thing'], raw=True)", "quick_relevancy({}, ['thing'])"]
OF_A_CAMERA += ["point_at({}, (3, 3))", "picture_tensors({})", "picture_jpeg({})"]
CAMERAS = {
    "view": "must be a langfield.Camera, found RunView: give its .camera",
    "np.eye(4)": "must be a langfield.Camera, found ndarray: make one by Camera.looking_at",
    "None": "must be a langfield.Camera, found NoneType",
    "replace(camera, world_from_camera=np.diag([1.0, 1, -1, 1]))": "is mirrored",
    "replace(camera, world_from_camera=np.full((4, 4), np.nan))": "not finite",
    "replace(camera, world_from_camera=[[1, 0], [0, 1]])": "must be a 4 by 4 matrix",
    "replace(camera, fx_px=0)": "fx_px must be a focal length",
    "replace(camera, width_px=0)": "width_px must be a whole number of pixels",
    "replace(camera, width_px=10.5)": "width_px must be a whole number of pixels",
    "langfield.Camera.from_opengl('eye', 500, 64, 48)": "x right, y up, looking along -z",
}
ANSWERED = [
    "run.query(text for text in ('thing', 'wall'))",
    "run.query(np.array(['thing']), negatives=('wall',))",
    "run.picture(replace(camera, world_from_camera=camera.world_from_camera.tolist()))",
    "grouped.group_masks(camera, np.array([2, 0]))",
    "grouped.group_elements(np.int64(2))",
    "run.hit_masks(replace(camera, world_from_camera=camera.world_from_camera.astype('f4'), width_px=64.0), 'thing')",
]
OF_PHRASES = [
    "query({})",
    "ask_view(camera, {})",
    "level_maps(camera, {})",
    "quick_relevancy(camera, {})",
    "prepare({})",
]
PHRASES = {
    "'mug'": 'phrases must be a list of texts, found one text: write phrases=["mug"]',
    "None": 'phrases must be a list of texts, such as ["mug", "wooden spoon"], found None',
    "7": "phrases must be a list of texts",
    "b'mug'": "phrases must be a list of texts",
    "{'mug': 1}": "phrases must be a list of texts",
    "['mug', 7]": 'must hold nothing but texts, such as ["mug"], found int 7 among them',
    "[['mug']]": "found list ['mug'] among them",
    "[None]": "found None among them",
}
OF_A_PHRASE = ["hit_masks(camera, {})", "elements({})"]
ONE_PHRASE = {
    "['mug', 'cup']": "phrase must be one text, such as phrase=\"mug\", found list ['mug', 'cup']: ask for one",
    "None": "phrase must be one text",
}
AGAINST = ["query(['thing'], {})", "ask_view(camera, ['thing'], {})", "level_maps(camera, ['thing'], {})"]
AGAINST += ["quick_relevancy(camera, ['thing'], {})", "hit_masks(camera, 'thing', {})", "elements('thing', {})"]
NEGATIVES = {
    "negatives='cup'": 'negatives must be a list of texts, found one text: write negatives=["cup"]',
    "negatives=[3]": "negatives must hold nothing but texts",
}
OF_A_THRESHOLD = ["query(['thing'], {})", "ask_view(camera, ['thing'], {})", "hit_masks(camera, 'thing', {})"]
OF_A_THRESHOLD += ["elements('thing', {})"]
THRESHOLDS = {
    f"min_presence={given}": f"min_presence must be a number from 0 to 1, found {shown}"
    for given, shown in {
        "2": "int 2",
        "-0.1": "float -0.1",
        "np.nan": "float nan",
        "'0.3'": "str",
        "None": "None",
    }.items()
}
CASES = (
    (OF_A_CAMERA, CAMERAS),
    (OF_PHRASES, PHRASES),
    (OF_A_PHRASE, ONE_PHRASE),
    (AGAINST, NEGATIVES),
    (OF_A_THRESHOLD, THRESHOLDS),
)
REFUSED: dict[str, str] = {
    f"run.{call.format(given)}": message for calls, wrong in CASES for call in calls for given, message in wrong.items()
}
REFUSED |= {
    "langfield.bake('run', 'out', phrases='mug')": PHRASES["'mug'"],
    "run.head_picture(camera, ['dense'])": "head must be one text",
    "run.picture_jpeg(camera, layer='heat')": "layer",
    "run.picture_jpeg(camera, layer='relevancy')": "the layer relevancy needs a phrase",
    "run.picture_jpeg(camera, phrase='thing')": "the layer rgb takes no phrase",
    "run.picture_jpeg(camera, layer='composited', phrase=['thing'])": "phrase must be one text",
    "run.picture_jpeg(camera, quality=0)": "quality must be a whole number from 1 to 100, found 0",
    "run.picture_jpeg(camera, quality='90')": "quality must be a whole number from 1 to 100",
    "grouped.group_elements('0')": "has no group 0; the numbers of its groups are 0 to 2",
    "grouped.group_masks(camera, [0, 1.0])": "has no group 1.0",
    "grouped.segment('here')": "points_world must be points (N, 3), such as [[0.1, 0.2, 0.05]], found str here",
}


@pytest.fixture(scope="module")
def said() -> dict[str, list[str] | None]:
    """Of each call the kind and the message of its error; None if it was answered."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([*REFUSED, *ANSWERED]),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("call", REFUSED)
def test_it_is_refused_in_words(said, call):
    assert said[call] is not None, "was answered"
    kind, message = said[call]
    assert kind == "usage", message
    assert REFUSED[call] in message


@pytest.mark.parametrize("call", ANSWERED)
def test_it_is_answered(said, call):
    assert said[call] is None
