"""Which device a name means."""

import numpy as np
import pytest
import torch

from langfield.core.devices import resolve_device, to_device_async
from langfield.core.errors import UsageError


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "meta"])
def test_unknown_devices(name):
    with pytest.raises(UsageError, match=rf"^unknown device '{name}': use auto, cpu, cuda or cuda:N$"):
        resolve_device(name)


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_gpus_that_are_not_there(name, count, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(UsageError, match=rf"^device '{name}' is not there: torch sees {count} GPUs; use auto or cpu$"):
        resolve_device(name)


def test_a_gpu_is_made_current_only_when_it_is_numbered(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda") == torch.device("cuda")  # torch refuses to make a GPU without a number current
    made_current = []
    monkeypatch.setattr(torch.cuda, "set_device", made_current.append)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert made_current == [torch.device("cuda:1")]


def test_numbers_are_sent_as_float32():
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert to_device_async(numbers.astype(np.float64), torch.device("cpu")).dtype == torch.float32
    found = to_device_async(numbers, torch.device("cpu"))
    assert found.dtype == torch.float32
    assert found.tolist() == numbers.tolist()
    numbers[:] = 0
    assert found[1, 2] == 5  # a copy
