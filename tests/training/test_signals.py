"""Ctrl-C: the first is noted and ends in a save and exit status 130, the second ends the process at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from langfield.runs.directory import load_run
from langfield.training.signals import interruptible

SCRIPT = """
import sys, time
from pathlib import Path
from toy_method import ToyBatches, ToyModel, toy_info
from langfield.core.errors import LangfieldError
from langfield.training.checkpoints import open_checkpoints
from langfield.training.loop import TrainingConfig, train

class Slow(ToyModel):
    def loss(self, batch, step):
        print(step, flush=True)
        time.sleep(float(sys.argv[2]))
        return super().loss(batch, step)

config = TrainingConfig(steps=100_000)
try:
    with open_checkpoints(Path(sys.argv[1]), toy_info(config)) as checkpoints:
        train(Slow(), ToyBatches(), config, checkpoints)
except LangfieldError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def start(path, seconds_a_step):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(seconds_a_step)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    while process.stdout.readline() != "0\n":
        assert process.poll() is None
    return process


def test_ctrl_c_saves_at_the_end_of_the_step_and_exits_130(tmp_path):
    process = start(tmp_path, 0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    steps = load_run(tmp_path, training=True).info.steps_done
    assert process.returncode == 130
    assert errors == f"{tmp_path}: stopped after step {steps} of 100000 and saved; the same command goes on from here\n"
    assert steps == int(output.split()[-1]) + 1 > 1


def test_a_second_signal_ends_it_at_once(tmp_path):
    process = start(tmp_path, 30)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - began < 5
    assert load_run(tmp_path).info.steps_done == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with interruptible() as outer, interruptible() as inner:
        assert not inner()
        signal.raise_signal(number)
        assert inner()
        assert not outer()
        assert {signal.getsignal(each) for each in before} == {signal.SIG_DFL}
    assert {each: signal.getsignal(each) for each in before} == before
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError
    assert {each: signal.getsignal(each) for each in before} == before


def test_in_another_thread_nothing_happens():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with interruptible() as interrupted:
            seen.append((interrupted(), signal.getsignal(signal.SIGINT) == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
