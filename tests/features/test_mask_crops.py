import numpy as np
import pytest
import torch
from PIL import Image

from langfield.features import mask_crops as module
from langfield.features.mask_crops import before_blurred, encode_masks, mask_crops, square_crops, squares_px
from langfield.features.run_lengths import encode_runs

SIDE = 24


def smooth_photo(width: int, height: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def discs(width: int, height: int, circles: list[tuple[float, float, float]]) -> torch.Tensor:
    y, x = np.mgrid[:height, :width] + 0.5
    return torch.from_numpy(np.stack([(x - cx) ** 2 + (y - cy) ** 2 <= r**2 for cx, cy, r in circles]))


def plain_square(picture: np.ndarray, x: float, y: float, side: float, size_px: int) -> np.ndarray:
    """A square cut by PIL out of the picture with black about it, resized with antialiasing."""
    height, width = picture.shape[:2]
    border = int(side) + 2
    channels = picture.reshape(height, width, -1).transpose(2, 0, 1)
    box = tuple(edge + border for edge in (x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    resized = [
        Image.fromarray(np.pad(channel, border)).resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
        for channel in channels.astype(np.float32)
    ]
    return np.stack([np.asarray(channel) for channel in resized])


def plain_crop(photo: np.ndarray, mask: np.ndarray, size_px: int) -> np.ndarray:
    """One mask's crop: the background blurred by weights written out pixel after pixel."""
    rows, columns = np.nonzero(mask)
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    side = max(right - left, bottom - top) * 1.2
    where = (left + right) / 2, (top + bottom) / 2, side
    sharp = plain_square(photo / 255, *where, size_px)
    inside = plain_square(mask, *where, size_px)
    blurred = sharp
    for axis in (1, 2):
        lines = []
        for place in range(size_px):
            weight = np.exp(-0.5 * ((np.arange(size_px) - place) / (0.05 * size_px)) ** 2)
            lines.append(np.tensordot(blurred, weight / weight.sum(), axes=(axis, 0)))
        blurred = np.stack(lines, axis=axis)
    return inside * sharp + (1 - inside) * blurred


# Enlarged, about its size, shrunk and much shrunk; inside, over an edge, over a corner.
CIRCLES = [
    (100.0, 80.0, 6.0),
    (60.0, 70.0, 12.0),
    (150.0, 100.0, 55.0),
    (150.0, 90.0, 85.0),
    (2.0, 90.0, 30.0),
    (0, 0, 40),
]


def test_crops_are_those_cut_one_after_the_other():
    photo, masks = smooth_photo(300, 200), discs(300, 200, CIRCLES)
    crops = torch.cat(list(mask_crops(torch.from_numpy(photo.copy()), encode_runs(masks), SIDE, batch=4)))
    assert crops.dtype == torch.float32
    assert 0 <= crops.min() <= crops.max() <= 1
    for crop, mask in zip(crops.numpy(), masks.numpy(), strict=True):
        error = np.abs(crop - plain_crop(photo, mask, SIDE))
        # Two ways to resize, alike but for the black beyond the photo's edge, which one of them softens more.
        assert error.mean() < 0.01
        assert np.quantile(error, 0.9) < 0.03


def test_in_any_batches_crops_are_the_same(monkeypatch):
    photo, runs = torch.from_numpy(smooth_photo(300, 200).copy()), encode_runs(discs(300, 200, CIRCLES))
    whole = torch.cat(list(mask_crops(photo, runs, SIDE, batch=100)))
    single = list(mask_crops(photo, runs, SIDE, batch=1))
    assert [len(crops) for crops in single] == [1] * len(runs)
    torch.testing.assert_close(torch.cat(single), whole, atol=1e-5, rtol=0)
    monkeypatch.setattr(module, "_MASK_PIXELS_AT_ONCE", 2 * 300 * 200)
    assert [len(crops) for crops in mask_crops(photo, runs, SIDE, batch=100)] == [2, 2, 2]


def test_a_square_is_about_the_box_a_tenth_wider_on_each_side():
    boxes = np.array([[10, 20, 50, 40], [0, 0, 3, 6]])
    np.testing.assert_allclose(squares_px(boxes), [[30, 30, 48], [1.5, 3, 7.2]])


def test_a_square_shows_what_lies_in_it():
    """Of a picture that is its own coordinates, a crop is the coordinates of its samples, at any size."""
    y, x = torch.meshgrid(torch.arange(400) + 0.5, torch.arange(500) + 0.5, indexing="ij")
    picture = torch.stack([x, y])[None]
    squares = np.array([[250, 200, 16], [250, 200, 48], [240, 190, 100], [250, 200, 380]], dtype=np.float32)
    for crop, (cx, cy, side) in zip(square_crops(picture, squares, SIDE), squares, strict=True):
        along = side * ((torch.arange(SIDE) + 0.5) / SIDE - 0.5)
        torch.testing.assert_close(crop[0], (cx + along).expand(SIDE, -1), atol=0.01, rtol=0)
        torch.testing.assert_close(crop[1], (cy + along)[:, None].expand(-1, SIDE), atol=0.01, rtol=0)


def test_fine_texture_is_averaged_where_it_is_shrunk():
    checks = torch.from_numpy(np.indices((400, 400)).sum(axis=0) % 2).float()[None, None]
    crop = square_crops(checks, np.array([[200, 200, 390]], dtype=np.float32), SIDE)
    torch.testing.assert_close(crop, torch.full_like(crop, 0.5), atol=0.02, rtol=0)


def test_blurring_leaves_the_thing_and_flat_backgrounds_alone():
    flat = torch.full((1, 3, SIDE, SIDE), 0.3)
    torch.testing.assert_close(before_blurred(flat, torch.zeros(1, 1, SIDE, SIDE)), flat)
    noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before_blurred(noise, torch.ones(1, 1, SIDE, SIDE)), noise)
    blurred = before_blurred(noise, torch.zeros(1, 1, SIDE, SIDE))
    assert blurred.std() < 0.5 * noise.std()


@pytest.mark.parametrize("largest", [10**9, 3])
def test_embeddings_are_those_of_the_crops(colours, largest):
    photo, runs = torch.from_numpy(smooth_photo(300, 200).copy()), encode_runs(discs(300, 200, CIRCLES))
    encoder = colours(size_px=SIDE, largest_batch=largest)
    rows = encode_masks(photo, runs, encoder)
    expected = colours(size_px=SIDE).encode_images(torch.cat(list(mask_crops(photo, runs, SIDE, batch=100))))
    torch.testing.assert_close(rows, expected.half(), atol=1e-3, rtol=0)


def test_no_masks_have_no_embeddings(colours):
    photo = torch.from_numpy(smooth_photo(30, 20).copy())
    assert encode_masks(photo, encode_runs(torch.zeros(0, 20, 30, dtype=torch.bool)), colours()).shape == (0, 13)
