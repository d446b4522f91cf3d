"""One thread after another in a session's methods."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

import torch

from langfield.core.threads import RAYS_PER_THREAD_RENDERED, torch_threads
from langfield.models.base import Model


@runtime_checkable
class TakesTurns(Protocol):
    """What has methods that only one thread at a time may be in. (Checkable, for tests check all types.)"""

    device: torch.device
    _turn: threading.RLock

    @property
    def model(self) -> Model:
        """Whose rays say how many cores a method computes on."""
        ...


S = TypeVar("S", bound=TakesTurns)
P = ParamSpec("P")
R = TypeVar("R")


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let one thread at a time into an object's methods; from one into another the same thread may go on."""

    @wraps(method)
    def turn(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        threads = self.model.config.rays_at_once // RAYS_PER_THREAD_RENDERED
        with self._turn, torch_threads(threads, self.device):
            return method(self, *args, **kwargs)

    return turn
