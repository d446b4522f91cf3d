"""What views agree on: counted view by view."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.cameras import Camera
from langfield.query.index.consistency import consistent


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0.2, 3.0), st.integers(1, 5), st.integers(0, 5), st.integers(0, 3), st.integers(1, 3), st.integers(1, 4)
)
def test_a_point_stays_if_so_many_times_more_views_see_it_than_look_through_it(
    z: float, see: int, through: int, hidden: int, least: int, times: int
):
    camera = Camera(np.eye(4), 16, 12, 15.0, 15.0, 8.0, 6.0)
    behind, front = 1 + 7 / 15, 1 - 7 / 15  # of the depth: a little more than six pixels' slack
    shares = [*[1 - 5 / 15] * (see // 2), *[1.0] * (see - see // 2), *[behind] * through, *[front] * hidden]
    depths = [torch.full((12, 16), z * share) for share in shares]
    points = torch.tensor([[0.0, 0.0, z], [0.0, 0.0, -z]])
    kept = consistent(points, [camera] * len(depths), depths, least, times)
    assert kept.tolist() == [see >= min(least, len(depths)) and see >= times * through, False]


def test_a_view_that_shows_nothing_there_looks_through():
    camera = Camera(np.eye(4), 16, 12, 15.0, 15.0, 8.0, 6.0)
    nothing, wall = torch.full((12, 16), torch.inf), torch.full((12, 16), 2.0)
    point = torch.tensor([[0.0, 0.0, 2.0]])
    assert consistent(point, [camera] * 2, [wall, nothing]).tolist() == [True]
    assert consistent(point, [camera] * 3, [wall, nothing, nothing]).tolist() == [False]


def test_a_view_says_nothing_of_what_its_lens_does_not_show():
    camera = Camera(np.eye(4), 16, 12, 15.0, 15.0, 8.0, 6.0)
    round_one = replace(camera, valid_radius_px=3.0)
    nothing, wall = torch.full((12, 16), torch.inf), torch.full((12, 16), 2.0)
    points = torch.tensor([[0.0, 0.0, 2.0], [0.6, 0.0, 2.0]])  # in the middle, and 4.5 pixels beside it
    assert consistent(points, [camera] * 3, [wall, nothing, nothing]).tolist() == [False, False]
    assert consistent(points, [camera, round_one, round_one], [wall, nothing, nothing]).tolist() == [False, True]
