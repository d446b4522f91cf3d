"""`langfield export`: what a run knows, as files for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langfield.cli.console import Console
from langfield.cli.options import MinPresence, OptionalFloat, OptionalInt, RunOptions, Texts, flat
from langfield.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from langfield.query.session import Session

ExportFormat = Literal["splat", "points", "masks", "relevancy", "object", "hide", "json", "html"]
_OF_PICTURES = ("masks", "relevancy")
_FILE_NAMES = {"json": "answers.json", "html": "page.html"}  # such as; of all others scene.ply
_GAUSSIANS = 200_000
_MOST_GAUSSIANS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class ExportCommand(RunOptions):
    """Write what a run knows for other programs, in the frame and units of the photos' poses: the whole scene as a PLY
    file, its answers to phrases, or a page with both."""

    format: ExportFormat
    """splat: the scene's Gaussians, for viewers and editors of splats.
    points: the scene's surface as coloured points, of any run.
    masks: of phrases, as PNGs of photos, and coco.json with every hit.
    relevancy: of phrases in photos, raw and refined, as .npy and .png.
    object: what the phrases mean alone, as Gaussians (points, if the run has none).
    hide: the scene without what the phrases mean.
    json: answers to phrases as `query --json` prints them.
    html: a page with the scene and the answers, one file that a browser opens from the disk, without a network."""

    out: Path
    """The file to write.
    masks and relevancy make a folder; object makes one with a file for each phrase, unless this ends in .ply."""

    phrase: Texts = ()
    """What to look for, each phrase in quotes. Nothing is written of phrases that are not there; html says that they
    are not, and takes the names of the things of a run with masks, 16 at most, if none are given.
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

    gaussians: OptionalInt = None
    """For html: so many Gaussians, or points of the surface of a run that has none. 200000, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Export; returns what `--json` prints."""
        self._check()
        session = self.opened()
        if self.format in ("splat", "points"):
            return self._scene(session, console)
        if self.format == "html":
            return self._page(session, console)
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
        if self.gaussians is not None and self.format != "html":
            raise UsageError(f"--gaussians belongs to --format html: leave it out for {self.format}")
        if self.gaussians is not None and not 1 <= self.gaussians <= _MOST_GAUSSIANS:
            raise UsageError(f"--gaussians must be 1 to {_MOST_GAUSSIANS}, got {self.gaussians}")
        if not of_scene and self.format != "html" and not any(self.phrase):
            raise UsageError(f"--format {self.format} needs a phrase: add --phrase 'wooden spoon'")
        if any(self.views) and self.format not in _OF_PICTURES:
            raise UsageError(f"--views belongs to --format masks or relevancy: leave it out for {self.format}")
        if self.format in _OF_PICTURES or (self.format == "object" and self.out.suffix != ".ply"):
            if self.out.exists() and not self.out.is_dir():
                raise DataError("is a file: give a folder to write to", self.out)
        elif self.out.is_dir():
            name = _FILE_NAMES.get(self.format, "scene.ply")
            raise DataError(f"is a folder: give the file to write, such as {name}", self.out)

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

    def _page(self, session: "Session", console: Console) -> dict[str, Any]:
        from langfield.cli.answer_warnings import said_warnings
        from langfield.cli.files import make_folder
        from langfield.export.page.write import default_phrases, write_page

        phrases = list(dict.fromkeys(flat(self.phrase)))
        if not phrases:
            phrases = default_phrases(session, console.progress)
            console.say(f"phrases: {', '.join(phrases)}" if phrases else "no phrases: the page shows the scene only")
        make_folder(self.out.parent)
        page = write_page(
            session,
            self.out,
            phrases,
            name=self.path.resolve().name,
            negatives=flat(self.negative) or None,
            min_presence=0.5 if self.min_presence is None else self.min_presence,
            most_elements=_GAUSSIANS if self.gaussians is None else self.gaussians,
            progress=console.progress,
        )
        warnings = said_warnings(session, console)
        for answer in page.answers:
            if not answer.present:
                console.say(f"not there: {answer.phrase} (presence {answer.presence:.2f})")
        if page.degree < page.run_degree:
            console.say(
                f"colours have spherical harmonics up to degree {page.degree} of {page.run_degree}: all would make the "
                "file too large"
            )
        of_all = "" if page.count == page.total else f" of {page.total:,}"
        console.say(f"{self.out}: {page.count:,} {page.kind}{of_all}, {page.size / 1e6:.1f} MB")
        return {
            "format": "html",
            "files": [str(self.out)],
            "count": page.count,
            "bytes": page.size,
            "phrases": phrases,
            "absent": [answer.phrase for answer in page.answers if not answer.present],
        } | ({"warnings": warnings} if warnings else {})
