"""The demo: photos and an encoder that come with langfield; trains on them, asks, and says whether it was right."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from langfield.core.json_files import read_json
from langfield.core.progress import Progress, silent
from langfield.pipelines.opening import open_run
from langfield.pipelines.train import train
from langfield.query.answers import Answer
from langfield.query.session import Session

# A position counts as on a thing within this of its bounding cylinder, metres.
_SLACK_M = 0.02


@dataclass(frozen=True)
class Judged:
    """An answer, what the scene's truth says ("present" or "absent"), and whether they agree.

    A present thing must be found, at the place of something that the phrase means; an absent one must be said absent.

    Attributes:
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
    """What the demo came to: an opened run, its answers, and seconds by stage ("training" includes features)."""

    session: Session
    judged: Sequence[Judged]
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
    """Train on a scene with `queries.json`, ask for all that its truth knows, and compare.

    Raises as `langfield.train` and `langfield.open`.
    """
    truth = read_json(scene / "queries.json").value
    start = time.perf_counter()
    train(scene, out / "run", preset="lift", encoder=encoder, device=device, progress=progress, say=say)
    trained = time.perf_counter()
    session = open_run(out / "run", device=device)
    asked = [query for query in truth["queries"] if query["kind"] != "background"]
    answers = session.query([query["text"] for query in asked], progress=progress)
    done = time.perf_counter()
    instances = {instance["id"]: instance for instance in truth["instances"]}
    judged = [_judge(answer, query, instances) for answer, query in zip(answers, asked, strict=True)]
    return Demo(session, judged, {"training": trained - start, "answers": done - trained})


def _judge(answer: Answer, query: dict[str, Any], instances: dict[int, dict[str, Any]]) -> Judged:
    kind, ids = str(query["kind"]), tuple(query["ids"])
    if not ids:
        return Judged(answer, "absent", not answer.present, kind, ids)
    found = answer.position is not None and any(_lies_on(answer.position, instances[i]) for i in ids)
    return Judged(answer, "present", answer.present and found, kind, ids)


def _lies_on(position: tuple[float, float, float], thing: dict[str, Any]) -> bool:
    """Whether a position is within a thing's upright bounding cylinder and a little slack."""
    away = np.array(position) - np.array(thing["position"])
    across, along = float(np.hypot(*away[:2])), abs(float(away[2]))
    return across <= thing["radius"] + _SLACK_M and along <= thing["height"] / 2 + _SLACK_M
