"""An opened run: phrases in, answers out. The same arrays for the command line, Python, evaluation and viewer."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy.typing import ArrayLike
from torch import Tensor

from langfield.core.cameras import Camera, checked_camera
from langfield.core.devices import resolve_device
from langfield.core.errors import UsageError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.encoders.base import ImageTextEncoder
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import Model
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.asked_view import Protocol, ask_camera
from langfield.query.frames import encode_jpeg
from langfield.query.hit_answers import answer_of, elements_of
from langfield.query.index.kept_index import IndexFile
from langfield.query.objects import GroupShape, SceneObject, household_nouns
from langfield.query.opened_scene import OpenedScene
from langfield.query.phrase_arguments import negative_list, one_text, point_list, text_list
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.phrase_matcher import PhraseMatcher
from langfield.query.quick_frames import Layer, checked_frame, points_frame, rendered_frame
from langfield.query.run_parts import groups_of, model_of
from langfield.query.surface_pictures import SurfacePictures
from langfield.query.turns import in_turn
from langfield.query.view_answers import hit_masks_in_view
from langfield.runs.directory import load_run
from langfield.runs.info import RunInfo, RunView


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
        encoder: str | PhraseEncoder | None = None,
        groups: SceneGroups | None = None,
        index_file: IndexFile | None = None,
    ) -> None:
        """Use `open`.

        Args:
            encoder: where the encoder is now, if not where the run's card says; or another session's, to share.
            groups: of the run's surface, on the device; None where it was trained without masks.
            index_file: where the scene's index is kept; None makes it for this session alone.
        """
        self.info = info
        self.views: tuple[RunView, ...] = tuple(info.views)
        self.device = device
        self._turn = threading.RLock()
        if not isinstance(encoder, PhraseEncoder):
            card = None if model.context.crop_angles is None else info.encoders.get("image_text")
            encoder = PhraseEncoder(card, device, encoder)
        self._phrase_encoder = encoder
        scene_from_world = Similarity.from_matrix(info.scene_from_world)
        self._scene = OpenedScene(model, self.views, scene_from_world, device, encoder, groups, index_file)
        self._matcher = PhraseMatcher(self._scene, encoder)
        self._surface_pictures = SurfacePictures(self._scene, self._matcher)

    @classmethod
    def open(cls, run: str | Path, *, device: str = "auto", encoder: str | None = None) -> "Session":
        """Open a run directory. The first question to a run makes the scene's index and keeps it there, as
        `index.safetensors`, where that can be written.

        Args:
            device: "auto" is CUDA where there is one.
            encoder: spec of the run's image-text encoder where it has moved; it must be the same one.

        Raises RunError if it is no run or holds what does not fit, UsageError for a device that is not there.
        """
        loaded = load_run(Path(run))
        where = resolve_device(device)
        model, groups = model_of(loaded).to(where), groups_of(loaded)
        groups = None if groups is None else groups.to(where)
        return cls(loaded.info, model, where, encoder, groups, IndexFile.of_run(loaded, where))

    # -- pictures ------------------------------------------------------------------------------------------------

    @in_turn
    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colour, and z-depth in world units (infinite where nothing is), seen by a camera of the world frame."""
        return self._scene.picture(camera)

    @in_turn
    def picture_tensors(self, camera: Camera) -> tuple[UInt8[Tensor, "h w 3"], Float32[Tensor, "h w"]]:
        """`picture` as tensors on this session's device, where they were rendered."""
        return self._scene.picture_tensors(camera)

    @in_turn
    def picture_jpeg(
        self,
        camera: Camera,
        *,
        layer: Layer = "rgb",
        phrase: str | None = None,
        negatives: Sequence[str] | None = None,
        quick: bool = False,
        quality: int = 90,
    ) -> bytes:
        """A frame as JPEG, for a moving camera (world frame): coloured and encoded on a GPU, where there is one.

        Args:
            layer: "rgb"; "depth" (`langfield.query.pictures.depth_picture`); "relevancy" of the phrase, in turbo; or
                "composited", relevancy over the picture where it is above 0.5. Relevancy is `quick_relevancy`'s.
            phrase: for "relevancy" and "composited".
            negatives: phrases to compete with; None takes those of the encoder's card.
            quick: draw a field by points of its surface, in hundredths of a second on a CPU, as sharp as the 16 small
                pictures that they are from; relevancy is the refined one then, and composited are the phrase's hits.
                The first one makes the scene's index. Gaussians are drawn as ever, for they are quick.
            quality: of the JPEG, 1 to 100.

        Raises UsageError for another layer or quality, and a phrase that is missing or not asked for by the layer.
        """
        asked = checked_frame(layer, phrase, quality)
        if quick and not self.has_splats:
            matches = self._matcher.match(asked, negative_list(negatives)) if asked else [None]
            frame = points_frame(self._scene, camera, layer, matches[0])
        else:
            frame = rendered_frame(
                self._scene, camera, layer, lambda: self.quick_relevancy(camera, asked, negatives=negatives)[0]
            )
        return encode_jpeg(frame, quality)

    @in_turn
    def head_picture(self, camera: Camera, head: str) -> Float32[np.ndarray, "h w c"]:
        """What one of the model's heads says of each pixel ("dense", or a head of one's own), seen by a camera of the
        world frame. UsageError for a head that it does not have, or that must be asked at a scale."""
        channels = self.model.render(self._scene.in_scene(camera), (one_text(head, "head"),)).channels
        if head not in channels:
            raise UsageError(f"this run's model has no head {head!r} that gives a picture")
        return channels[head].float().cpu().numpy()

    @property
    def has_language(self) -> bool:
        """Whether the run was trained with language, so that phrases can be asked."""
        return self._phrase_encoder.has_language

    @property
    def has_splats(self) -> bool:
        """Whether the run is made of Gaussians."""
        return self._scene.has_splats

    @in_turn
    def splats(self) -> Splats:
        """The run's Gaussians, in the world frame. UsageError for a run of a model that has none."""
        elements = self.model.elements()
        if elements is None:
            raise UsageError(
                f"this run is of the model {self.info.model}, which has no Gaussians: "
                "export points, or train with --preset splat"
            )
        return elements.splats(self._scene.scene_from_world.inverse())

    @in_turn
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
        texts, others = text_list(phrases, "phrases"), negative_list(negatives)
        return ask_camera(self._scene, self._matcher, camera, texts, others, protocol, min_presence)

    @in_turn
    def hit_masks(
        self, camera: Camera, phrase: str, *, negatives: Sequence[str] | None = None, min_presence: float = 0.5
    ) -> Bool[np.ndarray, "k h w"]:
        """The pixels of each of a phrase's hits in the picture of one camera (world frame), best first.

        No two share any, and together they are the phrase's mask in `ask_view`. `min_presence`: see `query`.
        """
        camera = checked_camera(camera)
        (match,) = self._matcher.match([one_text(phrase, "phrase")], negative_list(negatives), min_presence)
        view = self._scene.view(camera)
        groups = self._scene.groups_in_view(view, [match])
        return hit_masks_in_view(self._scene.interpolator(view), match, groups).cpu().numpy()

    @in_turn
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
            return self.ask_view(camera, phrases, negatives=negatives).tensors.refined[None]
        asked = self._matcher.prepared(phrases, negatives)
        return self._scene.view(camera).crop_level_relevancy(asked, self.observed_scales())

    @in_turn
    def quick_relevancy(
        self, camera: Camera, phrases: Sequence[str], *, negatives: Sequence[str] | None = None
    ) -> Float32[Tensor, "p h w"]:
        """The cheapest relevancy pictures of a camera (world frame), on this session's device: for a viewer.

        A Gaussian is drawn with its highest relevancy over the crop levels, one splat of one number for each phrase; no
        camera changes that number, so it is kept for the next one. Levels are not aggregated and the scene's surface is
        not used, so `ask_view` may answer otherwise. Runs of other models draw `ViewAnswers.relevancy`.
        """
        phrases, negatives = text_list(phrases, "phrases"), negative_list(negatives)
        asked = self._matcher.prepared(phrases, negatives)
        quick = self._scene.view(camera).quick_relevancy(asked)
        if quick is not None:
            return quick
        return self.ask_view(camera, phrases, negatives=negatives).tensors.relevancy

    @in_turn
    def feature_picture(self, camera: Camera) -> Float32[np.ndarray, "h w 3"]:
        """The surface's language features in the picture of a camera (world frame): their first three principal
        components over the whole scene, each in [0, 1]; not a number where nothing is known.

        The components are the run's, so that a place has the same three numbers in all pictures.
        """
        return self._surface_pictures.features_in_view(camera)

    @in_turn
    def crop_height_picture(
        self, camera: Camera, phrase: str, *, negatives: Sequence[str] | None = None
    ) -> Float32[np.ndarray, "h w"]:
        """The height (world units) of the crops that fit a phrase best at each pixel of a camera's picture (world
        frame), by relevancy at each crop level; not a number where nothing is known."""
        text, others = one_text(phrase, "phrase"), negative_list(negatives)
        return self._surface_pictures.crop_heights_in_view(camera, text, others)

    @in_turn
    def crop_height_range(self) -> tuple[float, float]:
        """The smallest and the largest height of crops that the run was trained with, on its surface, world units."""
        return self._surface_pictures.crop_height_range()

    # -- places --------------------------------------------------------------------------------------------------

    @in_turn
    def query(
        self,
        phrases: Sequence[str],
        *,
        negatives: Sequence[str] | None = None,
        min_presence: float = 0.5,
        progress: Progress = silent,
    ) -> list[Answer]:
        """Whether and where phrases are in the scene: positions and boxes in world units, best first.

        The first question to a run renders up to 16 training views, small, for the scene's index
        (`langfield.query.index`), which is then kept with the run; all phrases are answered from that.

        Args:
            negatives: phrases to compete with; None takes those of the encoder's card.
            min_presence: a phrase counts as present, and has hits, if its presence is more than that. A lower one than
                0.5 gives what was found of phrases that would be judged absent; 0 of all.
        """
        phrases = text_list(phrases, "phrases")
        matches = self._matcher.match(phrases, negative_list(negatives), min_presence, progress)
        return [answer_of(self._scene, text, match) for text, match in zip(phrases, matches, strict=True)]

    @in_turn
    def elements(
        self, phrase: str, *, negatives: Sequence[str] | None = None, min_presence: float = 0.5
    ) -> list[Bool[np.ndarray, " n"]]:
        """Which elements belong to each of a phrase's hits, best first; an empty list for what is not there (by
        `min_presence`: see `query`).

        Elements are the N Gaussians of `splats`; of runs that have none, the N points of `surface`. No two hits share
        any. An element belongs to the index's voxel that it is nearest to, within 1.5 voxel sides: see
        `langfield.query.index.elements_in_voxels`.
        """
        (match,) = self._matcher.match([one_text(phrase, "phrase")], negative_list(negatives), min_presence)
        return [elements_of(self._scene, region) for region in match.hits]

    @in_turn
    def element_relevancy(
        self, phrases: Sequence[str], *, negatives: Sequence[str] | None = None
    ) -> Float32[np.ndarray, "p n"]:
        """Relevancy of phrases at each element (see `elements`), in [0, 1]: as `ViewAnswers.refined` of a pixel that
        shows it. Elements away from the surface have the median of all of it, and 0 where no surface is."""
        phrases = text_list(phrases, "phrases")
        matches = self._matcher.match(phrases, negative_list(negatives))
        voxel, values = self._scene.element_voxels.voxel, np.stack([match.voxel_relevancy for match in matches])
        if not values.shape[1]:
            return np.zeros((len(phrases), len(voxel)), dtype=np.float32)
        away = np.median(values, axis=1, keepdims=True)
        return np.where(voxel >= 0, values[:, voxel], away).astype(np.float32)

    @in_turn
    def element_features(self) -> Float32[np.ndarray, "n 3"]:
        """`feature_picture` at each element (see `elements`)."""
        return self._surface_pictures.features_of_elements()

    @in_turn
    def element_crop_heights(self, phrase: str, *, negatives: Sequence[str] | None = None) -> Float32[np.ndarray, " n"]:
        """`crop_height_picture` at each element (see `elements`)."""
        return self._surface_pictures.crop_heights_of_elements(one_text(phrase, "phrase"), negative_list(negatives))

    @in_turn
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
        points = self._scene.surface(progress)
        if voxel_size_world is not None:
            points = points.thinned(voxel_size_world)
        return points.xyz, points.rgb

    @property
    def up_world(self) -> Float64[np.ndarray, "3"]:
        """The unit vector upwards in the world frame, if photos were held level (`langfield.core.up`)."""
        return self._scene.up_world

    # -- groups --------------------------------------------------------------------------------------------------

    @property
    def has_groups(self) -> bool:
        """Whether the run knows groups of its surface: it was trained with masks."""
        return self._scene.has_groups

    @in_turn
    def objects(
        self, vocabulary: Sequence[str] | None = None, *, all_levels: bool = False, progress: Progress = silent
    ) -> list[SceneObject]:
        """Everything that is there, without a phrase: things with place, box and name, the best seen first.

        Args:
            vocabulary: nouns to name them by; None for the bundled ones (`langfield.query.objects`), and no names in a
                run without language.
            all_levels: also list parts of things, sets of things, what surrounds them, such as tables and walls
                (groups that are longer than the distance that they were photographed from), and what hardly any photo
                shows.

        Raises UsageError for a run without groups, and for a vocabulary where there is no language.
        """
        groups = self._scene.groups()
        if vocabulary is None and not self.has_language:
            return groups.objects(None, all_levels, progress)
        nouns = household_nouns() if vocabulary is None else text_list(vocabulary, "vocabulary")
        return groups.objects(self._matcher.encoded(nouns, None), all_levels, progress)

    @in_turn
    def segment(
        self,
        points_world: ArrayLike,
        *,
        scale_world: float | None = None,
        not_at_world: ArrayLike | None = None,
    ) -> GroupShape | None:
        """The group of the surface at one or more points, which grows and shrinks with the scale; None for none there.

        A point off the surface, as the `position` of an object may be, is of the smallest thing whose box is around it;
        with a scale, of any group whose box is, but for what surrounds things.

        Args:
            points_world: (N, 3) that it holds, or (3,) for one (`point_at` gives that of a pixel).
            scale_world: how long it is about to be; None for the thing.
            not_at_world: (M, 3) or (3,) that it does not hold; those off the surface say nothing.

        Raises UsageError for a run without groups, for no points or what are none, or a scale that is not positive.
        """
        within = point_list(points_world, "points_world")
        without = point_list(np.zeros((0, 3)) if not_at_world is None else not_at_world, "not_at_world")
        if not len(within):
            raise UsageError("give at least one point that lies on the thing")
        if scale_world is not None and not 0 < scale_world < np.inf:
            raise UsageError(f"a scale is a length above 0, got {scale_world:g}")
        groups = self._scene.groups()
        scene_from_world = self._scene.scene_from_world
        chosen = groups.at_points(scene_from_world.points(within), scene_from_world.points(without), scale_world)
        return None if chosen is None else groups.shape(chosen)

    @in_turn
    def group_masks(self, camera: Camera, groups: Sequence[int]) -> Bool[np.ndarray, "k h w"]:
        """The pixels of groups (of `objects`, `segment`) in the picture of one camera (world frame).

        Raises UsageError for a run without groups, and for numbers that no group has.
        """
        answers = self._scene.groups()
        numbers = [answers.checked_number(group) for group in groups]
        return answers.in_view(self._scene.view(camera)).masks(numbers).cpu().numpy()

    @in_turn
    def group_elements(self, group: int) -> Bool[np.ndarray, " n"]:
        """Which elements (see `elements`) are of a group.

        Raises UsageError for a run without groups, and for a number that no group has.
        """
        answers = self._scene.groups()
        return answers.elements(answers.checked_number(group))

    @in_turn
    def point_at(self, camera: Camera, xy_px: tuple[float, float]) -> Float64[np.ndarray, "3"] | None:
        """The point of the surface (world frame) that a pixel of a camera's picture shows; None where it shows none.

        Raises UsageError for a pixel outside of the picture.
        """
        camera = checked_camera(camera)
        x, y = xy_px
        if not (0 <= x < camera.width_px and 0 <= y < camera.height_px):
            raise UsageError(f"pixel {x:g},{y:g} is not in the picture of {camera.width_px} by {camera.height_px}")
        view = self._scene.view(camera)
        point = view.points_scene[int(y) * camera.width_px + int(x)].double().cpu().numpy()
        return self._scene.scene_from_world.inverse().points(point[None])[0] if np.isfinite(point).all() else None

    # -- another representation --------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """What the run holds, in the scene frame. If you change it, ask `session.beside(info, model)` instead: this
        session answers from the index that it has."""
        return self._scene.model

    @in_turn
    def prepare(self, phrases: Sequence[str]) -> None:
        """Encode phrases ahead of a question. Raises now what asking them would: no language, no encoder, no text."""
        self._matcher.encoded(text_list(phrases, "phrases"), None)

    def beside(self, info: RunInfo, model: Model) -> "Session":
        """The same scene held by another model, to be asked the same: encoder, its texts and groups are shared. It
        makes an index of its own."""
        return Session(info, model, self.device, self._phrase_encoder, self._scene.scene_groups)

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder, loaded when first needed. RunError if it is another one now."""
        return self._phrase_encoder.encoder

    def observed_scales(self) -> ObservedScales:
        """The crop scales that training observed, scene frame. UsageError for a run without language."""
        return self._scene.observed_scales()

    def train_views(self) -> list[RunView]:
        """The photos that were trained on; all, if the run does not say."""
        return self._scene.train_views()
