"""The pixel pool: true colours, uniform draws, masks, mixed sizes, and photos that change within a budget."""

import json
import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import chisquare
from tests.data.scenes import write_ball_scene

from langfield.core.errors import DataError, UsageError
from langfield.data import pixels as pixels_module
from langfield.data.images import decode_image
from langfield.data.pixels import PixelPool
from langfield.data.scene import open_scene
from langfield.data.views import Scene

WIDTH, HEIGHT = 16, 12
PHOTO_BYTES = WIDTH * HEIGHT * 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ball_scene(folder, n_views: int, *, mixed: bool = False, masks: bool = False) -> Scene:
    balls = write_ball_scene(folder, n_views, WIDTH, HEIGHT, suffix=".png", masks=masks)
    if mixed:
        for i, name in enumerate(balls.names):
            size = (WIDTH // (1 + i % 2), HEIGHT // (1 + i % 2))
            Image.open(folder / name).resize(size).save(folder / name)
    return open_scene(folder)


@pytest.mark.parametrize("masks", [False, True])
def test_samples_are_the_photos_pixels(tmp_path, masks):
    scene = ball_scene(tmp_path, 5, mixed=True, masks=masks)
    with PixelPool(scene, [1, 2, 4], "cpu", 1 << 20, seed=0) as pool:
        pool.prepare(0)
        sample = pool.sample(3000, generator())
    assert set(sample.view_index.tolist()) == {1, 2, 4}
    for index in (1, 2, 4):
        of_view = sample.view_index == index
        xy = sample.xy_px[of_view]
        assert torch.equal(xy % 1, torch.full_like(xy, 0.5))
        column, row = xy.floor().long().T
        rgb = torch.from_numpy(decode_image(scene.views[index].image_path).astype(np.float32) / 255)
        torch.testing.assert_close(sample.rgb[of_view], rgb[row, column])
        assert int(column.min()) == (rgb.shape[1] // 4 if masks else 0)


def test_every_pixel_is_as_likely(tmp_path):
    """χ² over all pixels of photos of different sizes, masked in part: p > 1e-4."""
    scene = ball_scene(tmp_path, 3, mixed=True, masks=True)
    pool = PixelPool(scene, [0, 1, 2], "cpu", 1 << 20, seed=0)
    pool.prepare(0)
    sample = pool.sample(200_000, generator(1))
    keys = (sample.view_index * 1000 + sample.xy_px[:, 1].long() * WIDTH + sample.xy_px[:, 0].long()).tolist()
    counts = Counter(keys)
    usable = 2 * HEIGHT * (WIDTH - WIDTH // 4) + (HEIGHT // 2) * (WIDTH // 2 - WIDTH // 8)
    assert len(counts) == usable
    assert chisquare(list(counts.values())).pvalue > 1e-4
    assert pool.resident_bytes == usable * (3 + 4)


def test_pixels_in_groups_are_of_one_photo_and_each_is_as_likely(tmp_path):
    """χ² as above. The photos of groups are independent draws, so a group's first pixels have the same distribution."""
    scene = ball_scene(tmp_path, 3, mixed=True, masks=True)
    pool = PixelPool(scene, [0, 1, 2], "cpu", 1 << 20, seed=0)
    pool.prepare(0)
    sample = pool.sample(4 * 50_000, generator(1), per_photo=4)
    views = sample.view_index.reshape(-1, 4)
    assert (views == views[:, :1]).all()
    rows = sample.xy_px[:, 1].long() * WIDTH + sample.xy_px[:, 0].long()
    keys = (sample.view_index * 1000 + rows).reshape(-1, 4)
    for column in keys.T:
        counts = Counter(column.tolist())
        assert len(counts) == 2 * HEIGHT * (WIDTH - WIDTH // 4) + (HEIGHT // 2) * (WIDTH // 2 - WIDTH // 8)
        assert chisquare(list(counts.values())).pvalue > 1e-4
    assert len(set(map(tuple, keys.tolist()))) > 40_000  # pixels of a group differ
    again = pool.sample(4 * 50_000, generator(1), per_photo=4)
    assert torch.equal(again.xy_px, sample.xy_px)
    assert len(pool.sample(7, generator(), per_photo=3).rgb) == 7
    with pytest.raises(UsageError, match="per_photo must be at least 1, got 0"):
        pool.sample(7, generator(), per_photo=0)


def test_all_photos_stay_where_they_fit(tmp_path):
    scene = ball_scene(tmp_path, 6)
    pool = PixelPool(scene, scene.train, "cpu", len(scene.train) * PHOTO_BYTES, seed=0, rotate_every=1)
    pool.prepare(0)
    assert pool.resident_views == scene.train
    assert not pool.rotates
    assert pool.resident_bytes == len(scene.train) * PHOTO_BYTES
    before = pool.sample(10, generator())
    pool.prepare(7)
    after = pool.sample(10, generator())
    assert torch.equal(before.rgb, after.rgb)


def resident_at(scene: Scene, budget: int, seed: int, steps) -> dict[int, tuple[int, ...]]:
    with PixelPool(scene, range(len(scene.views)), "cpu", budget, seed, rotate_every=10) as pool:
        out = {}
        for step in steps:
            pool.prepare(step)
            out[step] = pool.resident_views
        return out


def test_each_photo_once_in_a_cycle_and_resumed_runs_agree(tmp_path):
    scene = ball_scene(tmp_path, 12, mixed=True)
    budget = 5 * PHOTO_BYTES
    all_steps = resident_at(scene, budget, 3, range(0, 400, 10))
    resumed = resident_at(scene, budget, 3, range(200, 400, 10))
    backwards = resident_at(scene, budget, 3, [395, 204, 30, 35, 0])
    assert resumed == {step: all_steps[step] for step in resumed}
    assert all(views == all_steps[step // 10 * 10] for step, views in backwards.items())
    assert all_steps != resident_at(scene, budget, 4, all_steps)
    groups = list(all_steps.values())
    per_cycle = next(n for n in range(1, 13) if sorted(sum(groups[:n], ())) == list(range(12)))
    assert per_cycle > 2
    for cycle in range(0, len(groups) - per_cycle, per_cycle):
        assert sorted(sum(groups[cycle : cycle + per_cycle], ())) == list(range(12))


@pytest.fixture(scope="module")
def pool_scenes(tmp_path_factory):
    return {masks: ball_scene(tmp_path_factory.mktemp("pool"), 12, mixed=True, masks=masks) for masks in (False, True)}


@given(
    budget_photos=st.floats(0.2, 14),
    seed=st.integers(0, 100),
    masks=st.booleans(),
    steps=st.lists(st.integers(0, 300), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=25)
def test_the_budget_holds(pool_scenes, budget_photos, seed, masks, steps):
    """Resident and decoded-ahead pixels together stay within the budget (or are single photos)."""
    scene = pool_scenes[masks]
    per_pixel = 7 if masks else 3
    budget = int(budget_photos * WIDTH * HEIGHT * per_pixel)
    with PixelPool(scene, range(12), "cpu", budget, seed, rotate_every=10) as pool:
        for step in steps:
            pool.prepare(step)
            limit = budget // 2 if pool.rotates else budget
            assert pool.resident_bytes <= limit or len(pool.resident_views) == 1
            assert pool.sample(3, generator()).rgb.shape == (3, 3)


def test_many_large_photos_need_the_budget_and_a_few_photos(tmp_path, monkeypatch):
    """2,000 photos of 1.4 MB with a budget of 20 of them: the peak is the budget plus what four decoders hold."""
    base = ball_scene(tmp_path, 2)
    views = [replace(view, camera=view.camera.resized(800, 600)) for view in base.views]
    scene = replace(base, views=tuple(views[i % 2] for i in range(2000)), train=tuple(range(2000)), test=())
    monkeypatch.setattr(
        pixels_module, "decode_image", lambda path, size, white_level: np.ones((size[1], size[0], 3), np.uint8)
    )
    photo_bytes = 800 * 600 * 3
    budget = 20 * photo_bytes
    tracemalloc.start()
    try:
        with PixelPool(scene, scene.train, "cpu", budget, seed=0, rotate_every=1) as pool:
            for step in range(6):
                pool.prepare(step)
                assert 8 * photo_bytes <= pool.resident_bytes <= budget // 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= budget + (4 + 1) * photo_bytes


def test_errors_in_the_background_reach_the_caller(tmp_path):
    scene = ball_scene(tmp_path, 4)
    pool = PixelPool(scene, range(4), "cpu", 2 * PHOTO_BYTES, seed=0, rotate_every=1)
    with pytest.raises(UsageError, match="call prepare"):
        pool.sample(1)
    for view in scene.views:
        view.image_path.write_bytes(b"torn")
    with pytest.raises(DataError, match="is no picture"):
        pool.prepare(0)
    pool.close()


def test_closing_stops_decoding_ahead_and_keeps_the_pixels(tmp_path):
    scene = ball_scene(tmp_path, 4)
    pool = PixelPool(scene, range(4), "cpu", 2 * PHOTO_BYTES, seed=0, rotate_every=1)
    pool.prepare(0)
    pool.close()
    assert len(pool.sample(5).rgb) == 5
    pool.prepare(1)
    assert len(pool.sample(5).rgb) == 5


def test_masks_that_leave_nothing_are_named(tmp_path):
    write_ball_scene(tmp_path, 3, WIDTH, HEIGHT, masks=True)
    for i in (1, 2, 3):
        Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "masks" / f"frame_0000{i}.png")
    scene = open_scene(tmp_path)
    with pytest.raises(DataError, match=r"frame_00001.png: leaves no pixel to train on: a mask is nonzero where"):
        PixelPool(scene, range(3), "cpu", 1 << 20, seed=0).prepare(0)


def test_one_empty_mask_among_others_is_never_drawn(tmp_path):
    write_ball_scene(tmp_path, 3, WIDTH, HEIGHT, masks=True)
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "masks" / "frame_00002.png")
    meta = json.loads((tmp_path / "transforms.json").read_text())
    del meta["frames"][2]["mask_path"]
    (tmp_path / "transforms.json").write_text(json.dumps(meta))
    pool = PixelPool(open_scene(tmp_path), range(3), "cpu", 1 << 20, seed=0)
    pool.prepare(0)
    sample = pool.sample(2000, generator())
    assert set(sample.view_index.tolist()) == {0, 2}
    assert int(sample.xy_px[sample.view_index == 2].floor().min()) == 0
