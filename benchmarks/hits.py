"""How well answers are counted: hits grown from what a scene's surface says, under other rules than the usual ones.

    python benchmarks/hits.py dump RUN SCENE --out hits.npz
    python benchmarks/hits.py compare breakfast.npz playdesk.npz …

`dump` keeps what a run's surface says of the phrases of SCENE's queries.json (a few MB). `compare` needs no run and no
GPU: for each rule it prints, over the phrases of kinds object, attribute and synonym that are there, the share whose
number of hits is right (of one thing, of several), the mean F1 of hits and things, and the share of best hits within a
thing's radius, all scenes together. A rule is set once for all of them.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch

from langfield.core.progress import silent
from langfield.core.transforms import Similarity
from langfield.evaluation.labels.base import InstanceLabels
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.protocols.positions import Things, most_pairs, open_things
from langfield.query.answers import middle
from langfield.query.index.scene_index import MOST_HITS
from langfield.query.index.surface_voxels import Surface
from langfield.query.session import Session
from measuring import table

ACCEPTED = (0.4, 0.5, 0.6, 0.7)
INSIDE = (0.3, 0.4, 0.5, 0.7)
FEWEST = (8, 24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    dump = what.add_parser("dump")
    dump.add_argument("run")
    dump.add_argument("scene", type=Path)
    dump.add_argument("--out", type=Path, required=True)
    dump.add_argument("--device", default="auto")
    compare = what.add_parser("compare")
    compare.add_argument("dumps", nargs="+", type=Path)
    options = parser.parse_args()
    if options.what == "dump":
        write(Session.open(options.run, device=options.device), options.scene, options.out)
    else:
        compared([Dump(path) for path in options.dumps])


def write(session: Session, scene: Path, out: Path) -> None:
    """Keep the surface and what it says of the phrases."""
    path = scene / "queries.json"
    labels = open_labels(path, [])
    assert isinstance(labels, InstanceLabels)
    kept = [
        (phrase, things)
        for phrase, things in zip(labels.phrases, open_things(path, labels), strict=True)
        if phrase.kind in HEADLINE_KINDS and len(things)
    ]
    found = session._found([phrase.text for phrase, _ in kept], None)
    surface = session._outlook_of_views(silent).surface
    inside = surface.of_point >= 0
    assert len(surface.points_scene) == inside.sum()
    truth = [np.c_[np.full(len(t), i), t.centre, t.radius, t.height] for i, (_, t) in enumerate(kept)]
    np.savez_compressed(
        out,
        points=surface.points_scene.astype(np.float32),
        cube=surface.cube.astype(np.int32),
        pairs=surface._pairs.astype(np.int32),
        values=np.stack([one.on_surface for one in found]).astype(np.float16),
        presence=np.array([one.presence for one in found]),
        world_from_scene=session._scene_from_world.inverse().matrix,
        phrases=np.array([phrase.text for phrase, _ in kept]),
        things=np.concatenate(truth),
    )  # fmt: skip


class Dump:
    """What `write` kept; `surface` can grow regions and has the points of cubes, and nothing else."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as kept:
            self.values = kept["values"].astype(np.float32)
            self.presence = kept["presence"]
            self.phrases = kept["phrases"].tolist()
            self.world_from_scene = Similarity.from_matrix(kept["world_from_scene"])
            rows = kept["things"]
            self.surface = Surface.__new__(Surface)
            self.surface.points_scene, self.surface.cube = kept["points"], kept["cube"].astype(np.int64)
            self.surface.points_in_cubes = np.bincount(kept["cube"], minlength=self.values.shape[1])
            self.surface.__dict__["_pairs"] = kept["pairs"].astype(np.int64)
        self.things = [
            Things(own[:, 1:4], own[:, 4], own[:, 5])
            for own in (rows[rows[:, 0] == number] for number in range(len(self.phrases)))
        ]

    def counts(self, accepted: float, inside: float, fewest: int) -> list[tuple[str, int, int, float, bool]]:
        """Phrase, hits, things, F1, best hit within the radius: of phrases that are said to be there."""
        rows = []
        for phrase, values, presence, things in zip(self.phrases, self.values, self.presence, self.things, strict=True):
            if presence <= 0.5:
                rows.append((phrase, 0, len(things), 0.0, False))
                continue
            regions = self.surface.regions(values, accepted=accepted, inside=inside, fewest_cubes=fewest)[:MOST_HITS]
            cores = (self.surface.points_of(region.core) for region in regions)
            centres = np.stack([middle(self.world_from_scene.points(core)) for core in cores])
            f1 = 2 * most_pairs(things.hold(centres)) / (len(regions) + len(things))
            near = bool((things.distance(centres[:1])[0] <= things.radius).any())
            rows.append((phrase, len(regions), len(things), f1, near))
        return rows


def compared(dumps: list[Dump]) -> None:
    lines = []
    for accepted, inside, fewest in product(ACCEPTED, INSIDE, FEWEST):
        every = [row for dump in dumps for row in dump.counts(accepted, inside, fewest)]
        one = [row for row in every if row[2] == 1]
        several = [row for row in every if row[2] > 1]
        lines.append([
            accepted, inside, fewest,
            float(np.mean([hits == things for _, hits, things, _, _ in one])),
            f"{sum(hits == things for _, hits, things, _, _ in several)} of {len(several)}",
            float(np.mean([f1 for *_, f1, _ in every])),
            float(np.mean([near for *_, near in one])),
        ])  # fmt: skip
    print(table(["accepted", "inside", "fewest", "count right, one", "several", "F1", "in radius, one"], lines))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
