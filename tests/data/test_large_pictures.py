"""Pictures of more pixels than are held at once: the same as whole ones, in little memory, without warnings."""

import contextlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.formats.test_fuzz import mutations

from langfield.core.errors import DataError
from langfield.data import images, large_pictures
from langfield.data.images import decode_image, decode_mask, image_size

BIG = (12_000, 9_000)
_MEASURE = """
import resource, sys
import langfield.data.images as images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert images.image_size(sys.argv[1]) == (12000, 9000)
picture = images.decode_image(sys.argv[1], (1600, 1200))
assert picture.shape[:2] == (1200, 1600)
print(int(picture.max()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def waves(height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    layers = [
        127 + 90 * np.sin(x / (5 + c)) * np.cos(y / (7 - c)) + 30 * ((x * 7 + y * 3) % 5 > 2) for c in range(channels)
    ]
    return np.stack(layers, axis=-1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "options", "most_mb"),
    [
        (".jpg", {}, 120),
        (".jpg", {"progressive": True}, 350),  # its decoder keeps all coefficients
        (".png", {"compress_level": 1}, 140),
    ],
)
def test_108_megapixels_are_read_in_little_memory_and_without_a_word(tmp_path, suffix, options, most_mb):
    """Whole it would be 432 MB of RGB, with what it is made from 540."""
    path = tmp_path / f"big{suffix}"
    Image.new("L", BIG, 200).save(path, **options)
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True)
    brightest, more_kb = map(int, done.stdout.split())
    assert brightest == 200
    assert more_kb < most_mb * 1024
    assert done.stderr == ""


PICTURES = {
    "grey": Image.fromarray(waves(181, 157, 1)[..., 0]),
    "rgb": Image.fromarray(waves(181, 157, 3)),
    "alpha": Image.fromarray(waves(181, 157, 4)),
    "grey and alpha": Image.fromarray(waves(181, 157, 2)),
    "palette": Image.fromarray(waves(181, 157, 3)).quantize(40),
    "two colours": Image.fromarray(waves(181, 157, 3)).quantize(2),
    "bits": Image.fromarray(waves(181, 157, 1)[..., 0] > 127),
    "deep grey": Image.fromarray(waves(181, 157, 1)[..., 0].astype(np.uint16) * 257),
}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("size", [(31, 36), (50, 61), (157, 90)])
def test_a_png_in_bands_is_the_whole_one(tmp_path, monkeypatch, picture, size):
    """In bands of a few rows, each of which needs the row above (encoders choose all five filters)."""
    path = tmp_path / "a.png"
    PICTURES[picture].save(path)
    factor = min(157 // size[0], 181 // size[1])
    whole = Image.fromarray(decode_image(path)).reduce(factor)
    expected = whole.resize(size, Image.Resampling.LANCZOS, box=(0, 0, 157 / factor, 181 / factor))
    mask = decode_mask(path, (157, 181))[::5, ::3]
    monkeypatch.setattr(images, "MAX_PIXELS", 157 * 181 - 1)
    monkeypatch.setattr(large_pictures, "_BAND_PIXELS", 157 * 11)
    monkeypatch.setattr(large_pictures, "_READ_BYTES", 100)
    monkeypatch.setattr(large_pictures, "_INFLATED_BYTES", 333)
    if factor == 1:
        with pytest.raises(DataError, match=r"a\.png: has more than \d+ pixels, the most that is read"):
            decode_image(path, size)
    else:
        np.testing.assert_array_equal(decode_image(path, size), np.asarray(expected))
    np.testing.assert_array_equal(decode_mask(path, (157, 181))[::5, ::3], mask)


def test_a_palettes_transparency_counts_in_bands_too(tmp_path, monkeypatch):
    picture = Image.fromarray(waves(40, 40, 3)).quantize(8)
    picture.save(tmp_path / "a.png", transparency=0)
    whole = np.asarray(Image.fromarray(decode_image(tmp_path / "a.png")).reduce(4))
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    monkeypatch.setattr(large_pictures, "_BAND_PIXELS", 320)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png", (10, 10)), whole)


def test_torn_ones_are_named(tmp_path, monkeypatch):
    Image.fromarray(waves(181, 157, 3)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    for end in (60, len(content) // 2, len(content) - 60):
        (tmp_path / "a.png").write_bytes(content[:end])
        with pytest.raises(DataError, match=r"a\.png: (cannot be decoded \(image file is truncated\)|is no picture)"):
            decode_image(tmp_path / "a.png", (20, 20))
    middle = len(content) // 2
    (tmp_path / "a.png").write_bytes(content[:middle] + bytes(40) + content[middle + 40 :])
    with pytest.raises(DataError, match=r"a\.png: cannot be decoded \("):
        decode_image(tmp_path / "a.png", (20, 20))


@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_ones_are_read_or_refused(tmp_path, monkeypatch, data):
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    monkeypatch.setattr(large_pictures, "_BAND_PIXELS", 320)
    path = tmp_path / "a.png"
    Image.fromarray(waves(40, 40, 3)).quantize(8).save(path)
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    with contextlib.suppress(DataError):
        assert decode_image(path, (10, 10)).shape == (10, 10, 3)


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_in_parts_has_one_line_with_the_way_out(tmp_path):
    Image.new("1", BIG).save(tmp_path / "a.tiff", compression="group4")
    for change in ("interlaced", "16 bits"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{change}.png")
        header = struct.pack(">IIBBBBB", *BIG, 16 if change == "16 bits" else 8, 2, 0, 0, int(change == "interlaced"))
        chunk = b"IHDR" + header
        content = (tmp_path / f"{change}.png").read_bytes()
        new = content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]
        (tmp_path / f"{change}.png").write_bytes(new)
    for name in ("a.tiff", "interlaced.png", "16 bits.png"):
        with pytest.raises(DataError) as caught:
            image_size(tmp_path / name)
        assert str(caught.value) == (
            f"{tmp_path / name}: has more than 89478485 pixels, the most that is read of its kind: make the picture "
            "smaller, or save it as JPEG"
        )
