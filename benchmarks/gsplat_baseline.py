"""What gsplat itself reaches on a scene's test views: its rasterisation, and its way of growing, by its own defaults.

    python benchmarks/gsplat_baseline.py SCENE --steps 7000 --out baseline.json

Settings are those of gsplat's examples/simple_trainer.py, called "default" there. Its run is one of 30,000 steps, and
what it says of step 7,000 is a look on the way: the learning rate of the means falls over --max-steps, whatever
--steps is. Scenes without a point cloud begin as its `--init_type random` does. The strategy is the library's own, with
what it does wrong: that of 1.5.3 never makes all faint, for its `step % reset_every == 0 & step > 0` is never true.

Photos, the split and the figure are langfield's (`splat_training.py`): photos are undistorted for training by
`training.photos`, and test views are compared as they are, which the trainer would undistort and crop. It prints
PSNR, seconds and Gaussians at the looks, and writes them to --out as JSON. `--small --device cpu` shows within seconds
that it runs, with `gsplat_plain.py` in gsplat's place, and nothing else.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor, nn

import gsplat_plain
from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity, rotation_between
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.models.base import Rendered
from langfield.models.batches import Photo
from langfield.ops.gaussians import gsplat_kernels
from langfield.ops.spherical_harmonics import SH_C0, num_sh_bases
from langfield.ops.ssim import reference
from langfield.renderers.splat import lens_warp
from langfield.training.photos import PhotoSource
from measuring import machine, peak_memory, synchronise, table
from splat_training import TestViews

_PHOTO_BYTES = 4 * 2**30
_SEED = 42


@dataclass(frozen=True)
class Settings:
    """The trainer's defaults. Lengths count in its frame, see `trainers_frame`.

    Attributes:
        max_steps: over which the learning rate of the means falls to `means_lr_share` of itself.
        random_points, random_reach: where there is no point cloud; the latter in scene scales.
    """

    max_steps: int = 30_000
    init_opacity: float = 0.1
    init_scale: float = 1.0
    random_points: int = 100_000
    random_reach: float = 3.0
    sh_degree: int = 3
    sh_degree_every: int = 1000
    ssim_weight: float = 0.2
    means_lr: float = 1.6e-4
    means_lr_share: float = 0.01
    scales_lr: float = 5e-3
    opacities_lr: float = 5e-2
    quats_lr: float = 1e-3
    sh0_lr: float = 2.5e-3
    shN_lr: float = 2.5e-3 / 20
    adam_eps: float = 1e-15


@dataclass(frozen=True)
class Look:
    """What was seen at a step. `training_s` is the time of training alone."""

    step: int
    training_s: float
    psnr: float
    gaussians: int


# -- the trainer's frame ---------------------------------------------------------------------------------------------


def trainers_frame(scene: Scene) -> Similarity:
    """The frame that simple_trainer learns in: learning rates and sizes count in its unit.

    The cameras' mean up is −y, the median of what they look at (of each camera's ray, the place nearest to the origin)
    is the origin, and their median distance from it is 1. Then the point cloud's principal axes are those of the frame,
    its median the origin, and its tail upwards.
    """
    poses = np.stack([view.camera.world_from_camera for view in scene.views])
    up = -poses[:, :3, 1].mean(axis=0)
    turn = rotation_between(up / np.linalg.norm(up), np.array([0.0, -1.0, 0.0]))
    centres, forward = poses[:, :3, 3] @ turn.T, poses[:, :3, 2] @ turn.T
    focus = np.median(centres - (centres * forward).sum(axis=1, keepdims=True) * forward, axis=0)
    scale = 1 / float(np.median(np.linalg.norm(centres - focus, axis=1)))
    frame = Similarity(turn, -scale * focus, scale)
    if scene.points is None or len(scene.points) < 4:
        return frame
    points = frame.points(scene.points.xyz.astype(np.float64))
    middle = np.median(points, axis=0)
    axes = np.linalg.eigh(np.cov(points - middle, rowvar=False)).eigenvectors[:, ::-1].T
    if np.linalg.det(axes) < 0:
        axes = axes * np.array([[-1.0], [1.0], [1.0]])
    height = (points - middle) @ axes[2]
    if np.median(height) > np.mean(height):
        axes = axes * np.array([[1.0], [-1.0], [-1.0]])
    return Similarity(axes, -axes @ middle) @ frame


def scene_scale(scene: Scene) -> float:
    """The greatest distance of a camera from their mean, and a tenth more."""
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in scene.cameras_scene()])
    return 1.1 * float(np.linalg.norm(centres - centres.mean(axis=0), axis=1).max())


# -- Gaussians -------------------------------------------------------------------------------------------------------


class GsplatScene:
    """Gaussians as simple_trainer keeps and draws them, in the frame `scene.scene_from_world`.

    Attributes:
        params: by the names that gsplat's strategies know; its strategy puts others in their places.
    """

    def __init__(self, gsplat: Any, scene: Scene, settings: Settings, scale: float, device: torch.device) -> None:
        self._gsplat, self._settings, self._device = gsplat, settings, device
        points, rgb = _first_points(scene, settings, scale)
        count = len(points)
        directed = torch.zeros(count, num_sh_bases(settings.sh_degree) - 1, 3)
        values = {
            "means": points,
            "scales": (_spacing(points) * settings.init_scale).log()[:, None].repeat(1, 3),
            "quats": torch.rand(count, 4),
            "opacities": torch.full((count,), settings.init_opacity).logit(),
            "sh0": ((rgb - 0.5) / SH_C0)[:, None],
            "shN": directed,
        }
        self.params = nn.ParameterDict({name: nn.Parameter(value) for name, value in values.items()}).to(device)

    def optimizers(self, scale: float) -> dict[str, torch.optim.Optimizer]:
        """One for each parameter, as gsplat's strategies want them."""
        c = self._settings
        rates = {
            "means": c.means_lr * scale,
            "scales": c.scales_lr,
            "quats": c.quats_lr,
            "opacities": c.opacities_lr,
            "sh0": c.sh0_lr,
            "shN": c.shN_lr,
        }
        return {
            name: torch.optim.Adam([{"params": self.params[name], "lr": rate}], eps=c.adam_eps, fused=True)
            for name, rate in rates.items()
        }

    def __len__(self) -> int:
        return len(self.params["means"])

    def draw(self, camera: Camera, degree: int) -> tuple[Tensor, dict[str, Any]]:
        """A pinhole's picture before black (h, w, 3), not below 0, and what gsplat tells of it."""
        view, intrinsics = _matrices(camera, self._device)
        pictures, _, info = self._gsplat.rasterization(
            means=self.params["means"],
            quats=self.params["quats"],
            scales=self.params["scales"].exp(),
            opacities=self.params["opacities"].sigmoid(),
            colors=torch.cat([self.params["sh0"], self.params["shN"]], dim=1),
            viewmats=view,
            Ks=intrinsics,
            width=camera.width_px,
            height=camera.height_px,
            near_plane=0.01,
            far_plane=1e10,
            sh_degree=degree,
            packed=False,
            absgrad=False,
            rasterize_mode="classic",
        )
        return pictures[0], info

    @torch.no_grad()
    def render(self, camera: Camera, outputs: Sequence[str]) -> Rendered:
        """The picture of a camera of any lens: a distorted one is resampled from a pinhole's, as langfield does."""
        warp = None if camera.is_pinhole else lens_warp(camera, self._device)
        picture, _ = self.draw(camera if warp is None else warp.undistorted_camera, self._settings.sh_degree)
        if warp is not None:
            picture = torch.nn.functional.grid_sample(
                picture.permute(2, 0, 1)[None],
                warp.grid[None],
                mode="bilinear",
                padding_mode="border",
                align_corners=False,
            )[0].permute(1, 2, 0)
        return Rendered(rgb=picture.clamp(0, 1))


