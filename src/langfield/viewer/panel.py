"""The page's controls: one browser's, made of viser's inputs. They show a state, and say what a person changes."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import viser

from langfield.query.answers import Answer, Hit
from langfield.query.objects import GroupShape, SceneObject
from langfield.viewer.palette import PHRASE_COLOURS, colour_scale, swatch
from langfield.viewer.run_scene import RunScene
from langfield.viewer.state import MAX_PHRASES, Hide, Layer, ViewerState

_HITS_SHOWN = 4  # of each phrase, where several are asked
_NO_NAME = "…"
_HOW_TO_ASK = f"Type what to look for, and press Enter. Up to {MAX_PHRASES} phrases, with commas between."


@dataclass(frozen=True)
class Actions:
    """What the controls call; each may be called from any thread.

    Attributes:
        prompt: phrases were asked for.
        negatives: other negatives were given.
        choose: an input of the state, by its name, has another value.
        show_phrase: another phrase's relevancy is to be seen.
        run: another run is to be seen.
        hit: a hit of a phrase (by their numbers) was clicked.
        photo: the photo of a name is to be stood at.
        thing: the thing of a group is to be seen.
        scale: what is selected is to be about so long, world units.
        clear_selection: nothing is selected any more.
        field_of_view: vertical, degrees.
        keyframe: the camera is to be kept.
        clear_keyframes: all of them are to be forgotten.
        play: the camera is to fly along the keyframes.
        save: one of the things that can be saved, by its number.
        home: the camera is to go where it was first.
    """

    prompt: Callable[[str], None]
    negatives: Callable[[str], None]
    choose: Callable[[str, Any], None]
    show_phrase: Callable[[str], None]
    run: Callable[[str], None]
    hit: Callable[[int, int], None]
    photo: Callable[[str], None]
    thing: Callable[[int], None]
    scale: Callable[[float], None]
    clear_selection: Callable[[], None]
    field_of_view: Callable[[float], None]
    keyframe: Callable[[], None]
    clear_keyframes: Callable[[], None]
    play: Callable[[], None]
    save: Callable[[int], None]
    home: Callable[[], None]


@dataclass(frozen=True)
class PanelFacts:
    """What the controls offer, which depends on the run.

    Attributes:
        runs: names of all runs.
        has_language: whether phrases can be asked.
        has_groups: whether things can be clicked.
        photos: names of photos that can be stood at.
        fov_deg: the field of view at first.
        scale_range: shortest and longest that a selection can be, world units.
        saves: label and hint of each thing that can be saved.
        default_negatives: what phrases compete with if nobody says otherwise.
    """

    runs: Sequence[str]
    has_language: bool
    has_groups: bool
    photos: Sequence[str]
    fov_deg: float
    scale_range: tuple[float, float]
    saves: Sequence[tuple[str, str]]
    default_negatives: Sequence[str]


def facts_of_run(scene: RunScene, runs: Sequence[str], saves: Sequence[tuple[str, str]]) -> PanelFacts:
    """What the controls of a run offer. Args: runs: names of all. saves: label and hint of each that can be saved."""
    session = scene.session
    size = 1.0 / scene.page_from_world.scale
    return PanelFacts(
        runs=runs,
        has_language=session.has_language,
        has_groups=session.has_groups,
        photos=tuple(view.name for view in scene.photos),
        fov_deg=math.degrees(scene.first_fov_rad),
        scale_range=(0.02 * size, 2.0 * size),
        saves=saves,
        default_negatives=scene.default_negatives,
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
        self._gui: Any = client.gui  # its types take only options that are literals
        self._facts = facts
        self._actions = actions
        self._parts: list[Any] = []
        self._results: list[Any] = []
        self._prompt: Any = None
        self._together = client.atomic  # what a browser gets at once: no button before there is who hears it
        with self._together():
            self._build(state)

    def remove(self) -> None:
        """Take all of them away."""
        for part in reversed(self._parts):
            part.remove()
        self._parts, self._results = [], []

    # -- what changes --------------------------------------------------------------------------------------------

    def say(self, text: str, *, problem: bool = False) -> None:
        """A line under the prompt. Args: text: is escaped; "" for none. problem: whether it says what went wrong."""
        colour = "#e8590c" if problem else "inherit"
        style = f"padding:0 0.8em 0.5em;font-size:0.85em;color:{colour}"
        self._status.content = f'<div role="status" style="{style}">{html.escape(text)}</div>' if text else ""

    def show(self, state: ViewerState) -> None:
        """Set what depends on the state, but for the prompt, which is the person's."""
        several = len(state.phrases) > 1
        self._threshold.visible = state.layer == "Relevancy"
        self._opacity.visible = state.layer in ("Composited", "Relevancy", "Objects")
        self._layer.value, self._hide.value = state.layer, state.hide
        self._hide.visible = bool(state.phrases)
        self._boxes.visible = bool(state.phrases)
        self._shown.visible = several and state.layer == "Relevancy"
        if state.phrases:
            self._shown.options = state.phrases
            self._shown.value = state.phrases[state.shown]
        self._scale_bar.content = _scale_of(state)
        self._keyframes.content = _small(_keyframes_text(len(state.keyframes)))

    def show_answers(self, answers: Sequence[Answer]) -> None:
        """List what was found, and where."""
        for part in self._results:
            part.remove()
        self._results = []
        shown = None if len(answers) == 1 else _HITS_SHOWN
        with self._together(), self._results_folder:
            if not answers and self._facts.has_language:
                self._results.append(self._gui.add_html(_small(_HOW_TO_ASK)))
            for number, answer in enumerate(answers):
                self._results.append(self._gui.add_html(_answer_line(answer, PHRASE_COLOURS[number])))
                for rank, hit in enumerate(answer.hits[:shown]):
                    button = self._gui.add_button(
                        _hit_label(rank, hit), color=PHRASE_COLOURS[number], hint=_hit_hint(hit), icon="focus-2"
                    )
                    button.on_click(lambda _, n=number, r=rank: self._actions.hit(n, r))
                    self._results.append(button)

    def show_objects(self, objects: Sequence[SceneObject]) -> None:
        """Offer the scene's things by name."""
        if self._things is None or not objects:
            return
        self._groups = {_thing_label(number, found): found.shape.group for number, found in enumerate(objects)}
        self._things.options = (_NO_NAME, *self._groups)
        self._things.visible = True
        names = list(dict.fromkeys(found.name for found in objects if found.name and found.score >= 0.5))
        if names and self._suggestions is not None:
            self._suggestions.options = (_NO_NAME, *names[:60])
            self._suggestions.visible = True

    def show_selection(self, shape: GroupShape | None, where: str, *, by_scale: bool = False) -> None:
        """Say what was clicked.

        Args:
            where: the place, if it is nothing that is known.
            by_scale: whether the slider chose it, so that it stays where it is.
        """
        known = shape is not None
        if self._selected is None:
            self._place.content = _small(where)
            return
        if shape is None:
            self._selected.content = _small(where or "Click a thing in the scene: it is selected.")
        else:
            size = size_text(shape.upright_box.size)
            place = ", ".join(f"{value:.3g}" for value in shape.position)
            if not by_scale:
                self._scale.value = round(self._percent(shape.extent))
            self._selected.content = _small(f"Selected: {size} large, at {place}; {shape.elements:,} elements")
        self._scale.visible = self._clear.visible = known

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self, state: ViewerState) -> None:
        gui, facts, actions = self._gui, self._facts, self._actions
        if len(facts.runs) > 1:
            run = self._added(gui.add_dropdown("Run", tuple(facts.runs), initial_value=state.run))
            self._on_change(run, actions.run)
        if facts.has_language:
            self._build_prompt(state)
        self._status = self._added(gui.add_html(""))
        self._results_folder = self._added(gui.add_folder(None))
        tabs = self._added(gui.add_tab_group())
        with tabs.add_tab("Show", "eye"):
            self._build_show(state)
        with tabs.add_tab("Things" if facts.has_groups else "Place", "pointer"):
            self._build_things()
        with tabs.add_tab("Camera", "camera"):
            self._build_camera(state)
        with tabs.add_tab("Save", "download"):
            for number, (label, hint) in enumerate(facts.saves):
                button = gui.add_button(label, hint=hint, color="gray")
                button.on_click(lambda _, n=number: actions.save(n))
        self.show(state)

    def _build_prompt(self, state: ViewerState) -> None:
        gui, actions = self._gui, self._actions
        form = self._added(gui.add_form(None))
        with form:
            self._prompt = gui.add_text("Find", state.prompt)
            find = gui.add_button("Find", icon="search")
        prompt = self._prompt
        form.on_submit(lambda _: actions.prompt(prompt.value))
        find.on_click(lambda _: actions.prompt(prompt.value))
        self._suggestions = self._added(
            gui.add_dropdown("In this scene", (_NO_NAME,), visible=False, hint="Names of things that are here")
        )
        self._on_change(self._suggestions, self._suggested)

    def _suggested(self, name: str) -> None:
        if name != _NO_NAME:
            self._prompt.value = name
            self._actions.prompt(name)

    def _build_show(self, state: ViewerState) -> None:
        gui, actions, facts = self._gui, self._actions, self._facts
        layers = [layer for layer in get_args(Layer) if facts.has_groups or layer != "Objects"]
        if not facts.has_language:
            layers = [layer for layer in layers if layer not in ("Composited", "Relevancy")]
        layer = state.layer if state.layer in layers else "Picture"
        self._layer = gui.add_dropdown("Layer", tuple(layers), initial_value=layer)
        self._on_change(self._layer, lambda value: actions.choose("layer", value))
        self._shown = gui.add_dropdown("Relevancy of", state.phrases or ("",))
        self._on_change(self._shown, actions.show_phrase)
        self._scale_bar = gui.add_html("")
        self._opacity = gui.add_slider("Opacity", 0.0, 1.0, 0.05, state.opacity, hint="Of colours over the picture")
        self._on_change(self._opacity, lambda value: actions.choose("opacity", float(value)))
        self._threshold = gui.add_slider(
            "Threshold", 0.0, 1.0, 0.01, state.threshold, hint="Relevancy below it has no colour; 0.5: no negative wins"
        )
        self._on_change(self._threshold, lambda value: actions.choose("threshold", float(value)))
        self._hide = gui.add_dropdown(
            "Hide", tuple(get_args(Hide)), initial_value=state.hide, hint="The scene around what was found, or that"
        )
        self._on_change(self._hide, lambda value: actions.choose("hide", value))
        self._boxes = gui.add_checkbox("Boxes", state.boxes, hint="Around what was found")
        self._on_change(self._boxes, lambda value: actions.choose("boxes", bool(value)))
        sharpen = gui.add_checkbox(
            "Sharp at rest", state.sharpen, hint="When the camera rests, the server draws what browsers only sketch"
        )
        self._on_change(sharpen, lambda value: actions.choose("sharpen", bool(value)))
        if facts.has_language:
            with gui.add_folder("Compared with", expand_by_default=False), gui.add_form(None) as form:
                usual = ", ".join(facts.default_negatives)
                negatives = gui.add_text("Negatives", ", ".join(state.negatives), hint=f"If empty: {usual}")
                apply = gui.add_button("Compare", color="gray")
            form.on_submit(lambda _: actions.negatives(negatives.value))
            apply.on_click(lambda _: actions.negatives(negatives.value))

    def _build_things(self) -> None:
        gui, actions = self._gui, self._actions
        self._things, self._selected, self._groups = None, None, dict[str, int]()
        if not self._facts.has_groups:
            self._suggestions = self._suggestions if self._facts.has_language else None
            self._place = gui.add_html(_small("Click the scene: its place is told here."))
            return
        self._selected = gui.add_html("")
        self._scale = gui.add_slider("Scale", 0, 100, 1, 50, marks=((0, "part"), (100, "all around")))
        self._on_change(self._scale, lambda value: actions.scale(self._length(float(value))))
        self._clear = gui.add_button("Select nothing", color="gray")
        self._clear.on_click(lambda _: actions.clear_selection())
        self._things = gui.add_dropdown("Things", (_NO_NAME,), visible=False)
        self._on_change(self._things, lambda label: label in self._groups and actions.thing(self._groups[label]))
        self.show_selection(None, "")

    def _length(self, percent: float) -> float:
        """The length, world units, that a place of the scale's slider means: equal ways are equal ratios."""
        low, high = self._facts.scale_range
        return low * (high / low) ** (min(max(percent, 0.0), 100.0) / 100)

    def _percent(self, length: float) -> float:
        """The inverse of `_length`, on the slider."""
        low, high = self._facts.scale_range
        return min(max(100 * math.log(max(length, low) / low) / math.log(high / low), 0.0), 100.0)

    def _build_camera(self, state: ViewerState) -> None:
        gui, actions, facts = self._gui, self._actions, self._facts
        gui.add_button("Back to the start", icon="home", color="gray").on_click(lambda _: actions.home())
        photo = gui.add_dropdown("Stand at photo", (_NO_NAME, *facts.photos))
        self._on_change(photo, lambda name: name != _NO_NAME and actions.photo(name))
        photos = gui.add_checkbox("Show photos", state.photos, hint="Where they were taken; click one to stand there")
        self._on_change(photos, lambda value: actions.choose("photos", bool(value)))
        fov = gui.add_slider("Field of view", 15.0, 110.0, 1.0, min(110.0, max(15.0, round(facts.fov_deg))))
        self._on_change(fov, lambda value: actions.field_of_view(float(value)))
        with gui.add_folder("Path"):
            self._keyframes = gui.add_html("")
            gui.add_button("Add keyframe", icon="plus").on_click(lambda _: actions.keyframe())
            gui.add_button("Play", icon="player-play", color="gray").on_click(lambda _: actions.play())
            gui.add_button("Clear", icon="trash", color="gray").on_click(lambda _: actions.clear_keyframes())

    def _added(self, part: Any) -> Any:
        self._parts.append(part)
        return part

    @staticmethod
    def _on_change(part: Any, action: Callable[[Any], object]) -> None:
        """Call an action when the person changes an input, not when `show` does."""
        part.on_update(lambda event: None if event.client is None else action(event.target.value))


