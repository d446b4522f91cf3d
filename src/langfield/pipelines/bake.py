"""A run of a field → a run of Gaussians that answers at once."""

import importlib.metadata
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from langfield.core.cameras import Camera
from langfield.core.config import config_to_json
from langfield.core.errors import RunError
from langfield.core.progress import Progress, silent
from langfield.core.sampling import every_nth_to_fit
from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.core.transforms import Similarity
from langfield.data.queries import QUERIES_FILE, read_queries
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.base import Converted, Model
from langfield.pipelines.agreement import Agreement, compare
from langfield.pipelines.opening import open_run
from langfield.pipelines.train import at_least
from langfield.query.phrase_arguments import text_list
from langfield.query.presence import common_nouns
from langfield.query.session import Session
from langfield.renderers.splat import splat
from langfield.runs.atomic import read_json, write_json
from langfield.runs.directory import has_run, load_run, lock_run, save_run, settle
from langfield.runs.info import RunInfo

ELEMENTS = 200_000
_VIEWS = 64
_COMPARED_VIEWS = 4
_COMPARED_NOUNS = 24  # when nobody says what to compare; what is not there is compared, too
_COMPARED_SIDE_PX = {"cuda": 640, "cpu": 160}
_BAKED = "baked"  # key of run.json's "training" by which a baked run is known
_MOST_COMPARED = 64  # phrases of a scene's own

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BakeReport:
    """What a baking came to.

    Attributes:
        run: the baked run's directory.
        elements: how many Gaussians it has.
        levels: crop levels of its language map.
        codes: rows of its codebook.
        voxel_side_world: usual (median) side of the voxels that the surface was thinned by, world units.
        coding_cosine: mean cosine between the field's embeddings of the elements and the coded ones.
        bytes_field: of the trained field's model on disk.
        bytes_baked: of the baked run's model on disk.
        bytes_language: of the language map.
        stages: seconds by stage.
        field_seconds: what making the field took, as its `metrics.json` says; None where that says nothing.
        agreement: how well the two answer alike.
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
    say: Callable[[str], None] = _log.info,
) -> BakeReport:
    """Make a run of a field (models lerf and voxel_lift) into a run of Gaussians on its surfaces, with a `LanguageMap`.

    What such a run can be asked, the baked one can be asked, by the same functions. How alike they answer is measured
    in a few views and kept in `metrics.json`.

    Args:
        run: the field's run.
        out: the baked run's directory. A baked run there is replaced, all or nothing.
        elements: at most so many Gaussians; None is 200,000. Fewer where voxels of an eighth of the smallest crop's
            height suffice.
        phrases: asked of both; by default those of the scene's `queries.json`, or common nouns.
        encoder: as in `langfield.open`.
        device: as in `langfield.open`.
        progress: gets the stages "surface", "language" and "agreement".

    Raises:
        RunError: `run` is no run of a field, or shows no surface; `out` holds a trained run or cannot be written.
        UsageError: a run without language, options out of range.
        WeightsError: the run's encoder cannot be loaded.
    """
    most, phrases = at_least("elements", 1, elements, ELEMENTS), text_list(phrases, "phrases")
    session, run, out = open_run(run, device=device, encoder=encoder), Path(run), Path(out)
    if session.has_splats:
        raise RunError("has a LanguageMap already: it is a run of Gaussians, which needs no baking", run)
    asked = _asked(session, phrases)
    session.prepare(asked)
    _check_drawing(session)
    with lock_run(out):
        settle(out)
        _check_replaceable(out)
        converted = _converted(session, most, progress)
        say(f"{converted.elements:,} elements; coded embeddings have a mean cosine of {converted.coding_cosine:.4f}")
        started = time.perf_counter()
        info = _info(session.info, run, converted.model)
        save_run(out, info, {"model": converted.model.state_dict()})
        saved = time.perf_counter()
        agreement = compare(session, session.beside(info, converted.model), _compared(session), asked, progress)
        after = {"saving": saved - started, "agreement": time.perf_counter() - saved}
        report = BakeReport(
            run=out,
            elements=converted.elements,
            levels=converted.levels,
            codes=converted.codes,
            voxel_side_world=converted.voxel_side_scene / Similarity.from_matrix(session.info.scene_from_world).scale,
            coding_cosine=converted.coding_cosine,
            bytes_field=load_run(run).files["model.safetensors"].size,
            bytes_baked=load_run(out).files["model.safetensors"].size,
            bytes_language=converted.language_bytes,
            stages=dict(converted.seconds) | after,
            field_seconds=_seconds_of(run),
            agreement=agreement,
        )
        write_json(out / "metrics.json", report.to_json())
    return report


def _asked(session: Session, phrases: Sequence[str]) -> tuple[str, ...]:
    """What both are asked: the given phrases, those of the scene, or common nouns, in this order."""
    own = Path(session.info.scene_path) / QUERIES_FILE
    if not phrases and own.is_file():
        phrases = [query.text for query in read_queries(own).queries][:_MOST_COMPARED]
    nouns = common_nouns()
    return tuple(phrases) or nouns[:: len(nouns) // _COMPARED_NOUNS][:_COMPARED_NOUNS]


def _converted(session: Session, most: int, progress: Progress) -> Converted:
    """The field as Gaussians, from what some of its photos' cameras see."""
    scene_from_world = Similarity.from_matrix(session.info.scene_from_world)
    views = every_nth_to_fit(session.train_views(), _VIEWS)
    cameras = [view.camera.moved(scene_from_world) for view in views]
    threads = session.model.config.rays_at_once // RAYS_PER_THREAD_RENDERED
    with torch_threads(threads, session.device):
        return session.model.to_gaussians(cameras, session.observed_scales(), most, progress)


def _check_drawing(session: Session) -> None:
    """Raise what speaks against drawing Gaussians on this device now, not when all the work is done."""
    one = Gaussians(GaussianConfig(capacity=1, sh_degree=0)).to(session.device)
    one.count = 1
    with torch.no_grad():
        splat(one, session.views[0].camera.fit_within(8).undistorted(), torch.zeros(1, 1, device=session.device))


def _check_replaceable(out: Path) -> None:
    """A baked run is made again in minutes; a trained one may not be."""
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
    return replace(
        info,
        model=baked.name,
        model_config=config_to_json(baked.config),
        training_config=dict(info.training_config) | {_BAKED: {"run": str(run.absolute()), "model": info.model}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package_version=importlib.metadata.version("langfield"),
    )


def _compared(session: Session) -> list[Camera]:
    """A few small cameras of photos that were held out; of others where none were."""
    held_out = [view for view in session.views if view.split == "test"] or session.train_views()
    longest_px = _COMPARED_SIDE_PX[session.device.type]
    return [view.camera.fit_within(longest_px) for view in every_nth_to_fit(held_out, _COMPARED_VIEWS)]
