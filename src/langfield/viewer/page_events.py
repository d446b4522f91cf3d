"""What happens to one browser's page, in order: viser calls back from many threads, and one takes all of it."""

import contextlib
import logging
import queue
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

_MOST_EVENTS = 1000  # that wait; a browser that sends more is too fast for its own good
_log = logging.getLogger(__name__)


class PageEvents:
    """Events of a person, and wake-ups, which only say that there is something to look at. `take` is for one thread."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_EVENTS)

    def post(self, event: Callable[..., None], *arguments: Any) -> None:
        """Something that a person did is to be done. It is dropped if very many wait."""
        try:
            self._queue.put_nowait(partial(event, *arguments))
        except queue.Full:
            _log.debug("a browser sends more than can be done")

    def wake(self) -> None:
        """Wait no longer."""
        if self._queue.empty():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)

    @property
    def person_waits(self) -> bool:
        """Whether a person has done something that was not taken yet; wake-ups do not count."""
        with self._queue.mutex:
            return any(event is not None for event in self._queue.queue)

    def take(self, timeout: float) -> Iterator[Callable[[], None]]:
        """What has happened, in order, until nothing is left or a wake-up comes. Args: timeout: the longest wait."""
        with contextlib.suppress(queue.Empty):
            event = self._queue.get(timeout=timeout)
            while event is not None:
                yield event
                event = self._queue.get_nowait()
