"""`langfield export --format html`: one file, what it says of it, and wrong options in a line."""

from pathlib import Path

import pytest
from tests.cli.conftest import failure, printed_json
from tests.export.page_reader import read_page
from tests.query.fake_session import session
from tests.viewer.worlds import splat_session, wall_session

from langfield.cli.main import main
from langfield.query.session import Session


@pytest.fixture
def run(monkeypatch) -> None:
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: splat_session())


def test_a_page_of_phrases_there_and_not(run, tmp_path: Path, capsys):
    out = tmp_path / "new" / "page.html"
    arguments = ["export", "runs/kitchen", "--format", "html", "--phrase", "thing", "nothing", "--phrase", "thing"]
    arguments += ["--gaussians", "500", "--out", str(out), "--no-progress"]
    printed = printed_json(capsys, arguments)
    assert printed == {
        "format": "html",
        "files": [str(out)],
        "count": 500,
        "bytes": out.stat().st_size,
        "phrases": ["thing", "nothing"],
        "absent": ["nothing"],
    }
    page = read_page(out)
    assert page.contents["name"] == "kitchen"
    assert [answer["present"] for answer in page.contents["answers"]] == [True, False]
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    assert main(arguments) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("not there: nothing (presence ")
    assert said[1].startswith(f"{out}: 500 Gaussians of 1,600, 0.")


def test_negatives_and_the_threshold_are_those_of_a_query(run, tmp_path: Path, capsys):
    plain, other = tmp_path / "plain.html", tmp_path / "other.html"
    for out, options in ((plain, []), (other, ["--negative", "wall", "--min-presence", "0"])):
        arguments = ["export", "run", "--format", "html", "--phrase", "nothing", "--out", str(out), *options]
        printed_json(capsys, [*arguments, "--no-progress"])
    asked = splat_session().query(["nothing"], negatives=["wall"], min_presence=0)[0]
    found = read_page(other).contents["answers"][0]
    assert found["presence"] == pytest.approx(asked.presence, abs=1e-4)
    assert len(found["hits"]) == len(asked.hits) > 0
    assert read_page(plain).contents["answers"][0]["hits"] == []


def test_without_phrases_it_says_what_it_takes(run, tmp_path: Path, capsys, monkeypatch):
    arguments = ["export", "run", "--format", "html", "--out", str(tmp_path / "page.html"), "--no-progress"]
    assert main(arguments) == 0
    assert capsys.readouterr().err.splitlines()[0] == "no phrases: the page shows the scene only"
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: wall_session())
    monkeypatch.setattr("langfield.export.page.write.default_phrases", lambda *args: ["thing", "wall"])
    assert main(arguments) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "phrases: thing, wall"
    assert " points" in said[-1]
    assert [answer["phrase"] for answer in read_page(tmp_path / "page.html").contents["answers"]] == ["thing", "wall"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--format html --gaussians 0", "--gaussians must be 1 to 2000000, got 0"),
        ("--format html --gaussians 2000001", "--gaussians must be 1 to 2000000, got 2000001"),
        ("--format splat --gaussians 10", "--gaussians belongs to --format html: leave it out for splat"),
        ("--format json --phrase a --gaussians 10", "--gaussians belongs to --format html: leave it out for json"),
        (
            "--format html --phrase mug --views all",
            "--views belongs to --format masks or relevancy: leave it out for html",
        ),
        ("--format html --cube 1", "--cube belongs to --format points: leave it out for html"),
    ],
)
def test_wrong_options_are_one_line(run, tmp_path: Path, capsys, options: str, line: str, monkeypatch):
    monkeypatch.setattr(Session, "query", lambda *args, **kwargs: pytest.fail("asked before options were looked at"))
    assert failure(capsys, ["export", "run", "--out", str(tmp_path / "out"), *options.split()]) == line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_page_and_a_run_without_language_answers_nothing(run, tmp_path: Path, capsys, monkeypatch):
    arguments = ["export", "run", "--format", "html", "--out"]
    assert failure(capsys, [*arguments, str(tmp_path)]) == (
        f"{tmp_path}: is a folder: give the file to write, such as page.html"
    )
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: session(language=False))
    assert "language" in failure(capsys, [*arguments, str(tmp_path / "page.html"), "--phrase", "thing"])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays(run, tmp_path: Path, capsys, monkeypatch):
    out = tmp_path / "page.html"
    out.write_text("mine")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("langfield.runs.atomic.os.write", full)
    arguments = ["export", "run", "--format", "html", "--out", str(out)]
    assert main(arguments) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]
