"""The page of one browser: its state, its controls, its scene, and a thread that keeps them together.

viser calls back from many threads. Here every call becomes an event of one queue, and one thread takes them in order
and draws between them, so that nothing needs a lock and a browser that moves on is not answered about where it was.
"""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import viser

from langfield.core.errors import LangfieldError, UsageError
from langfield.query.answers import Answer
from langfield.query.objects import GroupShape
from langfield.viewer import look, saving, state
from langfield.viewer.drawing import Drawing
from langfield.viewer.frames import FramePlan
from langfield.viewer.navigator import Navigator, path_stands
from langfield.viewer.page_camera import FrameSizes, page_camera, same_view
from langfield.viewer.page_events import PageEvents
from langfield.viewer.panel import Actions, Panel, PanelFacts, facts_of_run
from langfield.viewer.run_scene import RunScene, inner_point
from langfield.viewer.runs import Runs
from langfield.viewer.state import ViewerState

STORED = "langfield"  # the name under which a browser keeps its state
_IDLE_SECONDS = 0.25
_log = logging.getLogger(__name__)


class ClientPage:
    """One browser's page.

    Args:
        client: the browser.
        runs: that it may look at.
        saves: what it may save of phrases.
        keep_camera: whether the browser's camera is to stay where it is when the first run is opened.
    """

    def __init__(
        self, client: viser.ClientHandle, runs: Runs, saves: Sequence[saving.Save], *, keep_camera: bool = False
    ) -> None:
        self._client = client
        self._runs = runs
        self._saves = saves
        self._keep_camera = keep_camera
        self._state = ViewerState()
        self._events = PageEvents()
        self._closed = threading.Event()
        self._scene: RunScene | None = None
        self._panel: Panel | None = None
        self._drawing: Drawing | None = None
        self._plan = FramePlan(FrameSizes())
        self._navigator = Navigator(client, lambda: self._plan.camera, self._closed)
        self._answers: list[Answer] = []
        self._selected: GroupShape | None = None
        self._clicked: Any = None  # the place, world frame
        self._asked: Any = None  # what `_answers` answers
        self._ask_failed = False
        self._objects_shown = False
        self._said = ""
        self._thread = threading.Thread(target=self._run, name=f"page {client.client_id}", daemon=True)

    def start(self) -> None:
        """Build the page, and keep it up to date until `close`."""
        self._client.camera.on_update(lambda camera: self._camera_moved(camera))
        self._client.scene.on_click()(lambda event: self._events.post(self._click, event.screen_pos))
        self._thread.start()

    def close(self) -> None:
        """The browser has left."""
        self._closed.set()
        self._events.wake()

    def join(self, timeout: float) -> None:
        """Wait until nothing more is drawn."""
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether something is still drawn."""
        return self._thread.is_alive()

    # -- events --------------------------------------------------------------------------------------------------

    def _camera_moved(self, handle: viser.CameraHandle) -> None:
        camera = page_camera(handle.wxyz, handle.position, handle.fov, handle.image_width, handle.image_height)
        before = self._plan.camera
        if camera is None or (before is not None and same_view(camera, before)):
            return
        self._plan.moved(camera)
        self._events.wake()

    def _run(self) -> None:
        if not self._guarded(self._begin):
            return
        while not self._closed.is_set():
            for event in self._events.take(self._seconds_to_wait()):
                self._guarded(event)
            if not self._closed.is_set():
                self._guarded(self._update)

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do something; what goes wrong is told in the page. Returns whether it went well."""
        try:
            work()
            return True
        except LangfieldError as error:
            self._say(error.message, problem=True)
        except Exception:
            if not self._closed.is_set():  # else the browser left meanwhile
                _log.exception("the viewer's page of a browser")
                self._say("Something went wrong: see what langfield view printed.", problem=True)
        return False

    # -- building ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Restore what the browser kept, and build the page."""
        handle = self._client.camera
        camera = page_camera(handle.wxyz, handle.position, handle.fov, handle.image_width, handle.image_height)
        if camera is not None:
            self._plan.moved(camera)
        try:
            kept = self._client.local_storage.get_item(STORED, timeout=3)
        except (TimeoutError, RuntimeError):
            kept = None
        self._state = state.from_text(kept)
        self._open(self._runs.checked_name(self._state.run))

    def _open(self, name: str) -> None:
        """Show a run."""
        if self._panel is None:
            waiting = self._client.gui.add_markdown(f"**Opening {name}…**")
            try:
                scene = self._runs.scene(name)
            finally:
                waiting.remove()
        else:
            scene = self._runs.scene(name)
            self._panel.remove()
        if self._drawing is not None:
            self._drawing.remove()
        self._scene, self._state = scene, self._state_in(scene)
        self._client.local_storage.set_item(STORED, state.to_text(self._state))
        self._answers, self._asked, self._said = [], None, ""
        self._selected, self._clicked, self._objects_shown = None, None, False
        self._drawing = Drawing(
            self._client, scene, self._plan, lambda name: self._events.post(self._go_to_photo, name)
        )
        self._panel = Panel(self._client, self._state, self._facts(scene), self._actions())
        if not self._keep_camera:
            self._navigator.arrive(scene.stand_at(scene.first_view), scene.first_fov_rad)
        self._keep_camera = False
        self._plan.changed()
        if not self._runs.is_ready(name):
            self._runs.prepare_in_background(name, lambda said: self._events.post(self._say, said))

    def _state_in(self, scene: RunScene) -> ViewerState:
        """What of the state a run can show."""
        kept = state.with_run(self._state, scene.name)
        return state.for_run(kept, scene.session.has_language, scene.session.has_groups)

    def _facts(self, scene: RunScene) -> PanelFacts:
        saves = [*((save.label, save.hint) for save in self._all_saves()), _PICTURE, _PATH]
        return facts_of_run(scene, self._runs.names, saves)

    def _all_saves(self) -> Sequence[saving.Save]:
        assert self._scene is not None
        return self._saves if self._scene.session.has_language else ()

    def _actions(self) -> Actions:
        post = self._events.post

        def change(function: Callable[..., ViewerState]) -> Callable[..., None]:
            return lambda *values: post(lambda: self._set(function(self._state, *values)))

        def ask(function: Callable[[ViewerState, str], ViewerState]) -> Callable[[str], None]:
            return lambda text: post(lambda: self._ask_for(function(self._state, text)))

        return Actions(
            prompt=ask(state.with_prompt),
            negatives=ask(state.with_negatives),
            choose=change(state.with_choice),
            show_phrase=change(state.with_shown),
            run=lambda name: post(lambda: self._open(self._runs.checked_name(name))),
            hit=lambda phrase, rank: post(self._go_to_hit, phrase, rank),
            photo=lambda name: post(self._go_to_photo, name),
            thing=lambda group: post(self._go_to_thing, group),
            scale=lambda length: post(self._select, length),
            clear_selection=lambda: post(self._unselect),
            field_of_view=lambda degrees: post(self._set_fov, degrees),
            keyframe=lambda: post(self._add_keyframe),
            clear_keyframes=lambda: post(lambda: self._set(replace(self._state, keyframes=()))),
            play=lambda: post(self._play),
            save=lambda number: post(self._save, number),
            home=lambda: post(self._go_home),
        )

    # -- the state -----------------------------------------------------------------------------------------------

    def _set(self, new: ViewerState) -> None:
        """Another state: shown by the controls, and kept by the browser. What it draws follows in `_update`."""
        if self._said:
            self._say("")
        if new == self._state:
            return
        self._state = new
        assert self._panel is not None
        self._panel.show(new)
        self._client.local_storage.set_item(STORED, state.to_text(new))
        self._plan.changed()

    def _ask_for(self, new: ViewerState) -> None:
        """Other phrases, or the same: those that could not be answered are asked again."""
        if self._ask_failed:
            self._asked = None
        self._set(new)

    def _say(self, text: str, *, problem: bool = False) -> None:
        self._said = text
        if self._panel is not None:
            self._panel.say(text, problem=problem)
        elif problem:
            self._client.gui.add_markdown(f"**{text}**")

    # -- drawing -------------------------------------------------------------------------------------------------

    def _seconds_to_wait(self) -> float:
        return _IDLE_SECONDS if self._drawing is None else self._drawing.seconds_to_wait(self._state, _IDLE_SECONDS)

    def _update(self) -> None:
        """Bring what the browser shows nearer to its state by one step."""
        scene, panel = self._scene, self._panel
        assert scene is not None
        assert panel is not None
        self._tell_progress(scene)
        self._ask(scene)
        if self._state.hide == "What was found" and self._state.phrases and scene.elements is None:
            self._collect_surface(scene)
        if not self._objects_shown and self._runs.is_ready(scene.name) and scene.session.has_groups:
            self._objects_shown = True
            panel.show_objects(scene.objects())
        self._draw()

    def _collect_surface(self, scene: RunScene) -> None:
        """Make what the browser draws. Where it cannot be made, nothing is hidden, so that it is not tried for ever."""
        self._say("Collecting the surface: this takes a while once")
        try:
            scene.make_elements()
        except BaseException:
            self._set(replace(self._state, hide="Nothing"))
            raise
        self._say("")

    def _draw(self, *, flying: bool = False) -> None:
        assert self._drawing is not None
        group = None if self._selected is None else self._selected.group
        self._drawing.update(self._state, self._answers, group, flying=flying)

    def _tell_progress(self, scene: RunScene) -> None:
        doing = self._runs.doing
        if doing and not self._runs.is_ready(scene.name):
            if doing != self._said:
                self._say(doing)
        elif self._said.startswith("Getting ready"):
            self._say("")

    def _ask(self, scene: RunScene) -> None:
        """Ask the phrases of the state, if they are not yet answered."""
        question = self._state.phrases, self._state.negatives
        if question == self._asked:
            return
        assert self._panel is not None
        self._asked, self._answers, self._ask_failed = question, [], True
        if self._state.phrases:
            if not self._runs.is_ready(scene.name):
                self._say("Getting ready to answer: this takes a while once")
            try:
                self._answers = scene.session.query(self._state.phrases, negatives=self._state.asked_negatives)
            finally:  # also none, where they cannot be asked
                self._panel.show_answers(self._answers)
        else:
            self._panel.show_answers([])
        self._ask_failed = False

    # -- clicks --------------------------------------------------------------------------------------------------

    def _click(self, screen_xy: Sequence[float]) -> None:
        """Select what is at a place of the page. Args: screen_xy: in [0, 1], from the left and from the top."""
        scene, where = self._scene, self._plan.camera
        if scene is None or where is None or self._panel is None:
            return
        if self._state.hide == "What was found":
            raise UsageError("Clicks need all of the scene: hide Nothing first")
        camera = where.camera(scene.page_from_world, min(640, max(where.width_px, where.height_px)))
        x, y = (min(max(float(value), 0.0), 1 - 1e-6) for value in screen_xy)
        self._clicked = scene.session.point_at(camera, (x * camera.width_px, y * camera.height_px))
        if self._clicked is None:
            self._selected = None
            self._panel.show_selection(None, "Nothing is there.")
        else:
            self._select(None)
        self._plan.changed()

    def _select(self, length: float | None) -> None:
        """The thing that was clicked, or what is about so long there."""
        assert self._scene is not None
        assert self._panel is not None
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

    def _unselect(self) -> None:
        assert self._panel is not None
        self._selected = self._clicked = None
        self._panel.show_selection(None, "")
        self._plan.changed()

    # -- the camera ----------------------------------------------------------------------------------------------

    def _go_to_hit(self, phrase: int, rank: int) -> None:
        """Before a hit, on the way from the photo that shows it best."""
        scene = self._scene
        if scene is None or phrase >= len(self._answers) or rank >= len(self._answers[phrase].hits):
            return
        hit = self._answers[phrase].hits[rank]
        size = max(hit.upright_box.size)
        self._navigator.go_before(scene, hit.position, size, hit.views, self._show_flight)
        if hit.views:
            self._say(f"Seen best in {', '.join(hit.views)}")

    def _go_to_thing(self, group: int) -> None:
        scene = self._scene
        assert scene is not None
        for shape in (found.shape for found in scene.objects()):
            if shape.group == group:
                self._selected, self._clicked = shape, inner_point(shape.points_world)
                assert self._panel is not None
                self._panel.show_selection(shape, "")
                self._plan.changed()
                self._navigator.go_before(scene, shape.position, shape.extent, shape.views, self._show_flight)

    def _show_flight(self) -> bool:
        """Draw a place of a flight. Returns whether that went well."""
        return self._guarded(lambda: self._draw(flying=True))

    def _go_to_photo(self, name: str) -> None:
        assert self._scene is not None
        self._navigator.go_to_photo(self._scene, name, self._show_flight)

    def _go_home(self) -> None:
        assert self._scene is not None
        self._go_to_photo(self._scene.first_view.name)

    def _set_fov(self, degrees: float) -> None:
        self._navigator.zoom(math.radians(min(170.0, max(1.0, degrees))))

    def _add_keyframe(self) -> None:
        if self._plan.camera is not None:
            self._set(state.with_keyframe(self._state, self._plan.camera.keyframe()))

    def _play(self) -> None:
        """Fly along the keyframes as the path does that is saved, until the person does something else."""
        scene, where = self._scene, self._plan.camera
        assert scene is not None
        if where is None or not self._state.keyframes:
            raise UsageError("No keyframes yet: add some first")
        way = path_stands(scene, self._state, (where.width_px, where.height_px))
        self._navigator.follow(way, saving.PATH_FPS, self._show_flight, stopped=lambda: self._events.person_waits)

    # -- saving --------------------------------------------------------------------------------------------------

    def _save(self, number: int) -> None:
        scene, where, saves = self._scene, self._plan.camera, self._all_saves()
        assert scene is not None
        if where is None:
            return
        if number < len(saves):
            if not self._state.phrases:
                raise UsageError("Nothing to save yet: find something first")
            saved = saves[number].make(scene.session, self._state.phrases, self._state.asked_negatives)
        elif number == len(saves):
            group = None if self._selected is None else self._selected.group
            things = scene.things if self._state.layer == "Objects" else ()
            camera = saving.picture_camera(where, scene)
            picture = look.picture(scene.session, camera, look.Look(self._state, group, things))
            saved = saving.picture_png(picture)
        else:
            saved = saving.camera_path(scene, self._state, (where.width_px, where.height_px))
        self._client.send_file_download(saved.name, saved.content, save_immediately=True)


_PICTURE = ("This picture (PNG)", "As the server draws it, up to 1920 pixels")
_PATH = ("Camera path (JSON)", "Of the keyframes, for langfield render --camera-path")
