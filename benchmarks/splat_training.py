"""Seconds until Gaussians show test views as well as asked for, and where a step's time goes; see `splats.py`."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import torch

import langfield.models.gaussians.splat as splat_module
from langfield.core.cameras import Camera
from langfield.core.config import config_from_json, config_to_json
from langfield.core.errors import Interrupted
from langfield.data.images import decode_image, decode_mask
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.features.photos import TrainingPhotos
from langfield.models.base import Rendered
from langfield.models.config import ModelContext
from langfield.models.gaussians.adaptive_density import AdaptiveDensityConfig
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.presets import preset
from langfield.training.guard import NanGuard
from langfield.training.loop import TrainingConfig, train
from langfield.training.optimiser import Optimiser
from langfield.training.photos import PhotoSource
from measuring import Marks, kernels, peak_memory, synchronise, table

_PHOTO_BYTES = 4 * 2**30


def measure(options: argparse.Namespace, device: torch.device, machine: dict) -> dict:
    scene = open_scene(options.scene)
    test = TestViews(scene, device)
    rows, profiles = [], {}
    for name in options.presets:
        recipe = preset(name)
        config = _changed(recipe.config, options.set)
        steps = options.max_steps or (12 if options.small else recipe.steps)
        warm_s = train_measured(scene, config, device, steps=8, every=8, test=test, targets=[])[0]["training_s"]
        looks = options.every, test, options.targets
        row, model, curve = train_measured(scene, config, device, steps, *looks, options.seconds)
        rows.append({"preset": name, **row, "first_steps_s": warm_s})
        parts, launches = _profile(model, scene, device, steps, Path(options.out))
        profiles[name] = {"parts_ms": parts, "launches": launches, "curve": curve, "config": config_to_json(config)}
        print(f"\nOne step of {name}, {model.gaussians.count:,} Gaussians, ms by part\n")
        print(table([*parts, "sum", "kernels"], [[*parts.values(), sum(parts.values()), launches]]))
        del model
    print("\nTime to a PSNR on the test views\n")
    print(table(list(rows[0]), [list(row.values()) for row in rows]))
    return {"scene": str(Path(options.scene).name), "test_views": len(test), "rows": rows, "presets": profiles}


def _changed(config: Any, changes: list[str]) -> SplatConfig:
    """The config with settings such as strategy.refine_stop=5000."""
    if not isinstance(config, SplatConfig):
        raise SystemExit("only presets of Gaussians can be measured here")
    document = config_to_json(config)
    for change in changes:
        path, _, value = change.partition("=")
        *parents, last = path.split(".")
        place: Any = document
        for parent in parents:
            place = place[parent]
        place[last] = type(place[last])(float(value)) if not isinstance(place[last], bool) else value == "true"
    return config_from_json(SplatConfig, document, "config")


class Rendering(Protocol):
    """What can be compared with test views: all of `langfield.models.base.Model` that it takes."""

    def render(self, camera: Camera, outputs: Sequence[str]) -> Rendered: ...


class TestViews:
    """The test views' photos on the device, and the mean PSNR of what is rendered of them, rounded to bytes."""

    def __init__(self, scene: Scene, device: torch.device) -> None:
        self._views = []
        for view in (scene.views[index] for index in scene.test):
            mask = None if view.mask_path is None else decode_mask(view.mask_path, view.size_px)
            photo = torch.from_numpy(decode_image(view.image_path, view.size_px, view.white_level)).to(device)
            used = None if mask is None else torch.from_numpy(mask).to(device)
            self._views.append((view.camera.moved(scene.scene_from_world), photo, used))

    def __len__(self) -> int:
        return len(self._views)

    def psnr(self, model: Rendering) -> float:
        values = []
        for camera, photo, used in self._views:
            rgb = model.render(camera, ["rgb"]).rgb
            assert rgb is not None
            error = ((rgb * 255).round() / 255 - photo.float() / 255) ** 2
            values.append(-10 * (error if used is None else error[used]).mean().log10())
        return float(torch.stack(values).mean())


