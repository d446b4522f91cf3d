"""The evaluator, on sessions whose answers are known: one that sees everything, and one that is always wrong."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.answers import hit_at
from tests.data.scenes import BALLS, draw, queries, write_ball_scene

import langfield
from langfield.cli.evaluate import table_rows
from langfield.core.cameras import Camera
from langfield.core.errors import DataError, UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.scene import Scene, open_scene
from langfield.evaluation import askable as askable_module
from langfield.evaluation.askable import AnswerProtocol, AskableSession, SessionWithLevelMaps
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.protocols.names import PROTOCOLS, PROTOCOLS_AT_LEVELS, ProtocolName
from langfield.query.answers import Answer, Hit, ViewAnswers

WIDTH, HEIGHT = 160, 120
IDS = {query["text"]: query["ids"] for query in queries()["queries"]}


@dataclass
class Oracle:
    """Answers as the balls were drawn; or, `wrong`, with everything but the things asked for."""

    wrong: bool = False
    asked: int = 0
    largest: int = 0
    info: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(seed=7))
    trained: tuple[str, ...] = ()
    asked_raw: list[bool] = field(default_factory=list)

    @property
    def views(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, split="train") for name in self.trained]

    def picture(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        rgb, _, depth = draw(camera)
        return rgb, depth.astype(np.float32)

    def ask_view(
        self, camera: Camera, phrases: Sequence[str], *, protocol: AnswerProtocol = "langfield"
    ) -> ViewAnswers:
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
        raw = np.full_like(relevancy, 0.3)  # what is counted is the refined
        return ViewAnswers(tuple(phrases), rgb, depth.astype(np.float32), raw, relevancy, masks, scale, points, score)

    def level_maps(self, camera: Camera, phrases: Sequence[str], *, raw: bool = False) -> torch.Tensor:
        """Two levels: nothing at the first, and the truth at the second. `raw` ones only where that is right."""
        self.asked += 1
        self.asked_raw.append(raw)
        _, ids, _ = draw(camera)
        masks = np.stack([np.isin(ids, IDS[phrase]) != self.wrong for phrase in phrases])
        maps = torch.from_numpy(np.where(masks, 0.9, 0.2).astype(np.float32))
        return torch.stack([torch.full_like(maps, 0.2), maps])

    def query(self, phrases: Sequence[str], *, progress: Progress = silent) -> list[Answer]:
        evidence = [float(bool(IDS[phrase]) != self.wrong) for phrase in phrases]
        pairs = zip(phrases, evidence, strict=True)
        return [Answer(p, e > 0.5, e, e, None, self.hits(p)) for p, e in pairs]

    def hits(self, phrase: str) -> tuple[Hit, ...]:
        """The balls' own boxes; or, `wrong`, one far away."""
        places = [(np.array(BALLS[i].centre), BALLS[i].radius) for i in IDS[phrase] if i >= 0]
        if self.wrong:
            places = [(np.full(3, 9.0), 0.1)]
        return tuple(hit_at((float(x), float(y), float(z)), half=float(r)) for (x, y, z), r in places)


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
    presence = report["presence"]
    assert presence["auroc"] == presence["accuracy"] == presence["balanced_accuracy"] == 1
    assert (presence["present"]["right"], presence["present"]["total"]) == (7, 7)
    assert (presence["absent"]["right"], presence["absent"]["total"]) == (1, 1)
    assert report["miou"] > 0.6
    assert report["ssim"] > 0.999
    assert report["psnr"] is None or report["psnr"] > 35  # None: infinite; rounded poses may tip a pixel at an edge
    assert sum(view["total"] for view in report["per_view"]) == headline
    hits = report["figures"]["hit"]
    assert (hits["micro"], hits["count"], hits["views"], hits["standard_error"]) == (1.0, headline, 3, 0.0)
    assert report["miou"] == report["figures"]["iou"]["micro"]
    assert len([q for q in report["questions"] if q["view"]]) == headline + 3  # and the table in each view


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
    monkeypatch.setattr(askable_module, "MAX_MAPS_BYTES", 2 * 4 * WIDTH * HEIGHT * 4)
    oracle = Oracle()
    whole = evaluate(oracle, scene, queries=scene.root / "queries.json", protocol="lerf").to_json()
    assert oracle.asked == 3 * math.ceil(len(IDS) / 4)
    assert whole["localisation"]["all"]["hits"] == whole["localisation"]["all"]["total"]


