"""The stages between a scene and a run: encoders, features, and the fit that suits the kind of method."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from langfield.core.config import config_from_json
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.splats import Splats
from langfield.data.formats.splat_ply import read_splat_ply
from langfield.data.images import decode_image, decode_mask
from langfield.data.pixels import PixelPool
from langfield.data.views import Scene
from langfield.encoders.base import DenseEncoder, ImageTextEncoder
from langfield.encoders.registry import load_dense, load_image_text
from langfield.features.bank import FeatureBank, build_features
from langfield.features.pyramid import PyramidRecipe
from langfield.models.base import Method, MethodContext
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.presets import Preset
from langfield.models.registry import create_method
from langfield.ops.gaussians import gsplat_kernels
from langfield.pipelines.splat_fit import check_fit, splat_fit
from langfield.query.pictures import to_uint8
from langfield.runs.info import RunInfo, RunView
from langfield.training import loop, splatting
from langfield.training.batches import BatchSource
from langfield.training.checkpoints import Checkpoints
from langfield.training.lifting import LiftingMethod, lift_language
from langfield.training.photos import PhotoSource
from langfield.core.randomness import stream_seed
from langfield.training.splat_lifting import lift_language as lift_gaussians

_PIXEL_BYTES = {"cuda": 4 * 2**30, "cpu": 2 * 2**30}
# What the quick look at the end of a training compares with photos; `evaluate` measures whole test views.
_LOOK_VIEWS = 3
_LOOK_SIDE_PX = {"cuda": 1600, "cpu": 240}

Encoders = tuple[ImageTextEncoder, DenseEncoder | None]


@dataclass
class Stopwatch:
    """Seconds spent by stage, and when it began."""

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def move(self, stage: str, other: str, seconds: float) -> None:
        """Count a part of one stage as another's."""
        self.seconds[stage] -= seconds
        self.seconds[other] = self.seconds.get(other, 0.0) + seconds


def run_views(scene: Scene) -> tuple[RunView, ...]:
    """What a run keeps of the views that it is trained or tested on."""
    train = [RunView(scene.views[index].name, "train", scene.views[index].camera) for index in scene.train]
    test = [RunView(scene.views[index].name, "test", scene.views[index].camera) for index in scene.test]
    return (*train, *test)


def crop_angles(scene: Scene, view_indices: Sequence[int], pyramid: PyramidRecipe) -> tuple[float, float]:
    """Smallest and largest height of a crop over the focal length among the views' pyramids."""
    cameras = [scene.views[index].camera for index in view_indices]
    angles = [
        level.crop_fraction * camera.height_px / camera.fy_px
        for camera in cameras
        for level in pyramid.levels(camera.width_px, camera.height_px)
    ]
    return min(angles), max(angles)


def evenly(indices: Sequence[int], at_most: int | None) -> list[int]:
    """At most so many of the indices, spread evenly; None takes all."""
    if at_most is None or len(indices) <= at_most:
        return list(indices)
    return [indices[i] for i in np.unique(np.linspace(0, len(indices) - 1, at_most).round().astype(int))]


def quick_psnr(method: Method, scene: Scene, device: torch.device, progress: Progress = silent) -> float | None:
    """Mean PSNR in dB of a few test views (on a CPU small ones); None without test views."""
    values = []
    views = [scene.views[index] for index in evenly(scene.test, _LOOK_VIEWS)]
    start = time.monotonic()
    for done, view in enumerate(views, start=1):
        camera = view.camera.fit_within(_LOOK_SIDE_PX[device.type])
        size = camera.width_px, camera.height_px
        rgb = method.render(camera.moved(scene.scene_from_world), ["rgb"]).rgb
        assert rgb is not None
        used = None if view.mask_path is None else decode_mask(view.mask_path, size)
        if used is None or used.any():
            values.append(_psnr(to_uint8(rgb), decode_image(view.image_path, size), used))
        progress(ProgressEvent("test views", done, len(views), "views", time.monotonic() - start))
    mean = float(np.mean(values)) if values else None
    return mean if mean is not None and np.isfinite(mean) else None


def _psnr(picture: UInt8[np.ndarray, "h w 3"], photo: UInt8[np.ndarray, "h w 3"], used: np.ndarray | None) -> float:
    """As `langfield.evaluation.metrics.psnr`, without what that has to import."""
    error = ((picture / 255.0 - photo / 255.0) ** 2)[... if used is None else used].mean()
    return -10 * math.log10(error) if error else math.inf


def feature_bytes(scene: Scene, view_indices: Sequence[int], encoders: Encoders, pyramid: PyramidRecipe) -> int:
    """How large the views' features (float16) are going to be."""
    image_text, dense = encoders
    sizes = [scene.views[index].size_px for index in view_indices]
    numbers = image_text.card.embed_dim * sum(level.tiles for size in sizes for level in pyramid.levels(*size))
    if dense is not None:
        numbers += dense.card.embed_dim * sum(math.prod(dense.grid(height, width)) for width, height in sizes)
    return 2 * numbers


def check_gpu_memory(needed_bytes: int, free_bytes: int, photos: int) -> None:
    """Raise UsageError if the features of so many photos are larger than the free memory of the GPU."""
    if needed_bytes > free_bytes:
        raise UsageError(
            f"needs {needed_bytes / 2**30:.1f} GB of GPU memory for features of {photos} photos, "
            f"{free_bytes / 2**30:.1f} GB are free; use --dense none, --preset nano, or --device cpu"
        )


