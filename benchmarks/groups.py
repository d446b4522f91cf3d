"""What groups of the surface are worth: a run's answers without them, with its own, and with those of true masks.

    python benchmarks/groups.py RUN SCENE [--encoder SPEC] [--side 160] [--out found.json]

RUN was trained with --masks on SCENE, which has queries.json with exact boxes and gt/ with the ids of its test views.
Prints, for each of the three, the answers' own masks and those by LERF-OVS's rule (mIoU), localisation, boxes in 3D of
single things (share above an IoU of .25 and .5) and whether hits are as many as things; and for the inventory the share
of instances found (3D IoU of .25) and its precision, of all objects and of those up to --largest long: tables and walls
are things, too, but no instances. True masks are those of the test views: what a perfect proposer would give there.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.sparse import csr_matrix

from langfield.core.devices import resolve_device
from langfield.data.queries import QUERIES_FILE, read_queries
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.protocols.positions import box_ious, true_boxes
from langfield.groups.base import Groups
from langfield.groups.counts import mask_sets
from langfield.groups.pieces import without_specks
from langfield.groups.scene_groups import SceneGroups
from langfield.pipelines.grouping import at_size, grouped_photos, observe_surface, shown_voxels
from langfield.query.session import Session
from langfield.runs.directory import load_run
from measuring import table

HEADER = ["groups", "own masks", "LERF-OVS", "localised", "acc@.25", "acc@.5", "count right", "several"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=None, help="phrases are asked on pictures no longer than this")
    parser.add_argument("--largest", type=float, default=0.6, help="of things, in the scene's units")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    scene, device = open_scene(options.scene), resolve_device(options.device)
    session = Session.open(options.run, device=options.device, encoder=options.encoder)
    saved = {name: t.numpy() for name, t in load_run(options.run).tensors("groups").items()}
    kinds = {
        "none": None,
        "the run's": SceneGroups.from_arrays(saved).to(device),
        "of true masks": true_groups(session, scene),
    }
    found: dict[str, Any] = {}
    for name, groups in kinds.items():
        asked = Session(session.info, session.model, device, options.encoder, groups)
        found[name] = figures(asked, scene, options.side) | inventory(asked, scene, options.largest)
        if options.out is not None:
            options.out.write_text(json.dumps(found, indent=1))
    print(table(HEADER, [[name, *(row[key] for key in HEADER[1:])] for name, row in found.items()]))
    for name, row in found.items():
        print(f"objects, {name}: {row['objects']}")


def figures(session: Session, scene: Scene, side_px: int | None) -> dict[str, Any]:
    """A row of the table, and what each of its questions gave."""
    questions = scene.root / QUERIES_FILE
    seen = evaluate(
        session, scene, queries=questions, device=session.device, pictures=False, max_side_px=side_px
    ).to_json()
    placed = evaluate(session, scene, queries=questions, protocol="3d", device=session.device).to_json()
    single, several = (placed["by_number"][number] for number in ("single", "several"))

    def micro(values: dict[str, Any], name: str) -> float:
        return values.get(name, {}).get("micro") or 0.0

    headline = seen["localisation"]["headline"]
    return {
        "own masks": micro(seen["figures"], "mask_iou"),
        "LERF-OVS": seen["miou"],
        "localised": f"{headline['hits']}/{headline['total']}",
        "acc@.25": micro(single, "acc_25"),
        "acc@.5": micro(single, "acc_50"),
        "count right": micro(single, "count_right"),
        "several": micro(several, "count_right"),
        "questions": {"views": seen["questions"], "3d": placed["questions"]},
    }


def inventory(session: Session, scene: Scene, largest: float) -> dict[str, Any]:
    """How well `Session.objects` finds the scene's instances."""
    if not session.has_groups:
        return {"objects": "-"}
    started = time.perf_counter()
    objects = session.objects()
    seconds = time.perf_counter() - started
    truth = true_boxes(list(read_queries(scene.root / QUERIES_FILE).instances.values()))
    boxes = np.array([[found.shape.box.low, found.shape.box.high] for found in objects]).reshape(-1, 2, 3)
    iou = box_ious(boxes, truth)
    small = np.array([max(found.shape.box.size) <= largest for found in objects], dtype=bool)
    right = iou.max(axis=1, initial=0) >= 0.25
    names = ", ".join(f"{found.name} {value:.2f}" for found, value in zip(objects, iou.max(axis=1), strict=True))
    recall = float((iou.max(axis=0, initial=0) >= 0.25).mean())
    told = f"{len(objects)} in {seconds:.1f} s, instances found {recall:.3f}, precision {right.mean():.3f}"
    return {"objects": f"{told}, of {small.sum()} up to {largest:g} long {right[small].mean():.3f}: {names}"}


def true_groups(session: Session, scene: Scene) -> SceneGroups:
    """Groups of the test views' true masks, by a vote of these views on each voxel."""
    offset = json.loads((scene.root / QUERIES_FILE).read_text())["id_png_offset"]
    test = [scene.views[index] for index in scene.test]
    others = [scene.views[index] for index in grouped_photos(scene)]
    cameras = [view.camera.moved(scene.scene_from_world) for view in (*test, *others)]
    surface, depths = observe_surface(session.model, cameras)
    of_views = [
        np.asarray(Image.open(scene.root / "gt" / f"{Path(view.name).stem}_ids.png")).astype(int) - offset
        for view in test
    ]
    count = max(int(ids.max()) for ids in of_views) + 1
    inside, seen = np.zeros((count, len(surface)), np.float32), np.zeros(len(surface), np.float32)
    for ids, camera, depth in zip(of_views, cameras[: len(test)], depths[: len(test)], strict=True):
        masks = torch.from_numpy(np.stack([ids == number for number in range(count)])).to(depth.device)
        sets, shown = mask_sets(at_size(masks, depth.shape), shown_voxels(surface, camera, depth))
        inside[sets.row.cpu().numpy(), sets.column.cpu().numpy()] += 1
        seen += shown.cpu().numpy()
    centres, sides = surface.centres_scene.cpu().double().numpy(), surface.sides_scene.cpu().double().numpy()
    members = without_specks(csr_matrix(inside / np.maximum(seen, 1)), centres, sides)
    every = np.full(count, len(test), dtype=np.int64)
    groups = Groups(members, np.full(count, -1), every, every, np.ones(count, dtype=np.float32))
    return SceneGroups(surface, groups, photo_count=seen.astype(np.int32))


if __name__ == "__main__":
    main()
