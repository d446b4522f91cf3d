"""Runs every program of examples/ on the photos that come with langfield, and checks what it says and writes.

Usage: python .ci/run_examples.py [RUN]. RUN is the demo's run of the same photos, which is then not trained again.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TABLE = ROOT / "src" / "langfield" / "bundled" / "table"
MOST_SECONDS = 1800  # of one program, on a machine that does other things too
NUMBER = r"(-?\d+\.\d+)"
POINT = f"{NUMBER}, {NUMBER}, {NUMBER}"
RED_MUG_PIXEL = ("images/frame_00013.jpg", "176.5", "237.5")  # of its centre, which the mug's side hides


class Wrong(Exception):
    """What a program did otherwise than it promises."""


def wanted(condition: object, what: str) -> None:
    if not condition:
        raise Wrong(what)


def found(pattern: str, text: str) -> re.Match[str]:
    """The first place where a program said this."""
    match = re.search(pattern, text)
    if match is None:
        raise Wrong(f"nothing like {pattern!r} in what it said:\n{text}")
    return match


def said(command: Sequence[str | Path]) -> str:
    """What a program prints, run in the working folder. One that fails is wrong."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise Wrong(f"not done after {MOST_SECONDS} s") from None
    wanted(done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


def example(name: str, *arguments: str | Path) -> str:
    return said([sys.executable, EXAMPLES / name, *arguments])


def langfield(*arguments: str | Path) -> str:
    return said([Path(sys.executable).with_name("langfield"), *arguments, "--no-progress"])


def distance_m(position: Sequence[float | str], thing: str) -> float:
    """From the centre of a thing on the table, by its ground truth."""
    things = json.loads((TABLE / "queries.json").read_text(encoding="utf-8"))["instances"]
    (centre,) = (entry["position"] for entry in things if entry["name"] == thing)
    return math.dist([float(value) for value in position], centre)


# -- what each program promises; they run in a folder with scenes/ and runs/table -------------------------------------


def train_and_ask() -> None:
    text = example("train_and_ask.py", TABLE, "runs/table", "red ceramic mug", "bicycle")
    found("700 steps in", text)
    position = found(f"red ceramic mug: at {POINT}", text).groups()
    wanted(distance_m(position, "red ceramic mug") < 0.05, f"the mug is not at {position}")
    found("bicycle: not there", text)


def position_and_box() -> None:
    text = example("position_and_box.py", "runs/table", "red ceramic mug")
    position = found(f"position +{POINT}", text).groups()
    wanted(distance_m(position, "red ceramic mug") < 0.05, f"the mug is not at {position}")
    box = [float(value) for value in found(f"box +from {POINT} to {POINT}", text).groups()]
    wanted(
        all(0.02 < high - low < 0.3 for low, high in zip(box[:3], box[3:], strict=True)), f"no mug has the box {box}"
    )
    found("oriented box +about", text)


def own_threshold() -> None:
    text = example("own_threshold.py", "runs/table", "0.02", "red ceramic mug", "bicycle")
    position = found(f"red ceramic mug: at {POINT}", text).groups()
    wanted(distance_m(position, "red ceramic mug") < 0.05, f"the mug is not at {position}")
    presence = float(found(rf"bicycle: at {POINT} \(presence {NUMBER}\)", text)[4])
    wanted(0.02 < presence < 0.5, f"the presence of a bicycle is {presence}")


def object_points() -> None:
    example("object_points.py", "runs/table", "red ceramic mug", "mug.ply")
    header, rows = Path("mug.ply").read_text(encoding="ascii").split("end_header\n")
    points = np.loadtxt(rows.splitlines(), ndmin=2)
    found(f"^ply\nformat ascii 1.0\nelement vertex {len(points)}\n", header)
    wanted(len(points) > 50, f"mug.ply has {len(points)} points only")
    middle = np.median(points, axis=0).tolist()
    wanted(distance_m(middle, "red ceramic mug") < 0.1, f"the points of mug.ply are about {middle}")


def mask_in_my_camera() -> None:
    text = example("mask_in_my_camera.py", "runs/table", "red ceramic mug", "0.8", "-0.8", "0.5", "mug.png")
    pixels = int(found(r"red ceramic mug: (\d+) of 76800 pixels", text)[1])
    wanted(300 < pixels < 8000, f"the mug has {pixels} pixels")
    with Image.open("mug.png") as picture:
        wanted(picture.size == (320, 240), f"mug.png is of {picture.size} pixels")
        red, green, blue = picture.convert("RGB").getpixel((160, 120))
    wanted(red > 100 > max(green, blue), f"the middle of mug.png is {red}, {green}, {blue}: no part of a red mug")


def click_to_3d() -> None:
    text = example("click_to_3d.py", "runs/table", *RED_MUG_PIXEL)
    point = found(f"^{POINT}$", text.strip()).groups()
    wanted(distance_m(point, "red ceramic mug") < 0.12, f"{point} is not on the mug")


def new_head() -> None:
    found(r"\(300, 400, 3\)", example("new_head.py", TABLE, "head"))


def many_scenes() -> None:
    Path("scenes", "empty").mkdir()
    text = example("many_scenes.py", "scenes", "runs", "mug", "bicycle")
    found(r"^scene +mug +bicycle *\n", text)
    for scene in ("eight", "table"):
        presences = [float(value) for value in found(rf"\n{scene} +{NUMBER} +{NUMBER} *\n", text).groups()]
        wanted(scene == "eight" or presences[0] > 0.5 > presences[1], f"{scene}: presences {presences}")


def own_gaussians() -> None:
    """Gaussians of another program are made of the run: baked, and written as PLY."""
    langfield("bake", "runs/table", "--out", "baked", "--elements", "5000", "--phrase", "mug")
    langfield("export", "baked", "--format", "splat", "--out", "table.ply")
    text = example("own_gaussians.py", "scenes/eight", "table.ply", "gaussians", "red ceramic mug")
    hit = found(f"([0-9]+) of [0-9]+ Gaussians about {POINT}", text)
    wanted(distance_m(hit.groups()[1:], "red ceramic mug") < 0.15, f"the mug's Gaussians are not about {hit.groups()}")


def masks_to_coco() -> None:
    """Asks the eight photos of the run that `own_gaussians` left."""
    found(r"mug: \d+ masks in \d of 8 photos", example("masks_to_coco.py", "gaussians", "mug.json", "mug", "bicycle"))
    document = json.loads(Path("mug.json").read_text(encoding="utf-8"))
    names = [category["name"] for category in document["categories"]]
    wanted(names == ["mug", "bicycle"], f"the categories are {names}")
    wanted(len(document["images"]) == 8, f"there are {len(document['images'])} images")
    wanted(document["annotations"], "mug.json has no masks")
    for annotation in document["annotations"]:
        wanted(annotation["segmentation"]["size"] == [300, 400], "a mask is not of the photo's size")
        wanted(annotation["area"] > 0, "a mask is empty")


Row = Sequence[Callable[[], None]]  # what is done one after the other; two rows at a time
FIRST: Sequence[Row] = ((train_and_ask,), (new_head,))  # they leave the run that the others ask
THEN: Sequence[Row] = (
    (own_gaussians, masks_to_coco),
    (many_scenes,),
    (position_and_box,),
    (mask_in_my_camera,),
    (object_points,),
    (own_threshold,),
    (click_to_3d,),
)


def failures(row: Row) -> list[str]:
    """Run programs one after the other, as far as they do what they promise; what the one that did not did."""
    for check in row:
        start = time.monotonic()
        try:
            check()
        except (Wrong, OSError, KeyError, ValueError) as wrong:  # of a file that is not there, or holds something else
            return [f"examples/{check.__name__}.py: {wrong!s}"]
        print(f"{time.monotonic() - start:4.0f} s  examples/{check.__name__}.py", flush=True)
    return []


def prepare(run: Path | None) -> None:
    """Two scenes: the whole one, and one of eight photos; and the run of the whole one, if there is one."""
    Path("runs").mkdir()
    if run is not None:
        shutil.copytree(run, "runs/table")
    shutil.copytree(TABLE, "scenes/table")
    eight = Path("scenes", "eight")
    (eight / "images").mkdir(parents=True)
    transforms = json.loads((TABLE / "transforms.json").read_text(encoding="utf-8"))
    frames = sorted(transforms["frames"], key=lambda frame: frame["file_path"])[::5]
    for frame in frames:
        shutil.copy(TABLE / frame["file_path"], eight / frame["file_path"])
    shutil.copy(TABLE / transforms["ply_file_path"], eight)
    for split in ("train", "val", "test"):
        del transforms[f"{split}_filenames"]
    (eight / "transforms.json").write_text(json.dumps(transforms | {"frames": frames}), encoding="utf-8")


def main() -> None:
    start, run = time.monotonic(), Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}  # of two programs at a time, a core each
    with tempfile.TemporaryDirectory(prefix="langfield-examples-") as folder:
        os.chdir(folder)
        prepare(run)
        with ThreadPoolExecutor(2) as pool:
            wrong = [*chain.from_iterable(pool.map(failures, FIRST))]
            wrong = wrong or [*chain.from_iterable(pool.map(failures, THEN))]
        os.chdir(ROOT)
    print(f"{time.monotonic() - start:4.0f} s  in all")
    sys.exit("\n".join(wrong) or 0)  # an empty string would count as a failure


if __name__ == "__main__":
    main()