def test_without_labels_only_pictures_are_measured(scene: Scene):
    events: list[ProgressEvent] = []
    report = evaluate(Oracle(), scene, progress=events.append).to_json()
    assert report["localisation"] is report["localisation_in_mask"] is report["miou"] is report["presence"] is None
    assert [event.done for event in events] == [0, 1, 2, 3]


@pytest.mark.parametrize("protocol", ["langfield", "lerf"])
def test_answers_are_the_same_without_pictures(scene: Scene, protocol: ProtocolName):
    class Blind(Oracle):
        def picture(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
            raise AssertionError("no picture is compared")

    queries_file = scene.root / "queries.json"
    whole = evaluate(Oracle(), scene, queries=queries_file, protocol=protocol).to_json()
    alone = evaluate(Blind(), scene, queries=queries_file, protocol=protocol, max_side_px=80, pictures=False).to_json()
    assert alone["psnr"] is alone["ssim"] is alone["lpips"] is None
    assert {"psnr", "ssim"}.isdisjoint(alone["figures"])
    for name in ("localisation", "presence"):
        assert alone[name] == whole[name]


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
        info = {"name": Path(view.name).name, "width": WIDTH, "height": HEIGHT}
        document = {"info": info, "objects": objects}
        (tmp_path / f"{Path(view.name).stem}.json").write_text(json.dumps(document))
    polygons = evaluate(Oracle(), scene, queries=tmp_path).to_json()
    instances = evaluate(Oracle(), scene, queries=scene.root / "queries.json").to_json()
    assert polygons["localisation"]["object"] == instances["localisation"]["object"]
    assert polygons["presence"]["auroc"] is None  # LERF-OVS asks for nothing that is absent


def boxed_labels(scene: Scene, folder: Path, indices: Sequence[int]) -> Path:
    """LERF-OVS labels of the balls: their bounding boxes as polygons, in some of the scene's views."""
    folder.mkdir(parents=True)
    for index in indices:
        view = scene.views[index]
        _, ids, _ = draw(view.camera)
        objects = []
        for number, ball in enumerate(BALLS):
            rows, columns = np.nonzero(ids == number)
            if len(rows):
                x0, y0, x1, y1 = (int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max()))
                corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
                objects.append({"category": ball.name, "segmentation": corners, "bbox": [x0, y0, x1, y1]})
        name = Path(view.name).name
        document = {"info": {"name": name, "width": WIDTH, "height": HEIGHT}, "objects": objects}
        (folder / f"{Path(name).stem}.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("protocol", PROTOCOLS_AT_LEVELS)
def test_protocols_that_choose_a_level_say_which_maps_competed(scene: Scene, protocol: ProtocolName):
    labels = scene.root / "queries.json"
    for asked, named in ((None, "refined"), ("refined", "refined"), ("raw", "raw")):
        oracle = Oracle()
        report = evaluate(oracle, scene, queries=labels, protocol=protocol, maps=asked).to_json()
        assert report["maps"] == named
        assert set(oracle.asked_raw) == {named == "raw"}
        assert dict(table_rows(report))["relevancy maps"].startswith(f"{named}: ")


def test_raw_maps_of_all_levels_compete(scene: Scene):
    """Refined there is one map, of another place than the raw map that is highest."""

    class Levels(Oracle):
        def level_maps(self, camera: Camera, phrases: Sequence[str], *, raw: bool = False) -> torch.Tensor:
            _, truth = super().level_maps(camera, phrases)
            return torch.stack([truth * 0.5, truth, truth * 0.7]) if raw else 1 - truth[None]

    labels = scene.root / "queries.json"
    raw = evaluate(Levels(), scene, queries=labels, protocol="lerf-ovs", maps="raw").to_json()
    refined = evaluate(Levels(), scene, queries=labels, protocol="lerf-ovs").to_json()
    assert {question["level"] for question in raw["questions"]} == {1}
    assert {question["level"] for question in refined["questions"]} == {0}
    assert raw["miou"] > 0.6
    assert refined["miou"] < 0.1


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("typo", "unknown protocol 'typo'; known are langfield, lerf, lerf-ovs, lerf-ovs-held-out, lerf-mask, "),
        ("lerf_ovs", "unknown protocol 'lerf_ovs'; did you mean 'lerf-ovs'? known are langfield, lerf, "),
        (None, "unknown protocol None; known are langfield, "),
        (["3d"], "unknown protocol ['3d']; known are langfield, "),
    ],
)
def test_a_protocol_that_is_not_known_is_refused_at_once(protocol, said: str, tmp_path: Path, scene: Scene):
    for measure in (
        lambda: evaluate(Oracle(), scene, protocol=protocol),
        lambda: langfield.evaluate(tmp_path / "no run", protocol=protocol),
    ):
        with pytest.raises(UsageError) as error:
            measure()
        assert str(error.value).startswith(said)


