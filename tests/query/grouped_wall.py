"""The wall of `fake_world` with groups: the thing is a disc, its left half a part of it, and all of it a part of a
larger disc."""

import numpy as np
import torch
from scipy.sparse import csr_matrix
from tests.query import fake_session
from tests.query.fake_world import THING, Wall, camera_at

from langfield.groups.base import Groups
from langfield.groups.scene_groups import SceneGroups
from langfield.pipelines.grouping import observe_surface
from langfield.query.session import Session

RADIUS, AROUND = 0.35, 0.9
DISC, HALF, LARGE = 0, 1, 2


def scene_groups() -> SceneGroups:
    cameras = [camera_at(x, y) for x, y in ((0, 0), (0.5, 0), (0, 0.4), (-0.5, 0.1))]
    surface, _ = observe_surface(Wall(), cameras)
    offset = (surface.centres_scene - THING).numpy()
    away = np.linalg.norm(offset, axis=1)
    members = np.stack([away < RADIUS, (away < RADIUS) & (offset[:, 0] < 0), away < AROUND]).astype(np.float32)
    counts = np.array([4, 2, 2])
    return SceneGroups(
        surface,
        Groups(
            csr_matrix(members),
            np.array([LARGE, DISC, -1]),
            counts,
            np.array([4, 4, 4]),
            (counts / 4).astype(np.float32),
        ),
    )


def session(groups: SceneGroups | None = None, *, language: bool = True) -> Session:
    """Of the wall, with its groups."""
    plain = fake_session.session(language=language)
    made = Session(plain.info, plain.model, torch.device("cpu"), groups=groups or scene_groups())
    made._phrase_encoder._encoder = fake_session.Texts()
    return made
