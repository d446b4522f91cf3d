"""The index of a scene: everything that a question about the whole scene looks at, made once before any phrase.

`build_scene_index` renders up to 16 of the training cameras small and keeps the voxels of the surface that they show,
what these were embedded as, and a graph of neighbours. `SceneIndex.score` then compares phrases with it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.devices import to_host
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.encoders.recorded import Recorded
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.coarse_cells import CoarseCells
from langfield.query.index.raster import (
    MAX_RASTER_SIDE,
    RasterSurface,
    index_stride,
    without_what_others_look_through,
)
from langfield.query.index.regions import Region
from langfield.query.index.surface_graph import SurfaceGraph
from langfield.query.index.surface_voxels import SurfaceVoxels, voxelise_surface
from langfield.query.index.voxel_embeddings import VoxelEmbeddings, embed_voxels, mean_boundary_features

MAX_VIEWS = 16
MAX_HITS = 8
_NUMBERS_AT_ONCE = 2**26
_MAX_RECORDINGS = 4  # each holds its own memory on the GPU
_VOXELS_PER_CROP = 5
_SPACINGS_PER_VOXEL = 2  # of the rasters' points: most voxels are then seen by several pictures
_EMBEDDINGS = tuple(part.name for part in fields(VoxelEmbeddings))


@dataclass(frozen=True)
class SceneIndex:
    """A scene's surface and what it was seen as.

    Attributes:
        voxels: V voxels of the surface.
        graph: the voxels' neighbours, to smooth relevancy and to find regions.
        cells: C coarse cells of the voxels that were observed, as large as the smallest crops.
        embeddings: of the voxels, at L crop levels.
        typical_distance_scene: (V,) median distance of photos to each voxel, scene units.
        crop_angles: (L,) crop height over focal length at each crop level, smallest first.
    """

    voxels: SurfaceVoxels
    graph: SurfaceGraph
    cells: CoarseCells
    embeddings: VoxelEmbeddings
    typical_distance_scene: Float[np.ndarray, " v"]
    crop_angles: Float[np.ndarray, " l"]
    _recordings: dict[tuple[int, float], Recorded] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_views(
        cls, views: Sequence[AskableView], scales: ObservedScales, progress: Progress = silent
    ) -> "SceneIndex":
        """Index what rendered views of the scene frame show. Cost: see `embed_voxels`.

        A voxel's side is a fifth of the smallest crop at the median distance, or twice the distance of neighbouring
        raster points where that is more.
        """
        rasters = [RasterSurface.from_view(view, index_stride(view, scales)) for view in views]
        rasters = without_what_others_look_through(rasters)
        points = np.concatenate([raster.points_scene for raster in rasters])
        rgb = np.concatenate([raster.rgb for raster in rasters])
        normals = np.concatenate([raster.normals for raster in rasters])
        view_of_point = np.repeat(np.arange(len(views)), [len(raster.kept) for raster in rasters])
        crop, spacing = 1.0, 0.0  # nothing to see: any size
        if len(points):
            crop = float(scales.crop_angles[0]) * float(np.median(_typical_distance(points, scales)))
            spacing = float(np.median(np.concatenate([raster.spacing_scene for raster in rasters])))
        side = max(crop / _VOXELS_PER_CROP, _SPACINGS_PER_VOXEL * spacing)
        voxels = voxelise_surface(points, rgb, normals, view_of_point, side)
        boundary_features = mean_boundary_features(rasters, voxels)
        embeddings = embed_voxels(rasters, voxels, scales, progress)
        distance, angles = _typical_distance(voxels.centres_scene, scales), scales.crop_angles.cpu().numpy()
        return cls._of_parts(voxels, boundary_features, embeddings, crop, distance, angles)

    @classmethod
    def _of_parts(
        cls,
        voxels: SurfaceVoxels,
        boundary_features: Float[np.ndarray, "v s"] | None,
        embeddings: VoxelEmbeddings,
        cell_side_scene: float,
        typical_distance_scene: Float[np.ndarray, " v"],
        crop_angles: Float[np.ndarray, " l"],
    ) -> "SceneIndex":
        observed = embeddings.observed.any(dim=0).cpu().numpy()
        return cls(
            voxels=voxels,
            graph=SurfaceGraph(voxels, observed, embeddings.vectors.device, boundary_features),
            cells=CoarseCells(voxels.centres_scene, voxels.point_counts, embeddings.observed, cell_side_scene),
            embeddings=embeddings,
            typical_distance_scene=typical_distance_scene,
            crop_angles=crop_angles,
        )

    def tensors(self) -> dict[str, Tensor]:
        """What it was made of, as named tensors: all but what follows from them without a view."""
        arrays = {f"voxels.{name}": array for name, array in self.voxels.arrays().items()}
        arrays |= {
            "cell_side_scene": np.array(self.cells.side_scene),
            "typical_distance_scene": self.typical_distance_scene,
            "crop_angles": self.crop_angles,
        }
        if self.graph.boundary_features is not None:
            arrays["boundary_features"] = self.graph.boundary_features
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return tensors | {f"embeddings.{name}": getattr(self.embeddings, name) for name in _EMBEDDINGS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], device: torch.device) -> "SceneIndex":
        """The inverse of `tensors`: answers are the same, bit for bit, on a device of the same kind.

        Raises KeyError for a tensor that is missing.
        """
        of_voxels = {name: tensor.numpy() for name, tensor in tensors.items() if name.startswith("voxels.")}
        embeddings = {name: tensors[f"embeddings.{name}"].to(device) for name in _EMBEDDINGS}
        features = tensors.get("boundary_features")
        return cls._of_parts(
            SurfaceVoxels.from_arrays({name.removeprefix("voxels."): array for name, array in of_voxels.items()}),
            None if features is None else features.numpy(),
            VoxelEmbeddings(**embeddings),
            float(tensors["cell_side_scene"]),
            tensors["typical_distance_scene"].numpy(),
            tensors["crop_angles"].numpy(),
        )

    def score(self, phrases: EncodedPhrases) -> "PhraseScores":
        """Relevancy of at least one phrase on the whole surface.

        Cost: that of `VoxelEmbeddings.relevancy` and of `SurfaceGraph.smoothed`.
        """
        if len(phrases) == 1 and self.embeddings.vectors.is_cuda:
            parts = [self._scored_by_recording(phrases)]
        else:
            parts = [self._unsmoothed(part) for part in self._batches(phrases)]
        of_voxels, of_cells, levels = (torch.cat(column) for column in zip(*parts, strict=True))
        return PhraseScores(*to_host(of_cells, self.graph.smoothed(of_voxels), levels))

    def _unsmoothed(
        self, phrases: EncodedPhrases
    ) -> tuple[Float[Tensor, "p v"], Float[Tensor, "p c"], Int64[Tensor, " p"]]:
        """Relevancy of voxels, not smoothed yet, and of cells, and the crop level of each phrase."""
        relevancy = self.embeddings.relevancy(phrases)
        cell_relevancy, level = self._pooled_in_cells(relevancy)
        return self.embeddings.aggregate_levels(relevancy, level), cell_relevancy, level

    def _scored_by_recording(
        self, phrases: EncodedPhrases
    ) -> tuple[Float[Tensor, "1 v"], Float[Tensor, "1 c"], Int64[Tensor, " 1"]]:
        """`_unsmoothed` of one phrase, as somebody types it: two hundred short kernels, launched as one CUDA graph."""
        form = len(phrases.negatives), phrases.temperature
        if form not in self._recordings:

            def packed(given: Float[Tensor, "q d"]) -> Float[Tensor, " n"]:
                asked = EncodedPhrases(("",), given[:1], given[1:], form[1])
                of_voxels, of_cells, level = self._unsmoothed(asked)
                return torch.cat([of_voxels[0], of_cells[0], level.float()])

            if len(self._recordings) >= _MAX_RECORDINGS:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[form] = Recorded(packed)
        found = self._recordings[form](torch.cat([phrases.embeddings, phrases.negatives]))[None]
        voxels = len(self.voxels)
        return found[:, :voxels], found[:, voxels:-1], found[:, -1].long()

    def cell_relevancy(self, phrases: EncodedPhrases) -> Float[np.ndarray, "p c"]:
        """`PhraseScores.cell_relevancy` alone: without smoothing."""
        parts = [self._pooled_in_cells(self.embeddings.relevancy(part))[0] for part in self._batches(phrases)]
        return torch.cat(parts).cpu().numpy()

    def crop_height_scene(self, crop_level: int, voxels: Int64[np.ndarray, " k"]) -> float:
        """The height (scene units) of a level's crops at some voxels: crop angle × median typical distance."""
        return float(self.crop_angles[crop_level] * np.median(self.typical_distance_scene[voxels]))

    def _batches(self, phrases: EncodedPhrases) -> list[EncodedPhrases]:
        """So many phrases at once that their relevancy at all levels takes 0.3 GB."""
        at_once = max(_NUMBERS_AT_ONCE // max(self.embeddings.observed.numel(), 1), 1)
        return [phrases[first : first + at_once] for first in range(0, len(phrases), at_once)]

    def _pooled_in_cells(self, relevancy: Float[Tensor, "l p v"]) -> tuple[Float[Tensor, "p c"], Int64[Tensor, " p"]]:
        """The relevancy of cells, and the crop level at which each phrase's best cell is highest.

        A cell's relevancy is the mean over its voxels at the cell's best level, of those that were observed there. The
        smallest crops are the noisiest: for this maximum (not for the level) their relevancy of a voxel counts as its
        mean with that of the next size, where crops of that size observed the voxel.
        """
        of_levels = torch.stack([self.cells.means(values, level) for level, values in enumerate(relevancy)])
        if not len(self.cells):
            return of_levels[0], torch.zeros(relevancy.shape[1], dtype=torch.int64, device=relevancy.device)
        best_level = of_levels.amax(dim=2).argmax(dim=0)
        if len(relevancy) > 1:
            confirmed = torch.where(self.embeddings.observed[1], relevancy[:2].mean(dim=0), relevancy[0])
            of_levels[0] = self.cells.means(confirmed, 0)
        return of_levels.amax(dim=0), best_level


@dataclass(frozen=True)
class PhraseScores:
    """Relevancy of P phrases on a scene's surface.

    Attributes:
        cell_relevancy: (P, C) the mean over the observed voxels of each coarse cell at the cell's best crop level, that
            of the smallest crops confirmed by the next size: presence is judged by it.
        voxel_relevancy: (P, V) the mean over the crop levels up to the best one, smoothed over neighbours.
        crop_level: (P,) the level at which each phrase's best cell is highest.
    """

    cell_relevancy: Float[np.ndarray, "p c"]
    voxel_relevancy: Float[np.ndarray, "p v"]
    crop_level: Int64[np.ndarray, " p"]


@dataclass(frozen=True)
class PhraseMatch:
    """One phrase in a scene.

    Attributes:
        presence: probability-like evidence in [0, 1] that it is there (`query.presence`).
        voxel_relevancy: (V,) its row of `PhraseScores`.
        crop_level: the level that fits it best.
        regions: where its relevancy is high, best first; also of a phrase that is not there.
        min_presence: it counts as present if its presence is more than that.
    """

    presence: float
    voxel_relevancy: Float[np.ndarray, " v"]
    crop_level: int
    regions: list[Region]
    min_presence: float = 0.5

    @property
    def present(self) -> bool:
        return self.presence > self.min_presence

    @property
    def hits(self) -> list[Region]:
        """Up to eight regions that answer, best first; none for what is not present."""
        return self.regions[:MAX_HITS] if self.present else []

    @cached_property
    def median_relevancy(self) -> float:
        """The median of all voxels'; 0 of none."""
        return float(np.median(self.voxel_relevancy)) if len(self.voxel_relevancy) else 0.0


def build_scene_index(
    cameras: Sequence[Camera],
    render: Callable[[Camera], AskableView],
    scales: ObservedScales,
    progress: Progress = silent,
) -> SceneIndex:
    """Render up to 16 cameras, evenly spread over those given, at most 160 pixels a side, and index what they show.

    Args:
        cameras: at least one, in the frame that `render` takes.
        render: gives a view of the scene frame.
        scales: what training observed.
    """
    small = index_cameras(cameras)
    started, views = time.perf_counter(), []
    for number, camera in enumerate(small, start=1):
        views.append(render(camera))
        progress(ProgressEvent("rendering for the index", number, len(small), "views", time.perf_counter() - started))
    return SceneIndex.from_views(views, scales, progress)


def index_cameras(cameras: Sequence[Camera]) -> list[Camera]:
    """The cameras that `build_scene_index` renders, at that size."""
    count = min(MAX_VIEWS, len(cameras))
    return [cameras[number * len(cameras) // count].fit_within(MAX_RASTER_SIDE) for number in range(count)]


def _typical_distance(points_scene: Float[np.ndarray, "n 3"], scales: ObservedScales) -> Float[np.ndarray, " n"]:
    return scales.typical_distance(torch.from_numpy(points_scene).to(scales.camera_centres)).cpu().numpy()
