"""Rules that lead from the paths that a scene names to where its files lie now: one for all paths of a kind.

A rule drops a path's first folders (those of another computer), puts folders of the scene before what is left, or
looks for the bare name in all folders below one. Of the rules that explain the most, the one that keeps most of the
path is taken.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from langfield.core.errors import DataError
from langfield.core.listing import shortened
from langfield.core.sampling import subsample_evenly
from langfield.data.formats.scene_files import Found, Parts, SceneFiles, spelling
from langfield.data.validation import printable

_SAMPLED_NAMES = 16
_SAMPLED_FILES = 64
_NOT_PHOTOS = re.compile(r".*(mask|depth|normal|semantic|label|segment|thumb).*")


@dataclass(frozen=True)
class FileKind:
    """A kind of files that a scene names.

    Attributes:
        word: what they are called.
        pictures: whether they are photos, which may have another ending than the file says.
        folders: a regular expression of the folders in which they may lie without being named.
        needed: "yes" if a name must not lead out of the scene; "if here" if it may, to where this computer has no file;
            "no" if it may lead anywhere.
        own_folder: whether all that lies in the folder that is searched, and below, is of this kind.
    """

    word: str
    pictures: bool
    folders: str
    needed: Literal["yes", "if here", "no"] = "yes"
    own_folder: bool = False

    def may_lie_in(self, folders: Parts) -> bool:
        return all(re.fullmatch(self.folders, spelling(folder)) for folder in folders)


@dataclass(frozen=True)
class Rule:
    """How a path leads to a file.

    Attributes:
        drop: of the path's parts, so many of the first are dropped.
        keep: or so many of the last are kept; None for all that are not dropped.
        under: folders, as on disk, that what is left lies in.
        anywhere: whether it may lie in any folder below `under`.
    """

    drop: int = 0
    keep: int | None = None
    under: Parts = ()
    anywhere: bool = False

    def kept(self, name: Parts) -> Parts:
        return name[self.drop :] if self.keep is None else name[-self.keep :]


HERE = Rule()  # files lie where their names say


class Taken:
    """Looks names up by rules."""

    def __init__(self, files: SceneFiles, kind: FileKind, already: frozenset[Parts]) -> None:
        """Args: already: files that are other names'."""
        self.files, self.kind, self._already = files, kind, already

    def by(self, rule: Rule, names: Mapping[int, Parts]) -> dict[int, list[Found]]:
        """The files that each name can mean by a rule; names that mean none are left out."""
        look_up = self._anywhere if rule.anywhere else self._look_up
        found = {i: look_up(rule, rule.kept(name)) for i, name in names.items() if rule.kept(name)}
        return {i: files for i, files in found.items() if files}

    def _look_up(self, rule: Rule, kept: Parts) -> list[Found]:
        return self.files.look_up(kept, under=rule.under, pictures=self.kind.pictures, taken=self._already)

    def _anywhere(self, rule: Rule, kept: Parts) -> list[Found]:
        depth = len(rule.under)
        return [
            Found(parts, "exact" if parts[-1] == kept[-1] else "case")
            for parts in self.files.with_name(kept[-1])
            if parts[:depth] == rule.under and parts not in self._already and not lies_with_no_photos(parts[depth:])
        ]


def lies_with_no_photos(parts: Parts) -> bool:
    """Whether the folders of a file say that it is a mask, a depth or the like."""
    return any(_NOT_PHOTOS.fullmatch(spelling(folder)) for folder in parts[:-1])


def find_rule(names: Mapping[int, Parts], taken: Taken, file: Path) -> Rule | None:
    """The rule that leads from names to files; None if none does.

    A rule that leads two names to one file is none. Raises DataError, naming the file that has the names, if two
    folders are as good.
    """
    explained: dict[Rule, dict[int, Found]] = {}
    for rule in _candidates(names, taken):
        clear = {i: found[0] for i, found in taken.by(rule, names).items() if len(found) == 1}
        different = {names[i] for i in clear}
        if clear and len({found.parts for found in clear.values()}) == len(different):
            explained[rule] = clear
    if not explained:
        return HERE if taken.by(HERE, names) else None
    most = max(map(len, explained.values()))
    order = {rule: _order(rule, names, taken.kind) for rule, clear in explained.items() if 2 * len(clear) >= most}
    best = min(order, key=lambda rule: (order[rule], -len(explained[rule])))
    rivals = [rule for rule in order if order[rule] == order[best] and rule.under != best.under]
    if rivals:
        places = sorted({"/".join(rule.under) or "the scene's folder" for rule in (best, *rivals)})
        first = "/".join(names[next(iter(explained[best]))])
        raise DataError(
            f"names {taken.kind.word} that lie in {printable(shortened(places, 3))} alike (first: {printable(first)}): "
            "name their folder",
            file,
        )
    return best


def without_clashes(found: Mapping[int, list[Found]], names: Mapping[int, Parts]) -> dict[int, list[Found]]:
    """What names lead to, without files that two different ones lead to."""
    leading: dict[Parts, set[Parts]] = {}
    for i, files in found.items():
        leading.setdefault(files[0].parts, set()).add(names[i])
    return {i: files for i, files in found.items() if len(files) > 1 or len(leading[files[0].parts]) == 1}


def _order(rule: Rule, names: Mapping[int, Parts], kind: FileKind) -> tuple[float, ...]:
    """What comes first among rules: that keeps most of the names, then the folder that is most likely meant."""
    kept = sum(len(rule.kept(name)) for name in names.values()) / len(names)
    folder = spelling(rule.under[-1]) if rule.under else ""
    smaller = re.search(r"_(\d+)$", folder)  # photos at a half, a quarter and an eighth: images_2, images_4, images_8
    usual = {"": 0, "images": 1, "masks": 1}.get(folder, 2)
    return (rule.anywhere, -kept, int(smaller[1]) + 2 if smaller else usual)


def _candidates(names: Mapping[int, Parts], taken: Taken) -> list[Rule]:
    """The rules that explain some of the names."""
    rules = {HERE: None}
    for i in subsample_evenly(list(names), _SAMPLED_NAMES):
        name = names[i]
        for parts in taken.files.with_name(name[-1], pictures=taken.kind.pictures)[:_SAMPLED_FILES]:
            for kept in range(1, _common_tail(name, parts) + 1):
                under = parts[: len(parts) - kept]
                if taken.kind.may_lie_in(under):
                    rules[Rule(drop=len(name) - kept, under=under)] = None
                    if kept == 1:
                        rules[Rule(keep=1, under=under)] = None
            rules |= {Rule(keep=1, under=base, anywhere=True): None for base in _bases(name, parts, taken.kind)}
    return list(rules)


def _common_tail(name: Parts, parts: Parts) -> int:
    """How many of the last parts are the same, the file's own name taken for the same."""
    same = 1
    while same < min(len(name), len(parts)) and spelling(name[-same - 1]) == spelling(parts[-same - 1]):
        same += 1
    return same


def _bases(name: Parts, parts: Parts, kind: FileKind) -> list[Parts]:
    """Folders in any of whose folders a bare name may be looked for, of those that one file lies in."""
    if kind.own_folder:
        return [()]
    bases: list[Parts] = [parts[:1]] if len(parts) > 1 and kind.folders and kind.may_lie_in(parts[:1]) else []
    own = name[:-1]
    if own and spelling("/".join(parts[: len(own)])) == spelling("/".join(own)):
        bases.append(parts[: len(own)])
    return bases
