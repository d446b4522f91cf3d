"""The public Python functions, which the command line calls too: train, open a run, bake, evaluate."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from langfield.baking.bake import ELEMENTS, BakeReport
from langfield.baking.bake import bake as bake_session
from langfield.core.config import config_to_json
from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.progress import Progress, silent
from langfield.data.scene import Scene, open_scene
from langfield.evaluation.evaluator import Report
from langfield.evaluation.evaluator import evaluate as evaluate_session
from langfield.evaluation.labels import open_labels
from langfield.evaluation.protocols import ProtocolName
from langfield.methods.base import MethodContext
from langfield.methods.lift import LiftConfig
from langfield.methods.presets import Preset
from langfield.methods.registry import METHODS, preset
from langfield.methods.splat import SplatConfig
from langfield.query.session import Session
from langfield.runs.atomic import write_json
from langfield.runs.info import RunInfo, RunView
from langfield.stages import Encoders, crop_angles, evenly, fit, fresh_method, load_encoders, make_features, quick_psnr
from langfield.training import loop
from langfield.training.checkpoints import open_checkpoints
from langfield.training.event_log import EventLog, TensorBoardLog, to_all

# On a CPU phrases are asked on a small picture: LERF's crops are far larger than its pixels anyway.
_CPU_LANGUAGE_SIDE_PX = 160

# Of a scene's own phrases, so many are compared between a field and what was baked of it.
_MOST_COMPARED = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    Attributes:
        run: the run directory.
        steps: done in all.
        seconds: of this call.
        psnr: in dB, of a few test views (on a CPU small ones); None without test views.
        stages: seconds of this call by stage.
        memory_bytes: the process's peak, on the GPU if one was used.
        crops_per_second: of the image-text encoder; 0 when the cache had everything.
    """

    run: Path
    steps: int
    seconds: float
    psnr: float | None
    stages: dict[str, float]
    memory_bytes: int
    crops_per_second: float
    preset: str
    device: str

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield train --json` prints."""
        return {
            "run": str(self.run),
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "psnr": self.psnr,
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "memory_bytes": self.memory_bytes,
            "crops_per_second": round(self.crops_per_second, 1),
            "preset": self.preset,
            "device": self.device,
        }


@dataclass
class _Stopwatch:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def train(
    scene: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
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
        method: None is the preset's, and no other one fits it.
        preset: see `langfield.methods.presets`; None is "lerf" on CUDA and "nano" elsewhere.
        encoder, dense: specs; None is the preset's, and `dense="none"` goes without.
        allow_outside: also read files that lie outside the scene's folder.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        max_steps, rays: None is the preset's.
        progress: gets the stages "fingerprint", "features", "training" and more.
        say: told in lines what was found and chosen.

    Raises:
        DataError, WeightsError, UsageError: bad photos, weights or options.
        RunError: `out` cannot be written, or holds another run.
        Interrupted: on Ctrl-C, after saving.
    """
    where = resolve_device(device)
    name, recipe = _chosen_preset(method, preset, where, encoder, dense, say)
    steps, rays = _at_least("max_steps", 1, max_steps, recipe.steps), _at_least("rays", 1, rays, recipe.rays)
    seed = _at_least("seed", 0, seed, 0)
    config = loop.TrainingConfig(steps=steps, rays=rays, language_rays=recipe.language_rays, seed=seed)
    out, start, watch = Path(out), time.perf_counter(), _Stopwatch()
    with watch.stage("scene"):
        photos = open_scene(scene, allow_outside=allow_outside)
        for note in photos.notes:
            say(note)
        fingerprint = photos.fingerprint(progress)
    with watch.stage("encoders"):
        encoders = load_encoders(recipe, where)
    views = evenly(photos.train, recipe.feature_views)
    # The scene's path is made absolute, so that `evaluate` finds it from anywhere.
    info = _run_info(Path(scene).absolute(), photos, fingerprint, name, recipe, views, encoders, config)
    # Whatever speaks against this training in `out` is found before hours of encoding.
    with open_checkpoints(out, info) as checkpoints:
        told = to_all(progress, EventLog(out / "events.jsonl"), *([TensorBoardLog(out)] if tensorboard else []))
        with watch.stage("features"):
            bank = make_features(photos, views, encoders, recipe.pyramid, where, progress, say)
        del encoders  # the training needs their memory
        with watch.stage("training"):
            model = fresh_method(info, where)
            result = fit(model, photos, bank, views, config, checkpoints, told, say)
    with watch.stage("psnr"):
        quality = quick_psnr(model, photos, where, progress)
    report = TrainReport(
        run=out,
        steps=result.steps,
        seconds=time.perf_counter() - start,
        psnr=quality,
        stages=watch.seconds,
        memory_bytes=result.memory_bytes,
        crops_per_second=bank.report.crops_per_second,
        preset=name,
        device=str(where),
    )
    write_json(out / "metrics.json", report.to_json())
    return report


def open_run(run: str | Path, *, device: str = "auto", encoder: str | None = None) -> Session:
    """Open a run to ask it. `langfield.open` is this function.

    Args:
        encoder: spec of the run's image-text encoder where it is now; None is where it was when trained.

    Raises:
        RunError: no run there, or a torn one.
        WeightsError: the run's encoder cannot be loaded when the first phrase is asked.
    """
    return Session.open(run, device=device, encoder=None if encoder is None else _absolute(encoder))


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
    """Measure a run on its scene's test views: see `langfield.evaluation.evaluator.evaluate`.

    Args:
        scene: None is the path it was trained from.
        encoder: as in `open_run`.
        allow_outside: also read files that lie outside the scene's folder.
        queries: labels; None is the scene's own `queries.json` if there is one.
        max_side_px: phrases are asked on a picture no longer than this; None is 160 on a CPU and no limit on CUDA.

    Raises:
        RunError: no run there, or `scene` is not what it was trained on.
        DataError: photos or labels that cannot be used.
    """
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
    own = photos.root / "queries.json"
    if queries is None and own.is_file():
        queries = own
    if max_side_px is None and where.type == "cpu":
        max_side_px = _CPU_LANGUAGE_SIDE_PX
    labels = None if queries is None else Path(queries)
    return evaluate_session(
        session, photos, queries=labels, protocol=protocol, max_side_px=max_side_px, progress=progress
    )


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


def method_name(config: Any) -> str:
    """The registered name of the method that a config belongs to."""
    return next(name for name, (_, kind) in METHODS.items() if isinstance(config, kind))


def run_views(scene: Scene) -> tuple[RunView, ...]:
    """What a run keeps of the views that it is trained or tested on."""
    train = [RunView(scene.views[index].name, "train", scene.views[index].camera) for index in scene.train]
    test = [RunView(scene.views[index].name, "test", scene.views[index].camera) for index in scene.test]
    return (*train, *test)


def _chosen_preset(
    method: str | None,
    name: str | None,
    device: torch.device,
    encoder: str | None,
    dense: str | None,
    say: Callable[[str], None],
) -> tuple[str, Preset]:
    """The preset by name or for the device, with the encoders that were asked for instead of its own."""
    if method is not None and method not in METHODS:
        raise UsageError(f"unknown method {method!r}; known are {', '.join(sorted(METHODS))}")
    if name is None:
        name = "lerf" if device.type == "cuda" else "nano"
        why = "a GPU is there" if device.type == "cuda" else "no GPU is used"
        say(f"preset {name}, because {why}; --preset chooses another one")
    chosen = preset(name)
    if method is not None and method != method_name(chosen.config):
        raise UsageError(f"preset {name} is of the method {method_name(chosen.config)}, not {method}; leave one out")
    if encoder is not None:
        chosen = replace(chosen, encoder=_absolute(encoder))
    if dense not in (None, "none") and isinstance(chosen.config, LiftConfig | SplatConfig):
        raise UsageError(f"preset {name} learns no dense features; leave --dense out")
    if dense is not None:
        chosen = replace(chosen, dense=None if dense == "none" else dense)
    return name, chosen


def _absolute(spec: str) -> str:
    """A spec that is found from any working folder, for the run keeps it."""
    kind, local, folder = spec.partition("local-dir:")
    return f"{kind}{local}{Path(folder).expanduser().absolute()}" if local and folder else spec


def _at_least(name: str, least: int, given: int | None, otherwise: int) -> int:
    if given is not None and given < least:
        raise UsageError(f"{name} must be at least {least}, got {given}")
    return otherwise if given is None else given


def _run_info(
    scene_path: Path,
    scene: Scene,
    fingerprint: str,
    preset_name: str,
    recipe: Preset,
    views: Sequence[int],
    encoders: Encoders,
    config: loop.TrainingConfig,
) -> RunInfo:
    """What the run is going to be. The encoders' cards say all of the features that it depends on."""
    image_text, dense = encoders
    context = MethodContext(
        photos=len(scene.train),
        embed_dim=image_text.card.embed_dim,
        dense_dim=None if dense is None else dense.card.embed_dim,
        crop_angles=crop_angles(scene, views, recipe.pyramid),
    )
    features = {"pyramid": recipe.pyramid.to_json(), "feature_views": len(views)}
    return RunInfo(
        seed=config.seed,
        method=method_name(recipe.config),
        method_config=config_to_json(recipe.config),
        method_context=config_to_json(context),
        training_config=config_to_json(config) | {"preset": preset_name, **features},
        encoders={"image_text": image_text.card.to_json()} | ({} if dense is None else {"dense": dense.card.to_json()}),
        scene_path=str(scene_path),
        scene_fingerprint=fingerprint,
        scene_from_world=scene.scene_from_world.matrix,
        views=run_views(scene),
    )
