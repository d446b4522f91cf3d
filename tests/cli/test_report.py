"""`langfield report` and `langfield compare` from end to end."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tests.cli.conftest import STEPS, Trained, failure, printed_json
from tests.data.scenes import write_ball_scene

import langfield
from langfield.cli.compare import names_of
from langfield.cli.main import main

HOSTILE = "<script>alert('x')</script>"


def parsed(path: Path) -> ElementTree.Element:
    text = path.read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert text.count("<script") == 1
    return ElementTree.fromstring(text.split("\n", 1)[1])


@pytest.fixture(scope="module")
def few(trained: Trained) -> str:
    """Labels of three phrases, so that little is asked."""
    document = json.loads((trained.scene / "queries.json").read_text())
    document["queries"] = [query for query in document["queries"] if query["text"] in ("red ball", "ball", "piano")]
    path = trained.scene / "few.json"
    path.write_text(json.dumps(document))
    return str(path)


def headings(root: ElementTree.Element) -> list[str | None]:
    return [heading.text for heading in root.iter("h2")]


@pytest.fixture(scope="module")
def other(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second run of the scene, with another seed."""
    run = tmp_path_factory.mktemp("other") / "seed 5"
    arguments = [str(run) if word == str(trained.run) else word for word in trained.arguments]
    assert main([*arguments, "--max-steps", "2", "--seed", "5", "--no-progress"]) == 0
    return run


def test_a_report_is_a_page_and_figures(trained: Trained, tmp_path: Path, capsys):
    out = tmp_path / "new" / "page.html"
    result = printed_json(capsys, ["report", str(trained.run), "--out", str(out), "--max-side", "24"])
    assert (result["run"], result["page"], result["bytes"]) == (str(trained.run), str(out), out.stat().st_size)
    assert result["evaluation"] == printed_json(capsys, ["eval", str(trained.run), "--max-side", "24"]) | {
        "seconds": result["evaluation"]["seconds"]
    }
    labelled = [query["text"] for query in json.loads((trained.scene / "queries.json").read_text())["queries"]]
    assert [phrase["phrase"] for phrase in result["phrases"]] == labelled
    for phrase in result["phrases"]:
        assert {"expected", "present", "presence", "right", "position", "hits", "total", "miou"} <= set(phrase)
    root = parsed(out)
    assert headings(root) == ["Phrases", "Presence", "Every phrase", "Test views", "Training", "Make it again"]
    assert len(root.findall(".//section[@id='every-phrase']//table")[-1].findall("tbody/tr")) == len(labelled)
    assert len(root.findall(".//section[@id='test-views']//article")) == 2
    code = ["".join(element.itertext()) for element in root.iter("code")]
    assert f"--max-steps {STEPS} --rays 64 --seed 0" in code[0]
    assert str(trained.scene.parent) not in out.read_text()


def test_a_report_says_that_places_are_guesses(trained: Trained, few: str, tmp_path: Path, capsys):
    run, out = tmp_path / "run", tmp_path / "page.html"
    shutil.copytree(trained.run, run)
    document = json.loads((run / "run.json").read_text())
    document["scene"]["warnings"] = ["all photos were taken from <one place>"]
    (run / "run.json").write_text(json.dumps(document))
    printed_json(capsys, ["report", str(run), "--out", str(out), "--queries", few, "--max-side", "24"])
    assert "all photos were taken from <one place>" in "".join(parsed(out).itertext())


def test_asked_phrases_are_shown_and_escaped(trained: Trained, few: str, tmp_path: Path, capsys):
    out = tmp_path / "page.html"
    arguments = ["report", str(trained.run), "--out", str(out), "--queries", few]
    arguments += ["--max-side", "24", "--phrase", HOSTILE, "red ball"]
    result = printed_json(capsys, arguments)
    (asked,) = (phrase for phrase in result["phrases"] if phrase["phrase"] == HOSTILE)
    assert (asked["expected"], asked["right"], asked["total"]) == (None, None, 0)
    shown = [heading.text for heading in parsed(out).iter("h3")]
    assert sorted(map(str, shown)) == sorted([HOSTILE, "red ball"])


