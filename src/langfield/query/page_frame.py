"""The frame in which browsers show a scene: the viewer's, and that of pages without a server."""

import numpy as np

from langfield.core.transforms import Similarity, rotation_between
from langfield.query.session import Session


def page_frame(session: Session) -> Similarity:
    """From the frame of the input files to the page's: the frame that the model was trained in, in which a scene is a
    few units large and centred (browsers compute with 32-bit numbers), turned so that +z is upwards."""
    scene_from_world = Similarity.from_matrix(session.info.scene_from_world)
    turn = rotation_between(scene_from_world.rotation @ session.up_world, np.array([0.0, 0.0, 1.0]))
    return Similarity(turn, np.zeros(3)) @ scene_from_world
