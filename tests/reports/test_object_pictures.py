"""The picture of a scene's objects: its size, and what is drawn into it."""

import numpy as np
import pytest
from tests.query.grouped_wall import RADIUS, session

from langfield.reports.object_pictures import _COLOURS, objects_picture


@pytest.fixture(scope="module")
def grouped():
    return session()


def _pixels_of(picture: np.ndarray, number: int) -> np.ndarray:
    return (picture == np.array(_COLOURS[number], np.uint8)).all(axis=-1)


def test_small_photos_become_pictures_whose_names_can_be_read(grouped):
    picture = objects_picture(grouped, grouped.objects(["thing", "nothing"]))
    assert picture.shape == (720, 960, 3)  # of photos of 64 by 48 pixels
    assert picture.dtype == np.uint8


def test_each_object_has_its_colour_and_others_have_none(grouped):
    objects = grouped.objects(["thing", "nothing"], all_levels=True)
    assert len(objects) == 3
    picture = objects_picture(grouped, objects)
    drawn = [int(_pixels_of(picture, number).sum()) for number in range(4)]
    assert all(count > 500 for count in drawn[:3])  # outline, box of two pixels' width, and name
    assert drawn[3] == 0


def test_the_box_goes_round_the_thing(grouped):
    (thing,) = grouped.objects(["thing", "nothing"])
    picture = objects_picture(grouped, [thing])
    rows, columns = np.nonzero(_pixels_of(picture, 0))
    side_px = 2 * RADIUS / 4 * 0.9 * 960  # the photos are taken from 4 away
    assert side_px * 0.75 < np.ptp(columns) < side_px * 1.2
    assert side_px * 0.75 < np.ptp(rows) < side_px * 1.2


def test_without_objects_it_is_the_view(grouped):
    picture = objects_picture(grouped, [])
    assert picture.shape == (720, 960, 3)
    assert not any(_pixels_of(picture, number).any() for number in range(3))
