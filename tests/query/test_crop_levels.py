"""Relevancy pictures at crop levels are the plain evaluation."""

import torch
from tests.query.fake_world import PHRASES, Wall, WallView, camera_at, observed_scales

from langfield.query.crop_levels import relevancy_at_crop_levels


def view() -> WallView:
    return Wall().view(camera_at(0, 0))


def test_pictures_at_a_level_are_the_plain_evaluation():
    made = view()
    maps, scale = relevancy_at_crop_levels(made, PHRASES, observed_scales(), torch.tensor([2, 5, 2]))
    distance = observed_scales().typical_distance(made.points_scene)
    plain = PHRASES.relevancy(made.embedding(observed_scales().crop_angles[5] * distance))[:, 1]
    torch.testing.assert_close(maps[1].reshape(-1), plain)
    torch.testing.assert_close(scale[0].reshape(-1), observed_scales().crop_angles[2] * distance)


def test_pictures_at_every_level_are_those_at_each(monkeypatch):
    monkeypatch.setattr("langfield.models.base.AskableView.pixels_at_once", 1000)  # four parts
    made, scales = view(), observed_scales()
    every = made.crop_level_relevancy(PHRASES, scales)
    assert every.shape == (len(scales.crop_angles), 3, 48, 64)
    for number in range(len(scales.crop_angles)):
        maps, _ = relevancy_at_crop_levels(made, PHRASES, scales, torch.full((3,), number))
        torch.testing.assert_close(every[number], maps)
