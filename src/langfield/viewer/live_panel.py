"""The controls of a page that shows a training: how far it is, what can be done with it, and the camera's."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import viser

from langfield.core.progress import ProgressEvent
from langfield.viewer.live_scene import LiveScene
from langfield.viewer.live_training import TRAINING, LiveFigures

LiveLayer = Literal["Picture", "Depth"]
LAYERS: tuple[LiveLayer, ...] = ("Picture", "Depth")
_NO_NAME = "…"
_LOSS_COLOUR, _PSNR_COLOUR = "#e8590c", "#4dabf7"
_GREY = "#868e96"
_CHART_HEIGHT_PX = 190
_AXIS_PX = {1: 56, 2: 30, 3: 44}  # right, bottom, left


@dataclass(frozen=True)
class LiveActions:
    """What the controls call; each may be called from any thread.

    Attributes:
        prompt: phrases were typed, to be asked when the training is over.
        layer: another picture is to be seen.
        pause: the training is to wait, or to go on.
        end: it is to end early.
        home: the camera is to go where it was first.
        photo: the photo of a name is to be stood at.
        field_of_view: vertical, degrees.
        changed: what the controls show is to be brought up to date.
    """

    prompt: Callable[[str], None]
    layer: Callable[[LiveLayer], None]
    pause: Callable[[bool], None]
    end: Callable[[], None]
    home: Callable[[], None]
    photo: Callable[[str], None]
    field_of_view: Callable[[float], None]
    changed: Callable[[], None]


class LivePanel:
    """The controls of one browser.

    Args:
        client: whose.
        actions: what they call.
        scene: where the photos are; None before the model is made, and then only how far it is can be shown.
        prompt: what was typed before.
    """

    def __init__(
        self, client: viser.ClientHandle, actions: LiveActions, scene: LiveScene | None, prompt: str = ""
    ) -> None:
        self._gui: Any = client.gui  # its types take only options that are literals
        self._actions = actions
        self._parts: list[Any] = []
        self._chart: Any = None
        self._chart_until = 0.0  # the last step in it
        self._asks_to_end = False
        with client.atomic():
            self._build(scene, prompt)

    def remove(self) -> None:
        """Take all of them away."""
        for part in reversed(self._parts):
            part.remove()
        self._parts = []

    def say(self, text: str, *, problem: bool = False) -> None:
        """A line under the prompt. Args: text: is escaped; "" for none. problem: whether it says what went wrong."""
        colour = _LOSS_COLOUR if problem else "inherit"
        style = f"padding:0 0.8em 0.5em;font-size:0.85em;color:{colour}"
        self._status.content = f'<div role="status" style="{style}">{html.escape(text)}</div>' if text else ""

    def show(self, figures: LiveFigures) -> None:
        """Show how far the training is."""
        self._figures.content = figures_html(figures)
        asks = self._asks_to_end and figures.trains
        self._pause.visible = figures.trains and not figures.paused and not asks
        self._resume.visible = figures.trains and figures.paused and not asks
        self._end.visible = figures.trains and not asks
        self._yes.visible = self._no.visible = asks
        if len(figures.curve) > 1 and figures.curve[-1][0] != self._chart_until:
            self._chart_until = figures.curve[-1][0]
            self._draw_chart(chart_data(figures.curve))

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self, scene: LiveScene | None, prompt: str) -> None:
        gui, actions = self._gui, self._actions
        if scene is not None and scene.session.has_language:
            form = self._added(gui.add_form(None))
            with form:
                text = gui.add_text("Find", prompt)
                find = gui.add_button("Find", icon="search")
            form.on_submit(lambda _: actions.prompt(text.value))
            find.on_click(lambda _: actions.prompt(text.value))
        self._status = self._added(gui.add_html(""))
        self._figures = self._added(gui.add_html(""))
        self._pause = self._button("Pause", "player-pause", None, lambda: actions.pause(True))
        self._resume = self._button("Resume", "player-play", None, lambda: actions.pause(False))
        hint = "Its result so far is finished and saved as a run"
        self._end = self._button("Stop and save", "player-stop", "gray", lambda: self._ask_to_end(True), hint)
        self._yes = self._button("Yes, stop here and save", "player-stop", "red", actions.end)
        self._no = self._button("No, go on", None, "gray", lambda: self._ask_to_end(False))
        self._chart_folder = self._added(gui.add_folder(None))
        if scene is not None:
            self._build_looking(scene)

    def _build_looking(self, scene: LiveScene) -> None:
        gui, actions = self._gui, self._actions
        layer = self._added(gui.add_dropdown("Layer", LAYERS))
        self._on_change(layer, lambda value: value in LAYERS and actions.layer(value))
        with self._added(gui.add_folder("Camera", expand_by_default=False)):
            gui.add_button("Back to the start", icon="home", color="gray").on_click(lambda _: actions.home())
            photo = gui.add_dropdown("Stand at photo", (_NO_NAME, *(view.name for view in scene.photos)))
            self._on_change(photo, lambda name: name != _NO_NAME and actions.photo(name))
            degrees = min(110.0, max(15.0, round(math.degrees(scene.first_fov_rad))))
            fov = gui.add_slider("Field of view", 15.0, 110.0, 1.0, degrees)
            self._on_change(fov, lambda value: actions.field_of_view(float(value)))

    def _button(
        self, label: str, icon: str | None, color: str | None, action: Callable[[], None], hint: str | None = None
    ) -> Any:
        button = self._added(self._gui.add_button(label, icon=icon, color=color, hint=hint, visible=False))
        button.on_click(lambda _: action())
        return button

    def _ask_to_end(self, asks: bool) -> None:
        self._asks_to_end = asks
        self._actions.changed()

    def _draw_chart(self, data: tuple[np.ndarray, ...]) -> None:
        if self._chart is not None and len(self._chart.data) == len(data):
            self._chart.data = data
            return
        if self._chart is not None:
            self._chart.remove()
        series = [{"label": "step"}, {"label": "loss", "stroke": _LOSS_COLOUR, "width": 2, "scale": "y"}]
        axes = [_axis("x", 2, _GREY), _axis("y", 3, _LOSS_COLOUR)]
        if len(data) > 2:
            series.append({"label": "PSNR", "stroke": _PSNR_COLOUR, "width": 2, "scale": "dB"})
            axes.append(_axis("dB", 1, _PSNR_COLOUR) | {"grid": {"show": False}})
        with self._chart_folder:
            self._chart = self._gui.add_uplot(
                data,
                tuple(series),
                scales={"x": {"time": False}, "y": {"distr": 3}, "dB": {"auto": True}},
                axes=tuple(axes),
                legend={"show": True},
                height=_CHART_HEIGHT_PX,
                padding=(10, 0, 0, 0),
            )

    def _added(self, part: Any) -> Any:
        self._parts.append(part)
        return part

    @staticmethod
    def _on_change(part: Any, action: Callable[[Any], object]) -> None:
        """Call an action when the person changes an input."""
        part.on_update(lambda event: None if event.client is None else action(event.target.value))


def _axis(scale: str, side: int, colour: str) -> dict[str, Any]:
    grid = {"stroke": "rgba(134,142,150,0.25)", "width": 1}
    return {"scale": scale, "side": side, "stroke": colour, "grid": grid, "ticks": grid, "size": _AXIS_PX[side]}


def chart_data(curve: Sequence[tuple[float, float, float]]) -> tuple[np.ndarray, ...]:
    """Steps, losses and, where all points have one, PSNRs; without points whose loss a logarithm cannot show."""
    points = np.array(curve, dtype=np.float64)
    points = points[np.isfinite(points[:, 1]) & (points[:, 1] > 0)]
    columns = points.T if np.isfinite(points[:, 2]).all() else points[:, :2].T
    return tuple(np.ascontiguousarray(column) for column in columns)


def figures_html(figures: LiveFigures) -> str:
    """How far a training is, as HTML."""
    event = figures.event
    if figures.over:
        return _box("Trained", 1.0, "Opening the run: the page goes on with it.")
    if event is None:
        return _box("Getting ready", 0.0, "Reading the scene and the encoders.")
    share = event.done / event.total if event.total else 0.0
    if event.stage != TRAINING:
        return _box(event.stage.capitalize(), share, f"{event.done:,} of {event.total:,} {event.unit}")
    title = "Paused" if figures.paused else "Stopping" if figures.ended else "Training"
    return _box(title, share, f"step {event.done:,} of {event.total:,}", training_figures(event, figures))


def training_figures(event: ProgressEvent, figures: LiveFigures) -> list[tuple[str, str]]:
    """Names and values of what a training tells."""
    shown = []
    if (loss := event.metrics.get("loss")) is not None:
        shown.append(("loss", f"{loss:.4g}"))
    if (psnr := event.metrics.get("psnr")) is not None:
        shown.append(("PSNR", f"{psnr:.2f} dB"))
    if event.rate > 0:
        shown.append(("steps/s", f"{event.rate:.3g}"))
    if event.eta_seconds is not None and figures.trains:
        shown.append(("to go", _duration(event.eta_seconds)))
    return shown


def _box(title: str, share: float, line: str, values: Sequence[tuple[str, str]] = ()) -> str:
    percent = 100 * min(max(share, 0.0), 1.0)
    cells = "".join(
        f'<div><div style="opacity:0.65;font-size:0.8em">{html.escape(name)}</div>'
        f'<div style="font-variant-numeric:tabular-nums;font-weight:600">{html.escape(value)}</div></div>'
        for name, value in values
    )
    row = f'<div style="display:flex;justify-content:space-between;gap:0.5em;margin-top:0.5em">{cells}</div>'
    return (
        '<div style="padding:0.1em 0.8em 0.7em;font-size:0.9em">'
        '<div style="display:flex;justify-content:space-between;gap:0.6em">'
        f'<span style="font-weight:600">{html.escape(title)}</span>'
        f'<span style="opacity:0.8;font-variant-numeric:tabular-nums">{html.escape(line)}</span></div>'
        '<div style="height:6px;border-radius:3px;background:rgba(134,142,150,0.3);margin-top:0.4em">'
        f'<div style="height:6px;border-radius:3px;background:#2979c4;width:{percent:.1f}%"></div></div>'
        f"{row if values else ''}</div>"
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest} s"
