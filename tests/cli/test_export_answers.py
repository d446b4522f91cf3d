"""`langfield export` of answers: files that others read, nothing of what is not there, and wrong options in a line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import failure, printed_json
from tests.export.coco_decoder import mask_of
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import THING

from langfield.cli.main import main
from langfield.core.cameras import NO_DISTORTION
from langfield.data.formats.ply import read_ply
from langfield.query.session import Session


@pytest.fixture
def run(monkeypatch) -> Session:
    """A session over two walls' photos, of which the command line opens another one."""
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: session())
    return session()


def exported(capsys, options: str, out: Path) -> dict:
    return printed_json(capsys, ["export", "run", "--out", str(out), *options.split(), "--no-progress"])


def in_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_coco(document: dict) -> None:
    """What the COCO data format asks of a file of object instances."""
    assert {"info", "licenses", "images", "categories", "annotations"} <= set(document)
    for kind in ("images", "categories", "annotations"):
        ids = [entry["id"] for entry in document[kind]]
        assert len(set(ids)) == len(ids)
        assert all(isinstance(number, int) and number > 0 for number in ids)
    images = {image["id"]: image for image in document["images"]}
    categories = {category["id"] for category in document["categories"]}
    assert all(isinstance(category["name"], str) for category in document["categories"])
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        assert annotation["category_id"] in categories
        assert annotation["segmentation"]["size"] == [image["height"], image["width"]]
        assert annotation["iscrowd"] in (0, 1)
        mask = mask_of(annotation["segmentation"])
        assert annotation["area"] == mask.sum() > 0
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert mask[y].any()
        assert mask[y + height - 1].any()
        assert mask[:, x].any()
        assert mask[:, x + width - 1].any()


def test_masks_are_pictures_and_coco_of_the_photos_that_show_it_best(run: Session, tmp_path: Path, capsys):
    printed = exported(capsys, "--format masks --phrase thing nothing", tmp_path / "out")
    (hit,) = run.query(["thing"])[0].hits
    names = [f"{n:02d}-{Path(view).stem}_mask_01-thing.png" for n, view in enumerate(sorted(hit.views), start=1)]
    assert in_folder(tmp_path / "out") == [*names, "coco.json"]
    assert printed["files"] == [str(tmp_path / "out" / name) for name in [*names, "coco.json"]]
    assert printed["absent"] == ["nothing"]
    document = json.loads((tmp_path / "out" / "coco.json").read_text())
    check_coco(document)
    assert [category["name"] for category in document["categories"]] == ["thing"]
    assert [image["file_name"] for image in document["images"]] == sorted(hit.views)
    assert [annotation["hit"] for annotation in document["annotations"]] == [1] * len(names)
    for annotation, name in zip(document["annotations"], names, strict=True):
        assert annotation["score"] == pytest.approx(hit.score)
        assert annotation["mask_file"] == name
        with Image.open(tmp_path / "out" / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture) == 255, mask_of(annotation["segmentation"]))


def test_every_hit_is_its_own_annotation(run: Session, tmp_path: Path, capsys, monkeypatch):
    def halves(made: Session, camera, phrase: str, **options) -> np.ndarray:
        mask = made.ask_view(camera, [phrase]).masks[0]
        left = np.arange(camera.width_px) < camera.width_px // 2
        return np.stack([mask & left, mask & ~left, np.zeros_like(mask)])

    ask = Session.query

    def thrice(made: Session, phrases, **options):
        answers = ask(made, phrases, **options)
        return [replace(a, hits=tuple(replace(a.hits[0], score=s) for s in (0.9, 0.7, 0.6))) for a in answers]

    monkeypatch.setattr(Session, "hit_masks", halves)
    monkeypatch.setattr(Session, "query", thrice)
    exported(capsys, "--format masks --phrase wall --views 0 3", tmp_path / "out")
    document = json.loads((tmp_path / "out" / "coco.json").read_text())
    check_coco(document)
    assert [(a["image_id"], a["hit"], a["score"]) for a in document["annotations"]] == [
        (1, 1, 0.9),
        (1, 2, 0.7),
        (2, 1, 0.9),
        (2, 2, 0.7),
    ]


