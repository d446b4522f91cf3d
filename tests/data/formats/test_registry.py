"""The registry of formats: what `open_scene` reads follows from it alone."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.colmap_writer import Model, quaternion_wxyz, write_text
from tests.data.scenes import arc_cameras, draw, surface_points, write_ball_scene

from langfield.core.errors import DataError
from langfield.data import scene as opening
from langfield.data.formats import registry
from langfield.data.formats.base import ParsedScene, SceneFormat
from langfield.data.formats.photo_files import fit_to_pictures, picture_sizes, present_photos
from langfield.data.scene import open_scene
from langfield.data.views import View

CAMERAS = arc_cameras(5, 32, 24)


# All that a new format takes: a reader, what it looks for, and its entry in the registry.


def read_arc(path: Path, *, max_side_px: int | None, allow_outside: bool) -> ParsedScene:
    """Photos named 0.png, 1.png, … in `shots`, taken from the arc that this module knows."""
    file = path / "arc.txt"
    paths = [path / "shots" / f"{i}.png" for i in range(int(file.read_text()))]
    present, notes = present_photos(paths, file)
    views = [View(paths[i].name, paths[i], CAMERAS[i]) for i in present]
    fitted, size_notes = fit_to_pictures(views, picture_sizes([view.image_path for view in views]), max_side_px, file)
    return ParsedScene(path, "arc", fitted, None, None, (*notes, *size_notes))


ARC = SceneFormat("arc", "arc.txt with the number of photos in shots", lambda p: (p / "arc.txt").is_file(), read_arc)


def write_arc(folder: Path, count: int = len(CAMERAS)) -> None:
    (folder / "shots").mkdir(parents=True)
    for i, camera in enumerate(CAMERAS):
        Image.fromarray(draw(camera)[0]).save(folder / "shots" / f"{i}.png")
    (folder / "arc.txt").write_text(str(count))


@pytest.fixture
def with_arc(monkeypatch):
    monkeypatch.setattr(registry, "SCENE_FORMATS", (*registry.SCENE_FORMATS, ARC))


@pytest.mark.usefixtures("with_arc")
def test_a_registered_format_is_read_like_any_other(tmp_path):
    write_arc(tmp_path, count=7)
    scene = open_scene(tmp_path, max_side_px=16)
    assert scene.kind == "arc"
    assert [view.name for view in scene.views] == [f"{i}.png" for i in range(5)]
    assert (scene.train, scene.test) == ((1, 2, 3, 4), (0,))
    for view, camera in zip(scene.views, CAMERAS, strict=True):
        np.testing.assert_array_equal(view.camera.world_from_camera, camera.world_from_camera)
        assert view.size_px == (16, 12)
    assert scene.notes == (
        "arc: 5 views, 4 to train on, 1 to test (every 8th by name), no point cloud",
        "2 of 7 photos listed in arc.txt are not there and are left out (first: 5.png)",
        "5 photos are used resized, longest side 16 pixels (first: 32x24 to 16x12)",
    )


@pytest.mark.usefixtures("with_arc")
def test_of_several_formats_the_first_is_read_and_the_others_are_named(tmp_path):
    write_ball_scene(tmp_path, n_views=3)
    write_arc(tmp_path)
    poses = [np.linalg.inv(camera.world_from_camera) for camera in CAMERAS]
    images = [(f"{i}.png", 1, quaternion_wxyz(p[:3, :3]), p[:3, 3].tolist()) for i, p in enumerate(poses)]
    write_text(
        tmp_path / "sparse/0", Model({1: ("SIMPLE_PINHOLE", 32, 24, [30.0, 16.0, 12.0])}, images, *surface_points(50))
    )
    scene = open_scene(tmp_path)
    assert scene.kind == "nerfstudio"
    assert scene.notes[1:3] == (
        "transforms.json is used, the COLMAP model beside it is not",
        "transforms.json is used, the arc beside it is not",
    )


LOOKED_FOR = "transforms.json (nerfstudio, instant-ngp), or a COLMAP model in sparse/0 with the photos in images"


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_scene(path)
    return caught.value.message


def test_what_is_no_scene_is_told_what_every_format_looks_for(tmp_path, request):
    (tmp_path / "photo.png").write_bytes(b"")
    assert refusal(tmp_path) == f"holds no scene: supported are {LOOKED_FOR}"
    assert refusal(tmp_path / "photo.png") == f"is no scene: supported are {LOOKED_FOR}"
    assert refusal(tmp_path / "nowhere") == "does not exist: give the scene's folder"
    request.getfixturevalue("with_arc")
    assert refusal(tmp_path).endswith(f"{LOOKED_FOR}, or arc.txt with the number of photos in shots")


AS_COLMAP = "export the cameras in COLMAP's format"
METASHAPE = b'<?xml version="1.0"?>\n<document version="2.0.0">\n  <chunk label="Chunk 1" enabled="true">'
REALITYSCAN = b"#name,x,y,alt,heading,pitch,roll,f,px,py,k1,k2,k3,k4,t1,t2\n"
RECORD3D = b'{"h": 960, "K": [1], "poses": []}'
TRAINED = "point_cloud/iteration_30000/point_cloud.ply"
LEFT_BY_OTHERS = [  # name, content, what it is called, the way out
    (
        "cameras.xml", METASHAPE, "Metashape's list of cameras",
        f"{AS_COLMAP}, or convert it with `ns-process-data metashape`",
    ),
    (
        "cams.csv", REALITYSCAN, "RealityScan's list of cameras",
        f"{AS_COLMAP}, or convert it with `ns-process-data realitycapture`",
    ),
    ("bundle.out", b"# Bundle file v0.3\n2 0\n", "a Bundler model", AS_COLMAP),
    ("keyframes/corrected_cameras", None, "Polycam's raw data", "convert it with `ns-process-data polycam`"),
    ("metadata.json", RECORD3D, "a Record3D recording", "convert it with `ns-process-data record3d`"),
    ("metadata", RECORD3D, "a Record3D recording", "convert it with `ns-process-data record3d`"),
    (
        "a.r3d", b"PK", "a Record3D recording",
        "export it as EXR and JPG, and convert that with `ns-process-data record3d`",
    ),
    (
        TRAINED, b"ply", "what 3D Gaussian splatting has trained",
        "give the folder of its photos, and this file to `langfield lift --splat`",
    ),
    ("a.psht", b"", "a Postshot project", "export its splats as PLY, for `langfield lift --splat`"),
    ("a.psx", b"", "a Metashape project", AS_COLMAP),
    ("a.rcproj", b"", "a RealityScan project", AS_COLMAP),
    ("a.rsproj", b"", "a RealityScan project", AS_COLMAP),
    (
        "database.db", b"SQLite", "a COLMAP database without a model",
        "run `colmap mapper`, which writes the model into sparse/0",
    ),
    ("a.zip", b"PK", "a zip file", "unpack it, and give the folder"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "what", "way_out"), LEFT_BY_OTHERS, ids=[row[0] for row in LEFT_BY_OTHERS])
def test_what_other_programs_leave_is_named_with_the_way_out(tmp_path, name, content, what, way_out):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert refusal(tmp_path) == f"is {what} ({name}), which is not read: {way_out}"
    if path.suffix not in ("", ".json", ".ply"):
        assert refusal(path) == f"is {what} ({path.name}), which is not read: {way_out}"


def test_files_are_not_what_others_leave_by_their_names_alone(tmp_path):
    for name in ("notes.xml", "table.csv", "program.out", "metadata.json"):
        (tmp_path / name).write_text("something else")
    (tmp_path / "folder.xml").mkdir()
    assert refusal(tmp_path) == f"holds no scene: supported are {LOOKED_FOR}"
    assert refusal(tmp_path / "notes.xml") == f"is no scene: supported are {LOOKED_FOR}"


def test_a_scene_beside_what_others_leave_is_read(tmp_path):
    write_ball_scene(tmp_path, n_views=3)
    (tmp_path / "cameras.xml").write_bytes(METASHAPE)
    (tmp_path / "database.db").write_bytes(b"SQLite")
    assert len(open_scene(tmp_path).views) == 3


def test_without_its_entry_the_format_is_not_read(tmp_path):
    write_arc(tmp_path)
    assert refusal(tmp_path).startswith("holds no scene")


def test_opening_knows_no_format_by_name():
    """`data/scene.py` imports nothing of a format, and names none in its code."""
    tree = ast.parse(Path(opening.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    formats = [module for module in imported if module.startswith("langfield.data.formats.")]
    assert sorted(formats) == ["langfield.data.formats.base", "langfield.data.formats.registry"]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    docstrings = {ast.get_docstring(function, clean=False) for function in functions}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    said = " ".join(text.lower() for text in texts if text not in docstrings)
    assert not [name for name in ("transforms", "colmap", "blender") if name in said]
