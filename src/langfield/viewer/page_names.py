"""One browser's names under the mouse: given when its camera rests, taken back when it moves."""

from collections.abc import Sequence

from langfield.query.objects import SceneObject
from langfield.viewer.frames import FramePlan
from langfield.viewer.hover_names import NO_NAMES, SIDE_PX, names_in_view
from langfield.viewer.page_camera import PageCamera
from langfield.viewer.panel import Panel
from langfield.viewer.run_scene import RunScene

_REST_SECONDS = 0.6  # of the camera, before names are looked up: pictures of other browsers come first


class PageNames:
    """For one thread.

    Args:
        scene: the run.
        panel: that gives the names to the page.
        plan: of the server's pictures, which knows where the camera is.
    """

    def __init__(self, scene: RunScene, panel: Panel, plan: FramePlan) -> None:
        self._scene, self._panel, self._plan = scene, panel, plan
        self._named: PageCamera | None = None  # the camera whose names the page has

    def update(self, things: Sequence[SceneObject] | None, *, busy: bool) -> None:
        """Give or take back the names. Args: things: of the scene, if they are known. busy: whether pictures are due,
        which come first."""
        camera = self._plan.camera
        if camera is self._named or not things:
            return
        if self._named is not None:
            self._named = None
            self._panel.show_names(NO_NAMES)
        if camera is not None and self._plan.has_rested(_REST_SECONDS) and not busy:
            self._named = camera  # also if it goes wrong: the same would go wrong again
            of_world = camera.camera(self._scene.page_from_world, SIDE_PX)
            self._panel.show_names(names_in_view(self._scene.session, of_world, things).as_html())
