"""`langfield segment`: the thing at a place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from langfield.cli.console import Console
from langfield.cli.options import OptionalFloat, OptionalPath, RunOptions, flat
from langfield.core.errors import UsageError

if TYPE_CHECKING:
    from langfield.query.objects import GroupShape
    from langfield.query.session import Session

Places = tyro.conf.UseAppendAction[
    Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(metavar="X,Y,Z…", help_behavior_hint="")]
]
Pixels = tyro.conf.UseAppendAction[
    Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(metavar="X,Y…", help_behavior_hint="")]
]


@dataclass(frozen=True, kw_only=True)
class SegmentCommand(RunOptions):
    """Say what is at a place: position, box, and what it is made of. For runs that were trained with --masks."""

    at: Places = ()
    """A place on the thing, in the units of the poses: --at 0.1,0.2,0.05. Takes all words up to the next option or --,
    and may be given again."""

    view: Annotated[str | None, tyro.conf.arg(metavar="PHOTO", help_behavior_hint="")] = None
    """The photo that --pixel and --not-pixel are in, by name."""

    pixel: Pixels = ()
    """A pixel of the photo that shows the thing, from the left and from the top. Takes all words up to the next option
    or --, and may be given again."""

    not_at: Places = ()
    """A place that is not of the thing. Takes all words up to the next option or --, and may be given again."""

    not_pixel: Pixels = ()
    """A pixel of the photo that shows something else. Takes all words up to the next option or --, and may be given
    again."""

    scale: OptionalFloat = None
    """How long it is about to be, in the units of the poses: smaller for a part, larger for what it belongs to.
    The thing, if not given."""

    out: OptionalPath = None
    """Also write a PLY of it and its masks in the photos that show it best here."""

    def run(self, console: Console) -> dict[str, Any]:
        """Segment; returns what `--json` prints."""
        if not self.at and not self.pixel:
            raise UsageError("give a place: --at X,Y,Z, or --view PHOTO --pixel X,Y")
        if (self.pixel or self.not_pixel) and self.view is None:
            raise UsageError("--pixel needs the photo that it is in: --view PHOTO")
        session = self.opened()
        from langfield.cli.view_selection import view_label

        inside, outside = (
            self._places(session, flat(places), flat(pixels))
            for places, pixels in ((self.at, self.pixel), (self.not_at, self.not_pixel))
        )
        found = session.segment(inside, scale_world=self.scale, not_at_world=outside)
        if found is None:
            besides = " and not the others" if len(outside) else ""
            console.say(f"nothing there: no group holds these places{besides}")
            return {"group": None, "position": None, "box": None, "obb": None, "scale": None, "elements": 0}
        size = " x ".join(f"{side:.3g}" for side in found.upright_box.size)
        position = ", ".join(f"{value:.4g}" for value in found.position)
        row = str(found.group), position, size, f"{found.elements:,}", view_label(session, found.views)
        console.table(("group", "position", "box size", "elements", "best photo"), [row])
        result = found.to_json()
        if self.out is not None:
            result["files"] = self._write(session, found)
            console.say(f"{len(result['files'])} files in {self.out}")
        return result

    def _places(
        self, session: "Session", places: tuple[str, ...], pixels: tuple[str, ...]
    ) -> "np.ndarray[Any, np.dtype[np.float64]]":
        from langfield.cli.view_selection import chosen_views

        points = [_numbers(text, 3) for text in places]
        for text in pixels:
            x, y = _numbers(text, 2)
            point = session.point_at(chosen_views(session, (self.view or "",))[0].camera, (x, y))
            if point is None:
                raise UsageError(f"pixel {text} of {self.view} shows nothing of the scene: choose another one")
            points.append(point.tolist())
        return np.array(points, dtype=np.float64).reshape(-1, 3)

    def _write(self, session: "Session", found: "GroupShape") -> list[str]:
        from langfield.cli.files import make_folder
        from langfield.cli.group_files import write_group, write_group_masks

        assert self.out is not None
        make_folder(self.out)
        views = [view for view in session.views if view.name in found.views]
        files = [write_group(session, found.group, self.out / f"group-{found.group:03d}.ply")]
        return [str(file) for file in [*files, *write_group_masks(session, found.group, views, self.out)]]


def _numbers(text: str, count: int) -> list[float]:
    """So many finite numbers, separated by commas. UsageError for anything else."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise UsageError(f"{text!r} is no place: {count} numbers with commas between are needed, such as 0.1,0.2,0.05")
    return values
