"""Small parts that the page's controls are made of: texts as HTML, and inputs that call back only for persons."""

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

NO_NAME = "…"  # of a list in which nothing is chosen


def on_change(part: Any, action: Callable[[Any], object]) -> None:
    """Call an action when the person changes an input, not when the program does."""
    part.on_update(lambda event: None if event.client is None else action(event.target.value))


def small(text: str) -> str:
    """HTML of a line in small letters. Args: text: is escaped."""
    return f'<div style="padding:0 0.8em 0.6em;font-size:0.85em">{html.escape(text)}</div>'


def size_text(size: Sequence[float]) -> str:
    """Three lengths with the decimals that tell two digits of the longest."""
    longest = max(size)
    decimals = max(0, 1 - math.floor(math.log10(longest))) if 0 < longest < math.inf else 2
    return " x ".join(f"{side:.{decimals}f}" for side in size)


def length_text(length: float) -> str:
    """A length with three digits, never as a power of ten."""
    if not 0 < length < math.inf:
        return f"{length:g}"
    return f"{length:.{max(0, 2 - math.floor(math.log10(length)))}f}"
