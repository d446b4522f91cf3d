"""How a run is made of a scene: by which preset, what it is going to be, and from encoding to the saved model."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from langfield.core.config import config_to_json
from langfield.core.errors import UsageError
from langfield.core.progress import Progress
from langfield.data.scene import Scene, open_scene
from langfield.features.bank import FeatureBank
from langfield.models.base import Method, MethodContext
from langfield.models.gaussians.splat import SplatConfig
from langfield.models.presets import Preset, preset_for
from langfield.models.registry import METHODS, method_name, preset
from langfield.models.voxels.voxel_lift import LiftConfig
from langfield.ops.gaussians import gsplat_kernels
from langfield.runs.atomic import write_json
from langfield.runs.info import RunInfo
from langfield.stages import (
    Encoders,
    Stopwatch,
    crop_angles,
    evenly,
    load_encoders,
    make_features,
    prepare_kernels,
    quick_psnr,
    run_views,
)
from langfield.training import loop
from langfield.training.checkpoints import Checkpoints, open_checkpoints
from langfield.training.event_log import EventLog, TensorBoardLog, to_all

KERNEL_LOG = "gsplat-build.log"


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


@dataclass(frozen=True)
class Plan:
    """What is to be made of a scene, and where. `stage` is the name of the learning; `source`, what the run depends on
    besides."""

    out: Path
    stage: str
    scene_path: Path
    scene: Scene
    fingerprint: str
    preset: str
    recipe: Preset
    config: loop.TrainingConfig
    device: torch.device
    source: Mapping[str, str] = field(default_factory=dict)
    tensorboard: bool = False


# From what the run is going to be, features of views, where states are kept and whom to tell: the method.
Learn = Callable[[RunInfo, FeatureBank, Sequence[int], Checkpoints, Progress], tuple[Method, loop.TrainingResult]]


def chosen_preset(
    method: str,
    name: str | None,
    device: torch.device,
    encoder: str | None,
    dense: str | None,
    say: Callable[[str], None],
) -> tuple[str, Preset]:
    """The preset by name, or of the method, or for the device; with the encoders that were asked for instead of its
    own."""
    if method not in ("auto", *METHODS):
        raise UsageError(f"unknown method {method!r}; known are auto, {', '.join(sorted(METHODS))}")
    if name is None:
        name, why = preset_for(method, device.type == "cuda", gsplat_kernels.installed())
        say(f"preset {name}, because {why}; --preset chooses another one")
    chosen = preset(name)
    if method not in ("auto", method_name(chosen.config)):
        raise UsageError(f"preset {name} is of the method {method_name(chosen.config)}, not {method}; leave one out")
    if encoder is not None:
        chosen = replace(chosen, encoder=absolute_spec(encoder))
    if dense not in (None, "none") and isinstance(chosen.config, LiftConfig | SplatConfig):
        raise UsageError(f"preset {name} learns no dense features; leave --dense out")
    if dense is not None:
        chosen = replace(chosen, dense=None if dense == "none" else dense)
    return name, chosen


def absolute_spec(spec: str) -> str:
    """A spec that is found from any working folder, for the run keeps it."""
    kind, local, folder = spec.partition("local-dir:")
    return f"{kind}{local}{Path(folder).expanduser().absolute()}" if local and folder else spec


def opened_scene(
    scene: str | Path, allow_outside: bool, watch: Stopwatch, progress: Progress, say: Callable[[str], None]
) -> tuple[Scene, str]:
    """The scene and its fingerprint; says what was found in it."""
    with watch.stage("scene"):
        photos = open_scene(scene, allow_outside=allow_outside)
        for note in photos.notes:
            say(note)
        return photos, photos.fingerprint(progress)


def make_run(plan: Plan, learn: Learn, watch: Stopwatch, progress: Progress, say: Callable[[str], None]) -> TrainReport:
    """Let encoders see the photos, and a method learn from that and leave its run."""
    with watch.stage("encoders"):
        encoders = load_encoders(plan.recipe, plan.device)
    views = evenly(plan.scene.train, plan.recipe.feature_views)
    info = _run_info(plan, views, encoders)
    # Whatever speaks against this run in `out` is found before hours of encoding.
    with open_checkpoints(plan.out, info) as checkpoints:
        if plan.device.type == "cuda":
            with watch.stage("kernels"):
                prepare_kernels(plan.recipe, plan.device, plan.out / KERNEL_LOG, progress, say)
        logs = [EventLog(plan.out / "events.jsonl"), *([TensorBoardLog(plan.out)] if plan.tensorboard else [])]
        with watch.stage("features"):
            bank = make_features(plan.scene, views, encoders, plan.recipe.pyramid, plan.device, progress, say)
        del encoders  # what follows needs their memory
        with watch.stage(plan.stage):
            model, result = learn(info, bank, views, checkpoints, to_all(progress, *logs))
    if result.last_work_seconds:
        watch.move(plan.stage, "lifting", result.last_work_seconds)
    with watch.stage("psnr"):
        quality = quick_psnr(model, plan.scene, plan.device, progress)
    report = TrainReport(
        run=plan.out,
        steps=result.steps,
        seconds=time.perf_counter() - watch.started,
        psnr=quality,
        stages=watch.seconds,
        memory_bytes=result.memory_bytes,
        crops_per_second=bank.report.crops_per_second,
        preset=plan.preset,
        device=str(plan.device),
    )
    write_json(plan.out / "metrics.json", report.to_json())
    return report


def _run_info(plan: Plan, views: Sequence[int], encoders: Encoders) -> RunInfo:
    """What the run is going to be. The encoders' cards say all of the features that it depends on."""
    image_text, dense = encoders
    scene, recipe, config = plan.scene, plan.recipe, plan.config
    context = MethodContext(
        photos=len(scene.train),
        embed_dim=image_text.card.embed_dim,
        dense_dim=None if dense is None else dense.card.embed_dim,
        crop_angles=crop_angles(scene, views, recipe.pyramid),
    )
    features = {"pyramid": recipe.pyramid.to_json(), "feature_views": len(views)}
    return RunInfo(
        seed=config.seed,
        model=method_name(recipe.config),
        model_config=config_to_json(recipe.config),
        model_context=config_to_json(context),
        training_config=config_to_json(config) | {"preset": plan.preset, **features, **plan.source},
        encoders={"image_text": image_text.card.to_json()} | ({} if dense is None else {"dense": dense.card.to_json()}),
        scene_path=str(plan.scene_path.absolute()),  # so that `evaluate` finds it from anywhere
        scene_fingerprint=plan.fingerprint,
        scene_from_world=scene.scene_from_world.matrix,
        views=run_views(scene),
    )
