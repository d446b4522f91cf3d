"""The controls of the camera: places to stand at, the lens, and the path along keyframes."""

from typing import Any

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
            gui.add_button("Clear", icon="trash", color="gray").on_click(lambda _: actions.clear_keyframes())

    def show(self, state: ViewerState) -> None:
        """Set what depends on the state."""
        self._keyframes.content = small(_keyframes_text(len(state.keyframes)))


def _keyframes_text(count: int) -> str:
    return "No keyframes yet" if not count else "1 keyframe" if count == 1 else f"{count} keyframes"
