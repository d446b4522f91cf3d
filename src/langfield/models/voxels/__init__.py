"""A radiance field whose language is averaged into voxels instead of trained."""
