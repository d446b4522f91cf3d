"""The loop on a GPU: no step waits for the device, masked steps change no bit, and resuming is exact enough."""

import pytest
import torch
from tests.training.toy_model import Poisoned, ToyBatches, ToyModel, bits, toy_info

from langfield.training.checkpoints import open_checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.loop import train


class Watched(ToyBatches):
    """From its third batch on, whatever waits for the device raises, until the next report."""

    def batch(self, step):
        if step >= 2:
            torch.cuda.set_sync_debug_mode("error")
        return super().batch(step)


def test_no_step_waits_for_the_device(monkeypatch):
    def allow_waiting(event):
        torch.cuda.set_sync_debug_mode("default")

    try:
        config = TrainingConfig(steps=20, report_every=1000, cuda_graphs=False)
        # The only report is at the end: its first figure is read before `progress` is told, so it may wait.
        monkeypatch.setattr("langfield.training.loop._Session.report", lambda session: allow_waiting(None))
        train(ToyModel().cuda(), Watched(device="cuda"), config)
    finally:
        allow_waiting(None)


def test_halves_are_the_whole(tmp_path):
    def train_in(path, steps):
        model, config = ToyModel().cuda(), TrainingConfig(steps=steps)
        with open_checkpoints(path, toy_info(config)) as checkpoints:
            result = train(model, ToyBatches(device="cuda"), config, checkpoints)
        assert result.memory_bytes > 0
        return model

    whole = train_in(tmp_path / "whole", 40)
    train_in(tmp_path / "halves", 20)
    halves = train_in(tmp_path / "halves", 40)
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_masked_steps_change_no_bit():
    start, model = bits(ToyModel().state_dict()), Poisoned(range(1000)).cuda()
    result = train(model, ToyBatches(device="cuda"), TrainingConfig(steps=20))
    assert bits(model.state_dict()) == start
    assert result.metrics["bad_steps"] == 20


def test_recorded_steps_are_the_steps():
    """The same numbers are drawn and the same parameters come out, through both of the model's phases."""

    def trained(cuda_graphs):
        model, batches = ToyModel().cuda(), ToyBatches(device="cuda")
        result = train(model, batches, TrainingConfig(steps=60, cuda_graphs=cuda_graphs))
        return model, batches, result

    plain, plain_batches, plain_result = trained(False)
    recorded, recorded_batches, recorded_result = trained(True)
    assert len(plain_batches.seen) == 60
    assert len(recorded_batches.seen) < 10  # the others were replayed
    assert torch.equal(plain_batches.generator.get_state(), recorded_batches.generator.get_state())
    assert plain_result.metrics["bad_steps"] == recorded_result.metrics["bad_steps"] == 0
    for a, b in zip(plain.parameters(), recorded.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert recorded_result.metrics["loss"] == pytest.approx(plain_result.metrics["loss"], rel=1e-4)
