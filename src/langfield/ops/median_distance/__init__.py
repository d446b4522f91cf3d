"""The median distance from points to places."""

from langfield.ops.median_distance.median_distance import median_distance

__all__ = ["median_distance"]
