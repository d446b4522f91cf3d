"""Answers as a session would give them, made by hand."""

import numpy as np

from langfield.query.answers import Hit
from langfield.query.boxes import Box, OrientedBox

Triple = tuple[float, float, float]


def hit_at(position: Triple, score: float = 0.9, half: float = 0.0) -> Hit:
    """A hit in a cube about a point."""
    x, y, z = position
    box = Box((x - half, y - half, z - half), (x + half, y + half, z + half))
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    around = OrientedBox(position, axes, (2 * half, 2 * half, 2 * half))
    return Hit(position, box, around, around, score, 0.1, (), 1, np.array([position], dtype=np.float64))