def prepare_kernels(
    recipe: Preset, device: torch.device, log: Path, progress: Progress, say: Callable[[str], None]
) -> None:
    """Have what the preset's method draws with on this device, before anything long begins. Raises UsageError that says
    what is missing; see `langfield.ops.gaussians.gsplat_kernels.prepare`."""
    if device.type == "cuda" and isinstance(recipe.config, SplatConfig):
        gsplat_kernels.prepare(log, progress=progress, say=say)


def load_encoders(recipe: Preset, device: torch.device) -> Encoders:
    """The preset's encoders."""
    dense = None if recipe.dense is None else load_dense(recipe.dense, device)
    return load_image_text(recipe.encoder, device), dense


def make_features(
    scene: Scene,
    views: Sequence[int],
    encoders: Encoders,
    pyramid: PyramidRecipe,
    device: torch.device,
    progress: Progress,
    say: Callable[[str], None],
) -> FeatureBank:
    """Let the encoders see the views."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        check_gpu_memory(feature_bytes(scene, views, encoders, pyramid), free, len(views))
    bank = build_features(scene, views, *encoders, pyramid, progress=progress)
    made = bank.report
    done = f"{made.crops:,} crops at {made.crops_per_second:,.0f} crops/s" if made.crops else "no crops to encode"
    say(f"features of {len(views)} photos: {done}, {made.reused_photos} photos from the cache")
    return bank.to(device) if device.type == "cuda" else bank  # on a CPU it stays memory-mapped


def fresh_method(info: RunInfo, device: torch.device) -> Method:
    """The run's method as training begins with it; the run's seed alone says what is random in it."""
    context = config_from_json(MethodContext, dict(info.model_context), "model.context")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(info.seed, "method"))
        return create_method(info.model, info.model_config, context).to(device)


def fit(
    method: Method,
    scene: Scene,
    bank: FeatureBank,
    language_views: Sequence[int],
    config: loop.TrainingConfig,
    checkpoints: Checkpoints,
    progress: Progress,
    say: Callable[[str], None],
) -> loop.TrainingResult:
    """Train the method as its kind wants it, from where `checkpoints` stopped.

    Args:
        bank: features of `language_views`; where it lies, the training runs.
    """
    device = bank.pyramid.rows.device
    budget = _PIXEL_BYTES[device.type]
    if isinstance(method, Splat):
        say(splatting.begin(method, scene, config.seed))
        of_step = {name: getattr(method.config, name) for name in ("photos_per_step", "half_size_until")}
        with PhotoSource(scene, scene.train, device, budget, config.seed, **of_step) as photos:
            follow = splatting.follower(method, photos.generator)
            after = partial(lift_gaussians, method, scene, bank.pyramid, language_views, progress)
            return loop.train(method, photos, config, checkpoints, progress=progress, after_step=follow, finish=after)
    with (
        PixelPool(scene, scene.train, device, budget, config.seed) as pool,
        PixelPool(scene, language_views, device, budget, config.seed) as language_pool,
    ):
        pool.prepare(0, progress)
        if isinstance(method, LiftingMethod):
            batches = BatchSource(scene, pool, None, device, config.rays)
            after = partial(lift_language, method, scene, bank.pyramid, language_views, progress)
            return loop.train(method, batches, config, checkpoints, progress=progress, finish=after)
        apart = language_pool if len(language_views) < len(scene.train) else None
        batches = BatchSource(scene, pool, bank, device, config.rays, config.language_rays, apart)
        return loop.train(method, batches, config, checkpoints, progress=progress)


# -- somebody else's Gaussians ---------------------------------------------------------------------------------------


def read_splats(path: Path, say: Callable[[str], None]) -> Splats:
    """The Gaussians of a PLY file, in its own frame; says how many there are, and how many had to be left out."""
    splats, left_out = read_splat_ply(path)
    left = f"; {left_out:,} left out, whose numbers are not finite or not possible" if left_out else ""
    say(f"{path}: {len(splats):,} Gaussians with harmonics of degree {splats.degree}{left}")
    return splats


def holding(recipe: Preset, splats: Splats) -> Preset:
    """The preset, of the method splat, with room for exactly these Gaussians."""
    config = recipe.config
    assert isinstance(config, SplatConfig)
    room = replace(config.gaussians, capacity=len(splats), sh_degree=splats.degree)
    return replace(recipe, config=replace(config, gaussians=room))


def check_splats(
    splats: Splats,
    scene: Scene,
    path: Path,
    config: SplatConfig,
    device: torch.device,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Say what speaks against these Gaussians of the world frame being of the scene; DataError if all does."""
    method = Splat(config, MethodContext(photos=len(scene.train))).to(device)
    method.gaussians.take(splats, scene.scene_from_world)
    for note in check_fit(splat_fit(method, scene, scene.train, progress), path):
        say(note)


def lift_onto(
    splats: Splats,
    info: RunInfo,
    scene: Scene,
    bank: FeatureBank,
    language_views: Sequence[int],
    checkpoints: Checkpoints,
    progress: Progress,
) -> tuple[Method, loop.TrainingResult]:
    """Give Gaussians of the world frame the language of `bank`, and save them as a run of no steps."""
    start, device = time.perf_counter(), bank.pyramid.rows.device
    method = fresh_method(info, device)
    assert isinstance(method, Splat)
    method.gaussians.take(splats, scene.scene_from_world)
    lift_gaussians(method, scene, bank.pyramid, language_views, progress)
    checkpoints.save_made(method.state_dict())
    return method, loop.TrainingResult(0, time.perf_counter() - start, {}, loop.peak_memory_bytes(device))
