"""`langfield query`: where things are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langfield.cli.answer_warnings import said_warnings
from langfield.cli.console import Console
from langfield.cli.options import MinPresence, OptionalPath, Phrases, RunOptions, Texts, flat
from langfield.core.errors import UsageError

if TYPE_CHECKING:
    from langfield.query.answers import Answer


@dataclass(frozen=True, kw_only=True)
class QueryCommand(RunOptions):
    """Say where phrases are in the scene, or that they are not there."""

    phrases: Phrases
    """What to look for, each phrase in quotes."""

    negative: Texts = ()
    """Phrases that the asked ones compete with.
    The encoder's own (object, things, stuff, texture), if not given.
    Takes all words up to the next option or --, and may be given again."""

    min_presence: MinPresence = None
    """What counts as there: a phrase whose presence is more than that. 0.5, if not given; 0 also shows what was found
    of phrases that are not there."""

    out: OptionalPath = None
    """Also write pictures and masks here, and all of them together as answers.png."""

    def run(self, console: Console) -> dict[str, Any]:
        """Ask; returns what `--json` prints."""
        if not self.phrases:
            taken = "; --negative takes all words up to the next option or --" if any(self.negative) else ""
            example = "langfield query RUN 'wooden spoon' mug"
            raise UsageError(f"nothing to look for: add phrases, such as: {example}{taken}")
        session = self.opened()
        negatives = flat(self.negative) or None
        if negatives is not None:  # so that a phrase that became one is seen
            console.say(f"against {', '.join(negatives)}")
        least = 0.5 if self.min_presence is None else self.min_presence
        answers = session.query(self.phrases, negatives=negatives, min_presence=least, progress=console.progress)
        console.table(("phrase", "there", "presence", "score", "position", "box size"), [_row(a) for a in answers])
        warnings = said_warnings(session, console)
        result: dict[str, Any] = {"answers": [answer.to_json() for answer in answers], "warnings": warnings}
        if self.out is not None:
            from langfield.cli.answer_files import write_answers

            files = write_answers(session, answers, negatives, self.out, console.progress, min_presence=least)
            result["files"] = [str(file) for file in files]
            console.say(f"{len(files)} pictures in {self.out}; all at once: {files[-1]}")
        return result


def _row(answer: "Answer") -> tuple[str, ...]:
    size = "" if answer.box is None else " x ".join(f"{side:.3g}" for side in answer.box.size)
    there, score = ("yes", f"{answer.score:.2f}") if answer.present else ("no", "")
    return answer.phrase, there, f"{answer.presence:.2f}", score, answer.position_text, size
