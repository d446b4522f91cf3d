"""What a run has cost is added up over the calls that made it, whatever they were."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfield.runs.cost import RunCost

times = st.floats(0, 1e6)
costs = st.builds(
    RunCost,
    seconds=times,
    stages=st.dictionaries(st.sampled_from(["features", "training", "psnr"]), times),
    memory_bytes=st.integers(0, 2**40),
    crops_per_second=times,
    device=st.sampled_from(["cpu", "cuda:0"]),
)


@given(costs, costs, costs)
def test_calls_add_up_in_any_grouping_and_none_is_forgotten(a, b, c):
    left, right = a.plus(b).plus(c), a.plus(b.plus(c))
    assert left.seconds == pytest.approx(right.seconds) == pytest.approx(a.seconds + b.seconds + c.seconds)
    assert left.stages == pytest.approx(dict(right.stages))
    assert left.stages.keys() == a.stages.keys() | b.stages.keys() | c.stages.keys()
    assert left.memory_bytes == right.memory_bytes == max(a.memory_bytes, b.memory_bytes, c.memory_bytes)
    assert left.crops_per_second == right.crops_per_second
    assert left.device == right.device == c.device
    assert RunCost().plus(a) == a.plus(RunCost()) == a


@given(costs)
def test_it_comes_back_from_a_training_document(cost):
    document = json.loads(json.dumps({"seconds": 0.5, "cost": cost.to_json()}))
    back = RunCost.of_training(document)
    assert back.to_json() == cost.to_json()


@pytest.mark.parametrize(
    "cost", [None, 3, {}, {"seconds": -1}, {"seconds": math.nan}, RunCost(stages={"training": -1.0}).to_json()]
)
def test_of_an_older_training_the_time_of_its_steps_is_known(cost):
    assert RunCost.of_training({"seconds": 3600.5, "cost": cost}) == RunCost(3600.5, {"training": 3600.5})
    assert RunCost.of_training({"cost": cost}) == RunCost.of_training({"seconds": math.inf}) == RunCost()
