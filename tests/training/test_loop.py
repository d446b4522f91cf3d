"""The loop: it learns, resumes bit for bit, skips and counts NaN, goes back once, and saves when it is stopped."""

import json
import logging
import math
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from tests.training.toy_model import Poisoned, ToyBatches, ToyConfig, ToyModel, bits, toy_info

from langfield.core.errors import Interrupted, RunError, TrainingError
from langfield.core.randomness import stream_seed
from langfield.models.batches import OptimiserAccess
from langfield.runs.directory import load_run
from langfield.training.checkpoints import open_checkpoints
from langfield.training.config import TrainingConfig
from langfield.training.event_log import EventLog
from langfield.training.loop import MAX_BAD_STEPS, train
from langfield.training.optimiser import Optimiser


def train_in(path, steps, model=None, **options):
    config = TrainingConfig(steps=steps, rays=32, report_every=10, save_every=options.pop("save_every", 300.0))
    model = model or ToyModel()
    with open_checkpoints(path, toy_info(config)) as checkpoints:
        return model, train(model, ToyBatches(), config, checkpoints, **options)


@pytest.mark.parametrize(("name", "wrong", "least"), [("steps", -1, 0), ("rays", 0, 1), ("head_rays", 0, 1)])
def test_settings_that_train_nothing_are_refused(name, wrong, least):
    with pytest.raises(
        ValueError, match=f"TrainingConfig.{name} must be a whole number of at least {least}, got {wrong}"
    ):
        TrainingConfig(**{name: wrong})
    assert getattr(TrainingConfig(**{name: least}), name) == least


def saved_bits(path):
    run = load_run(path, training=True)
    return bits(run.tensors("model")) | bits(run.tensors("training")), run.info.steps_done


def test_it_learns_and_tells(tmp_path):
    events = []
    _, result = train_in(tmp_path, 150, progress=events.append)
    assert [event.done for event in events] == [0, *range(10, 151, 10)]
    assert {(event.stage, event.unit, event.total) for event in events} == {("training", "steps", 150)}
    assert events[1].metrics.keys() == {"loss", "rgb", "size", "psnr", "rays_per_second", "bad_steps"}
    assert events[-1].metrics["psnr"] > events[1].metrics["psnr"] + 5
    assert all(a.seconds <= b.seconds for a, b in pairwise(events))
    assert result.metrics == events[-1].metrics
    assert (result.steps, result.metrics["bad_steps"]) == (150, 0)
    assert result.memory_bytes > 10_000_000
    assert load_run(tmp_path).info.steps_done == 150


def test_20_and_20_steps_are_40_bit_for_bit(tmp_path):
    straight, _ = train_in(tmp_path / "straight", 40)
    train_in(tmp_path / "halves", 20)
    halves, result = train_in(tmp_path / "halves", 40)
    assert result.steps == 40
    assert bits(straight.state_dict()) == bits(halves.state_dict())
    assert saved_bits(tmp_path / "straight") == saved_bits(tmp_path / "halves")
    assert saved_bits(tmp_path / "halves")[0].keys() >= {"first", "first/0/exp_avg", "second/0/step", "random/batches"}


def test_a_run_of_one_seed_repeats_and_of_another_does_not(tmp_path):
    first, second = (
        train(model, ToyBatches(), TrainingConfig(steps=5)) and model for model in (ToyModel(), ToyModel())
    )
    other = ToyModel()
    train(other, ToyBatches(), TrainingConfig(steps=5, seed=1))
    assert bits(first.state_dict()) == bits(second.state_dict()) != bits(other.state_dict())
    assert len({stream_seed(0, "batches"), stream_seed(1, "batches"), stream_seed(0, "method")}) == 3


def test_a_finished_run_is_left_alone(tmp_path):
    _, first = train_in(tmp_path, 20)
    before = (tmp_path / "run.json").read_bytes()
    _, second = train_in(tmp_path, 20)
    assert (tmp_path / "run.json").read_bytes() == before
    assert second.metrics == {name: pytest.approx(value) for name, value in first.metrics.items()}
    assert second.steps == first.steps == 20


