"""Which way is up: guessed from how photos were held."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from langfield.core.cameras import Camera

_LEVEL_SHARE = 0.2  # of the cameras' x axes along the direction that they are least along: above, they do not tell


def up_direction(cameras: Sequence[Camera]) -> Float[np.ndarray, "3"]:
    """The unit vector that points upwards in the frame of at least one camera, if photos were held level.

    A level photo's rows are horizontal: up is the direction across the x axes of all cameras, on the side that most
    pictures have on top. Where photos were taken from one side only, or at any roll, x axes do not tell, and up is the
    mean of the pictures' upward directions.
    """
    rotations = np.stack([camera.world_from_camera[:3, :3] for camera in cameras]).astype(np.float64)
    right, up = rotations[:, :, 0], -rotations[:, :, 1]
    mean = up.mean(axis=0)
    values, vectors = np.linalg.eigh(right.T @ right / len(right))
    across = vectors[:, 0] * (1 if vectors[:, 0] @ mean >= 0 else -1)
    plain = mean / max(float(np.linalg.norm(mean)), 1e-9)
    tells = values[1] > 0.02 and values[0] < _LEVEL_SHARE * values[1]
    direction = across if tells else plain
    return direction if np.linalg.norm(direction) > 0.5 else np.array([0.0, 0.0, 1.0])
