"""A session over the wall of `fake_world`, its world frame turned, moved and three times as large as the scene's."""

import numpy as np
import torch
from tests.query.fake_world import PHRASES, Wall, camera_at

from langfield.core.transforms import Similarity
from langfield.encoders.base import EncoderCard
from langfield.query.session import Session
from langfield.runs.info import RunInfo, RunView

TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
WORLD_FROM_SCENE = Similarity(TURN, np.array([10.0, -5, 2]), 3.0)
CARD = EncoderCard(
    spec="fake",
    weights_sha256="0",
    config_sha256="0",
    embed_dim=4,
    input_size_px=8,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    interpolation="bicubic",
    licence="none",
    parameters=0,
)


class Texts:
    """An encoder that knows the fake world's phrases."""

    card = CARD
    device = torch.device("cpu")

    def encode_images(self, crops):
        raise AssertionError("a question needs no pictures")

    def encode_texts(self, texts):
        known = dict(zip(PHRASES.texts, PHRASES.embeddings, strict=True))
        known |= dict(zip(CARD.negatives, torch.cat([PHRASES.negatives] * 2), strict=True))
        return torch.stack([known.get(text, known["nothing"]) for text in texts])


def session(model: Wall | None = None, *, language: bool = True) -> Session:
    cameras = [camera_at(x, y) for x, y in ((0, 0), (0.5, 0), (0, 0.4), (-0.5, 0.1))]
    views = tuple(RunView(f"{i}.jpg", "train", c.moved(WORLD_FROM_SCENE)) for i, c in enumerate(cameras))
    info = RunInfo(
        seed=0,
        model="fake",
        model_config={},
        model_context={},
        training_config={},
        encoders={"image_text": CARD.to_json()},
        scene_path="nowhere",
        scene_fingerprint="",
        scene_from_world=WORLD_FROM_SCENE.inverse().matrix,
        views=views,
    )
    made = Session(info, model or Wall(language), torch.device("cpu"))
    made._phrase_encoder._encoder = Texts()
    return made
