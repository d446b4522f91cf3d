"""`langfield scenes`: the scenes of the literature, how to obtain them, and whether a folder is one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from langfield.cli.console import Console
from langfield.cli.options import OptionalPath, OutputOptions
from langfield.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from langfield.data.literature.catalogue import CatalogueScene
    from langfield.data.literature.layouts import Layout

SceneName = tyro.conf.Positional[Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]]


@dataclass(frozen=True, kw_only=True)
class ScenesCommand(OutputOptions):
    """List the scenes of the literature; say how to obtain one, and whether a folder is it. Downloads nothing."""

    name: SceneName = None
    """A scene of the list, such as teatime or lerf-ovs/teatime."""

    check: OptionalPath = None
    """Say whether this folder has the scene's layout, and what is missing."""

    unpack: OptionalPath = None
    """Unpack the authors' zip archive safely, into the new folder --out."""

    out: OptionalPath = None
    """Where to unpack it to."""

    def run(self, console: Console) -> dict[str, Any]:
        """List, describe, check or unpack; returns what `--json` prints."""
        from langfield.data.literature.catalogue import catalogue

        if self.check is not None and self.unpack is not None:
            raise UsageError("--check and --unpack are two questions: ask one after the other")
        if (self.unpack is None) != (self.out is None):
            raise UsageError("--unpack and --out go together: langfield scenes NAME --unpack ARCHIVE.zip --out FOLDER")
        if self.name is None:
            if self.check is not None or self.unpack is not None:
                raise UsageError(
                    "which scene is it? langfield scenes NAME --check FOLDER; `langfield scenes` lists them"
                )
            return _list(catalogue().scenes, console)
        scene = catalogue().find(self.name)
        if self.check is not None:
            return _check(scene, self.check, console)
        if self.unpack is not None and self.out is not None:
            return _unpack(scene, self.unpack, self.out, console)
        return _describe(scene, console)


def _list(scenes: "tuple[CatalogueScene, ...]", console: Console) -> dict[str, Any]:
    columns = ("scene", "shows", "labelled photos", "queries", "phrases")
    rows = []
    for scene in scenes:
        phrases = ", ".join(f"{len(asked)} {group}" for group, asked in scene.phrases.items() if asked)
        phrases = phrases or ("its classes" if scene.data_set.phrases_file else "")
        rows.append((scene.name, scene.shows, str(len(scene.labelled) or ""), str(scene.queries or ""), phrases))
    console.table(columns, rows)
    console.say("langfield scenes NAME says how to obtain one; langfield reproduce NAME --data FOLDER asks its phrases")
    return {"scenes": [scene.to_json() for scene in scenes]}


def _describe(scene: "CatalogueScene", console: Console) -> dict[str, Any]:
    about = scene.data_set
    rows = [
        ("scene", f"{scene.name}: {scene.shows}"),
        ("paper", about.paper),
        ("page", about.page),
        ("to obtain it", about.obtain),
        ("licence", about.licence),
        ("archive", f"SHA-256 {about.archive_sha256}" if about.archive_sha256 else "its SHA-256 is not known"),
        *(("folder has", _need_line(need)) for need in scene.to_json()["layout"]),
        ("labels", scene.labels.what),
        *((("protocols", ", ".join(scene.labels.protocols)),) if scene.labels.protocols else ()),
        *((("labelled photos", ", ".join(scene.labelled)),) if scene.labelled else ()),
        *((("queries", str(scene.queries)),) if scene.queries else ()),
        *((f"phrases, {group}", "; ".join(asked)) for group, asked in scene.phrases.items() if asked),
        *((("phrases", f"each line of {about.phrases_file}"),) if about.phrases_file else ()),
        *(
            (f"{p.method}, {p.metric}", f"{p.percent:.1f} % by protocol {p.protocol} ({p.source})")
            for p in scene.published
        ),
    ]
    console.table(("", ""), rows)
    return {"scene": scene.to_json()}


def _need_line(need: dict[str, Any]) -> str:
    return f"{' or '.join(need['any'])} ({need['what']})"


def _check(scene: "CatalogueScene", folder: Path, console: Console) -> dict[str, Any]:
    from langfield.data.literature.layouts import how_to_obtain, look_for

    layout = look_for(scene, folder)
    result = {"scene": scene.name, **_checked(layout)}
    for line in result["missing"]:
        console.say(f"missing: {line}")
    for line in result["lacking"]:
        console.say(f"not there: {line}")
    if result["problem"] is not None:
        console.say(f"does not open: {result['problem']}")
    if layout.missing:
        console.say(how_to_obtain(scene))
    for note in result["notes"]:
        console.say(note)
    console.say(f"{layout.folder} is {'' if result['complete'] else 'not '}{scene.name} as it should be")
    return result


def _checked(layout: "Layout") -> dict[str, Any]:
    """What is missing; a layout that is complete is also opened, as a training would."""
    notes: tuple[str, ...] = ()
    problem = None
    if not layout.missing:
        from langfield.data.scene import open_scene

        try:
            notes = open_scene(layout.folder).notes
        except DataError as error:
            problem = str(error)
    return {
        "folder": str(layout.folder),
        "complete": not layout.missing and problem is None,
        "missing": list(layout.missing),
        "lacking": list(layout.missing_optional),
        "problem": problem,
        "notes": list(notes),
    }


def _unpack(scene: "CatalogueScene", archive: Path, out: Path, console: Console) -> dict[str, Any]:
    from langfield.data.literature.unpacking import unpack_zip

    known = scene.data_set.archive_sha256
    unpacked = unpack_zip(archive, out, sha256=known, progress=console.progress)
    digest = "as the authors' archive has" if known else "there is no known one to compare it with"
    console.say(f"{unpacked.files} files in {out}; the archive's SHA-256 is {unpacked.sha256} ({digest})")
    return {**_check(scene, out, console), "out": str(out), **vars(unpacked)}