def test_the_seconds_of_all_sessions_count(tmp_path):
    train_in(tmp_path, 20)
    first = load_run(tmp_path, training=True).training_document()["seconds"]
    _, result = train_in(tmp_path, 30)
    second = load_run(tmp_path, training=True).training_document()["seconds"]
    assert 0 < first < second <= result.seconds


def parameters_without_step(k):
    """40 steps by hand, the optimiser not called at step k."""
    model, batches = ToyModel(), ToyBatches()
    batches.generator.manual_seed(stream_seed(0, "batches"))
    optimiser = Optimiser(model.param_groups())
    for step in range(40):
        terms = model.loss(batches.batch(step), step)
        (terms["rgb"] + terms.get("size", 0)).backward()
        if step == k:
            for parameter in model.parameters():
                parameter.grad = None
            continue
        optimiser.set_rates(step)
        optimiser.step(torch.tensor(0.0))
    return bits(model.state_dict()), bits(optimiser.state())


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_the_model_is_told_after_each_step_whether_it_was_bad(how):
    told, batches = [], ToyBatches()

    class Told(Poisoned):
        def after_step(self, step, optimiser, bad, generator):
            assert bad.device == self.device
            assert generator is batches.generator
            assert isinstance(optimiser, OptimiserAccess)
            told.append((step, bool(bad)))

    train(Told({0, 3, 4, 11}, how), batches, TrainingConfig(steps=12))
    assert told == [(step, step in {0, 3, 4, 11}) for step in range(12)]


@pytest.mark.parametrize("how", ["loss", "gradient"])
@pytest.mark.parametrize("k", [0, 7, 12])
def test_a_step_that_is_not_finite_is_skipped_and_counted(tmp_path, how, k):
    model, result = train_in(tmp_path, 40, Poisoned({k}, how))
    parameters, moments = parameters_without_step(k)
    assert bits(model.state_dict()) == parameters
    assert {name: value for name, value in saved_bits(tmp_path)[0].items() if name in moments} == moments
    assert result.metrics["bad_steps"] == 1
    assert load_run(tmp_path, training=True).training_document()["bad_steps"] == 1
    assert all(value == value for value in result.metrics.values())


def test_it_goes_back_once_and_on_with_other_batches(tmp_path, caplog):
    train_in(tmp_path, 20)
    model, batches = Poisoned(range(5, 5 + MAX_BAD_STEPS)), ToyBatches()
    config = TrainingConfig(steps=100, rays=32, report_every=5)
    with open_checkpoints(tmp_path, toy_info(config)) as checkpoints, caplog.at_level(logging.WARNING):
        result = train(model, batches, config, checkpoints)
    assert caplog.messages == [
        f"{tmp_path}: loss or gradients were not finite for the last 50 steps up to step 75; going back to step 20, "
        "on with other batches"
    ]
    assert (result.steps, result.metrics["bad_steps"]) == (100, MAX_BAD_STEPS)
    assert model.calls == 5 + MAX_BAD_STEPS + 80
    assert len({tensor.numpy().tobytes() for tensor in batches.seen}) == len(batches.seen)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_it_gives_up_when_it_happens_again_and_keeps_the_good_state(tmp_path):
    train_in(tmp_path, 20)
    good = saved_bits(tmp_path)
    with pytest.raises(TrainingError) as caught:
        train_in(tmp_path, 1000, Poisoned(range(3, 10_000)), save_every=0.0)
    assert str(caught.value) == (
        f"{tmp_path}: loss or gradients were not finite for the last 50 steps up to step 70, again after going back; "
        "the state of step 20 is kept; check poses and learning rates"
    )
    assert caught.value.exit_code == 1
    assert saved_bits(tmp_path) == good


def test_without_a_place_to_go_back_to_it_gives_up_at_once():
    with pytest.raises(TrainingError) as caught:
        train(Poisoned(range(1000)), ToyBatches(), TrainingConfig(steps=1000))
    assert str(caught.value) == (
        "loss or gradients were not finite for the last 50 steps up to step 50, and there is no saved state to go "
        "back to; check poses and learning rates"
    )


