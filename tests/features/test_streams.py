"""Streams on a CPU, and without CUDA in torch: everything is done at once. GPUs: tests/gpu/test_gpu_mask_decoder.py."""

import pytest
import torch

from langfield.encoders.recorded import Recorded
from langfield.features.streams import side_stream


def test_on_a_cpu_things_are_begun_where_they_are():
    happened = []
    with side_stream(torch.device("cpu")) as aside:
        assert not aside.is_asynchronous
        finish = aside.begun(lambda: happened.append("begun") or (lambda: happened.append("finished") or 3))
        assert happened == ["begun"]
        assert finish() == 3
    assert happened == ["begun", "finished"]


def test_a_torch_without_cuda_can_still_have_what_a_gpu_would_record(monkeypatch: pytest.MonkeyPatch):
    def missing(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Tried to instantiate dummy base class")

    for name in ("Event", "Stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, missing)
    Recorded(lambda given: given + 1)
