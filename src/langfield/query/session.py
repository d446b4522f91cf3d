"""An opened run: phrases in, answers out. The same arrays for the command line, Python, evaluation and viewer."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.config import config_from_json
from langfield.core.devices import resolve_device
from langfield.core.errors import RunError, UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.transforms import Similarity
from langfield.encoders.base import EncoderCard, ImageTextEncoder
from langfield.encoders.registry import load_image_text
from langfield.methods.base import MethodContext, Rendered
from langfield.methods.registry import create_method
from langfield.methods.splat import Splat
from langfield.query.answers import Answer, Box, Hit, ViewAnswers
from langfield.query.language_view import (
    CodedMethod,
    LanguageMethod,
    LanguageView,
    ready,
    render_language_view,
)
from langfield.query.pictures import to_uint8
from langfield.query.places import Cells, Place
from langfield.query.relevancy import Phrases
from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales_quickly
from langfield.query.seen_scales import (
    RASTER_SIDE_PX,
    SeenScales,
    gather_evidence,
    raster,
    raster_stride,
    relevancy_at_levels,
)
from langfield.query.splat_view import render_splat_view
from langfield.runs.directory import load_run
from langfield.runs.info import RunInfo, RunView

Protocol = Literal["langfield", "lerf"]
VIEWS_ASKED = 16
PHRASES_AT_ONCE = 64
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
        method: LanguageMethod | Splat,
        context: MethodContext,
        device: torch.device,
        encoder: str | None = None,
    ) -> None:
        """Use `open`. Args: encoder: where the encoder is now, if not where the run's card says."""
        self.info = info
        self.views: tuple[RunView, ...] = tuple(info.views)
        self.device = device
        self._method = method
        self._context = context
        self._scene_from_world = Similarity.from_matrix(info.scene_from_world)
        self._encoder_spec = encoder
        self._encoder: ImageTextEncoder | None = None
        self._texts: dict[str, Tensor] = {}
        self._rendered: OrderedDict[str, LanguageView] = OrderedDict()
        self._outlook: _Outlook | None = None

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
            context = config_from_json(MethodContext, dict(loaded.info.method_context), "method.context")
            method = create_method(loaded.info.method, loaded.info.method_config, context)
            method.load_state_dict(loaded.tensors("model"))
            method.to(where)
            assert isinstance(method, LanguageMethod | Splat)
            return cls(loaded.info, method, context, where, encoder)
        except (ValueError, RuntimeError) as error:
            raise RunError(f"cannot be opened by this langfield: {error}", Path(run)) from None

    # -- pictures ------------------------------------------------------------------------------------------------

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Colour, and z-depth in world units (infinite where nothing is), seen by a camera of the world frame."""
        moved = camera.moved(self._scene_from_world)
        if isinstance(self._method, Splat):
            return self._as_world(self._method.render(moved))
        return self._as_world(self._method.surface(moved, keep_samples=False)[0])

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
            protocol: "langfield" asks each place at the scales that training saw there and averages over half a crop;
                "lerf" takes the one pixel that is best over 30 scales, as LERF does.
        """
        asked = self._ready(self._phrases(phrases, negatives))
        view = self._view(camera)
        if protocol == "lerf":
            scales = lerf_scales().to(self.device)
            search = search_scales_quickly(view, asked, scales)
            scale = scales[search.index]
            maps = relevancy_at_scales(view, asked, scale)
            score, pixel = maps.reshape(len(asked), -1).max(dim=1)
            scale_maps = scale[:, None, None].expand_as(maps)
        else:
            seen = self.seen_scales()
            pixel, level, score = gather_evidence(view, asked, seen).best()
            maps, scale_maps = relevancy_at_levels(view, asked, seen, level)
        rgb, depth_world = self._as_world(view.rendered)
        width = camera.width_px
        xy = torch.stack([pixel % width, pixel // width], dim=-1).double() + 0.5
        return ViewAnswers(
            phrases=tuple(phrases),
            rgb=rgb,
            depth_world=depth_world,
            relevancy=maps.float().cpu().numpy(),
            scale_world=(scale_maps / self._scene_from_world.scale).float().cpu().numpy(),
            best_xy_px=xy.cpu().numpy(),
            score=score.double().cpu().numpy(),
        )

    # -- places --------------------------------------------------------------------------------------------------

    def query(
        self, phrases: Sequence[str], *, negatives: Sequence[str] | None = None, progress: Progress = silent
    ) -> list[Answer]:
        """Where phrases are in the scene: positions and boxes in world units, best first.

        Up to 16 training views are asked at a small size; what several of them agree on answers.
        """
        asked = self._phrases(phrases, negatives)
        outlook = self._outlook_of_views(progress)
        answers: list[Answer] = []
        for start in range(0, len(asked), PHRASES_AT_ONCE):
            answers += self._answers(asked[start : start + PHRASES_AT_ONCE], outlook)
        return answers

    def _answers(self, asked: Phrases, outlook: "_Outlook") -> list[Answer]:
        asked, seen = self._ready(asked), self.seen_scales()
        found = [gather_evidence(view, asked, seen) for view in outlook.views]
        pairs = list(zip(found, outlook.kept, strict=True))
        score = np.concatenate([f.score[:, kept].cpu().numpy() for f, kept in pairs], axis=1)
        angle = np.concatenate([seen.crop_angles[f.level[:, kept]].cpu().numpy() for f, kept in pairs], axis=1)
        scale, cells = angle * outlook.distance_scene, outlook.cells
        return [
            self._answer(text, cells.places(score[i], scale[i]), cells.peak(score[i]))
            for i, text in enumerate(asked.texts)
        ]

    def _outlook_of_views(self, progress: Progress) -> "_Outlook":
        """Small renders of evenly spread training views and the surface they show: made once, for all phrases."""
        if self._outlook is None:
            train = self.train_views()
            count = min(VIEWS_ASKED, len(train))
            started, views = time.perf_counter(), []
            for number in range(count):
                camera = shrunk(train[number * len(train) // count].camera, RASTER_SIDE_PX)
                views.append(self._look(camera))
                progress(ProgressEvent("looking", number + 1, count, "views", time.perf_counter() - started))
            self._outlook = _look(views, self.seen_scales())
        return self._outlook

    def _answer(self, phrase: str, places: Sequence[Place], peak: float) -> Answer:
        hits = tuple(self._hit(place) for place in places)
        return Answer(
            phrase=phrase,
            present=peak > 0.5,
            presence=peak,
            score=hits[0].score if hits else 0.0,
            scale_world=places[0].scale_scene / self._scene_from_world.scale if places else None,
            hits=hits,
        )

    def _hit(self, place: Place) -> Hit:
        world_from_scene = self._scene_from_world.inverse()
        points = world_from_scene.points(place.points_scene.astype(np.float64))
        low, high = np.percentile(points, [2, 98], axis=0)
        centre = world_from_scene.points(place.centre.astype(np.float64))
        return Hit(_triple(centre), Box(_triple(low), _triple(high)), place.score)

    # -- another representation --------------------------------------------------------------------------------------

    @property
    def method(self) -> LanguageMethod | Splat:
        """What the run holds, in the scene frame."""
        return self._method

    def prepare(self, phrases: Sequence[str]) -> None:
        """Encode phrases ahead. Whatever speaks against asking them is raised now: no language, no encoder, no text."""
        self._phrases(phrases, None)

    def beside(self, info: RunInfo, method: LanguageMethod | Splat) -> "Session":
        """The same scene held by another method, to be asked the same: encoder and encoded phrases are shared."""
        other = Session(info, method, self._context, self.device, self._encoder_spec)
        other._encoder, other._texts = self._encoder, self._texts
        return other

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's image-text encoder, loaded when first needed. RunError if it is another one now."""
        if self._encoder is None:
            card = self._card()
            spec = self._encoder_spec or card.spec
            encoder = load_image_text(spec, self.device)
            if encoder.card.identity() != card.identity():
                raise RunError(
                    f"{spec} is not the encoder that this run was trained with ({card.spec}, weights "
                    f"{card.weights_sha256[:12]}); give that one, or train again"
                )
            self._encoder = encoder
        return self._encoder

    def _card(self) -> EncoderCard:
        card = self.info.encoders.get("image_text")
        if card is None or self._context.crop_angles is None:
            raise UsageError("this run was trained without language; it can be rendered, but not asked")
        try:
            return EncoderCard.from_json(card)
        except ValueError as error:
            raise RunError(f"the encoder's card in run.json cannot be read: {error}") from None

    def _phrases(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> Phrases:
        if not phrases:
            raise UsageError("no phrase was given")
        if any(not text.strip() for text in (*phrases, *(negatives or ()))):
            raise UsageError("a phrase is empty")
        card = self._card()
        coded = isinstance(self._method, CodedMethod) and not len(self._method.codes)
        if coded or (isinstance(self._method, Splat) and not len(self._method.language.codebook)):
            raise UsageError("this run has no language yet: let the command that trains it finish")
        against = tuple(card.negatives if negatives is None else negatives)
        if not against:
            raise UsageError("relevancy needs at least one negative phrase")
        return Phrases(tuple(phrases), self._encoded(phrases), self._encoded(against), card.temperature)

    def _encoded(self, texts: Sequence[str]) -> Float[Tensor, "p d"]:
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            self._texts |= dict(zip(new, self.encoder.encode_texts(new).to(self.device), strict=True))
        return torch.stack([self._texts[text] for text in texts])

    def seen_scales(self) -> SeenScales:
        """Which scales training saw. UsageError for a run without language."""
        self._card()
        assert self._context.crop_angles is not None
        train = self.train_views()
        step = -(-len(train) // _CAMERAS_FOR_DISTANCE)
        centres = np.stack([view.camera.world_from_camera[:3, 3] for view in train[::step]])
        scene = torch.from_numpy(self._scene_from_world.points(centres)).float().to(self.device)
        return SeenScales.between(*self._context.crop_angles, scene)

    def train_views(self) -> list[RunView]:
        """The photos that were trained on; all, if the run does not say."""
        return [view for view in self.views if view.split == "train"] or list(self.views)

    def _view(self, camera: Camera) -> LanguageView:
        """The rendered view of a camera of the world frame; the last few are kept for further phrases."""
        key = str(camera.to_json())
        if key not in self._rendered:
            self._card()
            self._rendered[key] = self._look(camera)
            while len(self._rendered) > _VIEWS_KEPT:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return self._rendered[key]

    def _look(self, camera: Camera) -> LanguageView:
        moved = camera.moved(self._scene_from_world)
        if isinstance(self._method, Splat):
            return render_splat_view(self._method, moved)
        return render_language_view(self._method, moved)

    def _ready(self, phrases: Phrases) -> Phrases:
        return phrases if isinstance(self._method, Splat) else ready(self._method, phrases)

    def _as_world(self, rendered: Rendered) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        assert rendered.rgb is not None
        assert rendered.depth_scene is not None
        depth = rendered.depth_scene.float().cpu().numpy() / np.float32(self._scene_from_world.scale)
        return to_uint8(rendered.rgb), depth


@dataclass(frozen=True)
class _Outlook:
    """What questions about the whole scene look at.

    Attributes:
        views: small renders.
        kept: each view's raster pixels that show a surface.
        distance_scene: typical distance from photos to each of those N points.
        cells: the points sorted into cubes.
    """

    views: list[LanguageView]
    kept: list[Int64[Tensor, " _"]]
    distance_scene: Float[np.ndarray, " n"]
    cells: Cells


def _look(views: list[LanguageView], seen: SeenScales) -> _Outlook:
    """Cells are as large as the smallest crops: below that the field cannot tell places apart."""
    points, kept = [], []
    for view in views:
        on_raster = view.points_scene[raster(view, raster_stride(view))[0]]
        kept.append(torch.nonzero(on_raster.isfinite().all(dim=-1))[:, 0])
        points.append(on_raster[kept[-1]])
    surface = torch.cat(points)
    distance = seen.typical_distance(surface)
    cell = float(seen.crop_angles[0] * distance.median()) if len(surface) else 1.0  # nothing to see: any size
    of_view = np.repeat(np.arange(len(views)), [len(k) for k in kept])
    return _Outlook(views, kept, distance.cpu().numpy(), Cells(surface.cpu().numpy(), of_view, cell))


def shrunk(camera: Camera, longest_px: int) -> Camera:
    """The same view with its longest side at most `longest_px`."""
    factor = min(1.0, longest_px / max(camera.width_px, camera.height_px))
    return camera.resized(max(1, round(camera.width_px * factor)), max(1, round(camera.height_px * factor)))


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
