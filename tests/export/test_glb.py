"""glTF files of things: numbers come back where they were, upright, also far from the origin."""

from pathlib import Path

import numpy as np
import pytest
from tests.export.glb_reader import read_glb

from langfield.core.errors import RunError
from langfield.export.glb import GltfThing, write_glb
from langfield.query.boxes import Ends, OrientedBox, upright_box

UP = np.array([0.0, 0.0, 1.0])


def thing(name: str = "mug", offset: float = 0.0, count: int = 50) -> GltfThing:
    rng = np.random.default_rng(count)
    xyz = rng.uniform(0, 1, (count, 3)) * [2, 1, 0.5] + offset
    rgb = rng.integers(0, 256, (count, 3)).astype(np.uint8)
    return GltfThing(name, xyz, rgb, upright_box(xyz, UP, Ends(0.0)), {"score": 0.5})


def world(node: dict, positions: np.ndarray, scene: dict) -> np.ndarray:
    """Positions as a reader of the file sees them: y upwards."""
    matrix = np.array(scene["matrix"]).reshape(4, 4).T
    return (positions.astype(np.float64) + node["translation"]) @ matrix[:3, :3].T


@pytest.mark.parametrize("offset", [0.0, 4e6])
def test_points_come_back_with_up_along_y(tmp_path: Path, offset: float):
    written = [thing("mug", offset), thing("bear", offset, 7)]
    write_glb(tmp_path / "a.glb", written, UP)
    document, arrays = read_glb(tmp_path / "a.glb")
    scene, *nodes = document["nodes"]
    assert [node["name"] for node in nodes] == ["mug", "bear"]
    for given, node in zip(written, nodes, strict=True):
        points, lines = document["meshes"][node["mesh"]]["primitives"]
        assert (points["mode"], lines["mode"]) == (0, 1)
        found = world(node, arrays[points["attributes"]["POSITION"]], scene)
        np.testing.assert_allclose(found, given.xyz[:, [0, 2, 1]] * [1, 1, -1], atol=1e-5 + 1e-12 * offset)
        accessor = document["accessors"][points["attributes"]["POSITION"]]
        np.testing.assert_allclose(accessor["max"], arrays[points["attributes"]["POSITION"]].max(axis=0))
        edges = arrays[lines["attributes"]["POSITION"]].reshape(12, 2, 3)
        lengths = np.sort(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)).reshape(3, 4)
        np.testing.assert_allclose(lengths, np.sort(given.box.size)[:, None].repeat(4, axis=1), rtol=1e-5)
        assert node["extras"] == {"score": 0.5}


def test_colours_are_linear(tmp_path: Path):
    given = thing()
    write_glb(tmp_path / "a.glb", [given], UP)
    document, arrays = read_glb(tmp_path / "a.glb")
    points = document["meshes"][0]["primitives"][0]
    rgba = arrays[points["attributes"]["COLOR_0"]] / 255
    back = np.where(rgba <= 0.0031308, 12.92 * rgba, 1.055 * rgba ** (1 / 2.4) - 0.055)
    light = given.rgb > 60  # of dark ones 8 bits of light keep less
    np.testing.assert_allclose(back[:, :3][light], given.rgb[light] / 255, atol=0.01)
    assert (rgba[:, 3] == 1).all()


@pytest.mark.parametrize("up", [(0, 1, 0), (0, -1, 0), (1, 0, 0), (0.6, 0.0, -0.8)])
def test_any_upwards_becomes_y(tmp_path: Path, up: tuple[float, float, float]):
    write_glb(tmp_path / "a.glb", [thing()], np.array(up, dtype=float))
    scene = read_glb(tmp_path / "a.glb")[0]["nodes"][0]
    turn = np.array(scene["matrix"]).reshape(4, 4).T[:3, :3]
    np.testing.assert_allclose(turn @ up, (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) > 0


def test_nothing_and_things_without_points_are_files_too(tmp_path: Path):
    write_glb(tmp_path / "none.glb", [], UP)
    document, arrays = read_glb(tmp_path / "none.glb")
    assert [node["name"] for node in document["nodes"]] == ["scene"]
    assert arrays == []
    box = OrientedBox((0.0, 0.0, 0.0), ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)), (1.0, 1.0, 1.0))
    bare = GltfThing("bare", np.zeros((0, 3)), np.zeros((0, 3), np.uint8), box, {})
    write_glb(tmp_path / "bare.glb", [bare], UP)
    document, arrays = read_glb(tmp_path / "bare.glb")
    assert [part["mode"] for part in document["meshes"][0]["primitives"]] == [1]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(RunError):
        write_glb(tmp_path / "no folder" / "a.glb", [thing()], UP)
