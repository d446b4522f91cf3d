import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from langfield.core.errors import DataError, WeightsError
from langfield.features.bank import build_features
from langfield.features.pyramid import LERF_PYRAMID, PyramidRecipe, encode_pyramid

SIZES = ((64, 48), (40, 70), (64, 48))


def tiles(size):
    return sum(level.tiles for level in LERF_PYRAMID.levels(*size))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_a_bank_holds_each_photos_pyramid(make_scene, colours, cache):
    scene = make_scene(*SIZES)
    bank = build_features(scene, [2, 1], colours(), cache_dir=cache)
    assert bank.dense is None
    assert (bank.report.crops, bank.report.reused_photos) == (tiles(SIZES[2]) + tiles(SIZES[1]), 0)
    assert bank.report.crops_per_second > 0
    from langfield.data.images import decode_image

    first = 0
    for view in (2, 1):
        image = torch.from_numpy(decode_image(scene.views[view].image_path))
        rows = encode_pyramid(image, LERF_PYRAMID.levels(*SIZES[view]), colours())
        assert torch.equal(bank.pyramid.rows[first : first + len(rows)], rows)
        first += len(rows)
    torch.testing.assert_close(bank.pyramid.rows.float().norm(dim=1), torch.ones(first), atol=1e-3, rtol=0)


def test_which_value_is_white_makes_other_features(make_scene, colours, cache):
    """Of photos that were stored with 16 bits; those of 8 bits keep the address that they had."""
    scene = make_scene(*SIZES)
    for view in scene.views:
        with Image.open(view.image_path) as photo:
            grey = np.asarray(photo.convert("L")).astype(np.uint16)
        Image.fromarray(grey << 4).save(view.image_path.with_suffix(".png"))
    deep = [replace(view, image_path=view.image_path.with_suffix(".png")) for view in scene.views]
    dark, bright = (
        build_features(
            replace(scene, views=tuple(replace(v, white_level=white) for v in deep)),
            [0],
            colours(),
            None,
            cache_dir=cache,
        )
        for white in (None, 4095.0)
    )
    assert bright.report.reused_photos == 0
    assert (dark.pyramid.rows - bright.pyramid.rows).abs().max() > 0.01


