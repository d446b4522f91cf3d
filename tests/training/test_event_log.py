"""Events on disk: one JSON object a line whatever happened to the line before, and TensorBoard."""

import importlib.util
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent
from langfield.training.event_log import EventLog, TensorBoardLog, broadcast


def event(done=3, **metrics) -> ProgressEvent:
    return ProgressEvent("training", done, 10, "steps", 1.5, metrics)


def test_a_line_for_each_event(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log(event(loss=0.5, psnr=math.inf))
    log(event(4))
    first, second = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert first.pop("time") > 1.7e9
    assert first == {
        "stage": "training", "done": 3, "total": 10, "unit": "steps", "seconds": 1.5,
        "metrics": {"loss": 0.5, "psnr": None},
    }  # fmt: skip
    assert second["done"] == 4


@settings(deadline=None, max_examples=50)
@given(cut=st.integers(0, 400))
def test_a_line_cut_off_by_a_kill_is_the_only_one_lost(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    log = EventLog(path)
    for done in (1, 2):
        log(event(done, loss=0.1))
    path.write_bytes(path.read_bytes()[:cut])
    whole = path.read_bytes().count(b"\n")
    log(event(3))
    done = []
    for line in path.read_bytes().splitlines():
        try:
            done.append(json.loads(line)["done"])
        except ValueError:
            continue
    assert done[:whole] == [1, 2][:whole]
    assert done[-1] == 3


def test_all_listeners_are_told():
    one, two = [], []
    broadcast(one.append, two.append)(event())
    assert one == two == [event()]


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the extra `tensorboard`")
def test_tensorboard_gets_each_figure(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TensorBoardLog(tmp_path)
    log(event(3, loss=0.5))
    log(event(4, loss=0.25))
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert [(scalar.step, scalar.value) for scalar in board.Scalars("training/loss")] == [(3, 0.5), (4, 0.25)]


def test_without_tensorboard_the_fix_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        TensorBoardLog(tmp_path)
    assert str(caught.value) == "TensorBoard is not installed; run: pip install 'langfield[tensorboard]'"