@pytest.mark.usefixtures("types_unchecked")
def test_maps_are_asked_for_only_where_they_compete(scene: Scene):
    labels = scene.root / "queries.json"
    with pytest.raises(UsageError, match="by the protocol langfield no maps compete: leave raw out, or ask by lerf"):
        evaluate(Oracle(), scene, queries=labels, maps="raw")
    with pytest.raises(UsageError, match="unknown kind of maps 'rough'; known are refined, raw"):
        evaluate(Oracle(), scene, queries=labels, protocol="lerf-ovs", maps="rough")


def test_an_oracle_is_what_is_asked():
    assert isinstance(Oracle(), AskableSession)
    assert isinstance(Oracle(), SessionWithLevelMaps)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_every_protocol_is_json_with_the_contracts_keys(scene: Scene, protocol: ProtocolName):
    report = evaluate(Oracle(), scene, queries=scene.root / "queries.json", protocol=protocol).to_json()
    json.dumps(report, allow_nan=False)
    assert (report["protocol"], report["seed"]) == (protocol, 7)
    contract = {"views", "psnr", "ssim", "lpips", "localisation", "miou", "presence", "seconds"}
    assert contract <= set(report)
    assert report["figures"]
    for figure in report["figures"].values():
        assert {"micro", "standard_error", "count"} <= set(figure)
    assert all({"view", "phrase", "kind"} <= set(question) for question in report["questions"])


def test_people_read_what_was_measured(scene: Scene, tmp_path: Path):
    def rows(protocol: ProtocolName, **oracle) -> dict[str, str]:
        queries_file = scene.root / "queries.json"
        return dict(table_rows(evaluate(Oracle(**oracle), scene, queries=queries_file, protocol=protocol).to_json()))

    ovs = rows("lerf-ovs", trained=(scene.views[0].name,))
    assert (ovs["labelled views"], ovs["of them trained on"]) == ("3", "1")
    assert ovs["localisation, headline"].endswith("= 1.000")
    assert rows("lerf-ovs-held-out", trained=(scene.views[0].name,))["left out, trained on"] == "1"
    assert ovs["labels"] == f"queries.json: {scene.root / 'queries.json'}"
    assert set(rows("lerf-mask")) >= {"labelled views", "mIoU", "mean boundary IoU", "phrases asked at"}
    assert set(rows("3d-ovs")) >= {"labelled views", "mIoU", "phrases asked at"}
    places = rows("3d")
    assert places["position error"] == "0 ± 0 over 7"
    assert places["F1 of hits"] == "1.000 ± 0.000 over 7"
    told = rows("presence")
    assert told["presence, present phrases right at 0.5"] == "7/7 = 1.000"
    assert told["presence, AUROC"] == "1.000"  # no error: one absent phrase is too few
    assert "PSNR, dB" not in told
    assert {"PSNR, dB", "mIoU", "presence, AUROC"} - set(rows("langfield")) <= {"PSNR, dB"}


def test_lerf_ovs_counts_pairs_of_photo_and_label(scene: Scene, tmp_path: Path):
    folder = boxed_labels(scene, tmp_path / "labels", [0, 1, 8])
    pairs = sum((draw(scene.views[i].camera)[1] == ball).any() for i in (0, 1, 8) for ball in range(3))
    trained = (scene.views[1].name,)
    report = evaluate(Oracle(trained=trained), scene, queries=folder, protocol="lerf-ovs").to_json()
    assert report["views"] == 3
    assert report["trained_on"] == list(trained)
    assert report["localisation"]["object"] == {"hits": pairs, "total": pairs}
    assert report["figures"]["iou"]["count"] == pairs
    assert 0.4 < report["miou"] < 1  # discs in their boxes
    assert {question["level"] for question in report["questions"]} == {1}
    assert report["psnr"] is report["presence"] is report["localisation_in_mask"] is None
    per_label = [question["iou"] for question in report["questions"]]
    assert report["miou"] == pytest.approx(sum(per_label) / len(per_label))

    held = evaluate(Oracle(trained=trained), scene, queries=folder, protocol="lerf-ovs-held-out").to_json()
    assert held["left_out"] == list(trained)
    assert [view["view"] for view in held["per_view"]] == [scene.views[0].name, scene.views[8].name]
    wrong = evaluate(Oracle(wrong=True), scene, queries=folder, protocol="lerf-ovs").to_json()
    assert wrong["localisation"]["all"]["hits"] < pairs
    assert wrong["miou"] < report["miou"]


