"""Pieces of groups: what of a group hangs together in space, specks that do not belong to it, and two things in one.

A mask that is a pixel too wide covers a strip of what is far behind the thing's border. Few photos see that strip, so
votes do not remove it; but it does not touch the thing. And masks that hold two things that look alike make one group
of both, however far apart they are.
"""

from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from langfield.core.voxels import KEY_BITS, voxel_keys
from langfield.groups.base import SOLID_SHARE, Groups, size_of
from langfield.groups.hierarchy import parents_of, shared_shares
from langfield.groups.incidence import distinct_numbers

_REACH_SIDES = 3.0  # voxels' sides: voxels whose cells of this side touch hang together
_MIN_SHARE = 0.1  # of the largest piece: smaller pieces are specks
_SAME_IOU = 0.85  # from which on two groups are one
_HALF = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]  # of the 26 cells about one, one each pair
_FARTHEST_CELL = 2 ** (KEY_BITS - 1) - 2


@dataclass(frozen=True, eq=False)
class _SolidPieces:
    """The N voxels that belong to groups, in P pieces.

    Attributes:
        place: (N,) of each in the groups' shares.
        piece: (N,) that each is of.
        group: (P,) that each piece is of.
        surface: (P,) the sum of its voxels' squared sides.
    """

    place: Int64[np.ndarray, " n"]
    piece: Int64[np.ndarray, " n"]
    group: Int64[np.ndarray, " p"]
    surface: Float64[np.ndarray, " p"]

    @classmethod
    def of(
        cls,
        members: sparse.csr_matrix,
        centres_scene: Float[np.ndarray, "v 3"],
        sides_scene: Float[np.ndarray, " v"],
        device: torch.device | str,
    ) -> "_SolidPieces":
        count = size_of(members)[0]
        place = np.flatnonzero(members.data >= SOLID_SHARE)
        group = np.repeat(np.arange(count), np.diff(members.indptr))[place]
        voxels = members.indices[place]
        sides = sides_scene[voxels].astype(np.float64)
        ends = np.searchsorted(group, np.arange(count + 1))
        reach = [_REACH_SIDES * float(np.median(sides[a:b])) if b > a else 1.0 for a, b in pairwise(ends)]
        piece = pieces_of_groups(centres_scene[voxels], group, np.array(reach), device)
        surface = np.bincount(piece, sides**2).astype(np.float64)
        of_piece = np.zeros(len(surface), dtype=np.int64)
        of_piece[piece] = group
        return cls(place, piece, of_piece, surface)

    def are_specks(self) -> Bool[np.ndarray, " p"]:
        """Which pieces have less than a tenth of the surface of their group's largest one."""
        largest = np.zeros(int(self.group.max(initial=-1)) + 1)
        np.maximum.at(largest, self.group, self.surface)
        return self.surface < _MIN_SHARE * largest[self.group]


def without_specks(
    members: sparse.csr_matrix,
    centres_scene: Float[np.ndarray, "v 3"],
    sides_scene: Float[np.ndarray, " v"],
    device: torch.device | str = "cpu",
) -> sparse.csr_matrix:
    """The shares of groups without those of voxels in pieces whose surface is less than a tenth of the largest piece's.

    Cost: a sort of all groups' voxels, and some searches of each one's cells, on the device.

    Args:
        members: (G, V) shares.
        centres_scene: of the voxels.
        sides_scene: of the voxels; their squares are their surface.
    """
    found = _SolidPieces.of(members, centres_scene, sides_scene, device)
    kept = members.copy()
    kept.data[found.place[found.are_specks()[found.piece]]] = 0
    kept.eliminate_zeros()
    return kept


def things_apart(
    groups: Groups,
    centres_scene: Float[np.ndarray, "v 3"],
    sides_scene: Float[np.ndarray, " v"],
    device: torch.device | str = "cpu",
) -> Groups:
    """Groups without specks, of which none has pieces that are farther apart than the longer of them is long.

    Such pieces are no thing with a gap, but several things: each becomes a group of its own, after the one of most
    surface, with the photos that had a mask of all of them; unless another group is like it. Cost: as
    `without_specks`.

    Args:
        groups: with G groups of V voxels.
        centres_scene: of the voxels.
        sides_scene: of the voxels; their squares are their surface.
    """
    found = _SolidPieces.of(groups.members, centres_scene, sides_scene, device)
    specks = found.are_specks()
    shares = groups.members.copy()
    shares.data[found.place[specks[found.piece]]] = 0
    rows: list[sparse.csr_matrix] = []
    origin: list[int] = []
    for number in range(len(groups)):
        row = shares[[number]]
        several = np.flatnonzero((found.group == number) & ~specks)
        split = [row] if len(several) < 2 else _split(row, number, several, found, groups, centres_scene)
        rows += split
        origin += [number] * len(split)
    members = sparse.csr_matrix(sparse.vstack(rows, format="csr")) if rows else shares
    members.eliminate_zeros()
    of = np.array(origin, dtype=np.int64)
    if len(of) == len(groups):
        return replace(groups, members=members)
    kept = _without_repeated(members, of_split=np.bincount(of, minlength=len(groups))[of] > 1)
    members, of = members[kept], of[kept]
    photos, visible = groups.photo_count[of], groups.visible_count[of]
    return Groups(members, parents_of(members), photos, visible, groups.support[of])


