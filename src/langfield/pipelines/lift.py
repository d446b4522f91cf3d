"""Somebody else's Gaussians and photos with poses → a run that can be asked, without training."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from langfield.core.devices import resolve_device
from langfield.core.files import file_sha256
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.data.formats.splat_ply import read_splat_ply
from langfield.data.scene import Scene
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Model
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.registry import create_model
from langfield.pipelines.run_making import KERNEL_LOG, RunSpec, TrainReport, chosen_recipe, make_run
from langfield.pipelines.splat_fit import check_fit, splat_fit
from langfield.pipelines.stages import Say, Stopwatch, fresh_model, opened_scene
from langfield.runs.info import RunInfo
from langfield.training.checkpoints import Checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.loop import TrainingResult, peak_memory_bytes

_PRESET = "splat"

_log = logging.getLogger(__name__)


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

    It is a run of the model splat with no steps, and can be asked, rendered, measured and exported as any other. A run
    of the same lift in `out` is replaced.

    Args:
        scene: a folder as `langfield.open_scene` reads it.
        splat: a PLY file of 3D Gaussians, in the frame of the photos' poses.
        out: the run directory.
        encoder: spec; None is that of the preset splat, whose recipe for language is used.
        allow_outside: as in `langfield.train`.
        device: as in `langfield.train`.
        progress: gets the stages "splat", "features", "lifting" and more.
        say: told in lines what was found and chosen.

    Raises:
        DataError: bad photos, a PLY file without Gaussians, or Gaussians that no camera of the scene sees.
        WeightsError: bad weights.
        UsageError: options that do not fit together.
        RunError: `out` cannot be written, or holds another run.
    """
    where = resolve_device(device)
    name, recipe = chosen_recipe("auto", _PRESET, where, encoder, "none", say)
    file, watch = Path(splat), Stopwatch()
    with watch.stage("splat"):
        splats = _read_splats(file, say)
        digest = file_sha256(file)
    photos, fingerprint = opened_scene(scene, allow_outside, watch, progress, say)
    recipe = replace(recipe, config=recipe.config.with_capacity(len(splats), splats.degree))
    if where.type == "cuda":
        with watch.stage("kernels"):
            recipe.config.prepare_device(where, Path(out) / KERNEL_LOG, progress, say)
    with watch.stage("splat"):
        _check_splats(splats, photos, file, recipe.config, where, progress, say)

    def learn(
        info: RunInfo, featured: TrainingPhotos, bank: FeatureBank, checkpoints: Checkpoints, told: Progress
    ) -> tuple[Model, TrainingResult]:
        start = time.perf_counter()
        model = fresh_model(info, where)
        model.take_splats(splats, photos.scene_from_world)
        model.finish(featured, bank, told)
        checkpoints.save_made(model.state_dict())
        return model, TrainingResult(0, time.perf_counter() - start, {}, peak_memory_bytes(where))

    spec = RunSpec(
        Path(out),
        "lifting",
        Path(scene),
        photos,
        fingerprint,
        name,
        recipe,
        TrainingConfig(steps=0),
        where,
        source={"splat_sha256": digest},
    )
    return make_run(spec, learn, watch, progress, say)


def _read_splats(path: Path, say: Say) -> Splats:
    """The Gaussians of a PLY file, in its own frame; says how many there are, and how many had to be left out."""
    splats, left_out = read_splat_ply(path)
    left = f"; {left_out:,} left out, whose numbers are not finite or not possible" if left_out else ""
    say(f"{path}: {len(splats):,} Gaussians with harmonics of degree {splats.degree}{left}")
    return splats


def _check_splats(
    splats: Splats,
    scene: Scene,
    path: Path,
    config: ModelConfig,
    device: torch.device,
    progress: Progress,
    say: Say,
) -> None:
    """Say what speaks against these Gaussians of the world frame being of the scene; DataError if all does."""
    model = create_model(config.model, config, ModelContext(photos=len(scene.train))).to(device)
    model.take_splats(splats, scene.scene_from_world)
    for note in check_fit(splat_fit(model, scene, scene.train, progress), path):
        say(note)
