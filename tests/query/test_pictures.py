"""Colours people see."""

import numpy as np

from langfield.query.pictures import composited, depth_picture, to_uint8, turbo


def test_turbo_goes_from_blue_over_green_to_red():
    colours = turbo(np.array([[0.15, 0.5, 0.9]], dtype=np.float32)).astype(int)
    assert colours[0, 0].argmax() == 2
    assert colours[0, 1].argmax() == 1
    assert colours[0, 2].argmax() == 0
    np.testing.assert_array_equal(turbo(np.array([[-1.0, 2.0]])), turbo(np.array([[0.0, 1.0]])))


def test_each_phrase_is_masked_by_its_own_relevancy():
    rgb = np.full((2, 2, 3), 200, dtype=np.uint8)
    out = composited(rgb, np.array([[0.9, 0.51], [0.5, 0.1]]))
    np.testing.assert_array_equal(out[1], np.full((2, 3), 120))  # 0.5 and less: the photo, dimmed
    assert (out[0] != 120).any(axis=-1).all()
    none = composited(rgb, np.full((2, 2), 0.4))
    np.testing.assert_array_equal(none, np.full((2, 2, 3), 120))


def test_depth_is_black_where_nothing_is_and_red_where_it_is_near():
    out = depth_picture(np.array([[1.0, 2.0], [8.0, np.inf]], dtype=np.float32)).astype(int)
    assert out[1, 1].sum() == 0
    assert out[0, 0].argmax() == 0
    assert out[1, 0].argmax() == 2 or out[1, 0].sum() < 120
    assert depth_picture(np.full((2, 2), np.inf)).sum() == 0


def test_bytes_round_and_clip():
    np.testing.assert_array_equal(to_uint8(np.array([[[-0.1, 0.5, 1.2]]])), [[[0, 128, 255]]])
