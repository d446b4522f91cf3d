"""Looking at a training from within it, between two steps, and telling it to wait or to end."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Observer(Protocol):
    """What looks at a training between its steps. The training's own thread calls it: nothing changes meanwhile.

    It may read the model, and must change nothing that the training depends on: parameters, buffers, generators. What
    it raises is logged, and it is not asked again; the training goes on.

    Attributes:
        paused: whether no step is to be done for now.
        ended: whether the training is to end here as after its last step, though steps are left.
    """

    @property
    def paused(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    def between_steps(self, step: int) -> None:
        """Called after each step, and again and again while paused. Args: step: how many steps are done."""
        ...
