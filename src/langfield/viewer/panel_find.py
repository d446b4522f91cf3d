"""The controls that ask: the prompt, what it says, and what was found."""

import html
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from langfield.query.answers import Answer, Hit
from langfield.query.objects import SceneObject
from langfield.viewer.palette import PHRASE_COLOURS, swatch
from langfield.viewer.panel_actions import Actions, PanelFacts
from langfield.viewer.panel_parts import NO_NAME, on_change, size_text, small
from langfield.viewer.run_photos import Thumbnail
from langfield.viewer.state import MAX_PHRASES, ViewerState

_HITS_SHOWN = 4  # of each phrase, where several are asked
_HOW_TO_ASK = f"Type what to look for, and press Enter. Up to {MAX_PHRASES} phrases, with commas between."

_BADGE = (  # the number of a photo, on it
    "position:absolute;left:3px;top:3px;padding:0 0.4em;border-radius:3px;background:rgba(20,21,24,0.75);color:#fff;"
    "font-size:0.72em"
)


class FindControls:
    """The prompt, names of things to ask for, a line of news, and the hits.

    Args:
        gui: viser's, of one browser.
        together: lets a browser get several parts at once.
        state: that they show at first.
        facts: what they offer.
        actions: what they call.
    """

    def __init__(
        self,
        gui: Any,
        together: Callable[[], AbstractContextManager[object]],
        state: ViewerState,
        facts: PanelFacts,
        actions: Actions,
    ) -> None:
        self._gui, self._together, self._facts, self._actions = gui, together, facts, actions
        self._results: list[Any] = []
        self._prompt: Any = None
        self._suggestions: Any = None
        self.parts: list[Any] = []
        if facts.has_language:
            self._build_prompt(state)
        self._status = self._added(gui.add_html(""))
        self._results_folder = self._added(gui.add_folder(None))
        self._photos: list[Any] = []
        self._photos_folder = self._added(gui.add_folder(None, visible=False))

    def say(self, text: str, *, problem: bool = False) -> None:
        """A line under the prompt. Args: text: is escaped; "" for none. problem: whether it says what went wrong."""
        colour = "#e8590c" if problem else "inherit"
        style = f"padding:0 0.8em 0.5em;font-size:0.85em;color:{colour}"
        self._status.content = f'<div role="status" style="{style}">{html.escape(text)}</div>' if text else ""

    def show_answers(self, answers: Sequence[Answer]) -> None:
        """List what was found, and where."""
        for part in self._results:
            part.remove()
        self._results = []
        self.show_photos([])
        shown = None if len(answers) == 1 else _HITS_SHOWN
        with self._together(), self._results_folder:
            if not answers and self._facts.has_language:
                self._results.append(self._gui.add_html(small(_HOW_TO_ASK)))
            for number, answer in enumerate(answers):
                self._results.append(self._gui.add_html(_answer_line(answer, PHRASE_COLOURS[number])))
                for rank, hit in enumerate(answer.hits[:shown]):
                    button = self._gui.add_button(
                        _hit_label(rank, hit), color=PHRASE_COLOURS[number], hint=_hit_hint(hit), icon="focus-2"
                    )
                    button.on_click(lambda _, n=number, r=rank: self._actions.hit(n, r))
                    self._results.append(button)

    def show_photos(self, thumbnails: Sequence[Thumbnail]) -> None:
        """Show the photos that show a hit best, the best first; a click on one stands there. An empty list
        shows nothing."""
        for part in self._photos:
            part.remove()
        self._photos = []
        self._photos_folder.visible = bool(thumbnails)
        if not thumbnails:
            return
        numbers = tuple(str(number + 1) for number in range(len(thumbnails)))
        names = dict(zip(numbers, (thumbnail.name for thumbnail in thumbnails), strict=True))
        with self._together(), self._photos_folder:
            pictures = self._gui.add_html(_pictures(thumbnails))
            group = self._gui.add_button_group("Stand there", numbers, hint="At the photo of this number")
        group.on_click(lambda event: event.target.value in names and self._actions.photo(names[event.target.value]))
        self._photos = [pictures, group]

    def suggest(self, objects: Sequence[SceneObject]) -> None:
        """Offer names of the scene's things to ask for."""
        names = list(dict.fromkeys(found.name for found in objects if found.name and found.score >= 0.5))
        if names and self._suggestions is not None:
            self._suggestions.options = (NO_NAME, *names[:60])
            self._suggestions.visible = True

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
            gui.add_dropdown("In this scene", (NO_NAME,), visible=False, hint="Names of things that are here")
        )
        on_change(self._suggestions, self._suggested)

    def _suggested(self, name: str) -> None:
        if name != NO_NAME:
            self._prompt.value = name
            self._actions.prompt(name)

    def _added(self, part: Any) -> Any:
        self.parts.append(part)
        return part


def _pictures(thumbnails: Sequence[Thumbnail]) -> str:
    """HTML of numbered photos; the page's script takes a click for one on the button of the same number."""
    figures = "".join(
        f'<figure data-langfield-press="{number + 1}" title="{html.escape(thumbnail.name, quote=True)}" '
        'style="margin:0;cursor:pointer;min-width:0;position:relative">'
        f'<img alt="{html.escape(thumbnail.name, quote=True)}" src="{thumbnail.source}" '
        'style="width:100%;aspect-ratio:4/3;object-fit:cover;border-radius:4px;display:block"/>'
        f'<span style="{_BADGE}">{number + 1}</span>'
        '<figcaption style="font-size:0.72em;opacity:0.8;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;'
        f'text-align:center">{html.escape(thumbnail.caption)}</figcaption></figure>'
        for number, thumbnail in enumerate(thumbnails)
    )
    style = f"display:grid;grid-template-columns:repeat({max(2, len(thumbnails))},1fr);gap:0.35em;padding:0 0.8em 0.4em"
    title = '<div style="padding:0.1em 0.8em 0.25em;font-size:0.85em;opacity:0.8">Seen best in</div>'
    return f'{title}<div style="{style}">{figures}</div>'


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


def _hit_hint(hit: Hit) -> str:
    place = ", ".join(f"{value:.3g}" for value in hit.position)
    seen = f" Best seen in {', '.join(hit.views[:2])}." if hit.views else ""
    return f"Go there: {place}.{seen}"
