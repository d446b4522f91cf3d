"""An opened run: phrases in, answers out. The same arrays for the command line, Python, evaluation and viewer."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Concatenate, Literal, ParamSpec, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from langfield.core.camera_checks import AXES
from langfield.core.cameras import Camera, checked_camera
from langfield.core.choices import check_choice
from langfield.core.config import config_from_json
from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.core.transforms import Similarity
from langfield.core.up import up_direction
from langfield.encoders.base import ImageTextEncoder
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import AskableView, Model, Rendered
from langfield.models.config import ModelContext
from langfield.models.registry import create_model
from langfield.models.relevancy import EncodedPhrases
from langfield.query.answers import GROUP_ENDS, REGION_ENDS, Answer, Hit, ViewAnswers, box_centre
from langfield.query.best_views import BestViews
from langfield.query.group_answers import GroupAnswers
from langfield.query.group_masks import GroupsInView
from langfield.query.index.elements_in_voxels import ElementVoxels
from langfield.query.index.regions import Region
from langfield.query.index.scene_index import PhraseMatch, SceneIndex, build_scene_index
from langfield.query.objects import GroupShape, SceneObject, household_nouns
from langfield.query.phrase_arguments import negative_list, one_text, share, text_list
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.pictures import to_uint8
from langfield.query.presence import MIN_NOUNS, PresenceCalibration, common_nouns, distinct_texts, uncalibrated_presence
from langfield.query.surface_points import SIDE_PX, SurfacePoints, surface_points
from langfield.query.view_answers import VoxelInterpolator, hit_masks_in_view, score_view_as_lerf, score_view_from_index
from langfield.runs.directory import load_run
from langfield.runs.info import RunInfo, RunView

Protocol = Literal["langfield", "lerf"]
P = ParamSpec("P")
R = TypeVar("R")
PHRASES_AT_ONCE = 128
_MATCHES_KEPT = 256
_VIEWS_KEPT = 2
_CAMERAS_FOR_DISTANCE = 32
_SEES_NOTHING = f"this camera sees nothing of the scene: is its pose in other axes, or inverse? {AXES}"


def _in_turn(method: Callable[Concatenate["Session", P], R]) -> Callable[Concatenate["Session", P], R]:
    """Let one thread at a time into a session's methods; from one into another its own thread may go on."""

    @wraps(method)
    def turn(self: "Session", *args: P.args, **kwargs: P.kwargs) -> R:
        threads = self._model.config.rays_at_once // RAYS_PER_THREAD_RENDERED
        with self._turn, torch_threads(threads, self.device):
            return method(self, *args, **kwargs)

    return turn


