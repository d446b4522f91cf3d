"""Rigid motions, similarities, and the axes other programs use.

In memory a camera looks along +z with x right and y down (OpenCV). `b_from_a` maps coordinates in frame a to
coordinates in frame b. `world` is the frame of the input files; `scene` is the normalised frame that fields are
trained in. What a person sees is always in `world`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

Matrix4 = Float64[np.ndarray, "4 4"]

_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def opencv_from_opengl(world_from_camera_opengl: Matrix4) -> Matrix4:
    """Change a camera pose from OpenGL axes (y up, looking along −z) to OpenCV axes. Its own inverse."""
    return world_from_camera_opengl @ _OPENGL_FROM_OPENCV


@dataclass(frozen=True)
class Similarity:
    """x ↦ scale · rotation · x + translation, in float64.

    Attributes:
        rotation: 3×3, orthonormal with determinant +1.
        translation: in units of the target frame.
        scale: target units per source unit, positive.
    """

    rotation: Float64[np.ndarray, "3 3"]
    translation: Float64[np.ndarray, "3"]
    scale: float = 1.0

    @classmethod
    def identity(cls) -> "Similarity":
        return cls(np.eye(3), np.zeros(3), 1.0)

    @classmethod
    def from_matrix(cls, matrix: Matrix4) -> "Similarity":
        """Split a 4×4 similarity matrix; raises ValueError if it is not one (to 1e-6)."""
        linear = matrix[:3, :3]
        determinant = float(np.linalg.det(linear))
        if not determinant > 0:
            raise ValueError(f"determinant of a similarity must be positive, got {determinant:g}")
        scale = determinant ** (1 / 3)
        rotation = linear / scale
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6):
            raise ValueError("not a similarity: its axes are not orthogonal or not equally scaled")
        return cls(rotation, np.array(matrix[:3, 3], dtype=np.float64), scale)

    @property
    def matrix(self) -> Matrix4:
        out = np.eye(4)
        out[:3, :3] = self.scale * self.rotation
        out[:3, 3] = self.translation
        return out

    def inverse(self) -> "Similarity":
        rotation = self.rotation.T
        return Similarity(rotation, -(rotation @ self.translation) / self.scale, 1.0 / self.scale)

    def __matmul__(self, other: "Similarity") -> "Similarity":
        """`(c_from_b @ b_from_a)` is `c_from_a`."""
        return Similarity(
            self.rotation @ other.rotation,
            self.scale * (self.rotation @ other.translation) + self.translation,
            self.scale * other.scale,
        )

    def points(self, points: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
        return self.scale * (points @ self.rotation.T) + self.translation

    def pose(self, source_from_camera: Matrix4) -> Matrix4:
        """Move a camera into the target frame. Its rotation stays orthonormal: only its centre is scaled."""
        out = np.eye(4)
        out[:3, :3] = self.rotation @ source_from_camera[:3, :3]
        out[:3, 3] = self.points(source_from_camera[:3, 3])
        return out


def normalising_similarity(
    world_from_camera: Float64[np.ndarray, "n 4 4"], up: Literal["cameras", "none"] = "cameras"
) -> Similarity:
    """The `scene_from_world` that puts the cameras' mean at the origin, within [−1, 1] in every coordinate.

    With `up="cameras"` the mean of the cameras' up directions becomes +z (as nerfstudio's `up` orientation does).
    """
    centres = world_from_camera[:, :3, 3]
    rotation = np.eye(3)
    if up == "cameras":
        mean_up = -world_from_camera[:, :3, 1].mean(axis=0)  # OpenCV's y points down
        norm = float(np.linalg.norm(mean_up))
        if norm > 1e-6:
            rotation = rotation_between(mean_up / norm, np.array([0.0, 0.0, 1.0]))
    centred = (centres - centres.mean(axis=0)) @ rotation.T
    extent = float(np.abs(centred).max())
    scale = 1.0 / extent if extent > 1e-9 else 1.0
    return Similarity(rotation, -scale * (rotation @ centres.mean(axis=0)), scale)


def rotation_between(source: Float64[np.ndarray, "3"], target: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The smallest rotation that turns unit vector `source` into unit vector `target`."""
    cross = np.cross(source, target)
    if float(source @ target) < 0:
        # 1 / (1 + cosine) would magnify rounding: turn to the opposite of the target, then half round.
        nearly_opposite = float(np.linalg.norm(cross)) < 1e-8
        axis = np.cross(target, np.eye(3)[int(np.abs(target).argmin())]) if nearly_opposite else cross
        axis = axis - (axis @ target) * target
        axis /= np.linalg.norm(axis)
        return (2 * np.outer(axis, axis) - np.eye(3)) @ rotation_between(source, -target)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + float(source @ target))
