"""Whole training steps as CUDA graphs, recorded once and then launched by one call.

A step is some 600 small kernels; launching them one by one takes the host two to three times as long as the GPU
needs to run them. What must hold for a recorded step: fixed shapes, no wait for the device, randomness from a
registered generator, and everything that lives from step to step (parameters, moments, counters) updated in place.
"""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

Step = Callable[[], dict[str, Tensor]]


class StepGraphs:
    """A recorded graph for each phase of a model (see `Model.phase`)."""

    def __init__(self, generator: torch.Generator) -> None:
        """Args: generator: on the CUDA device; all random numbers of a step come from it."""
        self._generator = generator
        self._recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}
        self._pool: Any = None  # torch has no public type for it

    def run(self, phase: Hashable, step: Step) -> dict[str, Tensor]:
        """Run `step`, recording it first if its phase is new. It must have run before without a graph, so that every
        kernel is compiled. The returned tensors are overwritten by the next run of the same phase."""
        if phase not in self._recorded:
            self._recorded[phase] = self._record(step)
        graph, results = self._recorded[phase]
        graph.replay()
        return results

    def clear(self) -> None:
        """Drop all recordings: the tensors that they write to have been replaced."""
        self._recorded.clear()
        self._pool = None

    def _record(self, step: Step) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # what steps without a graph have cached cannot be used within one
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, pool=self._pool):
            results = step()
        return graph, results
