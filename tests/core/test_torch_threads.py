"""How many threads a CPU computes with, in regions, outside and after an error; how the command line lets them wait."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from langfield.core.threads import all_torch_threads, torch_threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@given(counts=st.lists(st.integers(-1, 9), min_size=1, max_size=4))
def test_each_region_has_its_own_count_but_no_more_than_there_were(counts: list[int]):
    def enter(depth: int) -> None:
        if depth == len(counts):
            with all_torch_threads(CPU):
                assert torch.get_num_threads() == 3
            return
        with torch_threads(counts[depth], CPU):
            assert torch.get_num_threads() == max(1, min(counts[depth], 3))
            enter(depth + 1)
            assert torch.get_num_threads() == max(1, min(counts[depth], 3))

    enter(0)
    assert torch.get_num_threads() == 3


def test_after_an_error_all_is_as_before():
    with pytest.raises(KeyError), torch_threads(1, CPU):
        raise KeyError
    assert torch.get_num_threads() == 3


def test_on_a_gpu_nothing_is_changed():
    with torch_threads(1, torch.device("cuda")), all_torch_threads(torch.device("cuda")):
        assert torch.get_num_threads() == 3


def test_regions_of_several_python_threads_do_not_mix():
    wrong: list[int] = []

    def work(count: int) -> None:
        for _ in range(200):
            with torch_threads(count, CPU):
                if torch.get_num_threads() != count:
                    wrong.append(count)

    workers = [threading.Thread(target=work, args=(count,)) for count in (1, 2, 3) * 2]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert torch.get_num_threads() == 3


def test_what_torch_had_outlasts_regions_that_overlap():
    entered, left = threading.Event(), threading.Event()
    within: list[int] = []

    def first() -> None:
        with torch_threads(1, CPU):
            entered.set()
            left.wait(10)
        within.append(torch.get_num_threads())

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(10)

    def second() -> None:
        with torch_threads(9, CPU):
            within.append(torch.get_num_threads())
            left.set()
            thread.join()

    other = threading.Thread(target=second)  # begins with the one thread that torch has in the first's region
    other.start()
    other.join()
    fresh = threading.Thread(target=lambda: within.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert within == [3, 3, 3]


SHOW = "import os; from langfield.cli.main import main; main(['methods']); print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("own", "shown"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_the_command_line_lets_waiting_threads_sleep_unless_a_person_says_how(own: dict[str, str], shown: str):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in names} | own
    done = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == shown