def _keyframes_text(count: int) -> str:
    return "No keyframes yet" if not count else "1 keyframe" if count == 1 else f"{count} keyframes"


def _small(text: str) -> str:
    return f'<div style="padding:0 0.8em 0.6em;font-size:0.85em">{html.escape(text)}</div>'


def _scale_of(state: ViewerState) -> str:
    """The colour map's scale, where a layer uses it."""
    if state.layer == "Relevancy" and state.phrases:
        return colour_scale("0", "relevancy 0.5", "1")
    if state.layer == "Composited" and len(state.phrases) == 1:
        return colour_scale("0.5", "relevancy", "highest found")
    if state.layer == "Depth":
        return colour_scale("far", "", "near")
    return ""


def _answer_line(answer: Answer, colour: tuple[int, int, int]) -> str:
    said = f"{len(answer.hits)} found" if answer.present else "not there"
    weight = "600" if answer.present else "400"
    return (
        f'<div style="padding:0.15em 0.8em 0.35em;font-size:0.9em;display:flex;justify-content:space-between">'
        f'<span style="font-weight:{weight};overflow-wrap:anywhere">{swatch(colour)}{html.escape(answer.phrase)}</span>'
        f'<span style="opacity:0.75;white-space:nowrap;padding-left:0.6em">'
        f"{said} · presence {answer.presence:.2f}</span></div>"
    )


def _hit_label(rank: int, hit: Hit) -> str:
    return f"{rank + 1} · score {hit.score:.2f} · size {size_text(hit.upright_box.size)}"


def size_text(size: Sequence[float]) -> str:
    """Three lengths with the decimals that tell two digits of the longest."""
    longest = max(size)
    decimals = max(0, 1 - math.floor(math.log10(longest))) if 0 < longest < math.inf else 2
    return " x ".join(f"{side:.{decimals}f}" for side in size)


def _hit_hint(hit: Hit) -> str:
    place = ", ".join(f"{value:.3g}" for value in hit.position)
    seen = f" Best seen in {', '.join(hit.views[:2])}." if hit.views else ""
    return f"Go there: {place}.{seen}"


def _thing_label(number: int, found: SceneObject) -> str:
    return f"{number + 1} {found.name or 'thing'}"
