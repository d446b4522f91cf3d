"""The stages between a scene and a run: its photos, encoders and features, a new model, and its training."""

import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from langfield.core.cameras import Camera, Cameras
from langfield.core.config import config_from_json
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.randomness import stream_seed
from langfield.core.sampling import subsample_evenly
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.pixels import PixelPool
from langfield.data.scene import Scene, open_scene
from langfield.encoders.base import DenseEncoder, ImageTextEncoder
from langfield.encoders.masks.base import MaskProposer
from langfield.encoders.registry import load_dense, load_image_text
from langfield.features.bank import FeatureBank, build_features
from langfield.features.mask_bank import build_masks
from langfield.features.mask_scales import CloudScaledMasks
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidRecipe
from langfield.features.targets import EncoderTargets
from langfield.models.base import Model
from langfield.models.batches import PhotoBatching
from langfield.models.config import ModelContext
from langfield.models.presets import TrainingRecipe
from langfield.models.registry import create_model
from langfield.query.pictures import to_uint8
from langfield.runs.atomic import write_bytes
from langfield.runs.info import RunInfo
from langfield.runs.preview import PREVIEW
from langfield.training import loop
from langfield.training.batches import RaySource
from langfield.training.checkpoints import Checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.observer import Observer
from langfield.training.photos import PhotoSource

_PIXEL_BYTES = {"cuda": 4 * 2**30, "cpu": 2 * 2**30}
# Of the PSNR that a training ends with; `evaluate` measures all test views at their size.
_PSNR_VIEWS = 3
_PSNR_SIDE_PX = {"cuda": 1600, "cpu": 240}
_PREVIEW_PX = {"cuda": 640, "cpu": 240}

Log = Callable[[str], None]  # gets lines for people
Encoders = tuple[ImageTextEncoder, DenseEncoder | None]


@dataclass
class Stopwatch:
    """Measures the duration of stages.

    Attributes:
        seconds: by stage.
        started: when it was made, as `time.perf_counter` counts.
        running: the stage that runs now, and when it began.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    running: tuple[str, float] | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent in the context to a stage. Stages do not nest."""
        self.running = name, time.perf_counter()
        try:
            yield
        finally:
            self.seconds, self.running = self.so_far(), None

    def so_far(self) -> dict[str, float]:
        """Seconds by stage up to now, with those of the stage that runs."""
        if self.running is None:
            return dict(self.seconds)
        name, began = self.running
        return self.seconds | {name: self.seconds.get(name, 0.0) + time.perf_counter() - began}

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.started

    def move(self, stage: str, other: str, seconds: float) -> None:
        """Move seconds from one stage to another."""
        self.seconds[stage] -= seconds
        self.seconds[other] = self.seconds.get(other, 0.0) + seconds

    def leave_out(self, stage: str, seconds: float) -> None:
        """Do not count some seconds of a stage, in which nothing was done."""
        self.seconds[stage] -= seconds
        self.started += seconds


# -- photos and encoders ---------------------------------------------------------------------------------------------


def open_with_fingerprint(
    scene: str | Path, allow_outside: bool, test_every: int | None, watch: Stopwatch, progress: Progress, log: Log
) -> tuple[Scene, str]:
    """A scene and its fingerprint; the notes of its reader are logged."""
    with watch.stage("scene"):
        photos = open_scene(scene, allow_outside=allow_outside, test_every=test_every)
        for note in photos.notes:
            log(note)
        return photos, photos.fingerprint(progress)


def load_encoders(recipe: TrainingRecipe, device: torch.device) -> Encoders:
    """The recipe's encoders."""
    dense = None if recipe.dense is None else load_dense(recipe.dense, device)
    return load_image_text(recipe.encoder, device), dense


def crop_angles(cameras: Sequence[Camera], pyramid: PyramidRecipe) -> tuple[float, float]:
    """Smallest and largest height of a crop over the focal length among the cameras' pyramids."""
    angles = [
        level.crop_fraction * camera.height_px / camera.fy_px
        for camera in cameras
        for level in pyramid.levels(camera.width_px, camera.height_px)
    ]
    return min(angles), max(angles)


def make_features(
    photos: TrainingPhotos,
    encoders: Encoders,
    pyramid: PyramidRecipe,
    device: torch.device,
    progress: Progress,
    log: Log,
) -> FeatureBank:
    """The encoders' features of the photos; on a GPU if that is the device, memory-mapped on a CPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        check_gpu_memory(feature_bytes(photos, encoders, pyramid), free, len(photos.view_indices))
    bank = build_features(photos.scene, photos.view_indices, *encoders, pyramid, progress=progress)
    made = bank.report
    done = f"{made.crops:,} crops at {made.crops_per_second:,.0f} crops/s" if made.crops else "no crops to encode"
    log(f"features of {len(photos.view_indices)} photos: {done}, {made.reused_photos} photos from the cache")
    return bank.to(device) if device.type == "cuda" else bank


def with_masks(
    photos: TrainingPhotos, proposer: MaskProposer, device: torch.device, progress: Progress
) -> TrainingPhotos:
    """The photos with masks of a proposer, from the cache or made now, and scales by the scene's point cloud."""
    bank = build_masks(photos.scene, photos.view_indices, proposer, progress=progress)
    of_view = dict(zip(bank.view_indices, bank, strict=True))
    return replace(photos, masks=CloudScaledMasks(photos, lambda view_index: of_view[view_index].dense(device)))


