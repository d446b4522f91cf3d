"""The ball scene in the folders of the literature's data sets, so that it passes for one of their scenes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from tests.data.colmap_writer import Model, quaternion_wxyz, write_binary
from tests.data.scenes import BALLS, BallScene, arc_cameras, draw, surface_points, write_ball_scene

N_VIEWS, WIDTH, HEIGHT = 9, 32, 24


def write_lerf_scene(folder: Path) -> BallScene:
    """A nerfstudio folder as LERF's captures are: transforms.json and images, no split and no labels."""
    scene = write_ball_scene(folder, N_VIEWS, WIDTH, HEIGHT)
    meta = json.loads((folder / "transforms.json").read_text())
    for key in ("train_filenames", "val_filenames", "test_filenames"):
        del meta[key]
    (folder / "transforms.json").write_text(json.dumps(meta))
    (folder / "queries.json").unlink()
    return scene


def write_colmap_scene(folder: Path) -> None:
    """Photos frame_00001.jpg … and COLMAP's model of them in sparse/0."""
    cameras = arc_cameras(N_VIEWS, WIDTH, HEIGHT)
    (folder / "images").mkdir(parents=True)
    images = []
    for number, camera in enumerate(cameras, start=1):
        name = f"frame_{number:05d}.jpg"
        Image.fromarray(draw(camera)[0]).save(folder / "images" / name, quality=95)
        camera_from_world = np.linalg.inv(camera.world_from_camera)
        pose = quaternion_wxyz(camera_from_world[:3, :3]), camera_from_world[:3, 3].tolist()
        images.append((name, 1, *pose))
    first = cameras[0]
    params = [first.fx_px, first.fy_px, first.cx_px, first.cy_px]
    write_binary(folder / "sparse" / "0", Model({1: ("PINHOLE", WIDTH, HEIGHT, params)}, images, *surface_points(50)))


def write_lerf_ovs_scene(data_set: Path, name: str, labelled: tuple[int, ...] = (1, 5, 9)) -> Path:
    """A COLMAP folder, and label/<name>/frame_<n>.json beside it for the photos of some numbers; the scene's folder."""
    write_colmap_scene(data_set / name)
    labels = data_set / "label" / name
    labels.mkdir(parents=True)
    cameras = arc_cameras(N_VIEWS, WIDTH, HEIGHT)
    for number in labelled:
        _, ids, _ = draw(cameras[number - 1])
        objects = []
        for index, ball in enumerate(BALLS):
            rows, columns = np.nonzero(ids == index)
            if len(rows):
                x0, y0, x1, y1 = (int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max()))
                corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
                objects.append({"category": ball.name, "segmentation": corners, "bbox": [x0, y0, x1, y1]})
        info = {"name": f"frame_{number:05d}.jpg", "width": WIDTH, "height": HEIGHT}
        (labels / f"frame_{number:05d}.json").write_text(json.dumps({"info": info, "objects": objects}))
    return data_set / name


def write_3d_ovs_scene(folder: Path, classes: str) -> None:
    """A COLMAP folder with segmentations/classes.txt."""
    write_colmap_scene(folder)
    (folder / "segmentations").mkdir()
    (folder / "segmentations" / "classes.txt").write_text(classes)
