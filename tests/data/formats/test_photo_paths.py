"""Names of photos and other files as people have them: found in the scene, never outside of it, never by a guess."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.errors import DataError
from langfield.data.formats.path_rules import FileKind
from langfield.data.formats.photo_paths import DEPTHS, MASKS, PHOTOS, POINT_CLOUDS, Listed, Located, locate, path_parts
from langfield.data.formats.scene_files import SceneFiles

FILE = Path("transforms.json")
FOUR = ["images/a1.jpg", "images/a2.jpg", "images/b1.jpg", "images/b2.jpg"]


def write(root: Path, files: list[str]) -> None:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def find(root: Path, names: list[str], kind: FileKind = PHOTOS, *, allow_outside: bool = False) -> Located:
    listed = [Listed(name, FILE, f"frames[{i}].file_path") for i, name in enumerate(names)]
    files = SceneFiles(root.resolve(), allow_outside=allow_outside)
    return locate(listed, files, kind, allow_outside=allow_outside)


def shown(root: Path, located: Located) -> list[str]:
    """Where the files lie that are there; "" for others."""
    return [path.relative_to(root.resolve()).as_posix() if path.is_file() else "" for path in located.paths]


def on_disk(change) -> list[str]:
    return [change(name) for name in FOUR]


def ending(suffix: str) -> list[str]:
    return [name.replace(".jpg", suffix) for name in FOUR]


def in_folder(folder: str) -> list[str]:
    return [name.replace("images", folder) for name in FOUR]


def moved(prefix: str) -> list[str]:
    return [prefix + name for name in FOUR]


def moved_note(first: str, folder: str = "images") -> str:
    return f"4 photos are named by paths that are not in the scene (first: {first}): taken from {folder}"


def ending_note(said: str, on_disk: str) -> str:
    return f"4 photos are named {said} in transforms.json and {on_disk} on disk"


# What the file names, what is on disk, and the notes.
SPELLINGS = {
    "as it is": (FOUR, FOUR, []),
    "upper ending": (FOUR, ending(".JPG"), [ending_note(".jpg", ".JPG")]),
    "upper folder": (
        FOUR,
        in_folder("IMAGES"),
        ["4 photos are named in other upper and lower case than on disk (first: images/a1.jpg)"],
    ),
    "other ending": (FOUR, ending(".jpeg"), [ending_note(".jpg", ".jpeg")]),
    "converted": (
        ending(".HEIC"),
        ending(".png"),
        [ending_note(".HEIC", ".png")],
    ),
    "no ending": (on_disk(lambda n: n[:-4]), FOUR, []),
    "no ending, upper on disk": (on_disk(lambda n: n[:-4]), ending(".JPG"), []),
    "backslashes": (on_disk(lambda n: ".\\" + n.replace("/", "\\")), FOUR, []),
    "dots": (on_disk(lambda n: "./x/../" + n), FOUR, []),
    "Windows": (
        on_disk(lambda n: "C:\\Users\\me\\" + n.replace("/", "\\")),
        FOUR,
        [moved_note("C:\\Users\\me\\images\\a1.jpg")],
    ),
    "another home": (moved("/home/other/kitchen/"), FOUR, [moved_note("/home/other/kitchen/images/a1.jpg")]),
    "address": (
        moved("file:///home/my%20own/"),
        FOUR,
        [moved_note("file:///home/my%20own/images/a1.jpg")],
    ),
    "from where a program ran": (moved("data/kitchen/"), FOUR, [moved_note("data/kitchen/images/a1.jpg")]),
    "beside": (moved("../kitchen/"), FOUR, [moved_note("../kitchen/images/a1.jpg")]),
    "folder not named": (on_disk(os.path.basename), FOUR, [moved_note("a1.jpg")]),
    "photos beside the file": (FOUR, on_disk(os.path.basename), [moved_note("images/a1.jpg", "the scene's folder")]),
    "folders not on disk": (
        [f"images/{Path(n).stem[0]}/{Path(n).name}" for n in FOUR],
        FOUR,
        [moved_note("images/a/a1.jpg")],
    ),
    "folders on disk": (
        FOUR,
        [f"images/{Path(n).stem[0]}/{Path(n).name}" for n in FOUR],
        [moved_note("images/a1.jpg", "images/a and images/b")],
    ),
    "a quarter": (FOUR, in_folder("images_4"), [moved_note("images/a1.jpg", "images_4")]),
    "a half and an eighth": (
        FOUR,
        [n.replace("images", folder) for folder in ("images_2", "images_8") for n in FOUR],
        [moved_note("images/a1.jpg", "images_2")],
    ),
    "whole and a quarter": (FOUR, [*FOUR, *in_folder("images_4")], []),
    "both at once": (
        on_disk(lambda n: "D:/" + n),
        on_disk(lambda n: n.replace("images", "Images").replace(".jpg", ".JPG")),
        [
            moved_note("D:/images/a1.jpg", "Images"),
            ending_note(".jpg", ".JPG"),
        ],
    ),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_files_are_found_however_they_are_named(tmp_path, case):
    names, files, notes = SPELLINGS[case]
    write(tmp_path, files)
    located = find(tmp_path, names)
    assert shown(tmp_path, located) == files[:4]
    assert list(located.notes) == notes


@pytest.mark.parametrize(("listed", "disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_composed_otherwise(tmp_path, listed, disk):
    names = [f"images/Küche é {i}.jpg" for i in range(3)]
    write(tmp_path, [unicodedata.normalize(disk, name) for name in names])
    located = find(tmp_path, [unicodedata.normalize(listed, name) for name in names])
    assert shown(tmp_path, located) == [unicodedata.normalize(disk, name) for name in names]
    (note,) = located.notes
    assert note.startswith("3 photos are named with accented letters composed otherwise than on disk (first: images/K")


def test_endings_that_are_left_out_are_told(tmp_path):
    write(tmp_path, ["images/a1.JPG", "images/a2.png", "images/a2.jpg", "images/b.1.webp", "images/c.jpg"])
    located = find(tmp_path, ["images/a1", "images/a2", "images/b.1", "images/c.jpg"])
    assert located.endings == (".JPG", ".png", ".webp", "")  # of two the one that instant-ngp takes


# -- never a guess


def test_equal_names_in_other_folders_are_other_photos(tmp_path):
    write(tmp_path, [f"images/{folder}/{i}.jpg" for folder in ("left", "right") for i in range(3)])
    names = [f"E:\\s\\images\\{folder}\\{i}.jpg" for folder in ("left", "right") for i in range(3)]
    assert shown(tmp_path, find(tmp_path, names)) == [name[5:].replace("\\", "/") for name in names]
    (tmp_path / "images/left/1.jpg").unlink()  # the other 1.jpg is no substitute
    located = find(tmp_path, [name[5:].replace("\\", "/") for name in names])
    assert shown(tmp_path, located)[1] == ""
    assert located.notes == ()


def test_two_names_never_mean_one_file(tmp_path):
    write(tmp_path, ["images/0.jpg", "images/1.jpg"])
    names = ["cam1/0.jpg", "cam2/0.jpg", "cam1/1.jpg", "cam2/1.jpg"]
    with pytest.raises(DataError) as caught:
        find(tmp_path, names)
    assert str(caught.value) == (
        'transforms.json: frames[0].file_path names a file that is not there, found "cam1/0.jpg", but there is '
        "images/0.jpg: name it so, or move it"
    )
    located = find(tmp_path, ["images/0.jpg", "C:/images/0.jpg", "C:/images/1.jpg"])
    assert shown(tmp_path, located) == ["images/0.jpg", "", "images/1.jpg"]


def test_a_photo_that_could_be_several_is_none(tmp_path):
    write(tmp_path, ["images/a1.jpg", "images/A2.jpg", "images/a2.JPG", "images/b1.png", "images/b1.webp"])
    located = find(tmp_path, ["images/a1.jpg", "images/a2.jpg", "images/b1.jpeg"])
    assert shown(tmp_path, located) == ["images/a1.jpg", "", ""]
    assert located.notes == (
        "2 photos could be several files and are not taken "
        "(first: images/a2.jpg could be images/A2.jpg and images/a2.JPG)",
    )
    with pytest.raises(DataError, match=r"but there is images/b1\.png and images/b1\.webp: name it so, or move it"):
        find(tmp_path, ["images/b1.jpg"])


def test_the_exact_name_goes_before_one_of_other_case(tmp_path):
    write(tmp_path, ["Images/a1.jpg", "images/A1.jpg", "images/A2.jpg", "images/a2.png"])
    assert shown(tmp_path, find(tmp_path, ["/x/images/A1.jpg", "/x/images/a2.jpg"])) == [
        "images/A1.jpg",
        "images/A2.jpg",
    ]


def test_folders_that_hold_the_photos_alike_are_named(tmp_path):
    write(tmp_path, [name.replace("images", folder) for folder in ("photos", "pictures") for name in FOUR])
    with pytest.raises(DataError) as caught:
        find(tmp_path, FOUR)
    assert str(caught.value) == (
        "transforms.json: names photos that lie in photos and pictures alike (first: images/a1.jpg): name their folder"
    )
    write(tmp_path, FOUR)
    assert shown(tmp_path, find(tmp_path, [Path(name).name for name in FOUR])) == FOUR  # the usual folder


def test_a_photo_that_is_gone_is_not_the_mask_beside_it(tmp_path):
    write(tmp_path, [*FOUR, *(name.replace(".jpg", ".png") for name in FOUR)])
    (tmp_path / FOUR[2]).unlink()
    for names in (FOUR, moved("C:/x/")):
        located = find(tmp_path, names)
        assert shown(tmp_path, located) == [*FOUR[:2], "", FOUR[3]]
        assert not any(".png" in note for note in located.notes)


def test_one_photo_may_be_called_jpeg(tmp_path):
    write(tmp_path, [*FOUR[:3], "images/b2.jpeg"])
    assert shown(tmp_path, find(tmp_path, FOUR)) == [*FOUR[:3], "images/b2.jpeg"]


@pytest.mark.parametrize("folder", ["masks", "depth", "thumbnails", "images/masks", "gt_labels"])
def test_other_pictures_are_no_photos(tmp_path, folder):
    write(tmp_path, [name.replace("images", folder) for name in FOUR])
    assert shown(tmp_path, find(tmp_path, FOUR)) == [""] * 4


def test_a_folder_of_another_name_is_told_not_taken(tmp_path):
    write(tmp_path, [name.replace("images", "kitchen") for name in FOUR])
    with pytest.raises(DataError) as caught:
        find(tmp_path, FOUR)
    assert str(caught.value) == (
        'transforms.json: frames[0].file_path names a file that is not there, found "images/a1.jpg", but there is '
        "kitchen/a1.jpg: name it so, or move it"
    )


def test_where_some_paths_are_right_others_are_not_looked_for_elsewhere(tmp_path):
    write(tmp_path, ["images/a1.jpg", "images/a2.JPG", "photos/b1.jpg"])
    located = find(tmp_path, ["images/a1.jpg", "images/a2.jpg", "images/b1.jpg"])
    assert shown(tmp_path, located) == ["images/a1.jpg", "images/a2.JPG", ""]
    assert located.notes == ("1 photos are named .jpg in transforms.json and .JPG on disk",)


def test_photos_that_are_gone_are_missing_where_the_rule_says(tmp_path):
    write(tmp_path, FOUR[1:])
    located = find(tmp_path, moved("/home/other/kitchen/"))
    assert shown(tmp_path, located) == ["", *FOUR[1:]]
    assert located.paths[0] == tmp_path.resolve() / FOUR[0]


# -- what is not in the scene


@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize("name", ["C:\\k\\images\\z1.jpg", "/home/other/images/z1.jpg", "file:///x/z1.jpg"])
def test_paths_of_another_computer_are_called_so(tmp_path, name, allow_outside):
    write(tmp_path, FOUR)
    with pytest.raises(DataError) as caught:
        find(tmp_path, [name], allow_outside=allow_outside)
    assert str(caught.value).startswith("transforms.json: frames[0].file_path is a path of another computer, found ")
    assert str(caught.value).endswith(
        f"and the scene has no such file: put it into {tmp_path.resolve()} and name it from there"
    )


def test_paths_of_this_computer_need_leave(tmp_path):
    write(tmp_path, ["scene/images/a1.jpg", "elsewhere/z1.jpg"])
    there = str(tmp_path / "elsewhere/z1.jpg")
    for name in (there, "../elsewhere/z1.jpg"):
        with pytest.raises(DataError, match=r"move the file into the scene, or allow paths outside it"):
            find(tmp_path / "scene", [name, "images/a1.jpg"])
        located = find(tmp_path / "scene", [name, "images/a1.jpg"], allow_outside=True)
        assert located.paths[0] == Path(there).resolve()


def test_links_do_not_lead_out(tmp_path):
    write(tmp_path, ["scene/images/a1.jpg", "secret/a2.jpg", "secret/a3.jpg"])
    (tmp_path / "scene/images/a2.JPG").symlink_to(tmp_path / "secret/a2.jpg")
    (tmp_path / "scene/photos").symlink_to(tmp_path / "secret")
    (tmp_path / "scene/loop").symlink_to(tmp_path / "scene")
    with pytest.raises(DataError, match=r'leaves .*scene, found "images/a2\.JPG"'):
        find(tmp_path / "scene", ["images/a2.jpg"])
    located = find(tmp_path / "scene", ["images/a2.jpg"], allow_outside=True)
    assert located.paths == ((tmp_path / "secret/a2.jpg").resolve(),)
    assert shown(tmp_path / "scene", find(tmp_path / "scene", ["a3.jpg"])) == [""]
    assert find(tmp_path / "scene", ["a3.jpg"], allow_outside=True).paths == ((tmp_path / "secret/a3.jpg").resolve(),)


WORDS = ["a", "A", "b", "images", "..", ".", "x.jpg", "X.JPG", "é", "e\u0301", "C:", ""]
LEADS = ["", "/", "\\", "../", "C:\\", "file:///"]
NAMES = st.text(max_size=12) | st.builds(
    lambda lead, parts, between: lead + between.join(parts),
    st.sampled_from(LEADS),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.sampled_from("/\\"),
)
ON_DISK = st.lists(st.sampled_from(["a", "B", "images", "x.jpg", "X.JPG", "x.png", "é"]), min_size=1, max_size=3).map(
    "/".join
)


@given(names=st.lists(NAMES, min_size=1, max_size=5), files=st.sets(ON_DISK, max_size=6))
@settings(deadline=None, max_examples=150)
def test_whatever_is_named_lies_inside_and_is_no_other_names(tmp_path_factory, names, files):
    root = tmp_path_factory.mktemp("scene") / "inner"
    root.mkdir()
    write(root.parent, ["x.jpg", "a"])  # outside
    for name in sorted(files):
        if not any((root / parent).is_file() for parent in Path(name).parents) and not (root / name).exists():
            write(root, [name])
    try:
        located = find(root, names)
    except DataError:
        return
    meant: dict[Path, set[tuple[str, ...]]] = {}
    for name, path, ending in zip(names, located.paths, located.endings, strict=True):
        if path.is_file():
            assert path.is_relative_to(root.resolve())
            meant.setdefault(path, set()).add(path_parts(name + ending)[0])
    assert all(len(parts) == 1 for parts in meant.values())


def test_parts_of_a_path_as_any_computer_writes_it():
    assert path_parts("images/a.jpg") == (("images", "a.jpg"), False)
    assert path_parts(".\\images\\\\a.jpg") == (("images", "a.jpg"), False)
    assert path_parts("C:\\x\\a.jpg") == (("x", "a.jpg"), True)
    assert path_parts("\\\\host\\share\\a.jpg") == (("host", "share", "a.jpg"), True)
    assert path_parts("file:///C:/x%20y/a.jpg") == (("x y", "a.jpg"), True)
    assert path_parts("../x/a.jpg") == (("x", "a.jpg"), True)
    assert path_parts("x/../a.jpg") == (("a.jpg",), False)


# -- other kinds of files


def test_masks_may_be_shared_and_lie_at_a_quarter(tmp_path):
    write(tmp_path, ["masks_4/a1.png", "masks_4/a2.PNG", "mask.png"])
    located = find(tmp_path, ["masks/a1.png", "masks/a2.png"], MASKS)
    assert shown(tmp_path, located) == ["masks_4/a1.png", "masks_4/a2.PNG"]
    assert shown(tmp_path, find(tmp_path, ["F:\\x\\mask.png"] * 3, MASKS)) == ["mask.png"] * 3


def test_a_photo_is_no_mask_though_it_is_called_so(tmp_path):
    """A file's own name is all that is left of a path whose folder is gone."""
    write(tmp_path, ["a1.png", "a2.png"])
    photos = [tmp_path.resolve() / name for name in ("a1.png", "a2.png")]
    listed = [Listed(f"masks/{path.name}", FILE, "frames[0].mask_path") for path in photos]
    files = SceneFiles(tmp_path.resolve())
    located = locate(listed, files, MASKS, allow_outside=False, others=photos)
    assert shown(tmp_path, located) == ["", ""]
    assert shown(tmp_path, find(tmp_path, ["masks/b1.png"], MASKS)) == [""]
    write(tmp_path, ["images/b1.jpg"])
    assert shown(tmp_path, find(tmp_path, ["masks/b1.png"], MASKS)) == [""]


@pytest.mark.parametrize("name", ["C:\\d\\1.png", "/home/other/d/1.png", "../d/1.png", "d/1.png"])
def test_depths_may_be_anywhere_and_nowhere(tmp_path, name):
    assert shown(tmp_path, find(tmp_path, [name], DEPTHS)) == [""]


def test_a_point_cloud_that_lay_on_another_computer_is_missing(tmp_path):
    assert shown(tmp_path, find(tmp_path, ["C:\\d\\points.ply"], POINT_CLOUDS)) == [""]
    write(tmp_path, ["Points.PLY", "outside.ply"])
    (tmp_path / "scene").mkdir()
    assert shown(tmp_path, find(tmp_path, ["C:\\d\\points.ply"], POINT_CLOUDS)) == ["Points.PLY"]
    with pytest.raises(DataError, match=r"allow paths outside it"):
        find(tmp_path / "scene", [str(tmp_path / "outside.ply")], POINT_CLOUDS)


def test_large_folders_are_not_listed(tmp_path, monkeypatch):
    write(tmp_path, ending(".JPG"))
    monkeypatch.setattr("langfield.data.formats.scene_files.MAX_FILES", 3)
    assert shown(tmp_path, find(tmp_path, FOUR)) == [""] * 4
