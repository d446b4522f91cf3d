"""Keys of the page: commands of viser, each of which does what a control does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from langfield.viewer.state import Hide, Layer, ViewerState

if TYPE_CHECKING:  # what serves the page knows the keys, and starts without torch
    from langfield.viewer.panel_actions import Actions

_HITS_WITH_KEYS = 9


@dataclass(frozen=True)
class Command:
    """A key, and what it does.

    Attributes:
        key: as viser calls it.
        label: for people.
    """

    key: str
    label: str


LAYER, HIDE = Command("L", "another layer"), Command("H", "hide the scene, what was found, nothing")
BOXES, PHOTOS = Command("B", "boxes"), Command("F", "where photos were taken")
MEASURE, NOTHING = Command("M", "measure a distance"), Command("escape", "select and measure nothing")
KEYFRAME, PLAY, HOME = Command("K", "keep this view"), Command("P", "play"), Command("O", "to the start")

# For the help: keys as they stand on keyboards.
COMMAND_KEYS: tuple[tuple[str, str], ...] = (
    (f"1 … {_HITS_WITH_KEYS}", "go to a hit"),
    *((one.key, one.label) for one in (LAYER, HIDE, BOXES, PHOTOS, MEASURE)),
    ("Escape", NOTHING.label),
    *((one.key, one.label) for one in (KEYFRAME, PLAY, HOME)),
)


def next_of(choices: tuple[Any, ...], value: Any) -> Any:
    """The choice after one, the first after the last; the first for a value that is none of them."""
    return choices[(choices.index(value) + 1) % len(choices)] if value in choices else choices[0]


def add_commands(
    gui: Any, actions: "Actions", layers: tuple[Layer, ...], state: Callable[[], ViewerState]
) -> list[Any]:
    """Give a browser the keys of the page; returns viser's handles, to be removed.

    Args:
        gui: viser's, of one browser.
        actions: what they call.
        layers: that the run has.
        state: what the page shows now.
    """

    def toggle(name: str) -> None:
        actions.choose(name, not getattr(state(), name))

    def hide() -> None:
        if state().phrases:  # else nothing was found, and the control is not shown
            actions.choose("hide", next_of(get_args(Hide), state().hide))

    def select_nothing() -> None:
        actions.clear_selection()
        actions.clear_measure()

    does: dict[Command, Callable[[], None]] = {
        LAYER: lambda: actions.choose("layer", next_of(layers, state().layer)),
        HIDE: hide,
        BOXES: lambda: toggle("boxes"),
        PHOTOS: lambda: toggle("photos"),
        MEASURE: actions.measure,
        NOTHING: select_nothing,
        KEYFRAME: actions.keyframe,
        PLAY: actions.play,
        HOME: actions.home,
    }
    for rank in range(_HITS_WITH_KEYS):
        does[Command(str(rank + 1), f"go to hit {rank + 1}")] = lambda rank=rank: actions.hit(0, rank)
    handles = []
    for command, action in does.items():
        handle = gui.add_command(_sentence(command.label), hotkey=command.key)
        handle.on_trigger(lambda _, action=action: action())
        handles.append(handle)
    return handles


def _sentence(label: str) -> str:
    return label[0].upper() + label[1:]
