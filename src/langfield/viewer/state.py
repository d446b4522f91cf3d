"""What one browser shows and asks, as plain data. Changes are functions from one state to the next."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from langfield.core.errors import UsageError

Layer = Literal["Picture", "Composited", "Relevancy", "Crop size", "Features", "Depth", "Objects"]
OF_PHRASES: tuple[Layer, ...] = ("Composited", "Relevancy", "Crop size")  # which are Picture without any
_OF_LANGUAGE: tuple[Layer, ...] = (*OF_PHRASES, "Features")
_OF_GROUPS: tuple[Layer, ...] = ("Objects",)
Hide = Literal["Nothing", "Scene", "What was found"]

BESIDE_PHOTO, BESIDE_RUN = "photo", "run:"  # the second one before a run's name
MAX_PHRASES = 8
MAX_PHRASE_CHARS = 200
MAX_KEYFRAMES = 100
_MAX_NUMBER = 1e6  # of the page's frame, in which a scene is a few units large; JSON's numbers are endless
_MAX_NAME_CHARS = 300
_SEPARATORS = ",;\n"


@dataclass(frozen=True)
class Keyframe:
    """A camera that the person kept, in the page's frame.

    Attributes:
        wxyz: turn from the camera's axes (OpenCV's) into the frame, of length 1.
        position: of its centre.
        fov_rad: vertical field of view.
    """

    wxyz: tuple[float, float, float, float]
    position: tuple[float, float, float]
    fov_rad: float


@dataclass(frozen=True)
class ViewerState:
    """All that is kept of a browser's page when it is opened again.

    Attributes:
        run: the name of the run that is shown; "" for the first one.
        phrases: what is looked for.
        negatives: what they compete with; none for the encoder's own.
        shown: the number of the phrase whose relevancy is shown.
        layer: what is drawn.
        hide: what is not drawn: the scene around what was found, or that.
        opacity: of colours over the picture.
        threshold: relevancy below it has no colour.
        boxes: whether hits have boxes and labels.
        photos: whether the photos' cameras are drawn.
        sharpen: whether a picture from the server takes the browser's place when the camera rests.
        beside: what lies on the other side of a line: "" for no line, "photo" for the photo, left of what is drawn,
            "run:NAME" for another run, right of it.
        divider: where the line is, as a share of the page's width.
        keyframes: in their order.
    """

    run: str = ""
    phrases: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    shown: int = 0
    layer: Layer = "Picture"
    hide: Hide = "Nothing"
    opacity: float = 0.75
    threshold: float = 0.5
    boxes: bool = True
    photos: bool = False
    sharpen: bool = True
    beside: str = ""
    divider: float = 0.5
    keyframes: tuple[Keyframe, ...] = ()

    @property
    def prompt(self) -> str:
        """The phrases as one line of text."""
        return ", ".join(self.phrases)

    @property
    def asked_negatives(self) -> tuple[str, ...] | None:
        """For a session's methods: None for the encoder's own."""
        return self.negatives or None


def phrases_of(text: str) -> tuple[str, ...]:
    """The phrases of a line in which commas stand between them, each once.

    UsageError for more than 8, and for a phrase of more than 200 characters.
    """
    for separator in _SEPARATORS[1:]:
        text = text.replace(separator, _SEPARATORS[0])
    phrases = tuple(dict.fromkeys(" ".join(part.split()) for part in text.split(_SEPARATORS[0]) if part.strip()))
    if len(phrases) > MAX_PHRASES:
        raise UsageError(f"at most {MAX_PHRASES} phrases at once, got {len(phrases)}")
    longest = max((len(phrase) for phrase in phrases), default=0)
    if longest > MAX_PHRASE_CHARS:
        raise UsageError(f"a phrase has at most {MAX_PHRASE_CHARS} characters, got {longest}")
    return phrases


def with_prompt(state: ViewerState, text: str) -> ViewerState:
    """Look for other phrases. The first ones turn the picture into one that shows them; none turn it back.

    UsageError as `phrases_of`.
    """
    phrases = phrases_of(text)
    layer, hide = state.layer, state.hide
    if phrases and layer == "Picture":
        layer = "Composited"
    if not phrases:
        layer, hide = ("Picture" if layer in OF_PHRASES else layer), "Nothing"
    return replace(state, phrases=phrases, shown=min(state.shown, max(0, len(phrases) - 1)), layer=layer, hide=hide)


def with_negatives(state: ViewerState, text: str) -> ViewerState:
    """Let the phrases compete with others. UsageError as `phrases_of`."""
    return replace(state, negatives=phrases_of(text))


def with_shown(state: ViewerState, phrase: str) -> ViewerState:
    """Show another phrase's relevancy; one that is not asked for changes nothing."""
    return replace(state, shown=state.phrases.index(phrase)) if phrase in state.phrases else state


