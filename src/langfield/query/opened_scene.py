"""What questions need of a run's scene, made when first needed and kept: views, surface, index, groups."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor

from langfield.core.cameras import Camera, checked_camera
from langfield.core.devices import to_device_async, to_host
from langfield.core.errors import UsageError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.sampling import subsample_evenly
from langfield.core.transforms import Similarity
from langfield.core.up import up_direction
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import AskableView, Model, Rendered
from langfield.query.best_views import BestViews
from langfield.query.group_answers import GroupAnswers
from langfield.query.group_masks import GroupsInView
from langfield.query.index.elements_in_voxels import ElementVoxels
from langfield.query.index.kept_index import IndexFile
from langfield.query.index.raster import MAX_RASTER_SIDE
from langfield.query.index.scene_index import MAX_VIEWS, PhraseMatch, SceneIndex, build_scene_index, index_cameras
from langfield.query.index.surface_voxels import SurfaceReader
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.pictures import bytes_of_colours
from langfield.query.point_frames import ScenePoints
from langfield.query.surface_points import SIDE_PX, SurfacePoints, surface_points
from langfield.query.view_answers import VoxelInterpolator
from langfield.runs.info import RunView

_VIEWS_KEPT = 2
_CAMERAS_FOR_DISTANCE = 32


class OpenedScene:
    """A run's model, its photos' cameras, and what is made of both. For one thread at a time.

    Cameras are of the world frame; what the model has is in the scene frame.

    Attributes:
        model: what the run holds, scene frame.
        views: the photos' names, splits and cameras.
        scene_from_world: from the frame of the input files to the model's.
        scene_groups: of the run's surface; None where it was trained without masks.
    """

    def __init__(
        self,
        model: Model,
        views: Sequence[RunView],
        scene_from_world: Similarity,
        device: torch.device,
        encoder: PhraseEncoder,
        groups: SceneGroups | None,
        index_file: IndexFile | None = None,
    ) -> None:
        """
        Args:
            device: where the model and the groups are.
            encoder: that tells whether the run has language.
            groups: of the run's surface; None where it was trained without masks.
            index_file: where the index is kept; None where it is not.
        """
        self.model = model
        self.views = tuple(views)
        self.scene_from_world = scene_from_world
        self._device = device
        self._encoder = encoder
        self._index_file = index_file
        self._model_as_opened = _state_of(model)
        self.scene_groups = groups
        self._group_answers: GroupAnswers | None = None
        self._rendered: OrderedDict[Hashable, AskableView] = OrderedDict()
        self._index: SceneIndex | None = None
        self._small_pictures: list[tuple[Camera, Rendered]] = []  # that the index was made from, scene frame
        self._interpolator: VoxelInterpolator | None = None
        self._surface: SurfacePoints | None = None
        self._points_asked: tuple[np.ndarray, float, Tensor] | None = None

    # -- views and pictures --------------------------------------------------------------------------------------

    def train_views(self) -> list[RunView]:
        """The photos that were trained on; all, if the run does not say."""
        return [view for view in self.views if view.split == "train"] or list(self.views)

    @cached_property
    def up_world(self) -> Float64[np.ndarray, "3"]:
        """The unit vector upwards in the world frame, if photos were held level (`langfield.core.up`)."""
        return up_direction([view.camera for view in self.views])

    def in_scene(self, camera: Camera) -> Camera:
        """A camera of the world frame, checked, in the scene frame."""
        return checked_camera(camera).moved(self.scene_from_world)

    def view(self, camera: Camera) -> AskableView:
        """The view of a camera; the last two are kept for further questions."""
        camera = checked_camera(camera)
        key = camera.world_from_camera.tobytes(), camera.optics
        if key not in self._rendered:
            self._rendered[key] = self._render_view(camera)
            while len(self._rendered) > _VIEWS_KEPT:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return self._rendered[key]

    def _render_view(self, camera: Camera) -> AskableView:
        return self.model.view(camera.moved(self.scene_from_world))

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colour, and z-depth in world units (infinite where nothing is)."""
        rgb, depth = to_host(*self.picture_tensors(camera))
        return rgb, depth

    def picture_tensors(self, camera: Camera) -> tuple[UInt8[Tensor, "h w 3"], Float32[Tensor, "h w"]]:
        """`picture` on the device. Of Gaussians the view is kept, for its projection serves all other questions."""
        if self.has_splats:
            return self.as_world(self.view(camera).rendered)
        return self.as_world(self.model.render(self.in_scene(camera), ("rgb", "depth")))

    def as_world(self, rendered: Rendered) -> tuple[UInt8[Tensor, "h w 3"], Float32[Tensor, "h w"]]:
        """Colour, and z-depth in world units, of what was rendered with both."""
        assert rendered.rgb is not None
        assert rendered.depth_scene is not None
        depth = rendered.depth_scene.float() / np.float32(self.scene_from_world.scale).item()
        return bytes_of_colours(rendered.rgb), depth

    @cached_property
    def best_views(self) -> BestViews:
        """Of things in the scene frame."""
        cameras = {view.name: view.camera.moved(self.scene_from_world) for view in self.views}
        return BestViews(cameras, self._depth_scene)

    def _depth_scene(self, camera: Camera) -> Float32[np.ndarray, "h w"]:
        """Z-depth that a camera of the scene frame sees, scene units."""
        depth = self.model.render(camera, ("depth",)).depth_scene
        assert depth is not None
        return depth.float().cpu().numpy()

    # -- surface and elements ------------------------------------------------------------------------------------

    def surface(self, progress: Progress = silent) -> SurfacePoints:
        """What the training cameras see, as points of the world frame."""
        if self._surface is None:
            cameras, side_px = [view.camera for view in self.train_views()], SIDE_PX[self._device.type]
            self._surface = surface_points(
                cameras, self.picture, side_px=side_px, device=self._device, progress=progress
            )
        return self._surface

    @property
    def has_splats(self) -> bool:
        """Whether elements are Gaussians; else they are the surface's points."""
        return self.model.elements() is not None

    def element_positions_scene(self) -> Float64[np.ndarray, "n 3"]:
        """The N elements' centres: of Gaussians; of a run that has none, the points of its surface."""
        elements = self.model.elements()
        if elements is None:
            return self.scene_from_world.points(self.surface().xyz)
        return elements.positions_scene.double().cpu().numpy()

    @cached_property
    def element_voxels(self) -> ElementVoxels:
        """The index's voxel of each element."""
        return ElementVoxels.nearest(self.element_positions_scene(), self.index().voxels)

    # -- index ---------------------------------------------------------------------------------------------------

    def observed_scales(self) -> ObservedScales:
        """The crop scales that training observed, scene frame. UsageError for a run without language."""
        _ = self._encoder.card  # without language no photo was cropped
        return self._observed_scales

    @cached_property
    def _observed_scales(self) -> ObservedScales:
        crop_angles = self.model.context.crop_angles
        assert crop_angles is not None
        train = self.train_views()
        step = -(-len(train) // _CAMERAS_FOR_DISTANCE)
        centres = np.stack([view.camera.world_from_camera[:3, 3] for view in train[::step]])
        scene = torch.from_numpy(self.scene_from_world.points(centres)).float().to(self._device)
        return ObservedScales.between(*crop_angles, scene)

    def index(self, progress: Progress = silent) -> SceneIndex:
        """The surface that phrases are compared with, as it was kept with the run, or else made now and kept.
        UsageError for a run without language."""
        if self._index is None:
            scales = self.observed_scales()
            self._index = self._kept_index() or self._made_index(scales, progress)
        return self._index

    def _kept_index(self) -> SceneIndex | None:
        file = self._file_of_index()
        kept = None if file is None else file.read()
        if kept is None:
            return None
        index, pictures = kept
        cameras = [] if self.has_splats else index_cameras(self._train_cameras())
        if len(pictures) != len(cameras):
            return None
        self._small_pictures = [(self.in_scene(c), picture) for c, picture in zip(cameras, pictures, strict=True)]
        return index

    def _file_of_index(self) -> IndexFile | None:
        """Where the index is kept; not for a model that was changed since the run was opened."""
        return self._index_file if _state_of(self.model) == self._model_as_opened else None

    def _made_index(self, scales: ObservedScales, progress: Progress) -> SceneIndex:
        needs_points = not self.has_splats
        self._small_pictures.clear()

        def render(camera: Camera) -> AskableView:
            view = self._render_view(camera)
            if needs_points:
                self._small_pictures.append((view.camera, view.rendered))
            return view

        index = build_scene_index(self._train_cameras(), render, scales, progress)
        file = self._file_of_index()
        if file is not None:
            file.write(index, [picture for _, picture in self._small_pictures])
        return index

    def _train_cameras(self) -> list[Camera]:
        return [view.camera for view in self.train_views()]

    @cached_property
    def points(self) -> ScenePoints:
        """The surface that the index's small pictures show, for quick frames of a field. Without language there is no
        index, and they are rendered for this."""
        if self._encoder.has_language and self.model.answers_phrases:
            self.index()
        if not self._small_pictures:
            for view in subsample_evenly(self.train_views(), MAX_VIEWS):
                camera = self.in_scene(view.camera).fit_within(MAX_RASTER_SIDE)
                self._small_pictures.append((camera, self.model.render(camera, ("rgb", "depth"))))
        return ScenePoints.of_pictures(self._small_pictures)

    @cached_property
    def _points_reader(self) -> SurfaceReader:
        """Reads the index's voxels at `points`."""
        return self.index().voxels.read_at(self.points.xyz)

    def points_asked(self, match: PhraseMatch) -> Float[Tensor, "n 2"]:
        """Refined relevancy of a phrase at each of `points`, and the share of it that is in the phrase's hits; the last
        phrase's are kept."""
        question = match.voxel_relevancy, match.min_presence
        kept = self._points_asked
        if kept is None or kept[0] is not question[0] or kept[1] != question[1]:
            of_voxels = np.zeros((len(match.voxel_relevancy), 2))
            of_voxels[:, 0] = match.voxel_relevancy
            for region in match.hits:
                of_voxels[region.voxels, 1] = 1
            values = self._points_reader(to_device_async(of_voxels, self._device, np.float64))
            kept = self._points_asked = (*question, values.float())
        return kept[2]

    def interpolator(self, view: AskableView) -> VoxelInterpolator:
        """Interpolates the index's voxels at the pixels of a view; the last view's is kept."""
        if self._interpolator is None or self._interpolator.view is not view:
            self._interpolator = VoxelInterpolator.for_view(view, self.index().voxels)
        return self._interpolator

    # -- groups --------------------------------------------------------------------------------------------------

    @property
    def has_groups(self) -> bool:
        """Whether the run knows groups of its surface."""
        return self.scene_groups is not None

    def groups(self) -> GroupAnswers:
        """The surface's groups. UsageError for a run that has none."""
        if self.scene_groups is None:
            raise UsageError(
                "this run has no groups of its surface: train it with --masks builtin:masks "
                "(a run that is trained already only gets its groups)"
            )
        if self._group_answers is None:
            self._group_answers = GroupAnswers(
                self.scene_groups,
                self.index,
                self.scene_from_world,
                self.up_world,
                self.best_views,
                self.element_positions_scene,
                counts_elements=self.has_splats,
            )
        return self._group_answers

    def groups_in_view(self, view: AskableView, matches: Sequence[PhraseMatch]) -> GroupsInView | None:
        """The groups in a picture, if hits are some of them."""
        grouped = any(region.group is not None for match in matches for region in match.hits)
        return self.groups().in_view(view) if grouped else None


def _state_of(model: Model) -> list[tuple[int, int]]:
    """Which tensors a model has, and how often each was changed in place."""
    return [(id(tensor), tensor._version) for tensor in (*model.parameters(), *model.buffers())]
