"""The controls of places: what was clicked, the scene's things, and a distance."""

import math
from collections.abc import Sequence
from typing import Any

from langfield.query.objects import GroupShape, SceneObject
from langfield.viewer.panel_actions import Actions, PanelFacts
from langfield.viewer.panel_parts import NO_NAME, on_change, size_text, small


class ThingsControls:
    """What is selected and how large, a list of things, and a measured distance.

    Args: as of `langfield.viewer.panel_find.FindControls`.
    """

    def __init__(self, gui: Any, facts: PanelFacts, actions: Actions) -> None:
        self._facts = facts
        self._things: Any = None
        self._groups: dict[str, int] = {}
        self._place = gui.add_html(small("Click the scene: its place is told here."))
        if facts.has_groups:
            self._build_things(gui, actions)
        with gui.add_folder("Distance"):
            self._distance = gui.add_html("")
            gui.add_button("Measure", icon="ruler-measure", hint="Between two places that you click").on_click(
                lambda _: actions.measure()
            )
            self._clear_distance = gui.add_button("Clear distance", color="gray", visible=False)
            self._clear_distance.on_click(lambda _: actions.clear_measure())

    def _build_things(self, gui: Any, actions: Actions) -> None:
        self._scale = gui.add_slider("Scale", 0, 100, 1, 50, marks=((0, "part"), (100, "all around")))
        on_change(self._scale, lambda value: actions.scale(self._length(float(value))))
        self._clear = gui.add_button("Select nothing", color="gray")
        self._clear.on_click(lambda _: actions.clear_selection())
        self._things = gui.add_dropdown("Things", (NO_NAME,), visible=False)
        on_change(self._things, lambda label: label in self._groups and actions.thing(self._groups[label]))
        self.show_selection(None, "")

    def show_objects(self, objects: Sequence[SceneObject]) -> None:
        """Offer the scene's things by name."""
        if self._things is None:
            return
        self._groups = {_thing_label(number, found): found.shape.group for number, found in enumerate(objects)}
        self._things.options = (NO_NAME, *self._groups)
        self._things.visible = True

    def show_selection(self, shape: GroupShape | None, where: str, *, by_scale: bool = False) -> None:
        """Say what was clicked.

        Args:
            where: the place, if it is nothing that is known.
            by_scale: whether the slider chose it, so that it stays where it is.
        """
        if not self._facts.has_groups:
            self._place.content = small(where)
            return
        if shape is None:
            self._place.content = small(where or "Click a thing in the scene: it is selected.")
        else:
            size = size_text(shape.upright_box.size)
            place = ", ".join(f"{value:.3g}" for value in shape.position)
            if not by_scale:
                self._scale.value = round(self._percent(shape.extent))
            self._place.content = small(f"Selected: {size} large, at {place}; {shape.elements:,} elements")
        self._scale.visible = self._clear.visible = shape is not None

    def show_distance(self, text: str, *, clearable: bool) -> None:
        """Say what is measured. Args: text: "" for nothing. clearable: whether there is something to forget."""
        self._distance.content = small(text) if text else ""
        self._clear_distance.visible = clearable

    def _length(self, percent: float) -> float:
        """The length, world units, that a place of the scale's slider means: equal ways are equal ratios."""
        low, high = self._facts.scale_range
        return low * (high / low) ** (min(max(percent, 0.0), 100.0) / 100)

    def _percent(self, length: float) -> float:
        """The inverse of `_length`, on the slider."""
        low, high = self._facts.scale_range
        return min(max(100 * math.log(max(length, low) / low) / math.log(high / low), 0.0), 100.0)


def _thing_label(number: int, found: SceneObject) -> str:
    return f"{number + 1} {found.name or 'thing'}"
