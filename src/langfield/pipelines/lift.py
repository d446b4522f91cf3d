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
from langfield.core.splats import Splats, half_turned
from langfield.core.transforms import Similarity
from langfield.data.formats.splat_files import SplatFile, read_splats
from langfield.data.scene import Scene
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Model
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.registry import create_model
from langfield.pipelines.run_making import (
    KERNEL_LOG,
    FitFunction,
    RunSpec,
    TrainReport,
    chosen_recipe,
    make_run,
)
from langfield.pipelines.splat_fit import SplatFit, check_fit, splat_fit
from langfield.pipelines.stages import Log, Stopwatch, fresh_model, open_with_fingerprint
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
    test_every: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
    log: Callable[[str], None] = _log.info,
) -> TrainReport:
    """Give somebody else's Gaussians the language of a scene's photos, without training, and leave a run directory.

    It is a run of the model splat with no steps, and can be asked, rendered, measured and exported as any other. If
    `out` has such a run of the same Gaussians and photos, it is replaced.

    Args:
        scene: a folder as `langfield.open_scene` reads it.
        splat: a file of 3D Gaussians (PLY of several kinds, SPZ, .splat), in the frame of the photos' poses.
        out: the run directory.
        encoder: spec of the image-text encoder; None for that of the preset splat, whose recipe is used.
        allow_outside: also read files that lie outside the scene's folder.
        test_every: keep every so many-th photo by name for testing, 0 to train on all; None for the split of the
            scene's files, or every eighth where they have none. The run remembers it.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        progress: gets the stages "splat", "features", "lifting" and more.
        log: gets lines for people about what was found.

    Raises:
        DataError: bad photos, a file without Gaussians, or Gaussians that no camera of the scene sees.
        WeightsError: bad weights of the encoder.
        UsageError: options that do not fit together.
        RunError: `out` cannot be written, or holds another run.
    """
    where = resolve_device(device)
    name, recipe = chosen_recipe("auto", _PRESET, where, encoder, "none", log)
    file, watch = Path(splat), Stopwatch()
    with watch.stage("splat"):
        read = _read_splats(file, log)
        digest = file_sha256(file)
    photos, fingerprint = open_with_fingerprint(scene, allow_outside, test_every, watch, progress, log)
    recipe = replace(recipe, config=recipe.config.with_capacity(len(read.splats), read.splats.degree))
    if where.type == "cuda":
        with watch.stage("kernels"):
            recipe.config.prepare_device(where, Path(out) / KERNEL_LOG, progress, log)
    with watch.stage("splat"):
        splats = _checked_splats(read, photos, file, recipe.config, where, progress, log)
    config, source = TrainingConfig(steps=0), {"splat_sha256": digest}
    spec = RunSpec(Path(out), "lifting", Path(scene), photos, fingerprint, name, recipe, config, where, source=source)
    return make_run(spec, _lifting(splats, photos.scene_from_world, where), watch, progress, log)


def _lifting(splats: Splats, scene_from_world: Similarity, device: torch.device) -> FitFunction:
    """The function that makes a run's model from Gaussians of the world frame, by lifting language to them."""

    def fit_model(
        info: RunInfo, photos: TrainingPhotos, bank: FeatureBank, checkpoints: Checkpoints, progress: Progress
    ) -> tuple[Model, TrainingResult]:
        start = time.perf_counter()
        model = fresh_model(info, device)
        model.load_splats(splats, scene_from_world)
        model.finish(photos, bank, progress)
        checkpoints.save_untrained(model.state_dict())
        return model, TrainingResult(0, time.perf_counter() - start, {}, peak_memory_bytes(device))

    return fit_model


def _read_splats(path: Path, log: Log) -> SplatFile:
    """The Gaussians of a file; logs how many there are, how many were left out, and what was guessed."""
    read = read_splats(path)
    omitted = f"; {read.left_out:,} left out, whose numbers are not finite or not possible" if read.left_out else ""
    log(f"{path}: {len(read.splats):,} Gaussians with harmonics of degree {read.splats.degree}{omitted}")
    for note in read.notes:
        log(f"{path}: {note}")
    return read


def _checked_splats(
    read: SplatFile,
    scene: Scene,
    path: Path,
    config: ModelConfig,
    device: torch.device,
    progress: Progress,
    log: Log,
) -> Splats:
    """The Gaussians in the world frame, of the frames that they may be in the one that fits the scene's photos better.

    Logs warnings about Gaussians that fit badly; DataError if they cover none of the photos.
    """

    def fit_of(splats: Splats) -> SplatFit:
        model = create_model(config.model, config, ModelContext(photos=len(scene.train))).to(device)
        model.load_splats(splats, scene.scene_from_world)
        return splat_fit(model, scene, scene.train, progress)

    splats, fit = read.splats, fit_of(read.splats)
    if read.frame_unsure:
        other = half_turned(splats)
        if (fit_of_other := fit_of(other)).explained > fit.explained:
            splats, fit = other, fit_of_other
            log(f"{path}: its axes are taken as they stand, which fits the photos better than to turn SPZ's to PLY's")
        else:
            log(f"{path}: turned from SPZ's axes to those of a PLY (y and z change their signs), which fits the photos")
    for note in check_fit(fit, path):
        log(note)
    return splats
