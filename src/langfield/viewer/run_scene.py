"""A run as the viewer shows it: its session, the page's frame, and what of it browsers draw themselves."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from scipy.spatial.transform import Rotation
from torch import Tensor

from langfield.core.devices import to_host
from langfield.core.progress import Progress, silent
from langfield.core.splats import SH_C0, Splats, chosen_to_draw
from langfield.core.transforms import Similarity
from langfield.query.frames import encode_jpeg
from langfield.query.objects import SceneObject
from langfield.query.page_frame import page_frame
from langfield.query.session import Session
from langfield.runs.info import RunView
from langfield.viewer import look
from langfield.viewer.element_colours import ElementAnswers
from langfield.viewer.page_camera import PageCamera, Stand, stand_of_photo
from langfield.viewer.run_photos import PhotoReader, RunPhotos
from langfield.viewer.state import ViewerState

_MAX_PHOTOS = 200  # whose cameras are drawn
_FIRST_PX = 240
_HERE = 0.01  # of the first distance: so near a camera stands where a photo was taken


@dataclass(frozen=True, eq=False)
class BrowserElements:
    """N of a run's elements, as browsers draw them, in the page's frame.

    Attributes:
        positions: their centres.
        covariances: of Gaussians; None for points.
        rgb: their colours, seen from everywhere.
        opacities: of Gaussians; 1 for points.
        numbers: which of the session's elements they are.
        total: how many of these there are.
        spacing: a typical distance between neighbours, by which points are drawn.
    """

    positions: Float32[np.ndarray, "n 3"]
    covariances: Float32[np.ndarray, "n 3 3"] | None
    rgb: UInt8[np.ndarray, "n 3"]
    opacities: Float32[np.ndarray, " n"]
    numbers: Int64[np.ndarray, " n"]
    total: int
    spacing: float

    def __len__(self) -> int:
        return len(self.positions)


def elements_of_splats(splats: Splats, page_from_world: Similarity, most: int) -> BrowserElements:
    """Gaussians of the world frame for browsers.

    Args:
        most: how many; see `chosen_to_draw`.
    """
    opacities = 1 / (1 + np.exp(-splats.opacity_logits.astype(np.float64)))
    numbers, grown = chosen_to_draw(opacities, most)
    scales = np.exp(splats.log_scales[numbers].astype(np.float64)) * page_from_world.scale * grown
    own = Rotation.from_quat(np.roll(splats.rotations[numbers].astype(np.float64), -1, axis=1)).as_matrix()
    turn = page_from_world.rotation @ own
    spread = turn * scales[:, None, :]
    rgb = 0.5 + SH_C0 * splats.harmonics[numbers, 0]
    return BrowserElements(
        positions=page_from_world.points(splats.means[numbers]).astype(np.float32),
        covariances=(spread @ spread.transpose(0, 2, 1)).astype(np.float32),
        rgb=np.round(255 * np.clip(rgb, 0, 1)).astype(np.uint8),
        opacities=opacities[numbers].astype(np.float32),
        numbers=numbers,
        total=len(splats),
        spacing=float(np.median(scales)) if len(numbers) else 0.0,
    )


def elements_of_surface(
    xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"], page_from_world: Similarity, most: int
) -> BrowserElements:
    """Points of the surface, world frame, for browsers. Args: most: how many; evenly chosen."""
    step = max(1, -(-len(xyz) // most))
    numbers = np.arange(0, len(xyz), step)
    positions = page_from_world.points(xyz[numbers])
    extent = np.ptp(np.percentile(positions, (5, 95), axis=0), axis=0) if len(positions) else np.zeros(3)
    area = float(np.sort(extent)[1:].prod())
    return BrowserElements(
        positions=positions.astype(np.float32),
        covariances=None,
        rgb=rgb[numbers],
        opacities=np.ones(len(numbers), dtype=np.float32),
        numbers=numbers,
        total=len(xyz),
        spacing=(area / max(len(numbers), 1)) ** 0.5,
    )


def inner_point(points: Float[np.ndarray, "k 3"]) -> Float64[np.ndarray, "3"]:
    """One of a group's points that is well inside it: the one nearest to their median. Args: points: at least one."""
    distances = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return points[distances.argmin()].astype(np.float64)


