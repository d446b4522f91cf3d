"""How well hits are counted: regions grown from relevancy on a scene's surface, under other rules than the usual ones.

    python benchmarks/hits.py dump RUN SCENE --out hits.npz
    python benchmarks/hits.py compare breakfast.npz playdesk.npz …

`dump` keeps the relevancy of the phrases of SCENE's queries.json on a run's surface (a few MB). `compare` needs no run
and no GPU: for each rule it prints, over the phrases of kinds object, attribute and synonym that are there, the share
whose number of hits is right (of one thing, of several), the mean F1 of hits and things, and the share of best hits
within a thing's radius, all scenes together. A rule is set once for all of them.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch

from asking import encoded, index_of, scene_from_world
from langfield.core.transforms import Similarity
from langfield.data.queries import QUERIES_FILE, read_queries
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.protocols.positions import Cylinders, matching_size
from langfield.query.boxes import box_centre
from langfield.query.index.regions import adjacency, find_regions
from langfield.query.index.scene_index import MAX_HITS
from langfield.query.session import Session
from measuring import table

PEAK_SHARES = (0.4, 0.5, 0.6, 0.7)
GROW_SHARES = (0.3, 0.4, 0.5, 0.7)
MIN_VOXELS = (8, 24)


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
    """Keep the surface's voxels and the phrases' relevancy there."""
    file = read_queries(scene / QUERIES_FILE)
    kept = [
        (query, things)
        for query in file.queries
        if query.kind in HEADLINE_KINDS and len(things := Cylinders.of(file.instances_of(query)))
    ]
    phrases = [query.text for query, _ in kept]
    index = index_of(session)
    voxels, scores = index.voxels, index.score(encoded(session, phrases))
    truth = [np.c_[np.full(len(t), i), t.centre, t.radius, t.height] for i, (_, t) in enumerate(kept)]
    np.savez_compressed(
        out,
        points=voxels.points_scene.astype(np.float32),
        voxel=voxels.points_voxel.astype(np.int32),
        pairs=voxels.neighbour_pairs.astype(np.int32),
        values=scores.voxel_relevancy.astype(np.float16),
        presence=np.array([answer.presence for answer in session.query(phrases)]),
        world_from_scene=scene_from_world(session).inverse().matrix,
        phrases=np.array(phrases),
        things=np.concatenate(truth),
    )  # fmt: skip


class Dump:
    """What `write` kept."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as kept:
            self.values = kept["values"].astype(np.float32)
            self.presence = kept["presence"]
            self.phrases = kept["phrases"].tolist()
            self.world_from_scene = Similarity.from_matrix(kept["world_from_scene"])
            rows = kept["things"]
            self.points_scene, self.points_voxel = kept["points"].astype(np.float64), kept["voxel"]
            self.neighbours = adjacency(kept["pairs"].astype(np.int64), self.values.shape[1])
        self.things = [
            Cylinders(own[:, 1:4], own[:, 4], own[:, 5])
            for own in (rows[rows[:, 0] == number] for number in range(len(self.phrases)))
        ]

    def counts(self, peak_share: float, grow_share: float, min_voxels: int) -> list[tuple[str, int, int, float, bool]]:
        """Phrase, hits, things, F1, best hit within the radius: of phrases that are said to be there."""
        rows = []
        for phrase, values, presence, things in zip(self.phrases, self.values, self.presence, self.things, strict=True):
            if presence <= 0.5:
                rows.append((phrase, 0, len(things), 0.0, False))
                continue
            regions = find_regions(
                values, self.neighbours, peak_share=peak_share, grow_share=grow_share, min_voxels=min_voxels
            )[:MAX_HITS]
            cores = (self.points_scene[np.isin(self.points_voxel, region.core)] for region in regions)
            centres = np.stack([box_centre(self.world_from_scene.points(core)) for core in cores])
            f1 = 2 * matching_size(things.contain(centres)) / (len(regions) + len(things))
            near = bool((things.distance(centres[:1])[0] <= things.radius).any())
            rows.append((phrase, len(regions), len(things), f1, near))
        return rows


def compared(dumps: list[Dump]) -> None:
    lines = []
    for peak_share, grow_share, min_voxels in product(PEAK_SHARES, GROW_SHARES, MIN_VOXELS):
        every = [row for dump in dumps for row in dump.counts(peak_share, grow_share, min_voxels)]
        one = [row for row in every if row[2] == 1]
        several = [row for row in every if row[2] > 1]
        lines.append([
            peak_share, grow_share, min_voxels,
            float(np.mean([hits == things for _, hits, things, _, _ in one])),
            f"{sum(hits == things for _, hits, things, _, _ in several)} of {len(several)}",
            float(np.mean([f1 for *_, f1, _ in every])),
            float(np.mean([near for *_, near in one])),
        ])  # fmt: skip
    rule = ["peak share", "grow share", "min voxels"]
    print(table([*rule, "count right, one", "several", "F1", "in radius, one"], lines))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
