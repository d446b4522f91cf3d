"""`langfield export`: what a run knows, as files for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langfield.cli.console import Console
from langfield.cli.options import OptionalFloat, RunOptions
from langfield.core.errors import DataError, UsageError

ExportFormat = Literal["splat", "points"]


@dataclass(frozen=True, kw_only=True)
class Export(RunOptions):
    """Write a run's Gaussians or its surface as a PLY file, in the frame and units of the photos' poses."""

    format: ExportFormat
    """splat: the Gaussians, for viewers and editors of splats; points: the surface as coloured points, of any run."""

    out: Path
    """The file to write."""

    cube: OptionalFloat = None
    """For points: side of the cubes that keep one point each, in the units of the poses. What a pixel typically
    covers, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Export; returns what `--json` prints."""
        if self.cube is not None and self.format != "points":
            raise UsageError(f"--cube belongs to --format points: leave it out for {self.format}")
        if self.out.is_dir():
            raise DataError("is a folder: give the file to write, such as scene.ply", self.out)
        from langfield import api
        from langfield.cli.files import make_folder
        from langfield.export.ply import write_points_ply, write_splat_ply

        session = api.open_run(self.path, device=self.device, encoder=self.encoder)
        if self.format == "splat":
            splats = session.splats()
            make_folder(self.out.parent)
            count, what = write_splat_ply(self.out, splats), "Gaussians"
        else:
            from langfield.export.points import surface_points

            make_folder(self.out.parent)
            surface = surface_points(session, cube_world=self.cube, progress=console.progress)
            write_points_ply(self.out, surface.xyz, surface.rgb)
            count, what = len(surface.xyz), f"points, one a cube of {surface.cube_world:.3g}"
        console.say(f"{self.out}: {count:,} {what}")
        return {"format": self.format, "files": [str(self.out)], "count": count}
