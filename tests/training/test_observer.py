"""What looks at a training: when it is called, that it can let it wait or end it, and that it cannot harm it."""

import logging
import time

import pytest
import torch
from tests.training.toy_model import ToyBatches, ToyModel, bits, toy_info

from langfield.core.errors import Interrupted
from langfield.runs.directory import load_run
from langfield.training.checkpoints import open_checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.loop import train


class Looks:
    """An observer that notes the steps after which it looked."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.paused = self.ended = False

    def between_steps(self, step: int) -> None:
        self.steps.append(step)


def trained(observer, steps=12, **options):
    model = ToyModel()
    return model, train(model, ToyBatches(), TrainingConfig(steps=steps, rays=32), observer=observer, **options)


def test_it_looks_once_after_each_step_and_changes_nothing():
    looks = Looks()
    model, result = trained(looks)
    assert looks.steps == list(range(1, 13))
    assert result.paused_seconds == 0
    assert bits(model.state_dict()) == bits(trained(None)[0].state_dict())


def test_while_paused_no_step_is_done_and_no_time_is_counted():
    class Pauses(Looks):
        def between_steps(self, step):
            super().between_steps(step)
            self.paused = step == 5 and self.steps.count(5) < 20

    pauses, events = Pauses(), []
    start = time.perf_counter()
    model, result = trained(pauses, progress=events.append)
    wall = time.perf_counter() - start
    assert pauses.steps == [1, 2, 3, 4, *[5] * 20, *range(6, 13)]
    assert 0.3 < result.paused_seconds < wall
    assert result.seconds <= wall - result.paused_seconds
    assert events[-1].seconds <= result.seconds  # of which the time to go is made
    assert bits(model.state_dict()) == bits(trained(None)[0].state_dict())


def test_a_pause_can_be_interrupted(tmp_path):
    config, looks = TrainingConfig(steps=50, rays=32), Looks()
    looks.paused = True
    with open_checkpoints(tmp_path, toy_info(config)) as checkpoints, pytest.raises(Interrupted, match="step 1 of 50"):
        train(ToyModel(), ToyBatches(), config, checkpoints, observer=looks, should_stop=lambda: len(looks.steps) > 3)
    assert load_run(tmp_path).info.steps_done == 1


class EndsAfter(Looks):
    def __init__(self, last: int, *, paused: bool = False) -> None:
        super().__init__()
        self.last, self.paused = last, paused

    def between_steps(self, step):
        super().between_steps(step)
        self.ended = len(self.steps) == self.last


def run_in(path, steps, observer=None):
    config, finished, events, model = TrainingConfig(steps=steps, rays=32), [], [], ToyModel()
    with open_checkpoints(path, toy_info(config)) as checkpoints:
        result = train(
            model,
            ToyBatches(),
            config,
            checkpoints,
            observer=observer,
            progress=events.append,
            finish=lambda: finished.append(1),
        )
    return model, result, finished, events


def test_a_training_that_is_ended_is_finished_and_saved_and_goes_on_as_if_it_had_not_been(tmp_path):
    ended, result, finished, events = run_in(tmp_path / "ended", 40, EndsAfter(15))
    assert (result.steps, finished, events[-1].done) == (15, [1], 15)
    assert events[-1].metrics.keys() >= {"loss", "psnr"}
    short, *_ = run_in(tmp_path / "short", 15)
    assert bits(ended.state_dict()) == bits(short.state_dict())
    run = load_run(tmp_path / "ended", training=True)
    assert run.info.steps_done == 15
    assert run.training_document()["finished"] is True
    on, result, finished, _ = run_in(tmp_path / "ended", 40)
    assert (result.steps, finished) == (40, [1])
    assert bits(on.state_dict()) == bits(run_in(tmp_path / "straight", 40)[0].state_dict())


def test_a_paused_training_can_be_ended():
    ends = EndsAfter(4, paused=True)
    _, result = trained(ends)
    assert (ends.steps, result.steps) == ([1] * 4, 1)


@pytest.mark.parametrize("where", ["between_steps", "paused", "while paused"])
def test_one_that_fails_is_left_alone(where, caplog):
    class Fails(Looks):
        failed = False

        def between_steps(self, step):
            super().between_steps(step)
            if len(self.steps) == 4 and where != "paused":
                raise RuntimeError("no picture")

        @property
        def paused(self):
            if where == "paused" and len(self.steps) == 4 and not self.failed:
                self.failed = True
                raise torch.OutOfMemoryError("no memory")
            return where == "while paused" and len(self.steps) > 2

        @paused.setter
        def paused(self, value):
            pass

    fails = Fails()
    with caplog.at_level(logging.ERROR):
        model, result = trained(fails)
    assert (len(fails.steps), result.steps) == (4, 12)
    assert caplog.text.count("the training goes on without it") == 1
    assert bits(model.state_dict()) == bits(trained(None)[0].state_dict())
