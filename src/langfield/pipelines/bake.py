"""A run of a field → a run of Gaussians: what `langfield bake` does."""

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from langfield.core.cameras import Camera
from langfield.core.config import config_from_json, config_to_json
from langfield.core.errors import RunError
from langfield.core.progress import Progress
from langfield.core.transforms import Similarity
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.base import MethodContext
from langfield.models.conversion.elements import gather_elements, gaussians_of
from langfield.models.conversion.language import code_language
from langfield.models.conversion.surface_observations import Cubes, look, looking_cameras
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.pipelines.agreement import Agreement, compare
from langfield.query.index.scene_index import shrunk
from langfield.query.language_view import LanguageMethod
from langfield.query.presence import common_nouns
from langfield.query.session import Session
from langfield.renderers.splat import splat
from langfield.runs.atomic import write_json
from langfield.runs.directory import has_run, load_run, lock_run, save_run, settle
from langfield.runs.info import RunInfo

ELEMENTS = 200_000
_VIEWS = 64
_COMPARED_VIEWS = 4
_COMPARED_NOUNS = 24  # when nobody says what to compare; what is not there is compared, too
_COMPARED_SIDE_PX = {"cuda": 640, "cpu": 160}
_BAKED = "baked"  # key of run.json's "training" by which a baked run is known


@dataclass(frozen=True)
class BakeReport:
    """What a baking came to.

    Attributes:
        run: the baked run's directory.
        elements, levels, codes: of its language map.
        cubes_side_world: usual (median) side of the cubes that the surface was thinned by, world units.
        coding_cosine: mean cosine between the field's embeddings of the elements and the coded ones.
        bytes_field, bytes_baked: of the two models on disk.
        bytes_language: of the language map.
        stages: seconds by stage.
        agreement: how well the two answer alike.
    """

    run: Path
    elements: int
    levels: int
    codes: int
    cubes_side_world: float
    coding_cosine: float
    bytes_field: int
    bytes_baked: int
    bytes_language: int
    stages: dict[str, float]
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield bake --json` prints."""
        return {
            "run": str(self.run),
            "elements": self.elements,
            "levels": self.levels,
            "codes": self.codes,
            "cubes_side": self.cubes_side_world,
            "coding_cosine": round(self.coding_cosine, 6),
            "bytes": {"field": self.bytes_field, "baked": self.bytes_baked, "language": self.bytes_language},
            "seconds": round(sum(self.stages.values()), 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "agreement": self.agreement.to_json(),
        }


class _Laps:
    """Seconds by stage: each lasts from the end of the one before it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def ended(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._since = now - self._since, now


def bake(
    session: Session,
    run: Path,
    out: Path,
    *,
    elements: int,
    phrases: Sequence[str],
    progress: Progress,
    say: Callable[[str], None],
) -> BakeReport:
    """Bake the field that `session` opened from `run` into a new run at `out`. See `langfield.api.bake`."""
    method = _field(session, run)
    nouns = common_nouns()
    asked = tuple(phrases) or nouns[:: len(nouns) // _COMPARED_NOUNS][:_COMPARED_NOUNS]
    session.prepare(asked)
    _check_drawing(session)
    with lock_run(out):
        settle(out)
        _check_replaceable(out)
        laps = _Laps()
        baked, cosine, side = _bake(method, session, elements, progress, laps)
        say(f"{len(baked.language.distance):,} elements; coded embeddings have a mean cosine of {cosine:.4f}")
        info = _info(session.info, run, baked)
        save_run(out, info, {"model": baked.state_dict()})
        laps.ended("saving")
        agreement = compare(session, session.beside(info, baked), _compared(session), asked, progress)
        laps.ended("agreement")
        report = BakeReport(
            run=out,
            elements=len(baked.language.distance),
            levels=len(baked.language.crop_angles),
            codes=len(baked.language.codebook),
            cubes_side_world=side,
            coding_cosine=cosine,
            bytes_field=load_run(run).files["model.safetensors"].size,
            bytes_baked=load_run(out).files["model.safetensors"].size,
            bytes_language=baked.language.memory_bytes,
            stages=laps.seconds,
            agreement=agreement,
        )
        write_json(out / "metrics.json", report.to_json())
    return report


def _bake(
    method: LanguageMethod, session: Session, most: int, progress: Progress, laps: _Laps
) -> tuple[Splat, float, float]:
    """The baked method, how well its codes fit, and the usual side of its cubes in world units."""
    seen = session.seen_scales()
    scene_from_world = Similarity.from_matrix(session.info.scene_from_world)
    photos = session.train_views()
    chosen = photos[:: -(-len(photos) // _VIEWS)]
    cameras = [view.camera.moved(scene_from_world) for view in chosen]
    cubes = Cubes(seen)
    sightings = look(method, looking_cameras(cameras, float(seen.crop_angles[0]), most), cubes, progress)
    elements, _ = gather_elements(sightings, cubes, most)
    del sightings
    laps.ended("surface")
    language, cosine = code_language(method, elements, seen.crop_angles, progress)
    laps.ended("language")
    context = config_from_json(MethodContext, dict(session.info.method_context), "method.context")
    baked = Splat(SplatConfig(gaussians=GaussianConfig(capacity=1, sh_degree=0)), context)
    baked.gaussians = gaussians_of(elements)
    baked.config = replace(baked.config, gaussians=baked.gaussians.config)
    baked.language = language
    return baked, cosine, float(elements.sides.median()) / scene_from_world.scale


def _field(session: Session, run: Path) -> LanguageMethod:
    if isinstance(session.method, Splat):
        raise RunError("has a LanguageMap already: it is a run of Gaussians, which needs no baking", run)
    return session.method


def _check_drawing(session: Session) -> None:
    """Raise what speaks against drawing Gaussians on this device now, not when all the work is done."""
    one = Gaussians(GaussianConfig(capacity=1, sh_degree=0)).to(session.device)
    one.count = 1
    with torch.no_grad():
        splat(one, shrunk(session.views[0].camera, 8).undistorted(), torch.zeros(1, 1, device=session.device))


def _check_replaceable(out: Path) -> None:
    """A baked run is made again in minutes; a trained one may not be."""
    if has_run(out) and _BAKED not in load_run(out).info.training_config:
        raise RunError("holds a trained run, which baking does not replace; choose another folder for --out", out)


def _info(info: RunInfo, run: Path, baked: Splat) -> RunInfo:
    return replace(
        info,
        method=Splat.name,
        method_config=config_to_json(baked.config),
        training_config=dict(info.training_config) | {_BAKED: {"run": str(run.absolute()), "method": info.method}},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        package_version=importlib.metadata.version("langfield"),
    )


def _compared(session: Session) -> list[Camera]:
    """A few small cameras of photos that were held out; of others where none were."""
    held_out = [view for view in session.views if view.split == "test"] or session.train_views()
    some = held_out[:: -(-len(held_out) // _COMPARED_VIEWS)]
    return [shrunk(view.camera, _COMPARED_SIDE_PX[session.device.type]) for view in some]