def _first_points(scene: Scene, settings: Settings, scale: float) -> tuple[Tensor, Tensor]:
    if scene.points is not None and len(scene.points):
        xyz = scene.scene_from_world.points(scene.points.xyz.astype(np.float64))
        return torch.from_numpy(xyz).float(), torch.from_numpy(scene.points.rgb).float() / 255
    reach = settings.random_reach * scale
    return reach * (torch.rand(settings.random_points, 3) * 2 - 1), torch.rand(settings.random_points, 3)


def _spacing(points: Tensor) -> Tensor:
    """Root mean square distance of the three nearest neighbours. The trainer's own is 0 for points that are there four
    times, and what it then learns is no number."""
    distances, _ = KDTree(points.numpy()).query(points.numpy(), k=min(4, len(points)), workers=-1)
    return torch.from_numpy((distances[:, 1:] ** 2).mean(axis=1) ** 0.5).float().clamp_min(1e-7)


def _matrices(camera: Camera, device: torch.device) -> tuple[Tensor, Tensor]:
    view = torch.from_numpy(np.linalg.inv(camera.world_from_camera)).float()
    rows = [[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1]]
    return view[None].to(device), torch.tensor(rows, dtype=torch.float32)[None].to(device)


# -- training --------------------------------------------------------------------------------------------------------


