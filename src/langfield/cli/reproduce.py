"""`langfield reproduce`: a scene of the literature trained, measured and asked what its paper asked."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from langfield.cli.console import Console, duration
from langfield.cli.options import Device, EncoderSpec, OptionalPath, OutputOptions, PresetName
from langfield.core.errors import DataError, UsageError
from langfield.evaluation.protocols.names import ASKED_IN, PROTOCOLS_AT_LEVELS, LevelMaps, ProtocolName

if TYPE_CHECKING:
    from langfield.data.literature.catalogue import CatalogueScene
    from langfield.data.scene import Scene
    from langfield.query.answers import Answer
    from langfield.query.session import Session
    from langfield.reports.contact_sheet import SheetRow

PhraseGroup = Literal["paper", "failures", "free", "all"]
_ROWS_IN_BLOCK = 8


@dataclass(frozen=True)
class CataloguePhrase:
    """A phrase to ask, and the group of the scene's phrases in the catalogue that it is from."""

    phrase: str
    group: str


@dataclass(frozen=True, kw_only=True)
class ReproduceCommand(OutputOptions):
    """Train on a scene of the literature, measure it if it has labels, and draw what its paper's figures ask.

    Goes on where it stopped when the same is asked for again.
    """

    scene: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SCENE")]]
    """A scene of `langfield scenes`, such as teatime or lerf-ovs/teatime."""

    data: Path
    """The scene's folder, or its data set's. `langfield scenes SCENE` says how to obtain it."""

    phrases: PhraseGroup = "paper"
    """paper: of its paper's figures. failures: those that LERF says it fails at. free: freely chosen ones."""

    out: OptionalPath = None
    """Where the run, the sheet and the figures go. reproduce-SCENE, if not given."""

    preset: PresetName = None
    """As for `langfield train`."""

    encoder: EncoderSpec = None
    """Image-text encoder, as for `langfield train`. The preset's, if not given."""

    dense: EncoderSpec = None
    """Self-supervised encoder or none, as for `langfield train`. The preset's, if not given."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    def run(self, console: Console) -> dict[str, Any]:
        """Train, measure, ask and draw; returns what `--json` prints."""
        from langfield.data.literature.catalogue import catalogue
        from langfield.data.literature.layouts import how_to_obtain, look_for

        scene = catalogue().find(self.scene)
        layout = look_for(scene, self.data)
        if layout.missing:
            raise DataError(f"is not {scene.name}: {'; '.join(layout.missing)}; {how_to_obtain(scene)}", layout.folder)
        asked = chosen_phrases(scene, layout.folder, self.phrases)
        out = self.out or Path(f"reproduce-{scene.name.replace('/', '-')}")
        return self._train_measure_ask(scene, layout.folder, asked, out, console)

    def _train_measure_ask(
        self, scene: "CatalogueScene", folder: Path, asked: Sequence[CataloguePhrase], out: Path, console: Console
    ) -> dict[str, Any]:
        import langfield
        from langfield.data.scene import open_scene
        from langfield.runs.atomic import write_json

        run, photos = out / "run", open_scene(folder)
        # Labels that cannot be used end it before the training.
        plan = plan_protocols(scene, folder, photos, console)
        trained = langfield.train(
            folder,
            run,
            preset=self.preset,
            encoder=self.encoder,
            dense=self.dense,
            device=self.device,
            progress=console.progress,
            log=console.say,
        )
        sheet = out / "sheet.png"
        title = f"{scene.name}, preset {trained.preset}"
        # The opened run goes before measuring opens its own: both would need the memory.
        answers = _ask_and_draw(langfield.open(run, device=self.device), photos, asked, title, sheet, console)
        measured = measured_figures(plan, folder, run, self.device, console)
        at_levels: dict[ProtocolName, Path | None] = {
            protocol: plan[protocol] for protocol in PROTOCOLS_AT_LEVELS if protocol in plan
        }
        raw = measured_figures(at_levels, folder, run, self.device, console, "raw")
        result = {
            "scene": scene.name,
            "data": str(folder),
            "training": trained.to_json(),
            "answers": [a.to_json() | {"group": q.group} for a, q in zip(answers, asked, strict=True)],
            "measured": measured,
            "measured_raw": raw,
            "published": [
                figure | compare_with_published(figure, measured, raw) for figure in scene.to_json()["published"]
            ],
            "protocols": _protocols_of(scene, measured),
        }
        write_json(out / "reproduce.json", result)
        _print_results(result, asked, answers, console)
        console.say(f"trained in {duration(trained.seconds)}; figure: {sheet}; all numbers: {out / 'reproduce.json'}")
        return result | {"files": [str(sheet), str(out / "reproduce.json")]}


def chosen_phrases(scene: "CatalogueScene", folder: Path, which: PhraseGroup) -> list[CataloguePhrase]:
    """The phrases of one group or of all, each once. Raises UsageError if there are none."""
    from langfield.data.literature.layouts import phrases_of

    groups = phrases_of(scene, folder)
    asked: dict[str, CataloguePhrase] = {}
    for group, phrases in groups.items():
        if which in (group, "all"):
            asked |= {phrase: CataloguePhrase(phrase, group) for phrase in phrases if phrase not in asked}
    if not asked:
        some = [group for group, phrases in groups.items() if phrases]
        has = f"choose --phrases {' or '.join(some)}" if some else "use langfield train and langfield query"
        of_which = "phrases" if which == "all" else f"{which} phrases"
        raise UsageError(f"no {of_which} are known for {scene.name}: {has}")
    return list(asked.values())


def _ask_and_draw(
    session: "Session", photos: "Scene", asked: Sequence[CataloguePhrase], title: str, path: Path, console: Console
) -> "list[Answer]":
    """Ask the phrases and write the contact sheet, each phrase in the photo that shows its answer best."""
    from langfield.cli.files import make_folder, write_picture
    from langfield.core.progress import ProgressEvent
    from langfield.data.images import decode_image
    from langfield.reports.answer_pictures import Rgb, best_view_indices, photo_row
    from langfield.reports.contact_sheet import contact_sheet

    make_folder(path.parent)
    answers = session.query([question.phrase for question in asked], progress=console.progress)
    photo_views, start = {view.name: view for view in photos.views}, time.monotonic()

    def read_photo(name: str, size: tuple[int, int]) -> Rgb:
        view = photo_views[name]
        return decode_image(view.image_path, size, view.white_level)

    rows: list[SheetRow] = []
    views = best_view_indices(session, answers)
    for question, answer, view in zip(asked, answers, views, strict=True):
        note = " (LERF fails at it)" if question.group == "failures" else ""
        rows.append(photo_row(session, answer, view, read_photo, note))
        console.progress(ProgressEvent("pictures", len(rows), len(asked), "phrases", time.monotonic() - start))
    write_picture(path, contact_sheet(rows, blocks=-(-len(rows) // _ROWS_IN_BLOCK), title=title))
    return answers


def plan_protocols(
    scene: "CatalogueScene", folder: Path, photos: "Scene", console: Console
) -> dict[ProtocolName, Path | None]:
    """The protocols to measure by, with the path of the labels of each (None to compare pictures alone).

    They are those that the catalogue names for the data set's labels and whose kind of view has labels here, and
    "langfield" where there are test photos. Raises DataError for labels that cannot be used.
    """
    from langfield.data.literature.layouts import labels_folder
    from langfield.evaluation.labels.layouts import open_labels

    labels = labels_folder(scene, folder)
    opened = None if labels is None else open_labels(labels, photos.views)
    covered = [] if opened is None else [i for i, view in enumerate(photos.views) if opened.covers(view)]
    asked = {
        "test views": [index for index in covered if index in photos.test],
        "labelled photos": covered,
        "held-out labelled photos": [index for index in covered if index not in photos.train],
        "the scene": covered,
    }
    plan: dict[ProtocolName, Path | None] = {
        name: labels for name, where in ASKED_IN.items() if name in scene.labels.protocols and asked[where]
    }
    if not photos.test:
        console.say("the scene names no test photos, so nothing is measured in any")
        return plan
    if labels is not None and not asked["test views"]:
        console.say(f"none of the photos labelled in {labels} is a test photo: of those only pictures are measured")
    return plan if "langfield" in plan else {"langfield": None, **plan}


def measured_figures(
    plan: Mapping[ProtocolName, Path | None],
    folder: Path,
    run: Path,
    device: str,
    console: Console,
    maps: LevelMaps | None = None,
) -> dict[str, Any]:
    """What `langfield eval --json` prints, by protocol. Args: maps: see `langfield.evaluate`."""
    import langfield

    return {
        protocol: langfield.evaluate(
            run, scene=folder, queries=labels, protocol=protocol, maps=maps, device=device, progress=console.progress
        ).to_json()
        for protocol, labels in plan.items()
    }


def compare_with_published(
    figure: Mapping[str, Any], measured: Mapping[str, Any], measured_raw: Mapping[str, Any]
) -> dict[str, Any]:
    """What was measured here by a published figure's protocol.

    Args: measured, measured_raw: reports by protocol; the latter of those in which relevancy maps compete, raw as in
        the papers.

    Returns "measured_percent" by the same protocol as the published one; "refined_percent", where maps compete, by that
    protocol of langfield's refined maps, which no paper has; "note": how the first compares.
    """
    protocol, metric = figure["protocol"], figure["metric"]
    refined = measured.get(protocol) if protocol in PROTOCOLS_AT_LEVELS else None
    report = measured_raw.get(protocol) if protocol in PROTOCOLS_AT_LEVELS else measured.get(protocol)
    refined_percent = None if refined is None else percent(refined, metric)
    if report is None:
        note = "another protocol than any measured here: does not compare"
        return {"measured_percent": None, "refined_percent": refined_percent, "note": note}
    note = "the same protocol"
    if report.get("trained_on") is not None:
        note += f"; {len(report['trained_on'])} of {report['views']} labelled photos were trained on"
    return {"measured_percent": percent(report, metric), "refined_percent": refined_percent, "note": note}


def percent(report: dict[str, Any], metric: str) -> float | None:
    """A metric of the catalogue from a report of `langfield eval`, in percent; None if it was not measured."""
    if metric == "localisation":
        counted = (report.get("localisation") or {}).get("all")
        return 100 * counted["hits"] / counted["total"] if counted and counted["total"] else None
    share = report.get("boundary_miou" if metric == "boundary_iou" else metric)
    return None if share is None else 100 * share


def _protocols_of(scene: "CatalogueScene", measured: dict[str, Any]) -> dict[str, str]:
    from langfield.data.literature.catalogue import catalogue

    named = [*measured, *(figure.protocol for figure in scene.published)]
    return {name: catalogue().protocols[name] for name in dict.fromkeys(named)}


def _print_results(
    result: dict[str, Any], asked: Sequence[CataloguePhrase], answers: "Sequence[Answer]", console: Console
) -> None:
    from langfield.data.literature.catalogue import METRICS
    from langfield.reports.answer_pictures import verdict

    rows = []
    for question, answer in zip(asked, answers, strict=True):
        presence = f"{answer.presence:.2f}"
        rows.append((question.phrase, question.group, verdict(answer), presence, answer.position_text))
    console.table(("phrase", "of", "answer", "presence", "position"), rows)
    same = {figure["protocol"] for figure in result["published"] if figure["measured_percent"] is not None}
    reports = [
        ("here", "the same protocol" if protocol in same else "", protocol, report)
        for protocol, report in (result["measured"] | result["measured_raw"]).items()
    ]
    reports += [
        ("here, refined maps", "langfield's own variant", protocol, result["measured"][protocol])
        for protocol in result["measured_raw"]
    ]
    figures = [
        (method, metric, protocol, f"{value:.1f} %", note)
        for method, note, protocol, report in reports
        for metric in METRICS
        if (value := percent(report, metric)) is not None
    ]
    figures += [(f["method"], f["metric"], f["protocol"], f"{f['percent']:.1f} %", "") for f in result["published"]]
    if figures:
        console.table(("method", "figure", "protocol", "", "compares as"), figures)
        for protocol, measures in result["protocols"].items():
            console.say(f"protocol {protocol}: {measures}")
