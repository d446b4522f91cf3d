"""A function of one tensor, that gives one or several, as a CUDA graph: its kernels are recorded once and then
launched whole.

A text encoder of twelve layers is some two hundred small kernels, and the host takes longer to launch them than the GPU
to run them: 8 ms for one phrase with ViT-B/16's text half on an H100, most of it waiting.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

_WARM_UPS = 3

_log = logging.getLogger(__name__)


R = TypeVar("R", Tensor, tuple[Tensor, ...])


class Recorded(Generic[R]):
    """`function`, recorded for inputs of one shape, on CUDA, when it is called with them for the second time: whoever
    asks once does not wait for a recording.

    A function that cannot be recorded (it waits for the device, say), or whose recording gives something else, is
    called as it is, each time. Threads take turns.
    """

    def __init__(self, function: Callable[[Tensor], R]) -> None:
        """Args: function: pure, for what it does to anything but its result is done once. It is kept alive."""
        self._function = function
        self._lock = threading.Lock()
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._static_input: Tensor | None = None
        self._static_output: R | None = None
        self._read: torch.cuda.Event | None = None  # when the last result had been copied

    @property
    def recorded(self) -> bool:
        """Whether calls replay a recording."""
        return self._graph is not None

    @torch.no_grad()
    def __call__(self, given: Tensor) -> R:
        """The result, in memory of its own."""
        with self._lock:
            self._calls += 1
            if self._calls == 2:
                with torch.cuda.device(given.device):
                    self._record(given)
            static_input, static_output = self._static_input, self._static_output
            same_form = static_input is not None and (static_input.shape, static_input.dtype, static_input.device) == (
                given.shape,
                given.dtype,
                given.device,
            )
            if self._graph is None or static_input is None or static_output is None or not same_form:
                return self._function(given)
            stream = torch.cuda.current_stream(given.device)
            if self._read is not None:  # the last call may have been on another stream
                stream.wait_event(self._read)
            static_input.copy_(given)
            self._graph.replay()
            copied = _copied(static_output)
            self._read = torch.cuda.Event()
            self._read.record(stream)
            return copied

    def _record(self, given: Tensor) -> None:
        static_input, stream = given.clone(), torch.cuda.Stream()
        expected = self._function(given)
        try:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    self._function(static_input)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads decode photos meanwhile: what they do is no part of this.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                static_output = self._function(static_input)
            graph.replay()
            if not _alike(static_output, expected):
                raise RuntimeError("the recording gives something else")
        except RuntimeError as error:
            torch.cuda.synchronize()
            _log.info("not recorded: %s", str(error).splitlines()[0])
            return
        self._graph, self._static_input, self._static_output = graph, static_input, static_output
        self._read = torch.cuda.Event()
        self._read.record()


def _copied(result: Any) -> Any:
    return result.clone() if isinstance(result, Tensor) else tuple(part.clone() for part in result)


def _alike(found: Any, expected: Any) -> bool:
    pairs = [(found, expected)] if isinstance(found, Tensor) else list(zip(found, expected, strict=True))
    return all(torch.allclose(a, b, rtol=1e-2, atol=1e-3) for a, b in pairs)