def training(
    gsplat: Any,
    scene: Scene,
    settings: Settings,
    steps: int,
    looks: Sequence[int],
    test: TestViews,
    device: torch.device,
) -> Iterator[Look]:
    """The trainer's loop on one photo a step; a look at the test views after some steps and the last one, as they come.
    The clock runs from before the Gaussians begin, photos are decoded as they come, and stops for the looks."""
    torch.manual_seed(_SEED)
    scale = scene_scale(scene)
    synchronise(device)
    start, paused = time.perf_counter(), 0.0
    with PhotoSource(scene, scene.train, device, _PHOTO_BYTES, _SEED) as photos:
        gaussians = GsplatScene(gsplat, scene, settings, scale, device)
        optimizers, strategy = gaussians.optimizers(scale), gsplat.DefaultStrategy()
        fall = settings.means_lr_share ** (1 / settings.max_steps)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizers["means"], gamma=fall)
        strategy.check_sanity(gaussians.params, optimizers)
        told = gaussians.params, optimizers, strategy.initialize_state(scene_scale=scale)
        for step in range(steps):
            (photo,) = photos.batch(step).photos
            degree = min(step // settings.sh_degree_every, settings.sh_degree)
            picture, info = gaussians.draw(photo.camera, degree)
            strategy.step_pre_backward(*told, step, info)
            _loss(picture, photo, settings.ssim_weight).backward()
            for optimizer in optimizers.values():
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            schedule.step()
            strategy.step_post_backward(*told, step, info, packed=False)
            if step + 1 in looks or step + 1 == steps:
                synchronise(device)
                stopped = time.perf_counter()
                yield Look(step + 1, stopped - start - paused, test.psnr(gaussians), len(gaussians))
                paused += time.perf_counter() - stopped


def _loss(picture: Tensor, photo: Photo, weight: float) -> Tensor:
    """Mean absolute difference and 1 − SSIM. What must not be used is left out of the one, and black in the other."""
    if photo.mask is None:
        return torch.lerp((picture - photo.rgb).abs().mean(), 1 - similarity_within(picture, photo.rgb), weight)
    used = photo.mask[..., None].float()
    picture, rgb = picture * used, photo.rgb * used
    difference = (picture - rgb).abs().sum() / (3 * used.sum()).clamp_min(1)
    return torch.lerp(difference, 1 - similarity_within(picture, rgb), weight)


def similarity_within(picture: Tensor, photo: Tensor) -> Tensor:
    """Mean SSIM over the pixels whose whole window lies within: the trainer's "valid" padding, which langfield's own
    loss has not."""
    x, y = picture.permute(2, 0, 1), photo.permute(2, 0, 1)
    layers = torch.cat([x, y, x * x, y * y, x * y])
    window = picture.new_tensor(reference.ssim_window()).expand(len(layers), 1, 1, -1)
    across = torch.nn.functional.conv2d(layers[None], window, groups=len(layers))
    means = torch.nn.functional.conv2d(across, window.transpose(2, 3), groups=len(layers))[0]
    mean_x, mean_y, xx, yy, xy = means.split(3)
    alike = (2 * mean_x * mean_y + reference.SSIM_C1) * (2 * (xy - mean_x * mean_y) + reference.SSIM_C2)
    spread = (xx - mean_x**2) + (yy - mean_y**2)
    return (alike / ((mean_x**2 + mean_y**2 + reference.SSIM_C1) * (spread + reference.SSIM_C2))).mean()


# -- the command -----------------------------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    torch.backends.cudnn.allow_tf32 = False  # SSIM's variances are differences of like numbers
    start = time.perf_counter()
    here = machine(device)
    gsplat = _gsplat(device, options.out)
    print(f"{here['device']}, torch {here['torch']}, gsplat {gsplat.__version__}")
    scene = open_scene(options.scene)
    scene = replace(scene, scene_from_world=trainers_frame(scene))
    test = TestViews(scene, device)
    settings = replace(Settings(), max_steps=options.max_steps, **({"random_points": 300} if options.small else {}))
    steps = min(options.steps, 12) if options.small else options.steps
    (first,) = training(gsplat, scene, settings, min(8, steps), [], test, device)  # what only a first time takes
    looks: list[Look] = []
    memory: dict[str, float] = {}
    with peak_memory(device, memory):
        for look in training(gsplat, scene, settings, steps, options.looks, test, device):
            print(f"step {look.step}: {look.psnr:.2f} dB, {look.training_s:.1f} s", flush=True)
            looks.append(look)
    print(f"\n{scene.root.name}: gsplat by its defaults, {len(test)} test views\n")
    print(table(list(asdict(looks[0])), [list(asdict(look).values()) for look in looks]))
    found = {
        "what": "gsplat baseline",
        "machine": here,
        "gsplat": gsplat.__version__,
        "scene": scene.root.name,
        "test_views": len(test),
        "scene_scale": scene_scale(scene),
        "settings": asdict(settings),
        "first_steps_s": first.training_s,
        **asdict(looks[-1]),
        **memory,
        "looks": [asdict(look) for look in looks],
        "seconds": time.perf_counter() - start,
    }
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n")


def _gsplat(device: torch.device, out: str) -> Any:
    if device.type == "cpu":
        return gsplat_plain
    gsplat_kernels.prepare(Path(out or "gsplat_baseline").with_suffix(".build.log"), log=print)
    return gsplat_kernels.load_gsplat()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene")
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--max-steps", type=int, default=Settings.max_steps, help="of the run that --steps are part of")
    parser.add_argument("--looks", nargs="*", type=int, default=[], help="steps to look at the test views after, too")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="so little that a CPU does it in seconds")
    parser.add_argument("--out", default="", help="a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
