"""A run and its scene's labels → figures."""

from pathlib import Path

from langfield.core.progress import Progress, silent
from langfield.evaluation.evaluator import check_protocol
from langfield.evaluation.evaluator import evaluate as evaluate_session
from langfield.evaluation.protocols.names import LevelMaps, ProtocolName
from langfield.evaluation.result import EvaluationReport
from langfield.pipelines.opening import open_to_measure


def evaluate(
    run: str | Path,
    *,
    scene: str | Path | None = None,
    encoder: str | None = None,
    allow_outside: bool = False,
    queries: str | Path | None = None,
    protocol: ProtocolName = "langfield",
    maps: LevelMaps | None = None,
    max_side_px: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> EvaluationReport:
    """Measure a run: its pictures against photos, its answers against labels, whichever the protocol counts.

    Args:
        run: the run directory.
        scene: the scene's folder; None is the path that the run was trained from.
        encoder: as in `langfield.open`.
        allow_outside: also read files that lie outside the scene's folder.
        queries: labels; None is the scene's own `queries.json` if there is one, and for protocols that cannot do
            without labels also its folders of labels (`langfield.evaluation.labels.layouts.find_labels`).
        protocol: what is counted: "langfield", "lerf", "lerf-ovs", "lerf-ovs-held-out", "lerf-mask", "3d-ovs",
            "3d-ovs-held-out", "3d" or "presence" (`langfield eval --help` describes them).
        maps: "refined" or "raw", for protocols that choose one of several relevancy maps; None is "refined".
        max_side_px: phrases are asked on a picture no longer than this; None is 160 on a CPU and no limit on CUDA.
        device: as in `langfield.open`.
        progress: gets the stages "rendering for the index", "scene index" and "evaluation".

    Raises:
        RunError: no run there, or `scene` is not what it was trained on.
        DataError: photos or labels that cannot be used.
        UsageError: a protocol or maps that there are not.
    """
    check_protocol(protocol, maps)
    opened = open_to_measure(
        run,
        scene=scene,
        encoder=encoder,
        allow_outside=allow_outside,
        queries=queries,
        protocol=protocol,
        max_side_px=max_side_px,
        device=device,
        progress=progress,
    )
    return evaluate_session(
        opened.session,
        opened.scene,
        queries=opened.queries,
        protocol=protocol,
        maps=maps,
        max_side_px=opened.max_side_px,
        device=opened.session.device,
        progress=progress,
    )
