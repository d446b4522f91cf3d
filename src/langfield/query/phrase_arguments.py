"""Questions as people give them: a list of phrases where several may be meant, one text where one is, a threshold,
points.

In Python a text is a sequence of texts, its letters: "mug" in place of ["mug"] would be asked as "m", "u" and "g".
"""

from collections.abc import Iterable
from typing import Any, SupportsFloat

import numpy as np
from jaxtyping import Float64

from langfield.core.errors import UsageError


def text_list(given: Any, name: str) -> tuple[str, ...]:
    """The texts of a list, or of anything else that holds texts. UsageError for a text alone, and for what holds none.

    Args:
        name: of the argument.
    """
    if isinstance(given, str):
        raise UsageError(f"{name} must be a list of texts, found one text: write {name}=[{_shown(given)}]")
    if isinstance(given, (bytes, dict)) or not isinstance(given, Iterable):
        raise UsageError(f'{name} must be a list of texts, such as ["mug", "wooden spoon"], found {_kind(given)}')
    texts = tuple(given)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f'{name} must hold nothing but texts, such as ["mug"], found {_kind(text)} among them')
    return texts


def negative_list(given: Any) -> tuple[str, ...] | None:
    """`text_list` of negative phrases; None stays None."""
    return None if given is None else text_list(given, "negatives")


def one_text(given: Any, name: str) -> str:
    """One text. UsageError for a list of them, and for anything else. Args: name: of the argument."""
    if not isinstance(given, str):
        raise UsageError(f'{name} must be one text, such as {name}="mug", found {_kind(given)}: ask for one at a time')
    return given


def share(given: Any, name: str) -> float:
    """A number in [0, 1]; UsageError for anything else. Args: name: of the argument."""
    if isinstance(given, (str, bool)) or not isinstance(given, SupportsFloat) or not 0 <= float(given) <= 1:
        raise UsageError(f"{name} must be a number from 0 to 1, found {_kind(given)}")
    return float(given)


def point_list(given: Any, name: str) -> Float64[np.ndarray, "n 3"]:
    """Points (N, 3), of one point (3,) too. UsageError for what are no finite points. Args: name: of the argument."""
    try:
        points = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be points (N, 3), such as [[0.1, 0.2, 0.05]], found {_kind(given)}") from None
    if points.ndim == 1 and len(points) == 3:
        points = points[None]
    if points.ndim != 2 or points.shape[1] != 3:
        raise UsageError(f"{name} must be points of the shape (N, 3), or (3,) for one, found the shape {points.shape}")
    if not np.isfinite(points).all():
        raise UsageError(f"{name} holds a point that is not finite")
    return points


def _shown(text: str) -> str:
    return '"' + text[:40].replace('"', "'") + '"'


def _kind(given: object) -> str:
    return "None" if given is None else f"{type(given).__name__} {str(given)[:40]}"
