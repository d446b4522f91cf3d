"""The scenes of the literature: where they come from, how their folders look, what their papers asked and measured.

All of it is in `catalogue.json`. What is not known there is null or says so; nothing is downloaded.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from langfield.core.errors import UsageError
from langfield.core.json_files import Json, read_json

GROUPS = ("paper", "failures", "free")
METRICS = ("localisation", "miou", "boundary_iou")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Need:
    """A thing that a scene's folder should hold.

    Attributes:
        what: it is, in words.
        any_of: patterns relative to the scene's folder, of which one must match; `../` is the data set's folder.
        optional: whether training and asking do without it.
    """

    what: str
    any_of: tuple[str, ...]
    optional: bool


@dataclass(frozen=True)
class LabelSource:
    """How a data set is labelled.

    Attributes:
        folder: of the labels, relative to the scene's folder; None if langfield does not read them.
        protocols: of langfield's evaluator that are asked of these labels: "langfield" and "lerf", for which any labels
            will do, and those of the data set's own papers.
    """

    what: str
    folder: str | None
    protocols: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """A figure of a paper. `metric` is one of `METRICS`; figures of different protocols do not compare."""

    method: str
    metric: str
    protocol: str
    percent: float
    source: str

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class DataSet:
    """Scenes that were published together.

    Attributes:
        page: of the authors.
        obtain: what to do there.
        archive_sha256: of the authors' archive; None where it is not known.
        phrases_file: in a scene's folder, with a phrase on each line; None where the catalogue has them.
    """

    name: str
    title: str
    paper: str
    page: str
    obtain: str
    licence: str
    archive_sha256: str | None
    phrases_file: str | None


@dataclass(frozen=True)
class CatalogueScene:
    """One scene of one data set.

    Attributes:
        name: such as "lerf/teatime".
        folder: what the data set calls its folder.
        phrases: by group: "paper" (of its paper's figures), "failures" (LERF's own), "free" (chosen freely).
        labelled: names (without ending) of the labelled photos; empty where not known.
        queries: number of labelled phrases, each counted in each photo; None where not known.
    """

    name: str
    data_set: DataSet
    folder: str
    shows: str
    phrases: dict[str, tuple[str, ...]]
    needs: tuple[Need, ...]
    labels: LabelSource
    labelled: tuple[str, ...]
    queries: int | None
    published: tuple[Published, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield scenes NAME --json` prints for it."""
        about = self.data_set
        return {
            "name": self.name,
            "data_set": about.title,
            "shows": self.shows,
            "paper": about.paper,
            "page": about.page,
            "obtain": about.obtain,
            "licence": about.licence,
            "archive_sha256": about.archive_sha256,
            "folder": self.folder,
            "layout": [{"what": n.what, "any": list(n.any_of), "optional": n.optional} for n in self.needs],
            "labels": self.labels.what,
            "protocols": list(self.labels.protocols),
            "labelled": list(self.labelled) or None,
            "queries": self.queries,
            "phrases": {group: list(phrases) for group, phrases in self.phrases.items()},
            "phrases_file": about.phrases_file,
            "published": [figure.to_json() for figure in self.published],
        }


@dataclass(frozen=True)
class Catalogue:
    """All scenes in the file's order, and what each protocol that is named there measures."""

    scenes: tuple[CatalogueScene, ...]
    protocols: dict[str, str]

    def find(self, name: str) -> CatalogueScene:
        """The scene of a name such as "lerf-ovs/teatime"; without a data set it is the first one's that has it.

        Case, spaces, dashes and underscores do not count, and a data set's own name of the folder is known too.

        Raises UsageError, with a suggestion, if there is none.
        """
        wanted = _plain(name)
        for scene in self.scenes:
            names = {scene.name, f"{scene.data_set.name}/{scene.folder}"}
            if wanted in {_plain(known) for full in names for known in (full, full.partition("/")[2])}:
                return scene
        known = list(dict.fromkeys(full for s in self.scenes for full in (s.name.partition("/")[2], s.name)))
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown scene {name!r}{hint}; `langfield scenes` lists them")


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with langfield."""
    return read_catalogue(Path(str(files("langfield").joinpath("data", "literature", "catalogue.json"))))


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue. Raises DataError naming the place of what is wrong in it."""
    document = read_json(path)
    protocols = {key: member.text() for key, member in _members(document.need("protocols"))}
    places = dict(_members(document.need("places")))
    scenes: list[CatalogueScene] = []
    for entry in document.need("data_sets").items():
        scenes += _scenes(entry, places, protocols)
    names = [scene.name for scene in scenes]
    if len(set(names)) < len(names):
        raise document.need("data_sets").error("names a scene twice: name it once")
    return Catalogue(tuple(scenes), protocols)