def test_it_saves_as_often_as_asked(tmp_path, monkeypatch):
    """save_every = 0 seconds: at every report. What lies on disk then is that step's state."""
    seen = []
    train_in(tmp_path, 40, save_every=0.0, progress=lambda event: seen.append(load_run(tmp_path).info.steps_done))
    assert seen == [0, 0, 10, 20, 30]  # told just before each save


def test_a_state_that_is_not_finite_is_never_saved(tmp_path):
    """Bad steps change nothing; but what follows a step may."""

    class Spoilt(ToyModel):
        def after_step(self, step, optimiser, bad, generator):
            if step == 12:
                with torch.no_grad():
                    self.second[0, 0] = float("nan")

    train_in(tmp_path, 10)
    good = saved_bits(tmp_path)
    with pytest.raises(TrainingError) as caught:
        train_in(tmp_path, 20, Spoilt())
    assert str(caught.value) == (
        f"{tmp_path}: second holds numbers that are not finite after step 20, so that is not saved; check poses and "
        "learning rates"
    )
    assert saved_bits(tmp_path) == good


def test_stopping_saves_at_the_end_of_the_step(tmp_path):
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls == 13

    with pytest.raises(Interrupted) as caught:
        train_in(tmp_path, 40, should_stop=stop)
    assert str(caught.value) == f"{tmp_path}: stopped after step 13 of 40 and saved; the same command goes on from here"
    assert caught.value.exit_code == 130
    assert load_run(tmp_path).info.steps_done == 13
    train_in(tmp_path, 40)
    train_in(tmp_path / "straight", 40)
    assert saved_bits(tmp_path) == saved_bits(tmp_path / "straight")


def test_stopping_with_nothing_to_save_to_is_said():
    with pytest.raises(Interrupted, match="stopped after step 1 of 9; nothing was to be saved"):
        train(ToyModel(), ToyBatches(), TrainingConfig(steps=9), should_stop=lambda: True)


