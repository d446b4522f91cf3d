"""Cameras: what one is (`Camera`), and many of them as tensors that make rays (`Cameras`).

Axes are OpenCV's (x right, y down, z forward). The centre of the top left pixel is (0.5, 0.5). Lens models follow
OpenCV: "opencv" is the rational radial-tangential model (k1 k2 p1 p2 k3 k4 k5 k6), "fisheye" the equidistant one
with polynomial k1 k2 k3 k4. A pinhole is "opencv" without coefficients.

A `Camera` is in the frame that its pose leads to, and does not know which one that is: the world frame as readers make
it, the scene frame after `moved(scene_from_world)`. Its field is named `world_from_camera`, after the first of them.
Code for cameras of any frame, or of the scene frame (everything below `query`), reads the pose as `frame_from_camera`,
and says in its docstring which frame it wants.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.camera_checks import (
    OPENGL_AXES,
    Distortion,
    all_coefficients,
    checked_focal,
    checked_number,
    checked_pose,
    checked_radius,
    checked_side,
    intrinsic_numbers,
    look_at_pose,
    one_focal,
)
from langfield.core.devices import to_device_async
from langfield.core.distortion import distort, fisheye_direction, fisheye_radius, undistort
from langfield.core.errors import UsageError
from langfield.core.rays import Rays
from langfield.core.transforms import Matrix4, Similarity, opencv_from_opengl

LensModel = Literal["opencv", "fisheye"]
Matrix = np.ndarray | Sequence[Sequence[float]]  # as people give one
Vector = np.ndarray | Sequence[float]
NO_DISTORTION: Distortion = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_SAME_RAY_COSINE = 0.9999  # rounding is far below this angle, another branch of a polynomial far above it
_HALF_DIAGONAL_PX = 0.5 * 2**0.5  # of a pixel
_HOW_TO_MAKE_ONE = "make one by Camera.looking_at, Camera.from_intrinsics or Camera.from_opengl"


@dataclass(frozen=True)
class Camera:
    """A camera: a photo's, or one of your own, best made by `looking_at`, `from_intrinsics` or `from_opengl`.

    Attributes:
        world_from_camera: 4×4 rigid pose, float64: maps camera coordinates to world ones. The camera's axes are
            OpenCV's (x right, y down, z forward). After `moved` it leads to the other frame: see `frame_from_camera`.
        width_px: the picture's width.
        height_px: the picture's height.
        fx_px: focal length along x, in pixels.
        fy_px: focal length along y, in pixels.
        cx_px: x of the principal point, in pixels; the centre of the top left pixel is (0.5, 0.5).
        cy_px: y of the principal point, in pixels.
        distortion: (k1, k2, p1, p2, k3, k4, k5, k6) for "opencv"; (k1, k2, 0, 0, k3, k4, 0, 0) for "fisheye".
        lens: the lens model.
        valid_radius_px: how far from the principal point the lens shows anything, in pixels: a circular fisheye's
            picture is black beyond, and its polynomial may have no inverse there. None for the whole picture.
    """

    world_from_camera: Matrix4
    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: Distortion = NO_DISTORTION
    lens: LensModel = "opencv"
    valid_radius_px: float | None = None

    @property
    def frame_from_camera(self) -> Matrix4:
        """The 4×4 pose in whatever frame this camera is in: the value of `world_from_camera`, also after `moved`."""
        return self.world_from_camera

    # -- cameras of one's own ------------------------------------------------------------------------------------

    @classmethod
    def looking_at(
        cls,
        eye: Vector,
        target: Vector,
        up: Vector,
        *,
        width_px: int,
        height_px: int,
        fov_y_deg: float | None = None,
        focal_px: float | None = None,
    ) -> "Camera":
        """A pinhole at `eye` with `target` in the middle of its picture.

        Args:
            eye: the camera's centre, in the world frame and its units.
            target: the point in the middle of the picture, in the world frame and its units.
            up: the direction of the world frame that is up in the picture.
            width_px: the picture's width.
            height_px: the picture's height.
            fov_y_deg: the picture's vertical field of view in degrees; this or `focal_px`.
            focal_px: the focal length in pixels; this or `fov_y_deg`.

        Raises UsageError for numbers that make no camera.
        """
        size = checked_side(width_px, "width_px"), checked_side(height_px, "height_px")
        focal = one_focal(focal_px, fov_y_deg, size[1])
        return cls(look_at_pose(eye, target, up), *size, focal, focal, size[0] / 2, size[1] / 2)

    @classmethod
    def from_intrinsics(
        cls,
        world_from_camera: Matrix,
        intrinsics: Matrix | float,
        width_px: int,
        height_px: int,
        *,
        distortion: Vector = (),
        lens: LensModel = "opencv",
    ) -> "Camera":
        """A camera by its pose and its 3×3 matrix of intrinsics.

        Args:
            world_from_camera: 4×4 or 3×4, OpenCV axes (x right, y down, z forward); an array or nested lists.
            intrinsics: the matrix of fx, 0, cx; 0, fy, cy; 0, 0, 1 in pixels, where the centre of the top left pixel is
                (0.5, 0.5): OpenCV's calibration calls it (0, 0), so add 0.5 to its cx and cy. Or one focal length, for
                a principal point in the middle.
            width_px: the picture's width.
            height_px: the picture's height.
            distortion: in OpenCV's order: k1, k2, p1, p2, k3, k4, k5, k6 (none, the first 4 or 5, or all), of a fisheye
                k1, k2, k3, k4.

        Raises UsageError for numbers that make no camera.
        """
        pose = checked_pose(world_from_camera)
        size = checked_side(width_px, "width_px"), checked_side(height_px, "height_px")
        k = all_coefficients(distortion, lens)
        return cls(pose, *size, *intrinsic_numbers(intrinsics, *size), k, lens)

    @classmethod
    def from_opengl(
        cls,
        world_from_camera_opengl: Matrix,
        intrinsics: Matrix | float,
        width_px: int,
        height_px: int,
        *,
        distortion: Vector = (),
        lens: LensModel = "opencv",
    ) -> "Camera":
        """`from_intrinsics` for a pose in OpenGL's axes (x right, y up, looking along −z): the camera-to-world matrix
        of nerfstudio, Blender and three.js, in the world frame of the scene's files."""
        pose = checked_pose(world_from_camera_opengl, "world_from_camera_opengl", OPENGL_AXES)
        return cls.from_intrinsics(
            opencv_from_opengl(pose), intrinsics, width_px, height_px, distortion=distortion, lens=lens
        )

    def checked(self) -> "Camera":
        """This camera with its numbers as they are to be: the pose a float64 matrix, whatever it was given as.

        Raises UsageError for a pose that is not rigid or mirrors, sizes below 1, focal lengths that are not positive,
        and numbers that are not finite. Poses in other axes cannot be told. Cost: 20 µs.
        """
        pose = checked_pose(self.world_from_camera)
        sides = {name: checked_side(getattr(self, name), name) for name in ("width_px", "height_px")}
        for name in ("fx_px", "fy_px"):
            checked_focal(getattr(self, name), name)
        for name in ("cx_px", "cy_px"):
            checked_number(getattr(self, name), name)
        if self.valid_radius_px is not None:
            checked_radius(self.valid_radius_px, "valid_radius_px")
        k = all_coefficients(self.distortion, self.lens)
        return replace(self, world_from_camera=pose, distortion=k, **sides)

    # -- the same camera otherwise ---------------------------------------------------------------------------------

    def resized(self, width_px: int, height_px: int) -> "Camera":
        """The same view on another pixel raster: intrinsics scale with the picture."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            fx_px=self.fx_px * sx,
            fy_px=self.fy_px * sy,
            cx_px=self.cx_px * sx,
            cy_px=self.cy_px * sy,
            valid_radius_px=None if self.valid_radius_px is None else self.valid_radius_px * min(sx, sy),
        )

    def fit_within(self, longest_px: int | None) -> "Camera":
        """The same view with its longest side at most `longest_px`; one that fits, or any for None, stays as it is.

        The other side follows the picture's shape, rounded (half to even), at least 1.
        """
        longest = max(self.width_px, self.height_px)
        if longest_px is None or longest <= longest_px:
            return self
        width, height = (max(1, round(side * longest_px / longest)) for side in (self.width_px, self.height_px))
        return self.resized(width, height)

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens has no distortion."""
        return self.lens == "opencv" and not any(self.distortion)

    @property
    def optics(self) -> tuple[Any, ...]:
        """Size, intrinsics and lens, hashable: cameras of equal optics have the same rays in camera axes."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "world_from_camera"}
        return (*(values | {"distortion": tuple(float(k) for k in self.distortion)}).values(),)

    def undistorted(self) -> "Camera":
        """The pinhole of the same pose, size, focal lengths and principal point."""
        return replace(self, distortion=NO_DISTORTION, lens="opencv", valid_radius_px=None)

    def moved(self, target_from_source: Similarity) -> "Camera":
        """The same camera in another frame, in most cases from the world to the scene frame (`scene_from_world`)."""
        return replace(self, world_from_camera=target_from_source.pose(self.world_from_camera))

    def to_json(self) -> dict[str, Any]:
        """The camera as plain JSON values; `from_json` gives it back bit for bit."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.valid_radius_px is None:  # of nearly all cameras: their JSON is as it was before there was one
            del values["valid_radius_px"]
        return values | {
            "world_from_camera": self.world_from_camera.tolist(),
            "distortion": list(self.distortion),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Camera":
        pose = np.array(values["world_from_camera"], dtype=np.float64)
        k = [float(v) for v in values["distortion"]]
        distortion = (k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7])
        return cls(**{**values, "world_from_camera": pose, "distortion": distortion})

    def valid_pixels(self) -> Bool[np.ndarray, "h w"] | None:
        """Which pixels lie wholly within `valid_radius_px`; None for all. Those that its rim crosses do not."""
        if self.valid_radius_px is None:
            return None
        x = np.arange(self.width_px) + 0.5 - self.cx_px
        y = np.arange(self.height_px) + 0.5 - self.cy_px
        return np.hypot(x[None, :], y[:, None]) <= self.valid_radius_px - _HALF_DIAGONAL_PX

    def pixel_centres(self, device: torch.device | str = "cpu") -> Float[Tensor, "h w 2"]:
        """(x, y) of every pixel's centre."""
        x = torch.arange(self.width_px, device=device, dtype=torch.float32) + 0.5
        y = torch.arange(self.height_px, device=device, dtype=torch.float32) + 0.5
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def checked_camera(camera: Any) -> Camera:
    """`Camera.checked` of what was given as a camera. UsageError for anything else."""
    if not isinstance(camera, Camera):
        hint = "give its .camera" if isinstance(getattr(camera, "camera", None), Camera) else _HOW_TO_MAKE_ONE
        raise UsageError(f"camera must be a langfield.Camera, found {type(camera).__name__}: {hint}")
    return camera.checked()


