import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.errors import UsageError
from langfield.features.pyramid import (
    LERF_PYRAMID,
    PyramidFeatures,
    PyramidRecipe,
    crop_batches,
    encode_pyramid,
)

sizes = st.tuples(st.integers(20, 90), st.integers(20, 90))
anywhere = st.floats(-50, 150, width=32)
recipes = st.sampled_from([LERF_PYRAMID, PyramidRecipe((0.1, 0.2, 0.35, 0.5), 0.75), PyramidRecipe((0.3,), 1.0)])


def picture(width, height, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def colour_encoder(colours):
    return colours()


def brute_force_crop(image, level, row, column, size_px):
    """One tile cut pixel by pixel about its centre, black outside, resized alone by torch's own resize."""
    height, width, _ = image.shape
    left = level.origin_px + column * level.stride_px - level.kernel_px / 2
    top = level.origin_px + row * level.stride_px - level.kernel_px / 2
    assert left == int(left)
    crop = torch.zeros(3, level.kernel_px, level.kernel_px)
    for y in range(level.kernel_px):
        for x in range(level.kernel_px):
            py, px = int(top) + y, int(left) + x
            if 0 <= py < height and 0 <= px < width:
                crop[:, y, x] = image[py, px] / 255
    resized = torch.nn.functional.interpolate(crop[None], (size_px, size_px), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)


@settings(deadline=None, max_examples=15)
@given(size=sizes, recipe=recipes, data=st.data())
def test_every_row_is_the_embedding_of_its_brute_force_crop(colour_encoder, size, recipe, data):
    encoder, image = colour_encoder, picture(*size)
    levels = recipe.levels(*size)
    rows = encode_pyramid(image, levels, encoder)
    first = 0
    for level in levels:
        row = data.draw(st.integers(0, level.rows - 1))
        column = data.draw(st.integers(0, level.columns - 1))
        expected = encoder.encode_images(brute_force_crop(image, level, row, column, 8))[0]
        torch.testing.assert_close(rows[first + row * level.columns + column].float(), expected, atol=1e-3, rtol=0)
        first += level.tiles
    assert len(rows) == first


def test_lerfs_grids():
    """LERF §3.3 and its code: tiles of int(ratio · height), stride 1 at 0.05 to 0.5 at 0.15, padded by kernel // 2."""
    levels = LERF_PYRAMID.levels(640, 480)
    assert [level.kernel_px for level in levels] == [24, 60, 96, 132, 168, 204, 240]
    assert [level.stride_px for level in levels] == [24, 37, 48, 66, 84, 102, 120]
    assert sum(level.tiles for level in levels) == 1148
    np.testing.assert_allclose(LERF_PYRAMID.tile_ratios, np.linspace(0.05, 0.5, 7))
    for level in levels:
        padding = level.kernel_px // 2
        unfold = torch.nn.Unfold(level.kernel_px, stride=level.stride_px, padding=padding)
        assert unfold(torch.zeros(1, 1, 480, 640)).shape[-1] == level.tiles
        assert level.origin_px == (level.kernel_px - 1) / 2 - padding + 0.5
    odd = PyramidRecipe((0.5,)).levels(50, 50)[0]
    assert (odd.kernel_px, odd.origin_px) == (25, 0.5)


@settings(deadline=None, max_examples=50)
@given(size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)), recipe=recipes)
def test_tiles_reach_every_part_of_any_photo(size, recipe):
    for level in recipe.levels(*size):
        for count, side in ((level.columns, size[0]), (level.rows, size[1])):
            last_centre = level.origin_px + (count - 1) * level.stride_px
            assert last_centre <= side < last_centre + level.stride_px + 1
        assert level.crop_fraction == level.kernel_px / size[1]


@settings(deadline=None, max_examples=50)
@given(batch=st.integers(1, 200))
def test_batches_are_full_and_in_the_same_order_whatever_their_size(batch):
    image, levels = picture(50, 40), LERF_PYRAMID.levels(50, 40)
    batches = list(crop_batches(image, levels, 8, "bilinear", batch))
    assert all(len(crops) == batch for crops in batches[:-1])
    whole = next(crop_batches(image, levels, 8, "bilinear", 10**6))
    torch.testing.assert_close(torch.cat(batches), whole)


def test_a_full_device_gets_smaller_batches(colours):
    image, levels = picture(50, 40), LERF_PYRAMID.levels(50, 40)
    expected = encode_pyramid(image, levels, colours())
    torch.testing.assert_close(encode_pyramid(image, levels, colours(largest_batch=5)), expected)
    with pytest.raises(torch.OutOfMemoryError):
        encode_pyramid(image, levels, colours(largest_batch=0))


@pytest.mark.parametrize(
    ("ratios", "stride"), [((), None), ((0.2, 0.1), None), ((0.0, 0.1), None), ((0.5, 1.1), None), ((0.1,), 0.0)]
)
def test_recipes_that_make_no_pyramid_are_refused(ratios, stride):
    with pytest.raises(UsageError, match="ratio"):
        PyramidRecipe(ratios, stride)


def features(photo_sizes, recipe=LERF_PYRAMID, views=None, rows_of=None):
    """Pyramid features of photos whose rows are `rows_of(photo, level number, level)`, else noise."""
    levels = [recipe.levels(*size) for size in photo_sizes]
    if rows_of is None:
        generator = torch.Generator().manual_seed(7)
        rows = torch.randn(sum(level.tiles for photo in levels for level in photo), 3, generator=generator)
    else:
        pieces = [rows_of(p, n, level) for p, photo in enumerate(levels) for n, level in enumerate(photo)]
        rows = torch.cat(pieces)
    return PyramidFeatures.from_rows(rows.half(), views or list(range(len(levels))), levels, recipe), levels


