"""The controls of the camera: places to stand at, the lens, and the path along keyframes."""

from typing import Any

from langfield.viewer.page_video import VideoNews
from langfield.viewer.panel_actions import Actions, PanelFacts
from langfield.viewer.panel_parts import NO_NAME, on_change, small
from langfield.viewer.state import ViewerState


class CameraControls:
    """Photos, field of view, keyframes. Args: as of `langfield.viewer.panel_find.FindControls`."""

    def __init__(self, gui: Any, state: ViewerState, facts: PanelFacts, actions: Actions) -> None:
        gui.add_button("Back to the start", icon="home", color="gray").on_click(lambda _: actions.home())
        photo = gui.add_dropdown("Stand at photo", (NO_NAME, *facts.photos))
        on_change(photo, lambda name: name != NO_NAME and actions.photo(name))
        photos = gui.add_checkbox("Show photos", state.photos, hint="Where they were taken; click one to stand there")
        on_change(photos, lambda value: actions.choose("photos", bool(value)))
        fov = gui.add_slider("Field of view", 15.0, 110.0, 1.0, min(110.0, max(15.0, round(facts.fov_deg))))
        on_change(fov, lambda value: actions.field_of_view(float(value)))
        with gui.add_folder("Path"):
            self._keyframes = gui.add_html("")
            gui.add_button("Add keyframe", icon="plus").on_click(lambda _: actions.keyframe())
            gui.add_button("Play", icon="player-play", color="gray").on_click(lambda _: actions.play())
            self._make = gui.add_button("Make video", icon="movie", color="gray", hint="As an animated picture (WebP)")
            self._make.on_click(lambda _: actions.video())
            self._progress = gui.add_progress_bar(0, visible=False)
            self._progress_text = gui.add_html("")
            self._cancel = gui.add_button("Cancel the video", icon="x", color="gray", visible=False)
            self._cancel.on_click(lambda _: actions.cancel_video())
            gui.add_button("Clear", icon="trash", color="gray").on_click(lambda _: actions.clear_keyframes())

    def show(self, state: ViewerState) -> None:
        """Set what depends on the state."""
        self._keyframes.content = small(_keyframes_text(len(state.keyframes)))

    def show_video(self, news: VideoNews) -> None:
        """Show how far the video is."""
        busy = news.total > 0
        self._make.visible = not busy
        self._progress.visible = self._cancel.visible = busy
        self._progress.value = 100 * news.done / max(news.total, 1)
        self._progress_text.content = small(f"Picture {news.done} of {news.total}") if busy else ""


def _keyframes_text(count: int) -> str:
    return "No keyframes yet" if not count else "1 keyframe" if count == 1 else f"{count} keyframes"
