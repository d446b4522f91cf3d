"""What is drawn in one browser's scene beside pictures: elements, boxes of hits, cameras of photos."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import viser
from jaxtyping import Bool, Float64, UInt8
from scipy.spatial.transform import Rotation

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.query.answers import Answer
from langfield.query.boxes import OrientedBox
from langfield.viewer.palette import PHRASE_COLOURS
from langfield.viewer.run_scene import BrowserElements
from langfield.viewer.viser_server import show_behind

_EDGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7))
_PHOTO_SIZE = 0.07
_PHOTO_COLOUR = (120, 170, 220)
_DISTANCE_COLOUR = (255, 214, 10)
_END_SIZE = 0.008  # of the page's frame, in which a scene is a few units large


class SceneNodes:
    """One browser's. Args: client: whose. page_from_world: from the frame of answers to the page's."""

    def __init__(self, client: viser.ClientHandle, page_from_world: Similarity) -> None:
        self._scene = client.scene
        self._page_from_world = page_from_world
        self._elements: Any = None
        self._hits: list[Any] = []
        self._photos: list[Any] = []
        self._distance: list[Any] = []

    def remove(self) -> None:
        """Take all of it away."""
        for node in (
            *self._hits,
            *self._photos,
            *self._distance,
            *([] if self._elements is None else [self._elements]),
        ):
            node.remove()
        self._elements, self._hits, self._photos, self._distance = None, [], [], []
        self.draw_picture(None)

    def draw_elements(
        self, elements: BrowserElements, colours: UInt8[np.ndarray, "n 3"], visible: Bool[np.ndarray, " n"]
    ) -> None:
        """Draw those elements that are visible, in these colours."""
        if self._elements is not None:
            self._elements.remove()
            self._elements = None
        if not visible.any():
            return
        if elements.covariances is None:
            self._elements = self._scene.add_point_cloud(
                "/elements",
                elements.positions[visible],
                colours[visible],
                point_size=max(1.2 * elements.spacing, 1e-4),
                point_shape="circle",
                precision="float32",
                point_shading="flat",
            )
        else:
            self._elements = self._scene.add_gaussian_splats(
                "/elements",
                elements.positions[visible],
                elements.covariances[visible],
                colours[visible],
                elements.opacities[visible, None],
            )

    def show_elements(self, shown: bool) -> None:
        """Show or hide them, as they are."""
        if self._elements is not None:
            self._elements.visible = shown

    def draw_hits(self, answers: Sequence[Answer]) -> None:
        """A box around each hit, with its phrase on it."""
        for node in self._hits:
            node.remove()
        self._hits = []
        for number, answer in enumerate(answers):
            for rank, hit in enumerate(answer.hits):
                corners = self._page_from_world.points(box_corners(hit.upright_box))
                name = f"/hits/{number}_{rank}"
                lines = self._scene.add_line_segments(
                    f"{name}/box",
                    corners[np.array(_EDGES)].astype(np.float32),
                    PHRASE_COLOURS[number],
                    thickness=2.0 if rank == 0 else 1.0,
                    thickness_units="screen",
                )
                label = self._scene.add_label(
                    f"{name}/label",
                    f"{answer.phrase} {rank + 1}" if len(answer.hits) > 1 else answer.phrase,
                    position=corners[4:].mean(axis=0),
                    anchor="bottom-center",
                )
                self._hits += [lines, label]

    def draw_photos(self, photos: Sequence[tuple[str, Camera]], clicked: Callable[[str], None]) -> None:
        """Cameras of photos (world frame), each of which says its name when it is clicked; none for none."""
        for node in self._photos:
            node.remove()
        self._photos = []
        for number, (name, camera) in enumerate(photos):
            pose = self._page_from_world.pose(camera.world_from_camera)
            frustum = self._scene.add_camera_frustum(
                f"/photos/{number}",
                fov=2 * math.atan(camera.height_px / (2 * camera.fy_px)),
                aspect=camera.width_px / camera.height_px,
                scale=_PHOTO_SIZE,
                thickness=1.5,
                thickness_units="screen",
                color=_PHOTO_COLOUR,
                wxyz=np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1),
                position=pose[:3, 3],
            )
            frustum.on_click(lambda _, name=name: clicked(name))
            self._photos.append(frustum)

    def draw_distance(self, ends_world: Sequence[Float64[np.ndarray, "3"]], text: str) -> None:
        """A line between two places with its length on it; of one place a dot, of none nothing."""
        for node in self._distance:
            node.remove()
        self._distance = []
        if not ends_world:
            return
        ends = self._page_from_world.points(np.stack(ends_world)).astype(np.float32)
        self._distance.append(
            self._scene.add_point_cloud(
                "/distance/ends",
                ends,
                np.tile(np.array([_DISTANCE_COLOUR], dtype=np.uint8), (len(ends), 1)),
                point_size=_END_SIZE,
                point_shape="circle",
                precision="float32",
                point_shading="flat",
            )
        )
        if len(ends) == 2:
            line = self._scene.add_line_segments(
                "/distance/line", ends[None], _DISTANCE_COLOUR, thickness=3.0, thickness_units="screen"
            )
            label = self._scene.add_label("/distance/label", text, position=ends.mean(axis=0), anchor="bottom-center")
            self._distance += [line, label]

    def draw_picture(self, jpeg: bytes | None) -> None:
        """A picture behind all else, as large as the page; None for none."""
        show_behind(self._scene, jpeg)


def box_corners(box: OrientedBox) -> Float64[np.ndarray, "8 3"]:
    """The corners of a box; of an upright one the last four are the upper ones."""
    signs = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)])
    return np.array(box.centre) + (signs * np.array(box.size) / 2) @ np.array(box.axes)
