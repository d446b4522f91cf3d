"""Runs that people have, made by released versions: they open, show, answer, export and go on as they did then.

Numbers differ a little from one kind of CPU to another. What is asked of a stored model may differ by the tolerances
of `STORED`; half a training magnifies such differences, `RESUMED` is for what comes of it. Both were measured (see the
README beside the runs), and a training that begins anew, or without its optimiser's state, is outside of them.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import KDTree
from tests.runs import released
from tests.runs.released import EXPORTED, PHRASES, RELEASED, Unpacked, answers, asked, exported, pictures
from tests.runs.released_presets import STEPS, use_released_presets

import langfield
from langfield.cli.main import main
from langfield.data.views import FINGERPRINT_VERSION

VERSION = RELEASED / "0.1.0"
TRAINED = ("nano", "lerf", "lift", "splat", "splat-classic")
FINISHED = (*TRAINED, "baked")


@dataclass(frozen=True)
class Tolerance:
    """How much what is seen may differ from what was seen.

    Attributes:
        rgb: mean difference of colours, 0 to 255. depth: median relative difference. relevancy: mean difference.
        masks: share of pixels; also of those where something is seen only now or only then. presence, score:
            difference.
        place: of positions and corners of boxes, world units (the balls are 0.2 to 0.3 wide). count: relative
            difference of numbers of elements.
    """

    rgb: float
    depth: float
    relevancy: float
    masks: float
    presence: float
    score: float
    place: float
    count: float


STORED = Tolerance(0.05, 1e-3, 5e-4, 0.003, 2e-3, 2e-3, 2e-3, 0.01)
RESUMED = Tolerance(0.75, 4e-3, 0.012, 0.03, 0.02, 0.03, 0.08, 0.05)


@pytest.fixture(scope="module", autouse=True)
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        released.same_numbers_everywhere(patch)
        use_released_presets(patch)
        yield


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return released.unpack(VERSION, tmp_path_factory.mktemp("encoders"))


@pytest.fixture
def finished(name: str, tmp_path: Path) -> Path:
    """A copy of a finished run, as asking it keeps its index there."""
    return copy_of_finished(name, tmp_path)


def copy_of_finished(name: str, folder: Path) -> Path:
    return shutil.copytree(VERSION / name / "finished", folder / f"{name}-finished")


def stored(name: str) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """What a finished run showed and answered."""
    folder = VERSION / name / "finished"
    return arrays(folder / "shown.npz"), json.loads((folder / "answers.json").read_text())


@cache
def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


# -- comparing -------------------------------------------------------------------------------------------------------


def check_shown(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], allowed: Tolerance) -> None:
    assert found.keys() == expected.keys()
    for name, then in expected.items():
        now = found[name]
        assert now.shape == then.shape, name
        if name.endswith("_rgb"):
            assert np.abs(now.astype(float) - then).mean() <= allowed.rgb, name
        elif name.endswith("_depth_world") or name == "scale_world":
            there, before = np.isfinite(now), np.isfinite(then)
            assert (there != before).mean() <= allowed.masks, name
            both = there & before
            if not both.any():
                continue
            off = np.abs(now[both].astype(float) - then[both]) / np.maximum(then[both].astype(float), 1e-3)
            assert np.median(off) <= allowed.depth, name
            assert (off > 5 * allowed.depth).mean() <= allowed.masks, name
        elif name == "masks":
            assert (np.unpackbits(now) != np.unpackbits(then)).mean() <= allowed.masks
        elif name == "levels":
            assert now == then
        else:
            assert np.abs(now.astype(float) - then).mean() <= allowed.relevancy, name


def check_answers(found: list[dict[str, Any]], expected: list[dict[str, Any]], allowed: Tolerance) -> None:
    assert [answer["phrase"] for answer in found] == [answer["phrase"] for answer in expected] == list(PHRASES)
    for now, then in zip(found, expected, strict=True):
        assert now.keys() >= then.keys()
        assert now["present"] == then["present"]
        assert now["presence"] == pytest.approx(then["presence"], abs=allowed.presence)
        assert now["score"] == pytest.approx(then["score"], abs=allowed.score)
        assert now["scale"] == (then["scale"] and pytest.approx(then["scale"], rel=allowed.count))
        assert bool(now["hits"]) == bool(then["hits"])
        for hit, before in list(zip(now["hits"], then["hits"], strict=allowed is STORED))[:1]:
            assert hit.keys() >= before.keys()
            assert hit["position"] == pytest.approx(before["position"], abs=allowed.place)
            assert np.array(hit["box"]) == pytest.approx(np.array(before["box"]), abs=allowed.place)
            assert hit["elements"] == pytest.approx(before["elements"], rel=allowed.count, abs=2)


def check_exports(found: released.Exported, facts: dict[str, Any], expected: dict[str, np.ndarray]) -> None:
    assert found.facts.keys() == facts.keys()
    assert found.arrays.keys() == expected.keys()
    for kind, then in facts.items():
        now = found.facts[kind]
        if kind == "coco":
            check_coco(now, then)
        elif "count" in then:
            assert now["columns"] == then["columns"]
            assert now["count"] == pytest.approx(then["count"], rel=STORED.count, abs=2), kind
        else:
            assert now == then, kind
    for name, then in expected.items():
        now = found.arrays[name]
        if name == "masks":
            assert (np.unpackbits(now) != np.unpackbits(then)).mean() <= STORED.masks
        elif name == "relevancy":
            assert np.abs(now.astype(float) - then).mean() <= STORED.relevancy
        elif name.startswith("points"):
            continue
        else:
            assert now == pytest.approx(then, abs=STORED.place if name.endswith("_xyz") else 1e-4), name
    if "points_xyz" in expected:
        check_points(found.arrays, expected)


def check_points(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Cubes at whose border a point lies may gain or lose it."""
    off, nearest = KDTree(found["points_xyz"]).query(expected["points_xyz"])
    assert (off > STORED.place).mean() <= STORED.count
    colour = np.abs(found["points_rgb"][nearest].astype(float) - expected["points_rgb"])
    assert colour.mean() <= 1


