"""The files in a scene's folder, found once, so that names can be looked up that are spelled otherwise on disk.

Names are compared without regard to upper and lower case and to how accented letters are composed (Unicode's NFC and
NFD), because file systems differ in both.
"""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

MAX_FILES = 200_000  # of a larger folder no index is made: names in it must be spelled as on disk
MAX_DEPTH = 12
# What a photo's ending may be in the file; on disk it is one of the first.
READ_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
PICTURE_SUFFIXES = (*READ_SUFFIXES, ".heic", ".heif", ".bmp", ".dng", ".gif", ".avif")

Parts = tuple[str, ...]


def spelling(name: str) -> str:
    """A name without what file systems differ in: two names are the same where their spellings are."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def picture_suffix(name: str) -> str:
    """The ending of a picture's name, as it stands there; "" if it has none, or another one."""
    suffix = PurePosixPath(name).suffix
    return suffix if suffix.lower() in PICTURE_SUFFIXES else ""


@dataclass(frozen=True)
class Found:
    """A file that a name leads to.

    Attributes:
        parts: of its path from the folder, as on disk.
        how: in what the name differs from it: "exact", "letters" (composed otherwise), "case", "suffix".
    """

    parts: Parts
    how: str


class SceneFiles:
    """The files in and under a folder; they are listed when a name is first looked up.

    Attributes:
        root: the folder, resolved.
    """

    def __init__(self, root: Path, *, allow_outside: bool = False) -> None:
        """Args: allow_outside: also follow links to folders that lie outside."""
        self.root = root
        self._allow_outside = allow_outside

    @cached_property
    def every(self) -> tuple[Parts, ...]:
        """The parts of every file's path, sorted; none of folders with too many files."""
        found: list[Parts] = []
        for parts in self._walk(self.root, (), {str(self.root)}):
            found.append(parts)
            if len(found) > MAX_FILES:
                return ()
        return tuple(sorted(found))

    def in_folder(self, folder: Parts) -> list[str]:
        """The names of the files that lie in a folder itself, sorted."""
        return [parts[-1] for parts in self.every if parts[:-1] == folder]

    def look_up(
        self, name: Parts, *, under: Parts = (), pictures: bool = False, taken: frozenset[Parts]
    ) -> list[Found]:
        """The files that a name below the folder `under` can mean: one if it is clear, several if it is not.

        Args:
            name: the parts of a path, at least one.
            under: a folder as it is on disk.
            pictures: whether a picture's ending may be another one.
            taken: files that are other names' already.
        """
        path = "/".join((*under, *name))
        same = [parts for parts in self._by_spelling.get(spelling(path), ()) if parts not in taken]
        for how, equal in (("exact", _as_it_is), ("letters", _composed), ("case", spelling)):
            alike = [parts for parts in same if equal("/".join(parts)) == equal(path)]
            if alike:
                return [Found(parts, how) for parts in alike]
        if not pictures:
            return []
        alike = [parts for parts in self._by_stem.get(_stem_spelling(path), ()) if parts not in taken]
        return [Found(parts, "suffix") for parts in alike]

    def with_name(self, name: str, *, pictures: bool = False) -> Sequence[Parts]:
        """The files of a name in any folder; with `pictures` also of other endings."""
        same = self._by_name.get(spelling(name), ())
        if same or not pictures:
            return same
        return self._by_name_stem.get(_stem_spelling(name), ())

    def _walk(self, folder: Path, parts: Parts, seen: set[str]) -> Iterator[Parts]:
        """Files below a folder; `seen` are folders, links followed, that are not entered again."""
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(islice(scanned, MAX_FILES + 1), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_plain_file(entry):
                yield (*parts, entry.name)
            elif is_folder(entry) and len(parts) < MAX_DEPTH and self._may_enter(entry, seen):
                yield from self._walk(Path(entry.path), (*parts, entry.name), seen)

    def _may_enter(self, entry: os.DirEntry[str], seen: set[str]) -> bool:
        if not entry.is_symlink():
            return True
        target = os.path.realpath(entry.path)
        if target in seen or not (self._allow_outside or Path(target).is_relative_to(self.root)):
            return False
        seen.add(target)
        return True

    @cached_property
    def _by_spelling(self) -> dict[str, list[Parts]]:
        return _grouped(self.every, lambda parts: spelling("/".join(parts)))

    @cached_property
    def _by_name(self) -> dict[str, list[Parts]]:
        return _grouped(self.every, lambda parts: spelling(parts[-1]))

    @cached_property
    def _pictures(self) -> list[Parts]:
        return [parts for parts in self.every if parts[-1].lower().endswith(READ_SUFFIXES)]

    @cached_property
    def _by_stem(self) -> dict[str, list[Parts]]:
        return _grouped(self._pictures, lambda parts: _stem_spelling("/".join(parts)))

    @cached_property
    def _by_name_stem(self) -> dict[str, list[Parts]]:
        return _grouped(self._pictures, lambda parts: _stem_spelling(parts[-1]))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; False for links that cannot be followed."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say, or through a folder that may not be read
        return False


def is_plain_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file or a link to one: no pipe, which would never end, and no link to nowhere."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _as_it_is(name: str) -> str:
    return name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _stem_spelling(name: str) -> str:
    return spelling(name.removesuffix(picture_suffix(name)))


def _grouped(files: Sequence[Parts], key: Callable[[Parts], str]) -> dict[str, list[Parts]]:
    groups: dict[str, list[Parts]] = {}
    for parts in files:
        groups.setdefault(key(parts), []).append(parts)
    return groups