def test_dense_features_are_the_cells_a_pixel_lies_in(make_scene, colours, cells, cache):
    scene, dense = make_scene(*SIZES), cells()
    bank = build_features(scene, [1, 2], colours(), dense, cache_dir=cache)
    from langfield.data.images import decode_image

    for view, (width, height) in ((1, SIZES[1]), (2, SIZES[2])):
        expected = dense.encode(torch.from_numpy(decode_image(scene.views[view].image_path)))
        xy = torch.tensor([[0.0, 0.0], [3.9, 4.1], [width - 0.01, height - 0.01], [-5.0, height + 5.0]])
        got = bank.dense.sample(torch.full((4,), view), xy)
        rows, columns = expected.shape[:2]
        # 70 rows of pixels are 17 cells of a little more than 4 pixels
        assert (rows, columns) == (height // 4, width // 4)
        cell = [(0, 0), (int(4.1 * rows / height), 0), (rows - 1, columns - 1), (rows - 1, 0)]
        torch.testing.assert_close(got, torch.stack([expected[c] for c in cell]), atol=1e-3, rtol=0)
    with pytest.raises(IndexError):
        bank.dense.sample(torch.tensor([0]), torch.zeros(1, 2))
    assert build_features(scene, [1, 2], colours(), dense, cache_dir=cache).dense.rows.shape == bank.dense.rows.shape


def test_the_second_time_nothing_is_encoded(make_scene, colours, cells, cache):
    scene = make_scene(*SIZES)
    first = build_features(scene, [0, 1, 2], colours(), cells(), cache_dir=cache)
    encoder, dense = colours(), cells()
    again = build_features(scene, [0, 1, 2], encoder, dense, cache_dir=cache)
    assert (encoder.crops, dense.photos) == (0, 0)
    assert (again.report.crops, again.report.crops_per_second, again.report.reused_photos) == (0, 0.0, 3)
    assert torch.equal(again.pyramid.rows, first.pyramid.rows)
    assert torch.equal(again.dense.rows, first.dense.rows)


def test_a_changed_photo_is_the_only_one_computed_again(make_scene, colours, cache, draw):
    scene = make_scene(*SIZES)
    before = build_features(scene, [0, 1, 2], colours(), cache_dir=cache).pyramid.rows
    draw(scene.views[1].image_path, SIZES[1], seed=99)
    encoder = colours()
    bank = build_features(scene, [0, 1, 2], encoder, cache_dir=cache)
    assert encoder.crops == tiles(SIZES[1])
    assert bank.report.reused_photos == 2
    start, end = tiles(SIZES[0]), tiles(SIZES[0]) + tiles(SIZES[1])
    assert torch.equal(bank.pyramid.rows[:start], before[:start])
    assert torch.equal(bank.pyramid.rows[end:], before[end:])
    assert not torch.equal(bank.pyramid.rows[start:end], before[start:end])


@pytest.mark.parametrize("change", ["weights", "recipe", "size"])
def test_another_encoder_recipe_or_size_is_other_features(make_scene, colours, cache, change):
    scene = make_scene(SIZES[0])
    build_features(scene, [0], colours(), cache_dir=cache)
    recipe = PyramidRecipe((0.2, 0.5), 0.75) if change == "recipe" else LERF_PYRAMID
    encoder = colours(weights="9" * 64) if change == "weights" else colours()
    if change == "size":
        view = scene.views[0]
        object.__setattr__(view, "camera", view.camera.resized(32, 24))
    bank = build_features(scene, [0], encoder, recipe=recipe, cache_dir=cache)
    assert encoder.crops == bank.report.crops > 0


def test_a_torn_entry_is_computed_again_and_nothing_foreign_is_touched(make_scene, colours, cache):
    scene = make_scene(*SIZES)
    whole = build_features(scene, [0, 1, 2], colours(), cache_dir=cache).pyramid.rows.clone()
    entries = sorted(cache.rglob("*.npy"))
    entries[0].write_bytes(entries[0].read_bytes()[:-7])
    entries[1].with_suffix(".json").unlink()
    foreign = [cache / "notes.txt", entries[0].parent / "mine.npy", entries[0].parent / ".hidden.tmp"]
    for path in foreign:
        path.write_text("keep me")
    encoder = colours()
    bank = build_features(scene, [0, 1, 2], encoder, cache_dir=cache)
    assert bank.report.reused_photos == 1
    assert torch.equal(bank.pyramid.rows, whole)
    assert all(path.read_text() == "keep me" for path in foreign)


def test_interrupted_work_goes_on_where_it_stopped(make_scene, colours, cache):
    scene = make_scene(*SIZES)
    fresh = build_features(scene, [0, 1, 2], colours(), cache_dir=cache.with_name("other")).pyramid.rows

    def ctrl_c(event):
        if event.stage == "features" and event.done > tiles(SIZES[0]) + tiles(SIZES[1]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_features(scene, [0, 1, 2], colours(), cache_dir=cache, progress=ctrl_c)
    encoder = colours()
    bank = build_features(scene, [0, 1, 2], encoder, cache_dir=cache)
    # The photo before the interrupted one was still on its way back from the device.
    assert bank.report.reused_photos == 1
    assert encoder.crops == tiles(SIZES[1]) + tiles(SIZES[2])
    assert torch.equal(bank.pyramid.rows, fresh)


def test_two_at_once_compute_every_photo_once(make_scene, colours, cache):
    scene = make_scene(*SIZES)
    encoder, lock, waited = colours(), threading.Lock(), []
    encode = encoder.encode_images

    def slow(crops):
        time.sleep(0.005)
        with lock:
            return encode(crops)

    encoder.encode_images = slow
    banks = []

    def work():
        banks.append(build_features(scene, [0, 1, 2], encoder, cache_dir=cache, progress=waited.append))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert encoder.crops == sum(tiles(size) for size in SIZES)
    assert sorted(bank.report.reused_photos for bank in banks) == [0, 3]
    assert torch.equal(banks[0].pyramid.rows, banks[1].pyramid.rows)


def test_progress_counts_crops_to_the_end(make_scene, colours, cache):
    events = []
    build_features(make_scene(*SIZES), [0, 1, 2], colours(), cache_dir=cache, progress=events.append)
    crops = [event for event in events if event.stage == "features"]
    assert [event.done for event in crops] == sorted(event.done for event in crops)
    assert crops[-1].done == crops[-1].total == sum(tiles(size) for size in SIZES)
    assert {event.unit for event in crops} == {"crops"}
    assert {event.stage for event in events} == {"photo digests", "feature cache", "features"}


def test_embeddings_that_are_not_finite_are_not_kept(make_scene, colours, cache):
    scene, encoder = make_scene(SIZES[0]), colours()
    encoder.encode_images = lambda crops: torch.full((len(crops), 13), float("nan"))
    with pytest.raises(WeightsError, match=r"photo0\.png: the encoder's features of this photo are not finite"):
        build_features(scene, [0], encoder, cache_dir=cache)
    assert list(cache.rglob("*.npy")) == []


def test_a_photo_that_cannot_be_read_is_named(make_scene, colours, cache):
    scene = make_scene(*SIZES)
    scene.views[2].image_path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"photo2\.png: "):
        build_features(scene, [0, 1, 2], colours(), cache_dir=cache)
    assert build_features(scene, [0, 1], colours(), cache_dir=cache).report.reused_photos >= 1


@pytest.mark.parametrize("views", [[], [1, 1]])
def test_views_must_be_given_and_differ(make_scene, colours, cache, views):
    with pytest.raises(ValueError, match="one or more different views"):
        build_features(make_scene(*SIZES), views, colours(), cache_dir=cache)
