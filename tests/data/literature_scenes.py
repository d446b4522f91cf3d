"""The ball scene in the folders of the literature's data sets, so that it passes for one of their scenes."""

import json
import shutil
from collections.abc import Mapping, Sequence
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


FRAMES = tuple(f"frame_{number:05d}.jpg" for number in range(1, N_VIEWS + 1))


def write_colmap_scene(folder: Path, names: Sequence[str] = FRAMES) -> None:
    """Nine photos and COLMAP's model of them in sparse/0."""
    cameras = arc_cameras(N_VIEWS, WIDTH, HEIGHT)
    (folder / "images").mkdir(parents=True)
    images = []
    for name, camera in zip(names, cameras, strict=True):
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


def write_3d_ovs_scene(folder: Path, classes: str, labelled: Mapping[str, int] = {}) -> None:
    """A COLMAP folder with segmentations/classes.txt, and the balls' masks in some folders: of which photo (from 0)."""
    write_colmap_scene(folder, [f"{number:02d}.jpg" for number in range(N_VIEWS)])
    (folder / "segmentations").mkdir()
    (folder / "segmentations" / "classes.txt").write_text(classes)
    for name, photo in labelled.items():
        write_masks(folder / "segmentations" / name, photo, every=True)


LERF_MASK_NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "test_0.jpg", "test_1.jpg", "test_2.jpg")


def write_lerf_mask_scene(folder: Path, labelled: Sequence[int] = (0, 2)) -> None:
    """A COLMAP folder of six photos and test_0 to test_2, images_train of the six, and test_mask/<n>/<ball>.png."""
    write_colmap_scene(folder, LERF_MASK_NAMES)
    (folder / "images_train").mkdir()
    for name in LERF_MASK_NAMES[:6]:
        shutil.copyfile(folder / "images" / name, folder / "images_train" / name)
    for number in labelled:
        write_masks(folder / "test_mask" / str(number), 6 + number, every=False)


def write_masks(folder: Path, photo: int, *, every: bool) -> None:
    """<ball>.png: the pixels of each ball in the photo of some index; of those that do not show only if `every`."""
    folder.mkdir(parents=True)
    _, ids, _ = draw(arc_cameras(N_VIEWS, WIDTH, HEIGHT)[photo])
    for index, ball in enumerate(BALLS):
        if every or (ids == index).any():
            Image.fromarray(np.where(ids == index, 255, 0).astype(np.uint8)).save(folder / f"{ball.name}.png")
