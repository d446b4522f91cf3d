"""LERF's search for a scale, whole and coarse to fine, in a world known in closed form."""

import torch
from tests.query.fake_world import BAIT, PHRASES, Wall, camera_at

from langfield.query.scale_search import lerf_scales, relevancy_at_scales, search_scales, search_scales_coarse_to_fine

SCALES = torch.linspace(0, 4, 30)


def test_lerf_scales_start_at_nothing_and_are_even():
    scales = lerf_scales()
    assert len(scales) == 30
    assert scales[0] == 0
    torch.testing.assert_close(scales.diff(), torch.full((29,), 0.75 / 29))


def test_the_whole_search_is_the_loop_over_scales_and_pixels():
    made = Wall().view(camera_at(0, 0))
    found = search_scales(made, PHRASES, SCALES)
    for p in range(3):
        highest = [float(PHRASES.relevancy(made.embedding(s.expand(made.pixel_count)))[:, p].max()) for s in SCALES]
        assert found.scale_index[p] == int(torch.tensor(highest).argmax())
        torch.testing.assert_close(found.max_relevancy[p], torch.tensor(max(highest)))


def test_the_quick_search_agrees_where_things_are_larger_than_its_raster():
    class NoBait(Wall):
        def embed(self, samples, scale_scene):
            return super().embed(samples, scale_scene.clamp(max=3))

    made = NoBait().view(camera_at(0, 0))
    whole, quick = search_scales(made, PHRASES, SCALES), search_scales_coarse_to_fine(made, PHRASES, SCALES)
    assert torch.equal(whole.scale_index, quick.scale_index)
    torch.testing.assert_close(whole.max_relevancy[0], quick.max_relevancy[0])
    pictures = relevancy_at_scales(made, PHRASES, SCALES[quick.scale_index])
    assert pictures.shape == (3, 48, 64)
    torch.testing.assert_close(pictures.amax(dim=(1, 2)), whole.max_relevancy)


def test_lerfs_search_takes_the_bait():
    view = Wall().view(camera_at(0, 0))
    search = search_scales(view, PHRASES, SCALES)
    picture = relevancy_at_scales(view, PHRASES, SCALES[search.scale_index])[0]
    assert (view.points_scene[picture.argmax()] - BAIT).norm() < 0.1
