"""`langfield bake`: a field becomes Gaussians that answer at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langfield.cli.console import Console, duration
from langfield.cli.options import OptionalInt, RunOptions, Texts, flat
from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.pipelines.bake import BakeReport


@dataclass(frozen=True, kw_only=True)
class BakeCommand(RunOptions):
    """Make a trained field (lerf, voxel_lift) into Gaussians with sparse language codes; say how alike both answer."""

    out: Path
    """The run directory to write. A baked run there is replaced; a trained one is not."""

    elements: OptionalInt = None
    """At most so many Gaussians. 200,000, if not given."""

    phrase: Texts = ()
    """Phrases that both are asked to compare them.
    Those of the scene's queries.json or common nouns, if not given.
    Takes all words up to the next option or --, and may be given again."""

    def run(self, console: Console) -> dict[str, Any]:
        """Bake; returns what `--json` prints."""
        check_has_run(self.path)
        import langfield

        report = langfield.bake(
            self.path,
            self.out,
            elements=self.elements,
            phrases=flat(self.phrase),
            encoder=self.encoder,
            device=self.device,
            progress=console.progress,
            log=console.say,
        )
        console.table(("", "field", "baked"), _sizes(report))
        console.table(("agreement", ""), _agreement(report))
        console.say(f"{report.run}: baked in {duration(sum(report.stages.values()))}")
        console.say(f"ask it: langfield query {report.run} 'wooden spoon'")
        return report.to_json()


def _sizes(report: "BakeReport") -> list[tuple[str, str, str]]:
    def megabytes(size: int) -> str:
        return f"{size / 2**20:.1f} MB"

    def milliseconds(seconds: float) -> str:
        return f"{1000 * seconds:.1f} ms"

    asked = report.agreement
    return [
        ("on disk", megabytes(report.bytes_field), megabytes(report.bytes_baked)),
        ("of it language", "", megabytes(report.bytes_language)),
        ("a phrase in a view", milliseconds(asked.seconds_field), milliseconds(asked.seconds_baked)),
    ]


def _agreement(report: "BakeReport") -> list[tuple[str, str]]:
    def told(value: float | None, form: str) -> str:
        return "nothing to compare" if value is None else form.format(value)

    found, answered = report.agreement, "where the field answers: "
    return [
        (f"compared: {found.phrases} phrases in {found.views} views", ""),
        ("correlation of relevancy pictures", told(found.correlation, "{:.3f}")),
        (f"{answered}correlation", told(found.correlation_answered, "{:.3f}")),
        ("mean difference of relevancy", told(found.difference, "{:.4f}")),
        ("both answer, or neither", told(found.same_verdict, "{:.1%}")),
        (f"{answered}best pixel in its mask", told(found.best_in_mask, "{:.1%}" + f" of {found.answered}")),
        (f"{answered}IoU of both masks", told(found.mask_iou, "{:.3f}")),
        ("colours of the baked against the field's", told(found.psnr, "PSNR {:.1f} dB")),
    ]
