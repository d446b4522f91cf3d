import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.features import run_lengths
from langfield.features.run_lengths import RunLengths, encode_runs

SHAPES = st.tuples(st.integers(0, 5), st.integers(1, 7), st.integers(1, 9))


def plain_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """The runs of one mask, pixel after pixel."""
    runs, start = [], None
    for place, inside in enumerate([*mask.ravel().tolist(), False]):
        if inside and start is None:
            start = place
        if not inside and start is not None:
            runs.append((start, place))
            start = None
    return runs


def some_masks(shape: tuple[int, int, int], share: float, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape) < share)


@pytest.fixture(params=[2**26, 30], ids=["at once", "in parts"])
def parts(request, monkeypatch):
    monkeypatch.setattr(run_lengths, "_PIXELS_AT_ONCE", request.param)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(0, 4, 5), (1, 1, 1), (5, 6, 7), (4, 1, 9), (3, 9, 1)])
def test_runs_are_those_found_pixel_after_pixel(shape, share):
    masks = some_masks(shape, share, seed=3)
    runs = encode_runs(masks)
    expected = [plain_runs(mask) for mask in masks.numpy()]
    assert len(runs) == shape[0]
    np.testing.assert_array_equal(np.diff(runs.first_run), [len(found) for found in expected])
    assert runs.runs_px.tolist() == [list(run) for found in expected for run in found]
    assert torch.equal(runs.dense(), masks)


@settings(deadline=None)
@given(shape=SHAPES, share=st.floats(0, 1), seed=st.integers(0, 99))
def test_areas_and_boxes_are_those_of_the_pixels(shape, share, seed):
    masks = some_masks(shape, share, seed)
    runs = encode_runs(masks)
    assert runs.areas_px.tolist() == masks.sum(dim=(1, 2)).tolist()
    for mask, box in zip(masks, runs.boxes_px.tolist(), strict=True):
        rows, columns = (places.tolist() for places in mask.nonzero(as_tuple=True))
        edges = [min(columns), min(rows), max(columns) + 1, max(rows) + 1] if rows else [0, 0, 0, 0]
        assert box == edges


@settings(deadline=None)
@given(shape=SHAPES, share=st.floats(0, 1), seed=st.integers(0, 99), data=st.data())
def test_some_of_the_masks(shape, share, seed, data):
    masks = some_masks(shape, share, seed)
    runs = encode_runs(masks)
    which = data.draw(st.lists(st.integers(0, max(shape[0] - 1, 0)), max_size=6 if shape[0] else 0))
    taken = runs.taken(np.array(which, dtype=np.int64))
    assert torch.equal(taken.dense(), masks[which])
    start, end = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    assert torch.equal(runs.dense("cpu", slice(start, end)), masks[start:end])


@pytest.mark.usefixtures("parts")
def test_pixels_that_may_not_be_used_are_in_no_mask():
    masks, used = some_masks((5, 6, 7), 0.7, 0), some_masks((1, 6, 7), 0.5, 1)[0]
    assert torch.equal(encode_runs(masks, used).dense(), masks & used)


def test_a_run_that_goes_on_in_the_next_row_is_one_run():
    masks = torch.zeros(1, 3, 4, dtype=torch.bool)
    masks[0, 0, 3] = masks[0, 1, 0] = True
    runs = encode_runs(masks)
    assert runs.runs_px.tolist() == [[3, 5]]
    assert runs.boxes_px.tolist() == [[0, 0, 4, 2]]


def test_large_pictures_keep_their_places():
    """Places beyond 2^31, where 32-bit integers with a sign would end."""
    place = 2**31 + 12_345
    width = 70_000
    runs = RunLengths((width, 60_000), np.array([[place, place + 10]], dtype=np.uint32), np.array([0, 1]))
    row, column = divmod(place, width)
    assert runs.boxes_px.tolist() == [[column, row, column + 10, row + 1]]
    assert runs.areas_px.tolist() == [10]
