"""Pieces of groups: what of a group hangs together in space, and specks that do not belong to it.

A mask that is a pixel too wide covers a strip of what is far behind the thing's border. Few photos see that strip, so
votes do not remove it; but it does not touch the thing.
"""

import numpy as np
from jaxtyping import Float, Int64
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from langfield.groups.base import SOLID_SHARE, size_of

_REACH_SIDES = 3.0  # voxels' sides: voxels whose cells of this side touch hang together
_MIN_SHARE = 0.1  # of the largest piece: smaller pieces are specks


def without_specks(
    members: sparse.csr_matrix, centres_scene: Float[np.ndarray, "v 3"], sides_scene: Float[np.ndarray, " v"]
) -> sparse.csr_matrix:
    """The shares of groups without those of voxels in pieces whose surface is less than a tenth of the largest piece's.

    Cost: a sort of each group's voxels, and a search of neighbours among its cells.

    Args:
        members: (G, V) shares.
        centres_scene: of the voxels.
        sides_scene: of the voxels; their squares are their surface.
    """
    kept = members.copy()
    for group in range(size_of(members)[0]):
        row = slice(members.indptr[group], members.indptr[group + 1])
        solid = np.flatnonzero(members.data[row] >= SOLID_SHARE)
        voxels = members.indices[row][solid]
        if len(voxels) > 1:
            piece = pieces(centres_scene[voxels], _REACH_SIDES * float(np.median(sides_scene[voxels])))
            surface = np.bincount(piece, sides_scene[voxels].astype(np.float64) ** 2)
            specks = surface[piece] < _MIN_SHARE * surface.max()
            kept.data[row.start + solid[specks]] = 0
    kept.eliminate_zeros()
    return kept


def pieces(points: Float[np.ndarray, "n 3"], reach: float) -> Int64[np.ndarray, " n"]:
    """The piece that each of N ≥ 1 points is of: points hang together whose cubic cells of side `reach` touch."""
    cells, cell_of = np.unique(np.floor(points / reach).astype(np.int64), axis=0, return_inverse=True)
    pairs = KDTree(cells).query_pairs(1.8, output_type="ndarray")  # share a face, an edge or a corner
    ones = np.ones(len(pairs), dtype=bool)
    graph = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    _, piece = connected_components(graph, directed=False)
    return piece[cell_of.reshape(-1)].astype(np.int64)
