"""The page of one browser: its state, its controls, its scene, and a thread that keeps them together.

viser calls back from many threads. Here every call becomes an event of one queue, and one thread takes them in order
and draws between them, so that nothing needs a lock and a browser that moves on is not answered about where it was.
"""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import viser

from langfield.core.devices import to_host
from langfield.core.errors import LangfieldError, UsageError
from langfield.viewer import look, saving, state
from langfield.viewer.drawing import Drawing
from langfield.viewer.frames import FramePlan
from langfield.viewer.navigator import Navigator, path_stands
from langfield.viewer.page_answers import PageAnswers
from langfield.viewer.page_camera import FrameSizes, page_camera, same_view
from langfield.viewer.page_clicks import Clicks
from langfield.viewer.page_commands import add_commands
from langfield.viewer.page_events import PageEvents
from langfield.viewer.page_names import PageNames
from langfield.viewer.page_pictures import PagePictures
from langfield.viewer.page_video import PageVideo, VideoNews
from langfield.viewer.panel import Panel
from langfield.viewer.panel_actions import Actions, PanelFacts, besides_of_run, facts_of_run
from langfield.viewer.run_scene import RunScene
from langfield.viewer.runs import Runs
from langfield.viewer.state import ViewerState

STORED = "langfield"  # the name under which a browser keeps its state
_IDLE_SECONDS = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenRun:
    """A run that a page shows, and the parts of the page that are about it."""

    scene: RunScene
    panel: Panel
    pictures: PagePictures
    drawing: Drawing
    answers: PageAnswers
    clicks: Clicks
    names: PageNames


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
        self._open_run: OpenRun | None = None
        self._plan = FramePlan(FrameSizes())
        self._navigator = Navigator(client, lambda: self._plan.camera, self._closed)
        self._video = PageVideo(runs.video_turn, self._send, lambda said: self._events.post(self._say, said))
        self._video_shown = VideoNews()
        self._said = ""
        self._commands: list[viser.CommandHandle] = []
        self._thread = threading.Thread(target=self._run, name=f"page {client.client_id}", daemon=True)

    def start(self) -> None:
        """Build the page, and keep it up to date until `close`."""
        self._client.camera.on_update(lambda camera: self._camera_moved(camera))
        self._client.scene.on_click()(lambda event: self._events.post(self._click, event.screen_pos))
        self._thread.start()

    def close(self) -> None:
        """The browser has left."""
        self._closed.set()
        self._video.close()
        self._events.wake()

    def join(self, timeout: float) -> None:
        """Wait until nothing more is drawn."""
        self._thread.join(timeout)
        self._video.join(timeout)

    def is_alive(self) -> bool:
        """Whether something is still drawn."""
        return self._thread.is_alive() or self._video.is_alive()

    # -- events --------------------------------------------------------------------------------------------------

    def _camera_moved(self, handle: viser.CameraHandle) -> None:
        camera = page_camera(handle.wxyz, handle.position, handle.fov, handle.image_width, handle.image_height)
        before = self._plan.camera
        if camera is None or (before is not None and same_view(camera, before)):
            return
        self._navigator.told(camera)
        self._plan.moved(camera)
        self._events.wake()

    def _run(self) -> None:
        if not self._guarded(self._begin):
            return
        while not self._closed.is_set():
            for event in self._events.take(self._seconds_to_wait()):
                if self._closed.is_set():  # what still waits is for nobody
                    return
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
        before = self._open_run
        if before is None:
            waiting = self._client.gui.add_markdown(f"**Opening {name}…**")
            try:
                scene = self._runs.scene(name)
            finally:
                waiting.remove()
        else:
            scene = self._runs.scene(name)
            before.panel.remove()
            before.drawing.remove()
        self._state, self._said, self._video_shown = self._state_in(scene), "", VideoNews()
        self._client.local_storage.set_item(STORED, state.to_text(self._state))
        pictures = PagePictures(scene, self._runs)
        drawing = Drawing(
            self._client, scene, pictures, self._plan, lambda name: self._events.post(self._go_to_photo, name)
        )
        facts, actions = self._facts(scene), self._actions()
        panel = Panel(self._client, self._state, facts, actions)
        for command in self._commands:
            command.remove()
        self._commands = add_commands(self._client.gui, actions, tuple(facts.layers), lambda: self._state)
        answers = PageAnswers(scene, self._runs, panel, self._say)
        clicks = Clicks(scene, panel, drawing, self._plan)
        names = PageNames(scene, panel, self._plan)
        self._open_run = OpenRun(scene, panel, pictures, drawing, answers, clicks, names)
        if not self._keep_camera:
            self._navigator.arrive(scene.stand_at(scene.first_view), scene.first_fov_rad)
        self._keep_camera = False
        self._plan.changed()
        if not self._runs.is_ready(name):
            self._runs.prepare_in_background(name, lambda said: self._events.post(self._say, said))

    def _state_in(self, scene: RunScene) -> ViewerState:
        """What of the state a run can show."""
        kept = state.with_run(self._state, scene.name)
        kept = state.without_beside(kept, [value for value, _ in besides_of_run(scene, self._runs)])
        return state.for_run(kept, scene.session.has_language, scene.session.has_groups)

    def _facts(self, scene: RunScene) -> PanelFacts:
        saves = [*((save.label, save.hint) for save in self._all_saves(scene)), _PICTURE, _PATH]
        return facts_of_run(scene, self._runs, saves)

    def _all_saves(self, scene: RunScene) -> Sequence[saving.Save]:
        return self._saves if scene.session.has_language else ()

    @property
    def _run_shown(self) -> OpenRun:
        assert self._open_run is not None, "events come only from a page that shows a run"
        return self._open_run

    def _actions(self) -> Actions:
        post = self._events.post

        def change(function: Callable[..., ViewerState]) -> Callable[..., None]:
            return lambda *values: post(lambda: self._set(function(self._state, *values)))

        def ask(function: Callable[[ViewerState, str], ViewerState]) -> Callable[[str], None]:
            return lambda text: post(lambda: self._ask_for(function(self._state, text)))

        return Actions(
            prompt=ask(state.with_prompt),
            negatives=ask(state.with_negatives),
            choose=lambda name, value: post(self._choose, name, value),
            show_phrase=change(state.with_shown),
            run=lambda name: post(lambda: self._open(self._runs.checked_name(name))),
            hit=lambda phrase, rank: post(self._go_to_hit, phrase, rank),
            photo=lambda name: post(self._go_to_photo, name),
            thing=lambda group: post(self._go_to_thing, group),
            scale=lambda length: post(lambda: self._run_shown.clicks.select(length)),
            clear_selection=lambda: post(lambda: self._run_shown.clicks.unselect()),
            measure=lambda: post(lambda: self._run_shown.clicks.measure()),
            clear_measure=lambda: post(lambda: self._run_shown.clicks.clear_measure()),
            field_of_view=lambda degrees: post(self._set_fov, degrees),
            keyframe=lambda: post(self._add_keyframe),
            clear_keyframes=lambda: post(lambda: self._set(replace(self._state, keyframes=()))),
            play=lambda: post(self._play),
            video=lambda: post(self._make_video),
            cancel_video=self._video.cancel,
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
        self._run_shown.panel.show(new)
        self._client.local_storage.set_item(STORED, state.to_text(new))
        self._plan.changed()

    def _choose(self, name: str, value: object) -> None:
        """Another value of one of the inputs. Whoever wants to see a photo beside the picture is taken to the next."""
        self._set(state.with_choice(self._state, name, value))
        scene, camera = self._run_shown.scene, self._plan.camera
        if (name, value) == ("beside", state.BESIDE_PHOTO) and camera is not None and not scene.photo_here(camera):
            self._go_to_photo(scene.nearest_photo(camera).name)

    def _ask_for(self, new: ViewerState) -> None:
        """Other phrases, or the same: those that could not be answered are asked again."""
        self._run_shown.answers.ask_again()
        self._set(new)

    def _say(self, text: str, *, problem: bool = False) -> None:
        self._said = text
        if self._open_run is not None:
            self._open_run.panel.say(text, problem=problem)
        elif problem:
            self._client.gui.add_markdown(f"**{text}**")

    # -- drawing -------------------------------------------------------------------------------------------------

    def _seconds_to_wait(self) -> float:
        shown = self._open_run
        return _IDLE_SECONDS if shown is None else shown.drawing.seconds_to_wait(self._state, _IDLE_SECONDS)

    def _update(self) -> None:
        """Bring what the browser shows nearer to its state by one step."""
        shown = self._run_shown
        self._tell_progress(shown)
        shown.answers.ask(self._state)
        if shown.pictures.get_other_run_ready(self._state, lambda said: self._events.post(self._say, said)):
            self._plan.changed()
        if self._state.hide == "What was found" and self._state.phrases and shown.scene.elements is None:
            self._collect_surface(shown.scene)
        if self._video.news != self._video_shown:
            self._video_shown = self._video.news
            shown.panel.show_video(self._video_shown)
        self._guarded(shown.answers.offer_things)
        self._draw()
        self._guarded(lambda: shown.names.update(shown.answers.things, busy=not self._seconds_to_wait()))

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
        shown = self._run_shown
        shown.drawing.update(self._state, shown.answers.answers, shown.clicks.group, flying=flying)

    def _tell_progress(self, shown: OpenRun) -> None:
        doing = self._runs.doing
        waits = not self._runs.is_ready(shown.scene.name) or shown.pictures.waits_for_other_run(self._state)
        if doing and waits:
            if doing != self._said:
                self._say(doing)
        elif self._said.startswith("Getting ready"):
            self._say("")

    # -- clicks and the camera -----------------------------------------------------------------------------------

    def _click(self, screen_xy: Sequence[float]) -> None:
        if self._open_run is not None:
            self._open_run.clicks.click(screen_xy, self._state.hide)

    def _go_to_hit(self, phrase: int, rank: int) -> None:
        """Before a hit, on the way from the photo that shows it best."""
        scene, answers = self._run_shown.scene, self._run_shown.answers.answers
        if phrase >= len(answers) or rank >= len(answers[phrase].hits):
            return
        hit = answers[phrase].hits[rank]
        self._navigator.go_before(scene, hit.position, max(hit.upright_box.size), hit.views, self._show_flight)
        self._run_shown.panel.show_photos(scene.run_photos.thumbnails(hit.views))

    def _go_to_thing(self, group: int) -> None:
        shown = self._run_shown
        for shape in (found.shape for found in shown.scene.objects()):
            if shape.group == group:
                shown.clicks.select_thing(shape)
                self._navigator.go_before(shown.scene, shape.position, shape.extent, shape.views, self._show_flight)

    def _show_flight(self) -> bool:
        """Draw a place of a flight. Returns whether that went well."""
        return self._guarded(lambda: self._draw(flying=True))

    def _go_to_photo(self, name: str) -> None:
        self._navigator.go_to_photo(self._run_shown.scene, name, self._show_flight)

    def _go_home(self) -> None:
        self._go_to_photo(self._run_shown.scene.first_view.name)

    def _set_fov(self, degrees: float) -> None:
        self._navigator.zoom(math.radians(min(170.0, max(1.0, degrees))))

    def _add_keyframe(self) -> None:
        if self._plan.camera is not None:
            self._set(state.with_keyframe(self._state, self._plan.camera.keyframe()))

    def _play(self) -> None:
        """Fly along the keyframes as the path does that is saved, until the person does something else."""
        scene, where = self._run_shown.scene, self._plan.camera
        if where is None or not self._state.keyframes:
            raise UsageError("No keyframes yet: add some first")
        way = path_stands(scene, self._state, (where.width_px, where.height_px))
        self._navigator.follow(way, saving.PATH_FPS, self._show_flight, stopped=lambda: self._events.person_waits)

    # -- saving --------------------------------------------------------------------------------------------------

    def _save(self, number: int) -> None:
        shown, where = self._run_shown, self._plan.camera
        scene, saves = shown.scene, self._all_saves(shown.scene)
        if where is None:
            return
        if number < len(saves):
            if not self._state.phrases:
                raise UsageError("Nothing to save yet: find something first")
            saved = saves[number].make(scene.session, self._state.phrases, self._state.asked_negatives)
        elif number == len(saves):
            things = scene.things if self._state.layer == "Objects" else ()
            camera = saving.picture_camera(where, scene)
            picture = look.picture(scene.session, camera, look.Look(self._state, shown.clicks.group, things))
            saved = saving.picture_png(to_host(picture)[0])
        else:
            saved = saving.camera_path(scene, self._state, (where.width_px, where.height_px))
        self._send(saved)

    def _send(self, saved: saving.Saved) -> None:
        """Let the browser download something. For any thread."""
        self._client.send_file_download(saved.name, saved.content, save_immediately=True)

    def _make_video(self) -> None:
        shown, where = self._run_shown, self._plan.camera
        if where is not None:
            self._video.start(shown.scene, self._state, shown.clicks.group, (where.width_px, where.height_px))


_PICTURE = ("This picture (PNG)", "As the server draws it, up to 1920 pixels")
_PATH = ("Camera path (JSON)", "Of the keyframes, for langfield render --camera-path")
