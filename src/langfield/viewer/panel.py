"""The page's controls: one browser's, made of viser's inputs. They show a state, and say what a person changes."""

from collections.abc import Sequence
from typing import Any

import viser

from langfield.query.answers import Answer
from langfield.query.objects import GroupShape, SceneObject
from langfield.viewer.page_video import VideoNews
from langfield.viewer.panel_actions import Actions, PanelFacts
from langfield.viewer.panel_camera import CameraControls
from langfield.viewer.panel_find import FindControls
from langfield.viewer.panel_parts import on_change
from langfield.viewer.panel_show import ShowControls
from langfield.viewer.panel_things import ThingsControls
from langfield.viewer.run_photos import Thumbnail
from langfield.viewer.state import ViewerState

_HELP = (
    '<div style="padding:0.2em 0.8em 0.7em;text-align:right"><button type="button" data-langfield-help '
    'style="all:unset;cursor:pointer;font-size:0.85em;opacity:0.75;text-decoration:underline">'
    "Keys and mouse: ?</button></div>"
)


class Panel:
    """The controls of one browser.

    Args:
        client: whose.
        state: that they show at first.
        facts: what they offer.
        actions: what they call.
    """

    def __init__(self, client: viser.ClientHandle, state: ViewerState, facts: PanelFacts, actions: Actions) -> None:
        gui: Any = client.gui  # its types take only options that are literals
        self._parts: list[Any] = []
        with client.atomic():  # what a browser gets at once: no button before there is who hears it
            if len(facts.runs) > 1:
                run = gui.add_dropdown("Run", tuple(facts.runs), initial_value=state.run)
                on_change(run, actions.run)
                self._parts.append(run)
            self._find = FindControls(gui, client.atomic, state, facts, actions)
            tabs = gui.add_tab_group()
            with tabs.add_tab("Show", "eye"):
                self._show = ShowControls(gui, state, facts, actions)
            with tabs.add_tab("Things" if facts.has_groups else "Place", "pointer"):
                self._things = ThingsControls(gui, facts, actions)
            with tabs.add_tab("Camera", "camera"):
                self._camera = CameraControls(gui, state, facts, actions)
            with tabs.add_tab("Save", "download"):
                for number, (label, hint) in enumerate(facts.saves):
                    button = gui.add_button(label, hint=hint, color="gray")
                    button.on_click(lambda _, n=number: actions.save(n))
            self._names = gui.add_html("")
            self._parts += [*self._find.parts, tabs, gui.add_html(_HELP), self._names]
            self.show(state)

    def remove(self) -> None:
        """Take all of them away."""
        for part in reversed(self._parts):
            part.remove()
        self._parts = []

    def say(self, text: str, *, problem: bool = False) -> None:
        """A line under the prompt. Args: text: is escaped; "" for none. problem: whether it says what went wrong."""
        self._find.say(text, problem=problem)

    def show(self, state: ViewerState) -> None:
        """Set what depends on the state, but for the prompt, which is the person's."""
        self._show.show(state)
        self._camera.show(state)

    def show_answers(self, answers: Sequence[Answer]) -> None:
        """List what was found, and where."""
        self._find.show_answers(answers)

    def show_photos(self, thumbnails: Sequence[Thumbnail]) -> None:
        """Show the photos that show a hit best. Args: as of `langfield.viewer.panel_find.FindControls.show_photos`."""
        self._find.show_photos(thumbnails)

    def show_video(self, news: VideoNews) -> None:
        """Show how far the video is."""
        self._camera.show_video(news)

    def show_names(self, names: str) -> None:
        """Give the page's script what is under the mouse. Args: names: of `langfield.viewer.hover_names`."""
        self._names.content = names

    def show_objects(self, objects: Sequence[SceneObject]) -> None:
        """Offer the scene's things by name."""
        if objects:
            self._things.show_objects(objects)
            self._find.suggest(objects)

    def show_selection(self, shape: GroupShape | None, where: str, *, by_scale: bool = False) -> None:
        """Say what was clicked. Args: as of `langfield.viewer.panel_things.ThingsControls.show_selection`."""
        self._things.show_selection(shape, where, by_scale=by_scale)

    def show_distance(self, text: str, *, clearable: bool) -> None:
        """Say what is measured. Args: as of `langfield.viewer.panel_things.ThingsControls.show_distance`."""
        self._things.show_distance(text, clearable=clearable)
