"""Radiance fields that are volume rendered, and the heads on them."""
