"""What gsplat on CUDA and plain torch elsewhere agree on: gsplat's constants, and camera axes."""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.cameras import Camera

EPS2D_PX2 = 0.3  # added to the diagonal of every 2D covariance: a blur by about a pixel
NEAR_PLANE = 0.01  # Gaussians whose centre is nearer (z-depth) are not drawn
ALPHA_THRESHOLD = 1 / 255  # what is fainter at a pixel is skipped there
MAX_ALPHA = 0.999
TRANSMITTANCE_THRESHOLD = 1e-4  # the Gaussian that would bring T down to this is not drawn any more, nor any behind it
FIELD_OF_VIEW_MARGIN = 0.3  # J is taken at most this share of half the field of view outside the picture
MIN_QUATERNION_NORM = 1e-15  # a quaternion this short has no direction in float32
MAX_SIZE_PX = 1e8  # what is wider overflows float32


def camera_from_frame(camera: Camera, like: Tensor) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """Rotation R and translation t, as `like` in dtype and device: a point x of the frame is R x + t in camera axes."""
    rotation = camera.frame_from_camera[:3, :3].T
    translation = -rotation @ camera.frame_from_camera[:3, 3]
    return torch.tensor(rotation).to(like), torch.tensor(translation).to(like)
