"""Progress events: rate and time to go."""

from langfield.core.progress import ProgressEvent, silent


def test_rate_and_time_to_go():
    event = ProgressEvent("training", done=30, total=90, unit="steps", seconds=15.0)
    assert event.rate == 2.0
    assert event.eta_seconds == 30.0
    assert ProgressEvent("training", 90, 90, "steps", 45.0).eta_seconds == 0.0


def test_before_the_first_unit_nothing_is_foretold():
    for done, seconds in ((0, 0.0), (0, 3.0), (5, 0.0)):
        event = ProgressEvent("features", done, 10, "crops", seconds)
        assert event.rate == 0.0
        assert event.eta_seconds is None
        silent(event)