def centres(level):
    y = level.origin_px + torch.arange(level.rows) * level.stride_px
    x = level.origin_px + torch.arange(level.columns) * level.stride_px
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def test_samples_at_tile_centres_are_the_rows():
    table, levels = features([(64, 48), (40, 70)], views=[5, 2])
    first = 0
    for photo, view in enumerate((5, 2)):
        for number, level in enumerate(levels[photo]):
            count = level.tiles
            got = table.sample(torch.full((count,), view), centres(level), torch.full((count,), float(number)))
            torch.testing.assert_close(got, table.rows[first : first + count].float(), atol=1e-4, rtol=1e-4)
            first += count


@settings(deadline=None, max_examples=50)
@given(x=st.floats(0, 1), y=st.floats(0, 1), level=st.floats(0, 6), photo=st.integers(0, 1), seed=st.integers(0, 9))
def test_a_linear_world_is_sampled_exactly(x, y, level, photo, seed):
    """Where rows are linear in the tiles' place and in the level, so are samples (up to the outermost centres)."""
    photo_sizes = [(64, 48), (40, 70)]
    slope = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)) / 64

    def rows_of(p, number, grid):
        return centres(grid) @ slope + 0.1 * number + p

    table, levels = features(photo_sizes, rows_of=rows_of)
    low = min(int(level), 5)
    ends = [g.origin_px + torch.tensor([g.columns - 1, g.rows - 1]) * g.stride_px for g in levels[photo][low : low + 2]]
    start = max(g.origin_px for g in levels[photo][low : low + 2])
    inside = torch.minimum(*ends) - start
    xy = start + torch.tensor([x, y]) * inside
    got = table.sample(torch.tensor([photo]), xy[None].float(), torch.tensor([level]))
    torch.testing.assert_close(got[0], xy @ slope + 0.1 * level + photo, atol=4e-3, rtol=0)


@settings(deadline=None, max_examples=50)
@given(x=anywhere, y=anywhere, level=st.floats(-1, 8) | st.integers(0, 6), photo=st.integers(0, 2), recipe=recipes)
def test_samples_agree_with_loops(x, y, level, photo, recipe):
    """A twin in plain Python, also beyond borders and levels (a single level among the recipes)."""
    photo_sizes = [(64, 48), (40, 70), (64, 48)]
    table, levels = features(photo_sizes, recipe)

    def at(number):
        grid = levels[photo][number]
        first = sum(g.tiles for p in levels[:photo] for g in p) + sum(g.tiles for g in levels[photo][:number])
        u = min(max((x - grid.origin_px) / grid.stride_px, 0), grid.columns - 1)
        v = min(max((y - grid.origin_px) / grid.stride_px, 0), grid.rows - 1)
        total = torch.zeros(3)
        for column in range(grid.columns):
            for row in range(grid.rows):
                weight = max(0, 1 - abs(u - column)) * max(0, 1 - abs(v - row))
                total += weight * table.rows[first + row * grid.columns + column].float()
        return total, grid.crop_fraction

    clamped = min(max(level, 0), len(recipe.tile_ratios) - 1)
    low, high = int(np.floor(clamped)), int(np.ceil(clamped))
    share = clamped - low
    view, where, number = torch.tensor([photo]), torch.tensor([[x, y]]), torch.tensor([float(level)])
    expected = (1 - share) * at(low)[0] + share * at(high)[0]
    torch.testing.assert_close(table.sample(view, where, number)[0], expected, atol=1e-3, rtol=1e-3)
    if clamped == low:
        torch.testing.assert_close(table.sample_level(photo, where, low)[0], expected, atol=1e-3, rtol=1e-3)
    fraction = (1 - share) * at(low)[1] + share * at(high)[1]
    torch.testing.assert_close(table.crop_fraction(view, number)[0], torch.tensor(fraction), atol=1e-6, rtol=1e-6)


def test_crop_fractions_are_true_to_the_pixel():
    """⌊0.05 · 50⌋ is 2 pixels: 0.04 of the height, not 0.05."""
    table, _ = features([(60, 50), (64, 480)])
    level = torch.zeros(2)
    torch.testing.assert_close(table.crop_fraction(torch.tensor([0, 1]), level), torch.tensor([0.04, 0.05]))
    torch.testing.assert_close(table.crop_fractions, torch.linspace(0.05, 0.5, 7))


@pytest.mark.parametrize("view", [0, 4, 6])
def test_a_view_without_features_is_an_error(view):
    table, _ = features([(64, 48), (40, 70)], views=[5, 2])
    with pytest.raises(IndexError):
        table.sample(torch.tensor([view]), torch.zeros(1, 2), torch.zeros(1))
    with pytest.raises(IndexError):
        table.sample_level(view, torch.zeros(1, 2), 0)


def test_rows_that_do_not_fit_are_refused():
    levels = LERF_PYRAMID.levels(64, 48)
    with pytest.raises(ValueError, match="tiles but 3 rows"):
        PyramidFeatures.from_rows(torch.zeros(3, 2, dtype=torch.float16), [0], [levels], LERF_PYRAMID)
