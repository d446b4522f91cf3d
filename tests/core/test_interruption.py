"""Work that stops half-way because nobody needs it."""

import threading

import pytest

from langfield.core.interruption import NotNeeded, stop_if_not_needed, unless


def test_nothing_is_stopped_without_being_asked_to():
    stop_if_not_needed()
    with unless(lambda: False):
        stop_if_not_needed()


def test_work_stops_where_it_looks_once_it_is_not_needed():
    done = []

    def work() -> None:
        for number in range(10):
            stop_if_not_needed()
            done.append(number)

    with pytest.raises(NotNeeded), unless(lambda: len(done) == 3):
        work()
    assert done == [0, 1, 2]
    stop_if_not_needed()  # and only within the block


def test_other_threads_go_on():
    told = []

    def work() -> None:
        stop_if_not_needed()
        told.append("went on")

    with unless(lambda: True):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with unless(lambda: False):
            stop_if_not_needed()
        with pytest.raises(NotNeeded):
            stop_if_not_needed()
    assert told == ["went on"]