def feature_bytes(photos: TrainingPhotos, encoders: Encoders, pyramid: PyramidRecipe) -> int:
    """Size of the photos' features, which are float16."""
    image_text, dense = encoders
    sizes = [photos.scene.views[index].size_px for index in photos.view_indices]
    numbers = image_text.card.embed_dim * sum(level.tiles for size in sizes for level in pyramid.levels(*size))
    if dense is not None:
        numbers += dense.card.embed_dim * sum(math.prod(dense.grid(height, width)) for width, height in sizes)
    return 2 * numbers


def check_gpu_memory(needed_bytes: int, free_bytes: int, photos: int) -> None:
    """Raise UsageError if the features of `photos` photos need more memory than the GPU has free."""
    if needed_bytes > free_bytes:
        raise UsageError(
            f"needs {needed_bytes / 2**30:.1f} GB of GPU memory for features of {photos} photos, "
            f"{free_bytes / 2**30:.1f} GB are free; use --dense none, --preset nano, or --device cpu"
        )


# -- the model -------------------------------------------------------------------------------------------------------


def fresh_model(info: RunInfo, device: torch.device) -> Model:
    """The run's model with its initial parameters, which depend on the run's seed and config only."""
    context = config_from_json(ModelContext, dict(info.model_context), "model.context")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(info.seed, "method"))
        return create_model(info.model, info.model_config, context).to(device)


def fit(
    model: Model,
    photos: TrainingPhotos,
    bank: FeatureBank,
    config: TrainingConfig,
    checkpoints: Checkpoints,
    progress: Progress,
    log: Log,
    observer: Observer | None = None,
) -> loop.TrainingResult:
    """Train the model, from the state in `checkpoints` if there is one, and finish it.

    Args:
        photos: those that have features, all or some of the training photos.
        bank: their features, on the device of the training.
        observer: looks at it, see `langfield.training.loop.train`.
    """
    device, scene = bank.pyramid.rows.device, photos.scene
    note = model.initialise(TrainingPhotos(scene, scene.train), config.seed)
    if note is not None:
        log(note)
    finish = None if model.finish_stage is None else lambda: model.finish(photos, bank, progress)
    with ExitStack() as stack:
        batches = _batches(model, photos, bank, config, device, stack, progress)
        return loop.train(model, batches, config, checkpoints, progress=progress, finish=finish, observer=observer)


def _batches(
    model: Model,
    photos: TrainingPhotos,
    bank: FeatureBank,
    config: TrainingConfig,
    device: torch.device,
    stack: ExitStack,
    progress: Progress,
) -> loop.Batches:
    """The source of the model's batches, which `stack` closes."""
    scene, budget, batching = photos.scene, _PIXEL_BYTES[device.type], model.config.batching
    if isinstance(batching, PhotoBatching):
        per_step = {"photos_per_step": batching.photos_per_step, "half_size_until": batching.half_size_until}
        return stack.enter_context(PhotoSource(scene, scene.train, device, budget, config.seed, **per_step))
    pool = stack.enter_context(PixelPool(scene, scene.train, device, budget, config.seed))
    pool.prepare(0, progress)
    targets = model.target_sources(photos, device)
    if model.targets & {"embedding", "dense"}:
        targets.insert(0, EncoderTargets(bank, Cameras.from_list(scene.cameras_scene(), device), model.targets))
    head_pool = None
    if targets and len(photos.view_indices) < len(scene.train):
        head_pool = stack.enter_context(PixelPool(scene, photos.view_indices, device, budget, config.seed))
    per_photo = model.head_rays_per_photo
    return RaySource(scene, pool, device, config.rays, targets, config.head_rays, head_pool, per_photo)


def quick_psnr(model: Model, scene: Scene, device: torch.device, progress: Progress = silent) -> float | None:
    """Mean PSNR in dB of a few test views (on a CPU small ones); None without test views."""
    values = []
    views = [scene.views[index] for index in subsample_evenly(scene.test, _PSNR_VIEWS)]
    start = time.monotonic()
    for done, view in enumerate(views, start=1):
        camera = view.camera.fit_within(_PSNR_SIDE_PX[device.type])
        size = camera.width_px, camera.height_px
        with torch_threads(model.config.rays_at_once // RAYS_PER_THREAD_RENDERED, device):
            rgb = model.render(camera.moved(scene.scene_from_world), ["rgb"]).rgb
        assert rgb is not None
        used = used_pixels(view, size)
        if used is None or used.any():
            values.append(_psnr(to_uint8(rgb), decode_image(view.image_path, size, view.white_level), used))
        progress(ProgressEvent("test views", done, len(views), "views", time.monotonic() - start))
    mean = float(np.mean(values)) if values else None
    return mean if mean is not None and np.isfinite(mean) else None


def save_preview(run: Path, model: Model, camera_scene: Camera, device: torch.device) -> None:
    """Put what a photo's camera sees of the model, small, into the run's folder.

    Args:
        camera_scene: in the scene frame.

    Raises RunError where it cannot be written.
    """
    camera = camera_scene.undistorted().fit_within(_PREVIEW_PX[device.type])
    with torch_threads(model.config.rays_at_once // RAYS_PER_THREAD_RENDERED, device):
        rgb = model.render(camera, ["rgb"]).rgb
    assert rgb is not None
    file = io.BytesIO()
    Image.fromarray(to_uint8(rgb)).save(file, "JPEG", quality=90)
    write_bytes(run / PREVIEW, file.getvalue())


def _psnr(picture: UInt8[np.ndarray, "h w 3"], photo: UInt8[np.ndarray, "h w 3"], used: np.ndarray | None) -> float:
    """PSNR in dB, as `langfield.evaluation.metrics.psnr`, without importing what the other metrics there need."""
    error = ((picture / 255.0 - photo / 255.0) ** 2)[... if used is None else used].mean()
    return -10 * math.log10(error) if error else math.inf
