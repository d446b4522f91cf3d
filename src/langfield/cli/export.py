"""`langfield export`: what a run knows, as files for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langfield.cli.console import Console
from langfield.cli.options import MinPresence, OptionalFloat, RunOptions, Texts, flat
from langfield.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from langfield.query.session import Session

ExportFormat = Literal["splat", "points", "masks", "relevancy", "object", "hide", "json"]
_OF_PICTURES = ("masks", "relevancy")


@dataclass(frozen=True, kw_only=True)
class ExportCommand(RunOptions):
    """Write what a run knows for other programs, in the frame and units of the photos' poses: the whole scene as a PLY
    file, or its answers to phrases."""

    format: ExportFormat
    """splat: the scene's Gaussians, for viewers and editors of splats.
    points: the scene's surface as coloured points, of any run.
    masks: of phrases, as PNGs of photos, and coco.json with every hit.
    relevancy: of phrases in photos, raw and refined, as .npy and .png.
    object: what the phrases mean alone, as Gaussians (points, if the run has none).
    hide: the scene without what the phrases mean.
    json: answers to phrases as `query --json` prints them."""

    out: Path
    """The file to write.
    masks and relevancy make a folder; object makes one with a file for each phrase, unless this ends in .ply."""

    phrase: Texts = ()
    """What to look for, each phrase in quotes. Nothing is written of phrases that are not there.
    Takes all words up to the next option or --, and may be given again."""

    negative: Texts = ()
    """Phrases that the asked ones compete with.
    The encoder's own (object, things, stuff, texture), if not given.
    Takes all words up to the next option or --, and may be given again."""

    min_presence: MinPresence = None
    """What counts as there: a phrase whose presence is more than that. 0.5, if not given; 0 also writes what was found
    of phrases that are not there."""

    views: Texts = ()
    """For masks and relevancy: test, train, all, or names of photos.
    Those that show each phrase best, if not given.
    Takes all words up to the next option or --, and may be given again."""

    cube: OptionalFloat = None
    """For points: side of the voxels (cubes) that keep one point each, in the units of the poses.
    What a pixel typically covers, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Export; returns what `--json` prints."""
        self._check()
        import langfield

        session = langfield.open(self.path, device=self.device, encoder=self.encoder)
        if self.format in ("splat", "points"):
            return self._scene(session, console)
        from langfield.cli.export_answers import export_answers

        return export_answers(
            self.format,
            session,
            flat(self.phrase),
            negatives=flat(self.negative) or None,
            min_presence=0.5 if self.min_presence is None else self.min_presence,
            views=flat(self.views),
            out=self.out,
            console=console,
        )

    def _check(self) -> None:
        """Raise UsageError for options that do not fit together, DataError for a file where a folder is to be."""
        of_scene = self.format in ("splat", "points")
        if self.cube is not None and self.format != "points":
            raise UsageError(f"--cube belongs to --format points: leave it out for {self.format}")
        if of_scene and (any(self.phrase) or any(self.negative) or self.min_presence is not None):
            raise UsageError(f"--format {self.format} is of the whole scene: leave phrases out, or use --format object")
        if not of_scene and not any(self.phrase):
            raise UsageError(f"--format {self.format} needs a phrase: add --phrase 'wooden spoon'")
        if any(self.views) and self.format not in _OF_PICTURES:
            raise UsageError(f"--views belongs to --format masks or relevancy: leave it out for {self.format}")
        if self.format in _OF_PICTURES or (self.format == "object" and self.out.suffix != ".ply"):
            if self.out.exists() and not self.out.is_dir():
                raise DataError("is a file: give a folder to write to", self.out)
        elif self.out.is_dir():
            ending = "answers.json" if self.format == "json" else "scene.ply"
            raise DataError(f"is a folder: give the file to write, such as {ending}", self.out)

    def _scene(self, session: "Session", console: Console) -> dict[str, Any]:
        from langfield.cli.export_answers import said_offset
        from langfield.cli.files import make_folder
        from langfield.export.ply import float32_offset, write_points_ply, write_splat_ply

        if self.format == "splat":
            splats = session.splats()
            make_folder(self.out.parent)
            count, what = write_splat_ply(self.out, splats), "Gaussians"
            offset = float32_offset(splats.means)
        else:
            offset = None
            make_folder(self.out.parent)
            xyz, rgb = session.surface(voxel_size_world=self.cube, progress=console.progress)
            write_points_ply(self.out, xyz, rgb)
            count, what = len(xyz), "points" if self.cube is None else f"points, one a cube of {self.cube:.3g}"
        console.say(f"{self.out}: {count:,} {what}")
        return {"format": self.format, "files": [str(self.out)], "count": count} | said_offset(offset, console)
