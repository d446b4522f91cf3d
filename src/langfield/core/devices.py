"""Which device to compute on, and copies to it that do not wait."""

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from langfield.core.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU. A GPU named by number becomes torch's current one.

    Raises UsageError for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r} is not there: torch sees {torch.cuda.device_count()} GPUs; use auto or cpu")
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # Triton and graphs work on the current device
    return device


def to_device_async(
    numbers: np.ndarray, device: torch.device, dtype: type[np.generic] = np.float32
) -> Shaped[Tensor, "..."]:
    """Numbers on the device, as float32 or what is asked for, without waiting for it.

    `Tensor.to` would wait until the device has done all its work. These are copied from pinned memory, which torch does
    not use again before they have arrived.
    """
    host = torch.from_numpy(numbers.astype(dtype))
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host.to(device)


def to_host(*tensors: Shaped[Tensor, "..."]) -> tuple[np.ndarray, ...]:
    """Arrays of some tensors' values. Waits for the device once; tensors of a CPU are not copied.

    Copies from a GPU go straight into page-locked memory, which torch keeps for the next arrays when these are dropped:
    a picture costs no new pages, and arrives several times as fast as in memory that is not locked.
    """
    if not any(tensor.is_cuda for tensor in tensors):
        return tuple(tensor.detach().numpy() for tensor in tensors)
    hosts = []
    for tensor in tensors:
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        hosts.append(host.copy_(tensor.detach(), non_blocking=True))
    torch.cuda.current_stream(next(tensor.device for tensor in tensors if tensor.is_cuda)).synchronize()
    return tuple(host.numpy() for host in hosts)
