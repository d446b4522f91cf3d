"""Photos of more than 8 bits a colour: their values are read exactly, and one value is white in all of a scene."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.deep_writers import write_deep_png, write_deep_tiff
from tests.data.scenes import write_ball_scene

import langfield
from langfield.core.errors import DataError
from langfield.data import deep_pictures
from langfield.data.deep_pictures import deep_bands
from langfield.data.images import decode_image, deep_kind
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.training.photos import PhotoSource

RNG = np.random.default_rng(0)
SHAPE = (6, 9)


def values_of(channels: int, high: int = 4095) -> np.ndarray:
    return RNG.integers(0, high + 1, (*SHAPE, channels))


@pytest.mark.parametrize("band_pixels", [1, 20, 1000])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_bits_of_a_png(tmp_path: Path, channels: int, band_pixels: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deep_pictures, "_BAND_PIXELS", band_pixels)
    values = values_of(channels, 65535)
    write_deep_png(tmp_path / "a.png", values)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.concatenate([*deep_bands(image)]).reshape(values.shape), values)
    assert deep_kind(tmp_path / "a.png") == "16 bits"


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_bits_of_a_tiff(tmp_path: Path, order: str):
    values = values_of(3, 65535)
    write_deep_tiff(tmp_path / "a.tif", values, order)
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(np.concatenate([*deep_bands(image)]), values)
    write_deep_tiff(tmp_path / "b.tif", values, order, planes=True)
    with pytest.raises(DataError, match=r"b.tif: has more than 8 bits a colour, stored plane by plane: save it as a"):
        deep_kind(tmp_path / "b.tif")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_of_fewer_bits_are_the_same_picture(tmp_path: Path, bits: int, channels: int):
    eight = RNG.integers(0, 256, (*SHAPE, channels))
    write_deep_png(tmp_path / "a.png", (eight << (bits - 8)) | RNG.integers(0, 2 ** (bits - 8), eight.shape))
    found = decode_image(tmp_path / "a.png", white_level=2.0**bits - 1)
    np.testing.assert_array_equal(found, np.broadcast_to(eight, (*SHAPE, 3)))
    if bits == 16:
        np.testing.assert_array_equal(found, decode_image(tmp_path / "a.png"))


def test_beyond_white_is_white_and_transparent_is_white_too(tmp_path: Path):
    values = np.zeros((1, 4, 4), dtype=int)
    values[0] = [[4095, 9000, 0, 4095], [2048, 0, 0, 65535], [5, 5, 5, 0], [4095, 0, 0, 2048]]
    write_deep_png(tmp_path / "a.png", values)
    found = decode_image(tmp_path / "a.png", white_level=4095.0)
    np.testing.assert_array_equal(found[0, :3], [[255, 255, 0], [128, 0, 0], [255, 255, 255]])
    np.testing.assert_allclose(found[0, 3], [255, 127, 127], atol=1)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floats(tmp_path: Path, white: float):
    shares = np.array([[0, 0.2, 1.0, 1.4, -1, np.nan, np.inf]], dtype=np.float32)
    Image.fromarray(shares * np.float32(white)).save(tmp_path / "a.tiff")
    found = decode_image(tmp_path / "a.tiff", white_level=white)
    np.testing.assert_array_equal(found[0, :, 0], [0, 51, 255, 255, 0, 0, 255])


def deep_scene(folder: Path, write) -> Path:
    """A scene whose photos `write` stores, given each one's grey values of 8 bits, its path without suffix, and its
    number; it returns the suffix."""
    write_ball_scene(folder, n_views=5, width_px=24, height_px=18, suffix=".png")
    meta = (folder / "transforms.json").read_text()
    for number, path in enumerate(sorted((folder / "images").iterdir())):
        grey = np.asarray(Image.open(path).convert("L")).astype(int)
        path.unlink()
        meta = meta.replace(f"images/{path.name}", f"images/{path.stem}{write(grey, path.with_suffix(''), number)}")
    (folder / "transforms.json").write_text(meta)
    return folder


def bits_writer(bits: int):
    def write(grey: np.ndarray, stem: Path, number: int) -> str:
        write_deep_png(stem.with_suffix(".png"), (grey << (bits - 8))[..., None])
        return ".png"

    return write


def photos_of(scene: Scene) -> list[np.ndarray]:
    return [decode_image(view.image_path, view.size_px, view.white_level) for view in scene.views]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_scene_says_which_value_is_white(tmp_path: Path, bits: int):
    scene = open_scene(deep_scene(tmp_path / "deep", bits_writer(bits)))
    plain = open_scene(write_ball_scene(tmp_path / "plain", 5, 24, 18, suffix=".png").folder)
    for found, view in zip(photos_of(scene), plain.views, strict=True):
        grey = np.asarray(Image.open(view.image_path).convert("L"))
        np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    said = [note for note in scene.notes if "white" in note]
    if bits == 16:
        assert all(view.white_level is None for view in scene.views)
        assert said == []
    else:
        white = 2**bits - 1
        assert {view.white_level for view in scene.views} == {white}
        largest = int(max(photo.max() for photo in photos_of(scene))) << (bits - 8)
        assert said == [
            f"5 photos have values of {bits} bits in files of more (the largest is {largest}): {white} is white in all "
            "of them"
        ]


def test_all_photos_decide_together_and_a_dark_one_stays_dark(tmp_path: Path):
    def write(grey: np.ndarray, stem: Path, number: int) -> str:
        write_deep_png(stem.with_suffix(".png"), (grey << (8 if number == 3 else 2))[..., None])
        return ".png"

    scene = open_scene(deep_scene(tmp_path / "scene", write))
    assert all(view.white_level is None for view in scene.views)
    assert photos_of(scene)[0].max() <= 3


def test_floats_and_jpegs_beside_whole_numbers_have_their_own(tmp_path: Path):
    def write(grey: np.ndarray, stem: Path, number: int) -> str:
        if number == 0:
            Image.fromarray(grey.astype(np.uint8)).save(stem.with_suffix(".jpg"), quality=100)
            return ".jpg"
        if number in (1, 2):
            Image.fromarray((grey / 255).astype(np.float32)).save(stem.with_suffix(".tiff"))
            return ".tiff"
        return bits_writer(10)(grey, stem, number)

    scene = open_scene(deep_scene(tmp_path / "scene", write))
    assert [view.white_level for view in scene.views] == [None, 1.0, 1.0, 1023.0, 1023.0]
    assert [note.split(":")[1] for note in scene.notes if "white" in note] == [
        " 1023 is white in all of them",
        " 1 is white in them",
    ]


def test_whole_numbers_of_32_bits(tmp_path: Path):
    def write(grey: np.ndarray, stem: Path, number: int) -> str:
        Image.fromarray((grey * 257).astype(np.int32)).save(stem.with_suffix(".tiff"))
        return ".tiff"

    scene = open_scene(deep_scene(tmp_path / "scene", write))
    assert {view.white_level for view in scene.views} == {65535.0}
    assert photos_of(scene)[0].max() > 150


def test_black_and_damaged_photos_open(tmp_path: Path):
    def write(grey: np.ndarray, stem: Path, number: int) -> str:
        write_deep_png(stem.with_suffix(".png"), np.zeros((*grey.shape, 1), dtype=int))
        if number == 2:
            content = stem.with_suffix(".png").read_bytes()
            stem.with_suffix(".png").write_bytes(content[:45] + b"nonsense" + content[53:])
        return ".png"

    scene = open_scene(deep_scene(tmp_path / "scene", write))
    assert all(view.white_level is None for view in scene.views)


def test_white_is_part_of_the_fingerprint(tmp_path: Path):
    scene = open_scene(write_ball_scene(tmp_path / "scene", 5, 24, 18).folder)
    other = replace(scene, views=tuple(replace(view, white_level=4095.0) for view in scene.views))
    assert other.fingerprint() != scene.fingerprint()


def test_training_sees_the_scaled_photos(tmp_path: Path):
    scene = open_scene(deep_scene(tmp_path / "scene", bits_writer(12)))
    with PhotoSource(scene, [0], "cpu", 1 << 20, seed=0) as source:
        seen = source.batch(0).photos[0].rgb
    np.testing.assert_allclose(seen.numpy() * 255, photos_of(scene)[0], atol=1e-3)
    assert seen.max() > 0.5


def test_whoever_decodes_a_views_photo_says_which_value_is_white():
    source = Path(langfield.__file__).parent
    calls = [
        node
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "decode_image"
    ]
    of_views = [call for call in calls if "image_path" in ast.unparse(call)]
    assert len(of_views) >= 8
    assert [ast.unparse(call) for call in of_views if "white_level" not in ast.unparse(call)] == []
