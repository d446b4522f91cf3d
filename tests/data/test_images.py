"""Decoding: exact pixels, sizes, transparency, hostile files."""

import zlib

import numpy as np
import pytest
from PIL import Image

from langfield.core.errors import DataError
from langfield.data.images import decode_black_and_white, decode_image, decode_mask, image_size, same_shape

RNG = np.random.default_rng(0)


def noise(height: int = 20, width: int = 30) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / width * 9), np.cos(y / height * 7), np.sin((x / width + y / height) * 5)]
    return (127 + 120 * np.stack(waves, -1)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_lossless_pictures_come_back_exactly(tmp_path, suffix):
    rgb = noise()
    Image.fromarray(rgb).save(tmp_path / f"a{suffix}", lossless=True)
    np.testing.assert_array_equal(decode_image(tmp_path / f"a{suffix}"), rgb)
    assert image_size(tmp_path / f"a{suffix}") == (30, 20)


def test_grey_palette_and_deep_pictures_become_rgb(tmp_path):
    grey = noise()[..., 0]
    Image.fromarray(grey).save(tmp_path / "l.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
    for name in ("l", "16", "p"):
        np.testing.assert_array_equal(decode_image(tmp_path / f"{name}.png"), np.repeat(grey[..., None], 3, -1))
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "f.tiff")
    with pytest.raises(DataError, match=r"f.tiff: is a 32-bit grey picture \(mode F\): save photos with 8 bits"):
        decode_image(tmp_path / "f.tiff")


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = 0, 51, 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png")[0], [[255, 255, 255], [244, 204, 204], [200, 0, 0]])


def test_masks_are_white_where_they_are_white_whatever_their_mode(tmp_path):
    white = RNG.random((5, 7)) < 0.4
    grey = np.where(white, 255, 0).astype(np.uint8)
    see_through = np.dstack([np.full((5, 7, 3), 255, np.uint8), grey])
    pictures = {
        "l": Image.fromarray(grey),
        "1": Image.fromarray(grey).convert("1"),
        "p": Image.fromarray(grey).convert("P"),
        "rgb": Image.fromarray(grey).convert("RGB"),
        "16": Image.fromarray(grey.astype(np.uint16) * 257),
        "opaque": Image.fromarray(grey).convert("RGBA"),
        "see_through": Image.fromarray(see_through),
        "half": Image.fromarray(np.where(white, 128, 127).astype(np.uint8)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(decode_black_and_white(tmp_path / f"{name}.png"), white, err_msg=name)
    Image.new("L", (7, 5)).save(tmp_path / "black.png")
    assert not decode_black_and_white(tmp_path / "black.png").any()


def test_what_is_no_mask_of_black_and_white_is_refused(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is a picture in colour: a mask is black and white$"):
        decode_black_and_white(tmp_path / "a.png")
    Image.new("L", (3, 2), 1).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png: is a mask without white, its brightest pixel is 1: save it with 0"):
        decode_black_and_white(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"c\.png: (cannot be decoded|is no picture)"):
        decode_black_and_white(tmp_path / "c.png")


def test_exif_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth(20, 30)).save(tmp_path / "a.jpg", exif=exif)
    assert decode_image(tmp_path / "a.jpg").shape == (20, 30, 3)
    assert image_size(tmp_path / "a.jpg") == (30, 20)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (481, 643), (333, 1000)])
def test_fast_jpeg_reduction_is_the_true_reduction(tmp_path, height, width):
    """Decoding at half size and resizing is the picture itself resized, for odd sizes too (no shift)."""
    Image.fromarray(smooth(height, width)).save(tmp_path / "a.jpg", quality=98)
    size = (width * 2 // 5, height * 2 // 5)
    exact = Image.open(tmp_path / "a.jpg").resize(size, Image.Resampling.LANCZOS)
    got = decode_image(tmp_path / "a.jpg", size)
    assert got.shape == (size[1], size[0], 3)
    assert np.abs(got.astype(int) - np.asarray(exact)).max() <= 3


def test_masks(tmp_path):
    values = np.array([[0, 1], [255, 0]], np.uint8)
    Image.fromarray(values).save(tmp_path / "l.png")
    Image.fromarray(np.stack([values * 0, values * 0, values], -1)).save(tmp_path / "blue.png")
    Image.fromarray(values.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    Image.fromarray(values > 0).save(tmp_path / "bit.png")
    for name in ("l", "blue", "deep", "bit"):
        np.testing.assert_array_equal(decode_mask(tmp_path / f"{name}.png", (2, 2)), values > 0)
    Image.fromarray(np.kron(values, np.ones((2, 2), np.uint8))).save(tmp_path / "large.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "large.png", (2, 2)), values > 0)
    np.testing.assert_array_equal(decode_mask(tmp_path / "l.png", (4, 4)), np.kron(values > 0, np.ones((2, 2), bool)))
    with pytest.raises(DataError, match=r"l.png: is a mask of 2x2 pixels for a photo of 40x10: a mask must cover"):
        decode_mask(tmp_path / "l.png", (40, 10))


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x02\0\0\0") + data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [9_500, 14_000, 60_000])
def test_bombs_are_refused_by_their_header(tmp_path, side):
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_header(side, side))
    with pytest.raises(DataError, match=r"bomb.png: has more than 89478485 pixels, the most that is read"):
        decode_image(bomb)  # held whole
    if side < 15_000:
        assert image_size(bomb) == (side, side)  # it may be read in parts
        return
    for read in (image_size, lambda path: decode_image(path, (100, 100)), lambda path: decode_mask(path, (100, 100))):
        with pytest.raises(DataError, match=r"bomb.png: has more than 250000000 pixels, the most that is read"):
            read(bomb)


def test_torn_and_foreign_files_are_named(tmp_path):
    Image.fromarray(noise(200, 200)).save(tmp_path / "a.jpg")
    torn = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(torn[: len(torn) // 2])
    with pytest.raises(DataError, match=r"a.jpg: cannot be decoded \(image file is truncated.*\): replace the file"):
        decode_image(tmp_path / "a.jpg")
    Image.fromarray(noise()).save(tmp_path / "a.gif")
    for content in ((tmp_path / "a.gif").read_bytes(), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"", b"hello"):
        (tmp_path / "b.jpg").write_bytes(content)
        with pytest.raises(
            DataError, match=r"b.jpg: is no picture of a kind that is read: JPEG, PNG, WebP and TIFF are"
        ):
            decode_image(tmp_path / "b.jpg")
    with pytest.raises(DataError, match=r"c.jpg: does not exist: restore it or take it out of the scene"):
        decode_image(tmp_path / "c.jpg")


def test_same_shape():
    assert same_shape((4032, 3024), (1600, 1200))
    assert same_shape((1080, 1920), (540, 960))
    assert same_shape((1999, 1333), (1000, 667))
    assert not same_shape((640, 480), (480, 640))
    assert not same_shape((1920, 1080), (1440, 1080))
