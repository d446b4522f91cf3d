"""A run of a radiance field → a run of Gaussians, which answers faster."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from langfield.core import version
from langfield.core.cameras import Camera
from langfield.core.config import config_to_json
from langfield.core.errors import RunError
from langfield.core.progress import Progress, silent
from langfield.core.sampling import every_nth_to_fit
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.core.transforms import Similarity
from langfield.data.queries import QUERIES_FILE, read_queries
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.base import Model
from langfield.pipelines.agreement import Agreement, compare
from langfield.pipelines.opening import open_run
from langfield.pipelines.stages import save_preview
from langfield.pipelines.train import option
from langfield.query.phrase_arguments import text_list
from langfield.query.presence import common_nouns
from langfield.query.session import Session
from langfield.renderers.splat import splat
from langfield.runs.atomic import read_json, write_json
from langfield.runs.directory import load_run, lock_run, save_run, settle
from langfield.runs.existence import has_run
from langfield.runs.info import RunInfo
from langfield.runs.migration import TensorFile

MAX_ELEMENTS = 200_000
_VIEWS = 64
_COMPARED_VIEWS = 4
_COMPARED_SIDE_PX = {"cuda": 640, "cpu": 160}
_COMPARED_QUERIES = 64  # the most phrases of a scene's `queries.json`
_COMPARED_NOUNS = 24  # where there are none; most of them are absent from the scene
_BAKED = "baked"  # key of run.json's "training" by which a baked run is known

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BakeReport:
    """What a baking led to.

    Attributes:
        run: the baked run's directory.
        elements: number of Gaussians.
        levels: number of crop levels of their language.
        codes: number of codes of their language.
        voxel_side_world: median side of the voxels that the surface was thinned by, world units.
        coding_cosine: mean cosine between the field's embeddings of the Gaussians and the coded ones.
        bytes_field: size of the field's model on disk.
        bytes_baked: size of the baked model on disk.
        bytes_language: memory that the baked language takes.
        stages: seconds by stage.
        field_seconds: what making the field took, as its `metrics.json` says; None where that says nothing.
        agreement: how well the two runs' answers agree.
    """

    run: Path
    elements: int
    levels: int
    codes: int
    voxel_side_world: float
    coding_cosine: float
    bytes_field: int
    bytes_baked: int
    bytes_language: int
    stages: dict[str, float]
    field_seconds: float | None
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield bake --json` prints."""
        return {
            "run": str(self.run),
            "elements": self.elements,
            "levels": self.levels,
            "codes": self.codes,
            "cubes_side": self.voxel_side_world,
            "coding_cosine": round(self.coding_cosine, 6),
            "bytes": {"field": self.bytes_field, "baked": self.bytes_baked, "language": self.bytes_language},
            "seconds": round(sum(self.stages.values()), 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "field_seconds": self.field_seconds,
            "agreement": self.agreement.to_json(),
        }


def bake(
    run: str | Path,
    out: str | Path,
    *,
    elements: int | None = None,
    phrases: Sequence[str] = (),
    encoder: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
    log: Callable[[str], None] = _log.info,
) -> BakeReport:
    """Convert a run of a radiance field (models lerf and voxel_lift) to Gaussians on its surfaces, with their language.

    The baked run answers by the same functions as any other, and has the groups of the field's surface, if the field
    has them. How well it agrees with the field's is measured in a few views, and saved in `metrics.json`.

    Args:
        run: the field's run.
        out: the baked run's directory. A baked run there is replaced, all or nothing.
        elements: the most Gaussians; None for 200,000. They are fewer where one for each voxel of an eighth of the
            smallest crop's height suffices.
        phrases: to compare answers by; by default those of the scene's `queries.json`, or common nouns.
        encoder: as in `langfield.open`.
        device: as in `langfield.open`.
        progress: gets the stages "surface", "language" and "agreement".
        log: gets lines for people.

    Raises:
        RunError: `run` is no run of a field, or shows no surface; `out` holds a trained run or cannot be written.
        UsageError: a run without language, options out of range.
        WeightsError: the run's encoder cannot be loaded.
    """
    max_elements = option("elements", elements, MAX_ELEMENTS, minimum=1)
    phrases = text_list(phrases, "phrases")
    session, run, out = open_run(run, device=device, encoder=encoder), Path(run), Path(out)
    if session.has_splats:
        raise RunError("has a LanguageMap already: it is a run of Gaussians, which needs no baking", run)
    compared = _compared_phrases(session, phrases)
    session.prepare(compared)
    _check_splatting(session)
    with lock_run(out):
        settle(out)
        _check_replaceable(out)
        report = _bake(session, run, out, max_elements, compared, progress, log)
        write_json(out / "metrics.json", report.to_json())
    return report


def _bake(
    session: Session,
    run: Path,
    out: Path,
    max_elements: int,
    phrases: Sequence[str],
    progress: Progress,
    log: Callable[[str], None],
) -> BakeReport:
    """Convert what the training photos' cameras see of a field, save it as the run `out`, and compare the two."""
    scene_from_world = Similarity.from_matrix(session.info.scene_from_world)
    cameras = [view.camera.moved(scene_from_world) for view in every_nth_to_fit(session.train_views(), _VIEWS)]
    threads = session.model.config.rays_at_once // RAYS_PER_THREAD_RENDERED
    with torch_threads(threads, session.device):
        converted = session.model.to_gaussians(cameras, session.observed_scales(), max_elements, progress)
    log(f"{converted.elements:,} elements; coded embeddings have a mean cosine of {converted.coding_cosine:.4f}")
    started = time.perf_counter()
    info = _info(session.info, run, converted.model)
    field = load_run(run)
    tensors: dict[TensorFile, Mapping[str, Tensor]] = {"model": converted.model.state_dict()}
    if info.groups is not None:
        tensors["groups"] = field.tensors("groups")
    save_run(out, info, tensors)
    saved = time.perf_counter()
    baked = session.beside(info, converted.model)
    agreement = compare(session, baked, _compared_cameras(session), phrases, progress)
    stages = {"saving": saved - started, "agreement": time.perf_counter() - saved}
    save_preview(out, converted.model, cameras[0], session.device)
    return BakeReport(
        run=out,
        elements=converted.elements,
        levels=converted.levels,
        codes=converted.codes,
        voxel_side_world=converted.voxel_side_scene / scene_from_world.scale,
        coding_cosine=converted.coding_cosine,
        bytes_field=field.files["model.safetensors"].size,
        bytes_baked=load_run(out).files["model.safetensors"].size,
        bytes_language=converted.language_bytes,
        stages=dict(converted.seconds) | stages,
        field_seconds=_seconds_of(run),
        agreement=agreement,
    )


def _compared_phrases(session: Session, phrases: Sequence[str]) -> tuple[str, ...]:
    """The given phrases; without any, those of the scene's `queries.json`; without one, common nouns."""
    queries = Path(session.info.scene_path) / QUERIES_FILE
    if not phrases and queries.is_file():
        phrases = [query.text for query in read_queries(queries).queries][:_COMPARED_QUERIES]
    nouns = common_nouns()
    return tuple(phrases) or nouns[:: len(nouns) // _COMPARED_NOUNS][:_COMPARED_NOUNS]


def _check_splatting(session: Session) -> None:
    """Splat one Gaussian: raise now, and not after all the work, if this device cannot."""
    one = Gaussians(GaussianConfig(capacity=1, sh_degree=0)).to(session.device)
    one.count = 1
    with torch.no_grad():
        splat(one, session.views[0].camera.fit_within(8).undistorted(), torch.zeros(1, 1, device=session.device))


def _check_replaceable(out: Path) -> None:
    """Raise RunError if `out` holds a trained run, which cannot be made again in minutes as a baked one can."""
    if has_run(out) and _BAKED not in load_run(out).info.training_config:
        raise RunError("holds a trained run, which baking does not replace; choose another folder for --out", out)


def _seconds_of(run: Path) -> float | None:
    """What `metrics.json` says that making a run took."""
    try:
        seconds = read_json(run / "metrics.json").get("seconds")
    except (OSError, RunError):
        return None
    return float(seconds) if isinstance(seconds, int | float) else None


def _info(info: RunInfo, run: Path, baked: Model) -> RunInfo:
    """That of the baked run, given the field's."""
    return replace(
        info,
        model=baked.name,
        model_config=config_to_json(baked.config),
        training_config=dict(info.training_config) | {_BAKED: {"run": str(run.absolute()), "model": info.model}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package_version=version.package_version(),
    )


def _compared_cameras(session: Session) -> list[Camera]:
    """Small cameras of a few test photos, or of training photos if there are none."""
    held_out = [view for view in session.views if view.split == "test"] or session.train_views()
    longest_px = _COMPARED_SIDE_PX[session.device.type]
    return [view.camera.fit_within(longest_px) for view in every_nth_to_fit(held_out, _COMPARED_VIEWS)]
