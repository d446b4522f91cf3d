"""The public Python functions, which the command line calls too: train, lift, open a run, bake, evaluate."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.files import file_sha256
from langfield.core.progress import Progress, silent
from langfield.data.scene import Scene, open_scene
from langfield.evaluation.evaluator import Report
from langfield.evaluation.evaluator import evaluate as evaluate_session
from langfield.evaluation.labels.layouts import find_labels, open_labels
from langfield.evaluation.protocols.names import ProtocolName
from langfield.features.bank import FeatureBank
from langfield.making import KERNEL_LOG, Plan, TrainReport, absolute_spec, chosen_preset, make_run, opened_scene
from langfield.models.base import Method
from langfield.models.gaussians.splat import SplatConfig
from langfield.pipelines.bake import ELEMENTS, BakeReport
from langfield.pipelines.bake import bake as bake_session
from langfield.query.session import Session
from langfield.runs.info import RunInfo
from langfield.stages import (
    Stopwatch,
    check_splats,
    fit,
    fresh_method,
    holding,
    lift_onto,
    prepare_kernels,
    read_splats,
)
from langfield.training import loop
from langfield.training.checkpoints import Checkpoints

# On a CPU phrases are asked on a small picture: LERF's crops are far larger than its pixels anyway.
_CPU_LANGUAGE_SIDE_PX = 160

# Of a scene's own phrases, so many are compared between a field and what was baked of it.
_MOST_COMPARED = 64

_log = logging.getLogger(__name__)


def train(
    scene: str | Path,
    out: str | Path,
    *,
    method: str = "auto",
    preset: str | None = None,
    encoder: str | None = None,
    dense: str | None = None,
    allow_outside: bool = False,
    device: str = "auto",
    max_steps: int | None = None,
    rays: int | None = None,
    seed: int = 0,
    tensorboard: bool = False,
    progress: Progress = silent,
    say: Callable[[str], None] = _log.info,
) -> TrainReport:
    """Train on a scene and leave a run directory. Goes on where `out` stopped if it holds the same run.

    Args:
        scene: a folder as `open_scene` reads it.
        out: the run directory.
        method: "auto" is the preset's, and no other one fits it.
        preset: see `langfield.models.presets`; None is one of the method's for the device, and without that "splat"
            on CUDA, "lerf" on CUDA without gsplat, "nano" elsewhere.
        encoder, dense: specs; None is the preset's, and `dense="none"` goes without.
        allow_outside: also read files that lie outside the scene's folder.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        max_steps, rays: None is the preset's; methods that learn from whole photos take no rays.
        progress: gets the stages "fingerprint", "kernels", "features", "training" and more.
        say: told in lines what was found and chosen.

    Raises:
        DataError, WeightsError, UsageError: bad photos, weights or options.
        RunError: `out` cannot be written, or holds another run.
        Interrupted: on Ctrl-C, after saving.
    """
    where = resolve_device(device)
    name, recipe = chosen_preset(method, preset, where, encoder, dense, say)
    if rays is not None and isinstance(recipe.config, SplatConfig):
        raise UsageError(f"preset {name} learns from whole photos; leave --rays out")
    steps, rays = _at_least("max_steps", 1, max_steps, recipe.steps), _at_least("rays", 1, rays, recipe.rays)
    seed = _at_least("seed", 0, seed, 0)
    config = loop.TrainingConfig(steps=steps, rays=rays, language_rays=recipe.language_rays, seed=seed)
    watch = Stopwatch()
    photos, fingerprint = opened_scene(scene, allow_outside, watch, progress, say)

    def learn(
        info: RunInfo, bank: FeatureBank, views: Sequence[int], checkpoints: Checkpoints, told: Progress
    ) -> tuple[Method, loop.TrainingResult]:
        model = fresh_method(info, where)
        return model, fit(model, photos, bank, views, config, checkpoints, told, say)

    plan = Plan(Path(out), "training", Path(scene), photos, fingerprint, name, recipe, config, where)
    return make_run(replace(plan, tensorboard=tensorboard), learn, watch, progress, say)


def lift(
    scene: str | Path,
    splat: str | Path,
    out: str | Path,
    *,
    encoder: str | None = None,
    allow_outside: bool = False,
    device: str = "auto",
    progress: Progress = silent,
    say: Callable[[str], None] = _log.info,
) -> TrainReport:
    """Give somebody else's Gaussians the language of a scene's photos, without training, and leave a run directory.

    It is a run of the method splat with no steps, and can be asked, rendered, measured and exported as any other. A run
    of the same lift in `out` is replaced.

    Args:
        scene: a folder as `open_scene` reads it.
        splat: a PLY file of 3D Gaussians, in the frame of the photos' poses.
        out: the run directory.
        encoder: spec; None is that of the preset splat, whose recipe for language is used.
        allow_outside, device, progress, say: as in `train`; stages are "splat", "features", "lifting" and more.

    Raises:
        DataError: bad photos, a PLY file without Gaussians, or Gaussians that no camera of the scene sees.
        WeightsError, UsageError: bad weights or options.
        RunError: `out` cannot be written, or holds another run.
    """
    where = resolve_device(device)
    name, recipe = chosen_preset("splat", "splat", where, encoder, "none", say)
    file, watch = Path(splat), Stopwatch()
    with watch.stage("splat"):
        splats = read_splats(file, say)
        digest = file_sha256(file)
    photos, fingerprint = opened_scene(scene, allow_outside, watch, progress, say)
    recipe = holding(recipe, splats)
    if where.type == "cuda":
        with watch.stage("kernels"):
            prepare_kernels(recipe, where, Path(out) / KERNEL_LOG, progress, say)
    with watch.stage("splat"):
        assert isinstance(recipe.config, SplatConfig)
        check_splats(splats, photos, file, recipe.config, where, progress, say)

    def learn(
        info: RunInfo, bank: FeatureBank, views: Sequence[int], checkpoints: Checkpoints, told: Progress
    ) -> tuple[Method, loop.TrainingResult]:
        return lift_onto(splats, info, photos, bank, views, checkpoints, told)

    config = loop.TrainingConfig(steps=0)
    plan = Plan(Path(out), "lifting", Path(scene), photos, fingerprint, name, recipe, config, where)
    return make_run(replace(plan, source={"splat_sha256": digest}), learn, watch, progress, say)


def open_run(run: str | Path, *, device: str = "auto", encoder: str | None = None) -> Session:
    """Open a run to ask it. `langfield.open` is this function.

    Args:
        encoder: spec of the run's image-text encoder where it is now; None is where it was when trained.

    Raises:
        RunError: no run there, or a torn one.
        WeightsError: the run's encoder cannot be loaded when the first phrase is asked.
    """
    return Session.open(run, device=device, encoder=None if encoder is None else absolute_spec(encoder))


def evaluate(
    run: str | Path,
    *,
    scene: str | Path | None = None,
    encoder: str | None = None,
    allow_outside: bool = False,
    queries: str | Path | None = None,
    protocol: ProtocolName = "langfield",
    max_side_px: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Report:
    """Measure a run by a protocol: see `langfield.evaluation.evaluator.evaluate`.

    Args:
        scene: None is the path it was trained from.
        encoder: as in `open_run`.
        allow_outside: also read files that lie outside the scene's folder.
        queries: labels; None is the scene's own `queries.json` if there is one, and for protocols that cannot do
            without labels also its folders of labels (`langfield.evaluation.labels.layouts.find_labels`).
        max_side_px: phrases are asked on a picture no longer than this; None is 160 on a CPU and no limit on CUDA.

    Raises:
        RunError: no run there, or `scene` is not what it was trained on.
        DataError: photos or labels that cannot be used.
    """
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
        max_side_px=opened.max_side_px,
        device=opened.session.device,
        progress=progress,
    )


@dataclass(frozen=True)
class OpenedToMeasure:
    """A run with the scene it was trained on, and how it is going to be measured.

    Attributes:
        queries: labels; None if there are none.
        max_side_px: phrases are asked on a picture no longer than this; None for the photos' own size.
    """

    session: Session
    scene: Scene
    queries: Path | None
    max_side_px: int | None


def open_to_measure(
    run: str | Path,
    *,
    scene: str | Path | None = None,
    encoder: str | None = None,
    allow_outside: bool = False,
    queries: str | Path | None = None,
    protocol: ProtocolName = "langfield",
    max_side_px: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> OpenedToMeasure:
    """Open a run and its scene. Arguments and errors are those of `evaluate`."""
    if max_side_px is not None and max_side_px < 16:
        raise UsageError(f"max_side_px must be at least 16, got {max_side_px}")
    where = resolve_device(device)
    session = open_run(run, device=str(where), encoder=encoder)
    photos = open_scene(session.info.scene_path if scene is None else scene, allow_outside=allow_outside)
    if photos.fingerprint(progress) != session.info.scene_fingerprint:
        raise RunError(
            f"was trained on another scene than {photos.root}, or its photos or poses changed since; "
            "give the one it was trained on (--scene), or train again",
            run,
        )
    needs_labels = protocol not in ("langfield", "lerf")  # these measure pictures without
    if max_side_px is None and where.type == "cpu":
        max_side_px = _CPU_LANGUAGE_SIDE_PX
    labels = find_labels(photos.root, every_layout=needs_labels) if queries is None else Path(queries)
    return OpenedToMeasure(session, photos, labels, max_side_px)


def bake(
    run: str | Path,
    out: str | Path,
    *,
    elements: int | None = None,
    phrases: Sequence[str] = (),
    encoder: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
    say: Callable[[str], None] = _log.info,
) -> BakeReport:
    """Make a run of a field (methods lerf and lift) into a run of Gaussians on its surfaces, with a `LanguageMap`.

    What such a run can be asked, the baked one can be asked, by the same functions. How alike they answer is measured
    in a few views and kept in `metrics.json`.

    Args:
        run: the field's run.
        out: the baked run's directory. A baked run there is replaced, all or nothing.
        elements: at most so many Gaussians; None is 200,000. Fewer where cubes of an eighth of the smallest crop's
            height suffice.
        phrases: asked of both; by default those of the scene's `queries.json`, or common nouns.
        encoder, device: as in `open_run`.
        progress: gets the stages "surface", "language" and "agreement".

    Raises:
        RunError: `run` is no run of a field, or shows no surface; `out` holds a trained run or cannot be written.
        UsageError: a run without language, options out of range.
        WeightsError: the run's encoder cannot be loaded.
    """
    most = _at_least("elements", 1, elements, ELEMENTS)
    session = open_run(run, device=device, encoder=encoder)
    own = Path(session.info.scene_path) / "queries.json"
    if not phrases and own.is_file():
        phrases = [phrase.text for phrase in open_labels(own, ()).phrases][:_MOST_COMPARED]
    return bake_session(session, Path(run), Path(out), elements=most, phrases=phrases, progress=progress, say=say)


def _at_least(name: str, least: int, given: int | None, otherwise: int) -> int:
    if given is not None and given < least:
        raise UsageError(f"{name} must be at least {least}, got {given}")
    return otherwise if given is None else given
