"""How a run is made from a scene: its specification, and the way from encoding the photos to the saved model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from langfield.core.choices import check_choice
from langfield.core.config import config_to_json
from langfield.core.errors import UsageError
from langfield.core.progress import Progress
from langfield.core.sampling import subsample_evenly
from langfield.data.views import FINGERPRINT_VERSION, Scene
from langfield.encoders.masks.base import MaskProposer
from langfield.encoders.registry import check_dense_spec, check_image_text_spec, load_masks
from langfield.features.bank import FeatureBank
from langfield.features.mask_targets import MASK_TARGET
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Model
from langfield.models.config import ModelContext
from langfield.models.presets import TrainingRecipe, default_preset, preset
from langfield.models.registry import MODELS
from langfield.ops.gaussians import gsplat_kernels
from langfield.pipelines.stages import (
    Encoders,
    Log,
    Stopwatch,
    crop_angles,
    load_encoders,
    make_features,
    quick_psnr,
    save_preview,
    with_masks,
)
from langfield.runs.atomic import write_json
from langfield.runs.cost import RunCost
from langfield.runs.info import RunInfo, RunView
from langfield.training.checkpoints import Checkpoints, open_checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.event_log import EventLog, TensorBoardLog, broadcast
from langfield.training.loop import TrainingResult, peak_memory_bytes

KERNEL_LOG = "gsplat-build.log"
_OWN_RECIPE = "own"  # the preset's name in a run that was made by a recipe of one's own


@dataclass(frozen=True)
class TrainReport:
    """What a training led to.

    Attributes:
        run: the run directory.
        steps: steps done in all.
        seconds: duration of all calls that worked on the run; one that found it finished adds nothing.
        psnr: in dB, mean over a few test views (on a CPU small ones); None without test views.
        stages: those seconds by stage.
        memory_bytes: largest peak memory of such a call, on the GPU if one was used.
        crops_per_second: speed of the image-text encoder; 0 if the cache had all features.
        preset: name of the preset; "own" for a recipe of one's own.
        device: where it was trained.
        call_seconds: duration of this call.
        call_stages: those seconds by stage.
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
    call_seconds: float
    call_stages: dict[str, float]

    def with_more(self, watch: Stopwatch, before: float) -> "TrainReport":
        """The report after more stages of the same call. Args: watch: of the call; before: its time at this report."""
        now, stages = watch.elapsed(), watch.so_far()
        new = {name: seconds - self.call_stages.get(name, 0.0) for name, seconds in stages.items()}
        new = {name: seconds for name, seconds in new.items() if seconds > 1e-3}
        return replace(
            self,
            seconds=self.seconds + now - before,
            stages=self.stages | {name: self.stages.get(name, 0.0) + seconds for name, seconds in new.items()},
            call_seconds=now,
            call_stages=stages,
        )

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
            "this_call": {
                "seconds": round(self.call_seconds, 3),
                "stages": {name: round(seconds, 3) for name, seconds in self.call_stages.items()},
            },
        }


@dataclass(frozen=True)
class RunSpec:
    """What a run is made from, and where.

    Attributes:
        out: the run directory.
        stage: name of the stage that makes the model: "training" or "lifting".
        scene_path: the scene's folder.
        scene: what was read from it.
        fingerprint: of the scene.
        preset: name of the recipe.
        recipe: model, encoders and pyramid.
        config: of the training.
        device: where it is made.
        source: what the run depends on besides, as keys of its training document.
        tensorboard: whether to log for TensorBoard.
        masks: spec of the mask encoder; its masks are learnt from where the model has a head for them.
    """

    out: Path
    stage: str
    scene_path: Path
    scene: Scene
    fingerprint: str
    preset: str
    recipe: TrainingRecipe
    config: TrainingConfig
    device: torch.device
    source: Mapping[str, str] = field(default_factory=dict)
    tensorboard: bool = False
    masks: str | None = None

    def mask_proposer(self) -> MaskProposer | None:
        """The mask encoder, loaded; None where masks are not learnt from."""
        if self.masks is None or MASK_TARGET not in self.recipe.config.targets:
            return None
        return load_masks(self.masks, self.device)


# Makes the model of a run from the photos that have features and these features; saves it, and reports progress.
FitFunction = Callable[[RunInfo, TrainingPhotos, FeatureBank, Checkpoints, Progress], tuple[Model, TrainingResult]]


def chosen_recipe(
    method: str,
    given: str | TrainingRecipe | None,
    device: torch.device,
    encoder: str | None,
    dense: str | None,
    log: Log,
) -> tuple[str, TrainingRecipe]:
    """The recipe that a run is made by, and its name.

    Args:
        method: name of a model; "auto" for any.
        given: a recipe, or a preset's name; None for the default preset of the model and the device.
        device: where the run is made.
        encoder: spec of the image-text encoder; None for the recipe's.
        dense: spec of the dense encoder, "none" for none; None for the recipe's.
        log: gets the choice of a preset.

    Raises:
        UsageError: they do not fit together.
    """
    check_choice("method", method, ("auto", *sorted(MODELS)))
    if given is None:
        given, why = default_preset(method, device.type == "cuda", gsplat_kernels.installed())
        log(f"preset {given}, because {why}; --preset chooses another one")
    name, chosen = (given, preset(given)) if isinstance(given, str) else (_OWN_RECIPE, given)
    if method not in ("auto", chosen.config.model):
        raise UsageError(f"preset {name} is of the method {chosen.config.model}, not {method}; leave one out")
    if encoder is not None:
        check_image_text_spec(encoder)
        chosen = replace(chosen, encoder=absolute_spec(encoder))
    if dense is not None and dense != "none":
        check_dense_spec(dense)
        if "dense" not in chosen.config.targets:
            raise UsageError(f"preset {name} learns no dense features; leave --dense out")
    if dense is not None:
        chosen = replace(chosen, dense=None if dense == "none" else dense)
    return name, chosen


