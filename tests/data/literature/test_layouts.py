"""Folders in the data sets' layouts are known for what they are, open as scenes, and say what they lack."""

import shutil
from pathlib import Path

import pytest
from tests.data.literature_scenes import (
    write_3d_ovs_scene,
    write_colmap_scene,
    write_lerf_mask_scene,
    write_lerf_ovs_scene,
    write_lerf_scene,
)

from langfield.core.errors import DataError
from langfield.data.literature.catalogue import catalogue
from langfield.data.literature.layouts import labels_folder, look_for, phrases_of
from langfield.data.scene import open_scene

TEATIME, OVS, BED = (catalogue().find(name) for name in ("teatime", "lerf-ovs/teatime", "bed"))


def test_a_lerf_capture_is_complete_and_opens(tmp_path: Path):
    write_lerf_scene(tmp_path)
    layout = look_for(TEATIME, tmp_path)
    assert (layout.folder, layout.missing, layout.missing_optional) == (tmp_path, (), ())
    scene = open_scene(layout.folder)
    assert (scene.kind, len(scene.views), scene.test) == ("nerfstudio", 9, (0, 8))
    assert labels_folder(TEATIME, tmp_path) is None


def test_a_lerf_ovs_scene_is_complete_and_opens_and_has_labels(tmp_path: Path, monkeypatch):
    folder = write_lerf_ovs_scene(tmp_path, "teatime")
    layout = look_for(OVS, folder)
    assert (layout.folder, layout.missing, layout.missing_optional) == (folder, (), ())
    scene = open_scene(layout.folder)
    assert (scene.kind, len(scene.views), scene.test) == ("colmap", 9, (0, 8))
    assert labels_folder(OVS, folder) == tmp_path / "label" / "teatime"
    monkeypatch.chdir(folder)
    here = look_for(OVS, Path())
    assert (here.missing, here.missing_optional) == ((), ())
    labels = labels_folder(OVS, Path())
    assert labels is not None
    assert labels.samefile(tmp_path / "label" / "teatime")


def test_a_3d_ovs_scene_is_complete_and_brings_its_phrases(tmp_path: Path):
    write_3d_ovs_scene(tmp_path, "\ufeffred bag\n\n white wall \nred bag\n")
    layout = look_for(BED, tmp_path)
    assert layout.missing == ()
    assert layout.missing_optional == ("masks, only to evaluate: no segmentations/*/*.png",)
    assert labels_folder(BED, tmp_path) is None  # the classes alone label nothing
    assert open_scene(tmp_path).kind == "colmap"
    assert phrases_of(BED, tmp_path) == {"paper": ("red bag", "white wall"), "failures": (), "free": ()}
    assert phrases_of(TEATIME, tmp_path) is TEATIME.phrases


def test_a_lerf_mask_scene_is_complete_and_trains_on_images_train(tmp_path: Path):
    write_lerf_mask_scene(tmp_path)
    ramen = catalogue().find("lerf-mask/ramen")
    layout = look_for(ramen, tmp_path)
    assert (layout.missing, layout.missing_optional) == ((), ())
    assert labels_folder(ramen, tmp_path) == tmp_path / "test_mask"
    scene = open_scene(tmp_path)
    assert [scene.views[index].name for index in scene.test] == ["test_0.jpg", "test_1.jpg", "test_2.jpg"]
    assert len(scene.train) == 6
    assert "6 to train on, 3 to test (the files' own split)" in scene.notes[0]


@pytest.mark.parametrize("share", ["all", "none"])
def test_an_images_train_that_is_no_split_is_said_and_not_used(tmp_path: Path, share: str):
    write_lerf_mask_scene(tmp_path)
    shutil.rmtree(tmp_path / "images_train")
    if share == "all":
        shutil.copytree(tmp_path / "images", tmp_path / "images_train")
    else:
        (tmp_path / "images_train").mkdir()
    scene = open_scene(tmp_path)
    assert scene.test == (0, 8)
    assert scene.notes[-1] == f"images_train holds {share} of the photos and is no split: it is not used"


def test_a_data_sets_folder_and_the_one_above_will_do(tmp_path: Path):
    folder = write_lerf_ovs_scene(tmp_path / "unpacked" / "lerf_ovs", "teatime")
    write_colmap_scene(tmp_path / "unpacked" / "lerf_ovs" / "ramen")
    for given in (folder, folder.parent, folder.parent.parent):
        assert look_for(OVS, given).folder == folder
    assert look_for(catalogue().find("lerf-ovs/figurines"), folder.parent).missing  # the other scenes are not it


@pytest.mark.parametrize(
    ("gone", "line"),
    [
        ("sparse/0/cameras.bin", "COLMAP cameras: no sparse/0/cameras.bin or sparse/0/cameras.txt"),
        ("sparse/0/images.bin", "COLMAP poses: no sparse/0/images.bin or sparse/0/images.txt"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, gone: str, line: str):
    folder = write_lerf_ovs_scene(tmp_path, "teatime")
    (folder / gone).unlink()
    assert look_for(OVS, folder).missing == (line,)


def test_missing_labels_keep_nobody_from_training(tmp_path: Path):
    write_colmap_scene(tmp_path / "teatime")
    layout = look_for(OVS, tmp_path / "teatime")
    assert layout.missing == ()
    assert layout.missing_optional == ("labels, only to evaluate: no ../label/teatime/*.json",)
    assert labels_folder(OVS, layout.folder) is None


def test_an_empty_folder_lacks_everything_and_none_is_an_error(tmp_path: Path):
    assert look_for(TEATIME, tmp_path).missing == ("poses: no transforms.json", "photos: no images/*")
    (tmp_path / "images" / "folder.jpg").mkdir(parents=True)  # a folder is no photo
    assert "photos: no images/*" in look_for(TEATIME, tmp_path).missing
    with pytest.raises(DataError) as error:
        look_for(TEATIME, tmp_path / "none")
    assert str(error.value) == (
        f"{tmp_path / 'none'}: is no folder: give the one of lerf/teatime; to obtain it see https://www.lerf.io: "
        "the page links the authors' folder of captures; download the scene's folder from there"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "must hold 1 to 1000 phrases, one on each line, found 0"),
        (b"\xff\xfe", "is no UTF-8 text (byte 0)"),
        (b"x" * 501, "has a line of 501 characters: phrases have at most 500"),
        (b"".join(b"%d\n" % i for i in range(1001)), "found 1001"),
        (b"x\n" + b"\n" * (1 << 20), "must hold 1 to 1000 phrases"),
    ],
)
def test_a_file_of_phrases_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "segmentations").mkdir()
    (tmp_path / "segmentations" / "classes.txt").write_bytes(content)
    with pytest.raises(DataError) as error:
        phrases_of(BED, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'segmentations' / 'classes.txt'}: ")
    assert message in str(error.value)
