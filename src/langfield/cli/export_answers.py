"""The formats of `langfield export` that are about phrases: a writer for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langfield.cli.answer_warnings import said_warnings
from langfield.cli.console import Console
from langfield.cli.files import make_folder, numbered_slugs, write_array, write_picture
from langfield.cli.view_selection import chosen_views
from langfield.export.answers import CocoDocument, elements_of, phrases_in_photos, write_elements
from langfield.export.ply import float32_offset
from langfield.query.answers import Answer
from langfield.query.pictures import relevancy_picture
from langfield.query.session import Session
from langfield.runs.atomic import write_json
from langfield.runs.info import RunView

AnswerFormat = Literal["masks", "relevancy", "object", "hide", "json"]


@dataclass(frozen=True)
class ExportRequest:
    """What is to be written of a run's answers.

    Attributes:
        answers: no two of one phrase.
        negatives, min_presence: with which they were asked.
        views: photos to show them in; None for those that show each best.
        out: a file or a folder, whichever the format makes.
    """

    session: Session
    answers: Sequence[Answer]
    negatives: Sequence[str] | None
    min_presence: float
    views: Sequence[RunView] | None
    out: Path

    @property
    def present(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.present]

    @property
    def question(self) -> dict[str, Any]:
        """What besides a phrase its question says."""
        return {"negatives": self.negatives, "min_presence": self.min_presence}

    @property
    def slugs(self) -> dict[str, str]:
        """A safe part of a file name for each phrase."""
        phrases = [answer.phrase for answer in self.answers]
        return dict(zip(phrases, numbered_slugs(phrases), strict=True))

    def phrases_by_view(self) -> list[tuple[RunView, list[str]]]:
        """The views to write and the present phrases to show in each: all of them in views that were asked for, else
        each in those that show its hits best, in the run's order."""
        if self.views is not None:
            return [(view, [answer.phrase for answer in self.present]) for view in self.views]
        best = {answer.phrase: {name for hit in answer.hits for name in hit.views} for answer in self.present}
        pairs = [(v, [phrase for phrase, names in best.items() if v.name in names]) for v in self.session.views]
        return [(view, phrases) for view, phrases in pairs if phrases]


def export_answers(
    kind: AnswerFormat,
    session: Session,
    phrases: Sequence[str],
    *,
    negatives: Sequence[str] | None,
    min_presence: float,
    views: tuple[str, ...],
    out: Path,
    console: Console,
) -> dict[str, Any]:
    """Ask, write, and say what was not there; returns what `--json` prints."""
    chosen = chosen_views(session, views) if views else None
    asked = list(dict.fromkeys(phrases))
    answers = session.query(asked, negatives=negatives, min_presence=min_presence, progress=console.progress)
    warnings = said_warnings(session, console)
    said = {"warnings": warnings} if warnings else {}
    for answer in answers:
        if not answer.present:
            console.say(f"not there: {answer.phrase} (presence {answer.presence:.2f})")
    request = ExportRequest(session, answers, negatives, min_presence, chosen, out)
    if kind in ("object", "hide") and request.present and not session.has_splats:
        session.surface(progress=console.progress)
    files: list[Path] = []
    facts: dict[str, Any] = {}
    if kind == "json":
        make_folder(out.parent)
        write_json(out, {"answers": [answer.to_json() for answer in answers], "warnings": warnings})
        files = [out]
    elif request.present:
        files, facts = _WRITERS[kind](request, console)
    if files:
        console.say(f"{len(files)} files in {out}" if out.is_dir() else f"{out}: written")
    else:
        console.say("nothing was written: none of the phrases is there")
    absent = [answer.phrase for answer in answers if not answer.present]
    return {"format": kind, "files": [str(file) for file in files], "absent": absent} | facts | said


_FilesAndFacts = tuple[list[Path], dict[str, Any]]