def test_pictures_have_the_photos_size_and_lens(tmp_path: Path, capsys, monkeypatch):
    made = session()
    bent = replace(made.views[2].camera.resized(80, 60), distortion=(0.2, 0.05, *NO_DISTORTION[2:]))
    views = [*made.views[:2], replace(made.views[2], camera=bent)]

    def opened(*args, **kwargs) -> Session:
        again = session()
        again.views = tuple(views)
        return again

    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", opened)
    exported(capsys, "--format relevancy --phrase thing --views 2.jpg 0", tmp_path / "out")
    shapes = [np.load(tmp_path / "out" / name).shape for name in in_folder(tmp_path / "out") if name.endswith(".npy")]
    assert shapes == [(60, 80)] * 2 + [(48, 64)] * 2
    found = np.load(tmp_path / "out" / "01-2_relevancy_01-thing.npy")
    np.testing.assert_array_equal(found, opened().ask_view(bent, ["thing"]).relevancy[0])
    assert np.abs(found - opened().ask_view(bent.undistorted(), ["thing"]).relevancy[0]).max() > 0.01


def test_an_object_and_the_scene_without_it_are_the_scene(run: Session, tmp_path: Path, capsys):
    alone = exported(capsys, "--format object --phrase thing nothing", tmp_path / "parts")
    assert in_folder(tmp_path / "parts") == ["01-thing.ply"]
    one = exported(capsys, "--format object --phrase thing", tmp_path / "one.ply")
    assert one == alone | {"files": [str(tmp_path / "one.ply")], "absent": []}
    assert (tmp_path / "one.ply").read_bytes() == (tmp_path / "parts" / "01-thing.ply").read_bytes()
    hidden = exported(capsys, "--format hide --phrase thing", tmp_path / "hidden.ply")
    xyz, rgb = run.surface()
    assert (one["format"], hidden["format"]) == ("object", "hide")
    assert one["count"] + hidden["count"] == len(xyz)
    thing, rest = read_ply(tmp_path / "one.ply").xyz, read_ply(tmp_path / "hidden.ply").xyz
    both = np.concatenate([thing, rest])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(xyz.astype(np.float32), axis=0))
    points = exported(capsys, "--format points", tmp_path / "points.ply")
    assert points["count"] == len(xyz) == len(rgb)
    scene = read_ply(tmp_path / "points.ply").xyz
    rows = [{tuple(row) for row in cloud.tolist()} for cloud in (scene, thing, rest)]
    assert rows[0] == rows[1] | rows[2]  # the scene without the thing is the points minus the thing
    assert not rows[1] & rows[2]
    middle = WORLD_FROM_SCENE.points(THING.double().numpy())
    assert np.linalg.norm(thing.mean(axis=0) - middle) < 0.3
    assert np.linalg.norm(rest - middle, axis=1).min() > 0.3


def test_json_is_what_query_prints_also_of_what_is_not_there(run: Session, tmp_path: Path, capsys):
    out = tmp_path / "new" / "answers.json"
    printed = exported(capsys, "--format json --phrase thing nothing", out)
    assert printed == {"format": "json", "files": [str(out)], "absent": ["nothing"]}
    asked = printed_json(capsys, ["query", "run", "thing", "nothing", "--no-progress"])
    assert json.loads(out.read_text()) == asked
    other = exported(capsys, "--format json --phrase thing --negative wall", out)
    assert other["files"] == [str(out)]
    assert json.loads(out.read_text())["answers"][0] != asked["answers"][0]


def test_a_phrase_given_twice_is_asked_once_and_options_given_twice_add_up(run: Session, tmp_path: Path, capsys):
    exported(capsys, "--format json --phrase thing --phrase wall thing", tmp_path / "a.json")
    answers = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert [answer["phrase"] for answer in answers] == ["thing", "wall"]


