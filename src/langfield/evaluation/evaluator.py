"""One evaluator for every method: pictures, localisation, segmentation and presence on a scene's test views."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.images import decode_image, decode_mask
from langfield.data.views import Scene, View
from langfield.evaluation.labels import ABSENT, Label, Labels, ViewLabels, open_labels
from langfield.evaluation.metrics import Lpips, in_any_box, in_mask, iou, lerf_ovs_mask, psnr, resized_map, ssim
from langfield.evaluation.protocols import HEADLINE_KINDS, ProtocolName, Tally, presence_figures
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.outlook import shrunk

# Relevancy and scale of all phrases of one question, in bytes: more phrases than fit are asked in several questions.
_MAPS_BYTES = 512 * 2**20


@runtime_checkable
class Asked(Protocol):
    """What is evaluated; `langfield.query.session.Session` is one."""

    @property
    def info(self) -> Any:
        """With the run's `seed`."""
        ...

    def query(self, phrases: Sequence[str], *, progress: Progress = silent) -> list[Answer]: ...

    def ask_view(self, camera: Camera, phrases: Sequence[str], *, protocol: ProtocolName = "langfield") -> ViewAnswers:
        """Answers for a camera of the world frame."""
        ...

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colours and z-depth in world units."""
        ...


@dataclass
class ViewResult:
    """What one test view came to. Figures that were not measured are None.

    Attributes:
        in_box, in_mask: answers that hit a box (LERF's rule), and that hit the very pixels of the thing.
        ious: by LERF-OVS's rule, one per phrase of the headline kinds that can be seen.
        scores: the relevancy of each phrase's answer in this view.
    """

    view: str
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None
    in_box: Tally = field(default_factory=Tally)
    in_mask: Tally = field(default_factory=Tally)
    ious: list[float] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of `per_view`; hits are of the headline kinds."""
        return {
            "view": self.view,
            "psnr": _finite(self.psnr),
            "ssim": _finite(self.ssim),
            "lpips": _finite(self.lpips),
            **self.in_box.of(HEADLINE_KINDS),
            "hits_in_mask": self.in_mask.of(HEADLINE_KINDS)["hits"],
            "miou": _mean(self.ious),
        }


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        language_side_px: the longest side that phrases were asked at; None for the photos' own size.
        labelled: whether there were labels; without them only pictures are measured.
        presence: see `presence_figures`; None without labels.
    """

    protocol: ProtocolName
    seed: int
    views: tuple[ViewResult, ...]
    language_side_px: int | None
    labelled: bool
    presence: dict[str, Any] | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield eval --json` prints. What was not measured is null."""
        in_box, in_mask = Tally(), Tally()
        for view in self.views:
            in_box.merge(view.in_box)
            in_mask.merge(view.in_mask)
        return {
            "protocol": self.protocol,
            "views": len(self.views),
            "seed": self.seed,
            "psnr": _mean([view.psnr for view in self.views]),
            "ssim": _mean([view.ssim for view in self.views]),
            "lpips": _mean([view.lpips for view in self.views]),
            "localisation": in_box.to_json() if self.labelled else None,
            "localisation_in_mask": in_mask.to_json() if self.labelled else None,
            "miou": _mean([value for view in self.views for value in view.ious]),
            "presence": self.presence,
            "language_side_px": self.language_side_px,
            "seconds": round(self.seconds, 3),
            "per_view": [view.to_json() for view in self.views],
        }


def evaluate(
    session: Asked,
    scene: Scene,
    *,
    queries: Path | None = None,
    protocol: ProtocolName = "langfield",
    max_side_px: int | None = None,
    progress: Progress = silent,
) -> Report:
    """Measure a run on its scene's test views, one view at a time.

    Pictures are rendered at the size the photos are used at and rounded to 8 bits; PSNR, SSIM and LPIPS are means over
    views; what a mask forbids does not count. A phrase is asked in each view where at least 120 of its pixels show;
    its answer hits if it lies in a box of one of its things. The mIoU is a flat mean over views and phrases of the
    headline kinds, each map turned to a mask by LERF-OVS's rule. Presence tells the phrases of the headline kinds from
    those of kind "absent", by `session.query`'s presence, or with the protocol "lerf" by a phrase's highest relevancy
    over the test views.

    Args:
        queries: labels as `open_labels` reads them; None measures pictures only.
        max_side_px: ask phrases on a raster no longer than this; answers and maps are brought to the labels' size.

    Raises:
        DataError: a scene without test views, or labels, photos or masks that cannot be used.
    """
    start = time.monotonic()
    views = [scene.views[index] for index in scene.test]
    if not views:
        raise DataError(
            "has no test views, so nothing can be measured: name some in test_filenames, or drop the split lists",
            scene.root,
        )
    labels = open_labels(queries, views) if queries is not None else None
    lpips = Lpips()
    results = []
    for done, view in enumerate(views):
        progress(ProgressEvent("evaluation", done, len(views), "views", time.monotonic() - start, _so_far(results)))
        results.append(_evaluate_view(session, view, labels, protocol, max_side_px, lpips))
    progress(ProgressEvent("evaluation", len(views), len(views), "views", time.monotonic() - start, _so_far(results)))
    return Report(
        protocol=protocol,
        seed=int(session.info.seed),
        views=tuple(results),
        language_side_px=max_side_px,
        labelled=labels is not None,
        presence=None if labels is None else _presence(session, labels, results, protocol, progress),
        seconds=time.monotonic() - start,
    )


def measure_picture(result: ViewResult, view: View, picture: UInt8[np.ndarray, "h w 3"], lpips: Lpips) -> None:
    """Compare a rendered picture with the view's photo at the picture's size."""
    size = (picture.shape[1], picture.shape[0])
    used = None if view.mask_path is None else decode_mask(view.mask_path, size)
    if used is not None and not used.any():
        return
    photo = decode_image(view.image_path, size)
    result.psnr, result.ssim = psnr(picture, photo, used), ssim(picture, photo, used)
    result.lpips = lpips(picture, photo, used)


def _evaluate_view(
    session: Asked,
    view: View,
    labels: Labels | None,
    protocol: ProtocolName,
    max_side_px: int | None,
    lpips: Lpips,
) -> ViewResult:
    result = ViewResult(view.name)
    seen = labels.of_view(view) if labels is not None else None
    by_phrase = {label.phrase: label for label in seen.labels} if seen is not None else {}
    # LERF's evidence for presence is a view's own, so that every phrase must be asked in every view.
    everything = labels is not None and protocol == "lerf"
    asked = [phrase.text for phrase in labels.phrases] if labels is not None and everything else list(by_phrase)
    camera = view.camera if max_side_px is None else shrunk(view.camera, max_side_px)
    picture = None
    for answers in _asked(session, camera, asked, protocol):
        if answers.rgb.shape[1::-1] == view.size_px:
            picture = answers.rgb
        for index, phrase in enumerate(answers.phrases):
            result.scores[phrase] = float(answers.score[index])
            if seen is not None and phrase in by_phrase:
                _count(result, by_phrase[phrase], seen, answers, index)
    measure_picture(result, view, session.picture(view.camera)[0] if picture is None else picture, lpips)
    return result


def _asked(session: Asked, camera: Camera, phrases: Sequence[str], protocol: ProtocolName) -> Iterator[ViewAnswers]:
    at_once = max(1, _MAPS_BYTES // (2 * 4 * camera.width_px * camera.height_px))
    for first in range(0, len(phrases), at_once):
        yield session.ask_view(camera, phrases[first : first + at_once], protocol=protocol)


def _count(result: ViewResult, label: Label, seen: ViewLabels, answers: ViewAnswers, index: int) -> None:
    """Compare one answer with one label, on the label's raster."""
    height, width = answers.relevancy.shape[1:]
    point = answers.best_xy_px[index] * np.array([seen.width_px / width, seen.height_px / height])
    result.in_box.add(label.kind, in_any_box(point, label.boxes))
    result.in_mask.add(label.kind, in_mask(point, label.mask))
    if label.kind in HEADLINE_KINDS:
        relevancy = resized_map(answers.relevancy[index], seen.width_px, seen.height_px)
        result.ious.append(iou(lerf_ovs_mask(relevancy), label.mask))


def _presence(
    session: Asked, labels: Labels, results: Sequence[ViewResult], protocol: ProtocolName, progress: Progress
) -> dict[str, Any]:
    asked = [phrase for phrase in labels.phrases if phrase.kind in (*HEADLINE_KINDS, ABSENT)]
    texts = [phrase.text for phrase in asked]
    if protocol == "lerf":
        evidence = [max(result.scores[text] for result in results) for text in texts]
    else:
        evidence = [answer.presence for answer in session.query(texts, progress=progress)] if texts else []
    pairs = list(zip(asked, evidence, strict=True))
    return presence_figures(
        [score for phrase, score in pairs if phrase.kind != ABSENT],
        [score for phrase, score in pairs if phrase.kind == ABSENT],
    )


def _so_far(results: Sequence[ViewResult]) -> dict[str, float]:
    figures = {"psnr": _mean([result.psnr for result in results])}
    total = Tally()
    for result in results:
        total.merge(result.in_box)
    counted = total.of(HEADLINE_KINDS)
    if counted["total"]:
        figures["localisation"] = counted["hits"] / counted["total"]
    return {name: value for name, value in figures.items() if value is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of what was measured; None if nothing was, or if it is not finite (no JSON)."""
    measured = [value for value in values if value is not None]
    return _finite(sum(measured) / len(measured)) if measured else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
