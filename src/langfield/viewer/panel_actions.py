"""What the page's controls call, and what they offer of a run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langfield.viewer.run_scene import RunScene
from langfield.viewer.runs import Runs
from langfield.viewer.state import BESIDE_PHOTO, BESIDE_RUN, Layer, layers_of


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
        measure: the next two clicks measure a distance.
        clear_measure: forget it.
        field_of_view: vertical, degrees.
        keyframe: the camera is to be kept.
        clear_keyframes: all of them are to be forgotten.
        play: the camera is to fly along the keyframes.
        video: a video of the keyframes' path is to be made.
        cancel_video: it is not needed any more.
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
    measure: Callable[[], None]
    clear_measure: Callable[[], None]
    field_of_view: Callable[[float], None]
    keyframe: Callable[[], None]
    clear_keyframes: Callable[[], None]
    play: Callable[[], None]
    video: Callable[[], None]
    cancel_video: Callable[[], None]
    save: Callable[[int], None]
    home: Callable[[], None]


@dataclass(frozen=True)
class PanelFacts:
    """What the controls offer, which depends on the run.

    Attributes:
        runs: names of all runs.
        has_language: whether phrases can be asked.
        has_groups: whether things can be clicked.
        layers: what can be drawn.
        besides: what can lie beside the picture, as `ViewerState.beside` has it, and its label.
        crop_heights: tells the smallest and largest height of crops, world units; None while that is not known.
        photos: names of photos that can be stood at.
        fov_deg: the field of view at first.
        scale_range: shortest and longest that a selection can be, world units.
        saves: label and hint of each thing that can be saved.
        default_negatives: what phrases compete with if nobody says otherwise.
    """

    runs: Sequence[str]
    has_language: bool
    has_groups: bool
    layers: Sequence[Layer]
    besides: Sequence[tuple[str, str]]
    crop_heights: Callable[[], tuple[float, float] | None]
    photos: Sequence[str]
    fov_deg: float
    scale_range: tuple[float, float]
    saves: Sequence[tuple[str, str]]
    default_negatives: Sequence[str]


def facts_of_run(scene: RunScene, runs: Runs, saves: Sequence[tuple[str, str]]) -> PanelFacts:
    """What the controls of a run offer. Args: runs: all of them. saves: label and hint of each that can be saved."""
    session = scene.session
    size = 1.0 / scene.page_from_world.scale
    return PanelFacts(
        runs=runs.names,
        has_language=session.has_language,
        has_groups=session.has_groups,
        layers=layers_of(session.has_language, session.has_groups),
        besides=besides_of_run(scene, runs),
        crop_heights=lambda: session.crop_height_range() if runs.is_ready(scene.name) else None,
        photos=tuple(view.name for view in scene.photos),
        fov_deg=math.degrees(scene.first_fov_rad),
        scale_range=(0.02 * size, 2.0 * size),
        saves=saves,
        default_negatives=scene.default_negatives,
    )


def besides_of_run(scene: RunScene, runs: Runs) -> list[tuple[str, str]]:
    """What can lie beside a run's picture, and its label: nothing, its photos where they are there, other runs."""
    photo = [(BESIDE_PHOTO, "Its photo")] if scene.run_photos.are_there else []
    others = [(BESIDE_RUN + name, f"Run {name}") for name in runs.names if name != scene.name]
    return [("", "Nothing"), *photo, *others]