def _scenes(entry: Json, places: dict[str, Json], protocols: dict[str, str]) -> list[CatalogueScene]:
    about = _data_set(entry)
    needs = [_need(need) for need in entry.need("layout").items()]
    published = list(entry.need("published").items())
    out = []
    for node in entry.need("scenes").items():
        place = node.need("place").text()
        if place not in places:
            raise node.error(f"is of the place {place!r}, which is not among the places: add it there")
        folder_node, queries = node.get("folder"), node.get("queries")
        folder = folder_node.text() if folder_node else place
        out.append(
            CatalogueScene(
                name=f"{about.name}/{place}",
                data_set=about,
                folder=folder,
                shows=places[place].need("shows").text(),
                phrases={group: _texts(places[place].get(group)) for group in GROUPS},
                needs=tuple(Need(n.what, _filled(n.any_of, folder), n.optional) for n in needs),
                labels=_label_source(entry.need("labels"), folder, protocols),
                labelled=_texts(node.get("labelled")),
                queries=int(queries.number(1, 1e6)) if queries else None,
                published=tuple(_published(figure, place, protocols) for figure in published if _has(figure, place)),
            )
        )
    return out


def _data_set(entry: Json) -> DataSet:
    digest, phrases_file = entry.get("archive_sha256"), entry.get("phrases_file")
    if digest is not None and not _SHA256.fullmatch(digest.text()):
        raise digest.error("must be a SHA-256 in 64 lower-case hexadecimal digits")
    return DataSet(
        name=entry.need("name").text(),
        title=entry.need("title").text(),
        paper=entry.need("paper").text(),
        page=entry.need("page").text(),
        obtain=entry.need("obtain").text(),
        licence=entry.need("licence").text(),
        archive_sha256=digest.text() if digest else None,
        phrases_file=phrases_file.text() if phrases_file else None,
    )


def _need(node: Json) -> Need:
    optional = node.get("optional")
    return Need(node.need("what").text(), _texts(node.need("any")), optional.flag() if optional else False)


def _label_source(node: Json, folder: str, protocols: dict[str, str]) -> LabelSource:
    place = node.get("folder")
    good_for = tuple(_protocol(name, protocols) for name in node.need("protocols").items())
    if (place is None) != (not good_for):
        raise node.error("must have a folder and protocols, or neither")
    return LabelSource(node.need("what").text(), _filled((place.text(),), folder)[0] if place else None, good_for)


def _published(node: Json, place: str, protocols: dict[str, str]) -> Published:
    metric = node.need("metric")
    if metric.text() not in METRICS:
        raise metric.error(f"must be one of {', '.join(METRICS)}, found {metric.text()!r}")
    return Published(
        method=node.need("method").text(),
        metric=metric.text(),
        protocol=_protocol(node.need("protocol"), protocols),
        percent=node.need("percent").need(place).number(0, 100),
        source=node.need("source").text(),
    )


def _has(figure: Json, place: str) -> bool:
    return figure.need("percent").get(place) is not None


def _protocol(node: Json, protocols: dict[str, str]) -> str:
    if node.text() not in protocols:
        raise node.error(f"is {node.text()!r}, which is not among the protocols: say there what it measures")
    return node.text()


def _texts(node: Json | None) -> tuple[str, ...]:
    return tuple(entry.text() for entry in node.items()) if node else ()


def _members(node: Json) -> list[tuple[str, Json]]:
    if not isinstance(node.value, dict):
        raise node.error("must be an object {…}")
    return [(key, node.need(key)) for key in node.value]


def _filled(patterns: tuple[str, ...], folder: str) -> tuple[str, ...]:
    return tuple(pattern.replace("{folder}", folder) for pattern in patterns)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())
