"""The protocol "presence": whether evidence tells what is in a scene from what is not, and means what it says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from langfield.core.progress import Progress
from langfield.evaluation.askable import Asked
from langfield.evaluation.labels.base import ABSENT, BACKGROUND, Phrase
from langfield.evaluation.metrics import auroc, auroc_error
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.questions import Question, mean, standard_error

DECISION = 0.5
BINS = 10


def ask(session: Asked, phrases: Sequence[Phrase], progress: Progress) -> list[Question]:
    """Each phrase's presence in the whole scene, except that of the background: a table is nobody's question."""
    asked = [phrase for phrase in phrases if phrase.kind != BACKGROUND]
    answers = session.query([phrase.text for phrase in asked], progress=progress) if asked else []
    return [presence_question(phrase, answer.presence) for phrase, answer in zip(asked, answers, strict=True)]


def presence_question(phrase: Phrase, evidence: float) -> Question:
    """What the evidence for a phrase came to."""
    right = (evidence > DECISION) != (phrase.kind == ABSENT)
    return Question(phrase.text, phrase.kind, None, {"presence": evidence, "presence_right": float(right)})


def presence_figures(questions: Sequence[Question], kinds: Sequence[str] = HEADLINE_KINDS) -> dict[str, Any]:
    """How well evidence in [0, 1] tells phrases of some kinds, which are in the scene, from those of kind "absent".

    Returns:
        "auroc" (None without either sort) and "auroc_standard_error". "accuracy" of deciding at 0.5 (None without
        any), "present" and "absent": {"right", "total", "accuracy", "standard_error"} of each sort.
        "balanced_accuracy": the mean of those two accuracies. "reliability", "calibration_error": see the functions.
    """
    present = _evidence(questions, kinds)
    absent = _evidence(questions, [ABSENT])
    evidence = np.concatenate([present, absent])
    truth = np.arange(len(evidence)) < len(present)
    right = (evidence > DECISION) == truth
    sorts = {"present": _share(right[: len(present)]), "absent": _share(right[len(present) :])}
    both = [sort["accuracy"] for sort in sorts.values()]
    bins = reliability(evidence, truth)
    return {
        "auroc": auroc(present, absent),
        "auroc_standard_error": auroc_error(present, absent),
        "accuracy": mean(right.tolist()),
        "accuracy_standard_error": standard_error(right.tolist()),
        "balanced_accuracy": None if None in both else mean(both),
        **sorts,
        "reliability": bins,
        "calibration_error": calibration_error(bins),
    }


def reliability(
    evidence: Float64[np.ndarray, " n"], truth: Bool[np.ndarray, " n"], bins: int = BINS
) -> list[dict[str, Any]]:
    """The reliability curve: evidence sorted into equal bins of [0, 1].

    Returns:
        For each bin, which holds low ≤ evidence < high (the last one also 1): "low", "high", "count", "presence" (mean
        evidence), "share_present" and its "standard_error"; the latter three are None where it is empty.
    """
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, evidence, side="right") - 1, 0, bins - 1)
    out = []
    for number in range(bins):
        inside = index == number
        out.append(
            {
                "low": float(edges[number]),
                "high": float(edges[number + 1]),
                "count": int(inside.sum()),
                "presence": mean(evidence[inside].tolist()),
                "share_present": mean(truth[inside].tolist()),
                "standard_error": standard_error(truth[inside].tolist()),
            }
        )
    return out


def calibration_error(bins: Sequence[dict[str, Any]]) -> float | None:
    """The expected calibration error (Naeini et al. 2015): the mean over questions of how far their bin's mean presence
    is from its share of present ones. None without questions."""
    filled = [entry for entry in bins if entry["count"]]
    total = sum(entry["count"] for entry in filled)
    off = sum(entry["count"] * abs(entry["presence"] - entry["share_present"]) for entry in filled)
    return off / total if total else None


def _evidence(questions: Sequence[Question], kinds: Sequence[str]) -> Float64[np.ndarray, " n"]:
    found = [question.values.get("presence") for question in questions if question.kind in kinds]
    return np.array([value for value in found if value is not None], dtype=np.float64)


def _share(right: Bool[np.ndarray, " n"]) -> dict[str, Any]:
    values = right.tolist()
    return {
        "right": sum(values),
        "total": len(values),
        "accuracy": mean(values),
        "standard_error": standard_error(values),
    }
