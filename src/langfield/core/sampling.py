"""Fewer of many: which items of a sequence are taken where there is no time for all of them."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def subsample_evenly(items: Sequence[T], at_most: int | None) -> list[T]:
    """At most `at_most` of the items in their order, spread evenly, the first and the last among them.

    They are those at the rounded places of `at_most` even steps from 0 to the last. All items where they are no more
    than that, or for None; of 1, the first.
    """
    if at_most is None or len(items) <= at_most:
        return list(items)
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, at_most).round().astype(int))]


def every_nth_to_fit(items: Sequence[T], at_most: int) -> list[T]:
    """Every n-th item from the first on, for the smallest n that leaves at most `at_most` (1 or more) of them.

    Equal steps, unlike `subsample_evenly`, but often fewer items: of 10 and at most 4 it is every third, of 9 and at
    most 8 every second. The last is seldom among them.
    """
    return [] if not items else list(items[:: -(-len(items) // at_most)])
