"""Two things at once on a GPU: what is begun ahead, and what is done with the result before it.

A GPU runs the kernels of one stream one after the other. Where the host waits for small ones, large ones of another
stream fill the gaps.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
_FIRST = -1  # priority: kernels that the GPU takes before those of other streams


@contextmanager
def urgent_stream(device: torch.device) -> Generator[None, None, None]:
    """What runs in here goes before what `SideStream` begins. Does nothing on a CPU."""
    if device.type != "cuda":
        yield
        return
    before, urgent = torch.cuda.current_stream(device), torch.cuda.Stream(device, priority=_FIRST)
    urgent.wait_stream(before)
    with torch.cuda.stream(urgent):
        yield
    before.wait_stream(urgent)


class SideStream:
    """A stream on which things are begun whose results the current stream uses; on a CPU everything is done at once.

    Attributes:
        is_another: whether it is another stream than the current one.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_another = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if self.is_another else None

    def begun(self, begin: Callable[[], Callable[[], T]]) -> Callable[[], T]:
        """Call `begin` on the stream, after all that the current stream was given; what it gives, to be called on the
        current stream, waits for it first. Begin no third thing before the first one was finished: memory that
        `begin` took is used again when the stream has waited here."""
        if self._stream is None:
            return begin()
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            finish = begin()
        done = self._stream.record_event()

        def finished() -> T:
            torch.cuda.current_stream(done.device).wait_event(done)
            return finish()

        return finished