def check_coco(now: dict[str, Any], then: dict[str, Any]) -> None:
    """Masks are compared as pictures."""
    assert now.keys() == then.keys()
    assert (now["images"], now["categories"]) == (then["images"], then["categories"])
    for one, before in zip(now["annotations"], then["annotations"], strict=True):
        assert one.keys() == before.keys() | {"mask_file"}  # 0.1.0 did not name it
        for key in ("id", "image_id", "category_id", "hit", "iscrowd"):
            assert one[key] == before[key]
        assert one["area"] == pytest.approx(before["area"], rel=STORED.count, abs=3)
        assert one["score"] == pytest.approx(before["score"], abs=STORED.score)
        assert one["segmentation"]["size"] == before["segmentation"]["size"]


# -- tests -----------------------------------------------------------------------------------------------------------


def test_there_is_a_run_of_every_kind():
    runs = {path.name for path in VERSION.iterdir()} - {"README.md", "scene", "encoder", "dense"}
    assert runs == set(FINISHED)
    assert set(STEPS) == set(TRAINED)


def test_the_encoders_are_those_that_the_runs_were_trained_with(unpacked: Unpacked):
    cards = json.loads((VERSION / "lerf" / "run.json").read_text())["encoders"]
    for role, folder in (("image_text", "encoder"), ("dense", "dense")):
        digests = json.loads((VERSION / folder / "sha256.json").read_text())
        assert cards[role]["weights_sha256"] in digests.values()
        for file, digest in digests.items():
            assert hashlib.sha256((unpacked.folder / folder / file).read_bytes()).hexdigest() == digest


