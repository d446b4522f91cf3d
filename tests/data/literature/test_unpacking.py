"""Archives from strangers come out whole or not at all, and nothing of them lands anywhere else."""

import hashlib
import io
import os
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfield.core.errors import DataError
from langfield.core.progress import ProgressEvent
from langfield.data.literature.unpacking import UnpackLimits, unpack_zip

Entry = tuple[str, bytes]


def write_zip(path: Path, entries: list[Entry], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        for name, content in entries:
            file.writestr(raw_info(name, method), content)
    return path


def raw_info(name: str, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    """An entry whose name is written as it is: zipfile's own constructor cuts and mends names."""
    info = zipfile.ZipInfo("placeholder")
    info.filename, info.compress_type, info.external_attr = name, method, (stat.S_IFREG | 0o644) << 16
    if name.endswith("/"):
        info.external_attr = (stat.S_IFDIR | 0o755) << 16
    return info


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, every folder with None."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def refusal(archive: Path, **options) -> str:
    """The one line with which an archive is refused; nothing was written."""
    before = tree(archive.parent)
    with pytest.raises(DataError) as error:
        unpack_zip(archive, archive.parent / "out", **options)
    assert tree(archive.parent) == before
    line = str(error.value)
    assert line.startswith(f"{archive}: ")
    assert "\n" not in line
    return line.removeprefix(f"{archive}: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_packed_comes_out(tmp_path: Path, method: int):
    noise = os.urandom(9_000_000)
    entries = [("set/", b""), ("set/images/1.jpg", noise), ("./set/empty", b""), ("set/ä b.txt", b"words")]
    archive = write_zip(tmp_path / "a.zip", entries, method)
    events: list[ProgressEvent] = []
    unpacked = unpack_zip(archive, tmp_path / "deep" / "out", progress=events.append)
    assert tree(tmp_path / "deep") == {
        "out": None, "out/set": None, "out/set/images": None, "out/set/images/1.jpg": noise,
        "out/set/empty": b"", "out/set/ä b.txt": b"words",
    }  # fmt: skip
    assert (unpacked.files, unpacked.size_bytes) == (3, 9_000_005)
    assert unpacked.sha256 == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert {event.stage for event in events} == {"digest", "unpacking"}
    assert events[-1].done == events[-1].total == 8


def test_the_authors_archive_is_known_by_its_digest(tmp_path: Path):
    archive = write_zip(tmp_path / "a.zip", [("a", b"1")])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert refusal(archive, sha256="0" * 64) == (
        f"is not the authors' archive: its SHA-256 is {digest}, theirs is {'0' * 64}"
    )
    assert unpack_zip(archive, tmp_path / "out", sha256=digest).files == 1


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_overwritten(tmp_path: Path, there: str):
    archive, out = write_zip(tmp_path / "a.zip", [("a", b"1")]), tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    elif there == "folder":
        out.mkdir()
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError) as error:
        unpack_zip(archive, out)
    assert str(error.value) == f"{out}: is there already: choose a folder that is not, or delete it"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "a/../../evil", "a/..", "..", ".", "a/.",
        "/etc/evil", "//host/evil", "C:/evil", "C:evil", "..\\evil",
        "a\\..\\..\\evil", "a//b", "a\x00b", "\x00", "a\nb", "a\x7f", "x" * 1025, "y" * 256, "ä" * 128, "a//", "", "/",
        "a:stream",
    ],
)  # fmt: skip
def test_names_that_could_land_elsewhere_are_refused(tmp_path: Path, name: str):
    archive = write_zip(tmp_path / "a.zip", [("good", b"1"), (name, b"evil")])
    assert refusal(archive).endswith("it is not unpacked")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "a"], "files of one name, 'a' and 'a'"),
        (["A/b", "a/B"], "files of one name, 'A/b' and 'a/B'"),
        (["a", "./a"], "files of one name"),
        (["a", "a/b"], "'a' both as a file and as a folder"),
        (["a/b", "a"], "'a' both as a file and as a folder"),
        (["a/b/c", "A"], "'a' both as a file and as a folder"),
        (["a", "a/"], "'a' both as a file and as a folder"),
    ],
)
def test_names_that_collide_are_refused(tmp_path: Path, names: list[str], said: str):
    entries = [(name, b"" if name.endswith("/") else b"1") for name in names]
    assert said in refusal(write_zip(tmp_path / "a.zip", entries))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int):
    archive, info = tmp_path / "a.zip", raw_info("images")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(info, "/etc")
        file.writestr("images/passwd", "evil") if kind == stat.S_IFLNK else None
    assert refusal(archive) == "has a link or special file, 'images': only files and folders are unpacked"