def absolute_spec(spec: str) -> str:
    """An encoder's spec with an absolute path, for it is saved in the run."""
    kind, local, folder = spec.partition("local-dir:")
    return f"{kind}{local}{Path(folder).expanduser().absolute()}" if local and folder else spec


def make_run(spec: RunSpec, fit_model: FitFunction, watch: Stopwatch, progress: Progress, log: Log) -> TrainReport:
    """Encode the photos, make the model from them, and save the run with its report."""
    with watch.stage("encoders"):
        encoders, proposer = load_encoders(spec.recipe, spec.device), spec.mask_proposer()
    photos = TrainingPhotos(spec.scene, subsample_evenly(spec.scene.train, spec.recipe.feature_views))
    info = _run_info(spec, photos, encoders, proposer)
    # What forbids this run in `out` is found before hours of encoding.
    with open_checkpoints(spec.out, info, lambda version: spec.scene.fingerprint(progress, version)) as checkpoints:
        if spec.device.type == "cuda":
            with watch.stage("kernels"):
                spec.recipe.config.prepare_device(spec.device, spec.out / KERNEL_LOG, progress, log)
        logs = [EventLog(spec.out / "events.jsonl"), *([TensorBoardLog(spec.out)] if spec.tensorboard else [])]
        with watch.stage("features"):
            bank = make_features(photos, encoders, spec.recipe.pyramid, spec.device, progress, log)
        if proposer is not None:
            with watch.stage("masks"):
                photos = with_masks(photos, proposer, spec.device, progress)
        del encoders, proposer  # what follows needs their memory
        checkpoints.count_cost(lambda: _cost_of_call(watch, bank, spec.device))
        with watch.stage(spec.stage):
            model, result = fit_model(info, photos, bank, checkpoints, broadcast(progress, *logs))
        watch.leave_out(spec.stage, result.paused_seconds)
        if model.finish_stage is not None and result.finish_seconds:
            watch.move(spec.stage, model.finish_stage, result.finish_seconds)
        with watch.stage("psnr"):
            quality = quick_psnr(model, spec.scene, spec.device, progress)
        of_call = _cost_of_call(watch, bank, spec.device)
        checkpoints.count_cost(lambda: of_call)
        checkpoints.save_cost()
        whole = checkpoints.cost()
        report = TrainReport(
            run=spec.out,
            steps=result.steps,
            seconds=whole.seconds,
            psnr=quality,
            stages=dict(whole.stages),
            memory_bytes=whole.memory_bytes or of_call.memory_bytes,
            crops_per_second=whole.crops_per_second,
            preset=spec.preset,
            device=whole.device or of_call.device,
            call_seconds=of_call.seconds,
            call_stages=dict(of_call.stages),
        )
        write_json(spec.out / "metrics.json", report.to_json())
        first = spec.scene.views[spec.scene.train[0]].camera.moved(spec.scene.scene_from_world)
        save_preview(spec.out, model, first, spec.device)
    return report


def _cost_of_call(watch: Stopwatch, bank: FeatureBank, device: torch.device) -> RunCost:
    """What this call has cost so far."""
    return RunCost(
        watch.elapsed(), watch.so_far(), peak_memory_bytes(device), bank.report.crops_per_second, str(device)
    )


def _run_info(spec: RunSpec, photos: TrainingPhotos, encoders: Encoders, proposer: MaskProposer | None) -> RunInfo:
    """What run.json says of the run. Of the features it depends on the pyramid and the encoders' cards."""
    image_text, dense = encoders
    scene, recipe, config = spec.scene, spec.recipe, spec.config
    target_dims = {"embedding": image_text.card.embed_dim}
    if dense is not None:
        target_dims["dense"] = dense.card.embed_dim
    if proposer is not None:
        target_dims[MASK_TARGET] = 1
    cameras = [scene.views[index].camera for index in photos.view_indices]
    context = ModelContext(len(scene.train), target_dims, crop_angles(cameras, recipe.pyramid))
    features = {"pyramid": recipe.pyramid.to_json(), "feature_views": len(cameras)}
    if proposer is not None:
        features["masks"] = proposer.card.identity()
    return RunInfo(
        seed=config.seed,
        model=recipe.config.model,
        model_config=config_to_json(recipe.config),
        model_context=config_to_json(context),
        training_config=config_to_json(config) | {"preset": spec.preset, **features, **spec.source},
        encoders={"image_text": image_text.card.to_json()} | ({} if dense is None else {"dense": dense.card.to_json()}),
        scene_path=str(spec.scene_path.absolute()),  # so that `evaluate` finds it from anywhere
        scene_fingerprint=spec.fingerprint,
        fingerprint_version=FINGERPRINT_VERSION,
        scene_from_world=scene.scene_from_world.matrix,
        views=_run_views(scene),
        warnings=scene.warnings,
        test_every=scene.test_every,
    )


def _run_views(scene: Scene) -> tuple[RunView, ...]:
    """The views that the run is trained on, then those that it is tested on."""
    train = [RunView(scene.views[index].name, "train", scene.views[index].camera) for index in scene.train]
    test = [RunView(scene.views[index].name, "test", scene.views[index].camera) for index in scene.test]
    return (*train, *test)
