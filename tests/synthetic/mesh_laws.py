"""What is true of a mesh that encloses a body."""

import numpy as np

from langfield_synthetic.meshes import Mesh


def volume(mesh: Mesh) -> float:
    """m³ enclosed, positive if the faces look outwards (by the divergence theorem)."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def is_closed(mesh: Mesh) -> bool:
    """Whether every edge is there as often in one direction as in the other, once equal positions are one corner."""
    _, corner = np.unique(np.round(mesh.vertices.astype(np.float64), 6), axis=0, return_inverse=True)
    faces = corner.reshape(-1)[mesh.faces.astype(np.int64)]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there, times = np.unique(edges, axis=0, return_counts=True)
    back, times_back = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    return bool(len(there) == len(back) and (there == back).all() and (times == times_back).all())
