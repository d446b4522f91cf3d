"""What a person clicks in a run's scene: a thing is selected, or a distance is measured."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from langfield.core.errors import UsageError
from langfield.query.objects import GroupShape
from langfield.viewer.drawing import Drawing
from langfield.viewer.frames import FramePlan
from langfield.viewer.panel import Panel
from langfield.viewer.panel_parts import length_text
from langfield.viewer.run_scene import RunScene, inner_point
from langfield.viewer.state import Hide

Point = Float64[np.ndarray, "3"]
_CLICKED_PX = 640  # the longest side of the picture in which a click is looked up


class Clicks:
    """One browser's, in one run. For one thread.

    Args:
        scene: the run.
        panel: that says what was clicked.
        drawing: that shows it.
        plan: of the server's pictures.
    """

    def __init__(self, scene: RunScene, panel: Panel, drawing: Drawing, plan: FramePlan) -> None:
        self._scene, self._panel, self._drawing, self._plan = scene, panel, drawing, plan
        self._selected: GroupShape | None = None
        self._clicked: Point | None = None  # world frame
        self._ends: list[Point] | None = None  # of the distance, world frame; None: no distance is measured

    @property
    def group(self) -> int | None:
        """The number of the selected group; None for none."""
        return None if self._selected is None else self._selected.group

    def click(self, screen_xy: Sequence[float], hide: Hide) -> None:
        """Take what is at a place of the page. Args: screen_xy: in [0, 1], from the left and from the top."""
        if hide == "What was found":
            raise UsageError("Clicks need all of the scene: hide Nothing first")
        where = self._plan.camera
        if where is None:
            return
        camera = where.camera(self._scene.page_from_world, min(_CLICKED_PX, max(where.width_px, where.height_px)))
        x, y = (min(max(float(value), 0.0), 1 - 1e-6) for value in screen_xy)
        point = self._scene.session.point_at(camera, (x * camera.width_px, y * camera.height_px))
        if self._ends is not None and len(self._ends) < 2:
            self._measured(point)
            return
        self._clicked = point
        if point is None:
            self._selected = None
            self._panel.show_selection(None, "Nothing is there.")
        else:
            self.select(None)
        self._plan.changed()

    # -- things --------------------------------------------------------------------------------------------------

    def select(self, length: float | None) -> None:
        """The thing that was clicked, or what is about so long there (world units)."""
        if self._clicked is None:
            return
        place = "Here: " + ", ".join(f"{value:.4g}" for value in self._clicked)
        self._selected = None
        if self._scene.session.has_groups:
            self._selected = self._scene.session.segment(self._clicked, scale_world=length)
            if self._selected is None:
                place = f"{place} (no thing is known there)"
        self._panel.show_selection(self._selected, place, by_scale=length is not None)
        self._plan.changed()

    def select_thing(self, shape: GroupShape) -> None:
        """A thing of the list, as if it were clicked well inside."""
        self._selected, self._clicked = shape, inner_point(shape.points_world)
        self._panel.show_selection(shape, "")
        self._plan.changed()

    def unselect(self) -> None:
        """Nothing is selected any more."""
        self._selected = self._clicked = None
        self._panel.show_selection(None, "")
        self._plan.changed()

    # -- a distance ----------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """The next two clicks are the ends of a distance."""
        self._show_ends([])
        self._panel.show_distance("Click where it begins.", clearable=True)

    def clear_measure(self) -> None:
        """Measure nothing, and forget what was measured."""
        self._show_ends([])
        self._ends = None
        self._panel.show_distance("", clearable=False)

    def _measured(self, point: Point | None) -> None:
        ends = self._ends
        assert ends is not None
        if point is None:
            self._panel.show_distance("Nothing is there: click on something.", clearable=True)
            return
        self._show_ends([*ends, point])
        if not ends:
            self._panel.show_distance("Click where it ends.", clearable=True)
        else:
            length = length_text(float(np.linalg.norm(point - ends[0])))
            self._panel.show_distance(f"{length} in the units of the input files", clearable=True)

    def _show_ends(self, ends: list[Point]) -> None:
        self._ends = ends
        text = length_text(float(np.linalg.norm(ends[1] - ends[0]))) if len(ends) == 2 else ""
        self._drawing.draw_distance(ends, text)
