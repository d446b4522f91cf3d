"""What one browser shows of a run: brought up to date with the page's state, step by step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import viser
from jaxtyping import Float64

from langfield.core.interruption import NotNeeded, stop_if_not_needed, unless
from langfield.query.answers import Answer
from langfield.query.frames import encode_jpeg
from langfield.viewer import element_colours
from langfield.viewer.frames import FramePlan, FrameTask
from langfield.viewer.page_pictures import PagePictures
from langfield.viewer.run_scene import RunScene
from langfield.viewer.scene_nodes import SceneNodes
from langfield.viewer.state import ViewerState

_DECODING_SECONDS = 0.06  # until a browser shows a picture that was sent


class Drawing:
    """Elements, boxes, cameras of photos, and the server's pictures in one browser. For one thread.

    Args:
        client: the browser.
        scene: the run.
        pictures: of the server, for this browser.
        plan: when they are due.
        photo_clicked: is told the name of a photo whose camera is clicked.
    """

    def __init__(
        self,
        client: viser.ClientHandle,
        scene: RunScene,
        pictures: PagePictures,
        plan: FramePlan,
        photo_clicked: Callable[[str], None],
    ) -> None:
        self._client = client
        self._scene = scene
        self._pictures = pictures
        self._plan = plan
        self._photo_clicked = photo_clicked
        self._nodes = SceneNodes(client, scene.page_from_world)
        self._elements_show: tuple[ViewerState, int | None] | None = None
        self._boxes_show: tuple[Answer, ...] = ()
        self._photos = False
        self._nodes.draw_picture(scene.first_jpeg)
        self._has_sharpest = False  # whether no sharper picture follows the last one
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
        divided = self._pictures.is_divided(state, self._plan.camera)
        return self._scene.elements is not None and state.layer != "Depth" and not divided

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
        shows = replace(state, keyframes=(), photos=False, boxes=True, sharpen=True, beside="", divider=0.5), group
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
        browser_draws = self._browser_draws(state)
        task = self._plan.next(browser_draws=browser_draws, flying=flying)
        if task is None:
            return
        kept = self._pictures.with_moved_line(state, group, task.camera)
        if kept is not None and self._has_sharpest:
            last = replace(task, last=True)
            self._plan.drawn(last, 0, 0)
            self._send(last, encode_jpeg(kept, last.quality), browser_draws=False)
            return
        started = time.perf_counter()
        try:
            with unless(lambda: (browser_draws or not task.first) and not self._plan.is_current(task)):
                stop_if_not_needed()
                picture = self._pictures.draw(state, group, task.camera, task.longest_px)
                jpeg = encode_jpeg(picture, task.quality)  # which waits for what a GPU still draws
        except NotNeeded:
            return  # the camera has moved on: a picture of where it was would only hold up the next one
        except BaseException:
            self._plan.gave_up(task)  # it would fail again at once; what went wrong is told
            raise
        pixels = task.longest_px**2 * min(picture.shape[:2]) // max(picture.shape[:2])
        self._plan.drawn(task, pixels, time.perf_counter() - started)
        self._has_sharpest = task.last
        self._send(task, jpeg, browser_draws=browser_draws)

    def _send(self, task: FrameTask, jpeg: bytes, *, browser_draws: bool) -> None:
        if browser_draws and not self._plan.is_current(task):
            return  # the browser shows where its camera is; this is where it was
        self._nodes.draw_picture(jpeg)
        if not self._covered and self._scene.elements is not None:
            time.sleep(_DECODING_SECONDS)
            self._nodes.show_elements(False)
        self._covered = True
