"""The ball scene as a radiance field in closed form: its surfaces, colours and embeddings are known everywhere.

A place says the thing that it is on (an axis each for the balls, one for the table) in small crops, and more and more
of "everything" (the last axis) the larger the crop.
"""

import numpy as np
import torch
from tests.data.scenes import BALLS, NOTHING, arc_cameras, draw

from langfield.core.cameras import Camera, Cameras
from langfield.core.config import config_to_json
from langfield.core.observed_scales import ObservedScales
from langfield.core.rays import Rays
from langfield.core.transforms import Similarity
from langfield.encoders.base import EncoderCard
from langfield.models.base import Model, Rendered
from langfield.models.config import ModelContext
from langfield.models.nerf.view import RayView, render_ray_view
from langfield.models.nerf.volume import VolumeConfig, VolumeModel
from langfield.query.session import Session
from langfield.renderers.volume import RayRender, SurfaceSamples
from langfield.runs.info import RunInfo, RunView

ANGLES = (0.2, 0.8)
DIMENSIONS = len(BALLS) + 2
PHRASES = {ball.name: index for index, ball in enumerate(BALLS)} | {"table": len(BALLS), "everything": len(BALLS) + 1}
CARD = EncoderCard(
    spec="fake",
    weights_sha256="0",
    config_sha256="0",
    embed_dim=DIMENSIONS,
    input_size_px=8,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    interpolation="bicubic",
    licence="none",
    parameters=0,
)
CONTEXT = ModelContext(photos=11, target_dims={"embedding": DIMENSIONS}, crop_angles=ANGLES)


def to_surface(points: torch.Tensor) -> torch.Tensor:
    """Distance of each point to the table and to each ball: (n, 1 + balls), balls first."""
    away = [(points - torch.tensor(ball.centre).to(points)).norm(dim=-1) - ball.radius for ball in BALLS]
    return torch.stack([*away, points[:, 2]], dim=-1).abs()


class BallField(VolumeModel[VolumeConfig]):
    """See the module. Of some views (`wrong`) the depth is 0.8 of the true one; `mute` says nothing."""

    name = "balls"

    def __init__(self, wrong: tuple[int, ...] = (), mute: bool = False, context: ModelContext = CONTEXT) -> None:
        Model.__init__(self, VolumeConfig(), context)  # there is no field and no sampler to make
        self.wrong, self.mute, self.views = wrong, mute, 0

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def answers_phrases(self) -> bool:
        return True

    def view(self, camera: Camera) -> RayView:
        return render_ray_view(self, camera)

    def surface(self, camera: Camera, *, keep_samples: bool = True) -> tuple[Rendered, SurfaceSamples | None]:
        rgb, ids, depth = draw(camera)
        depth = np.where(ids == NOTHING, np.inf, depth) * (0.8 if self.views in self.wrong else 1.0)
        self.views += 1
        z = torch.from_numpy(depth).float()
        pixels = camera.pixel_centres().reshape(-1, 2)
        rays = Cameras.from_list([camera]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
        there = z.reshape(-1).isfinite()
        distance = torch.where(there, z.reshape(-1), 0) / rays.z_per_distance
        points = rays.origins + rays.directions * distance[:, None]
        rendered = Rendered(torch.from_numpy(rgb).float() / 255, z.isfinite().float(), z)
        return rendered, SurfaceSamples(points, there.float(), torch.arange(len(points)), len(points))

    def surface_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        raise AssertionError("the surface is known")

    def features_at(self, samples: SurfaceSamples) -> torch.Tensor:
        return samples.points

    def embed(
        self, samples: SurfaceSamples, scale_scene: torch.Tensor, features: torch.Tensor | None = None
    ) -> torch.Tensor:
        said = torch.nn.functional.one_hot(to_surface(samples.points).argmin(dim=-1), DIMENSIONS).float()
        said[:, -1] += 2 * scale_scene[samples.ray]
        out = torch.zeros(samples.rays, DIMENSIONS).index_add_(0, samples.ray, said * samples.weights[:, None])
        return torch.nn.functional.normalize(out, dim=-1) * (not self.mute)


class Texts:
    """An encoder that knows the scene's things; its negatives say everything a little, and nothing of it much."""

    card = CARD
    device = torch.device("cpu")

    def encode_images(self, crops):
        raise AssertionError("a question needs no pictures")

    def encode_texts(self, texts):
        known = torch.eye(DIMENSIONS)
        general = torch.nn.functional.normalize(torch.ones(DIMENSIONS), dim=0)
        return torch.stack([known[PHRASES[text]] if text in PHRASES else general for text in texts])


def cameras(count: int = 12, width_px: int = 64, height_px: int = 48) -> list[Camera]:
    return arc_cameras(count, width_px, height_px)


def observed_scales() -> ObservedScales:
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in cameras()])
    return ObservedScales.between(*ANGLES, torch.from_numpy(centres).float())


def session(model: BallField | None = None, scene_from_world: Similarity | None = None) -> Session:
    """An opened run of the field: 12 photos, the last of them held out. The scene frame is the world frame unless
    given otherwise; the balls are where they are in the scene frame."""
    place = scene_from_world or Similarity.identity()
    views = [
        RunView(f"{i}.jpg", "test" if i == 11 else "train", camera.moved(place.inverse()))
        for i, camera in enumerate(cameras())
    ]
    info = RunInfo(
        seed=0,
        model="lerf",
        model_config={},
        model_context=config_to_json(CONTEXT),
        training_config={"steps": 1},
        encoders={"image_text": CARD.to_json()},
        scene_path="nowhere",
        scene_fingerprint="",
        scene_from_world=place.matrix,
        views=views,
    )
    made = Session(info, model or BallField(), torch.device("cpu"))
    made._phrase_encoder._encoder = Texts()  # type: ignore[assignment]
    return made
