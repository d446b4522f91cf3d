"""Measuring a session by a protocol: every protocol asks through the same session and returns the same result."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from langfield.core.choices import check_choice
from langfield.core.errors import DataError, UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.queries import ABSENT
from langfield.data.views import Scene, View
from langfield.evaluation.askable import AnswerProtocol, AskableSession, SessionWithLevelMaps
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.labels.instance_labels import InstanceLabels
from langfield.evaluation.labels.layouts import WHAT_IS_READ, label_layout, open_labels
from langfield.evaluation.metrics import Lpips
from langfield.evaluation.protocols import lerf_mask, lerf_ovs, ovs_3d, positions, presence
from langfield.evaluation.protocols.held_out_views import HeldOutViews
from langfield.evaluation.protocols.labelled_views import labelled_views
from langfield.evaluation.protocols.names import (
    HEADLINE_KINDS,
    LEVEL_MAPS,
    PROTOCOLS,
    PROTOCOLS_AT_LEVELS,
    LevelMaps,
    ProtocolName,
)
from langfield.evaluation.questions import HitCounts, Question
from langfield.evaluation.result import EvaluationReport, ViewResult
from langfield.evaluation.statistics import mean, summary

MeasureView = Callable[[View], ViewResult]
MeasureViewAtLevels = Callable[[SessionWithLevelMaps, View, Labels, int | None, LevelMaps], ViewResult]


def evaluate(
    session: AskableSession,
    scene: Scene,
    *,
    queries: Path | None = None,
    protocol: ProtocolName = "langfield",
    maps: LevelMaps | None = None,
    max_side_px: int | None = None,
    device: str | torch.device = "cpu",
    pictures: bool = True,
    progress: Progress = silent,
) -> EvaluationReport:
    """Measure a run by one of `langfield.evaluation.protocols.names.PROTOCOLS`.

    "langfield" and "lerf" look at the scene's test views, one at a time. Pictures are rendered at the size the photos
    are used at and rounded to 8 bits; PSNR, SSIM and LPIPS are means over views, of the pixels that a photo's mask
    allows. A phrase is asked in each view where at least 120 of its pixels show; localisation counts the answers that
    lie in a box of one of its things. mIoU is the mean over pairs of a view and a phrase of the headline kinds, of the
    mask that LERF-OVS's rule makes of the relevancy map; the answers' own masks are measured beside it. Presence tells
    the phrases of the headline kinds from those of kind "absent": by `session.query`'s presence, or with "lerf" by a
    phrase's highest relevancy in any test view. The other protocols are described in their modules: `lerf_ovs`,
    `lerf_mask`, `ovs_3d`, `positions` ("3d") and `presence`.

    Args:
        queries: labels as `open_labels` reads them; None measures pictures only.
        maps: for `PROTOCOLS_AT_LEVELS` the relevancy maps that compete, as `LEVEL_MAPS` describes them; None is
            "refined". Only "raw" compares with papers' figures.
        max_side_px: phrases are asked on a picture no longer than this, and answers brought to the labels' raster; None
            for the photos' own size.
        device: where masks are made and compared, and SSIM computed; the session's own is fastest.
        pictures: for "langfield" and "lerf": whether to compare pictures with photos, too.

    Raises:
        DataError: a scene without test views, or labels, photos or masks that cannot be used.
        UsageError: an unknown protocol, one that needs labels, without any, or maps that it has not.
    """
    check_protocol(protocol, maps)
    start = time.monotonic()
    where, competing = torch.device(device), maps or "refined"
    evaluation = _Evaluation(session, scene, queries, protocol, competing, max_side_px, where, progress, start)
    match protocol:
        case "lerf-ovs" | "lerf-ovs-held-out":
            return _at_levels(evaluation, lerf_ovs.measure)
        case "3d-ovs" | "3d-ovs-held-out":
            return _at_levels(evaluation, ovs_3d.measure, miou_of="macro_phrase", mask_rule=ovs_3d.RULE)
        case "lerf-mask":
            return _lerf_mask(evaluation)
        case "3d":
            return _positions(evaluation)
        case "presence":
            return _presence(evaluation)
        case "langfield" | "lerf":
            return _held_out_views(evaluation, protocol, pictures)


def check_protocol(protocol: ProtocolName, maps: LevelMaps | None) -> None:
    """Raise UsageError for a protocol or maps that are not known, and for maps where none compete."""
    check_choice("protocol", protocol, PROTOCOLS)
    if maps is None:
        return
    check_choice("kind of maps", maps, LEVEL_MAPS)
    if protocol not in PROTOCOLS_AT_LEVELS:
        raise UsageError(
            f"by the protocol {protocol} no maps compete: leave {maps} out, or ask by {', '.join(PROTOCOLS_AT_LEVELS)}"
        )


@dataclass(frozen=True)
class _Evaluation:
    """The arguments of one call of `evaluate`, and what all protocols do with them."""

    session: AskableSession
    scene: Scene
    path: Path | None
    protocol: ProtocolName
    maps: LevelMaps
    max_side_px: int | None
    device: torch.device
    progress: Progress
    start: float

    @property
    def seed(self) -> int:
        return int(self.session.info.seed)

    def labels(self, views: Sequence[View]) -> Labels:
        """The labels, to be asked for some views. UsageError without any."""
        if self.path is None:
            raise UsageError(f"the protocol {self.protocol} needs labels: give --queries {WHAT_IS_READ}")
        return open_labels(self.path, views)

    def labels_of_scene(self) -> Labels:
        """The labels, for their phrases alone. A `queries.json` has these without any view; folders name them in the
        labels of views."""
        return self.labels(self.scene.views if self.path is not None and self.path.is_dir() else ())

    def test_views(self) -> list[View]:
        if not self.scene.test and self.scene.test_every == 0:
            raise DataError(
                "has no test views, so nothing can be measured: all of its photos were trained on; train another run "
                "with --test-every 8",
                self.scene.root,
            )
        if not self.scene.test:
            raise DataError(
                "has no test views, so nothing can be measured: name some in test_filenames, or drop the split lists",
                self.scene.root,
            )
        return [self.scene.views[index] for index in self.scene.test]

    def each(self, views: Sequence[View], measure: MeasureView) -> tuple[ViewResult, ...]:
        """Measure views one after the other, and report progress."""
        results: list[ViewResult] = []
        for view in views:
            self._report_progress(results, len(views))
            results.append(measure(view))
        self._report_progress(results, len(views))
        return tuple(results)

    def result(
        self,
        views: Sequence[ViewResult] = (),
        scene_questions: Sequence[Question] = (),
        presence: Mapping[str, Any] | None = None,
        miou_of: str = "micro",
        details: Mapping[str, Any] = MappingProxyType({}),
    ) -> EvaluationReport:
        return EvaluationReport(
            protocol=self.protocol,
            seed=self.seed,
            views=tuple(views),
            scene_questions=tuple(scene_questions),
            labels=self.path,
            label_layout=None if self.path is None else label_layout(self.path),
            language_side_px=self.max_side_px,
            presence=presence,
            seconds=time.monotonic() - self.start,
            miou_of=miou_of,
            details=details,
        )

    def _report_progress(self, results: Sequence[ViewResult], total: int) -> None:
        seconds = time.monotonic() - self.start
        self.progress(ProgressEvent("evaluation", len(results), total, "views", seconds, _metrics_so_far(results)))


def _held_out_views(evaluation: _Evaluation, protocol: AnswerProtocol, pictures: bool) -> EvaluationReport:
    """The protocols "langfield" and "lerf"."""
    views = evaluation.test_views()
    labels = None if evaluation.path is None else evaluation.labels(views)
    lpips = Lpips() if pictures else None
    measurer = HeldOutViews(evaluation.session, protocol, labels, evaluation.max_side_px, evaluation.device, lpips)
    results = evaluation.each(views, measurer.measure)
    if labels is None:
        return evaluation.result(results)
    asked = [phrase for phrase in labels.phrases if phrase.kind in (*HEADLINE_KINDS, ABSENT)]
    if protocol == "lerf":
        highest = [max(result.scores[phrase.text] for result in results) for phrase in asked]
        questions = [presence.presence_question(*pair) for pair in zip(asked, highest, strict=True)]
    else:
        questions = presence.ask(evaluation.session, asked, evaluation.progress)
    return evaluation.result(
        results,
        scene_questions=questions,
        presence=presence.presence_figures(questions),
        details={"mask_rule": "lerf-ovs"},
    )


def _at_levels(
    evaluation: _Evaluation, measure: MeasureViewAtLevels, miou_of: str = "micro", **details: Any
) -> EvaluationReport:
    """Protocols that choose a level for each phrase, in labelled photos or those of them that are held out."""
    session = evaluation.session
    if not isinstance(session, SessionWithLevelMaps):
        raise UsageError(f"the protocol {evaluation.protocol} needs maps at levels, which this session has not")
    labels = evaluation.labels(evaluation.scene.views)
    in_all_photos = evaluation.protocol.removesuffix("-held-out")
    views = labelled_views(
        evaluation.scene,
        labels,
        [view.name for view in session.views if view.split == "train"],
        held_out=evaluation.protocol != in_all_photos,
        advice=f", or ask by the protocol {in_all_photos}",
    )
    side, maps = evaluation.max_side_px, evaluation.maps
    results = evaluation.each(views.asked, lambda view: measure(session, view, labels, side, maps))
    which = {"maps": maps, "trained_on": list(views.trained_on), "left_out": list(views.left_out)}
    return evaluation.result(results, miou_of=miou_of, details=which | details)


def _lerf_mask(evaluation: _Evaluation) -> EvaluationReport:
    scene, session = evaluation.scene, evaluation.session
    labels = evaluation.labels(scene.views)
    views = labelled_views(scene, labels, [scene.views[index].name for index in scene.train], held_out=True)
    results = evaluation.each(
        views.asked, lambda view: lerf_mask.measure(session, view, labels, evaluation.max_side_px, evaluation.device)
    )
    headline = [q for result in results for q in result.questions if q.kind in HEADLINE_KINDS]
    boundary_miou = summary(headline, "boundary_iou", evaluation.seed)["macro_view"]
    details = {"boundary_miou": boundary_miou, "mask_rule": "answer", "left_out": list(views.left_out)}
    return evaluation.result(results, miou_of="macro_view", details=details)


def _positions(evaluation: _Evaluation) -> EvaluationReport:
    labels = evaluation.labels_of_scene()
    if not isinstance(labels, InstanceLabels):
        raise DataError("says nothing of places: the protocol 3d needs a queries.json with instances", evaluation.path)
    questions = positions.ask(evaluation.session, labels.queries, evaluation.progress)
    details = {"by_number": positions.by_number(questions, evaluation.seed)}
    return evaluation.result(scene_questions=questions, details=details)


def _presence(evaluation: _Evaluation) -> EvaluationReport:
    labels = evaluation.labels_of_scene()
    questions = presence.ask(evaluation.session, labels.phrases, evaluation.progress)
    all_kinds = presence.presence_figures(questions, tuple({q.kind for q in questions} - {ABSENT}))
    return evaluation.result(
        scene_questions=questions,
        presence=presence.presence_figures(questions),
        details={"presence_all_kinds": all_kinds},
    )


def _metrics_so_far(results: Sequence[ViewResult]) -> dict[str, float]:
    metrics = {"psnr": mean([result.psnr for result in results])}
    counts = HitCounts.of_questions((q for result in results for q in result.questions), "hit").of(HEADLINE_KINDS)
    if counts["total"]:
        metrics["localisation"] = counts["hits"] / counts["total"]
    return {name: value for name, value in metrics.items() if value is not None}
