"""`langfield report`: a page about a run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalInt, OptionalPath, RunOptions, Texts, flat
from langfield.core import version
from langfield.core.errors import UsageError
from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.evaluation.phrase_results import PhraseEvaluation, PhraseResult

_PHRASES_SHOWN = 12  # with pictures, where none were asked for
_MAX_PHRASES_SHOWN = 24
_VIEWS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ReportCommand(RunOptions):
    """Write one HTML page about a run: figures, pictures, every phrase with the worst first, curves, configuration."""

    out: OptionalPath = None
    """The file to write. report.html in the run directory, if not given."""

    phrase: Texts = ()
    """Phrases to show pictures of, each in quotes.
    Of those that the scene's queries.json knows, the worst and some others, if not given.
    Takes all words up to the next option or --, and may be given again."""

    scene: OptionalPath = None
    """The scene it was trained on. Where it was when trained, if not given."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    queries: OptionalPath = None
    """Labels, as for `langfield eval`. The scene's queries.json, if not given and there."""

    max_side: OptionalInt = None
    """Ask phrases on a picture no longer than this. 160 on a CPU and the photos' size on a GPU, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Measure, write the page; returns what `--json` prints."""
        check_has_run(self.path)
        out = self.path / "report.html" if self.out is None else self.out
        from langfield.cli.pages import check_page_name

        check_page_name(out)
        if any(not phrase.strip() for phrase in flat(self.phrase)):
            raise UsageError("a phrase is empty")
        from langfield.cli import pages
        from langfield.cli.files import make_folder
        from langfield.evaluation.phrase_results import evaluate_phrases
        from langfield.pipelines.opening import open_to_measure
        from langfield.reports.page_pictures import phrase_pictures, view_pictures, views_to_show
        from langfield.reports.report_page import ReportContent, report_page

        opened = open_to_measure(
            self.path,
            scene=self.scene,
            encoder=self.encoder,
            allow_outside=self.allow_outside,
            queries=self.queries,
            max_side_px=self.max_side,
            device=self.device,
            progress=console.progress,
        )
        session, scene = opened.session, opened.scene
        make_folder(out.parent)
        measured = evaluate_phrases(
            session,
            scene,
            queries=opened.queries,
            more_phrases=flat(self.phrase),
            max_side_px=opened.max_side_px,
            device=session.device,
            progress=console.progress,
        )
        shown = self._shown(measured)
        photos = pages.photo_views(scene, measured.labels)
        in_views = [photos[name] for name in views_to_show(session, shown)]
        content = ReportContent(
            facts=pages.read_run_facts(self.path, self.path.absolute().name),
            evaluation=measured.evaluation,
            phrases=measured.phrases,
            view_pictures=view_pictures(session, pages.some_test_views(scene, photos, _VIEWS_SHOWN), console.progress),
            phrase_pictures=phrase_pictures(session, list(zip(shown, in_views, strict=True)), console.progress),
            package_version=version.package_version(),
            made=pages.now(),
            notes=[*session.info.warnings, *self._notes(measured, len(shown))],
        )
        written = pages.write_page(out, report_page(content))
        console.say(f"{written['page']}: {written['bytes'] / 2**20:.1f} MB; open it in a browser")
        phrases = [result.to_json() for result in measured.phrases]
        return {"run": str(self.path), **written, "evaluation": measured.evaluation or None, "phrases": phrases}

    def _shown(self, measured: "PhraseEvaluation") -> "list[PhraseResult]":
        """The phrases to show pictures of."""
        from langfield.evaluation.phrase_results import worst_first
        from langfield.reports.phrase_sections import phrases_to_show

        if not any(self.phrase):
            return phrases_to_show(measured.phrases, _PHRASES_SHOWN)
        asked = [result for result in measured.phrases if result.phrase in flat(self.phrase)]
        return worst_first(asked)[:_MAX_PHRASES_SHOWN]

    def _notes(self, measured: "PhraseEvaluation", shown: int) -> list[str]:
        notes = []
        if not measured.evaluation:
            notes.append("The scene has no test views, so that nothing was measured.")
        if measured.labels is None:
            notes.append("No labels say what is where in the scene: answers are shown, but not judged.")
        if not measured.phrases:
            notes.append("No phrase was given: `langfield report RUN --phrase 'wooden spoon'` shows answers.")
        if shown < len(flat(self.phrase)):
            notes.append(f"Pictures of the worst {shown} phrases are shown; all of them stand in the table.")
        return notes
