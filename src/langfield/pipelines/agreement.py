"""How well a baked run agrees with the run of the field it was made from: the same phrases in the same views."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from langfield.core.cameras import Camera
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.query.answers import ViewAnswers
from langfield.query.session import Session

_MIN_DEVIATION = 1e-4  # standard deviation of a relevancy picture, below which it is flat and has no correlation


@dataclass(frozen=True)
class Agreement:
    """Figures over all pairs of a phrase and a view, unless said otherwise; None where there are no such pairs.

    Pictures are compared where the field shows a surface.

    Attributes:
        views: number of views.
        phrases: number of phrases.
        correlation: mean correlation of the two relevancy pictures.
        correlation_answered: the same over the pairs that the field answers.
        difference: mean absolute difference of relevancy.
        same_verdict: share of pairs that both answer, or that neither does.
        answered: number of pairs that the field answers: its mask is not empty. In the others its picture is mostly
            noise.
        best_in_mask: share of those in which the baked run's best pixel lies in the field's mask.
        mask_iou: mean IoU of the two masks of those.
        psnr: of the baked run's colours against the field's, in dB.
        seconds_field: time that the field takes for one encoded phrase in one rendered view.
        seconds_baked: time that the baked run takes.
    """

    views: int
    phrases: int
    correlation: float | None
    correlation_answered: float | None
    difference: float | None
    same_verdict: float
    answered: int
    best_in_mask: float | None
    mask_iou: float | None
    psnr: float | None
    seconds_field: float
    seconds_baked: float

    def to_json(self) -> dict[str, Any]:
        """The key "agreement" of what `langfield bake --json` prints."""
        numbers = {name: _rounded(value) for name, value in vars(self).items()}
        seconds = {"field": numbers.pop("seconds_field"), "baked": numbers.pop("seconds_baked")}
        return numbers | {"seconds_per_phrase": seconds}


def compare(
    field: Session, baked: Session, cameras: Sequence[Camera], phrases: Sequence[str], progress: Progress = silent
) -> Agreement:
    """Ask both runs for all phrases in the pictures of some cameras (world frame)."""
    pairs, seconds = [], np.zeros(2)
    started = time.monotonic()
    for number, camera in enumerate(cameras):
        answers = []
        for which, session in enumerate((field, baked)):
            session.ask_view(camera, phrases[:1])  # renders the view, which is not timed
            start = time.perf_counter()
            answers.append(session.ask_view(camera, phrases))
            seconds[which] += time.perf_counter() - start
            done = 2 * number + which + 1
            progress(ProgressEvent("agreement", done, 2 * len(cameras), "pictures", time.monotonic() - started))
        pairs.append((answers[0], answers[1]))
    per_phrase = seconds / (len(cameras) * len(phrases))
    return _figures(pairs, float(per_phrase[0]), float(per_phrase[1]))


def _figures(pairs: Sequence[tuple[ViewAnswers, ViewAnswers]], seconds_field: float, seconds_baked: float) -> Agreement:
    """See `Agreement`; each pair is the field's answers and the baked run's, in one view."""
    correlations: list[list[float]] = [[], []]
    differences, errors, same_verdict, best_in_mask, overlaps = [], [], [], [], []
    for field, baked in pairs:
        shown, answered = np.isfinite(field.depth_world), field.masks.any(axis=(1, 2))
        same_verdict += (answered == baked.masks.any(axis=(1, 2))).tolist()
        x, y = np.floor(baked.best_xy_px[answered]).astype(np.int64).T
        best_in_mask += field.masks[np.flatnonzero(answered), y, x].tolist()
        both, either = field.masks & baked.masks, field.masks | baked.masks
        overlaps += (both[answered].sum(axis=(1, 2)) / either[answered].sum(axis=(1, 2))).tolist()
        if shown.any():
            theirs, ours = field.relevancy[:, shown], baked.relevancy[:, shown]
            correlations[0] += _correlations(theirs, ours)
            correlations[1] += _correlations(theirs[answered], ours[answered])
            differences.append(float(np.abs(theirs - ours).mean()))
            errors.append(float(((field.rgb[shown] / 255.0 - baked.rgb[shown] / 255.0) ** 2).mean()))
    return Agreement(
        views=len(pairs),
        phrases=len(pairs[0][0].phrases),
        correlation=_mean(correlations[0]),
        correlation_answered=_mean(correlations[1]),
        difference=_mean(differences),
        same_verdict=float(np.mean(same_verdict)),
        answered=len(best_in_mask),
        best_in_mask=_mean(best_in_mask),
        mask_iou=_mean(overlaps),
        psnr=-10 * float(np.log10(max(float(np.mean(errors)), 1e-10))) if errors else None,
        seconds_field=seconds_field,
        seconds_baked=seconds_baked,
    )


def _correlations(one: Float32[np.ndarray, "p n"], other: Float32[np.ndarray, "p n"]) -> list[float]:
    """The correlation of each pair of pictures of which neither is flat."""
    both = np.stack([one, other]).astype(np.float64)
    offset = both - both.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((offset**2).mean(axis=-1))
    varied = (deviation > _MIN_DEVIATION).all(axis=0)
    return ((offset[0] * offset[1]).mean(axis=-1)[varied] / deviation[:, varied].prod(axis=0)).tolist()


def _mean(values: Sequence[float | bool]) -> float | None:
    return float(np.mean(values)) if values else None


def _rounded(value: float | int | None) -> float | int | None:
    return round(value, 6) if isinstance(value, float) else value