def test_without_labels_and_phrases_the_page_says_what_it_lacks(trained: Trained, tmp_path: Path, capsys):
    write_ball_scene(tmp_path / "moved", n_views=9, width_px=48, height_px=36)
    (tmp_path / "moved" / "queries.json").unlink()
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    for name in ("metrics.json", "events.jsonl"):
        (run / name).unlink()
    assert main(["report", str(run), "--scene", str(tmp_path / "moved"), "--no-progress"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{run / 'report.html'}: 0.")
    root = parsed(run / "report.html")
    assert headings(root) == ["Test views", "Make it again"]
    said = [paragraph.text for paragraph in root.findall("body/header/p")]
    assert said == [
        "No labels say what is where in the scene: answers are shown, but not judged.",
        "No phrase was given: `langfield report RUN --phrase 'wooden spoon'` shows answers.",
    ]


def test_runs_are_set_side_by_side(trained: Trained, other: Path, few: str, tmp_path: Path, capsys):
    out = tmp_path / "compare.html"
    arguments = ["compare", str(trained.run), str(other), "--queries", few, "--max-side", "24"]
    result = printed_json(capsys, [*arguments, "--out", str(out)])
    assert [run["run"] for run in result["runs"]] == [str(trained.run), str(other)]
    assert result["page"] == str(out)
    assert result["differences"]["seed"] == [0, 5]
    assert result["differences"]["steps_done"] == [STEPS, 2]
    assert not any(key.startswith(("scene", "files", "created")) for key in result["differences"])
    first, second = result["runs"]
    assert first["evaluation"]["psnr"] != second["evaluation"]["psnr"]
    assert [p["phrase"] for p in first["phrases"]] == [p["phrase"] for p in second["phrases"]]
    (against,) = result["against_first"]
    judged = sum(phrase["right"] is not None for phrase in first["phrases"])
    assert sum(against["presence"].values()) == judged
    compared = sum(phrase["total"] > 0 for phrase in first["phrases"])
    assert sum(against["hits"].values()) == sum(against["miou"].values()) == compared
    root = parsed(out)
    sections = ["Figures", "Phrase by phrase", "Every phrase", "Test views", "Where their settings differ", "Training"]
    assert headings(root) == sections
    rows = root.findall(".//section[@id='phrase-by-phrase']//article")
    assert rows
    assert all(len(row.findall(".//figure")) == 3 for row in rows)


def test_without_out_there_is_a_table_and_no_page(trained: Trained, other: Path, few: str, capsys):
    arguments = ["compare", str(trained.run), str(other), "--queries", few, "--max-side", "24", "--no-progress"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["figure", trained.run.name, "seed", "5"]
    assert any(re.match(r"PSNR, dB +[0-9.]+ +[0-9.]+$", line.rstrip()) for line in lines)
    assert any(line.startswith(f"phrases against {trained.run.name}") for line in lines)


def test_wrong_input_is_one_line(trained: Trained, other: Path, tmp_path: Path, capsys, encoder: str):
    run = str(trained.run)
    assert failure(capsys, ["report", run, "--out", str(tmp_path / "page.pdf")]) == (
        f"--out must name a file that ends in .html, got {tmp_path / 'page.pdf'}"
    )
    assert failure(capsys, ["report", run, "--phrase", " "]) == "a phrase is empty"
    assert failure(capsys, ["report", str(tmp_path)]) == (
        f"{tmp_path}: has no run.json; a run directory is needed, as `langfield train` makes it"
    )
    assert failure(capsys, ["compare", run]) == "2 to 6 runs can be compared, got 1: langfield compare RUN RUN"
    assert failure(capsys, ["compare", run, str(other), f"{run}/../{trained.run.name}"]) == (
        f"{run} is given twice: give each run once"
    )
    changed = tmp_path / "changed"
    shutil.copytree(trained.run, changed)
    document = json.loads((changed / "run.json").read_text())
    document["scene"] |= {"path": "/kitchen", "fingerprint": "0123456789abcdef"}
    (changed / "run.json").write_text(json.dumps(document))
    line = failure(capsys, ["compare", run, str(changed)])
    ours = json.loads((trained.run / "run.json").read_text())["scene"]
    assert line == (
        f"runs of different scenes cannot be compared: {run} is of {ours['path']} ({ours['fingerprint'][:12]}), "
        f"{changed} of /kitchen (0123456789ab); give runs of one scene, its photos, poses and points unchanged, "
        "and the same ones kept for testing"
    )
    document["scene"] = ours | {"path": str(tmp_path / "gone")}
    (changed / "run.json").write_text(json.dumps(document))
    assert failure(capsys, ["compare", run, str(changed)]) == (
        f"{tmp_path / 'gone'}: is not there any more, and {changed} was trained on it: give --scene"
    )


def test_a_run_of_the_scene_that_knows_it_by_the_older_fingerprint_compares_with_a_new_one(
    trained: Trained, other: Path, few: str, tmp_path: Path, capsys
):
    older = tmp_path / "older"
    shutil.copytree(trained.run, older)
    document = json.loads((older / "run.json").read_text())
    del document["scene"]["fingerprint_version"]
    document["scene"]["fingerprint"] = langfield.open_scene(trained.scene).fingerprint(version=1)
    (older / "run.json").write_text(json.dumps(document))
    options = ["--queries", few, "--max-side", "24"]
    assert len(printed_json(capsys, ["compare", str(other), str(older), *options])["runs"]) == 2
    another = tmp_path / "scene"
    write_ball_scene(another, n_views=9, width_px=48, height_px=36, n_points=299)
    document["scene"]["path"] = str(another)
    (older / "run.json").write_text(json.dumps(document))
    line = failure(capsys, ["compare", str(other), str(older), *options])
    assert line.startswith("runs of different scenes cannot be compared")


def test_runs_are_named_by_as_few_folders_as_tell_them_apart(tmp_path: Path):
    assert names_of([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert names_of([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]