def train_measured(
    scene: Scene,
    config: SplatConfig,
    device: torch.device,
    steps: int,
    every: int,
    test: TestViews,
    targets: list[float],
    seconds: float | None = None,
) -> tuple[dict[str, Any], Splat, list[tuple[int, float, float, int]]]:
    """Figures, the model, and (step, training seconds, PSNR, Gaussians) at each look at the test views. The clock runs
    from before the Gaussians begin, photos are decoded as they come, and stops for the looks."""
    torch.manual_seed(0)
    model = Splat(config, ModelContext(photos=len(scene.train))).to(device)
    curve: list[tuple[int, float, float, int]] = []
    memory: dict[str, float] = {}
    synchronise(device)
    start, paused = time.perf_counter(), 0.0
    with peak_memory(device, memory), _photos(scene, config, device, seed=0) as photos:
        model.initialise(TrainingPhotos(scene, scene.train), 0)
        steps_done = count(1)

        def look_and_stop() -> bool:
            """After each step: look if it is time to, and whether enough time was spent."""
            nonlocal paused
            done = next(steps_done)
            if done % every == 0 or done == steps:
                synchronise(device)
                stopped = time.perf_counter()
                curve.append((done, stopped - start - paused, test.psnr(model), model.gaussians.count))
                synchronise(device)
                paused += time.perf_counter() - stopped
            return seconds is not None and time.perf_counter() - start - paused > seconds

        with suppress(Interrupted):
            train(model, photos, TrainingConfig(steps=steps), should_stop=look_and_stop)
    row: dict[str, Any] = {f"s to {target} dB": _first(curve, target) for target in targets}
    last_step, training_s, last_psnr, gaussians = curve[-1] if curve else (0, 0.0, float("nan"), 0)
    row |= {"psnr": last_psnr, "steps": last_step, "training_s": training_s}
    row |= {"steps_per_s": last_step / max(training_s, 1e-9), "gaussians": gaussians, **memory}
    return row, model, curve


def _photos(scene: Scene, config: SplatConfig, device: torch.device, seed: int) -> PhotoSource:
    return PhotoSource(
        scene,
        scene.train,
        device,
        _PHOTO_BYTES,
        seed,
        photos_per_step=config.photos_per_step,
        half_size_until=config.half_size_until,
    )


def _first(curve: list[tuple[int, float, float, int]], target: float) -> float | None:
    return next((seconds for _, seconds, psnr, _ in curve if psnr >= target), None)


def _profile(
    model: Splat, scene: Scene, device: torch.device, first: int, out: Path, rounds: int = 30
) -> tuple[dict[str, float], int]:
    """Milliseconds of a step by part, each the median over some steps after training; and, from a second look by
    torch's profiler, how many kernels a step launches (what they are goes into a file beside `out`)."""
    rounds = rounds if device.type == "cuda" else 2
    marks, optimiser, guard = Marks(device), Optimiser(model.param_groups()), NanGuard(device)
    strategy = model.config.strategy
    assert isinstance(strategy, MCMCConfig | AdaptiveDensityConfig)
    with _photos(scene, model.config, device, seed=1) as photos:

        def step(number: int) -> None:
            optimiser.set_rates(number)
            batch = photos.batch(number)
            marks.mark("batch")
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                terms = model.loss(batch, number)
            loss = torch.stack([value.float() for name, value in terms.items() if not name.startswith("_")]).sum()
            marks.mark("loss")
            loss.backward()
            marks.mark("backward")
            bad = guard.check(loss, optimiser.gradients())
            marks.mark("guard")
            optimiser.step(bad.float())
            marks.mark("optimiser")
            model.after_step(number, optimiser, bad, photos.generator)
            marks.mark("refine" if number % strategy.refine_every == 0 else "after step")

        with _marked_drawing(marks):
            for number in range(first, first + 2 * rounds):
                marks.begin()
                step(number)
                if number == first + rounds // 2:  # the first ones decode photos
                    marks.restart()
        parts = marks.milliseconds()
        launches = _launches(lambda: step(first + 1), marks, out) if device.type == "cuda" else 0
    return parts, launches


@contextmanager
def _marked_drawing(marks: Marks) -> Iterator[None]:
    """Put marks about what draws within a loss: colours come before it."""
    drawn = splat_module.blend_views

    def marked(*args: Any, **options: Any) -> Any:
        marks.mark("colours")
        pictures = drawn(*args, **options)
        marks.mark("project and rasterise")
        return pictures

    splat_module.blend_views = marked
    try:
        yield
    finally:
        splat_module.blend_views = drawn


def _launches(step: Callable[[], None], marks: Marks, out: Path) -> int:
    def steps() -> None:
        for _ in range(3):
            step()

    marks.begin()
    return kernels(steps, out.with_suffix(".kernels.txt"))[1] // 3