def _split(
    row: sparse.csr_matrix,
    group: int,
    several: Int64[np.ndarray, " p"],
    found: _SolidPieces,
    groups: Groups,
    centres_scene: Float[np.ndarray, "v 3"],
) -> list[sparse.csr_matrix]:
    """A group's shares, one row for each thing that its pieces are of; the one of most surface first.

    Args:
        row: (1, V) shares without specks.
        several: its pieces.
    """
    start, end = groups.members.indptr[group : group + 2]
    points = centres_scene[row.indices].astype(np.float64)
    piece = np.full(end - start, -1)
    first, last = np.searchsorted(found.place, [start, end])
    piece[found.place[first:last] - start] = found.piece[first:last]
    inside = [points[piece == number] for number in several]
    low, high = np.stack([of.min(axis=0) for of in inside]), np.stack([of.max(axis=0) for of in inside])
    length = (high - low).max(axis=1)
    near = _gap(low[:, None], high[:, None], low, high) <= np.maximum(length[:, None], length)
    count, thing = connected_components(near, directed=False)
    if count == 1:
        return [row]
    surface = np.bincount(thing, found.surface[several])
    nearest = thing[_gap(points[:, None], points[:, None], low, high).argmin(axis=1)]
    rows = []
    for number in np.argsort(-surface, kind="stable"):
        only = row.copy()
        only.data[nearest != number] = 0
        rows.append(only)
    return rows


def _gap(
    low: Float[np.ndarray, "*#n 3"],
    high: Float[np.ndarray, "*#n 3"],
    other_low: Float[np.ndarray, "*#n 3"],
    other_high: Float[np.ndarray, "*#n 3"],
) -> Float[np.ndarray, "*n"]:
    """The distance between axis-aligned boxes, 0 where they overlap."""
    return np.linalg.norm(np.maximum(np.maximum(low - other_high, other_low - high), 0), axis=-1)


def _without_repeated(members: sparse.csr_matrix, of_split: Bool[np.ndarray, " g"]) -> Int64[np.ndarray, " k"]:
    """Indices of groups without those that came of a split and are the same as one that did not, or an earlier one."""
    share, size = shared_shares(members)
    common = share * size[:, None]
    same = common >= _SAME_IOU * (size[:, None] + size - common)
    kept = ~of_split
    for number in np.flatnonzero(of_split):
        kept[number] = not same[number, kept].any()
    return np.flatnonzero(kept)


def pieces(points: Float[np.ndarray, "n 3"], reach: float) -> Int64[np.ndarray, " n"]:
    """The piece that each of N ≥ 1 points is of: points hang together whose cubic cells of side `reach` touch."""
    return pieces_of_groups(points, np.zeros(len(points), np.int64), np.array([reach]))


def pieces_of_groups(
    points: Float[np.ndarray, "n 3"],
    group: Int64[np.ndarray, " n"],
    reach: Float[np.ndarray, " g"],
    device: torch.device | str = "cpu",
) -> Int64[np.ndarray, " n"]:
    """`pieces` of several groups at once, each with its own reach: points of different groups never hang together.

    Cells farther than a million cells from the origin count as there.
    """
    of, side = torch.from_numpy(group).to(device), torch.from_numpy(reach).to(device)
    cell = (torch.from_numpy(points).to(device).double() / side[of, None]).floor()
    keys = voxel_keys(cell.clamp(-_FARTHEST_CELL, _FARTHEST_CELL).long())
    known = distinct_numbers(keys)
    place_of_point = of * len(known) + torch.searchsorted(known, keys)
    nodes = distinct_numbers(place_of_point)
    own_group = nodes.div(len(known), rounding_mode="floor")
    own_key = known[nodes - own_group * len(known)]
    edges = [_edges(nodes, own_group, own_key + _key_step(step), known) for step in _HALF]
    one, other = (torch.cat(ends).cpu().numpy() for ends in zip(*edges, strict=True))
    graph = sparse.coo_matrix((np.ones(len(one), dtype=bool), (one, other)), shape=(len(nodes), len(nodes)))
    _, piece = connected_components(graph, directed=False)
    return piece[torch.searchsorted(nodes, place_of_point).cpu().numpy()].astype(np.int64)


def _key_step(step: tuple[int, ...]) -> int:
    """What is added to a cell's key for the cell that lies so many cells away."""
    x, y, z = step
    return (x << (2 * KEY_BITS)) + (y << KEY_BITS) + z


def _edges(
    nodes: Int64[Tensor, " c"], group: Int64[Tensor, " c"], wanted: Int64[Tensor, " c"], known: Int64[Tensor, " k"]
) -> tuple[Int64[Tensor, " e"], Int64[Tensor, " e"]]:
    """The nodes of which there is another in the same group that has the wanted key, and those others."""
    place = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    there = (known[place] == wanted).nonzero()[:, 0]
    node = group[there] * len(known) + place[there]
    other = torch.searchsorted(nodes, node).clamp(max=len(nodes) - 1)
    found = nodes[other] == node
    return there[found], other[found]
