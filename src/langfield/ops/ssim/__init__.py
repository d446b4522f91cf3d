"""Structural similarity of pictures, and its gradient."""

from langfield.ops.ssim.similarity import structural_similarity

__all__ = ["structural_similarity"]