def test_bombs_are_refused_by_what_they_declare(tmp_path: Path):
    bomb = write_zip(tmp_path / "a.zip", [("zeros", bytes(3 << 20))], zipfile.ZIP_DEFLATED)
    assert "that unpacks to 3145728: more than 200 times is a bomb" in refusal(bomb)
    many = [(f"zeros{i}", bytes(1 << 20)) for i in range(4)]
    assert "unpacks to 4194304: more than 200 times is a bomb" in refusal(
        write_zip(tmp_path / "a.zip", many, zipfile.ZIP_DEFLATED)
    )
    fine = write_zip(tmp_path / "a.zip", [("zeros", bytes(1 << 20))], zipfile.ZIP_DEFLATED)  # small ones may be plain
    assert unpack_zip(fine, tmp_path / "fine").size_bytes == 1 << 20
    assert refusal(fine, limits=UnpackLimits(size_bytes=1000)) == (
        "unpacks to 1048576 bytes, at most 1000 are unpacked"
    )
    two = write_zip(tmp_path / "a.zip", [("a", b""), ("b", b"")])
    assert refusal(two, limits=UnpackLimits(files=1)) == "has 2 entries, at most 1 are unpacked"


def test_a_file_larger_than_it_declares_leaves_nothing(tmp_path: Path):
    """The directory says 3 bytes; 3 MB follow."""
    archive = write_zip(tmp_path / "a.zip", [("zeros", bytes(3 << 20))], zipfile.ZIP_DEFLATED)
    data = bytearray(archive.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 3)
    archive.write_bytes(data)
    assert refusal(archive).endswith("download it again")


@pytest.mark.parametrize("cut", ["head", "tail", "content", "crc", "empty", "text"])
def test_torn_archives_leave_nothing(tmp_path: Path, cut: str):
    content = os.urandom(5000)
    archive = write_zip(tmp_path / "a.zip", [("a", b"first"), ("b", content)])
    data = bytearray(archive.read_bytes())
    if cut == "content":
        data[data.index(content) + 100] ^= 1
    elif cut == "crc":
        data[data.rindex(b"PK\x01\x02") + 16] ^= 1
    archive.write_bytes({"head": data[3000:], "tail": data[:-30], "empty": b"", "text": b"no zip"}.get(cut, data))
    assert refusal(archive).endswith("download it again")


def test_other_archives_are_refused_in_words(tmp_path: Path):
    archive = write_zip(tmp_path / "a.zip", [("a/", b"")])
    assert refusal(archive) == "holds no files: download it again"
    assert refusal(write_zip(archive, [("a", b"1")], zipfile.ZIP_LZMA)) == (
        "has 'a' packed by method 14: pack it stored or deflated"
    )
    data = bytearray(write_zip(archive, [("a", b"1")]).read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert refusal(archive) == "has an encrypted file, 'a': unpack it with its password first"
    archive.unlink()
    assert refusal(archive) == "cannot be read (No such file or directory): give a zip archive"


def test_a_full_disk_is_said_before_and_an_error_while_writing_leaves_nothing(tmp_path: Path, monkeypatch):
    archive = write_zip(tmp_path / "a.zip", [("a", b"1"), ("b/c", b"12")])
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2))
        assert refusal(archive) == f"unpacks to 3 bytes, but 2 are free at {tmp_path}: make room"
    with monkeypatch.context() as patch:
        patch.setattr("os.rename", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert refusal(archive).startswith(f"could not be unpacked to {tmp_path / 'out'} (No space left on device)")

    def pressed(event: ProgressEvent) -> None:
        if event.stage == "unpacking":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack_zip(archive, tmp_path / "out", progress=pressed)
    assert set(tree(tmp_path)) == {"a.zip"}


AWKWARD = st.text(st.sampled_from("ab/\\.:\0\n ~é\u202e%"), max_size=12)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(AWKWARD, st.text(max_size=20)), min_size=1, max_size=4))
@example([".", "%"])
def test_whatever_names_say_all_files_land_inside_or_none(tmp_path_factory: pytest.TempPathFactory, names: list[str]):
    place = tmp_path_factory.mktemp("zip")
    try:
        archive = write_zip(place / "a.zip", [(name, str(i).encode()) for i, name in enumerate(names)])
    except (UnicodeEncodeError, ValueError):  # no zip can hold such a name
        return
    out = place / "inner" / "out"
    (place / "inner").mkdir()
    try:
        unpacked = unpack_zip(archive, out)
    except DataError:
        assert set(tree(place)) == {"a.zip", "inner"}
        return
    written = [path for path in place.rglob("*") if path.is_file() and path != archive]
    assert all(path.is_relative_to(out) and path.resolve().is_relative_to(out.resolve()) for path in written)
    files = [name for name in names if not name.endswith("/")]
    assert len(written) == unpacked.files == len(files)
    for i, name in enumerate(names):
        if not name.endswith("/"):
            assert (out / name).read_bytes() == str(i).encode()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_archives_with_flipped_bytes_end_in_one_clear_line_or_come_out(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    place = tmp_path_factory.mktemp("flip")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/b.txt", b"words " * 40)
        file.writestr("c", b"x")
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    archive = place / "a.zip"
    archive.write_bytes(content)
    line = ""
    try:
        unpack_zip(archive, place / "out")
    except DataError as error:
        line = str(error)
    assert "\n" not in line
    assert {path.name for path in place.iterdir()} == ({"a.zip"} if line else {"a.zip", "out"})
