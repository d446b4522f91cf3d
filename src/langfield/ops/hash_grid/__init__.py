"""Multiresolution hash-grid encoding (Instant-NGP, Müller et al. 2022, §3)."""

from langfield.ops.hash_grid.encoding import HashGridSpec, hash_encode, initial_table

__all__ = ["HashGridSpec", "hash_encode", "initial_table"]
