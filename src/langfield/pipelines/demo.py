"""The demo: trains on a small scene whose ground truth is known, asks for everything in it, and judges the answers."""

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

# A position is on a thing if it lies no further than this outside of its bounding cylinder; the scene is in metres.
_SLACK_M = 0.02


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer beside the ground truth.

    Attributes:
        expected: "present" or "absent", by the scene's `queries.json`.
        correct: a present thing must be found at the place of something that the phrase means; of an absent one the
            answer must be that it is not there.
        kind: of the phrase: object, attribute, synonym, abstract, absent.
        ids: the things that the phrase means.
    """

    answer: Answer
    expected: str
    correct: bool
    kind: str
    ids: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return self.answer.to_json() | {"expected": self.expected, "correct": self.correct, "kind": self.kind}


@dataclass(frozen=True)
class Demo:
    """The demo's opened run, its answers, and seconds by stage: "training" (features included) and "answers"."""

    session: Session
    judged: Sequence[JudgedAnswer]
    seconds: dict[str, float]


def run_demo(
    scene: Path,
    encoder: str,
    out: Path,
    *,
    device: str = "auto",
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Demo:
    """Train on a scene with `queries.json`, ask for all of its phrases but background, and judge the answers.

    Raises as `langfield.train` and `langfield.open`.
    """
    truth = read_queries(scene / QUERIES_FILE)
    start = time.perf_counter()
    train(scene, out / "run", preset="lift", encoder=encoder, device=device, progress=progress, say=say)
    trained = time.perf_counter()
    session = open_run(out / "run", device=device)
    asked = [query for query in truth.queries if query.kind != BACKGROUND]
    answers = session.query([query.text for query in asked], progress=progress)
    done = time.perf_counter()
    judged = [judge(answer, query, truth.instances_of(query)) for answer, query in zip(answers, asked, strict=True)]
    return Demo(session, judged, {"training": trained - start, "answers": done - trained})


def judge(answer: Answer, query: SceneQuery, things: Sequence[Instance]) -> JudgedAnswer:
    """Compare an answer with the things that its query means; none are meant by what is absent."""
    if not query.ids:
        return JudgedAnswer(answer, "absent", not answer.present, query.kind, query.ids)
    on_a_thing = answer.position is not None and bool(
        Cylinders.of(things).contain(np.array([answer.position], dtype=np.float64), _SLACK_M).any()
    )
    return JudgedAnswer(answer, "present", answer.present and on_a_thing, query.kind, query.ids)