def test_a_full_disk_is_known_before_the_first_step(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    model = Poisoned(())
    monkeypatch.setattr("os.write", full)
    with pytest.raises(RunError, match=r"No space left on device; \d+ bytes are needed, \d+ bytes are free there"):
        train_in(tmp_path / "run", 5, model)
    assert model.calls == 0


def test_another_config_is_refused(tmp_path):
    train_in(tmp_path, 5)
    config = TrainingConfig(steps=5)
    with (
        pytest.raises(RunError, match=r"model.config.width = 8, but 9 is asked for"),
        open_checkpoints(tmp_path, toy_info(config, model_config={"width": 9})),
    ):
        pass


def test_a_model_of_another_size_is_refused_in_one_line(tmp_path):
    train_in(tmp_path, 5)
    with pytest.raises(RunError) as caught:
        train_in(tmp_path, 10, ToyModel(ToyConfig(width=9)))
    assert "the saved model does not fit this one: size mismatch for second" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_going_on_keeps_what_the_run_is(tmp_path):
    train_in(tmp_path, 5)
    document = json.loads((tmp_path / "run.json").read_text())
    document["created"], document["package_version"] = "2025-01-01T00:00:00+00:00", "0.0.9"
    (tmp_path / "run.json").write_text(json.dumps(document))
    train_in(tmp_path, 10)
    info = load_run(tmp_path).info
    assert (info.created, info.package_version, info.steps_done) == ("2025-01-01T00:00:00+00:00", "0.0.9", 10)
    assert info.training_config["steps"] == 10


def test_a_run_that_knows_its_scene_by_an_older_fingerprint_goes_on_and_gets_the_new_one(tmp_path):
    asked: list[int] = []

    def older(version: int) -> str:
        asked.append(version)
        return "00"

    train_in(tmp_path, 5)
    info = toy_info(TrainingConfig(steps=10), scene_fingerprint="11", fingerprint_version=2)
    with pytest.raises(RunError, match="of another scene"), open_checkpoints(tmp_path, info, lambda _: "22"):
        pass
    with open_checkpoints(tmp_path, info, older) as checkpoints:
        snapshot = checkpoints.load()
        assert snapshot is not None
        checkpoints.save(snapshot)
    saved = load_run(tmp_path).info
    assert (saved.scene_fingerprint, saved.fingerprint_version, asked) == ("11", 2, [1])
    with open_checkpoints(tmp_path, info, older):
        assert asked == [1]


def test_a_state_from_another_kind_of_device_goes_on(tmp_path):
    """The GPU's generator cannot be continued on a CPU: other batches, but everything else as saved."""
    train_in(tmp_path, 10)
    with open_checkpoints(tmp_path, toy_info(TrainingConfig(steps=10))) as checkpoints:
        snapshot = checkpoints.load()
        training = dict(snapshot.training) | {"random/batches": torch.zeros(16, dtype=torch.uint8)}
        elsewhere = type(snapshot)(10, snapshot.model, training, dict(snapshot.document) | {"device": "cuda"})
        checkpoints.save(elsewhere)
    _, result = train_in(tmp_path, 20)
    assert result.steps == 20


@pytest.mark.parametrize("made", [False, True])
def test_a_model_with_numbers_that_are_not_finite_is_not_saved_and_the_last_good_one_stays(tmp_path, made: bool):
    train_in(tmp_path, 10)
    with open_checkpoints(tmp_path, toy_info(TrainingConfig(steps=10))) as checkpoints:
        good = checkpoints.load()
        bad = dict(good.model) | {"language.share": torch.tensor([0.5, math.nan]).half()}
        save = partial(checkpoints.save_untrained, bad) if made else partial(checkpoints.save, replace(good, model=bad))
        with pytest.raises(TrainingError, match=r"language\.share holds numbers that are not finite"):
            save()
        left = checkpoints.load()
    assert left.model.keys() == good.model.keys()
    assert all(torch.equal(left.model[name], good.model[name]) for name in good.model)


def test_bfloat16_is_used_where_it_is_asked_for():
    dtypes = []

    class Watching(ToyModel):
        def loss(self, batch, step):
            dtypes.append((batch.rays.directions @ self.first).dtype)
            return super().loss(batch, step)

    for bf16 in (None, True, False):
        train(Watching(), ToyBatches(), TrainingConfig(steps=1, bf16=bf16))
    assert dtypes == [torch.float32, torch.bfloat16, torch.float32]


def test_events_go_to_the_run_directory(tmp_path):
    (tmp_path / "run").mkdir()
    train_in(tmp_path / "run", 20, progress=EventLog(tmp_path / "run" / "events.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [line["done"] for line in lines] == [0, 10, 20]


def test_the_last_work_is_done_once_saved_and_done_anew_after_more_steps(tmp_path):
    model, calls = ToyModel(), []

    def work():
        calls.append(1)
        time.sleep(0.05)
        with torch.no_grad():
            model.first += 1

    before = None
    for steps, times, again in ((5, 1, True), (5, 1, False), (8, 2, True)):
        _, result = train_in(tmp_path, steps, model, finish=work)
        assert len(calls) == times
        assert (0.05 <= result.finish_seconds < result.seconds) if again else result.finish_seconds == 0
        assert torch.equal(load_run(tmp_path).tensors("model")["first"], model.first)
        assert before is None or steps > 5 or torch.equal(before, model.first)
        before = model.first.detach().clone()


@pytest.mark.parametrize(("rays", "threads"), [(1024, 1), (2048, 2), (64, 1), (2**14, 3)])
def test_a_step_has_a_thread_for_so_many_rays(rays: int, threads: int):
    seen = set()

    class Watching(ToyModel):
        def loss(self, *arguments):
            seen.add(torch.get_num_threads())
            return super().loss(*arguments)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(
            Watching(),
            ToyBatches(),
            TrainingConfig(steps=2, rays=rays),
            finish=lambda: seen.add(torch.get_num_threads()),
        )
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == {threads}


def test_the_steps_are_saved_before_the_last_work_begins(tmp_path):
    def work():
        raise MemoryError

    with pytest.raises(MemoryError):
        train_in(tmp_path, 5, finish=work)
    assert load_run(tmp_path).info.steps_done == 5
