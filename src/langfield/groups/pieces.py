"""Pieces of groups: what of a group hangs together in space, and specks that do not belong to it.

A mask that is a pixel too wide covers a strip of what is far behind the thing's border. Few photos see that strip, so
votes do not remove it; but it does not touch the thing.
"""

from itertools import pairwise, product

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from langfield.core.voxels import KEY_BITS, voxel_keys
from langfield.groups.base import SOLID_SHARE, size_of
from langfield.groups.incidence import distinct_numbers

_REACH_SIDES = 3.0  # voxels' sides: voxels whose cells of this side touch hang together
_MIN_SHARE = 0.1  # of the largest piece: smaller pieces are specks
_HALF = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]  # of the 26 cells about one, one each pair
_FARTHEST_CELL = 2 ** (KEY_BITS - 1) - 2


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
    kept = members.copy()
    count = size_of(members)[0]
    solid = np.flatnonzero(members.data >= SOLID_SHARE)
    if not len(solid):
        kept.eliminate_zeros()
        return kept
    group = np.repeat(np.arange(count), np.diff(members.indptr))[solid]
    voxels = members.indices[solid]
    sides = sides_scene[voxels].astype(np.float64)
    ends = np.searchsorted(group, np.arange(count + 1))
    reach = [_REACH_SIDES * float(np.median(sides[a:b])) if b > a else 1.0 for a, b in pairwise(ends)]
    piece = pieces_of_groups(centres_scene[voxels], group, np.array(reach), device)
    surface = np.bincount(piece, sides**2)
    largest = np.zeros(count)
    np.maximum.at(largest, group, surface[piece])
    kept.data[solid[surface[piece] < _MIN_SHARE * largest[group]]] = 0
    kept.eliminate_zeros()
    return kept


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
