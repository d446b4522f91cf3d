"""Photos to lifted language: coloured balls, an encoder that sees colours, and pixels that answer."""

import numpy as np
import pytest
import torch
from tests.data.scenes import BALLS, draw, write_ball_scene

from langfield.data.pixels import PixelPool
from langfield.data.scene import open_scene
from langfield.encoders.base import EncoderCard
from langfield.features.bank import build_features
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidRecipe
from langfield.models.config import ModelContext
from langfield.models.presets import LIFT
from langfield.models.relevancy import EncodedPhrases
from langfield.models.voxels.voxel_lift import VoxelLift, VoxelPixels, photo_embeddings
from langfield.training.batches import RaySource
from langfield.training.config import TrainingConfig
from langfield.training.loop import train

COLOURS = ("red", "green", "blue")
STEPS = 120


class ColourEncoder:
    """Embeds a crop by how much of it is red, green, blue, and nothing of these."""

    device = torch.device("cpu")
    card = EncoderCard("test:colours", "0", "0", 4, 8, (0.0,) * 3, (1.0,) * 3, "bilinear", "none", 0)

    def encode_images(self, crops: torch.Tensor) -> torch.Tensor:
        other = torch.stack([crops.roll(1, 1), crops.roll(2, 1)]).amax(dim=0)
        strong = (crops > 2 * other).float().mean(dim=(2, 3))
        return torch.nn.functional.normalize(torch.cat([strong, 1 - strong.sum(dim=1, keepdim=True)], dim=1), dim=1)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return torch.eye(4)[[COLOURS.index(text) if text in COLOURS else 3 for text in texts]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory):
    """The scene, and a model that was trained and lifted on it."""
    folder = tmp_path_factory.mktemp("balls")
    written = write_ball_scene(folder / "scene", n_views=25, width_px=96, height_px=72)
    scene = open_scene(folder / "scene")
    encoder = ColourEncoder()
    torch.manual_seed(0)
    model = VoxelLift(LIFT, ModelContext(photos=len(scene.train), target_dims={"embedding": 4}))
    recipe = PyramidRecipe((0.15, 0.3), 0.5)
    bank = build_features(scene, scene.train, encoder, recipe=recipe, cache_dir=folder / "cache")
    with PixelPool(scene, scene.train, encoder.device, 2**28, 0) as pool:
        pool.prepare(0)
        batches = RaySource(scene, pool, encoder.device, 384)
        train(model, batches, TrainingConfig(steps=STEPS, rays=384))
    seen = []
    model.finish(TrainingPhotos(scene, scene.train), bank, seen.append)
    assert [event.done for event in seen] == list(range(1, 2 * len(scene.train) + 1))
    return written, scene, model, encoder


def test_masked_pixels_are_not_lifted(tmp_path):
    write_ball_scene(tmp_path / "scene", n_views=3, width_px=64, height_px=48, masks=True)  # not the left quarter
    scene = open_scene(tmp_path / "scene")
    bank = build_features(scene, [1], ColourEncoder(), recipe=PyramidRecipe((0.3,), 0.5), cache_dir=tmp_path / "cache")
    photo = photo_embeddings(TrainingPhotos(scene, [1]), bank.pyramid, 1, 32)
    assert [embedding.shape for embedding in photo.embedding] == [(24 * 24, 4)]
    camera = scene.views[1].camera.moved(scene.scene_from_world)
    right = torch.from_numpy(camera.world_from_camera[:3, 0]).float()
    assert (photo.rays.directions @ right).min() > -0.5 * camera.width_px / 2 / camera.fx_px


@pytest.mark.parametrize("colour", COLOURS)
def test_the_most_relevant_pixels_of_an_unseen_view_are_on_the_ball(asked, colour: str):
    written, scene, model, encoder = asked
    phrases = EncodedPhrases((colour,), encoder.encode_texts([colour]), encoder.encode_texts(["object"]), 10.0)
    phrases = model.prepare_phrases(phrases)
    right = []
    for index in scene.test:
        camera = written.cameras[index]
        _, ids, _ = draw(camera)
        wanted = ids == COLOURS.index(colour)
        if wanted.sum() < 30:
            continue
        view = model.view(scene.views[index].camera.moved(scene.scene_from_world))
        scale = torch.full((view.pixel_count,), 0.15 * scene.scene_from_world.scale)
        relevancy = VoxelPixels(model, view.samples).relevancy_at(scale)(phrases).reshape(ids.shape).numpy()
        right.append(wanted.flat[np.argmax(relevancy)] and relevancy[wanted].mean() > 2 * relevancy[~wanted].mean())
    assert len(right) >= 2
    assert np.mean(right) >= 0.75, f"{colour}: {right} of {len(BALLS)} balls"
