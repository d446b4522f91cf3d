"""Frames made by torch are the pictures that numpy makes, to a level of 255; JPEGs show them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.query.fake_session import session
from tests.query.fake_world import camera_at

from langfield.query import frames, pictures
from langfield.query.quick_frames import Layer


@pytest.fixture
def relevancy() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.1, 1.1, (30, 40)).astype(np.float32)


def assert_a_level_apart(found: torch.Tensor, expected: np.ndarray) -> None:
    assert found.dtype == torch.uint8
    assert np.abs(found.numpy().astype(int) - expected.astype(int)).max() <= 1


def test_turbo_is_pictures_turbo(relevancy: np.ndarray):
    relevancy[0, :2] = np.nan, np.inf
    assert_a_level_apart(frames.turbo_colours(torch.from_numpy(relevancy)), pictures.turbo(relevancy))


@pytest.mark.parametrize("masked", [None, "some", "none"])
@pytest.mark.parametrize("highest", [1.0, 0.4])
def test_relevancy_over_a_picture_is_pictures_composited(relevancy: np.ndarray, masked: str | None, highest: float):
    relevancy = relevancy.clip(0, 1) * np.float32(highest)
    rgb = np.random.default_rng(1).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    mask = None if masked is None else (np.indices((30, 40))[0] < 10) & (masked == "some")
    found = frames.relevancy_over(
        torch.from_numpy(rgb), torch.from_numpy(relevancy), None if mask is None else torch.from_numpy(mask)
    )
    assert_a_level_apart(found, pictures.composited(rgb, relevancy, mask))


def test_depth_is_pictures_depth(relevancy: np.ndarray):
    depth = relevancy + 2
    depth[:3], depth[4, 4] = np.inf, 0
    assert_a_level_apart(frames.depth_colours(torch.from_numpy(depth)), pictures.depth_picture(depth))
    assert not frames.depth_colours(torch.full((2, 3), torch.inf)).any()


def test_a_jpeg_is_the_picture():
    rows, columns = np.indices((48, 64))
    rgb = np.stack([rows * 5, columns * 3, rows + columns], axis=-1).astype(np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(frames.encode_jpeg(torch.from_numpy(rgb), 95))))
    assert np.abs(shown.astype(int) - rgb.astype(int)).mean() < 2


@pytest.mark.parametrize("layer", ["rgb", "depth", "relevancy", "composited"])
def test_each_layer_is_a_frame_of_the_cameras_size(layer: Layer):
    made, camera = session(), camera_at(0, 0, 64, 48)
    phrase = None if layer in ("rgb", "depth") else "thing"
    frame = Image.open(io.BytesIO(made.picture_jpeg(camera, layer=layer, phrase=phrase)))
    assert frame.size == (64, 48)
    if layer == "rgb":
        assert np.abs(np.asarray(frame).astype(int) - made.picture(camera)[0]).max() <= 3
    if layer == "relevancy":
        expected = pictures.relevancy_picture(made.quick_relevancy(camera, ["thing"])[0].numpy())
        assert np.abs(np.asarray(frame).astype(int) - expected).mean() < 5


def test_tensors_of_a_picture_and_of_answers_are_its_arrays():
    made, camera = session(), camera_at(0, 0)
    for tensor, array in zip(made.picture_tensors(camera), made.picture(camera), strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)
    answers = made.ask_view(camera, ["thing"])
    assert answers.tensors.masks.shape == (1, 48, 64)
    np.testing.assert_array_equal(answers.tensors.relevancy.numpy(), answers.relevancy)
