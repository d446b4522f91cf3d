"""Photos with poses → a trained run."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from langfield.core.devices import resolve_device
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, silent
from langfield.encoders.registry import check_masks_spec
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Model
from langfield.models.batches import PhotoBatching
from langfield.models.presets import TrainingRecipe
from langfield.pipelines.grouping import add_groups
from langfield.pipelines.observing import TrainObserver
from langfield.pipelines.run_making import FitFunction, RunSpec, TrainReport, absolute_spec, chosen_recipe, make_run
from langfield.pipelines.stages import Stopwatch, fit, fresh_model, open_with_fingerprint
from langfield.query.session import Session
from langfield.runs.info import RunInfo
from langfield.training.checkpoints import Checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.loop import TrainingResult

_log = logging.getLogger(__name__)


def train(
    scene: str | Path,
    out: str | Path,
    *,
    method: str = "auto",
    preset: str | TrainingRecipe | None = None,
    encoder: str | None = None,
    dense: str | None = None,
    masks: str | None = None,
    allow_outside: bool = False,
    test_every: int | None = None,
    device: str = "auto",
    max_steps: int | None = None,
    rays: int | None = None,
    seed: int = 0,
    tensorboard: bool = False,
    progress: Progress = silent,
    log: Callable[[str], None] = _log.info,
    observer: TrainObserver | None = None,
) -> TrainReport:
    """Train on a scene and leave a run directory. A run of the same scene and settings in `out` is continued.

    Args:
        scene: a folder as `langfield.open_scene` reads it.
        out: the run directory.
        method: name of a model (`lerf`, `splat`, `voxel_lift`), of which the preset must be; "auto" for any.
        preset: a name (`langfield methods` lists them), or a recipe of one's own (see `langfield.preset`). None for
            the model's preset for the device; if that is "auto", too, "splat" on CUDA, "lerf" on CUDA without gsplat,
            "nano" elsewhere.
        encoder: spec of the image-text encoder; None for the preset's.
        dense: spec of the dense encoder, "none" for none; None for the preset's.
        masks: spec of the mask encoder, by which the run's surface is divided into groups, and from which a head of
            the preset's for masks learns; None or "none" for none. A run that is finished only gets its groups.
        allow_outside: also read files that lie outside the scene's folder.
        test_every: keep every so many-th photo by name for testing, 0 to train on all; None for the split of the
            scene's files, or every eighth where they have none. The run remembers it.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        max_steps: training steps; None for the preset's.
        rays: rays in a step, not for models that learn from whole photos; None for the preset's.
        seed: of all random numbers.
        tensorboard: also log for TensorBoard, in the run directory.
        progress: gets the stages "fingerprint", "kernels", "features", "training" and more.
        log: gets lines for people about what was found and chosen.
        observer: looks at the model between steps, and may let the training wait or end it early, see
            `langfield.pipelines.observing.TrainObserver`. A run that was ended early is whole; the same call trains it
            on.

    Raises:
        DataError: bad photos or poses.
        WeightsError: bad weights of an encoder.
        UsageError: options that do not fit together.
        RunError: `out` cannot be written, or holds another run.
        Interrupted: on Ctrl-C, after saving.
    """
    where = resolve_device(device)
    name, recipe = chosen_recipe(method, preset, where, encoder, dense, log)
    if rays is not None and isinstance(recipe.config.batching, PhotoBatching):
        raise UsageError(f"preset {name} learns from whole photos; leave --rays out")
    config = TrainingConfig(
        steps=option("max_steps", max_steps, recipe.steps, minimum=1),
        rays=option("rays", rays, recipe.rays, minimum=1),
        head_rays=recipe.head_rays,
        seed=option("seed", seed, 0, minimum=0),
    )
    masks = None if masks == "none" else masks
    if masks is not None:
        check_masks_spec(masks)
        masks = absolute_spec(masks)
    watch = Stopwatch()
    photos, fingerprint = open_with_fingerprint(scene, allow_outside, test_every, watch, progress, log)
    spec = RunSpec(
        out=Path(out),
        stage="training",
        scene_path=Path(scene),
        scene=photos,
        fingerprint=fingerprint,
        preset=name,
        recipe=recipe,
        config=config,
        device=where,
        tensorboard=tensorboard,
        masks=masks,
    )
    report = make_run(spec, _training(config, where, log, observer), watch, progress, log)
    if masks is None:
        return report
    before = watch.elapsed()
    add_groups(Path(out), photos, masks, where, watch, progress, log)
    return report.with_more(watch, before)


def _training(
    config: TrainingConfig, device: torch.device, log: Callable[[str], None], observer: TrainObserver | None
) -> FitFunction:
    """The function that makes a run's model by training it."""

    def fit_model(
        info: RunInfo, photos: TrainingPhotos, bank: FeatureBank, checkpoints: Checkpoints, progress: Progress
    ) -> tuple[Model, TrainingResult]:
        model = fresh_model(info, device)
        if observer is not None:
            observer.begins(lambda: Session(info, model, device))
        return model, fit(model, photos, bank, config, checkpoints, progress, log, observer)

    return fit_model


def option(name: str, given: int | None, default: int, *, minimum: int) -> int:
    """The value of an option, `default` for None. Raises UsageError for one below `minimum`."""
    if given is not None and given < minimum:
        raise UsageError(f"{name} must be at least {minimum}, got {given}")
    return default if given is None else given