class RunScene:
    """One run for all browsers. Its methods may be called from any thread.

    Args:
        name: by which people choose it.
        most_elements: how many elements browsers draw at most.
        open_photos: opens its photos, see `RunPhotos`; None if nobody can.

    Attributes:
        session: that answers.
        run_photos: the photos themselves.
        page_from_world: from the frame of the input files to the page's.
        up: the unit vector upwards in the page's frame: +z, as viser has it.
    """

    up = np.array([0.0, 0.0, 1.0])

    def __init__(
        self,
        name: str,
        session: Session,
        most_elements: int,
        open_photos: Callable[[Session], PhotoReader] | None = None,
    ) -> None:
        self.name = name
        self.session = session
        self.run_photos = RunPhotos(session, open_photos)
        self.page_from_world = page_frame(session)
        self._most_elements = most_elements
        self._lock = threading.Lock()
        self._elements: BrowserElements | None = None
        self._objects: list[SceneObject] | None = None

    @property
    def elements(self) -> BrowserElements | None:
        """What browsers draw; None while it is not made (`make_elements`)."""
        return self._elements

    def make_elements(self, progress: Progress = silent) -> BrowserElements:
        """What browsers draw: Gaussians, or points of the surface, which take a while the first time."""
        with self._lock:
            if self._elements is None:
                if self.session.has_splats:
                    splats = self.session.splats()
                    self._elements = elements_of_splats(splats, self.page_from_world, self._most_elements)
                else:
                    points = self.session.surface(progress=progress)
                    self._elements = elements_of_surface(*points, self.page_from_world, self._most_elements)
            return self._elements

    def objects(self) -> list[SceneObject]:
        """The scene's things; none for a run without groups."""
        if not self.session.has_groups:
            return []
        with self._lock:
            if self._objects is None:
                self._objects = self.session.objects()
            return self._objects

    @property
    def things(self) -> tuple[int, ...]:
        """The groups that are things."""
        return tuple(found.shape.group for found in self.objects())

    def element_answers(self, state: ViewerState, group: int | None) -> ElementAnswers:
        """What a state asks of the elements. Args: group: that was clicked."""
        elements = self.make_elements()
        answers = ElementAnswers.none(len(elements))
        relevancy, found, thing, selected = answers.relevancy, answers.found, answers.thing, answers.selected
        if state.phrases:
            of_all = self.session.element_relevancy(state.phrases, negatives=state.asked_negatives)
            relevancy = of_all[:, elements.numbers]
            found = np.stack([self._found(elements, phrase, state) for phrase in state.phrases])
        if state.layer == "Objects":
            thing = self._thing_of_element
        if group is not None:
            selected = self.session.group_elements(group)[elements.numbers]
        own_layer = None
        if state.layer == "Features":
            features = self.session.element_features()[elements.numbers]
            own_layer = (
                _rows(look.feature_colours(torch.from_numpy(features))),
                np.asarray(np.isfinite(features).all(axis=1)),
            )
        elif state.layer == "Crop size" and state.phrases:
            phrase = state.phrases[state.shown]
            heights = self.session.element_crop_heights(phrase, negatives=state.asked_negatives)[elements.numbers]
            inside = np.isfinite(heights) & (relevancy[state.shown] >= state.threshold)
            shown = look.crop_colours(torch.from_numpy(heights)[None], self.session.crop_height_range())
            own_layer = _rows(shown[0]), inside
        return ElementAnswers(relevancy, found, thing, selected, own_layer)

    def _found(self, elements: BrowserElements, phrase: str, state: ViewerState) -> Bool[np.ndarray, " n"]:
        hits = self.session.elements(phrase, negatives=state.asked_negatives)
        found = np.zeros(elements.total, dtype=np.bool_)
        for hit in hits:
            found |= hit
        return found[elements.numbers]

    @cached_property
    def _thing_of_element(self) -> Int64[np.ndarray, " n"]:
        elements = self.make_elements()
        thing = np.full(len(elements), -1, dtype=np.int64)
        for number, group in enumerate(self.things):
            mine = self.session.group_elements(group)[elements.numbers] & (thing < 0)
            thing[mine] = number
        return thing

    @property
    def default_negatives(self) -> tuple[str, ...]:
        """What phrases compete with if nobody says otherwise; none for a run without language."""
        card = self.session.info.encoders.get("image_text")
        return tuple(str(text) for text in card.get("negatives", ())) if card and self.session.has_language else ()

    # -- places --------------------------------------------------------------------------------------------------

    @cached_property
    def photos(self) -> tuple[RunView, ...]:
        """The photos whose cameras are drawn: evenly chosen, if there are many."""
        step = max(1, -(-len(self.session.views) // _MAX_PHOTOS))
        return self.session.views[::step]

    def photo_pose(self, view: RunView) -> Float64[np.ndarray, "4 4"]:
        """The pose of a photo's camera in the page's frame."""
        return self.page_from_world.pose(view.camera.world_from_camera)

    def stand_at(self, view: RunView) -> Stand:
        """Where a photo was taken."""
        return stand_of_photo(self.photo_pose(view), self.first_distance)

    def photo_here(self, camera: PageCamera) -> RunView | None:
        """The photo that was taken where a camera stands; None where none was."""
        away = np.linalg.norm(self._photo_centres - camera.pose[:3, 3], axis=1)
        nearest = int(away.argmin())
        return self.session.views[nearest] if away[nearest] <= _HERE * self.first_distance else None

    def nearest_photo(self, camera: PageCamera) -> RunView:
        """The photo that shows most nearly what a camera sees: near in place, and looking likewise."""
        away = np.linalg.norm(self._photo_centres - camera.pose[:3, 3], axis=1) / self.first_distance
        turned = np.array([1 - float(self.photo_pose(v)[:3, 2] @ camera.pose[:3, 2]) for v in self.session.views])
        return self.session.views[int((away + turned).argmin())]

    @cached_property
    def _photo_centres(self) -> Float64[np.ndarray, "v 3"]:
        return np.stack([self.photo_pose(view)[:3, 3] for view in self.session.views])

    @cached_property
    def first_view(self) -> RunView:
        """The photo from which the scene is first seen."""
        return self.session.train_views()[0]

    @property
    def first_fov_rad(self) -> float:
        """The vertical field of view of its camera."""
        camera = self.first_view.camera
        return 2 * math.atan(camera.height_px / (2 * camera.fy_px))

    @cached_property
    def first_jpeg(self) -> bytes:
        """What it shows, small: for browsers that wait for the rest."""
        return encode_jpeg(torch.from_numpy(self._first[0]))  # by the CPU: the GPU's encoder takes a second to start

    def draw_answer(self, phrase: str) -> bytes:
        """What the first photo's camera sees of a phrase's answer, small, as browsers get it."""
        camera = self.first_view.camera.undistorted().fit_within(_FIRST_PX)
        shown = look.Look(ViewerState(phrases=(phrase,), layer="Composited"))
        return encode_jpeg(look.picture(self.session, camera, shown))

    @cached_property
    def first_distance(self) -> float:
        """How far what it shows in its middle is, in the page's frame."""
        depth = self._first[1]
        height, width = depth.shape
        middle = depth[height // 3 : -(-2 * height // 3), width // 3 : -(-2 * width // 3)]
        seen = middle[np.isfinite(middle)]
        return float(np.median(seen)) * self.page_from_world.scale if len(seen) else 1.0

    @cached_property
    def _first(self) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        return self.session.picture(self.first_view.camera.undistorted().fit_within(_FIRST_PX))


def _rows(colours: UInt8[Tensor, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    return to_host(colours)[0]
