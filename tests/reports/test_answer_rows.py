"""Rows of a contact sheet: answers that share a view are the same as each alone."""

import numpy as np
from tests.viewer.worlds import wall_session

from langfield.reports.answer_pictures import photo_row, photo_rows


def test_rows_of_one_view_are_those_of_each_answer_alone():
    session = wall_session()
    answers = session.query(["thing", "wall", "nothing"])

    def read_photo(name: str, size: tuple[int, int]) -> np.ndarray:
        return np.full((size[1], size[0], 3), 40 + 10 * int(name.split(".")[0]), dtype=np.uint8)

    together = photo_rows(session, answers, [1, 0, 1], read_photo)
    for row, answer, view in zip(together, answers, [1, 0, 1], strict=True):
        alone = photo_row(session, answer, view, read_photo)
        assert row.label == alone.label
        for picture, expected in zip(row.pictures, alone.pictures, strict=True):
            np.testing.assert_allclose(picture.astype(int), expected.astype(int), atol=1)
    assert [int(row.pictures[0][0, 0, 0]) for row in together] == [50, 40, 50]