class Session:
    """A run that can be asked. Everything it takes and gives is in the frame and units of the input files.

    Cameras are those of `views`, or your own (`Camera.looking_at`, `from_intrinsics`, `from_opengl`); one that cannot
    be is refused with a UsageError.

    Threads may share a session. It answers one call after another, for model, index and what is kept between questions
    are one; the first question makes the index, and all others wait for it.

    Attributes:
        info: what the run is (run.json).
        views: the photos' names, splits and cameras.
        device: where it computes.
    """

    def __init__(
        self,
        info: RunInfo,
        model: Model,
        device: torch.device,
        encoder: str | None = None,
        groups: SceneGroups | None = None,
    ) -> None:
        """Use `open`.

        Args:
            encoder: where the encoder is now, if not where the run's card says.
            groups: of the run's surface, on the device; None where it was trained without masks.
        """
        self.info = info
        self.views: tuple[RunView, ...] = tuple(info.views)
        self.device = device
        self._turn = threading.RLock()
        self._model = model
        self._scene_groups = groups
        self._group_answers: GroupAnswers | None = None
        self._scene_from_world = Similarity.from_matrix(info.scene_from_world)
        card = None if model.context.crop_angles is None else info.encoders.get("image_text")
        self._phrase_encoder = PhraseEncoder(card, device, encoder)
        self._rendered: OrderedDict[str, AskableView] = OrderedDict()
        self._index: SceneIndex | None = None
        self._interpolator: VoxelInterpolator | None = None
        self._element_voxels: ElementVoxels | None = None
        self._surface: SurfacePoints | None = None
        self._views_of_things: BestViews | None = None
        self._calibrations: dict[tuple[str, ...], PresenceCalibration | None] = {}
        self._matches: dict[tuple[str, tuple[str, ...]], PhraseMatch] = {}

    @classmethod
    def open(cls, run: str | Path, *, device: str = "auto", encoder: str | None = None) -> "Session":
        """Open a run directory.

        Args:
            device: "auto" is CUDA where there is one.
            encoder: spec of the run's image-text encoder where it has moved; it must be the same one.

        Raises RunError if it is no run, UsageError for a device that is not there.
        """
        loaded = load_run(Path(run))
        where = resolve_device(device)
        try:
            context = config_from_json(ModelContext, dict(loaded.info.model_context), "model.context")
            model = create_model(loaded.info.model, loaded.info.model_config, context)
            model.load_state_dict(loaded.tensors("model"))
            groups = None
            if "groups.safetensors" in loaded.files:
                groups = SceneGroups.from_arrays({k: v.numpy() for k, v in loaded.tensors("groups").items()}).to(where)
            return cls(loaded.info, model.to(where), where, encoder, groups)
        except (ValueError, RuntimeError) as error:
            raise RunError(f"cannot be opened by this langfield: {error}", Path(run)) from None

    # -- pictures ------------------------------------------------------------------------------------------------

    @_in_turn
    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colour, and z-depth in world units (infinite where nothing is), seen by a camera of the world frame."""
        return self._as_world(self._model.render(self._in_scene(camera), ("rgb", "depth")))

    @_in_turn
    def head_picture(self, camera: Camera, head: str) -> Float32[np.ndarray, "h w c"]:
        """What one of the model's heads says of each pixel ("dense", or a head of one's own), seen by a camera of the
        world frame. UsageError for a head that it does not have, or that must be asked at a scale."""
        channels = self._model.render(self._in_scene(camera), (one_text(head, "head"),)).channels
        if head not in channels:
            raise UsageError(f"this run's model has no head {head!r} that gives a picture")
        return channels[head].float().cpu().numpy()

    @property
    def has_splats(self) -> bool:
        """Whether the run is made of Gaussians."""
        return self._model.elements() is not None

    @_in_turn
    def splats(self) -> Splats:
        """The run's Gaussians, in the world frame. UsageError for a run of a model that has none."""
        elements = self._model.elements()
        if elements is None:
            raise UsageError(
                f"this run is of the model {self.info.model}, which has no Gaussians: "
                "export points, or train with --preset splat"
            )
        return elements.splats(self._scene_from_world.inverse())

    @_in_turn
    def ask_view(
        self,
        camera: Camera,
        phrases: Sequence[str],
        *,
        negatives: Sequence[str] | None = None,
        protocol: Protocol = "langfield",
        min_presence: float = 0.5,
    ) -> ViewAnswers:
        """Where phrases are in the picture of one camera (world frame).

        Args:
            negatives: phrases to compete with; None takes those of the encoder's card.
            min_presence: see `query`; masks of less present phrases are empty. Not for the protocol "lerf".
            protocol: "langfield" answers from the index of the whole scene's surface; "lerf" with the one pixel of
                this picture that is most relevant over 30 scales, as LERF does.

        Raises UsageError for another protocol.
        """
        check_choice("protocol", protocol, get_args(Protocol))
        phrases, negatives = text_list(phrases, "phrases"), negative_list(negatives)
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        view = self._view(camera)
        rgb, depth_world = self._as_world(view.rendered)
        sees_scene = bool(np.isfinite(depth_world).any())
        if protocol == "lerf":
            scores = score_view_as_lerf(view, asked)
        else:
            matches = self._match(phrases, negatives, min_presence)
            interpolator = self._voxel_interpolator(view)
            groups = self._groups_in_view(view, matches)
            scores = score_view_from_index(interpolator, asked, matches, self.observed_scales(), groups)
            sees_scene &= bool(interpolator.near.any())
        return ViewAnswers(
            phrases=phrases,
            rgb=rgb,
            depth_world=depth_world,
            relevancy=scores.relevancy.float().cpu().numpy(),
            refined=scores.refined.float().cpu().numpy(),
            masks=scores.masks.cpu().numpy(),
            scale_world=(scores.scale_scene / self._scene_from_world.scale).float().cpu().numpy(),
            best_xy_px=scores.best_xy_px.double().cpu().numpy(),
            score=scores.score.double().cpu().numpy(),
            note=None if sees_scene else _SEES_NOTHING,
        )

    @_in_turn
    def hit_masks(
        self, camera: Camera, phrase: str, *, negatives: Sequence[str] | None = None, min_presence: float = 0.5
    ) -> Bool[np.ndarray, "k h w"]:
        """The pixels of each of a phrase's hits in the picture of one camera (world frame), best first.

        No two share any, and together they are the phrase's mask in `ask_view`. `min_presence`: see `query`.
        """
        view = self._view(camera)
        (match,) = self._match([one_text(phrase, "phrase")], negative_list(negatives), min_presence)
        groups = self._groups_in_view(view, [match])
        return hit_masks_in_view(self._voxel_interpolator(view), match, groups).cpu().numpy()

    @_in_turn
    def level_maps(
        self, camera: Camera, phrases: Sequence[str], *, negatives: Sequence[str] | None = None, raw: bool = False
    ) -> Float32[Tensor, "l p h w"]:
        """Relevancy of phrases in one camera's picture (world frame) at each of L levels, on this session's device.

        By default L is 1: `ViewAnswers.refined`, a mean over crop levels, smoothed over the surface. `raw` gives
        relevancy as it is rendered at each of the run's crop levels, smallest crops first: see
        `AskableView.crop_level_relevancy`.
        """
        phrases, negatives = text_list(phrases, "phrases"), negative_list(negatives)
        if not raw:
            return torch.from_numpy(self.ask_view(camera, phrases, negatives=negatives).refined).to(self.device)[None]
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        return self._view(camera).crop_level_relevancy(asked, self.observed_scales())

    @_in_turn
    def quick_relevancy(
        self, camera: Camera, phrases: Sequence[str], *, negatives: Sequence[str] | None = None
    ) -> Float32[Tensor, "p h w"]:
        """The cheapest relevancy pictures of a camera (world frame), on this session's device: for a viewer.

        A Gaussian is drawn with its highest relevancy over the crop levels, one splat of one number for each phrase:
        0.6 ms on an H200. Levels are not aggregated and the scene's surface is not used, so `ask_view` may answer
        otherwise. Runs of other models draw `ViewAnswers.relevancy`.
        """
        phrases, negatives = text_list(phrases, "phrases"), negative_list(negatives)
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        quick = self._view(camera).quick_relevancy(asked)
        if quick is not None:
            return quick
        return torch.from_numpy(self.ask_view(camera, phrases, negatives=negatives).relevancy).to(self.device)

    # -- places --------------------------------------------------------------------------------------------------

    @_in_turn
    def query(
        self,
        phrases: Sequence[str],
        *,
        negatives: Sequence[str] | None = None,
        min_presence: float = 0.5,
        progress: Progress = silent,
    ) -> list[Answer]:
        """Whether and where phrases are in the scene: positions and boxes in world units, best first.

        The first question of a session renders up to 16 training views, small, for the scene's index
        (`langfield.query.index`); all phrases are then answered from that.

        Args:
            negatives: phrases to compete with; None takes those of the encoder's card.
            min_presence: a phrase counts as present, and has hits, if its presence is more than that. A lower one than
                0.5 gives what was found of phrases that would be judged absent; 0 of all.
        """
        phrases = text_list(phrases, "phrases")
        matches = self._match(phrases, negative_list(negatives), min_presence, progress)
        return [self._answer(text, match) for text, match in zip(phrases, matches, strict=True)]

    @_in_turn
    def elements(
        self, phrase: str, *, negatives: Sequence[str] | None = None, min_presence: float = 0.5
    ) -> list[Bool[np.ndarray, " n"]]:
        """Which elements belong to each of a phrase's hits, best first; an empty list for what is not there (by
        `min_presence`: see `query`).

        Elements are the N Gaussians of `splats`; of runs that have none, the N points of `surface`. No two hits share
        any. An element belongs to the index's voxel that it is nearest to, within 1.5 voxel sides: see
        `langfield.query.index.elements_in_voxels`.
        """
        (match,) = self._match([one_text(phrase, "phrase")], negative_list(negatives), min_presence)
        return [self._elements_of(region) for region in match.hits]

    @_in_turn
    def surface(
        self, *, voxel_size_world: float | None = None, progress: Progress = silent
    ) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
        """The surface as points of the world frame, and their colours; of any run.

        They are what the training cameras see, cleaned of what they do not agree on: see
        `langfield.query.surface_points`. The first call renders up to 100 of them.

        Args:
            voxel_size_world: side of the voxels that keep one point each, world units; None is what a pixel covers at
                the median depth of the first view.

        Raises UsageError if no surface is seen, or voxels are too small for the scene.
        """
        points = self._surface_points(progress)
        if voxel_size_world is not None:
            points = points.thinned(voxel_size_world)
        return points.xyz, points.rgb

    def _surface_points(self, progress: Progress) -> SurfacePoints:
        """Made once."""
        if self._surface is None:
            cameras, side_px = [view.camera for view in self.train_views()], SIDE_PX[self.device.type]
            self._surface = surface_points(
                cameras, self.picture, side_px=side_px, device=self.device, progress=progress
            )
        return self._surface

    def _elements_in_voxels(self) -> ElementVoxels:
        """The voxel of each element; made once, for all phrases."""
        if self._element_voxels is None:
            voxels = self._scene_index(silent).voxels
            self._element_voxels = ElementVoxels.nearest(self._element_positions_scene(), voxels)
        return self._element_voxels

    def _element_positions_scene(self) -> Float64[np.ndarray, "n 3"]:
        """Of Gaussians; of a run that has none, of the points of its surface."""
        elements = self._model.elements()
        if elements is None:
            return self._scene_from_world.points(self._surface_points(silent).xyz)
        return elements.positions_scene.double().cpu().numpy()

    def _match(
        self,
        phrases: Sequence[str],
        negatives: Sequence[str] | None,
        min_presence: float = 0.5,
        progress: Progress = silent,
    ) -> list[PhraseMatch]:
        """Phrases in the scene; the last 256 are kept."""
        self._check(phrases, negatives)
        min_presence = share(min_presence, "min_presence")
        against = self._phrase_encoder.negatives(negatives)
        new = [text for text in dict.fromkeys(phrases) if (text, against) not in self._matches]
        index, calibration = self._scene_index(progress), self._presence_calibration(negatives, progress)
        for start in range(0, len(new), PHRASES_AT_ONCE):
            texts = new[start : start + PHRASES_AT_ONCE]
            encoded = self._phrases(texts, negatives)
            scores = index.score(encoded)
            of_groups = self._groups().relevancy(encoded) if self.has_groups else None
            judge = uncalibrated_presence if calibration is None else calibration.presence
            presence = judge(scores.cell_relevancy)
            for i, text in enumerate(texts):
                regions = index.graph.regions(scores.voxel_relevancy[i])
                if self.has_groups:
                    own = None if of_groups is None else of_groups[i]
                    regions = self._groups().on_index.explained(regions, scores.voxel_relevancy[i], own)
                row = scores.voxel_relevancy[i].copy()  # a view would keep the whole table alive
                match = PhraseMatch(float(presence[i]), row, int(scores.crop_level[i]), regions)
                self._matches[text, against] = match
        matches = [replace(self._matches[text, against], min_presence=min_presence) for text in phrases]
        while len(self._matches) > _MATCHES_KEPT:
            del self._matches[next(iter(self._matches))]
        return matches

    def _scene_index(self, progress: Progress) -> SceneIndex:
        """Made once, for all phrases."""
        if self._index is None:
            cameras = [view.camera for view in self.train_views()]
            self._index = build_scene_index(cameras, self._render_view, self.observed_scales(), progress)
        return self._index

    def _presence_calibration(self, negatives: Sequence[str] | None, progress: Progress) -> PresenceCalibration | None:
        """Made once for each set of negatives; None where nothing of the index's surface was observed, or the encoder
        tells too few of the common nouns apart."""
        index, against = self._scene_index(progress), self._phrase_encoder.negatives(negatives)
        if not len(index.cells):
            return None
        if against not in self._calibrations:
            nouns = self._phrases(common_nouns(), negatives)
            distinct = nouns[distinct_texts(nouns.embeddings)]
            enough = len(distinct) >= MIN_NOUNS
            self._calibrations[against] = PresenceCalibration.fit(index.cell_relevancy(distinct)) if enough else None
        return self._calibrations[against]

    def _answer(self, phrase: str, match: PhraseMatch) -> Answer:
        hits = tuple(self._hit(region, match) for region in match.hits)
        return Answer(
            phrase=phrase,
            present=match.present,
            presence=match.presence,
            score=hits[0].score if hits else 0.0,
            scale_world=hits[0].scale_world if hits else None,
            hits=hits,
        )

    def _hit(self, region: Region, match: PhraseMatch) -> Hit:
        index, world_from_scene = self._scene_index(silent), self._scene_from_world.inverse()
        if region.group is None:
            points_scene, core_scene = (index.voxels.points_in(voxels) for voxels in (region.voxels, region.core))
            ends, elements = REGION_ENDS, self._elements_in_voxels().count_in(region) if self.has_splats else None
        else:
            points_scene = core_scene = self._groups().points_scene(region.group)
            ends, elements = GROUP_ENDS, int(self._elements_of(region).sum()) if self.has_splats else None
        views = self._best_views().of_thing(box_centre(core_scene, ends), points_scene, index.voxels.side_scene)
        return Hit.from_points(
            world_from_scene.points(points_scene),
            world_from_scene.points(core_scene),
            score=region.peak,
            scale_world=index.crop_height_scene(match.crop_level, region.voxels) / self._scene_from_world.scale,
            elements=len(points_scene) if elements is None else elements,
            views=views,
            up_world=self.up_world,
            ends=ends,
        )

    @cached_property
    def up_world(self) -> Float64[np.ndarray, "3"]:
        """The unit vector upwards in the world frame, if photos were held level (`langfield.core.up`)."""
        return up_direction([view.camera for view in self.views])

    # -- groups --------------------------------------------------------------------------------------------------

    @property
    def has_groups(self) -> bool:
        """Whether the run knows groups of its surface: it was trained with masks."""
        return self._scene_groups is not None

    @_in_turn
    def objects(
        self, vocabulary: Sequence[str] | None = None, *, all_levels: bool = False, progress: Progress = silent
    ) -> list[SceneObject]:
        """Everything that is there, without a phrase: things with place, box and name, the best seen first.

        Args:
            vocabulary: nouns to name them by; None for the bundled ones (`langfield.query.objects`).
            all_levels: also list parts of things and sets of things.

        Raises UsageError for a run without groups.
        """
        groups = self._groups(progress)
        nouns = household_nouns() if vocabulary is None else text_list(vocabulary, "vocabulary")
        return groups.objects(self._phrases(nouns, None), all_levels)

    @_in_turn
    def segment(
        self,
        points_world: Float64[np.ndarray, "n 3"],
        *,
        scale_world: float | None = None,
        not_at_world: Float64[np.ndarray, "m 3"] | None = None,
    ) -> GroupShape | None:
        """The group of the surface at one or more points, which grows and shrinks with the scale; None for none there.

        Args:
            points_world: (N, 3) that it holds (`point_at` gives that of a pixel).
            scale_world: how long it is about to be; None for the thing.
            not_at_world: (M, 3) that it does not hold.

        Raises UsageError for a run without groups, no points, or a scale that is not positive.
        """
        if not len(points_world):
            raise UsageError("give at least one point that lies on the thing")
        if scale_world is not None and not 0 < scale_world < np.inf:
            raise UsageError(f"a scale is a length above 0, got {scale_world:g}")
        without = np.zeros((0, 3)) if not_at_world is None else not_at_world
        groups = self._groups()
        chosen = groups.at_points(
            self._scene_from_world.points(points_world), self._scene_from_world.points(without), scale_world
        )
        return None if chosen is None else groups.shape(chosen)

    @_in_turn
    def group_masks(self, camera: Camera, groups: Sequence[int]) -> Bool[np.ndarray, "k h w"]:
        """The pixels of groups (of `objects`, `segment`) in the picture of one camera (world frame)."""
        return self._groups().in_view(self._view(camera)).masks(groups).cpu().numpy()

    @_in_turn
    def group_elements(self, group: int) -> Bool[np.ndarray, " n"]:
        """Which elements (see `elements`) are of a group."""
        return self._groups().contains(group, self._element_positions_scene())

    @_in_turn
    def point_at(self, camera: Camera, xy_px: tuple[float, float]) -> Float64[np.ndarray, "3"] | None:
        """The point of the surface (world frame) that a pixel of a camera's picture shows; None where it shows none.

        Raises UsageError for a pixel outside of the picture.
        """
        x, y = xy_px
        if not (0 <= x < camera.width_px and 0 <= y < camera.height_px):
            raise UsageError(f"pixel {x:g},{y:g} is not in the picture of {camera.width_px} by {camera.height_px}")
        view = self._view(camera)
        point = view.points_scene[int(y) * camera.width_px + int(x)].double().cpu().numpy()
        return self._scene_from_world.inverse().points(point[None])[0] if np.isfinite(point).all() else None

    def _groups(self, progress: Progress = silent) -> GroupAnswers:
        """Made once. UsageError for a run without groups."""
        if self._scene_groups is None:
            raise UsageError(
                "this run has no groups of its surface: train it with --masks builtin:masks "
                "(a run that is trained already only gets its groups)"
            )
        if self._group_answers is None:
            positions = self._element_positions_scene if self.has_splats else None
            index = self._scene_index(progress)
            self._group_answers = GroupAnswers(
                self._scene_groups, index, self._scene_from_world, self.up_world, self._best_views(), positions
            )
        return self._group_answers

    def _groups_in_view(self, view: AskableView, matches: Sequence[PhraseMatch]) -> GroupsInView | None:
        """The scene's groups in a picture, if hits are some of them."""
        grouped = any(region.group is not None for match in matches for region in match.hits)
        return self._groups().in_view(view) if grouped else None

    def _elements_of(self, region: Region) -> Bool[np.ndarray, " n"]:
        """Which elements belong to a hit: those in its voxels, and of a group only those where the surface is its."""
        elements = self._elements_in_voxels().mask_of(region)
        if region.group is not None:
            inside = np.nonzero(elements)[0]
            elements[inside] = self._groups().contains(region.group, self._element_positions_scene()[inside])
        return elements

    def _best_views(self) -> BestViews:
        """Made once, for all hits."""
        if self._views_of_things is None:
            cameras = {view.name: view.camera.moved(self._scene_from_world) for view in self.views}
            self._views_of_things = BestViews(cameras, self._depth_scene)
        return self._views_of_things

    def _depth_scene(self, camera: Camera) -> Float32[np.ndarray, "h w"]:
        """Z-depth that a camera of the scene frame sees, scene units."""
        depth = self._model.render(camera, ("depth",)).depth_scene
        assert depth is not None
        return depth.float().cpu().numpy()

    # -- another representation --------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """What the run holds, in the scene frame."""
        return self._model

    @_in_turn
    def prepare(self, phrases: Sequence[str]) -> None:
        """Encode phrases ahead of a question. Raises now what asking them would: no language, no encoder, no text."""
        self._phrases(text_list(phrases, "phrases"), None)

    def beside(self, info: RunInfo, model: Model) -> "Session":
        """The same scene held by another model, to be asked the same: encoder and encoded phrases are shared."""
        other = Session(info, model, self.device)
        other._phrase_encoder = self._phrase_encoder
        return other

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder, loaded when first needed. RunError if it is another one now."""
        return self._phrase_encoder.encoder

    def _phrases(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        self._check(phrases, negatives)
        return self._phrase_encoder.encode(phrases, negatives)

    def _check(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> None:
        """Raise UsageError for phrases without words, and for a run without language."""
        self._phrase_encoder.check(phrases, negatives)
        _ = self._phrase_encoder.card
        if not self._model.answers_phrases:
            raise UsageError("this run has no language yet: let the command that trains it finish")

    def observed_scales(self) -> ObservedScales:
        """The crop scales that training observed, scene frame. UsageError for a run without language."""
        _ = self._phrase_encoder.card  # without language no photo was cropped
        crop_angles = self._model.context.crop_angles
        assert crop_angles is not None
        train = self.train_views()
        step = -(-len(train) // _CAMERAS_FOR_DISTANCE)
        centres = np.stack([view.camera.world_from_camera[:3, 3] for view in train[::step]])
        scene = torch.from_numpy(self._scene_from_world.points(centres)).float().to(self.device)
        return ObservedScales.between(*crop_angles, scene)

    def train_views(self) -> list[RunView]:
        """The photos that were trained on; all, if the run does not say."""
        return [view for view in self.views if view.split == "train"] or list(self.views)

    def _view(self, camera: Camera) -> AskableView:
        """The rendered view of a camera of the world frame; the last few are kept for further phrases."""
        camera = checked_camera(camera)
        key = str(camera.to_json())
        if key not in self._rendered:
            _ = self._phrase_encoder.card
            self._rendered[key] = self._render_view(camera)
            while len(self._rendered) > _VIEWS_KEPT:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return self._rendered[key]

    def _voxel_interpolator(self, view: AskableView) -> VoxelInterpolator:
        """Interpolates the index's voxels at the pixels of a view; the last view's is kept."""
        if self._interpolator is None or self._interpolator.view is not view:
            self._interpolator = VoxelInterpolator.for_view(view, self._scene_index(silent).voxels)
        return self._interpolator

    def _render_view(self, camera: Camera) -> AskableView:
        return self._model.view(camera.moved(self._scene_from_world))

    def _in_scene(self, camera: Camera) -> Camera:
        """A camera of the world frame, checked, in the scene frame."""
        return checked_camera(camera).moved(self._scene_from_world)

    def _as_world(self, rendered: Rendered) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        assert rendered.rgb is not None
        assert rendered.depth_scene is not None
        depth = rendered.depth_scene.float().cpu().numpy() / np.float32(self._scene_from_world.scale)
        return to_uint8(rendered.rgb), depth
