"""The evaluator, on sessions whose answers are known: one that sees everything, and one that is always wrong."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.data.scenes import BALLS, draw, queries, write_ball_scene

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.scene import Scene, open_scene
from langfield.evaluation import evaluator
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.protocols import ProtocolName, Tally, presence_figures
from langfield.query.answers import Answer, ViewAnswers

WIDTH, HEIGHT = 160, 120
IDS = {query["text"]: query["ids"] for query in queries()["queries"]}


@dataclass
class Oracle:
    """Answers as the balls were drawn; or, `wrong`, with everything but the things asked for."""

    wrong: bool = False
    asked: int = 0
    largest: int = 0
    info: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(seed=7))

    def picture(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        rgb, _, depth = draw(camera)
        return rgb, depth.astype(np.float32)

    def ask_view(self, camera: Camera, phrases: Sequence[str], *, protocol: ProtocolName = "langfield") -> ViewAnswers:
        self.asked += 1
        self.largest = max(self.largest, camera.width_px)
        rgb, ids, depth = draw(camera)
        masks = np.stack([np.isin(ids, IDS[phrase]) != self.wrong for phrase in phrases])
        relevancy = np.where(masks, 0.9, 0.2).astype(np.float32)
        points = np.zeros((len(phrases), 2))
        for index, mask in enumerate(masks):
            there = np.argwhere(mask)
            if len(there):
                points[index] = there[len(there) // 2][::-1] + 0.5
        shape = (len(phrases), camera.height_px, camera.width_px)
        scale = np.full(shape, 0.1, np.float32)
        score = relevancy.reshape(len(phrases), -1).max(axis=1).astype(np.float64)
        return ViewAnswers(tuple(phrases), rgb, depth.astype(np.float32), relevancy, scale, points, score)

    def query(self, phrases: Sequence[str], *, progress: Progress = silent) -> list[Answer]:
        evidence = [float(bool(IDS[phrase]) != self.wrong) for phrase in phrases]
        return [Answer(p, e > 0.5, e, e, None, ()) for p, e in zip(phrases, evidence, strict=True)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("balls")
    write_ball_scene(folder, n_views=17, width_px=WIDTH, height_px=HEIGHT, suffix=".png")
    return open_scene(folder)


def visible(scene: Scene, kinds: Sequence[str]) -> int:
    """Pairs of view and phrase in which 120 pixels show, counted from the drawing."""
    pairs = 0
    for index in scene.test:
        _, ids, _ = draw(scene.views[index].camera)
        pairs += sum(q["kind"] in kinds and np.isin(ids, q["ids"]).sum() >= 120 for q in queries()["queries"])
    return pairs


@pytest.mark.parametrize("protocol", ["langfield", "lerf"])
def test_who_sees_everything_hits_everything(scene: Scene, protocol: ProtocolName):
    report = evaluate(Oracle(), scene, queries=scene.root / "queries.json", protocol=protocol).to_json()
    json.dumps(report, allow_nan=False)
    assert (report["protocol"], report["views"], report["seed"]) == (protocol, 3, 7)
    headline = visible(scene, ["object", "attribute", "synonym"])
    assert headline > 12
    everything = {"hits": headline, "total": headline}
    table = {"hits": 3, "total": 3}
    assert report["localisation"]["headline"] == report["localisation"]["all"] == everything
    assert report["localisation"]["background"] == table
    assert report["localisation_in_mask"]["all"] == everything
    assert report["localisation"]["object"]["total"] == visible(scene, ["object"])
    assert report["presence"] == {
        "auroc": 1.0, "accuracy": 1.0, "present": {"right": 7, "total": 7}, "absent": {"right": 1, "total": 1}
    }  # fmt: skip
    assert report["miou"] > 0.6
    assert report["ssim"] > 0.999
    assert report["psnr"] is None or report["psnr"] > 35  # None: infinite; rounded poses may tip a pixel at an edge
    assert sum(view["total"] for view in report["per_view"]) == headline


def test_who_is_always_wrong_hits_nothing(scene: Scene):
    report = evaluate(Oracle(wrong=True), scene, queries=scene.root / "queries.json").to_json()
    assert report["localisation_in_mask"]["all"]["hits"] == 0
    assert report["presence"]["auroc"] == report["presence"]["accuracy"] == 0
    assert report["miou"] < 0.01


def test_answers_on_a_smaller_raster_are_counted_on_the_labels(scene: Scene):
    oracle = Oracle()
    report = evaluate(oracle, scene, queries=scene.root / "queries.json", max_side_px=80).to_json()
    assert oracle.largest == 80
    assert report["language_side_px"] == 80
    assert report["localisation"]["all"]["hits"] == report["localisation"]["all"]["total"]


def test_questions_are_split_when_their_maps_are_too_large(scene: Scene, monkeypatch):
    monkeypatch.setattr(evaluator, "_MAPS_BYTES", 2 * 4 * WIDTH * HEIGHT * 4)
    oracle = Oracle()
    whole = evaluate(oracle, scene, queries=scene.root / "queries.json", protocol="lerf").to_json()
    assert oracle.asked == 3 * math.ceil(len(IDS) / 4)
    assert whole["localisation"]["all"]["hits"] == whole["localisation"]["all"]["total"]


def test_without_labels_only_pictures_are_measured(scene: Scene):
    events: list[ProgressEvent] = []
    report = evaluate(Oracle(), scene, progress=events.append).to_json()
    assert report["localisation"] is report["localisation_in_mask"] is report["miou"] is report["presence"] is None
    assert [event.done for event in events] == [0, 1, 2, 3]


def test_pictures_are_compared_where_masks_allow(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=9, width_px=64, height_px=48, suffix=".png", masks=True)
    scene = open_scene(tmp_path)

    class HalfBlind(Oracle):
        def picture(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
            rgb, depth = super().picture(camera)
            rgb = rgb.astype(np.int64)
            rgb[:, :16] = 255  # what the masks forbid
            rgb[:, 16:] += np.where(rgb[:, 16:] < 128, 10, -10)
            return rgb.astype(np.uint8), depth

    report = evaluate(HalfBlind(), scene).to_json()
    assert report["psnr"] == pytest.approx(-20 * math.log10(10 / 255), abs=1e-3)


def test_a_scene_without_test_views_cannot_be_measured(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=4)
    document = json.loads((tmp_path / "transforms.json").read_text())
    document["test_filenames"] = document["val_filenames"] = []
    document["train_filenames"] = [frame["file_path"] for frame in document["frames"]]
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as error:
        evaluate(Oracle(), open_scene(tmp_path))
    expected = "has no test views, so nothing can be measured: name some in test_filenames, or drop the split lists"
    assert str(error.value) == f"{tmp_path}: {expected}"


def test_lerf_ovs_labels_give_the_same_as_instances(scene: Scene, tmp_path: Path):
    for index in scene.test:
        view = scene.views[index]
        _, ids, _ = draw(view.camera)
        objects = []
        for number, ball in enumerate(BALLS):
            rows, columns = np.nonzero(ids == number)
            if len(rows) < 120:
                continue
            corners = [[int(columns[rows == r].min()), int(r)] for r in np.unique(rows)]
            corners += [[int(columns[rows == r].max()), int(r)] for r in np.unique(rows)[::-1]]
            box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())]
            objects.append({"category": ball.name, "segmentation": corners, "bbox": box})
        info = {"name": view.name, "width": WIDTH, "height": HEIGHT}
        document = {"info": info, "objects": objects}
        (tmp_path / f"{Path(view.name).stem}.json").write_text(json.dumps(document))
    polygons = evaluate(Oracle(), scene, queries=tmp_path).to_json()
    instances = evaluate(Oracle(), scene, queries=scene.root / "queries.json").to_json()
    assert polygons["localisation"]["object"] == instances["localisation"]["object"]
    assert polygons["presence"]["auroc"] is None  # LERF-OVS asks for nothing that is absent


def test_tallies_leave_the_background_out_of_all():
    tally = Tally()
    for kind, hit in (("object", True), ("object", False), ("background", True), ("abstract", True)):
        tally.add(kind, hit)
    assert tally.to_json() == {
        "abstract": {"hits": 1, "total": 1},
        "background": {"hits": 1, "total": 1},
        "object": {"hits": 1, "total": 2},
        "all": {"hits": 2, "total": 3},
        "headline": {"hits": 1, "total": 2},
    }


def test_presence_is_decided_at_one_half():
    figures = presence_figures([0.9, 0.5], [0.5, 0.6])
    assert figures["present"] == {"right": 1, "total": 2}
    assert figures["absent"] == {"right": 1, "total": 2}
    assert figures["accuracy"] == 0.5
    assert figures["auroc"] == (1 + 1 + 0.5 + 0) / 4
    assert presence_figures([], []) == {
        "auroc": None, "accuracy": None, "present": {"right": 0, "total": 0}, "absent": {"right": 0, "total": 0}
    }  # fmt: skip
