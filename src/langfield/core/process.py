"""Settings of a whole process, for the command line, whose process is its own. To be made before torch is imported."""

import ctypes
import os
from collections.abc import Mapping

# Threads of an OpenMP region that wait spin so often, some microseconds, before they sleep; libgomp's own choice is
# milliseconds, which on a busy machine keep the very thread that they wait for off its core. Of other OpenMPs and of
# OpenBLAS likewise.
_WAITING: Mapping[str, str] = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "12"}
_OWN_CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
# Of glibc's mallopt: blocks up to this size come from the heap, and freed heap is kept up to this size. Otherwise every
# large temporary tensor is made of fresh pages, which costs as much as what is computed in it.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30


def settle_process() -> None:
    """Let waiting threads sleep, unless the person's environment says how they wait, and let freed memory be kept."""
    if not any(name in os.environ for name in _OWN_CHOICES):
        os.environ.update(_WAITING)
    _keep_memory()


def _keep_memory() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return  # another C library
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
