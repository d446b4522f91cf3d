"""Photos with poses → a trained run."""

import logging
from collections.abc import Callable
from pathlib import Path

from langfield.core.devices import resolve_device
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, silent
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Model
from langfield.models.batches import PhotoBatching
from langfield.models.presets import TrainingRecipe
from langfield.pipelines.run_making import RunSpec, TrainReport, chosen_recipe, make_run
from langfield.pipelines.stages import Stopwatch, fit, fresh_model, opened_scene
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
        scene: a folder as `langfield.open_scene` reads it.
        out: the run directory.
        method: name of the model; "auto" is the preset's, and no other one fits it.
        preset: a name (`langfield methods` lists them), or a recipe of one's own, made from one that
            `langfield.preset` gives. None is one of the model's for the device, and without that "splat" on CUDA,
            "lerf" on CUDA without gsplat, "nano" elsewhere.
        encoder: spec of the image-text encoder; None is the preset's.
        dense: spec of the self-supervised encoder; None is the preset's, and "none" goes without.
        allow_outside: also read files that lie outside the scene's folder.
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N".
        max_steps: None is the preset's.
        rays: in a step; None is the preset's. Models that learn from whole photos take none.
        seed: of everything random in the run.
        tensorboard: write figures for TensorBoard into the run directory.
        progress: gets the stages "fingerprint", "kernels", "features", "training" and more.
        say: told in lines what was found and chosen.

    Raises:
        DataError: bad photos.
        WeightsError: bad weights.
        UsageError: options that do not fit together.
        RunError: `out` cannot be written, or holds another run.
        Interrupted: on Ctrl-C, after saving.
    """
    where = resolve_device(device)
    name, recipe = chosen_recipe(method, preset, where, encoder, dense, say)
    if rays is not None and isinstance(recipe.config.batching, PhotoBatching):
        raise UsageError(f"preset {name} learns from whole photos; leave --rays out")
    steps, rays = at_least("max_steps", 1, max_steps, recipe.steps), at_least("rays", 1, rays, recipe.rays)
    config = TrainingConfig(steps=steps, rays=rays, head_rays=recipe.head_rays, seed=at_least("seed", 0, seed, 0))
    watch = Stopwatch()
    photos, fingerprint = opened_scene(scene, allow_outside, watch, progress, say)

    def learn(
        info: RunInfo, featured: TrainingPhotos, bank: FeatureBank, checkpoints: Checkpoints, told: Progress
    ) -> tuple[Model, TrainingResult]:
        model = fresh_model(info, where)
        return model, fit(model, featured, bank, config, checkpoints, told, say)

    spec = RunSpec(
        Path(out),
        "training",
        Path(scene),
        photos,
        fingerprint,
        name,
        recipe,
        config,
        where,
        tensorboard=tensorboard,
    )
    return make_run(spec, learn, watch, progress, say)


def at_least(name: str, least: int, given: int | None, otherwise: int) -> int:
    """An option's value, `otherwise` if it was left out; UsageError if it is too small."""
    if given is not None and given < least:
        raise UsageError(f"{name} must be at least {least}, got {given}")
    return otherwise if given is None else given
