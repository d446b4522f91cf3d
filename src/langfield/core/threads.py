"""How many threads a CPU computes with, and how they wait for each other.

Every operation of torch is shared out to threads and waits for the last of them. Small operations gain nothing from
that on an idle machine, and lose everything on a busy one: there, at each of thousands of waits a second, one thread
is off its core. So pieces of work say how large they are, and only large ones get more than one thread. Sums stay the
same, bit for bit, in what langfield trains and asks with so few: no operation of theirs is large enough that torch adds
up in another order.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

# A thread for so many rays at a time, measured on two cores, idle and busy.
RAYS_PER_THREAD_TRAINED = 2**10
RAYS_PER_THREAD_RENDERED = 2**12

# Torch's number belongs to the process: what it was outside of all regions, and how many regions of threads are open.
_lock = threading.Lock()
_outside, _open = 1, 0
_within: ContextVar[bool] = ContextVar("whether this thread is in a region", default=False)


@contextmanager
def torch_threads(count: int, device: torch.device) -> Iterator[None]:
    """On a CPU, compute in here with `count` threads, but at least one, and no more than torch had outside of all such
    regions; regions may lie within each other, and several threads may be in some of their own."""
    if device.type != "cpu":
        yield
        return
    before, outermost = torch.get_num_threads(), not _within.get()
    if outermost:
        before = _entered(before)
    token = _within.set(True)
    torch.set_num_threads(max(1, min(count, _outside)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _within.reset(token)
        if outermost:
            _left()


@contextmanager
def all_torch_threads(device: torch.device) -> Iterator[None]:
    """On a CPU, compute in here with as many threads as torch had outside of all regions: for encoders."""
    with torch_threads(_outside if _open else torch.get_num_threads(), device):
        yield


def _entered(now: int) -> int:
    """Count a thread that comes in, and say how many threads torch has outside: `now`, if none is in a region yet."""
    global _outside, _open
    with _lock:
        if not _open:
            _outside = now
        _open += 1
        return _outside


def _left() -> None:
    global _open
    with _lock:
        _open -= 1
