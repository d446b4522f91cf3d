"""Where the files lie that a scene names: photos, masks, depths, point clouds.

A name that is the path of a file is taken as it is. Others may be spelled otherwise than on disk, or lead to where the
files lay on another computer: then one rule for all of a scene's names of a kind says where they lie now, and one note
says so. What could mean several files means none.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from langfield.core.errors import DataError
from langfield.core.json_files import short_text
from langfield.core.listing import shortened
from langfield.data.formats.path_rules import (
    HERE,
    FileKind,
    Rule,
    Taken,
    find_rule,
    lies_with_no_photos,
    without_clashes,
)
from langfield.data.formats.scene_files import Found, Parts, SceneFiles, picture_suffix
from langfield.data.validation import OutsideSceneError, is_file, printable, safe_path

PHOTOS = FileKind(
    "photos",
    pictures=True,
    folders=r"images?(_\d+)?|imgs?|photos?|pictures?|frames?|inputs?|rgb|colou?rs?|keyframes|corrected_images"
    r"|train|val|test",
)
MASKS = FileKind("masks", pictures=False, folders=r"masks?(_\d+)?")
DEPTHS = FileKind("depth files", pictures=False, folders=r"depths?(_\d+)?", needed="no")
POINT_CLOUDS = FileKind("point clouds", pictures=False, folders="", needed="if here")
_LEFT_OUT_SUFFIXES = (".png", ".jpg", ".jpeg")  # that instant-ngp and Blender leave out, in the order they are tried


@dataclass(frozen=True)
class Listed:
    """A file as a scene's file names it.

    Attributes:
        name: the path.
        file: the file that says so.
        where: the place in it, for messages.
    """

    name: str
    file: Path
    where: str


@dataclass(frozen=True)
class Located:
    """Where N files lie.

    Attributes:
        paths: links followed; where a file is not there, where it was looked for.
        endings: of the names that leave theirs out, the endings; "" of the others.
        notes: lines for a person, one a kind of what names differ in.
    """

    paths: tuple[Path, ...]
    endings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def locate(
    listed: Sequence[Listed], files: SceneFiles, kind: FileKind, *, allow_outside: bool, others: Sequence[Path] = ()
) -> Located:
    """Where the files lie that a scene names.

    Args:
        others: files of another kind, which a name means only if it is their very path.

    Raises DataError for names that no file can have, for those that lead out of the scene's folder (unless
    `allow_outside`) and are no file's in it, and where several folders hold the files alike.
    """
    search = _Search(listed, files, kind, allow_outside, others)
    search.take_as_they_are()
    for rooted in (False, True):
        search.take_by_rule(rooted)
    search.check_outside()
    search.check_any_clear()
    return Located(tuple(search.paths), tuple(search.endings), tuple(search.notes()))


class _Search:
    """What is known of each name so far.

    Attributes:
        paths: where its file lies, or would lie.
        endings: that its name leaves out.
    """

    def __init__(
        self,
        listed: Sequence[Listed],
        files: SceneFiles,
        kind: FileKind,
        allow_outside: bool,
        others: Sequence[Path],
    ) -> None:
        self._listed, self._files, self._kind = listed, files, kind
        self._allow_outside, self._others = allow_outside, others
        self.paths = [files.root] * len(listed)
        self.endings = [""] * len(listed)
        self._there = [False] * len(listed)
        self._outside: dict[int, OutsideSceneError] = {}
        self._rules: dict[bool, Rule] = {}
        self._found: dict[int, Found] = {}
        self._unclear: dict[int, list[Found]] = {}

    def take_as_they_are(self) -> None:
        """Take the names that are paths of files."""
        for i, entry in enumerate(self._listed):
            try:
                self.paths[i] = self._safe(entry, entry.name)
            except OutsideSceneError as error:
                self._outside[i] = error
                continue
            self._there[i] = is_file(self.paths[i])
            if not self._there[i] and self._kind.pictures and not picture_suffix(entry.name):
                self._add_ending(i)

    def _add_ending(self, i: int) -> None:
        for ending in _LEFT_OUT_SUFFIXES:
            path = self._safe(self._listed[i], self._listed[i].name + ending)
            if is_file(path):
                self.paths[i], self.endings[i], self._there[i] = path, ending, True
                return

    def take_by_rule(self, rooted: bool) -> None:
        """Take the remaining names of the paths that begin at a folder of the scene, or else at another place.

        Where some of the scene's own paths are right as they are, the folders are: the others are only spelled
        otherwise, or their files are not there.
        """
        parts = [path_parts(entry.name) for entry in self._listed]
        names = {
            i: name for i, (name, is_rooted) in enumerate(parts) if is_rooted == rooted and name and not self._there[i]
        }
        if not names:
            return
        settled = not rooted and any(self._there[i] for i, (_, is_rooted) in enumerate(parts) if not is_rooted)
        taken = Taken(self._files, self._kind, self._taken_already())
        rule = HERE if settled else find_rule(names, taken, self._listed[next(iter(names))].file)
        if rule is None:
            return
        self._rules[rooted] = rule
        clear = without_clashes(taken.by(rule, names), names)
        for i, found in self._with_usual_endings(clear).items():
            if len(found) == 1:
                self._take(i, found[0])
            else:
                self._unclear[i] = found
        for i in names.keys() - self._found.keys():
            self._outside.pop(i, None)  # the rule says where it would lie, and there it is not, or another name's
            path = self._files.root.joinpath(*rule.under, *rule.kept(names[i]))
            self.paths[i] = self._as_written(i) if is_file(path) else path

    def _with_usual_endings(self, found: dict[int, list[Found]]) -> dict[int, list[Found]]:
        """What names lead to, without files of another ending where some names of that ending are right about it: of a
        photo that is gone, the mask beside it is no substitute."""
        right = {i for i, there in enumerate(self._there) if there}
        right |= {i for i, files in found.items() if files[0].how != "suffix"}
        endings = {picture_suffix(self._listed[i].name).lower() for i in right} - {""}

        def is_odd(i: int, files: list[Found]) -> bool:
            ending, other = (picture_suffix(n).lower() for n in (self._listed[i].name, files[0].parts[-1]))
            return files[0].how == "suffix" and ending in endings and _format(ending) != _format(other)

        return {i: files for i, files in found.items() if not is_odd(i, files)}

    def _as_written(self, i: int) -> Path:
        return self._files.root / self._listed[i].name.replace("\\", "/").lstrip("/")

    def _take(self, i: int, found: Found) -> None:
        self.paths[i] = self._safe(self._listed[i], "/".join(found.parts))
        self._found[i], self._there[i] = found, True
        self._outside.pop(i, None)
        if self._kind.pictures and not picture_suffix(self._listed[i].name):
            self.endings[i] = picture_suffix(found.parts[-1])

    def _taken_already(self) -> frozenset[Parts]:
        root = self._files.root
        there = [*self._others, *(path for path, there in zip(self.paths, self._there, strict=True) if there)]
        return frozenset(path.relative_to(root).parts for path in there if path.is_relative_to(root))

    def check_outside(self) -> None:
        """Raise DataError for the first name that leads out of the scene and means no file in it."""
        for i, error in self._outside.items():
            foreign = _is_of_another_computer(self._listed[i].name)
            if self._kind.needed == "yes" or (self._kind.needed == "if here" and not foreign):
                raise self._foreign(i) if foreign else error
            self.paths[i] = self._as_written(i)

    def check_any_clear(self) -> None:
        """Raise DataError where no name leads to a file, if it can be said why."""
        if any(self._there) or not self._listed or self._kind.needed != "yes":
            return
        entry = self._listed[0]
        if _is_of_another_computer(entry.name):
            raise self._foreign(0)
        if alike := self._alike(entry.name):
            raise DataError(
                f"{entry.where} names a file that is not there, found {short_text(entry.name)}, but there is {alike}: "
                "name it so, or move it",
                entry.file,
            )

    def _foreign(self, i: int) -> DataError:
        entry = self._listed[i]
        alike = self._alike(entry.name)
        what = f"in the scene there is {alike}, which is not clearly meant" if alike else "the scene has no such file"
        return DataError(
            f"{entry.where} is a path of another computer, found {short_text(entry.name)}, and {what}: put it into "
            f"{self._files.root} and name it from there",
            entry.file,
        )

    def _alike(self, name: str) -> str:
        """The photos of the scene that are called so, in a few words; "" for none."""
        parts, _ = path_parts(name)
        if not parts or not self._kind.pictures:
            return ""
        files = [file for file in self._files.with_name(parts[-1], pictures=True) if not lies_with_no_photos(file)]
        return printable(shortened(["/".join(file) for file in files])) if files else ""

    def _safe(self, entry: Listed, name: str) -> Path:
        return safe_path(self._files.root, name, entry.file, entry.where, allow_outside=self._allow_outside)

    # -- what to say about it

    def notes(self) -> list[str]:
        """A line for each kind of what names differ in from what is on disk."""
        notes = []
        for rooted, rule in self._rules.items():
            moved = [i for i in self._found if path_parts(self._listed[i].name)[1] == rooted]
            if moved and (rooted or rule != HERE):
                notes.append(self._moved_note(moved))
        for how in ("letters", "case", "suffix"):
            alike = [i for i, found in self._found.items() if found.how == how]
            named = [i for i in alike if how != "suffix" or picture_suffix(self._listed[i].name)]
            if named:
                notes.append(f"{self._count(named)} {self._difference(named, how)}")
        if self._unclear:
            first, meant = next(iter(self._unclear.items()))
            several = printable(shortened(["/".join(found.parts) for found in meant]))
            notes.append(
                f"{self._count(list(self._unclear))} could be several files and are not taken "
                f"(first: {self._shown(first)} could be {several})"
            )
        return notes

    def _moved_note(self, moved: Sequence[int]) -> str:
        whole = self._files.root.name if self._kind.own_folder else "the scene's folder"
        folders = dict.fromkeys("/".join(self._found[i].parts[:-1]) or whole for i in moved)
        named = f"{self._count(moved)} are named by paths that are not in the scene (first: {self._shown(moved[0])})"
        return f"{named}: taken from {printable(shortened(list(folders)))}"

    def _difference(self, alike: Sequence[int], how: str) -> str:
        entry, found = self._listed[alike[0]], self._found[alike[0]]
        said, on_disk = picture_suffix(entry.name), picture_suffix(found.parts[-1])
        suffixes = {(picture_suffix(self._listed[i].name), picture_suffix(self._found[i].parts[-1])) for i in alike}
        name = path_parts(entry.name)[0][-1]
        only_ending = name.removesuffix(said) == found.parts[-1].removesuffix(on_disk) and said != on_disk
        if len(suffixes) == 1 and (how == "suffix" or only_ending):
            return f"are named {said} in {entry.file.name} and {on_disk} on disk"
        what = {
            "letters": "are named with accented letters composed otherwise than on disk",
            "case": "are named in other upper and lower case than on disk",
            "suffix": "have another ending on disk",
        }[how]
        return f"{what} (first: {self._shown(alike[0])})"

    def _count(self, which: Sequence[int]) -> str:
        return f"{len(which)} {self._kind.word}"

    def _shown(self, i: int) -> str:
        name = printable(self._listed[i].name)
        return name if len(name) <= 60 else f"…{name[-57:]}"


def _format(ending: str) -> str:
    return {".jpeg": ".jpg", ".tiff": ".tif"}.get(ending, ending)


def path_parts(name: str) -> tuple[Parts, bool]:
    """The parts of a path as any computer writes it, and whether it begins elsewhere than in the scene's folder: at a
    root, a drive (`C:`), an address (`file://`), or above the folder."""
    address = re.match(r"file:(//[^/]*)?(?=/)", name, re.IGNORECASE)
    path = unquote(name[address.end() :]) if address else name
    path = path.replace("\\", "/")
    drive = re.match(r"/?[A-Za-z]:(?=/|$)", path)
    path = path[drive.end() :] if drive else path
    rooted = bool(address or drive) or path.startswith("/")
    parts = tuple(part for part in os.path.normpath(path).split("/") if part not in ("", "."))
    inside = tuple(part for part in parts if part != "..")
    return inside, rooted or len(inside) < len(parts)


def _is_of_another_computer(name: str) -> bool:
    """Whether a path begins at a root that this computer does not have, or at which it has no such file."""
    _, rooted = path_parts(name)
    above = name.replace("\\", "/").startswith("..")
    return rooted and not above and not os.path.lexists(name)
