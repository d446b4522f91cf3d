"""`langfield scenes`: the list, one scene's details, checking a folder, unpacking an archive."""

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import failure, printed_json
from tests.data.literature_scenes import write_lerf_ovs_scene, write_lerf_scene

from langfield.cli.main import main
from langfield.data.literature.catalogue import Catalogue, catalogue


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder.parent))
    return archive


def test_all_scenes_are_listed(capsys):
    listed = printed_json(capsys, ["scenes"])["scenes"]
    assert [scene["name"] for scene in listed] == [scene.name for scene in catalogue().scenes]
    assert main(["scenes"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 + len(listed)
    assert "lerf-ovs/ramen" in said.out
    assert "langfield reproduce NAME --data FOLDER" in said.err


def test_one_scene_says_how_to_obtain_it_and_what_it_may_be_used_for(capsys):
    scene = printed_json(capsys, ["scenes", "lerf-ovs/teatime"])["scene"]
    assert scene == json.loads(json.dumps(catalogue().find("lerf-ovs/teatime").to_json()))
    assert main(["scenes", "lerf-ovs/teatime"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for part in ("page", "licence", "archive", "labels", "paper"):
        assert part in words
    assert "https://github.com/minghanqin/LangSplat" in words
    assert "stuffed bear" in words
    assert "65.1 % by protocol lerf-ovs" in words
    assert "frame_00129" in words
    assert "protocols langfield, lerf, lerf-ovs, lerf-ovs-held-out" in words
    assert scene["protocols"] == ["langfield", "lerf", "lerf-ovs", "lerf-ovs-held-out"]
    assert printed_json(capsys, ["scenes", "lerf/teatime"])["scene"]["protocols"] == []


def test_a_folder_is_checked_and_opened(tmp_path: Path, capsys):
    write_lerf_scene(tmp_path)
    result = printed_json(capsys, ["scenes", "teatime", "--check", str(tmp_path)])
    assert (result["complete"], result["missing"], result["problem"]) == (True, [], None)
    assert result["notes"][0].startswith("nerfstudio: 9 views, 7 to train on, 2 to test")
    (tmp_path / "transforms.json").write_text("{}")
    result = printed_json(capsys, ["scenes", "teatime", "--check", str(tmp_path)])
    assert (result["complete"], result["missing"]) == (False, [])
    assert result["problem"] == f"{tmp_path / 'transforms.json'}: frames is missing: it must list the photos"


def test_what_is_missing_is_said_a_line_each(tmp_path: Path, capsys):
    assert main(["scenes", "lerf-ovs/teatime", "--check", str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "missing: photos: no images/*",
        "missing: COLMAP cameras: no sparse/0/cameras.bin or sparse/0/cameras.txt",
        "missing: COLMAP poses: no sparse/0/images.bin or sparse/0/images.txt",
        "not there: labels, only to evaluate: no ../label/teatime/*.json",
        "to obtain it see https://github.com/minghanqin/LangSplat: the page links the authors' lerf_ovs.zip (746 MB), "
        "which holds all four scenes and label/",
        f"{tmp_path} is not lerf-ovs/teatime as it should be",
    ]


def test_an_archive_is_unpacked_and_the_scene_found_in_it(tmp_path: Path, capsys):
    folder = write_lerf_ovs_scene(tmp_path / "lerf_ovs", "teatime")
    archive, out = zipped(folder.parent, tmp_path / "lerf_ovs.zip"), tmp_path / "data"
    result = printed_json(capsys, ["scenes", "lerf-ovs/teatime", "--unpack", str(archive), "--out", str(out)])
    assert (result["folder"], result["complete"], result["lacking"]) == (str(out / "lerf_ovs" / "teatime"), True, [])
    assert result["files"] == sum(path.is_file() for path in folder.parent.rglob("*"))
    again = ["scenes", "lerf-ovs/teatime", "--unpack", str(archive), "--out", str(out)]
    assert failure(capsys, again) == f"{out}: is there already: choose a folder that is not, or delete it"


def test_an_archive_that_is_not_the_authors_is_refused_where_theirs_is_known(tmp_path: Path, capsys, monkeypatch):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", os.urandom(9))
    ours = catalogue()
    known = [replace(s, data_set=replace(s.data_set, archive_sha256="0" * 64)) for s in ours.scenes]
    monkeypatch.setattr(
        "langfield.data.literature.catalogue.catalogue", lambda: Catalogue(tuple(known), ours.protocols)
    )
    arguments = ["scenes", "teatime", "--unpack", str(archive), "--out", str(tmp_path / "out")]
    assert failure(capsys, arguments).startswith(f"{archive}: is not the authors' archive: its SHA-256 is ")
    assert not (tmp_path / "out").exists()


def test_questions_that_do_not_fit_together_are_refused(tmp_path: Path, capsys):
    assert failure(capsys, ["scenes", "--check", "here"]).startswith("which scene is it?")
    together = "--unpack and --out go together: langfield scenes NAME --unpack ARCHIVE.zip --out FOLDER"
    assert failure(capsys, ["scenes", "teatime", "--unpack", "a.zip"]) == together
    assert failure(capsys, ["scenes", "teatime", "--out", "a"]) == together
    both = ["scenes", "teatime", "--unpack", "a.zip", "--out", "a", "--check", "b"]
    assert failure(capsys, both) == "--check and --unpack are two questions: ask one after the other"
    assert failure(capsys, ["scenes", "teatim"]).startswith("unknown scene 'teatim'; did you mean teatime?")