def with_choice(state: ViewerState, name: str, value: Any) -> ViewerState:
    """Another value of one of the page's inputs; one that the input cannot have changes nothing."""
    return replace(state, **{name: value}) if name in _CHECKS and _CHECKS[name](value) else state


def with_run(state: ViewerState, name: str) -> ViewerState:
    """Another run, asked the same. Keyframes stay with the run that they were made in."""
    return state if name == state.run else replace(state, run=name, keyframes=())


def layers_of(has_language: bool, has_groups: bool) -> tuple[Layer, ...]:
    """The layers that a run can show."""
    lacking = (() if has_language else _OF_LANGUAGE) + (() if has_groups else _OF_GROUPS)
    return tuple(layer for layer in get_args(Layer) if layer not in lacking)


def for_run(state: ViewerState, has_language: bool, has_groups: bool) -> ViewerState:
    """What of a state a run can show: without language no phrases are asked, and layers that it lacks are Picture."""
    if state.layer not in layers_of(has_language, has_groups):
        state = replace(state, layer="Picture")
    return state if has_language else replace(state, phrases=(), negatives=(), shown=0, hide="Nothing")


def without_beside(state: ViewerState, known: Sequence[str]) -> ViewerState:
    """A state without what it wants to see beside the picture, if that is none of what is known."""
    return state if state.beside in known else replace(state, beside="")


def with_keyframe(state: ViewerState, keyframe: Keyframe) -> ViewerState:
    """One more keyframe. UsageError for more than 100."""
    if len(state.keyframes) >= MAX_KEYFRAMES:
        raise UsageError(f"a path has at most {MAX_KEYFRAMES} keyframes: download it, and clear them")
    return replace(state, keyframes=(*state.keyframes, keyframe))


def to_text(state: ViewerState) -> str:
    """The state as text that a browser keeps."""
    return json.dumps(asdict(state), separators=(",", ":"), allow_nan=False)


def from_text(text: str | None) -> ViewerState:
    """The inverse of `to_text`. Whatever is not as it should be is left out: browsers keep what older versions wrote,
    and what other programs write."""
    try:
        values = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ViewerState()
    if not isinstance(values, dict):
        return ViewerState()
    state = ViewerState()
    for name in ("phrases", "negatives"):
        given = values.get(name)
        if isinstance(given, list) and all(isinstance(phrase, str) for phrase in given):
            try:
                state = replace(state, **{name: phrases_of(",".join(given))})
            except UsageError:
                continue
    for name, good in _CHECKS.items():
        if name in values and good(values[name]):
            state = replace(state, **{name: values[name]})
    if isinstance(values.get("run"), str):
        state = replace(state, run=values["run"][:MAX_PHRASE_CHARS])
    if isinstance(values.get("shown"), int) and 0 <= values["shown"] < len(state.phrases):
        state = replace(state, shown=int(values["shown"]))
    return replace(state, keyframes=_keyframes(values.get("keyframes")))


def _keyframes(values: Any) -> tuple[Keyframe, ...]:
    if not isinstance(values, list) or len(values) > MAX_KEYFRAMES:
        return ()
    names = {field.name for field in fields(Keyframe)}
    kept = []
    for value in values:
        if not isinstance(value, dict) or value.keys() != names or not _is_share(value["fov_rad"], math.pi):
            return ()
        wxyz, position = value["wxyz"], value["position"]
        if not _are_numbers(wxyz, 4) or not _are_numbers(position, 3) or not 0.9 < math.hypot(*wxyz) < 1.1:
            return ()
        kept.append(Keyframe(tuple(wxyz), tuple(position), float(value["fov_rad"])))
    return tuple(kept)


def _is_share(value: Any, most: float = 1.0) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, int | float) and abs(value) <= _MAX_NUMBER for value in values)
    )


def _is_beside(value: str) -> bool:
    return value in ("", BESIDE_PHOTO) or value.startswith(BESIDE_RUN)


def _is_one_of(choices: Sequence[str]) -> Any:
    return lambda value: isinstance(value, str) and value in choices


_CHECKS: dict[str, Any] = {
    "layer": _is_one_of(get_args(Layer)),
    "hide": _is_one_of(get_args(Hide)),
    "opacity": _is_share,
    "threshold": _is_share,
    "divider": _is_share,
    "beside": lambda value: isinstance(value, str) and len(value) <= _MAX_NAME_CHARS and _is_beside(value),
    "boxes": lambda value: isinstance(value, bool),
    "photos": lambda value: isinstance(value, bool),
    "sharpen": lambda value: isinstance(value, bool),
}
