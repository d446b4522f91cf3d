"""The voxels of a regular grid that are nearest to points."""

from langfield.ops.nearest_voxels.nearest_voxels import REACH, VoxelGrid, nearest_voxels

__all__ = ["REACH", "VoxelGrid", "nearest_voxels"]