def test_a_label_that_was_trained_on_and_none_left_is_an_error(scene: Scene, tmp_path: Path):
    folder = boxed_labels(scene, tmp_path / "labels", [1])
    with pytest.raises(DataError, match="none is held out"):
        evaluate(Oracle(trained=(scene.views[1].name,)), scene, queries=folder, protocol="lerf-ovs-held-out")


def test_levels_are_asked_in_parts_when_their_maps_are_too_large(scene: Scene, monkeypatch):
    monkeypatch.setattr(askable_module, "MAX_MAPS_BYTES", 8 * 4 * WIDTH * HEIGHT * 3)
    oracle, queries_file = Oracle(), scene.root / "queries.json"
    parts = evaluate(oracle, scene, queries=queries_file, protocol="lerf-ovs").to_json()
    assert oracle.asked > 3
    monkeypatch.undo()
    whole = evaluate(Oracle(), scene, queries=queries_file, protocol="lerf-ovs").to_json()
    assert parts["figures"] == whole["figures"]


def test_lerf_mask_is_the_mean_over_views_of_means_over_labels(scene: Scene, tmp_path: Path):
    folder = boxed_labels(scene, tmp_path / "labels", scene.test)
    report = evaluate(Oracle(), scene, queries=folder, protocol="lerf-mask").to_json()
    views: dict[str, list[dict]] = {}
    for question in report["questions"]:
        views.setdefault(question["view"], []).append(question)
    for key, total in (("iou", "miou"), ("boundary_iou", "boundary_miou")):
        means = [np.mean([question[key] for question in asked]) for asked in views.values()]
        assert report[total] == pytest.approx(np.mean(means))
        assert 0 < report[total] < 1
    assert report["mask_rule"] == "answer"
    assert report["localisation"] is None


def test_positions_of_the_balls_themselves_are_perfect(scene: Scene):
    report = evaluate(Oracle(), scene, queries=scene.root / "queries.json", protocol="3d").to_json()
    figures = report["figures"]
    assert figures["position_error"]["micro"] == 0
    for name in ("answered", "in_object", "in_radius", "acc_25", "acc_50", "count_right", "f1"):
        assert (figures[name]["micro"], figures[name]["standard_error"]) == (1.0, 0.0)
    assert figures["iou_3d"]["micro"] == pytest.approx(1.0)
    assert figures["f1"]["count"] == 7  # three balls, three colours, "ball"; neither table nor piano
    assert report["by_number"]["several"]["f1"]["count"] == 1
    assert {question["phrase"]: question["things"] for question in report["questions"]}["ball"] == 3
    wrong = evaluate(Oracle(wrong=True), scene, queries=scene.root / "queries.json", protocol="3d").to_json()
    assert wrong["figures"]["in_radius"]["micro"] == wrong["figures"]["f1"]["micro"] == 0
    assert wrong["figures"]["position_error"]["micro"] > 9


def test_presence_alone_renders_nothing(scene: Scene):
    oracle = Oracle()
    report = evaluate(oracle, scene, queries=scene.root / "queries.json", protocol="presence").to_json()
    assert oracle.asked == report["views"] == 0
    assert report["presence"]["auroc"] == report["presence"]["accuracy"] == 1
    assert report["presence"]["calibration_error"] == 0
    assert sum(entry["count"] for entry in report["presence"]["reliability"]) == 8
    assert report["presence_all_kinds"]["auroc"] == 1


@pytest.mark.parametrize("protocol", sorted(set(PROTOCOLS) - {"langfield", "lerf"}))
def test_protocols_of_labels_need_labels(scene: Scene, protocol: ProtocolName):
    with pytest.raises(UsageError, match=f"the protocol {protocol} needs labels: give --queries"):
        evaluate(Oracle(), scene, protocol=protocol)


def test_polygons_know_no_places(scene: Scene, tmp_path: Path):
    folder = boxed_labels(scene, tmp_path / "labels", [0])
    with pytest.raises(DataError) as error:
        evaluate(Oracle(), scene, queries=folder, protocol="3d")
    expected = "says nothing of places: the protocol 3d needs a queries.json with instances"
    assert str(error.value) == f"{folder}: {expected}"