def test_they_know_their_scene_by_the_first_fingerprint():
    scene = langfield.open_scene(VERSION / "scene")
    known = {json.loads((VERSION / name / "run.json").read_text())["scene"]["fingerprint"] for name in TRAINED}
    assert known == {scene.fingerprint(version=1)}
    assert scene.fingerprint() not in known


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_run_shows_and_answers_what_it_did(name: str, finished: Path, unpacked: Unpacked):
    session = langfield.open(finished, device="cpu", encoder=unpacked.encoder)
    shown, answered = stored(name)
    assert shown["train_rgb"].std() > 5
    assert np.isfinite(shown["train_depth_world"]).mean() > 0.3
    assert shown["refined"].std() > 0.05
    assert [answer["present"] for answer in answered] == [True, True, False]
    check_shown(pictures(session) | asked(session), shown, STORED)
    check_answers(answers(session), answered, STORED)


@pytest.mark.parametrize("name", TRAINED)
def test_a_stopped_run_shows_what_it_did(name: str):
    check_shown(pictures(langfield.open(VERSION / name, device="cpu")), arrays(VERSION / name / "shown.npz"), STORED)


@pytest.mark.parametrize("name", FINISHED)
def test_exports_are_what_they_were(name: str, finished: Path, unpacked: Unpacked, tmp_path: Path):
    run = VERSION / name / "finished"
    found = exported(finished, unpacked.encoder, tmp_path / "exported", EXPORTED.get(name, ()))
    if "json" in found.facts:
        check_answers(found.facts.pop("json")["answers"], stored(name)[1], STORED)
    check_exports(found, json.loads((run / "exports.json").read_text()), arrays(run / "exports.npz"))


@pytest.mark.parametrize("name", TRAINED)
def test_a_stopped_run_goes_on_to_the_same_end(
    name: str, unpacked: Unpacked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One of them by the command line."""
    run = tmp_path / "run"
    shutil.copytree(VERSION / name, run, ignore=shutil.ignore_patterns("finished", "shown.npz"))
    dense = unpacked.dense if name == "lerf" else "none"
    if name == "splat":
        options = ["--preset", name, "--encoder", unpacked.encoder, "--dense", dense, "--device", "cpu"]
        assert main(["train", str(VERSION / "scene"), "--out", str(run), *options, "--json", "--no-progress"]) == 0
        steps = json.loads(capsys.readouterr().out)["steps"]
    else:
        scene, encoder = VERSION / "scene", unpacked.encoder
        steps = langfield.train(scene, run, preset=name, encoder=encoder, dense=dense, device="cpu").steps
    assert steps == STEPS[name]
    document = json.loads((run / "run.json").read_text())["scene"]
    now = langfield.open_scene(VERSION / "scene").fingerprint()
    assert (document["fingerprint"], document["fingerprint_version"]) == (now, FINGERPRINT_VERSION)
    session = langfield.open(run, device="cpu", encoder=unpacked.encoder)
    shown, answered = stored(name)
    check_shown(pictures(session) | asked(session), shown, RESUMED)
    check_answers(answers(session), answered, RESUMED)
    before = arrays(VERSION / name / "shown.npz")
    assert np.abs(shown["train_rgb"].astype(float) - before["train_rgb"]).mean() > 6 * RESUMED.rgb


def test_a_field_is_baked_as_it_was(unpacked: Unpacked, tmp_path: Path):
    run, out, encoder = copy_of_finished("nano", tmp_path), tmp_path / "baked", unpacked.encoder
    most = released.BAKED_ELEMENTS
    langfield.bake(run, out, elements=most, phrases=PHRASES, encoder=encoder, device="cpu")
    session = langfield.open(out, device="cpu", encoder=encoder)
    shown, answered = stored("baked")
    check_shown(pictures(session) | asked(session), shown, RESUMED)
    check_answers(answers(session), answered, RESUMED)


def test_the_command_line_answers_as_it_did(unpacked: Unpacked, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where = ["--encoder", unpacked.encoder, "--device", "cpu", "--no-progress", "--json"]
    assert main(["query", str(copy_of_finished("splat", tmp_path)), *PHRASES, *where]) == 0
    check_answers(json.loads(capsys.readouterr().out)["answers"], stored("splat")[1], STORED)
