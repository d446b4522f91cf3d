"""Positions in tables: as short as they can be, and as long as a thing's size needs."""

from hypothesis import given
from hypothesis import strategies as st

from langfield.core.number_text import position_text


def test_positions_have_the_digits_that_a_size_needs():
    size = (0.1, 0.12, 0.09)
    assert position_text((448262.0581, 5411932.28412, 412.0742), size) == "448262.058, 5411932.284, 412.074"
    assert position_text((-0.19, -0.217, 0.0734), size) == "-0.19, -0.217, 0.0734"
    assert position_text((-1.9e-7, 2.17e-7, 7.34e-8), (1e-7, 2e-7)) == "-1.9e-07, 2.17e-07, 7.34e-08"
    assert position_text((1234567.0, -21700.0, 3.0), (500.0,)) == "1234567, -21700, 3"
    assert position_text((1.23456, 0.0, -7.0), ()) == "1.23, 0, -7"


@given(
    value=st.floats(-1e9, 1e9),
    size=st.floats(1e-6, 1e6),
)
def test_what_is_read_again_is_near_enough(value: float, size: float):
    near = max(0.01 * size, 0.005 * abs(value)) if abs(value) < 2 * size else 0.01 * size
    assert abs(float(position_text((value,), (size,))) - value) <= near
