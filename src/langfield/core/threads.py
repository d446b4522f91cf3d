"""How many threads a CPU computes with, and how they wait for each other.

Every operation of torch is shared out to threads and waits for the last of them. Small operations gain nothing from
that on an idle machine, and lose everything on a busy one: there, at each of thousands of waits a second, one thread
is off its core. So pieces of work say how large they are, and only large ones get more than one thread. Sums stay the
same, bit for bit, in what langfield trains and asks with so few: no operation of theirs is large enough that torch adds
up in another order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

# A thread for so many rays at a time, measured on two cores, idle and busy.
RAYS_PER_THREAD_TRAINED = 2**10
RAYS_PER_THREAD_RENDERED = 2**12

_given: ContextVar[int | None] = ContextVar("threads that torch had before the first region", default=None)


@contextmanager
def torch_threads(count: int, device: torch.device) -> Iterator[None]:
    """On a CPU, compute in here with `count` threads, but at least one, and no more than torch had outside of all such
    regions; regions may lie within each other."""
    if device.type != "cpu":
        yield
        return
    before = torch.get_num_threads()
    most = _given.get() or before
    token = _given.set(most)
    torch.set_num_threads(max(1, min(count, most)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _given.reset(token)


@contextmanager
def all_torch_threads(device: torch.device) -> Iterator[None]:
    """On a CPU, compute in here with as many threads as torch had outside of all regions: for encoders."""
    with torch_threads(_given.get() or torch.get_num_threads(), device):
        yield
