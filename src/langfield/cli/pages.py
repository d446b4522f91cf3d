"""HTML pages about runs: what they are made of is read from the run's and the scene's files, and pages are written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langfield.core.errors import RunError, UsageError
from langfield.core.sampling import subsample_evenly
from langfield.data.images import decode_image
from langfield.data.views import Scene, View
from langfield.evaluation.labels.base import Labels, ViewLabels
from langfield.reports.page_pictures import PhotoView, Rgb
from langfield.reports.run_facts import RunFacts, training_curves
from langfield.runs.atomic import read_json, write_text
from langfield.runs.directory import load_run


def read_run_facts(run: Path, name: str) -> RunFacts:
    """What a run's files say of it. Metrics and events may be missing; raises RunError if it is no run.

    Args: name: what the page calls it.
    """
    loaded = load_run(run)
    try:
        metrics = read_json(run / "metrics.json")
    except (OSError, RunError):
        metrics = {}
    bytes_on_disk = loaded.files["model.safetensors"].size
    return RunFacts(name, loaded.info.document(), metrics, _curves(run / "events.jsonl"), bytes_on_disk)


def _curves(events: Path) -> dict[str, Any]:
    try:
        with events.open(encoding="utf-8", errors="replace") as lines:
            return training_curves(lines)
    except OSError:
        return {}


def photo_views(scene: Scene, labels: Labels | None) -> dict[str, PhotoView]:
    """All photos of a scene by their names."""
    return {view.name: _photo_view(view, labels) for view in scene.views}


def _photo_view(view: View, labels: Labels | None) -> PhotoView:
    def read_photo(size: tuple[int, int]) -> Rgb:
        return decode_image(view.image_path, size, view.white_level)

    def read_labels() -> ViewLabels | None:
        return None if labels is None else labels.of_view(view)

    return PhotoView(view.name, view.camera, read_photo, read_labels)


def some_test_views(scene: Scene, photos: Mapping[str, PhotoView], at_most: int) -> list[PhotoView]:
    """Photos of the scene's test views, evenly spread over them."""
    return [photos[scene.views[index].name] for index in subsample_evenly(scene.test, at_most)]


def now() -> str:
    """The time as pages write it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def check_page_name(path: Path) -> None:
    """Raise UsageError for what is no name of a page, before anything long is begun."""
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise UsageError(f"--out must name a file that ends in .html, got {path}")


def write_page(path: Path, page: str) -> dict[str, Any]:
    """Write a page, all or nothing; returns its place and size for `--json`."""
    write_text(path, page)
    return {"page": str(path), "bytes": path.stat().st_size}
