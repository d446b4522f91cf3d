"""`langfield reproduce` from end to end, on the ball scene in the folders of the literature's scenes."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from tests.cli.conftest import STEPS, failure, printed_json
from tests.data.literature_scenes import (
    write_3d_ovs_scene,
    write_lerf_mask_scene,
    write_lerf_ovs_scene,
    write_lerf_scene,
)

from langfield.cli.console import Console
from langfield.cli.main import main
from langfield.cli.reproduce import (
    CataloguePhrase,
    chosen_phrases,
    compare_with_published,
    measured_figures,
    percent,
    plan_protocols,
)
from langfield.core.errors import DataError
from langfield.core.progress import silent
from langfield.data.literature.catalogue import catalogue
from langfield.data.scene import open_scene
from langfield.models.presets import PRESETS


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setitem(PRESETS, "nano", replace(PRESETS["nano"], steps=STEPS, rays=64))


def command(scene: str, data: Path, out: Path, encoder: str, *more: str) -> list[str]:
    return [
        "reproduce", scene, "--data", str(data), "--out", str(out), "--encoder", encoder, "--preset", "nano",
        "--device", "cpu", "--no-progress", *more,
    ]  # fmt: skip


def test_a_capture_without_labels_is_asked_and_drawn(tmp_path: Path, encoder: str, capsys):
    write_lerf_scene(tmp_path / "figurines")
    out = tmp_path / "out"
    arguments = command("figurines", tmp_path, out, encoder, "--phrases", "failures")  # the folder above will do
    result = printed_json(capsys, arguments)
    assert (result["scene"], result["data"]) == ("lerf/figurines", str(tmp_path / "figurines"))
    asked = [(answer["phrase"], answer["group"]) for answer in result["answers"]]
    assert asked == [("leaf", "failures"), ("table", "failures")]
    assert all({"present", "presence", "position", "box", "hits"} <= set(answer) for answer in result["answers"])
    assert set(result["measured"]) == {"langfield"}
    assert result["measured"]["langfield"]["localisation"] is None  # pictures only
    assert result["measured"]["langfield"]["psnr"] > 3
    (published,) = result["published"]
    assert (published["method"], published["percent"], published["measured_percent"]) == ("LERF", 79.5, None)
    assert "does not compare" in published["note"]
    assert set(result["protocols"]) == {"langfield", "lerf"}
    sheet, numbers = (Path(file) for file in result["files"])
    assert json.loads(numbers.read_text()) == {key: value for key, value in result.items() if key != "files"}
    with Image.open(sheet) as picture:
        assert picture.height > 2 * 270  # two rows of three pictures, 360 by 270 each
        assert len(picture.getcolors(maxcolors=10**6) or []) > 200
    assert (out / "run" / "run.json").is_file()


def test_a_labelled_scene_is_measured_and_set_beside_the_papers(tmp_path: Path, encoder: str, capsys, monkeypatch):
    folder = write_lerf_ovs_scene(tmp_path / "lerf_ovs", "teatime")
    out = tmp_path / "out"
    result = printed_json(capsys, command("lerf-ovs/teatime", folder, out, encoder))
    assert [answer["phrase"] for answer in result["answers"]] == ["stuffed bear"]
    assert list(result["measured"]) == ["langfield", "lerf", "lerf-ovs", "lerf-ovs-held-out"]
    labelled = {name: report["localisation"]["all"]["total"] for name, report in result["measured"].items()}
    assert (
        labelled["langfield"] == labelled["lerf"] == labelled["lerf-ovs-held-out"] <= 6
    )  # balls in the labelled test photos 1 and 9, not in 5
    assert 2 <= labelled["lerf"] < labelled["lerf-ovs"] <= 9
    assert [report["views"] for report in result["measured"].values()] == [2, 2, 3, 2]
    assert all(report["protocol"] == protocol for protocol, report in result["measured"].items())
    assert len(result["published"]) == 8
    for figure in result["published"]:  # all are by the protocol lerf-ovs
        raw, refined = result["measured_raw"]["lerf-ovs"], result["measured"]["lerf-ovs"]
        assert (raw["maps"], refined["maps"]) == ("raw", "refined")
        assert figure["measured_percent"] == percent(raw, figure["metric"])
        assert figure["refined_percent"] == percent(refined, figure["metric"])
        assert figure["note"] == "the same protocol; 1 of 3 labelled photos were trained on"
    assert set(result["protocols"]) == set(result["measured"])
    assert list(result["measured_raw"]) == ["lerf-ovs", "lerf-ovs-held-out"]
    model = (out / "run" / "model.safetensors").read_bytes()
    kept = {None: result["measured"], "raw": result["measured_raw"]}
    monkeypatch.setattr(
        "langfield.evaluate",
        lambda run, protocol, maps, **options: SimpleNamespace(to_json=lambda: kept[maps][protocol]),
    )
    assert main(command("lerf-ovs/teatime", folder, out, encoder)) == 0  # the run is there: nothing is trained again
    assert (out / "run" / "model.safetensors").read_bytes() == model
    said = capsys.readouterr()
    lines = said.out.splitlines()
    table = [line.split("  ")[0] for line in lines]
    same = [line for line in lines if "the same protocol" in line]
    assert len(same) == 2  # mIoU and localisation
    assert all(line.startswith("here  ") and " lerf-ovs " in line for line in same)
    assert len([line for line in lines if line.startswith("here, refined maps")]) == 4
    assert "stuffed bear" in table
    assert "LangSplatV2" in table
    assert "here" in table
    assert "protocol lerf-ovs: LangSplat's evaluation" in said.err


def test_labels_are_asked_as_far_as_they_go(tmp_path: Path, monkeypatch):
    """Photos 1 and 9 of nine are for testing, the others are trained on."""
    folder, scene = write_lerf_ovs_scene(tmp_path, "ramen", labelled=(5, 9)), catalogue().find("lerf-ovs/ramen")
    photos, said = open_scene(folder), []
    console = Console(silent, said.append, quiet=True)
    labels = tmp_path / "label" / "ramen"
    every = dict.fromkeys(("langfield", "lerf", "lerf-ovs", "lerf-ovs-held-out"), labels)
    assert plan_protocols(scene, folder, photos, console) == every
    no_test = replace(photos, test=())
    assert not said
    assert set(plan_protocols(scene, folder, no_test, console)) == {"lerf-ovs", "lerf-ovs-held-out"}
    assert said.pop() == "the scene names no test photos, so nothing is measured in any"

    (labels / "frame_00009.json").unlink()
    assert plan_protocols(scene, folder, photos, console) == {"langfield": None, "lerf-ovs": labels}
    assert said == [f"none of the photos labelled in {labels} is a test photo: of those only pictures are measured"]
    (labels / "frame_00005.json").write_text("{")
    with pytest.raises(DataError, match=r"frame_00005\.json: is no valid JSON"):
        plan_protocols(scene, folder, photos, console)

    asked = []

    def evaluate(run: Path, **options):
        asked.append((options["protocol"], options["queries"]))
        return SimpleNamespace(to_json=lambda: {"protocol": options["protocol"]})

    monkeypatch.setattr("langfield.evaluate", evaluate)
    measured = measured_figures({"langfield": None, "lerf-ovs": labels}, folder, tmp_path / "run", "cpu", console)
    assert asked == [("langfield", None), ("lerf-ovs", labels)]
    assert measured == {protocol: {"protocol": protocol} for protocol, _ in asked}


@pytest.mark.parametrize(
    ("name", "write", "measured", "views"),
    [
        ("lerf-mask/ramen", write_lerf_mask_scene, ["langfield", "lerf", "lerf-mask"], [3, 3, 2]),
        (
            "3d-ovs/bed",
            lambda folder: write_3d_ovs_scene(folder, "red ball\ngreen ball\nblue ball\n", {"00": 0, "05": 5}),
            ["langfield", "lerf", "3d-ovs", "3d-ovs-held-out"],
            [2, 2, 2, 1],
        ),
    ],
)
def test_scenes_labelled_by_masks_are_measured_by_their_papers_protocols(
    tmp_path: Path, encoder: str, capsys, name: str, write, measured: list[str], views: list[int]
):
    write(tmp_path / "scene")
    result = printed_json(capsys, command(name, tmp_path / "scene", tmp_path / "out", encoder))
    assert list(result["measured"]) == measured
    for protocol, report in result["measured"].items():
        assert (report["protocol"], report["labels"] is not None) == (protocol, True)
        assert (report["miou"] is not None) == (report["figures"]["iou"]["count"] > 0) is True
    assert [report["views"] for report in result["measured"].values()] == views
    assert {figure["protocol"] for figure in result["published"]} == {measured[2]}
    for figure in result["published"]:
        by_maps = result["measured_raw" if measured[2] in result["measured_raw"] else "measured"]
        assert figure["measured_percent"] == percent(by_maps[measured[2]], figure["metric"])
        assert figure["measured_percent"] is not None


def test_labels_that_cannot_be_read_end_it_before_the_training(tmp_path: Path, encoder: str, capsys):
    folder = write_lerf_ovs_scene(tmp_path / "lerf_ovs", "ramen")
    labels = tmp_path / "lerf_ovs" / "label" / "ramen" / "frame_00001.json"
    labels.write_text("[]")
    line = failure(capsys, command("lerf-ovs/ramen", folder, tmp_path / "out", encoder))
    assert line == f"{labels}: must hold one JSON object {{…}}, found a list of 0"
    assert not (tmp_path / "out").exists()


def test_phrases_are_chosen_by_group_and_asked_once(tmp_path: Path):
    figurines, bed = catalogue().find("figurines"), catalogue().find("bed")
    assert chosen_phrases(figurines, tmp_path, "failures") == [
        CataloguePhrase("leaf", "failures"),
        CataloguePhrase("table", "failures"),
    ]
    both = replace(figurines, phrases={"paper": ("a", "b"), "failures": (), "free": ("b", "c")})
    assert chosen_phrases(both, tmp_path, "all") == [
        CataloguePhrase("a", "paper"),
        CataloguePhrase("b", "paper"),
        CataloguePhrase("c", "free"),
    ]
    write_3d_ovs_scene(tmp_path / "bed", "red bag\nwhite wall\n")
    assert [asked.phrase for asked in chosen_phrases(bed, tmp_path / "bed", "paper")] == ["red bag", "white wall"]


def test_what_cannot_be_reproduced_is_said_before_anything_is_made(tmp_path: Path, encoder: str, capsys):
    out = tmp_path / "out"
    write_lerf_scene(tmp_path / "ramen")
    assert failure(capsys, command("ramen", tmp_path / "ramen", out, encoder, "--phrases", "free")) == (
        "no free phrases are known for lerf/ramen: choose --phrases paper"
    )
    assert failure(capsys, command("donuts", tmp_path / "ramen", out, encoder)) == (
        "no paper phrases are known for lerf/donuts: use langfield train and langfield query"
    )
    line = failure(capsys, command("lerf-ovs/ramen", tmp_path / "ramen", out, encoder))
    assert line.startswith(
        f"{tmp_path / 'ramen'}: is not lerf-ovs/ramen: COLMAP cameras: no sparse/0/cameras.bin or "
        "sparse/0/cameras.txt; COLMAP poses: "
    )
    assert "to obtain it see https://" in line
    assert not out.exists()


def test_figures_are_read_from_reports_in_percent():
    report = {"localisation": {"all": {"hits": 3, "total": 8}}, "miou": 0.25}
    assert percent(report, "localisation") == 37.5
    assert percent(report, "miou") == 25.0
    assert percent(report, "boundary_iou") is None
    assert percent(report | {"boundary_miou": 0.125}, "boundary_iou") == 12.5
    assert percent({"localisation": None, "miou": None}, "localisation") is None
    assert percent({"localisation": {"all": {"hits": 0, "total": 0}}}, "localisation") is None


def test_only_a_figure_of_the_same_protocol_is_set_beside_a_published_one():
    figure = {"method": "M", "metric": "miou", "protocol": "lerf-ovs", "percent": 50.0, "source": ""}
    measured = {"lerf": {"miou": 0.25}, "lerf-ovs": {"miou": 0.75}}
    raw = {"lerf-ovs": {"miou": 0.5}}
    assert compare_with_published(figure, measured, raw) == {
        "measured_percent": 50.0,
        "refined_percent": 75.0,
        "note": "the same protocol",
    }
    without = compare_with_published(figure, measured, {})
    assert (without["measured_percent"], without["refined_percent"]) == (None, 75.0)
    assert "does not compare" in without["note"]
    assert compare_with_published(figure | {"protocol": "lerf-mask"}, measured, raw)["measured_percent"] is None
    assert compare_with_published(figure | {"metric": "localisation"}, measured, raw)["measured_percent"] is None
    answered = compare_with_published(figure | {"protocol": "lerf-mask"}, {"lerf-mask": {"miou": 0.1}}, {})
    assert (answered["measured_percent"], answered["note"]) == (10.0, "the same protocol")
    trained_on = {"lerf-ovs": {"miou": 0.5, "views": 4, "trained_on": ["a", "b", "c"]}}
    assert (
        compare_with_published(figure, {}, trained_on)["note"]
        == "the same protocol; 3 of 4 labelled photos were trained on"
    )
