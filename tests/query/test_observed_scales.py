"""Which scale answers: LERF's search, its quick form, and langfield's own, in a world known in closed form."""

import numpy as np
import torch
from langfield.query.language_view import RayView, render_language_view
from tests.query.fake_world import BAIT, PHRASES, SIZE, THING, Wall, camera_at

from langfield.core.observed_scales import ObservedScales
from langfield.query.index.scene_index import Outlook
from langfield.query.observed_scales import (
    box_mean,
    raster,
    relevancy_at_every_level,
    relevancy_at_levels,
)
from langfield.query.scale_search import (
    lerf_scales,
    relevancy_at_scales,
    search_scales,
    search_scales_quickly,
)

SCALES = torch.linspace(0, 4, 30)


def view() -> RayView:
    return render_language_view(Wall(), camera_at(0, 0))


def seen() -> ObservedScales:
    """Photos from z = 0 with crops of 0.05 … 0.5 of a picture as high as it is far."""
    return ObservedScales.between(0.04, 0.4, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]))


def best(outlook: Outlook) -> tuple[torch.Tensor, float, torch.Tensor]:
    """Where the first phrase is, at which scale, and the score of all."""
    level = outlook.ask(PHRASES).level
    score = outlook.atlas.together(outlook.atlas.relevancy(PHRASES), torch.from_numpy(level))
    cube = int(score[0].argmax())
    scale = outlook.scale_scene(int(level[0]), np.array([cube]))
    return torch.from_numpy(outlook.surface.centres_scene[cube]).float(), scale, score.amax(dim=1)


def point_of(view: RayView, pixel: torch.Tensor) -> torch.Tensor:
    return view.points_scene[pixel]


def test_lerf_scales_start_at_nothing_and_are_even():
    scales = lerf_scales()
    assert len(scales) == 30
    assert scales[0] == 0
    torch.testing.assert_close(scales.diff(), torch.full((29,), 0.75 / 29))


def test_the_whole_search_is_the_loop_over_scales_and_pixels():
    made = view()
    found = search_scales(made, PHRASES, SCALES)
    for p in range(3):
        highest = [float(PHRASES.relevancy(made.embedding(s.expand(made.pixels)))[:, p].max()) for s in SCALES]
        assert found.index[p] == int(torch.tensor(highest).argmax())
        torch.testing.assert_close(found.highest[p], torch.tensor(max(highest)))


def test_the_quick_search_agrees_where_things_are_larger_than_its_raster():
    class NoBait(Wall):
        def embed(self, samples, scale_scene, features=None):
            return super().embed(samples, scale_scene.clamp(max=3), features)

    made = render_language_view(NoBait(), camera_at(0, 0))
    whole, quick = search_scales(made, PHRASES, SCALES), search_scales_quickly(made, PHRASES, SCALES)
    assert torch.equal(whole.index, quick.index)
    torch.testing.assert_close(whole.highest[0], quick.highest[0])
    pictures = relevancy_at_scales(made, PHRASES, SCALES[quick.index])
    assert pictures.shape == (3, 48, 64)
    torch.testing.assert_close(pictures.amax(dim=(1, 2)), whole.highest)


def test_lerfs_search_takes_the_bait_and_seen_scales_do_not():
    made = view()
    search = search_scales(made, PHRASES, SCALES)
    picture = relevancy_at_scales(made, PHRASES, SCALES[search.index])[0]
    assert (point_of(made, picture.argmax()) - BAIT).norm() < 0.1

    where, scale, score = best(Outlook.of_views([made], seen()))
    assert (where - THING).norm() < 0.2
    assert score[0] > 0.9
    assert abs(scale - SIZE) < 0.3
    assert score[2] < 0.5


def test_pictures_at_a_level_are_the_plain_evaluation():
    made = view()
    maps, scale = relevancy_at_levels(made, PHRASES, seen(), torch.tensor([2, 5, 2]))
    distance = seen().typical_distance(made.points_scene)
    plain = PHRASES.relevancy(made.embedding(seen().crop_angles[5] * distance))[:, 1]
    torch.testing.assert_close(maps[1].reshape(-1), plain)
    torch.testing.assert_close(scale[0].reshape(-1), seen().crop_angles[2] * distance)


def test_pictures_at_every_level_are_those_at_each(monkeypatch):
    monkeypatch.setattr("langfield.query.language_view.LanguageView.pixels_at_once", 1000)  # four parts
    made, scales = view(), seen()
    every = relevancy_at_every_level(made, PHRASES, scales)
    assert every.shape == (len(scales.crop_angles), 3, 48, 64)
    for number in range(len(scales.crop_angles)):
        maps, _ = relevancy_at_levels(made, PHRASES, scales, torch.full((3,), number))
        torch.testing.assert_close(every[number], maps)


def test_typical_distance_is_the_median_and_finite_everywhere():
    points = torch.tensor([[0.0, 0.0, 4.0], [torch.inf, 0.0, 0.0]])
    found = seen().typical_distance(points)
    torch.testing.assert_close(found[0], torch.tensor([4.0, 16.25**0.5, 16.25**0.5]).median())
    assert found.isfinite().all()


def test_box_mean_is_the_mean_over_what_lies_in_the_picture():
    maps = torch.rand(2, 7, 9)
    out = box_mean(maps, 5.0)
    torch.testing.assert_close(out[1, 3, 4], maps[1, 1:6, 2:7].mean())
    torch.testing.assert_close(out[0, 0, 0], maps[0, :3, :3].mean())
    assert torch.equal(box_mean(maps, 1.0), maps)


def test_a_raster_has_every_strideth_pixel():
    pixels, shape = raster(view(), 4)
    assert shape == (12, 16)
    assert pixels[0] == 2 * 64 + 2
    assert pixels[17] == 6 * 64 + 2 + 4


def test_a_crop_is_averaged_at_its_own_size_from_near_and_far():
    """A camera at half the typical distance sees crops twice as large: the place and scale found stay the same."""
    far = render_language_view(Wall(), camera_at(0, 0, 128, 96))
    near_camera = camera_at(0, 0, 128, 96)
    near_camera.world_from_camera[2, 3] = 2.0
    near = render_language_view(Wall(), near_camera)
    (far_where, far_scale, far_score), (near_where, near_scale, near_score) = (
        best(Outlook.of_views([v], seen())) for v in (far, near)
    )
    assert (far_where - near_where).norm() < 0.2
    assert abs(far_scale - near_scale) < 0.05
    torch.testing.assert_close(far_score[0], near_score[0], rtol=0, atol=0.02)


def test_typical_distance_of_no_points_is_empty():
    assert seen().typical_distance(torch.zeros(0, 3)).shape == (0,)
