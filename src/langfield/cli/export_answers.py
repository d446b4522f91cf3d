"""The formats of `langfield export` that are about phrases: what is there becomes files, what is not is said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langfield.cli.console import Console
from langfield.cli.files import make_folder, numbered_slugs, write_array, write_picture
from langfield.cli.render import chosen_views
from langfield.export.answers import CocoDocument, elements_of, in_photos, write_elements
from langfield.query.answers import Answer
from langfield.query.pictures import relevancy_picture
from langfield.query.session import Session
from langfield.runs.atomic import write_json
from langfield.runs.info import RunView

AnswerFormat = Literal["masks", "relevancy", "object", "hide", "json"]


@dataclass(frozen=True)
class Wanted:
    """What is to be written of a run's answers.

    Attributes:
        answers: to phrases that differ; views: photos to show them in, None for those that show each best.
        out: a file or a folder, whichever the format makes.
    """

    session: Session
    answers: Sequence[Answer]
    negatives: Sequence[str] | None
    views: Sequence[RunView] | None
    out: Path

    @property
    def present(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.present]

    @property
    def slugs(self) -> dict[str, str]:
        """A safe part of a file name for each phrase."""
        phrases = [answer.phrase for answer in self.answers]
        return dict(zip(phrases, numbered_slugs(phrases), strict=True))

    def in_views(self) -> list[tuple[RunView, list[str]]]:
        """The photos, in the run's order unless others were asked for, and what to show in each."""
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
    views: tuple[str, ...],
    out: Path,
    console: Console,
) -> dict[str, Any]:
    """Ask, write, and say what was not there; returns what `--json` prints."""
    chosen = chosen_views(session, views) if views else None
    answers = session.query(list(dict.fromkeys(phrases)), negatives=negatives, progress=console.progress)
    for answer in answers:
        if not answer.present:
            console.say(f"not there: {answer.phrase} (presence {answer.presence:.2f})")
    wanted = Wanted(session, answers, negatives, chosen, out)
    files: list[Path] = []
    count: dict[str, int] = {}
    if kind == "json":
        make_folder(out.parent)
        write_json(out, {"answers": [answer.to_json() for answer in answers]})
        files = [out]
    elif wanted.present:
        files, count = _WRITERS[kind](wanted, console)
    if files:
        console.say(f"{len(files)} files in {out}" if out.is_dir() else f"{out}: written")
    else:
        console.say("nothing was written: none of the phrases is there")
    absent = [answer.phrase for answer in answers if not answer.present]
    return {"format": kind, "files": [str(file) for file in files], "absent": absent} | count


_Written = tuple[list[Path], dict[str, int]]


def _masks(wanted: Wanted, console: Console) -> _Written:
    folder, in_views = make_folder(wanted.out), wanted.in_views()
    views = _names([view for view, _ in in_views])
    document = CocoDocument([view for view, _ in in_views], [answer.phrase for answer in wanted.present])
    scores = {answer.phrase: [hit.score for hit in answer.hits] for answer in wanted.present}
    files = []
    for seen in in_photos(wanted.session, in_views, negatives=wanted.negatives, progress=console.progress):
        name = f"{views[seen.view.name]}_mask_{wanted.slugs[seen.phrase]}.png"
        files.append(write_picture(folder / name, seen.mask))
        hits = wanted.session.hit_masks(seen.view.camera, seen.phrase, negatives=wanted.negatives)
        document.add(seen.view, seen.phrase, hits, scores[seen.phrase])
    write_json(folder / "coco.json", document.to_json())
    return [*files, folder / "coco.json"], {}


def _relevancy(wanted: Wanted, console: Console) -> _Written:
    folder, in_views = make_folder(wanted.out), wanted.in_views()
    views, files = _names([view for view, _ in in_views]), []
    for seen in in_photos(wanted.session, in_views, negatives=wanted.negatives, progress=console.progress):
        for output, values in (("relevancy", seen.relevancy), ("refined", seen.refined)):
            name = f"{views[seen.view.name]}_{output}_{wanted.slugs[seen.phrase]}"
            files.append(write_array(folder / f"{name}.npy", values))
            files.append(write_picture(folder / f"{name}.png", relevancy_picture(values)))
    return files, {}


def _object(wanted: Wanted, console: Console) -> _Written:
    """One file of all phrases if that was asked for, else one of each."""
    phrases = [answer.phrase for answer in wanted.present]
    if wanted.out.suffix == ".ply":
        make_folder(wanted.out.parent)
        groups = {wanted.out: phrases}
    else:
        folder = make_folder(wanted.out)
        groups = {folder / f"{wanted.slugs[phrase]}.ply": [phrase] for phrase in phrases}
    files, count = [], 0
    for path, group in groups.items():
        chosen = elements_of(wanted.session, group, negatives=wanted.negatives)
        if chosen is None or not chosen.any():
            console.say(f"no Gaussian lies at {', '.join(group)}: {path} is not written")
            continue
        count += write_elements(wanted.session, path, chosen)
        files.append(path)
    return files, {"count": count}


def _hide(wanted: Wanted, console: Console) -> _Written:
    phrases = [answer.phrase for answer in wanted.present]
    chosen = elements_of(wanted.session, phrases, negatives=wanted.negatives)
    assert chosen is not None
    make_folder(wanted.out.parent)
    console.say(f"{chosen.sum():,} of {len(chosen):,} left out")
    return [wanted.out], {"count": write_elements(wanted.session, wanted.out, ~chosen)}


_WRITERS: Mapping[str, Callable[[Wanted, Console], _Written]] = {
    "masks": _masks,
    "relevancy": _relevancy,
    "object": _object,
    "hide": _hide,
}


def _names(views: Sequence[RunView]) -> dict[str, str]:
    """What files about each photo begin with, as `langfield render` has it."""
    slugs = numbered_slugs([Path(view.name).with_suffix("").as_posix() for view in views])
    return dict(zip((view.name for view in views), slugs, strict=True))
