"""The demo: trains on a small scene with ground truth, asks for everything in it, and judges the answers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from langfield.core.progress import Progress, silent
from langfield.data.queries import BACKGROUND, QUERIES_FILE, Instance, SceneQuery, read_queries
from langfield.evaluation.protocols.positions import Cylinders
from langfield.pipelines.opening import open_run
from langfield.pipelines.train import train
from langfield.query.answers import Answer
from langfield.query.session import Session

_TOLERANCE_M = 0.02  # that a position may lie outside of a thing's bounding cylinder; the scene is in metres


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer and the ground truth.

    Attributes:
        answer: to the phrase.
        expected: "present" or "absent", by the scene's `queries.json`.
        correct: of a present thing, whether the answer's position is on one that the phrase means; of an absent one,
            whether the answer is that it is absent.
        kind: of the phrase: object, attribute, synonym, abstract, absent.
        ids: of the things that the phrase means.
    """

    answer: Answer
    expected: str
    correct: bool
    kind: str
    ids: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """An entry of what `langfield demo --json` prints."""
        return self.answer.to_json() | {"expected": self.expected, "correct": self.correct, "kind": self.kind}


@dataclass(frozen=True)
class Demo:
    """What the demo led to.

    Attributes:
        session: its opened run.
        judged: the answers.
        seconds: duration of "training" (features included) and "answers".
    """

    session: Session
    judged: Sequence[JudgedAnswer]
    seconds: dict[str, float]


def run_demo(
    scene: Path,
    encoder: str,
    out: Path,
    *,
    device: str = "auto",
    masks: str | None = None,
    progress: Progress = silent,
    log: Callable[[str], None] = lambda line: None,
) -> Demo:
    """Train on a scene with `queries.json`, ask for all of its phrases but background, and judge the answers.

    Args:
        masks: encoder of masks that tells things apart, so that they can be clicked; None for none.

    Raises as `langfield.train` and `langfield.open`.
    """
    truth = read_queries(scene / QUERIES_FILE)
    start = time.perf_counter()
    train(scene, out / "run", preset="lift", encoder=encoder, masks=masks, device=device, progress=progress, log=log)
    trained = time.perf_counter()
    session = open_run(out / "run", device=device)
    asked = [query for query in truth.queries if query.kind != BACKGROUND]
    answers = session.query([query.text for query in asked], progress=progress)
    done = time.perf_counter()
    judged = [judge(answer, query, truth.instances_of(query)) for answer, query in zip(answers, asked, strict=True)]
    return Demo(session, judged, {"training": trained - start, "answers": done - trained})


def judge(answer: Answer, query: SceneQuery, things: Sequence[Instance]) -> JudgedAnswer:
    """Judge an answer by the things that its query means, which are none for an absent thing."""
    if not query.ids:
        return JudgedAnswer(answer, "absent", not answer.present, query.kind, query.ids)
    on_a_thing = answer.position is not None and bool(
        Cylinders.of(things).contain(np.array([answer.position], dtype=np.float64), _TOLERANCE_M).any()
    )
    return JudgedAnswer(answer, "present", answer.present and on_a_thing, query.kind, query.ids)
