"""A function of one tensor as a CUDA graph: its kernels are recorded once and then launched whole.

A text encoder of twelve layers is some two hundred small kernels, and the host takes longer to launch them than the GPU
to run them: 8 ms for one phrase with ViT-B/16's text half on an H100, most of it waiting.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UPS = 3

_log = logging.getLogger(__name__)


class Recorded:
    """`function`, recorded for inputs of one shape when it is first called with them, on CUDA.

    A function that cannot be recorded (it waits for the device, say) is called as it is, each time.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        """Args: function: pure, for what it does to anything but its result is done once."""
        self._function = function
        self._graph: torch.cuda.CUDAGraph | None = None
        self._given: Tensor | None = None
        self._made: Tensor | None = None
        self._refused = False

    @torch.no_grad()
    def __call__(self, given: Tensor) -> Tensor:
        """The result, in memory of its own."""
        if self._given is None and not self._refused:
            self._record(given)
        if self._graph is None or self._given is None or self._made is None or self._given.shape != given.shape:
            return self._function(given)
        self._given.copy_(given)
        self._graph.replay()
        return self._made.clone()

    def _record(self, given: Tensor) -> None:
        place = given.clone()
        try:
            stream = torch.cuda.Stream(given.device)
            stream.wait_stream(torch.cuda.current_stream(given.device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    self._function(place)
            torch.cuda.current_stream(given.device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads decode photos meanwhile: what they do is no part of this.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                made = self._function(place)
        except RuntimeError as error:
            torch.cuda.synchronize(given.device)
            _log.info("not recorded: %s", str(error).splitlines()[0])
            self._refused = True
            return
        self._graph, self._given, self._made = graph, place, made
