"""Which photos are trained on and which are kept for testing."""

from collections.abc import Sequence
from dataclasses import dataclass

from langfield.core.errors import UsageError
from langfield.data.unknown_places import FEW_VIEWS

TEST_EVERY = 8  # where neither the files nor the user say it


@dataclass(frozen=True)
class Split:
    """The photos of a scene, divided.

    Attributes:
        train: indices of the views to train on.
        test: indices of the views to test on.
        test_every: every how many-th view by name is tested on; 0 for none, None for the files' own split.
        how: in words.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    test_every: int | None
    how: str


def check_test_every(test_every: int | None) -> None:
    """Raise UsageError for what is no whole number, and for numbers that leave nothing to train on."""
    if test_every is None:
        return
    whole = isinstance(test_every, int) and not isinstance(test_every, bool)
    if not whole or test_every < 0 or test_every == 1:
        none_left = ": of every one none is left to train on" if whole and test_every == 1 else ""
        raise UsageError(f"test_every must be at least 2, or 0 to train on all photos, found {test_every!r}{none_left}")


def split_views(
    names: Sequence[str], own: tuple[frozenset[str], frozenset[str]] | None, test_every: int | None
) -> Split:
    """Divide views.

    Args:
        names: of the views, sorted.
        own: names to train on and to test on, as the scene's files have it; None where they do not.
        test_every: as in `Split`; None for the files' own split; where they have none, every eighth, or, of up to
            three, none.
    """
    everyone = range(len(names))
    if test_every is None and own is not None:
        train, test = (tuple(i for i in everyone if names[i] in part) for part in own)
        return Split(train, test, None, "the files' own split")
    if test_every is None and len(names) <= FEW_VIEWS:
        return Split(tuple(everyone), (), 0, "photos are few")
    every = TEST_EVERY if test_every is None else test_every
    how = "all are trained on" if every == 0 else f"every {_ordinal(every)} by name"
    if own is not None:
        how += ", not the files' own split"
    test = () if every == 0 else tuple(everyone[::every])
    return Split(tuple(i for i in everyone if i not in set(test)), test, every, how)


def _ordinal(number: int) -> str:
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
