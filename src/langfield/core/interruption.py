"""Work that may stop half-way because nobody needs its result any more, such as a picture of where a camera was.

Loops over parts of a picture call `stop_if_not_needed`; who wants to stop them does the work within `unless`. Without
it nothing is stopped. The check holds for the thread (more exactly, the context) that it was set in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHECK: ContextVar[Callable[[], bool] | None] = ContextVar("not_needed", default=None)


class NotNeeded(Exception):
    """The result of what was under way is not needed any more. Caught by whoever said so (`unless`)."""


@contextmanager
def unless(not_needed: Callable[[], bool]) -> Iterator[None]:
    """Within it, `stop_if_not_needed` raises NotNeeded as soon as the result is not needed any more.

    Args:
        not_needed: whether that is so; called often, so it must be quick.
    """
    token = _CHECK.set(not_needed)
    try:
        yield
    finally:
        _CHECK.reset(token)


def stop_if_not_needed() -> None:
    """Raise NotNeeded if what this thread works at is not needed any more; nothing outside of `unless`."""
    check = _CHECK.get()
    if check is not None and check():
        raise NotNeeded
