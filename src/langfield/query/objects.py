"""Everything that is in a scene without a phrase: the groups of its surface as objects with places, boxes and names."""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.groups.base import Groups
from langfield.models.relevancy import EncodedPhrases
from langfield.query.boxes import Box, OrientedBox

_FEW_PHOTOS = 10
_FEW_OF_USUAL = 0.15
_USUAL_PART = 0.5  # how much of what a noun has in common with every group is not counted for it


@cache
def household_nouns() -> tuple[str, ...]:
    """The bundled vocabulary that objects are named from."""
    listed = files("langfield.query").joinpath("household_nouns.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in listed.splitlines() if line.strip())


@dataclass(frozen=True)
class GroupShape:
    """Where a group of the surface is, in the world frame and its units.

    Attributes:
        group: its number in the run.
        position: the centre of the axis-aligned box.
        box: axis-aligned, around the group.
        upright_box: its last axis upwards, turned so that it covers least ground.
        points_world: (K, 3) points of its surface, one a voxel.
        elements: how many of the run's Gaussians are its; of a field, how many `points_world` are.
        views: names of up to four photos that show it best.
    """

    group: int
    position: tuple[float, float, float]
    box: Box
    upright_box: OrientedBox
    points_world: Float[np.ndarray, "k 3"] = field(repr=False, compare=False)
    elements: int
    views: tuple[str, ...]

    @property
    def extent(self) -> float:
        """The longest edge of the upright box, world units: the scale at which a click finds this group."""
        return max(self.upright_box.size)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, without points."""
        return {
            "group": self.group,
            "position": list(self.position),
            "box": self.box.to_json(),
            "obb": self.upright_box.to_json(),
            "scale": self.extent,
            "elements": self.elements,
            "view": self.views[0] if self.views else None,
            "views": list(self.views),
        }


@dataclass(frozen=True)
class SceneObject:
    """A group of the surface that is a thing, a part of one, or a set of things.

    Attributes:
        shape: where it is.
        name: the noun of the vocabulary that its pictures are most like; "" for a run whose groups have no language.
        score: LERF's relevancy of that noun, in [0, 1]: below 0.5 a word that means nothing fits as well.
        photos: in how many photos a mask showed it.
        support: that over the number of photos in which it can be seen well.
        parent: the number of the smallest group that holds it; None for none.
        parts: the numbers of the groups that it holds directly.
    """

    shape: GroupShape
    name: str
    score: float
    photos: int
    support: float
    parent: int | None
    parts: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """One of the "objects" of `langfield objects --json`."""
        return self.shape.to_json() | {
            "name": self.name,
            "score": self.score,
            "photos": self.photos,
            "support": self.support,
            "parent": self.parent,
            "parts": list(self.parts),
        }


def best_names(embeddings: Float[Tensor, "g d"], nouns: EncodedPhrases) -> tuple[list[str], Float[np.ndarray, " g"]]:
    """A noun for each of G embeddings, which are of length 1 or 0, and LERF's relevancy of it; "" and 0 where 0.

    It is the noun of the highest cosine, less a part (`_USUAL_PART`) of the noun's mean cosine over these groups: an
    encoder finds some nouns like every picture.
    """
    if not len(embeddings):
        return [], np.zeros(0)
    known = embeddings.norm(dim=1) > 0
    cosine = embeddings @ nouns.embeddings.T
    usual = cosine[known].mean(dim=0, keepdim=True) if bool(known.any()) else 0
    best = (cosine - _USUAL_PART * usual).argmax(dim=1)
    relevancy = nouns.relevancy(embeddings).gather(1, best[:, None])[:, 0]
    score = torch.where(known, relevancy, 0).cpu().numpy()
    return [nouns.texts[b] if k else "" for b, k in zip(best.tolist(), known.tolist(), strict=True)], score


def listed_groups(groups: Groups, thing_of_voxel: Int64[np.ndarray, " v"], all_levels: bool) -> list[int]:
    """The groups that an inventory lists: the things; or with `all_levels` also their parts and sets of them."""
    return list(range(len(groups))) if all_levels else np.unique(thing_of_voxel[thing_of_voxel >= 0]).tolist()


def seen_often(listed: list[int], groups: Groups) -> list[int]:
    """Without groups that hardly any photo shows: fewer than `_FEW_PHOTOS` of them, and than a share of what is usual
    (the median) of the listed ones. They are mostly pieces of what is behind things."""
    if not listed:
        return []
    usual = float(np.median(groups.photo_count[listed]))
    return [group for group in listed if groups.photo_count[group] >= min(_FEW_PHOTOS, _FEW_OF_USUAL * usual)]


def parts_of(groups: Groups, group: int) -> tuple[int, ...]:
    """The groups whose parent is this one."""
    return tuple(np.nonzero(groups.parent == group)[0].tolist())