def _masks(request: ExportRequest, console: Console) -> _FilesAndFacts:
    """Masks of phrases that a photo does not show are written only for photos that were asked for."""
    folder, phrases_by_view = make_folder(request.out), request.phrases_by_view()
    views = _file_stems([view for view, _ in phrases_by_view])
    document = CocoDocument([view for view, _ in phrases_by_view], [answer.phrase for answer in request.present])
    scores = {answer.phrase: [hit.score for hit in answer.hits] for answer in request.present}
    files, empty = [], []
    for shown in phrases_in_photos(request.session, phrases_by_view, **request.question, progress=console.progress):
        name = f"{views[shown.view.name]}_mask_{request.slugs[shown.phrase]}.png"
        if not shown.mask.any():
            empty.append({"view": shown.view.name, "phrase": shown.phrase})
            if request.views is None:
                continue
        files.append(write_picture(folder / name, shown.mask))
        hits = request.session.hit_masks(shown.view.camera, shown.phrase, **request.question)
        document.add(shown.view, shown.phrase, hits, scores[shown.phrase], name)
    write_json(folder / "coco.json", document.to_json())
    if empty:
        what = "masks are left out" if request.views is None else "masks are empty"
        first = f"{empty[0]['phrase']} is not seen in {empty[0]['view']}"
        console.say(f"{len(empty)} {what}: {first}{', and so on' if len(empty) > 1 else ''}")
    return [*files, folder / "coco.json"], {"empty": empty}


def _relevancy(request: ExportRequest, console: Console) -> _FilesAndFacts:
    folder, phrases_by_view = make_folder(request.out), request.phrases_by_view()
    views, files = _file_stems([view for view, _ in phrases_by_view]), []
    for shown in phrases_in_photos(request.session, phrases_by_view, **request.question, progress=console.progress):
        for output, values in (("relevancy", shown.relevancy), ("refined", shown.refined)):
            name = f"{views[shown.view.name]}_{output}_{request.slugs[shown.phrase]}"
            files.append(write_array(folder / f"{name}.npy", values))
            files.append(write_picture(folder / f"{name}.png", relevancy_picture(values)))
    return files, {}


def _object(request: ExportRequest, console: Console) -> _FilesAndFacts:
    """One file of all phrases if that was asked for, else one of each."""
    phrases = [answer.phrase for answer in request.present]
    if request.out.suffix == ".ply":
        make_folder(request.out.parent)
        groups = {request.out: phrases}
    else:
        folder = make_folder(request.out)
        groups = {folder / f"{request.slugs[phrase]}.ply": [phrase] for phrase in phrases}
    files, count = [], 0
    for path, group in groups.items():
        chosen = elements_of(request.session, group, **request.question)
        if chosen is None or not chosen.any():
            console.say(f"no Gaussian lies at {', '.join(group)}: {path} is not written")
            continue
        count += write_elements(request.session, path, chosen)
        files.append(path)
    return files, {"count": count} | _offset(request, console)


def _hide(request: ExportRequest, console: Console) -> _FilesAndFacts:
    phrases = [answer.phrase for answer in request.present]
    chosen = elements_of(request.session, phrases, **request.question)
    assert chosen is not None
    make_folder(request.out.parent)
    console.say(f"{chosen.sum():,} of {len(chosen):,} left out")
    count = write_elements(request.session, request.out, ~chosen)
    return [request.out], {"count": count} | _offset(request, console)


def _offset(request: ExportRequest, console: Console) -> dict[str, Any]:
    """What is to be added to the positions of the Gaussians that were written; nothing for points."""
    offset = float32_offset(request.session.splats().means) if request.session.has_splats else None
    return said_offset(offset, console)


def said_offset(offset: tuple[float, float, float] | None, console: Console) -> dict[str, Any]:
    """What is to be added to positions in a file of Gaussians, said, and as what `--json` prints; {} for nothing."""
    if offset is None:
        return {}
    x, y, z = offset
    console.say(f"positions are relative to {x:.12g} {y:.12g} {z:.12g} (comment offset): floats have too few digits")
    return {"offset": list(offset)}


_WRITERS: Mapping[str, Callable[[ExportRequest, Console], _FilesAndFacts]] = {
    "masks": _masks,
    "relevancy": _relevancy,
    "object": _object,
    "hide": _hide,
}


def _file_stems(views: Sequence[RunView]) -> dict[str, str]:
    """What the names of files about each view begin with: the same as `langfield render` makes."""
    slugs = numbered_slugs([Path(view.name).with_suffix("").as_posix() for view in views])
    return dict(zip((view.name for view in views), slugs, strict=True))
