"""Looking at a run while it is trained."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from langfield.query.session import Session
from langfield.training.observer import Observer


@runtime_checkable
class TrainObserver(Observer, Protocol):
    """An `Observer` of a run's training, which also gets the run to look at."""

    def begins(self, session_now: Callable[[], Session]) -> None:
        """Called once, before the first step.

        Args:
            session_now: gives a session of the model as it is, to be used within one call of `between_steps` only: it
                keeps what it has rendered, and so becomes wrong with the next step. It can be asked for phrases only
                where the model has language by then.
        """
        ...