@pytest.mark.parametrize("kind", ["masks", "relevancy", "object", "hide"])
def test_nothing_is_written_of_what_is_not_there(run: Session, tmp_path: Path, capsys, kind: str):
    arguments = ["export", "run", "--format", kind, "--phrase", "nothing", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--no-progress"]) == 0
    presence = run.query(["nothing"])[0].presence
    assert capsys.readouterr().err.splitlines() == [
        f"not there: nothing (presence {presence:.2f})",
        "nothing was written: none of the phrases is there",
    ]
    assert printed_json(capsys, [*arguments, "--no-progress"]) == {"format": kind, "files": [], "absent": ["nothing"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--format masks", "--format masks needs a phrase: add --phrase 'wooden spoon'"),
        ("--format json --phrase", "--format json needs a phrase: add --phrase 'wooden spoon'"),
        (
            "--format splat --phrase mug",
            "--format splat is of the whole scene: leave phrases out, or use --format object",
        ),
        (
            "--format points --negative mug",
            "--format points is of the whole scene: leave phrases out, or use --format object",
        ),
        (
            "--format hide --phrase mug --views all",
            "--views belongs to --format masks or relevancy: leave it out for hide",
        ),
        ("--format masks --phrase mug --cube 1", "--cube belongs to --format points: leave it out for masks"),
        (
            "--format masks --phrase mug --views 9",
            "the run has no view '9': use test, train, all, or a photo's name such as 0.jpg",
        ),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(
    run: Session, tmp_path: Path, capsys, options: str, line: str, monkeypatch
):
    monkeypatch.setattr(Session, "query", lambda *args, **kwargs: pytest.fail("asked before options were looked at"))
    assert failure(capsys, ["export", "run", "--out", str(tmp_path / "out"), *options.split()]) == line
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_and_a_folder_no_file(run: Session, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("mine")
    for kind, out, line in (
        ("masks", "file", f"{tmp_path / 'file'}: is a file: give a folder to write to"),
        ("object", "file", f"{tmp_path / 'file'}: is a file: give a folder to write to"),
        ("hide", "", f"{tmp_path}: is a folder: give the file to write, such as scene.ply"),
        ("json", "", f"{tmp_path}: is a folder: give the file to write, such as answers.json"),
    ):
        arguments = ["export", "run", "--format", kind, "--phrase", "thing", "--out", str(tmp_path / out)]
        assert failure(capsys, arguments) == line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_threshold_of_ones_own_writes_what_is_not_there(run: Session, tmp_path: Path, capsys):
    printed = exported(capsys, "--format masks --phrase nothing --min-presence 0", tmp_path / "masks")
    assert printed["absent"] == []
    document = json.loads((tmp_path / "masks" / "coco.json").read_text())
    check_coco(document)
    assert document["annotations"]
    assert exported(capsys, "--format object --phrase nothing --min-presence 0", tmp_path / "one.ply")["count"] > 0
    asked = printed_json(capsys, ["query", "run", "nothing", "--min-presence", "0", "--no-progress"])["answers"][0]
    assert asked["present"]
    assert asked["position"] is not None
    options = ["export", "run", "--format", "splat", "--out", str(tmp_path / "a.ply"), "--min-presence", "0.1"]
    assert "is of the whole scene" in failure(capsys, options)
    out_of_range = ["query", "run", "nothing", "--min-presence", "2"]
    assert failure(capsys, out_of_range).startswith("min_presence must be a number from 0 to 1")


def test_a_mask_of_what_a_photo_does_not_show_is_left_out_unless_the_photo_was_asked_for(
    run: Session, tmp_path: Path, capsys, monkeypatch
):
    (hit,) = run.query(["thing"])[0].hits
    away = replace(run.views[0].camera, world_from_camera=np.diag([1.0, -1, -1, 1]))  # looks at nothing
    blind = replace(run.views[0], camera=away.moved(WORLD_FROM_SCENE))

    def opened(*args, **kwargs) -> Session:
        made = session()
        answers = made.query(["thing"])
        made.query = lambda *args, **kwargs: answers
        made.views = (blind, *made.views[1:])
        return made

    assert blind.name in hit.views
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", opened)
    printed = exported(capsys, "--format masks --phrase thing", tmp_path / "best")
    assert printed["empty"] == [{"view": blind.name, "phrase": "thing"}]
    assert in_folder(tmp_path / "best") == [*(f"0{n + 1}-{n}_mask_01-thing.png" for n in (1, 2, 3)), "coco.json"]
    check_coco(json.loads((tmp_path / "best" / "coco.json").read_text()))
    printed = exported(capsys, f"--format masks --phrase thing --views {blind.name}", tmp_path / "asked")
    assert printed["empty"] == [{"view": blind.name, "phrase": "thing"}]
    with Image.open(tmp_path / "asked" / "01-0_mask_01-thing.png") as picture:
        assert not np.asarray(picture).any()
