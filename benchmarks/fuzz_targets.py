"""What `fuzz_readers.py` reads: for each reader some sound files to damage, and how to read one."""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tests.data.colmap_writer import Model, quaternion_wxyz, write_binary, write_text
from tests.data.deep_writers import write_deep_png, write_deep_tiff
from tests.data.scenes import surface_points, write_ball_scene, write_ply
from tests.data.splat_writers import write_compressed_ply, write_records, write_spz
from tests.data.splats import columns_of, random_splats, write_rows

from langfield.cli.camera_path import read_camera_path
from langfield.data.formats.ply import read_point_cloud
from langfield.data.formats.splat_files import read_splats
from langfield.data.images import (
    decode_black_and_white,
    decode_image,
    decode_mask,
    deep_kind,
    image_size,
    largest_deep_value,
)
from langfield.data.literature.catalogue import read_catalogue
from langfield.data.literature.unpacking import unpack_zip
from langfield.data.queries import read_queries
from langfield.data.scene import open_scene
from langfield.evaluation.labels.layouts import open_labels

SIZE = (16, 12)
CATALOGUE = Path("src/langfield/data/literature/catalogue.json")


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of the reader.
        path: of the file that is damaged.
        read: reads it; it may give a DataError.
        others: sound files that parts of are put into it.
    """

    name: str
    path: Path
    read: Callable[[], object]
    others: Sequence[bytes] = field(default=())


def targets(folder: Path) -> list[Target]:
    """All readers, with their sound files in a folder that is empty."""
    scene = write_ball_scene(folder / "scene", 3, *SIZE, masks=True, depths=True).folder
    found = [
        Target("transforms.json", scene / "transforms.json", lambda: open_scene(scene)),
        *_colmap_targets(folder / "colmap", scene),
        *_ply_targets(folder / "ply"),
        *_splat_targets(folder / "splats"),
        *_picture_targets(folder / "pictures"),
        *_label_targets(folder / "labels"),
        *_other_targets(folder / "other"),
    ]
    by_name: dict[str, list[bytes]] = {}
    for target in found:
        by_name.setdefault(target.name, []).append(target.path.read_bytes())
    return [Target(target.name, target.path, target.read, by_name[target.name]) for target in found]


def _colmap_targets(folder: Path, scene: Path) -> list[Target]:
    images = [(f"frame_0000{i}.jpg", 1, quaternion_wxyz(np.eye(3)), [0.0, i, 0.0]) for i in (1, 2, 3)]
    cameras = {
        1: ("OPENCV", *SIZE, [10.0, 10, 8, 6, 0, 0, 0, 0]),
        2: ("EQUIRECTANGULAR", *SIZE, [16.0, 12]),
        3: ("SIMPLE_FISHEYE", *SIZE, [10.0, 8, 6]),
    }
    model = Model(cameras, images, *surface_points(10))
    found = []
    for kind, write in (("bin", write_binary), ("txt", write_text)):
        sparse = folder / kind / "sparse/0"
        write(sparse, model)
        (folder / kind / "images").symlink_to(scene / "images")
        found += [
            Target(f"COLMAP {stem}.{kind}", sparse / f"{stem}.{kind}", lambda kind=kind: open_scene(folder / kind))
            for stem in ("cameras", "images", "points3D")
        ]
    return found


def _ply_targets(folder: Path) -> list[Target]:
    folder.mkdir()
    xyz, rgb = surface_points(20)
    write_ply(folder / "binary.ply", xyz, rgb)
    places = {axis: xyz[:, i] for i, axis in enumerate("xyz")}
    write_rows(
        folder / "big.ply", places | {"r": rgb[:, 0], "g": rgb[:, 1], "b": rgb[:, 2]}, dict.fromkeys("xyz", ">f8")
    )
    header = "ply\nformat ascii 1.0\nelement camera 1\nproperty float f\nelement vertex 20\n"
    header += "".join(f"property float {name}\n" for name in ("x", "y", "z", "red", "green", "blue"))
    rows = [" ".join(map(str, [*p, *c])) for p, c in zip(xyz.tolist(), (rgb / 255).tolist(), strict=True)]
    (folder / "text.ply").write_text(header + "end_header\n1\n" + "\n".join(rows))
    return [Target("PLY", path, lambda path=path: read_point_cloud(path)) for path in sorted(folder.iterdir())]


def _splat_targets(folder: Path) -> list[Target]:
    folder.mkdir()
    splats = random_splats(300, 1)
    columns = columns_of(random_splats(20, 3))
    write_rows(folder / "3d.ply", columns)
    write_rows(folder / "2d.ply", {name: values for name, values in columns.items() if name != "scale_2"})
    write_compressed_ply(folder / "compressed.ply", splats)
    write_compressed_ply(folder / "compressed_old.ply", random_splats(20, 0), colour_bounds=False)
    for version in (2, 3):
        write_spz(folder / f"{version}.spz", splats, version)
    write_records(folder / "records.splat", splats)
    names = {"3d": "Gaussians PLY", "2d": "Gaussians PLY", "2": "SPZ", "3": "SPZ", "records": ".splat"}
    return [
        Target(names.get(path.stem, "compressed PLY"), path, lambda path=path: read_splats(path))
        for path in sorted(folder.iterdir())
    ]


def _picture_targets(folder: Path) -> list[Target]:
    folder.mkdir()
    width, height = SIZE
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    picture = Image.fromarray(rgb)
    for name in ("a.jpg", "b.png", "c.webp", "d.tiff"):
        picture.save(folder / name)
    picture.convert("RGBA").save(folder / "e.png")
    picture.convert("P").save(folder / "f.png")
    picture.save(folder / "g.tiff", compression="tiff_lzw")
    Image.fromarray((rgb[..., 0] / 255).astype(np.float32)).save(folder / "h.tiff")
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 16).save(folder / "i.tiff")
    write_deep_png(folder / "j.png", rgb.astype(int) * 16)
    write_deep_tiff(folder / "k.tiff", rgb.astype(int) * 16)
    photos = sorted(folder.iterdir())
    mask = Image.fromarray(np.where(rgb[..., 0] > 127, 255, 0).astype(np.uint8))
    mask.save(folder / "mask.png")
    mask.convert("1").save(folder / "mask.tiff")
    masks = [folder / "mask.png", folder / "mask.tiff"]
    return [
        *(Target("photos", path, lambda path=path: _read_photo(path)) for path in photos),
        *(Target("masks", path, lambda path=path: decode_mask(path, SIZE)) for path in masks),
        *(Target("black and white", path, lambda path=path: decode_black_and_white(path)) for path in masks),
    ]


def _read_photo(path: Path) -> None:
    image_size(path)
    decode_image(path, (9, 7), white_level=4095.0 if deep_kind(path) else None)
    if deep_kind(path):
        largest_deep_value(path)


def _label_targets(folder: Path) -> list[Target]:
    scene = write_ball_scene(folder / "scene", 3, *SIZE).folder
    views = open_scene(scene).views
    queries = scene / "queries.json"
    ids = next(iter(sorted((scene / "gt").glob("*_ids.png"))))

    def read(labels: Path) -> None:
        opened = open_labels(labels, views)
        for view in views:
            opened.of_view(view)

    photo = views[0].image_path
    ovs = folder / "ovs" / f"{photo.stem}.json"
    ovs.parent.mkdir()
    corners = [[2, 2], [9, 3], [7, 10]]
    item = {"category": "ball", "group": 1, "segmentation": corners, "area": 30, "layer": 1, "bbox": [2, 2, 9, 10]}
    info = {"name": photo.name, "width": SIZE[0], "height": SIZE[1], "depth": 3, "note": ""}
    ovs.write_text(json.dumps({"info": info, "objects": [item, item | {"category": "table"}]}))
    mask, classes = folder / "3d_ovs" / photo.stem / "red ball.png", folder / "3d_ovs" / "classes.txt"
    mask.parent.mkdir(parents=True)
    Image.new("L", SIZE, 255).save(mask)
    classes.write_text("red ball\n")
    return [
        Target("queries.json", queries, lambda: read_queries(queries)),
        Target("labels: ids", queries, lambda: read(queries)),
        Target("labels: ids", ids, lambda: read(queries)),
        Target("labels: LERF-OVS", ovs, lambda: read(ovs.parent)),
        Target("labels: 3D-OVS", mask, lambda: read(classes.parent)),
        Target("labels: 3D-OVS", classes, lambda: read(classes.parent)),
    ]


def _other_targets(folder: Path) -> list[Target]:
    folder.mkdir()
    path, archive, catalogue = folder / "path.json", folder / "a.zip", folder / "catalogue.json"
    pose = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1]
    entry = {"camera_to_world": pose, "fov": 50.0, "aspect": 1.5}
    path.write_text(json.dumps({"render_width": 30, "render_height": 20, "fps": 24, "camera_path": [entry, entry]}))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("scene/a.txt", "a" * 200)
        file.writestr("scene/b/c.txt", "c")
    catalogue.write_bytes((Path(__file__).parents[1] / CATALOGUE).read_bytes())

    def unpack() -> None:
        out = folder / "unpacked"
        try:
            unpack_zip(archive, out)
        finally:
            _delete(out)

    return [
        Target("camera path", path, lambda: read_camera_path(path)),
        Target("zip", archive, unpack),
        Target("catalogue", catalogue, lambda: read_catalogue(catalogue)),
    ]


def _delete(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    if folder.is_dir():
        folder.rmdir()