@dataclass(frozen=True)
class Cameras:
    """N cameras as tensors on one device; sizes and lenses may differ between them.

    Attributes:
        frame_from_camera: (N, 3, 4), the poses in whatever frame the given cameras were in (usually `scene`).
        focal_px: (N, 2), focal lengths along x and y.
        centre_px: (N, 2), principal points, x then y.
        size_px: (N, 2), width then height.
        distortion: (N, 8), as in `Camera`.
        fisheye: (N,), which cameras have a fisheye lens.
        any_distortion: whether any coefficient is not 0.
        any_fisheye: whether any lens is a fisheye.
    """

    frame_from_camera: Float[Tensor, "n 3 4"]
    focal_px: Float[Tensor, "n 2"]
    centre_px: Float[Tensor, "n 2"]
    size_px: Int64[Tensor, "n 2"]
    distortion: Float[Tensor, "n 8"]
    fisheye: Bool[Tensor, " n"]
    any_distortion: bool
    any_fisheye: bool

    @classmethod
    def from_list(cls, cameras: Sequence[Camera], device: torch.device | str = "cpu") -> "Cameras":
        """Cameras on a device, which is not waited for."""

        def tensor(rows: list, dtype: type[np.generic] = np.float32) -> Tensor:
            return to_device_async(np.array(rows), torch.device(device), dtype)

        return cls(
            frame_from_camera=tensor([c.frame_from_camera[:3] for c in cameras]),
            focal_px=tensor([(c.fx_px, c.fy_px) for c in cameras]),
            centre_px=tensor([(c.cx_px, c.cy_px) for c in cameras]),
            size_px=tensor([(c.width_px, c.height_px) for c in cameras], np.int64),
            distortion=tensor([c.distortion for c in cameras]),
            fisheye=tensor([c.lens == "fisheye" for c in cameras], np.bool_),
            any_distortion=any(any(c.distortion) for c in cameras),
            any_fisheye=any(c.lens == "fisheye" for c in cameras),
        )

    def __len__(self) -> int:
        return self.frame_from_camera.shape[0]

    def rays(self, camera_index: Int64[Tensor, " r"], xy_px: Float[Tensor, "r 2"]) -> Rays:
        """The rays through points `xy_px` of the given cameras' pictures.

        Returns unit directions. No host–device synchronisation.
        """
        plane = (xy_px - self.centre_px[camera_index]) / self.focal_px[camera_index]
        direction = self._unproject(plane, camera_index)
        pose = self.frame_from_camera[camera_index]
        turned = (pose[:, :, :3] @ direction[:, :, None])[:, :, 0]
        return Rays(
            origins=pose[:, :, 3],
            directions=torch.nn.functional.normalize(turned, dim=-1),
            camera_index=camera_index,
            z_per_distance=direction[:, 2],
        )

    def _unproject(self, plane: Float[Tensor, "r 2"], camera_index: Int64[Tensor, " r"]) -> Float[Tensor, "r 3"]:
        """Unit directions in camera axes for distorted points of the plane z = 1."""
        if self.any_distortion:
            coefficients = self.distortion[camera_index]
            undistorted = undistort(plane, coefficients)
        else:
            coefficients = None
            undistorted = plane
        one = torch.ones_like(plane[:, :1])
        direction = torch.nn.functional.normalize(torch.cat([undistorted, one], dim=-1), dim=-1)
        if not self.any_fisheye:
            return direction
        if coefficients is None:
            coefficients = self.distortion[camera_index]
        return torch.where(self.fisheye[camera_index, None], fisheye_direction(plane, coefficients), direction)

    def project(
        self, camera_index: int | Int64[Tensor, " p"], points: Float[Tensor, "p 3"]
    ) -> tuple[Float[Tensor, "p 2"], Float[Tensor, " p"]]:
        """Where points (in the cameras' frame) fall in one camera's picture, or each in that of its own camera.

        Returns xy in pixels and z-depth; xy means nothing where the depth is not positive.
        """
        pose = self.frame_from_camera[camera_index]
        if isinstance(camera_index, int):
            local = (points - pose[:, 3]) @ pose[:, :3]
            every = torch.full((len(points),), camera_index, device=points.device)
        else:
            local = ((points - pose[:, :, 3])[:, None, :] @ pose[:, :, :3])[:, 0]
            every = camera_index
        plane = self._distorted_plane(local, every)
        return plane * self.focal_px[camera_index] + self.centre_px[camera_index], local[:, 2]

    def lens_error_px(self, camera_index: Int64[Tensor, " r"], xy_px: Float[Tensor, "r 2"]) -> Float[Tensor, " r"]:
        """How far from points `xy_px` of the pictures their own rays fall: only rounding where the lens has an inverse.

        Not finite, or far more than a pixel, where it distorts so much that no ray, or no single one, belongs to a
        point.
        """
        plane = (xy_px - self.centre_px[camera_index]) / self.focal_px[camera_index]
        again = self._distorted_plane(self._unproject(plane, camera_index), camera_index)
        return ((again - plane) * self.focal_px[camera_index]).norm(dim=-1)

    def rays_meet(
        self, camera_index: Int64[Tensor, " p"], xy_px: Float[Tensor, "p 2"], points: Float[Tensor, "p 3"]
    ) -> Bool[Tensor, " p"]:
        """Whether the rays through `xy_px` go to `points` (in the cameras' frame), to within 0.8 degrees.

        Beyond the circle that a fisheye shows (`Camera.valid_radius_px`) its polynomial may fall again: `project` puts
        points there on pixels that show something else.
        """
        rays = self.rays(camera_index, xy_px)
        towards = torch.nn.functional.normalize(points - rays.origins, dim=-1)
        return (rays.directions * towards).sum(dim=-1) > _SAME_RAY_COSINE

    def _distorted_plane(self, local: Float[Tensor, "p 3"], camera_index: Int64[Tensor, " p"]) -> Float[Tensor, "p 2"]:
        """Points in camera axes on the plane z = 1, distorted by the lens: the inverse of `_unproject`."""
        depth = local[:, 2]
        safe = torch.where(depth.abs() < 1e-9, torch.full_like(depth, 1e-9), depth)
        plane = local[:, :2] / safe[:, None]
        if not self.any_distortion and not self.any_fisheye:
            return plane
        coefficients = self.distortion[camera_index]
        if self.any_distortion:
            plane = distort(plane, coefficients)
        if not self.any_fisheye:
            return plane
        radius = local[:, :2].norm(dim=-1).clamp_min(1e-9)
        theta = torch.atan2(radius, depth)
        round_plane = local[:, :2] / radius[:, None] * fisheye_radius(theta, coefficients)[:, None]
        return torch.where(self.fisheye[camera_index, None], round_plane, plane)
