"""The protocol "presence": whether presence tells phrases of things in the scene from absent ones, and is calibrated.

The presence of a phrase is a number in [0, 1]; above 0.5 the answer is that the thing is there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from langfield.core.progress import Progress
from langfield.data.queries import ABSENT, BACKGROUND
from langfield.evaluation.askable import AskableSession
from langfield.evaluation.labels.base import Phrase
from langfield.evaluation.metrics import auroc, auroc_error
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.questions import Question
from langfield.evaluation.statistics import mean, standard_error

DECISION = 0.5
BINS = 10


def ask(session: AskableSession, phrases: Sequence[Phrase], progress: Progress) -> list[Question]:
    """Ask the whole scene for each phrase but the background's, which nobody looks for."""
    asked = [phrase for phrase in phrases if phrase.kind != BACKGROUND]
    answers = session.query([phrase.text for phrase in asked], progress=progress) if asked else []
    return [presence_question(phrase, answer.presence) for phrase, answer in zip(asked, answers, strict=True)]


def presence_question(phrase: Phrase, presence: float) -> Question:
    """A phrase's presence, and whether deciding by it is right."""
    right = (presence > DECISION) != (phrase.kind == ABSENT)
    return Question(phrase.text, phrase.kind, None, {"presence": presence, "presence_right": float(right)})


def presence_figures(questions: Sequence[Question], kinds: Sequence[str] = HEADLINE_KINDS) -> dict[str, Any]:
    """How well presence tells phrases of some kinds, which are in the scene, from those of kind "absent".

    Returns:
        "auroc" and "auroc_standard_error": None without phrases of both sorts. "accuracy" of deciding at 0.5: None
        without any phrase. "present" and "absent": {"right", "total", "accuracy", "standard_error"} of each sort.
        "balanced_accuracy": the mean of those two accuracies. "reliability", "calibration_error": see the functions.
    """
    of_present, of_absent = _presences(questions, kinds), _presences(questions, [ABSENT])
    presences = np.concatenate([of_present, of_absent])
    truth = np.arange(len(presences)) < len(of_present)
    right = (presences > DECISION) == truth
    sorts = {"present": _accuracy(right[: len(of_present)]), "absent": _accuracy(right[len(of_present) :])}
    both = [sort["accuracy"] for sort in sorts.values()]
    bins = reliability(presences, truth)
    return {
        "auroc": auroc(of_present, of_absent),
        "auroc_standard_error": auroc_error(of_present, of_absent),
        "accuracy": mean(right.tolist()),
        "accuracy_standard_error": standard_error(right.tolist()),
        "balanced_accuracy": None if None in both else mean(both),
        **sorts,
        "reliability": bins,
        "calibration_error": calibration_error(bins),
    }


def reliability(
    presences: Float64[np.ndarray, " n"], truth: Bool[np.ndarray, " n"], bins: int = BINS
) -> list[dict[str, Any]]:
    """The reliability curve: how many phrases of like presence are truly in the scene.

    Returns:
        For each of equal bins of [0, 1], which holds low ≤ presence < high (the last one also 1): "low", "high",
        "count", "presence" (the mean in it), "share_present" (of it, truly in the scene) and the latter's
        "standard_error"; these three are None where the bin is empty.
    """
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, presences, side="right") - 1, 0, bins - 1)
    out = []
    for number in range(bins):
        inside = index == number
        out.append(
            {
                "low": float(edges[number]),
                "high": float(edges[number + 1]),
                "count": int(inside.sum()),
                "presence": mean(presences[inside].tolist()),
                "share_present": mean(truth[inside].tolist()),
                "standard_error": standard_error(truth[inside].tolist()),
            }
        )
    return out


def calibration_error(bins: Sequence[dict[str, Any]]) -> float | None:
    """The expected calibration error (Naeini et al. 2015): mean |mean presence − share present| of bins, weighted
    by their counts. None if all bins are empty.

    Args: bins: as `reliability` returns them.
    """
    filled = [entry for entry in bins if entry["count"]]
    total = sum(entry["count"] for entry in filled)
    off = sum(entry["count"] * abs(entry["presence"] - entry["share_present"]) for entry in filled)
    return off / total if total else None


def _presences(questions: Sequence[Question], kinds: Sequence[str]) -> Float64[np.ndarray, " n"]:
    values = [question.values.get("presence") for question in questions if question.kind in kinds]
    return np.array([value for value in values if value is not None], dtype=np.float64)


def _accuracy(right: Bool[np.ndarray, " n"]) -> dict[str, Any]:
    values = right.tolist()
    return {
        "right": sum(values),
        "total": len(values),
        "accuracy": mean(values),
        "standard_error": standard_error(values),
    }
