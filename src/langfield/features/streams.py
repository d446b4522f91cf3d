"""Two things at once on a GPU: what is begun ahead, and what is done with the result of what was begun before it.

A GPU runs the kernels of one CUDA stream one after the other. Where the host waits for small ones, large ones of
another stream fill the gaps.
"""

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
_HIGH_PRIORITY = -1  # for CUDA; 0 is what streams have unless told


class SideStream:
    """A CUDA stream on which things are begun whose results the current stream uses; on a CPU all is done at once.

    Attributes:
        is_asynchronous: whether what is begun goes on while the current stream does something else.
    """

    def __init__(self, stream: torch.cuda.Stream | None) -> None:
        self._stream = stream
        self.is_asynchronous = stream is not None

    def begun(self, begin: Callable[[], Callable[[], T]]) -> Callable[[], T]:
        """Call `begin` on the side stream, after all that the current stream was given so far. What comes back is to be
        called on the current stream, waits there for what was begun, and calls what `begin` gave.

        Tensors of the current stream that `begin` reads must live until then. Memory that `begin` took may be used
        again by the next call of this: by then all that reads it must have been given to the current stream.
        """
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


@contextmanager
def side_stream(device: torch.device) -> Generator[SideStream, None, None]:
    """A side stream; what else runs in here is on a stream of high priority, whose kernels a GPU takes first.

    What the caller does afterwards waits for both.
    """
    if device.type != "cuda":
        yield SideStream(None)
        return
    before, (urgent, aside) = torch.cuda.current_stream(device), _streams(device)
    urgent.wait_stream(before)
    try:
        with torch.cuda.stream(urgent):
            yield SideStream(aside)
    finally:
        before.wait_stream(urgent)
        before.wait_stream(aside)


@functools.cache
def _streams(device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.Stream]:
    """The same ones each time: torch keeps the memory that a stream has used for that stream."""
    return torch.cuda.Stream(device, priority=_HIGH_PRIORITY), torch.cuda.Stream(device)
