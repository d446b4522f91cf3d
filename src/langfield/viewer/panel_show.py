"""The controls that choose what is drawn, and how."""

from typing import Any, get_args

from langfield.viewer.palette import colour_scale
from langfield.viewer.panel_actions import Actions, PanelFacts
from langfield.viewer.panel_parts import length_text, on_change, small
from langfield.viewer.state import BESIDE_PHOTO, BESIDE_RUN, Hide, ViewerState


class ShowControls:
    """Layer, opacity, what is hidden, boxes. Args: as of `langfield.viewer.panel_find.FindControls`."""

    def __init__(self, gui: Any, state: ViewerState, facts: PanelFacts, actions: Actions) -> None:
        self._crop_heights = facts.crop_heights
        layer = state.layer if state.layer in facts.layers else "Picture"
        self._layer = gui.add_dropdown("Layer", tuple(facts.layers), initial_value=layer)
        on_change(self._layer, lambda value: actions.choose("layer", value))
        self._shown = gui.add_dropdown("Phrase", state.phrases or ("",), hint="The one whose relevancy is shown")
        on_change(self._shown, actions.show_phrase)
        self._scale_bar = gui.add_html("")
        self._opacity = gui.add_slider("Opacity", 0.0, 1.0, 0.05, state.opacity, hint="Of colours over the picture")
        on_change(self._opacity, lambda value: actions.choose("opacity", float(value)))
        self._threshold = gui.add_slider(
            "Threshold", 0.0, 1.0, 0.01, state.threshold, hint="Relevancy below it has no colour; 0.5: no negative wins"
        )
        on_change(self._threshold, lambda value: actions.choose("threshold", float(value)))
        self._hide = gui.add_dropdown(
            "Hide", tuple(get_args(Hide)), initial_value=state.hide, hint="The scene around what was found, or that"
        )
        on_change(self._hide, lambda value: actions.choose("hide", value))
        self._boxes = gui.add_checkbox("Boxes", state.boxes, hint="Around what was found")
        on_change(self._boxes, lambda value: actions.choose("boxes", bool(value)))
        self._besides = dict(facts.besides)
        self._build_beside(gui, state, actions)
        sharpen = gui.add_checkbox(
            "Sharp at rest", state.sharpen, hint="When the camera rests, the server draws what browsers only sketch"
        )
        on_change(sharpen, lambda value: actions.choose("sharpen", bool(value)))
        if facts.has_language:
            self._build_negatives(gui, state, facts, actions)

    def _build_beside(self, gui: Any, state: ViewerState, actions: Actions) -> None:
        values = {label: value for value, label in self._besides.items()}
        self._beside = gui.add_dropdown(
            "Beside",
            tuple(values),
            initial_value=self._besides.get(state.beside, "Nothing"),
            hint="What lies on the other side of a line through the picture",
            visible=len(values) > 1,
        )
        on_change(self._beside, lambda label: actions.choose("beside", values.get(label, "")))
        self._divider = gui.add_slider("Line at", 0.0, 1.0, 0.01, state.divider, hint="From the left of the page")
        on_change(self._divider, lambda value: actions.choose("divider", float(value)))
        self._sides = gui.add_html("")

    def show(self, state: ViewerState) -> None:
        """Set what depends on the state."""
        several = len(state.phrases) > 1
        of_one_phrase = state.layer in ("Relevancy", "Crop size")
        self._threshold.visible = of_one_phrase
        self._opacity.visible = state.layer not in ("Picture", "Depth")
        self._layer.value, self._hide.value = state.layer, state.hide
        self._hide.visible = bool(state.phrases)
        self._boxes.visible = bool(state.phrases)
        self._boxes.value = state.boxes
        self._shown.visible = several and of_one_phrase
        if state.phrases:
            self._shown.options = state.phrases
            self._shown.value = state.phrases[state.shown]
        self._beside.value = self._besides.get(state.beside, "Nothing")
        self._divider.visible = bool(state.beside)
        self._sides.content = small(_sides_of(state)) if state.beside else ""
        self._scale_bar.content = self._scale_of(state)

    @staticmethod
    def _build_negatives(gui: Any, state: ViewerState, facts: PanelFacts, actions: Actions) -> None:
        with gui.add_folder("Compared with", expand_by_default=False), gui.add_form(None) as form:
            usual = ", ".join(facts.default_negatives)
            negatives = gui.add_text("Negatives", ", ".join(state.negatives), hint=f"If empty: {usual}")
            apply = gui.add_button("Compare", color="gray")
        form.on_submit(lambda _: actions.negatives(negatives.value))
        apply.on_click(lambda _: actions.negatives(negatives.value))

    def _scale_of(self, state: ViewerState) -> str:
        """The scale of the layer's colours."""
        if state.layer == "Relevancy" and state.phrases:
            return colour_scale("0", "relevancy 0.5", "1")
        if state.layer == "Composited" and len(state.phrases) == 1:
            return colour_scale("0.5", "relevancy", "highest found")
        if state.layer == "Crop size" and state.phrases:
            low, high = self._crop_heights() or (0.0, 0.0)
            ends = (length_text(low), length_text(high)) if high else ("small", "large")
            return colour_scale(ends[0], "height of the crops that fit best", ends[1])
        if state.layer == "Features":
            return small("Alike in language, alike in colour: three principal components")
        if state.layer == "Depth":
            return colour_scale("far", "", "near")
        return ""


def _sides_of(state: ViewerState) -> str:
    if state.beside == BESIDE_PHOTO:
        return "Left the photo, right the answer, where the camera stands at a photo (see Camera)."
    return f"Left this run, right {state.beside.removeprefix(BESIDE_RUN)}."
