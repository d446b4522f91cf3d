"""Multiresolution hash encoding (Instant-NGP, Müller et al. 2022, §3)."""
