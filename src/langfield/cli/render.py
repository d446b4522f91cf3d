"""`langfield render`: pictures of a run from its photos' cameras."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalInt, OutputOptions, Texts
from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent

if TYPE_CHECKING:
    from langfield.core.cameras import Camera
    from langfield.query.session import Session
    from langfield.runs.info import RunView

RenderOutput = Literal["rgb", "depth", "relevancy", "composited"]
_OF_PHRASES = ("relevancy", "composited")


@dataclass(frozen=True, kw_only=True)
class Render(OutputOptions):
    """Write pictures of a run, seen from its photos' cameras."""

    path: tyro.conf.Positional[Path]
    """The run directory."""

    out: Path
    """The folder to write to."""

    outputs: tuple[RenderOutput, ...] = ("rgb", "depth")
    """What to write: relevancy is turbo over [0, 1], composited is turbo over the picture where it passes 0.5."""

    phrase: Texts = ()
    """Phrases for relevancy and composited, each in quotes."""

    negative: Texts = ()
    """Phrases that the asked ones compete with. The encoder's own, if not given."""

    views: Texts = ("test",)
    """test, train, all, or names of photos."""

    width: OptionalInt = None
    """Width of the pictures in pixels. The photos', if not given."""

    raw: Flag = False
    """Also write the numbers behind each view as .npz: depth_world, and with phrases relevancy and scale_world."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def run(self, console: Console) -> dict[str, Any]:
        """Render; returns what `--json` prints."""
        asked = [output for output in self.outputs if output in _OF_PHRASES]
        if asked and not self.phrase:
            raise UsageError(f"--outputs {' '.join(asked)} needs a phrase: add --phrase 'wooden spoon'")
        if self.width is not None and not 1 <= self.width <= 16384:
            raise UsageError(f"--width must be 1 to 16384 pixels, got {self.width}")
        from langfield import api
        from langfield.cli.files import make_folder, numbered_slugs

        session = api.open_run(self.path, device=self.device)
        views = chosen_views(session, self.views)
        make_folder(self.out)
        start = time.monotonic()
        files: list[Path] = []
        names = numbered_slugs([Path(view.name).with_suffix("").as_posix() for view in views])
        for done, (view, name) in enumerate(zip(views, names, strict=True)):
            console.progress(ProgressEvent("rendering", done, len(views), "views", time.monotonic() - start))
            files += self._write_view(session, self._sized(view.camera), self.out / name)
        console.progress(ProgressEvent("rendering", len(views), len(views), "views", time.monotonic() - start))
        console.say(f"{len(files)} files in {self.out}")
        return {"files": [str(file) for file in files]}

    def _sized(self, camera: "Camera") -> "Camera":
        if self.width is None:
            return camera
        return camera.resized(self.width, max(1, round(camera.height_px * self.width / camera.width_px)))

    def _write_view(self, session: "Session", camera: "Camera", stem: Path) -> list[Path]:
        """Write one view's files, all of which begin with `stem`."""
        from langfield.cli.files import numbered_slugs, write_arrays, write_picture
        from langfield.query.pictures import composited, depth_picture, relevancy_picture

        answers = session.ask_view(camera, self.phrase, negatives=self.negative or None) if self.phrase else None
        rgb, depth = session.picture(camera) if answers is None else (answers.rgb, answers.depth_world)
        pictures = {}
        if "rgb" in self.outputs:
            pictures["rgb"] = rgb
        if "depth" in self.outputs:
            pictures["depth"] = depth_picture(depth)
        arrays = {"depth_world": depth}
        if answers is not None:
            for index, name in enumerate(numbered_slugs(self.phrase)):
                relevancy = answers.relevancy[index]
                if "relevancy" in self.outputs:
                    pictures[f"relevancy_{name}"] = relevancy_picture(relevancy)
                if "composited" in self.outputs:
                    pictures[f"composited_{name}"] = composited(rgb, relevancy)
            arrays |= {"relevancy": answers.relevancy, "scale_world": answers.scale_world}
        files = [write_picture(stem.with_name(f"{stem.name}_{name}.png"), p) for name, p in pictures.items()]
        if self.raw:
            files.append(write_arrays(stem.with_name(f"{stem.name}_raw.npz"), **arrays))
        return files


def chosen_views(session: "Session", wanted: tuple[str, ...]) -> "list[RunView]":
    """The views of a run that are asked for by split, "all", or name (with or without folder and ending)."""
    chosen: dict[str, RunView] = {}
    for word in wanted:
        if word in ("test", "train", "all"):
            found = [view for view in session.views if word in ("all", view.split)]
        else:
            found = [v for v in session.views if word in (v.name, Path(v.name).name, Path(v.name).stem)]
        if not found:
            known = session.views[0].name if session.views else "none"
            raise UsageError(f"the run has no view {word!r}: use test, train, all, or a photo's name such as {known}")
        chosen |= {view.name: view for view in found}
    return list(chosen.values())
