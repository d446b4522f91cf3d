"""What it is worth that a group shares its language: the closed form of a coupling between groups and embeddings.

    python benchmarks/groups_coupling.py RUN SCENE [--encoder SPEC] [--shares 0.5 1] [--side 160] [--out found.json]

RUN was trained with --masks on SCENE, which has queries.json with exact boxes and gt/; its language was lifted
(`splat`, `lift`), so that there is no loss to couple by. Instead each voxel of the scene's index gives a share of its
embedding, at each crop level, for the mean of the thing that it is of; 0 is what is in use. Each is asked with its
regions as they are, and with groups in their place. Prints the columns of `groups.py`.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from groups import HEADER, figures
from langfield.core.devices import resolve_device
from langfield.data.scene import open_scene
from langfield.groups.base import SOLID_SHARE
from langfield.groups.hierarchy import things
from langfield.groups.scene_groups import SceneGroups
from langfield.query import opened_scene
from langfield.query.index.grouped_surface import GroupedSurface
from langfield.query.index.scene_index import SceneIndex
from langfield.query.index.voxel_embeddings import VoxelEmbeddings
from langfield.query.session import Session
from langfield.runs.directory import load_run
from measuring import table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--shares", type=float, nargs="+", default=(0.0, 0.5, 1.0))
    parser.add_argument("--side", type=int, default=None, help="phrases are asked on pictures no longer than this")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    scene, device = open_scene(options.scene), resolve_device(options.device)
    session = Session.open(options.run, device=options.device, encoder=options.encoder)
    shares_language = SharedLanguage(opened_scene.build_scene_index)
    opened_scene.build_scene_index = shares_language.build  # what sessions make their index with
    saved = {name: t.numpy() for name, t in load_run(options.run).tensors("groups").items()}
    groups = SceneGroups.from_arrays(saved).to(device)
    shares_language.groups = groups
    found: dict[str, Any] = {}
    for share in options.shares:
        shares_language.share = share
        for name, of_run in (("regions", None), ("groups", groups)):
            asked = Session(session.info, session.model, device, options.encoder, of_run)
            found[f"{name}, {share:g} shared"] = row = figures(asked, scene, options.side)
            print(name, share, *(row[key] for key in HEADER[1:]), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(found, indent=1))
    print(table(["hits are", *HEADER[1:]], [[name, *(row[key] for key in HEADER[1:])] for name, row in found.items()]))


@dataclass
class SharedLanguage:
    """Makes a run's index once, and of it others in which things share their language.

    Attributes:
        of_views: makes an index.
        groups: of the run's surface.
        share: of each embedding, that is its thing's.
        made: the index in which none is.
    """

    of_views: Callable[..., SceneIndex]
    groups: SceneGroups | None = None
    share: float = 0.0
    made: SceneIndex | None = None

    def build(self, *given: Any) -> SceneIndex:
        """See `build_scene_index`."""
        assert self.groups is not None
        if self.made is None:
            self.made = self.of_views(*given)
        labels = thing_of_voxel(self.made, self.groups)
        return replace(self.made, embeddings=shared(self.made.embeddings, labels, self.share), _recordings={})


def thing_of_voxel(index: SceneIndex, groups: SceneGroups) -> Int64[np.ndarray, " v"]:
    """The thing that most of the surface in each of the index's voxels is of; −1 for none."""
    chosen = np.unique(things(groups.groups))
    share = GroupedSurface.of(groups, index.voxels).share[chosen[chosen >= 0]].toarray()
    return np.where(share.max(axis=0) >= SOLID_SHARE, share.argmax(axis=0), -1)


def shared(embeddings: VoxelEmbeddings, thing: Int64[np.ndarray, " v"], share: float) -> VoxelEmbeddings:
    """Unit embeddings of which a share is the mean of the voxel's thing."""
    of_voxel = torch.from_numpy(thing).to(embeddings.vectors.device)
    parts = [
        _shared_at(v.float(), o, of_voxel, share) for v, o in zip(embeddings.vectors, embeddings.observed, strict=True)
    ]
    return replace(embeddings, vectors=torch.stack(parts).half())


def _shared_at(vectors: Tensor, observed: Tensor, thing: Tensor, share: float) -> Tensor:
    inside = (thing >= 0) & observed
    means = vectors.new_zeros(int(thing.max()) + 1, vectors.shape[1]).index_add_(0, thing[inside], vectors[inside])
    means = torch.nn.functional.normalize(means, dim=1)
    out = vectors.clone()
    out[inside] = torch.nn.functional.normalize(torch.lerp(vectors[inside], means[thing[inside]], share), dim=1)
    return out


if __name__ == "__main__":
    main()
