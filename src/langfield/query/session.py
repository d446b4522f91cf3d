"""An opened run: phrases in, answers out. The same arrays for the command line, Python, evaluation and viewer."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.config import config_from_json
from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.encoders.base import ImageTextEncoder
from langfield.models.base import AskableView, Model, Rendered
from langfield.models.config import ModelContext
from langfield.models.registry import create_model
from langfield.models.relevancy import EncodedPhrases
from langfield.query.answers import Answer, Hit, ViewAnswers
from langfield.query.index.elements_in_voxels import ElementVoxels
from langfield.query.index.regions import Region
from langfield.query.index.scene_index import PhraseMatch, SceneIndex, build_scene_index
from langfield.query.phrase_encoder import PhraseEncoder
from langfield.query.pictures import to_uint8
from langfield.query.presence import MIN_NOUNS, PresenceCalibration, common_nouns, distinct_texts, uncalibrated_presence
from langfield.query.view_answers import VoxelInterpolator, hit_masks_in_view, score_view_as_lerf, score_view_from_index
from langfield.runs.directory import load_run
from langfield.runs.info import RunInfo, RunView

Protocol = Literal["langfield", "lerf"]
PHRASES_AT_ONCE = 128
_PHRASES_KNOWN = 256
_VIEWS_KEPT = 2
_CAMERAS_FOR_DISTANCE = 32


class Session:
    """A run that can be asked. Everything it takes and gives is in the frame and units of the input files.

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
    ) -> None:
        """Use `open`. Args: encoder: where the encoder is now, if not where the run's card says."""
        self.info = info
        self.views: tuple[RunView, ...] = tuple(info.views)
        self.device = device
        self._model = model
        self._scene_from_world = Similarity.from_matrix(info.scene_from_world)
        card = None if model.context.crop_angles is None else info.encoders.get("image_text")
        self._wording = PhraseEncoder(card, device, encoder)
        self._rendered: OrderedDict[str, AskableView] = OrderedDict()
        self._outlook: SceneIndex | None = None
        self._on_raster: VoxelInterpolator | None = None
        self._sorted: ElementVoxels | None = None
        self._backgrounds: dict[tuple[str, ...], PresenceCalibration | None] = {}
        self._known: dict[tuple[str, tuple[str, ...]], PhraseMatch] = {}

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
            return cls(loaded.info, model.to(where), where, encoder)
        except (ValueError, RuntimeError) as error:
            raise RunError(f"cannot be opened by this langfield: {error}", Path(run)) from None

    # -- pictures ------------------------------------------------------------------------------------------------

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colour, and z-depth in world units (infinite where nothing is), seen by a camera of the world frame."""
        return self._as_world(self._model.render(camera.moved(self._scene_from_world), ("rgb", "depth")))

    @property
    def has_splats(self) -> bool:
        """Whether the run is made of Gaussians."""
        return self._model.elements() is not None

    def splats(self) -> Splats:
        """The run's Gaussians, in the world frame. UsageError for a run of a model that has none."""
        elements = self._model.elements()
        if elements is None:
            raise UsageError(
                f"this run is of the model {self.info.model}, which has no Gaussians: "
                "export points, or train with --preset splat"
            )
        return elements.splats(self._scene_from_world.inverse())

    def ask_view(
        self,
        camera: Camera,
        phrases: Sequence[str],
        *,
        negatives: Sequence[str] | None = None,
        protocol: Protocol = "langfield",
    ) -> ViewAnswers:
        """Where phrases are in the picture of one camera (world frame).

        Args:
            negatives: phrases to compete with; None takes those of the encoder's card.
            protocol: "langfield" says what is known of the whole scene's surface; "lerf" takes the one pixel of this
                picture that is best over 30 scales, as LERF does.
        """
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        view = self._view(camera)
        if protocol == "lerf":
            found = score_view_as_lerf(view, asked)
        else:
            known = self._found(phrases, negatives)
            found = score_view_from_index(self._raster(view), asked, known, self.seen_scales())
        rgb, depth_world = self._as_world(view.rendered)
        return ViewAnswers(
            phrases=tuple(phrases),
            rgb=rgb,
            depth_world=depth_world,
            relevancy=found.relevancy.float().cpu().numpy(),
            refined=found.refined.float().cpu().numpy(),
            masks=found.masks.cpu().numpy(),
            scale_world=(found.scale_scene / self._scene_from_world.scale).float().cpu().numpy(),
            best_xy_px=found.best_xy_px.double().cpu().numpy(),
            score=found.score.double().cpu().numpy(),
        )

    def hit_masks(
        self, camera: Camera, phrase: str, *, negatives: Sequence[str] | None = None
    ) -> Bool[np.ndarray, "k h w"]:
        """The pixels of each of a phrase's hits in the picture of one camera (world frame), best first.

        No two share any, and together they are the phrase's mask in `ask_view`.
        """
        (found,) = self._found([phrase], negatives)
        return hit_masks_in_view(self._raster(self._view(camera)), found).cpu().numpy()

    def level_maps(
        self, camera: Camera, phrases: Sequence[str], *, negatives: Sequence[str] | None = None, raw: bool = False
    ) -> Float32[Tensor, "l p h w"]:
        """Relevancy of phrases in one camera's picture (world frame) at each of L levels, on this session's device.

        A run answers with one level, `ViewAnswers.refined`: sizes of crops are taken together before neighbours are
        brought into line. `raw` gives relevancy as it is rendered, at each of the run's crop sizes from the smallest
        to the largest: see `AskableView.crop_level_relevancy`.
        """
        if not raw:
            return torch.from_numpy(self.ask_view(camera, phrases, negatives=negatives).refined).to(self.device)[None]
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        return self._view(camera).crop_level_relevancy(asked, self.seen_scales())

    def quick_relevancy(
        self, camera: Camera, phrases: Sequence[str], *, negatives: Sequence[str] | None = None
    ) -> Float32[Tensor, "p h w"]:
        """The quickest pictures of relevancy that a run can draw for a camera (world frame), on this session's device.

        Of Gaussians each is drawn by where it is most relevant, as one number: for looking around and typing, 0.6 ms a
        phrase on an H200. It takes no account of the sizes of crops that fit together, nor of the scene's surface, so
        it is no answer: `ask_view` is. Runs of other models draw what `ask_view` calls `relevancy`.
        """
        asked = self._model.prepare_phrases(self._phrases(phrases, negatives))
        quick = self._view(camera).quick_relevancy(asked)
        if quick is not None:
            return quick
        return torch.from_numpy(self.ask_view(camera, phrases, negatives=negatives).relevancy).to(self.device)

    # -- places --------------------------------------------------------------------------------------------------

    def query(
        self, phrases: Sequence[str], *, negatives: Sequence[str] | None = None, progress: Progress = silent
    ) -> list[Answer]:
        """Where phrases are in the scene: positions and boxes in world units, best first.

        Up to 16 training views are asked at a small size; what several of them agree on answers.
        """
        found = self._found(phrases, negatives, progress)
        return [self._answer(text, known) for text, known in zip(phrases, found, strict=True)]

    def elements(self, phrase: str, *, negatives: Sequence[str] | None = None) -> list[Bool[np.ndarray, " n"]]:
        """Which elements belong to each of a phrase's hits, best first; an empty list for what is not there.

        Elements are the N Gaussians of `splats`; of runs that have none, the N points of `surface`. No two hits share
        any. A Gaussian belongs to where its mean is nearest to, within 1.5 voxel sides: see
        `langfield.query.index.elements_in_voxels`.
        """
        (found,) = self._found([phrase], negatives)
        return [self._elements().mask_of(region) for region in found.hits]

    def surface(self) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
        """The points that questions look at, in the world frame, and their colours."""
        voxels = self._outlook_of_views(silent).voxels
        points_world = self._scene_from_world.inverse().points(voxels.points_scene.astype(np.float64))
        return points_world, to_uint8(voxels.points_rgb)

    def _elements(self) -> ElementVoxels:
        """Made once, for all phrases."""
        if self._sorted is None:
            voxels = self._outlook_of_views(silent).voxels
            made_of = self._model.elements()
            if made_of is None:
                self._sorted = ElementVoxels.of_surface_points(voxels)
            else:
                self._sorted = ElementVoxels.nearest(made_of.positions_scene.double().cpu().numpy(), voxels)
        return self._sorted

    def _found(
        self, phrases: Sequence[str], negatives: Sequence[str] | None, progress: Progress = silent
    ) -> list[PhraseMatch]:
        """What is known of phrases, asked once each."""
        self._check(phrases, negatives)
        against = self._wording.negatives(negatives)
        new = [text for text in dict.fromkeys(phrases) if (text, against) not in self._known]
        outlook, background = self._outlook_of_views(progress), self._background(negatives, progress)
        for start in range(0, len(new), PHRASES_AT_ONCE):
            texts = new[start : start + PHRASES_AT_ONCE]
            evidence = outlook.score(self._phrases(texts, negatives))
            judge = uncalibrated_presence if background is None else background.presence
            presence = judge(evidence.cell_relevancy)
            for i, text in enumerate(texts):
                regions = outlook.graph.regions(evidence.voxel_relevancy[i])
                row = evidence.voxel_relevancy[i].copy()  # a view would keep the whole table alive
                known = PhraseMatch(float(presence[i]), row, int(evidence.crop_level[i]), regions)
                self._known[text, against] = known
        found = [self._known[text, against] for text in phrases]
        while len(self._known) > _PHRASES_KNOWN:
            del self._known[next(iter(self._known))]
        return found

    def _outlook_of_views(self, progress: Progress) -> SceneIndex:
        """Made once, for all phrases."""
        if self._outlook is None:
            cameras = [view.camera for view in self.train_views()]
            self._outlook = build_scene_index(cameras, self._look, self.seen_scales(), progress)
        return self._outlook

    def _background(self, negatives: Sequence[str] | None, progress: Progress) -> PresenceCalibration | None:
        """What the scene answers to phrases in general, against these negatives; None where no surface is seen, or the
        encoder knows too few words to tell."""
        outlook, against = self._outlook_of_views(progress), self._wording.negatives(negatives)
        if not len(outlook.voxels):
            return None
        if against not in self._backgrounds:
            nouns = self._phrases(common_nouns(), negatives)
            different = nouns[distinct_texts(nouns.embeddings)]
            enough = len(different) >= MIN_NOUNS
            self._backgrounds[against] = PresenceCalibration.fit(outlook.cell_relevancy(different)) if enough else None
        return self._backgrounds[against]

    def _answer(self, phrase: str, found: PhraseMatch) -> Answer:
        hits = tuple(self._hit(region, found) for region in found.hits)
        return Answer(
            phrase=phrase,
            present=found.present,
            presence=found.presence,
            score=hits[0].score if hits else 0.0,
            scale_world=hits[0].scale_world if hits else None,
            hits=hits,
        )

    def _hit(self, region: Region, found: PhraseMatch) -> Hit:
        assert self._outlook is not None
        voxels, world_from_scene = self._outlook.voxels, self._scene_from_world.inverse()
        points_world, core_world = (
            world_from_scene.points(voxels.points_in(part)) for part in (region.voxels, region.core)
        )
        scale_world = self._outlook.crop_height_scene(found.crop_level, region.voxels) / self._scene_from_world.scale
        count = self._elements().count_in(region)
        cameras = [(view.name, view.camera) for view in self.views]
        return Hit.from_points(points_world, core_world, region.peak, scale_world, count, cameras)

    # -- another representation --------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """What the run holds, in the scene frame."""
        return self._model

    def prepare(self, phrases: Sequence[str]) -> None:
        """Encode phrases ahead. Whatever speaks against asking them is raised now: no language, no encoder, no text."""
        self._phrases(phrases, None)

    def beside(self, info: RunInfo, model: Model) -> "Session":
        """The same scene held by another model, to be asked the same: encoder and encoded phrases are shared."""
        other = Session(info, model, self.device)
        other._wording = self._wording
        return other

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder, loaded when first needed. RunError if it is another one now."""
        return self._wording.encoder

    def _phrases(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        self._check(phrases, negatives)
        return self._wording.encode(phrases, negatives)

    def _check(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> None:
        """Raise UsageError for a question without words, or to a run without language."""
        self._wording.check(phrases, negatives)
        _ = self._wording.card
        if not self._model.answers_phrases:
            raise UsageError("this run has no language yet: let the command that trains it finish")

    def seen_scales(self) -> ObservedScales:
        """Which scales training saw. UsageError for a run without language."""
        _ = self._wording.card  # without language no photo was cropped
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
        key = str(camera.to_json())
        if key not in self._rendered:
            _ = self._wording.card
            self._rendered[key] = self._look(camera)
            while len(self._rendered) > _VIEWS_KEPT:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return self._rendered[key]

    def _raster(self, view: AskableView) -> VoxelInterpolator:
        """Where the surface lies in the picture that was asked last; kept for further phrases."""
        if self._on_raster is None or self._on_raster.view is not view:
            self._on_raster = VoxelInterpolator.of(view, self._outlook_of_views(silent).voxels)
        return self._on_raster

    def _look(self, camera: Camera) -> AskableView:
        return self._model.view(camera.moved(self._scene_from_world))

    def _as_world(self, rendered: Rendered) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        assert rendered.rgb is not None
        assert rendered.depth_scene is not None
        depth = rendered.depth_scene.float().cpu().numpy() / np.float32(self._scene_from_world.scale)
        return to_uint8(rendered.rgb), depth
