"""Contact sheets: every picture in its place, and a title above."""

import numpy as np

from langfield.reports.contact_sheet import SheetRow, contact_sheet


def test_the_contact_sheet_has_every_picture_in_its_cell():
    colours = [[(200, 0, 0), (0, 200, 0), (0, 0, 200)], [(9, 99, 9), (99, 9, 9), (9, 9, 99)]]
    rows = []
    for row in colours:
        red, green, blue = (np.full((48, 64, 3), colour, np.uint8) for colour in row)
        rows.append(SheetRow("a very long label " * 20, (red, green, blue)))
    sheet = contact_sheet(rows)
    height = 270  # 360 wide, 4 : 3
    for index, row in enumerate(colours):
        top = 42 + index * (height + 44) + 36
        for column, colour in enumerate(row):
            left = 8 + column * 368
            cell = sheet[top : top + height, left : left + 360]
            assert np.abs(cell.astype(int) - colour).max() <= 1
            assert (sheet[top + 10, left + 360 : left + 368] == 255).all()
    assert sheet.shape == (42 + 2 * (height + 44) + 64, 3 * 368 + 8, 3)
    assert len(np.unique(sheet[-64:-50, 8:728].reshape(-1, 3), axis=0)) > 100  # the legend's colours


def test_a_sheets_title_stands_above_it_and_moves_the_rest_down():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (36, 48, 3)).astype(np.uint8)
    rows = [SheetRow(f"phrase {i}", (picture, picture, picture)) for i in range(3)]
    plain, titled = contact_sheet(rows, blocks=2), contact_sheet(rows, blocks=2, title="lerf/teatime, preset lerf")
    added = titled.shape[0] - plain.shape[0]
    assert added > 0
    assert (titled[added:] == plain).all()
    assert (titled[:added] != 255).any()
