"""What one browser shows of a run: brought up to date with the page's state, step by step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import viser
from jaxtyping import Float64, UInt8

from langfield.query.answers import Answer
from langfield.viewer import element_colours, look
from langfield.viewer.frames import FramePlan, FrameTask
from langfield.viewer.run_scene import RunScene
from langfield.viewer.scene_nodes import SceneNodes
from langfield.viewer.state import ViewerState

_DECODING_SECONDS = 0.06  # until a browser shows a picture that was sent


class Drawing:
    """Elements, boxes, cameras of photos, and the server's pictures in one browser. For one thread.

    Args:
        client: the browser.
        scene: the run.
        plan: of the server's pictures.
        photo_clicked: is told the name of a photo whose camera is clicked.
    """

    def __init__(
        self, client: viser.ClientHandle, scene: RunScene, plan: FramePlan, photo_clicked: Callable[[str], None]
    ) -> None:
        self._client = client
        self._scene = scene
        self._plan = plan
        self._photo_clicked = photo_clicked
        self._nodes = SceneNodes(client, scene.page_from_world)
        self._elements_show: tuple[ViewerState, int | None] | None = None
        self._boxes_show: tuple[Answer, ...] = ()
        self._photos = False
        self._nodes.draw_picture(scene.first_picture)
        self._covered = True  # whether a picture of the server lies over the elements

    def remove(self) -> None:
        """Take all of it away."""
        self._nodes.remove()

    def draw_distance(self, ends_world: Sequence[Float64[np.ndarray, "3"]], text: str) -> None:
        """A measured line, as `langfield.viewer.scene_nodes.SceneNodes.draw_distance`."""
        self._nodes.draw_distance(ends_world, text)

    def seconds_to_wait(self, state: ViewerState, idle: float) -> float:
        """How long nothing is due, unless something happens. Args: idle: the longest wait."""
        if not self._server_draws(state):
            return idle
        return self._plan.seconds_to_wait(browser_draws=self._browser_draws(state), idle=idle)

    def update(self, state: ViewerState, answers: Sequence[Answer], group: int | None, *, flying: bool = False) -> None:
        """Bring the browser nearer to a state by one step: all but pictures, and one picture if one is due.

        Args:
            answers: to the state's phrases.
            group: that was clicked; None for none.
            flying: whether the server moves the camera now: what is seen follows it, and is not sharp.
        """
        boxes = tuple(answers) if state.boxes else ()
        if boxes != self._boxes_show:
            self._boxes_show = boxes
            self._nodes.draw_hits(boxes)
        if state.photos != self._photos:
            self._photos = state.photos
            photos = [(view.name, view.camera) for view in self._scene.photos] if state.photos else []
            self._nodes.draw_photos(photos, self._photo_clicked)
        steps = [self._draw_elements, self._draw_picture]
        if self._covered and self._plan.resting and not flying:  # what is seen first
            steps.reverse()
        for step in steps:
            step(state, group, flying)

    def _browser_draws(self, state: ViewerState) -> bool:
        """Whether the browser draws the run's elements while its camera moves."""
        return self._scene.elements is not None and state.layer != "Depth"

    def _server_draws(self, state: ViewerState) -> bool:
        """Whether pictures come from the server; what is hidden of elements only the browser leaves out."""
        if not self._browser_draws(state):
            return True
        return state.sharpen and (state.hide == "Nothing" or not state.phrases)

    def _draw_elements(self, state: ViewerState, group: int | None, flying: bool) -> None:
        """The elements in the colours of a state."""
        elements = self._scene.elements
        if elements is None:
            return
        moving = flying or not self._plan.resting
        if not self._server_draws(state) or (self._browser_draws(state) and moving):
            self._uncover()
        shows = replace(state, keyframes=(), photos=False, boxes=True, sharpen=True), group
        if shows == self._elements_show:
            return
        self._elements_show = shows
        answers = self._scene.element_answers(state, group)
        things = len(self._scene.things) if state.layer == "Objects" else 0
        colours = element_colours.colours(elements.rgb, state, answers, things)
        self._nodes.draw_elements(elements, colours, element_colours.visible(state, answers))
        if self._covered:
            self._nodes.show_elements(False)

    def _uncover(self) -> None:
        """Take the server's picture away, so that the browser's elements are seen."""
        if self._covered:
            with self._client.atomic():
                self._nodes.show_elements(True)
                self._nodes.draw_picture(None)
            self._covered = False

    def _draw_picture(self, state: ViewerState, group: int | None, flying: bool) -> None:
        """One picture of the server's, if one is due."""
        if not self._server_draws(state):
            return
        task = self._plan.next(browser_draws=self._browser_draws(state), flying=flying)
        if task is None:
            return
        things = self._scene.things if state.layer == "Objects" else ()
        camera = task.camera.camera(self._scene.page_from_world, task.longest_px)
        started = time.perf_counter()
        try:
            picture = look.picture(self._scene.session, camera, look.Look(state, group, things))
        except BaseException:
            self._plan.gave_up(task)  # it would fail again at once; what went wrong is told
            raise
        self._plan.drawn(task, camera.width_px * camera.height_px, time.perf_counter() - started)
        self._send(task, picture, browser_draws=self._browser_draws(state))

    def _send(self, task: FrameTask, picture: UInt8[np.ndarray, "h w 3"], *, browser_draws: bool) -> None:
        if browser_draws and not self._plan.is_current(task):
            return  # the browser shows where its camera is; this is where it was
        self._nodes.draw_picture(picture, task.quality)
        if browser_draws and not self._covered:
            time.sleep(_DECODING_SECONDS)
            self._nodes.show_elements(False)
        self._covered = True
