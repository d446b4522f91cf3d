"""One evaluator for every method: a protocol's questions are asked, and its figures counted."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from langfield.core.errors import DataError, UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.data.views import Scene, View
from langfield.evaluation.askable import Asked, AskedAtLevels, AskedProtocol
from langfield.evaluation.labels.base import ABSENT, InstanceLabels, Labels
from langfield.evaluation.labels.layouts import WHAT_IS_READ, label_layout, open_labels
from langfield.evaluation.masks import ANSWER_RULE, LERF_OVS_RULE, MaskRule
from langfield.evaluation.metrics import Lpips
from langfield.evaluation.protocols import lerf_mask, lerf_ovs, ovs_3d, positions, presence
from langfield.evaluation.protocols.held_out_views import Pointing
from langfield.evaluation.protocols.names import HEADLINE_KINDS, ProtocolName
from langfield.evaluation.questions import Question, Tally, mean, summary
from langfield.evaluation.result import Report, ViewResult

Measure = Callable[[View], ViewResult]
MeasureAtLevels = Callable[[AskedAtLevels, View, Labels, int | None], ViewResult]


@dataclass(frozen=True)
class _Evaluation:
    """One call of `evaluate`."""

    session: Asked
    scene: Scene
    path: Path | None
    protocol: ProtocolName
    max_side_px: int | None
    device: torch.device
    rule: MaskRule
    pictures: bool
    progress: Progress
    start: float

    @property
    def seed(self) -> int:
        return int(self.session.info.seed)

    def labels(self, views: Sequence[View]) -> Labels:
        if self.path is None:
            raise UsageError(f"the protocol {self.protocol} needs labels: give --queries {WHAT_IS_READ}")
        return open_labels(self.path, views)

    def labels_of_scene(self) -> Labels:
        """For questions that no view is asked for: what a `queries.json` says of views is not looked at."""
        return self.labels(self.scene.views if self.path is not None and self.path.is_dir() else ())

    def test_views(self) -> list[View]:
        if not self.scene.test:
            raise DataError(
                "has no test views, so nothing can be measured: name some in test_filenames, or drop the split lists",
                self.scene.root,
            )
        return [self.scene.views[index] for index in self.scene.test]

    def each(self, views: Sequence[View], measure: Measure) -> tuple[ViewResult, ...]:
        """Measure views one after the other."""
        results: list[ViewResult] = []
        for view in views:
            self._tell(results, len(views))
            results.append(measure(view))
        self._tell(results, len(views))
        return tuple(results)

    def report(
        self,
        views: Sequence[ViewResult] = (),
        scene_questions: Sequence[Question] = (),
        presence: Mapping[str, Any] | None = None,
        miou_of: str = "micro",
        details: Mapping[str, Any] = MappingProxyType({}),
    ) -> Report:
        return Report(
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

    def _tell(self, results: Sequence[ViewResult], total: int) -> None:
        event = ProgressEvent(
            "evaluation", len(results), total, "views", time.monotonic() - self.start, _so_far(results)
        )
        self.progress(event)


def evaluate(
    session: Asked,
    scene: Scene,
    *,
    queries: Path | None = None,
    protocol: ProtocolName = "langfield",
    max_side_px: int | None = None,
    device: str | torch.device = "cpu",
    mask_rule: MaskRule = LERF_OVS_RULE,
    pictures: bool = True,
    progress: Progress = silent,
) -> Report:
    """Measure a run by one of `langfield.evaluation.protocols.names.PROTOCOLS`.

    "langfield" and "lerf" look at the scene's test views, one at a time. Pictures are rendered at the size the photos
    are used at and rounded to 8 bits; PSNR, SSIM and LPIPS are means over views; what a mask forbids does not count.
    A phrase is asked in each view where at least 120 of its pixels show; its answer hits if it lies in a box of one
    of its things. The mIoU is a flat mean over views and phrases of the headline kinds, each map turned to a mask by
    `mask_rule`; the answers' own masks are measured beside it. Presence tells the phrases of the headline kinds from
    those of kind "absent", by `session.query`'s presence, or with "lerf" by a phrase's highest relevancy over the test
    views. The other protocols are described in their modules: `lerf_ovs`, `lerf_mask`, `ovs_3d`, `positions` ("3d") and
    `presence`.

    Args:
        queries: labels as `open_labels` reads them; None measures pictures only.
        max_side_px: ask phrases on a raster no longer than this; answers and maps are brought to the labels' size.
        device: where maps become masks and SSIM is worked out; that of the session is fastest.
        mask_rule: of "langfield" and "lerf".
        pictures: of those, too: compare pictures with photos; without, only answers are measured.

    Raises:
        DataError: a scene without test views, or labels, photos or masks that cannot be used.
        UsageError: a protocol that needs labels, without any.
    """
    evaluation = _Evaluation(
        session,
        scene,
        queries,
        protocol,
        max_side_px,
        torch.device(device),
        mask_rule,
        pictures,
        progress,
        time.monotonic(),
    )
    if protocol in ("lerf-ovs", "lerf-ovs-held-out"):
        return _at_levels(evaluation, lerf_ovs.measure)
    if protocol in ("3d-ovs", "3d-ovs-held-out"):
        return _at_levels(evaluation, ovs_3d.measure, miou_of="macro_phrase", mask_rule=ovs_3d.RULE)
    if protocol == "lerf-mask":
        return _lerf_mask(evaluation)
    if protocol == "3d":
        return _positions(evaluation)
    if protocol == "presence":
        return _presence(evaluation)
    return _pointing(evaluation, "lerf" if protocol == "lerf" else "langfield")


def _pointing(evaluation: _Evaluation, protocol: AskedProtocol) -> Report:
    views = evaluation.test_views()
    labels = None if evaluation.path is None else evaluation.labels(views)
    lpips = Lpips() if evaluation.pictures else None
    pointing = Pointing(
        evaluation.session, protocol, labels, evaluation.max_side_px, evaluation.device, lpips, evaluation.rule
    )
    results = evaluation.each(views, pointing.measure)
    if labels is None:
        return evaluation.report(results)
    asked = [phrase for phrase in labels.phrases if phrase.kind in (*HEADLINE_KINDS, ABSENT)]
    if protocol == "lerf":
        evidence = [max(result.scores[phrase.text] for result in results) for phrase in asked]
        told = [presence.presence_question(*pair) for pair in zip(asked, evidence, strict=True)]
    else:
        told = presence.ask(evaluation.session, asked, evaluation.progress)
    return evaluation.report(
        results,
        scene_questions=told,
        presence=presence.presence_figures(told),
        details={"mask_rule": evaluation.rule.name},
    )


def _at_levels(evaluation: _Evaluation, measure: MeasureAtLevels, miou_of: str = "micro", **details: Any) -> Report:
    """By a protocol that chooses a level itself, in labelled photos or those of them that are held out."""
    session = evaluation.session
    if not isinstance(session, AskedAtLevels):
        raise UsageError(f"the protocol {evaluation.protocol} needs maps at levels, which this session has not")
    labels = evaluation.labels(evaluation.scene.views)
    every = evaluation.protocol.removesuffix("-held-out")
    views = lerf_ovs.labelled_views(
        evaluation.scene,
        labels,
        [view.name for view in session.views if view.split == "train"],
        held_out=evaluation.protocol != every,
        advice=f", or ask by the protocol {every}",
    )
    results = evaluation.each(views.asked, lambda view: measure(session, view, labels, evaluation.max_side_px))
    which = {"trained_on": list(views.trained_on), "left_out": list(views.left_out)}
    return evaluation.report(results, miou_of=miou_of, details=which | details)


def _lerf_mask(evaluation: _Evaluation) -> Report:
    scene, rule, side = evaluation.scene, ANSWER_RULE, evaluation.max_side_px
    labels = evaluation.labels(scene.views)
    views = lerf_ovs.labelled_views(scene, labels, [scene.views[index].name for index in scene.train], held_out=True)
    results = evaluation.each(
        views.asked, lambda view: lerf_mask.measure(evaluation.session, view, labels, rule, side, evaluation.device)
    )
    headline = [q for result in results for q in result.questions if q.kind in HEADLINE_KINDS]
    boundary = summary(headline, "boundary_iou", evaluation.seed)["macro_view"]
    details = {"boundary_miou": boundary, "mask_rule": rule.name, "left_out": list(views.left_out)}
    return evaluation.report(results, miou_of="macro_view", details=details)


def _positions(evaluation: _Evaluation) -> Report:
    labels = evaluation.labels_of_scene()
    if not isinstance(labels, InstanceLabels) or evaluation.path is None:
        raise DataError("says nothing of places: the protocol 3d needs a queries.json with instances", evaluation.path)
    things = positions.open_things(evaluation.path, labels)
    questions = positions.ask(evaluation.session, labels, things, evaluation.progress)
    details = {"by_number": positions.by_number(questions, evaluation.seed)}
    return evaluation.report(scene_questions=questions, details=details)


def _presence(evaluation: _Evaluation) -> Report:
    labels = evaluation.labels_of_scene()
    questions = presence.ask(evaluation.session, labels.phrases, evaluation.progress)
    every = presence.presence_figures(questions, tuple({q.kind for q in questions} - {ABSENT}))
    return evaluation.report(
        scene_questions=questions,
        presence=presence.presence_figures(questions),
        details={"presence_all_kinds": every},
    )


def _so_far(results: Sequence[ViewResult]) -> dict[str, float]:
    figures = {"psnr": mean([result.psnr for result in results])}
    counted = Tally.of_questions((q for result in results for q in result.questions), "hit").of(HEADLINE_KINDS)
    if counted["total"]:
        figures["localisation"] = counted["hits"] / counted["total"]
    return {name: value for name, value in figures.items() if value is not None}
