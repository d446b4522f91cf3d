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


def test_an_answers_colours_are_inside_of_its_mask():
    rgb = np.full((2, 2, 3), 200, dtype=np.uint8)
    relevancy = np.array([[0.9, 0.7], [0.8, 0.3]])
    mask = np.array([[False, True], [True, False]])
    out = composited(rgb, relevancy, mask)
    np.testing.assert_array_equal(out[~mask], np.full((2, 3), 120))
    for pixel, share in ((out[0, 1], 2 / 3), (out[1, 0], 1.0)):  # from 0.5 to 0.8, the highest in the mask
        heat = turbo(np.array([[share]]))[0, 0]
        np.testing.assert_allclose(pixel, 0.75 * heat + 0.25 * rgb[0, 0], atol=1)
    low = composited(rgb, relevancy / 2, mask)  # all below 0.5: from the lowest in the mask
    np.testing.assert_allclose(low[0, 1], 0.75 * turbo(np.array([[0.0]]))[0, 0] + 50, atol=1)
    np.testing.assert_array_equal(composited(rgb, relevancy, np.zeros((2, 2), bool)), np.full((2, 2, 3), 120))


def test_depth_is_black_where_nothing_is_and_red_where_it_is_near():
    out = depth_picture(np.array([[1.0, 2.0], [8.0, np.inf]], dtype=np.float32)).astype(int)
    assert out[1, 1].sum() == 0
    assert out[0, 0].argmax() == 0
    assert out[1, 0].argmax() == 2 or out[1, 0].sum() < 120
    assert depth_picture(np.full((2, 2), np.inf)).sum() == 0


def test_bytes_round_and_clip():
    np.testing.assert_array_equal(to_uint8(np.array([[[-0.1, 0.5, 1.2]]])), [[[0, 128, 255]]])
